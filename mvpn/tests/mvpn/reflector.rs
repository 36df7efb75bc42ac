//! A route reflector, the real speaker, whose clients are PEs of which only the BGP messages exist: what MCAST-VPN costs it, and what it
//! tells whom.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant as Clock;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::message::Open;
use bgp_vpn::message::capability::Capability;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use bgp_vpn::nlri::{Family, RouteDistinguisher};
use bgp_vpn::session::{FamilyConfig, LocalIdentity, PeerConfig, PeerRole};
use bgp_vpn::speaker::{Input, Output, PeerId, Side, Speaker, SpeakerConfig};
use fwd_core::net::{Label, NhlfeId};
use fwd_core::time::Instant;
use mvpn::mvrf::{McastKind, McastRoute};
use mvpn::pim::wire::AddressFamily;

const ASN: u32 = 65001;
const ROOM: usize = 1 << 20;

/// What a client was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// UPDATEs.
    pub updates: u64,
    /// Their octets.
    pub octets: u64,
    /// MCAST-VPN routes announced in them.
    pub announced: u64,
    /// MCAST-VPN routes withdrawn in them.
    pub withdrawn: u64,
}

/// The reflector.
pub struct Reflector {
    now: Instant,
    pub speaker: Speaker,
    peers: Vec<PeerId>,
    pub told: Vec<Told>,
    /// Octets of UPDATEs that came.
    pub heard: u64,
}

/// The address of a PE.
pub fn router(n: u32) -> IpAddr {
    Ipv4Addr::from_bits((192 << 24) + n).into()
}

/// A VPN's RD at a PE.
pub fn rd(vpn: u32, pe: u32) -> RouteDistinguisher {
    RouteDistinguisher::four_octet_as(vpn, u16::try_from(pe).unwrap())
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut m = vec![0xff; 16];
    m.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    m.push(kind);
    m.extend_from_slice(body);
    m
}

/// An UPDATE with these attributes behind ORIGIN, AS_PATH and LOCAL_PREF.
fn update(rest: &[u8]) -> Vec<u8> {
    let attributes = [&[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100][..], rest].concat();
    let len = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    message(2, &[&[0, 0][..], &len, &attributes].concat())
}

fn mp_reach(safi: u8, next_hop: IpAddr, nlri: &[u8]) -> Vec<u8> {
    let IpAddr::V4(next_hop) = next_hop else { panic!("IPv4") };
    let value = [&[0, 1, safi, 4][..], &next_hop.octets(), &[0], nlri].concat();
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[0x90, 14][..], &len, &value].concat()
}

/// MCAST-VPN routes of a PE with one route target.
fn announce(from: u32, routes: &[McastRoute], target: RouteTarget) -> Vec<u8> {
    let mut nlri = Vec::new();
    routes.iter().for_each(|route| route.emit(&mut nlri));
    let mut rest = mp_reach(5, router(from), &nlri);
    rest.extend_from_slice(&[0xc0, 16, 8]);
    rest.extend_from_slice(&target.community().0);
    update(&rest)
}

/// Membership in a route target (RFC 4684 §4).
fn membership(from: u32, targets: &[RouteTarget]) -> Vec<u8> {
    let mut nlri = Vec::new();
    for target in targets {
        nlri.push(96);
        nlri.extend_from_slice(&ASN.to_be_bytes());
        nlri.extend_from_slice(&target.community().0);
    }
    update(&mp_reach(132, router(from), &nlri))
}

/// How many MCAST-VPN routes of IPv4 the attributes of an UPDATE announce, and how many they withdraw.
fn routes(mut attributes: &[u8]) -> (u64, u64) {
    let count = |mut nlri: &[u8]| {
        let mut n = 0;
        while let [_, len, rest @ ..] = nlri {
            (n, nlri) = (n + 1, &rest[usize::from(*len)..]);
        }
        n
    };
    let (mut announced, mut withdrawn) = (0, 0);
    while let [flags, code, rest @ ..] = attributes {
        // Extended Length.
        let (len, rest) = match flags & 0x10 {
            0 => (usize::from(rest[0]), &rest[1..]),
            _ => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
        };
        let (value, next) = rest.split_at(len);
        match (code, value) {
            (14, [0, 1, 5, next_hop, rest @ ..]) => announced += count(&rest[usize::from(*next_hop) + 1..]),
            (15, [0, 1, 5, rest @ ..]) => withdrawn += count(rest),
            _ => {}
        }
        attributes = next;
    }
    (announced, withdrawn)
}

