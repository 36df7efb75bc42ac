//! PEs with P2MP pseudowires in a network of mLDP routers: targeted LDP sessions between them, tunnels below.
#![allow(dead_code)] // each test uses a part

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::{FwdOp, NextHop, Tags};
use p2mp_pw::ldp::fec::{Attachment, PmsiTunnel};
use p2mp_pw::ldp::message::{Message, MessageBody};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::Negotiated;
use p2mp_pw::ldp::{Capability, LdpId, Pdu, TlvType};
use p2mp_pw::mldp::{Deliver, Event as TreeEvent, GroupRange, TreeFec, TreeId};
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig, LeafPwConfig};
use p2mp_pw::p2mp::root::{self, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, PortRange, PwId, Sai, Service, SpaceRange};

use super::net::{Net, address, config, ldp_id, negotiated};

pub const AC: IfIndex = IfIndex(50);

pub struct Pes {
    pub net: Net,
    pub roots: BTreeMap<usize, Root>,
    pub leaves: BTreeMap<usize, Leaf>,
    /// Trees that a root opened, and those that a leaf joined.
    opened: BTreeMap<(usize, TreeId), TunnelRef>,
    /// Those that are an LSP to a leaf each: their legs have numbers apart.
    to_leaf: BTreeMap<(usize, TreeId), u16>,
    joined: BTreeMap<(usize, TreeId), PmsiTunnel>,
    seen: Vec<usize>,
    /// Messages of targeted sessions under way: from, to.
    wire: VecDeque<(usize, usize, Message)>,
    pub log: Vec<(usize, usize, Message)>,
    pub root_events: Vec<(usize, root::Event)>,
    pub leaf_events: Vec<(usize, leaf::Event)>,
    /// Sessions that are down.
    pub cut: BTreeSet<(usize, usize)>,
    pub ops: u64,
}

pub fn sai(n: usize, circuit: u32) -> Sai {
    let saii = Attachment::aggregatable(64500, [192, 0, 2, n as u8 + 1].into(), circuit);
    Sai { agi: Attachment::group([0, 0, 0xfb, 0xf4, 0, 0, 0, 9]), saii }
}

pub fn tunnel(n: usize, lsp: u32) -> PmsiTunnel {
    PmsiTunnel::MldpP2mp(TreeFec::p2mp(address(n), lsp).down())
}

/// The LSP from a root to one leaf.
fn lsp_to(r: usize, l: usize) -> TreeFec {
    TreeFec::p2mp(address(r), 200 + l as u32)
}

pub fn capable(able: bool) -> Negotiated {
    let mut negotiated = negotiated(&config(0));
    if able {
        negotiated
            .capabilities
            .push((TlvType::P2MP_PW_CAPABILITY, Capability { advertised: true, data: [0_u8].as_slice().into() }));
    }
    negotiated
}

fn blocks() -> (NhlfeRange, PortRange, GroupRange) {
    let nhlfes = NhlfeRange { first: NhlfeId(1000), last: NhlfeId(5999) };
    let ports = PortRange { first: PortId(0), last: PortId(3999) };
    (nhlfes, ports, GroupRange { first: ReplicationId(600), last: ReplicationId(2999) })
}

