//! The machine of a PE: instances, what comes in and goes out, and in which order things are settled.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{Mac, NhlfeId, PolicerId, PortId, ReplicationId, VsiId};
use fwd_core::op::{Attachment, BridgePort, FwdOp, NextHop, PolicePoint, TrafficType, Vsi, VsiGroupKey};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use crate::bgp::{McastKey, Nlri, RouteKey, Tunnel};
use crate::config::{CircuitConfig, ConfigError, PeConfig, VsiConfig};
use crate::event::{EventKind, Events};
use crate::io::{Input, Output, PwId};
use crate::multicast::RootedTree;
use crate::oam::{Alarms, Usage};
use crate::police::{Bucket, TypeRates};
use crate::pool::Pool;
use crate::program::Program;
use crate::snoop::Snooper;
use crate::vsi::{Circuit, Domain, Forwarder, Instance, PwKey, Route};

/// A timer of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// VEs of an instance have had time to become known.
    Blocks(VsiId),
    /// A multi-homed site takes over.
    HoldDown(VsiId),
    /// A better spoke of a group is taken again.
    Revert(VsiId, u16),
    /// MAC withdrawals that were gathered go out.
    Withdraw(VsiId),
    /// A snooper of an instance has something to do.
    Snoop(VsiId, VsiId),
    /// A binding goes on to its next state.
    Binding(VsiId, McastKey),
    /// A port blocked for a loop is tried again.
    Loop(VsiId, PortId),
    /// A PE has been without its tree for half of the shortest hold time.
    Unrestored(VsiId, IpAddr),
}

/// What is to be settled, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dirty {
    /// Ports, labels and entries of an instance.
    Ports(VsiId),
    /// Where the domains of an instance flood.
    Flood(VsiId),
    /// A group entry of a domain.
    Group(VsiId, VsiId, VsiGroupKey),
    /// Which of other PEs' trees an instance is a leaf of.
    Leaves(VsiId),
    /// Routes of an instance.
    Advertise(VsiId),
}

/// Numbers that instances share.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub(crate) labels: Pool,
    pub(crate) tree_labels: Pool,
    pub(crate) ports: Pool,
    pub(crate) nhlfes: Pool,
    pub(crate) groups: Pool,
    pub(crate) policers: Pool,
}

/// The way to a PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) next: NextHop,
    pub(crate) mtu: u16,
}

/// A PE's virtual switch instances.
///
/// ```
/// use bgp_vpn::nlri::RouteDistinguisher;
/// use fwd_core::net::{IfIndex, VsiId};
/// use fwd_core::op::{FwdOp, Tags};
/// use fwd_core::time::Instant;
/// use vpls::{CircuitConfig, Output, PeConfig, VplsPe, VsiConfig};
///
/// let now = Instant::ZERO;
/// let mut pe = VplsPe::new(now, PeConfig::new([192, 0, 2, 1].into()))?;
/// pe.add_vsi(now, VsiConfig::new(VsiId(1), RouteDistinguisher::two_octet_as(65000, 1)))?;
/// let port = pe.add_circuit(now, VsiId(1), CircuitConfig::new(IfIndex(3), Tags::Any))?;
/// let is_port = |output| matches!(output, Output::Program(FwdOp::SetPort { id, .. }) if id == port);
/// assert!(std::iter::from_fn(|| pe.poll_output()).any(is_port));
/// # Ok::<(), vpls::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct VplsPe {
    pub(crate) config: PeConfig,
    pub(crate) now: Instant,
    pub(crate) vsis: BTreeMap<VsiId, Instance>,
    /// The instance of each port, and the domain of each qualified VLAN.
    pub(crate) ports: BTreeMap<PortId, VsiId>,
    pub(crate) domains: BTreeMap<VsiId, VsiId>,
    pub(crate) targets: BTreeMap<RouteTarget, BTreeSet<VsiId>>,
    pub(crate) rds: BTreeMap<RouteDistinguisher, VsiId>,
    pub(crate) routes: BTreeMap<RouteKey, Arc<Route>>,
    pub(crate) transports: BTreeMap<IpAddr, Transport>,
    pub(crate) trees: BTreeMap<Tunnel, RootedTree>,
    pub(crate) next_tree: u32,
    pub(crate) pools: Pools,
    pub(crate) program: Program,
    pub(crate) out: VecDeque<Output>,
    pub(crate) frames: usize,
    pub(crate) dirty: BTreeSet<Dirty>,
    pub(crate) timers: Timers<Timer>,
    pub(crate) events: Events,
    pub(crate) records: Bucket,
    pub(crate) switches: Bucket,
    pub(crate) withdraw_rates: BTreeMap<IpAddr, Bucket>,
    pub(crate) alarms: Alarms,
}

