//! Explicit tracking (RFC 8534): who receives which flow, asked for by routes that need not name a tunnel.

use core::net::IpAddr;

use alloc::collections::BTreeSet;

use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::instance::{FlowKey, Mvrf, PeKey};
use crate::mvrf::p_tunnel::{PTunnel, PmsiTunnelValue};
use crate::mvrf::route::{AdRoute, McastKind, McastRoute, SFlow};
use crate::mvrf::shared::Shared;

impl Mvrf {
    /// RFC 8534 §4: asks for the receivers of each flow that the I-PMSI carries. A wildcard S-PMSI asks for its own.
    pub(in crate::mvrf) fn track_default(&self, shared: &mut Shared) {
        if !self.config.s_pmsi.explicit_tracking || self.inclusive.is_none() || !self.config.model.has_mcast() {
            return;
        }
        let mut value = PmsiTunnelValue::new(PTunnel::None);
        value.per_flow = true;
        for flow in self.config.families.iter().map(|family| SFlow::all(*family)) {
            if self.config.s_pmsi.fixed.contains(&flow) {
                continue;
            }
            let mut attributes = self.attributes(&shared.config);
            attributes.pmsi = Some(value.clone());
            let route = McastRoute::s_pmsi(self.config.rd, flow, shared.config.router);
            shared.originate(self.config.vrf, route, attributes);
        }
    }

    /// Whether an S-PMSI A-D route asks for receivers without a tunnel, by a wildcard that is not on its own.
    pub(super) fn tracks_without_tunnel(&self, flow: &SFlow) -> bool {
        let is_all = flow.source.is_none() && flow.group.address().is_none();
        let policy = &self.config.s_pmsi;
        is_all && policy.explicit_tracking && self.inclusive.is_some() && !policy.fixed.contains(flow)
    }

    /// The Leaf A-D route that a flow answers its match for tracking with, beside the one for its match for reception (RFC 8534 §3, §5).
    fn tracking_leaf(&self, shared: &Shared, flow: FlowKey) -> Option<(McastRoute, McastAttributes)> {
        let pe: PeKey = self.receiving.get(&flow)?.pe;
        let asks = |f: &SFlow| {
            let known = self.s_in.get(&(pe, *f)).filter(|s| !s.is_withdrawn);
            known
                .and_then(|s| s.attributes.pmsi.as_ref())
                .is_some_and(|pmsi| pmsi.tunnel != PTunnel::None || pmsi.leaf_information_required || pmsi.per_flow)
        };
        let tracked = SFlow::candidates(flow.0, flow.1, self.is_ssm(flow.1)).into_iter().flatten().find(asks)?;
        let incoming = self.s_in.get(&(pe, tracked))?;
        let pmsi = incoming.attributes.pmsi.as_ref()?;
        let of = match (pmsi.per_flow, pmsi.tunnel == PTunnel::None) {
            (true, _) => match flow.0 {
                Some(source) => SFlow::source_group(source, flow.1),
                None => SFlow::any_source(flow.1),
            },
            (false, true) => tracked,
            // It is the match for reception, and answered as such.
            (false, false) => return None,
        };
        let key = AdRoute::SPmsi { rd: pe.rd, flow: of, originator: pe.address };
        let kind = McastKind::Leaf { key, originator: shared.config.router };
        let route = McastRoute { family: of.family, kind };
        if self.is_answer(pe, of, route) {
            return None;
        }
        let target = Target::router(incoming.attributes.leaves_report_to());
        let mut attributes = McastAttributes::new(shared.config.router, alloc::vec![target]);
        if pmsi.per_flow {
            attributes.pmsi = Some(PmsiTunnelValue { per_flow: true, ..PmsiTunnelValue::new(PTunnel::None) });
        }
        Some((route, attributes))
    }

    /// Whether a Leaf A-D route answers an S-PMSI that is received.
    fn is_answer(&self, pe: PeKey, of: SFlow, route: McastRoute) -> bool {
        let joined = self.s_in.get(&(pe, of)).and_then(|s| s.joined.as_ref());
        joined.is_some_and(|joined| joined.leaf == Some(route))
    }

    /// Brings the answer to a flow's match for tracking up to date.
    pub(in crate::mvrf) fn track_flow(&mut self, shared: &mut Shared, flow: FlowKey) {
        let wanted = self.tracking_leaf(shared, flow);
        let route = wanted.as_ref().map(|(route, _)| *route);
        let old = match route {
            Some(route) => self.flow_leaves.insert(flow, route),
            None => self.flow_leaves.remove(&flow),
        };
        if let Some(old) = old.filter(|old| Some(*old) != route) {
            let McastKind::Leaf { key: AdRoute::SPmsi { rd, flow: of, originator }, .. } = old.kind else { return };
            let is_used = self.is_answer(PeKey { address: originator, rd }, of, old)
                || (of.group.address().is_none() && self.flow_leaves.values().any(|leaf| *leaf == old));
            if !is_used {
                shared.withdraw(self.config.vrf, old);
            }
        }
        if let Some((route, attributes)) = wanted {
            shared.originate(self.config.vrf, route, attributes);
        }
    }

    /// PEs that receive a flow of ours, where they announce themselves (RFC 8534).
    pub(in crate::mvrf) fn receivers_of(&self, source: IpAddr, group: IpAddr) -> BTreeSet<IpAddr> {
        let exact = self.leaves.get(&SFlow::source_group(source, group));
        let shared = self.leaves.get(&SFlow::any_source(group)).filter(|_| !self.is_ssm(group));
        exact.into_iter().chain(shared).flat_map(|leaves| leaves.keys().copied()).collect()
    }
}
