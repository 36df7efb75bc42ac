//! Multicast routes of VRFs and group entries of virtual switch instances: exact match by source and group, then by group,
//! then by the prefixes of groups that the VRF or instance has.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::ApplyError;
use super::apply::{Table, refused};
use super::grace::Grace;
use super::ilm;
use super::keyed::{Keyed, KeyedWriter};
use super::records::Slot;
use super::word::Word;
use crate::net::{
    IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, Mac, ReplicationId, RpfSetId, TunnelId, VlanId, VrfId, VsiId,
};
use crate::op::{FwdOp, Ilm, Mroute, MrouteKey, Origin, Rpf, Tags, VsiGroupKey, VsiOrVrf};

pub(super) const K4: usize = 3;
pub(super) const W4: usize = 7;
pub(super) const K6: usize = 9;
pub(super) const W6: usize = 13;

/// One IPv4 multicast route or group entry, or another small key. One cache line.
pub type ExactSlot = Slot<W4>;
/// One IPv6 multicast route or group entry. One cache line.
pub type Exact6Slot = Slot<W6>;

/// The first word of a key: what it is of (8), prefix length (8), VRF or VSI (16).
const OF_VRF: u32 = 0;
const OF_VSI: u32 = 1;
const MAC: u32 = 2;
const RPF_INTERFACE: u32 = 3;
const RPF_TUNNEL: u32 = 4;
const VLAN: u32 = 5;
const CIRCUIT: u32 = 6;
const CONTEXT: u32 = 7;

/// A route's value, in three words:
///
/// ```text
/// 0: replication group from 1 (24) | flags (8)      1: interface, tunnel or set of the RPF check      2: SPT interface, or own tunnel
/// ```
pub(crate) type Value = [u32; 3];

const RPF: u32 = 7;
const PUNT_WRONG: u32 = 8;
const REGISTER: u32 = 16;
const HAS_SPT: u32 = 32;
/// Group numbers are below this.
pub(super) const GROUPS: u32 = (1 << 24) - 1;

/// Prefix lengths of the multicast routes of a VRF or the group entries of an instance, beside host routes, which are always
/// looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lengths {
    v4: Word,
    v6: [Word; 4],
}

impl Lengths {
    #[allow(clippy::declare_interior_mutable_const)]
    pub(crate) const NONE: Self = Self { v4: Word::ZERO, v6: [const { Word::ZERO }; 4] };

    #[inline]
    fn v6(&self) -> u128 {
        self.v6.iter().rev().fold(0, |bits, word| bits << 32 | u128::from(word.load()))
    }

    fn set(&self, key: &MrouteKey, is_there: bool) {
        let (word, bit) = match key {
            MrouteKey::Group4 { group } if group.bit_len() < 32 => (Some(&self.v4), group.bit_len()),
            MrouteKey::Group6 { group } if group.bit_len() < 128 => {
                (self.v6.get(usize::from(group.bit_len() >> 5)), group.bit_len() & 31)
            }
            _ => return,
        };
        if let Some(word) = word {
            let (bits, bit) = (word.peek(), 1 << bit);
            word.publish(if is_there { bits | bit } else { bits & !bit });
        }
    }
}

const fn domain(owner: VsiOrVrf, len: u8) -> u32 {
    let (of, number) = match owner {
        VsiOrVrf::Vrf(vrf) => (OF_VRF, vrf.0),
        VsiOrVrf::Vsi(vsi) => (OF_VSI, vsi.0),
    };
    of << 24 | (len as u32) << 16 | number as u32
}

pub(super) const fn key4(owner: VsiOrVrf, source: u32, group: u32, len: u8) -> [u32; K4] {
    [domain(owner, len), source, group]
}

pub(super) const fn key6(owner: VsiOrVrf, source: u128, group: u128, len: u8) -> [u32; K6] {
    let ([a, b, c, d], [e, f, g, h]) = (words(source), words(group));
    [domain(owner, len), a, b, c, d, e, f, g, h]
}

