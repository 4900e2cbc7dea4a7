//! The texts of all languages, read once.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::{Message, Value};
use crate::language::Language;

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<Vec<(Language, Bundle)>> = LazyLock::new(|| {
    Language::ALL
        .into_iter()
        .map(|language| (language, read(language)))
        .collect()
});

/// What of a file cannot be read is left out, and a test fails that there be none.
fn read(language: Language) -> Bundle {
    let locale: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // What is put into a text is an element of its own where its direction may differ.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(language.source().to_owned());
    let _ = bundle.add_resource(resource.unwrap_or_else(|(readable, _)| readable));
    bundle
}

/// The text in this language, else in the first, else its name: a page with a hole would be worse.
pub(super) fn format(message: &Message, language: Language) -> String {
    let arguments: FluentArgs<'_> = message
        .values
        .iter()
        .map(|(place, value)| {
            let value = match value {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "counts, seconds and years, not astronomy"
                )]
                Value::Number(number) => FluentValue::from(*number as f64),
                Value::Text(text) => FluentValue::from(text.as_str()),
            };
            (*place, value)
        })
        .collect();
    [language, Language::default()]
        .into_iter()
        .filter_map(|language| BUNDLES.iter().find(|(known, _)| *known == language))
        .find_map(|(_, bundle)| {
            let pattern = bundle.get_message(message.key.0)?.value()?;
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
            Some(text.into_owned())
        })
        .unwrap_or_else(|| message.key.0.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::texts::key;

    /// The messages of a language, each with the places and other messages that it has in it.
    fn messages(language: Language) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let mut messages = BTreeMap::new();
        let mut name = "";
        for line in language
            .source()
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            if let Some((begun, _)) = line.split_once(" =")
                && !line.starts_with(' ')
            {
                name = begun;
                assert!(
                    messages.insert(name, BTreeSet::new()).is_none(),
                    "{name} twice"
                );
            }
            let places = line.split('{').skip(1).filter_map(|rest| {
                let place = rest.trim_start();
                let end =
                    place.find(|c: char| !(c == '$' || c == '-' || c.is_ascii_alphanumeric()));
                place.get(..end?).filter(|place| !place.is_empty())
            });
            if let Some(known) = messages.get_mut(name) {
                known.extend(places);
            }
        }
        messages
    }

    #[test]
    fn every_language_has_every_text_with_the_same_places() {
        let first = messages(Language::default());
        let keys: BTreeSet<_> = key::ALL.iter().map(|key| key.0).collect();
        assert_eq!(keys, first.keys().copied().collect());
        for language in Language::ALL {
            let texts = messages(language);
            let missing: Vec<_> = first
                .keys()
                .filter(|name| !texts.contains_key(*name))
                .collect();
            let unknown: Vec<_> = texts
                .keys()
                .filter(|name| !first.contains_key(*name))
                .collect();
            assert!(missing.is_empty(), "{language:?} lacks {missing:?}");
            assert!(
                unknown.is_empty(),
                "{language:?} has {unknown:?}, which nobody says"
            );
            for (name, places) in &texts {
                assert_eq!(Some(places), first.get(name), "{name} in {language:?}");
            }
        }
    }

    #[test]
    fn every_text_can_be_said() {
        for language in Language::ALL {
            let resource = FluentResource::try_new(language.source().to_owned());
            assert!(resource.is_ok(), "{language:?}: {resource:?}");
            let (_, bundle) = BUNDLES
                .iter()
                .find(|(known, _)| *known == language)
                .unwrap();
            let everything: BTreeSet<_> = messages(language).into_values().flatten().collect();
            for number in [0.0, 1.0, 2.0, 1_000.0] {
                let arguments: FluentArgs<'_> = everything
                    .iter()
                    .filter_map(|place| Some((place.strip_prefix('$')?, FluentValue::from(number))))
                    .collect();
                for name in messages(language).keys() {
                    let pattern = bundle.get_message(name).and_then(|found| found.value());
                    let mut errors = Vec::new();
                    let text =
                        bundle.format_pattern(pattern.unwrap(), Some(&arguments), &mut errors);
                    assert!(errors.is_empty(), "{name} in {language:?}: {errors:?}");
                    assert!(!text.trim().is_empty(), "{name} in {language:?}");
                }
            }
        }
    }

    #[test]
    fn plurals_go_by_the_language() {
        let say =
            |left: u64, language| key::ATTEMPTS_LEFT.with("count", left).in_language(language);
        assert_eq!(say(0, Language::En), "0 attempts left");
        assert_eq!(say(1, Language::En), "1 attempt left");
        assert_eq!(say(0, Language::Fr), "0 essai restant");
        assert_eq!(say(2, Language::Fr), "2 essais restants");
    }
}
