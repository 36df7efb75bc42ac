//! A PIM message of either family, and what travels beside PIM.

use mvpn::pim::wire::port::PortMessage;
use mvpn::pim::wire::s_pmsi_join::SPmsiJoin;
use mvpn::pim::wire::{AddressFamily, Message};

/// One octet says family and framing, the rest is a message: no panic; what is read is written so that it is read as the same, with a
/// right checksum, in the length that was promised.
pub fn parse_pim(data: &[u8]) {
    let [bits, octets @ ..] = data else { return };
    let family = if bits & 1 == 0 { AddressFamily::V4 } else { AddressFamily::V6 };
    match bits & 6 {
        2 => {
            if let Ok(message) = PortMessage::parse(octets) {
                let mut out = Vec::new();
                message.emit(&mut out);
                assert_eq!(out.len(), message.wire_len());
                assert!(out.is_empty() || PortMessage::parse(&out) == Ok(message));
            }
        }
        4 => {
            if let Ok(join) = SPmsiJoin::parse(octets) {
                let mut out = Vec::new();
                join.emit(&mut out);
                assert_eq!(SPmsiJoin::parse(&out), Ok(join));
            }
        }
        _ => {
            let (source, destination) = (family.unspecified(), family.all_pim_routers());
            let _ = Message::parse(octets, source, destination);
            let Ok(message) = Message::parse_body(octets, family) else { return };
            let out = message.to_packet(source, destination);
            assert_eq!(out.len(), message.wire_len());
            assert_eq!(Message::parse(&out, source, destination).as_ref(), Ok(&message));
            if let Message::Register(register) = message {
                let _ = register.source_group();
            }
        }
    }
}
