//! Trees of PIM's in the core as tunnels: GRE without a key, from the root to the P-group (RFC 6513 §6.4.2, §12.1.1).

use core::net::IpAddr;

use fwd_core::net::{LabelStack, NhlfeId, VlinkId, VrfId};
use fwd_core::op::{Deliver, Encapsulation, Ends, FwdOp, NextHop, Nhlfe, TunnelModel, Vlink, VlinkOutput};
use fwd_core::wire::l2tpv3::Cookie;

use super::p_tunnel::PTunnel;

/// What the provider of tunnels chose for a tree that a PE is the root of, or sends by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PimRoot {
    /// The virtual link that stands for the tree.
    pub link: VlinkId,
    /// The entry that leads into the tree: its one branch ([`super::Input::Branches`]).
    pub entry: NhlfeId,
    /// The entry that outer packets leave by.
    pub next: NhlfeId,
    /// The VRF of the tunnel.
    pub vrf: VrfId,
    /// The most octets of an outer packet.
    pub mtu: u16,
    /// The outer TTL.
    pub ttl: u8,
}

impl PTunnel {
    /// How packets go into a tree of PIM's (RFC 6513 §12.1.1): the virtual link, its output and its entry, to be programmed in this order.
    /// The outer source is the address that names the PE in the tunnel, which is that of its VRF Route Imports; the outer destination is the
    /// P-group. `None` for another kind of tunnel, and for addresses of two families.
    ///
    /// At a leaf ([`super::TreeRequest::Join`]) the tree's multicast route in the global table has a leg
    /// [`fwd_core::op::LegTarget::Decapsulate`].
    #[must_use]
    pub fn gre(&self, root: &PimRoot) -> Option<[FwdOp; 3]> {
        let (Self::PimSsm { root: source, group }
        | Self::PimSm { sender: source, group }
        | Self::BidirPim { sender: source, group }) = *self
        else {
            return None;
        };
        let ends = match (source, group) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => Ends::V4 { local, remote },
            (IpAddr::V6(local), IpAddr::V6(remote)) => Ends::V6 { local, remote },
            _ => return None,
        };
        let vlink = Vlink {
            ends,
            encapsulation: Encapsulation::Gre,
            deliver: Deliver::Vrf(root.vrf),
            mpls: false,
            label_space: None,
            check_source: false,
            ordered: false,
            protection: None,
            model: TunnelModel::Pipe,
        };
        let output = VlinkOutput {
            next: root.next,
            key: None,
            cookie: Cookie::NONE,
            ports: (0, 0),
            numbered: false,
            mtu: root.mtu,
            ttl: root.ttl,
            dscp: None,
            protection: None,
        };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Vlink(root.link), model: TunnelModel::Pipe };
        Some([
            FwdOp::SetVlink { id: root.link, vlink },
            FwdOp::SetVlinkOutput { id: root.link, output },
            FwdOp::SetNhlfe { id: root.entry, nhlfe },
        ])
    }
}
