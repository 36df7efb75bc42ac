//! mvpnPmsiTable, mvpnSpmsiTable and l2L3VpnMcastPmsiTunnelAttributeTable.

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CGroup;
use fwd_core::mib::{Oid, Row, Value, instance};
use fwd_core::net::Label;

use super::{Outside, push_prefix, zero_dot_zero};
use crate::mvrf::instance::Mvrf;
use crate::mvrf::p_tunnel::{PTunnel, PmsiTunnelValue};
use crate::mvrf::root::TreeId;
use crate::mvrf::route::{McastKind, SFlow};
use crate::mvrf::shared::Shared;

/// L2L3VpnMcastProviderTunnelType and L2L3VpnMcastProviderTunnelId: as in the attribute (RFC 6514 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct TunnelKey {
    kind: u8,
    id: Vec<u8>,
}

impl TunnelKey {
    /// Octets of PMSI_TUNNEL before the tunnel identifier: flags, type, label.
    const FRONT: usize = 5;

    fn new(tunnel: &PTunnel) -> Self {
        let mut octets = Vec::new();
        PmsiTunnelValue::new(tunnel.clone()).with_attribute(|attribute| attribute.emit(&mut octets));
        let kind = octets.get(1).copied().unwrap_or(0);
        Self { kind, id: octets.get(Self::FRONT..).unwrap_or_default().to_vec() }
    }
}

/// A row of l2L3VpnMcastPmsiTunnelAttributeTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRow {
    key: TunnelKey,
    leaf_information_required: bool,
    label: Option<Label>,
    pointer: Oid,
}

impl TunnelRow {
    fn new(value: &PmsiTunnelValue, outside: &Outside<'_>) -> Self {
        Self {
            key: TunnelKey::new(&value.tunnel),
            leaf_information_required: value.leaf_information_required,
            label: value.label,
            pointer: (outside.tunnel)(&value.tunnel).unwrap_or_else(zero_dot_zero),
        }
    }
}

impl Row for TunnelRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 245, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5];

    fn index(&self, out: &mut Oid) {
        out.push(u32::from(self.key.kind));
        out.push_octets(&self.key.id);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            3 => Value::Integer(i32::from(self.leaf_information_required)),
            4 => Value::Unsigned(self.label.map_or(0, Label::value)),
            5 => Value::Oid(self.pointer.clone()),
            _ => return None,
        })
    }
}

/// The tunnels of an MVRF: those that this PE announces, and those that others announced to it.
pub(super) fn tunnels(m: &Mvrf, shared: &Shared, outside: &Outside<'_>) -> Vec<TunnelRow> {
    let ours = shared.originated().filter(|(route, _)| match route.kind {
        McastKind::Ad(ad) => ad.rd() == m.config.rd,
        _ => false,
    });
    let ours = ours.filter_map(|(_, attributes)| attributes.pmsi.as_ref());
    let members = m.members.values().flat_map(|member| member.tunnels.values().flatten());
    let selective = m.s_in.values().filter(|s| !s.is_withdrawn).filter_map(|s| s.attributes.pmsi.as_ref());
    ours.chain(members).chain(selective).map(|value| TunnelRow::new(value, outside)).collect()
}

/// A row of mvpnPmsiTable: a PMSI that this PE sends into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PmsiRow {
    if_index: u32,
    rd: RouteDistinguisher,
    key: TunnelKey,
    tunnel: Oid,
    group: Option<IpAddr>,
}

impl PmsiRow {
    fn new(m: &Mvrf, shared: &Shared, tree: TreeId, if_index: u32) -> Option<Self> {
        let root = shared.roots.get(&tree)?;
        let group = match root.tunnel {
            PTunnel::PimSsm { group, .. } | PTunnel::PimSm { group, .. } | PTunnel::BidirPim { group, .. } => {
                Some(group)
            }
            _ => None,
        };
        let key = TunnelKey::new(&root.tunnel);
        let row =
            TunnelRow { key: key.clone(), leaf_information_required: false, label: None, pointer: Oid::default() };
        Some(Self { if_index, rd: m.config.rd, key, tunnel: instance(&row, 3), group })
    }
}

impl Row for PmsiRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8];

    fn index(&self, out: &mut Oid) {
        out.push(self.if_index);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            3 => Value::Octets(self.rd.octets().to_vec()),
            4 => Value::Integer(i32::from(self.key.kind)),
            5 => Value::Oid(self.tunnel.clone()),
            6 => Value::address_type(self.group),
            7 => Value::address(self.group),
            // greIp(1) for trees of PIM, else mpls(3).
            8 => Value::Integer(if self.group.is_some() { 1 } else { 3 }),
            _ => return None,
        })
    }
}

/// ifIndex of an S-PMSI.
pub(super) fn if_index(tree: TreeId, outside: &Outside<'_>) -> u32 {
    outside.first_if_index.wrapping_add(tree.0)
}

/// The pointer to a row of mvpnPmsiTable.
pub(super) fn pointer(if_index: u32) -> Oid {
    let mut oid = Oid::new(PmsiRow::ENTRY);
    oid.push(3);
    oid.push(if_index);
    oid
}

/// The PMSIs of an MVRF.
pub(super) fn pmsis(m: &Mvrf, shared: &Shared, outside: &Outside<'_>) -> Vec<PmsiRow> {
    let inclusive = m.inclusive.map(|tree| (tree, m.config.pmsi.0));
    let selective = m.s_out.values().map(|out| (out.tree, if_index(out.tree, outside)));
    inclusive.into_iter().chain(selective).filter_map(|(tree, index)| PmsiRow::new(m, shared, tree, index)).collect()
}

/// A row of mvpnSpmsiTable: an S-PMSI of this PE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SPmsiRow {
    name: Vec<u8>,
    flow: SFlow,
    pmsi: Oid,
}

impl Row for SPmsiRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 5, 1];
    const COLUMNS: &'static [u32] = &[7];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.name);
        // (C-*,C-*) and (C-*,C-*-BIDIR) have no group: the latter's length of 8 bits (RFC 7582 §2) tells them apart.
        let (group, bits) = match self.flow.group {
            CGroup::Group(group) => (Some(group), None),
            CGroup::Any => (None, None),
            CGroup::AnyBidir => (None, Some(8)),
        };
        push_prefix(out, self.flow.family, group, bits);
        push_prefix(out, self.flow.family, self.flow.source, None);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        (column == 7).then(|| Value::Oid(self.pmsi.clone()))
    }
}

/// The pointer to a row of mvpnSpmsiTable.
pub(super) fn s_pmsi_pointer(m: &Mvrf, flow: SFlow, outside: &Outside<'_>) -> Oid {
    instance(&SPmsiRow { name: (outside.vrf_name)(m.config.vrf), flow, pmsi: Oid::default() }, 7)
}

/// The S-PMSIs of an MVRF.
pub(super) fn s_pmsis(m: &Mvrf, shared: &Shared, outside: &Outside<'_>) -> Vec<SPmsiRow> {
    let name = (outside.vrf_name)(m.config.vrf);
    let there = m.s_out.iter().filter(|(_, out)| shared.roots.contains_key(&out.tree));
    there
        .map(|(flow, out)| SPmsiRow { name: name.clone(), flow: *flow, pmsi: pointer(if_index(out.tree, outside)) })
        .collect()
}
