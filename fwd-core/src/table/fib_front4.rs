//! What stands in front of the trie of a VRF with many IPv4 routes, where memory for it is lent: 16 bits for each /24, so that
//! nearly every look-up is one load.
//!
//! A place holds the route of all addresses of its /24, zero if they have none, or [`ASK`] where that is not all there is to say:
//! routes longer than 24 bits, or one whose number does not fit. Then the look-up begins in the direct root, as without all this.
//!
//! Each change is made in the trie, and the places that its prefix covers are then copied from there: what it costs is what it
//! covers. A VRF that gets the table fills it along with its next changes, [`FILL`] places at a time, and has it looked into when
//! it is full; without routes all places are zero again.

use super::fib::DIRECT_LEN;
use super::fib_node::{Head, VALUE, is_node, read};
use super::word::Word;

/// Words of a table.
pub(super) const FRONT4_LEN: usize = 1 << 23;
/// Places of a table.
pub(super) const PLACES: u32 = 1 << 24;
/// Routes with which a VRF gets one.
pub(super) const FRONT4_FROM: u32 = 1 << 16;
/// Places that a change fills besides its own.
pub(super) const FILL: u32 = 1 << 13;
/// The trie knows.
pub(super) const ASK: u32 = 0xffff;

/// What the table says about the /24 of this number.
#[inline(always)]
pub(super) fn get(table: &[Word; FRONT4_LEN], place: u32) -> u32 {
    half(pair(table, place), place)
}

/// The word that a place is in.
#[inline(always)]
pub(super) fn pair(table: &[Word; FRONT4_LEN], place: u32) -> u32 {
    table.get((place >> 1) as usize).map_or(u32::MAX, Word::load)
}

/// What a place says, of its word.
#[inline(always)]
pub(super) const fn half(pair: u32, place: u32) -> u32 {
    if place & 1 == 0 { pair & 0xffff } else { pair >> 16 }
}

/// Copies the places from `first` to before `end` from the trie below a direct root.
pub(super) fn copy(table: &[Word; FRONT4_LEN], direct: &[Word; DIRECT_LEN], words: &[Word], first: u32, end: u32) {
    let mut at = first;
    while at < end {
        let block_end = (at | 63).saturating_add(1).min(end);
        let entry = direct.get((at >> 6) as usize).map_or(0, Word::peek);
        let head = Some(entry).filter(|&entry| is_node(entry)).and_then(|node| Head::at(words, node));
        let Some(head) = head else {
            fill(table, at, block_end, short(entry));
            at = block_end;
            continue;
        };
        while at < block_end {
            let slot = at & 63;
            let run = head.run_of(slot);
            let value = match read(words, entry, head, run) {
                0 => head.inherited(),
                entry => entry,
            };
            // A run ends before the next place where one begins.
            let more = head.runs.wrapping_shr(slot).wrapping_shr(1).trailing_zeros().saturating_add(1);
            let run_end = at.saturating_add(more).min(block_end);
            fill(table, at, run_end, short(value));
            at = run_end;
        }
    }
}

/// An entry in 16 bits.
const fn short(entry: u32) -> u32 {
    if is_node(entry) || entry & VALUE >= ASK { ASK } else { entry & VALUE }
}

/// Writes one value into places. Readers see each place before or after.
fn fill(table: &[Word; FRONT4_LEN], first: u32, end: u32, value: u32) {
    let half = |place: u32| {
        if let Some(pair) = table.get((place >> 1) as usize) {
            let shift = (place & 1) << 4;
            pair.publish((pair.peek() & !ASK.wrapping_shl(shift)) | value.wrapping_shl(shift));
        }
    };
    let (mut at, mut end) = (first, end);
    if at < end && at & 1 == 1 {
        half(at);
        at = at.saturating_add(1);
    }
    if at < end && end & 1 == 1 {
        end = end.saturating_sub(1);
        half(end);
    }
    for pair in table.get((at >> 1) as usize..(end >> 1) as usize).unwrap_or_default() {
        pair.publish(value | value << 16);
    }
}
