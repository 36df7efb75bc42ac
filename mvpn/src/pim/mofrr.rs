//! Multicast-only fast reroute (RFC 7431): sources of the groups that are configured for it are joined by a second way too. Its packets fail
//! the RPF check until the first way is gone or silent; then the second becomes the first, and only the forwarder's route changes.

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::evaluate::neighbor;
use super::io::{MribRoute, Output, PimEvent};
use super::macros::SourceView;
use super::network::{Network, PimAddress};
use super::router::PimRouter;
use super::state::{Rpf, Timer};
use super::transmit::Entry;
use super::upstream::{UpstreamAction, UpstreamEvent, UpstreamState, upstream_transition};
use super::ways::Detour;

impl<A: PimAddress> Network<A> {
    /// Whether sources of the group are joined by two ways.
    pub(super) fn reroutes(&self, group: A) -> bool {
        self.config.fast_reroute.iter().any(|range| group.is_in(range))
    }
}

impl<A: PimAddress> SourceView<'_, A> {
    /// The neighbour that the secondary tree is joined at.
    pub(super) fn secondary(&self) -> Option<(IfIndex, A)> {
        let secondary = &self.source?.upstream.extra.as_ref()?.secondary;
        neighbor(&secondary.rpf).filter(|_| secondary.state == UpstreamState::Joined)
    }

    /// Whether packets that come in here are those of the secondary tree: dropped without a word.
    pub(super) fn is_secondary(&self, i: IfIndex) -> bool {
        self.secondary().is_some_and(|(interface, _)| interface == i)
    }

    /// The way for the secondary tree: another route of equal cost by another interface, or else the alternate.
    fn secondary_route(&self) -> Option<&MribRoute<A>> {
        let net = self.group.net;
        if !net.reroutes(self.group.g) || !self.is_joined() || self.directly_connected() {
            return None;
        }
        let target = self.target_sg();
        let first = self.rpf_interface_s()?;
        let other = |r: &&MribRoute<A>| r.interface != first && r.next_hop.is_some() && net.is_live(r);
        let found = net.routes(target).find(other).or_else(|| net.alternate(target).filter(other))?;
        // RFC 7431 §3.2: not if nobody but the secondary neighbour wants the packets.
        let olist = self.inherited_olist_sg();
        let wanted = olist.iter().any(|i| *i != first && *i != found.interface) || self.register_tunnel();
        Some(found).filter(|_| wanted)
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// Joins, moves or leaves the secondary tree. `before` is the interface that packets were taken from.
    pub(super) fn evaluate_secondary(&mut self, now: Instant, g: A, s: A, before: Option<IfIndex>) {
        let Some(view) = self.source_view(g, s) else { return };
        let Some(source) = view.source else { return };
        let extra = source.upstream.extra.as_ref();
        if extra.is_none() && !self.net.reroutes(g) {
            return;
        }
        let rpf = view.secondary_route().map(|r| self.net.rpf_by(Some(r))).unwrap_or_default();
        let (state, old) = extra.map(|x| (x.secondary.state, x.secondary.rpf)).unwrap_or_default();
        let first = source.upstream.rpf;
        // What was the secondary way is the first: its Joins went out already.
        let promoted = state == UpstreamState::Joined && neighbor(&old).is_some() && neighbor(&old) == neighbor(&first);
        if promoted && before != first.interface {
            if let Some(interface) = first.interface {
                self.outputs.push_back(Output::Event(PimEvent::Rerouted { group: g, source: s, interface }));
            }
        }
        let event = match (state, rpf.neighbor) {
            (UpstreamState::NotJoined, Some(_)) => UpstreamEvent::JoinDesired,
            (UpstreamState::Joined, None) => UpstreamEvent::NoJoinDesired,
            (UpstreamState::Joined, Some(_)) if neighbor(&rpf) != neighbor(&old) => UpstreamEvent::RpfChanges,
            _ => return,
        };
        if event != UpstreamEvent::NoJoinDesired {
            self.set_secondary_rpf(g, s, rpf);
        }
        self.fire_secondary(now, g, s, event, neighbor(&old).filter(|_| !promoted), 0);
        if event == UpstreamEvent::NoJoinDesired {
            self.set_secondary_rpf(g, s, Rpf::default());
        }
    }

    fn set_secondary_rpf(&mut self, g: A, s: A, rpf: Rpf<A>) {
        if let Some(source) = self.source_mut(g, s) {
            source.upstream.extra_mut().secondary.rpf = rpf;
        }
    }

    /// Fires the upstream machine of the secondary tree; `old` is where a Prune goes when the tree leaves or moves.
    pub(super) fn fire_secondary(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        event: UpstreamEvent,
        old: Option<(IfIndex, A)>,
        holdtime: u16,
    ) {
        let Some(extra) = self.source_mut(g, s).and_then(|x| x.upstream.extra.as_mut()) else { return };
        let secondary = &mut extra.secondary;
        let Ok((next, actions)) = upstream_transition(secondary.state, event) else { return };
        secondary.state = next;
        let (to, interface) = (neighbor(&secondary.rpf), secondary.rpf.interface);
        let (entry, timer) = (Entry::Source(s), Timer::SecondaryJoin(g, s));
        for action in actions {
            match action {
                UpstreamAction::SendJoin => self.send_join_prune(to, g, entry, true),
                UpstreamAction::SendPrune => self.send_join_prune(old, g, entry, false),
                UpstreamAction::SendPruneToOld => self.send_join_prune(old.filter(|o| Some(*o) != to), g, entry, false),
                UpstreamAction::ClearSptBit => {}
                other => self.join_timer(now, timer, *other, interface, holdtime),
            }
        }
    }

    /// Packets of (S,G) do not come by the first way: the second is taken from here on (RFC 7431 §5).
    pub(super) fn silent(&mut self, now: Instant, g: A, s: A) {
        let Some(view) = self.source_view(g, s) else { return };
        let Some((interface, next_hop)) = view.secondary() else { return };
        let neighbor = self.net.interfaces.get(&interface).and_then(|i| i.neighbors.get(&next_hop));
        let router = neighbor.map_or(0, |n| n.router_id);
        let target = view.target_sg();
        let ways = self.net.routes(target).chain(self.net.alternate(target));
        let leads = |r: &&MribRoute<A>| {
            r.interface == interface && r.next_hop.and_then(|hop| self.net.nbr(interface, hop)) == Some(next_hop)
        };
        let Some(next_hop) = ways.into_iter().find(leads).and_then(|r| r.next_hop) else { return };
        if let Some(source) = self.source_mut(g, s) {
            source.upstream.extra_mut().detour = Some(Detour { interface, next_hop, router, redirect: None });
        }
        self.evaluate(now, g, Some(s));
    }
}
