//! What holds for every text that anybody may choose as a password.

use std::sync::LazyLock;

use latchkey_app::domain::{EmailAddress, Password, PasswordError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{COMMON, COMMON_COUNT, PasswordPolicy};

/// One for each score that an operator may ask for.
static POLICIES: LazyLock<Vec<PasswordPolicy>> = LazyLock::new(|| {
    (0..=4)
        .map(|min_score| PasswordPolicy::new(8, min_score, "Latchkey"))
        .collect()
});

/// Not by way of the policy: as they stand in the file, at least eight bytes each.
static LIST: LazyLock<Vec<&str>> = LazyLock::new(|| {
    COMMON
        .lines()
        .filter(|line| line.is_ascii() && !line.contains("# "))
        .take(COMMON_COUNT)
        .collect()
});

fn chosen() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        any::<Index>().prop_map(|at| (*at.get(&LIST)).to_owned()),
        select(vec![
            "somebody",
            "@",
            "bücher",
            "2026-11-24",
            "qwerty",
            "zxcvbnm",
            "aaaa",
            "1234",
            "p4$$w0rd"
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    vec(word, 1..4).prop_map(|words| words.concat())
}

fn somebody() -> EmailAddress {
    EmailAddress::parse("Somebody@bücher.example").unwrap()
}

proptest! {
    // Scoring is the only slow thing here.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.div_ceil(8),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_accepted_is_kept_as_it_was_chosen(text in chosen(), min_score in 0..=4_usize) {
        let Ok(password) = POLICIES[min_score].parse(&text, Some(&somebody())) else { return Ok(()) };
        let presented = Password::presented(&text);
        prop_assert_eq!(presented.as_ref().map(Password::expose), Some(password.expose()));
        let lower = password.expose().to_lowercase();
        prop_assert!(!LIST.contains(&lower.as_str()));
        prop_assert!(lower.chars().count() >= 8);
        for lower_score in 0..min_score {
            prop_assert!(POLICIES[lower_score].parse(&text, Some(&somebody())).is_ok(), "asking for less refuses it");
        }
    }
}

proptest! {
    #[test]
    fn a_common_password_is_refused_in_whatever_case(at: Index, upper in vec(any::<bool>(), 1..8)) {
        let text: String = at
            .get(&LIST)
            .chars()
            .zip(upper.into_iter().cycle())
            .map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter })
            .collect();
        prop_assert_eq!(POLICIES[0].parse(&text, None).err(), Some(PasswordError::Common), "{}", text);
    }
}
