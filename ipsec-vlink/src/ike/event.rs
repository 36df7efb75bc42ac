//! What goes into the machines of both versions and what comes out of them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::child_sa::{ChildSa, ChildSaId, IkeSaId, UdpEncapsulation};
use super::config::PeerId;
use super::counters::Reject;
use super::payload::NotifyType;

/// What the machine is given.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A UDP datagram of one of the two ports.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Which address and port of ours it came to.
        to: SocketAddr,
        /// Its octets; on the second port with the marker of four zeros in front (RFC 3948 §2.2).
        octets: &'a [u8],
    },
    /// A Child SA has protected so many octets or packets that it is to be replaced (RFC 7296 §2.8).
    Worn(ChildSaId),
    /// An ESP packet that passed its checks came from the peer: it is there (RFC 7296 §2.4).
    Heard(ChildSaId),
}

/// What the machine yields, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// A UDP datagram to be sent.
    Datagram {
        /// Our address and port.
        from: SocketAddr,
        /// The peer's.
        to: SocketAddr,
        /// The octets.
        octets: Vec<u8>,
    },
    /// A pair of ESP SAs for the SAD.
    Install(Box<ChildSa>),
    /// A pair to be taken out of the SAD.
    Remove(ChildSaId),
    /// A pair whose outer addresses or ports have changed: the peer's NAT moved it (RFC 7296 §2.23).
    Move(ChildSaId, UdpEncapsulation),
    /// Something happened.
    Event(Event),
}

/// Why an IKE SA ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was deleted by us.
    Ours,
    /// It was deleted by the peer.
    Peer,
    /// Another one took over.
    Replaced,
    /// The peer did not answer.
    Timeout,
    /// The peer refused with this error.
    Refused(NotifyType),
    /// The peer proved nothing, or its message was not as it must be.
    Failed(Reject),
    /// The peer said that another SA is the only one (INITIAL_CONTACT).
    InitialContact,
}

/// Something that an operator, or the layer above, may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both ends of an IKE SA are who they say.
    Established(IkeSaId, PeerId),
    /// An IKE SA took over from another.
    Rekeyed {
        /// The new one.
        new: IkeSaId,
        /// The old one.
        old: IkeSaId,
    },
    /// A clone of an IKE SA stands beside it (RFC 7791).
    Cloned {
        /// The new one.
        new: IkeSaId,
        /// The one that it was made from.
        of: IkeSaId,
    },
    /// An IKE SA was established by a ticket (RFC 5723).
    Resumed(IkeSaId, PeerId),
    /// An IKE SA is no more.
    Closed(IkeSaId, PeerId, Ended),
    /// A Child SA was not made.
    ChildRefused {
        /// The IKE SA.
        ike: IkeSaId,
        /// The configured child, if it is known.
        tag: Option<u32>,
        /// Why.
        why: NotifyType,
    },
    /// The peer said nothing of the VPN context that a Child SA is for; the SA was deleted (catalogue G-27).
    NoContext {
        /// The IKE SA.
        ike: IkeSaId,
        /// The configured child.
        tag: u32,
    },
    /// The peer is at another address or port.
    Moved(IkeSaId, SocketAddr),
    /// A datagram was not taken. One event per cause and second; all are counted.
    Rejected(SocketAddr, Reject),
}
