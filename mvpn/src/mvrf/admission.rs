//! Admission of trees to the bandwidth that an MVRF has from other PEs (RFC 4834 §5.1.3).
//!
//! Rates are what the operator says of groups: no protocol of the customers' says any. A tree keeps its share from the moment it is joined
//! until it is forgotten; those that are there are never made to go for a new one.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::net::IpPrefix;

use super::config::MvpnConfigError;
use super::umh::holds;

/// Bandwidth for what comes from other PEs, and what flows take of it. Octets in a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// All there is.
    pub capacity: u64,
    /// What a flow of these groups takes; the longest prefix counts.
    pub rates: Vec<(IpPrefix, u64)>,
    /// What any other flow takes.
    pub other: u64,
}

impl Reservation {
    /// What a flow takes.
    pub(super) fn rate(&self, group: IpAddr) -> u64 {
        let of_group = self.rates.iter().filter(|(range, _)| holds(range, group));
        of_group.max_by_key(|(range, _)| range.bit_len()).map_or(self.other, |(_, rate)| *rate)
    }

    pub(super) fn check(&self) -> Result<(), MvpnConfigError> {
        let fits = |rate: u64| rate <= self.capacity;
        let is_good = self.capacity > 0
            && fits(self.other)
            && self.rates.iter().all(|(range, rate)| range.addr().is_multicast() && fits(*rate));
        if is_good { Ok(()) } else { Err(MvpnConfigError::Reservation) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_says_the_rate() {
        let rates = [("232.0.0.0/8", 100), ("232.1.0.0/16", 10), ("ff3e::/16", 7)];
        let rates: Vec<_> = rates.map(|(range, rate)| (range.parse().unwrap(), rate)).into();
        let reservation = Reservation { capacity: 100, rates, other: 1 };
        let rate = |group: &str| reservation.rate(group.parse().unwrap());
        assert_eq!([rate("232.1.1.1"), rate("232.2.1.1"), rate("239.1.1.1"), rate("ff3e::1")], [10, 100, 1, 7]);
        assert_eq!(reservation.check(), Ok(()));
        let bad = |change: fn(&mut Reservation)| {
            let mut r = reservation.clone();
            change(&mut r);
            r.check()
        };
        assert_eq!(bad(|r| r.capacity = 99), Err(MvpnConfigError::Reservation), "a flow that never fits");
        assert_eq!(bad(|r| r.other = 101), Err(MvpnConfigError::Reservation));
        assert_eq!(bad(|r| r.rates[0].0 = "10.0.0.0/8".parse().unwrap()), Err(MvpnConfigError::Reservation));
    }
}
