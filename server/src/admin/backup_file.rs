//! What a backup looks like: lines of JSON.
//!
//! The first line says what it is, of which schema, and the secret key; then comes a line for each
//! row ([`Row::to_line`]); the last line holds the number of rows and the SHA-256 of all lines
//! before it. It is data and no program: restoring one runs nothing that stands in it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::lines;
use crate::secret_key::hex;
use crate::store::{NewerSchema, Row, known_schema};

/// The version of the format that is written, and the last that is read.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
pub struct Head {
    /// The format's version.
    latchkey_backup: u32,
    /// RFC 3339.
    pub made_at: String,
    /// Latchkey's version.
    pub made_by: String,
    /// The schema changes that the store had seen, oldest first.
    pub schema: Vec<String>,
    /// How many rows of each table follow.
    pub rows: BTreeMap<String, u64>,
    /// The installation's secret key, in base64.
    #[serde(serialize_with = "exposed")]
    secret_key: SecretString,
}

/// A backup is where the key may be read.
fn exposed<S: serde::Serializer>(key: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(key.expose_secret())
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct End {
    end: Sum,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Sum {
    rows: u64,
    sha256: String,
}

/// Why a backup cannot be used.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("is not a backup of Latchkey")]
    Other,
    #[error("is cut off: its last line is missing")]
    CutOff,
    #[error("is damaged in line {line}")]
    Damaged { line: u64 },
    #[error("is damaged: its checksum does not fit")]
    Checksum,
    #[error("{0}: use that version")]
    NewerSchema(#[from] NewerSchema),
    #[error("was made by a newer Latchkey ({made_by}): use that version")]
    NewerFormat { made_by: String },
    /// Whoever makes it says why.
    #[error("failed: {0}")]
    Failed(String),
}

/// Adds up lines as they are written or read.
#[derive(Default)]
struct Adding {
    rows: u64,
    sha256: Sha256,
}

impl Adding {
    fn add(&mut self, line: &str) {
        self.sha256.update(line.as_bytes());
        self.sha256.update(b"\n");
    }

    fn sum(&self) -> Sum {
        Sum {
            rows: self.rows,
            sha256: hex(&self.sha256.clone().finalize()),
        }
    }
}

/// Writes a backup, line by line; each with its end.
#[derive(Default)]
pub struct BackupWriter(Adding);

impl BackupWriter {
    /// The first line.
    ///
    /// # Errors
    /// Never: all of it can be written as JSON.
    pub fn head(
        &mut self,
        made_at: String,
        schema: Vec<String>,
        rows: BTreeMap<String, u64>,
        secret_key: Zeroizing<String>,
    ) -> Result<String, serde_json::Error> {
        let head = serde_json::to_string(&Head {
            latchkey_backup: FORMAT,
            made_at,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            rows,
            secret_key: SecretString::from(secret_key.as_str()),
        })?;
        self.0.add(&head);
        Ok(head + "\n")
    }

    /// A row's line.
    ///
    /// # Errors
    /// When the row cannot be written down.
    pub fn row(&mut self, row: &Row) -> Result<String, crate::store::RowError> {
        let line = row.to_line()?;
        self.0.add(&line);
        self.0.rows += 1;
        Ok(line + "\n")
    }

    /// The last line.
    ///
    /// # Errors
    /// Never: all of it can be written as JSON.
    pub fn end(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(End { end: self.0.sum() })
    }
}

/// Reads a backup, line by line, and believes none of it before it has seen the last.
#[derive(Default)]
pub struct BackupReader {
    adding: Adding,
    lines: u64,
    head: Option<Head>,
    ended: bool,
}

impl BackupReader {
    /// Takes the next line, without its end. The row in it, where it holds one.
    ///
    /// # Errors
    /// When it does not belong in a backup that this version can use.
    pub fn take(&mut self, line: &str) -> Result<Option<Row>, BackupError> {
        self.lines += 1;
        let damaged = BackupError::Damaged { line: self.lines };
        if self.ended {
            return Err(damaged);
        }
        let Some(head) = &self.head else {
            if let Some(why) = lines::failure(line) {
                return Err(BackupError::Failed(why));
            }
            self.head = Some(read_head(line)?);
            self.adding.add(line);
            return Ok(None);
        };
        if line.starts_with('{') {
            if let Some(why) = lines::failure(line) {
                return Err(BackupError::Failed(why));
            }
            let end: End = serde_json::from_str(line).map_err(|_| damaged)?;
            if end.end != self.adding.sum() || head.rows.values().sum::<u64>() != self.adding.rows {
                return Err(BackupError::Checksum);
            }
            self.ended = true;
            return Ok(None);
        }
        self.adding.add(line);
        self.adding.rows += 1;
        Row::from_line(line).map(Some).map_err(|_| damaged)
    }

    /// The first line, once it was taken.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// How many rows were taken.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.adding.rows
    }

    /// The first line of a backup that is whole.
    ///
    /// # Errors
    /// When its last line has not come.
    pub fn finish(self) -> Result<Head, BackupError> {
        match self.head {
            Some(head) if self.ended => Ok(head),
            Some(_) => Err(BackupError::CutOff),
            None => Err(BackupError::Other),
        }
    }
}

fn read_head(line: &str) -> Result<Head, BackupError> {
    #[derive(Deserialize)]
    struct Format {
        latchkey_backup: u32,
        #[serde(default)]
        made_by: String,
    }
    let format: Format = serde_json::from_str(line).map_err(|_| BackupError::Other)?;
    if format.latchkey_backup > FORMAT {
        return Err(BackupError::NewerFormat {
            made_by: format.made_by,
        });
    }
    let head: Head = serde_json::from_str(line).map_err(|_| BackupError::Damaged { line: 1 })?;
    known_schema(&head.schema)?;
    Ok(head)
}

impl Head {
    /// All rows.
    #[must_use]
    pub fn all_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// The secret key's text.
    #[must_use]
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// What is in it, in words.
    #[must_use]
    pub fn contents(&self) -> String {
        let of = |table: &str| self.rows.get(table).copied().unwrap_or(0);
        format!(
            "{} accounts, {} sign-ups under way, {} sessions, {} rows in all",
            of("account"),
            of("claim"),
            of("session"),
            self.all_rows()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use surrealdb::types::{Object, RecordIdKey};

    fn backup() -> Vec<String> {
        let mut writer = BackupWriter::default();
        let rows = [("account".to_owned(), 2)].into();
        let schema = vec!["001_accounts_and_claims".to_owned()];
        let key = Zeroizing::new("A".repeat(43) + "=");
        let mut lines = vec![
            writer
                .head("2026-11-24T12:00:00Z".to_owned(), schema, rows, key)
                .unwrap(),
        ];
        for key in ["a", "b"] {
            let row = Row {
                table: "account".to_owned(),
                key: RecordIdKey::String(key.to_owned()),
                fields: Object::new(),
            };
            lines.push(writer.row(&row).unwrap());
        }
        lines.push(format!("{}\n", writer.end().unwrap()));
        lines
            .iter()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    fn read(lines: &[String]) -> Result<Head, String> {
        let mut reader = BackupReader::default();
        for line in lines {
            reader.take(line).map_err(|error| error.to_string())?;
        }
        reader.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_backup_is_read() {
        let head = read(&backup()).map_err(|error| panic!("{error}")).unwrap();
        assert_eq!(head.all_rows(), 2);
    }

    #[test]
    fn any_missing_doubled_or_swapped_line_is_noticed() {
        let whole = backup();
        for at in 0..whole.len() {
            let mut lines = whole.clone();
            lines.remove(at);
            assert!(read(&lines).is_err(), "without line {at}");
            assert!(read(&whole[..at]).is_err(), "cut off before line {at}");
            let mut lines = whole.clone();
            lines.insert(at, whole[at].clone());
            assert!(read(&lines).is_err(), "line {at} twice");
        }
        let mut lines = whole.clone();
        lines.swap(1, 2);
        assert_eq!(
            read(&lines).err().unwrap(),
            "is damaged: its checksum does not fit"
        );
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let whole = backup();
        for (at, line) in whole.iter().enumerate() {
            for (byte, _) in line.char_indices() {
                let mut lines = whole.clone();
                let other = if &line[byte..=byte] == "7" { "8" } else { "7" };
                lines[at].replace_range(byte..=byte, other);
                assert!(read(&lines).is_err(), "line {at}, byte {byte}");
            }
        }
    }

    #[test]
    fn what_a_newer_version_made_is_refused_as_such() {
        for (from, to, words) in [
            (
                "\"latchkey_backup\":1",
                "\"latchkey_backup\":2",
                "was made by a newer Latchkey",
            ),
            (
                "001_accounts",
                "999_accounts",
                "was made by a newer Latchkey (it has the schema change 999_accounts_and_claims): use that version",
            ),
            (
                "latchkey_backup",
                "another_backup",
                "is not a backup of Latchkey",
            ),
        ] {
            let mut lines = backup();
            lines[0] = lines[0].replace(from, to);
            let refused = read(&lines).err().unwrap();
            assert!(refused.starts_with(words), "{refused}");
        }
    }
}
