//! Two ends of a link: establishment, detection, intervals, demand mode, authentication.

use super::*;

type Deliver = Box<dyn FnMut(usize, &Via, &ControlPacket) -> Vec<usize>>;

fn link(configure: impl Fn(usize, &mut SessionConfig), deliver: Deliver) -> (Net<Deliver>, [SessionId; 2]) {
    let mut net = Net::new(2, deliver);
    let ids = [0, 1].map(|n: usize| {
        let (local, remote) = (addr(n as u8), addr(1 - n as u8));
        let mut config = SessionConfig::new(Path::SingleHop { iface: LINK, local, remote });
        configure(n, &mut config);
        net.nodes[n].add_session(net.now, config).unwrap()
    });
    (net, ids)
}

fn all() -> Deliver {
    Box::new(|n, _, _| vec![1 - n])
}

#[test]
fn both_ends_come_up_and_notice_silence_within_the_detection_time() {
    let cut = std::rc::Rc::new(std::cell::Cell::new(false));
    let is_cut = cut.clone();
    let (mut net, ids) = link(|_, _| (), Box::new(move |n, _, _| if is_cut.get() { vec![] } else { vec![1 - n] }));
    net.run(Duration::from_secs(4));
    for (node, id) in net.nodes.iter().zip(ids) {
        assert_eq!(node.state(id), Some((State::Up, Diag::NONE)));
        assert_eq!(node.detection_time(id), Some(300 * MS));
    }
    // Slow while down: no more than one periodic packet in 750 ms, but for those that say a new state.
    let first = net.when(0, State::Up, Instant::ZERO).unwrap();
    let slow = net.sent.iter().filter(|(at, n, ..)| *n == 0 && *at < first).count();
    assert!(slow <= 3, "{slow}");
    // Fast once up, with the jitter of RFC 5880 §6.8.7: 75 to 100 ms.
    let since = net.now;
    net.run(Duration::from_secs(2));
    let times: Vec<Instant> =
        net.sent.iter().filter(|(at, n, ..)| *n == 0 && *at > since).map(|(at, ..)| *at).collect();
    let gaps: Vec<Duration> = times.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.iter().all(|gap| (74 * MS..=101 * MS).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().min() != gaps.iter().max());

    cut.set(true);
    let since = net.now;
    net.run(Duration::from_secs(1));
    let down = net.when(0, State::Down, since).unwrap();
    assert!(down - since >= 200 * MS && down - since <= 302 * MS, "{:?}", down - since);
    assert_eq!(net.nodes[0].state(ids[0]), Some((State::Down, Diag::DETECTION_TIME_EXPIRED)));
    cut.set(false);
    net.run(Duration::from_secs(3));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);
}

#[test]
fn a_cut_in_one_direction_takes_both_ends_down_and_each_says_why() {
    let cut = std::rc::Rc::new(std::cell::Cell::new(false));
    let is_cut = cut.clone();
    let deliver: Deliver = Box::new(move |n, _, _| if is_cut.get() && n == 0 { vec![] } else { vec![1 - n] });
    let (mut net, ids) = link(|_, _| (), deliver);
    net.run(Duration::from_secs(4));
    cut.set(true);
    net.run(350 * MS);
    assert_eq!(net.nodes[1].state(ids[1]), Some((State::Down, Diag::DETECTION_TIME_EXPIRED)));
    assert_eq!(net.nodes[0].state(ids[0]), Some((State::Down, Diag::NEIGHBOR_SIGNALED_DOWN)));
    // The end that still hears the other waits in Init, and no longer.
    net.run(Duration::from_secs(3));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Init);
    assert_eq!(net.nodes[1].state(ids[1]).unwrap().0, State::Down);
}

/// RFC 5880 §6.8.3: a longer interval is used after the Poll Sequence only, and nobody fails meanwhile.
#[test]
fn intervals_change_by_a_poll_sequence() {
    let (mut net, ids) = link(|_, _| (), all());
    net.run(Duration::from_secs(4));
    let since = net.now;
    net.nodes[0].set_intervals(since, ids[0], 1000 * MS, 100 * MS).unwrap();
    net.run(Duration::from_secs(5));
    assert_eq!(net.when(0, State::Down, since), None);
    assert_eq!(net.when(1, State::Down, since), None);
    let poll = net.sent.iter().find(|(at, n, _, p)| *at >= since && *n == 0 && p.flags.contains(ControlFlags::POLL));
    assert_eq!(poll.unwrap().3.desired_min_tx, 1_000_000);
    let finals =
        net.sent.iter().filter(|(at, n, _, p)| *at >= since && *n == 1 && p.flags.contains(ControlFlags::FINAL));
    assert!(finals.clone().count() >= 1);
    let (mut polls, mut last) = (0, since);
    for (at, _, _, packet) in net.sent.iter().filter(|(at, n, ..)| *n == 0 && *at > since + 500 * MS) {
        polls += usize::from(packet.flags.contains(ControlFlags::POLL));
        assert!(last == since || *at - last >= 750 * MS);
        last = *at;
    }
    assert_eq!(polls, 0, "the Poll Sequence ended");
    assert_eq!(net.nodes[1].detection_time(ids[1]), Some(3000 * MS));
    assert!(net.sent.iter().all(|(.., p)| !p.flags.contains(ControlFlags::POLL | ControlFlags::FINAL)));
}

