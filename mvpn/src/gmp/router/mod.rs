//! The router side of IGMP and MLD on the interfaces of a VRF (RFC 3376 §6, §7.3; RFC 3810 §7, §8.3).
//!
//! One [`GmpRouter`] serves one family of one VRF. What is learnt leaves as [`Membership`] changes, which PIM takes as the
//! `local_receiver_include` and `local_receiver_exclude` of RFC 7761 §4.1.6.
//!
//! | File | What |
//! |---|---|
//! | `interface.rs` | an interface: querier election and general queries |
//! | `group.rs` | a group on an interface |
//! | `input.rs` | what a message does |
//! | `timeout.rs` | what a timer does |
//! | `mib.rs` | tables of MGMD-STD-MIB (RFC 5519) |
//! | `output.rs` | queries, membership changes and events, made when they are polled |
// Instants and durations saturate.
#![allow(clippy::arithmetic_side_effects)]

mod event;
mod group;
mod input;
mod interface;
pub mod mib;
mod output;
mod timeout;
mod yang;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use event::Events;
pub use event::{Counters, Event, EventKind};
use group::Group;
use interface::Interface;

use super::{ConfigError, InterfaceConfig, Protocol, RouterConfig, Version};

/// A timer of the machine. The derived order is that of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer<A> {
    GeneralQuery(IfIndex),
    OtherQuerier(IfIndex),
    Source(IfIndex, A, A),
    Group(IfIndex, A),
    V1Host(IfIndex, A),
    V2Host(IfIndex, A),
    Host(IfIndex, A, A),
    Requery(IfIndex, A),
}

/// What comes in.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, A> {
    /// The payload of an IP datagram of IGMP, or an ICMPv6 message of MLD.
    Datagram {
        /// The interface it came in on.
        iface: IfIndex,
        /// The IP source.
        source: A,
        /// The IP destination.
        destination: A,
        /// TTL or Hop Limit: anything but 1 is dropped.
        hop_limit: u8,
        /// Whether the datagram has the Router Alert option.
        router_alert: bool,
        /// The payload.
        octets: &'a [u8],
    },
}

/// What a PIM router is told of receivers on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Membership<A> {
    /// `local_receiver_include(*,G,I)`: someone wants all sources.
    AnySource,
    /// `local_receiver_include(S,G,I)`: someone wants this source, and nobody wants all.
    Include(A),
    /// `local_receiver_exclude(S,G,I)`: someone wants all sources, and nobody this one.
    Exclude(A),
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<A> {
    /// A datagram to be sent with TTL 1, the Router Alert option and, in IPv4, TOS 0xc0 (RFC 3376 §4).
    Datagram {
        /// The interface.
        iface: IfIndex,
        /// The IP source.
        source: A,
        /// The IP destination.
        destination: A,
        /// The payload.
        octets: Vec<u8>,
    },
    /// Membership has changed.
    Membership {
        /// The interface.
        iface: IfIndex,
        /// The group.
        group: A,
        /// What of it.
        membership: Membership<A>,
        /// Whether it holds or has ceased to.
        present: bool,
    },
    /// Something an operator may want to know.
    Event(Event<A>),
}

/// The router side of IGMP or MLD in one VRF.
///
/// ```
/// use core::net::Ipv4Addr;
/// use fwd_core::{net::IfIndex, time::Instant};
/// use mvpn::gmp::{GmpRouter, InterfaceConfig, RouterConfig, RouterOutput};
///
/// let now = Instant::ZERO;
/// let mut router = GmpRouter::new(now, RouterConfig::default())?;
/// router.add_interface(now, IfIndex(1), InterfaceConfig::new(Ipv4Addr::new(192, 0, 2, 1)))?;
/// // A querier begins with a general query.
/// assert!(matches!(router.poll_output(), Some(RouterOutput::Datagram { destination, .. })
///     if destination == Ipv4Addr::new(224, 0, 0, 1)));
/// # Ok::<(), mvpn::gmp::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GmpRouter<A: Protocol> {
    config: RouterConfig,
    now: Instant,
    interfaces: BTreeMap<IfIndex, Interface<A>>,
    groups: BTreeMap<(IfIndex, A), Group<A>>,
    /// Groups with members, summed over interfaces.
    members: usize,
    timers: Timers<Timer<A>>,
    /// Interfaces that owe a general query.
    general: BTreeSet<IfIndex>,
    /// Groups that owe a query.
    queries: BTreeSet<(IfIndex, A)>,
    /// Groups whose membership may have changed.
    changed: BTreeSet<(IfIndex, A)>,
    /// The queries or the membership changes of one group, being handed out.
    ready: VecDeque<Output<A>>,
    events: Events<A>,
}

