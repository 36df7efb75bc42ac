//! What PEs of the provider side need as numbers grow: memory, outputs, time of the processor.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant as Clock};

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId, ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, NextHop, Rpf, VsiOrVrf};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    CTree, DampingConfig, Input, McastAttributes, McastKind, McastRoute, MldpLsp, MvpnConfig, MvpnPe, MvrfConfig,
    Output, PTunnel, PmsiTunnelValue, SFlow, Target, TreeRequest, TunnelKind, UmhRoute,
};
use mvpn::pim::wire::AddressFamily;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{self, Candidate, Deliver, GroupRange, Mldp, MldpConfig, Route, TreeFec};

const NOW: Instant = Instant::ZERO;
const V4: AddressFamily = AddressFamily::V4;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn router(n: u32) -> IpAddr {
    Ipv4Addr::from_bits((192 << 24) + n).into()
}

fn rd(vpn: u32, pe: u32) -> RouteDistinguisher {
    RouteDistinguisher::four_octet_as(vpn, u16::try_from(pe).unwrap())
}

fn group(i: u32) -> IpAddr {
    Ipv4Addr::from_bits((232 << 24) + 256 + i).into()
}

/// What comes out of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Routes said or withdrawn.
    pub routes: u64,
    /// P-tunnels joined.
    pub joined: u64,
    /// Ops for the forwarder.
    pub ops: u64,
}

fn drain(pe: &mut MvpnPe, out: &mut Outputs) {
    while let Some(output) = pe.poll_output() {
        match output {
            Output::Advertise { .. } | Output::Withdraw(_) => out.routes += 1,
            Output::Tree(TreeRequest::Join { .. } | TreeRequest::JoinSpace { .. }) => out.joined += 1,
            Output::Program(_) => out.ops += 1,
            _ => {}
        }
    }
}

/// What something cost, for each of `n`.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub n: u32,
    /// Memory that stays.
    pub octets_each: f64,
    pub micros_each: f64,
    pub out: Outputs,
}

impl Cost {
    /// Asserts that memory and outputs are flat.
    fn assert_flat(&self, ten_fold: &Self) {
        let ratio = ten_fold.octets_each / self.octets_each;
        assert!((0.7..1.15).contains(&ratio), "{self:?} {ten_fold:?}");
        let each = |c: &Self| (c.out.routes + c.out.joined + c.out.ops) as f64 / f64::from(c.n);
        let (few, many) = (each(self), each(ten_fold));
        assert!((many - few).abs() <= 0.05 * few.max(1.0), "{self:?} {ten_fold:?}");
    }
}

/// A PE with so many MVRFs.
fn pe(vrfs: u32, tune: impl Fn(&mut MvrfConfig)) -> MvpnPe {
    let mut config = MvpnConfig::new(router(1), 65001);
    config.tunnels = 1..=2_000_000;
    let mut pe = MvpnPe::new(NOW, config).unwrap();
    for vpn in 1..=vrfs {
        let vrf = VrfId(u16::try_from(vpn).unwrap());
        let mut config = MvrfConfig::new(vrf, rd(vpn, 1), RouteTarget::two_octet_as(1, vpn), IfIndex(100_000 + vpn));
        config.families = vec![V4];
        tune(&mut config);
        pe.add_mvrf(NOW, config).unwrap();
    }
    drain(&mut pe, &mut Outputs::default());
    pe
}

/// Measures an operation done `n` times on a machine that stays.
fn measured(n: u32, pe: &mut MvpnPe, mut each: impl FnMut(&mut MvpnPe, u32)) -> Cost {
    let (clock, mut out) = (Clock::now(), Outputs::default());
    let held = allocation_counter::measure(|| {
        for i in 0..n {
            each(pe, i);
            drain(pe, &mut out);
        }
    });
    let micros = clock.elapsed().as_secs_f64() * 1e6;
    Cost { n, octets_each: held.bytes_current as f64 / f64::from(n), micros_each: micros / f64::from(n), out }
}

