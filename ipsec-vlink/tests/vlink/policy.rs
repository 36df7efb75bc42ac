//! The SPD of each link: protect, bypass, discard.

use fwd_core::op::{IlmAction, Vlink};
use ipsec_vlink::spd::{Action, Audit, Outbound, Packet};

use super::*;

fn packet(protocol: u8, host: u8) -> Packet {
    let (local, remote) = addresses(&ends(host));
    Packet { local, remote, protocol, ports: (0, 0) }
}

/// What the policy says is what the forwarding plane is told, and what software is told of a packet of its own.
#[test]
fn the_policy_of_a_link_is_its_spds() {
    for architecture in Architecture::ALL {
        for security in [Security::Clear, Security::Discard, Security::Integrity, Security::Esp] {
            let mut system = System::new();
            let peer = system.pe();
            let added = system.links.add_link(system.now, config(peer, 1, architecture, security));
            if architecture == Architecture::TunnelSa && security == Security::Clear {
                assert_eq!(added, Err(ConfigError::RequiresIpsec));
                continue;
            }
            let link = added.unwrap();
            system.satisfy();
            let [policy] = system.links.spd(link).unwrap().policies() else { panic!("one policy") };
            let sa = system.links.sa(link);
            match security {
                Security::Clear => assert_eq!((policy.action, sa), (Action::Bypass, None)),
                Security::Discard => assert_eq!((policy.action, sa), (Action::Discard, None)),
                _ => assert!(matches!(policy.action, Action::Protect(protect) if Some(protect.sa) == sa)),
            }
            assert_eq!(system.state(link).carries(), security != Security::Discard, "{architecture:?} {security:?}");
            let vlinks: Vec<Option<SaId>> = system.ops.iter().filter_map(protection).collect();
            let expected = if security == Security::Discard { vec![] } else { vec![sa] };
            assert_eq!(vlinks, expected, "{architecture:?} {security:?}");
            assert_eq!(system.requests.len(), usize::from(security.protects()));
            system.requests.clear();
            system.pass(100);
            assert!(security != Security::Discard || system.events.is_empty() && system.requests.is_empty());
        }
    }
}

fn protection(op: &FwdOp) -> Option<Option<SaId>> {
    match op {
        FwdOp::SetVlink { vlink: Vlink { protection, .. }, .. } => Some(*protection),
        _ => None,
    }
}

/// Links whose association is shared cannot be protected in two ways; what is discarded is not in the way.
#[test]
fn one_tunnel_is_protected_one_way() {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        let mut system = System::new();
        let peer = system.pe();
        let mut add =
            |n, security| system.links.add_link(system.now, config(peer, n, architecture, security)).map(|_| ());
        assert_eq!(add(1, Security::Discard), Ok(()));
        assert_eq!(add(2, Security::Esp), Ok(()));
        assert_eq!(add(3, Security::Integrity), Err(ConfigError::OnePolicyPerPair));
        assert_eq!(add(4, Security::Discard), Ok(()));
    }
}

/// To discard takes one link down and keeps it; to protect again brings it back.
#[test]
fn a_link_is_discarded_and_brought_back() {
    for architecture in Architecture::ALL {
        let (mut system, _, links) = up(3, architecture, Security::Esp);
        system.links.secure(system.now, links[1], Security::Discard).unwrap();
        system.drain();
        let states = |system: &System| links.iter().map(|link| system.state(*link).carries()).collect::<Vec<_>>();
        assert_eq!(states(&system), [true, false, true], "{architecture:?}");
        system.pass(100);
        assert_eq!(states(&system), [true, false, true], "{architecture:?}");
        system.links.secure(system.now, links[1], Security::Esp).unwrap();
        system.satisfy();
        assert_eq!(states(&system), [true; 3], "{architecture:?}");
        assert_eq!(system.links.secure(system.now, LinkId(99), Security::Esp), Err(ConfigError::Link));
    }
}

