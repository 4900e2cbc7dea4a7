//! A look at rows: what of them is shown, as of one moment.

use anyhow::{Context, bail};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::Administration;
use super::door::Door;
use super::lines::{self, LineSender, Lines};
use crate::store::{Row, SHOWN_TABLES, Snapshot, Store, shown};

#[derive(Deserialize)]
pub(super) struct Wanted {
    /// With commas between them.
    tables: String,
}

/// `GET /rows?tables=account,claim`: a line for each row, in the order of the tables and their
/// keys.
pub(super) async fn rows(
    State(administration): State<Administration>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let tables: Option<Vec<&'static str>> = wanted
        .tables
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| SHOWN_TABLES.into_iter().find(|table| *table == name))
        .collect();
    let Some(tables) = tables else {
        return StatusCode::NOT_FOUND.into_response();
    };
    lines::answer(administration.enough.clone(), |lines| async move {
        let rows = send_rows(&administration.store, &tables, &lines).await?;
        Ok(rows.map(|rows| json!({ "end": rows })))
    })
    .into_response()
}

async fn send_rows(
    store: &Store,
    tables: &[&'static str],
    lines: &LineSender,
) -> anyhow::Result<Option<u64>> {
    let snapshot = store.snapshot().await?;
    let sent = send_shown(&snapshot, tables, lines).await;
    snapshot.close().await?;
    sent
}

/// How many were sent; `None` when nobody wanted them any more.
async fn send_shown(
    snapshot: &Snapshot,
    tables: &[&'static str],
    lines: &LineSender,
) -> anyhow::Result<Option<u64>> {
    let mut sent = 0;
    for table in tables {
        let mut number = 0;
        let mut after = None;
        loop {
            let page = snapshot.page(table, after.as_ref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut text = String::new();
            for row in page {
                number += 1;
                if let Some(row) = shown(row, number) {
                    text += &row.to_line()?;
                    text.push('\n');
                    sent += 1;
                }
            }
            if lines.send(text).await.is_err() {
                return Ok(None);
            }
        }
    }
    Ok(Some(sent))
}

/// Rows that come from a server or the store, with what of them is shown.
pub(super) struct Looking(Lines);

impl Looking {
    /// Asks for the rows of these tables, as they are now.
    ///
    /// # Errors
    /// When the server or the store does not answer.
    pub(super) async fn at(door: &mut Door, tables: &[&str]) -> anyhow::Result<Self> {
        let path = format!("/rows?tables={}", tables.join(","));
        let request = Request::get(path).body(Body::empty())?;
        Ok(Self(Lines::of(door.ask(request).await?)))
    }

    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// When the server or the store fails.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Row>> {
        let line = self.0.next().await?;
        let line = line.context("the server went away in the middle")?;
        if let Some(why) = lines::failure(&line) {
            bail!("{why}");
        }
        if line.starts_with('{') {
            return Ok(None);
        }
        let row = Row::from_line(&line).context("the server answered something else")?;
        Ok(Some(row))
    }
}
