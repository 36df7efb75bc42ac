//! Runs the script of `rfc3618-11-peer/`; its README says how it reads.

use mvpn::msdp::fsm::{PeerEvent, PeerState, transition};

const SCRIPT: &str = include_str!("rfc3618-11-peer/fsm.txt");

/// Shows: MVPN-RP-4
#[test]
fn exactly_the_transitions_of_the_script() {
    use PeerState as S;
    let mut found = Vec::new();
    for state in [S::Disabled, S::Inactive, S::Connecting, S::Listen, S::Established] {
        for event in PeerEvent::ALL {
            if let Ok((next, actions)) = transition(state, event) {
                let actions: Vec<_> = actions.iter().map(|a| format!("{a:?}")).collect();
                found.push(format!("{state:?} {event:?} -> {next:?} : {}", actions.join(" ")));
            }
        }
    }
    let mut script: Vec<_> = SCRIPT.lines().map(str::to_owned).collect();
    script.sort();
    found.sort();
    assert_eq!(found, script);
}
