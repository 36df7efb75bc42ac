//! Packet counters.

use crate::op::TrafficType;
use crate::verdict::{DropReason, PuntReason, Verdict};
use crate::wire::{PwNumbering, PwOrder};

/// Packets of a forwarder, by what became of them. They wrap after 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    transmitted: u64,
    replicated: u64,
    punts: [u64; PuntReason::ALL.len()],
    drops: [u64; DropReason::ALL.len()],
    copies: u64,
    lost: [u64; DropReason::ALL.len()],
    is_off: bool,
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
        Self {
            transmitted: 0,
            replicated: 0,
            punts: [0; PuntReason::ALL.len()],
            drops: [0; DropReason::ALL.len()],
            copies: 0,
            lost: [0; DropReason::ALL.len()],
            is_off: false,
        }
    }

    /// Counters that stay as they are, if `is_off`.
    pub(crate) const fn switched(is_off: bool) -> Self {
        Self { is_off, ..Self::new() }
    }

    /// Counts a packet.
    #[inline]
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        if self.is_off {
            return;
        }
        let counter = match *verdict {
            Verdict::Transmit { .. } | Verdict::Protect { .. } => Some(&mut self.transmitted),
            Verdict::Replicate(_) => Some(&mut self.replicated),
            Verdict::Punt { reason, .. } | Verdict::PuntFrame { reason, .. } => self.punts.get_mut(reason as usize),
            Verdict::Drop(reason) => self.drops.get_mut(reason as usize),
        };
        if let Some(counter) = counter {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Counts a packet that is sent.
    #[inline]
    pub(crate) fn count_transmitted(&mut self) {
        self.transmitted = self.transmitted.wrapping_add(u64::from(!self.is_off));
    }

    /// Counts a copy that is sent.
    #[inline]
    pub(crate) fn count_copy(&mut self) {
        self.copies = self.copies.wrapping_add(u64::from(!self.is_off));
    }

    /// Counts a copy that cannot be sent.
    pub(crate) fn count_lost(&mut self, reason: DropReason) {
        if self.is_off {
            return;
        }
        if let Some(counter) = self.lost.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Packets that were to be copied.
    #[must_use]
    pub const fn replicated(&self) -> u64 {
        self.replicated
    }

    /// Copies sent.
    #[must_use]
    pub const fn copies(&self) -> u64 {
        self.copies
    }

    /// Copies that could not be sent for this reason.
    #[must_use]
    pub fn lost(&self, reason: DropReason) -> u64 {
        self.lost.get(reason as usize).copied().unwrap_or(0)
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

    /// Every counter of packets with its name: `transmitted`, `replicated`, then punts, then drops.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        [("transmitted", self.transmitted), ("replicated", self.replicated)]
            .into_iter()
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

/// Packets of a VRF, and copies of them, that were too big for where they were to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TooBigCounters {
    /// How many.
    pub packets: u64,
    /// Octets of the last, and the most that would have fitted.
    pub last: (u32, u32),
}

impl TooBigCounters {
    /// All zero.
    pub const ZERO: Self = Self { packets: 0, last: (0, 0) };

    pub(crate) fn count(&mut self, size: usize, room: usize) {
        self.packets = self.packets.wrapping_add(1);
        let octets = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.last = (octets(size), octets(room));
    }
}

/// Packets of a replication group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// Packets that were to be copied.
    pub packets: u64,
    /// Their octets: of IP packets from their header on, of frames from their Ethernet header on.
    pub octets: u64,
    /// Copies sent.
    pub copies: u64,
    /// Copies that could not be sent, whatever the reason.
    pub lost: u64,
    /// Of these, copies that were too large for their interface.
    pub too_big: u64,
    /// The last such copy's size and the MTU it did not fit, in octets.
    pub last_too_big: (u32, u32),
}

impl GroupCounters {
    /// All zero.
    pub const ZERO: Self = Self { packets: 0, octets: 0, copies: 0, lost: 0, too_big: 0, last_too_big: (0, 0) };

    #[inline]
    pub(crate) fn count_in(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u64);
    }

    #[inline]
    pub(crate) fn count_copy(&mut self) {
        self.copies = self.copies.wrapping_add(1);
    }

    pub(crate) fn count_lost(&mut self, too_big: Option<(u32, u32)>) {
        self.lost = self.lost.wrapping_add(1);
        if let Some(sizes) = too_big {
            self.too_big = self.too_big.wrapping_add(1);
            self.last_too_big = sizes;
        }
    }
}

