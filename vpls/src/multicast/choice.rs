//! Which way a flow is best carried, and why (RFC 5501 §6.2.1, RFC 7117 §8, §10).

use super::TreeConfig;

/// How a flow is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Copies by pseudowires.
    IngressReplication,
    /// The inclusive tree.
    Inclusive,
    /// A tree of its own.
    Selective,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The configuration leaves nothing else.
    Configured,
    /// No PE has members.
    NoReceivers,
    /// One PE has: a copy by its pseudowire costs no more than a tree.
    OneReceiver,
    /// The rate is below the threshold.
    BelowThreshold,
    /// So many PEs have members that the inclusive tree wastes little.
    Congruent,
    /// Members come and go too often.
    Churn,
    /// The instance has as many trees as it may.
    Limit,
    /// The rate is above the threshold.
    Rate,
    /// The tree does not carry.
    Failed,
    /// An operator wants it so.
    Operator,
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Bit/s.
    pub rate: u64,
    /// PEs with members.
    pub receivers: usize,
    /// Other PEs of the instance.
    pub pes: usize,
    /// Membership changes in the last minute.
    pub churn: u32,
    /// Selective trees of the instance, and how many it may have.
    pub trees: (usize, usize),
}

/// Chooses.
#[must_use]
pub fn choose(config: &TreeConfig, flow: &Flow) -> (Choice, Reason) {
    let otherwise = if config.inclusive.is_some() { Choice::Inclusive } else { Choice::IngressReplication };
    if config.selective.is_none() {
        return (otherwise, Reason::Configured);
    }
    if flow.receivers == 0 {
        return (otherwise, Reason::NoReceivers);
    }
    if flow.rate < config.threshold {
        return (otherwise, Reason::BelowThreshold);
    }
    if flow.receivers == 1 && flow.pes > 1 {
        return (Choice::IngressReplication, Reason::OneReceiver);
    }
    if flow.churn > config.churn {
        return (otherwise, Reason::Churn);
    }
    let without = flow.pes.saturating_sub(flow.receivers).saturating_mul(100);
    if config.inclusive.is_some() && without <= flow.pes.saturating_mul(config.congruency.into()) {
        return (Choice::Inclusive, Reason::Congruent);
    }
    if flow.trees.0 >= flow.trees.1 {
        return (otherwise, Reason::Limit);
    }
    (Choice::Selective, Reason::Rate)
}

#[cfg(test)]
mod tests {
    use super::super::TunnelKind;
    use super::*;

    /// The policy as a table: what is known of a flow, what is chosen, and why.
    ///
    /// Shows: VPLS-TUN-2, VPLS-DOM-5
    #[test]
    fn twelve_flows() {
        let plain = TreeConfig::default();
        let both = TreeConfig { inclusive: Some(TunnelKind::Mldp), ..plain };
        let none = TreeConfig { selective: None, ..both };
        let exact = TreeConfig { congruency: 0, ..both };
        let loose = TreeConfig { congruency: 100, ..both };
        let flow = |rate, receivers| Flow { rate, receivers, pes: 20, churn: 0, trees: (0, 100) };
        use Choice::{Inclusive, IngressReplication, Selective};
        for (config, flow, choice, reason) in [
            (&plain, flow(50_000_000, 3), Selective, Reason::Rate),
            (&plain, flow(999_999, 3), IngressReplication, Reason::BelowThreshold),
            (&both, flow(999_999, 3), Inclusive, Reason::BelowThreshold),
            (&plain, flow(50_000_000, 0), IngressReplication, Reason::NoReceivers),
            (&plain, flow(50_000_000, 1), IngressReplication, Reason::OneReceiver),
            (&both, flow(50_000_000, 15), Inclusive, Reason::Congruent),
            (&both, flow(50_000_000, 14), Selective, Reason::Rate),
            (&exact, flow(50_000_000, 19), Selective, Reason::Rate),
            (&loose, flow(50_000_000, 2), Inclusive, Reason::Congruent),
            (&none, flow(50_000_000, 3), Inclusive, Reason::Configured),
            (&plain, Flow { churn: 31, ..flow(50_000_000, 3) }, IngressReplication, Reason::Churn),
            (&plain, Flow { trees: (100, 100), ..flow(50_000_000, 3) }, IngressReplication, Reason::Limit),
        ] {
            assert_eq!(choose(config, &flow), (choice, reason), "{flow:?}");
        }
    }
}
