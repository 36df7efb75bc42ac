//! The machine, its sessions, the forwarding plane and the clock.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use fwd_core::net::{IfIndex, Mac, NhlfeId, PortId, VrfId, VsiId};
use fwd_core::op::{FwdOp, NextHop, Nhlfe, TunnelModel};
use fwd_core::time::Instant;
use fwd_core::{Forwarder, PuntReason};
use serde_json::{Value, json};
use vpls::{CircuitConfig, Input, Output, PeConfig, PwConfig, PwSignal, VplsPe};

use super::bgp::Bgp;
use super::config::{Config, RemotePe};
use super::egress::Egress;
use super::ldp::{Ldp, Told};
use crate::live::plane::{Attachment, Plane};

/// Between two passes of aging.
const AGING: Duration = Duration::from_secs(1);
/// Buckets of addresses looked at in a pass.
const AGED: usize = 1 << 14;

/// A PE that runs.
pub struct Pe<'m> {
    machine: VplsPe,
    bgp: Bgp,
    ldp: Option<Ldp>,
    plane: Plane,
    forwarder: Forwarder<'m>,
    egress: Egress,
    circuits: BTreeMap<PortId, IfIndex>,
    vsis: Vec<VsiId>,
    aged: Instant,
    began: std::time::Instant,
    events: Vec<Value>,
    /// Ops that the forwarding plane refused.
    refused: u64,
}

impl<'m> Pe<'m> {
    /// The PE as configured, on interfaces of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// An interface that cannot be opened, an address that cannot be listened on, or a value that a machine refuses.
    pub fn new(config: &Config, forwarder: Forwarder<'m>) -> anyhow::Result<Self> {
        let now = Instant::ZERO;
        let numbers = PeConfig::new(config.router_id);
        let machine = VplsPe::new(
            now,
            PeConfig {
                labels: config.labels.0..=config.labels.1,
                nhlfes: Config::NHLFES..=Config::LDP_NHLFES - 1,
                ..numbers
            },
        )?;
        let mut pe = Self {
            machine,
            bgp: Bgp::new(now, config)?,
            ldp: config.ldp.then(|| Ldp::new(now, config)).transpose()?,
            plane: Plane::new(1..Config::NEIGHBOURS),
            forwarder,
            egress: Egress::default(),
            circuits: BTreeMap::new(),
            vsis: Vec::new(),
            aged: now,
            began: std::time::Instant::now(),
            events: Vec::new(),
            refused: 0,
        };
        let addresses = config.core.addresses.iter().map(|a| address(a)).collect::<anyhow::Result<_>>()?;
        let core = Attachment { name: config.core.name.clone(), vrf: VrfId::GLOBAL, addresses };
        let core = pe.plane.attach(&core, &mut pe.forwarder)?;
        for (n, remote) in (0..).zip(&config.pes) {
            pe.reach(core, n, remote).with_context(|| format!("pe {}", remote.address))?;
        }
        for vsi in &config.vsis {
            let id = VsiId(vsi.id);
            pe.machine.add_vsi(now, vsi.config()).with_context(|| format!("vsi {}", vsi.id))?;
            pe.vsis.push(id);
            for pw in &vsi.pseudowires {
                pe.machine.add_pseudowire(now, id, PwConfig::mesh(pw.peer, pw.id))?;
            }
            for circuit in &vsi.circuits {
                let iface = pe.plane.attach_bridged(&circuit.interface, &mut pe.forwarder)?;
                let port = pe.machine.add_circuit(now, id, CircuitConfig::new(iface, circuit.tags()?))?;
                pe.circuits.insert(port, iface);
            }
        }
        pe.carry_out();
        Ok(pe)
    }

