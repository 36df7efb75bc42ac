//! All tables of a speaker, and how one address family's are found among them.

use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, VrfId};
use fwd_core::op::{FwdOp, RouteAction};
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::opaque::OpaqueTable;
use crate::attr::ext_community::RouteTarget;
use crate::nlri::{Afi, Family, RouteDistinguisher, Safi};
use crate::rib::{Adj, Form, HashWords, MembershipKey, Peers, PlainKey, Rib, TargetIndex, VpnKey};
use crate::vrf::{Installed, Vrf};

/// The slot of the global table among the VRFs.
pub(crate) const GLOBAL: u16 = 0;

/// All tables.
#[derive(Debug)]
pub(crate) struct Tables {
    /// 1/128.
    pub(crate) vpn4: Rib<VpnKey<Ipv4Prefix>>,
    /// 2/128.
    pub(crate) vpn6: Rib<VpnKey<Ipv6Prefix>>,
    /// 1/4.
    pub(crate) labeled4: Rib<PlainKey<Ipv4Prefix>>,
    /// 2/4.
    pub(crate) labeled6: Rib<PlainKey<Ipv6Prefix>>,
    /// Families whose NLRI are octets.
    pub(crate) opaque: Vec<OpaqueTable>,
    /// 1/132.
    pub(crate) memberships: Rib<MembershipKey>,
    /// The VPN routes of a route target: IPv4, IPv6.
    pub(crate) by_route: [TargetIndex; 2],
    /// 1/1 and 2/1 of the global table (slot 0) and of the VRFs.
    pub(crate) vrfs: Vec<Option<Vrf>>,
    /// VRFs by handle.
    pub(crate) by_id: HashMap<VrfId, u16>,
    /// VRFs by route distinguisher.
    pub(crate) by_rd: HashMap<RouteDistinguisher, u16>,
    /// VRFs by the route targets they import, in ascending order.
    pub(crate) by_target: HashMap<RouteTarget, SmallVec<[u16; 4]>>,
    /// Counts changes of `by_target`.
    pub(crate) generation: u32,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let global = Vrf::new(VrfId::GLOBAL, None);
        Self {
            vpn4: Rib::new(Form::Vpn),
            vpn6: Rib::new(Form::Vpn),
            labeled4: Rib::new(Form::Labeled),
            labeled6: Rib::new(Form::Labeled),
            opaque: Vec::new(),
            memberships: Rib::new(Form::Membership),
            by_route: [TargetIndex::default(), TargetIndex::default()],
            vrfs: alloc::vec![Some(global)],
            by_id: [(VrfId::GLOBAL, GLOBAL)].into_iter().collect(),
            by_rd: HashMap::new(),
            by_target: HashMap::new(),
            generation: 1,
        }
    }

    /// A VRF by slot.
    pub(crate) fn vrf(&self, slot: u16) -> Option<&Vrf> {
        self.vrfs.get(usize::from(slot))?.as_ref()
    }

    /// A VRF by slot.
    pub(crate) fn vrf_mut(&mut self, slot: u16) -> Option<&mut Vrf> {
        self.vrfs.get_mut(usize::from(slot))?.as_mut()
    }

    /// A VRF by handle.
    pub(crate) fn vrf_by_id(&self, id: VrfId) -> Option<(u16, &Vrf)> {
        let slot = *self.by_id.get(&id)?;
        Some((slot, self.vrf(slot)?))
    }

    /// Slots in use, the global table's included.
    pub(crate) fn slots(&self) -> Vec<u16> {
        (0u16..).zip(&self.vrfs).filter(|(_, v)| v.is_some()).map(|(i, _)| i).collect()
    }

    /// The peers of a table.
    pub(crate) fn peers(&self, table: TableKind, afi: Afi) -> Option<&dyn Peers> {
        Some(match (table, afi) {
            (TableKind::Vpn, Afi::IPV4) => &self.vpn4,
            (TableKind::Vpn, _) => &self.vpn6,
            (TableKind::Labeled, Afi::IPV4) => &self.labeled4,
            (TableKind::Labeled, _) => &self.labeled6,
            (TableKind::Memberships, _) => &self.memberships,
            (TableKind::Opaque(table), _) => &self.opaque.get(usize::from(table))?.rib,
            (TableKind::Unicast(vrf), Afi::IPV4) => &self.vrf(vrf)?.v4,
            (TableKind::Unicast(vrf), _) => &self.vrf(vrf)?.v6,
        })
    }

    /// The peers of a table.
    pub(crate) fn peers_mut(&mut self, table: TableKind, afi: Afi) -> Option<&mut dyn Peers> {
        Some(match (table, afi) {
            (TableKind::Vpn, Afi::IPV4) => &mut self.vpn4,
            (TableKind::Vpn, _) => &mut self.vpn6,
            (TableKind::Labeled, Afi::IPV4) => &mut self.labeled4,
            (TableKind::Labeled, _) => &mut self.labeled6,
            (TableKind::Memberships, _) => &mut self.memberships,
            (TableKind::Opaque(table), _) => &mut self.opaque.get_mut(usize::from(table))?.rib,
            (TableKind::Unicast(vrf), Afi::IPV4) => &mut self.vrf_mut(vrf)?.v4,
            (TableKind::Unicast(vrf), _) => &mut self.vrf_mut(vrf)?.v6,
        })
    }

    /// The shares of the peers in a table.
    pub(crate) fn adjs<P: AddressFamily>(&self, table: TableKind) -> Option<&[Option<Adj>]> {
        Some(match table {
            TableKind::Vpn => &P::vpn(self).adjs,
            TableKind::Labeled => &P::labeled(self).adjs,
            TableKind::Memberships => &self.memberships.adjs,
            TableKind::Opaque(table) => &self.opaque.get(usize::from(table))?.rib.adjs,
            TableKind::Unicast(slot) => &P::unicast(self.vrf(slot)?).adjs,
        })
    }

    /// Whether there are VRFs.
    pub(crate) fn has_vrfs(&self) -> bool {
        !self.by_rd.is_empty()
    }

    /// Rewrites the index of route targets.
    pub(crate) fn index_targets(&mut self) {
        self.by_target.clear();
        for (slot, vrf) in (0u16..).zip(&self.vrfs) {
            let Some(config) = vrf.as_ref().and_then(|v| v.config.as_ref()) else { continue };
            for target in &config.import {
                let slots = self.by_target.entry(*target).or_default();
                if slots.last() != Some(&slot) {
                    slots.push(slot);
                }
            }
        }
        self.generation = self.generation.wrapping_add(1);
    }
}

