//! Routers with mLDP, P2MP pseudowires and a forwarding plane; messages arrive in the order in which they were sent, at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use fwd_core::net::*;
use fwd_core::op::{FwdOp, Interface, NextHop};
use fwd_core::table::*;
use fwd_core::time::Instant;
use fwd_core::{Forwarder, Frame, Replica, Verdict};
use p2mp_pw::ldp::fec::PmsiTunnel;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, TlvType};
use p2mp_pw::mldp::{self, Candidate, Deliver, GroupRange, Mldp, MldpConfig, Route, TreeFec, TreeId};
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig};
use p2mp_pw::p2mp::root::{self, Root, RootConfig, TunnelRef};
use p2mp_pw::p2mp::{PortRange, SpaceRange};

/// The customers' interface of every PE.
pub const AC: IfIndex = IfIndex(30);

/// A router.
pub struct Router {
    pub mldp: Mldp,
    pub root: Root,
    pub leaf: Leaf,
    pub fwd: Forwarder<'static>,
    opened: BTreeMap<TreeId, TunnelRef>,
    joined: BTreeMap<TreeId, PmsiTunnel>,
}

/// A message under way, and of which kind of session.
enum Wire {
    Link(usize, usize, Message),
    Targeted(usize, usize, Message),
}

/// The network.
pub struct Network {
    pub now: Instant,
    pub routers: Vec<Router>,
    links: Vec<(usize, usize)>,
    dead: BTreeSet<usize>,
    targeted: BTreeSet<(usize, usize)>,
    wire: VecDeque<Wire>,
    negotiated: Negotiated,
    /// Frames on links with the last frame of a customer.
    pub on_links: u32,
}

pub fn id(n: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(192, 0, 2, n as u8 + 1))
}

pub fn address(n: usize) -> IpAddr {
    id(n).lsr.into()
}

const fn mac(n: usize) -> Mac {
    Mac([2, 0, 0, 0, 0, n as u8 + 1])
}

fn number(id: LdpId) -> usize {
    usize::from(id.lsr.octets()[3]).saturating_sub(1)
}

fn label(value: u32) -> Label {
    Label::from_low_bits(value)
}

fn forwarder() -> Result<Forwarder<'static>> {
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 1].leak(),
        routes: vec![ExactSlot::EMPTY; 64].leak(),
        groups: vec![ReplicationSlot::EMPTY; 200].leak(),
        legs: vec![LegSlot::EMPTY; 400].leak(),
        ..MulticastMemory::default()
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 5].leak(),
        vsi_states: vec![VsiState::EMPTY; 4].leak(),
        ports: vec![PortSlot::EMPTY; 65].leak(),
        port_states: vec![PortState::EMPTY; 64].leak(),
        circuits: vec![CircuitSlot::EMPTY; 32].leak(),
        macs: vec![MacBucket::EMPTY; 16].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 33].leak(),
        vrfs: vec![VrfSlot::EMPTY; 1].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 401].leak(),
        ilm: vec![IlmSlot::EMPTY; 1000].leak(),
        multicast,
        bridge,
        ..Memory::default()
    };
    Forwarder::new(memory, CounterMemory::default()).map_err(|error| anyhow!("{error}"))
}

