//! Destinations and their paths.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{BuildHasher, Hasher};

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Path, Source};
use crate::message::UpdateWriter;
use crate::nlri::{
    LabeledNlri, Labels, PathId, RouteDistinguisher, RtMembership, RtMembershipNlri, UnicastNlri, VpnNlri, WirePrefix,
};

/// What names a destination: a prefix, a route distinguisher and a prefix, a route target membership, octets.
pub(crate) trait Key: Clone + Eq + fmt::Debug + Default {
    /// Feeds all of it to a hasher.
    fn hash_into(&self, hasher: &mut impl Hasher);
    /// Adds its NLRI, with labels if there are any, to a message. `false`: the message is full.
    fn push(&self, labels: &[u8], path_id: Option<PathId>, writer: &mut UpdateWriter<'_, '_>) -> bool;
    /// Whether it is the default route target, which is told only where that is configured.
    fn is_default_target(&self) -> bool {
        false
    }
    /// Route distinguisher and prefix, where it is a route to a prefix: what policies look at.
    fn route(&self) -> Option<(Option<RouteDistinguisher>, IpPrefix)> {
        None
    }
}

/// A key with an address prefix.
pub(crate) trait PrefixKey: Key + Copy {
    /// The address family's prefix.
    type Prefix: WirePrefix;
    /// The route distinguisher of a VPN destination.
    fn rd(&self) -> Option<RouteDistinguisher>;
    /// The prefix.
    fn prefix(&self) -> Self::Prefix;
}

/// A route target membership (RFC 4684).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MembershipKey(pub(crate) RtMembership);

impl Default for MembershipKey {
    fn default() -> Self {
        Self(RtMembership::DEFAULT)
    }
}

impl Key for MembershipKey {
    fn hash_into(&self, hasher: &mut impl Hasher) {
        hasher.write(self.0.wire_octets());
        hasher.write_u8(self.0.bits());
    }

    fn push(&self, _labels: &[u8], path_id: Option<PathId>, writer: &mut UpdateWriter<'_, '_>) -> bool {
        writer.push(&RtMembershipNlri { path_id, membership: self.0 })
    }

    fn is_default_target(&self) -> bool {
        self.0.is_default()
    }
}

/// A prefix type that hashes fast.
pub(crate) trait HashWords: WirePrefix + Into<IpPrefix> {
    /// The default route.
    const ZERO: Self;
    /// All of it in two words.
    fn prefix_words(&self) -> [u64; 2];
}

impl HashWords for Ipv4Prefix {
    const ZERO: Self = Self::DEFAULT;
    #[inline]
    fn prefix_words(&self) -> [u64; 2] {
        [u64::from(self.bits()) << 8 | u64::from(self.bit_len()), 0]
    }
}

impl HashWords for Ipv6Prefix {
    const ZERO: Self = Self::DEFAULT;
    #[inline]
    fn prefix_words(&self) -> [u64; 2] {
        let bits = self.bits();
        [(bits >> 64) as u64, bits as u64 ^ u64::from(self.bit_len()).rotate_right(8)]
    }
}

/// A destination of the unicast and labelled families. (A newtype would only say again what the table's family says.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainKey<P>(pub(crate) P);

impl<P: HashWords> Default for PlainKey<P> {
    fn default() -> Self {
        Self(P::ZERO)
    }
}

impl<P: HashWords> PrefixKey for PlainKey<P> {
    type Prefix = P;

    fn rd(&self) -> Option<RouteDistinguisher> {
        None
    }

    fn prefix(&self) -> P {
        self.0
    }
}

impl<P: HashWords> Key for PlainKey<P> {
    fn route(&self) -> Option<(Option<RouteDistinguisher>, IpPrefix)> {
        Some((self.rd(), self.prefix().into()))
    }

    #[inline]
    fn hash_into(&self, hasher: &mut impl Hasher) {
        let [a, b] = self.0.prefix_words();
        hasher.write_u64(a);
        hasher.write_u64(b);
    }

    #[inline]
    fn push(&self, labels: &[u8], path_id: Option<PathId>, writer: &mut UpdateWriter<'_, '_>) -> bool {
        match Labels::from_octets(labels) {
            Some(labels) => writer.push(&LabeledNlri { path_id, labels, prefix: self.0 }),
            None => writer.push(&UnicastNlri { path_id, prefix: self.0 }),
        }
    }
}

/// A VPN destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VpnKey<P> {
    /// The route distinguisher.
    pub(crate) rd: RouteDistinguisher,
    /// The customer's prefix.
    pub(crate) prefix: P,
}

impl<P: HashWords> Default for VpnKey<P> {
    fn default() -> Self {
        Self { rd: RouteDistinguisher::from_octets([0; 8]), prefix: P::ZERO }
    }
}

impl<P: HashWords> PrefixKey for VpnKey<P> {
    type Prefix = P;

    fn rd(&self) -> Option<RouteDistinguisher> {
        Some(self.rd)
    }

    fn prefix(&self) -> P {
        self.prefix
    }
}

