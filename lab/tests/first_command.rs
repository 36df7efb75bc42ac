//! The first command in small: two VPNs with equal addresses over one AS.

use std::collections::BTreeSet;

use bgp_vpn::speaker::{Input, LocalRoute};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use bumpalo::Bump;
use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::time::Instant;
use lab::run::{CUSTOMERS, Plan, Report, Topology, build, run, vrf_of};
use lab::sim::link::LinkConfig;
use lab::sim::network::Transport;
use lab::table::FullTable;
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::Duration;

fn plan(label_mode: LabelMode) -> Plan {
    Plan {
        seed: 7,
        core: LinkConfig::default(),
        label_mode,
        transport: Transport::Links,
        ipv6_core: false,
        extended_next_hop: true,
        table: FullTable::read().unwrap().thinned(600),
    }
}

fn assert_good(report: &Report) {
    let bad: Vec<_> = report.checks.iter().filter(|check| !check.good).collect();
    assert!(report.is_good(), "{bad:#?}");
    assert!(report.checks.len() >= 15, "{} checks", report.checks.len());
}

/// Each CE reaches its own VPN and no other, the reflector holds a route for each RD, and the three label modes give the same
/// reachability.
///
/// Shows: L3VPN-SOL-1
#[test]
fn customers_with_equal_addresses_reach_their_own_sites_in_every_label_mode() {
    for mode in [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let arena = Bump::new();
        let mut plan = plan(mode);
        let mut topology = build(&arena, &plan).unwrap();
        settle(&mut topology);
        // Each VRF holds its customer's routes and no others.
        let (_, ours) = tables(&topology);
        for (place, table) in ours.iter().enumerate() {
            let due = topology.expected[place % CUSTOMERS.len()];
            assert_eq!(table.len(), due.0 + due.1, "{mode:?}");
        }
        unmatched_targets_are_imported_nowhere(&mut topology);
        // Labels of a prefix or a circuit are popped without a look-up: the steps differ, what arrives does not.
        plan.label_mode = mode;
        let report = run(&plan, None, 20).unwrap();
        let others = report.checks.iter().filter(|check| !check.good && !check.what.contains("push two"));
        assert_eq!(others.count(), 0, "{mode:?} {:#?}", report.checks);
    }
}

/// A route whose target no VRF imports reaches the reflector, which holds it beside those with equal prefixes and other RDs, and
/// no VRF.
fn unmatched_targets_are_imported_nowhere(topology: &mut Topology<'_>) {
    let (node, now) = (topology.provider.node_of(topology.pes[2]), topology.provider.net.now());
    let before = tables(topology);
    let mut config = VrfConfig::new(VrfId(3), "C", "65000:99".parse().unwrap(), "65000:99".parse().unwrap());
    config.import = vec!["65000:98".parse().unwrap()];
    let prefix: IpPrefix = "10.1.0.0/16".parse().unwrap();
    let speaker = &mut topology.provider.net.node_mut(node).control.router_mut().unwrap().speaker;
    speaker.add_vrf(now, config).unwrap();
    let route = Some(LocalRoute::Discard);
    speaker.handle_input(now, Input::Local { vrf: VrfId(3), prefix, route });
    topology.provider.net.wake(node);
    topology.provider.net.run_for(Duration::from_secs(10));
    let reflector = topology.provider.node_of(topology.reflector);
    let routes = topology.provider.net.node(reflector).control.router().unwrap().speaker.vpn_routes();
    let mut rds: Vec<String> =
        routes.iter().filter(|r| r.prefix == prefix).map(|r| r.rd.unwrap().to_string()).collect();
    rds.sort();
    assert_eq!(rds, ["192.0.2.1:1", "192.0.2.1:2", "65000:99"]);
    assert_eq!(tables(topology), before);
}

