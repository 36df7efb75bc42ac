//! Probes go where data goes (RFC 5501 §6.5.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use fwd_core::wire::{AssociatedChannel, LabelEntry};
use mvpn::gmp::RecordType;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::probe::{CHANNELS, Outcome, ProbeBody, ProbeError, ProbeFlow, ProbeId, ProbeMessage, ProbeReport, WayKind};
use vpls::{ConfigError, Input, PeConfig, VplsPe, VsiConfig, VsiLimits};

use super::signalling::{VSI, network, ve};
use super::snoop::{snooped, snooping};
use crate::world::node::{CORE, transport};
use crate::world::packets::{data, frame, host, join, mac, report};
use crate::world::{World, address, pe_of};

/// The port of a PE's circuit.
fn port(world: &World, pe: usize, iface: u32) -> PortId {
    let is = |port: &BridgePort| matches!(port.attachment, Attachment::Circuit { iface: i, .. } if i.0 == iface);
    world.pes[pe].ports.iter().find(|(_, port)| is(port)).map(|(id, _)| *id).unwrap()
}

/// The report of a probe from a circuit of PE 0.
fn probed(world: &mut World, flow: &ProbeFlow) -> ProbeReport {
    let from = port(world, 0, 1);
    let id = world.with(0, |pe, now| pe.probe(now, from, flow).unwrap());
    if world.probes.is_empty() {
        world.pass(Duration::from_secs(2));
    }
    let (pe, report) = world.probes.pop().expect("a report within two seconds");
    assert_eq!((pe, report.id), (0, id));
    assert!(world.probes.is_empty());
    report
}

/// Circuits that a report says the flow reaches, by PE and interface.
fn circuits(world: &World, report: &ProbeReport) -> Vec<(usize, u32)> {
    let of = |pe: usize, number: u32| match world.pes[pe].ports[&PortId(number)].attachment {
        Attachment::Circuit { iface, .. } => (pe, iface.0),
        other => panic!("{other:?}"),
    };
    let own = report.ways.iter().map(|way| (0, way));
    let others = report.answers.iter().flat_map(|(pe, (_, ways))| ways.iter().map(|way| (pe_of(*pe), way)));
    let mut all: Vec<_> =
        own.chain(others).filter(|(_, w)| w.kind == WayKind::CIRCUIT).map(|(pe, w)| of(pe, w.number)).collect();
    all.sort_unstable();
    all
}

fn to(destination: Mac) -> ProbeFlow {
    ProbeFlow::Mac { destination, source: mac(1) }
}

/// A probe reports the ports that a frame to the address then takes; it teaches nothing, and no customer sees it.
///
/// Shows: VPLS-TEST-2
#[test]
fn a_probe_of_an_address_reports_where_its_frames_go() {
    let mut world = snooped(4, |config| config.mmrp = true);
    // Known at a remote circuit and at a near one, unknown, all, a group that nobody registered, one that two circuits did.
    for (pe, iface, n) in [(2, 2, 9), (0, 2, 8)] {
        world.send(pe, iface, &frame(Mac::BROADCAST, mac(n)));
    }
    let group = Mac([0x01, 0x0c, 0xcd, 1, 2, 3]);
    for (pe, iface) in [(1, 1), (3, 2)] {
        world.send(pe, iface, &super::services::mmrp_join(group));
    }
    let learned = |world: &World| (0..4).map(|pe| world.pes[pe].forwarder.learned(VSI)).collect::<Vec<_>>();
    let mut seen = BTreeSet::new();
    for destination in [mac(9), mac(8), mac(77), Mac::BROADCAST, Mac([0x01, 0x0c, 0xcd, 9, 9, 9]), group] {
        let before = (learned(&world), world.control.len());
        let report = probed(&mut world, &to(destination));
        assert_eq!((report.outcome, &report.silent), (Outcome::FORWARDED, &BTreeSet::new()));
        assert_eq!((learned(&world), world.control.len()), before, "a probe leaves no trace");
        let by_probe = circuits(&world, &report);
        assert_eq!(by_probe, world.reached(0, 1, &frame(destination, mac(1))), "{destination}");
        seen.insert(by_probe);
    }
    assert!(seen.len() >= 4, "{seen:?}");
    assert!(seen.contains(&vec![(1, 1), (3, 2)]), "{seen:?}");
}

