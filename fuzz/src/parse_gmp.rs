//! IGMP and MLD messages.

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::wire::checksum::Sum;
use mvpn::gmp::{Message, Protocol};

/// One octet of family, then a message whose checksum is put right first, so that what lies behind it is reached.
/// What is read is written, and read as the same.
pub fn parse_gmp(data: &[u8]) {
    let [family, message @ ..] = data else { return };
    let mut message = message.to_vec();
    if let Some(checksum) = message.get_mut(2..4) {
        checksum.fill(0);
    }
    let six: Ipv6Addr = "fe80::1".parse().unwrap();
    let mut sum = Sum::new().octets(&message);
    if family & 1 != 0 {
        let len = u32::try_from(message.len()).unwrap();
        sum = sum.octets(&six.octets()).octets(&six.octets()).long(len).word(58);
    }
    if let Some(checksum) = message.get_mut(2..4) {
        checksum.copy_from_slice(&sum.finish().to_be_bytes());
    }
    if family & 1 == 0 {
        check(&message, Ipv4Addr::UNSPECIFIED);
    } else {
        check(&message, six);
    }
}

fn check<A: Protocol>(octets: &[u8], address: A) {
    let Ok(message) = A::parse_message(octets, address, address) else { return };
    if let Message::ReportV3(report) = message {
        assert_eq!(report.records.iter().count(), usize::from(report.records.count()));
    }
    let mut out = Vec::new();
    A::emit_message(&message, address, address, &mut out);
    if !matches!(message, Message::Unknown(_)) {
        assert_eq!(A::parse_message(&out, address, address), Ok(message));
    }
}
