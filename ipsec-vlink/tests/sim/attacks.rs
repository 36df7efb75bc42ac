//! What an outsider, or a customer of one VPN, does to routers of each solution (RFC 4111 §5, RFC 4381): BGP/MPLS VPNs over protected MPLS in
//! IP, virtual routers over virtual links, CEs among themselves. Each attack is dropped, counted and told, and both VPNs go on.
//! What is done to routes is in bgp-vpn's tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fwd_core::DropReason;
use fwd_core::PuntReason;
use fwd_core::net::{NhlfeId, PolicerId, VrfId};
use fwd_core::op::{Ends, FwdOp, MulticastVrf, PolicePoint, Policer, Rates, RouteAction, Unit};
use fwd_core::wire::Ipv4;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ike::v2;
use ipsec_vlink::sad::{Reject, SadEvent};
use ipsec_vlink::spd::Audit;
use ipsec_vlink::vlink::{Event, LinkConfig, LinkId, PeerId, Security};

use crate::router::{CORE, Fate, ethernet, mac};
use crate::world::{PAYLOAD, World, ends, ip, own_ends, packet, vpn};

/// A solution with two VPNs, in VRF 1 and VRF 2: the first is attacked at the second of its routers.
struct Solution {
    name: &'static str,
    architecture: Architecture,
    world: World,
    /// The routers of each VPN.
    routers: [[usize; 2]; 2],
    /// The first VPN's link at the router that is attacked.
    link: LinkId,
    /// That router's end of the tunnel.
    local: Ipv4Addr,
    /// The other end: the tunnel's head.
    head: Ipv4Addr,
    /// The first message of IKE that was sent.
    first: Vec<u8>,
}

impl Solution {
    fn new(name: &'static str, architecture: Architecture, world: World, routers: [[usize; 2]; 2], ends: Ends) -> Self {
        let Ends::V4 { local, remote: head } = ends else { unreachable!() };
        let mut it = Self { name, architecture, world, routers, link: LinkId(0), local, head, first: Vec::new() };
        it.world.ike_wire = Some(Vec::new());
        it
    }

    /// Two PEs that both VPNs have in common.
    fn between_pes(name: &'static str, architecture: Architecture) -> Self {
        let ends = if architecture == Architecture::DistinctIpip { own_ends(1, 0, 1) } else { ends(1, 0, 1, 1) };
        let mut it = Self::new(name, architecture, World::new(2, 2, 8), [[0, 1], [0, 1]], ends);
        let peers = it.world.peer(0, 1);
        it.link = it.world.join([0, 1], peers, 2, architecture, Security::Esp)[0][1];
        it.started()
    }

    /// Two CEs of each VPN, and a PE that only routes.
    fn between_ces(name: &'static str) -> Self {
        const PE: usize = 4;
        let routers = [[0, 1], [2, 3]];
        let mut it = Self::new(name, Architecture::DistinctIpip, World::new(5, 2, 8), routers, own_ends(1, 0, 1));
        let world = &mut it.world;
        let mut links = Vec::new();
        for (n, [a, b]) in (1_u16..).zip(routers) {
            let none = |_, cfg: &mut ipsec_vlink::vlink::PeerConfig| {
                (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None)
            };
            let peers = world.ce(a, b, vpn(n.into()), none);
            let cfg = LinkConfig::new(PeerId(0), vpn(n.into()), VrfId(n), Architecture::DistinctIpip);
            links.push(world.link([a, b], peers, &cfg).unwrap());
        }
        for ce in 0..4 {
            for other in (0..4).filter(|other| *other != ce) {
                world.routers[ce].neighbor(other as u32, mac(PE, CORE));
            }
            world.routers[PE].route(0, &format!("198.{}.0.0/16", 18 + ce), RouteAction::Forward(NhlfeId(ce as u32)));
        }
        world.seconds(10);
        for (n, (pair, ids)) in (1..).zip(routers.into_iter().zip(&links)) {
            for end in 0..2 {
                world.route(pair[end], n, pair[1 - end], ids[end]);
            }
        }
        it.link = links[0][1];
        it.started()
    }

    fn started(mut self) -> Self {
        self.first = self.world.ike_wire.take().unwrap().remove(0);
        for pair in self.routers {
            for router in pair {
                self.world.routers[router].events.clear();
            }
        }
        self.go_on("at first");
        self
    }

    /// The router that is attacked.
    const fn at(&self) -> usize {
        self.routers[0][1]
    }

    /// Both VPNs carry packets both ways, and no link of theirs went down. What is told at most once a second is told again.
    fn go_on(&mut self, after: &str) {
        for (vrf, [a, b]) in (1..).zip(self.routers) {
            for (from, to) in [(a, b), (b, a)] {
                assert!(self.world.reaches(from, to, vrf), "{}, {after}: VPN {vrf}", self.name);
            }
        }
        self.world.seconds(2);
        for router in &mut self.world.routers {
            assert!(!router.events.iter().any(|(_, e)| matches!(e, Event::LinkDown { .. })), "{}, {after}", self.name);
            while router.sad.poll_event().is_some() {}
        }
    }

