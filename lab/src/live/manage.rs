//! Management of a router that runs: its objects over AgentX, its notifications, its counters over IPFIX.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bgp_vpn::mib::bgp4::{self, Bgp4Mib};
use bgp_vpn::mib::{L3VpnMib, MODULE, Outside, Scalars, View};
use bgp_vpn::speaker::{Event, Speaker};
use fwd_core::mib::{Groups, MplsMib, Objects, Oid, Row, Value};
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use fwd_core::{Forwarder, VrfCounters};

use super::config::Config;
use super::plane::Plane;
use crate::agentx::Agent;
use crate::ipfix::{Exporter, VrfRecord};

/// How often a master agent is looked for, and what has no event is looked at.
const SECOND: Duration = Duration::from_secs(1);
/// The most routes that a walk shows.
const ROUTES: usize = 65_536;

/// The parts of a router that managers ask about.
#[derive(Clone, Copy)]
pub(super) struct Managed<'a, 'm> {
    pub(super) speaker: &'a Speaker,
    pub(super) forwarder: &'a Forwarder<'m>,
    pub(super) plane: &'a Plane,
}

/// What is served: VPNs, sessions, and the forwarding plane's LSPs with the global table's routes into them.
const MODULES: [&[u32]; 4] = [MODULE, bgp4::MODULE, &[1, 3, 6, 1, 2, 1, 10, 166, 2], &[1, 3, 6, 1, 2, 1, 10, 166, 8]];

/// All objects at one moment.
struct Picture {
    vpns: L3VpnMib,
    sessions: Bgp4Mib,
    lsps: MplsMib,
}

impl Picture {
    fn parts(&self) -> [&dyn Objects; 3] {
        [&self.vpns, &self.sessions, &self.lsps]
    }
}

impl Objects for Picture {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.parts()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.parts()).next(oid)
    }
}

/// What managers were told, and how they are reached.
#[derive(Default)]
pub(super) struct Management {
    socket: Option<PathBuf>,
    agent: Option<Agent>,
    /// The writable objects: mplsL3VpnNotificationEnable and mplsL3VpnIllLblRcvThrsh.
    settings: Settings,
    exporter: Option<(Exporter, Duration)>,
    before: Option<L3VpnMib>,
    exported: HashMap<VrfId, VrfCounters>,
    next_look: Instant,
    next_export: Instant,
}

#[derive(Clone, Copy, Default)]
struct Settings {
    notifications: bool,
    illegal_label_threshold: u32,
}

impl Settings {
    const NOTIFICATIONS: u32 = 4;
    const ILLEGAL_LABELS: u32 = 7;

    fn oid(column: u32) -> Oid {
        Oid::new(&[Scalars::ENTRY, &[column, 0]].concat())
    }

    fn writable(self) -> Vec<(Oid, Value)> {
        vec![
            (Self::oid(Self::NOTIFICATIONS), Value::Integer(if self.notifications { 1 } else { 2 })),
            (Self::oid(Self::ILLEGAL_LABELS), Value::Unsigned(self.illegal_label_threshold)),
        ]
    }

    fn take(&mut self, agent: &Agent) {
        self.notifications = agent.written(&Self::oid(Self::NOTIFICATIONS)) == Some(&Value::Integer(1));
        if let Some(Value::Unsigned(n)) = agent.written(&Self::oid(Self::ILLEGAL_LABELS)) {
            self.illegal_label_threshold = *n;
        }
    }
}

