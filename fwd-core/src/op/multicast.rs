//! Multicast routes and replication groups.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::encoding::{Fields, Kind, Tag, malformed, vrf};
use super::{FwdOp, VsiOrVrf};
use crate::malformed::Malformed;
use crate::net::{
    IfIndex, Ipv4Prefix, Ipv6Prefix, LabelSpaceId, NhlfeId, PortId, ReplicationId, RpfSetId, TunnelId, VsiId,
};

/// Which packets a multicast route is for (RFC 7761 §2.2, RFC 5015 §2.1, RFC 6625 §3.1).
///
/// The entry of the source wins over those of the group, and among these the longest prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MrouteKey {
    /// (S,G) of IPv4.
    Source4 {
        /// S.
        source: Ipv4Addr,
        /// G.
        group: Ipv4Addr,
    },
    /// (*,G) of IPv4, or of every group of a prefix: a range of source-specific or bidirectional groups, or (*,*).
    Group4 {
        /// The groups.
        group: Ipv4Prefix,
    },
    /// (S,G) of IPv6.
    Source6 {
        /// S.
        source: Ipv6Addr,
        /// G.
        group: Ipv6Addr,
    },
    /// (*,G) of IPv6, or of every group of a prefix.
    Group6 {
        /// The groups.
        group: Ipv6Prefix,
    },
}

impl MrouteKey {
    /// The shortest prefix of IPv4 groups: 224.0.0.0/4, (*,*).
    pub const SHORTEST4: u8 = 4;
    /// The shortest prefix of IPv6 groups: ff00::/8, (*,*).
    pub const SHORTEST6: u8 = 8;

    /// Whether the groups are multicast addresses and the source is not.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        match *self {
            Self::Source4 { source, group } => !source.is_multicast() && group.is_multicast(),
            Self::Group4 { group } => group.bit_len() >= Self::SHORTEST4 && group.addr().is_multicast(),
            Self::Source6 { source, group } => !source.is_multicast() && group.is_multicast(),
            Self::Group6 { group } => group.bit_len() >= Self::SHORTEST6 && group.addr().is_multicast(),
        }
    }
}

/// What to do with the packets of a multicast route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Mroute {
    /// Where they must come from.
    pub rpf: Rpf,
    /// Where copies go. None: nowhere, and the packet is counted as having no receiver.
    pub replication: Option<ReplicationId>,
    /// Whether a packet that comes from elsewhere is handed to software, as Assert (RFC 7761 §4.6) asks for, and not just
    /// dropped. A policer at [`super::PolicePoint::Punt`] bounds how many.
    pub punt_wrong_interface: bool,
    /// Whether software gets every packet whole, beside the copies: to be sent to the RP in a Register (RFC 7761 §4.4.1).
    pub register: bool,
    /// The interface towards the source, while packets come by the shared tree: a packet that arrives by it is handed to
    /// software, which sets the SPT bit (RFC 7761 §4.2.2) by writing the route anew.
    pub spt: Option<IfIndex>,
}

impl Mroute {
    /// As tables keep it: one that merges trees has no interface towards the source.
    pub(crate) const fn kept(self) -> Self {
        match self.rpf {
            Rpf::Merging { .. } => Self { spt: None, ..self },
            _ => self,
        }
    }
}

/// Where the packets of a multicast route must come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Rpf {
    /// From anywhere.
    Any,
    /// From nowhere: every packet fails.
    Nowhere,
    /// From this interface or tunnel.
    From(Origin),
    /// From a member of this set: the RPF interface and those where this router is the designated forwarder (RFC 5015 §3.3).
    AnyOf(RpfSetId),
    /// As `AnyOf`, of a bidirectional tree that crosses a backbone of tunnels (RFC 6513 §11.2): what came by a tunnel takes no leg that is a
    /// group, so that it does not return into the backbone.
    Bidirectional(RpfSetId),
    /// As `Bidirectional`, where the tree across the backbone is joined from others there (RFC 6826 §2.3): what came by another tunnel of
    /// the set than this one takes the legs that are groups, as if it came from a site. Packets of such a route have no [`Mroute::spt`].
    Merging {
        /// The set.
        set: RpfSetId,
        /// The tunnel of the tree that those legs lead into.
        own: TunnelId,
    },
}

