//! Policers, and where they stand.

use super::FwdOp;
use super::encoding::{Fields, Kind, Tag, malformed, vrf};
use super::multicast::vsi;
use crate::malformed::Malformed;
use crate::net::{PolicerId, PortId, ReplicationId, VrfId, VsiId};

/// A token bucket policer, colour-blind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Policer {
    /// Rates and bursts.
    pub rates: Rates,
    /// What is counted.
    pub unit: Unit,
    /// Whether yellow packets, beyond the committed rate, are dropped as red ones are.
    pub drop_yellow: bool,
}

/// Rates, in units per second, and bursts, in units. A burst smaller than a packet lets no such packet through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Rates {
    /// A single rate three color marker (RFC 2697).
    Single {
        /// Committed information rate.
        cir: u64,
        /// Committed burst size.
        cbs: u32,
        /// Excess burst size.
        ebs: u32,
    },
    /// A two rate three color marker (RFC 2698).
    Two {
        /// Committed information rate.
        cir: u64,
        /// Committed burst size.
        cbs: u32,
        /// Peak information rate; at least the committed one.
        pir: u64,
        /// Peak burst size.
        pbs: u32,
    },
}

/// What a policer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Unit {
    /// Octets: of a frame from its Ethernet header on, of an IP packet from its header on (RFC 2697 §2).
    #[default]
    Octets,
    /// Packets.
    Packets,
}

/// Where a policer stands. One may stand at several points, which then share its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum PolicePoint {
    /// Frames of a type that arrive at a bridge port, before they are replicated.
    Port(PortId, TrafficType),
    /// Frames of a type that arrive in a virtual switch instance, at any port, before they are replicated.
    Vsi(VsiId, TrafficType),
    /// Multicast packets that are forwarded in a VRF, before they are replicated.
    Multicast(VrfId),
    /// Multicast packets of a VRF that are handed to software: without a route, from a wrong interface, for a Register; and those to the
    /// groups of a link, PIM's and group management's among them.
    Punt(VrfId),
    /// Packets that a replication group copies, before it does: of an (S,G) or the groups of a prefix; of a tunnel, as the group that these
    /// have a leg to; of one interface, by such a group with that leg alone; of a tree at a router where it branches.
    Group(ReplicationId),
}

/// The types of traffic that a bridge tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum TrafficType {
    /// To a known address.
    Unicast,
    /// To an address that is not known.
    Unknown,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
    /// Control frames that go to software: IGMP, MLD, PIM, link-local groups that are punted.
    Control,
}

impl TrafficType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Unicast, Self::Unknown, Self::Broadcast, Self::Multicast, Self::Control];

    const fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            0 => Self::Unicast,
            1 => Self::Unknown,
            2 => Self::Broadcast,
            3 => Self::Multicast,
            4 => Self::Control,
            _ => return None,
        })
    }
}

impl Tag {
    const SET_POLICER: Self = Self(56);
    const CLEAR_POLICER: Self = Self(57);
    const SET_POLICE_POINT: Self = Self(58);
    const CLEAR_POLICE_POINT: Self = Self(59);
}

const SINGLE: Kind = Kind(1);
const TWO: Kind = Kind(2);

/// The fields of an op of this file; `None` for another.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetPolicer { id, policer } => (Tag::SET_POLICER, Fields::policer(id, &policer)),
        FwdOp::ClearPolicer { id } => (Tag::CLEAR_POLICER, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SetPolicePoint { at, policer } => {
            (Tag::SET_POLICE_POINT, Fields { value: policer.0, ..Fields::police_point(at) })
        }
        FwdOp::ClearPolicePoint { at } => (Tag::CLEAR_POLICE_POINT, Fields::police_point(at)),
        _ => return None,
    })
}

/// The op of these fields; `None` if the tag is not of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    Some(match tag {
        Tag::SET_POLICER => f.read_policer().map(|policer| FwdOp::SetPolicer { id: PolicerId(f.key), policer }),
        Tag::CLEAR_POLICER => Ok(FwdOp::ClearPolicer { id: PolicerId(f.key) }),
        Tag::SET_POLICE_POINT => {
            f.read_police_point().map(|at| FwdOp::SetPolicePoint { at, policer: PolicerId(f.value) })
        }
        Tag::CLEAR_POLICE_POINT => f.read_police_point().map(|at| FwdOp::ClearPolicePoint { at }),
        _ => return None,
    })
}

