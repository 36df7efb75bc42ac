//! Both families, the forwarding plane and the clock.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use fwd_core::Forwarder;
use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix};
use fwd_core::op::{FwdOp, Mroute, MulticastVrf, RouteAction};
use fwd_core::time::Instant;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use super::config::Config;
use super::family::{Effect, Family, VRF};
use super::packet::group_mac;
use crate::live::plane::{Attachment, Plane, prefix};
use crate::sim::packet::{IpView, ethernet, ethertype_of};

/// Forwarding entries for neighbours.
pub(super) const NEIGHBOURS: u32 = 64;

/// A multicast router.
pub struct Router<'m> {
    plane: Plane,
    forwarder: Forwarder<'m>,
    four: Option<Family<Ipv4Addr>>,
    six: Option<Family<Ipv6Addr>>,
    interfaces: u32,
    began: std::time::Instant,
    /// Ops that the forwarding plane refused.
    pub refused: u64,
}

impl<'m> Router<'m> {
    /// The router as configured, on interfaces of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// An interface that cannot be opened, or a value that a machine refuses.
    pub fn new(config: &Config, forwarder: Forwarder<'m>) -> anyhow::Result<Self> {
        let now = Instant::ZERO;
        let mut plane = Plane::new(1..NEIGHBOURS);
        plane.serve(config.loopbacks.clone());
        let mut router = Self {
            plane,
            forwarder,
            four: None,
            six: None,
            interfaces: u32::try_from(config.interfaces.len())?,
            began: std::time::Instant::now(),
            refused: 0,
        };
        for interface in &config.interfaces {
            let addresses = interface.addresses()?;
            let attachment = Attachment { name: interface.name.clone(), vrf: VRF, addresses };
            router.attach(&attachment)?;
        }
        for loopback in &config.loopbacks {
            router.local(*loopback, if loopback.is_ipv4() { 32 } else { 128 })?;
        }
        router.apply(FwdOp::SetMulticastVrf { vrf: VRF, multicast: MulticastVrf { punt_no_route: true } })?;
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seed = config.seed.unwrap_or(u64::try_from(time.as_nanos() & u128::from(u64::MAX))?);
        let plane = &router.plane;
        router.four = Family::new(now, seed, config, |a| plane.interface_of(VRF, a))?;
        router.six = Family::new(now, seed, config, |a| plane.interface_of(VRF, a))?;
        router.add_routes()?;
        router.carry_out();
        Ok(router)
    }

    fn apply(&mut self, op: FwdOp) -> anyhow::Result<()> {
        self.forwarder.apply(&op).map_err(|e| anyhow::anyhow!("{op:?}: {e}"))
    }

    fn attach(&mut self, attachment: &Attachment) -> anyhow::Result<()> {
        self.plane.attach(attachment, &mut self.forwarder)?;
        for (address, len) in &attachment.addresses {
            // Link-local addresses are not routed.
            if !matches!(address, IpAddr::V6(a) if a.is_unicast_link_local()) {
                self.local(*address, *len)?;
            }
        }
        Ok(())
    }

    /// What is on a subnet of ours is software's until its neighbour is resolved.
    fn local(&mut self, address: IpAddr, len: u8) -> anyhow::Result<()> {
        let subnet = prefix(address, len).with_context(|| format!("{address}/{len}"))?;
        self.apply(set_route(subnet, RouteAction::Local))
    }

