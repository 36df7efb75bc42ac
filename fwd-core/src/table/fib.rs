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
//! a VRF gets one, while there are any, when it has [`super::Thresholds::direct`] routes, and gives it back with its last. Where more memory is
//! lent, `fib_front4.rs` and `fib_front6.rs` save most of these loads of a VRF with a direct root.
//!
//! A change writes the node anew, one block, and publishes its place in the entry above. Entries change in place only from a
//! route to another or to none, inherited routes always: so a look-up's answer is decided by one load of a node that was
//! current when the look-up began or later. A route covers the places of one node and is handed down to the nodes below,
//! so the cost of a change is that of the places it covers: one for most, 2^18 at most, for a default route over a direct root.

use super::fib_front4::{self, ASK, FRONT4_LEN};
use super::fib_front6::{self, FRONT6_LEN, TABLE};
use super::fib_node::{ROUTE, STRIDE, VALUE, is_node, step};
use super::key::Key;
use super::word::Word;

/// Set in the root of a VRF that is the number of a direct root.
pub(super) const DIRECT: u32 = 1 << 30;
/// Set beside it: look-ups begin in what stands in front. Its number stands above that of the direct root.
pub(super) const FRONT: u32 = 1 << 29;
/// The number of a direct root.
pub(super) const NUMBER: u32 = 0xff;
/// Where the number of what stands in front begins.
pub(super) const FRONT_SHIFT: u32 = 8;
/// Bits of a direct root.
pub(super) const DIRECT_BITS: u8 = 18;
/// Entries of a direct root.
pub(super) const DIRECT_LEN: usize = 1 << DIRECT_BITS;
/// Nodes from a root to an IPv6 host.
pub(super) const LEVELS: usize = 22;

/// Addresses that are looked up together, where something stands in front and where not.
const MANY: usize = 64;
const FEW: usize = 32;

/// The look-up of one address family, as readers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fib<'m> {
    pub(super) words: &'m [Word],
    pub(super) direct: &'m [Word],
    /// What stands in front of direct roots.
    pub(super) front: &'m [Word],
}

/// The lanes of a batch that have to go on.
#[derive(Clone, Copy)]
struct Waiting<const N: usize> {
    lanes: [u8; N],
    many: usize,
}

impl<const N: usize> Waiting<N> {
    const NONE: Self = Self { lanes: [0; N], many: 0 };

    /// Notes a lane, if it has to, without a branch. Each is noted once at most.
    #[inline(always)]
    fn note(&mut self, lane: u8, waits: bool) {
        if let Some(slot) = at_mut(&mut self.lanes, self.many) {
            *slot = lane;
        }
        self.many = self.many.wrapping_add(usize::from(waits));
    }

    #[inline(always)]
    fn get(&self) -> &[u8] {
        self.lanes.get(..self.many).unwrap_or_default()
    }
}

/// What a lane has. Lanes are below `N`: to say so here spares a comparison.
#[inline(always)]
fn at<T: Copy, const N: usize>(each: &[T; N], lane: u8) -> Option<T> {
    each.get(usize::from(lane).checked_rem(N)?).copied()
}

/// As [`at`], to be written.
#[inline(always)]
fn at_mut<T, const N: usize>(each: &mut [T; N], lane: usize) -> Option<&mut T> {
    each.get_mut(lane.checked_rem(N)?)
}

impl<'m> Fib<'m> {
    /// The route of the longest prefix that holds `key`, if any; `root` is the VRF's.
    #[inline]
    pub(crate) fn lookup<K: Key>(self, root: u32, key: K) -> u32 {
        let (entry, depth) = self.first(root, key);
        self.rest(entry, key, depth)
    }

