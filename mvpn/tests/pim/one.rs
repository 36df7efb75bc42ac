//! A router with two LANs, and messages to it.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{IfIndex, VrfId};
use fwd_core::op::{FwdOp, Mroute};
use fwd_core::time::Instant;
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{Input, Membership, MribRoute, Output, PimAddress, PimConfig, PimEvent, PimInterfaceConfig, PimRouter};

pub const LAN: IfIndex = IfIndex(1);
pub const UP: IfIndex = IfIndex(2);
/// The router on either LAN.
pub const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 5);
pub const ME_UP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 5);
/// Neighbours on the LAN, and towards source and RP.
pub const N1: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
pub const N2: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 9);
pub const NUP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
pub const RP: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 5);
pub const S: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
pub const SSM: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
pub const ASM: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
pub const ALL: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

pub struct One {
    pub pim: PimRouter<Ipv4Addr>,
    pub now: Instant,
    pub events: Vec<PimEvent<Ipv4Addr>>,
    pub ops: Vec<FwdOp>,
    /// Interface, destination, octets.
    pub sent: Vec<(Option<IfIndex>, Ipv4Addr, Ipv4Addr, Vec<u8>)>,
    pub forwarded: Vec<Vec<IfIndex>>,
    next_hop: Option<Ipv4Addr>,
}

pub fn config() -> PimConfig<Ipv4Addr> {
    PimConfig::new(VrfId(1), LOOPBACK, 1..=100)
}

pub fn lan() -> PimInterfaceConfig<Ipv4Addr> {
    PimInterfaceConfig::new(LAN, ME, vec!["10.0.1.0/24".parse().unwrap()])
}

pub fn up() -> PimInterfaceConfig<Ipv4Addr> {
    PimInterfaceConfig::new(UP, ME_UP, vec!["10.0.2.0/24".parse().unwrap()])
}

impl One {
    /// Routes to everything lead to `NUP`, and the RP of every group is `rp`.
    pub fn with(config: PimConfig<Ipv4Addr>, lan: PimInterfaceConfig<Ipv4Addr>, rp: Ipv4Addr) -> Self {
        let now = Instant::ZERO;
        let mut pim = PimRouter::new(now, config).unwrap();
        pim.add_interface(now, lan).unwrap();
        pim.add_interface(now, up()).unwrap();
        pim.update_rp_set(now, |set| {
            let range = "224.0.0.0/4".parse().unwrap();
            set.set_static(StaticRp { range, address: rp, mode: RpMode::Sparse, overrides: false }).unwrap();
        });
        let (events, ops, sent, forwarded) = Default::default();
        let mut one = Self { pim, now, events, ops, sent, forwarded, next_hop: Some(NUP) };
        one.hello(UP, NUP, &[]);
        one
    }

    pub fn new() -> Self {
        Self::with(config(), lan(), RP)
    }

