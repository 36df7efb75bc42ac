//! What a faulty peer gets (RFC 4271 §6, RFC 6608, RFC 7313 §5).

use std::time::Duration;

use bgp_vpn::message::{ErrorCode, Header, Message, MessageType, Notification, Open};
use bgp_vpn::session::{Input, SessionConfig, State};
use bgp_vpn::speaker::Side;

use crate::net::{Net, Told, config};

fn bytes(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(&mut out);
    out
}

/// A message of this type and body, whatever they are.
fn raw(message_type: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let length = u16::try_from(Header::LEN + body.len()).unwrap();
    Header { length, message_type: MessageType(message_type) }.emit(&mut out);
    out.extend_from_slice(body);
    out
}

/// The OPEN of the second session of a pair.
fn good_open() -> Vec<u8> {
    let mut net = Net::pair();
    net.input(1, Input::Start);
    net.stranger(1);
    net.ends[1].sent[0].1.clone()
}

/// Plays octets to a started session on a connection of our own making. The NOTIFICATION it answers with.
fn play(config: SessionConfig, pieces: &[&[u8]]) -> (Net, Option<Notification>) {
    let mut net = Net::new([config, crate::net::config(2, 65001, 65001)]);
    net.input(0, Input::Start);
    net.stranger(0);
    for octets in pieces {
        net.input(0, Input::Stream { side: Side::Incoming, octets });
    }
    let notification = net.ends[0].sent.iter().find_map(|(_, o)| match Message::parse(o) {
        Ok(Message::Notification(n)) => Some(n),
        _ => None,
    });
    (net, notification)
}

fn answer(pieces: &[&[u8]]) -> (u8, u8, Vec<u8>) {
    let (net, n) = play(config(1, 65001, 65001), pieces);
    let n = n.expect("a NOTIFICATION");
    assert!(net.ends[0].connections() <= 1, "closed but for an attempt of its own");
    let down = net.ends[0].downs();
    assert_eq!(down.last().unwrap().sent.as_ref(), Some(&n));
    (n.code.0, n.subcode, n.data.to_vec())
}

fn edit(at: usize, octets: &[u8]) -> Vec<u8> {
    let mut open = good_open();
    open[Header::LEN + at..Header::LEN + at + octets.len()].copy_from_slice(octets);
    open
}

const KEEPALIVE: [u8; 19] = [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 19, 4];

#[test]
fn header_errors() {
    assert_eq!(answer(&[b"GET / HTTP/1.1\r\n"]), (1, 1, vec![]));
    let mut long = KEEPALIVE;
    long[17] = 20;
    assert_eq!(answer(&[&long]), (1, 2, vec![0, 20]));
    assert_eq!(answer(&[&raw(9, &[])]), (1, 3, vec![9]));
    assert_eq!(answer(&[&good_open(), &KEEPALIVE, &[0xff; 40]]), (1, 3, vec![255]), "in Established too");
}

/// Shows: L3VPN-8.1-4
#[test]
fn open_errors() {
    assert_eq!(answer(&[&edit(0, &[3])]), (2, 1, vec![0, 4]));
    assert_eq!(answer(&[&edit(5, &[0, 0, 0, 0])]), (2, 3, vec![]), "identifier 0");
    assert_eq!(answer(&[&edit(5, &[192, 0, 2, 1])]), (2, 3, vec![]), "our identifier, inside our AS");
    assert_eq!(answer(&[&edit(3, &[0, 1])]), (2, 6, vec![]));
    assert_eq!(answer(&[&edit(3, &[0, 2])]), (2, 6, vec![]));
    assert_eq!(answer(&[&edit(9, &[0])]), (2, 0, vec![]), "octets behind the parameters");
    assert_eq!(answer(&[&edit(10, &[1])]), (2, 4, vec![]), "parameter 1");
    assert_eq!(answer(&[&edit(13, &[3])]), (2, 0, vec![]), "capability length");
}

