//! Bidirectional trees that mLDP signals: MP2MP LSPs whose root is the PE towards the RPA (RFC 6826 §2.3, RFC 7246 §2).
//!
//! There are two kinds. A PE whose sites have receivers of a group joins the LSP of the group, sends by it and receives by it. A range of groups
//! has an LSP of its own, by which PEs send what they have no receivers of: a sender-only branch. Nobody but the root receives by that one,
//! and the root sends down the group's LSP what comes up the range's. What came up or down a group's LSP does not return into the
//! backbone ([`fwd_core::op::Rpf::Merging`]).
//!
//! A PE receives by the LSP of a group only while it sends by it: what it sent by the range's LSP would come back to it.

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use fwd_core::net::{IpPrefix, TunnelId, VrfId};
use fwd_core::op::MrouteKey;
use fwd_core::time::Instant;
use p2mp_pw::mldp::TreeFec;

use crate::mvrf::config::TunnelKind;
use crate::mvrf::forwarding::{flow_of, group_of};
use crate::mvrf::in_band::{InBandFault, Named};
use crate::mvrf::instance::{Mvrf, PeKey};
use crate::mvrf::p_tunnel::PTunnel;
use crate::mvrf::root::TreeId;
use crate::mvrf::shared::Shared;
use crate::mvrf::umh::{holds, prefix_of};

/// A group or a range of groups, and the RPA: what an LSP is named after beside its root.
pub(super) type Name = (IpPrefix, IpAddr);

/// An LSP that this PE is a leaf of.
#[derive(Clone, Debug)]
pub(super) struct Lsp {
    /// The root, with the RD that is in the name.
    pe: PeKey,
    tunnel: PTunnel,
    /// What it sends by, where its sites send.
    tree: Option<TreeId>,
    /// The way to the root is there.
    is_ready: bool,
    received_by: Option<TunnelId>,
}

/// Whether a prefix is one group.
pub(in crate::mvrf) const fn is_group(groups: &IpPrefix) -> bool {
    groups.bit_len() == if groups.addr().is_ipv4() { 32 } else { 128 }
}

/// A group as a prefix.
fn host(group: IpAddr) -> Option<IpPrefix> {
    prefix_of(group, if group.is_ipv4() { 32 } else { 128 })
}

/// The groups of a route.
fn groups_of(key: MrouteKey) -> IpPrefix {
    match key {
        MrouteKey::Group4 { group } => IpPrefix::V4(group),
        MrouteKey::Group6 { group } => IpPrefix::V6(group),
        MrouteKey::Source4 { group, .. } => IpPrefix::V4(fwd_core::net::Ipv4Prefix::host(group)),
        MrouteKey::Source6 { group, .. } => IpPrefix::V6(fwd_core::net::Ipv6Prefix::host(group)),
    }
}

impl Mvrf {
    /// Whether mLDP signals the trees of a range of groups (RFC 7246 §1).
    pub(in crate::mvrf) fn signals(&self, range: &IpPrefix) -> bool {
        self.config.in_band.iter().any(|known| known.bit_len() <= range.bit_len() && holds(known, range.addr()))
    }

    /// The RPA of a bidirectional group whose tree mLDP signals: the whole range that the group is in is of such.
    pub(in crate::mvrf) fn in_band_rpa(&self, group: IpAddr) -> Option<IpAddr> {
        self.range_of(group).filter(|(range, _)| self.signals(range)).map(|(_, rpa)| rpa)
    }

    /// Whether an LSP is one of the configuration: of a range as it is, or of a group of one.
    fn is_name(&self, (groups, rpa): Name) -> bool {
        let of_range = self.signals(&groups) && self.bidir.ranges.get(&groups) == Some(&rpa);
        of_range || is_group(&groups) && self.in_band_rpa(groups.addr()) == Some(rpa)
    }

    /// Whether the customers joined the group that an LSP is of.
    fn is_joined(&self, (groups, rpa): Name) -> bool {
        let joined = self.bidir.joined.get(&rpa).is_some_and(|joined| joined.contains(&groups.addr()));
        is_group(&groups) && joined && self.in_band_rpa(groups.addr()) == Some(rpa)
    }

    /// The LSP that packets of a group are sent by: the group's own, else that of its range. At the root there is but the group's.
    pub(super) fn in_band_bidir_tree(&self, group: IpAddr, rpa: IpAddr) -> Option<TreeId> {
        let of_group = (host(group)?, rpa);
        if let Some(tree) = self.in_band_root(Named::Bidir { groups: of_group.0, rpa }) {
            return Some(tree);
        }
        let ready = self.bidir.lsps.get(&of_group).filter(|lsp| lsp.is_ready).and_then(|lsp| lsp.tree);
        let (range, _) = self.range_of(group)?;
        ready.or_else(|| self.bidir.lsps.get(&(range, rpa))?.tree)
    }

