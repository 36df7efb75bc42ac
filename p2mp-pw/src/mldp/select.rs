//! Which LSR is upstream of a tree, and the change to it (RFC 6388 §2.4.1.1, §8.4).

use alloc::collections::BTreeSet;
use core::net::IpAddr;

use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::fec::{TreeId, TreeKind};
use super::io::{Candidate, Event, Limit, PeerCapabilities, Route};
use super::machine::{Mldp, Timer};
use super::tree::{Accept, Tree};
use super::upstream::{Action, State, UpstreamEvent, choose, transition};
use crate::ldp::LdpId;

impl Mldp {
    /// Chooses upstream LSRs anew for all trees that a peer may be upstream in.
    pub(super) fn reselect_through(&mut self, now: Instant, peer: LdpId) {
        let roots = self.core.peers.get(&peer).map(|p| p.roots.clone()).unwrap_or_default();
        let mut trees = BTreeSet::new();
        for root in roots.iter().filter_map(|address| self.roots.get(address)) {
            trees.extend(&root.trees);
            let behind = root.behind.iter().filter_map(|address| self.roots.get(address));
            trees.extend(behind.flat_map(|root| &root.trees));
        }
        for id in trees {
            self.reselect(now, id);
        }
    }

    /// The LSR upstream of a tree, and where a recursive opaque value takes the tree (RFC 6388 §2.4.1.1, RFC 6512 §2).
    fn upstream_of(&self, tree: &Tree) -> Option<(LdpId, Option<IpAddr>)> {
        let (candidates, via) = match self.roots.get(&tree.fec.root)?.route.as_ref()? {
            Route::Paths { candidates, .. } => (candidates, None),
            Route::Via(via) if tree.fec.kind == TreeKind::P2mp => match self.roots.get(via)?.route.as_ref()? {
                Route::Paths { candidates, .. } => (candidates, Some(*via)),
                Route::Via(_) => return None,
            },
            Route::Via(_) => return None,
        };
        let current = tree.upstream();
        let able = |c: &&Candidate| {
            let peer = self.core.peers.get(&c.peer);
            peer.is_some_and(|p| p.can(tree.fec.kind) && (p.up || p.stale && current == Some(c.peer)))
        };
        let able: smallvec::SmallVec<[Candidate; 4]> = candidates.iter().filter(able).copied().collect();
        let opaque = via.map(|via| tree.fec.recursive(via).opaque);
        choose(&able, opaque.as_ref().unwrap_or(&tree.fec.opaque).octets()).map(|peer| (peer, via))
    }

    /// Chooses a tree's upstream LSR, if it needs one, and changes to it.
    pub(super) fn reselect(&mut self, now: Instant, id: TreeId) {
        let Some(tree) = self.trees.get(&id).filter(|tree| !tree.is_root) else { return };
        let found = self.upstream_of(tree);
        let wanted = found.map_or(tree.is_used(), |(peer, _)| tree.is_wanted(peer));
        let target = found.filter(|_| wanted);
        let at = |accept: &Option<Accept>| accept.as_ref().map(|a| (a.peer, a.via));
        let event = match target {
            None => UpstreamEvent::NoneLeft,
            Some(_) if at(&tree.active) == target => UpstreamEvent::Reselected,
            Some(_) if at(&tree.pending) == target => return,
            Some((peer, _)) => {
                let able = self.core.peers.get(&peer).is_some_and(|p| p.capabilities.contains(PeerCapabilities::MBB));
                let wants = tree.active.is_some() || tree.mbb_wanted;
                match able && wants && self.core.config.mbb.is_some() {
                    true => UpstreamEvent::SelectedMbb,
                    false => UpstreamEvent::Selected,
                }
            }
        };
        let lacks = wanted && target.is_none();
        if let Some(tree) = self.trees.get_mut(&id) {
            if !core::mem::replace(&mut tree.told_no_upstream, lacks) && lacks {
                self.core.event(Event::NoUpstream { tree: id });
            }
        }
        self.upstream_event(now, id, event, target);
    }

    /// Runs the state machine of a tree's upstream LSR. What cannot be is ignored.
    pub(super) fn upstream_event(
        &mut self,
        now: Instant,
        id: TreeId,
        event: UpstreamEvent,
        target: Option<(LdpId, Option<IpAddr>)>,
    ) {
        let Some(tree) = self.trees.get_mut(&id) else { return };
        let Ok((next, actions)) = transition(tree.state, event) else { return };
        let label = match target.filter(|_| actions.iter().any(|a| matches!(a, Action::NewActive | Action::NewPending)))
        {
            Some((peer, via)) => match self.core.labels.take().and_then(Label::new) {
                Some(label) => Some((peer, via, label)),
                None => {
                    // What is there stays until there is a label again.
                    self.core.limited(now, peer, Limit::Labels);
                    self.core.timers.set(Timer::Retry(id), now + Self::RETRY);
                    return;
                }
            },
            None => None,
        };
        let before = tree.upstream();
        tree.state = next;
        for action in actions {
            match action {
                Action::DropPending => tree.dropped.extend(tree.pending.take()),
                Action::DropActive => tree.dropped.extend(tree.active.take()),
                Action::NewActive => tree.active = label.map(|l| accept(l, false)),
                Action::NewPending => tree.pending = label.map(|l| accept(l, true)),
                Action::Activate => tree.active = tree.pending.take(),
                Action::Acknowledge => {
                    let waiting = tree.branches.iter().filter(|(_, b)| b.request).map(|(peer, _)| *peer);
                    tree.touched.extend(waiting);
                }
            }
        }
        match (tree.state, self.core.config.mbb) {
            (State::Waiting | State::Switching, Some(patience)) => {
                self.core.timers.set(Timer::Mbb(id), now + patience);
            }
            _ => self.core.timers.clear(Timer::Mbb(id)),
        }
        tree.mbb_wanted &= tree.state == State::Idle;
        if let Some((peer, ..)) = label {
            self.core.peers.entry(peer).or_default().trees.insert(id);
        }
        if before != tree.upstream() {
            // A mapping of the new upstream LSR is not used, one of the old can be (RFC 6388 §2.4.3).
            tree.touched.extend(before.into_iter().chain(tree.upstream()));
            if before.is_some() && tree.active.is_some() {
                self.core.counters.upstream_changes = self.core.counters.upstream_changes.saturating_add(1);
            }
        }
        if !actions.is_empty() {
            self.core.queue(id, tree);
        }
    }
}

fn accept((peer, via, label): (LdpId, Option<IpAddr>, Label), mbb: bool) -> Accept {
    Accept { peer, via, label, mbb, sent: None, refused: false, up: None }
}
