//! Recorded PIM messages, octet for octet; `golden/pim/ORIGIN.md` says whose.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mvpn::pim::wire::{Message, MessageType};

const MESSAGES: &str = include_str!("golden/pim/messages.txt");
const EXPECTED: &str = include_str!("golden/pim/expected.txt");

struct Recording {
    name: &'static str,
    source: IpAddr,
    destination: IpAddr,
    octets: Vec<u8>,
}

fn recordings() -> impl Iterator<Item = Recording> {
    MESSAGES.lines().map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        let (name, source, destination, hex) = (word(), word(), word(), word());
        let octets = (0..hex.len()).step_by(2).map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap()).collect();
        Recording { name, source: source.parse().unwrap(), destination: destination.parse().unwrap(), octets }
    })
}

/// What `expected.txt` says of a message that is not read, or is written otherwise: the field at fault or the octets that differ.
fn outcome(r: &Recording) -> String {
    match Message::parse(&r.octets, r.source, r.destination) {
        Err(m) => format!("{} at {}", m.field, m.offset),
        Ok(message) => {
            let out = message.to_packet(r.source, r.destination);
            assert_eq!(out.len(), message.wire_len(), "{}", r.name);
            assert_eq!(Message::parse(&out, r.source, r.destination).as_ref(), Ok(&message), "{}", r.name);
            if out == r.octets {
                return String::new();
            }
            let differ = out.iter().zip(&r.octets).enumerate().filter(|(_, (a, b))| a != b).map(|(n, _)| n);
            format!("octets {:?}", differ.collect::<Vec<_>>())
        }
    }
}

/// Shows: L3VPN-8.8-1, L3VPN-8.8-3
#[test]
fn recordings_are_read_and_written_octet_for_octet() {
    let (mut found, mut clean, mut types) = (String::new(), 0, BTreeSet::new());
    for r in recordings() {
        let outcome = outcome(&r);
        if outcome.is_empty() {
            clean += 1;
            types.insert(MessageType(r.octets[0] & 15));
        } else {
            found.push_str(&format!("{} {outcome}\n", r.name));
        }
    }
    assert_eq!(found, EXPECTED);
    assert!(clean >= 90, "{clean}");
    for t in [0, 1, 2, 3, 4, 5, 8, 10] {
        assert!(types.contains(&MessageType(t)), "no clean {}", MessageType(t));
    }
}

#[test]
fn no_truncation_or_mutation_panics_and_what_is_read_is_written_the_same() {
    for r in recordings() {
        let check = |octets: &[u8]| {
            let family = mvpn::pim::wire::AddressFamily::of(r.source);
            if let Ok(message) = Message::parse_body(octets, family) {
                let out = message.to_packet(r.source, r.destination);
                assert_eq!(Message::parse(&out, r.source, r.destination).as_ref(), Ok(&message), "{}", r.name);
            }
        };
        for n in 0..r.octets.len().min(300) {
            check(&r.octets[..n]);
            let mut mutated = r.octets.clone();
            for value in [0, 1, 0x7f, 0xff, mutated[n].wrapping_add(1), mutated[n] ^ 0x80] {
                mutated[n] = value;
                check(&mutated);
            }
        }
    }
}
