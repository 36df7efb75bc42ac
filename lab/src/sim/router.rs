//! A router that is controlled by a [`Speaker`].

use std::net::IpAddr;

use bgp_vpn::session::{ConfigError, PeerConfig};
use bgp_vpn::speaker::{Event, Input, Output, PeerId, Reach, Speaker, SpeakerConfig};
use fwd_core::time::Instant;

use super::ce::Ce;
use super::node::{Control, Host};
use super::peering::{PeerEvent, Peering};
use super::tcp::Stack;

/// A speaker and its connections.
#[derive(Debug)]
pub struct Router {
    /// The speaker. [`Network::wake`](super::network::Network::wake) the machine after giving it an input.
    pub speaker: Speaker,
    peering: Peering<PeerId>,
    /// What it reported, and when.
    pub events: Vec<(Instant, Event)>,
}

impl Router {
    /// A speaker without peers.
    ///
    /// # Errors
    /// A configuration that the speaker refuses.
    pub fn new(now: Instant, config: SpeakerConfig) -> Result<Self, ConfigError> {
        Ok(Self { speaker: Speaker::new(now, config)?, peering: Peering::default(), events: Vec::new() })
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// A configuration that the speaker refuses.
    pub fn add_peer(&mut self, now: Instant, tcp: &mut Stack, config: PeerConfig) -> Result<PeerId, ConfigError> {
        let (vrf, local, remote) = (config.vrf, config.local_address, config.address);
        tcp.protect(vrf, local, remote, &config.protection).map_err(|error| ConfigError::Value {
            field: "protection",
            value: error.to_string(),
            rule: "what the simulated TCP has",
        })?;
        let peer = self.speaker.add_peer(now, config)?;
        self.peering.add(tcp, peer, vrf, local, remote);
        Ok(peer)
    }

    /// Breaks the connections with a peer as a crash of TCP does.
    pub fn break_connections(&mut self, tcp: &mut Stack, peer: PeerId) {
        self.peering.crash(tcp, peer);
    }

    fn act(&mut self, now: Instant, host: &mut Host<'_>) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Connect { peer } => self.peering.connect(now, &mut host.tcp, peer),
                Output::Close { peer, side } => self.peering.close(now, &mut host.tcp, peer, side),
                Output::Stream { peer, side, octets } => {
                    self.peering.send(now, &mut host.tcp, peer, side, &octets);
                }
                Output::Program(op) => {
                    if !host.apply(&op) {
                        self.speaker.handle_input(now, Input::Refused(op));
                    }
                }
                // No VRF of the simulator has an IGP.
                Output::Igp { .. } => {}
                Output::Event(event) => self.events.push((now, event)),
            }
        }
    }
}

impl Control for Router {
    fn drive(&mut self, now: Instant, host: &mut Host<'_>) {
        self.act(now, host);
        while let Some(event) = host.tcp.poll_event() {
            let Some((peer, side, event)) = self.peering.event(&mut host.tcp, event) else { continue };
            let input = match &event {
                PeerEvent::Connected => Input::Connected { peer, side },
                PeerEvent::Received(octets) => Input::Stream { peer, side, octets },
                PeerEvent::Writable(room) => Input::Writable { peer, side, room: *room },
                PeerEvent::Closed => Input::Closed { peer, side },
            };
            self.speaker.handle_input(now, input);
            self.act(now, host);
        }
        if self.speaker.next_timeout().is_some_and(|at| at <= now) {
            self.speaker.handle_timeout(now);
            self.act(now, host);
        }
    }

    fn next_hop(&mut self, now: Instant, address: IpAddr, reach: Option<Reach>) {
        self.speaker.handle_input(now, Input::NextHop { address, reach });
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.speaker.next_timeout()
    }
}

/// What controls a machine of a provider's network.
#[derive(Debug)]
pub enum Machine {
    /// Nothing: a P router.
    Label,
    /// A speaker: PE or route reflector.
    Router(Box<Router>),
    /// A customer's router.
    Ce(Box<Ce>),
}

impl Machine {
    /// The speaker, if there is one.
    #[must_use]
    pub fn router(&self) -> Option<&Router> {
        if let Self::Router(router) = self { Some(router) } else { None }
    }

    /// The speaker, if there is one.
    pub fn router_mut(&mut self) -> Option<&mut Router> {
        if let Self::Router(router) = self { Some(router) } else { None }
    }

    /// The customer's router, if it is one.
    #[must_use]
    pub fn ce(&self) -> Option<&Ce> {
        if let Self::Ce(ce) = self { Some(ce) } else { None }
    }

    /// The customer's router, if it is one.
    pub fn ce_mut(&mut self) -> Option<&mut Ce> {
        if let Self::Ce(ce) = self { Some(ce) } else { None }
    }
}

impl Control for Machine {
    fn drive(&mut self, now: Instant, host: &mut Host<'_>) {
        match self {
            Self::Label => ().drive(now, host),
            Self::Router(router) => router.drive(now, host),
            Self::Ce(ce) => ce.drive(now, host),
        }
    }

    fn next_hop(&mut self, now: Instant, address: IpAddr, reach: Option<Reach>) {
        if let Self::Router(router) = self {
            router.next_hop(now, address, reach);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Label => None,
            Self::Router(router) => router.next_timeout(),
            Self::Ce(ce) => ce.next_timeout(),
        }
    }
}
