//! Runs the script of `rfc3376-6.4-reports/`; its README says how it reads.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use mvpn::address::Address;
use mvpn::gmp::{Filter, RecordType, TimerValue, transition};

const TABLES: &str = include_str!("rfc3376-6.4-reports/tables.txt");

/// A word and the sets behind it.
fn split(text: &str) -> (&str, Vec<BTreeSet<u8>>) {
    let mut parts = text.split('{');
    let word = parts.next().unwrap();
    let sets = parts.map(|part| {
        let body = part.split('}').next().unwrap();
        body.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
    });
    (word, sets.collect())
}

fn addresses<A: Address>(of: &BTreeSet<u8>) -> BTreeSet<A> {
    of.iter().map(|&n| A::split(&[&[0x20; 15][..A::LEN - 1], &[n]].concat()).unwrap().0).collect()
}

fn state<A: Address>(text: &str) -> Filter<A> {
    match split(text) {
        ("INCLUDE", sets) => Filter::Include(addresses(&sets[0])),
        ("EXCLUDE", sets) => Filter::Exclude { requested: addresses(&sets[0]), excluded: addresses(&sets[1]) },
        other => panic!("no state: {other:?}"),
    }
}

fn record<A: Address>(text: &str) -> (RecordType, BTreeSet<A>) {
    let (name, sets) = split(text);
    let kind = (1..=6).map(RecordType).find(|k| k.name() == Some(name)).unwrap_or_else(|| panic!("no record: {name}"));
    (kind, addresses(&sets[0]))
}

fn names<A: Address>(filter: &Filter<A>) -> BTreeSet<A> {
    match filter {
        Filter::Include(sources) => sources.clone(),
        Filter::Exclude { requested, excluded } => requested | excluded,
    }
}

fn check<A: Address>(line: &str) {
    let (stimulus, response) = line.split_once(" -> ").unwrap_or_else(|| panic!("{line}: no ->"));
    let (before, said) = stimulus.split_once(' ').unwrap();
    let (after, actions) = response.split_once(" :").unwrap();
    let (before, (kind, sources)) = (state::<A>(before), record::<A>(said));
    let found = transition(&before, kind, &sources);
    assert_eq!(found.next, state(after), "{line}");
    let (mut set, mut value, mut group, mut deleted) = (BTreeSet::new(), TimerValue::default(), false, BTreeSet::new());
    let (mut query_sources, mut query_group) = (BTreeSet::new(), false);
    for action in actions.split_whitespace() {
        match (split(action), action.rsplit('=').next().unwrap()) {
            (("timer", sets), to) => {
                set = addresses(&sets[0]);
                value = if to == "group" { TimerValue::GroupTimer } else { TimerValue::MembershipInterval };
            }
            (("delete", sets), _) => deleted = addresses(&sets[0]),
            (("Q", sets), _) if sets.is_empty() => query_group = true,
            (("Q", sets), _) => query_sources = addresses(&sets[0]),
            (("group=GMI", _), _) => group = true,
            other => panic!("{line}: no action: {other:?}"),
        }
    }
    assert_eq!(found.set, set, "{line}");
    assert!(set.is_empty() || found.value == value, "{line}");
    assert_eq!((found.set_group_timer, found.query_group), (group, query_group), "{line}");
    assert_eq!(found.query_sources, query_sources, "{line}");
    assert_eq!(&names(&before) - &names(&found.next), deleted, "{line}");
}

/// Shows: MVPN-CEPE-3, MVPN-CEPE-4
#[test]
fn every_row_of_the_state_tables() {
    let lines = TABLES.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let n = lines.inspect(|line| {
        check::<Ipv4Addr>(line);
        check::<Ipv6Addr>(line);
    });
    assert_eq!(n.count(), 19);
}
