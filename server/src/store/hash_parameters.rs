//! The parameters that hashes in this store were made with.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Value};

use super::{Store, StoreError, vars};
use crate::hashing::HashParameters;

#[derive(SurrealValue)]
struct ParametersRow {
    memory_kib: i64,
    iterations: i64,
    parallelism: i64,
}

impl Store {
    /// Writes today's parameters down, and returns those of former days that hashes may still
    /// have.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remember_hash_parameters(
        &self,
        today: HashParameters,
    ) -> Result<Vec<HashParameters>, StoreError> {
        const REMEMBER: &str = "{
            UPSERT ONLY $id SET memory_kib = $memory_kib, iterations = $iterations,
                parallelism = $parallelism;
            RETURN (SELECT memory_kib, iterations, parallelism FROM hash_parameters WHERE id != $id)
        }";
        let rows: Vec<ParametersRow> = self
            .change(
                [],
                REMEMBER,
                vars([
                    ("id", parameters_id(today).into_value()),
                    ("memory_kib", i64::from(today.memory_kib).into_value()),
                    ("iterations", i64::from(today.iterations).into_value()),
                    ("parallelism", i64::from(today.parallelism).into_value()),
                ]),
            )
            .await?;
        let number = |value: i64| u32::try_from(value).unwrap_or_default();
        Ok(rows
            .into_iter()
            .map(|row| HashParameters {
                memory_kib: number(row.memory_kib),
                iterations: number(row.iterations),
                parallelism: number(row.parallelism),
            })
            .collect())
    }

    /// Forgets parameters that no hash has any more: from the next start on they cost nothing.
    /// Reads every account, so it is for the background.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_hash_parameters(&self, former: HashParameters) -> Result<bool, StoreError> {
        const FORGET: &str = "{
            LET $used = (SELECT VALUE id FROM account
                WHERE string::starts_with(password_hash, $prefix) LIMIT 1);
            LET $claimed = (SELECT VALUE id FROM claim
                WHERE string::starts_with(password_hash, $prefix) LIMIT 1);
            IF count($used) + count($claimed) > 0 { RETURN false };
            DELETE $id;
            RETURN true
        }";
        let value: Value = self
            .change(
                [],
                FORGET,
                vars([
                    ("id", parameters_id(former).into_value()),
                    ("prefix", former.phc_prefix().into_value()),
                ]),
            )
            .await?;
        Ok(value == Value::Bool(true))
    }
}

fn parameters_id(parameters: HashParameters) -> RecordId {
    let numbers = [
        parameters.memory_kib,
        parameters.iterations,
        parameters.parallelism,
    ];
    RecordId::new(
        "hash_parameters",
        RecordIdKey::Array(numbers.map(i64::from).to_vec().into()),
    )
}
