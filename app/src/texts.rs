//! What is said to people. Each text stands in `locales`, once for each language, and has a name.
//!
//! Fluent speaks on the server alone: an island gets the texts that it needs with the HTML, as
//! [`Texts`], so no language costs any wasm.

#[cfg(feature = "ssr")]
mod catalogue;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use crate::language::Language;

/// The name of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(&'static str);

/// The name of each text, made of `locales/en.ftl` when this is built.
pub mod key {
    use super::Key;

    include!(concat!(env!("OUT_DIR"), "/keys.rs"));
}

/// A text and what stands in its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    key: Key,
    values: Vec<(&'static str, Value)>,
}

/// What can stand in a place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Plurals go by it.
    Number(u64),
    Text(String),
}

impl Key {
    /// This text with a value in the place of this name.
    #[must_use]
    pub fn with(self, place: &'static str, value: impl Into<Value>) -> Message {
        Message::from(self).with(place, value)
    }
}

impl Message {
    /// The same with another value.
    #[must_use]
    pub fn with(mut self, place: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((place, value.into()));
        self
    }
}

impl From<Key> for Message {
    fn from(key: Key) -> Self {
        Self {
            key,
            values: Vec::new(),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(feature = "ssr")]
impl Message {
    /// What is said.
    #[must_use]
    pub fn in_language(&self, language: Language) -> String {
        catalogue::format(self, language)
    }
}

/// A text in the language of the page that is being drawn. The browser draws no page.
#[cfg(feature = "ssr")]
pub(crate) fn say(message: impl Into<Message>) -> String {
    let preferences = use_context::<crate::view::Preferences>().unwrap_or_default();
    message.into().in_language(preferences.language)
}

#[cfg(not(feature = "ssr"))]
pub(crate) fn say(_: impl Into<Message>) -> String {
    String::new()
}

/// The texts that one island needs, in the language of its page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Texts(Vec<(String, String)>);

impl Texts {
    /// Puts them together, for the server to send with the island.
    pub(crate) fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let texts = messages
            .into_iter()
            .map(|message| (message.key.0.to_owned(), say(message)));
        Self(texts.collect())
    }

    /// Keeps them as long as the island is there, within reach of all of its parts.
    pub(crate) fn kept(self) -> KeptTexts {
        KeptTexts(StoredValue::new(self))
    }
}

/// The texts of an island, to hand about.
#[derive(Clone, Copy)]
pub struct KeptTexts(StoredValue<Texts>);

impl KeptTexts {
    /// The text of this name, which the server must have sent along.
    pub(crate) fn get(self, key: Key) -> String {
        let text = self.0.with_value(|Texts(texts)| {
            let found = texts.iter().find(|(name, _)| name == key.0);
            found.map(|(_, text)| text.clone())
        });
        debug_assert!(text.is_some(), "{} was not sent along", key.0);
        text.unwrap_or_default()
    }
}
