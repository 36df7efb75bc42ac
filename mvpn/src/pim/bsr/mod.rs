//! The bootstrap mechanism: BSR election, distribution of the RP-Set, candidate RPs (RFC 5059).
//!
//! [`BsrRouter`] is a machine of its own beside [`PimRouter`](super::PimRouter): the embedder hands it PIM messages of types 4 and 8, tells
//! it of neighbours, and gives the mappings that come out of it to the RP-Set of PIM.
//!
//! | File | What |
//! |---|---|
//! | `fsm.rs` | the state machines of a scope zone |
//! | `zone.rs` | what is held of a zone |
//! | `receive.rs` | the checks and effects of received messages |
//! | `act.rs` | the actions of the state machines, and timers |
//! | `message.rs` | the messages of an elected BSR, in fragments |
//! | `candidate_rp.rs` | this router as candidate RP |
//! | `mib.rs` | tables of PIM-BSR-MIB (RFC 5240) |
// Instants and durations saturate; the other operands are small.
#![allow(clippy::arithmetic_side_effects)]

mod act;
mod candidate_rp;
mod config;
pub mod fsm;
mod message;
pub mod mib;
mod receive;
mod zone;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

pub use config::{
    BsrConfig, BsrConfigError, BsrInterfaceConfig, BsrLimits, BsrTimers, CandidateBsr, CandidateRpConfig,
};
use fsm::BsrState;
use zone::ZoneState;
pub use zone::{Zone, ZoneAddress};

use super::rp_set::{CandidateRp, RpMode};
use super::wire::{Bootstrap, Message};

/// What comes in.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, A> {
    /// A PIM message, without the IP header. Types other than Bootstrap and Candidate-RP-Advertisement are ignored.
    Datagram {
        /// Where it came in.
        interface: IfIndex,
        /// Source of the IP header.
        from: A,
        /// Destination of the IP header.
        to: A,
        /// The octets after it.
        octets: &'a [u8],
    },
    /// A PIM neighbour appeared or restarted, or is gone.
    Neighbor {
        /// Where.
        interface: IfIndex,
        /// Its primary address.
        neighbor: A,
        /// Whether it is there.
        present: bool,
        /// Whether this router tells it the RP-Set: it is the DR, or would be without that neighbour (RFC 5059 §3.5).
        prime: bool,
    },
    /// An answer to [`Output::Track`], and every change of it after: RPF_neighbor(address), which is the address itself on a link of
    /// ours.
    Rpf {
        /// The address that is tracked.
        address: A,
        /// The neighbour, if there is a route.
        neighbor: Option<A>,
    },
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<A: ZoneAddress> {
    /// A PIM message to be sent: TTL 1 on an interface.
    Datagram {
        /// Where; `None` is by unicast routing.
        interface: Option<IfIndex>,
        /// Source of the IP header.
        from: A,
        /// Destination of the IP header.
        to: A,
        /// The octets after it.
        octets: Vec<u8>,
    },
    /// The RPs of a range: all of them; none where the range is gone. For [`RpSet::set_learnt`](super::rp_set::RpSet::set_learnt).
    Mapping {
        /// The groups.
        range: A::Prefix,
        /// What they are routed by.
        mode: RpMode,
        /// The BSR's hash mask.
        hash_mask_len: u8,
        /// The candidates.
        candidates: Vec<CandidateRp<A>>,
    },
    /// RPF_neighbor of this address is needed: answer with [`Input::Rpf`] now and at every change.
    Track(A),
    /// It is needed no more.
    Untrack(A),
    /// Something happened.
    Event(BsrRouterEvent<A>),
}

/// An event. Those that peers cause by mistake come at most once in ten seconds for each kind, with the number since the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BsrRouterEvent<A: ZoneAddress> {
    /// A zone has another BSR, or none.
    Elected {
        /// The zone.
        zone: Zone<A>,
        /// Its BSR.
        bsr: Option<A>,
    },
    /// Messages were not taken.
    Rejected {
        /// Why.
        reason: BsrReject,
        /// The source of the last one.
        from: A,
        /// How often since the last such event.
        times: u64,
    },
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BsrReject {
    /// It does not parse, or its checksum is wrong.
    Malformed,
    /// It is not from a neighbour.
    NotNeighbor,
    /// It is not from RPF_neighbor(BSR).
    Rpf,
    /// A No-Forward or unicast message, and this router did not start lately.
    NotStarting,
    /// It came across the border of its zone.
    Border,
    /// A scoped message whose first range names no zone.
    Zone,
    /// More zones, ranges or RPs than allowed; what is more is left out.
    Limit,
    /// More messages than allowed.
    Rate,
}

