//! The machine of a PE: instances, what comes in and goes out, and in which order things are settled.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::IpAddr;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, NhlfeId, PortId, VsiId};
use fwd_core::op::{FwdOp, LinkLocal, NextHop, Tags, Vsi, VsiGroupKey};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::{HashMap, HashSet};

use crate::bgp::{McastKey, RouteKey, Tunnel};
use crate::config::{ConfigError, PeConfig, VsiConfig};
use crate::event::{EventKind, Events};
use crate::fault::Faults;
use crate::import::Interest;
use crate::io::{Input, Output, PwId};
use crate::multicast::RootedTree;
use crate::oam::{Alarms, Usage};
use crate::police::Bucket;
use crate::pool::Pool;
use crate::probe::Probes;
use crate::program::Program;
use crate::snoop::Snooper;
use crate::vsi::{Domain, Instance, PwKey, Route};

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
    /// Answers to a probe have had their time.
    Probe(u32),
}

/// What is to be settled: of one instance after the other, of each in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dirty {
    /// Ports, labels and entries of an instance.
    Ports(VsiId),
    /// Where the domains of an instance flood.
    Flood(VsiId),
    /// A group entry of a domain.
    Group(VsiId, VsiId, VsiGroupKey),
    /// What multicast an instance may send, so that its copies stay within their budget.
    Copies(VsiId),
    /// Which of other PEs' trees an instance is a leaf of.
    Leaves(VsiId),
    /// Routes of an instance.
    Advertise(VsiId),
}

impl Dirty {
    /// The instance, which comes first so that what is in reach of one is settled together, and the place in its order.
    const fn order(&self) -> (u16, u8) {
        match self {
            Self::Ports(vsi) => (vsi.0, 0),
            Self::Flood(vsi) => (vsi.0, 1),
            Self::Group(vsi, ..) => (vsi.0, 2),
            Self::Copies(vsi) => (vsi.0, 3),
            Self::Leaves(vsi) => (vsi.0, 4),
            Self::Advertise(vsi) => (vsi.0, 5),
        }
    }
}

impl Ord for Dirty {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order()).then_with(|| match (self, other) {
            (Self::Group(_, domain, key), Self::Group(_, other, other_key)) => (domain, key).cmp(&(other, other_key)),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Dirty {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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
    pub(crate) vsis: BTreeMap<VsiId, Box<Instance>>,
    /// The instance of each port, and the domain of each qualified VLAN.
    pub(crate) ports: BTreeMap<PortId, VsiId>,
    /// The circuit of each interface and tags.
    pub(crate) circuits: BTreeMap<(IfIndex, Tags), PortId>,
    pub(crate) domains: BTreeMap<VsiId, VsiId>,
    pub(crate) targets: BTreeMap<RouteTarget, BTreeSet<VsiId>>,
    pub(crate) rds: BTreeMap<RouteDistinguisher, VsiId>,
    pub(crate) routes: HashMap<RouteKey, Arc<Route>>,
    /// Routes by what makes them an instance's.
    pub(crate) interests: BTreeMap<Interest, HashSet<RouteKey>>,
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
    pub(crate) faults: Faults,
    pub(crate) probes: Probes,
}

/// Frames of control protocols that wait to be sent; more are dropped.
const MAX_FRAMES: usize = 65_536;

impl VplsPe {
    /// A PE without instances.
    ///
    /// # Errors
    /// A range of numbers that is empty, or a channel type that is not for experiments.
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
        if config.probe_channel.is_some_and(|channel| !crate::probe::CHANNELS.contains(&channel)) {
            return Err(ConfigError::Channel);
        }
        Ok(Self {
            now,
            vsis: BTreeMap::new(),
            ports: BTreeMap::new(),
            circuits: BTreeMap::new(),
            domains: BTreeMap::new(),
            targets: BTreeMap::new(),
            rds: BTreeMap::new(),
            routes: HashMap::new(),
            interests: BTreeMap::new(),
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
            faults: Faults::default(),
            probes: Probes::new(now),
            config,
        })
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
            Input::Channel { port, octets } => self.channel(port, octets),
            Input::Traced { trace, exits, verdict } => self.traced(trace, exits, verdict.as_ref()),
            Input::Refused(op) => self.refused(&op),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.faults.handle_timeout(now);
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
                Timer::Probe(id) => self.probe_over(id),
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
            if let Some(notice) = self.faults.poll() {
                return Some(Output::Fault(notice));
            }
            return self.events.pop().map(Output::Event);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Inputs, timeouts and the operator's methods change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout().into_iter().chain(self.faults.next_timeout()).min()
    }

    /// Faults that are open: identifier, cause, and whom they concern.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    fn settle(&mut self, dirty: Dirty) {
        match dirty {
            Dirty::Ports(vsi) => self.settle_ports(vsi),
            Dirty::Flood(vsi) => self.settle_flood(vsi),
            Dirty::Group(vsi, domain, key) => self.settle_group(vsi, domain, key),
            Dirty::Copies(vsi) => self.settle_copies(vsi),
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
        let of_peer = |instance: &Instance| instance.pws.to(peer).next().is_some();
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
            multicast_mtu: instance.config.multicast_mtu.unwrap_or(0),
            snoop: domain.snooper.is_some(),
            link_local: if domain.snooper.as_deref().is_some_and(Snooper::watches_bridging) {
                LinkLocal::Punt
            } else {
                instance.config.link_local
            },
            sequence: false,
            classes: instance.config.classes,
        }
    }

    /// How much of what an instance uses.
    #[must_use]
    pub fn usage(&self, vsi: VsiId) -> Option<Usage> {
        self.vsis.get(&vsi).map(|instance| Usage::of(instance))
    }

    /// Events since the start, those not handed out among them.
    #[must_use]
    pub const fn event_count(&self) -> u64 {
        self.events.total()
    }
}

impl Timer {
    pub(crate) const fn is_of(&self, of: VsiId) -> bool {
        match self {
            Self::Blocks(vsi)
            | Self::HoldDown(vsi)
            | Self::Revert(vsi, _)
            | Self::Withdraw(vsi)
            | Self::Snoop(vsi, _)
            | Self::Binding(vsi, _)
            | Self::Loop(vsi, _)
            | Self::Unrestored(vsi, _) => vsi.0 == of.0,
            Self::Probe(_) => false,
        }
    }
}

/// The entry of a pseudowire.
pub(crate) const fn nhlfe_id(id: u32) -> NhlfeId {
    NhlfeId(id)
}
