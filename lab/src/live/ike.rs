//! IKE on real UDP: a machine of `ipsec-vlink`, of either version, driven by two sockets and a clock, and ESP beside it, in UDP or without.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant as Clock};

use fwd_core::time::Instant;
use fwd_core::wire::{IpProtocol, Ipv4};
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::event::{Event, Input, Output};
use ipsec_vlink::ike::{ChildSa, ChildSaId, ConfigError, IkeSaId, PeerId, v1, v2};
use socket2::{Domain, Protocol, Socket, Type};

use super::esp::Pairs;

/// The protocol number of ESP, as sockets take it.
const ESP: i32 = IpProtocol::ESP.0 as i32;

/// What answers a packet: from what it is and its octets, those of the answer, which is of the same protocol.
pub trait Answer: FnMut(IpProtocol, &[u8]) -> Option<Vec<u8>> {}

impl<F: FnMut(IpProtocol, &[u8]) -> Option<Vec<u8>>> Answer for F {}

/// A machine of either version.
pub trait Machine {
    /// Its configuration.
    type Config;
    /// A machine with software cryptography.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    fn make(now: Instant, config: Self::Config, seed: &[u8]) -> Result<Self, ConfigError>
    where
        Self: Sized;
    /// The ports of a configuration.
    fn ports(config: &Self::Config) -> (u16, u16);
    /// As its method.
    fn handle_input(&mut self, now: Instant, input: Input<'_>);
    /// As its method.
    fn handle_timeout(&mut self, now: Instant);
    /// As its method.
    fn poll_output(&mut self) -> Option<Output>;
    /// As its method.
    ///
    /// # Errors
    /// There is no such peer or child.
    fn connect(&mut self, now: Instant, peer: PeerId, tag: u32) -> Result<IkeSaId, ConfigError>;
    /// As its method.
    ///
    /// # Errors
    /// There is no such Child SA.
    fn replace_child(&mut self, now: Instant, child: ChildSaId) -> Result<(), ConfigError>;
}

macro_rules! machine {
    ($($version:ident),+) => {
        $(impl Machine for $version::Ike<RustCrypto> {
            type Config = $version::Config;
            fn make(now: Instant, config: Self::Config, seed: &[u8]) -> Result<Self, ConfigError> {
                Self::new(now, config, RustCrypto::new(seed))
            }
            fn ports(config: &Self::Config) -> (u16, u16) {
                config.ports
            }
            fn handle_input(&mut self, now: Instant, input: Input<'_>) {
                self.handle_input(now, input);
            }
            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
            fn poll_output(&mut self) -> Option<Output> {
                self.poll_output()
            }
            fn connect(&mut self, now: Instant, peer: PeerId, tag: u32) -> Result<IkeSaId, ConfigError> {
                self.connect(now, peer, tag)
            }
            fn replace_child(&mut self, now: Instant, child: ChildSaId) -> Result<(), ConfigError> {
                self.replace_child(now, child)
            }
        })+
    };
}

machine!(v1, v2);

/// One machine on the two ports of an address, with the SAD that its Child SAs go to.
pub struct IkeDriver<M> {
    ike: M,
    sockets: [UdpSocket; 2],
    addresses: [SocketAddr; 2],
    epoch: Clock,
    /// ESP without UDP: a protocol of its own, which the kernel leaves to whoever opens a raw socket for it.
    raw: Socket,
    pairs: Pairs,
    events: Vec<Event>,
    /// ESP packets that were opened, and that were not.
    pub opened: (u64, u64),
    /// Child SAs installed and removed.
    pub changes: (u64, u64),
}

impl<M: Machine> IkeDriver<M> {
    /// A machine on an address of this network namespace.
    ///
    /// # Errors
    /// The ports are taken, there is no privilege for a raw socket (`CAP_NET_RAW`), or a field of the configuration is out of its range.
    pub fn new(local: IpAddr, config: M::Config, seed: &[u8]) -> io::Result<Self> {
        let ports = M::ports(&config);
        let addresses = [SocketAddr::new(local, ports.0), SocketAddr::new(local, ports.1)];
        let sockets = [UdpSocket::bind(addresses[0])?, UdpSocket::bind(addresses[1])?];
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let raw = Socket::new(Domain::for_address(addresses[0]), Type::RAW, Some(Protocol::from(ESP)))?;
        raw.set_nonblocking(true)?;
        raw.bind(&SocketAddr::new(local, 0).into())?;
        let ike = M::make(Instant::from_secs(1), config, seed).map_err(io::Error::other)?;
        let (epoch, pairs, events) = (Clock::now(), Pairs::default(), Vec::new());
        Ok(Self { ike, sockets, addresses, epoch, raw, pairs, events, opened: (0, 0), changes: (0, 0) })
    }

