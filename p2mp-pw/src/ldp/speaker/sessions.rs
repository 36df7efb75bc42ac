//! Adjacencies that make sessions, and sessions that make peers (RFC 5036 §2.5, RFC 7552 §6).

use core::net::IpAddr;

use fwd_core::time::Instant;

use super::super::capability::TransportPreference;
use super::super::discovery::{self, Adjacency, AdjacencyId, HelloTarget};
use super::super::lde;
use super::super::message::Message;
use super::super::neighbour::Application;
use super::super::session::{self, Session, SessionConfig, State};
use super::super::{LdpId, StatusCode};
use super::io::{Event, Output};
use super::machine::{LdpSpeaker, Timer};

impl LdpSpeaker {
    /// Hands on what discovery and sessions want done, until nothing moves.
    pub(super) fn pump(&mut self) {
        loop {
            while let Some(output) = self.discovery.poll_output() {
                self.of_discovery(output);
            }
            let Some(peer) = self.touched.pop_first() else { return };
            while let Some(output) = self.sessions.get_mut(&peer).and_then(Session::poll_output) {
                self.of_session(peer, output);
            }
            self.settle(peer);
        }
    }

    /// A session without adjacency that has ended is forgotten; of another, its timer is kept.
    fn settle(&mut self, peer: LdpId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let adjacent = self.adjacencies.get(&peer).is_some_and(|of| !of.is_empty());
        if !adjacent && session.state() == State::NonExistent {
            self.sessions.remove(&peer);
            self.adjacencies.remove(&peer);
            return self.timers.clear(Timer::Session(peer));
        }
        match session.next_timeout() {
            Some(at) => self.timers.set(Timer::Session(peer), at),
            None => self.timers.clear(Timer::Session(peer)),
        }
    }

    fn of_discovery(&mut self, output: discovery::Output) {
        match output {
            discovery::Output::Datagram { to, from, ttl, octets } => {
                self.outputs.push_back(Output::Datagram { to, from, ttl, octets });
            }
            discovery::Output::Up(adjacency) => self.adjacency_up(&adjacency),
            discovery::Output::Changed(adjacency) => self.adjacency_changed(&adjacency),
            discovery::Output::Down(id) => self.adjacency_down(id),
            discovery::Output::Event(event) => {
                self.outputs.push_back(Output::Event(Event::Discovery(event)));
                if let discovery::Event::DualStackNoncompliance(id) = event {
                    // RFC 7552 §6.1.1: no session with a peer that contradicts itself or us.
                    self.session(id.peer, session::Input::Stop(StatusCode::DUAL_STACK_NONCOMPLIANCE));
                }
            }
        }
    }

    fn adjacency_up(&mut self, adjacency: &Adjacency) {
        let peer = adjacency.id.peer;
        self.adjacencies.entry(peer).or_default().insert(adjacency.id, *adjacency);
        if self.sessions.contains_key(&peer) {
            return self.tell_source(adjacency, true);
        }
        if self.waits_for_family(adjacency) {
            return self.timers.set(Timer::Family(adjacency.id), self.now + self.config.family_wait);
        }
        self.open(adjacency);
    }

    /// A dual-stack peer's session is over the family that it prefers, if we are dual-stack too (RFC 7552 §6.1.1).
    fn waits_for_family(&self, adjacency: &Adjacency) -> bool {
        let discovery = &self.config.discovery;
        let dual = discovery.transport_v4.is_some() && discovery.transport_v6.is_some();
        let wanted = adjacency.preference.filter(|_| dual).map(|preference| preference == TransportPreference::IPV6);
        wanted.is_some_and(|ipv6| ipv6 != adjacency.transport.is_ipv6())
    }

    /// The preferred family did not show up: the other serves.
    pub(super) fn family_waited(&mut self, id: AdjacencyId) {
        let adjacency = self.adjacencies.get(&id.peer).and_then(|of| of.get(&id)).copied();
        if let Some(adjacency) = adjacency.filter(|_| !self.sessions.contains_key(&id.peer)) {
            self.open(&adjacency);
        }
    }

