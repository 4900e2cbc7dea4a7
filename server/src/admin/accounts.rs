//! `latchkey accounts`: who has an account.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use super::door::Door;
use super::looking::Looking;
use super::table::table;
use crate::config::Config;
use crate::store::Row;

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
            accounts.push(account(&row));
        }
    }
    let mut stdout = io::stdout().lock();
    if as_json {
        writeln!(stdout, "{}", Json::from(accounts))?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            ["address", "verified_at", "language"]
                .map(|field| account[field].as_str().unwrap_or("–").to_owned())
                .to_vec()
        })
        .collect();
    write!(
        stdout,
        "{}",
        table(&["ADDRESS", "VERIFIED", "LANGUAGE"], &rows)
    )?;
    writeln!(stdout, "{} of {all} accounts", rows.len())?;
    Ok(())
}

/// An account as programs see it.
fn account(row: &Row) -> Json {
    let mut account = Map::new();
    for (name, value) in row.fields.iter() {
        account.insert(name.clone(), value.clone().into_json_value());
    }
    Json::Object(account)
}
