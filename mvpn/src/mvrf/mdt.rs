//! The model of RFC 6037: PEs find each other by the MDT-SAFI, and flows move to data MDTs by S-PMSI Joins over UDP (RFC 6513 §7.4.2).
//!
//! An MDT-SAFI route says what Intra-AS I-PMSI A-D routes of both families say, and is taken as such; an S-PMSI Join is taken as an S-PMSI A-D
//! route that nobody withdraws: it lasts as long as it is repeated.

use core::net::{IpAddr, Ipv4Addr};

use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::IntraAsIPmsiAd;
use bgp_vpn::nlri::{MdtNlri, RouteDistinguisher};
use fwd_core::net::IfIndex;
use fwd_core::op::MrouteKey;
use fwd_core::time::Instant;

use super::attributes::McastAttributes;
use super::config::{Model, TunnelKind};
use super::event::{MvpnEvent, MvpnLimit};
use super::forwarding::flow_of;
use super::instance::{Mvrf, PeKey};
use super::io::{CTree, Output};
use super::p_tunnel::{PTunnel, PmsiTunnelValue};
use super::route::SFlow;
use super::s_pmsi::State;
use super::shared::{Shared, Timer};
use crate::pim::wire::AddressFamily;
use crate::pim::wire::s_pmsi_join::SPmsiJoin;

/// A route of the MDT-SAFI, family 1/66: a PE, and the P-group of its default MDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MdtRoute {
    /// RD of the PE's VRF.
    pub rd: RouteDistinguisher,
    /// The PE: source of its packets on the tree.
    pub pe: Ipv4Addr,
    /// The group.
    pub group: Ipv4Addr,
}

impl MdtRoute {
    /// The NLRI, without a path identifier.
    #[must_use]
    pub const fn nlri(&self) -> MdtNlri {
        MdtNlri { path_id: None, rd: self.rd, pe: self.pe, group: self.group }
    }
}

impl From<MdtNlri> for MdtRoute {
    fn from(nlri: MdtNlri) -> Self {
        Self { rd: nlri.rd, pe: nlri.pe, group: nlri.group }
    }
}

/// Octets of S-PMSI Joins in one datagram, at most.
const DATAGRAM: usize = 1400;

impl Mvrf {
    /// The PIM tree of a PE with a P-group: source-specific where this MVRF's is, or where the group is from the range of such groups.
    fn tree_of(&self, shared: &Shared, pe: IpAddr, group: IpAddr) -> PTunnel {
        let is_specific = self.config.inclusive == Some(TunnelKind::PimSsm)
            || shared.config.p_groups.as_ref().is_some_and(|range| super::umh::holds(range, group));
        match self.config.inclusive {
            _ if is_specific => PTunnel::PimSsm { root: pe, group },
            Some(TunnelKind::BidirPim(_)) => PTunnel::BidirPim { sender: pe, group },
            _ => PTunnel::PimSm { sender: pe, group },
        }
    }

    /// The MDT-SAFI route of the MVRF.
    fn own_mdt(&self, shared: &Shared) -> Option<MdtRoute> {
        let root = shared.roots.get(&self.inclusive?)?;
        let group = match root.tunnel {
            PTunnel::PimSsm { group, .. } | PTunnel::PimSm { group, .. } | PTunnel::BidirPim { group, .. } => group,
            _ => return None,
        };
        match (shared.config.router, group) {
            (IpAddr::V4(pe), IpAddr::V4(group)) => Some(MdtRoute { rd: self.config.rd, pe, group }),
            _ => None,
        }
    }

    /// Says or takes back the MDT-SAFI route, by the model.
    pub(super) fn update_mdt(&mut self, shared: &mut Shared, is_up: bool) {
        let wanted = self.own_mdt(shared).filter(|_| is_up && self.config.model.has_mdt());
        if wanted == self.mdt {
            return;
        }
        if let Some(old) = self.mdt.take() {
            shared.outputs.push_back(Output::WithdrawMdt(old));
        }
        if let Some(route) = wanted {
            let attributes = self.attributes(&shared.config);
            shared.outputs.push_back(Output::AdvertiseMdt { route, attributes });
        }
        self.mdt = wanted;
    }