/// What arrives otherwise than the policy says is dropped, counted, and told once a second.
///
/// Shows: L3VPN-REF-10
#[test]
fn what_arrives_in_clear_is_audited() {
    for (architecture, protocol) in [(Architecture::Gre, 47), (Architecture::Mpls, 137), (Architecture::L2tp, 115)] {
        let mut system = System::new();
        let peer = system.pe();
        let protected = system.links.add_link(system.now, config(peer, 1, architecture, Security::Esp)).unwrap();
        system.links.add_link(system.now, config(peer, 2, architecture, Security::Clear)).unwrap();
        system.satisfy();
        let sa = system.links.sa(protected);
        let now = system.now;
        let links = &mut system.links;
        assert_eq!(links.inbound(now, &packet(protocol, 1), sa), Ok(()));
        assert_eq!(links.inbound(now, &packet(protocol, 2), None), Ok(()));
        for _ in 0..3 {
            assert_eq!(links.inbound(now, &packet(protocol, 1), None), Err(Audit::ShouldBeProtected));
        }
        assert_eq!(links.inbound(now, &packet(protocol, 2), sa), Err(Audit::WrongSelectors));
        assert_eq!(links.inbound(now, &packet(protocol, 1), Some(SaId(999))), Err(Audit::WrongAssociation));
        assert_eq!(links.inbound(now, &packet(6, 1), None), Err(Audit::NoPolicy));
        assert_eq!((links.dropped(Audit::ShouldBeProtected), links.dropped(Audit::WrongSelectors)), (3, 1));
        assert!(
            matches!(links.outbound(protected, &packet(protocol, 1)), Outbound::Protect(by, _) if Some(by.sa) == sa)
        );
        assert_eq!(links.outbound(protected, &packet(6, 1)), Outbound::Drop(Audit::NoPolicy));
        system.drain();
        let from = addresses(&ends(1)).1;
        let told = Event::Audit { why: Audit::ShouldBeProtected, from };
        assert_eq!(system.events.iter().filter(|event| **event == told).count(), 1);
        system.now = system.now + Duration::from_secs(1);
        let _ = system.links.inbound(system.now, &packet(protocol, 1), None);
        system.drain();
        assert_eq!(system.events.iter().filter(|event| **event == told).count(), 2);
    }
}

/// Labels of tunnels between the same two systems are of label spaces of their own, protected or not; and of the platform's where
/// that is configured.
#[test]
fn labels_of_a_tunnel_are_in_its_space() {
    for spaces in [true, false] {
        let mut system = System::new();
        if !spaces {
            let cfg = Config { label_spaces: None, ..Config::default() };
            system.links = VirtualLinks::new(system.now, cfg).unwrap();
        }
        let peer = system.pe();
        for (n, security) in [(1, Security::Esp), (2, Security::Clear), (3, Security::Esp)] {
            system.links.add_link(system.now, config(peer, n, Architecture::Mpls, security)).unwrap();
        }
        system.satisfy();
        let mut tunnels = BTreeMap::new();
        for op in &system.ops {
            if let FwdOp::SetVlink { vlink, .. } = op {
                tunnels.insert(addresses(&vlink.ends), vlink.label_space);
            }
        }
        assert_eq!(tunnels.len(), 2);
        let [a, b] = tunnels.values().copied().collect::<Vec<_>>()[..] else { panic!("two tunnels") };
        assert_eq!((a.is_some(), a != b), (spaces, spaces));
        let of_op = |op: &FwdOp| match op {
            FwdOp::SetContextIlm { space, ilm, .. } => {
                assert!(matches!(ilm.action, IlmAction::PopLookup(_)));
                Some(Some(*space))
            }
            FwdOp::SetIlm { .. } => Some(None),
            _ => None,
        };
        let mut labels: Vec<_> = system.ops.iter().filter_map(of_op).collect();
        labels.sort();
        let mut expected = if spaces { vec![a, b, tunnels[&addresses(&ends(1))]] } else { vec![None; 3] };
        expected.sort();
        assert_eq!(labels, expected);
    }
}

/// The profile of a peer says which architecture is taken first.
#[test]
fn the_profile_says_what_is_taken_first() {
    let mut system = System::new();
    let pe = system.pe();
    let without = system.links.add_peer(PeerConfig::pe(ends(5), NhlfeId(0)));
    let ce = system.links.add_peer(PeerConfig::ce(ends(6), NhlfeId(0), vpn(1)));
    assert_eq!(system.links.preferred(pe), Some(Architecture::L2tp));
    assert_eq!(system.links.preferred(without), Some(Architecture::Gre));
    assert_eq!(system.links.preferred(ce), Some(Architecture::DistinctIpip));
    assert!(Architecture::WITH_CE.iter().all(|architecture| Architecture::PE_TO_PE.contains(architecture)));
}
