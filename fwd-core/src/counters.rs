//! Packet counters.

use crate::verdict::{DropReason, PuntReason, Verdict};

/// Packets of a forwarder, by what became of them. They wrap after 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    transmitted: u64,
    punts: [u64; PuntReason::ALL.len()],
    drops: [u64; DropReason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { transmitted: 0, punts: [0; PuntReason::ALL.len()], drops: [0; DropReason::ALL.len()] }
    }

    /// Counts a packet.
    #[inline]
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        let counter = match *verdict {
            Verdict::Transmit { .. } | Verdict::Protect { .. } => Some(&mut self.transmitted),
            Verdict::Punt { reason, .. } => self.punts.get_mut(reason as usize),
            Verdict::Drop(reason) => self.drops.get_mut(reason as usize),
        };
        if let Some(counter) = counter {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Packets sent.
    #[must_use]
    pub const fn transmitted(&self) -> u64 {
        self.transmitted
    }

    /// Packets handed to software for this reason.
    #[must_use]
    pub fn punted(&self, reason: PuntReason) -> u64 {
        self.punts.get(reason as usize).copied().unwrap_or(0)
    }

    /// Packets dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// Reasons and packets handed to software.
    pub fn punts(&self) -> impl Iterator<Item = (PuntReason, u64)> + '_ {
        PuntReason::ALL.into_iter().zip(self.punts)
    }

    /// Reasons and packets dropped.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.drops)
    }

    /// Every counter with its name: `transmitted`, then punts, then drops.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        core::iter::once(("transmitted", self.transmitted))
            .chain(self.punts().map(|(r, n)| (r.name(), n)))
            .chain(self.drops().map(|(r, n)| (r.name(), n)))
    }

    /// Packets counted, whatever became of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().fold(0, |sum, (_, n)| sum.wrapping_add(n))
    }
}

/// Packets and octets of a VRF's interfaces: the octets of the frame's payload, without the Ethernet header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VrfCounters {
    /// Packets accepted on interfaces of the VRF.
    pub in_packets: u64,
    /// Their octets.
    pub in_octets: u64,
    /// Packets sent on interfaces of the VRF.
    pub out_packets: u64,
    /// Their octets.
    pub out_octets: u64,
}

impl VrfCounters {
    /// All zero.
    pub const ZERO: Self = Self { in_packets: 0, in_octets: 0, out_packets: 0, out_octets: 0 };

    #[inline]
    pub(crate) fn count_in(&mut self, octets: usize) {
        self.in_packets = self.in_packets.wrapping_add(1);
        self.in_octets = self.in_octets.wrapping_add(octets as u64);
    }

    #[inline]
    pub(crate) fn count_out(&mut self, octets: usize) {
        self.out_packets = self.out_packets.wrapping_add(1);
        self.out_octets = self.out_octets.wrapping_add(octets as u64);
    }
}

/// Packets and octets of a virtual link: the octets of the payload, without the tunnel's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlinkCounters {
    /// Packets that arrived by the link and passed its checks.
    pub in_packets: u64,
    /// Their octets.
    pub in_octets: u64,
    /// Packets that arrived out of order, and were dropped for it.
    pub disordered: u64,
    /// Packets that left by the link.
    pub out_packets: u64,
    /// Their octets.
    pub out_octets: u64,
    /// Packets that were too big for the link.
    pub too_big: u64,
    /// Octets of the last packet that was too big, and the most that would have fitted.
    pub last_too_big: (u16, u16),
}

impl VlinkCounters {
    /// All zero.
    pub const ZERO: Self = Self {
        in_packets: 0,
        in_octets: 0,
        disordered: 0,
        out_packets: 0,
        out_octets: 0,
        too_big: 0,
        last_too_big: (0, 0),
    };

    #[inline]
    pub(crate) fn count_in(&mut self, octets: usize) {
        self.in_packets = self.in_packets.wrapping_add(1);
        self.in_octets = self.in_octets.wrapping_add(octets as u64);
    }

    #[inline]
    pub(crate) fn count_out(&mut self, octets: usize) {
        self.out_packets = self.out_packets.wrapping_add(1);
        self.out_octets = self.out_octets.wrapping_add(octets as u64);
    }

    pub(crate) fn count_too_big(&mut self, size: usize, room: usize) {
        self.too_big = self.too_big.wrapping_add(1);
        let octets = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.last_too_big = (octets(size), octets(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{IfIndex, VrfId};

    #[test]
    fn every_verdict_has_one_counter() {
        let mut c = Counters::new();
        c.count(&Verdict::Transmit { iface: IfIndex(1), class: 0 });
        for reason in PuntReason::ALL {
            c.count(&Verdict::Punt { reason, vrf: VrfId::GLOBAL, offset: 0 });
        }
        for reason in DropReason::ALL {
            c.count(&Verdict::Drop(reason));
        }
        assert!(c.iter().all(|(_, n)| n == 1));
        assert_eq!(c.total(), c.iter().count() as u64);
        assert_eq!((c.transmitted(), c.punted(PuntReason::Arp), c.dropped(DropReason::Checksum)), (1, 1, 1));
    }
}
