//! Attribute sets: what many routes have in common, stored once.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hasher};
use core::net::Ipv4Addr;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smallvec::SmallVec;

use super::{NextHopId, NextHops, Slab};
use crate::attr::ext_community::{ExtCommunity, RouteTarget};
use crate::attr::{AttrType, Community, RawAttribute};

/// An attribute set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttrId(u32);

impl AttrId {
    /// The set of a local route: ORIGIN IGP, an empty AS_PATH, no next hop. Never freed.
    pub(crate) const EMPTY: Self = Self(0);
    const EMPTY_OCTETS: &'static [u8] = &[0x40, 1, 1, 0, 0x40, 2, 0];
}

/// What the decision process and the export rules ask of an attribute set, read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// ORIGIN; 3 where there is none, which is worse than all.
    pub(crate) origin: u8,
    /// AS numbers in AS_PATH; a set counts one (RFC 4271 §9.1.2.2 a), confederation segments none (RFC 5065 §5.3).
    pub(crate) as_path_len: u16,
    /// The AS the route was received from: the first AS number of AS_PATH (RFC 4271 §9.1.2.2 c), or 0.
    pub(crate) neighbor_as: u32,
    /// MULTI_EXIT_DISC.
    pub(crate) med: Option<u32>,
    /// LOCAL_PREF.
    pub(crate) local_pref: Option<u32>,
    /// ORIGINATOR_ID (RFC 4456 §8).
    pub(crate) originator_id: Option<u32>,
    /// Items of CLUSTER_LIST (RFC 4456 §9).
    pub(crate) cluster_len: u8,
    /// NO_EXPORT or NO_EXPORT_SUBCONFED (RFC 1997): not to another AS.
    pub(crate) no_export: bool,
    /// NO_ADVERTISE (RFC 1997): not to any peer.
    pub(crate) no_advertise: bool,
    /// LLGR_STALE (RFC 9494 §3.3): the last resort.
    pub(crate) llgr_stale: bool,
    /// NO_LLGR (RFC 9494 §3.4).
    pub(crate) no_llgr: bool,
    /// ATTR_SET is there (RFC 6368).
    pub(crate) has_attr_set: bool,
}

/// One attribute set.
#[derive(Debug, Default)]
pub(crate) struct AttributeSet {
    octets: Box<[u8]>,
    /// BGP next hop.
    pub(crate) next_hop: NextHopId,
    refs: u32,
    /// What decisions need.
    pub(crate) summary: Summary,
    importers: SmallVec<[u16; 4]>,
    generation: u32,
    /// Its route targets.
    pub(crate) targets: SmallVec<[TargetId; 2]>,
}

/// A route target of some attribute set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TargetId(pub(crate) u32);

impl AttributeSet {
    /// The attributes in ascending order of type, but for next hop and NLRI.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The attributes one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RawAttribute<'_>> {
        raw_attributes(&self.octets)
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, attr_type: AttrType) -> Option<&[u8]> {
        self.iter().find(|a| a.attr_type == attr_type).map(|a| a.value)
    }

    /// The extended communities.
    pub(crate) fn ext_communities(&self) -> impl Iterator<Item = ExtCommunity> + '_ {
        let value = self.value(AttrType::EXTENDED_COMMUNITIES).unwrap_or_default();
        value.chunks_exact(8).filter_map(|c| c.try_into().ok()).map(ExtCommunity)
    }
}

/// The attributes in octets that were checked before.
pub(crate) fn raw_attributes(octets: &[u8]) -> impl Iterator<Item = RawAttribute<'_>> {
    let mut rest = octets;
    core::iter::from_fn(move || {
        let (after, attribute) = RawAttribute::take(rest).ok()?;
        rest = after;
        Some(attribute)
    })
}

impl Summary {
    const NO_EXPORT: u32 = 0xffff_ff01;
    const NO_ADVERTISE: u32 = 0xffff_ff02;
    const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;

    /// Reads canonical octets: AS numbers have four octets.
    pub(crate) fn of(octets: &[u8]) -> Self {
        let mut s = Self { origin: 3, ..Self::default() };
        for a in raw_attributes(octets) {
            let number = || a.value.try_into().ok().map(u32::from_be_bytes);
            match a.attr_type {
                AttrType::ORIGIN => s.origin = a.value.first().copied().unwrap_or(3),
                AttrType::AS_PATH => (s.as_path_len, s.neighbor_as) = as_path_facts(a.value),
                AttrType::MULTI_EXIT_DISC => s.med = number(),
                AttrType::LOCAL_PREF => s.local_pref = number(),
                AttrType::ORIGINATOR_ID => s.originator_id = number(),
                AttrType::ATTR_SET => s.has_attr_set = true,
                AttrType::CLUSTER_LIST => s.cluster_len = u8::try_from(a.value.len() / 4).unwrap_or(u8::MAX),
                AttrType::COMMUNITIES => {
                    for community in a.value.chunks_exact(4).filter_map(|c| c.try_into().ok()).map(u32::from_be_bytes) {
                        s.no_export |= matches!(community, Self::NO_EXPORT | Self::NO_EXPORT_SUBCONFED);
                        s.no_advertise |= community == Self::NO_ADVERTISE;
                        s.llgr_stale |= community == Community::LLGR_STALE.0;
                        s.no_llgr |= community == Community::NO_LLGR.0;
                    }
                }
                _ => {}
            }
        }
        s
    }
}

