//! What operations of a root or a leaf make of a router's tables, and that their order is right.

use std::collections::BTreeMap;

use fwd_core::net::{Label, LabelSpaceId, NhlfeId, PortId, ReplicationId, VsiId};
use fwd_core::op::{Attachment, BridgePort, FwdOp, IlmAction, LegTarget, NextHop};

/// The tables, by the operations that made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// By label space; `None`: the router's own.
    ilm: BTreeMap<(Option<LabelSpaceId>, Label), PortId>,
    nhlfes: BTreeMap<NhlfeId, NextHop>,
    ports: BTreeMap<PortId, BridgePort>,
    vsis: BTreeMap<VsiId, ReplicationId>,
    groups: BTreeMap<ReplicationId, BTreeMap<u16, PortId>>,
}

impl Tables {
    pub fn apply(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeMap::new()).is_none(), "{op:?}"),
            FwdOp::ClearReplication { id } => assert!(self.groups.remove(&id).is_some(), "{op:?}"),
            FwdOp::SetVsi { vsi, settings } => {
                let group = settings.broadcast.expect("a group");
                assert!(self.groups.contains_key(&group), "{op:?}");
                assert_eq!(self.vsis.insert(vsi, group), None);
            }
            FwdOp::ClearVsi { vsi } => assert!(self.vsis.remove(&vsi).is_some(), "{op:?}"),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfes.insert(id, nhlfe.next)),
            FwdOp::ClearNhlfe { id } => {
                let used = self.ports.values().any(|p| p.attachment == Attachment::Pseudowire { nhlfe: id });
                assert!(!used, "{op:?} while a port leads there");
                assert!(self.nhlfes.remove(&id).is_some(), "{op:?}");
            }
            FwdOp::SetPort { id, port } => {
                if let Attachment::Pseudowire { nhlfe } = port.attachment {
                    assert!(self.nhlfes.contains_key(&nhlfe), "{op:?}");
                }
                self.ports.insert(id, port);
            }
            FwdOp::ClearPort { id } => {
                assert!(!self.ilm.values().any(|port| *port == id), "{op:?} while a label leads there");
                assert!(self.ports.remove(&id).is_some(), "{op:?}");
                self.groups.values_mut().for_each(|legs| legs.retain(|_, port| *port != id));
            }
            FwdOp::SetLeg { group, leg, target: LegTarget::Port(port) } => {
                assert!(self.ports.contains_key(&port), "{op:?}");
                self.groups.get_mut(&group).expect("a group").insert(leg, port);
            }
            FwdOp::ClearLeg { group, leg } => {
                assert!(self.groups.get_mut(&group).expect("a group").remove(&leg).is_some(), "{op:?}");
            }
            FwdOp::SetIlm { label, ilm } => self.bind((None, label), ilm.action),
            FwdOp::SetContextIlm { space, label, ilm } => self.bind((Some(space), label), ilm.action),
            FwdOp::ClearIlm { label } => assert!(self.ilm.remove(&(None, label)).is_some(), "{op:?}"),
            FwdOp::ClearContextIlm { space, label } => {
                assert!(self.ilm.remove(&(Some(space), label)).is_some(), "{op:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn bind(&mut self, at: (Option<LabelSpaceId>, Label), action: IlmAction) {
        let IlmAction::Bridge(port) = action else { panic!("{action:?}") };
        assert!(self.ports.contains_key(&port), "{at:?} leads to {port:?}, which is not there");
        let old = self.ilm.insert(at, port);
        assert!(old.is_none_or(|old| old == port), "{at:?} led to {old:?}, leads to {port:?} now");
    }

    /// Labels of one pseudowire's end lead to one place, and no port is of an instance that is not there.
    pub fn check(&self) {
        for (id, port) in &self.ports {
            assert!(self.vsis.contains_key(&port.vsi), "{id:?} of {:?}, which is not there", port.vsi);
        }
        for (space, port) in self.ilm.iter().map(|((space, _), port)| (space, port)) {
            if space.is_some() {
                let labels = self.ilm.iter().filter(|((s, _), p)| s.is_some() && *p == port).count();
                assert_eq!(labels, 1, "{labels} labels lead to {port:?}");
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
