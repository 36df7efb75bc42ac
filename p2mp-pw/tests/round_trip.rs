//! `parse(emit(x)) == x` for every LDP message.

use arbitrary::{Arbitrary, Unstructured};
use p2mp_pw::bfd::ControlPacket;
use p2mp_pw::ldp::fec::Fec;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::{LdpId, Pdu, frame_len};
use p2mp_pw::lsp_ping::EchoMessage;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn messages(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut u = Unstructured::new(&octets);
        let Ok(messages) = <[Message; 2]>::arbitrary(&mut u) else { return Ok(()) };
        let lens = messages.each_ref().map(Message::wire_len);
        prop_assume!(lens.iter().sum::<usize>() <= Pdu::room(u16::MAX));
        let id = LdpId::platform([192, 0, 2, 1].into());
        let mut out = Vec::new();
        Pdu::emit(id, &messages, &mut out);
        prop_assert_eq!(frame_len(&out, u16::MAX), Ok(Some(out.len())));
        let pdu = Pdu::parse(&out).unwrap();
        prop_assert_eq!(pdu.id, id);
        let read: Vec<Message> = pdu.messages().map(|raw| raw.unwrap().parse().unwrap()).collect();
        prop_assert_eq!(read.as_slice(), messages.as_slice());
    }

    /// What was read from anywhere can be written, and read again as the same.
    #[test]
    fn octets_from_anywhere(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(fec) = Fec::parse(&octets) {
            let mut out = Vec::new();
            fec.emit(&mut out);
            prop_assert_eq!(out.len(), fec.wire_len());
            prop_assert_eq!(Fec::parse(&out), Ok(fec));
        }
    }

    #[test]
    fn bfd_control_packets(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let Ok(packet) = ControlPacket::arbitrary(&mut Unstructured::new(&octets)) else { return Ok(()) };
        let mut out = Vec::new();
        packet.emit(&mut out);
        prop_assert_eq!(out.len(), packet.wire_len());
        prop_assert_eq!(ControlPacket::parse(&out), Ok(packet));
    }

    #[test]
    fn echo_messages(octets in prop::collection::vec(any::<u8>(), 0..700)) {
        let Ok(message) = EchoMessage::arbitrary(&mut Unstructured::new(&octets)) else { return Ok(()) };
        let mut out = Vec::new();
        message.emit(&mut out);
        prop_assert_eq!(out.len(), message.wire_len());
        prop_assert_eq!(EchoMessage::parse(&out), Ok(message));
    }

    #[test]
    fn rsvp_messages(octets in prop::collection::vec(any::<u8>(), 0..700)) {
        let Ok(message) = p2mp_pw::rsvp_te::Message::arbitrary(&mut Unstructured::new(&octets)) else { return Ok(()) };
        let mut out = Vec::new();
        message.emit(&mut out);
        prop_assert_eq!(out.len(), message.wire_len());
        prop_assert_eq!(p2mp_pw::rsvp_te::Message::parse(&out), Ok(message));
    }
}
