//! Rows as lines of text: lossless, and data alone, so that reading one can do nothing.
//!
//! A line is a JSON array of table, key and fields. What JSON has no type for is an object with
//! one key: `{"$time": "2026-11-24T12:00:00.000000001Z"}`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value as Json, json};
use surrealdb::types::{Number, Object, RecordIdKey, Value};
use thiserror::Error;

/// One row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub table: String,
    pub key: RecordIdKey,
    pub fields: Object,
}

/// A row that no line can hold, or a line that holds no row.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// The store holds what this format has no form for.
    #[error("{table} holds a value of a kind that cannot be written down")]
    Unwritable { table: String },
    /// Not a line of this format.
    #[error("not a row")]
    Malformed,
}

const TIME: &str = "$time";

impl Row {
    /// As one line, without its end.
    ///
    /// # Errors
    /// When a field holds anything but texts, whole numbers, truth values, moments, lists and
    /// objects of them.
    pub fn to_line(&self) -> Result<String, RowError> {
        let unwritable = || RowError::Unwritable {
            table: self.table.clone(),
        };
        let key = match &self.key {
            RecordIdKey::String(text) => Json::from(text.clone()),
            RecordIdKey::Number(number) => Json::from(*number),
            RecordIdKey::Array(parts) => parts
                .iter()
                .map(to_json)
                .collect::<Option<Vec<_>>>()
                .map(Json::Array)
                .ok_or_else(unwritable)?,
            _ => return Err(unwritable()),
        };
        let fields = object_to_json(&self.fields).ok_or_else(unwritable)?;
        Ok(json!([self.table, key, fields]).to_string())
    }

    /// Its fields as plain JSON, for people and programs: moments are texts.
    #[must_use]
    pub fn to_plain(&self) -> Json {
        Value::Object(self.fields.clone()).into_json_value()
    }

    /// What [`Row::to_line`] wrote.
    ///
    /// # Errors
    /// When it did not write this.
    pub fn from_line(line: &str) -> Result<Self, RowError> {
        let (table, key, fields): (String, Json, Map<String, Json>) =
            serde_json::from_str(line).map_err(|_| RowError::Malformed)?;
        let key = match from_json(key).ok_or(RowError::Malformed)? {
            Value::String(text) => RecordIdKey::String(text),
            Value::Number(Number::Int(number)) => RecordIdKey::Number(number),
            Value::Array(parts) => RecordIdKey::Array(parts),
            _ => return Err(RowError::Malformed),
        };
        Ok(Self {
            table,
            key,
            fields: object_from_json(fields).ok_or(RowError::Malformed)?,
        })
    }
}

fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::from(*truth),
        Value::Number(Number::Int(number)) => Json::from(*number),
        Value::String(text) => Json::from(text.clone()),
        Value::Datetime(moment) => {
            let moment = DateTime::<Utc>::from(*moment);
            json!({ TIME: moment.to_rfc3339_opts(SecondsFormat::Nanos, true) })
        }
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Value::Object(object) => Json::Object(object_to_json(object)?),
        _ => return None,
    })
}

fn object_to_json(object: &Object) -> Option<Map<String, Json>> {
    object
        .iter()
        .filter(|(_, value)| !matches!(value, Value::None))
        .map(|(name, value)| {
            // Or it would be read as something else.
            let plain = !name.starts_with('$');
            plain.then_some(())?;
            Some((name.clone(), to_json(value)?))
        })
        .collect()
}

fn from_json(json: Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::Number(Number::Int(number.as_i64()?)),
        Json::String(text) => Value::String(text),
        Json::Array(items) => {
            let items: Vec<Value> = items.into_iter().map(from_json).collect::<Option<_>>()?;
            Value::Array(items.into())
        }
        Json::Object(object) => match object.get(TIME) {
            Some(Json::String(moment)) if object.len() == 1 => {
                let moment = DateTime::parse_from_rfc3339(moment).ok()?;
                Value::Datetime(moment.with_timezone(&Utc).into())
            }
            _ => Value::Object(object_from_json(object)?),
        },
    })
}

fn object_from_json(object: Map<String, Json>) -> Option<Object> {
    let mut fields = Object::new();
    for (name, json) in object {
        if name.starts_with('$') {
            return None;
        }
        fields.insert(name, from_json(json)?);
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use surrealdb::types::SurrealValue;

    fn value() -> impl Strategy<Value = Value> {
        let moment = (-60_000_000_000i64..250_000_000_000, 0..1_000_000_000u32).prop_map(
            |(seconds, nanoseconds)| {
                DateTime::from_timestamp(seconds, nanoseconds)
                    .unwrap()
                    .into_value()
            },
        );
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(SurrealValue::into_value),
            any::<String>().prop_map(Value::String),
            moment,
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| Value::Array(items.into())),
                fields(inner).prop_map(Value::Object),
            ]
        })
    }

    fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
        prop::collection::btree_map("[^$].{0,8}", value, 0..5).prop_map(|pairs| {
            let mut fields = Object::new();
            for (name, value) in pairs {
                fields.insert(name, value);
            }
            fields
        })
    }

    proptest! {
        #[test]
        fn what_a_line_holds_comes_back(key in any::<String>(), fields in fields(value())) {
            let row = Row {
                table: "account".to_owned(),
                key: RecordIdKey::Array(vec![key, "k".to_owned()].into()),
                fields,
            };
            let line = row.to_line().unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Row::from_line(&line), Ok(row));
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            let _ = Row::from_line(&line);
        }
    }

    #[test]
    fn what_has_no_form_is_refused_rather_than_bent() {
        for value in [
            Value::Number(Number::Float(0.5)),
            Value::Bytes(vec![1].into()),
        ] {
            let mut fields = Object::new();
            fields.insert("a", value);
            let row = Row {
                table: "account".to_owned(),
                key: RecordIdKey::Number(1),
                fields,
            };
            assert!(matches!(row.to_line(), Err(RowError::Unwritable { .. })));
        }
        for line in [
            r#"["a","k",{"$x":1}]"#,
            r#"["a","k"]"#,
            r#"["a",1.5,{}]"#,
            "{}",
        ] {
            assert_eq!(Row::from_line(line), Err(RowError::Malformed), "{line}");
        }
    }
}
