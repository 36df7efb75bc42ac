//! Multicast traceroute through a line of PIM routers (RFC 8487).

use std::net::{Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::time::Instant;
use mvpn::mtrace2::{
    Arrival, Block, ForwardingCode, Hop, Known, MessageKind, PORT, Packets, Responder, ResponderConfig, ResponderError,
    StandardBlock, TraceMessage, TraceOutput,
};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{Input, Membership, MribRoute, Output, PimConfig, PimInterfaceConfig, PimRouter};
use proptest::prelude::*;

const ALL: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
const ANY: Ipv4Addr = Ipv4Addr::BROADCAST;
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 100);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 4, 100);
const SSM: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
const ASM: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

fn address(lan: u8, router: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, lan, router)
}

/// The route of router `n`: to LANs and routers with lower numbers by the one, to others by the other.
fn route(n: u8, to: Ipv4Addr) -> Option<MribRoute<Ipv4Addr>> {
    let [_, kind, lan, router] = to.octets();
    let towards_source = if kind == 255 { router < n } else { lan < n };
    let (i, hop) = if towards_source { (1, address(n, n.wrapping_sub(1))) } else { (2, address(n + 1, n + 1)) };
    Some(MribRoute { interface: IfIndex(i), next_hop: Some(hop), preference: 1, metric: 1 })
}

/// Router `n` of three in a line, between LAN `n` (the source's way, interface 1) and LAN `n + 1` (interface 2). Router 2 is the RP.
struct Router {
    n: u8,
    pim: PimRouter<Ipv4Addr>,
    responder: Responder<Ipv4Addr>,
}

impl Router {
    fn new(n: u8) -> Self {
        let now = Instant::ZERO;
        let mut pim = PimRouter::new(now, PimConfig::new(VrfId(1), Ipv4Addr::new(10, 255, 0, n), 1..=9)).unwrap();
        for (i, lan) in [(1, n), (2, n + 1)] {
            let subnet = format!("10.0.{lan}.0/24").parse().unwrap();
            pim.add_interface(now, PimInterfaceConfig::new(IfIndex(i), address(lan, n), vec![subnet])).unwrap();
        }
        let rp = StaticRp {
            range: "224.0.0.0/4".parse().unwrap(),
            address: Ipv4Addr::new(10, 255, 0, 2),
            mode: RpMode::Sparse,
            overrides: false,
        };
        pim.update_rp_set(now, |set| set.set_static(rp).unwrap());
        let responder = Responder::new(now, ResponderConfig::new(Ipv4Addr::new(10, 255, 0, n))).unwrap();
        let mut router = Self { n, pim, responder };
        for (i, lan, other) in [(1, n, n.wrapping_sub(1)), (2, n + 1, n + 1)] {
            if (1..=3).contains(&other) {
                router.hello(i, address(lan, other));
            }
        }
        router
    }