impl Pes {
    pub fn new(net: Net, roots: &[usize], leaves: &[usize]) -> Self {
        let now = net.now;
        let (nhlfes, ports, groups) = blocks();
        let labels = LabelRange { first: Label::new(2016).unwrap(), last: Label::new(5999).unwrap() };
        let root = |n: &usize| (*n, Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap());
        let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(9) };
        let leaf = |n: &usize| (*n, Leaf::new(now, LeafConfig::new(nhlfes, ports, groups, spaces)).unwrap());
        let (roots, leaves) = (roots.iter().map(root).collect(), leaves.iter().map(leaf).collect());
        let seen = vec![0; net.nodes.len()];
        let mut pes = Self {
            net,
            roots,
            leaves,
            opened: BTreeMap::new(),
            to_leaf: BTreeMap::new(),
            joined: BTreeMap::new(),
            seen,
            wire: VecDeque::new(),
            log: Vec::new(),
            root_events: Vec::new(),
            leaf_events: Vec::new(),
            cut: BTreeSet::new(),
            ops: 0,
        };
        for r in pes.roots.keys().copied().collect::<Vec<_>>() {
            for l in pes.leaves.keys().copied().collect::<Vec<_>>() {
                pes.session(r, l, true, true);
            }
        }
        pes
    }

    /// A targeted session comes or goes.
    pub fn session(&mut self, r: usize, l: usize, up: bool, able: bool) {
        let (now, negotiated) = (self.net.now, capable(able));
        self.wire.retain(|(from, to, _)| !(*from == r && *to == l || *from == l && *to == r));
        if up {
            self.cut.remove(&(r, l))
        } else {
            self.cut.insert((r, l))
        };
        let (root, leaf) = (self.roots.get_mut(&r).unwrap(), self.leaves.get_mut(&l).unwrap());
        if up {
            root.handle_input(now, root::Input::PeerUp { peer: ldp_id(l), negotiated: &negotiated });
            leaf.handle_input(now, leaf::Input::PeerUp { peer: ldp_id(r), negotiated: &negotiated });
            // The way back goes hop by hop as a tunnel of two labels would: here by the tree's own last link.
            leaf.handle_input(now, leaf::Input::Reach { peer: ldp_id(r), next: Some(NextHop::Discard) });
        } else {
            root.handle_input(now, root::Input::PeerDown { peer: ldp_id(l) });
            leaf.handle_input(now, leaf::Input::PeerDown { peer: ldp_id(r) });
        }
        self.settle();
    }

    /// A root opens a tree as tunnel `lsp`.
    pub fn open(&mut self, r: usize, lsp: u32) -> (TunnelRef, PmsiTunnel) {
        let id = self.net.nodes[r].mldp.open(self.net.now, TreeFec::p2mp(address(r), lsp)).unwrap();
        self.net.drain();
        self.opened.insert((r, id), TunnelRef(lsp.into()));
        self.settle();
        (TunnelRef(lsp.into()), tunnel(r, lsp))
    }

    /// A root sets up an LSP to each leaf, as trees of one leaf each.
    pub fn open_each(&mut self, r: usize, leaves: &[usize]) -> (TunnelRef, PmsiTunnel) {
        for l in leaves {
            let id = self.net.nodes[r].mldp.open(self.net.now, lsp_to(r, *l)).unwrap();
            self.net.drain();
            self.opened.insert((r, id), TunnelRef(999));
            self.to_leaf.insert((r, id), *l as u16);
        }
        self.settle();
        (TunnelRef(999), PmsiTunnel::IngressReplication(address(r)))
    }

    fn leg(&self, n: usize, tree: TreeId, leg: u16) -> u16 {
        self.to_leaf.get(&(n, tree)).map_or(leg, |l| l * 100 + leg)
    }

    pub fn root_pw(&mut self, r: usize, config: RootPwConfig, at: Option<(TunnelRef, PmsiTunnel)>) -> PwId {
        let now = self.net.now;
        let root = self.roots.get_mut(&r).unwrap();
        let id = root.add_pw(now, config).unwrap();
        root.set_tunnel(now, id, at).unwrap();
        self.settle();
        id
    }

    pub fn leaf_pw(&mut self, l: usize, config: LeafPwConfig) -> PwId {
        let id = self.leaves.get_mut(&l).unwrap().add_pw(self.net.now, config).unwrap();
        self.settle();
        id
    }

    pub fn add_leaf(&mut self, r: usize, pw: PwId, l: usize) {
        self.roots.get_mut(&r).unwrap().add_leaf(self.net.now, pw, ldp_id(l)).unwrap();
        self.settle();
    }

    pub fn remove_leaf(&mut self, r: usize, pw: PwId, l: usize) {
        self.roots.get_mut(&r).unwrap().remove_leaf(self.net.now, pw, ldp_id(l));
        self.settle();
    }

    /// Carries out what everybody says until nobody says anything more; the network's own messages stay under way.
    pub fn settle(&mut self) {
        loop {
            let mut idle = true;
            for n in 0..self.net.nodes.len() {
                while let Some(output) = self.roots.get_mut(&n).and_then(Root::poll_output) {
                    idle = false;
                    match output {
                        root::Output::Message { peer, message } => self.post(n, peer, message),
                        root::Output::Program(op) => self.apply(n, op),
                        root::Output::Event(event) => self.root_events.push((n, event)),
                    }
                }
                while let Some(output) = self.leaves.get_mut(&n).and_then(Leaf::poll_output) {
                    idle = false;
                    self.leaf_output(n, output);
                }
                let events = self.net.nodes[n].events[self.seen[n]..].to_vec();
                self.seen[n] += events.len();
                for event in events {
                    idle = false;
                    self.tree_event(n, event);
                }
            }
            if let Some((from, to, message)) = self.wire.pop_front() {
                idle = false;
                let (now, peer, message) = (self.net.now, ldp_id(from), &message);
                if let Some(root) = self.roots.get_mut(&to).filter(|_| !self.cut.contains(&(to, from))) {
                    root.handle_input(now, root::Input::Message { peer, message });
                }
                if let Some(leaf) = self.leaves.get_mut(&to).filter(|_| !self.cut.contains(&(from, to))) {
                    leaf.handle_input(now, leaf::Input::Message { peer, message });
                }
            }
            if idle {
                return;
            }
        }
    }

    fn apply(&mut self, n: usize, op: FwdOp) {
        self.ops += 1;
        self.net.nodes[n].fwd.apply(&op).unwrap_or_else(|error| panic!("{n}: {op:?}: {error}"));
    }

    fn post(&mut self, from: usize, to: LdpId, message: Message) {
        let to = usize::from(to.lsr.octets()[3]) - 1;
        let mut octets = Vec::new();
        Pdu::emit(ldp_id(from), &[message], &mut octets);
        let message: Message = Pdu::parse(&octets).unwrap().messages().next().unwrap().unwrap().parse().unwrap();
        self.log.push((from, to, message.clone()));
        self.wire.push_back((from, to, message));
    }

    fn leaf_output(&mut self, n: usize, output: leaf::Output) {
        match output {
            leaf::Output::Message { peer, message } => self.post(n, peer, message),
            leaf::Output::Program(op) => self.apply(n, op),
            leaf::Output::Event(event) => self.leaf_events.push((n, event)),
            leaf::Output::Join { tunnel, space } => {
                let fec = match &tunnel {
                    PmsiTunnel::MldpP2mp(fec) => TreeFec::of(fec).0,
                    PmsiTunnel::IngressReplication(IpAddr::V4(root)) => lsp_to(usize::from(root.octets()[3]) - 1, n),
                    _ => return,
                };
                let now = self.net.now;
                let id = self.net.nodes[n].mldp.join(now, fec, Deliver::Context(space)).unwrap();
                self.joined.insert((n, id), tunnel);
                self.net.drain();
            }
            leaf::Output::Leave { tunnel } => {
                let id = self.joined.iter().find(|((at, _), t)| *at == n && **t == tunnel).map(|((_, id), _)| *id);
                if let Some(id) = id {
                    self.joined.remove(&(n, id));
                    let now = self.net.now;
                    self.net.nodes[n].mldp.leave(now, id);
                    self.net.drain();
                }
            }
        }
    }

    fn tree_event(&mut self, n: usize, event: TreeEvent) {
        let now = self.net.now;
        match event {
            TreeEvent::LegUp { tree, leg, nhlfe, .. } => {
                let leg = self.leg(n, tree, leg);
                if let (Some(tunnel), Some(root)) = (self.opened.get(&(n, tree)), self.roots.get_mut(&n)) {
                    root.handle_input(now, root::Input::LegUp { tunnel: *tunnel, leg, nhlfe });
                }
            }
            TreeEvent::LegDown { tree, leg } => {
                let leg = self.leg(n, tree, leg);
                if let (Some(tunnel), Some(root)) = (self.opened.get(&(n, tree)), self.roots.get_mut(&n)) {
                    root.handle_input(now, root::Input::LegDown { tunnel: *tunnel, leg });
                }
            }
            TreeEvent::TreeUp { tree } | TreeEvent::TreeDown { tree } => {
                let up = matches!(event, TreeEvent::TreeUp { .. });
                if let (Some(tunnel), Some(leaf)) = (self.joined.get(&(n, tree)), self.leaves.get_mut(&n)) {
                    leaf.handle_input(now, leaf::Input::Tunnel { tunnel, up });
                }
            }
            _ => {}
        }
    }

    /// One thing happens; `false` if there is nothing until `end`.
    pub fn step(&mut self, end: fwd_core::time::Instant) -> bool {
        let own = self
            .roots
            .values()
            .filter_map(Root::next_timeout)
            .chain(self.leaves.values().filter_map(Leaf::next_timeout));
        let until = own.min().map_or(end, |at| at.min(end));
        let mut more = self.net.step(until);
        if !more && until < end {
            let now = self.net.now;
            self.roots.values_mut().for_each(|root| root.handle_timeout(now));
            self.leaves.values_mut().for_each(|leaf| leaf.handle_timeout(now));
            more = true;
        }
        self.settle();
        more
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.net.now + time;
        while self.step(end) {}
    }

    /// A frame from a customer at a router: which circuits of which routers it leaves by, each as often as it does.
    pub fn frame(&mut self, n: usize, iface: IfIndex) -> Vec<(usize, u32)> {
        let frame = [&[2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 9, 1, 0x88, 0xb5][..], &[0x5a; 60]].concat();
        let left = self.net.inject(n, iface, frame.clone());
        let mut exits: Vec<(usize, u32)> = left.iter().map(|(n, iface, _)| (*n, iface.0)).collect();
        assert!(left.iter().all(|(_, _, octets)| *octets == frame), "the frame arrives as it was");
        exits.sort_unstable();
        exits
    }

    /// Mappings of P2MP pseudowires that a leaf got.
    pub fn mappings_to(&self, l: usize) -> usize {
        let is = |(_, to, m): &&(usize, usize, Message)| *to == l && matches!(m.body, MessageBody::LabelMapping(_));
        self.log.iter().filter(is).count()
    }
}

pub fn circuit(iface: u32) -> Circuit {
    Circuit { iface: IfIndex(iface), tags: Tags::Any }
}

pub fn root_config(n: usize, number: u32, vsi: u16, circuits: &[u32]) -> RootPwConfig {
    RootPwConfig::new(
        sai(n, number),
        Service::ethernet(1500),
        VsiId(vsi),
        circuits.iter().map(|i| circuit(*i)).collect(),
    )
}

pub fn leaf_config(root: usize, number: u32, vsi: u16, circuits: &[u32]) -> LeafPwConfig {
    LeafPwConfig::new(
        sai(root, number),
        Service::ethernet(1500),
        VsiId(vsi),
        circuits.iter().map(|i| circuit(*i)).collect(),
    )
}
