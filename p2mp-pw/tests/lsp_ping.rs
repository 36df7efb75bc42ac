//! Ping and traceroute over a tree and over a path, between machines.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{IfIndex, IpPrefix, Label};
use fwd_core::time::Instant;
use p2mp_pw::bfd::PwRef;
use p2mp_pw::ldp::fec::{Attachment, MultipointFec, MultipointKind, OpaqueElement, OpaqueValue};
use p2mp_pw::lsp_ping::*;

const MS: Duration = Duration::from_millis(1);

fn node(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn v4(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, n)
}

/// The label that node `n` gave its upstream neighbour.
fn label(n: u8) -> Label {
    Label::new(1000 + u32::from(n)).unwrap()
}

fn mldp() -> TargetFec {
    multipoint(MultipointKind::P2mp)
}

fn multipoint(kind: MultipointKind) -> TargetFec {
    let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(9));
    TargetFec::Mldp(MultipointFec { kind, root: node(1), opaque })
}

fn rsvp() -> TargetFec {
    let (extended_tunnel_id, sender) = (v4(1), v4(1));
    TargetFec::RsvpP2mp4(RsvpP2mpLsp { p2mp_id: 1, tunnel_id: 2, extended_tunnel_id, sender, lsp_id: 3 })
}

/// Node 1 is the root of 20 egresses. Children of each node; leaves have none; node 4 is a bud.
const TREE: [(u8, &[u8]); 5] = [(1, &[2]), (2, &[3, 4]), (3, &[5, 6]), (4, &[7, 8]), (6, &FAN)];
const FAN: [u8; 16] = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25];
const BUD: u8 = 4;

fn children(n: u8) -> &'static [u8] {
    TREE.iter().find(|(node, _)| *node == n).map_or(&[], |(_, children)| *children)
}

fn egresses(n: u8) -> Vec<IpAddr> {
    let below = children(n).iter().flat_map(|child| egresses(*child));
    let own = (children(n).is_empty() || n == BUD).then_some(node(n));
    own.into_iter().chain(below).collect()
}

/// A network of one tree: responders, and what the data plane does, which may differ from what they know.
struct Net {
    now: Instant,
    prober: Prober,
    responders: BTreeMap<u8, Responder>,
    /// Nodes that forward nothing.
    broken: Vec<u8>,
    /// Labels that arrive at a node other than those it gave out.
    wrong: BTreeMap<u8, Label>,
    events: Vec<ProbeEvent>,
    replied_at: Vec<(u8, Instant)>,
}

fn responder(n: u8, fec: &TargetFec) -> Responder {
    let now = Instant::ZERO;
    let mut responder =
        Responder::new(now, ResponderConfig { seed: n.into(), ..ResponderConfig::new(vec![node(n)]) }).unwrap();
    let downstream = |child: &u8| Downstream {
        mtu: 1500,
        address: InterfaceAddress::V4 { address: v4(*child), interface: v4(100 + *child) },
        labels: vec![DownstreamLabel::new(label(*child), LabelProtocol::LDP)],
        mpls: true,
        egresses: egresses(*child),
        changes: vec![],
    };
    let operation = if children(n).is_empty() {
        LabelOperation::Pop
    } else {
        LabelOperation::Switch { downstreams: children(n).iter().map(downstream).collect(), local: n == BUD }
    };
    responder.set_label(label(n), Some(operation));
    responder.set_fec(fec.clone(), Some(FecBinding { label: label(n), protocol: LabelProtocol::LDP }));
    let address = InterfaceAddress::V4 { address: v4(n), interface: v4(100 + n) };
    responder.set_interface(IfIndex(1), Some(InterfaceInfo { address, protocols: vec![] }));
    responder
}

impl Net {
    fn new(fec: &TargetFec) -> Self {
        let now = Instant::from_secs(1);
        Self {
            now,
            prober: Prober::new(now, ProberConfig::default()).unwrap(),
            responders: (2..=8).chain(FAN).map(|n| (n, responder(n, fec))).collect(),
            broken: vec![],
            wrong: BTreeMap::new(),
            events: vec![],
            replied_at: vec![],
        }
    }

