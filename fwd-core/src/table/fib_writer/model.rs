//! The look-up trie under the model checker: a reader beside the writer, in every order that the memory model allows. A direct root and what
//! stands in front of it are too large for that; each of their entries is one word, replaced by one store.

use super::*;
use crate::table::ReaderSlot;
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
    let mut fib = FibWriter::new(Rib::new(nodes), words, [&[], &[]], retired);
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
