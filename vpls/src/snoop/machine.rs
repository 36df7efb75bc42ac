//! The snooper of one broadcast domain: takes control frames, knows who wants what, and says where frames go.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use fwd_core::net::{Mac, PortId};
use fwd_core::op::VsiGroupKey;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use mvpn::gmp::{ConfigError, GmpRouter, Version};

use super::frame::{Fault, Protocol, Snooped};
use super::gmp;
use super::members::{Members, Ports, Want, key_flow};
use super::pim::{Pim, PimLimits};
use super::registrar::Registrar;
use super::standing::{PortCounts, Standings};
use super::{CircuitSnoop, Mode, PimMode, SnoopConfig};
use crate::config::{VsiConfig, VsiLimits};
use crate::damping::Damper;
use crate::event::EventKind;
use crate::police::Bucket;

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortKind {
    Circuit,
    Spoke,
    Mesh,
}

/// A port, and how it behaves (F-33).
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) kind: PortKind,
    pub(super) config: CircuitSnoop,
    pub(super) records: Bucket,
    pub(super) changes: Bucket,
    /// Malformed messages since.
    pub(super) malformed: (u32, Instant),
    /// How often it was quarantined of late.
    pub(super) strikes: u32,
    /// Messages by kind.
    pub(super) counts: PortCounts,
}

/// Malformed messages in [`MALFORMED_WINDOW`] that put a port into quarantine.
const MALFORMED: u32 = 50;
const MALFORMED_WINDOW: Duration = Duration::from_secs(10);
/// The first quarantine; each of the next is twice as long, up to 16 times.
const QUARANTINE: Duration = Duration::from_secs(60);
/// How long a port towards a querier is remembered (RFC 3376 §8.5).
pub(super) const ROUTER_PORT: Duration = Duration::from_secs(255);
/// State changes a second (VPLS-THR-C2).
const CHANGES_PER_PORT: u32 = 200;
const CHANGES: u32 = 1000;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Send a frame out of ports.
    Send(Ports, Vec<u8>),
    /// A group entry may have changed.
    Changed(VsiGroupKey),
    /// Where multicast without an entry goes may have changed.
    Unregistered,
    /// Local membership of a flow has changed: for trees.
    Local,
    /// Addresses are to be forgotten, but for those at a port.
    Flush(PortId),
    Event(EventKind),
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// From reports of hosts.
    pub membership: bool,
    /// From Joins.
    pub pim: bool,
    /// From configuration.
    pub configured: bool,
}

/// Key of damping: a flow at a port.
pub(super) type Damped = (IpAddr, Want, PortId);

/// The snooper of a broadcast domain.
#[derive(Clone, Debug)]
pub struct Snooper {
    pub(super) config: SnoopConfig,
    pub(super) limits: VsiLimits,
    pub(super) now: Instant,
    pub(super) ports: BTreeMap<PortId, Box<Port>>,
    /// Ports in quarantine, and until when.
    pub(super) quarantines: Timers<PortId>,
    pub(super) igmp: GmpRouter<Ipv4Addr>,
    pub(super) mld: GmpRouter<Ipv6Addr>,
    pub(crate) members: Members,
    pub(crate) standings: Standings,
    pub(crate) pim: Pim,
    /// Ports towards queriers, and until when.
    pub(super) routers: BTreeMap<PortId, Instant>,
    /// Until when everything is flooded: members have not had time to report.
    pub(super) settled: Instant,
    pub(super) is_settled: bool,
    pub(super) records: Bucket,
    pub(super) changes: Bucket,
    pub(super) damper: Option<Damper<Damped>>,
    /// Leaves that damping holds back, and until when.
    pub(super) held: BTreeMap<Damped, Instant>,
    /// Changes that wait for the rate of changes.
    pub(super) statics: BTreeSet<(IpAddr, Option<IpAddr>, PortId)>,
    pub(super) filters: BTreeSet<(IpAddr, Option<IpAddr>)>,
    /// Groups of messages newer than what is understood: flooded.
    pub(super) newer: BTreeSet<IpAddr>,
    /// Where groups are told apart by MAC address: those of each that have, or lately had, any state.
    pub(super) by_mac: BTreeMap<Mac, BTreeSet<IpAddr>>,
    /// Groups that are registered by MAC address.
    pub(super) registrar: Registrar,
    /// When our proxy reports are repeated.
    pub(super) refresh: Instant,
    pub(crate) acts: Vec<Act>,
    /// Messages that were dropped by cause: malformed, for rate, denied.
    pub(crate) dropped: [u64; 3],
}

