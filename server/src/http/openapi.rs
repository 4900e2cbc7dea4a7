//! `GET /openapi.json`: the API, described from the code's own types.

use axum::Json;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
};
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
        super::pages::login,
        super::not_me::ask,
        super::register::register,
        super::verify::verify,
        super::resend::resend,
        super::correct::correct,
        super::login::login,
        super::logout::logout,
        super::preferences::choose,
        super::claim::claim,
        super::not_me::disown,
        super::health::alive,
        super::health::ready,
    ),
    modifiers(&SecuritySchemes, &EveryOperation),
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

/// What the layers around all handlers may answer.
struct EveryOperation;

impl Modify for EveryOperation {
    fn modify(&self, document: &mut Document) {
        let answers = [
            ("414", "`uri_too_long`: path and query of more than 8 KiB"),
            (
                "431",
                "`headers_too_large`: header fields of more than 16 KiB",
            ),
            ("500", "`internal`: a fault of the service"),
            ("503", "`unavailable`: it took too long"),
        ];
        let slow = ("408", "`request_timeout`: the form took too long to arrive");
        for path in document.paths.paths.values_mut() {
            let all = [&mut path.get, &mut path.post].into_iter().flatten();
            for operation in all {
                let slow = operation.request_body.as_ref().map(|_| slow);
                for (status, description) in answers.into_iter().chain(slow) {
                    operation
                        .responses
                        .responses
                        .entry(status.to_owned())
                        .or_insert_with(|| failure(status, description));
                }
            }
        }
    }
}

fn failure(status: &str, description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name("Failure");
    let mut response = ResponseBuilder::new().description(description).content(
        "application/json",
        ContentBuilder::new().schema(Some(schema)).build(),
    );
    if status == "503" {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer);
        let header = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("Seconds"));
        response = response.header("Retry-After", header.build());
    }
    response.build().into()
}

/// `GET /openapi.json`
pub async fn document() -> Json<Document> {
    Json(Api::openapi())
}