/// Where a multicast packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Origin {
    /// An interface, without a tunnel.
    Interface(IfIndex),
    /// A tunnel, whose number stands for the PE at its root (RFC 6513 §9.1.1).
    Tunnel(TunnelId),
}

/// How a VRF does multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MulticastVrf {
    /// Whether a packet without a route is handed to software, and not dropped.
    pub punt_no_route: bool,
}

/// One leg of a replication group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum LegTarget {
    /// Out of an interface, to the MAC address that belongs to the group (RFC 1112 §6.4, RFC 2464 §7); of a routed IP packet.
    Interface(IfIndex),
    /// Through an entry: ingress replication, a branch of a P2MP LSP, a virtual link. A packet that arrived with a label to
    /// replicate loses it first.
    Nhlfe(NhlfeId),
    /// Out of a bridge port; of a frame that is bridged.
    Port(PortId),
    /// The legs of another group of the same owner, which has no such leg itself. Of a labelled packet of the provider's also those of a
    /// VRF's group, whose customer is a carrier.
    Group(ReplicationId),
    /// Of a labelled packet: it also ends here. The label is popped, and what is below goes on as a multicast packet that came
    /// by this tunnel, in the tunnel's VRF. Of a routed IP packet: it goes on in the tunnel's VRF too, as one that came by it
    /// (RFC 7900 §8); what came so goes on no further.
    Multicast(TunnelId),
    /// Of a labelled packet: it also ends here. The label is popped, and what is below goes on as a frame that arrived at this
    /// bridge port.
    Arrive(PortId),
    /// Of a labelled packet: it also ends here. The label is popped, and the label below is looked up in this label space. Of a packet of
    /// the provider's own multicast, as for `Decapsulate`: it is GRE without a key, IP or UDP with labels, on a tree of PIM's that several
    /// VPNs share, and its top label is looked up in this label space, the root's (RFC 6513 §12.2).
    Context(LabelSpaceId),
    /// Of a packet of the provider's own multicast ([`crate::net::VrfId::GLOBAL`]): it also ends here. It is GRE without a key, or IP in
    /// IP, on a tree of PIM's, and the IP packet in it goes on as one that came by this tunnel, in the tunnel's VRF (RFC 6513 §12.1).
    Decapsulate(TunnelId),
    /// This router's own software gets a copy.
    Local,
}

impl Tag {
    const SET_MROUTE: Self = Self(32);
    const CLEAR_MROUTE: Self = Self(33);
    const SET_MULTICAST_VRF: Self = Self(34);
    const CLEAR_MULTICAST_VRF: Self = Self(35);
    const SET_RPF_MEMBER: Self = Self(36);
    const CLEAR_RPF_MEMBER: Self = Self(37);
    const SET_REPLICATION: Self = Self(38);
    const CLEAR_REPLICATION: Self = Self(39);
    const SET_LEG: Self = Self(40);
    const CLEAR_LEG: Self = Self(41);
    const SET_MULTICAST_TUNNEL: Self = Self(53);
    const CLEAR_MULTICAST_TUNNEL: Self = Self(54);
}

const SOURCE4: Kind = Kind(1);
const GROUP4: Kind = Kind(2);
const SOURCE6: Kind = Kind(3);
const GROUP6: Kind = Kind(4);

const RPF_ANY: u8 = 0;
const RPF_NOWHERE: u8 = 1;
const RPF_INTERFACE: u8 = 2;
const RPF_TUNNEL: u8 = 3;
const RPF_SET: u8 = 4;
const RPF_BIDIRECTIONAL: u8 = 5;
const RPF_MERGING: u8 = 6;

const HAS_REPLICATION: u16 = 1;
const PUNT_WRONG_INTERFACE: u16 = 2;
const REGISTER: u16 = 4;
const HAS_SPT: u16 = 8;
const MROUTE_FLAGS: u16 = 15;

