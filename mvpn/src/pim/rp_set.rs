//! Which RP serves a group (RFC 7761 §4.7, RFC 3956, RFC 6226).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::address::Address;

/// Where a mapping comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RpOrigin {
    /// The operator.
    Static,
    /// Bootstrap messages (RFC 5059), or another protocol that yields candidates.
    Learnt,
    /// The group address itself (RFC 3956).
    Embedded,
}

/// The routing protocol of a group range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum RpMode {
    /// PIM-SM (RFC 7761).
    #[default]
    Sparse,
    /// BIDIR-PIM (RFC 5015).
    Bidir,
}

/// The RP of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rp<A> {
    /// Its address.
    pub address: A,
    /// What the group is routed by.
    pub mode: RpMode,
    /// Who says so.
    pub origin: RpOrigin,
}

/// An RP that the operator assigns to a group range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticRp<A: Address> {
    /// The groups.
    pub range: A::Prefix,
    /// The RP.
    pub address: A,
    /// What the groups are routed by.
    pub mode: RpMode,
    /// Whether it wins over what is learnt, even over longer ranges (RFC 6226 §6, step 3).
    pub overrides: bool,
}

/// A candidate RP of a learnt group range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateRp<A> {
    /// Its address.
    pub address: A,
    /// Its priority: the lower value is preferred (RFC 5059 §4.1).
    pub priority: u8,
}

/// A static RP that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpConfigError {
    /// The range is not of groups alone.
    #[error("range: not a range of group addresses")]
    Range,
    /// The address is not unicast.
    #[error("address: not a unicast address")]
    Address,
}

#[derive(Clone, Debug)]
struct Learnt<A> {
    candidates: Vec<CandidateRp<A>>,
    mode: RpMode,
    hash_mask_len: u8,
}

/// The group-to-RP mappings of a router: one value that PIM asks and that the operator and the BSR machine feed.
///
/// ```
/// use core::net::Ipv4Addr;
/// use mvpn::pim::rp_set::{RpMode, RpSet, StaticRp};
/// let mut set = RpSet::new();
/// set.set_static(StaticRp {
///     range: "239.0.0.0/8".parse().unwrap(),
///     address: Ipv4Addr::new(192, 0, 2, 1),
///     mode: RpMode::Sparse,
///     overrides: false,
/// })?;
/// assert_eq!(set.rp(Ipv4Addr::new(239, 1, 1, 1)).map(|rp| rp.address), Some(Ipv4Addr::new(192, 0, 2, 1)));
/// assert_eq!(set.rp(Ipv4Addr::new(225, 1, 1, 1)), None);
/// # Ok::<(), mvpn::pim::rp_set::RpConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RpSet<A: Address> {
    fixed: BTreeMap<A::Prefix, StaticRp<A>>,
    learnt: BTreeMap<A::Prefix, Learnt<A>>,
    /// The prefix lengths that occur, longest first.
    lens: Vec<u8>,
    embedded: bool,
}

impl<A: RpAddress> Default for RpSet<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: RpAddress> RpSet<A> {
    /// No mapping but, in IPv6, those that are embedded in group addresses.
    #[must_use]
    pub const fn new() -> Self {
        Self { fixed: BTreeMap::new(), learnt: BTreeMap::new(), lens: Vec::new(), embedded: true }
    }

    /// Whether RPs that are embedded in IPv6 group addresses are used. Default: they are.
    pub fn set_embedded(&mut self, on: bool) {
        self.embedded = on;
    }

    /// Assigns an RP to a range; one that the range had is replaced.
    ///
    /// # Errors
    /// A range with addresses that are no groups, or an RP address that is not unicast.
    pub fn set_static(&mut self, rp: StaticRp<A>) -> Result<(), RpConfigError> {
        if !A::prefix_addr(&rp.range).is_multicast() || A::prefix_len(&rp.range) < A::prefix_len(&A::ALL_GROUPS) {
            return Err(RpConfigError::Range);
        }
        if !rp.address.is_host() {
            return Err(RpConfigError::Address);
        }
        self.fixed.insert(rp.range, rp);
        self.count_lens();
        Ok(())
    }

    /// Takes a static assignment back. Whether there was one.
    pub fn clear_static(&mut self, range: &A::Prefix) -> bool {
        let was = self.fixed.remove(range).is_some();
        self.count_lens();
        was
    }

    /// Replaces the learnt candidates of a range: all of them, or none to forget the range. `hash_mask_len` is that of the BSR
    /// (RFC 5059 §4.1); without a BSR it is [`RpAddress::HASH_MASK_LEN`].
    pub fn set_learnt(&mut self, range: A::Prefix, mode: RpMode, hash_mask_len: u8, candidates: &[CandidateRp<A>]) {
        if candidates.is_empty() {
            self.learnt.remove(&range);
        } else {
            self.learnt.insert(range, Learnt { candidates: candidates.to_vec(), mode, hash_mask_len });
        }
        self.count_lens();
    }

