//! Extranets (RFC 7900): VRFs that import from each other, also on one PE.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::{Nlri, NlriFormat, RouteDistinguisher, VpnMulticastNlri};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Label, LabelStack, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    AsmMode, CTree, Input, McastAttributes, McastKind, McastRoute, MldpLsp, MvpnConfig, MvpnEvent, MvpnPe, MvpnReject,
    MvrfConfig, Output, PTunnel, PmsiTunnelValue, SFlow, Target, TreeRequest, TunnelKind, UmhRoute,
};
use mvpn::pim::wire::AddressFamily;

use super::node::{CORE, SimAddress, data, mac, pmsi, site};
use super::world::{Place, World};
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;
/// VRF R, whose receivers are of another VPN than the sources.
const R: VrfId = VrfId(2);

fn target(vpn: u32) -> Target {
    RouteTarget::two_octet_as(65001, vpn).into()
}

/// An MVRF of its own VPN, which imports others.
fn importer(pe: usize, vrf: VrfId, from: &[u32]) -> MvrfConfig {
    let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vrf.0) * 1000 + pe as u32);
    let mut config = MvrfConfig::new(vrf, rd, RouteTarget::two_octet_as(65001, u32::from(vrf.0)), pmsi(vrf));
    (config.inclusive, config.selective) = (Some(MLDP), MLDP);
    config.import.extend(from.iter().map(|vpn| target(*vpn)));
    config
}

fn once(places: &[Place]) -> BTreeMap<Place, u32> {
    places.iter().map(|place| (*place, 1)).collect()
}

/// Three PEs with a VRF of VPN 1 and with R, which imports VPN 1. In R the sites have no prefixes of their own.
fn network<A: SimAddress>(provider: Provider, change: impl Fn(&mut MvrfConfig)) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(3), 7, |_, _| {});
    for pe in 0..3 {
        for mut config in [mvrf(pe, Some(MLDP), MLDP), importer(pe, R, &[1])] {
            change(&mut config);
            let vrf = config.vrf;
            world.add_site(pe, config, pe == 2 && vrf == VRF);
        }
    }
    (0..3).for_each(|pe| world.set_prefix(pe, R, A::subnet(pe).into(), false));
    world.run_for(SECOND * 2);
    (0..3).for_each(|pe| world.retrack(pe, R));
    world
}

fn vrfs_of_one_pe<A: SimAddress>(provider: Provider, change: impl Fn(&mut MvrfConfig)) {
    let mut world = network::<A>(provider, change);
    let (source, group) = (A::host(77, 1), A::ssm(1));
    world.set_prefix(0, VRF, A::subnet(77).into(), true);
    world.run_for(SECOND);
    let all: [Place; 4] = [(0, R), (1, VRF), (1, R), (2, R)];
    let mut joined = BTreeSet::new();
    // Every set of receivers, one change from one to the next.
    for n in 1..=16_u32 {
        let place = all[n.trailing_zeros().min(3) as usize];
        let is_new = joined.insert(place) || !joined.remove(&place);
        world.member(place, Some(source), group, is_new);
        world.run_for(SECOND * 15);
        let crossed = world.crossed;
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        let expected: Vec<Place> = joined.iter().copied().collect();
        assert_eq!(world.copies(source, group, number), once(&expected), "{provider:?} step {n}");
        let is_remote = joined.iter().any(|(pe, _)| *pe != 0);
        assert_eq!(world.crossed > crossed, is_remote, "{provider:?} {joined:?}: what stays at the PE takes no tunnel");
        // A join that stays at the PE is no route.
        let is_join = |kind: McastKind| matches!(kind, McastKind::SourceTreeJoin(_));
        assert!(!world.pes[0].mvpn.originated().any(|(route, _)| is_join(route.kind)));
        // R at PE 0 says where its packets come from.
        if joined.contains(&(0, R)) {
            let carried = world.pes[0].mvpn.carried(R, source.into(), group.into()).unwrap();
            assert_eq!(carried.from, Some(world.routers[0]));
        }
    }
}

