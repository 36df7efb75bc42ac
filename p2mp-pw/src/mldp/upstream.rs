//! Upstream LSRs: which one (RFC 6388 §2.4.1.1), and the change to another one (§2.4.3), with make-before-break (§8.4).

use super::io::Candidate;
use crate::ldp::LdpId;

/// Where a tree stands towards its root: its accepting elements (RFC 6388 §8.4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No upstream LSR.
    #[default]
    Idle,
    /// An inactive element only: a tree that is new and waits for its upstream LSR's notification (state 2 of §8.1).
    Waiting,
    /// An active element (state 3 of §8.1).
    Active,
    /// An active element, and an inactive one at the LSR that takes over.
    Switching,
}

/// What happens to the upstream LSR of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamEvent {
    /// Another LSR is chosen, and has to say when it is ready.
    SelectedMbb,
    /// Another LSR is chosen, and is used at once.
    Selected,
    /// The LSR of the active element is chosen again.
    Reselected,
    /// There is none, or nobody needs one.
    NoneLeft,
    /// The chosen LSR is ready: the notification that matches the inactive element (§8.4.5).
    Acknowledged,
    /// It did not say so in time (§8.4.3).
    TimedOut,
    /// The LSR of the active element is gone.
    ActiveLost,
    /// The LSR of the inactive element is gone.
    PendingLost,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Withdraw the inactive element's label.
    DropPending,
    /// Withdraw the active element's label.
    DropActive,
    /// A label for the chosen LSR, in the forwarding table.
    NewActive,
    /// A label for the chosen LSR, not in the forwarding table; the mapping asks for a notification.
    NewPending,
    /// The inactive element becomes the active one.
    Activate,
    /// Notify the downstream LSRs that asked.
    Acknowledge,
}

/// An event that cannot be in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// The state after an event, and what is done in this order.
///
/// # Errors
/// The event cannot be in the state.
pub fn transition(state: State, event: UpstreamEvent) -> Result<(State, &'static [Action]), Unexpected> {
    use Action::{Acknowledge, Activate, DropActive, DropPending, NewActive, NewPending};
    use State::{Active, Idle, Switching, Waiting};
    use UpstreamEvent as E;
    Ok(match (state, event) {
        (Idle, E::SelectedMbb) => (Waiting, &[NewPending]),
        (Idle, E::Selected) => (Active, &[NewActive, Acknowledge]),
        (Idle, E::NoneLeft) => (Idle, &[]),
        // §8.4.3: a newer inactive element replaces the older.
        (Waiting, E::SelectedMbb) => (Waiting, &[DropPending, NewPending]),
        (Waiting, E::Selected) => (Active, &[DropPending, NewActive, Acknowledge]),
        (Waiting, E::NoneLeft | E::PendingLost) => (Idle, &[DropPending]),
        (Waiting, E::Acknowledged | E::TimedOut) => (Active, &[Activate, Acknowledge]),
        (Active, E::SelectedMbb) => (Switching, &[NewPending]),
        // §2.4.3: the old label goes before the new one is used.
        (Active, E::Selected) => (Active, &[DropActive, NewActive]),
        (Active, E::Reselected) => (Active, &[]),
        (Active, E::NoneLeft | E::ActiveLost) => (Idle, &[DropActive]),
        (Switching, E::SelectedMbb) => (Switching, &[DropPending, NewPending]),
        (Switching, E::Selected) => (Active, &[DropPending, DropActive, NewActive, Acknowledge]),
        (Switching, E::Reselected | E::PendingLost) => (Active, &[DropPending, Acknowledge]),
        (Switching, E::NoneLeft) => (Idle, &[DropPending, DropActive]),
        (Switching, E::Acknowledged | E::TimedOut) => (Active, &[DropActive, Activate, Acknowledge]),
        // §8.4.3: without the old one there is nothing to wait for.
        (Switching, E::ActiveLost) => (Active, &[DropActive, Activate, Acknowledge]),
        (Idle, E::Reselected | E::Acknowledged | E::TimedOut | E::ActiveLost | E::PendingLost)
        | (Waiting, E::Reselected | E::ActiveLost)
        | (Active, E::Acknowledged | E::TimedOut | E::PendingLost) => return Err(Unexpected),
    })
}

/// The candidate that is a tree's upstream LSR: all routers of a LAN with the same candidates choose the same (RFC 6388
/// §2.4.1.1). `candidates` are in ascending order.
#[must_use]
pub fn choose(candidates: &[Candidate], opaque: &[u8]) -> Option<LdpId> {
    let n = u32::try_from(candidates.len()).ok()?;
    let h = crc32(opaque).checked_rem(n)?;
    candidates.get(usize::try_from(h).ok()?).map(|c| c.peer)
}

/// The CRC of IEEE 802.3: reflected, polynomial 0x04c11db7.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_event() {
        use State::{Active, Idle, Switching, Waiting};
        use UpstreamEvent as E;
        let events = [
            E::SelectedMbb,
            E::Selected,
            E::Reselected,
            E::NoneLeft,
            E::Acknowledged,
            E::TimedOut,
            E::ActiveLost,
            E::PendingLost,
        ];
        let table = [
            (Idle, [Some(Waiting), Some(Active), None, Some(Idle), None, None, None, None]),
            (Waiting, [Some(Waiting), Some(Active), None, Some(Idle), Some(Active), Some(Active), None, Some(Idle)]),
            (Active, [Some(Switching), Some(Active), Some(Active), Some(Idle), None, None, Some(Idle), None]),
            (
                Switching,
                [
                    Some(Switching),
                    Some(Active),
                    Some(Active),
                    Some(Idle),
                    Some(Active),
                    Some(Active),
                    Some(Active),
                    Some(Active),
                ],
            ),
        ];
        for (state, row) in table {
            for (event, expected) in events.into_iter().zip(row) {
                let found = transition(state, event);
                assert_eq!(found.map(|(next, _)| next).ok(), expected, "{state:?} {event:?}");
                let Ok((next, actions)) = found else { continue };
                // The elements that the actions leave are those of the next state.
                let (mut active, mut pending) = (state >= Active, matches!(state, Waiting | Switching));
                for action in actions {
                    match action {
                        Action::DropActive => active = false,
                        Action::DropPending => pending = false,
                        Action::NewActive => active = true,
                        Action::NewPending => pending = true,
                        Action::Activate => (active, pending) = (true, false),
                        Action::Acknowledge => assert!(active),
                    }
                }
                assert_eq!((active, pending), (next >= Active, matches!(next, Waiting | Switching)));
            }
        }
    }

    #[test]
    fn checksum_and_choice_are_those_of_the_rfc() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let candidates: Vec<_> = (1..=3_u8)
            .map(|n| Candidate { address: [192, 0, 2, n].into(), peer: LdpId::platform([192, 0, 2, n].into()) })
            .collect();
        let opaque = [1, 0, 4, 0, 0, 0, 9];
        let h = (crc32(&opaque) % 3) as usize;
        assert_eq!(choose(&candidates, &opaque), Some(candidates[h].peer));
        assert_eq!(choose(&[], &opaque), None);
    }

    extern crate std;
    use std::vec::Vec;
}
