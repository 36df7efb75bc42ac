//! Virtual routers over virtual links: what runs between routers runs over them as over wires (draft-duffy §3, RFC 4110 §4.4.3), and where
//! the links end is said by BGP.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bgp_vpn::attr::ext_community::RouteTarget;
use bgp_vpn::attr::{
    AsPath, AsWidth, Attribute, ExtCommunity, ListBuf, NextHop, Origin, Tunnel, TunnelEncapsulation, TunnelType,
};
use bgp_vpn::message::{Message as BgpMessage, MpPosition, Update, UpdateWriter};
use bgp_vpn::nlri::{Family, VrMembershipNlri};
use bgp_vpn::session::{LocalIdentity, Negotiated, PeerKind};
use bgp_vpn::vr::{Input as VrInput, Output as VrOutput, VrConfig, VrDiscovery, VrDiscoveryConfig};
use fwd_core::Frame;
use fwd_core::net::{IfIndex, IpPrefix, VpnId, VrfId};
use fwd_core::op::{Ends, FwdOp, RouteAction};
use fwd_core::table::Sizes;
use fwd_core::time::Instant;
use fwd_core::wire::{IpProtocol, Ipv4};
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::spd::{Outbound, Packet};
use ipsec_vlink::vlink::{LinkConfig, LinkId, PeerId, Security};
use lab::run::scene::vlink::world::{Outcome, Size, VRFS, World, ends};
use lab::run::scene::vlink::{exchange, vpn};
use lab::sim::ce::{Announced, Ce, RouteGroup};
use lab::sim::node::{Control, Host, forwarder};
use lab::sim::packet::{IpView, ip_packet};
use lab::sim::tcp::{Stack, TcpConfig};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{
    Input as PimInput, Membership, MribRoute, Output as PimOutput, PimConfig, PimEvent, PimInterfaceConfig, PimRouter,
};

const TCP: u8 = 6;
const OSPF: u8 = 89;
const PIM: u8 = 103;
const HELLO_INTERVAL: Duration = Duration::from_secs(10);
const DEAD_INTERVAL: Duration = Duration::from_secs(40);
const STEP: Duration = Duration::from_millis(100);

/// The address of a router's end of its links, the same in each VPN.
fn address(router: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, router as u8, 255, 1)
}

fn site(router: usize) -> fwd_core::net::Ipv4Prefix {
    format!("10.{router}.0.0/17").parse().unwrap()
}

/// What is known of the router at the other end, as in OSPF (RFC 2328 §9.5, §10.5): it was heard, and it has heard us.
#[derive(Clone, Copy, Default)]
struct Hello {
    heard: Option<(u32, Instant)>,
    two_way: bool,
    next: Instant,
}

/// A link to another router's virtual router of the same VPN.
struct Adjacency {
    link: LinkId,
    hello: Hello,
}

/// A virtual router: TCP, BGP, PIM, and its links by the routers that they lead to.
struct Vr {
    router: usize,
    vrf: u16,
    host: Host<'static>,
    bgp: Ce,
    pim: PimRouter<Ipv4Addr>,
    pim_neighbors: usize,
    joined: Vec<FwdOp>,
    links: BTreeMap<usize, Adjacency>,
}

struct Net {
    world: World,
    vrs: Vec<Vr>,
    /// Packets that came out in a VRF of another VPN.
    strayed: usize,
}

impl Vr {
    fn new(now: Instant, router: usize, vrf: u16) -> Self {
        let arena: &'static bumpalo::Bump = Box::leak(Box::default());
        let sizes = Sizes { interfaces: 1, vrfs: 1, nhlfes: 1, ..Sizes::NONE };
        let host =
            Host { tcp: Stack::new(TcpConfig::default()), forwarder: forwarder(arena, &sizes), applied: 0, refused: 0 };
        let router_id = Ipv4Addr::new(192, 0, vrf as u8, router as u8 + 1);
        let bgp = Ce::new(LocalIdentity { asn: 65_001 + router as u32, router_id });
        let mut pim = PimRouter::new(now, PimConfig::new(VrfId(vrf), address(router), 1..=100)).unwrap();
        pim.update_rp_set(now, |set| {
            let range = "239.0.0.0/8".parse().unwrap();
            set.set_static(StaticRp { range, address: address(0), mode: RpMode::Sparse, overrides: false }).unwrap();
        });
        let lan = format!("10.{router}.0.0/17").parse().unwrap();
        let lan = PimInterfaceConfig::new(IfIndex(1), Ipv4Addr::new(10, router as u8, 0, 254), vec![lan]);
        pim.add_interface(now, lan).unwrap();
        Self { router, vrf, host, bgp, pim, pim_neighbors: 0, joined: Vec::new(), links: BTreeMap::new() }
    }

