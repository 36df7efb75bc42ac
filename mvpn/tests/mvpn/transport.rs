//! Every change of what carries a flow, with its packets numbered and 1 ms apart: none comes twice, and none is lost where the switch-over
//! delay covers signalling.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::mvrf::{MvpnConfig, MvrfConfig, PTunnel, SFlow, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::border::Ases;
use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;
const IR: TunnelKind = TunnelKind::IngressReplication;

/// What receivers miss together, and what they get too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub lost: usize,
    pub twice: usize,
}

pub const CLEAN: Outcome = Outcome { lost: 0, twice: 0 };

/// Sends numbered packets at 1 kHz into the sites of `from`, and looks at what came out at `to`; `change` happens after half a second.
pub fn numbered<A: SimAddress>(
    world: &mut World<A>,
    (source, group): (A, A),
    (from, to): (&[usize], &[usize]),
    time: Duration,
    change: impl FnOnce(&mut World<A>),
) -> Outcome {
    let mut change = Some(change);
    let mut numbers = Vec::new();
    for ms in 0..time.as_millis() {
        if ms == 500 {
            change.take().unwrap()(world);
        }
        let number = world.send((from[0], VRF), source, group);
        from[1..].iter().for_each(|pe| world.send_again((*pe, VRF), source, group, number));
        numbers.push(number);
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(SECOND);
    let copies: Vec<_> = numbers.iter().map(|number| world.copies(source, group, *number)).collect();
    let lost = copies.iter().map(|copies| to.iter().filter(|pe| !copies.contains_key(&(**pe, VRF))).count()).sum();
    let of_receivers = copies.iter().flatten().filter(|((pe, _), _)| to.contains(pe));
    Outcome { lost, twice: of_receivers.map(|(_, n)| *n as usize - 1).sum() }
}

/// PEs with and without the delay.
fn pes<A: SimAddress>(provider: Provider, count: usize, delay: Option<Duration>) -> World<A> {
    World::new(provider.routers(count), 31, move |_, config: &mut MvpnConfig| set_delay(config, delay))
}

fn set_delay(config: &mut MvpnConfig, delay: Option<Duration>) {
    config.timers.switch_over = delay.unwrap_or(config.timers.switch_over);
}

fn only_wildcards(config: &mut MvrfConfig) {
    config.inclusive = None;
    config.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
}

fn carried_by<A: SimAddress>(world: &World<A>, pe: usize, (source, group): (A, A)) -> Option<PTunnel> {
    world.pes[pe].mvpn.carried(VRF, source.into(), group.into()).and_then(|carried| carried.received_by)
}

fn place<A: SimAddress>(world: &mut World<A>, group: A, is_selective: Option<bool>) {
    let now = world.now;
    let at = SFlow::source_group(A::host(0, 1).into(), group.into());
    world.pes[0].mvpn.place(now, VRF, at, is_selective).unwrap();
    world.drain(0);
}

/// I-PMSI to S-PMSI and back, or where all flows have a wildcard S-PMSI, S-PMSI to S-PMSI and back.
fn s_pmsi<A: SimAddress>(provider: Provider, selective: TunnelKind, is_wild: bool) {
    let mut world: World<A> = pes(provider, 4, None);
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(MLDP), selective);
        if is_wild {
            only_wildcards(&mut config);
        }
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let at = (A::host(0, 1), A::ssm(1));
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), Some(at.0), at.1, true));
    world.run_for(SECOND * 3);
    let flows = |world: &World<A>| {
        let sent = world.pes[0].mvpn.carried(VRF, at.0.into(), at.1.into()).unwrap();
        (carried_by(world, 1, at), sent.s_pmsi.map(|(flows, _)| flows))
    };
    let mut tunnels = vec![flows(&world)];
    for is_selective in [Some(true), None] {
        let outcome = numbered(&mut world, at, (&[0], &[1, 2]), SECOND * 5, |world| place(world, at.1, is_selective));
        assert_eq!(outcome, CLEAN, "{provider:?} {selective:?} wildcard {is_wild}: {is_selective:?}");
        tunnels.push(flows(&world));
    }
    assert!(tunnels[0].0.is_some() && tunnels[0] != tunnels[1] && tunnels[0] == tunnels[2], "{tunnels:?}");
}

