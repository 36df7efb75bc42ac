//! The machines, the forwarding plane and the clock.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use fwd_core::Forwarder;
use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, NhlfeId, PortId, VrfId};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use p2mp_pw::ldp::discovery::{DiscoveryConfig, InterfaceAddresses};
use p2mp_pw::ldp::lde::{EgressLabel, Hop, LdeConfig, Route};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::GracefulRestart;
use p2mp_pw::ldp::speaker::{self, LdpSpeaker, SpeakerConfig};
use p2mp_pw::ldp::{LdpId, PwStatus, TransportPreference};
use p2mp_pw::pw::{self, PwAttachment, PwConfig, PwIndex, PwName, Pws, PwsConfig};
use serde_json::{Value, json};

use super::config::Config;
use super::hello::Hellos;
use super::sockets::Sockets;
use super::stream::Streams;
use super::watch::Watch;
use crate::live::plane::{Attachment, Plane};

/// Forwarding entries: of neighbours, of prefixes, of pseudowires.
const NEIGHBOURS: u32 = 64;
const PREFIXES: u32 = 4096;
pub(super) const NHLFES: u32 = 4352;
/// Labels: of prefixes, of pseudowires.
const FIRST_LABEL: u32 = 16;
const FIRST_PW_LABEL: u32 = 8000;
pub(super) const LAST_LABEL: u32 = 8999;
/// How long forwarding entries of neighbours survive a restart of this router's control.
const RECOVERY: Duration = Duration::from_secs(60);

/// A label switching router.
pub struct Router<'m> {
    pub(super) config: Config,
    pub(super) plane: Plane,
    forwarder: Forwarder<'m>,
    pub(super) speaker: LdpSpeaker,
    pub(super) pws: Pws,
    /// What the configuration calls them.
    pub(super) pw_numbers: Vec<(PwIndex, u32)>,
    pub(super) watch: Watch,
    sockets: Sockets,
    names: Vec<String>,
    /// Prefixes with an LSP.
    pub(super) lsps: BTreeMap<IpPrefix, NhlfeId>,
    began: std::time::Instant,
    /// Ops that the forwarding plane refused.
    pub(super) refused: u64,
}

fn labels(first: u32, last: u32) -> anyhow::Result<LabelRange> {
    let label = |value| Label::new(value).context("label");
    Ok(LabelRange { first: label(first)?, last: label(last)? })
}

fn speaker_config(config: &Config, started: Duration) -> anyhow::Result<SpeakerConfig> {
    let [link_hold, targeted_hold, keepalive] = config.times();
    let mut discovery = DiscoveryConfig::new(LdpId::platform(config.router_id));
    (discovery.transport_v4, discovery.transport_v6) = (config.transport_v4(), config.transport_v6());
    (discovery.link_hold, discovery.targeted_hold) = (link_hold, targeted_hold);
    discovery.accept_targeted = config.accept_targeted;
    discovery.authentication = config.hello_authentication(started);
    if config.prefer_ipv4 {
        discovery.preference = TransportPreference::IPV4;
    }
    let nhlfes = NhlfeRange { first: NhlfeId(NEIGHBOURS), last: NhlfeId(PREFIXES - 1) };
    let groups = EcmpRange { first: EcmpId(1), last: EcmpId(9) };
    let mut lde = LdeConfig::new(config.router_id, labels(FIRST_LABEL, FIRST_PW_LABEL - 1)?, nhlfes, groups);
    if config.explicit_null {
        lde.egress = EgressLabel::ExplicitNull;
    }
    let mut speaker = SpeakerConfig::new(discovery, lde);
    speaker.keepalive = keepalive;
    speaker.graceful_restart = config.graceful_restart.map(|seconds| GracefulRestart {
        reconnect: Duration::from_secs(seconds.into()),
        recovery: RECOVERY,
        restarted: false,
    });
    Ok(speaker)
}

impl<'m> Router<'m> {
    /// The router as configured, on interfaces of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// An interface or a port that cannot be opened, or a value that a machine refuses.
    pub fn new(config: Config, forwarder: Forwarder<'m>) -> anyhow::Result<Self> {
        let now = Instant::ZERO;
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seed = u64::try_from(time.as_nanos() & u128::from(u64::MAX))?;
        let pw_nhlfes = NhlfeRange { first: NhlfeId(PREFIXES), last: NhlfeId(NHLFES - 1) };
        let pws = PwsConfig::new(config.router_id.into(), labels(FIRST_PW_LABEL, LAST_LABEL)?, pw_nhlfes);
        let mut router = Self {
            plane: Plane::new(1..NEIGHBOURS),
            forwarder,
            speaker: LdpSpeaker::new(now, speaker_config(&config, time)?)?,
            pws: Pws::new(now, pws)?,
            pw_numbers: Vec::new(),
            watch: Watch::open(now, seed, &config)?,
            sockets: Sockets { hellos: Hellos::open(&config)?, streams: Streams::listen(&config.transport)? },
            names: config.interfaces.iter().map(|i| i.name.clone()).collect(),
            lsps: BTreeMap::new(),
            began: std::time::Instant::now(),
            refused: 0,
            config,
        };
        router.start(now)?;
        Ok(router)
    }

