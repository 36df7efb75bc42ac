//! Recognize New FEC, Detect Change in FEC Next Hop (RFC 5036 A.1.6, A.1.7).

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, IpPrefix};
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::super::LdpId;
use super::super::message::MessageType;
use super::super::status::StatusCode;
use super::config::{Control, Retention};
use super::fec::{FecId, Known};
use super::io::Route;
use super::machine::{Lde, LdpIds};
use super::send::fec_of;

impl Lde {
    /// A route came, changed or went.
    pub(super) fn route(&mut self, now: Instant, prefix: IpPrefix, route: Option<Route<'_>>) {
        let known = match route {
            None => Known::Nowhere,
            Some(Route::Egress) => Known::Egress,
            Some(Route::Via(hops)) => Known::Via(hops.iter().copied().take(fwd_core::op::Bucket::COUNT).collect()),
        };
        if known == Known::Nowhere && self.fecs.find(prefix).is_none() {
            return;
        }
        let fec = self.fecs.ensure(prefix);
        let before = self.next_hops(fec);
        let Some(state) = self.fecs.get_mut(fec) else { return };
        let retry = core::mem::take(&mut state.refused);
        if state.route == known && !retry {
            return;
        }
        let was = core::mem::replace(&mut state.route, known.clone());
        for hop in was.hops() {
            self.index(hop.gateway, hop.iface, fec, false);
        }
        for hop in known.hops() {
            self.index(hop.gateway, hop.iface, fec, true);
        }
        self.mark_dirty(fec);
        let turned = (was == Known::Egress) != (known == Known::Egress);
        if turned || known == Known::Nowhere {
            // Null labels are for the egress alone, and others are not for it. NH.16–NH.18.
            self.withdraw_from_all(fec);
        }
        if known == Known::Nowhere {
            self.refuse_pending(fec);
        }
        if was == Known::Nowhere || turned || retry {
            self.leave_hops(fec, &before);
            if known != Known::Nowhere {
                self.recognize(now, fec);
            }
        } else {
            self.rerouted(now, fec, &before);
        }
        self.forget_if_unknown(fec);
    }

    /// LRq.5 for requests that waited: there is no route any more.
    fn refuse_pending(&mut self, fec: FecId) {
        for peer in self.up_peers() {
            let pending = self.peers.get_mut(&peer).and_then(|p| p.pending.remove(&fec));
            if let Some(id) = pending {
                let about = Some((id, MessageType::LABEL_REQUEST));
                self.notify(peer, StatusCode::NO_ROUTE, about, Vec::new());
            }
        }
    }

    fn index(&mut self, gateway: IpAddr, iface: IfIndex, fec: FecId, add: bool) {
        let key = (gateway, iface);
        if add {
            self.gateways.entry(key).or_default().insert(fec);
        } else if let Some(fecs) = self.gateways.get_mut(&key) {
            fecs.remove(&fec);
            if fecs.is_empty() {
                self.gateways.remove(&key);
            }
        }
    }

    /// Recognize New FEC.
    pub(super) fn recognize(&mut self, now: Instant, fec: FecId) {
        let downstream = self.downstream(fec);
        // FEC.1
        let egress = self.fecs.get(fec).is_some_and(|state| state.route == Known::Egress);
        for peer in self.up_peers() {
            self.advertise(now, peer, fec);
            // Requests that waited for a next hop's label, when the prefix turns out to end here.
            let pending = self.peers.get(&peer).and_then(|p| p.pending.get(&fec).copied());
            if let Some(id) = pending.filter(|_| egress) {
                let attributes = self.prepare_mapping(peer, fec, None, false);
                self.send_label(now, peer, fec, attributes, Some(id));
            }
        }
        // FEC.2, FEC.5
        if let Some(attributes) = downstream {
            self.propagate(now, fec, attributes.as_ref());
        }
        // FEC.3, FEC.4: of next hops that gave none.
        self.request_downstream(fec, None);
    }

    /// FEC.1 for one peer: tells it our label if it wants it unasked.
    pub(super) fn advertise(&mut self, now: Instant, peer: LdpId, fec: FecId) {
        let Some(fec_state) = self.fecs.get(fec) else { return };
        if fec_state.route == Known::Nowhere
            || self.peers.get(&peer).is_none_or(|p| p.on_demand() || p.sent.contains_key(&fec))
        {
            return;
        }
        let downstream = self.downstream(fec);
        let egress = fec_state.route == Known::Egress;
        let may = self.config.control == Control::Independent || egress || downstream.is_some();
        let skipped = self.config.split_horizon && self.next_hops(fec).contains(&peer);
        if may && !skipped {
            let propagating = downstream.is_some();
            let attributes = self.prepare_mapping(peer, fec, downstream.flatten().as_ref(), propagating);
            self.send_label(now, peer, fec, attributes, None);
        }
    }

    /// Detect Change in FEC Next Hop: next hops that were `before` are others.
    pub(super) fn rerouted(&mut self, now: Instant, fec: FecId, before: &[LdpId]) {
        let after = self.next_hops(fec);
        self.mark_dirty(fec);
        self.leave_hops(fec, before);
        // NH.10: without a route, `route` withdrew our label.
        if after.iter().all(|peer| before.contains(peer)) && !after.is_empty() {
            return;
        }
        // NH.11, NH.12
        if let Some(attributes) = self.downstream(fec) {
            self.propagate(now, fec, attributes.as_ref());
        }
        // NH.13–NH.15
        let attributes = self.prepare_request(None);
        for peer in after.iter().filter(|peer| !before.contains(peer)) {
            let Some(state) = self.peers.get(peer) else { continue };
            let asks = state.on_demand()
                || state.looped.contains(&fec)
                || self.config.retention == Retention::Conservative
                || self.config.request == super::config::RequestProcedure::WhenNeeded;
            if asks && !state.received.contains_key(&fec) {
                self.send_request(*peer, fec, &attributes);
            }
        }
    }

    /// NH.1–NH.9 for the next hops that are none any more.
    fn leave_hops(&mut self, fec: FecId, before: &[LdpId]) {
        let after = self.next_hops(fec);
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return };
        let conservative = self.config.retention == Retention::Conservative;
        for peer in before.iter().filter(|peer| !after.contains(peer)) {
            // NH.1–NH.3: NH.2 is done by programming anew.
            self.mark_dirty(fec);
            if !conservative {
                continue;
            }
            // NH.4, NH.5
            let received = self.peers.get_mut(peer).and_then(|p| p.received.remove(&fec));
            if let Some(received) = received {
                self.send_release(*peer, fec_of(prefix), Some(received.label), None);
            }
            // NH.6–NH.9
            self.send_abort(*peer, fec);
        }
    }

    /// The FECs whose routes have this gateway, with their next hops as they are.
    pub(super) fn through(&self, address: IpAddr, iface: Option<IfIndex>) -> SmallVec<[(FecId, LdpIds); 4]> {
        let first = (address, iface.unwrap_or(IfIndex(0)));
        let last = (address, iface.unwrap_or(IfIndex(u32::MAX)));
        let fecs = self.gateways.range(first..=last).flat_map(|(_, fecs)| fecs.iter().copied());
        fecs.map(|fec| (fec, self.next_hops(fec))).collect()
    }
}
