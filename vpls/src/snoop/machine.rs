//! The snooper of one broadcast domain: takes control frames, knows who wants what, and says where frames go.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use fwd_core::net::{Mac, PortId};
use fwd_core::op::VsiGroupKey;
use fwd_core::time::Instant;
use mvpn::gmp::{
    ConfigError, EventKind as GmpEvent, GmpRouter, Membership, RecordType, RouterInput, RouterOutput, Version,
};
use mvpn::pim::wire::Message;

use super::frame::{Fault, Protocol, Snooped, build, group_mac};
use super::gmp::{self, Family, Seen};
use super::members::{Members, Ports, Want, flow_key, key_flow};
use super::pim::{Flow, Pim, PimAct, PimLimits};
use super::{CircuitSnoop, Keying, Mode, Neighbor, PimMode, SnoopConfig, permits};
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
struct Port {
    kind: PortKind,
    config: CircuitSnoop,
    records: Bucket,
    changes: Bucket,
    /// Malformed messages since.
    malformed: (u32, Instant),
    /// Until when nothing of it is looked at.
    quarantine: Option<Instant>,
    /// How often it was quarantined of late.
    strikes: u32,
}

/// Malformed messages in [`MALFORMED_WINDOW`] that put a port into quarantine.
const MALFORMED: u32 = 50;
const MALFORMED_WINDOW: Duration = Duration::from_secs(10);
/// The first quarantine; each of the next is twice as long, up to 16 times.
const QUARANTINE: Duration = Duration::from_secs(60);
/// How long a port towards a querier is remembered (RFC 3376 §8.5).
const ROUTER_PORT: Duration = Duration::from_secs(255);
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
type Damped = (IpAddr, Want, PortId);

