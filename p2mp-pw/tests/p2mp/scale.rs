//! What a root says and holds for its leaves (RFC 7338 §3.4.7).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use fwd_core::net::*;
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::mldp::GroupRange;
use p2mp_pw::p2mp::PortRange;
use p2mp_pw::p2mp::root::{Input, Output, Root, RootConfig, TunnelRef};

use super::pe::{capable, root_config, tunnel};

/// Messages, octets of them, and ops, of a root with so many leaves.
fn cost(leaves: u32) -> (u64, u64, u64) {
    let now = Instant::from_secs(1);
    let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
    let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(9999) };
    let ports = PortRange { first: PortId(0), last: PortId(9999) };
    let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(99) };
    let mut root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
    let pw = root.add_pw(now, root_config(0, 1, 1, &[50])).unwrap();
    root.set_tunnel(now, pw, Some((TunnelRef(1), tunnel(0, 7)))).unwrap();
    root.handle_input(now, Input::LegUp { tunnel: TunnelRef(1), leg: 2, nhlfe: NhlfeId(1) });
    let negotiated = capable(true);
    for n in 0..leaves {
        let peer = LdpId::platform(Ipv4Addr::from_bits(0x0a00_0000 + n));
        root.handle_input(now, Input::PeerUp { peer, negotiated: &negotiated });
        root.add_leaf(now, pw, peer).unwrap();
    }
    let (mut to, mut octets, mut ops) = (BTreeMap::new(), 0, 0);
    while let Some(output) = root.poll_output() {
        match output {
            Output::Message { peer, message } => {
                *to.entry(peer).or_insert(0_u64) += 1;
                octets += message.wire_len() as u64;
            }
            Output::Program(_) => ops += 1,
            Output::Event(_) => {}
        }
    }
    assert!(to.values().all(|count| *count == 1), "one message for each leaf");
    (to.len() as u64, octets, ops)
}

/// One message of one size for each leaf, and entries that do not depend on how many there are. What a leaf costs in time is in
/// `examples/p2mp_scale.rs`.
///
/// Shows: P2MP-SCL-1
#[test]
fn cost_grows_with_leaves_and_no_faster() {
    let (one, octets, ops) = cost(1);
    assert_eq!(one, 1);
    for leaves in [10, 100, 1000, 2000] {
        assert_eq!(cost(leaves), (leaves.into(), u64::from(leaves) * octets, ops));
    }
}

/// A tenth of the size that is measured in `examples/p2mp_scale.rs`: 1,000 pseudowires on 100 trees with 100 leaves each, and with 10. A
/// message for each pseudowire and leaf, as many octets as that says, and entries that do not depend on leaves.
#[test]
fn a_thousand_pseudowires_with_a_hundred_leaves_each() {
    let (pws, trees) = (1000_u32, 100);
    let run = |leaves: u32| {
        let now = Instant::from_secs(1);
        let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
        let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(9999) };
        let ports = PortRange { first: PortId(0), last: PortId(9999) };
        let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(1999) };
        let mut root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
        let negotiated = capable(true);
        let leaf = |n: u32| LdpId::platform(Ipv4Addr::from_bits(0x0a00_0001 + n));
        for n in 0..leaves {
            root.handle_input(now, Input::PeerUp { peer: leaf(n), negotiated: &negotiated });
        }
        for tree in 0..trees {
            let (tunnel, nhlfe) = (TunnelRef(tree.into()), NhlfeId(tree));
            root.handle_input(now, Input::LegUp { tunnel, leg: 2, nhlfe });
        }
        let (mut messages, mut octets, mut ops) = (0_u64, 0_u64, 0_u64);
        for n in 0..pws {
            let pw = root.add_pw(now, root_config(0, n, n as u16, &[50 + n])).unwrap();
            let tree = n % trees;
            root.set_tunnel(now, pw, Some((TunnelRef(tree.into()), tunnel(0, tree)))).unwrap();
            for l in 0..leaves {
                root.add_leaf(now, pw, leaf(l)).unwrap();
            }
            while let Some(output) = root.poll_output() {
                match output {
                    Output::Message { message, .. } => {
                        messages += 1;
                        octets += message.wire_len() as u64;
                    }
                    Output::Program(_) => ops += 1,
                    Output::Event(_) => {}
                }
            }
        }
        (messages, octets, ops)
    };
    let (ten, hundred) = (run(10), run(100));
    assert_eq!((ten.0, hundred.0), (10_000, 100_000));
    assert_eq!((hundred.1, hundred.1 % hundred.0), (ten.1 * 10, 0), "all of one size");
    assert_eq!(hundred.2, ten.2, "entries do not depend on leaves");
}
