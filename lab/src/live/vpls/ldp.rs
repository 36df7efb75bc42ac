//! LDP beside the machine: sessions with other PEs, and the pseudowires that it signals and programs (RFC 4762 §6, RFC 8077).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use fwd_core::net::{EcmpId, Label, Mac, NhlfeId, PortId};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use nix::poll::PollFlags;
use p2mp_pw::ldp::discovery::DiscoveryConfig;
use p2mp_pw::ldp::lde::LdeConfig;
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::speaker::{self, LdpSpeaker, SpeakerConfig};
use p2mp_pw::ldp::{LdpId, MacFlags, MacFlush, PwStatus};
use p2mp_pw::pw::{self, PwAttachment, PwConfig, PwIndex, PwName, Pws, PwsConfig};
use serde_json::{Value, json};
use vpls::{MacWithdraw, PwEvent, PwId, PwService, PwSignal};

use super::config::Config;
use crate::live::lsr::{Hellos, Sockets, Streams};

/// How long to wait at most while a connection is being opened or has octets that did not leave.
const OPENING: Duration = Duration::from_millis(50);

/// What LDP says, in the words of who embeds it.
pub enum Told {
    /// Change the forwarding plane.
    Program(FwdOp),
    /// Something about a pseudowire.
    Pw(PwId, PwEvent),
    /// MAC addresses are withdrawn: of which pseudowire, which, and whether those learned from the sender go.
    MacWithdraw(PwId, Vec<Mac>, bool),
}

/// The speaker, its pseudowires and its sockets.
pub struct Ldp {
    speaker: LdpSpeaker,
    pws: Pws,
    sockets: Sockets,
    ids: BTreeMap<PwId, PwIndex>,
    events: Vec<Value>,
}

fn labels(first: u32, last: u32) -> anyhow::Result<LabelRange> {
    let label = |value| Label::new(value).context("label");
    Ok(LabelRange { first: label(first)?, last: label(last)? })
}

impl Ldp {
    /// Opens its sockets in the network namespace that the calling thread is in, and sends Targeted Hellos to the other PEs.
    ///
    /// # Errors
    /// A port that cannot be opened, or a value that a machine refuses.
    pub fn new(now: Instant, config: &Config) -> anyhow::Result<Self> {
        let own = config.router_id;
        let mut discovery = DiscoveryConfig::new(LdpId::platform(own));
        discovery.transport_v4 = Some(own);
        discovery.targeted_hold = Duration::from_secs(config.targeted_hold.into());
        let [first, last] = Config::LDP_LABELS;
        let entries = NhlfeRange { first: NhlfeId(Config::LDP_NHLFES), last: NhlfeId(Config::LDP_NHLFES + 15) };
        let groups = EcmpRange { first: EcmpId(1), last: EcmpId(1) };
        let lde = LdeConfig::new(own, labels(first, first + 15)?, entries, groups);
        let mut speaker = LdpSpeaker::new(now, SpeakerConfig::new(discovery, lde))?;
        speaker.handle_input(now, speaker::Input::LocalAddress { address: own.into(), up: true });
        let entries = NhlfeRange { first: NhlfeId(Config::LDP_NHLFES + 16), last: NhlfeId(Config::NHLFES_END - 1) };
        let pws = Pws::new(now, PwsConfig::new(own.into(), labels(first + 16, last)?, entries))?;
        let transport = [IpAddr::V4(own)];
        let mut ldp = Self {
            speaker,
            pws,
            sockets: Sockets { hellos: Hellos::targeted(&transport)?, streams: Streams::listen(&transport)? },
            ids: BTreeMap::new(),
            events: Vec::new(),
        };
        for remote in &config.pes {
            ldp.speaker.set_target(now, remote.address, true)?;
        }
        Ok(ldp)
    }

    /// The entry that leads to a PE.
    pub fn reach(&mut self, now: Instant, peer: IpAddr, nhlfe: NhlfeId) {
        if let IpAddr::V4(peer) = peer {
            let input = pw::Input::Transport { peer: LdpId::platform(peer), nhlfe: Some(nhlfe) };
            self.pws.handle_input(now, input);
        }
    }

    /// Does what the machine wants; `port` is the bridge port of the pseudowire.
    ///
    /// # Errors
    /// A pseudowire that LDP refuses.
    pub fn signal(&mut self, now: Instant, signal: PwSignal, port: Option<PortId>) -> anyhow::Result<()> {
        match signal {
            PwSignal::Request { id, ends, mtu, control_word, .. } => {
                let name = match (ends, &id.service) {
                    (Some(ends), _) => PwName::Ends(ends),
                    (None, PwService::PwId(number)) => PwName::Id(*number),
                    (None, other) => anyhow::bail!("{other:?} is not signalled by LDP"),
                };
                let IpAddr::V4(peer) = id.peer else { anyhow::bail!("{}: not IPv4", id.peer) };
                let attachment = PwAttachment::Port(port.context("a pseudowire without a port")?);
                let config = PwConfig { mtu, control_word, ..PwConfig::new(LdpId::platform(peer), name, attachment) };
                let pw = self.pws.add(now, config)?;
                self.ids.insert(id, pw);
            }
            PwSignal::Status { id, status } => {
                if let Some(pw) = self.ids.get(&id) {
                    self.pws.handle_input(now, pw::Input::Circuit { pw: *pw, faults: status });
                }
            }
            PwSignal::Release { id } => {
                if let Some(pw) = self.ids.remove(&id) {
                    self.pws.remove(now, pw)?;
                }
            }
        }
        Ok(())
    }

