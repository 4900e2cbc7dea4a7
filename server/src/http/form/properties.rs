//! What holds for every body that anybody may send as a form.
//!
//! The oracles are `url`'s form parser, which guesses where ours refuses, and the body as a whole,
//! decoded before it is parted.

use percent_encoding::percent_decode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use url::form_urlencoded;

use super::Form;
use crate::mutation::{bytes, spoiled};

type Fields = Vec<(String, String)>;

fn fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        select(vec!["email", "password", "verification_code", ""]).prop_map(str::to_owned),
        ".{0,6}",
    ];
    vec((name, any::<String>()), 0..5)
}

fn encoded(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        bytes(),
        "[a-f0-9%&=+é]{0,40}".prop_map(String::into_bytes),
        "((a|%61|email)=[0-9]?&){0,3}(a|email)?".prop_map(String::into_bytes),
        spoiled(fields().prop_map(|fields| encoded(&fields).into_bytes())),
    ]
}

fn parsed(body: &[u8]) -> Option<Fields> {
    let Form(fields) = Form::parse(body)?;
    Some(
        fields
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect(),
    )
}

/// Whether two hexadecimal digits follow every `%`.
fn has_whole_escapes(body: &[u8]) -> bool {
    body.split(|&byte| byte == b'%')
        .skip(1)
        .all(|rest| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

proptest! {
    #[test]
    fn only_percent_encoded_utf8_is_accepted_and_all_of_it(body in any_body()) {
        let is_utf8 = percent_decode(&body).decode_utf8().is_ok();
        prop_assert_eq!(parsed(&body).is_some(), has_whole_escapes(&body) && is_utf8);
    }

    #[test]
    fn what_is_accepted_is_read_as_the_url_standard_reads_it(body in any_body()) {
        let Some(fields) = parsed(&body) else { return Ok(()) };
        let standard: Fields = form_urlencoded::parse(&body).into_owned().collect();
        prop_assert_eq!(&fields, &standard, "no field is lost, moved or made");
        prop_assert_eq!(parsed(encoded(&fields).as_bytes()), Some(fields));
    }

    #[test]
    fn whatever_is_typed_arrives_as_it_was(fields in fields()) {
        prop_assert_eq!(parsed(encoded(&fields).as_bytes()), Some(fields));
    }

    #[test]
    fn every_byte_may_be_escaped_in_either_case(fields in fields(), upper: bool) {
        let escaped = |text: &str| {
            text.bytes()
                .map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") })
                .collect::<String>()
        };
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        prop_assert_eq!(parsed(pairs.join("&").as_bytes()), Some(fields));
    }

    #[test]
    fn a_field_is_found_when_it_is_there_once(body in any_body(), name in select(vec!["email", "password", "a", ""])) {
        let Some(form) = Form::parse(&body) else { return Ok(()) };
        let values: Vec<_> = form_urlencoded::parse(&body)
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
            .collect();
        let found = form.field(name).ok().map(|value| value.map(str::to_owned));
        match values.as_slice() {
            [] => prop_assert_eq!(found, Some(None)),
            [value] => prop_assert_eq!(found, Some(Some(value.clone()))),
            _ => prop_assert_eq!(found, None),
        }
        prop_assert_eq!(form.required(name).is_ok(), values.len() == 1);
    }
}