/// Which table of an address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableKind {
    /// The unicast table of a VRF, by slot.
    Unicast(u16),
    /// The labelled unicast table.
    Labeled,
    /// The VPN table.
    Vpn,
    /// The table of route target memberships.
    Memberships,
    /// A table of octets, by number.
    Opaque(u16),
}

impl TableKind {
    /// The table of a family on a session in the VRF of this slot; `None` where the family has none there but, maybe, one of octets.
    pub(crate) fn of(family: Family, vrf: u16) -> Option<Self> {
        if family == Family::RT_CONSTRAINT {
            return (vrf == GLOBAL).then_some(Self::Memberships);
        }
        if !matches!(family.afi, Afi::IPV4 | Afi::IPV6) {
            return None;
        }
        match family.safi {
            Safi::UNICAST => Some(Self::Unicast(vrf)),
            Safi::LABELED_UNICAST if vrf == GLOBAL => Some(Self::Labeled),
            // A CE that is a carrier (RFC 4364 §9): labels beside the VRF's routes.
            Safi::LABELED_UNICAST => Some(Self::Unicast(vrf)),
            Safi::VPN_UNICAST if vrf == GLOBAL => Some(Self::Vpn),
            _ => None,
        }
    }
}

/// IPv4 or IPv6, and where its tables are.
pub(crate) trait AddressFamily: HashWords + Into<IpPrefix> + 'static {
    /// Whether it is IPv6.
    const V6: bool;
    fn vpn(tables: &Tables) -> &Rib<VpnKey<Self>>;
    fn vpn_mut(tables: &mut Tables) -> &mut Rib<VpnKey<Self>>;
    fn labeled(tables: &Tables) -> &Rib<PlainKey<Self>>;
    fn labeled_mut(tables: &mut Tables) -> &mut Rib<PlainKey<Self>>;
    fn unicast(vrf: &Vrf) -> &Rib<PlainKey<Self>>;
    fn unicast_mut(vrf: &mut Vrf) -> &mut Rib<PlainKey<Self>>;
    fn installed(vrf: &mut Vrf) -> &mut Vec<Installed>;
    fn set_route(vrf: VrfId, prefix: Self, action: RouteAction) -> FwdOp;
    fn clear_route(vrf: VrfId, prefix: Self) -> FwdOp;
}

impl AddressFamily for Ipv4Prefix {
    const V6: bool = false;

    fn vpn(tables: &Tables) -> &Rib<VpnKey<Self>> {
        &tables.vpn4
    }
    fn vpn_mut(tables: &mut Tables) -> &mut Rib<VpnKey<Self>> {
        &mut tables.vpn4
    }
    fn labeled(tables: &Tables) -> &Rib<PlainKey<Self>> {
        &tables.labeled4
    }
    fn labeled_mut(tables: &mut Tables) -> &mut Rib<PlainKey<Self>> {
        &mut tables.labeled4
    }
    fn unicast(vrf: &Vrf) -> &Rib<PlainKey<Self>> {
        &vrf.v4
    }
    fn unicast_mut(vrf: &mut Vrf) -> &mut Rib<PlainKey<Self>> {
        &mut vrf.v4
    }
    fn installed(vrf: &mut Vrf) -> &mut Vec<Installed> {
        &mut vrf.installed4
    }
    fn set_route(vrf: VrfId, prefix: Self, action: RouteAction) -> FwdOp {
        FwdOp::SetRoute4 { vrf, prefix, action }
    }
    fn clear_route(vrf: VrfId, prefix: Self) -> FwdOp {
        FwdOp::ClearRoute4 { vrf, prefix }
    }
}

impl AddressFamily for Ipv6Prefix {
    const V6: bool = true;

    fn vpn(tables: &Tables) -> &Rib<VpnKey<Self>> {
        &tables.vpn6
    }
    fn vpn_mut(tables: &mut Tables) -> &mut Rib<VpnKey<Self>> {
        &mut tables.vpn6
    }
    fn labeled(tables: &Tables) -> &Rib<PlainKey<Self>> {
        &tables.labeled6
    }
    fn labeled_mut(tables: &mut Tables) -> &mut Rib<PlainKey<Self>> {
        &mut tables.labeled6
    }
    fn unicast(vrf: &Vrf) -> &Rib<PlainKey<Self>> {
        &vrf.v6
    }
    fn unicast_mut(vrf: &mut Vrf) -> &mut Rib<PlainKey<Self>> {
        &mut vrf.v6
    }
    fn installed(vrf: &mut Vrf) -> &mut Vec<Installed> {
        &mut vrf.installed6
    }
    fn set_route(vrf: VrfId, prefix: Self, action: RouteAction) -> FwdOp {
        FwdOp::SetRoute6 { vrf, prefix, action }
    }
    fn clear_route(vrf: VrfId, prefix: Self) -> FwdOp {
        FwdOp::ClearRoute6 { vrf, prefix }
    }
}
