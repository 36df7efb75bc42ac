//! Putting a direction of a TCP connection back in order.

use std::collections::BTreeMap;

use crate::sim::packet::{TcpSegment, tcp_flags};

/// Octets of a stream, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Octets that follow those before, and the frame that brought them.
    Octets(u64, Vec<u8>),
    /// Octets are missing here: the capture lost them.
    Gap,
}

/// One direction of a connection.
///
/// Retransmissions and overlaps are cut off: what came first counts. Octets ahead of a hole wait for it to be filled, up to
/// [`Reassembly::MAX_WAITING`]; then the hole is given up. A segment that overlaps the end of the stream with other octets than
/// are there is taken to follow it: some captures were made by programs that do not count the SYN.
#[derive(Clone, Debug, Default)]
pub struct Reassembly {
    /// The first sequence number, and the offset of the next octet from it.
    start: Option<(u32, u64)>,
    /// Offset, frame, octets.
    waiting: BTreeMap<u64, (u64, Vec<u8>)>,
    waiting_octets: usize,
    /// The last octets handed out, at most [`Reassembly::TAIL`].
    tail: Vec<u8>,
    /// Where a FIN or RST ended the stream.
    ended: bool,
}

impl Reassembly {
    /// Octets that wait for a hole to be filled, at most.
    pub const MAX_WAITING: usize = 1 << 20;

    /// Octets of the end that overlaps are compared with.
    const TAIL: usize = 64;

    /// Whether the sender has closed or reset the connection.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Takes a segment of a frame; returns what is in order now. A SYN begins a new stream.
    pub fn push(&mut self, frame: u64, segment: &TcpSegment<'_>) -> Vec<Chunk> {
        if segment.flags & tcp_flags::SYN != 0 {
            let next = segment.seq.wrapping_add(1);
            if self.start.is_none_or(|(first, _)| first != next) {
                *self = Self { start: Some((next, 0)), ..Self::default() };
            }
        }
        let seq = segment.seq.wrapping_add(u32::from(segment.flags & tcp_flags::SYN != 0));
        let mut out = Vec::new();
        if !segment.payload.is_empty() {
            self.start.get_or_insert((seq, 0));
            self.rebase(seq, segment.payload);
            let (first, expected) = self.start.unwrap_or((seq, 0));
            let delta = seq.wrapping_sub(first).wrapping_sub(expected as u32) as i32;
            // A keep-alive of a stream that began before the capture lies before its start.
            if let Some(offset) = expected.checked_add_signed(i64::from(delta)) {
                self.keep(offset, frame, segment.payload);
            }
            self.drain(frame, &mut out);
            if self.waiting_octets > Self::MAX_WAITING {
                self.skip_hole(&mut out);
                self.drain(frame, &mut out);
            }
        }
        self.ended |= segment.flags & (tcp_flags::FIN | tcp_flags::RST) != 0;
        out
    }

    /// The capture ends: hands out what waits, with gaps.
    pub fn finish(&mut self) -> Vec<Chunk> {
        let mut out = Vec::new();
        while let Some((_, (frame, _))) = self.waiting.last_key_value() {
            let frame = *frame;
            self.skip_hole(&mut out);
            self.drain(frame, &mut out);
        }
        out
    }

    /// Moves the start so that a segment whose beginning differs from the end of the stream follows it.
    fn rebase(&mut self, seq: u32, octets: &[u8]) {
        let Some((first, expected)) = self.start else { return };
        let overlap = first.wrapping_add(expected as u32).wrapping_sub(seq) as usize;
        if overlap == 0 || overlap > self.tail.len() || overlap >= octets.len() {
            return;
        }
        if self.tail[self.tail.len() - overlap..] != octets[..overlap] {
            self.start = Some((seq.wrapping_sub(expected as u32), expected));
        }
    }

    fn keep(&mut self, offset: u64, frame: u64, octets: &[u8]) {
        let entry = self.waiting.entry(offset).or_insert((frame, Vec::new()));
        if entry.1.len() < octets.len() {
            self.waiting_octets += octets.len() - entry.1.len();
            *entry = (frame, octets.to_vec());
        }
    }

    /// Octets that waited are handed out under the frame that let them go.
    fn drain(&mut self, frame: u64, out: &mut Vec<Chunk>) {
        let Some((first, mut expected)) = self.start else { return };
        while let Some(entry) = self.waiting.first_entry().filter(|e| *e.key() <= expected) {
            let (offset, (_, octets)) = entry.remove_entry();
            self.waiting_octets -= octets.len();
            let seen = usize::try_from(expected - offset).unwrap_or(usize::MAX);
            if let Some(new) = octets.get(seen..).filter(|new| !new.is_empty()) {
                expected += new.len() as u64;
                self.tail.extend(&new[new.len().saturating_sub(Self::TAIL)..]);
                self.tail.drain(..self.tail.len().saturating_sub(Self::TAIL));
                out.push(Chunk::Octets(frame, new.to_vec()));
            }
        }
        self.start = Some((first, expected));
    }

