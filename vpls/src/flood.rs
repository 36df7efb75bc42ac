//! Where an instance floods: broadcast and customers' control frames to every port, unknown unicast to every port by
//! pseudowires, multicast without an entry where a receiver may be (RFC 4762 §4.1, RFC 4541 §2.1.2, RFC 7117 §12).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{PortId, ReplicationId, VsiId};
use fwd_core::op::{LegTarget, VsiGroupKey};

use crate::multicast::flow_of;
use crate::pe::{Dirty, VplsPe};
use crate::program::Legs;
use crate::snoop::Ports;
use crate::vsi::Instance;

/// Where the numbers of trees' legs begin.
const TREE_LEGS: u16 = 0x8000;

/// What is flooded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flooded {
    All,
    Unknown,
    Multicast,
}

impl VplsPe {
    /// Legs for ports, where PEs that a tree serves get the tree instead of their pseudowire.
    pub(crate) fn legs(
        &self,
        instance: &Instance,
        ports: &Ports,
        tree: Option<(&BTreeSet<IpAddr>, &[fwd_core::net::NhlfeId])>,
    ) -> Legs {
        let mut legs: Vec<(u16, LegTarget)> = Vec::with_capacity(ports.len());
        let by_tree: BTreeSet<PortId> = tree
            .into_iter()
            .flat_map(|(served, _)| instance.mesh_peers().filter(|(peer, _)| served.contains(peer)))
            .map(|(_, port)| port)
            .collect();
        for port in ports {
            if let Some(leg) = instance.legs.get(*port).filter(|_| !by_tree.contains(port)) {
                legs.push((leg, LegTarget::Port(*port)));
            }
        }
        if let Some((_, entries)) = tree.filter(|_| by_tree.iter().any(|port| ports.contains(port))) {
            for (leg, entry) in (TREE_LEGS..).zip(entries) {
                legs.push((leg, LegTarget::Nhlfe(*entry)));
            }
        }
        legs.into_iter().collect()
    }

    /// Programs where the domains of an instance flood.
    pub(crate) fn settle_flood(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let mut plan: Vec<(VsiId, ReplicationId, Legs)> = Vec::new();
        let every: Ports = instance.forwarding().collect();
        for (id, domain) in &instance.domains {
            for (what, group) in
                [(Flooded::All, domain.all), (Flooded::Unknown, domain.unknown), (Flooded::Multicast, domain.multicast)]
            {
                let ports = match (&domain.snooper, what) {
                    (Some(snooper), Flooded::Multicast) => {
                        let receives = |port: &&PortId| instance.receives(**port);
                        let receiving = every.iter().filter(receives).copied().collect();
                        snooper.unregistered(&receiving)
                    }
                    _ => every.clone(),
                };
                let on_tree = what != Flooded::Unknown || instance.config.trees.is_some_and(|t| t.unknown_unicast);
                let tree = if on_tree { self.inclusive(instance) } else { None };
                let tree = tree.as_ref().map(|(served, entries)| (served, entries.as_slice()));
                plan.push((*id, group, self.legs(instance, &ports, tree)));
            }
        }
        let has_budget = instance.config.copies.is_some();
        for (id, group, legs) in plan {
            self.program.group(group, id, Some(legs));
        }
        if has_budget {
            self.dirty.insert(Dirty::Copies(vsi));
        }
    }

    /// Programs a group entry of a domain: created, changed, or removed when nothing is known of the group.
    pub(crate) fn settle_group(&mut self, vsi: VsiId, domain: VsiId, key: VsiGroupKey) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some(d) = instance.domains.get(&domain) else { return };
        let wanted = d.snooper.as_deref().and_then(|snooper| snooper.ports_of(key)).map(|ports| {
            let receives = |port: &PortId| instance.passes(*port) && instance.receives(*port);
            let mut ports: Ports = ports.into_iter().filter(receives).collect();
            // PEs that answered a selective tree's route have members, whether their reports came here or not.
            if let Some((served, _)) = flow_of(key).and_then(|(source, group)| self.selective(instance, source, group))
            {
                ports.extend(instance.mesh_peers().filter(|(peer, _)| served.contains(peer)).map(|(_, port)| port));
            }
            let tree = flow_of(key).and_then(|(source, group)| self.tree_for(instance, source, group));
            self.legs(instance, &ports, tree.as_ref().map(|(served, entries)| (served, entries.as_slice())))
        });
        let is_filtered = d.snooper.as_deref().is_some_and(|snooper| snooper.is_filtered(key));
        if instance.config.copies.is_some() {
            self.dirty.insert(Dirty::Copies(vsi));
        }
        let wanted = wanted.filter(|_| !is_filtered);
        let known = d.entries.get(&key).copied();
        match (wanted, known) {
            (Some(legs), Some(group)) => self.program.group(group, domain, Some(legs)),
            (Some(legs), None) => {
                let Some(group) = self.pools.groups.one().map(ReplicationId) else {
                    return self.event(vsi, crate::event::EventKind::Exhausted);
                };
                self.program.group(group, domain, Some(legs));
                self.program.entry(domain, key, Some(Some(group)));
                if let Some(d) = self.vsis.get_mut(&vsi).and_then(|i| i.domains.get_mut(&domain)) {
                    d.entries.insert(key, group);
                }
            }
            (None, Some(group)) => {
                self.program.entry(domain, key, is_filtered.then_some(None));
                self.program.group(group, domain, None);
                self.pools.groups.give(group.0, 1);
                if let Some(d) = self.vsis.get_mut(&vsi).and_then(|i| i.domains.get_mut(&domain)) {
                    d.entries.remove(&key);
                }
            }
            (None, None) => self.program.entry(domain, key, is_filtered.then_some(None)),
        }
    }
}

impl Instance {
    /// Whether groups' data goes to a port: not to a circuit that only emits.
    fn receives(&self, port: PortId) -> bool {
        self.circuits.get(&port).is_none_or(|circuit| circuit.config.snoop.receives)
    }
}
