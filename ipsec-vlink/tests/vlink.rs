//! Virtual links between two systems, by values: what IKE, L2TP and BGP would carry is handed from one to the other.

#[path = "vlink/drive.rs"]
mod drive;
#[path = "vlink/mib.rs"]
mod mib;
#[path = "vlink/policy.rs"]
mod policy;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{NhlfeId, SaId, VpnId, VrfId};
use fwd_core::op::{Ends, FwdOp};
use fwd_core::time::Instant;
use fwd_core::wire::l2tpv3::Cookie;
use ipsec_vlink::arch::{Architecture, CeProfile, Clear, Count, TunnelManager, addresses};
use ipsec_vlink::correlate::{NoContext, Offer};
use ipsec_vlink::ike::{ApplicationId, Mode, TrafficSelector, VpnContext};
use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::{Address, PeerId as L2tpPeer, SessionUp};
use ipsec_vlink::vlink::{
    Config, ConfigError, Declined, Event, Input, LinkConfig, LinkId, LinkState, Output, PeerConfig, PeerId, PeerKind,
    SaRequest, Security, VirtualLinks,
};

fn ends(host: u8) -> Ends {
    let [a, b] = [1, 2].map(|net| Ipv4Addr::new(192, 0, net, host));
    Ends::V4 { local: a, remote: b }
}

fn own_ends(n: u32) -> Ends {
    let [a, b] = [1, 2].map(|net| Ipv4Addr::from_bits(0x0a00_0000 | net << 20 | n));
    Ends::V4 { local: a, remote: b }
}

fn vpn(n: u32) -> VpnId {
    VpnId::new(0x5e, n).unwrap()
}

/// One system, and what it wants.
struct System {
    now: Instant,
    links: VirtualLinks,
    requests: BTreeMap<SaId, SaRequest>,
    sessions: Vec<LinkId>,
    advertised: BTreeMap<LinkId, u32>,
    ops: Vec<FwdOp>,
    events: Vec<Event>,
}

impl System {
    fn new() -> Self {
        let now = Instant::from_secs(0);
        Self {
            now,
            links: VirtualLinks::new(now, Config::default()).unwrap(),
            requests: BTreeMap::new(),
            sessions: Vec::new(),
            advertised: BTreeMap::new(),
            ops: Vec::new(),
            events: Vec::new(),
        }
    }

    fn pe(&mut self) -> PeerId {
        let mut cfg = PeerConfig::pe(ends(1), NhlfeId(0));
        (cfg.clear, cfg.l2tp) = (Some(ends(2)), Some(L2tpPeer(0)));
        self.links.add_peer(cfg)
    }

