//! The checksum of a PIM message (RFC 7761 §4.9).
//!
//! IPv4: over the message. IPv6: over the pseudo-header of RFC 8200 §8.1 too. A Register's covers its first eight octets only,
//! header included, and the pseudo-header's length is then eight; receivers take one over the whole message as well.

use core::net::IpAddr;

use fwd_core::wire::checksum::Sum;

use super::header::MessageType;

/// The protocol number of PIM.
pub const PROTOCOL: u8 = 103;

/// What of a Register is summed.
const REGISTER_HEADER: usize = 8;

fn over(octets: &[u8], source: IpAddr, destination: IpAddr) -> u16 {
    let mut sum = Sum::new();
    if let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) {
        let len = u32::try_from(octets.len()).unwrap_or_default();
        sum = sum.octets(&source.octets()).octets(&destination.octets()).long(len).long(u32::from(PROTOCOL));
    }
    sum.bulk(octets).finish()
}

/// The checksum to write into `message`, whose checksum field is zero.
#[must_use]
pub fn of(message_type: MessageType, message: &[u8], source: IpAddr, destination: IpAddr) -> u16 {
    let head = if message_type == MessageType::REGISTER { message.get(..REGISTER_HEADER) } else { None };
    over(head.unwrap_or(message), source, destination)
}

/// Whether a received message's checksum is right.
#[inline]
#[must_use]
pub fn verify(message_type: MessageType, message: &[u8], source: IpAddr, destination: IpAddr) -> bool {
    of(message_type, message, source, destination) == 0
        || message_type == MessageType::REGISTER && over(message, source, destination) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn it_is_the_internet_checksum() {
        let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        for len in 0..40_u8 {
            let octets: std::vec::Vec<u8> = (0..len).map(|n| n.wrapping_mul(97).wrapping_add(200)).collect();
            assert_eq!(of(MessageType::HELLO, &octets, v4, v4), fwd_core::wire::checksum::of(&octets), "{len}");
        }
    }

    #[test]
    fn ipv6_sums_the_pseudo_header() {
        let (a, b) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xd));
        let message = [0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105];
        let mut whole = std::vec::Vec::new();
        whole.extend(a.octets());
        whole.extend(b.octets());
        whole.extend([0, 0, 0, 10, 0, 0, 0, 103]);
        whole.extend(message);
        let sum = fwd_core::wire::checksum::of(&whole);
        assert_eq!(of(MessageType::HELLO, &message, a.into(), b.into()), sum);
    }

    #[test]
    fn a_register_is_summed_over_eight_octets_or_over_all() {
        let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut message = [0x21, 0, 0, 0, 0, 0, 0, 0, 0x45, 1, 2, 3];
        let head = of(MessageType::REGISTER, &message, v4, v4);
        let whole = of(MessageType::HELLO, &message, v4, v4);
        assert_eq!((head, head == whole), (0xdeff, false));
        for sum in [head, whole] {
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            assert!(verify(MessageType::REGISTER, &message, v4, v4));
        }
        message[3] ^= 1;
        assert!(!verify(MessageType::REGISTER, &message, v4, v4));
    }
}