/// IPv6 of a customer travels in MPLS like IPv4, hop limit counted down; and the whole label path is as computed.
///
/// Shows: L3VPN-FEA-3
#[test]
fn the_first_command_finds_everything_as_expected() {
    let report = run(&plan(LabelMode::PerVrf), None, 40).unwrap();
    assert_good(&report);
    let [v4, v6] = &report.paths[..] else { panic!("{} paths", report.paths.len()) };
    for path in [v4, v6] {
        let labels: Vec<usize> = path.iter().map(|step| step.outgoing.len()).collect();
        assert_eq!(labels, [0, 2, 2, 1, 0, 0]);
        let actions: Vec<&str> = path.iter().map(|step| step.action.as_str()).collect();
        assert_eq!(actions, ["route", "route, push 2", "swap", "pop", "pop, look up in A", "deliver"]);
    }
    let text = report.print();
    assert!(text.contains("everything as expected"), "{text}");
}

/// The captures of the core links are there, and decode.
#[test]
fn captures_are_written_and_read() {
    let dir = std::env::temp_dir().join(format!("lab-first-command-{}", std::process::id()));
    let report = run(&plan(LabelMode::PerVrf), Some((&dir, 1 << 20)), 5).unwrap();
    assert_good(&report);
    let mut files: Vec<String> =
        std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["P1-P2.pcap", "PE1-P1.pcap", "PE2-P2.pcap", "PE3-P2.pcap", "RR-P1.pcap"]);
    let decoded = lab::decode::decode(&dir.join("RR-P1.pcap"), &[179]).unwrap();
    let updates = decoded.messages.iter().filter(|m| m.kind == "UPDATE").count();
    assert!(updates > 10 && decoded.error.is_none(), "{updates} UPDATEs");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Lets the network come to rest.
fn settle(topology: &mut Topology<'_>) {
    topology.provider.net.run_until(Instant::from_secs(1200));
}

type Table = BTreeSet<(IpPrefix, String)>;

/// By PE and customer: what the forwarding table says, and where from a speaker has each route.
fn tables(topology: &Topology<'_>) -> (Vec<Table>, Vec<Table>) {
    let (mut fibs, mut ribs) = (Vec::new(), Vec::new());
    for pe in topology.pes {
        let machine = topology.provider.net.node(topology.provider.node_of(pe));
        let speaker = &machine.control.router().unwrap().speaker;
        for customer in 0..CUSTOMERS.len() {
            let forwarder = &machine.host.forwarder;
            let v4 = forwarder.routes4(vrf_of(customer)).map(|(p, a)| (IpPrefix::V4(p), kind(a)));
            let v6 = forwarder.routes6(vrf_of(customer)).map(|(p, a)| (IpPrefix::V6(p), kind(a)));
            fibs.push(v4.chain(v6).collect());
            let routes = speaker.vrf_routes(vrf_of(customer)).into_iter().filter(|route| route.best);
            ribs.push(routes.map(|r| (r.prefix, format!("{:?} {:?}", r.source, r.next_hop))).collect());
        }
    }
    (fibs, ribs)
}

/// What a route does, without the entry's number, which depends on the order of events.
fn kind(action: fwd_core::op::RouteAction) -> String {
    match action {
        fwd_core::op::RouteAction::Forward(_) => "forward".into(),
        other => format!("{other:?}"),
    }
}

/// The tables of a network whose links have no faults.
fn expected_tables() -> (Vec<Table>, Vec<Table>) {
    let arena = Bump::new();
    let mut clean = build(&arena, &plan(LabelMode::PerVrf)).unwrap();
    settle(&mut clean);
    tables(&clean)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]
    /// Loss, jitter, reordering, duplication and a partition of a core link, whenever and however long: in the end, the same
    /// tables as without.
    #[test]
    fn faults_of_the_core_do_not_change_the_outcome(
        seed: u64,
        jitter in 0u64..5_000,
        loss in 0u32..60_000,
        reorder in 0u32..200_000,
        duplicate in 0u32..60_000,
        cut_link in 0usize..5,
        cut in 0u64..20,
        lasting in 0u64..400,
    ) {
        static EXPECTED: OnceLock<(Vec<Table>, Vec<Table>)> = OnceLock::new();
        let expected = EXPECTED.get_or_init(expected_tables);
        prop_assert!(expected.0.iter().all(|fib| fib.len() >= 18));
        let arena = Bump::new();
        let mut plan = plan(LabelMode::PerVrf);
        plan.seed = seed;
        let jitter = Duration::from_micros(jitter);
        plan.core = LinkConfig { jitter, loss, reorder, duplicate, ..LinkConfig::default() };
        let mut faulty = build(&arena, &plan).unwrap();
        let (_, link) = faulty.core_links[cut_link];
        faulty.provider.net.partition(link, Duration::from_secs(cut), Duration::from_secs(lasting));
        settle(&mut faulty);
        prop_assert_eq!(&tables(&faulty), expected);
    }
}

