//! MVPNs with sites in the AS of an ASBR (RFC 6514 §9.2.1).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::{InterAsIPmsiAd, IntraAsIPmsiAd};
use fwd_core::time::Instant;

use super::asbr::MvpnAsbr;
use super::io::Side;
use crate::mvrf::attributes::Target;
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::p_tunnel::PmsiTunnelValue;
use crate::mvrf::route::{AdRoute, McastRoute};

/// An MVPN: I-PMSI A-D routes of the AS with the same route targets.
#[derive(Clone, Debug)]
pub(super) struct Mvpn {
    pub(super) rd: RouteDistinguisher,
    /// The number in an RD that was not configured.
    number: Option<u32>,
    /// The tunnels of its members.
    pub(super) members: BTreeMap<McastRoute, Option<PmsiTunnelValue>>,
}

impl MvpnAsbr {
    /// An I-PMSI A-D route of a PE of the AS came, changed or went.
    pub(super) fn member_changed(&mut self, now: Instant, route: McastRoute, ad: IntraAsIPmsiAd) {
        if ad.originator == self.config.router.router || self.config.asbrs.contains(&ad.originator) {
            return;
        }
        let paths = self.paths.get(&route).into_iter().flatten();
        let mut inside = paths.filter(|(peer, _)| peer.side == Side::Internal).map(|(_, path)| path);
        let path = inside.next().filter(|path| self.is_imported(&path.attributes));
        let found = path.map(|path| {
            let mut targets = path.attributes.targets.clone();
            targets.sort_unstable();
            (targets, path.attributes.pmsi.clone())
        });
        let old = self.member_of.get(&route).cloned();
        let targets = found.as_ref().map(|(targets, _)| targets.clone());
        if let Some(old) = old.filter(|old| Some(old) != targets.as_ref()) {
            self.forget_member(now, &old, &route);
        }
        let Some((targets, pmsi)) = found else { return };
        if !self.mvpns.contains_key(&targets) {
            let Some((rd, number)) = self.new_rd(&targets) else { return self.limit(now, MvpnLimit::Numbers) };
            self.mvpns.insert(targets.clone(), Mvpn { rd, number, members: BTreeMap::new() });
            self.by_rd.insert(rd, targets.clone());
        }
        self.member_of.insert(route, targets.clone());
        if let Some(mvpn) = self.mvpns.get_mut(&targets) {
            mvpn.members.insert(route, pmsi);
            let ad = own(mvpn.rd, self.config.router.asn);
            self.reconcile(now, ad);
        }
    }

    fn forget_member(&mut self, now: Instant, targets: &[Target], route: &McastRoute) {
        self.member_of.remove(route);
        let Some(mvpn) = self.mvpns.get_mut(targets) else { return };
        mvpn.members.remove(route);
        let ad = own(mvpn.rd, self.config.router.asn);
        if mvpn.members.is_empty() {
            let (rd, number) = (mvpn.rd, mvpn.number);
            self.mvpns.remove(targets);
            self.by_rd.remove(&rd);
            if let Some(number) = number {
                self.rd_numbers.give_back(number);
            }
        }
        self.reconcile(now, ad);
    }

    /// The RD that was configured for an MVPN, unless another has it, or one of ours.
    fn new_rd(&mut self, targets: &[Target]) -> Option<(RouteDistinguisher, Option<u32>)> {
        if let Some(rd) = self.config.rds.get(targets).filter(|rd| !self.by_rd.contains_key(*rd)) {
            return Some((*rd, None));
        }
        let number = self.rd_numbers.take()?;
        let rd = RouteDistinguisher::ipv4(self.config.identifier, u16::try_from(number).ok()?);
        Some((rd, Some(number)))
    }

    /// The MVPN that an Inter-AS I-PMSI A-D route of ours stands for.
    pub(super) fn own_mvpn(&self, ad: &AdRoute) -> Option<(&Vec<Target>, &Mvpn)> {
        let AdRoute::InterAsIPmsi(ad) = ad else { return None };
        let targets = self.by_rd.get(&ad.rd).filter(|_| ad.source_as == self.config.router.asn)?;
        Some((targets, self.mvpns.get(targets)?))
    }
}

const fn own(rd: RouteDistinguisher, asn: u32) -> AdRoute {
    AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd, source_as: asn })
}