/// Frames of control protocols that wait to be sent; more are dropped.
const MAX_FRAMES: usize = 65_536;

impl VplsPe {
    /// A PE without instances.
    ///
    /// # Errors
    /// A range of numbers that is empty.
    pub fn new(now: Instant, config: PeConfig) -> Result<Self, ConfigError> {
        let pool = |range, name| {
            let pool = Pool::new(range);
            if pool.free() == 0 { Err(ConfigError::Exhausted(name)) } else { Ok(pool) }
        };
        let pools = Pools {
            labels: pool(&config.labels, "labels")?,
            tree_labels: pool(&config.tree_labels, "tree_labels")?,
            ports: pool(&config.ports, "ports")?,
            nhlfes: pool(&config.nhlfes, "nhlfes")?,
            groups: pool(&config.groups, "groups")?,
            policers: pool(&config.policers, "policers")?,
        };
        let limits = config.limits;
        Ok(Self {
            now,
            vsis: BTreeMap::new(),
            ports: BTreeMap::new(),
            domains: BTreeMap::new(),
            targets: BTreeMap::new(),
            rds: BTreeMap::new(),
            routes: BTreeMap::new(),
            transports: BTreeMap::new(),
            trees: BTreeMap::new(),
            next_tree: 0,
            pools,
            program: Program::default(),
            out: VecDeque::new(),
            frames: 0,
            dirty: BTreeSet::new(),
            timers: Timers::new(),
            events: Events::new(limits.event_interval),
            records: Bucket::new(now, limits.records_per_second, limits.records_per_second),
            switches: Bucket::new(now, limits.tree_switches_per_second, limits.tree_switches_per_second),
            withdraw_rates: BTreeMap::new(),
            alarms: Alarms::default(),
            config,
        })
    }

    /// Adds an instance.
    ///
    /// # Errors
    /// A field that cannot be, an instance that is there already, or no numbers left.
    pub fn add_vsi(&mut self, now: Instant, config: VsiConfig) -> Result<(), ConfigError> {
        self.now = now;
        config.check()?;
        let own = [(None, config.vsi)];
        let qualified = config.qualified.iter().map(|(vlan, domain)| (Some(*vlan), *domain));
        let wanted: Vec<_> = own.into_iter().chain(qualified).collect();
        let distinct: BTreeSet<VsiId> = wanted.iter().map(|(_, domain)| *domain).collect();
        if distinct.len() < wanted.len() || distinct.iter().any(|domain| self.domains.contains_key(domain)) {
            return Err(ConfigError::VsiExists);
        }
        let mut domains = BTreeMap::new();
        for (vlan, domain) in wanted {
            domains.insert(domain, self.new_domain(&config, vlan)?);
        }
        for domain in domains.keys() {
            self.domains.insert(*domain, config.vsi);
        }
        for target in &config.import {
            self.targets.entry(*target).or_default().insert(config.vsi);
        }
        self.rds.insert(config.rd, config.vsi);
        let (vsi, ve) = (config.vsi, config.ve);
        let forwarder = match ve {
            Some(ve) if ve.multi_homed => {
                self.timers.set(Timer::HoldDown(vsi), now + ve.hold_down);
                Forwarder::Pending
            }
            _ => Forwarder::Designated,
        };
        self.timers.set(Timer::Blocks(vsi), now + BLOCK_WAIT);
        let instance = Instance {
            circuits: BTreeMap::new(),
            pws: BTreeMap::new(),
            legs: BTreeMap::new(),
            domains,
            routes: BTreeMap::new(),
            blocks: Vec::new(),
            blocks_ready: false,
            forwarder,
            advertised: BTreeMap::new(),
            withdrawals: BTreeMap::new(),
            policers: Vec::new(),
            bindings: BTreeMap::new(),
            joined: BTreeMap::new(),
            loops: crate::oam::LoopWatch::default(),
            carried: crate::oam::Carried::default(),
            admitted: BTreeMap::new(),
            rates: BTreeMap::new(),
            created: now,
            config,
        };
        self.vsis.insert(vsi, instance);
        let known: Vec<Arc<Route>> = self.routes.values().cloned().collect();
        for route in known {
            self.import(vsi, &route);
        }
        self.police_vsi(vsi)?;
        self.start_inclusive(vsi);
        self.snoop_timers(vsi);
        self.touch(vsi);
        Ok(())
    }

