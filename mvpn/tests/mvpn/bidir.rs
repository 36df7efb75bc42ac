//! The customers' bidirectional groups (RFC 6513 §11.2, RFC 7582, RFC 7740).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, Label, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    BidirModel, CTree, Input, McastAttributes, McastKind, McastRoute, MldpLsp, MvpnConfig, MvpnConfigError, MvpnEvent,
    MvpnPe, MvpnReject, MvrfConfig, Output, PTunnel, PmsiTunnelValue, SFlow, Target, TreeRequest, TunnelKind, UmhRoute,
    UmhSelection,
};
use mvpn::pim::wire::AddressFamily;

use super::node::SimAddress;
use super::world::{Place, World};
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// The three ways to tell partitions apart; the LSP of all partitions begins at the last PE.
fn models(routers: &[IpAddr]) -> [BidirModel; 3] {
    let root = *routers.last().unwrap();
    [BidirModel::IngressReplication, BidirModel::FlatMp2mp, BidirModel::Hierarchical { root, lsp: 77 }]
}

/// PEs of a VPN whose bidirectional groups have one RPA, behind these PEs.
fn world<A: SimAddress>(
    routers: Vec<IpAddr>,
    seed: u64,
    model: BidirModel,
    rpl: &[usize],
    tune: impl Fn(&mut MvrfConfig),
) -> World<A> {
    let count = routers.len();
    let mut world: World<A> = World::new(routers, seed, |_, _| {});
    world.puts_back = true;
    for pe in 0..count {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.bidir = Some(model);
        tune(&mut config);
        world.add_site(pe, config, false);
        world.set_rpas((pe, VRF), 1);
    }
    rpl.iter().for_each(|pe| world.set_rpl((*pe, VRF), 0, true));
    world.run_for(SECOND * 3);
    world
}

fn at(pe: usize) -> Place {
    (pe, VRF)
}

fn once(pes: &[usize]) -> BTreeMap<Place, u32> {
    pes.iter().map(|pe| (at(*pe), 1)).collect()
}

/// PEs 0 and 1 are attached to the C-RPA's link; PE 2 has selected PE 0 and PE 3 has selected PE 1, as unicast has.
fn two_views<A: SimAddress>(provider: Provider) {
    let routers = provider.routers(5);
    for model in models(&routers) {
        let mut world: World<A> =
            world(routers.clone(), 5, model, &[0, 1], |config| config.umh = UmhSelection::Installed);
        let group = A::bidir(0, 1);
        (0..4).for_each(|pe| world.member(at(pe), None, group, true));
        world.run_for(SECOND * 3);
        let drops = |world: &World<A>, pe: usize| world.pes[pe].drops.values().sum::<u64>();
        let before: Vec<u64> = (0..5).map(|pe| drops(&world, pe)).collect();
        // The customer's RPL does not work: nothing leads from one partition to the other.
        for (from, to) in [(0, vec![2]), (2, vec![0]), (1, vec![3]), (3, vec![1])] {
            let source = A::host(from, 1);
            let number = world.send(at(from), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), once(&to), "{model:?} from PE {from}");
        }
        let dropped: Vec<u64> = (0..5).map(|pe| drops(&world, pe) - before[pe]).collect();
        match model {
            // One LSP reaches all that are in any partition: packets of the other one are dropped, as is each packet at PE 4, which has no
            // receiver and went with PE 0 or PE 1.
            BidirModel::Hierarchical { .. } => assert_eq!(dropped[..4], [2; 4], "{dropped:?}"),
            _ => assert_eq!(dropped[..4], [0; 4], "{model:?}: {dropped:?}"),
        }
        // Now it does: up to it by one partition, and down by the other.
        world.lans = BTreeMap::from([(at(0), at(1)), (at(1), at(0))]);
        for (from, to) in [(0, vec![2, 3]), (2, vec![0, 3]), (1, vec![2, 3]), (3, vec![1, 2])] {
            let source = A::host(from, 2);
            let number = match from {
                // A host on the RPL is heard by both.
                0 | 1 => {
                    let number = world.send(at(from), source, group);
                    world.send_again(at(1 - from), source, group, number);
                    number
                }
                _ => world.send(at(from), source, group),
            };
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), once(&to), "{model:?} over the RPL from PE {from}");
        }
    }
}