    fn count_lens(&mut self) {
        let lens = &mut self.lens;
        lens.clear();
        lens.extend(self.fixed.keys().chain(self.learnt.keys()).map(A::prefix_len));
        lens.sort_unstable_by(|a, b| b.cmp(a));
        lens.dedup();
    }

    /// The RP of a group, if it has one. Groups of link scope and of the SSM range have none.
    ///
    /// The steps are those of RFC 6226 §6: an embedded RP; a static one that overrides; the longest range, in which BIDIR wins
    /// over PIM-SM and what is learnt over what is static; the best priority; the hash.
    #[must_use]
    pub fn rp(&self, group: A) -> Option<Rp<A>> {
        if !group.is_multicast() || group.is_link_scope_group() || group.is_ssm_group() {
            return None;
        }
        if self.embedded {
            if let Some(address) = group.embedded_rp() {
                return Some(Rp { address, mode: RpMode::Sparse, origin: RpOrigin::Embedded });
            }
        }
        let ranges = || self.lens.iter().filter_map(move |&len| group.prefix(len));
        let overriding = ranges().filter_map(|range| self.fixed.get(&range)).find(|rp| rp.overrides);
        if let Some(rp) = overriding {
            return Some(Rp { address: rp.address, mode: rp.mode, origin: RpOrigin::Static });
        }
        ranges().find_map(|range| self.of_range(&range, group))
    }

    fn of_range(&self, range: &A::Prefix, group: A) -> Option<Rp<A>> {
        let fixed = self.fixed.get(range).map(|rp| Rp { address: rp.address, mode: rp.mode, origin: RpOrigin::Static });
        let learnt = self.learnt.get(range).and_then(|learnt| {
            let address = elect(&learnt.candidates, group, learnt.hash_mask_len)?;
            Some(Rp { address, mode: learnt.mode, origin: RpOrigin::Learnt })
        });
        // The derived order of the modes puts BIDIR above PIM-SM, that of the origins the learnt above the static.
        fixed.into_iter().chain(learnt).max_by_key(|rp| (rp.mode, rp.origin))
    }

    /// Whether RPs that are embedded in group addresses are used.
    #[must_use]
    pub const fn has_embedded(&self) -> bool {
        self.embedded
    }

    /// The ranges of BIDIR-PIM with each RPA that one of their groups may have.
    pub fn bidir(&self) -> impl Iterator<Item = (A::Prefix, A)> + '_ {
        let fixed = self.fixed.values().filter(|rp| rp.mode == RpMode::Bidir).map(|rp| (rp.range, rp.address));
        let learnt = self.learnt.iter().filter(|(_, l)| l.mode == RpMode::Bidir);
        fixed.chain(learnt.flat_map(|(range, l)| l.candidates.iter().map(move |c| (*range, c.address))))
    }

    /// Every range with the RPs that one of its groups may have; a range that is both static and learnt comes twice.
    pub fn ranges(&self) -> impl Iterator<Item = (A::Prefix, Vec<A>)> + '_ {
        let fixed = self.fixed.values().map(|rp| (rp.range, Vec::from([rp.address])));
        let learnt = self.learnt.iter().map(|(r, l)| (*r, l.candidates.iter().map(|c| c.address).collect()));
        fixed.chain(learnt)
    }

    /// The ranges and their learnt candidates, in order of the ranges.
    pub fn learnt(&self) -> impl Iterator<Item = (&A::Prefix, &[CandidateRp<A>])> {
        self.learnt.iter().map(|(range, learnt)| (range, learnt.candidates.as_slice()))
    }

    /// The static assignments, in order of their ranges.
    pub fn fixed(&self) -> impl Iterator<Item = &StaticRp<A>> {
        self.fixed.values()
    }
}

/// The candidate of the best priority and, among several, of the highest hash value, then of the highest address
/// (RFC 7761 §4.7.1, §4.7.2).
#[must_use]
pub fn elect<A: RpAddress>(candidates: &[CandidateRp<A>], group: A, hash_mask_len: u8) -> Option<A> {
    let best = candidates.iter().map(|rp| rp.priority).min()?;
    candidates
        .iter()
        .filter(|rp| rp.priority == best)
        .map(|rp| rp.address)
        .max_by_key(|&address| (hash_value(group, hash_mask_len, address), address))
}