/// The derived order is that in which timers of one instant expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer<A: ZoneAddress> {
    /// GET
    Mapping(Zone<A>, A::Prefix, A),
    /// CGET
    Candidate(Zone<A>, A::Prefix, A),
    /// BST
    Bootstrap(Zone<A>),
    /// SZT
    ScopeZone(Zone<A>),
    /// CRPT
    Advertisement,
    /// When a new neighbour is told the RP-Set.
    Prime(IfIndex),
}

#[derive(Clone, Debug)]
struct Interface<A: ZoneAddress> {
    config: BsrInterfaceConfig<A>,
    neighbors: BTreeSet<A>,
}

/// The bootstrap mechanism of one family of one VRF.
#[derive(Clone, Debug)]
pub struct BsrRouter<A: ZoneAddress> {
    config: BsrConfig,
    now: Instant,
    started: Instant,
    random: Random,
    interfaces: BTreeMap<IfIndex, Interface<A>>,
    zones: BTreeMap<Zone<A>, ZoneState<A>>,
    candidate_rp: Option<CandidateRpConfig<A>>,
    /// Advertisements still to be sent in quick succession.
    quick: u8,
    timers: Timers<Timer<A>>,
    /// RPF_neighbor of the BSRs that matter; `None` until it was told.
    rpf: BTreeMap<A, Option<Option<A>>>,
    /// Messages that wait for RPF_neighbor of their BSR.
    waiting: VecDeque<(IfIndex, A, Bootstrap)>,
    tokens: (u32, Instant),
    rejects: BTreeMap<BsrReject, (Instant, u64)>,
    outputs: VecDeque<Output<A>>,
    /// Ranges whose mapping has changed.
    changed: BTreeSet<A::Prefix>,
}

impl<A: ZoneAddress> BsrRouter<A> {
    /// A router that is no candidate for anything, in the global zone.
    ///
    /// # Errors
    /// Timer values that contradict each other.
    pub fn new(now: Instant, config: BsrConfig) -> Result<Self, BsrConfigError> {
        config.check()?;
        Ok(Self {
            now,
            started: now,
            random: Random::new(config.seed),
            interfaces: BTreeMap::new(),
            zones: BTreeMap::from([(Zone::Global, ZoneState::new(true))]),
            candidate_rp: None,
            quick: 0,
            timers: Timers::new(),
            rpf: BTreeMap::new(),
            waiting: VecDeque::new(),
            tokens: (config.limits.messages_per_second, now),
            rejects: BTreeMap::new(),
            outputs: VecDeque::new(),
            changed: BTreeSet::new(),
            config,
        })
    }

    /// Adds an interface that PIM is on.
    ///
    /// # Errors
    /// An interface that is there, an address that is none, an MTU too short.
    pub fn add_interface(&mut self, now: Instant, config: BsrInterfaceConfig<A>) -> Result<(), BsrConfigError> {
        if !config.address.is_host() {
            return Err(BsrConfigError::Address);
        }
        if config.mtu < 576 {
            return Err(BsrConfigError::Mtu);
        }
        if self.interfaces.contains_key(&config.interface) {
            return Err(BsrConfigError::InterfaceExists);
        }
        self.now = now;
        self.interfaces.insert(config.interface, Interface { config, neighbors: BTreeSet::new() });
        Ok(())
    }

    /// Takes an interface away.
    pub fn remove_interface(&mut self, now: Instant, interface: IfIndex) {
        self.now = now;
        self.interfaces.remove(&interface);
        self.timers.clear(Timer::Prime(interface));
    }

    /// Makes this router a candidate BSR of a zone, or no candidate. The zone is configured from then on: it does not expire.
    ///
    /// # Errors
    /// An address that is none, a hash mask that is too long.
    pub fn set_candidate_bsr(
        &mut self,
        now: Instant,
        zone: Zone<A>,
        candidate: Option<CandidateBsr<A>>,
    ) -> Result<(), BsrConfigError> {
        if candidate.is_some_and(|c| !c.address.is_host()) {
            return Err(BsrConfigError::Address);
        }
        if candidate.is_some_and(|c| c.hash_mask_len > A::BITS) {
            return Err(BsrConfigError::HashMaskLen);
        }
        self.now = now;
        self.abdicate(zone);
        let state = self.zones.entry(zone).or_insert_with(|| ZoneState::new(true));
        state.configured = true;
        state.candidate = candidate;
        self.timers.clear(Timer::ScopeZone(zone));
        if candidate.is_some() {
            // RFC 5059 §3.1.1: the initial state is P-BSR, and so it is after reconfiguration.
            state.state = BsrState::Pending;
            self.set_rand_override(zone);
        } else {
            state.state = if state.bsr.is_some() { BsrState::AcceptPreferred } else { BsrState::AcceptAny };
        }
        Ok(())
    }

