//! MPLS-LSR-STD-MIB and MPLS-FTN-STD-MIB beside the tables that they show, and beside what becomes of packets.

mod router;

use fwd_core::audit::{Path, Step, entries};
use fwd_core::mib::{MplsMib, Objects, Oid, Value};
use fwd_core::net::{EcmpId, IfIndex, LabelSpaceId, NhlfeId, ProtectionId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, NextHop, RouteAction, TunnelModel, VsiOrVrf};
use router::{Router, Sent, ip, label, labelled, plain};

const MPLS: &[u32] = &[1, 3, 6, 1, 2, 1, 10, 166];
const NONE: [u32; 2] = [1, 0];

fn picture(r: &Router) -> MplsMib {
    MplsMib::new(&r.0, r.0.counters(), VrfId(1), 1000)
}

fn at(rest: &[u32]) -> Oid {
    Oid::new(&[MPLS, rest].concat())
}

fn get(mib: &MplsMib, rest: &[u32]) -> Value {
    mib.get(&at(rest)).unwrap_or_else(|| panic!("{:?}", rest))
}

fn number(value: Value) -> u32 {
    match value {
        Value::Unsigned(n) | Value::Counter(n) => n,
        Value::Integer(n) => n as u32,
        other => panic!("{other:?}"),
    }
}

/// An index of four octets.
fn index(n: u32) -> [u32; 5] {
    let [a, b, c, d] = n.to_be_bytes().map(u32::from);
    [4, a, b, c, d]
}

/// The rows of a table, as what stands behind a column.
fn below(mib: &MplsMib, rest: &[u32]) -> Vec<Vec<u32>> {
    let start = at(rest);
    let (mut oid, mut found) = (start.clone(), Vec::new());
    while let Some((next, _)) = mib.next(&oid).filter(|(next, _)| next.ids().starts_with(start.ids())) {
        found.push(next.ids()[start.ids().len()..].to_vec());
        oid = next;
    }
    found
}

fn octets(value: Value) -> Vec<u32> {
    let Value::Octets(octets) = value else { panic!("{value:?}") };
    octets.into_iter().map(u32::from).collect()
}

/// All labels that an out-segment pushes, top first, out of the objects alone.
fn pushed(mib: &MplsMib, cross_connect: &[u32], out: &[u32]) -> Vec<u32> {
    let out_segment = |column: u32| get(mib, &[&[2, 1, 7, 1, column], out].concat());
    if number(out_segment(3)) == 2 {
        return Vec::new();
    }
    let stack = octets(get(mib, &[&[2, 1, 10, 1, 5], cross_connect].concat()));
    let mut labels = vec![number(out_segment(4))];
    if stack != [0] {
        let rows = [&[2, 1, 13, 1, 3, stack.len() as u32], &stack[..]].concat();
        labels.extend(below(mib, &rows).iter().map(|row| number(get(mib, &[&rows[..], row].concat()))));
    }
    labels
}

