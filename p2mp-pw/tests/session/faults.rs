//! What faults of the peer's cost (RFC 5036 §3.5.1.2).

use p2mp_pw::ldp::message::{Message, MessageBody, Notification};
use p2mp_pw::ldp::session::{Input, Output, Session, State};
use p2mp_pw::ldp::{Pdu, Status, StatusCode, TlvValue};

use crate::pair::{Pair, id};

/// An operational session, and what it sends after it took these octets as messages of its peer's.
fn answer(messages: &[u8]) -> (Session, Vec<Notification>) {
    let len = u16::try_from(messages.len() + 6).unwrap().to_be_bytes();
    raw(&[&[0, 1][..], &len, &[192, 0, 2, 2, 0, 0], messages].concat())
}

fn raw(octets: &[u8]) -> (Session, Vec<Notification>) {
    let pair = Pair::new([crate::pair::config(1), crate::pair::config(2)]);
    let [mut session, _] = pair.sessions;
    session.handle_input(pair.now, Input::Stream { octets });
    let mut sent = Vec::new();
    while let Some(output) = session.poll_output() {
        let Output::Send { octets } = output else { continue };
        for message in Pdu::parse(&octets).unwrap().messages() {
            if let MessageBody::Notification(n) = message.unwrap().parse().unwrap().body {
                sent.push(n);
            }
        }
    }
    (session, sent)
}

/// The one status that is sent; whether the session lives on.
fn status(messages: &[u8]) -> (Status, bool) {
    let (session, sent) = answer(messages);
    let [notification] = sent.as_slice() else { panic!("{sent:?}") };
    (notification.status, session.state() == State::Operational)
}

#[test]
fn faults_of_pdus_end_the_session() {
    let code = |octets: &[u8]| {
        let (session, sent) = raw(octets);
        assert_eq!(session.state(), State::NonExistent);
        sent[0].status.code
    };
    assert_eq!(code(&[0, 2, 0, 14]), StatusCode::BAD_PROTOCOL_VERSION);
    assert_eq!(code(&[0, 1, 0, 13]), StatusCode::BAD_PDU_LENGTH);
    assert_eq!(code(&[0, 1, 0x10, 1]), StatusCode::BAD_PDU_LENGTH);
    let other = [0, 1, 0, 14, 192, 0, 2, 9, 0, 0, 2, 1, 0, 4, 0, 0, 0, 1];
    assert_eq!(code(&other), StatusCode::BAD_LDP_IDENTIFIER);
}

#[test]
fn faults_of_messages_cost_what_the_rfc_says() {
    // A length beyond the PDU, and one without room for the identifier.
    assert_eq!(status(&[2, 1, 0, 5, 0, 0, 0, 1]), (Status::new(StatusCode::BAD_MESSAGE_LENGTH), false));
    assert_eq!(status(&[2, 1, 0, 3, 0, 0, 0, 1]).0.code, StatusCode::BAD_MESSAGE_LENGTH);
    // A message between chassis, of a redundancy group that nobody here is of: the same, whatever stands in it.
    let (refused, lives) = status(&[0x07, 0, 0, 4, 0, 0, 0, 78]);
    assert_eq!((refused.code, refused.message_id, lives), (StatusCode::UNKNOWN_MESSAGE_TYPE, 78, true));
    // An unknown type: named, and the session goes on.
    let (refused, lives) = status(&[0x3e, 1, 0, 4, 0, 0, 0, 77]);
    assert_eq!(
        (refused.code, refused.message_id, refused.message_type.0),
        (StatusCode::UNKNOWN_MESSAGE_TYPE, 77, 0x3e01)
    );
    assert!(lives);
    // The same with the U bit: silence.
    let (session, sent) = answer(&[0xbe, 1, 0, 4, 0, 0, 0, 77]);
    assert_eq!((session.state(), sent.len()), (State::Operational, 0));
    // A Label Mapping without a label.
    let missing = [4, 0, 0, 9, 0, 0, 0, 9, 1, 0, 0, 1, 1];
    assert_eq!(status(&missing).0.code, StatusCode::MISSING_MESSAGE_PARAMETERS);
    assert!(status(&missing).1);
}

#[test]
fn faults_of_tlvs_cost_what_the_rfc_says() {
    let mapping = |tlv: &[u8]| {
        let fec_and_label = [1, 0, 0, 7, 2, 0, 1, 24, 10, 0, 0, 2, 0, 0, 4, 0, 0, 0, 99];
        let len = u16::try_from(4 + fec_and_label.len() + tlv.len()).unwrap().to_be_bytes();
        [&[4, 0][..], &len, &[0, 0, 0, 5], &fec_and_label, tlv].concat()
    };
    // Longer than the message.
    let (refused, lives) = status(&mapping(&[1, 3, 0, 2, 1]));
    assert_eq!((refused.code, lives), (StatusCode::BAD_TLV_LENGTH, false));
    // A hop count of two octets.
    let (refused, lives) = status(&mapping(&[1, 3, 0, 2, 1, 1]));
    assert_eq!((refused.code, lives), (StatusCode::MALFORMED_TLV_VALUE, false));
    // Unknown without the U bit: returned, and the session goes on without the message.
    let (session, sent) = answer(&mapping(&[0x3e, 0, 0, 1, 7]));
    assert_eq!((session.state(), sent[0].status.code), (State::Operational, StatusCode::UNKNOWN_TLV));
    assert_eq!(sent[0].optional[0].value, TlvValue::ReturnedTlvs([0x3e, 0, 0, 1, 7][..].into()));
    // Unknown with the U bit: passed over.
    let (session, sent) = answer(&mapping(&[0xbe, 0, 0, 1, 7]));
    assert_eq!((session.state(), sent.len(), session.counters().refused), (State::Operational, 0, 0));
}

/// During initialization the U bit does not count: anything else ends the attempt (RFC 5036 §2.5.3).
#[test]
fn other_messages_before_the_session_is_up_end_the_attempt() {
    let now = fwd_core::time::Instant::from_secs(1);
    let mut session = Session::new(now, crate::pair::config(1)).unwrap();
    session.handle_input(now, Input::Start);
    session.handle_input(now, Input::Connected);
    let mut octets = Vec::new();
    Pdu::emit(id(2), &[Message { id: 1, body: MessageBody::KeepAlive }], &mut octets);
    session.handle_input(now, Input::Stream { octets: &octets });
    assert_eq!(session.state(), State::NonExistent);
    let outputs: Vec<Output> = std::iter::from_fn(|| session.poll_output()).collect();
    assert!(matches!(outputs[0], Output::Send { .. }));
    assert_eq!(outputs[1], Output::Close);
}

/// However much comes, no more is kept than one PDU less an octet.
#[test]
fn what_is_kept_of_a_stream_is_bounded() {
    let (session, _) = answer(&[]);
    drop(session);
    let pair = Pair::new([crate::pair::config(1), crate::pair::config(2)]);
    let [mut session, _] = pair.sessions;
    let mut octets = Vec::new();
    let keep_alives: Vec<Message> = (0..300).map(|id| Message { id, body: MessageBody::KeepAlive }).collect();
    for _ in 0..100 {
        Pdu::emit(id(2), &keep_alives, &mut octets);
    }
    for piece in octets.chunks(1000) {
        session.handle_input(pair.now, Input::Stream { octets: piece });
    }
    assert_eq!(session.state(), State::Operational);
    assert!(session.counters().messages_received >= 30_000);
}
