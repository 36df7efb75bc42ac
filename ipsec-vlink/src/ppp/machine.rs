//! The machine: LCP, then authentication, then the network control protocols, and packets (RFC 1661 §3).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::auth::{AuthPacket, AuthProtocol, chap_hash};
use super::config::{Config, ConfigError, Down, Event, Input, Output};
use super::control::{Control, Effect, Tries};
use super::frame::{Frame, Protocol};
use super::fsm::{Happened, State};
use super::options::{Ipcp, Ipv6cp, Lcp, Wishes};
use super::packet::{Code, Packet};
use crate::ike::crypto::equal;
use crate::l2tp::control::random::Random;
use crate::l2tp::digest::Hashes;

/// The phases of a link (RFC 1661 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The layer below is down.
    #[default]
    Dead,
    /// LCP negotiates.
    Establish,
    /// It is proved who is who.
    Authenticate,
    /// Packets may go.
    Network,
    /// The link ends.
    Terminate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Restart(u16),
    Authentication,
    Echo,
}

/// How far a proof is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Proof {
    /// None is needed, or it was given.
    #[default]
    Done,
    /// It is waited for.
    Awaited,
}

/// One end of a PPP link. See [`super`].
///
/// ```
/// use core::net::Ipv4Addr;
///
/// # use fwd_core::time::Instant;
/// use ipsec_vlink::l2tp::digest::Hashes;
/// use ipsec_vlink::ppp::{Config, Event, Input, Output, Ppp};
/// # struct Md5;
/// # impl Hashes for Md5 {
/// #     fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
/// #         let mut out = [0_u8; 16];
/// #         for (n, octet) in parts.concat().iter().enumerate() {
/// #             out[n % 16] = out[n % 16].wrapping_mul(31).wrapping_add(*octet);
/// #         }
/// #         out
/// #     }
/// #     fn sha1(&self, _: &[&[u8]]) -> [u8; 20] { [1; 20] }
/// # }
/// let now = Instant::from_secs(1);
/// let (ours, theirs) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
/// // The one assigns, the other is assigned.
/// let mut a = Ppp::new(now, Config::new(Some(ours), Some(theirs), [1; 32]), Md5).unwrap();
/// let mut b = Ppp::new(now, Config::new(Some(Ipv4Addr::UNSPECIFIED), None, [2; 32]), Md5).unwrap();
/// a.handle_input(now, Input::Up);
/// b.handle_input(now, Input::Up);
/// let mut up = 0;
/// for _ in 0..10 {
///     while let Some(output) = a.poll_output() {
///         match output {
///             Output::Frame(frame) => b.handle_input(now, Input::Frame(&frame)),
///             Output::Event(Event::Ipv4Up { remote, .. }) => up += usize::from(remote == theirs),
///             _ => {}
///         }
///     }
///     while let Some(output) = b.poll_output() {
///         match output {
///             Output::Frame(frame) => a.handle_input(now, Input::Frame(&frame)),
///             Output::Event(Event::Ipv4Up { local, .. }) => up += usize::from(local == theirs),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(up, 2);
/// ```
#[derive(Debug)]
pub struct Ppp<H> {
    cfg: Config,
    hashes: H,
    random: Random,
    phase: Phase,
    lcp: Control,
    ipcp: Option<Control>,
    ipv6cp: Option<Control>,
    /// The peer's proof, and ours.
    theirs: Proof,
    ours: Proof,
    challenge: [u8; 16],
    auth_id: u8,
    auth_left: u8,
    echo_id: u8,
    missed: u8,
    /// Why the link ends.
    why: Option<Down>,
    timers: Timers<Timer>,
    outputs: VecDeque<Output>,
}

