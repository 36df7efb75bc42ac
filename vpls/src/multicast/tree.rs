//! Trees that this PE roots: their identities, branches and faults, and which bindings use them.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Label, LabelStack, NhlfeId, VsiId};
use fwd_core::op::{NextHop, Nhlfe, TunnelModel};

use super::gauge::{congruent, leaves_of};
use super::{Binding, BindingState, Reason, TreeConfig, TunnelKind};
use crate::bgp::{McastKey, Tunnel};
use crate::config::FateSharing;
use crate::event::EventKind;
use crate::fault::{Affected, Cause};
use crate::io::{Output, TreeEvent, TreeRequest};
use crate::pe::{Dirty, Timer, VplsPe};
use crate::sorted::VecSet;
use crate::vsi::Instance;

/// A tree that this PE roots.
#[derive(Clone, Debug)]
pub struct RootedTree {
    pub(crate) kind: TunnelKind,
    /// Whether instances share it.
    pub(crate) aggregate: bool,
    /// Entries of its branches.
    pub(crate) entries: Vec<NhlfeId>,
    /// Leaves that are not reached.
    pub(crate) down: BTreeSet<IpAddr>,
    /// The greatest packet that it carries; 0: not known.
    pub(crate) mtu: u16,
    pub(crate) users: VecSet<(VsiId, McastKey)>,
}

/// The opaque value of our mLDP trees: a generic LSP identifier (RFC 6388 §2.3.1).
fn opaque(id: u32) -> Vec<u8> {
    let mut opaque = alloc::vec![1, 0, 4];
    opaque.extend(id.to_be_bytes());
    opaque
}

impl VplsPe {
    fn new_tunnel(&mut self, kind: TunnelKind) -> Tunnel {
        self.next_tree = self.next_tree.wrapping_add(1);
        let id = self.next_tree;
        match kind {
            TunnelKind::Mldp => Tunnel::MldpP2mp { root: self.config.router_id.into(), opaque: opaque(id) },
            TunnelKind::RsvpTe => Tunnel::RsvpTeP2mp {
                extended_tunnel_id: self.config.router_id,
                tunnel_id: u16::try_from(id & 0xffff).unwrap_or(0),
                p2mp_id: id,
            },
        }
    }

