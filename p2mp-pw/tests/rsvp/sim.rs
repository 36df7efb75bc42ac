//! What RFC 4875 wants of a tree's life.

use std::collections::BTreeMap;
use std::time::Duration;

use p2mp_pw::rsvp_te::*;

use super::net::{Net, deliver, lsp, neighbour, node, on_link, way};

/// ```text
///       3
///      /
/// 1---2---4
///  \   \
///   6---5
/// ```
const LINKS: [(u8, u8); 6] = [(1, 2), (2, 3), (2, 4), (2, 5), (1, 6), (6, 5)];

const SOON: Duration = Duration::from_millis(100);

fn ready(change: impl Fn(&mut RsvpConfig)) -> Net {
    let mut net = Net::new(&LINKS, change);
    let now = net.now;
    let session = P2mpSession { p2mp_id: 7, tunnel_id: 1, extended_tunnel_id: node(1) };
    for n in [2, 3, 4, 5] {
        net.at(n).deliver(now, session, Some(deliver()));
    }
    net
}

fn start(net: &mut Net, config: LspConfig) -> LspKey {
    let now = net.now;
    let key = net.at(1).add_lsp(now, config).unwrap();
    net.run(SOON);
    key
}

fn once(leaves: &[u8]) -> BTreeMap<u8, u32> {
    leaves.iter().map(|n| (*n, 1)).collect()
}

fn leftovers(net: &Net) -> Vec<u8> {
    net.routers.iter().filter(|(_, r)| !r.tables.is_empty() || r.rsvp.lsps().count() > 0).map(|(n, _)| *n).collect()
}

/// One tree to three leaves: each gets each packet once, each link carries it once, and the tree goes without a trace.
#[test]
fn a_tree_is_set_up_and_torn_down() {
    let mut net = ready(|_| {});
    let key = start(&mut net, lsp(1, &[&[1, 2, 3], &[1, 2, 4], &[1, 2, 5]]));
    let (got, crossed) = net.packet(1, key);
    assert_eq!(got, once(&[3, 4, 5]));
    assert!(crossed.values().all(|n| *n == 1) && crossed.len() == 4, "{crossed:?}");
    let up: Vec<_> = net.routers[&1].events.iter().filter(|e| matches!(e, Event::LeafUp { .. })).collect();
    assert_eq!(up.len(), 3);
    // One Path for the three leaves on the shared link.
    assert_eq!(net.routers[&1].sent, 1);
    let now = net.now;
    net.at(1).remove_lsp(now, key).unwrap();
    net.run(SOON);
    assert_eq!(leftovers(&net), Vec::<u8>::new());
    assert!(net.routers[&3].events.contains(&Event::Ended { lsp: key }));
}

/// RFC 4875 §5.3, §7.2.1: leaves come and go, and the others do not lose a packet. Router 2 becomes a bud node.
#[test]
fn leaves_are_grafted_and_pruned_without_harm_to_others() {
    let mut net = ready(|_| {});
    let key = start(&mut net, lsp(1, &[&[1, 2, 3]]));
    let now = net.now;
    let steps: [(u8, bool, &[u8]); 5] =
        [(4, true, &[3, 4]), (2, true, &[2, 3, 4]), (3, false, &[2, 4]), (4, false, &[2]), (5, true, &[2, 5])];
    for (leaf, add, after) in steps {
        if add {
            let path: &[u8] = if leaf == 2 { &[1, 2] } else { &[1, 2, leaf] };
            net.at(1).add_leaf(now, key, node(leaf), way(path)).unwrap();
        } else {
            net.at(1).remove_leaf(now, key, node(leaf)).unwrap();
        }
        // All along, whoever is a leaf before and after gets packets once.
        let before = net.packet(1, key).0;
        for _ in 0..20 {
            net.run(Duration::from_micros(500));
            let got = net.packet(1, key).0;
            for n in after.iter().filter(|n| before.contains_key(n)) {
                assert_eq!(got.get(n), Some(&1), "leaf {n} while {leaf} changes");
            }
        }
        assert_eq!(net.packet(1, key).0, once(after), "after {leaf}");
    }
}

