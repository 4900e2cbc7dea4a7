//! What holds for every text that anybody may choose or offer as a password.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unicode_normalization::UnicodeNormalization;

use super::{MAX_PASSWORD_BYTES, Password, PasswordError, PasswordRules};
use crate::domain::EmailAddress;
use crate::domain::hostile_text::{spoiled, text};

/// Around 1,024 bytes, made of what grows or shrinks when it is normalised: up to three times.
fn long() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "é",
        "e\u{301}",
        "\u{212a}",
        "\u{1100}\u{1161}\u{11a8}",
        "\u{1d160}",
        "\u{3b1}\u{313}\u{300}\u{345}",
        "😀",
    ]);
    vec((piece, 0..400_usize), 1..5).prop_map(|runs| {
        runs.into_iter()
            .map(|(piece, count)| piece.repeat(count))
            .collect()
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => text(),
        4 => "\\PC{0,12}",
        4 => ("\\PC{4,12}", select(&['\0', '\n', '\u{7f}', '\u{80}', '\u{9f}', '\u{a0}', '\u{ad}'][..]), "\\PC{4,12}")
            .prop_map(|(before, control, after)| format!("{before}{control}{after}")),
        4 => spoiled(select(vec!["somebody", "Somebody@bücher.example", "Latchkey", "testpassword"]).prop_map(str::to_owned)),
        1 => long(),
        1 => (1_000..1_050_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn rules() -> impl Strategy<Value = PasswordRules> {
    prop_oneof![3 => Just(8), 1 => 8..=64_usize].prop_map(|min_length| PasswordRules {
        min_length,
        service_name: "Latchkey".to_owned(),
    })
}

fn somebody() -> Option<EmailAddress> {
    EmailAddress::parse("Somebody@bücher.example").ok()
}

proptest! {
    #[test]
    fn a_password_is_kept_whole_or_refused(text in any_text()) {
        let normal: String = text.nfc().collect();
        let kept = Password::presented(&text).map(|password| password.expose().to_owned());
        prop_assert_eq!(kept, (normal.len() <= MAX_PASSWORD_BYTES).then_some(normal));
    }

    #[test]
    fn all_spellings_of_the_same_characters_are_one_password(text in any_text()) {
        let kept = |text: &str| Password::presented(text).map(|password| password.expose().to_owned());
        let apart: String = text.nfd().collect();
        let together: String = text.nfc().collect();
        prop_assert_eq!(kept(&apart), kept(&text));
        prop_assert_eq!(kept(&together), kept(&text));
    }

    #[test]
    fn length_and_control_characters_are_all_that_is_asked_of_a_stranger(text in any_text(), rules in rules()) {
        let normal: String = text.nfc().collect();
        let nobody_would_guess = PasswordRules { service_name: "\0".to_owned(), ..rules };
        let is_right = normal.chars().count() >= rules.min_length
            && normal.len() <= 1_024
            && !normal.chars().any(char::is_control);
        let parsed = Password::parse_new(&text, &nobody_would_guess, None);
        prop_assert_eq!(parsed.is_ok(), is_right, "{:?}", parsed);
    }

    #[test]
    fn whoever_chose_a_password_can_prove_it(text in any_text(), rules in rules()) {
        let Ok(chosen) = Password::parse_new(&text, &rules, somebody().as_ref()) else { return Ok(()) };
        let presented = Password::presented(&text);
        prop_assert_eq!(presented.as_ref().map(Password::expose), Some(chosen.expose()));
        prop_assert_eq!(format!("{chosen:?}"), "Password(…)");
    }

    #[test]
    fn a_refusal_is_true(text in any_text(), rules in rules()) {
        let Err(error) = Password::parse_new(&text, &rules, somebody().as_ref()) else { return Ok(()) };
        let normal: String = text.nfc().collect();
        let is_true = match error {
            PasswordError::Empty => text.is_empty(),
            PasswordError::TooShort { min_length } => {
                min_length == rules.min_length && normal.chars().count() < min_length
            }
            PasswordError::TooLong => normal.len() > 1_024,
            PasswordError::ControlCharacter => normal.contains(char::is_control),
            PasswordError::OwnAddress => [
                "somebody",
                "somebody@bücher.example",
                "somebody@xn--bcher-kva.example",
            ]
            .contains(&normal.to_lowercase().as_str()),
            PasswordError::ServiceName => normal.to_lowercase() == "latchkey",
            PasswordError::Common | PasswordError::Guessable => false,
        };
        prop_assert!(is_true, "{:?}", error);
    }
}
