//! Runs the script of PIM's neighbours and of the DR on the machine itself: it is brought into the state, the event happens, and what can be seen
//! of it from outside is what the script says.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::IfIndex;
use mvpn::pim::wire::{HelloOption, MessageType};
use mvpn::pim::{PimEvent, PimReject};

use super::one::{LAN, ME, N1, One, S, SSM};
use super::pim_fsm::run;

/// One kind of event.
type Which = fn(&PimEvent<Ipv4Addr>) -> bool;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Neighbor {
    Absent,
    Present,
    PresentDr,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Hello,
    HelloPreferred,
    HelloForever,
    Goodbye,
    HelloNewGenerationId,
    LivenessTimerExpires,
    JoinPrune,
}

fn is_there(one: &One) -> bool {
    one.pim.neighbors(LAN).any(|n| n == N1)
}

fn state(one: &One) -> Neighbor {
    match (is_there(one), one.pim.dr(LAN)) {
        (false, Some(ME)) => Neighbor::Absent,
        (true, Some(ME)) => Neighbor::Present,
        (true, Some(N1)) => Neighbor::PresentDr,
        other => panic!("{other:?}"),
    }
}

fn happens(one: &mut One, event: Event) {
    let preferred = HelloOption::DrPriority(9);
    match event {
        Event::Hello => one.hello(LAN, N1, &[]),
        Event::HelloPreferred => one.hello(LAN, N1, &[preferred]),
        Event::HelloForever => one.hello(LAN, N1, &[HelloOption::Holdtime(0xffff)]),
        Event::Goodbye => one.hello(LAN, N1, &[HelloOption::Holdtime(0)]),
        Event::HelloNewGenerationId => one.hello(LAN, N1, &[HelloOption::GenerationId(8)]),
        Event::LivenessTimerExpires => one.wait(Duration::from_secs(85)),
        Event::JoinPrune => one.join(N1, SSM, S),
    }
}

/// How long the neighbour stays if it says no more: at most so long, in seconds.
const LONG: u64 = 1000;

fn stays(one: &One) -> u64 {
    let mut pim = one.pim.clone();
    let end = one.now + Duration::from_secs(LONG);
    let mut now = one.now;
    while pim.neighbors(LAN).any(|n| n == N1) {
        let Some(at) = pim.next_timeout().filter(|at| *at <= end) else { return LONG };
        now = at;
        pim.handle_timeout(at);
        while pim.poll_output().is_some() {}
    }
    (now - one.now).as_secs()
}

fn transition(from: Neighbor, event: Event) -> Option<(String, Vec<String>)> {
    let mut one = One::new();
    // Its own first Hellos are out.
    one.wait(Duration::from_secs(61));
    match from {
        Neighbor::Absent if event == Event::LivenessTimerExpires => return None,
        Neighbor::Absent => {}
        Neighbor::Present => happens(&mut one, Event::Hello),
        Neighbor::PresentDr => happens(&mut one, Event::HelloPreferred),
    }
    one.wait(Duration::from_secs(20));
    assert_eq!(state(&one), from);
    one.events.clear();
    one.sent.clear();
    let before = stays(&one);
    happens(&mut one, event);
    let mut actions = Vec::new();
    // A neighbour that appears has a timer, of course.
    if from != Neighbor::Absent && is_there(&one) {
        match stays(&one) {
            105 if before != 105 => actions.push("SetLivenessTimer"),
            LONG => actions.push("CancelLivenessTimer"),
            _ => {}
        }
    }
    let events = one.events.clone();
    let told = |which: Which| events.iter().any(which);
    let names: [(&str, Which); 3] = [
        ("NeighborUp", |e| matches!(e, PimEvent::NeighborUp { interface: LAN, neighbor: N1 })),
        ("NeighborDown", |e| matches!(e, PimEvent::NeighborDown { interface: LAN, neighbor: N1 })),
        ("NeighborRestarted", |e| matches!(e, PimEvent::NeighborRestarted { interface: LAN, neighbor: N1 })),
    ];
    actions.extend(names.into_iter().filter(|(_, is)| told(*is)).map(|(name, _)| name));
    let reached = state(&one);
    // Triggered_Hello_Delay is 5 s, the Hello period 30, and the last Hello was 20 s ago.
    one.wait(Duration::from_secs(5));
    let hello = |(i, _, _, octets): &(Option<IfIndex>, Ipv4Addr, Ipv4Addr, Vec<u8>)| {
        *i == Some(LAN) && MessageType(octets[0] & 15) == MessageType::HELLO
    };
    if event != Event::LivenessTimerExpires && one.sent.iter().any(hello) {
        actions.push("TriggeredHello");
    }
    if told(|e| matches!(e, PimEvent::DrChanged { interface: LAN, .. })) {
        actions.push("DrChanges");
    }
    if told(|e| matches!(e, PimEvent::Rejected { reason: PimReject::NotNeighbor, .. })) {
        actions.push("Rejected");
    }
    Some((format!("{reached:?}"), actions.into_iter().map(str::to_owned).collect()))
}

/// Shows: MVPN-CEPE-2
#[test]
fn neighbors_and_the_designated_router() {
    use Event::*;
    let script = include_str!("rfc7761-4.3-neighbor/script.txt");
    let states = [Neighbor::Absent, Neighbor::Present, Neighbor::PresentDr];
    let events = [Hello, HelloPreferred, HelloForever, Goodbye, HelloNewGenerationId, LivenessTimerExpires, JoinPrune];
    run(script, &states, &events, transition);
}
