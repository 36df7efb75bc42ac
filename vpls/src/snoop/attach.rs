//! Snoopers in their instances: control frames and ports in, frames and group entries out.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{PortId, VlanId, VsiId};
use fwd_core::op::Flush;
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, Vlan};

use super::machine::{Act, PortKind};
use super::members::key_flow;
use super::{CircuitSnoop, Snooper};
use crate::config::{ConfigError, PwRole};
use crate::pe::{Dirty, Timer, VplsPe};
use crate::vsi::Instance;

/// The VLAN of a frame's first tag.
fn vlan_of(frame: &[u8]) -> Option<VlanId> {
    let ethertype = Ethernet::of(frame)?.ethertype();
    let is_tagged = ethertype == EtherType::C_VLAN || ethertype == EtherType::S_VLAN;
    Vlan::of(frame.get(Ethernet::LEN..)?).filter(|_| is_tagged)?.vlan()
}

impl Instance {
    /// What a port is to a snooper, and how its multicast is treated.
    fn snooped_port(&self, port: PortId) -> Option<(PortKind, CircuitSnoop)> {
        if let Some(circuit) = self.circuits.get(&port) {
            return Some((PortKind::Circuit, circuit.config.snoop.clone()));
        }
        let (_, pw) = self.pw_at(port)?;
        let kind = if matches!(pw.role, PwRole::Mesh) { PortKind::Mesh } else { PortKind::Spoke };
        Some((kind, CircuitSnoop { active: pw.snoop, ..CircuitSnoop::DEFAULT }))
    }
}

impl VplsPe {
    fn snooper(&mut self, vsi: VsiId, domain: VsiId) -> Option<&mut Snooper> {
        self.vsis.get_mut(&vsi)?.domains.get_mut(&domain)?.snooper.as_deref_mut()
    }

