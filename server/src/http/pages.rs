//! Pages: each is a view, drawn by Leptos.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Datelike, Timelike, Utc};
use latchkey_app::answer::Answer;
use latchkey_app::language::Language;
use latchkey_app::texts::{Message, key};
use latchkey_app::view::{
    ErrorView, LoginView, MailState, Moment, NotMeView, Notice, PendingClaim, RegisterView, Tone,
    VerifyView, WelcomeView,
};
use tower_sessions::Session;

use super::answer::{Failure, Kind, Listener, Problem};
use super::drawing::{render, render_once};
use super::form::Typed;
use super::session::Remembered;
use super::state::AppState;
use super::visit::Visit;
use crate::registration::Registration;
use crate::store::Claim;

/// `GET /`
pub async fn home(State(state): State<AppState>, visit: Visit) -> Response {
    render_once(&state, &visit, ()).await
}

/// The page to sign up on.
#[utoipa::path(get, path = "/register", tag = "pages",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub async fn register(State(state): State<AppState>, visit: Visit) -> Response {
    let view = register_view(&state);
    render_once(&state, &visit, view).await
}

/// The page to enter a code on.
#[utoipa::path(get, path = "/verify", tag = "pages",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    ))]
pub async fn verify(
    State(state): State<AppState>,
    session: Session,
    visit: Visit,
) -> Result<Response, Problem> {
    let remembered = Remembered::of(&session).await?;
    let view = verify_view(&state, visit.language, &remembered).await?;
    if remembered.claim.is_none() {
        return Ok(render_once(&state, &visit, view).await);
    }
    Ok(render(&state, &visit, StatusCode::OK, view).await)
}

/// `GET /welcome`: for who is signed in; others have a code to enter first, or a password.
pub async fn welcome(
    State(state): State<AppState>,
    session: Session,
    visit: Visit,
) -> Result<Response, Problem> {
    let remembered = Remembered::of(&session).await?;
    let Some(owner) = remembered.account else {
        let elsewhere = match remembered.claim {
            Some(_) => "/verify",
            // Whoever has just signed in comes from a browser that keeps no cookies.
            None => "/login?needed",
        };
        return Ok(Redirect::to(elsewhere).into_response());
    };
    let account = state
        .store
        .account(&owner.address)
        .await
        .map_err(|error| Problem::from(crate::registration::RegistrationError::from(error)))?;
    let Some(account) = account.filter(|account| owner.has(account)) else {
        return Ok(Redirect::to("/register").into_response());
    };
    let view = WelcomeView {
        email: account.typed_address,
        verified_at: moment(account.verified_at),
    };
    Ok(render(&state, &visit, StatusCode::OK, view).await)
}

/// The page to sign in on.
#[utoipa::path(get, path = "/login", tag = "pages",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 303, description = "To `/welcome`: this session is signed in"),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    ))]
pub async fn login(
    State(state): State<AppState>,
    session: Session,
    visit: Visit,
) -> Result<Response, Problem> {
    if Remembered::of(&session).await?.account.is_some() {
        return Ok(Redirect::to("/welcome").into_response());
    }
    let mut view = LoginView::default();
    let notice = match visit.uri.query() {
        Some("signed-out") => Some(key::LOGIN_SIGNED_OUT),
        Some("needed") => Some(key::LOGIN_NEEDED),
        Some("verified") => Some(key::LOGIN_VERIFIED),
        _ => None,
    };
    view.notice = notice.map(|text| Notice {
        tone: Tone::Information,
        text: Message::from(text).in_language(visit.language),
    });
    Ok(render_once(&state, &visit, view).await)
}

/// `GET /dev/components`, in development: the parts that pages are made of.
pub async fn components(State(state): State<AppState>, visit: Visit) -> Response {
    render(&state, &visit, StatusCode::OK, ()).await
}

/// The sign-in page, back with what is wrong.
pub(super) async fn login_again(
    state: &AppState,
    visit: &Visit,
    typed: &Typed,
    problem: &Problem,
) -> Response {
    let mut view = LoginView {
        email: typed.email(),
        ..LoginView::default()
    };
    view.refused(&told(visit, problem));
    render(state, visit, problem.kind.status(), view).await
}

/// The page for whoever did not sign up.
pub(super) async fn not_me(
    state: &AppState,
    visit: &Visit,
    status: StatusCode,
    view: NotMeView,
) -> Response {
    render(state, visit, status, view).await
}