/// Two PEs with different views of the C-RPA are in two partitions: no packet crosses from one to the other but by the customer's own RPL, and
/// each comes once. By the label that packets arrive with the forwarder tells partitions apart, where they share a tunnel.
///
/// Shows: MVPN-CORE-6
#[test]
fn partitions_do_not_hear_each_other() {
    for provider in Provider::BOTH {
        two_views::<Ipv4Addr>(provider);
        two_views::<Ipv6Addr>(provider);
    }
}

/// PEs that change their view of the C-RPA at any time, with packets on the way: none goes round, and in the end each comes once.
///
/// Shows: MVPN-CORE-6
#[test]
fn views_of_the_rpa_that_change_make_no_loop() {
    type A = Ipv4Addr;
    let routers = Provider::V4.routers(5);
    for seed in 0..8 {
        for model in models(&routers) {
            let mut world: World<A> =
                world(routers.clone(), seed, model, &[0, 1], |config| config.umh = UmhSelection::Installed);
            let lans = BTreeMap::from([(at(0), at(1)), (at(1), at(0))]);
            world.lans = lans.clone();
            let group = A::bidir(0, 1);
            let mut joined: BTreeSet<usize> = (2..5).collect();
            joined.iter().for_each(|pe| world.member(at(*pe), None, group, true));
            world.run_for(SECOND * 2);
            let mut sent = Vec::new();
            let mut up = [true, true];
            for _ in 0..60 {
                match world.rng.below(4) {
                    // A PE loses the RPL, or finds it again. The other one is there.
                    0 => {
                        let pe = world.rng.below(2) as usize;
                        if up[1 - pe] {
                            up[pe] = !up[pe];
                            world.lans = if up == [true; 2] { lans.clone() } else { BTreeMap::new() };
                            world.set_rpl(at(pe), 0, up[pe]);
                        }
                    }
                    1 => {
                        let pe = 2 + world.rng.below(3) as usize;
                        let is_new = joined.insert(pe);
                        if !is_new {
                            joined.remove(&pe);
                        }
                        world.member(at(pe), None, group, is_new);
                    }
                    _ => {
                        let from = 2 + world.rng.below(3) as usize;
                        let source = A::host(from, 1);
                        sent.push((source, world.send(at(from), source, group)));
                    }
                }
                let pause = Duration::from_millis(1 + world.rng.below(400));
                world.run_for(pause);
            }
            world.run_for(SECOND);
            for (source, number) in &sent {
                // Up by one partition, over the RPL, down by the other: at most two ways.
                let copies = world.copies(*source, group, *number);
                assert!(copies.values().all(|copies| *copies <= 2), "seed {seed}, {model:?}: {copies:?}");
                let reached = world.reached.get(number).into_iter().flat_map(BTreeMap::values).sum::<u32>();
                assert!(reached <= 10, "seed {seed}, {model:?}: {reached} frames of one packet");
            }
            world.lans = lans;
            (0..2).for_each(|pe| world.set_rpl(at(pe), 0, true));
            world.run_for(SECOND * 5);
            for from in 2..5 {
                let source = A::host(from, 3);
                let number = world.send(at(from), source, group);
                world.run_for(SECOND);
                let copies = world.copies(source, group, number);
                let wanted: BTreeSet<usize> = joined.iter().copied().filter(|pe| *pe != from).collect();
                let got: BTreeSet<usize> = copies.keys().map(|(pe, _)| *pe).filter(|pe| *pe > 1).collect();
                assert!(copies.values().all(|copies| *copies == 1), "seed {seed}, {model:?}: {copies:?}");
                assert_eq!(got, wanted, "seed {seed}, {model:?} from PE {from}");
            }
        }
    }
}