    fn drain(&mut self) {
        while let Some(output) = self.links.poll_output() {
            match output {
                Output::Program(op) => self.ops.push(op),
                Output::RequestSa(request) => drop(self.requests.insert(request.sa, request)),
                Output::ReleaseSa { sa } => drop(self.requests.remove(&sa)),
                Output::OpenSession { link, .. } => self.sessions.push(link),
                Output::CloseSession { link } => self.sessions.retain(|other| *other != link),
                Output::Advertise { link, key, .. } => drop(self.advertised.insert(link, key)),
                Output::Withdraw { link, .. } => drop(self.advertised.remove(&link)),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.links.handle_input(self.now, input);
        self.drain();
    }

    /// Gives each link what it asked for.
    fn satisfy(&mut self) {
        self.drain();
        for (sa, request) in self.requests.clone() {
            self.input(Input::SaUp { sa, context: request.context.as_ref() });
        }
        for (link, key) in self.advertised.clone() {
            self.input(Input::RemoteKey { link, key: Some(key) });
        }
        for (n, link) in (1..).zip(self.sessions.clone()) {
            let up = SessionUp {
                remote: Address { ip: addresses(&ends(1)).1, port: None },
                local_id: n,
                remote_id: n,
                local_cookie: Cookie::new(&[1; 8]).unwrap(),
                remote_cookie: Cookie::new(&[2; 8]).unwrap(),
                local_sublayer: false,
                remote_sublayer: false,
                remote_sequencing: false,
                pseudowire: PseudowireType::IP,
            };
            self.input(Input::SessionUp { link, up: &up });
        }
    }

    fn state(&self, link: LinkId) -> LinkState {
        self.links.status(self.now, link).map_or(LinkState::Absent, |status| status.state)
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.links.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.links.handle_timeout(at);
            self.drain();
        }
        self.now = end;
    }
}

fn config(peer: PeerId, n: u32, architecture: Architecture, security: Security) -> LinkConfig {
    let mut cfg = LinkConfig { security, ..LinkConfig::new(peer, vpn(n), VrfId(n as u16 | 1), architecture) };
    if architecture == Architecture::DistinctIpip {
        cfg.ends = Some(own_ends(n));
    }
    cfg
}

/// A system with `n` links of this architecture to one PE, all of them up.
fn up(n: u32, architecture: Architecture, security: Security) -> (System, PeerId, Vec<LinkId>) {
    let mut system = System::new();
    let peer = system.pe();
    let links: Vec<LinkId> =
        (0..n).map(|n| system.links.add_link(system.now, config(peer, n, architecture, security)).unwrap()).collect();
    system.satisfy();
    for link in &links {
        assert!(system.state(*link).carries(), "{architecture:?} {security:?}");
    }
    (system, peer, links)
}

/// The draft's comparison, recomputed from what the machine does.
///
/// Shows: VLINK-5.2.1-2
#[test]
fn matrix_matches_behaviour() {
    const N: u32 = 20;
    for architecture in Architecture::ALL {
        let properties = architecture.properties();
        let (system, peer, _) = up(N, architecture, Security::Esp);
        let count = |count: Count| if count == Count::One { 1 } else { N as usize };
        assert_eq!(system.links.associations(), count(properties.child_sas), "{architecture:?}: Child SAs");
        assert_eq!(system.links.ike_sas(), count(properties.ike_sas), "{architecture:?}: IKE SAs");
        assert_eq!(system.links.local_addresses(), count(properties.addresses), "{architecture:?}: addresses");
        let requests: Vec<&SaRequest> = system.requests.values().collect();
        assert!(requests.iter().all(|request| request.mode == properties.mode));
        // Several associations with the same selectors, told apart by the context that IKE says: an extension.
        let first = &requests[0].selectors;
        let same = requests.len() > 1 && requests.iter().all(|request| request.selectors == *first);
        assert_eq!(same, properties.ike_extension, "{architecture:?}: identical selectors");
        assert_eq!(requests.iter().all(|request| request.context.is_some()), properties.ike_extension);
        // Without IPsec.
        let mut clear = System::new();
        let other = clear.pe();
        let one = clear.links.add_link(clear.now, config(other, 1, architecture, Security::Clear));
        let two = clear.links.add_link(clear.now, config(other, 2, architecture, Security::Clear));
        let found = match (one, two) {
            (Err(ConfigError::RequiresIpsec), Err(ConfigError::RequiresIpsec)) => Clear::Never,
            (Ok(_), Err(ConfigError::RequiresIpsec)) => Clear::One,
            (Ok(link), Ok(_)) => {
                clear.satisfy();
                match (clear.state(link), properties.manager) {
                    (LinkState::Unmanaged, TunnelManager::Ike) => Clear::Unmanaged,
                    _ => Clear::Yes,
                }
            }
            other => panic!("{architecture:?}: {other:?}"),
        };
        assert_eq!(found, properties.clear, "{architecture:?}");
        let _ = peer;
    }
}

/// Shows: VLINK-6.1-P1, VLINK-6.2-P1, VLINK-6.3-P1
#[test]
fn ike_manages_each_link_by_itself() {
    for architecture in [Architecture::TunnelSa, Architecture::SharedIpip, Architecture::DistinctIpip] {
        let (mut system, _, links) = up(5, architecture, Security::Esp);
        let sa = system.links.sa(links[2]).unwrap();
        system.ops.clear();
        system.input(Input::SaDown { sa });
        let states: Vec<LinkState> = links.iter().map(|link| system.state(*link)).collect();
        use LinkState::{Down, Up};
        assert_eq!(states, [Up, Up, Down, Up, Up], "{architecture:?}");
        // The entry goes before the link that it leads to.
        let cleared: Vec<_> = system.ops.iter().map(|op| matches!(op, FwdOp::ClearNhlfe { .. })).collect();
        assert_eq!(cleared, [true, false]);
        // It is asked for again.
        system.requests.clear();
        system.pass(15);
        assert_eq!(system.requests.keys().copied().collect::<Vec<_>>(), [sa]);
        system.satisfy();
        assert_eq!(system.state(links[2]), Up);
    }
}

/// Shows: VLINK-6.1-C1, VLINK-6.2-C1
#[test]
fn what_goes_by_spi_alone_requires_ipsec() {
    let mut system = System::new();
    let peer = system.pe();
    let mut add = |n, architecture, security| {
        system.links.add_link(system.now, config(peer, n, architecture, security)).map(|_| ())
    };
    assert_eq!(add(1, Architecture::TunnelSa, Security::Clear), Err(ConfigError::RequiresIpsec));
    assert_eq!(add(1, Architecture::TunnelSa, Security::Integrity), Ok(()));
    assert_eq!(add(2, Architecture::SharedIpip, Security::Clear), Ok(()));
    assert_eq!(add(3, Architecture::SharedIpip, Security::Clear), Err(ConfigError::RequiresIpsec));
    system.drain();
    assert!(system.requests.values().all(|request| request.integrity_only));
}

/// A peer without the extension gets the one VPN that is configured for it, or nothing.
///
/// Shows: VLINK-6.1-C2, VLINK-6.2-C2, VLINK-4-5, VLINK-5.3-1, VLINK-5.3-2
#[test]
fn a_context_is_never_guessed() {
    for architecture in [Architecture::TunnelSa, Architecture::SharedIpip] {
        let mut system = System::new();
        let mut cfg = PeerConfig::pe(ends(1), NhlfeId(0));
        (cfg.says_context, cfg.default_vpn) = (false, Some(vpn(7)));
        let peer = system.links.add_peer(cfg);
        let mut add = |n| system.links.add_link(system.now, config(peer, n, architecture, Security::Esp)).map(|_| ());
        assert_eq!(add(3), Err(ConfigError::NeedsContext), "not the default");
        assert_eq!(add(7), Ok(()));
        assert_eq!(add(8), Err(ConfigError::NeedsContext), "a second one");

        // With the extension: what was said must come back.
        let mut system = System::new();
        let peer = system.pe();
        let link = system.links.add_link(system.now, config(peer, 3, architecture, Security::Esp)).unwrap();
        system.drain();
        let sa = system.links.sa(link).unwrap();
        for said in [None, Some(VpnContext::link(vpn(4), 0))] {
            system.input(Input::SaUp { sa, context: said.as_ref() });
            assert_eq!(system.events.pop(), Some(Event::ContextMismatch { link }));
            assert!(!system.requests.contains_key(&sa), "it is given back");
            assert_eq!(system.state(link), LinkState::Pending);
        }
        // The peer asks: for the link's own context, for another application's, for nobody's.
        let request = SaRequest { ..up(1, architecture, Security::Esp).0.requests.values().next().unwrap().clone() };
        let mode = request.mode;
        let selectors = request.selectors;
        let offer =
            |context| Offer { ends: addresses(&ends(1)), mode, context, selectors: (&selectors.0, &selectors.1) };
        let ours = VpnContext::link(vpn(3), 0);
        assert_eq!(system.links.accept(peer, &offer(Some(&ours))), Ok(sa));
        let gateway = VpnContext { application: ApplicationId::SECURITY_GATEWAY, ..ours.clone() };
        let not_a_link = NoContext::Application(ApplicationId::SECURITY_GATEWAY);
        assert_eq!(system.links.accept(peer, &offer(Some(&gateway))), Err(Declined::Context(not_a_link)));
        assert_eq!(system.links.accept(peer, &offer(None)), Err(Declined::Context(NoContext::Unsaid)));
        let other = VpnContext::link(vpn(9), 0);
        assert_eq!(system.links.accept(peer, &offer(Some(&other))), Err(Declined::Context(NoContext::Unknown)));
    }
}

/// Shows: VLINK-5.2.1-1, VLINK-5.1-1
#[test]
fn selectors_are_any_packet_or_the_tunnel_and_not_less() {
    let (system, peer, links) = up(1, Architecture::TunnelSa, Security::Esp);
    let request = &system.requests[&system.links.sa(links[0]).unwrap()];
    assert_eq!(request.selectors, (TrafficSelector::ANY_V4, TrafficSelector::ANY_V4));
    let context = VpnContext::link(vpn(0), 0);
    let narrow = TrafficSelector::subnet(IpAddr::from([10, 0, 0, 0]), 8);
    let any = TrafficSelector::ANY_V4;
    let ends = addresses(&ends(1));
    let offer = |mode, theirs| Offer { ends, mode, context: Some(&context), selectors: (&any, theirs) };
    assert!(system.links.accept(peer, &offer(Mode::Tunnel, &any)).is_ok());
    assert_eq!(system.links.accept(peer, &offer(Mode::Tunnel, &narrow)), Err(Declined::Narrowed));
    assert_eq!(system.links.accept(peer, &offer(Mode::Transport, &any)), Err(Declined::NoLink), "the other mode");
    for (architecture, protocol) in [(Architecture::Gre, 47), (Architecture::Mpls, 137), (Architecture::L2tp, 115)] {
        let (system, ..) = up(3, architecture, Security::Esp);
        let [request] = system.requests.values().collect::<Vec<_>>()[..] else { panic!("{architecture:?}") };
        assert_eq!(request.mode, Mode::Transport);
        assert_eq!(request.selectors.0, TrafficSelector::host_protocol(ends.0, protocol));
        assert_eq!(request.selectors.1, TrafficSelector::host_protocol(ends.1, protocol));
        assert_eq!(request.context, None);
    }
}

/// One rule, one association for all contexts; and two policies need two pairs of addresses (ruling G-30).
///
/// Shows: VLINK-5.2.2-1, VLINK-5.2.2-2
#[test]
fn one_tunnel_has_one_policy() {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        let (system, ..) = up(1000, architecture, Security::Esp);
        assert_eq!((system.links.associations(), system.requests.len()), (1, 1));
        for two_pairs in [false, true] {
            let mut system = System::new();
            let mut cfg = PeerConfig::pe(ends(1), NhlfeId(0));
            (cfg.l2tp, cfg.clear) = (Some(L2tpPeer(0)), two_pairs.then(|| ends(2)));
            let peer = system.links.add_peer(cfg);
            let mut add =
                |n, security| system.links.add_link(system.now, config(peer, n, architecture, security)).map(|_| ());
            assert_eq!(add(1, Security::Esp), Ok(()));
            let expected = if two_pairs { Ok(()) } else { Err(ConfigError::OnePolicyPerPair) };
            assert_eq!(add(2, Security::Clear), expected, "{architecture:?}");
        }
    }
}

