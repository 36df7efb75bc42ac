//! Counting BGP messages in a stream of octets.

use std::ops::AddAssign;

/// Messages by the type octet of their header (RFC 4271 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH (RFC 2918 §3).
    pub route_refresh: u64,
    /// Any other type.
    pub other: u64,
    /// Octets of the longest of all.
    pub longest: usize,
}

impl MessageCounts {
    /// Name and count of every type, in the order of the type octet.
    #[must_use]
    pub fn by_type(&self) -> [(&'static str, u64); 6] {
        [
            ("open", self.open),
            ("update", self.update),
            ("notification", self.notification),
            ("keepalive", self.keepalive),
            ("route-refresh", self.route_refresh),
            ("other", self.other),
        ]
    }

    fn of_type(&mut self, kind: u8) -> &mut u64 {
        match kind {
            1 => &mut self.open,
            2 => &mut self.update,
            3 => &mut self.notification,
            4 => &mut self.keepalive,
            5 => &mut self.route_refresh,
            _ => &mut self.other,
        }
    }
}

impl AddAssign for MessageCounts {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.update += other.update;
        self.notification += other.notification;
        self.keepalive += other.keepalive;
        self.route_refresh += other.route_refresh;
        self.other += other.other;
        self.longest = self.longest.max(other.longest);
    }
}

/// Follows the message headers of one direction of a connection and counts whole messages. It knows nothing else of BGP, so
/// that its counts are independent of the machine it watches.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    header: [u8; Self::HEADER_LEN],
    have: usize,
    body_left: usize,
    counts: MessageCounts,
}

impl Meter {
    const HEADER_LEN: usize = 19;

    /// Looks at the next octets of the stream.
    pub fn feed(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            if self.have < Self::HEADER_LEN {
                let n = octets.len().min(Self::HEADER_LEN - self.have);
                self.header[self.have..self.have + n].copy_from_slice(&octets[..n]);
                self.have += n;
                octets = &octets[n..];
                if self.have < Self::HEADER_LEN {
                    return;
                }
                let len = u16::from_be_bytes([self.header[16], self.header[17]]);
                self.counts.longest = self.counts.longest.max(usize::from(len));
                self.body_left = usize::from(len).saturating_sub(Self::HEADER_LEN);
            }
            let n = octets.len().min(self.body_left);
            self.body_left -= n;
            octets = &octets[n..];
            if self.body_left == 0 {
                *self.counts.of_type(self.header[18]) += 1;
                self.have = 0;
            }
        }
    }

    /// Messages that went by whole.
    #[must_use]
    pub fn counts(&self) -> MessageCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: usize) -> Vec<u8> {
        let mut octets = vec![0xff; 16];
        octets.extend(u16::try_from(19 + body).unwrap().to_be_bytes());
        octets.push(kind);
        octets.resize(19 + body, 7);
        octets
    }

    #[test]
    fn counts_do_not_depend_on_how_the_stream_is_cut() {
        let stream =
            [message(1, 10), message(4, 0), message(2, 4000), message(2, 4), message(3, 2), message(5, 4)].concat();
        for cut in 1..=40 {
            let mut meter = Meter::default();
            stream.chunks(cut).for_each(|piece| meter.feed(piece));
            let counts = meter.counts();
            assert_eq!(counts.by_type().map(|(_, n)| n), [1, 2, 1, 1, 1, 0], "pieces of {cut}");
            assert_eq!(counts.longest, 4019);
        }
    }

    #[test]
    fn a_message_counts_when_its_last_octet_went_by() {
        let mut meter = Meter::default();
        let update = message(2, 23);
        meter.feed(&update[..41]);
        assert_eq!(meter.counts().update, 0);
        meter.feed(&update[41..]);
        assert_eq!(meter.counts().update, 1);
    }
}
