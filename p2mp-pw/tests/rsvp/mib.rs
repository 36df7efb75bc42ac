//! MPLS-TE-STD-MIB beside the trees that it shows, at ingress, transit, bud and leaf.

use std::collections::BTreeMap;
use std::time::Duration;

use fwd_core::mib::{Objects, Oid, Value};
use p2mp_pw::rsvp_te::*;

use super::net::{Net, deliver, lsp, node, on_link, way};

const SOON: Duration = Duration::from_millis(100);
const TE: [u32; 9] = [1, 3, 6, 1, 2, 1, 10, 166, 3];
const HEAD: u32 = 1;
const TRANSIT: u32 = 2;
const TAIL: u32 = 3;

/// 1 - 2 - 3, and 2 - 4.
fn net() -> Net {
    let mut net = Net::new(&[(1, 2), (2, 3), (2, 4)], |config| config.refresh = Duration::from_secs(10));
    let now = net.now;
    let session = P2mpSession { p2mp_id: 7, tunnel_id: 1, extended_tunnel_id: node(1) };
    for n in [2, 3, 4] {
        net.at(n).deliver(now, session, Some(deliver()));
    }
    net
}

fn oid(rest: &[u32]) -> Oid {
    Oid::new(&[&TE, rest].concat())
}

fn number(value: Option<Value>) -> u32 {
    match value {
        Some(Value::Unsigned(n) | Value::Counter(n) | Value::Ticks(n)) => n,
        Some(Value::Integer(n)) => n as u32,
        other => panic!("{other:?}"),
    }
}

fn octets(value: Option<Value>) -> Vec<u8> {
    let Some(Value::Octets(octets)) = value else { panic!("{value:?}") };
    octets
}

/// A row of the tunnels.
fn index(key: LspKey) -> [u32; 4] {
    [key.session.tunnel_id.into(), key.lsp_id.into(), key.sender.to_bits(), key.session.p2mp_id]
}

/// Every object of every router, once and in order; tunnels and hops are the LSPs and their leaves.
fn agrees(net: &Net) -> BTreeMap<u8, TeMib> {
    let picture = |n: &u8| {
        let rsvp = &net.routers[n].rsvp;
        let mib = TeMib::new(rsvp, net.now, |key| {
            let (_, label) = rsvp.incoming(key)?;
            // As the forwarding plane's module names it.
            net.routers[n].tables.ilm.contains_key(&label).then(|| Oid::new(&[1, 2, label.value()]))
        });
        let (mut at, mut seen) = (Oid::new(&TE), 0);
        while let Some((next, value)) = mib.next(&at) {
            assert!(next > at && next.ids().starts_with(&TE), "{next} after {at}");
            assert_eq!(mib.get(&next).as_ref(), Some(&value), "{next}");
            (at, seen) = (next, seen + 1);
        }
        assert!(seen >= 4);
        let keys: Vec<LspKey> = rsvp.lsps().collect();
        assert_eq!(mib.tunnels.rows().len(), keys.len());
        for key in keys {
            let cell = |column: u32| mib.get(&oid(&[&[2, 2, 1, column], &index(key)[..]].concat()));
            let leaves: Vec<_> = rsvp.leaves(key).collect();
            let is_up = leaves.iter().any(|(_, reserved)| *reserved);
            assert_eq!(number(cell(35)), if is_up { 1 } else { 2 });
            // By the names of the path options, and whether they are active.
            let list = number(cell(20));
            let mut shown = Vec::new();
            for (option, _) in (1..).zip(&leaves) {
                let hop = |column: u32, hop: u32| mib.get(&oid(&[2, 4, 1, column, list, option, hop]));
                let hops = (1..).take_while(|n| hop(4, *n).is_some()).last().unwrap();
                let name = String::from_utf8(octets(hop(12, hops))).unwrap();
                assert_eq!(
                    octets(hop(5, hops)),
                    name.parse::<std::net::Ipv4Addr>().unwrap().octets(),
                    "the leaf is last"
                );
                shown.push((name.parse().unwrap(), number(hop(14, hops)) == 1));
            }
            assert_eq!(shown, leaves);
            let Some(Value::Oid(resource)) = cell(17) else { panic!() };
            assert!(mib.get(&resource).is_some());
            let Some(Value::Oid(pointer)) = cell(11) else { panic!() };
            let label = rsvp.incoming(key).filter(|(_, label)| net.routers[n].tables.ilm.contains_key(label));
            let expected = label.map_or(vec![0, 0], |(_, label)| vec![1, 2, label.value()]);
            assert_eq!(pointer.ids(), expected);
        }
        (*n, mib)
    };
    net.routers.keys().map(picture).collect()
}