/// RFC 2205 §3.7: state lives (K + 0.5) · 1.5 · R without refreshes, both ways, and no longer.
#[test]
fn soft_state_of_a_lost_neighbour_times_out_and_comes_back() {
    let mut net = ready(|config| config.refresh = Duration::from_secs(10));
    let key = start(&mut net, lsp(1, &[&[1, 2, 3], &[1, 2, 4]]));
    // Refreshed, it stays.
    net.run(Duration::from_secs(600));
    assert_eq!(net.packet(1, key).0, once(&[3, 4]));
    net.cut(2, 3);
    net.run(Duration::from_secs(36));
    assert!(
        !net.routers[&3].tables.is_empty(),
        "lost refreshes are borne: 3.5 · 1.5 · 10 s, the last one up to 15 s old"
    );
    net.run(Duration::from_secs(18));
    assert!(net.routers[&3].tables.is_empty(), "Path state is over");
    assert_eq!(net.packet(1, key).0, once(&[4]));
    let down = Event::LeafDown { lsp: key, leaf: node(3) };
    assert!(net.routers[&1].events.contains(&down), "the ingress knows which leaf");
    assert!(!net.routers[&1].events.contains(&Event::LeafDown { lsp: key, leaf: node(4) }));
    net.heal(2, 3);
    net.run(Duration::from_secs(16));
    assert_eq!(net.packet(1, key).0, once(&[3, 4]));
}

/// RFC 4875 §14.1: the new LSP of the tunnel stands before the old one goes; there is always one that reaches all.
#[test]
fn a_tree_is_made_before_the_old_one_is_broken() {
    let mut net = ready(|_| {});
    let old = start(&mut net, lsp(1, &[&[1, 2, 3], &[1, 2, 5]]));
    let now = net.now;
    let new = net.at(1).replace_lsp(now, old, lsp(2, &[&[1, 2, 3], &[1, 6, 5]])).unwrap();
    let mut switched = false;
    for _ in 0..40 {
        net.run(Duration::from_micros(500));
        switched |= net.routers[&1].events.contains(&Event::Switch { from: old, to: new });
        let used = if switched { new } else { old };
        assert_eq!(net.packet(1, used).0, once(&[3, 5]));
    }
    assert!(switched);
    net.run(SOON);
    assert!(net.routers.values().all(|r| r.rsvp.lsps().all(|key| key == new)));
    let at = net.now;
    assert_eq!(net.at(1).replace_lsp(at, old, lsp(3, &[])), Err(RsvpError::Unknown));
    let other = LspConfig { tunnel_id: 9, ..lsp(3, &[]) };
    assert_eq!(net.at(1).replace_lsp(at, new, other), Err(RsvpError::OtherTunnel));
}

/// A way over a router that is no neighbour is refused by the one that notices, and the ingress hears who and why.
#[test]
fn a_bad_way_is_refused_to_the_ingress() {
    let mut net = ready(|_| {});
    let bad = Route::strict(&[on_link(2, 1), on_link(6, 2)]);
    let mut config = lsp(1, &[&[1, 2, 3]]);
    config.leaves.push((node(5), bad));
    let key = start(&mut net, config);
    let refused = |leaf: u8, node_of: u8, code| Event::PathRefused {
        lsp: key,
        leaf: Some(node(leaf)),
        node: node(node_of),
        code,
    };
    assert!(
        net.routers[&1].events.contains(&refused(5, 2, ErrorCode::BAD_STRICT_NODE)),
        "{:?}",
        net.routers[&1].events
    );
    assert_eq!(net.packet(1, key).0, once(&[3]));
    // A leaf without a way, and no route to it either: the ingress itself says so.
    let now = net.now;
    net.at(1).add_leaf(now, key, node(9), Route::default()).unwrap();
    net.run(SOON);
    assert!(net.routers[&1].events.contains(&refused(9, 1, ErrorCode::NO_ROUTE)));
}

/// Without ways, routing says where to: a hop at a time. It changes, and the tree follows.
#[test]
fn a_tree_follows_routing_where_no_way_is_said() {
    let mut net = ready(|_| {});
    let now = net.now;
    for (at, via) in [(1, 2), (2, 5), (6, 5)] {
        net.at(at).set_route(now, node(5), Some(on_link(via, at)));
    }
    let mut config = lsp(1, &[]);
    config.leaves.push((node(5), Route::default()));
    let key = start(&mut net, config);
    let (got, crossed) = net.packet(1, key);
    assert_eq!((got, crossed.contains_key(&(2, 5))), (once(&[5]), true));
    let now = net.now;
    net.at(1).set_route(now, node(5), Some(on_link(6, 1)));
    net.run(Duration::from_secs(60));
    let (got, crossed) = net.packet(1, key);
    assert_eq!((got, crossed.contains_key(&(6, 5))), (once(&[5]), true));
}