/// A page that says that something did not work.
pub(super) async fn error(state: &AppState, visit: &Visit, view: ErrorView) -> Response {
    let status = StatusCode::from_u16(view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    render(state, visit, status, view).await
}

/// The register page, back with what is wrong.
pub(super) async fn register_again(
    state: &AppState,
    visit: &Visit,
    typed: &Typed,
    problem: &Problem,
) -> Response {
    let mut view = RegisterView {
        email: typed.email(),
        ..register_view(state)
    };
    view.refused(&told(visit, problem));
    let status = problem.kind.status();
    render(state, visit, status, view).await
}

/// The page of a form with a password, back with what is wrong, where nobody remembers anything
/// else; `None` where there is no such page.
pub(super) async fn password_form_again(
    state: &AppState,
    visit: &Visit,
    typed: &Typed,
    problem: &Problem,
) -> Option<Response> {
    match visit.uri.path() {
        "/register" => Some(register_again(state, visit, typed, problem).await),
        "/login" => Some(login_again(state, visit, typed, problem).await),
        "/verify" => {
            let view = VerifyView {
                code_digits: state.code_digits,
                ..VerifyView::default()
            };
            Some(verify_refused(state, visit, typed, problem, view).await)
        }
        _ => None,
    }
}

/// The verify page, back with what is wrong; or what comes after it, where that is only that it has been
/// done already.
pub(super) async fn verify_again(
    state: &AppState,
    session: &Session,
    visit: &Visit,
    typed: &Typed,
    problem: &Problem,
) -> Result<Response, Problem> {
    let remembered = Remembered::of(session).await?;
    // In a second tab, in another browser, or once more from this one's history.
    if problem.kind == Kind::AlreadyVerified {
        let next = match remembered.account {
            Some(_) => "/welcome",
            None => "/login?verified",
        };
        return Ok(Redirect::to(next).into_response());
    }
    let view = verify_view(state, visit.language, &remembered).await?;
    Ok(verify_refused(state, visit, typed, problem, view).await)
}

async fn verify_refused(
    state: &AppState,
    visit: &Visit,
    typed: &Typed,
    problem: &Problem,
    mut view: VerifyView,
) -> Response {
    view.email = typed.email();
    // One that was judged is of no use any more.
    if !matches!(problem.kind, Kind::CodeWrong | Kind::CodeStale) {
        view.code = typed.code();
    }
    view.refused(&told(visit, problem));
    render(state, visit, problem.kind.status(), view).await
}

/// What a page that comes back says.
fn told(visit: &Visit, problem: &Problem) -> Answer {
    problem
        .clone()
        .with_reference(visit.reference.as_deref())
        .tell(Listener::Person(visit.language))
}

fn register_view(state: &AppState) -> RegisterView {
    RegisterView {
        rules: state.password_policy.rules().clone(),
        ..RegisterView::default()
    }
}

async fn verify_view(
    state: &AppState,
    language: Language,
    remembered: &Remembered,
) -> Result<VerifyView, Problem> {
    let mut view = VerifyView {
        code_digits: state.code_digits,
        ..VerifyView::default()
    };
    if let Some(begun) = &remembered.claim {
        let claim = state.registration.pending(&begun.id).await?;
        if let Some(digits) = claim
            .as_ref()
            .and_then(|claim| claim.digits.try_into().ok())
        {
            view.code_digits = digits;
        }
        view.claim = claim.map(|claim| pending(&state.registration, &claim, state.clock.now()));
        if view.claim.is_none() {
            view.notice = Some(Notice {
                tone: Tone::Information,
                text: Message::from(key::VERIFY_OVER).in_language(language),
            });
        }
    }
    Ok(view)
}

/// A moment in parts, for a page to write in its language.
fn moment(at: DateTime<Utc>) -> Moment {
    Moment {
        year: u64::try_from(at.year()).unwrap_or(0),
        month: at.month().into(),
        day: at.day().into(),
        hour: at.hour().into(),
        minute: at.minute().into(),
    }
}

/// A claim as its own browser may see it.
pub(super) fn pending(
    registration: &Registration,
    claim: &Claim,
    now: DateTime<Utc>,
) -> PendingClaim {
    let mail = match claim.mail.as_str() {
        "taken" => MailState::Taken,
        "refused" => MailState::Refused,
        _ => MailState::Queued,
    };
    // Its life counts from the relay's 250; until then the store's deadline is a provisional one.
    let left = match mail {
        MailState::Queued => registration.code_ttl(),
        MailState::Taken | MailState::Refused => claim.code_expires_at - now,
    };
    PendingClaim {
        email: claim.typed_address.clone(),
        reference: claim.reference.clone(),
        mail,
        code_expires_in_ms: u64::try_from(left.num_milliseconds()).unwrap_or(0),
        attempts_left: u32::try_from(claim.attempts_left).unwrap_or(0),
        resend_in_seconds: registration.resend_cooldown(claim).as_secs_f64().ceil() as u64,
    }
}
