//! Changing the look-up trie beside a naive model.

use super::*;
use crate::table::ReaderSlot;
use crate::table::fib::{DIRECT_LEN, FRONT};
use crate::table::fib_front4::{ASK, FRONT4_LEN, get};
use crate::table::fib_front6::{self, FRONT6_LEN, TABLE_LEN, is_table};
use crate::table::pool::words_for;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

/// More routes than there are.
const NEVER: u32 = u32::MAX;

type Model<K> = BTreeMap<(K, u8), u32>;

fn naive<K: Key>(model: &Model<K>, key: K) -> u32
where
    (K, u8): Ord,
{
    let hit = |&(k, len): &(K, u8)| k.common(key) >= len;
    model.iter().filter(|(p, _)| hit(p)).max_by_key(|((_, len), _)| *len).map_or(0, |(_, v)| *v)
}

/// Two VRFs with many routes in few places, with a direct root to be had or without.
fn run<K: Key + Ord>(changes: Vec<(bool, K, u8, u32, bool)>, direct: usize, words: usize, from: u32) {
    run_behind(changes, direct, 0, words, from);
}

/// With so many words in front of the direct roots.
fn run_behind<K: Key + Ord>(
    changes: Vec<(bool, K, u8, u32, bool)>,
    direct: usize,
    front: usize,
    words: usize,
    from: u32,
) {
    let mut nodes = vec![super::super::rib::Node::unused(K::default()); 2000];
    let (words, direct) = (vec![Word::ZERO; words_for(words)], vec![Word::ZERO; direct * DIRECT_LEN]);
    let front = vec![Word::ZERO; front];
    let mut retired = vec![Retired::EMPTY; 200];
    let readers = [ReaderSlot::EMPTY];
    let mut grace = Grace::new(&readers);
    let vrfs = [FibRoot::EMPTY, FibRoot::EMPTY];
    vrfs.iter().zip(1..).for_each(|(vrf, owner)| vrf.reset(owner));
    let hints = vec![Word::new(7); 5];
    let mut fib = FibWriter::new(
        Rib::new(&mut nodes),
        &words,
        [&direct, &front],
        &mut retired,
        [from, from.saturating_add(3), 1 << 22],
    );
    fib.rib.hints = &hints;
    let mut models = [Model::new(), Model::new()];
    for (set, key, len, value, second) in changes {
        let (vrf, model) = (&vrfs[usize::from(second)], &mut models[usize::from(second)]);
        // A reader in the middle of a look-up holds up memory now and then.
        let pin = (value & 1 == 1).then(|| readers[0].pin());
        let (before, other) = (fib.reader().lookup(vrf.root(), key), key.truncate(len.saturating_sub(1)));
        let key = key.truncate(len);
        if set {
            match fib.insert(&mut grace, vrf, (key, len), NonZeroU32::new(value).unwrap()) {
                Ok(()) => drop(model.insert((key, len), value)),
                Err(Refused::Busy) => assert!(pin.is_some() || fib.retired_len > 0),
                Err(Refused::Full) => assert!(fib.used() * 3 > words.len(), "{} of {}", fib.used(), words.len()),
            }
        } else {
            match fib.remove(&mut grace, vrf, key, len) {
                Ok(()) => drop(model.remove(&(key, len))),
                Err(Refused::Busy) => assert!(pin.is_some() || fib.retired_len > 0),
                Err(Refused::Full) => assert!(fib.used() * 3 > words.len(), "{} of {}", fib.used(), words.len()),
            }
        }
        drop(pin);
        let _ = before;
        for key in [key, other, Key::truncate(key, 0)] {
            assert_eq!(fib.reader().lookup(vrf.root(), key), naive(model, key));
        }
        assert_eq!(vrf.routes() as usize, model.len());
    }
    let roots = [vrfs[0].root(), vrfs[1].root()];
    for (vrf, model) in vrfs.iter().zip(&models) {
        let keys: Vec<K> = model.keys().map(|&(key, _)| key).collect();
        let mut routes = [0; 32];
        for chunk in keys.chunks_exact(32) {
            let chunk: &[K; 32] = chunk.try_into().unwrap();
            fib.reader().lookup_batch(&[vrf.root(); 32], chunk, &mut routes);
            assert!(chunk.iter().zip(routes).all(|(&key, route)| route == naive(model, key)));
            // Lanes of both VRFs.
            let two = core::array::from_fn(|lane| roots[lane & 1]);
            fib.reader().lookup_batch(&two, chunk, &mut routes);
            let lanes = chunk.iter().zip(routes).enumerate();
            assert!(lanes.map(|(n, (&key, route))| (route, naive(&models[n & 1], key))).all(|(a, b)| a == b));
        }
        slices(fib.reader(), vrf.root(), model, &keys);
        for key in keys {
            assert_eq!(fib.reader().lookup(vrf.root(), key), naive(model, key));
        }
    }
    // Nothing is left of what is removed. In a store that is full some removals wait for others, which make room.
    for (vrf, model) in vrfs.iter().zip(&models) {
        let mut left: Vec<(K, u8)> = model.keys().copied().collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|&(key, len)| match fib.remove(&mut grace, vrf, key, len) {
                Ok(()) => false,
                Err(refused) => {
                    assert_eq!(refused, Refused::Full);
                    true
                }
            });
            assert!(left.len() < before, "no removal makes room");
        }
        assert_eq!((vrf.root(), vrf.routes()), (0, 0));
    }
    fib.release_retired(&mut grace);
    assert_eq!((fib.used(), fib.rib.used(), fib.retired_len), (0, 0, 0));
    assert!(direct.iter().all(|word| word.peek() == 0));
    if K::WIDTH == 32 {
        assert!(front.iter().all(|word| word.peek() == 0));
    } else {
        // No root leads to a table, and each is free again.
        assert!(front.iter().take(fib.front_roots).all(|word| word.peek() == 0));
        let tables = (front.len() - fib.front_tables) / TABLE_LEN;
        let free = core::iter::successors(Some(fib.front_freed).filter(|&table| is_table(table)), |&table| {
            let next = front[(table ^ fib_front6::TABLE) as usize].peek();
            is_table(next).then_some(next)
        });
        assert_eq!(free.count(), tables);
    }
}