const fn words(bits: u128) -> [u32; 4] {
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

const fn mac_key(vsi: VsiId, mac: Mac) -> [u32; K4] {
    let [a, b, c, d, e, f] = mac.0;
    [MAC << 24 | vsi.0 as u32, u32::from_be_bytes([0, 0, a, b]), u32::from_be_bytes([c, d, e, f])]
}

const fn rpf_key(set: RpfSetId, from: Origin) -> [u32; K4] {
    match from {
        Origin::Interface(iface) => [RPF_INTERFACE << 24, set.0, iface.0],
        Origin::Tunnel(tunnel) => [RPF_TUNNEL << 24, set.0, tunnel.0],
    }
}

const fn vlan_key(vsi: VsiId, vlan: VlanId) -> [u32; K4] {
    [VLAN << 24 | vsi.0 as u32, vlan.value() as u32, 0]
}

const fn context_key(space: LabelSpaceId, label: Label) -> [u32; K4] {
    [CONTEXT << 24, space.0, label.value()]
}

/// The key of a circuit with tags.
pub(crate) const fn circuit_key(iface: IfIndex, tags: Tags) -> [u32; K4] {
    let tags = match tags {
        Tags::Any => 1 << 24,
        Tags::Untagged => 2 << 24,
        Tags::Vlan(vlan) => 3 << 24 | vlan.value() as u32,
        Tags::Service(vlan) => 4 << 24 | vlan.value() as u32,
        Tags::Stacked { outer, inner } => 5 << 24 | (outer.value() as u32) << 12 | inner.value() as u32,
    };
    [CIRCUIT << 24, iface.0, tags]
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routes<'m> {
    pub(super) exact: Keyed<'m, K4, W4>,
    pub(super) exact6: Keyed<'m, K6, W6>,
}

impl Routes<'_> {
    /// The route of an IPv4 packet.
    #[inline]
    pub(crate) fn lookup4(
        &self,
        owner: VsiOrVrf,
        lengths: &Lengths,
        source: Ipv4Addr,
        group: Ipv4Addr,
    ) -> Option<Value> {
        let found = self.exact.value(&key4(owner, source.to_bits(), group.to_bits(), 0));
        found.or_else(|| self.shared4(owner, lengths, group.to_bits()))
    }

    /// The route of an IPv4 packet of which there is none by its source.
    pub(super) fn shared4(&self, owner: VsiOrVrf, lengths: &Lengths, group: u32) -> Option<Value> {
        let found = self.exact.value(&key4(owner, 0, group, 32));
        if found.is_some() {
            return found;
        }
        let mut left = lengths.v4.load();
        while left != 0 {
            let len = 31_u32.saturating_sub(left.leading_zeros()) as u8;
            let prefix = Ipv4Prefix::from_bits(group, len)?;
            if let Some(value) = self.exact.value(&key4(owner, 0, prefix.bits(), len)) {
                return Some(value);
            }
            left &= !(1 << len);
        }
        None
    }

    /// The route of an IPv6 packet.
    #[inline]
    pub(crate) fn lookup6(
        &self,
        owner: VsiOrVrf,
        lengths: &Lengths,
        source: Ipv6Addr,
        group: Ipv6Addr,
    ) -> Option<Value> {
        let found = self.exact6.value(&key6(owner, source.to_bits(), group.to_bits(), 0));
        found.or_else(|| self.shared6(owner, lengths, group.to_bits()))
    }

    /// The route of an IPv6 packet of which there is none by its source.
    pub(super) fn shared6(&self, owner: VsiOrVrf, lengths: &Lengths, group: u128) -> Option<Value> {
        let found = self.exact6.value(&key6(owner, 0, group, 128));
        if found.is_some() {
            return found;
        }
        let mut left = lengths.v6();
        while left != 0 {
            let len = 127_u32.saturating_sub(left.leading_zeros()) as u8;
            let prefix = Ipv6Prefix::from_bits(group, len)?;
            if let Some(value) = self.exact6.value(&key6(owner, 0, prefix.bits(), len)) {
                return Some(value);
            }
            left &= !(1 << len);
        }
        None
    }

    /// The entry of exactly this key.
    pub(crate) fn get(&self, owner: VsiOrVrf, key: &MrouteKey) -> Option<Value> {
        match form(owner, key) {
            Form::V4(key) => self.exact.value(&key),
            Form::V6(key) => self.exact6.value(&key),
        }
    }

    /// The group entry of a group MAC address.
    #[inline]
    pub(crate) fn mac(&self, vsi: VsiId, mac: Mac) -> Option<Value> {
        self.exact.value(&mac_key(vsi, mac))
    }

    /// Whether a set has a member.
    #[inline]
    pub(crate) fn is_member(&self, set: RpfSetId, from: Origin) -> bool {
        self.exact.get(&rpf_key(set, from)).is_some()
    }

    /// The instance that stands for a VLAN of an instance.
    #[inline]
    pub(crate) fn vlan_domain(&self, vsi: VsiId, vlan: VlanId) -> Option<VsiId> {
        self.exact.value(&vlan_key(vsi, vlan)).map(|[domain]| VsiId(domain as u16))
    }

    /// What a label of another router's label space means.
    #[inline]
    pub(crate) fn context(&self, space: LabelSpaceId, label: Label) -> Option<Ilm> {
        self.exact.value(&context_key(space, label)).and_then(|[word]| ilm::unpack(word))
    }

    /// The port of a circuit.
    #[inline]
    pub(crate) fn circuit(&self, iface: IfIndex, tags: Tags) -> Option<u32> {
        self.exact.value(&circuit_key(iface, tags)).map(|[port]| port)
    }
}

