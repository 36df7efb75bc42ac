//! L2TP version 2 on a UDP socket, with a PPP link in every session: the machines of `ipsec-vlink` and a clock.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant as Clock;

use fwd_core::time::Instant;
use ipsec_vlink::l2tp::control::{self, Address, Endpoint, PeerConfig, PeerId, SessionConfig, SessionId};
use ipsec_vlink::ppp::{self, Ppp, Protocol};

use crate::run::scene::vlink::crypto::RustCrypto;

/// One endpoint on UDP port 1701 of an address.
pub struct L2tpDriver {
    endpoint: Endpoint<RustCrypto>,
    socket: UdpSocket,
    epoch: Clock,
    links: HashMap<SessionId, Ppp<RustCrypto>>,
    /// What the endpoint said.
    pub events: Vec<control::Event>,
    /// What the links said.
    pub link_events: Vec<ppp::Event>,
    /// Packets that came through links.
    pub packets: u64,
}

impl L2tpDriver {
    /// An endpoint on an address of this network namespace.
    ///
    /// # Errors
    /// The port is taken, or the configuration is refused.
    pub fn new(local: IpAddr, config: control::Config) -> io::Result<Self> {
        let socket = UdpSocket::bind((local, Address::PORT))?;
        socket.set_nonblocking(true)?;
        let endpoint = Endpoint::new(Instant::from_secs(1), config, RustCrypto).map_err(io::Error::other)?;
        let (epoch, links) = (Clock::now(), HashMap::new());
        Ok(Self { endpoint, socket, epoch, links, events: Vec::new(), link_events: Vec::new(), packets: 0 })
    }

    fn now(&self) -> Instant {
        Instant::from_secs(1) + self.epoch.elapsed()
    }

    /// Adds a peer with one session, and the PPP link that runs in it.
    ///
    /// # Errors
    /// A configuration is refused.
    pub fn add(
        &mut self,
        peer: PeerConfig,
        session: impl FnOnce(PeerId) -> SessionConfig,
        link: ppp::Config,
    ) -> io::Result<PeerId> {
        let now = self.now();
        let peer = self.endpoint.add_peer(peer).map_err(io::Error::other)?;
        let session = self.endpoint.add_session(now, session(peer)).map_err(io::Error::other)?;
        self.links.insert(session, Ppp::new(now, link, RustCrypto).map_err(io::Error::other)?);
        Ok(peer)
    }

    /// Ends the control connection with a peer, and its session.
    pub fn remove_peer(&mut self, peer: PeerId) {
        let now = self.now();
        self.endpoint.remove_peer(now, peer);
    }

    /// Does what is due, once. `answer` sees every IPv4 packet that came through a link, and may answer it.
    ///
    /// # Errors
    /// The socket fails.
    pub fn turn(&mut self, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
        let mut buffer = [0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let (now, from) = (self.now(), Address { ip: from.ip(), port: Some(from.port()) });
                self.endpoint.handle_input(now, control::Input::Datagram { from, octets: &buffer[..len] });
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => {}
            Err(e) => return Err(e),
        }
        let now = self.now();
        self.endpoint.handle_timeout(now);
        self.links.values_mut().for_each(|link| link.handle_timeout(now));
        self.links(&mut answer);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                control::Output::Datagram { to, octets } => {
                    // What is lost is sent again.
                    let _ = self.socket.send_to(&octets, SocketAddr::new(to.ip, to.port.unwrap_or(Address::PORT)));
                }
                control::Output::Payload { session, octets } => self.link(session, ppp::Input::Frame(&octets)),
                control::Output::Event(event) => {
                    match &event {
                        control::Event::SessionUp { session, .. } => self.link(*session, ppp::Input::Up),
                        control::Event::SessionDown { session, .. } => self.link(*session, ppp::Input::Down),
                        _ => {}
                    }
                    self.events.push(event);
                }
            }
            self.links(&mut answer);
        }
        Ok(())
    }

    fn link(&mut self, session: SessionId, input: ppp::Input<'_>) {
        let now = self.now();
        if let Some(link) = self.links.get_mut(&session) {
            link.handle_input(now, input);
        }
    }

    /// What the links want done.
    fn links(&mut self, answer: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>) {
        let now = self.now();
        for (session, link) in &mut self.links {
            while let Some(output) = link.poll_output() {
                match output {
                    ppp::Output::Frame(frame) => self.endpoint.send_payload(*session, &frame),
                    ppp::Output::Packet { protocol, octets } => {
                        self.packets += 1;
                        if let Some(octets) = answer(&octets).filter(|_| protocol == Protocol::IPV4) {
                            link.handle_input(now, ppp::Input::Packet { protocol, octets: &octets });
                        }
                    }
                    ppp::Output::Event(event) => self.link_events.push(event),
                }
            }
        }
    }
}