const VRF: Kind = Kind(1);
const VSI: Kind = Kind(2);

/// The fields of an op of this file; `None` for another.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetMroute { vrf, key, mroute } => {
            (Tag::SET_MROUTE, Fields::mroute_key(u32::from(vrf.0), key).with_mroute(mroute))
        }
        FwdOp::ClearMroute { vrf, key } => (Tag::CLEAR_MROUTE, Fields::mroute_key(u32::from(vrf.0), key)),
        FwdOp::SetMulticastVrf { vrf, multicast } => {
            let kind = Kind(multicast.punt_no_route.into());
            (Tag::SET_MULTICAST_VRF, Fields { kind, key: u32::from(vrf.0), ..Fields::default() })
        }
        FwdOp::ClearMulticastVrf { vrf } => {
            (Tag::CLEAR_MULTICAST_VRF, Fields { key: u32::from(vrf.0), ..Fields::default() })
        }
        FwdOp::SetRpfMember { set, from } => (Tag::SET_RPF_MEMBER, Fields::rpf_member(set, from)),
        FwdOp::ClearRpfMember { set, from } => (Tag::CLEAR_RPF_MEMBER, Fields::rpf_member(set, from)),
        FwdOp::SetMulticastTunnel { tunnel, vrf } => {
            (Tag::SET_MULTICAST_TUNNEL, Fields { key: tunnel.0, value: u32::from(vrf.0), ..Fields::default() })
        }
        FwdOp::ClearMulticastTunnel { tunnel } => {
            (Tag::CLEAR_MULTICAST_TUNNEL, Fields { key: tunnel.0, ..Fields::default() })
        }
        FwdOp::SetReplication { id, owner } => {
            let (kind, value) = match owner {
                VsiOrVrf::Vrf(vrf) => (VRF, vrf.0),
                VsiOrVrf::Vsi(vsi) => (VSI, vsi.0),
            };
            (Tag::SET_REPLICATION, Fields { kind, key: id.0, value: u32::from(value), ..Fields::default() })
        }
        FwdOp::ClearReplication { id } => (Tag::CLEAR_REPLICATION, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SetLeg { group, leg, target } => (Tag::SET_LEG, Fields::leg(group, leg, target)),
        FwdOp::ClearLeg { group, leg } => (Tag::CLEAR_LEG, Fields { key: group.0, half: leg, ..Fields::default() }),
        _ => return None,
    })
}

/// The op of these fields; `None` if the tag is not of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    Some(match tag {
        Tag::SET_MROUTE => set_mroute(f),
        Tag::CLEAR_MROUTE => {
            vrf(f.key, 4).and_then(|vrf| Ok(FwdOp::ClearMroute { vrf, key: f.read_mroute_key(f.kind)? }))
        }
        Tag::SET_MULTICAST_VRF => vrf(f.key, 4).and_then(|vrf| {
            let punt_no_route = match f.kind {
                Kind(0) => false,
                Kind(1) => true,
                Kind(other) => return Err(malformed(1, "punt", u32::from(other))),
            };
            Ok(FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route } })
        }),
        Tag::CLEAR_MULTICAST_VRF => vrf(f.key, 4).map(|vrf| FwdOp::ClearMulticastVrf { vrf }),
        Tag::SET_RPF_MEMBER => {
            f.origin(f.kind.0, f.value, 1).map(|from| FwdOp::SetRpfMember { set: RpfSetId(f.key), from })
        }
        Tag::CLEAR_RPF_MEMBER => {
            f.origin(f.kind.0, f.value, 1).map(|from| FwdOp::ClearRpfMember { set: RpfSetId(f.key), from })
        }
        Tag::SET_MULTICAST_TUNNEL => {
            vrf(f.value, 8).map(|vrf| FwdOp::SetMulticastTunnel { tunnel: TunnelId(f.key), vrf })
        }
        Tag::CLEAR_MULTICAST_TUNNEL => Ok(FwdOp::ClearMulticastTunnel { tunnel: TunnelId(f.key) }),
        Tag::SET_REPLICATION => f.owner().map(|owner| FwdOp::SetReplication { id: ReplicationId(f.key), owner }),
        Tag::CLEAR_REPLICATION => Ok(FwdOp::ClearReplication { id: ReplicationId(f.key) }),
        Tag::SET_LEG => f.leg_target().map(|target| FwdOp::SetLeg { group: ReplicationId(f.key), leg: f.half, target }),
        Tag::CLEAR_LEG => Ok(FwdOp::ClearLeg { group: ReplicationId(f.key), leg: f.half }),
        _ => return None,
    })
}

