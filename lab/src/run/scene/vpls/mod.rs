//! VPLS with multicast: four PEs, one of which knows nothing of it, and a load like that of television over IP. What it costs on each
//! link when it is flooded, when it is snooped, and when trees carry it, against the least that would do.

#[path = "../../../../../vpls/tests/world/mod.rs"]
pub(crate) mod world;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, Mac, VsiId};
use fwd_core::op::Tags;
use vpls::multicast::{ReplicationMode, TreeConfig};
use vpls::snoop::SnoopConfig;
use vpls::{CircuitConfig, Input, VeConfig, VsiConfig};

use crate::columns::columns;
use crate::run::Report;
use world::packets::{data, frame, join, mac};
use world::{Delivered, World};

const VSI: VsiId = VsiId(1);
/// PEs; the last knows neither snooping nor trees.
const PES: usize = 4;
const LEGACY: usize = PES - 1;
const GROUPS: u8 = 20;
/// Frames of each group.
const FRAMES: usize = 50;

/// What a load cost.
struct Cost {
    /// Frames on the link of the source's PE into the core, and on the links to the others.
    into_core: u64,
    to_pes: [u64; PES],
    /// Frames that members got, that members should have got, and that circuits without members got.
    members: u64,
    expected: u64,
    others: u64,
    /// The way that the groups took at the end.
    mode: Option<ReplicationMode>,
}

/// Which circuit of a PE has members of a group: the set-top boxes are on interface 1.
fn has_members(pe: usize, group: u8) -> bool {
    match pe {
        1 => true,
        2 => group % 2 == 0,
        LEGACY => group % 4 == 0,
        _ => false,
    }
}

fn group(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 1, 1, n + 1)
}

fn network(snoop: bool, trees: bool) -> Result<World> {
    let mut world = World::new(PES);
    let target = RouteTarget::two_octet_as(65000, 1);
    let snooping = SnoopConfig {
        querier4: Some(Ipv4Addr::new(10, 0, 0, 200)),
        querier6: Some("fe80::200".parse()?),
        settle: Duration::ZERO,
        ..SnoopConfig::default()
    };
    for pe in 0..PES {
        let number = u32::try_from(pe)? + 1;
        let mut config = VsiConfig::new(VSI, RouteDistinguisher::two_octet_as(65000, number)).with_target(target);
        config.ve = Some(VeConfig::new(u16::try_from(number)?));
        config.snoop = Some(snooping.clone()).filter(|_| snoop && pe != LEGACY);
        config.trees = Some(TreeConfig { congruency: 0, ..TreeConfig::default() }).filter(|_| trees && pe != LEGACY);
        world.with(pe, |machine, now| machine.add_vsi(now, config))?;
        for iface in 1..=2 {
            let circuit = CircuitConfig::new(IfIndex(iface), Tags::Any);
            world.with(pe, |machine, now| machine.add_circuit(now, VSI, circuit))?;
        }
    }
    world.pass(Duration::from_secs(3));
    Ok(world)
}

/// Members join; where there are trees, the flows' rates are told until they have theirs.
fn prepare(world: &mut World, trees: bool) {
    for pe in 0..PES {
        for n in (0..GROUPS).filter(|n| has_members(pe, *n)) {
            world.send(pe, 1, &join(100, group(n)));
        }
    }
    for _ in 0..if trees { 9 } else { 0 } {
        for n in 0..GROUPS {
            let input = Input::Rate { vsi: VSI, source: None, group: group(n).into(), bits_per_second: 8_000_000 };
            world.input(0, input);
        }
        world.pass(Duration::from_secs(1));
    }
    world.pass(Duration::from_secs(if trees { 4 } else { 0 }));
}

fn measure(snoop: bool, trees: bool) -> Result<Cost> {
    let mut world = network(snoop, trees)?;
    prepare(&mut world, trees);
    world.links.clear();
    let (mut members, mut expected, mut others) = (0, 0, 0);
    for n in 0..GROUPS {
        let wanted: Vec<(usize, u32)> = (0..PES).filter(|pe| has_members(*pe, n)).map(|pe| (pe, 1)).collect();
        for _ in 0..FRAMES {
            expected += wanted.len() as u64;
            for (pe, iface, _) in world.send(0, 1, &data(1, group(n))) {
                if wanted.contains(&(pe, iface)) { members += 1 } else { others += 1 }
            }
        }
    }
    let frames = |pe, up| world.links.get(&(pe, up)).map_or(0, |link: &(u64, u64)| link.0);
    let mode = world.pes[0].pe.trace_group(VSI, None, group(0).into()).map(|trace| trace.mode);
    let to_pes = std::array::from_fn(|pe| frames(pe, false));
    Ok(Cost { into_core: frames(0, true), to_pes, members, expected, others, mode })
}

