//! C-multicast routes (RFC 6514 §11): joins towards other PEs, and joins from them.

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::net::IpPrefix;
use fwd_core::time::Instant;

use super::attributes::{McastAttributes, Target};
use super::config::{AsmMode, CMulticastProtocol, InterAs, Model};
use super::event::{MvpnEvent, MvpnLimit};
use super::instance::{Join, Joiner, Mvrf, Tree};
use super::io::{CTree, Output};
use super::route::{McastKind, McastRoute};
use super::shared::{Shared, Timer};
use super::umh::Umh;
use crate::pim::wire::AddressFamily;

/// Who wants a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The customers' PIM.
    Pim,
    /// A Source Active A-D route (RFC 6514 §14.2).
    Source,
}

impl Mvrf {
    /// The customers' PIM, or a source, joins a tree on the PMSI or prunes it.
    pub(super) fn set_tree(&mut self, shared: &mut Shared, now: Instant, tree: CTree, by: By, joined: bool) {
        if let CTree::PrunedSource { group, source, .. } = tree {
            // RFC 6514 §11.1.1: no BGP action but in SPT-only mode (§14.2).
            let changed = match joined {
                true => self.rpt_pruned.insert((group, source)),
                false => self.rpt_pruned.remove(&(group, source)),
            };
            if changed {
                self.update_source(shared, now, group, source);
            }
            return;
        }
        if !self.config.sites.receivers || tree.group().is_ipv4() != tree.root().is_ipv4() {
            return;
        }
        if !self.trees.contains_key(&tree) {
            if !joined {
                return;
            }
            if self.trees.len() >= self.config.limits.trees {
                return shared.limit(now, self.config.vrf, MvpnLimit::Trees);
            }
            self.by_root.entry(tree.root()).or_default().insert(tree);
        }
        if joined && !self.trees.contains_key(&tree) {
            self.count_unpermitted(shared, now, &tree);
        }
        let vrf = self.config.vrf;
        let reserved = match &self.config.reservation {
            Some(reservation) if !self.trees.contains_key(&tree) => {
                let rate = reservation.rate(tree.group());
                if self.reserved.saturating_add(rate) > reservation.capacity {
                    self.forget_root(&tree);
                    return shared.limit(now, self.config.vrf, MvpnLimit::Bandwidth);
                }
                self.reserved = self.reserved.saturating_add(rate);
                rate
            }
            _ => 0,
        };
        let known =
            self.trees.entry(tree).or_insert_with(|| Tree { reserved, since: shared.next_age(), ..Tree::default() });
        let was = known.is_wanted();
        match by {
            By::Pim => known.by_pim = joined,
            By::Source => known.by_source = joined,
        }
        if was == known.is_wanted() && known.route.is_some() == was {
            return;
        }
        // RFC 7899 §5.1: what flaps is withdrawn later.
        if let Some(damping) = self.config.damping.filter(|_| was != known.is_wanted()) {
            let until = known.merit.change(now, &damping);
            match until.filter(|_| !known.is_wanted()) {
                Some(until) => return shared.timers.set(Timer::Damped(vrf, tree), until),
                None => shared.timers.clear(Timer::Damped(vrf, tree)),
            }
        }
        self.update_tree(shared, now, tree);
    }

    /// Brings the route of a tree up to date.
    pub(super) fn update_tree(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let vrf = self.config.vrf;
        let Some(known) = self.trees.get(&tree) else { return };
        let is_kept = known.is_wanted() || shared.timers.get(Timer::Damped(vrf, tree)).is_some();
        let (old_umh, old_route) = (known.umh, known.route);
        let is_permitted = self.permits(shared, &tree);
        let is_kept_on = !self.config.revertive && old_umh.is_some_and(|umh| self.umh.is_candidate(tree.root(), &umh));
        let umh = match is_kept && is_permitted {
            true if is_kept_on => old_umh,
            true => self.select(&tree),
            false => None,
        };
        let made = umh.as_ref().and_then(|umh| self.c_multicast(shared, &tree, umh));
        let route = made.as_ref().map(|(route, _)| *route);
        if let Some((route, attributes)) = made {
            shared.originate(vrf, route, attributes);
        }
        let stays = self.part(shared, now, tree, (old_umh, old_route), (umh, route));
        if let Some(old) = old_route.filter(|old| Some(*old) != route && !stays) {
            shared.withdraw(vrf, old);
        }
        if let Some(known) = self.trees.get_mut(&tree) {
            (known.umh, known.route) = (umh, route);
        }
        self.move_join(shared, tree, old_umh, umh);
        self.update_standby(shared, tree);
        if !is_kept {
            self.forget_tree(shared, now, tree);
        }
        let (source, group) = tree.flow();
        let pe = |umh: Option<Umh>| umh.and_then(|u| u.pe());
        if is_kept && pe(old_umh) != pe(umh) && old_umh.is_some() {
            shared.event(MvpnEvent::UpstreamChanged { vrf, source, group, pe: pe(umh) });
        }
        self.update_receiving(shared, now, (source, group));
        self.prepare(shared, now, tree);
        self.update_in_band(shared, now, tree);
        match source {
            Some(source) => self.update_source(shared, now, group, source),
            None => self.update_group(shared, now, group),
        }
        self.bidir_join_changed(shared, now, tree);
    }

