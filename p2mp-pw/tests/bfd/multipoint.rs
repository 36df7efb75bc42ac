//! A head and its tails, silent (RFC 8562) and active (RFC 8563).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::*;

const TREE: TreeId = TreeId(5);

type Deliver = Box<dyn FnMut(usize, &Via, &ControlPacket) -> Vec<usize>>;

/// Cut paths, by who sends and who would receive; 100 stands for whoever is reached by unicast.
type Cuts = Rc<RefCell<BTreeSet<(usize, usize)>>>;

/// Node 0 is the head of a tree to all others.
fn tree(tails: usize, report: Option<Duration>, silent: bool) -> (Net<Deliver>, SessionId, Cuts) {
    let cut = Rc::new(RefCell::new(BTreeSet::new()));
    let cuts = cut.clone();
    let deliver: Deliver = Box::new(move |n, via, _| {
        let to: Vec<usize> = match via {
            Via::Tree { .. } => (1..=tails).collect(),
            // Unicast is another path: number 100 stands for it.
            Via::Udp { to: IpAddr::V4(to), .. } if !cuts.borrow().contains(&(n, 100)) => vec![to.octets()[3].into()],
            _ => vec![],
        };
        to.into_iter().filter(|to| !cuts.borrow().contains(&(n, *to))).collect()
    });
    let mut net = Net::new(tails + 1, deliver);
    let path = Path::Head { tree: TREE, local: addr(0), report };
    let head = net.nodes[0].add_session(net.now, SessionConfig::new(path)).unwrap();
    for n in 1..=tails {
        net.nodes[n].set_tree(TREE, Some((addr(n as u8), silent)));
    }
    (net, head, cut)
}

fn tail_state(net: &Net<Deliver>, n: usize) -> Option<State> {
    net.nodes[n].sessions().next().map(|(_, state)| state)
}

/// Ten times the tails: a head sends the same packets.
///
/// Shows: MVPN-OAM-15
#[test]
fn what_a_head_sends_does_not_depend_on_its_tails() {
    let sent = [4, 40].map(|tails| {
        let (mut net, head, _) = tree(tails, None, true);
        net.run(10_000 * MS);
        assert_eq!(net.nodes[0].state(head).unwrap().0, State::Up);
        assert!((1..=tails).all(|n| tail_state(&net, n) == Some(State::Up)));
        net.sent.len()
    });
    assert!(sent[0] > 50, "{sent:?}");
    assert_eq!(sent[0], sent[1]);
}

/// Shows: L3VPN-8.10-13, L2VPN-5.2-7, MVPN-OAM-14, MVPN-TRB-5
#[test]
fn tails_notice_a_broken_branch_and_no_other_does() {
    let (mut net, head, cut) = tree(4, None, true);
    net.run(2900 * MS);
    // The head says Down for Detect Mult intervals of a second, so that tails of before a restart notice.
    assert!((1..=4).all(|n| tail_state(&net, n) == Some(State::Down)));
    net.run(1200 * MS);
    assert_eq!(net.nodes[0].state(head).unwrap().0, State::Up);
    assert!((1..=4).all(|n| tail_state(&net, n) == Some(State::Up)));
    let (_, _, via, packet) = net.sent.last().unwrap();
    assert!(matches!(via, Via::Tree { tree: TREE, .. }));
    assert_eq!(packet.flags, ControlFlags::DEMAND | ControlFlags::MULTIPOINT);
    assert_eq!((packet.your_discriminator, packet.required_min_rx, packet.my_discriminator), (0, 0, head.0));

    cut.borrow_mut().extend([(0, 2), (0, 3)]);
    let since = net.now;
    net.run(310 * MS);
    for n in [2, 3] {
        let down = net.when(n, State::Down, since).unwrap();
        assert!(down - since >= 200 * MS, "{:?}", down - since);
    }
    assert_eq!([1, 4].map(|n| tail_state(&net, n)), [Some(State::Up); 2]);
    // Tails of RFC 8562 say nothing.
    assert!(net.sent.iter().all(|(_, n, ..)| *n == 0));
    cut.borrow_mut().clear();
    net.run(200 * MS);
    assert!((1..=4).all(|n| tail_state(&net, n) == Some(State::Up)));
}

#[test]
fn a_head_that_shuts_down_tells_its_tails() {
    let (mut net, head, _) = tree(2, None, true);
    net.run(Duration::from_secs(5));
    let since = net.now;
    net.nodes[0].remove_session(since, head).unwrap();
    net.run(10 * MS);
    for n in [1, 2] {
        let (id, state) = net.nodes[n].sessions().next().unwrap();
        assert_eq!((state, net.nodes[n].state(id).unwrap().1), (State::Down, Diag::NEIGHBOR_SIGNALED_DOWN));
    }
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[0].sessions().count(), 0);
    // Sessions that nobody configured end when their head is away for long.
    net.run(Duration::from_secs(70));
    assert_eq!(net.nodes[1].sessions().count(), 0);
    assert!(net.nodes[1].next_timeout().is_none());
}

