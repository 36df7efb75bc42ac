//! Multipoint LSPs of a customer that is a carrier, across the VPN (RFC 6514 §15, RFC 7441).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::PmsiTunnelType;
use fwd_core::net::Label;
use mvpn::mvrf::{
    BidirModel, CMldpRoute, MvpnConfigError, MvpnPe, MvrfConfig, Offer, OfferRefused, PTunnel, TunnelKind, offer,
};
use p2mp_pw::mldp::TreeFec;

use super::carrier::{Carriers, labelled};
use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
/// The P router between the PEs 0 to 3.
const P: usize = 4;

fn of_carrier(pe: usize, kind: TunnelKind, aggregated: bool) -> MvrfConfig {
    let mut config = mvrf(pe, Some(kind), kind);
    (config.c_mldp, config.aggregated) = (true, aggregated);
    config
}

/// A customer with two CEs at PE 0 and one at each other PE; mLDP in the core.
fn aggregated(provider: Provider) -> Carriers {
    let mut world: World<A> = World::new(provider.routers(5), 17, |_, _| {});
    world.start_ldp(P);
    let mut carriers = Carriers::new(world, (0..4).map(|pe| of_carrier(pe, TunnelKind::MldpP2mp, true)).collect());
    for pe in [0, 0, 1, 2, 3] {
        carriers.add_ce(pe);
    }
    carriers
}

/// The leaves of the n-th LSP: CEs 1 to 4, each in every other, third, … of them.
fn leaves(n: u32) -> Vec<usize> {
    (1..=4).filter(|ce| (n + 1) % (*ce as u32 + 1) != 0).collect()
}

/// What the P router holds: trees, labels, entries, groups.
fn state_of_p(carriers: &Carriers) -> (usize, (usize, usize, usize)) {
    let p = &carriers.world.ldp.as_ref().unwrap().nodes[P];
    (p.trees().count(), p.used())
}

/// Twenty P2MP LSPs of a sub-carrier's, with leaves behind one, two or three PEs and behind the PE of the root: each leaf gets each packet of its
/// LSPs once, and no other. Their S-PMSIs are labels in one P-tree, a label of the upstream PE's for each LSP; the P router holds what it
/// held before the first.
///
/// Shows: MVPN-CSC-1
#[test]
fn twenty_lsps_of_a_sub_carrier_cross_by_one_tree() {
    for provider in Provider::BOTH {
        let mut carriers = aggregated(provider);
        carriers.run_for(SECOND * 2);
        let (before, in_use) = (state_of_p(&carriers), carriers.world.pes[0].mvpn.numbers_in_use());
        let lsps: Vec<TreeFec> = (0..20).map(|n| carriers.lsp(0, n + 1)).collect();
        for (n, fec) in (0..).zip(&lsps) {
            carriers.open(0, fec);
            for ce in leaves(n) {
                carriers.join(ce, fec, n);
            }
            carriers.run_for(SECOND);
            assert_eq!(state_of_p(&carriers), before, "{provider:?}: after LSP {n}");
        }
        carriers.run_for(SECOND * 2);
        for (n, fec) in (0..).zip(&lsps) {
            let expected: BTreeMap<_, _> = leaves(n).into_iter().map(|ce| ((ce, n), 1)).collect();
            assert_eq!(carriers.packet(0, fec), expected, "{provider:?}: LSP {n}");
        }
        let offers = carriers.routes(|route| matches!(route, CMldpRoute::SPmsi(_)));
        let pmsis: Vec<_> = offers.iter().map(|(_, attributes)| attributes.pmsi.clone().unwrap()).collect();
        let labels: BTreeSet<Label> = pmsis.iter().map(|pmsi| pmsi.label.unwrap()).collect();
        assert_eq!((pmsis.len(), labels.len()), (20, 20), "a label for each LSP");
        assert!(pmsis.iter().all(|pmsi| pmsi.tunnel == pmsis[0].tunnel && !pmsi.leaf_information_required));
        assert_eq!(carriers.world.pes[0].mvpn.root_tunnels(), 1);
        // All leave: nothing is left of it.
        for (n, fec) in (0..).zip(&lsps) {
            for ce in leaves(n) {
                carriers.leave(ce, fec);
            }
        }
        carriers.run_for(SECOND * 5);
        assert!(carriers.rib.is_empty(), "{:?}", carriers.rib);
        assert_eq!((state_of_p(&carriers), carriers.world.pes[0].mvpn.numbers_in_use()), (before, in_use));
        // Each VRF's mLDP still has the entries of its CEs.
        assert!(carriers.vrfs.values().all(|mldp| mldp.used().0 == 0 && mldp.used().2 == 0));
    }
}

