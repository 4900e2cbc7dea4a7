//! Texts that nobody types by accident, for the properties of what is parsed here.

use proptest::char::any as any_char;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What breaks headers, lines and comparisons: separators of mail, everything that looks like
/// one of them or becomes one, what cannot be seen, and letters that change length with their case.
const NASTY: &str = "\0\t\n\r\u{1b}\u{7f}\u{85} \"%()+,-./0:;<>@[\\]_Kxß\u{a0}\u{ad}\u{130}\u{301}\u{378}\
    \u{200b}\u{200d}\u{202e}\u{2028}\u{212a}\u{3002}\u{feff}\u{ff0c}\u{ff20}😀\u{10ffff}";

#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, char),
    Replace(Index, char),
    Remove(Index),
    /// Repeats what stands between two places.
    Repeat(Index, Index),
    OtherCase(Index),
}

/// Any text: of anything at all, or of what is nasty.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(any_char(), 0..40),
        vec(nasty(), 0..40),
        vec(prop_oneof![nasty(), any_char()], 0..300),
    ]
    .prop_map(String::from_iter)
}

/// A right text, now and then as it is, else with a few letters changed.
pub fn spoiled(right: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (right, vec(edit(), 0..5)).prop_map(|(right, edits)| {
        let mut letters: Vec<char> = right.chars().collect();
        for edit in edits {
            apply(&edit, &mut letters);
        }
        letters.into_iter().collect()
    })
}

/// One character that is trouble somewhere.
fn nasty() -> impl Strategy<Value = char> {
    select(NASTY.chars().collect::<Vec<_>>())
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    let letter = || prop_oneof![nasty(), any_char()];
    prop_oneof![
        (place(), letter()).prop_map(|(at, letter)| Edit::Insert(at, letter)),
        (place(), letter()).prop_map(|(at, letter)| Edit::Replace(at, letter)),
        place().prop_map(Edit::Remove),
        (place(), place()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        place().prop_map(Edit::OtherCase),
    ]
}

fn apply(edit: &Edit, letters: &mut Vec<char>) {
    let places = letters.len() + 1;
    match edit {
        Edit::Insert(at, letter) => letters.insert(at.index(places), *letter),
        _ if letters.is_empty() => {}
        Edit::Replace(at, letter) => *at.get_mut(letters) = *letter,
        Edit::Remove(at) => {
            letters.remove(at.index(letters.len()));
        }
        Edit::Repeat(from, to) => {
            let (from, to) = (from.index(places), to.index(places));
            let again = letters[from.min(to)..from.max(to)].to_vec();
            letters.splice(from..from, again);
        }
        Edit::OtherCase(at) => {
            let letter = at.get_mut(letters);
            *letter = if letter.is_ascii_lowercase() {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
        }
    }
}
