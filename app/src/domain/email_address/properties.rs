//! What holds for every text that anybody may send as an address.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{EmailAddress, EmailAddressError};
use crate::domain::hostile_text::{spoiled, text};

/// What a relay or a mail program would take for an end, a second address or an order.
const SEPARATORS: [char; 12] = [
    '\0', '\t', '\n', '\r', ' ', ',', ';', '@', '\u{7f}', '\u{85}', '\u{a0}', '\u{2028}',
];

/// An address in plain letters, which must be accepted.
fn ordinary() -> impl Strategy<Value = String> {
    let atoms = vec("[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", 1..4);
    let labels = vec("[a-zA-Z0-9]([a-zA-Z0-9-]{0,9}[a-zA-Z0-9])?", 1..4)
        // With `--` in third place a label says how it is encoded, and most are not so.
        .prop_filter("an encoded label", |labels| {
            !labels.iter().any(|label| label.get(2..4) == Some("--"))
        });
    (atoms, labels, "[a-zA-Z]{2,6}")
        .prop_map(|(atoms, labels, top)| format!("{}@{}.{top}", atoms.join("."), labels.join(".")))
}

/// An address whose domain is written in the letters of its language.
fn international() -> impl Strategy<Value = String> {
    let label = select(vec![
        "bücher",
        "BÜCHER",
        "straße",
        "пример",
        "例え",
        "مثال",
        "xn--bcher-kva",
        "İstanbul",
        "ａｂｃ",
        "a\u{301}b",
        "ﬁsh",
        "x\u{ad}y",
        "r3---sn",
    ]);
    let dot = select(vec![".", "\u{3002}", "\u{ff0e}"]);
    let top = select(vec!["example", "рф", "中国", "XN--P1AI"]);
    ("[a-zA-Z0-9.+-]{1,10}", label, dot, top)
        .prop_map(|(local_part, label, dot, top)| format!("{local_part}@{label}{dot}{top}"))
}

/// Around the lengths at which RFC 5321 draws its lines.
fn long() -> impl Strategy<Value = String> {
    (60..70_usize, vec(58..66_usize, 1..5)).prop_map(|(local_part, labels)| {
        let labels: Vec<_> = labels
            .into_iter()
            .map(|length| "d".repeat(length))
            .collect();
        format!("{}@{}.example", "a".repeat(local_part), labels.join("."))
    })
}

/// Short as it is typed, long in its ASCII form.
fn growing() -> impl Strategy<Value = String> {
    (1..65_usize, 15..32_usize).prop_map(|(local_part, labels)| {
        format!("{}@{}example", "a".repeat(local_part), "ü.".repeat(labels))
    })
}

/// What may stand beside an address that was copied out of a text.
fn around() -> impl Strategy<Value = &'static str> {
    select(vec![
        "", "", " ", "\n", "\u{feff}", ".", ",", "<", ">", "\"", "mailto:", "\u{3002}", "\0",
    ])
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        ordinary(),
        growing(),
        "[a-z]{1,5}@([0-9]{1,3}\\.){1,4}[0-9]{1,3}",
        (around(), ordinary(), around())
            .prop_map(|(before, right, after)| format!("{before}{right}{after}")),
        spoiled(ordinary()),
        spoiled(international()),
        spoiled(long()),
        (text(), text()).prop_map(|(left, right)| format!("{left}@{right}")),
    ]
}

/// RFC 5321 §4.1.2 `Dot-string`, letter by letter.
fn is_dot_string(text: &str) -> bool {
    const ATEXT: &str =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~";
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(|letter| ATEXT.contains(letter)))
}

/// RFC 1123 §2.1 as a public mail domain has it: letters, digits and inner hyphens in labels of
/// at most 63, at least two of them, the last not a number.
fn is_host_name(text: &str) -> bool {
    let labels: Vec<_> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-'))
    };
    labels.len() >= 2
        && labels.iter().all(is_label)
        && labels
            .last()
            .is_some_and(|top| top.parse::<u128>().is_err())
}

fn canonical(text: &str) -> Option<String> {
    EmailAddress::parse(text)
        .ok()
        .map(|address| address.canonical().to_owned())
}

proptest! {
    #[test]
    fn what_is_accepted_can_stand_in_a_mail(text in any_text()) {
        let Ok(address) = EmailAddress::parse(&text) else { return Ok(()) };
        for spelling in [address.typed(), address.canonical()] {
            prop_assert_eq!(spelling.matches('@').count(), 1);
            for separator in SEPARATORS.into_iter().filter(|&separator| separator != '@') {
                prop_assert!(!spelling.contains(separator), "{:?} in {:?}", separator, spelling);
            }
            prop_assert!(!spelling.chars().any(char::is_control));
            prop_assert!(spelling.len() <= 254);
        }
        let (local_part, domain) = (address.local_part(), address.domain());
        prop_assert!(local_part.len() <= 64);
        prop_assert!(is_dot_string(local_part), "{:?}", local_part);
        prop_assert!(is_host_name(domain), "{:?}", domain);
        prop_assert_eq!(address.canonical(), format!("{local_part}@{domain}").to_lowercase());
    }

    #[test]
    fn what_is_accepted_is_what_was_typed(text in any_text()) {
        let Ok(address) = EmailAddress::parse(&text) else { return Ok(()) };
        let around = text.split(address.typed()).collect::<String>();
        prop_assert!(around.chars().all(char::is_whitespace), "{:?} was dropped", around);
        prop_assert_eq!(address.typed().split('@').next(), Some(address.local_part()));
    }

    #[test]
    fn a_canonical_address_is_its_own_canonical_form(text in any_text()) {
        let Some(first) = canonical(&text) else { return Ok(()) };
        prop_assert_eq!(canonical(&first), Some(first));
    }

    #[test]
    fn spellings_that_differ_in_case_are_one_address(text in any_text(), upper in vec(any::<bool>(), 1..20)) {
        let Some(first) = canonical(&text) else { return Ok(()) };
        let other: String = text
            .chars()
            .zip(upper.into_iter().cycle())
            .map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() })
            .collect();
        prop_assert_eq!(canonical(&other), Some(first));
    }

    #[test]
    fn an_ordinary_address_is_accepted_and_kept(text in ordinary()) {
        let address = EmailAddress::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(address.typed(), &text);
        prop_assert_eq!(address.canonical(), text.to_ascii_lowercase());
    }

    #[test]
    fn no_separator_gets_in_anywhere(text in prop_oneof![ordinary(), international()], at: Index, separator in select(&SEPARATORS[..])) {
        let mut letters: Vec<char> = text.chars().collect();
        // At either end white space is forgiven.
        letters.insert(1 + at.index(letters.len() - 1), separator);
        let text = String::from_iter(letters);
        prop_assert_eq!(EmailAddress::parse(&text).err(), Some(EmailAddressError::NotOne), "{:?}", text);
    }

    #[test]
    fn a_log_never_sees_more_than_one_letter_of_the_local_part(text in any_text()) {
        let Ok(address) = EmailAddress::parse(&text) else { return Ok(()) };
        let logged = format!("{address:?}");
        let hidden = logged
            .strip_prefix("EmailAddress(")
            .and_then(|logged| logged.strip_suffix(&format!("…@{})", address.domain())));
        let Some(hidden) = hidden else {
            return Err(TestCaseError::fail(logged));
        };
        prop_assert!(hidden.chars().count() <= 1, "{}", logged);
        prop_assert!(hidden.len() < address.local_part().len());
    }
}