/// Frames of a bridge port or a virtual switch instance. Octets are those of customers' frames, without tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BridgeCounters {
    /// Frames that arrived.
    pub in_packets: u64,
    /// Their octets.
    pub in_octets: u64,
    /// Frames and copies of frames that were sent.
    pub out_packets: u64,
    /// Their octets.
    pub out_octets: u64,
    /// Frames that arrived, by type in the order of [`TrafficType::ALL`].
    pub in_by_type: [u64; TrafficType::ALL.len()],
    /// Frames that arrived and were dropped because a policer said so.
    pub policed: u64,
    /// Frames whose source was not learned, because of a limit or because the table was full.
    pub unlearned: u64,
    /// Of a port: frames that arrived and were dropped because a later one had arrived before (RFC 4385 §4.2).
    pub disordered: u64,
    /// Of an instance: the last number that was sent.
    pub(crate) numbering: PwNumbering,
    /// Of a port: the numbers that are in order, and the generation of the port that they are of.
    pub(crate) order: (u32, PwOrder),
}

impl BridgeCounters {
    /// All zero.
    pub const ZERO: Self = Self {
        in_packets: 0,
        in_octets: 0,
        out_packets: 0,
        out_octets: 0,
        in_by_type: [0; TrafficType::ALL.len()],
        policed: 0,
        unlearned: 0,
        disordered: 0,
        numbering: PwNumbering::NEW,
        order: (0, PwOrder::ANY),
    };

    #[inline]
    pub(crate) fn count_in(&mut self, traffic: TrafficType, octets: usize) {
        self.in_packets = self.in_packets.wrapping_add(1);
        self.in_octets = self.in_octets.wrapping_add(octets as u64);
        if let Some(of_type) = self.in_by_type.get_mut(traffic as usize) {
            *of_type = of_type.wrapping_add(1);
        }
    }

    #[inline]
    pub(crate) fn count_out(&mut self, octets: usize) {
        self.out_packets = self.out_packets.wrapping_add(1);
        self.out_octets = self.out_octets.wrapping_add(octets as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{IfIndex, Mac, ReplicationId, VrfId};
    use crate::op::{Origin, VsiOrVrf};
    use crate::stage::replicate::{Packet, Replication};
    use crate::stage::{Below, Rewrite};

    #[test]
    fn every_verdict_has_one_counter() {
        let mut c = Counters::new();
        c.count(&Verdict::Transmit { iface: IfIndex(1), class: 0 });
        let rewrite = Rewrite { strip: 0, end: 0, below: Below::Frame, ttl: 0, phb: 0, punt: (VrfId::GLOBAL, 0) };
        let packet =
            Packet::Routed { rewrite, origin: Origin::Interface(IfIndex(1)), mac: Mac::default(), stays_out: false };
        let group = (ReplicationId(1), VsiOrVrf::Vrf(VrfId::GLOBAL));
        c.count(&Verdict::Replicate(Replication::new(group.0, group.1, packet, false)));
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

    #[test]
    fn counters_that_are_off_stay_zero() {
        let mut c = Counters::switched(true);
        c.count(&Verdict::Drop(DropReason::NoRoute));
        c.count(&Verdict::Transmit { iface: IfIndex(1), class: 0 });
        c.count_copy();
        c.count_lost(DropReason::NoRoute);
        assert_eq!((c.total(), c.copies(), c.lost(DropReason::NoRoute)), (0, 0, 0));
        let mut c = Counters::switched(false);
        c.count_copy();
        c.count_lost(DropReason::NoRoute);
        assert_eq!((c.copies(), c.lost(DropReason::NoRoute)), (1, 1));
    }
}
