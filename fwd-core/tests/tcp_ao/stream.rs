//! Honest segments in any order, across the end of the number space, while keys change.

use fwd_core::tcp_ao::Connection;
use proptest::prelude::*;

use super::ao_pair::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Reordered, lost and repeated: what arrives is taken, with the number that it has in 64 bits. The numbers go round more than once, and
    /// nothing is later than by half the space.
    #[test]
    fn honest_segments_are_taken_in_any_order(
        isn: u32,
        steps in proptest::collection::vec((0u64..0x0c00_0000, 0usize..4, any::<bool>()), 1..200),
    ) {
        let [mut a, mut b] = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [isn, 5]);
        let mut number = u64::from(isn) + 1;
        let mut waiting: Vec<(u64, Vec<u8>)> = Vec::new();
        for (n, (jump, late, twice)) in steps.into_iter().enumerate() {
            number += jump;
            waiting.push((number, signed(&mut a, pair(), number as u32, ACK, b"data")));
            if late == 0 || n % 8 == 0 {
                for (number, octets) in waiting.drain(..).rev() {
                    for _ in 0..=usize::from(twice) {
                        prop_assert_eq!(verify(&mut b, &octets).map(|v| v.sequence), Ok(number));
                    }
                }
            } else if waiting.len() > late {
                waiting.swap_remove(0);
            }
        }
        prop_assert_eq!(b.counters().dropped(), 0);
    }

    /// Changed, cut or forged octets are never taken, and change nothing.
    #[test]
    fn what_was_changed_is_not_taken(at in any::<prop::sample::Index>(), bit in 0u8..8, cut: bool) {
        let [mut a, mut b] = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [10, 20]);
        let mut octets = signed(&mut a, pair(), 11, ACK, b"some data");
        let at = at.index(octets.len());
        prop_assume!(!(16..18).contains(&at));
        if cut {
            octets.truncate(at);
        } else {
            octets[at] ^= 1 << bit;
        }
        let before = (b.heard(), b.current(), b.counters().verified);
        prop_assert!(verify(&mut b, &octets).is_err());
        prop_assert_eq!((b.heard(), b.current(), b.counters().verified), before);
    }

    /// Keys come at either end in any order, are asked for and taken into use while segments are under way and overtake one another: none is
    /// dropped, and the last key asked for is the last in use.
    #[test]
    fn keys_change_without_loss(steps in proptest::collection::vec((0u8..6, any::<prop::sample::Index>()), 1..200)) {
        let mut ends = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [10, 20]);
        let pairs = [pair(), turned(pair())];
        let mut number = [11, 21];
        let mut wire: [Vec<Vec<u8>>; 2] = Default::default();
        // A key is added at one end, then at the other; each asks for it when it has it.
        let mut has = [1, 1];
        let add = |end: &mut Connection, side: usize, id: u8| {
            end.add(mkt(pairs[side], id)).unwrap();
            end.prefer(mkt(pairs[side], id).recv_id).unwrap();
        };
        for (step, which) in steps {
            let side = usize::from(step) % 2;
            match step / 2 {
                0 if has[side] <= has[1 - side] && has[side] < 50 => {
                    has[side] += 1;
                    add(&mut ends[side], side, has[side]);
                }
                1 => {
                    let octets = signed(&mut ends[side], pairs[side], number[side], ACK, b"x");
                    number[side] += 1;
                    wire[side].push(octets);
                }
                _ if !wire[side].is_empty() => {
                    let at = which.index(wire[side].len());
                    let octets = wire[side].swap_remove(at);
                    prop_assert_eq!(verify(&mut ends[1 - side], &octets).map(|_| ()), Ok(()));
                }
                _ => {}
            }
        }
        // What is under way arrives in the end, and then one more each way.
        for side in [0, 1] {
            for octets in std::mem::take(&mut wire[side]) {
                prop_assert_eq!(verify(&mut ends[1 - side], &octets).map(|_| ()), Ok(()));
            }
        }
        let last = has[0].max(has[1]);
        for side in [0, 1] {
            if has[side] < last {
                add(&mut ends[side], side, last);
            }
        }
        for side in [0, 1, 0, 1] {
            let octets = signed(&mut ends[side], pairs[side], number[side], ACK, b"x");
            number[side] += 1;
            prop_assert_eq!(verify(&mut ends[1 - side], &octets).map(|_| ()), Ok(()));
        }
        prop_assert_eq!([ends[0].current(), ends[1].current() - 100], [last, last]);
        prop_assert_eq!(ends.map(|end| end.counters().dropped()), [0, 0]);
    }
}