/// Sources of one VRF and receivers of another: on the PE of the source, on a PE that has receivers in both VRFs, and on one that has them in
/// the other alone; by the inclusive tunnel, by S-PMSIs and by a wildcard S-PMSI. Each receiver gets each packet once, whatever set of them there
/// is, and what is wanted on the PE of the source alone enters no tunnel.
///
/// Shows: MVPN-EXT-4
#[test]
fn a_source_reaches_the_vrfs_that_import_it_on_its_own_pe_too() {
    for provider in Provider::BOTH {
        vrfs_of_one_pe::<Ipv4Addr>(provider, |_| {});
        vrfs_of_one_pe::<Ipv6Addr>(provider, |_| {});
    }
    vrfs_of_one_pe::<Ipv4Addr>(Provider::V4, |c| c.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()]);
    vrfs_of_one_pe::<Ipv4Addr>(Provider::V4, |c| {
        (c.inclusive, c.selective) = (None, TunnelKind::RsvpTeP2mp);
        c.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
    });
    // By labels that the PE gave, and by such of the root's in an LSP of several VPNs: both VRFs of a PE have the same one.
    vrfs_of_one_pe::<Ipv4Addr>(Provider::V6, |c| {
        c.selective = TunnelKind::IngressReplication;
        c.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
    });
    vrfs_of_one_pe::<Ipv6Addr>(Provider::V4, |c| c.aggregated = true);
}

/// The same with a group of any source, and the RP on a CE of the source's VPN.
#[test]
fn groups_of_any_source_cross_to_a_vrf_of_the_same_pe() {
    type A = Ipv4Addr;
    for asm in [AsmMode::RptSpt, AsmMode::SptOnly] {
        let mut world = network::<A>(Provider::V4, |c| c.asm = asm);
        let (source, group) = (A::host(0, 1), A::asm(1));
        for pe in [0, 1] {
            world.member((pe, R), None, group, true);
        }
        world.run_for(SECOND * 5);
        if asm == AsmMode::SptOnly {
            let (source, group) = (source.into(), group.into());
            world.input(0, Input::Active { vrf: VRF, source, group, rp: None, is_active: true });
        }
        for _ in 0..40 {
            world.send((0, VRF), source, group);
            world.run_for(SECOND);
        }
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        let mut copies = world.copies(source, group, number);
        copies.remove(&(2, VRF));
        assert_eq!(copies, once(&[(0, R), (1, R)]), "{asm:?}");
    }
}

/// VRFs that come and go in any order: what waits for another is served when that comes, and nothing is left behind.
#[test]
fn vrfs_of_an_extranet_come_and_go() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, |_| {});
    let (source, group) = (A::host(77, 1), A::ssm(1));
    world.set_prefix(0, VRF, A::subnet(77).into(), true);
    world.run_for(SECOND);
    world.member((0, R), Some(source), group, true);
    world.member((1, R), Some(source), group, true);
    world.run_for(SECOND * 3);
    let now = world.now;
    for (vrf, left) in [(R, true), (VRF, false)] {
        world.pes[0].mvpn.remove_mvrf(now, vrf).unwrap();
        while let Some(output) = world.pes[0].mvpn.poll_output() {
            if let Output::Program(op) = output {
                world.pes[0].forwarder.apply(&op).unwrap();
            }
        }
        assert_eq!(world.pes[0].mvpn.numbers_in_use() != [0; 4], left);
    }
    assert_eq!(world.pes[0].mvpn.next_timeout(), None);
    // A join waits for the VRF of the source.
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    let here = importer(0, VRF, &[]);
    pe.add_mvrf(Instant::ZERO, importer(0, R, &[1])).unwrap();
    let import = Some(VrfRouteImport { address: [192, 0, 2, 1].into(), local: VRF.0 });
    let route = Some(UmhRoute { import, source_as: None, next_hop: [192, 0, 2, 1].into(), is_installed: true });
    let prefix: IpPrefix = "10.0.77.0/24".parse().unwrap();
    pe.handle_input(Instant::ZERO, Input::Umh { vrf: R, prefix, rd: here.rd, route });
    let tree = mvpn::mvrf::CTree::Source { group: group.into(), source: source.into() };
    pe.handle_input(Instant::ZERO, Input::Tree { vrf: R, tree, joined: true });
    let joins = |pe: &mut MvpnPe| {
        let outputs = std::iter::from_fn(|| pe.poll_output());
        outputs.filter(|o| matches!(o, Output::Downstream { vrf: VRF, joined: true, .. })).count()
    };
    assert_eq!(joins(&mut pe), 0);
    pe.add_mvrf(Instant::ZERO, here).unwrap();
    pe.handle_input(Instant::ZERO, Input::Local { vrf: VRF, prefix, reachable: true });
    assert_eq!(joins(&mut pe), 1);
    pe.remove_mvrf(Instant::ZERO, VRF).unwrap();
    pe.remove_mvrf(Instant::ZERO, R).unwrap();
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}

