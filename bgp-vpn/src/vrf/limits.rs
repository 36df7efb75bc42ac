//! A bound on the routes of a VRF (RFC 4382: mid and high thresholds, maximum; RFC 4031 §6.7).
//!
//! A refused route is not kept. When a full VRF has room again, it asks for what it refused: its CEs by ROUTE-REFRESH, the
//! VPN tables and its static routes by looking again, at once if it did not do so in the last [`RETRY`], else when
//! that is over. So a VRF at its bound cannot be made to look again and again.

use core::time::Duration;

use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::RouteLimit;
use crate::speaker::Event;

/// The least time between two attempts of a VRF, or of a family of a peer, to get what it refused.
pub(crate) const RETRY: Duration = Duration::from_secs(10);

/// The routes of a VRF against their bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// The bound.
    pub(crate) limit: Option<RouteLimit>,
    mid: bool,
    high: bool,
    full: bool,
    /// Announcements refused since the VRF was made.
    pub(crate) refused: u64,
    /// Destinations that got their first path since the VRF was made.
    pub(crate) added: u64,
    /// Destinations that lost their last path since the VRF was made.
    pub(crate) deleted: u64,
    missing: bool,
    scheduled: bool,
    last: Option<Instant>,
}

impl Limits {
    /// Limits of a VRF.
    pub(crate) fn new(limit: Option<RouteLimit>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether `routes` leave room for another.
    pub(crate) fn has_room(&self, routes: u32) -> bool {
        self.limit.is_none_or(|l| routes < l.max)
    }

    /// Counts a refused route; the event, if it is the first since there was room.
    pub(crate) fn refuse(&mut self, vrf: VrfId) -> Option<Event> {
        self.refused += 1;
        self.missing = true;
        (!core::mem::replace(&mut self.full, true)).then_some(Event::VrfFull { vrf })
    }

    /// Takes the number of routes after one more; each threshold is reported once until the routes fall below it.
    pub(crate) fn rose(&mut self, vrf: VrfId, routes: u32) -> SmallVec<[Event; 2]> {
        self.added += 1;
        let mut events = SmallVec::new();
        let Some(limit) = self.limit else { return events };
        if routes >= limit.mid && !core::mem::replace(&mut self.mid, true) {
            events.push(Event::VrfThreshold { vrf, routes, high: false });
        }
        if routes >= limit.high && !core::mem::replace(&mut self.high, true) {
            events.push(Event::VrfThreshold { vrf, routes, high: true });
        }
        events
    }

    /// Takes the number of routes after one less; the event, if the VRF was full and has room again.
    pub(crate) fn fell(&mut self, vrf: VrfId, routes: u32) -> Option<Event> {
        self.deleted += 1;
        let limit = self.limit?;
        self.mid &= routes >= limit.mid;
        self.high &= routes >= limit.high;
        let cleared = self.full && routes < limit.max;
        self.full &= !cleared;
        cleared.then_some(Event::VrfCleared { vrf })
    }

    /// When to ask for what was refused, if that is to be done and was not said before.
    pub(crate) fn schedule_retry(&mut self) -> Option<Instant> {
        if !self.missing || self.full || core::mem::replace(&mut self.scheduled, true) {
            return None;
        }
        Some(self.last.map_or(Instant::ZERO, |last| last + RETRY))
    }

    /// What was refused is asked for now.
    pub(crate) fn retried(&mut self, now: Instant) {
        self.missing = false;
        self.scheduled = false;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_reported_once_per_crossing_and_room_is_asked_for_at_most_every_ten_seconds() {
        let vrf = VrfId(1);
        let mut limits = Limits::new(Some(RouteLimit { mid: 2, high: 3, max: 3 }));
        let rise = |l: &mut Limits, n| l.rose(vrf, n).len();
        assert_eq!([1, 2, 3].map(|n| rise(&mut limits, n)), [0, 1, 1]);
        assert!(!limits.has_room(3));
        assert_eq!(limits.refuse(vrf), Some(Event::VrfFull { vrf }));
        assert_eq!(limits.refuse(vrf), None);
        assert_eq!(limits.schedule_retry(), None);
        assert_eq!(limits.fell(vrf, 2), Some(Event::VrfCleared { vrf }));
        assert_eq!(limits.schedule_retry(), Some(Instant::ZERO));
        limits.retried(Instant::from_secs(100));
        assert_eq!(rise(&mut limits, 3), 1);
        limits.refuse(vrf);
        limits.fell(vrf, 2);
        assert_eq!(limits.schedule_retry(), Some(Instant::from_secs(110)));
        assert_eq!(limits.refused, 3);
        assert_eq!(limits.fell(vrf, 1), None, "it was not full");
        assert_eq!(rise(&mut limits, 2), 1);
        assert_eq!((limits.added, limits.deleted), (5, 3));
    }
}
