//! Runs the scripts of IGMP's and MLD's routers on the machine itself: it is brought into the state, the event happens, and what can be seen of
//! it from outside is what the script says.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::gmp::{Message, Query, ResponseCode, Version};

use super::lan::{Family, IF, Lan};
use super::pim_fsm::run;

/// Of the defaults (RFC 3376 §8): Query Interval, Other Querier Present Interval, Group Membership Interval.
const QUERY_INTERVAL: u64 = 125;
const OTHER_QUERIER: Duration = Duration::from_secs(255);
const MEMBERSHIP: Duration = Duration::from_secs(260);
/// Last Member Query Time.
const LAST_MEMBER: Duration = Duration::from_secs(2);

type Outcome = Option<(String, Vec<String>)>;

fn outcome(state: impl std::fmt::Debug, actions: Vec<&str>) -> Outcome {
    Some((format!("{state:?}"), actions.into_iter().map(str::to_owned).collect()))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Initial,
    Querier,
    NonQuerier,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RoleEvent {
    Start,
    QueryTimerExpires,
    QueryFromLower,
    QueryFromHigher,
    OtherQuerierTimerExpires,
}

/// A general query of router `n` in the version of the LAN.
fn general_query<A: Family>(lan: &mut Lan<A>, version: Version, n: u8) {
    if version == Version::V3 {
        return lan.query(n, A::UNSPECIFIED, false, 2, 125);
    }
    let response = A::ResponseCode::of(Duration::from_secs(10));
    let query = Query { group: A::UNSPECIFIED, response, v3: None };
    lan.message(A::host(n), A::ALL_SYSTEMS, &Message::Query(query));
}

/// When the router is the querier if nobody speaks any more.
fn querier_after<A: Family>(lan: &Lan<A>) -> Option<Duration> {
    let mut router = lan.router.clone();
    let mut now = lan.now;
    while !router.is_querier(IF) {
        now = router.next_timeout()?;
        router.handle_timeout(now);
    }
    Some(now - lan.now)
}

fn role<A: Family>(version: Version, state: Role, event: RoleEvent) -> Outcome {
    let mut lan = Lan::<A>::with(|c| c.version = version);
    if state == Role::Initial {
        let general = lan.take_sent();
        return (event == RoleEvent::Start && lan.router.is_querier(IF) && general.len() == 1)
            .then(|| outcome(Role::Querier, vec!["SendGeneralQuery"]))
            .flatten();
    }
    // The queries of the start are over.
    lan.secs(QUERY_INTERVAL);
    if state == Role::NonQuerier {
        general_query(&mut lan, version, 5);
        lan.secs(20);
    }
    lan.take_sent();
    let before = querier_after(&lan);
    match (state, event) {
        (_, RoleEvent::QueryFromLower) => general_query(&mut lan, version, 5),
        (_, RoleEvent::QueryFromHigher) => general_query(&mut lan, version, 20),
        (Role::Querier, RoleEvent::QueryTimerExpires) => lan.secs(QUERY_INTERVAL),
        (Role::NonQuerier, RoleEvent::OtherQuerierTimerExpires) => lan.pass(before?),
        _ => return None,
    }
    let after = querier_after(&lan);
    let mut actions = vec!["SendGeneralQuery"; lan.take_sent().iter().filter(|s| s.group == A::UNSPECIFIED).count()];
    if after == Some(OTHER_QUERIER) && before != after {
        actions.push("SetOtherQuerierTimer");
    }
    outcome(if lan.router.is_querier(IF) { Role::Querier } else { Role::NonQuerier }, actions)
}

/// Shows: MVPN-CEPE-3, MVPN-CEPE-4
#[test]
fn querier_election() {
    use RoleEvent::*;
    let script = include_str!("rfc2236-7-querier/script.txt");
    let states = [Role::Initial, Role::Querier, Role::NonQuerier];
    let events = [Start, QueryTimerExpires, QueryFromLower, QueryFromHigher, OtherQuerierTimerExpires];
    for version in [Version::V2, Version::V3] {
        run(script, &states, &events, |s, e| role::<Ipv4Addr>(version, s, e));
        run(script, &states, &events, |s, e| role::<Ipv6Addr>(version, s, e));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Group {
    NoMembers,
    Members,
    Checking,
    V1Members,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum GroupEvent {
    V2Report,
    V1Report,
    Leave,
    GroupQuery,
    TimerExpires,
    RetransmitTimerExpires,
    V1HostTimerExpires,
}

/// The group's state, as far as it can be seen.
fn group_state<A: Family>(lan: &Lan<A>) -> Group {
    let group = A::group(1);
    match lan.router.group_timer(IF, group) {
        None => Group::NoMembers,
        Some(_) if lan.router.compatibility(IF, group) == Version::V1 => Group::V1Members,
        Some(left) if left <= LAST_MEMBER => Group::Checking,
        Some(_) => Group::Members,
    }
}

/// When a host of version 1 is forgotten, while reports of version 2 go on.
fn version_1_until<A: Family>(lan: &Lan<A>) -> Option<Duration> {
    let mut router = lan.router.clone();
    let mut now = lan.now;
    while router.compatibility(IF, A::group(1)) == Version::V1 {
        now = router.next_timeout()?;
        router.handle_timeout(now);
    }
    (now > lan.now).then(|| now - lan.now)
}

/// A member's report, a leave, or a question of the querier, router 5.
fn happens<A: Family>(lan: &mut Lan<A>, event: GroupEvent) {
    let group = A::group(1);
    match event {
        GroupEvent::V2Report => lan.message(A::host(20), group, &Message::ReportV2(group)),
        GroupEvent::V1Report => lan.message(A::host(21), group, &Message::ReportV1(group)),
        GroupEvent::Leave => lan.message(A::host(20), A::ALL_ROUTERS, &Message::Leave(group)),
        GroupEvent::GroupQuery => {
            let query = Query { group, response: A::ResponseCode::of(Duration::from_secs(1)), v3: None };
            lan.message(A::host(5), group, &Message::Query(query));
        }
        _ => {}
    }
}

/// Time passes; router 5 asks generally now and then where it is the querier.
fn wait<A: Family>(lan: &mut Lan<A>, is_querier: bool, time: Duration) {
    let end = lan.now + time;
    while lan.now < end {
        if !is_querier {
            general_query(lan, Version::V2, 5);
        }
        let left = end - lan.now;
        lan.pass(left.min(Duration::from_secs(100)));
    }
}

/// A router of version 2 with the group in a state, a little after what brought it there.
fn in_state<A: Family>(is_querier: bool, state: Group, event: GroupEvent) -> Lan<A> {
    let mut lan = Lan::<A>::with(|c| c.version = Version::V2);
    wait(&mut lan, is_querier, Duration::from_secs(QUERY_INTERVAL));
    match state {
        Group::NoMembers => {}
        Group::Members => {
            happens(&mut lan, GroupEvent::V2Report);
            wait(&mut lan, is_querier, Duration::from_secs(20));
        }
        Group::Checking => {
            happens(&mut lan, GroupEvent::V2Report);
            wait(&mut lan, is_querier, Duration::from_secs(20));
            happens(&mut lan, if is_querier { GroupEvent::Leave } else { GroupEvent::GroupQuery });
            let later = if event == GroupEvent::TimerExpires { 1500 } else { 500 };
            wait(&mut lan, is_querier, Duration::from_millis(later));
        }
        Group::V1Members => {
            happens(&mut lan, GroupEvent::V1Report);
            wait(&mut lan, is_querier, Duration::from_secs(20));
            if event == GroupEvent::V1HostTimerExpires {
                happens(&mut lan, GroupEvent::V2Report);
            }
        }
    }
    assert_eq!(group_state(&lan), state);
    lan
}

fn group<A: Family>(is_querier: bool, state: Group, event: GroupEvent) -> Outcome {
    let mut lan = in_state::<A>(is_querier, state, event);
    lan.take_sent();
    let (group, had) = (A::group(1), lan.any(A::group(1)));
    let timers = |lan: &Lan<A>| (lan.router.group_timer(IF, group), version_1_until(lan));
    let (timer, host) = timers(&lan);
    let elapses = match (state, event) {
        (Group::NoMembers, GroupEvent::TimerExpires) => return None,
        (_, GroupEvent::TimerExpires) => timer?,
        (Group::Checking, GroupEvent::RetransmitTimerExpires) if is_querier => Duration::from_millis(500),
        (Group::V1Members, GroupEvent::V1HostTimerExpires) => host?,
        (_, GroupEvent::RetransmitTimerExpires | GroupEvent::V1HostTimerExpires) => return None,
        _ => Duration::ZERO,
    };
    happens(&mut lan, event);
    if elapses > Duration::ZERO {
        wait(&mut lan, is_querier, elapses);
    }
    let mut actions = Vec::new();
    match (had, lan.any(group)) {
        (false, true) => actions.push("NotifyPlus"),
        (true, false) => actions.push("NotifyMinus"),
        _ => {}
    }
    let (now_timer, now_host) = timers(&lan);
    if elapses == Duration::ZERO && now_timer != timer {
        match now_timer {
            Some(left) if left == MEMBERSHIP => actions.push("StartTimer"),
            Some(left) if left == LAST_MEMBER => actions.push("StartTimerShort"),
            other => panic!("{state:?}, {event:?}: {other:?}"),
        }
    }
    if now_host == Some(MEMBERSHIP) && host != now_host {
        actions.push("StartV1HostTimer");
    }
    let sent = lan.take_sent();
    assert!(is_querier || sent.is_empty(), "{sent:?}");
    actions.extend(sent.iter().filter(|s| s.group == group).map(|_| "SendGroupQuery"));
    outcome(group_state(&lan), actions)
}

/// Shows: MVPN-CEPE-5
#[test]
fn groups_of_version_2_at_the_querier() {
    use GroupEvent::*;
    let script = include_str!("rfc2236-7-group/script.txt");
    let states = [Group::NoMembers, Group::Members, Group::Checking, Group::V1Members];
    let events = [V2Report, V1Report, Leave, TimerExpires, RetransmitTimerExpires, V1HostTimerExpires];
    run(script, &states, &events, |s, e| group::<Ipv4Addr>(true, s, e));
    let lines = script.lines().filter(|l| !l.contains("V1Report") && !l.starts_with("V1Members"));
    let script = lines.collect::<Vec<_>>().join("\n").replace("V1HostTimerExpires", "");
    let events = [V2Report, Leave, TimerExpires, RetransmitTimerExpires];
    run(&script, &states[..3], &events, |s, e| group::<Ipv6Addr>(true, s, e));
}

/// Shows: MVPN-CEPE-5
#[test]
fn groups_of_version_2_beside_the_querier() {
    use GroupEvent::*;
    let script = include_str!("rfc2236-7-group-non-querier/script.txt");
    let states = [Group::NoMembers, Group::Members, Group::Checking];
    let events = [V2Report, Leave, GroupQuery, TimerExpires];
    run(script, &states, &events, |s, e| group::<Ipv4Addr>(false, s, e));
    run(script, &states, &events, |s, e| group::<Ipv6Addr>(false, s, e));
}
