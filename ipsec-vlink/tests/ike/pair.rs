//! Two machines in virtual time, joined by a link that delays, loses, repeats and translates.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::Duration;

use fwd_core::time::Instant;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::event::{Event, Input, Output};
use ipsec_vlink::ike::{ChildConfig, ChildSa, ChildSaId, PeerConfig, PeerId, v1, v2};

/// A machine of either version.
pub trait Machine {
    fn input(&mut self, now: Instant, input: Input<'_>);
    fn timeout(&mut self, now: Instant);
    fn output(&mut self) -> Option<Output>;
    fn next(&self) -> Option<Instant>;
}

macro_rules! machine {
    ($($ike:ty),+) => {
        $(impl Machine for $ike {
            fn input(&mut self, now: Instant, input: Input<'_>) {
                self.handle_input(now, input);
            }
            fn timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
            fn output(&mut self) -> Option<Output> {
                self.poll_output()
            }
            fn next(&self) -> Option<Instant> {
                self.next_timeout()
            }
        })+
    };
}

machine!(v1::Ike<RustCrypto>, v2::Ike<RustCrypto>);

/// One end.
pub struct End<M> {
    pub ike: M,
    pub installed: Vec<ChildSa>,
    pub removed: Vec<ChildSaId>,
    pub moved: usize,
    pub events: Vec<Event>,
    pub sent: usize,
}

impl<M: Machine> End<M> {
    pub fn of(ike: M) -> Self {
        Self { ike, installed: Vec::new(), removed: Vec::new(), moved: 0, events: Vec::new(), sent: 0 }
    }

    /// The Child SAs that are there.
    pub fn live(&self) -> Vec<&ChildSa> {
        self.installed.iter().filter(|c| !self.removed.contains(&c.id)).collect()
    }

    fn drain(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some(output) = self.ike.output() {
            match output {
                Output::Datagram { from, to, octets } => {
                    self.sent += 1;
                    out.push((from, to, octets));
                }
                Output::Install(child) => self.installed.push(*child),
                Output::Remove(child) => self.removed.push(child),
                Output::Move(..) => self.moved += 1,
                Output::Event(event) => self.events.push(event),
            }
        }
        out
    }
}

/// What the link does to a datagram: `(from end 0?, its number, its octets)`, and how many copies arrive.
pub type Fate = Box<dyn FnMut(bool, usize, &mut Vec<u8>) -> usize>;

pub struct Pair<M = v2::Ike<RustCrypto>> {
    pub now: Instant,
    pub ends: [End<M>; 2],
    pub fate: Fate,
    /// End 0 is behind a NAT with this address and port outside.
    pub nat: Option<SocketAddr>,
    pub inside: SocketAddr,
    count: usize,
    flying: Vec<(Instant, bool, SocketAddr, SocketAddr, Vec<u8>)>,
}

pub const A: &str = "192.0.2.1";
pub const B: &str = "192.0.2.2";

pub fn peers(adapt: impl Fn(&mut PeerConfig)) -> [PeerConfig; 2] {
    let (a, b) = (A.parse().unwrap(), B.parse().unwrap());
    let mut configs = [PeerConfig::psk(a, b, b"secret"), PeerConfig::psk(b, a, b"secret")];
    for config in &mut configs {
        config.children = vec![ChildConfig::any_v4(1)];
        adapt(config);
    }
    configs
}

impl Pair {
    pub fn new(config: &v2::Config) -> Self {
        let ike = |now, seed: &str| v2::Ike::new(now, config.clone(), RustCrypto::new(seed.as_bytes())).unwrap();
        Self::of(ike)
    }

    /// Adds each to the other; the ids of the peers.
    pub fn peers(&mut self, configs: [PeerConfig; 2]) -> [PeerId; 2] {
        let [a, b] = configs;
        [self.ends[0].ike.add_peer(a).unwrap(), self.ends[1].ike.add_peer(b).unwrap()]
    }
}

impl Pair<v1::Ike<RustCrypto>> {
    pub fn new_v1(config: &v1::Config) -> Self {
        let ike = |now, seed: &str| v1::Ike::new(now, config.clone(), RustCrypto::new(seed.as_bytes())).unwrap();
        Self::of(ike)
    }

