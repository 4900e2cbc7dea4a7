//! What holds for every `Accept` that anybody may send.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use proptest::sample::select;

use super::Door;
use crate::mutation::{bytes, spoiled};

fn door(value: &[u8]) -> Option<Door> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(Door::of(&HeaderMap::from_iter([(ACCEPT, value)])))
}

fn any_header() -> impl Strategy<Value = Vec<u8>> {
    let right = select(vec![
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json, text/html;q=0.5",
        "text/html;q=nan",
        "*/*",
    ]);
    prop_oneof![
        bytes(),
        spoiled(right.prop_map(|right| right.as_bytes().to_vec()))
    ]
}

proptest! {
    #[test]
    fn only_who_names_html_gets_pages(value in any_header()) {
        let names_html = String::from_utf8_lossy(&value).to_ascii_lowercase().contains("html");
        if door(&value) == Some(Door::Browser) {
            prop_assert!(names_html);
        }
    }

    #[test]
    fn who_likes_json_as_much_gets_json(quality in 0..=1_000_u32) {
        let [html, json] = ["text/html", "application/json"]
            .map(|media_type| format!("{media_type};q={}.{:03}", quality / 1_000, quality % 1_000));
        for value in [format!("{html}, {json}"), format!("{json},{html}")] {
            prop_assert_eq!(door(value.as_bytes()), Some(Door::Program { from_page: false }));
        }
    }
}
