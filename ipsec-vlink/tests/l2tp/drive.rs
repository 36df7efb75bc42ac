//! Arbitrary stimuli against two endpoints and the network between them. The fuzz target `drive_l2tp` runs it, too.

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::Unstructured;
use fwd_core::time::Instant;
use ipsec_vlink::l2tp::CircuitStatus;
use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::{
    Address, Config, Endpoint, Input, Output, PeerConfig, PeerId, SessionConfig, SessionId, SessionStart,
};
use ipsec_vlink::l2tp::digest::{Hashes, Secret};

/// No hash at all, but every octet counts.
struct Sum;

impl Hashes for Sum {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        let all = parts.iter().flat_map(|part| part.iter());
        let sum =
            all.fold(7_u128, |sum, octet| sum.wrapping_mul(0x0100_0000_01b3_0000_0001).wrapping_add((*octet).into()));
        sum.to_be_bytes()
    }

    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20] {
        let mut out = [0; 20];
        out[..16].copy_from_slice(&self.md5(parts));
        out
    }
}

struct Pair {
    now: Instant,
    ends: [Endpoint<Sum>; 2],
    addresses: [Address; 2],
    flying: [VecDeque<Vec<u8>>; 2],
}

impl Pair {
    fn drain(&mut self) {
        for from in 0..2 {
            while let Some(output) = self.ends[from].poll_output() {
                match output {
                    Output::Datagram { to, octets } if to == self.addresses[1 - from] => {
                        self.flying[1 - from].push_back(octets);
                    }
                    Output::Datagram { .. } | Output::Payload { .. } => {}
                    Output::Event(_) => {}
                }
            }
            // What is not delivered is bounded by the windows, the sessions and what was put in.
            while self.flying[1 - from].len() > 64 {
                self.flying[1 - from].pop_front();
            }
        }
    }

    fn deliver(&mut self, to: usize, octets: &[u8]) {
        let from = self.addresses[1 - to];
        self.ends[to].handle_input(self.now, Input::Datagram { from, octets });
        self.drain();
    }
}

fn session(u: &mut Unstructured<'_>, peer: PeerId, is_v2: bool) -> arbitrary::Result<SessionConfig> {
    let start = *u.choose(&[SessionStart::Incoming, SessionStart::Outgoing, SessionStart::Await])?;
    let name = |u: &mut Unstructured<'_>| u.int_in_range(0..=3_u8).map(|n| vec![n; usize::from(n)]);
    let mut cfg = SessionConfig::new(peer, start, &name(u)?, &name(u)?);
    cfg.group = name(u)?;
    cfg.pseudowire = if is_v2 { PseudowireType::PPP } else { PseudowireType::IP };
    cfg.cookie_len = u.int_in_range(0..=9)?;
    cfg.sublayer = u.arbitrary()?;
    cfg.sequencing = u.arbitrary()?;
    cfg.mtu = u.arbitrary::<bool>()?.then_some(1500);
    Ok(cfg)
}

/// Runs the octets as stimuli.
pub fn run(data: &[u8]) {
    let _ = drive(&mut Unstructured::new(data));
}

fn drive(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let now = Instant::from_secs(1);
    let (is_v2, has_secret): (bool, bool) = u.arbitrary()?;
    let port = Some(1701).filter(|_| is_v2);
    let address = |n: u8| Address { ip: [192, 0, 2, n].into(), port };
    let end = |n: u8| Endpoint::new(now, Config::new(&[n], n.into(), [n; 32]), Sum).unwrap();
    let mut pair =
        Pair { now, ends: [end(1), end(2)], addresses: [address(1), address(2)], flying: Default::default() };
    for at in 0..2 {
        let remote = pair.addresses[1 - at];
        let mut cfg = if is_v2 { PeerConfig::v2(remote.ip) } else { PeerConfig::v3(remote) };
        (cfg.initiate, cfg.multicast) = (u.arbitrary()?, is_v2 && u.arbitrary()?);
        cfg.secret = has_secret.then(|| Secret::copy(b"s"));
        cfg.hide = has_secret && u.arbitrary()?;
        pair.ends[at].add_peer(cfg).unwrap();
    }
    let peer = PeerId(0);
    let mut steps = 0;
    while !u.is_empty() && steps < 400 {
        steps += 1;
        let at = usize::from(u.arbitrary::<bool>()?);
        let which = SessionId(u.int_in_range(0..=6)?);
        match u.int_in_range(0..=11)? {
            0 => {
                pair.now = pair.now + Duration::from_millis(u64::from(u.arbitrary::<u16>()?));
                for end in &mut pair.ends {
                    end.handle_timeout(pair.now);
                    assert!(end.next_timeout().is_none_or(|at| at > pair.now));
                }
            }
            1..=4 => {
                if let Some(octets) = pair.flying[at].pop_front() {
                    pair.deliver(at, &octets);
                }
            }
            5 => {
                if let Some(octets) = pair.flying[at].front().cloned() {
                    pair.deliver(at, &octets);
                }
            }
            6 => drop(pair.flying[at].pop_back()),
            7 => {
                if let Some(mut octets) = pair.flying[at].pop_front() {
                    let place = u.choose_index(octets.len().max(1))?;
                    if let Some(octet) = octets.get_mut(place) {
                        *octet ^= u.arbitrary::<u8>()?;
                    }
                    pair.deliver(at, &octets);
                }
            }
            8 => {
                let cfg = session(u, peer, is_v2)?;
                let now = pair.now;
                let _ = pair.ends[at].add_session(now, cfg);
            }
            9 => {
                let now = pair.now;
                match u.int_in_range(0..=5)? {
                    0 => pair.ends[at].remove_session(now, which),
                    1 => pair.ends[at].set_circuit(now, which, CircuitStatus::STANDBY),
                    2 => pair.ends[at].call_placed(now, which, u.arbitrary()?),
                    3 => pair.ends[at].query_sessions(now, peer),
                    4 => pair.ends[at].send_payload(which, &[1, 2]),
                    _ => {
                        if let Ok(id) = pair.ends[at].add_multicast(now, peer) {
                            pair.ends[at].set_outgoing(now, id, &[which]);
                        }
                    }
                }
            }
            10 => {
                let octets: Vec<u8> = u.arbitrary()?;
                pair.deliver(at, &octets);
            }
            _ => {
                let mut octets = if is_v2 { vec![] } else { vec![0; 4] };
                octets.extend([0xc8, if is_v2 { 2 } else { 3 }]);
                octets.extend(u.arbitrary::<Vec<u8>>()?);
                pair.deliver(at, &octets);
            }
        }
        pair.drain();
    }
    // Left alone, and with nothing lost, all comes to rest: every message is delivered, and there are few connections.
    for _ in 0..2000 {
        for at in 0..2 {
            while let Some(octets) = pair.flying[at].pop_front() {
                pair.deliver(at, &octets);
            }
        }
        let due = pair.ends.iter().filter_map(Endpoint::next_timeout).min();
        let Some(due) = due else { break };
        pair.now = pair.now.max(due);
        pair.ends.iter_mut().for_each(|end| end.handle_timeout(pair.now));
        pair.drain();
    }
    for end in &pair.ends {
        assert!(end.connections() <= 60, "{}", end.connections());
    }
    Ok(())
}
