//! MVPNs that span providers, each with route targets, tunnels and policies of its own.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{TunnelId, VrfId};
use mvpn::mvrf::{Input, MldpLsp, MvrfConfig, PTunnel, Target, Threshold, TreeId, TreeRequest, TunnelKind};

use super::inter_as::{MIXED, chain, kind_of, to};
use super::ldp::{Agreement, link};
use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

fn target(asn: u32, vpn: u32) -> Target {
    RouteTarget::two_octet_as(u16::try_from(asn).unwrap(), vpn).into()
}

/// Three providers: each exports its own route target of VPN 1 and imports those of all; tunnels of three kinds; S-PMSIs by rate in the first,
/// never in the second, always in the third. VPN 2 is of the first two alone: the third does not import it at its border.
fn providers() -> World<A> {
    let ases = chain();
    let asns = [65001, 65002, 65003];
    let mut world = World::<A>::of_ases(
        Provider::V4.routers(10),
        &ases,
        31,
        |_, _| {},
        |node, config| {
            let kind = kind_of(&ases, MIXED, node);
            (config.inclusive, config.selective) = (kind, kind);
            if ases.asn[node] == 65003 {
                config.import = Some(asns.map(|asn| target(asn, 1)).into());
            }
        },
    );
    for pe in 0..6 {
        let (asn, kind) = (ases.asn[pe], kind_of(&ases, MIXED, pe));
        let inclusive = if kind == TunnelKind::RsvpTeP2mp { TunnelKind::MldpP2mp } else { kind };
        let mut config = mvrf(pe, Some(inclusive), kind);
        (config.export, config.import) = (vec![target(asn, 1)], asns.map(|asn| target(asn, 1)).to_vec());
        match asn {
            65001 => config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 }),
            65003 => config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()],
            _ => {}
        }
        world.add_site(pe, config, false);
        if asn < 65003 {
            let rd = RouteDistinguisher::two_octet_as(65001, 200 + pe as u32);
            let two = RouteTarget::two_octet_as(65001, 2);
            let mut config = MvrfConfig::new(VrfId(2), rd, two, pmsi(VrfId(2)));
            (config.inclusive, config.selective) = (Some(inclusive), kind);
            world.add_site(pe, config, false);
        }
    }
    world.run_for(SECOND * 5);
    world
}

fn delivered_across() {
    let mut world = providers();
    for (from, receivers) in [(0, [1, 2, 4]), (2, [0, 3, 5]), (4, [1, 2, 5])] {
        let (source, group) = (A::host(from, 1), A::ssm(1));
        receivers.into_iter().for_each(|pe| world.member((pe, VRF), Some(source), group, true));
        world.run_for(SECOND * 5);
        for octets_per_second in [0, 5000] {
            let (s, g) = (source.into(), group.into());
            world.input(from, Input::Rate { vrf: VRF, source: s, group: g, octets_per_second });
            world.run_for(SECOND * 10);
            let number = world.send((from, VRF), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), to(&receivers), "{from} {octets_per_second}");
        }
        let carried = world.pes[from].mvpn.carried(VRF, source.into(), group.into()).unwrap();
        assert_eq!(carried.is_selective, from != 2, "each by its own policy");
    }
    // VPN 2 reaches the second provider, and nothing of it is told within the third.
    let (source, group, two) = (A::host(0, 1), A::ssm(1), VrfId(2));
    world.member((2, two), Some(source), group, true);
    world.run_for(SECOND * 5);
    let number = world.send((0, two), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number).into_iter().collect::<Vec<_>>(), [((2, two), 1)]);
    let border = world.pes[9].border.as_ref().unwrap();
    let foreign = target(65001, 2);
    assert!(border.advertised().all(|(.., advert)| !advert.attributes.targets.contains(&foreign)));
    assert!(border.advertised().count() > 0);
}

/// PE 0 and ASBR 1 of one provider, ASBR 2 of another, with LDP between the ASBRs. The tree of PE 0's, if ASBR 2 joins it: whether it extends to
/// ASBR 2, and whether ASBR 1 took it up.
fn joined_from_outside(agreed: bool) -> (bool, bool) {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 3, |_, _| {});
    world.start_ldp_on([link(0, 1), link(1, 2)].into(), |n, config| {
        if n == 1 {
            Agreement { outside: 2, agreed }.apply(config);
        }
    });
    let tunnel = PTunnel::MldpP2mp(MldpLsp::generic(world.routers[0], 7));
    world.ldp_tree(0, TreeRequest::Root { tree: TreeId(7), tunnel: tunnel.clone() });
    world.ldp_tree(2, TreeRequest::Join { tunnel, arrives_by: TunnelId(1) });
    world.run_for(SECOND);
    let trees = |n: usize| world.ldp.as_ref().unwrap().nodes[n].trees().count() > 0;
    (world.ldp.as_ref().unwrap().branches_of(0, TreeId(7)).is_some_and(|entries| !entries.is_empty()), trees(1))
}

/// Providers that agree on nothing but whose routes they import: SSM is delivered once, whatever tunnels and policies each has, and a VPN that one does not
/// import stays out of it. A P-tunnel does not extend to another provider's router that joins it, unless that neighbour is listed.
///
/// Shows: MVPN-IAS-2
#[test]
fn mvpns_span_providers_and_p_tunnels_do_not() {
    delivered_across();
    assert_eq!(joined_from_outside(false), (false, false));
    assert_eq!(joined_from_outside(true), (true, true));
}