    /// An MDT-SAFI route of another PE: it counts as far as the PE has no Intra-AS I-PMSI A-D route.
    pub(super) fn mdt_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        route: MdtRoute,
        attributes: Option<&McastAttributes>,
    ) {
        if IpAddr::V4(route.pe) == shared.config.router {
            return;
        }
        let key = PeKey { address: route.pe.into(), rd: route.rd };
        let value = PmsiTunnelValue::new(self.tree_of(shared, route.pe.into(), route.group.into()));
        let attributes = attributes.map(|a| McastAttributes { pmsi: Some(value), ..a.clone() });
        if attributes.is_some()
            && !self.mdt_members.contains_key(&key)
            && self.mdt_members.len() >= self.config.limits.members
        {
            return shared.limit(now, self.config.vrf, MvpnLimit::Members);
        }
        match attributes {
            Some(attributes) => self.mdt_members.insert(key, attributes),
            None => self.mdt_members.remove(&key),
        };
        for family in self.config.families.clone() {
            self.update_member(shared, now, key, family);
        }
    }

    /// An Intra-AS I-PMSI A-D route of another PE.
    pub(super) fn i_pmsi_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (family, ad): (AddressFamily, IntraAsIPmsiAd),
        attributes: Option<&McastAttributes>,
    ) {
        let key = PeKey { address: ad.originator, rd: ad.rd };
        if self.config.model == Model::Bgp {
            return self.member_changed(shared, now, (family, ad), attributes);
        }
        let most = self.config.limits.members.saturating_mul(self.config.families.len());
        let is_new = !self.mcast_members.contains_key(&(key, family));
        if attributes.is_some() && is_new && self.mcast_members.len() >= most {
            return shared.limit(now, self.config.vrf, MvpnLimit::Members);
        }
        match attributes {
            Some(attributes) => self.mcast_members.insert((key, family), attributes.clone()),
            None => self.mcast_members.remove(&(key, family)),
        };
        self.update_member(shared, now, key, family);
    }

    fn update_member(&mut self, shared: &mut Shared, now: Instant, key: PeKey, family: AddressFamily) {
        let by_mcast = self.mcast_members.get(&(key, family));
        let attributes = by_mcast.or_else(|| self.mdt_members.get(&key)).cloned();
        let ad = IntraAsIPmsiAd { rd: key.rd, originator: key.address };
        self.member_changed(shared, now, (family, ad), attributes.as_ref());
    }

    /// The S-PMSI Join of an S-PMSI of ours, if its tunnel is a PIM tree.
    fn join_of(&self, shared: &Shared, flow: SFlow) -> Option<SPmsiJoin> {
        let out = self.s_out.get(&flow).filter(|out| out.state != State::Returning)?;
        let PTunnel::PimSsm { group: IpAddr::V4(p_group), .. } = shared.roots.get(&out.tree)?.tunnel else {
            return None;
        };
        SPmsiJoin::new(flow.source?, flow.group.address()?, p_group)
    }

    /// Sends the S-PMSI Join of a flow, and all of them again in a minute ([S-PMSI_INTERVAL]).
    pub(super) fn send_join(&self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if !self.config.model.has_mdt() {
            return;
        }
        let Some(join) = self.join_of(shared, flow) else { return };
        let mut octets = Vec::with_capacity(join.wire_len());
        join.emit(&mut octets);
        shared.outputs.push_back(Output::SPmsiJoin { vrf: self.config.vrf, octets });
        let timer = Timer::Joins(self.config.vrf);
        if shared.timers.get(timer).is_none() {
            shared.timers.set(timer, now + shared.config.timers.s_pmsi_interval);
        }
    }

    /// All S-PMSI Joins again.
    pub(super) fn send_joins(&self, shared: &mut Shared, now: Instant) {
        let vrf = self.config.vrf;
        let mut octets = Vec::new();
        let joins = self.s_out.keys().filter_map(|flow| self.join_of(shared, *flow)).collect::<Vec<_>>();
        for join in &joins {
            if octets.len().saturating_add(join.wire_len()) > DATAGRAM {
                let octets = core::mem::take(&mut octets);
                shared.outputs.push_back(Output::SPmsiJoin { vrf, octets });
            }
            join.emit(&mut octets);
        }
        if !octets.is_empty() {
            shared.outputs.push_back(Output::SPmsiJoin { vrf, octets });
            shared.timers.set(Timer::Joins(vrf), now + shared.config.timers.s_pmsi_interval);
        }
    }

    /// S-PMSI Joins of another PE. What follows a fault is not read.
    pub(super) fn joins_received(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (interface, pe): (IfIndex, IpAddr),
        octets: &[u8],
    ) {
        let (vrf, mut rest) = (self.config.vrf, octets);
        if !self.config.model.has_mdt() {
            return;
        }
        // RFC 6513 §13: a CE can put any address into a packet, and a packet into no PMSI.
        if interface != self.config.pmsi {
            if let Some(times) = shared.bad_join(now, vrf) {
                shared.event(MvpnEvent::BadSPmsiJoin { vrf, pe, times });
            }
            return;
        }
        // Who is no PE of the VPN has no say.
        let Some(key) = self.members.keys().find(|key| key.address == pe).copied() else { return };
        while !rest.is_empty() {
            match SPmsiJoin::take(rest) {
                Ok((after, join)) => {
                    rest = after;
                    self.join_received(shared, now, key, &join);
                }
                Err(_) => {
                    if let Some(times) = shared.bad_join(now, vrf) {
                        shared.event(MvpnEvent::BadSPmsiJoin { vrf, pe, times });
                    }
                    return;
                }
            }
        }
    }

    fn join_received(&mut self, shared: &mut Shared, now: Instant, key: PeKey, join: &SPmsiJoin) {
        let flow = SFlow::source_group(join.c_source(), join.c_group());
        if !self.config.families.contains(&flow.family) || !join.p_group.is_multicast() {
            return;
        }
        let root = key.address;
        let mut attributes = McastAttributes::new(root, Vec::new());
        // Data MDTs are trees of their one source (RFC 6037 §3).
        attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::PimSsm { root, group: join.p_group.into() }));
        let known = self.s_in.get(&(key, flow)).filter(|s| !s.is_withdrawn);
        // An S-PMSI A-D route of the same flow says it as well, and longer.
        let is_known = known.is_some_and(|s| s.attributes.pmsi == attributes.pmsi);
        if known.is_some_and(|s| !s.attributes.targets.is_empty()) {
            return;
        }
        if !is_known {
            self.s_pmsi_changed(shared, now, key, flow, Some(attributes));
        }
        if self.s_in.contains_key(&(key, flow)) {
            let until = now + shared.config.timers.s_pmsi_timeout;
            shared.timers.set(Timer::SPmsiTimeout(self.config.vrf, key, flow), until);
        }
    }

    /// An S-PMSI Join was not repeated.
    pub(super) fn join_expired(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        if self.s_in.get(&(key, flow)).is_some_and(|s| s.attributes.targets.is_empty()) {
            self.s_pmsi_changed(shared, now, key, flow, None);
        }
    }

    /// Changes how PEs find each other and how joins cross the backbone, with the VPN in service (RFC 6517 §6).
    pub(super) fn migrate(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        model: Model,
        protocol: super::CMulticastProtocol,
    ) {
        let had_mdt = self.config.model.has_mdt();
        (self.config.model, self.config.protocol) = (model, protocol);
        let flows: Vec<SFlow> = self.s_out.keys().copied().collect();
        match model.has_mcast() {
            true => {
                self.originate_i_pmsi(shared);
                self.track_default(shared);
                for flow in
                    flows.iter().filter(|flow| self.s_out.get(*flow).is_some_and(|o| o.state != State::Returning))
                {
                    self.announce_s_pmsi(shared, *flow);
                }
            }
            false => {
                let is_ad = |route: &super::McastRoute| match route.kind {
                    super::McastKind::Ad(ad) => ad.rd() == self.config.rd,
                    _ => false,
                };
                let ours: Vec<_> = shared.originated().map(|(route, _)| *route).filter(is_ad).collect();
                ours.into_iter().for_each(|route| shared.withdraw(self.config.vrf, route));
            }
        }
        if !had_mdt && model.has_mdt() {
            self.remember_members();
            self.send_joins(shared, now);
        }
        if had_mdt && !model.has_mdt() {
            self.forget_mdt(shared, now);
        }
        self.update_mdt(shared, true);
        let trees: Vec<_> = self.trees.keys().copied().collect();
        trees.into_iter().for_each(|tree| self.update_tree(shared, now, tree));
        let joins: Vec<_> = self.joins.keys().copied().collect();
        joins.into_iter().for_each(|tree| self.update_join(shared, now, tree));
    }

    /// What MCAST-VPN routes say of other PEs, from the time when they alone counted.
    fn remember_members(&mut self) {
        for (key, member) in &self.members {
            for (family, pmsi) in &member.tunnels {
                let mut attributes = McastAttributes::new(key.address, Vec::new());
                (attributes.pmsi, attributes.bfd) = (pmsi.clone(), self.watched.get(&key.address).copied());
                self.mcast_members.insert((*key, *family), attributes);
            }
        }
    }

    /// While both are in use, a Prune by PIM is overridden where a C-multicast route joins the tree: PEs that have but that do not hear it.
    pub(super) fn join_still(&self, shared: &mut Shared, tree: CTree) {
        let is_both = self.config.protocol == super::CMulticastProtocol::Both;
        if is_both && self.joins.get(&tree).is_some_and(|join| join.is_active) {
            shared.outputs.push_back(Output::Downstream { vrf: self.config.vrf, tree, joined: true });
        }
    }

    /// The same where the Prune was not heard: the tree is joined again.
    pub(super) fn join_again(&self, shared: &mut Shared, key: Option<MrouteKey>) {
        if let Some((Some(source), group)) = key.and_then(flow_of) {
            self.join_still(shared, CTree::Source { group, source });
        }
    }

    /// Nothing is heard by MDT-SAFI and S-PMSI Joins any more.
    fn forget_mdt(&mut self, shared: &mut Shared, now: Instant) {
        let vrf = self.config.vrf;
        shared.timers.clear(Timer::Joins(vrf));
        let keys: Vec<PeKey> = core::mem::take(&mut self.mdt_members).into_keys().collect();
        for key in keys {
            for family in self.config.families.clone() {
                self.update_member(shared, now, key, family);
            }
        }
        self.mcast_members.clear();
        let heard = self.s_in.iter().filter(|(_, s)| s.attributes.targets.is_empty()).map(|(key, _)| *key);
        for (key, flow) in heard.collect::<Vec<_>>() {
            shared.timers.clear(Timer::SPmsiTimeout(vrf, key, flow));
            self.s_pmsi_changed(shared, now, key, flow, None);
        }
    }
}
