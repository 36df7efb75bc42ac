//! Two sessions and the TCP connections between them, in virtual time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bgp_vpn::message::Header;
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Down, Input, LocalIdentity, Output, PeerConfig, Session, SessionConfig, State};
use bgp_vpn::speaker::Side;
use fwd_core::time::Instant;

/// What is under way on a connection, to one of its ends.
#[derive(Clone, Debug)]
enum Event {
    Syn,
    SynAck,
    Data(Vec<u8>),
    Fin,
}

/// One direction of a connection: in order, never lost while it lasts.
#[derive(Clone, Debug, Default)]
struct Pipe {
    events: VecDeque<(Instant, Event)>,
}

/// What a session told its owner, octets aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Established(Side),
    Update(Vec<u8>),
    Refresh(bgp_vpn::message::RouteRefresh),
    Down(Down),
}

#[derive(Clone, Debug)]
pub struct End {
    pub session: Session,
    /// The connection behind each side: number and whether TCP is up.
    outgoing: Option<usize>,
    incoming: Option<usize>,
    pub told: Vec<Told>,
    /// All octets sent, by connection.
    pub sent: Vec<(usize, Vec<u8>)>,
    pub connects: usize,
}

#[derive(Clone, Debug)]
pub struct Net {
    pub now: Instant,
    pub ends: [End; 2],
    /// Connection `n` has pipes `2n`, to its initiator, and `2n + 1`, from it.
    pipes: Vec<Pipe>,
    /// Those with something under way.
    live: BTreeSet<usize>,
    initiators: Vec<usize>,
    /// Connections of [`Self::stranger`]: nobody is at the other end.
    strange: BTreeSet<usize>,
    /// Delays of the connections, in turn, in both directions.
    pub delays: Vec<Duration>,
    /// Nothing passes.
    pub partitioned: bool,
    /// Octets for a connection that is gone are answered by a reset.
    pub resets: bool,
}

pub fn config(n: u8, local_as: u32, remote_as: u32) -> SessionConfig {
    let ip = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
    let mut peer = PeerConfig::new(ip(3 - n), ip(n), remote_as, &[Family::VPN_IPV4, Family::VPN_IPV6]);
    peer.timers.connect_retry = Duration::from_secs(30);
    let local = LocalIdentity { asn: local_as, router_id: [192, 0, 2, n].into() };
    SessionConfig { local, peer, seed: u64::from(n), restarted: false }
}

impl End {
    fn new(config: SessionConfig) -> Self {
        let session = Session::new(Instant::ZERO, config).unwrap();
        Self { session, outgoing: None, incoming: None, told: Vec::new(), sent: Vec::new(), connects: 0 }
    }

    fn slot(&mut self, side: Side) -> &mut Option<usize> {
        match side {
            Side::Outgoing => &mut self.outgoing,
            Side::Incoming => &mut self.incoming,
        }
    }

    fn side_of(&self, connection: usize) -> Option<Side> {
        [(self.outgoing, Side::Outgoing), (self.incoming, Side::Incoming)]
            .into_iter()
            .find(|(slot, _)| *slot == Some(connection))
            .map(|(_, side)| side)
    }

    /// The connection of the established session.
    pub fn established(&self) -> Option<usize> {
        match self.session.established_side()? {
            Side::Outgoing => self.outgoing,
            Side::Incoming => self.incoming,
        }
    }

    pub fn connections(&self) -> usize {
        usize::from(self.outgoing.is_some()) + usize::from(self.incoming.is_some())
    }

    pub fn downs(&self) -> Vec<&Down> {
        self.told
            .iter()
            .filter_map(|t| match t {
                Told::Down(d) => Some(d),
                _ => None,
            })
            .collect()
    }
}

impl Net {
    pub fn new(configs: [SessionConfig; 2]) -> Self {
        Self {
            now: Instant::from_secs(1),
            ends: configs.map(End::new),
            pipes: Vec::new(),
            live: BTreeSet::new(),
            strange: BTreeSet::new(),
            initiators: Vec::new(),
            delays: vec![Duration::from_millis(10)],
            partitioned: false,
            resets: true,
        }
    }

    pub fn pair() -> Self {
        Self::new([config(1, 65001, 65001), config(2, 65001, 65001)])
    }

    /// An input to one end, and all that follows from it at once.
    pub fn input(&mut self, end: usize, input: Input<'_>) {
        let before = match &input {
            Input::Stream { octets, .. } => octets.len(),
            _ => 0,
        };
        self.ends[end].session.handle_input(self.now, input);
        self.drain(end, before);
    }

    pub fn start(&mut self) {
        self.input(0, Input::Start);
        self.input(1, Input::Start);
    }

    /// A connection towards `end` that no session opened: its number.
    pub fn stranger(&mut self, end: usize) -> usize {
        let connection = self.open(1 - end);
        self.strange.insert(connection);
        self.ends[end].incoming = Some(connection);
        self.input(end, Input::Connected { side: Side::Incoming });
        connection
    }

    fn open(&mut self, from: usize) -> usize {
        self.initiators.push(from);
        self.pipes.extend([Pipe::default(), Pipe::default()]);
        self.initiators.len() - 1
    }

    fn push(&mut self, from: usize, connection: usize, event: Event) {
        if self.partitioned || self.strange.contains(&connection) {
            return;
        }
        let outward = usize::from(self.initiators[connection] == from);
        let delay = self.delays[connection % self.delays.len()];
        self.live.insert(2 * connection + outward);
        let pipe = &mut self.pipes[2 * connection + outward].events;
        let at = pipe.back().map_or(Instant::ZERO, |(at, _)| *at).max(self.now + delay);
        pipe.push_back((at, event));
    }

