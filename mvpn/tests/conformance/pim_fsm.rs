//! Runs the scripts of PIM's state machines: one line for every state and event, and the code does what the line says.
//!
//!     STATE EVENTS -> STATE [: ACTIONS in the order they are carried out]
//!     STATE EVENTS -> unexpected

use std::fmt::Debug;

use mvpn::pim::assert::{AssertEvent, AssertState, assert_transition};
use mvpn::pim::bidir::fsm::{DfEvent, DfState, df_transition};
use mvpn::pim::dense::fsm as dense;
use mvpn::pim::downstream::{JoinEvent, JoinState, RptEvent, RptState, join_transition, rpt_transition};
use mvpn::pim::register::{RegisterEvent, RegisterState, register_transition};
use mvpn::pim::upstream::{
    RptUpstreamEvent, RptUpstreamState, UpstreamEvent, UpstreamState, rpt_upstream_transition, upstream_transition,
};

/// Runs a script against a transition function, which gives state and actions as text.
pub fn run<S: Copy + Debug, E: Copy + Debug>(
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

/// Shows: MVPN-CEPE-2
#[test]
fn downstream_join_machines() {
    let script = include_str!("rfc7761-4.5.1-downstream/script.txt");
    run(script, &JoinState::ALL, &JoinEvent::ALL, |s, e| text(join_transition(s, e)));
}

/// Shows: MVPN-CEPE-2
#[test]
fn downstream_rpt_machine() {
    let script = include_str!("rfc7761-4.5.3-downstream-rpt/script.txt");
    run(script, &RptState::ALL, &RptEvent::ALL, |s, e| text(rpt_transition(s, e)));
}

/// Shows: MVPN-CEPE-2
#[test]
fn upstream_machines() {
    let script = include_str!("rfc7761-4.5.4-upstream/script.txt");
    run(script, &UpstreamState::ALL, &UpstreamEvent::ALL, |s, e| text(upstream_transition(s, e)));
}

/// Shows: MVPN-CEPE-2
#[test]
fn upstream_rpt_machine() {
    let script = include_str!("rfc7761-4.5.7-upstream-rpt/script.txt");
    run(script, &RptUpstreamState::ALL, &RptUpstreamEvent::ALL, |s, e| text(rpt_upstream_transition(s, e)));
}

/// Shows: MVPN-CEPE-2
#[test]
fn register_machine() {
    let script = include_str!("rfc7761-4.4.1-register/script.txt");
    run(script, &RegisterState::ALL, &RegisterEvent::ALL, |s, e| text(register_transition(s, e)));
}

/// Shows: MVPN-CEPE-2
#[test]
fn assert_machines() {
    let script = include_str!("rfc7761-4.6-assert/script.txt");
    let transition =
        |s, e| text(assert_transition(s, e).as_ref().map(|(next, action)| (*next, std::slice::from_ref(action))));
    run(script, &AssertState::ALL, &AssertEvent::ALL, transition);
}

/// Shows: MVPN-CEPE-6
#[test]
fn df_election() {
    let script = include_str!("rfc5015-3.5.3-df-election/script.txt");
    run(script, &DfState::ALL, &DfEvent::ALL, |s, e| text(df_transition(s, e)));
}

/// Shows: MVPN-CEPE-7
#[test]
fn dense_mode_machines() {
    let script = include_str!("rfc3973-4.4.1-upstream/script.txt");
    run(script, &dense::UpstreamState::ALL, &dense::UpstreamEvent::ALL, |s, e| text(dense::upstream_transition(s, e)));
    let script = include_str!("rfc3973-4.4.2-downstream/script.txt");
    run(script, &dense::PruneState::ALL, &dense::PruneEvent::ALL, |s, e| text(dense::prune_transition(s, e)));
    let script = include_str!("rfc3973-4.5.2-origination/script.txt");
    let (states, events) = (&dense::OriginationState::ALL, &dense::OriginationEvent::ALL);
    run(script, states, events, |s, e| text(dense::origination_transition(s, e)));
    let script = include_str!("rfc3973-4.6.4-assert/script.txt");
    let transition = |s, e| text(dense::dense_assert_transition(s, e));
    run(script, &AssertState::ALL, &dense::DenseAssertEvent::ALL, transition);
}
