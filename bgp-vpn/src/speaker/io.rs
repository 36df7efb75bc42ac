//! What goes into a speaker and what comes out.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, IpPrefix, Label, NhlfeId, VrfId};
use fwd_core::op::FwdOp;

use crate::message::Notification;
use crate::nlri::Family;
use crate::pe_ce::{IgpRoute, RemoteRoute};
use crate::session::LocalIdentity;

/// A peer of the speaker, as `add_peer` numbered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Which of the two TCP connections that may exist with a peer until one is closed (RFC 4271 §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// We opened it.
    Outgoing,
    /// The peer opened it.
    Incoming,
}

/// The router as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakerConfig {
    /// AS number and BGP identifier.
    pub local: LocalIdentity,
    /// Cluster identifier as a route reflector (RFC 4456 §7). Default: the BGP identifier.
    pub cluster_id: Option<u32>,
    /// VPN labels this speaker hands out: the first and the last, neither special-purpose.
    pub labels: (Label, Label),
    /// Next hop label forwarding entries this speaker numbers: the first and the last.
    pub nhlfes: (NhlfeId, NhlfeId),
    /// Seed of all jitter.
    pub seed: u64,
}

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A TCP connection with the peer is up. Of one that the peer opened,
    /// [`Speaker::admits_incoming`](super::Speaker::admits_incoming) says beforehand whether it would be used: a second one
    /// beside the first has no name of its own here, and is closed without this input.
    Connected {
        /// The peer.
        peer: PeerId,
        /// Who opened it.
        side: Side,
    },
    /// The peer sent octets: half a message or twenty.
    Stream {
        /// The peer.
        peer: PeerId,
        /// On which connection.
        side: Side,
        /// The octets.
        octets: &'a [u8],
    },
    /// The connection takes this many octets from now on, beyond what was output already; replaces what was left of the
    /// room before. A speaker sends UPDATEs only within this room, so that a peer that never reads costs no memory. Say it
    /// after `Connected` and whenever octets have left; the room must at times be that of a whole message
    /// ([`Negotiated::max_message_len`](crate::session::Negotiated)). Other messages are few, and do not wait for room.
    Writable {
        /// The peer.
        peer: PeerId,
        /// On which connection.
        side: Side,
        /// Octets.
        room: usize,
    },
    /// The connection is gone, or an attempt to open it failed.
    Closed {
        /// The peer.
        peer: PeerId,
        /// Which connection.
        side: Side,
    },
    /// The way to a remote PE, ASBR or other BGP next hop changed.
    ///
    /// A next hop that nobody has spoken about (see [`Event::NextHopUnresolved`]) may be chosen and passed on, as the
    /// farthest of all, so that a route reflector outside the forwarding path needs no such input; but a VRF uses only
    /// routes whose next hop is known to be reached. An IPv4-mapped IPv6 address counts as the IPv4 address.
    NextHop {
        /// The next hop.
        address: IpAddr,
        /// How it is reached; `None`: not at all.
        reach: Option<Reach>,
    },
    /// An attachment circuit came up, changed or (`None`) went down: how packets leave to the CE.
    ///
    /// An interface has one circuit per address family of [`Circuit::address`], so a dual-stack CE takes two inputs;
    /// `None` removes both.
    Circuit {
        /// The interface.
        iface: IfIndex,
        /// Its VRF and the entry that sends to the CE.
        circuit: Option<Circuit>,
    },
    /// A route of a VRF that BGP did not bring: connected, static, or from an IGP.
    Local {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: IpPrefix,
        /// How it is reached; `None`: withdrawn.
        route: Option<LocalRoute>,
    },
    /// A route that the IGP of a VRF brought. It takes the place of [`Input::Local`] for the same destination.
    Igp {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: IpPrefix,
        /// How it is reached, and what the IGP says of it; `None`: withdrawn. A route that came from a PE (RFC 4577 §4.2.6) counts as
        /// withdrawn.
        route: Option<(LocalRoute, IgpRoute)>,
    },
    /// A destination that is announced with a label of ours in the labelled families, because this router or its IGP leads
    /// there: a PE announces its own address, an ASBR the PEs of its AS (RFC 8277 §2; RFC 4364 §10 c).
    Labeled {
        /// The destination.
        prefix: IpPrefix,
        /// How it is reached; `None`: withdrawn.
        route: Option<LabeledRoute>,
    },
    /// The forwarding plane had no room for this op.
    Refused(FwdOp),
}