    fn start(&mut self, now: Instant) -> anyhow::Result<()> {
        for (n, interface) in (1..).zip(self.config.interfaces.clone()) {
            let addresses: Vec<(IpAddr, u8)> = interface.addresses.iter().map(|a| (a.0.0, a.0.1)).collect();
            for (address, _) in &addresses {
                if !matches!(address, IpAddr::V6(a) if a.is_unicast_link_local()) {
                    self.speaker.handle_input(now, speaker::Input::LocalAddress { address: *address, up: true });
                }
            }
            let sources = InterfaceAddresses { v4: interface.v4(), v6: interface.v6() };
            let attachment = Attachment { name: interface.name.clone(), vrf: VrfId::GLOBAL, addresses };
            self.plane.attach(&attachment, &mut self.forwarder)?;
            if interface.ldp && !self.config.transport.is_empty() {
                self.speaker.set_interface(now, IfIndex(n), Some(sources));
            }
        }
        for address in self.config.transport.clone() {
            self.speaker.handle_input(now, speaker::Input::LocalAddress { address, up: true });
        }
        for prefix in self.config.egress.clone() {
            let route = Some(Route::Egress);
            self.speaker.handle_input(now, speaker::Input::Route { prefix: prefix.0, route });
        }
        for route in self.config.routes.clone() {
            self.set_route(now, route.prefix.0, Some(route.via))?;
        }
        for neighbour in self.config.neighbours.clone() {
            if let Some(how) = neighbour.authentication() {
                let peer = neighbour.address;
                self.sockets
                    .authenticate(now, &mut self.speaker, peer, how)
                    .with_context(|| format!("neighbour {peer}"))?;
            }
        }
        for target in self.config.targets.clone() {
            self.speaker.set_target(now, target, true)?;
        }
        for (n, configured) in (0..).zip(self.config.pseudowires.clone()) {
            let (peer, name) = (LdpId::platform(configured.peer), PwName::Id(configured.id));
            let mut config = PwConfig::new(peer, name, PwAttachment::Port(PortId(n)));
            config.mtu = configured.mtu;
            config.control_word = configured.control_word;
            config.status_tlv = configured.status_tlv;
            let index = self.pws.add(now, config).with_context(|| format!("pseudowire {}", configured.id))?;
            self.pw_numbers.push((index, configured.id));
        }
        self.carry_out();
        Ok(())
    }

    /// Gives a prefix a next hop, or none any more.
    ///
    /// # Errors
    /// The next hop is on no interface.
    pub fn set_route(&mut self, now: Instant, prefix: IpPrefix, via: Option<IpAddr>) -> anyhow::Result<()> {
        let Some(gateway) = via else {
            self.speaker.handle_input(now, speaker::Input::Route { prefix, route: None });
            return Ok(());
        };
        let iface = self.plane.interface_of(VrfId::GLOBAL, gateway);
        let iface = iface.with_context(|| format!("{gateway} is on no interface"))?;
        let entry = self.plane.neighbour(now, iface, gateway, &mut self.forwarder).context("too many neighbours")?;
        let hops = [Hop { gateway, iface, next: NextHop::Nhlfe(entry) }];
        self.speaker.handle_input(now, speaker::Input::Route { prefix, route: Some(Route::Via(&hops)) });
        Ok(())
    }