/// RFC 4875 §18: a tree that comes by two ways is refused on the second.
#[test]
fn a_tree_that_merges_again_is_refused() {
    let mut net = ready(|_| {});
    let key = start(&mut net, lsp(1, &[&[1, 2, 5]]));
    let now = net.now;
    // Towards 4 over 6 and 5, which has the tree from 2 already.
    let detour = Route::strict(&[on_link(6, 1), on_link(5, 6), on_link(2, 5)]);
    net.at(1).add_leaf(now, key, node(4), detour).unwrap();
    net.run(SOON);
    let merged =
        |e: &Event| matches!(e, Event::PathRefused { code: ErrorCode::RE_MERGE, node: n, .. } if *n == node(5));
    assert!(net.routers[&1].events.iter().any(merged), "{:?}", net.routers[&1].events);
    assert_eq!(net.packet(1, key).0, once(&[5]));
}

/// More sub-LSPs than a Path takes go in several, with one label and one copy on the link (RFC 4875 §5.2.1, §6.1).
#[test]
fn many_leaves_go_in_several_messages_and_one_copy() {
    let links: Vec<(u8, u8)> = [(1, 2)].into_iter().chain((3..23).map(|n| (2, n))).collect();
    let mut net = Net::new(&links, |config| config.max_leaves_of_message = 8);
    let now = net.now;
    let paths: Vec<[u8; 3]> = (3..23).map(|n| [1, 2, n]).collect();
    let list: Vec<&[u8]> = paths.iter().map(|p| &p[..]).collect();
    let session = P2mpSession { p2mp_id: 7, tunnel_id: 1, extended_tunnel_id: node(1) };
    (3..23).for_each(|n| net.at(n).deliver(now, session, Some(deliver())));
    let key = start(&mut net, lsp(1, &list));
    assert_eq!(net.routers[&1].sent, 3, "8 + 8 + 4");
    let (got, crossed) = net.packet(1, key);
    assert_eq!(got, once(&(3..23).collect::<Vec<u8>>()));
    assert_eq!(crossed[&(1, 2)], 1);
    assert_eq!(net.routers[&2].tables.ilm.len(), 1);
}

/// A leaf that delivers nothing yet is told of the tree, and reserves once it knows what to do; a lost neighbour takes its branch along.
#[test]
fn a_leaf_waits_for_its_user_and_a_neighbour_that_goes_is_noticed() {
    let mut net = Net::new(&LINKS, |_| {});
    let key = start(&mut net, lsp(1, &[&[1, 2, 3]]));
    assert_eq!(net.routers[&3].events, [Event::Wanted { lsp: key }]);
    assert!(net.packet(1, key).0.is_empty());
    let now = net.now;
    net.at(3).deliver(now, key.session, Some(deliver()));
    net.run(SOON);
    assert_eq!(net.packet(1, key).0, once(&[3]));
    let now = net.now;
    net.at(2).set_neighbour(now, on_link(3, 2), None);
    net.run(SOON);
    assert!(net.packet(1, key).0.is_empty());
    assert!(net.routers[&1].events.contains(&Event::LeafDown { lsp: key, leaf: node(3) }));
    let now = net.now;
    net.at(2).set_neighbour(now, on_link(3, 2), Some(neighbour(2, 3)));
    net.run(Duration::from_secs(46));
    assert_eq!(net.packet(1, key).0, once(&[3]));
}

/// A table that is full at a router on the way: its Resv is taken back, so that the ingress does not send into nothing.
#[test]
fn a_full_table_is_told_to_the_ingress() {
    let mut net = ready(|_| {});
    let key = start(&mut net, lsp(1, &[&[1, 2, 3]]));
    let (label, ilm) = net.routers[&2].tables.ilm.iter().next().map(|(l, i)| (*l, *i)).unwrap();
    let now = net.now;
    net.at(2).handle_input(now, Input::Refused(fwd_core::op::FwdOp::SetIlm { label, ilm }));
    net.run(SOON);
    assert!(net.routers[&2].events.contains(&Event::TableFull { lsp: key }));
    assert!(net.routers[&1].events.contains(&Event::LeafDown { lsp: key, leaf: node(3) }));
    assert!(net.routers[&1].legs[&key].is_empty());
}

#[test]
fn a_bad_configuration_is_refused_by_its_field() {
    let now = fwd_core::time::Instant::ZERO;
    let refused = |change: fn(&mut RsvpConfig)| {
        let mut config = super::net::config(1);
        change(&mut config);
        Rsvp::new(now, config).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(|c| c.refresh = Duration::from_millis(10)).starts_with("refresh"));
    assert!(refused(|c| c.keep_multiplier = 0).starts_with("keep_multiplier"));
    assert!(refused(|c| c.max_leaves_of_message = 65).starts_with("max_leaves_of_message"));
    assert!(refused(|c| c.max_leaves = 0).starts_with("max_leaves"));
    assert!(refused(|c| c.address = [224, 0, 0, 1].into()).starts_with("address"));
}
