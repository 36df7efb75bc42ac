//! What the audit finds of multicast, bridging and policing; and of any tables: their entries are the ops that make them.

mod switching;

use std::collections::BTreeSet;
use std::net::IpAddr;

use fwd_core::Forwarder;
use fwd_core::audit::{Finding, Path, Tree, compare, entries};
use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use switching::*;

/// Tables of every kind, small.
fn tables() -> Writer<'static> {
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 4].leak(),
        routes: vec![ExactSlot::EMPTY; 65].leak(),
        routes6: vec![Exact6Slot::EMPTY; 65].leak(),
        tunnels: vec![Word::ZERO; 6].leak(),
        groups: vec![ReplicationSlot::EMPTY; 6].leak(),
        legs: vec![LegSlot::EMPTY; 65].leak(),
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 6].leak(),
        vsi_states: vec![VsiState::EMPTY; 5].leak(),
        ports: vec![PortSlot::EMPTY; 8].leak(),
        port_states: vec![PortState::EMPTY; 7].leak(),
        circuits: vec![CircuitSlot::EMPTY; 7].leak(),
        macs: vec![MacBucket::EMPTY; 64].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 8].leak(),
        vrfs: vec![VrfSlot::EMPTY; 4].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 8].leak(),
        groups: vec![EcmpSlot::EMPTY; 3].leak(),
        pairs: vec![ProtectionSlot::EMPTY; 5].leak(),
        ilm: vec![IlmSlot::EMPTY; 7].leak(),
        rib4: vec![Rib4Node::EMPTY; 200].leak(),
        fib4: vec![Word::ZERO; 8000].leak(),
        rib6: vec![Rib6Node::EMPTY; 200].leak(),
        fib6: vec![Word::ZERO; 30_000].leak(),
        vlinks: vec![VlinkSlot::EMPTY; 6].leak(),
        vlink_index: vec![Word::ZERO; 10].leak(),
        policers: vec![PolicerSlot::EMPTY; 5].leak(),
        multicast,
        bridge,
        ..Memory::default()
    };
    Writer::new(memory).unwrap()
}

fn ops() -> impl Strategy<Value = FwdOp> {
    proptest::collection::vec(any::<u8>(), 120)
        .prop_filter_map("not enough octets", |data| arbitrary::Unstructured::new(&data).arbitrary().ok())
}

/// The op with numbers so small that most are there, and with multicast addresses where there must be some.
fn small(op: FwdOp) -> FwdOp {
    let group4 = |bits: u32| [232, 0, 0, bits as u8 & 3].into();
    let group6 = |bits: u128| (0xff3e << 112 | bits & 3).into();
    let small_key = |key| match key {
        MrouteKey::Source4 { group, .. } => {
            MrouteKey::Source4 { source: SOURCE.into(), group: group4(group.to_bits()) }
        }
        MrouteKey::Group4 { group } => {
            let len = 4 + group.bit_len() % 29;
            MrouteKey::Group4 { group: Ipv4Prefix::new(group4(group.bits()), len).unwrap() }
        }
        MrouteKey::Source6 { source, group } => {
            MrouteKey::Source6 { source: (source.to_bits() >> 8).into(), group: group6(group.to_bits()) }
        }
        MrouteKey::Group6 { group } => {
            let len = 8 + group.bit_len() % 121;
            MrouteKey::Group6 { group: Ipv6Prefix::new(group6(group.bits()), len).unwrap() }
        }
    };
    let small_group = |key| match key {
        VsiGroupKey::Ip(key) => VsiGroupKey::Ip(small_key(key)),
        VsiGroupKey::Mac(Mac([a, rest @ ..])) => {
            let [b, c, d, e, f] = rest;
            VsiGroupKey::Mac(Mac([a | 1, b, c, d, e, f]))
        }
    };
    let few = |id: Option<ReplicationId>| id.map(|id| ReplicationId(id.0 & 0xff));
    let op = match op {
        FwdOp::SetMroute { vrf, key, mroute } => {
            let mroute = Mroute { replication: few(mroute.replication), ..mroute };
            FwdOp::SetMroute { vrf, key: small_key(key), mroute }
        }
        FwdOp::ClearMroute { vrf, key } => FwdOp::ClearMroute { vrf, key: small_key(key) },
        FwdOp::SetVsiGroup { vsi, key, replication } => {
            FwdOp::SetVsiGroup { vsi, key: small_group(key), replication: few(replication) }
        }
        FwdOp::ClearVsiGroup { vsi, key } => FwdOp::ClearVsiGroup { vsi, key: small_group(key) },
        FwdOp::SetVsi { vsi, settings } => {
            let groups = [settings.unknown, settings.broadcast, settings.multicast].map(few);
            let [unknown, broadcast, multicast] = groups;
            FwdOp::SetVsi { vsi, settings: Vsi { unknown, broadcast, multicast, ..settings } }
        }
        FwdOp::SetPort { id, port } => FwdOp::SetPort { id, port: BridgePort { vsi: VsiId(port.vsi.0 % 6), ..port } },
        op => op,
    };
    let mut octets = op.emit();
    let is_label = matches!(
        op,
        FwdOp::SetIlm { .. } | FwdOp::ClearIlm { .. } | FwdOp::SetContextIlm { .. } | FwdOp::ClearContextIlm { .. }
    );
    let key = u32::from(octets[7] % 8) + if is_label { 16 } else { 0 };
    octets[4..8].copy_from_slice(&key.to_be_bytes());
    let value = u32::from(octets[11] % 8);
    if !matches!(op, FwdOp::SetPolicer { .. } | FwdOp::ClearPolicer { .. }) && octets[8..12] != [0; 4] {
        octets[8..12].copy_from_slice(&value.to_be_bytes());
    }
    FwdOp::parse(&octets).unwrap_or(op)
}