/// A group in a range of S-PMSIs moves to a tunnel of its own in the partition (RFC 7582 §3.2.1.1, RFC 7740 §2.1) and back, under load: no packet
/// is lost and none comes twice. PEs that have nothing to do with the group are not reached any more.
#[test]
fn a_group_moves_to_its_own_tunnel_and_back_without_a_loss() {
    type A = Ipv4Addr;
    let routers = Provider::V4.routers(6);
    for model in &models(&routers)[..2] {
        let always = A::bidir_range(0).into();
        let mut world: World<A> = world(routers.clone(), 9, *model, &[0], |config| config.s_pmsi.always = vec![always]);
        let (group, other) = (A::bidir(0, 1), A::bidir(0, 2));
        // Everybody is in the partition, for another group.
        (1..6).for_each(|pe| world.member(at(pe), None, other, true));
        world.run_for(SECOND * 8);
        world.member(at(2), None, group, true);
        world.run_for(Duration::from_millis(800));
        let source = A::host(1, 1);
        let mut sent = Vec::new();
        for ms in 0..9000 {
            if ms == 5000 {
                // The last but the sender leaves: the upstream PE gives the S-PMSI up.
                world.member(at(1), None, group, true);
            }
            sent.push(world.send(at(1), source, group));
            world.run_for(Duration::from_millis(1));
        }
        world.run_for(SECOND);
        let wrong = sent.iter().filter(|number| world.copies(source, group, **number) != once(&[0, 2])).count();
        assert_eq!(wrong, 0, "{model:?}");
        let to = |number: &u32| world.reached[number].keys().copied().collect::<BTreeSet<usize>>();
        assert_eq!(to(&sent[0]), BTreeSet::from([0, 2, 3, 4, 5]), "{model:?}: by the partition's tunnel");
        assert_eq!(to(sent.last().unwrap()), BTreeSet::from([0, 2]), "{model:?}: by the group's own");
        // Back, as there is nobody but the sender's site.
        (1..3).for_each(|pe| world.member(at(pe), None, group, false));
        world.run_for(SECOND * 15);
        let number = world.send(at(1), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), once(&[0]), "{model:?}");
        let own = world.pes[0]
            .mvpn
            .originated()
            .filter(|(route, _)| matches!(route.kind, McastKind::Ad(mvpn::mvrf::AdRoute::SPmsi { .. })));
        assert_eq!(own.count(), 2, "{model:?}: (C-*,C-*-BIDIR) is left, and that of the other group");
    }
}

/// A PE, RDs, and what it advertises.
const PE: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

fn rd(n: u32) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, n)
}

fn one(bidir: BidirModel) -> MvpnPe {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(PE.into(), 65001)).unwrap();
    let mut config = MvrfConfig::new(VRF, rd(1), "65001:1".parse().unwrap(), IfIndex(1000));
    config.families = vec![AddressFamily::V4];
    config.inclusive = None;
    config.bidir = Some(bidir);
    pe.add_mvrf(Instant::ZERO, config).unwrap();
    let range = "239.0.0.0/8".parse().unwrap();
    let rpa = Some([10, 9, 0, 1].into());
    pe.handle_input(Instant::ZERO, Input::BidirRange { vrf: VrfId(1), range, rpa });
    pe
}

/// The route to the RPA leads to the other PE, or is this PE's own.
fn behind(pe: &mut MvpnPe, other: bool) {
    let (vrf, prefix) = (VRF, "10.9.0.0/16".parse().unwrap());
    let import = Some(VrfRouteImport { address: OTHER.into(), local: 1 });
    let route = UmhRoute { import, source_as: None, next_hop: OTHER.into(), is_installed: true };
    let input = match other {
        true => Input::Umh { vrf, prefix, rd: rd(2), route: Some(route) },
        false => Input::Local { vrf, prefix, reachable: true },
    };
    pe.handle_input(Instant::ZERO, input);
}