/// Every object once and in order; each is what reading it alone says; pointers lead somewhere; and the tables are those of the plane.
fn agrees(r: &Router) -> MplsMib {
    let mib = picture(r);
    let mut oid = Oid::new(MPLS);
    while let Some((next, value)) = mib.next(&oid) {
        assert!(next > oid && next.ids().starts_with(MPLS), "{next} after {oid}");
        assert_eq!(mib.get(&next).as_ref(), Some(&value), "{next}");
        if let Value::Oid(pointer) = value {
            assert!(pointer.ids() == [0, 0] || mib.get(&pointer).is_some(), "{next} points at {pointer}");
        }
        oid = next;
    }
    let (mut labels, mut nhlfes, mut rules) = (Vec::new(), Vec::new(), Vec::new());
    for op in entries(&r.0) {
        match op {
            FwdOp::SetIlm { label, .. } => labels.push(index(label.value()).to_vec()),
            FwdOp::SetNhlfe { id, .. } => nhlfes.push(id),
            FwdOp::SetRoute4 { vrf: VrfId(1), prefix, action: RouteAction::Forward(id) } => {
                rules.push((prefix.to_string(), id));
            }
            FwdOp::SetRoute6 { vrf: VrfId(1), prefix, action: RouteAction::Forward(id) } => {
                rules.push((prefix.to_string(), id));
            }
            _ => {}
        }
    }
    assert_eq!(below(&mib, &[2, 1, 4, 1, 3]), labels);
    assert_eq!(below(&mib, &[2, 1, 7, 1, 2]), nhlfes.iter().map(|id| index(id.0).to_vec()).collect::<Vec<_>>());
    for id in nhlfes {
        let path = Path::by(&r.0, id);
        let iface = path.steps().iter().rev().find_map(|step| match step {
            Step::Interface(iface, _) => Some(*iface),
            _ => None,
        });
        let through_vlink = path.steps().iter().any(|step| matches!(step, Step::Vlink(_)));
        let shown = number(get(&mib, &[&[2, 1, 7, 1, 2], &index(id.0)[..]].concat()));
        assert_eq!(shown, iface.filter(|_| !through_vlink).map_or(0, |iface| iface.0), "{path}");
    }
    // A rule for each route that pushes something, and for no other.
    let mut shown: Vec<(String, u32)> = Vec::new();
    for rule in below(&mib, &[8, 1, 3, 1, 3]) {
        let name = octets(get(&mib, &[&[8, 1, 3, 1, 3], &rule[..]].concat()));
        let Value::Oid(pointer) = get(&mib, &[&[8, 1, 3, 1, 17], &rule[..]].concat()) else { panic!() };
        let ids = pointer.ids();
        let entry = ids[ids.len() - 4..].iter().fold(0, |n, octet| n << 8 | octet);
        shown.push((name.into_iter().map(|c| c as u8 as char).collect(), entry));
    }
    let pushes = |id: NhlfeId| {
        Path::by(&r.0, id).steps().iter().any(|s| matches!(s, Step::Nhlfe(_, push) if !push.as_slice().is_empty()))
    };
    rules.retain(|(_, id)| pushes(*id));
    let mut expected: Vec<(String, u32)> = rules.into_iter().map(|(prefix, id)| (prefix, id.0)).collect();
    shown.sort();
    expected.sort();
    assert_eq!(shown, expected);
    mib
}

/// Where a manager reads that a packet with this label goes: interface and labels.
fn read(mib: &MplsMib, incoming: u32) -> Vec<(u32, Vec<u32>)> {
    let map = below(mib, &[2, 1, 14, 1, 4, 0, incoming]);
    let [row] = &map[..] else { return Vec::new() };
    let segment = octets(get(mib, &[&[2, 1, 14, 1, 4, 0, incoming], &row[..]].concat()));
    let segment = [&[segment.len() as u32], &segment[..]].concat();
    let cross_connect = octets(get(mib, &[&[2, 1, 4, 1, 7], &segment[..]].concat()));
    let start = [&[cross_connect.len() as u32], &cross_connect[..], &segment].concat();
    let rows = below(mib, &[&[2, 1, 10, 1, 10], &start[..]].concat());
    let to = |out: &Vec<u32>| {
        let row = [&start[..], out].concat();
        if *out == NONE {
            return (0, Vec::new());
        }
        (number(get(mib, &[&[2, 1, 7, 1, 2], &out[..]].concat())), pushed(mib, &row, out))
    };
    rows.iter().map(to).collect()
}

fn replicate(r: &mut Router, incoming: u32, legs: &[LegTarget]) {
    let group = ReplicationId(1);
    r.apply(FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(VrfId(1)) });
    for (leg, target) in (0..).zip(legs) {
        r.apply(FwdOp::SetLeg { group, leg, target: *target });
    }
    let ilm = Ilm { action: IlmAction::Replicate(group), model: TunnelModel::Pipe };
    r.apply(FwdOp::SetIlm { label: label(incoming), ilm });
}

