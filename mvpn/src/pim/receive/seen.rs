//! Joins and Prunes for other routers of a link (RFC 7761 §4.5.4 to §4.5.7: "See Join", "See Prune").

use alloc::vec::Vec;

use fwd_core::net::IfIndex;

use super::super::network::PimAddress;
use super::super::router::PimRouter;
use super::super::state::Rpf;
use super::super::transmit::Entry;
use super::super::upstream::{RptUpstreamEvent, RptUpstreamState, UpstreamEvent};
use super::super::wire::GroupSet;
use super::{Context, entry};

impl<A: PimAddress> PimRouter<A> {
    /// A group set for another router on the link.
    pub(super) fn see_group_set(&mut self, cx: Context<A>, upstream: A, g: A, set: &GroupSet<'_>) {
        let Context { now, interface: i, holdtime, .. } = cx;
        let to = |rpf: &Rpf<A>| rpf.interface == Some(i) && rpf.neighbor == Some(upstream);
        let Some(group) = self.groups.get(&g) else { return };
        let group_to = to(&group.upstream.rpf);
        for (source, join) in set.joins().map(|s| (s, true)).chain(set.prunes().map(|s| (s, false))) {
            match entry::<A>(&source) {
                Some(Entry::Group(_)) => {
                    let event = if join { UpstreamEvent::SeeJoin } else { UpstreamEvent::SeePrune };
                    if group_to && (!join || self.says_our_vector(g, None, &source)) {
                        self.fire_group(now, g, event, None, holdtime);
                    }
                    if !join {
                        self.see_prune_g(cx, upstream, g);
                    }
                }
                Some(Entry::Source(s)) => {
                    let Some(x) = self.source_mut(g, s) else { continue };
                    let first = to(&x.upstream.rpf);
                    let second = x.upstream.extra.as_ref().is_some_and(|x| to(&x.secondary.rpf));
                    let event = if join { UpstreamEvent::SeeJoin } else { UpstreamEvent::SeePrune };
                    if (first || second) && (!join || self.says_our_vector(g, Some(s), &source)) {
                        if first {
                            self.fire_source(now, g, s, event, None, holdtime);
                        } else {
                            self.fire_secondary(now, g, s, event, None, holdtime);
                        }
                    }
                    if !join && self.rpt_is_to(g, s, i, upstream) {
                        self.fire_rpt_upstream(now, g, s, RptUpstreamEvent::SeePrune);
                    }
                }
                Some(Entry::Rpt(s)) => {
                    if !join && !self.ensure_source_seen(cx, g, s) {
                        continue;
                    }
                    let Some(x) = self.source_mut(g, s) else { continue };
                    if !join && to(&x.upstream.rpf) {
                        self.fire_source(now, g, s, UpstreamEvent::SeePrune, None, holdtime);
                    }
                    if self.rpt_is_to(g, s, i, upstream) {
                        let event = if join { RptUpstreamEvent::SeeJoin } else { RptUpstreamEvent::SeePrune };
                        self.fire_rpt_upstream(now, g, s, event);
                    }
                }
                None => {}
            }
        }
    }

    /// Another router prunes a source off the shared tree that this one is on: its (S,G,rpt) machine must override, so there must be
    /// one. It lives as long as its Override Timer.
    fn ensure_source_seen(&mut self, cx: Context<A>, g: A, s: A) -> bool {
        let Some(view) = self.view(g) else { return false };
        if view.group.sources.contains_key(&s) {
            return true;
        }
        let joined = view.rpt_join_desired() && view.rpf_interface_rp() == Some(cx.interface);
        if !joined || self.source_entry(cx.now, g, s, cx.interface).is_none() {
            return false;
        }
        if let Some(source) = self.source_mut(g, s) {
            source.rpt = RptUpstreamState::NotPruned;
        }
        true
    }

    /// A Prune(*,G) makes routers of RFC 2362 stop sources too (RFC 7761 §4.5.5).
    fn see_prune_g(&mut self, cx: Context<A>, upstream: A, g: A) {
        let Some(group) = self.groups.get(&g) else { return };
        let sources: Vec<A> = group
            .sources
            .iter()
            .filter(|(_, x)| {
                x.upstream.rpf.interface == Some(cx.interface) && x.upstream.rpf.neighbor == Some(upstream)
            })
            .map(|(s, _)| *s)
            .collect();
        for s in sources {
            self.fire_source(cx.now, g, s, UpstreamEvent::SeePrune, None, cx.holdtime);
        }
    }

    fn rpt_is_to(&self, g: A, s: A, i: IfIndex, upstream: A) -> bool {
        self.source_view(g, s)
            .is_some_and(|v| v.group.rpf_interface_rp() == Some(i) && v.rpf_sg_rpt() == Some(upstream))
    }
}
