//! A second family of customers' addresses in an MVPN that is in service (RFC 6515 §2).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::mvrf::{CTree, Input, McastAttributes, McastKind, McastRoute, SFlow, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::node::SimAddress;
use super::switch::stream;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// What a PE says of a family.
fn said<A: SimAddress>(world: &World<A>, pe: usize, of: AddressFamily) -> BTreeMap<McastRoute, McastAttributes> {
    let all = world.pes[pe].mvpn.originated().filter(|(route, _)| route.family == of);
    all.map(|(route, attributes)| (*route, attributes.clone())).collect()
}

/// A receiver of the other family at PE 1, with its source behind PE 0, as the customers' PIM of that family says it.
fn join<A: SimAddress, B: SimAddress>(world: &mut World<A>, joined: bool) -> CTree {
    let tree = CTree::Source { group: B::ssm(9).into(), source: B::host(0, 1).into() };
    world.input(1, Input::Tree { vrf: VRF, tree, joined });
    world.run_for(SECOND * 2);
    tree
}

/// `A` is in service, `B` is added.
fn add<A: SimAddress, B: SimAddress>(provider: Provider) {
    let (had, added) = (A::FAMILY, B::FAMILY);
    let mut world: World<A> = World::new(provider.routers(4), 17, |_, _| {});
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.families = vec![had];
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), group, true);
    }
    let (now, flow) = (world.now, SFlow::source_group(source.into(), group.into()));
    world.pes[0].mvpn.place(now, VRF, flow, Some(true)).unwrap();
    world.drain(0);
    world.set_prefix(0, VRF, B::subnet(0).into(), true);
    world.run_for(SECOND * 10);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND), (0, 0));
    // Of a family that the MVRFs have not got no join is taken.
    let tree = join::<A, B>(&mut world, true);
    assert_eq!(world.other_family, []);
    join::<A, B>(&mut world, false);
    let before: Vec<_> = (0..4).map(|pe| said(&world, pe, had)).collect();
    assert!(before[0].len() >= 2 && (0..4).all(|pe| said(&world, pe, added).is_empty()));
    let figures = |world: &World<A>| -> Vec<_> {
        let of = |pe: usize| {
            let carried = world.pes[pe].mvpn.carried(VRF, source.into(), group.into());
            (carried, world.pes[pe].sites[&VRF].pim.states(), world.pes[pe].mvpn.root_tunnels(), world.joins)
        };
        (0..4).map(of).collect()
    };
    let counted = figures(&world);

    for pe in 0..4 {
        let now = world.now;
        world.pes[pe].mvpn.add_family(now, VRF, added).unwrap();
        world.drain(pe);
    }
    (0..4).for_each(|pe| world.refresh(pe));
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 3), (0, 0));
    for (pe, before) in before.iter().enumerate() {
        assert_eq!(said(&world, pe, had), *before, "PE {pe}");
        let i_pmsi = |route: &McastRoute| matches!(route.kind, McastKind::Ad(ad) if route.family == added && ad.rd() == mvrf(pe, None, TunnelKind::MldpP2mp).rd);
        let new = said(&world, pe, added);
        assert!(new.len() == 1 && new.keys().all(i_pmsi), "{new:?}");
    }
    assert_eq!(figures(&world), counted, "the flow, its state, tunnels");
    // The new family works, and nothing of the old one moves for it.
    join::<A, B>(&mut world, true);
    assert_eq!(world.other_family, [(0, tree, true)]);
    join::<A, B>(&mut world, false);
    assert_eq!(world.other_family, [(0, tree, true), (0, tree, false)]);
    assert_eq!((0..4).map(|pe| said(&world, pe, had)).collect::<Vec<_>>(), before);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND), (0, 0));
}

/// IPv6 is added to a VPN of IPv4, and the other way round, by the same code: not a packet of the family in service is lost, not a route, a state
/// or a tunnel of it changes; joins of the new family reach their PE from then on.
///
/// Shows: MVPN-CEPE-9
#[test]
fn a_family_is_added_beside_one_in_service() {
    for provider in Provider::BOTH {
        add::<Ipv4Addr, Ipv6Addr>(provider);
        add::<Ipv6Addr, Ipv4Addr>(provider);
    }
}