/// Shows: L3VPN-8.1-11
#[test]
fn as_numbers_are_those_of_the_capability() {
    let refused = |local: u32, remote: u32, asn: u32, capability: Option<u32>| {
        let mut caps = vec![bgp_vpn::message::capability::Capability::Multiprotocol(bgp_vpn::nlri::Family::VPN_IPV4)];
        caps.extend(capability.map(bgp_vpn::message::capability::Capability::FourOctetAs));
        let open = Open::new(asn, 90, [10, 0, 0, 9].into(), caps).unwrap();
        play(config(1, local, remote), &[&bytes(&Message::Open(open))]).1.map(|n| (n.code, n.subcode))
    };
    let bad = Some((ErrorCode::OPEN, 2));
    assert_eq!(refused(65001, 65002, 65002, Some(65002)), None);
    assert_eq!(refused(65001, 65002, 65002, None), None, "an old speaker");
    assert_eq!(refused(65001, 4_200_000_001, 4_200_000_001, Some(4_200_000_001)), None, "AS_TRANS before it");
    assert_eq!(refused(65001, 65002, 65003, Some(65003)), bad);
    assert_eq!(refused(65001, 65002, 0, Some(0)), bad, "AS 0");
    assert_eq!(refused(65001, 65002, 0, None), bad, "AS 0");
    assert_eq!(refused(65001, 65002, 65002, Some(23456)), bad, "AS_TRANS in the capability");
    assert_eq!(refused(65001, 4_200_000_001, 4_200_000_001, None), bad, "AS_TRANS without the capability");
    assert_eq!(refused(65001, 65002, 65002, Some(65003)), bad, "the capability counts");
}

#[test]
fn a_peer_without_our_families_is_told_which() {
    let caps = vec![bgp_vpn::message::capability::Capability::Multiprotocol(bgp_vpn::nlri::Family::IPV6_UNICAST)];
    let open = Open::new(65001, 90, [10, 0, 0, 9].into(), caps).unwrap();
    let ours = vec![1, 4, 0, 1, 0, 128, 1, 4, 0, 2, 0, 128];
    assert_eq!(answer(&[&bytes(&Message::Open(open))]), (2, 7, ours.clone()));
    let none = Open::new(65001, 90, [10, 0, 0, 9].into(), vec![]).unwrap();
    assert_eq!(answer(&[&bytes(&Message::Open(none))]), (2, 7, ours), "IPv4 unicast alone is implied");
}

#[test]
fn unexpected_messages_name_state_and_type() {
    let (open, update, refresh) = (good_open(), raw(2, &[0; 4]), raw(5, &[0, 1, 0, 128]));
    assert_eq!(answer(&[&KEEPALIVE]), (5, 1, vec![4]));
    assert_eq!(answer(&[&update]), (5, 1, vec![2]));
    assert_eq!(answer(&[&refresh]), (5, 1, vec![5]));
    assert_eq!(answer(&[&open, &open]), (5, 2, vec![1]));
    assert_eq!(answer(&[&open, &update]), (5, 2, vec![2]));
    assert_eq!(answer(&[&open, &refresh]), (5, 2, vec![5]));
    assert_eq!(answer(&[&open, &KEEPALIVE, &open]), (5, 3, vec![1]));
}

/// Shows: L3VPN-8.1-3
#[test]
fn refresh_lengths() {
    let up = [&good_open()[..], &KEEPALIVE].concat();
    let begin = raw(5, &[0, 1, 1, 128, 0]);
    assert_eq!(answer(&[&up, &begin]), (7, 1, begin.clone()), "the whole message");
    let begin = raw(5, &[0, 1, 2]);
    assert_eq!(answer(&[&up, &begin]), (7, 1, begin.clone()));
    assert_eq!(answer(&[&up, &raw(5, &[0, 1])]), (1, 2, vec![0, 21]));
    let (net, none) = play(
        config(1, 65001, 65001),
        &[&up, &raw(5, &[0, 1, 3, 128]), &raw(5, &[0, 9, 0, 9]), &raw(5, &[0, 1, 0, 128, 2, 64, 0, 0])],
    );
    assert_eq!(none, None);
    assert_eq!(net.ends[0].told.len(), 1, "unknown subtype, foreign family, deferred filters: ignored");
}

