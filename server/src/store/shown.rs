//! What of the store is for people to look at. What is not named here never leaves the store,
//! whoever asks, and however.

use surrealdb::types::RecordIdKey;

use super::rows::Row;

/// A table, and what of it is shown.
struct Shown {
    table: &'static str,
    /// Keys are shown too where they hold no secret; else rows are numbered.
    key: bool,
    fields: &'static [&'static str],
}

/// No password hash, no key or seed (with the secret key they give codes and links), no session's
/// id or content, no mail's ticket, no digest of an address.
const SHOWN: [Shown; 7] = [
    Shown {
        table: "account",
        key: true,
        fields: &[
            "address",
            "typed_address",
            "verified_at",
            "language",
            "notified_at",
            "notice_refused",
        ],
    },
    Shown {
        table: "claim",
        key: false,
        fields: &[
            "address",
            "typed_address",
            "reference",
            "delivery",
            "digits",
            "attempts_left",
            "mail",
            "requested_at",
            "code_expires_at",
            "created_at",
            "expires_at",
            "site",
            "language",
            "disowned",
            "telling",
            "tries",
            "due_at",
        ],
    },
    Shown {
        table: "session",
        key: false,
        fields: &["expires_at"],
    },
    Shown {
        table: "budget",
        key: true,
        fields: &["full_at"],
    },
    Shown {
        table: "address_ledger",
        key: false,
        fields: &[
            "mails",
            "notices",
            "wrong_codes",
            "long_codes_until",
            "stopped",
            "expires_at",
        ],
    },
    Shown {
        table: "hash_parameters",
        key: true,
        fields: &["memory_kib", "iterations", "parallelism"],
    },
    Shown {
        table: "migration",
        key: true,
        fields: &["name", "applied_at"],
    },
];

/// The tables that can be looked at.
pub const SHOWN_TABLES: [&str; SHOWN.len()] = {
    let mut names = [""; SHOWN.len()];
    let mut at = 0;
    while at < SHOWN.len() {
        names[at] = SHOWN[at].table;
        at += 1;
    }
    names
};

/// What of a row is shown; nothing of one from any other table. `number` is the row's in its
/// table.
#[must_use]
pub fn shown(row: Row, number: i64) -> Option<Row> {
    let shown = SHOWN.iter().find(|shown| shown.table == row.table)?;
    let fields = row
        .fields
        .into_inner()
        .into_iter()
        .filter(|(name, _)| shown.fields.contains(&name.as_str()))
        .collect();
    Some(Row {
        key: if shown.key {
            row.key
        } else {
            RecordIdKey::Number(number)
        },
        table: row.table,
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use surrealdb::types::{Object, SurrealValue};

    #[test]
    fn what_is_not_named_is_not_shown() {
        let mut fields = Object::new();
        for name in ["address", "password_hash", "claim_key", "of_tomorrow"] {
            fields.insert(name, "a".into_value());
        }
        let row = |table: &str| Row {
            table: table.to_owned(),
            key: RecordIdKey::String("key".to_owned()),
            fields: fields.clone(),
        };
        let account = shown(row("account"), 7).unwrap();
        assert_eq!(account.key, RecordIdKey::String("key".to_owned()));
        let names: Vec<_> = account.fields.keys().cloned().collect();
        assert_eq!(names, ["address"]);
        let claim = shown(row("claim"), 7).unwrap();
        assert_eq!(claim.key, RecordIdKey::Number(7));
        assert_eq!(shown(row("probe"), 7), None);
    }
}