    /// The tunnel that packets of a route for a range of groups are sent by.
    pub(in crate::mvrf) fn tree_of_range(&self, key: MrouteKey) -> Option<TreeId> {
        let range = groups_of(key);
        match self.bidir.ranges.get(&range).filter(|_| self.signals(&range)) {
            Some(rpa) => self.bidir.lsps.get(&(range, *rpa))?.tree,
            None => self.tunnel_of(None, group_of(key)).0,
        }
    }

    /// The LSP that packets of a group come by.
    pub(super) fn in_band_received_by(&self, shared: &Shared, group: IpAddr, rpa: IpAddr) -> Option<PTunnel> {
        let groups = host(group)?;
        let at_root = self.in_band_root(Named::Bidir { groups, rpa }).and_then(|tree| shared.roots.get(&tree));
        let lsp = self.bidir.lsps.get(&(groups, rpa)).filter(|lsp| lsp.received_by.is_some());
        lsp.map(|lsp| lsp.tunnel.clone()).or_else(|| Some(at_root?.tunnel.clone()))
    }

    /// What packets of a group's LSP arrive by, at its root.
    pub(super) fn merges(&self, shared: &Shared, key: MrouteKey) -> Option<TunnelId> {
        let (_, group) = flow_of(key)?;
        let own = self.own_key(shared);
        let rpa = self.in_band_rpa(group).filter(|rpa| self.bidir.upstream(*rpa) == Some(own))?;
        self.in_band_root(Named::Bidir { groups: host(group)?, rpa })?;
        self.bidir.partitions.get(&own).map(|partition| partition.arrives_by)
    }

    /// The customers joined a group, or left it.
    pub(super) fn update_group_lsp(&mut self, shared: &mut Shared, now: Instant, group: IpAddr, rpa: IpAddr) {
        if let Some(groups) = host(group) {
            self.update_lsp(shared, now, (groups, rpa));
        }
    }

    /// Brings the LSPs of an RPA up to date, those that this PE is a leaf of and those that it is the root of.
    pub(super) fn update_lsps(&mut self, shared: &mut Shared, now: Instant, rpa: IpAddr) {
        let ranges = self.bidir.ranges.iter().filter(|(_, of)| **of == rpa).map(|(range, _)| *range);
        let joined = self.bidir.joined.get(&rpa).into_iter().flatten().filter_map(|group| host(*group));
        let known = self.bidir.lsps.keys().filter(|(_, of)| *of == rpa).map(|(groups, _)| *groups);
        let leaves: BTreeSet<IpPrefix> = ranges.chain(joined).chain(known).collect();
        leaves.into_iter().for_each(|groups| self.update_lsp(shared, now, (groups, rpa)));
        for groups in self.in_band_roots_of(rpa) {
            self.receive_as_root(shared, now, (groups, rpa));
        }
    }

    /// Brings an LSP up to date that this PE is a leaf of, or may be.
    fn update_lsp(&mut self, shared: &mut Shared, now: Instant, name: Name) {
        let own = self.own_key(shared);
        let is_wanted = self.is_joined(name) || self.config.sites.senders && self.is_name(name) && self.is_range(name);
        let wanted = self.bidir.upstream(name.1).filter(|pe| is_wanted && *pe != own);
        let known = self.bidir.lsps.get(&name).map(|lsp| lsp.pe);
        if known != wanted {
            self.close_lsp(shared, name);
            if let Some(pe) = wanted {
                self.open_lsp(shared, now, name, pe);
            }
        }
        self.receive_as_leaf(shared, now, name);
    }

    fn is_range(&self, (groups, rpa): Name) -> bool {
        self.bidir.ranges.get(&groups) == Some(&rpa)
    }

    fn open_lsp(&mut self, shared: &mut Shared, now: Instant, name: Name, pe: PeKey) {
        let (vrf, (groups, rpa)) = (self.config.vrf, name);
        let in_vpn = (vrf != VrfId::GLOBAL).then_some(pe.rd.octets());
        let fec = TreeFec::in_band_bidir(pe.address, &groups, rpa, in_vpn);
        let Some(tunnel) = fec.as_ref().and_then(PTunnel::of_mldp) else { return };
        // An LSP has one VRF of a PE that sends by it.
        if shared.in_band_lsps.contains(&tunnel) {
            return shared.refuse_in_band(now, Some(vrf), tunnel, InBandFault::TunnelInUse);
        }
        let kind = TunnelKind::MldpMp2mp { root: pe.address, lsp: 0 };
        let tree = match self.config.sites.senders {
            true => {
                let Some(tree) = shared.new_part(now, vrf, kind, tunnel.clone()) else { return };
                if let Some(root) = shared.roots.get_mut(&tree) {
                    root.carries = Some(Named::Bidir { groups, rpa });
                }
                Some(tree)
            }
            false => None,
        };
        shared.in_band_lsps.insert(tunnel.clone());
        self.bidir.lsps.insert(name, Lsp { pe, tunnel, tree, is_ready: tree.is_none(), received_by: None });
        self.bind_lsp(shared, name);
    }

