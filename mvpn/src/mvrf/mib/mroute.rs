//! mvpnMrouteTable and mvpnMrouteNextHopTable: the customers' routes as the forwarder has them.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::GroupCounters;
use fwd_core::mib::{Oid, Row, Value};
use fwd_core::net::IfIndex;
use fwd_core::op::{LegTarget, MrouteKey, Origin, Rpf};

use super::{Outside, pmsi, push_prefix};
use crate::mvrf::forwarding::{flow_of, group_of};
use crate::mvrf::instance::Mvrf;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::Shared;
use crate::pim::wire::AddressFamily;

/// IANAipMRouteProtocol: pimSparseMode(8).
const SPARSE: i32 = 8;

/// What tells routes apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    name: Vec<u8>,
    source: Option<IpAddr>,
    group: IpAddr,
    group_bits: u8,
}

impl Key {
    fn new(m: &Mvrf, key: MrouteKey, outside: &Outside<'_>) -> Self {
        let group_bits = match key {
            MrouteKey::Source4 { .. } => 32,
            MrouteKey::Source6 { .. } => 128,
            MrouteKey::Group4 { group } => group.bit_len(),
            MrouteKey::Group6 { group } => group.bit_len(),
        };
        let source = flow_of(key).and_then(|(source, _)| source);
        Self { name: (outside.vrf_name)(m.config.vrf), source, group: group_of(key), group_bits }
    }

    fn push(&self, out: &mut Oid) {
        let family = AddressFamily::of(self.group);
        out.push_octets(&self.name);
        push_prefix(out, family, Some(self.group), Some(self.group_bits));
        push_prefix(out, family, self.source, None);
    }
}

/// A row of mvpnMrouteTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrouteRow {
    key: Key,
    /// The upstream PE, if packets come from the PMSI.
    upstream: Option<IpAddr>,
    incoming: u32,
    counters: Option<GroupCounters>,
    pmsi: Option<Oid>,
    local: usize,
    remote: usize,
}

impl MrouteRow {
    /// S, if it is one source's, and G or the first of its groups.
    #[must_use]
    pub const fn flow(&self) -> (Option<IpAddr>, IpAddr) {
        (self.key.source, self.key.group)
    }
}

impl Row for MrouteRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 7, 1];
    const COLUMNS: &'static [u32] = &[7, 8, 9, 11, 17, 18, 23, 24, 25];

    fn index(&self, out: &mut Oid) {
        self.key.push(out);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            7 => Value::address_type(self.upstream),
            8 => Value::address(self.upstream),
            9 => Value::Integer(i32::try_from(self.incoming).unwrap_or(0)),
            11 => Value::Integer(SPARSE),
            17 => Value::Counter64(self.counters?.octets),
            18 => Value::Counter64(self.counters?.packets),
            23 => Value::Oid(self.pmsi.clone()?),
            24 => Value::gauge(self.local),
            25 => Value::gauge(self.remote),
            _ => return None,
        })
    }
}

/// The routes of an MVRF.
pub(super) fn routes(m: &Mvrf, shared: &Shared, outside: &Outside<'_>) -> Vec<MrouteRow> {
    let row = |key: &MrouteKey| {
        let route = m.c_routes.get(key)?;
        let (source, group) = flow_of(*key).unwrap_or((None, group_of(*key)));
        let from_pmsi = route.mroute.rpf == Rpf::From(Origin::Interface(m.config.pmsi));
        let receiving = m.receiving.get(&(source, group)).or_else(|| m.receiving.get(&(None, group)));
        let incoming = match route.mroute.rpf {
            Rpf::From(Origin::Interface(iface)) => iface.0,
            _ => 0,
        };
        let legs = route.mroute.replication.and_then(|id| m.c_groups.get(&id));
        let sends = legs.is_some_and(|legs| legs.pmsi.is_some());
        let (tree, _) = m.tunnel_of(source, group);
        let root = tree.filter(|_| sends).and_then(|tree| shared.roots.get(&tree));
        Some(MrouteRow {
            key: Key::new(m, *key, outside),
            upstream: receiving.filter(|_| from_pmsi).map(|r| r.pe.address),
            incoming,
            counters: route.mroute.replication.and_then(outside.group),
            pmsi: root.and_then(|_| pmsi_of(m, source, group, outside)),
            local: legs.map_or(0, |legs| legs.others.len()),
            remote: root.map_or(0, |root| root.copies()),
        })
    };
    m.c_routes.keys().filter_map(row).collect()
}

/// The row of the PMSI that a flow of ours takes.
fn pmsi_of(m: &Mvrf, source: Option<IpAddr>, group: IpAddr, outside: &Outside<'_>) -> Option<Oid> {
    let candidates = SFlow::candidates(source, group, m.is_ssm(group)).into_iter().flatten();
    let selective = candidates.into_iter().find(|flow| m.s_out.get(flow).is_some_and(|out| out.state.carries()));
    match selective {
        Some(flow) => Some(pmsi::s_pmsi_pointer(m, flow, outside)),
        None => m.inclusive.map(|_| pmsi::pointer(m.config.pmsi.0)),
    }
}

/// A row of mvpnMrouteNextHopTable: an interface that copies leave by. The next hop on it is the group itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrouteNextHopRow {
    key: Key,
    outgoing: IfIndex,
}

impl Row for MrouteNextHopRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 8, 1];
    const COLUMNS: &'static [u32] = &[10, 13];

    fn index(&self, out: &mut Oid) {
        self.key.push(out);
        out.push(self.outgoing.0);
        out.push_address(Some(self.key.group));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // forwarding(2): pruned interfaces have no copies and no rows.
            10 => Value::Integer(2),
            13 => Value::Integer(SPARSE),
            _ => return None,
        })
    }
}

/// Where the routes of an MVRF lead.
pub(super) fn next_hops(m: &Mvrf, outside: &Outside<'_>) -> Vec<MrouteNextHopRow> {
    let mut rows = Vec::new();
    for (key, route) in &m.c_routes {
        let Some(legs) = route.mroute.replication.and_then(|id| m.c_groups.get(&id)) else { continue };
        let pmsi = legs.pmsi.map(|_| m.config.pmsi);
        let others = legs.others.values().filter_map(|target| match target {
            LegTarget::Interface(iface) => Some(*iface),
            _ => None,
        });
        rows.extend(pmsi.into_iter().chain(others).map(|outgoing| {
            let key = Key::new(m, *key, outside);
            MrouteNextHopRow { key, outgoing }
        }));
    }
    rows
}
