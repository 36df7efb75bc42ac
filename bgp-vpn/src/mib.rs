//! MPLS-L3VPN-STD-MIB (RFC 4382): the objects of a PE's VRFs, read-only as in its compliance statement
//! mplsL3VpnModuleReadOnlyCompliance, and its notifications.
//!
//! [`L3VpnMib`] is a picture of one moment. Objects that this router does not know, as the age of a route, have no instance. Time stamps
//! are hundredths of a second of the embedder's epoch, which should be that of its `sysUpTime`.

pub mod bgp4;
mod notification;
mod route;

use alloc::string::ToString;
use alloc::vec::Vec;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value};
use fwd_core::net::{IfIndex, IpPrefix, VrfId};

pub use notification::{Notification, NotificationType};
pub use route::VrfRte;

use crate::attr::ext_community::RouteTarget;
use crate::speaker::{LocalRoute, Speaker, VrfStats};
use crate::vrf::VrfConfig;

/// mplsL3VpnMIB, { mplsStdMIB 11 }: all objects are below.
pub const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 11];

/// What the router knows and its BGP speaker does not.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Whether an interface is up (ifOperStatus).
    pub interface_up: &'a dyn Fn(IfIndex) -> bool,
    /// Labelled packets refused on interfaces of a VRF.
    pub illegal_labels: &'a dyn Fn(VrfId) -> u64,
    /// mplsL3VpnIllLblRcvThrsh.
    pub illegal_label_threshold: u32,
    /// mplsL3VpnNotificationEnable.
    pub notifications: bool,
    /// The most routes that [`L3VpnMib::routes`] shows, over all VRFs; the VRFs of the lowest handles come first.
    pub max_routes: usize,
    /// For whom the picture is.
    pub view: View<'a>,
}

/// What of a PE is shown (RFC 4176 §2.2: the views of the provider and of a customer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// All.
    Provider,
    /// These VRFs, and nothing of the core: routes from other sites have no next hop, and scalars count these VRFs only.
    Customer(&'a [VrfId]),
}

impl View<'_> {
    /// Whether a VRF is in the picture.
    #[must_use]
    pub fn shows(self, vrf: VrfId) -> bool {
        match self {
            Self::Provider => true,
            Self::Customer(vrfs) => vrfs.contains(&vrf),
        }
    }
}

/// The scalars (mplsL3VpnScalars).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalars {
    /// mplsL3VpnConfiguredVrfs.
    pub configured_vrfs: usize,
    /// mplsL3VpnActiveVrfs.
    pub active_vrfs: usize,
    /// mplsL3VpnConnectedInterfaces.
    pub connected_interfaces: usize,
    /// mplsL3VpnNotificationEnable.
    pub notifications: bool,
    /// mplsL3VpnIllLblRcvThrsh.
    pub illegal_label_threshold: u32,
}

impl Row for Scalars {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6, 7];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            1 => Value::gauge(self.configured_vrfs),
            2 => Value::gauge(self.active_vrfs),
            3 => Value::gauge(self.connected_interfaces),
            4 => Value::truth(self.notifications),
            // mplsL3VpnVrfConfMaxPossRts: no bound of its own. mplsL3VpnVrfConfRteMxThrshTime: one notification a crossing.
            5 | 6 => Value::Unsigned(0),
            7 => Value::Unsigned(self.illegal_label_threshold),
            _ => return None,
        })
    }
}

/// An attachment circuit (mplsL3VpnIfConfEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfConf {
    /// mplsL3VpnVrfName.
    pub vrf: Vec<u8>,
    /// mplsL3VpnIfConfIndex.
    pub iface: IfIndex,
    /// It is up.
    pub up: bool,
    /// BGP runs with a CE on it.
    pub bgp: bool,
    /// Static routes lead over it.
    pub statics: bool,
}

impl Row for IfConf {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 2, 1, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.vrf);
        out.push(self.iface.0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // enterprise(2).
            2 => Value::Integer(2),
            3 => Value::Octets(alloc::vec![match (self.bgp, self.statics) {
                (false, false) => 0x80,
                (bgp, statics) => (u8::from(bgp) * 0x40) | (u8::from(statics) * 0x04),
            }]),
            4 => Value::READ_ONLY,
            5 => Value::ACTIVE,
            _ => return None,
        })
    }
}

