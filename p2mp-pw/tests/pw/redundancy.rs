//! Redundant sets (RFC 6718, RFC 6870): PE 1 has a circuit that is dual-homed to PEs 2 and 3.

use p2mp_pw::ldp::PwStatus;
use p2mp_pw::pw::{Event, PwConfig, PwIndex, RedundancyMember, RedundancyMode};

use crate::net::{Net, pw_id};

fn member(mode: RedundancyMode, precedence: u8) -> Option<RedundancyMember> {
    Some(RedundancyMember { set: 1, mode, precedence })
}

/// PE 1 with a set of two; the far ends each have one, of sets of their own.
fn dual(near: RedundancyMode, far: RedundancyMode) -> (Net, [PwIndex; 2], [PwIndex; 2]) {
    let mut net = Net::new(3, &[(1, 2), (1, 3)]);
    let ours = [(2, 0), (3, 1)]
        .map(|(peer, precedence)| net.add(1, PwConfig { redundancy: member(near, precedence), ..pw_id(peer, 100) }));
    let theirs = [2, 3].map(|n| net.add(n, PwConfig { redundancy: member(far, 0), ..pw_id(1, 100) }));
    net.wait(31);
    (net, ours, theirs)
}

#[test]
fn a_master_has_one_active_and_the_slaves_follow() {
    let (mut net, [first, second], [at2, at3]) = dual(RedundancyMode::Master, RedundancyMode::Slave);
    assert_eq!([net.up(1, first), net.up(1, second)], [true, false]);
    assert_eq!([net.up(2, at2), net.up(3, at3)], [true, false]);
    assert_eq!(net.pe(3).pws.remote_status(at3), Some(PwStatus::STANDBY));
    // PE 2's circuit fails: the other takes over, at both ends.
    net.faults(2, at2, PwStatus::AC_RECEIVE_FAULT);
    assert_eq!([net.up(1, first), net.up(1, second)], [false, true]);
    assert!(net.up(3, at3) && !net.up(2, at2));
    assert!(net.pe(1).events.contains(&Event::Active { set: 1, pw: Some(second) }));
    // Back again: the set reverts to its primary, after a while.
    net.faults(2, at2, PwStatus::empty());
    assert_eq!([net.up(1, first), net.up(1, second)], [false, true]);
    net.wait(29);
    assert!(net.up(1, second));
    net.wait(1);
    assert_eq!([net.up(1, first), net.up(1, second)], [true, false]);
    assert_eq!([net.up(2, at2), net.up(3, at3)], [true, false]);
}

#[test]
fn a_primary_that_fails_while_it_waits_is_not_reverted_to() {
    let (mut net, [first, second], [at2, _]) = dual(RedundancyMode::Master, RedundancyMode::Slave);
    net.faults(2, at2, PwStatus::AC_RECEIVE_FAULT);
    net.faults(2, at2, PwStatus::empty());
    net.wait(10);
    net.faults(2, at2, PwStatus::AC_RECEIVE_FAULT);
    net.wait(25);
    assert!(net.up(1, second));
    net.faults(2, at2, PwStatus::empty());
    net.wait(29);
    assert!(net.up(1, second) && !net.up(1, first), "the wait begins anew");
    net.wait(2);
    assert!(net.up(1, first));
}

/// Both ends have sets: only what both have active is used; a request makes the other end follow.
#[test]
fn independent_ends_meet_by_request() {
    let mut net = Net::new(2, &[(1, 2)]);
    let at = |peer, n, precedence| {
        let redundancy = member(RedundancyMode::Independent, precedence);
        PwConfig { redundancy, ..pw_id(peer, n) }
    };
    // They prefer different ones.
    let a = [net.add(1, at(2, 1, 1)), net.add(1, at(2, 2, 2))];
    let b = [net.add(2, at(1, 1, 2)), net.add(2, at(1, 2, 1))];
    net.wait(31);
    let active = |net: &Net| [net.up(1, a[0]), net.up(1, a[1]), net.up(2, b[0]), net.up(2, b[1])];
    let before = active(&net);
    assert_eq!(before[0], before[2], "both ends or none");
    let now = net.now;
    net.pe(1).pws.switch_over(now, a[1]).unwrap();
    net.run();
    assert_eq!(active(&net), [false, true, false, true]);
    net.wait(3);
    assert_eq!(active(&net), [false, true, false, true]);
    assert!(!net.pe(1).events.iter().any(|e| matches!(e, Event::SwitchoverRefused { .. })));
}

/// A peer that does not follow: reported once the time is over.
#[test]
fn a_request_that_nobody_follows_is_reported() {
    let mut net = Net::new(2, &[(1, 2)]);
    let a = net.add(1, PwConfig { redundancy: member(RedundancyMode::Independent, 1), ..pw_id(2, 1) });
    // The far end has another, better one active; its mode is to decide alone.
    let far = |n, precedence| PwConfig { redundancy: member(RedundancyMode::Master, precedence), ..pw_id(1, n) };
    net.add(2, far(1, 2));
    net.add(2, far(2, 0));
    let near = net.add(1, pw_id(2, 2));
    net.faults(1, near, PwStatus::empty());
    net.wait(31);
    let now = net.now;
    net.pe(1).pws.switch_over(now, a).unwrap();
    net.run();
    net.wait(2);
    let refused = net.pe(1).events.contains(&Event::SwitchoverRefused { pw: a });
    let standby = net.pe(1).pws.remote_status(a).unwrap().contains(PwStatus::STANDBY);
    assert_eq!(refused, standby);
    assert!(refused);
}
