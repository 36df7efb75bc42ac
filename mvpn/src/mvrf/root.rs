//! Tunnels that this PE is the root of (RFC 6513 §6.4, RFC 7988).
//!
//! A tunnel is a replication group of its MVRF, and flows that are bound to it have a leg to that group: the legs of the tunnel change in
//! one place, whatever the number of flows. With ingress replication each leaf is a leg that pushes the label that the leaf gave, upon the
//! entry that leads to it; with a multipoint LSP each branch is a leg, which its provider names.

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use fwd_core::net::{IpPrefix, Label, LabelStack, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, NextHop, Nhlfe, TunnelModel};
use fwd_core::time::Instant;

use super::config::TunnelKind;
use super::event::MvpnLimit;
use super::in_band::Named;
use super::io::{Output, TreeRequest};
use super::p_tunnel::{MldpLsp, PTunnel};
use super::shared::Shared;
use super::technology::{self, LONGEST};

/// A tree that a PE is the root of, numbered by the PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u32);

/// Octets of a label stack entry.
const LABEL: u16 = 4;

/// A leg of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LegKey {
    Leaf(IpAddr),
    Branch(NhlfeId),
}

#[derive(Clone, Copy, Debug)]
struct Leg {
    number: u16,
    /// What this PE pushes itself: the label of a leaf, or of a shared LSP, and the entry that does, if the leaf is reachable.
    own: Option<(Label, Option<NhlfeId>)>,
}

#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) vrf: VrfId,
    pub(super) kind: TunnelKind,
    pub(super) tunnel: PTunnel,
    pub(super) group: ReplicationId,
    /// The upstream-assigned label, where the tunnel is a label in another LSP.
    pub(super) label: Option<Label>,
    /// The LSP of the provider's that it is a label in.
    trunk: Option<TreeId>,
    /// The tree that the tunnel is named after.
    pub(super) carries: Option<Named>,
    /// The most octets of a customer's packet, if known.
    pub(super) mtu: Option<u16>,
    legs: BTreeMap<LegKey, Leg>,
    next_leg: u16,
    free_legs: Vec<u16>,
}

/// An LSP that several tunnels are labels in: the P2MP LSP that MVRFs of this PE share (RFC 6513 §6.3), or the MP2MP LSP that partitions do
/// (RFC 7582 §3.2.2).
#[derive(Clone, Debug)]
pub(super) struct Trunk {
    tunnel: PTunnel,
    /// Whether it is the one that MVRFs share, with labels of this PE.
    is_shared: bool,
    branches: Vec<NhlfeId>,
    mtu: Option<u16>,
    /// Those that go by it.
    members: BTreeSet<TreeId>,
}

impl Root {
    fn new(vrf: VrfId, kind: TunnelKind, tunnel: PTunnel, group: ReplicationId) -> Self {
        let (legs, free_legs) = (BTreeMap::new(), Vec::new());
        Self {
            vrf,
            kind,
            tunnel,
            group,
            label: None,
            trunk: None,
            carries: None,
            mtu: None,
            legs,
            next_leg: 0,
            free_legs,
        }
    }

    fn leg_number(&mut self) -> Option<u16> {
        self.free_legs.pop().or_else(|| {
            let number = self.next_leg;
            self.next_leg = number.checked_add(1)?;
            Some(number)
        })
    }

    /// Copies that a packet makes here.
    pub(super) fn copies(&self) -> usize {
        let is_sent = |(key, leg): &(&LegKey, &Leg)| match key {
            LegKey::Leaf(_) => leg.own.is_some_and(|(_, entry)| entry.is_some()),
            LegKey::Branch(_) => true,
        };
        self.legs.iter().filter(is_sent).count()
    }

    /// Whether packets leave by it.
    pub(super) fn has_legs(&self) -> bool {
        !self.legs.is_empty()
    }

    /// The routers that are leaves, where the root knows them.
    pub(super) fn leaves(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.legs.keys().filter_map(|key| if let LegKey::Leaf(leaf) = key { Some(*leaf) } else { None })
    }
}

impl Shared {
    /// A tunnel for an MVRF; none if the budget or the numbers are used up.
    pub(super) fn new_root(&mut self, now: Instant, vrf: VrfId, kind: TunnelKind, aggregated: bool) -> Option<TreeId> {
        if aggregated {
            return self.new_member(now, vrf);
        }
        if self.tunnels_rooted() >= self.config.tunnel_budget {
            self.limit(now, vrf, MvpnLimit::TunnelBudget);
            return None;
        }
        let number = self.free_tree();
        let Some(tunnel) = self.p_tunnel(kind, number) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        let Some(group) = self.new_group(now, vrf) else {
            self.free_p_group(&tunnel);
            return None;
        };
        Some(self.open_root(TreeId(number), vrf, kind, tunnel, group))
    }

