//! Managed objects: VPLS-GENERIC-MIB, VPLS-LDP-MIB and VPLS-BGP-MIB (RFC 7257), and MGMD-STD-MIB (RFC 5519) of the snoopers, read-only.
//!
//! [`VplsMib`] is a picture of one moment. What is configured elsewhere (names, descriptions) has no instance; statistics that the RFCs
//! have no object for are in [`Statistic`].
//!
//! | Wanted (RFC 5501 §5.4, §6.5.3) | Object |
//! |---|---|
//! | instances, their MTU, aging, signalling | vplsConfigTable, vplsStatusTable |
//! | pseudowires, mesh or spoke, how set up | vplsPwBindTable, vplsLdpPwBindTable, vplsBgpPwBindTable |
//! | auto-discovery, route targets, VEs | vplsBgpADConfigTable, vplsBgpRteTargetTable, vplsBgpConfigTable, vplsBgpVETable |
//! | group membership by port | mgmdRouterInterfaceTable, mgmdRouterCacheTable, mgmdRouterSrcListTable |
//! | use of limits, drops by cause, switches between trees and copies | [`Statistic`] |

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value};
use fwd_core::net::{PortId, VsiId};
use fwd_core::time::Instant;
use mvpn::gmp::mib::{MgmdRouterCacheRow, MgmdRouterInterfaceRow, MgmdRouterSrcListRow};

use crate::config::PwRole;
use crate::io::PwService;
use crate::oam::Usage;
use crate::pe::VplsPe;
use crate::vsi::Instance;

/// An instance (vplsConfigEntry, with vplsStatusEntry, which augments it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VsiRow {
    /// vplsConfigIndex.
    pub vsi: VsiId,
    /// vplsConfigMacAging.
    pub ages: bool,
    /// vplsConfigMtu.
    pub mtu: u16,
    /// vplsConfigSignalingType: ldp(1), bgp(2), none(3).
    pub signalling: i32,
    /// vplsStatusOperStatus is up(1): a circuit forwards.
    pub is_up: bool,
    /// vplsStatusPeerCount.
    pub peers: usize,
}

/// vplsConfigTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry(pub VsiRow);

/// vplsStatusTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry(pub VsiRow);

impl Row for ConfigEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 274, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[4, 6, 7, 8, 12, 13, 15, 16];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.vsi.0.into());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // vplsConfigAdminStatus up(1), vplsConfigMacLearning.
            4 | 6 => Value::Integer(1),
            // vplsConfigDiscardUnknownDest.
            7 => Value::truth(false),
            8 => Value::truth(self.0.ages),
            12 => Value::ACTIVE,
            13 => Value::Unsigned(self.0.mtu.into()),
            15 => Value::READ_ONLY,
            16 => Value::Integer(self.0.signalling),
            _ => return None,
        })
    }
}

impl Row for StatusEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 274, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[1, 2];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.vsi.0.into());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            1 => Some(Value::Integer(if self.0.is_up { 1 } else { 2 })),
            2 => Some(Value::counter(self.0.peers as u64)),
            _ => None,
        }
    }
}

/// A pseudowire in the three tables of bindings; its index is its bridge port from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwRow {
    /// vplsConfigIndex.
    pub vsi: VsiId,
    /// pwIndex.
    pub index: u32,
    /// vplsPwBindConfigType is autodiscovery(2).
    pub is_discovered: bool,
    /// vplsPwBindType is spoke(2).
    pub is_spoke: bool,
    /// vplsLdpPwBindMacAddressLimit, of one that LDP signals.
    pub mac_limit: Option<u32>,
    /// vplsBgpPwBindLocalVEId and vplsBgpPwBindRemoteVEId, of one by label blocks.
    pub ves: Option<(u16, u16)>,
}

macro_rules! bindings {
    ($name:ident, $doc:literal, $entry:expr, $columns:expr, $cell:expr) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub PwRow);

        impl Row for $name {
            const ENTRY: &'static [u32] = $entry;
            const COLUMNS: &'static [u32] = $columns;

            fn index(&self, out: &mut Oid) {
                out.push(self.0.vsi.0.into());
                out.push(self.0.index);
            }

            fn cell(&self, column: u32) -> Option<Value> {
                let cell: fn(&PwRow, u32) -> Option<Value> = $cell;
                cell(&self.0, column)
            }
        }
    };
}

