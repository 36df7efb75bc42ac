//! What an operator says about a border router.

use core::net::{IpAddr, Ipv4Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;

use crate::mvrf::attributes::Target;
use crate::mvrf::config::{MvpnConfig, MvpnConfigError, TunnelKind};

/// How much state neighbours may make (RFC 6514 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsbrLimits {
    /// Paths of all neighbours together. Default 200,000.
    pub paths: usize,
    /// Trees: I-PMSI and S-PMSI A-D routes that pass. Default 20,000.
    pub segments: usize,
}

impl Default for AsbrLimits {
    fn default() -> Self {
        Self { paths: 200_000, segments: 20_000 }
    }
}

/// A border router.
#[derive(Clone, Debug)]
pub struct AsbrConfig {
    /// Address, AS, numbers and budget of tunnels, as of a PE; its timers are not used.
    pub router: MvpnConfig,
    /// Names the RDs that no one configured: the BGP identifier.
    pub identifier: Ipv4Addr,
    /// Route targets of the MVPNs that it supports; `None`: of all.
    pub import: Option<BTreeSet<Target>>,
    /// MVPNs by route targets whose P-tunnels reach from PE to PE, across the border: their routes pass as they are (RFC 6514 §11.1.3).
    pub whole: BTreeSet<Target>,
    /// Whether routes of these MVPNs pass with this router as next hop (RFC 4364 §10, option B), and not as they came (option C).
    pub next_hop_self: bool,
    /// RDs of MVPNs by their route targets, where all ASBRs of the AS are to have the same (RFC 6514 §9.2, option 1). Others get one of
    /// their own (option 2).
    pub rds: BTreeMap<Vec<Target>, RouteDistinguisher>,
    /// The tunnels of I-PMSI segments within the AS, of trees from elsewhere. Trees of PIM's take their P-groups from `router`.
    pub inclusive: TunnelKind,
    /// The tunnels of S-PMSI segments within the AS, or the area.
    pub selective: TunnelKind,
    /// MVPNs by route targets whose S-PMSIs for single flows, of other ASes, end here: the flows go on by the inter-AS tree of their AS
    /// (RFC 6514 §12.2.1). Of MVPNs whose joins go by C-multicast routes. Not of an area border router.
    pub merged: BTreeSet<Target>,
    /// How long a flow is still taken from its inter-AS tree once an S-PMSI of it is merged: more than others take from the announcement of an
    /// S-PMSI to its use. Default 10 s.
    pub merge_delay: Duration,
    /// VRFs of the forwarder that are for this machine alone: one for each tree whose packets are looked at below their labels, as they come by
    /// trees of PIM's or as S-PMSIs may be merged into them. Default 1 to 65,535: all but the global table.
    pub vrfs: RangeInclusive<u16>,
    /// Of an area border router: the tunnels of S-PMSI segments in the backbone area (RFC 7524). `None`: it is none. Segments of I-PMSIs are
    /// mLDP P2MP LSPs on both sides.
    pub backbone: Option<TunnelKind>,
    /// The other ASBRs of the AS: their I-PMSI A-D routes are no sign of sites.
    pub asbrs: BTreeSet<IpAddr>,
    /// Limits.
    pub limits: AsbrLimits,
}

impl AsbrConfig {
    /// Defaults for everything but what has none: all MVPNs, segments by mLDP.
    #[must_use]
    pub fn new(router: IpAddr, asn: u32, identifier: Ipv4Addr) -> Self {
        Self {
            router: MvpnConfig::new(router, asn),
            identifier,
            import: None,
            whole: BTreeSet::new(),
            next_hop_self: false,
            rds: BTreeMap::new(),
            inclusive: TunnelKind::MldpP2mp,
            selective: TunnelKind::MldpP2mp,
            merged: BTreeSet::new(),
            merge_delay: Duration::from_secs(10),
            vrfs: 1..=u16::MAX,
            backbone: None,
            asbrs: BTreeSet::new(),
            limits: AsbrLimits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), AsbrConfigError> {
        self.router.check()?;
        if self.identifier.is_unspecified() {
            return Err(AsbrConfigError::Identifier);
        }
        if self.import.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(AsbrConfigError::Import);
        }
        // What arrives labelled goes on labelled, or into a tree of this router's own; and a segment is one PE's.
        let has_labels = |kind: TunnelKind| {
            matches!(kind, TunnelKind::IngressReplication | TunnelKind::MldpP2mp | TunnelKind::RsvpTeP2mp)
        };
        let is_pim = |kind: TunnelKind| kind == TunnelKind::PimSsm && self.backbone.is_none();
        for kind in [self.inclusive, self.selective] {
            if is_pim(kind) && self.router.p_groups.is_none() {
                return Err(AsbrConfigError::PGroups);
            }
            if !is_pim(kind) && !has_labels(kind) {
                return Err(AsbrConfigError::Tunnel);
            }
        }
        if self.backbone.is_some_and(|kind| !has_labels(kind)) {
            return Err(AsbrConfigError::Tunnel);
        }
        if self.backbone.is_some() && !self.merged.is_empty() {
            return Err(AsbrConfigError::Merged);
        }
        if self.vrfs.is_empty() || *self.vrfs.start() == 0 {
            return Err(AsbrConfigError::Vrfs);
        }
        if self.limits.paths == 0 || self.limits.segments == 0 {
            return Err(AsbrConfigError::Limits);
        }
        Ok(())
    }
}

/// A value of an [`AsbrConfig`] that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsbrConfigError {
    /// `router`.
    #[error("router: {0}")]
    Router(#[from] MvpnConfigError),
    /// `identifier`.
    #[error("identifier: 0")]
    Identifier,
    /// `import`.
    #[error("import: no route target")]
    Import,
    /// `inclusive`, `selective` or `backbone`.
    #[error("inclusive, selective or backbone: a tunnel of several senders, or in an area a tree of PIM's")]
    Tunnel,
    /// `router.p_groups`.
    #[error("router.p_groups: none for segments that are trees of PIM's")]
    PGroups,
    /// `merged`.
    #[error("merged: S-PMSIs at the border of an area")]
    Merged,
    /// `vrfs`.
    #[error("vrfs: none, or the global table")]
    Vrfs,
    /// `limits`.
    #[error("limits: a limit of 0")]
    Limits,
}
