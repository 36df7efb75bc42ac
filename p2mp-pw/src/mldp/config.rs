//! What an operator says about multipoint LSPs.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{ReplicationId, VrfId};
use fwd_core::op::TunnelModel;

use crate::ldp::neighbour::{LabelRange, NhlfeRange};
use crate::ldp::session::ConfigError;
use crate::ldp::{Capability, LdpId, TlvType};

/// A block of replication groups that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRange {
    /// The first.
    pub first: ReplicationId,
    /// The last.
    pub last: ReplicationId,
}

/// One router's multipoint LDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MldpConfig {
    /// The VRF whose trees these are: those of a customer that is a carrier (RFC 6514 §15), with an instance of its own. Default
    /// [`VrfId::GLOBAL`], the provider's.
    pub vrf: VrfId,
    /// Addresses by which this router may be a root.
    pub addresses: Vec<IpAddr>,
    /// Labels that may be advertised; nobody else's.
    pub labels: LabelRange,
    /// Entries that may be written; nobody else's. One for each peer and one for each branch.
    pub nhlfes: NhlfeRange,
    /// Replication groups that may be written; nobody else's. One for each tree that passes through, and for each branch of an
    /// MP2MP LSP.
    pub groups: GroupRange,
    /// Make-before-break, and how long an upstream LSR may take to be ready before the change is made without its word
    /// (RFC 6388 §8.4.3, which has no default). Default 10 s. `None`: labels of an old upstream LSR go before the new one's
    /// are used (RFC 6388 §2.4.3).
    pub mbb: Option<Duration>,
    /// How long branches of a peer that restarted are kept until it names them again (RFC 3478 §3.3, the recovery time). Default
    /// 120 s.
    pub recovery: Duration,
    /// Signal the largest packet that the tree takes (RFC 3988). Default on.
    pub signal_mtu: bool,
    /// How TTL and class of the tree's labels relate to what they carry. Default [`TunnelModel::Pipe`].
    pub model: TunnelModel,
    /// Trees at this router. Default 100,000.
    pub max_trees: usize,
    /// Branches that one peer may have at this router, over all trees. Default 50,000.
    pub max_branches_of_peer: usize,
    /// Branches that one tree may have at this router. Default 1,024, at most 65,533.
    pub max_branches_of_tree: usize,
    /// Peers of other providers, beyond the border of the AS. No tree extends to them: what they join is refused (RFC 6513 §13). Default
    /// none.
    pub outside: BTreeSet<LdpId>,
    /// Those of `outside` that trees may extend to, because both providers agreed on it. Default none.
    pub agreed: BTreeSet<LdpId>,
    /// The least time between two events about the same peer and limit. Default 60 s.
    pub event_interval: Duration,
}

impl MldpConfig {
    /// The blocks that are this machine's, and defaults.
    #[must_use]
    pub const fn new(addresses: Vec<IpAddr>, labels: LabelRange, nhlfes: NhlfeRange, groups: GroupRange) -> Self {
        Self {
            vrf: VrfId::GLOBAL,
            addresses,
            labels,
            nhlfes,
            groups,
            mbb: Some(Duration::from_secs(10)),
            recovery: Duration::from_secs(120),
            signal_mtu: true,
            model: TunnelModel::Pipe,
            max_trees: 100_000,
            max_branches_of_peer: 50_000,
            max_branches_of_tree: 1_024,
            outside: BTreeSet::new(),
            agreed: BTreeSet::new(),
            event_interval: Duration::from_secs(60),
        }
    }

    /// Whether trees may extend to a peer.
    pub(super) fn may_extend_to(&self, peer: LdpId) -> bool {
        !self.outside.contains(&peer) || self.agreed.contains(&peer)
    }

    /// The capabilities for the Initialization of every session (RFC 6388 §2.1, §3.1, §8.3; RFC 7140 §3.1).
    #[must_use]
    pub fn capabilities(&self) -> Vec<(TlvType, Capability)> {
        let mut types = vec![TlvType::P2MP_CAPABILITY, TlvType::MP2MP_CAPABILITY, TlvType::HSMP_CAPABILITY];
        types.extend(self.mbb.map(|_| TlvType::MBB_CAPABILITY));
        types.extend([TlvType::TYPED_WILDCARD_CAPABILITY, TlvType::UNRECOGNIZED_NOTIFICATION]);
        types.into_iter().map(|kind| (kind, Capability::advertised())).collect()
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let number = |field, value, rule| Err(ConfigError::Number { field, value, rule });
        if self.groups.first > self.groups.last {
            return number("groups", self.groups.first.0, "the first not above the last");
        }
        if let Some(&value) = self.addresses.iter().find(|a| a.is_unspecified() || a.is_multicast()) {
            return Err(ConfigError::Address { field: "addresses", value, rule: "unicast" });
        }
        if let Some(value) = self.mbb.filter(|t| t.is_zero()) {
            return Err(ConfigError::Time { field: "mbb", value, rule: "more than zero, or none" });
        }
        if !(1..=65_533).contains(&self.max_branches_of_tree) {
            let value = u32::try_from(self.max_branches_of_tree).unwrap_or(u32::MAX);
            return number("max_branches_of_tree", value, "1 to 65,533");
        }
        Ok(())
    }
}