/// Entries of random flows with members behind random circuits: each probe says what data then does.
///
/// Shows: VPLS-TEST-3
#[test]
fn probes_of_a_thousand_flows_say_what_data_does() {
    let limits = VsiLimits { groups_per_circuit: 4096, ..VsiLimits::DEFAULT };
    let mut world = network(4, |pe| VsiConfig { snoop: Some(snooping()), limits, ..ve(pe, 1) });
    let mut state = 7_u32;
    let mut random = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % n
    };
    let flows: Vec<(u8, Ipv4Addr)> = (0..1000_u32)
        .map(|n| (1 + u8::try_from(random(50)).unwrap(), Ipv4Addr::from(0xe801_0000 + n * 7 + random(7))))
        .collect();
    for (source, group) in &flows {
        for _ in 0..=random(3) {
            let (pe, iface) = (random(4) as usize, 1 + random(2));
            let sources = [host(*source)];
            world.send(pe, iface, &report(100, &[(RecordType::ALLOW, *group, &sources)]));
            world.pass(Duration::from_millis(10));
        }
    }
    let mut sizes = BTreeMap::new();
    for (source, group) in flows {
        let flow = ProbeFlow::Group { source: host(source).into(), group: group.into(), mac: mac(source) };
        let report = probed(&mut world, &flow);
        assert_eq!(report.silent, BTreeSet::new());
        // A PE answers a hundred in a second.
        world.pass(Duration::from_millis(20));
        let by_probe = circuits(&world, &report);
        assert_eq!(by_probe, world.reached(0, 1, &data(source, group)), "({}, {group})", host(source));
        *sizes.entry(by_probe.len()).or_insert(0) += 1;
    }
    assert!(sizes.len() >= 4, "{sizes:?}");
}

/// Equal paths to a PE, chosen by flow at the first router and again in the middle: what a probe leaves with, and the link that the P router
/// picks, are those of the data, for a thousand flows.
///
/// Shows: VPLS-TEST-6
#[test]
fn probe_and_data_take_the_same_of_equal_paths() {
    let config = |pe| VsiConfig { control_word: true, flow_label: true, ..ve(pe, 1) };
    let mut world = network(2, config);
    const PATHS: u32 = 8;
    // The way to the other PE is one of eight LSPs.
    for n in 0..PATHS {
        let push = LabelStack::single(crate::world::label(300 + n));
        let next = world.pes[0].forwarder.nhlfe(transport(1)).unwrap().next;
        world.pes[0]
            .apply(&FwdOp::SetNhlfe { id: NhlfeId(1560 + n), nhlfe: Nhlfe { push, next, model: TunnelModel::Pipe } });
    }
    spread(&mut |op: &FwdOp| world.pes[0].apply(op), 1560, PATHS);
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Ecmp(EcmpId(1)), model: TunnelModel::Pipe };
    world.pes[0].apply(&FwdOp::SetNhlfe { id: transport(1), nhlfe });
    let mut middle = middle(PATHS);
    let (mut near, mut far) = (BTreeSet::new(), BTreeSet::new());
    for n in 0..1000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let (source, destination) = (Mac([2, 1, 0, a, b, c]), Mac([2, 2, 0, c, b, a]));
        let flow = ProbeFlow::Mac { destination, source };
        let from = port(&world, 0, 1);
        world.capture = Some(Vec::new());
        // The P router of the world does not know these LSPs: only what leaves is looked at.
        world.deaf = true;
        world.with(0, |pe, now| pe.probe(now, from, &flow).unwrap());
        let by_probe = world.capture.replace(Vec::new()).unwrap();
        world.send(0, 1, &frame(destination, source));
        let by_data = world.capture.take().unwrap();
        let [(0, by_probe)] = &by_probe[..] else { panic!("{by_probe:?}") };
        let [(0, by_data)] = &by_data[..] else { panic!("{by_data:?}") };
        // Labels: of the path, of the pseudowire, of the flow.
        assert_eq!(by_probe[..26], by_data[..26], "{n}");
        let label = |at: usize| LabelEntry::of(&by_data[at..]).unwrap();
        assert!(label(22).is_bottom() && !label(18).is_bottom());
        assert_eq!(
            (by_data[26] >> 4, AssociatedChannel::of(&by_probe[26..]).map(|a| a.channel())),
            (0, Some(*CHANNELS.start() + 2))
        );
        let picks = [by_probe, by_data].map(|octets| pick(&mut middle, octets));
        assert_eq!(picks[0], picks[1], "{n}");
        near.insert(label(14).label());
        far.insert(picks[0]);
        if n % 50 == 49 {
            // Nobody answers.
            world.pass(Duration::from_secs(2));
        }
    }
    assert_eq!((near.len(), far.len()), (PATHS as usize, PATHS as usize), "all paths were taken");
}

/// Fills the buckets of group 1 with entries from `first`, in turn.
fn spread(apply: &mut impl FnMut(&FwdOp), first: u32, paths: u32) {
    for bucket in 0..64 {
        let entry = NhlfeId(first + u32::from(bucket) % paths);
        apply(&FwdOp::SetBucket { group: EcmpId(1), bucket: Bucket::new(bucket).unwrap(), entry });
    }
}

