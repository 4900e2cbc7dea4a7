//! "Did you mean gmail.com?": a domain that is a slip of the finger away from a well-known one.

/// Where most mailboxes are. One that stands here is never taken for a slip of another.
const KNOWN: [&str; 34] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.fr",
    "yahoo.co.uk",
    "ymail.com",
    "hotmail.com",
    "hotmail.fr",
    "hotmail.co.uk",
    "outlook.com",
    "outlook.fr",
    "live.com",
    "live.fr",
    "msn.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "aol.com",
    "mail.com",
    "email.com",
    "gmx.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "t-online.de",
    "proton.me",
    "protonmail.com",
    "fastmail.com",
    "zoho.com",
    "orange.fr",
    "wanadoo.fr",
    "free.fr",
    "laposte.net",
    "sfr.fr",
];

/// Shorter ones are a slip away from too many that somebody may really mean.
const SHORTEST: usize = 8;

/// The address that was probably meant; `None` when this one may well be right.
#[must_use]
pub fn probable_address(typed: &str) -> Option<String> {
    let (local_part, domain) = typed.trim().rsplit_once('@')?;
    let domain = domain.to_ascii_lowercase();
    if local_part.is_empty() || KNOWN.contains(&domain.as_str()) {
        return None;
    }
    KNOWN
        .iter()
        .filter(|known| known.len() >= SHORTEST)
        .find(|known| is_one_slip(domain.as_bytes(), known.as_bytes()))
        .map(|known| format!("{local_part}@{known}"))
}

/// Whether one letter more, less, other, or swapped with its neighbour makes the one the other.
fn is_one_slip(typed: &[u8], meant: &[u8]) -> bool {
    let same = typed.iter().zip(meant).take_while(|(a, b)| a == b).count();
    let (typed, meant) = (&typed[same..], &meant[same..]);
    match (typed, meant) {
        ([], [_]) | ([_], []) => true,
        ([a, typed @ ..], [b, meant @ ..]) => {
            typed == meant
                || typed == [&[*b], meant].concat()
                || [&[*a], typed].concat() == *meant
                || (typed.first() == Some(b)
                    && meant.first() == Some(a)
                    && typed[1..] == meant[1..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_corrected() {
        for (typed, meant) in [
            ("a.b@gmial.com", "a.b@gmail.com"),
            ("a@gmai.com", "a@gmail.com"),
            ("a@gmaill.com", "a@gmail.com"),
            ("a@gnail.com", "a@gmail.com"),
            ("a@GMAIL.CO", "a@gmail.com"),
            ("a@gmail.con", "a@gmail.com"),
            ("a@hotmial.com", "a@hotmail.com"),
            ("a@outlok.com", "a@outlook.com"),
            ("a@orangr.fr", "a@orange.fr"),
            (" a@yahho.fr ", "a@yahoo.fr"),
        ] {
            assert_eq!(probable_address(typed).as_deref(), Some(meant), "{typed}");
        }
    }

    #[test]
    fn what_may_well_be_meant_is_left_alone() {
        for typed in [
            "a@gmail.com",
            "a@mail.com",
            "a@email.com",
            "a@ymail.com",
            "a@example.com",
            "a@mee.com",
            "a@fre.fr",
            "a@gm.com",
            "a@",
            "@gmial.com",
            "gmial.com",
            "",
        ] {
            assert_eq!(probable_address(typed), None, "{typed}");
        }
    }
}