fn is_port_gone(tables: &Writer<'_>, vlink: &Vlink) -> bool {
    matches!(vlink.deliver, Deliver::Port(port) if tables.port(port).is_none())
}

fn sorted(tables: &Writer<'_>) -> Vec<[u8; FwdOp::LEN]> {
    let mut all: Vec<_> = entries(tables).map(|op| op.emit()).collect();
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What was applied is found, whatever it is, and the entries of the tables make the same tables elsewhere.
    #[test]
    fn any_tables_are_their_entries(ops in proptest::collection::vec(ops().prop_map(small), 1..300)) {
        let mut first = tables();
        for op in &ops {
            if first.apply(op).is_ok() {
                prop_assert_eq!(compare(&first, op), Ok(()), "{:?}", op);
            }
        }
        for link in (0..5).map(VlinkId) {
            // A link stays when its port goes, but there is no new one without a port.
            if first.vlink(link).is_some_and(|(vlink, _)| is_port_gone(&first, &vlink)) {
                first.apply(&FwdOp::ClearVlink { id: link }).unwrap();
            }
        }
        let mut second = tables();
        for op in entries(&first) {
            prop_assert_eq!(compare(&first, &op), Ok(()), "{:?}", op);
            prop_assert_eq!(second.apply(&op), Ok(()), "{:?}", op);
        }
        prop_assert_eq!(sorted(&first), sorted(&second));
    }
}

fn name(op: &FwdOp) -> String {
    format!("{op:?}").split(' ').next().unwrap().to_owned()
}

/// Every kind of op that sets something is missed where there is nothing, and is among the entries where it was applied: no table is left
/// out.
#[test]
fn no_table_is_left_out() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (empty, mut written) = (tables(), tables());
    let (mut set, mut found) = (BTreeSet::new(), BTreeSet::new());
    let ops = ops().prop_map(small);
    for n in 0..20_000 {
        let op = ops.new_tree(&mut runner).unwrap().current();
        let is_special = matches!(op, FwdOp::SetIlm { label, .. } if label.is_special_purpose());
        match compare(&empty, &op) {
            Err(finding) => assert_eq!(finding, Finding::Missing, "{op:?}"),
            Ok(()) => assert!(!name(&op).starts_with("Set") || is_special, "{op:?}"),
        }
        if name(&op).starts_with("Set") && !is_special {
            set.insert(name(&op));
            // What cannot be is refused.
            let _ = written.apply(&op);
        }
        if n % 50 == 0 {
            found.extend(entries(&written).map(|op| name(&op)));
        }
    }
    assert_eq!(set, found);
    assert!(set.len() > 25, "{set:?}");
}

fn text(tree: &Tree<'_, '_>) -> String {
    tree.to_string().replace(&NEXT.to_string(), "next")
}