    /// A link is there: an interface for every protocol.
    fn add_link(&mut self, now: Instant, other: usize, link: LinkId) {
        self.links.insert(other, Adjacency { link, hello: Hello::default() });
        let (ours, theirs) = (address(self.router), address(other));
        let group = RouteGroup { as_path: Vec::new(), prefixes: vec![site(self.router)] };
        let announced = Announced::V4(Rc::from([group]));
        let both = (ours.into(), theirs.into());
        self.bgp.add_session(now, &mut self.host.tcp, both, 65_001 + other as u32, announced).unwrap();
        let subnet = format!("{theirs}/32").parse().unwrap();
        let interface = PimInterfaceConfig::new(IfIndex(100 + other as u32), ours, vec![subnet]);
        self.pim.add_interface(now, interface).unwrap();
    }

    /// Packets that it sends by its links: to whom, and whether it is for the other end alone or for whoever is there.
    fn packets(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        if self.host.tcp.next_timeout().is_some_and(|at| at <= now) {
            self.host.tcp.handle_timeout(now);
        }
        self.bgp.drive(now, &mut self.host);
        let mut out = Vec::new();
        while let Some((_, packet)) = self.host.tcp.poll_packet() {
            let IpAddr::V4(to) = IpView::parse(&packet).unwrap().dst else { panic!("IPv4") };
            out.push((usize::from(to.octets()[1]), packet));
        }
        for (other, adjacency) in &mut self.links {
            let hello = &mut adjacency.hello;
            if hello.heard.is_some_and(|(_, at)| now - at >= DEAD_INTERVAL) {
                *hello = Hello { next: hello.next, ..Hello::default() };
            }
            if hello.next <= now {
                hello.next = now + HELLO_INTERVAL;
                let ours = u32::from(address(self.router)).to_be_bytes();
                let seen = hello.heard.map_or(0, |(id, _)| id).to_be_bytes();
                let ends = (address(self.router).into(), address(*other).into());
                out.push((*other, ip_packet(ends.0, ends.1, OSPF, 64, &[ours, seen].concat()).unwrap()));
            }
        }
        if self.pim.next_timeout().is_some_and(|at| at <= now) {
            self.pim.handle_timeout(now);
        }
        self.drain_pim(now, &mut out);
        out
    }

    fn drain_pim(&mut self, now: Instant, out: &mut Vec<(usize, Vec<u8>)>) {
        while let Some(output) = self.pim.poll_output() {
            match output {
                PimOutput::Datagram { interface: Some(IfIndex(at)), from, to, octets } if at >= 100 => {
                    out.push(((at - 100) as usize, ip_packet(from.into(), to.into(), PIM, 1, &octets).unwrap()));
                }
                PimOutput::Track(address) => {
                    let other = usize::from(address.octets()[1]);
                    let next_hop = Some(self::address(other));
                    let interface = IfIndex(100 + other as u32);
                    let route =
                        (other != self.router).then_some(MribRoute { interface, next_hop, preference: 20, metric: 0 });
                    self.pim.handle_input(now, PimInput::Route { address, route });
                }
                PimOutput::Event(PimEvent::NeighborUp { .. }) => self.pim_neighbors += 1,
                PimOutput::Program(op) => self.joined.push(op),
                _ => {}
            }
        }
    }

