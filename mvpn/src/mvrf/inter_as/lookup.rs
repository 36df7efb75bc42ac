//! Trees whose packets are looked at below their labels.
//!
//! Segments are joined label by label where they can be. What comes by a tree of PIM's has no label (RFC 6513 §12.1), and where S-PMSIs are
//! merged into an I-PMSI, what else comes of their flows is to be discarded (RFC 6514 §12.2.1). Such a tree has a VRF of the forwarder's to
//! itself: all that comes by its tunnel goes by the segment that begins here, but for flows that have a route of their own.

use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, IlmAction, Mroute, MrouteKey, MulticastVrf, Origin, Rpf};
use fwd_core::time::Instant;

use super::asbr::MvpnAsbr;
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::io::TreeRequest;
use crate::mvrf::p_tunnel::PTunnel;

/// The VRF of a tree, and the tunnel that its packets arrive by there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) vrf: VrfId,
    pub(super) tunnel: TunnelId,
}

/// What becomes of packets that leave the segment that ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onto {
    /// They go by the legs of this group, still labelled.
    Group(ReplicationId),
    /// They are looked up, as what came by this tunnel.
    Tunnel(TunnelId),
}

impl Onto {
    /// Of what comes with a label.
    pub(super) const fn action(self) -> IlmAction {
        match self {
            Self::Group(group) => IlmAction::Replicate(group),
            Self::Tunnel(tunnel) => IlmAction::Multicast(tunnel),
        }
    }

    /// Of what comes by a P-tunnel.
    pub(super) const fn request(self, tunnel: PTunnel) -> TreeRequest {
        match self {
            Self::Group(group) => TreeRequest::Stitch { tunnel, group },
            Self::Tunnel(arrives_by) => TreeRequest::Join { tunnel, arrives_by },
        }
    }
}

/// Whether packets come by a tunnel without a label.
pub(super) const fn is_of_pim(tunnel: &PTunnel) -> bool {
    matches!(tunnel, PTunnel::PimSsm { .. } | PTunnel::PimSm { .. } | PTunnel::BidirPim { .. })
}

/// All groups of both families.
fn everything() -> impl Iterator<Item = MrouteKey> {
    let v4 = Ipv4Prefix::new(Ipv4Addr::new(224, 0, 0, 0), MrouteKey::SHORTEST4);
    let v6 = Ipv6Prefix::new(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), MrouteKey::SHORTEST6);
    let v4 = v4.map(|group| MrouteKey::Group4 { group });
    v4.into_iter().chain(v6.map(|group| MrouteKey::Group6 { group }))
}

impl MvpnAsbr {
    /// A VRF for a tree. `None`: there are no numbers left.
    pub(super) fn new_lookup(&mut self, now: Instant) -> Option<Lookup> {
        let vrf = self.vrfs.take().and_then(|number| u16::try_from(number).ok()).map(VrfId);
        let Some(vrf) = vrf else {
            self.limit(now, MvpnLimit::Numbers);
            return None;
        };
        self.shared.op(FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: false } });
        let Some(tunnel) = self.shared.new_tunnel(now, vrf) else {
            self.shared.op(FwdOp::ClearMulticastVrf { vrf });
            self.vrfs.give_back(vrf.0.into());
            return None;
        };
        Some(Lookup { vrf, tunnel })
    }

    /// What arrives goes by the legs of this group, which is the VRF's.
    pub(super) fn route_everything(&mut self, lookup: Lookup, group: ReplicationId) {
        for key in everything() {
            self.route(lookup.vrf, key, Rpf::From(Origin::Tunnel(lookup.tunnel)), group);
        }
    }

    pub(super) fn route(&mut self, vrf: VrfId, key: MrouteKey, rpf: Rpf, group: ReplicationId) {
        let replication = Some(group);
        let mroute = Mroute { rpf, replication, punt_wrong_interface: false, register: false, spt: None };
        self.shared.op(FwdOp::SetMroute { vrf, key, mroute });
    }

    /// The VRF of a tree goes, after the label that leads to it.
    pub(super) fn end_lookup(&mut self, Lookup { vrf, tunnel }: Lookup) {
        for key in everything() {
            self.shared.op(FwdOp::ClearMroute { vrf, key });
        }
        self.shared.drop_tunnel(tunnel);
        self.shared.op(FwdOp::ClearMulticastVrf { vrf });
        self.vrfs.give_back(vrf.0.into());
    }
}
