//! What is set up without being configured one by one: leaves that are discovered, circuits by template; and what carries a pseudowire
//! where there is no tree.

use std::time::Duration;

use fwd_core::net::{IfIndex, VlanId, VsiId};
use fwd_core::op::Tags;
use p2mp_pw::ldp::PwStatus;
use p2mp_pw::ldp::fec::{Attachment, PmsiTunnel};
use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::p2mp::leaf::{Event as LeafEvent, LeafError, TemplateConfig};
use p2mp_pw::p2mp::root::{self, Event as RootEvent};
use p2mp_pw::p2mp::{Circuit, LeafState, PwId, Service, VsiRange};

use super::net::{Net, address, ldp_id};
use super::pe::*;

const SETTLE: Duration = Duration::from_secs(5);

/// R0, P1, P2, leaves L3 and L4 behind P2, L5 behind P1.
fn network() -> Pes {
    let links = [(0, 1, 10), (1, 2, 10), (2, 3, 10), (2, 4, 10), (1, 5, 10)];
    Pes::new(Net::new(6, &links, 3, |_, _| {}), &[0], &[3, 4, 5])
}

fn frame(vlan: Option<u16>) -> Vec<u8> {
    let tag = vlan.map(|vlan| [0x81, 0x00, (vlan >> 8) as u8, vlan as u8]);
    let macs = [2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 9, 1];
    let rest = [&[0x88, 0xb5][..], &[0x5a; 60]].concat();
    macs.into_iter().chain(tag.into_iter().flatten()).chain(rest).collect()
}

fn vlan(vlan: u16) -> Tags {
    Tags::Vlan(VlanId::new(vlan).unwrap())
}

fn template(root: Option<(u32, std::net::Ipv4Addr)>) -> TemplateConfig {
    let vsis = VsiRange { first: VsiId(500), last: VsiId(501) };
    TemplateConfig { agi: sai(0, 1).agi, root, service: Service::ethernet(1500), vsis, iface: IfIndex(55) }
}

/// A pseudowire of R0 whose circuit is a VLAN of its source interface, of the same number as the circuit has in the name.
fn root_vlan(pes: &mut Pes, number: u16, leaves: &[usize]) -> PwId {
    let tunnel = pes.open(0, number.into());
    let mut config = root_config(0, number.into(), number, &[50]);
    config.circuits = vec![Circuit { iface: AC, tags: vlan(number) }];
    let pw = pes.root_pw(0, config, Some(tunnel));
    for l in leaves {
        pes.add_leaf(0, pw, *l);
    }
    pes.run(SETTLE);
    pw
}

/// Where a frame of a VLAN leaves, with its tag there.
fn exits(pes: &mut Pes, number: u16) -> Vec<(usize, u32)> {
    let left = pes.net.inject(0, AC, frame(Some(number)));
    let mut exits: Vec<_> = left.iter().map(|(n, iface, _)| (*n, iface.0)).collect();
    assert!(left.iter().all(|(_, _, octets)| *octets == frame(Some(number))), "{left:02x?}");
    exits.sort_unstable();
    exits
}

