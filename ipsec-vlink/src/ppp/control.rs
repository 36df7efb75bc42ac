//! One control protocol, LCP, IPCP or IPv6CP, on its way through the automaton (RFC 1661 §4).

use alloc::vec::Vec;

use super::fsm::{Action, Happened, State, transition};
use super::options::{Answer, Wishes};
use super::packet::{Code, OptionKind, Packet};

/// What the machine is to do for a control protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Send(Code, u8, Vec<u8>),
    /// The restart timer begins anew.
    Restart,
    /// It stops.
    Stop,
    Up,
    Down,
    Finished,
}

/// How often what is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries {
    pub(super) configure: u8,
    pub(super) terminate: u8,
    pub(super) failure: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) state: State,
    pub(super) wishes: Wishes,
    tries: Tries,
    /// The restart counter.
    left: u8,
    /// Configure-Naks since the last acknowledgement.
    naks: u8,
    /// The number of the last packet of ours, and the options of the last Configure-Request.
    id: u8,
    requested: Vec<u8>,
}

/// What a packet of the peer's is answered with.
#[derive(Clone, Debug)]
struct Reply {
    code: Code,
    id: u8,
    data: Vec<u8>,
}

impl Reply {
    const NONE: Self = Self { code: Code::CODE_REJECT, id: 0, data: Vec::new() };
}

impl Control {
    pub(super) const fn new(wishes: Wishes, tries: Tries) -> Self {
        Self { state: State::Initial, wishes, tries, left: 0, naks: 0, id: 0, requested: Vec::new() }
    }

    /// Takes what happens beside packets.
    pub(super) fn happens(&mut self, event: Happened) -> Vec<Effect> {
        self.step(event, &Reply::NONE)
    }

    /// The restart timer expired.
    pub(super) fn timeout(&mut self) -> Vec<Effect> {
        self.happens(if self.left > 0 { Happened::TimeoutMore } else { Happened::TimeoutLast })
    }

    /// Takes a packet.
    pub(super) fn receive(&mut self, packet: &Packet<'_>) -> Vec<Effect> {
        let reply = |code, data: &[u8]| Reply { code, id: packet.id, data: data.to_vec() };
        // The answer to the last request, and no other one (RFC 1661 §5.2).
        let is_answer = packet.id == self.id;
        match packet.code {
            Code::CONFIGURE_REQUEST => match self.wishes.judge(packet.options()) {
                None => Vec::new(),
                Some(Answer::Ack) => {
                    self.naks = 0;
                    self.step(Happened::RequestGood, &reply(Code::CONFIGURE_ACK, packet.data))
                }
                Some(Answer::Nak(data)) if self.naks < self.tries.failure => {
                    self.naks = self.naks.saturating_add(1);
                    self.step(Happened::RequestBad, &reply(Code::CONFIGURE_NAK, &data))
                }
                Some(Answer::Nak(data)) => {
                    // RFC 1661 §4.6: it does not converge. What the peer says is rejected, not what it should have said.
                    let is_named = |kind: OptionKind| {
                        let named = Packet { code: packet.code, id: 0, data: &data };
                        named.options().flatten().any(|option| option.kind == kind)
                    };
                    let mut rejected = Vec::new();
                    for option in packet.options().flatten().filter(|option| is_named(option.kind)) {
                        option.emit(&mut rejected);
                    }
                    self.step(Happened::RequestBad, &reply(Code::CONFIGURE_REJECT, &rejected))
                }
                Some(Answer::Reject(data)) => self.step(Happened::RequestBad, &reply(Code::CONFIGURE_REJECT, &data)),
            },
            Code::CONFIGURE_ACK if is_answer && packet.data == self.requested => self.happens(Happened::Ack),
            Code::CONFIGURE_NAK if is_answer => {
                self.wishes.nak(packet.options());
                self.happens(Happened::NakOrReject)
            }
            Code::CONFIGURE_REJECT if is_answer => {
                let is_enough = self.wishes.reject(packet.options());
                self.happens(if is_enough { Happened::NakOrReject } else { Happened::RejectFatal })
            }
            Code::CONFIGURE_ACK | Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT => Vec::new(),
            Code::TERMINATE_REQUEST => self.step(Happened::TerminateRequest, &reply(Code::TERMINATE_ACK, &[])),
            Code::TERMINATE_ACK => self.happens(Happened::TerminateAck),
            Code::CODE_REJECT => {
                // Without these seven there is no protocol.
                let is_fatal = packet.data.first().is_some_and(|code| (1..=7).contains(code));
                self.happens(if is_fatal { Happened::RejectFatal } else { Happened::RejectHarmless })
            }
            _ => {
                let mut whole = Vec::with_capacity(packet.wire_len());
                packet.emit(&mut whole);
                self.step(Happened::UnknownCode, &reply(Code::CODE_REJECT, &whole))
            }
        }
    }

    fn step(&mut self, event: Happened, reply: &Reply) -> Vec<Effect> {
        let Ok((next, actions)) = transition(self.state, event) else { return Vec::new() };
        let was_timed = core::mem::replace(&mut self.state, next).is_timed();
        let mut effects = Vec::new();
        for action in actions {
            match action {
                Action::Irc => {
                    let is_terminating = matches!(next, State::Closing | State::Stopping);
                    self.left = if is_terminating { self.tries.terminate } else { self.tries.configure };
                }
                Action::Zrc => {
                    self.left = 0;
                    effects.push(Effect::Restart);
                }
                Action::Scr => {
                    self.left = self.left.saturating_sub(1);
                    self.id = self.id.wrapping_add(1);
                    self.requested = self.wishes.request();
                    effects.push(Effect::Send(Code::CONFIGURE_REQUEST, self.id, self.requested.clone()));
                    effects.push(Effect::Restart);
                }
                Action::Str => {
                    self.left = self.left.saturating_sub(1);
                    self.id = self.id.wrapping_add(1);
                    effects.push(Effect::Send(Code::TERMINATE_REQUEST, self.id, Vec::new()));
                    effects.push(Effect::Restart);
                }
                Action::Sta if reply.code != Code::TERMINATE_ACK => {
                    // For a packet that comes where nobody wants the link.
                    effects.push(Effect::Send(Code::TERMINATE_ACK, self.id, Vec::new()));
                }
                Action::Sca | Action::Scn | Action::Sta | Action::Scj => {
                    effects.push(Effect::Send(reply.code, reply.id, reply.data.clone()));
                }
                Action::Tlu => effects.push(Effect::Up),
                Action::Tld => effects.push(Effect::Down),
                Action::Tlf => effects.push(Effect::Finished),
                Action::Tls | Action::Ser => {}
            }
        }
        if was_timed && !next.is_timed() {
            effects.push(Effect::Stop);
        }
        effects
    }
}
