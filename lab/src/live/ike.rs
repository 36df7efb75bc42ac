//! IKE on real UDP: a machine of `ipsec-vlink`, of either version, driven by two sockets and a clock, and ESP in UDP beside it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant as Clock};

use fwd_core::time::Instant;
use fwd_core::wire::esp::{self, Context, EspNumbering, ReplayWindow};
use fwd_core::wire::{Esp, IpProtocol};
use ipsec_vlink::ike::crypto::rustcrypto::{EspCipher, RustCrypto};
use ipsec_vlink::ike::event::{Event, Input, Output};
use ipsec_vlink::ike::{ChildSa, ChildSaId, ConfigError, UdpEncapsulation, v1, v2};

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
        })+
    };
}

machine!(v1, v2);

/// A pair of ESP SAs in use.
struct Pair {
    child: ChildSa,
    outbound: EspCipher,
    inbound: EspCipher,
    numbering: EspNumbering,
    window: ReplayWindow<2>,
}

/// One machine on the two ports of an address, with the SAD that its Child SAs go to.
pub struct IkeDriver<M> {
    ike: M,
    sockets: [UdpSocket; 2],
    addresses: [SocketAddr; 2],
    epoch: Clock,
    pairs: Vec<Pair>,
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
    /// The ports are taken, or a field of the configuration is out of its range.
    pub fn new(local: IpAddr, config: M::Config, seed: &[u8]) -> io::Result<Self> {
        let ports = M::ports(&config);
        let addresses = [SocketAddr::new(local, ports.0), SocketAddr::new(local, ports.1)];
        let sockets = [UdpSocket::bind(addresses[0])?, UdpSocket::bind(addresses[1])?];
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let ike = M::make(Instant::from_secs(1), config, seed).map_err(io::Error::other)?;
        let (epoch, pairs, events) = (Clock::now(), Vec::new(), Vec::new());
        Ok(Self { ike, sockets, addresses, epoch, pairs, events, opened: (0, 0), changes: (0, 0) })
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
        self.pairs.iter().map(|p| &p.child)
    }

    /// What has happened so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Runs for so long, or until `done` says so. `packet` sees every packet that came in ESP, and may answer it.
    ///
    /// # Errors
    /// A socket fails.
    pub fn run(
        &mut self,
        time: Duration,
        mut packet: impl FnMut(&[u8]) -> Option<Vec<u8>>,
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

    fn receive(&mut self, packet: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>) -> io::Result<bool> {
        let mut any = false;
        let mut buffer = [0; 65_536];
        for n in 0..2 {
            match self.sockets[n].recv_from(&mut buffer) {
                Ok((len, from)) => {
                    any = true;
                    let octets = &buffer[..len];
                    if n == 1 && len > 4 && !octets.starts_with(&[0; 4]) {
                        if let Some(answer) = self.open(octets).and_then(|inner| packet(&inner)) {
                            self.send(&answer)?;
                        }
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
                    self.install(*child)?;
                }
                Output::Remove(id) => {
                    self.changes.1 += 1;
                    self.pairs.retain(|p| p.child.id != id);
                }
                Output::Move(id, to) => self.moved(id, to),
                Output::Event(event) => self.events.push(event),
            }
        }
        Ok(())
    }

    fn install(&mut self, child: ChildSa) -> io::Result<()> {
        let outbound = EspCipher::new(&child.suite, &child.keys_out).map_err(io::Error::other)?;
        let inbound = EspCipher::new(&child.suite, &child.keys_in).map_err(io::Error::other)?;
        let (numbering, window) = (EspNumbering::NEW, ReplayWindow::new(64));
        self.pairs.push(Pair { child, outbound, inbound, numbering, window });
        Ok(())
    }

    fn moved(&mut self, id: ChildSaId, to: UdpEncapsulation) {
        self.pairs.iter_mut().filter(|p| p.child.id == id).for_each(|p| p.child.encapsulation = Some(to));
    }

    /// The packet inside an ESP packet.
    fn open(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let opened = self.try_open(octets);
        let count = if opened.is_some() { &mut self.opened.0 } else { &mut self.opened.1 };
        *count += 1;
        opened
    }

    fn try_open(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let header = Esp::of(octets)?;
        let (spi, low) = (header.spi(), header.sequence());
        let pair = self.pairs.iter_mut().find(|p| p.child.spi_in == spi)?;
        let extended = pair.child.suite.extended;
        let sequence = pair.window.whole(low, extended);
        pair.window.check(sequence).ok()?;
        let mut packet = octets.to_vec();
        let opened = esp::open(&mut pair.inbound, &Context { spi, sequence, extended }, &mut packet).ok()?;
        pair.window.mark(sequence);
        (opened.next == IpProtocol::IPV4).then(|| packet[opened.offset..][..opened.len].to_vec())
    }

    /// Sends a packet through the newest pair.
    fn send(&mut self, inner: &[u8]) -> io::Result<()> {
        let Some(pair) = self.pairs.last_mut() else { return Ok(()) };
        let (spi, extended) = (pair.child.spi_out, pair.child.suite.extended);
        let over = esp::overhead(&pair.outbound, inner.len());
        let mut packet = vec![0; over.front];
        packet.extend_from_slice(inner);
        packet.resize(packet.len() + over.back, 0);
        let Some(sequence) = pair.numbering.number(extended) else { return Ok(()) };
        let context = Context { spi, sequence, extended };
        esp::seal(&mut pair.outbound, &context, &mut packet, inner.len(), IpProtocol::IPV4)
            .map_err(|e| io::Error::other(format!("{e:?}")))?;
        if let Some(udp) = pair.child.encapsulation {
            self.sockets[1].send_to(&packet, udp.remote)?;
        }
        Ok(())
    }
}
