//! How well a way of carrying a flow does: copies to PEs without members (issue A), copies repeated on a link (issue B), and what it
//! costs in state (RFC 5501 §4.1.1.1, §6.1.1, §6.5.3; RFC 7117 §10).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::VsiId;
use fwd_core::op::LegTarget;

use super::Binding;
use crate::bgp::Tunnel;
use crate::pe::VplsPe;
use crate::vsi::Instance;

/// A flow as it is carried from this PE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// Other PEs that get it.
    pub served: usize,
    /// Those of them that have members.
    pub members: usize,
    /// Copies that this PE sends into the core.
    pub copies: usize,
    /// Forwarding entries that are for this flow alone: of its group, and of trees that carry nothing else.
    pub state: usize,
}

impl Gauge {
    /// The share of PEs that get the flow without having members, in thousandths: 0 where issue A is solved.
    ///
    /// ```
    /// use vpls::multicast::Gauge;
    /// let flooded = Gauge { served: 20, members: 3, copies: 20, state: 0 };
    /// assert_eq!((flooded.memberless(), flooded.stretch()), (850, 20_000));
    /// ```
    #[must_use]
    pub fn memberless(&self) -> usize {
        self.served.saturating_sub(self.members).saturating_mul(1000).checked_div(self.served).unwrap_or(0)
    }

    /// Copies on the first link in relation to one, the best there is, in thousandths: 1,000 where issue B is solved.
    #[must_use]
    pub const fn stretch(&self) -> usize {
        self.copies.saturating_mul(1000)
    }

    /// PEs that get the flow in relation to those that want it, in thousandths; `None` where nobody wants it.
    #[must_use]
    pub fn over_delivery(&self) -> Option<usize> {
        self.served.saturating_mul(1000).checked_div(self.members)
    }
}

/// A tree that this PE roots, as an operator judges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeGauge {
    /// The tree.
    pub tunnel: Tunnel,
    /// Flows, or instances' floods, that it carries.
    pub bindings: usize,
    /// PEs that are on it.
    pub leaves: usize,
    /// How much of it each binding wants, in per cent of its leaves, on average over its bindings (RFC 7117 §10).
    pub congruency: usize,
    /// Entries at this PE: its branches, and those with a label below for each binding.
    pub entries: usize,
}

/// PEs of a binding: those that answered, and those that were known to want it when it was made.
pub(super) fn leaves_of(binding: &Binding) -> BTreeSet<IpAddr> {
    binding.leaves.keys().chain(&binding.expected).copied().collect()
}

/// What is common to two sets in relation to all of both, in per cent.
pub(super) fn congruent(a: &BTreeSet<IpAddr>, b: &BTreeSet<IpAddr>) -> usize {
    let (common, all) = (a.intersection(b).count(), a.union(b).count());
    common.saturating_mul(100).checked_div(all).unwrap_or(100)
}

impl Instance {
    /// PEs on a tree of ours: those of all its bindings in this instance.
    fn on_tree(&self, tunnel: &Tunnel) -> BTreeSet<IpAddr> {
        self.bindings.values().filter(|b| b.tunnel == *tunnel).flat_map(|b| b.leaves.keys().copied()).collect()
    }
}

impl VplsPe {
    /// How well a flow from a customer here is carried; `None` of an instance that there is not.
    #[must_use]
    pub fn gauge(&self, vsi: VsiId, source: Option<IpAddr>, group: IpAddr) -> Option<Gauge> {
        let instance = self.vsis.get(&vsi)?;
        let trace = self.trace_group(vsi, source, group)?;
        let legs = self.program.legs(trace.replication)?;
        let is_of_core = |target: &&LegTarget| match target {
            LegTarget::Port(port) => instance.pw_at(*port).is_some_and(|(_, pw)| pw.is_mesh()),
            _ => true,
        };
        let copies = legs.values().filter(is_of_core).count();
        let by_port = instance.mesh_peers().filter(|(_, port)| trace.ports.contains(port)).map(|(peer, _)| peer);
        let mut served: BTreeSet<IpAddr> = by_port.collect();
        let tunnel = trace.tree.map(|(tunnel, _)| tunnel);
        if let Some(tunnel) = &tunnel {
            served.extend(self.vsis.values().flat_map(|i| i.on_tree(tunnel)));
        }
        let members = instance.receivers(source, group).intersection(&served).count();
        let is_own = |tunnel: &Tunnel| self.trees.get(tunnel).is_some_and(|tree| tree.users.len() == 1);
        let of_tree = tunnel.filter(is_own).map_or(0, |_| copies);
        let is_entered = trace.origin != crate::snoop::Origin::default();
        let state = if is_entered { legs.len().saturating_add(1) } else { 0 };
        Some(Gauge { served: served.len(), members, copies, state: state.saturating_add(of_tree) })
    }

    /// The trees that this PE roots.
    #[must_use]
    pub fn rooted_trees(&self) -> Vec<TreeGauge> {
        let gauge = |(tunnel, tree): (&Tunnel, &super::RootedTree)| {
            let of = |(vsi, key): &(VsiId, crate::bgp::McastKey)| self.vsis.get(vsi)?.bindings.get(key);
            let bindings: Vec<&Binding> = tree.users.iter().filter_map(of).collect();
            let leaves: BTreeSet<IpAddr> = bindings.iter().flat_map(|b| b.leaves.keys().copied()).collect();
            let wanted: usize = bindings.iter().map(|b| b.leaves.len()).sum();
            let all = leaves.len().saturating_mul(bindings.len());
            let own: usize = bindings.iter().map(|b| b.own.len()).sum();
            TreeGauge {
                tunnel: tunnel.clone(),
                bindings: bindings.len(),
                leaves: leaves.len(),
                congruency: wanted.saturating_mul(100).checked_div(all).unwrap_or(100),
                entries: tree.entries.len().saturating_add(own),
            }
        };
        self.trees.iter().map(gauge).collect()
    }
}
