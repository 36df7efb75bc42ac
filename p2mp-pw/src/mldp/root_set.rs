//! Several roots for one opaque value (RFC 6388 §7): the leaf joins the trees of all, and one that sends picks a root.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::time::Instant;

use super::fec::{Deliver, TreeFec, TreeId, TreeKind};
use super::io::JoinError;
use super::machine::Mldp;
use crate::ldp::fec::OpaqueElement;

/// The trees of redundant roots.
///
/// Of P2MP LSPs the roots decide which of them sends (§7.1); of MP2MP LSPs each leaf decides for what it sends itself (§7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSet {
    trees: Vec<(IpAddr, TreeId)>,
}

impl RootSet {
    /// Joins the trees of all roots: packets may come by each.
    ///
    /// # Errors
    /// One cannot be joined; then none is.
    pub fn join(
        mldp: &mut Mldp,
        now: Instant,
        kind: TreeKind,
        (roots, opaque): (&[IpAddr], &OpaqueElement),
        deliver: Deliver,
    ) -> Result<Self, JoinError> {
        let mut set = Self { trees: Vec::new() };
        for root in roots {
            match mldp.join(now, TreeFec::new(kind, *root, opaque), deliver) {
                Ok(id) => set.trees.push((*root, id)),
                Err(error) => {
                    set.leave(mldp, now);
                    return Err(error);
                }
            }
        }
        Ok(set)
    }

    /// The trees, in the order of the roots.
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + '_ {
        self.trees.iter().map(|(_, id)| *id)
    }

    /// The tree to send on: of those that are up the one whose root is nearest, among equals the highest address (§7.2). Ask
    /// again after a route to a root changed, or a tree came up or went down.
    #[must_use]
    pub fn active(&self, mldp: &Mldp) -> Option<TreeId> {
        let up = self.trees.iter().filter(|(_, id)| mldp.is_up(*id));
        let known = up.filter_map(|(root, id)| Some((mldp.metric(*root)?, core::cmp::Reverse(*root), *id)));
        known.min().map(|(_, _, id)| id)
    }

    /// Leaves the trees of all roots.
    pub fn leave(self, mldp: &mut Mldp, now: Instant) {
        self.trees.iter().for_each(|(_, id)| mldp.leave(now, *id));
    }
}
