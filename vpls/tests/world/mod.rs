//! PEs in virtual time: each a [`VplsPe`] over a [`Forwarder`], around one P router that replicates, with BGP, LDP and mLDP as the
//! values that the machines exchange. Shared by the simulations, the fuzz target and the scene of the first command.
#![allow(dead_code)] // each user has a part

pub mod memory;
pub mod mldp;
pub mod node;
pub mod packets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use fwd_core::{Frame, PuntReason, Replica, Verdict};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::{MacFlags, MacFlush};
use p2mp_pw::pw;
use vpls::bgp::{Nlri, RouteAttributes, RouteKey, Tunnel};
use vpls::{Event, Input, Output, PeConfig, PwEvent, PwId, PwService, PwSignal, TreeEvent, TreeRequest, VplsPe};

use memory::NodeMemory;
use node::{CORE, NodeIn, P};

/// How PEs reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Core {
    /// By LSPs.
    #[default]
    Lsp,
    /// By labels in GRE over IP (RFC 4023).
    Gre,
    /// Each pseudowire by an L2TPv3 session over IP (RFC 4719).
    L2tpv3,
    /// By LSPs, and pseudowires that the LDP of `p2mp-pw` signals and programs (RFC 8077).
    Ldp,
}

/// A frame that a customer got: PE, interface, octets.
pub type Delivered = (usize, u32, Vec<u8>);

/// The network.
pub type World = WorldIn<'static>;

/// The network in lent memory.
pub struct WorldIn<'m> {
    pub now: Instant,
    pub pes: Vec<NodeIn<'m>>,
    /// The P router: interface `i` leads to PE `i`.
    pub p: P<'m>,
    /// Routes that are advertised, by PE.
    routes: BTreeMap<(usize, RouteKey), (Nlri, RouteAttributes)>,
    /// LDP labels offered, by PE.
    offers: BTreeMap<(usize, PwId), (Label, bool, u16)>,
    /// Trees: root, label at the P router, leaves with their labels.
    trees: BTreeMap<Tunnel, Tree>,
    next_label: u32,
    next_group: u32,
    pub events: Vec<(usize, Event)>,
    pub faults: Vec<(usize, vpls::fault::FaultNotice)>,
    /// What became of probes.
    pub probes: Vec<(usize, vpls::probe::ProbeReport)>,
    /// Control frames of customers' protocols that went out to customers.
    pub control: Vec<Delivered>,
    /// Frames on the wire between PEs and the P router: (PE, towards the P router) to frames and octets.
    pub links: BTreeMap<(usize, bool), (u64, u64)>,
    /// UPDATEs sent, by PE.
    pub updates: Vec<usize>,
    /// PEs that are cut off, and leaves that a tree does not reach.
    pub cut: BTreeSet<usize>,
    pub broken: BTreeSet<(usize, usize)>,
    /// Frames that PEs sent into the core, where somebody asked for them.
    pub capture: Option<Vec<(usize, Vec<u8>)>>,
    /// What PEs send into the core gets no further.
    pub deaf: bool,
    /// mLDP at all routers; none: the P router grows trees by itself.
    pub mldp: Option<mldp::Trees>,
    core: Core,
    next_session: u32,
    /// LDP messages on their way: from, to.
    messages: VecDeque<(usize, usize, Message)>,
    /// Sessions to be set up when the ports that they deliver to are there.
    sessions: Vec<PendingSession>,
}

/// An L2TPv3 session that is to be set up at an end of it.
struct PendingSession {
    pe: usize,
    link: VlinkId,
    to: usize,
    /// As this end chose it, and as the other did.
    numbers: (u32, u32),
    port: PortId,
}

struct Tree {
    root: usize,
    label: u32,
    group: u32,
    leaves: BTreeMap<usize, u32>,
}

/// The address of a PE.
pub fn address(pe: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, u8::try_from(pe + 1).unwrap()))
}

/// The PE of an address.
pub fn pe_of(address: IpAddr) -> usize {
    let IpAddr::V4(address) = address else { panic!("no PE") };
    usize::from(address.octets()[3]) - 1
}