impl Snooper {
    pub(crate) fn new(now: Instant, config: &SnoopConfig, vsi: &VsiConfig) -> Result<Self, ConfigError> {
        let limits = vsi.limits;
        Ok(Self {
            config: config.clone(),
            limits,
            now,
            ports: BTreeMap::new(),
            quarantines: Timers::new(),
            igmp: gmp::router(now, &limits)?,
            mld: gmp::router(now, &limits)?,
            members: Members::default(),
            standings: Standings::default(),
            pim: Pim::default(),
            routers: BTreeMap::new(),
            settled: now + config.settle,
            is_settled: config.settle.is_zero(),
            records: Bucket::new(now, limits.records, limits.records),
            changes: Bucket::new(now, CHANGES, CHANGES),
            damper: vsi.damping.map(|damping| Damper::new(damping, limits.groups.saturating_mul(4))),
            held: BTreeMap::new(),
            statics: BTreeSet::new(),
            filters: BTreeSet::new(),
            newer: BTreeSet::new(),
            by_mac: BTreeMap::new(),
            registrar: Registrar::default(),
            refresh: now + config.intervals.query,
            acts: Vec::new(),
            dropped: [0; 3],
        })
    }

    pub(super) const fn pim_limits(&self) -> PimLimits {
        PimLimits {
            neighbors: self.limits.neighbors,
            neighbors_per_port: self.limits.neighbors_per_port,
            groups: self.limits.groups,
            groups_per_port: self.limits.groups_per_circuit,
        }
    }

    pub(crate) fn add_port(&mut self, now: Instant, port: PortId, kind: PortKind, config: CircuitSnoop) {
        self.now = now;
        let is_circuit = kind == PortKind::Circuit;
        if self.config.igmp {
            let interface = gmp::interface(&self.config, &config, &self.limits, is_circuit);
            // The settings were checked with the instance.
            let _ = self.igmp.add_interface(now, gmp::iface(port), interface);
        }
        if self.config.mld {
            let interface = gmp::interface(&self.config, &config, &self.limits, is_circuit);
            let _ = self.mld.add_interface(now, gmp::iface(port), interface);
        }
        let rate = if is_circuit { self.limits.records_per_circuit } else { self.limits.records };
        let records = Bucket::new(now, rate, rate.saturating_mul(2));
        let changes = Bucket::new(now, CHANGES_PER_PORT, CHANGES_PER_PORT.saturating_mul(2));
        let state =
            Port { kind, config, records, changes, malformed: (0, now), strikes: 0, counts: PortCounts::default() };
        self.ports.insert(port, Box::new(state));
        self.everything_changed();
        self.collect();
    }

    pub(crate) fn remove_port(&mut self, now: Instant, port: PortId) {
        self.now = now;
        self.everything_changed();
        self.igmp.remove_interface(now, gmp::iface(port));
        self.mld.remove_interface(now, gmp::iface(port));
        self.pim.remove_port(port);
        let registered = self.registrar.remove_port(port);
        self.acts.extend(registered.into_iter().map(|mac| Act::Changed(VsiGroupKey::Mac(mac))));
        self.collect();
        for (group, want) in self.members.of_port(port) {
            self.set_member(group, want, port, false);
        }
        self.held.retain(|(.., at), _| *at != port);
        self.statics.retain(|(.., at)| *at != port);
        self.routers.remove(&port);
        self.quarantines.clear(port);
        self.ports.remove(&port);
    }

    /// An entry that stays whatever is reported.
    pub(crate) fn set_static(&mut self, group: IpAddr, source: Option<IpAddr>, port: PortId, present: bool) {
        let entry = (group, source, port);
        if present {
            self.statics.insert(entry)
        } else {
            self.statics.remove(&entry)
        };
        self.flow_changed(source, group);
    }

    /// Data that goes nowhere, at the customer's wish.
    pub(crate) fn set_filter(&mut self, group: IpAddr, source: Option<IpAddr>, present: bool) {
        let entry = (group, source);
        if present {
            self.filters.insert(entry)
        } else {
            self.filters.remove(&entry)
        };
        self.flow_changed(source, group);
    }

