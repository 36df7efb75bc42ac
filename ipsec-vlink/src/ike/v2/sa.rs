//! What is known of one IKE SA, and of one Child SA.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use fwd_core::time::Instant;

use super::super::child_sa::{ChildSaId, IkeSaId};
use super::super::config::{IkeSuite, PeerId};
use super::super::crypto::{DhKey, HashId};
use super::super::event::Ended;
use super::super::header::{ExchangeType, Header, HeaderFlags};
use super::super::payload::PayloadType;
use super::channel::{Channel, Reassembly};
use super::fsm::{ChildState, State};
use super::keys::IkeKeys;
use super::ticket::{Ticket, TicketId};

/// Which addresses a clone is for, by the peer that is configured with them, and which child it asks for there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) peer: PeerId,
    pub(super) tag: u32,
}

/// Something to ask of the peer, when no other request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    Create(u32),
    RekeyChild(ChildSaId),
    RekeyIke,
    CloneIke(Option<Target>),
    DeleteChild(ChildSaId),
    /// A Child SA that the peer has made and we have not.
    Drop(u32),
    DeleteIke,
    Liveness,
    /// Says that the SA is at other addresses.
    Move,
    /// Asks for a ticket.
    Ticket,
}

/// What is to be asked, each once, in order.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    order: VecDeque<Task>,
    waiting: BTreeSet<Task>,
}

impl Tasks {
    pub(super) fn push(&mut self, task: Task) {
        if self.waiting.insert(task) {
            self.order.push_back(task);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Task> {
        let task = self.order.pop_front()?;
        self.waiting.remove(&task);
        Some(task)
    }
}

/// A Child SA in the making, at the end that asked for it.
#[derive(Debug)]
pub(super) struct Larval {
    pub(super) tag: u32,
    pub(super) spi: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) dh: Option<DhKey>,
    pub(super) replaces: Option<ChildSaId>,
}

/// The successor of an IKE SA in the making, at the end that asked for it.
#[derive(Debug)]
pub(super) struct Successor {
    pub(super) spi: u64,
    pub(super) nonce: Vec<u8>,
    pub(super) dh: DhKey,
    pub(super) clone: bool,
    /// Where the clone goes.
    pub(super) target: Option<Target>,
}

/// What a request on its way is about.
#[derive(Debug)]
pub(super) enum Request {
    Init,
    Auth(Larval),
    Create(Larval),
    Successor(Box<Successor>),
    DeleteChild(ChildSaId),
    Drop,
    DeleteIke,
    Liveness,
    Move,
    Ticket,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) id: u32,
    pub(super) packets: Vec<Vec<u8>>,
    pub(super) tries: u8,
    pub(super) what: Request,
}

/// What is needed until both ends are who they say.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) dh: Option<DhKey>,
    pub(super) nonce_ours: Vec<u8>,
    pub(super) nonce_theirs: Vec<u8>,
    /// The first message of ours, without cookies' predecessors; the proof is over it.
    pub(super) message_ours: Vec<u8>,
    pub(super) message_theirs: Vec<u8>,
    pub(super) cookie: Option<Vec<u8>>,
    /// The child that the first exchange asks for.
    pub(super) tag: u32,
    /// The SA that this one takes over from, by a new proof.
    pub(super) replaces: Option<IkeSaId>,
    /// Where the first message of a half-open SA came from.
    pub(super) source: SocketAddr,
    /// How often the first message was made anew: for a cookie, for another group.
    pub(super) restarts: u8,
    /// With it there is no group, and the proof is that both have its keys.
    pub(super) ticket: Option<Presented>,
}

impl Handshake {
    pub(super) const fn new(nonce_ours: Vec<u8>, source: SocketAddr) -> Self {
        Self {
            dh: None,
            nonce_ours,
            nonce_theirs: Vec::new(),
            message_ours: Vec::new(),
            message_theirs: Vec::new(),
            cookie: None,
            tag: 0,
            replaces: None,
            source,
            restarts: 0,
            ticket: None,
        }
    }
}

/// The ticket that an exchange resumes by (RFC 5723).
#[derive(Debug)]
pub(super) enum Presented {
    /// Shown by us.
    Ours(Ticket),
    /// Shown by the peer: its number, how long it would be good, and our SPI of the SA that it is of.
    Theirs { id: TicketId, expires: Instant, old: u64 },
}