/// VPNs 1 and 2 at PE 0 have the same source and group, and share one LSP. At PE 1 VRF 3 imports VPN 1 and VRF 4 VPN 2: each gets what its own
/// upstream VRF sends, told apart by the label below that of the LSP (RFC 7900 §2.3.1).
///
/// Where two VRFs send by one tunnel without labels, nobody can tell whose packets come by it: who imports both receives from the first, and
/// refuses the second, which is said.
///
/// Shows: MVPN-EXT-12
#[test]
fn the_same_flow_of_two_vpns_on_one_tunnel() {
    fn go<A: SimAddress>(provider: Provider) {
        let mut world: World<A> = World::new(provider.routers(2), 3, |_, _| {});
        let (source, group) = (A::host(77, 1), A::ssm(1));
        let [one, two, three, four] = [1, 2, 3, 4].map(VrfId);
        for (pe, vrf, from) in [(0, one, None), (0, two, None), (1, three, Some(1)), (1, four, Some(2))] {
            let mut config = importer(pe, vrf, from.as_slice());
            config.aggregated = true;
            world.add_site(pe, config, false);
        }
        [one, two].into_iter().for_each(|vrf| world.set_prefix(0, vrf, A::subnet(77).into(), true));
        world.run_for(SECOND * 2);
        [three, four].into_iter().for_each(|vrf| world.member((1, vrf), Some(source), group, true));
        world.run_for(SECOND * 3);
        let sent = [one, two].map(|vrf| world.pes[0].mvpn.carried(vrf, source.into(), group.into()).unwrap());
        assert!(sent[0].sent_by.is_some() && sent[0].sent_by == sent[1].sent_by && sent[0].label != sent[1].label);
        for (from, to) in [(one, three), (two, four)] {
            let number = world.send((0, from), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), once(&[(1, to)]), "{provider:?}");
        }
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
    two_vpns_without_labels();
}

fn two_vpns_without_labels() {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    pe.add_mvrf(Instant::ZERO, importer(1, VrfId(3), &[1, 2])).unwrap();
    pe.add_mvrf(Instant::ZERO, importer(1, VrfId(4), &[1])).unwrap();
    let root: IpAddr = [192, 0, 2, 9].into();
    let mut advertise = |vpn: u32, pmsi: bool| {
        let rd = RouteDistinguisher::two_octet_as(65001, vpn);
        let mut attributes = McastAttributes::new(root, vec![target(vpn)]);
        attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::MldpP2mp(MldpLsp::generic(root, 7))));
        let route = McastRoute::i_pmsi(AddressFamily::V4, rd, root);
        pe.handle_input(Instant::ZERO, Input::Route { route, attributes: Some(attributes).filter(|_| pmsi) });
        let (mut joins, mut refused) = (0, Vec::new());
        while let Some(output) = pe.poll_output() {
            match output {
                Output::Tree(TreeRequest::Join { .. } | TreeRequest::Stitch { .. }) => joins += 1,
                Output::Event(MvpnEvent::Rejected { vrf, reason, .. }) => refused.push((vrf, reason)),
                _ => {}
            }
        }
        (joins, refused)
    };
    // VRFs 3 and 4 share the tunnel: it has one sender.
    assert_eq!(advertise(1, true), (2, vec![]));
    assert_eq!(advertise(2, true), (0, vec![(VrfId(3), MvpnReject::TunnelInUse)]));
    // Without the first, the second is taken when it comes again.
    advertise(1, false);
    advertise(2, false);
    assert_eq!(advertise(2, true), (1, vec![]));
}

