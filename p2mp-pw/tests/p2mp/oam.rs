//! Faults of the way to leaves, looked for in band: multipoint BFD with active tails (RFC 8562, 8563) and LSP ping (RFC 8339, 6425) in the
//! control channel of the pseudowire, through the forwarding planes that carry its frames.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::{Label, Mac};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use p2mp_pw::bfd::{self, Bfd, BfdConfig, SessionConfig, SessionId, State, TreeId, Via};
use p2mp_pw::ldp::PwStatus;
use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::lsp_ping::{
    self, FecBinding, LabelOperation, LabelProtocol, LspRef, Probe, ProbeEvent, ProbeInput, ProbeMode, ProbeOutput,
    Prober, ProberConfig, ReceivedLabel, Responder, ResponderConfig, ResponderInput, ResponderOutput, TargetFec,
};
use p2mp_pw::p2mp::{LeafState, PwId};
use p2mp_pw::vccv::{self, CcTypes, Payload, Received};

use super::net::{Net, address, ldp_id};
use super::pe::*;

const TREE: TreeId = TreeId(1);
const MS: Duration = Duration::from_millis(1);
const LEAVES: [usize; 3] = [3, 4, 5];
const PING: u16 = 3503;

/// R0, P1, P2; leaves L3 and L4 behind P2, L5 behind P1; a head at the root and a tail at each leaf.
struct Monitored {
    pes: Pes,
    pw: PwId,
    label: Label,
    bfd: BTreeMap<usize, Bfd>,
    head: SessionId,
    prober: Prober,
    responders: BTreeMap<usize, Responder>,
    /// Tails as the head heard of them.
    tails: Vec<(Instant, usize, State)>,
    /// Ends of pings: who is missing.
    missing: Vec<Vec<IpAddr>>,
}

fn node(address: IpAddr) -> usize {
    let IpAddr::V4(address) = address else { panic!("{address}") };
    usize::from(address.octets()[3]) - 1
}

fn datagram(from: IpAddr, ports: (u16, u16), octets: &[u8]) -> Vec<u8> {
    let IpAddr::V4(from) = from else { panic!("{from}") };
    let udp = (octets.len() + 8) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend((udp + 20).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 255, 17, 0, 0]);
    ip.extend(from.octets());
    ip.extend([127, 0, 0, 1]);
    Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
    for number in [ports.0, ports.1, udp, 0] {
        ip.extend(number.to_be_bytes());
    }
    ip.extend(octets);
    ip
}

/// Source, ports and payload of a datagram.
fn parts(ip: &[u8]) -> (IpAddr, u16, u16, &[u8]) {
    let number = |at: usize| u16::from_be_bytes([ip[at], ip[at + 1]]);
    ([ip[12], ip[13], ip[14], ip[15]].into(), number(20), number(22), &ip[28..])
}

