//! A site anywhere on the Internet, behind a NAT: IKE and ESP in UDP (RFC 3948), transport mode all the same (RFC 7296 §2.23.1), and in it MPLS
//! in IP (RFC 4797 §4, RFC 4023 §8.1).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fwd_core::DropReason;
use fwd_core::op::Ends;
use fwd_core::wire::Ipv4;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ike::Mode;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::vlink::Security;

use crate::router::{CORE, Fate, ethernet, mac};
use crate::world::{Outcome, PAYLOAD, World, ip, packet, reads_payload};

/// Router 0 as it knows itself, the NAT as everybody else sees it, and router 1.
const INSIDE: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 19, 1, 1);
const IKE: u16 = 500;
const NAT_T: u16 = 4500;

/// A NAT that gives every port of the router behind it another one.
#[derive(Default)]
pub struct Nat {
    ports: BTreeMap<u16, u16>,
    /// Source and destination of what went by, as they are outside.
    seen: Vec<(SocketAddr, SocketAddr)>,
}

impl Nat {
    /// Source and destination of a datagram on the other side.
    pub fn translate(&mut self, from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
        if from.ip() == IpAddr::V4(INSIDE) {
            let next = 40_000 + self.ports.len() as u16;
            let from = SocketAddr::new(OUTSIDE.into(), *self.ports.entry(from.port()).or_insert(next));
            self.seen.push((from, to));
            return (from, to);
        }
        assert_eq!(to.ip(), IpAddr::V4(OUTSIDE), "nobody outside knows the router by another address");
        self.seen.push((from, to));
        let inside = self.ports.iter().find(|(_, outside)| **outside == to.port()).map(|(inside, _)| *inside);
        (from, SocketAddr::new(INSIDE.into(), inside.expect("a mapping")))
    }
}

