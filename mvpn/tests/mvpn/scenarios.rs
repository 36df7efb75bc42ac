//! One source and twenty receivers on every network that a VPN may have under it: sites anywhere on the Internet, one AS, several ASes of one
//! provider, several providers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use fwd_core::net::{LabelStack, NhlfeId, VlinkId, VrfId};
use fwd_core::op::{Deliver, Encapsulation, Ends, FwdOp, NextHop, Nhlfe, RouteAction, TunnelModel, Vlink, VlinkOutput};
use fwd_core::wire::l2tpv3::Cookie;
use mvpn::address::Address;
use mvpn::mvrf::{InterAs, MvrfConfig, TunnelKind};

use super::border::Ases;
use super::node::{CORE, SimAddress, mac, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
/// Sites: that of the source at PE 0, and those of receivers.
const SITES: usize = 21;

/// What each receiver got: packets by their place in the script, and how many copies of each.
type Trace = BTreeMap<usize, Vec<(usize, u32)>>;

/// The script: before every three packets, receivers change; whoever is left is given by its number.
const SCRIPT: [fn(usize) -> bool; 3] = [|_| true, |receiver| receiver % 3 != 0, |receiver| receiver % 2 != 0];

/// The trace of the script on a network whose PEs 0 to 20 have the sites of the VPN.
fn trace(world: &mut World<A>) -> Trace {
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let (mut numbers, mut members) = (Vec::new(), BTreeSet::new());
    for stays in SCRIPT {
        for receiver in 1..SITES {
            let joined = stays(receiver);
            let changed = if joined { members.insert(receiver) } else { members.remove(&receiver) };
            if changed {
                world.member((receiver, VRF), Some(source), group, joined);
            }
        }
        world.run_for(SECOND * 20);
        for _ in 0..3 {
            numbers.push(world.send((0, VRF), source, group));
            world.run_for(SECOND);
        }
    }
    let mut trace = Trace::new();
    for (n, number) in numbers.iter().enumerate() {
        for ((pe, vrf), copies) in world.copies(source, group, *number) {
            // Links between VRFs of two ASes are no receivers.
            if !world.lans.contains_key(&(pe, vrf)) {
                assert_eq!(vrf, VRF);
                trace.entry(pe).or_default().push((n, copies));
            }
        }
    }
    trace
}

/// What the receivers of the script ought to get.
fn expected() -> Trace {
    let packets =
        |receiver: usize| (0..3 * SCRIPT.len()).filter(|n| SCRIPT[n / 3](receiver)).map(|n| (n, 1)).collect::<Vec<_>>();
    (1..SITES).map(|receiver| (receiver, packets(receiver))).collect()
}

/// The site of a PE, as unicast has it, with these tunnels.
fn add_site(world: &mut World<A>, pe: usize, kind: TunnelKind, tune: impl Fn(&mut MvrfConfig)) {
    let inclusive = if kind == TunnelKind::RsvpTeP2mp { TunnelKind::MldpP2mp } else { kind };
    let mut config = mvrf(pe, Some(inclusive), kind);
    tune(&mut config);
    world.add_site(pe, config, false);
}

/// PEs that reach each other by IP alone: what goes from one to another is put into IP with its labels (RFC 4023 §3, RFC 4797 §4).
fn over_ip(world: &mut World<A>) {
    let address = |pe: usize| match world.routers[pe] {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => panic!("an IPv4 provider"),
    };
    let addresses: Vec<Ipv4Addr> = (0..world.pes.len()).map(address).collect();
    for (pe, local) in addresses.iter().enumerate() {
        let forwarder = &mut world.pes[pe].forwarder;
        let prefix = local.prefix(32).unwrap();
        forwarder.apply(&FwdOp::SetRoute4 { vrf: VrfId::GLOBAL, prefix, action: RouteAction::Local }).unwrap();
        for (to, remote) in addresses.iter().enumerate().filter(|(to, _)| *to != pe) {
            let n = u32::try_from(to).unwrap();
            let (id, outer) = (VlinkId(n), NhlfeId(100 + n));
            let vlink = Vlink {
                ends: Ends::V4 { local: *local, remote: *remote },
                encapsulation: Encapsulation::MplsInIp,
                deliver: Deliver::Vrf(VrfId::GLOBAL),
                mpls: true,
                label_space: None,
                check_source: false,
                ordered: false,
                protection: None,
                model: TunnelModel::Pipe,
            };
            let output = VlinkOutput {
                next: outer,
                key: None,
                cookie: Cookie::NONE,
                ports: (0, 0),
                numbered: false,
                mtu: 1500,
                ttl: 64,
                dscp: None,
                protection: None,
            };
            let entry = |next| Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
            for op in [
                FwdOp::SetNhlfe { id: outer, nhlfe: entry(NextHop::Neighbor { iface: CORE, mac: mac(to) }) },
                FwdOp::SetVlink { id, vlink },
                FwdOp::SetVlinkOutput { id, output },
                FwdOp::SetNhlfe { id: NhlfeId(n), nhlfe: entry(NextHop::Vlink(id)) },
            ] {
                forwarder.apply(&op).unwrap();
            }
        }
    }
}

/// Sites anywhere on the Internet (L3VPN-SCN-1): no tree in the core, and every packet crosses it in IP.
fn on_the_internet() -> Trace {
    let mut world = World::new(Provider::V4.routers(SITES), 1, |_, _| {});
    over_ip(&mut world);
    (0..SITES).for_each(|pe| add_site(&mut world, pe, TunnelKind::IngressReplication, |_| {}));
    world.run_for(SECOND * 10);
    let trace = trace(&mut world);
    let received = |pe: usize| (0..SITES as u32).map(move |n| (pe, VlinkId(n)));
    let in_packets =
        |(pe, id): (usize, VlinkId)| world.pes[pe].forwarder.borrow_dependent().vlink_counters(id).in_packets;
    let in_ip: u64 = (0..SITES).flat_map(received).map(in_packets).sum();
    assert!(in_ip > 0 && in_ip == world.crossed, "{in_ip} packets of {} came in IP", world.crossed);
    trace
}

/// PEs of one AS, between which a route passes two reflectors (L3VPN-SCN-2).
fn in_one_as() -> Trace {
    let mut world = World::new(Provider::V4.routers(SITES), 1, |_, _| {});
    world.reflectors = Some(2);
    (0..SITES).for_each(|pe| add_site(&mut world, pe, TunnelKind::MldpP2mp, |_| {}));
    world.run_for(SECOND * 10);
    trace(&mut world)
}

/// Three ASes in a chain with seven sites each, and border routers 21 to 24.
fn chain() -> Ases {
    let asn = (0..SITES).map(|pe| 65001 + pe as u32 / 7).chain([65001, 65002, 65002, 65003]).collect();
    Ases { asn, links: vec![(21, 22), (23, 24)], ..Ases::default() }
}

/// VRFs back to back between the ASes (L3VPN-SCN-3, option A).
fn by_option_a() -> Trace {
    let Ases { asn, links, .. } = chain();
    let ases = Ases { asn, ..Ases::default() };
    let mut world = World::of_ases(Provider::V4.routers(25), &ases, 1, |_, _| {}, |_, _| {});
    world.lans = links.iter().flat_map(|(a, b)| [((*a, VRF), (*b, VRF)), ((*b, VRF), (*a, VRF))]).collect();
    for (pe, asn) in ases.asn.iter().enumerate() {
        let target: RouteTarget = format!("{asn}:1").parse().unwrap();
        let kind = if *asn == 65002 { TunnelKind::IngressReplication } else { TunnelKind::MldpP2mp };
        add_site(&mut world, pe, kind, |config| {
            (config.import, config.export) = (vec![target.into()], vec![target.into()]);
            config.inter_as = InterAs::None;
        });
    }
    // What an ASBR learns from its neighbour: the source's site.
    for asbr in [22, 24] {
        world.set_prefix(asbr, VRF, A::subnet(0).into(), true);
    }
    world.run_for(SECOND * 40);
    let trace = trace(&mut world);
    assert!(world.routes_between.is_empty() && world.packets_between.is_empty());
    trace
}

/// Trees in segments, each AS with tunnels of its own kind (L3VPN-SCN-3, option B).
fn by_segments() -> Trace {
    let ases = chain();
    let kinds = [TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp, TunnelKind::IngressReplication];
    let kind = |node: usize| kinds[ases.asn[node] as usize - 65001];
    let mut world = World::of_ases(
        Provider::V4.routers(25),
        &ases,
        1,
        |_, _| {},
        |node, config| (config.inclusive, config.selective) = (kind(node), kind(node)),
    );
    (0..SITES).for_each(|pe| add_site(&mut world, pe, kind(pe), |_| {}));
    world.run_for(SECOND * 10);
    trace(&mut world)
}

/// Trees from PE to PE, the routes with ASBRs as next hops or as they came (L3VPN-SCN-3, options B and C).
fn by_whole_trees(next_hop_self: bool) -> Trace {
    let target: RouteTarget = "65001:1".parse().unwrap();
    let mut world = World::of_ases(
        Provider::V4.routers(25),
        &chain(),
        1,
        |_, _| {},
        |_, config| (config.whole, config.next_hop_self) = (BTreeSet::from([target.into()]), next_hop_self),
    );
    for pe in 0..SITES {
        add_site(&mut world, pe, TunnelKind::MldpP2mp, |config| config.inter_as = InterAs::NonSegmented);
    }
    world.run_for(SECOND * 10);
    trace(&mut world)
}

/// Two providers, each with tunnels of its own, who agreed on the route target of this VPN and of no other (L3VPN-SCN-4).
fn of_two_providers() -> Trace {
    let asn = (0..SITES).map(|pe| if pe < 11 { 65001 } else { 65002 }).chain([65001, 65002]).collect();
    let ases = Ases { asn, links: vec![(21, 22)], ..Ases::default() };
    let kind = |node: usize| match ases.asn[node] {
        65001 => TunnelKind::MldpP2mp,
        _ => TunnelKind::IngressReplication,
    };
    let agreed: RouteTarget = "65001:1".parse().unwrap();
    let mut world = World::of_ases(
        Provider::V4.routers(23),
        &ases,
        1,
        |_, _| {},
        |node, config| {
            config.import = Some(BTreeSet::from([agreed.into()]));
            (config.inclusive, config.selective) = (kind(node), kind(node));
        },
    );
    (0..SITES).for_each(|pe| add_site(&mut world, pe, kind(pe), |_| {}));
    // Another VPN with a receiver in each AS.
    let other = VrfId(2);
    for pe in [0, 1, 20] {
        let rd = bgp_vpn::nlri::RouteDistinguisher::two_octet_as(65001, 200 + pe as u32);
        let mut config = MvrfConfig::new(other, rd, "65001:2".parse().unwrap(), pmsi(other));
        (config.inclusive, config.selective) = (Some(kind(pe)), kind(pe));
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 10);
    let (source, group) = (A::host(0, 1), A::ssm(9));
    for pe in [1, 20] {
        world.member((pe, other), Some(source), group, true);
    }
    world.run_for(SECOND * 10);
    let number = world.send((0, other), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), BTreeMap::from([((1, other), 1)]), "not agreed on");
    trace(&mut world)
}

/// Receivers cannot tell which network is under their VPN.
///
/// Shows: L3VPN-SCN-5
#[test]
fn receivers_get_the_same_packets_on_every_network() {
    let expected = expected();
    assert_eq!(expected[&6].len(), 3);
    assert_eq!(on_the_internet(), expected);
    assert_eq!(in_one_as(), expected);
    assert_eq!(by_option_a(), expected);
    assert_eq!(by_segments(), expected);
    assert_eq!(by_whole_trees(true), expected);
    assert_eq!(by_whole_trees(false), expected);
    assert_eq!(of_two_providers(), expected);
}