/// Shows: VLINK-6.1-C4, VLINK-6.5-C1
#[test]
fn a_ce_takes_part_as_it_can() {
    for architecture in Architecture::ALL {
        let mut system = System::new();
        let mut cfg = PeerConfig::ce(ends(1), NhlfeId(0), vpn(7));
        cfg.l2tp = Some(L2tpPeer(0));
        let peer = system.links.add_peer(cfg);
        let mut add = |n| system.links.add_link(system.now, config(peer, n, architecture, Security::Esp));
        let first = add(7);
        let second = LinkConfig { index: 1, ..config(peer, 7, architecture, Security::Esp) };
        let second = LinkConfig { ends: second.ends.map(|_| own_ends(99)), ..second };
        let second = system.links.add_link(system.now, second);
        if architecture.properties().ce == CeProfile::No {
            assert_eq!(first, Err(ConfigError::Ce));
            continue;
        }
        let by_address = architecture == Architecture::DistinctIpip;
        assert_eq!(second.is_ok(), by_address, "{architecture:?}: a second context");
        system.satisfy();
        let link = first.unwrap();
        if architecture == Architecture::Gre {
            assert!(system.ops.iter().any(|op| matches!(op, FwdOp::SetVlink { vlink, .. }
                if vlink.encapsulation == fwd_core::op::Encapsulation::Gre)));
        }
        assert!(system.state(link).carries(), "{architecture:?}");
        assert!(system.requests.values().all(|request| request.context.is_none()), "no extension");
    }
}

