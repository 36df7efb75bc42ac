//! PIM snooping (RFC 8220): neighbours, Joins and Prunes by port, and the Joins that a proxy sends.

mod proxy;

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Mac, PortId};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use mvpn::pim::wire::{HelloOption, JoinPrune, SourceFlags};

use super::members::Ports;

/// What becomes of Joins and Prunes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PimMode {
    /// Snooping while every neighbour says that it does not suppress Joins, relaying otherwise (RFC 8220 §2.4.3).
    #[default]
    Auto,
    /// They go to ports of the upstream neighbours that they name, as they came.
    Relay,
    /// They end here; this machine sends its own.
    Proxy,
}

/// A PIM router (RFC 8220 §2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Where it is.
    pub port: PortId,
    /// Its MAC address.
    pub mac: Mac,
    /// Tags of its frames.
    pub tags: Vec<u8>,
    /// When it is forgotten; none: never.
    pub expires: Option<Instant>,
    /// Its hold time.
    pub holdtime: Duration,
    /// T bit: it tracks, and does not suppress Joins.
    pub tracking: bool,
    /// How long it may take to override a Prune.
    pub override_interval: Duration,
    /// How long messages travel, where it says so: the LAN Prune Delay option is present.
    pub propagation_delay: Option<Duration>,
    /// Its generation identifier.
    pub generation: Option<u32>,
    /// Since when it is known.
    pub since: Instant,
    /// DR priority; none: the option is absent.
    pub dr_priority: Option<u32>,
    /// Whether it can do BIDIR-PIM.
    pub bidir: bool,
    /// Moves between ports of late, since when, and until when it stays.
    moves: (u8, Instant, Instant),
}

/// Which flow a Join or Prune is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// (*,G)
    Any(IpAddr),
    /// (S,G)
    Source(IpAddr, IpAddr),
    /// (S,G,rpt)
    Rpt(IpAddr, IpAddr),
}

impl Flow {
    pub(crate) const fn group(self) -> IpAddr {
        match self {
            Self::Any(group) | Self::Source(_, group) | Self::Rpt(_, group) => group,
        }
    }
}

/// The key of a downstream machine: the flow, the port, and the upstream neighbour (RFC 8220 §2.6.2).
type Down = (Flow, PortId, IpAddr);

/// A downstream machine: of (*,G) and (S,G) Join, or Prune-Pending while `ppt` runs; of (S,G,rpt) Pruned, or Prune-Pending.
#[derive(Clone, Copy, Debug)]
struct Downstream {
    /// ET; none: for ever.
    expires: Option<Instant>,
    /// PPT.
    ppt: Option<Instant>,
    /// Of (*,G): the RP that the Join named.
    rp: IpAddr,
    /// Since when it is there.
    since: Instant,
}

/// A downstream machine as managed objects show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PimRoute {
    pub(crate) source: Option<IpAddr>,
    pub(crate) group: IpAddr,
    pub(crate) is_rpt: bool,
    pub(crate) upstream: IpAddr,
    pub(crate) port: PortId,
    pub(crate) since: Instant,
    pub(crate) expires: Option<Instant>,
    pub(crate) is_pending: bool,
}

/// What a Join/Prune or Hello does to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PimAct {
    Changed(Flow),
    Neighbors,
    NeighborLimit,
    NeighborMoved,
    Unknown,
    Denied,
    GroupLimit,
    Bidir,
    JoinSuppression,
}

/// PIM of one domain and both address families.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pim {
    neighbors: BTreeMap<IpAddr, Neighbor>,
    downstream: BTreeMap<Down, Downstream>,
    /// Flows with a downstream machine, by group.
    flows: BTreeMap<IpAddr, BTreeSet<Flow>>,
    /// How many downstream machines a port has.
    at_port: BTreeMap<PortId, usize>,
    /// When downstream machines end: ET or PPT, whichever is first.
    ends: Timers<Down>,
    /// What the proxy has joined, and when it says so again.
    upstream: BTreeMap<(Flow, IpAddr), Instant>,
    /// RPs of groups that the proxy has joined, for the Prunes.
    rps: BTreeMap<IpAddr, IpAddr>,
    /// When the last message came.
    now: Instant,
    pub(crate) acts: Vec<PimAct>,
}

/// RFC 7761 §4.11: Prunes may be overridden for 3 s by default.
const OVERRIDE: Duration = Duration::from_millis(2500);
const PROPAGATION: Duration = Duration::from_millis(500);
/// Moves of a neighbour in [`MOVE_WINDOW`] that freeze it for [`FREEZE`].
const MOVES: u8 = 3;
const MOVE_WINDOW: Duration = Duration::from_secs(60);
const FREEZE: Duration = Duration::from_secs(300);