enum Form {
    V4([u32; K4]),
    V6([u32; K6]),
}

fn form(owner: VsiOrVrf, key: &MrouteKey) -> Form {
    match *key {
        MrouteKey::Source4 { source, group } => Form::V4(key4(owner, source.to_bits(), group.to_bits(), 0)),
        MrouteKey::Group4 { group } => Form::V4(key4(owner, 0, group.bits(), group.bit_len())),
        MrouteKey::Source6 { source, group } => Form::V6(key6(owner, source.to_bits(), group.to_bits(), 0)),
        MrouteKey::Group6 { group } => Form::V6(key6(owner, 0, group.bits(), group.bit_len())),
    }
}

/// The words of a route.
pub(super) fn pack(mroute: &Mroute) -> Result<Value, ApplyError> {
    let group = match mroute.replication {
        None => 0,
        Some(ReplicationId(id)) if id < GROUPS => id.saturating_add(1),
        Some(_) => return Err(ApplyError::TableFull(Table::Replication)),
    };
    let (kind, value) = match mroute.rpf {
        Rpf::Any => (0, 0),
        Rpf::Nowhere => (1, 0),
        Rpf::From(Origin::Interface(iface)) => (2, iface.0),
        Rpf::From(Origin::Tunnel(tunnel)) => (3, tunnel.0),
        Rpf::AnyOf(set) => (4, set.0),
        Rpf::Bidirectional(set) => (5, set.0),
        Rpf::Merging { set, .. } => (6, set.0),
    };
    let spt = mroute.kept().spt;
    let last = match mroute.rpf {
        Rpf::Merging { own, .. } => own.0,
        _ => spt.map_or(0, |iface| iface.0),
    };
    let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
    let flags =
        flag(mroute.punt_wrong_interface, PUNT_WRONG) | flag(mroute.register, REGISTER) | flag(spt.is_some(), HAS_SPT);
    Ok([group << 8 | flags | kind, value, last])
}

/// The reverse of [`pack`].
#[inline]
pub(crate) fn unpack([head, value, last]: Value) -> Mroute {
    Mroute {
        rpf: match head & RPF {
            0 => Rpf::Any,
            2 => Rpf::From(Origin::Interface(IfIndex(value))),
            3 => Rpf::From(Origin::Tunnel(TunnelId(value))),
            4 => Rpf::AnyOf(RpfSetId(value)),
            5 => Rpf::Bidirectional(RpfSetId(value)),
            6 => Rpf::Merging { set: RpfSetId(value), own: TunnelId(last) },
            _ => Rpf::Nowhere,
        },
        replication: (head >> 8).checked_sub(1).map(ReplicationId),
        punt_wrong_interface: head & PUNT_WRONG != 0,
        register: head & REGISTER != 0,
        spt: (head & HAS_SPT != 0).then_some(IfIndex(last)),
    }
}

/// The writer's hold of the routes.
#[derive(Debug)]
pub(crate) struct RouteWriter<'m> {
    exact: KeyedWriter<'m, K4, W4>,
    exact6: KeyedWriter<'m, K6, W6>,
}

impl<'m> RouteWriter<'m> {
    pub(crate) fn new(exact: &'m mut [ExactSlot], exact6: &'m mut [Exact6Slot], seed: u64) -> Self {
        Self { exact: KeyedWriter::new(exact, seed), exact6: KeyedWriter::new(exact6, seed) }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Routes<'m> {
        Routes { exact: self.exact.reader(), exact6: self.exact6.reader() }
    }

    /// Writes a route.
    pub(crate) fn set(
        &mut self,
        grace: &mut Grace<'_>,
        owner: VsiOrVrf,
        lengths: &Lengths,
        key: &MrouteKey,
        value: Value,
    ) -> Result<(), ApplyError> {
        if !key.is_valid() {
            return Err(ApplyError::NotMulticast(*key));
        }
        let set = match form(owner, key) {
            Form::V4(key) => self.exact.set(grace, key, &value),
            Form::V6(key) => self.exact6.set(grace, key, &value),
        };
        set.map_err(refused(Table::Mroute))?;
        lengths.set(key, true);
        Ok(())
    }