    /// Carries out what the session of `end` wants, and checks that it wants no more than its input allows.
    fn drain(&mut self, end: usize, input_len: usize) {
        let mut outputs = 0;
        while let Some(output) = self.ends[end].session.poll_output() {
            outputs += 1;
            match output {
                Output::Connect => {
                    assert_eq!(self.ends[end].outgoing, None, "one attempt at a time");
                    let connection = self.open(end);
                    self.ends[end].outgoing = Some(connection);
                    self.ends[end].connects += 1;
                    self.push(end, connection, Event::Syn);
                }
                Output::Close { side } => {
                    if let Some(connection) = self.ends[end].slot(side).take() {
                        self.push(end, connection, Event::Fin);
                    }
                }
                Output::Send { side, octets } => {
                    let connection = self.ends[end].slot(side).expect("octets for a connection that exists");
                    self.ends[end].sent.push((connection, octets.clone()));
                    self.push(end, connection, Event::Data(octets));
                }
                Output::Established { side, .. } => self.ends[end].told.push(Told::Established(side)),
                Output::Update(body) => self.ends[end].told.push(Told::Update(body)),
                Output::Refresh(refresh) => self.ends[end].told.push(Told::Refresh(refresh)),
                Output::Down(down) => self.ends[end].told.push(Told::Down(down)),
            }
        }
        assert!(outputs <= 8 + input_len / Header::LEN, "{outputs} outputs for {input_len} octets");
    }

    fn deliver(&mut self, pipe: usize) {
        let (at, event) = self.pipes[pipe].events.pop_front().expect("an event");
        if self.pipes[pipe].events.is_empty() {
            self.live.remove(&pipe);
        }
        self.now = self.now.max(at);
        let (connection, outward) = (pipe / 2, pipe % 2 == 1);
        let initiator = self.initiators[connection];
        let to = if outward { 1 - initiator } else { initiator };
        match event {
            Event::Syn if self.ends[to].session.admits_incoming() => {
                if let Some(old) = self.ends[to].incoming.replace(connection) {
                    self.push(to, old, Event::Fin);
                }
                self.push(to, connection, Event::SynAck);
                self.input(to, Input::Connected { side: Side::Incoming });
            }
            Event::Syn => self.push(to, connection, Event::Fin),
            Event::SynAck => {
                if self.ends[to].outgoing == Some(connection) {
                    self.input(to, Input::Connected { side: Side::Outgoing });
                }
            }
            Event::Data(octets) => {
                if let Some(side) = self.ends[to].side_of(connection) {
                    self.input(to, Input::Stream { side, octets: &octets });
                } else if self.resets {
                    self.push(to, connection, Event::Fin);
                }
            }
            Event::Fin => {
                if let Some(side) = self.ends[to].side_of(connection) {
                    *self.ends[to].slot(side) = None;
                    self.input(to, Input::Closed { side });
                }
            }
        }
        self.check();
    }

    /// Loses what is under way, and the connections, without a word to either end.
    pub fn lose_all(&mut self) {
        self.pipes.iter_mut().for_each(|p| p.events.clear());
        self.live.clear();
    }

    /// Tells one end that all its connections failed.
    pub fn cut(&mut self, end: usize) {
        for side in [Side::Outgoing, Side::Incoming] {
            if self.ends[end].slot(side).take().is_some() {
                self.input(end, Input::Closed { side });
            }
        }
    }

    /// One end forgets everything, connections included, and starts anew; nobody tells the other one. Octets that still
    /// reach it are answered by a reset.
    pub fn reborn(&mut self, end: usize) {
        let config = self.ends[end].session.config().clone();
        self.ends[end] = End::new(config);
        self.input(end, Input::Start);
    }

    /// What holds at every moment.
    fn check(&self) {
        for end in &self.ends {
            let up = end.told.iter().fold(false, |up, told| match told {
                Told::Established(_) => {
                    assert!(!up, "established twice");
                    true
                }
                Told::Down(down) => {
                    assert_eq!(down.established, up, "down tells what was up");
                    false
                }
                _ => up,
            });
            assert_eq!(up, end.session.state() == State::Established);
        }
    }

    /// Pipes with something under way.
    pub fn under_way(&self) -> Vec<usize> {
        self.live.iter().copied().collect()
    }

    /// Delivers from this pipe, whatever its delay.
    pub fn step(&mut self, pipe: usize) {
        self.deliver(pipe);
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let event = self.live.iter().map(|p| (self.pipes[*p].events[0].0, *p)).min();
            let timer = (0..2).filter_map(|e| Some((self.ends[e].session.next_timeout()?, e))).min();
            let next = event.map(|(at, _)| at).into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            match (event, timer) {
                (Some((at, pipe)), _) if at == next => self.deliver(pipe),
                (_, Some((_, end))) => {
                    self.now = self.now.max(next);
                    self.ends[end].session.handle_timeout(self.now);
                    self.drain(end, 0);
                    let left = self.ends[end].session.next_timeout();
                    assert!(left.is_none_or(|at| at > self.now), "a timer in the past");
                    self.check();
                }
                _ => unreachable!(),
            }
        }
        self.now = end;
    }

    /// Both ends are established over one and the same connection, and no other is left.
    pub fn agreed(&self) -> bool {
        let [a, b] = [0, 1].map(|e| self.ends[e].established());
        a.is_some() && a == b && self.ends.iter().all(|e| e.connections() == 1)
    }
}