/// Each label and route is followed out of the objects as the plane forwards a packet of it, after each change.
///
/// Shows: L3VPN-8.11-6
#[test]
fn what_a_manager_reads_is_where_packets_go() {
    let mut r = Router::new();
    agrees(&r);
    // Entry 1 pushes the transport's label, 2 a VPN's beneath it, 3 swaps, 4 pops.
    r.entry(1, &[500], 1, TunnelModel::Pipe);
    r.nhlfe(2, &[600, 610], NextHop::Nhlfe(NhlfeId(1)), TunnelModel::Pipe);
    r.entry(3, &[700], 1, TunnelModel::Pipe);
    r.entry(4, &[], 1, TunnelModel::Pipe);
    for (incoming, entry) in [(100, 2), (101, 3), (102, 4)] {
        r.forward_label(incoming, entry, TunnelModel::Pipe);
    }
    r.pop_lookup(103, 1, TunnelModel::Pipe);
    r.route_to(1, "10.0.0.0/8", 2);
    r.route_to(1, "10.1.0.0/16", 3);
    r.route_to(1, "fd00::/8", 2);
    // No label, so no LSP.
    r.route_to(1, "10.2.0.0/16", 4);
    for incoming in [100, 101, 102] {
        let mib = agrees(&r);
        let sent = r.send(0, &labelled(&[(incoming, 0, 9)], &ip("10.0.0.1", 9, 0))).unwrap();
        let labels: Vec<u32> = sent.labels.iter().map(|entry| entry.0).collect();
        assert_eq!(read(&mib, incoming), [(sent.iface, labels)]);
    }
    let mib = agrees(&r);
    assert_eq!(read(&mib, 103), [(0, Vec::new())], "packets end here");
    // The longest rule that a destination is in, in the order of the map, is the route that it takes.
    let mut order = Vec::new();
    while let Some(row) = below(&mib, &[8, 1, 5, 1, 4, 0, order.last().copied().unwrap_or(0)]).first() {
        order.push(row[0]);
    }
    assert_eq!(order.len(), 3);
    let first = order.iter().find_map(|rule| {
        let bound = |column: u32| octets(get(&mib, &[8, 1, 3, 1, column, *rule]));
        let to = [10, 1, 0, 1];
        (bound(8) <= to.to_vec() && to.to_vec() <= bound(9)).then(|| get(&mib, &[8, 1, 3, 1, 17, *rule]))
    });
    let Sent { labels, .. } = r.send(2, &plain(&ip("10.1.0.1", 9, 0))).unwrap();
    assert_eq!((first, labels[0].0), (mib.beginning(NhlfeId(3)).map(Value::Oid), 700));
    // What changes is seen.
    r.entry(3, &[701], 0, TunnelModel::Pipe);
    assert_eq!(read(&agrees(&r), 101), [(0, vec![701])]);
    r.apply(FwdOp::ClearIlm { label: label(101) });
    assert_eq!(read(&agrees(&r), 101), []);
    r.apply(FwdOp::ClearRoute4 { vrf: VrfId(1), prefix: "10.0.0.0/8".parse().unwrap() });
    assert_eq!(agrees(&r).rules.rows().len(), 2);
}

/// A point-to-multipoint LSP is one cross-connect of several rows, a bud one row more.
#[test]
fn copies_are_rows_of_one_cross_connect() {
    let mut r = Router::new();
    r.entry(1, &[500], 1, TunnelModel::Pipe);
    r.entry(2, &[600], 1, TunnelModel::Pipe);
    replicate(&mut r, 200, &[LegTarget::Nhlfe(NhlfeId(1)), LegTarget::Nhlfe(NhlfeId(2))]);
    let mut branches = read(&agrees(&r), 200);
    branches.sort();
    assert_eq!(branches, [(1, vec![500]), (1, vec![600])]);
    r.apply(FwdOp::SetLeg { group: ReplicationId(1), leg: 2, target: LegTarget::Context(LabelSpaceId(1)) });
    let mib = agrees(&r);
    assert_eq!(read(&mib, 200).len(), 3);
    assert!(read(&mib, 200).contains(&(0, Vec::new())), "it ends here, too");
    assert_eq!(mib.cross_connect(label(200)).map(|oid| mib.get(&oid).is_some()), Some(true));
    assert_eq!(mib.cross_connect(label(201)), None);
}

