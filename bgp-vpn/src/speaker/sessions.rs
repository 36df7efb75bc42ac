//! Sessions and routes: what a session says goes to the tables, what the tables say goes to the session.

use core::net::IpAddr;

use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix, VrfId};
use fwd_core::op::{Ilm, IlmAction};

use super::io::{Circuit, LocalRoute, PeerId, Reach, Side};
use super::peer::PeerFamily;
use super::routing::Routing;
use super::tables::{AddressFamily, GLOBAL};
use crate::message::{RefreshSubtype, RouteRefresh};
use crate::nlri::{Afi, Family};
use crate::pe_ce::IgpRoute;
use crate::rib::{NextHopId, Path, PlainKey, Resolution, Source};
use crate::session::Negotiated;
use smallvec::SmallVec;

impl Routing {
    /// How long stale routes are kept for the peer's End-of-RIB once it is back (RFC 4724 §4.2 leaves it open).
    const STALE_AFTER_RESTART: core::time::Duration = core::time::Duration::from_secs(360);

    /// A session came up.
    pub(crate) fn peer_up(&mut self, peer: PeerId, side: Side, negotiated: Negotiated) {
        let now = self.shared.now;
        self.shared.peers_changed += 1;
        let Some(state) = self.shared.peer_mut(peer) else { return };
        state.kind = negotiated.peer_kind;
        state.identifier = negotiated.peer_identifier;
        let kept = negotiated.peer_restart.as_ref().map(|r| r.families.clone()).unwrap_or_default();
        let long_lived = negotiated.long_lived.clone();
        let agreed = negotiated.families.clone();
        let several = negotiated.add_path_send.clone();
        state.session = Some((side, negotiated));
        if state.stale_until.is_some() {
            state.stale_until = Some(now + Self::STALE_AFTER_RESTART);
        }
        state.families.iter_mut().for_each(|f| f.disabled = false);
        self.wake.insert(peer.0);
        let families = state.families.clone();
        self.membership_begins(peer);
        for family in families {
            // Without the F bit the peer does not forward by its old routes any more (RFC 4724 §4.2, RFC 9494 §4.2).
            let keeps = match family.long_lived_until {
                Some(_) => long_lived.iter().any(|l| l.family == family.family && l.forwarding),
                None => kept.iter().any(|(f, preserved)| *f == family.family && *preserved),
            };
            if !keeps || !agreed.contains(&family.family) {
                self.end_long_lived(peer, family);
                self.drop_routes(peer, family, true);
            }
            if agreed.contains(&family.family) {
                self.adj_up(peer, family, several.contains(&family.family));
            }
        }
    }

    fn adj_up(&mut self, peer: PeerId, family: PeerFamily, several: bool) {
        let Some(listener) = self.shared.peer(peer).map(|state| state.listener(family.family)) else { return };
        if let Some(peers) = self.tables.peers_mut(family.table, family.family.afi) {
            peers.session_up(family.slot, several, listener);
        }
    }

    fn adj_down(&mut self, peer: PeerId, family: PeerFamily) {
        let mut held = alloc::vec::Vec::new();
        self.with_adj(family, |adj| held.extend(core::mem::take(&mut adj.out.labels)));
        held.sort_unstable_by_key(|(key, _)| *key);
        let space = self.shared.peer(peer).and_then(|p| p.config.label_space);
        for (_, label) in held {
            self.ops.extend(space.and_then(|space| self.labels.untell(space, label)));
        }
        if let Some(peers) = self.tables.peers_mut(family.table, family.family.afi) {
            peers.session_down(family.slot);
        }
        self.told_all_labels(family.table, family.family.afi == Afi::IPV6, family.slot);
    }