    fn add_routes(&mut self) -> anyhow::Result<()> {
        let four = self.four.iter().flat_map(Family::unicast);
        let all: Vec<(IpPrefix, IfIndex, IpAddr)> = four.chain(self.six.iter().flat_map(Family::unicast)).collect();
        for (prefix, iface, via) in all {
            let entry = self.plane.neighbour(Instant::ZERO, iface, via, &mut self.forwarder);
            let nhlfe = entry.context("too many neighbours")?;
            self.apply(set_route(prefix, RouteAction::Forward(nhlfe)))?;
        }
        Ok(())
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    /// Does what is due, then waits for at most `most`; returns which of the `extra` descriptors can be read. `on_event` is told
    /// what happened.
    ///
    /// # Errors
    /// `poll(2)` failed, or an interface is gone.
    pub fn pass(
        &mut self,
        most: Duration,
        extra: &[BorrowedFd<'_>],
        mut on_event: impl FnMut(Value),
    ) -> io::Result<Vec<bool>> {
        let now = self.now();
        let forwarder = &self.forwarder;
        let counted = |mroute: &Mroute| {
            let counters = forwarder.group_counters(mroute.replication?)?;
            Some((counters.packets, counters.octets))
        };
        if let Some(family) = &mut self.four {
            family.handle_timeout(now, counted);
        }
        if let Some(family) = &mut self.six {
            family.handle_timeout(now, counted);
        }
        self.plane.handle_timeout(now, &mut self.forwarder);
        self.carry_out().into_iter().for_each(&mut on_event);
        let of_families =
            [self.four.as_ref().and_then(Family::next_timeout), self.six.as_ref().and_then(Family::next_timeout)];
        let next = of_families.into_iter().flatten().chain(self.plane.next_timeout()).min();
        let wait = next.map_or(most, |at| (at - self.now()).min(most));
        // Rounded up: a timer is not looked at before it is due.
        let millis = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let ports = self.plane.descriptors();
        let mut all: Vec<PollFd<'_>> =
            extra.iter().copied().chain(ports).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut all, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> =
            all[..extra.len()].iter().map(|fd| fd.revents().is_some_and(|e| !e.is_empty())).collect();
        drop(all);
        let now = self.now();
        while self.plane.receive(now, &mut self.forwarder)? {
            self.software(now);
        }
        self.software(now);
        self.carry_out().into_iter().for_each(&mut on_event);
        Ok(ready)
    }

    /// Packets for software go to the machines, one by one with what follows from each: the next may meet the route it made.
    fn software(&mut self, now: Instant) {
        while let Some(punted) = self.plane.punted() {
            if let Some(family) = &mut self.four {
                family.handle(now, &punted);
            }
            if let Some(family) = &mut self.six {
                family.handle(now, &punted);
            }
        }
    }

    /// Does what the machines want, and returns what happened.
    fn carry_out(&mut self) -> Vec<Value> {
        let (now, mut events) = (self.now(), Vec::new());
        loop {
            let mut effects = Vec::new();
            if let Some(family) = &mut self.four {
                family.poll(now, &mut effects);
            }
            if let Some(family) = &mut self.six {
                family.poll(now, &mut effects);
            }
            if effects.is_empty() {
                return events;
            }
            for effect in effects {
                match effect {
                    Effect::Link(iface, packet) => self.link(iface, &packet),
                    Effect::Unicast(packet) => self.plane.route(now, VRF, &packet, &mut self.forwarder),
                    Effect::Program(op) => self.program(now, op),
                    Effect::Event(event) => events.push(event),
                }
            }
        }
    }

    fn program(&mut self, now: Instant, op: FwdOp) {
        if self.forwarder.apply(&op).is_err() {
            self.refused += 1;
            if let Some(family) = &mut self.four {
                family.refused(now, op);
            }
            if let Some(family) = &mut self.six {
                family.refused(now, op);
            }
        }
    }

    fn link(&mut self, iface: IfIndex, packet: &[u8]) {
        let (Some(view), Some(ethertype)) = (IpView::parse(packet), ethertype_of(packet)) else { return };
        let Some(mac) = self.plane.mac(iface) else { return };
        self.plane.send(iface, &ethernet(group_mac(view.dst), mac, ethertype, packet));
    }

    /// What an operator sees.
    #[must_use]
    pub fn show(&self) -> Value {
        json!({
            "reply": "show",
            "ipv4": self.four.as_ref().map(|f| f.show(self.interfaces)),
            "ipv6": self.six.as_ref().map(|f| f.show(self.interfaces)),
            "refused": self.refused,
            "unsent": self.plane.failed,
        })
    }
}

fn set_route(prefix: IpPrefix, action: RouteAction) -> FwdOp {
    match prefix {
        IpPrefix::V4(prefix) => set_route4(prefix, action),
        IpPrefix::V6(prefix) => set_route6(prefix, action),
    }
}

fn set_route4(prefix: Ipv4Prefix, action: RouteAction) -> FwdOp {
    FwdOp::SetRoute4 { vrf: VRF, prefix, action }
}

fn set_route6(prefix: Ipv6Prefix, action: RouteAction) -> FwdOp {
    FwdOp::SetRoute6 { vrf: VRF, prefix, action }
}
