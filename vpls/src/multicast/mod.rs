//! Trees of the core for customers' multicast (RFC 7117): inclusive ones for all of an instance, selective ones for flows.
//!
//! | Mode | Copies to sites without members (issue A) | Copies repeated on a link (issue B) |
//! |---|---|---|
//! | flooding by pseudowires | not addressed | not addressed |
//! | snooping, copies by pseudowires | addressed | not addressed |
//! | inclusive tree | not addressed | addressed |
//! | selective tree | addressed | addressed |

mod choice;
mod gauge;
mod inclusive;
mod leaf;
mod selective;
mod tree;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Label, NhlfeId};
use fwd_core::time::Instant;

use crate::bgp::Tunnel;

pub use choice::{Choice, Flow, Reason, choose};
pub use gauge::{Gauge, TreeGauge};
pub use leaf::Joined;
pub(crate) use selective::RateWatch;
pub use tree::RootedTree;

pub(crate) use crate::snoop::flow_of;

/// What a tree is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// mLDP P2MP LSPs.
    Mldp,
    /// RSVP-TE P2MP LSPs, which the embedder signals.
    RsvpTe,
}

/// Who counts as a leaf of an inclusive tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InclusiveLeaves {
    /// PEs that answered with a Leaf A-D route; the others get copies by pseudowires. For instances with PEs that know no trees.
    #[default]
    Tracked,
    /// All PEs, as RFC 7117 §4 has it: every PE of the instance must know the tunnel type.
    All,
}

/// Trees of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeConfig {
    /// The inclusive tree; none: copies by pseudowires. Default none.
    pub inclusive: Option<TunnelKind>,
    /// Its leaves.
    pub inclusive_leaves: InclusiveLeaves,
    /// Selective trees; none: never. Default mLDP.
    pub selective: Option<TunnelKind>,
    /// Whether instances share trees, told apart by a label below (RFC 7117 §3.5). Default false.
    pub aggregate: bool,
    /// How many bindings share a tree at most. Default 1,000.
    pub sharing: u16,
    /// The rate from which a flow may have a selective tree, in bit/s. Default 1 Mbit/s.
    pub threshold: u64,
    /// How long the rate must be above or below. Default 5 s.
    pub sustain: Duration,
    /// How long a selective tree lives at least. Default 60 s.
    pub least_life: Duration,
    /// Between the announcement of a tree and data on it (RFC 7117 §8.1). Default 3 s.
    pub switchover: Duration,
    /// Share of PEs without members that may get a flow by the inclusive tree, or by a shared one, all the same, in per cent: 0 makes
    /// every tree exact, 100 makes one tree do for all. Default 25.
    pub congruency: u8,
    /// Membership changes of a flow in a minute beyond which it gets no tree of its own. Default 30.
    pub churn: u32,
    /// Whether unknown unicast goes by the inclusive tree. Off, its order is kept when the address is learned. Default false.
    pub unknown_unicast: bool,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self {
            inclusive: None,
            inclusive_leaves: InclusiveLeaves::default(),
            selective: Some(TunnelKind::Mldp),
            aggregate: false,
            sharing: 1000,
            threshold: 1_000_000,
            sustain: Duration::from_secs(5),
            least_life: Duration::from_secs(60),
            switchover: Duration::from_secs(3),
            congruency: 25,
            churn: 30,
            unknown_unicast: false,
        }
    }
}

/// How copies are made of multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicationMode {
    /// By pseudowires to every PE.
    Flood,
    /// By pseudowires to PEs with members.
    Snooped,
    /// By a tree to every PE.
    Inclusive,
    /// By a tree to PEs with members.
    Selective,
}

/// The two wastes that RFC 5501 §4.1.1 tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issue {
    /// Copies to sites without members.
    A,
    /// Copies repeated on a link.
    B,
}

impl ReplicationMode {
    /// Which wastes the mode avoids.
    ///
    /// ```
    /// use vpls::multicast::{Issue, ReplicationMode};
    /// assert_eq!(ReplicationMode::Flood.addresses(), []);
    /// assert_eq!(ReplicationMode::Snooped.addresses(), [Issue::A]);
    /// assert_eq!(ReplicationMode::Inclusive.addresses(), [Issue::B]);
    /// assert_eq!(ReplicationMode::Selective.addresses(), [Issue::A, Issue::B]);
    /// ```
    #[must_use]
    pub const fn addresses(self) -> &'static [Issue] {
        match self {
            Self::Flood => &[],
            Self::Snooped => &[Issue::A],
            Self::Inclusive => &[Issue::B],
            Self::Selective => &[Issue::A, Issue::B],
        }
    }
}

/// Where a binding of flows to a tree stands (F-30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingState {
    /// Announced; data goes as before.
    Announced,
    /// Data goes by the tree to PEs that are on it.
    Sending,
    /// Data goes as before the tree again; the announcement stands for a while.
    Reverting,
}

/// A binding of flows to a tree that this PE roots.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The tree.
    pub tunnel: Tunnel,
    /// The label below that of the tree, of an aggregate.
    pub label: Option<Label>,
    /// Where it stands.
    pub state: BindingState,
    /// Why it was made.
    pub reason: Reason,
    /// Since when it is in its state.
    pub since: Instant,
    /// PEs that answered, and from when data goes to them by the tree.
    pub leaves: BTreeMap<IpAddr, Instant>,
    /// PEs that were known to want it when it was made.
    pub(crate) expected: BTreeSet<IpAddr>,
    /// Entries of the branches, with the label below where there is one.
    pub(crate) entries: Vec<NhlfeId>,
    /// Those of them that are ours.
    pub(crate) own: Vec<NhlfeId>,
}
