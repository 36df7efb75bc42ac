//! What is known of one ISAKMP SA, of one Quick Mode, and of one IPsec SA.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use fwd_core::time::Instant;

use super::super::child_sa::{ChildSaId, EspSuite, IkeSaId};
use super::super::config::{IkeSuite, PeerId};
use super::super::context::VpnContext;
use super::super::crypto::{DhKey, Digest, Secret};
use super::super::header::{ExchangeType, Header, HeaderFlags};
use super::super::payload::PayloadType;
use super::super::selector::TrafficSelector;
use super::config::Phase1;
use super::fsm::{QuickState, State};
use super::keys::IkeKeys;
use super::packet::Iv;

/// Something to ask of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// An IPsec SA of this child, in the place of another if there is one.
    Create(u32, Option<ChildSaId>),
}

/// The message sent last in an exchange, and which one of the peer's it answered.
#[derive(Debug, Default)]
pub(super) struct Flight {
    pub(super) packet: Vec<u8>,
    pub(super) answers: Option<Digest>,
    pub(super) tries: u8,
}

impl Flight {
    /// Whether a message is the one that was answered: then the answer was lost.
    pub(super) fn answered(&self, message: &Digest) -> bool {
        self.answers.as_ref().is_some_and(|digest| **digest == **message)
    }
}

/// What is needed until both ends are who they say.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) dh: Option<DhKey>,
    pub(super) nonce_ours: Vec<u8>,
    pub(super) nonce_theirs: Vec<u8>,
    pub(super) public_ours: Vec<u8>,
    pub(super) public_theirs: Vec<u8>,
    /// The body of the initiator's SA payload.
    pub(super) sa_i: Vec<u8>,
    /// The body of the peer's identity, where it comes before its proof.
    pub(super) id_theirs: Vec<u8>,
    /// The SA that this one takes over from.
    pub(super) replaces: Option<IkeSaId>,
    /// Where the first message of a half-open SA came from.
    pub(super) source: SocketAddr,
}

/// An IPsec SA in the making.
#[derive(Debug)]
pub(super) struct Larval {
    pub(super) tag: u32,
    pub(super) replaces: Option<ChildSaId>,
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    /// The initiator's.
    pub(super) nonce_i: Vec<u8>,
    /// The responder's.
    pub(super) nonce_r: Vec<u8>,
    pub(super) dh: Option<DhKey>,
    pub(super) shared: Option<Secret>,
    pub(super) suite: EspSuite,
    pub(super) lifetime: Duration,
    pub(super) local: TrafficSelector,
    pub(super) remote: TrafficSelector,
    pub(super) context: Option<VpnContext>,
}

/// A Quick Mode on its way.
#[derive(Debug)]
pub(super) struct Quick {
    pub(super) state: QuickState,
    pub(super) iv: Iv,
    pub(super) flight: Flight,
    pub(super) larval: Larval,
}

#[derive(Debug)]
pub(super) struct IkeSa {
    pub(super) id: IkeSaId,
    pub(super) peer: PeerId,
    pub(super) state: State,
    pub(super) mode: Phase1,
    pub(super) initiator: bool,
    pub(super) cookie_i: u64,
    pub(super) cookie_r: u64,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) suite: IkeSuite,
    pub(super) keys: Option<IkeKeys>,
    /// Of the next message of phase 1; then the last block of phase 1.
    pub(super) iv: Iv,
    pub(super) flight: Flight,
    pub(super) handshake: Option<Box<Handshake>>,
    /// By message ID.
    pub(super) quick: BTreeMap<u32, Quick>,
    /// Quick Modes that are done, whose last message may have to go again.
    pub(super) done: BTreeMap<u32, Flight>,
    pub(super) queue: VecDeque<Task>,
    pub(super) lifetime: Duration,
    pub(super) expires: Instant,
    pub(super) nat_t: bool,
    /// There is a NAT, or ESP is to be in UDP all the same.
    pub(super) encapsulate: bool,
    /// The NAT is before us: we keep it open.
    pub(super) behind_nat: bool,
    /// The NAT is before the peer: it may move.
    pub(super) peer_behind_nat: bool,
    pub(super) vpn_context: bool,
    pub(super) dpd: bool,
    /// Whether the peer was heard since liveness was last looked at.
    pub(super) heard: bool,
    /// The number of the question whether the peer is there, and how often it went.
    pub(super) probe: Option<(u32, u8)>,
    pub(super) next_probe: u32,
    /// The number of the peer's last question.
    pub(super) peer_probe: Option<u32>,
    /// Another SA has taken over.
    pub(super) replaced: bool,
}

impl IkeSa {
    pub(super) const fn cookies(&self) -> (u64, u64) {
        (self.cookie_i, self.cookie_r)
    }

    pub(super) const fn cookie_ours(&self) -> u64 {
        if self.initiator { self.cookie_i } else { self.cookie_r }
    }

    /// The header of a message of ours.
    pub(super) fn header(&self, exchange: ExchangeType, message_id: u32) -> Header {
        Header {
            initiator_spi: self.cookie_i,
            responder_spi: self.cookie_r,
            next_payload: PayloadType::NONE,
            version: Header::VERSION_1,
            exchange,
            flags: HeaderFlags::empty(),
            message_id,
            length: 0,
        }
    }

    /// The exchange of phase 1.
    pub(super) const fn phase1(&self) -> ExchangeType {
        match self.mode {
            Phase1::Main => ExchangeType::IDENTITY_PROTECTION,
            Phase1::Aggressive => ExchangeType::AGGRESSIVE,
        }
    }

    /// Whether a message belongs to it.
    pub(super) const fn has(&self, header: &Header) -> bool {
        let answered = self.cookie_r == header.responder_spi || (self.cookie_r == 0 && self.initiator);
        self.cookie_i == header.initiator_spi && answered
    }

    pub(super) fn is_established(&self) -> bool {
        self.state == State::Established
    }

    /// Puts a task into the queue once.
    pub(super) fn ask(&mut self, task: Task) {
        if !self.queue.contains(&task) {
            self.queue.push_back(task);
        }
    }

    /// Whether this child is being asked for.
    pub(super) fn asks_for(&self, tag: u32) -> bool {
        let queued = self.queue.iter().any(|Task::Create(t, _)| *t == tag);
        queued || self.quick.values().any(|q| q.state == QuickState::Sent && q.larval.tag == tag)
    }
}

/// An IPsec SA, without its keys: those are the SAD's.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) peer: PeerId,
    pub(super) tag: u32,
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    /// Another one has taken over.
    pub(super) replaced: bool,
}
