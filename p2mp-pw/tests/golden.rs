//! Recorded LDP PDUs, octet for octet (`golden/ORIGIN.md` says whose).

use std::collections::BTreeMap;

use p2mp_pw::ldp::fec::{FecElement, FecType};
use p2mp_pw::ldp::message::{Message, MessageBody, MessageType};
use p2mp_pw::ldp::{Pdu, StatusCode, frame_len};

fn recordings() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    include_str!("golden/pdus.txt").lines().map(|line| {
        let (name, hex) = line.split_once(' ').unwrap();
        let octets = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        (name, octets.collect())
    })
}

fn messages(name: &str, octets: &[u8]) -> Vec<Message> {
    let pdu = Pdu::parse(octets).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    pdu.messages().map(|raw| raw.and_then(|raw| raw.parse()).unwrap_or_else(|e| panic!("{name}: {e:?}"))).collect()
}

/// The FEC elements of a message.
fn fecs(message: &Message) -> &[FecElement] {
    match &message.body {
        MessageBody::LabelMapping(m) => &m.fec.0,
        MessageBody::LabelRequest(m) => &m.fec.0,
        MessageBody::LabelWithdraw(m) | MessageBody::LabelRelease(m) => &m.fec.0,
        MessageBody::LabelAbortRequest(m) => &m.fec.0,
        MessageBody::Notification(m) => m.fec().map_or(&[], |fec| &fec.0),
        _ => &[],
    }
}

/// Shows: L2VPN-5.1-1, L2VPN-5.1-2, L2VPN-5.1-3, L2VPN-5.1-4, L2VPN-5.1-6, L2VPN-5.1-7, L2VPN-5.1-9, L2VPN-5.1-10
#[test]
fn recordings_round_trip_octet_for_octet() {
    let (mut kinds, mut elements) = (BTreeMap::new(), BTreeMap::new());
    for (name, octets) in recordings() {
        assert_eq!(frame_len(&octets, Pdu::DEFAULT_MAX_LEN), Ok(Some(octets.len())), "{name}");
        let read = messages(name, &octets);
        let mut out = Vec::new();
        Pdu::emit(Pdu::parse(&octets).unwrap().id, &read, &mut out);
        assert_eq!(out, octets, "{name}");
        for message in &read {
            *kinds.entry(message.body.kind()).or_insert(0) += 1;
            assert_eq!(message.body.refused_tlv(), None, "{name}: {message:?}");
            for element in fecs(message) {
                assert_eq!(element.refused(), None, "{name}: {element:?}");
                *elements.entry(element.fec_type()).or_insert(0) += 1;
            }
        }
    }
    for kind in [
        MessageType::NOTIFICATION,
        MessageType::HELLO,
        MessageType::INITIALIZATION,
        MessageType::KEEP_ALIVE,
        MessageType::ADDRESS,
        MessageType::LABEL_MAPPING,
        MessageType::LABEL_RELEASE,
    ] {
        assert!(kinds.contains_key(&kind), "{kind:?} of {kinds:?}");
    }
    for fec_type in [FecType::PREFIX, FecType::P2MP, FecType::MP2MP_UP, FecType::MP2MP_DOWN, FecType::GENERALIZED_PW_ID]
    {
        assert!(elements.contains_key(&fec_type), "{fec_type:?} of {elements:?}");
    }
}

/// Every truncation and every octet changed: a value or a fault, and the fault's place and price are known.
#[test]
fn mutations_never_panic_and_stay_consistent() {
    for (name, octets) in recordings().take(120) {
        for len in 0..octets.len() {
            assert!(Pdu::parse(&octets[..len]).is_err(), "{name}");
        }
        for at in 0..octets.len() {
            for value in [0, 1, 0x7f, 0xff, octets[at] ^ 0x80] {
                let mut changed = octets.clone();
                changed[at] = value;
                let Ok(pdu) = Pdu::parse(&changed) else { continue };
                for raw in pdu.messages() {
                    match raw.and_then(|raw| raw.parse()) {
                        Ok(message) => {
                            let mut out = Vec::new();
                            message.emit(&mut out);
                            assert_eq!(out.len(), message.wire_len(), "{name} at {at}");
                        }
                        Err(malformed) => {
                            assert!(malformed.offset <= changed.len());
                            assert_ne!(StatusCode::of_malformed(&malformed), StatusCode::SUCCESS);
                        }
                    }
                }
            }
        }
    }
}

