//! BGP peers and the TCP connections that belong to them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use bgp_vpn::speaker::Side;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;

use super::network::BGP_PORT;
use super::tcp::{Endpoint, Stack, TcpEvent};

/// What happened on a connection with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// It is open.
    Connected,
    /// Octets arrived.
    Received(Vec<u8>),
    /// So many octets may be written.
    Writable(usize),
    /// It is gone.
    Closed,
}

#[derive(Clone, Debug)]
struct Ends {
    vrf: VrfId,
    local: IpAddr,
    remote: IpAddr,
    outgoing: Option<Endpoint>,
    incoming: Option<Endpoint>,
    /// An incoming connection beside another, until the session takes it or has it closed.
    second: Option<Endpoint>,
}

/// The peers of a machine.
#[derive(Clone, Debug)]
pub struct Peering<P> {
    peers: HashMap<P, Ends>,
    by_address: HashMap<(VrfId, IpAddr), P>,
}

impl<P> Default for Peering<P> {
    fn default() -> Self {
        Self { peers: HashMap::new(), by_address: HashMap::new() }
    }
}

impl<P: Copy + Eq + Hash> Peering<P> {
    /// Adds a peer, and listens for it.
    pub fn add(&mut self, tcp: &mut Stack, peer: P, vrf: VrfId, local: IpAddr, remote: IpAddr) {
        tcp.listen(vrf, remote, BGP_PORT);
        self.by_address.insert((vrf, remote), peer);
        self.peers.insert(peer, Ends { vrf, local, remote, outgoing: None, incoming: None, second: None });
    }

    /// Opens a connection.
    pub fn connect(&mut self, now: Instant, tcp: &mut Stack, peer: P) {
        let Some(ends) = self.peers.get_mut(&peer) else { return };
        if let Some(old) = ends.outgoing.take() {
            tcp.abort(old);
        }
        ends.outgoing = Some(tcp.connect(now, ends.vrf, ends.local, SocketAddr::new(ends.remote, BGP_PORT)));
    }

    /// Sends octets.
    pub fn send(&mut self, now: Instant, tcp: &mut Stack, peer: P, side: Side, octets: &[u8]) {
        let Some(ends) = self.peers.get_mut(&peer) else { return };
        if let (Side::Incoming, Some(second)) = (side, ends.second.take()) {
            // The session took the second connection in place of the first.
            if let Some(old) = ends.incoming.replace(second) {
                tcp.abort(old);
            }
        }
        let end = if side == Side::Outgoing { ends.outgoing } else { ends.incoming };
        if let Some(end) = end {
            tcp.send(now, end, octets);
        }
    }

    /// Closes a connection behind what was sent.
    pub fn close(&mut self, now: Instant, tcp: &mut Stack, peer: P, side: Side) {
        let Some(ends) = self.peers.get_mut(&peer) else { return };
        let end = match side {
            Side::Outgoing => ends.outgoing.take(),
            Side::Incoming => ends.second.take().or_else(|| ends.incoming.take()),
        };
        if let Some(end) = end {
            tcp.close(now, end);
        }
    }

    /// Says which peer and connection an event is about; `None` if it is about none any more.
    pub fn event(&mut self, tcp: &mut Stack, event: TcpEvent) -> Option<(P, Side, PeerEvent)> {
        let (endpoint, what) = match event {
            TcpEvent::Connected(endpoint, true) => return self.accepted(tcp, endpoint),
            TcpEvent::Connected(endpoint, false) => (endpoint, PeerEvent::Connected),
            TcpEvent::Received(endpoint, octets) => (endpoint, PeerEvent::Received(octets)),
            TcpEvent::Writable(endpoint, room) => (endpoint, PeerEvent::Writable(room)),
            TcpEvent::Closed(endpoint) => (endpoint, PeerEvent::Closed),
        };
        let peer = *self.by_address.get(&(endpoint.vrf, endpoint.remote.ip()))?;
        let ends = self.peers.get_mut(&peer)?;
        let gone = what == PeerEvent::Closed;
        if ends.second == Some(endpoint) {
            ends.second = ends.second.filter(|_| !gone);
            return None;
        }
        let (slot, side) = if ends.outgoing == Some(endpoint) {
            (&mut ends.outgoing, Side::Outgoing)
        } else if ends.incoming == Some(endpoint) {
            (&mut ends.incoming, Side::Incoming)
        } else {
            return None;
        };
        if gone {
            *slot = None;
        }
        Some((peer, side, what))
    }

    fn accepted(&mut self, tcp: &mut Stack, endpoint: Endpoint) -> Option<(P, Side, PeerEvent)> {
        let peer = *self.by_address.get(&(endpoint.vrf, endpoint.remote.ip()))?;
        let ends = self.peers.get_mut(&peer)?;
        if ends.incoming.is_none() {
            ends.incoming = Some(endpoint);
        } else if let Some(older) = ends.second.replace(endpoint) {
            tcp.abort(older);
        }
        Some((peer, Side::Incoming, PeerEvent::Connected))
    }

    /// Breaks all connections of a peer without a word, as the crash of a machine does.
    pub fn crash(&mut self, tcp: &mut Stack, peer: P) {
        let Some(ends) = self.peers.get_mut(&peer) else { return };
        [ends.outgoing.take(), ends.incoming.take(), ends.second.take()]
            .into_iter()
            .flatten()
            .for_each(|e| tcp.abort(e));
    }
}
