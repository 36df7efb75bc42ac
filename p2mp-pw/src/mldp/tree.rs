//! The state of one multipoint LSP at this router.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Label, LabelSpaceId, NhlfeId, ReplicationId};
use fwd_core::op::{IlmAction, LegTarget};

use super::fec::{Deliver, TreeFec, TreeId};
use super::upstream::State;
use crate::ldp::LdpId;

/// What a router is in a multipoint LSP (RFC 6388 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing: labels of peers that are of no use here are kept.
    None,
    /// It receives, and has nobody downstream.
    Leaf,
    /// It passes on.
    Transit,
    /// It receives and passes on.
    Bud,
    /// The root.
    Root,
}

/// An accepting element: a label of ours at an upstream LSR (RFC 6388 §8.4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Accept {
    pub(super) peer: LdpId,
    /// Where a recursive opaque value takes the tree first.
    pub(super) via: Option<IpAddr>,
    pub(super) label: Label,
    /// The mapping asks for a notification.
    pub(super) mbb: bool,
    /// The MTU in the last mapping, if one was sent.
    pub(super) sent: Option<u16>,
    /// The peer gave the label back.
    pub(super) refused: bool,
    /// The peer's label for packets towards the root.
    pub(super) up: Option<Label>,
}

/// A peer downstream, with its label.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) label: Label,
    pub(super) leg: u16,
    pub(super) nhlfe: NhlfeId,
    /// The largest payload that the peer's part of the tree takes.
    pub(super) mtu: u16,
    /// The peer waits for a make-before-break notification: F' of RFC 6388 §8.4.1.
    pub(super) request: bool,
    /// The peer restarted and did not send its mapping again.
    pub(super) stale: bool,
    /// The label that the entry pushes, while packets are to go there.
    pub(super) pushed: Option<Label>,
    pub(super) in_group: bool,
    pub(super) told: bool,
    pub(super) up: Option<UpPath>,
    /// The peer gave the label of its way up back.
    pub(super) up_refused: bool,
}

/// The way up from one peer: upstream ⟨X, Y, D⟩ of RFC 6388 §3.3.
#[derive(Clone, Debug)]
pub(super) struct UpPath {
    pub(super) label: Label,
    pub(super) group: Option<ReplicationId>,
    /// What stands in the group.
    pub(super) legs: BTreeMap<u16, LegTarget>,
    /// What the label means, and in which space, as the tables have it.
    pub(super) ilm: Option<(Option<LabelSpaceId>, IlmAction)>,
    pub(super) advertised: bool,
}

/// A label of ours in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) space: Option<LabelSpaceId>,
    pub(super) label: Label,
    pub(super) action: IlmAction,
}

/// What stands in the forwarding tables for a tree, beside its branches.
#[derive(Clone, Debug, Default)]
pub(super) struct Plane {
    pub(super) group: Option<ReplicationId>,
    pub(super) ilm: Option<Bound>,
    pub(super) local: Option<LegTarget>,
    pub(super) fed: Option<LegTarget>,
    /// The entry towards the root, with what it pushes and to whom.
    pub(super) up: Option<(NhlfeId, LdpId, Label)>,
    pub(super) up_told: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) fec: TreeFec,
    pub(super) is_root: bool,
    /// This router is a leaf.
    pub(super) local: Option<Deliver>,
    /// Its user sends, and is told of legs.
    pub(super) open: bool,
    /// The tree, rooted here, whose branches get the packets of this one (RFC 6512 §2).
    pub(super) feeds: Option<TreeId>,
    /// The tree that feeds this one.
    pub(super) fed_by: Option<TreeId>,
    pub(super) state: State,
    pub(super) active: Option<Accept>,
    pub(super) pending: Option<Accept>,
    /// Elements whose label is to be withdrawn.
    pub(super) dropped: Vec<Accept>,
    /// The first that joined asked for make-before-break.
    pub(super) mbb_wanted: bool,
    pub(super) branches: BTreeMap<LdpId, Branch>,
    /// Branches that left, with what is still in the tables.
    pub(super) gone: Vec<(LdpId, Branch)>,
    pub(super) legs: LegNumbers,
    /// Branches to look at.
    pub(super) touched: BTreeSet<LdpId>,
    pub(super) touch_all: bool,
    pub(super) queued: bool,
    /// Branches that packets go to.
    pub(super) live: usize,
    pub(super) plane: Plane,
    /// Ways up are offered: the way to the root is there, or was and is being replaced.
    pub(super) up_open: bool,
    pub(super) mtu: u16,
    pub(super) told_mtu: Option<u16>,
    pub(super) told_up: bool,
    pub(super) told_no_upstream: bool,
}

