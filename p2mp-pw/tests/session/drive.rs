//! Arbitrary stimuli against one session, with invariants; a fuzz target and a property test share it.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::time::Instant;
use p2mp_pw::ldp::message::{Initialization, Message, MessageBody, SessionFlags};
use p2mp_pw::ldp::session::{Input, Output, Session, SessionConfig, State};
use p2mp_pw::ldp::{LdpId, Pdu, StatusCode, frame_len};

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Start,
    Stop,
    Connected,
    Closed,
    Octets(Vec<u8>),
    Message(Message),
    Initialization,
    KeepAlive,
    Send(Message),
    Reconfigured,
    Wait(u16),
}

fn id(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let active = u.arbitrary().unwrap_or(false);
    let ends = if active { (9, 1) } else { (1, 9) };
    let address = |n: u8| [192, 0, 2, n].into();
    let config = SessionConfig::new(id(1), id(2), address(ends.0), address(ends.1));
    let mut now = Instant::from_secs(1);
    let mut session = Session::new(now, config).unwrap();
    let mut connected = false;
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        apply(&mut session, &mut now, stimulus, &mut connected);
        check(&mut session, &mut connected);
        if u.is_empty() {
            break;
        }
    }
}

fn apply(session: &mut Session, now: &mut Instant, stimulus: Stimulus, connected: &mut bool) {
    let from_peer = |message: Message| {
        let mut octets = Vec::new();
        Pdu::emit(id(2), &[message], &mut octets);
        octets
    };
    match stimulus {
        Stimulus::Start => session.handle_input(*now, Input::Start),
        Stimulus::Stop => session.handle_input(*now, Input::Stop(StatusCode::SHUTDOWN)),
        Stimulus::Connected if !*connected => {
            *connected = true;
            session.handle_input(*now, Input::Connected);
        }
        Stimulus::Closed if *connected => {
            *connected = false;
            session.handle_input(*now, Input::Closed);
        }
        Stimulus::Connected | Stimulus::Closed => {}
        Stimulus::Octets(octets) => session.handle_input(*now, Input::Stream { octets: &octets }),
        Stimulus::Message(message) => session.handle_input(*now, Input::Stream { octets: &from_peer(message) }),
        Stimulus::Initialization => {
            let body = MessageBody::Initialization(Initialization {
                version: 1,
                keepalive_time: 40,
                flags: SessionFlags::empty(),
                path_vector_limit: 0,
                max_pdu_length: 0,
                receiver: id(1),
                optional: Vec::new(),
            });
            session.handle_input(*now, Input::Stream { octets: &from_peer(Message { id: 1, body }) });
        }
        Stimulus::KeepAlive => {
            let octets = from_peer(Message { id: 2, body: MessageBody::KeepAlive });
            session.handle_input(*now, Input::Stream { octets: &octets });
        }
        Stimulus::Send(message) => session.handle_input(*now, Input::Send(message.body.into())),
        Stimulus::Reconfigured => session.handle_input(*now, Input::PeerReconfigured),
        Stimulus::Wait(ms) => {
            *now = *now + Duration::from_millis(u64::from(ms) * 10);
            session.handle_timeout(*now);
            assert!(session.next_timeout().is_none_or(|at| at > *now), "a timer is left behind");
        }
    }
}

fn check(session: &mut Session, connected: &mut bool) {
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send { octets } => {
                let len = frame_len(&octets, u16::MAX).unwrap().unwrap();
                assert!(len <= octets.len());
            }
            Output::Close => *connected = false,
            Output::Up(negotiated) => assert!(negotiated.keepalive > Duration::ZERO),
            Output::Connect | Output::Message(_) | Output::Down(_) | Output::Event(_) => {}
        }
    }
    let operational = session.state() == State::Operational;
    assert_eq!(session.negotiated().is_some(), operational);
    let silent = session.state() > State::NonExistent && session.next_timeout().is_none();
    assert!(!silent, "a session that nothing would end");
}
