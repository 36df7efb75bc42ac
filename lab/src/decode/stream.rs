//! From frames to messages: connections, framing, and the context of each message.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bgp_vpn::message::{Header, Open, frame_len};
use bgp_vpn::session::Negotiated;

use super::context::{best_guess, guesses, observed};
use super::value::{Found, Problem, message};
use crate::pcap::{Captured, Chunk, Reassembly, TcpFrame, ip_packet};
use crate::sim::packet::tcp_flags;

/// Finds the messages of a capture.
pub struct Decoder {
    ports: Vec<u16>,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// The order in which connections were found, for the end of the capture.
    order: Vec<(SocketAddr, SocketAddr)>,
    guesses: Vec<Negotiated>,
    /// Frames of connections beyond [`Decoder::MAX_FLOWS`].
    pub ignored: u64,
}

/// A connection: both directions, that of the lower address first.
#[derive(Default)]
struct Flow {
    directions: [Direction; 2],
}

#[derive(Default)]
struct Direction {
    reassembly: Reassembly,
    buffer: Vec<u8>,
    /// The last frame that added to the buffer, and when.
    frame: u64,
    time: Duration,
    open: Option<Open>,
    /// The stream is known to stand at a message boundary: from its SYN, or from a message on.
    synchronized: bool,
}

impl Decoder {
    /// Connections that are followed at a time, at most.
    pub const MAX_FLOWS: usize = 65_536;

    /// A decoder of connections from or to these ports.
    #[must_use]
    pub fn new(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), flows: HashMap::new(), order: Vec::new(), guesses: guesses(), ignored: 0 }
    }

    /// Takes a frame; returns the messages that it completes.
    pub fn push(&mut self, captured: &Captured) -> Vec<Found> {
        let Some(tcp) = ip_packet(captured.link_type, &captured.octets).and_then(TcpFrame::parse) else {
            return Vec::new();
        };
        if !self.ports.contains(&tcp.src.port()) && !self.ports.contains(&tcp.dst.port()) {
            return Vec::new();
        }
        let side = usize::from(tcp.src > tcp.dst);
        let key = if side == 0 { (tcp.src, tcp.dst) } else { (tcp.dst, tcp.src) };
        if !self.flows.contains_key(&key) {
            if self.flows.len() >= Self::MAX_FLOWS {
                self.ignored += 1;
                return Vec::new();
            }
            self.order.push(key);
        }
        let flow = self.flows.entry(key).or_default();
        if tcp.segment.has(tcp_flags::SYN) {
            // A new connection on the same ports: nothing of the old one holds for it.
            let direction = &mut flow.directions[side];
            if direction.reassembly.ended() || direction.open.is_some() || !direction.buffer.is_empty() {
                *direction = Direction::default();
            }
            direction.synchronized = true;
        }
        let direction = &mut flow.directions[side];
        direction.time = captured.time;
        let chunks = direction.reassembly.push(captured.number, &tcp.segment);
        flow.take(chunks, side, key, &self.guesses)
    }

    /// The capture ends: returns what is left, cut messages among it.
    pub fn finish(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        for key in std::mem::take(&mut self.order) {
            let Some(mut flow) = self.flows.remove(&key) else { continue };
            for side in 0..2 {
                let chunks = flow.directions[side].reassembly.finish();
                found.extend(flow.take(chunks, side, key, &self.guesses));
                found.extend(flow.cut(side, key));
            }
        }
        found
    }
}

impl Flow {
    fn take(
        &mut self,
        chunks: Vec<Chunk>,
        side: usize,
        key: (SocketAddr, SocketAddr),
        guesses: &[Negotiated],
    ) -> Vec<Found> {
        let mut found = Vec::new();
        for chunk in chunks {
            match chunk {
                Chunk::Octets(frame, octets) => {
                    let direction = &mut self.directions[side];
                    direction.frame = frame;
                    direction.buffer.extend(octets);
                    self.messages(side, key, guesses, &mut found);
                }
                Chunk::Gap => {
                    found.extend(self.cut(side, key));
                    self.directions[side].synchronized = false;
                }
            }
        }
        found
    }

