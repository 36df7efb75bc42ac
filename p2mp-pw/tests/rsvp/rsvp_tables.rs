//! What operations make of a router's tables, and that their order is right.

use std::collections::BTreeMap;

use fwd_core::net::{Label, NhlfeId, ReplicationId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, Nhlfe};

/// The tables of a router, by the operations that made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub ilm: BTreeMap<Label, Ilm>,
    pub nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    pub groups: BTreeMap<ReplicationId, BTreeMap<u16, LegTarget>>,
}

impl Tables {
    pub fn apply(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetIlm { label, ilm } => {
                // Nothing leads to what is not there.
                if let IlmAction::Replicate(group) = ilm.action {
                    assert!(self.groups.contains_key(&group), "{op:?}");
                }
                self.ilm.insert(label, ilm);
            }
            FwdOp::ClearIlm { label } => assert!(self.ilm.remove(&label).is_some(), "{op:?}"),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfes.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => {
                let used = self.groups.values().flat_map(BTreeMap::values).any(|leg| *leg == LegTarget::Nhlfe(id));
                assert!(!used, "{op:?} while a leg leads there");
                assert!(self.nhlfes.remove(&id).is_some(), "{op:?}");
            }
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeMap::new()).is_none(), "{op:?}"),
            FwdOp::ClearReplication { id } => {
                let used = self.ilm.values().any(|ilm| ilm.action == IlmAction::Replicate(id));
                assert!(!used, "{op:?} while a label leads there");
                assert!(self.groups.remove(&id).is_some(), "{op:?}");
            }
            FwdOp::SetLeg { group, leg, target } => {
                if let LegTarget::Nhlfe(id) = target {
                    assert!(self.nhlfes.contains_key(&id), "{op:?}");
                }
                self.groups.get_mut(&group).expect("a group").insert(leg, target);
            }
            FwdOp::ClearLeg { group, leg } => {
                assert!(self.groups.get_mut(&group).expect("a group").remove(&leg).is_some(), "{op:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