impl Monitored {
    fn new() -> Self {
        let links = [(0, 1, 10), (1, 2, 10), (2, 3, 10), (2, 4, 10), (1, 5, 10)];
        let mut pes = Pes::new(Net::new(6, &links, 3, |_, _| {}), &[0], &LEAVES);
        let tunnel = pes.open(0, 7);
        let pw = pes.root_pw(0, root_config(0, 1, 1, &[50]), Some(tunnel));
        for l in LEAVES {
            pes.leaf_pw(l, leaf_config(0, 1, 1, &[50]));
            pes.add_leaf(0, pw, l);
        }
        pes.run(Duration::from_secs(5));
        let label = pes.log.iter().find_map(|(_, _, m)| match &m.body {
            MessageBody::LabelMapping(mapping) => Some(mapping.label.label()),
            _ => None,
        });
        let (now, label) = (pes.net.now, label.unwrap());
        let seeded = |n: usize| Bfd::new(now, BfdConfig { seed: n as u64, ..BfdConfig::default() }).unwrap();
        let mut bfd: BTreeMap<usize, Bfd> = [0, 3, 4, 5].map(|n| (n, seeded(n))).into();
        // Two packets may be missed, and tails take half an interval for their reports: together less than three.
        let path = bfd::Path::Head { tree: TREE, local: address(0), report: Some(50 * MS) };
        let config = SessionConfig { detect_mult: 2.try_into().unwrap(), ..SessionConfig::new(path) };
        let head = bfd.get_mut(&0).unwrap().add_session(now, config).unwrap();
        let fec = TargetFec::P2mpPw { agi: sai(0, 1).agi, originator: address(0) };
        let mut responders = BTreeMap::new();
        for l in LEAVES {
            bfd.get_mut(&l).unwrap().set_tree(TREE, Some((address(l), false)));
            let mut responder = Responder::new(now, ResponderConfig::new(vec![address(l)])).unwrap();
            responder.set_label(label, Some(LabelOperation::Pop));
            responder.set_fec(fec.clone(), Some(FecBinding { label, protocol: LabelProtocol::LDP }));
            responders.insert(l, responder);
        }
        let prober = Prober::new(now, ProberConfig::default()).unwrap();
        let (tails, missing) = (Vec::new(), Vec::new());
        let mut all = Self { pes, pw, label, bfd, head, prober, responders, tails, missing };
        all.run(Duration::from_secs(5));
        all.bfd.get_mut(&0).unwrap().solicit(all.pes.net.now, head).unwrap();
        all.run(200 * MS);
        assert_eq!(all.up(), LEAVES);
        all
    }

    /// Tails that the head knows to be up.
    fn up(&self) -> Vec<usize> {
        self.bfd[&0].tails(self.head).filter(|(_, state)| *state == State::Up).map(|(tail, _)| node(tail)).collect()
    }

    fn states(&self) -> Vec<LeafState> {
        self.pes.roots[&0].pw(self.pw).unwrap().leaves.into_iter().map(|(_, state)| state).collect()
    }

    /// A datagram in the pseudowire's control channel: on each leg of the tree, by the labels that frames have.
    fn in_band(&mut self, ip: &[u8]) {
        let net = &mut self.pes.net;
        let legs: Vec<_> = net.nodes[0].legs.values().filter_map(|id| net.nodes[0].fwd.nhlfe(*id)).collect();
        for mut leg in legs {
            let mut stack = leg.push.as_slice().to_vec();
            let (iface, mac) = loop {
                match leg.next {
                    NextHop::Neighbor { iface, mac } => break (iface, mac),
                    NextHop::Nhlfe(id) => leg = net.nodes[0].fwd.nhlfe(id).unwrap(),
                    other => panic!("{other:?}"),
                }
                stack.splice(..0, leg.push.as_slice().iter().copied());
            };
            let mut frame = Ethernet::new(mac, Mac([2, 0, 0, 0, 0, 1]), EtherType::MPLS).0.to_vec();
            stack.iter().for_each(|l| frame.extend(LabelEntry::new(*l, 6, false, 255).0));
            vccv::emit_header(CcTypes::CONTROL_WORD, true, self.label, 255, Payload::Ipv4, &mut frame);
            frame.extend(ip);
            let link = net.links[iface.0 as usize];
            let left = net.inject(if link.a == 0 { link.b } else { link.a }, iface, frame);
            assert_eq!(left, [], "customers see nothing of it");
        }
        for l in LEAVES {
            for (_, octets) in std::mem::take(&mut self.pes.net.nodes[l].punts) {
                let packet = Received { router_alert: false, gal: false, ttl: 255, octets: &octets };
                let Some((Payload::Ipv4, ip)) = vccv::receive(CcTypes::CONTROL_WORD, true, &packet) else {
                    panic!("{octets:02x?}")
                };
                self.arrives(l, ip);
            }
        }
    }

