//! The state of a P2MP LSP at a node (RFC 4875 §10).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::net::{IfIndex, Label, NhlfeId, ReplicationId};
use fwd_core::op::IlmAction;
use fwd_core::time::Instant;

use super::config::{LspKey, Neighbour, SubGroup};
use super::route::{Route, Subobject};
use super::tspec::TokenBucket;

/// Where a sub-LSP goes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Towards {
    /// It ends here.
    Here,
    /// To a neighbour.
    Via(Ipv4Addr),
}

/// A sub-LSP.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The sub-group of the previous hop's that it is in; none at the ingress.
    pub(super) from: Option<SubGroup>,
    /// What is left of its way, from the next hop on.
    pub(super) route: Route,
    pub(super) towards: Towards,
    /// Our sub-group that it is in.
    pub(super) out: Option<u16>,
    /// There is a reservation from here to its egress.
    pub(super) reserved: bool,
    /// The ingress's user was told so.
    pub(super) told: bool,
}

/// A sub-group of the previous hop's: its Path state.
#[derive(Clone, Debug, Default)]
pub(super) struct InGroup {
    pub(super) leaves: BTreeSet<Ipv4Addr>,
    /// The leaves in our last Resv; empty: none stands.
    pub(super) told: BTreeSet<Ipv4Addr>,
    /// A Resv is due though nothing changed.
    pub(super) refresh: bool,
}

/// Where Paths come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    /// The previous hop, as its RSVP_HOP says.
    pub(super) hop: Ipv4Addr,
    pub(super) iface: IfIndex,
    /// Its number of the interface.
    pub(super) handle: u32,
    /// The label that it was given.
    pub(super) label: Label,
}

/// A sub-group of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct OutGroup {
    pub(super) leaves: BTreeSet<Ipv4Addr>,
    /// A Path was sent and stands.
    pub(super) sent: bool,
    /// A Path is due.
    pub(super) due: bool,
}

/// A neighbour to which sub-LSPs go.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) neighbour: Neighbour,
    pub(super) groups: BTreeMap<u16, OutGroup>,
    pub(super) leg: u16,
    pub(super) nhlfe: NhlfeId,
    /// The label of its last Resv.
    pub(super) label: Option<Label>,
    pub(super) pushed: Option<Label>,
    pub(super) in_group: bool,
    pub(super) told: bool,
}

/// What is in the tables.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plane {
    pub(super) group: Option<ReplicationId>,
    /// The leg that delivers here is in the group.
    pub(super) local: bool,
    pub(super) ilm: Option<(Label, IlmAction)>,
}

/// A P2MP LSP.
#[derive(Clone, Debug)]
pub(super) struct Lsp {
    /// It starts here.
    pub(super) ingress: bool,
    pub(super) tspec: TokenBucket,
    pub(super) upstream: Option<Upstream>,
    pub(super) groups: BTreeMap<SubGroup, InGroup>,
    pub(super) leaves: BTreeMap<Ipv4Addr, Leaf>,
    pub(super) branches: BTreeMap<Ipv4Addr, Branch>,
    pub(super) next_group: u16,
    pub(super) plane: Plane,
    /// The LSP that it is to replace.
    pub(super) replaces: Option<LspKey>,
    /// The embedder was told that we are a leaf of it.
    pub(super) wanted: bool,
    /// The forwarding plane had no room.
    pub(super) refused: bool,
    pub(super) life: Life,
}

/// Since when an LSP is there, and how long it carried packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) created: Instant,
    pub(super) is_up: bool,
    /// When that changed, or it was made.
    pub(super) changed: Instant,
    /// How long it was up before.
    pub(super) up_for: Duration,
    pub(super) transitions: u32,
}

impl Life {
    /// Keeps the books on whether it is up.
    pub(super) fn set(&mut self, now: Instant, is_up: bool) {
        if is_up == self.is_up {
            return;
        }
        self.up_for = self.up_for(now).0;
        (self.is_up, self.changed) = (is_up, now);
        self.transitions = self.transitions.saturating_add(1);
    }

