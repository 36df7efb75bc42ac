//! A P2MP pseudowire without a tree whose packets go to each leaf by a link of its own, protected by ESP (RFC 7338 §5, RFC 4023 §8.1).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::sa::{InboundSa, OutboundSa};
use fwd_core::table::*;
use fwd_core::time::Instant;
use fwd_core::wire::l2tpv3::Cookie;
use fwd_core::wire::{EtherType, Ethernet};
use fwd_core::{DropReason, Forwarder, Frame, PuntReason, Replica, Verdict};
use lab::run::scene::vlink::crypto::AesGcm;
use p2mp_pw::ldp::fec::{Attachment as Name, PmsiTunnel};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, TlvType};
use p2mp_pw::mldp::GroupRange;
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig, LeafPwConfig};
use p2mp_pw::p2mp::root::{self, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, PortRange, Sai, Service, SpaceRange};

const NOW: Instant = Instant::from_secs(1);
const AC: IfIndex = IfIndex(9);
const LEAVES: [u8; 3] = [2, 3, 4];
/// What ESP adds at most: header, IV, trailer with padding, ICV.
const OVERHEAD: u8 = 8 + 8 + 5 + 16;
const TEXT: &[u8] = b"for the leaves of this pseudowire and nobody else";

fn lsr(n: u8) -> LdpId {
    LdpId::platform(Ipv4Addr::new(192, 0, 2, n))
}

fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, n])
}

fn sai() -> Sai {
    let saii = Name::aggregatable(64500, [192, 0, 2, 1].into(), 1);
    Sai { agi: Name::group([0, 0, 0xfb, 0xf4, 0, 0, 0, 9]), saii }
}

fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

/// A forwarding plane with interfaces `core` and a customer's.
fn forwarder(n: u8, core: &[u8]) -> Forwarder<'static> {
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 11].leak(),
        vrfs: vec![VrfSlot::EMPTY; 1].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 401].leak(),
        ilm: vec![IlmSlot::EMPTY; 1000].leak(),
        rib4: vec![Rib4Node::EMPTY; 64].leak(),
        fib4: vec![Word::ZERO; 4000].leak(),
        vlinks: vec![VlinkSlot::EMPTY; 9].leak(),
        vlink_index: vec![Word::ZERO; 32].leak(),
        multicast: MulticastMemory {
            vrfs: vec![MulticastVrfSlot::EMPTY; 1].leak(),
            routes: vec![ExactSlot::EMPTY; 64].leak(),
            groups: vec![ReplicationSlot::EMPTY; 200].leak(),
            legs: vec![LegSlot::EMPTY; 400].leak(),
            ..MulticastMemory::default()
        },
        bridge: BridgeMemory {
            vsis: vec![VsiSlot::EMPTY; 5].leak(),
            vsi_states: vec![VsiState::EMPTY; 4].leak(),
            ports: vec![PortSlot::EMPTY; 65].leak(),
            port_states: vec![PortState::EMPTY; 64].leak(),
            circuits: vec![CircuitSlot::EMPTY; 11].leak(),
            macs: vec![MacBucket::EMPTY; 16].leak(),
        },
        ..Memory::default()
    };
    let mut fwd = Forwarder::new(memory, CounterMemory::default()).unwrap();
    for iface in core.iter().map(|n| IfIndex((*n).into())).chain([AC]) {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(n), mtu: 1600, mpls: iface != AC };
        fwd.apply(&FwdOp::SetInterface { iface, interface }).unwrap();
    }
    fwd
}

/// A link between the root and a leaf: MPLS in IP inside of ESP.
fn vlink(own: u8, other: u8, label_space: Option<LabelSpaceId>) -> Vlink {
    let address = |n| Ipv4Addr::new(192, 0, 2, n);
    Vlink {
        ends: Ends::V4 { local: address(own), remote: address(other) },
        encapsulation: Encapsulation::MplsInIp,
        deliver: Deliver::Vrf(VrfId::GLOBAL),
        mpls: true,
        label_space,
        check_source: false,
        ordered: false,
        protection: Some(SaId(other.into())),
        model: TunnelModel::Pipe,
    }
}