/// The kind of an S-PMSI's tunnel changes in service.
fn kind<A: SimAddress>(provider: Provider) -> Outcome {
    let mut world: World<A> = pes(provider, 4, None);
    (0..4).for_each(|pe| world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), false));
    world.run_for(SECOND);
    let at = (A::host(0, 1), A::ssm(1));
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), Some(at.0), at.1, true));
    world.run_for(SECOND * 3);
    place(&mut world, at.1, Some(true));
    world.run_for(SECOND * 5);
    let (mut sum, budget) = (Outcome::default(), world.pes[0].mvpn.root_tunnels());
    for kind in [IR, TunnelKind::RsvpTeP2mp, IR, MLDP, TunnelKind::RsvpTeP2mp, MLDP] {
        let outcome = numbered(&mut world, at, (&[0], &[1, 2]), SECOND * 5, |world| {
            let now = world.now;
            world.pes[0].mvpn.set_selective(now, VRF, kind).unwrap();
            world.drain(0);
        });
        let tunnel = carried_by(&world, 1, at).expect("received");
        let is_kind = match kind {
            IR => matches!(tunnel, PTunnel::IngressReplication(_)),
            MLDP => matches!(tunnel, PTunnel::MldpP2mp(_)),
            _ => matches!(tunnel, PTunnel::RsvpTeP2mp { .. }),
        };
        assert!(is_kind, "{tunnel:?}");
        sum = Outcome { lost: sum.lost + outcome.lost, twice: sum.twice + outcome.twice };
        // What it had before is left, at the root and at the leaves.
        world.run_for(SECOND * 15);
        assert_eq!(world.pes[0].mvpn.root_tunnels(), budget);
    }
    sum
}

/// A source behind PEs 0 and 3: the second is there later, and is selected for its address.
fn upstream<A: SimAddress>(provider: Provider, delay: Option<Duration>, change: impl Fn(&mut MvrfConfig)) -> Outcome {
    let mut world: World<A> = pes(provider, 4, delay);
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(MLDP), MLDP);
        change(&mut config);
        world.add_site(pe, config, false);
    }
    let at = (A::host(9, 1), A::ssm(1));
    world.set_prefix(0, VRF, A::subnet(9).into(), true);
    world.run_for(SECOND);
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), Some(at.0), at.1, true));
    world.run_for(SECOND * 8);
    let from = |world: &World<A>| world.pes[1].mvpn.carried(VRF, at.0.into(), at.1.into()).unwrap().from;
    assert_eq!(from(&world), Some(world.routers[0]));
    let outcome = numbered(&mut world, at, (&[0, 3], &[1, 2]), SECOND * 12, |world| {
        world.set_prefix(3, VRF, A::subnet(9).into(), true);
    });
    assert_eq!(from(&world), Some(world.routers[3]));
    // The one before is left.
    let before = world.sent_by[0];
    let number = world.send((0, VRF), at.0, at.1);
    world.run_for(SECOND);
    assert!(world.copies(at.0, at.1, number).is_empty() && world.sent_by[0] == before);
    outcome
}

/// From the shared tree to the source's tree, from the first packet on: the RP is a CE of PE 4. A Register takes
/// 10 ms, and what it holds 5 ms more to the receivers; from the source's PE packets take 5 ms, or as long to half a packet.
fn source_tree<A: SimAddress>(provider: Provider, is_level: bool) -> Outcome {
    let mut world: World<A> = pes(provider, 5, None);
    (0..5).for_each(|pe| world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), pe == 4));
    world.puts_back = true;
    if is_level {
        let direct = [(1, 14_500), (2, 14_500), (4, 9_500)];
        world.latency = direct.map(|(pe, micros)| ((0, pe), Duration::from_micros(micros))).into();
    }
    world.run_for(SECOND * 10);
    let at = (A::host(0, 1), A::asm(1));
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), None, at.1, true));
    world.run_for(SECOND * 3);
    let outcome = numbered(&mut world, at, (&[0], &[1, 2]), SECOND * 8, |_| {});
    let carried = world.pes[1].mvpn.carried(VRF, at.0.into(), at.1.into()).unwrap();
    assert_eq!(carried.from, Some(world.routers[0]), "by the source's tree in the end");
    outcome
}