    fn open(&mut self, adjacency: &Adjacency) {
        let peer = adjacency.id.peer;
        if self.sessions.len() >= self.config.max_sessions {
            return self.outputs.push_back(Output::Event(Event::TooManySessions { peer }));
        }
        let local = self.config.discovery.local;
        let mut config = SessionConfig::new(local, peer, adjacency.local_transport, adjacency.transport);
        config.keepalive = self.config.keepalive;
        config.max_pdu_length = self.config.max_pdu_length;
        config.discipline = self.config.discipline;
        config.path_vector_limit = self.config.lde.loop_detection.map(|limits| limits.max_path);
        config.capabilities.clone_from(&self.config.capabilities);
        config.graceful_restart = self.config.graceful_restart;
        if let Ok(session) = Session::new(self.now, config) {
            self.sessions.insert(peer, session);
            self.session(peer, session::Input::Start);
        }
    }

    fn adjacency_changed(&mut self, adjacency: &Adjacency) {
        let peer = adjacency.id.peer;
        let before = self.adjacencies.entry(peer).or_default().insert(adjacency.id, *adjacency);
        if before.is_some_and(|b| b.configuration_sequence != adjacency.configuration_sequence) {
            self.session(peer, session::Input::PeerReconfigured);
        }
    }

    fn adjacency_down(&mut self, id: AdjacencyId) {
        self.timers.clear(Timer::Family(id));
        let Some(of_peer) = self.adjacencies.get_mut(&id.peer) else { return };
        let gone = of_peer.remove(&id);
        let last = of_peer.is_empty();
        // With the last adjacency the session goes, and with it all that the peer said.
        if let Some(adjacency) = gone.filter(|_| !last) {
            self.tell_source(&adjacency, false);
        }
        if last {
            self.session(id.peer, session::Input::Stop(StatusCode::HOLD_TIMER_EXPIRED));
            if !self.sessions.contains_key(&id.peer) {
                self.adjacencies.remove(&id.peer);
            }
        }
    }

    /// The source of a neighbour's Hellos is a next hop of its; of others than link-local ones the peer's Address messages say so.
    fn tell_source(&mut self, adjacency: &Adjacency, up: bool) {
        let local = matches!(adjacency.source, IpAddr::V6(a) if a.is_unicast_link_local());
        if let HelloTarget::Link { iface, .. } = adjacency.id.target {
            if !local {
                return;
            }
            let input = lde::Input::Adjacent { peer: adjacency.id.peer, source: adjacency.source, iface, up };
            self.lde.handle_input(self.now, input);
        }
    }

    fn of_session(&mut self, peer: LdpId, output: session::Output) {
        match output {
            session::Output::Connect => self.connect(peer),
            session::Output::Close => self.outputs.push_back(Output::Close { peer }),
            session::Output::Send { octets } => self.outputs.push_back(Output::Stream { peer, octets }),
            session::Output::Up(negotiated) => {
                self.lde.handle_input(self.now, lde::Input::PeerUp { peer, negotiated: &negotiated });
                let links = self.adjacencies.get(&peer).cloned().unwrap_or_default();
                for adjacency in links.values() {
                    self.tell_source(adjacency, true);
                }
                self.outputs.push_back(Output::PeerUp { peer, negotiated });
            }
            session::Output::Message(message) => self.of_peer(self.now, peer, message),
            session::Output::Down(down) => {
                if down.operational {
                    let retain = down.retain;
                    self.lde.handle_input(self.now, lde::Input::PeerDown { peer, retain });
                    self.outputs.push_back(Output::PeerDown { peer, retain });
                }
                self.outputs.push_back(Output::Event(Event::Down { peer, down }));
            }
            session::Output::Event(event) => {
                self.outputs.push_back(Output::Event(Event::Session { peer, event }));
            }
        }
    }

    /// Each message to who owns it.
    fn of_peer(&mut self, now: Instant, peer: LdpId, message: Message) {
        let owner = Application::of(&message);
        if matches!(owner, Application::Prefix | Application::All) {
            self.lde.handle_input(now, lde::Input::Message { peer, message: &message });
        }
        if owner != Application::Prefix {
            self.outputs.push_back(Output::Message { peer, message });
        }
    }

    fn connect(&mut self, peer: LdpId) {
        let Some(of_peer) = self.adjacencies.get(&peer) else { return };
        let Some(adjacency) = of_peer.values().find(|a| !self.waits_for_family(a)).or_else(|| of_peer.values().next())
        else {
            return;
        };
        let (local, remote) = (adjacency.local_transport, adjacency.transport);
        let gtsm = self.uses_gtsm(peer);
        let authentication = self.authentication.get(&remote).cloned();
        self.outputs.push_back(Output::Connect { peer, local, remote, gtsm, authentication });
    }
}
