//! What goes into a PIM router and what comes out.

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::Malformed;
use fwd_core::net::IfIndex;
use fwd_core::op::FwdOp;

use super::ways::Ways;
use super::wire::MessageType;

/// A route of the multicast RIB: that of unicast routing, of another topology (RFC 6420), or the selected upstream PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MribRoute<A> {
    /// The interface towards the address.
    pub interface: IfIndex,
    /// The next hop; `None` if the address is on the link.
    pub next_hop: Option<A>,
    /// Preference of the protocol that gave the route.
    pub preference: u32,
    /// Metric of the route.
    pub metric: u32,
}

impl<A> MribRoute<A> {
    /// MRIB.pref and MRIB.metric, as an Assert has them.
    pub(super) const fn weight(&self) -> (u32, u32) {
        (self.preference & super::assert::INFINITE_PREFERENCE, self.metric)
    }
}

/// What the local members of an interface want (RFC 7761 §4.1.5), as IGMP or MLD found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// local_receiver_include: of a group, or of a source and group.
    Include,
    /// local_receiver_exclude: all of the group but this source.
    Exclude,
    /// Neither.
    None,
}

/// An input.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, A> {
    /// A PIM message, without the IP header.
    Datagram {
        /// Where it came in.
        interface: IfIndex,
        /// Source of the IP header.
        from: A,
        /// Destination of the IP header.
        to: A,
        /// The octets after it.
        octets: &'a [u8],
        /// Whether it was authenticated (RFC 5796).
        authenticated: bool,
    },
    /// An answer to [`Output::Track`], and every change of it after.
    Route {
        /// The address that is tracked.
        address: A,
        /// The route to it, if there is one.
        route: Option<MribRoute<A>>,
    },
    /// The same where there is more than one route: several of equal cost, a longer one without loops, an RPF vector, another topology.
    Ways {
        /// The topology (RFC 6420): 1 to 4095, or 0 for that of [`Input::Route`].
        topology: u16,
        /// The address that is tracked.
        address: A,
        /// All that was found there; nothing takes it back.
        ways: &'a Ways<A>,
    },
    /// At an ASBR: the Intra-AS I-PMSI A-D route of a PE in another AS, by which Joins go on whose MVPN Join attribute names this router
    /// (RFC 6513 §8.1.3.2.2).
    MvpnRoute {
        /// The originator.
        pe: A,
        /// From the NLRI.
        rd: RouteDistinguisher,
        /// The BGP next hop; `None`: there is no such route any more.
        next_hop: Option<A>,
    },
    /// Another RP has an active source, or has it no more, as MSDP or a Source Active A-D route says: this router, if it is RP with
    /// receivers of the group, joins the source.
    RemoteSource {
        /// Source.
        source: A,
        /// Group.
        group: A,
        /// Whether it is active.
        is_active: bool,
    },
    /// No packets of (S,G) come by its tree although they should: with fast reroute, the second tree takes over (RFC 7431 §5).
    Silent {
        /// Source.
        source: A,
        /// Group.
        group: A,
    },
    /// What local members want.
    Membership {
        /// Where they are.
        interface: IfIndex,
        /// The group.
        group: A,
        /// The source; `None` is (*,G).
        source: Option<A>,
        /// Include, exclude or neither.
        membership: Membership,
    },
    /// The forwarder handed up a data packet: no route, wrong interface, a copy of a packet on the shared tree, or the first one on the
    /// source's tree.
    Data {
        /// Where it came in.
        interface: IfIndex,
        /// Its source.
        source: A,
        /// Its group.
        group: A,
    },
    /// The forwarder handed up a whole packet for a Register: from its IP header on, TTL decremented.
    WholePacket {
        /// The packet.
        packet: &'a [u8],
    },
    /// Counters of the forwarder: (S,G) forwarded packets since the last such input.
    Active {
        /// Source.
        source: A,
        /// Group.
        group: A,
        /// Octets in a second, lately.
        octets_per_second: u64,
    },
    /// The forwarder had no room for an op.
    Refused(FwdOp),
}

/// An output.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<A> {
    /// A PIM message to be sent in an IP packet: protocol 103; TTL 1 on an interface.
    Datagram {
        /// Where; `None` is by unicast routing.
        interface: Option<IfIndex>,
        /// Source of the IP header.
        from: A,
        /// Destination of the IP header.
        to: A,
        /// The octets after it.
        octets: Vec<u8>,
    },
    /// A data packet that came in a Register, to be sent out of these interfaces with its TTL decremented.
    Forward {
        /// Where.
        interfaces: Vec<IfIndex>,
        /// The packet from its IP header on.
        packet: Vec<u8>,
    },
    /// An op for the forwarder.
    Program(FwdOp),
    /// The routes to this address are needed, in every topology that there is: answer with [`Input::Route`] or [`Input::Ways`] now and at
    /// every change.
    Track(A),
    /// It is needed no more.
    Untrack(A),
    /// Something happened.
    Event(PimEvent<A>),
}

