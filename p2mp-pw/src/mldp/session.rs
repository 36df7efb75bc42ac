//! Sessions that come, go and come back (RFC 3478 §3.3, RFC 5919).

use core::time::Duration;

use fwd_core::time::Instant;

use super::fec::TreeFec;
use super::io::PeerCapabilities;
use super::machine::{Mldp, Timer};
use super::receive::{FAMILIES, typed_wildcard};
use super::upstream::UpstreamEvent;
use crate::ldp::LdpId;
use crate::ldp::fec::MultipointKind;
use crate::ldp::message::{MessageBody, Notification};

impl Mldp {
    /// A session became operational.
    pub(super) fn peer_up(&mut self, now: Instant, id: LdpId, capabilities: PeerCapabilities) {
        let peer = self.core.peers.entry(id).or_default();
        let came_back = core::mem::take(&mut peer.stale);
        (peer.up, peer.capabilities, peer.end_of_lib_due) = (true, capabilities, true);
        self.core.timers.clear(Timer::Stale(id));
        if came_back {
            // Its labels are good until it had the time to say so again; ours it has to learn again.
            self.core.timers.set(Timer::Recovery(id), now + self.core.config.recovery);
            self.forget_withdrawn(id);
            self.send_again(id, |_| true, |_| true);
        }
        self.reselect_through(now, id);
    }

    /// A session ended.
    pub(super) fn peer_down(&mut self, now: Instant, id: LdpId, retain: Option<Duration>) {
        let Some(peer) = self.core.peers.get_mut(&id).filter(|p| p.up) else { return };
        peer.up = false;
        self.core.timers.clear(Timer::Recovery(id));
        let Some(retain) = retain else {
            self.drop_peer(now, id);
            return;
        };
        peer.stale = true;
        let trees = peer.trees.clone();
        self.core.timers.set(Timer::Stale(id), now + retain);
        for tree in trees {
            if let Some(branch) = self.trees.get_mut(&tree).and_then(|tree| tree.branches.get_mut(&id)) {
                branch.stale = true;
            }
        }
        // It is not chosen for what is new; what it carries it goes on with.
        self.reselect_through(now, id);
    }

    /// Forgets what a peer that is gone said, and what it was told.
    pub(super) fn drop_peer(&mut self, now: Instant, id: LdpId) {
        let Some(peer) = self.core.peers.get_mut(&id) else { return };
        (peer.up, peer.stale) = (false, false);
        let trees = peer.trees.clone();
        self.forget_withdrawn(id);
        for tree_id in trees {
            let Some(tree) = self.trees.get_mut(&tree_id) else { continue };
            // Nobody knows the labels any more.
            let accepts = tree.active.iter_mut().chain(&mut tree.pending).chain(&mut tree.dropped);
            accepts.filter(|a| a.peer == id).for_each(|a| (a.sent, a.up) = (None, None));
            if let Some(path) = tree.branches.get_mut(&id).and_then(|b| b.up.as_mut()) {
                path.advertised = false;
            }
            let (active, pending) = (tree.upstream() == Some(id), tree.pending.is_some_and(|a| a.peer == id));
            if pending {
                self.upstream_event(now, tree_id, UpstreamEvent::PendingLost, None);
            }
            if active {
                self.upstream_event(now, tree_id, UpstreamEvent::ActiveLost, None);
            }
            self.remove_branch(now, id, tree_id);
            self.reselect(now, tree_id);
        }
        self.reselect_through(now, id);
        self.tidy_peer(id);
    }

    /// Labels that were withdrawn from a peer and that it can use no more.
    fn forget_withdrawn(&mut self, id: LdpId) {
        let withdrawn = self.core.peers.get_mut(&id).map(|p| core::mem::take(&mut p.withdrawn)).unwrap_or_default();
        withdrawn.keys().for_each(|label| self.core.labels.give(label.value()));
    }

    /// Removes branches that a restarted peer did not name again.
    pub(super) fn drop_stale(&mut self, now: Instant, id: LdpId, which: impl Fn(&TreeFec) -> bool) {
        let trees = self.core.peers.get(&id).map(|p| p.trees.clone()).unwrap_or_default();
        for tree_id in trees {
            let stale = self
                .trees
                .get(&tree_id)
                .is_some_and(|tree| tree.branches.get(&id).is_some_and(|branch| branch.stale) && which(&tree.fec));
            if stale {
                self.remove_branch(now, id, tree_id);
            }
        }
    }

    /// Sends a peer all labels once more that it has of trees that `down` (and `up` for the ways up) means.
    pub(super) fn send_again(&mut self, id: LdpId, down: impl Fn(&TreeFec) -> bool, up: impl Fn(&TreeFec) -> bool) {
        let trees = self.core.peers.get(&id).map(|p| p.trees.clone()).unwrap_or_default();
        for tree_id in trees {
            let Some(tree) = self.trees.get_mut(&tree_id) else { continue };
            if down(&tree.fec) {
                let accepts = tree.active.iter_mut().chain(&mut tree.pending);
                accepts.filter(|a| a.peer == id).for_each(|a| a.sent = None);
            }
            if up(&tree.fec) {
                if let Some(path) = tree.branches.get_mut(&id).and_then(|b| b.up.as_mut()) {
                    path.advertised = false;
                }
                tree.touch(id);
            }
            self.core.queue(tree_id, tree);
        }
    }

    /// Tells one peer that it has all labels, if that is due and can be told (RFC 5919 §4). `false`: nothing to tell.
    pub(super) fn end_of_lib(&mut self) -> bool {
        let Some((id, peer)) = self.core.peers.iter_mut().find(|(_, p)| p.up && p.end_of_lib_due) else { return false };
        peer.end_of_lib_due = false;
        let (id, capabilities) = (*id, peer.capabilities);
        if !capabilities.contains(PeerCapabilities::END_OF_LIB | PeerCapabilities::TYPED_WILDCARD) {
            return true;
        }
        let kinds = [
            (MultipointKind::P2mp, PeerCapabilities::P2MP),
            (MultipointKind::Mp2mpUp, PeerCapabilities::MP2MP),
            (MultipointKind::Mp2mpDown, PeerCapabilities::MP2MP),
            (MultipointKind::HsmpUp, PeerCapabilities::HSMP),
            (MultipointKind::HsmpDown, PeerCapabilities::HSMP),
        ];
        for (kind, _) in kinds.into_iter().filter(|(_, needs)| capabilities.contains(*needs)) {
            for family in FAMILIES {
                let body = MessageBody::Notification(Notification::end_of_lib(typed_wildcard(kind, family)));
                self.core.send(id, body);
            }
        }
        true
    }
}
