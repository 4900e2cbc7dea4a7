//! One value, typed by its key's kind whichever layer it comes from.

use figment::value::Value;

use super::keys::Kind;

/// A value before its key's kind has typed it.
pub(super) enum Raw<'a> {
    /// From a variable or a flag: always text.
    Text(&'a str),
    /// From TOML, with the file's text, which alone knows how a number was written.
    Toml(&'a Value, &'a str),
}

impl Raw<'_> {
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Toml(value, _) => plain(value),
        }
    }

    /// The value as its key's kind has it.
    ///
    /// # Errors
    /// What would be allowed instead.
    pub(super) fn typed(&self, kind: Kind) -> Result<Value, String> {
        match kind {
            Kind::Text { .. } | Kind::Secret { .. } => self.text(kind),
            Kind::Integer { min, max } => {
                let number: Option<u64> = match self {
                    Self::Text(text) => text.trim().parse().ok(),
                    Self::Toml(value, _) => value.to_i128().and_then(|n| n.try_into().ok()),
                };
                number
                    .filter(|number| (min..=max).contains(number))
                    .map(Value::from)
                    .ok_or_else(|| kind.allowed())
            }
            Kind::Boolean => {
                let boolean = match self {
                    Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                        "true" | "on" => Some(true),
                        "false" | "off" => Some(false),
                        _ => None,
                    },
                    Self::Toml(value, _) => value.to_bool(),
                };
                boolean.map(Value::from).ok_or_else(|| kind.allowed())
            }
            Kind::List { .. } => {
                let parts: Option<Vec<String>> = match self {
                    Self::Text(text) => Some(split(text)),
                    Self::Toml(Value::Array(_, values), _) => values
                        .iter()
                        .map(|value| value.as_str().map(|text| text.trim().to_owned()))
                        .collect(),
                    Self::Toml(value, _) => value.as_str().map(split),
                };
                parts.map(Value::from).ok_or_else(|| kind.allowed())
            }
        }
    }

    fn text(&self, kind: Kind) -> Result<Value, String> {
        let (value, file) = match self {
            Self::Text(text) => return Ok(Value::from(*text)),
            Self::Toml(value, file) => (value, file),
        };
        match value {
            Value::String(_, text) => Ok(Value::from(text.as_str())),
            // TOML has turned it into a number already. It is taken as text only when it was
            // written just as it would be printed, so not for 1_000, 0x1F or 1.50.
            Value::Num(..) if value.to_i128().is_some_and(|n| written_plainly(n, file)) => {
                Ok(Value::from(plain(value)))
            }
            Value::Bool(_, boolean) => Ok(Value::from(boolean.to_string())),
            _ => Err(format!("{}, in quotes", kind.allowed())),
        }
    }
}

fn written_plainly(number: i128, file: &str) -> bool {
    let digits = number.to_string();
    file.lines().any(|line| {
        line.split_once('=').is_some_and(|(_, value)| {
            let written = value.split(['#', ',', '}']).next().unwrap_or(value);
            written.trim() == digits
        })
    })
}

fn split(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A value as its author wrote it, near enough.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, char) => char.to_string(),
        Value::Bool(_, boolean) => boolean.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|n| n.to_string())
            .or_else(|| number.to_f64().map(|n| n.to_string()))
            .unwrap_or_default(),
        Value::Array(_, values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Empty(..) | Value::Dict(..) => "(no text)".to_owned(),
    }
}
