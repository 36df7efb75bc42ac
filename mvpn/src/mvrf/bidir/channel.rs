//! Channels: the tunnel that carries the bidirectional groups of a partition, or one of them (RFC 7582 §3.2.1, §3.2.2, RFC 7740 §2.2).

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::CGroup;
use fwd_core::net::{Label, TunnelId};
use fwd_core::time::Instant;

use super::{BidirModel, Channel, FIRST_PARTITION_LSP, Reception};
use crate::mvrf::config::TunnelKind;
use crate::mvrf::forwarding::mroute_key;
use crate::mvrf::instance::{Carried, Mvrf, PeKey};
use crate::mvrf::p_tunnel::{MldpLsp, PTunnel};
use crate::mvrf::root::TreeId;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::{Shared, Timer};

impl Mvrf {
    /// The tunnel that packets of a bidirectional group are sent by: the group's own, else the partition's (RFC 7582 §3.2.1.1).
    pub(in crate::mvrf) fn bidir_tree(&self, group: IpAddr, rpa: IpAddr) -> Option<TreeId> {
        if self.in_band_rpa(group).is_some() {
            return self.in_band_bidir_tree(group, rpa);
        }
        let partition = self.bidir.partitions.get(&self.bidir.upstream(rpa)?)?;
        let (exact, all) = (SFlow::any_source(group), SFlow::all_bidir(SFlow::any_source(group).family));
        let carrying = |flow: &SFlow| partition.channels.get(flow).filter(|c| c.carries).and_then(|c| c.tree);
        [exact, all].iter().find_map(carrying)
    }

    /// How a bidirectional group is carried: by one tunnel, in both directions.
    pub(in crate::mvrf) fn carried_both_ways(&self, shared: &Shared, group: IpAddr, rpa: IpAddr) -> Carried {
        let key = mroute_key(None, group);
        let sends = self.c_groups.values().any(|g| g.key == Some(key) && g.pmsi.is_some());
        let root = self.bidir_tree(group, rpa).filter(|_| sends).and_then(|tree| shared.roots.get(&tree));
        let upstream = self.bidir.upstream(rpa);
        let partition = upstream.and_then(|key| self.bidir.partitions.get(&key));
        let exact = SFlow::any_source(group);
        let channels = partition.map(|partition| &partition.channels);
        let channel = channels.and_then(|of| of.get(&exact).or_else(|| of.get(&SFlow::all_bidir(exact.family))));
        Carried {
            sent_by: root.map(|r| r.tunnel.clone()),
            is_selective: root.is_some(),
            s_pmsi: None,
            label: root.and_then(|r| r.label),
            mtu: root.and_then(|r| r.mtu),
            leaves: root.map(|r| r.leaves().collect()).unwrap_or_default(),
            from: upstream.map(|key| key.address).filter(|address| *address != shared.config.router),
            received_by: match self.in_band_rpa(group) {
                Some(rpa) => self.in_band_received_by(shared, group, rpa),
                None => channel.map(|channel| channel.tunnel.0.clone()),
            },
        }
    }

    /// Whether there should be a channel.
    fn wants_channel(&self, shared: &Shared, key: PeKey, flow: &SFlow) -> bool {
        let is_own = key == self.own_key(shared);
        match flow.group {
            CGroup::AnyBidir => {
                self.bidir.serves(key, flow.family) && (is_own || self.bidir.offers.contains_key(&(key, *flow)))
            }
            CGroup::Group(group) if self.in_band_rpa(group).is_some() => false,
            CGroup::Group(group) => {
                let rpa = self.rpa_of(group).filter(|rpa| self.bidir.upstream(*rpa) == Some(key));
                let is_joined = |rpa| self.bidir.joined.get(&rpa).is_some_and(|groups| groups.contains(&group));
                let is_used = |rpa| is_joined(rpa) || self.c_routes.contains_key(&mroute_key(None, group));
                match is_own {
                    true => rpa.is_some() && self.bidir.own_groups.contains(&group),
                    false => rpa.is_some_and(is_used) && self.offer(key, flow).is_some(),
                }
            }
            CGroup::Any => false,
        }
    }