    fn open_root(
        &mut self,
        tree: TreeId,
        vrf: VrfId,
        kind: TunnelKind,
        tunnel: PTunnel,
        group: ReplicationId,
    ) -> TreeId {
        if kind != TunnelKind::IngressReplication {
            self.outputs.push_back(Output::Tree(TreeRequest::Root { tree, tunnel: tunnel.clone() }));
        }
        self.roots.insert(tree, Root::new(vrf, kind, tunnel, group));
        tree
    }

    /// A tunnel that has a name already: the part of a partition's tunnel that this PE sends by. None if the budget or the numbers are used up.
    pub(super) fn new_part(&mut self, now: Instant, vrf: VrfId, kind: TunnelKind, tunnel: PTunnel) -> Option<TreeId> {
        if self.tunnels_rooted() >= self.config.tunnel_budget {
            self.limit(now, vrf, MvpnLimit::TunnelBudget);
            return None;
        }
        let group = self.new_group(now, vrf)?;
        let tree = TreeId(self.free_tree());
        Some(self.open_root(tree, vrf, kind, tunnel, group))
    }

    /// A tunnel that is a label of another router in an MP2MP LSP (RFC 7582 §3.2.2).
    pub(super) fn new_inner(
        &mut self,
        now: Instant,
        vrf: VrfId,
        kind: TunnelKind,
        (outer, label): (PTunnel, Label),
    ) -> Option<TreeId> {
        let group = self.new_group(now, vrf)?;
        let known = self.trunks.iter().find(|(_, trunk)| trunk.tunnel == outer).map(|(tree, _)| *tree);
        let Some(trunk) = known.or_else(|| self.new_trunk(now, vrf, outer, false)) else {
            self.op(FwdOp::ClearReplication { id: group });
            self.groups.give_back(group.0);
            return None;
        };
        self.enter_trunk(now, trunk, Root { label: Some(label), ..Root::new(vrf, kind, PTunnel::None, group) })
    }

    /// An LSP that tunnels are labels in.
    fn new_trunk(&mut self, now: Instant, vrf: VrfId, tunnel: PTunnel, is_shared: bool) -> Option<TreeId> {
        if self.tunnels_rooted() >= self.config.tunnel_budget {
            self.limit(now, vrf, MvpnLimit::TunnelBudget);
            return None;
        }
        let tree = TreeId(self.free_tree());
        self.outputs.push_back(Output::Tree(TreeRequest::Root { tree, tunnel: tunnel.clone() }));
        let (branches, members) = (Vec::new(), BTreeSet::new());
        self.trunks.insert(tree, Trunk { tunnel, is_shared, branches, mtu: None, members });
        Some(tree)
    }

    /// A tunnel is a label in an LSP that is there.
    fn enter_trunk(&mut self, now: Instant, of: TreeId, root: Root) -> Option<TreeId> {
        let tree = TreeId(self.free_tree());
        let trunk = self.trunks.get_mut(&of)?;
        trunk.members.insert(tree);
        let (tunnel, branches, mtu) = (trunk.tunnel.clone(), trunk.branches.clone(), trunk.mtu);
        self.roots.insert(tree, Root { tunnel, mtu, trunk: Some(of), ..root });
        self.set_branches(now, tree, &branches);
        Some(tree)
    }

    /// P-tunnels that this PE is the root of: one for all that share an LSP.
    pub(super) fn tunnels_rooted(&self) -> usize {
        let shared: usize = self.trunks.values().map(|trunk| trunk.members.len().saturating_sub(1)).sum();
        self.roots.len().saturating_sub(shared)
    }

