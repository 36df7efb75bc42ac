//! Arbitrary stimuli against two IKEv2 machines and the link between them, with invariants; a fuzz target and a property test share it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::time::Instant;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::v2::{Config, Ike, Input, Output};
use ipsec_vlink::ike::{ChildConfig, ChildSaId, IkeSaId, PeerConfig, PeerId};

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Connect(bool),
    Replace(bool, u8),
    ReplaceChild(bool, u8),
    DeleteChild(bool, u8),
    Delete(bool, u8),
    Clone(bool, u8),
    /// The datagram that waits longest arrives, is lost, or arrives and stays.
    Deliver,
    Lose,
    Repeat,
    Change(u16, u8),
    Forge(bool, Vec<u8>),
    Wait(u16),
}

struct End {
    ike: Ike<RustCrypto>,
    peer: PeerId,
    at: SocketAddr,
    live: BTreeSet<ChildSaId>,
}

impl End {
    fn new(now: Instant, n: u8) -> Self {
        let config = Config {
            tries: 3,
            half_open_limit: 8,
            half_open_per_source: 4,
            ike_sa_limit: 16,
            children_per_sa: 8,
            ..Config::default()
        };
        let mut ike = Ike::new(now, config, RustCrypto::new(&[n])).unwrap();
        let address = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
        let mut peer = PeerConfig::psk(address(n), address(3 - n), b"key");
        peer.suites.truncate(1);
        peer.children = vec![ChildConfig::any_v4(1)];
        let peer = ike.add_peer(peer).unwrap();
        Self { ike, peer, at: SocketAddr::new(address(n), 500), live: BTreeSet::new() }
    }
}

type Flying = Vec<(usize, Vec<u8>)>;

fn drain(ends: &mut [End; 2], flying: &mut Flying) {
    for (n, end) in ends.iter_mut().enumerate() {
        while let Some(output) = end.ike.poll_output() {
            match output {
                Output::Datagram { octets, .. } => flying.push((1 - n, octets)),
                Output::Install(child) => assert!(end.live.insert(child.id), "installed twice"),
                Output::Remove(child) => assert!(end.live.remove(&child), "removed what is not there"),
                Output::Move(..) | Output::Event(_) => {}
            }
        }
        assert_eq!(end.live.len(), end.ike.children(), "the SAD holds what the machine holds");
        let (sas, half_open) = end.ike.sizes();
        assert!(sas <= 16 + 1 && half_open <= 8, "limits hold: {sas} {half_open}");
    }
    flying.truncate(64);
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut now = Instant::from_secs(1);
    let mut ends = [End::new(now, 1), End::new(now, 2)];
    let mut flying = Flying::new();
    // Each costs a Diffie-Hellman exchange or two.
    for _ in 0..64 {
        if u.is_empty() {
            break;
        }
        let Ok(stimulus) = Stimulus::arbitrary(&mut u) else { break };
        apply(&mut ends, &mut flying, &mut now, stimulus);
        drain(&mut ends, &mut flying);
    }
}

fn arrive(ends: &mut [End; 2], now: Instant, target: usize, octets: &[u8]) {
    let (from, to) = (ends[1 - target].at, ends[target].at);
    ends[target].ike.handle_input(now, Input::Datagram { from, to, octets });
}

fn apply(ends: &mut [End; 2], flying: &mut Flying, now: &mut Instant, stimulus: Stimulus) {
    let child = |end: &End, n: u8| end.live.iter().nth(usize::from(n % 8)).copied().unwrap_or(ChildSaId(u32::MAX));
    match stimulus {
        Stimulus::Connect(n) => {
            let end = &mut ends[usize::from(n)];
            let _ = end.ike.connect(*now, end.peer, 1);
        }
        Stimulus::Replace(n, id) => _ = ends[usize::from(n)].ike.replace(*now, IkeSaId(id.into())),
        Stimulus::Clone(n, id) => _ = ends[usize::from(n)].ike.clone_sa(*now, IkeSaId(id.into())),
        Stimulus::Delete(n, id) => _ = ends[usize::from(n)].ike.delete(*now, IkeSaId(id.into())),
        Stimulus::ReplaceChild(n, id) => {
            let end = &mut ends[usize::from(n)];
            let _ = end.ike.replace_child(*now, child(end, id));
        }
        Stimulus::DeleteChild(n, id) => {
            let end = &mut ends[usize::from(n)];
            let _ = end.ike.delete_child(*now, child(end, id));
        }
        Stimulus::Deliver if !flying.is_empty() => {
            let (target, octets) = flying.remove(0);
            arrive(ends, *now, target, &octets);
        }
        Stimulus::Lose if !flying.is_empty() => _ = flying.remove(0),
        Stimulus::Repeat => {
            if let Some((target, octets)) = flying.first().cloned() {
                arrive(ends, *now, target, &octets);
            }
        }
        Stimulus::Change(at, with) => {
            if let Some((target, mut octets)) = flying.first().cloned() {
                let at = usize::from(at) % octets.len().max(1);
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= with;
                }
                arrive(ends, *now, target, &octets);
            }
        }
        Stimulus::Forge(n, octets) => arrive(ends, *now, usize::from(n), &octets),
        Stimulus::Wait(seconds) => {
            *now = *now + Duration::from_secs(u64::from(seconds % 4096));
            for end in ends.iter_mut() {
                end.ike.handle_timeout(*now);
                assert!(end.ike.next_timeout().is_none_or(|at| at > *now), "what is due is done");
            }
        }
        Stimulus::Deliver | Stimulus::Lose => {}
    }
}
