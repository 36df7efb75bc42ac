//! One router: virtual links, IKE, L2TP, security associations and a forwarding plane, as an embedder would join them.

#[path = "copies.rs"]
mod copies;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, SaId, VpnId, VrfId};
use fwd_core::op::{FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    CounterMemory, ExactSlot, IlmSlot, InterfaceSlot, LegSlot, Memory, MulticastMemory, MulticastVrfSlot, NhlfeSlot,
    PolicerSlot, ReplicationSlot, Rib4Node, TokenBuckets, VlinkSlot, VlinkState, VrfSlot, Word,
};
use fwd_core::time::Instant;
use fwd_core::{DropReason, Forwarder, Frame, PuntReason, Verdict, VrfCounters};
use ipsec_vlink::arch::addresses;
use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
use ipsec_vlink::ike::event::{Input as IkeInput, Output as IkeOutput};
use ipsec_vlink::ike::{
    ChildConfig, ChildSa, ChildSaId, EspSuite, Identity, PeerConfig as IkePeer, PeerId as IkePeerId, v2,
};
use ipsec_vlink::l2tp::control as l2tp;
use ipsec_vlink::l2tp::digest::Hashes;
use ipsec_vlink::sad::{Lifetimes, NewSa, Reject, Sad};
use ipsec_vlink::spd::{Outbound, Packet};
use ipsec_vlink::vlink::{Config, Event, Input, LinkId, LinkState, Output, PeerId, SaRequest, VirtualLinks};
use md5::{Digest, Md5};
use sha1::Sha1;

use crate::spy::{Log, Spy};

/// The interface to the other routers; those of the VRFs' sites are their VRFs' numbers.
pub const CORE: u32 = 0;
/// Entries to neighbours are those of their numbers, entries to sites are from here on.
const FIRST_SITE_ENTRY: u32 = 200;

/// The hashes of L2TP.
pub struct Md5Sha1;

impl Hashes for Md5Sha1 {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }

    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20] {
        parts.iter().fold(Sha1::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }
}

/// A link that carries packets, as its router says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    pub entry: NhlfeId,
    pub mtu: u16,
    pub overhead: u16,
    pub state: LinkState,
}

/// What becomes of a packet at one router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A frame for another router.
    Core(Vec<u8>),
    /// It left by the interface of a VRF's site.
    Site {
        vrf: u16,
        packet: Vec<u8>,
    },
    /// It is for this router itself, in a VRF; the IP packet.
    Local {
        vrf: u16,
        packet: Vec<u8>,
    },
    Dropped(DropReason),
    /// ESP did not take it.
    Rejected(Reject),
    /// It was to be protected, and is not.
    Unprotected,
    /// Software's, of another kind.
    Punted(PuntReason),
    /// Of each copy.
    Copies(Vec<Fate>),
}

/// What a router is made with.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub routers: usize,
    pub vrfs: u16,
    pub links: usize,
}

impl Size {
    /// Entries of links are from here on.
    fn first_link_entry(self) -> u32 {
        FIRST_SITE_ENTRY + u32::from(self.vrfs) + 1
    }
}

pub struct Router {
    pub n: usize,
    pub links: VirtualLinks,
    pub ike: v2::Ike<Spy>,
    pub l2tp: l2tp::Endpoint<Md5Sha1>,
    pub sad: Sad<EspCipher>,
    pub forwarder: Forwarder<'static>,
    pub up: BTreeMap<LinkId, Up>,
    pub events: Vec<(Instant, Event)>,
    pub ike_events: Vec<ipsec_vlink::ike::event::Event>,
    pub l2tp_events: Vec<l2tp::Event>,
    /// The shared key of each address that IKE is spoken with; else [`Self::secret`].
    pub secret: Vec<u8>,
    /// Whether IKE may say VPN contexts.
    pub extension: bool,
    /// What IKE encrypted.
    pub spy: Rc<RefCell<Log>>,
    /// What was installed, the latest of each association.
    pub installed: BTreeMap<SaId, ChildSa>,
    pub children: BTreeMap<ChildSaId, SaId>,
    pub vpns: HashMap<LinkId, (VpnId, u32)>,
    /// Links by what both ends call them.
    named: HashMap<(VpnId, u32), Vec<LinkId>>,
    /// By which address a peer is known in IKE, where it is not the one that it is seen by.
    pub names: HashMap<IpAddr, IpAddr>,
    pub ike_sent: usize,
    pub l2tp_sent: usize,
    /// Keys and labels that were said, in whatever protocol.
    pub keys_sent: usize,
    /// Classes that have associations of their own, besides the one of all others (RFC 4301 §4.1).
    pub classes: Vec<u8>,
    /// Whether the forwarding plane is told what ESP says of a packet. It must be.
    pub tells_association: bool,
    ike_peers: HashMap<(IpAddr, IpAddr), IkePeerId>,
    tags: BTreeMap<u32, (SaRequest, Option<u8>)>,
    tag_of: HashMap<(SaId, Option<u8>), u32>,
    sessions: HashMap<l2tp::SessionId, LinkId>,
    by_link: HashMap<LinkId, l2tp::SessionId>,
    /// A link of each control connection, by the peer's address.
    tunnels: HashMap<IpAddr, LinkId>,
    pub l2tp_peers: HashMap<l2tp::PeerId, IpAddr>,
    ups: HashMap<LinkId, l2tp::SessionUp>,
}