/// Two links between two ASes, each between ASBRs of its own: that of the ASBR which is selected is there again.
fn asbr<A: SimAddress>(provider: Provider, kinds: [TunnelKind; 2], delay: Option<Duration>) -> Outcome {
    let links = vec![(3, 5), (4, 6)];
    let asn = vec![65001, 65002, 65002, 65001, 65001, 65002, 65002];
    let ases = Ases { asn: asn.clone(), links: links.clone(), ..Ases::default() };
    let kind = |node: usize| kinds[asn[node] as usize - 65001];
    let mut world: World<A> = World::of_ases(
        provider.routers(7),
        &ases,
        17,
        |_, config| set_delay(config, delay),
        |node, config| (config.inclusive, config.selective) = (kind(node), kind(node)),
    );
    (0..3).for_each(|pe| world.add_site(pe, mvrf(pe, Some(kind(pe)), kind(pe)), false));
    world.run_for(SECOND * 5);
    world.set_link(links[0], false);
    world.run_for(SECOND * 5);
    let at = (A::host(0, 1), A::ssm(1));
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), Some(at.0), at.1, true));
    world.run_for(SECOND * 5);
    let by = |world: &World<A>, link| world.packets_between.get(&link).copied().unwrap_or(0);
    let inside = |world: &World<A>| [5, 6].map(|asbr| world.sent_by[asbr]);
    let (before, sent) = (by(&world, links[0]), inside(&world));
    let outcome = numbered(&mut world, at, (&[0], &[1, 2]), SECOND * 12, |world| world.set_link(links[0], true));
    assert!(by(&world, links[0]) > before && inside(&world)[0] > sent[0], "the ASBR that is back sends");
    let joined = carried_by(&world, 1, at).expect("received");
    let is_its = match joined {
        PTunnel::MldpP2mp(lsp) => lsp.root == world.routers[5],
        PTunnel::IngressReplication(root) => root == world.routers[5],
        _ => false,
    };
    assert!(is_its, "the tree comes by the ASBR that is back");
    outcome
}

/// Packets 1 ms apart while a flow moves from the I-PMSI to an S-PMSI and back, from S-PMSI to S-PMSI and back, to tunnels of other kinds, to
/// another upstream PE, from the shared tree to the source's, and to another ASBR: the receivers get each once. Without the switch-over delay some
/// are lost where tunnels have to be built first, and none comes twice either.
///
/// Shows: MVPN-QOS-10
#[test]
fn numbered_packets_across_each_change_of_transport() {
    fn go<A: SimAddress>(provider: Provider) {
        s_pmsi::<A>(provider, MLDP, false);
        s_pmsi::<A>(provider, IR, true);
        assert_eq!(kind::<A>(provider), CLEAN, "{provider:?}");
        assert_eq!(upstream::<A>(provider, None, |_| {}), CLEAN, "{provider:?}");
        assert_eq!(source_tree::<A>(provider, true), CLEAN, "{provider:?}");
        assert_eq!(asbr::<A>(provider, [MLDP, MLDP], None), CLEAN, "{provider:?}");
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
}

/// The same with tunnels that are joined for the flow alone, what the delay is for, and what it cannot help: what was under way on a longer shared
/// tree, here by 10 ms, comes too late.
#[test]
fn the_delay_is_what_it_takes() {
    type A = Ipv4Addr;
    let wild = |config: &mut MvrfConfig| only_wildcards(config);
    let wild_ir = |config: &mut MvrfConfig| {
        only_wildcards(config);
        config.selective = IR;
    };
    let always = |config: &mut MvrfConfig| config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
    assert_eq!(upstream::<A>(Provider::V4, None, wild), CLEAN);
    assert_eq!(upstream::<A>(Provider::V4, None, wild_ir), CLEAN);
    assert_eq!(upstream::<A>(Provider::V4, None, always), CLEAN);
    assert_eq!(asbr::<A>(Provider::V4, [IR, IR], None), CLEAN);
    assert_eq!(asbr::<A>(Provider::V4, [MLDP, IR], None), CLEAN);
    let longer = source_tree::<A>(Provider::V4, false);
    assert!(longer.twice == 0 && longer.lost <= 2 * 10, "{longer:?}");
    let none = Some(Duration::ZERO);
    let without = [
        upstream::<A>(Provider::V4, none, |_| {}),
        upstream::<A>(Provider::V4, none, wild_ir),
        asbr::<A>(Provider::V4, [MLDP, MLDP], none),
    ];
    println!("without a switch-over delay: {without:?}");
    assert!(without.iter().all(|outcome| outcome.twice == 0 && outcome.lost > 0), "{without:?}");
}