    fn new_domain(&mut self, config: &VsiConfig, vlan: Option<fwd_core::net::VlanId>) -> Result<Domain, ConfigError> {
        let mut group = || self.pools.groups.one().map(ReplicationId).ok_or(ConfigError::Exhausted("groups"));
        let (all, unknown, multicast) = (group()?, group()?, group()?);
        let wants = |snoop: &&crate::snoop::SnoopConfig| snoop.is_for(vlan);
        let snooper = match config.snoop.as_ref().filter(wants) {
            Some(snoop) => Some(Snooper::new(self.now, snoop, config).map_err(ConfigError::Snoop)?),
            None => None,
        };
        Ok(Domain { vlan, all, unknown, multicast, snooper, entries: BTreeMap::new() })
    }

    /// Removes an instance with its circuits and pseudowires.
    ///
    /// # Errors
    /// No such instance.
    pub fn remove_vsi(&mut self, now: Instant, vsi: VsiId) -> Result<(), ConfigError> {
        self.now = now;
        let instance = self.vsis.get(&vsi).ok_or(ConfigError::NoVsi)?;
        let circuits: Vec<PortId> = instance.circuits.keys().copied().collect();
        let pws: Vec<PwKey> = instance.pws.keys().cloned().collect();
        let bindings: Vec<McastKey> = instance.bindings.keys().copied().collect();
        for port in circuits {
            self.remove_circuit(now, port)?;
        }
        for key in pws {
            self.drop_pw(vsi, &key);
        }
        for key in bindings {
            self.drop_binding(vsi, &key);
        }
        self.leave_trees(vsi);
        let Some(instance) = self.vsis.remove(&vsi) else { return Err(ConfigError::NoVsi) };
        for (key, route) in instance.advertised {
            self.out.push_back(Output::Withdraw(key, route.nlri));
        }
        for block in instance.blocks {
            self.pools.labels.give(block.base.value(), block.size.into());
        }
        self.unpolice(&instance.policers, |traffic| PolicePoint::Vsi(vsi, traffic));
        for (id, domain) in instance.domains {
            for (key, group) in domain.entries {
                self.program.entry(id, key, None);
                self.program.group(group, id, None);
                self.pools.groups.give(group.0, 1);
            }
            if let Some(vlan) = domain.vlan {
                self.program.domain(vsi, vlan, None);
            }
            self.program.vsi(id, None);
            for group in [domain.all, domain.unknown, domain.multicast] {
                self.program.group(group, id, None);
                self.pools.groups.give(group.0, 1);
            }
            self.timers.clear(Timer::Snoop(vsi, id));
            self.domains.remove(&id);
        }
        for target in &instance.config.import {
            if let Some(vsis) = self.targets.get_mut(target) {
                vsis.remove(&vsi);
            }
        }
        self.rds.remove(&instance.config.rd);
        for timer in [Timer::Blocks(vsi), Timer::HoldDown(vsi), Timer::Withdraw(vsi)] {
            self.timers.clear(timer);
        }
        self.timers.retain(|timer| !timer.is_of(vsi));
        Ok(())
    }