/// The root adds circuits at leaves that have a template and nothing else: each becomes the VLAN of its number. Another's pseudowires, and
/// one that has no room, are retained and not taken; without a template nothing is.
///
/// Shows: P2MP-CON-4
#[test]
fn the_root_alone_selects_circuits_of_leaves() {
    let mut pes = network();
    let now = pes.net.now;
    let of_r0 = Some((64500, [192, 0, 2, 1].into()));
    let id = pes.leaves.get_mut(&3).unwrap().add_template(now, template(of_r0)).unwrap();
    let first = root_vlan(&mut pes, 3, &[3, 4]);
    assert_eq!(exits(&mut pes, 3), [(3, 55)], "L4 has no template");
    assert_eq!(pes.leaves[&4].retained().count(), 1);
    let made = pes.leaf_events.iter().find_map(|(n, event)| match event {
        LeafEvent::FromTemplate { template, pw, sai: name } => Some((*n, *template, *pw, name.clone())),
        _ => None,
    });
    let (at, by, pw, name) = made.unwrap();
    assert_eq!((at, by, name), (3, id, sai(0, 3)));
    assert_eq!(pes.leaves[&3].pw(pw).unwrap().selected, Some(sai(0, 3)));
    let second = root_vlan(&mut pes, 4, &[3]);
    assert_eq!((exits(&mut pes, 3), exits(&mut pes, 4)), (vec![(3, 55)], vec![(3, 55)]));
    // A third one has no instance left.
    root_vlan(&mut pes, 5, &[3]);
    assert_eq!(exits(&mut pes, 5), []);
    let full = LeafEvent::TemplateExhausted { template: id, sai: sai(0, 5) };
    assert!(pes.leaf_events.contains(&(3, full)));
    // The root takes one away, and with its next offer what waited has room.
    pes.remove_leaf(0, first, 3);
    pes.run(SETTLE);
    assert_eq!(exits(&mut pes, 3), []);
    assert_eq!(exits(&mut pes, 4), [(3, 55)], "the other is not touched");
    root_vlan(&mut pes, 6, &[3]);
    assert_eq!(exits(&mut pes, 6), [(3, 55)]);
    // A template that comes later takes what was retained.
    pes.leaves.get_mut(&4).unwrap().add_template(now, template(None)).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(exits(&mut pes, 3), [(4, 55)]);
    // And with the template goes what it made.
    pes.leaves.get_mut(&3).unwrap().remove_template(now, id);
    pes.settle();
    pes.run(SETTLE);
    assert_eq!((exits(&mut pes, 4), exits(&mut pes, 6)), (vec![], vec![]));
    assert_eq!(pes.roots[&0].pw(second).unwrap().leaves.len(), 1, "still wanted by the root");
    let _ = pes.leaves.get_mut(&3).unwrap();
}

#[test]
fn templates_are_for_what_they_say() {
    let mut pes = network();
    let now = pes.net.now;
    let leaf = pes.leaves.get_mut(&3).unwrap();
    let none = TemplateConfig { vsis: VsiRange { first: VsiId(2), last: VsiId(1) }, ..template(None) };
    assert_eq!(leaf.add_template(now, none).err(), Some(LeafError::Exhausted("vsis")));
    let other_group = TemplateConfig { agi: Attachment::group([9; 8]), ..template(None) };
    leaf.add_template(now, other_group).unwrap();
    leaf.add_template(now, template(Some((64500, [192, 0, 2, 99].into())))).unwrap();
    leaf.add_template(now, template(Some((64501, [192, 0, 2, 1].into())))).unwrap();
    root_vlan(&mut pes, 3, &[3]);
    assert_eq!(exits(&mut pes, 3), []);
    assert_eq!(pes.leaves[&3].retained().count(), 1);
    // The template's service is asked for like that of a configured pseudowire.
    let service = Service::ethernet(9000);
    pes.leaves.get_mut(&3).unwrap().add_template(now, TemplateConfig { service, ..template(None) }).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(exits(&mut pes, 3), []);
    let rejected = |(_, event): &(usize, LeafEvent)| matches!(event, LeafEvent::Mismatch { .. });
    assert!(pes.leaf_events.iter().any(rejected));
    let view = pes.roots[&0].pw(PwId(1)).unwrap();
    assert_eq!(view.leaves, [(ldp_id(3), LeafState::Fault(PwStatus::NOT_FORWARDING))]);
}

/// Whom discovery finds in the group is a leaf at once, before or after the pseudowire is there, and no more when it is gone; who is
/// named by the operator stays, and who is of another group never is.
#[test]
fn discovered_leaves_come_and_go() {
    let mut pes = network();
    let tunnel = pes.open(0, 7);
    let found = |pes: &mut Pes, l: usize, agi: &Attachment, present: bool| {
        let (now, input) = (pes.net.now, root::Input::Member { agi, leaf: ldp_id(l), present });
        pes.roots.get_mut(&0).unwrap().handle_input(now, input);
        pes.settle();
        pes.run(Duration::from_millis(900));
    };
    let agi = sai(0, 1).agi;
    found(&mut pes, 3, &agi, true);
    let mut config = root_config(0, 1, 1, &[50]);
    config.discover = true;
    let pw = pes.root_pw(0, config, Some(tunnel));
    for l in [3, 4, 5] {
        pes.leaf_pw(l, leaf_config(0, 1, 1, &[50]));
    }
    pes.add_leaf(0, pw, 5);
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50), (5, 50)]);
    found(&mut pes, 4, &Attachment::group([9; 8]), true);
    assert_eq!(pes.frame(0, AC), [(3, 50), (5, 50)]);
    found(&mut pes, 4, &agi, true);
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50), (5, 50)]);
    for l in [3, 5] {
        found(&mut pes, l, &agi, false);
    }
    assert_eq!(pes.frame(0, AC), [(4, 50), (5, 50)]);
}