pub fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

impl World {
    /// PEs with `circuits` customer interfaces each, numbered from 1. Every PE can reach every other.
    pub fn new(pes: usize) -> Self {
        Self::with_core(pes, Core::Lsp)
    }

    /// As [`Self::new`], with another way between PEs.
    pub fn with_core(pes: usize, core: Core) -> Self {
        let memory = (0..=pes).map(|_| NodeMemory::leaked()).collect();
        Self::build(memory, core)
    }
}

impl<'m> WorldIn<'m> {
    /// As [`World::new`], in memory for each of the PEs and for the P router.
    pub fn in_memory(memory: &'m mut [NodeMemory]) -> Self {
        Self::build(memory.iter_mut().collect(), Core::Lsp)
    }

    fn build(memory: Vec<&'m mut NodeMemory>, core: Core) -> Self {
        let (pes, mut memory) = (memory.len() - 1, memory.into_iter());
        let router_id = |pe: usize| match address(pe) {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => unreachable!(),
        };
        let config = |pe: usize| {
            let mut config = PeConfig::new(router_id(pe));
            let base = 10_000 * (u32::try_from(pe).unwrap() + 1);
            config.labels = base..=base + 9000;
            config.tree_labels = 900_000 + base / 100..=900_000 + base / 100 + 99;
            config.ports = 0..=node::PORTS - 1;
            config.nhlfes = 0..=node::OUR_NHLFES - 1;
            config.groups = 0..=node::GROUPS - 65;
            config.policers = 0..=node::POLICERS - 1;
            config.limits.event_interval = Duration::ZERO;
            config.probe_channel = Some(vpls::probe::CHANNELS.start() + 2);
            config
        };
        let own = memory.next().unwrap();
        let node = |(pe, memory)| NodeIn::in_memory(memory, VplsPe::new(Instant::ZERO, config(pe)).unwrap(), pes);
        let mut world = Self {
            now: Instant::ZERO,
            pes: memory.enumerate().map(node).collect(),
            p: P::new(own, pes),
            routes: BTreeMap::new(),
            offers: BTreeMap::new(),
            trees: BTreeMap::new(),
            next_label: 500,
            next_group: 1,
            events: Vec::new(),
            faults: Vec::new(),
            probes: Vec::new(),
            control: Vec::new(),
            links: BTreeMap::new(),
            updates: vec![0; pes],
            cut: BTreeSet::new(),
            broken: BTreeSet::new(),
            capture: None,
            deaf: false,
            mldp: None,
            core,
            next_session: 0,
            messages: VecDeque::new(),
            sessions: Vec::new(),
        };
        if core == Core::Ldp {
            for pe in 0..pes {
                world.pes[pe].start_ldp(pe, pes);
            }
        }
        if matches!(core, Core::Gre | Core::L2tpv3) {
            for pe in 0..pes {
                world.p.route(pe, address(pe));
                world.pes[pe].local(address(pe));
            }
        }
        if core == Core::Gre {
            for from in 0..pes {
                for to in (0..pes).filter(|to| *to != from) {
                    world.pes[from].gre(to, address(from), address(to));
                }
            }
        }
        for from in 0..pes {
            for to in (0..pes).filter(|to| *to != from) {
                world.reach(from, to, true);
            }
        }
        world
    }

    /// Whether a PE has a way to another.
    pub fn reach(&mut self, from: usize, to: usize, up: bool) {
        let next = up.then_some(NextHop::Nhlfe(node::transport(to)));
        let input = Input::Transport { peer: address(to), next, mtu: 0 };
        self.pes[from].pe.handle_input(self.now, input);
        self.settle();
    }

    pub fn input(&mut self, pe: usize, input: Input<'_>) {
        self.pes[pe].pe.handle_input(self.now, input);
        self.settle();
    }

    /// Does something with a machine, and lets the network settle.
    pub fn with<T>(&mut self, pe: usize, act: impl FnOnce(&mut VplsPe, Instant) -> T) -> T {
        let done = act(&mut self.pes[pe].pe, self.now);
        self.settle();
        done
    }

