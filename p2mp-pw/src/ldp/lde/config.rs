//! What an operator says about label distribution.

use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::op::TunnelModel;

use super::super::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use super::super::session::ConfigError;

/// When a label is advertised that leads on (RFC 5036 §2.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Once the next hop's label is there, or at the egress.
    #[default]
    Ordered,
    /// Always.
    Independent,
}

/// Which labels of peers are kept (RFC 5036 §2.6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// All: a new next hop's label is there when routing changes.
    #[default]
    Liberal,
    /// Those of next hops.
    Conservative,
}

/// When labels are asked for (RFC 5036 Appendix A, Label Request procedure). Peers with Downstream on Demand are always asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestProcedure {
    /// Never, of peers that advertise unasked.
    #[default]
    Never,
    /// Whenever one is needed.
    WhenNeeded,
}

/// The label for prefixes that end here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EgressLabel {
    /// Implicit null: the hop before us pops (RFC 3031 §3.16).
    #[default]
    ImplicitNull,
    /// Explicit null of the prefix's family: the traffic class survives the last hop (RFC 3032 §2.1).
    ExplicitNull,
}

/// Loop detection (RFC 5036 §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopDetection {
    /// The largest hop count that is no loop, 1 to 255.
    pub max_hops: u8,
    /// The longest path vector that is no loop, 1 to 255.
    pub max_path: u8,
}

/// How labels are distributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdeConfig {
    /// Our LSR identifier, for path vectors.
    pub lsr: Ipv4Addr,
    /// Labels to hand out.
    pub labels: LabelRange,
    /// Entries to number: one for each next hop of a prefix, one more for each prefix with several.
    pub nhlfes: NhlfeRange,
    /// Groups to number: one for each prefix with several next hops.
    pub groups: EcmpRange,
    /// Default ordered.
    pub control: Control,
    /// Default liberal.
    pub retention: Retention,
    /// Default never.
    pub request: RequestProcedure,
    /// Default implicit null.
    pub egress: EgressLabel,
    /// Default none.
    pub loop_detection: Option<LoopDetection>,
    /// Do not advertise a prefix to the next hop that leads to it: split horizon (RFC 5036 A.1.2, note 13). Default off: the
    /// next hop has the label when routing turns round.
    pub split_horizon: bool,
    /// Release the next hop's label when nobody upstream holds ours (RFC 5036 A.1.4, LRl.9): of an LSR
    /// that sends nothing into LSPs itself. Default off.
    pub propagate_release: bool,
    /// How TTL and class cross LSPs. Default uniform.
    pub model: TunnelModel,
    /// How long to wait before asking again for a label that was refused for want of a route or for a loop; `None`: do not ask
    /// again. Default 15 s; 1 s or more.
    pub request_retry: Option<Duration>,
    /// How long to wait for End-of-LIB before a peer's labels count as complete (RFC 5919 §5). Default 60 s.
    pub end_of_lib_wait: Duration,
    /// The longest time that stale labels of a peer are kept after its restart (RFC 3478 §3.3). Default 120 s.
    pub max_recovery: Duration,
    /// How long labels of ours that outlived a restart wait for their prefix to come back (RFC 3478 §3.2). Default 120 s.
    pub recovery: Duration,
    /// Labels kept of a peer, at most; more are released. Default 200,000.
    pub max_labels: usize,
    /// Addresses kept of a peer, at most. Default 1,024.
    pub max_addresses: usize,
    /// Answers that a peer may let wait by not reading; beyond that it is given up. Default 100,000.
    pub max_queued: usize,
}

impl LdeConfig {
    /// Label distribution with defaults.
    #[must_use]
    pub const fn new(lsr: Ipv4Addr, labels: LabelRange, nhlfes: NhlfeRange, groups: EcmpRange) -> Self {
        Self {
            lsr,
            labels,
            nhlfes,
            groups,
            control: Control::Ordered,
            retention: Retention::Liberal,
            request: RequestProcedure::Never,
            egress: EgressLabel::ImplicitNull,
            loop_detection: None,
            split_horizon: false,
            propagate_release: false,
            model: TunnelModel::Uniform,
            request_retry: Some(Duration::from_secs(15)),
            end_of_lib_wait: Duration::from_secs(60),
            max_recovery: Duration::from_secs(120),
            recovery: Duration::from_secs(120),
            max_labels: 200_000,
            max_addresses: 1024,
            max_queued: 100_000,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(value) = self.request_retry.filter(|t| *t < Duration::from_secs(1)) {
            return Err(ConfigError::Time { field: "request_retry", value, rule: "1 s or more" });
        }
        if let Some(limits) = self.loop_detection {
            for (field, value) in [("max_hops", limits.max_hops), ("max_path", limits.max_path)] {
                if value == 0 {
                    return Err(ConfigError::Number { field, value: 0, rule: "1 or more" });
                }
            }
        }
        for (field, value) in [("max_labels", self.max_labels), ("max_queued", self.max_queued)] {
            if value == 0 {
                return Err(ConfigError::Number { field, value: 0, rule: "1 or more" });
            }
        }
        Ok(())
    }
}