    pub(crate) fn is_filtered(&self, key: VsiGroupKey) -> bool {
        key_flow(key).is_some_and(|(source, group)| self.filters.contains(&(group, source)))
    }

    /// Enters what a port wants, or takes it away.
    pub(super) fn set_member(&mut self, group: IpAddr, want: Want, port: PortId, present: bool) {
        if present && !self.standings.has(group, port) {
            if let Some(state) = self.ports.get_mut(&port) {
                state.counts.joined(group);
            }
        }
        self.members.set(group, want, port, present);
        self.standings.want(self.now, &self.members, (group, want, port));
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        self.acts.push(Act::Event(kind));
    }

    /// Every port but one.
    pub(super) fn all_but(&self, port: PortId) -> Ports {
        let from_mesh = self.is_mesh(port);
        let goes = |at: PortId, state: &Port| at != port && !(from_mesh && state.kind == PortKind::Mesh);
        self.ports.iter().filter(|(at, state)| goes(**at, state)).map(|(at, _)| *at).collect()
    }

    pub(super) fn is_mesh(&self, port: PortId) -> bool {
        self.ports.get(&port).is_some_and(|state| state.kind == PortKind::Mesh)
    }

    /// Ports towards routers: PIM neighbours where there are any (RFC 8220 §2.8), queriers, and those configured.
    pub(crate) fn router_ports(&self) -> Ports {
        let mut ports = self.static_routers();
        let neighbors = self.pim.ports();
        if neighbors.is_empty() {
            ports.extend(self.routers.keys());
        }
        ports.extend(neighbors);
        ports
    }

    /// Where reports of a port go.
    pub(super) fn upstream(&self, port: PortId) -> Ports {
        let mut ports = self.router_ports();
        let from_mesh = self.is_mesh(port);
        if self.config.reports_to_mesh {
            ports.extend(self.ports.iter().filter(|(_, state)| state.kind != PortKind::Circuit).map(|(at, _)| *at));
        }
        ports.retain(|at| *at != port && !(from_mesh && self.is_mesh(*at)));
        ports
    }

    /// Takes a control frame that arrived at a port. `admit` charges the PE for so many records.
    pub(crate) fn frame(&mut self, now: Instant, port: PortId, octets: &[u8], admit: impl FnOnce(u32) -> bool) {
        self.now = now;
        self.release();
        if self.watches_bridging() {
            // At most one of the two uses the budget.
            let mut admit = Some(admit);
            if self.bridging(port, octets, |n| admit.take().is_some_and(|admit| admit(n))) {
                return self.collect();
            }
            let Some(admit) = admit else { return };
            return self.ip(port, octets, admit);
        }
        self.ip(port, octets, admit);
    }

    /// IGMP, MLD or PIM.
    fn ip(&mut self, port: PortId, octets: &[u8], admit: impl FnOnce(u32) -> bool) {
        let Some(state) = self.ports.get(&port) else { return };
        let is_quarantined = self.is_quarantined(port);
        let snooped = match Snooped::parse(octets) {
            Ok(snooped) => snooped,
            // What is no message of ours after all goes everywhere, as if it had not been looked at.
            Err(Fault::NotControl) => return self.acts.push(Act::Send(self.all_but(port), octets.to_vec())),
            Err(_) => return self.malformed(port),
        };
        let is_on = match snooped.protocol {
            Protocol::Igmp => self.config.igmp,
            Protocol::Mld => self.config.mld,
            Protocol::Pim => self.config.pim,
        };
        let is_listed = state.config.ces.is_empty() || state.config.ces.contains(&snooped.mac);
        if !is_on || is_quarantined || !is_listed || !state.config.active {
            // Nothing is learned of it, and nobody misses it.
            return self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
        }
        match (snooped.protocol, snooped.source, snooped.destination) {
            (Protocol::Igmp, IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.group_message(port, octets, &snooped, source, destination, admit);
            }
            (Protocol::Mld, IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.group_message(port, octets, &snooped, source, destination, admit);
            }
            (Protocol::Pim, ..) => self.pim_message(port, octets, &snooped, admit),
            _ => self.malformed(port),
        }
        self.collect();
    }

    /// Charges a port, its instance and the PE; whether the message may be looked at.
    pub(super) fn charge(&mut self, port: PortId, records: u32, admit: impl FnOnce(u32) -> bool) -> bool {
        let now = self.now;
        let own = self.ports.get_mut(&port).is_some_and(|state| state.records.take(now, records));
        let may = own && self.records.take(now, records) && admit(records);
        if !may {
            self.dropped[1] = self.dropped[1].saturating_add(1);
            self.event(EventKind::RecordRate(port));
        }
        may
    }