/// What goes to other routers, besides packets.
pub enum Sent {
    Ike {
        from: SocketAddr,
        to: SocketAddr,
        octets: Vec<u8>,
    },
    /// A frame.
    Frame(Vec<u8>),
    /// What BGP would carry.
    Key {
        name: (VpnId, u32),
        key: Option<u32>,
    },
}

pub fn mac(router: usize, iface: u32) -> Mac {
    let [a, b] = (iface as u16).to_be_bytes();
    Mac([2, 0, a, b, 0, router as u8 + 1])
}

pub fn ethernet(to: Mac, packet: &[u8]) -> Vec<u8> {
    let mut frame = to.0.to_vec();
    frame.extend([2, 0, 0, 0, 0, 0xee, 8, 0]);
    frame.extend_from_slice(packet);
    frame
}

fn forwarder(size: Size) -> Forwarder<'static> {
    let (n, vrfs) = (size.links + 16, usize::from(size.vrfs) + 2);
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; vrfs + 1].leak(),
        vrfs: vec![VrfSlot::EMPTY; vrfs].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; size.first_link_entry() as usize + n].leak(),
        first_label: Label::FIRST_UNRESERVED,
        ilm: vec![IlmSlot::EMPTY; n + 16].leak(),
        rib4: vec![Rib4Node::EMPTY; 4 * n + 16 * vrfs + 200].leak(),
        fib4: vec![Word::ZERO; 40 * n + 800 * vrfs + 40_000].leak(),
        vlinks: vec![VlinkSlot::EMPTY; n].leak(),
        vlink_index: vec![Word::ZERO; 4 * n].leak(),
        multicast: MulticastMemory {
            vrfs: vec![MulticastVrfSlot::EMPTY; vrfs.min(4)].leak(),
            routes: vec![ExactSlot::EMPTY; 2 * n].leak(),
            tunnels: vec![Word::ZERO; 4].leak(),
            groups: vec![ReplicationSlot::EMPTY; 2].leak(),
            legs: vec![LegSlot::EMPTY; 8].leak(),
            ..MulticastMemory::default()
        },
        policers: vec![PolicerSlot::EMPTY; 3].leak(),
        ..Memory::default()
    };
    let counters = CounterMemory {
        vrfs: vec![VrfCounters::ZERO; vrfs].leak(),
        vlinks: vec![VlinkState::EMPTY; n].leak(),
        buckets: vec![TokenBuckets::EMPTY; 2].leak(),
        ..CounterMemory::default()
    };
    Forwarder::new(memory, counters).expect("the tables are sized for it")
}