impl Network {
    /// Routers and links, all up.
    pub fn new(routers: usize, links: &[(usize, usize)]) -> Result<Self> {
        let now = Instant::from_secs(1);
        let labels = |first, last| LabelRange { first: label(first), last: label(last) };
        let nhlfes = |first, last| NhlfeRange { first: NhlfeId(first), last: NhlfeId(last) };
        let groups = |first, last| GroupRange { first: ReplicationId(first), last: ReplicationId(last) };
        let ports = |first, last| PortRange { first: PortId(first), last: PortId(last) };
        let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(9) };
        let mldp = |n| MldpConfig::new(vec![address(n)], labels(16, 499), nhlfes(0, 99), groups(0, 49));
        let mut capabilities = mldp(0).capabilities();
        let p2mp_pw = Capability { advertised: true, data: [0_u8].as_slice().into() };
        capabilities.push((TlvType::P2MP_PW_CAPABILITY, p2mp_pw));
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(60),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities,
            graceful_restart: None,
        };
        let router = |n| -> Result<Router> {
            let root = RootConfig::new(labels(500, 999), nhlfes(100, 199), ports(0, 31), groups(50, 99));
            let leaf = LeafConfig::new(nhlfes(200, 299), ports(32, 63), groups(100, 149), spaces);
            let mut fwd = forwarder()?;
            let ifaces = links.iter().enumerate().filter(|(_, l)| l.0 == n || l.1 == n).map(|(i, _)| i as u32);
            for iface in ifaces.chain([AC.0]).map(IfIndex) {
                let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(n), mtu: 1600, mpls: iface != AC };
                fwd.apply(&FwdOp::SetInterface { iface, interface })?;
            }
            let (root, leaf) = (Root::new(now, root)?, Leaf::new(now, leaf)?);
            let (opened, joined) = (BTreeMap::new(), BTreeMap::new());
            Ok(Router { mldp: Mldp::new(now, mldp(n))?, root, leaf, fwd, opened, joined })
        };
        let routers = (0..routers).map(router).collect::<Result<Vec<_>>>()?;
        let (dead, targeted, wire) = (BTreeSet::new(), BTreeSet::new(), VecDeque::new());
        let mut net = Self { now, routers, links: links.to_vec(), dead, targeted, wire, negotiated, on_links: 0 };
        for (i, &(a, b)) in links.iter().enumerate() {
            for (n, peer) in [(a, b), (b, a)] {
                let next = Some(NextHop::Neighbor { iface: IfIndex(i as u32), mac: mac(peer) });
                let router = &mut net.routers[n].mldp;
                router.handle_input(now, mldp::Input::Reach { peer: id(peer), next, mtu: 1600 });
                let negotiated = &net.negotiated;
                router.handle_input(now, mldp::Input::PeerUp { peer: id(peer), negotiated });
            }
        }
        net.routes();
        net.settle()?;
        Ok(net)
    }

    /// Every router learns its routes to all others: links count the same.
    fn routes(&mut self) {
        let now = self.now;
        for root in 0..self.routers.len() {
            let mut far = vec![u32::MAX; self.routers.len()];
            let mut todo = VecDeque::new();
            if !self.dead.contains(&root) {
                far[root] = 0;
                todo.push_back(root);
            }
            while let Some(n) = todo.pop_front() {
                for &(a, b) in &self.links {
                    for (x, y) in [(a, b), (b, a)] {
                        if x == n && far[y] == u32::MAX && !self.dead.contains(&y) {
                            far[y] = far[n] + 1;
                            todo.push_back(y);
                        }
                    }
                }
            }
            for n in (0..self.routers.len()).filter(|n| *n != root) {
                let ends = self.links.iter().filter_map(|&(a, b)| (a == n).then_some(b).or((b == n).then_some(a)));
                let nearer = ends.filter(|y| far[n] != u32::MAX && far[*y].checked_add(1) == Some(far[n]));
                let candidates: Vec<_> = nearer.map(|y| Candidate { address: address(y), peer: id(y) }).collect();
                let route = (!candidates.is_empty()).then_some(Route::Paths { candidates, metric: far[n] });
                self.routers[n].mldp.handle_input(now, mldp::Input::Route { root: address(root), route });
            }
        }
    }

    /// A targeted session between a root and a leaf comes up.
    pub fn target(&mut self, r: usize, l: usize) -> Result<()> {
        self.targeted.insert((r, l));
        let (now, negotiated) = (self.now, &self.negotiated);
        self.routers[r].root.handle_input(now, root::Input::PeerUp { peer: id(l), negotiated });
        self.routers[l].leaf.handle_input(now, leaf::Input::PeerUp { peer: id(r), negotiated });
        self.settle()
    }

    /// A router dies: its neighbours and its targeted peers notice, and routes follow.
    pub fn kill(&mut self, dead: usize) -> Result<()> {
        self.dead.insert(dead);
        let now = self.now;
        for (a, b) in self.links.clone() {
            let Some(n) = (a == dead).then_some(b).or((b == dead).then_some(a)) else { continue };
            self.routers[n].mldp.handle_input(now, mldp::Input::PeerDown { peer: id(dead), retain: None });
        }
        for (r, l) in self.targeted.clone() {
            if l == dead {
                self.routers[r].root.handle_input(now, root::Input::PeerDown { peer: id(l) });
            } else if r == dead {
                self.routers[l].leaf.handle_input(now, leaf::Input::PeerDown { peer: id(r) });
            }
        }
        self.routes();
        self.settle()
    }

    /// Opens a tree of a router as a tunnel of its root.
    pub fn open(&mut self, r: usize, lsp: u32) -> Result<(TunnelRef, PmsiTunnel)> {
        let fec = TreeFec::p2mp(address(r), lsp);
        let tree = self.routers[r].mldp.open(self.now, fec.clone())?;
        self.routers[r].opened.insert(tree, TunnelRef(lsp.into()));
        self.settle()?;
        Ok((TunnelRef(lsp.into()), PmsiTunnel::MldpP2mp(fec.down())))
    }

    /// Time passes.
    pub fn run(&mut self, time: Duration) -> Result<()> {
        let end = self.now + time;
        loop {
            let due = |r: &Router| [r.mldp.next_timeout(), r.root.next_timeout(), r.leaf.next_timeout()];
            let next = self.routers.iter().flat_map(due).flatten().min().filter(|at| *at <= end);
            self.now = next.unwrap_or(end);
            let Some(now) = next else { return self.settle() };
            for router in &mut self.routers {
                router.mldp.handle_timeout(now);
                router.root.handle_timeout(now);
                router.leaf.handle_timeout(now);
            }
            self.settle()?;
        }
    }

    /// Carries out what all say until nobody says anything more.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            let mut idle = true;
            for n in 0..self.routers.len() {
                idle &= !self.outputs(n)?;
            }
            let Some(wire) = self.wire.pop_front() else { if idle { return Ok(()) } else { continue } };
            let now = self.now;
            match wire {
                Wire::Link(from, to, _) | Wire::Targeted(from, to, _)
                    if self.dead.contains(&from) || self.dead.contains(&to) => {}
                Wire::Link(from, to, message) => {
                    let input = mldp::Input::Message { peer: id(from), message: &message };
                    self.routers[to].mldp.handle_input(now, input);
                }
                Wire::Targeted(from, to, message) => {
                    let (peer, message) = (id(from), &message);
                    self.routers[to].root.handle_input(now, root::Input::Message { peer, message });
                    self.routers[to].leaf.handle_input(now, leaf::Input::Message { peer, message });
                }
            }
        }
    }

    fn outputs(&mut self, n: usize) -> Result<bool> {
        let (now, mut any) = (self.now, false);
        while let Some(output) = self.routers[n].mldp.poll_output() {
            any = true;
            match output {
                mldp::Output::Message { peer, message } => {
                    self.wire.push_back(Wire::Link(n, number(peer), on_the_wire(n, message)?));
                }
                mldp::Output::Program(op) => self.routers[n].fwd.apply(&op)?,
                mldp::Output::Event(event) => self.routers[n].tree_event(now, event),
            }
        }
        while let Some(output) = self.routers[n].root.poll_output() {
            any = true;
            match output {
                root::Output::Message { peer, message } => {
                    self.wire.push_back(Wire::Targeted(n, number(peer), on_the_wire(n, message)?));
                }
                root::Output::Program(op) => self.routers[n].fwd.apply(&op)?,
                root::Output::Event(_) => {}
            }
        }
        while let Some(output) = self.routers[n].leaf.poll_output() {
            any = true;
            match output {
                leaf::Output::Message { peer, message } => {
                    self.wire.push_back(Wire::Targeted(n, number(peer), on_the_wire(n, message)?));
                }
                leaf::Output::Program(op) => self.routers[n].fwd.apply(&op)?,
                leaf::Output::Event(_) => {}
                leaf::Output::Join { tunnel, space } => {
                    let PmsiTunnel::MldpP2mp(fec) = &tunnel else { continue };
                    let tree = self.routers[n].mldp.join(now, TreeFec::of(fec).0, Deliver::Context(space))?;
                    self.routers[n].joined.insert(tree, tunnel);
                }
                leaf::Output::Leave { tunnel } => {
                    let router = &mut self.routers[n];
                    let tree = router.joined.iter().find(|(_, t)| **t == tunnel).map(|(tree, _)| *tree);
                    if let Some(tree) = tree {
                        router.joined.remove(&tree);
                        router.mldp.leave(now, tree);
                    }
                }
            }
        }
        Ok(any)
    }

    /// A customer's frame at a PE: at which PEs' customers it comes out, each as often as it does. It comes out as it was.
    pub fn frame(&mut self, n: usize) -> Result<Vec<usize>> {
        let frame = [&[2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 9, 1, 0x88, 0xb5][..], &[0x5a; 86]].concat();
        let (mut out, mut todo) = (Vec::new(), vec![(n, AC, frame.clone())]);
        self.on_links = 0;
        while let Some((n, iface, octets)) = todo.pop() {
            if self.dead.contains(&n) {
                continue;
            }
            for (iface, octets) in self.routers[n].transmit(iface, &octets)? {
                if iface == AC {
                    ensure!(octets == frame, "a frame was changed on the way");
                    out.push(n);
                } else {
                    let (a, b) = self.links[iface.0 as usize];
                    self.on_links += 1;
                    todo.push((if a == n { b } else { a }, iface, octets));
                }
            }
        }
        out.sort_unstable();
        Ok(out)
    }
}