    /// What names the tunnel of a channel, and the partition's label in it. `is_new`: a name of this PE's may be made.
    fn channel_tunnel(&self, shared: &mut Shared, key: PeKey, flow: &SFlow) -> Option<(PTunnel, Option<Label>)> {
        let own = self.own_key(shared);
        let known = self.bidir.partitions.get(&key)?.channels.get(flow);
        let said = self.offer(key, flow).and_then(|a| a.pmsi.as_ref()).map(|p| &p.tunnel);
        match (self.config.bidir?, said) {
            (BidirModel::IngressReplication, said) => match said {
                None if key == own => Some((PTunnel::IngressReplication(key.address), None)),
                Some(PTunnel::IngressReplication(_)) => Some((PTunnel::IngressReplication(key.address), None)),
                _ => None,
            },
            (BidirModel::FlatMp2mp, None) if key == own => Some(match known {
                Some(known) => known.tunnel.clone(),
                None => {
                    let id = shared.free_tree() | FIRST_PARTITION_LSP;
                    (PTunnel::MldpMp2mp(MldpLsp::generic(key.address, id)), None)
                }
            }),
            // RFC 7582 §3.2.1: who advertises the LSP is its root.
            (BidirModel::FlatMp2mp, Some(PTunnel::MldpMp2mp(lsp))) if lsp.root == key.address => {
                Some((PTunnel::MldpMp2mp(lsp.clone()), None))
            }
            (BidirModel::Hierarchical { .. }, said) if flow.group == CGroup::AnyBidir => {
                let outer = if key == own { self.config.bidir?.outer()? } else { said?.clone() };
                let PTunnel::MldpMp2mp(lsp) = &outer else { return None };
                let label = self.distinguisher(shared, flow, lsp.root, key.address)?;
                Some((outer, Some(label)))
            }
            _ => None,
        }
    }

    /// Brings the channels of a partition up to date.
    pub(super) fn update_channels(&mut self, shared: &mut Shared, now: Instant, key: PeKey) {
        let Some(partition) = self.bidir.partitions.get(&key) else { return };
        let mut flows: BTreeSet<SFlow> = partition.channels.keys().copied().collect();
        flows.extend(self.config.families.iter().map(|family| SFlow::all_bidir(*family)));
        match key == self.own_key(shared) {
            true => flows.extend(self.bidir.own_groups.iter().map(|group| SFlow::any_source(*group))),
            false => flows.extend(self.offered_groups(key)),
        }
        flows.into_iter().for_each(|flow| self.update_channel(shared, now, key, flow));
    }

    /// Brings a channel up to date.
    pub(super) fn update_channel(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let Some(partition) = self.bidir.partitions.get(&key) else { return };
        let known = partition.channels.get(&flow).map(|channel| channel.tunnel.clone());
        let is_wanted = self.wants_channel(shared, key, &flow);
        let wanted = if is_wanted { self.channel_tunnel(shared, key, &flow) } else { None };
        if known != wanted {
            if known.is_some() {
                let until = now + shared.config.timers.leave;
                self.close_channel(shared, key, flow);
                shared.timers.set(Timer::BidirLeave(self.config.vrf, key, flow), until);
            }
            if let Some(tunnel) = wanted {
                self.open_channel(shared, now, key, flow, tunnel);
            }
        }
        self.update_reception(shared, now, key, flow);
        if self.config.bidir == Some(BidirModel::IngressReplication) {
            self.update_bidir_leaf(shared, now, key, flow);
            self.update_copies(shared, now, key, flow);
        }
    }

    fn open_channel(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        key: PeKey,
        flow: SFlow,
        tunnel: (PTunnel, Option<Label>),
    ) {
        let (vrf, sites) = (self.config.vrf, self.config.sites);
        let Some(arrives_by) = self.bidir.partitions.get(&key).map(|partition| partition.arrives_by) else { return };
        let (name, label) = &tunnel;
        let tree = match (name, label) {
            _ if !sites.senders => None,
            (PTunnel::MldpMp2mp(lsp), Some(label)) => {
                let kind = TunnelKind::MldpMp2mp { root: lsp.root, lsp: 0 };
                shared.new_inner(now, vrf, kind, (name.clone(), *label))
            }
            (PTunnel::MldpMp2mp(lsp), None) => {
                let kind = TunnelKind::MldpMp2mp { root: lsp.root, lsp: 0 };
                shared.new_part(now, vrf, kind, name.clone())
            }
            _ => shared.new_part(now, vrf, TunnelKind::IngressReplication, name.clone()),
        };
        let reception = self.receive_channel(shared, now, (key, flow), arrives_by, &tunnel);
        let carries = flow.group == CGroup::AnyBidir;
        if !carries {
            let until = now + shared.config.timers.switch_over;
            shared.timers.set(Timer::BidirCarry(vrf, key, flow), until);
        }
        // What was being left is joined again before it is left.
        self.left_channel(shared, key, flow);
        if let Some(partition) = self.bidir.partitions.get_mut(&key) {
            partition.channels.insert(flow, Channel { tunnel, tree, carries, reception });
        }
        self.bind_channel(shared, flow);
        if key == self.own_key(shared) {
            self.announce_bidir(shared, flow);
        }
    }

    /// Becomes a leaf of a channel's LSP, if this PE is to receive by it: of the partition's always, of a group's own if the customers joined the
    /// group, or as its upstream PE. Who only sends to a group receives nothing of it.
    fn receive_channel(
        &self,
        shared: &mut Shared,
        now: Instant,
        (key, flow): (PeKey, SFlow),
        arrives_by: TunnelId,
        tunnel: &(PTunnel, Option<Label>),
    ) -> Reception {
        let mut reception = Reception::default();
        let (name, label) = tunnel;
        let is_joined = |group| self.bidir.joined.values().any(|groups| groups.contains(&group));
        let is_wanted = key == self.own_key(shared) || flow.group.address().is_none_or(is_joined);
        if !is_wanted || !self.config.sites.receivers || !matches!(name, PTunnel::MldpMp2mp(_)) {
            return reception;
        }
        match shared.join(name, *label, arrives_by, Some(key)) {
            true => reception.joined = Some(tunnel.clone()),
            false => self.reject_offer(shared, now, key, flow),
        }
        reception
    }