impl Router {
    pub fn new(now: Instant, n: usize, size: Size) -> Self {
        let l2tp = l2tp::Config::new(format!("pe{n}").as_bytes(), n as u32 + 1, [n as u8 + 1; 32]);
        let links = Config {
            first_nhlfe: NhlfeId(size.first_link_entry()),
            labels: 16..16 + size.links as u32 + 16,
            bind_timeout: std::time::Duration::from_secs(120),
            ..Config::default()
        };
        let spy = Spy::new(format!("router {n}").as_bytes());
        let mut router = Self {
            n,
            spy: spy.log.clone(),
            links: VirtualLinks::new(now, links).unwrap(),
            ike: v2::Ike::new(now, v2::Config::default(), spy).unwrap(),
            l2tp: l2tp::Endpoint::new(now, l2tp, Md5Sha1).unwrap(),
            sad: Sad::new(),
            forwarder: forwarder(size),
            up: BTreeMap::new(),
            events: Vec::new(),
            ike_events: Vec::new(),
            l2tp_events: Vec::new(),
            secret: b"what all of them know".to_vec(),
            extension: true,
            installed: BTreeMap::new(),
            children: BTreeMap::new(),
            vpns: HashMap::new(),
            named: HashMap::new(),
            names: HashMap::new(),
            ike_sent: 0,
            l2tp_sent: 0,
            keys_sent: 0,
            classes: Vec::new(),
            tells_association: true,
            ike_peers: HashMap::new(),
            tags: BTreeMap::new(),
            tag_of: HashMap::new(),
            sessions: HashMap::new(),
            by_link: HashMap::new(),
            tunnels: HashMap::new(),
            l2tp_peers: HashMap::new(),
            ups: HashMap::new(),
        };
        router.tables(size);
        router
    }

    fn tables(&mut self, size: Size) {
        let n = self.n;
        let interface = |iface: u32, vrf: u16| FwdOp::SetInterface {
            iface: IfIndex(iface),
            interface: Interface { vrf: VrfId(vrf), mac: mac(n, iface), mtu: 1500, mpls: false },
        };
        self.apply(&interface(CORE, 0));
        for peer in (0..size.routers).filter(|peer| *peer != n) {
            self.neighbor(peer as u32, mac(peer, CORE));
        }
        for vrf in 1..=size.vrfs {
            self.apply(&interface(vrf.into(), vrf));
            let id = FIRST_SITE_ENTRY + u32::from(vrf);
            self.entry(id, vrf.into(), Mac([2, 1, 0, 0, 1, n as u8]));
            // The same addresses in each VRF: a site, and the router's own.
            self.route(vrf, &format!("10.{n}.0.0/16"), RouteAction::Forward(NhlfeId(id)));
            self.route(vrf, &format!("10.{n}.255.0/24"), RouteAction::Local);
        }
        self.route(0, &format!("198.{}.0.0/16", 18 + n), RouteAction::Local);
    }

    /// Which MAC address packets to a router go to.
    pub fn neighbor(&mut self, router: u32, mac: Mac) {
        self.entry(router, CORE, mac);
    }