    /// The way to another PE: its labels, through a neighbour on the core link.
    fn reach(&mut self, core: IfIndex, n: u32, remote: &RemotePe) -> anyhow::Result<()> {
        let via = remote.via.unwrap_or(remote.address);
        let neighbour = self.plane.neighbour(Instant::ZERO, core, via, &mut self.forwarder);
        let next = NextHop::Nhlfe(neighbour.context("too many neighbours")?);
        let id = NhlfeId(Config::NEIGHBOURS + n);
        let nhlfe = Nhlfe { push: remote.stack()?, next, model: TunnelModel::Pipe };
        self.program(FwdOp::SetNhlfe { id, nhlfe });
        if let Some(ldp) = &mut self.ldp {
            ldp.reach(Instant::ZERO, remote.address, id);
        }
        let input = Input::Transport { peer: remote.address, next: Some(NextHop::Nhlfe(id)), mtu: 0 };
        self.machine.handle_input(Instant::ZERO, input);
        Ok(())
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    /// Does what is due, then waits for at most `most`; returns which of the `extra` descriptors can be read. `on_event` is told what
    /// happened.
    ///
    /// # Errors
    /// `poll(2)` failed, or an interface is gone.
    pub fn pass(
        &mut self,
        most: Duration,
        extra: &[BorrowedFd<'_>],
        on_event: impl FnMut(Value),
    ) -> io::Result<Vec<bool>> {
        let now = self.now();
        self.machine.handle_timeout(now);
        self.bgp.handle_timeout(now);
        if let Some(ldp) = &mut self.ldp {
            ldp.handle_timeout(now);
        }
        self.plane.handle_timeout(now, &mut self.forwarder);
        self.forwarder.set_now(now);
        if now >= self.aged + AGING {
            self.aged = now;
            self.forwarder.age(now, AGED);
        }
        self.carry_out();
        let wait = self.patience(most);
        let (ports, began) = (self.plane.descriptors().collect::<Vec<_>>(), self.began);
        let sockets = self.ldp.iter().flat_map(Ldp::descriptors);
        let all: Vec<BorrowedFd<'_>> = extra.iter().copied().chain(ports).chain(sockets).collect();
        let mut readable = self.bgp.wait(wait, &all, || Instant::ZERO + began.elapsed())?;
        drop(all);
        readable.truncate(extra.len());
        let now = self.now();
        if let Some(ldp) = &mut self.ldp {
            ldp.receive(now)?;
        }
        while self.plane.receive(self.now(), &mut self.forwarder)? {
            self.frames();
        }
        self.frames();
        self.carry_out();
        let of_ldp = self.ldp.as_mut().map(Ldp::events).unwrap_or_default();
        std::mem::take(&mut self.events).into_iter().chain(self.bgp.events()).chain(of_ldp).for_each(on_event);
        Ok(readable)
    }

    /// How long to wait for something to arrive.
    fn patience(&self, most: Duration) -> Duration {
        let ldp = self.ldp.as_ref();
        let due = [self.machine.next_timeout(), self.bgp.next_timeout(), self.plane.next_timeout()];
        let due = due.into_iter().chain([Some(self.aged + AGING), ldp.and_then(Ldp::next_timeout)]);
        let now = self.now();
        let wait = due.flatten().min().map_or(most, |at| (at - now).min(most));
        ldp.and_then(Ldp::patience).map_or(wait, |patience| wait.min(patience))
    }

    /// Customers' control frames go to the machine.
    fn frames(&mut self) {
        let now = self.now();
        while let Some((reason, port, octets)) = self.plane.punted_frame() {
            if reason == PuntReason::PseudowireControl {
                self.machine.handle_input(now, Input::Channel { port, octets: &octets });
            } else if let Some(octets) = self.egress.customer_frame(port, &octets) {
                self.machine.handle_input(now, Input::Frame { port, octets: &octets });
            }
            self.carry_out();
        }
    }

    /// Carries values between the sessions, the machine and the forwarding plane.
    fn carry_out(&mut self) {
        let now = self.now();
        loop {
            while let Some((nlri, attributes)) = self.bgp.poll_change() {
                self.machine.handle_input(now, Input::Route { nlri, attributes });
            }
            // What the machine has programmed is there before LDP's labels lead to it.
            if let Some(output) = self.machine.poll_output() {
                self.output(now, output);
            } else if let Some(told) = self.ldp.as_mut().and_then(|ldp| ldp.poll(now)) {
                self.told(now, told);
            } else {
                return;
            }
        }
    }

    /// Does what the machine wants.
    fn output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Advertise(nlri, attributes) => self.bgp.advertise(now, nlri, attributes),
            Output::Withdraw(key, nlri) => self.bgp.withdraw(now, &key, &nlri),
            Output::Program(op) => self.program(op),
            Output::Frame { port, octets } => self.send(port, &octets),
            Output::Event(event) => {
                let vsi = event.vsi.map(|vsi| vsi.0);
                self.events.push(json!({"event": format!("{:?}", event.kind), "vsi": vsi, "count": event.count}));
            }
            Output::Fault(notice) => {
                let (stage, cause) = (format!("{:?}", notice.stage), format!("{:?}", notice.cause));
                self.events.push(json!({"event": "fault", "id": notice.id.0, "stage": stage, "cause": cause}));
            }
            Output::Pw(signal) => self.signal(now, signal),
            Output::MacWithdraw(message) => {
                if let Some(ldp) = &mut self.ldp {
                    ldp.withdraw_macs(message);
                }
            }
            Output::Trace(request) => {
                let followed = request.follow(&self.forwarder);
                let traced = Input::Traced { trace: request.trace, exits: &followed.exits, verdict: followed.verdict };
                self.machine.handle_input(now, traced);
                followed.packets.iter().for_each(|(iface, packet)| self.plane.send(*iface, packet));
            }
            Output::Channel { port, octets } => {
                if let Some((iface, packet)) = vpls::probe::leave(&self.forwarder, port, &octets) {
                    self.plane.send(iface, &packet);
                }
            }
            // No tree is configured here, and no probe begins here.
            Output::Tree(_) | Output::Probe(_) => {}
        }
    }

