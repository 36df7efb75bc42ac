//! Which tunnel carries a P2MP pseudowire (RFC 7338 §3.2): pseudowires share a tunnel when its leaves are nearly theirs.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::ldp::session::ConfigError;

/// A tunnel that may carry more pseudowires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelOffer<L: Ord> {
    /// Its leaves.
    pub leaves: BTreeSet<L>,
    /// What is free on the links that lead to its leaves, in kbit/s; the least of them.
    pub free: u64,
}

/// What a pseudowire asks of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand<L: Ord> {
    /// Its leaves: the tunnel has to reach all.
    pub leaves: BTreeSet<L>,
    /// Its rate, in kbit/s: what leaves that are not its own receive in vain.
    pub rate: u64,
}

/// How much sharing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongruencyConfig {
    /// The least rate, in percent, 1 to 100. Default 100: only tunnels whose leaves are the pseudowire's.
    pub min_congruency: u8,
}

impl Default for CongruencyConfig {
    fn default() -> Self {
        Self { min_congruency: 100 }
    }
}

impl CongruencyConfig {
    /// The configuration as it is.
    ///
    /// # Errors
    /// The least rate is not 1 to 100.
    pub fn validate(self) -> Result<Self, ConfigError> {
        match self.min_congruency {
            1..=100 => Ok(self),
            other => {
                Err(ConfigError::Number { field: "min_congruency", value: other.into(), rule: "1 to 100 percent" })
            }
        }
    }
}

/// The rate in percent: leaves in common in relation to those of the tunnel, less what the pseudowire wastes of what is free on the
/// way to the others. `None`: the tunnel does not reach all leaves.
#[must_use]
pub fn rate<L: Ord>(tunnel: &TunnelOffer<L>, demand: &Demand<L>) -> Option<u8> {
    if demand.leaves.is_empty() || !demand.leaves.is_subset(&tunnel.leaves) {
        return None;
    }
    let (common, all) = (demand.leaves.len() as u64, tunnel.leaves.len() as u64);
    let overlap = common.saturating_mul(100).checked_div(all)?;
    let others = all.saturating_sub(common);
    if others == 0 {
        return Some(100);
    }
    let wasted = others.saturating_mul(demand.rate).saturating_mul(100).checked_div(tunnel.free).unwrap_or(u64::MAX);
    u8::try_from(overlap.saturating_sub(wasted)).ok()
}

/// The tunnel to take: that with the highest rate, among equals the first; `None` if none has the least rate, and the pseudowire needs
/// a tunnel of its own.
#[must_use]
pub fn select<'t, K: Copy, L: Ord + 't>(
    tunnels: impl IntoIterator<Item = (K, &'t TunnelOffer<L>)>,
    demand: &Demand<L>,
    config: CongruencyConfig,
) -> Option<(K, u8)> {
    let rated = tunnels.into_iter().filter_map(|(key, tunnel)| Some((key, rate(tunnel, demand)?)));
    let mut best: Option<(K, u8)> = None;
    for (key, rate) in rated.filter(|(_, rate)| *rate >= config.min_congruency) {
        if best.is_none_or(|(_, highest)| rate > highest) {
            best = Some((key, rate));
        }
    }
    best
}

/// What carries a pseudowire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<K> {
    /// A tunnel that others use too.
    Shared(K),
    /// A tunnel of its own, still to be set up.
    Own,
    /// An LSP to each leaf, which is possible, but a link that they share carries a copy for each (RFC 7338 §3.1): where there is neither
    /// of the others.
    IngressReplication,
}