    fn entry(&mut self, id: u32, iface: u32, mac: Mac) {
        let next = NextHop::Neighbor { iface: IfIndex(iface), mac };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Pipe };
        self.apply(&FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe });
    }

    pub fn apply(&mut self, op: &FwdOp) {
        self.forwarder.apply(op).expect("the tables are sized for it");
    }

    /// Sets a route of a VRF.
    pub fn route(&mut self, vrf: u16, prefix: &str, action: RouteAction) {
        self.apply(&FwdOp::SetRoute4 { vrf: VrfId(vrf), prefix: prefix.parse().unwrap(), action });
    }

    /// A frame that a machine or a site hands to the forwarding plane, or that arrives.
    pub fn forward(&mut self, now: Instant, iface: u32, mut octets: Vec<u8>) -> Fate {
        let mut through = None;
        for _ in 0..3 {
            let mut buffer = vec![0; Frame::HEADROOM];
            buffer.extend_from_slice(&octets);
            buffer.extend_from_slice(&[0; 64]);
            let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
            let verdict = match through.filter(|_| self.tells_association) {
                Some(sa) => self.forwarder.forward_unprotected(&mut frame, IfIndex(iface), sa),
                None => self.forwarder.forward(&mut frame, IfIndex(iface)),
            };
            return match verdict {
                Verdict::Transmit { iface: IfIndex(CORE), .. } => Fate::Core(frame.octets().to_vec()),
                Verdict::Transmit { iface, .. } => {
                    Fate::Site { vrf: iface.0 as u16, packet: frame.octets()[14..].to_vec() }
                }
                Verdict::Protect { sa, offset, class, .. } => match self.sad.protect(sa, class, &mut frame, offset) {
                    Ok(()) => Fate::Core(frame.octets().to_vec()),
                    Err(_) => Fate::Unprotected,
                },
                Verdict::Punt { reason: PuntReason::Esp, offset, .. } => {
                    match self.sad.unprotect(now, &mut frame, offset) {
                        Ok(sa) => through = Some(sa),
                        Err(why) => return Fate::Rejected(why),
                    }
                    octets = frame.octets().to_vec();
                    continue;
                }
                Verdict::Punt { reason: PuntReason::Local, vrf, offset } => {
                    let packet = frame.octets()[offset..].to_vec();
                    if vrf == VrfId::GLOBAL {
                        self.software(now, &packet, through);
                    }
                    Fate::Local { vrf: vrf.0, packet }
                }
                Verdict::Punt { reason, .. } | Verdict::PuntFrame { reason, .. } => Fate::Punted(reason),
                Verdict::Drop(why) => {
                    let vlink = [DropReason::VlinkProtection, DropReason::NoVlink, DropReason::VlinkAddress];
                    if vlink.contains(&why) && octets.len() >= 34 {
                        let _ = self.links.inbound(now, &outer(&octets[14..]), through);
                    }
                    Fate::Dropped(why)
                }
                Verdict::Replicate(replication) => Fate::Copies(self.copies(&frame, replication)),
            };
        }
        Fate::Dropped(DropReason::ChainTooDeep)
    }

    /// A packet to an address of the router's own that no tunnel takes: L2TP's messages, if the policy lets them pass.
    fn software(&mut self, now: Instant, packet: &[u8], through: Option<SaId>) {
        let header = outer(packet);
        if header.protocol == 115 && self.links.inbound(now, &header, through).is_ok() {
            let from = l2tp::Address { ip: header.remote, port: None };
            self.l2tp.handle_input(now, l2tp::Input::Datagram { from, octets: &packet[20..] });
        }
    }

    /// Takes what IKE says.
    pub fn hear_ike(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        self.ike.handle_input(now, IkeInput::Datagram { from, to, octets });
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let next =
            [self.links.next_timeout(), self.ike.next_timeout(), self.l2tp.next_timeout(), self.sad.next_timeout()];
        next.into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.links.handle_timeout(now);
        self.ike.handle_timeout(now);
        self.l2tp.handle_timeout(now);
        self.sad.handle_timeout(now);
    }

    /// Carries what the machines say from one to the other; what goes to other routers is returned.
    pub fn drain(&mut self, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            let before = sent.len();
            let mut any = false;
            while let Some(output) = self.links.poll_output() {
                any = true;
                self.link_output(now, output, &mut sent);
            }
            while let Some(output) = self.ike.poll_output() {
                any = true;
                self.ike_output(now, output, &mut sent);
            }
            while let Some(output) = self.l2tp.poll_output() {
                any = true;
                self.l2tp_output(now, output, &mut sent);
            }
            if !any && sent.len() == before {
                return sent;
            }
        }
    }

    fn link_output(&mut self, now: Instant, output: Output, sent: &mut Vec<Sent>) {
        match output {
            Output::Program(op) => {
                if self.forwarder.apply(&op).is_err() {
                    self.links.handle_input(now, Input::Refused(op));
                }
            }
            Output::RequestSa(request) => self.negotiate(now, request),
            Output::ReleaseSa { sa } => {
                let children: Vec<ChildSaId> = self.children_of(sa);
                for child in children {
                    let _ = self.ike.delete_child(now, child);
                }
            }
            Output::OpenSession { link, session } => {
                if let Some(ip) = self.l2tp_peers.get(&session.peer) {
                    self.tunnels.entry(*ip).or_insert(link);
                }
                if let std::collections::hash_map::Entry::Vacant(entry) = self.by_link.entry(link) {
                    if let Ok(id) = self.l2tp.add_session(now, session) {
                        entry.insert(id);
                        self.sessions.insert(id, link);
                    }
                }
            }
            Output::CloseSession { link } => {
                if let Some(id) = self.by_link.remove(&link) {
                    self.l2tp.remove_session(now, id);
                    self.sessions.remove(&id);
                }
            }
            Output::Advertise { link, key, .. } => self.say_key(link, Some(key), sent),
            Output::Withdraw { link, .. } => self.say_key(link, None, sent),
            Output::Event(event) => {
                match &event {
                    Event::LinkUp { link, entry, mtu, overhead, state } => {
                        let up = Up { entry: *entry, mtu: *mtu, overhead: *overhead, state: *state };
                        self.up.insert(*link, up);
                    }
                    Event::LinkDown { link } => drop(self.up.remove(link)),
                    _ => {}
                }
                self.events.push((now, event));
            }
        }
    }

    fn say_key(&mut self, link: LinkId, key: Option<u32>, sent: &mut Vec<Sent>) {
        if let Some(name) = self.vpns.get(&link) {
            self.keys_sent += 1;
            sent.push(Sent::Key { name: *name, key });
        }
    }

    fn children_of(&self, sa: SaId) -> Vec<ChildSaId> {
        self.children.iter().filter(|(_, of)| **of == sa).map(|(child, _)| *child).collect()
    }

    /// Asks IKE for an association, or prepares it for the peer's asking.
    fn negotiate(&mut self, now: Instant, request: SaRequest) {
        let classes: Vec<Option<u8>> = [None].into_iter().chain(self.classes.iter().copied().map(Some)).collect();
        for class in classes {
            self.negotiate_class(now, &request, class);
        }
    }

    fn negotiate_class(&mut self, now: Instant, request: &SaRequest, class: Option<u8>) {
        let known = self.tag_of.get(&(request.sa, class)).copied().filter(|tag| self.tags[tag].0 == *request);
        let (local, remote) = request.ends;
        let peer = *self.ike_peers.entry(request.ends).or_insert_with(|| {
            let mut cfg = IkePeer::psk(local, remote, &self.secret);
            if let Some(name) = self.names.get(&remote) {
                cfg.remote_id = Identity::address(*name);
            }
            // Said where a link needs it, and not otherwise.
            cfg.vpn_context = self.extension && request.context.is_some();
            cfg.suites.truncate(1);
            self.ike.add_peer(cfg).unwrap()
        });
        let initiate = request.initiate;
        let tag = known.unwrap_or_else(|| {
            let tag = self.tags.len() as u32 + 1;
            let suites = if request.integrity_only { EspSuite::NULL_SHA2_256 } else { EspSuite::AES_GCM_128 };
            let child = ChildConfig {
                mode: request.mode,
                local: vec![request.selectors.0],
                remote: vec![request.selectors.1],
                context: request.context.clone(),
                suites: vec![suites],
                ..ChildConfig::any_v4(tag)
            };
            self.ike.add_child(peer, child).unwrap();
            self.tags.insert(tag, (request.clone(), class));
            self.tag_of.insert((request.sa, class), tag);
            tag
        });
        if initiate {
            let _ = self.ike.connect(now, peer, tag);
        }
    }

    fn ike_output(&mut self, now: Instant, output: IkeOutput, sent: &mut Vec<Sent>) {
        match output {
            IkeOutput::Datagram { from, to, octets } => {
                self.ike_sent += 1;
                sent.push(Sent::Ike { from, to, octets });
            }
            IkeOutput::Install(child) => self.install(now, *child),
            IkeOutput::Remove(child) => {
                self.sad.remove(child);
                if let Some(sa) = self.children.remove(&child) {
                    if !self.children.values().any(|of| *of == sa) {
                        self.links.handle_input(now, Input::SaDown { sa });
                    }
                }
            }
            IkeOutput::Move(..) => {}
            IkeOutput::Event(event) => {
                use ipsec_vlink::ike::event::Event as E;
                if let E::ChildRefused { tag: Some(tag), .. } | E::NoContext { tag, .. } = &event {
                    if let Some(sa) = self.tags.get(tag).map(|(request, _)| request.sa) {
                        self.links.handle_input(now, Input::SaDown { sa });
                    }
                }
                self.ike_events.push(event);
            }
        }
    }

    fn install(&mut self, now: Instant, child: ChildSa) {
        let Some((request, class)) = self.tags.get(&child.tag) else { return };
        let (sa, class) = (request.sa, *class);
        let cipher = |keys| EspCipher::new(&child.suite, keys).unwrap();
        self.sad.install(
            now,
            NewSa {
                sa,
                child: child.id,
                class,
                remote: child.encapsulation.is_none().then_some(child.remote),
                spis: (child.spi_in, child.spi_out),
                ciphers: (cipher(&child.keys_in), cipher(&child.keys_out)),
                extended: child.suite.extended,
                window: 64,
                lifetimes: Lifetimes::default(),
            },
        );
        self.children.insert(child.id, sa);
        self.links.handle_input(now, Input::SaUp { sa, context: child.context.as_ref() });
        self.installed.insert(sa, child);
    }

    fn l2tp_output(&mut self, now: Instant, output: l2tp::Output, sent: &mut Vec<Sent>) {
        match output {
            l2tp::Output::Datagram { to, octets } => {
                self.l2tp_sent += 1;
                sent.extend(self.send_control(to.ip, &octets).map(Sent::Frame));
            }
            l2tp::Output::Payload { .. } => {}
            l2tp::Output::Event(event) => {
                let link_of = |id: &l2tp::SessionId| self.sessions.get(id).copied();
                match &event {
                    l2tp::Event::SessionUp { session, up } => {
                        if let Some(link) = link_of(session) {
                            self.ups.insert(link, *up);
                            self.links.handle_input(now, Input::SessionUp { link, up });
                        }
                    }
                    l2tp::Event::SessionDown { session, .. } => {
                        if let Some(link) = link_of(session) {
                            self.links.handle_input(now, Input::SessionDown { link });
                        }
                    }
                    _ => {}
                }
                self.l2tp_events.push(event);
            }
        }
    }

    /// A message of L2TP, as the policy of its tunnel says.
    fn send_control(&mut self, to: IpAddr, octets: &[u8]) -> Option<Vec<u8>> {
        let link = *self.tunnels.get(&to)?;
        let IpAddr::V4(remote) = to else { return None };
        let local = Ipv4Addr::new(198, 18 + self.n as u8, remote.octets()[2], remote.octets()[3]);
        let packet = crate::world::ip(local, remote, 115, octets);
        let frame = ethernet(mac(usize::from(remote.octets()[1]) - 18, CORE), &packet);
        let header = outer(&packet);
        let header = Packet { local: header.remote, remote: header.local, ..header };
        match self.links.outbound(link, &header) {
            Outbound::Bypass => Some(frame),
            Outbound::Drop(_) => None,
            Outbound::Protect(protect, _) => {
                let mut buffer = vec![0; Frame::HEADROOM];
                buffer.extend_from_slice(&frame);
                buffer.extend_from_slice(&[0; 64]);
                let mut out = Frame::new(&mut buffer, Frame::HEADROOM, frame.len()).unwrap();
                self.sad.protect(protect.sa, 0, &mut out, 14).ok()?;
                Some(out.octets().to_vec())
            }
        }
    }

    /// What was agreed on the session of a link.
    pub fn session_of(&self, link: LinkId) -> Option<l2tp::SessionUp> {
        self.ups.get(&link).copied()
    }

    /// What this link is called by both ends.
    pub fn name_link(&mut self, link: LinkId, vpn: VpnId, index: u32) {
        self.vpns.insert(link, (vpn, index));
        self.named.entry((vpn, index)).or_default().push(link);
    }

    /// Its links of this name.
    pub fn named(&self, name: (VpnId, u32)) -> &[LinkId] {
        self.named.get(&name).map_or(&[], Vec::as_slice)
    }

    /// Adds a peer of L2TP at this address.
    pub fn l2tp_peer(&mut self, ip: IpAddr, initiate: bool) -> l2tp::PeerId {
        let mut cfg = l2tp::PeerConfig::v3(l2tp::Address { ip, port: None });
        cfg.initiate = initiate;
        cfg.delivery.window = 64;
        let id = self.l2tp.add_peer(cfg).unwrap();
        self.l2tp_peers.insert(id, ip);
        id
    }

    /// Its peer at the address of a link's end.
    pub fn add_peer(&mut self, cfg: ipsec_vlink::vlink::PeerConfig) -> PeerId {
        let _ = addresses(&cfg.protected);
        self.links.add_peer(cfg)
    }
}

/// The header of an IP packet that arrived, or that leaves from `remote`'s point of view.
pub fn outer(packet: &[u8]) -> Packet {
    let at = |n: usize| Ipv4Addr::new(packet[n], packet[n + 1], packet[n + 2], packet[n + 3]);
    let (source, destination) = (at(12), at(16));
    Packet { local: destination.into(), remote: source.into(), protocol: packet[9], ports: (0, 0) }
}