impl<A: Protocol> GmpRouter<A> {
    /// A router without interfaces.
    ///
    /// # Errors
    /// None today; the signature is that of every machine.
    pub fn new(now: Instant, config: RouterConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            config,
            now,
            interfaces: BTreeMap::new(),
            groups: BTreeMap::new(),
            members: 0,
            timers: Timers::new(),
            general: BTreeSet::new(),
            queries: BTreeSet::new(),
            changed: BTreeSet::new(),
            ready: VecDeque::new(),
            events: Events::new(config.event_interval),
        })
    }

    /// Starts on an interface: as querier, with the startup queries (RFC 3376 §6.6.2).
    ///
    /// # Errors
    /// A field that cannot be, or an interface that is there already.
    pub fn add_interface(
        &mut self,
        now: Instant,
        iface: IfIndex,
        config: InterfaceConfig<A>,
    ) -> Result<(), ConfigError> {
        config.check()?;
        if self.interfaces.contains_key(&iface) {
            return Err(ConfigError::InterfaceExists);
        }
        self.now = now;
        self.interfaces.insert(iface, Interface::new(now, config));
        self.start_querying(iface);
        Ok(())
    }

    /// Stops on an interface: its groups are forgotten, and their members reported gone.
    pub fn remove_interface(&mut self, now: Instant, iface: IfIndex) {
        self.now = now;
        let groups: Vec<A> = self.groups_of(iface).map(|(&(_, group), _)| group).collect();
        for group in groups {
            self.clear_group(now, iface, group);
            if let Some(state) = self.groups.get_mut(&(iface, group)) {
                state.fixed.clear();
                state.fixed_any = false;
            }
        }
        self.timers.clear(Timer::GeneralQuery(iface));
        self.timers.clear(Timer::OtherQuerier(iface));
        self.general.remove(&iface);
        self.interfaces.remove(&iface);
    }

    /// Joins a group on an interface as if a member were there that never leaves; `None` joins all sources.
    ///
    /// # Errors
    /// An interface that is not there, a group that is not routed, a source that is none.
    pub fn join(&mut self, now: Instant, iface: IfIndex, group: A, source: Option<A>) -> Result<(), ConfigError> {
        if !self.interfaces.contains_key(&iface) {
            return Err(ConfigError::NoInterface);
        }
        if !group.is_multicast() || group.is_link_scope_group() || (source.is_none() && group.is_ssm_group()) {
            return Err(ConfigError::Group);
        }
        if source.is_some_and(|source| !source.is_host()) {
            return Err(ConfigError::Source);
        }
        self.now = now;
        let state = self.groups.entry((iface, group)).or_default();
        match source {
            None => state.fixed_any = true,
            Some(source) => drop(state.fixed.insert(source)),
        }
        self.changed.insert((iface, group));
        Ok(())
    }

    /// Takes a [`join`](Self::join) back.
    pub fn leave(&mut self, now: Instant, iface: IfIndex, group: A, source: Option<A>) {
        self.now = now;
        if let Some(state) = self.groups.get_mut(&(iface, group)) {
            match source {
                None => state.fixed_any = false,
                Some(source) => drop(state.fixed.remove(&source)),
            }
            self.changed.insert((iface, group));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Inputs, timeouts, the operator's methods and `poll_output` (which sends
    /// queries that are to be repeated) change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Whether this router is the querier of the interface.
    #[must_use]
    pub fn is_querier(&self, iface: IfIndex) -> bool {
        self.interfaces.get(&iface).is_some_and(|i| i.other_querier.is_none())
    }

    /// The querier of an interface: this router or another.
    #[must_use]
    pub fn querier(&self, iface: IfIndex) -> Option<A> {
        self.interfaces.get(&iface).map(|i| i.other_querier.unwrap_or(i.config.address))
    }

    /// The filter of a group on an interface; `None` where it has no members.
    #[must_use]
    pub fn filter(&self, iface: IfIndex, group: A) -> Option<&super::Filter<A>> {
        self.groups.get(&(iface, group)).map(|g| &g.filter).filter(|f| !f.is_none())
    }

    /// What is left of a group's timer, which runs in EXCLUDE mode.
    #[must_use]
    pub fn group_timer(&self, iface: IfIndex, group: A) -> Option<Duration> {
        self.timers.get(Timer::Group(iface, group)).map(|at| at - self.now)
    }

    /// What is left of a source's timer.
    #[must_use]
    pub fn source_timer(&self, iface: IfIndex, group: A, source: A) -> Option<Duration> {
        self.timers.get(Timer::Source(iface, group, source)).map(|at| at - self.now)
    }

    /// The compatibility mode of a group (RFC 3376 §7.3.2, RFC 3810 §8.3.2).
    #[must_use]
    pub fn compatibility(&self, iface: IfIndex, group: A) -> Version {
        if self.timers.get(Timer::V1Host(iface, group)).is_some() {
            Version::V1
        } else if self.timers.get(Timer::V2Host(iface, group)).is_some() {
            Version::V2
        } else {
            Version::V3
        }
    }

    /// The groups with state on an interface.
    pub fn groups(&self, iface: IfIndex) -> impl Iterator<Item = A> {
        self.groups_of(iface).map(|(&(_, group), _)| group)
    }

    /// The hosts that explicit tracking knows as members of a group.
    pub fn hosts(&self, iface: IfIndex, group: A) -> impl Iterator<Item = A> {
        self.groups.get(&(iface, group)).into_iter().flat_map(|g| g.hosts.keys().copied())
    }

    /// What an interface has counted.
    #[must_use]
    pub fn counters(&self, iface: IfIndex) -> Option<&Counters> {
        self.interfaces.get(&iface).map(|i| &i.counters)
    }

    fn groups_of(&self, iface: IfIndex) -> impl Iterator<Item = (&(IfIndex, A), &Group<A>)> {
        self.groups.range((iface, A::UNSPECIFIED)..).take_while(move |((i, _), _)| *i == iface)
    }
}
