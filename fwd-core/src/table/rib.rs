//! The routes themselves: a path-compressed binary trie in lent nodes, with one root per VRF. The writer's; packets are looked
//! up in what `fib.rs` makes of it.
//!
//! A node holds a prefix and perhaps a value; its children hold longer prefixes whose next bit is 0 or 1. A node without a
//! value has two children. Hence `n` prefixes take at most `2 n - 1` nodes per root, a path is at most as long as an
//! address has bits, and a change touches at most three nodes.

use core::num::NonZeroU32;

use super::hash::place;
use super::key::Key;
use super::word::Word;

/// No node.
pub(crate) const NIL: u32 = u32::MAX;

/// A node of the routes of all VRFs.
#[derive(Clone, Copy, Debug)]
pub struct Node<K> {
    key: K,
    children: [u32; 2],
    value: Option<NonZeroU32>,
    len: u8,
    /// Whose route it is on the way to: that of its root. Zero: it is not in use, or no hint leads to it.
    owner: u16,
}

/// A node of IPv4 routes.
pub type Rib4Node = Node<u32>;
/// A node of IPv6 routes.
pub type Rib6Node = Node<u128>;

impl Node<u32> {
    /// A node not in use, to fill the memory that is lent.
    pub const EMPTY: Self = Self::unused(0);
}

impl Node<u128> {
    /// A node not in use, to fill the memory that is lent.
    pub const EMPTY: Self = Self::unused(0);
}

/// The nodes are used up. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A root, and whose it is: a number of its own, or zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) at: u32,
    pub(crate) owner: u16,
}

/// Where a link to a node stands.
#[derive(Clone, Copy, Debug)]
enum Link {
    Root,
    Child { of: u32, bit: bool },
}

/// A prefix that has a value, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    above: Link,
    link: Link,
    /// Its node.
    pub(crate) at: u32,
    pub(crate) value: NonZeroU32,
    /// The value of the prefix that it was asked for beside.
    pub(crate) covering: Option<NonZeroU32>,
}

/// The nodes of every root.
#[derive(Debug)]
pub(crate) struct Rib<'m, K> {
    nodes: &'m mut [Node<K>],
    /// Nodes with as many bits as [`Self::HINTED`] at most from which longer prefixes may be looked for, by a hash of those bits. What
    /// stands here may be of any age: it is a node on the way if it is in use, of the same root, and its prefix holds the other.
    pub(super) hints: &'m [Word],
    /// Nodes from here on were never used.
    fresh: u32,
    /// The first freed node; the next one is its child 0.
    freed: u32,
    freed_count: u32,
}

impl<K: Key> Node<K> {
    /// A node not in use, to fill the memory that is lent.
    pub(super) const fn unused(key: K) -> Self {
        Self { key, children: [NIL; 2], value: None, len: 0, owner: 0 }
    }

    #[inline]
    fn child(&self, bit: bool) -> u32 {
        self.children.get(usize::from(bit)).copied().unwrap_or(NIL)
    }

    fn set_child(&mut self, bit: bool, to: u32) {
        let [zero, one] = &mut self.children;
        *(if bit { one } else { zero }) = to;
    }
}

impl<'m, K: Key> Rib<'m, K> {
    /// An empty table in these nodes, of which at most 2^32 - 1 are used.
    pub(crate) fn new(nodes: &'m mut [Node<K>]) -> Self {
        Self { nodes, hints: &[], fresh: 0, freed: NIL, freed_count: 0 }
    }

    /// Bits of the prefixes of hints.
    const HINTED: u8 = if K::WIDTH == 32 { 16 } else { 32 };

    /// The hint for a prefix.
    fn hint(&self, owner: u16, key: K) -> Option<&'m Word> {
        let bits = key.high() >> 64_u32.saturating_sub(Self::HINTED.into());
        let hash = (bits ^ u64::from(owner) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.hints.get(place(hash as u32, self.hints.len()))
    }

    /// A node on the way to a prefix of `len` bits that is not the last: that of the hint, or the root.
    fn begin(&self, root: Root, key: K, len: u8) -> u32 {
        if root.owner == 0 || len <= Self::HINTED {
            return root.at;
        }
        let hinted = self.hint(root.owner, key).map(Word::peek);
        let is_on_the_way = |&at: &u32| {
            let node = self.node(at).filter(|node| node.owner == root.owner && node.len <= Self::HINTED);
            at < self.fresh && node.is_some_and(|node| node.key.common(key) >= node.len)
        };
        hinted.filter(is_on_the_way).unwrap_or(root.at)
    }