    /// Carries a request down the tree, node by node, as labels and TTL say.
    fn carry(&mut self, n: u8, ttl: u8, octets: &[u8]) {
        let received = self.wrong.get(&n).copied().unwrap_or(label(n));
        let labels = [ReceivedLabel { label: received, tc_s: 1, ttl }];
        let leaf = children(n).is_empty();
        if leaf || ttl == 1 || n == BUD {
            let arrival = Arrival {
                iface: IfIndex(1),
                labels: &labels,
                from: node(1),
                source_port: 5000,
                channel: None,
                time: 99,
            };
            let responder = self.responders.get_mut(&n).unwrap();
            responder.handle_input(self.now, ResponderInput::Request { arrival, octets });
        }
        if ttl > 1 && !self.broken.contains(&n) {
            children(n).iter().for_each(|child| self.carry(*child, ttl - 1, octets));
        }
    }

    fn run(&mut self, probe: Probe) -> Vec<ProbeEvent> {
        self.prober.start(self.now, probe).unwrap();
        for _ in 0..60_000 {
            self.prober.handle_timeout(self.now);
            while let Some(output) = self.prober.poll_output() {
                match output {
                    ProbeOutput::Request { ttl, octets, to, .. } => {
                        assert!(matches!(to, IpAddr::V4(to) if to.is_loopback()));
                        self.carry(2, ttl, &octets);
                    }
                    ProbeOutput::Event(event) => self.events.push(event),
                }
            }
            for (n, responder) in &mut self.responders {
                responder.handle_timeout(self.now);
                while let Some(output) = responder.poll_output() {
                    if let ResponderOutput::Reply { octets, from, port: 5000, .. } = output {
                        self.replied_at.push((*n, self.now));
                        self.prober.handle_input(self.now, ProbeInput::Reply { from, octets: &octets });
                    }
                }
            }
            if matches!(self.events.last(), Some(ProbeEvent::Done { .. })) {
                return std::mem::take(&mut self.events);
            }
            self.now = self.now + MS;
        }
        panic!("the probe does not end")
    }
}

fn replies(events: &[ProbeEvent]) -> Vec<(IpAddr, u8, ReturnCode)> {
    let reply = |event: &ProbeEvent| match event {
        ProbeEvent::Reply(_, reply) => Some((reply.from, reply.ttl, reply.code)),
        _ => None,
    };
    let mut list: Vec<_> = events.iter().filter_map(reply).collect();
    list.sort();
    list
}

fn ping(fec: TargetFec) -> Probe {
    let expected = egresses(2);
    Probe { expected, ..Probe::new(LspRef(1), vec![fec], ProbeMode::Ping { count: 1, interval: 1000 * MS }) }
}

fn trace(fec: TargetFec) -> Probe {
    Probe { jitter: Some(20 * MS), ..Probe::new(LspRef(1), vec![fec], ProbeMode::Traceroute { max_ttl: 8 }) }
}

