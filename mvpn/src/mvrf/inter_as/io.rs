//! What goes into a border router and what comes out.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::net::NhlfeId;
use fwd_core::op::FwdOp;
use smallvec::SmallVec;

use crate::mvrf::attributes::McastAttributes;
use crate::mvrf::event::MvpnEvent;
use crate::mvrf::io::TreeRequest;
use crate::mvrf::root::TreeId;
use crate::mvrf::route::McastRoute;

/// ASes of a path, the nearest first; empty within the AS that originated the route.
pub type AsPath = SmallVec<[u32; 4]>;

/// Where a BGP neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// In another AS: the EBGP neighbour of this address.
    External(IpAddr),
    /// In this AS; of an area border router, in its area.
    Internal,
    /// Of an area border router: in the backbone area (RFC 7524).
    Backbone,
}

/// A BGP neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Where it is.
    pub side: Side,
    /// Its address.
    pub address: IpAddr,
}

impl Peer {
    /// An EBGP neighbour.
    #[must_use]
    pub const fn external(address: IpAddr) -> Self {
        Self { side: Side::External(address), address }
    }

    /// An IBGP neighbour.
    #[must_use]
    pub const fn internal(address: IpAddr) -> Self {
        Self { side: Side::Internal, address }
    }

    /// An IBGP neighbour in the backbone area.
    #[must_use]
    pub const fn backbone(address: IpAddr) -> Self {
        Self { side: Side::Backbone, address }
    }
}

/// What a neighbour advertises of an NLRI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsbrPath {
    /// Attributes.
    pub attributes: McastAttributes,
    /// AS_PATH as received.
    pub as_path: AsPath,
}

/// An input.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // taken at once, and kept nowhere
pub enum AsbrInput {
    /// An EBGP neighbour's session with MCAST-VPN is up, or not. Its routes go with it.
    Neighbor {
        /// The neighbour.
        address: IpAddr,
        /// Whether it is up.
        up: bool,
    },
    /// A path of a neighbour; `None`: it is withdrawn.
    Path {
        /// The neighbour.
        from: Peer,
        /// The route.
        route: McastRoute,
        /// What it says.
        path: Option<AsbrPath>,
    },
    /// As [`crate::mvrf::Input::Transport`]; for an EBGP neighbour an entry without labels on the link to it.
    Transport {
        /// The router.
        router: IpAddr,
        /// The entry.
        entry: Option<NhlfeId>,
    },
    /// As [`crate::mvrf::Input::Branches`].
    Branches {
        /// The tree.
        tree: TreeId,
        /// The entries.
        branches: Vec<NhlfeId>,
    },
    /// The forwarder had no room for an op.
    Refused(FwdOp),
}

/// A route as it is advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Attributes; the next hop stays as it is, to whomever the route goes.
    pub attributes: McastAttributes,
    /// AS_PATH as it was received: BGP puts its own AS in front towards another AS.
    pub as_path: AsPath,
    /// NO_ADVERTISE (RFC 1997).
    pub no_advertise: bool,
}

/// An output.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // taken at once, and kept nowhere
pub enum AsbrOutput {
    /// An op for the forwarder.
    Program(FwdOp),
    /// Advertise this route to these neighbours, in place of what they were told of its NLRI.
    Advertise {
        /// The neighbours.
        to: Side,
        /// The route.
        route: McastRoute,
        /// What to say.
        advert: Advert,
    },
    /// Withdraw this route from these neighbours.
    Withdraw {
        /// The neighbours.
        to: Side,
        /// The route.
        route: McastRoute,
    },
    /// A tunnel is needed, or no more.
    Tree(TreeRequest),
    /// Something happened.
    Event(MvpnEvent),
}