    /// Adds an attachment circuit, which is up; its bridge port.
    ///
    /// # Errors
    /// No such instance, tags in use, a limit, or no numbers left.
    pub fn add_circuit(&mut self, now: Instant, vsi: VsiId, config: CircuitConfig) -> Result<PortId, ConfigError> {
        self.now = now;
        let in_use = |c: &Circuit| (c.config.iface, c.config.tags) == (config.iface, config.tags);
        if self.vsis.values().any(|instance| instance.circuits.values().any(in_use)) {
            return Err(ConfigError::CircuitExists);
        }
        let instance = self.vsis.get_mut(&vsi).ok_or(ConfigError::NoVsi)?;
        if instance.circuits.len() >= instance.config.limits.circuits {
            return Err(ConfigError::TooManyCircuits);
        }
        let port = self.pools.ports.one().map(PortId).ok_or(ConfigError::Exhausted("ports"))?;
        let mut rates = config.rates;
        if !config.snoop.emits {
            rates.multicast = Some(crate::police::Rate::ZERO);
        }
        instance.leg(port);
        instance.circuits.insert(port, Circuit { config, up: true, looped: false, policers: Vec::new() });
        self.ports.insert(port, vsi);
        self.touch(vsi);
        self.settle_all(Dirty::Ports(vsi));
        let policers = self.police(&rates, |traffic| PolicePoint::Port(port, traffic))?;
        if let Some(circuit) = self.vsis.get_mut(&vsi).and_then(|i| i.circuits.get_mut(&port)) {
            circuit.policers = policers;
        }
        self.add_snooped_port(vsi, port);
        Ok(port)
    }

    /// Removes an attachment circuit.
    ///
    /// # Errors
    /// No such circuit.
    pub fn remove_circuit(&mut self, now: Instant, port: PortId) -> Result<(), ConfigError> {
        self.now = now;
        let vsi = *self.ports.get(&port).ok_or(ConfigError::NoCircuit)?;
        let instance = self.vsis.get_mut(&vsi).ok_or(ConfigError::NoVsi)?;
        let circuit = instance.circuits.remove(&port).ok_or(ConfigError::NoCircuit)?;
        self.remove_snooped_port(vsi, port);
        self.unpolice(&circuit.policers, |traffic| PolicePoint::Port(port, traffic));
        self.forget_port(vsi, port);
        self.touch(vsi);
        Ok(())
    }

