//! The look-up trie under the model checker: a reader beside the writer, in every order that the memory model allows. A direct root and
//! what stands in front of it are too large for that, where each entry is one word, replaced by one store; the tables in front of IPv6
//! routes have two bits here.

use super::*;
use crate::table::ReaderSlot;
use crate::table::fib_front6::{self, Cursor, ROOT_BITS, TABLE_LEN, is_table};
use crate::table::pool::words_for;
use crate::table::rib::Node;
use crate::table::word::awake;
use loom::thread;
use std::boxed::Box;
use std::vec;

/// 10.0.0.0/8 is route 1, and 10.1.0.0/16 route 2 while it is there. A reader asks for an address of both while the longer one comes and
/// goes, and another takes its memory.
fn come_and_go(readers: &'static [ReaderSlot]) {
    let nodes = vec![Node::unused(0_u32); 8].leak();
    let words: &'static [Word] = vec![Word::ZERO; words_for(200)].leak();
    let retired = vec![Retired::EMPTY; 64].leak();
    let vrf: &'static FibRoot = Box::leak(Box::new(FibRoot::EMPTY));
    awake(readers);
    awake(words);
    awake(core::slice::from_ref(vrf));
    let mut grace = Grace::new(readers);
    let mut fib = FibWriter::new(Rib::new(nodes), words, [&[], &[]], retired, [u32::MAX; 3]);
    let value = |n| NonZeroU32::new(n).unwrap();
    fib.insert(&mut grace, vrf, (0x0a00_0000, 8), value(1)).unwrap();
    let reader = fib.reader();
    let reader = thread::spawn(move || {
        let _pin = readers.first().map(ReaderSlot::pin);
        let found = reader.lookup(vrf.root(), 0x0a01_0001_u32);
        assert!(found == 1 || found == 2, "assertion: {found}");
    });
    fib.insert(&mut grace, vrf, (0x0a01_0000, 16), value(2)).unwrap();
    fib.remove(&mut grace, vrf, 0x0a01_0000, 16).unwrap();
    // Busy as long as the reader may be inside what was taken out.
    let _ = fib.insert(&mut grace, vrf, (0x1401_0000, 16), value(3));
    reader.join().unwrap();
}

/// Two networks have a place each, and routes 1 and 2 longer than that. A reader asks for an address of the first one, whose route goes, and
/// whose tables the second one gets.
fn change_hands(readers: &'static [ReaderSlot]) {
    let nodes = vec![Node::unused(0_u128); 8].leak();
    let words: &'static [Word] = vec![Word::ZERO; words_for(400)].leak();
    let front: &'static [Word] = vec![Word::ZERO; 3 * TABLE_LEN].leak();
    let places: &'static [Word] = vec![Word::ZERO; 2].leak();
    let vrfs: &'static [FibRoot] = vec![FibRoot::EMPTY; 2].leak();
    awake(readers);
    awake(words);
    awake(front);
    awake(places);
    awake(vrfs);
    let mut grace = Grace::new(readers);
    let retired = vec![Retired::EMPTY; 64].leak();
    let mut fib = FibWriter::new(Rib::new(nodes), words, [&[], front], retired, [u32::MAX; 3]);
    let [first, second] = [0x2001_0d40_u32, 0x2001_0e40].map(|net| u128::from(net) << 96);
    for ((vrf, key), value) in vrfs.iter().zip([first, second]).zip(1..) {
        fib.insert(&mut grace, vrf, (key, ROOT_BITS + 5), NonZeroU32::new(value).unwrap()).unwrap();
    }
    let [place, other] = places else { unreachable!() };
    let copy = |fib: &mut FibWriter<'static, u128>, grace: &Grace<'_>, place: &Word, entry: u32, key: u128| {
        fib.copy_below(grace, place, Cursor { entry, depth: 0 }, (key.high(), ROOT_BITS, ROOT_BITS));
    };
    copy(&mut fib, &grace, place, vrfs[0].root(), first);
    assert!(is_table(place.peek()));
    let reader = fib.reader();
    let reader = thread::spawn(move || {
        let _pin = readers.first().map(ReaderSlot::pin);
        let bits = fib_front6::SHIFTS.map(|shift| first.high() >> shift);
        let found = bits.into_iter().fold(place.load(), |entry, bits| fib_front6::go_on(reader.front, entry, bits));
        assert!(found == 0 || found == ROUTE | 1, "assertion: {found:x}");
    });
    copy(&mut fib, &grace, place, 0, first);
    assert_eq!(place.peek(), 0);
    fib.release_retired(&mut grace);
    copy(&mut fib, &grace, other, vrfs[1].root(), second);
    reader.join().unwrap();
}

/// An address never finds the route of another whose network has its tables.
#[test]
fn a_reader_finds_its_own_table() {
    check(|| change_hands(Box::leak(Box::new([ReaderSlot::EMPTY]))));
}

/// Without the reader's mark it does.
#[test]
#[should_panic(expected = "assertion")]
fn without_marks_a_reader_finds_another_table() {
    check(|| change_hands(&[]));
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // Two changes from one to the other beside those that waiting makes: what goes wrong does so with few.
    (builder.preemption_bound, builder.max_branches) = (Some(2), 100_000);
    builder.check(model);
}

/// A look-up finds the route as it was or as it is, through nodes of one time.
#[test]
fn a_reader_finds_the_route_of_some_moment() {
    check(|| come_and_go(Box::leak(Box::new([ReaderSlot::EMPTY]))));
}

/// Without the reader's mark it may go on in memory that was given to others: the model sees what the marks are for.
#[test]
#[should_panic(expected = "assertion")]
fn without_marks_a_reader_finds_another_route() {
    check(|| come_and_go(&[]));
}