fn outputs(pe: &mut MvpnPe) -> Vec<Output> {
    std::iter::from_fn(|| pe.poll_output()).collect()
}

fn joined(outputs: &[Output]) -> Vec<TreeRequest> {
    let is_join = |r: &TreeRequest| matches!(r, TreeRequest::Join { .. } | TreeRequest::JoinSpace { .. });
    let requests = outputs.iter().filter_map(|o| if let Output::Tree(r) = o { Some(r.clone()) } else { None });
    requests.filter(is_join).collect()
}

/// The (C-*,C-*-BIDIR) S-PMSI A-D route of the other PE.
fn offer(pe: &mut MvpnPe, tunnel: PTunnel, pe_labels: Vec<(IpAddr, Label)>) -> Vec<Output> {
    let route = McastRoute::s_pmsi(rd(2), SFlow::all_bidir(AddressFamily::V4), OTHER.into());
    let target: Target = "65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into();
    let mut attributes = McastAttributes::new(OTHER.into(), vec![target]);
    attributes.pmsi = Some(PmsiTunnelValue::new(tunnel));
    attributes.pe_labels = pe_labels;
    pe.handle_input(Instant::ZERO, Input::Route { route, attributes: Some(attributes) });
    outputs(pe)
}

/// RFC 7582 §3.2.1: the advertiser of an LSP of the flat method is its root. §3.2.2.1: PE Distinguisher Labels that name a PE or a label twice are
/// malformed, and the route is as withdrawn.
#[test]
fn offers_that_do_not_fit_are_not_used() {
    let lsp = |root: [u8; 4]| PTunnel::MldpMp2mp(MldpLsp::generic(root.into(), 5));
    let mut pe = one(BidirModel::FlatMp2mp);
    behind(&mut pe, true);
    outputs(&mut pe);
    assert_eq!(joined(&offer(&mut pe, lsp(PE), vec![])), []);
    assert_eq!(joined(&offer(&mut pe, PTunnel::IngressReplication(OTHER.into()), vec![])), []);
    assert_eq!(joined(&offer(&mut pe, lsp(OTHER), vec![])).len(), 1);

    let mut pe = one(BidirModel::Hierarchical { root: OTHER.into(), lsp: 5 });
    behind(&mut pe, true);
    outputs(&mut pe);
    let label = |n| Label::new(n).unwrap();
    let entry = |pe: [u8; 4], n| (IpAddr::from(pe), label(n));
    assert_eq!(joined(&offer(&mut pe, lsp(OTHER), vec![entry(PE, 16)])), [], "no label for the upstream PE");
    for twice in [vec![entry(OTHER, 16), entry(OTHER, 17)], vec![entry(OTHER, 16), entry(PE, 16)]] {
        let outputs = offer(&mut pe, lsp(OTHER), twice);
        assert_eq!(joined(&outputs), []);
        let is_said = |o: &Output| matches!(o, Output::Event(MvpnEvent::Rejected { reason: MvpnReject::Bidir, .. }));
        assert!(outputs.iter().any(is_said) || pe.usage(VRF).iter().any(|u| u.used == 0));
    }
    let outputs = offer(&mut pe, lsp(OTHER), vec![entry(OTHER, 16), entry(PE, 17)]);
    assert!(matches!(joined(&outputs)[..], [TreeRequest::JoinSpace { .. }]), "{outputs:?}");
    // Withdrawn by a malformed one.
    let outputs = offer(&mut pe, lsp(OTHER), vec![entry(OTHER, 16), entry(PE, 16)]);
    assert!(outputs.iter().any(|o| matches!(o, Output::Tree(TreeRequest::Remove { .. }))), "{outputs:?}");
}

