//! The decision process: which path is best (RFC 4271 §9.1.2, RFC 4456 §9).

use core::net::IpAddr;

use smallvec::SmallVec;

/// What the decision process compares of one usable path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Kept for a peer that stays away (RFC 9494 §4.3): every other is better.
    pub(crate) llgr_stale: bool,
    /// A route that this router originates: it beats what others tell.
    pub(crate) local: bool,
    /// The degree of preference: LOCAL_PREF, or 100 where there is none.
    pub(crate) local_pref: u32,
    /// AS_PATH length.
    pub(crate) as_path_len: u16,
    /// ORIGIN.
    pub(crate) origin: u8,
    /// MULTI_EXIT_DISC, or 0, the best, where there is none.
    pub(crate) med: u32,
    /// The AS that MULTI_EXIT_DISC is of.
    pub(crate) neighbor_as: u32,
    /// Learnt by EBGP.
    pub(crate) external: bool,
    /// IGP metric to the next hop.
    pub(crate) metric: u32,
    /// ORIGINATOR_ID, or the BGP identifier of the peer.
    pub(crate) router_id: u32,
    /// Items of CLUSTER_LIST.
    pub(crate) cluster_len: u8,
    /// The peer's address.
    pub(crate) peer: IpAddr,
    /// Path identifier; of a route imported into a VRF the route distinguisher.
    pub(crate) path_id: u64,
}

/// The index of the best candidate; which one that is does not depend on their order.
///
/// The tie-breakers of RFC 4271 §9.1.2.2 are applied to all candidates at once, as its pseudo-code does. Comparing in
/// pairs would make the choice depend on the order wherever MULTI_EXIT_DISC takes part.
pub(crate) fn best_of(candidates: &[Candidate]) -> Option<usize> {
    let mut left: SmallVec<[usize; 8]> = (0..candidates.len()).collect();
    let at = |i: usize| candidates.get(i);
    // RFC 9494 §4.3: before everything else
    keep_least(&mut left, |i| at(i).map(|c| c.llgr_stale));
    // Phase 2 (§9.1.2): the highest degree of preference. What this router originates is preferred to all.
    keep_least(&mut left, |i| at(i).map(|c| (!c.local, u32::MAX - c.local_pref)));
    // a) the smallest number of AS numbers in AS_PATH
    keep_least(&mut left, |i| at(i).map(|c| c.as_path_len));
    // b) the lowest ORIGIN
    keep_least(&mut left, |i| at(i).map(|c| c.origin));
    // c) the lowest MULTI_EXIT_DISC among those from one neighbouring AS
    if left.len() > 1 {
        let of = |c: &Candidate| (c.neighbor_as, c.med);
        let mut least: SmallVec<[(u32, u32); 8]> = left.iter().filter_map(|i| at(*i)).map(of).collect();
        least.sort_unstable();
        least.dedup_by_key(|(asn, _)| *asn);
        left.retain(|i| at(*i).is_some_and(|c| least.binary_search(&of(c)).is_ok()));
    }
    // d) EBGP before IBGP
    keep_least(&mut left, |i| at(i).map(|c| !c.external));
    // e) the lowest interior cost
    keep_least(&mut left, |i| at(i).map(|c| c.metric));
    // f) the lowest BGP identifier; ORIGINATOR_ID stands for it (RFC 4456 §9)
    keep_least(&mut left, |i| at(i).map(|c| c.router_id));
    // RFC 4456 §9, between f) and g): the shortest CLUSTER_LIST
    keep_least(&mut left, |i| at(i).map(|c| c.cluster_len));
    // g) the lowest peer address; among paths of one peer (RFC 7911) the lowest identifier
    keep_least(&mut left, |i| at(i).map(|c| (c.peer, c.path_id)));
    left.first().copied()
}

/// Whether a path that comes takes the place of the best of those that were there: `None` if all must be compared again.
///
/// A path that loses to the best changes nothing: what it removes in step c) had lost already. One that wins before step c) is
/// alone there. One that wins after it must have survived it, which is sure only beside a best of the same neighbouring AS with
/// the same MULTI_EXIT_DISC; and one that wins by it may clear the way for a third of another AS.
pub(crate) fn ousts(best: &Candidate, added: &Candidate) -> Option<bool> {
    if best_of(&[*best, *added]) == Some(0) {
        return Some(false);
    }
    let of = |c: &Candidate| (c.neighbor_as, c.med);
    if before_med(best) != before_med(added) || of(best) == of(added) { Some(true) } else { None }
}

/// Whether a path that goes, and was not the best, may have kept another from being the best: all must be compared again.
///
/// It can have removed others in step c) alone, those of its neighbouring AS whose MULTI_EXIT_DISC is greater; these lose to the best
/// before that step where it did, and to a best of the same AS in it.
pub(crate) fn shields(best: &Candidate, gone: &Candidate) -> bool {
    before_med(best) == before_med(gone) && best.neighbor_as != gone.neighbor_as
}

