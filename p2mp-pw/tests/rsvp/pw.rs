//! A P2MP pseudowire whose tunnel is RSVP-TE's (RFC 8338 §3.2: PMSI tunnel type 1).

use std::collections::BTreeMap;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, Tags};
use p2mp_pw::ldp::fec::{Attachment, PmsiTunnel};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, TlvType};
use p2mp_pw::mldp::{Deliver, GroupRange};
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig, LeafPwConfig};
use p2mp_pw::p2mp::root::{self, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, LeafState, PortRange, Sai, Service, SpaceRange};
use p2mp_pw::rsvp_te::{Event, LspKey, P2mpSession};

use super::net::{Net, lsp, node};

const SOON: Duration = Duration::from_millis(50);
const TUNNEL: TunnelRef = TunnelRef(1);

fn id(n: u8) -> LdpId {
    LdpId::platform(node(n))
}

fn negotiated() -> Negotiated {
    let able = Capability { advertised: true, data: [0_u8].as_slice().into() };
    Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: vec![(TlvType::P2MP_PW_CAPABILITY, able)],
        graceful_restart: None,
    }
}

fn sai() -> Sai {
    let saii = Attachment::aggregatable(64500, node(1), 1);
    Sai { agi: Attachment::group([0, 0, 0xfb, 0xf4, 0, 0, 0, 9]), saii }
}

fn circuits() -> Vec<Circuit> {
    vec![Circuit { iface: IfIndex(50), tags: Tags::Any }]
}

/// R1 is the root, 3 and 4 are leaves.
struct World {
    net: Net,
    root: Root,
    leaves: BTreeMap<u8, Leaf>,
    seen: usize,
    /// What the root pushes below the tunnel's labels, by entry; what leaves look up in the root's label space.
    pushes: BTreeMap<NhlfeId, Nhlfe>,
    bound: BTreeMap<u8, BTreeMap<Label, Ilm>>,
}