    /// Removes a route. For a prefix of groups the work is proportional to the table.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, owner: VsiOrVrf, lengths: &Lengths, key: &MrouteKey) {
        let last = match form(owner, key) {
            Form::V4(key) => {
                let [domain, ..] = key;
                let is_prefix = (domain >> 16) & 0x1f != 0;
                self.exact.clear(grace, &key) && is_prefix && !self.exact.iter().any(|record| begins(record, domain))
            }
            Form::V6(key) => {
                let [domain, ..] = key;
                let is_prefix = (domain >> 16) & 0x7f != 0;
                self.exact6.clear(grace, &key) && is_prefix && !self.exact6.iter().any(|record| begins(record, domain))
            }
        };
        if last {
            lengths.set(key, false);
        }
    }

    pub(crate) fn set_mac(
        &mut self,
        grace: &mut Grace<'_>,
        vsi: VsiId,
        mac: Mac,
        value: Value,
    ) -> Result<(), ApplyError> {
        if !mac.is_group() {
            return Err(ApplyError::NotGroupMac(mac));
        }
        self.exact.set(grace, mac_key(vsi, mac), &value).map_err(refused(Table::Mroute))
    }

    pub(crate) fn clear_group(&mut self, grace: &Grace<'_>, vsi: VsiId, lengths: &Lengths, key: &VsiGroupKey) {
        match key {
            VsiGroupKey::Ip(route) => self.clear(grace, VsiOrVrf::Vsi(vsi), lengths, route),
            VsiGroupKey::Mac(mac) => drop(self.exact.clear(grace, &mac_key(vsi, *mac))),
        }
    }

    pub(crate) fn set_member(&mut self, grace: &mut Grace<'_>, set: RpfSetId, from: Origin) -> Result<(), ApplyError> {
        self.exact.set(grace, rpf_key(set, from), &[1]).map_err(refused(Table::Mroute))
    }

    pub(crate) fn clear_member(&mut self, grace: &Grace<'_>, set: RpfSetId, from: Origin) {
        self.exact.clear(grace, &rpf_key(set, from));
    }

    pub(crate) fn set_vlan(
        &mut self,
        grace: &mut Grace<'_>,
        vsi: VsiId,
        vlan: VlanId,
        domain: VsiId,
    ) -> Result<(), ApplyError> {
        self.exact.set(grace, vlan_key(vsi, vlan), &[u32::from(domain.0)]).map_err(refused(Table::Vsi))
    }

    pub(crate) fn clear_vlan(&mut self, grace: &Grace<'_>, vsi: VsiId, vlan: VlanId) {
        self.exact.clear(grace, &vlan_key(vsi, vlan));
    }

    pub(crate) fn set_context(
        &mut self,
        grace: &mut Grace<'_>,
        space: LabelSpaceId,
        label: Label,
        ilm: &Ilm,
    ) -> Result<(), ApplyError> {
        if label.is_special_purpose() {
            return Err(ApplyError::SpecialPurposeLabel(label));
        }
        self.exact.set(grace, context_key(space, label), &[ilm::pack(ilm)?]).map_err(refused(Table::Ilm))
    }

    pub(crate) fn clear_context(&mut self, grace: &Grace<'_>, space: LabelSpaceId, label: Label) {
        self.exact.clear(grace, &context_key(space, label));
    }

    pub(crate) fn set_circuit(&mut self, grace: &mut Grace<'_>, key: [u32; K4], port: u32) -> Result<(), ApplyError> {
        self.exact.set(grace, key, &[port]).map_err(refused(Table::Port))
    }

    pub(crate) fn clear_circuit(&mut self, grace: &Grace<'_>, key: [u32; K4]) {
        self.exact.clear(grace, &key);
    }

    /// The IPv4 and IPv6 routes of every VRF, and the entries by IP address of every instance, in no order. The work is proportional to the
    /// table.
    pub(crate) fn all(&self) -> impl Iterator<Item = (VsiOrVrf, MrouteKey, Mroute)> + '_ {
        let v4 = self.exact.iter().filter_map(|record| {
            let [head, source, group, _, value @ ..] = record;
            let (owner, len) = owner_of(head.peek())?;
            let (source, group) = (Ipv4Addr::from_bits(source.peek()), group.peek());
            let key = match len {
                0 => MrouteKey::Source4 { source, group: Ipv4Addr::from_bits(group) },
                len => MrouteKey::Group4 { group: Ipv4Prefix::from_bits(group, len)? },
            };
            Some((owner, key, unpack(value.each_ref().map(Word::peek))))
        });
        let v6 = self.exact6.iter().filter_map(|record| {
            let [head, s0, s1, s2, s3, g0, g1, g2, g3, _, value @ ..] = record;
            let (owner, len) = owner_of(head.peek())?;
            let bits = |words: [&Word; 4]| words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word.peek()));
            let (source, group) = (Ipv6Addr::from_bits(bits([s0, s1, s2, s3])), bits([g0, g1, g2, g3]));
            let key = match len {
                0 => MrouteKey::Source6 { source, group: Ipv6Addr::from_bits(group) },
                len => MrouteKey::Group6 { group: Ipv6Prefix::from_bits(group, len)? },
            };
            Some((owner, key, unpack(value.each_ref().map(Word::peek))))
        });
        v4.chain(v6)
    }

    /// As [`Self::all`], of one VRF or instance.
    pub(crate) fn iter(&self, owner: VsiOrVrf) -> impl Iterator<Item = (MrouteKey, Mroute)> + '_ {
        self.all().filter_map(move |(of, key, mroute)| (of == owner).then_some((key, mroute)))
    }

    /// What else is in the table, but for circuits, which ports have: as the ops that would make it, in no order.
    pub(crate) fn others(&self) -> impl Iterator<Item = FwdOp> + '_ {
        self.exact.iter().filter_map(|record| {
            let [head, high, low, _, value @ ..] = record;
            let (head, high, low, value) = (head.peek(), high.peek(), low.peek(), value.each_ref().map(Word::peek));
            let ([first, ..], vsi) = (value, VsiId(head as u16));
            let member = |from| FwdOp::SetRpfMember { set: RpfSetId(high), from };
            Some(match head >> 24 {
                MAC => {
                    let ([_, _, a, b], [c, d, e, f]) = (high.to_be_bytes(), low.to_be_bytes());
                    let key = VsiGroupKey::Mac(Mac([a, b, c, d, e, f]));
                    FwdOp::SetVsiGroup { vsi, key, replication: unpack(value).replication }
                }
                RPF_INTERFACE => member(Origin::Interface(IfIndex(low))),
                RPF_TUNNEL => member(Origin::Tunnel(TunnelId(low))),
                VLAN => {
                    let vlan = VlanId::new(u16::try_from(high).ok()?)?;
                    FwdOp::SetVlanDomain { vsi, vlan, domain: VsiId(first as u16) }
                }
                CONTEXT => {
                    let (space, label) = (LabelSpaceId(high), Label::new(low)?);
                    FwdOp::SetContextIlm { space, label, ilm: ilm::unpack(first)? }
                }
                _ => return None,
            })
        })
    }
}

