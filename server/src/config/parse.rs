//! Fields whose types parse from a string but do not know serde.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A field of a type that is parsed from text.
pub(super) fn text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    // The parser's own message may quote the value; the key's own text says what is allowed.
    let text = String::deserialize(deserializer)?;
    text.trim()
        .parse()
        .map_err(|_| Error::custom("not allowed"))
}

/// As [`text`], for a field that may be missing.
pub(super) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    text(deserializer).map(Some)
}

/// Networks; an address alone is the network of that one address.
pub(super) fn networks<'de, D>(deserializer: D) -> Result<Vec<IpNet>, D::Error>
where
    D: Deserializer<'de>,
{
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| Error::custom("not allowed"))
        })
        .collect()
}
