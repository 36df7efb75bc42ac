//! Sessions over routed paths, LSPs, pseudowires, and from reflectors.

use core::num::NonZeroU32;

use super::*;

type Deliver = Box<dyn FnMut(usize, &Via, &ControlPacket) -> Vec<usize>>;

fn two(paths: [Path; 2]) -> (Net<Deliver>, [SessionId; 2]) {
    let deliver: Deliver = Box::new(|n, _, _| vec![1 - n]);
    let mut net = Net::new(2, deliver);
    let mut n = 0;
    let ids = paths.map(|path| {
        let id = net.nodes[n].add_session(net.now, SessionConfig::new(path)).unwrap();
        n += 1;
        id
    });
    (net, ids)
}

fn vias(net: &Net<Deliver>, node: usize) -> Via {
    net.sent.iter().find(|(_, n, ..)| *n == node).unwrap().2
}

/// RFC 5883 and both encapsulations of RFC 5885.
#[test]
fn routed_paths_and_pseudowires() {
    let hop = |n: u8| Path::MultiHop { local: addr(n), remote: addr(1 - n), min_ttl: 250 };
    let raw = Path::Pw { pw: PwRef(4), ip: None };
    let ip = |n| Path::Pw { pw: PwRef(4), ip: Some(addr(n)) };
    for paths in [[hop(0), hop(1)], [raw, raw], [ip(0), ip(1)]] {
        let (mut net, ids) = two(paths);
        net.run(Duration::from_secs(4));
        assert_eq!([0, 1].map(|n: usize| net.nodes[n].state(ids[n]).unwrap().0), [State::Up; 2], "{paths:?}");
        match vias(&net, 0) {
            Via::Udp { iface: None, port: MULTIHOP_PORT, source_port, .. } => assert!(source_port >= 49_152),
            Via::Pw { pw: PwRef(4), ip: None } => assert_eq!(paths[0], raw),
            Via::Pw { pw: PwRef(4), ip: Some((from, _)) } => assert_eq!(from, addr(0)),
            other => panic!("{other:?}"),
        }
    }
    let (mut net, _) = two([hop(0), hop(1)]);
    net.run(Duration::from_secs(4));
    let (_, _, via, packet) = net.sent.iter().rfind(|(_, n, ..)| *n == 1).unwrap().clone();
    let Arrival::Udp { iface, from, to, source_port, port, .. } = arrival(via) else { panic!() };
    let far = Arrival::Udp { iface, from, to, source_port, port, ttl: 249 };
    net.nodes[0].handle_input(net.now, Input::Packet { arrival: far, octets: &emit(&packet) });
    assert_eq!(net.nodes[0].counters().discarded[2], 1);
}

/// RFC 5884 §6, §7: the egress speaks first, to the discriminator that LSP ping brought, routed; the ingress answers in the LSP.
#[test]
fn an_lsp_bootstrapped_by_lsp_ping() {
    let deliver: Deliver = Box::new(|n, _, _| vec![1 - n]);
    let mut net = Net::new(2, deliver);
    let ingress = Path::LspIngress { lsp: LspId(7), local: addr(0), remote: addr(1) };
    let a = net.nodes[0].add_session(net.now, SessionConfig::new(ingress)).unwrap();
    net.run(Duration::from_secs(3));
    assert!(net.sent.is_empty(), "nothing before the egress has spoken");
    let egress = Path::LspEgress { lsp: LspId(7), local: addr(1), remote: addr(0), discriminator: a.0 };
    let b = net.nodes[1].add_session(net.now, SessionConfig::new(egress)).unwrap();
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[0].state(a).unwrap().0, State::Up);
    assert_eq!(net.nodes[1].state(b).unwrap().0, State::Up);
    let (_, first, via, packet) = &net.sent[0];
    assert_eq!((*first, packet.your_discriminator), (1, a.0.get()));
    assert!(matches!(via, Via::Udp { port: MULTIHOP_PORT, .. }));
    assert!(matches!(vias(&net, 0), Via::Lsp { lsp: LspId(7), .. }));
    // Another discriminator under the same session is ignored while it is up.
    let (_, _, via, mut packet) = net.sent.iter().rfind(|(_, n, ..)| *n == 1).unwrap().clone();
    packet.my_discriminator = NonZeroU32::new(packet.my_discriminator.get() ^ 1).unwrap();
    packet.state = State::Down;
    net.nodes[0].handle_input(net.now, Input::Packet { arrival: arrival(via), octets: &emit(&packet) });
    assert_eq!(net.nodes[0].state(a).unwrap().0, State::Up);
}

