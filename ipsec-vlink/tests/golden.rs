//! Recorded messages, octet for octet (`golden/ORIGIN.md` says whose), and the RFCs' figures.

use std::collections::BTreeSet;

use fwd_core::wire::l2tpv3::{self, Carrier, Cookie, Kind};
use ipsec_vlink::l2tp::{
    Avps, CircuitStatus, ErrorCode, FailoverCapability, MessageDigest, MessageType, Numbers, Octets, PseudowireType,
    RawAvp, ResultCode, Value, v2, v3,
};

fn l2tp_recordings() -> impl Iterator<Item = (String, &'static str, Vec<u8>)> {
    include_str!("golden/l2tp.txt").lines().map(|line| {
        let [name, kind, hex] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let octets = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        (format!("{name} {hex}"), kind, octets.collect())
    })
}

/// Every AVP, and every value in it, is written as it was read.
fn check_body(name: &str, body: &[u8], kinds: &mut BTreeSet<MessageType>, attributes: &mut BTreeSet<u16>) {
    let mut again = Vec::new();
    for avp in Avps::new(body) {
        let avp = avp.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        avp.emit(&mut again);
        let value = Value::of(&avp).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let mut octets = Vec::new();
        value.emit(&mut octets);
        assert_eq!((&octets[..], value.wire_len()), (avp.value, avp.value.len()), "{name}: {value:?}");
        assert!(!matches!(value, Value::Unknown { vendor: 0, .. }), "{name}: {value:?}");
        attributes.insert(avp.attribute.0);
        if let Value::MessageType(kind) = value {
            kinds.insert(kind);
        }
    }
    assert_eq!(again, body, "{name}");
}

/// Shows: L2VPN-5.5-1, L2VPN-5.5-3
#[test]
fn recorded_l2tp_round_trips_octet_for_octet() {
    let (mut kinds, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    for (name, kind, octets) in l2tp_recordings() {
        let (carrier, message) = match kind.split_once('-').unwrap().0 {
            "ip" => (Carrier::Ip, octets.strip_prefix(&[0; 4]).unwrap_or(&octets)),
            _ => (Carrier::Udp, &octets[..]),
        };
        let mut out = Vec::new();
        if kind.ends_with("data") {
            match carrier {
                Carrier::Udp => {
                    v2::Data::parse(message).unwrap_or_else(|e| panic!("{name}: {e:?}")).emit(&mut out);
                    assert_eq!(out, octets, "{name}");
                }
                Carrier::Ip => assert!(matches!(l2tpv3::kind(carrier, &octets), Ok(Kind::Data { .. })), "{name}"),
            }
            continue;
        }
        let version = message[1] & 0x0f;
        let body = if version == 2 {
            let read = v2::Control::parse(message).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            read.emit(&mut out);
            read.body
        } else {
            let read = v3::Control::parse(message).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            read.emit(&mut out);
            read.body
        };
        assert_eq!(out, message, "{name}");
        check_body(&name, body, &mut kinds, &mut attributes);
        for cut in 0..message.len() {
            assert!(v2::Control::parse(&message[..cut]).is_err() && v3::Control::parse(&message[..cut]).is_err());
        }
    }
    for kind in [
        MessageType::SCCRQ,
        MessageType::SCCRP,
        MessageType::SCCCN,
        MessageType::ICRQ,
        MessageType::ICRP,
        MessageType::ICCN,
        MessageType::CDN,
        MessageType::SLI,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} of {kinds:?}");
    }
    for attribute in [2, 3, 7, 9, 10, 14, 15, 61, 62, 63, 64, 68, 71] {
        assert!(attributes.contains(&attribute), "{attribute} of {attributes:?}");
    }
}