/// Slices of any length, of which the shorter one counts: results beyond it stay as they are.
fn slices<K: Key + Ord>(fib: Fib<'_>, root: u32, model: &Model<K>, keys: &[K]) {
    let many: Vec<K> = keys.iter().copied().cycle().take(150).collect();
    let expected: Vec<u32> = many.iter().map(|&key| naive(model, key) + 1).collect();
    for len in [0, 1, 31, 32, 33, 63, 64, 65, 127, 129, 150] {
        let len = len.min(many.len());
        let mut results = vec![0; len];
        fib.lookup_all(root, (&many[..], |key| key), (&mut results[..], |route| route + 1));
        assert_eq!(results, expected[..len]);
        results = vec![NEVER; many.len()];
        fib.lookup_all(root, (&many[..len], |key| key), (&mut results[..], |route| route + 1));
        assert_eq!(results[..len], expected[..len]);
        assert!(results[len..].iter().all(|&left| left == NEVER));
    }
}

fn change4() -> impl Strategy<Value = (bool, u32, u8, u32, bool)> {
    (any::<bool>(), 0..64_u32, 0..=32_u8, 1..9_u32, any::<bool>()).prop_map(|(set, bits, len, v, second)| {
        (set, bits << 26 | bits << 13 | bits << 5 | bits, len, if v == 8 { 70_000 } else { v }, second)
    })
}

fn change6() -> impl Strategy<Value = (bool, u128, u8, u32, bool)> {
    (any::<bool>(), 0..16_u128, 0..=128_u8, 1..9_u32, any::<bool>()).prop_map(|(set, bits, len, v, second)| {
        let key = [0, 13, 31, 60, 90, 121].iter().fold(0, |key, shift| key | bits << shift);
        (set, key << 2, len, if v == 8 { 70_000 } else { v }, second)
    })
}

/// Below 2000::/3 but for some, in few places of each table.
fn change_in_front() -> impl Strategy<Value = (bool, u128, u8, u32, bool)> {
    let len = prop_oneof![0..=128_u8, 20..=50_u8, Just(24), Just(32), Just(40), Just(48)];
    let v = prop_oneof![1..8_u32, Just(70_000)];
    (any::<bool>(), any::<u8>(), [0..3_u128, 0..3, 0..3, 0..3], len, v, any::<bool>()).prop_map(
        |(set, top, octets, len, v, second)| {
            let [a, b, c, d] = octets.map(|octet| octet * 0x5f);
            let top = if top < 16 { u128::from(top) << 124 } else { 0x2001 << 112 };
            (set, top | a << 104 | b << 96 | c << 88 | d << 80 | d << 60 | d, len, v, second)
        },
    )
}

