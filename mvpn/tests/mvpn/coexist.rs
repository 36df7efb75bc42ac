//! Unicast and multicast in one VRF, on the same forwarders.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{Label, LabelStack, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::wire::EtherType;

use super::node::{CORE, SimAddress, data, mac, site};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

/// The VPN label of a PE, and its entries: to the other PE, and to the host.
const LABEL: u32 = 900;
const FAR: NhlfeId = NhlfeId(2900);
const NEAR: NhlfeId = NhlfeId(2901);

/// What unicast routing programs at PE 0 or 1, to reach the site of the other; or takes back.
fn unicast(world: &mut World<A>, pe: usize, up: bool) {
    let label = Label::new(LABEL).unwrap();
    let ops = match up {
        true => {
            let far = NextHop::Neighbor { iface: CORE, mac: mac(1 - pe) };
            let near = NextHop::Neighbor { iface: site(VRF), mac: mac(77) };
            let nhlfe = |push, next| Nhlfe { push, next, model: TunnelModel::Uniform };
            vec![
                FwdOp::SetNhlfe { id: FAR, nhlfe: nhlfe(LabelStack::single(label), far) },
                FwdOp::SetNhlfe { id: NEAR, nhlfe: nhlfe(LabelStack::EMPTY, near) },
                FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::PopLookup(VRF), model: TunnelModel::Uniform } },
                FwdOp::SetRoute4 { vrf: VRF, prefix: A::subnet(1 - pe), action: RouteAction::Forward(FAR) },
                FwdOp::SetRoute4 { vrf: VRF, prefix: A::subnet(pe), action: RouteAction::Forward(NEAR) },
            ]
        }
        false => vec![
            FwdOp::ClearRoute4 { vrf: VRF, prefix: A::subnet(1 - pe) },
            FwdOp::ClearRoute4 { vrf: VRF, prefix: A::subnet(pe) },
            FwdOp::ClearIlm { label },
            FwdOp::ClearNhlfe { id: FAR },
            FwdOp::ClearNhlfe { id: NEAR },
        ],
    };
    for op in ops {
        world.pes[pe].forwarder.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    }
}

/// The host of PE 0 sends a packet to that of PE 1.
fn ping(world: &mut World<A>, number: u32) {
    let mut octets = data(A::host(0, 1), A::host(1, 1), number);
    octets[..6].copy_from_slice(&mac(0).0);
    assert_eq!(octets[12..14], EtherType::IPV4.0.to_be_bytes());
    world.frame(0, site(VRF), &octets);
}

/// Packets of both kinds, one of each in a millisecond, while `change` happens after a while: those of unicast and of multicast that were lost
/// or came twice.
fn under_load(world: &mut World<A>, change: impl FnOnce(&mut World<A>), back: impl FnOnce(&mut World<A>)) -> [u64; 2] {
    let (source, group, far) = (A::host(0, 1), A::ssm(1), A::host(1, 1));
    let (mut change, mut back) = (Some(change), Some(back));
    let mut numbers = Vec::new();
    for ms in 1..6000 {
        if let Some(change) = change.take_if(|_| ms == 1000) {
            change(world);
        }
        if let Some(back) = back.take_if(|_| ms == 3000) {
            back(world);
        }
        let number = world.send((0, VRF), source, group);
        ping(world, number);
        numbers.push(number);
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(SECOND);
    let there = BTreeMap::from([((1, VRF), 1)]);
    [far, group].map(|to| numbers.iter().filter(|number| world.copies(source, to, **number) != there).count() as u64)
}

/// Both services run in one VRF under load. Multicast is turned off and on again at the PE that sends, with its routes, tunnels and entries:
/// unicast loses nothing. Unicast is taken back and programmed anew at both PEs: multicast loses nothing, for its routes for RPF are its
/// own (RFC 6514 §10). What restarts loses packets, so the load is one.
///
/// Shows: MVPN-MIG-1
#[test]
fn either_service_restarts_and_the_other_does_not_notice() {
    for kinds in super::ssm::KINDS {
        let mut world: World<A> = World::new(Provider::V4.routers(2), 3, |_, _| {});
        let config = |pe: usize| {
            let mut config = mvrf(pe, kinds.0, kinds.1);
            if kinds.0.is_none() {
                config.s_pmsi.fixed = vec![mvpn::mvrf::SFlow::all(mvpn::pim::wire::AddressFamily::V4)];
            }
            config
        };
        (0..2).for_each(|pe| world.add_site(pe, config(pe), false));
        (0..2).for_each(|pe| unicast(&mut world, pe, true));
        world.run_for(SECOND);
        world.member((1, VRF), Some(A::host(0, 1)), A::ssm(1), true);
        world.run_for(SECOND * 3);
        assert_eq!(under_load(&mut world, |_| {}, |_| {}), [0, 0], "{kinds:?}");
        let off = |world: &mut World<A>| (0..2).for_each(|pe| unicast(world, pe, false));
        let on = |world: &mut World<A>| (0..2).for_each(|pe| unicast(world, pe, true));
        let [of_unicast, of_multicast] = under_load(&mut world, off, on);
        assert_eq!((of_unicast > 1900, of_multicast), (true, 0), "{kinds:?}: {of_unicast}");
        let off = |world: &mut World<A>| {
            let now = world.now;
            world.pes[0].mvpn.remove_mvrf(now, VRF).unwrap();
            world.drain(0);
        };
        let [of_unicast, of_multicast] = under_load(&mut world, off, |_| {});
        assert_eq!((of_unicast, of_multicast > 4000), (0, true), "{kinds:?}: {of_multicast}");
        // On again, with the routes that came before.
        let on = |world: &mut World<A>| {
            let now = world.now;
            let old = world.pes[0].sites.remove(&VRF).unwrap();
            drop(old);
            world.add_site(0, config(0), false);
            world.pes[0].mvpn.handle_timeout(now);
            world.refresh(0);
            world.set_prefix(1, VRF, A::subnet(1).into(), true);
        };
        let [of_unicast, _] = under_load(&mut world, on, |_| {});
        assert_eq!(of_unicast, 0, "{kinds:?}");
        world.run_for(SECOND * 10);
        assert_eq!(under_load(&mut world, |_| {}, |_| {}), [0, 0], "{kinds:?}");
    }
}