/// Which tree, which labels, which ports, of one (S,G).
#[test]
fn the_ways_of_a_flow_are_told() {
    let mut f = mvpn(|mroute| mroute);
    let of = |f: &Forwarder<'_>, source: [u8; 4], group: [u8; 4]| {
        text(&Tree::of_packet(f, VrfId(1), IpAddr::from(source), IpAddr::from(group)))
    };
    let legs = "\n  leg 0 -> if0\n  leg 1 -> if1\n  leg 2 -> if2\n  leg 3 -> nhlfe5 push [1005] -> if9 to next";
    let way = format!("(10.0.0.1, 232.1.1.1) of vrf1 from if0 -> replication3{legs}");
    assert_eq!(of(&f, SOURCE, [232, 1, 1, 1]), way);
    assert_eq!(of(&f, SOURCE, [232, 1, 1, 2]), "nothing");
    // A range takes what no route of its own has; a nested group is told with its legs; a leg may lead where nothing is.
    let (vrf, nested) = (VrfId(1), ReplicationId(4));
    let key = MrouteKey::Group4 { group: "232.0.0.0/8".parse().unwrap() };
    let mroute = Mroute {
        rpf: Rpf::From(Origin::Tunnel(TunnelId(2))),
        replication: Some(ReplicationId(5)),
        punt_wrong_interface: false,
        register: false,
        spt: None,
    };
    let leg = |group, leg, target| FwdOp::SetLeg { group, leg, target };
    apply(
        &mut f,
        [
            FwdOp::SetMroute { vrf, key, mroute },
            FwdOp::SetReplication { id: ReplicationId(5), owner: VsiOrVrf::Vrf(vrf) },
            FwdOp::SetReplication { id: nested, owner: VsiOrVrf::Vrf(vrf) },
            leg(ReplicationId(5), 0, LegTarget::Group(nested)),
            leg(ReplicationId(5), 1, LegTarget::Local),
            leg(ReplicationId(5), 2, LegTarget::Group(ReplicationId(7))),
            leg(ReplicationId(5), 3, LegTarget::Multicast(TunnelId(1))),
            leg(nested, 6, LegTarget::Interface(IfIndex(2))),
            leg(nested, 7, LegTarget::Nhlfe(NhlfeId(99))),
            FwdOp::SetMulticastTunnel { tunnel: TunnelId(1), vrf: VrfId(2) },
        ],
    );
    let trunk = "(*, 232.0.0.0/8) of vrf1 from tunnel2 -> replication5";
    let legs = [
        "leg 0 -> replication4 -> leg 6 -> if2",
        "leg 0 -> replication4 -> leg 7 -> nothing",
        "leg 1 -> software",
        "leg 2 -> replication7 -> nothing",
        "leg 3 -> vrf2 from tunnel1",
    ];
    assert_eq!(of(&f, SOURCE, [232, 1, 1, 2]), format!("{trunk}\n  {}", legs.join("\n  ")));
    // Another's group is not copied to.
    apply(&mut f, [FwdOp::SetReplication { id: nested, owner: VsiOrVrf::Vrf(VrfId(2)) }]);
    assert!(of(&f, SOURCE, [232, 1, 1, 2]).contains("leg 0 -> replication4 -> another's\n"));
    apply(&mut f, [FwdOp::SetReplication { id: ReplicationId(5), owner: VsiOrVrf::Vsi(VSI) }]);
    assert_eq!(of(&f, SOURCE, [232, 1, 1, 2]), format!("{trunk} -> another's"));
    // A label to replicate by, and one that ends a tunnel.
    let ilm = |action| Ilm { action, model: TunnelModel::Pipe };
    apply(
        &mut f,
        [
            FwdOp::SetReplication { id: ReplicationId(6), owner: VsiOrVrf::Vrf(VrfId::GLOBAL) },
            leg(ReplicationId(6), 2, LegTarget::Nhlfe(NhlfeId(7))),
            FwdOp::SetIlm { label: label(20), ilm: ilm(IlmAction::Replicate(ReplicationId(6))) },
            FwdOp::SetIlm { label: label(21), ilm: ilm(IlmAction::Multicast(TunnelId(1))) },
        ],
    );
    let tree = Tree::of_label(&f, label(20));
    assert_eq!(text(&tree), "label 20 -> replication6\n  leg 2 -> nhlfe7 push [1007] -> if9 to next");
    assert_eq!((tree.trunk().steps().len(), tree.branches().count()), (2, 1));
    assert_eq!(text(&Tree::of_label(&f, label(21))), "label 21 -> vrf2 from tunnel1");
}