impl<H: Hashes> Ppp<H> {
    /// An end whose layer below is down. It wants the link from the start.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(_now: Instant, cfg: Config, hashes: H) -> Result<Self, ConfigError> {
        cfg.check()?;
        let mut random = Random::new(cfg.seed);
        let tries = Tries { configure: cfg.max_configure, terminate: cfg.max_terminate, failure: cfg.max_failure };
        let lcp = Self::wishes(&cfg, &mut random, &hashes);
        let ipcp = cfg.local.map(|local| {
            let wishes = Ipcp { local, asks: local.is_unspecified(), assign: cfg.remote, remote: None };
            Control::new(Wishes::Ipcp(wishes), tries)
        });
        let spare = random.number(&hashes).max(1);
        let ipv6cp =
            cfg.interface_id.map(|local| Control::new(Wishes::Ipv6cp(Ipv6cp { local, spare, remote: None }), tries));
        Ok(Self {
            random,
            phase: Phase::Dead,
            lcp: Control::new(lcp, tries),
            ipcp,
            ipv6cp,
            theirs: Proof::Done,
            ours: Proof::Done,
            challenge: [0; 16],
            auth_id: 0,
            auth_left: 0,
            echo_id: 0,
            missed: 0,
            why: None,
            timers: Timers::new(),
            outputs: VecDeque::new(),
            cfg,
            hashes,
        })
    }

    /// What LCP asks for at the beginning.
    fn wishes(cfg: &Config, random: &mut Random, hashes: &H) -> Wishes {
        let able: &[AuthProtocol] = match (&cfg.ours, cfg.allow_pap) {
            (None, _) => &[],
            (Some(_), false) => &[AuthProtocol::ChapMd5],
            (Some(_), true) => &[AuthProtocol::ChapMd5, AuthProtocol::Pap],
        };
        Wishes::Lcp(Lcp {
            mru: (cfg.mru != 1500).then_some(cfg.mru),
            magic: Some((random.number(hashes) as u32).max(1)),
            demand: cfg.demand,
            is_demand_refused: false,
            able,
            remote_mru: 1500,
            demanded: None,
        })
    }

    const fn lcp_wishes(&self) -> Option<&Lcp> {
        match &self.lcp.wishes {
            Wishes::Lcp(lcp) => Some(lcp),
            _ => None,
        }
    }

    /// In which phase the link is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes what arrived.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Up if matches!(self.lcp.state, State::Initial | State::Starting) => {
                self.phase = Phase::Establish;
                self.why = None;
                self.lcp.wishes = Self::wishes(&self.cfg, &mut self.random, &self.hashes);
                self.on(now, Protocol::LCP, |lcp| lcp.happens(Happened::Open));
                self.on(now, Protocol::LCP, |lcp| lcp.happens(Happened::Up));
            }
            Input::Up => {}
            Input::Down => {
                self.why.get_or_insert(Down::Lower);
                self.on(now, Protocol::LCP, |lcp| lcp.happens(Happened::Down));
                self.end(Phase::Dead);
            }
            Input::Frame(octets) => {
                if let Ok(frame) = Frame::parse(octets) {
                    self.frame(now, &frame);
                }
            }
            Input::Packet { protocol, octets } => {
                if self.carries(protocol) {
                    self.send(protocol, octets);
                }
            }
        }
    }

    /// Ends the link: the peer is told.
    pub fn close(&mut self, now: Instant) {
        self.terminate(now, Down::Closed);
    }

    fn terminate(&mut self, now: Instant, why: Down) {
        self.why.get_or_insert(why);
        self.phase = Phase::Terminate;
        self.on(now, Protocol::LCP, |lcp| lcp.happens(Happened::Close));
    }

    /// Whether packets of this protocol go.
    fn carries(&self, protocol: Protocol) -> bool {
        let control = match protocol {
            Protocol::IPV4 => &self.ipcp,
            Protocol::IPV6 => &self.ipv6cp,
            _ => return false,
        };
        self.phase == Phase::Network && control.as_ref().is_some_and(|control| control.state == State::Opened)
    }

    fn control(&mut self, protocol: Protocol) -> Option<&mut Control> {
        match protocol {
            Protocol::LCP => Some(&mut self.lcp),
            Protocol::IPCP => self.ipcp.as_mut(),
            Protocol::IPV6CP => self.ipv6cp.as_mut(),
            _ => None,
        }
    }

    /// Lets something happen to a control protocol, and does what follows.
    fn on(&mut self, now: Instant, protocol: Protocol, happen: impl FnOnce(&mut Control) -> Vec<Effect>) {
        let Some(control) = self.control(protocol) else { return };
        for effect in happen(control) {
            match effect {
                Effect::Send(code, id, data) => self.send_packet(protocol, code, id, &data),
                Effect::Restart => self.timers.set(Timer::Restart(protocol.0), now + self.cfg.restart),
                Effect::Stop => self.timers.clear(Timer::Restart(protocol.0)),
                Effect::Up => self.layer_up(now, protocol),
                Effect::Down => self.layer_down(now, protocol),
                Effect::Finished if protocol == Protocol::LCP => {
                    let refused = self.lcp_wishes().is_some_and(|lcp| lcp.is_demand_refused);
                    self.why.get_or_insert(if refused { Down::PeerUnknown } else { Down::Timeout });
                    self.end(Phase::Terminate);
                }
                Effect::Finished => {}
            }
        }
    }

    fn send(&mut self, protocol: Protocol, information: &[u8]) {
        let frame = Frame { protocol, information };
        let mut octets = Vec::with_capacity(frame.wire_len());
        frame.emit(&mut octets);
        self.outputs.push_back(Output::Frame(octets));
    }

    fn send_packet(&mut self, protocol: Protocol, code: Code, id: u8, data: &[u8]) {
        // What the peer can take (RFC 1661 §5.6, §5.7: the copy is truncated).
        let room = self.lcp_wishes().map_or(1500, |lcp| usize::from(lcp.remote_mru)).saturating_sub(Packet::HEADER);
        let packet = Packet { code, id, data: data.get(..room).unwrap_or(data) };
        let mut octets = Vec::with_capacity(packet.wire_len());
        packet.emit(&mut octets);
        self.send(protocol, &octets);
    }

    fn frame(&mut self, now: Instant, frame: &Frame<'_>) {
        let (protocol, octets) = (frame.protocol, frame.information);
        let is_network = self.phase == Phase::Network;
        match protocol {
            Protocol::LCP => {
                if let Ok((_, packet)) = Packet::take(octets) {
                    self.lcp_packet(now, &packet);
                }
            }
            Protocol::PAP | Protocol::CHAP if self.lcp.state == State::Opened => {
                if let Ok((_, packet)) = Packet::take(octets) {
                    self.authentication(now, protocol, &packet);
                }
            }
            Protocol::IPCP | Protocol::IPV6CP if is_network && self.control(protocol).is_some() => {
                if let Ok((_, packet)) = Packet::take(octets) {
                    self.on(now, protocol, |control| control.receive(&packet));
                }
            }
            Protocol::IPV4 | Protocol::IPV6 if self.carries(protocol) => {
                self.outputs.push_back(Output::Packet { protocol, octets: octets.to_vec() });
            }
            Protocol::IPV4 | Protocol::IPV6 | Protocol::PAP | Protocol::CHAP => {}
            // RFC 1661 §5.7: what is not known is rejected, while LCP is open; before the network phase it is dropped (§3.4).
            _ if is_network => {
                self.echo_id = self.echo_id.wrapping_add(1);
                let data = [&protocol.0.to_be_bytes()[..], octets].concat();
                self.send_packet(Protocol::LCP, Code::PROTOCOL_REJECT, self.echo_id, &data);
            }
            _ => {}
        }
    }

    /// A packet of LCP: echoes and rejected protocols are its own, the rest is every control protocol's.
    fn lcp_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let is_open = self.lcp.state == State::Opened;
        match packet.code {
            Code::ECHO_REQUEST if is_open => {
                let magic = self.lcp_wishes().and_then(|lcp| lcp.magic).unwrap_or(0);
                let data = [&magic.to_be_bytes()[..], packet.data.get(4..).unwrap_or_default()].concat();
                self.send_packet(Protocol::LCP, Code::ECHO_REPLY, packet.id, &data);
            }
            Code::ECHO_REPLY if is_open && packet.id == self.echo_id => self.missed = 0,
            Code::ECHO_REQUEST | Code::ECHO_REPLY | Code::DISCARD_REQUEST => {}
            Code::PROTOCOL_REJECT => {
                let rejected = packet.data.first_chunk().map(|octets| Protocol(u16::from_be_bytes(*octets)));
                if let Some(protocol) = rejected.filter(|protocol| is_open && *protocol != Protocol::LCP) {
                    self.on(now, protocol, |control| control.happens(Happened::RejectFatal));
                }
            }
            Code::TERMINATE_REQUEST => {
                self.why.get_or_insert(Down::Peer);
                self.on(now, Protocol::LCP, |lcp| lcp.receive(packet));
            }
            _ => self.on(now, Protocol::LCP, |lcp| lcp.receive(packet)),
        }
    }

    fn layer_up(&mut self, now: Instant, protocol: Protocol) {
        match (protocol, self.control(protocol).map(|control| control.wishes.clone())) {
            (_, Some(Wishes::Lcp(lcp))) => {
                self.missed = 0;
                if !self.cfg.echo.is_zero() {
                    self.timers.set(Timer::Echo, now + self.cfg.echo);
                }
                self.phase = Phase::Authenticate;
                self.theirs = if lcp.demand.is_some() { Proof::Awaited } else { Proof::Done };
                self.ours = if lcp.demanded.is_some() { Proof::Awaited } else { Proof::Done };
                self.auth_left = self.cfg.max_configure;
                let block = self.random.block(&self.hashes);
                self.challenge = block;
                self.ask_for_proof(now);
                self.proved(now);
            }
            (_, Some(Wishes::Ipcp(ipcp))) => {
                let remote = ipcp.remote.unwrap_or(Ipv4Addr::UNSPECIFIED);
                self.outputs.push_back(Output::Event(Event::Ipv4Up { local: ipcp.local, remote }));
            }
            (_, Some(Wishes::Ipv6cp(ipv6cp))) => {
                let remote = ipv6cp.remote.unwrap_or(0);
                self.outputs.push_back(Output::Event(Event::Ipv6Up { local: ipv6cp.local, remote }));
            }
            (_, None) => {}
        }
    }

    fn layer_down(&mut self, now: Instant, protocol: Protocol) {
        match protocol {
            Protocol::IPCP => self.outputs.push_back(Output::Event(Event::Ipv4Down)),
            Protocol::IPV6CP => self.outputs.push_back(Output::Event(Event::Ipv6Down)),
            _ => {
                self.timers.clear(Timer::Echo);
                self.timers.clear(Timer::Authentication);
                for protocol in [Protocol::IPCP, Protocol::IPV6CP] {
                    self.on(now, protocol, |control| control.happens(Happened::Down));
                    self.on(now, protocol, |control| control.happens(Happened::Close));
                }
                // It is configured anew, or ends.
                let is_ending = matches!(self.lcp.state, State::Closing | State::Stopping | State::Starting);
                self.phase = if is_ending { Phase::Terminate } else { Phase::Establish };
                let why = self.why.take().unwrap_or(Down::Peer);
                self.outputs.push_back(Output::Event(Event::Down(why)));
            }
        }
    }

    /// The link is no more; who did not hear of it does now.
    fn end(&mut self, phase: Phase) {
        self.timers.clear(Timer::Echo);
        self.timers.clear(Timer::Authentication);
        let was = core::mem::replace(&mut self.phase, phase);
        if matches!(was, Phase::Establish) {
            let why = self.why.take().unwrap_or(Down::Timeout);
            self.outputs.push_back(Output::Event(Event::Down(why)));
        }
    }

    /// Asks for the peer's proof by CHAP, gives ours by PAP.
    fn ask_for_proof(&mut self, now: Instant) {
        let Some((demand, demanded)) = self.lcp_wishes().map(|lcp| (lcp.demand, lcp.demanded)) else { return };
        let mut is_asked = self.theirs == Proof::Awaited;
        if self.theirs == Proof::Awaited && demand == Some(AuthProtocol::ChapMd5) {
            let name = self.cfg.ours.as_ref().map(|ours| ours.name.clone()).unwrap_or_default();
            let challenge = self.challenge;
            self.say(AuthProtocol::ChapMd5, self.auth_id, &AuthPacket::Challenge { value: &challenge, name: &name });
        }
        if self.ours == Proof::Awaited && demanded == Some(AuthProtocol::Pap) {
            is_asked = true;
            if let Some(ours) = self.cfg.ours.clone() {
                self.say(
                    AuthProtocol::Pap,
                    self.auth_id,
                    &AuthPacket::Request { name: &ours.name, secret: &ours.secret },
                );
            }
        }
        if is_asked || self.ours == Proof::Awaited {
            self.timers.set(Timer::Authentication, now + self.cfg.restart);
        }
    }

    fn say(&mut self, protocol: AuthProtocol, id: u8, packet: &AuthPacket<'_>) {
        let number = if protocol == AuthProtocol::Pap { Protocol::PAP } else { Protocol::CHAP };
        self.send_packet(number, packet.code(protocol), id, &packet.octets(protocol));
    }

    fn authentication(&mut self, now: Instant, number: Protocol, packet: &Packet<'_>) {
        let protocol = if number == Protocol::PAP { AuthProtocol::Pap } else { AuthProtocol::ChapMd5 };
        let Some((demand, demanded)) = self.lcp_wishes().map(|lcp| (lcp.demand, lcp.demanded)) else { return };
        let Ok(said) = AuthPacket::parse(protocol, packet) else { return };
        match said {
            AuthPacket::Request { name, secret } if demand == Some(protocol) => {
                let peer = self.cfg.peer.as_ref();
                let is_good = peer.is_some_and(|peer| peer.name == name && equal(&peer.secret, secret));
                self.judge(now, protocol, packet.id, is_good);
            }
            AuthPacket::Response { value, name } if demand == Some(protocol) && packet.id == self.auth_id => {
                let is_good = self.cfg.peer.as_ref().is_some_and(|peer| {
                    let due = chap_hash(&self.hashes, packet.id, &peer.secret, &self.challenge);
                    peer.name == name && equal(&due, value)
                });
                self.judge(now, protocol, packet.id, is_good);
            }
            AuthPacket::Challenge { value, .. } if demanded == Some(protocol) => {
                if let Some(ours) = self.cfg.ours.clone() {
                    let hash = chap_hash(&self.hashes, packet.id, &ours.secret, value);
                    self.say(protocol, packet.id, &AuthPacket::Response { value: &hash, name: &ours.name });
                }
            }
            AuthPacket::Success(_) if demanded == Some(protocol) && self.ours == Proof::Awaited => {
                self.ours = Proof::Done;
                self.proved(now);
            }
            AuthPacket::Failure(_) if demanded == Some(protocol) && self.ours == Proof::Awaited => {
                self.terminate(now, Down::Refused);
            }
            _ => {}
        }
    }

    /// The peer proved who it is, or did not. What was taken once is taken again: the answer may have been lost.
    fn judge(&mut self, now: Instant, protocol: AuthProtocol, id: u8, is_good: bool) {
        self.say(protocol, id, &if is_good { AuthPacket::Success(&[]) } else { AuthPacket::Failure(&[]) });
        match (is_good, self.theirs == Proof::Awaited) {
            (true, true) => {
                self.theirs = Proof::Done;
                self.proved(now);
            }
            (false, true) => self.terminate(now, Down::PeerUnknown),
            (_, false) => {}
        }
    }

    /// Goes on to the network phase when all is proved.
    fn proved(&mut self, now: Instant) {
        if self.phase != Phase::Authenticate || (&self.theirs, &self.ours) != (&Proof::Done, &Proof::Done) {
            return;
        }
        self.timers.clear(Timer::Authentication);
        self.phase = Phase::Network;
        self.outputs.push_back(Output::Event(Event::Authenticated));
        for protocol in [Protocol::IPCP, Protocol::IPV6CP] {
            self.on(now, protocol, |control| control.happens(Happened::Open));
            self.on(now, protocol, |control| control.happens(Happened::Up));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Restart(number) => self.on(now, Protocol(number), Control::timeout),
                Timer::Authentication => match self.auth_left.checked_sub(1) {
                    Some(left) => {
                        self.auth_left = left;
                        self.ask_for_proof(now);
                    }
                    None if self.theirs == Proof::Awaited => self.terminate(now, Down::PeerUnknown),
                    None => self.terminate(now, Down::Refused),
                },
                Timer::Echo if self.missed >= self.cfg.echo_tries => self.terminate(now, Down::EchoLost),
                Timer::Echo => {
                    self.missed = self.missed.saturating_add(1);
                    self.echo_id = self.echo_id.wrapping_add(1);
                    let magic = self.lcp_wishes().and_then(|lcp| lcp.magic).unwrap_or(0);
                    self.send_packet(Protocol::LCP, Code::ECHO_REQUEST, self.echo_id, &magic.to_be_bytes());
                    self.timers.set(Timer::Echo, now + self.cfg.echo);
                }
            }
        }
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }
}