    fn node(&self, at: u32) -> Option<&Node<K>> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node<K>> {
        self.nodes.get_mut(usize::try_from(at).ok()?)
    }

    /// Nodes in use.
    pub(crate) fn used(&self) -> usize {
        usize::try_from(self.fresh.saturating_sub(self.freed_count)).unwrap_or(usize::MAX)
    }

    /// Nodes in all.
    pub(crate) fn capacity(&self) -> usize {
        self.nodes.len().min(NIL as usize)
    }

    /// The prefixes inside of that of this node and at most `to` bits long, in ascending order and without those inside of another.
    pub(crate) fn below(&self, at: u32, to: u8) -> Inside<'_, K> {
        let mut inside = Inside { nodes: self.nodes, to, pending: [NIL; INSIDE], pending_len: 0 };
        if let Some(node) = self.node(at).filter(|node| node.len < to) {
            inside.push(node.child(true));
            inside.push(node.child(false));
        }
        inside
    }

    /// The value of this prefix.
    pub(crate) fn get(&self, root: Root, key: K, len: u8) -> Option<NonZeroU32> {
        Some(self.find(root, key, len, len)?.value)
    }

    /// A prefix that has a value, and that of the longest one that holds it, is shorter, and at least `from` bits long.
    pub(crate) fn find(&self, root: Root, key: K, len: u8, from: u8) -> Option<Found> {
        let begin = if from > Self::HINTED { self.begin(root, key, len) } else { root.at };
        let (found, has_above) = self.find_from(begin, key, len, from)?;
        if has_above || begin == root.at {
            return Some(found);
        }
        Some(self.find_from(root.at, key, len, from)?.0)
    }

    /// As [`Self::find`], from a node on the way, and whether there are two above. What is above the last node is the prefix of that
    /// node as well, so only that one's is looked at.
    fn find_from(&self, begin: u32, key: K, len: u8, from: u8) -> Option<(Found, bool)> {
        let (mut above, mut parent, mut at, mut covering) = (NIL, NIL, begin, None);
        for _ in 0..=K::WIDTH {
            let node = self.node(at)?;
            if node.len >= len {
                let value = node.value.filter(|_| node.len == len && node.key == key)?;
                let found = Found { above: self.link(above, key), link: self.link(parent, key), at, value, covering };
                return Some((found, above != NIL));
            }
            if node.len >= from {
                covering = node.value.or(covering);
            }
            (above, parent, at) = (parent, at, node.child(key.bit(node.len)));
        }
        None
    }

    /// The link from a node, or from the root if it is none, towards a prefix.
    fn link(&self, from: u32, key: K) -> Link {
        self.node(from).map_or(Link::Root, |node| Link::Child { of: from, bit: key.bit(node.len) })
    }

    /// Sets the value of a prefix; its node, and the value that it had.
    pub(crate) fn insert(
        &mut self,
        root: &mut Root,
        key: K,
        len: u8,
        value: NonZeroU32,
    ) -> Result<(u32, Option<NonZeroU32>), Full> {
        let leaf = Node { key: key.truncate(len), children: [NIL; 2], value: Some(value), len, owner: root.owner };
        let begin = self.begin(*root, key, len);
        // To where it stands if it is there, or else to any prefix that has as much in common with it as one has.
        let (mut parent, mut at, mut hinted) = (NIL, begin, begin);
        for _ in 0..=K::WIDTH {
            let Some(node) = self.node(at).filter(|node| node.len < len) else { break };
            hinted = if node.len <= Self::HINTED { at } else { hinted };
            (parent, at) = (at, node.child(key.bit(node.len)));
        }
        let near = if at == NIL { parent } else { at };
        let Some(node) = self.node_mut(near) else {
            root.at = self.allocate(leaf)?;
            return Ok((root.at, None));
        };
        let common = node.key.common(key).min(node.len).min(len);
        let old = if node.len == len && common == len { Some(node.value.replace(value)) } else { None };
        if len > Self::HINTED && hinted != begin {
            // If it is not on the way, it is not taken for one that is.
            self.hint(root.owner, key).into_iter().for_each(|hint| hint.put(hinted));
        }
        if let Some(old) = old {
            return Ok((near, old));
        }
        // Then down to where it leaves the path there.
        let (mut parent, mut at) = (NIL, begin);
        for _ in 0..=K::WIDTH {
            let Some(node) = self.node(at).filter(|node| node.len <= common && node.len < len) else { break };
            (parent, at) = (at, node.child(key.bit(node.len)));
        }
        let link = self.link(parent, key);
        if at != NIL {
            return self.fork(root, link, at, common, leaf).map(|new| (new, None));
        }
        let new = self.allocate(leaf)?;
        self.set_link(root, link, new);
        Ok((new, None))
    }

    /// Puts `leaf` where it leaves the path to the node `at`, after `common` bits; its node.
    fn fork(&mut self, root: &mut Root, link: Link, at: u32, common: u8, leaf: Node<K>) -> Result<u32, Full> {
        let old_bit = self.node(at).is_some_and(|old| old.key.bit(common));
        let (mut top, mut new) = (leaf, NIL);
        if common < leaf.len {
            if self.capacity().saturating_sub(self.used()) < 2 {
                return Err(Full);
            }
            let mut children = [NIL; 2];
            let [zero, one] = &mut children;
            new = self.allocate(leaf)?;
            *(if old_bit { zero } else { one }) = new;
            top = Node { key: leaf.key.truncate(common), children, value: None, len: common, owner: leaf.owner };
        }
        top.set_child(old_bit, at);
        let top = self.allocate(top)?;
        self.set_link(root, link, top);
        Ok(if new == NIL { top } else { new })
    }

    /// Removes a prefix that was found, since when nothing was changed.
    pub(crate) fn remove(&mut self, root: &mut Root, found: &Found) {
        let Found { above, link, at, .. } = *found;
        let Some(node) = self.node_mut(at) else { return };
        match node.children {
            [NIL, NIL] => {
                self.set_link(root, link, NIL);
                self.free(at);
                self.join(root, above, link);
            }
            [child, NIL] | [NIL, child] => {
                self.set_link(root, link, child);
                self.free(at);
            }
            _ => node.value = None,
        }
    }

    /// Replaces the node that `link` stands in by its only child, if it has no value.
    fn join(&mut self, root: &mut Root, above: Link, link: Link) {
        let Link::Child { of: parent, bit } = link else { return };
        let Some(node) = self.node(parent) else { return };
        if node.value.is_none() {
            let only = node.child(!bit);
            self.set_link(root, above, only);
            self.free(parent);
        }
    }

    fn set_link(&mut self, root: &mut Root, link: Link, to: u32) {
        match link {
            Link::Root => root.at = to,
            Link::Child { of, bit } => {
                if let Some(node) = self.node_mut(of) {
                    node.set_child(bit, to);
                }
            }
        }
    }

    fn allocate(&mut self, node: Node<K>) -> Result<u32, Full> {
        if let Some(slot) = self.node(self.freed) {
            let (at, next) = (self.freed, slot.child(false));
            *self.node_mut(at).ok_or(Full)? = node;
            self.freed = next;
            self.freed_count = self.freed_count.saturating_sub(1);
            return Ok(at);
        }
        let at = self.fresh;
        *self.node_mut(at).filter(|_| at != NIL).ok_or(Full)? = node;
        self.fresh = at.saturating_add(1);
        Ok(at)
    }

    fn free(&mut self, at: u32) {
        let next = self.freed;
        if let Some(node) = self.node_mut(at) {
            *node = Node { children: [next, NIL], ..Node::unused(K::default()) };
            self.freed = at;
            self.freed_count = self.freed_count.saturating_add(1);
        }
    }

    /// The prefixes of a root in ascending order: bits, length, value.
    pub(crate) fn iter(&self, root: u32) -> Iter<'_, K> {
        Iter { nodes: self.nodes, at: root, pending: [NIL; PATH], pending_len: 0 }
    }
}