/// SC-2, SC-4: MVRFs with other PEs in each.
pub fn i_pmsi(vrfs: u32, pes: u32) -> Cost {
    let mut machine = pe(vrfs, |c| c.limits.members = 20_000);
    measured(vrfs * pes, &mut machine, |machine, i| {
        let (vpn, n) = (1 + i % vrfs, 2 + i / vrfs);
        let route = McastRoute::i_pmsi(V4, rd(vpn, n), router(n));
        let mut attributes = McastAttributes::new(router(n), vec![RouteTarget::two_octet_as(1, vpn).into()]);
        attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::MldpP2mp(MldpLsp::generic(router(n), vpn))));
        machine.handle_input(NOW, Input::Route { route, attributes: Some(attributes) });
    })
}

/// SC-1: what it costs a PE to turn multicast on in so many VRFs, one P2MP LSP each.
pub fn mvrfs(vrfs: u32) -> Cost {
    let mut machine = pe(0, |_| {});
    measured(vrfs, &mut machine, |machine, i| {
        let vpn = i + 1;
        let vrf = VrfId(u16::try_from(vpn).unwrap());
        let mut config = MvrfConfig::new(vrf, rd(vpn, 1), RouteTarget::two_octet_as(1, vpn), IfIndex(100_000 + vpn));
        config.families = vec![V4];
        machine.add_mvrf(NOW, config).unwrap();
    })
}

/// SC-3, SC-4: sites of a VPN, as many behind this PE as behind another.
pub fn sites(n: u32) -> Cost {
    let mut machine = pe(1, |_| {});
    let prefix =
        |high: u32, i: u32| IpPrefix::V4(Ipv4Prefix::new(Ipv4Addr::from_bits((high << 24) + (i << 8)), 24).unwrap());
    measured(n, &mut machine, |machine, i| {
        machine.handle_input(NOW, Input::Local { vrf: VrfId(1), prefix: prefix(10, i), reachable: true });
        let import = Some(VrfRouteImport { address: router(2), local: 1 });
        let route = Some(UmhRoute { import, source_as: None, next_hop: router(2), is_installed: true });
        machine.handle_input(NOW, Input::Umh { vrf: VrfId(1), prefix: prefix(11, i), rd: rd(1, 2), route });
    })
}

/// SC-4, SC-7: joins of other PEs at the upstream PE.
pub fn joins(streams: u32) -> Cost {
    let mut machine = pe(1, |c| c.limits.joins = 1_000_000);
    machine.handle_input(NOW, Input::Local { vrf: VrfId(1), prefix: "10.0.0.0/8".parse().unwrap(), reachable: true });
    let import = machine.route_import(VrfId(1)).unwrap().c_multicast_import();
    measured(streams, &mut machine, |machine, i| {
        let join = CMulticast { rd: rd(1, 1), source_as: 65001, source: SOURCE, group: group(i) };
        let route = McastRoute { family: V4, kind: McastKind::SourceTreeJoin(join) };
        let attributes = Some(McastAttributes::new(router(2), vec![Target::of(import)]));
        machine.handle_input(NOW, Input::Route { route, attributes });
    })
}

/// A PE that knows a source behind another.
fn leaf(tune: impl Fn(&mut MvrfConfig)) -> MvpnPe {
    let mut machine = pe(1, tune);
    let import = Some(VrfRouteImport { address: router(2), local: 1 });
    let route = Some(UmhRoute { import, source_as: None, next_hop: router(2), is_installed: true });
    let prefix = "10.0.0.0/8".parse().unwrap();
    machine.handle_input(NOW, Input::Umh { vrf: VrfId(1), prefix, rd: rd(1, 2), route });
    machine
}

fn join(machine: &mut MvpnPe, now: Instant, i: u32, joined: bool) {
    let tree = CTree::Source { group: group(i), source: SOURCE };
    machine.handle_input(now, Input::Tree { vrf: VrfId(1), tree, joined });
}

/// SC-7: trees joined at a leaf PE.
pub fn trees(streams: u32) -> Cost {
    let mut machine = leaf(|c| c.limits.trees = 1_000_000);
    measured(streams, &mut machine, |machine, i| join(machine, NOW, i, true))
}

