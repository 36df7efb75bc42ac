//! Trees of PIM's in the core: what a PE sends into them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::{LabelStack, Mac, NhlfeId, VlinkId};
use fwd_core::op::{FwdOp, NextHop, Nhlfe, TunnelModel};
use fwd_core::wire::{Ipv4, Ipv6};
use mvpn::mvrf::{Input, PTunnel, PimRoot, TunnelKind};

use super::node::{CORE, Sent, SimAddress, data, site};
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
/// The MAC address of some P-group.
const GROUP_MAC: Mac = Mac([0x01, 0x00, 0x5e, 0x64, 0x00, 0x01]);
const NEXT: NhlfeId = NhlfeId(2900);
const ENTRY: NhlfeId = NhlfeId(2901);

/// Protocol, source, destination and the rest of an IP packet.
fn read(packet: &[u8]) -> (u8, IpAddr, IpAddr, &[u8]) {
    if packet[0] >> 4 == 6 {
        let h = Ipv6::of(packet).unwrap();
        return (h.next_header(), h.source().into(), h.destination().into(), &packet[Ipv6::LEN..]);
    }
    let h = Ipv4::of(packet).unwrap();
    (h.protocol(), h.source().into(), h.destination().into(), &packet[Ipv4::LEN..])
}

fn sends_by<A: SimAddress>(provider: Provider, kind: fn(IpAddr) -> TunnelKind, ethertype: [u8; 2]) {
    let (groups, shared) = match provider {
        Provider::V4 => ("232.100.0.0/24", IpAddr::from([239, 9, 9, 5])),
        Provider::V6 => ("ff3e::8000:0/112", "ff0e::9:5".parse().unwrap()),
    };
    let mut world: World<A> = World::new(provider.routers(2), 3, |_, c| c.p_groups = Some(groups.parse().unwrap()));
    for pe in 0..2 {
        world.add_site(pe, mvrf(pe, Some(kind(shared)), TunnelKind::MldpP2mp), false);
    }
    let (source, group) = (A::host(0, 1), A::ssm(1));
    world.member((1, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    // The tunnel of PE 0, which sends by it.
    let import = world.pes[0].mvpn.route_import(VRF).unwrap();
    let mut trees = world.lsps.iter().filter_map(|(tunnel, lsp)| {
        let tree = lsp.roots().into_iter().find(|(pe, _)| *pe == 0)?.1;
        Some((tree, tunnel.clone()))
    });
    let (tree, named) = trees.next().expect("a tree");
    drop(trees);
    let advertised = world.pes[0].mvpn.originated().find_map(|(_, attributes)| attributes.pmsi.clone());
    let tunnel = advertised.expect("a tunnel").tunnel;
    let (sender, p_group) = match (&tunnel, &named) {
        (PTunnel::PimSsm { root, group }, _) => (*root, *group),
        (PTunnel::BidirPim { sender, group }, _) => (*sender, *group),
        other => panic!("{other:?}"),
    };
    assert_eq!(sender, import.address);
    // The provider of tunnels says how packets get into the tree.
    let next = NextHop::Neighbor { iface: CORE, mac: GROUP_MAC };
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
    let root = PimRoot { link: VlinkId(1), entry: ENTRY, next: NEXT, vrf: VRF, mtu: 1500, ttl: 64 };
    let ops = tunnel.gre(&root).unwrap();
    for op in [FwdOp::SetNhlfe { id: NEXT, nhlfe }].into_iter().chain(ops) {
        world.pes[0].forwarder.apply(&op).unwrap();
    }
    world.input(0, Input::Branches { tree, branches: vec![ENTRY] });
    let frame = data(source, group, 7);
    let sent = world.pes[0].forward(site(VRF), &frame);
    let [Sent::Core(octets)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(octets[..6], GROUP_MAC.0);
    assert_eq!(octets[12..14], if sender.is_ipv6() { [0x86, 0xdd] } else { [0x08, 0x00] });
    let (protocol, from, to, inside) = read(&octets[14..]);
    assert_eq!((protocol, from, to), (47, import.address, p_group));
    // No key, no checksum, no number; then the customer's packet, one hop further.
    assert_eq!(inside[..4], [0, 0, ethertype[0], ethertype[1]]);
    let mut onward = frame[14..].to_vec();
    match onward[0] >> 4 {
        6 => Ipv6::of_mut(&mut onward).unwrap().set_hop_limit(63),
        _ => Ipv4::of_mut(&mut onward).unwrap().set_ttl(63),
    }
    assert_eq!(inside[4..], onward);
}

/// Whatever the families of provider and customer: protocol 47, Protocol Type 0x0800 or 0x86DD, no key, from the address of the VRF Route Import to
/// the P-group, into a source-specific tree and into one that all PEs send by. What takes it out again is shown in `fwd-core`.
///
/// Shows: MVPN-TUN-4
#[test]
fn streams_go_in_gre_to_the_p_group() {
    let kinds: [fn(IpAddr) -> TunnelKind; 2] = [|_| TunnelKind::PimSsm, TunnelKind::BidirPim];
    for provider in Provider::BOTH {
        for kind in kinds {
            sends_by::<Ipv4Addr>(provider, kind, [0x08, 0x00]);
            sends_by::<Ipv6Addr>(provider, kind, [0x86, 0xdd]);
        }
    }
}

/// Other tunnels are none of PIM's, and a tree has addresses of one family.
#[test]
fn only_trees_of_pim_are_gre() {
    let root = PimRoot { link: VlinkId(1), entry: ENTRY, next: NEXT, vrf: VRF, mtu: 1500, ttl: 64 };
    let (v4, v6) = (IpAddr::from([192, 0, 2, 1]), "ff3e::8000:1".parse().unwrap());
    let shared = PTunnel::PimSm { sender: v4, group: [239, 9, 9, 5].into() };
    assert!(shared.gre(&root).is_some());
    for other in [PTunnel::PimSsm { root: v4, group: v6 }, PTunnel::IngressReplication(v4), PTunnel::None] {
        assert_eq!(other.gre(&root), None);
    }
}