/// The longest path: one node for each length from 0 to 128.
const PATH: usize = 129;

/// The prefixes of a root.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'t, K> {
    nodes: &'t [Node<K>],
    at: u32,
    pending: [u32; PATH],
    pending_len: usize,
}

impl<K: Key> Iterator for Iter<'_, K> {
    type Item = (K, u8, NonZeroU32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at == NIL {
                self.pending_len = self.pending_len.checked_sub(1)?;
                self.at = self.pending.get(self.pending_len).copied()?;
            }
            let node = self.nodes.get(usize::try_from(self.at).ok()?)?;
            self.at = node.child(false);
            if node.child(true) != NIL {
                *self.pending.get_mut(self.pending_len)? = node.child(true);
                self.pending_len = self.pending_len.saturating_add(1);
            }
            if let Some(value) = node.value {
                return Some((node.key, node.len, value));
            }
        }
    }
}

/// Nodes of lengths within one level of the look-up table, 0 to 18, and what hangs beside them.
const INSIDE: usize = 24;

/// The topmost prefixes inside of one.
#[derive(Debug)]
pub(crate) struct Inside<'t, K> {
    nodes: &'t [Node<K>],
    to: u8,
    pending: [u32; INSIDE],
    pending_len: usize,
}

impl<K: Key> Inside<'_, K> {
    fn push(&mut self, at: u32) {
        let fits = usize::try_from(at).ok().and_then(|at| self.nodes.get(at)).is_some_and(|node| node.len <= self.to);
        if let Some(slot) = self.pending.get_mut(self.pending_len).filter(|_| fits) {
            *slot = at;
            self.pending_len = self.pending_len.saturating_add(1);
        }
    }
}