    /// Makes this router a candidate RP, or no candidate: what it advertised is withdrawn first.
    ///
    /// # Errors
    /// An address that is none, a range that is not of groups.
    pub fn set_candidate_rp(
        &mut self,
        now: Instant,
        candidate: Option<CandidateRpConfig<A>>,
    ) -> Result<(), BsrConfigError> {
        if let Some(candidate) = &candidate {
            if !candidate.address.is_host() {
                return Err(BsrConfigError::Address);
            }
            let of_groups =
                |r: &A::Prefix| A::prefix_addr(r).is_multicast() && A::prefix_len(r) >= A::prefix_len(&A::ALL_GROUPS);
            if !candidate.ranges.iter().all(|(range, _)| of_groups(range)) {
                return Err(BsrConfigError::Range);
            }
        }
        self.now = now;
        self.advertise(Some(0));
        self.candidate_rp = candidate;
        self.advertise_soon();
        Ok(())
    }

    /// The state of a zone.
    #[must_use]
    pub fn state(&self, zone: Zone<A>) -> BsrState {
        self.zones.get(&zone).map_or(BsrState::NoInfo, |z| z.state)
    }

    /// The BSR of a zone: this router or another.
    #[must_use]
    pub fn bsr(&self, zone: Zone<A>) -> Option<A> {
        let state = self.zones.get(&zone)?;
        match state.state {
            BsrState::Elected => state.candidate.map(|c| c.address),
            _ => state.bsr.map(|(_, address)| address),
        }
    }

    /// The zones that are known.
    pub fn zones(&self) -> impl Iterator<Item = Zone<A>> {
        self.zones.keys().copied()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Inputs, timeouts and the operator's methods change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// The next output; `None` when there is none.
    pub fn poll_output(&mut self) -> Option<Output<A>> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let range = self.changed.pop_first()?;
        // RFC 5059 §3.3: a range is that of the narrowest zone, should several know it.
        let narrow = |zone: &Zone<A>| match zone {
            Zone::Global => 0,
            Zone::Scoped(prefix) => A::prefix_len(prefix),
        };
        let known = self.zones.iter().filter(|(_, z)| z.mappings.contains_key(&range));
        let found = known.max_by_key(|(zone, _)| narrow(zone)).and_then(|(_, z)| Some((z, z.mappings.get(&range)?)));
        let (mode, hash_mask_len, candidates) = match found {
            Some((zone, mapping)) => (mapping.mode, zone.hash_mask_len, mapping.rps.clone()),
            None => (RpMode::Sparse, A::HASH_MASK_LEN, Vec::new()),
        };
        Some(Output::Mapping { range, mode, hash_mask_len, candidates })
    }

    fn reject(&mut self, reason: BsrReject, from: A) {
        let (until, times) = self.rejects.entry(reason).or_insert((Instant::ZERO, 0));
        *times = times.saturating_add(1);
        if self.now >= *until {
            let event = BsrRouterEvent::Rejected { reason, from, times: core::mem::take(times) };
            *until = self.now + Duration::from_secs(10);
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Sends a message of a zone out of an interface with neighbours, unless that is the zone's border.
    fn send_zone(&mut self, zone: Zone<A>, interface: IfIndex, message: &Bootstrap) {
        let Some(i) = self.interfaces.get(&interface) else { return };
        if i.neighbors.is_empty() || i.is_border(zone) {
            return;
        }
        let (from, to) = (i.config.address, A::ALL_PIM_ROUTERS);
        let octets = Message::Bootstrap(message.clone()).to_packet(from.into(), to.into());
        self.outputs.push_back(Output::Datagram { interface: Some(interface), from, to, octets });
    }

    fn send_everywhere(&mut self, zone: Zone<A>, message: &Bootstrap) {
        let interfaces: Vec<IfIndex> = self.interfaces.keys().copied().collect();
        for interface in interfaces {
            self.send_zone(zone, interface, message);
        }
    }

    /// Starts or stops tracking RPF_neighbor, so that exactly the BSRs in use and those of waiting messages are tracked.
    fn settle_tracking(&mut self) {
        let used: BTreeSet<A> = self
            .zones
            .values()
            .filter_map(|z| z.bsr.map(|(_, address)| address))
            .chain(self.waiting.iter().filter_map(|(_, _, m)| A::from_ip(m.bsr)))
            .collect();
        let gone: Vec<A> = self.rpf.keys().filter(|a| !used.contains(a)).copied().collect();
        for address in gone {
            self.rpf.remove(&address);
            self.outputs.push_back(Output::Untrack(address));
        }
        for address in used {
            if let alloc::collections::btree_map::Entry::Vacant(entry) = self.rpf.entry(address) {
                entry.insert(None);
                self.outputs.push_back(Output::Track(address));
            }
        }
    }
}

impl<A: ZoneAddress> Interface<A> {
    fn is_border(&self, zone: Zone<A>) -> bool {
        match zone {
            Zone::Global => false,
            Zone::Scoped(zone) => self.config.borders.iter().any(|border| A::is_confined(&zone, border)),
        }
    }
}