    /// A malformed message: too many put the port into quarantine (VPLS-THR-B1).
    pub(super) fn malformed(&mut self, port: PortId) {
        self.dropped[0] = self.dropped[0].saturating_add(1);
        self.event(EventKind::Malformed(port));
        let now = self.now;
        let Some(state) = self.ports.get_mut(&port) else { return };
        if now - state.malformed.1 > MALFORMED_WINDOW {
            state.malformed = (0, now);
        }
        state.malformed.0 = state.malformed.0.saturating_add(1);
        if state.malformed.0 > MALFORMED && self.quarantines.get(port).is_none() {
            let time = QUARANTINE.saturating_mul(1 << state.strikes.min(4));
            state.strikes = state.strikes.saturating_add(1);
            state.malformed = (0, now);
            self.quarantines.set(port, now + time);
            self.event(EventKind::Quarantined(port));
        }
    }

    /// Ends quarantines whose time is over.
    pub(super) fn release(&mut self) {
        while let Some(port) = self.quarantines.expired(self.now) {
            self.event(EventKind::Released(port));
        }
    }

    /// Takes what the machines below have to say.
    pub(super) fn collect(&mut self) {
        while let Some(output) = self.igmp.poll_output() {
            self.output(output);
        }
        while let Some(output) = self.mld.poll_output() {
            self.output(output);
        }
        for act in core::mem::take(&mut self.pim.acts) {
            self.pim_act(act);
        }
    }

    /// Does what is due.
    pub(crate) fn timeout(&mut self, now: Instant) {
        self.now = now;
        if !self.is_settled && now >= self.settled {
            self.is_settled = true;
            self.everything_changed();
        }
        let before = self.routers.len();
        self.routers.retain(|_, until| *until > now);
        if self.routers.len() < before {
            self.everything_changed();
        }
        self.igmp.handle_timeout(now);
        self.mld.handle_timeout(now);
        self.pim.expire(now);
        self.expire_registrations();
        self.release();
        let over: Vec<Damped> = self.held.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.held.remove(&key);
            if let Some(damper) = &mut self.damper {
                damper.reuse(now, &key);
            }
            let (group, want, port) = key;
            self.set_member(group, want, port, false);
            let source = if let Want::Include(source) | Want::Exclude(source) = want { Some(source) } else { None };
            self.flow_changed(source, group);
            self.acts.push(Act::Local);
        }
        if now >= self.refresh {
            self.refresh = now + self.config.intervals.query;
            if self.config.mode == Mode::Proxy {
                let mesh: Ports = self.ports.keys().filter(|port| self.is_mesh(**port)).copied().collect();
                self.answer::<Ipv4Addr>(&mesh, &[]);
                self.answer::<Ipv6Addr>(&mesh, &[]);
            }
        }
        if self.config.pim_mode == PimMode::Proxy {
            self.send_joins();
        }
        self.collect();
    }

    /// When something is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let settle = (!self.is_settled).then_some(self.settled);
        let proxy = (self.config.mode == Mode::Proxy).then_some(self.refresh);
        let registered = self.registrar.next_timeout();
        let machines =
            [self.igmp.next_timeout(), self.mld.next_timeout(), self.pim.next_timeout(), settle, proxy, registered];
        let times = self.routers.values().chain(self.held.values()).copied().chain(self.quarantines.next_timeout());
        machines.into_iter().flatten().chain(times).min()
    }

    /// Whether a port is in quarantine.
    #[must_use]
    pub fn is_quarantined(&self, port: PortId) -> bool {
        self.quarantines.get(port).is_some()
    }

    /// The machine of IGMP, whose interfaces are numbered as ports.
    #[must_use]
    pub const fn igmp(&self) -> &GmpRouter<Ipv4Addr> {
        &self.igmp
    }

    /// The machine of MLD.
    #[must_use]
    pub const fn mld(&self) -> &GmpRouter<Ipv6Addr> {
        &self.mld
    }

    /// The version of membership messages that is understood.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.config.version
    }

    /// The MAC address of our own messages.
    #[must_use]
    pub const fn mac(&self) -> Mac {
        self.config.mac
    }
}