/// The root of the LSP names itself and every PE that it knows; a PE that goes loses its label.
#[test]
fn the_root_of_an_lsp_gives_a_label_to_each_pe() {
    let mut pe = one(BidirModel::Hierarchical { root: PE.into(), lsp: 5 });
    let labels = |pe: &MvpnPe| -> Vec<IpAddr> {
        let of = pe
            .originated()
            .find(|(r, _)| **r == McastRoute::s_pmsi(rd(1), SFlow::all_bidir(AddressFamily::V4), PE.into()));
        let labels = of.map(|(_, a)| a.pe_labels.clone()).unwrap_or_default();
        let values: BTreeSet<Label> = labels.iter().map(|(_, label)| *label).collect();
        assert_eq!(values.len(), labels.len());
        labels.iter().map(|(pe, _)| *pe).collect()
    };
    assert_eq!(labels(&pe), [IpAddr::from(PE)]);
    let route = McastRoute::i_pmsi(AddressFamily::V4, rd(2), OTHER.into());
    let target: Target = "65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into();
    let attributes = Some(McastAttributes::new(OTHER.into(), vec![target]));
    pe.handle_input(Instant::ZERO, Input::Route { route, attributes });
    assert_eq!(labels(&pe), [IpAddr::from(PE), OTHER.into()]);
    let used = pe.numbers_in_use()[0];
    pe.handle_input(Instant::ZERO, Input::Route { route, attributes: None });
    outputs(&mut pe);
    assert_eq!((labels(&pe), pe.numbers_in_use()[0]), (vec![IpAddr::from(PE)], used - 1));
}

/// RFC 7740 §2.1: the upstream PE advertises whether or not anybody joined, with a label and L; who has joined answers with the route targets of
/// that route and a label for this partition, and until then does not.
#[test]
fn leaves_of_ingress_replication_answer_to_all() {
    let mut pe = one(BidirModel::IngressReplication);
    let mine = McastRoute::s_pmsi(rd(1), SFlow::all_bidir(AddressFamily::V4), PE.into());
    assert!(pe.originated().all(|(route, _)| *route != mine));
    behind(&mut pe, false);
    let (_, attributes) = pe.originated().find(|(route, _)| **route == mine).unwrap();
    let pmsi = attributes.pmsi.clone().unwrap();
    assert!(pmsi.leaf_information_required && pmsi.label.is_some());
    assert_eq!(pmsi.tunnel, PTunnel::IngressReplication(PE.into()));

    let mut pe = one(BidirModel::IngressReplication);
    behind(&mut pe, true);
    offer(&mut pe, PTunnel::IngressReplication(OTHER.into()), vec![]);
    let leaves = |pe: &MvpnPe| -> Vec<McastAttributes> {
        pe.originated().filter(|(r, _)| matches!(r.kind, McastKind::Leaf { .. })).map(|(_, a)| a.clone()).collect()
    };
    assert!(leaves(&pe).is_empty());
    let tree = CTree::Shared { group: [239, 1, 1, 1].into(), rp: [10, 9, 0, 1].into() };
    pe.handle_input(Instant::ZERO, Input::Tree { vrf: VRF, tree, joined: true });
    let [leaf] = &leaves(&pe)[..] else { panic!("one Leaf A-D route") };
    let target: Target = "65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into();
    assert_eq!(leaf.targets, [target]);
    assert!(leaf.pmsi.as_ref().is_some_and(|pmsi| pmsi.label.is_some()));
    pe.handle_input(Instant::ZERO, Input::Tree { vrf: VRF, tree, joined: false });
    assert!(leaves(&pe).is_empty());
}

#[test]
fn models_that_cannot_be_are_refused() {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(PE.into(), 65001)).unwrap();
    let mut config = MvrfConfig::new(VRF, rd(1), "65001:1".parse().unwrap(), IfIndex(1000));
    config.bidir = Some(BidirModel::Hierarchical { root: [224, 0, 0, 1].into(), lsp: 5 });
    assert_eq!(pe.add_mvrf(Instant::ZERO, config.clone()), Err(MvpnConfigError::Bidir));
    config.bidir = Some(BidirModel::FlatMp2mp);
    config.protocol = mvpn::mvrf::CMulticastProtocol::Pim;
    assert_eq!(pe.add_mvrf(Instant::ZERO, config), Err(MvpnConfigError::Bidir));
}
