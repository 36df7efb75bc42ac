//! What goes into the machine and what comes out.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use bitflags::bitflags;
use fwd_core::net::{Label, LabelSpaceId, NhlfeId};
use fwd_core::op::{FwdOp, NextHop};

use super::fec::{TreeFec, TreeId};
use super::tree::Role;
use crate::ldp::fec::RouteDistinguisher;
use crate::ldp::message::Message;
use crate::ldp::session::Negotiated;
use crate::ldp::{LdpId, TlvType};

bitflags! {
    /// What a peer can do, as its Initialization says.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PeerCapabilities: u8 {
        /// P2MP LSPs (RFC 6388 §2.1).
        const P2MP = 0x01;
        /// MP2MP LSPs (RFC 6388 §3.1).
        const MP2MP = 0x02;
        /// Make-before-break (RFC 6388 §8.3).
        const MBB = 0x04;
        /// HSMP LSPs (RFC 7140 §3.1).
        const HSMP = 0x08;
        /// Typed wildcards (RFC 5918 §5).
        const TYPED_WILDCARD = 0x10;
        /// Notifications that it does not know, so End-of-LIB (RFC 5919 §3).
        const END_OF_LIB = 0x20;
    }
}

impl PeerCapabilities {
    /// What a session agreed on.
    #[must_use]
    pub fn of(negotiated: &Negotiated) -> Self {
        let known = [
            (TlvType::P2MP_CAPABILITY, Self::P2MP),
            (TlvType::MP2MP_CAPABILITY, Self::MP2MP),
            (TlvType::MBB_CAPABILITY, Self::MBB),
            (TlvType::HSMP_CAPABILITY, Self::HSMP),
            (TlvType::TYPED_WILDCARD_CAPABILITY, Self::TYPED_WILDCARD),
            (TlvType::UNRECOGNIZED_NOTIFICATION, Self::END_OF_LIB),
        ];
        known.into_iter().filter(|(kind, _)| negotiated.has(*kind)).map(|(_, flag)| flag).collect()
    }
}

/// An LDP peer on a best path to a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its address on the path: candidates are numbered from the lowest (RFC 6388 §2.4.1.1).
    pub address: IpAddr,
    /// The peer.
    pub peer: LdpId,
}

/// The best route to a root node's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through LDP peers.
    Paths {
        /// The peers on the best paths.
        candidates: Vec<Candidate>,
        /// The metric, to choose among roots.
        metric: u32,
    },
    /// Through a router that is not next to us and knows the root (a BGP next hop): trees to the root are asked for there,
    /// by a recursive opaque value (RFC 6512 §2). P2MP LSPs only.
    Via(IpAddr),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A session became operational.
    PeerUp {
        /// The peer.
        peer: LdpId,
        /// What was agreed on, with what it can do.
        negotiated: &'a Negotiated,
    },
    /// A session ended.
    PeerDown {
        /// The peer.
        peer: LdpId,
        /// Labels of both sides are to be kept for so long (RFC 3478 §3.3); otherwise they go.
        retain: Option<Duration>,
    },
    /// The peer changed what it can do (RFC 5561 §5).
    Capabilities {
        /// The peer.
        peer: LdpId,
        /// What was agreed on, with what it can do.
        negotiated: &'a Negotiated,
    },
    /// A message of a peer about multipoint FECs, or about all: those that
    /// [`Application::Multipoint`](crate::ldp::neighbour::Application::takes) takes. Another has no effect.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: &'a Message,
    },
    /// How packets get to a peer: over an interface, or through an entry of a tunnel (RFC 6388 §2.4.1.2).
    Reach {
        /// The peer.
        peer: LdpId,
        /// The next hop; `None`: there is no way.
        next: Option<NextHop>,
        /// The largest packet on the way, labels included, in octets (RFC 3988 §2.1).
        mtu: u16,
    },
    /// The label space of the interface that a peer is on (RFC 3031 §3.14): labels given to it are bound there and nowhere else, so that
    /// no other neighbour can use them (RFC 4364 §9, §13.1). The interface and its space ([`FwdOp::SetLabelSpace`]) belong to the
    /// embedder. Without this input: the per-platform space.
    LabelSpace {
        /// The peer.
        peer: LdpId,
        /// The space; `None`: the per-platform space.
        space: Option<LabelSpaceId>,
    },
    /// The route to a root changed.
    Route {
        /// The root node's address.
        root: IpAddr,
        /// The route; `None`: there is none.
        route: Option<Route>,
    },
    /// At an ASBR: the Intra-AS I-PMSI A-D route of a PE in another AS (RFC 6514 §4.1), by which trees rooted there go on that come to this router
    /// under a VPN-recursive opaque value (RFC 6512 §3.2.1), as long as there is no route to the PE itself.
    VpnRoute {
        /// The PE, which is the root.
        root: IpAddr,
        /// From the NLRI.
        rd: RouteDistinguisher,
        /// The BGP next hop; `None`: there is no such route any more.
        next_hop: Option<IpAddr>,
    },
    /// The forwarding plane refused an op.
    Refused(FwdOp),
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a peer.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message, for the session to number.
        message: Message,
    },
    /// Change the forwarding tables.
    Program(FwdOp),
    /// Something that a tree's user, or the operator, wants to know.
    Event(Event),
}

