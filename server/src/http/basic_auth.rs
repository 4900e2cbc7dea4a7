//! HTTP Basic authentication (RFC 7617), read strictly.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Some clients leave the padding away; nothing is ambiguous without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What `Authorization` holds.
pub enum BasicAuth {
    Absent,
    /// Another scheme, or not what the scheme asks for.
    Malformed,
    /// UTF-8, as our challenge asks for; the password may hold colons.
    Given {
        user: String,
        password: Zeroizing<String>,
    },
}

impl BasicAuth {
    /// Reads the header.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => parse(value.as_bytes()).unwrap_or(Self::Malformed),
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

fn parse(value: &[u8]) -> Option<BasicAuth> {
    let (scheme, credentials) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(credentials.trim_matches(' ')).ok()?);
    let (user, password) = std::str::from_utf8(&decoded)
        .ok()
        // RFC 7617 §2 forbids them, and no password of ours holds one.
        .filter(|text| !text.contains(char::is_control))?
        .split_once(':')?;
    Some(BasicAuth::Given {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    })
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &str) -> Option<(String, String)> {
        let headers = HeaderMap::from_iter([(
            AUTHORIZATION,
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )]);
        match BasicAuth::of(&headers) {
            BasicAuth::Given { user, password } => Some((user, password.to_string())),
            _ => None,
        }
    }

    fn basic(text: &[u8]) -> String {
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(text)
        )
    }

    #[test]
    fn user_and_password_are_parted_at_the_first_colon() {
        let given = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(
            read(&basic(b"a@b.c:pass:word")),
            given("a@b.c", "pass:word")
        );
        assert_eq!(read(&basic("a@b.c: ä ".as_bytes())), given("a@b.c", " ä "));
        assert_eq!(read("basic YTpi"), given("a", "b"));
        assert_eq!(read("BASIC YTpiYw"), given("a", "bc"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Bearer YTpi",
            "Basic !!!",
            "YTpi",
            &basic(b"no colon"),
            &basic(b"a:\xff"),
            &basic(b"a:b\0"),
            &basic(b"a:b\n"),
            &basic(b"a\x7f:b"),
            &basic("a:\u{85}b".as_bytes()),
            "Basic \tYTpi",
            "Basic \u{a0}YTpi",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(matches!(BasicAuth::of(&headers), BasicAuth::Malformed));
    }
}
