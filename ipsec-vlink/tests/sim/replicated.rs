//! Multicast of a VPN by ingress replication over links that ESP protects in transport mode (RFC 6513 §6.4.5, RFC 4023 §8.1, RFC 4301 §4.1):
//! a copy for each egress PE goes through the association with that PE, and at the egress the association says which PE a copy is of.

use fwd_core::net::{IfIndex, Label, LabelStack, NhlfeId, ReplicationId, TunnelId, VlinkId, VrfId};
use fwd_core::op::{
    FwdOp, Ilm, IlmAction, LegTarget, Mroute, MrouteKey, MulticastVrf, NextHop, Nhlfe, Origin, Rpf, TunnelModel, Vlink,
    VsiOrVrf,
};
use fwd_core::wire::Ipv4;
use fwd_core::{DropReason, Frame, Verdict};
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ike::Mode;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::spd::Audit;
use ipsec_vlink::vlink::{LinkConfig, PeerId, Security};

use crate::router::{CORE, Fate, Router, ethernet, mac};
use crate::world::{PAYLOAD, World, ends, ip, reads_payload, vpn};

/// The PE of the source, another ingress PE of the same VPN, and the PEs of receivers.
const SOURCE: usize = 0;
const OTHER: usize = 1;
const EGRESS: [usize; 2] = [2, 3];
/// The multicast VPN, whose tunnels are protected; the second VPN's are not.
const VRF: VrfId = VrfId(1);
const GROUP: ReplicationId = ReplicationId(0);
/// The label that each egress PE told both ingress PEs: nothing but the link tells their copies apart.
const LABEL: u32 = 5000;

fn label() -> Label {
    Label::new(LABEL).unwrap()
}

/// The tunnel of a router with another one, protected or in clear.
fn tunnel(router: &Router, with: usize, security: Security) -> (VlinkId, Vlink) {
    let between = ends(router.n, with, if security == Security::Esp { 1 } else { 2 }, 1);
    let mut links = (0..24).map(VlinkId).filter_map(|id| Some((id, router.forwarder.vlink(id)?.0)));
    links.find(|(_, vlink)| vlink.ends == between).expect("a tunnel")
}

/// The packet of the stream.
fn stream() -> Vec<u8> {
    ip([10, 0, 0, 1].into(), [232, 1, 1, 1].into(), 253, PAYLOAD)
}

/// Sets the route of the stream.
fn mroute(router: &mut Router, from: Origin) {
    let key = MrouteKey::Source4 { source: [10, 0, 0, 1].into(), group: [232, 1, 1, 1].into() };
    let rpf = Rpf::From(from);
    let mroute = Mroute { rpf, replication: Some(GROUP), punt_wrong_interface: false, register: false, spt: None };
    router.apply(&FwdOp::SetMroute { vrf: VRF, key, mroute });
}

/// Turns multicast on in the VRF, with copies to these.
fn multicast(router: &mut Router, legs: &[LegTarget]) {
    router.apply(&FwdOp::SetMulticastVrf { vrf: VRF, multicast: MulticastVrf { punt_no_route: false } });
    router.apply(&FwdOp::SetReplication { id: GROUP, owner: VsiOrVrf::Vrf(VRF) });
    for (leg, target) in (0..).zip(legs) {
        router.apply(&FwdOp::SetLeg { group: GROUP, leg, target: *target });
    }
}

