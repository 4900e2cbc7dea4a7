//! `POST /register`

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::domain::{EmailAddress, PasswordError};
use latchkey_app::language::Language;
use latchkey_app::texts::{Message, key};
use serde::Deserialize;
use tower_sessions::Session;
use utoipa::ToSchema;

use super::answer::{Failure, Faults, Kind, Problem, Success};
use super::door::Door;
use super::form::{Form, Typed};
use super::pages;
use super::session::{Begun, Remembered};
use super::state::AppState;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::RegisterOutcome;

const ACCEPTED_WITH_CODE: &str =
    "The registration process has been recorded, here is your code (also sent via email)";
const ACCEPTED: &str = "The registration process has been recorded, your code was sent via email";

/// The form of a sign-up.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct RegisterForm {
    /// One e-mail address, at most 254 octets.
    #[schema(example = "foo@bar.com", format = Email, min_length = 5, max_length = 254)]
    email: String,
    /// 8 code points (or as configured) to 1,024 bytes, without control characters.
    #[schema(
        example = "testpassword",
        min_length = 8,
        max_length = 1024,
        pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$"
    )]
    password: String,
}

/// Sign up with an address and a password; a code goes to the address, in the language that
/// `Accept-Language` asks for (English or French).
#[utoipa::path(
    post,
    path = "/register",
    tag = "sign-up",
    request_body(content = RegisterForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Accepted; `code` is there in development only", body = Success),
        (status = 400, description = "`bad_request`: a field missing or sent twice, or the body not percent-encoded UTF-8", body = Failure),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 409, description = "`email_taken`: the address is verified, where the configuration lets that be said", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 422, description = "`invalid`: address or password not acceptable, see `fields`", body = Failure),
        (status = 429, description = "`rate_limited`: a budget of this network, this address or everybody is spent", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
        (status = 503, description = "`unavailable`: nothing recorded", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn register(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    session: Session,
    visit: Visit,
    form: Result<Form, Problem>,
) -> Response {
    let typed = Typed::of(form.as_ref());
    let asked = Asked {
        network,
        language: visit.language,
        door,
    };
    match (attempt(&state, asked, &session, form).await, door) {
        (Ok(_), Door::Browser) => Redirect::to("/verify").into_response(),
        (Ok(success), Door::Program { .. }) => success.into_response(),
        (Err(problem), Door::Browser) => {
            let mut page = pages::register_again(&state, &visit, &typed, &problem).await;
            problem.add_headers(true, &mut page);
            page
        }
        (Err(problem), Door::Program { .. }) => problem.into_response(),
    }
}

/// What is known of whoever asks, beside the form.
#[derive(Clone, Copy)]
struct Asked {
    network: ClientNetwork,
    language: Language,
    door: Door,
}

async fn attempt(
    state: &AppState,
    asked: Asked,
    session: &Session,
    form: Result<Form, Problem>,
) -> Result<Success, Problem> {
    let form = form?;
    let email = EmailAddress::parse(form.required("email")?);
    let password = state
        .password_policy
        .parse(form.required("password")?, email.as_ref().ok());
    let (email, password) = match (email, password) {
        (Ok(email), Ok(password)) => (email, password),
        (email, password) => {
            let faults = Faults {
                email: email.err().map(|error| Message::from(error.key())),
                password: password.err().map(PasswordError::message),
                ..Faults::default()
            };
            return Err(Problem::in_fields(Kind::Invalid, faults));
        }
    };
    match state
        .registration
        .register(&email, password, asked.language, asked.network)
        .await?
    {
        RegisterOutcome::Limited(limited) => Err(Problem::limited(limited, state.clock.now())),
        RegisterOutcome::EmailTaken => Err(Problem::new(Kind::EmailTaken, key::ERROR_EMAIL_TAKEN)),
        RegisterOutcome::Accepted { claim, code } => {
            if asked.door.keeps_session() {
                let remembered = Remembered {
                    claim: Some(Begun {
                        id: claim.id(),
                        reference: claim.reference.clone(),
                    }),
                    lingers_until: None,
                    ..Remembered::of(session).await?
                };
                remembered.keep(session, state.clock.now()).await?;
            }
            Ok(match code.filter(|_| state.expose_code) {
                Some(code) => Success {
                    code: Some(code.expose().to_owned()),
                    ..Success::new(ACCEPTED_WITH_CODE)
                },
                None => Success::new(ACCEPTED),
            })
        }
    }
}
