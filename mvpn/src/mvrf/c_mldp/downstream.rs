//! LSPs whose root is behind another PE, and that this PE's CEs join (RFC 6514 §11.1.2, §12.3).

use alloc::vec;
use fwd_core::net::{Label, ReplicationId};
use fwd_core::op::IlmAction;
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::MultipointFec;

use super::route::{CMldpRoute, CMldpSPmsi};
use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::event::{MvpnLimit, MvpnReject};
use crate::mvrf::instance::{Mvrf, PeKey};
use crate::mvrf::p_tunnel::{PTunnel, PmsiTunnelValue};
use crate::mvrf::shared::Shared;
use crate::mvrf::umh::Umh;

/// An LSP that comes from another PE.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// The label that the customers' mLDP maps for the PMSI.
    label: Label,
    /// The upstream PE's VRF.
    from: Option<PeKey>,
    route: Option<CMldpRoute>,
    bound: Option<Bound>,
}

/// What was done to receive the S-PMSI of an LSP.
#[derive(Clone, Debug)]
struct Bound {
    /// What it was done for.
    wanted: Wanted,
    /// The label of ours that the upstream PE replicates to.
    own: Option<Label>,
    leaf: Option<CMldpRoute>,
}

/// An S-PMSI, and the group that the customers' mLDP has for what it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    from: PeKey,
    attributes: McastAttributes,
    group: ReplicationId,
}

/// Whether a tunnel brings labelled packets whole.
const fn is_lsp(tunnel: &PTunnel) -> bool {
    matches!(tunnel, PTunnel::MldpP2mp(_) | PTunnel::RsvpTeP2mp { .. })
}

impl Mvrf {
    /// The customers' mLDP maps a label to an LSP for the PMSI, or withdraws it.
    pub(in crate::mvrf) fn set_received(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        fec: MultipointFec,
        label: Option<Label>,
    ) {
        let Some(label) = label else {
            if let Some(known) = self.c_mldp.received.get_mut(&fec) {
                known.from = None;
                self.rebind_received(shared, now, &fec);
                self.advertise_received(shared, &fec, None);
                if let Some(known) = self.c_mldp.received.remove(&fec) {
                    self.c_mldp.mapped.remove(&known.label);
                }
            }
            return;
        };
        if !self.takes_lsp(&fec) || !self.config.sites.receivers {
            return;
        }
        if let Some(known) = self.c_mldp.received.get_mut(&fec) {
            let old = core::mem::replace(&mut known.label, label);
            self.c_mldp.mapped.remove(&old);
            self.c_mldp.mapped.insert(label, fec.clone());
            return self.rebind_received(shared, now, &fec);
        }
        if self.trees.len().saturating_add(self.c_mldp.received.len()) >= self.config.limits.trees {
            return shared.limit(now, self.config.vrf, MvpnLimit::Trees);
        }
        if !CMldpRoute::fits(&fec) {
            let route = CMldpRoute::SourceTreeJoin { rd: self.config.rd, source_as: shared.config.asn, fec };
            return shared.reject_c_mldp(now, self.config.vrf, MvpnReject::Address, &route);
        }
        self.c_mldp.mapped.insert(label, fec.clone());
        self.c_mldp.received.insert(fec.clone(), Received { label, from: None, route: None, bound: None });
        self.update_received(shared, now, &fec);
    }

    /// The upstream PE of an LSP may have changed: the C-multicast route goes there (RFC 6514 §11.1.3), and its S-PMSI is received.
    pub(super) fn update_received(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec) {
        if !self.c_mldp.received.contains_key(fec) {
            return;
        }
        // Within the AS: an ASBR has no procedures for these routes here.
        let asn = shared.config.asn;
        let remote = self.umh.select(fec.root, fec.root, self.config.umh).and_then(|umh| match umh {
            Umh::Remote { import, rd, source_as, .. }
                if source_as.unwrap_or(asn) == asn && import.address != shared.config.router =>
            {
                Some((import, rd))
            }
            _ => None,
        });
        let made = remote.map(|(import, rd)| {
            let targets = vec![Target::of(import.c_multicast_import())];
            let route = CMldpRoute::SourceTreeJoin { rd, source_as: asn, fec: fec.clone() };
            (route, McastAttributes::new(shared.config.router, targets))
        });
        if let Some(known) = self.c_mldp.received.get_mut(fec) {
            known.from = remote.map(|(import, rd)| PeKey { address: import.address, rd });
        }
        self.advertise_received(shared, fec, made);
        self.rebind_received(shared, now, fec);
    }

    fn advertise_received(
        &mut self,
        shared: &mut Shared,
        fec: &MultipointFec,
        made: Option<(CMldpRoute, McastAttributes)>,
    ) {
        let vrf = self.config.vrf;
        let Some(known) = self.c_mldp.received.get_mut(fec) else { return };
        let old = core::mem::replace(&mut known.route, made.as_ref().map(|(route, _)| route.clone()));
        let current = known.route.clone();
        if let Some((route, attributes)) = made {
            shared.originate_c_mldp(vrf, route, attributes);
        }
        if let Some(old) = old.filter(|old| Some(old) != current.as_ref()) {
            shared.withdraw_c_mldp(vrf, old);
        }
    }

