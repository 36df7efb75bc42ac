//! The PIM router of one VRF and one family, as one machine: PIM-SM and SSM (RFC 7761), BIDIR-PIM, PIM-DM.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use fwd_core::net::IfIndex;
use fwd_core::op::{FwdOp, Origin};
use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::config::{PimConfig, PimConfigError, PimInterfaceConfig};
use super::dense::Dense;
use super::forwarding::{Pool, RpfSets};
use super::io::{Input, Membership, Output, PimEvent, PimLimit, PimReject};
use super::network::{Interface, Network, PimAddress, Rate};
use super::rp_set::RpSet;
use super::state::{Group, Source, Timer};
use super::transmit::Pending;
use super::ways::Ways;
use super::wire::MessageType;
use fwd_core::Malformed;

/// A PIM router of one VRF and one family.
///
/// Outputs: messages, ops for multicast routes (always before the messages that bring their traffic), addresses whose routes it needs,
/// events. Work at a timeout is proportional to what expires.
///
/// ```
/// use core::net::Ipv4Addr;
/// use fwd_core::net::{IfIndex, VrfId};
/// use fwd_core::time::Instant;
/// use mvpn::pim::{Input, Membership, Output, PimConfig, PimInterfaceConfig, PimRouter};
///
/// let me = Ipv4Addr::new(10, 0, 1, 1);
/// let mut pim = PimRouter::new(Instant::ZERO, PimConfig::new(VrfId(1), me, 1..=1000))?;
/// let lan = PimInterfaceConfig::new(IfIndex(1), me, vec!["10.0.1.0/24".parse().unwrap()]);
/// pim.add_interface(Instant::ZERO, lan)?;
/// let (group, source) = (Ipv4Addr::new(232, 1, 1, 1), Some(Ipv4Addr::new(10, 9, 9, 9)));
/// let wanted = Input::Membership { interface: IfIndex(1), group, source, membership: Membership::Include };
/// pim.handle_input(Instant::ZERO, wanted);
/// assert_eq!(pim.poll_output(), Some(Output::Track(Ipv4Addr::new(10, 9, 9, 9))));
/// # Ok::<(), mvpn::pim::PimConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PimRouter<A: PimAddress> {
    pub(super) net: Network<A>,
    pub(super) groups: BTreeMap<A, Group<A>>,
    pub(super) timers: Timers<Timer<A>>,
    pub(super) outputs: VecDeque<Output<A>>,
    pub(super) pending: Pending<A>,
    /// Routes that may differ from what the forwarder was told.
    pub(super) dirty: BTreeSet<(A, Option<A>)>,
    pub(super) pool: Pool,
    pub(super) rpf_sets: RpfSets,
    pub(super) dense: Dense<A>,
    pub(super) random: Random,
    /// (*,G) and (S,G) states.
    pub(super) states: usize,
    pub(super) registers: Rate,
    pub(super) data: Rate,
    news: BTreeMap<News, (Instant, u64)>,
}

/// What events that peers cause are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Limit(PimLimit, Option<IfIndex>),
    Reject(PimReject, Option<IfIndex>),
}

/// Of a message that was not taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault<A> {
    pub(super) interface: Option<IfIndex>,
    pub(super) from: A,
    pub(super) message_type: Option<MessageType>,
    pub(super) malformed: Option<Malformed>,
}