/// The least frames that would do, on the link into the core and on those to the PEs.
fn least() -> (u64, [u64; PES]) {
    let frames = |n: usize| (n * FRAMES) as u64;
    let of = |pe| frames((0..GROUPS).filter(|n| has_members(pe, *n)).count());
    (frames((0..GROUPS).filter(|n| (1..PES).any(|pe| has_members(pe, *n))).count()), std::array::from_fn(of))
}

/// Spanning tree frames pass as they were, with everything that may look at frames switched on.
fn spanning_tree(world: &mut World) -> Vec<Delivered> {
    let to = Mac([0x01, 0x80, 0xc2, 0, 0, 0]);
    // LLC, a configuration BPDU of IEEE 802.1D §9.3.1, and padding.
    let bpdu = [
        0, 38, 0x42, 0x42, 3, 0, 0, 0, 0, 0, 0x80, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0, 2, 0, 0, 0, 0, 1, 0x80, 1,
    ];
    let timers = [0, 0, 20, 0, 2, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let octets = [&to.0[..], &mac(50).0, &bpdu, &timers].concat();
    let passed = world.send(0, 1, &octets);
    passed.into_iter().filter(|(.., copy)| *copy == octets).collect()
}

/// Shows the service.
pub fn run(_seed: u64, report: &mut Report) -> Result<()> {
    let phases = [("flooded", false, false), ("snooped", true, false), ("snooped, with trees", true, true)];
    let (least_core, least_pes) = least();
    let mut rows = Vec::new();
    let row = |what: &str, core: u64, pes: &[u64; PES], members: String, others: String| {
        let [_, two, three, four] = pes.map(|n| n.to_string());
        [what.to_owned(), core.to_string(), two, three, four, members, others]
    };
    let mut costs = Vec::new();
    for (what, snoop, trees) in phases {
        let cost = measure(snoop, trees)?;
        let members = format!("{} of {}", cost.members, cost.expected);
        rows.push(row(what, cost.into_core, &cost.to_pes, members, cost.others.to_string()));
        costs.push(cost);
    }
    let expected = costs.first().map_or(0, |cost| cost.expected);
    rows.push(row("the least", least_core, &least_pes, format!("{expected} of {expected}"), "0".to_owned()));
    let head = ["multicast is", "PE1 to core", "to PE2", "to PE3", "to PE4", "members got", "others got"];
    let mut text = String::new();
    let groups = u32::from(GROUPS);
    writeln!(
        text,
        "{groups} groups of {FRAMES} frames from PE1; members at PE2, PE3 and PE4, which knows neither snooping nor trees"
    )?;
    writeln!(text, "{}", columns(head, &rows))?;
    report.say(&text);
    let [flooded, snooped, trees] = costs.as_slice() else { return Ok(()) };
    ensure!(flooded.expected > 0, "no members");
    let each_once = costs.iter().all(|cost| cost.members == cost.expected);
    report.check("VPLS: every member gets every frame once, in every mode", each_once, format!("{expected} frames"));
    let saved = flooded.others > snooped.others && snooped.into_core < flooded.into_core;
    report.check(
        "VPLS: snooping spares PEs and circuits without members",
        saved,
        format!("{} frames spared", flooded.others - snooped.others),
    );
    let all_pes = trees.to_pes.iter().zip(least_pes).skip(1).all(|(n, least)| *n == least);
    report.check(
        "VPLS: with trees each PE gets what its members want and no more",
        all_pes,
        format!("{:?}", trees.to_pes),
    );
    // PE4 cannot be on the tree: a quarter of the groups takes one copy more.
    let best = least_core + least_pes[LEGACY];
    let is_best = trees.into_core == best && trees.mode == Some(ReplicationMode::Selective);
    let ratio = format!("{} frames, {:.2} of the least", trees.into_core, trees.into_core as f64 / least_core as f64);
    report.check("VPLS: trees take one copy into the core, and one for the PE without trees", is_best, ratio);
    let mut world = network(true, true)?;
    let passed = spanning_tree(&mut world).len();
    report.check(
        "VPLS: spanning tree frames pass to every circuit, untouched",
        passed == 7,
        format!("{passed} circuits"),
    );
    world.send(1, 1, &frame(Mac::BROADCAST, mac(9)));
    let known = world.reached(0, 1, &frame(mac(9), mac(1)));
    report.check("VPLS: an address behind another PE is known", known == [(1, 1)], format!("{known:?}"));
    Ok(())
}
