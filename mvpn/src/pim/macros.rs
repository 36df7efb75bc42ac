//! The macros of RFC 7761, by their names: `_g` for (*,G), `_sg` for (S,G), `_sg_rpt` for (S,G,rpt).
//!
//! Sets of interfaces are predicates of one interface here, and lists are made from the interfaces that have state.

use fwd_core::net::IfIndex;
use smallvec::SmallVec;

use super::assert::AssertMetric;
use super::io::MribRoute;
use super::network::{Network, PimAddress};
use super::register::RegisterState;
use super::state::{AssertInfo, Group, GroupInterface, Rpf, Source, SourceInterface};
use super::upstream::UpstreamState;

/// An outgoing interface list, in order.
pub(super) type Olist = SmallVec<[IfIndex; 4]>;

/// (*,G) state in its surroundings.
pub(super) struct GroupView<'a, A: PimAddress> {
    pub(super) net: &'a Network<A>,
    pub(super) g: A,
    pub(super) group: &'a Group<A>,
}

/// (S,G) state in its surroundings.
pub(super) struct SourceView<'a, A: PimAddress> {
    pub(super) group: GroupView<'a, A>,
    pub(super) s: A,
    /// `None` where nothing is known of the source.
    pub(super) source: Option<&'a Source<A>>,
}

impl<'a, A: PimAddress> GroupView<'a, A> {
    fn interface(&self, i: IfIndex) -> Option<&GroupInterface<A>> {
        self.group.interfaces.get(i).filter(|_| !self.group.ssm)
    }

