//! CE-based VPNs (RFC 4110 §2.2): which CEs the provider joins by links, and which way packets go.
//!
//! The provider manages the CEs; its own routers hold nothing of the VPN. A plan says the links; each is one of
//! [`crate::vlink::VirtualLinks`] at both ends, of the CE profile: architecture 6.3.

use alloc::vec::Vec;

/// What a CE is in its VPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of a full mesh: joined to every other member, and to every hub.
    Member,
    /// Joined to everybody; passes packets on between spokes.
    Hub,
    /// Joined to hubs only.
    Spoke,
}

/// The CEs of one VPN, by what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    roles: Vec<Role>,
}

impl Plan {
    /// A VPN of these CEs.
    #[must_use]
    pub fn new(roles: &[Role]) -> Self {
        Self { roles: roles.to_vec() }
    }

    /// Whether two CEs are joined.
    #[must_use]
    pub fn joins(&self, a: usize, b: usize) -> bool {
        match (self.roles.get(a), self.roles.get(b)) {
            (Some(a_role), Some(b_role)) if a != b => {
                matches!((a_role, b_role), (Role::Hub, _) | (_, Role::Hub) | (Role::Member, Role::Member))
            }
            _ => false,
        }
    }

    /// The links: each pair once, the lower number first.
    pub fn links(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let n = self.roles.len();
        (0..n).flat_map(move |a| (a.saturating_add(1)..n).filter(move |b| self.joins(a, *b)).map(move |b| (a, b)))
    }

    /// The CEs that one does not reach directly, each with the hub that packets for it go by: the hub of the lowest number.
    pub fn by_hub(&self, ce: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let hub = (0..self.roles.len()).find(|hub| self.roles.get(*hub) == Some(&Role::Hub) && *hub != ce);
        let others = (0..self.roles.len()).filter(move |other| *other != ce && !self.joins(ce, *other));
        others.filter_map(move |other| hub.map(|hub| (other, hub)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meshes_hubs_and_both() {
        let mesh = Plan::new(&[Role::Member; 4]);
        assert_eq!(mesh.links().count(), 6);
        assert_eq!(mesh.by_hub(0).count(), 0);
        let star = Plan::new(&[Role::Spoke, Role::Hub, Role::Spoke, Role::Spoke]);
        assert_eq!(star.links().collect::<Vec<_>>(), [(0, 1), (1, 2), (1, 3)]);
        assert_eq!(star.by_hub(0).collect::<Vec<_>>(), [(2, 1), (3, 1)]);
        assert_eq!(star.by_hub(1).count(), 0);
        let both = Plan::new(&[Role::Hub, Role::Member, Role::Member, Role::Spoke]);
        assert_eq!(both.links().count(), 4);
        assert_eq!(both.by_hub(3).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
        // A new CE changes nothing but its own links.
        let before: Vec<_> = both.links().collect();
        let more = Plan::new(&[Role::Hub, Role::Member, Role::Member, Role::Spoke, Role::Member]);
        assert!(before.iter().all(|link| more.links().any(|other| other == *link)));
        assert!(!star.joins(0, 0) && !star.joins(0, 9));
    }
}
