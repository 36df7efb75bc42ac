//! Inclusive trees (RFC 7117 §3.2, §4): what an instance floods goes by one tree to the PEs that are on it.
//!
//! The tree is announced by an S-PMSI A-D route for all flows, which asks for leaf information; PEs that answer are served by it, the
//! others by their pseudowires. Where all PEs are known to take part, the route of the VSI carries the tree too, as RFC 7117 §4 has it.

use alloc::collections::BTreeSet;
use core::net::IpAddr;

use fwd_core::net::{NhlfeId, VsiId};

use super::{Binding, BindingState, InclusiveLeaves, Reason};
use crate::bgp::{McastKey, Pmsi};
use crate::pe::VplsPe;
use crate::vsi::Instance;

impl Instance {
    /// The key of the binding of all flows.
    fn inclusive_binding(&self) -> Option<&Binding> {
        self.bindings.iter().find(|(key, _)| key.source.is_none() && key.group.is_none()).map(|(_, b)| b)
    }

    /// The attribute of the VSI's route, where all PEs are known to take part.
    pub(crate) fn inclusive_pmsi(&self) -> Option<Pmsi> {
        let is_for_all = self.config.trees.is_some_and(|t| t.inclusive_leaves == InclusiveLeaves::All);
        let binding = self.inclusive_binding().filter(|_| is_for_all)?;
        Some(Pmsi { leaf_info: false, label: binding.label, tunnel: binding.tunnel.clone() })
    }
}

impl VplsPe {
    /// Roots the inclusive tree of an instance that has one.
    pub(crate) fn start_inclusive(&mut self, vsi: VsiId) {
        let Some(config) = self.vsis.get(&vsi).map(|i| &i.config) else { return };
        let Some((trees, kind)) = config.trees.and_then(|trees| Some((trees, trees.inclusive?))) else { return };
        let key = McastKey::all(config.rd, self.config.router_id.into());
        self.bind(vsi, key, (kind, trees, BTreeSet::new()), (BindingState::Sending, Reason::Configured));
    }

    /// PEs that the inclusive tree serves, and its entries.
    pub(crate) fn inclusive(&self, instance: &Instance) -> Option<(BTreeSet<IpAddr>, Vec<NhlfeId>)> {
        let binding = instance.inclusive_binding()?;
        let is_for_all = instance.config.trees.is_some_and(|t| t.inclusive_leaves == InclusiveLeaves::All);
        if is_for_all && !binding.entries.is_empty() {
            let down = &self.trees.get(&binding.tunnel)?.down;
            let all = instance.mesh_peers().map(|(peer, _)| peer).filter(|peer| !down.contains(peer)).collect();
            return Some((all, binding.entries.clone()));
        }
        self.served(instance, binding)
    }
}

use alloc::vec::Vec;