impl World {
    fn new(net: Net) -> Self {
        let now = net.now;
        let label = |n| Label::new(n).unwrap();
        let labels = LabelRange { first: label(2000), last: label(2999) };
        let nhlfes = NhlfeRange { first: NhlfeId(1000), last: NhlfeId(1999) };
        let ports = PortRange { first: PortId(0), last: PortId(99) };
        let groups = GroupRange { first: ReplicationId(600), last: ReplicationId(699) };
        let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(9) };
        let mut root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
        let mut leaves = BTreeMap::new();
        for n in [3, 4] {
            let mut leaf = Leaf::new(now, LeafConfig::new(nhlfes, ports, groups, spaces)).unwrap();
            leaf.handle_input(now, leaf::Input::PeerUp { peer: id(1), negotiated: &negotiated() });
            leaf.add_pw(now, LeafPwConfig::new(sai(), Service::ethernet(1500), VsiId(1), circuits())).unwrap();
            root.handle_input(now, root::Input::PeerUp { peer: id(n), negotiated: &negotiated() });
            leaves.insert(n, leaf);
        }
        Self { net, root, leaves, seen: 0, pushes: BTreeMap::new(), bound: BTreeMap::new() }
    }

    fn tunnel() -> PmsiTunnel {
        PmsiTunnel::RsvpTeP2mp { extended_tunnel_id: node(1).into(), tunnel_id: 1, p2mp_id: 7 }
    }

    fn session() -> P2mpSession<std::net::Ipv4Addr> {
        P2mpSession { p2mp_id: 7, tunnel_id: 1, extended_tunnel_id: node(1) }
    }

    /// Lets everything happen that follows.
    fn settle(&mut self, key: LspKey) {
        for _ in 0..40 {
            self.net.run(SOON);
            let now = self.net.now;
            self.root.handle_timeout(now);
            self.leaves.values_mut().for_each(|leaf| leaf.handle_timeout(now));
            let events = self.net.routers[&1].events[self.seen..].to_vec();
            self.seen += events.len();
            for event in events {
                let input = match event {
                    Event::LegUp { leg, nhlfe, .. } => root::Input::LegUp { tunnel: TUNNEL, leg, nhlfe },
                    Event::LegDown { leg, .. } => root::Input::LegDown { tunnel: TUNNEL, leg },
                    _ => continue,
                };
                self.root.handle_input(now, input);
            }
            let got = self.net.packet(1, key).0;
            for (n, leaf) in &mut self.leaves {
                let up = got.get(n) == Some(&1);
                leaf.handle_input(now, leaf::Input::Tunnel { tunnel: &Self::tunnel(), up });
            }
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        let now = self.net.now;
        let mut to_leaves: Vec<(LdpId, Message)> = Vec::new();
        while let Some(output) = self.root.poll_output() {
            match output {
                root::Output::Message { peer, message } => to_leaves.push((peer, message)),
                root::Output::Program(FwdOp::SetNhlfe { id, nhlfe }) => drop(self.pushes.insert(id, nhlfe)),
                root::Output::Program(FwdOp::ClearNhlfe { id }) => drop(self.pushes.remove(&id)),
                _ => {}
            }
        }
        for (n, leaf) in &mut self.leaves {
            for (_, message) in to_leaves.iter().filter(|(peer, _)| *peer == id(*n)) {
                leaf.handle_input(now, leaf::Input::Message { peer: id(1), message });
            }
            while let Some(output) = leaf.poll_output() {
                match output {
                    leaf::Output::Message { message, .. } => {
                        self.root.handle_input(now, root::Input::Message { peer: id(*n), message: &message });
                    }
                    leaf::Output::Program(FwdOp::SetContextIlm { label, ilm, .. }) => {
                        self.bound.entry(*n).or_default().insert(label, ilm);
                    }
                    leaf::Output::Program(FwdOp::ClearContextIlm { label, .. }) => {
                        self.bound.entry(*n).or_default().remove(&label);
                    }
                    leaf::Output::Join { tunnel, space } => {
                        assert_eq!(tunnel, Self::tunnel());
                        let deliver = Some(Deliver::Context(space));
                        self.net.routers.get_mut(n).unwrap().rsvp.deliver(now, Self::session(), deliver);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The same pseudowire as over mLDP: leaves learn the tunnel from the offer, wait for it, and look the root's label up in the root's space.
///
/// Shows: P2MP-UND-4
#[test]
fn a_pseudowire_goes_over_an_rsvp_te_tunnel() {
    let mut world = World::new(Net::new(&[(1, 2), (2, 3), (2, 4)], |_| {}));
    let now = world.net.now;
    let key = world.net.at(1).add_lsp(now, lsp(1, &[&[1, 2, 3], &[1, 2, 4]])).unwrap();
    let pw = world.root.add_pw(now, RootPwConfig::new(sai(), Service::ethernet(1500), VsiId(1), circuits())).unwrap();
    world.root.set_tunnel(now, pw, Some((TUNNEL, World::tunnel()))).unwrap();
    for n in [3, 4] {
        world.root.add_leaf(now, pw, id(n)).unwrap();
    }
    world.settle(key);
    let leaves = world.root.pw(pw).unwrap().leaves;
    assert_eq!(leaves, [(id(3), LeafState::Confirmed), (id(4), LeafState::Confirmed)]);
    // One branch leaves the root: the pseudowire's label below the tunnel's.
    let leg = *world.net.routers[&1].legs[&key].values().next().unwrap();
    let push = world.pushes.values().find(|nhlfe| nhlfe.next == NextHop::Nhlfe(leg)).unwrap();
    let label = *push.push.as_slice().first().unwrap();
    for n in [3, 4] {
        let ilm = world.net.routers[&n].tables.ilm.values().next().unwrap();
        assert!(matches!(ilm.action, IlmAction::Context(_)), "{ilm:?}");
        assert!(matches!(world.bound[&n][&label].action, IlmAction::Bridge(_)));
    }
    // A branch of the tunnel breaks: the root hears which leaf, and the leaf says so.
    let now = world.net.now;
    world.net.at(1).remove_leaf(now, key, node(4)).unwrap();
    world.settle(key);
    let leaves = world.root.pw(pw).unwrap().leaves;
    assert!(matches!(leaves[1], (peer, LeafState::Fault(_)) if peer == id(4)), "{leaves:?}");
    assert_eq!(leaves[0].1, LeafState::Confirmed);
}
