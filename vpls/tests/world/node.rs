//! The routers of the [`World`](super::World): a PE's forwarding plane with what was programmed into it, and the P router.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use fwd_core::wire::l2tpv3::Cookie;
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};
use fwd_core::{DropReason, Forwarder, Frame, Replica, Verdict};
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::pw::{self, PwAttachment, PwConfig, PwIndex, PwName, Pws, PwsConfig};
use vpls::{PwId, PwService, PwSignal, VplsPe};

use super::memory::NodeMemory;
use super::{address, label};

/// The interface of a PE towards the P router. Those of customers are 1 to 63.
pub const CORE: IfIndex = IfIndex(0);
pub const IFACES: u32 = 64;
pub const PORTS: u32 = 512;
/// Entries of the machine; those of the network follow.
pub const OUR_NHLFES: u32 = 1024;
pub const NHLFES: u32 = 1600;
/// Entries towards the P router, of IP.
const IP_NEXT: NhlfeId = NhlfeId(NHLFES - 1);
pub const VLINKS: u32 = 64;
pub const GROUPS: u32 = 2048;
pub const POLICERS: u32 = 64;
pub const VSIS: usize = 32;

pub const PE_MAC: Mac = Mac([2, 0, 0, 0, 1, 0]);
pub const P_MAC: Mac = Mac([2, 0, 0, 0, 2, 0]);

/// The entry that leads to a PE.
pub fn transport(to: usize) -> NhlfeId {
    NhlfeId(OUR_NHLFES + u32::try_from(to).unwrap())
}

/// The label of the LSP to a PE.
fn lsp(to: usize) -> Label {
    label(16 + u32::try_from(to).unwrap())
}

/// The LDP identifier of a PE.
pub fn ldp_id(pe: usize) -> LdpId {
    let IpAddr::V4(lsr) = address(pe) else { unreachable!() };
    LdpId::platform(lsr)
}

/// A PE.
pub type Node = NodeIn<'static>;

/// A PE whose tables are in lent memory.
pub struct NodeIn<'m> {
    pub pe: VplsPe,
    pub forwarder: Forwarder<'m>,
    pub ports: BTreeMap<PortId, BridgePort>,
    nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    branches: BTreeMap<u32, NhlfeId>,
    pub drops: HashMap<DropReason, u64>,
    pub ops: u64,
    /// Pseudowires that LDP signals, and their names here.
    pub pws: Option<Pws>,
    pub pw_ids: BTreeMap<PwId, PwIndex>,
    vlinks: u32,
    /// Virtual links, and the number that the other end chose.
    links: BTreeMap<VlinkId, (Vlink, Option<u32>)>,
}

/// Where a frame of the machine's goes.
pub enum Sent {
    Customer(u32, Vec<u8>),
    Core(Vec<u8>),
    Nowhere,
}

impl Node {
    pub fn new(pe: VplsPe, pes: usize) -> Self {
        Self::in_memory(NodeMemory::leaked(), pe, pes)
    }
}

impl<'m> NodeIn<'m> {
    pub fn in_memory(memory: &'m mut NodeMemory, pe: VplsPe, pes: usize) -> Self {
        let mut node = Self {
            pe,
            forwarder: memory.forwarder(7),
            ports: BTreeMap::new(),
            nhlfes: BTreeMap::new(),
            branches: BTreeMap::new(),
            drops: HashMap::new(),
            ops: 0,
            pws: None,
            pw_ids: BTreeMap::new(),
            vlinks: 0,
            links: BTreeMap::new(),
        };
        for n in 0..IFACES {
            let interface = Interface { vrf: VrfId::GLOBAL, mac: PE_MAC, mtu: 9200, mpls: n == CORE.0 };
            node.apply(&FwdOp::SetInterface { iface: IfIndex(n), interface });
        }
        for to in 0..pes {
            node.entry(transport(to), lsp(to));
        }
        node
    }

    fn entry(&mut self, id: NhlfeId, push: Label) {
        let next = NextHop::Neighbor { iface: CORE, mac: P_MAC };
        let nhlfe = Nhlfe { push: LabelStack::single(push), next, model: TunnelModel::Pipe };
        self.apply(&FwdOp::SetNhlfe { id, nhlfe });
    }

