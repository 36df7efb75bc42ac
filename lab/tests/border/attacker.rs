//! Who is on the link: he has seen everything, and has no key.

use std::net::{IpAddr, SocketAddr};

use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::{AoOption, Connection, Keys, Mkt, Peers, SocketPair};
use lab::sim::packet::{IpView, PROTOCOL_TCP, PROTOCOL_UDP, TcpSegment, tcp_flags as flag, tcp_packet};
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::{Discovery, DiscoveryConfig, InterfaceAddresses, Output};

use super::world::*;

/// An UPDATE of AS 65001 with a route that no PE has.
const ROUTE: u8 = 200;
const AS_PATH: [u8; 6] = [2, 1, 0, 0, 0xfd, 0xe9];

pub struct Attacker {
    seen: Vec<Vec<u8>>,
    /// The ends of the connection that was in use last.
    ports: [(usize, u16); 2],
}

/// A segment without options, to be changed.
struct Bare {
    source: SocketAddr,
    destination: SocketAddr,
    seq: u32,
    ack: u32,
}

impl Bare {
    fn octets(&self, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let (src_port, dst_port) = (self.source.port(), self.destination.port());
        let (seq, ack) = (self.seq, self.ack);
        TcpSegment { src_port, dst_port, seq, ack, flags, window: 2048, options, payload }.octets().unwrap()
    }

    fn packet(&self, octets: Vec<u8>) -> Vec<u8> {
        tcp_packet(self.source.ip(), self.destination.ip(), u8::MAX, octets).unwrap()
    }
}

fn tcp(packet: &[u8]) -> Option<(IpView<'_>, TcpSegment<'_>)> {
    let view = IpView::parse(packet).filter(|v| v.protocol == PROTOCOL_TCP)?;
    Some((view, TcpSegment::parse(view.payload)?))
}

impl Attacker {
    pub fn new(world: &mut World) -> Self {
        let ports = [NEAR, FAR].map(|node| (node, world.endpoint(node, NEAR + FAR - node).local.port()));
        Self { seen: world.seen.clone(), ports }
    }

    fn end(&self, node: usize) -> SocketAddr {
        let port = self.ports.iter().find(|(n, _)| *n == node).unwrap().1;
        SocketAddr::new(border(node), port)
    }

    /// Everything.
    pub fn all(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.seen.iter().cloned()
    }

    /// The session's segments to an ASBR.
    pub fn segments(&self, to: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        let (here, there) = (self.end(NEAR + FAR - to), self.end(to));
        let of = move |p: &&Vec<u8>| {
            tcp(p).is_some_and(|(view, s)| {
                (view.src, s.src_port, view.dst, s.dst_port) == (here.ip(), here.port(), there.ip(), there.port())
            })
        };
        self.seen.iter().filter(of).cloned()
    }

    /// The next segment to an ASBR, as its peer would send it.
    fn next(&self, to: usize) -> Bare {
        let last = self.segments(to).last().unwrap();
        let (_, segment) = tcp(&last).unwrap();
        let seq = segment.seq.wrapping_add(segment.payload.len() as u32);
        Bare { source: self.end(NEAR + FAR - to), destination: self.end(to), seq, ack: segment.ack }
    }

    pub fn plain_update(&self, to: usize) -> Vec<u8> {
        let next = self.next(to);
        next.packet(next.octets(flag::ACK | flag::PSH, &[], &update(ROUTE, true, &AS_PATH)))
    }

    pub fn plain_reset(&self, to: usize) -> Vec<u8> {
        let next = self.next(to);
        next.packet(next.octets(flag::RST | flag::ACK, &[], &[]))
    }

    /// A connection like the session's with a guessed key, as the peer of `to` would have it; the initial numbers are those of its SYNs.
    fn guessed(&self, to: usize) -> Connection {
        let from = NEAR + FAR - to;
        let isn = |to| {
            let syn = self.segments(to).find(|p| tcp(p).unwrap().1.has(flag::SYN)).unwrap();
            tcp(&syn).unwrap().1.seq
        };
        let (here, there) = (self.end(from), self.end(to));
        let table = |local: SocketAddr, remote: SocketAddr| {
            let mut keys = Keys::new();
            keys.add(Mkt::new(Peers::between(local.ip(), remote.ip()), 1, b"guess")).unwrap();
            keys
        };
        let pair = SocketPair { local: here, remote: there };
        let mut ours = table(here, there).open(pair, isn(to)).unwrap();
        let turned = SocketPair { local: there, remote: here };
        let mut theirs = table(there, here).open(turned, isn(from)).unwrap();
        let mut options = vec![];
        theirs.blank().emit(&mut options);
        let syn = Bare { source: there, destination: here, seq: isn(from), ack: 0 };
        let mut octets = syn.octets(flag::SYN, &options, &[]);
        theirs.sign(&mut octets, &RustCrypto).unwrap();
        ours.verify(&octets, &RustCrypto).unwrap();
        ours
    }