/// RFC 5880 §6.8.4: the slower of what one sends and the other takes.
#[test]
fn the_slower_end_sets_the_pace() {
    let slow = |n, config: &mut SessionConfig| {
        if n == 1 {
            config.required_min_rx = 400 * MS;
            config.detect_mult = 5.try_into().unwrap();
        }
    };
    let (mut net, ids) = link(slow, all());
    net.run(Duration::from_secs(6));
    assert_eq!(net.nodes[1].detection_time(ids[1]), Some(1200 * MS));
    assert_eq!(net.nodes[0].detection_time(ids[0]), Some(500 * MS));
    let since = net.now;
    net.run(Duration::from_secs(4));
    let count = |node| net.sent.iter().filter(|(at, n, ..)| *n == node && *at > since).count();
    assert!((9..=14).contains(&count(0)), "{}", count(0));
    assert!((38..=55).contains(&count(1)), "{}", count(1));
}

#[test]
fn a_disabled_session_tells_the_peer_and_falls_silent() {
    let (mut net, ids) = link(|_, _| (), all());
    net.run(Duration::from_secs(4));
    let since = net.now;
    net.nodes[0].disable(since, ids[0], Diag::PATH_DOWN).unwrap();
    net.run(20 * MS);
    assert_eq!(net.nodes[1].state(ids[1]), Some((State::Down, Diag::NEIGHBOR_SIGNALED_DOWN)));
    let told = net
        .events
        .iter()
        .any(|(at, n, e)| *at >= since && *n == 1 && matches!(e, Event::State { remote_diag: Diag::PATH_DOWN, .. }));
    assert!(told);
    net.run(Duration::from_secs(10));
    let last = net.sent.iter().filter(|(_, n, ..)| *n == 0).map(|(at, ..)| *at).max().unwrap();
    assert!(last - since >= 2000 * MS && last - since <= 3000 * MS, "{:?}", last - since);
    net.nodes[0].enable(net.now, ids[0]).unwrap();
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[1].state(ids[1]).unwrap().0, State::Up);
    net.nodes[0].remove_session(net.now, ids[0]).unwrap();
    net.run(Duration::from_secs(5));
    assert_eq!(net.nodes[0].sessions().count(), 0);
    assert!(net.nodes[0].next_timeout().is_none());
    assert_eq!(net.nodes[1].state(ids[1]), Some((State::Down, Diag::NEIGHBOR_SIGNALED_DOWN)));
}

/// RFC 5880 §6.6: silence is no failure in demand mode, and a Poll that is not answered is.
#[test]
fn demand_mode_is_silent_until_it_is_verified() {
    let cut = std::rc::Rc::new(std::cell::Cell::new(false));
    let is_cut = cut.clone();
    let deliver: Deliver = Box::new(move |n, _, _| if is_cut.get() { vec![] } else { vec![1 - n] });
    let (mut net, ids) = link(|_, config| config.demand = true, deliver);
    net.run(Duration::from_secs(5));
    let since = net.now;
    net.run(Duration::from_secs(5));
    assert_eq!(net.sent.iter().filter(|(at, ..)| *at > since).count(), 0, "{:?}", net.sent.last());
    net.nodes[0].poll(net.now, ids[0]).unwrap();
    net.run(Duration::from_secs(1));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);
    cut.set(true);
    net.run(Duration::from_secs(5));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);
    let since = net.now;
    net.nodes[0].poll(since, ids[0]).unwrap();
    net.run(Duration::from_secs(1));
    let down = net.when(0, State::Down, since).unwrap();
    assert!(down - since <= 302 * MS && down - since >= 298 * MS, "{:?}", down - since);
}

#[test]
fn a_path_behind_the_peer_is_told_without_taking_the_session_down() {
    let (mut net, ids) = link(|_, _| (), all());
    net.run(Duration::from_secs(4));
    net.nodes[0].concatenated_path(net.now, ids[0], Diag::CONCATENATED_PATH_DOWN).unwrap();
    net.run(200 * MS);
    let event = Event::RemoteDiag { session: ids[1], diag: Diag::CONCATENATED_PATH_DOWN };
    assert!(net.events.iter().any(|(_, n, e)| *n == 1 && *e == event));
    assert_eq!(net.nodes[1].state(ids[1]).unwrap().0, State::Up);
    net.nodes[0].forwarding_plane_reset(net.now);
    net.run(50 * MS);
    let why = net.events.iter().rev().find_map(|(_, n, e)| match e {
        Event::State { remote_diag, state: State::Down, .. } if *n == 1 => Some(*remote_diag),
        _ => None,
    });
    assert_eq!(why, Some(Diag::FORWARDING_PLANE_RESET));
}

