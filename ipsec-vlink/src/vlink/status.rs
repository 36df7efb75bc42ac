//! What is known of links: what they are, were, and take.

use alloc::collections::BTreeSet;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::SaId;
use fwd_core::op::Ends;
use fwd_core::time::Instant;

use super::config::{LinkConfig, LinkId, LinkStatus};
use super::machine::VirtualLinks;

impl VirtualLinks {
    /// What a link is, and was.
    #[must_use]
    pub fn status(&self, now: Instant, id: LinkId) -> Option<LinkStatus> {
        let link = self.link(id)?;
        let mut status = link.status;
        let passed: Duration = now - link.changed;
        *(if link.state.carries() { &mut status.up_for } else { &mut status.down_for }) += passed;
        Some(status)
    }

    /// The links, in the order in which they were added.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        (0..).map(LinkId).zip(&self.links).filter_map(|(id, link)| link.is_some().then_some(id))
    }

    /// The configuration of a link; its policy is that of the last [`Self::secure`].
    #[must_use]
    pub fn config(&self, id: LinkId) -> Option<&LinkConfig> {
        Some(&self.link(id)?.cfg)
    }

    /// Between which addresses a link goes.
    #[must_use]
    pub fn ends(&self, id: LinkId) -> Option<Ends> {
        Some(self.link(id)?.ends)
    }

    /// When the SPD of a link was written last.
    #[must_use]
    pub fn spd_changed(&self, id: LinkId) -> Option<Instant> {
        Some(self.link(id)?.spd_changed)
    }

    /// Our key or label of a link.
    #[must_use]
    pub fn local_key(&self, id: LinkId) -> Option<u32> {
        self.link(id)?.local_key
    }

    /// The association of a link.
    #[must_use]
    pub fn sa(&self, id: LinkId) -> Option<SaId> {
        self.link(id)?.sa
    }

    /// Pairs of associations that are wanted.
    #[must_use]
    pub fn associations(&self) -> usize {
        self.associations.len()
    }

    /// IKE SAs that these need: one for each pair of addresses.
    #[must_use]
    pub fn ike_sas(&self) -> usize {
        let pairs: BTreeSet<(IpAddr, IpAddr)> = self.associations.values().map(|a| a.request.ends).collect();
        pairs.len()
    }

    /// Addresses of ours that links are between.
    #[must_use]
    pub fn local_addresses(&self) -> usize {
        let used = self.pairs.keys().map(|(_, local, _)| *local);
        used.collect::<BTreeSet<IpAddr>>().len()
    }

    /// Links that there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}