bindings!(PwBindEntry, "vplsPwBindTable.", &[1, 3, 6, 1, 2, 1, 10, 274, 1, 4, 1], &[1, 2, 3, 4], |pw, column| {
    Some(match column {
        1 => Value::Integer(if pw.is_discovered { 2 } else { 1 }),
        2 => Value::Integer(if pw.is_spoke { 2 } else { 1 }),
        3 => Value::ACTIVE,
        4 => Value::READ_ONLY,
        _ => return None,
    })
});

/// vplsLdpConfigTable, of an instance with a pseudowire that LDP signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdpConfigEntry {
    /// vplsConfigIndex.
    pub vsi: VsiId,
}

impl Row for LdpConfigEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 275, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[1];

    fn index(&self, out: &mut Oid) {
        out.push(self.vsi.0.into());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        // vplsLdpConfigMacAddrWithdraw.
        (column == 1).then(|| Value::truth(true))
    }
}

bindings!(LdpPwBindEntry, "vplsLdpPwBindTable.", &[1, 3, 6, 1, 2, 1, 10, 275, 1, 2, 1], &[1], |pw, column| {
    pw.mac_limit.filter(|_| column == 1).map(Value::Unsigned)
});

bindings!(BgpPwBindEntry, "vplsBgpPwBindTable.", &[1, 3, 6, 1, 2, 1, 10, 276, 1, 3, 1], &[1, 2], |pw, column| {
    let (local, remote) = pw.ves?;
    match column {
        1 => Some(Value::Unsigned(local.into())),
        2 => Some(Value::Unsigned(remote.into())),
        _ => None,
    }
});

/// An instance's BGP (vplsBgpADConfigEntry, vplsBgpConfigEntry, vplsBgpVEEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpRow {
    /// vplsConfigIndex.
    pub vsi: VsiId,
    /// vplsBgpADConfigRouteDistinguisher.
    pub rd: [u8; 8],
    /// vplsBgpADConfigVplsId, of auto-discovery.
    pub vpls_id: Option<[u8; 8]>,
    /// vplsBgpVEId, vplsBgpConfigVERangeSize and vplsBgpVEPreference, of label blocks.
    pub ve: Option<(u16, u16, u32)>,
}

/// vplsBgpADConfigTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdConfigEntry(pub BgpRow);

impl Row for AdConfigEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 274, 1, 5, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.vsi.0.into());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let vpls_id = self.0.vpls_id?;
        Some(match column {
            1 => Value::Octets(self.0.rd.to_vec()),
            // vplsBgpADConfigPrefix: the PE's own address.
            2 => Value::Unsigned(0),
            3 => Value::Octets(vpls_id.to_vec()),
            4 => Value::ACTIVE,
            5 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// vplsBgpConfigTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpConfigEntry(pub BgpRow);

impl Row for BgpConfigEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 276, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[1];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.vsi.0.into());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        self.0.ve.filter(|_| column == 1).map(|(_, size, _)| Value::Unsigned(size.into()))
    }
}

/// vplsBgpVETable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VeEntry(pub BgpRow);