    fn receive(&mut self, now: Instant, packet: &[u8]) {
        let view = IpView::parse(packet).unwrap();
        let (IpAddr::V4(from), IpAddr::V4(to)) = (view.src, view.dst) else { panic!("IPv4") };
        let other = usize::from(from.octets()[1]);
        match view.protocol {
            TCP => self.host.tcp.handle_packet(now, VrfId::GLOBAL, &view),
            OSPF => {
                let Some(adjacency) = self.links.get_mut(&other) else { return };
                let word = |at: usize| u32::from_be_bytes(view.payload[at..at + 4].try_into().unwrap());
                adjacency.hello.heard = Some((word(0), now));
                adjacency.hello.two_way = word(4) == u32::from(address(self.router));
            }
            PIM => {
                let interface = IfIndex(100 + other as u32);
                let input = PimInput::Datagram { interface, from, to, octets: view.payload, authenticated: false };
                self.pim.handle_input(now, input);
            }
            other => panic!("protocol {other}"),
        }
    }

    fn is_adjacent(&self, other: usize) -> bool {
        self.links.get(&other).is_some_and(|adjacency| adjacency.hello.two_way)
    }

    fn learnt(&self) -> Vec<IpPrefix> {
        self.bgp.sessions.iter().flat_map(|s| s.learnt.iter().copied()).collect()
    }
}

impl Net {
    fn new(routers: usize, links: usize) -> Self {
        Self { world: World::new(routers, Size { links }, 7), vrs: Vec::new(), strayed: 0 }
    }

    fn route(&mut self, router: usize, vrf: u16, prefix: &str, action: RouteAction) {
        let op = FwdOp::SetRoute4 { vrf: VrfId(vrf), prefix: prefix.parse().unwrap(), action };
        self.world.routers[router].forwarder.apply(&op).unwrap();
    }

    fn vr(&mut self, router: usize, vrf: u16) -> &mut Vr {
        if !self.vrs.iter().any(|vr| (vr.router, vr.vrf) == (router, vrf)) {
            self.route(router, vrf, &format!("{}/32", address(router)), RouteAction::Local);
            self.vrs.push(Vr::new(self.world.now, router, vrf));
        }
        self.vrs.iter_mut().find(|vr| (vr.router, vr.vrf) == (router, vrf)).unwrap()
    }

    /// A link of a VRF that is up is an interface of its virtual router, with the other end on it.
    fn attach(&mut self, router: usize, vrf: u16, other: usize, link: LinkId) {
        let entry = self.world.routers[router].up[&link].entry;
        let now = self.world.now;
        self.vr(router, vrf).add_link(now, other, link);
        self.route(router, vrf, &format!("{}/32", address(other)), RouteAction::Forward(entry));
    }

    fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.world.run(STEP);
            while self.carry() {}
        }
        // What BGP taught is routed.
        for at in 0..self.vrs.len() {
            let vr = &self.vrs[at];
            let (router, vrf) = (vr.router, vr.vrf);
            for prefix in vr.learnt() {
                let IpPrefix::V4(prefix) = prefix else { continue };
                let other = usize::from(prefix.addr().octets()[1]);
                let Some(up) = self.vrs[at].links.get(&other).and_then(|a| self.world.routers[router].up.get(&a.link))
                else {
                    continue;
                };
                let action = RouteAction::Forward(up.entry);
                self.route(router, vrf, &prefix.to_string(), action);
            }
        }
    }

    /// Carries what the virtual routers say to each other, once.
    fn carry(&mut self) -> bool {
        let now = self.world.now;
        let mut any = false;
        for at in 0..self.vrs.len() {
            let (router, vrf) = (self.vrs[at].router, self.vrs[at].vrf);
            for (other, packet) in self.vrs[at].packets(now) {
                any = true;
                let is_multicast = packet[16] == 224;
                let link = self.vrs[at].links[&other].link;
                let outcome = match is_multicast {
                    true => self.say(router, vrf, other, link, &packet),
                    false => self.world.send_packet(router, vrf, &packet),
                };
                let Outcome::Local { router: m, vrf: v, packet } = outcome else { continue };
                self.strayed += usize::from(m != other || v != vrf);
                if let Some(vr) = self.vrs.iter_mut().find(|vr| (vr.router, vr.vrf) == (m, v)) {
                    vr.receive(now, &packet);
                }
            }
        }
        any
    }

    /// Sends to whoever is at the other end: software puts the packet into the tunnel itself, for nobody routes it (RFC 5771 §4). GRE with a
    /// key alone.
    fn say(&mut self, router: usize, vrf: u16, other: usize, link: LinkId, packet: &[u8]) -> Outcome {
        let theirs =
            self.vrs.iter().find(|vr| (vr.router, vr.vrf) == (other, vrf)).and_then(|vr| vr.links.get(&router));
        let Some(key) = theirs.and_then(|a| self.world.routers[other].links.local_key(a.link)) else {
            return Outcome::Unprotected(router);
        };
        let protected = self.world.routers[router].links.sa(link).is_some();
        let Ends::V4 { local, remote } = ends(router, other, if protected { 1 } else { 2 }, 1) else { panic!("IPv4") };
        let gre = [&[0x20, 0, 8, 0][..], &key.to_be_bytes(), packet].concat();
        let header = Ipv4::outer(local, remote, IpProtocol::GRE, 20 + gre.len() as u16, 64, 0);
        let outer = [&header.0[..], &gre].concat();
        let of = Packet { local: local.into(), remote: remote.into(), protocol: 47, ports: (0, 0) };
        match self.world.routers[router].links.outbound(link, &of) {
            Outbound::Bypass => self.world.inject(other, &outer),
            Outbound::Drop(_) => Outcome::Unprotected(router),
            Outbound::Protect(protect, _) => {
                let mut buffer = vec![0; Frame::HEADROOM + 14];
                buffer.extend_from_slice(&outer);
                buffer.extend_from_slice(&[0; 64]);
                let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, 14 + outer.len()).unwrap();
                self.world.routers[router].sad.protect(protect.sa, 0, &mut frame, 14).unwrap();
                let sealed = frame.octets()[14..].to_vec();
                self.world.inject(other, &sealed)
            }
        }
    }

    fn all_settled(&self) -> bool {
        self.vrs.iter().all(|vr| {
            vr.bgp.is_settled()
                && vr.links.keys().all(|other| vr.is_adjacent(*other))
                && vr.learnt().len() == vr.links.len()
        })
    }
}

/// Links of the two VRFs, as interfaces of virtual routers; none where the architecture refuses.
fn joined(architecture: Architecture, security: Security) -> Option<(Net, Vec<[LinkId; 2]>)> {
    let mut net = Net::new(2, 16);
    let peers = net.world.peer(0, 1, |_, _| {});
    let mut links = Vec::new();
    for vrf in 1..=VRFS {
        let base = LinkConfig { security, ..LinkConfig::new(PeerId(0), vpn(vrf), VrfId(vrf), architecture) };
        let own = |end: usize, cfg: &mut LinkConfig| {
            if architecture == Architecture::DistinctIpip {
                cfg.ends = Some(ends(end, 1 - end, 3, vrf as u8));
            }
        };
        links.push(net.world.link([0, 1], peers, own, &base).ok()?);
    }
    net.world.run(Duration::from_secs(3));
    for (vrf, ids) in (1..=VRFS).zip(&links) {
        for (end, id) in (0..).zip(ids) {
            net.attach(end, vrf, 1 - end, *id);
        }
    }
    Some((net, links))
}

/// A hello exchange like OSPF's and a BGP session go over a link of each architecture, with IPsec and where it goes without; what BGP says is
/// how the sites reach each other; and when the link is gone, so are adjacency, session and what they taught.
///
/// Shows: VLINK-3-0
#[test]
fn each_end_is_an_interface_of_a_virtual_router() {
    let mut shown = 0;
    for architecture in Architecture::ALL {
        for security in [Security::Esp, Security::Clear] {
            let Some((mut net, links)) = joined(architecture, security) else { continue };
            assert_eq!(exchange(&mut net.world, [0, 1], 1), (0, 0), "nobody knows a way");
            net.run(Duration::from_secs(30));
            assert!(net.all_settled() && net.strayed == 0, "{architecture:?} {security:?}");
            assert_eq!(exchange(&mut net.world, [0, 1], 5), (20, 0), "{architecture:?} {security:?}");
            // One end goes: of VRF 1 alone.
            let now = net.world.now;
            net.world.routers[1].links.remove_link(now, links[0][1]);
            net.run(DEAD_INTERVAL + HELLO_INTERVAL + HELLO_INTERVAL);
            assert!(!net.vr(0, 1).is_adjacent(1) && net.vr(0, 2).is_adjacent(1), "{architecture:?} {security:?}");
            net.run(Duration::from_secs(60));
            assert!(net.vr(0, 1).learnt().is_empty() && net.vr(0, 2).learnt().len() == 1, "{architecture:?}");
            shown += 1;
        }
    }
    assert_eq!(shown, 10, "six with IPsec, four that go without it many times");
}