    /// The direct root of a VRF that has one.
    #[inline(always)]
    pub(super) fn direct_root(self, root: u32) -> Option<&'m [Word; DIRECT_LEN]> {
        let first = ((root & NUMBER) as usize).wrapping_mul(DIRECT_LEN);
        self.direct.get(first..).filter(|_| root & DIRECT != 0)?.first_chunk()
    }

    /// The number of what stands in front of the trie of a VRF.
    #[inline(always)]
    const fn front_number(root: u32) -> Option<u32> {
        if root & (DIRECT | FRONT) == DIRECT | FRONT { Some(root >> FRONT_SHIFT & NUMBER) } else { None }
    }

    /// The table in front of IPv4 routes of this number.
    #[inline(always)]
    pub(super) fn front4(self, number: u32) -> Option<&'m [Word; FRONT4_LEN]> {
        self.front.get((number as usize).wrapping_mul(FRONT4_LEN)..)?.first_chunk()
    }

    /// The root in front of IPv6 routes of this number.
    #[inline(always)]
    pub(super) fn front6(self, number: u32) -> Option<&'m [Word; FRONT6_LEN]> {
        self.front.get((number as usize).wrapping_mul(FRONT6_LEN)..)?.first_chunk()
    }

    /// The entry that a look-up begins with, and its depth.
    #[inline(always)]
    fn first<K: Key>(self, root: u32, key: K) -> (u32, u8) {
        match Self::front_number(root) {
            Some(number) if K::WIDTH == 32 => {
                let route = self.front4(number).map_or(ASK, |table| fib_front4::get(table, key.twenty_four()));
                if route == ASK { self.first_of_trie(root, key) } else { (ROUTE | route, 0) }
            }
            Some(number) => {
                let high = key.high();
                let entry = self.front6(number).map_or(fib_front6::ASK, |front| fib_front6::begin(front, high));
                let bits = fib_front6::SHIFTS.map(|shift| high.wrapping_shr(shift));
                let entry = fib_front6::if_below(high, entry);
                let entry = bits.into_iter().fold(entry, |entry, bits| fib_front6::go_on(self.front, entry, bits));
                self.behind_front6(root, key, entry)
            }
            None => self.first_of_trie(root, key),
        }
    }

    /// Where a look-up goes on that what stands in front of IPv6 routes answered with this entry.
    #[inline(always)]
    fn behind_front6<K: Key>(self, root: u32, key: K, entry: u32) -> (u32, u8) {
        if is_node(entry) && entry >= TABLE { self.first_of_trie(root, key) } else { (entry, fib_front6::LAST) }
    }

    /// The entry that a look-up in the trie begins with, and its depth.
    #[inline(always)]
    fn first_of_trie<K: Key>(self, root: u32, key: K) -> (u32, u8) {
        match self.direct_root(root) {
            Some(direct) => (direct.get(key.eighteen() as usize).map_or(0, Word::load), DIRECT_BITS),
            None => (root, 0),
        }
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
        let root = roots.first().copied().unwrap_or(0);
        let is_one = roots.iter().fold(0, |differ, each| differ | (each ^ root)) == 0;
        if is_one {
            self.lookup_one(root, keys, routes);
        } else {
            self.lookup_each(roots, keys, routes);
        }
    }

    /// Looks up many addresses in one VRF, as many as the shorter of the slices holds: by their bits, and makes results of the routes.
    #[inline(always)]
    pub(crate) fn lookup_all<K: Key, A: Copy, R>(
        self,
        root: u32,
        (addrs, bits): (&[A], impl Fn(A) -> K),
        (results, result): (&mut [R], impl Fn(u32) -> R),
    ) {
        let many = addrs.len().min(results.len());
        let addrs = addrs.get(..many).unwrap_or_default();
        let results = results.get_mut(..many).unwrap_or_default();
        if Self::front_number(root).is_some() {
            for (addrs, results) in addrs.chunks(MANY).zip(results.chunks_mut(MANY)) {
                self.lookup_front::<K, A, R, MANY>(root, (addrs, &bits), (results, &result));
            }
            return;
        }
        for (addrs, results) in addrs.chunks(FEW).zip(results.chunks_mut(FEW)) {
            let (mut keys, mut routes) = ([K::default(); FEW], [0; FEW]);
            keys.iter_mut().zip(addrs).for_each(|(key, addr)| *key = bits(*addr));
            self.lookup_one(root, &keys, &mut routes);
            results.iter_mut().zip(routes).for_each(|(slot, route)| *slot = result(route));
        }
    }

    /// [`Self::lookup_batch`] in one VRF.
    #[inline]
    pub(super) fn lookup_one<K: Key, const N: usize>(self, root: u32, keys: &[K; N], routes: &mut [u32; N]) {
        match (Self::front_number(root), self.direct_root(root)) {
            (Some(_), _) => self.lookup_front::<K, K, u32, N>(root, (keys, |key| key), (routes, |route| route)),
            (None, Some(direct)) => self.lookup_direct(direct, keys, routes),
            (None, None) => self.lookup_trie(root, keys, routes),
        }
    }

    /// At most `N` addresses in one VRF, which has something in front.
    #[inline(always)]
    fn lookup_front<K: Key, A: Copy, R, const N: usize>(
        self,
        root: u32,
        (addrs, bits): (&[A], impl Fn(A) -> K),
        (results, result): (&mut [R], impl Fn(u32) -> R),
    ) {
        let number = Self::front_number(root).unwrap_or(0);
        if K::WIDTH == 32 {
            if let Some(table) = self.front4(number) {
                self.lookup_front4::<K, A, R, N>(root, table, (addrs, bits), (results, result));
            }
        } else if let Some(front) = self.front6(number) {
            self.lookup_front6::<K, A, R, N>(root, front, (addrs, bits), (results, result));
        }
    }

    /// Addresses in VRFs of any kind.
    fn lookup_each<K: Key, const N: usize>(self, roots: &[u32; N], keys: &[K; N], routes: &mut [u32; N]) {
        let mut waiting = Waiting::NONE;
        let mut depths = [0_u8; N];
        let begin = roots.iter().zip(keys).zip(routes.iter_mut()).zip(&mut depths);
        for ((((&root, &key), entry), depth), lane) in begin.zip(0_u8..) {
            (*entry, *depth) = self.first(root, key);
            waiting.note(lane, is_node(*entry));
        }
        self.go_on(waiting, keys, depths, routes);
    }

    /// Addresses in one VRF, which has a table in front: a pass that does little but load, so that many loads overlap, and one
    /// without loads, for many lanes at once.
    #[inline(always)]
    fn lookup_front4<K: Key, A: Copy, R, const N: usize>(
        self,
        root: u32,
        table: &[Word; FRONT4_LEN],
        (addrs, bits): (&[A], impl Fn(A) -> K),
        (results, result): (&mut [R], impl Fn(u32) -> R),
    ) {
        let mut pairs = [0_u32; N];
        for (pair, addr) in pairs.iter_mut().zip(addrs) {
            *pair = fib_front4::pair(table, bits(*addr).twenty_four());
        }
        let mut asks = false;
        for ((pair, addr), slot) in pairs.iter().zip(addrs).zip(results.iter_mut()) {
            let route = fib_front4::half(*pair, bits(*addr).twenty_four());
            *slot = result(route);
            asks |= route == ASK;
        }
        if asks {
            for ((pair, addr), slot) in pairs.iter().zip(addrs).zip(results) {
                let key = bits(*addr);
                if fib_front4::half(*pair, key.twenty_four()) == ASK {
                    let (entry, depth) = self.first_of_trie(root, key);
                    *slot = result(self.rest(entry, key, depth));
                }
            }
        }
    }

    /// Addresses in one VRF, which has tables in front: all lanes go through all of them, each time in such passes.
    #[inline(always)]
    fn lookup_front6<K: Key, A: Copy, R, const N: usize>(
        self,
        root: u32,
        front: &[Word; FRONT6_LEN],
        (addrs, bits): (&[A], impl Fn(A) -> K),
        (results, result): (&mut [R], impl Fn(u32) -> R),
    ) {
        let (mut highs, mut entries, mut nexts) = ([1 << 61; N], [0_u32; N], [0_u32; N]);
        for ((high, entry), addr) in highs.iter_mut().zip(&mut entries).zip(addrs) {
            *high = bits(*addr).high();
            *entry = fib_front6::begin(front, *high);
        }
        for (entry, high) in entries.iter_mut().zip(highs) {
            *entry = fib_front6::if_below(high, *entry);
        }
        for shift in fib_front6::SHIFTS {
            for ((next, entry), high) in nexts.iter_mut().zip(entries).zip(highs) {
                *next = fib_front6::next(entry, high.wrapping_shr(shift));
            }
            if nexts.iter().fold(0, |tables, next| tables | next) == 0 {
                break;
            }
            for next in &mut nexts {
                *next = fib_front6::read_next(self.front, *next);
            }
            for (entry, next) in entries.iter_mut().zip(nexts) {
                *entry = fib_front6::after(*entry, next);
            }
        }
        let mut asks = false;
        for (entry, slot) in entries.iter().zip(results.iter_mut()) {
            *slot = result(entry & VALUE);
            asks |= is_node(*entry);
        }
        if asks {
            for ((entry, addr), slot) in entries.iter().zip(addrs).zip(results).filter(|((e, _), _)| is_node(**e)) {
                let key = bits(*addr);
                let (begin, depth) = self.behind_front6(root, key, *entry);
                *slot = result(self.rest(begin, key, depth));
            }
        }
    }

    /// Addresses in one VRF, which has a direct root.
    #[inline(always)]
    fn lookup_direct<K: Key, const N: usize>(self, direct: &[Word; DIRECT_LEN], keys: &[K; N], routes: &mut [u32; N]) {
        for (entry, key) in routes.iter_mut().zip(keys) {
            *entry = direct.get(key.eighteen() as usize).map_or(0, Word::load);
        }
        let waiting = self.step_all(keys, DIRECT_BITS, routes);
        self.go_on(waiting, keys, [DIRECT_BITS.wrapping_add(STRIDE); N], routes);
    }

    /// Addresses in one VRF, whose trie begins at its root.
    fn lookup_trie<K: Key, const N: usize>(self, root: u32, keys: &[K; N], routes: &mut [u32; N]) {
        routes.fill(root);
        let mut depth = 0_u8;
        let mut waiting = self.step_all(keys, depth, routes);
        // Most lanes have some levels in common.
        for _ in 0..2 {
            if waiting.many == 0 {
                break;
            }
            depth = depth.wrapping_add(STRIDE);
            waiting = self.step_all(keys, depth, routes);
        }
        self.go_on(waiting, keys, [depth.wrapping_add(STRIDE); N], routes);
    }

    /// Takes all lanes from nodes of one depth to what is below; the lanes that are at nodes then.
    #[inline(always)]
    fn step_all<K: Key, const N: usize>(self, keys: &[K; N], depth: u8, routes: &mut [u32; N]) -> Waiting<N> {
        let mut waiting = Waiting::NONE;
        for ((entry, key), lane) in routes.iter_mut().zip(keys).zip(0_u8..) {
            // What is no node is left as it is: place 0 is none, and can be read.
            let node = if is_node(*entry) { *entry } else { 0 };
            let next = step(self.words, node, key.six(depth)).unwrap_or(0);
            *entry = if node == 0 { *entry } else { next };
            waiting.note(lane, is_node(*entry));
        }
        waiting
    }

    /// Takes the lanes that wait from node to node.
    #[inline(always)]
    fn go_on<K: Key, const N: usize>(
        self,
        mut waiting: Waiting<N>,
        keys: &[K; N],
        mut depths: [u8; N],
        routes: &mut [u32; N],
    ) {
        for _ in 0..LEVELS {
            if waiting.many == 0 {
                break;
            }
            let mut still = Waiting::NONE;
            for &lane in waiting.get() {
                if let (Some(key), Some(entry), Some(depth)) =
                    (at(keys, lane), at_mut(routes, lane.into()), at_mut(&mut depths, lane.into()))
                {
                    *entry = step(self.words, *entry, key.six(*depth)).unwrap_or(0);
                    *depth = depth.wrapping_add(STRIDE);
                    still.note(lane, is_node(*entry));
                }
            }
            waiting = still;
        }
        routes.iter_mut().for_each(|entry| *entry &= VALUE);
    }
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
