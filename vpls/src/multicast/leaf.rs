//! Trees of other PEs at a leaf (RFC 7117 §8.3): which are joined, and where what they carry arrives.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Label, PortId, VsiId};

use crate::bgp::{McastKey, Nlri, Pmsi, Tunnel};
use crate::io::{Output, TreeRequest};
use crate::pe::{Dirty, VplsPe};
use crate::vsi::{Instance, Route};

/// A tree of another PE that this one is a leaf of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The tree; of none, only the answer was asked for.
    pub tunnel: Tunnel,
    /// The label below that of the tree.
    pub label: Option<Label>,
    /// The port that frames arrive at: that of the pseudowire to the root, so that addresses are learned as if they came by it
    /// (RFC 7117 §12).
    pub port: PortId,
    /// Whether the sender asked who is a leaf.
    pub leaf_info: bool,
    /// Its address.
    pub next_hop: IpAddr,
}

impl Instance {
    /// Whether a customer here wants what a route binds (RFC 7117 §8.3). The route for all flows is answered always.
    fn wants(&self, key: &McastKey) -> bool {
        if key.source.is_none() && key.group.is_none() {
            return true;
        }
        let mut snoopers = self.domains.values().filter_map(|domain| domain.snooper.as_deref());
        snoopers.any(|snooper| match (key.source, key.group) {
            // (C-S,C-G) is matched by state of the flow and of its group.
            (Some(source), Some(group)) => {
                snooper.is_wanted_here(Some(source), Some(group)) || snooper.is_wanted_here(None, Some(group))
            }
            (source, group) => snooper.is_wanted_here(source, group),
        })
    }

    /// Trees that other PEs announce to this instance.
    fn announced(&self) -> BTreeMap<McastKey, (Pmsi, IpAddr)> {
        let mut announced = BTreeMap::new();
        let mut routes: Vec<&Arc<Route>> =
            self.routes.values().filter(|route| route.attributes.pmsi.is_some()).collect();
        // Of several label blocks of one PE the first counts.
        routes.sort_unstable_by_key(|route| route.nlri.key());
        for route in routes {
            let (Some(pmsi), next_hop) = (&route.attributes.pmsi, route.attributes.next_hop) else { continue };
            match route.nlri {
                Nlri::SPmsi(key) => drop(announced.insert(key, (pmsi.clone(), next_hop))),
                Nlri::Block { rd, .. } | Nlri::Discovery { rd, .. } => {
                    // An inclusive tree by the VSI's own route; the explicit one says more.
                    announced.entry(McastKey::all(rd, next_hop)).or_insert_with(|| (pmsi.clone(), next_hop));
                }
                Nlri::Leaf(..) => {}
            }
        }
        announced
    }
}

impl VplsPe {
    /// Joins the trees that are wanted, and leaves the rest.
    pub(crate) fn settle_leaves(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        if instance.config.trees.is_none() {
            return;
        }
        let mut wanted: BTreeMap<McastKey, Joined> = BTreeMap::new();
        for (key, (pmsi, next_hop)) in instance.announced() {
            let Some(pw) = instance.pw_to(next_hop).filter(|_| instance.wants(&key)) else { continue };
            let Pmsi { leaf_info, label, tunnel } = pmsi;
            wanted.insert(key, Joined { tunnel, label, port: pw.port, leaf_info, next_hop });
        }
        let old = instance.joined.clone();
        if old == wanted {
            return;
        }
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.joined.clone_from(&wanted);
        }
        for (_, joined) in old.iter().filter(|(key, joined)| wanted.get(key) != Some(joined)) {
            self.unjoin(joined);
        }
        for (_, joined) in wanted.iter().filter(|(key, joined)| old.get(key) != Some(joined)) {
            self.join(joined);
        }
        self.dirty.insert(Dirty::Advertise(vsi));
    }

    fn uses(&self, tunnel: &Tunnel) -> usize {
        self.vsis.values().flat_map(|i| i.joined.values()).filter(|joined| joined.tunnel == *tunnel).count()
    }

    fn join(&mut self, joined: &Joined) {
        if !joined.tunnel.is_tree() {
            return;
        }
        if let Some(label) = joined.label {
            self.program.label(label, Some(joined.port));
        }
        let deliver = joined.label.is_none().then_some(joined.port);
        // A tree that carries several bindings is joined once; the state of the instance names this one already.
        if self.uses(&joined.tunnel) == 1 || deliver.is_some() {
            self.out.push_back(Output::Tree(TreeRequest::Join { tunnel: joined.tunnel.clone(), deliver }));
        }
    }

    fn unjoin(&mut self, joined: &Joined) {
        if !joined.tunnel.is_tree() {
            return;
        }
        let is_used = |label| self.vsis.values().flat_map(|i| i.joined.values()).any(|j| j.label == Some(label));
        if let Some(label) = joined.label.filter(|label| !is_used(*label)) {
            self.program.label(label, None);
        }
        if self.uses(&joined.tunnel) == 0 {
            self.out.push_back(Output::Tree(TreeRequest::Leave { tunnel: joined.tunnel.clone() }));
        }
    }

    /// The instance is a leaf of no tree any longer.
    pub(crate) fn leave_trees(&mut self, vsi: VsiId) {
        let joined: Vec<Joined> =
            self.vsis.get_mut(&vsi).map(|i| core::mem::take(&mut i.joined).into_values().collect()).unwrap_or_default();
        joined.iter().for_each(|joined| self.unjoin(joined));
    }

    /// The trees of other PEs that an instance is a leaf of.
    #[must_use]
    pub fn joined(&self, vsi: VsiId) -> BTreeMap<McastKey, Joined> {
        self.vsis.get(&vsi).map(|i| i.joined.clone()).unwrap_or_default()
    }
}