/// A router in the middle with as many links onwards, for every path's label.
fn middle(paths: u32) -> crate::world::node::Node {
    let pe = VplsPe::new(Instant::ZERO, PeConfig::new([192, 0, 2, 77].into())).unwrap();
    let mut router = crate::world::node::Node::new(pe, 0);
    for n in 0..paths {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: Mac([2, 0, 0, 0, 2, 0]), mtu: 9200, mpls: true };
        for iface in [n + 1, CORE.0] {
            router.apply(&FwdOp::SetInterface { iface: IfIndex(iface), interface });
        }
        let next = NextHop::Neighbor { iface: IfIndex(n + 1), mac: Mac([2, 0, 0, 0, 3, 0]) };
        let nhlfe = Nhlfe { push: LabelStack::single(crate::world::label(400 + n)), next, model: TunnelModel::Pipe };
        router.apply(&FwdOp::SetNhlfe { id: NhlfeId(1560 + n), nhlfe });
    }
    spread(&mut |op: &FwdOp| router.apply(op), 1560, paths);
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Ecmp(EcmpId(1)), model: TunnelModel::Pipe };
    router.apply(&FwdOp::SetNhlfe { id: NhlfeId(1580), nhlfe });
    for n in 0..paths {
        let ilm = Ilm { action: IlmAction::Forward(NhlfeId(1580)), model: TunnelModel::Pipe };
        router.apply(&FwdOp::SetIlm { label: crate::world::label(300 + n), ilm });
    }
    router
}

/// The link that a router sends a packet on.
fn pick(router: &mut crate::world::node::Node, octets: &[u8]) -> IfIndex {
    let mut buffer = vec![0; fwd_core::Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    let mut frame = fwd_core::Frame::new(&mut buffer, fwd_core::Frame::HEADROOM, octets.len()).unwrap();
    match router.forwarder.forward(&mut frame, CORE) {
        fwd_core::Verdict::Transmit { iface, .. } => iface,
        other => panic!("{other:?}"),
    }
}

/// By a tree, below whose label stands the GAL: the PEs that the tree serves answer, and one that is cut off it is silent.
#[test]
fn a_probe_goes_by_the_tree_that_data_goes_by() {
    let trees = TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() };
    let mut world = network(4, |pe| VsiConfig { snoop: Some(snooping()), trees: Some(trees), ..ve(pe, 1) });
    world.pass(Duration::from_secs(4));
    let flow = to(Mac::BROADCAST);
    let report = probed(&mut world, &flow);
    assert!(report.ways.iter().any(|way| way.kind == WayKind::TREE), "{report:?}");
    assert_eq!(circuits(&world, &report), world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))));
    world.silence(0, 2);
    let report = probed(&mut world, &flow);
    assert_eq!(report.silent, BTreeSet::from([address(2)]));
    assert_eq!(circuits(&world, &report), world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))));
}

/// Off unless switched on; what is no probe of ours, or comes from where it cannot, has no effect; answers have a rate.
#[test]
fn probes_are_asked_for_and_bounded() {
    let config = PeConfig::new([192, 0, 2, 1].into());
    assert_eq!(config.probe_channel, None);
    let mut off = VplsPe::new(Instant::ZERO, config.clone()).unwrap();
    assert_eq!(off.probe(Instant::ZERO, PortId(0), &to(mac(9))), Err(ProbeError::Off));
    let bad = PeConfig { probe_channel: Some(0x0021), ..config };
    assert_eq!(VplsPe::new(Instant::ZERO, bad).map(|_| ()).unwrap_err(), ConfigError::Channel);
    let mut world = snooped(2, |_| {});
    let at = port(&world, 0, 1);
    let two = ProbeFlow::Group { source: host(1).into(), group: "ff3e::1".parse().unwrap(), mac: mac(1) };
    for (port, flow, error) in [
        (PortId(400), to(mac(9)), ProbeError::Port),
        (at, two, ProbeError::Flow),
        (at, ProbeFlow::Frame(vec![0; 13]), ProbeError::Flow),
    ] {
        assert_eq!(world.with(0, |pe, now| pe.probe(now, port, &flow)), Err(error));
    }
    // A control message of a customer's: it would go to software, and the probe says so.
    let report = probed(&mut world, &ProbeFlow::Frame(join(1, Ipv4Addr::new(225, 1, 1, 1))));
    assert_eq!((report.outcome, report.ways.len()), (Outcome::SOFTWARE, 0));
    // Answers that nobody asked for, requests by a circuit, another channel.
    let pw = world.pes[0].pe.pseudowires(VSI).next().unwrap().2;
    let message = |body, channel| {
        let mut out = AssociatedChannel::new(channel).0.to_vec();
        ProbeMessage { id: ProbeId(0), body }.emit(&mut out);
        out
    };
    let channel = *CHANNELS.start() + 2;
    let request = ProbeBody::Request(frame(mac(3), mac(4)));
    let answer = ProbeBody::Answer { outcome: Outcome::FORWARDED, ways: vec![] };
    let sent = |world: &mut World, port, octets: &[u8]| {
        world.capture = Some(Vec::new());
        world.input(0, Input::Channel { port, octets });
        world.capture.take().unwrap().len()
    };
    assert_eq!(sent(&mut world, pw, &message(answer, channel)), 0);
    assert_eq!(sent(&mut world, at, &message(request.clone(), channel)), 0);
    assert_eq!(sent(&mut world, pw, &message(request.clone(), channel + 1)), 0);
    assert_eq!(sent(&mut world, pw, &[0x10]), 0);
    let answered: usize = (0..300).map(|_| sent(&mut world, pw, &message(request.clone(), channel))).sum();
    assert_eq!((answered, world.probes.len()), (100, 0));
}
