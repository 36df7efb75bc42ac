//! Two ASBRs on one link, a PE behind each, and somebody on the link who sees all of it and sends what he likes.
//!
//! BGP runs over TCP with TCP-AO and GTSM, LDP Hellos are authenticated, PIM messages are in ESP.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Authentication, LocalIdentity, PeerConfig, Protection, State};
use bgp_vpn::speaker::{Event, Input, Output, PeerId, Speaker, SpeakerConfig};
use fwd_core::Frame;
use fwd_core::net::{IfIndex, Label, NhlfeId, VrfId};
use fwd_core::sa::{InboundSa, OutboundSa};
use fwd_core::tcp_ao;
use fwd_core::time::Instant;
use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
use ipsec_vlink::ike::crypto::{Encryption, IntegrityId, Secret};
use ipsec_vlink::ike::{EspKeys, EspSuite};
use lab::sim::packet::{IpView, PROTOCOL_TCP, PROTOCOL_UDP, ip_packet};
use lab::sim::peering::{PeerEvent, Peering};
use lab::sim::rng::Rng;
use lab::sim::tcp::{Endpoint, Stack};
use mvpn::pim::{self, PimConfig, PimEvent, PimInterfaceConfig, PimRouter};
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::{
    self, Discovery, DiscoveryConfig, HelloAuthConfig, HelloHash, HelloKey, InterfaceAddresses,
};
use sha2::Digest as _;

/// Nodes: a PE, its ASBR, the other AS's ASBR and PE.
pub const PE: usize = 0;
pub const NEAR: usize = 1;
pub const FAR: usize = 2;
pub const FAR_PE: usize = 3;
/// Protocols of IP.
const PIM: u8 = 103;
const ESP: u8 = 50;
const LDP_PORT: u16 = 646;
const LINK: IfIndex = IfIndex(1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ALL_PIM: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

/// The address of an ASBR on the link.
pub fn border(node: usize) -> IpAddr {
    IpAddr::from([198, 51, 100, node as u8])
}

fn inside(node: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, node as u8])
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(octets).into()
}

/// The association of ESP that an ASBR sends with (RFC 5796 §6: authentication, no encryption).
pub fn cipher(spi: u32) -> EspCipher {
    let integrity = IntegrityId::HMAC_SHA2_256_128;
    let suite = EspSuite { encryption: Encryption::NULL, integrity, extended: false };
    let keys = EspKeys { encryption: Secret::default(), integrity: Secret::copy(&spi.to_be_bytes().repeat(8)) };
    EspCipher::new(&suite, &keys).unwrap()
}

/// What an ASBR has besides BGP.
pub struct Border {
    pub hello: Discovery,
    pub hello_downs: usize,
    pub hello_refusals: Vec<discovery::Refusal>,
    pub pim: PimRouter<Ipv4Addr>,
    pub pim_events: Vec<PimEvent<Ipv4Addr>>,
    pub outbound: OutboundSa<EspCipher>,
    pub inbound: BTreeMap<u32, InboundSa<EspCipher, 4>>,
    /// ESP packets that no association took.
    pub esp_refused: u64,
}

impl Border {
    fn new(node: usize, keys: &[HelloKey]) -> Self {
        let IpAddr::V4(address) = border(node) else { unreachable!() };
        let mut config = DiscoveryConfig::new(LdpId::platform(address));
        config.transport_v4 = Some(address);
        config.authentication = Some(HelloAuthConfig::new(keys.to_vec(), 1 << 32));
        let mut hello = Discovery::new(Instant::ZERO, config).unwrap();
        hello.set_interface(Instant::ZERO, LINK, Some(InterfaceAddresses { v4: Some(address), v6: None }));
        let mut config = PimConfig::new(VrfId::GLOBAL, address, 1..=100);
        config.seed = node as u64;
        let mut pim = PimRouter::new(Instant::ZERO, config).unwrap();
        let mut link = PimInterfaceConfig::new(LINK, address, vec!["198.51.100.0/24".parse().unwrap()]);
        link.authenticated = true;
        pim.add_interface(Instant::ZERO, link).unwrap();
        let (ours, theirs) = (node as u32, (NEAR + FAR - node) as u32);
        Self {
            hello,
            hello_downs: 0,
            hello_refusals: Vec::new(),
            pim,
            pim_events: Vec::new(),
            outbound: OutboundSa::new(0x1000 + ours, false, cipher(0x1000 + ours)),
            inbound: BTreeMap::from([(
                0x1000 + theirs,
                InboundSa::new(0x1000 + theirs, false, 64, cipher(0x1000 + theirs)),
            )]),
            esp_refused: 0,
        }
    }
}