/// Not a digest, but every octet counts.
fn sum(octets: &[u8]) -> [u8; 20] {
    let mut out = [7_u8; 20];
    octets.iter().enumerate().for_each(|(n, octet)| out[n % 20] = out[n % 20].rotate_left(3).wrapping_add(*octet));
    out
}

fn auth(key: &[u8]) -> Option<AuthConfig> {
    Some(AuthConfig { digest: Some(Digest::Sha1(sum)), meticulous: true, keys: vec![(1, key.to_vec())] })
}

#[test]
fn authenticated_sessions_refuse_strangers_and_replays() {
    let (mut net, ids) = link(|_, config| config.auth = auth(b"secret"), all());
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);
    assert_eq!(net.nodes[0].counters().discarded, [0; 6]);
    // A recorded packet, and one that says Down without a section.
    let (_, _, via, packet) = net.sent.iter().find(|(_, n, ..)| *n == 1).unwrap().clone();
    let mut bare = ControlPacket { auth: None, ..packet.clone() };
    bare.state = State::Down;
    for packet in [&packet, &bare] {
        let input = Input::Packet { arrival: arrival(via), octets: &emit(packet) };
        net.nodes[0].handle_input(net.now, input);
    }
    assert_eq!(net.nodes[0].counters().discarded[3], 2);
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);

    let (mut net, ids) = link(|n, config| config.auth = auth(if n == 0 { b"one" } else { b"two" }), all());
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Down);
    // A peer that restarts with another sequence number is taken after twice the Detection Time.
    let (mut net, ids) = link(|_, config| config.auth = auth(b"secret"), all());
    net.run(Duration::from_secs(4));
    let path = Path::SingleHop { iface: LINK, local: addr(1), remote: addr(0) };
    net.nodes[1] = Bfd::new(net.now, BfdConfig { seed: 99, ..BfdConfig::default() }).unwrap();
    let config = SessionConfig { auth: auth(b"secret"), ..SessionConfig::new(path) };
    net.nodes[1].add_session(net.now, config).unwrap();
    net.run(Duration::from_secs(8));
    assert_eq!(net.nodes[0].state(ids[0]).unwrap().0, State::Up);
}

/// RFC 5881 §5, RFC 5880 §6.8.6: what is none of the session's packets.
#[test]
fn packets_from_elsewhere_are_dropped() {
    let (mut net, _) = link(|_, _| (), all());
    net.run(Duration::from_secs(4));
    let (_, _, via, packet) = net.sent.iter().rfind(|(_, n, ..)| *n == 1).unwrap().clone();
    let Arrival::Udp { iface, from, to, source_port, port, ttl } = arrival(via) else { panic!() };
    let good = Arrival::Udp { iface, from, to, source_port, port, ttl };
    let stranger = ControlPacket { your_discriminator: 1, ..packet.clone() };
    let late = ControlPacket { your_discriminator: 0, state: State::Up, ..packet.clone() };
    let node = &mut net.nodes[0];
    for (arrival, packet, at) in [
        (Arrival::Udp { iface, from, to, source_port, port, ttl: 254 }, &packet, 2),
        (Arrival::Udp { iface: IfIndex(8), from, to, source_port, port, ttl }, &packet, 2),
        (Arrival::Udp { iface, from: addr(77), to, source_port, port, ttl }, &packet, 2),
        (Arrival::Udp { iface, from, to, source_port, port: MULTIHOP_PORT, ttl }, &packet, 2),
        (good, &stranger, 1),
        (good, &late, 1),
    ] {
        let before = node.counters().discarded[at];
        node.handle_input(net.now, Input::Packet { arrival, octets: &emit(packet) });
        assert_eq!(node.counters().discarded[at], before + 1, "{arrival:?}");
    }
    node.handle_input(net.now, Input::Packet { arrival: good, octets: &[0x20, 0] });
    assert_eq!(node.counters().discarded[0], 1);
}

#[test]
fn bad_configuration_names_the_field() {
    let now = Instant::from_secs(1);
    let mut node = Bfd::new(now, BfdConfig { max_sessions: 1, ..BfdConfig::default() }).unwrap();
    let good = SessionConfig::new(Path::SingleHop { iface: LINK, local: addr(0), remote: addr(1) });
    let time = Duration::from_secs(5000);
    for (config, field) in [
        (SessionConfig { desired_min_tx: Duration::ZERO, ..good.clone() }, "desired_min_tx"),
        (SessionConfig { required_min_rx: time, ..good.clone() }, "required_min_rx"),
        (SessionConfig { auth: auth(b""), ..good.clone() }, "keys"),
        (SessionConfig { demand: true, ..SessionConfig::new(Path::Pw { pw: PwRef(1), ip: None }) }, "demand"),
    ] {
        assert!(node.add_session(now, config).unwrap_err().to_string().starts_with(field), "{field}");
    }
    let id = node.add_session(now, good.clone()).unwrap();
    assert_eq!(node.add_session(now, good.clone()), Err(ConfigError::TooMany(1)));
    node.remove_session(now, id).unwrap();
    node.add_session_as(now, Some(id.0), good).unwrap();
    assert_eq!(node.set_reflector(id.0, None), Err(ConfigError::InUse { field: "discriminator" }));
}