    pub fn input(&mut self, input: Input<'_, Ipv4Addr>) {
        self.pim.handle_input(self.now, input);
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.pim.poll_output() {
            match output {
                Output::Datagram { interface, from, to, octets } => {
                    Message::parse(&octets, from.into(), to.into()).unwrap();
                    self.sent.push((interface, from, to, octets));
                }
                Output::Forward { interfaces, .. } => self.forwarded.push(interfaces),
                Output::Program(op) => self.ops.push(op),
                Output::Track(address) => {
                    let next_hop = self.next_hop;
                    let route = MribRoute { interface: UP, next_hop, preference: 110, metric: 20 };
                    self.pim.handle_input(self.now, Input::Route { address, route: Some(route) });
                }
                Output::Untrack(_) => {}
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub fn wait(&mut self, d: Duration) {
        let end = self.now + d;
        while let Some(at) = self.pim.next_timeout().filter(|t| *t <= end) {
            self.now = self.now.max(at);
            self.pim.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn receive(&mut self, interface: IfIndex, from: Ipv4Addr, to: Ipv4Addr, message: &Message<'_>) {
        let octets = message.to_packet(from.into(), to.into());
        self.input(Input::Datagram { interface, from, to, octets: &octets, authenticated: false });
    }

    pub fn hello(&mut self, interface: IfIndex, from: Ipv4Addr, more: &[HelloOption]) {
        let mut options = vec![HelloOption::Holdtime(105), HelloOption::DrPriority(1), HelloOption::GenerationId(7)];
        options.retain(|o| more.iter().all(|m| m.option_type() != o.option_type()));
        options.extend_from_slice(more);
        self.receive(interface, from, ALL, &Message::Hello(Hello { options }));
    }

    /// A Join/Prune of one source; `rp` flags make it (*,G) or (S,G,rpt).
    pub fn join_prune(
        &mut self,
        from: Ipv4Addr,
        to: Ipv4Addr,
        g: Ipv4Addr,
        s: Ipv4Addr,
        flags: SourceFlags,
        join: bool,
    ) {
        let mut set = GroupSetBuf::new(EncodedGroup::new(g.into()));
        let source = SourceBuf::new(s.into(), flags);
        if join {
            set.joins.push(source)
        } else {
            set.prunes.push(source)
        }
        let mut m = JoinPruneBuf::new(to.into(), 210);
        m.push(set);
        let octets = packet(MessageType::JOIN_PRUNE, 0, from.into(), ALL.into(), |out| m.emit(out));
        let interface = if from == NUP { UP } else { LAN };
        self.input(Input::Datagram { interface, from, to: ALL, octets: &octets, authenticated: false });
    }

    pub fn join(&mut self, from: Ipv4Addr, g: Ipv4Addr, s: Ipv4Addr) {
        self.join_prune(from, ME, g, s, SourceFlags::empty(), true);
    }

    pub fn prune(&mut self, from: Ipv4Addr, g: Ipv4Addr, s: Ipv4Addr) {
        self.join_prune(from, ME, g, s, SourceFlags::empty(), false);
    }

    pub fn member(&mut self, g: Ipv4Addr, source: Option<Ipv4Addr>, wanted: bool) {
        let membership = if wanted { Membership::Include } else { Membership::None };
        self.input(Input::Membership { interface: LAN, group: g, source, membership });
    }

    /// The Join/Prunes sent since the last call: interface, neighbour, group, source, flags, join.
    pub fn join_prunes(&mut self) -> Vec<(IfIndex, Ipv4Addr, Ipv4Addr, Ipv4Addr, SourceFlags, bool)> {
        let four = |a| {
            Ipv4Addr::of_bits(match a {
                std::net::IpAddr::V4(a) => u128::from(a.to_bits()),
                std::net::IpAddr::V6(_) => 0,
            })
        };
        let mut list = Vec::new();
        for (interface, from, to, octets) in self.sent.drain(..) {
            let Ok(Message::JoinPrune(m)) = Message::parse(&octets, from.into(), to.into()) else { continue };
            for set in m.groups() {
                let each = set.joins().map(|s| (s, true)).chain(set.prunes().map(|s| (s, false)));
                for (s, join) in each {
                    let neighbor = four(m.upstream_neighbor());
                    list.push((interface.unwrap(), neighbor, four(set.group.addr()), four(s.addr()), s.flags(), join));
                }
            }
        }
        list
    }

    pub fn kinds(&mut self) -> Vec<MessageType> {
        self.sent.drain(..).map(|(_, _, _, o)| MessageType(o[0] & 15)).collect()
    }

    /// The last route that was programmed of (S,G) or (*,G); `None` if it was taken back.
    pub fn mroute(&self, s: Option<Ipv4Addr>, g: Ipv4Addr) -> Option<Mroute> {
        let want = Ipv4Addr::mroute_key(s, g);
        self.ops.iter().rev().find_map(|op| match op {
            FwdOp::SetMroute { key, mroute, .. } if *key == want => Some(Some(*mroute)),
            FwdOp::ClearMroute { key, .. } if *key == want => Some(None),
            _ => None,
        })?
    }
}