    fn signal(&mut self, now: Instant, signal: PwSignal) {
        let Some(ldp) = &mut self.ldp else { return };
        let port = match &signal {
            PwSignal::Request { id, .. } => {
                self.machine.pseudowires(id.vsi).find_map(|(found, _, port)| (found == *id).then_some(port))
            }
            _ => None,
        };
        if let Err(error) = ldp.signal(now, signal, port) {
            self.events.push(json!({"event": "refused", "why": format!("{error:#}")}));
        }
    }

    /// What LDP says, to whom it concerns.
    fn told(&mut self, now: Instant, told: Told) {
        match told {
            Told::Program(op) => {
                self.egress.note(&op);
                if self.forwarder.apply(&op).is_err() {
                    self.refused += 1;
                    self.ldp.iter_mut().for_each(|ldp| ldp.refused(now, op));
                }
            }
            Told::Pw(id, event) => self.machine.handle_input(now, Input::Pw { id, event }),
            Told::MacWithdraw(id, macs, negative) => {
                self.machine.handle_input(now, Input::MacWithdraw { id, macs: &macs, negative });
            }
        }
    }

    fn program(&mut self, op: FwdOp) {
        self.egress.note(&op);
        if self.forwarder.apply(&op).is_err() {
            self.refused += 1;
            self.machine.handle_input(self.now(), Input::Refused(op));
        }
    }

    fn send(&mut self, port: PortId, octets: &[u8]) {
        let plane = &self.plane;
        let way = |entry| -> Option<(IfIndex, Mac, Mac)> {
            let (iface, to) = plane.way(entry)?;
            Some((iface, to, plane.mac(iface)?))
        };
        if let Some((iface, frame)) = self.egress.frame(port, octets, way) {
            self.plane.send(iface, &frame);
        }
    }

    /// What an operator sees.
    #[must_use]
    pub fn show(&self) -> Value {
        json!({
            "reply": "show",
            "peers": self.bgp.show(),
            "ldp": self.ldp.as_ref().map(Ldp::show),
            "vsis": self.vsis.iter().map(|vsi| self.vsi(*vsi)).collect::<Vec<_>>(),
            "refused": self.refused,
            "unsent": self.plane.failed,
        })
    }

    fn vsi(&self, vsi: VsiId) -> Value {
        let pw = |(id, state, port): (vpls::PwId, vpls::oam::PwState, PortId)| {
            json!({"peer": id.peer.to_string(), "service": format!("{:?}", id.service), "state": format!("{state:?}"),
                "port": port.0})
        };
        let flow = |(source, group): (Option<IpAddr>, IpAddr)| {
            let trace = self.machine.trace_group(vsi, source, group);
            let ports: Vec<u32> = trace.into_iter().flat_map(|t| t.ports).map(|port| port.0).collect();
            json!({"source": source.map(|s| s.to_string()), "group": group.to_string(), "ports": ports})
        };
        let flows = self.machine.snooping(vsi).map(vpls::snoop::Snooper::flows).unwrap_or_default();
        json!({
            "vsi": vsi.0,
            "pseudowires": self.machine.pseudowires(vsi).map(pw).collect::<Vec<_>>(),
            "circuits": self.circuits.iter().map(|(port, iface)| json!({"port": port.0, "iface": iface.0})).collect::<Vec<_>>(),
            "flows": flows.into_iter().map(flow).collect::<Vec<_>>(),
        })
    }
}

/// An address with the length of its subnet.
fn address(text: &str) -> anyhow::Result<(IpAddr, u8)> {
    let (address, len) = text.split_once('/').with_context(|| format!("{text}: no length"))?;
    Ok((address.parse().with_context(|| text.to_owned())?, len.parse().with_context(|| text.to_owned())?))
}