    /// The view of a source of the group.
    pub(super) fn source(&self, s: A) -> SourceView<'a, A> {
        let group = GroupView { net: self.net, g: self.g, group: self.group };
        SourceView { group, s, source: self.group.sources.get(&s).map(|source| &**source) }
    }

    /// RPF_interface(RP(G)); at the RP, and without one, none: the register tunnel is no interface.
    pub(super) fn rpf_interface_rp(&self) -> Option<IfIndex> {
        if self.group.bidir {
            return self.group.rp.and_then(|rp| self.net.rpa_interface(rp));
        }
        self.route_g().map(|r| r.interface).filter(|i| self.net.interfaces.contains_key(i))
    }

    /// MRIB.pref and MRIB.metric of the RP.
    pub(super) fn metric(&self) -> Option<(u32, u32)> {
        self.route_g().map(MribRoute::weight)
    }

    /// The route of the shared tree.
    pub(super) fn route_g(&self) -> Option<&'a MribRoute<A>> {
        self.net.choose(self.target_g()?, self.group.upstream.detour(), false)
    }

    /// I_am_DF(RPA(G),I) (RFC 5015 §3.1.4).
    fn i_am_df(&self, i: IfIndex) -> bool {
        self.group.rp.is_some_and(|rpa| self.net.i_am_df(rpa, i))
    }

    pub(super) fn joins_g(&self, i: IfIndex) -> bool {
        let may = !self.group.bidir || self.i_am_df(i);
        may && self.interface(i).is_some_and(|s| s.join.is_joined())
    }

    /// Members of one source of a BIDIR group get all of them: the tree has no sources.
    pub(super) fn local_receiver_include_g(&self, i: IfIndex) -> bool {
        let of_source = |s: &Source<A>| s.interfaces.get(i).is_some_and(|s| s.include);
        self.interface(i).is_some_and(|s| s.include)
            || self.group.bidir && self.group.sources.values().any(|s| of_source(s))
    }

    /// Interfaces with state of the group; of a BIDIR group also of its sources.
    fn interfaces(&self) -> Olist {
        let mut all: Olist = self.group.interfaces.interfaces().collect();
        if self.group.bidir {
            all.extend(self.group.sources.values().flat_map(|s| s.interfaces.interfaces()));
            all.sort_unstable();
            all.dedup();
        }
        all
    }

    /// olist(G) (RFC 5015 §3.1.4).
    pub(super) fn olist_bidir(&self) -> Olist {
        let mut list = self.immediate_olist_g();
        list.extend(self.rpf_interface_rp());
        list.sort_unstable();
        list.dedup();
        list
    }

    pub(super) fn assert_g(&self, i: IfIndex) -> Option<&AssertInfo<A>> {
        self.interface(i).and_then(|s| s.assert.as_ref())
    }

    /// AssertWinner(*,G,I) == me
    fn i_am_assert_winner_g(&self, i: IfIndex) -> bool {
        self.assert_g(i).is_some_and(|a| a.me)
    }

    /// I_Am_Assert_Loser(*,G,I)
    pub(super) fn i_am_assert_loser_g(&self, i: IfIndex) -> bool {
        self.assert_g(i).is_some_and(|a| !a.me)
    }

    // RFC 7761 §4.6.5
    pub(super) fn lost_assert_g(&self, i: IfIndex) -> bool {
        self.rpf_interface_rp() != Some(i) && self.i_am_assert_loser_g(i)
    }

    /// ( I_am_DR( I ) AND lost_assert(*,G,I) == FALSE ) OR AssertWinner(*,G,I) == me
    fn responsible_g(&self, i: IfIndex, s: Option<A>) -> bool {
        self.net.i_am_dr(i, self.g, s) && !self.lost_assert_g(i) || self.i_am_assert_winner_g(i)
    }

    // RFC 7761 §4.1.5
    pub(super) fn pim_include_g(&self, i: IfIndex) -> bool {
        let mine = if self.group.bidir { self.i_am_df(i) } else { self.responsible_g(i, None) };
        self.local_receiver_include_g(i) && mine
    }

    pub(super) fn in_immediate_olist_g(&self, i: IfIndex) -> bool {
        (self.joins_g(i) || self.pim_include_g(i)) && !self.lost_assert_g(i)
    }

    pub(super) fn immediate_olist_g(&self) -> Olist {
        let mut list = self.interfaces();
        list.retain(|i| self.in_immediate_olist_g(*i));
        list
    }

    // RFC 7761 §4.5.4; RFC 5015 §3.4.2 leaves the RPF interface out.
    pub(super) fn join_desired_g(&self) -> bool {
        let up = self.rpf_interface_rp().filter(|_| self.group.bidir);
        !self.group.refused && self.interfaces().iter().any(|i| self.in_immediate_olist_g(*i) && up != Some(*i))
    }

    // RFC 7761 §4.5.7
    pub(super) fn rpt_join_desired(&self) -> bool {
        self.join_desired_g()
    }

    /// RPF'(*,G).
    pub(super) fn rpf_g(&self) -> Rpf<A> {
        let Some(rp) = self.group.rp else { return Rpf::default() };
        if self.group.bidir {
            // RPF_DF(RPA); on the RPL itself there is none.
            let interface = self.rpf_interface_rp();
            let df = interface
                .and_then(|i| self.net.df(rp, i))
                .filter(|df| interface.map(|i| self.net.address(i)) != Some(*df));
            return Rpf { interface, next_hop: df, neighbor: df };
        }
        let mut rpf = self.net.rpf_by(self.route_g());
        if let Some(info) = rpf.interface.and_then(|i| self.assert_g(i)).filter(|a| !a.me) {
            rpf.neighbor = Some(info.winner.address);
        }
        rpf
    }

    // RFC 7761 §4.6.2
    pub(super) fn could_assert_g(&self, i: IfIndex) -> bool {
        !self.group.bidir && (self.joins_g(i) || self.pim_include_g(i)) && self.rpf_interface_rp() != Some(i)
    }

    pub(super) fn assert_tracking_desired_g(&self, i: IfIndex) -> bool {
        self.could_assert_g(i)
            || self.local_receiver_include_g(i) && (self.net.i_am_dr(i, self.g, None) || self.i_am_assert_winner_g(i))
            || self.rpf_interface_rp() == Some(i) && self.rpt_join_desired()
    }

    // RFC 7761 §4.6.3
    pub(super) fn rpt_assert_metric(&self, i: IfIndex) -> AssertMetric<A> {
        let address = self.net.address(i);
        self.metric().map_or_else(
            || AssertMetric::infinite(address),
            |(preference, metric)| AssertMetric { rpt: true, preference, metric, address },
        )
    }

    pub(super) fn my_assert_metric_g(&self, i: IfIndex) -> AssertMetric<A> {
        if self.could_assert_g(i) { self.rpt_assert_metric(i) } else { AssertMetric::infinite(A::UNSPECIFIED) }
    }
}

