//! A store of which nobody runs a server, looked at directly.

use std::collections::HashMap;
use std::path::Path;

use surrealdb::Surreal;
use surrealdb::engine::any::{self, Any};
use surrealdb::types::{SurrealValue, Value};

/// What must be empty, and what is wrong if it is not.
const FAULTS: &[(&str, &str)] = &[
    (
        "an address has two accounts",
        "SELECT address, count() AS accounts FROM account GROUP BY address",
    ),
    (
        "an account is not named by its address",
        "SELECT VALUE address FROM account WHERE record::id(id) != address",
    ),
    (
        "an account's claim is still there, and not known for what has become the account",
        "SELECT VALUE address FROM account
            WHERE type::record('claim', [address, claim_key]).seed NOT IN [NONE, claim_seed]",
    ),
    (
        "a mail is owed that is not waited for, or waited for and not owed",
        "SELECT VALUE address FROM claim WHERE (mail = 'queued') != (due_at != NONE)",
    ),
    (
        "a mail is owed that nobody could strike off",
        "SELECT VALUE address FROM claim WHERE due_at != NONE AND (ticket = NONE OR tries = NONE)",
    ),
];

/// Tables, indexes, and which rows of the table are in the index with a moment.
const INDEXES: &[(&str, &str, &str)] = &[
    ("claim", "expires_at", "true"),
    ("claim", "due_at", "mail = 'queued'"),
];

#[derive(SurrealValue)]
struct Accounts {
    address: String,
    accounts: usize,
}

/// The database in a folder that nobody else has open.
pub async fn open(store: &Path) -> Surreal<Any> {
    let database = any::connect(format!("surrealkv://{}", store.display())).await;
    let database = database.unwrap();
    database
        .use_ns("latchkey")
        .use_db("latchkey")
        .await
        .unwrap();
    database
}

/// What is wrong with the store in `data`, which must have these accounts and may have others.
pub async fn inspect(data: &Path, expected: HashMap<String, usize>) -> Vec<String> {
    let database = open(&data.join("store")).await;
    let rows = async |statement: &str| -> Vec<Value> {
        let mut answer = database.query(statement).await.unwrap();
        answer.take::<Vec<Value>>(0).unwrap()
    };
    let mut faulty = Vec::new();
    for (index, (fault, statement)) in FAULTS.iter().enumerate() {
        let found = rows(statement).await;
        if index == 0 {
            let mut expected = expected.clone();
            for row in found {
                let row = Accounts::from_value(row).unwrap();
                expected.remove(&row.address);
                if row.accounts != 1 {
                    faulty.push(format!("{fault}: {}", row.address));
                }
            }
            faulty.extend(
                expected
                    .keys()
                    .map(|address| format!("no account: {address}")),
            );
        } else {
            faulty.extend(found.iter().map(|row| format!("{fault}: {row:?}")));
        }
    }
    for (table, field, which) in INDEXES {
        let statement = format!("SELECT VALUE id FROM {table} WHERE {which}");
        let all = rows(&statement).await.len();
        let statement =
            format!("SELECT VALUE id FROM {table} WHERE {field} > d'1970-01-01T00:00:00Z'");
        let by_index = rows(&statement).await.len();
        if all != by_index {
            faulty.push(format!(
                "{table}: {all} rows, {by_index} in the index of {field}"
            ));
        }
    }
    faulty
}

/// How many claims there are whose address ends like this.
pub async fn claims_of(data: &Path, end: &str) -> usize {
    let database = open(&data.join("store")).await;
    let claims = database
        .query("SELECT VALUE address FROM claim WHERE string::ends_with(address, $end)")
        .bind(("end", end.to_owned()));
    claims.await.unwrap().take::<Vec<String>>(0).unwrap().len()
}

/// Waits until the engine has let go of it.
pub async fn closed(store: &Path) {
    let lock = std::fs::File::open(store.join("LOCK")).unwrap();
    let free = async {
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(std::time::Duration::from_secs(60), free).await;
    closed.expect("it does not close");
}
