//! What holds for every text that anybody may send as a code.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::VerificationCode;
use crate::domain::hostile_text::{spoiled, text};

/// What people and their programs put between digits.
const FORGIVEN: [char; 11] = [
    ' ', '\t', '\n', '\r', '\u{a0}', '\u{2009}', '-', '\u{2010}', '\u{2011}', '–', '—',
];

fn right() -> impl Strategy<Value = String> {
    "[0-9]{4,8}"
}

/// Digits with separators before, between and behind.
fn separated() -> impl Strategy<Value = (String, String)> {
    let separators = vec(vec(select(&FORGIVEN[..]), 0..2), 9);
    (right(), separators).prop_map(|(code, separators)| {
        let mut text = String::from_iter(&separators[8]);
        for (digit, after) in code.chars().zip(&separators) {
            text.push(digit);
            text.extend(after);
        }
        (code, text)
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        "[0-9 -]{0,80}",
        "[0-9]{2,5}[ -~]?[0-9]{2,5}",
        "\\PC{0,4}\\p{Nd}{3,9}",
        spoiled(right()),
        spoiled(separated().prop_map(|(_, text)| text)),
    ]
}

fn parse(text: &str) -> Option<String> {
    VerificationCode::parse(text)
        .ok()
        .map(|code| code.expose().to_owned())
}

proptest! {
    #[test]
    fn what_is_accepted_is_the_digits_and_nothing_but_them(text in any_text()) {
        let Some(code) = parse(&text) else { return Ok(()) };
        prop_assert!((4..=8).contains(&code.len()), "{:?}", code);
        let (digits, others): (String, String) = text.chars().partition(char::is_ascii_digit);
        prop_assert_eq!(&code, &digits, "no digit is lost, moved or made");
        for other in others.chars() {
            prop_assert!(
                other.is_whitespace() || "-‐‑‒–—―".contains(other),
                "{:?} was forgiven", other
            );
        }
        prop_assert_eq!(parse(&code), Some(code), "a code is its own code");
    }

    #[test]
    fn spaces_and_dashes_are_forgiven_wherever_they_stand((code, text) in separated()) {
        prop_assert_eq!(parse(&text), Some(code));
    }

    #[test]
    fn fewer_or_more_digits_are_no_code(text in prop_oneof!["[0-9]{0,3}", "[0-9]{9,70}"]) {
        prop_assert_eq!(parse(&text), None);
    }

    #[test]
    fn a_code_cannot_be_printed(code in right()) {
        let printed = VerificationCode::parse(&code).map(|code| format!("{code:?}"));
        prop_assert!(!printed.unwrap_or_default().contains(|letter: char| letter.is_ascii_digit()));
    }
}