/// Two ingress and two egress PEs, joined by links of both VPNs; receivers of the stream from the one source behind each egress.
fn world() -> World {
    let mut world = World::new(4, 2, 8);
    let mut links = Vec::new();
    for (index, (ingress, egress)) in (0..).zip([(SOURCE, 2), (SOURCE, 3), (OTHER, 2), (OTHER, 3)]) {
        let peers = world.peer(ingress, egress);
        for (vrf, security) in [(1, Security::Esp), (2, Security::Clear)] {
            let base = LinkConfig::new(PeerId(0), vpn(vrf.into()), VrfId(vrf), Architecture::Mpls);
            let ids = world.link([ingress, egress], peers, &LinkConfig { security, index, ..base }).unwrap();
            links.push((ingress, egress, vrf, ids));
        }
    }
    world.seconds(10);
    for (ingress, egress, vrf, ids) in links {
        world.route(ingress, vrf, egress, ids[0]);
        world.route(egress, vrf, ingress, ids[1]);
    }
    for ingress in [SOURCE, OTHER] {
        let router = &mut world.routers[ingress];
        let legs = EGRESS.map(|egress| {
            let (id, next) = (NhlfeId(100 + egress as u32), NextHop::Vlink(tunnel(router, egress, Security::Esp).0));
            let nhlfe = Nhlfe { push: LabelStack::single(label()), next, model: TunnelModel::Pipe };
            router.apply(&FwdOp::SetNhlfe { id, nhlfe });
            LegTarget::Nhlfe(id)
        });
        multicast(router, &legs);
        mroute(router, Origin::Interface(IfIndex(1)));
    }
    for egress in EGRESS {
        let router = &mut world.routers[egress];
        for ingress in [SOURCE, OTHER] {
            let origin = TunnelId(ingress as u32);
            let space = tunnel(router, ingress, Security::Esp).1.label_space.expect("a label space of the tunnel's");
            let ilm = Ilm { action: IlmAction::Multicast(origin), model: TunnelModel::Pipe };
            router.apply(&FwdOp::SetMulticastTunnel { tunnel: origin, vrf: VRF });
            router.apply(&FwdOp::SetContextIlm { space, label: label(), ilm });
        }
        multicast(router, &[LegTarget::Interface(IfIndex(1))]);
        mroute(router, Origin::Tunnel(TunnelId(SOURCE as u32)));
    }
    world
}

/// The copies of a packet of the stream that an ingress PE sends: those to the egress PEs, in their order.
fn replicate(world: &mut World, ingress: usize) -> [Vec<u8>; 2] {
    let Fate::Copies(copies) = world.leave(ingress, VRF.0, &stream()) else { panic!("no copies") };
    let core = |copy| if let Fate::Core(frame) = copy { frame } else { panic!("{copy:?}") };
    let frames: Vec<_> = copies.into_iter().map(core).collect();
    let frames: [Vec<u8>; 2] = frames.try_into().expect("a copy for each egress");
    for (frame, egress) in frames.iter().zip(EGRESS) {
        assert_eq!((usize::from(frame[5]) - 1, frame[23]), (egress, 50), "ESP to the egress");
        assert!(!reads_payload(frame));
    }
    frames
}

/// Whether a frame becomes one packet of the stream at the site of an egress PE; else what became of it.
fn delivered(world: &mut World, frame: &[u8]) -> Result<(), Fate> {
    let copies = |world: &World, egress: usize| world.routers[egress].forwarder.counters().copies();
    let egress = usize::from(frame[5]) - 1;
    let before = copies(world, egress);
    match world.arrive(frame.to_vec()) {
        (at, Fate::Copies(sites)) => {
            let [Fate::Site { vrf, packet }] = &sites[..] else { panic!("{sites:?}") };
            assert_eq!((at, *vrf, &packet[20..]), (egress, VRF.0, PAYLOAD));
            assert_eq!(copies(world, egress), before + 1);
            Ok(())
        }
        (_, other) => {
            assert_eq!(copies(world, egress), before, "nothing got to the site");
            Err(other)
        }
    }
}

/// A frame is dropped by the forwarding plane for this reason, and counted.
fn dropped(world: &mut World, frame: &[u8], why: DropReason) {
    let count = |world: &World| world.routers[usize::from(frame[5]) - 1].forwarder.counters().dropped(why);
    let before = count(world);
    assert_eq!((delivered(world, frame), count(world)), (Err(Fate::Dropped(why)), before + 1));
}

/// A frame is not taken by ESP for this reason, and counted.
fn rejected(world: &mut World, frame: &[u8], why: Reject) {
    let count = |world: &World| world.routers[usize::from(frame[5]) - 1].sad.rejected(why);
    let before = count(world);
    assert_eq!((delivered(world, frame), count(world)), (Err(Fate::Rejected(why)), before + 1));
}