/// RFC 8562 §5.10: a longer interval is announced at the old one with the Poll bit, and no tail fails or answers.
///
/// Shows: MVPN-TRB-5
#[test]
fn a_head_slows_down_without_a_false_alarm() {
    let (mut net, head, _) = tree(2, None, false);
    net.run(Duration::from_secs(5));
    let since = net.now;
    net.nodes[0].set_intervals(since, head, 800 * MS, Duration::ZERO).unwrap();
    net.run(Duration::from_secs(6));
    assert_eq!([1, 2].map(|n| net.when(n, State::Down, since)), [None, None]);
    let after: Vec<_> = net.sent.iter().filter(|(at, n, ..)| *at >= since && *n == 0).collect();
    let polls = after.iter().take_while(|(.., p)| p.flags.contains(ControlFlags::POLL)).count();
    assert_eq!(polls, 3);
    assert!(after.iter().skip(3).all(|(.., p)| !p.flags.contains(ControlFlags::POLL)));
    assert!(after[..3].windows(2).all(|w| w[1].0 - w[0].0 <= 101 * MS));
    assert!(after[4..].windows(2).all(|w| w[1].0 - w[0].0 >= 599 * MS));
    assert!(net.sent.iter().all(|(_, n, ..)| *n == 0));
}

#[test]
fn active_tails_report_exactly_who_lost_the_head() {
    let (mut net, head, cut) = tree(6, Some(50 * MS), false);
    net.run(Duration::from_secs(5));
    assert!(net.sent.iter().filter(|(at, ..)| *at > Instant::from_secs(5)).all(|(_, n, ..)| *n == 0));
    // Who is there? All answer, spread over the interval.
    let since = net.now;
    net.nodes[0].solicit(since, head).unwrap();
    net.run(200 * MS);
    assert_eq!(net.nodes[0].tails(head).map(|(_, state)| state).collect::<Vec<_>>(), [State::Up; 6]);
    let answers: Vec<_> = net.sent.iter().filter(|(at, n, ..)| *at >= since && *n != 0).collect();
    assert_eq!(answers.len(), 6);
    assert!(answers.iter().all(|(at, _, _, p)| p.flags.contains(ControlFlags::FINAL) && *at - since <= 50 * MS));
    assert!(answers.iter().map(|(at, ..)| *at).collect::<BTreeSet<_>>().len() > 2);

    cut.borrow_mut().extend([(0, 2), (0, 5)]);
    let since = net.now;
    net.run(400 * MS);
    let down = |net: &Net<Deliver>| -> Vec<IpAddr> {
        net.nodes[0].tails(head).filter(|(_, state)| *state == State::Down).map(|(tail, _)| tail).collect()
    };
    assert_eq!(down(&net), [addr(2), addr(5)]);
    let diag = net.events.iter().find_map(|(at, _, e)| match e {
        Event::Tail { diag, state: State::Down, .. } if *at > since => Some(*diag),
        _ => None,
    });
    assert_eq!(diag, Some(Diag::NEIGHBOR_SIGNALED_DOWN));
    cut.borrow_mut().clear();
    net.run(300 * MS);
    // A tail that is up again falls silent; the head learns of it when it asks.
    net.nodes[0].solicit(net.now, head).unwrap();
    net.run(300 * MS);
    assert!(down(&net).is_empty());
}

/// RFC 8563 §5.2.2: no answer is no knowledge, and is reported as that; §6.10: one tail is asked alone.
#[test]
fn a_tail_that_does_not_answer_is_told_from_one_that_lost_the_head() {
    let (mut net, head, cut) = tree(2, Some(50 * MS), false);
    net.run(Duration::from_secs(5));
    net.nodes[0].solicit(net.now, head).unwrap();
    net.run(200 * MS);
    cut.borrow_mut().insert((2, 100));
    net.nodes[0].solicit(net.now, head).unwrap();
    net.run(400 * MS);
    let lost = Event::Tail { session: head, tail: addr(2), state: State::Down, diag: Diag::DETECTION_TIME_EXPIRED };
    assert!(net.events.iter().any(|(_, n, e)| *n == 0 && *e == lost));
    assert_eq!(tail_state(&net, 2), Some(State::Up));
    cut.borrow_mut().clear();
    let since = net.now;
    net.nodes[0].poll_tail(since, head, addr(2)).unwrap();
    net.run(20 * MS);
    assert!(net.nodes[0].tails(head).all(|(_, state)| state == State::Up));
    assert_eq!(tail_state(&net, 2), Some(State::Up), "a question takes nobody down");
    assert!(net.nodes[0].poll_tail(net.now, head, addr(9)).is_err());
    // Asked alone, a tail does not wait when it has to report.
    cut.borrow_mut().insert((0, 2));
    let since = net.now;
    net.run(400 * MS);
    let down = net.when(2, State::Down, since).unwrap();
    let told = net.sent.iter().find(|(at, n, ..)| *n == 2 && *at >= down).unwrap();
    assert_eq!(told.0, down);
}

#[test]
fn limits_hold_and_are_told() {
    let now = Instant::from_secs(1);
    let mut node = Bfd::new(now, BfdConfig { max_dynamic_tails: 2, ..BfdConfig::default() }).unwrap();
    node.set_tree(TREE, Some((addr(1), true)));
    let octets = |n: u8| {
        let mut octets = [0x20, 0xc3, 3, 24, 0, 0, 0, n, 0, 0, 0, 0, 0, 0, 0x27, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
        octets[0] = 0x20;
        octets
    };
    for n in 1..=40 {
        let arrival = Arrival::Tree { tree: TREE, from: addr(0) };
        node.handle_input(now, Input::Packet { arrival, octets: &octets(n) });
    }
    assert_eq!(node.sessions().count(), 2);
    assert_eq!(node.counters().discarded[5], 38);
    let said = drain(&mut node);
    assert_eq!(said.events.iter().filter(|e| **e == Event::TooMany("max_dynamic_tails")).count(), 1);
    // On a tree that nobody named there is no session at all.
    let arrival = Arrival::Tree { tree: TreeId(6), from: addr(0) };
    node.handle_input(now, Input::Packet { arrival, octets: &octets(1) });
    assert_eq!(node.counters().discarded[1], 1);
}