fn set_mroute(f: &Fields) -> Result<FwdOp, Malformed> {
    let vrf = vrf(f.key, 4)?;
    let [spt, own] = f.tail;
    let rpf = match f.model {
        RPF_ANY => Rpf::Any,
        RPF_NOWHERE => Rpf::Nowhere,
        RPF_SET => Rpf::AnyOf(RpfSetId(f.aux)),
        RPF_BIDIRECTIONAL => Rpf::Bidirectional(RpfSetId(f.aux)),
        RPF_MERGING => Rpf::Merging { set: RpfSetId(f.aux), own: TunnelId(own) },
        kind => Rpf::From(f.origin(kind, f.aux, 2)?),
    };
    if f.half & !MROUTE_FLAGS != 0 {
        return Err(malformed(18, "flags", u32::from(f.half)));
    }
    let has = |flag: u16| f.half & flag != 0;
    let mroute = Mroute {
        rpf,
        replication: has(HAS_REPLICATION).then_some(ReplicationId(f.value)),
        punt_wrong_interface: has(PUNT_WRONG_INTERFACE),
        register: has(REGISTER),
        spt: has(HAS_SPT).then_some(IfIndex(spt)),
    };
    Ok(FwdOp::SetMroute { vrf, key: f.read_mroute_key(f.kind)?, mroute })
}

impl Fields {
    /// Source and group in the body, the prefix length of the group in the count.
    pub(super) fn mroute_key(key: u32, route: MrouteKey) -> Self {
        let mut f = Self { key, ..Self::default() };
        let (source, group) = f.body.split_at_mut(16);
        let mut put = |kind, s: &[u8], g: &[u8], count| {
            source.iter_mut().zip(s).for_each(|(octet, value)| *octet = *value);
            group.iter_mut().zip(g).for_each(|(octet, value)| *octet = *value);
            (kind, count)
        };
        (f.kind, f.count) = match route {
            MrouteKey::Source4 { source, group } => put(SOURCE4, &source.octets(), &group.octets(), 0),
            MrouteKey::Group4 { group } => put(GROUP4, &[], group.octets(), group.bit_len()),
            MrouteKey::Source6 { source, group } => put(SOURCE6, &source.octets(), &group.octets(), 0),
            MrouteKey::Group6 { group } => put(GROUP6, &[], group.octets(), group.bit_len()),
        };
        f
    }

    /// The reverse of [`Self::mroute_key`].
    pub(super) fn read_mroute_key(&self, kind: Kind) -> Result<MrouteKey, Malformed> {
        let (source, group) = self.body.split_at(16);
        let v4 = |octets: &[u8]| Ipv4Addr::from(octets.first_chunk::<4>().copied().unwrap_or_default());
        let v6 = |octets: &[u8]| Ipv6Addr::from(octets.first_chunk::<16>().copied().unwrap_or_default());
        let length = || malformed(3, "prefix length", u32::from(self.count));
        Ok(match kind {
            SOURCE4 => MrouteKey::Source4 { source: v4(source), group: v4(group) },
            GROUP4 => MrouteKey::Group4 { group: Ipv4Prefix::new(v4(group), self.count).ok_or_else(length)? },
            SOURCE6 => MrouteKey::Source6 { source: v6(source), group: v6(group) },
            GROUP6 => MrouteKey::Group6 { group: Ipv6Prefix::new(v6(group), self.count).ok_or_else(length)? },
            Kind(other) => return Err(malformed(1, "route", u32::from(other))),
        })
    }