    /// Carries outputs until there are none.
    pub fn settle(&mut self) {
        for turn in 0.. {
            assert!(turn < 10_000, "the network does not settle");
            let mut quiet = true;
            for pe in 0..self.pes.len() {
                while let Some(output) = self.pes[pe].pe.poll_output() {
                    quiet = false;
                    self.output(pe, output);
                }
            }
            if !quiet {
                continue;
            }
            if let Some(act) = self.mldp.as_mut().and_then(|trees| trees.poll(self.now)) {
                self.act(act);
                continue;
            }
            if let Some((from, to, message)) = self.messages.pop_front() {
                let peer = node::ldp_id(from);
                self.pes[to].pws_input(self.now, pw::Input::Message { peer, message: &message });
                self.ldp(to);
                continue;
            }
            let Some(PendingSession { pe, link, to, numbers, port }) = self.sessions.pop() else { return };
            self.pes[pe].l2tp(link, (address(pe), address(to)), numbers, port);
        }
    }

    /// What mLDP wants is done, and what depends on it before anything else.
    fn act(&mut self, act: mldp::Act) {
        match act {
            mldp::Act::Program(at, op) if at == self.pes.len() => self.p.apply(&op),
            mldp::Act::Program(at, op) => self.pes[at].apply(&op),
            mldp::Act::Tell(pe, event) => {
                self.pes[pe].pe.handle_input(self.now, Input::Tree(event));
                while let Some(output) = self.pes[pe].pe.poll_output() {
                    self.output(pe, output);
                }
            }
        }
    }