/// The end of a family's routes (RFC 4724 §2).
fn end_of_rib(safi: u8) -> Vec<u8> {
    message(2, &[0, 0, 0, 6, 0x80, 15, 3, 0, 1, safi])
}

impl Reflector {
    /// A reflector whose clients 1 to `pes` have sessions that are up.
    pub fn new(pes: u32) -> Self {
        Self::with(pes, |_| true)
    }

    /// The same, where clients without multicast do not say the capability for MCAST-VPN.
    pub fn with(pes: u32, has_multicast: impl Fn(u32) -> bool) -> Self {
        let config = SpeakerConfig {
            local: LocalIdentity { asn: ASN, router_id: Ipv4Addr::new(10, 255, 0, 1) },
            cluster_id: None,
            labels: (Label::FIRST_UNRESERVED, Label::MAX),
            nhlfes: (NhlfeId(10_000), NhlfeId(20_000)),
            seed: 1,
        };
        let speaker = Speaker::new(Instant::ZERO, config).unwrap();
        let told = vec![Told::default(); pes as usize + 1];
        let mut rr = Self { now: Instant::ZERO, speaker, peers: vec![PeerId(u32::MAX)], told, heard: 0 };
        let families = [Family::MCAST_VPN_IPV4, Family::RT_CONSTRAINT];
        for n in 1..=pes {
            let families: Vec<_> = families.into_iter().map(FamilyConfig::new).collect();
            let config = PeerConfig::new(router(n), router(0), ASN, &[Family::MCAST_VPN_IPV4]);
            let config = PeerConfig { role: PeerRole::ReflectorClient, passive: true, families, ..config };
            rr.peers.push(rr.speaker.add_peer(rr.now, config).unwrap());
        }
        let capabilities = |n: u32| {
            let own = families.into_iter().filter(|family| *family != Family::MCAST_VPN_IPV4 || has_multicast(n));
            let mut all: Vec<_> = own.map(Capability::Multiprotocol).collect();
            all.push(Capability::FourOctetAs(ASN));
            all
        };
        for n in 1..=pes {
            let peer = rr.peers[n as usize];
            rr.speaker.handle_input(rr.now, Input::Connected { peer, side: Side::Incoming });
            rr.speaker.handle_input(rr.now, Input::Writable { peer, side: Side::Incoming, room: ROOM });
            let IpAddr::V4(id) = router(n) else { panic!() };
            let mut body = Vec::new();
            Open::new(ASN, 0, id, capabilities(n)).unwrap().emit(&mut body);
            rr.stream(n, &message(1, &body));
            rr.stream(n, &message(4, &[]));
        }
        rr.settle();
        let up = rr.peers[1..].iter().all(|peer| rr.speaker.peer_negotiated(*peer).is_some());
        assert!(up, "sessions are up");
        rr
    }

    fn stream(&mut self, from: u32, octets: &[u8]) {
        let peer = self.peers[from as usize];
        self.speaker.handle_input(self.now, Input::Stream { peer, side: Side::Incoming, octets });
    }

    /// A PE says what it is a member of, and that this is all.
    pub fn members(&mut self, pe: u32, targets: &[RouteTarget]) {
        for some in targets.chunks(200) {
            self.stream(pe, &membership(pe, some));
        }
        self.stream(pe, &end_of_rib(132));
    }

    /// A PE announces.
    pub fn announce(&mut self, pe: u32, routes: &[McastRoute], target: RouteTarget) {
        let octets = announce(pe, routes, target);
        self.heard += octets.len() as u64;
        self.stream(pe, &octets);
    }

    /// A PE withdraws.
    pub fn withdraw(&mut self, pe: u32, route: McastRoute) {
        let mut nlri = Vec::new();
        route.emit(&mut nlri);
        let len = u8::try_from(nlri.len() + 3).unwrap();
        let attributes = [&[0x80, 15, len, 0, 1, 5][..], &nlri].concat();
        let size = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        let octets = message(2, &[&[0, 0][..], &size, &attributes].concat());
        self.stream(pe, &octets);
    }