fn link_to(fwd: &mut Forwarder<'_>, own: u8, other: u8, label_space: Option<LabelSpaceId>) {
    let (id, iface) = (VlinkId(other.into()), IfIndex(if own == 1 { other } else { own }.into()));
    let entry = NhlfeId(300 + u32::from(other));
    let next = NextHop::Neighbor { iface, mac: mac(other) };
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Pipe };
    let output = VlinkOutput {
        next: entry,
        key: None,
        cookie: Cookie::NONE,
        ports: (0, 0),
        numbered: false,
        mtu: 1500,
        ttl: 64,
        dscp: None,
        protection: Some(Protection { sa: SaId(other.into()), overhead: OVERHEAD }),
    };
    let into = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Vlink(id), model: TunnelModel::Pipe };
    let (local, route) = (Ipv4Prefix::host(Ipv4Addr::new(192, 0, 2, own)), RouteAction::Local);
    for op in [
        FwdOp::SetNhlfe { id: entry, nhlfe },
        FwdOp::SetVlink { id, vlink: vlink(own, other, label_space) },
        FwdOp::SetVlinkOutput { id, output },
        FwdOp::SetNhlfe { id: NhlfeId(310 + u32::from(other)), nhlfe: into },
        FwdOp::SetRoute4 { vrf: VrfId::GLOBAL, prefix: local, action: route },
    ] {
        fwd.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    }
}

struct Pes {
    root: (Root, Forwarder<'static>),
    leaves: BTreeMap<u8, (Leaf, Forwarder<'static>)>,
}

impl Pes {
    fn new() -> Self {
        let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(199) };
        let ports = PortRange { first: PortId(0), last: PortId(63) };
        let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(99) };
        let labels = LabelRange { first: label(500), last: label(999) };
        let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(9) };
        let root = Root::new(NOW, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
        let leaf = |n: u8| {
            let leaf = Leaf::new(NOW, LeafConfig::new(nhlfes, ports, groups, spaces)).unwrap();
            (n, (leaf, forwarder(n, &[n])))
        };
        Self { root: (root, forwarder(1, &LEAVES)), leaves: LEAVES.map(leaf).into() }
    }

    /// Messages and operations, until nobody has any.
    fn settle(&mut self) {
        let across = |from: u8, message: Message| -> Message {
            let mut octets = Vec::new();
            Pdu::emit(lsr(from), &[message], &mut octets);
            Pdu::parse(&octets).unwrap().messages().next().unwrap().unwrap().parse().unwrap()
        };
        loop {
            let mut idle = true;
            while let Some(output) = self.root.0.poll_output() {
                idle = false;
                match output {
                    root::Output::Message { peer, message } => {
                        let message = &across(1, message);
                        let (leaf, _) = self.leaves.get_mut(&peer.lsr.octets()[3]).unwrap();
                        leaf.handle_input(NOW, leaf::Input::Message { peer: lsr(1), message });
                    }
                    root::Output::Program(op) => self.root.1.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}")),
                    root::Output::Event(_) => {}
                }
            }
            for (n, (leaf, fwd)) in &mut self.leaves {
                while let Some(output) = leaf.poll_output() {
                    idle = false;
                    match output {
                        leaf::Output::Message { message, .. } => {
                            let message = &across(*n, message);
                            self.root.0.handle_input(NOW, root::Input::Message { peer: lsr(*n), message });
                        }
                        leaf::Output::Program(op) => fwd.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}")),
                        // The link is the tunnel: its labels are the root's.
                        leaf::Output::Join { tunnel, space } => {
                            link_to(fwd, *n, 1, Some(space));
                            leaf.handle_input(NOW, leaf::Input::Tunnel { tunnel: &tunnel, up: true });
                        }
                        leaf::Output::Leave { .. } | leaf::Output::Event(_) => {}
                    }
                }
            }
            if idle {
                return;
            }
        }
    }
}

fn negotiated() -> Negotiated {
    let p2mp_pw = Capability { advertised: true, data: [0_u8].as_slice().into() };
    Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: vec![(TlvType::P2MP_PW_CAPABILITY, p2mp_pw)],
        graceful_restart: None,
    }
}

/// The root and three leaves with their pseudowire, over links.
fn service() -> Pes {
    let mut pes = Pes::new();
    let circuit = || vec![Circuit { iface: AC, tags: Tags::Any }];
    let negotiated = negotiated();
    let (root, fwd) = &mut pes.root;
    let pw = root.add_pw(NOW, RootPwConfig::new(sai(), Service::ethernet(1500), VsiId(1), circuit())).unwrap();
    let tunnel = (TunnelRef(1), PmsiTunnel::IngressReplication(Ipv4Addr::new(192, 0, 2, 1).into()));
    root.set_tunnel(NOW, pw, Some(tunnel)).unwrap();
    for n in LEAVES {
        link_to(fwd, 1, n, None);
        let nhlfe = NhlfeId(310 + u32::from(n));
        root.handle_input(NOW, root::Input::LegUp { tunnel: TunnelRef(1), leg: n.into(), nhlfe });
        root.handle_input(NOW, root::Input::PeerUp { peer: lsr(n), negotiated: &negotiated });
        root.add_leaf(NOW, pw, lsr(n)).unwrap();
        let (leaf, _) = pes.leaves.get_mut(&n).unwrap();
        leaf.handle_input(NOW, leaf::Input::PeerUp { peer: lsr(1), negotiated: &negotiated });
        leaf.add_pw(NOW, LeafPwConfig::new(sai(), Service::ethernet(1500), VsiId(1), circuit())).unwrap();
    }
    pes.settle();
    pes
}

