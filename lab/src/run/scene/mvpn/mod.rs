//! Multicast in a VPN: how each flow is carried, how long a join takes, how many copies cross the core; and that no packet is lost or comes
//! twice, whatever moves.
//!
//! The network is the one of the simulations of `mvpn`: PEs with real forwarders, a reflector that delays each message by 10 to 200 ms, P2MP
//! LSPs whose labels take 30 ms, 5 ms across the core. Beside it a network of two ASes, whose ASBRs join the tunnels of both.

#[path = "../../../../../mvpn/tests/mvpn/border.rs"]
#[allow(dead_code)] // the simulations of `mvpn` use the rest
mod border;
#[path = "../../../../../mvpn/tests/mvpn/ldp.rs"]
#[allow(dead_code)] // the simulations of `mvpn` use the rest
mod ldp;
#[path = "../../../../../mvpn/tests/mvpn/node.rs"]
#[allow(dead_code)] // the simulations of `mvpn` use the rest
mod node;
#[path = "../../../../../mvpn/tests/mvpn/outputs.rs"]
mod outputs;
#[path = "../../../../../mvpn/tests/mvpn/world.rs"]
#[allow(dead_code)] // as above
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{InterAs, MvrfConfig, PTunnel, Threshold, TunnelKind};

use self::node::{SimAddress, pmsi};
use self::world::World;
use super::super::Report;
use crate::columns::columns;

type A = Ipv4Addr;

const VRF: VrfId = VrfId(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The PE of the source, of receivers, of the RP's CE, of the other VPN, and of the other AS.
const SOURCE: usize = 0;
const RECEIVERS: [usize; 3] = [1, 2, 3];
const RP: usize = 4;
const OTHER_VPN: usize = 5;
const OTHER_AS: usize = 6;
const PES: usize = 7;

fn network(seed: u64) -> World<A> {
    let routers = (1..=PES).map(|n| IpAddr::from([192, 0, 2, u8::try_from(n).unwrap_or(0)])).collect();
    let mut world = World::new(routers, seed, |pe, config| {
        if pe == OTHER_AS {
            config.asn = 65002;
        }
    });
    world.puts_back = true;
    for pe in 0..PES {
        let number = u32::try_from(pe).unwrap_or(0);
        let (ours, other) = (RouteTarget::two_octet_as(65001, 1), RouteTarget::two_octet_as(65001, 2));
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + number);
        let mut config = MvrfConfig::new(VRF, rd, ours, pmsi(VRF));
        config.inter_as = InterAs::NonSegmented;
        config.s_pmsi.threshold = Some(Threshold { up: 100_000, down: 50_000 });
        if pe == OTHER_VPN {
            config.export = vec![other.into()];
            config.import = vec![other.into(), ours.into()];
        }
        world.add_site(pe, config, pe == RP);
    }
    world.run_for(SECOND * 10);
    world
}

/// Another network: PE 0 in one AS, PEs 1 and 2 in another with tunnels of another kind, and an ASBR of each between them.
fn two_ases(seed: u64) -> World<A> {
    let ases = border::Ases { asn: vec![65001, 65002, 65002, 65001, 65002], links: vec![(3, 4)], abrs: Vec::new() };
    let routers = (1..=5).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    let kind = |node: usize| if node == 0 || node == 3 { TunnelKind::MldpP2mp } else { TunnelKind::IngressReplication };
    let mut world = World::of_ases(
        routers,
        &ases,
        seed,
        |_, _| {},
        |node, config| {
            (config.inclusive, config.selective) = (kind(node), kind(node));
        },
    );
    world.puts_back = true;
    for pe in 0..3 {
        let number = u32::try_from(pe).unwrap_or(0);
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + number);
        let mut config = MvrfConfig::new(VRF, rd, RouteTarget::two_octet_as(65001, 1), pmsi(VRF));
        (config.inclusive, config.selective) = (Some(kind(pe)), kind(pe));
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 10);
    world
}

/// What a stream of packets, one each millisecond, came to.
#[derive(Default)]
struct Outcome {
    lost: u64,
    twice: u64,
    astray: u64,
    packets: u64,
    crossed: u64,
}

impl Outcome {
    fn is_perfect(&self) -> bool {
        self.packets > 0 && self.lost + self.twice + self.astray == 0
    }

    fn found(&self) -> String {
        let Self { packets, lost, twice, astray, .. } = self;
        format!("{packets} packets: {lost} lost, {twice} twice, {astray} where nobody wants them")
    }

    /// Copies that crossed the core, for each packet.
    fn copies(&self) -> String {
        #[allow(clippy::cast_precision_loss)] // a few thousand
        let each = self.crossed as f64 / self.packets.max(1) as f64;
        format!("{each:.2}")
    }
}

