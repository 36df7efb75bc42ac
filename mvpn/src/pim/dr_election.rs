//! DR election (RFC 7761 §4.3.2) and DR load balancing (RFC 8775 §5).

use super::network::PimAddress;

/// What a router's Hello says for the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrCandidate<A> {
    /// Primary address.
    pub address: A,
    /// DR priority, if the Hello had one.
    pub priority: Option<u32>,
}

/// Whether `a` is a better DR than `b`; `priorities` says that every neighbour has one.
pub fn dr_is_better<A: Ord>(a: &DrCandidate<A>, b: &DrCandidate<A>, priorities: bool) -> bool {
    if priorities { (a.priority, &a.address) > (b.priority, &b.address) } else { a.address > b.address }
}

/// DR(I): the best of this router and its neighbours.
pub fn dr<A: Copy + Ord>(me: DrCandidate<A>, neighbors: impl Iterator<Item = DrCandidate<A>> + Clone) -> A {
    let priorities = neighbors.clone().all(|n| n.priority.is_some());
    let best = neighbors.fold(me, |best, n| if dr_is_better(&n, &best, priorities) { n } else { best });
    best.address
}

/// What of a flow is hashed (RFC 8775 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow<A> {
    /// An ASM group with its RP.
    Asm {
        /// The group.
        group: A,
        /// Its RP.
        rp: A,
    },
    /// A source-specific channel.
    Ssm {
        /// The group.
        group: A,
        /// The source.
        source: A,
    },
}

/// The ordinal number of the group's DR among `candidates`, by the modulo hash of RFC 8775 §5.2.
pub fn gdr_ordinal<A: PimAddress>(
    flow: Flow<A>,
    group_mask: A,
    source_mask: A,
    rp_mask: A,
    candidates: usize,
) -> usize {
    /// The masked value, shifted right so that the mask's lowest bit is the lowest, and its last 32 bits.
    fn part<A: PimAddress>(address: A, mask: A) -> u32 {
        let mask = mask.bits();
        let shifted = (address.bits() & mask).checked_shr(mask.trailing_zeros()).unwrap_or(0);
        u32::try_from(shifted & u128::from(u32::MAX)).unwrap_or(0)
    }
    let hash = match flow {
        Flow::Asm { rp, .. } if rp_mask != A::UNSPECIFIED => part(rp, rp_mask),
        Flow::Asm { group, .. } => part(group, group_mask),
        Flow::Ssm { group, source } => part(source, source_mask) ^ part(group, group_mask),
    };
    usize::try_from(hash).unwrap_or(0).checked_rem(candidates).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn priority_counts_only_where_everybody_has_one() {
        let c = |address: u32, priority| DrCandidate { address, priority };
        assert_eq!(dr(c(5, Some(1)), [c(4, Some(2)), c(9, Some(1))].into_iter()), 4);
        assert_eq!(dr(c(5, Some(1)), [c(4, Some(2)), c(9, None)].into_iter()), 9);
        assert_eq!(dr(c(5, Some(1)), [c(4, Some(1))].into_iter()), 5);
        assert_eq!(dr(c(5, Some(1)), core::iter::empty()), 5);
    }

    /// The examples of RFC 8775 §5.2.1.
    #[test]
    fn modulo_hash() {
        let four = |s: &str| s.parse::<Ipv4Addr>().unwrap();
        let all = Ipv4Addr::BROADCAST;
        let flow = |rp| Flow::Asm { group: four("239.1.1.1"), rp: four(rp) };
        assert_eq!(gdr_ordinal(flow("192.0.2.1"), all, all, four("0.0.255.0"), 3), 2);
        assert_eq!(gdr_ordinal(flow("198.51.100.2"), all, all, four("0.0.255.0"), 3), 1);
        let six = |s: &str| s.parse::<Ipv6Addr>().unwrap();
        let all = Ipv6Addr::from_bits(u128::MAX);
        let mask = six("::ffff:ffff:ffff:0");
        let flow = |rp| Flow::Asm { group: six("ff0e::1"), rp: six(rp) };
        // ::5678 is 22136, and ::1234 is 4660: 2 and 1 modulo 3.
        assert_eq!(gdr_ordinal(flow("2001:db8::1:0:5678:1"), all, all, mask, 3), 2);
        assert_eq!(gdr_ordinal(flow("2001:db8::1:0:1234:2"), all, all, mask, 3), 1);
        let none = Ipv6Addr::UNSPECIFIED;
        assert_eq!(gdr_ordinal(flow("2001:db8::1"), all, all, none, 4), 1);
        let channel = Flow::Ssm { group: six("ff3e::6"), source: six("2001:db8::3") };
        assert_eq!(gdr_ordinal(channel, all, all, none, 8), 5);
        assert_eq!(gdr_ordinal(channel, all, all, none, 0), 0);
    }
}
