//! One end of a connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fwd_core::time::Instant;

use crate::sim::packet::{TcpSegment, tcp_flags as flag};

/// Parameters of all connections of a host.
#[derive(Clone, Copy, Debug)]
pub struct TcpConfig {
    /// The largest segment's data, in octets.
    pub mss: usize,
    /// The send buffer, and the window, in octets.
    pub buffer: usize,
    /// The shortest retransmission timeout; doubled with each failure up to [`TcpConfig::MAX_RTO`].
    pub min_rto: Duration,
    /// How long data stays unacknowledged before the connection is given up (RFC 9293 §3.8.3).
    pub user_timeout: Duration,
}

impl TcpConfig {
    /// The longest retransmission timeout.
    pub const MAX_RTO: Duration = Duration::from_secs(10);
    /// The window field counts in units of two to this power (RFC 7323 §2).
    pub(super) const WINDOW_SHIFT: u8 = 7;
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            mss: 1428,
            buffer: 256 << 10,
            min_rto: Duration::from_millis(200),
            user_timeout: Duration::from_secs(100),
        }
    }
}

/// Where the connection stands; the states of RFC 9293 §3.3.2 that need telling apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// SYN sent, nothing heard.
    SynSent,
    /// SYN received and answered.
    SynReceived,
    /// Both ways open.
    Established,
    /// Reset, timed out, or closed by both ends.
    Gone,
}

/// What a connection tells its owner.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub connected: bool,
    pub closed: bool,
    pub data: Vec<u8>,
    pub writable: bool,
}

/// One end. Offsets count octets of a direction from its SYN, which is octet 0.
#[derive(Debug)]
pub(super) struct Connection {
    pub state: State,
    config: TcpConfig,
    isn: u32,
    /// The first octet not acknowledged.
    una: u64,
    /// The next octet to send.
    next: u64,
    /// The end of what was ever sent.
    sent: u64,
    /// Octets from `una` on (from 1 while the SYN is outstanding).
    buffer: VecDeque<u8>,
    /// The owner closed: a FIN follows the buffer.
    closing: bool,
    peer_isn: u32,
    /// The next octet expected.
    expected: u64,
    early: BTreeMap<u64, Vec<u8>>,
    peer_fin: Option<u64>,
    duplicate_acks: u8,
    recover: Option<u64>,
    rto: Duration,
    retransmit_at: Option<Instant>,
    give_up_at: Option<Instant>,
    ack_due: bool,
    pub told: Told,
}

impl Connection {
    pub(super) fn new(config: TcpConfig, isn: u32, state: State) -> Self {
        Self {
            state,
            config,
            isn,
            una: 0,
            next: 0,
            sent: 0,
            buffer: VecDeque::new(),
            closing: false,
            peer_isn: 0,
            expected: 0,
            early: BTreeMap::new(),
            peer_fin: None,
            duplicate_acks: 0,
            recover: None,
            rto: config.min_rto.max(Duration::from_secs(1)),
            retransmit_at: None,
            give_up_at: None,
            ack_due: false,
            told: Told::default(),
        }
    }

    /// Octets the send buffer still takes.
    pub(super) fn room(&self) -> usize {
        if self.closing || self.state != State::Established {
            return 0;
        }
        self.config.buffer.saturating_sub(self.buffer.len())
    }

    pub(super) fn write(&mut self, octets: &[u8]) {
        if !self.closing && self.state == State::Established {
            self.buffer.extend(octets);
        }
    }

    pub(super) fn close(&mut self) {
        match self.state {
            State::Established | State::SynReceived => self.closing = true,
            State::SynSent | State::Gone => self.state = State::Gone,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.retransmit_at
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.retransmit_at.is_none_or(|at| at > now) {
            return;
        }
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.die();
            return;
        }
        // Go back to the first octet not acknowledged; the peer throws away what it has already.
        self.next = self.una;
        self.recover = None;
        self.duplicate_acks = 0;
        self.rto = (self.rto * 2).min(TcpConfig::MAX_RTO);
        self.retransmit_at = None;
    }

    fn die(&mut self) {
        self.state = State::Gone;
        self.told.closed = true;
        self.retransmit_at = None;
    }

    pub(super) fn on_segment(&mut self, now: Instant, segment: &TcpSegment<'_>) {
        if segment.has(flag::RST) {
            self.die();
            return;
        }
        if segment.has(flag::SYN) {
            if self.state == State::SynSent && !segment.has(flag::ACK) {
                return;
            }
            self.peer_isn = segment.seq;
            self.expected = self.expected.max(1);
            self.ack_due = true;
        } else if self.expected == 0 {
            return;
        }
        if segment.has(flag::ACK) {
            self.on_ack(now, segment);
        }
        self.on_data(segment);
    }