pub struct Node {
    pub tcp: Stack,
    pub speaker: Speaker,
    peering: Peering<PeerId>,
    pub events: Vec<Event>,
    pub border: Option<Border>,
}

pub struct World {
    pub now: Instant,
    pub nodes: Vec<Node>,
    wire: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    rng: Rng,
    /// Lost of what the ASBRs send each other, in a million.
    pub loss: u32,
    /// What crossed the link.
    pub seen: Vec<Vec<u8>>,
    /// The connections of sessions, from when they were first asked for: no other takes their place.
    sessions: BTreeMap<(usize, usize), Endpoint>,
}

/// The first key of LDP's, and one that follows it: made with from second 60 on, taken from second 30 on.
fn hello_keys() -> [HelloKey; 2] {
    let mut old = HelloKey::new(1, HelloHash::Sha256(sha256), b"first".to_vec());
    let mut new = HelloKey::new(2, HelloHash::Sha256(sha256), b"second".to_vec());
    (old.generate.until, old.accept.until) = (Some(Instant::from_secs(60)), Some(Instant::from_secs(90)));
    (new.generate.from, new.accept.from) = (Instant::from_secs(60), Instant::from_secs(30));
    [old, new]
}

fn with_frame<T>(octets: &[u8], act: impl FnOnce(&mut Frame<'_>) -> T) -> (T, Vec<u8>) {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    buffer.extend([0; 64]);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let done = act(&mut frame);
    (done, frame.octets().to_vec())
}

impl World {
    /// `key`: TCP-AO's first key between the ASBRs; without it BGP is as anybody's.
    pub fn new(seed: u64, key: Option<&[u8]>) -> Self {
        let mut nodes = Vec::new();
        for node in [PE, NEAR, FAR, FAR_PE] {
            let asn = if node <= NEAR { 65001 } else { 65002 };
            let config = SpeakerConfig {
                local: LocalIdentity { asn, router_id: [192, 0, 2, node as u8 + 1].into() },
                cluster_id: None,
                labels: (Label::new(1000).unwrap(), Label::new(1999).unwrap()),
                nhlfes: (NhlfeId(1000), NhlfeId(1999)),
                seed: node as u64,
            };
            let keys = hello_keys();
            nodes.push(Node {
                tcp: Stack::default(),
                speaker: Speaker::new(Instant::ZERO, config).unwrap(),
                peering: Peering::default(),
                events: Vec::new(),
                border: (node == NEAR || node == FAR).then(|| Border::new(node, &keys)),
            });
        }
        let mut world = Self {
            now: Instant::ZERO,
            nodes,
            wire: BTreeMap::new(),
            sent: 0,
            rng: Rng::new(seed),
            loss: 0,
            seen: Vec::new(),
            sessions: BTreeMap::new(),
        };
        let guarded = Protection {
            authentication: key.map(|key| Authentication::Ao { key: key.to_vec(), id: 1 }),
            hops: key.map(|_| 1),
        };
        for (a, b) in [(PE, NEAR), (NEAR, FAR), (FAR, FAR_PE)] {
            for (here, there) in [(a, b), (b, a)] {
                let outside = (a, b) == (NEAR, FAR);
                let address = |node| if outside { border(node) } else { inside(node) };
                let remote_as = if there <= NEAR { 65001 } else { 65002 };
                let mut config = PeerConfig::new(address(there), address(here), remote_as, &[Family::MCAST_VPN_IPV4]);
                config.protection = if outside { guarded.clone() } else { Protection::default() };
                world.add_peer(here, config);
            }
        }
        world
    }

    fn add_peer(&mut self, node: usize, config: PeerConfig) {
        let Node { tcp, speaker, peering, .. } = &mut self.nodes[node];
        let (vrf, local, remote) = (config.vrf, config.local_address, config.address);
        tcp.protect(vrf, local, remote, &config.protection).unwrap();
        let peer = speaker.add_peer(self.now, config).unwrap();
        peering.add(tcp, peer, vrf, local, remote);
    }

    /// Puts a packet on the wire.
    pub fn inject(&mut self, packet: Vec<u8>) {
        self.sent += 1;
        self.wire.insert((self.now + Duration::from_millis(1), self.sent), packet);
    }

    fn send(&mut self, packet: Vec<u8>) {
        let source = IpView::parse(&packet).unwrap().src;
        if source == border(NEAR) || source == border(FAR) {
            self.seen.push(packet.clone());
            if self.rng.per_million(self.loss) {
                return;
            }
        }
        self.sent += 1;
        let at = self.now + Duration::from_millis(1) + self.rng.up_to(Duration::from_millis(3));
        self.wire.insert((at, self.sent), packet);
    }

    fn collect(&mut self) {
        for node in 0..self.nodes.len() {
            while self.collect_bgp(node) {}
            let mut packets = Vec::new();
            while let Some((_, packet)) = self.nodes[node].tcp.poll_packet() {
                packets.push(packet);
            }
            if let Some(border) = &mut self.nodes[node].border {
                border.collect(&mut packets, self.now);
            }
            packets.into_iter().for_each(|packet| self.send(packet));
        }
    }

    /// Whether there was something to do.
    fn collect_bgp(&mut self, node: usize) -> bool {
        let now = self.now;
        let Node { tcp, speaker, peering, events, .. } = &mut self.nodes[node];
        let mut done = false;
        while let Some(output) = speaker.poll_output() {
            done = true;
            match output {
                Output::Connect { peer } => peering.connect(now, tcp, peer),
                Output::Close { peer, side } => peering.close(now, tcp, peer, side),
                Output::Stream { peer, side, octets } => peering.send(now, tcp, peer, side, &octets),
                Output::Program(_) | Output::Igp { .. } => {}
                Output::Event(event) => events.push(event),
            }
        }
        let mut told: VecDeque<_> = std::iter::from_fn(|| tcp.poll_event()).collect();
        while let Some(event) = told.pop_front() {
            done = true;
            let Some((peer, side, event)) = peering.event(tcp, event) else { continue };
            let input = match &event {
                PeerEvent::Connected => Input::Connected { peer, side },
                PeerEvent::Received(octets) => Input::Stream { peer, side, octets },
                PeerEvent::Writable(room) => Input::Writable { peer, side, room: *room },
                PeerEvent::Closed => Input::Closed { peer, side },
            };
            speaker.handle_input(now, input);
        }
        done
    }

    fn deliver(&mut self, packet: &[u8]) {
        let now = self.now;
        let view = IpView::parse(packet).unwrap();
        let to = match view.dst {
            IpAddr::V4(group) if group.is_multicast() => {
                if view.src == border(NEAR) {
                    FAR
                } else {
                    NEAR
                }
            }
            dst => (0..self.nodes.len()).find(|node| dst == border(*node) || dst == inside(*node)).unwrap(),
        };
        let node = &mut self.nodes[to];
        if view.protocol == PROTOCOL_TCP {
            node.tcp.handle_packet(now, VrfId::GLOBAL, &view);
        } else if let Some(border) = &mut node.border {
            border.receive(now, packet, &view);
        }
    }

    pub fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        self.collect();
        loop {
            let packet = self.wire.first_key_value().map(|(key, _)| key.0);
            let timers = self.nodes.iter().flat_map(|n| {
                let border = n.border.as_ref();
                let hello = border.and_then(|b| b.hello.next_timeout());
                let pim = border.and_then(|b| b.pim.next_timeout());
                [n.tcp.next_timeout(), n.speaker.next_timeout(), hello, pim]
            });
            let Some(at) = timers.flatten().chain(packet).min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            if packet.is_some_and(|packet| packet <= self.now) {
                let (_, octets) = self.wire.pop_first().unwrap();
                self.deliver(&octets);
            } else {
                for node in &mut self.nodes {
                    node.tcp.handle_timeout(self.now);
                    node.speaker.handle_timeout(self.now);
                    if let Some(border) = &mut node.border {
                        border.hello.handle_timeout(self.now);
                        border.pim.handle_timeout(self.now);
                    }
                }
            }
            self.collect();
        }
        self.now = until;
    }

    /// The session of a node with another.
    pub fn peer(&self, node: usize, other: usize) -> PeerId {
        let speaker = &self.nodes[node].speaker;
        let of = |address| speaker.peer_by_address(VrfId::GLOBAL, address);
        of(border(other)).or_else(|| of(inside(other))).unwrap()
    }

    /// Routes that a node has of another, and whether the session stands.
    pub fn routes(&self, node: usize, other: usize) -> (u32, bool) {
        let peer = self.peer(node, other);
        let speaker = &self.nodes[node].speaker;
        let routes = speaker.peer_families(peer).iter().map(|f| f.received).sum();
        (routes, speaker.peer_state(peer) == Some(State::Established))
    }

    /// Announcements and withdrawals that a node took of another, and how often the session came up.
    pub fn taken(&self, node: usize, other: usize) -> (u64, u64, u64) {
        let (peer, speaker) = (self.peer(node, other), &self.nodes[node].speaker);
        let routes = speaker.peer_counters(peer).unwrap();
        (routes.announced, routes.withdrawn, speaker.session_counters(peer).unwrap().established)
    }

    /// The connection of the session between two nodes, as the first has it.
    pub fn endpoint(&mut self, node: usize, other: usize) -> Endpoint {
        let there = |e: &Endpoint| e.remote.ip() == border(other) || e.remote.ip() == inside(other);
        let tcp = &self.nodes[node].tcp;
        *self.sessions.entry((node, other)).or_insert_with(|| {
            let all: Vec<Endpoint> = tcp.endpoints().filter(there).collect();
            assert_eq!(all.len(), 1, "{all:?}");
            all[0]
        })
    }

    /// TCP-AO at an ASBR's end of the session between both.
    pub fn ao(&mut self, node: usize) -> &mut tcp_ao::Connection {
        let endpoint = self.endpoint(node, NEAR + FAR - node);
        self.nodes[node].tcp.authentication(endpoint).expect("TCP-AO")
    }

    pub fn border(&mut self, node: usize) -> &mut Border {
        self.nodes[node].border.as_mut().unwrap()
    }

    /// The PE announces or withdraws a C-multicast route of this number.
    pub fn route(&mut self, number: u8, announced: bool) {
        let endpoint = self.endpoint(PE, NEAR);
        self.nodes[PE].tcp.send(self.now, endpoint, &update(number, announced, &[]));
        self.collect();
    }
}

