//! What the choice of tunnels costs: state in the core against octets that nobody wants (RFC 4834 §3.3, §5.2.3).

use alloc::collections::BTreeMap;

use super::policy::Reason;
use crate::mvrf::instance::Mvrf;
use crate::mvrf::shared::Shared;

/// What happened to the flows of an MVRF since it was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SPmsiFigures {
    /// Moves to an S-PMSI, by reason.
    pub moved: BTreeMap<Reason, u64>,
    /// Moves back to the default tunnel.
    pub returned: u64,
    /// How often a flow should have moved, and there was no tunnel for it.
    pub without_tunnel: u64,
    /// Moves to the tunnel of other flows.
    pub shared: u64,
    /// Tunnels that failed: refused by the forwarder or by the provider of tunnels.
    pub failed: u64,
    /// Tunnels that were too small for what the MVRF promises its customers.
    pub too_small: u64,
}

/// Core state against bandwidth, at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeOff {
    /// P-tunnels that the MVRF sends by.
    pub tunnels: usize,
    /// Flows that other PEs receive.
    pub flows: usize,
    /// Those of them that take an S-PMSI.
    pub selective: usize,
    /// Octets in a second that go to PEs without a receiver, by the rates told and as far as receivers announce themselves.
    pub wasted: u64,
    /// Flows of which no receivers are known, whose waste is not in `wasted`.
    pub untracked: usize,
}

impl Mvrf {
    /// The balance of the MVRF.
    pub(in crate::mvrf) fn trade_off(&self, shared: &Shared) -> TradeOff {
        let mut sum = TradeOff {
            tunnels: self.tree_users.len().saturating_add(usize::from(self.inclusive.is_some())),
            ..TradeOff::default()
        };
        for (source, group) in self.flows_sent() {
            sum.flows = sum.flows.saturating_add(1);
            let (tree, is_selective) = self.tunnel_of(Some(source), group);
            let own = self.receivers_of(source, group);
            let Some(tree) = tree.filter(|tree| shared.roots.contains_key(tree)) else { continue };
            sum.selective = sum.selective.saturating_add(usize::from(is_selective));
            if own.is_empty() {
                sum.untracked = sum.untracked.saturating_add(1);
                continue;
            }
            let seen = self.seen(source, group);
            let unwanted = match is_selective && self.is_single(tree) {
                true => self.leaves_of_tree(tree).len().saturating_sub(own.len()),
                false => self.reached.len().saturating_sub(own.len()),
            };
            sum.wasted =
                sum.wasted.saturating_add(seen.rate.saturating_mul(u64::try_from(unwanted).unwrap_or(u64::MAX)));
        }
        sum
    }
}