/// Shows: VLINK-7-1
#[test]
fn what_goes_with_a_ce_goes_with_a_pe() {
    for architecture in Architecture::ALL {
        for security in [Security::Clear, Security::Integrity, Security::Esp] {
            let add = |kind| {
                let mut system = System::new();
                let mut cfg = PeerConfig::ce(ends(1), NhlfeId(0), vpn(7));
                (cfg.kind, cfg.l2tp) = (kind, Some(L2tpPeer(0)));
                let peer = system.links.add_peer(cfg);
                system.links.add_link(system.now, config(peer, 7, architecture, security)).is_ok()
            };
            assert!(!add(PeerKind::Ce) || add(PeerKind::Pe), "{architecture:?} {security:?}");
        }
    }
    assert_eq!(Architecture::DistinctIpip.properties().ce, CeProfile::Yes);
}

/// Keys and labels: chosen here, told, used when the peer's is known; a withdrawal takes one link down at once.
///
/// Shows: VLINK-6.4-C3, VLINK-6.5-M1, VLINK-6.5-C2
#[test]
fn keys_and_labels_are_learnt() {
    for architecture in [Architecture::Gre, Architecture::Mpls] {
        let mut system = System::new();
        let peer = system.pe();
        let links: Vec<LinkId> = (0..3)
            .map(|n| system.links.add_link(system.now, config(peer, n, architecture, Security::Clear)).unwrap())
            .collect();
        system.drain();
        let keys: Vec<u32> = links.iter().map(|link| system.advertised[link]).collect();
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
        assert_eq!(system.state(links[0]), LinkState::Pending, "the peer's is not known");
        system.input(Input::RemoteKey { link: links[0], key: Some(500) });
        assert!(system.state(links[0]).carries());
        system.input(Input::RemoteKey { link: links[1], key: Some(501) });
        system.ops.clear();
        system.input(Input::RemoteKey { link: links[0], key: None });
        assert_eq!((system.state(links[0]), system.state(links[1]).carries()), (LinkState::Down, true));
        assert!(!system.ops.is_empty());
        // What is given up is not given away at once.
        system.links.remove_link(system.now, links[2]);
        system.drain();
        assert!(!system.advertised.contains_key(&links[2]));
        let next = system.links.add_link(system.now, config(peer, 9, architecture, Security::Clear)).unwrap();
        system.drain();
        assert!(!keys.contains(&system.advertised[&next]));
    }
}