impl Border {
    fn collect(&mut self, packets: &mut Vec<Vec<u8>>, now: Instant) {
        while let Some(output) = self.hello.poll_output() {
            match output {
                discovery::Output::Datagram { from, ttl, octets, .. } => {
                    packets.push(hello_packet(from, ttl, &octets));
                }
                discovery::Output::Down(_) => self.hello_downs += 1,
                discovery::Output::Event(discovery::Event::Unauthenticated(_, why)) => self.hello_refusals.push(why),
                _ => {}
            }
        }
        while let Some(output) = self.pim.poll_output() {
            match output {
                pim::Output::Datagram { from, to, octets, .. } => {
                    let clear = ip_packet(from.into(), to.into(), PIM, 1, &octets).unwrap();
                    let (done, sealed) = with_frame(&clear, |frame| self.outbound.protect(frame, 0));
                    done.unwrap();
                    packets.push(sealed);
                }
                pim::Output::Event(event) => self.pim_events.push(event),
                pim::Output::Track(address) => {
                    self.pim.handle_input(now, pim::Input::Route { address, route: None });
                }
                _ => {}
            }
        }
    }

    fn receive(&mut self, now: Instant, packet: &[u8], view: &IpView<'_>) {
        match view.protocol {
            PROTOCOL_UDP => {
                let octets = &view.payload[8..];
                let to_all_routers = view.dst == IpAddr::from(ALL_ROUTERS);
                let (from, iface, ttl) = (view.src, LINK, view.ttl);
                self.hello.handle_input(now, discovery::Input::Datagram { from, iface, to_all_routers, ttl, octets });
            }
            PIM => self.take_pim(now, view, false),
            ESP => {
                let spi = u32::from_be_bytes(*view.payload.first_chunk().unwrap());
                let opened = self.inbound.get_mut(&spi).map(|sa| with_frame(packet, |f| sa.unprotect(f, 0)));
                match opened {
                    Some((Ok(()), clear)) => self.take_pim(now, &IpView::parse(&clear).unwrap(), true),
                    _ => self.esp_refused += 1,
                }
            }
            _ => {}
        }
    }