    fn arrives(&mut self, l: usize, ip: &[u8]) {
        let now = self.pes.net.now;
        let (from, source_port, port, octets) = parts(ip);
        if port == PING {
            let labels = [ReceivedLabel { label: self.label, tc_s: 1, ttl: 255 }];
            let (iface, channel) = (AC, Some(bfd::PwRef(1)));
            let arrival = lsp_ping::Arrival { iface, labels: &labels, from, source_port, channel, time: 0 };
            self.responders.get_mut(&l).unwrap().handle_input(now, ResponderInput::Request { arrival, octets });
        } else {
            assert_eq!(port, bfd::PORT);
            let arrival = bfd::Arrival::Tree { tree: TREE, from };
            self.bfd.get_mut(&l).unwrap().handle_input(now, bfd::Input::Packet { arrival, octets });
        }
    }

    /// Carries out what BFD and ping say; whatever is not in band arrives.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            for n in [0, 3, 4, 5] {
                while let Some(output) = self.bfd.get_mut(&n).unwrap().poll_output() {
                    idle = false;
                    self.of_bfd(n, output);
                }
            }
            while let Some(output) = self.prober.poll_output() {
                idle = false;
                match output {
                    ProbeOutput::Request { octets, .. } => self.in_band(&datagram(address(0), (40_000, PING), &octets)),
                    ProbeOutput::Event(ProbeEvent::Done { missing, .. }) => self.missing.push(missing),
                    ProbeOutput::Event(_) => {}
                }
            }
            for l in LEAVES {
                while let Some(output) = self.responders.get_mut(&l).unwrap().poll_output() {
                    idle = false;
                    let ResponderOutput::Reply { from, octets, .. } = output else { panic!("{output:?}") };
                    self.prober.handle_input(self.pes.net.now, ProbeInput::Reply { from, octets: &octets });
                }
            }
            if idle {
                return self.pes.settle();
            }
        }
    }

    fn of_bfd(&mut self, n: usize, output: bfd::Output) {
        let now = self.pes.net.now;
        match output {
            bfd::Output::Packet { via: Via::Tree { from, source_port, .. }, octets } => {
                self.in_band(&datagram(from, (source_port, bfd::PORT), &octets));
            }
            bfd::Output::Packet { via: Via::Udp { iface, from, to, source_port, port }, octets } => {
                let iface = iface.unwrap_or(AC);
                let arrival = bfd::Arrival::Udp { iface, from, to, ttl: 254, source_port, port };
                let input = bfd::Input::Packet { arrival, octets: &octets };
                self.bfd.get_mut(&node(to)).unwrap().handle_input(now, input);
            }
            bfd::Output::Event(bfd::Event::Tail { tail, state, .. }) => {
                self.tails.push((now, node(tail), state));
                let root = self.pes.roots.get_mut(&0).unwrap();
                root.set_oam(now, self.pw, ldp_id(node(tail)), state == State::Up);
            }
            bfd::Output::Event(bfd::Event::State { state, .. }) if n != 0 => {
                self.pes.leaves.get_mut(&n).unwrap().set_oam(now, &sai(0, 1), state == State::Up);
            }
            _ => {}
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.pes.net.now + time;
        loop {
            self.settle();
            let now = self.pes.net.now;
            let due = self.bfd.values().filter_map(Bfd::next_timeout);
            let due = due.chain(self.prober.next_timeout());
            let due = due.chain(self.responders.values().filter_map(Responder::next_timeout)).min();
            let until = due.map_or(end, |at| at.clamp(now, end));
            self.pes.run(until - now);
            if until == end && due.is_none_or(|at| at > end) {
                return;
            }
            self.bfd.values_mut().for_each(|bfd| bfd.handle_timeout(until));
            self.prober.handle_timeout(until);
            self.responders.values_mut().for_each(|responder| responder.handle_timeout(until));
        }
    }

    /// Leaves that an LSP ping through the pseudowire does not reach.
    fn ping(&mut self) -> Vec<usize> {
        let fec = TargetFec::P2mpPw { agi: sai(0, 1).agi, originator: address(0) };
        let mut probe = Probe::new(LspRef(1), vec![fec], ProbeMode::Ping { count: 1, interval: 1000 * MS });
        probe.expected = LEAVES.map(address).into();
        self.prober.start(self.pes.net.now, probe).unwrap();
        self.run(Duration::from_secs(4));
        self.missing.pop().expect("the ping ended").into_iter().map(node).collect()
    }
}

