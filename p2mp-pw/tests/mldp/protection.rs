//! What a tree loses when the network changes under it, a packet each millisecond (RFC 6388 §8).

use std::time::Duration;

use p2mp_pw::mldp::TreeFec;

use super::net::{Net, address};

/// Root 0; transit routers 1, on the better way, and 2; P routers 3 and 4, each with a leaf, 5 and 6.
const DIAMOND: [(usize, usize, u32); 8] =
    [(0, 1, 10), (0, 2, 15), (1, 3, 10), (2, 3, 15), (1, 4, 10), (2, 4, 15), (3, 5, 10), (4, 6, 10)];
const LEAVES: [usize; 2] = [5, 6];

/// Packets of three seconds that each leaf missed, and copies too many, with a change after the first.
fn across(net: &mut Net, change: impl FnOnce(&mut Net)) -> ([u32; 2], u32) {
    let (mut lost, mut twice, mut change) = ([0; 2], 0, Some(change));
    for ms in 0..3000 {
        if let Some(change) = change.take_if(|_| ms == 1000) {
            change(net);
        }
        let got = net.packet(0, 0);
        for (n, copies) in got.iter().enumerate() {
            match LEAVES.iter().position(|leaf| *leaf == n) {
                Some(leaf) => lost[leaf] += u32::from(*copies == 0),
                None => assert_eq!(*copies, 0, "router {n} is no leaf"),
            }
            twice += copies.saturating_sub(1);
        }
        net.run(Duration::from_millis(1));
    }
    (lost, twice)
}

/// The links of a router go down or come up together: it dies, or is back.
fn set_node(net: &mut Net, node: usize, up: bool) {
    let links = (0..net.links.len()).filter(|n| net.links[*n].a == node || net.links[*n].b == node);
    links.collect::<Vec<_>>().into_iter().for_each(|link| net.set_link(link, up));
}

/// A planned change, and the return of what had failed, cost nothing: the new way is there before the old is left. A link that fails costs the
/// leaves behind it alone, and a router that dies those of its branches, the time that signalling the new way takes; nobody gets a packet twice.
///
/// Shows: MVPN-QOS-2
#[test]
fn planned_changes_cost_nothing_and_failures_little() {
    let mut net = Net::new(7, &DIAMOND, 3, |_, _| {});
    let fec = TreeFec::p2mp(address(0), 7);
    net.open(0, &fec, 0);
    LEAVES.into_iter().for_each(|leaf| _ = net.join(leaf, &fec, 0));
    net.run(Duration::from_secs(60));
    let nothing = ([0, 0], 0);
    assert_eq!(across(&mut net, |_| {}), nothing);
    for (link, metric) in [(0, 40), (0, 10), (2, 40), (2, 10)] {
        assert_eq!(across(&mut net, |net| net.set_metric(link, metric)), nothing, "link {link} costs {metric}");
    }
    let (of_link, twice) = across(&mut net, |net| net.set_link(2, false));
    assert_eq!((of_link[1], twice), (0, 0), "the other leaf does not notice");
    assert_eq!(across(&mut net, |net| net.set_link(2, true)), nothing);
    let (of_node, twice) = across(&mut net, |net| set_node(net, 1, false));
    assert_eq!(twice, 0);
    assert_eq!(across(&mut net, |net| set_node(net, 1, true)), nothing);
    println!("packets lost, one each millisecond: a link fails {of_link:?}, a router dies {of_node:?}");
    for lost in [of_link[0], of_node[0], of_node[1]] {
        assert!((1..=200).contains(&lost), "{lost}");
    }
}