    /// Resets, closes and UPDATEs that the session's end would take if it looked at numbers alone; all of the session's segments with
    /// something changed.
    pub fn forged_bgp(&self, to: usize) -> Vec<Vec<u8>> {
        let next = self.next(to);
        let mut guessed = self.guessed(to);
        let mut packets = Vec::new();
        let update = update(ROUTE, true, &AS_PATH);
        let kinds: [(u8, &[u8]); 3] =
            [(flag::RST | flag::ACK, &[]), (flag::FIN | flag::ACK, &[]), (flag::ACK | flag::PSH, &update)];
        for (flags, data) in kinds {
            // No option; one with a key's number; one of no key; a guessed key; a key's number twice; beside TCP MD5.
            packets.push(next.octets(flags, &[], data));
            for (id, mac) in [(1, [0; 12]), (77, [7; 12])] {
                let mut options = Vec::new();
                AoOption::new(id, id, &mac).unwrap().emit(&mut options);
                packets.push(next.octets(flags, &options, data));
            }
            let mut options = Vec::new();
            guessed.blank().emit(&mut options);
            let mut octets = next.octets(flags, &options, data);
            guessed.sign(&mut octets, &RustCrypto).unwrap();
            packets.push(octets);
            packets.push(next.octets(flags, &[&options[..], &options].concat(), data));
            let md5 = [&[AoOption::MD5_KIND, 18, 1, 1][..], &[0; 16]].concat();
            packets.push(next.octets(flags, &[&options[..], &md5].concat(), data));
        }
        for packet in self.segments(to) {
            let (_, segment) = tcp(&packet).unwrap();
            let moved = TcpSegment { seq: next.seq, ..segment };
            let now_reset = TcpSegment { flags: segment.flags ^ flag::RST, ..segment };
            let mut longer = segment.payload.to_vec();
            longer.push(0);
            let longer = TcpSegment { payload: &longer, ..segment };
            let changed = [now_reset, longer].into_iter().chain((moved != segment).then_some(moved));
            packets.extend(changed.map(|s| s.octets().unwrap()));
        }
        packets.into_iter().map(|octets| next.packet(octets)).collect()
    }

    /// SYNs of connections that there are not: without a key, and with a guessed one.
    pub fn forged_syns(&self, to: usize) -> Vec<Vec<u8>> {
        let source = |port| SocketAddr::new(border(NEAR + FAR - to), port);
        let destination = SocketAddr::new(border(to), 179);
        let syn = |port| Bare { source: source(port), destination, seq: 1, ack: 0 };
        let plain = syn(1000).octets(flag::SYN, &[], &[]);
        let mut keys = Keys::new();
        keys.add(Mkt::new(Peers::between(source(0).ip(), destination.ip()), 1, b"guess")).unwrap();
        let mut guess = keys.open(SocketPair { local: source(1001), remote: destination }, 1).unwrap();
        let mut options = Vec::new();
        guess.blank().emit(&mut options);
        let mut guessed = syn(1001).octets(flag::SYN, &options, &[]);
        guess.sign(&mut guessed, &RustCrypto).unwrap();
        [plain, guessed].into_iter().map(|octets| syn(0).packet(octets)).collect()
    }

    fn of(&self, to: usize, protocol: u8) -> impl Iterator<Item = Vec<u8>> + '_ {
        let from: IpAddr = border(NEAR + FAR - to);
        let of = move |p: &&Vec<u8>| IpView::parse(p).is_some_and(|v| v.protocol == protocol && v.src == from);
        self.seen.iter().filter(of).cloned()
    }

    /// The Hellos to an ASBR.
    pub fn hellos(&self, to: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.of(to, PROTOCOL_UDP)
    }

    /// A Hello without authentication in the peer's name, and one of the peer's with another number.
    pub fn forged_hellos(&self, to: usize) -> Vec<Vec<u8>> {
        let IpAddr::V4(from) = border(NEAR + FAR - to) else { unreachable!() };
        let mut config = DiscoveryConfig::new(LdpId::platform(from));
        config.transport_v4 = Some(from);
        let now = fwd_core::time::Instant::ZERO;
        let mut plain = Discovery::new(now, config).unwrap();
        let addresses = InterfaceAddresses { v4: Some(from), v6: None };
        plain.set_interface(now, fwd_core::net::IfIndex(1), Some(addresses));
        let hello = std::iter::from_fn(|| plain.poll_output()).find_map(|output| match output {
            Output::Datagram { octets, .. } => Some(octets),
            _ => None,
        });
        let last = self.hellos(to).last().unwrap();
        let mut newer = IpView::parse(&last).unwrap().payload[8..].to_vec();
        // The upper half of the sequence number, in front of the digest.
        let at = newer.len() - 32 - 8;
        newer[at + 3] += 1;
        vec![hello_packet(from.into(), 1, &hello.unwrap()), hello_packet(from.into(), 1, &newer)]
    }

    /// ESP of PIM's to an ASBR again, changed, with another number, and of an association that there is not.
    pub fn replayed_and_changed_esp(&self, to: usize) -> Vec<Vec<u8>> {
        let mut packets: Vec<Vec<u8>> = self.of(to, 50).collect();
        assert!(!packets.is_empty());
        for packet in packets.clone() {
            for at in [23, 27, 30, packet.len() - 1] {
                let mut changed = packet.clone();
                changed[at] ^= 0x10;
                packets.push(changed);
            }
        }
        packets
    }
}