/// A VRF (mplsL3VpnVrfEntry, with the two entries that augment it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfRow {
    /// Its configuration.
    pub config: VrfConfig,
    /// Its routes.
    pub stats: VrfStats,
    /// Its circuits, and those that are up.
    pub interfaces: (usize, usize),
    /// Labelled packets refused on its interfaces.
    pub illegal_labels: u64,
}

impl VrfRow {
    /// mplsL3VpnVrfOperStatus is up(1).
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.interfaces.1 > 0
    }

    fn name_index(&self, out: &mut Oid) {
        out.push_octets(self.config.name.as_bytes());
    }
}

/// One of the tables that VRFs are rows of.
macro_rules! vrf_table {
    ($name:ident, $doc:literal, $entry:expr, $columns:expr, $cell:expr) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub VrfRow);

        impl Row for $name {
            const ENTRY: &'static [u32] = $entry;
            const COLUMNS: &'static [u32] = $columns;

            fn index(&self, out: &mut Oid) {
                self.0.name_index(out);
            }

            fn cell(&self, column: u32) -> Option<Value> {
                let cell: fn(&VrfRow, u32) -> Option<Value> = $cell;
                cell(&self.0, column)
            }
        }
    };
}

vrf_table!(
    VrfEntry,
    "mplsL3VpnVrfEntry.",
    &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 2, 2, 1],
    &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    |vrf, column| {
        let limit = vrf.config.limit;
        Some(match column {
            2 => Value::Octets(vrf.config.vpn_id.map_or_else(Vec::new, |id| id.octets().to_vec())),
            3 => Value::Octets(Vec::new()),
            4 => Value::Octets(vrf.config.rd.octets().to_vec()),
            5 => Value::time_stamp(vrf.stats.created),
            6 => Value::Integer(if vrf.is_up() { 1 } else { 2 }),
            7 => Value::gauge(vrf.interfaces.1),
            8 => Value::gauge(vrf.interfaces.0),
            9 => Value::Unsigned(limit.map_or(0, |l| l.mid)),
            10 => Value::Unsigned(limit.map_or(0, |l| l.high)),
            11 => Value::Unsigned(limit.map_or(0, |l| l.max)),
            12 => Value::time_stamp(vrf.stats.changed),
            13 => Value::ACTIVE,
            14 => Value::Integer(1),
            15 => Value::READ_ONLY,
            _ => return None,
        })
    }
);

vrf_table!(VrfSec, "mplsL3VpnVrfSecEntry.", &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 2, 6, 1], &[1, 2], |vrf, column| {
    match column {
        1 => Some(Value::counter(vrf.illegal_labels)),
        2 => Some(Value::time_stamp(vrf.stats.created)),
        _ => None,
    }
});

vrf_table!(
    VrfPerf,
    "mplsL3VpnVrfPerfEntry.",
    &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 3, 1, 1],
    &[1, 2, 3, 4, 5],
    |vrf, column| match column {
        1 => Some(Value::counter(vrf.stats.added)),
        2 => Some(Value::counter(vrf.stats.deleted)),
        3 => Some(Value::Unsigned(vrf.stats.routes)),
        4 => Some(Value::counter(vrf.stats.refused)),
        5 => Some(Value::time_stamp(vrf.stats.created)),
        _ => None,
    }
);

/// A route target of a VRF (mplsL3VpnVrfRTEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfRt {
    /// mplsL3VpnVrfName.
    pub vrf: Vec<u8>,
    /// mplsL3VpnVrfRTIndex: the targets of a VRF are numbered from 1, those to import first.
    pub number: u32,
    /// The target.
    pub target: RouteTarget,
    /// It is imported.
    pub import: bool,
    /// It is exported.
    pub export: bool,
}

impl Row for VrfRt {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 2, 3, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 6, 7];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.vrf);
        out.push(self.number);
        out.push(match (self.import, self.export) {
            (true, false) => 1,
            (false, _) => 2,
            (true, true) => 3,
        });
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // As people write it, without the word that says what it is.
            4 => Value::Octets(self.target.to_string().trim_start_matches("target:").as_bytes().to_vec()),
            5 => Value::Octets(Vec::new()),
            6 => Value::ACTIVE,
            7 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// All objects of a PE at one moment.