/// SC-7: S-PMSI A-D routes of another PE, for streams that are joined.
pub fn s_pmsis(streams: u32) -> Cost {
    let mut machine = leaf(|c| (c.limits.trees, c.limits.s_pmsis) = (1_000_000, 1_000_000));
    (0..streams).for_each(|i| join(&mut machine, NOW, i, true));
    drain(&mut machine, &mut Outputs::default());
    measured(streams, &mut machine, |machine, i| {
        let flow = SFlow::source_group(SOURCE, group(i));
        let route = McastRoute::s_pmsi(rd(1, 2), flow, router(2));
        let mut attributes = McastAttributes::new(router(2), vec![RouteTarget::two_octet_as(1, 1).into()]);
        attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::MldpP2mp(MldpLsp::generic(router(2), i))));
        machine.handle_input(NOW, Input::Route { route, attributes: Some(attributes) });
    })
}

/// SC-7: streams of the PE's own sources as the customers' PIM routes them.
pub fn c_flows(streams: u32, always: bool, budget: usize) -> (Cost, usize) {
    let mut config = MvpnConfig::new(router(1), 65001);
    (config.tunnel_budget, config.groups, config.labels) = (budget, 1..=1_000_000, 16..=1_000_000);
    let mut machine = MvpnPe::new(NOW, config).unwrap();
    let mut config = MvrfConfig::new(VrfId(1), rd(1, 1), RouteTarget::two_octet_as(1, 1), IfIndex(100_001));
    (config.families, config.limits.own_s_pmsis, config.limits.own_tunnels) = (vec![V4], 1_000_000, 1_000_000);
    if always {
        config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
    }
    machine.add_mvrf(NOW, config).unwrap();
    drain(&mut machine, &mut Outputs::default());
    let vrf = VrfId(1);
    let cost = measured(streams, &mut machine, |machine, i| {
        let id = ReplicationId(2_000_000 + i);
        let (IpAddr::V4(source), IpAddr::V4(group)) = (SOURCE, group(i)) else { panic!("IPv4") };
        let mroute =
            Mroute { rpf: Rpf::Any, replication: Some(id), punt_wrong_interface: false, register: false, spt: None };
        for op in [
            FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) },
            FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(IfIndex(100_001)) },
            FwdOp::SetMroute { vrf, key: MrouteKey::Source4 { source, group }, mroute },
        ] {
            machine.handle_input(NOW, Input::Program { vrf, op });
        }
    });
    (cost, machine.root_tunnels())
}

/// SC-14: joins and leaves in a second, of 100 streams among so many, with and without damping: microseconds of each, and routes that go to
/// the reflector in a second.
pub fn churn(streams: u32, changes: u32, seconds: u32, damping: Option<DampingConfig>) -> (f64, f64) {
    let mut machine = leaf(|c| (c.limits.trees, c.damping) = (1_000_000, damping));
    (0..streams).for_each(|i| join(&mut machine, NOW, i, true));
    drain(&mut machine, &mut Outputs::default());
    let (clock, mut out) = (Clock::now(), Outputs::default());
    for tick in 0..seconds * 100 {
        let now = NOW + Duration::from_millis(u64::from(tick) * 10);
        machine.handle_timeout(now);
        for i in 0..changes / 100 {
            join(&mut machine, now, i, tick % 2 == 1);
            drain(&mut machine, &mut out);
        }
    }
    let micros = clock.elapsed().as_secs_f64() * 1e6;
    (micros / f64::from(seconds * changes), out.routes as f64 / f64::from(seconds))
}

/// P-tunnels with upstream labels or without: what the tunnels of an MVPN's source PEs cost an egress PE.
pub fn source_pes(pes: u32, kind: TunnelKind) -> Cost {
    let mut machine = pe(1, |c| (c.inclusive, c.limits.members) = (Some(kind), 20_000));
    measured(pes, &mut machine, |machine, i| {
        let n = i + 2;
        let route = McastRoute::i_pmsi(V4, rd(1, n), router(n));
        let mut attributes = McastAttributes::new(router(n), vec![RouteTarget::two_octet_as(1, 1).into()]);
        let tunnel = match kind {
            TunnelKind::MldpMp2mp { root, lsp } => PTunnel::MldpMp2mp(MldpLsp::generic(root, lsp)),
            _ => PTunnel::MldpP2mp(MldpLsp::generic(router(n), 1)),
        };
        attributes.pmsi = Some(PmsiTunnelValue::new(tunnel));
        machine.handle_input(NOW, Input::Route { route, attributes: Some(attributes) });
    })
}

