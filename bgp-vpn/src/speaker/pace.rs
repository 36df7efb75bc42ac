//! How fast one peer's UPDATEs are taken: a token bucket, so that a CE that floods its VRF has only its own patience to lose
//! (RFC 4031 §6.7: what one VPN does must not cost another).
//!
//! A speaker never refuses octets. It says until when the embedder should leave a peer's octets in the socket
//! ([`Speaker::paused_until`](super::Speaker::paused_until)); TCP then slows the peer down. A pause is never longer than a third of
//! the hold time: the KEEPALIVEs that wait behind the UPDATEs are still read in time.

use core::time::Duration;

use fwd_core::time::Instant;

use crate::session::UpdateRate;

/// The longest pause where there is no hold time.
const LONGEST: Duration = Duration::from_secs(30);

/// The token bucket of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Work taken beyond the burst, in millionths of a unit, at `at`.
    debt: u64,
    at: Instant,
}

impl Pace {
    /// Millionths of a unit.
    const UNIT: u64 = 1_000_000;

    /// Counts units of work: routes, and UPDATEs.
    pub(crate) fn spend(&mut self, now: Instant, rate: UpdateRate, units: u64) {
        // Microseconds times units a second are millionths of a unit.
        let paid =
            u64::try_from((now - self.at).as_micros()).unwrap_or(u64::MAX).saturating_mul(rate.per_second.into());
        self.debt = self.debt.saturating_sub(paid).saturating_add(units.saturating_mul(Self::UNIT));
        self.at = now;
    }

    /// Until when to wait, if the burst is used up.
    pub(crate) fn paused_until(&self, rate: UpdateRate, hold: Duration) -> Option<Instant> {
        let excess = self.debt.saturating_sub(u64::from(rate.burst).saturating_mul(Self::UNIT));
        let pause = Duration::from_micros(excess.checked_div(rate.per_second.into())?);
        let most = if hold.is_zero() { LONGEST } else { hold / 3 };
        (!pause.is_zero()).then(|| self.at + pause.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_is_waited_for() {
        let rate = UpdateRate { per_second: 100, burst: 50 };
        let hold = Duration::from_secs(90);
        let second = Instant::from_secs(1);
        let mut pace = Pace::default();
        pace.spend(second, rate, 50);
        assert_eq!(pace.paused_until(rate, hold), None);
        pace.spend(second, rate, 20);
        assert_eq!(pace.paused_until(rate, hold), Some(second + Duration::from_millis(200)));
        // Time pays, also beyond what was waited for; and never more than all.
        pace.spend(Instant::from_secs(100), rate, 51);
        assert_eq!(pace.paused_until(rate, hold), Some(Instant::from_secs(100) + Duration::from_millis(10)));
        // No pause makes the peer's KEEPALIVEs late.
        pace.spend(Instant::from_secs(100), rate, 1_000_000);
        assert_eq!(pace.paused_until(rate, hold), Some(Instant::from_secs(130)));
        assert_eq!(pace.paused_until(rate, Duration::ZERO), Some(Instant::from_secs(130)));
        assert_eq!(pace.paused_until(rate, Duration::from_secs(9)), Some(Instant::from_secs(103)));
    }
}
