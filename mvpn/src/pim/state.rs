//! The tree information base: state per group, source and interface (RFC 7761 §4.1).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use fwd_core::net::{IfIndex, ReplicationId};
use fwd_core::op::{LegTarget, Mroute};
use smallvec::SmallVec;

use super::assert::{AssertMetric, AssertState};
use super::attributes::Extra;
use super::dense::DenseTimer;
use super::downstream::{JoinState, RptState};
use super::register::RegisterState;
use super::upstream::{RptUpstreamState, UpstreamState};

/// A few entries by interface, in order.
#[derive(Clone, Debug)]
pub(super) struct ByInterface<T>(SmallVec<[(IfIndex, T); 1]>);

impl<T> Default for ByInterface<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Default + PartialEq> ByInterface<T> {
    pub(super) fn get(&self, iface: IfIndex) -> Option<&T> {
        let at = self.0.binary_search_by_key(&iface, |(i, _)| *i).ok()?;
        self.0.get(at).map(|(_, t)| t)
    }

    /// Changes the entry of an interface, which comes into being for it and goes when it says nothing.
    pub(super) fn update<R>(&mut self, iface: IfIndex, change: impl FnOnce(&mut T) -> R) -> R {
        let found = self.0.binary_search_by_key(&iface, |(i, _)| *i);
        let mut value = match found {
            Ok(at) => self.0.get_mut(at).map(|(_, t)| core::mem::take(t)).unwrap_or_default(),
            Err(_) => T::default(),
        };
        let result = change(&mut value);
        match (found, value == T::default()) {
            (Ok(at), true) => drop(self.0.remove(at)),
            (Ok(at), false) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = value;
                }
            }
            (Err(at), false) => self.0.insert(at, (iface, value)),
            (Err(_), true) => {}
        }
        result
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (IfIndex, &T)> {
        self.0.iter().map(|(i, t)| (*i, t))
    }

    pub(super) fn interfaces(&self) -> impl Iterator<Item = IfIndex> + '_ {
        self.0.iter().map(|(i, _)| *i)
    }
}

/// Who won an Assert on an interface: AssertWinner and AssertWinnerMetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AssertInfo<A> {
    pub(super) winner: AssertMetric<A>,
    pub(super) me: bool,
    /// The interface was the RPF interface when this came about.
    pub(super) upstream: bool,
}

pub(super) fn assert_state<A>(info: Option<&AssertInfo<A>>) -> AssertState {
    match info {
        None => AssertState::NoInfo,
        Some(info) if info.me => AssertState::Winner,
        Some(_) => AssertState::Loser,
    }
}

/// (*,G) state of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupInterface<A> {
    pub(super) join: JoinState,
    /// local_receiver_include(*,G,I).
    pub(super) include: bool,
    pub(super) assert: Option<AssertInfo<A>>,
}

impl<A> Default for GroupInterface<A> {
    fn default() -> Self {
        Self { join: JoinState::NoInfo, include: false, assert: None }
    }
}

/// (S,G) and (S,G,rpt) state of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceInterface<A> {
    pub(super) join: JoinState,
    pub(super) rpt: RptState,
    /// local_receiver_include(S,G,I).
    pub(super) include: bool,
    /// local_receiver_exclude(S,G,I).
    pub(super) exclude: bool,
    pub(super) assert: Option<AssertInfo<A>>,
}

impl<A> Default for SourceInterface<A> {
    fn default() -> Self {
        Self { join: JoinState::NoInfo, rpt: RptState::NoInfo, include: false, exclude: false, assert: None }
    }
}

/// RPF': where Joins go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rpf<A> {
    pub(super) interface: Option<IfIndex>,
    /// NBR(RPF_interface, MRIB.next_hop).
    pub(super) next_hop: Option<A>,
    /// The Assert winner, or the next hop.
    pub(super) neighbor: Option<A>,
}

impl<A> Default for Rpf<A> {
    fn default() -> Self {
        Self { interface: None, next_hop: None, neighbor: None }
    }
}

/// An upstream machine and the RPF' that it knows.
#[derive(Clone, Debug)]
pub(super) struct Upstream<A> {
    pub(super) state: UpstreamState,
    pub(super) rpf: Rpf<A>,
    pub(super) extra: Option<Box<Extra<A>>>,
}

impl<A> Default for Upstream<A> {
    fn default() -> Self {
        Self { state: UpstreamState::NotJoined, rpf: Rpf::default(), extra: None }
    }
}

/// What the forwarder was told of a route.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    pub(super) mroute: Mroute,
    pub(super) replication: Option<ReplicationId>,
    pub(super) legs: SmallVec<[(u16, LegTarget); 2]>,
}