/// An LSR of mLDP that knows the roads to the others.
fn lsr(n: u8, next: &[(u8, u8)]) -> Mldp {
    let address = |n: u8| Ipv4Addr::new(192, 0, 2, n);
    let id = |n: u8| LdpId::platform(address(n));
    let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
    let nhlfes = NhlfeRange { first: NhlfeId(1000), last: NhlfeId(5_000_000) };
    let groups = GroupRange { first: ReplicationId(1), last: ReplicationId(2_000_000) };
    let mut config = MldpConfig::new(vec![address(n).into()], labels, nhlfes, groups);
    config.max_trees = 1_000_000;
    config.max_branches_of_peer = 1_000_000;
    let negotiated = Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: config.capabilities(),
        graceful_restart: None,
    };
    let mut lsr = Mldp::new(NOW, config).unwrap();
    for (to, hop) in next {
        if to == hop {
            let way = NextHop::Neighbor { iface: IfIndex(u32::from(*to)), mac: Mac([2, 0, 0, 0, 0, *to]) };
            lsr.handle_input(NOW, mldp::Input::Reach { peer: id(*to), next: Some(way), mtu: 1600 });
            lsr.handle_input(NOW, mldp::Input::PeerUp { peer: id(*to), negotiated: &negotiated });
        }
        let candidates = vec![Candidate { address: address(*hop).into(), peer: id(*hop) }];
        let route = Some(Route::Paths { candidates, metric: 1 });
        lsr.handle_input(NOW, mldp::Input::Route { root: address(*to).into(), route });
    }
    while lsr.poll_output().is_some() {}
    lsr
}