impl<'a, A: PimAddress> SourceView<'a, A> {
    fn interface(&self, i: IfIndex) -> Option<&SourceInterface<A>> {
        self.source.and_then(|s| s.interfaces.get(i))
    }

    /// RPF_interface(S).
    pub(super) fn rpf_interface_s(&self) -> Option<IfIndex> {
        self.route_s().map(|r| r.interface).filter(|i| self.group.net.interfaces.contains_key(i))
    }

    /// MRIB.pref and MRIB.metric of the source.
    pub(super) fn metric(&self) -> Option<(u32, u32)> {
        self.route_s().map(MribRoute::weight)
    }

    /// The route of the source's tree.
    pub(super) fn route_s(&self) -> Option<&'a MribRoute<A>> {
        let detour = self.source.and_then(|s| s.upstream.detour());
        self.group.net.choose(self.target_sg(), detour, self.group.net.reroutes(self.group.g))
    }

    /// DirectlyConnected(S).
    pub(super) fn directly_connected(&self) -> bool {
        self.route_s().is_some_and(|r| r.next_hop.is_none() && self.group.net.interfaces.contains_key(&r.interface))
            && self.target_sg().address == self.s
    }

    /// SPTbit(S,G); always set in the SSM range (RFC 7761 §4.8.2).
    pub(super) fn spt_bit(&self) -> bool {
        self.group.group.ssm || self.source.is_some_and(|s| s.spt_bit)
    }

    /// KeepaliveTimer(S,G) is running; it always does in the SSM range (RFC 7761 §4.8.2).
    pub(super) fn keepalive(&self) -> bool {
        let at_rp = || self.group.group.rp.is_some_and(|rp| self.group.net.is_local(rp));
        self.group.group.ssm || self.source.is_some_and(|s| s.keepalive || s.remote && at_rp())
    }

    /// Whether this router is the RP that has the source: a DR registered it here, or it is on a link of ours.
    pub(super) fn is_source_of_this_rp(&self) -> bool {
        let group = self.group.group;
        let here = |s: &Source<A>| s.keepalive && (s.registered || self.directly_connected());
        !group.ssm && group.rp.is_some_and(|rp| self.group.net.is_local(rp)) && self.source.is_some_and(here)
    }

    pub(super) fn joins_sg(&self, i: IfIndex) -> bool {
        self.interface(i).is_some_and(|s| s.join.is_joined())
    }

    pub(super) fn prunes_sg_rpt(&self, i: IfIndex) -> bool {
        self.interface(i).is_some_and(|s| s.rpt.is_pruned())
    }

    pub(super) fn local_receiver_include_sg(&self, i: IfIndex) -> bool {
        self.interface(i).is_some_and(|s| s.include)
    }

    pub(super) fn local_receiver_exclude_sg(&self, i: IfIndex) -> bool {
        self.interface(i).is_some_and(|s| s.exclude)
    }

    pub(super) fn assert_sg(&self, i: IfIndex) -> Option<&AssertInfo<A>> {
        self.interface(i).and_then(|s| s.assert.as_ref())
    }

    fn i_am_assert_winner_sg(&self, i: IfIndex) -> bool {
        self.assert_sg(i).is_some_and(|a| a.me)
    }

    /// I_Am_Assert_Loser(S,G,I)
    pub(super) fn i_am_assert_loser_sg(&self, i: IfIndex) -> bool {
        self.assert_sg(i).is_some_and(|a| !a.me)
    }

    // RFC 7761 §4.6.5
    pub(super) fn lost_assert_sg_rpt(&self, i: IfIndex) -> bool {
        let upstream = self.group.rpf_interface_rp() == Some(i) || self.rpf_interface_s() == Some(i) && self.spt_bit();
        !upstream && self.i_am_assert_loser_sg(i)
    }

    pub(super) fn lost_assert_sg(&self, i: IfIndex) -> bool {
        self.rpf_interface_s() != Some(i)
            && self.assert_sg(i).is_some_and(|a| !a.me && a.winner.is_better(&self.spt_assert_metric(i)))
    }

    // RFC 7761 §4.1.5
    pub(super) fn pim_include_sg(&self, i: IfIndex) -> bool {
        let dr = self.group.net.i_am_dr(i, self.group.g, Some(self.s));
        self.local_receiver_include_sg(i) && (dr && !self.lost_assert_sg(i) || self.i_am_assert_winner_sg(i))
    }

    pub(super) fn pim_exclude_sg(&self, i: IfIndex) -> bool {
        self.local_receiver_exclude_sg(i) && self.group.responsible_g(i, None)
    }

    pub(super) fn in_immediate_olist_sg(&self, i: IfIndex) -> bool {
        (self.joins_sg(i) || self.pim_include_sg(i)) && !self.lost_assert_sg(i)
    }

    /// `( joins(*,G) (-) prunes(S,G,rpt) ) (+) ( pim_include(*,G) (-) pim_exclude(S,G) )`
    fn wanted_by_g(&self, i: IfIndex) -> bool {
        self.group.joins_g(i) && !self.prunes_sg_rpt(i) || self.group.pim_include_g(i) && !self.pim_exclude_sg(i)
    }

    pub(super) fn in_inherited_olist_sg_rpt(&self, i: IfIndex) -> bool {
        self.wanted_by_g(i) && !self.group.lost_assert_g(i) && !self.lost_assert_sg_rpt(i)
    }

    pub(super) fn in_inherited_olist_sg(&self, i: IfIndex) -> bool {
        (self.in_inherited_olist_sg_rpt(i) || self.joins_sg(i) || self.pim_include_sg(i)) && !self.lost_assert_sg(i)
    }

    /// Every interface that has (*,G) or (S,G) state, in order.
    fn interfaces(&self) -> Olist {
        let mut all: Olist = self.group.group.interfaces.interfaces().collect();
        if let Some(source) = self.source {
            all.extend(source.interfaces.interfaces());
            all.sort_unstable();
            all.dedup();
        }
        all
    }

    pub(super) fn inherited_olist_sg_rpt(&self) -> Olist {
        let mut list = self.interfaces();
        list.retain(|i| self.in_inherited_olist_sg_rpt(*i));
        list
    }

    pub(super) fn inherited_olist_sg(&self) -> Olist {
        let mut list = self.interfaces();
        list.retain(|i| self.in_inherited_olist_sg(*i));
        list
    }

    /// Whether the register tunnel is in the (S,G) olists.
    pub(super) fn register_tunnel(&self) -> bool {
        self.source.is_some_and(|s| s.register == RegisterState::Join)
    }

    // RFC 7761 §4.5.5; the register tunnel is in joins(S,G).
    pub(super) fn join_desired_sg(&self) -> bool {
        if self.group.group.bidir || self.source.is_none_or(|s| s.refused) {
            return false;
        }
        let immediate = self.register_tunnel()
            || self.source.is_some_and(|s| s.interfaces.interfaces().any(|i| self.in_immediate_olist_sg(i)));
        immediate || self.keepalive() && self.interfaces().iter().any(|i| self.in_inherited_olist_sg(*i))
    }

    /// RPF'(S,G).
    pub(super) fn rpf_sg(&self) -> Rpf<A> {
        let mut rpf = self.group.net.rpf_by(self.route_s());
        if let Some(info) = rpf.interface.and_then(|i| self.assert_sg(i)).filter(|a| !a.me) {
            rpf.neighbor = Some(info.winner.address);
        }
        rpf
    }

    /// RPF'(S,G,rpt).
    pub(super) fn rpf_sg_rpt(&self) -> Option<A> {
        let loser = self.group.rpf_interface_rp().and_then(|i| self.assert_sg(i)).filter(|a| !a.me);
        loser.map_or_else(|| self.group.rpf_g().neighbor, |a| Some(a.winner.address))
    }

    // RFC 7761 §4.5.7
    pub(super) fn prune_desired_sg_rpt(&self) -> bool {
        !self.group.group.ssm
            && self.group.rpt_join_desired()
            && (!self.interfaces().iter().any(|i| self.in_inherited_olist_sg_rpt(*i))
                || self.spt_bit() && self.group.rpf_g().neighbor != self.rpf_sg().neighbor)
    }

    /// Whether a Prune(S,G,rpt) goes with a Join(*,G) (RFC 7761 §4.5.6).
    pub(super) fn prune_with_join_g(&self) -> bool {
        let star = self.group.rpf_g().neighbor;
        if self.spt_bit() {
            star != self.rpf_sg().neighbor
        } else {
            !self.interfaces().iter().any(|i| self.in_inherited_olist_sg_rpt(*i)) || star != self.rpf_sg_rpt()
        }
    }

    // RFC 7761 §4.4.1. A DR that is the RP needs no tunnel to itself: it only has Anycast-RP members to tell.
    pub(super) fn could_register(&self) -> bool {
        let net = self.group.net;
        let anycast = |rp: A| net.config.anycast_rp.iter().any(|(a, members)| *a == rp && !members.is_empty());
        let useful = self.group.group.rp.is_none_or(|rp| !net.is_local(rp) || anycast(rp));
        useful
            && !self.group.group.ssm
            && self.directly_connected()
            && self.source.is_some_and(|s| s.keepalive)
            && self.rpf_interface_s().is_some_and(|i| self.group.net.is_dr(i))
    }

    // RFC 7761 §4.6.1
    pub(super) fn could_assert_sg(&self, i: IfIndex) -> bool {
        self.spt_bit()
            && self.rpf_interface_s() != Some(i)
            && (self.wanted_by_g(i) && !self.group.lost_assert_g(i) || self.joins_sg(i) || self.pim_include_sg(i))
    }

    pub(super) fn assert_tracking_desired_sg(&self, i: IfIndex) -> bool {
        let dr = || self.group.net.i_am_dr(i, self.group.g, Some(self.s));
        self.wanted_by_g(i) && !self.group.lost_assert_g(i)
            || self.joins_sg(i)
            || self.local_receiver_include_sg(i) && (dr() || self.i_am_assert_winner_sg(i))
            || self.rpf_interface_s() == Some(i) && self.join_desired_sg()
            || self.group.rpf_interface_rp() == Some(i) && self.group.join_desired_g() && !self.spt_bit()
    }

    // RFC 7761 §4.6.3
    pub(super) fn spt_assert_metric(&self, i: IfIndex) -> AssertMetric<A> {
        let address = self.group.net.address(i);
        self.metric().map_or_else(
            || AssertMetric::infinite(address),
            |(preference, metric)| AssertMetric { rpt: false, preference, metric, address },
        )
    }

    pub(super) fn my_assert_metric_sg(&self, i: IfIndex) -> AssertMetric<A> {
        if self.could_assert_sg(i) { self.spt_assert_metric(i) } else { self.group.my_assert_metric_g(i) }
    }

    // RFC 7761 §4.2.2
    pub(super) fn update_spt_bit(&self, iif: IfIndex) -> bool {
        let (star, own) = (self.group.rpf_g().neighbor, self.rpf_sg().neighbor);
        self.rpf_interface_s() == Some(iif)
            && self.join_desired_sg()
            && (self.directly_connected()
                || self.rpf_interface_s() != self.group.rpf_interface_rp()
                || !self.interfaces().iter().any(|i| self.in_inherited_olist_sg_rpt(*i))
                || own == star && own.is_some()
                || self.i_am_assert_loser_sg(iif))
    }

    /// Whether the SPT bit is set without waiting for a packet: where nobody wants the packet on the RP tree, or packets of both trees come
    /// from the same neighbour. A packet would make Update_SPTbit true at once, and until then there is none to be lost.
    pub(super) fn spt_bit_at_once(&self) -> bool {
        let Some(rpf) = self.rpf_interface_s() else { return false };
        !self.directly_connected()
            && self.is_joined()
            && (!self.interfaces().iter().any(|i| self.in_inherited_olist_sg_rpt(*i))
                || self.group.rpf_interface_rp() == Some(rpf) && self.update_spt_bit(rpf))
    }

    // RFC 7761 §4.2.1: pim_include(*,G) (-) pim_exclude(S,G) (+) pim_include(S,G) != NULL
    pub(super) fn has_local_receivers(&self) -> bool {
        self.interfaces()
            .iter()
            .any(|i| self.group.pim_include_g(*i) && !self.pim_exclude_sg(*i) || self.pim_include_sg(*i))
    }

    /// Whether (S,G) is joined upstream.
    pub(super) fn is_joined(&self) -> bool {
        self.source.is_some_and(|s| s.upstream.state == UpstreamState::Joined)
    }
}
