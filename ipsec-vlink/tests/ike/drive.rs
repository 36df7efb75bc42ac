//! Arbitrary stimuli against two machines of one version and the link between them, with invariants; fuzz targets and property tests share it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::time::Instant;
use ipsec_vlink::ike::crypto::Secret;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::event::{Input, Output};
use ipsec_vlink::ike::{ChildConfig, ChildSaId, IkeSaId, IkeSuite, PeerConfig, PeerId, v1, v2};

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
    /// The end loses everything but its ticket (RFC 5723), and begins anew.
    Restart(bool),
}

/// A machine of either version.
enum Ike {
    V1(Box<v1::Ike<RustCrypto>>),
    V2(Box<v2::Ike<RustCrypto>>),
}

/// Asks the machine, whichever it is.
macro_rules! of {
    ($ike:expr, $machine:ident => $ask:expr) => {
        match &mut $ike {
            Ike::V1($machine) => $ask,
            Ike::V2($machine) => $ask,
        }
    };
}

struct End {
    ike: Ike,
    peer: PeerId,
    at: SocketAddr,
    live: BTreeSet<ChildSaId>,
}

impl End {
    fn new(now: Instant, n: u8, version: u8, seed: u8) -> Self {
        let address = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
        let mut peer = PeerConfig::psk(address(n), address(3 - n), b"key");
        peer.children = vec![ChildConfig::any_v4(1)];
        let provider = RustCrypto::new(&[n, seed]);
        let (ike, peer) = if version == 1 {
            let config = v1::Config {
                tries: 3,
                half_open_limit: 8,
                half_open_per_source: 4,
                ike_sa_limit: 16,
                children_per_peer: 8,
                exchanges_per_sa: 4,
                ..v1::Config::default()
            };
            let mut ike = v1::Ike::new(now, config, provider).unwrap();
            let suite = IkeSuite::AES_CBC_256_MODP_2048;
            // Curve25519 costs the least.
            peer.suites = vec![IkeSuite { group: IkeSuite::AES_GCM_128_X25519.group, ..suite }];
            let mode = if n == 1 { v1::Phase1::Main } else { v1::Phase1::Aggressive };
            let peer = ike.add_peer(peer, mode).unwrap();
            (Ike::V1(Box::new(ike)), peer)
        } else {
            let kind = if n == 1 { v2::TicketKind::Value(Secret::copy(&[7; 16])) } else { v2::TicketKind::Reference };
            peer.resumption = true;
            let config = v2::Config {
                tries: 3,
                half_open_limit: 8,
                half_open_per_source: 4,
                ike_sa_limit: 16,
                children_per_sa: 8,
                tickets: Some(v2::TicketConfig { limit: 4, ..v2::TicketConfig::new(kind) }),
                ..v2::Config::default()
            };
            let mut ike = v2::Ike::new(now, config, provider).unwrap();
            peer.suites.truncate(1);
            let peer = ike.add_peer(peer).unwrap();
            (Ike::V2(Box::new(ike)), peer)
        };
        Self { ike, peer, at: SocketAddr::new(address(n), 500), live: BTreeSet::new() }
    }
}

type Flying = Vec<(usize, Vec<u8>)>;

fn drain(ends: &mut [End; 2], flying: &mut Flying) {
    for (n, end) in ends.iter_mut().enumerate() {
        while let Some(output) = of!(end.ike, ike => ike.poll_output()) {
            match output {
                Output::Datagram { octets, .. } => flying.push((1 - n, octets)),
                Output::Install(child) => assert!(end.live.insert(child.id), "installed twice"),
                Output::Remove(child) => assert!(end.live.remove(&child), "removed what is not there"),
                Output::Move(..) | Output::Event(_) => {}
            }
        }
        assert_eq!(end.live.len(), of!(end.ike, ike => ike.children()), "the SAD holds what the machine holds");
        if let Ike::V2(ike) = &end.ike {
            assert!(ike.tickets() <= 4, "tickets are bounded");
        }
        let (sas, half_open) = of!(end.ike, ike => ike.sizes());
        assert!(sas <= 16 + 1 && half_open <= 8, "limits hold: {sas} {half_open}");
    }
    flying.truncate(64);
}

/// Runs the stimuli in `data` against two machines of IKEv2.
pub fn run(data: &[u8]) {
    run_version(data, 2);
}

/// Runs the stimuli in `data` against two machines of IKEv1, one of which accepts Aggressive Mode and begins with it.
pub fn run_v1(data: &[u8]) {
    run_version(data, 1);
}

fn run_version(data: &[u8], version: u8) {
    let mut u = Unstructured::new(data);
    let mut now = Instant::from_secs(1);
    let mut ends = [End::new(now, 1, version, 0), End::new(now, 2, version, 0)];
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
    of!(ends[target].ike, ike => ike.handle_input(now, Input::Datagram { from, to, octets }));
}

fn apply(ends: &mut [End; 2], flying: &mut Flying, now: &mut Instant, stimulus: Stimulus) {
    let child = |end: &End, n: u8| end.live.iter().nth(usize::from(n % 8)).copied().unwrap_or(ChildSaId(u32::MAX));
    match stimulus {
        Stimulus::Connect(n) => {
            let end = &mut ends[usize::from(n)];
            let _ = of!(end.ike, ike => ike.connect(*now, end.peer, 1));
        }
        Stimulus::Replace(n, id) => _ = of!(ends[usize::from(n)].ike, ike => ike.replace(*now, IkeSaId(id.into()))),
        Stimulus::Clone(n, id) => {
            if let Ike::V2(ike) = &mut ends[usize::from(n)].ike {
                let _ = ike.clone_sa(*now, IkeSaId(id.into()));
            }
        }
        Stimulus::Delete(n, id) => _ = of!(ends[usize::from(n)].ike, ike => ike.delete(*now, IkeSaId(id.into()))),
        Stimulus::ReplaceChild(n, id) => {
            let end = &mut ends[usize::from(n)];
            let old = child(end, id);
            let _ = of!(end.ike, ike => ike.replace_child(*now, old));
        }
        Stimulus::DeleteChild(n, id) => {
            let end = &mut ends[usize::from(n)];
            let old = child(end, id);
            let _ = of!(end.ike, ike => ike.delete_child(*now, old));
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
                of!(end.ike, ike => ike.handle_timeout(*now));
                let next = of!(end.ike, ike => ike.next_timeout());
                assert!(next.is_none_or(|at| at > *now), "what is due is done");
            }
        }
        Stimulus::Restart(n) => {
            let end = &mut ends[usize::from(n)];
            let peer = end.peer;
            let Ike::V2(ike) = &mut end.ike else { return };
            let ticket = ike.take_ticket(peer);
            *end = End::new(*now, u8::from(n) + 1, 2, now.as_micros().to_be_bytes()[5] | 1);
            let Ike::V2(ike) = &mut end.ike else { return };
            if let Some(ticket) = ticket {
                assert!(ticket.len() <= 4096);
                ike.give_ticket(end.peer, ticket).unwrap();
            }
            let _ = ike.connect(*now, end.peer, 1);
        }
        Stimulus::Deliver | Stimulus::Lose => {}
    }
}
