//! The machine: its state, and what an operator does.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::net::NhlfeId;
use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::config::{LspConfig, LspKey, Neighbour, RsvpConfig, RsvpError, SubGroup};
use super::io::{Event, Input, Output, RsvpCounters};
use super::lsp::{Leaf, Lsp, Towards};
use super::message::Message;
use super::object::{ErrorCode, P2mpSession};
use super::route::{Route, Subobject};
use crate::ldp::neighbour::Pool;
use crate::ldp::session::ConfigError;
use crate::mldp::Deliver;

/// The timers of RSVP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Path and Resv messages of an LSP are due.
    Refresh(LspKey),
    /// Path state of a sub-group was not refreshed.
    Path(LspKey, SubGroup),
    /// Resv state of a sub-group of ours, at a neighbour, was not refreshed.
    Resv(LspKey, Ipv4Addr, u16),
}

/// RSVP-TE P2MP at a router: ingress, transit and egress of LSPs over IPv4.
///
/// A Path message goes to each neighbour for so many sub-LSPs as fit; each is a sub-group of this router's (RFC 4875 §5.2.3).
/// Refreshes are summed up in no identifiers (RFC 2961): every message carries its state.
#[derive(Clone, Debug)]
pub struct Rsvp {
    pub(super) config: RsvpConfig,
    pub(super) lsps: BTreeMap<LspKey, Lsp>,
    pub(super) neighbours: BTreeMap<Ipv4Addr, Neighbour>,
    pub(super) routes: BTreeMap<Ipv4Addr, Ipv4Addr>,
    pub(super) deliveries: BTreeMap<P2mpSession<Ipv4Addr>, Deliver>,
    pub(super) labels: Pool,
    pub(super) nhlfes: Pool,
    pub(super) replications: Pool,
    pub(super) timers: Timers<Timer>,
    pub(super) random: Random,
    pub(super) dirty: BTreeSet<LspKey>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: RsvpCounters,
    pub(super) complained: Option<Instant>,
    pub(super) now: Instant,
}