/// The snooper of a broadcast domain.
#[derive(Clone, Debug)]
pub struct Snooper {
    config: SnoopConfig,
    limits: VsiLimits,
    now: Instant,
    ports: BTreeMap<PortId, Port>,
    igmp: GmpRouter<Ipv4Addr>,
    mld: GmpRouter<Ipv6Addr>,
    pub(crate) members: Members,
    pub(crate) pim: Pim,
    /// Ports towards queriers, and until when.
    routers: BTreeMap<PortId, Instant>,
    /// Until when everything is flooded: members have not had time to report.
    settled: Instant,
    is_settled: bool,
    records: Bucket,
    changes: Bucket,
    damper: Option<Damper<Damped>>,
    /// Leaves that damping holds back, and until when.
    held: BTreeMap<Damped, Instant>,
    /// Changes that wait for the rate of changes.
    statics: BTreeSet<(IpAddr, Option<IpAddr>, PortId)>,
    filters: BTreeSet<(IpAddr, Option<IpAddr>)>,
    /// Groups of messages newer than what is understood: flooded.
    newer: BTreeSet<IpAddr>,
    /// When our proxy reports are repeated.
    refresh: Instant,
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
            igmp: gmp::router(now, &limits)?,
            mld: gmp::router(now, &limits)?,
            members: Members::default(),
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
            refresh: now + config.intervals.query,
            acts: Vec::new(),
            dropped: [0; 3],
        })
    }

    const fn pim_limits(&self) -> PimLimits {
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
        let state = Port { kind, config, records, changes, malformed: (0, now), quarantine: None, strikes: 0 };
        self.ports.insert(port, state);
        self.everything_changed();
        self.collect();
    }

    pub(crate) fn remove_port(&mut self, now: Instant, port: PortId) {
        self.now = now;
        self.everything_changed();
        self.igmp.remove_interface(now, gmp::iface(port));
        self.mld.remove_interface(now, gmp::iface(port));
        self.pim.remove_port(port);
        self.collect();
        for (group, want) in self.members.of_port(port) {
            self.members.set(group, want, port, false);
        }
        self.held.retain(|(.., at), _| *at != port);
        self.statics.retain(|(.., at)| *at != port);
        self.routers.remove(&port);
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

    fn event(&mut self, kind: EventKind) {
        self.acts.push(Act::Event(kind));
    }

    /// Every port but one.
    fn all_but(&self, port: PortId) -> Ports {
        let from_mesh = self.is_mesh(port);
        let goes = |(at, state): &(&PortId, &Port)| **at != port && !(from_mesh && state.kind == PortKind::Mesh);
        self.ports.iter().filter(goes).map(|(at, _)| *at).collect()
    }

    fn is_mesh(&self, port: PortId) -> bool {
        self.ports.get(&port).is_some_and(|state| state.kind == PortKind::Mesh)
    }

    /// Ports towards routers: PIM neighbours where there are any (RFC 8220 §2.8), queriers, and those configured.
    pub(crate) fn router_ports(&self) -> Ports {
        let configured = self.ports.iter().filter(|(_, state)| state.config.router).map(|(port, _)| *port);
        let mut ports: Ports = configured.collect();
        let neighbors = self.pim.ports();
        if neighbors.is_empty() {
            ports.extend(self.routers.keys());
        }
        ports.extend(neighbors);
        ports
    }

    /// Where reports of a port go.
    fn upstream(&self, port: PortId) -> Ports {
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
        self.release(port);
        let Some(state) = self.ports.get(&port) else { return };
        let is_quarantined = state.quarantine.is_some();
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
    fn charge(&mut self, port: PortId, records: u32, admit: impl FnOnce(u32) -> bool) -> bool {
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
    fn malformed(&mut self, port: PortId) {
        self.dropped[0] = self.dropped[0].saturating_add(1);
        self.event(EventKind::Malformed(port));
        let now = self.now;
        let Some(state) = self.ports.get_mut(&port) else { return };
        if now - state.malformed.1 > MALFORMED_WINDOW {
            state.malformed = (0, now);
        }
        state.malformed.0 = state.malformed.0.saturating_add(1);
        if state.malformed.0 > MALFORMED && state.quarantine.is_none() {
            let time = QUARANTINE.saturating_mul(1 << state.strikes.min(4));
            state.strikes = state.strikes.saturating_add(1);
            state.quarantine = Some(now + time);
            state.malformed = (0, now);
            self.event(EventKind::Quarantined(port));
        }
    }

    /// Ends a quarantine whose time is over.
    fn release(&mut self, port: PortId) {
        let now = self.now;
        if let Some(state) = self.ports.get_mut(&port).filter(|s| s.quarantine.is_some_and(|at| at <= now)) {
            state.quarantine = None;
            self.event(EventKind::Released(port));
        }
    }

    /// IGMP or MLD.
    fn group_message<A: Family>(
        &mut self,
        port: PortId,
        octets: &[u8],
        snooped: &Snooped<'_>,
        source: A,
        destination: A,
        admit: impl FnOnce(u32) -> bool,
    ) where
        Self: Routers<A>,
    {
        let Some(seen) = gmp::look(snooped.message, source, destination) else { return self.malformed(port) };
        let records = if let Seen::Report { records, .. } = &seen { *records } else { 1 };
        if !self.charge(port, records, admit) {
            return;
        }
        match seen {
            // RFC 4541 §2.1.1 (3).
            Seen::Unknown => self.acts.push(Act::Send(self.all_but(port), octets.to_vec())),
            Seen::Query { general, .. } => {
                if self.ports.get(&port).is_some_and(|state| state.config.hosts) {
                    return self.event(EventKind::QuerierGuard(port));
                }
                self.querier(port, source);
                // One link to its hosts: every port has heard the query.
                let ports: Vec<PortId> = self.ports.keys().copied().collect();
                for at in ports {
                    self.give(at, source, destination, snooped.message);
                }
                self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
                if general && self.config.mode == Mode::Proxy {
                    self.answer::<A>(&[port].into(), snooped.tags);
                }
            }
            Seen::Report { version, groups, .. } => {
                let is_newer = version > self.config.version;
                if is_newer {
                    self.event(EventKind::VersionMismatch(port));
                    for group in groups {
                        if self.newer.len() < self.limits.groups && self.newer.insert(group) {
                            self.group_changed(group);
                        }
                    }
                } else if groups.iter().any(|group| self.config.is_group(*group)) {
                    let before = Self::refused::<A>(self.router(), port);
                    self.give(port, source, destination, snooped.message);
                    let refused = Self::refused::<A>(self.router(), port).saturating_sub(before);
                    // What is not entered here is entered nowhere: other PEs have limits of their own to spare.
                    if refused >= u64::from(records) {
                        return;
                    }
                }
                let to = match self.config.mode {
                    Mode::Snoop => self.all_but(port),
                    Mode::Relay => self.upstream(port),
                    Mode::Proxy if is_newer => self.all_but(port),
                    Mode::Proxy => Ports::new(),
                };
                self.acts.push(Act::Send(to, octets.to_vec()));
            }
        }
    }

    /// Records of a port that limits or access lists refused.
    fn refused<A: Family>(router: &GmpRouter<A>, port: PortId) -> u64 {
        router.counters(gmp::iface(port)).map_or(0, |c| c.limited.saturating_add(c.filtered))
    }

    /// Somebody queries from a port: routers are behind it, unless the querier is a switch.
    fn querier<A: Family>(&mut self, port: PortId, source: A) {
        if source == A::UNSPECIFIED {
            return;
        }
        if !self.routers.contains_key(&port) && self.routers.len() >= self.limits.router_ports {
            return self.event(EventKind::NeighborLimit(port));
        }
        if self.routers.insert(port, self.now + ROUTER_PORT).is_none() {
            self.everything_changed();
        }
    }

    fn give<A: Family>(&mut self, port: PortId, source: A, destination: A, octets: &[u8])
    where
        Self: Routers<A>,
    {
        let iface = gmp::iface(port);
        let input = RouterInput::Datagram { iface, source, destination, hop_limit: 1, router_alert: true, octets };
        let now = self.now;
        self.router().handle_input(now, input);
    }

    /// PIM.
    fn pim_message(&mut self, port: PortId, octets: &[u8], snooped: &Snooped<'_>, admit: impl FnOnce(u32) -> bool) {
        let Ok(message) = Message::parse(snooped.message, snooped.source, snooped.destination) else {
            return self.malformed(port);
        };
        let records = match &message {
            Message::JoinPrune(m) => m.groups().map(|g| g.joins().count().saturating_add(g.prunes().count())).sum(),
            _ => 1,
        };
        if !self.charge(port, u32::try_from(records).unwrap_or(u32::MAX).max(1), admit) {
            return;
        }
        let limits = self.pim_limits();
        match message {
            Message::Hello(hello) => {
                let from = (snooped.source, port, snooped.mac, snooped.tags);
                self.pim.hello(self.now, from, &hello.options, limits);
                self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
            }
            Message::JoinPrune(message) => {
                let to = self.pim_upstream(port, message.upstream_neighbor());
                let circuit = self.ports.get(&port).map(|state| state.config.acl.clone()).unwrap_or_default();
                let config = &self.config;
                let may = |source, group: IpAddr| {
                    is_joinable(source, group)
                        && config.is_group(group)
                        && permits(&circuit, source, group)
                        && permits(&config.acl, source, group)
                };
                self.pim.join_prune(self.now, (snooped.source, port), &message, limits, may);
                self.acts.push(Act::Send(to, octets.to_vec()));
                if self.config.pim_mode == PimMode::Proxy {
                    self.send_joins();
                }
            }
            _ => self.acts.push(Act::Send(self.all_but(port), octets.to_vec())),
        }
    }

    /// Where a Join/Prune goes as it came (RFC 8220 §2.4.1).
    fn pim_upstream(&self, port: PortId, upstream: IpAddr) -> Ports {
        let all = self.all_but(port);
        match (self.config.pim_mode, self.pim.port_of(upstream)) {
            (PimMode::Proxy, Some(_)) => Ports::new(),
            (PimMode::Auto, _) if self.pim.all_track() => all,
            (_, Some(at)) => all.into_iter().filter(|to| *to == at).collect(),
            (_, None) => all,
        }
    }

    /// Sends the Joins and Prunes that are due.
    fn send_joins(&mut self) {
        for j in self.pim.proxy(self.now) {
            let frame = build(j.mac, &j.tags, Protocol::Pim, j.source, j.destination, &j.packet);
            self.acts.push(Act::Send([j.port].into(), frame));
        }
    }

    /// Takes what the machines below have to say.
    fn collect(&mut self) {
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

    fn output<A: Family>(&mut self, output: RouterOutput<A>)
    where
        Self: Routers<A>,
    {
        match output {
            RouterOutput::Datagram { iface, source, destination, octets } => {
                let port = gmp::port(iface);
                let is_customer = self.ports.get(&port).is_some_and(|state| state.kind != PortKind::Mesh);
                if A::address(&self.config).1 && is_customer {
                    let protocol = if A::BITS == 32 { Protocol::Igmp } else { Protocol::Mld };
                    let frame = build(self.config.mac, &[], protocol, source.into(), destination.into(), &octets);
                    self.acts.push(Act::Send([port].into(), frame));
                }
            }
            RouterOutput::Membership { iface, group, membership, present } => {
                let want = match membership {
                    Membership::AnySource => Want::Any,
                    Membership::Include(source) => Want::Include(source.into()),
                    Membership::Exclude(source) => Want::Exclude(source.into()),
                };
                self.want(gmp::port(iface), group.into(), want, present);
            }
            RouterOutput::Event(event) => {
                let port = gmp::port(event.iface);
                match event.kind {
                    GmpEvent::Malformed | GmpEvent::Unacceptable => self.malformed(port),
                    GmpEvent::GroupLimit | GmpEvent::VrfLimit => self.event(EventKind::GroupLimit(port)),
                    GmpEvent::SourceLimit => self.event(EventKind::SourceLimit(port)),
                    GmpEvent::Filtered | GmpEvent::SsmRange => {
                        self.dropped[2] = self.dropped[2].saturating_add(1);
                        self.event(EventKind::Denied(port));
                    }
                    _ => {}
                }
            }
        }
    }

    /// A port wants something of a group or does not any longer: damped, if that happens too often.
    fn want(&mut self, port: PortId, group: IpAddr, want: Want, present: bool) {
        let key = (group, want, port);
        if let Some(damper) = &mut self.damper {
            let damped = damper.change(self.now, key, present);
            if !present && damped {
                if let Some(at) = damper.release(self.now, &key) {
                    if self.held.insert(key, at).is_none() {
                        self.event(EventKind::Damped);
                    }
                    return;
                }
            }
            if present && self.held.remove(&key).is_some() {
                return; // It never left.
            }
        }
        let now = self.now;
        // VPLS-THR-C2: joins beyond the rate of changes are not entered; the next report says them again.
        let may = !present || {
            let own = self.ports.get_mut(&port).is_none_or(|state| state.changes.take(now, 1));
            own && self.changes.take(now, 1)
        };
        if !may {
            return self.event(EventKind::RecordRate(port));
        }
        self.members.set(group, want, port, present);
        let source = match want {
            Want::Any => None,
            Want::Include(source) | Want::Exclude(source) => Some(source),
        };
        self.flow_changed(source, group);
        self.acts.push(Act::Local);
        if self.config.mode == Mode::Proxy {
            self.report(port, group);
        }
    }

    fn pim_act(&mut self, act: PimAct) {
        match act {
            PimAct::Changed(flow) => {
                match flow {
                    Flow::Any(group) => self.group_changed(group),
                    Flow::Source(source, group) | Flow::Rpt(source, group) => self.flow_changed(Some(source), group),
                }
                self.acts.push(Act::Local);
            }
            PimAct::Neighbors => self.everything_changed(),
            PimAct::NeighborLimit => self.event(EventKind::NeighborLimit(PortId::default())),
            PimAct::NeighborMoved => self.event(EventKind::NeighborMoved(PortId::default())),
            PimAct::Unknown => {
                self.dropped[2] = self.dropped[2].saturating_add(1);
                self.event(EventKind::UnknownNeighbor(PortId::default()));
            }
            PimAct::Denied => {
                self.dropped[2] = self.dropped[2].saturating_add(1);
                self.event(EventKind::Denied(PortId::default()));
            }
            PimAct::GroupLimit => self.event(EventKind::GroupLimit(PortId::default())),
            PimAct::Bidir => self.event(EventKind::BidirFlooding),
            PimAct::JoinSuppression => self.event(EventKind::JoinSuppression),
        }
    }

    /// The entries of a flow: its own, and those of its group where it is all of it.
    fn flow_changed(&mut self, source: Option<IpAddr>, group: IpAddr) {
        match source {
            None => self.group_changed(group),
            Some(_) => self.key_changed(source, group),
        }
    }

    fn key_changed(&mut self, source: Option<IpAddr>, group: IpAddr) {
        let key = match self.config.keying {
            Keying::Mac => Some(VsiGroupKey::Mac(group_mac(group))),
            Keying::Ip => flow_key(source, group),
        };
        self.acts.extend(key.map(Act::Changed));
    }

    fn group_changed(&mut self, group: IpAddr) {
        self.key_changed(None, group);
        for source in self.sources_of(group) {
            self.key_changed(Some(source), group);
        }
    }

    /// Sources of a group that are told apart.
    fn sources_of(&self, group: IpAddr) -> BTreeSet<IpAddr> {
        let mut sources: BTreeSet<IpAddr> = self.members.0.get(&group).into_iter().flat_map(|g| g.sources()).collect();
        sources.extend(self.statics.range((group, None, PortId(0))..).take_while(|s| s.0 == group).filter_map(|s| s.1));
        sources.extend(self.filters.iter().filter(|f| f.0 == group).filter_map(|f| f.1));
        sources.extend(self.pim.flows().into_iter().filter_map(|flow| match flow {
            Flow::Source(source, of) | Flow::Rpt(source, of) if of == group => Some(source),
            _ => None,
        }));
        sources
    }

    /// Groups with any state.
    fn groups(&self) -> BTreeSet<IpAddr> {
        let mut groups: BTreeSet<IpAddr> = self.members.0.keys().copied().collect();
        groups.extend(self.pim.flows().into_iter().map(Flow::group));
        groups.extend(self.statics.iter().map(|s| s.0));
        groups.extend(self.filters.iter().map(|f| f.0));
        groups.extend(&self.newer);
        groups
    }

    /// Ports towards routers have changed: they are in every entry.
    pub(crate) fn everything_changed(&mut self) {
        self.acts.push(Act::Unregistered);
        for group in self.groups() {
            self.group_changed(group);
        }
    }

    /// Where multicast without an entry goes, of these ports: towards routers, where routers are known or we ask ourselves;
    /// everywhere, while nobody could have reported.
    pub(crate) fn unregistered(&self, receiving: &Ports) -> Ports {
        let routers = self.router_ports();
        let asks = self.config.querier4.is_some() && self.config.querier6.is_some();
        if !self.is_settled || (routers.is_empty() && !asks) {
            return receiving.clone();
        }
        let inactive = |port: &&PortId| self.ports.get(port).is_none_or(|state| !state.config.active);
        let is_limited = !self.config.groups.is_empty() || !self.config.macs.is_empty();
        let goes = |port: &&PortId| is_limited || routers.contains(port) || inactive(port);
        receiving.iter().filter(goes).copied().collect()
    }

    /// Where frames of an entry go; none: there is no such entry.
    pub(crate) fn ports_of(&self, key: VsiGroupKey) -> Option<Ports> {
        match key {
            VsiGroupKey::Mac(mac) => {
                let groups = self.groups().into_iter().filter(|group| group_mac(*group) == mac);
                let each = groups.filter_map(|group| self.flow_ports(None, group));
                each.reduce(|mut all, ports| {
                    all.extend(ports);
                    all
                })
            }
            VsiGroupKey::Ip(_) => {
                let (source, group) = key_flow(key)?;
                self.flow_ports(source, group)
            }
        }
    }

    fn flow_ports(&self, source: Option<IpAddr>, group: IpAddr) -> Option<Ports> {
        let origin = self.origin(source, group);
        let is_newer = self.newer.contains(&group);
        if origin == Origin::default() && !is_newer {
            return None;
        }
        if is_newer || !self.is_settled {
            return Some(self.ports.keys().copied().collect());
        }
        let mut ports = Ports::new();
        if let Some(members) = self.members.0.get(&group) {
            ports.extend(if self.config.keying == Keying::Mac { members.every() } else { members.wanting(source) });
        }
        if origin.pim {
            ports.extend(self.pim.outgoing(source, group));
        }
        if !origin.pim || self.pim.has_bidir() {
            ports.extend(self.router_ports());
        }
        let statics = self.statics.range((group, None, PortId(0))..).take_while(|s| s.0 == group);
        ports.extend(statics.filter(|s| s.1.is_none() || s.1 == source).map(|s| s.2));
        ports.extend(self.ports.iter().filter(|(_, state)| !state.config.active).map(|(port, _)| *port));
        Some(ports)
    }

    /// Where the entry of a flow comes from; nowhere: there is none.
    #[must_use]
    pub fn origin(&self, source: Option<IpAddr>, group: IpAddr) -> Origin {
        let members = self.members.0.get(&group);
        let membership = members.is_some_and(|members| match source {
            None => !members.any.is_empty() || (self.config.keying == Keying::Mac),
            Some(source) => members.include.contains_key(&source) || members.exclude.contains_key(&source),
        });
        let flows = |flow: Flow| self.pim.flows().contains(&flow);
        let pim = match source {
            None => flows(Flow::Any(group)),
            Some(source) => flows(Flow::Source(source, group)) || flows(Flow::Rpt(source, group)),
        };
        let configured =
            self.statics.iter().any(|s| (s.0, s.1) == (group, source)) || self.filters.contains(&(group, source));
        Origin { membership, pim: pim || (membership && self.pim.has(source, group)), configured }
    }

    /// Whether a customer's port wants a flow: with no group, any; with no source, any of the group.
    pub(crate) fn is_wanted_here(&self, source: Option<IpAddr>, group: Option<IpAddr>) -> bool {
        let is_here = |port: &PortId| self.ports.get(port).is_some_and(|state| state.kind != PortKind::Mesh);
        self.groups().into_iter().filter(|g| group.is_none_or(|group| *g == group)).any(|g| {
            let sources = self.sources_of(g);
            let any = self.flow_members(None, g).iter().any(is_here);
            any || sources
                .into_iter()
                .filter(|s| source.is_none_or(|source| *s == source))
                .any(|s| self.flow_members(Some(s), g).iter().any(is_here))
        })
    }

    /// Who wants a flow, without the ports that get everything.
    pub(crate) fn flow_members(&self, source: Option<IpAddr>, group: IpAddr) -> Ports {
        let mut ports = self.members.0.get(&group).map(|members| members.wanting(source)).unwrap_or_default();
        if self.pim.has(source, group) {
            ports.extend(self.pim.outgoing(source, group));
        }
        let statics = self.statics.iter().filter(|s| s.0 == group && (s.1.is_none() || s.1 == source));
        ports.extend(statics.map(|s| s.2));
        ports
    }

    /// Flows with an entry.
    pub fn flows(&self) -> Vec<(Option<IpAddr>, IpAddr)> {
        let mut flows = Vec::new();
        for group in self.groups() {
            let sources = self.sources_of(group).into_iter().map(Some);
            let every = [None].into_iter().chain(sources);
            flows.extend(every.filter(|s| self.origin(*s, group) != Origin::default()).map(|s| (s, group)));
        }
        flows
    }

    /// Neighbours of PIM.
    pub fn neighbors(&self) -> impl Iterator<Item = (&IpAddr, &Neighbor)> {
        self.pim.neighbors()
    }

    /// The records that say what ports other than these want of a group: to pseudowires of the mesh, without what others of the mesh
    /// want.
    fn record(&self, group: IpAddr, but: &Ports, to_mesh: bool) -> (RecordType, Vec<IpAddr>) {
        let is_counted = |port: &PortId| !(but.contains(port) || to_mesh && self.is_mesh(*port));
        let Some(members) = self.members.0.get(&group) else { return (RecordType::TO_INCLUDE, Vec::new()) };
        if members.any.iter().any(is_counted) {
            return (RecordType::TO_EXCLUDE, Vec::new());
        }
        let wanted = members.include.iter().filter(|(_, ports)| ports.iter().any(is_counted));
        (RecordType::TO_INCLUDE, wanted.map(|(source, _)| *source).collect())
    }

    /// Reports a group's state upstream, for all who are members of it (RFC 4541 §2.1.1 (2)).
    fn report(&mut self, port: PortId, group: IpAddr) {
        let (mesh, others): (Ports, Ports) = self.upstream(port).into_iter().partition(|at| self.is_mesh(*at));
        for (to, to_mesh) in [(mesh, true), (others, false)] {
            let (kind, sources) = self.record(group, &Ports::new(), to_mesh);
            let records = [(kind, group, sources)];
            match group {
                _ if to.is_empty() => {}
                IpAddr::V4(_) => self.send_reports::<Ipv4Addr>(&records, to, &[]),
                IpAddr::V6(_) => self.send_reports::<Ipv6Addr>(&records, to, &[]),
            }
        }
    }

    /// A pseudowire has begun to forward: its other end is told at once what is wanted here.
    pub(crate) fn replay(&mut self, now: Instant, port: PortId) {
        self.now = now;
        let to: Ports = [port].into();
        self.answer::<Ipv4Addr>(&to, &[]);
        self.answer::<Ipv6Addr>(&to, &[]);
    }

    /// Reports the state of all groups to ports.
    fn answer<A: Family>(&mut self, to: &Ports, tags: &[u8]) {
        let current =
            |kind| if kind == RecordType::TO_EXCLUDE { RecordType::IS_EXCLUDE } else { RecordType::IS_INCLUDE };
        let of_family = |group: &&IpAddr| A::from_ip(**group).is_some();
        let to_mesh = to.iter().any(|port| self.is_mesh(*port));
        let groups: Vec<IpAddr> = self.members.0.keys().filter(of_family).copied().collect();
        let records = groups.into_iter().filter_map(|group| {
            let (kind, sources) = self.record(group, to, to_mesh);
            (kind == RecordType::TO_EXCLUDE || !sources.is_empty()).then(|| (current(kind), group, sources))
        });
        let records: Vec<_> = records.collect();
        self.send_reports::<A>(&records, to.clone(), tags);
    }

    fn send_reports<A: Family>(&mut self, records: &[(RecordType, IpAddr, Vec<IpAddr>)], to: Ports, tags: &[u8]) {
        let (protocol, destination): (_, IpAddr) =
            (if A::BITS == 32 { Protocol::Igmp } else { Protocol::Mld }, A::ALL_REPORT_ROUTERS.into());
        // RFC 4541 §2.1.1: a switch reports without an address, so that no other takes the report for its own.
        let source = A::UNSPECIFIED;
        for message in gmp::reports::<A>(records, source) {
            let frame = build(self.config.mac, tags, protocol, source.into(), destination, &message);
            self.acts.push(Act::Send(to.clone(), frame));
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
        let ports: Vec<PortId> = self.ports.keys().copied().collect();
        ports.into_iter().for_each(|port| self.release(port));
        let over: Vec<Damped> = self.held.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.held.remove(&key);
            if let Some(damper) = &mut self.damper {
                damper.reuse(now, &key);
            }
            let (group, want, port) = key;
            self.members.set(group, want, port, false);
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
        let machines = [self.igmp.next_timeout(), self.mld.next_timeout(), self.pim.next_timeout(), settle, proxy];
        let quarantines = self.ports.values().filter_map(|state| state.quarantine);
        let times = self.routers.values().chain(self.held.values()).copied().chain(quarantines);
        machines.into_iter().flatten().chain(times).min()
    }

    /// Whether a port is in quarantine.
    #[must_use]
    pub fn is_quarantined(&self, port: PortId) -> bool {
        self.ports.get(&port).is_some_and(|state| state.quarantine.is_some())
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

/// A group that may be joined: not of link scope, and of the SSM range only with a source.
fn is_joinable(source: Option<IpAddr>, group: IpAddr) -> bool {
    use mvpn::address::Address;
    let (is_link, is_ssm) = match group {
        IpAddr::V4(group) => (group.is_link_scope_group(), group.is_ssm_group()),
        IpAddr::V6(group) => (group.is_link_scope_group(), group.is_ssm_group()),
    };
    !is_link && (!is_ssm || source.is_some())
}

/// The machine of an address family.
pub(crate) trait Routers<A: Family> {
    fn router(&mut self) -> &mut GmpRouter<A>;
}

impl Routers<Ipv4Addr> for Snooper {
    fn router(&mut self) -> &mut GmpRouter<Ipv4Addr> {
        &mut self.igmp
    }
}

impl Routers<Ipv6Addr> for Snooper {
    fn router(&mut self) -> &mut GmpRouter<Ipv6Addr> {
        &mut self.mld
    }
}
