//! Runs the script of `rfc5059-3.1-bsr/`; its README says how it reads.

use mvpn::pim::bsr::fsm::{BsrEvent, BsrState, transition};

const SCRIPT: &str = include_str!("rfc5059-3.1-bsr/fsm.txt");

/// Shows: MVPN-RP-4
#[test]
fn every_cell_is_as_the_script_says() {
    use BsrEvent as E;
    use BsrState as S;
    let states = [S::Candidate, S::Pending, S::Elected, S::NoInfo, S::AcceptAny, S::AcceptPreferred];
    let events = [E::Preferred, E::NonPreferred, E::NonPreferredFromElected, E::BootstrapTimer, E::ScopeZoneTimer];
    for state in states {
        for event in events {
            let pair = format!("{state:?} {event:?} -> ");
            let mut lines = SCRIPT.lines().filter_map(|l| l.strip_prefix(&pair));
            let line = lines.next().unwrap_or_else(|| panic!("no line for {pair}"));
            assert!(lines.next().is_none(), "two lines for {pair}");
            let found = match transition(state, event) {
                Err(_) => "never".to_owned(),
                Ok((next, [])) => format!("{next:?}"),
                Ok((next, actions)) => {
                    let actions: Vec<_> = actions.iter().map(|a| format!("{a:?}")).collect();
                    format!("{next:?} : {}", actions.join(" "))
                }
            };
            assert_eq!(found, line, "{pair}");
        }
    }
    assert_eq!(SCRIPT.lines().count(), states.len() * events.len());
}