/// A packet of the stream with the right label as the source's PE would send it, without ESP, by the tunnel between these.
fn in_clear(egress: usize, subnet: u8) -> Vec<u8> {
    let fwd_core::op::Ends::V4 { local, remote } = ends(SOURCE, egress, subnet, 1) else { unreachable!() };
    let stack = (LABEL << 12 | 0x100 | 64).to_be_bytes();
    ethernet(mac(egress, CORE), &ip(local, remote, 137, &[&stack[..], &stream()].concat()))
}

/// One packet of a source becomes a copy for each of two egress PEs, each through the transport-mode association with that PE, and at
/// each one packet for the site. A copy with the same label through the association of another ingress PE is of the wrong PE, whatever its
/// addresses say; that one, a copy that comes twice and one in clear are dropped and counted.
///
/// Shows: MVPN-TUN-7
#[test]
fn the_association_says_which_pe_a_copy_is_of() {
    let mut world = world();
    for router in &world.routers {
        // An association with each PE of the other kind, for MPLS in IP between the two alone.
        assert_eq!(router.installed.len(), 2);
        for child in router.installed.values() {
            assert_eq!(child.mode, Mode::Transport);
            assert!(child.local_selectors.iter().chain(&child.remote_selectors).all(|ts| ts.protocol() == 137));
        }
    }
    let frames = replicate(&mut world, SOURCE);
    assert_ne!(frames[0][34..38], frames[1][34..38], "an SPI for each egress");
    for frame in &frames {
        assert_eq!(delivered(&mut world, frame), Ok(()));
        rejected(&mut world, frame, Reject::Replayed);
    }
    for (n, egress) in EGRESS.into_iter().enumerate() {
        // The other PE, which the egress knows, with the right label and through its own association.
        let wrong = replicate(&mut world, OTHER)[n].clone();
        dropped(&mut world, &wrong, DropReason::RpfFailed);
        // In the name of the source's PE.
        let mut wrong = replicate(&mut world, OTHER)[n].clone();
        wrong[26..30].copy_from_slice(&[198, 18, 1, 1]);
        Ipv4(wrong[14..].first_chunk_mut::<20>().unwrap()).fill_checksum();
        rejected(&mut world, &wrong, Reject::Address);
        // The same, had ESP let it pass: the association is another than the tunnel's.
        let router = &mut world.routers[egress];
        let clear = in_clear(egress, 1);
        let through = |router: &mut Router, ingress: usize| {
            let mut buffer = [&[0; Frame::HEADROOM][..], &clear].concat();
            let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, clear.len()).unwrap();
            let sa = tunnel(router, ingress, Security::Esp).1.protection.expect("it is protected");
            router.forwarder.forward_unprotected(&mut frame, IfIndex(CORE), sa)
        };
        assert_eq!(through(router, OTHER), Verdict::Drop(DropReason::VlinkProtection));
        assert!(matches!(through(router, SOURCE), Verdict::Replicate(_)));
        // In clear; and by the tunnel in clear that the second VPN has with the same PE, where the label has no meaning.
        let audited = world.routers[egress].links.dropped(Audit::ShouldBeProtected);
        dropped(&mut world, &clear, DropReason::VlinkProtection);
        assert_eq!(world.routers[egress].links.dropped(Audit::ShouldBeProtected), audited + 1);
        dropped(&mut world, &in_clear(egress, 2), DropReason::UnknownLabel);
        // The stream goes on, and so does the second VPN.
        let right = replicate(&mut world, SOURCE)[n].clone();
        assert_eq!(delivered(&mut world, &right), Ok(()));
        assert!(world.reaches(SOURCE, egress, 2) && world.reaches(egress, SOURCE, 2));
    }
    // The route turns to the other PE: now its copies are the right ones.
    for egress in EGRESS {
        mroute(&mut world.routers[egress], Origin::Tunnel(TunnelId(OTHER as u32)));
    }
    for (right, wrong) in replicate(&mut world, OTHER).iter().zip(replicate(&mut world, SOURCE)) {
        assert_eq!(delivered(&mut world, right), Ok(()));
        dropped(&mut world, &wrong, DropReason::RpfFailed);
    }
}
