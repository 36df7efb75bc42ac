//! Source Active A-D routes (RFC 6514 §13, §14).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::c_multicast::By;
use super::config::{AsmMode, CMulticastProtocol};
use super::event::MvpnLimit;
use super::extranet::Crossing;
use super::instance::{Mvrf, PeKey};
use super::io::{CTree, Output};
use super::route::McastRoute;
use super::shared::{Shared, Timer};
use super::umh::Umh;

impl Mvrf {
    /// A Source Active A-D route of another PE came or went.
    pub(super) fn source_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (group, source): (IpAddr, IpAddr),
        from: PeKey,
        present: bool,
    ) {
        if self.is_ssm(group) || present && self.is_bidir(group) {
            return;
        }
        if present {
            if !self.sources.contains_key(&(group, source)) && self.sources.len() >= self.config.limits.sources {
                return shared.limit(now, self.config.vrf, MvpnLimit::Sources);
            }
            self.sources.entry((group, source)).or_default().insert(from);
        } else if let Some(says) = self.sources.get_mut(&(group, source)) {
            says.remove(&from);
            if says.is_empty() {
                self.sources.remove(&(group, source));
            }
            self.source_rps.remove(&(group, source, from));
        }
        self.tell_msdp(shared, group, source);
        self.update_source(shared, now, group, source);
    }

    /// The RP that a PE's Source Active A-D route names.
    pub(super) fn set_source_rp(&mut self, (group, source): (IpAddr, IpAddr), of: PeKey, rp: Option<Ipv4Addr>) {
        // Only of a source that there is room for.
        let is_kept = self.sources.contains_key(&(group, source)) || self.sources.len() < self.config.limits.sources;
        let may_be = !self.is_ssm(group) && !self.is_bidir(group);
        match rp.filter(|_| self.config.msdp && is_kept && may_be) {
            Some(rp) => self.source_rps.insert((group, source, of), rp),
            None => self.source_rps.remove(&(group, source, of)),
        };
    }

    /// Says for MSDP what PEs say of a source: the best route's RP, or another's where that one names none (RFC 9081 §3).
    fn tell_msdp(&mut self, shared: &mut Shared, group: IpAddr, source: IpAddr) {
        if !self.config.msdp || self.config.asm != AsmMode::SptOnly {
            return;
        }
        let wanted = self.sources.get(&(group, source)).map(|says| {
            let of = |key: &PeKey| self.source_rps.get(&(group, source, *key)).copied();
            let best = self.best_source(group, source);
            best.as_ref().and_then(of).or_else(|| says.iter().rev().find_map(of))
        });
        let flow = (group, source);
        let told = self.told_sources.get(&flow).copied();
        if told == wanted {
            return;
        }
        let vrf = self.config.vrf;
        let say = |rp, is_active| Output::SourceActive { vrf, source, group, rp, is_active };
        shared.outputs.extend(told.map(|rp| say(rp, false)));
        shared.outputs.extend(wanted.map(|rp| say(rp, true)));
        match wanted {
            Some(rp) => self.told_sources.insert(flow, rp),
            None => self.told_sources.remove(&flow),
        };
    }

    /// Who is to send a source's packets, of those that say it is active: the selected upstream PE if it is one of them, so that all PEs
    /// agree; else the highest address.
    pub(super) fn best_source(&self, group: IpAddr, source: IpAddr) -> Option<PeKey> {
        let says = self.sources.get(&(group, source))?;
        let selected = self.umh.select(source, group, self.config.umh).and_then(|umh| umh.pe());
        // Beyond the border of an AS the next hop is not the PE's: the RD tells which it is.
        let resolved = says.iter().map(|key| PeKey { address: self.umh.origin(key.rd).unwrap_or(key.address), ..*key });
        let mut last = None;
        for key in resolved {
            if Some(key.address) == selected {
                return Some(key);
            }
            last = Some(key);
        }
        last
    }

    /// Everything that depends on the sources of a group.
    pub(super) fn update_group(&mut self, shared: &mut Shared, now: Instant, group: IpAddr) {
        let mut sources = self.sources_of(group);
        sources.extend(self.pruned.range(sources_in(group)).map(|(_, source)| *source));
        for source in sources {
            self.update_source(shared, now, group, source);
        }
    }

    /// The sources of a group that other PEs say are active.
    pub(super) fn sources_of(&self, group: IpAddr) -> Vec<IpAddr> {
        self.sources.range(sources_in(group)).map(|((_, source), _)| *source).collect()
    }

    /// What follows from a source being active or not, joined or not.
    pub(super) fn update_source(&mut self, shared: &mut Shared, now: Instant, group: IpAddr, source: IpAddr) {
        match self.config.asm {
            AsmMode::SptOnly => {
                // RFC 6514 §14.2
                let is_wanted = self.sources.contains_key(&(group, source))
                    && self.has_receivers(group)
                    && !self.rpt_pruned.contains(&(group, source));
                let tree = CTree::Source { group, source };
                if self.trees.get(&tree).is_some_and(|t| t.by_source) != is_wanted {
                    self.set_tree(shared, now, tree, By::Source, is_wanted);
                }
            }
            AsmMode::RptSpt => {
                self.update_receiving(shared, now, (Some(source), group));
                self.update_prune(shared, now, group, source);
            }
        }
    }

    // RFC 6514 §13.2.1
    fn update_prune(&mut self, shared: &mut Shared, now: Instant, group: IpAddr, source: IpAddr) {
        let vrf = self.config.vrf;
        let timer = Timer::SourcePrune(vrf, group, source);
        let tree = self.trees.get(&CTree::Source { group, source });
        let is_pruned = self.shared_join(group).is_some()
            && self.sources.contains_key(&(group, source))
            && tree.is_none_or(|t| t.route.is_none());
        match (is_pruned, self.pruned.contains(&(group, source))) {
            (true, false) if shared.timers.get(timer).is_none() => {
                shared.timers.set(timer, now + shared.config.timers.source_prune);
            }
            (false, is_told) => {
                shared.timers.clear(timer);
                if is_told {
                    self.pruned.remove(&(group, source));
                    self.tell_prune(shared, group, source, false);
                }
            }
            _ => {}
        }
    }

    /// The delay of RFC 6514 §13.2.1 is over.
    pub(super) fn prune_source(&mut self, shared: &mut Shared, group: IpAddr, source: IpAddr) {
        if self.pruned.insert((group, source)) {
            self.tell_prune(shared, group, source, true);
        }
    }

    fn tell_prune(&self, shared: &mut Shared, group: IpAddr, source: IpAddr, joined: bool) {
        let rp = self.shared_join(group).unwrap_or(source);
        let tree = CTree::PrunedSource { group, source, rp };
        shared.outputs.push_back(Output::Downstream { vrf: self.config.vrf, tree, joined });
    }

    /// The C-RP of the shared tree of a group that other PEs joined here.
    fn shared_join(&self, group: IpAddr) -> Option<IpAddr> {
        let joins = self.joins.range(shared_trees(group));
        joins.filter(|(_, join)| join.is_active).map(|(tree, _)| tree.root()).next()
    }

    /// The upstream hop of the shared tree that this PE joined.
    pub(super) fn shared_upstream(&self, group: IpAddr) -> Option<PeKey> {
        let by_pim = self.config.protocol == CMulticastProtocol::Pim;
        let trees = self.trees.range(shared_trees(group)).filter(|(_, t)| t.route.is_some() || by_pim);
        trees.filter_map(|(tree, _)| self.received_from(tree)).next()
    }

    /// A Source Tree Join of an ASM group came for a source of ours (RFC 6514 §13.1).
    ///
    /// The first join is mostly that of the RP, which lets the shared tree go with the first packet by the source's. So the first packet waits
    /// until all PEs have heard of the source.
    pub(super) fn announce_joined(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        group: IpAddr,
        source: IpAddr,
        is_sent_still: bool,
    ) {
        if self.config.asm != AsmMode::RptSpt || self.is_ssm(group) || self.is_bidir(group) {
            return;
        }
        let is_known = self.own_sources.contains_key(&(group, source));
        self.announce(shared, now, (group, source), None);
        let is_announced = self.own_sources.contains_key(&(group, source));
        if is_announced && !is_known && !is_sent_still {
            let start = now + shared.config.timers.source_start;
            shared.timers.set(Timer::SourceStart(self.config.vrf, group, source), start);
        }
    }

    /// A packet failed the check of its route: it is the first by the source's tree, if the shared tree is still expected.
    pub(super) fn arrived(&mut self, shared: &mut Shared, source: IpAddr, group: IpAddr) {
        let flow = (Some(source), group);
        if let Some(receiving) = self.receiving.get_mut(&flow).filter(|receiving| !receiving.has_arrived) {
            receiving.has_arrived = true;
            self.refresh_routes(shared, flow);
        }
    }

    /// The last such join is withdrawn.
    pub(super) fn cease_joined(&mut self, shared: &mut Shared, group: IpAddr, source: IpAddr) {
        if self.config.asm == AsmMode::RptSpt {
            self.cease(shared, group, source);
        }
    }

    /// Whether a source of ours is active, as an RP knows it (RFC 6514 §14.1): in RPT-SPT mode that says nothing.
    pub(super) fn active(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (group, source): (IpAddr, IpAddr),
        rp: Option<Ipv4Addr>,
        is_active: bool,
    ) {
        if self.config.asm == AsmMode::RptSpt || self.is_ssm(group) || !self.config.sites.senders {
            return;
        }
        match is_active {
            true => self.announce(shared, now, (group, source), rp),
            false => self.cease(shared, group, source),
        }
    }

    fn announce(&mut self, shared: &mut Shared, now: Instant, (group, source): (IpAddr, IpAddr), rp: Option<Ipv4Addr>) {
        if !self.own_sources.contains_key(&(group, source)) && self.own_sources.len() >= self.config.limits.own_sources
        {
            return shared.limit(now, self.config.vrf, MvpnLimit::OwnSources);
        }
        if !self.own_sources.contains_key(&(group, source)) {
            let crossing = Crossing::Source { from: self.config.vrf, flow: (group, source), present: true };
            shared.crossings.push_back(crossing);
        }
        let since = shared.next_age();
        self.own_sources.entry((group, source)).or_insert(since);
        let mut attributes = self.attributes(&shared.config);
        attributes.rp = rp;
        shared.originate(self.config.vrf, McastRoute::source_active(self.config.rd, source, group), attributes);
    }

    pub(super) fn cease(&mut self, shared: &mut Shared, group: IpAddr, source: IpAddr) {
        if self.own_sources.remove(&(group, source)).is_some() {
            shared.withdraw(self.config.vrf, McastRoute::source_active(self.config.rd, source, group));
            let crossing = Crossing::Source { from: self.config.vrf, flow: (group, source), present: false };
            shared.crossings.push_back(crossing);
        }
    }
}

/// The least and the highest address of a group's family.
const fn ends(group: IpAddr) -> (IpAddr, IpAddr) {
    match group {
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)),
        IpAddr::V6(_) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))),
    }
}

/// The keys of a group's sources.
pub(super) const fn sources_in(group: IpAddr) -> core::ops::RangeInclusive<(IpAddr, IpAddr)> {
    let (least, most) = ends(group);
    core::ops::RangeInclusive::new((group, least), (group, most))
}

/// The keys of the shared trees of a group, whatever the RP.
pub(super) const fn shared_trees(group: IpAddr) -> core::ops::RangeInclusive<CTree> {
    let (least, most) = ends(group);
    core::ops::RangeInclusive::new(CTree::Shared { group, rp: least }, CTree::Shared { group, rp: most })
}

/// The VRF of the selected upstream PE.
pub(super) fn upstream_of(umh: Option<Umh>) -> Option<PeKey> {
    match umh? {
        Umh::Local => None,
        Umh::Remote { import, rd, .. } => Some(PeKey { address: import.address, rd }),
    }
}
