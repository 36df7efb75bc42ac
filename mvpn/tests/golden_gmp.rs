//! Recorded IGMP and MLD messages, octet for octet; `golden/gmp/ORIGIN.md` says whose.

use std::net::{Ipv4Addr, Ipv6Addr};

use mvpn::gmp::{GroupRecord, Message, Protocol, RecordType, ResponseCode, Version};
use mvpn::igmp::IgmpMessage;
use mvpn::mld::{Endpoints, MldMessage};

const MESSAGES: &str = include_str!("golden/gmp/messages.txt");

/// A version 2 report whose Max Resp Time is not zero, as it must be (RFC 2236 §2.2): it is ignored and written as zero.
const NOT_CANONICAL: &str = "zeek__igmp-many-sources-1";

struct Recording {
    name: &'static str,
    igmp: bool,
    source: Vec<u8>,
    destination: Vec<u8>,
    octets: Vec<u8>,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn recordings() -> impl Iterator<Item = Recording> {
    MESSAGES.lines().map(|line| {
        let [name, protocol, source, destination, octets] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        Recording {
            name,
            igmp: protocol == "igmp",
            source: hex(source),
            destination: hex(destination),
            octets: hex(octets),
        }
    })
}

impl Recording {
    fn endpoints(&self) -> Endpoints {
        let address = |octets: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap());
        Endpoints { source: address(&self.source), destination: address(&self.destination) }
    }

    /// Reads the octets and writes what was read.
    fn again(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let len = if self.igmp {
            let message = IgmpMessage::parse(octets).ok()?;
            message.emit(&mut out);
            message.wire_len()
        } else {
            let message = MldMessage::parse(octets, &self.endpoints()).ok()?;
            message.emit(&self.endpoints(), &mut out);
            message.wire_len()
        };
        assert_eq!(out.len(), len, "{}", self.name);
        Some(out)
    }
}

fn find(name: &str) -> Recording {
    recordings().find(|r| r.name == name).unwrap_or_else(|| panic!("no recording is called {name}"))
}

/// What each message says, written down from an independent reading of the octets, and the octets again.
///
/// Shows: L3VPN-8.9-1, L3VPN-8.9-2, L2VPN-5.4-1, L2VPN-5.4-2
#[test]
fn recordings_round_trip_octet_for_octet() {
    let mut kinds = std::collections::BTreeSet::new();
    for recording in recordings() {
        let again = recording.again(&recording.octets).unwrap_or_else(|| panic!("{}", recording.name));
        assert_eq!(again == recording.octets, recording.name != NOT_CANONICAL, "{}", recording.name);
        kinds.insert((recording.igmp, recording.octets[0]));
        // Nothing that is cut short or has one bit wrong passes the checksum, and nothing panics.
        for n in 0..recording.octets.len() {
            let _ = recording.again(&recording.octets[..n]);
            for bit in 0..8 {
                let mut octets = recording.octets.clone();
                octets[n] ^= 1 << bit;
                assert_eq!(recording.again(&octets), None, "{} octet {n} bit {bit}", recording.name);
            }
        }
    }
    for kind in [0x11, 0x12, 0x16, 0x17, 0x22] {
        assert!(kinds.contains(&(true, kind)), "IGMP {kind:#x}");
    }
    for kind in [130, 131, 132, 143] {
        assert!(kinds.contains(&(false, kind)), "MLD {kind}");
    }
}

/// Shows: L3VPN-8.9-1
#[test]
fn queries_of_three_versions() {
    let of = |name| {
        let recording = find(name);
        let message = IgmpMessage::parse(&recording.octets).unwrap();
        let IgmpMessage::Query(query) = message else { panic!("{message:?}") };
        let v3 = query.v3.map(|v3| (v3.bits.suppress(), v3.bits.robustness(), v3.interval.duration().as_secs()));
        (Ipv4Addr::query_version(&query), query.response.duration().as_millis(), query.group.to_string(), v3)
    };
    assert_eq!(of("pcapplusplus__igmp-3"), (Version::V1, 0, "0.0.0.0".into(), None));
    assert_eq!(of("pcapplusplus__igmp-1"), (Version::V2, 10_000, "0.0.0.0".into(), None));
    assert_eq!(of("frr10__pim-pim6-core-8"), (Version::V3, 10_000, "0.0.0.0".into(), Some((true, 2, 125))));
    assert_eq!(of("rfc3376-source-query"), (Version::V3, 1000, "232.1.1.1".into(), Some((true, 2, 248))));
}

/// Shows: L3VPN-8.9-3
#[test]
fn records_of_six_types_of_both_families() {
    const TYPES: [RecordType; 6] = [
        RecordType::IS_INCLUDE,
        RecordType::IS_EXCLUDE,
        RecordType::TO_INCLUDE,
        RecordType::TO_EXCLUDE,
        RecordType::ALLOW,
        RecordType::BLOCK,
    ];
    fn check<A: Protocol>(octets: &[u8], source: A, destination: A, group: &str, sources: [&str; 2]) {
        let Message::ReportV3(report) = A::parse_message(octets, source, destination).unwrap() else { panic!() };
        let records: Vec<GroupRecord<'_, A>> = report.records.iter().collect();
        assert_eq!((records.len(), report.records.count()), (6, 6));
        for ((kind, record), n) in TYPES.into_iter().zip(records).zip(1..) {
            assert_eq!((record.kind, record.group.to_string()), (kind, format!("{group}{n}")));
            assert_eq!(record.sources.iter().map(|s| s.to_string()).collect::<Vec<_>>(), sources);
        }
    }
    let four = find("rfc3376-six-records");
    check(&four.octets, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, "232.1.1.", ["192.0.2.1", "192.0.2.2"]);
    let six = find("rfc3810-six-records");
    let Endpoints { source, destination } = six.endpoints();
    check(&six.octets, source, destination, "ff3e::8000:", ["2001:db8::1", "2001:db8::2"]);
    assert_eq!(RecordType::BLOCK.name(), Some("BLOCK"));
}

#[test]
fn auxiliary_data_is_stepped_over() {
    let recording = find("rfc3376-auxiliary");
    let IgmpMessage::ReportV3(report) = IgmpMessage::parse(&recording.octets).unwrap() else { panic!() };
    let records: Vec<_> = report.records.iter().map(|r| (r.kind, r.group.octets()[3], r.auxiliary)).collect();
    assert_eq!(records, [(RecordType::IS_INCLUDE, 1, &b"auxiliar"[..]), (RecordType::BLOCK, 2, &[])]);
}