/// How a destination of the labelled families that BGP did not bring is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabeledRoute {
    /// It is this router: announced with implicit null.
    Local,
    /// Through this forwarding entry, of the IGP or LDP. It belongs to whoever made the input.
    Via(NhlfeId),
}

/// How a BGP next hop is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// IGP metric.
    pub metric: u32,
    /// The forwarding entry that carries packets there: the transport LSP or tunnel. It belongs to whoever made the input.
    pub nhlfe: NhlfeId,
}

/// An attachment circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// The VRF it is bound to.
    pub vrf: VrfId,
    /// The CE's address on it, by which a session's or a route's next hop is found.
    pub address: IpAddr,
    /// The forwarding entry that sends to the CE. It belongs to whoever made the input.
    pub nhlfe: NhlfeId,
}

/// How a route that BGP did not bring is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalRoute {
    /// Behind the CE on this attachment circuit.
    Via(IfIndex),
    /// On the PE itself.
    Local,
    /// Nowhere: a discard route that is announced.
    Discard,
    /// Through this forwarding entry: a way out of the VRF, as to an Internet gateway (RFC 4364 §11), or from the global table into
    /// a site. It belongs to whoever made the input.
    Entry(NhlfeId),
}

/// What to do outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection to the peer, protected as its configuration says ([`Protection`](crate::session::Protection)); answer with
    /// `Connected` or `Closed`.
    Connect {
        /// The peer.
        peer: PeerId,
    },
    /// Close the connection after sending what was output before.
    Close {
        /// The peer.
        peer: PeerId,
        /// Which connection.
        side: Side,
    },
    /// Send octets.
    Stream {
        /// The peer.
        peer: PeerId,
        /// On which connection.
        side: Side,
        /// One message or several, whole.
        octets: Vec<u8>,
    },
    /// Change the forwarding plane.
    Program(FwdOp),
    /// The IGP of a VRF is to announce this route from elsewhere, or no longer. It is programmed before.
    Igp {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: IpPrefix,
        /// How it is announced; `None`: withdrawn.
        route: Option<RemoteRoute>,
    },
    /// Something an operator may want to know.
    Event(Event),
}

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The session reached Established.
    Established {
        /// The peer.
        peer: PeerId,
    },
    /// The session left Established, or an attempt failed.
    Down {
        /// The peer.
        peer: PeerId,
        /// The NOTIFICATION that was sent or received, if any.
        sent: Option<Notification>,
        /// The one received.
        received: Option<Notification>,
    },
    /// The peer sent a malformed UPDATE that the session survived (RFC 7606).
    UpdateFault {
        /// The peer.
        peer: PeerId,
        /// The attribute's type.
        attribute: u8,
        /// What was wrong.
        fault: fwd_core::Malformed,
        /// What was done.
        action: crate::message::FaultAction,
    },
    /// The peer has sent all it had of this family (RFC 4724 §2).
    EndOfRib {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// A VRF's routes rose to the mid or high threshold (RFC 4382).
    VrfThreshold {
        /// The VRF.
        vrf: VrfId,
        /// Routes now.
        routes: u32,
        /// Which threshold: `true` for high.
        high: bool,
    },
    /// A VRF is full; routes are refused from now on. Raised once until the VRF has room again.
    VrfFull {
        /// The VRF.
        vrf: VrfId,
    },
    /// A VRF that was full has room again.
    VrfCleared {
        /// The VRF.
        vrf: VrfId,
    },
    /// A peer exceeded the routes allowed for a family; more are refused.
    PeerFull {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The label range is used up: a route was not announced.
    LabelsExhausted {
        /// The VRF whose route it was.
        vrf: VrfId,
    },
    /// After [`Speaker::restarted`](super::Speaker::restarted): routes are chosen, programmed and told from here on.
    RestartEnded {
        /// All peers had told what they had; else the time was over.
        complete: bool,
    },
    /// The range of forwarding entries is used up: a route was not installed.
    NhlfesExhausted {
        /// The VRF whose route it was.
        vrf: VrfId,
    },
    /// A route came with a next hop that no [`Input::NextHop`] has spoken about. Raised once per next hop while routes
    /// with it are held.
    NextHopUnresolved {
        /// The next hop.
        address: IpAddr,
    },
    /// The forwarding plane refused an op; the route it served was withdrawn.
    ForwardingFull {
        /// The op.
        op: FwdOp,
    },
}