/// `Value(G, M, C)` of RFC 7761 §4.7.2.
#[must_use]
pub fn hash_value<A: RpAddress>(group: A, hash_mask_len: u8, rp: A) -> u32 {
    const MULTIPLIER: u32 = 1_103_515_245;
    const INCREMENT: u32 = 12_345;
    let masked = group.prefix(hash_mask_len.min(A::BITS)).map_or(group, |prefix| A::prefix_addr(&prefix));
    let inner = MULTIPLIER.wrapping_mul(masked.digest()).wrapping_add(INCREMENT);
    // Modulo 2^31 at the end is the same as modulo 2^31 at every step.
    MULTIPLIER.wrapping_mul(inner ^ rp.digest()).wrapping_add(INCREMENT) & 0x7fff_ffff
}

/// What the choice of an RP asks of an address family.
pub trait RpAddress: Address {
    /// The hash mask where nobody says another: 30 or 126 bits (RFC 7761 §4.7.2).
    const HASH_MASK_LEN: u8;

    /// The address as 32 bits: itself, or the words of an IPv6 address combined by exclusive or (RFC 7761 §4.7.2). An
    /// IPv4-compatible address has the same digest either way.
    fn digest(self) -> u32;

    /// The RP that the group address names (RFC 3956 §4).
    fn embedded_rp(self) -> Option<Self>;

    /// The length of a prefix.
    fn prefix_len(prefix: &Self::Prefix) -> u8;

    /// The first address of a prefix.
    fn prefix_addr(prefix: &Self::Prefix) -> Self;
}

impl RpAddress for Ipv4Addr {
    const HASH_MASK_LEN: u8 = 30;

    fn digest(self) -> u32 {
        u32::from(self)
    }

    fn embedded_rp(self) -> Option<Self> {
        None
    }

    fn prefix_len(prefix: &Self::Prefix) -> u8 {
        prefix.bit_len()
    }

    fn prefix_addr(prefix: &Self::Prefix) -> Self {
        prefix.addr()
    }
}

impl RpAddress for Ipv6Addr {
    const HASH_MASK_LEN: u8 = 126;

    fn digest(self) -> u32 {
        let [a, b, c, d] = split_words(self.to_bits());
        a ^ b ^ c ^ d
    }

