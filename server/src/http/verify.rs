//! `POST /verify`

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::domain::{EmailAddress, Password, VerificationCode, VerificationCodeError};
use latchkey_app::texts::{Message, key};
use serde::Deserialize;
use tower_sessions::Session;
use utoipa::ToSchema;

use super::answer::{Failure, Faults, Kind, Problem, Success};
use super::basic_auth::BasicAuth;
use super::door::Door;
use super::form::{Form, Typed};
use super::pages;
use super::session::{Owner, Remembered};
use super::state::AppState;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::{Credentials, RegistrationError, VERIFY_REFUSED, VerifyOutcome};

/// The form of a verification.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct VerifyForm {
    /// 4 to 8 digits; spaces and dashes are forgiven.
    #[schema(
        example = "0746",
        pattern = "^[ -]*([0-9][ -]*){4,8}$",
        max_length = 64
    )]
    verification_code: String,
}

/// Prove the address by the code that was sent to it.
///
/// The password comes first: without it nothing is learnt about the address or the code.
#[utoipa::path(
    post,
    path = "/verify",
    tag = "sign-up",
    security(("basic" = [])),
    request_body(content = VerifyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The account is verified", body = Success),
        (status = 400, description = "`bad_request`: the code missing, sent twice, or not 4 to 8 digits; no attempt charged", body = Failure),
        (status = 401, description = "`unauthorized`: no or malformed `Authorization`, unknown address, wrong password", body = Failure, headers(("WWW-Authenticate" = String))),
        (status = 403, description = "`code_wrong` with `attempts_left`; or `cross_site`: sent by a browser from another site", body = Failure),
        (status = 409, description = "`already_verified`; for pages also `other_sign_up`", body = Failure),
        (status = 410, description = "`code_stale`: too old, used up, or replaced", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 422, description = "`invalid`: the address in the form is none", body = Failure),
        (status = 429, description = "`rate_limited`: too many wrong passwords from this network", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
        (status = 503, description = "`unavailable`: the guess was not answered", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn verify(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    session: Session,
    visit: Visit,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Response {
    let typed = Typed::of(form.as_ref());
    let attempted = attempt(&state, network, door, &session, &headers, form).await;
    match (attempted, door) {
        (Ok(()), Door::Browser) => Redirect::to("/welcome").into_response(),
        (Ok(()), Door::Program { .. }) => {
            Success::new("The account is now verified.").into_response()
        }
        (Err(problem), Door::Browser) => {
            match pages::verify_again(&state, &session, &visit, &typed, &problem).await {
                Ok(mut page) => {
                    problem.add_headers(true, &mut page);
                    page
                }
                Err(worse) => worse.into_response(),
            }
        }
        (Err(problem), Door::Program { .. }) => problem.into_response(),
    }
}

async fn attempt(
    state: &AppState,
    network: ClientNetwork,
    door: Door,
    session: &Session,
    headers: &HeaderMap,
    form: Result<Form, Problem>,
) -> Result<(), Problem> {
    let authorization = BasicAuth::of(headers);
    // A browser that comes with its session alone tries no password.
    if !matches!(authorization, BasicAuth::Absent) || !door.keeps_session() {
        admit(state, network, VERIFY_REFUSED).await?;
    }
    let (credentials, code) = match authorization {
        BasicAuth::Malformed => return Err(unauthorized()),
        BasicAuth::Given { user, password } => {
            let credentials = Credentials::Password {
                email: EmailAddress::parse(&user).ok(),
                password: Password::presented(&password),
            };
            (credentials, parse_code(&form?)?)
        }
        BasicAuth::Absent => from_page(state, network, door, session, form).await?,
    };
    let by_session = matches!(credentials, Credentials::Session(_));
    match state
        .registration
        .verify(credentials, &code, network)
        .await?
    {
        VerifyOutcome::Verified { address } => {
            if door.keeps_session() {
                welcome(state, session, address).await?;
            }
            Ok(())
        }
        // A double click, or a click after an answer that got lost: the first one has done it.
        VerifyOutcome::Repeated { address } if by_session => {
            welcome(state, session, address).await?;
            if door == Door::Browser {
                Ok(())
            } else {
                Err(already_verified())
            }
        }
        VerifyOutcome::WrongCredentials => {
            Err(unauthorized().for_people(key::VERIFY_NOT_THE_PASSWORD))
        }
        VerifyOutcome::Limited(limited) => Err(Problem::limited(limited, state.clock.now())),
        VerifyOutcome::Repeated { .. } | VerifyOutcome::AlreadyVerified { .. } => {
            Err(already_verified())
        }
        VerifyOutcome::Stale => {
            let for_people = match by_session {
                false => key::VERIFY_STALE_ANYWHERE,
                true if brings_new_one(state, session).await? => key::VERIFY_STALE_BUT_QUEUED,
                true => key::VERIFY_STALE,
            };
            Err(Problem::new(Kind::CodeStale, key::ERROR_CODE_STALE).for_people(for_people))
        }
        VerifyOutcome::WrongCode { attempts_left } => {
            let wrong = Problem::new(Kind::CodeWrong, key::ERROR_CODE_WRONG);
            let mut wrong = wrong.beside_code(match attempts_left {
                0 => Message::from(key::VERIFY_WRONG_FOR_GOOD),
                left => key::VERIFY_WRONG_LEFT.with("count", u64::from(left)),
            });
            wrong.attempts_left = Some(attempts_left);
            Err(wrong)
        }
    }
}

/// Whether a mail is about to leave that has another code, so that there is none to ask for.
async fn brings_new_one(state: &AppState, session: &Session) -> Result<bool, Problem> {
    let Some(begun) = Remembered::of(session).await?.claim else {
        return Ok(false);
    };
    let claim = state.registration.pending(&begun.id).await?;
    Ok(claim.is_some_and(|claim| claim.mail == "queued" && claim.attempts_left > 0))
}

/// Whether this network may try a password at all: before anything else is looked at.
pub(super) async fn admit(
    state: &AppState,
    network: ClientNetwork,
    refused: &'static str,
) -> Result<(), Problem> {
    match state
        .registration
        .may_try_password(network, refused)
        .await?
    {
        None => Ok(()),
        Some(limited) => Err(Problem::limited(limited, state.clock.now())),
    }
}

async fn welcome(state: &AppState, session: &Session, address: String) -> Result<(), Problem> {
    let account = state.store.account(&address).await;
    let account = account.map_err(RegistrationError::from)?;
    let remembered = Remembered {
        account: account.map(|account| Owner {
            address,
            verified_at: Some(account.verified_at),
        }),
        ..Remembered::default()
    };
    remembered.keep(session, state.clock.now()).await
}

/// Without `Authorization` a page's form or its session must say who it is.
async fn from_page(
    state: &AppState,
    network: ClientNetwork,
    door: Door,
    session: &Session,
    form: Result<Form, Problem>,
) -> Result<(Credentials, VerificationCode), Problem> {
    if !door.keeps_session() {
        return Err(unauthorized());
    }
    let remembered = Remembered::of(session).await?;
    let form = form?;
    let (email, password) = (form.field("email")?, form.field("password")?);
    if email.is_none() && password.is_none() {
        return match remembered {
            Remembered {
                claim: Some(begun), ..
            } => {
                begun.check(form.field("reference")?)?;
                Ok((Credentials::Session(begun.id), parse_code(&form)?))
            }
            Remembered {
                account: Some(_), ..
            } => Err(already_verified()),
            _ => Err(unauthorized().for_people(key::VERIFY_GONE)),
        };
    }
    admit(state, network, VERIFY_REFUSED).await?;
    let code = parse_code(&form);
    let email = EmailAddress::parse(email.unwrap_or_default());
    let password = password.filter(|password| !password.is_empty());
    match (email, password, code) {
        (Ok(email), Some(password), Ok(code)) => {
            let credentials = Credentials::Password {
                email: Some(email),
                password: Password::presented(password),
            };
            Ok((credentials, code))
        }
        (email, password, code) => {
            let kind = if password.is_none() || code.is_err() {
                Kind::BadRequest
            } else {
                Kind::Invalid
            };
            let faults = Faults {
                email: email.err().map(|error| Message::from(error.key())),
                password: (password.is_none()).then(|| Message::from(key::PASSWORD_NEEDED)),
                verification_code: code.err().and_then(|problem| problem.fault_of_code()),
            };
            Err(Problem::in_fields(kind, faults))
        }
    }
}

fn parse_code(form: &Form) -> Result<VerificationCode, Problem> {
    VerificationCode::parse(form.required("verification_code")?).map_err(
        |error: VerificationCodeError| {
            let faults = Faults {
                verification_code: Some(Message::from(error.key())),
                ..Faults::default()
            };
            Problem::in_fields(Kind::BadRequest, faults)
        },
    )
}

fn unauthorized() -> Problem {
    Problem::new(Kind::Unauthorized, key::ERROR_UNAUTHORIZED)
}

pub(super) fn already_verified() -> Problem {
    Problem::new(Kind::AlreadyVerified, key::ERROR_ALREADY_VERIFIED).for_people(key::VERIFY_ALREADY)
}