    fn with_mroute(self, mroute: Mroute) -> Self {
        let (model, aux) = match mroute.rpf {
            Rpf::Any => (RPF_ANY, 0),
            Rpf::Nowhere => (RPF_NOWHERE, 0),
            Rpf::From(origin) => origin_fields(origin),
            Rpf::AnyOf(set) => (RPF_SET, set.0),
            Rpf::Bidirectional(set) => (RPF_BIDIRECTIONAL, set.0),
            Rpf::Merging { set, .. } => (RPF_MERGING, set.0),
        };
        let own = if let Rpf::Merging { own, .. } = mroute.rpf { own.0 } else { 0 };
        let flag = |is_set: bool, flag: u16| if is_set { flag } else { 0 };
        let half = flag(mroute.replication.is_some(), HAS_REPLICATION)
            | flag(mroute.punt_wrong_interface, PUNT_WRONG_INTERFACE)
            | flag(mroute.register, REGISTER)
            | flag(mroute.spt.is_some(), HAS_SPT);
        let value = mroute.replication.map_or(0, |id| id.0);
        Self { model, aux, half, value, tail: [mroute.spt.map_or(0, |iface| iface.0), own], ..self }
    }

    fn rpf_member(set: RpfSetId, from: Origin) -> Self {
        let (kind, value) = origin_fields(from);
        Self { kind: Kind(kind), key: set.0, value, ..Self::default() }
    }

    fn origin(&self, kind: u8, value: u32, offset: usize) -> Result<Origin, Malformed> {
        match kind {
            RPF_INTERFACE => Ok(Origin::Interface(IfIndex(value))),
            RPF_TUNNEL => Ok(Origin::Tunnel(TunnelId(value))),
            other => Err(malformed(offset, "RPF", u32::from(other))),
        }
    }

    fn owner(&self) -> Result<VsiOrVrf, Malformed> {
        match self.kind {
            VRF => Ok(VsiOrVrf::Vrf(vrf(self.value, 8)?)),
            VSI => Ok(VsiOrVrf::Vsi(vsi(self.value, 8)?)),
            Kind(other) => Err(malformed(1, "owner", u32::from(other))),
        }
    }

    fn leg(group: ReplicationId, half: u16, target: LegTarget) -> Self {
        let (kind, value) = match target {
            LegTarget::Interface(iface) => (1, iface.0),
            LegTarget::Nhlfe(id) => (2, id.0),
            LegTarget::Port(port) => (3, port.0),
            LegTarget::Group(id) => (4, id.0),
            LegTarget::Multicast(tunnel) => (5, tunnel.0),
            LegTarget::Arrive(port) => (6, port.0),
            LegTarget::Local => (7, 0),
            LegTarget::Context(space) => (8, space.0),
            LegTarget::Decapsulate(tunnel) => (9, tunnel.0),
        };
        Self { kind: Kind(kind), key: group.0, value, half, ..Self::default() }
    }

    fn leg_target(&self) -> Result<LegTarget, Malformed> {
        Ok(match self.kind {
            Kind(1) => LegTarget::Interface(IfIndex(self.value)),
            Kind(2) => LegTarget::Nhlfe(NhlfeId(self.value)),
            Kind(3) => LegTarget::Port(PortId(self.value)),
            Kind(4) => LegTarget::Group(ReplicationId(self.value)),
            Kind(5) => LegTarget::Multicast(TunnelId(self.value)),
            Kind(6) => LegTarget::Arrive(PortId(self.value)),
            Kind(7) => LegTarget::Local,
            Kind(8) => LegTarget::Context(LabelSpaceId(self.value)),
            Kind(9) => LegTarget::Decapsulate(TunnelId(self.value)),
            Kind(other) => return Err(malformed(1, "leg", u32::from(other))),
        })
    }
}

const fn origin_fields(origin: Origin) -> (u8, u32) {
    match origin {
        Origin::Interface(iface) => (RPF_INTERFACE, iface.0),
        Origin::Tunnel(tunnel) => (RPF_TUNNEL, tunnel.0),
    }
}