impl Rsvp {
    /// A router without neighbours and LSPs.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(now: Instant, config: RsvpConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            labels: Pool::labels(config.labels)?,
            nhlfes: Pool::nhlfes(config.nhlfes)?,
            replications: Pool::new(config.groups.first.0, config.groups.last.0),
            random: Random::new(config.seed),
            config,
            lsps: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            routes: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            timers: Timers::new(),
            dirty: BTreeSet::new(),
            outputs: VecDeque::new(),
            counters: RsvpCounters::default(),
            complained: None,
            now,
        })
    }

    /// A neighbour came, changed, or went: LSPs through it are routed anew.
    pub fn set_neighbour(&mut self, now: Instant, address: Ipv4Addr, neighbour: Option<Neighbour>) {
        self.now = now;
        match neighbour {
            Some(neighbour) => {
                self.neighbours.insert(address, neighbour);
                for branch in self.lsps.values_mut().filter_map(|lsp| lsp.branches.get_mut(&address)) {
                    // Its entry is written again.
                    (branch.neighbour, branch.pushed) = (neighbour, None);
                }
            }
            None => drop(self.neighbours.remove(&address)),
        }
        self.reroute_all();
    }

    /// The next hop towards an address, for ways that do not say it.
    pub fn set_route(&mut self, now: Instant, to: Ipv4Addr, gateway: Option<Ipv4Addr>) {
        self.now = now;
        match gateway {
            Some(gateway) => drop(self.routes.insert(to, gateway)),
            None => drop(self.routes.remove(&to)),
        }
        self.reroute_all();
    }

    /// What becomes of packets of a tunnel that ends here. Without it the tunnel's Paths are kept and not answered.
    pub fn deliver(&mut self, now: Instant, session: P2mpSession<Ipv4Addr>, deliver: Option<Deliver>) {
        self.now = now;
        match deliver {
            Some(deliver) => drop(self.deliveries.insert(session, deliver)),
            None => drop(self.deliveries.remove(&session)),
        }
        let there = deliver.is_some();
        for (key, lsp) in self.lsps.iter_mut().filter(|(key, lsp)| key.session == session && lsp.is_leaf()) {
            for leaf in lsp.leaves.values_mut().filter(|leaf| leaf.towards == Towards::Here) {
                leaf.reserved = there;
            }
            self.dirty.insert(*key);
        }
    }

    /// Starts an LSP. The way to a leaf that cannot be gone is an event, and tried again with each refresh.
    ///
    /// # Errors
    /// See [`RsvpError`].
    pub fn add_lsp(&mut self, now: Instant, config: LspConfig) -> Result<LspKey, RsvpError> {
        self.now = now;
        let address = self.config.address;
        let session = P2mpSession { p2mp_id: config.p2mp_id, tunnel_id: config.tunnel_id, extended_tunnel_id: address };
        let key = LspKey { session, sender: address, lsp_id: config.lsp_id };
        if self.lsps.contains_key(&key) {
            return Err(RsvpError::InUse);
        }
        if self.lsps.len() >= self.config.max_lsps {
            return Err(RsvpError::TooManyLsps(self.lsps.len()));
        }
        if config.leaves.len() > self.config.max_leaves {
            return Err(RsvpError::TooManyLeaves(config.leaves.len()));
        }
        self.lsps.insert(key, Lsp::new(now, true, config.tspec));
        for (leaf, route) in config.leaves {
            self.place(key, leaf, route, None);
        }
        self.start_refreshing(key);
        self.dirty.insert(key);
        Ok(key)
    }

    /// Starts an LSP of the same tunnel in another's place: make-before-break (RFC 4875 §14.1). Once it reaches all its leaves,
    /// [`Event::Switch`] says so and the other is torn down.
    ///
    /// # Errors
    /// See [`RsvpError`].
    pub fn replace_lsp(&mut self, now: Instant, old: LspKey, config: LspConfig) -> Result<LspKey, RsvpError> {
        if (config.p2mp_id, config.tunnel_id) != (old.session.p2mp_id, old.session.tunnel_id) {
            return Err(RsvpError::OtherTunnel);
        }
        self.own(old)?;
        let key = self.add_lsp(now, config)?;
        if let Some(lsp) = self.lsps.get_mut(&key) {
            lsp.replaces = Some(old);
        }
        Ok(key)
    }

    /// Adds a leaf to an LSP, or gives it another way: grafting (RFC 4875 §5.3).
    ///
    /// # Errors
    /// See [`RsvpError`].
    pub fn add_leaf(&mut self, now: Instant, key: LspKey, leaf: Ipv4Addr, route: Route) -> Result<(), RsvpError> {
        self.now = now;
        let max = self.config.max_leaves;
        let lsp = self.own(key)?;
        if !lsp.leaves.contains_key(&leaf) && lsp.leaves.len() >= max {
            return Err(RsvpError::TooManyLeaves(max));
        }
        self.place(key, leaf, route, None);
        self.dirty.insert(key);
        Ok(())
    }

    /// Takes a leaf off an LSP: pruning (RFC 4875 §7.2).
    ///
    /// # Errors
    /// See [`RsvpError`].
    pub fn remove_leaf(&mut self, now: Instant, key: LspKey, leaf: Ipv4Addr) -> Result<(), RsvpError> {
        self.now = now;
        self.own(key)?;
        self.displace(key, leaf);
        self.dirty.insert(key);
        Ok(())
    }

    /// Ends an LSP.
    ///
    /// # Errors
    /// See [`RsvpError`].
    pub fn remove_lsp(&mut self, now: Instant, key: LspKey) -> Result<(), RsvpError> {
        self.now = now;
        let leaves: Vec<Ipv4Addr> = self.own(key)?.leaves.keys().copied().collect();
        for leaf in leaves {
            self.displace(key, leaf);
        }
        if let Some(lsp) = self.lsps.get_mut(&key) {
            lsp.ingress = false;
        }
        self.dirty.insert(key);
        Ok(())
    }

    fn own(&mut self, key: LspKey) -> Result<&mut Lsp, RsvpError> {
        self.lsps.get_mut(&key).filter(|lsp| lsp.ingress).ok_or(RsvpError::Unknown)
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Datagram { from, iface, octets } => match Message::parse(octets) {
                Ok(message) => self.receive(from, iface, &message),
                Err(_) => self.counters.malformed = self.counters.malformed.saturating_add(1),
            },
            Input::Refused(op) => self.refused(op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Refresh(key) => self.refresh(key),
                Timer::Path(key, group) => {
                    self.counters.expired = self.counters.expired.saturating_add(1);
                    self.drop_group(key, group);
                }
                Timer::Resv(key, hop, group) => {
                    self.counters.expired = self.counters.expired.saturating_add(1);
                    self.unreserve(key, hop, group, None);
                }
            }
        }
    }

    /// What is to be done next, if anything. Messages are made here from what changed.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let key = self.dirty.pop_first()?;
            self.reconcile(key);
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and what an operator does change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &RsvpCounters {
        &self.counters
    }

    /// Leaves of an LSP with whether there is a reservation from here to each.
    pub fn leaves(&self, key: LspKey) -> impl Iterator<Item = (Ipv4Addr, bool)> + '_ {
        let lsp = self.lsps.get(&key).into_iter();
        lsp.flat_map(|lsp| &lsp.leaves).map(|(address, leaf)| (*address, leaf.reserved))
    }

    /// LSPs at this router.
    pub fn lsps(&self) -> impl Iterator<Item = LspKey> + '_ {
        self.lsps.keys().copied()
    }

    pub(super) fn is_ours(&self, address: Ipv4Addr) -> bool {
        address == self.config.address || self.neighbours.values().any(|n| n.local == address)
    }

    /// Where a sub-LSP goes from here, and the rest of its way from there on (RFC 3209 §4.3.4.1).
    pub(super) fn resolve(&self, leaf: Ipv4Addr, route: &Route) -> Result<(Towards, Route), ErrorCode> {
        let ours = |hop: &&Subobject| super::lsp::address(hop).is_some_and(|a| self.is_ours(a));
        let passed = route.0.iter().take_while(ours).count();
        let rest: Vec<Subobject> = route.0.iter().skip(passed).cloned().collect();
        if rest.is_empty() && self.is_ours(leaf) {
            return Ok((Towards::Here, Route::default()));
        }
        let (target, strict) = match rest.first() {
            None => (leaf, false),
            Some(hop @ Subobject::Address { loose, .. }) => {
                (super::lsp::address(hop).ok_or(ErrorCode::BAD_STRICT_NODE)?, !loose)
            }
            Some(_) => return Err(ErrorCode::BAD_STRICT_NODE),
        };
        let via = if self.neighbours.contains_key(&target) {
            target
        } else if strict {
            return Err(ErrorCode::BAD_STRICT_NODE);
        } else {
            let gateway = self.routes.get(&target).filter(|gateway| self.neighbours.contains_key(gateway));
            *gateway.ok_or(ErrorCode::NO_ROUTE)?
        };
        Ok((Towards::Via(via), Route(rest)))
    }

    /// Puts a sub-LSP on its way; `from` is the sub-group that it came in.
    pub(super) fn place(&mut self, key: LspKey, address: Ipv4Addr, route: Route, from: Option<SubGroup>) {
        let resolved = self.resolve(address, &route);
        let delivered = self.deliveries.contains_key(&key.session);
        let known = self.lsps.get(&key).and_then(|lsp| lsp.leaves.get(&address));
        if let (Some(known), Ok((towards, rest))) = (known, &resolved) {
            let stands = known.out.is_some() || *towards == Towards::Here;
            if stands && known.towards == *towards && known.route == *rest {
                if let Some(leaf) = self.lsps.get_mut(&key).and_then(|lsp| lsp.leaves.get_mut(&address)) {
                    leaf.from = from;
                }
                return;
            }
        }
        self.displace(key, address);
        match resolved {
            Ok((towards, rest)) => {
                let reserved = towards == Towards::Here && delivered;
                let leaf = Leaf { from, route: rest, towards, out: None, reserved, told: false };
                if let Some(lsp) = self.lsps.get_mut(&key) {
                    lsp.leaves.insert(address, leaf);
                }
                let Towards::Via(hop) = towards else { return };
                if self.join(key, address, hop).is_none() {
                    self.too_many("nhlfes");
                    self.displace(key, address);
                    self.cannot(key, address, route, from, ErrorCode::ADMISSION);
                }
            }
            Err(code) => self.cannot(key, address, route, from, code),
        }
    }

    /// A sub-LSP cannot go on: the previous hop hears it; at the ingress it is kept to be tried again.
    fn cannot(&mut self, key: LspKey, address: Ipv4Addr, route: Route, from: Option<SubGroup>, code: ErrorCode) {
        match from {
            Some(group) => self.path_error(key, group, address, code),
            None => {
                let node = self.config.address;
                let event = Event::PathRefused { lsp: key, leaf: Some(address), node, code };
                self.outputs.push_back(Output::Event(event));
                let towards = Towards::Via(Ipv4Addr::UNSPECIFIED);
                let leaf = Leaf { from: None, route, towards, out: None, reserved: false, told: false };
                if let Some(lsp) = self.lsps.get_mut(&key) {
                    lsp.leaves.insert(address, leaf);
                }
            }
        }
    }

    /// Takes a sub-LSP out; its sub-group's Path follows.
    pub(super) fn displace(&mut self, key: LspKey, address: Ipv4Addr) {
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let Some(leaf) = lsp.leaves.remove(&address) else { return };
        if leaf.told {
            self.outputs.push_back(Output::Event(Event::LeafDown { lsp: key, leaf: address }));
        }
        let Towards::Via(hop) = leaf.towards else { return };
        let group = leaf.out.and_then(|id| lsp.branches.get_mut(&hop)?.groups.get_mut(&id));
        if let Some(group) = group {
            group.leaves.remove(&address);
            group.due = true;
        }
    }

    /// Puts a sub-LSP into a sub-group of ours towards a neighbour, a new one when all are full. `None`: no entry is left.
    fn join(&mut self, key: LspKey, address: Ipv4Addr, hop: Ipv4Addr) -> Option<()> {
        let most = self.config.max_leaves_of_message;
        let neighbour = self.neighbours.get(&hop).copied()?;
        let lsp = self.lsps.get_mut(&key)?;
        if !lsp.branches.contains_key(&hop) {
            let nhlfe = NhlfeId(self.nhlfes.allocate()?);
            let leg = (0..=u16::MAX).find(|leg| !lsp.branches.values().any(|b| b.leg == *leg)).unwrap_or(u16::MAX);
            lsp.branches.insert(hop, super::program::branch(neighbour, leg, nhlfe));
        }
        let unused = lsp.unused_group();
        let branch = lsp.branches.get_mut(&hop)?;
        let room = branch.groups.iter().find(|(_, g)| !g.leaves.is_empty() && g.leaves.len() < most);
        let id = room.map_or(unused, |(id, _)| *id);
        let group = branch.groups.entry(id).or_default();
        group.leaves.insert(address);
        group.due = true;
        lsp.leaves.get_mut(&address)?.out = Some(id);
        Some(())
    }

    /// Ways that changed with neighbours or routes.
    fn reroute_all(&mut self) {
        let keys: Vec<LspKey> = self.lsps.keys().copied().collect();
        for key in keys {
            self.reroute(key);
        }
    }

    /// Resolves the ways of all sub-LSPs again. What is left of a way begins at the next hop, which is where it went.
    pub(super) fn reroute(&mut self, key: LspKey) {
        let Some(lsp) = self.lsps.get(&key) else { return };
        let all: Vec<(Ipv4Addr, Route, Option<SubGroup>)> =
            lsp.leaves.iter().map(|(address, leaf)| (*address, leaf.route.clone(), leaf.from)).collect();
        for (address, route, from) in all {
            self.place(key, address, route, from);
        }
        self.dirty.insert(key);
    }

    fn refresh(&mut self, key: LspKey) {
        if self.lsps.get(&key).is_some_and(|lsp| lsp.ingress) {
            self.reroute(key);
        }
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        // What had no room may have it by now.
        lsp.refused = false;
        lsp.branches.values_mut().flat_map(|b| b.groups.values_mut()).for_each(|group| group.due = true);
        lsp.groups.values_mut().for_each(|group| group.refresh = true);
        self.dirty.insert(key);
        self.start_refreshing(key);
    }

    /// Refreshes come at random between half and one and a half times R (RFC 2205 §3.7).
    pub(super) fn start_refreshing(&mut self, key: LspKey) {
        let period = self.config.refresh;
        let at = self.now + period / 2 + self.random.up_to(period);
        self.timers.set(Timer::Refresh(key), at);
    }

    /// How long state of a neighbour with this refresh period lives: (K + 0.5) × 1.5 × R (RFC 2205 §3.7).
    pub(super) fn lifetime(&self, period: Option<u32>) -> Duration {
        let default = u32::try_from(self.config.refresh.as_millis()).unwrap_or(u32::MAX);
        let period = Duration::from_millis(period.filter(|p| *p > 0).unwrap_or(default).into());
        let halves = self.config.keep_multiplier.saturating_mul(2).saturating_add(1);
        period.saturating_mul(halves).saturating_mul(3) / 4
    }

    pub(super) fn too_many(&mut self, field: &'static str) {
        let quiet = self.complained.is_some_and(|at| at + self.config.event_interval > self.now);
        if !quiet {
            self.complained = Some(self.now);
            self.outputs.push_back(Output::Event(Event::TooMany(field)));
        }
    }
}