    /// Says how the circuit of a pseudowire is; `false` if there is no such pseudowire.
    pub fn set_circuit(&mut self, now: Instant, number: u32, up: bool) -> bool {
        let Some((pw, _)) = self.pw_numbers.iter().find(|(_, n)| *n == number).copied() else { return false };
        let faults = PwStatus::AC_RECEIVE_FAULT | PwStatus::AC_TRANSMIT_FAULT;
        let faults = if up { PwStatus::empty() } else { faults };
        self.pws.handle_input(now, pw::Input::Circuit { pw, faults });
        true
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    /// Does what is due, then waits for at most `most`; returns which of the `extra` descriptors can be read. `on_event` is told
    /// what happened.
    ///
    /// # Errors
    /// `poll(2)` failed, or an interface is gone.
    pub fn pass(
        &mut self,
        most: Duration,
        extra: &[BorrowedFd<'_>],
        mut on_event: impl FnMut(Value),
    ) -> io::Result<Vec<bool>> {
        let now = self.now();
        self.speaker.handle_timeout(now);
        self.pws.handle_timeout(now);
        self.watch.handle_timeout(now);
        self.plane.handle_timeout(now, &mut self.forwarder);
        self.carry_out().into_iter().for_each(&mut on_event);
        let ready = self.wait(most, extra)?;
        let now = self.now();
        while self.plane.receive(now, &mut self.forwarder)? {}
        self.sockets.receive(now, &mut self.speaker)?;
        self.watch.receive(now)?;
        self.carry_out().into_iter().for_each(&mut on_event);
        Ok(ready)
    }

    fn wait(&self, most: Duration, extra: &[BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
        let timers = [self.speaker.next_timeout(), self.pws.next_timeout(), self.watch.next_timeout()];
        let next = timers.into_iter().flatten().chain(self.plane.next_timeout()).min();
        let wait = next.map_or(most, |at| (at - self.now()).min(most));
        // Rounded up: a timer is not looked at before it is due.
        let millis = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let read = self.plane.descriptors().chain(self.watch.descriptors());
        let mut all: Vec<PollFd<'_>> =
            extra.iter().copied().chain(read).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        all.extend(self.sockets.descriptors().map(|(fd, flags)| PollFd::new(fd, flags)));
        match poll(&mut all, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(all[..extra.len()].iter().map(|fd| fd.revents().is_some_and(|e| !e.is_empty())).collect())
    }

    /// Does what the machines want, and returns what happened.
    pub(super) fn carry_out(&mut self) -> Vec<Value> {
        let now = self.now();
        let mut events = self.watch.carry_out(&self.names);
        loop {
            if let Some(output) = self.speaker.poll_output() {
                self.of_speaker(now, output, &mut events);
            } else if let Some(output) = self.pws.poll_output() {
                self.of_pws(now, output, &mut events);
            } else {
                return events;
            }
        }
    }

    fn program(&mut self, now: Instant, op: FwdOp) {
        if self.forwarder.apply(&op).is_err() {
            self.refused += 1;
            self.speaker.handle_input(now, speaker::Input::Refused(op));
        }
    }

    fn of_speaker(&mut self, now: Instant, output: speaker::Output, events: &mut Vec<Value>) {
        let Some(output) = self.sockets.carry_out(output) else { return };
        match output {
            speaker::Output::Program(op) => self.program(now, op),
            speaker::Output::Lsp { prefix, nhlfe } => {
                match nhlfe {
                    Some(entry) => self.lsps.insert(prefix, entry),
                    None => self.lsps.remove(&prefix),
                };
                for configured in &self.config.pseudowires {
                    if prefix == IpPrefix::V4(Ipv4Prefix::host(configured.peer)) {
                        let peer = LdpId::platform(configured.peer);
                        self.pws.handle_input(now, pw::Input::Transport { peer, nhlfe });
                    }
                }
            }
            speaker::Output::PeerUp { peer, negotiated } => {
                events.push(json!({"event": "session", "peer": peer.lsr, "state": "up",
                    "keepalive": negotiated.keepalive.as_secs()}));
                self.pws.handle_input(now, pw::Input::PeerUp { peer, negotiated: &negotiated });
            }
            speaker::Output::PeerDown { peer, retain } => {
                events.push(json!({"event": "session", "peer": peer.lsr, "state": "down",
                    "retain": retain.map(|r| r.as_secs())}));
                self.pws.handle_input(now, pw::Input::PeerDown { peer, retain });
            }
            speaker::Output::Message { peer, message } => {
                self.pws.handle_input(now, pw::Input::Message { peer, message: &message });
            }
            speaker::Output::Event(event) => events.push(json!({"event": "ldp", "what": format!("{event:?}")})),
            // The sockets took the rest.
            _ => {}
        }
    }

    fn of_pws(&mut self, now: Instant, output: pw::Output, events: &mut Vec<Value>) {
        match output {
            pw::Output::Message { peer, message } => {
                self.speaker.handle_input(now, speaker::Input::Send { peer, message });
            }
            pw::Output::Program(op) => {
                if self.forwarder.apply(&op).is_err() {
                    self.refused += 1;
                    self.pws.handle_input(now, pw::Input::Refused(op));
                }
            }
            pw::Output::Up { pw, .. } => events.push(json!({"event": "pseudowire", "id": self.number(pw), "up": true})),
            pw::Output::Down { pw } => events.push(json!({"event": "pseudowire", "id": self.number(pw), "up": false})),
            other => events.push(json!({"event": "pseudowires", "what": format!("{other:?}")})),
        }
    }

    fn number(&self, pw: PwIndex) -> Option<u32> {
        self.pw_numbers.iter().find(|(index, _)| *index == pw).map(|(_, number)| *number)
    }

    /// Hellos that could not leave, and frames.
    pub(super) fn unsent(&self) -> u64 {
        self.sockets.hellos.unsent + self.plane.failed
    }
}