    /// A session ended: its routes go, or (RFC 4724 §4.2) are stale for the peer's restart time, and then (RFC 9494 §4.2) for as long as it
    /// said.
    pub(crate) fn peer_down(&mut self, peer: PeerId, retain: bool) {
        let now = self.shared.now;
        let Some(state) = self.shared.peer_mut(peer) else { return };
        let Some((_, negotiated)) = state.session.take() else { return };
        state.membership = None;
        let restart = negotiated.peer_restart.filter(|r| retain && !r.time.is_zero());
        let kept = restart.as_ref().map(|r| r.families.clone()).unwrap_or_default();
        state.stale_until = restart.as_ref().map(|r| now + r.time);
        let long_lived = if retain { negotiated.long_lived } else { SmallVec::new() };
        for family in &mut state.families {
            let offered = long_lived.iter().find(|l| l.family == family.family && !l.time.is_zero());
            family.long_lived = offered.map(|l| l.time);
        }
        for family in state.families.clone() {
            let refreshing = self.is_refreshing(family);
            self.adj_down(peer, family);
            let graceful = kept.iter().any(|(f, _)| *f == family.family);
            if family.disabled || !graceful && family.long_lived.is_none() {
                self.end_long_lived(peer, family);
                self.drop_routes(peer, family, false);
                continue;
            }
            // Routes that are stale for the second time go at once (RFC 4724 §4.2), unless their time is counted (RFC 9494 §4.2).
            if !refreshing && family.long_lived_until.is_none() {
                self.drop_routes(peer, family, true);
            }
            self.mark_stale(peer, family);
            if !graceful && family.long_lived_until.is_none() {
                self.begin_long_lived(peer, family);
            }
        }
    }

    /// Everything of a peer goes: it is no longer configured.
    pub(crate) fn forget_peer(&mut self, peer: PeerId) {
        self.peer_down(peer, false);
        let Some(state) = self.shared.peer(peer) else { return };
        for family in state.families.clone() {
            self.drop_routes(peer, family, false);
            if let Some(peers) = self.tables.peers_mut(family.table, family.family.afi) {
                peers.detach(family.slot);
            }
        }
        self.shared.peers_changed += 1;
        if let Some(slot) = self.shared.peers.get_mut(peer.0 as usize) {
            *slot = None;
        }
    }

    /// The peer sent a ROUTE-REFRESH.
    pub(crate) fn refresh(&mut self, peer: PeerId, refresh: &RouteRefresh) {
        let known =
            self.shared.peer(peer).and_then(|p| p.families.iter().find(|f| f.family == refresh.family).copied());
        let Some(family) = known else { return };
        match refresh.subtype {
            RefreshSubtype::REQUEST => {
                self.with_adj(family, |adj| adj.out.refresh = adj.out.refresh.requested());
                self.wake.insert(peer.0);
            }
            RefreshSubtype::BEGIN => {
                // RFC 7313 §4: ignored before the End-of-RIB of a peer with graceful restart, which would end the refresh.
                let session = self.shared.peer(peer).and_then(|p| p.session.as_ref());
                let restarts = session.is_some_and(|(_, n)| n.peer_restart.is_some());
                let mut ended = false;
                self.with_adj(family, |adj| ended = adj.input.ended);
                if restarts && !ended {
                    return;
                }
                self.mark_stale(peer, family);
                self.with_adj(family, |adj| adj.input.refreshing = true);
            }
            RefreshSubtype::END => {
                let mut refreshing = false;
                self.with_adj(family, |adj| refreshing = core::mem::take(&mut adj.input.refreshing));
                if refreshing {
                    self.drop_routes(peer, family, true);
                }
            }
            _ => {}
        }
    }

    /// Whether the stale marks of a family are those of a refresh (RFC 7313), not of a restart.
    pub(crate) fn is_refreshing(&mut self, family: PeerFamily) -> bool {
        let mut refreshing = false;
        self.with_adj(family, |adj| refreshing = adj.input.refreshing);
        refreshing
    }

    pub(crate) fn with_adj(&mut self, family: PeerFamily, mut f: impl FnMut(&mut crate::rib::Adj)) {
        let peers = self.tables.peers_mut(family.table, family.family.afi);
        let adj = peers.and_then(|peers| peers.adj_mut(family.slot));
        if let Some(adj) = adj {
            f(adj);
        }
    }