impl Management {
    /// Management as configured.
    ///
    /// # Errors
    /// No socket for the collector.
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let mut management = Self::default();
        if let Some(snmp) = &config.snmp {
            management.socket = Some(snmp.agentx.clone());
            management.settings.notifications = snmp.notifications;
            management.settings.illegal_label_threshold = snmp.illegal_label_threshold;
        }
        if let Some(ipfix) = &config.ipfix {
            let exporter = Exporter::new(ipfix.collector, config.router_id.into())?;
            management.exporter = Some((exporter, Duration::from_secs_f64(ipfix.interval.max(0.1))));
        }
        Ok(management)
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.agent.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let look = self.socket.is_some().then_some(self.next_look);
        look.into_iter().chain(self.exporter.is_some().then_some(self.next_export)).min()
    }

    fn picture(settings: Settings, router: Managed<'_, '_>, max_routes: usize) -> L3VpnMib {
        let outside = Outside {
            interface_up: &|iface| router.plane.is_up(iface),
            illegal_labels: &|vrf| router.plane.illegal_labels(vrf),
            illegal_label_threshold: settings.illegal_label_threshold,
            notifications: settings.notifications,
            max_routes,
            view: View::Provider,
        };
        L3VpnMib::new(router.speaker, outside)
    }

    /// Answers the master agent. A session that ends is opened again later.
    pub(super) fn serve(&mut self, now: Instant, router: Managed<'_, '_>) {
        let Some(agent) = &mut self.agent else { return };
        let settings = self.settings;
        let picture = || Picture {
            vpns: Self::picture(settings, router, ROUTES),
            sessions: Bgp4Mib::new(
                router.speaker,
                now,
                VrfId::GLOBAL,
                bgp4::Outside { ports: &|_| None, max_routes: ROUTES },
            ),
            lsps: MplsMib::new(router.forwarder, router.forwarder.counters(), VrfId::GLOBAL, ROUTES),
        };
        match agent.serve(picture) {
            Ok(()) => self.settings.take(agent),
            Err(_) => self.agent = None,
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, router: Managed<'_, '_>) {
        if self.socket.is_some() && self.next_look <= now {
            self.next_look = now + SECOND;
            self.look(router);
        }
        if let Some((exporter, interval)) = &mut self.exporter {
            if self.next_export <= now {
                self.next_export = now + *interval;
                let records = records(&mut self.exported, router);
                // A collector that is away costs the figures of this time, as a lost datagram would.
                let _ = exporter.export(SystemTime::now(), &records);
            }
        }
    }

    fn look(&mut self, router: Managed<'_, '_>) {
        if self.agent.is_none() {
            let writable = self.settings.writable();
            self.agent = self.socket.as_ref().and_then(|socket| Agent::open(socket, &MODULES, writable).ok());
        }
        let now = Self::picture(self.settings, router, 0);
        if let Some(before) = &self.before {
            for notification in now.changes(before) {
                self.notify(&notification);
            }
        }
        // What happened while nobody listened is told when somebody does.
        if self.agent.as_ref().is_some_and(Agent::is_registered) {
            self.before = Some(now);
        }
    }

    /// Tells managers of an event that they asked to be told of.
    pub(super) fn event(&mut self, event: &Event, router: Managed<'_, '_>) {
        let of_a_vrf = matches!(event, Event::VrfThreshold { .. } | Event::VrfFull { .. } | Event::VrfCleared { .. });
        if of_a_vrf && self.agent.is_some() {
            if let Some(notification) = Self::picture(self.settings, router, 0).notification(event) {
                self.notify(&notification);
            }
        }
    }

    fn notify(&mut self, notification: &bgp_vpn::mib::Notification) {
        let Some(agent) = &mut self.agent else { return };
        if agent.notify(&notification.oid(), &notification.objects).is_err() {
            self.agent = None;
        }
    }
}

fn records(exported: &mut HashMap<VrfId, VrfCounters>, router: Managed<'_, '_>) -> Vec<VrfRecord> {
    let record = |config: &bgp_vpn::vrf::VrfConfig| {
        let stats = router.speaker.vrf_stats(config.id).unwrap_or_default();
        let now = router.plane.vrf_counters(config.id, router.forwarder);
        let before = exported.insert(config.id, now).unwrap_or_default();
        VrfRecord {
            id: config.id.0,
            name: config.name.clone(),
            traffic: VrfCounters {
                in_packets: now.in_packets.wrapping_sub(before.in_packets),
                in_octets: now.in_octets.wrapping_sub(before.in_octets),
                out_packets: now.out_packets.wrapping_sub(before.out_packets),
                out_octets: now.out_octets.wrapping_sub(before.out_octets),
            },
            routes_added: stats.added,
            routes_deleted: stats.deleted,
            routes_dropped: stats.refused,
            routes: stats.routes,
        }
    };
    router.speaker.vrfs().map(record).collect()
}
