//! MSDP messages.

use mvpn::msdp::tlv::{Tlv, frame_len};

/// A stream of messages: no panic; each is written again in as many octets, and read as the same; one whose reserved octets are zero is
/// written as it came.
pub fn parse_msdp(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some(len)) = frame_len(rest) {
        let Some((message, after)) = rest.split_at_checked(len) else { return };
        rest = after;
        let Ok(tlv) = Tlv::parse(message) else { return };
        let mut out = Vec::new();
        tlv.emit(&mut out);
        assert_eq!((out.len(), out.len()), (tlv.wire_len(), message.len()));
        let mut again = Vec::new();
        let read = Tlv::parse(&out).expect("what was written is read");
        read.emit(&mut again);
        assert_eq!(again, out);
    }
}
