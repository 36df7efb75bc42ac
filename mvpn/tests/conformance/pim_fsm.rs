//! Runs the scripts of PIM's state machines: one line for every state and event, and the code does what the line says.
//!
//!     STATE EVENTS -> STATE [: ACTIONS in the order they are carried out]
//!     STATE EVENTS -> unexpected

use std::fmt::Debug;

use mvpn::pim::assert::{AssertEvent, AssertState, assert_transition};
use mvpn::pim::downstream::{JoinEvent, JoinState, RptEvent, RptState, join_transition, rpt_transition};
use mvpn::pim::register::{RegisterEvent, RegisterState, register_transition};
use mvpn::pim::upstream::{
    RptUpstreamEvent, RptUpstreamState, UpstreamEvent, UpstreamState, rpt_upstream_transition, upstream_transition,
};

/// Runs a script against a transition function, which gives state and actions as text.
fn run<S: Copy + Debug, E: Copy + Debug>(
    script: &str,
    states: &[S],
    events: &[E],
    transition: impl Fn(S, E) -> Option<(String, Vec<String>)>,
) {
    let lines: Vec<_> =
        (1..).zip(script.lines()).filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')).collect();
    for line in &lines {
        let mut words = line.1.split("->").next().unwrap().split_whitespace();
        let state = words.next().unwrap();
        assert!(states.iter().any(|s| format!("{s:?}") == state), "line {}: no state {state}", line.0);
        for word in words {
            assert!(events.iter().any(|e| format!("{e:?}") == word), "line {}: no event {word}", line.0);
        }
    }
    for state in states {
        for event in events {
            let (state_name, event_name) = (format!("{state:?}"), format!("{event:?}"));
            let applies = |l: &&(i32, &str)| {
                let mut words = l.1.split("->").next().unwrap().split_whitespace();
                words.next() == Some(&state_name) && words.any(|w| w == event_name)
            };
            let mut found = lines.iter().filter(applies);
            let at = format!("{state_name}, {event_name}");
            let (number, line) = found.next().unwrap_or_else(|| panic!("no line for {at}"));
            assert!(found.next().is_none(), "two lines for {at}");
            let response = line.split_once("->").unwrap().1;
            let (outcome, actions) = response.split_once(':').unwrap_or((response, ""));
            let expected: Vec<String> = actions.split_whitespace().map(str::to_owned).collect();
            match transition(*state, *event) {
                None => assert_eq!(outcome.trim(), "unexpected", "line {number}, {at}"),
                Some((next, actions)) => {
                    assert_eq!((outcome.trim(), expected), (next.as_str(), actions), "line {number}, {at}");
                }
            }
        }
    }
}

fn text<S: Debug, A: Debug, X>(r: Result<(S, &[A]), X>) -> Option<(String, Vec<String>)> {
    let (next, actions) = r.ok()?;
    Some((format!("{next:?}"), actions.iter().map(|a| format!("{a:?}")).collect()))
}

#[test]
fn downstream_join_machines() {
    let script = include_str!("rfc7761-4.5.1-downstream/script.txt");
    run(script, &JoinState::ALL, &JoinEvent::ALL, |s, e| text(join_transition(s, e)));
}

#[test]
fn downstream_rpt_machine() {
    let script = include_str!("rfc7761-4.5.3-downstream-rpt/script.txt");
    run(script, &RptState::ALL, &RptEvent::ALL, |s, e| text(rpt_transition(s, e)));
}

#[test]
fn upstream_machines() {
    let script = include_str!("rfc7761-4.5.4-upstream/script.txt");
    run(script, &UpstreamState::ALL, &UpstreamEvent::ALL, |s, e| text(upstream_transition(s, e)));
}

#[test]
fn upstream_rpt_machine() {
    let script = include_str!("rfc7761-4.5.7-upstream-rpt/script.txt");
    run(script, &RptUpstreamState::ALL, &RptUpstreamEvent::ALL, |s, e| text(rpt_upstream_transition(s, e)));
}

#[test]
fn register_machine() {
    let script = include_str!("rfc7761-4.4.1-register/script.txt");
    run(script, &RegisterState::ALL, &RegisterEvent::ALL, |s, e| text(register_transition(s, e)));
}

#[test]
fn assert_machines() {
    let script = include_str!("rfc7761-4.6-assert/script.txt");
    let transition =
        |s, e| text(assert_transition(s, e).as_ref().map(|(next, action)| (*next, std::slice::from_ref(action))));
    run(script, &AssertState::ALL, &AssertEvent::ALL, transition);
}