    /// How long it has been up, in all and this time.
    pub(super) fn up_for(&self, now: Instant) -> (Duration, Duration) {
        let this = if self.is_up { now - self.changed } else { Duration::ZERO };
        (self.up_for.saturating_add(this), this)
    }
}

impl Lsp {
    pub(super) const fn new(now: Instant, ingress: bool, tspec: TokenBucket) -> Self {
        Self {
            ingress,
            tspec,
            upstream: None,
            groups: BTreeMap::new(),
            leaves: BTreeMap::new(),
            branches: BTreeMap::new(),
            next_group: 1,
            plane: Plane { group: None, local: false, ilm: None },
            replaces: None,
            wanted: false,
            refused: false,
            life: Life { created: now, is_up: false, changed: now, up_for: Duration::ZERO, transitions: 0 },
        }
    }

    /// Whether packets go to some leaf of it.
    pub(super) fn is_up(&self) -> bool {
        !self.refused && self.leaves.values().any(|leaf| leaf.reserved)
    }

    /// Whether it ends here.
    pub(super) fn is_leaf(&self) -> bool {
        self.leaves.values().any(|leaf| leaf.towards == Towards::Here)
    }

    /// The reserved leaves of a sub-group of the previous hop's.
    pub(super) fn reserved_of(&self, group: SubGroup) -> BTreeSet<Ipv4Addr> {
        let of = self.groups.get(&group).into_iter().flat_map(|g| &g.leaves);
        of.filter(|leaf| self.leaves.get(leaf).is_some_and(|l| l.reserved && l.from == Some(group))).copied().collect()
    }

    /// A number for a sub-group of ours that none has.
    pub(super) fn unused_group(&mut self) -> u16 {
        loop {
            let id = self.next_group;
            self.next_group = self.next_group.checked_add(1).unwrap_or(1);
            if !self.branches.values().any(|branch| branch.groups.contains_key(&id)) {
                return id;
            }
        }
    }
}

/// The ways of sub-LSPs in one Path message, whole: a secondary way that begins at a node of one before it branches off there
/// (RFC 4875 §4.5).
pub(super) fn whole_routes(list: Vec<(IpAddr, Route)>) -> Vec<(Ipv4Addr, Route)> {
    let mut whole: Vec<(Ipv4Addr, Route)> = Vec::new();
    for (egress, route) in list {
        let IpAddr::V4(egress) = egress else { continue };
        let start = route.0.first().and_then(address);
        let trunk = start.and_then(|start| {
            whole.iter().find_map(|(_, before)| {
                let at = before.0.iter().position(|hop| address(hop) == Some(start))?;
                before.0.get(..at)
            })
        });
        let mut hops = trunk.map(<[Subobject]>::to_vec).unwrap_or_default();
        hops.extend(route.0);
        whole.push((egress, Route(hops)));
    }
    whole
}

/// The address of a hop that is one node.
pub(super) const fn address(hop: &Subobject) -> Option<Ipv4Addr> {
    match hop {
        Subobject::Address { address: IpAddr::V4(address), bits: 32, .. } => Some(*address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn node(n: u8) -> Ipv4Addr {
        [192, 0, 2, n].into()
    }

    /// The example of RFC 4875 §4.5: routes of A to B, C, D, E with secondary routes that branch off from earlier ones.
    #[test]
    fn secondary_routes_branch_off_from_those_before() {
        let list = vec![
            (node(5).into(), Route::strict(&[node(2), node(3), node(4), node(5)])),
            (node(6).into(), Route::strict(&[node(3), node(6)])),
            (node(7).into(), Route::strict(&[node(6), node(7)])),
            (node(8).into(), Route::default()),
        ];
        let routes = whole_routes(list);
        assert_eq!(routes[1].1, Route::strict(&[node(2), node(3), node(6)]));
        assert_eq!(routes[2].1, Route::strict(&[node(2), node(3), node(6), node(7)]));
        assert_eq!(routes[3].1, Route::default());
    }
}