    /// A packet of the first VPN on its way to the router, protected.
    fn protected(&mut self) -> Vec<u8> {
        let [from, to] = self.routers[0];
        let Fate::Core(mut frame) = self.world.leave(from, 1, &packet(from, to)) else { panic!("sent") };
        assert_eq!(frame[23], 50);
        // From wherever it is put on the wire.
        frame[..6].copy_from_slice(&mac(to, CORE).0);
        frame
    }

    /// The attack's frames arrive at the router.
    fn arrives(&mut self, frame: Vec<u8>) -> Fate {
        let now = self.world.now;
        let at = self.at();
        self.world.routers[at].forward(now, CORE, frame)
    }

    /// A packet of the first VPN as it is inside of the association, in the head's name: the label, the key or the session with its cookie is
    /// the right one.
    fn in_clear(&self) -> Vec<u8> {
        let router = &self.world.routers[self.at()];
        let key = router.links.local_key(self.link);
        let header = match self.architecture {
            Architecture::Mpls => (key.unwrap() << 12 | 0x140).to_be_bytes().to_vec(),
            Architecture::Gre => [&[0x20, 0, 8, 0][..], &key.unwrap().to_be_bytes()].concat(),
            Architecture::L2tp => {
                let up = router.session_of(self.link).unwrap();
                [&up.local_id.to_be_bytes()[..], up.local_cookie.as_slice()].concat()
            }
            _ => Vec::new(),
        };
        let inner = packet(self.routers[0][0], self.at());
        ip(self.head, self.local, self.architecture.protocol().0, &[header, inner].concat())
    }

    /// What the forwarding plane drops, it counts.
    fn dropped(&mut self, iface: u32, frame: Vec<u8>, why: DropReason) {
        let (now, at) = (self.world.now, self.at());
        let router = &mut self.world.routers[at];
        let before = router.forwarder.counters().dropped(why);
        assert_eq!(router.forward(now, iface, frame), Fate::Dropped(why), "{}", self.name);
        assert_eq!(router.forwarder.counters().dropped(why), before + 1);
    }

    /// What ESP does not take is counted, and told with where it came from.
    fn rejected(&mut self, frame: Vec<u8>, why: Reject) {
        let at = self.at();
        let from: IpAddr = Ipv4Addr::new(frame[26], frame[27], frame[28], frame[29]).into();
        let before = self.world.routers[at].sad.rejected(why);
        assert_eq!(self.arrives(frame), Fate::Rejected(why), "{}", self.name);
        let sad = &mut self.world.routers[at].sad;
        assert_eq!(sad.rejected(why), before + 1);
        let told = sad.poll_event();
        let is_it =
            |e: &SadEvent| matches!(e, SadEvent::Audit { why: w, from: f, .. } if (*w, *f) == (why, Some(from)));
        assert!(told.as_ref().is_some_and(is_it), "{}: {told:?}", self.name);
    }

    /// The label, or what else says the VPN, is spoofed: in clear in the head's name, and by frames with labels from the core and from the
    /// second VPN's site.
    fn spoofed_label(&mut self) {
        let at = self.at();
        let clear = ethernet(mac(at, CORE), &self.in_clear());
        let why = match self.architecture {
            // The association is what leads to the link.
            Architecture::DistinctIpip => DropReason::NoVlink,
            _ => DropReason::VlinkProtection,
        };
        let counted = self.world.routers[at].links.dropped(Audit::ShouldBeProtected);
        self.dropped(CORE, clear, why);
        assert_eq!(self.world.routers[at].links.dropped(Audit::ShouldBeProtected), counted + 1, "{}", self.name);
        self.world.collect();
        let head = IpAddr::from(self.head);
        let told = |(_, e): &(_, Event)| *e == Event::Audit { why: Audit::ShouldBeProtected, from: head };
        assert_eq!(self.world.routers[at].events.iter().filter(|e| told(e)).count(), 1, "{}", self.name);
        let key = self.world.routers[at].links.local_key(self.link).unwrap_or(16);
        for iface in [CORE, 2] {
            let mut labelled = ethernet(mac(at, iface), &(key << 12 | 0x140).to_be_bytes());
            labelled[12..14].copy_from_slice(&[0x88, 0x47]);
            labelled.extend(packet(self.routers[0][0], at));
            self.dropped(iface, labelled, DropReason::MplsDisabled);
        }
    }

    /// The tunnel's head is spoofed: in its name without the key; with what the key made, from elsewhere; and by a customer of the second
    /// VPN, whose packets to the end of the tunnel are its VPN's.
    fn spoofed_head(&mut self) {
        let mut forged = self.protected();
        *forged.last_mut().unwrap() ^= 1;
        self.rejected(forged, Reject::Integrity);
        let mut unknown = self.protected();
        unknown[34] ^= 0x80;
        self.rejected(unknown, Reject::UnknownSpi);
        let mut elsewhere = self.protected();
        elsewhere[26..30].copy_from_slice(&[203, 0, 113, 8]);
        Ipv4(elsewhere[14..].first_chunk_mut::<20>().unwrap()).fill_checksum();
        self.rejected(elsewhere, Reject::Address);
        let inside = ethernet(mac(self.at(), 2), &self.in_clear());
        self.dropped(2, inside, DropReason::NoRoute);
    }

