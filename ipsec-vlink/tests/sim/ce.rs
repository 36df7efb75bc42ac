//! CEs: of other vendors, with one context each, and VPNs that CEs build among themselves.

use fwd_core::net::{NhlfeId, VrfId};
use fwd_core::op::RouteAction;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ce_based::{Plan, Role};
use ipsec_vlink::correlate::Offer;
use ipsec_vlink::ike::{Mode, VpnContext};
use ipsec_vlink::sad::Reject;
use ipsec_vlink::vlink::{ConfigError, Declined, LinkConfig, LinkId, PeerId, PeerKind, Security};

use crate::router::{CORE, Fate, ethernet, mac};
use crate::world::{World, packet, vpn};

fn config(n: u16, architecture: Architecture) -> LinkConfig {
    LinkConfig::new(PeerId(0), vpn(n.into()), VrfId(n), architecture)
}

/// A PE and a CE of another vendor, which takes part by the profile of the architecture, without extension: its routing protocol
/// finds the PE's virtual router, whose packets get through. A second context is refused.
///
/// Shows: VLINK-3-4, VLINK-6.4-C1
#[test]
fn a_ce_of_another_vendor_is_a_neighbour() {
    for architecture in
        [Architecture::TunnelSa, Architecture::SharedIpip, Architecture::DistinctIpip, Architecture::Gre]
    {
        let mut world = World::new(2, 2, 8);
        let peers = world.ce(0, 1, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None));
        world.ike_wire = Some(Vec::new());
        let links = world.link([0, 1], peers, &config(1, architecture)).unwrap();
        world.seconds(5);
        world.route(0, 1, 1, links[0]);
        world.route(1, 1, 0, links[1]);
        for router in &world.routers {
            assert!(router.installed.values().all(|child| child.context.is_none()));
            let mode = router.installed.values().next().unwrap().mode;
            assert_eq!(mode, architecture.properties().mode);
        }
        for protocol in [89, 6] {
            assert!(world.greets(0, 1, 1, protocol) && world.greets(1, 0, 1, protocol), "{architecture:?}");
        }
        assert!(world.reaches(0, 1, 1) && world.reaches(1, 0, 1));
        if architecture == Architecture::Gre {
            // Without a key on the wire: four octets of header.
            assert!(world.routers.iter().all(|r| links.iter().all(|l| r.links.local_key(*l).is_none())));
            assert_eq!(world.routers[0].up[&links[0]].overhead, 20 + 4 + 37);
        }
        if architecture != Architecture::DistinctIpip {
            let second = LinkConfig { peer: peers[0], ..config(2, architecture) };
            assert_eq!(world.routers[0].links.add_link(world.now, second), Err(ConfigError::Ce), "{architecture:?}");
        }
    }
}

/// A CE that has an L2TP/IPsec client: it opens the control connection and one session, in one context, which is protected as its
/// messages are; a second context is refused.
///
/// Shows: VLINK-6.6-C1
#[test]
fn a_ce_is_a_client_of_l2tp() {
    // CE 0, PE 1.
    let mut world = World::new(2, 2, 8);
    let [pe, ce] = world.ce(1, 0, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp_clear) = (None, None));
    world.wire = Some(Vec::new());
    let links = world.link([0, 1], [ce, pe], &config(1, Architecture::L2tp)).unwrap();
    world.seconds(10);
    let wire = world.wire.take().unwrap();
    assert!(
        wire.len() >= 6 && wire.iter().all(|frame| frame[23] == 50),
        "L2TP's own messages go through the association"
    );
    world.route(0, 1, 1, links[0]);
    world.route(1, 1, 0, links[1]);
    assert!(world.reaches(0, 1, 1) && world.reaches(1, 0, 1) && world.greets(0, 1, 1, 89));
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.sad.len()), (1, 1));
        assert!(router.installed.values().all(|child| child.context.is_none() && child.mode == Mode::Transport));
    }
    let second = LinkConfig { peer: pe, ..config(2, Architecture::L2tp) };
    assert_eq!(world.routers[1].links.add_link(world.now, second), Err(ConfigError::Ce));
}

