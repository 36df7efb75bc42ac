//! What is in the forwarding plane: every entry that was programmed, so that only differences are, in an order in which
//! nothing names what is not there.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, VecDeque};

use fwd_core::net::{Label, Mac, NhlfeId, PolicerId, PortId, ReplicationId, VlanId, VsiId};
use fwd_core::op::{
    BridgePort, Flush, FwdOp, Ilm, IlmAction, LegTarget, Nhlfe, PolicePoint, Policer, TunnelModel, Vsi, VsiGroupKey,
    VsiOrVrf,
};

use crate::sorted::VecMap;

/// The legs of a group by number.
pub(crate) type Legs = VecMap<u16, LegTarget>;

/// The tables as they are when every op handed out has been applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    queue: VecDeque<FwdOp>,
    vsis: BTreeMap<VsiId, Vsi>,
    ports: BTreeMap<PortId, BridgePort>,
    nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    labels: BTreeMap<Label, PortId>,
    groups: BTreeMap<ReplicationId, (VsiId, Legs)>,
    entries: BTreeMap<(VsiId, VsiGroupKey), Option<ReplicationId>>,
    domains: BTreeMap<(VsiId, VlanId), VsiId>,
    macs: BTreeMap<(VsiId, Mac), PortId>,
    policers: BTreeMap<PolicerId, Policer>,
    points: BTreeMap<PolicePoint, PolicerId>,
}

/// Sets a key of a map to a value or to nothing; whether that changed it.
fn put<K: Ord, V: PartialEq + Clone>(map: &mut BTreeMap<K, V>, key: K, value: Option<&V>) -> bool {
    let Some(value) = value else { return map.remove(&key).is_some() };
    match map.entry(key) {
        Entry::Occupied(held) if held.get() == value => return false,
        Entry::Occupied(mut held) => drop(held.insert(value.clone())),
        Entry::Vacant(free) => drop(free.insert(value.clone())),
    }
    true
}

impl Program {
    pub(crate) fn pop(&mut self) -> Option<FwdOp> {
        self.queue.pop_front()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn vsi(&mut self, vsi: VsiId, settings: Option<Vsi>) {
        if put(&mut self.vsis, vsi, settings.as_ref()) {
            self.queue.push_back(match settings {
                Some(settings) => FwdOp::SetVsi { vsi, settings },
                None => FwdOp::ClearVsi { vsi },
            });
        }
    }

    pub(crate) fn port(&mut self, id: PortId, port: Option<BridgePort>) {
        if put(&mut self.ports, id, port.as_ref()) {
            self.queue.push_back(match port {
                Some(port) => FwdOp::SetPort { id, port },
                None => FwdOp::ClearPort { id },
            });
        }
    }

    pub(crate) fn nhlfe(&mut self, id: NhlfeId, nhlfe: Option<Nhlfe>) {
        if put(&mut self.nhlfes, id, nhlfe.as_ref()) {
            self.queue.push_back(match nhlfe {
                Some(nhlfe) => FwdOp::SetNhlfe { id, nhlfe },
                None => FwdOp::ClearNhlfe { id },
            });
        }
    }

    /// Frames with this label arrive at a port, or are of no use.
    pub(crate) fn label(&mut self, label: Label, port: Option<PortId>) {
        if put(&mut self.labels, label, port.as_ref()) {
            self.queue.push_back(match port {
                Some(port) => {
                    let ilm = Ilm { action: IlmAction::Bridge(port), model: TunnelModel::Pipe };
                    FwdOp::SetIlm { label, ilm }
                }
                None => FwdOp::ClearIlm { label },
            });
        }
    }

    /// The legs of a group; `None` removes it.
    pub(crate) fn group(&mut self, id: ReplicationId, vsi: VsiId, legs: Option<Legs>) {
        let Some(legs) = legs else {
            if self.groups.remove(&id).is_some() {
                self.queue.push_back(FwdOp::ClearReplication { id });
            }
            return;
        };
        let queue = &mut self.queue;
        let (_, held) = self.groups.entry(id).or_insert_with(|| {
            queue.push_back(FwdOp::SetReplication { id, owner: VsiOrVrf::Vsi(vsi) });
            (vsi, Legs::new())
        });
        // Legs go first, so that a frame in between is lost once rather than sent twice.
        for (&leg, _) in held.iter().filter(|(leg, _)| !legs.contains_key(leg)) {
            queue.push_back(FwdOp::ClearLeg { group: id, leg });
        }
        for (&leg, &target) in legs.iter().filter(|(leg, target)| held.get(leg) != Some(target)) {
            queue.push_back(FwdOp::SetLeg { group: id, leg, target });
        }
        *held = legs;
    }

    /// Where frames of a group entry go; the outer `None` removes the entry, the inner one filters.
    pub(crate) fn entry(&mut self, vsi: VsiId, key: VsiGroupKey, to: Option<Option<ReplicationId>>) {
        if put(&mut self.entries, (vsi, key), to.as_ref()) {
            self.queue.push_back(match to {
                Some(replication) => FwdOp::SetVsiGroup { vsi, key, replication },
                None => FwdOp::ClearVsiGroup { vsi, key },
            });
        }
    }

    pub(crate) fn domain(&mut self, vsi: VsiId, vlan: VlanId, domain: Option<VsiId>) {
        if put(&mut self.domains, (vsi, vlan), domain.as_ref()) {
            self.queue.push_back(match domain {
                Some(domain) => FwdOp::SetVlanDomain { vsi, vlan, domain },
                None => FwdOp::ClearVlanDomain { vsi, vlan },
            });
        }
    }

    pub(crate) fn mac(&mut self, vsi: VsiId, mac: Mac, port: Option<PortId>) {
        if put(&mut self.macs, (vsi, mac), port.as_ref()) {
            self.queue.push_back(match port {
                Some(port) => FwdOp::SetMac { vsi, mac, port },
                None => FwdOp::ClearMac { vsi, mac },
            });
        }
    }

    pub(crate) fn policer(&mut self, id: PolicerId, policer: Option<Policer>) {
        if put(&mut self.policers, id, policer.as_ref()) {
            self.queue.push_back(match policer {
                Some(policer) => FwdOp::SetPolicer { id, policer },
                None => FwdOp::ClearPolicer { id },
            });
        }
    }

    pub(crate) fn point(&mut self, at: PolicePoint, policer: Option<PolicerId>) {
        if put(&mut self.points, at, policer.as_ref()) {
            self.queue.push_back(match policer {
                Some(policer) => FwdOp::SetPolicePoint { at, policer },
                None => FwdOp::ClearPolicePoint { at },
            });
        }
    }

    /// Forgets addresses.
    pub(crate) fn flush(&mut self, what: Flush) {
        self.queue.push_back(FwdOp::Flush { what });
    }

    /// An op that the forwarding plane did not take: what it set is not there.
    pub(crate) fn refused(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetVsi { vsi, .. } => drop(self.vsis.remove(&vsi)),
            FwdOp::SetPort { id, .. } => drop(self.ports.remove(&id)),
            FwdOp::SetNhlfe { id, .. } => drop(self.nhlfes.remove(&id)),
            FwdOp::SetIlm { label, .. } => drop(self.labels.remove(&label)),
            FwdOp::SetReplication { id, .. } => drop(self.groups.remove(&id)),
            FwdOp::SetLeg { group, leg, .. } => {
                if let Some((_, legs)) = self.groups.get_mut(&group) {
                    legs.remove(&leg);
                }
            }
            FwdOp::SetVsiGroup { vsi, key, .. } => drop(self.entries.remove(&(vsi, key))),
            FwdOp::SetMac { vsi, mac, .. } => drop(self.macs.remove(&(vsi, mac))),
            FwdOp::SetPolicer { id, .. } => drop(self.policers.remove(&id)),
            FwdOp::SetPolicePoint { at, .. } => drop(self.points.remove(&at)),
            FwdOp::SetVlanDomain { vsi, vlan, .. } => drop(self.domains.remove(&(vsi, vlan))),
            _ => {}
        }
    }