/// What was refused for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PimLimit {
    /// States of the VRF.
    States,
    /// States of an interface.
    InterfaceStates,
    /// Neighbours of an interface.
    Neighbors,
    /// Messages of a neighbour.
    Messages,
    /// Hellos that say something new in a second.
    HelloChanges,
    /// Registers in a second.
    Registers,
    /// Data packets in a second.
    Data,
    /// RPAs of BIDIR-PIM.
    RpfSets,
    /// Octets of Join attributes of one source.
    JoinAttributes,
    /// ECMP Redirects in a second.
    Redirects,
}

/// Why a message or a part of it was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PimReject {
    /// It does not parse, or its checksum is wrong.
    Malformed,
    /// PIM is not on, or only passive, on the interface.
    Interface,
    /// The source is no neighbour, or the address cannot be one.
    NotNeighbor,
    /// A filter denies the neighbour, the group or the source.
    Filtered,
    /// It is not authenticated.
    Authentication,
    /// A Join(*,G) whose RP is not the group's.
    WrongRp,
    /// A Register for another router, or one that is not RP for the group.
    NotRp,
    /// The interface does not serve receivers or senders.
    Role,
    /// A Hello of a router that cannot do BIDIR-PIM, which this one is configured for (RFC 5015 §3.2).
    NotBidirectional,
    /// A Join with attributes on an interface where they are not taken.
    Attributes,
    /// A Join whose MVPN Join attribute names this router, and no A-D route leads on (RFC 6513 §8.1.3.2.2).
    NoAdRoute,
    /// An ECMP Redirect to or from what is no way to the source or RP.
    Redirect,
}

/// An event. Events that peers cause come at most once in a second for each kind and interface, with the number since the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PimEvent<A> {
    /// A neighbour appeared.
    NeighborUp {
        /// Where.
        interface: IfIndex,
        /// Its primary address.
        neighbor: A,
    },
    /// A neighbour is gone: it said so, or was silent.
    NeighborDown {
        /// Where.
        interface: IfIndex,
        /// Its primary address.
        neighbor: A,
    },
    /// A neighbour restarted: its generation ID changed.
    NeighborRestarted {
        /// Where.
        interface: IfIndex,
        /// Its primary address.
        neighbor: A,
    },
    /// Another router is the DR.
    DrChanged {
        /// Where.
        interface: IfIndex,
        /// The DR.
        dr: A,
    },
    /// The designated forwarder of an RPA on a link is another (RFC 5015 §3.5).
    DfChanged {
        /// Where.
        interface: IfIndex,
        /// The RPA.
        rpa: A,
        /// The DF; `None` while there is none.
        df: Option<A>,
    },
    /// This router is the RP of an active source that a DR registered with it or that is on a link of its own, or is no more: for MSDP and
    /// for Source Active A-D routes.
    SourceActive {
        /// Group.
        group: A,
        /// Source.
        source: A,
        /// Whether it is.
        is_active: bool,
    },
    /// The second tree of (S,G) took over from the first (RFC 7431).
    Rerouted {
        /// Group.
        group: A,
        /// Source.
        source: A,
        /// Where packets are taken from.
        interface: IfIndex,
    },
    /// An ECMP Redirect moved a tree to another link (RFC 6754).
    Redirected {
        /// Group.
        group: A,
        /// Source; `None` is (*,G).
        source: Option<A>,
        /// Where Joins go.
        interface: IfIndex,
    },
    /// A limit was reached.
    Limit {
        /// Which.
        limit: PimLimit,
        /// Where; `None` is the whole router.
        interface: Option<IfIndex>,
        /// How often since the last such event.
        times: u64,
    },
    /// Messages or parts of them were not taken.
    Rejected {
        /// Why.
        reason: PimReject,
        /// Where.
        interface: Option<IfIndex>,
        /// Of the last one: its source.
        from: A,
        /// Of the last one: its type, if it was read as far.
        message_type: Option<MessageType>,
        /// Of the last one: the fault.
        malformed: Option<Malformed>,
        /// How often since the last such event.
        times: u64,
    },
    /// The forwarder had no room for what BIDIR-PIM needs for an RPA; it is tried again when the RPA's interfaces change.
    RpaRefused {
        /// The RPA.
        rpa: A,
    },
    /// The forwarder had no room for a route; the router left its tree.
    Refused {
        /// Group.
        group: A,
        /// Source; `None` is (*,G).
        source: Option<A>,
    },
}