    /// Sends a MAC withdraw message.
    pub fn withdraw_macs(&mut self, message: MacWithdraw) {
        let flush = message.negative.then(|| MacFlush { flags: MacFlags::NEGATIVE, sub_tlvs: Default::default() });
        if let Some(pw) = self.ids.get(&message.id) {
            // A pseudowire that is there takes them, up or not.
            let _ = self.pws.withdraw_macs(*pw, message.macs, flush);
        }
    }

    /// The forwarding plane refused an op of LDP's.
    pub fn refused(&mut self, now: Instant, op: FwdOp) {
        self.pws.handle_input(now, pw::Input::Refused(op));
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.speaker.next_timeout(), self.pws.next_timeout()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.speaker.handle_timeout(now);
        self.pws.handle_timeout(now);
    }

    /// How long to wait at most: what waits for room to write is not among [`Self::descriptors`].
    pub fn patience(&self) -> Option<Duration> {
        self.sockets.descriptors().any(|(_, flags)| flags.contains(PollFlags::POLLOUT)).then_some(OPENING)
    }

    /// What becomes readable when something arrives.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.descriptors().map(|(fd, _)| fd)
    }

    /// Takes what arrived.
    ///
    /// # Errors
    /// A socket fails.
    pub fn receive(&mut self, now: Instant) -> io::Result<()> {
        self.sockets.receive(now, &mut self.speaker)
    }

    /// What happened since the last call.
    pub fn events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// The next thing that LDP says; sockets are served on the way.
    pub fn poll(&mut self, now: Instant) -> Option<Told> {
        loop {
            if let Some(output) = self.speaker.poll_output() {
                if let Some(told) = self.of_speaker(now, output) {
                    return Some(told);
                }
            } else {
                let output = self.pws.poll_output()?;
                if let Some(told) = self.of_pws(now, output) {
                    return Some(told);
                }
            }
        }
    }

    fn of_speaker(&mut self, now: Instant, output: speaker::Output) -> Option<Told> {
        match self.sockets.carry_out(output)? {
            speaker::Output::Program(op) => return Some(Told::Program(op)),
            // The ways to PEs are configured.
            speaker::Output::Lsp { .. } => {}
            speaker::Output::PeerUp { peer, negotiated } => {
                self.session(peer.lsr, "up");
                self.pws.handle_input(now, pw::Input::PeerUp { peer, negotiated: &negotiated });
            }
            speaker::Output::PeerDown { peer, retain } => {
                self.session(peer.lsr, "down");
                self.pws.handle_input(now, pw::Input::PeerDown { peer, retain });
            }
            speaker::Output::Message { peer, message } => {
                self.pws.handle_input(now, pw::Input::Message { peer, message: &message });
            }
            speaker::Output::Event(event) => {
                self.events.push(json!({"event": "ldp", "what": format!("{event:?}")}));
            }
            // The sockets took the rest.
            _ => {}
        }
        None
    }

    fn session(&mut self, peer: Ipv4Addr, state: &str) {
        self.events.push(json!({"event": "session", "peer": peer, "state": state}));
    }

    fn of_pws(&mut self, now: Instant, output: pw::Output) -> Option<Told> {
        let id_of = |pw: PwIndex| self.ids.iter().find(|(_, known)| **known == pw).map(|(id, _)| id.clone());
        match output {
            pw::Output::Message { peer, message } => {
                self.speaker.handle_input(now, speaker::Input::Send { peer, message });
                None
            }
            pw::Output::Program(op) => Some(Told::Program(op)),
            pw::Output::Up { pw, forwarding } => {
                let pw::PwForwarding { nhlfe, control_word, flow_label } = forwarding;
                let next = NextHop::Nhlfe(nhlfe);
                Some(Told::Pw(id_of(pw)?, PwEvent::Session { next, control_word, flow_label, mtu: 0 }))
            }
            pw::Output::Down { pw } => Some(Told::Pw(id_of(pw)?, PwEvent::Withdrawn)),
            pw::Output::MacWithdraw { pw, macs, flush } => {
                let negative = flush.is_some_and(|flush| flush.flags.contains(MacFlags::NEGATIVE));
                Some(Told::MacWithdraw(id_of(pw)?, macs, negative))
            }
            pw::Output::Event(event) => {
                self.events.push(json!({"event": "pseudowires", "what": format!("{event:?}")}));
                let pw::Event::RemoteStatus { pw, status } = event else { return None };
                Some(Told::Pw(id_of(pw)?, PwEvent::Status(status)))
            }
        }
    }

    /// What an operator sees: pseudowires.
    pub fn show(&self) -> Value {
        let one = |(id, pw): (&PwId, &PwIndex)| {
            json!({
                "peer": id.peer.to_string(),
                "service": format!("{:?}", id.service),
                "up": self.pws.is_up(*pw),
                "local-label": self.pws.local_label(*pw).map(|label| label.value()),
                "remote-status": self.pws.remote_status(*pw).map(|status: PwStatus| status.bits()),
                "mismatch": self.pws.mismatch(*pw).map(|why| format!("{why:?}")),
                "control-word": self.pws.forwarding(*pw).map(|f| f.control_word),
            })
        };
        self.ids.iter().map(one).collect()
    }
}
