//! The ways of all copies of a packet: which tree, which labels, which ports.

use core::fmt;
use core::net::IpAddr;

use super::path::{Path, Step};
use crate::net::{Label, Mac, ReplicationId, VrfId, VsiId};
use crate::op::{IlmAction, LegTarget, TrafficType, VsiGroupKey, VsiOrVrf};
use crate::table::Writer;

/// The way of a packet to where it is copied, and the ways of its copies. What takes but one way has no branches.
///
/// As text, the trunk and each branch on a line of its own:
///
/// ```text
/// (10.0.0.1, 232.1.1.1) of vrf1 from if0 -> replication3
///   leg 1 -> if1
///   leg 3 -> nhlfe5 push [1005] -> if9 to 02:00:00:00:00:02
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tree<'t, 'm> {
    tables: &'t Writer<'m>,
    trunk: Path,
    group: Option<ReplicationId>,
}

impl<'t, 'm> Tree<'t, 'm> {
    /// A multicast packet of a VRF, by its addresses. Whether it comes from where it must is not asked.
    #[must_use]
    pub fn of_packet(tables: &'t Writer<'m>, vrf: VrfId, source: IpAddr, group: IpAddr) -> Self {
        let Some((key, mroute)) = tables.mroute_of(vrf, source, group) else { return Self::nothing(tables) };
        let trunk = Path::EMPTY.and(Step::Mroute(vrf, key, mroute.rpf));
        Self::copies(tables, trunk, VsiOrVrf::Vrf(vrf), mroute.replication)
    }

    /// A packet with this label on top.
    #[must_use]
    pub fn of_label(tables: &'t Writer<'m>, label: Label) -> Self {
        let trunk = Path::of_label(tables, label);
        match tables.ilm(label).map(|ilm| ilm.action) {
            Some(IlmAction::Replicate(id)) => Self::copies(tables, trunk, VsiOrVrf::Vrf(VrfId::GLOBAL), Some(id)),
            _ => Self { tables, trunk, group: None },
        }
    }

    /// A frame of an instance, by its destination, without a look at groups of IP multicast: to the port of an address that is known, to
    /// all ports of one that is not, to those of a group.
    #[must_use]
    pub fn of_frame(tables: &'t Writer<'m>, vsi: VsiId, destination: Mac) -> Self {
        let of_type = |traffic| Self::of_flood(tables, vsi, traffic);
        if destination == Mac::BROADCAST {
            return of_type(TrafficType::Broadcast);
        }
        if !destination.is_group() {
            return match tables.mac(vsi, destination) {
                Some(_) => Self { tables, trunk: Path::to_mac(tables, vsi, destination), group: None },
                None => of_type(TrafficType::Unknown),
            };
        }
        match tables.vsi_group(vsi, &VsiGroupKey::Mac(destination)) {
            Some(group) => {
                Self::copies(tables, Path::EMPTY.and(Step::Mac(vsi, destination)), VsiOrVrf::Vsi(vsi), group)
            }
            None => of_type(TrafficType::Multicast),
        }
    }

    /// Frames of a type that an instance sends to several ports.
    #[must_use]
    pub fn of_flood(tables: &'t Writer<'m>, vsi: VsiId, traffic: TrafficType) -> Self {
        let Some(settings) = tables.vsi(vsi) else { return Self::nothing(tables) };
        let group = match traffic {
            TrafficType::Unknown => settings.unknown,
            TrafficType::Broadcast => settings.broadcast,
            TrafficType::Multicast => settings.multicast,
            TrafficType::Unicast | TrafficType::Control => None,
        };
        Self::copies(tables, Path::EMPTY.and(Step::Flood(vsi, traffic)), VsiOrVrf::Vsi(vsi), group)
    }

    fn nothing(tables: &'t Writer<'m>) -> Self {
        Self { tables, trunk: Path::EMPTY.and(Step::Nothing), group: None }
    }

    fn copies(tables: &'t Writer<'m>, trunk: Path, owner: VsiOrVrf, group: Option<ReplicationId>) -> Self {
        let Some(id) = group else { return Self { tables, trunk: trunk.and(Step::Discard), group: None } };
        let trunk = trunk.and(Step::Group(id));
        match tables.replication(id) {
            None => Self { tables, trunk: trunk.and(Step::Nothing), group: None },
            Some(of) if of != owner => Self { tables, trunk: trunk.and(Step::Foreign), group: None },
            Some(_) => Self { tables, trunk, group },
        }
    }

    /// The way up to where the packet is copied.
    #[must_use]
    pub const fn trunk(&self) -> &Path {
        &self.trunk
    }

    /// The ways of the copies, by leg; those of a nested group one after the other.
    pub fn branches(&self) -> impl Iterator<Item = Path> + '_ {
        let tables = self.tables;
        let owner = self.group.and_then(|id| tables.replication(id));
        let legs = self.group.into_iter().flat_map(|id| tables.legs(id));
        legs.flat_map(move |(leg, target)| {
            let stem = Path::EMPTY.by_leg(tables, leg, target);
            let LegTarget::Group(id) = target else { return Branches { nested: None, alone: Some(stem) } };
            let stem = stem.and(Step::Group(id));
            let end = match tables.replication(id) {
                None => Some(Step::Nothing),
                of if of != owner => Some(Step::Foreign),
                _ => None,
            };
            let nested = end.is_none().then(|| {
                let legs = tables.legs(id);
                legs.map(move |(leg, target)| match target {
                    // A group in a group has none itself.
                    LegTarget::Group(_) => stem.by_leg(tables, leg, target).and(Step::Nothing),
                    target => stem.by_leg(tables, leg, target),
                })
            });
            Branches { nested, alone: end.map(|end| stem.and(end)) }
        })
    }
}

/// The copies of a leg: its own, or those of a nested group.
struct Branches<I> {
    nested: Option<I>,
    alone: Option<Path>,
}

impl<I: Iterator<Item = Path>> Iterator for Branches<I> {
    type Item = Path;

    fn next(&mut self) -> Option<Path> {
        self.alone.take().or_else(|| self.nested.as_mut()?.next())
    }
}

/// The trunk, then each branch on a line of its own.
impl fmt::Display for Tree<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trunk)?;
        for branch in self.branches() {
            write!(f, "\n  {branch}")?;
        }
        Ok(())
    }
}