    fn skip_hole(&mut self, out: &mut Vec<Chunk>) {
        if let (Some((first, expected)), Some((&offset, _))) = (self.start, self.waiting.first_key_value()) {
            if offset > expected {
                out.push(Chunk::Gap);
                self.start = Some((first, offset));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sim::rng::Rng;

    fn segment(seq: u32, flags: u8, payload: &[u8]) -> TcpSegment<'_> {
        TcpSegment { src_port: 1, dst_port: 2, seq, ack: 0, flags, window: 0, options: &[], payload }
    }

    fn joined(chunks: &[Chunk]) -> Vec<u8> {
        let octets = chunks.iter().filter_map(|c| if let Chunk::Octets(_, o) = c { Some(o.clone()) } else { None });
        octets.flatten().collect()
    }

    proptest! {
        /// Cut anyhow, repeated, overlapping and shuffled after the SYN: the stream comes out once and in order.
        #[test]
        fn order_is_restored(len in 1usize..2000, isn: u32, seed: u64) {
            let data: Vec<u8> = (0..len).map(|n| (n % 253) as u8).collect();
            let mut rng = Rng::new(seed);
            let mut pieces: Vec<(usize, usize)> = Vec::new();
            let mut at = 0;
            while at < len {
                let end = (at + 1 + rng.below(200) as usize).min(len);
                pieces.push((at.saturating_sub(rng.below(20) as usize), end));
                if rng.per_million(300_000) {
                    pieces.push((at, end));
                }
                at = end;
            }
            for n in (1..pieces.len()).rev() {
                pieces.swap(n, rng.below(n as u64 + 1) as usize);
            }
            let mut stream = Reassembly::default();
            let mut out = stream.push(1, &segment(isn, tcp_flags::SYN, &[]));
            for (n, (from, to)) in pieces.iter().enumerate() {
                let seq = isn.wrapping_add(1).wrapping_add(*from as u32);
                out.extend(stream.push(n as u64 + 2, &segment(seq, tcp_flags::ACK, &data[*from..*to])));
            }
            prop_assert!(!out.contains(&Chunk::Gap));
            prop_assert_eq!(joined(&out), data);
            prop_assert!(stream.finish().is_empty());
        }
    }

    #[test]
    fn a_hole_is_told_at_the_end_and_memory_is_bounded() {
        let mut stream = Reassembly::default();
        assert_eq!(stream.push(1, &segment(100, 0, b"ab")), [Chunk::Octets(1, b"ab".to_vec())]);
        assert_eq!(stream.push(2, &segment(110, 0, b"xy")), []);
        assert_eq!(stream.finish(), [Chunk::Gap, Chunk::Octets(2, b"xy".to_vec())]);

        let mut stream = Reassembly::default();
        stream.push(1, &segment(0, tcp_flags::SYN, &[]));
        let mut gaps = 0;
        for n in 0..3000u32 {
            let out = stream.push(2, &segment(100 + n * 1000, 0, &[7; 1000]));
            gaps += out.iter().filter(|c| **c == Chunk::Gap).count();
            assert!(stream.waiting_octets <= Reassembly::MAX_WAITING);
        }
        assert_eq!(gaps, 1);
    }

    #[test]
    fn a_syn_that_was_not_counted_shifts_the_stream() {
        let mut stream = Reassembly::default();
        assert_eq!(joined(&stream.push(1, &segment(1, tcp_flags::SYN, b"abc"))), b"abc");
        assert_eq!(joined(&stream.push(2, &segment(4, 0, b"def"))), b"def");
        assert_eq!(joined(&stream.push(3, &segment(7, 0, b"ghi"))), b"ghi");
        assert_eq!(joined(&stream.push(4, &segment(9, 0, b"ijk"))), b"jk", "a true overlap");
    }

    #[test]
    fn a_second_connection_on_the_same_ports_starts_anew() {
        let mut stream = Reassembly::default();
        stream.push(1, &segment(10, tcp_flags::SYN, &[]));
        assert_eq!(joined(&stream.push(2, &segment(11, 0, b"one"))), b"one");
        stream.push(3, &segment(14, tcp_flags::FIN, &[]));
        assert!(stream.ended());
        stream.push(4, &segment(9000, tcp_flags::SYN, &[]));
        assert!(!stream.ended());
        assert_eq!(joined(&stream.push(5, &segment(9001, 0, b"two"))), b"two");
    }
}