/// Sends packets for a time and counts who got them; `during` is called before each packet with its number in the stream.
fn stream(
    world: &mut World<A>,
    (source, group): (A, A),
    to: &[usize],
    time: Duration,
    mut during: impl FnMut(&mut World<A>, u128),
) -> Outcome {
    let before = world.crossed;
    let mut numbers = Vec::new();
    for n in 0..time.as_millis() {
        during(world, n);
        numbers.push(world.send((SOURCE, VRF), source, group));
        world.run_for(MILLISECOND);
    }
    world.run_for(SECOND);
    let mut outcome = Outcome { packets: numbers.len() as u64, crossed: world.crossed - before, ..Outcome::default() };
    for number in numbers {
        let copies = world.copies(source, group, number);
        outcome.lost += to.iter().filter(|pe| !copies.contains_key(&(**pe, VRF))).count() as u64;
        outcome.twice += copies.values().map(|n| u64::from(n - 1)).sum::<u64>();
        outcome.astray += copies.keys().filter(|(pe, _)| !to.contains(pe) && *pe != RP).count() as u64;
    }
    outcome
}

/// From a join to the first packet, with a packet sent each millisecond.
fn join_delay(world: &mut World<A>, (source, group): (A, A), pe: usize, asm: bool) -> Option<u64> {
    world.member((pe, VRF), (!asm).then_some(source), group, true);
    let joined = world.now;
    for _ in 0..5000 {
        world.send((SOURCE, VRF), source, group);
        world.run_for(MILLISECOND);
        let has = world
            .delivered
            .iter()
            .any(|((s, g, _), places)| (*s, *g) == (source, group) && places.contains_key(&(pe, VRF)));
        if has {
            return u64::try_from((world.now - joined).as_millis()).ok();
        }
        world.delivered.retain(|(_, g, _), _| *g != group);
    }
    None
}

fn name(tunnel: Option<PTunnel>, is_selective: bool) -> String {
    let kind = match tunnel {
        Some(PTunnel::MldpP2mp(lsp)) => format!("mLDP P2MP of {}", lsp.root),
        Some(PTunnel::IngressReplication(root)) => format!("ingress replication of {root}"),
        Some(other) => format!("{other:?}"),
        None => return "none".to_owned(),
    };
    format!("{} by {kind}", if is_selective { "S-PMSI" } else { "I-PMSI" })
}

fn carried(world: &World<A>, (source, group): (A, A)) -> String {
    let carried = world.pes[SOURCE].mvpn.carried(VRF, source.into(), group.into());
    carried.map_or_else(|| "none".to_owned(), |c| name(c.sent_by, c.is_selective))
}

/// A row of the table.
struct Row {
    flow: &'static str,
    tunnel: String,
    delay: String,
    copies: String,
    optimum: usize,
    outcome: Outcome,
}

fn one_flow(world: &mut World<A>, flow: &'static str, (source, group): (A, A), to: &[usize], asm: bool) -> Row {
    let delays: Vec<Option<u64>> = to.iter().map(|pe| join_delay(world, (source, group), *pe, asm)).collect();
    // An ASM group settles on its sources' trees.
    world.run_for(SECOND * if asm { 30 } else { 2 });
    let outcome = stream(world, (source, group), to, SECOND, |_, _| {});
    let delay = delays.iter().map(|d| d.map_or_else(|| "never".to_owned(), |d| d.to_string()));
    Row {
        flow,
        tunnel: carried(world, (source, group)),
        delay: delay.collect::<Vec<_>>().join(" "),
        copies: outcome.copies(),
        optimum: to.len(),
        outcome,
    }
}

/// A flow with one receiver moves to an S-PMSI and back, at a packet each millisecond.
fn sparse(world: &mut World<A>) -> (Row, Outcome, Outcome) {
    let (source, group) = (A::host(SOURCE, 3), A::ssm(3));
    let delay = join_delay(world, (source, group), 2, false);
    world.run_for(SECOND * 2);
    let rate = |world: &mut World<A>, octets_per_second| {
        let (source, group) = (source.into(), group.into());
        world.input(SOURCE, mvpn::mvrf::Input::Rate { vrf: VRF, source, group, octets_per_second });
    };
    let there = stream(world, (source, group), &[2], SECOND * 5, |world, n| {
        if n == 500 {
            rate(world, 1_000_000);
        }
    });
    let settled = stream(world, (source, group), &[2], SECOND, |_, _| {});
    let row = Row {
        flow: "SSM, sparse, fast",
        tunnel: carried(world, (source, group)),
        delay: delay.map_or_else(|| "never".to_owned(), |d| d.to_string()),
        copies: settled.copies(),
        optimum: 1,
        outcome: settled,
    };
    world.run_for(SECOND * 60);
    let back = stream(world, (source, group), &[2], SECOND * 5, |world, n| {
        if n == 500 {
            rate(world, 0);
        }
    });
    (row, there, back)
}

