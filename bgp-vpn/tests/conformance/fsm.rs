//! Runs the scripts of `rfc4271-8.2.2-fsm/`; its README says how they read.

use bgp_vpn::session::{Conditions, SessionEvent, State, transition};

const SCRIPTS: [(State, &str); 6] = [
    (State::Idle, include_str!("rfc4271-8.2.2-fsm/idle.txt")),
    (State::Connect, include_str!("rfc4271-8.2.2-fsm/connect.txt")),
    (State::Active, include_str!("rfc4271-8.2.2-fsm/active.txt")),
    (State::OpenSent, include_str!("rfc4271-8.2.2-fsm/open_sent.txt")),
    (State::OpenConfirm, include_str!("rfc4271-8.2.2-fsm/open_confirm.txt")),
    (State::Established, include_str!("rfc4271-8.2.2-fsm/established.txt")),
];

#[derive(Debug)]
struct Line<'a> {
    number: usize,
    events: Vec<u8>,
    holds: Conditions,
    fails: Conditions,
    outcome: &'a str,
    actions: Vec<&'a str>,
}

fn condition(name: &str) -> Conditions {
    match name {
        "delay-open" => Conditions::DELAY_OPEN,
        "delay-timer" => Conditions::DELAY_OPEN_TIMER_RUNS,
        "notify" => Conditions::NOTIFICATION_WITHOUT_OPEN,
        "damp" => Conditions::DAMP_PEER_OSCILLATIONS,
        "restarts" => Conditions::PEER_RESTARTS,
        other => panic!("no condition is called {other}"),
    }
}

fn parse(number: usize, line: &str) -> Line<'_> {
    let (stimulus, response) = line.split_once("->").unwrap_or_else(|| panic!("line {number}: no ->"));
    let (mut events, mut holds, mut fails) = (Vec::new(), Conditions::empty(), Conditions::empty());
    for word in stimulus.split([' ', ',']).filter(|w| !w.is_empty()) {
        if let Some(name) = word.strip_prefix('+') {
            holds |= condition(name);
        } else if let Some(name) = word.strip_prefix('-') {
            fails |= condition(name);
        } else {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let number = |n: &str| n.parse::<u8>().unwrap_or_else(|_| panic!("line {number}: event {n}"));
            events.extend(number(first)..=number(last));
        }
    }
    let (outcome, actions) = response.split_once(':').unwrap_or((response, ""));
    Line { number, events, holds, fails, outcome: outcome.trim(), actions: actions.split_whitespace().collect() }
}

#[test]
fn every_cell_is_as_the_script_says() {
    let mut cells = 0;
    for (state, script) in SCRIPTS {
        let lines: Vec<_> = (1..)
            .zip(script.lines())
            .filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
            .map(|(n, l)| parse(n, l))
            .collect();
        for event in SessionEvent::ALL {
            for bits in 0..32 {
                let conditions = Conditions::from_bits_truncate(bits);
                let applies = |l: &&Line<'_>| {
                    l.events.contains(&event.number())
                        && conditions.contains(l.holds)
                        && !conditions.intersects(l.fails)
                };
                let mut found = lines.iter().filter(applies);
                let line = found.next().unwrap_or_else(|| panic!("{state:?}: no line for {event:?}, {conditions:?}"));
                assert!(found.next().is_none(), "{state:?}: two lines for {event:?}, {conditions:?}");
                let (outcome, actions) = match transition(state, event, conditions) {
                    Ok((next, actions)) => (format!("{next:?}"), actions),
                    Err(unexpected) => (format!("unexpected {}", unexpected.subcode), unexpected.actions),
                };
                let actions: Vec<_> = actions.iter().map(|a| format!("{a:?}")).collect();
                let at = format!("{state:?}, line {}, event {event:?}, {conditions:?}", line.number);
                assert_eq!(outcome, line.outcome, "{at}");
                assert_eq!(actions, line.actions, "{at}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 6 * 30 * 32);
}

#[test]
fn event_numbers_are_those_of_the_rfc() {
    for (number, event) in (1..).zip(SessionEvent::ALL) {
        assert_eq!(event.number(), number);
    }
    assert_eq!(SessionEvent::OpenCollisionDump.number(), 23);
}