    /// The way to a next hop changed.
    pub(crate) fn next_hop(&mut self, address: IpAddr, reach: Option<Reach>) {
        if let Some((hop, was)) = self.shared.next_hops.set(address, reach) {
            self.hop_changed(hop, was);
        }
    }

    /// What leads through a next hop is to be looked at; `was` is how it was reached before.
    pub(crate) fn hop_changed(&mut self, hop: NextHopId, was: Resolution) {
        let now = self.shared.next_hops.resolution(hop);
        if was.nhlfe().is_some() != now.nhlfe().is_some() {
            self.switch_over(|tunnels, primary| tunnels.leads_to(primary, hop), now.nhlfe().is_none());
        }
        if was.nhlfe() != now.nhlfe() && now.nhlfe().is_some() {
            self.tunnels.hop_moved(hop);
        }
        // Routes of the global table stand on the transport entry itself.
        let direct = self.tables.vrf(GLOBAL).is_some_and(|g| g.routes() > 0);
        let labeled = self.tables.labeled4.routes + self.tables.labeled6.routes > 0;
        if was.metric() != now.metric() || was.nhlfe().is_some() != now.nhlfe().is_some() || direct || labeled {
            self.moved_hops.push(hop);
        }
    }

    /// An attachment circuit changed.
    pub(crate) fn circuit(&mut self, iface: IfIndex, circuit: Option<Circuit>) {
        let mut touched = [None, None, None];
        let gone;
        match circuit {
            Some(circuit) => {
                let old = self.shared.circuits.set(iface, circuit);
                if old == Some(circuit) {
                    return;
                }
                let key = (iface, circuit.address.is_ipv6());
                let moved = old.is_some_and(|old| old.vrf != circuit.vrf);
                if moved {
                    self.forget_circuit_label(old.map(|o| o.vrf), key);
                } else if let Some((slot, vrf)) = self.tables.vrf_by_id(circuit.vrf) {
                    let label = vrf.circuit_labels.get(&key).copied();
                    let model = vrf.config.as_ref().map(|c| c.model).unwrap_or_default();
                    let _ = slot;
                    if let Some(label) = label {
                        self.labels.set_ilm(label, Ilm { action: IlmAction::Forward(circuit.nhlfe), model });
                    }
                }
                touched = [Some(circuit.vrf), old.map(|o| o.vrf), None];
                gone = [old, None];
            }
            None => {
                gone = self.shared.circuits.clear(iface);
                for (old, touched) in gone.into_iter().zip(&mut touched) {
                    let Some(old) = old else { continue };
                    self.forget_circuit_label(Some(old.vrf), (iface, old.address.is_ipv6()));
                    *touched = Some(old.vrf);
                }
            }
        }
        for lost in gone.into_iter().flatten() {
            if !self.shared.circuits.uses(lost.vrf, lost.nhlfe) {
                self.switch_over(|_, primary| primary == lost.nhlfe, true);
            }
        }
        if let Some(circuit) = circuit {
            self.switch_over(|_, primary| primary == circuit.nhlfe, false);
        }
        let mut slots: alloc::vec::Vec<u16> =
            touched.into_iter().flatten().filter_map(|id| self.tables.by_id.get(&id).copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        let now = self.shared.now;
        for slot in slots {
            if let Some(vrf) = self.tables.vrf_mut(slot) {
                vrf.changed = now;
            }
            self.decide_vrf::<Ipv4Prefix>(slot);
            self.decide_vrf::<Ipv6Prefix>(slot);
        }
        // Labels that peers still hold must not lead into what the entry is used for next, maybe by another VPN.
        for old in gone.into_iter().flatten().filter(|old| !self.shared.circuits.uses(old.vrf, old.nhlfe)) {
            if let Some(slot) = self.tables.by_id.get(&old.vrf) {
                self.labels.cut(*slot, Some(old.nhlfe));
                for entry in self.tunnels.over(old.nhlfe) {
                    self.labels.cut(*slot, Some(entry));
                }
            }
        }
    }

    fn forget_circuit_label(&mut self, vrf: Option<VrfId>, key: crate::vrf::CircuitKey) {
        let slot = vrf.and_then(|id| self.tables.by_id.get(&id).copied());
        let label = slot.and_then(|slot| self.tables.vrf_mut(slot)?.circuit_labels.remove(&key));
        if let Some(label) = label {
            self.labels.release(label);
        }
    }

    /// A route that BGP did not bring came or went.
    pub(crate) fn local(&mut self, vrf: VrfId, prefix: IpPrefix, route: Option<(LocalRoute, Option<IgpRoute>)>) {
        let Some(slot) = self.tables.by_id.get(&vrf).copied() else { return };
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let igp = vrf.config.as_ref().and_then(|c| c.igp.as_ref());
        let route = route.filter(|(_, from)| from.as_ref().is_none_or(|from| !from.is_looped(igp)));
        let sham = matches!(route, Some((_, Some(IgpRoute::OspfShamLink))));
        let was = if sham { !vrf.over_sham_link.insert(prefix) } else { vrf.over_sham_link.remove(&prefix) };
        let route = route.filter(|_| !sham);
        match route {
            Some(route) => vrf.locals.insert(prefix, route),
            None => vrf.locals.remove(&prefix),
        };
        if was != sham {
            self.tell_igp(slot, prefix);
        }
        match prefix {
            IpPrefix::V4(prefix) => self.local_in(slot, prefix, route),
            IpPrefix::V6(prefix) => self.local_in(slot, prefix, route),
        }
    }

    fn local_in<P: AddressFamily>(&mut self, slot: u16, prefix: P, route: Option<(LocalRoute, Option<IgpRoute>)>) {
        match route {
            Some((route, from)) => {
                let path = Path::local(route, self.igp_attributes(slot, from));
                self.vrf_put(slot, prefix, path, None);
            }
            None => {
                let dest = self.tables.vrf(slot).and_then(|v| P::unicast(v).table.find(&PlainKey(prefix)));
                if let Some(dest) = dest {
                    self.vrf_take::<P>(slot, dest, Source::LOCAL, 0, None);
                }
            }
        }
    }

    /// Families of a peer have room again for what their limits refused: those to be asked for.
    pub(crate) fn ask(&mut self, peer: PeerId) -> alloc::vec::Vec<Family> {
        let now = self.shared.now;
        let Some(state) = self.shared.peer_mut(peer) else { return alloc::vec::Vec::new() };
        state.asked = Some(now);
        let refreshes = state.session.as_ref().is_some_and(|(_, n)| n.route_refresh);
        let mut ask = alloc::vec::Vec::new();
        for family in state.families.clone() {
            let mut wanted = false;
            self.with_adj(family, |adj| wanted = adj.input.ask());
            if wanted && refreshes && !family.disabled {
                ask.push(family.family);
            }
        }
        ask
    }

    /// A VRF has room again: it looks for what it refused. Returns the CEs and families to be asked.
    pub(crate) fn retry(&mut self, slot: u16) -> alloc::vec::Vec<(PeerId, Family)> {
        let now = self.shared.now;
        let Some(vrf) = self.tables.vrf_mut(slot) else { return alloc::vec::Vec::new() };
        vrf.limits.retried(now);
        for (prefix, route) in vrf.locals.clone() {
            match prefix {
                IpPrefix::V4(prefix) => self.local_in(slot, prefix, Some(route)),
                IpPrefix::V6(prefix) => self.local_in(slot, prefix, Some(route)),
            }
        }
        self.import_all::<Ipv4Prefix>(slot);
        self.import_all::<Ipv6Prefix>(slot);
        let mut ask = alloc::vec::Vec::new();
        for id in self.shared.peer_ids() {
            let Some(peer) = self.shared.peer(id).filter(|p| p.vrf == slot) else { continue };
            if peer.session.as_ref().is_some_and(|(_, n)| n.route_refresh) {
                ask.extend(peer.families.iter().filter(|f| !f.disabled).map(|f| (id, f.family)));
            }
        }
        ask
    }
}