/// Numbers of legs in one tree. 0 is the leaf itself, 1 the way up, or another tree that is fed.
#[derive(Clone, Debug, Default)]
pub(super) struct LegNumbers {
    used: u16,
    free: Vec<u16>,
}

impl LegNumbers {
    pub(super) const LOCAL: u16 = 0;
    pub(super) const UP: u16 = 1;
    const FIRST: u16 = 2;

    pub(super) fn take(&mut self) -> Option<u16> {
        if let Some(leg) = self.free.pop() {
            return Some(leg);
        }
        let leg = self.used.checked_add(Self::FIRST)?;
        self.used = self.used.saturating_add(1);
        Some(leg)
    }

    pub(super) fn give(&mut self, leg: u16) {
        self.free.push(leg);
    }
}

impl Tree {
    /// Whether it is rooted here and nobody here has asked for it.
    pub(super) const fn is_unknown(&self) -> bool {
        self.is_root && !self.open && self.local.is_none() && self.fed_by.is_none()
    }

    /// The largest payload of a tree whose leaves say nothing (RFC 3988 §2.3).
    pub(super) const MTU: u16 = u16::MAX;

    pub(super) fn new(fec: TreeFec, is_root: bool) -> Self {
        Self {
            fec,
            is_root,
            local: None,
            open: false,
            feeds: None,
            fed_by: None,
            state: State::Idle,
            active: None,
            pending: None,
            dropped: Vec::new(),
            mbb_wanted: false,
            branches: BTreeMap::new(),
            gone: Vec::new(),
            legs: LegNumbers::default(),
            touched: BTreeSet::new(),
            touch_all: false,
            queued: false,
            live: 0,
            plane: Plane::default(),
            up_open: false,
            mtu: Self::MTU,
            told_mtu: None,
            told_up: false,
            told_no_upstream: false,
        }
    }

    /// The LSR that packets come from.
    pub(super) fn upstream(&self) -> Option<LdpId> {
        self.active.map(|a| a.peer)
    }

    /// Whether packets from the root have somewhere to go if they come from `upstream`: a mapping of the upstream LSR itself is
    /// kept and not used (RFC 6388 §2.4.1.4), so two LSRs never keep each other in a tree that nobody else wants.
    pub(super) fn is_wanted(&self, upstream: LdpId) -> bool {
        self.is_used() || self.branches.keys().any(|peer| *peer != upstream)
    }

    /// Whether packets are wanted here, or sent from here.
    pub(super) const fn is_used(&self) -> bool {
        self.local.is_some() || self.open || self.feeds.is_some()
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        let kept =
            self.active.is_some() || self.pending.is_some() || !self.branches.is_empty() || !self.gone.is_empty();
        !self.is_used() && !kept && self.dropped.is_empty()
    }

    /// Whether a peer has to do with it.
    pub(super) fn concerns(&self, peer: LdpId) -> bool {
        let accepts = self.active.iter().chain(&self.pending).chain(&self.dropped);
        self.branches.contains_key(&peer) || accepts.into_iter().any(|a| a.peer == peer)
    }

    pub(super) fn role(&self) -> Role {
        match (self.is_root, self.local.is_some() || self.open, self.live > 0 || self.feeds.is_some()) {
            (true, ..) => Role::Root,
            (false, true, true) => Role::Bud,
            (false, true, false) => Role::Leaf,
            (false, false, true) => Role::Transit,
            (false, false, false) => Role::None,
        }
    }

    pub(super) fn touch(&mut self, peer: LdpId) {
        self.touched.insert(peer);
    }

    /// The branches to look at.
    pub(super) fn take_touched(&mut self) -> Vec<LdpId> {
        let touched = core::mem::take(&mut self.touched);
        match core::mem::take(&mut self.touch_all) {
            true => self.branches.keys().copied().collect(),
            false => touched.into_iter().collect(),
        }
    }
}