/// State of (S,G).
#[derive(Clone, Debug)]
pub(super) struct Source<A> {
    pub(super) interfaces: ByInterface<SourceInterface<A>>,
    pub(super) upstream: Upstream<A>,
    pub(super) rpt: RptUpstreamState,
    /// RPF'(S,G,rpt) is RPF'(*,G).
    pub(super) rpt_equal: bool,
    pub(super) spt_bit: bool,
    /// KeepaliveTimer(S,G) runs.
    pub(super) keepalive: bool,
    /// This router is the RP, and a DR registered the source here.
    pub(super) registered: bool,
    /// The embedder was told that this RP has the source.
    pub(super) told: bool,
    /// Another RP has the source, as MSDP or a Source Active A-D route says.
    pub(super) remote: bool,
    pub(super) register: RegisterState,
    /// The RP that Registers go to.
    pub(super) register_rp: Option<A>,
    /// An interface on which data arrived before the route to the source was known.
    pub(super) arrived: Option<IfIndex>,
    /// The forwarder had no room.
    pub(super) refused: bool,
    pub(super) installed: Option<Installed>,
}

impl<A> Default for Source<A> {
    fn default() -> Self {
        Self {
            interfaces: ByInterface(SmallVec::new()),
            upstream: Upstream::default(),
            rpt: RptUpstreamState::RptNotJoined,
            rpt_equal: true,
            spt_bit: false,
            keepalive: false,
            registered: false,
            told: false,
            remote: false,
            register: RegisterState::NoInfo,
            register_rp: None,
            arrived: None,
            refused: false,
            installed: None,
        }
    }
}

impl<A> Source<A> {
    /// Whether nothing is known of it but what follows from other state.
    pub(super) fn is_idle(&self) -> bool {
        self.interfaces.0.is_empty()
            && self.upstream.state == UpstreamState::NotJoined
            && !self.keepalive
            && !self.remote
            && self.register == RegisterState::NoInfo
            && self.arrived.is_none()
    }
}

/// State of (*,G), and the sources of the group.
#[derive(Clone, Debug)]
pub(super) struct Group<A> {
    /// In the range of source-specific multicast.
    pub(super) ssm: bool,
    /// Of BIDIR-PIM: there are no sources, Asserts and Registers.
    pub(super) bidir: bool,
    /// Of BIDIR-PIM: packets come without anyone having joined.
    pub(super) active: bool,
    /// RP(G), as last looked up.
    pub(super) rp: Option<A>,
    pub(super) interfaces: ByInterface<GroupInterface<A>>,
    /// Interfaces that list the group among those with state there.
    pub(super) noted: SmallVec<[IfIndex; 2]>,
    pub(super) upstream: Upstream<A>,
    pub(super) refused: bool,
    pub(super) installed: Option<Installed>,
    /// Boxed: a node of the map has room for eleven, and most groups have one.
    pub(super) sources: BTreeMap<A, Box<Source<A>>>,
}

impl<A> Group<A> {
    pub(super) const fn new(ssm: bool) -> Self {
        Self {
            ssm,
            bidir: false,
            active: false,
            rp: None,
            interfaces: ByInterface(SmallVec::new_const()),
            noted: SmallVec::new_const(),
            upstream: Upstream {
                state: UpstreamState::NotJoined,
                rpf: Rpf { interface: None, next_hop: None, neighbor: None },
                extra: None,
            },
            refused: false,
            installed: None,
            sources: BTreeMap::new(),
        }
    }

    /// Whether nothing is known of it.
    pub(super) fn is_idle(&self) -> bool {
        self.sources.is_empty()
            && self.interfaces.0.is_empty()
            && self.upstream.state == UpstreamState::NotJoined
            && !self.active
    }
}

/// A timer of the machine (RFC 7761 §4.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer<A> {
    /// HT(I)
    Hello(IfIndex),
    /// A triggered Hello is due.
    TriggeredHello(IfIndex),
    /// NLT(N,I)
    NeighborLiveness(IfIndex, A),
    /// ET(*,G,I)
    GroupExpiry(A, IfIndex),
    /// PPT(*,G,I)
    GroupPrunePending(A, IfIndex),
    /// AT(*,G,I)
    GroupAssert(A, IfIndex),
    /// JT(*,G)
    GroupJoin(A),
    /// ET(S,G,I), G before S
    SourceExpiry(A, A, IfIndex),
    /// PPT(S,G,I)
    SourcePrunePending(A, A, IfIndex),
    /// ET(S,G,rpt,I)
    RptExpiry(A, A, IfIndex),
    /// PPT(S,G,rpt,I)
    RptPrunePending(A, A, IfIndex),
    /// AT(S,G,I)
    SourceAssert(A, A, IfIndex),
    /// JT(S,G)
    SourceJoin(A, A),
    /// JT(S,G) of the secondary tree (RFC 7431)
    SecondaryJoin(A, A),
    /// KAT(S,G)
    Keepalive(A, A),
    /// OT(S,G,rpt)
    RptOverride(A, A),
    /// RST(S,G)
    RegisterStop(A, A),
    /// No route to a source whose data arrived was told.
    Arrived(A, A),
    /// A source-only branch of BIDIR-PIM is forgotten.
    GroupActive(A),
    /// DFT(RPA,I) (RFC 5015 §3.6)
    DfElection(A, IfIndex),
    /// Of PIM-DM.
    Dense(DenseTimer<A>),
}