    /// Everything that the reflector has to say, taken by its clients at once.
    pub fn settle(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            let Output::Stream { peer, octets, .. } = output else { continue };
            let n = self.peers.iter().position(|p| *p == peer).unwrap_or(0);
            let mut rest = &octets[..];
            while rest.len() >= 19 {
                let len = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
                let (one, next) = rest.split_at(len);
                if one[18] == 2 {
                    let told = &mut self.told[n];
                    told.updates += 1;
                    told.octets += len as u64;
                    let (announced, withdrawn) = routes(&one[23..]);
                    told.announced += announced;
                    told.withdrawn += withdrawn;
                }
                rest = next;
            }
            self.speaker.handle_input(self.now, Input::Writable { peer, side: Side::Incoming, room: ROOM });
        }
    }

    /// Lets waits of the reflector end, such as that for memberships.
    pub fn wait(&mut self) {
        for _ in 0..100 {
            let Some(next) = self.speaker.next_timeout().filter(|at| *at < Instant::from_secs(600)) else { return };
            self.now = self.now.max(next);
            self.speaker.handle_timeout(self.now);
            self.settle();
        }
    }

    pub fn forget(&mut self) {
        self.told.fill(Told::default());
        self.heard = 0;
    }
}

/// Full tables at a reflector: VPNs on `spread` PEs each of `pes`.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub routes: u32,
    /// Memory of the reflector for each route.
    pub octets_each: f64,
    /// Microseconds for each route: taken, and told to everybody who wants it.
    pub micros_each: f64,
    /// Octets of UPDATEs that went out for each route that came in and each PE that was to have it.
    pub wire_each: f64,
    /// Routes that PEs without a VPN were told of.
    pub misdirected: u64,
}

/// SC-1, SC-6: intra-AS I-PMSI A-D routes of `vpns` VPNs; the PEs beyond `with` have none of them.
pub fn full_table(vpns: u32, spread: u32, with: u32, pes: u32) -> Table {
    let mut rr = Reflector::new(pes);
    let target = |vpn: u32| RouteTarget::two_octet_as(1, vpn);
    let on = |vpn: u32| (0..spread).map(move |i| 1 + (vpn * 7 + i * (with / spread).max(1)) % with);
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); pes as usize + 1];
    for vpn in 1..=vpns {
        on(vpn).for_each(|pe| of[pe as usize].push(vpn));
    }
    for pe in 1..=pes {
        let targets: Vec<_> = of[pe as usize].iter().map(|vpn| target(*vpn)).collect();
        rr.members(pe, &targets);
    }
    rr.settle();
    rr.wait();
    rr.forget();
    let before = rr.speaker.stats().octets;
    let clock = Clock::now();
    let mut routes = 0;
    for pe in 1..=pes {
        for vpn in of[pe as usize].clone() {
            let route = McastRoute::i_pmsi(AddressFamily::V4, rd(vpn, pe), router(pe));
            rr.announce(pe, &[route], target(vpn));
            routes += 1;
        }
        rr.settle();
    }
    let micros = clock.elapsed().as_secs_f64() * 1e6;
    let told: u64 = rr.told.iter().map(|t| t.octets).sum();
    Table {
        routes,
        octets_each: (rr.speaker.stats().octets - before) as f64 / f64::from(routes),
        micros_each: micros / f64::from(routes),
        wire_each: told as f64 / (f64::from(routes) * f64::from(spread - 1)),
        misdirected: rr.told[with as usize + 1..].iter().map(|t| t.announced + t.withdrawn).sum(),
    }
}

/// What joins of all PEs cost whom.
#[derive(Clone, Copy, Debug)]
pub struct Joins {
    /// Octets of memory at the reflector for each path.
    pub octets_each: f64,
    /// Microseconds at the reflector for each path.
    pub micros_each: f64,
    /// Octets that a joining PE sends for a join.
    pub sent_each: f64,
    /// What the upstream PE is told.
    pub upstream: Told,
    /// What another PE of the VPN is told.
    pub other: Told,
    /// Withdrawals at the upstream PE when all but one PE left, and when the last left.
    pub leaving: (u64, u64),
}