    /// LDP for pseudowires, with sessions to all other PEs that are up.
    pub fn start_ldp(&mut self, pe: usize, pes: usize) {
        let base = 200_000 + 1000 * u32::try_from(pe).unwrap();
        let labels = LabelRange { first: label(base), last: label(base + 999) };
        let nhlfes = NhlfeRange { first: NhlfeId(1300), last: NhlfeId(1500) };
        let mut pws = Pws::new(Instant::ZERO, PwsConfig::new(address(pe), labels, nhlfes)).unwrap();
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(180),
            max_pdu_length: 4096,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: Vec::new(),
            graceful_restart: None,
        };
        for to in (0..pes).filter(|to| *to != pe) {
            let peer = ldp_id(to);
            pws.handle_input(Instant::ZERO, pw::Input::PeerUp { peer, negotiated: &negotiated });
            pws.handle_input(Instant::ZERO, pw::Input::Transport { peer, nhlfe: Some(transport(to)) });
        }
        self.pws = Some(pws);
    }

    pub fn pws_input(&mut self, now: Instant, input: pw::Input<'_>) {
        self.pws.as_mut().unwrap().handle_input(now, input);
    }

    /// A pseudowire of the LDP side.
    pub fn pw_of(&mut self, id: &PwId) -> Option<(&mut Pws, PwIndex)> {
        Some((self.pws.as_mut()?, *self.pw_ids.get(id)?))
    }

    /// What the machine wants of LDP, said to it in its words.
    pub fn ldp_signal(&mut self, now: Instant, signal: PwSignal) {
        match signal {
            PwSignal::Request { id, ends, mtu, control_word, .. } => {
                let of = |(found, _, port)| (found == id).then_some(port);
                let port = self.pe.pseudowires(id.vsi).find_map(of).unwrap();
                let name = match (ends, &id.service) {
                    (Some(ends), _) => PwName::Ends(ends),
                    (None, PwService::PwId(number)) => PwName::Id(*number),
                    (None, other) => panic!("{other:?}"),
                };
                let attachment = PwAttachment::Port(port);
                let config =
                    PwConfig { mtu, control_word, ..PwConfig::new(ldp_id(super::pe_of(id.peer)), name, attachment) };
                let pw = self.pws.as_mut().unwrap().add(now, config).unwrap();
                self.pw_ids.insert(id, pw);
            }
            PwSignal::Status { id, status } => {
                if let Some((pws, pw)) = self.pw_of(&id) {
                    pws.handle_input(now, pw::Input::Circuit { pw, faults: status });
                }
            }
            PwSignal::Release { id } => {
                if let Some((pws, pw)) = self.pw_of(&id) {
                    pws.remove(now, pw).unwrap();
                }
                self.pw_ids.remove(&id);
            }
        }
    }

    /// When the machine, or LDP, has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let ldp = self.pws.as_ref().and_then(Pws::next_timeout);
        self.pe.next_timeout().into_iter().chain(ldp).min()
    }

    /// IP packets to an address are this router's own; those to others go to the P router.
    pub fn local(&mut self, own: IpAddr) {
        let next = NextHop::Neighbor { iface: CORE, mac: P_MAC };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Pipe };
        self.apply(&FwdOp::SetNhlfe { id: IP_NEXT, nhlfe });
        self.apply(&route(own, RouteAction::Local));
    }

    /// The number of a virtual link that will be set up.
    pub fn reserve(&mut self) -> VlinkId {
        self.vlinks += 1;
        VlinkId(self.vlinks)
    }

    fn vlink(&mut self, id: VlinkId, vlink: Vlink, key: Option<u32>) {
        let (ports, mtu, ttl) = ((0, 0), 9000, 64);
        let cookie = match vlink.encapsulation {
            Encapsulation::L2tp(session) => session.cookie,
            _ => Cookie::NONE,
        };
        let output =
            VlinkOutput { next: IP_NEXT, key, cookie, ports, numbered: false, mtu, ttl, dscp: None, protection: None };
        self.apply(&FwdOp::SetVlink { id, vlink });
        self.apply(&FwdOp::SetVlinkOutput { id, output });
        self.links.insert(id, (vlink, key));
    }

    /// The way to a PE is a GRE tunnel that carries labels.
    pub fn gre(&mut self, to: usize, own: IpAddr, other: IpAddr) {
        let vlink = Vlink {
            ends: ends(own, other),
            encapsulation: Encapsulation::Gre,
            deliver: Deliver::Vrf(VrfId::GLOBAL),
            mpls: true,
            label_space: None,
            check_source: false,
            ordered: false,
            protection: None,
            model: TunnelModel::Pipe,
        };
        let id = self.reserve();
        self.vlink(id, vlink, None);
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Vlink(id), model: TunnelModel::Pipe };
        self.apply(&FwdOp::SetNhlfe { id: transport(to), nhlfe });
    }

    /// An L2TPv3 session whose frames are a bridge port's: numbers as this end and the other chose them.
    pub fn l2tp(&mut self, link: VlinkId, (own, other): (IpAddr, IpAddr), (id, theirs): (u32, u32), port: PortId) {
        let session = Session { id, cookie: Cookie::new(&[1, 2, 3, 4]).unwrap(), sublayer: false };
        let vlink = Vlink {
            ends: ends(own, other),
            encapsulation: Encapsulation::L2tp(session),
            deliver: Deliver::Port(port),
            mpls: false,
            label_space: None,
            check_source: false,
            ordered: false,
            protection: None,
            model: TunnelModel::Pipe,
        };
        self.vlink(link, vlink, Some(theirs));
    }

    /// The entry of a tree's branch.
    pub fn branch(&mut self, tree: u32) -> NhlfeId {
        if let Some(id) = self.branches.get(&tree) {
            return *id;
        }
        let id = NhlfeId(OUR_NHLFES + 100 + u32::try_from(self.branches.len()).unwrap());
        self.entry(id, label(tree));
        self.branches.insert(tree, id);
        id
    }

    pub fn apply(&mut self, op: &FwdOp) {
        self.ops += 1;
        self.forwarder.apply(op).unwrap_or_else(|error| panic!("{op:?}: {error}"));
        match *op {
            FwdOp::SetPort { id, port } => drop(self.ports.insert(id, port)),
            FwdOp::ClearPort { id } => drop(self.ports.remove(&id)),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfes.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => drop(self.nhlfes.remove(&id)),
            _ => {}
        }
    }

    /// A punted frame without the tags that delimit its service.
    pub fn customer_frame(&self, port: PortId, octets: &[u8]) -> Vec<u8> {
        let tags = match self.ports.get(&port).map(|port| port.attachment) {
            Some(Attachment::Circuit { tags: Tags::Vlan(_) | Tags::Service(_), .. }) => 1,
            Some(Attachment::Circuit { tags: Tags::Stacked { .. }, .. }) => 2,
            _ => 0,
        };
        [&octets[..12], &octets[12 + 4 * tags..]].concat()
    }

    /// A frame of the machine's, as it leaves by a port.
    pub fn send(&self, port: PortId, octets: &[u8]) -> Sent {
        let Some(bridge) = self.ports.get(&port) else { return Sent::Nowhere };
        let tagged = |tags: &[u8]| [&octets[..12], tags, &octets[12..]].concat();
        let tag = |tpid: u16, vlan: VlanId| [tpid.to_be_bytes(), vlan.value().to_be_bytes()].concat();
        match bridge.attachment {
            Attachment::Circuit { iface, tags } => {
                let tags = match tags {
                    Tags::Any | Tags::Untagged => Vec::new(),
                    Tags::Vlan(vlan) => tag(0x8100, vlan),
                    Tags::Service(vlan) => tag(0x88a8, vlan),
                    Tags::Stacked { outer, inner } => [tag(0x88a8, outer), tag(0x8100, inner)].concat(),
                };
                Sent::Customer(iface.0, tagged(&tags))
            }
            Attachment::Pseudowire { nhlfe } => {
                let mut labels = Vec::new();
                let mut at = nhlfe;
                while let Some(entry) = self.nhlfes.get(&at) {
                    labels.splice(0..0, entry.push.as_slice().iter().copied());
                    match entry.next {
                        NextHop::Nhlfe(next) => at = next,
                        _ => break,
                    }
                }
                let last = self.nhlfes.get(&at).map(|entry| entry.next);
                let tunnel = if let Some(NextHop::Vlink(id)) = last { self.links.get(&id) } else { None };
                let mut frame = Vec::new();
                for (n, entry) in labels.iter().enumerate() {
                    frame.extend(LabelEntry::new(*entry, 6, n + 1 == labels.len(), 255).0);
                }
                if bridge.control_word {
                    frame.extend([0; 4]);
                }
                frame.extend(octets);
                let ethernet = |ethertype| Ethernet::new(P_MAC, PE_MAC, ethertype).0.to_vec();
                Sent::Core(match tunnel {
                    None => [ethernet(EtherType::MPLS), frame].concat(),
                    Some((vlink, key)) => [ethernet(EtherType::IPV4), in_tunnel(vlink, *key, &frame)].concat(),
                })
            }
            Attachment::Tagged { .. } => Sent::Nowhere,
        }
    }
}