pub(super) fn vsi(value: u32, offset: usize) -> Result<VsiId, Malformed> {
    u16::try_from(value).map(VsiId).map_err(|_| malformed(offset, "VSI", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::VrfId;

    #[test]
    fn layout_is_as_documented() {
        let key = MrouteKey::Source4 { source: Ipv4Addr::new(10, 0, 0, 1), group: Ipv4Addr::new(232, 1, 1, 1) };
        let mroute = Mroute {
            rpf: Rpf::From(Origin::Tunnel(TunnelId(9))),
            replication: Some(ReplicationId(7)),
            punt_wrong_interface: true,
            register: false,
            spt: Some(IfIndex(3)),
        };
        let octets = FwdOp::SetMroute { vrf: VrfId(2), key, mroute }.emit();
        assert_eq!(octets[..12], [32, 1, 3, 0, 0, 0, 0, 2, 0, 0, 0, 7]);
        assert_eq!(octets[18..28], [0, 11, 0, 0, 0, 9, 10, 0, 0, 1]);
        assert_eq!(octets[40..44], [232, 1, 1, 1]);
        assert_eq!(octets[56..60], [0, 0, 0, 3]);

        let target = LegTarget::Multicast(TunnelId(5));
        let octets = FwdOp::SetLeg { group: ReplicationId(1), leg: 0x0203, target }.emit();
        assert_eq!(octets[..12], [40, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5]);
        assert_eq!(octets[18..24], [2, 3, 0, 0, 0, 0]);
    }

    #[test]
    fn every_bad_field_is_named_at_its_offset() {
        let key = MrouteKey::Group6 { group: "ff3e::/32".parse().unwrap() };
        let mroute =
            Mroute { rpf: Rpf::Any, replication: None, punt_wrong_interface: false, register: true, spt: None };
        let set = FwdOp::SetMroute { vrf: VrfId(1), key, mroute };
        let leg = FwdOp::SetLeg { group: ReplicationId(1), leg: 1, target: LegTarget::Local };
        let group = FwdOp::SetReplication { id: ReplicationId(1), owner: VsiOrVrf::Vsi(VsiId(1)) };
        let member = FwdOp::SetRpfMember { set: RpfSetId(1), from: Origin::Interface(IfIndex(1)) };
        for (op, offset, value, field) in [
            (set, 1, 5, "route"),
            (set, 2, 7, "RPF"),
            (set, 3, 129, "prefix length"),
            (set, 4, 1, "VRF"),
            (set, 8, 1, "unused field"),
            (set, 18, 1, "flags"),
            (set, 24, 1, "unused field"),
            (set, 55, 1, "unused field"),
            (set, 63, 1, "unused field"),
            (leg, 1, 0, "leg"),
            (leg, 8, 1, "unused field"),
            (group, 1, 3, "owner"),
            (group, 8, 1, "VSI"),
            (member, 1, 0, "RPF"),
        ] {
            let mut octets = op.emit();
            octets[offset] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, offset), "{op:?}");
        }
    }

    #[test]
    fn keys_are_of_groups() {
        let group4 = |p: &str| MrouteKey::Group4 { group: p.parse().unwrap() }.is_valid();
        let group6 = |p: &str| MrouteKey::Group6 { group: p.parse().unwrap() }.is_valid();
        assert!(group4("224.0.0.0/4") && group4("239.1.2.3/32") && !group4("224.0.0.0/3") && !group4("240.0.0.0/4"));
        assert!(group6("ff00::/8") && !group6("fe00::/7") && !group6("fd00::/8"));
        let source4 = |s: [u8; 4], g: [u8; 4]| MrouteKey::Source4 { source: s.into(), group: g.into() }.is_valid();
        assert!(source4([10, 0, 0, 1], [232, 0, 0, 1]));
        assert!(!source4([232, 0, 0, 1], [232, 0, 0, 1]) && !source4([10, 0, 0, 1], [10, 0, 0, 2]));
    }
}