/// Who manages nothing cannot say that a link is gone; what watches it can.
///
/// Shows: VLINK-6.4-C2, VLINK-6.3-C1
#[test]
fn what_nobody_manages_is_watched_or_marked() {
    for architecture in [Architecture::Gre, Architecture::DistinctIpip] {
        let mut system = System::new();
        let peer = system.pe();
        let mut cfg = config(peer, 1, architecture, Security::Clear);
        (cfg.watched, cfg.remote_key) = (true, Some(5));
        let link = system.links.add_link(system.now, cfg).unwrap();
        system.drain();
        assert_eq!(system.state(link), LinkState::Unmanaged);
        system.input(Input::Alive { link, alive: true });
        assert_eq!(system.state(link), LinkState::Up);
        system.input(Input::Alive { link, alive: false });
        assert_eq!(system.state(link), LinkState::Down);
        assert_eq!(system.events.last(), Some(&Event::LinkDown { link }));
        system.input(Input::Alive { link, alive: true });
        assert_eq!(system.state(link), LinkState::Up);
    }
}

/// Shows: L3VPN-REF-12
#[test]
fn time_up_and_down_is_counted() {
    for architecture in Architecture::ALL {
        let mut system = System::new();
        let peer = system.pe();
        let link = system.links.add_link(system.now, config(peer, 1, architecture, Security::Esp)).unwrap();
        system.drain();
        system.pass(7);
        system.satisfy();
        system.pass(100);
        let sa = system.links.sa(link).unwrap();
        system.input(Input::SaDown { sa });
        system.pass(5);
        system.satisfy();
        system.pass(30);
        let status = system.links.status(system.now, link).unwrap();
        let seconds = (status.up_for.as_secs(), status.down_for.as_secs(), status.transitions);
        assert_eq!(seconds, (130, 12, 3), "{architecture:?}");
    }
}