/// The owner and the prefix length in the first word of a route's key.
fn owner_of(head: u32) -> Option<(VsiOrVrf, u8)> {
    let owner = match head >> 24 {
        OF_VRF => VsiOrVrf::Vrf(VrfId(head as u16)),
        OF_VSI => VsiOrVrf::Vsi(VsiId(head as u16)),
        _ => return None,
    };
    Some((owner, (head >> 16) as u8))
}

fn begins<const W: usize>(record: &[Word; W], domain: u32) -> bool {
    record.first().is_some_and(|head| head.peek() == domain)
}

/// The VRF's part of multicast.
#[derive(Clone, Debug, Default)]
pub struct MulticastVrfSlot {
    /// 0: off. Else 1, and 2 if packets without a route go to software.
    pub(super) settings: Word,
    pub(super) lengths: Lengths,
    /// Policers from 1: of forwarded packets, of punted ones.
    pub(super) police: [Word; 2],
}

impl MulticastVrfSlot {
    /// Multicast off, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self = Self { settings: Word::ZERO, lengths: Lengths::NONE, police: [const { Word::ZERO }; 2] };

    /// Whether packets without a route go to software; none if multicast is off.
    #[inline]
    pub(crate) fn punts(&self) -> Option<bool> {
        match self.settings.load() {
            0 => None,
            settings => Some(settings & 2 != 0),
        }
    }

    #[inline]
    pub(crate) const fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The policer, from 1, of forwarded packets.
    #[inline]
    pub(crate) fn policer(&self) -> u32 {
        let [forwarded, _] = &self.police;
        forwarded.load()
    }

    /// The policer, from 1, of punted packets.
    #[inline]
    pub(crate) fn punt_policer(&self) -> u32 {
        let [_, punted] = &self.police;
        punted.load()
    }
}