    /// An S-PMSI A-D route of another PE for an LSP came, changed or went.
    pub(super) fn lsp_offered(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (pe, fec): (PeKey, MultipointFec),
        attributes: Option<&McastAttributes>,
    ) {
        let key = (pe, fec);
        match attributes {
            Some(attributes) => {
                let known = self.c_mldp.offers.contains_key(&key);
                let count = self.s_pmsis_known().saturating_add(self.c_mldp.offers.len());
                if !known && count >= self.config.limits.s_pmsis {
                    return shared.limit(now, self.config.vrf, MvpnLimit::SPmsis);
                }
                self.c_mldp.offers.insert(key.clone(), attributes.clone());
            }
            None => drop(self.c_mldp.offers.remove(&key)),
        }
        self.rebind_received(shared, now, &key.1);
    }

    /// What packets with a label are for changed.
    pub(super) fn label_given(&mut self, shared: &mut Shared, now: Instant, label: Label) {
        if let Some(fec) = self.c_mldp.mapped.get(&label).cloned() {
            self.rebind_received(shared, now, &fec);
        }
    }

    /// What the S-PMSI of an LSP brings is for the group of the customers' mLDP.
    fn rebind_received(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec) {
        let Some(known) = self.c_mldp.received.get(fec) else { return };
        let offer = known.from.and_then(|from| Some((from, self.c_mldp.offers.get(&(from, fec.clone()))?)));
        let wanted = match (offer, self.c_mldp.given.get(&known.label)) {
            (Some((from, attributes)), Some(IlmAction::Replicate(group))) => {
                Some(Wanted { from, attributes: attributes.clone(), group: *group })
            }
            _ => None,
        };
        if known.bound.as_ref().map(|bound| &bound.wanted) == wanted.as_ref() {
            return;
        }
        if let Some(old) = self.c_mldp.received.get_mut(fec).and_then(|known| known.bound.take()) {
            self.leave_s_pmsi_of_lsp(shared, old);
        }
        let bound = wanted.and_then(|wanted| self.join_s_pmsi_of_lsp(shared, now, fec, wanted));
        if let Some(known) = self.c_mldp.received.get_mut(fec) {
            known.bound = bound;
        }
    }

    fn join_s_pmsi_of_lsp(
        &self,
        shared: &mut Shared,
        now: Instant,
        fec: &MultipointFec,
        wanted: Wanted,
    ) -> Option<Bound> {
        let vrf = self.config.vrf;
        let key = CMldpSPmsi { rd: wanted.from.rd, fec: fec.clone(), originator: wanted.from.address };
        let pmsi = wanted.attributes.pmsi.as_ref()?;
        let leaf = CMldpRoute::Leaf { key: key.clone(), originator: shared.config.router };
        let own = match self.become_leaf(shared, now, (pmsi, &leaf), wanted.group) {
            Ok(own) => own,
            Err(reason) => {
                shared.reject_c_mldp(now, vrf, reason, &CMldpRoute::SPmsi(key));
                return None;
            }
        };
        let mut bound = Bound { own, leaf: None, wanted };
        let pmsi = bound.wanted.attributes.pmsi.as_ref()?;
        if pmsi.leaf_information_required || own.is_some() {
            let root = bound.wanted.attributes.leaves_report_to();
            let mut attributes = McastAttributes::new(shared.config.router, vec![Target::router(root)]);
            if own.is_some() {
                let tunnel = PTunnel::IngressReplication(shared.config.router);
                attributes.pmsi = Some(PmsiTunnelValue { label: own, ..PmsiTunnelValue::new(tunnel) });
            }
            shared.originate_c_mldp(vrf, leaf.clone(), attributes);
            bound.leaf = Some(leaf);
        }
        Some(bound)
    }

    /// What a tunnel brings goes on by a group of the customers' mLDP: by the upstream-assigned label, by the whole tunnel, or by a label of
    /// ours for ingress replication, which is returned.
    fn become_leaf(
        &self,
        shared: &mut Shared,
        now: Instant,
        (pmsi, leaf): (&PmsiTunnelValue, &CMldpRoute),
        group: ReplicationId,
    ) -> Result<Option<Label>, MvpnReject> {
        let (vrf, action) = (self.config.vrf, IlmAction::Replicate(group));
        let is_done = match (&pmsi.tunnel, pmsi.label) {
            (PTunnel::IngressReplication(_), _) => {
                // The route of this PE has room for one label: that of the MVRF that came first.
                let label = match shared.is_c_mldp_of_another(vrf, leaf) {
                    true => None,
                    false => shared.new_ilm(now, vrf, action),
                };
                return label.map(Some).ok_or(MvpnReject::TunnelInUse);
            }
            (tunnel, _) if !is_lsp(tunnel) => return Err(MvpnReject::CMldp),
            (tunnel, Some(label)) => shared.join_space(tunnel, label, action),
            (tunnel, None) => shared.stitch(tunnel, group),
        };
        is_done.then_some(None).ok_or(MvpnReject::TunnelInUse)
    }

    fn leave_s_pmsi_of_lsp(&self, shared: &mut Shared, bound: Bound) {
        if let Some(leaf) = bound.leaf {
            shared.withdraw_c_mldp(self.config.vrf, leaf);
        }
        if let Some(label) = bound.own {
            return shared.drop_label(label);
        }
        let Some(pmsi) = bound.wanted.attributes.pmsi else { return };
        match pmsi.label {
            Some(label) => shared.leave_space(&pmsi.tunnel, label, IlmAction::Replicate(bound.wanted.group)),
            None => shared.unstitch(&pmsi.tunnel),
        }
    }
}
