//! Longest prefix match as packets see it: a trie of 64-way nodes in lent words, made of the routes in `rib.rs`.
//!
//! A node stands for six address bits, at depth 0, 6, 12, … Of its 64 places it stores the runs of equal ones:
//!
//! ```text
//! word 0, 1: a bit for each place where a run begins      2: narrow (1) | own (1) | inherited route (30)
//! then one entry per run: 32 bits each, or if all are routes below 2^16, 16 bits each (narrow; the lower half first)
//! ```
//!
//! An entry of zero is a place that no route of the node's own lengths covers: there the inherited route holds, which the
//! node has from above; an entry with the top bit is a route; any other is the place of a node. A look-up takes three
//! loads that depend on each other where a VRF has a direct root, a table of 2^18 entries in place of the first three levels;
//! a VRF gets one, while there are any, when it has [`DIRECT_FROM`] routes, and gives it back with its last.
//!
//! A change writes the node anew, one block, and publishes its place in the entry above. Entries change in place only from a
//! route to another or to none, inherited routes always: so a look-up's answer is decided by one load of a node that was
//! current when the look-up began or later. A route covers the places of one node and is handed down to the nodes below,
//! so the cost of a change is that of the places it covers: one for most, 2^18 at most, for a default route over a direct root.

use super::fib_node::{STRIDE, VALUE, is_node, step};
use super::key::Key;
use super::word::Word;

/// Set in the root of a VRF that is the number of a direct root.
pub(super) const DIRECT: u32 = 1 << 30;
/// Bits of a direct root.
pub(super) const DIRECT_BITS: u8 = 18;
/// Entries of a direct root.
pub(super) const DIRECT_LEN: usize = 1 << DIRECT_BITS;
/// Routes with which a VRF gets a direct root.
pub(super) const DIRECT_FROM: u32 = 1024;
/// Nodes from a root to an IPv6 host.
pub(super) const LEVELS: usize = 22;

/// The look-up of one address family, as readers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fib<'m> {
    pub(super) words: &'m [Word],
    pub(super) direct: &'m [Word],
}

impl<'m> Fib<'m> {
    /// The route of the longest prefix that holds `key`, if any; `root` is the VRF's.
    #[inline]
    pub(crate) fn lookup<K: Key>(self, root: u32, key: K) -> u32 {
        let (entry, depth) = self.first(root, key);
        self.rest(entry, key, depth)
    }

    /// The entry that a look-up begins with, and its depth.
    #[inline(always)]
    fn first<K: Key>(self, root: u32, key: K) -> (u32, u8) {
        if root & DIRECT == 0 {
            return (root, 0);
        }
        let at = ((root & VALUE) as usize).wrapping_mul(DIRECT_LEN).wrapping_add(key.eighteen() as usize);
        (self.direct.get(at).map_or(0, Word::load), DIRECT_BITS)
    }

    #[inline(always)]
    fn rest<K: Key>(self, mut entry: u32, key: K, mut depth: u8) -> u32 {
        for _ in 0..LEVELS {
            if !is_node(entry) {
                return entry & VALUE;
            }
            entry = step(self.words, entry, key.six(depth)).unwrap_or(0);
            depth = depth.wrapping_add(STRIDE);
        }
        entry & VALUE
    }

    /// Looks up at most 256 addresses, each in the VRF with this root, level by level, so that their loads overlap.
    #[inline]
    pub(crate) fn lookup_batch<K: Key, const N: usize>(self, roots: &[u32; N], keys: &[K; N], routes: &mut [u32; N]) {
        let mut waiting = [0_u8; N];
        let mut many = 0_usize;
        let mut depths = [0_u8; N];
        let begin = roots.iter().zip(keys).zip(routes.iter_mut()).zip(&mut depths);
        for ((((root, key), entry), depth), at) in begin.zip(0_u8..) {
            (*entry, *depth) = self.first(*root, *key);
            many = wait(&mut waiting, many, at, *entry);
        }
        for _ in 0..LEVELS {
            if many == 0 {
                break;
            }
            let mut still = 0_usize;
            for i in 0..many {
                let Some(&at) = waiting.get(i) else { break };
                let lane = usize::from(at);
                if let (Some(key), Some(entry), Some(depth)) =
                    (keys.get(lane), routes.get_mut(lane), depths.get_mut(lane))
                {
                    *entry = step(self.words, *entry, key.six(*depth)).unwrap_or(0);
                    *depth = depth.wrapping_add(STRIDE);
                    still = wait(&mut waiting, still, at, *entry);
                }
            }
            many = still;
        }
        routes.iter_mut().for_each(|entry| *entry &= VALUE);
    }
}

/// Notes a lane that has to go on, if its entry is a node, without a branch; how many are noted then.
#[inline(always)]
fn wait(waiting: &mut [u8], many: usize, lane: u8, entry: u32) -> usize {
    if let Some(slot) = waiting.get_mut(many) {
        *slot = lane;
    }
    many.wrapping_add(usize::from(is_node(entry)))
}

impl Fib<'_> {
    /// The node or route at depth 18 below a node at depth 0.
    pub(super) fn at_direct_depth(self, top: u32, bits: u32) -> u32 {
        let mut entry = top;
        for shift in [12, 6, 0] {
            if is_node(entry) {
                entry = step(self.words, entry, (bits >> shift) & 63).unwrap_or(0);
            }
        }
        entry
    }
}