    /// The customers joined the group of a channel that is open, or left it.
    fn update_reception(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let Some(group) = flow.group.address().filter(|_| key != self.own_key(shared)) else { return };
        let is_joined = self.bidir.joined.values().any(|groups| groups.contains(&group));
        let Some(partition) = self.bidir.partitions.get_mut(&key) else { return };
        let arrives_by = partition.arrives_by;
        let Some(channel) = partition.channels.get_mut(&flow) else { return };
        match (is_joined, channel.reception.joined.is_some()) {
            (true, false) => {
                let tunnel = channel.tunnel.clone();
                let new = self.receive_channel(shared, now, (key, flow), arrives_by, &tunnel);
                let partition = self.bidir.partitions.get_mut(&key);
                if let Some(channel) = partition.and_then(|partition| partition.channels.get_mut(&flow)) {
                    channel.reception.joined = new.joined;
                }
            }
            (false, true) => {
                if let Some((tunnel, label)) = channel.reception.joined.take() {
                    shared.leave(&tunnel, label, arrives_by);
                }
            }
            _ => {}
        }
    }

    /// Packets of a channel take another; what is received by it still is, for a while.
    pub(super) fn close_channel(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        self.left_channel(shared, key, flow);
        let Some(partition) = self.bidir.partitions.get_mut(&key) else { return };
        let Some(channel) = partition.channels.remove(&flow) else { return };
        partition.leaving.insert(flow, channel.reception);
        shared.timers.clear(Timer::BidirCarry(self.config.vrf, key, flow));
        self.bind_channel(shared, flow);
        if let Some(tree) = channel.tree {
            self.unbind(shared, tree);
            shared.drop_root(tree);
        }
        if key == self.own_key(shared) {
            self.announce_bidir(shared, flow);
        }
    }

    /// A channel is received by no more.
    pub(in crate::mvrf) fn left_channel(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        shared.timers.clear(Timer::BidirLeave(self.config.vrf, key, flow));
        let Some(partition) = self.bidir.partitions.get_mut(&key) else { return };
        let Some(reception) = partition.leaving.remove(&flow) else { return };
        let arrives_by = partition.arrives_by;
        if let Some((tunnel, label)) = reception.joined {
            shared.leave(&tunnel, label, arrives_by);
        }
        if let Some(leaf) = reception.leaf {
            shared.withdraw(self.config.vrf, leaf);
        }
    }

    /// Those who receive a group's own channel had time to join it.
    pub(in crate::mvrf) fn carry_channel(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        let partition = self.bidir.partitions.get_mut(&key);
        if let Some(channel) = partition.and_then(|partition| partition.channels.get_mut(&flow)) {
            channel.carries = true;
            self.bind_channel(shared, flow);
        }
    }

    /// The legs of the groups that a channel may carry follow it.
    fn bind_channel(&mut self, shared: &mut Shared, flow: SFlow) {
        match flow.group {
            CGroup::Group(group) => self.bind_group(shared, group),
            _ => {
                let rpas: Vec<IpAddr> = self.bidir.rpas.keys().copied().collect();
                rpas.into_iter().for_each(|rpa| self.bind_rpa(shared, rpa));
            }
        }
    }

    /// Who gets copies by ingress replication: the upstream PE, and those that answered its route (RFC 7740 §2.2).
    pub(super) fn update_copies(&self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let channel = self.bidir.partitions.get(&key).and_then(|partition| partition.channels.get(&flow));
        let Some(tree) = channel.and_then(|channel| channel.tree) else { return };
        let old: BTreeSet<IpAddr> = shared.roots.get(&tree).into_iter().flat_map(|root| root.leaves()).collect();
        let router = shared.config.router;
        let upstream = self.offer(key, &flow).and_then(|a| a.pmsi.as_ref()?.label).map(|label| (key.address, label));
        let leaves = self.bidir.leaves.get(&(key, flow)).into_iter().flatten();
        let leaves = leaves.filter_map(|(leaf, label)| Some((*leaf, (*label)?)));
        let wanted: Vec<(IpAddr, Label)> = leaves.chain(upstream).filter(|(leaf, _)| *leaf != router).collect();
        for leaf in old {
            if wanted.iter().all(|(wanted, _)| *wanted != leaf) {
                shared.clear_leaf(tree, leaf);
            }
        }
        for (leaf, label) in wanted {
            shared.set_leaf(now, tree, leaf, Some(label));
        }
    }
}