/// The discoveries of PEs, each told what the others say: what a reflector between them would bring about.
struct Provider {
    net: Net,
    discoveries: Vec<VrDiscovery>,
    peers: BTreeMap<(usize, usize), PeerId>,
    said: Vec<(usize, Vec<u8>)>,
    security: Security,
}

/// The VPN of a virtual router: two VPNs whose 7 octets differ in the last one alone.
fn provider_address(router: usize) -> IpAddr {
    Ipv4Addr::new(198, 18 + router as u8, 1, 1).into()
}

fn negotiated() -> Negotiated {
    let mut negotiated = Negotiated::baseline(PeerKind::Internal);
    negotiated.families = [Family::VR_MEMBERSHIP_IPV4].into_iter().collect();
    negotiated.four_octet_as = true;
    negotiated
}

fn announce(nlri: &VrMembershipNlri, targets: &[RouteTarget], tunnels: Option<&[u8]>) -> Vec<u8> {
    let communities: ListBuf<ExtCommunity> = targets.iter().map(|t| t.community()).collect();
    let mut attributes = vec![
        Attribute::Origin(Origin::Igp),
        Attribute::AsPath(AsPath::parse(&[], AsWidth::Four).unwrap()),
        Attribute::LocalPref(100),
        Attribute::ExtCommunities(communities.as_list()),
    ];
    attributes
        .extend(tunnels.map(|octets| Attribute::TunnelEncapsulation(TunnelEncapsulation::parse(octets).unwrap())));
    let mut octets = Vec::new();
    let (negotiated, next_hop) = (negotiated(), NextHop::new(nlri.address));
    let writer =
        UpdateWriter::announce(&mut octets, &negotiated, nlri.family(), next_hop, &attributes[..], MpPosition::ByType);
    let mut writer = writer.unwrap();
    assert!(writer.push(nlri));
    writer.finish();
    octets
}

