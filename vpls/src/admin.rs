//! What an operator does: instances, circuits and static addresses, added and removed.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Mac, PortId, ReplicationId, VsiId};
use fwd_core::op::PolicePoint;
use fwd_core::time::Instant;

use crate::bgp::McastKey;
use crate::config::{CircuitConfig, ConfigError, VsiConfig};
use crate::fault::{Affected, Cause};
use crate::io::Output;
use crate::pe::{Dirty, Timer, VplsPe};
use crate::snoop::Snooper;
use crate::sorted::VecMap;
use crate::vsi::{Circuit, Domain, Forwarder, Imported, Instance, LegNumbers, PwKey};

/// How long VEs may become known before labels are allocated.
const BLOCK_WAIT: Duration = Duration::from_secs(2);

impl VplsPe {
    /// Adds an instance.
    ///
    /// # Errors
    /// A field that cannot be, an instance that is there already, or no numbers left.
    pub fn add_vsi(&mut self, now: Instant, config: VsiConfig) -> Result<(), ConfigError> {
        self.now = now;
        config.check()?;
        let own = [(None, config.vsi)];
        let qualified = config.qualified.iter().map(|(vlan, domain)| (Some(*vlan), *domain));
        let wanted: Vec<_> = own.into_iter().chain(qualified).collect();
        let distinct: BTreeSet<VsiId> = wanted.iter().map(|(_, domain)| *domain).collect();
        if distinct.len() < wanted.len() || distinct.iter().any(|domain| self.domains.contains_key(domain)) {
            return Err(ConfigError::VsiExists);
        }
        let mut domains = VecMap::new();
        for (vlan, domain) in wanted {
            domains.insert(domain, self.new_domain(&config, vlan)?);
        }
        for domain in domains.keys() {
            self.domains.insert(*domain, config.vsi);
        }
        for target in &config.import {
            self.targets.entry(*target).or_default().insert(config.vsi);
        }
        self.rds.insert(config.rd, config.vsi);
        let (vsi, ve) = (config.vsi, config.ve);
        let forwarder = match ve {
            Some(ve) if ve.multi_homed => {
                self.timers.set(Timer::HoldDown(vsi), now + ve.hold_down);
                Forwarder::Pending
            }
            _ => Forwarder::Designated,
        };
        self.timers.set(Timer::Blocks(vsi), now + BLOCK_WAIT);
        let instance = Instance {
            circuits: BTreeMap::new(),
            pws: crate::pws::Pws::default(),
            legs: LegNumbers::default(),
            domains,
            routes: Imported::default(),
            blocks: Vec::new(),
            blocks_ready: false,
            forwarder,
            advertised: VecMap::new(),
            withdrawals: BTreeMap::new(),
            policers: Vec::new(),
            copies: None,
            bindings: VecMap::new(),
            joined: BTreeMap::new(),
            loops: crate::oam::LoopWatch::default(),
            carried: crate::oam::Carried::default(),
            admitted: BTreeMap::new(),
            rates: BTreeMap::new(),
            created: now,
            config,
        };
        self.vsis.insert(vsi, Box::new(instance));
        self.import_known(vsi);
        self.police_vsi(vsi)?;
        self.start_inclusive(vsi);
        self.snoop_timers(vsi);
        self.touch(vsi);
        Ok(())
    }

    fn new_domain(&mut self, config: &VsiConfig, vlan: Option<fwd_core::net::VlanId>) -> Result<Domain, ConfigError> {
        let mut group = || self.pools.groups.one().map(ReplicationId).ok_or(ConfigError::Exhausted("groups"));
        let (all, unknown, multicast) = (group()?, group()?, group()?);
        let wants = |snoop: &&crate::snoop::SnoopConfig| snoop.is_for(vlan);
        let snooper = match config.snoop.as_ref().filter(wants) {
            Some(snoop) => Some(Box::new(Snooper::new(self.now, snoop, config).map_err(ConfigError::Snoop)?)),
            None => None,
        };
        Ok(Domain { vlan, all, unknown, multicast, snooper, entries: BTreeMap::new() })
    }