    /// A tunnel that is a label in the LSP that MVRFs share.
    fn new_member(&mut self, now: Instant, vrf: VrfId) -> Option<TreeId> {
        let known = self.trunks.iter().find(|(_, trunk)| trunk.is_shared).map(|(tree, _)| *tree);
        let trunk = match known {
            Some(trunk) => trunk,
            None => {
                let lsp = MldpLsp::generic(self.config.router, self.free_tree());
                self.new_trunk(now, vrf, PTunnel::MldpP2mp(lsp), true)?
            }
        };
        let Some(label) = self.labels.take().and_then(Label::new) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            self.end_trunk(trunk);
            return None;
        };
        let Some(group) = self.new_group(now, vrf) else {
            self.labels.give_back(label.value());
            self.end_trunk(trunk);
            return None;
        };
        let root = Root::new(vrf, TunnelKind::MldpP2mp, PTunnel::None, group);
        self.enter_trunk(now, trunk, Root { label: Some(label), ..root })
    }

    /// A shared LSP goes with the last that goes by it.
    fn end_trunk(&mut self, tree: TreeId) {
        if self.trunks.get(&tree).is_some_and(|trunk| trunk.members.is_empty()) {
            self.trunks.remove(&tree);
            self.outputs.push_back(Output::Tree(TreeRequest::Remove { tree }));
        }
    }

    /// The lowest number that no tree has, after those given last.
    pub(super) fn free_tree(&mut self) -> u32 {
        loop {
            self.next_tree = self.next_tree.wrapping_add(1);
            let tree = TreeId(self.next_tree);
            if !self.roots.contains_key(&tree) && !self.trunks.contains_key(&tree) {
                return self.next_tree;
            }
        }
    }

    /// The identity of a tunnel of this PE.
    fn p_tunnel(&mut self, kind: TunnelKind, number: u32) -> Option<PTunnel> {
        let root = self.config.router;
        Some(match kind {
            TunnelKind::IngressReplication => PTunnel::IngressReplication(root),
            TunnelKind::MldpP2mp => PTunnel::MldpP2mp(MldpLsp::generic(root, number)),
            TunnelKind::MldpMp2mp { root, lsp } => PTunnel::MldpMp2mp(MldpLsp::generic(root, lsp)),
            TunnelKind::RsvpTeP2mp => {
                let tunnel_id = u16::try_from(number & 0xffff).unwrap_or(0);
                PTunnel::RsvpTeP2mp { ingress: root, tunnel_id, p2mp_id: number }
            }
            TunnelKind::PimSsm => {
                let place = self.p_groups.take()?;
                PTunnel::PimSsm { root, group: nth_group(self.config.p_groups.as_ref()?, place)? }
            }
            TunnelKind::PimSm(group) => PTunnel::PimSm { sender: root, group },
            TunnelKind::BidirPim(group) => PTunnel::BidirPim { sender: root, group },
            TunnelKind::Other(tunnel_type) => {
                let technology = technology::find(&self.config.technologies, tunnel_type)?;
                let identifier = Some(technology.identifier(root, number)).filter(|id| id.len() <= LONGEST)?;
                PTunnel::Other { tunnel_type, identifier }
            }
        })
    }

    /// The P-group of a source-specific tree is free for the next.
    fn free_p_group(&mut self, tunnel: &PTunnel) {
        let PTunnel::PimSsm { group, .. } = tunnel else { return };
        let first = self.config.p_groups.as_ref().map(IpPrefix::addr);
        let place = match (first, group) {
            (Some(IpAddr::V4(first)), IpAddr::V4(group)) => group.to_bits().checked_sub(first.to_bits()),
            (Some(IpAddr::V6(first)), IpAddr::V6(group)) => {
                group.to_bits().checked_sub(first.to_bits()).and_then(|place| u32::try_from(place).ok())
            }
            _ => None,
        };
        if let Some(place) = place {
            self.p_groups.give_back(place);
        }
    }

    /// Takes a tunnel down: whoever was bound to it is not any more.
    pub(super) fn drop_root(&mut self, tree: TreeId) {
        let Some(mut root) = self.roots.remove(&tree) else { return };
        let keys: Vec<LegKey> = root.legs.keys().copied().collect();
        for key in keys {
            self.drop_leg(tree, &mut root, key);
        }
        self.free_p_group(&root.tunnel);
        self.op(FwdOp::ClearReplication { id: root.group });
        self.groups.give_back(root.group.0);
        if let (Some(label), Some(of)) = (root.label, root.trunk) {
            let trunk = self.trunks.get_mut(&of);
            let is_ours = trunk.is_some_and(|trunk| trunk.members.remove(&tree) && trunk.is_shared);
            if is_ours {
                self.drop_upstream_label(label);
            }
            self.end_trunk(of);
        } else if root.kind != TunnelKind::IngressReplication {
            self.outputs.push_back(Output::Tree(TreeRequest::Remove { tree }));
        }
    }

    /// The size of a tunnel, its upstream-assigned label aside. The tunnels of MVRFs that it is the size of.
    pub(super) fn set_mtu(&mut self, tree: TreeId, mtu: Option<u16>) -> Vec<TreeId> {
        let trees = match self.trunks.get_mut(&tree) {
            Some(trunk) => {
                trunk.mtu = mtu.map(|mtu| mtu.saturating_sub(LABEL));
                trunk.members.iter().copied().collect()
            }
            None => alloc::vec![tree],
        };
        for tree in &trees {
            if let Some(root) = self.roots.get_mut(tree) {
                root.mtu = mtu.map(|mtu| mtu.saturating_sub(if root.label.is_some() { LABEL } else { 0 }));
            }
        }
        trees
    }

    /// The tunnels that need an op: those of MVRFs where an LSP that they share does.
    pub(super) fn trees_of_op(&self, op: &FwdOp) -> Vec<TreeId> {
        let is_own = |root: &Root| match op {
            FwdOp::SetReplication { id, .. } => root.group == *id,
            FwdOp::SetLeg { group, .. } => root.group == *group,
            FwdOp::SetNhlfe { id, .. } => {
                root.legs.values().any(|leg| leg.own.is_some_and(|(_, entry)| entry == Some(*id)))
            }
            _ => false,
        };
        self.roots.iter().filter(|(_, root)| is_own(root)).map(|(tree, _)| *tree).collect()
    }

    /// The tunnels that a tree of the provider stands for.
    pub(super) fn trees_of(&self, tree: TreeId) -> Vec<TreeId> {
        match self.trunks.get(&tree) {
            Some(trunk) => trunk.members.iter().copied().collect(),
            None => alloc::vec![tree],
        }
    }

    /// A leaf of a tunnel, with the label that it gave.
    pub(super) fn set_leaf(&mut self, now: Instant, tree: TreeId, leaf: IpAddr, label: Option<Label>) {
        let Some(mut root) = self.roots.remove(&tree) else { return };
        match root.kind {
            TunnelKind::IngressReplication => {
                if let Some(label) = label {
                    self.replicate_to(now, tree, &mut root, leaf, label);
                }
            }
            _ => {
                let is_new = root.legs.insert(LegKey::Leaf(leaf), Leg { number: 0, own: None }).is_none();
                if is_new {
                    self.outputs.push_back(Output::Tree(TreeRequest::Leaf { tree, leaf, present: true }));
                }
            }
        }
        self.roots.insert(tree, root);
    }

    /// A leaf that gets copies through a unicast tunnel, whatever the kind of the tree: a router beyond the border of the AS.
    pub(super) fn set_copy(&mut self, now: Instant, tree: TreeId, leaf: IpAddr, label: Label) {
        let Some(mut root) = self.roots.remove(&tree) else { return };
        self.replicate_to(now, tree, &mut root, leaf, label);
        self.roots.insert(tree, root);
    }

    fn replicate_to(&mut self, now: Instant, tree: TreeId, root: &mut Root, leaf: IpAddr, label: Label) {
        let key = LegKey::Leaf(leaf);
        let known = root.legs.get(&key).copied();
        if known.and_then(|l| l.own).is_some_and(|(l, entry)| l == label && entry.is_some()) {
            return;
        }
        let Some(number) = known.map(|l| l.number).or_else(|| root.leg_number()) else { return };
        let old = known.and_then(|l| l.own).and_then(|(_, entry)| entry);
        self.by_leaf.entry(leaf).or_default().insert(tree);
        let entry = self.transports.get(&leaf).copied().and_then(|transport| {
            let Some(id) = old.or_else(|| self.nhlfes.take().map(NhlfeId)) else {
                self.limit(now, root.vrf, MvpnLimit::Numbers);
                return None;
            };
            let push = LabelStack::single(label);
            let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(transport), model: TunnelModel::Uniform };
            self.op(FwdOp::SetNhlfe { id, nhlfe });
            Some(id)
        });
        if let (Some(id), None) = (entry, old) {
            self.op(FwdOp::SetLeg { group: root.group, leg: number, target: LegTarget::Nhlfe(id) });
        }
        root.legs.insert(key, Leg { number, own: Some((label, entry.or(old))) });
    }

    /// A leaf is gone.
    pub(super) fn clear_leaf(&mut self, tree: TreeId, leaf: IpAddr) {
        let Some(mut root) = self.roots.remove(&tree) else { return };
        self.drop_leg(tree, &mut root, LegKey::Leaf(leaf));
        self.roots.insert(tree, root);
    }

    fn drop_leg(&mut self, tree: TreeId, root: &mut Root, key: LegKey) {
        let Some(leg) = root.legs.remove(&key) else { return };
        match (key, leg.own) {
            (LegKey::Leaf(leaf), None) => {
                self.outputs.push_back(Output::Tree(TreeRequest::Leaf { tree, leaf, present: false }));
                return;
            }
            (LegKey::Leaf(leaf), Some((_, entry))) => {
                if let Some(id) = entry {
                    self.op(FwdOp::ClearLeg { group: root.group, leg: leg.number });
                    self.op(FwdOp::ClearNhlfe { id });
                    self.nhlfes.give_back(id.0);
                }
                if let Some(trees) = self.by_leaf.get_mut(&leaf) {
                    trees.remove(&tree);
                    if trees.is_empty() {
                        self.by_leaf.remove(&leaf);
                    }
                }
            }
            (LegKey::Branch(_), own) => {
                self.op(FwdOp::ClearLeg { group: root.group, leg: leg.number });
                if let Some((_, Some(id))) = own {
                    self.op(FwdOp::ClearNhlfe { id });
                    self.nhlfes.give_back(id.0);
                }
            }
        }
        root.free_legs.push(leg.number);
    }

    /// An entry that pushes a label and goes on through another entry.
    fn push_onto(&mut self, now: Instant, vrf: VrfId, label: Label, next: NhlfeId) -> Option<NhlfeId> {
        let Some(id) = self.nhlfes.take().map(NhlfeId) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        let (push, next) = (LabelStack::single(label), NextHop::Nhlfe(next));
        self.op(FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, next, model: TunnelModel::Uniform } });
        Some(id)
    }

    /// The branches of a multipoint LSP: new ones are added before old ones go.
    pub(super) fn set_branches(&mut self, now: Instant, tree: TreeId, branches: &[NhlfeId]) {
        if let Some(trunk) = self.trunks.get_mut(&tree) {
            trunk.branches = branches.to_vec();
            let members: Vec<TreeId> = trunk.members.iter().copied().collect();
            return members.into_iter().for_each(|member| self.set_branches(now, member, branches));
        }
        let Some(mut root) = self.roots.remove(&tree) else { return };
        for branch in branches {
            let key = LegKey::Branch(*branch);
            if !root.legs.contains_key(&key) {
                let Some(number) = root.leg_number() else { break };
                let own = match root.label {
                    Some(label) => match self.push_onto(now, root.vrf, label, *branch) {
                        Some(entry) => Some((label, Some(entry))),
                        None => break,
                    },
                    None => None,
                };
                root.legs.insert(key, Leg { number, own });
                let target = LegTarget::Nhlfe(own.and_then(|(_, entry)| entry).unwrap_or(*branch));
                self.op(FwdOp::SetLeg { group: root.group, leg: number, target });
            }
        }
        let is_gone = |key: &LegKey| matches!(key, LegKey::Branch(id) if !branches.contains(id));
        let gone: Vec<LegKey> = root.legs.keys().copied().filter(is_gone).collect();
        for key in gone {
            self.drop_leg(tree, &mut root, key);
        }
        self.roots.insert(tree, root);
    }

    /// The entry that leads to a router changed: so do the legs to it.
    pub(super) fn set_transport(&mut self, now: Instant, router: IpAddr, entry: Option<NhlfeId>) {
        match entry {
            Some(entry) => self.transports.insert(router, entry),
            None => self.transports.remove(&router),
        };
        let trees: Vec<TreeId> = self.by_leaf.get(&router).into_iter().flatten().copied().collect();
        for tree in trees {
            let Some(mut root) = self.roots.remove(&tree) else { continue };
            let key = LegKey::Leaf(router);
            if let Some((label, old)) = root.legs.get(&key).and_then(|l| l.own) {
                match (entry, old) {
                    (None, Some(id)) => {
                        if let Some(leg) = root.legs.get_mut(&key) {
                            leg.own = Some((label, None));
                            self.op(FwdOp::ClearLeg { group: root.group, leg: leg.number });
                            self.op(FwdOp::ClearNhlfe { id });
                            self.nhlfes.give_back(id.0);
                        }
                    }
                    (Some(transport), Some(id)) => {
                        let push = LabelStack::single(label);
                        let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(transport), model: TunnelModel::Uniform };
                        self.op(FwdOp::SetNhlfe { id, nhlfe });
                    }
                    (Some(_), None) => self.replicate_to(now, tree, &mut root, router, label),
                    (None, None) => {}
                }
            }
            self.roots.insert(tree, root);
        }
    }
}

/// The n-th group of a prefix.
fn nth_group(groups: &IpPrefix, n: u32) -> Option<IpAddr> {
    let address = match groups.addr() {
        IpAddr::V4(a) => IpAddr::V4(a.to_bits().checked_add(n)?.into()),
        IpAddr::V6(a) => IpAddr::V6(a.to_bits().checked_add(u128::from(n))?.into()),
    };
    super::umh::holds(groups, address).then_some(address)
}