fn with_update<T>(octets: &[u8], act: impl FnOnce(&Update<'_>, VrMembershipNlri) -> T) -> T {
    let (_, BgpMessage::Update(body)) = BgpMessage::take(octets).unwrap() else { panic!("an UPDATE") };
    let negotiated = negotiated();
    let update = Update::parse(body, &negotiated).unwrap();
    let nlri = update.mp_reach().unwrap().nlris::<VrMembershipNlri>().next().unwrap().unwrap();
    act(&update, nlri)
}

impl Provider {
    fn new(pes: usize, security: Security) -> Self {
        let (discoveries, peers) = (Vec::new(), BTreeMap::new());
        Self { net: Net::new(pes, 32), discoveries, peers, said: Vec::new(), security }
    }

    /// Configures the next PE: two virtual routers, and nothing about anybody else. No other PE is touched.
    fn add_pe(&mut self) {
        let (now, pe) = (self.net.world.now, self.discoveries.len());
        let mut discovery = VrDiscovery::new(now, VrDiscoveryConfig::default()).unwrap();
        for vrf in 1..=VRFS {
            let targets: Vec<RouteTarget> = vec![format!("65000:{vrf}").parse().unwrap()];
            let vr =
                VrConfig { vpn_id: vpn(vrf), address: provider_address(pe), import: targets.clone(), export: targets };
            discovery.add_vr(now, vr).unwrap();
        }
        for (_, octets) in &self.said {
            with_update(octets, |update, nlri| {
                discovery.handle_input(now, VrInput::Route { nlri, attributes: Some(update.attributes()) });
            });
        }
        self.discoveries.push(discovery);
        self.settle();
    }

    /// Carries what the discoveries say; a neighbour gets a link, of our end.
    fn settle(&mut self) {
        let now = self.net.world.now;
        let mut made = Vec::new();
        loop {
            let mut busy = false;
            for pe in 0..self.discoveries.len() {
                while let Some(output) = self.discoveries[pe].poll_output() {
                    busy = true;
                    match output {
                        VrOutput::Advertise { nlri, targets } => {
                            let octets = announce(&nlri, &targets, None);
                            for other in (0..self.discoveries.len()).filter(|other| *other != pe) {
                                with_update(&octets, |update, nlri| {
                                    let input = VrInput::Route { nlri, attributes: Some(update.attributes()) };
                                    self.discoveries[other].handle_input(now, input);
                                });
                            }
                            self.said.push((pe, octets));
                        }
                        VrOutput::Neighbor { vpn_id, remote: IpAddr::V4(remote), up: true, .. } => {
                            let other = usize::from(remote.octets()[1]) - 18;
                            made.push((pe, other, vpn_id, self.add_end(pe, other, vpn_id)));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            if !busy {
                break;
            }
        }
        self.net.world.run(Duration::from_secs(12));
        for (pe, other, vpn_id, link) in made {
            self.net.attach(pe, vpn_id.index() as u16, other, link);
        }
    }

    fn add_end(&mut self, pe: usize, other: usize, vpn_id: VpnId) -> LinkId {
        let net = &mut self.net;
        let peer = *self.peers.entry((pe, other)).or_insert_with(|| net.world.peer_end(pe, other, |_, _| {}));
        let vrf = VrfId(vpn_id.index() as u16);
        let base = LinkConfig::new(peer, vpn_id, vrf, Architecture::Gre);
        // A name that both ends know, and no other pair has.
        let index = (pe.min(other) * 16 + pe.max(other)) as u32;
        let cfg = LinkConfig { security: self.security, initiate: pe < other, index, ..base };
        net.world.link_end(pe, cfg).unwrap()
    }

    /// Packets of each pair of sites in each VPN: how many arrive where they should, and how many elsewhere.
    fn reached(&mut self, pes: usize) -> (usize, usize) {
        let (mut right, mut wrong) = (0, 0);
        for a in 0..pes {
            for b in a + 1..pes {
                let (r, w) = exchange(&mut self.net.world, [a, b], 3);
                (right, wrong) = (right + r, wrong + w);
            }
        }
        (right, wrong)
    }
}

/// Three PEs with two virtual routers each, whose addresses overlap. Those of equal VPN-IDs are linked by GRE, in clear and protected by
/// IPsec, as BGP says who there is; BGP and PIM-SM go over the links as they are. A fourth PE joins with configuration of its own alone. No
/// packet gets into another VPN.
///
/// Shows: L3VPN-SOL-2
#[test]
fn vpns_are_built_of_virtual_routers() {
    for security in [Security::Clear, Security::Esp] {
        let mut provider = Provider::new(4, security);
        (0..3).for_each(|_| provider.add_pe());
        provider.net.run(Duration::from_secs(45));
        assert!(provider.net.all_settled(), "{security:?}");
        // Three pairs, three packets, two VPNs, both ways.
        assert_eq!(provider.reached(3), (36, 0), "{security:?}");
        let held: Vec<usize> = provider.net.world.routers.iter().map(|r| r.links.len()).collect();
        assert_eq!(held, [4, 4, 4, 0], "{security:?}");

        provider.add_pe();
        provider.net.run(Duration::from_secs(45));
        assert!(provider.net.all_settled(), "{security:?}");
        assert_eq!(provider.reached(4), (72, 0), "{security:?}");
        // PIM has found everybody, and a receiver of one VPN behind the fourth PE joins across its link to the source's PE, in that VPN alone.
        for vr in &provider.net.vrs {
            assert_eq!((vr.links.len(), vr.pim_neighbors), (3, 3), "{security:?}: PE {} VRF {}", vr.router, vr.vrf);
        }
        let now = provider.net.world.now;
        let (source, group) = (Ipv4Addr::new(10, 1, 0, 9), Ipv4Addr::new(232, 1, 1, 1));
        provider.net.vr(3, 1).pim.handle_input(
            now,
            PimInput::Membership {
                interface: IfIndex(1),
                group,
                source: Some(source),
                membership: Membership::Include,
            },
        );
        provider.net.vrs.iter_mut().for_each(|vr| vr.joined.clear());
        provider.net.run(Duration::from_secs(5));
        let has = |net: &mut Net, router: usize, vrf: u16| {
            net.vr(router, vrf).joined.iter().any(|op| matches!(op, FwdOp::SetMroute { .. }))
        };
        assert!(has(&mut provider.net, 1, 1) && has(&mut provider.net, 3, 1), "{security:?}");
        for (router, vrf) in [(0, 1), (2, 1), (0, 2), (1, 2), (2, 2), (3, 2)] {
            assert!(!has(&mut provider.net, router, vrf), "{security:?}: PE {router} VRF {vrf}");
        }
        assert_eq!(provider.net.strayed, 0, "{security:?}");
    }
}

/// The Tunnel Encapsulation attribute (RFC 9012 §3.1) of one tunnel of IP in IP that ends at this address.
fn ends_at(address: Ipv4Addr) -> Vec<u8> {
    // Sub-TLV 6: reserved, family 1, address.
    let endpoint = [&[6, 10, 0, 0, 0, 0, 0, 1][..], &address.octets()].concat();
    let mut octets = Vec::new();
    Tunnel { tunnel_type: TunnelType::IP_IN_IP, octets: &endpoint }.emit(&mut octets);
    octets
}

/// Links of 6.3 say their VPN by an address that IKE does not explain. Each end learns which address of the other is of which VPN from BGP,
/// and asks IKE for nothing before it did; a VPN that comes later is learnt in the same way.
///
/// Shows: VLINK-6.3-C4
#[test]
fn addresses_of_vpns_are_learnt_by_bgp() {
    let mut net = Net::new(2, 16);
    let peers = net.world.peer(0, 1, |_, cfg| cfg.says_context = false);
    let own = |router: usize, vrf: u16| Ipv4Addr::new(198, 18 + router as u8, 40 + vrf as u8, 77);
    let mut links: BTreeMap<(usize, u16), LinkId> = BTreeMap::new();
    for vrf in 1..=VRFS {
        let target: RouteTarget = format!("65000:{vrf}").parse().unwrap();
        for pe in 0..2 {
            // The route's own address is the PE's, the same for all its VPNs: it says nothing of the link.
            let nlri = VrMembershipNlri::new(vpn(vrf), provider_address(pe));
            let octets = announce(&nlri, &[target], Some(&ends_at(own(pe, vrf))));
            let other = 1 - pe;
            assert!(!links.contains_key(&(other, vrf)));
            let learnt = with_update(&octets, |update, nlri| {
                let tunnels = update.attributes().tunnel_encapsulation().unwrap();
                let of_kind = |t: &Tunnel<'_>| t.tunnel_type == TunnelType::IP_IN_IP;
                (nlri.vpn_id, tunnels.tunnels().find(of_kind).and_then(|t| t.egress_endpoint()))
            });
            let (vpn_id, Some(Some(IpAddr::V4(remote)))) = learnt else { panic!("{learnt:?}") };
            assert_eq!(vpn_id, vpn(vrf));
            let base = LinkConfig::new(peers[other], vpn_id, VrfId(vrf), Architecture::DistinctIpip);
            let ends = Some(Ends::V4 { local: own(other, vrf), remote });
            let cfg = LinkConfig { ends, initiate: other == 0, ..base };
            links.insert((other, vrf), net.world.link_end(other, cfg).unwrap());
            net.world.run(Duration::from_secs(1));
            // One end knows: its offer finds nobody, or it waits.
            let up = |n: usize| net.world.routers[n].up.len();
            let both = usize::from(vrf) - usize::from(pe == 0);
            assert_eq!((up(0), up(1)), (both, both), "VRF {vrf}, said by PE {pe}");
            assert!(pe == 1 || net.world.routers.iter().all(|r| r.sad.len() == both), "nothing was agreed on");
        }
    }
    for ((router, vrf), link) in &links {
        net.world.route(*router, *vrf, 1 - *router as u8, *link);
        assert!(net.world.routers[*router].links.sa(*link).is_some());
    }
    assert_eq!(exchange(&mut net.world, [0, 1], 10), (40, 0));
    assert_eq!(net.world.routers[0].links.ike_sas(), 2);
}