    fn snooped_domains(&self, vsi: VsiId) -> Vec<VsiId> {
        let domains = self.vsis.get(&vsi).into_iter().flat_map(|i| &i.domains);
        domains.filter(|(_, d)| d.snooper.is_some()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn add_snooped_port(&mut self, vsi: VsiId, port: PortId) {
        let now = self.now;
        let Some((kind, config)) = self.vsis.get(&vsi).and_then(|i| i.snooped_port(port)) else { return };
        for domain in self.snooped_domains(vsi) {
            if let Some(snooper) = self.snooper(vsi, domain) {
                snooper.add_port(now, port, kind, config.clone());
            }
            self.act(vsi, domain);
        }
    }

    pub(crate) fn remove_snooped_port(&mut self, vsi: VsiId, port: PortId) {
        let now = self.now;
        for domain in self.snooped_domains(vsi) {
            if let Some(snooper) = self.snooper(vsi, domain) {
                snooper.remove_port(now, port);
            }
            self.act(vsi, domain);
        }
    }

    /// Pseudowires have begun or ceased to forward; those that have begun are told what is wanted here.
    pub(crate) fn snooped_topology_changed(&mut self, vsi: VsiId, up: &[PortId]) {
        let now = self.now;
        self.dirty.extend([Dirty::Flood(vsi), Dirty::Leaves(vsi)]);
        for domain in self.snooped_domains(vsi) {
            if let Some(snooper) = self.snooper(vsi, domain) {
                up.iter().for_each(|port| snooper.replay(now, *port));
            }
            self.act(vsi, domain);
        }
    }

    pub(crate) fn snoop_timers(&mut self, vsi: VsiId) {
        for domain in self.snooped_domains(vsi) {
            self.act(vsi, domain);
        }
    }

    pub(crate) fn snoop_timeout(&mut self, vsi: VsiId, domain: VsiId) {
        let now = self.now;
        if let Some(snooper) = self.snooper(vsi, domain) {
            snooper.timeout(now);
        }
        self.act(vsi, domain);
    }

    /// A control frame that the forwarding plane punted.
    pub(crate) fn frame(&mut self, port: PortId, octets: &[u8]) {
        let now = self.now;
        let Some(&vsi) = self.ports.get(&port) else { return };
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let vlan = vlan_of(octets);
        let of_vlan = |d: &&crate::vsi::Domain| d.vlan.is_some() && d.vlan == vlan;
        let found = instance.domains.iter().find(|(_, d)| of_vlan(d)).map(|(id, _)| *id);
        let domain = found.unwrap_or(vsi);
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(snooper) = instance.domains.get_mut(&domain).and_then(|d| d.snooper.as_deref_mut()) else {
            return self.relay(vsi, port, octets);
        };
        let records = &mut self.records;
        snooper.frame(now, port, octets, |n| records.take(now, n));
        self.act(vsi, domain);
    }

    /// A frame that software was given and nobody looks at goes where it would have gone.
    fn relay(&mut self, vsi: VsiId, from: PortId, octets: &[u8]) {
        // What has no whole header is no frame.
        let Some(instance) = self.vsis.get(&vsi).filter(|_| Ethernet::of(octets).is_some()) else { return };
        let is_mesh = |port: PortId| instance.pw_at(port).is_some_and(|(_, pw)| pw.is_mesh());
        let goes = |port: &PortId| *port != from && !(is_mesh(from) && is_mesh(*port));
        let to: Vec<PortId> = instance.forwarding().filter(goes).collect();
        to.into_iter().for_each(|port| self.send(port, octets.to_vec()));
    }

    /// Does what a snooper asks for.
    pub(crate) fn act(&mut self, vsi: VsiId, domain: VsiId) {
        let Some(snooper) = self.snooper(vsi, domain) else { return };
        let (acts, next) = (core::mem::take(&mut snooper.acts), snooper.next_timeout());
        let timer = Timer::Snoop(vsi, domain);
        match next {
            Some(at) => self.timers.set(timer, at),
            None => self.timers.clear(timer),
        }
        for act in acts {
            match act {
                Act::Send(ports, octets) => {
                    let passes = |port: &PortId| self.vsis.get(&vsi).is_some_and(|i| i.passes(*port));
                    let to: Vec<PortId> = ports.into_iter().filter(passes).collect();
                    if let Some(snooper) = self.snooper(vsi, domain) {
                        snooper.count_sent(&to, &octets);
                    }
                    to.into_iter().for_each(|port| self.send(port, octets.clone()));
                }
                Act::Changed(key) => {
                    self.dirty.insert(Dirty::Group(vsi, domain, key));
                    if let (Some((source, group)), Some(instance)) = (key_flow(key), self.vsis.get_mut(&vsi)) {
                        if let Some(watch) = instance.rates.get_mut(&(source, group)) {
                            watch.changed(self.now);
                        }
                    }
                }
                Act::Unregistered => drop(self.dirty.insert(Dirty::Flood(vsi))),
                Act::Local => drop(self.dirty.insert(Dirty::Leaves(vsi))),
                Act::Flush(port) => self.program.flush(Flush::AllBut { vsi: domain, port }),
                Act::Event(kind) => self.event(vsi, kind),
            }
        }
        self.watch_groups(vsi);
    }

    /// A group entry that stays whatever is reported (RFC 5501 §4.2): data of a flow, or of a whole group, goes to a port.
    ///
    /// # Errors
    /// No such instance or port, an instance that does not snoop, or not a group that is routed.
    pub fn set_static_group(
        &mut self,
        now: Instant,
        port: PortId,
        source: Option<IpAddr>,
        group: IpAddr,
        present: bool,
    ) -> Result<(), ConfigError> {
        self.now = now;
        let vsi = *self.ports.get(&port).ok_or(ConfigError::NoCircuit)?;
        let is_routed = |_: &VsiId| group.is_multicast();
        let domains = self.snooped_domains(vsi);
        if !domains.iter().all(is_routed) || domains.is_empty() {
            return Err(ConfigError::Group);
        }
        for domain in domains {
            if let Some(snooper) = self.snooper(vsi, domain) {
                snooper.set_static(group, source, port, present);
            }
            self.act(vsi, domain);
        }
        Ok(())
    }

    /// Data of a flow, or of a whole group, goes nowhere, at the customer's wish (RFC 5501 §5.5.2).
    ///
    /// # Errors
    /// No such instance, one that does not snoop, or not a group that is routed.
    pub fn set_filter(
        &mut self,
        now: Instant,
        vsi: VsiId,
        source: Option<IpAddr>,
        group: IpAddr,
        present: bool,
    ) -> Result<(), ConfigError> {
        self.now = now;
        if !self.vsis.contains_key(&vsi) {
            return Err(ConfigError::NoVsi);
        }
        let domains = self.snooped_domains(vsi);
        if domains.is_empty() || !group.is_multicast() {
            return Err(ConfigError::Group);
        }
        for domain in domains {
            if let Some(snooper) = self.snooper(vsi, domain) {
                snooper.set_filter(group, source, present);
            }
            self.act(vsi, domain);
        }
        Ok(())
    }

    /// The snooper of an instance, or of a VLAN's domain.
    #[must_use]
    pub fn snooping(&self, domain: VsiId) -> Option<&Snooper> {
        let vsi = self.domains.get(&domain)?;
        self.vsis.get(vsi)?.domains.get(&domain)?.snooper.as_deref()
    }
}