/// Shows: L3VPN-8.11-6
#[test]
fn tunnels_are_those_of_the_trees_after_each_event() {
    let mut net = net();
    agrees(&net);
    let now = net.now;
    let key = net.at(1).add_lsp(now, lsp(1, &[&[1, 2, 3]])).unwrap();
    let cell = |mibs: &BTreeMap<u8, TeMib>, n: u8, column: u32, key: LspKey| {
        mibs[&n].get(&oid(&[&[2, 2, 1, column], &index(key)[..]].concat()))
    };
    let mibs = agrees(&net);
    assert_eq!([35, 33].map(|column| number(cell(&mibs, 1, column, key))), [2, 0], "down before there is a Resv");
    net.run(SOON);
    let mibs = agrees(&net);
    let roles = |mibs: &BTreeMap<u8, TeMib>| [1, 2, 3].map(|n| number(cell(mibs, n, 10, key)));
    assert_eq!(roles(&mibs), [HEAD, TRANSIT, TAIL]);
    assert_eq!([9, 13, 18].map(|column| number(cell(&mibs, 1, column, key))), [2, 7, 1]);
    assert_eq!((number(cell(&mibs, 2, 9, key)), cell(&mibs, 2, 13, key)), (6, None), "by RSVP-TE; no priority is kept");
    // 1,000 octets a second are 8 kbit/s.
    assert_eq!([2, 3, 4].map(|column| number(mibs[&2].get(&oid(&[2, 6, 1, column, 1])))), [8, 8, 1000]);
    assert_eq!([1, 2].map(|column| number(mibs[&1].get(&oid(&[1, column, 0])))), [1, 1]);
    assert_eq!([1, 2].map(|column| number(mibs[&2].get(&oid(&[1, column, 0])))), [0, 1], "nothing begins here");
    // The ways that are left: two hops at the ingress, one at the transit router, none at the leaf.
    let hops = |n: u8| {
        (1..).map_while(|hop| mibs[&n].get(&oid(&[2, 4, 1, 5, 1, 1, hop]))).map(|a| octets(Some(a))).collect::<Vec<_>>()
    };
    let hop = |a: std::net::Ipv4Addr| a.octets().to_vec();
    assert_eq!(hops(1), [hop(on_link(2, 1)), hop(on_link(3, 2)), hop(node(3))]);
    assert_eq!(hops(2), [hop(on_link(3, 2)), hop(node(3))]);
    assert_eq!(hops(3), [hop(node(3))]);
    // Router 2 becomes a bud, and a leaf comes that no message reaches.
    net.cut(2, 4);
    let now = net.now;
    net.at(1).add_leaf(now, key, node(2), way(&[1, 2])).unwrap();
    net.at(1).add_leaf(now, key, node(4), way(&[1, 2, 4])).unwrap();
    net.run(SOON);
    let mibs = agrees(&net);
    assert_eq!(roles(&mibs), [HEAD, TRANSIT, TAIL]);
    assert_eq!(mibs[&1].hops.rows().filter(|hop| !hop.is_reserved).count(), 3, "the way to leaf 4");
    net.heal(2, 4);
    net.run(Duration::from_secs(16));
    assert!(agrees(&net)[&1].hops.rows().all(|hop| hop.is_reserved));
    // Leaf 3 goes silent, and its router's tunnel with it.
    net.cut(2, 3);
    net.run(Duration::from_secs(60));
    let mibs = agrees(&net);
    assert_eq!(mibs[&3].tunnels.rows().len(), 0);
    assert_eq!(number(cell(&mibs, 1, 35, key)), 1, "the others have it");
    // Make before break: the one that replaces another says which is the primary.
    let now = net.now;
    let second = net.at(1).replace_lsp(now, key, lsp(2, &[&[1, 2], &[1, 2, 4]])).unwrap();
    let mibs = agrees(&net);
    assert_eq!([key, second].map(|key| number(cell(&mibs, 1, 18, key))), [1, 1]);
    net.run(SOON);
    let mibs = agrees(&net);
    assert_eq!(mibs[&1].tunnels.rows().map(|tunnel| tunnel.lsp).collect::<Vec<_>>(), [second]);
    assert_eq!(number(cell(&mibs, 1, 18, second)), 2);
    let now = net.now;
    net.at(1).remove_lsp(now, second).unwrap();
    net.run(SOON);
    assert!(agrees(&net).values().all(|mib| mib.tunnels.rows().len() == 0 && mib.hops.rows().len() == 0));
}

/// Creation, time in service and changes of state.
#[test]
fn times_are_those_of_the_lsp() {
    let mut net = net();
    net.run(Duration::from_secs(9));
    let created = net.now;
    let key = net.at(1).add_lsp(created, lsp(1, &[&[1, 2, 3]])).unwrap();
    net.run(Duration::from_secs(20));
    let cell = |net: &Net, column: u32| {
        let mib = TeMib::new(&net.routers[&1].rsvp, net.now, |_| None);
        number(mib.get(&oid(&[&[2, 2, 1, column], &index(key)[..]].concat())))
    };
    assert_eq!(cell(&net, 32), 1000, "10 s after the epoch");
    assert_eq!(cell(&net, 33), 1);
    assert!((1995..=2000).contains(&cell(&net, 27)) && cell(&net, 27) == cell(&net, 28));
    net.cut(1, 2);
    net.run(Duration::from_secs(60));
    assert_eq!((cell(&net, 35), cell(&net, 33), cell(&net, 28)), (2, 2, 0));
    let before = cell(&net, 27);
    net.heal(1, 2);
    net.run(Duration::from_secs(30));
    assert_eq!((cell(&net, 35), cell(&net, 33)), (1, 3));
    // Hundredths of both are cut off.
    let more = cell(&net, 27) - before - cell(&net, 28);
    assert!(more <= 1, "all that it was up: {more}");
}
