//! Two endpoints and a network between them that loses, repeats and reorders.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use fwd_core::time::Instant;
use ipsec_vlink::l2tp::control::{Address, Config, Endpoint, Event, Input, Output};
use ipsec_vlink::l2tp::digest::Hashes;
use md5::{Digest, Md5};
use sha1::Sha1;

pub struct RustCrypto;

impl Hashes for RustCrypto {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }

    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20] {
        parts.iter().fold(Sha1::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lost_percent: u64,
    pub repeated_percent: u64,
    /// Up to so many milliseconds more than the 10 that each takes.
    pub jitter: u64,
}

pub type Machine = Endpoint<RustCrypto>;

pub struct Net {
    pub now: Instant,
    pub ends: [Machine; 2],
    pub addresses: [Address; 2],
    pub faults: Faults,
    /// Nothing gets through from or to these ends any more.
    pub cut: [bool; 2],
    pub events: [Vec<Event>; 2],
    pub payloads: [Vec<Vec<u8>>; 2],
    /// Every datagram that was sent: by whom, and what.
    pub sent: Vec<(usize, Vec<u8>)>,
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    serial: u64,
    random: u64,
}

pub fn address(last: u8, port: Option<u16>) -> Address {
    Address { ip: IpAddr::from([192, 0, 2, last]), port }
}

impl Net {
    pub fn new(port: Option<u16>, faults: Faults) -> Self {
        Self::with(port, faults, |cfg| cfg)
    }

    pub fn with(port: Option<u16>, faults: Faults, change: impl Fn(Config) -> Config) -> Self {
        let now = Instant::from_secs(0);
        let end = |n: u8| {
            let cfg = change(Config::new(format!("pe{n}").as_bytes(), n.into(), [n; 32]));
            Endpoint::new(now, cfg, RustCrypto).unwrap()
        };
        Self {
            now,
            ends: [end(1), end(2)],
            addresses: [address(1, port), address(2, port)],
            faults,
            cut: [false; 2],
            events: Default::default(),
            payloads: Default::default(),
            sent: Vec::new(),
            flying: BTreeMap::new(),
            serial: 0,
            random: 88,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below.max(1)
    }

    /// Takes what the machines want done.
    pub fn drain(&mut self) {
        for from in 0..2 {
            while let Some(output) = self.ends[from].poll_output() {
                match output {
                    Output::Event(event) => self.events[from].push(event),
                    Output::Payload { octets, .. } => self.payloads[from].push(octets),
                    Output::Datagram { to, octets } => {
                        self.sent.push((from, octets.clone()));
                        if to.ip != self.addresses[1 - from].ip || self.cut[from] || self.cut[1 - from] {
                            continue;
                        }
                        let copies = 1 + u64::from(self.random(100) < self.faults.repeated_percent);
                        for _ in 0..copies {
                            if self.random(100) >= self.faults.lost_percent {
                                let after = 10 + self.random(self.faults.jitter + 1);
                                let at = self.now + Duration::from_millis(after);
                                self.serial += 1;
                                self.flying.insert((at, self.serial), (1 - from, octets.clone()));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Runs for this long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.drain();
            let next = self.flying.keys().next().map(|(at, _)| *at);
            let due = self.ends.iter().filter_map(Endpoint::next_timeout).chain(next).min();
            match due.filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let (to, octets) = entry.remove();
                let from = self.addresses[1 - to];
                self.ends[to].handle_input(self.now, Input::Datagram { from, octets: &octets });
            }
            for end in &mut self.ends {
                if end.next_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// A datagram out of nowhere.
    pub fn inject(&mut self, to: usize, from: Address, octets: &[u8]) {
        self.ends[to].handle_input(self.now, Input::Datagram { from, octets });
        self.drain();
    }
}