/// Length of a 4-octet AS_PATH for the decision process, and its first AS number.
fn as_path_facts(value: &[u8]) -> (u16, u32) {
    const AS_SET: u8 = 1;
    const AS_SEQUENCE: u8 = 2;
    let (mut rest, mut len, mut first) = (value, 0u16, None);
    while let [kind, count, tail @ ..] = rest {
        let Some((asns, after)) = tail.split_at_checked(usize::from(*count) * 4) else { break };
        len = len.saturating_add(match *kind {
            AS_SET => 1,
            AS_SEQUENCE => u16::from(*count),
            _ => 0,
        });
        if *kind == AS_SEQUENCE && first.is_none() {
            first = asns.first_chunk().map(|a| u32::from_be_bytes(*a));
        }
        first = first.or(Some(0));
        rest = after;
    }
    (len, first.unwrap_or(0))
}

/// All attribute sets.
#[derive(Debug)]
pub(crate) struct Attributes {
    sets: Slab<AttributeSet>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    octets: usize,
    /// Route targets in use, and by how many sets.
    targets: Slab<(Option<RouteTarget>, u32)>,
    by_target: HashMap<RouteTarget, TargetId>,
    /// Counts the sets that were made: each may have the number of one that was forgotten.
    made: u64,
}

impl Attributes {
    /// A store that holds [`AttrId::EMPTY`].
    pub(crate) fn new(next_hops: &mut NextHops) -> Self {
        let mut new = Self {
            sets: Slab::default(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            octets: 0,
            targets: Slab::default(),
            by_target: HashMap::new(),
            made: 0,
        };
        let (unspecified, _) = next_hops.intern(Ipv4Addr::UNSPECIFIED.into());
        new.intern(AttrId::EMPTY_OCTETS, unspecified, next_hops);
        new
    }

    fn hash(hasher: &DefaultHashBuilder, octets: &[u8], next_hop: NextHopId) -> u64 {
        let mut h = hasher.build_hasher();
        h.write(octets);
        h.write_u64(hasher.hash_one(next_hop));
        h.finish()
    }

    /// The set of these canonical octets and next hop, counted once more.
    pub(crate) fn intern(&mut self, octets: &[u8], next_hop: NextHopId, next_hops: &mut NextHops) -> AttrId {
        let hash = Self::hash(&self.hasher, octets, next_hop);
        let sets = &mut self.sets;
        let same = |&id: &u32| {
            let set = sets.get(id);
            set.next_hop == next_hop && *set.octets == *octets
        };
        if let Some(&id) = self.index.find(hash, same) {
            sets.get_mut(id).refs += 1;
            return AttrId(id);
        }
        next_hops.retain(next_hop);
        self.made += 1;
        self.octets += octets.len();
        let targets = self.intern_targets(octets);
        let id = self.sets.insert(AttributeSet {
            octets: octets.into(),
            next_hop,
            refs: 1,
            summary: Summary::of(octets),
            importers: SmallVec::new(),
            generation: 0,
            targets,
        });
        let sets = &self.sets;
        let rehash = |&id: &u32| {
            let set = sets.get(id);
            Self::hash(&self.hasher, &set.octets, set.next_hop)
        };
        self.index.insert_unique(hash, id, rehash);
        AttrId(id)
    }

    /// The route targets of a new set, each once, counted once more.
    fn intern_targets(&mut self, octets: &[u8]) -> SmallVec<[TargetId; 2]> {
        let value = raw_attributes(octets).find(|a| a.attr_type == AttrType::EXTENDED_COMMUNITIES).map(|a| a.value);
        let communities = value.unwrap_or_default().chunks_exact(ExtCommunity::LEN);
        let communities = communities.filter_map(|c| c.try_into().ok()).map(ExtCommunity);
        let mut ids: SmallVec<[TargetId; 2]> = SmallVec::new();
        for target in communities.filter_map(RouteTarget::from_community) {
            let id = match self.by_target.get(&target) {
                Some(id) => *id,
                None => {
                    let id = TargetId(self.targets.insert((Some(target), 0)));
                    self.by_target.insert(target, id);
                    id
                }
            };
            if !ids.contains(&id) {
                self.targets.get_mut(id.0).1 += 1;
                ids.push(id);
            }
        }
        ids
    }

    /// The route target of this number.
    pub(crate) fn target(&self, id: TargetId) -> Option<RouteTarget> {
        self.targets.get(id.0).0
    }

    /// The number of a route target that some set has.
    pub(crate) fn target_id(&self, target: RouteTarget) -> Option<TargetId> {
        self.by_target.get(&target).copied()
    }

    /// While this stays the same, a number that stands for a set stands for the one that it stood for.
    pub(crate) const fn generation(&self) -> u64 {
        self.made
    }

    /// Counts a use more.
    pub(crate) fn retain(&mut self, id: AttrId) {
        self.sets.get_mut(id.0).refs += 1;
    }

    /// Counts a use less; a set without use is freed.
    pub(crate) fn release(&mut self, id: AttrId, next_hops: &mut NextHops) {
        let set = self.sets.get_mut(id.0);
        set.refs -= 1;
        if set.refs > 0 {
            return;
        }
        let set = self.sets.remove(id.0);
        let hash = Self::hash(&self.hasher, &set.octets, set.next_hop);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id.0) {
            entry.remove();
        }
        self.octets -= set.octets.len();
        for target in set.targets {
            let (name, refs) = self.targets.get_mut(target.0);
            *refs -= 1;
            if *refs == 0 {
                if let Some(name) = name.take() {
                    self.by_target.remove(&name);
                }
                self.targets.remove(target.0);
            }
        }
        next_hops.release(set.next_hop);
    }