/// What is to carry a pseudowire: a tunnel of those that are there, else one of its own if such may be set up (`own`), else an LSP to each
/// leaf.
#[must_use]
pub fn transport<'t, K: Copy, L: Ord + 't>(
    tunnels: impl IntoIterator<Item = (K, &'t TunnelOffer<L>)>,
    demand: &Demand<L>,
    config: CongruencyConfig,
    own: bool,
) -> Transport<K> {
    match select(tunnels, demand, config) {
        Some((key, _)) => Transport::Shared(key),
        None if own => Transport::Own,
        None => Transport::IngressReplication,
    }
}

/// Pseudowires that would fare better by `margin` percent or more on another tunnel, with that tunnel: what a periodic
/// re-optimisation moves. `None` as a tunnel: one of its own.
#[must_use]
pub fn reoptimise<'t, P: Copy, K: Copy + PartialEq, L: Ord + 't>(
    pseudowires: impl IntoIterator<Item = (P, K, &'t Demand<L>)>,
    tunnels: &[(K, TunnelOffer<L>)],
    (config, margin): (CongruencyConfig, u8),
) -> Vec<(P, Option<K>)> {
    let offers = || tunnels.iter().map(|(key, tunnel)| (*key, tunnel));
    let move_of = |(pw, at, demand): (P, K, &Demand<L>)| {
        let own = offers().find(|(key, _)| *key == at).and_then(|(_, tunnel)| rate(tunnel, demand)).unwrap_or(0);
        match select(offers(), demand, config) {
            Some((key, best)) if key != at && best >= own.saturating_add(margin) => Some((pw, Some(key))),
            Some(_) => None,
            None => Some((pw, None)),
        }
    };
    pseudowires.into_iter().filter_map(move_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(numbers: &[u8]) -> BTreeSet<u8> {
        numbers.iter().copied().collect()
    }

    fn offer(numbers: &[u8], free: u64) -> TunnelOffer<u8> {
        TunnelOffer { leaves: leaves(numbers), free }
    }

    const HALF: CongruencyConfig = CongruencyConfig { min_congruency: 50 };

    /// Shows: P2MP-UND-6
    #[test]
    fn three_of_four_leaves_are_75_percent() {
        let demand = Demand { leaves: leaves(&[1, 2, 3]), rate: 0 };
        assert_eq!(rate(&offer(&[1, 2, 3, 4], 1000), &demand), Some(75));
        assert_eq!(rate(&offer(&[1, 2, 3], 0), &demand), Some(100));
        assert_eq!(rate(&offer(&[1, 2], 1000), &demand), None, "it has to reach all");
    }

    /// Shows: P2MP-UND-8
    #[test]
    fn partial_multiplexing_is_the_operators_choice() {
        let demand = Demand { leaves: leaves(&[1, 2, 3]), rate: 0 };
        let tunnel = offer(&[1, 2, 3, 4], 1000);
        let select =
            |min| select([(1, &tunnel)], &demand, CongruencyConfig { min_congruency: min }.validate().unwrap());
        assert_eq!((select(100), select(76), select(75), select(70)), (None, None, Some((1, 75)), Some((1, 75))));
        assert_eq!(CongruencyConfig::default().min_congruency, 100);
        assert!(CongruencyConfig { min_congruency: 0 }.validate().is_err());
        assert!(CongruencyConfig { min_congruency: 101 }.validate().is_err());
    }

    /// Shows: P2MP-UND-9
    #[test]
    fn a_heavy_pseudowire_lowers_the_rate() {
        let tunnel = offer(&[1, 2, 3, 4], 1000);
        let of_rate = |rate_kbps| rate(&tunnel, &Demand { leaves: leaves(&[1, 2, 3]), rate: rate_kbps });
        assert_eq!((of_rate(100), of_rate(200), of_rate(2000)), (Some(65), Some(55), Some(0)));
        let heavy = Demand { leaves: leaves(&[1, 2, 3]), rate: 300 };
        assert_eq!(select([(1, &tunnel)], &heavy, HALF), None);
    }

    #[test]
    fn an_lsp_for_each_leaf_is_what_is_left() {
        let tunnel = offer(&[1, 2, 3, 4], 1000);
        let of = |leaves_of: &[u8], own| {
            let demand = Demand { leaves: leaves(leaves_of), rate: 0 };
            transport([('t', &tunnel)], &demand, HALF, own)
        };
        assert_eq!((of(&[1, 2, 3], false), of(&[1, 2, 3], true)), (Transport::Shared('t'), Transport::Shared('t')));
        assert_eq!((of(&[1], true), of(&[1], false)), (Transport::Own, Transport::IngressReplication));
        assert_eq!(of(&[5], false), Transport::IngressReplication);
    }

    /// Shows: P2MP-UND-5
    #[test]
    fn the_tunnel_with_the_highest_rate_is_taken_and_moved_to() {
        let demand = Demand { leaves: leaves(&[1, 2]), rate: 0 };
        let tunnels = [(1, offer(&[1, 2, 3, 4], 9)), (2, offer(&[1, 2, 3], 9)), (3, offer(&[2, 3], 9))];
        let offers = || tunnels.iter().map(|(k, t)| (*k, t));
        assert_eq!(select(offers(), &demand, HALF), Some((2, 66)));
        assert_eq!(reoptimise([('p', 1, &demand)], &tunnels, (HALF, 10)), [('p', Some(2))]);
        assert_eq!(reoptimise([('p', 1, &demand)], &tunnels, (HALF, 20)), [], "not worth it");
        let strict = CongruencyConfig::default();
        assert_eq!(reoptimise([('p', 1, &demand)], &tunnels, (strict, 20)), [('p', None)], "one of its own");
    }
}