/// Status follows interfaces; what picks one of several entries is shown as it forwards.
#[test]
fn status_is_that_of_the_interface() {
    let mut r = Router::new();
    r.entry(1, &[500], 0, TunnelModel::Pipe);
    r.entry(2, &[600], 1, TunnelModel::Pipe);
    let (id, primary, backup) = (ProtectionId(1), NhlfeId(1), NhlfeId(2));
    r.apply(FwdOp::SetProtection { id, primary, backup });
    r.nhlfe(3, &[], NextHop::Protected(id), TunnelModel::Pipe);
    r.nhlfe(4, &[], NextHop::Ecmp(EcmpId(1)), TunnelModel::Pipe);
    for (incoming, entry) in [(100, 1), (101, 3), (102, 4)] {
        r.forward_label(incoming, entry, TunnelModel::Pipe);
    }
    let status = |mib: &MplsMib, incoming: u32, entry: u32| {
        let row = [&index(incoming)[..], &index(incoming), &index(entry)].concat();
        number(get(mib, &[&[2, 1, 10, 1, 10], &row[..]].concat()))
    };
    let mib = agrees(&r);
    assert_eq!([status(&mib, 100, 1), status(&mib, 101, 3)], [1, 1]);
    assert_eq!(status(&mib, 102, 4), 6, "no member: not present");
    assert_eq!(read(&mib, 101), [(0, vec![500])]);
    r.apply(FwdOp::SetInterfaceState { iface: IfIndex(0), down: true });
    assert_eq!(status(&agrees(&r), 100, 1), 7, "lower layer down");
    r.apply(FwdOp::SwitchOver { id, backup: true });
    let mib = agrees(&r);
    assert_eq!((status(&mib, 101, 3), read(&mib, 101)), (1, vec![(1, vec![600])]));
}

/// Interfaces that take labels, what is in use of them, and lookups that failed.
#[test]
fn interfaces_say_what_labels_they_take() {
    let mut r = Router::new();
    r.entry(1, &[500], 1, TunnelModel::Pipe);
    r.forward_label(100, 1, TunnelModel::Pipe);
    r.forward_label(101, 1, TunnelModel::Pipe);
    let mib = agrees(&r);
    // The platform and interface 1; 2 and 3 are customers'.
    assert_eq!(below(&mib, &[2, 1, 1, 1, 2]), [[0], [1]]);
    assert_eq!([2, 3].map(|column| number(get(&mib, &[2, 1, 1, 1, column, 1]))), [16, 1015]);
    assert_eq!([1, 3].map(|column| number(get(&mib, &[2, 1, 2, 1, column, 0]))), [2, 1]);
    assert_eq!(number(get(&mib, &[2, 1, 2, 1, 2, 0])), 0);
    assert!(r.forward(0, &labelled(&[(999, 0, 9)], &ip("10.0.0.1", 9, 0))).is_err());
    assert_eq!(number(get(&agrees(&r), &[2, 1, 2, 1, 2, 0])), 1);
    r.apply(FwdOp::SetLabelSpace { iface: IfIndex(1), space: LabelSpaceId(4) });
    let mib = agrees(&r);
    assert_eq!(octets(get(&mib, &[2, 1, 1, 1, 8, 1])), [0x40]);
    assert_eq!(number(get(&mib, &[2, 1, 2, 1, 1, 1])), 0, "the platform's labels mean nothing there");
    assert_eq!(MplsMib::new(&r.0, r.0.counters(), VrfId(1), 0).rules.rows().len(), 0);
}