/// A replacement of an IKE SA by a peer's request, while ours is on its way (RFC 7296 §2.8.1).
#[derive(Debug)]
pub(super) struct Collision<T> {
    pub(super) successor: T,
    pub(super) lowest: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct IkeSa {
    pub(super) id: IkeSaId,
    pub(super) peer: PeerId,
    pub(super) state: State,
    pub(super) initiator: bool,
    pub(super) spi_ours: u64,
    pub(super) spi_theirs: u64,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) suite: IkeSuite,
    pub(super) keys: Option<IkeKeys>,
    pub(super) send: Option<Channel>,
    pub(super) receive: Option<Channel>,
    pub(super) next_id: u32,
    pub(super) expected_id: u32,
    pub(super) outstanding: Option<Outstanding>,
    pub(super) queue: Tasks,
    pub(super) response: Vec<Vec<u8>>,
    pub(super) reassembly: Reassembly,
    pub(super) handshake: Option<Box<Handshake>>,
    /// By the peer's SPI.
    pub(super) children: BTreeMap<u32, ChildSaId>,
    pub(super) collision: Option<Collision<IkeSaId>>,
    /// The SA that this one replaces by the peer's request, while a replacement of ours is on its way.
    pub(super) successor_of: Option<IkeSaId>,
    /// There is a NAT, or ESP is to be in UDP all the same.
    pub(super) encapsulate: bool,
    /// The NAT is before us: we keep it open.
    pub(super) behind_nat: bool,
    /// The NAT is before the peer: it may move.
    pub(super) peer_behind_nat: bool,
    pub(super) fragments: bool,
    pub(super) vpn_context: bool,
    pub(super) clones: bool,
    pub(super) moves: bool,
    /// The ticket that we gave, and how long it is good.
    pub(super) ticket: Option<(TicketId, Instant)>,
    pub(super) hashes: Vec<HashId>,
    /// Whether the peer was heard since liveness was last looked at.
    pub(super) heard: bool,
    /// Another SA has taken over.
    pub(super) replaced: bool,
}

impl IkeSa {
    pub(super) fn spi_i(&self) -> u64 {
        if self.initiator { self.spi_ours } else { self.spi_theirs }
    }

    pub(super) fn spi_r(&self) -> u64 {
        if self.initiator { self.spi_theirs } else { self.spi_ours }
    }

    /// In transport mode the addresses of this end and of the other one, each where a NAT is before it (RFC 7296 §2.23.1).
    pub(super) fn behind_nats(&self, transport: bool) -> [Option<IpAddr>; 2] {
        let seen = |is_behind: bool, at: SocketAddr| (transport && is_behind).then_some(at.ip());
        [seen(self.behind_nat, self.local), seen(self.peer_behind_nat, self.remote)]
    }

    /// The header of a message of ours.
    pub(super) fn header(&self, exchange: ExchangeType, id: u32, response: bool) -> Header {
        let mut flags = HeaderFlags::empty();
        flags.set(HeaderFlags::INITIATOR, self.initiator);
        flags.set(HeaderFlags::RESPONSE, response);
        Header {
            initiator_spi: self.spi_i(),
            responder_spi: self.spi_r(),
            next_payload: PayloadType::NONE,
            version: Header::VERSION_2,
            exchange,
            flags,
            message_id: id,
            length: 0,
        }
    }

    /// Makes the ciphers of both directions of its keys.
    pub(super) fn set_keys(&mut self, keys: IkeKeys) {
        let i = Channel::new(self.suite, keys.ei.clone(), keys.ai.clone());
        let r = Channel::new(self.suite, keys.er.clone(), keys.ar.clone());
        let (send, receive) = if self.initiator { (i, r) } else { (r, i) };
        (self.send, self.receive) = (Some(send), Some(receive));
        self.keys = Some(keys);
    }

    pub(super) const fn is_half_open(&self) -> bool {
        matches!(self.state, State::InitReceived)
    }

    /// Whether requests of ours other than the handshake's may go.
    pub(super) const fn is_usable(&self) -> bool {
        matches!(self.state, State::Established | State::Rekeying | State::Replaced | State::Deleting)
    }

    /// Why it ends when we have deleted it.
    pub(super) const fn deleted(&self) -> Ended {
        if self.replaced { Ended::Replaced } else { Ended::Ours }
    }

    pub(super) const fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// Puts a task into the queue once.
    pub(super) fn ask(&mut self, task: Task) {
        self.queue.push(task);
    }
}

/// A Child SA, without its keys: those are the SAD's.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) ike: IkeSaId,
    pub(super) tag: u32,
    pub(super) state: ChildState,
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    pub(super) replaces: Option<ChildSaId>,
    /// A replacement by the peer's request, while ours was on its way.
    pub(super) collision: Option<Collision<ChildSaId>>,
}