impl Row for VeEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 276, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[3, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.vsi.0.into());
        out.push(self.0.ve.map_or(0, |(id, ..)| id.into()));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let (_, _, preference) = self.0.ve?;
        Some(match column {
            3 => Value::Unsigned(preference),
            5 => Value::ACTIVE,
            6 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// A route target of an instance (vplsBgpRteTargetEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEntry {
    /// vplsConfigIndex.
    pub vsi: VsiId,
    /// vplsBgpRteTargetIndex.
    pub index: u32,
    /// vplsBgpRteTargetRTType: import(1), export(2), both(3).
    pub kind: i32,
    /// vplsBgpRteTargetRT.
    pub target: [u8; 8],
}

impl Row for TargetEntry {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 274, 1, 6, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5];

    fn index(&self, out: &mut Oid) {
        out.push(self.vsi.0.into());
        out.push(self.index);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::Integer(self.kind),
            3 => Value::Octets(self.target.to_vec()),
            4 => Value::ACTIVE,
            5 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// What the RFCs have no object for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistic {
    /// The instance.
    pub vsi: VsiId,
    /// How much of what it uses, and control messages dropped by cause.
    pub usage: Usage,
    /// Control messages dropped.
    pub dropped: u64,
    /// Switches between trees and copies.
    pub switches: u64,
}

/// All tables at one moment.
#[derive(Clone, Debug)]
pub struct VplsMib {
    /// vplsConfigTable.
    pub config: Table<ConfigEntry>,
    /// vplsStatusTable.
    pub status: Table<StatusEntry>,
    /// vplsPwBindTable.
    pub pw_bind: Table<PwBindEntry>,
    /// vplsBgpADConfigTable.
    pub ad_config: Table<AdConfigEntry>,
    /// vplsBgpRteTargetTable.
    pub targets: Table<TargetEntry>,
    /// vplsLdpConfigTable.
    pub ldp_config: Table<LdpConfigEntry>,
    /// vplsLdpPwBindTable.
    pub ldp_pw_bind: Table<LdpPwBindEntry>,
    /// vplsBgpConfigTable.
    pub bgp_config: Table<BgpConfigEntry>,
    /// vplsBgpVETable.
    pub ve: Table<VeEntry>,
    /// vplsBgpPwBindTable.
    pub bgp_pw_bind: Table<BgpPwBindEntry>,
    /// What the RFCs have no object for, by instance.
    pub statistics: Vec<Statistic>,
}

/// How an instance's pseudowires are signalled: ldp(1), bgp(2), none(3).
pub(crate) fn signalling(instance: &Instance) -> i32 {
    match (instance.config.ve, instance.config.discovery) {
        (Some(_), _) => 2,
        (None, Some(_)) => 1,
        (None, None) if instance.pws.is_empty() => 3,
        (None, None) => 1,
    }
}

impl Instance {
    fn row(&self) -> VsiRow {
        VsiRow {
            vsi: self.config.vsi,
            ages: self.config.mac_age > 0,
            mtu: self.config.mtu,
            signalling: signalling(self),
            is_up: self.circuits.values().any(|circuit| self.forwards(circuit)),
            peers: self.pws.len(),
        }
    }

    fn pw_rows(&self) -> impl Iterator<Item = PwRow> + '_ {
        self.pws.iter().map(|((_, service), pw)| {
            let remote = if let PwService::Ve(remote) = service { Some(*remote) } else { None };
            PwRow {
                vsi: self.config.vsi,
                index: pw.port.0.saturating_add(1),
                is_discovered: !matches!(service, PwService::PwId(_)),
                is_spoke: matches!(pw.role, PwRole::Spoke { .. }),
                mac_limit: remote.is_none().then_some(self.config.limits.macs),
                ves: self.config.ve.map(|ve| ve.ve_id).zip(remote),
            }
        })
    }

    fn bgp_row(&self) -> BgpRow {
        BgpRow {
            vsi: self.config.vsi,
            rd: self.config.rd.octets(),
            vpls_id: self.config.discovery.map(|id| id.octets()),
            ve: self.config.ve.map(|ve| (ve.ve_id, ve.block_size, ve.preference)),
        }
    }

    fn target_rows(&self) -> Vec<TargetEntry> {
        let (import, export) = (&self.config.import, &self.config.export);
        let mut all: Vec<_> = import.iter().chain(export).copied().collect();
        all.sort_unstable();
        all.dedup();
        let row = |(index, target): (u32, &bgp_vpn::attr::RouteTarget)| TargetEntry {
            vsi: self.config.vsi,
            index,
            kind: i32::from(import.contains(target))
                .saturating_add(i32::from(export.contains(target)).saturating_mul(2)),
            target: target.community().0,
        };
        (1..).zip(&all).map(row).collect()
    }
}

impl VplsMib {
    /// The objects of a PE.
    #[must_use]
    pub fn new(pe: &VplsPe) -> Self {
        let instances = || pe.vsis.values().map(|instance| &**instance);
        let pws: Vec<PwRow> = instances().flat_map(Instance::pw_rows).collect();
        let bgp: Vec<BgpRow> = instances().map(Instance::bgp_row).collect();
        let statistic = |instance: &Instance| {
            let usage = Usage::of(instance);
            let dropped = usage.dropped.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
            Statistic { vsi: instance.config.vsi, usage, dropped, switches: instance.carried.total() }
        };
        Self {
            config: Table::new(instances().map(|i| ConfigEntry(i.row()))),
            status: Table::new(instances().map(|i| StatusEntry(i.row()))),
            pw_bind: Table::new(pws.iter().cloned().map(PwBindEntry)),
            ad_config: Table::new(bgp.iter().filter(|row| row.vpls_id.is_some()).cloned().map(AdConfigEntry)),
            targets: Table::new(instances().flat_map(Instance::target_rows)),
            ldp_config: Table::new(
                pws.iter().filter(|pw| pw.mac_limit.is_some()).map(|pw| LdpConfigEntry { vsi: pw.vsi }),
            ),
            ldp_pw_bind: Table::new(pws.iter().filter(|pw| pw.mac_limit.is_some()).cloned().map(LdpPwBindEntry)),
            bgp_config: Table::new(bgp.iter().filter(|row| row.ve.is_some()).cloned().map(BgpConfigEntry)),
            ve: Table::new(bgp.iter().filter(|row| row.ve.is_some()).cloned().map(VeEntry)),
            bgp_pw_bind: Table::new(pws.iter().filter(|pw| pw.ves.is_some()).cloned().map(BgpPwBindEntry)),
            statistics: instances().map(statistic).collect(),
        }
    }

