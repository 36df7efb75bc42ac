//! BIDIR-PIM (RFC 5015): groups of one tree that carries packets both ways.
//!
//! (*,G) state is that of PIM-SM without Asserts, Registers and sources; what differs is who forwards on a link. One router of each link
//! does, the designated forwarder, and it is elected for an RPA and not for a group.
//!
//! | Section | File | What |
//! |---|---|---|
//! | 3.1.4, 3.4 | `../macros.rs`, `../evaluate.rs` | the macros; upstream and downstream machines, which are those of PIM-SM |
//! | 3.3 | `rpa.rs` | the interfaces that packets may come from; source-only branches |
//! | 3.5 | `fsm.rs`, `election.rs` | the election of the designated forwarder |

mod election;
pub mod fsm;
mod rpa;

use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use core::cmp::Ordering;

use fwd_core::net::{IfIndex, ReplicationId, RpfSetId};

use super::network::{Network, PimAddress};
use super::rp_set::RpMode;
use super::wire::DfMetric;
use fsm::DfState;

/// The metric of a router without a path, and of one whose path is the link itself (RFC 5015 §3.5.2).
const INFINITE: DfMetric = DfMetric { preference: u32::MAX, metric: u32::MAX };

/// A router with the metric that it says.
pub(super) type Offer<A> = (A, DfMetric);

/// Whether `a` is the better designated forwarder: the lower preference, then metric, then the higher address.
fn is_better<A: Ord>(a: &Offer<A>, b: &Offer<A>) -> bool {
    let key = |m: DfMetric| (m.preference, m.metric);
    match key(a.1).cmp(&key(b.1)) {
        Ordering::Less => true,
        Ordering::Greater => false,
        Ordering::Equal => a.0 > b.0,
    }
}

/// Whether a metric is that of a path.
fn is_path(metric: DfMetric) -> bool {
    metric.preference < super::assert::INFINITE_PREFERENCE
}

/// The election of an RPA on an interface (RFC 5015 §3.5.3.1).
#[derive(Clone, Debug)]
pub(super) struct Election<A> {
    state: DfState,
    /// The acting DF.
    df: Option<Offer<A>>,
    /// The best offer since this router is in Backoff.
    best: Option<Offer<A>>,
    /// MC
    count: u8,
    /// What this router says of itself.
    metric: DfMetric,
}

/// A rendezvous point address (RFC 5015 §3.1.2).
#[derive(Clone, Debug)]
pub(super) struct Rpa<A: PimAddress> {
    /// The interfaces that packets of its groups may come from, in the forwarder.
    set: RpfSetId,
    members: BTreeSet<IfIndex>,
    elections: BTreeMap<IfIndex, Election<A>>,
    /// Routes of source-only branches, with their replication groups and the interface that packets leave by.
    branches: BTreeMap<A::Prefix, Option<(ReplicationId, IfIndex)>>,
    /// The next hop towards it, as last looked at.
    next_hop: Option<A>,
}

impl<A: PimAddress> Rpa<A> {
    /// The set of interfaces that packets of its groups may come from.
    pub(super) const fn set(&self) -> RpfSetId {
        self.set
    }
}

impl<A: PimAddress> Network<A> {
    /// Whether the group is one of BIDIR-PIM.
    pub(super) fn is_bidir(&self, group: A) -> bool {
        self.config.bidir.is_some()
            && !self.is_ssm(group)
            && !self.is_dense(group)
            && self.rp_set.rp(group).is_some_and(|rp| rp.mode == RpMode::Bidir)
    }

    /// RPF_interface(RPA): the RPL itself, where the router is on it.
    pub(super) fn rpa_interface(&self, rpa: A) -> Option<IfIndex> {
        self.link_of(rpa).or_else(|| self.rpf_interface(rpa))
    }

    /// What this router says of its path to an RPA on an interface.
    fn df_metric(&self, rpa: A, i: IfIndex) -> DfMetric {
        if self.rpa_interface(rpa) == Some(i) {
            return INFINITE;
        }
        if self.is_local(rpa) || self.link_of(rpa).is_some() {
            return DfMetric { preference: 0, metric: 0 };
        }
        self.metric(rpa).map_or(INFINITE, |(preference, metric)| DfMetric { preference, metric })
    }

    /// The acting DF of a link.
    pub(super) fn df(&self, rpa: A, i: IfIndex) -> Option<A> {
        let of = self.rpas.get(&rpa)?;
        match of.elections.get(&i) {
            Some(election) => election.df.map(|(address, _)| address),
            // Where none is elected, the one on the way to the RPA.
            None => {
                let is_elected = self.interfaces.get(&i).is_none_or(|x| x.config.df_election);
                self.rpf(rpa).next_hop.filter(|_| !is_elected && self.rpa_interface(rpa) == Some(i))
            }
        }
    }

    /// I_am_DF(RPA,I). Where no other router can be there is no election.
    pub(super) fn i_am_df(&self, rpa: A, i: IfIndex) -> bool {
        let Some(of) = self.rpas.get(&rpa) else { return false };
        match of.elections.get(&i) {
            Some(election) => election.state.is_acting(),
            None => {
                let is_alone = |x: &super::network::Interface<A>| x.config.passive || !x.config.df_election;
                self.interfaces.get(&i).is_some_and(is_alone) && is_path(self.df_metric(rpa, i))
            }
        }
    }
}