    fn now(&self) -> Instant {
        Instant::from_secs(1) + self.epoch.elapsed()
    }

    /// Does something to the machine.
    ///
    /// # Errors
    /// As that says.
    pub fn act<T>(&mut self, act: impl FnOnce(&mut M, Instant) -> Result<T, ConfigError>) -> Result<T, ConfigError> {
        let now = self.now();
        act(&mut self.ike, now)
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.ike
    }

    /// The Child SAs in use, the newest last.
    pub fn children(&self) -> impl Iterator<Item = &ChildSa> {
        self.pairs.children()
    }

    /// What has happened so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Runs for so long, or until `done` says so. `packet` sees what came in every ESP packet, and may answer it.
    ///
    /// # Errors
    /// A socket fails.
    pub fn run(
        &mut self,
        time: Duration,
        mut packet: impl Answer,
        mut done: impl FnMut(&Self) -> bool,
    ) -> io::Result<bool> {
        let end = Clock::now() + time;
        loop {
            self.drain()?;
            if done(self) {
                return Ok(true);
            }
            if Clock::now() >= end {
                return Ok(false);
            }
            if !self.receive(&mut packet)? {
                std::thread::sleep(Duration::from_millis(2));
            }
            let now = self.now();
            self.ike.handle_timeout(now);
        }
    }

    fn receive(&mut self, packet: &mut impl Answer) -> io::Result<bool> {
        let mut any = self.receive_raw(packet)?;
        let mut buffer = [0; 65_536];
        for n in 0..2 {
            match self.sockets[n].recv_from(&mut buffer) {
                Ok((len, from)) => {
                    any = true;
                    let octets = &buffer[..len];
                    if n == 1 && len > 4 && !octets.starts_with(&[0; 4]) {
                        self.esp(octets, packet)?;
                        continue;
                    }
                    let (now, to) = (self.now(), self.addresses[n]);
                    self.ike.handle_input(now, Input::Datagram { from, to, octets });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // The peer's port was closed when we last sent to it.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(e),
            }
        }
        Ok(any)
    }

    fn drain(&mut self) -> io::Result<()> {
        while let Some(output) = self.ike.poll_output() {
            match output {
                Output::Datagram { from, to, octets } => {
                    let socket = &self.sockets[usize::from(from.port() == self.addresses[1].port())];
                    // What is lost is sent again.
                    let _ = socket.send_to(&octets, to);
                }
                Output::Install(child) => {
                    self.changes.0 += 1;
                    self.pairs.install(*child)?;
                }
                Output::Remove(id) => {
                    self.changes.1 += 1;
                    self.pairs.remove(id);
                }
                Output::Move(id, to) => self.pairs.moved(id, to),
                Output::Event(event) => self.events.push(event),
            }
        }
        Ok(())
    }

    /// Opens an ESP packet, and sends what `packet` answers to it.
    fn esp(&mut self, octets: &[u8], packet: &mut impl Answer) -> io::Result<()> {
        let Some((payload, inner)) = self.pairs.open(octets) else {
            self.opened.1 += 1;
            return Ok(());
        };
        self.opened.0 += 1;
        match packet(payload, &inner) {
            Some(answer) => self.send(payload, &answer),
            None => Ok(()),
        }
    }

    /// Reads one ESP packet without UDP. Before its payload a raw socket gives the IPv4 header, of IPv6 none.
    fn receive_raw(&mut self, packet: &mut impl Answer) -> io::Result<bool> {
        let mut buffer = [0; 65_536];
        let octets = match self.raw.read(&mut buffer) {
            Ok(len) => &buffer[..len],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        };
        let at =
            if self.addresses[0].is_ipv4() { Ipv4::of(octets).map_or(octets.len(), |h| h.header_len()) } else { 0 };
        self.esp(&octets[at..], packet)?;
        Ok(true)
    }

    /// Sends a packet through the newest pair.
    fn send(&mut self, payload: IpProtocol, inner: &[u8]) -> io::Result<()> {
        let Some((packet, child)) = self.pairs.seal(payload, inner)? else { return Ok(()) };
        match child.encapsulation {
            Some(udp) => self.sockets[1].send_to(&packet, udp.remote)?,
            None => self.raw.send_to(&packet, &SocketAddr::new(child.remote, 0).into())?,
        };
        Ok(())
    }
}
