//! `GET /openapi.json`: the API, described from the code's own types.

use axum::Json;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Latchkey",
        description = "Sign-up with an e-mail address that is really theirs."
    ),
    paths(
        super::pages::register,
        super::pages::verify,
        super::not_me::ask,
        super::register::register,
        super::verify::verify,
        super::resend::resend,
        super::claim::claim,
        super::not_me::disown,
        super::health::alive,
        super::health::ready,
    ),
    modifiers(&SecuritySchemes),
)]
struct Api;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "basic",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-latchkey"))),
        );
    }
}

/// `GET /openapi.json`
pub async fn document() -> Json<Document> {
    Json(Api::openapi())
}