/// A packet of IPv4 around what a virtual link carries.
fn in_tunnel(vlink: &Vlink, key: Option<u32>, inner: &[u8]) -> Vec<u8> {
    let Ends::V4 { local, remote } = vlink.ends else { panic!("{:?}", vlink.ends) };
    let (protocol, front) = match vlink.encapsulation {
        Encapsulation::Gre => (47, vec![0, 0, 0x88, 0x47]),
        Encapsulation::L2tp(session) => (115, [&key.unwrap().to_be_bytes()[..], session.cookie.as_slice()].concat()),
        other => panic!("{other:?}"),
    };
    let len = u16::try_from(20 + front.len() + inner.len()).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    ip.extend(local.octets());
    ip.extend(remote.octets());
    let sum = fwd_core::wire::checksum::of(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    [&ip[..], &front, inner].concat()
}

fn route(to: IpAddr, action: RouteAction) -> FwdOp {
    let IpAddr::V4(to) = to else { panic!("{to}") };
    FwdOp::SetRoute4 { vrf: VrfId::GLOBAL, prefix: Ipv4Prefix::host(to), action }
}

fn ends(own: IpAddr, other: IpAddr) -> Ends {
    let (IpAddr::V4(local), IpAddr::V4(remote)) = (own, other) else { panic!("{own} {other}") };
    Ends::V4 { local, remote }
}

/// The P router.
pub struct P<'m> {
    forwarder: Forwarder<'m>,
    entries: u32,
    grafts: BTreeMap<(u32, usize), NhlfeId>,
}