    /// Binds flows to a tree: one of their own, or one that others use too.
    pub(crate) fn bind(
        &mut self,
        vsi: VsiId,
        key: McastKey,
        (kind, trees, expected): (TunnelKind, TreeConfig, BTreeSet<IpAddr>),
        (state, reason): (BindingState, Reason),
    ) {
        let aggregate = trees.aggregate;
        let label = match aggregate {
            true => {
                let Some(label) = self.pools.tree_labels.one().and_then(Label::new) else {
                    return self.event(vsi, EventKind::Exhausted);
                };
                Some(label)
            }
            false => None,
        };
        let tunnel = match self.shared_tree(kind, &trees, &expected) {
            Some(tunnel) => tunnel,
            None => self.new_tunnel(kind),
        };
        let tree = match self.trees.entry(tunnel.clone()) {
            Entry::Occupied(of) => of.into_mut(),
            Entry::Vacant(of) => {
                self.out.push_back(Output::Tree(TreeRequest::Root { tunnel: tunnel.clone(), leaves: Vec::new() }));
                of.insert(RootedTree {
                    kind,
                    aggregate,
                    entries: Vec::new(),
                    down: BTreeSet::new(),
                    mtu: 0,
                    users: VecSet::new(),
                })
            }
        };
        tree.users.insert((vsi, key));
        let binding = Binding {
            tunnel: tunnel.clone(),
            label,
            state,
            reason,
            since: self.now,
            leaves: BTreeMap::new(),
            expected,
            entries: Vec::new(),
            own: Vec::new(),
        };
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.bindings.insert(key, binding);
        }
        self.branch(vsi, &key);
        self.leaves_changed(vsi, &key);
        self.dirty.insert(Dirty::Advertise(vsi));
    }

    /// The tree that a new binding shares: of those with room the one whose leaves are most nearly those that want it, unless more than
    /// [`TreeConfig::congruency`] per cent of both are not common (RFC 7117 §10). What all PEs get shares with its like.
    fn shared_tree(&self, kind: TunnelKind, trees: &TreeConfig, expected: &BTreeSet<IpAddr>) -> Option<Tunnel> {
        if !trees.aggregate {
            return None;
        }
        let is_like = |tree: &RootedTree| {
            let is_for_all = |(_, key): &(VsiId, McastKey)| key.source.is_none() && key.group.is_none();
            let has_room = tree.users.len() < trees.sharing.into();
            // Those of one tree are alike.
            let likes = tree.users.first().is_none_or(|user| is_for_all(user) == expected.is_empty());
            tree.aggregate && tree.kind == kind && has_room && likes
        };
        let leaves = |tree: &RootedTree| -> BTreeSet<IpAddr> {
            let of = |(vsi, key): &(VsiId, McastKey)| self.vsis.get(vsi)?.bindings.get(key).map(leaves_of);
            tree.users.iter().filter_map(of).flatten().collect()
        };
        let rated =
            self.trees.iter().filter(|(_, tree)| is_like(tree)).map(|(tunnel, tree)| {
                (if expected.is_empty() { 100 } else { congruent(&leaves(tree), expected) }, tunnel)
            });
        let is_near = |(common, _): &(usize, &Tunnel)| common.saturating_add(trees.congruency.into()) >= 100;
        rated.filter(is_near).max_by_key(|(common, _)| *common).map(|(_, tunnel)| tunnel.clone())
    }

    /// Unbinds flows; the tree goes with its last binding.
    pub(crate) fn drop_binding(&mut self, vsi: VsiId, key: &McastKey) {
        let Some(binding) = self.vsis.get_mut(&vsi).and_then(|i| i.bindings.remove(key)) else { return };
        self.settle_all(Dirty::Flood(vsi));
        self.regroup_all(vsi);
        for entry in binding.own {
            self.program.nhlfe(entry, None);
            self.pools.nhlfes.give(entry.0, 1);
        }
        if let Some(label) = binding.label {
            self.pools.tree_labels.give(label.value(), 1);
        }
        let tunnel = binding.tunnel;
        let is_last = self.trees.get_mut(&tunnel).is_some_and(|tree| {
            tree.users.remove(&(vsi, *key));
            tree.users.is_empty()
        });
        if is_last {
            self.trees.remove(&tunnel);
            self.faults.end(self.now, &Cause::Tree(tunnel.clone()));
            self.out.push_back(Output::Tree(TreeRequest::Unroot { tunnel }));
        }
        self.timers.clear(Timer::Binding(vsi, *key));
        self.dirty.insert(Dirty::Advertise(vsi));
    }

    /// Makes the entries of a binding anew from its tree's branches.
    fn branch(&mut self, vsi: VsiId, key: &McastKey) {
        let Some(binding) = self.vsis.get(&vsi).and_then(|i| i.bindings.get(key)) else { return };
        let Some(tree) = self.trees.get(&binding.tunnel) else { return };
        let (branches, label, old) = (tree.entries.clone(), binding.label, binding.own.clone());
        let mut own = Vec::new();
        let entries = match label {
            None => branches,
            Some(label) => {
                for branch in branches {
                    let Some(id) = self.pools.nhlfes.one().map(NhlfeId) else {
                        self.event(vsi, EventKind::Exhausted);
                        break;
                    };
                    let push = LabelStack::single(label);
                    let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(branch), model: TunnelModel::Pipe };
                    self.program.nhlfe(id, Some(nhlfe));
                    own.push(id);
                }
                own.clone()
            }
        };
        if let Some(binding) = self.vsis.get_mut(&vsi).and_then(|i| i.bindings.get_mut(key)) {
            (binding.entries, binding.own) = (entries, own);
        }
        self.settle_all(Dirty::Flood(vsi));
        self.regroup_all(vsi);
        for entry in old {
            self.program.nhlfe(entry, None);
            self.pools.nhlfes.give(entry.0, 1);
        }
    }

    /// What became of a tree that this PE roots.
    pub(crate) fn tree_event(&mut self, event: TreeEvent) {
        let (tunnel, users) = match &event {
            TreeEvent::Branches { tunnel, .. } | TreeEvent::Leaf { tunnel, .. } | TreeEvent::Mtu { tunnel, .. } => {
                let users = self.trees.get(tunnel).map(|tree| tree.users.clone());
                (tunnel.clone(), users.unwrap_or_default())
            }
        };
        let Some(tree) = self.trees.get_mut(&tunnel) else { return };
        match event {
            TreeEvent::Branches { entries, .. } => {
                let (was, is) = (tree.entries.is_empty(), entries.is_empty());
                tree.entries = entries;
                if was != is {
                    self.tree_fault(&tunnel, &users, None, is);
                }
                for (vsi, key) in users {
                    self.branch(vsi, &key);
                    if was != is {
                        self.event(vsi, if is { EventKind::TreeDown } else { EventKind::TreeUp });
                    }
                }
            }
            TreeEvent::Leaf { leaf, reached, .. } => {
                let changed = if reached { tree.down.remove(&leaf) } else { tree.down.insert(leaf) };
                if changed {
                    self.tree_fault(&tunnel, &users, Some(leaf), !reached);
                    users.into_iter().for_each(|(vsi, _)| self.leaf_state(vsi, leaf, reached));
                }
            }
            TreeEvent::Mtu { mtu, .. } => tree.mtu = mtu,
        }
    }

    /// A tree, or a leaf of it, is reached or no longer.
    fn tree_fault(&mut self, tunnel: &Tunnel, users: &VecSet<(VsiId, McastKey)>, leaf: Option<IpAddr>, is_down: bool) {
        let of = |(vsi, key): &(VsiId, McastKey)| self.vsis.get(vsi)?.bindings.get(key);
        let all: BTreeSet<IpAddr> = users.iter().filter_map(of).flat_map(|b| b.leaves.keys().copied()).collect();
        let (cause, now) = (Cause::Tree(tunnel.clone()), self.now);
        for one in leaf.map_or_else(|| all.clone(), |leaf| [leaf].into()) {
            if is_down {
                self.faults.raise(now, cause.clone(), Affected::Leaf(one), all.len().max(1));
            } else {
                self.faults.clear(now, &cause, Affected::Leaf(one));
            }
        }
    }

    /// A leaf is reached or no longer: its copies go by the pseudowire, or that is taken down with the tree (F-34).
    fn leaf_state(&mut self, vsi: VsiId, leaf: IpAddr, reached: bool) {
        self.event(vsi, if reached { EventKind::TreeUp } else { EventKind::TreeDown });
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let is_coupled = instance.config.fate == FateSharing::Coupled;
        for pw in instance.pws.to_mut(leaf).filter(|pw| pw.is_mesh()) {
            pw.coupled_down = is_coupled && !reached;
        }
        self.settle_all(Dirty::Ports(vsi));
        self.settle_all(Dirty::Flood(vsi));
        self.regroup_all(vsi);
        let timer = Timer::Unrestored(vsi, leaf);
        let has_way = self.vsis.get(&vsi).is_some_and(|i| i.pw_to(leaf).is_some());
        match (reached || has_way, self.shortest_holdtime(vsi)) {
            (false, Some(holdtime)) => self.timers.set(timer, self.now + holdtime / 2),
            _ => self.timers.clear(timer),
        }
    }

    /// A PE has been out of reach for half of the shortest hold time.
    pub(crate) fn unrestored(&mut self, vsi: VsiId, peer: IpAddr) {
        self.event(vsi, EventKind::Unrestored(peer));
    }

    fn shortest_holdtime(&self, vsi: VsiId) -> Option<core::time::Duration> {
        let instance = self.vsis.get(&vsi)?;
        let snoopers = instance.domains.values().filter_map(|d| d.snooper.as_deref());
        snoopers.filter_map(|snooper| snooper.pim.shortest_holdtime()).min()
    }

    /// PEs that a binding serves now, and the entries of its branches; none: it serves nobody.
    pub(crate) fn served(&self, instance: &Instance, binding: &Binding) -> Option<(BTreeSet<IpAddr>, Vec<NhlfeId>)> {
        if binding.state != BindingState::Sending || binding.entries.is_empty() {
            return None;
        }
        let tree = self.trees.get(&binding.tunnel)?;
        let ready = binding.leaves.iter().filter(|(_, from)| **from <= self.now).map(|(leaf, _)| *leaf);
        let served: BTreeSet<IpAddr> = ready.filter(|leaf| !tree.down.contains(leaf)).collect();
        // A leaf without a pseudowire does not learn from the tree: it is not served.
        let served: BTreeSet<IpAddr> = served.into_iter().filter(|leaf| instance.pw_to(*leaf).is_some()).collect();
        (!served.is_empty()).then(|| (served, binding.entries.clone()))
    }

    /// The tree that a flow takes: its own, that of its group, or the inclusive one.
    pub(crate) fn tree_for(
        &self,
        instance: &Instance,
        source: Option<IpAddr>,
        group: IpAddr,
    ) -> Option<(BTreeSet<IpAddr>, Vec<NhlfeId>)> {
        self.selective(instance, source, group).or_else(|| self.inclusive(instance))
    }

    /// The greatest frame of a customer's that the trees of an instance carry; `None` where no tree said (RFC 5501 §6.2.2).
    #[must_use]
    pub fn tree_mtu(&self, vsi: VsiId) -> Option<u16> {
        let instance = self.vsis.get(&vsi)?;
        let of = |b: &Binding| {
            let mtu = self.trees.get(&b.tunnel)?.mtu;
            let labels = if b.label.is_some() { 8 } else { 4 };
            (mtu > 0).then(|| mtu.saturating_sub(labels + 14 + 4))
        };
        instance.bindings.values().filter_map(of).min()
    }
}
