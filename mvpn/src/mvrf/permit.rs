//! Which flows may cross the backbone (RFC 4834 §5.1.5, §5.1.7): what an MVRF joins of other PEs, and what others may join of it.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::time::Instant;

use super::config::MvpnConfigError;
use super::event::MvpnLimit;
use super::instance::Mvrf;
use super::io::CTree;
use super::shared::Shared;
use super::umh::holds;

/// Flows that are permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// C-groups.
    pub groups: IpPrefix,
    /// C-sources; `None`: all, and shared trees.
    pub sources: Option<IpPrefix>,
}

impl Permit {
    /// Groups of any source.
    #[must_use]
    pub const fn of_groups(groups: IpPrefix) -> Self {
        Self { groups, sources: None }
    }

    fn holds(&self, source: Option<IpAddr>, group: IpAddr) -> bool {
        holds(&self.groups, group) && self.sources.as_ref().is_none_or(|of| source.is_some_and(|s| holds(of, s)))
    }

    /// Whether all flows of another are its own.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let within = |outer: &IpPrefix, inner: &IpPrefix| {
            outer.addr().is_ipv4() == inner.addr().is_ipv4()
                && outer.bit_len() <= inner.bit_len()
                && holds(outer, inner.addr())
        };
        let sources = match (&self.sources, &other.sources) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(outer), Some(inner)) => within(outer, inner),
        };
        sources && within(&self.groups, &other.groups)
    }

    pub(super) fn check(all: &[Self]) -> Result<(), MvpnConfigError> {
        let is_good = |permit: &Self| {
            let is_v4 = permit.groups.addr().is_ipv4();
            permit.groups.addr().is_multicast() && permit.sources.as_ref().is_none_or(|s| s.addr().is_ipv4() == is_v4)
        };
        if all.iter().all(is_good) { Ok(()) } else { Err(MvpnConfigError::Permitted) }
    }
}

impl Mvrf {
    /// Whether a tree may cross the backbone. The provider's own groups are none of the global table's: what comes to them there is its
    /// P-tunnels' (RFC 6513 §12.4.3).
    pub(super) fn permits(&self, shared: &Shared, tree: &CTree) -> bool {
        let (source, group) = tree.flow();
        if self.config.vrf == VrfId::GLOBAL && shared.config.p_groups.as_ref().is_some_and(|own| holds(own, group)) {
            return false;
        }
        let all = &self.config.permitted;
        all.is_empty() || all.iter().any(|permit| permit.holds(source, group))
    }

    /// A tree that was joined and may not be is counted, and waits: the list may change.
    pub(super) fn count_unpermitted(&self, shared: &mut Shared, now: Instant, tree: &CTree) {
        if !self.permits(shared, tree) {
            shared.limit(now, self.config.vrf, MvpnLimit::Permitted);
        }
    }

    /// Takes another list: what may cross no more is left at once, what may now and is wanted is joined.
    pub(super) fn set_permitted(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        permitted: Vec<Permit>,
    ) -> Result<(), MvpnConfigError> {
        Permit::check(&permitted)?;
        self.config.permitted = permitted;
        let trees: Vec<CTree> = self.trees.keys().copied().collect();
        trees.into_iter().for_each(|tree| self.update_tree(shared, now, tree));
        let joins: Vec<CTree> = self.joins.keys().copied().collect();
        joins.into_iter().for_each(|tree| self.update_join(shared, now, tree));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(groups: &str, sources: Option<&str>) -> Permit {
        Permit { groups: groups.parse().unwrap(), sources: sources.map(|s| s.parse().unwrap()) }
    }

    #[test]
    fn a_list_of_sources_holds_no_shared_tree() {
        let group = [232, 1, 1, 1].into();
        let of_source = permit("232.1.0.0/16", Some("10.0.0.0/24"));
        assert!(of_source.holds(Some([10, 0, 0, 9].into()), group));
        assert!(!of_source.holds(Some([10, 0, 1, 9].into()), group) && !of_source.holds(None, group));
        assert!(permit("232.1.0.0/16", None).holds(None, group));
    }

    #[test]
    fn a_permit_covers_what_it_holds_all_of() {
        let outer = permit("232.0.0.0/8", Some("10.0.0.0/8"));
        assert!(outer.covers(&permit("232.1.0.0/16", Some("10.1.0.0/16"))) && outer.covers(&outer));
        for other in [("232.0.0.0/7", Some("10.0.0.0/8")), ("232.1.0.0/16", None), ("ff00::/8", Some("10.0.0.0/8"))] {
            assert!(!outer.covers(&permit(other.0, other.1)), "{other:?}");
        }
        assert!(permit("224.0.0.0/4", None).covers(&outer));
    }

    #[test]
    fn what_is_no_group_is_refused() {
        assert!(Permit::check(&[permit("232.0.0.0/8", None)]).is_ok());
        for bad in [permit("10.0.0.0/8", None), permit("ff00::/8", Some("10.0.0.0/8"))] {
            assert_eq!(Permit::check(&[bad]), Err(MvpnConfigError::Permitted));
        }
    }
}