    fn hello(&mut self, i: u32, from: Ipv4Addr) {
        let options = vec![HelloOption::Holdtime(105), HelloOption::GenerationId(1)];
        let octets = Message::Hello(Hello { options }).to_packet(from.into(), ALL.into());
        let input = Input::Datagram { interface: IfIndex(i), from, to: ALL, octets: &octets, authenticated: false };
        self.pim.handle_input(Instant::ZERO, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.pim.poll_output() {
            if let Output::Track(address) = output {
                let route = route(self.n, address);
                self.pim.handle_input(Instant::ZERO, Input::Route { address, route });
            }
        }
    }

    /// A Join(*,G) of the router behind.
    fn join(&mut self, group: Ipv4Addr) {
        let mut set = GroupSetBuf::new(EncodedGroup::new(group.into()));
        let flags = SourceFlags::WILDCARD | SourceFlags::RPT;
        set.joins.push(SourceBuf::new(Ipv4Addr::new(10, 255, 0, 2).into(), flags));
        let (from, to) = (address(self.n + 1, self.n + 1), address(self.n + 1, self.n));
        let mut message = JoinPruneBuf::new(to.into(), 210);
        message.push(set);
        let octets = packet(MessageType::JOIN_PRUNE, 0, from.into(), ALL.into(), |out| message.emit(out));
        let (interface, octets) = (IfIndex(2), &octets[..]);
        self.pim
            .handle_input(Instant::ZERO, Input::Datagram { interface, from, to: ALL, octets, authenticated: false });
        self.drain();
    }

    fn member(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>) {
        let (interface, membership) = (IfIndex(2), Membership::Include);
        self.pim.handle_input(Instant::ZERO, Input::Membership { interface, group, source, membership });
        self.drain();
    }

    fn hear(&mut self, i: u32, from: Ipv4Addr, to: Ipv4Addr, octets: &[u8]) -> Vec<TraceOutput<Ipv4Addr>> {
        let at = Arrival { interface: IfIndex(i), from, to, hop_limit: 255, ntp: 77 };
        let packets = Packets { of_source: 5, ..Packets::UNKNOWN };
        let n = self.n;
        let known = Known { packets: &|_, _| packets, route: &|to| route(n, to) };
        self.responder.handle_input(Instant::ZERO, at, octets, &self.pim, known)
    }
}

fn query(group: Ipv4Addr, source: Ipv4Addr, hops: u8, id: u16) -> TraceMessage<Ipv4Addr> {
    let (kind, blocks) = (MessageKind::Query, Vec::new());
    TraceMessage { kind, hops, group, source, client: CLIENT, id, port: 40_000, blocks }
}

/// A query at the last router of the line, and the reply to it.
fn trace(routers: &mut [Router], query: &TraceMessage<Ipv4Addr>) -> TraceMessage<Ipv4Addr> {
    let (mut octets, mut i, mut from, mut to) = (query.to_octets(), 2, CLIENT, address(4, 3));
    for router in routers.iter_mut().rev() {
        let outputs = router.hear(i, from, to, &octets);
        let [output] = &outputs[..] else { panic!("router {}: {outputs:?}", router.n) };
        octets.clone_from(&output.octets);
        if output.interface.is_none() {
            assert_eq!((output.to, output.port), (CLIENT, 40_000));
            return TraceMessage::parse(&octets).unwrap();
        }
        assert_eq!((output.interface, output.port), (Some(IfIndex(1)), PORT));
        (i, from, to) = (2, output.from, output.to);
    }
    panic!("no reply");
}

fn blocks(reply: &TraceMessage<Ipv4Addr>) -> Vec<StandardBlock> {
    assert_eq!(reply.kind, MessageKind::Reply);
    let standard = reply.blocks.iter().map(|b| match b {
        Block::Standard(block) => *block,
        other => panic!("{other:?}"),
    });
    standard.collect()
}

fn line() -> Vec<Router> {
    (1..=3).map(Router::new).collect()
}

/// Shows: L3VPN-8.9-5
#[test]
fn a_trace_of_a_source_ends_at_its_router() {
    let mut routers = line();
    routers[2].member(SSM, Some(SOURCE));
    let reply = trace(&mut routers, &query(SSM, SOURCE, 255, 1));
    let hops = blocks(&reply);
    // Routers 2 and 1 have no state: they say where a Join would go.
    let hop = |incoming, outgoing, upstream| Hop::V4 { incoming, outgoing, upstream, ttl: 0 };
    assert_eq!(hops[0].hop, hop(address(3, 3), address(4, 3), address(3, 2)));
    assert_eq!(hops[1].hop, hop(address(2, 2), address(3, 2), address(2, 1)));
    assert_eq!(hops[2].hop, hop(address(1, 1), address(2, 1), Ipv4Addr::UNSPECIFIED));
    assert_eq!(hops.len(), 3);
    assert!(hops.iter().all(|b| (b.code, b.arrival, b.packets.of_source) == (ForwardingCode::NO_ERROR, 77, 5)));
}

#[test]
fn a_trace_of_a_group_ends_at_the_rp() {
    let mut routers = line();
    routers[2].member(ASM, None);
    routers[1].join(ASM);
    let reply = trace(&mut routers, &query(ASM, ANY, 255, 1));
    let codes: Vec<_> = blocks(&reply).iter().map(|b| (b.code, b.mask)).collect();
    assert_eq!(codes, [(ForwardingCode::NO_ERROR, 0x7f), (ForwardingCode::REACHED_RP, 0x7f)]);
}

#[test]
fn hops_are_counted_and_duplicates_ignored() {
    let mut routers = line();
    routers[2].member(SSM, Some(SOURCE));
    let reply = trace(&mut routers, &query(SSM, SOURCE, 2, 1));
    assert_eq!(blocks(&reply).len(), 2);
    let octets = query(SSM, SOURCE, 2, 1).to_octets();
    assert_eq!(routers[2].hear(2, CLIENT, address(4, 3), &octets), [], "the same query");
    // A Request of somebody who is no neighbour, or from afar, or with as many blocks as hops.
    let request = TraceMessage { kind: MessageKind::Request, ..reply.clone() };
    assert_eq!(routers[0].hear(2, address(2, 9), address(2, 1), &request.to_octets()), []);
    assert_eq!(routers[0].hear(2, address(2, 2), address(2, 1), &request.to_octets()), []);
    let more = TraceMessage { hops: 9, ..request };
    let far = Arrival { interface: IfIndex(2), from: address(2, 2), to: address(2, 1), hop_limit: 254, ntp: 0 };
    let Router { responder, pim, .. } = &mut routers[0];
    let known = Known { packets: &|_, _| Packets::UNKNOWN, route: &|to| route(1, to) };
    let heard = responder.handle_input(Instant::ZERO, far, &more.to_octets(), pim, known);
    assert_eq!((heard, responder.dropped), (vec![], 3));
    assert_eq!(routers[0].hear(2, address(2, 2), address(2, 1), &more.to_octets()).len(), 1);
}

#[test]
fn whoever_is_not_the_last_hop_says_so_only_when_asked_alone() {
    let mut routers = line();
    let octets = query(SSM, SOURCE, 255, 1).to_octets();
    let alone = routers[1].hear(2, CLIENT, address(3, 2), &octets);
    let reply = TraceMessage::<Ipv4Addr>::parse(&alone[0].octets).unwrap();
    assert_eq!(blocks(&reply)[0], StandardBlock::empty(true, ForwardingCode::WRONG_LAST_HOP));
    let octets = query(SSM, SOURCE, 255, 2).to_octets();
    assert_eq!(routers[1].hear(2, CLIENT, ALL, &octets), []);
    // Neither group nor source; a client that is none.
    for bad in [query(ANY, ANY, 255, 3), TraceMessage { client: ANY, ..query(SSM, SOURCE, 255, 4) }] {
        assert_eq!(routers[2].hear(2, CLIENT, address(4, 3), &bad.to_octets()), []);
    }
}

/// RFC 8487 §4.3.3: a Request that is full goes back, and a new one goes on.
#[test]
fn a_full_request_goes_back_and_another_goes_on() {
    let mut routers = line();
    let mut request = TraceMessage { kind: MessageKind::Request, ..query(SSM, SOURCE, 255, 1) };
    request.blocks = vec![Block::Standard(StandardBlock::empty(true, ForwardingCode::NO_ERROR)); 27];
    let outputs = routers[1].hear(2, address(3, 3), address(3, 2), &request.to_octets());
    let [back, on] = &outputs[..] else { panic!("{outputs:?}") };
    let back = blocks(&TraceMessage::parse(&back.octets).unwrap());
    assert_eq!((back.len(), back[26].code, back[25].code), (27, ForwardingCode::NO_SPACE, ForwardingCode::NO_ERROR));
    let on = TraceMessage::<Ipv4Addr>::parse(&on.octets).unwrap();
    assert_eq!((on.blocks.len(), &on.blocks[1]), (2, &Block::returned(27)));
    assert_eq!(on.kind, MessageKind::Request);
}

#[test]
fn octets_of_the_figures_and_bad_values() {
    let message = query(SSM, SOURCE, 32, 0x1234);
    let octets = [&[1, 0, 20, 32][..], &[232, 1, 1, 1], &[10, 0, 1, 100], &[10, 0, 4, 100], &[0x12, 0x34, 0x9c, 0x40]];
    assert_eq!(message.to_octets(), octets.concat());
    let mut block = StandardBlock::empty(true, ForwardingCode::SCOPED);
    (block.source_network, block.mask) = (true, 24);
    let mut out = Vec::new();
    Block::Standard(block).emit(&mut out);
    assert_eq!((out[..4].to_vec(), out[48..].to_vec()), (vec![4, 0, 52, 0], vec![0, 0, 0x98, 4]));
    out.clear();
    Block::returned(3).emit(&mut out);
    assert_eq!(out, [5, 0, 8, 0, 0, 1, 0, 3]);
    let mut six = StandardBlock::empty(false, ForwardingCode::NO_ERROR);
    (six.source_network, six.mask) = (true, 64);
    out.clear();
    Block::Standard(six).emit(&mut out);
    assert_eq!((out.len(), out[76..].to_vec()), (80, vec![0, 1, 64, 0]));
    let config = ResponderConfig { mtu: 500, ..ResponderConfig::new(CLIENT) };
    assert_eq!(Responder::new(Instant::ZERO, config).unwrap_err(), ResponderError::Mtu);
    assert!(TraceMessage::<Ipv6Addr>::parse(&message.to_octets()).is_err(), "of the other family");
}

/// Reads anything without panic, and writes what it read.
fn parse_anything<A: mvpn::address::Address>(octets: &[u8]) {
    if let Ok(message) = TraceMessage::<A>::parse(octets) {
        assert_eq!(TraceMessage::parse(&message.to_octets()), Ok(message));
    }
}

proptest! {
    #[test]
    fn messages_round_trip(data in proptest::collection::vec(any::<u8>(), 0..800)) {
        let mut u = Unstructured::new(&data);
        if let Ok(message) = TraceMessage::<Ipv4Addr>::arbitrary(&mut u) {
            let octets = message.to_octets();
            prop_assert_eq!(octets.len(), message.wire_len());
            prop_assert_eq!(TraceMessage::parse(&octets), Ok(message));
        }
        if let Ok(message) = TraceMessage::<Ipv6Addr>::arbitrary(&mut u) {
            prop_assert_eq!(TraceMessage::parse(&message.to_octets()), Ok(message));
        }
        parse_anything::<Ipv4Addr>(&data);
        parse_anything::<Ipv6Addr>(&data);
    }
}
