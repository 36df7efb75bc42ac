//! From routes to forwarding entries: ops are made at the time they are taken, from what is out of date.
//!
//! The order of ops is the order in which they make sense: an entry before the label or route that uses it, a route's removal
//! before that of its entry. UPDATEs are written only when there is no op left, so that what is announced is programmed;
//! a label that is taken back is cleared after the UPDATE that says so, because only that UPDATE frees it.

use fwd_core::net::{NhlfeId, VrfId};
use fwd_core::op::{FwdOp, RouteAction};

use super::io::{Event, LocalRoute};
use super::routing::Routing;
use super::tables::{AddressFamily, TableKind};
use crate::nlri::Afi;
use crate::rib::{LabelRef, NextHopId, Path, Peers, PlainKey, PrefixKey, Source};
use crate::vrf::{Carrier, Installed, Tunnel};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};

/// What the forwarding plane is to hold for a destination.
enum Wanted {
    Nothing,
    Plain(Installed),
    Tunnel(LabelRef, Carrier),
}

impl Routing {
    /// The next op for the forwarding plane.
    pub(crate) fn poll_op(&mut self) -> Option<FwdOp> {
        loop {
            if let Some(op) = self.ops.pop_front() {
                return Some(op);
            }
            if let Some(op) = self.labels.poll() {
                return Some(op);
            }
            for entry in self.labels.take_swapped() {
                self.release_entry(entry);
            }
            if let Some(op) = self.ops.pop_front() {
                return Some(op);
            }
            if let Some(op) = self.tunnels.poll(&self.shared.next_hops, &self.shared.stacks) {
                return Some(op);
            }
            let Some(slot) = self.fib_queue.front().copied() else { return self.late_ops.pop_front() };
            let Some(vrf) = self.tables.vrf_mut(slot) else {
                self.fib_queue.pop_front();
                continue;
            };
            if let Some(dest) = vrf.v4.fib_dirty.pop_first() {
                self.install::<Ipv4Prefix>(slot, dest);
            } else if let Some(dest) = vrf.v6.fib_dirty.pop_first() {
                self.install::<Ipv6Prefix>(slot, dest);
            } else {
                vrf.fib_queued = false;
                self.fib_queue.pop_front();
            }
        }
    }

    /// Makes the ops for everything of a VRF that is out of date.
    pub(crate) fn flush_fib<P: AddressFamily>(&mut self, slot: u16) {
        let next = |this: &mut Self| P::unicast_mut(this.tables.vrf_mut(slot)?).fib_dirty.pop_first();
        while let Some(dest) = next(self) {
            self.install::<P>(slot, dest);
        }
    }

    /// What the best path of a destination asks for.
    fn wanted<P: AddressFamily>(&self, slot: u16, path: &Path, prefix: P) -> Wanted {
        let Some(vrf) = self.tables.vrf(slot) else { return Wanted::Nothing };
        let next_hop = self.shared.attributes.get(path.attr).next_hop;
        match path.source {
            Source::IMPORTED if path.labels.link().is_none() => Wanted::Tunnel(path.labels, Carrier::Hop(next_hop)),
            Source::LEAKED => {
                // As the exporting VRF forwards it.
                let rd = P::vpn(&self.tables).table.get(path.path_id).key.rd;
                let exporter = self.tables.by_rd.get(&rd).copied();
                let own = exporter.and_then(|slot| {
                    let vrf = self.tables.vrf(slot)?;
                    let dest = P::unicast(vrf).table.find(&PlainKey(prefix))?;
                    Some((slot, self.own_path::<P>(vrf, dest)?))
                });
                own.map_or(Wanted::Nothing, |(slot, own)| self.wanted(slot, &own, prefix))
            }
            _ => match path.as_local() {
                Some(LocalRoute::Local) => Wanted::Plain(Installed::Local),
                Some(LocalRoute::Discard) => Wanted::Plain(Installed::Discard),
                Some(LocalRoute::Entry(entry)) => Wanted::Plain(Installed::Direct(entry)),
                _ => {
                    let circuit = self.shared.circuit(vrf.id, path, P::V6).map(|(_, nhlfe)| nhlfe);
                    let transport = || self.shared.next_hops.resolution(next_hop).nhlfe();
                    if let Some(nhlfe) = circuit.filter(|_| path.labels.is_stack()) {
                        return Wanted::Tunnel(path.labels, Carrier::Circuit(nhlfe));
                    }
                    let nhlfe = circuit.or_else(|| if vrf.id == VrfId::GLOBAL { transport() } else { None });
                    nhlfe.map_or(Wanted::Nothing, |nhlfe| Wanted::Plain(Installed::Direct(nhlfe)))
                }
            },
        }
    }