/// SC-2, SC-5: P2MP LSPs that branch at a P router to two PEs.
pub fn p_router(trees: u32) -> Cost {
    let mut p = lsr(1, &[(2, 2), (3, 3), (4, 4)]);
    let mut leaves = [(2, lsr(2, &[(1, 1), (4, 1)])), (3, lsr(3, &[(1, 1), (4, 1)]))];
    let (mut out, mut held, mut micros) = (Outputs::default(), 0, 0.0);
    for i in 0..trees {
        for (n, leaf) in &mut leaves {
            let fec = TreeFec::p2mp(Ipv4Addr::new(192, 0, 2, 4).into(), i);
            leaf.join(NOW, fec, Deliver::Multicast(TunnelId(1))).unwrap();
            let said = std::iter::from_fn(|| leaf.poll_output());
            let messages: Vec<_> = said
                .filter_map(|o| match o {
                    mldp::Output::Message { message, .. } => Some(message),
                    _ => None,
                })
                .collect();
            let peer = LdpId::platform(Ipv4Addr::new(192, 0, 2, *n));
            let clock = Clock::now();
            held += allocation_counter::measure(|| {
                for message in &messages {
                    p.handle_input(NOW, mldp::Input::Message { peer, message });
                }
                while let Some(output) = p.poll_output() {
                    match output {
                        mldp::Output::Message { .. } => out.routes += 1,
                        mldp::Output::Program(_) => out.ops += 1,
                        mldp::Output::Event(_) => {}
                    }
                }
            })
            .bytes_current;
            micros += clock.elapsed().as_secs_f64() * 1e6;
        }
    }
    Cost { n: trees, octets_each: held as f64 / f64::from(trees), micros_each: micros / f64::from(trees), out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflector;

    /// 500 MVRFs with 100 PEs each, and 2,000: every P-tunnel is joined, and a type 1 route costs what it costs among a tenth.
    ///
    /// Shows: MVPN-SCALE-3, MVPN-SCALE-4
    #[test]
    fn mvrfs_of_a_pe() {
        let (few, many) = (i_pmsi(200, 50), i_pmsi(2000, 50));
        assert_eq!((few.out.joined, many.out.joined), (10_000, 100_000));
        few.assert_flat(&many);
        let required = i_pmsi(500, 100);
        assert_eq!(required.out.joined, 50_000);
        assert!(required.octets_each < 2500.0, "{required:?}");
    }

    /// Turning multicast on in a VRF costs the same, whatever the number of those that have it: 50 and 500 of 500.
    ///
    /// Shows: MVPN-SCALE-2
    #[test]
    fn an_mvrf_costs_the_same_among_ten_times_as_many() {
        let (half, all) = (mvrfs(250), mvrfs(500));
        let ratio = all.octets_each / half.octets_each;
        assert!((0.9..1.1).contains(&ratio), "{half:?} {all:?}");
        assert_eq!((half.out.routes, all.out.routes), (250, 500), "one type 1 route each");
        mvrfs(50).assert_flat(&all);
    }

    /// PEs of an MVPN that attach sources: 200, 1,000 and 4,000; one P-tunnel joined for each.
    ///
    /// Shows: MVPN-SCALE-8, MVPN-SCALE-9
    #[test]
    fn pes_of_an_mvpn() {
        let (few, many) = (i_pmsi(1, 400), i_pmsi(1, 4000));
        few.assert_flat(&many);
        for pes in [200, 1000] {
            assert_eq!(source_pes(pes, TunnelKind::MldpP2mp).out.joined, u64::from(pes));
        }
    }

    /// What a PE keeps and does, by the number of PEs: each PE of its VPN costs the same among 50, 500 and 5,000, a stream costs its upstream PE
    /// the same whether 9 or 99 other PEs join it, and PEs that do not have the VPN are told nothing. At the reflector such a PE costs a route
    /// no more than the few octets that say what it was told. The slopes are printed.
    ///
    /// Shows: MVPN-SCAL-2
    #[test]
    fn pes_cost_those_that_share_a_vpn_with_them() {
        let by_pes = [50, 500, 5000].map(|pes| i_pmsi(1, pes));
        for cost in &by_pes {
            println!("{} PEs of a VPN: {:.0} octets, {:.2} µs each", cost.n, cost.octets_each, cost.micros_each);
            by_pes[0].assert_flat(cost);
        }
        let (few, many) = (reflector::joins(10, 20), reflector::joins(100, 20));
        assert_eq!((few.upstream.announced, few.upstream.octets), (20, many.upstream.octets));
        let (near, far) = (reflector::full_table(25, 20, 40, 41), reflector::full_table(25, 20, 40, 240));
        println!("{:.0} and {:.0} octets a route among 1 and 200 other PEs", near.octets_each, far.octets_each);
        assert_eq!((near.routes, near.misdirected, far.misdirected), (far.routes, 0, 0));
        let slope = (far.octets_each - near.octets_each) / 199.0;
        println!("{slope:.1} octets a route for each of them");
        assert!(slope < 4.0 && far.wire_each < near.wire_each * 1.05, "{near:?} {far:?}");
    }

    /// Sites of a VPN, 500 and 5,000 at this PE and as many at another, with PEs: a site costs the provider side the memory of its prefix, and
    /// neither a route of its own, nor a tunnel, nor an entry of the forwarder. What a CE costs PIM is measured in `tests/pim/scale.rs`.
    ///
    /// Shows: MVPN-SCAL-4
    #[test]
    fn sites_cost_their_prefixes() {
        let (few, many) = (sites(500), sites(5000));
        println!("a pair of sites: {:.0} octets, {:.2} µs", many.octets_each, many.micros_each);
        for cost in [few, many] {
            assert_eq!((cost.out, cost.octets_each < 1000.0), (Outputs::default(), true), "{cost:?}");
        }
        few.assert_flat(&many);
        i_pmsi(1, 500).assert_flat(&i_pmsi(1, 5000));
    }

    /// SC-5: of 1,000 PEs with sources an egress PE joins 1,000 inclusive P2MP LSPs, or the one MP2MP LSP that all of them send by; a P router
    /// keeps that one.
    ///
    /// Shows: MVPN-SCALE-10
    #[test]
    fn a_thousand_source_pes_by_one_tunnel() {
        const ROOT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 4));
        let kind = TunnelKind::MldpMp2mp { root: ROOT, lsp: 1 };
        let mut machine = MvpnPe::new(NOW, MvpnConfig::new(router(1), 65001)).unwrap();
        let mut config = MvrfConfig::new(VrfId(1), rd(1, 1), RouteTarget::two_octet_as(1, 1), IfIndex(100_001));
        (config.families, config.inclusive) = (vec![V4], Some(kind));
        machine.add_mvrf(NOW, config).unwrap();
        let mut first = Outputs::default();
        drain(&mut machine, &mut first);
        let (each, one) = (source_pes(1000, TunnelKind::MldpP2mp), source_pes(1000, kind));
        assert_eq!((each.out.joined, first.joined + one.out.joined), (1000, 1));
        source_pes(100, kind).assert_flat(&one);
        let trees = |fec: fn(u32) -> TreeFec| {
            let mut p = lsr(1, &[(2, 2), (3, 3), (4, 4)]);
            for n in [2, 3] {
                let mut leaf = lsr(n, &[(1, 1), (4, 1)]);
                let joined = (0..1000).all(|i| leaf.join(NOW, fec(i), Deliver::Multicast(TunnelId(1))).is_ok());
                assert!(joined || fec(0) == fec(1), "the same is joined but once");
                let peer = LdpId::platform(Ipv4Addr::new(192, 0, 2, n));
                while let Some(output) = leaf.poll_output() {
                    if let mldp::Output::Message { message, .. } = output {
                        p.handle_input(NOW, mldp::Input::Message { peer, message: &message });
                    }
                }
            }
            p.trees().count()
        };
        assert_eq!((trees(|i| TreeFec::p2mp(ROOT, i)), trees(|_| TreeFec::mp2mp(ROOT, 1))), (1000, 1));
    }

    /// Streams: joins at the upstream PE, trees at a leaf, S-PMSIs, routes: 500 and 5,000 of each cost the same each. Octets of each kind
    /// of state are printed and bounded.
    ///
    /// Shows: MVPN-SCALE-13, MVPN-SCALE-14, MVPN-SCAL-5, MVPN-SCAL-8
    #[test]
    fn streams_of_a_vpn() {
        for (what, of, most) in [
            ("type 7 routes at the upstream PE", joins as fn(u32) -> Cost, 800.0),
            ("trees at a leaf", trees, 1800.0),
            ("type 3 routes", s_pmsis, 2500.0),
            ("(S,G)", |n| c_flows(n, false, 64).0, 1500.0),
        ] {
            let (few, many) = (of(500), of(5000));
            println!("{what}: {:.0} octets, {:.2} µs each", many.octets_each, many.micros_each);
            few.assert_flat(&many);
            assert!(many.octets_each < most, "{what}: {many:?}");
        }
    }

    /// P2MP LSPs at a P router that branches them: 500 and 5,000 cost the same each, one message upstream for each whatever the
    /// branches.
    ///
    /// Shows: MVPN-SCAL-14
    #[test]
    fn trees_at_a_p_router() {
        let (few, many) = (p_router(500), p_router(5000));
        println!("P2MP LSPs at a P router: {:.0} octets, {:.2} µs each", many.octets_each, many.micros_each);
        assert_eq!((few.out.routes, many.out.routes), (500, 5000));
        few.assert_flat(&many);
        // The PE at the root of as many has its cost beside it.
        c_flows(500, true, 1_000_000).0.assert_flat(&c_flows(5000, true, 1_000_000).0);
    }

    /// Joins and leaves, 1,000 and 10,000 in a second: with damping, nearly nothing of it goes upstream.
    #[test]
    fn churn_is_kept_from_others() {
        for changes in [1000, 10_000] {
            let (_, without) = churn(1000, changes, 10, None);
            let (_, with) = churn(1000, changes, 10, Some(DampingConfig::default()));
            assert!((without - f64::from(changes)).abs() < f64::from(changes) / 50.0, "{without}");
            assert!(with < f64::from(changes) / 20.0, "{with} of {changes}");
        }
    }

    /// Fifty thousand flows that all want a tunnel, and a budget of 64.
    #[test]
    fn the_budget_bounds_core_state() {
        let (cost, tunnels) = c_flows(50_000, true, 64);
        assert_eq!(tunnels, 64);
        // The I-PMSI has one; 63 are announced.
        assert_eq!(cost.out.routes, 63);
    }
}
