//! An echo request or reply, and what a node answers to it.

use core::time::Duration;

use fwd_core::net::{IfIndex, Label};
use fwd_core::time::Instant;
use p2mp_pw::lsp_ping::{
    Arrival, EchoMessage, FecBinding, LabelOperation, LabelProtocol, MessageType, ReceivedLabel, Responder,
    ResponderConfig, ResponderInput, ResponderOutput,
};

/// No panic; what is read is written so that it is read as the same; a request has at most one reply, which is one, and a reply has none.
pub fn parse_lsp_ping(data: &[u8]) {
    let now = Instant::from_secs(1);
    let config = ResponderConfig::new(vec![[192, 0, 2, 9].into()]);
    let mut node = Responder::new(now, config).unwrap();
    let label = Label::from_low_bits(1001);
    let local = data.len() % 2 == 0;
    let operation = if local { LabelOperation::Pop } else { LabelOperation::Switch { downstreams: vec![], local } };
    node.set_label(label, Some(operation));
    let message = EchoMessage::parse(data);
    if let Ok(message) = &message {
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(out.len(), message.wire_len());
        assert_eq!(EchoMessage::parse(&out).as_ref(), Ok(message));
        for fec in message.fecs() {
            node.set_fec(fec.clone(), Some(FecBinding { label, protocol: LabelProtocol::LDP }));
        }
    }
    let labels = [ReceivedLabel { label, tc_s: 1, ttl: 1 }];
    let (from, channel) = ([192, 0, 2, 1].into(), None);
    let arrival = Arrival { iface: IfIndex(1), labels: &labels, from, source_port: 5000, channel, time: 7 };
    node.handle_input(now, ResponderInput::Request { arrival, octets: data });
    node.handle_timeout(now + Duration::from_secs(3));
    let mut replies = 0;
    while let Some(output) = node.poll_output() {
        if let ResponderOutput::Reply { octets, .. } = output {
            replies += 1;
            assert_eq!(EchoMessage::parse(&octets).unwrap().kind, MessageType::ECHO_REPLY);
        }
    }
    assert!(replies <= 1);
    assert!(replies == 0 || message.as_ref().is_ok_and(|m| m.kind == MessageType::ECHO_REQUEST) || message.is_err());
    assert_eq!(node.next_timeout(), None);
}
