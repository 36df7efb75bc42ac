//! Multicast traceroute messages.

use std::net::{Ipv4Addr, Ipv6Addr};

use mvpn::address::Address;
use mvpn::mtrace2::TraceMessage;

/// A message of either family: no panic, and what is written is read as the same.
pub fn parse_mtrace2(data: &[u8]) {
    both_ways::<Ipv4Addr>(data);
    both_ways::<Ipv6Addr>(data);
}

fn both_ways<A: Address>(data: &[u8]) {
    let Ok(message) = TraceMessage::<A>::parse(data) else { return };
    let octets = message.to_octets();
    assert_eq!(octets.len(), message.wire_len());
    assert_eq!(TraceMessage::parse(&octets), Ok(message));
}
