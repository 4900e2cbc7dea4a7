//! What holds for every `Authorization` that anybody may send.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{BasicAuth, parse};
use crate::mutation::{bytes, spoiled};

/// User and password as RFC 7617 §2 lets them be: no control characters, no colon in the user.
fn credentials() -> impl Strategy<Value = (String, String)> {
    ("[^:\\p{Cc}]{0,20}", "\\P{Cc}{0,20}")
}

fn header(scheme: &str, credentials: &[u8]) -> String {
    format!("{scheme} {}", STANDARD.encode(credentials))
}

fn right() -> impl Strategy<Value = Vec<u8>> {
    credentials().prop_map(|(user, password)| {
        header("Basic", format!("{user}:{password}").as_bytes()).into()
    })
}

fn any_header() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        bytes(),
        spoiled(right()),
        // White space of another kind than the one that RFC 9110 §11.4 has.
        (
            select(vec!["\t", "\n", "\u{a0}", "\u{2003}"]),
            any::<bool>()
        )
            .prop_map(|(space, is_before)| {
                let [before, after] = if is_before { [space, ""] } else { ["", space] };
                format!("Basic {before}YTpi{after}").into()
            }),
        // Right on the outside only.
        bytes().prop_map(|inside| header("basic", &inside).into()),
        spoiled(Just(b"foo@bar.com:testpassword".to_vec()))
            .prop_map(|inside| header("BASIC", &inside).into()),
    ]
}

fn given(value: &[u8]) -> Option<(String, String)> {
    match parse(value) {
        Some(BasicAuth::Given { user, password }) => Some((user, password.to_string())),
        _ => None,
    }
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_was_sent(value in any_header()) {
        let Some((user, password)) = given(&value) else { return Ok(()) };
        let Ok(value) = String::from_utf8(value) else {
            return Err(TestCaseError::fail("not even text"));
        };
        let (scheme, rest) = value.split_at(5);
        prop_assert_eq!(scheme.to_ascii_lowercase(), "basic");
        prop_assert!(rest.starts_with(' '));
        let sent = rest.trim_matches(' ').trim_end_matches('=');
        prop_assert_eq!(sent, STANDARD_NO_PAD.encode(format!("{user}:{password}")));
        prop_assert!(!user.contains(':'));
        prop_assert!(!user.chars().chain(password.chars()).any(char::is_control));
    }

    #[test]
    fn all_that_the_scheme_can_carry_arrives(
        (user, password) in credentials(),
        upper in vec(any::<bool>(), 5),
        spaces in 1..4_usize,
        is_padded: bool,
    ) {
        let scheme: String = "basic"
            .chars()
            .zip(upper)
            .map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter })
            .collect();
        let text = format!("{user}:{password}");
        let encoded = if is_padded { STANDARD.encode(text) } else { STANDARD_NO_PAD.encode(text) };
        let value = format!("{scheme}{}{encoded}", " ".repeat(spaces));
        prop_assert_eq!(given(value.as_bytes()), Some((user, password)));
    }

    #[test]
    fn two_headers_are_never_one(one in any_header(), other in any_header()) {
        let values = [one, other].map(|value| HeaderValue::from_bytes(&value));
        let [Ok(one), Ok(other)] = values else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, one);
        headers.append(AUTHORIZATION, other);
        prop_assert!(matches!(BasicAuth::of(&headers), BasicAuth::Malformed));
    }
}