    /// Takes all whole messages out of the buffer.
    fn messages(&mut self, side: usize, key: (SocketAddr, SocketAddr), guesses: &[Negotiated], found: &mut Vec<Found>) {
        loop {
            let max_len = self.max_len(side);
            let direction = &mut self.directions[side];
            if !direction.synchronized && !skip_to_message(&mut direction.buffer) {
                return;
            }
            match frame_len(&direction.buffer, max_len) {
                Ok(Some(len)) => {
                    direction.synchronized = true;
                    if direction.buffer.len() < len {
                        return;
                    }
                    let octets: Vec<u8> = direction.buffer.drain(..len).collect();
                    found.push(self.read(side, key, &octets, guesses));
                }
                Ok(None) => return,
                Err(notification) => {
                    let problem = Problem::header(&direction.buffer, &notification);
                    let kept = direction.buffer.len().min(Header::LEN);
                    let octets = direction.buffer[..kept].to_vec();
                    found.push(direction.found(side, key, &octets).with(problem));
                    // Look for the next message behind this octet.
                    direction.buffer.drain(..1);
                    direction.synchronized = false;
                }
            }
        }
    }

    fn max_len(&self, side: usize) -> usize {
        match self.context(side) {
            Some(negotiated) => negotiated.max_message_len,
            None => Header::MAX_EXTENDED_LEN,
        }
    }

    /// What the OPENs agree on, where the capture holds both.
    fn context(&self, side: usize) -> Option<Negotiated> {
        let (sender, receiver) = (&self.directions[side].open, &self.directions[1 - side].open);
        sender.as_ref().zip(receiver.as_ref()).map(|(s, r)| observed(s, r))
    }

    fn read(&mut self, side: usize, key: (SocketAddr, SocketAddr), octets: &[u8], guesses: &[Negotiated]) -> Found {
        let negotiated = self.context(side);
        let body = octets.get(Header::LEN..).unwrap_or_default();
        let context = negotiated.as_ref().or_else(|| best_guess(body, guesses));
        let direction = &mut self.directions[side];
        let mut found = direction.found(side, key, octets);
        if let Some(context) = context {
            message(&mut found, octets, context);
        }
        found.guessed = negotiated.is_none() && octets.get(18) == Some(&2);
        if octets.get(18) == Some(&1) {
            direction.open = Open::parse(body).ok();
        }
        found
    }

    /// What the end of the stream, or a hole, cut off.
    fn cut(&mut self, side: usize, key: (SocketAddr, SocketAddr)) -> Option<Found> {
        let direction = &mut self.directions[side];
        let octets = std::mem::take(&mut direction.buffer);
        let is_message = direction.synchronized && frame_len(&octets, Header::MAX_EXTENDED_LEN).is_ok();
        (is_message && !octets.is_empty()).then(|| direction.found(side, key, &octets).with(Problem::cut(octets.len())))
    }
}

impl Direction {
    fn found(&self, side: usize, (low, high): (SocketAddr, SocketAddr), octets: &[u8]) -> Found {
        let (src, dst) = if side == 0 { (low, high) } else { (high, low) };
        Found::new(self.frame, self.time, src, dst, octets)
    }
}

/// Drops octets up to what may begin a message; `false` if nothing does.
fn skip_to_message(buffer: &mut Vec<u8>) -> bool {
    let starts = |at: usize| {
        let rest = &buffer[at..];
        let marked = rest.iter().take(Header::MARKER.len()).all(|b| *b == 0xff);
        marked && frame_len(rest, Header::MAX_EXTENDED_LEN).is_ok()
    };
    let start = (0..buffer.len()).find(|at| starts(*at)).unwrap_or(buffer.len());
    buffer.drain(..start);
    buffer.len() >= Header::LEN
}
