//! `POST /login`

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::domain::{EmailAddress, Password};
use latchkey_app::texts::{Message, key};
use serde::Deserialize;
use tower_sessions::Session;
use utoipa::ToSchema;

use super::answer::{Failure, Faults, Kind, Problem, Success};
use super::door::Door;
use super::form::{Form, Typed};
use super::pages;
use super::session::{Begun, Owner, Remembered};
use super::state::AppState;
use super::verify::admit;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::{LoginOutcome, SIGN_IN_REFUSED};

/// The form of a sign-in.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct LoginForm {
    #[schema(example = "foo@bar.com", format = Email, max_length = 254)]
    email: String,
    #[schema(example = "testpassword", min_length = 1, max_length = 1024)]
    password: String,
}

/// Sign in to an account with its address and password. The session is in the cookie.
///
/// Unknown addresses and wrong passwords are not told apart, and cost the same.
#[utoipa::path(
    post,
    path = "/login",
    tag = "sign-in",
    request_body(content = LoginForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Signed in", body = Success, headers(("Set-Cookie" = String, description = "The session"))),
        (status = 400, description = "`bad_request`: a field missing, empty or sent twice, or the body not percent-encoded UTF-8", body = Failure),
        (status = 401, description = "`unauthorized`: unknown address or wrong password", body = Failure, headers(("WWW-Authenticate" = String))),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 409, description = "`not_verified`: the password is that of a sign-up whose code is still to be entered; the session is its", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 422, description = "`invalid`: the address is none, see `fields`", body = Failure),
        (status = 429, description = "`rate_limited`: too many wrong passwords from this network", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn login(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    session: Session,
    visit: Visit,
    form: Result<Form, Problem>,
) -> Response {
    let typed = Typed::of(form.as_ref());
    match (attempt(&state, network, &session, form).await, door) {
        (Ok(()), Door::Browser) => Redirect::to("/welcome").into_response(),
        (Ok(()), Door::Program { .. }) => Success::new("You are signed in.").into_response(),
        // Its code is what is missing.
        (Err(problem), Door::Browser) if problem.kind == Kind::NotVerified => {
            Redirect::to("/verify").into_response()
        }
        (Err(problem), Door::Browser) => {
            let mut page = pages::login_again(&state, &visit, &typed, &problem).await;
            problem.add_headers(true, &mut page);
            page
        }
        (Err(problem), Door::Program { .. }) => problem.into_response(),
    }
}

async fn attempt(
    state: &AppState,
    network: ClientNetwork,
    session: &Session,
    form: Result<Form, Problem>,
) -> Result<(), Problem> {
    admit(state, network, SIGN_IN_REFUSED).await?;
    let form = form?;
    let email = EmailAddress::parse(form.required("email")?);
    let password = form.required("password")?;
    let email = match email {
        Ok(email) if !password.is_empty() => email,
        email => {
            let kind = if password.is_empty() {
                Kind::BadRequest
            } else {
                Kind::Invalid
            };
            let faults = Faults {
                email: email.err().map(|error| Message::from(error.key())),
                password: (password.is_empty()).then(|| Message::from(key::LOGIN_PASSWORD_NEEDED)),
                ..Faults::default()
            };
            return Err(Problem::in_fields(kind, faults));
        }
    };
    let password = Password::presented(password);
    match state.registration.login(email, password, network).await? {
        LoginOutcome::SignedIn {
            address,
            verified_at,
        } => {
            let remembered = Remembered {
                account: Some(Owner {
                    address,
                    verified_at: Some(verified_at),
                }),
                ..Remembered::default()
            };
            remembered.keep(session, state.clock.now()).await
        }
        LoginOutcome::NotVerified(claim) => {
            let remembered = Remembered {
                claim: Some(Begun {
                    id: claim.id(),
                    reference: claim.reference.clone(),
                }),
                ..Remembered::default()
            };
            remembered.keep(session, state.clock.now()).await?;
            Err(Problem::new(Kind::NotVerified, key::ERROR_NOT_VERIFIED))
        }
        LoginOutcome::Limited(limited) => Err(Problem::limited(limited, state.clock.now())),
        LoginOutcome::Refused => Err(Problem::new(Kind::Unauthorized, key::ERROR_UNAUTHORIZED)
            .for_people(key::LOGIN_REFUSED)),
    }
}