    /// The legs of a group as they are programmed.
    pub(crate) fn legs(&self, id: ReplicationId) -> Option<&Legs> {
        self.groups.get(&id).map(|(_, legs)| legs)
    }

    /// Every entry as the op that makes it, to compare with the tables.
    pub(crate) fn ops(&self) -> impl Iterator<Item = FwdOp> + '_ {
        let nhlfes = self.nhlfes.iter().map(|(&id, &nhlfe)| FwdOp::SetNhlfe { id, nhlfe });
        let labels = self.labels.iter().map(|(&label, &port)| FwdOp::SetIlm {
            label,
            ilm: Ilm { action: IlmAction::Bridge(port), model: TunnelModel::Pipe },
        });
        nhlfes.chain(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn drain(program: &mut Program) -> Vec<FwdOp> {
        core::iter::from_fn(|| program.pop()).collect()
    }

    #[test]
    fn only_differences_are_programmed_and_legs_go_before_they_come() {
        let mut program = Program::default();
        let (id, vsi) = (ReplicationId(1), VsiId(2));
        let port = |n| LegTarget::Port(PortId(n));
        program.group(id, vsi, Some(Legs::from([(0, port(0)), (1, port(1))])));
        assert_eq!(drain(&mut program).len(), 3);
        program.group(id, vsi, Some(Legs::from([(0, port(0)), (2, port(2))])));
        assert_eq!(
            drain(&mut program),
            [FwdOp::ClearLeg { group: id, leg: 1 }, FwdOp::SetLeg { group: id, leg: 2, target: port(2) }]
        );
        program.group(id, vsi, Some(Legs::from([(0, port(0)), (2, port(2))])));
        assert!(program.is_empty());
        // What was refused is programmed again when it is wanted.
        program.refused(&FwdOp::SetLeg { group: id, leg: 2, target: port(2) });
        program.group(id, vsi, Some(Legs::from([(0, port(0)), (2, port(2))])));
        assert_eq!(drain(&mut program), [FwdOp::SetLeg { group: id, leg: 2, target: port(2) }]);
        program.group(id, vsi, None);
        assert_eq!(drain(&mut program), [FwdOp::ClearReplication { id }]);
    }
}