/// The rank of a path before step c).
fn before_med(c: &Candidate) -> (bool, bool, u32, u16, u8) {
    (c.llgr_stale, !c.local, u32::MAX - c.local_pref, c.as_path_len, c.origin)
}

/// Keeps those whose rank is the least.
fn keep_least<R: Ord>(left: &mut SmallVec<[usize; 8]>, rank: impl Fn(usize) -> R) {
    if left.len() < 2 {
        return;
    }
    if let Some(least) = left.iter().map(|i| rank(*i)).min() {
        left.retain(|i| rank(*i) == least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use proptest::prelude::*;

    const BASE: Candidate = Candidate {
        llgr_stale: true,
        local: false,
        local_pref: 100,
        as_path_len: 3,
        origin: 1,
        med: 50,
        neighbor_as: 65001,
        external: false,
        metric: 10,
        router_id: 50,
        cluster_len: 1,
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50)),
        path_id: 5,
    };

    /// Every step decides, and only where all before it are equal.
    #[test]
    fn steps_decide_in_order() {
        let better: [fn(&mut Candidate); 11] = [
            |c| c.llgr_stale = false,
            |c| c.local = true,
            |c| c.local_pref = 101,
            |c| c.as_path_len = 2,
            |c| c.origin = 0,
            |c| c.med = 49,
            |c| c.external = true,
            |c| c.metric = 9,
            |c| c.router_id = 49,
            |c| c.cluster_len = 0,
            |c| c.peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 49)),
        ];
        for (step, improve) in better.iter().enumerate() {
            let mut winner = BASE;
            improve(&mut winner);
            // The loser is better at every later step.
            let mut loser = BASE;
            for later in &better[step + 1..] {
                later(&mut loser);
            }
            assert_eq!(best_of(&[loser, winner]), Some(1), "step {step}");
            assert_eq!(best_of(&[winner, loser]), Some(0), "step {step}");
        }
        assert_eq!(best_of(&[]), None);
    }

    #[test]
    fn med_is_compared_within_one_neighbouring_as_only() {
        let far = Candidate { med: 10, metric: 30, ..BASE };
        let near = Candidate { med: 20, metric: 10, ..BASE };
        let other = Candidate { med: 90, neighbor_as: 65002, metric: 20, ..BASE };
        // `far` beats `near` on MED; `other` beats `far` on metric. In pairs, the order would decide.
        for order in [[far, near, other], [near, other, far], [other, far, near], [other, near, far]] {
            assert_eq!(order[best_of(&order).unwrap()], other);
        }
    }

    fn candidate() -> impl Strategy<Value = Candidate> {
        (0u32..4, 0u16..2, 0u8..2, 0u32..3, 0u32..3, any::<bool>(), 0u32..2, 0u32..2, 0u8..4).prop_map(
            |(lp, len, origin, med, asn, external, metric, id, peer)| Candidate {
                llgr_stale: lp >= 2,
                local_pref: lp % 2,
                as_path_len: len,
                origin,
                med,
                neighbor_as: asn,
                external,
                metric,
                router_id: id,
                peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, peer)),
                ..BASE
            },
        )
    }

    proptest! {
        #[test]
        fn a_path_that_comes_is_compared_with_the_best_alone(mut all in proptest::collection::vec(candidate(), 2..9)) {
            for (i, c) in all.iter_mut().enumerate() {
                c.path_id = i as u64;
            }
            let (added, there) = all.split_last().unwrap();
            let best = there[best_of(there).unwrap()];
            if let Some(ousted) = ousts(&best, added) {
                prop_assert_eq!(all[best_of(&all).unwrap()], if ousted { *added } else { best });
            }
        }

        #[test]
        fn a_path_that_goes_and_shields_none_leaves_the_best(mut all in proptest::collection::vec(candidate(), 2..9)) {
            for (i, c) in all.iter_mut().enumerate() {
                c.path_id = i as u64;
            }
            let best = all[best_of(&all).unwrap()];
            let gone = all.pop().unwrap();
            if gone != best && !shields(&best, &gone) {
                prop_assert_eq!(all[best_of(&all).unwrap()], best);
            }
        }

        #[test]
        fn the_order_of_candidates_does_not_matter(
            (mut a, mut b) in proptest::collection::vec(candidate(), 1..7)
                .prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))
        ) {
            // Each with a path identifier of its own, so that the winner is one.
            a.sort_by_key(|c| alloc::format!("{c:?}"));
            b.sort_by_key(|c| alloc::format!("{c:?}"));
            for (i, (x, y)) in a.iter_mut().zip(&mut b).enumerate() {
                (x.path_id, y.path_id) = (i as u64, i as u64);
            }
            let first = a[best_of(&a).unwrap()];
            b.reverse();
            prop_assert_eq!(first, b[best_of(&b).unwrap()]);
            b.rotate_left(1);
            prop_assert_eq!(first, b[best_of(&b).unwrap()]);
        }
    }
}
