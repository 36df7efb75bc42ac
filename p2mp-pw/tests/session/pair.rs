//! A pair of sessions and the connection between them.

use std::collections::VecDeque;
use std::time::Duration;

use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::session::{Down, Event, Input, Output, Session, SessionConfig, State};

pub fn id(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

/// Session 1 is passive, session 2 active.
pub fn config(n: u8) -> SessionConfig {
    SessionConfig::new(id(n), id(3 - n), [192, 0, 2, n].into(), [192, 0, 2, 3 - n].into())
}

pub struct Pair {
    pub now: Instant,
    pub sessions: [Session; 2],
    /// What each put out, but for octets.
    pub outputs: [Vec<Output>; 2],
    wire: VecDeque<(usize, Vec<u8>)>,
    connected: bool,
    /// Nothing arrives, and nobody is told.
    pub cut: bool,
}

impl Pair {
    pub fn new(configs: [SessionConfig; 2]) -> Self {
        let now = Instant::from_secs(1);
        let sessions = configs.map(|config| Session::new(now, config).unwrap());
        let mut pair =
            Self { now, sessions, outputs: Default::default(), wire: VecDeque::new(), connected: false, cut: false };
        for n in [0, 1] {
            pair.input(n, Input::Start);
        }
        pair
    }

    pub fn input(&mut self, n: usize, input: Input<'_>) {
        self.sessions[n].handle_input(self.now, input);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            for n in [0, 1] {
                while let Some(output) = self.sessions[n].poll_output() {
                    self.output(n, output);
                }
            }
            let Some((to, octets)) = self.wire.pop_front() else { return };
            if self.connected && !self.cut {
                self.sessions[to].handle_input(self.now, Input::Stream { octets: &octets });
            }
        }
    }

    fn output(&mut self, n: usize, output: Output) {
        match output {
            Output::Connect if !self.cut => {
                self.connected = true;
                for n in [0, 1] {
                    self.sessions[n].handle_input(self.now, Input::Connected);
                }
            }
            // In pieces: half a PDU or two.
            Output::Send { octets } => octets.chunks(7).for_each(|c| self.wire.push_back((1 - n, c.to_vec()))),
            Output::Close => {
                // What was sent before arrives, then the end of the connection.
                while let Some((to, octets)) = self.wire.pop_front() {
                    if self.connected && !self.cut {
                        self.sessions[to].handle_input(self.now, Input::Stream { octets: &octets });
                    }
                }
                if std::mem::take(&mut self.connected) {
                    self.sessions[1 - n].handle_input(self.now, Input::Closed);
                }
                self.outputs[n].push(Output::Close);
            }
            other => self.outputs[n].push(other),
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let next = |sessions: &[Session; 2]| sessions.iter().filter_map(Session::next_timeout).min();
        while let Some(at) = next(&self.sessions).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            for n in [0, 1] {
                self.sessions[n].handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    pub fn states(&self) -> [State; 2] {
        self.sessions.each_ref().map(Session::state)
    }

    pub fn downs(&self, n: usize) -> Vec<Down> {
        let down = |o: &Output| if let Output::Down(down) = o { Some(*down) } else { None };
        self.outputs[n].iter().filter_map(down).collect()
    }

    pub fn delays(&self, n: usize) -> Vec<u64> {
        let delay = |o: &Output| match o {
            Output::Event(Event::BackingOff(delay)) => Some(delay.as_secs()),
            _ => None,
        };
        self.outputs[n].iter().filter_map(delay).collect()
    }
}
