//! How many A-D routes of PMSIs came from whom, and how many went out (RFC 8503, mvpnAdvtStatsTable).

use core::net::IpAddr;

use alloc::collections::BTreeMap;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;

use super::instance::Mvrf;
use super::route::{AdRoute, McastKind, McastRoute};
use super::shared::Shared;

/// mvpnAdvtType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdvertType {
    /// Intra-AS I-PMSI A-D routes.
    IntraAsIPmsi = 0,
    /// Inter-AS I-PMSI A-D routes.
    InterAsIPmsi = 1,
    /// S-PMSI A-D routes.
    SPmsi = 2,
}

impl AdvertType {
    pub(super) const ALL: [Self; 3] = [Self::IntraAsIPmsi, Self::InterAsIPmsi, Self::SPmsi];

    pub(super) const fn of(route: &McastRoute) -> Option<Self> {
        Some(match route.kind {
            McastKind::Ad(AdRoute::IntraAsIPmsi(_)) => Self::IntraAsIPmsi,
            McastKind::Ad(AdRoute::InterAsIPmsi(_)) => Self::InterAsIPmsi,
            McastKind::Ad(AdRoute::SPmsi { .. }) => Self::SPmsi,
            _ => return None,
        })
    }
}

/// Advertisements of one type from one PE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// How many came, those that were refused too.
    pub count: u64,
    /// Of these, refused: by a limit, or because this PE cannot use them.
    pub refused: u64,
    /// When the last came.
    pub last: Option<Instant>,
}

/// Advertisements of one type to all PEs: BGP sends the same to each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many.
    pub count: u64,
    /// When the last.
    pub last: Option<Instant>,
}

/// What was sent, by MVRF and type.
pub(super) type SentByVrf = BTreeMap<(VrfId, AdvertType), Sent>;

impl Mvrf {
    /// Counts an advertisement of another PE, of which `refusals` were counted when it had been looked at. PEs beyond the most that
    /// the MVRF may have are not counted.
    pub(super) fn count_advert(&mut self, now: Instant, route: &McastRoute, next_hop: IpAddr, refusals: u64) {
        let Some(of) = AdvertType::of(route) else { return };
        let from = match route.kind {
            McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) => ad.originator,
            McastKind::Ad(AdRoute::SPmsi { originator, .. }) => originator,
            _ => next_hop,
        };
        let is_full = self.adverts.len() >= self.config.limits.members.saturating_mul(AdvertType::ALL.len());
        if is_full && !self.adverts.contains_key(&(of, from)) {
            return;
        }
        let received = self.adverts.entry((of, from)).or_default();
        received.count = received.count.saturating_add(1);
        received.refused = received.refused.saturating_add(u64::from(refusals > 0));
        received.last = Some(now);
    }
}

impl Shared {
    /// Counts an advertisement that is handed out for these MVRFs.
    pub(super) fn count_sent(&mut self, route: &McastRoute, owners: &[VrfId]) {
        let Some(of) = AdvertType::of(route) else { return };
        for vrf in owners {
            let sent = self.sent.entry((*vrf, of)).or_default();
            sent.count = sent.count.saturating_add(1);
            sent.last = Some(self.clock);
        }
    }
}