    /// A port is gone: out of every group first, then out of the table.
    pub(crate) fn forget_port(&mut self, vsi: VsiId, port: PortId) {
        self.settle_all(Dirty::Flood(vsi));
        self.regroup_all(vsi);
        self.program.port(port, None);
        self.ports.remove(&port);
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.legs.remove(&port);
        }
        self.pools.ports.give(port.0, 1);
    }

    /// A static address: never aged, moved or flushed. `None` removes it.
    ///
    /// # Errors
    /// No such instance, or a port that is not its.
    pub fn set_mac(&mut self, now: Instant, vsi: VsiId, mac: Mac, port: Option<PortId>) -> Result<(), ConfigError> {
        self.now = now;
        if !self.vsis.contains_key(&vsi) {
            return Err(ConfigError::NoVsi);
        }
        if port.is_some_and(|port| self.ports.get(&port) != Some(&vsi)) {
            return Err(ConfigError::NoCircuit);
        }
        self.program.mac(vsi, mac, port);
        Ok(())
    }

    /// Takes an input. It never fails: what a peer or customer does wrong is counted and becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Route { nlri, attributes } => self.route(nlri, attributes),
            Input::Refresh => self.refresh(),
            Input::Transport { peer, next, mtu } => self.transport(peer, next, mtu),
            Input::Pw { id, event } => self.pw_event(&id, event),
            Input::MacWithdraw { id, macs, negative } => self.mac_withdrawn(&id, macs, negative),
            Input::Circuit { port, up } => self.circuit_state(port, up),
            Input::Frame { port, octets } => self.frame(port, octets),
            Input::Tree(event) => self.tree_event(event),
            Input::Rate { vsi, source, group, bits_per_second } => self.rate(vsi, source, group, bits_per_second),
            Input::Moved { vsi, mac, from, to } => self.moved(vsi, mac, from, to),
            Input::Refused(op) => self.refused(&op),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Blocks(vsi) => self.blocks_due(vsi),
                Timer::HoldDown(vsi) => self.take_over(vsi),
                Timer::Revert(vsi, group) => self.elect_spoke(vsi, group, true),
                Timer::Withdraw(vsi) => self.send_withdrawals(vsi),
                Timer::Snoop(vsi, domain) => self.snoop_timeout(vsi, domain),
                Timer::Binding(vsi, key) => self.binding_timeout(vsi, &key),
                Timer::Loop(vsi, port) => self.loop_over(vsi, port),
                Timer::Unrestored(vsi, peer) => self.unrestored(vsi, peer),
            }
        }
    }

    /// The next output; `None` when there is none. The forwarding plane is changed before what depends on it is advertised.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(op) = self.program.pop() {
                return Some(Output::Program(op));
            }
            if let Some(dirty) = self.dirty.pop_first() {
                self.settle(dirty);
                continue;
            }
            if let Some(output) = self.out.pop_front() {
                if matches!(output, Output::Frame { .. }) {
                    self.frames = self.frames.saturating_sub(1);
                }
                return Some(output);
            }
            return self.events.pop().map(Output::Event);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Inputs, timeouts and the operator's methods change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    fn settle(&mut self, dirty: Dirty) {
        match dirty {
            Dirty::Ports(vsi) => self.settle_ports(vsi),
            Dirty::Flood(vsi) => self.settle_flood(vsi),
            Dirty::Group(vsi, domain, key) => self.settle_group(vsi, domain, key),
            Dirty::Leaves(vsi) => self.settle_leaves(vsi),
            Dirty::Advertise(vsi) => self.settle_routes(vsi),
        }
    }

    /// Settles something at once.
    pub(crate) fn settle_all(&mut self, dirty: Dirty) {
        self.dirty.remove(&dirty);
        self.settle(dirty);
    }

    /// Everything of an instance may have changed.
    pub(crate) fn touch(&mut self, vsi: VsiId) {
        self.dirty.extend([Dirty::Ports(vsi), Dirty::Flood(vsi), Dirty::Leaves(vsi), Dirty::Advertise(vsi)]);
    }

    pub(crate) fn event(&mut self, vsi: VsiId, kind: EventKind) {
        self.events.push(self.now, Some(vsi), kind);
    }

    /// Sends a frame out of a port, unless too many wait.
    pub(crate) fn send(&mut self, port: PortId, octets: Vec<u8>) {
        if self.frames < MAX_FRAMES {
            self.frames = self.frames.saturating_add(1);
            self.out.push_back(Output::Frame { port, octets });
        }
    }

    fn refused(&mut self, op: &FwdOp) {
        self.program.refused(op);
        self.events.push(self.now, None, EventKind::Refused);
    }

    fn transport(&mut self, peer: IpAddr, next: Option<NextHop>, mtu: u16) {
        match next {
            Some(next) => drop(self.transports.insert(peer, Transport { next, mtu })),
            None => drop(self.transports.remove(&peer)),
        }
        let of_peer = |instance: &Instance| instance.pws.keys().any(|(to, _)| *to == peer);
        let vsis: Vec<VsiId> = self.vsis.iter().filter(|(_, i)| of_peer(i)).map(|(vsi, _)| *vsi).collect();
        vsis.into_iter().for_each(|vsi| self.touch(vsi));
    }

    fn circuit_state(&mut self, port: PortId, up: bool) {
        let Some(&vsi) = self.ports.get(&port) else { return };
        let Some(circuit) = self.vsis.get_mut(&vsi).and_then(|i| i.circuits.get_mut(&port)) else { return };
        if core::mem::replace(&mut circuit.up, up) == up {
            return;
        }
        if !up {
            // RFC 7361 §4: what was learned from us is elsewhere, if it is anywhere.
            self.withdraw_to_mesh(vsi, true, &[]);
        }
        self.touch(vsi);
        self.regroup(vsi);
    }

    /// The path to a PE carries the service MTU: frames have a header, a tag and up to four entries and words in front.
    pub(crate) fn path_mtu(&self, config: &VsiConfig, peer: IpAddr) -> Option<u16> {
        let mtu = self.transports.get(&peer).map(|t| t.mtu).filter(|mtu| *mtu > 0)?;
        let optional = |is_used: bool| if is_used { 4 } else { 0 };
        let overhead: u16 = 8 + 14 + 4 + optional(config.control_word) + optional(config.flow_label);
        Some(mtu.saturating_sub(overhead)).filter(|most| *most < config.mtu)
    }

    pub(crate) fn pw_id_key(id: &PwId) -> PwKey {
        (id.peer, id.service.clone())
    }

    /// The settings of a domain.
    pub(crate) fn domain_settings(instance: &Instance, domain: &Domain) -> Vsi {
        Vsi {
            unknown: Some(domain.unknown),
            broadcast: Some(domain.all),
            multicast: Some(domain.multicast),
            mac_limit: instance.config.limits.macs,
            age: instance.config.mac_age,
            snoop: domain.snooper.is_some(),
            link_local: instance.config.link_local,
        }
    }

    /// Programs the ports of an instance: those that are of use, and no others.
    fn settle_ports(&mut self, vsi: VsiId) {
        self.settle_pws(vsi);
        let Some(instance) = self.vsis.get(&vsi) else { return };
        for (id, domain) in &instance.domains {
            let limits_first = Self::domain_settings(instance, domain);
            self.program.vsi(*id, Some(limits_first));
            if let Some(vlan) = domain.vlan {
                self.program.domain(vsi, vlan, Some(*id));
            }
        }
        for (id, circuit) in &instance.circuits {
            let attachment = Attachment::Circuit { iface: circuit.config.iface, tags: circuit.config.tags };
            let port = BridgePort {
                vsi,
                attachment,
                split_horizon: 0,
                mac_limit: circuit.config.mac_limit.unwrap_or(instance.config.limits.macs_per_circuit),
                learn: true,
                control_word: false,
                flow_label: false,
                class: circuit.config.class,
            };
            self.program.port(*id, instance.forwards(circuit).then_some(port));
        }
        self.dirty.insert(Dirty::Flood(vsi));
    }

    /// Puts policers in front of types of traffic.
    pub(crate) fn police(
        &mut self,
        rates: &TypeRates,
        at: impl Fn(TrafficType) -> PolicePoint,
    ) -> Result<Vec<PolicerId>, ConfigError> {
        let mut ids = Vec::new();
        for (traffics, policer) in rates.policers() {
            let id = self.pools.policers.one().map(PolicerId).ok_or(ConfigError::Exhausted("policers"))?;
            self.program.policer(id, Some(policer));
            for traffic in traffics {
                self.program.point(at(traffic), Some(id));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    pub(crate) fn unpolice(&mut self, ids: &[PolicerId], at: impl Fn(TrafficType) -> PolicePoint) {
        if ids.is_empty() {
            return;
        }
        for traffic in TrafficType::ALL {
            self.program.point(at(traffic), None);
        }
        for id in ids {
            self.program.policer(*id, None);
            self.pools.policers.give(id.0, 1);
        }
    }

    fn police_vsi(&mut self, vsi: VsiId) -> Result<(), ConfigError> {
        let Some(rates) = self.vsis.get(&vsi).map(|i| i.config.rates) else { return Ok(()) };
        self.settle_all(Dirty::Ports(vsi));
        let policers = self.police(&rates, |traffic| PolicePoint::Vsi(vsi, traffic))?;
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.policers = policers;
        }
        Ok(())
    }

    /// A route of another PE has changed.
    fn route(&mut self, nlri: Nlri, attributes: Option<crate::bgp::RouteAttributes>) {
        let key = nlri.key();
        let own: IpAddr = self.config.router_id.into();
        if attributes.as_ref().is_some_and(|a| a.next_hop == own) {
            return; // Our own, reflected.
        }
        let old = self.routes.remove(&key);
        let new = attributes.map(|attributes| Arc::new(Route { nlri, attributes }));
        if let Some(new) = &new {
            if self.routes.len() >= self.config.limits.routes {
                self.events.push(self.now, None, EventKind::RouteLimit);
                return;
            }
            self.routes.insert(key, new.clone());
        }
        let mut vsis = BTreeSet::new();
        for route in [&old, &new].into_iter().flatten() {
            vsis.extend(self.importers(route));
        }
        for vsi in vsis {
            if let Some(instance) = self.vsis.get_mut(&vsi) {
                instance.routes.remove(&key);
            }
            if let Some(new) = &new {
                self.import(vsi, new);
            } else {
                self.route_changed(vsi, &nlri);
            }
        }
    }

    /// The instances that a route is for.
    fn importers(&self, route: &Route) -> Vec<VsiId> {
        if let Nlri::Leaf(key, _) = route.nlri {
            // RFC 7117 §8.3: the route target names us; the route distinguisher is that of our own route.
            let is_ours = key.originator == IpAddr::V4(self.config.router_id);
            return self.rds.get(&key.rd).copied().filter(|_| is_ours).into_iter().collect();
        }
        let of_target = |target| self.targets.get(target).into_iter().flatten().copied();
        route.attributes.targets.iter().flat_map(of_target).collect()
    }

    /// Gives an instance a route, if it is for it.
    fn import(&mut self, vsi: VsiId, route: &Arc<Route>) {
        let is_for = self.importers(route).contains(&vsi);
        if let Some(instance) = self.vsis.get_mut(&vsi).filter(|_| is_for) {
            instance.routes.insert(route.nlri.key(), route.clone());
        }
        self.route_changed(vsi, &route.nlri);
    }

    fn route_changed(&mut self, vsi: VsiId, nlri: &Nlri) {
        match *nlri {
            Nlri::Block { ve_id, .. } => self.ve_changed(vsi, ve_id),
            Nlri::Discovery { .. } => self.discovery_changed(vsi),
            Nlri::SPmsi(_) => drop(self.dirty.insert(Dirty::Leaves(vsi))),
            Nlri::Leaf(key, _) => self.leaves_changed(vsi, &key),
        }
        self.dirty.insert(Dirty::Advertise(vsi));
    }

    /// Advertises everything again.
    fn refresh(&mut self) {
        let all = self.vsis.values().flat_map(|instance| instance.advertised.values());
        self.out.extend(all.map(|route| Output::Advertise(route.nlri, route.attributes.clone())));
    }

    /// Advertises what is to be advertised, and withdraws the rest.
    fn settle_routes(&mut self, vsi: VsiId) {
        let mut wanted: BTreeMap<RouteKey, Route> = BTreeMap::new();
        for route in self.ve_routes(vsi).into_iter().chain(self.discovery_route(vsi)).chain(self.mcast_routes(vsi)) {
            wanted.insert(route.nlri.key(), route);
        }
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        for (key, route) in &instance.advertised {
            if !wanted.contains_key(key) {
                self.out.push_back(Output::Withdraw(*key, route.nlri));
            }
        }
        for (key, route) in &wanted {
            if instance.advertised.get(key) != Some(route) {
                self.out.push_back(Output::Advertise(route.nlri, route.attributes.clone()));
            }
        }
        instance.advertised = wanted;
    }

    /// How much of what an instance uses.
    #[must_use]
    pub fn usage(&self, vsi: VsiId) -> Option<Usage> {
        self.vsis.get(&vsi).map(Usage::of)
    }

    /// Events since the start, those not handed out among them.
    #[must_use]
    pub const fn event_count(&self) -> u64 {
        self.events.total()
    }
}

/// How long VEs may become known before labels are allocated.
const BLOCK_WAIT: Duration = Duration::from_secs(2);

impl Timer {
    const fn is_of(&self, of: VsiId) -> bool {
        match self {
            Self::Blocks(vsi)
            | Self::HoldDown(vsi)
            | Self::Revert(vsi, _)
            | Self::Withdraw(vsi)
            | Self::Snoop(vsi, _)
            | Self::Binding(vsi, _)
            | Self::Loop(vsi, _)
            | Self::Unrestored(vsi, _) => vsi.0 == of.0,
        }
    }
}

/// The entry of a pseudowire.
pub(crate) const fn nhlfe_id(id: u32) -> NhlfeId {
    NhlfeId(id)
}
