//! Bytes that nobody sends by accident: right ones, changed a little. For properties, and for
//! `tests/api/hostile.rs`, which sends them to a running server.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What parts, ends or escapes something in a header or a form, and what is no UTF-8.
const NASTY: &[u8] = b"\0\t\n\r\x1b \"%&+,-.0:;<=@A[]\x7f\x80\xc0\xc3\xed\xff";

#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, u8),
    Replace(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    /// Repeats what stands between two places.
    Repeat(Index, Index),
    CutOff(Index),
}

/// Right bytes, now and then as they are, else with a few of them changed.
pub fn spoiled(right: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (right, vec(edit(), 0..5)).prop_map(|(mut bytes, edits)| {
        for edit in edits {
            apply(&edit, &mut bytes);
        }
        bytes
    })
}

/// Any bytes: of anything at all, or of what is nasty.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..80), vec(select(NASTY), 0..80)]
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    let byte = || prop_oneof![select(NASTY), any::<u8>()];
    prop_oneof![
        (place(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (place(), byte()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (place(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, 1 << bit)),
        place().prop_map(Edit::Remove),
        (place(), place()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        place().prop_map(Edit::CutOff),
    ]
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>) {
    let places = bytes.len() + 1;
    match edit {
        Edit::Insert(at, byte) => bytes.insert(at.index(places), *byte),
        Edit::CutOff(at) => bytes.truncate(at.index(places)),
        _ if bytes.is_empty() => {}
        Edit::Replace(at, byte) => *at.get_mut(bytes) = *byte,
        Edit::Flip(at, bit) => *at.get_mut(bytes) ^= bit,
        Edit::Remove(at) => {
            bytes.remove(at.index(bytes.len()));
        }
        Edit::Repeat(from, to) => {
            let (from, to) = (from.index(places), to.index(places));
            let again = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(from..from, again);
        }
    }
}