/// Something that a tree's user, or the operator, wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A tree that was joined or opened carries packets: a leaf has a label at its upstream LSR, a root has a branch.
    TreeUp {
        /// The tree.
        tree: TreeId,
    },
    /// It does no more.
    TreeDown {
        /// The tree.
        tree: TreeId,
    },
    /// Packets for the tree are to leave through this entry too, which is written: a leg for the replication group of the one who
    /// sends. The entry pushes the tree's label, and stays the same while the leg is there.
    LegUp {
        /// The tree.
        tree: TreeId,
        /// The leg's number, unique in the tree.
        leg: u16,
        /// The entry.
        nhlfe: NhlfeId,
        /// The peer that it leads to.
        peer: LdpId,
    },
    /// The leg is no more; what uses its entry has to go before the next output is carried out.
    LegDown {
        /// The tree.
        tree: TreeId,
        /// The leg's number.
        leg: u16,
    },
    /// The largest payload that the tree takes from here, in octets (RFC 3988 §2.1); 65,535: unknown.
    Mtu {
        /// The tree.
        tree: TreeId,
        /// Octets.
        mtu: u16,
    },
    /// Somebody joined a tree at this root that was not opened here: in-band signalling (RFC 6826 §2).
    Rooted {
        /// The tree.
        tree: TreeId,
        /// Its name.
        fec: TreeFec,
    },
    /// A tree has no peer upstream that can carry it.
    NoUpstream {
        /// The tree.
        tree: TreeId,
    },
    /// The upstream LSR did not say in time that it is ready; the tree goes on through it.
    MbbTimedOut {
        /// The tree.
        tree: TreeId,
    },
    /// A peer met a limit; its label mapping was released.
    LimitReached {
        /// The peer.
        peer: LdpId,
        /// Which limit.
        limit: Limit,
        /// Mappings refused since the last such event.
        refused: u64,
    },
    /// The forwarding plane has no room for a tree's entry; what depends on it was taken back.
    NoRoom {
        /// The tree.
        tree: TreeId,
    },
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// Trees at this router.
    Trees,
    /// Branches of one peer.
    BranchesOfPeer,
    /// Branches of one tree.
    BranchesOfTree,
    /// Labels of the block.
    Labels,
    /// Entries of the block.
    Nhlfes,
    /// Replication groups of the block.
    Groups,
    /// The border of the AS: [`MldpConfig::outside`](super::MldpConfig::outside).
    Border,
}

/// Why a tree cannot be joined or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// This router is a leaf of the tree already.
    #[error("already a leaf of this tree")]
    AlreadyLeaf,
    /// The tree is open already.
    #[error("this tree is open already")]
    AlreadyOpen,
    /// The root's address is none of ours.
    #[error("not the root of this tree")]
    NotRoot,
    /// A root of a P2MP LSP cannot be its leaf: it has the packets.
    #[error("the root of a P2MP LSP is not its leaf")]
    RootOfP2mp,
    /// There are too many trees.
    #[error("max_trees reached")]
    Limit,
}

/// A tree as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeView {
    /// Its name.
    pub fec: TreeFec,
    /// What this router is in it.
    pub role: Role,
    /// The upstream LSR that packets come from.
    pub upstream: Option<LdpId>,
    /// Our label at it.
    pub label: Option<Label>,
    /// The upstream LSR that is to take over, while make-before-break waits.
    pub next_upstream: Option<LdpId>,
    /// Peers downstream that get copies.
    pub branches: Vec<LdpId>,
    /// The largest payload from here, in octets.
    pub mtu: u16,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Label Mappings taken.
    pub mappings_received: u64,
    /// Label Mappings sent.
    pub mappings_sent: u64,
    /// Label Withdraws taken.
    pub withdraws_received: u64,
    /// Label Withdraws sent.
    pub withdraws_sent: u64,
    /// Label Releases sent.
    pub releases_sent: u64,
    /// Make-before-break notifications sent.
    pub mbb_acks_sent: u64,
    /// Changes of an upstream LSR.
    pub upstream_changes: u64,
    /// Mappings refused for a limit.
    pub limited: u64,
    /// Messages about multipoint FECs that make no sense in their place and had no effect.
    pub ignored: u64,
    /// Ops that the forwarding plane refused.
    pub refused_ops: u64,
}