/// An echo reply of the-tcpdump-group/tcpdump @39b50f76672b, tests/lsp-ping-timestamp.pcap (BSD-3-Clause), and its damaged kin.
#[test]
fn a_recorded_echo_reply() {
    use p2mp_pw::lsp_ping::{EchoMessage, MessageType, ReplyMode, ReturnCode};
    let hex = "00010000020203000000000000000001e30e8abb53893fafe30e8abb53d8f0c7";
    let octets: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let message = EchoMessage::parse(&octets).unwrap();
    assert_eq!((message.kind, message.reply_mode), (MessageType::ECHO_REPLY, ReplyMode::UDP));
    assert_eq!((message.return_code, message.sequence), (ReturnCode::EGRESS, 1));
    assert!(message.received > message.sent);
    let mut out = Vec::new();
    message.emit(&mut out);
    assert_eq!(out, octets);
    for len in 0..octets.len() {
        assert!(EchoMessage::parse(&octets[..len]).is_err());
    }
}

/// BFD between two FRR bfdd, from Down to Up with its Poll Sequence, and every truncation and changed octet of it.
#[test]
fn recorded_bfd_sessions() {
    use p2mp_pw::bfd::{ControlFlags, ControlPacket, State};
    let mut seen = std::collections::BTreeSet::new();
    for line in include_str!("golden/bfd.txt").lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let octets: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let packet = ControlPacket::parse(&octets).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut out = Vec::new();
        packet.emit(&mut out);
        assert_eq!(out, octets, "{name}");
        let flag = packet.flags & (ControlFlags::POLL | ControlFlags::FINAL);
        seen.insert((packet.state, flag.bits()));
        for len in 0..octets.len() {
            assert!(ControlPacket::parse(&octets[..len]).is_err(), "{name}");
        }
        for at in 0..octets.len() {
            for value in [0, 1, 0x7f, 0xff, octets[at] ^ 0x80] {
                let mut changed = octets.clone();
                changed[at] = value;
                if let Ok(packet) = ControlPacket::parse(&changed) {
                    let mut out = Vec::new();
                    packet.emit(&mut out);
                    assert_eq!(out, changed, "{name} at {at}");
                }
            }
        }
    }
    for wanted in [(State::Down, 0), (State::Init, 0), (State::Up, 0), (State::Up, 0x20), (State::Up, 0x10)] {
        assert!(seen.contains(&wanted), "{wanted:?} of {seen:?}");
    }
}

/// What made another decoder loop or read beyond the end costs a fault here, and as a Hello it is dropped.
#[test]
fn damaged_recordings_are_faults() {
    use p2mp_pw::ldp::LdpId;
    use p2mp_pw::ldp::discovery::{Discovery, DiscoveryConfig, Input, InterfaceAddresses, Refusal};
    let (now, link) = (fwd_core::time::Instant::from_secs(1), fwd_core::net::IfIndex(1));
    let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, 1].into()));
    config.transport_v4 = Some([192, 0, 2, 1].into());
    let mut lsr = Discovery::new(now, config).unwrap();
    lsr.set_interface(now, link, Some(InterfaceAddresses { v4: Some([198, 51, 100, 1].into()), v6: None }));
    for (n, line) in (1..).zip(include_str!("golden/damaged.txt").lines()) {
        let (name, hex) = line.split_once(' ').unwrap();
        let octets: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        assert!(Pdu::parse(&octets).is_err(), "{name}");
        let from = [198, 51, 100, 2].into();
        lsr.handle_input(now, Input::Datagram { from, iface: link, to_all_routers: true, ttl: 1, octets: &octets });
        assert_eq!(lsr.counters().refused[Refusal::Malformed as usize], n, "{name}");
    }
}