    /// ```text
    /// |   8    |  4 |  4 |  4 |  4 |  8 |       64       |    32    |
    /// +--------+----+----+----+----+----+----------------+----------+
    /// |11111111|flgs|scop|rsvd|RIID|plen| network prefix | group ID |
    /// +--------+----+----+----+----+----+----------------+----------+
    /// ```
    ///
    /// The flags R, P and T are set. The RP is the first `plen` bits of the network prefix, zeros, and RIID.
    fn embedded_rp(self) -> Option<Self> {
        let [0xff, flags, riid, plen, network @ ..] = self.octets() else { return None };
        let [n0, n1, n2, n3, n4, n5, n6, n7, ..] = network;
        // RFC 3956 §4: a prefix of 1 to 64 bits, and RIID 0 is reserved.
        if (flags >> 4) & 7 != 7 || riid & 0x0f == 0 || !(1..=64).contains(&plen) {
            return None;
        }
        let network = Self::from([n0, n1, n2, n3, n4, n5, n6, n7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let prefix = network.prefix(plen)?;
        let rp = Self::from_bits(prefix.bits() | u128::from(riid & 0x0f));
        rp.is_host().then_some(rp)
    }

    fn prefix_len(prefix: &Self::Prefix) -> u8 {
        prefix.bit_len()
    }

    fn prefix_addr(prefix: &Self::Prefix) -> Self {
        prefix.addr()
    }
}

const fn split_words(bits: u128) -> [u32; 4] {
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    fn four(s: &str) -> Ipv4Addr {
        s.parse().unwrap()
    }

    fn six(s: &str) -> Ipv6Addr {
        s.parse().unwrap()
    }

    fn fixed(range: &str, address: &str, overrides: bool) -> StaticRp<Ipv4Addr> {
        StaticRp { range: range.parse().unwrap(), address: four(address), mode: RpMode::Sparse, overrides }
    }

    /// The examples of RFC 3956 §4.
    #[test]
    fn embedded_rps() {
        assert_eq!(six("ff7e:120:2001:db8::1234").embedded_rp(), Some(six("2001:db8::1")));
        assert_eq!(six("ff7e:f40:2001:db8:beef:feed::1234").embedded_rp(), Some(six("2001:db8:beef:feed::f")));
        assert_eq!(six("ff7e:140:2001:db8:beef:feed::1").embedded_rp(), Some(six("2001:db8:beef:feed::1")));
        // No R flag; RIID 0; plen 0; plen above 64.
        for group in ["ff3e:140:2001:db8::1", "ff7e:40:2001:db8::1", "ff7e:100:2001:db8::1", "ff7e:141:2001:db8::1"] {
            assert_eq!(six(group).embedded_rp(), None, "{group}");
        }
        let mut set = RpSet::new();
        assert_eq!(set.rp(six("ff7e:120:2001:db8::1")).map(|rp| rp.origin), Some(RpOrigin::Embedded));
        set.set_embedded(false);
        assert_eq!(set.rp(six("ff7e:120:2001:db8::1")), None);
    }

    /// The example of RFC 7761 §4.7.2.
    #[test]
    fn digest_of_an_ipv6_address() {
        assert_eq!(six("3ffe:b00:c18:1::10").digest(), 0x3ffe_0b00 ^ 0x0c18_0001 ^ 0x10);
    }

    /// The formula of RFC 7761 §4.7.2 in numbers that do not overflow.
    #[test]
    fn hash_value_is_the_formula_of_the_rfc() {
        let group = 0xe101_0107_u128 & 0xffff_fffc;
        let inner = (1_103_515_245 * group + 12_345) % (1 << 32);
        let value = (1_103_515_245 * (inner ^ 0xc000_0201) + 12_345) % (1 << 31);
        assert_eq!(u128::from(hash_value(four("225.1.1.7"), 30, four("192.0.2.1"))), value);
        // Groups that differ only below the mask have one RP.
        assert_eq!(
            hash_value(four("225.1.1.4"), 30, four("192.0.2.1")),
            hash_value(four("225.1.1.7"), 30, four("192.0.2.1"))
        );
    }

    /// Shows: MVPN-RP-4
    #[test]
    fn longest_range_then_priority_then_hash() {
        let mut set = RpSet::new();
        let rp = |address, priority| CandidateRp { address: four(address), priority };
        set.set_static(fixed("224.0.0.0/4", "192.0.2.9", false)).unwrap();
        set.set_learnt("225.0.0.0/8".parse().unwrap(), RpMode::Sparse, 30, &[rp("192.0.2.1", 10), rp("192.0.2.2", 0)]);
        let of = |set: &RpSet<_>, group| -> Option<String> { set.rp(four(group)).map(|rp| rp.address.to_string()) };
        assert_eq!(of(&set, "225.1.1.1").unwrap(), "192.0.2.2");
        assert_eq!(of(&set, "226.1.1.1").unwrap(), "192.0.2.9");
        // Equal priorities: both RPs get groups, and always the same ones.
        let both = [rp("192.0.2.1", 0), rp("192.0.2.2", 0)];
        set.set_learnt("225.0.0.0/8".parse().unwrap(), RpMode::Sparse, 30, &both);
        let groups: Vec<_> = (0..=255).map(|n| Ipv4Addr::new(225, 1, n, 1)).collect();
        let first = groups.iter().filter(|g| set.rp(**g).unwrap().address == four("192.0.2.1")).count();
        assert!((32..224).contains(&first), "{first}");
        // What is learnt wins over what is static on the same range, unless that overrides.
        set.set_static(fixed("225.0.0.0/8", "192.0.2.8", false)).unwrap();
        assert_eq!(set.rp(four("225.1.1.1")).unwrap().origin, RpOrigin::Learnt);
        set.set_static(fixed("224.0.0.0/4", "192.0.2.9", true)).unwrap();
        assert_eq!(of(&set, "225.1.1.1").unwrap(), "192.0.2.9");
        set.clear_static(&"224.0.0.0/4".parse().unwrap());
        set.set_learnt("225.0.0.0/8".parse().unwrap(), RpMode::Sparse, 30, &[]);
        assert_eq!(of(&set, "225.1.1.1").unwrap(), "192.0.2.8");
        assert_eq!(of(&set, "226.1.1.1"), None);
    }

    #[test]
    fn groups_without_an_rp_and_bad_configuration() {
        let mut set = RpSet::new();
        set.set_static(fixed("224.0.0.0/4", "192.0.2.9", true)).unwrap();
        assert_eq!(set.rp(four("232.1.1.1")), None);
        assert_eq!(set.rp(four("224.0.0.5")), None);
        assert_eq!(set.rp(four("10.0.0.1")), None);
        assert_eq!(set.set_static(fixed("192.0.0.0/4", "192.0.2.9", true)), Err(RpConfigError::Range));
        assert_eq!(set.set_static(fixed("224.0.0.0/3", "192.0.2.9", true)), Err(RpConfigError::Range));
        assert_eq!(set.set_static(fixed("225.0.0.0/8", "225.0.0.1", true)), Err(RpConfigError::Address));
    }
}
