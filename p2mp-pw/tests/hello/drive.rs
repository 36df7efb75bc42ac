//! Arbitrary stimuli against an LSR that wants its Hellos authenticated, with invariants; a fuzz target and a property test share it.

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::*;
use sha2::{Digest as _, Sha256};

const LINK: IfIndex = IfIndex(7);

#[derive(Debug, Arbitrary)]
enum Stimulus {
    /// The neighbour's next Hello arrives.
    Genuine,
    /// The neighbour's next Hello is lost, and known to the attacker.
    Lost,
    /// An earlier Hello comes again, from its source or from another address.
    Replay(u8, bool),
    /// An earlier Hello comes with octets changed.
    Changed(u8, Vec<(u8, u8)>),
    Octets(Vec<u8>),
    Wait(u8),
}

/// SHA-256.
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

/// LSR `n` of a link, with these keys.
pub fn lsr(now: Instant, n: u8, authentication: Option<HelloAuthConfig>) -> Discovery {
    let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, n].into()));
    config.transport_v4 = Some([192, 0, 2, n].into());
    config.max_adjacencies = 4;
    config.authentication = authentication;
    let mut lsr = Discovery::new(now, config).unwrap();
    lsr.set_interface(now, LINK, Some(InterfaceAddresses { v4: Some([198, 51, 100, n].into()), v6: None }));
    lsr
}

/// The Hellos that an LSR wants to send now.
pub fn hellos(lsr: &mut Discovery) -> Vec<Vec<u8>> {
    let octets = |output| if let Output::Datagram { octets, .. } = output { Some(octets) } else { None };
    std::iter::from_fn(|| lsr.poll_output()).filter_map(octets).collect()
}

/// A Link Hello for an LSR.
pub fn give(lsr: &mut Discovery, now: Instant, from: IpAddr, octets: &[u8]) {
    lsr.handle_input(now, Input::Datagram { from, iface: LINK, to_all_routers: true, ttl: 1, octets });
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let key = || HelloKey::new(7, HelloHash::Sha256(sha256), b"secret".to_vec());
    let mut now = Instant::from_secs(1);
    let mut ours = lsr(now, 1, Some(HelloAuthConfig::new(vec![key()], 0)));
    let mut far = lsr(now, 2, Some(HelloAuthConfig::new(vec![key()], 1 << 32)));
    let neighbour = IpAddr::from([198, 51, 100, 2]);
    let (mut known, mut accepted) = (hellos(&mut far), 0);
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        let before = (ours.counters().accepted, ours.hello_sequence(neighbour));
        let old = |n: u8| known.get(usize::from(n) % known.len().max(1)).cloned().unwrap_or_default();
        match stimulus {
            Stimulus::Genuine | Stimulus::Lost => {
                now = now + Duration::from_secs(5);
                far.handle_timeout(now);
                ours.handle_timeout(now);
                let lost = matches!(stimulus, Stimulus::Lost);
                for hello in hellos(&mut far) {
                    if !lost {
                        give(&mut ours, now, neighbour, &hello);
                        accepted += 1;
                        assert_eq!(ours.counters().accepted, accepted, "a Hello of the neighbour is refused");
                    }
                    known.push(hello);
                }
            }
            Stimulus::Replay(n, elsewhere) => {
                let from = if elsewhere { IpAddr::from([198, 51, 100, 3]) } else { neighbour };
                give(&mut ours, now, from, &old(n));
                // One that was lost may arrive late: from where it came, if nothing newer did.
                let new = ours.counters().accepted - before.0;
                assert!(new == 0 || !elsewhere && ours.hello_sequence(neighbour) > before.1);
                accepted += new;
            }
            Stimulus::Changed(n, changes) => {
                let (original, mut octets) = (old(n), old(n));
                for (at, value) in changes.into_iter().filter(|_| !original.is_empty()) {
                    octets[usize::from(at) % original.len()] = value;
                }
                if octets != original {
                    give(&mut ours, now, neighbour, &octets);
                }
            }
            Stimulus::Octets(octets) => give(&mut ours, now, neighbour, &octets),
            Stimulus::Wait(seconds) => {
                now = now + Duration::from_secs(seconds.into());
                ours.handle_timeout(now);
            }
        }
        hellos(&mut ours);
        assert_eq!(ours.counters().accepted, accepted, "not the neighbour's");
        assert!(ours.adjacencies().all(|a| a.source == neighbour && a.id.peer.lsr.octets() == [192, 0, 2, 2]));
        if u.is_empty() {
            break;
        }
    }
}