/// Shows: L3VPN-8.1-2
#[test]
fn extended_messages_are_taken_when_we_offered_them() {
    let up = [&good_open()[..], &KEEPALIVE].concat();
    let large = raw(2, &[0; 65_516]);
    let (net, none) = play(config(1, 65001, 65001), &[&up, &large]);
    assert_eq!(none, None);
    assert!(matches!(&net.ends[0].told[1], Told::Update(body) if body.len() == 65_516));
    let mut without = config(1, 65001, 65001);
    without.peer.extended_messages = false;
    let (_, n) = play(without.clone(), &[&up, &large]);
    assert_eq!(n.map(|n| (n.code.0, n.subcode, n.data.to_vec())), Some((1, 2, vec![255, 255])));
    let mut net = Net::new([without, config(2, 65001, 65001)]);
    net.start();
    net.run(Duration::from_secs(2));
    let lens = net.ends.each_ref().map(|e| e.session.negotiated().map(|n| (n.max_message_len, n.max_receive_len)));
    assert_eq!(lens, [Some((4096, 4096)), Some((4096, 65_535))], "long messages are sent only where both offered them");
}

#[test]
fn a_fatal_update_stops_what_is_behind_it() {
    let up = [&good_open()[..], &KEEPALIVE].concat();
    let mut net = Net::new([config(1, 65001, 65001), config(2, 65001, 65001)]);
    net.input(0, Input::Start);
    net.stranger(0);
    net.input(0, Input::Stream { side: Side::Incoming, octets: &up });
    let session = &mut net.ends[0].session;
    let updates = [raw(2, &[0; 4]), raw(2, &[0; 5]), raw(2, &[0; 6])].concat();
    session.handle_input(net.now, Input::Stream { side: Side::Incoming, octets: &updates });
    let first = session.poll_output();
    assert_eq!(first, Some(bgp_vpn::session::Output::Update(vec![0; 4])));
    let fault = Notification::new(ErrorCode::UPDATE, 1);
    session.handle_input(net.now, Input::UpdateError(fault.clone()));
    let rest: Vec<_> = std::iter::from_fn(|| session.poll_output()).collect();
    assert!(!rest.iter().any(|o| matches!(o, bgp_vpn::session::Output::Update(_))), "{rest:?}");
    let down = rest.iter().find_map(|o| match o {
        bgp_vpn::session::Output::Down(d) => Some(d.clone()),
        _ => None,
    });
    assert_eq!(down.unwrap().sent, Some(fault));
    let send = rest.iter().position(|o| matches!(o, bgp_vpn::session::Output::Send { .. }));
    let close = rest.iter().position(|o| matches!(o, bgp_vpn::session::Output::Close { .. }));
    assert!(send < close, "the NOTIFICATION before the close");
}

/// Every truncation and every changed octet of an OPEN: an answer, never a panic, and a session that lives on.
#[test]
fn every_mutated_open_is_answered() {
    let open = good_open();
    for at in 0..open.len() {
        for bit in 0..8 {
            let mut mutated = open.clone();
            mutated[at] ^= 1 << bit;
            let (mut net, n) = play(config(1, 65001, 65001), &[&mutated]);
            let state = net.ends[0].session.state();
            assert!(
                n.is_some() || matches!(state, State::OpenSent | State::OpenConfirm),
                "octet {at}, bit {bit}: {state:?}"
            );
            net.input(1, Input::Start);
            net.run(Duration::from_secs(400));
            assert!(net.agreed(), "octet {at}, bit {bit}");
        }
        let (net, n) = play(config(1, 65001, 65001), &[&open[..at]]);
        assert_eq!((n, net.ends[0].session.state()), (None, State::OpenSent), "{at} octets: waiting for more");
    }
}