#[derive(Clone, Debug)]
pub struct L3VpnMib {
    /// mplsL3VpnScalars.
    pub scalars: Table<Scalars>,
    /// mplsL3VpnIfConfTable.
    pub interfaces: Table<IfConf>,
    /// mplsL3VpnVrfTable.
    pub vrfs: Table<VrfEntry>,
    /// mplsL3VpnVrfRTTable.
    pub targets: Table<VrfRt>,
    /// mplsL3VpnVrfSecTable.
    pub security: Table<VrfSec>,
    /// mplsL3VpnVrfPerfTable.
    pub performance: Table<VrfPerf>,
    /// mplsL3VpnVrfRteTable: the routes in use.
    pub routes: Table<VrfRte>,
}

impl L3VpnMib {
    /// The objects of a speaker.
    #[must_use]
    pub fn new(speaker: &Speaker, outside: Outside<'_>) -> Self {
        let interfaces = interfaces(speaker, outside);
        let vrfs = || speaker.vrfs().filter(|config| outside.view.shows(config.id));
        let vrf_rows: Vec<VrfRow> = vrfs().map(|config| row(speaker, outside, config, &interfaces)).collect();
        let mut room = outside.max_routes;
        let mut routes = Vec::new();
        for config in vrfs() {
            let of_vrf = route::of_vrf(speaker, config, room, outside.view);
            room = room.saturating_sub(of_vrf.len());
            routes.extend(of_vrf);
        }
        Self {
            scalars: Table::new([Scalars {
                configured_vrfs: vrf_rows.len(),
                active_vrfs: vrf_rows.iter().filter(|v| v.is_up()).count(),
                connected_interfaces: interfaces.len(),
                notifications: outside.notifications,
                illegal_label_threshold: outside.illegal_label_threshold,
            }]),
            targets: Table::new(vrfs().flat_map(targets)),
            vrfs: Table::new(vrf_rows.iter().cloned().map(VrfEntry)),
            security: Table::new(vrf_rows.iter().cloned().map(VrfSec)),
            performance: Table::new(vrf_rows.into_iter().map(VrfPerf)),
            routes: Table::new(routes),
            interfaces: Table::new(interfaces),
        }
    }

    fn tables(&self) -> [&dyn Objects; 7] {
        [&self.scalars, &self.interfaces, &self.vrfs, &self.targets, &self.security, &self.performance, &self.routes]
    }
}

impl Objects for L3VpnMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}

fn interfaces(speaker: &Speaker, outside: Outside<'_>) -> Vec<IfConf> {
    let mut rows: Vec<IfConf> = Vec::new();
    for (iface, circuit) in speaker.circuits().filter(|(_, circuit)| outside.view.shows(circuit.vrf)) {
        let Some(config) = speaker.vrfs().find(|v| v.id == circuit.vrf) else { continue };
        let peers = speaker.peers();
        let bgp = peers
            .into_iter()
            .filter_map(|p| speaker.peer_config(p))
            .any(|p| p.vrf == circuit.vrf && p.address == circuit.address);
        let statics = speaker.local_routes(circuit.vrf).any(|(_, r)| r == LocalRoute::Via(iface));
        // A dual-stack CE has two circuits on one interface.
        match rows.iter_mut().find(|r| r.iface == iface) {
            Some(row) => row.bgp |= bgp,
            None => rows.push(IfConf {
                vrf: config.name.as_bytes().to_vec(),
                iface,
                up: (outside.interface_up)(iface),
                bgp,
                statics,
            }),
        }
    }
    rows
}

fn row(speaker: &Speaker, outside: Outside<'_>, config: &VrfConfig, interfaces: &[IfConf]) -> VrfRow {
    let ours = || interfaces.iter().filter(|i| i.vrf == config.name.as_bytes());
    VrfRow {
        config: config.clone(),
        stats: speaker.vrf_stats(config.id).unwrap_or_default(),
        interfaces: (ours().count(), ours().filter(|i| i.up).count()),
        illegal_labels: (outside.illegal_labels)(config.id),
    }
}

fn targets(config: &VrfConfig) -> Vec<VrfRt> {
    let mut all: Vec<RouteTarget> = config.import.clone();
    all.extend(config.export.iter().filter(|t| !config.import.contains(t)));
    let row = |(number, target): (u32, RouteTarget)| VrfRt {
        vrf: config.name.as_bytes().to_vec(),
        number,
        target,
        import: config.import.contains(&target),
        export: config.export.contains(&target),
    };
    (1..).zip(all).map(row).collect()
}

/// The address family of a prefix, and its index in a route table.
fn push_prefix(out: &mut Oid, prefix: IpPrefix) {
    out.push_address(Some(prefix.addr()));
    out.push(prefix.bit_len().into());
}