fn until(now: Instant, holdtime: u16) -> Option<Instant> {
    (holdtime != JoinPrune::FOREVER).then(|| now + Duration::from_secs(holdtime.into()))
}

/// What a machine may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PimLimits {
    pub(crate) neighbors: usize,
    pub(crate) neighbors_per_port: usize,
    pub(crate) groups: usize,
    pub(crate) groups_per_port: usize,
}

impl Pim {
    /// Neighbours.
    pub(crate) fn neighbors(&self) -> impl Iterator<Item = (&IpAddr, &Neighbor)> {
        self.neighbors.iter()
    }

    /// Ports of neighbours.
    pub(crate) fn ports(&self) -> Ports {
        self.neighbors.values().map(|n| n.port).collect()
    }

    /// The shortest hold time among neighbours.
    pub(crate) fn shortest_holdtime(&self) -> Option<Duration> {
        self.neighbors.values().map(|n| n.holdtime).min()
    }

    /// Whether nobody suppresses Joins (RFC 8220 §2.4.3).
    pub(crate) fn all_track(&self) -> bool {
        self.neighbors.values().all(|n| n.tracking)
    }

    pub(crate) fn has_bidir(&self) -> bool {
        self.neighbors.values().any(|n| n.bidir)
    }

    /// Downstream machines.
    pub(crate) fn routes(&self) -> impl Iterator<Item = PimRoute> + '_ {
        self.downstream.iter().map(|((flow, port, upstream), d)| {
            let (source, is_rpt) = match *flow {
                Flow::Any(_) => (None, true),
                Flow::Source(source, _) => (Some(source), false),
                Flow::Rpt(source, _) => (Some(source), true),
            };
            let (since, expires, is_pending) = (d.since, d.expires, d.ppt.is_some());
            let (group, upstream, port) = (flow.group(), *upstream, *port);
            PimRoute { source, group, is_rpt, upstream, port, since, expires, is_pending }
        })
    }

    /// The designated router of a family: by priority where all have one, then by address (RFC 7761 §4.3.2).
    pub(crate) fn dr(&self, is_ipv6: bool) -> Option<(&IpAddr, &Neighbor)> {
        let family = || self.neighbors.iter().filter(move |(address, _)| address.is_ipv6() == is_ipv6);
        let by_priority = family().all(|(_, n)| n.dr_priority.is_some());
        let rank = |(address, n): &(&IpAddr, &Neighbor)| (if by_priority { n.dr_priority } else { None }, **address);
        family().max_by_key(rank)
    }

    /// A Hello: `tags` and `mac` are how frames to and from the neighbour look.
    pub(crate) fn hello(
        &mut self,
        now: Instant,
        (source, port, mac, tags): (IpAddr, PortId, Mac, &[u8]),
        options: &[HelloOption],
        limits: PimLimits,
    ) {
        let mut holdtime = 105;
        let (mut tracking, mut override_interval, mut dr_priority, mut bidir) = (false, OVERRIDE, None, false);
        let (mut propagation_delay, mut generation) = (None, None);
        for option in options {
            match option {
                HelloOption::Holdtime(time) => holdtime = *time,
                HelloOption::LanPruneDelay(delay) => {
                    tracking = delay.tracking_support;
                    override_interval = Duration::from_millis(delay.override_interval.into());
                    propagation_delay = Some(Duration::from_millis(delay.propagation_delay.into()));
                }
                HelloOption::GenerationId(id) => generation = Some(*id),
                HelloOption::DrPriority(priority) => dr_priority = Some(*priority),
                HelloOption::BidirectionalCapable => bidir = true,
                _ => {}
            }
        }
        if holdtime == 0 {
            return self.forget(source);
        }
        let known = self.neighbors.get(&source);
        let since = known.map_or(now, |n| n.since);
        let mut moves = known.map_or((0, now, Instant::ZERO), |n| n.moves);
        if let Some(known) = known.filter(|n| n.port != port) {
            if now < moves.2 {
                self.acts.push(PimAct::NeighborMoved);
                return;
            }
            let (count, since, _) = moves;
            let count = if now - since > MOVE_WINDOW { 0 } else { count };
            moves = (count.saturating_add(1), if count == 0 { now } else { since }, Instant::ZERO);
            if moves.0 >= MOVES {
                self.acts.push(PimAct::NeighborMoved);
                let frozen = Neighbor { moves: (0, now, now + FREEZE), ..known.clone() };
                self.neighbors.insert(source, frozen);
                return;
            }
        }
        let at_port = self.neighbors.values().filter(|n| n.port == port).count();
        let is_full = at_port >= limits.neighbors_per_port || self.neighbors.len() >= limits.neighbors;
        if known.is_none() && is_full {
            self.acts.push(PimAct::NeighborLimit);
            return;
        }
        let neighbor = Neighbor {
            port,
            mac,
            tags: tags.to_vec(),
            expires: until(now, holdtime),
            holdtime: Duration::from_secs(holdtime.into()),
            tracking,
            override_interval,
            propagation_delay,
            generation,
            since,
            dr_priority,
            bidir,
            moves,
        };
        let (had_bidir, tracked) = (self.has_bidir(), self.all_track());
        let old = self.neighbors.insert(source, neighbor);
        if old.is_none_or(|old| (old.port, old.bidir, old.dr_priority) != (port, bidir, dr_priority)) {
            self.acts.push(PimAct::Neighbors);
        }
        if bidir && !had_bidir {
            self.acts.push(PimAct::Bidir);
        }
        if tracked && !tracking {
            self.acts.push(PimAct::JoinSuppression);
        }
    }

    fn forget(&mut self, source: IpAddr) {
        if self.neighbors.remove(&source).is_some() {
            self.acts.push(PimAct::Neighbors);
        }
    }

    /// A port is gone.
    pub(crate) fn remove_port(&mut self, port: PortId) {
        let gone: Vec<IpAddr> = self.neighbors.iter().filter(|(_, n)| n.port == port).map(|(a, _)| *a).collect();
        gone.into_iter().for_each(|source| self.forget(source));
        let over: Vec<Down> = self.downstream.keys().filter(|(_, at, _)| *at == port).copied().collect();
        over.into_iter().for_each(|key| self.end(key));
    }

    /// The port of an upstream neighbour.
    pub(crate) fn port_of(&self, neighbor: IpAddr) -> Option<PortId> {
        self.neighbors.get(&neighbor).map(|n| n.port)
    }

    /// Prunes may be overridden for so long; not at all where everybody tracks (RFC 8220 §2.4.1).
    fn prune_pending(&self) -> Duration {
        if self.all_track() && !self.neighbors.is_empty() {
            return Duration::ZERO;
        }
        self.neighbors.values().map(|n| n.override_interval).max().unwrap_or(OVERRIDE).saturating_add(PROPAGATION)
    }

    /// A Join/Prune of a neighbour at a port (RFC 8220 §2.6.3–2.6.5). `permits` says which flows may be joined.
    pub(crate) fn join_prune(
        &mut self,
        now: Instant,
        (source, port): (IpAddr, PortId),
        message: &JoinPrune<'_>,
        limits: PimLimits,
        permits: impl Fn(Option<IpAddr>, IpAddr) -> bool,
    ) {
        let upstream = message.upstream_neighbor();
        // VPLS-THR-B2: nothing of somebody who sent no Hello from here.
        if self.port_of(source) != Some(port) {
            self.acts.push(PimAct::Unknown);
            return;
        }
        // RFC 8220 §2.6.3: not where the upstream neighbour itself is.
        if self.port_of(upstream).is_none_or(|at| at == port) {
            return;
        }
        self.now = now;
        let expires = until(now, message.holdtime());
        for set in message.groups() {
            let group = set.group.addr();
            if !set.group.is_host() || !group.is_multicast() {
                continue;
            }
            for join in set.joins() {
                match Self::flow(group, join.addr(), join.flags()) {
                    Flow::Rpt(s, g) => self.end((Flow::Rpt(s, g), port, upstream)),
                    flow => {
                        let wanted = if let Flow::Source(s, _) = flow { Some(s) } else { None };
                        if permits(wanted, group) {
                            self.begin((flow, port, upstream), expires, join.addr(), limits);
                        } else {
                            self.acts.push(PimAct::Denied);
                        }
                    }
                }
            }
            for prune in set.prunes() {
                match Self::flow(group, prune.addr(), prune.flags()) {
                    flow @ Flow::Rpt(..) => self.begin((flow, port, upstream), expires, prune.addr(), limits),
                    flow => self.prune(now, (flow, port, upstream)),
                }
            }
        }
    }

    fn flow(group: IpAddr, source: IpAddr, flags: SourceFlags) -> Flow {
        match (flags.contains(SourceFlags::WILDCARD), flags.contains(SourceFlags::RPT)) {
            (true, _) => Flow::Any(group),
            (false, true) => Flow::Rpt(source, group),
            (false, false) => Flow::Source(source, group),
        }
    }

    /// RxJoin(N), or a Prune of (S,G,rpt).
    fn begin(&mut self, key: Down, expires: Option<Instant>, rp: IpAddr, limits: PimLimits) {
        if let Some(machine) = self.downstream.get_mut(&key) {
            // Figure 1: a Join stops the Prune-Pending timer; the expiry timer never goes back.
            machine.expires = match (machine.expires, expires) {
                (Some(old), Some(new)) => Some(old.max(new)),
                _ => None,
            };
            machine.ppt = None;
            return self.watch(key);
        }
        let at_port = self.at_port.get(&key.1).copied().unwrap_or(0);
        if self.downstream.len() >= limits.groups || at_port >= limits.groups_per_port {
            self.acts.push(PimAct::GroupLimit);
            return;
        }
        self.downstream.insert(key, Downstream { expires, ppt: None, rp, since: self.now });
        self.flows.entry(key.0.group()).or_default().insert(key.0);
        self.at_port.insert(key.1, at_port.saturating_add(1));
        self.watch(key);
        self.acts.push(PimAct::Changed(key.0));
    }

    /// A Prune of (*,G) or (S,G): after the override time the port is pruned. A Prune that is repeated does not start it anew.
    fn prune(&mut self, now: Instant, key: Down) {
        let wait = self.prune_pending();
        if wait.is_zero() {
            return self.end(key);
        }
        if let Some(machine) = self.downstream.get_mut(&key) {
            machine.ppt.get_or_insert(now + wait);
        }
        self.watch(key);
    }

    /// Sets the timer of a downstream machine.
    fn watch(&mut self, key: Down) {
        let end = self.downstream.get(&key).and_then(|d| d.expires.into_iter().chain(d.ppt).min());
        match end {
            Some(at) => self.ends.set(key, at),
            None => self.ends.clear(key),
        }
    }

    fn end(&mut self, key: Down) {
        if self.downstream.remove(&key).is_none() {
            return;
        }
        self.ends.clear(key);
        if let Entry::Occupied(mut count) = self.at_port.entry(key.1) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
        let is_last = !self.has_flow(key.0);
        if let Entry::Occupied(mut flows) = self.flows.entry(key.0.group()) {
            if is_last {
                flows.get_mut().remove(&key.0);
            }
            if flows.get().is_empty() {
                flows.remove();
            }
        }
        self.acts.push(PimAct::Changed(key.0));
    }

    /// Machines and neighbours whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let gone: Vec<IpAddr> = self.neighbors.iter().filter(|(_, n)| is_over(n.expires)).map(|(a, _)| *a).collect();
        gone.into_iter().for_each(|source| self.forget(source));
        while let Some(key) = self.ends.expired(now) {
            self.end(key);
        }
    }

    /// When something is over, or a Join is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let neighbors = self.neighbors.values().filter_map(|n| n.expires);
        neighbors.chain(self.ends.next_timeout()).chain(self.upstream.values().copied()).min()
    }

    /// Flows of a group with state.
    pub(crate) fn flows_of(&self, group: IpAddr) -> impl Iterator<Item = Flow> + '_ {
        self.flows.get(&group).into_iter().flatten().copied()
    }

    /// Groups with state.
    pub(crate) fn groups(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.flows.keys().copied()
    }

    /// Whether a flow has state.
    pub(crate) fn has_flow(&self, flow: Flow) -> bool {
        self.joined(flow).next().is_some()
    }

    fn joined(&self, flow: Flow) -> impl Iterator<Item = (PortId, IpAddr)> + '_ {
        let all = self.downstream.range((flow, PortId(0), IpAddr::from([0, 0, 0, 0]))..);
        all.take_while(move |((of, ..), _)| *of == flow).map(|((_, port, upstream), _)| (*port, *upstream))
    }

    /// Whether there is a Join for the flow's group.
    pub(crate) fn has(&self, source: Option<IpAddr>, group: IpAddr) -> bool {
        self.has_flow(Flow::Any(group))
            || source.is_some_and(|s| self.has_flow(Flow::Source(s, group)) || self.has_flow(Flow::Rpt(s, group)))
    }

    /// OutgoingPortList (RFC 8220 §2.12.1): Joins, ports of upstream neighbours, so that they see each other's data, and the
    /// DR's port.
    pub(crate) fn outgoing(&self, source: Option<IpAddr>, group: IpAddr) -> Ports {
        let mut ports = Ports::new();
        let mut add = |flow: Flow, pruned: &Ports| {
            for (port, upstream) in self.joined(flow) {
                if !pruned.contains(&port) {
                    ports.insert(port);
                }
                ports.extend(self.port_of(upstream));
            }
        };
        let pruned: Ports = match source {
            // A port is pruned of a source only if nobody there joined the source itself.
            Some(s) => self.joined(Flow::Rpt(s, group)).map(|(port, _)| port).collect(),
            None => Ports::new(),
        };
        add(Flow::Any(group), &pruned);
        if let Some(s) = source {
            add(Flow::Source(s, group), &Ports::new());
        }
        ports.extend(self.dr(group.is_ipv6()).map(|(_, dr)| dr.port));
        ports
    }
}
