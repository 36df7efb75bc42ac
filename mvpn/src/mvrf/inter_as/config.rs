//! What an operator says about a border router.

use core::net::{IpAddr, Ipv4Addr};

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
    /// Address, AS, numbers and budget of tunnels, as of a PE; its timers and tunnel numbers are not used.
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
    /// The tunnels of I-PMSI segments within the AS, of trees from elsewhere.
    pub inclusive: TunnelKind,
    /// The tunnels of S-PMSI segments within the AS, or the area.
    pub selective: TunnelKind,
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
        for kind in [Some(self.inclusive), Some(self.selective), self.backbone].into_iter().flatten() {
            match kind {
                TunnelKind::IngressReplication | TunnelKind::MldpP2mp | TunnelKind::RsvpTeP2mp => {}
                // What arrives labelled goes on labelled; and a segment is one PE's.
                TunnelKind::PimSsm
                | TunnelKind::PimSm(_)
                | TunnelKind::BidirPim(_)
                | TunnelKind::MldpMp2mp { .. }
                | TunnelKind::Other(_) => {
                    return Err(AsbrConfigError::Tunnel);
                }
            }
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
    #[error("inclusive, selective or backbone: a tunnel without labels, or of several senders")]
    Tunnel,
    /// `limits`.
    #[error("limits: a limit of 0")]
    Limits,
}