/// Instance 1 with circuits on interfaces 6 and 7, the second tagged, and a pseudowire: ports 0 to 2.
fn vpls() -> Forwarder<'static> {
    let mut f = forwarder();
    let vlan = VlanId::new(30).unwrap();
    let ports = [circuit(VSI, 6, Tags::Untagged), circuit(VSI, 7, Tags::Vlan(vlan)), pseudowire(VSI, 2)];
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: settings() }]);
    apply(&mut f, [FwdOp::SetReplication { id: FLOOD, owner: VsiOrVrf::Vsi(VSI) }]);
    for (n, port) in (0..).zip(ports) {
        apply(&mut f, [FwdOp::SetPort { id: PortId(n), port }]);
        apply(&mut f, [FwdOp::SetLeg { group: FLOOD, leg: n as u16, target: LegTarget::Port(PortId(n)) }]);
    }
    f
}

/// Which ports a frame takes: to an address that is known, unknown, a group's, and all.
#[test]
fn the_ways_of_frames_are_told() {
    let mut f = vpls();
    let legs = [
        "leg 0 -> port0 -> if6 untagged",
        "leg 1 -> port1 -> if7 tag 30",
        "leg 2 -> port2 -> nhlfe2 push [1002] -> if9 to next",
    ];
    let legs = legs.join("\n  ");
    let of = |f: &Forwarder<'_>, mac| text(&Tree::of_frame(f, VSI, mac));
    assert_eq!(of(&f, mac(1)), format!("unknown of vsi1 -> replication1\n  {legs}"));
    assert_eq!(of(&f, Mac::BROADCAST), format!("broadcast of vsi1 -> replication1\n  {legs}"));
    let group = Mac([1, 0, 0x5e, 1, 1, 1]);
    assert_eq!(of(&f, group), format!("multicast of vsi1 -> replication1\n  {legs}"));
    assert_eq!(text(&Tree::of_frame(&f, VsiId(2), mac(1))), "nothing");
    let filter = FwdOp::SetVsiGroup { vsi: VSI, key: VsiGroupKey::Mac(group), replication: None };
    apply(&mut f, [filter]);
    assert_eq!(of(&f, group), format!("{group} of vsi1 -> discard"));
    // Learned by the pseudowire.
    let learned = f.learn(Learn { vsi: VSI, mac: mac(1), port: PortId(2) });
    assert_eq!(learned, Learned::New);
    assert_eq!(of(&f, mac(1)), format!("{} of vsi1 -> port2 -> nhlfe2 push [1002] -> if9 to next", mac(1)));
    assert_eq!(Path::to_mac(&f, VSI, mac(9)).to_string(), "nothing");
    let bridge = Ilm { action: IlmAction::Bridge(PortId(2)), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetIlm { label: label(16), ilm: bridge }]);
    assert_eq!(Path::of_label(&f, label(16)).to_string(), "label 16 -> in by port2");
}

/// An address that was learned is none of an op's; one that was written is.
#[test]
fn learned_addresses_are_no_difference_and_written_ones_are() {
    let mut f = vpls();
    let set = |port| FwdOp::SetMac { vsi: VSI, mac: mac(1), port: PortId(port) };
    let clear = FwdOp::ClearMac { vsi: VSI, mac: mac(1) };
    let before = entries(&f).count();
    assert_eq!(f.learn(Learn { vsi: VSI, mac: mac(1), port: PortId(1) }), Learned::New);
    assert_eq!((entries(&f).count(), compare(&f, &clear)), (before, Ok(())));
    assert_eq!(compare(&f, &set(1)), Err(Finding::Missing));
    apply(&mut f, [set(1)]);
    assert_eq!((compare(&f, &set(1)), compare(&f, &set(0))), (Ok(()), Err(Finding::Different(set(1)))));
    assert_eq!(compare(&f, &clear), Err(Finding::Present(set(1))));
    // A leg that leads elsewhere, and one too many.
    let leg = |n| FwdOp::SetLeg { group: FLOOD, leg: 1, target: LegTarget::Port(PortId(n)) };
    assert_eq!(compare(&f, &leg(0)), Err(Finding::Different(leg(1))));
    assert_eq!(compare(&f, &FwdOp::ClearLeg { group: FLOOD, leg: 1 }), Err(Finding::Present(leg(1))));
}