    fn take_pim(&mut self, now: Instant, view: &IpView<'_>, authenticated: bool) {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (view.src, view.dst) else { return };
        let octets = view.payload;
        self.pim.handle_input(now, pim::Input::Datagram { interface: LINK, from, to, octets, authenticated });
    }
}

/// An LDP Hello to all routers of the link.
pub fn hello_packet(from: IpAddr, ttl: u8, octets: &[u8]) -> Vec<u8> {
    let mut udp = [LDP_PORT, LDP_PORT, 8 + octets.len() as u16, 0].map(u16::to_be_bytes).concat();
    udp.extend(octets);
    ip_packet(from, ALL_ROUTERS.into(), PROTOCOL_UDP, ttl, &udp).unwrap()
}

/// A PIM message in the clear.
pub fn pim_packet(from: IpAddr, octets: &[u8]) -> Vec<u8> {
    ip_packet(from, ALL_PIM.into(), PIM, 1, octets).unwrap()
}

/// An UPDATE with a Source Tree Join of this number (RFC 6514 §4.6).
pub fn update(number: u8, announced: bool, as_path: &[u8]) -> Vec<u8> {
    let rd = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
    let nlri = [&[7, 22][..], &rd, &[0, 0, 0xfd, 0xe9, 32, 10, 0, 0, 1, 32, 232, 1, 1, number]].concat();
    let mut attributes = Vec::new();
    if announced {
        let reach = [&[0, 1, 5, 4, 192, 0, 2, 77, 0][..], &nlri].concat();
        attributes.extend([0x40, 1, 1, 0, 0x40, 2, as_path.len() as u8]);
        attributes.extend(as_path);
        if as_path.is_empty() {
            attributes.extend([0x40, 5, 4, 0, 0, 0, 100]);
        }
        attributes.extend([0x80, 14, reach.len() as u8]);
        attributes.extend(reach);
        attributes.extend([0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    } else {
        let unreach = [&[0, 1, 5][..], &nlri].concat();
        attributes.extend([0x80, 15, unreach.len() as u8]);
        attributes.extend(unreach);
    }
    let mut message = vec![0xff; 16];
    message.extend((23 + attributes.len() as u16).to_be_bytes());
    message.extend([2, 0, 0]);
    message.extend((attributes.len() as u16).to_be_bytes());
    message.extend(attributes);
    message
}