    /// A set that is in use.
    #[inline]
    pub(crate) fn get(&self, id: AttrId) -> &AttributeSet {
        self.sets.get(id.0)
    }

    /// The VRFs that import routes of this set, as `find` says; asked once per `generation` of the VRFs' import lists.
    pub(crate) fn importers(
        &mut self,
        id: AttrId,
        generation: u32,
        find: impl FnOnce(&AttributeSet) -> SmallVec<[u16; 4]>,
    ) -> SmallVec<[u16; 4]> {
        let set = self.sets.get_mut(id.0);
        if set.generation != generation {
            set.importers = find(set);
            set.generation = generation;
        }
        set.importers.clone()
    }

    /// Sets in use.
    pub(crate) fn len(&self) -> usize {
        self.sets.live()
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.sets.memory()
            + self.index.capacity() * 5
            + self.octets
            + self.targets.memory()
            + self.by_target.capacity() * (size_of::<(RouteTarget, TargetId)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SET: &[u8] = &[
        0x40, 1, 1, 2, // INCOMPLETE
        0x40, 2, 18, 2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xea, 1, 1, 0, 0, 0, 9, 3,
        0, // sequence, set, confederation
        0x80, 4, 4, 0, 0, 0, 7, // MED
        0x40, 5, 4, 0, 0, 0, 200, // LOCAL_PREF
        0xc0, 8, 4, 0xff, 0xff, 0xff, 1, // NO_EXPORT
        0x80, 9, 4, 192, 0, 2, 1, // ORIGINATOR_ID
        0x80, 10, 8, 1, 1, 1, 1, 2, 2, 2, 2, // CLUSTER_LIST
        0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1, // route target
    ];

    #[test]
    fn a_summary_reads_every_attribute_that_decides() {
        let s = Summary::of(SET);
        assert_eq!((s.origin, s.as_path_len, s.neighbor_as), (2, 3, 65001));
        assert_eq!((s.med, s.local_pref, s.cluster_len), (Some(7), Some(200), 2));
        assert_eq!(s.originator_id, Some(0xc000_0201));
        assert!(s.no_export && !s.no_advertise);
    }

    #[test]
    fn sets_are_shared_by_octets_and_next_hop_and_freed_with_their_last_route() {
        let mut hops = NextHops::default();
        let mut store = Attributes::new(&mut hops);
        let (a, _) = hops.intern("192.0.2.1".parse().unwrap());
        let (b, _) = hops.intern("::ffff:192.0.2.2".parse().unwrap());
        let ids = [store.intern(SET, a, &mut hops), store.intern(SET, a, &mut hops), store.intern(SET, b, &mut hops)];
        assert!(ids[0] == ids[1] && ids[0] != ids[2]);
        assert_eq!(store.len(), 3);
        assert_eq!(store.get(ids[0]).ext_communities().count(), 1);
        assert_eq!(hops.address(b), Some("192.0.2.2".parse().unwrap()));
        for id in ids {
            store.release(id, &mut hops);
        }
        assert_eq!((store.len(), store.octets), (1, AttrId::EMPTY_OCTETS.len()));
        assert_eq!(hops.unknown(), Vec::<core::net::IpAddr>::from(["0.0.0.0".parse().unwrap()]));
    }

    #[test]
    fn importers_are_asked_once_per_generation() {
        let mut hops = NextHops::default();
        let mut store = Attributes::new(&mut hops);
        let first = store.importers(AttrId::EMPTY, 1, |_| SmallVec::from_slice(&[7]));
        assert_eq!(store.importers(AttrId::EMPTY, 1, |_| unreachable!()), first);
        assert!(store.importers(AttrId::EMPTY, 2, |_| SmallVec::new()).is_empty());
    }
}