impl<P: HashWords> Key for VpnKey<P> {
    fn route(&self) -> Option<(Option<RouteDistinguisher>, IpPrefix)> {
        Some((self.rd(), self.prefix().into()))
    }

    #[inline]
    fn hash_into(&self, hasher: &mut impl Hasher) {
        let [a, b] = self.prefix.prefix_words();
        hasher.write_u64(a);
        hasher.write_u64(b);
        hasher.write_u64(u64::from_be_bytes(self.rd.octets()));
    }

    #[inline]
    fn push(&self, labels: &[u8], path_id: Option<PathId>, writer: &mut UpdateWriter<'_, '_>) -> bool {
        let labels = Labels::from_octets(labels).unwrap_or(Labels::WITHDRAW);
        writer.push(&VpnNlri { path_id, labels, rd: self.rd, prefix: self.prefix })
    }
}

/// The paths of a destination: mostly one.
#[derive(Debug, Default)]
enum Paths {
    #[default]
    None,
    One(Path),
    // The vector behind a pointer keeps the common case at 24 octets.
    #[allow(clippy::box_collection)]
    Many(Box<Vec<Path>>),
}

/// A destination.
#[derive(Debug, Default)]
pub(crate) struct Dest<K> {
    /// What names it.
    pub(crate) key: K,
    flags: u8,
    /// Peers that hold a route to it, and are to be sent a withdrawal before it is forgotten.
    pub(crate) owed: u16,
    paths: Paths,
}

impl<K> Dest<K> {
    const LIVE: u8 = 1;
    const BEST: u8 = 2;
    const FIB: u8 = 4;
    const REFUSED: u8 = 8;

    /// The paths; the best, if there is one, comes first.
    #[inline]
    pub(crate) fn paths(&self) -> &[Path] {
        match &self.paths {
            Paths::None => &[],
            Paths::One(path) => core::slice::from_ref(path),
            Paths::Many(paths) => paths,
        }
    }

    pub(crate) fn paths_mut(&mut self) -> &mut [Path] {
        match &mut self.paths {
            Paths::None => &mut [],
            Paths::One(path) => core::slice::from_mut(path),
            Paths::Many(paths) => paths,
        }
    }

    /// The best path, as it was chosen last.
    #[inline]
    pub(crate) fn best(&self) -> Option<&Path> {
        if self.flags & Self::BEST == 0 { None } else { self.paths().first() }
    }

    /// Takes the choice: the index of the best path.
    pub(crate) fn set_best(&mut self, best: Option<usize>) {
        match best {
            Some(i) => {
                self.flags |= Self::BEST;
                self.paths_mut().swap(0, i);
            }
            None => self.flags &= !Self::BEST,
        }
    }

    fn flag(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Whether the forwarding plane holds a route to it, or is about to.
    pub(crate) fn in_fib(&self) -> bool {
        self.flag(Self::FIB)
    }

    /// Says whether the forwarding plane holds a route to it.
    pub(crate) fn set_in_fib(&mut self, on: bool) {
        self.set_flag(Self::FIB, on);
    }

    /// Whether the forwarding plane refused a route to it.
    pub(crate) fn is_refused(&self) -> bool {
        self.flag(Self::REFUSED)
    }

    /// Says whether the forwarding plane refused a route to it.
    pub(crate) fn set_refused(&mut self, on: bool) {
        self.set_flag(Self::REFUSED, on);
    }

    /// Whether the number names a destination at all.
    pub(crate) fn is_live(&self) -> bool {
        self.flag(Self::LIVE)
    }

    /// Adds the path or replaces the one that the source calls by the same identifier, which is returned.
    pub(crate) fn put(&mut self, path: Path) -> Option<Path> {
        if let Some(old) = self.paths_mut().iter_mut().find(|p| p.is_same_path(path.source, path.path_id)) {
            return Some(core::mem::replace(old, path));
        }
        match &mut self.paths {
            Paths::None => self.paths = Paths::One(path),
            Paths::One(one) => self.paths = Paths::Many(Box::new(alloc::vec![*one, path])),
            Paths::Many(paths) => paths.push(path),
        }
        None
    }

    /// Removes a path.
    pub(crate) fn take(&mut self, source: Source, path_id: u32) -> Option<Path> {
        let i = self.paths().iter().position(|p| p.is_same_path(source, path_id))?;
        if i == 0 {
            // The best path goes; the caller chooses anew.
            self.flags &= !Self::BEST;
        }
        let taken = match &mut self.paths {
            Paths::None => return None,
            Paths::One(path) => {
                let path = *path;
                self.paths = Paths::None;
                path
            }
            Paths::Many(paths) => {
                let path = paths.swap_remove(i);
                if let [one] = ***paths {
                    self.paths = Paths::One(one);
                }
                path
            }
        };
        Some(taken)
    }
}

/// Destinations by number and by key.
#[derive(Debug)]
pub(crate) struct Table<K> {
    index: HashTable<u32>,
    dests: super::Slab<Dest<K>>,
    hasher: DefaultHashBuilder,
}

impl<K: Key> Default for Table<K> {
    fn default() -> Self {
        Self { index: HashTable::new(), dests: super::Slab::default(), hasher: DefaultHashBuilder::default() }
    }
}

impl<K: Key> Table<K> {
    #[inline]
    fn hash(hasher: &DefaultHashBuilder, key: &K) -> u64 {
        let mut h = hasher.build_hasher();
        key.hash_into(&mut h);
        h.finish()
    }