/// Two VRFs of a PE receive an S-PMSI of another by ingress replication. The Leaf A-D route has room for one label: what comes by it arrives in
/// both, and in the one that stays.
#[test]
fn two_vrfs_answer_with_one_label() {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    let (root, rd): (IpAddr, _) = ([192, 0, 2, 9].into(), RouteDistinguisher::two_octet_as(65001, 1));
    let (source, group): (IpAddr, IpAddr) = ([10, 1, 0, 1].into(), [232, 1, 1, 1].into());
    let vrfs = [3, 4].map(VrfId);
    let tree = CTree::Source { group, source };
    for vrf in vrfs {
        pe.add_mvrf(Instant::ZERO, importer(1, vrf, &[1])).unwrap();
        let import = Some(VrfRouteImport { address: root, local: 1 });
        let route = Some(UmhRoute { import, source_as: None, next_hop: root, is_installed: true });
        pe.handle_input(Instant::ZERO, Input::Umh { vrf, prefix: "10.1.0.0/16".parse().unwrap(), rd, route });
    }
    let mut attributes = McastAttributes::new(root, vec![target(1)]);
    let mut pmsi = PmsiTunnelValue::new(PTunnel::IngressReplication(root));
    pmsi.leaf_information_required = true;
    attributes.pmsi = Some(pmsi);
    let route = McastRoute::s_pmsi(rd, SFlow::source_group(source, group), root);
    pe.handle_input(Instant::ZERO, Input::Route { route, attributes: Some(attributes) });
    let (mut tunnels, mut ilms, mut legs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    // The VRFs that what comes by the label of the Leaf A-D route arrives in.
    let mut answered = |pe: &mut MvpnPe, now: u64| {
        pe.handle_timeout(Instant::from_secs(now));
        while let Some(output) = pe.poll_output() {
            assert!(!matches!(output, Output::Event(MvpnEvent::Rejected { .. })), "{output:?}");
            let Output::Program(op) = output else { continue };
            match op {
                FwdOp::SetMulticastTunnel { tunnel, vrf } => drop(tunnels.insert(tunnel, vrf)),
                FwdOp::SetIlm { label, ilm } => drop(ilms.insert(label, ilm.action)),
                FwdOp::ClearIlm { label } => drop(ilms.remove(&label).expect("a label")),
                FwdOp::SetLeg { group, leg, target: LegTarget::Multicast(tunnel) } => {
                    legs.insert((group, leg), tunnel);
                }
                FwdOp::ClearLeg { group, leg } => drop(legs.remove(&(group, leg))),
                _ => {}
            }
        }
        let leaves = pe.originated().filter(|(r, _)| matches!(r.kind, McastKind::Leaf { .. }));
        let labels: Vec<Label> = leaves.filter_map(|(_, a)| a.pmsi.as_ref()?.label).collect();
        assert!(labels.len() <= 1);
        let arrives = |label: &Label| -> Vec<VrfId> {
            match ilms[label] {
                IlmAction::Multicast(tunnel) => vec![tunnels[&tunnel]],
                IlmAction::Replicate(of) => {
                    legs.iter().filter(|((g, _), _)| *g == of).map(|(_, t)| tunnels[t]).collect()
                }
                other => panic!("{other:?}"),
            }
        };
        labels.first().map(|label| (*label, arrives(label)))
    };
    let joins = |pe: &mut MvpnPe, vrf, joined| pe.handle_input(Instant::ZERO, Input::Tree { vrf, tree, joined });
    joins(&mut pe, vrfs[0], true);
    let (label, first) = answered(&mut pe, 0).expect("a leaf");
    assert_eq!(first, [vrfs[0]]);
    joins(&mut pe, vrfs[1], true);
    assert_eq!(answered(&mut pe, 0), Some((label, vrfs.to_vec())), "the route stays as it is");
    joins(&mut pe, vrfs[0], false);
    assert_eq!(answered(&mut pe, 20), Some((label, vec![vrfs[1]])));
    joins(&mut pe, vrfs[0], true);
    assert_eq!(answered(&mut pe, 20).map(|(of, to)| (of, to.len())), Some((label, 2)));
    vrfs.iter().for_each(|vrf| joins(&mut pe, *vrf, false));
    assert_eq!(answered(&mut pe, 60), None);
    vrfs.iter().for_each(|vrf| pe.remove_mvrf(Instant::from_secs(60), *vrf).unwrap());
    assert_eq!(answered(&mut pe, 60), None);
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}

/// What a PE's unicast says of a prefix of another VPN, and what is for multicast alone (RFC 6514 §7, §10).
#[derive(Clone, Copy, Debug)]
struct Policy {
    unicast: bool,
    multicast: bool,
}

/// The VPN label of a PE.
const LABEL: u32 = 900;

/// Two PEs with a VRF each, of VPNs 1 and 2. The VPN-IP route of a site reaches the other VPN for unicast, with VRF Route Import only if it is for
/// multicast too; without unicast it is one of SAFI 129, for RPF alone, and programs nothing. A-D routes are imported as multicast is.
fn two_vpns(policy: Policy) -> World<Ipv4Addr> {
    type A = Ipv4Addr;
    let mut world: World<A> = World::new(Provider::V4.routers(2), 3, |_, _| {});
    for pe in 0..2 {
        let (own, other) = (target(pe as u32 + 1), target(2 - pe as u32));
        let mut config = mvrf(pe, Some(MLDP), MLDP);
        (config.import, config.export) = (vec![own], vec![own]);
        config.import.extend(policy.multicast.then_some(other));
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    for pe in 0..2 {
        exchange(&mut world, pe, policy);
    }
    world.run_for(SECOND);
    world
}

/// PE `to` takes the route of the other's site.
fn exchange(world: &mut World<Ipv4Addr>, to: usize, policy: Policy) {
    type A = Ipv4Addr;
    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    let from = 1 - to;
    let rd = world.pes[from].sites[&VRF].config.rd;
    let import = world.pes[from].mvpn.route_import(VRF).filter(|_| policy.multicast);
    let (next_hop, subnet): (IpAddr, Ipv4Prefix) = (world.routers[from], A::subnet(from));
    if policy.unicast {
        let label = Label::new(LABEL).unwrap();
        let far = NextHop::Neighbor { iface: CORE, mac: mac(from) };
        let near = NextHop::Neighbor { iface: site(VRF), mac: mac(77) };
        let nhlfe = |push, next| Nhlfe { push, next, model: TunnelModel::Uniform };
        let model = TunnelModel::Uniform;
        for op in [
            FwdOp::SetNhlfe { id: NhlfeId(2900), nhlfe: nhlfe(LabelStack::single(label), far) },
            FwdOp::SetNhlfe { id: NhlfeId(2901), nhlfe: nhlfe(LabelStack::EMPTY, near) },
            FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::PopLookup(VRF), model } },
            FwdOp::SetRoute4 { vrf: VRF, prefix: subnet, action: RouteAction::Forward(NhlfeId(2900)) },
            FwdOp::SetRoute4 { vrf: VRF, prefix: A::subnet(to), action: RouteAction::Forward(NhlfeId(2901)) },
        ] {
            world.pes[to].forwarder.apply(&op).unwrap();
        }
    }
    if !policy.unicast && !policy.multicast {
        return;
    }
    // The NLRI of SAFI 129 as it is on the wire.
    let mut octets = Vec::new();
    VpnMulticastNlri { path_id: None, rd, prefix: subnet }.emit(FORMAT, &mut octets);
    let (_, nlri) = VpnMulticastNlri::<Ipv4Prefix>::take(&octets, FORMAT).unwrap();
    let route = Some(UmhRoute { import, source_as: None, next_hop, is_installed: policy.unicast });
    world.input(to, Input::Umh { vrf: VRF, prefix: IpPrefix::V4(nlri.prefix), rd: nlri.rd, route });
    world.retrack(to, VRF);
}