/// A core link fails and the IGP notices: next hops go and come back, and with them the imported routes.
#[test]
fn a_failed_core_link_takes_the_routes_behind_it_and_gives_them_back() {
    let arena = Bump::new();
    let mut topology = build(&arena, &plan(LabelMode::PerVrf)).unwrap();
    settle(&mut topology);
    let before = tables(&topology);
    // PE3 hangs on one link only.
    topology.provider.set_edge(3, false);
    topology.provider.net.run_for(Duration::from_secs(1));
    let (fibs, _) = tables(&topology);
    let b_at_pe1 = 1;
    assert_eq!((before.0[b_at_pe1].len(), fibs[b_at_pe1].len()), (18, 12), "three routes of PE3 in each family");
    topology.provider.set_edge(3, true);
    topology.provider.net.run_for(Duration::from_secs(600));
    assert_eq!(tables(&topology), before);
}

#[test]
fn the_same_seed_gives_the_same_run_and_both_transports_the_same_tables() {
    let outcome = |transport, seed| {
        let arena = Bump::new();
        let mut plan = plan(LabelMode::PerVrf);
        plan.core.loss = 20_000;
        plan.transport = transport;
        plan.seed = seed;
        let mut topology = build(&arena, &plan).unwrap();
        settle(&mut topology);
        let counters: Vec<_> =
            topology.core_links.iter().map(|(_, link)| topology.provider.net.link_counters(*link)).collect();
        (counters, tables(&topology))
    };
    let one = outcome(Transport::Links, 1);
    assert_eq!(one, outcome(Transport::Links, 1));
    let two = outcome(Transport::Links, 2);
    assert_ne!(one.0, two.0, "another seed, other losses");
    assert_eq!(one.1, two.1);
    assert_eq!(outcome(Transport::Direct(Duration::from_millis(1)), 1).1, one.1);
}

/// VPN-IPv6 over the IPv4 core is what the first command does. Here VPN-IPv4 crosses a core that has no IPv4: with the extended
/// next hop capability everything arrives; without it no PE receives a VPN-IPv4 route, and VPN-IPv6 is as it was.
///
/// Shows: L3VPN-FEA-4
#[test]
fn vpn_ipv4_crosses_an_ipv6_core_only_where_the_capability_is_agreed() {
    let mut plan = plan(LabelMode::PerVrf);
    plan.ipv6_core = true;
    assert_good(&run(&plan, None, 20).unwrap());

    plan.extended_next_hop = false;
    let arena = Bump::new();
    let mut topology = build(&arena, &plan).unwrap();
    settle(&mut topology);
    let speaker_of = |router| {
        let node = topology.provider.node_of(router);
        &topology.provider.net.node(node).control.router().unwrap().speaker
    };
    for route in speaker_of(topology.reflector).vpn_routes() {
        assert!(matches!(route.prefix, IpPrefix::V6(_)), "{route:?}");
        assert!(route.next_hop.is_some_and(|next_hop| next_hop.is_ipv6()), "{route:?}");
    }
    for pe in topology.pes {
        let node = topology.provider.node_of(pe);
        let (v4, v6) = topology.provider.net.node(node).host.forwarder.route_counts(vrf_of(1));
        // Of IPv4 its own site's three; of IPv6 all.
        assert_eq!((v4, v6 as usize), (3, topology.expected[1].1));
    }
}
