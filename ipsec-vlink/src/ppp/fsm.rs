//! The option negotiation automaton (RFC 1661 §4), as a pure function.

/// Its states (RFC 1661 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The lower layer is down, and nobody wants the link.
    #[default]
    Initial,
    /// It is wanted, and the lower layer is down.
    Starting,
    /// The lower layer is up, and nobody wants it.
    Closed,
    /// It was wanted, and ended.
    Stopped,
    /// Terminate-Request was sent, by ours.
    Closing,
    /// Terminate-Request was sent, by the peer's.
    Stopping,
    /// Configure-Request was sent.
    ReqSent,
    /// And acknowledged.
    AckRcvd,
    /// The peer's was acknowledged.
    AckSent,
    /// Both.
    Opened,
}

impl State {
    /// All states, in the order of the RFC's table.
    pub const ALL: [Self; 10] = [
        Self::Initial,
        Self::Starting,
        Self::Closed,
        Self::Stopped,
        Self::Closing,
        Self::Stopping,
        Self::ReqSent,
        Self::AckRcvd,
        Self::AckSent,
        Self::Opened,
    ];

    /// Whether the restart timer runs: where the table has an event for its expiry.
    #[must_use]
    pub const fn is_timed(self) -> bool {
        matches!(self, Self::Closing | Self::Stopping | Self::ReqSent | Self::AckRcvd | Self::AckSent)
    }
}

/// Its events (RFC 1661 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happened {
    /// The lower layer is up.
    Up,
    /// It is down.
    Down,
    /// The link is wanted.
    Open,
    /// It is not.
    Close,
    /// The restart timer expired, and the counter is not used up.
    TimeoutMore,
    /// It is.
    TimeoutLast,
    /// Configure-Request, acceptable.
    RequestGood,
    /// Configure-Request, not acceptable.
    RequestBad,
    /// Configure-Ack.
    Ack,
    /// Configure-Nak or -Reject.
    NakOrReject,
    /// Terminate-Request.
    TerminateRequest,
    /// Terminate-Ack.
    TerminateAck,
    /// A packet of an unknown code.
    UnknownCode,
    /// A rejection that can be lived with.
    RejectHarmless,
    /// A rejection that cannot.
    RejectFatal,
    /// Echo or discard.
    Echo,
}

impl Happened {
    /// All events, in the order of the RFC's table.
    pub const ALL: [Self; 16] = [
        Self::Up,
        Self::Down,
        Self::Open,
        Self::Close,
        Self::TimeoutMore,
        Self::TimeoutLast,
        Self::RequestGood,
        Self::RequestBad,
        Self::Ack,
        Self::NakOrReject,
        Self::TerminateRequest,
        Self::TerminateAck,
        Self::UnknownCode,
        Self::RejectHarmless,
        Self::RejectFatal,
        Self::Echo,
    ];
}

/// Its actions (RFC 1661 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// This-Layer-Up.
    Tlu,
    /// This-Layer-Down.
    Tld,
    /// This-Layer-Started.
    Tls,
    /// This-Layer-Finished.
    Tlf,
    /// Initialize-Restart-Count.
    Irc,
    /// Zero-Restart-Count.
    Zrc,
    /// Send-Configure-Request.
    Scr,
    /// Send-Configure-Ack.
    Sca,
    /// Send-Configure-Nak or -Reject.
    Scn,
    /// Send-Terminate-Request.
    Str,
    /// Send-Terminate-Ack.
    Sta,
    /// Send-Code-Reject.
    Scj,
    /// Send-Echo-Reply.
    Ser,
}

