//! PEs joined by LDP sessions that lose nothing: what one sends, the other takes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fwd_core::net::{IfIndex, Label, NhlfeId, PortId, ReplicationId, VsiId};
use fwd_core::op::{FwdOp, Tags};
use fwd_core::time::Instant;
use p2mp_pw::ldp::message::{Message, MessageBody};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, PwStatus};
use p2mp_pw::pw::{CrossConnect, Event, Input, Output, PwAttachment, PwConfig, PwIndex, PwName, Pws, PwsConfig};

pub fn id(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

pub fn negotiated() -> Negotiated {
    Negotiated {
        keepalive: Duration::from_secs(180),
        max_pdu_length: 4096,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: Vec::new(),
        graceful_restart: None,
    }
}

pub fn config(n: u8) -> PwsConfig {
    let label = |value| Label::new(value).unwrap();
    let base = 1000 * u32::from(n);
    let labels = LabelRange { first: label(base), last: label(base + 999) };
    PwsConfig::new([192, 0, 2, n].into(), labels, NhlfeRange { first: NhlfeId(500), last: NhlfeId(899) })
}

/// A circuit of its own for each number: interface, instance, ports and group.
pub fn circuit(n: u16) -> PwAttachment {
    PwAttachment::Circuit(CrossConnect {
        vsi: VsiId(n),
        iface: IfIndex(u32::from(n) + 10),
        tags: Tags::Any,
        circuit: PortId(2 * u32::from(n)),
        pseudowire: PortId(2 * u32::from(n) + 1),
        replication: ReplicationId(n.into()),
    })
}

pub fn pw_id(peer: u8, number: u32) -> PwConfig {
    PwConfig::new(id(peer), PwName::Id(number), circuit(1))
}

pub struct Pe {
    pub pws: Pws,
    pub ops: Vec<FwdOp>,
    pub events: Vec<Event>,
    pub others: Vec<Output>,
}

impl Pe {
    pub fn new(n: u8) -> Self {
        let pws = Pws::new(Instant::from_secs(1), config(n)).unwrap();
        Self { pws, ops: Vec::new(), events: Vec::new(), others: Vec::new() }
    }
}

/// PEs 1 to n, sessions between those that are joined, and a tunnel each way.
pub struct Net {
    pub now: Instant,
    pub pes: BTreeMap<u8, Pe>,
    pub wires: BTreeMap<(u8, u8), VecDeque<Message>>,
    /// All messages that were delivered: from, to, what.
    pub log: Vec<(u8, u8, MessageBody)>,
}

impl Net {
    pub fn new(pes: u8, sessions: &[(u8, u8)]) -> Self {
        let pes = (1..=pes).map(|n| (n, Pe::new(n))).collect();
        let mut net = Self { now: Instant::from_secs(1), pes, wires: BTreeMap::new(), log: Vec::new() };
        for (a, b) in sessions {
            net.session(*a, *b, true);
            for (from, to) in [(*a, *b), (*b, *a)] {
                net.tunnel(from, to, true);
            }
        }
        net
    }

    pub fn pe(&mut self, n: u8) -> &mut Pe {
        self.pes.get_mut(&n).unwrap()
    }

    pub fn input(&mut self, n: u8, input: Input<'_>) {
        let now = self.now;
        self.pe(n).pws.handle_input(now, input);
        self.run();
    }

    pub fn tunnel(&mut self, from: u8, to: u8, up: bool) {
        self.input(from, Input::Transport { peer: id(to), nhlfe: up.then_some(NhlfeId(to.into())) });
    }

    pub fn session(&mut self, a: u8, b: u8, up: bool) {
        let now = self.now;
        for (from, to) in [(a, b), (b, a)] {
            self.wires.remove(&(from, to));
            let agreed = negotiated();
            let input = if up {
                Input::PeerUp { peer: id(to), negotiated: &agreed }
            } else {
                Input::PeerDown { peer: id(to), retain: None }
            };
            self.pe(from).pws.handle_input(now, input);
        }
        self.run();
    }

    pub fn add(&mut self, n: u8, config: PwConfig) -> PwIndex {
        let now = self.now;
        let pw = self.pe(n).pws.add(now, config).unwrap();
        self.run();
        pw
    }

    pub fn faults(&mut self, n: u8, pw: PwIndex, faults: PwStatus) {
        self.input(n, Input::Circuit { pw, faults });
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        for n in self.pes.keys().copied().collect::<Vec<_>>() {
            let now = self.now;
            self.pe(n).pws.handle_timeout(now);
        }
        self.run();
    }

    pub fn up(&self, n: u8, pw: PwIndex) -> bool {
        self.pes[&n].pws.is_up(pw)
    }

    /// Takes outputs and delivers messages until nothing moves.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            for (n, pe) in &mut self.pes {
                while let Some(output) = pe.pws.poll_output() {
                    match output {
                        Output::Message { peer, message } => {
                            let to = peer.lsr.octets()[3];
                            self.wires.entry((*n, to)).or_default().push_back(message);
                        }
                        Output::Program(op) => pe.ops.push(op),
                        Output::Event(event) => pe.events.push(event),
                        other => pe.others.push(other),
                    }
                }
            }
            let next = self.wires.iter_mut().find_map(|(wire, queue)| queue.pop_front().map(|m| (*wire, m)));
            let Some(((from, to), message)) = next else { return };
            let now = self.now;
            if let Some(pe) = self.pes.get_mut(&to) {
                pe.pws.handle_input(now, Input::Message { peer: id(from), message: &message });
            }
            self.log.push((from, to, message.body));
        }
        panic!("messages without end: {:?}", &self.log[self.log.len() - 6..]);
    }

    /// Kinds of messages from one PE to another, since the last call.
    pub fn said(&mut self, from: u8, to: u8) -> Vec<&'static str> {
        let said = self.log.iter().filter(|(a, b, _)| (*a, *b) == (from, to)).map(|(_, _, body)| match body {
            MessageBody::LabelMapping(_) => "mapping",
            MessageBody::LabelWithdraw(_) => "withdraw",
            MessageBody::LabelRelease(_) => "release",
            MessageBody::LabelRequest(_) => "request",
            MessageBody::Notification(_) => "status",
            MessageBody::AddressWithdraw(_) => "macs",
            other => panic!("{other:?}"),
        });
        let said = said.collect();
        self.log.retain(|(a, b, _)| (*a, *b) != (from, to));
        said
    }
}
