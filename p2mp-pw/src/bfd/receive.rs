//! Packets that come in: whose they are (RFC 8562 §5.13.2, RFC 8563 §6.13.2, RFC 7880 §7.1), and what follows.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use fwd_core::time::Instant;

use super::config::{Path, SessionConfig, SessionId, TreeId};
use super::fsm::SessionType;
use super::io::{Arrival, Discard, Event, MULTIHOP_PORT, Output, PORT, SBFD_PORT, Via};
use super::machine::{Bfd, Due, Key, Timer, source_port};
use super::packet::{ControlFlags, ControlPacket, Diag, State};
use super::session::micros;

impl Bfd {
    pub(super) fn receive(&mut self, now: Instant, arrival: Arrival, octets: &[u8]) -> Result<(), Discard> {
        let (_, packet) = ControlPacket::take(octets).map_err(|_| Discard::Malformed)?;
        if let Arrival::Udp { port: SBFD_PORT, from, to, source_port, .. } = arrival {
            return self.reflect((from, to, source_port), &packet);
        }
        let id = if packet.flags.contains(ControlFlags::MULTIPOINT) {
            self.demultiplex_multipoint(now, arrival, &packet)?
        } else {
            self.demultiplex(arrival, &packet)?
        };
        let session = self.sessions.get(&id).ok_or(Discard::Session)?;
        if session.kind == SessionType::MultipointHead {
            let Arrival::Udp { from, to, port: MULTIHOP_PORT, .. } = arrival else { return Err(Discard::Path) };
            return match session.config.path {
                Path::Head { local, .. } if local == to => self.receive_client(now, id, from, &packet),
                _ => Err(Discard::Path),
            };
        }
        if !belongs(&session.config.path, arrival, id) {
            return Err(Discard::Path);
        }
        // An LSP's ends keep their discriminators while the session is up (RFC 5884 §7).
        let is_lsp = matches!(session.config.path, Path::LspIngress { .. } | Path::LspEgress { .. });
        let other = session.remote.discriminator != packet.my_discriminator.get();
        if is_lsp && session.state == State::Up && other {
            return Err(Discard::Path);
        }
        self.accept(now, id, &packet)
    }

    /// Whose a packet of a multipoint path is.
    fn demultiplex_multipoint(
        &mut self,
        now: Instant,
        arrival: Arrival,
        packet: &ControlPacket,
    ) -> Result<SessionId, Discard> {
        let Arrival::Tree { tree, from } = arrival else { return Err(Discard::Path) };
        if packet.your_discriminator != 0 {
            return Err(Discard::Session);
        }
        match self.keys.get(&Key::Tail(tree, from, packet.my_discriminator)) {
            Some(id) => Ok(*id),
            None => self.create_tail(now, tree, from, packet.my_discriminator),
        }
    }