/// Whether a packet reaches the host of the other VPN, and whether a stream does; the MCAST-VPN routes of the other VPN that each PE took.
fn outcome(policy: Policy) -> (bool, bool, usize) {
    type A = Ipv4Addr;
    let mut world = two_vpns(policy);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    world.member((1, VRF), Some(source), group, true);
    world.run_for(SECOND * 3);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    let streams = world.copies(source, group, number) == once(&[(1, VRF)]);
    let mut ping = data(source, A::host(1, 1), 4711);
    ping[..6].copy_from_slice(&mac(0).0);
    world.delivered.clear();
    world.frame(0, site(VRF), &ping);
    world.run_for(SECOND);
    let reached = world.copies(source, A::host(1, 1), 4711) == once(&[(1, VRF)]);
    let joins = world.pes[1].mvpn.originated().filter(|(r, _)| matches!(r.kind, McastKind::SourceTreeJoin(_))).count();
    let members: usize = world.pes.iter().map(|pe| pe.mvpn.members(VRF).count()).sum();
    assert_eq!(joins > 0, streams, "a join that leads nowhere is not sent");
    (reached, streams, members)
}

/// Unicast and multicast between two VPNs, each on and off: all four are to be had. With unicast alone joins towards the other VPN are refused and no
/// MCAST-VPN route crosses; with multicast alone the routes are for RPF, and a packet of unicast finds no way.
///
/// Shows: MVPN-EXT-6, MVPN-EXT-7, MVPN-EXT-10
#[test]
fn unicast_and_multicast_cross_each_by_itself() {
    for unicast in [false, true] {
        for multicast in [false, true] {
            let policy = Policy { unicast, multicast };
            let (reached, streams, members) = outcome(policy);
            assert_eq!((reached, streams), (unicast, multicast), "{policy:?}");
            // One I-PMSI A-D route for each family and direction.
            assert_eq!(members, if multicast { 4 } else { 0 }, "{policy:?}");
        }
    }
}