impl<K: Key> Iterator for Inside<'_, K> {
    type Item = (K, u8);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.pending_len = self.pending_len.checked_sub(1)?;
            let at = self.pending.get(self.pending_len).copied()?;
            let node = *self.nodes.get(usize::try_from(at).ok()?)?;
            if node.value.is_some() {
                return Some((node.key, node.len));
            }
            self.push(node.child(true));
            self.push(node.child(false));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    type Model = BTreeMap<(u32, u8), NonZeroU32>;

    fn value(v: u32) -> NonZeroU32 {
        NonZeroU32::new(v).unwrap()
    }

    /// The value of the longest prefix that holds an address.
    fn longest<K: Key>(rib: &Rib<'_, K>, root: Root, key: K) -> Option<NonZeroU32> {
        let holds = rib.iter(root.at).filter(|&(k, len, _)| k.common(key) >= len);
        holds.max_by_key(|&(_, len, _)| len).map(|(_, _, value)| value)
    }

    fn remove<K: Key>(rib: &mut Rib<'_, K>, root: &mut Root, key: K, len: u8) -> Option<NonZeroU32> {
        let found = rib.find(*root, key, len, 0)?;
        rib.remove(root, &found);
        Some(found.value)
    }

    fn naive(model: &Model, key: u32) -> Option<NonZeroU32> {
        let hit = |&(k, len): &(u32, u8)| k.common(key) >= len;
        model.iter().filter(|(p, _)| hit(p)).max_by_key(|((_, len), _)| *len).map(|(_, v)| *v)
    }

    /// Every node without a value has two children, and children extend their parent: the bound on nodes and on paths.
    fn check(rib: &Rib<'_, u32>, root: u32, prefixes: usize) {
        let mut todo = Vec::from([(root, 0, 0_u32)]);
        let mut nodes = 0;
        while let Some((at, min_len, key)) = todo.pop() {
            if at == NIL {
                continue;
            }
            nodes += 1;
            let n = rib.node(at).unwrap();
            assert!(n.len >= min_len && n.key.common(key) >= min_len);
            assert!(n.value.is_some() || !n.children.contains(&NIL));
            if n.len < 32 {
                todo.push((n.child(false), n.len + 1, n.key));
                todo.push((n.child(true), n.len + 1, n.key | (1 << (31 - n.len))));
            }
        }
        assert_eq!(nodes, rib.used());
        assert!(nodes <= (2 * prefixes).saturating_sub(1));
    }

    #[test]
    fn nested_prefixes_match_longest_first() {
        let mut nodes = [Node::<u32>::EMPTY; 16];
        let mut rib = Rib::new(&mut nodes);
        let mut root = Root { at: NIL, owner: 1 };
        for (key, len, v) in
            [(0x0a00_0000, 8, 1), (0x0a01_0000, 16, 2), (0x0a01_0200, 24, 3), (0, 0, 9), (0x0a01_0203, 32, 4)]
        {
            assert!(matches!(rib.insert(&mut root, key, len, value(v)), Ok((_, None))));
        }
        for (key, v) in [(0x0a01_0203, 4), (0x0a01_02ff, 3), (0x0a01_ffff, 2), (0x0aff_0000, 1), (0x0b00_0000, 9)] {
            assert_eq!(longest(&rib, root, key), Some(value(v)));
        }
        assert_eq!(remove(&mut rib, &mut root, 0, 0), Some(value(9)));
        assert_eq!(longest(&rib, root, 0x0b00_0000), None);
        assert_eq!(remove(&mut rib, &mut root, 0, 0), None);
    }

    #[test]
    fn a_full_table_refuses_and_keeps_what_it_had() {
        let mut nodes = [Node::<u32>::EMPTY; 2];
        let mut rib = Rib::new(&mut nodes);
        let mut root = Root { at: NIL, owner: 1 };
        rib.insert(&mut root, 0x8000_0000, 8, value(1)).unwrap();
        // One node is left, a fork takes two.
        assert_eq!(rib.insert(&mut root, 0x0000_0000, 8, value(2)), Err(Full));
        assert_eq!((rib.used(), rib.iter(root.at).count()), (1, 1));
        // A prefix on the path takes one.
        assert!(matches!(rib.insert(&mut root, 0x8000_0000, 1, value(3)), Ok((_, None))));
        assert_eq!(rib.insert(&mut root, 0x8000_0000, 9, value(3)), Err(Full));
        assert!(matches!(rib.insert(&mut root, 0x8000_0000, 8, value(7)), Ok((_, Some(old))) if old == value(1)));
        assert_eq!(longest(&rib, root, 0x8000_0001), Some(value(7)));
    }

    #[test]
    fn roots_share_nodes_and_nothing_else() {
        let mut nodes = [Node::<u128>::EMPTY; 8];
        let mut rib = Rib::new(&mut nodes);
        let [mut a, mut b] = [1, 2].map(|owner| Root { at: NIL, owner });
        rib.insert(&mut a, 0xfd << 120, 8, value(1)).unwrap();
        rib.insert(&mut b, 0xfd << 120, 8, value(2)).unwrap();
        assert_eq!((longest(&rib, a, 0xfd << 120), longest(&rib, b, 0xfd << 120)), (Some(value(1)), Some(value(2))));
        assert_eq!(remove(&mut rib, &mut a, 0xfd << 120, 8), Some(value(1)));
        assert_eq!((longest(&rib, a, 0xfd << 120), longest(&rib, b, 0xfd << 120)), (None, Some(value(2))));
    }

    fn change() -> impl Strategy<Value = (bool, u32, u8, u32)> {
        // Few distinct bits, so that prefixes nest, repeat and go.
        (any::<bool>(), 0..64_u32, 0..=32_u8, 1..9_u32).prop_map(|(set, bits, len, v)| {
            let key = (bits << 26 | bits << 13 | bits).truncate(len);
            (set, key, len, v)
        })
    }

    proptest! {
        #[test]
        fn the_trie_is_the_naive_table(changes in proptest::collection::vec(change(), 0..200), probes: [u32; 16]) {
            // What a hint says at first is no node, or that of another prefix.
            let (mut nodes, hints) = ([Node::<u32>::EMPTY; 100], [const { Word::new(3) }; 7]);
            let mut rib = Rib::new(&mut nodes);
            rib.hints = &hints;
            let mut root = Root { at: NIL, owner: 1 };
            let mut model = Model::new();
            for (set, key, len, v) in changes {
                if set {
                    match rib.insert(&mut root, key, len, value(v)) {
                        Ok((at, old)) => {
                            assert_eq!(old, model.insert((key, len), value(v)));
                            let node = rib.node(at).unwrap();
                            assert_eq!((node.key, node.len, node.value), (key, len, Some(value(v))));
                            let shorter: Model = model.iter().filter(|((_, l), _)| *l < len && *l >= 9).map(|(&p, &v)| (p, v)).collect();
                            let found = rib.find(root, key, len, 9).unwrap();
                            assert_eq!((found.at, found.covering), (at, naive(&shorter, key)));
                            let longer: Model = shorter.into_iter().filter(|((_, l), _)| *l >= 19).collect();
                            let found = rib.find(root, key, len, 19).unwrap();
                            assert_eq!((found.at, found.covering), (at, naive(&longer, key)));
                            // The topmost ones inside of it, as far as 18 bits.
                            let inside = |(k, l): (u32, u8), of: (u32, u8)| l > of.1 && k.common(of.0) >= of.1;
                            let all: Vec<_> = model.keys().copied().filter(|&p| inside(p, (key, len)) && p.1 <= 18).collect();
                            let top = all.iter().copied().filter(|&p| !all.iter().any(|&of| inside(p, of)));
                            assert!(rib.below(at, 18).eq(top));
                        }
                        Err(Full) => assert!(!model.contains_key(&(key, len)) && rib.used() + 2 > 100),
                    }
                } else {
                    assert_eq!(remove(&mut rib, &mut root, key, len), model.remove(&(key, len)));
                }
                check(&rib, root.at, model.len());
                assert_eq!(rib.get(root, key, len), model.get(&(key, len)).copied());
            }
            let stored: Vec<_> = rib.iter(root.at).collect();
            let expected: Vec<_> = model.iter().map(|(&(k, l), &v)| (k, l, v)).collect();
            assert_eq!(stored, expected);
            for key in probes.into_iter().chain(model.keys().map(|&(k, _)| k)) {
                assert_eq!(longest(&rib, root, key), naive(&model, key));
            }
            for (key, len) in model.keys() {
                assert!(remove(&mut rib, &mut root, *key, *len).is_some());
            }
            assert_eq!((root.at, rib.used()), (NIL, 0));
        }
    }
}