    /// A head that nobody configured, on a tree where that is allowed.
    fn create_tail(
        &mut self,
        now: Instant,
        tree: TreeId,
        head: IpAddr,
        discriminator: NonZeroU32,
    ) -> Result<SessionId, Discard> {
        let (local, silent) = *self.trees.get(&tree).ok_or(Discard::Session)?;
        if self.dynamic_tails >= self.config.max_dynamic_tails {
            self.too_many(now, "max_dynamic_tails");
            return Err(Discard::Limit);
        }
        let config = SessionConfig::new(Path::Tail { tree, local, head, discriminator, silent });
        let Ok(id) = self.add_session(now, config) else {
            self.too_many(now, "max_sessions");
            return Err(Discard::Limit);
        };
        self.dynamic_tails = self.dynamic_tails.saturating_add(1);
        let hold = self.config.dynamic_tail_hold;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.dynamic = true;
        }
        self.timers.set(Timer::Phase(id), now + hold);
        self.queue_event(Event::TailCreated { session: id, tree, head });
        Ok(id)
    }

    /// Whose a packet between two systems is.
    fn demultiplex(&self, arrival: Arrival, packet: &ControlPacket) -> Result<SessionId, Discard> {
        if let Some(yours) = NonZeroU32::new(packet.your_discriminator) {
            let id = SessionId(yours);
            return self.sessions.contains_key(&id).then_some(id).ok_or(Discard::Session);
        }
        if !matches!(packet.state, State::Down | State::AdminDown) {
            return Err(Discard::Session);
        }
        let key = match arrival {
            Arrival::Udp { iface, from, port: PORT, .. } => Key::SingleHop(iface, from),
            Arrival::Udp { from, to, port: MULTIHOP_PORT, .. } => Key::MultiHop { local: to, remote: from },
            Arrival::Pw { pw, .. } => Key::Pw(pw),
            Arrival::Lsp { lsp, .. } => Key::Lsp(lsp),
            Arrival::Udp { .. } | Arrival::Tree { .. } => return Err(Discard::Session),
        };
        self.keys.get(&key).copied().ok_or(Discard::Session)
    }

    /// The packet is for this session and came by its path.
    fn accept(&mut self, now: Instant, id: SessionId, packet: &ControlPacket) -> Result<(), Discard> {
        let session = self.sessions.get_mut(&id).ok_or(Discard::Session)?;
        let received = session.receive(packet)?;
        let diag = session.remote.diag;
        let (detection, demand) = (session.detection_time(), session.demand_active());
        // Silence while a Poll Sequence runs in demand mode counts from its start.
        match detection {
            Some(time) if !demand || self.timers.get(Timer::Detect(id)).is_none() => {
                self.timers.set(Timer::Detect(id), now + time);
            }
            Some(_) => {}
            None => self.timers.clear(Timer::Detect(id)),
        }
        if let (true, Some(time)) = (session.config.auth.is_some(), detection) {
            self.timers.set(Timer::Sequence(id), now + time.saturating_mul(2));
        }
        if received.left.is_some() {
            self.changed(now, id);
        } else {
            self.reschedule(now, id);
        }
        if received.remote_diag {
            self.queue_event(Event::RemoteDiag { session: id, diag });
        }
        if received.poll && !received.poll_ended {
            self.answer(now, id, packet);
        }
        Ok(())
    }

    /// Answers a Poll: at once between two systems, after a random time to a head that asked all its tails (RFC 8563 §6.13.3).
    fn answer(&mut self, now: Instant, id: SessionId, packet: &ControlPacket) {
        let Some(session) = self.sessions.get(&id) else { return };
        match session.config.path {
            Path::Tail { silent: true, .. } => {}
            Path::Tail { .. } if packet.flags.contains(ControlFlags::MULTIPOINT) => {
                if session.remote.min_rx != 0 {
                    let most = Duration::from_micros(session.remote.min_rx.into()).saturating_mul(9) / 10;
                    let delay = self.random.up_to(most);
                    self.timers.set(Timer::Reply(id), now + delay);
                }
            }
            _ => self.queue_packet(Due::Final(id)),
        }
    }

    /// Answers for a discriminator of ours (RFC 7880 §7.2). No state is kept.
    fn reflect(&mut self, (from, to, port): (IpAddr, IpAddr, u16), packet: &ControlPacket) -> Result<(), Discard> {
        if packet.auth.is_some() {
            return Err(Discard::Authentication);
        }
        // Without the Demand bit it is a reflector's answer: two reflectors would answer each other for ever.
        if !packet.flags.contains(ControlFlags::DEMAND) || packet.flags.contains(ControlFlags::MULTIPOINT) {
            return Err(Discard::State);
        }
        let mine = NonZeroU32::new(packet.your_discriminator).ok_or(Discard::Session)?;
        let reflector = self.reflectors.get(&mine).ok_or(Discard::Session)?;
        if self.reflected >= self.config.max_reflected {
            return Err(Discard::Limit);
        }
        let mut flags = ControlFlags::empty();
        flags.set(ControlFlags::FINAL, packet.flags.contains(ControlFlags::POLL));
        let answer = ControlPacket {
            diag: Diag::NONE,
            state: if reflector.in_service { State::Up } else { State::AdminDown },
            flags,
            detect_mult: packet.detect_mult,
            my_discriminator: mine,
            your_discriminator: packet.my_discriminator.get(),
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: micros(reflector.required_min_rx),
            required_min_echo_rx: 0,
            auth: None,
        };
        let mut octets = Vec::with_capacity(answer.wire_len());
        answer.emit(&mut octets);
        let via = Via::Udp { iface: None, from: to, to: from, source_port: SBFD_PORT, port };
        self.reflected = self.reflected.saturating_add(1);
        self.queue_ready(Output::Packet { via, octets });
        Ok(())
    }
}

/// Whether a packet came by the path that a session watches.
fn belongs(path: &Path, arrival: Arrival, id: SessionId) -> bool {
    match (*path, arrival) {
        // RFC 5881 §5: a packet from farther away cannot have a TTL of 255.
        (Path::SingleHop { iface, local, remote }, Arrival::Udp { iface: by, from, to, ttl, port, .. }) => {
            (iface, remote, local, 255, PORT) == (by, from, to, ttl, port)
        }
        (Path::MultiHop { local, remote, min_ttl }, Arrival::Udp { from, to, ttl, port, .. }) => {
            (remote, local, MULTIHOP_PORT) == (from, to, port) && ttl >= min_ttl
        }
        (Path::LspIngress { local, remote, .. }, Arrival::Udp { from, to, port, .. }) => {
            (remote, local, MULTIHOP_PORT) == (from, to, port)
        }
        // The way back may be an LSP too.
        (Path::LspIngress { remote, .. }, Arrival::Lsp { from, .. }) => remote == from,
        (Path::LspEgress { lsp, remote, .. }, Arrival::Lsp { lsp: by, from }) => (lsp, remote) == (by, from),
        // RFC 5885 §3.2: the TTL procedure of RFC 5881 holds.
        (Path::Pw { pw, ip }, Arrival::Pw { pw: by, ttl }) => pw == by && ttl == ip.map(|_| 255),
        (Path::Tail { tree, head, .. }, Arrival::Tree { tree: by, from }) => (tree, head) == (by, from),
        (Path::Tail { head, local, .. }, Arrival::Udp { from, to, port, .. }) => {
            (head, local, MULTIHOP_PORT) == (from, to, port)
        }
        (Path::Reflector { local, remote, .. }, Arrival::Udp { from, to, port, .. }) => {
            (remote, local, source_port(id)) == (from, to, port)
        }
        _ => false,
    }
}
