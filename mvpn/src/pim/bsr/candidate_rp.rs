//! This router as candidate RP (RFC 5059 §3.2).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::zone::{Zone, ZoneAddress};
use super::{BsrRouter, Output, Timer};
use crate::pim::rp_set::RpMode;
use crate::pim::wire::{CandidateRpAdvertisement, EncodedGroup, Message};

impl<A: ZoneAddress> BsrRouter<A> {
    /// A BSR was elected, or something else changed: three advertisements in quick succession.
    pub(super) fn advertise_soon(&mut self) {
        if self.candidate_rp.is_none() {
            return self.timers.clear(Timer::Advertisement);
        }
        self.quick = 2;
        let backoff = self.random.between(Duration::ZERO, self.config.timers.advertisement_backoff);
        self.timers.set(Timer::Advertisement, self.now + backoff);
    }

    /// CRPT expires.
    pub(super) fn advertisement_due(&mut self) {
        self.advertise(None);
        let wait = match self.quick.checked_sub(1) {
            Some(left) => {
                self.quick = left;
                self.random.between(Duration::ZERO, self.config.timers.advertisement_backoff)
            }
            None => self.config.timers.advertisement_period,
        };
        self.timers.set(Timer::Advertisement, self.now + wait);
    }

    /// Sends an advertisement to the BSR of every zone that one of our ranges lies in. A holdtime of zero withdraws.
    pub(super) fn advertise(&mut self, holdtime: Option<u16>) {
        let Some(candidate) = self.candidate_rp.clone() else { return };
        let period = self.config.timers.advertisement_period.as_secs();
        let holdtime =
            holdtime.unwrap_or_else(|| u16::try_from(period.saturating_mul(5).div_ceil(2)).unwrap_or(u16::MAX));
        for (bsr, groups) in self.ranges_by_bsr(&candidate.ranges) {
            for groups in groups.chunks(usize::from(u8::MAX)) {
                let message = CandidateRpAdvertisement {
                    priority: candidate.priority,
                    holdtime,
                    rp: candidate.address.into(),
                    groups: groups.to_vec(),
                };
                let own = self.zones.values().any(|z| z.candidate.is_some_and(|c| c.address == bsr));
                if own {
                    self.advertisement(candidate.address, &message);
                    continue;
                }
                let (from, to) = (candidate.address, bsr);
                let octets = Message::CandidateRpAdvertisement(message).to_packet(from.into(), to.into());
                self.outputs.push_back(Output::Datagram { interface: None, from, to, octets });
            }
        }
    }

    /// Each range goes to the BSR of the narrowest zone that holds it; zones within a range get their own range.
    fn ranges_by_bsr(&self, ranges: &[(A::Prefix, RpMode)]) -> BTreeMap<A, Vec<EncodedGroup>> {
        let mut found: BTreeMap<A, Vec<EncodedGroup>> = BTreeMap::new();
        let mut add = |zone: Zone<A>, range: &A::Prefix, mode| {
            if let Some(bsr) = self.bsr(zone) {
                let group = super::message::encoded::<A>(range, mode, false);
                let groups = found.entry(bsr).or_default();
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
        };
        let scoped = || self.zones.keys().filter_map(|zone| if let Zone::Scoped(z) = zone { Some(*z) } else { None });
        for (range, mode) in ranges {
            let holding = scoped().filter(|z| A::zone_contains(z, range)).max_by_key(A::prefix_len);
            add(holding.map_or(Zone::Global, Zone::Scoped), range, *mode);
            for zone in scoped().filter(|z| A::zone_within(z, range)) {
                add(Zone::Scoped(zone), &zone, *mode);
            }
        }
        found
    }
}
