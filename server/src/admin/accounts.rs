//! `latchkey accounts`: who has an account, and who shall have none any more.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use axum::Json as JsonBody;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use latchkey_app::domain::EmailAddress;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use url::form_urlencoded;

use super::Administration;
use super::door::Door;
use super::looking::Looking;
use super::table::table;
use crate::config::Config;
use crate::store::{Row, StoreError};
use crate::telemetry::AUDIT;

/// What is known of one address.
#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    account: Option<Json>,
    sign_ups: Vec<Json>,
    sessions: u64,
}

/// What was deleted.
#[derive(Serialize, Deserialize)]
pub(super) struct Gone {
    accounts: u64,
    sign_ups: u64,
    sessions: u64,
}

/// Whose account is meant.
#[derive(Serialize, Deserialize)]
pub(super) struct Whose {
    address: String,
}

/// `GET /account?address=…`
pub(super) async fn one(
    State(administration): State<Administration>,
    Query(whose): Query<Whose>,
) -> Result<JsonBody<Known>, Refusal> {
    let email = EmailAddress::parse(&whose.address).map_err(|_| Refusal::NoAddress)?;
    let known = administration.store.one_address(email.canonical()).await?;
    let plain = |rows: Vec<Row>| rows.iter().map(Row::to_plain).collect();
    Ok(JsonBody(Known {
        account: known.account.as_ref().map(Row::to_plain),
        sign_ups: plain(known.claims),
        sessions: known.sessions,
    }))
}

/// `DELETE /account?address=…`
pub(super) async fn remove(
    State(administration): State<Administration>,
    Query(whose): Query<Whose>,
) -> Result<JsonBody<Gone>, Refusal> {
    let email = EmailAddress::parse(&whose.address).map_err(|_| Refusal::NoAddress)?;
    let deleted = administration
        .store
        .delete_address(email.canonical())
        .await?;
    if deleted.accounts > 0 || deleted.claims > 0 || deleted.sessions > 0 {
        tracing::info!(
            target: AUDIT,
            event = "deleted",
            by = "operator",
            email = email.masked(),
            accounts = deleted.accounts,
            sign_ups = deleted.claims,
            sessions = deleted.sessions,
            "account deleted"
        );
    }
    Ok(JsonBody(Gone {
        accounts: deleted.accounts,
        sign_ups: deleted.claims,
        sessions: deleted.sessions,
    }))
}

/// Why such a request has no answer.
pub(super) enum Refusal {
    NoAddress,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoAddress => (StatusCode::BAD_REQUEST, "not an address").into_response(),
            Self::Store(error) => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
            }
        }
    }
}

/// Prints the accounts, at most `limit` of them, in the order of their addresses.
///
/// # Errors
/// When neither a server nor the store can be reached, or fails.
pub async fn list(config: &Config, limit: Option<usize>, as_json: bool) -> anyhow::Result<()> {
    let mut accounts = Vec::new();
    let mut all: usize = 0;
    let mut rows = Looking::at(&mut Door::open(config).await?, &["account"]).await?;
    while let Some(row) = rows.next().await? {
        all += 1;
        if limit.is_none_or(|limit| accounts.len() < limit) {
            accounts.push(row.to_plain());
        }
    }
    let mut stdout = io::stdout().lock();
    if as_json {
        writeln!(stdout, "{}", Json::from(accounts))?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| columns(account, &["typed_address", "verified_at", "language"]))
        .collect();
    write!(
        stdout,
        "{}",
        table(&["ADDRESS", "VERIFIED", "LANGUAGE"], &rows)
    )?;
    writeln!(stdout, "{} of {all} accounts", rows.len())?;
    Ok(())
}

/// Prints every account as a line of JSON.
///
/// # Errors
/// When neither a server nor the store can be reached, or fails.
pub async fn export(config: &Config) -> anyhow::Result<()> {
    let mut rows = Looking::at(&mut Door::open(config).await?, &["account"]).await?;
    let mut stdout = io::BufWriter::new(io::stdout());
    while let Some(row) = rows.next().await? {
        writeln!(stdout, "{}", row.to_plain())?;
    }
    stdout.flush()?;
    Ok(())
}

