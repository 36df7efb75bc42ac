//! BFD between nodes in virtual time.

mod drive;
mod multipoint;
mod pair;
mod paths;

use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::bfd::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens in whatever order, the invariants of `drive.rs` hold.
    #[test]
    fn arbitrary_stimuli(data in prop::collection::vec(any::<u8>(), 0..1500)) {
        drive::run(&data);
    }
}

const LINK: IfIndex = IfIndex(3);
const MS: Duration = Duration::from_millis(1);

fn addr(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

/// What one node says.
#[derive(Default)]
struct Said {
    packets: Vec<(Via, ControlPacket)>,
    events: Vec<Event>,
}

fn drain(node: &mut Bfd) -> Said {
    let mut said = Said::default();
    while let Some(output) = node.poll_output() {
        match output {
            Output::Packet { via, octets } => said.packets.push((via, ControlPacket::parse(&octets).unwrap())),
            Output::Event(event) => said.events.push(event),
        }
    }
    said
}

fn emit(packet: &ControlPacket) -> Vec<u8> {
    let mut out = Vec::new();
    packet.emit(&mut out);
    out
}

/// How a packet arrives at the node whose address it was sent to.
fn arrival(via: Via) -> Arrival {
    match via {
        Via::Udp { iface, from, to, source_port, port } => {
            let (iface, ttl) = (iface.unwrap_or(IfIndex(9)), 255);
            Arrival::Udp { iface, from, to, ttl, source_port, port }
        }
        Via::Lsp { lsp, from, .. } => Arrival::Lsp { lsp, from },
        Via::Pw { pw, ip } => Arrival::Pw { pw, ttl: ip.map(|_| 255) },
        Via::Tree { tree, from, .. } => Arrival::Tree { tree, from },
    }
}

/// Nodes on a network where a packet takes 1 ms; `path` says to which nodes a packet of a node gets.
struct Net<P> {
    now: Instant,
    nodes: Vec<Bfd>,
    path: P,
    sent: Vec<(Instant, usize, Via, ControlPacket)>,
    events: Vec<(Instant, usize, Event)>,
}

impl<P: FnMut(usize, &Via, &ControlPacket) -> Vec<usize>> Net<P> {
    fn new(n: usize, path: P) -> Self {
        let now = Instant::from_secs(1);
        let nodes = (0..n).map(|n| Bfd::new(now, BfdConfig { seed: n as u64, ..BfdConfig::default() }).unwrap());
        Self { now, nodes: nodes.collect(), path, sent: Vec::new(), events: Vec::new() }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + MS;
            let mut flying = Vec::new();
            for n in 0..self.nodes.len() {
                if self.nodes[n].next_timeout().is_some_and(|at| at <= self.now) {
                    self.nodes[n].handle_timeout(self.now);
                }
                let said = drain(&mut self.nodes[n]);
                self.events.extend(said.events.into_iter().map(|event| (self.now, n, event)));
                for (via, packet) in said.packets {
                    let to = (self.path)(n, &via, &packet);
                    flying.extend(to.into_iter().map(|to| (to, via, packet.clone())));
                    self.sent.push((self.now, n, via, packet));
                }
            }
            for (to, via, packet) in flying {
                let input = Input::Packet { arrival: arrival(via), octets: &emit(&packet) };
                self.nodes[to].handle_input(self.now, input);
            }
        }
    }

    /// When a session of a node came to this state, after `since`.
    fn when(&self, node: usize, wanted: State, since: Instant) -> Option<Instant> {
        self.events.iter().find_map(|(at, n, event)| match event {
            Event::State { state, .. } if *n == node && *state == wanted && *at >= since => Some(*at),
            _ => None,
        })
    }
}