    /// A tree that nobody wants is forgotten, once its figure of merit says nothing any more.
    fn forget_tree(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let timer = Timer::Forget(self.config.vrf, tree);
        if let (Some(damping), Some(known)) = (&self.config.damping, self.trees.get(&tree)) {
            if !known.merit.is_spent(now, damping) {
                return shared.timers.set(timer, now + damping.half_life);
            }
        }
        shared.timers.clear(timer);
        if let Some(known) = self.trees.remove(&tree) {
            self.reserved = self.reserved.saturating_sub(known.reserved);
        }
        self.forget_root(&tree);
    }

    /// A root that neither a tree nor a join has is not looked for any more.
    fn forget_root(&mut self, tree: &CTree) {
        if self.trees.contains_key(tree) || self.joins.contains_key(tree) {
            return;
        }
        if let Some(trees) = self.by_root.get_mut(&tree.root()) {
            trees.remove(tree);
            if trees.is_empty() {
                self.by_root.remove(&tree.root());
            }
        }
    }

    /// The C-multicast route of a tree (RFC 6514 §11.1.3).
    pub(super) fn c_multicast(
        &self,
        shared: &Shared,
        tree: &CTree,
        umh: &Umh,
    ) -> Option<(McastRoute, McastAttributes)> {
        let Umh::Remote { import, rd, source_as, .. } = *umh else { return None };
        if self.config.protocol == CMulticastProtocol::Pim || import.address == shared.config.router {
            return None;
        }
        // RFC 7246 §1: what mLDP signals, and what it could not.
        let is_in_band = self.is_in_band(tree.group()) || self.in_band_rpa(tree.group()).is_some();
        if self.config.model == Model::InBand || is_in_band {
            return None;
        }
        let is_shared = matches!(tree, CTree::Shared { group, .. } if !self.is_bidir(*group));
        if is_shared && self.config.asm == AsmMode::SptOnly {
            return None;
        }
        let asn = source_as.unwrap_or(shared.config.asn);
        let mut targets = alloc::vec![Target::of(import.c_multicast_import())];
        let (rd, source_as) = match self.config.inter_as {
            _ if asn == shared.config.asn => (rd, asn),
            InterAs::NonSegmented => {
                let IpAddr::V4(address) = import.address else { return None };
                let member = self.members.keys().find(|key| key.address == import.address)?;
                (member.rd, address.to_bits())
            }
            InterAs::Segmented => {
                let (rd, by) = self.way_to_as(asn)?;
                targets.push(Target::router(by));
                (rd, asn)
            }
            InterAs::None => return None,
        };
        let join = CMulticast { rd, source_as, source: tree.root(), group: tree.group() };
        let kind = match tree {
            CTree::Shared { .. } => McastKind::SharedTreeJoin(join),
            _ => McastKind::SourceTreeJoin(join),
        };
        let route = McastRoute { family: AddressFamily::of(tree.group()), kind };
        Some((route, McastAttributes::new(shared.config.router, targets)))
    }

    /// Trees whose routes are made from I-PMSI A-D routes of a PE in another AS.
    pub(super) fn trees_towards(&mut self, shared: &mut Shared, now: Instant, pe: IpAddr) {
        if self.config.inter_as == InterAs::None {
            return;
        }
        let trees = self.trees.iter().filter(|(_, t)| t.umh.and_then(|u| u.pe()) == Some(pe));
        let trees: Vec<CTree> = trees.map(|(tree, _)| *tree).collect();
        for tree in trees {
            self.update_tree(shared, now, tree);
        }
    }

