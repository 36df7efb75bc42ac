//! Ports of an instance in the forwarding plane, and the policers in front of them.

use alloc::vec::Vec;

use fwd_core::net::{PolicerId, PortId, VsiId};
use fwd_core::op::{Attachment, BridgePort, FlowLabels, PolicePoint, TrafficType};

use crate::config::ConfigError;
use crate::pe::{Dirty, VplsPe};
use crate::police::{Rate, TypeRates};

impl VplsPe {
    /// Programs the ports of an instance: those that are of use, and no others.
    pub(crate) fn settle_ports(&mut self, vsi: VsiId) {
        self.settle_pws(vsi);
        self.settle_domains(vsi);
        let circuits = self.vsis.get(&vsi).into_iter().flat_map(|instance| instance.circuits.keys());
        let circuits: Vec<PortId> = circuits.copied().collect();
        circuits.into_iter().for_each(|port| self.settle_circuit(vsi, port));
        self.dirty.insert(Dirty::Flood(vsi));
    }

    /// Programs the settings of an instance's domains.
    pub(crate) fn settle_domains(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        for (id, domain) in &instance.domains {
            let limits_first = Self::domain_settings(instance, domain);
            self.program.vsi(*id, Some(limits_first));
            if let Some(vlan) = domain.vlan {
                self.program.domain(vsi, vlan, Some(*id));
            }
        }
    }

    /// Programs a circuit: one that forwards, or none.
    pub(crate) fn settle_circuit(&mut self, vsi: VsiId, id: PortId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some(circuit) = instance.circuits.get(&id) else { return };
        let attachment = Attachment::Circuit { iface: circuit.config.iface, tags: circuit.config.tags };
        let port = BridgePort {
            vsi,
            attachment,
            split_horizon: 0,
            mac_limit: circuit.config.mac_limit.unwrap_or(instance.config.limits.macs_per_circuit),
            learn: true,
            control_word: false,
            flow_label: FlowLabels::NONE,
            class: circuit.config.class.or(instance.config.class),
        };
        self.program.port(id, instance.forwards(circuit).then_some(port));
    }

    /// Puts policers in front of types of traffic.
    pub(crate) fn police(
        &mut self,
        rates: &TypeRates,
        at: impl Fn(TrafficType) -> PolicePoint,
    ) -> Result<Vec<PolicerId>, ConfigError> {
        let mut ids = Vec::new();
        for (traffics, policer) in rates.policers() {
            let id = self.pools.policers.one().map(PolicerId).ok_or(ConfigError::Exhausted("policers"))?;
            self.program.policer(id, Some(policer));
            for traffic in traffics {
                self.program.point(at(traffic), Some(id));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    pub(crate) fn unpolice(&mut self, ids: &[PolicerId], at: impl Fn(TrafficType) -> PolicePoint) {
        if ids.is_empty() {
            return;
        }
        for traffic in TrafficType::ALL {
            self.program.point(at(traffic), None);
        }
        for id in ids {
            self.program.policer(*id, None);
            self.pools.policers.give(id.0, 1);
        }
    }

    pub(crate) fn police_vsi(&mut self, vsi: VsiId) -> Result<(), ConfigError> {
        let Some(rates) = self.vsis.get(&vsi).map(|i| i.config.rates) else { return Ok(()) };
        self.settle_all(Dirty::Ports(vsi));
        let policers = self.police(&rates, |traffic| PolicePoint::Vsi(vsi, traffic))?;
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.policers = policers;
        }
        self.police_copies(vsi)
    }

    /// Polices an instance's multicast to what its copies may be, divided by how many there are of a frame at most (VPLS-THR-D3).
    pub(crate) fn settle_copies(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some((budget, id)) = instance.config.copies.zip(instance.copies) else { return };
        let of_domain = |d: &crate::vsi::Domain| d.entries.values().copied().chain([d.multicast]).collect::<Vec<_>>();
        let groups = instance.domains.values().flat_map(of_domain);
        let most = groups.filter_map(|group| self.program.legs(group)).map(|legs| legs.len()).max().unwrap_or(0);
        let share = budget.bits_per_second.checked_div(most.max(1) as u64).unwrap_or(0);
        let rate = Rate::bits(instance.config.rates.multicast.map_or(share, |rate| rate.bits_per_second.min(share)));
        self.program.policer(id, Some(rate.policer()));
        self.program.point(PolicePoint::Vsi(vsi, TrafficType::Multicast), Some(id));
    }

    /// A policer for the copies of an instance that has a budget for them.
    fn police_copies(&mut self, vsi: VsiId) -> Result<(), ConfigError> {
        if self.vsis.get(&vsi).is_none_or(|i| i.config.copies.is_none()) {
            return Ok(());
        }
        let id = self.pools.policers.one().map(PolicerId).ok_or(ConfigError::Exhausted("policers"))?;
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.policers.push(id);
            instance.copies = Some(id);
        }
        self.dirty.insert(Dirty::Copies(vsi));
        Ok(())
    }
}