/// RFC 7880: the reflector keeps no session; an initiator that it turns away backs off and does not call the path broken.
#[test]
fn initiators_and_reflectors() {
    let cut = std::rc::Rc::new(std::cell::Cell::new(false));
    let is_cut = cut.clone();
    let deliver: Deliver = Box::new(move |n, _, _| if is_cut.get() { vec![] } else { vec![1 - n] });
    let mut net = Net::new(2, deliver);
    let discriminator = NonZeroU32::new(0xc000_0201).unwrap();
    let reflector = Reflector { required_min_rx: 20 * MS, in_service: true };
    net.nodes[1].set_reflector(discriminator, Some(reflector)).unwrap();
    let path = Path::Reflector { local: addr(0), remote: addr(1), discriminator };
    let config = SessionConfig { desired_min_tx: 50 * MS, ..SessionConfig::new(path) };
    let id = net.nodes[0].add_session(net.now, config).unwrap();
    net.run(Duration::from_secs(1));
    assert_eq!(net.nodes[0].state(id).unwrap().0, State::Up);
    assert_eq!(net.nodes[1].sessions().count(), 0);
    let asked = net.sent.iter().find(|(_, n, ..)| *n == 0).unwrap();
    let answer = net.sent.iter().find(|(_, n, ..)| *n == 1).unwrap();
    assert!(asked.3.flags.contains(ControlFlags::DEMAND) && !answer.3.flags.contains(ControlFlags::DEMAND));
    assert_eq!(answer.3.my_discriminator.get(), asked.3.your_discriminator);
    let (Via::Udp { port: SBFD_PORT, source_port, .. }, Via::Udp { source_port: SBFD_PORT, port, .. }) =
        (asked.2, answer.2)
    else {
        panic!("{asked:?} {answer:?}")
    };
    assert_eq!(source_port, port);

    cut.set(true);
    let since = net.now;
    net.run(200 * MS);
    let down = net.when(0, State::Down, since).unwrap();
    assert!(down - since <= 152 * MS, "{:?}", down - since);
    cut.set(false);
    net.run(Duration::from_secs(2));
    assert_eq!(net.nodes[0].state(id).unwrap().0, State::Up);
    net.nodes[1].set_reflector(discriminator, Some(Reflector { in_service: false, ..reflector })).unwrap();
    let since = net.now;
    net.run(Duration::from_secs(4));
    assert_eq!(net.nodes[0].state(id), Some((State::Down, Diag::NEIGHBOR_SIGNALED_DOWN)));
    let asked = net.sent.iter().filter(|(at, n, ..)| *n == 0 && *at > since + 100 * MS).count();
    assert!(asked <= 6, "{asked}");
    // Two reflectors do not keep each other busy.
    let echo = net.sent.iter().find(|(_, n, ..)| *n == 1).unwrap().clone();
    let Via::Udp { from, to, .. } = echo.2 else { panic!() };
    let at = Arrival::Udp { iface: LINK, from, to, ttl: 255, source_port: SBFD_PORT, port: SBFD_PORT };
    net.nodes[0].set_reflector(NonZeroU32::new(echo.3.your_discriminator ^ 1).unwrap(), Some(reflector)).unwrap();
    net.nodes[0].handle_input(net.now, Input::Packet { arrival: at, octets: &emit(&echo.3) });
    assert_eq!(net.nodes[0].counters().discarded[4], 1);
}