    fn replayed(&mut self) {
        let frame = self.protected();
        assert!(matches!(self.arrives(frame.clone()), Fate::Site { vrf: 1, .. }), "{}", self.name);
        self.rejected(frame, Reject::Replayed);
    }

    /// In the name of the tunnel's head, and of whoever, very many ask for an IKE SA: those of one source are bounded, strangers get none, and
    /// each cause is told once. The second VPN's associations are replaced meanwhile.
    fn half_open(&mut self) {
        let (now, at) = (self.world.now, self.at());
        let router = &mut self.world.routers[at];
        let (sas, _) = router.ike.sizes();
        router.ike_events.clear();
        let mut first = self.first.clone();
        let to = SocketAddr::new(self.local.into(), 500);
        for n in 0..2000_u32 {
            let from = if n % 2 == 0 { self.head } else { Ipv4Addr::from_bits(0xcb00_7100 + n) };
            first[..8].copy_from_slice(&(u64::from(n) + 1).to_be_bytes());
            router.hear_ike(now, SocketAddr::new(from.into(), 500), to, &first);
            router.drain(now);
        }
        let bound = v2::Config::default().half_open_per_source;
        assert_eq!(router.ike.sizes(), (sas + bound, bound), "{}", self.name);
        for (why, n) in [(v2::Reject::HalfOpen, 1000 - bound as u64), (v2::Reject::UnknownPeer, 1000)] {
            assert_eq!(router.ike.counters().rejected(why), n, "{}", self.name);
            let told = |e: &&v2::Event| matches!(e, v2::Event::Rejected(_, w) if *w == why);
            assert_eq!(router.ike_events.iter().filter(told).count(), 1, "{}", self.name);
        }
        let second = self.routers[1][0];
        let spis =
            |world: &World| world.routers[second].installed.values().map(|child| child.spi_in).collect::<Vec<_>>();
        let before = spis(&self.world);
        for child in self.world.routers[second].children.keys().copied().collect::<Vec<_>>() {
            self.world.routers[second].ike.replace_child(now, child).unwrap();
        }
        self.world.seconds(5);
        assert!(spis(&self.world).iter().all(|spi| !before.contains(spi)), "{}: others are served", self.name);
        self.world.seconds(60);
        assert_eq!(self.world.routers[at].ike.sizes(), (sas, 0), "{}: what was half-open is forgotten", self.name);
    }

    /// The first VPN's site floods its router with packets that are software's: what software gets of each VPN is policed.
    fn flooded(&mut self) {
        const BURST: u32 = 20;
        let (now, at) = (self.world.now, self.at());
        let router = &mut self.world.routers[at];
        for (id, vrf) in [(PolicerId(0), VrfId(1)), (PolicerId(1), VrfId(2))] {
            let rates = Rates::Single { cir: 1, cbs: BURST, ebs: 0 };
            let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
            router.apply(&FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: true } });
            router.apply(&FwdOp::SetPolicer { id, policer });
            router.apply(&FwdOp::SetPolicePoint { at: PolicePoint::Punt(vrf), policer: id });
        }
        let mut stream = |vrf: u32| {
            let packet = ip([10, at as u8, 0, 1].into(), [239, 1, 1, 1].into(), 253, PAYLOAD);
            router.forward(now, vrf, ethernet(mac(at, vrf), &packet))
        };
        let to_software = Fate::Punted(PuntReason::NoMroute);
        let got = (0..1000).filter(|_| stream(1) == to_software).count();
        assert_eq!((got, stream(2)), (BURST as usize, to_software), "{}", self.name);
        let counters = router.forwarder.counters();
        assert_eq!(counters.dropped(DropReason::Policed), 1000 - u64::from(BURST), "{}", self.name);
    }
}

/// An attack, and what it is called.
type Attack = (&'static str, fn(&mut Solution));

const ATTACKS: [Attack; 5] = [
    ("a label is spoofed", Solution::spoofed_label),
    ("the tunnel's head is spoofed", Solution::spoofed_head),
    ("packets are replayed", Solution::replayed),
    ("half-open IKE SAs", Solution::half_open),
    ("a flood to software", Solution::flooded),
];

/// Every attack on every solution: dropped, counted, and told where there is somebody to tell; neither the VPN that is attacked nor the
/// second one loses a link or a packet of its own.
///
/// Shows: L3VPN-TSK-4
#[test]
fn each_solution_stands_attacks_on_one_vpn() {
    use Architecture::{DistinctIpip, Gre, L2tp, Mpls};
    let solutions = [
        Solution::between_pes("BGP/MPLS over MPLS in IP", Mpls),
        Solution::between_pes("virtual routers over GRE", Gre),
        Solution::between_pes("virtual routers over L2TP", L2tp),
        Solution::between_pes("virtual routers over IP in IP", DistinctIpip),
        Solution::between_ces("CEs among themselves"),
    ];
    for mut solution in solutions {
        for (attack, run) in ATTACKS {
            run(&mut solution);
            solution.go_on(attack);
        }
    }
}