    /// Routes to the roots in a prefix changed (RFC 6514 §11.1.4).
    pub(super) fn roots_changed(&mut self, shared: &mut Shared, now: Instant, prefix: &IpPrefix) {
        let range = prefix.addr()..=last_of(prefix);
        self.rpas_changed(shared, now, range.clone());
        self.lsp_roots_changed(shared, now, Some(prefix));
        let trees: Vec<CTree> = self.by_root.range(range).flat_map(|(_, trees)| trees.iter().copied()).collect();
        for tree in trees {
            self.update_tree(shared, now, tree);
            self.update_join(shared, now, tree);
            self.bidir_join_changed(shared, now, tree);
            if self.standby_joins.contains(&tree) {
                self.rebind_tree(shared, tree);
            }
        }
    }

    /// A C-multicast route for this PE (RFC 6514 §11.3.1), or a join of another VRF of it, came or went.
    pub(super) fn join_changed(&mut self, shared: &mut Shared, now: Instant, tree: CTree, by: Joiner, present: bool) {
        if present {
            if !self.config.sites.senders {
                return;
            }
            if let Some(join) = self.joins.get_mut(&tree) {
                if !join.by.contains(&by) {
                    join.by.push(by);
                    self.rejoined(shared, &tree);
                }
                return;
            }
            if self.joins.len() >= self.config.limits.joins {
                return shared.limit(now, self.config.vrf, MvpnLimit::Joins);
            }
            self.joins.insert(tree, Join { is_active: false, by: smallvec::smallvec![by] });
            self.by_root.entry(tree.root()).or_default().insert(tree);
            self.count_unpermitted(shared, now, &tree);
            self.update_join(shared, now, tree);
        } else if let Some(join) = self.joins.get_mut(&tree) {
            join.by.retain(|of| *of != by);
            if join.by.is_empty() {
                self.forget_join(shared, now, tree);
            } else {
                self.rejoined(shared, &tree);
            }
        }
    }

    /// Others join a tree that is joined: a flow that stayed at this PE may need a tunnel now, or need none any more.
    fn rejoined(&mut self, shared: &mut Shared, tree: &CTree) {
        if !self.taps.is_empty() {
            self.bind_group(shared, tree.group());
        }
    }

    /// The last route of a join is gone.
    pub(super) fn forget_join(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let Some(join) = self.joins.remove(&tree) else { return };
        self.forget_root(&tree);
        if join.is_active {
            self.end_join(shared, now, tree);
        }
    }

    /// A join counts while its root is in the PE's own sites.
    pub(super) fn update_join(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        // Where PIM alone carries joins, routes of PEs that have both already wait.
        let may_carry = self.config.protocol != CMulticastProtocol::Pim && self.permits(shared, &tree);
        let is_local = self.umh.is_local(tree.root()) && may_carry;
        let Some(join) = self.joins.get_mut(&tree) else { return };
        if join.is_active == is_local {
            return;
        }
        join.is_active = is_local;
        if !is_local {
            return self.end_join(shared, now, tree);
        }
        let vrf = self.config.vrf;
        let is_sent_still = shared.timers.get(Timer::JoinRemoval(vrf, tree)).is_some();
        if is_sent_still {
            shared.timers.clear(Timer::JoinRemoval(vrf, tree));
        } else {
            shared.outputs.push_back(Output::Downstream { vrf, tree, joined: true });
        }
        match tree {
            CTree::Source { group, source } => self.announce_joined(shared, now, group, source, is_sent_still),
            _ => self.update_group(shared, now, tree.group()),
        }
        self.bidir_join_changed(shared, now, tree);
    }

    fn end_join(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let vrf = self.config.vrf;
        match tree {
            CTree::Source { group, source } if !self.is_ssm(group) => {
                self.cease_joined(shared, group, source);
                let until = now + shared.config.timers.join_removal;
                shared.timers.set(Timer::JoinRemoval(vrf, tree), until);
            }
            _ => {
                shared.outputs.push_back(Output::Downstream { vrf, tree, joined: false });
                self.update_group(shared, now, tree.group());
            }
        }
        self.bidir_join_changed(shared, now, tree);
    }
}

/// The last address of a prefix.
fn last_of(prefix: &IpPrefix) -> IpAddr {
    let len = u32::from(prefix.bit_len());
    match prefix.addr() {
        IpAddr::V4(a) => IpAddr::V4((a.to_bits() | u32::MAX.checked_shr(len).unwrap_or(0)).into()),
        IpAddr::V6(a) => IpAddr::V6((a.to_bits() | u128::MAX.checked_shr(len).unwrap_or(0)).into()),
    }
}