/// A CE of another PE may use a label here only if it was given it on its own link, whatever the label is good for elsewhere: at each PE, each
/// label of the block from each CE.
///
/// Shows: MVPN-CSC-3
#[test]
fn a_pe_takes_only_labels_that_it_gave_to_the_ce() {
    let mut carriers = aggregated(Provider::V4);
    let lsps = [carriers.lsp(0, 1), carriers.lsp(0, 2), carriers.lsp(1, 1), carriers.lsp(2, 1)];
    for (n, fec) in (0..).zip(&lsps) {
        let root = [0, 0, 1, 2][n as usize];
        carriers.open(root, fec);
        (3..=4).for_each(|ce| carriers.join(ce, fec, n));
    }
    carriers.run_for(SECOND * 5);
    let roots = [vec![0_u32, 1], vec![2], vec![3], vec![], vec![]];
    for (ce, numbers) in roots.iter().enumerate() {
        let (pe, link) = (carriers.ces[ce].pe, carriers.ces[ce].link);
        let mut taken = BTreeSet::new();
        for label in (5000..5100).map(|l| Label::new(l).unwrap()) {
            let got = carriers.inject(pe, link, vec![labelled(pe, ce, label)]);
            let lsps: BTreeSet<u32> = got.keys().map(|(_, n)| *n).collect();
            assert!(lsps.len() <= 1 && taken.is_disjoint(&lsps), "{label:?} of CE {ce}");
            taken.extend(lsps);
        }
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), *numbers, "CE {ce}");
    }
    // The interface of PIM's customers takes no labels at all.
    let any: Vec<Vec<u8>> = (5000..5100).map(|l| labelled(0, 0, Label::new(l).unwrap())).collect();
    assert_eq!(carriers.inject(0, super::node::site(VRF), any), BTreeMap::new());
}

