//! `latchkey query`: an operator's own SurrealQL, over what is shown of the data.

use std::io::{self, Write};

use serde_json::Value as Json;

use super::door::Door;
use super::looking::Looking;
use super::progress::Progress;
use super::table::table;
use crate::config::Config;
use crate::entropy::SystemEntropy;
use crate::store::{SHOWN_TABLES, Viewer};

/// Rows that are put into the viewer at a time.
const BATCH: usize = 500;

/// Answers a query and prints what it says, statement by statement.
///
/// # Errors
/// When neither a server nor the store can be reached, or the query is wrong or does more than
/// read.
pub async fn query(config: &Config, query: &str, as_json: bool) -> anyhow::Result<()> {
    // Only what is named has to be fetched.
    let tables: Vec<&str> = SHOWN_TABLES
        .into_iter()
        .filter(|table| query.contains(table))
        .collect();
    let viewer = Viewer::new(&tables).await?;
    if !tables.is_empty() {
        fill(&viewer, config, &tables).await?;
    }
    let answers = viewer.ask(query, &SystemEntropy).await?;
    let mut stdout = io::stdout().lock();
    if as_json {
        let answer = match <[Json; 1]>::try_from(answers) {
            Ok([answer]) => answer,
            Err(answers) => Json::from(answers),
        };
        writeln!(stdout, "{answer}")?;
        return Ok(());
    }
    for answer in &answers {
        write!(stdout, "{}", for_people(answer))?;
    }
    Ok(())
}

async fn fill(viewer: &Viewer, config: &Config, tables: &[&str]) -> anyhow::Result<()> {
    let mut looking = Looking::at(&mut Door::open(config).await?, tables).await?;
    let mut progress = Progress::of("fetching");
    let mut batch = Vec::new();
    let mut done = 0;
    loop {
        let row = looking.next().await?;
        let full = batch.len() == BATCH;
        if let Some(table) = batch
            .first()
            .map(|row: &crate::store::Row| row.table.clone())
            && (full || row.as_ref().is_none_or(|row| row.table != table))
        {
            viewer.put(&table, std::mem::take(&mut batch)).await?;
            progress.tell(done, None);
        }
        match row {
            Some(row) => batch.push(row),
            None => break,
        }
        done += 1;
    }
    progress.end();
    Ok(())
}

/// Rows become a table, anything else a line.
fn for_people(answer: &Json) -> String {
    let rows = answer.as_array().filter(|rows| !rows.is_empty());
    let objects =
        rows.and_then(|rows| rows.iter().map(Json::as_object).collect::<Option<Vec<_>>>());
    let Some(objects) = objects else {
        let rows = rows.map(|rows| rows.iter().map(|row| vec![cell(row)]).collect::<Vec<_>>());
        return match (rows, answer) {
            (Some(rows), _) => table(&[], &rows),
            // What LET and its like answer.
            (None, Json::Null) => String::new(),
            (None, Json::Array(_)) => "nothing was found\n".to_owned(),
            (None, answer) => table(&[], &[vec![cell(answer)]]),
        };
    };
    let mut columns: Vec<&str> = Vec::new();
    for object in &objects {
        for name in object.keys() {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    let rows: Vec<Vec<String>> = objects
        .iter()
        .map(|object| {
            let cells = columns.iter().map(|name| object.get(*name).map(cell));
            cells.map(Option::unwrap_or_default).collect()
        })
        .collect();
    table(&columns, &rows)
}

fn cell(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