impl<A: PimAddress> PimRouter<A> {
    /// A router without interfaces.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(now: Instant, config: PimConfig<A>) -> Result<Self, PimConfigError> {
        config.check()?;
        let (random, pool) = (Random::new(config.seed), Pool::new(config.replication.clone()));
        let rpf_sets = RpfSets::new(config.bidir.as_ref().map(|b| b.rpf_sets.clone()));
        let limits = config.limits;
        Ok(Self {
            net: Network {
                config,
                interfaces: BTreeMap::new(),
                watches: BTreeMap::new(),
                mvpn_routes: BTreeMap::new(),
                via: BTreeMap::new(),
                rp_set: RpSet::new(),
                rpas: BTreeMap::new(),
            },
            groups: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            pending: Pending::default(),
            dirty: BTreeSet::new(),
            pool,
            rpf_sets,
            dense: Dense::default(),
            random,
            states: 0,
            registers: Rate::new(limits.registers_per_second, now),
            data: Rate::new(limits.data_per_second, now),
            news: BTreeMap::new(),
        })
    }

    /// Turns PIM on on an interface.
    ///
    /// # Errors
    /// A value out of its range, or an interface that has PIM on.
    pub fn add_interface(&mut self, now: Instant, config: PimInterfaceConfig<A>) -> Result<(), PimConfigError> {
        config.check()?;
        let index = config.interface;
        if self.net.interfaces.contains_key(&index) {
            return Err(PimConfigError::Interface);
        }
        if config.ecmp.is_some() && A::LEN == 16 && self.net.config.router_id == 0 {
            return Err(PimConfigError::RouterId);
        }
        let limits = &self.net.config.limits;
        let interface = Interface {
            generation_id: u32::try_from(self.random.next() >> 32).unwrap_or(1),
            neighbors: BTreeMap::new(),
            dr: config.address,
            hello_sent: false,
            groups: BTreeSet::new(),
            states: 0,
            news: Rate::new(limits.hello_changes_per_second, now),
            redirects: Rate::new(limits.redirects_per_second, now),
            config,
        };
        if !interface.config.passive {
            let delay = self.random.up_to(interface.config.triggered_hello_delay);
            self.timers.set(Timer::Hello(index), now + delay);
        }
        self.net.interfaces.insert(index, interface);
        self.links_changed(now);
        self.sync_rpas(now);
        Ok(())
    }

    /// Turns PIM off on an interface: says goodbye, and forgets its state.
    ///
    /// # Errors
    /// An interface without PIM.
    pub fn remove_interface(&mut self, now: Instant, index: IfIndex) -> Result<(), PimConfigError> {
        if !self.net.interfaces.contains_key(&index) {
            return Err(PimConfigError::Interface);
        }
        self.send_hello(index, true);
        let neighbors: alloc::vec::Vec<A> =
            self.net.interfaces.get(&index).map(|i| i.neighbors.keys().copied().collect()).unwrap_or_default();
        for neighbor in neighbors {
            self.timers.clear(Timer::NeighborLiveness(index, neighbor));
            self.outputs.push_back(Output::Event(PimEvent::NeighborDown { interface: index, neighbor }));
        }
        self.timers.clear(Timer::Hello(index));
        self.timers.clear(Timer::TriggeredHello(index));
        self.pending.forget_interface(index);
        let Some(interface) = self.net.interfaces.remove(&index) else { return Ok(()) };
        for g in interface.groups {
            self.forget_interface_state(g, index);
            self.forget_group_attributes(now, g, |(_, i)| i == index);
            self.evaluate(now, g, None);
        }
        self.dense_forget_interface(index);
        self.links_changed(now);
        self.sync_rpas(now);
        self.dense_interfaces_changed(now);
        Ok(())
    }

    /// Changes the mapping of groups to RPs, and what follows from it.
    pub fn update_rp_set(&mut self, now: Instant, change: impl FnOnce(&mut RpSet<A>)) {
        change(&mut self.net.rp_set);
        self.sync_rpas(now);
        let groups: alloc::vec::Vec<A> = self.groups.keys().copied().collect();
        for g in groups {
            self.evaluate(now, g, None);
        }
    }

    /// The mapping of groups to RPs.
    #[must_use]
    pub const fn rp_set(&self) -> &RpSet<A> {
        &self.net.rp_set
    }

    /// Takes an input. Never fails: what is wrong with it becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_, A>) {
        match input {
            Input::Datagram { interface, from, to, octets, authenticated } => {
                self.receive(now, interface, from, to, octets, authenticated);
            }
            Input::Route { address, route } => {
                self.ways_changed(now, address, 0, Ways { routes: route.into_iter().collect(), ..Ways::default() });
            }
            Input::Ways { topology, address, ways } => self.ways_changed(now, address, topology, ways.clone()),
            Input::MvpnRoute { pe, rd, next_hop } => self.mvpn_route(now, pe, rd, next_hop),
            Input::RemoteSource { source, group, is_active } => self.remote_source(now, group, source, is_active),
            Input::Silent { source, group } => self.silent(now, group, source),
            Input::Membership { interface, group, source, membership } => {
                self.membership(now, interface, group, source, membership);
            }
            Input::Data { interface, source, group } => self.data_arrives(now, interface, source, group),
            Input::WholePacket { packet } => self.whole_packet(now, packet),
            Input::Active { source, group, octets_per_second } => {
                self.active(now, source, group, octets_per_second);
            }
            Input::Refused(op) => self.refused(now, op),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            self.timer_expires(now, timer);
        }
    }

    /// The next output. Ops come before messages, and Join/Prunes to one neighbour share packets.
    pub fn poll_output(&mut self) -> Option<Output<A>> {
        while let Some((g, s)) = self.dirty.pop_first() {
            self.program(g, s);
        }
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        self.flush_joins_and_prunes();
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] has something to do. Changed by inputs and timeouts only.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// How many (*,G) and (S,G) states there are.
    #[must_use]
    pub const fn states(&self) -> usize {
        self.states
    }

    /// The DR of an interface.
    #[must_use]
    pub fn dr(&self, interface: IfIndex) -> Option<A> {
        self.net.interfaces.get(&interface).map(|i| i.dr)
    }

    /// The designated forwarder of an RPA on an interface, as far as this router knows.
    #[must_use]
    pub fn designated_forwarder(&self, rpa: A, interface: IfIndex) -> Option<A> {
        self.net.df(rpa, interface)
    }

    /// Whether this router is the designated forwarder of an RPA on an interface.
    #[must_use]
    pub fn is_designated_forwarder(&self, rpa: A, interface: IfIndex) -> bool {
        self.net.i_am_df(rpa, interface)
    }

    /// This router's primary address on an interface.
    #[must_use]
    pub fn address(&self, interface: IfIndex) -> Option<A> {
        self.net.interfaces.get(&interface).map(|i| i.config.address)
    }

    /// The interface on whose link an address is.
    #[must_use]
    pub fn link_of(&self, address: A) -> Option<IfIndex> {
        self.net.link_of(address)
    }

    /// NBR(I, A): the primary address of the neighbour that has this address, primary or secondary.
    #[must_use]
    pub fn neighbor_with(&self, interface: IfIndex, address: A) -> Option<A> {
        self.net.nbr(interface, address)
    }

    /// The neighbours of an interface, by primary address.
    pub fn neighbors(&self, interface: IfIndex) -> impl Iterator<Item = A> + '_ {
        self.net.interfaces.get(&interface).into_iter().flat_map(|i| i.neighbors.keys().copied())
    }

    /// A limit was reached; an event at most once in a second.
    pub(super) fn limit(&mut self, now: Instant, limit: PimLimit, interface: Option<IfIndex>) {
        if let Some(times) = self.count(now, News::Limit(limit, interface)) {
            self.outputs.push_back(Output::Event(PimEvent::Limit { limit, interface, times }));
        }
    }

    /// Something was not taken; an event at most once in a second.
    pub(super) fn reject(&mut self, now: Instant, reason: PimReject, fault: Fault<A>) {
        let Fault { interface, from, message_type, malformed } = fault;
        if let Some(times) = self.count(now, News::Reject(reason, interface)) {
            let event = PimEvent::Rejected { reason, interface, from, message_type, malformed, times };
            self.outputs.push_back(Output::Event(event));
        }
    }

    fn count(&mut self, now: Instant, news: News) -> Option<u64> {
        let (quiet_until, times) = self.news.entry(news).or_insert((now, 0));
        *times = times.saturating_add(1);
        if now < *quiet_until {
            return None;
        }
        *quiet_until = now + core::time::Duration::from_secs(1);
        Some(core::mem::take(times))
    }

    /// The group's state, which comes into being for it if limits allow.
    pub(super) fn group_entry(&mut self, now: Instant, g: A, interface: IfIndex) -> Option<&mut Group<A>> {
        if !self.groups.contains_key(&g) {
            if self.states >= self.net.config.limits.states {
                self.limit(now, PimLimit::States, Some(interface));
                return None;
            }
            self.states = self.states.saturating_add(1);
            let (ssm, rp, bidir) = (self.net.is_ssm(g), self.net.rp(g), self.net.is_bidir(g));
            self.groups.insert(g, Group { rp, bidir, ..Group::new(ssm) });
            if let Some(rp) = rp {
                self.watch(rp, |w| &mut w.groups, g);
            }
        }
        self.groups.get_mut(&g)
    }

    /// The source's state, which comes into being for it if limits allow.
    pub(super) fn source_entry(&mut self, now: Instant, g: A, s: A, interface: IfIndex) -> Option<&mut Source<A>> {
        self.group_entry(now, g, interface)?;
        let known = self.groups.get(&g).is_some_and(|group| group.sources.contains_key(&s));
        if !known {
            if self.states >= self.net.config.limits.states {
                self.limit(now, PimLimit::States, Some(interface));
                self.collect(g);
                return None;
            }
            self.states = self.states.saturating_add(1);
            self.groups.get_mut(&g)?.sources.insert(s, Box::default());
            self.watch(s, |w| &mut w.source_of, g);
        }
        self.source_mut(g, s)
    }

    /// Room for one more state that peers or members make on an interface.
    pub(super) fn interface_room(&mut self, now: Instant, interface: IfIndex) -> bool {
        let most = self.net.config.limits.states_per_interface;
        let room = self.net.interfaces.get(&interface).is_some_and(|i| i.states < most);
        if !room {
            self.limit(now, PimLimit::InterfaceStates, Some(interface));
        }
        room
    }

    /// Forgets a group that nothing is known of any more.
    pub(super) fn collect(&mut self, g: A) {
        let Some(group) = self.groups.get(&g) else { return };
        if !group.is_idle() {
            return;
        }
        if let Some(rp) = group.rp {
            self.unwatch(rp, |w| &mut w.groups, g);
        }
        self.timers.clear(Timer::GroupJoin(g));
        self.drop_extra(g, None);
        self.withdraw(g, None);
        let noted = self.groups.remove(&g).map(|group| group.noted).unwrap_or_default();
        for i in noted {
            if let Some(interface) = self.net.interfaces.get_mut(&i) {
                interface.groups.remove(&g);
            }
        }
        self.states = self.states.saturating_sub(1);
    }

    /// Forgets a source that nothing is known of any more.
    pub(super) fn collect_source(&mut self, g: A, s: A) -> bool {
        let idle = self.groups.get(&g).and_then(|group| group.sources.get(&s)).is_some_and(|source| source.is_idle());
        if !idle {
            return false;
        }
        for timer in [
            Timer::SourceJoin(g, s),
            Timer::SecondaryJoin(g, s),
            Timer::Keepalive(g, s),
            Timer::RptOverride(g, s),
            Timer::RegisterStop(g, s),
            Timer::Arrived(g, s),
        ] {
            self.timers.clear(timer);
        }
        self.drop_extra(g, Some(s));
        self.withdraw(g, Some(s));
        if let Some(group) = self.groups.get_mut(&g) {
            group.sources.remove(&s);
        }
        self.states = self.states.saturating_sub(1);
        self.unwatch(s, |w| &mut w.source_of, g);
        true
    }

    fn membership(&mut self, now: Instant, i: IfIndex, g: A, source: Option<A>, membership: Membership) {
        let served = self.net.interfaces.get(&i).is_some_and(|x| x.config.receivers);
        let wanted = membership != Membership::None;
        if wanted && !(served && self.may_join(now, i, g, source)) {
            return;
        }
        if self.net.is_dense(g) {
            return self.dense_membership(now, i, g, source, membership);
        }
        let known = self.groups.get(&g).is_some_and(|group| {
            source.map_or_else(
                || group.interfaces.get(i).is_some_and(|x| x.include),
                |s| {
                    let of = group.sources.get(&s).and_then(|x| x.interfaces.get(i));
                    of.is_some_and(|x| x.include || x.exclude)
                },
            )
        });
        if !known && (!wanted || !self.interface_room(now, i)) {
            return;
        }
        match source {
            None => {
                let Some(group) = self.group_entry(now, g, i) else { return };
                group.interfaces.update(i, |x| x.include = membership == Membership::Include);
            }
            Some(s) => {
                let Some(source) = self.source_entry(now, g, s, i) else { return };
                source.interfaces.update(i, |x| {
                    x.include = membership == Membership::Include;
                    x.exclude = membership == Membership::Exclude;
                });
            }
        }
        self.count_interface_state(i, g, known, wanted);
        self.evaluate(now, g, source);
    }

    /// Counts a state of an interface that came or went.
    pub(super) fn count_interface_state(&mut self, i: IfIndex, g: A, was: bool, is: bool) {
        let Some(interface) = self.net.interfaces.get_mut(&i) else { return };
        match (was, is) {
            (false, true) => {
                interface.states = interface.states.saturating_add(1);
                self.note_group(i, g);
            }
            (true, false) => interface.states = interface.states.saturating_sub(1),
            _ => {}
        }
    }

    /// A group has state on an interface.
    pub(super) fn note_group(&mut self, i: IfIndex, g: A) {
        let (Some(interface), Some(group)) = (self.net.interfaces.get_mut(&i), self.groups.get_mut(&g)) else { return };
        if interface.groups.insert(g) && !group.noted.contains(&i) {
            group.noted.push(i);
        }
    }

    /// Whether filters let the group, and the source, be joined on an interface.
    pub(super) fn may_join(&mut self, now: Instant, i: IfIndex, g: A, source: Option<A>) -> bool {
        let Some(interface) = self.net.interfaces.get(&i) else { return false };
        if !g.is_multicast() || g.is_link_scope_group() || source.is_some_and(|s| !s.is_host()) {
            return false;
        }
        let (c, i_c) = (&self.net.config, &interface.config);
        let permitted = c.group_filter.permits(g)
            && i_c.group_filter.permits(g)
            && source.is_none_or(|s| c.source_filter.permits(s) && i_c.source_filter.permits(s));
        if !permitted {
            let from = source.unwrap_or(g);
            self.reject(
                now,
                PimReject::Filtered,
                Fault { interface: Some(i), from, message_type: None, malformed: None },
            );
        }
        permitted
    }

    fn refused(&mut self, now: Instant, op: FwdOp) {
        if let FwdOp::SetRpfMember { set, from: Origin::Interface(i) } = op {
            return self.rpa_refused(set, i);
        }
        let refused = match op {
            FwdOp::SetMroute { key, .. } => A::of_mroute_key(key),
            FwdOp::SetReplication { id, .. } => self.pool.owner(id),
            FwdOp::SetLeg { group, .. } => self.pool.owner(group),
            _ => None,
        };
        let Some((source, group)) = refused else { return };
        if let Some(s) = source.filter(|s| self.dense.sources.contains_key(&(group, *s))) {
            self.dense_refused(now, group, s);
            return self.outputs.push_back(Output::Event(PimEvent::Refused { group, source }));
        }
        let Some(state) = self.groups.get_mut(&group) else { return };
        match source {
            Some(s) => {
                let Some(x) = state.sources.get_mut(&s) else { return };
                x.refused = true;
            }
            None => state.refused = true,
        }
        self.withdraw(group, source);
        self.outputs.push_back(Output::Event(PimEvent::Refused { group, source }));
        self.evaluate(now, group, source);
    }
}