impl<'m> P<'m> {
    pub fn new(memory: &'m mut NodeMemory, pes: usize) -> Self {
        let mut p = Self { forwarder: memory.forwarder(9), entries: 0, grafts: BTreeMap::new() };
        for pe in 0..pes {
            let interface = Interface { vrf: VrfId::GLOBAL, mac: P_MAC, mtu: 9200, mpls: true };
            p.apply(&FwdOp::SetInterface { iface: IfIndex(u32::try_from(pe).unwrap()), interface });
            // Penultimate hop popping.
            let id = p.entry(pe, LabelStack::new(&[]).unwrap());
            let ilm = Ilm { action: IlmAction::Forward(id), model: TunnelModel::Pipe };
            p.apply(&FwdOp::SetIlm { label: lsp(pe), ilm });
        }
        p
    }

    pub fn apply(&mut self, op: &FwdOp) {
        self.forwarder.apply(op).unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }

    fn entry(&mut self, to: usize, push: LabelStack) -> NhlfeId {
        let id = NhlfeId(self.entries);
        self.entries += 1;
        let next = NextHop::Neighbor { iface: IfIndex(u32::try_from(to).unwrap()), mac: PE_MAC };
        self.apply(&FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, next, model: TunnelModel::Pipe } });
        id
    }

    /// IP packets to a PE.
    pub fn route(&mut self, pe: usize, to: IpAddr) {
        let id = self.entry(pe, LabelStack::EMPTY);
        self.apply(&route(to, RouteAction::Forward(id)));
    }

    pub fn group(&mut self, group: u32) {
        self.apply(&FwdOp::SetReplication { id: ReplicationId(group), owner: VsiOrVrf::Vrf(VrfId::GLOBAL) });
    }

    pub fn graft(&mut self, tree: u32, group: u32, leaf: usize, leaf_label: u32) {
        let id = ReplicationId(group);
        self.apply(&FwdOp::SetIlm {
            label: label(tree),
            ilm: Ilm { action: IlmAction::Replicate(id), model: TunnelModel::Pipe },
        });
        let entry = match self.grafts.get(&(group, leaf)) {
            Some(entry) => *entry,
            None => self.entry(leaf, LabelStack::single(label(leaf_label))),
        };
        self.grafts.insert((group, leaf), entry);
        self.apply(&FwdOp::SetLeg { group: id, leg: u16::try_from(leaf).unwrap(), target: LegTarget::Nhlfe(entry) });
    }

    pub fn prune(&mut self, group: u32, leaf: usize) {
        self.apply(&FwdOp::ClearLeg { group: ReplicationId(group), leg: u16::try_from(leaf).unwrap() });
    }

    /// Labels that it replicates by.
    pub fn replicating(&self) -> usize {
        let is_tree = |op: &FwdOp| matches!(op, FwdOp::SetIlm { ilm: Ilm { action: IlmAction::Replicate(_), .. }, .. });
        fwd_core::audit::entries(&self.forwarder).filter(is_tree).count()
    }

    pub fn forward(&mut self, from: usize, octets: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        let to = |iface: IfIndex| usize::try_from(iface.0).unwrap();
        let mut sent = Vec::new();
        match self.forwarder.forward(&mut frame, IfIndex(u32::try_from(from).unwrap())) {
            Verdict::Transmit { iface, .. } => sent.push((to(iface), frame.octets().to_vec())),
            Verdict::Replicate(replication) => {
                let mut copies = self.forwarder.copies(&frame, replication);
                while let Some(replica) = copies.next() {
                    if let Replica::Transmit { iface, front, payload, .. } = replica {
                        sent.push((to(iface), [front, &frame.octets()[payload]].concat()));
                    }
                }
            }
            verdict => panic!("the P router: {verdict:?}"),
        }
        sent
    }
}