/// Shows: VPLS-TEST-7, VPLS-TEST-1
#[test]
fn every_egress_answers_once_and_within_the_jitter() {
    for fec in [mldp(), rsvp()] {
        let mut net = Net::new(&fec);
        let start = net.now;
        let events = net.run(ping(fec.clone()));
        let mut egress: Vec<_> = egresses(2).into_iter().map(|n| (n, 255, ReturnCode::EGRESS)).collect();
        egress.sort();
        assert_eq!(egress.len(), 20);
        assert_eq!(replies(&events), egress);
        let Some(ProbeEvent::Done { missing, sent: 1, .. }) = events.last() else { panic!("{events:?}") };
        assert!(missing.is_empty());
        let times: Vec<Duration> = net.replied_at.iter().map(|(_, at)| *at - start).collect();
        assert!(times.iter().all(|time| *time <= 1000 * MS));
        assert!(times.iter().max().unwrap().saturating_sub(*times.iter().min().unwrap()) > 100 * MS, "{times:?}");
        // A branch to one leaf leads nowhere: that leaf alone is missing.
        net.wrong.insert(25, Label::new(778).unwrap());
        let events = net.run(ping(fec));
        let Some(ProbeEvent::Done { missing, egresses: heard, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!((missing.as_slice(), heard.len()), (&[node(25)][..], 19));
    }
}

/// A thousand leaves that answer the same request do it all over the second that it allows: no tenth of it has much more than a tenth.
///
/// Shows: MVPN-OAM-15, MVPN-TRB-5
#[test]
fn a_thousand_leaves_answer_all_over_the_jitter() {
    let (now, fec) = (Instant::from_secs(1), mldp());
    let mut prober = Prober::new(now, ProberConfig::default()).unwrap();
    prober.start(now, ping(fec.clone())).unwrap();
    prober.handle_timeout(now);
    let requests = std::iter::from_fn(|| prober.poll_output());
    let octets = requests.filter_map(|output| match output {
        ProbeOutput::Request { octets, .. } => Some(octets),
        ProbeOutput::Event(_) => None,
    });
    let octets = octets.last().unwrap();
    let n = FAN[15];
    let mut tenths = [0; 10];
    for seed in 0..1000 {
        let config = ResponderConfig { seed, ..ResponderConfig::new(vec![node(n)]) };
        let mut leaf = Responder::new(now, config).unwrap();
        leaf.set_label(label(n), Some(LabelOperation::Pop));
        leaf.set_fec(fec.clone(), Some(FecBinding { label: label(n), protocol: LabelProtocol::LDP }));
        let address = InterfaceAddress::V4 { address: v4(n), interface: v4(100 + n) };
        leaf.set_interface(IfIndex(1), Some(InterfaceInfo { address, protocols: vec![] }));
        let labels = [ReceivedLabel { label: label(n), tc_s: 1, ttl: 200 }];
        let arrival =
            Arrival { iface: IfIndex(1), labels: &labels, from: node(1), source_port: 5000, channel: None, time: 99 };
        leaf.handle_input(now, ResponderInput::Request { arrival, octets: &octets });
        let at = leaf.next_timeout().unwrap();
        leaf.handle_timeout(at);
        assert!(matches!(leaf.poll_output(), Some(ResponderOutput::Reply { .. })));
        tenths[((at - now).as_millis() as usize / 100).min(9)] += 1;
    }
    assert!(tenths.iter().all(|n| (60..=140).contains(n)), "{tenths:?}");
}

/// Shows: MVPN-TRB-5
#[test]
fn a_broken_branch_is_missing_in_a_ping_and_found_by_a_traceroute() {
    let mut net = Net::new(&mldp());
    net.broken = vec![3];
    let events = net.run(ping(mldp()));
    let Some(ProbeEvent::Done { missing, egresses: heard, .. }) = events.last() else { panic!() };
    assert_eq!(missing, &egresses(3));
    assert_eq!(heard, &[node(4), node(7), node(8)]);
    let events = net.run(trace(mldp()));
    let Some(ProbeEvent::Done { broken, sent: 3, .. }) = events.last() else { panic!("{events:?}") };
    // Node 3 is the last good one of both paths.
    assert_eq!(broken, &[(node(3), node(5)), (node(3), node(6))]);
}

/// Shows: VPLS-FM-7, MVPN-TRB-4, MVPN-TRB-5
#[test]
fn a_traceroute_names_branches_buds_and_leaves() {
    for fec in [mldp(), multipoint(MultipointKind::Mp2mpDown)] {
        let mut net = Net::new(&fec);
        let events = net.run(trace(fec));
        let (see, egress) = (ReturnCode::SEE_DDMAP, ReturnCode::EGRESS);
        let mut expected =
            vec![(2, 1, see), (3, 2, see), (4, 2, egress), (5, 3, egress), (6, 3, see), (7, 3, egress), (8, 3, egress)];
        expected.extend(FAN.map(|n| (n, 4, egress)));
        let expected: Vec<_> = expected.into_iter().map(|(n, ttl, code)| (node(n), ttl, code)).collect();
        assert_eq!(replies(&events), expected);
        let Some(ProbeEvent::Done { broken, .. }) = events.last() else { panic!() };
        assert!(broken.is_empty());
        // The bud maps its branches too, each with a code of its own.
        let bud = events.iter().find_map(|event| match event {
            ProbeEvent::Reply(_, reply) if reply.from == node(BUD) => Some(reply),
            _ => None,
        });
        let codes: Vec<_> = bud.unwrap().downstreams.iter().map(|mapping| mapping.return_code).collect();
        assert_eq!(codes, [ReturnCode::LABEL_SWITCHED; 2]);
    }
}

/// The control plane's FEC against the data plane's label.
///
/// Shows: VPLS-TEST-4
#[test]
fn a_flipped_label_is_a_mapping_error() {
    let mut net = Net::new(&mldp());
    let flipped = Label::new(777).unwrap();
    net.wrong.insert(7, flipped);
    net.responders.get_mut(&7).unwrap().set_label(flipped, Some(LabelOperation::Pop));
    net.wrong.insert(8, Label::new(778).unwrap());
    let events = net.run(ping(mldp()));
    let found = replies(&events);
    assert!(found.contains(&(node(7), 255, ReturnCode::NOT_THE_GIVEN_LABEL)), "{found:?}");
    assert!(found.contains(&(node(8), 255, ReturnCode::NO_LABEL_ENTRY)), "{found:?}");
    let Some(ProbeEvent::Done { missing, .. }) = events.last() else { panic!() };
    assert_eq!(missing, &[node(7), node(8)]);
    let mut net = Net::new(&mldp());
    net.responders.get_mut(&5).unwrap().set_fec(mldp(), None);
    assert!(replies(&net.run(ping(mldp()))).contains(&(node(5), 255, ReturnCode::NO_MAPPING)));
}

/// RFC 6425 §3.2, §4.2.1.3.
#[test]
fn responder_identifiers_limit_who_answers() {
    let only = |n| Some(P2mpResponder::Node(node(n)));
    let towards = |n| Some(P2mpResponder::Egress(node(n)));
    let who = |fec: TargetFec, probe: Probe, responder: Option<P2mpResponder>| {
        let events = Net::new(&fec).run(Probe { responder, ..probe });
        replies(&events).into_iter().map(|(from, ttl, code)| (from, ttl, code.0)).collect::<Vec<_>>()
    };
    assert_eq!(who(mldp(), ping(mldp()), only(5)), [(node(5), 255, 3)]);
    assert_eq!(who(mldp(), ping(mldp()), only(77)), []);
    assert_eq!(who(mldp(), ping(mldp()), towards(5)), [], "with mLDP nobody knows");
    assert_eq!(who(rsvp(), ping(rsvp()), towards(5)), [(node(5), 255, 3)]);
    // The path to one egress; the bud on it is transit, and where it is the egress, egress only.
    let path = [(node(2), 1, 14), (node(4), 2, 14), (node(8), 3, 3)];
    assert_eq!(who(rsvp(), trace(rsvp()), towards(8)), path);
    assert_eq!(who(rsvp(), trace(rsvp()), towards(4)), [(node(2), 1, 14), (node(4), 2, 3)]);
}

fn arrival(labels: &[ReceivedLabel]) -> Arrival<'_> {
    Arrival { iface: IfIndex(1), labels, from: node(1), source_port: 5000, channel: None, time: 5 }
}

fn request(tlvs: Vec<Tlv>) -> EchoMessage {
    EchoMessage {
        flags: GlobalFlags::VALIDATE_FEC_STACK,
        kind: MessageType::ECHO_REQUEST,
        reply_mode: ReplyMode::UDP,
        return_code: ReturnCode::NONE,
        return_subcode: 0,
        handle: 0xabcd,
        sequence: 3,
        sent: 1,
        received: 0,
        tlvs,
    }
}

fn ask(node: &mut Responder, message: &EchoMessage, labels: &[ReceivedLabel]) -> Option<EchoMessage> {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    node.handle_input(Instant::from_secs(1), ResponderInput::Request { arrival: arrival(labels), octets: &octets });
    std::iter::from_fn(|| node.poll_output()).find_map(|output| match output {
        ResponderOutput::Reply { octets, .. } => Some(EchoMessage::parse(&octets).unwrap()),
        ResponderOutput::Event(_) => None,
    })
}

fn received(label: Label) -> ReceivedLabel {
    ReceivedLabel { label, tc_s: 1, ttl: 1 }
}

/// A VPN label below a transport label that the neighbour popped, and below one that it did not (RFC 8029 §4.4 steps 3 to 6).
///
/// Shows: L3VPN-TSK-5
#[test]
fn a_stack_of_fecs_is_checked_from_the_bottom() {
    let transport = TargetFec::Ldp(IpPrefix::V4("192.0.2.9/32".parse().unwrap()));
    let vpn =
        TargetFec::Vpn { rd: [0, 0, 0xfd, 0xe9, 0, 0, 0, 7], prefix: IpPrefix::V4("10.0.0.0/8".parse().unwrap()) };
    let mut egress = Responder::new(Instant::ZERO, ResponderConfig::new(vec![node(9)])).unwrap();
    let (outer, inner) = (Label::new(300).unwrap(), Label::new(500).unwrap());
    egress.set_label(inner, Some(LabelOperation::Pop));
    egress.set_fec(vpn.clone(), Some(FecBinding { label: inner, protocol: LabelProtocol::BGP }));
    egress.set_fec(transport.clone(), Some(FecBinding { label: Label::IMPLICIT_NULL, protocol: LabelProtocol::LDP }));
    let message = request(vec![Tlv::TargetFecStack(vec![transport.clone(), vpn.clone()])]);
    let reply = ask(&mut egress, &message, &[received(inner)]).unwrap();
    assert_eq!((reply.return_code, reply.return_subcode), (ReturnCode::EGRESS, 1));
    assert_eq!((reply.handle, reply.sequence, reply.sent, reply.received), (0xabcd, 3, 1, 5));
    egress.set_label(outer, Some(LabelOperation::Pop));
    egress.set_fec(transport.clone(), Some(FecBinding { label: outer, protocol: LabelProtocol::LDP }));
    let reply = ask(&mut egress, &message, &[received(outer), received(inner)]).unwrap();
    assert_eq!(reply.return_code, ReturnCode::EGRESS);
    // The VRF label moved.
    egress.set_fec(vpn.clone(), Some(FecBinding { label: Label::new(501).unwrap(), protocol: LabelProtocol::BGP }));
    let reply = ask(&mut egress, &message, &[received(outer), received(inner)]).unwrap();
    assert_eq!((reply.return_code, reply.return_subcode), (ReturnCode::NOT_THE_GIVEN_LABEL, 1));
    egress.set_fec(vpn, None);
    let reply = ask(&mut egress, &message, &[received(outer), received(inner)]).unwrap();
    assert_eq!(reply.return_code, ReturnCode::NO_MAPPING);
    let reply = ask(&mut egress, &message, &[received(outer), received(Label::MAX)]).unwrap();
    assert_eq!((reply.return_code, reply.return_subcode), (ReturnCode::NO_LABEL_ENTRY, 1));
    // No LDP on the interface.
    let address = InterfaceAddress::V4 { address: v4(9), interface: v4(109) };
    egress.set_interface(IfIndex(1), Some(InterfaceInfo { address, protocols: vec![LabelProtocol::RSVP_TE] }));
    let message = request(vec![Tlv::TargetFecStack(vec![transport])]);
    let reply = ask(&mut egress, &message, &[received(outer)]).unwrap();
    assert_eq!(reply.return_code, ReturnCode::PROTOCOL_NOT_ASSOCIATED);
}

/// RFC 8029 §4.4 step 4: mappings of the sender's are compared with what came.
#[test]
fn downstream_mappings_are_verified() {
    let mut transit = responder(2, &mldp());
    let fec = Tlv::TargetFecStack(vec![mldp()]);
    let mut mapping = |interface: u8, wanted: Label| {
        let address = InterfaceAddress::V4 { address: v4(2), interface: v4(interface) };
        let labels = vec![DownstreamLabel::new(wanted, LabelProtocol::LDP)];
        let tlv = Tlv::DownstreamDetailed(Box::new(DownstreamDetailed::new(1500, address, labels)));
        let reply = ask(&mut transit, &request(vec![fec.clone(), tlv]), &[received(label(2))]).unwrap();
        let seen = reply.tlvs.iter().any(|tlv| matches!(tlv, Tlv::InterfaceAndLabelStack(_)));
        (reply.return_code, reply.downstreams().count(), seen)
    };
    assert_eq!(mapping(102, label(2)), (ReturnCode::SEE_DDMAP, 2, false));
    assert_eq!(mapping(103, label(2)), (ReturnCode::DOWNSTREAM_MAPPING_MISMATCH, 0, true));
    assert_eq!(mapping(102, label(3)), (ReturnCode::DOWNSTREAM_MAPPING_MISMATCH, 0, true));
}

/// Shows: MVPN-TRB-5
#[test]
fn what_is_not_understood_comes_back_and_limits_hold() {
    let mut leaf = responder(5, &mldp());
    let (fec, labels) = (Tlv::TargetFecStack(vec![mldp()]), [received(label(5))]);
    let strange = Tlv::Unknown(TlvType(0x4000), (&[1, 2, 3][..]).into());
    let optional = Tlv::Unknown(TlvType(0x8001), (&[1][..]).into());
    let reply = ask(&mut leaf, &request(vec![fec.clone(), strange, optional.clone()]), &labels).unwrap();
    assert_eq!(reply.return_code, ReturnCode::TLV_NOT_UNDERSTOOD);
    assert_eq!(reply.tlvs, [Tlv::ErroredTlvs((&[0x40, 0, 0, 3, 1, 2, 3, 0][..]).into())]);
    let pad = Tlv::Pad { first: 2, len: 9 };
    let reply = ask(&mut leaf, &request(vec![fec.clone(), optional, pad.clone()]), &labels).unwrap();
    assert_eq!((reply.return_code, reply.tlvs), (ReturnCode::EGRESS, vec![pad]));
    // A FEC that ends too early: malformed, with the header returned.
    let mut octets = Vec::new();
    request(vec![fec.clone()]).emit(&mut octets);
    octets[33 + 6] = 60;
    leaf.handle_input(Instant::from_secs(1), ResponderInput::Request { arrival: arrival(&labels), octets: &octets });
    let Some(ResponderOutput::Reply { octets, .. }) = leaf.poll_output() else { panic!() };
    let reply = EchoMessage::parse(&octets).unwrap();
    assert_eq!((reply.return_code, reply.handle), (ReturnCode::MALFORMED, 0xabcd));
    // No reply to a reply, nor to who wants none, nor by a channel that there is not.
    let mut message = request(vec![fec]);
    message.kind = MessageType::ECHO_REPLY;
    assert_eq!(ask(&mut leaf, &message, &labels), None);
    message.kind = MessageType::ECHO_REQUEST;
    for mode in [ReplyMode::DO_NOT_REPLY, ReplyMode::CONTROL_CHANNEL] {
        message.reply_mode = mode;
        assert_eq!(ask(&mut leaf, &message, &labels), None);
    }
    message.reply_mode = ReplyMode::UDP;
    let answered = (0..200).filter(|_| ask(&mut leaf, &message, &labels).is_some()).count();
    assert_eq!(answered, 100 - 6);
    assert_eq!(leaf.counters().limited, 106);
}

/// A P2MP pseudowire in the control channel, and the BFD session that a request asks for (RFC 8339, RFC 5884 §6).
#[test]
fn pseudowires_answer_by_their_channel_and_bootstrap_bfd() {
    let agi = Attachment::group([0, 0, 0xfd, 0xe9, 0, 0, 0, 7]);
    let fec = TargetFec::P2mpPw { agi, originator: node(1) };
    let mut leaf = Responder::new(Instant::ZERO, ResponderConfig::new(vec![node(5)])).unwrap();
    leaf.set_label(label(5), Some(LabelOperation::Pop));
    leaf.set_fec(fec.clone(), Some(FecBinding { label: label(5), protocol: LabelProtocol::LDP }));
    let mut message =
        request(vec![Tlv::TargetFecStack(vec![fec.clone()]), Tlv::BfdDiscriminator(77), Tlv::ReplyTos(0xc0)]);
    message.reply_mode = ReplyMode::CONTROL_CHANNEL;
    let mut octets = Vec::new();
    message.emit(&mut octets);
    let labels = [received(label(5))];
    let arrival = Arrival { channel: Some(PwRef(4)), ..arrival(&labels) };
    leaf.handle_input(Instant::from_secs(1), ResponderInput::Request { arrival, octets: &octets });
    let event = ResponderEvent::BfdDiscriminator { fec, from: node(1), discriminator: 77 };
    assert_eq!(leaf.poll_output(), Some(ResponderOutput::Event(event)));
    let Some(ResponderOutput::Reply { channel: Some(PwRef(4)), tos: Some(0xc0), .. }) = leaf.poll_output() else {
        panic!()
    };
}

/// A tunnel on the way is pushed, traced and popped again (RFC 8029 §4.5.1, §4.6).
#[test]
fn a_traceroute_follows_a_tunnel() {
    let inner = TargetFec::Ldp(IpPrefix::V4("192.0.2.9/32".parse().unwrap()));
    let tunnel = TargetFec::Rsvp4(RsvpLsp {
        endpoint: v4(4),
        tunnel_id: 1,
        extended_tunnel_id: v4(2),
        sender: v4(2),
        lsp_id: 1,
    });
    let now = Instant::from_secs(1);
    let mut prober = Prober::new(now, ProberConfig::default()).unwrap();
    prober.start(now, Probe::new(LspRef(1), vec![inner.clone()], ProbeMode::Traceroute { max_ttl: 9 })).unwrap();
    let mapping = |n: u8, change: Option<FecStackChange>| {
        let address = InterfaceAddress::V4 { address: v4(n), interface: v4(n) };
        let mut mapping = DownstreamDetailed::new(1500, address, vec![]);
        mapping.sub_tlvs.extend(change.map(DownstreamSubTlv::FecStackChange));
        vec![Tlv::DownstreamDetailed(Box::new(mapping))]
    };
    let push = FecStackChange { push: true, remote_peer: Some(node(4)), fec: Some(tunnel.clone()) };
    let answers = [
        (2, ReturnCode::LABEL_SWITCHED_WITH_FEC_CHANGE, mapping(3, Some(push))),
        (3, ReturnCode::LABEL_SWITCHED, mapping(4, None)),
        (4, ReturnCode::EGRESS, vec![]), // of the tunnel
        (4, ReturnCode::LABEL_SWITCHED, mapping(9, None)),
        (9, ReturnCode::EGRESS, vec![]),
    ];
    let mut asked = Vec::new();
    for (n, return_code, tlvs) in answers {
        let Some((ttl, octets)) = std::iter::from_fn(|| prober.poll_output()).find_map(|output| match output {
            ProbeOutput::Request { ttl, octets, .. } => Some((ttl, octets)),
            ProbeOutput::Event(_) => None,
        }) else {
            panic!("no request for {n}")
        };
        let request = EchoMessage::parse(&octets).unwrap();
        asked.push((ttl, request.fecs().to_vec()));
        let reply = EchoMessage { kind: MessageType::ECHO_REPLY, return_code, tlvs, ..request };
        let mut octets = Vec::new();
        reply.emit(&mut octets);
        prober.handle_input(now, ProbeInput::Reply { from: node(n), octets: &octets });
    }
    let (one, two) = (vec![inner.clone()], vec![tunnel, inner]);
    assert_eq!(asked, [(1, one.clone()), (2, two.clone()), (3, two), (3, one.clone()), (4, one)]);
    let done = std::iter::from_fn(|| prober.poll_output()).last();
    assert!(matches!(done, Some(ProbeOutput::Event(ProbeEvent::Done { egresses, .. })) if egresses == [node(9)]));
}