/// A CE that says nothing but transport mode for IP in IP between the very addresses is taken for a link by the convention of CE
/// drafts, where that is on for the peer; where it is off, the same negotiation leads to none.
///
/// Shows: VLINK-6.2-P2
#[test]
fn a_ce_is_known_by_the_convention() {
    for on in [true, false] {
        let mut world = World::new(2, 2, 8);
        let peers = world.peer_with(0, 1, |us, cfg| {
            (cfg.says_context, cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (false, None, None, None);
            if us == 0 {
                cfg.convention = on.then(|| vpn(1));
            } else {
                (cfg.kind, cfg.default_vpn) = (PeerKind::Ce, Some(vpn(1)));
            }
        });
        // The PE awaits, the CE asks.
        let of =
            |end: usize| LinkConfig { peer: peers[end], initiate: end == 1, ..config(1, Architecture::SharedIpip) };
        let ours = world.routers[0].links.add_link(world.now, of(0));
        if !on {
            assert_eq!(ours, Err(ConfigError::NeedsContext));
            continue;
        }
        let ours = ours.unwrap();
        let theirs = world.routers[1].links.add_link(world.now, of(1)).unwrap();
        world.seconds(5);
        // What the CE asked for, as the PE's rules see it.
        let child = world.routers[0].installed.values().next().unwrap().clone();
        let gateway = VpnContext {
            application: ipsec_vlink::ike::ApplicationId::SECURITY_GATEWAY,
            ..VpnContext::link(vpn(1), 0)
        };
        let offer = |mode, context| Offer {
            ends: (child.local, child.remote),
            mode,
            context,
            selectors: (&child.local_selectors[0], &child.remote_selectors[0]),
        };
        let links = &world.routers[0].links;
        assert_eq!(links.accept(peers[0], &offer(child.mode, None)), Ok(links.sa(ours).unwrap()));
        assert!(matches!(links.accept(peers[0], &offer(Mode::Tunnel, None)), Err(Declined::Context(_))));
        assert!(links.accept(peers[0], &offer(child.mode, Some(&gateway))).is_err());
        world.route(0, 1, 1, ours);
        world.route(1, 1, 0, theirs);
        assert!(world.greets(0, 1, 1, 89) && world.greets(1, 0, 1, 89));
        assert!(world.reaches(0, 1, 1) && world.reaches(1, 0, 1));
    }
}

/// A CE in two contexts, by two addresses, without extension: each address is one context's.
///
/// Shows: VLINK-6.3-P2
#[test]
fn a_ce_has_two_contexts_by_two_addresses() {
    let mut world = World::new(2, 2, 8);
    let peers = world.ce(0, 1, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None));
    let links = world.join([0, 1], peers, 2, Architecture::DistinctIpip, Security::Esp);
    assert_eq!(links.len(), 2);
    for vrf in [1, 2] {
        assert!(world.reaches(0, 1, vrf) && world.reaches(1, 0, vrf));
        assert!(world.greets(1, 0, vrf, 89));
    }
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.links.local_addresses()), (2, 2));
        let said = router.spy.borrow();
        // No Vendor ID, no private notify: neither payload 43 nor a context record.
        assert!(!said.payloads.iter().any(|text| text.windows(4).any(|w| w == b"VLNK")));
    }
}

/// PEs among each other take L2TP, CEs what any vendor has; a VPN goes from one CE's site by two PEs to the other CE's.
///
/// Shows: VLINK-7-3
#[test]
fn a_vpn_goes_by_l2tp_among_pes_and_by_ip_in_ip_to_ces() {
    // CE 0, PE 1, PE 2, CE 3.
    let mut world = World::new(4, 2, 8);
    let [pe1, ce0] = world.ce(1, 0, vpn(1), |_, cfg| (cfg.l2tp, cfg.l2tp_clear) = (None, None));
    let pes = world.peer(1, 2);
    let [pe2, ce3] = world.ce(2, 3, vpn(1), |_, cfg| (cfg.l2tp, cfg.l2tp_clear) = (None, None));
    let mut architectures = Vec::new();
    let mut ids = Vec::new();
    for (n, (routers, peers)) in [([1, 0], [pe1, ce0]), ([1, 2], pes), ([2, 3], [pe2, ce3])].into_iter().enumerate() {
        let architecture = world.routers[routers[0]].links.preferred(peers[0]).unwrap();
        architectures.push(architecture);
        let cfg = LinkConfig { index: n as u32, ..config(1, architecture) };
        ids.push((routers, world.link(routers, peers, &cfg).unwrap()));
    }
    use Architecture::{DistinctIpip, L2tp};
    assert_eq!(architectures, [DistinctIpip, L2tp, DistinctIpip]);
    world.seconds(10);
    for (routers, links) in &ids {
        for end in 0..2 {
            let (here, there) = (routers[end], routers[1 - end]);
            // What is behind the neighbour.
            let sites: Vec<usize> = if there > here { (there..4).collect() } else { (0..=there).collect() };
            for site in sites {
                world.route(here, 1, site, links[end]);
            }
        }
    }
    assert!(world.reaches(0, 3, 1) && world.reaches(3, 0, 1));
    assert!(world.reaches(0, 2, 1) && world.reaches(1, 3, 1));
    let missing = world.send(0, 2, &packet(0, 3));
    assert!(matches!(missing, (0, Fate::Dropped(_))), "not from another VPN: {missing:?}");
}

/// A pair of CEs, and the link between them as each has it.
type CeLink = ([usize; 2], [LinkId; 2]);