/// No tree: an LSP to each leaf carries its copy, links that they share carry one for each, and the operator hears of it; with a tree a
/// link carries one.
///
/// Shows: P2MP-ARC-6
#[test]
fn an_lsp_to_each_leaf_serves_where_there_is_no_tree() {
    let mut pes = network();
    let lsps = pes.open_each(0, &[3, 4, 5]);
    assert!(matches!(lsps.1, PmsiTunnel::IngressReplication(root) if root == address(0)));
    let pw = pes.root_pw(0, root_config(0, 1, 1, &[50]), Some(lsps));
    for l in [3, 4, 5] {
        pes.leaf_pw(l, leaf_config(0, 1, 1, &[50]));
        pes.add_leaf(0, pw, l);
    }
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50), (5, 50)]);
    assert_eq!((pes.net.crossed[&(0, 0)], pes.net.crossed[&(1, 1)]), (3, 2), "copies on the links that are shared");
    assert_eq!(pes.root_events.iter().filter(|(_, e)| *e == RootEvent::IngressReplication { pw }).count(), 1);
    assert!(pes.log.iter().any(|(_, _, m)| matches!(m.body, MessageBody::LabelMapping(_))));
    // A tree is there now: the pseudowire moves to it.
    let tree = pes.open(0, 7);
    let now = pes.net.now;
    pes.roots.get_mut(&0).unwrap().set_tunnel(now, pw, Some(tree)).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50), (5, 50)]);
    assert!(pes.net.crossed.values().all(|copies| *copies == 1), "{:?}", pes.net.crossed);
    assert_eq!(pes.root_events.iter().filter(|(_, e)| *e == RootEvent::IngressReplication { pw }).count(), 1);
}

/// Native service processing at the circuits (RFC 3985 §4.2.2, RFC 4448 §4.4): the tag goes before the pseudowire's encapsulation, and
/// each leaf puts its own, two, or none.
///
/// Shows: P2MP-ARC-7
#[test]
fn tags_are_of_circuits_and_not_of_the_pseudowire() {
    let mut pes = network();
    let tunnel = pes.open(0, 7);
    let mut config = root_config(0, 1, 1, &[50]);
    config.circuits = vec![Circuit { iface: AC, tags: vlan(10) }];
    let pw = pes.root_pw(0, config, Some(tunnel));
    let stacked = Tags::Stacked { outer: VlanId::new(20).unwrap(), inner: VlanId::new(30).unwrap() };
    for (l, tags) in [(3, vlan(11)), (4, stacked), (5, Tags::Untagged)] {
        let mut config = leaf_config(0, 1, 1, &[50]);
        config.circuits = vec![Circuit { iface: IfIndex(51), tags }];
        pes.leaf_pw(l, config);
        pes.add_leaf(0, pw, l);
    }
    pes.run(SETTLE);
    let bare = frame(None);
    let with = |tags: &[u8]| [&bare[..12], tags, &bare[12..]].concat();
    let mut left = pes.net.inject(0, AC, frame(Some(10)));
    left.sort();
    let expected = [
        (3, IfIndex(51), with(&[0x81, 0, 0, 11])),
        (4, IfIndex(51), with(&[0x88, 0xa8, 0, 20, 0x81, 0, 0, 30])),
        (5, IfIndex(51), bare.clone()),
    ];
    assert_eq!(left, expected);
    // On the wire: two labels, the control word, and the customer's frame without its tag.
    let (_, _, carried) = pes.net.crossings.iter().find(|(link, from, _)| (*link, *from) == (0, 0)).unwrap();
    assert_eq!(carried[14 + 8..], [&[0; 4][..], &bare].concat(), "{carried:02x?}");
    // Frames of another VLAN, or of none, are not the circuit's.
    assert_eq!(pes.net.inject(0, AC, frame(Some(12))), []);
    assert_eq!(pes.net.inject(0, AC, bare), []);
}