fn with_frame<T>(octets: &[u8], act: impl FnOnce(&mut Frame<'_>) -> T) -> (T, Vec<u8>) {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    buffer.extend([0; 64]);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let done = act(&mut frame);
    (done, frame.octets().to_vec())
}

/// What leaves by the customer's interface, as often as it does; or the verdict.
fn deliver(
    fwd: &mut Forwarder<'_>,
    octets: &[u8],
    go: impl Fn(&mut Forwarder<'_>, &mut Frame<'_>) -> Verdict,
) -> Result<Vec<Vec<u8>>, Verdict> {
    with_frame(octets, |frame| match go(fwd, frame) {
        Verdict::Transmit { iface, .. } => {
            assert_eq!(iface, AC);
            Ok(vec![frame.octets().to_vec()])
        }
        Verdict::Replicate(replication) => {
            let mut copies = fwd.copies(frame, replication);
            let mut all = Vec::new();
            while let Some(replica) = copies.next() {
                let Replica::Transmit { iface, front, payload, protection, .. } = replica else { continue };
                assert_eq!((iface, protection), (AC, None));
                all.push([front, &frame.octets()[payload]].concat());
            }
            Ok(all)
        }
        other => Err(other),
    })
    .0
}

/// One copy for each leaf, which nobody reads on the way; what comes in clear with the label that a leaf takes from its link is dropped,
/// whatever it is wrapped in.
///
/// Shows: P2MP-SEC-2
#[test]
fn copies_are_protected_and_nothing_is_taken_in_clear() {
    let mut pes = service();
    let frame = [&Ethernet::new(mac(0x91), mac(0x92), EtherType(0x88b5)).0[..], TEXT].concat();
    let mut protected = BTreeMap::new();
    with_frame(&frame, |frame| {
        let fwd = &mut pes.root.1;
        let Verdict::Replicate(replication) = fwd.forward(frame, AC) else { panic!("no copies") };
        let mut copies = fwd.copies(frame, replication);
        while let Some(replica) = copies.next() {
            let Replica::Transmit { iface, front, payload, protection, .. } = replica else { panic!("{replica:?}") };
            assert_eq!(protection, Some((SaId(iface.0 as u16), 14)), "in clear");
            protected.insert(iface.0 as u8, [front, &frame.octets()[payload]].concat());
        }
    });
    assert_eq!(protected.keys().copied().collect::<Vec<_>>(), LEAVES);
    for (n, clear) in protected {
        let cipher = || AesGcm::new([n; 16], [n; 4]);
        let mut outbound = OutboundSa::new(u32::from(n) << 8, true, cipher());
        let mut inbound = InboundSa::<_, 4>::new(u32::from(n) << 8, true, 64, cipher());
        let (done, sent) = with_frame(&clear, |frame| outbound.protect(frame, 14));
        done.unwrap();
        assert!(clear.windows(TEXT.len()).any(|w| w == TEXT) && !sent.windows(8).any(|w| *w == TEXT[..8]));
        let (_, fwd) = pes.leaves.get_mut(&n).unwrap();
        let core = IfIndex(n.into());
        let arrive =
            |fwd: &mut Forwarder<'_>, octets: &[u8]| deliver(fwd, octets, |fwd, frame| fwd.forward(frame, core));

        // An attacker on the way has seen the label.
        assert_eq!(arrive(fwd, &clear), Err(Verdict::Drop(DropReason::VlinkProtection)));
        let labelled = [&Ethernet::new(mac(n), mac(1), EtherType::MPLS).0[..], &clear[34..]].concat();
        assert_eq!(arrive(fwd, &labelled), Err(Verdict::Drop(DropReason::UnknownLabel)));
        let mut forged = sent.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert!(with_frame(&forged, |frame| inbound.unprotect(frame, 14)).0.is_err());

        assert!(matches!(arrive(fwd, &sent), Err(Verdict::Punt { reason: PuntReason::Esp, .. })));
        let (done, opened) = with_frame(&sent, |frame| inbound.unprotect(frame, 14));
        done.unwrap();
        let of =
            |sa: SaId| move |fwd: &mut Forwarder<'_>, frame: &mut Frame<'_>| fwd.forward_unprotected(frame, core, sa);
        assert_eq!(
            deliver(fwd, &opened, of(SaId(8))),
            Err(Verdict::Drop(DropReason::VlinkProtection)),
            "another association"
        );
        assert_eq!(deliver(fwd, &opened, of(SaId(1))), Ok(vec![frame.clone()]), "leaf {n}");
        assert!(with_frame(&sent, |frame| inbound.unprotect(frame, 14)).0.is_err(), "a replay");
    }
}