/// SC-4: PEs 2 to `pes` join `streams` streams of PE 1.
pub fn joins(pes: u32, streams: u32) -> Joins {
    let mut rr = Reflector::new(pes);
    let vpn = RouteTarget::two_octet_as(1, 1);
    let import = |pe| match router(pe) {
        IpAddr::V4(address) => RouteTarget::ipv4_address(address, 1),
        IpAddr::V6(_) => panic!("IPv4"),
    };
    (1..=pes).for_each(|pe| rr.members(pe, &[vpn, import(pe)]));
    rr.settle();
    rr.wait();
    rr.forget();
    let route = |n: u32| {
        let (source, group) = ([10, 0, 0, 1].into(), Ipv4Addr::from_bits((232 << 24) + 256 + n).into());
        let join = CMulticast { rd: rd(1, 1), source_as: ASN, source, group };
        McastRoute { family: AddressFamily::V4, kind: McastKind::SourceTreeJoin(join) }
    };
    let before = rr.speaker.stats().octets;
    let clock = Clock::now();
    for pe in 2..=pes {
        for n in 0..streams {
            rr.announce(pe, &[route(n)], import(1));
        }
        rr.settle();
    }
    let paths = f64::from(streams) * f64::from(pes - 1);
    let micros = clock.elapsed().as_secs_f64() * 1e6;
    let (octets, heard) = (rr.speaker.stats().octets - before, rr.heard);
    let (upstream, other) = (rr.told[1], rr.told[2]);
    rr.forget();
    let mut leave = |pes: std::ops::RangeInclusive<u32>| {
        for pe in pes {
            (0..streams).for_each(|n| rr.withdraw(pe, route(n)));
        }
        rr.settle();
        std::mem::take(&mut rr.told[1].withdrawn)
    };
    let leaving = (leave(2..=pes - 1), leave(pes..=pes));
    Joins {
        octets_each: octets as f64 / paths,
        micros_each: micros / paths,
        sent_each: heard as f64 / paths,
        upstream,
        other,
        leaving,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten times the VPNs: a route costs the reflector the same memory and wire. A PE without a VPN is told nothing of it.
    ///
    /// Shows: MVPN-SCAL-3
    #[test]
    fn a_route_costs_the_same_among_ten_times_the_vpns() {
        let few = full_table(25, 20, 40, 60);
        let many = full_table(250, 20, 40, 60);
        println!("{:.2} and {:.2} µs a route", few.micros_each, many.micros_each);
        assert_eq!((few.routes, many.routes), (500, 5000));
        assert!(many.octets_each < few.octets_each * 1.1 && many.octets_each < 1000.0, "{few:?} {many:?}");
        assert!(many.wire_each < few.wire_each * 1.05, "{few:?} {many:?}");
        assert_eq!((few.misdirected, many.misdirected), (0, 0));
    }

    /// One VPN, fifty and five thousand: a route costs the reflector the same memory and wire, and reaches the PEs of its VPN alone.
    ///
    /// Shows: MVPN-SCALE-1
    #[test]
    fn from_one_vpn_to_thousands() {
        let tables = [1, 50, 5000].map(|vpns| full_table(vpns, 4, 40, 60));
        println!("{tables:?}");
        let [_, few, many] = tables;
        for (table, vpns) in tables.iter().zip([1, 50, 5000]) {
            assert_eq!((table.routes, table.misdirected), (4 * vpns, 0));
        }
        assert!(many.octets_each < few.octets_each * 1.1 && many.octets_each < 1000.0, "{few:?} {many:?}");
        assert!(many.wire_each < few.wire_each * 1.05, "{few:?} {many:?}");
    }

    /// Fifty and five hundred PEs of one VPN, all of which join: the upstream PE hears of each stream once and of the last leave alone, other PEs
    /// of none, and a join costs the reflector and the wire the same.
    ///
    /// Shows: MVPN-SCALE-7, MVPN-SCALE-11
    #[test]
    fn hundreds_of_pes_join_and_leave() {
        let (few, many) = (joins(50, 8), joins(500, 8));
        println!("{:.2} and {:.2} µs a path", few.micros_each, many.micros_each);
        for j in [few, many] {
            assert_eq!((j.upstream.announced, j.upstream.withdrawn), (8, 0), "{j:?}");
            assert_eq!((j.other, j.leaving), (Told::default(), (0, 8)), "{j:?}");
        }
        assert_eq!((few.sent_each, few.upstream.octets), (many.sent_each, many.upstream.octets));
        assert!(many.octets_each < few.octets_each * 1.1, "{few:?} {many:?}");
    }

    /// Two thousand PEs with multicast, of which half have none of the VPNs: these are told nothing, and what a PE of a VPN is told does not depend on
    /// how many others there are.
    ///
    /// Shows: MVPN-SCALE-12
    #[test]
    fn thousands_of_enabled_pes() {
        let (few, many) = (full_table(40, 5, 100, 200), full_table(40, 5, 1000, 2000));
        println!("{few:?} {many:?}");
        assert_eq!((few.routes, many.routes), (200, 200));
        assert_eq!((few.misdirected, many.misdirected), (0, 0));
        // A PE that has more than one VPN gets their routes in one message.
        assert!(many.wire_each < few.wire_each * 1.25, "{few:?} {many:?}");
        let slope = (many.octets_each - few.octets_each) / 1800.0;
        assert!(slope < 4.0, "{slope} octets a route for each other PE");
    }

    /// Ten times the PEs of a VPN join the same streams: the upstream PE hears of each stream once, other PEs of none, and leaves reach it
    /// when the last leaves; a path costs the reflector the same.
    ///
    /// Shows: MVPN-SCAL-9
    #[test]
    fn the_upstream_pe_hears_of_a_stream_once() {
        let few = joins(10, 40);
        let many = joins(100, 40);
        println!("{:.2} and {:.2} µs a path", few.micros_each, many.micros_each);
        for j in [few, many] {
            assert_eq!((j.upstream.announced, j.upstream.withdrawn), (40, 0), "{j:?}");
            assert_eq!(j.other, Told::default(), "{j:?}");
            // A type 7 route with its attributes is some hundred octets, of which the NLRI are 24.
            assert!((60.0..120.0).contains(&j.sent_each), "{j:?}");
            assert_eq!(j.leaving, (0, 40), "{j:?}");
        }
        assert_eq!(few.sent_each, many.sent_each);
        assert_eq!(few.upstream.octets, many.upstream.octets);
        assert!(many.octets_each < few.octets_each * 1.1, "{few:?} {many:?}");
    }

    /// A PE that does not have multicast, one that has it and not this VPN, and two of the VPN: routes of the VPN go to those two alone, a
    /// C-multicast route to its upstream PE alone.
    ///
    /// Shows: MVPN-ISEC-5
    #[test]
    fn multicast_routes_go_to_enabled_pes_alone() {
        let mut rr = Reflector::with(4, |pe| pe != 4);
        let (vpn, other) = (RouteTarget::two_octet_as(1, 1), RouteTarget::two_octet_as(1, 2));
        let import = |n: u8| RouteTarget::ipv4_address(Ipv4Addr::new(192, 0, 0, n), 1);
        for (pe, of) in [(1, vpn), (2, vpn), (3, other), (4, vpn)] {
            rr.members(pe, &[of, import(pe as u8)]);
        }
        rr.settle();
        rr.wait();
        rr.forget();
        rr.announce(1, &[McastRoute::i_pmsi(AddressFamily::V4, rd(1, 1), router(1))], vpn);
        rr.settle();
        let announced = |rr: &Reflector| rr.told[1..].iter().map(|t| t.announced).collect::<Vec<_>>();
        assert_eq!(announced(&rr), [0, 1, 0, 0]);
        let (source, group) = ([10, 0, 0, 1].into(), [232, 1, 1, 1].into());
        let join = CMulticast { rd: rd(1, 1), source_as: ASN, source, group };
        let join = McastRoute { family: AddressFamily::V4, kind: McastKind::SourceTreeJoin(join) };
        rr.announce(2, &[join], import(1));
        rr.settle();
        assert_eq!(announced(&rr), [1, 1, 0, 0]);
        // It is enabled, and is told; the session of one that does not have multicast carries no route of it even so.
        rr.members(3, &[vpn]);
        rr.members(4, &[vpn]);
        rr.settle();
        rr.wait();
        assert_eq!(announced(&rr), [1, 1, 1, 0]);
    }
}