    /// Removes an instance with its circuits and pseudowires.
    ///
    /// # Errors
    /// No such instance.
    pub fn remove_vsi(&mut self, now: Instant, vsi: VsiId) -> Result<(), ConfigError> {
        self.now = now;
        let instance = self.vsis.get(&vsi).ok_or(ConfigError::NoVsi)?;
        let circuits: Vec<PortId> = instance.circuits.keys().copied().collect();
        let pws: Vec<PwKey> = instance.pws.keys().cloned().collect();
        let bindings: Vec<McastKey> = instance.bindings.keys().copied().collect();
        for port in circuits {
            self.remove_circuit(now, port)?;
        }
        for key in pws {
            self.drop_pw(vsi, &key);
        }
        for key in bindings {
            self.drop_binding(vsi, &key);
        }
        self.leave_trees(vsi);
        let Some(instance) = self.vsis.remove(&vsi) else { return Err(ConfigError::NoVsi) };
        for (key, route) in instance.advertised {
            self.out.push_back(Output::Withdraw(key, route.nlri));
        }
        for block in instance.blocks {
            self.pools.labels.give(block.base.value(), block.size.into());
        }
        self.unpolice(&instance.policers, |traffic| PolicePoint::Vsi(vsi, traffic));
        for (id, domain) in instance.domains {
            for (key, group) in domain.entries {
                self.program.entry(id, key, None);
                self.program.group(group, id, None);
                self.pools.groups.give(group.0, 1);
            }
            if let Some(vlan) = domain.vlan {
                self.program.domain(vsi, vlan, None);
            }
            self.program.vsi(id, None);
            for group in [domain.all, domain.unknown, domain.multicast] {
                self.program.group(group, id, None);
                self.pools.groups.give(group.0, 1);
            }
            self.timers.clear(Timer::Snoop(vsi, id));
            self.domains.remove(&id);
        }
        for target in &instance.config.import {
            if let Some(vsis) = self.targets.get_mut(target) {
                vsis.remove(&vsi);
            }
        }
        self.rds.remove(&instance.config.rd);
        for timer in [Timer::Blocks(vsi), Timer::HoldDown(vsi), Timer::Withdraw(vsi)] {
            self.timers.clear(timer);
        }
        self.timers.retain(|timer| !timer.is_of(vsi));
        Ok(())
    }

    /// Adds an attachment circuit, which is up; its bridge port.
    ///
    /// # Errors
    /// No such instance, tags in use, a limit, or no numbers left.
    pub fn add_circuit(&mut self, now: Instant, vsi: VsiId, config: CircuitConfig) -> Result<PortId, ConfigError> {
        self.now = now;
        let attached = (config.iface, config.tags);
        if self.circuits.contains_key(&attached) {
            return Err(ConfigError::CircuitExists);
        }
        let instance = self.vsis.get_mut(&vsi).ok_or(ConfigError::NoVsi)?;
        if instance.circuits.len() >= instance.config.limits.circuits {
            return Err(ConfigError::TooManyCircuits);
        }
        let port = self.pools.ports.one().map(PortId).ok_or(ConfigError::Exhausted("ports"))?;
        let mut rates = config.rates;
        if !config.snoop.emits {
            rates.multicast = Some(crate::police::Rate::ZERO);
        }
        instance.legs.give(port);
        let circuit = Circuit { config, up: true, looped: false, policers: Vec::new() };
        instance.circuits.insert(port, Box::new(circuit));
        self.ports.insert(port, vsi);
        self.circuits.insert(attached, port);
        self.dirty.extend([Dirty::Flood(vsi), Dirty::Leaves(vsi), Dirty::Advertise(vsi)]);
        // Policers go in front of a port that is there.
        self.settle_domains(vsi);
        self.settle_circuit(vsi, port);
        let policers = self.police(&rates, |traffic| PolicePoint::Port(port, traffic))?;
        if let Some(circuit) = self.vsis.get_mut(&vsi).and_then(|i| i.circuits.get_mut(&port)) {
            circuit.policers = policers;
        }
        self.add_snooped_port(vsi, port);
        Ok(port)
    }

    /// Removes an attachment circuit.
    ///
    /// # Errors
    /// No such circuit.
    pub fn remove_circuit(&mut self, now: Instant, port: PortId) -> Result<(), ConfigError> {
        self.now = now;
        let vsi = *self.ports.get(&port).ok_or(ConfigError::NoCircuit)?;
        let instance = self.vsis.get_mut(&vsi).ok_or(ConfigError::NoVsi)?;
        let circuit = instance.circuits.remove(&port).ok_or(ConfigError::NoCircuit)?;
        self.circuits.remove(&(circuit.config.iface, circuit.config.tags));
        self.remove_snooped_port(vsi, port);
        self.unpolice(&circuit.policers, |traffic| PolicePoint::Port(port, traffic));
        self.forget_port(vsi, port);
        self.faults.clear(now, &Cause::Loop(port), Affected::Vsi(vsi));
        self.touch(vsi);
        Ok(())
    }

    /// A port is gone: out of every group first, then out of the table.
    pub(crate) fn forget_port(&mut self, vsi: VsiId, port: PortId) {
        self.settle_all(Dirty::Flood(vsi));
        self.regroup_all(vsi);
        self.program.port(port, None);
        self.ports.remove(&port);
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.legs.take_back(port);
        }
        self.pools.ports.give(port.0, 1);
    }

    /// A static address: never aged, moved or flushed. `None` removes it.
    ///
    /// # Errors
    /// No such instance, or a port that is not its.
    pub fn set_mac(&mut self, now: Instant, vsi: VsiId, mac: Mac, port: Option<PortId>) -> Result<(), ConfigError> {
        self.now = now;
        if !self.vsis.contains_key(&vsi) {
            return Err(ConfigError::NoVsi);
        }
        if port.is_some_and(|port| self.ports.get(&port) != Some(&vsi)) {
            return Err(ConfigError::NoCircuit);
        }
        self.program.mac(vsi, mac, port);
        Ok(())
    }
}