/// A message as it is after it was written and read.
fn on_the_wire(from: usize, message: Message) -> Result<Message> {
    let mut octets = Vec::new();
    Pdu::emit(id(from), &[message], &mut octets);
    let pdu = Pdu::parse(&octets).map_err(|fault| anyhow!("{fault:?}"))?;
    let raw = pdu.messages().next().ok_or_else(|| anyhow!("an empty PDU"))?.map_err(|fault| anyhow!("{fault:?}"))?;
    raw.parse().map_err(|fault| anyhow!("{fault:?}"))
}

impl Router {
    fn tree_event(&mut self, now: Instant, event: mldp::Event) {
        match event {
            mldp::Event::LegUp { tree, leg, nhlfe, .. } => {
                if let Some(&tunnel) = self.opened.get(&tree) {
                    self.root.handle_input(now, root::Input::LegUp { tunnel, leg, nhlfe });
                }
            }
            mldp::Event::LegDown { tree, leg } => {
                if let Some(&tunnel) = self.opened.get(&tree) {
                    self.root.handle_input(now, root::Input::LegDown { tunnel, leg });
                }
            }
            mldp::Event::TreeUp { tree } | mldp::Event::TreeDown { tree } => {
                let up = matches!(event, mldp::Event::TreeUp { .. });
                if let Some(tunnel) = self.joined.get(&tree) {
                    self.leaf.handle_input(now, leaf::Input::Tunnel { tunnel, up });
                }
            }
            _ => {}
        }
    }

    fn transmit(&mut self, iface: IfIndex, octets: &[u8]) -> Result<Vec<(IfIndex, Vec<u8>)>> {
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len());
        let mut frame = frame.ok_or_else(|| anyhow!("a frame without room"))?;
        let mut sent = Vec::new();
        match self.fwd.forward(&mut frame, iface) {
            Verdict::Transmit { iface, .. } => sent.push((iface, frame.octets().to_vec())),
            Verdict::Replicate(replication) => {
                let mut copies = self.fwd.copies(&frame, replication);
                while let Some(replica) = copies.next() {
                    if let Replica::Transmit { iface, front, payload, .. } = replica {
                        sent.push((iface, [front, &frame.octets()[payload]].concat()));
                    }
                }
            }
            _ => {}
        }
        Ok(sent)
    }
}