    fn groups(&self) -> [&dyn Objects; 10] {
        [
            &self.config,
            &self.status,
            &self.pw_bind,
            &self.ad_config,
            &self.targets,
            &self.ldp_config,
            &self.ldp_pw_bind,
            &self.bgp_config,
            &self.ve,
            &self.bgp_pw_bind,
        ]
    }
}

impl Objects for VplsMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.groups()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.groups()).next(oid)
    }
}

/// Who wants a group at a port: what the router side of IGMP and MLD does not keep of mgmdRouterCacheTable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CacheEntry {
    group: IpAddr,
    port: PortId,
    /// mgmdRouterCacheLastReporter.
    reporter: Option<IpAddr>,
    /// mgmdRouterCacheUpTime.
    up: Duration,
}

impl Row for CacheEntry {
    const ENTRY: &'static [u32] = MgmdRouterCacheRow::ENTRY;
    const COLUMNS: &'static [u32] = &[4, 5];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group));
        out.push(self.port.0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            4 => Some(Value::Octets(match self.reporter? {
                IpAddr::V4(a) => a.octets().to_vec(),
                IpAddr::V6(a) => a.octets().to_vec(),
            })),
            5 => Some(Value::Ticks(u32::try_from(self.up.as_millis() / 10).unwrap_or(u32::MAX))),
            _ => None,
        }
    }
}

/// What is counted of a port beside mgmdRouterInterfaceTable: mgmdRouterInterfaceJoins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct JoinsEntry {
    port: PortId,
    is_ipv6: bool,
    joins: u64,
}

impl Row for JoinsEntry {
    const ENTRY: &'static [u32] = MgmdRouterInterfaceRow::ENTRY;
    const COLUMNS: &'static [u32] = &[11];

    fn index(&self, out: &mut Oid) {
        out.push(self.port.0);
        out.push(if self.is_ipv6 { 2 } else { 1 });
    }

    fn cell(&self, column: u32) -> Option<Value> {
        (column == 11).then(|| Value::counter(self.joins))
    }
}

/// Group membership of a broadcast domain (MGMD-STD-MIB): the interfaces are bridge ports.
#[derive(Clone, Debug)]
pub struct MembershipMib {
    interfaces: [Table<MgmdRouterInterfaceRow>; 2],
    groups: [Table<MgmdRouterCacheRow>; 2],
    sources: [Table<MgmdRouterSrcListRow>; 2],
    standing: Table<CacheEntry>,
    joins: Table<JoinsEntry>,
}

impl MembershipMib {
    /// The objects of a domain that is snooped.
    #[must_use]
    pub fn new(pe: &VplsPe, domain: VsiId, now: Instant) -> Option<Self> {
        let snooper = pe.snooping(domain)?;
        let (v4, v6) = (snooper.igmp(), snooper.mld());
        let standing = snooper.standing_groups().map(|(group, port, s)| CacheEntry {
            group,
            port,
            reporter: s.reporter.map(|(_, host)| host),
            up: now - s.since,
        });
        let joins = snooper.ports().into_iter().flat_map(|port| {
            let [v4, v6] = snooper.joins(port);
            [(false, v4), (true, v6)].map(|(is_ipv6, joins)| JoinsEntry { port, is_ipv6, joins })
        });
        Some(Self {
            standing: Table::new(standing),
            joins: Table::new(joins),
            interfaces: [v4.interface_table(now), v6.interface_table(now)],
            groups: [v4.cache_table(now), v6.cache_table(now)],
            sources: [v4.source_table(now), v6.source_table(now)],
        })
    }

    fn all(&self) -> [&dyn Objects; 8] {
        let ([a, b], [c, d], [e, f]) = (&self.interfaces, &self.groups, &self.sources);
        [a, b, c, d, e, f, &self.standing, &self.joins]
    }
}

impl Objects for MembershipMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.all()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.all()).next(oid)
    }
}