/// A pair that the RFC's table has no entry for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// What an event does (RFC 1661 §4.1).
///
/// # Errors
/// The table has no such entry.
pub const fn transition(state: State, event: Happened) -> Result<(State, &'static [Action]), Unexpected> {
    use Action::{Irc, Sca, Scj, Scn, Scr, Ser, Sta, Str, Tld, Tlf, Tls, Tlu, Zrc};
    use Happened as E;
    use State as S;
    Ok(match (state, event) {
        (S::Initial, E::Up) => (S::Closed, &[]),
        (S::Starting, E::Up) => (S::ReqSent, &[Irc, Scr]),
        (S::Closed | S::Closing, E::Down) => (S::Initial, &[]),
        (S::Stopped, E::Down) => (S::Starting, &[Tls]),
        (S::Stopping | S::ReqSent | S::AckRcvd | S::AckSent, E::Down) => (S::Starting, &[]),
        (S::Opened, E::Down) => (S::Starting, &[Tld]),
        (S::Initial, E::Open) => (S::Starting, &[Tls]),
        (S::Closed, E::Open) => (S::ReqSent, &[Irc, Scr]),
        (S::Closing, E::Open) => (S::Stopping, &[]),
        (S::Starting | S::Stopped | S::Stopping | S::ReqSent | S::AckRcvd | S::AckSent | S::Opened, E::Open) => {
            (state, &[])
        }
        (S::Starting, E::Close) => (S::Initial, &[Tlf]),
        (S::Stopped, E::Close) => (S::Closed, &[]),
        (S::Stopping, E::Close) => (S::Closing, &[]),
        (S::ReqSent | S::AckRcvd | S::AckSent, E::Close) => (S::Closing, &[Irc, Str]),
        (S::Opened, E::Close) => (S::Closing, &[Tld, Irc, Str]),
        (S::Initial | S::Closed | S::Closing, E::Close) => (state, &[]),
        (S::Closing | S::Stopping, E::TimeoutMore) => (state, &[Str]),
        (S::ReqSent | S::AckRcvd, E::TimeoutMore) => (S::ReqSent, &[Scr]),
        (S::AckSent, E::TimeoutMore) => (S::AckSent, &[Scr]),
        (S::Closing, E::TimeoutLast) => (S::Closed, &[Tlf]),
        (S::Stopping | S::ReqSent | S::AckRcvd | S::AckSent, E::TimeoutLast) => (S::Stopped, &[Tlf]),
        (S::Closed, E::RequestGood | E::RequestBad | E::Ack | E::NakOrReject | E::TerminateRequest) => {
            (S::Closed, &[Sta])
        }
        (S::Stopped, E::Ack | E::NakOrReject | E::TerminateRequest) => (S::Stopped, &[Sta]),
        (S::Closing | S::Stopping, E::RequestGood | E::RequestBad | E::Ack | E::NakOrReject) => (state, &[]),
        (S::Stopped, E::RequestGood) => (S::AckSent, &[Irc, Scr, Sca]),
        (S::ReqSent | S::AckSent, E::RequestGood) => (S::AckSent, &[Sca]),
        (S::AckRcvd, E::RequestGood) => (S::Opened, &[Sca, Tlu]),
        (S::Opened, E::RequestGood) => (S::AckSent, &[Tld, Scr, Sca]),
        (S::Stopped, E::RequestBad) => (S::ReqSent, &[Irc, Scr, Scn]),
        (S::ReqSent | S::AckSent, E::RequestBad) => (S::ReqSent, &[Scn]),
        (S::AckRcvd, E::RequestBad) => (S::AckRcvd, &[Scn]),
        (S::Opened, E::RequestBad) => (S::ReqSent, &[Tld, Scr, Scn]),
        (S::ReqSent, E::Ack) => (S::AckRcvd, &[Irc]),
        (S::AckRcvd, E::Ack | E::NakOrReject) => (S::ReqSent, &[Scr]),
        (S::AckSent, E::Ack) => (S::Opened, &[Irc, Tlu]),
        (S::Opened, E::Ack | E::NakOrReject) => (S::ReqSent, &[Tld, Scr]),
        (S::ReqSent, E::NakOrReject) => (S::ReqSent, &[Irc, Scr]),
        (S::AckSent, E::NakOrReject) => (S::AckSent, &[Irc, Scr]),
        (S::Closing | S::Stopping, E::TerminateRequest) => (state, &[Sta]),
        (S::ReqSent | S::AckRcvd | S::AckSent, E::TerminateRequest) => (S::ReqSent, &[Sta]),
        (S::Opened, E::TerminateRequest) => (S::Stopping, &[Tld, Zrc, Sta]),
        (S::Closing, E::TerminateAck) => (S::Closed, &[Tlf]),
        (S::Stopping, E::TerminateAck) => (S::Stopped, &[Tlf]),
        (S::AckRcvd, E::TerminateAck) => (S::ReqSent, &[]),
        (S::Opened, E::TerminateAck) => (S::ReqSent, &[Tld, Scr]),
        (S::Closed | S::Stopped | S::ReqSent | S::AckSent, E::TerminateAck) => (state, &[]),
        (S::Initial | S::Starting, _) => return Err(Unexpected),
        (_, E::UnknownCode) => (state, &[Scj]),
        (S::AckRcvd, E::RejectHarmless) => (S::ReqSent, &[]),
        (_, E::RejectHarmless) => (state, &[]),
        (S::Closed | S::Closing, E::RejectFatal) => (S::Closed, &[Tlf]),
        (S::Stopped | S::Stopping | S::ReqSent | S::AckRcvd | S::AckSent, E::RejectFatal) => (S::Stopped, &[Tlf]),
        (S::Opened, E::RejectFatal) => (S::Stopping, &[Tld, Irc, Str]),
        (S::Opened, E::Echo) => (S::Opened, &[Ser]),
        (_, E::Echo) => (state, &[]),
        (_, E::Up) | (S::Closed | S::Stopped | S::Opened, E::TimeoutMore | E::TimeoutLast) => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    /// The RFC's own table, row by row: the actions, and the state that follows.
    const TABLE: [&str; 16] = [
        "2 irc,scr/6 - - - - - - - -",
        "- - 0 tls/1 0 1 1 1 1 tld/1",
        "tls/1 1 irc,scr/6 3 5 5 6 7 8 9",
        "0 tlf/0 2 2 4 4 irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4",
        "- - - - str/4 str/5 scr/6 scr/6 scr/8 -",
        "- - - - tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 -",
        "- - sta/2 irc,scr,sca/8 4 5 sca/8 sca,tlu/9 sca/8 tld,scr,sca/8",
        "- - sta/2 irc,scr,scn/6 4 5 scn/6 scn/7 scn/6 tld,scr,scn/6",
        "- - sta/2 sta/3 4 5 irc/7 scr/6 irc,tlu/9 tld,scr/6",
        "- - sta/2 sta/3 4 5 irc,scr/6 scr/6 irc,scr/8 tld,scr/6",
        "- - sta/2 sta/3 sta/4 sta/5 sta/6 sta/6 sta/6 tld,zrc,sta/5",
        "- - 2 3 tlf/2 tlf/3 6 6 8 tld,scr/6",
        "- - scj/2 scj/3 scj/4 scj/5 scj/6 scj/7 scj/8 scj/9",
        "- - 2 3 4 5 6 6 8 9",
        "- - tlf/2 tlf/3 tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 tld,irc,str/5",
        "- - 2 3 4 5 6 7 8 ser/9",
    ];

    #[test]
    fn the_automaton_is_the_rfcs() {
        for (event, row) in Happened::ALL.into_iter().zip(TABLE) {
            for (state, cell) in State::ALL.into_iter().zip(row.split(' ')) {
                let made = match transition(state, event) {
                    Err(Unexpected) => "-".to_string(),
                    Ok((next, actions)) => {
                        let names: Vec<String> =
                            actions.iter().map(|a| alloc::format!("{a:?}").to_lowercase()).collect();
                        let to = State::ALL.iter().position(|s| *s == next).unwrap();
                        if names.is_empty() { to.to_string() } else { alloc::format!("{}/{to}", names.join(",")) }
                    }
                };
                assert_eq!(made, cell, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn the_timer_runs_where_its_expiry_means_something() {
        for state in State::ALL {
            assert_eq!(state.is_timed(), transition(state, Happened::TimeoutMore).is_ok());
        }
    }
}