    /// How packets by a path leave: through an entry of somebody else, or else through one of ours with labels above a carrier. `None`:
    /// they do not leave.
    pub(crate) fn way<P: AddressFamily>(
        &self,
        slot: u16,
        path: &Path,
        prefix: P,
    ) -> Option<(Option<NhlfeId>, (LabelRef, Carrier))> {
        match self.wanted::<P>(slot, path, prefix) {
            Wanted::Plain(Installed::Direct(nhlfe)) => Some((Some(nhlfe), (LabelRef::NONE, Carrier::Circuit(nhlfe)))),
            Wanted::Tunnel(labels, carrier) => Some((None, (labels, carrier))),
            Wanted::Plain(_) | Wanted::Nothing => None,
        }
    }

    /// Brings the forwarding entry of a destination up to date.
    fn install<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let Some(vrf) = self.tables.vrf(slot) else { return };
        let (id, model) = (vrf.id, vrf.config.as_ref().map(|c| c.model).unwrap_or_default());
        let d = P::unicast(vrf).table.get(dest);
        if !d.is_live() {
            return;
        }
        let prefix = d.key.prefix();
        let wanted = d.best().map_or(Wanted::Nothing, |best| self.wanted::<P>(slot, best, prefix));
        let mut exhausted = false;
        let now = match wanted {
            Wanted::Nothing => Installed::None,
            Wanted::Plain(Installed::Direct(nhlfe)) => {
                let pair = self.protected::<P>(slot, dest, nhlfe, None);
                pair.map_or(Installed::Direct(nhlfe), Installed::Shared)
            }
            Wanted::Plain(installed) => installed,
            Wanted::Tunnel(labels, carrier) => {
                let entry = self.acquire(id, Tunnel::new(labels, carrier, model));
                exhausted = entry.is_none();
                let pair = entry.and_then(|e| self.protected::<P>(slot, dest, self.tunnels.id(e), entry));
                pair.or(entry).map_or(Installed::None, Installed::Shared)
            }
        };
        self.replace::<P>(slot, dest, prefix, id, now);
        self.tell_igp(slot, prefix.into());
        if exhausted {
            // What cannot be forwarded is not announced either.
            self.refuse_dest::<P>(slot, dest);
        }
    }

    /// Replaces what the forwarding plane holds for a destination.
    fn replace<P: AddressFamily>(&mut self, slot: u16, dest: u32, prefix: P, id: VrfId, now: Installed) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let installed = P::installed(vrf);
        if installed.len() <= dest as usize {
            installed.resize(dest as usize + 1, Installed::None);
        }
        let was = core::mem::replace(&mut installed[dest as usize], now);
        let rib = P::unicast_mut(vrf);
        rib.table.get_mut(dest).set_in_fib(now != Installed::None);
        let action = match now {
            Installed::None => None,
            Installed::Local => Some(RouteAction::Local),
            Installed::Discard => Some(RouteAction::Discard),
            Installed::Direct(nhlfe) => Some(RouteAction::Forward(nhlfe)),
            Installed::Shared(entry) => Some(RouteAction::Forward(self.tunnels.id(entry))),
        };
        match action {
            Some(action) if was != now => self.ops.push_back(P::set_route(id, prefix, action)),
            None if was != Installed::None => self.ops.push_back(P::clear_route(id, prefix)),
            _ => {}
        }
        rib.settle(dest);
        if let Installed::Shared(entry) = was {
            self.release_entry(entry);
        }
    }

    /// The forwarding plane had no room for an op: what it served is withdrawn, there and from peers.
    pub(crate) fn refused(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetRoute4 { vrf, prefix, .. } => self.refuse_route(vrf, prefix),
            FwdOp::SetRoute6 { vrf, prefix, .. } => self.refuse_route(vrf, prefix),
            FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } => match self.labels.refuse(label) {
                // Only this route: another whose label was refused would ask for one again.
                Some((slot, Some((false, dest)))) => self.export_again::<Ipv4Prefix>(slot, dest),
                Some((slot, Some((true, dest)))) => self.export_again::<Ipv6Prefix>(slot, dest),
                Some(_) if self.labels.is_swap(label) => self.refuse_own_label(label),
                Some((slot, None)) => {
                    self.export_all::<Ipv4Prefix>(slot);
                    self.export_all::<Ipv6Prefix>(slot);
                }
                None => {}
            },
            FwdOp::SetProtection { id, .. } => {
                if let Some(entry) = self.tunnels.of_pair(id) {
                    self.unprotect(entry);
                }
            }
            FwdOp::SetNhlfe { id, .. } => {
                if let Some(entry) = self.tunnels.find(id) {
                    self.tunnels.refuse(entry);
                    for slot in self.tables.slots() {
                        self.refuse_routes_through::<Ipv4Prefix>(slot, entry);
                        self.refuse_routes_through::<Ipv6Prefix>(slot, entry);
                    }
                    if let Some(label) = self.labels.of_swap(entry) {
                        self.labels.refuse(label);
                        self.refuse_own_label(label);
                    }
                }
            }
            _ => {}
        }
        self.shared.event(Event::ForwardingFull { op });
    }

    fn refuse_route<P: AddressFamily>(&mut self, vrf: VrfId, prefix: P) {
        let Some((slot, vrf)) = self.tables.vrf_by_id(vrf) else { return };
        if let Some(dest) = P::unicast(vrf).table.find(&PlainKey(prefix)) {
            self.refuse_dest::<P>(slot, dest);
        }
    }

    fn refuse_dest<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let rib = P::unicast_mut(vrf);
        let before = rib.best(dest);
        rib.table.get_mut(dest).set_refused(true);
        self.mark_fib::<P>(slot, dest);
        self.vrf_changed::<P>(slot, dest, before);
    }

    fn refuse_routes_through<P: AddressFamily>(&mut self, slot: u16, entry: u32) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let through = |installed: &[Installed]| {
            let dests = (0u32..).zip(installed).filter(|(_, i)| **i == Installed::Shared(entry));
            dests.map(|(dest, _)| dest).collect::<alloc::vec::Vec<u32>>()
        };
        for dest in through(P::installed(vrf)) {
            self.refuse_dest::<P>(slot, dest);
        }
    }

    /// Decides again about what depends on next hops whose reach changed. All that changed since are taken in one walk.
    pub(crate) fn decide_moved(&mut self) {
        if self.moved_hops.is_empty() {
            return;
        }
        let mut moved = core::mem::take(&mut self.moved_hops);
        moved.sort_unstable();
        self.decide_moved_in::<Ipv4Prefix>(&moved);
        self.decide_moved_in::<Ipv6Prefix>(&moved);
        self.decide_moved_opaque(&moved);
    }

    fn decide_moved_in<P: AddressFamily>(&mut self, moved: &[NextHopId]) {
        let depends = |this: &Self, paths: &[Path]| {
            let hop = |path: &Path| this.shared.attributes.get(path.attr).next_hop;
            paths.iter().any(|path| moved.binary_search(&hop(path)).is_ok())
        };
        for dest in 0..P::vpn(&self.tables).table.bound() {
            if depends(self, P::vpn(&self.tables).table.get(dest).paths()) {
                self.decide_vpn::<P>(dest);
            }
        }
        for dest in 0..P::labeled(&self.tables).table.bound() {
            if depends(self, P::labeled(&self.tables).table.get(dest).paths()) {
                self.decide_labeled::<P>(dest);
            }
        }
        for slot in self.tables.slots() {
            let bound = self.tables.vrf(slot).map_or(0, |vrf| P::unicast(vrf).table.bound());
            for dest in 0..bound {
                let Some(vrf) = self.tables.vrf(slot) else { break };
                let rib = P::unicast(vrf);
                if depends(self, rib.table.get(dest).paths()) {
                    let before = rib.best(dest);
                    self.mark_fib::<P>(slot, dest);
                    self.vrf_changed::<P>(slot, dest, before);
                }
            }
        }
    }

    /// Decides about all destinations of a VRF again: a circuit of it changed.
    pub(crate) fn decide_vrf<P: AddressFamily>(&mut self, slot: u16) {
        let bound = self.tables.vrf(slot).map_or(0, |vrf| P::unicast(vrf).table.bound());
        for dest in 0..bound {
            let Some(vrf) = self.tables.vrf(slot) else { return };
            let rib = P::unicast(vrf);
            let d = rib.table.get(dest);
            if !d.is_live() || d.paths().is_empty() {
                continue;
            }
            let (before, is_vpn) = (rib.best(dest), vrf.config.is_some());
            let own = before.is_some_and(|p| vrf.exports(&p));
            self.mark_fib::<P>(slot, dest);
            self.vrf_changed::<P>(slot, dest, before);
            // The same path by another circuit: the label, or what it does, may change.
            let same = self.tables.vrf(slot).is_some_and(|vrf| P::unicast(vrf).best(dest) == before);
            if own && same && is_vpn {
                self.export::<P>(slot, dest);
            }
        }
        self.decide_pending();
    }

    /// The table and slot of every member of a peer's Adj-RIB-In.
    pub(crate) fn members<P: AddressFamily>(&self, table: TableKind, adj: u32) -> alloc::vec::Vec<u32> {
        let members = |adj: Option<&crate::rib::Adj>| adj.map(|a| a.input.members.iter().collect()).unwrap_or_default();
        match table {
            TableKind::Vpn => members(P::vpn(&self.tables).adj(adj)),
            TableKind::Labeled => members(P::labeled(&self.tables).adj(adj)),
            TableKind::Memberships | TableKind::Opaque(_) => {
                members(self.tables.peers(table, Afi::IPV4).and_then(|peers| peers.adj(adj)))
            }
            TableKind::Unicast(slot) => {
                self.tables.vrf(slot).map(|vrf| members(P::unicast(vrf).adj(adj))).unwrap_or_default()
            }
        }
    }
}