    fn close_lsp(&mut self, shared: &mut Shared, name: Name) {
        let Some(lsp) = self.bidir.lsps.remove(&name) else { return };
        if let Some(arrives_by) = lsp.received_by {
            shared.leave(&lsp.tunnel, None, arrives_by);
        }
        self.bind_lsp(shared, name);
        if let Some(tree) = lsp.tree {
            self.unbind(shared, tree);
            shared.drop_root(tree);
        }
        shared.in_band_lsps.remove(&lsp.tunnel);
    }

    /// The way to the root of an LSP is there, or not any more.
    pub(in crate::mvrf) fn lsp_changed(&mut self, shared: &mut Shared, now: Instant, tree: TreeId, is_ready: bool) {
        let Some(Named::Bidir { groups, rpa }) = shared.roots.get(&tree).and_then(|root| root.carries) else { return };
        let name = (groups, rpa);
        let Some(lsp) = self.bidir.lsps.get_mut(&name).filter(|lsp| lsp.tree == Some(tree)) else { return };
        lsp.is_ready = is_ready;
        if is_ready {
            self.bind_lsp(shared, name);
            self.receive_as_leaf(shared, now, name);
        } else {
            self.receive_as_leaf(shared, now, name);
            self.bind_lsp(shared, name);
        }
    }

    fn receive_as_leaf(&mut self, shared: &mut Shared, now: Instant, name: Name) {
        let is_wanted = self.config.sites.receivers && self.is_joined(name);
        let Some(lsp) = self.bidir.lsps.get(&name) else { return };
        let arrives_by = self.bidir.partitions.get(&lsp.pe).map(|partition| partition.arrives_by);
        let wanted = arrives_by.filter(|_| is_wanted && lsp.is_ready);
        if lsp.received_by == wanted {
            return;
        }
        if let Some(old) = lsp.received_by {
            shared.leave(&lsp.tunnel, None, old);
        }
        let joined = wanted.filter(|arrives_by| shared.join(&lsp.tunnel, None, *arrives_by, Some(lsp.pe)));
        if joined.is_none() && wanted.is_some() {
            shared.refuse_in_band(now, Some(self.config.vrf), lsp.tunnel.clone(), InBandFault::TunnelInUse);
        }
        if let Some(lsp) = self.bidir.lsps.get_mut(&name) {
            lsp.received_by = joined;
        }
    }

    /// As the root of an LSP this PE receives by it as long as it is the RPA's upstream PE. What comes by the LSPs of ranges is told apart.
    pub(in crate::mvrf) fn receive_as_root(&mut self, shared: &mut Shared, now: Instant, name: Name) -> bool {
        let (groups, rpa) = name;
        let own = self.own_key(shared);
        let is_ours = self.is_name(name) && self.bidir.upstream(rpa) == Some(own);
        let wanted = match is_ours && self.config.sites.receivers {
            true if is_group(&groups) => self.bidir.partitions.get(&own).map(|partition| partition.arrives_by),
            true => self.branches_arrive_by(shared, now, own),
            false => None,
        };
        self.receive_rooted(shared, Named::Bidir { groups, rpa }, own, wanted);
        is_ours
    }

    /// What comes from sender-only branches arrives by this, and may from now on.
    fn branches_arrive_by(&mut self, shared: &mut Shared, now: Instant, own: PeKey) -> Option<TunnelId> {
        let partition = self.bidir.partitions.get_mut(&own)?;
        if partition.branches.is_none() {
            partition.branches = shared.new_tunnel(now, self.config.vrf);
            let rpas: Vec<IpAddr> = self.bidir.rpas.keys().copied().collect();
            rpas.into_iter().for_each(|rpa| self.bind_sets(shared, rpa));
        }
        self.bidir.partitions.get(&own)?.branches
    }

    /// The legs of what an LSP may carry follow it.
    fn bind_lsp(&mut self, shared: &mut Shared, (groups, rpa): Name) {
        match is_group(&groups) {
            true => self.bind_group(shared, groups.addr()),
            false => self.bind_rpa(shared, rpa),
        }
    }

    /// The routes of an RPA's groups: whether what comes from the backbone returns into it depends on who is the root.
    pub(super) fn emit_rpa(&self, shared: &mut Shared, rpa: IpAddr) {
        let of_rpa = |key: &&MrouteKey| self.in_band_rpa(group_of(**key)) == Some(rpa);
        self.c_routes.keys().filter(of_rpa).for_each(|key| self.emit_route(shared, *key));
    }
}
