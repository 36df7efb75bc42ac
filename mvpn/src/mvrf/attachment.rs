//! Whether every PE that wants a flow is attached to the tunnel that carries it, seen from the root and from a leaf (RFC 4834 §5.2.12).
//!
//! The root compares who has to be a leaf, as routes say, with who answered a probe of the tunnel, such as the egresses of an LSP ping
//! (RFC 6425 §3). A leaf compares what it joined with what arrived.

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use fwd_core::net::VrfId;
use fwd_core::op::{Origin, Rpf};

use super::forwarding::mroute_key;
use super::instance::Mvrf;
use super::machine::MvpnPe;
use super::p_tunnel::PTunnel;
use super::shared::Shared;

/// Leaves of the tunnel that a flow of this PE takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootAudit {
    /// The tunnel.
    pub tunnel: PTunnel,
    /// PEs that have to be leaves and did not answer.
    pub missing: BTreeSet<IpAddr>,
    /// PEs that answered and need not be leaves.
    pub needless: BTreeSet<IpAddr>,
}

/// How a flow arrives at this PE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafAudit {
    /// The PE's own sites do not want it from others.
    NotWanted,
    /// No PE has the source.
    NoUpstream,
    /// The upstream PE said no tunnel for it.
    NoTunnel {
        /// The upstream PE.
        from: IpAddr,
    },
    /// It is joined, and nothing arrived: the tunnel does not lead here, or the source is silent, which the root knows.
    Silent {
        /// The upstream PE.
        from: IpAddr,
        /// The tunnel.
        tunnel: PTunnel,
    },
    /// It arrives.
    Arrives {
        /// The upstream PE.
        from: IpAddr,
        /// The tunnel.
        tunnel: PTunnel,
    },
}

impl MvpnPe {
    /// Who is missing on the tunnel of a flow of this PE, of those that have to be there: `answered` is who answered a probe of it. `None`:
    /// the flow is not sent to other PEs.
    #[must_use]
    pub fn audit_root(
        &self,
        vrf: VrfId,
        source: IpAddr,
        group: IpAddr,
        answered: &BTreeSet<IpAddr>,
    ) -> Option<RootAudit> {
        let m = self.mvrfs.get(&vrf)?;
        let tunnel = m.carried(&self.shared, source, group).sent_by?;
        let expected = m.expected_leaves(&self.shared, source, group);
        let missing = expected.difference(answered).copied().collect();
        let needless = answered.difference(&expected).copied().collect();
        Some(RootAudit { tunnel, missing, needless })
    }

    /// How a flow arrives here, of which `packets` were counted lately.
    #[must_use]
    pub fn audit_leaf(&self, vrf: VrfId, source: IpAddr, group: IpAddr, packets: u64) -> LeafAudit {
        let Some(m) = self.mvrfs.get(&vrf) else { return LeafAudit::NotWanted };
        let own = [Some(source), None].into_iter().find_map(|s| m.c_routes.get(&mroute_key(s, group)));
        let wanted = own.is_some_and(|route| route.mroute.rpf == Rpf::From(Origin::Interface(m.config.pmsi)));
        if !wanted {
            return LeafAudit::NotWanted;
        }
        let carried = m.carried(&self.shared, source, group);
        match (carried.from, carried.received_by) {
            (None, _) => LeafAudit::NoUpstream,
            (Some(from), None) => LeafAudit::NoTunnel { from },
            (Some(from), Some(tunnel)) if packets == 0 => LeafAudit::Silent { from, tunnel },
            (Some(from), Some(tunnel)) => LeafAudit::Arrives { from, tunnel },
        }
    }
}

impl Mvrf {
    /// PEs that have to be leaves of the tunnel that a flow takes: all PEs of the MVPN for an I-PMSI; for an S-PMSI those that announced
    /// themselves, and those that the root copies to.
    fn expected_leaves(&self, shared: &Shared, source: IpAddr, group: IpAddr) -> BTreeSet<IpAddr> {
        let (tree, is_selective) = self.tunnel_of(Some(source), group);
        if !is_selective {
            return self.members.keys().map(|key| key.address).collect();
        }
        let known = tree.and_then(|tree| shared.roots.get(&tree));
        known.into_iter().flat_map(|root| root.leaves()).chain(self.receivers_of(source, group)).collect()
    }
}
