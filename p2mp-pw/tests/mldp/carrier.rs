//! Customers that are carriers (RFC 6514 §15): the multipoint LSPs of a VRF, with labels that are each CE's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fwd_core::DropReason;
use fwd_core::net::{IfIndex, Label, LabelSpaceId, Mac, VrfId};
use fwd_core::op::{FwdOp, Interface};
use fwd_core::wire::LabelEntry;
use p2mp_pw::mldp::{Input, TreeFec};

use super::net::{Net, address, ldp_id};

const PE: usize = 1;
/// The CEs of one VRF by their links to the PE: two that are upstream in LSPs of the customer's, two that are leaves.
const LINKS: [(usize, usize, u32); 4] = [(0, PE, 10), (PE, 2, 10), (PE, 3, 10), (PE, 4, 10)];
const UPSTREAM: [usize; 2] = [0, 3];
const SETTLE: Duration = Duration::from_secs(60);

fn space(link: usize) -> LabelSpaceId {
    LabelSpaceId(100 + link as u32)
}

/// The CE at the other end of a link of the PE.
fn ce(link: usize) -> usize {
    LINKS[link].0 + LINKS[link].1 - PE
}

fn carrier() -> Net {
    let mut net = Net::new(5, &LINKS, 5, |n, config| {
        if n == PE {
            config.vrf = VrfId(1);
        }
    });
    for link in 0..LINKS.len() {
        let iface = IfIndex(link as u32);
        let interface = Interface { vrf: VrfId(1), mac: Mac([2, 0, 0, 0, 0, PE as u8 + 1]), mtu: 1500, mpls: true };
        let (peer, space) = (ldp_id(ce(link)), space(link));
        for op in [FwdOp::SetInterface { iface, interface }, FwdOp::SetLabelSpace { iface, space }] {
            net.nodes[PE].fwd.apply(&op).unwrap();
        }
        let now = net.now;
        net.nodes[PE].mldp.handle_input(now, Input::LabelSpace { peer, space: Some(space) });
    }
    net
}

/// The labels that the PE gave to the CEs, by link.
fn given(net: &Net) -> BTreeMap<usize, BTreeSet<Label>> {
    let mldp = &net.nodes[PE].mldp;
    let mut given: BTreeMap<usize, BTreeSet<Label>> = BTreeMap::new();
    for view in mldp.trees().filter_map(|id| mldp.tree(id)) {
        if let (Some(upstream), Some(label)) = (view.upstream, view.label) {
            let link = (0..LINKS.len()).find(|link| ldp_id(ce(*link)) == upstream).unwrap();
            given.entry(link).or_default().insert(label);
        }
    }
    given
}

/// Which labels the PE takes on which link, tried one by one with a packet that it took.
fn taken(net: &mut Net, labelled: &[u8]) -> BTreeMap<usize, BTreeSet<Label>> {
    let mut taken: BTreeMap<usize, BTreeSet<Label>> = BTreeMap::new();
    for link in 0..LINKS.len() {
        for label in (16..2016).map(|l| Label::new(l).unwrap()) {
            let mut octets = labelled.to_vec();
            octets[14..18].copy_from_slice(&LabelEntry::new(label, 0, true, 60).0);
            let dropped = net.nodes[PE].drops(DropReason::UnknownLabel);
            let copies = net.forward(PE, IfIndex(link as u32), &octets).len();
            let unknown = net.nodes[PE].drops(DropReason::UnknownLabel) - dropped;
            assert!(copies > 0 || unknown == 1, "label {label:?} on link {link}");
            if copies > 0 {
                taken.entry(link).or_default().insert(label);
            }
        }
    }
    taken
}

/// A customer's LSPs through the PE, from two CEs to two others: the PE takes a labelled packet of a CE only with a label that it gave to that
/// CE. Labels of the other CE, and those of a CE that was given none, are unknown there; none stands in the per-platform space. What a CE
/// may use follows what it was told, through leaves that go, sessions that end and a space that is taken away.
///
/// Shows: MVPN-CSC-3
#[test]
fn a_ce_uses_the_labels_that_it_was_given_and_no_others() {
    let mut net = carrier();
    let trees: Vec<TreeFec> = (0..4).map(|n| TreeFec::p2mp(address(ce(UPSTREAM[n % 2])), 7 + n as u32)).collect();
    for (n, fec) in trees.iter().enumerate() {
        net.open(fec.root_node(), fec, n as u32);
        net.join(2, fec, n as u32);
        net.join(3, fec, n as u32);
    }
    net.run(SETTLE);
    for (n, fec) in trees.iter().enumerate() {
        assert_eq!(net.packet(fec.root_node(), n as u32), [0, 0, 1, 1, 0], "tree {n}");
    }
    let labelled =
        net.crossings.iter().find(|(link, sender, _)| *link == UPSTREAM[1] && *sender == 4).unwrap().2.clone();
    let expected = given(&net);
    assert_eq!(expected.iter().map(|(link, labels)| (*link, labels.len())).collect::<Vec<_>>(), [(0, 2), (3, 2)]);
    assert_eq!(taken(&mut net, &labelled), expected);
    assert!((16..2016).all(|l| net.nodes[PE].fwd.ilm(Label::new(l).unwrap()).is_none()));
    // One tree ends, a CE's session ends and comes back: new labels, and no old ones.
    net.leave(2, &trees[0]);
    net.leave(3, &trees[0]);
    net.run(SETTLE);
    assert_eq!((taken(&mut net, &labelled), given(&net)[&0].len()), (given(&net), 1));
    net.set_link(UPSTREAM[1], false);
    net.run(SETTLE);
    assert_eq!((taken(&mut net, &labelled), given(&net).contains_key(&UPSTREAM[1])), (given(&net), false));
    net.set_link(UPSTREAM[1], true);
    net.run(SETTLE);
    assert_eq!((taken(&mut net, &labelled), given(&net).len()), (given(&net), 2));
    // The interface shares the labels of the platform again: labels move there, and away from there.
    let now = net.now;
    net.nodes[PE].mldp.handle_input(now, Input::LabelSpace { peer: ldp_id(ce(0)), space: None });
    net.drain();
    net.nodes[PE].fwd.apply(&FwdOp::ClearLabelSpace { iface: IfIndex(0) }).unwrap();
    assert_eq!(taken(&mut net, &labelled), given(&net));
}

/// The root of a tree, as a node of the network.
trait RootNode {
    fn root_node(&self) -> usize;
}

impl RootNode for TreeFec {
    fn root_node(&self) -> usize {
        (0..5).find(|n| address(*n) == self.root).unwrap()
    }
}
