//! The machine, its sessions, the forwarding plane and the clock.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use fwd_core::Forwarder;
use fwd_core::net::{IfIndex, Mac, NhlfeId, PortId, VrfId, VsiId};
use fwd_core::op::{FwdOp, NextHop, Nhlfe, TunnelModel};
use fwd_core::time::Instant;
use serde_json::{Value, json};
use vpls::{CircuitConfig, Input, Output, PeConfig, VplsPe};

use super::bgp::Bgp;
use super::config::{Config, RemotePe};
use super::egress::Egress;
use crate::live::plane::{Attachment, Plane};

/// Between two passes of aging.
const AGING: Duration = Duration::from_secs(1);
/// Buckets of addresses looked at in a pass.
const AGED: usize = 1 << 14;

/// A PE that runs.
pub struct Pe<'m> {
    machine: VplsPe,
    bgp: Bgp,
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
                nhlfes: Config::NHLFES..=Config::NHLFES + 4095,
                ..numbers
            },
        )?;
        let mut pe = Self {
            machine,
            bgp: Bgp::new(now, config)?,
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
        self.plane.handle_timeout(now, &mut self.forwarder);
        self.forwarder.set_now(now);
        if now >= self.aged + AGING {
            self.aged = now;
            self.forwarder.age(now, AGED);
        }
        self.carry_out();
        let due =
            [self.machine.next_timeout(), self.bgp.next_timeout(), self.plane.next_timeout(), Some(self.aged + AGING)];
        let now = self.now();
        let wait = due.into_iter().flatten().min().map_or(most, |at| (at - now).min(most));
        let (ports, began) = (self.plane.descriptors().collect::<Vec<_>>(), self.began);
        let all: Vec<BorrowedFd<'_>> = extra.iter().copied().chain(ports).collect();
        let mut readable = self.bgp.wait(wait, &all, || Instant::ZERO + began.elapsed())?;
        drop(all);
        readable.truncate(extra.len());
        while self.plane.receive(self.now(), &mut self.forwarder)? {
            self.frames();
        }
        self.frames();
        self.carry_out();
        std::mem::take(&mut self.events).into_iter().chain(self.bgp.events()).for_each(on_event);
        Ok(readable)
    }

    /// Customers' control frames go to the machine.
    fn frames(&mut self) {
        let now = self.now();
        while let Some((port, octets)) = self.plane.punted_frame() {
            if let Some(octets) = self.egress.customer_frame(port, &octets) {
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
            let Some(output) = self.machine.poll_output() else { return };
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
                // No LDP session and no tree is configured here.
                Output::Pw(_) | Output::MacWithdraw(_) | Output::Tree(_) => {}
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