/// Kills each PE in turn: a flow whose PEs live goes on without a loss, and one with a second site resumes. The longest gap, in milliseconds.
fn chaos(seed: u64) -> Result<(u64, Outcome)> {
    let mut longest = 0;
    let mut others = Outcome::default();
    for victim in 1..PES {
        let mut world = network(seed);
        // The source is attached to PE 0 and to the victim, which has the higher address and is selected.
        let (source, group) = (Ipv4Addr::new(10, 99, 0, 1), A::ssm(9));
        let plain = (A::host(SOURCE, 1), A::ssm(1));
        let to: Vec<usize> = RECEIVERS.into_iter().filter(|pe| *pe != victim).collect();
        let second = "10.99.0.0/24".parse()?;
        for pe in [SOURCE, victim] {
            world.set_prefix(pe, VRF, second, true);
        }
        world.run_for(SECOND);
        for pe in &to {
            world.member((*pe, VRF), Some(source), group, true);
            world.member((*pe, VRF), Some(plain.0), plain.1, true);
        }
        world.run_for(SECOND * 3);
        world.kill(victim);
        let outcome = stream(&mut world, plain, &to, SECOND, |world, n| {
            if n % 5 == 0 {
                world.send((SOURCE, VRF), source, group);
            }
        });
        others.lost += outcome.lost;
        others.twice += outcome.twice;
        others.packets += outcome.packets;
        let first = (0..200_u64)
            .zip(world.delivered.iter().filter(|((s, ..), _)| *s == source))
            .find(|(_, (_, places))| to.iter().all(|pe| places.get(&(*pe, VRF)) == Some(&1)));
        longest = longest.max(first.map_or(u64::MAX, |(n, _)| n * 5));
    }
    Ok((longest, others))
}

/// Runs the scene.
///
/// # Errors
/// None: what fails is noted in the report.
pub fn run(seed: u64, report: &mut Report) -> Result<()> {
    let mut world = network(seed);
    let ssm = one_flow(&mut world, "SSM", (A::host(SOURCE, 1), A::ssm(1)), &RECEIVERS, false);
    let asm = one_flow(&mut world, "ASM, RP on a CE", (A::host(SOURCE, 2), A::asm(2)), &RECEIVERS, true);
    let extranet = one_flow(&mut world, "SSM, extranet", (A::host(SOURCE, 4), A::ssm(4)), &[OTHER_VPN], false);
    let whole = (A::host(SOURCE, 5), A::ssm(5));
    let inter_as = one_flow(&mut world, "SSM, other AS, one tunnel", whole, &[OTHER_AS], false);
    let mut other = two_ases(seed);
    let segmented = one_flow(&mut other, "SSM, other AS, segments", (A::host(SOURCE, 1), A::ssm(1)), &[1, 2], false);
    // To the ASBR, across the border, and to each PE behind it.
    let segmented = Row { optimum: 4, ..segmented };
    let (sparse, there, back) = sparse(&mut world);
    let rows = [&ssm, &asm, &sparse, &extranet, &inter_as, &segmented].map(|row| {
        let Row { flow, tunnel, delay, copies, optimum, .. } = row;
        [(*flow).to_owned(), tunnel.clone(), delay.clone(), copies.clone(), optimum.to_string()]
    });
    report.say(&columns(["flow", "carried by", "join delay, ms", "copies", "optimum"], &rows));
    for row in [&ssm, &asm, &sparse, &extranet, &inter_as, &segmented] {
        report.check(
            format!("multicast: {} reaches its receivers, once", row.flow),
            row.outcome.is_perfect(),
            row.outcome.found(),
        );
    }
    let selective = sparse.tunnel.starts_with("S-PMSI") && sparse.outcome.crossed == sparse.outcome.packets;
    report.check(
        "multicast: a fast sparse flow has a tunnel of its own, with one copy",
        selective,
        sparse.copies.clone(),
    );
    report.check("multicast: no packet is lost or doubled by the move to an S-PMSI", there.is_perfect(), there.found());
    report.check("multicast: nor by the return from it", back.is_perfect(), back.found());
    let (gap, others) = chaos(seed)?;
    report.say(&format!("The longest gap when a PE of a dual-homed source dies: {gap} ms\n"));
    report.check("multicast: each PE killed in turn, flows of the others go on", others.is_perfect(), others.found());
    report.check("multicast: and those with a second site resume", gap < 1000, format!("{gap} ms"));
    let leaked: BTreeMap<&String, &u64> =
        world.pes.iter().flat_map(|pe| pe.drops.iter()).filter(|(reason, _)| *reason == "ForeignGroup").collect();
    report.check(
        "multicast: nothing of a VPN was about to leave by another's group",
        leaked.is_empty(),
        format!("{leaked:?}"),
    );
    Ok(())
}