impl Fields {
    fn policer(id: PolicerId, policer: &Policer) -> Self {
        let (kind, cir, cbs, pir, burst) = match policer.rates {
            Rates::Single { cir, cbs, ebs } => (SINGLE, cir, cbs, 0, ebs),
            Rates::Two { cir, cbs, pir, pbs } => (TWO, cir, cbs, pir, pbs),
        };
        let count = match policer.unit {
            Unit::Octets => 0,
            Unit::Packets => 1,
        };
        let mut f = Self { kind, model: policer.drop_yellow.into(), count, key: id.0, ..Self::default() };
        let ((c1, c0), (p1, p0)) = (halves(cir), halves(pir));
        f.set_words(&[c1, c0, p1, p0, cbs, burst]);
        f
    }

    fn read_policer(&self) -> Result<Policer, Malformed> {
        let [c1, c0, p1, p0, cbs, burst, ..] = self.words();
        let (cir, pir) = (whole(c1, c0), whole(p1, p0));
        let rates = match self.kind {
            SINGLE => Rates::Single { cir, cbs, ebs: burst },
            TWO => Rates::Two { cir, cbs, pir, pbs: burst },
            Kind(other) => return Err(malformed(1, "rates", u32::from(other))),
        };
        let drop_yellow = match self.model {
            0 => false,
            1 => true,
            other => return Err(malformed(2, "drop yellow", u32::from(other))),
        };
        let unit = match self.count {
            0 => Unit::Octets,
            1 => Unit::Packets,
            other => return Err(malformed(3, "unit", u32::from(other))),
        };
        Ok(Policer { rates, unit, drop_yellow })
    }

    fn police_point(at: PolicePoint) -> Self {
        let (kind, key, count) = match at {
            PolicePoint::Port(port, traffic) => (1, port.0, traffic as u8),
            PolicePoint::Vsi(vsi, traffic) => (2, u32::from(vsi.0), traffic as u8),
            PolicePoint::Multicast(vrf) => (3, u32::from(vrf.0), 0),
            PolicePoint::Punt(vrf) => (4, u32::from(vrf.0), 0),
            PolicePoint::Group(id) => (5, id.0, 0),
        };
        Self { kind: Kind(kind), key, count, ..Self::default() }
    }

    fn read_police_point(&self) -> Result<PolicePoint, Malformed> {
        let traffic = || TrafficType::from_octet(self.count).ok_or(malformed(3, "traffic type", u32::from(self.count)));
        Ok(match self.kind {
            Kind(1) => PolicePoint::Port(PortId(self.key), traffic()?),
            Kind(2) => PolicePoint::Vsi(vsi(self.key, 4)?, traffic()?),
            Kind(3) => PolicePoint::Multicast(vrf(self.key, 4)?),
            Kind(4) => PolicePoint::Punt(vrf(self.key, 4)?),
            Kind(5) => PolicePoint::Group(ReplicationId(self.key)),
            Kind(other) => return Err(malformed(1, "police point", u32::from(other))),
        })
    }
}

const fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

const fn whole(high: u32, low: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_as_documented() {
        let rates = Rates::Two { cir: 0x1_0000_0002, cbs: 3, pir: 4, pbs: 5 };
        let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
        let octets = FwdOp::SetPolicer { id: PolicerId(6), policer }.emit();
        assert_eq!(octets[..8], [56, 2, 1, 1, 0, 0, 0, 6]);
        assert_eq!(octets[24..48], [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 5]);
        let at = PolicePoint::Port(PortId(2), TrafficType::Broadcast);
        let octets = FwdOp::SetPolicePoint { at, policer: PolicerId(6) }.emit();
        assert_eq!(octets[..12], [58, 1, 0, 2, 0, 0, 0, 2, 0, 0, 0, 6]);
        for (i, traffic) in TrafficType::ALL.into_iter().enumerate() {
            assert_eq!((traffic as usize, TrafficType::from_octet(i as u8)), (i, Some(traffic)));
        }
    }

    #[test]
    fn every_bad_field_is_named_at_its_offset() {
        let rates = Rates::Single { cir: 1, cbs: 1, ebs: 1 };
        let policer = Policer { rates, unit: Unit::Octets, drop_yellow: false };
        let set = FwdOp::SetPolicer { id: PolicerId(1), policer };
        let point =
            FwdOp::SetPolicePoint { at: PolicePoint::Vsi(VsiId(1), TrafficType::Unknown), policer: PolicerId(1) };
        let vrf = FwdOp::ClearPolicePoint { at: PolicePoint::Punt(VrfId(1)) };
        for (op, offset, value, field) in [
            (set, 1, 3, "rates"),
            (set, 2, 2, "drop yellow"),
            (set, 3, 2, "unit"),
            (set, 32, 1, "unused field"),
            (point, 1, 6, "police point"),
            (point, 3, 5, "traffic type"),
            (point, 4, 1, "VSI"),
            (vrf, 3, 1, "unused field"),
            (vrf, 4, 1, "VRF"),
            (vrf, 8, 1, "unused field"),
        ] {
            let mut octets = op.emit();
            octets[offset] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, offset), "{op:?}");
        }
    }
}