/// CEs joined as a plan says, by a PE that only routes.
fn ce_based(roles: [Role; 4], loss: u64) -> (World, Vec<CeLink>) {
    const PE: usize = 4;
    let mut world = World::new(5, 1, 16);
    world.loss = loss;
    let plan = Plan::new(&roles);
    let mut links = Vec::new();
    for (a, b) in plan.links() {
        let peers = world.ce(a, b, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None));
        links.push(([a, b], world.link([a, b], peers, &config(1, Architecture::DistinctIpip)).unwrap()));
    }
    // Each CE knows the PE alone.
    for ce in 0..4 {
        for other in (0..4).filter(|other| *other != ce) {
            world.routers[ce].neighbor(other as u32, mac(PE, CORE));
        }
        world.routers[PE].route(0, &format!("198.{}.0.0/16", 18 + ce), RouteAction::Forward(NhlfeId(ce as u32)));
    }
    world.seconds(if loss > 0 { 300 } else { 10 });
    for (routers, ids) in &links {
        for end in 0..2 {
            world.route(routers[end], 1, routers[1 - end], ids[end]);
        }
    }
    for ce in 0..4 {
        for (site, by) in plan.by_hub(ce) {
            let link = links
                .iter()
                .find_map(|(pair, ids)| (0..2).find(|e| pair[*e] == ce && pair[1 - e] == by).map(|e| ids[e]));
            world.route(ce, 1, site, link.unwrap());
        }
    }
    (world, links)
}

fn all_reach(world: &mut World) {
    for from in 0..4 {
        for to in (0..4).filter(|to| *to != from) {
            assert!(world.reaches(from, to, 1), "{from} to {to}");
        }
    }
}

/// Four CEs that the provider manages, in a mesh and around a hub: associations come up though messages are lost, are rekeyed, take
/// no packet twice; who has no credential gets none; and the PE that all of it passes knows nothing of the VPN.
///
/// Shows: L3VPN-SOL-3
#[test]
fn ces_build_a_vpn_that_the_pe_does_not_know() {
    for (roles, due) in [([Role::Member; 4], 6), ([Role::Hub, Role::Spoke, Role::Spoke, Role::Spoke], 3)] {
        for loss in [0, 4] {
            let (mut world, links) = ce_based(roles, loss);
            assert_eq!(links.len(), due);
            all_reach(&mut world);
            world.loss = 0;
            // Other keys, without a packet lost.
            let spis = |world: &World| -> Vec<u32> {
                world.routers.iter().flat_map(|r| r.installed.values().map(|child| child.spi_in)).collect()
            };
            let before = spis(&world);
            for ce in 0..4 {
                let children: Vec<_> = world.routers[ce].children.keys().copied().collect();
                for child in children {
                    world.routers[ce].ike.replace_child(world.now, child).unwrap();
                }
                all_reach(&mut world);
                world.seconds(5);
                all_reach(&mut world);
            }
            let after = spis(&world);
            assert_eq!(before.len(), after.len());
            assert!(before.iter().all(|spi| !after.contains(spi)), "all of them have other keys");
            // The same packet once more.
            world.wire = Some(Vec::new());
            assert!(world.reaches(0, 1, 1));
            let frame = world.wire.take().unwrap().pop().unwrap();
            let replayed = world.routers[1].sad.rejected(Reject::Replayed);
            assert_eq!(world.arrive(frame), (1, Fate::Rejected(Reject::Replayed)));
            assert_eq!(world.routers[1].sad.rejected(Reject::Replayed), replayed + 1);
            let pe = &world.routers[4];
            let state = (pe.links.len(), pe.sad.len(), pe.ike.sizes(), pe.ike_sent, pe.installed.len(), pe.up.len());
            assert_eq!(state, (0, 0, (0, 0), 0, 0, 0), "the PE's state");
        }
    }
}

/// Shows: L3VPN-SOL-3
#[test]
fn a_ce_with_the_wrong_credential_gets_no_association() {
    let mut world = World::new(3, 1, 8);
    world.routers[2].secret = b"a guess".to_vec();
    let mut ids = Vec::new();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let peers = world.ce(a, b, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None));
        ids.push(world.link([a, b], peers, &config(1, Architecture::DistinctIpip)).unwrap());
    }
    world.seconds(200);
    assert_eq!(world.routers.iter().map(|ce| ce.sad.len()).collect::<Vec<_>>(), [1, 1, 0]);
    world.route(0, 1, 1, ids[0][0]);
    assert!(world.reaches(0, 1, 1));
    let failed = |e: &ipsec_vlink::ike::event::Event| matches!(e, ipsec_vlink::ike::event::Event::Closed(..));
    assert!(world.routers[0].ike_events.iter().any(failed) || world.routers[2].ike_events.iter().any(failed));
    // What it sends in clear is not taken either.
    let clear = crate::world::ip([198, 20, 8, 2].into(), [198, 18, 8, 2].into(), 4, &packet(2, 0));
    let fate = world.routers[0].forward(world.now, CORE, ethernet(mac(0, CORE), &clear));
    assert!(matches!(fate, Fate::Dropped(_)));
}