/// The datagram that an ESP packet travels in (RFC 3948 §2.1).
fn into_udp(esp: &[u8], from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.ip(), to.ip()) else { panic!("IPv4") };
    let mut udp = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    udp.extend((8 + esp.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend_from_slice(esp);
    ip(source, destination, 17, &udp)
}

/// The ESP packet in a datagram that arrived at a router, for its forwarding plane.
fn out_of_udp(router: usize, datagram: &[u8]) -> Vec<u8> {
    let address = |at: usize| Ipv4Addr::new(datagram[at], datagram[at + 1], datagram[at + 2], datagram[at + 3]);
    assert_eq!((datagram[9], &datagram[22..24]), (17, &NAT_T.to_be_bytes()[..]), "UDP, to IPsec's port");
    assert_ne!(datagram[28..32], [0; 4], "an SPI, and no message of IKE");
    ethernet(mac(router, CORE), &ip(address(12), address(16), 50, &datagram[28..]))
}

/// Two routers with links of MPLS in IP for two VRFs, the first router behind a NAT.
fn joined() -> World {
    let mut world = World::new(2, 2, 4);
    world.nat = Some(Nat::default());
    // The other router knows the first by the NAT's address, and in IKE by its own.
    world.routers[1].names.insert(OUTSIDE.into(), INSIDE.into());
    let peers = world.peer_with(0, 1, |us, cfg| {
        cfg.clear = None;
        if us == 1 {
            cfg.protected = Ends::V4 { local: PEER, remote: OUTSIDE };
        }
    });
    world.join([0, 1], peers, 2, Architecture::Mpls, Security::Esp);
    world
}

/// What a router's packet for the other one is outside of the NAT: in UDP, between the addresses and ports that IKE found.
fn on_the_wire(world: &mut World, from: usize, vrf: u16) -> Vec<u8> {
    let Fate::Core(frame) = world.leave(from, vrf, &packet(from, 1 - from)) else { panic!("it did not leave") };
    assert_eq!(frame[23], 50, "ESP");
    let child = world.routers[from].installed.values().next().expect("an association");
    let udp = child.encapsulation.expect("a NAT was found");
    let nat = world.nat.as_mut().expect("a NAT");
    let (source, destination) = match from {
        0 => nat.translate(udp.local, udp.remote),
        _ => {
            nat.seen.push((udp.local, udp.remote));
            (udp.local, udp.remote)
        }
    };
    let datagram = into_udp(&frame[34..], source, destination);
    assert!(!reads_payload(&datagram));
    datagram
}

/// A datagram arrives at a router; at the one behind the NAT with the address and port inside.
fn arrives(world: &mut World, to: usize, mut datagram: Vec<u8>) -> Outcome {
    if to == 0 {
        let outside = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
        let from = SocketAddr::new(PEER.into(), outside(20));
        let (_, inside) = world.nat.as_mut().unwrap().translate(from, SocketAddr::new(OUTSIDE.into(), outside(22)));
        datagram = into_udp(&datagram[28..], from, inside);
    }
    world.arrive(out_of_udp(to, &datagram))
}

/// Sites behind plain IP transit and one NAT: labels of two VPNs in one pair of transport-mode associations, all of it in UDP to port 4500
/// once IKE has found the NAT; what has another outer source is dropped and counted, in clear and protected.
///
/// Shows: L3VPN-SCN-1
#[test]
fn vpn_labels_cross_a_nat_in_transport_mode() {
    let mut world = joined();
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.installed.len(), router.up.len()), (1, 1, 2));
        let child = router.installed.values().next().unwrap();
        assert_eq!((child.mode, child.encapsulation.map(|udp| udp.local.port())), (Mode::Transport, Some(NAT_T)));
        // As each end sees the addresses of packets.
        let (local, remote) = if router.n == 0 { (INSIDE, PEER) } else { (PEER, OUTSIDE) };
        let only = |selectors: &[ipsec_vlink::ike::TrafficSelector], protocol: u8, address: Ipv4Addr| {
            let [ts] = selectors else { return false };
            ts.protocol() == protocol && ts.addresses() == (address.into(), address.into())
        };
        assert!(only(&child.local_selectors, 137, local) && only(&child.remote_selectors, 137, remote), "{child:?}");
    }
    // The same addresses in both VPNs: labels tell them apart.
    let mut labels = Vec::new();
    for (vrf, link) in (1..=2).zip(world.routers[1].up.keys().copied().collect::<Vec<_>>()) {
        labels.push(world.routers[1].links.local_key(link).expect("a label"));
        for from in [0, 1] {
            let datagram = on_the_wire(&mut world, from, vrf);
            let (router, fate) = arrives(&mut world, 1 - from, datagram);
            let Fate::Site { vrf: at, packet } = fate else { panic!("{fate:?}") };
            assert_eq!((router, at, &packet[20..]), (1 - from, vrf, PAYLOAD));
        }
    }
    assert_ne!(labels[0], labels[1]);
    // On 500 was the exchange that finds the NAT, and nothing after it.
    let outside = |n: u16| SocketAddr::new(OUTSIDE.into(), n);
    let nat = world.nat.as_ref().unwrap();
    let peers: Vec<u16> = nat
        .seen
        .iter()
        .map(|(from, to)| if from.ip() == IpAddr::V4(OUTSIDE) { to.port() } else { from.port() })
        .collect();
    assert_eq!(peers[..2], [IKE; 2]);
    assert!(peers[2..].iter().all(|port| *port == NAT_T), "{peers:?}");
    assert_eq!(
        world.routers[1].installed.values().next().unwrap().encapsulation.unwrap().remote,
        outside(nat.ports[&NAT_T])
    );
    spoofed(&mut world, labels[0]);
    let datagram = on_the_wire(&mut world, 0, 1);
    assert!(matches!(arrives(&mut world, 1, datagram).1, Fate::Site { vrf: 1, .. }), "the link goes on");
}

/// Packets with another outer source than the NAT's.
fn spoofed(world: &mut World, label: u32) {
    let dropped = |world: &World, why| world.routers[1].forwarder.counters().dropped(why);
    let stranger = Ipv4Addr::new(203, 0, 113, 8);
    // What the association took, for the key is right, belongs to no link.
    let mut datagram = on_the_wire(world, 0, 1);
    datagram[12..16].copy_from_slice(&stranger.octets());
    datagram[10..12].fill(0);
    let header = datagram.first_chunk_mut::<20>().unwrap();
    Ipv4(header).fill_checksum();
    let before = dropped(world, DropReason::NoVlink);
    assert_eq!(arrives(world, 1, datagram).1, Fate::Dropped(DropReason::NoVlink));
    assert_eq!(dropped(world, DropReason::NoVlink), before + 1);
    // In clear with the label of the VPN, from the stranger and in the name of the NAT.
    let stack = (label << 12 | 0x100 | 64).to_be_bytes();
    for (source, why) in [(stranger, DropReason::NoVlink), (OUTSIDE, DropReason::VlinkProtection)] {
        let clear = ip(source, PEER, 137, &[&stack[..], &packet(0, 1)].concat());
        let before = dropped(world, why);
        assert_eq!(world.arrive(ethernet(mac(1, CORE), &clear)).1, Fate::Dropped(why));
        assert_eq!(dropped(world, why), before + 1);
    }
    // Without the key nobody gets as far.
    let mut forged = on_the_wire(world, 0, 1);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(arrives(world, 1, forged).1, Fate::Rejected(Reject::Integrity));
}