    fn on_ack(&mut self, now: Instant, segment: &TcpSegment<'_>) {
        let ack = offset_near(self.una, self.isn, segment.ack);
        if ack > self.sent {
            return;
        }
        if ack <= self.una {
            let outstanding = self.una < self.sent;
            if ack == self.una && outstanding && segment.payload.is_empty() && !segment.has(flag::SYN) {
                self.duplicate_acks = self.duplicate_acks.saturating_add(1);
                if self.duplicate_acks == 3 && self.recover.is_none() {
                    self.recover = Some(self.sent);
                    self.resend_first();
                }
            }
            return;
        }
        if self.una == 0 {
            self.state = State::Established;
            self.told.connected = true;
        }
        let fin_acknowledged = self.closing && ack > self.end_of_data();
        let data = (ack - self.una.max(1)).min(self.buffer.len() as u64) as usize;
        self.buffer.drain(..data);
        self.una = ack;
        self.next = self.next.max(ack);
        self.duplicate_acks = 0;
        self.rto = self.config.min_rto;
        self.give_up_at = None;
        self.retransmit_at = None;
        if self.una < self.sent {
            self.arm(now);
        }
        match self.recover {
            Some(end) if ack < end => self.resend_first(),
            _ => self.recover = None,
        }
        if self.room() >= self.config.buffer / 2 {
            self.told.writable = true;
        }
        if fin_acknowledged {
            self.state = State::Gone;
        }
    }

    /// The next flush sends the first segment again, and then goes on where it was.
    fn resend_first(&mut self) {
        self.next = self.una;
    }

    fn on_data(&mut self, segment: &TcpSegment<'_>) {
        let syn = u64::from(segment.has(flag::SYN));
        let start = offset_near(self.expected, self.peer_isn, segment.seq) + syn;
        if segment.has(flag::FIN) {
            self.peer_fin = Some(start + segment.payload.len() as u64);
            self.ack_due = true;
        }
        if !segment.payload.is_empty() {
            self.ack_due = true;
            let window = self.expected + self.config.buffer as u64;
            if start + segment.payload.len() as u64 > self.expected && start < window {
                let kept = self.early.entry(start).or_default();
                if kept.len() < segment.payload.len() {
                    *kept = segment.payload.to_vec();
                }
            }
        }
        while let Some(entry) = self.early.first_entry() {
            let start = *entry.key();
            if start > self.expected {
                break;
            }
            let octets = entry.remove();
            let seen = (self.expected - start) as usize;
            if let Some(new) = octets.get(seen..) {
                self.told.data.extend(new);
                self.expected += new.len() as u64;
            }
        }
        if self.peer_fin == Some(self.expected) {
            self.expected += 1;
            self.told.closed = true;
        }
    }

    /// The offset behind the last octet of data written so far.
    fn end_of_data(&self) -> u64 {
        self.una.max(1) + self.buffer.len() as u64
    }

    fn arm(&mut self, now: Instant) {
        self.retransmit_at = Some(now + self.rto);
        if self.give_up_at.is_none() {
            self.give_up_at = Some(now + self.config.user_timeout);
        }
    }

    /// Hands out the segments that are due.
    pub(super) fn flush(&mut self, now: Instant, mut send: impl FnMut(u64, u8, &[u8])) {
        if self.state == State::Gone {
            return;
        }
        let before = self.next;
        if self.next == 0 {
            let ack = if self.state == State::SynReceived { flag::ACK } else { 0 };
            send(0, flag::SYN | ack, &[]);
            self.next = 1;
        }
        if self.state == State::Established {
            self.flush_data(&mut send);
        }
        self.sent = self.sent.max(self.next);
        if self.next > before {
            self.ack_due = false;
            if self.retransmit_at.is_none() {
                self.arm(now);
            }
        } else if self.ack_due {
            self.ack_due = false;
            if self.expected > 0 {
                send(self.next, flag::ACK, &[]);
            }
        }
    }

    fn flush_data(&mut self, send: &mut impl FnMut(u64, u8, &[u8])) {
        let end = self.end_of_data();
        let base = self.una.max(1);
        let window = base + self.config.buffer as u64;
        let resend_one = self.recover.is_some() && self.next < self.sent;
        while self.next < end.min(window) {
            let from = (self.next - base) as usize;
            let len = self.config.mss.min((end.min(window) - self.next) as usize);
            let octets: Vec<u8> = self.buffer.range(from..from + len).copied().collect();
            send(self.next, flag::ACK | flag::PSH, &octets);
            self.next += len as u64;
            if resend_one {
                self.next = self.sent.max(self.next);
            }
        }
        if self.closing && self.next == end {
            send(end, flag::ACK | flag::FIN, &[]);
            self.next = end + 1;
        }
    }

    pub(super) fn segment<'a>(&self, offset: u64, flags: u8, options: &'a [u8], payload: &'a [u8]) -> TcpSegment<'a> {
        let window = (self.config.buffer >> TcpConfig::WINDOW_SHIFT).min(0xffff) as u16;
        TcpSegment {
            src_port: 0,
            dst_port: 0,
            seq: self.isn.wrapping_add(offset as u32),
            ack: if flags & flag::ACK != 0 { self.peer_isn.wrapping_add(self.expected as u32) } else { 0 },
            flags,
            window: if flags & flag::SYN != 0 { 0xffff } else { window },
            options,
            payload,
        }
    }
}

/// The offset near `near` of which `number` is the sequence number.
fn offset_near(near: u64, isn: u32, number: u32) -> u64 {
    let delta = number.wrapping_sub(isn).wrapping_sub(near as u32) as i32;
    near.saturating_add_signed(i64::from(delta))
}