    /// Lets time pass: what is due in between is done when it is due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let of_trees = self.mldp.as_ref().and_then(mldp::Trees::next_timeout);
            let next = self.pes.iter().filter_map(NodeIn::next_timeout).chain(of_trees).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if let Some(trees) = &mut self.mldp {
                trees.handle_timeout(self.now);
            }
            for pe in 0..self.pes.len() {
                self.pes[pe].pe.handle_timeout(self.now);
                if let Some(pws) = &mut self.pes[pe].pws {
                    pws.handle_timeout(self.now);
                }
                self.ldp(pe);
            }
            self.settle();
        }
        self.now = end;
        for node in &mut self.pes {
            node.pe.handle_timeout(end);
            node.forwarder.set_now(end);
            node.forwarder.age(end, 1 << 20);
        }
        self.settle();
    }

    fn output(&mut self, pe: usize, output: Output) {
        match output {
            Output::Program(op) => self.pes[pe].apply(&op),
            Output::Advertise(nlri, attributes) => {
                self.updates[pe] += 1;
                self.routes.insert((pe, nlri.key()), (nlri, attributes.clone()));
                self.tell(pe, nlri, Some(&attributes));
            }
            Output::Withdraw(key, nlri) => {
                self.updates[pe] += 1;
                self.routes.remove(&(pe, key));
                self.tell(pe, nlri, None);
            }
            Output::Pw(signal) => self.signal(pe, signal),
            Output::MacWithdraw(message) if self.core == Core::Ldp => {
                let flush =
                    message.negative.then(|| MacFlush { flags: MacFlags::NEGATIVE, sub_tlvs: Default::default() });
                if let Some((pws, pw)) = self.pes[pe].pw_of(&message.id) {
                    pws.withdraw_macs(pw, message.macs, flush).unwrap();
                }
                self.ldp(pe);
            }
            Output::MacWithdraw(message) => {
                let to = pe_of(message.id.peer);
                let id = PwId { peer: address(pe), ..message.id };
                let input = Input::MacWithdraw { id, macs: &message.macs, negative: message.negative };
                self.pes[to].pe.handle_input(self.now, input);
            }
            Output::Tree(request) => self.tree(pe, request),
            Output::Frame { port, octets } => {
                let mut queue = VecDeque::new();
                let mut delivered = Vec::new();
                match self.pes[pe].send(port, &octets) {
                    node::Sent::Customer(iface, octets) => self.control.push((pe, iface, octets)),
                    node::Sent::Core(octets) => queue.push_back((pe, octets)),
                    node::Sent::Nowhere => {}
                }
                self.carry(&mut queue, &mut delivered);
                self.control.extend(delivered);
            }
            Output::Trace(request) => {
                let followed = request.follow(&self.pes[pe].forwarder);
                let traced = Input::Traced { trace: request.trace, exits: &followed.exits, verdict: followed.verdict };
                self.pes[pe].pe.handle_input(self.now, traced);
                self.transmit(pe, followed.packets);
            }
            Output::Channel { port, octets } => {
                let packet = vpls::probe::leave(&self.pes[pe].forwarder, port, &octets);
                self.transmit(pe, packet);
            }
            Output::Probe(report) => self.probes.push((pe, report)),
            Output::Fault(notice) => self.faults.push((pe, notice)),
            Output::Event(event) => self.events.push((pe, event)),
        }
    }

    /// Packets of a PE's own go into the core.
    fn transmit(&mut self, pe: usize, packets: impl IntoIterator<Item = (IfIndex, Vec<u8>)>) {
        let mut queue: VecDeque<_> = packets
            .into_iter()
            .map(|(iface, packet)| {
                assert_eq!(iface, CORE);
                (pe, packet)
            })
            .collect();
        let mut delivered = Vec::new();
        self.carry(&mut queue, &mut delivered);
        assert_eq!(delivered, [], "a message of a channel reached a customer");
    }

    fn tell(&mut self, from: usize, nlri: Nlri, attributes: Option<&RouteAttributes>) {
        for to in (0..self.pes.len()).filter(|to| *to != from && !self.cut.contains(to) && !self.cut.contains(&from)) {
            let input = Input::Route { nlri, attributes: attributes.cloned() };
            self.pes[to].pe.handle_input(self.now, input);
        }
    }

    /// Cuts a PE off from everything, as if its links were cut: routes of it are withdrawn, ways to it are gone.
    pub fn cut_off(&mut self, pe: usize) {
        let routes: Vec<Nlri> =
            self.routes.iter().filter(|((of, _), _)| *of == pe).map(|(_, (nlri, _))| *nlri).collect();
        for to in (0..self.pes.len()).filter(|to| *to != pe) {
            for nlri in &routes {
                self.pes[to].pe.handle_input(self.now, Input::Route { nlri: *nlri, attributes: None });
            }
            let gone = Input::Transport { peer: address(pe), next: None, mtu: 0 };
            self.pes[to].pe.handle_input(self.now, gone);
            let offers: Vec<PwId> = self
                .offers
                .keys()
                .filter(|(of, id)| *of == pe && pe_of(id.peer) == to)
                .map(|(_, id)| id.clone())
                .collect();
            for id in offers {
                let id = PwId { peer: address(pe), ..id };
                self.pes[to].pe.handle_input(self.now, Input::Pw { id, event: PwEvent::Withdrawn });
            }
        }
        self.cut.insert(pe);
        self.settle();
    }

    /// What the LDP side of a PE wants.
    fn ldp(&mut self, pe: usize) {
        while let Some(output) = self.pes[pe].pws.as_mut().and_then(pw::Pws::poll_output) {
            let of = |pw| self.pes[pe].pw_ids.iter().find(|(_, known)| **known == pw).map(|(id, _)| id.clone());
            let told = match output {
                pw::Output::Message { peer, message } => {
                    self.messages.push_back((pe, pe_of(peer.lsr.into()), message));
                    None
                }
                pw::Output::Program(op) => {
                    self.pes[pe].apply(&op);
                    None
                }
                pw::Output::Up { pw, forwarding } => of(pw).map(|id| {
                    let next = NextHop::Nhlfe(forwarding.nhlfe);
                    let pw::PwForwarding { control_word, flow_label, .. } = forwarding;
                    (id, PwEvent::Session { next, control_word, flow_label, mtu: 0 })
                }),
                pw::Output::Down { pw } => of(pw).map(|id| (id, PwEvent::Withdrawn)),
                pw::Output::MacWithdraw { pw, macs, flush } => {
                    if let Some(id) = of(pw) {
                        let negative = flush.is_some_and(|flush| flush.flags.contains(MacFlags::NEGATIVE));
                        self.pes[pe].pe.handle_input(self.now, Input::MacWithdraw { id, macs: &macs, negative });
                    }
                    None
                }
                pw::Output::Event(pw::Event::RemoteStatus { pw, status }) => {
                    of(pw).map(|id| (id, PwEvent::Status(status)))
                }
                pw::Output::Event(_) => None,
            };
            if let Some((id, event)) = told {
                self.pes[pe].pe.handle_input(self.now, Input::Pw { id, event });
                // The port is there before labels lead to it.
                while let Some(output) = self.pes[pe].pe.poll_output() {
                    self.output(pe, output);
                }
            }
        }
    }

    fn signal(&mut self, pe: usize, signal: PwSignal) {
        if self.core == Core::Ldp {
            self.pes[pe].ldp_signal(self.now, signal);
            return self.ldp(pe);
        }
        match signal {
            PwSignal::Request { id, label, mtu, control_word, .. } if self.core == Core::L2tpv3 => {
                let to = pe_of(id.peer);
                let theirs = PwId { peer: address(pe), ..id.clone() };
                self.offers.insert((pe, id.clone()), (label, control_word, mtu));
                if self.offers.contains_key(&(to, theirs.clone())) {
                    self.session((pe, id), (to, theirs), mtu);
                }
            }
            PwSignal::Request { id, label, mtu, control_word, .. } => {
                let to = pe_of(id.peer);
                let theirs = PwId { peer: address(pe), ..id.clone() };
                self.offers.insert((pe, id.clone()), (label, control_word, mtu));
                let mapping = |(label, control_word, mtu)| PwEvent::Mapping {
                    label,
                    control_word,
                    flow_label: FlowLabels::BOTH,
                    mtu,
                };
                if let Some(offer) = self.offers.get(&(to, theirs.clone())).copied() {
                    let ours = self.offers[&(pe, id.clone())];
                    let both = (label, control_word && offer.1, ours.2);
                    let event = mapping((offer.0, control_word && offer.1, offer.2));
                    self.pes[pe].pe.handle_input(self.now, Input::Pw { id, event });
                    self.pes[to].pe.handle_input(self.now, Input::Pw { id: theirs, event: mapping(both) });
                }
            }
            PwSignal::Status { id, status } => {
                let to = pe_of(id.peer);
                let theirs = PwId { peer: address(pe), ..id };
                self.pes[to].pe.handle_input(self.now, Input::Pw { id: theirs, event: PwEvent::Status(status) });
            }
            PwSignal::Release { id } => {
                let to = pe_of(id.peer);
                self.offers.remove(&(pe, id.clone()));
                let theirs = PwId { peer: address(pe), ..id };
                self.pes[to].pe.handle_input(self.now, Input::Pw { id: theirs, event: PwEvent::Withdrawn });
            }
        }
    }

    /// An L2TPv3 session between two ends of a pseudowire: each chooses a number, and learns the other's.
    fn session(&mut self, a: (usize, PwId), b: (usize, PwId), mtu: u16) {
        self.next_session += 2;
        let (first, second) = (self.next_session - 1, self.next_session);
        for ((pe, id), (to, _), own, other) in [(&a, &b, first, second), (&b, &a, second, first)] {
            let of = |(found, _, port)| (found == *id).then_some(port);
            let port = self.pes[*pe].pe.pseudowires(id.vsi).find_map(of).unwrap();
            let vlink = self.pes[*pe].reserve();
            self.sessions.push(PendingSession { pe: *pe, link: vlink, to: *to, numbers: (own, other), port });
            let next = NextHop::Vlink(vlink);
            let event = PwEvent::Session { next, control_word: false, flow_label: FlowLabels::NONE, mtu };
            self.pes[*pe].pe.handle_input(self.now, Input::Pw { id: id.clone(), event });
        }
    }

    fn tree(&mut self, pe: usize, request: TreeRequest) {
        if let Some(trees) = &mut self.mldp {
            return trees.request(self.now, pe, request);
        }
        match request {
            TreeRequest::Root { tunnel, .. } => {
                self.next_label += 1;
                self.next_group += 1;
                let (label, group) = (self.next_label, self.next_group);
                self.p.group(group);
                let known = self.trees.insert(tunnel.clone(), Tree { root: pe, label, group, leaves: BTreeMap::new() });
                for leaf in known.into_iter().flat_map(|tree| tree.leaves) {
                    self.graft(&tunnel, leaf.0, leaf.1);
                }
            }
            TreeRequest::Unroot { tunnel } => drop(self.trees.remove(&tunnel)),
            TreeRequest::Join { tunnel, deliver } => {
                let root = match &tunnel {
                    Tunnel::MldpP2mp { root, .. } => pe_of(*root),
                    // A stub for RSVP-TE: the leaves that ask are those that the root signals to.
                    Tunnel::RsvpTeP2mp { extended_tunnel_id, .. } => pe_of((*extended_tunnel_id).into()),
                    other => panic!("{other:?}"),
                };
                self.next_label += 1;
                let fresh = self.next_label;
                let tree = self.trees.entry(tunnel.clone()).or_insert(Tree {
                    root,
                    label: 0,
                    group: 0,
                    leaves: BTreeMap::new(),
                });
                let leaf_label = *tree.leaves.entry(pe).or_insert(fresh);
                let action = deliver.map_or(IlmAction::PopLookup(VrfId::GLOBAL), IlmAction::Bridge);
                let ilm = Ilm { action, model: TunnelModel::Pipe };
                self.pes[pe].apply(&FwdOp::SetIlm { label: label(leaf_label), ilm });
                self.graft(&tunnel, pe, leaf_label);
            }
            TreeRequest::Leave { tunnel } => {
                let Some(tree) = self.trees.get_mut(&tunnel) else { return };
                if let Some(old) = tree.leaves.remove(&pe) {
                    self.pes[pe].apply(&FwdOp::ClearIlm { label: label(old) });
                }
                let (root, group, is_empty) = (tree.root, tree.group, tree.leaves.is_empty());
                self.p.prune(group, pe);
                if is_empty {
                    let event = TreeEvent::Branches { tunnel, entries: Vec::new() };
                    self.pes[root].pe.handle_input(self.now, Input::Tree(event));
                }
            }
        }
    }

    /// The P router grows the tree to a leaf, and tells the root that it carries.
    fn graft(&mut self, tunnel: &Tunnel, leaf: usize, leaf_label: u32) {
        let Some(tree) = self.trees.get(tunnel).filter(|tree| tree.group != 0) else { return };
        self.p.graft(tree.label, tree.group, leaf, leaf_label);
        let (root, tree_label) = (tree.root, tree.label);
        let entry = self.pes[root].branch(tree_label);
        let event = TreeEvent::Branches { tunnel: tunnel.clone(), entries: vec![entry] };
        self.pes[root].pe.handle_input(self.now, Input::Tree(event));
    }

    /// Every tree of a root loses a leaf, or gets it back: what P2MP BFD would say.
    pub fn break_branch(&mut self, root: usize, leaf: usize, broken: bool) {
        let of_root: Vec<(Tunnel, u32, u32, Option<u32>)> = self
            .trees
            .iter()
            .filter(|(_, tree)| tree.root == root)
            .map(|(tunnel, tree)| (tunnel.clone(), tree.label, tree.group, tree.leaves.get(&leaf).copied()))
            .collect();
        for (tunnel, tree_label, group, leaf_label) in of_root {
            match (broken, leaf_label) {
                (true, _) => self.p.prune(group, leaf),
                (false, Some(leaf_label)) => self.p.graft(tree_label, group, leaf, leaf_label),
                (false, None) => {}
            }
            let event = TreeEvent::Leaf { tunnel, leaf: address(leaf), reached: !broken };
            self.pes[root].pe.handle_input(self.now, Input::Tree(event));
        }
        self.settle();
    }

    /// Every tree of a root loses a leaf, and nobody is told.
    pub fn silence(&mut self, root: usize, leaf: usize) {
        for tree in self.trees.values().filter(|tree| tree.root == root) {
            self.p.prune(tree.group, leaf);
        }
    }

    /// A customer sends a frame: what customers get. Control frames are handled by machines on the way.
    pub fn send(&mut self, pe: usize, iface: u32, octets: &[u8]) -> Vec<Delivered> {
        let mut queue = VecDeque::new();
        let mut delivered = Vec::new();
        self.forward(pe, IfIndex(iface), octets, &mut queue, &mut delivered);
        self.carry(&mut queue, &mut delivered);
        self.settle();
        delivered
    }

    /// As [`Self::send`], by PE and interface alone.
    pub fn reached(&mut self, pe: usize, iface: u32, octets: &[u8]) -> Vec<(usize, u32)> {
        let mut to: Vec<(usize, u32)> =
            self.send(pe, iface, octets).into_iter().map(|(pe, iface, _)| (pe, iface)).collect();
        to.sort_unstable();
        to
    }

    /// Carries frames that left PEs through the core.
    fn carry(&mut self, queue: &mut VecDeque<(usize, Vec<u8>)>, delivered: &mut Vec<Delivered>) {
        while let Some((from, octets)) = queue.pop_front() {
            if self.cut.contains(&from) {
                continue;
            }
            self.count(from, true, octets.len());
            if let Some(capture) = &mut self.capture {
                capture.push((from, octets.clone()));
            }
            if self.deaf {
                continue;
            }
            for (to, octets) in self.p.forward(from, &octets) {
                if !self.cut.contains(&to) {
                    self.count(to, false, octets.len());
                    self.forward(to, CORE, &octets, queue, delivered);
                }
            }
        }
    }

    fn count(&mut self, pe: usize, up: bool, octets: usize) {
        let (frames, sum) = self.links.entry((pe, up)).or_default();
        *frames += 1;
        *sum += octets as u64;
    }

    fn forward(
        &mut self,
        pe: usize,
        iface: IfIndex,
        octets: &[u8],
        queue: &mut VecDeque<(usize, Vec<u8>)>,
        delivered: &mut Vec<Delivered>,
    ) {
        let mut sent = Vec::new();
        let node = &mut self.pes[pe];
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        match node.forwarder.forward(&mut frame, iface) {
            Verdict::Transmit { iface, .. } => sent.push((iface, frame.octets().to_vec())),
            Verdict::Replicate(replication) => {
                let mut copies = node.forwarder.copies(&frame, replication);
                while let Some(replica) = copies.next() {
                    if let Replica::Transmit { iface, front, payload, .. } = replica {
                        sent.push((iface, [front, &frame.octets()[payload]].concat()));
                    }
                }
            }
            Verdict::PuntFrame { reason: PuntReason::PseudowireControl, port, offset } => {
                let octets = &frame.octets()[offset..];
                node.pe.handle_input(self.now, Input::Channel { port, octets });
            }
            Verdict::PuntFrame { port, offset, .. } => {
                let customer = node.customer_frame(port, &frame.octets()[offset..]);
                node.pe.handle_input(self.now, Input::Frame { port, octets: &customer });
            }
            Verdict::Drop(reason) => *node.drops.entry(reason).or_default() += 1,
            Verdict::Punt { .. } | Verdict::Protect { .. } => {}
        }
        for (iface, octets) in sent {
            if iface == CORE {
                queue.push_back((pe, octets));
            } else {
                delivered.push((pe, iface.0, octets));
            }
        }
    }

    /// Events of a PE of a kind.
    pub fn has_event(&self, pe: usize, is: impl Fn(&vpls::EventKind) -> bool) -> bool {
        self.events.iter().any(|(of, event)| *of == pe && is(&event.kind))
    }

    /// Pseudowires of a PE that carry.
    pub fn up(&self, pe: usize, vsi: VsiId) -> Vec<(usize, PwService)> {
        let all = self.pes[pe].pe.pseudowires(vsi);
        all.filter(|(_, state, _)| *state == vpls::oam::PwState::Up)
            .map(|(id, ..)| (pe_of(id.peer), id.service))
            .collect()
    }
}