#[test]
fn a_link_that_does_not_come_up_is_tried_again() {
    let mut system = System::new();
    let peer = system.pe();
    let link = system.links.add_link(system.now, config(peer, 1, Architecture::TunnelSa, Security::Esp)).unwrap();
    system.drain();
    system.pass(35);
    let timeouts = system.events.iter().filter(|e| **e == Event::BindTimeout { link }).count();
    assert_eq!(timeouts, 2);
    // A table that is full takes the link down, and it is tried again.
    system.satisfy();
    let refused = *system.ops.iter().find(|op| matches!(op, FwdOp::SetVlink { .. })).unwrap();
    system.input(Input::Refused(refused));
    assert_eq!(system.state(link), LinkState::Down);
    assert!(system.events.contains(&Event::Refused { link }));
}

/// In clear where that goes.
fn clear_or_esp(architecture: Architecture) -> Security {
    if architecture == Architecture::TunnelSa { Security::Esp } else { Security::Clear }
}

/// Shows: VLINK-4-7
#[test]
fn what_a_packet_carries_costs_what_the_catalogue_says() {
    for (architecture, octets) in Architecture::ALL.into_iter().zip([20, 20, 20, 28, 24, 32]) {
        let (system, peer, links) = up(1, architecture, clear_or_esp(architecture));
        let esp = if system.links.sa(links[0]).is_some() { 37 } else { 0 };
        assert_eq!(system.links.overhead(links[0]), Some(octets + esp), "{architecture:?}");
        assert_eq!(system.links.mtu(links[0]), Some(1500 - octets - esp));
        let mut system = system;
        system.events.clear();
        system.input(Input::PathMtu { peer, mtu: 1400 });
        assert_eq!(system.links.mtu(links[0]), Some(1400 - octets - esp));
        assert!(matches!(system.events[..], [Event::LinkUp { mtu, .. }] if mtu == 1400 - octets - esp));
    }
}

/// Ten thousand links between two systems: one IKE SA where the draft says one.
///
/// Shows: VLINK-6.6-A
#[test]
fn ten_thousand_links() {
    for architecture in Architecture::ALL {
        let (mut system, _, links) = up(10_000, architecture, Security::Esp);
        let expected = if architecture.properties().ike_sas == Count::One { 1 } else { 10_000 };
        assert_eq!((system.links.ike_sas(), system.links.len()), (expected, 10_000), "{architecture:?}");
        for link in links {
            system.links.remove_link(system.now, link);
        }
        system.drain();
        assert_eq!((system.links.associations(), system.requests.len(), system.links.len()), (0, 0, 0));
        assert_eq!((system.sessions.len(), system.advertised.len(), system.links.local_addresses()), (0, 0, 0));
    }
}

#[test]
fn arbitrary_stimuli() {
    let mut random = 1_u64;
    for n in 0..500 {
        let mut octets = Vec::new();
        for _ in 0..n {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            octets.extend((random >> 24).to_be_bytes());
        }
        drive::run(&octets);
    }
}