fn octets(text: &'static str) -> Octets<'static> {
    Octets::new(text.as_bytes()).unwrap()
}

/// The octets of each figure, by attribute, with the M bit that the RFC asks for.
///
/// Shows: L2VPN-5.5-7, L2VPN-5.5-8, L2VPN-5.5-9, L2VPN-5.5-10
#[test]
fn avps_of_version_2_by_their_figures() {
    let cases: Vec<(Value<'_>, u16, bool, &[u8])> = vec![
        (Value::MessageType(MessageType::SCCRQ), 0, true, &[0, 1]),
        (Value::ResultCode(ResultCode::with(2, ErrorCode(8), "no")), 1, true, &[0, 2, 0, 8, b'n', b'o']),
        (Value::ProtocolVersion { version: 1, revision: 0 }, 2, true, &[1, 0]),
        (Value::FramingCapabilities(3), 3, true, &[0, 0, 0, 3]),
        (Value::BearerCapabilities(2), 4, true, &[0, 0, 0, 2]),
        (Value::TieBreaker(0x0102_0304_0506_0708), 5, false, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (Value::FirmwareRevision(0x690), 6, false, &[6, 0x90]),
        (Value::HostName(octets("lac")), 7, true, b"lac"),
        (Value::VendorName(octets("us")), 8, false, b"us"),
        (Value::AssignedTunnelId(258), 9, true, &[1, 2]),
        (Value::ReceiveWindowSize(4), 10, true, &[0, 4]),
        (Value::Challenge(octets("abc")), 11, true, b"abc"),
        (Value::Q931Cause { code: 16, message: 0x45, advisory: octets("x") }, 12, true, &[0, 16, 0x45, b'x']),
        (Value::ChallengeResponse([7; 16]), 13, true, &[7; 16]),
        (Value::AssignedSessionId(3), 14, true, &[0, 3]),
        (Value::CallSerialNumber(4), 15, true, &[0, 0, 0, 4]),
        (Value::MinimumBps(5), 16, true, &[0, 0, 0, 5]),
        (Value::MaximumBps(6), 17, true, &[0, 0, 0, 6]),
        (Value::BearerType(1), 18, true, &[0, 0, 0, 1]),
        (Value::FramingType(2), 19, true, &[0, 0, 0, 2]),
        (Value::CalledNumber(octets("1")), 21, true, b"1"),
        (Value::CallingNumber(octets("2")), 22, true, b"2"),
        (Value::SubAddress(octets("3")), 23, true, b"3"),
        (Value::TxConnectSpeed(64_000), 24, true, &[0, 0, 0xfa, 0]),
        (Value::PhysicalChannelId(9), 25, false, &[0, 0, 0, 9]),
        (Value::InitialReceivedLcp(octets("i")), 26, false, b"i"),
        (Value::LastSentLcp(octets("s")), 27, false, b"s"),
        (Value::LastReceivedLcp(octets("r")), 28, false, b"r"),
        (Value::ProxyAuthenType(2), 29, false, &[0, 2]),
        (Value::ProxyAuthenName(octets("n")), 30, false, b"n"),
        (Value::ProxyAuthenChallenge(octets("c")), 31, false, b"c"),
        (Value::ProxyAuthenId(5), 32, false, &[0, 5]),
        (Value::ProxyAuthenResponse(octets("p")), 33, false, b"p"),
        (
            Value::CallErrors([1, 2, 3, 4, 5, 6]),
            34,
            true,
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6],
        ),
        (Value::Accm { send: 1, receive: 2 }, 35, true, &[0, 0, 0, 0, 0, 1, 0, 0, 0, 2]),
        (Value::RandomVector(octets("rv")), 36, true, b"rv"),
        (Value::PrivateGroupId(octets("vpn")), 37, false, b"vpn"),
        (Value::RxConnectSpeed(1), 38, false, &[0, 0, 0, 1]),
        (Value::SequencingRequired, 39, true, &[]),
    ];
    check_figures(&cases);
}

/// Shows: L2VPN-5.5-11, L2VPN-5.5-12, L2VPN-5.5-13, L2VPN-5.5-14, L2VPN-5.5-15, L2VPN-5.5-16
#[test]
fn avps_of_version_3_by_their_figures() {
    let mut digest = vec![1];
    digest.extend([8; 20]);
    let cases: Vec<(Value<'_>, u16, bool, &[u8])> = vec![
        (Value::ExtendedVendorId { vendor: 9, attribute: 1, value: octets("v") }, 58, false, &[0, 0, 0, 9, 0, 1, b'v']),
        (Value::MessageDigest(MessageDigest::HmacSha1([8; 20])), 59, true, &digest),
        (Value::RouterId(0xc000_0201), 60, true, &[192, 0, 2, 1]),
        (Value::AssignedControlConnectionId(1), 61, true, &[0, 0, 0, 1]),
        (Value::PseudowireCapabilities(Numbers::new(&[0, 4, 0, 5]).unwrap()), 62, true, &[0, 4, 0, 5]),
        (Value::LocalSessionId(1), 63, true, &[0, 0, 0, 1]),
        (Value::RemoteSessionId(2), 64, true, &[0, 0, 0, 2]),
        (Value::AssignedCookie(Cookie::new(&[3; 8]).unwrap()), 65, true, &[3; 8]),
        (Value::RemoteEndId(octets("end")), 66, true, b"end"),
        (Value::PseudowireType(PseudowireType::ETHERNET_VLAN), 68, true, &[0, 4]),
        (Value::PseudowireType(PseudowireType::ETHERNET), 68, true, &[0, 5]),
        (Value::L2SpecificSublayer(1), 69, true, &[0, 1]),
        (Value::DataSequencing(2), 70, true, &[0, 2]),
        (Value::CircuitStatus(CircuitStatus::ACTIVE | CircuitStatus::NEW), 71, true, &[0, 3]),
        (Value::PreferredLanguage(octets("en")), 72, false, b"en"),
        (Value::AuthenticationNonce(octets("nonce")), 73, true, b"nonce"),
        (Value::TxConnectSpeed64(1), 74, false, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (Value::RxConnectSpeed64(2), 75, false, &[0, 0, 0, 0, 0, 0, 0, 2]),
        (
            Value::FailoverCapability(FailoverCapability { bits: 3, recovery_time: 1000 }),
            76,
            false,
            &[0, 3, 0, 0, 3, 0xe8],
        ),
        (Value::TunnelRecovery { recover: 1, remote: 2 }, 77, true, &[0, 0, 0, 0, 0, 1, 0, 0, 0, 2]),
        (Value::SuggestedControlSequence { ns: 1, nr: 2 }, 78, false, &[0, 0, 0, 1, 0, 2]),
        (Value::FailoverSessionState { session: 1, remote: 2 }, 79, true, &[0, 0, 0, 0, 0, 1, 0, 0, 0, 2]),
        (Value::AttachmentGroupIdentifier(octets("agi")), 89, false, b"agi"),
        (Value::LocalEndId(octets("aii")), 90, false, b"aii"),
        (Value::InterfaceMtu(1500), 91, false, &[5, 0xdc]),
        (Value::VccvCapability { control_channels: 1, verifications: 2 }, 96, false, &[1, 2]),
    ];
    check_figures(&cases);
    let bits = [0x0001, 0x0002, 0x0004, 0x0008, 0x0010, 0x0020, 0x0040];
    let named = [
        CircuitStatus::ACTIVE,
        CircuitStatus::NEW,
        CircuitStatus::RECEIVE_FAULT,
        CircuitStatus::TRANSMIT_FAULT,
        CircuitStatus::PW_RECEIVE_FAULT,
        CircuitStatus::PW_TRANSMIT_FAULT,
        CircuitStatus::STANDBY,
    ];
    for (status, bit) in named.into_iter().zip(bits) {
        let octets = [0, 8, 0, 0, 0, 71, (bit >> 8) as u8, bit as u8];
        assert_eq!(Value::of(&RawAvp::parse(&octets).unwrap()), Ok(Value::CircuitStatus(status)), "{bit:#x}");
    }
}

/// RFC 4045 §3.2, §6.2, §6.3.
///
/// Shows: MVPN-TUN-6, L3VPN-8.10-14
#[test]
fn avps_of_multicast_sessions_by_their_figures() {
    let list = Numbers::new(&[0, 1, 0, 2]).unwrap();
    let cases: Vec<(Value<'_>, u16, bool, &[u8])> = vec![
        (Value::MulticastCapability, 80, false, &[]),
        (Value::NewOutgoingSessions(list), 81, true, &[0, 1, 0, 2]),
        (Value::NewOutgoingSessionsAck(list), 82, true, &[0, 1, 0, 2]),
        (Value::WithdrawOutgoingSessions(list), 83, true, &[0, 1, 0, 2]),
        (Value::MulticastPriority(7), 84, false, &[0, 7]),
    ];
    check_figures(&cases);
}

fn check_figures(cases: &[(Value<'_>, u16, bool, &[u8])]) {
    for (value, attribute, is_mandatory, octets) in cases {
        let mut out = Vec::new();
        value.emit_avp(&mut out);
        let first = if *is_mandatory { 0x80 } else { 0 };
        let len = octets.len() as u8 + 6;
        assert_eq!(out[..6], [first, len, 0, 0, (attribute >> 8) as u8, *attribute as u8], "{value:?}");
        assert_eq!(&out[6..], *octets, "{value:?}");
        assert_eq!(Value::of(&RawAvp::parse(&out).unwrap()), Ok(*value));
        // Whatever becomes of an octet on the way, it is read without a panic, and written as it is read.
        for at in 0..out.len() {
            for bit in 0..8 {
                let mut wrong = out.clone();
                wrong[at] ^= 1 << bit;
                if let Ok(Ok(value)) = RawAvp::parse(&wrong).map(|avp| Value::of(&avp)) {
                    value.emit_avp(&mut Vec::new());
                }
            }
        }
    }
}

/// Shows: L2VPN-5.5-2, L2VPN-5.5-4, L2VPN-5.5-5, L2VPN-5.5-6, MVPN-TUN-6, L3VPN-8.10-14
#[test]
fn numbers_of_messages() {
    let numbers = [
        (MessageType::OCRQ, 7, "OCRQ"),
        (MessageType::OCRP, 8, "OCRP"),
        (MessageType::OCCN, 9, "OCCN"),
        (MessageType::WEN, 15, "WEN"),
        (MessageType::SLI, 16, "SLI"),
        (MessageType::ACK, 20, "ACK"),
        (MessageType::MSRQ, 23, "MSRQ"),
        (MessageType::MSRP, 24, "MSRP"),
        (MessageType::MSE, 25, "MSE"),
        (MessageType::MSI, 26, "MSI"),
        (MessageType::MSEN, 27, "MSEN"),
        (MessageType::CSUN, 28, "CSUN"),
        (MessageType::CSURQ, 29, "CSURQ"),
    ];
    for (kind, number, name) in numbers {
        let octets = [0x80, 8, 0, 0, 0, 0, 0, number];
        let read = Value::of(&RawAvp::parse(&octets).unwrap()).unwrap();
        assert_eq!((read, kind.name()), (Value::MessageType(kind), Some(name)));
    }
}