/// A table in front is filled along with changes, says what the trie says, and is empty when the routes are gone.
#[test]
fn a_table_in_front_is_filled_and_emptied() {
    let mut nodes = vec![super::super::rib::Node::unused(0_u32); 2000];
    let (words, direct) = (vec![Word::ZERO; words_for(100_000)], vec![Word::ZERO; DIRECT_LEN]);
    let (front, mut retired) = (vec![Word::ZERO; FRONT4_LEN], vec![Retired::EMPTY; 200]);
    let (mut grace, vrf) = (Grace::new(&[]), FibRoot::EMPTY);
    let mut fib = FibWriter::new(Rib::new(&mut nodes), &words, [&direct, &front], &mut retired, [2, 4, 1 << 22]);
    // Two that the table cannot say: a long prefix, and a large number.
    let routes = [(0, 0, 1), (10 << 24, 8, 2), (0x0a01_0200, 24, 3), (0x0a01_0280, 25, 4), (0x1400_0000, 12, 70_000)];
    for (key, len, value) in routes.into_iter().chain([(30 << 24, 8, 5), (40 << 24, 8, 6), (50 << 24, 8, 0xfffe)]) {
        assert_eq!(vrf.root() & FRONT, 0);
        fib.insert(&mut grace, &vrf, (key, len), NonZeroU32::new(value).unwrap()).unwrap();
    }
    assert_eq!(vrf.root() & FRONT, FRONT);
    let places = fib.reader().front4(0).unwrap();
    let said = [0, 0x000a_0100, 0x000a_0102, 0x0014_0000, 0x0032_0000, 0x0033_0000];
    assert_eq!(said.map(|place| get(places, place)), [1, 2, ASK, ASK, 0xfffe, 1]);
    for (key, value) in [(0x0a01_027f_u32, 3), (0x0a01_0280, 4), (0x1401_0000, 70_000), (0x3201_0000, 0xfffe)] {
        assert_eq!(fib.reader().lookup(vrf.root(), key), value);
        let mut routes = [0; 2];
        fib.reader().lookup_one(vrf.root(), &[key, 1], &mut routes);
        assert_eq!(routes, [value, 1]);
    }
    fib.remove(&mut grace, &vrf, 0x0a01_0280, 25).unwrap();
    assert_eq!(get(places, 0x000a_0102), 3);
    for (key, len) in
        [(0, 0), (10 << 24, 8), (0x0a01_0200, 24), (0x1400_0000, 12), (30 << 24, 8), (40 << 24, 8), (50 << 24, 8)]
    {
        fib.remove(&mut grace, &vrf, key, len).unwrap();
    }
    assert_eq!((vrf.root(), vrf.front.peek()), (0, 0));
    assert!(front.iter().all(|word| word.peek() == 0));
}

/// Where there is room, the readers are looked at once for many ops; a store that is nearly full looks whenever that may give room.
#[test]
fn one_look_at_the_readers_serves_many_ops() {
    let looks = |words: usize, retired: usize| {
        let mut nodes = vec![super::super::rib::Node::unused(0_u32); 2000];
        let words = vec![Word::ZERO; words_for(words)];
        let (mut retired, readers) = (vec![Retired::EMPTY; retired], [ReaderSlot::EMPTY]);
        let (mut grace, vrf) = (Grace::new(&readers), FibRoot::EMPTY);
        let mut fib = FibWriter::new(Rib::new(&mut nodes), &words, [&[], &[]], &mut retired, [NEVER; 3]);
        for n in 0..640 {
            // A node is written anew each time, but the first.
            let route = (0x0a00_0000 | (n % 64) << 8, 24);
            fib.insert(&mut grace, &vrf, route, NonZeroU32::new(1 + n).unwrap()).unwrap();
            fib.remove(&mut grace, &vrf, route.0, 24).unwrap();
        }
        // Two periods a look.
        grace.stamp().0 / 2
    };
    let [plenty, few_notes, few_words] = [looks(10_000, 200), looks(10_000, 32), looks(500, 200)];
    assert!(plenty < 100 && few_notes < 400 && few_words > 500, "{plenty} {few_notes} {few_words}");
}

proptest! {
    #[test]
    fn ipv4_look_ups_are_the_naive_ones(changes in proptest::collection::vec(change4(), 0..250)) {
        run(changes, 0, 100_000, NEVER);
    }

    #[test]
    fn ipv6_look_ups_are_the_naive_ones(changes in proptest::collection::vec(change6(), 0..250)) {
        run(changes, 0, 100_000, NEVER);
    }

    #[test]
    fn a_store_that_is_full_keeps_what_it_has(changes in proptest::collection::vec(change4(), 0..250)) {
        run(changes, 0, 600, NEVER);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn direct_roots_change_no_look_up(changes in proptest::collection::vec(change4(), 0..250)) {
        run(changes, 2, 100_000, 12);
    }

    #[test]
    fn a_table_in_front_changes_no_look_up(changes in proptest::collection::vec(change4(), 0..250)) {
        run_behind(changes, 2, FRONT4_LEN, 100_000, 12);
    }

    #[test]
    fn tables_in_front_change_no_look_up_of_ipv6(changes in proptest::collection::vec(change_in_front(), 0..250)) {
        run_behind(changes, 2, 2 * FRONT6_LEN + 60 * TABLE_LEN, 100_000, 12);
    }

    #[test]
    fn too_few_tables_in_front_change_no_look_up_of_ipv6(changes in proptest::collection::vec(change_in_front(), 0..250)) {
        run_behind(changes, 2, FRONT6_LEN + 5 * TABLE_LEN, 100_000, 12);
    }

    #[test]
    fn direct_roots_change_no_look_up_of_ipv6(changes in proptest::collection::vec(change6(), 0..250)) {
        run(changes, 2, 100_000, 12);
    }
}
