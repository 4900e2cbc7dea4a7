//! The languages that people are spoken to in, and which of them somebody likes best.

use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// Ranges beyond this are not looked at: nobody reads so many languages.
const MAX_RANGES: usize = 50;

impl Language {
    /// The language of a tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The best of [`Self::ALL`] for an `Accept-Language` header (RFC 9110 §12.5.4): the one with
    /// the highest quality, of equals the one named first. A range with a region stands for its
    /// language too (lookup, RFC 4647 §3.4): who reads `fr-CA` reads French. The first language
    /// when nothing fits, since no answer at all would be worse.
    #[must_use]
    pub fn preferred(accept_language: &str) -> Self {
        let ranges: Vec<(&str, u16)> = accept_language
            .split(',')
            .take(MAX_RANGES)
            .filter_map(range)
            .collect();
        let mut best = (Self::default(), 0, usize::MAX);
        for language in Self::ALL {
            let (quality, place) = language.wanted(&ranges);
            if quality > best.1 || (quality == best.1 && place < best.2) {
                best = (language, quality, place);
            }
        }
        if best.1 == 0 { Self::default() } else { best.0 }
    }

    /// How much it is wanted, in thousandths, and at which place that was said.
    fn wanted(self, ranges: &[(&str, u16)]) -> (u16, usize) {
        let matching = |fits: &dyn Fn(&str) -> bool| {
            ranges
                .iter()
                .enumerate()
                .filter(|(_, (range, _))| fits(range))
                .map(|(place, (_, quality))| (*quality, place))
                // Of equals the first.
                .max_by_key(|(quality, place)| (*quality, usize::MAX - place))
        };
        let named = matching(&|range| {
            let primary = range.split('-').next().unwrap_or_default();
            primary.eq_ignore_ascii_case(self.tag())
        });
        named
            .or_else(|| matching(&|range| range == "*"))
            .unwrap_or((0, usize::MAX))
    }
}

/// A range and its weight in thousandths; `None` for what is neither.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    match parts.next() {
        None => Some((range, 1000)),
        Some(weight) => {
            let (name, value) = weight.split_once('=')?;
            let is_weight = name.trim().eq_ignore_ascii_case("q");
            Some((range, is_weight.then(|| thousandths(value.trim()))??))
        }
    }
}

/// `qvalue` (RFC 9110 §12.4.2): `0` or `1`, and at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !is_digits(decimals) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_spoken() {
        use Language::{En, Fr};
        for (header, language) in [
            ("fr", Fr),
            ("FR-ca", Fr),
            ("fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", Fr),
            ("en-US,en;q=0.5,fr;q=0.7", En),
            ("de,fr;q=0.5,en;q=0.5", Fr),
            ("de, en ; q = 0.4 , fr;q=0.41", Fr),
            ("de,en;q=0.5,fr;q=0.5", En),
            ("*;q=0.8,en;q=0.1", Fr),
            ("fr;q=0,*", En),
            ("en;q=0,*;q=0.1", Fr),
            ("fr;q=0.001", Fr),
        ] {
            assert_eq!(Language::preferred(header), language, "{header}");
        }
    }

    #[test]
    fn who_says_nothing_that_fits_is_spoken_to_in_english() {
        for header in [
            "",
            "*",
            "xx",
            "french",
            "fr;q=0",
            "fr;q=2",
            "fr;q=0.1234",
            "fr;q=-1",
            "fr;q=",
            "fr;level=1",
            "fr;q=1.001",
            ";q=1",
            ",,,",
            "fr\u{e9}",
        ] {
            assert_eq!(Language::preferred(header), Language::En, "{header}");
        }
        let many = "xx,".repeat(10_000) + "fr";
        assert_eq!(Language::preferred(&many), Language::En);
    }

    #[test]
    fn a_language_is_found_by_its_tag() {
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.tag()), Some(language));
        }
        assert_eq!(Language::from_tag("xx"), None);
    }
}