/// The branch to a leaf breaks: the root hears of it in band, within three intervals of BFD, and by the leaf's LDP status; of no other.
///
/// Shows: P2MP-FLT-2
#[test]
fn a_detached_leaf_is_reported_in_band_and_by_status() {
    let mut all = Monitored::new();
    assert_eq!(all.states(), [LeafState::Confirmed; 3]);
    let (since, before, heard) = (all.pes.net.now, all.pes.log.len(), all.tails.len());
    all.pes.net.set_link(3, false);
    all.pes.settle();
    all.run(3 * 100 * MS);
    let [(at, 4, State::Down)] = all.tails[heard..] else { panic!("{:?}", &all.tails[heard..]) };
    assert!(at - since <= 300 * MS);
    let statuses: Vec<_> = all.pes.log[before..]
        .iter()
        .filter_map(|(from, to, m)| match &m.body {
            MessageBody::Notification(_) => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [(4, 0)], "and by status");
    let fault = LeafState::Fault(PwStatus::PSN_RECEIVE_FAULT);
    assert_eq!(all.states(), [LeafState::Confirmed, fault, LeafState::Confirmed]);
    assert_eq!(all.up(), [3, 5]);
}

/// A router forwards no more what its tables had for a tree, and its LDP knows nothing of it: the leaves behind it notice, the root hears
/// of exactly those, and an LSP ping in the pseudowire misses them too.
///
/// Shows: P2MP-FLT-6
#[test]
fn a_black_hole_is_found_though_signalling_is_well() {
    let mut all = Monitored::new();
    assert_eq!(all.ping(), []);
    let labels = (16..2016).map(|l| Label::new(l).unwrap());
    let p2 = &mut all.pes.net.nodes[2];
    let gone: Vec<_> = labels.filter_map(|label| Some((label, p2.fwd.ilm(label)?))).collect();
    assert_eq!(gone.len(), 1, "the tree's");
    for (label, _) in &gone {
        p2.fwd.apply(&FwdOp::ClearIlm { label: *label }).unwrap();
    }
    let said = all.pes.net.nodes.iter().map(|n| n.sent).sum::<u64>();
    let (since, before, heard) = (all.pes.net.now, all.pes.log.len(), all.tails.len());
    assert_eq!(all.pes.frame(0, AC), [(5, 50)]);
    all.run(3 * 100 * MS);
    let mut lost: Vec<_> = all.tails[heard..].iter().map(|(_, l, state)| (*l, *state)).collect();
    lost.sort_unstable();
    assert_eq!(lost, [(3, State::Down), (4, State::Down)]);
    assert!(all.tails[heard..].iter().all(|(at, ..)| *at - since <= 300 * MS));
    let fault = LeafState::Fault(PwStatus::PSN_RECEIVE_FAULT);
    assert_eq!(all.states(), [fault, fault, LeafState::Confirmed]);
    // Signalling of the tree is as it was; of the pseudowire there are the two leaves' own reports.
    assert_eq!(all.pes.net.nodes.iter().map(|n| n.sent).sum::<u64>(), said);
    assert!(
        all.pes.log[before..]
            .iter()
            .all(|(from, to, m)| { matches!((from, to, &m.body), (3 | 4, 0, MessageBody::Notification(_))) })
    );
    assert_eq!(all.ping(), [3, 4]);
    for (label, ilm) in gone {
        all.pes.net.nodes[2].fwd.apply(&FwdOp::SetIlm { label, ilm }).unwrap();
    }
    all.run(500 * MS);
    all.bfd.get_mut(&0).unwrap().solicit(all.pes.net.now, all.head).unwrap();
    all.run(Duration::from_secs(2));
    assert_eq!(all.ping(), []);
    assert_eq!(all.states(), [LeafState::Confirmed; 3]);
    assert_eq!(all.pes.frame(0, AC), [(3, 50), (4, 50), (5, 50)]);
}