/// Prints what there is of one address.
///
/// # Errors
/// When there is nothing, or neither a server nor the store can be reached, or fails.
pub async fn show(config: &Config, email: &EmailAddress, as_json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(config).await?;
    let known: Known = ask(&mut door, "GET", email).await?;
    ensure!(
        known.account.is_some() || !known.sign_ups.is_empty(),
        "there is neither an account nor a sign-up under way for {}",
        email.typed()
    );
    let mut stdout = io::stdout().lock();
    if as_json {
        writeln!(stdout, "{}", serde_json::to_value(known)?)?;
        return Ok(());
    }
    match &known.account {
        Some(account) => {
            let row = columns(account, &["typed_address", "verified_at", "language"]);
            write!(
                stdout,
                "{}",
                table(&["ADDRESS", "VERIFIED", "LANGUAGE"], &[row])
            )?;
        }
        None => writeln!(stdout, "no account")?,
    }
    if !known.sign_ups.is_empty() {
        let rows: Vec<_> = known
            .sign_ups
            .iter()
            .map(|claim| {
                let fields = [
                    "reference",
                    "created_at",
                    "mail",
                    "delivery",
                    "attempts_left",
                    "expires_at",
                ];
                columns(claim, &fields)
            })
            .collect();
        let headings = [
            "SIGN-UP", "BEGUN", "MAIL", "DELIVERY", "ATTEMPTS", "EXPIRES",
        ];
        write!(stdout, "\n{}", table(&headings, &rows))?;
    }
    writeln!(stdout, "\n{} sessions", known.sessions)?;
    Ok(())
}

/// Deletes what there is of one address, after asking on a terminal whether that is meant.
///
/// # Errors
/// When it is not confirmed, there is nothing, or neither a server nor the store can be reached, or
/// fails.
pub async fn delete(config: &Config, email: &EmailAddress, confirmed: bool) -> anyhow::Result<()> {
    let mut door = Door::open(config).await?;
    let address = email.typed();
    if !confirmed {
        ensure!(
            io::stdin().is_terminal(),
            "nobody can be asked here: say --yes to delete {address}"
        );
        eprint!(
            "Delete the account of {address}, its sign-ups and its sessions for good? [yes/no] "
        );
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        ensure!(answer.trim() == "yes", "nothing was deleted");
    }
    let gone: Gone = ask(&mut door, "DELETE", email).await?;
    if gone.accounts == 0 && gone.sign_ups == 0 {
        bail!("there is neither an account nor a sign-up under way for {address}");
    }
    writeln!(
        io::stdout(),
        "Deleted for {address}: account: {}, sign-ups under way: {}, sessions: {}.",
        gone.accounts,
        gone.sign_ups,
        gone.sessions
    )?;
    Ok(())
}

async fn ask<T: for<'de> Deserialize<'de>>(
    door: &mut Door,
    method: &str,
    email: &EmailAddress,
) -> anyhow::Result<T> {
    let whose: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("address", email.typed())
        .finish();
    let request = Request::builder()
        .method(method)
        .uri(format!("/account?{whose}"))
        .body(Body::empty())?;
    let body = door.ask(request).await?;
    let bytes = body
        .collect()
        .await
        .context("the server went away in the middle")?
        .to_bytes();
    serde_json::from_slice(&bytes).context("the server answered something else")
}

/// Some fields of a row, as people read them.
fn columns(row: &Json, fields: &[&str]) -> Vec<String> {
    let cell = |field: &&str| match &row[*field] {
        // A moment: nobody reads parts of a second.
        Json::String(text) if field.ends_with("_at") => match text.split_once(['.', 'Z']) {
            Some((moment, _)) => moment.replace('T', " "),
            None => text.clone(),
        },
        Json::String(text) => text.clone(),
        Json::Null => "–".to_owned(),
        other => other.to_string(),
    };
    fields.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_are_short_and_nothing_is_a_dash() {
        let row = json!({ "verified_at": "2026-11-24T23:09:41.826105359Z", "delivery": 1 });
        assert_eq!(
            columns(&row, &["verified_at", "delivery", "language"]),
            ["2026-11-24 23:09:41", "1", "–"]
        );
    }
}