/// In one VRF, PIM joins (S,G), and mLDP an LSP whose root is S and whose number is G, as RFC 6514 §11.1.2 alone would have made one route of
/// both. Each is joined and left by itself, and gets its own packets.
///
/// Shows: MVPN-CSC-2
#[test]
fn pim_and_mldp_in_one_vrf_do_not_collide() {
    let mut carriers = aggregated(Provider::V4);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let lsp = carriers.lsp(0, group.into());
    assert_eq!(lsp.root, source);
    carriers.open(0, &lsp);
    let both = |carriers: &mut Carriers| {
        let number = carriers.world.send((0, VRF), source, group);
        let labelled = carriers.packet(0, &lsp);
        (carriers.world.copies(source, group, number), labelled)
    };
    let by_pim = |pes: &[usize]| pes.iter().map(|pe| ((*pe, VRF), 1)).collect::<BTreeMap<_, _>>();
    let by_mldp = |ces: &[usize]| ces.iter().map(|ce| ((*ce, 7), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(both(&mut carriers), (by_pim(&[]), by_mldp(&[])));
    carriers.world.member((2, VRF), Some(source), group, true);
    carriers.join(3, &lsp, 7);
    carriers.join(2, &lsp, 7);
    carriers.run_for(SECOND * 5);
    // CEs 2 and 3 are behind PEs 1 and 2.
    assert_eq!(both(&mut carriers), (by_pim(&[2]), by_mldp(&[2, 3])));
    let joins = |carriers: &Carriers| {
        let of_lsps = carriers.routes(|route| matches!(route, CMldpRoute::SourceTreeJoin { .. })).len();
        let is_join = |route: &mvpn::mvrf::McastRoute| matches!(route.kind, mvpn::mvrf::McastKind::SourceTreeJoin(_));
        let of_pim = carriers.world.pes.iter().flat_map(|pe| pe.mvpn.originated()).filter(|(r, _)| is_join(r));
        (of_pim.count(), of_lsps)
    };
    assert_eq!(joins(&carriers), (1, 2));
    // The LSP goes at the PE that has both; then it comes back, and PIM's flow goes.
    carriers.leave(3, &lsp);
    carriers.run_for(SECOND * 5);
    assert_eq!((both(&mut carriers), joins(&carriers)), ((by_pim(&[2]), by_mldp(&[2])), (1, 1)));
    carriers.join(3, &lsp, 7);
    carriers.world.member((2, VRF), Some(source), group, false);
    carriers.run_for(SECOND * 5);
    assert_eq!((both(&mut carriers), joins(&carriers)), ((by_pim(&[]), by_mldp(&[2, 3])), (0, 2)));
}

/// The carrier's kinds of tunnels, and the customer's types.
const CARRIER: [TunnelKind; 7] = [
    TunnelKind::IngressReplication,
    TunnelKind::MldpP2mp,
    TunnelKind::RsvpTeP2mp,
    TunnelKind::MldpMp2mp { root: std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), lsp: 7 },
    TunnelKind::PimSsm,
    TunnelKind::PimSm(std::net::IpAddr::V4(Ipv4Addr::new(239, 9, 9, 1))),
    TunnelKind::BidirPim(std::net::IpAddr::V4(Ipv4Addr::new(239, 9, 9, 2))),
];
const CUSTOMER: [PmsiTunnelType; 7] = [
    PmsiTunnelType::RSVP_TE_P2MP,
    PmsiTunnelType::MLDP_P2MP,
    PmsiTunnelType::PIM_SSM,
    PmsiTunnelType::PIM_SM,
    PmsiTunnelType::BIDIR_PIM,
    PmsiTunnelType::INGRESS_REPLICATION,
    PmsiTunnelType::MLDP_MP2MP,
];

fn pes(count: usize) -> World<A> {
    World::new(Provider::V4.routers(count), 29, |_, config| config.p_groups = Some("232.9.0.0/24".parse().unwrap()))
}

/// A configuration where tunnels are of a kind: of the I-PMSI too, unless flows need one that may carry S-PMSIs.
fn with(pe: usize, kind: TunnelKind) -> MvrfConfig {
    let selective = match kind {
        TunnelKind::MldpMp2mp { .. } => TunnelKind::MldpP2mp,
        TunnelKind::PimSm(_) | TunnelKind::BidirPim(_) => TunnelKind::PimSsm,
        kind => kind,
    };
    mvrf(pe, Some(kind), selective)
}

/// The customer's P2MP LSP crosses by a tunnel of this kind: to two leaves, then to one.
fn lsp_crosses(kind: TunnelKind, aggregated: bool) {
    let mvrfs = (0..3).map(|pe| of_carrier(pe, kind, aggregated)).collect();
    let mut carriers = Carriers::new(pes(3), mvrfs);
    for pe in 0..3 {
        carriers.add_ce(pe);
    }
    let lsp = carriers.lsp(0, 1);
    carriers.open(0, &lsp);
    carriers.join(1, &lsp, 5);
    carriers.join(2, &lsp, 6);
    carriers.run_for(SECOND * 5);
    assert_eq!(carriers.packet(0, &lsp), BTreeMap::from([((1, 5), 1), ((2, 6), 1)]), "{kind:?}");
    let offers = carriers.routes(|route| matches!(route, CMldpRoute::SPmsi(_)));
    let pmsi = offers[0].1.pmsi.as_ref().unwrap();
    let is_of_kind = match kind {
        TunnelKind::IngressReplication => matches!(pmsi.tunnel, PTunnel::IngressReplication(_)),
        TunnelKind::RsvpTeP2mp => matches!(pmsi.tunnel, PTunnel::RsvpTeP2mp { .. }),
        _ => matches!(pmsi.tunnel, PTunnel::MldpP2mp(_)),
    };
    assert!(is_of_kind && pmsi.label.is_some() == aggregated, "{pmsi:?}");
    // The root has to know its leaves, or need not (RFC 6514 §12.1).
    let leaves = carriers.routes(|route| matches!(route, CMldpRoute::Leaf { .. })).len();
    assert_eq!(leaves, if kind == TunnelKind::MldpP2mp { 0 } else { 2 });
    carriers.leave(1, &lsp);
    carriers.run_for(SECOND * 5);
    assert_eq!(carriers.packet(0, &lsp), BTreeMap::from([((2, 6), 1)]), "{kind:?}");
    carriers.leave(2, &lsp);
    carriers.run_for(SECOND * 5);
    assert!(carriers.rib.is_empty() && carriers.packet(0, &lsp).is_empty(), "{kind:?}");
}

/// A tree of the customer's PIM crosses: packets for its P-group get to the receivers once. The customer's RP, or the link of its RPA, is behind
/// PE 3.
fn tree_crosses(customer: PmsiTunnelType, kind: TunnelKind) {
    let mut world = pes(4);
    let is_bidir = customer == PmsiTunnelType::BIDIR_PIM;
    world.puts_back = is_bidir;
    for pe in 0..4 {
        let mut config = with(pe, kind);
        config.bidir = is_bidir.then_some(BidirModel::IngressReplication);
        world.add_site(pe, config, pe == 3 && customer == PmsiTunnelType::PIM_SM);
    }
    if is_bidir {
        (0..4).for_each(|pe| world.set_rpas((pe, VRF), 1));
        world.set_rpl((3, VRF), 0, true);
    }
    world.run_for(SECOND * 5);
    let (source, group) = match customer {
        PmsiTunnelType::PIM_SSM => (Some(A::host(0, 1)), A::ssm(1)),
        PmsiTunnelType::PIM_SM => (None, A::asm(1)),
        _ => (None, A::bidir(0, 1)),
    };
    for pe in [1, 2] {
        world.member((pe, VRF), source, group, true);
    }
    world.run_for(SECOND * 10);
    // The first packets of a source of an ASM group go by its RP.
    for _ in 0..150 {
        world.send((0, VRF), A::host(0, 1), group);
        world.run_for(SECOND / 10);
    }
    let number = world.send((0, VRF), A::host(0, 1), group);
    world.run_for(SECOND);
    let expected = BTreeMap::from([1, 2].map(|pe| ((pe, VRF), 1)));
    let mut copies = world.copies(A::host(0, 1), group, number);
    copies.remove(&(3, VRF));
    assert_eq!(copies, expected, "{customer:?} by {kind:?}");
}

/// Every type of tunnel of the customer's by every kind of the carrier's: it passes, packet by packet, or it is refused for a reason. What is
/// unicast to this provider has no multicast here: `carriers_carry_carriers_three_levels_deep` of `bgp-vpn` has its packets.
///
/// Shows: MVPN-CSC-4
#[test]
fn every_tunnel_of_a_customer_by_every_tunnel_of_the_carrier() {
    use OfferRefused::{Mp2mp, RsvpTe, SharedTree, Unlabelled};
    let of_lsp = [Ok(Offer::CMldp); 3].into_iter().chain([Err(SharedTree)]).chain([Err(Unlabelled); 3]);
    let row = |all: Result<Offer, OfferRefused>| vec![all; 7];
    let matrix = [
        row(Err(RsvpTe)),
        of_lsp.collect(),
        row(Ok(Offer::CPim)),
        row(Ok(Offer::CPim)),
        row(Ok(Offer::CPim)),
        row(Ok(Offer::Unicast)),
        row(Err(Mp2mp)),
    ];
    for (customer, row) in CUSTOMER.into_iter().zip(matrix) {
        for (kind, expected) in CARRIER.into_iter().zip(row) {
            assert_eq!(offer(customer, kind), expected, "{customer:?} by {kind:?}");
            match expected {
                Ok(Offer::CMldp) => {
                    lsp_crosses(kind, false);
                    if kind == TunnelKind::MldpP2mp {
                        lsp_crosses(kind, true);
                    }
                }
                Ok(Offer::CPim) => tree_crosses(customer, kind),
                Err(refused @ (SharedTree | Unlabelled)) => {
                    let mut config = with(0, kind);
                    (config.c_mldp, config.selective) = (true, kind);
                    let mut pe = pes(1).pes.swap_remove(0).mvpn;
                    let error = MvpnPe::add_mvrf(&mut pe, fwd_core::time::Instant::ZERO, config).unwrap_err();
                    assert_eq!(error, MvpnConfigError::CMldp(refused));
                }
                Ok(Offer::Unicast) | Err(_) => {}
            }
        }
    }
}

/// An MP2MP LSP of the customer's is refused where it would cross: the mLDP of the VRF finds no upstream LSR, says so, and nothing is
/// originated. Within the PE's own sites it works.
///
/// Shows: MVPN-CSC-4
#[test]
fn an_mp2mp_lsp_of_a_customer_does_not_cross() {
    let mut carriers = aggregated(Provider::V4);
    let fec = TreeFec::mp2mp(carriers.ces[0].address, 1);
    carriers.join(0, &fec, 1);
    carriers.join(1, &fec, 2);
    carriers.join(2, &fec, 3);
    carriers.run_for(SECOND * 5);
    assert!(carriers.rib.is_empty());
    let tree = carriers.vrfs[&1].find(&fec).and_then(|id| carriers.vrfs[&1].tree(id)).unwrap();
    assert_eq!((tree.upstream, tree.branches.len()), (None, 1), "the CE's label is kept, and of no use");
    let at_root = carriers.vrfs[&0].find(&fec).and_then(|id| carriers.vrfs[&0].tree(id)).unwrap();
    assert_eq!(at_root.branches.len(), 1, "the CE at the same PE");
}