    /// Adds each to the other; the ids of the peers.
    pub fn peers(&mut self, configs: [PeerConfig; 2], mode: v1::Phase1) -> [PeerId; 2] {
        let [a, b] = configs;
        [self.ends[0].ike.add_peer(a, mode).unwrap(), self.ends[1].ike.add_peer(b, mode).unwrap()]
    }
}

impl<M: Machine> Pair<M> {
    fn of(ike: impl Fn(Instant, &str) -> M) -> Self {
        let now = Instant::from_secs(1);
        let ends = ["a", "b"].map(|seed| End::of(ike(now, seed)));
        let inside = SocketAddr::new(A.parse().unwrap(), 0);
        Self { now, ends, fate: Box::new(|_, _, _| 1), nat: None, inside, count: 0, flying: Vec::new() }
    }

    fn collect(&mut self) {
        for (n, end) in self.ends.iter_mut().enumerate() {
            for (mut from, mut to, mut octets) in end.drain() {
                let first = n == 0;
                let mut copies = (self.fate)(first, self.count, &mut octets);
                self.count += 1;
                if let Some(outside) = self.nat {
                    if first {
                        from = SocketAddr::new(outside.ip(), outside.port() + from.port() % 1000);
                    } else if to.ip() == outside.ip() && to.port() < outside.port() {
                        // A mapping that the NAT has forgotten.
                        copies = 0;
                    } else if to.ip() == outside.ip() {
                        let port =
                            if to.port() == outside.port() + 500 { from.port() } else { to.port() - outside.port() };
                        to = SocketAddr::new(self.inside.ip(), port);
                    }
                }
                for copy in 0..copies {
                    let delay = Duration::from_millis(10 + 7 * copy as u64);
                    self.flying.push((self.now + delay, first, from, to, octets.clone()));
                }
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.collect();
            let flying = self.flying.iter().map(|f| f.0).min();
            let next = self.ends.iter().filter_map(|e| e.ike.next()).chain(flying).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            while let Some(at) = self.flying.iter().position(|f| f.0 <= now) {
                let (_, first, from, to, octets) = self.flying.remove(at);
                let target = usize::from(first);
                self.ends[target].ike.input(now, Input::Datagram { from, to, octets: &octets });
            }
            for e in &mut self.ends {
                e.ike.timeout(now);
            }
        }
        self.now = end;
    }

    pub fn seconds(&mut self, n: u64) {
        self.run(Duration::from_secs(n));
    }

    /// Both ends have the same Child SAs, mirrored, with the same keys.
    pub fn check_mirrored(&self) -> usize {
        let [a, b] = &self.ends;
        check_mirrored(a.live(), b.live())
    }
}

/// Both lists are of the same Child SAs, seen from both ends.
pub fn check_mirrored(mut ours: Vec<&ChildSa>, mut theirs: Vec<&ChildSa>) -> usize {
    {
        ours.sort_by_key(|c| c.spi_in);
        theirs.sort_by_key(|c| c.spi_out);
        assert_eq!(ours.len(), theirs.len());
        for (x, y) in ours.iter().zip(&theirs) {
            assert_eq!((x.spi_in, x.spi_out), (y.spi_out, y.spi_in));
            assert_eq!((&x.keys_in, &x.keys_out), (&y.keys_out, &y.keys_in));
            assert_eq!((&x.local_selectors, &x.remote_selectors), (&y.remote_selectors, &y.local_selectors));
            assert_eq!((x.suite, x.mode, &x.context, &x.label), (y.suite, y.mode, &y.context, &y.label));
            assert_eq!(x.encapsulation.is_some(), y.encapsulation.is_some());
            assert_ne!(x.keys_in, x.keys_out);
        }
        ours.len()
    }
}