    /// The number of a destination.
    #[inline]
    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        let hash = Self::hash(&self.hasher, key);
        self.index.find(hash, |&id| self.dests.get(id).key == *key).copied()
    }

    /// The number of a destination, which is made if it is new.
    #[inline]
    pub(crate) fn find_or_insert(&mut self, key: K) -> u32 {
        let hash = Self::hash(&self.hasher, &key);
        if let Some(&id) = self.index.find(hash, |&id| self.dests.get(id).key == key) {
            return id;
        }
        if self.index.len() == self.index.capacity() {
            self.grow();
        }
        let id = self.dests.insert(Dest { key, flags: Dest::<K>::LIVE, owed: 0, paths: Paths::None });
        let (dests, hasher) = (&self.dests, &self.hasher);
        self.index.insert_unique(hash, id, |&id| Self::hash(hasher, &dests.get(id).key));
        id
    }

    /// Doubles the index. Keys are read in the order in which they are stored, not in that of the index, which would miss the
    /// cache with every one.
    fn grow(&mut self) {
        let (dests, hasher) = (&self.dests, &self.hasher);
        let mut index = HashTable::with_capacity(self.index.len() * 2 + 4);
        for (id, d) in dests.iter().filter(|(_, d)| d.is_live()) {
            index.insert_unique(Self::hash(hasher, &d.key), id, |&id| Self::hash(hasher, &dests.get(id).key));
        }
        self.index = index;
    }

    /// A destination.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &Dest<K> {
        self.dests.get(id)
    }

    /// A destination.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> &mut Dest<K> {
        self.dests.get_mut(id)
    }

    /// Forgets a destination; its number may come back for another.
    pub(crate) fn free(&mut self, id: u32) {
        let hash = Self::hash(&self.hasher, &self.dests.get(id).key);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id) {
            entry.remove();
            self.dests.remove(id);
        }
    }

    /// Every number is below.
    pub(crate) const fn bound(&self) -> u32 {
        self.dests.bound()
    }

    /// Destinations, those included that only wait for withdrawals to be sent.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The destinations in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Dest<K>)> {
        self.dests.iter().filter(|(_, d)| d.is_live())
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        let many = self.dests.iter().map(|(_, d)| match &d.paths {
            Paths::Many(paths) => paths.capacity() * size_of::<Path>() + size_of::<Vec<Path>>(),
            Paths::None | Paths::One(_) => 0,
        });
        self.index.capacity() * 5 + self.dests.memory() + many.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::{AttrId, LabelRef};
    use crate::speaker::PeerId;

    fn path(peer: u32, path_id: u32) -> Path {
        Path { source: Source::peer(PeerId(peer)), attr: AttrId::EMPTY, labels: LabelRef::NONE, path_id }
    }

    fn key(n: u32) -> VpnKey<Ipv4Prefix> {
        VpnKey {
            rd: RouteDistinguisher::two_octet_as(65001, n / 1000),
            prefix: Ipv4Prefix::from_bits(n << 8, 24).unwrap(),
        }
    }

    #[test]
    fn a_vpn_ipv4_destination_with_its_path_is_forty_octets() {
        assert_eq!(size_of::<Dest<VpnKey<Ipv4Prefix>>>(), 40);
    }

    #[test]
    fn destinations_are_found_by_key_and_numbers_come_back() {
        let mut table = Table::default();
        let ids: Vec<u32> = (0..5000).map(|n| table.find_or_insert(key(n))).collect();
        assert_eq!(table.find_or_insert(key(77)), ids[77]);
        assert_eq!(table.find(&key(4999)), Some(ids[4999]));
        table.free(ids[77]);
        assert_eq!((table.find(&key(77)), table.len()), (None, 4999));
        assert_eq!(table.find_or_insert(key(9999)), ids[77]);
    }

    #[test]
    fn paths_are_replaced_by_source_and_identifier() {
        let mut dest = Dest::<PlainKey<Ipv4Prefix>>::default();
        assert!(dest.put(path(1, 0)).is_none());
        assert!(dest.put(path(1, 0)).is_some());
        assert!(dest.put(path(1, 5)).is_none());
        assert!(dest.put(path(2, 0)).is_none());
        dest.set_best(Some(2));
        assert_eq!(dest.best().unwrap().source, Source::peer(PeerId(2)));
        assert!(dest.take(Source::peer(PeerId(2)), 0).is_some());
        assert!(dest.best().is_none());
        assert!(dest.take(Source::peer(PeerId(2)), 0).is_none());
        assert_eq!(dest.paths().len(), 2);
        assert!(dest.take(Source::peer(PeerId(1)), 5).is_some());
        assert!(matches!(dest.paths, Paths::One(_)));
    }
}
