use p2mp_pw::ldp::fec::{Fec, FecElement};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::{Pdu, StatusCode, frame_len};

/// Octets as LDP PDUs and FECs: no panic, framing agrees with parsing, and what parses can be written and read again.
pub fn parse_ldp(data: &[u8]) {
    match frame_len(data, Pdu::DEFAULT_MAX_LEN) {
        Ok(Some(len)) => assert!(len >= Pdu::HEADER_LEN),
        Ok(None) => assert!(data.len() < Pdu::HEADER_LEN),
        Err(status) => assert!(status.is_fatal()),
    }
    let mut rest = data;
    while let Ok((after, pdu)) = Pdu::take(rest) {
        assert!(after.len() < rest.len());
        rest = after;
        for raw in pdu.messages().flatten() {
            match raw.parse() {
                Ok(message) => again(&message),
                Err(malformed) => {
                    assert!(malformed.offset <= raw.octets().len());
                    assert_ne!(StatusCode::of_malformed(&malformed), StatusCode::SUCCESS);
                }
            }
        }
    }
    if let Ok(fec) = Fec::parse(data) {
        let mut out = Vec::new();
        fec.emit(&mut out);
        assert_eq!(out.len(), fec.wire_len());
        for element in &fec.0 {
            if let FecElement::Multipoint(lsp) = element {
                assert!(lsp.opaque.elements().count() <= lsp.opaque.wire_len());
            }
        }
        assert_eq!(Fec::parse(&out), Ok(fec));
    }
}

fn again(message: &Message) {
    let _ = message.body.refused_tlv();
    let mut out = Vec::new();
    message.emit(&mut out);
    assert_eq!(out.len(), message.wire_len());
    let mut pdu = Vec::new();
    let id = p2mp_pw::ldp::LdpId::platform([192, 0, 2, 1].into());
    Pdu::emit(id, std::slice::from_ref(message), &mut pdu);
    // A message that filled 65,535 octets may not fit behind the identifier.
    if let Some(Ok(raw)) = Pdu::parse(&pdu).ok().and_then(|p| p.messages().next()) {
        assert_eq!(raw.parse().as_ref(), Ok(message));
    }
}
