//! VPN routes into VRFs (RFC 4364 §4.3.1).
//!
//! A VRF imports of every VPN destination the best path of another router, if that carries one of the VRF's import targets;
//! and what another VRF of this PE exports, if that does. Several route distinguishers can bring a prefix several candidates,
//! among which the decision process of the VRF chooses.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::attr::ext_community::RouteTarget;
use crate::rib::{AttrId, Path, Source, VpnKey};
use crate::speaker::{AddressFamily, Routing, Tables};

impl Routing {
    /// The VRFs that import routes of an attribute set, by slot, in ascending order.
    pub(crate) fn importers(&mut self, attr: AttrId) -> SmallVec<[u16; 4]> {
        let Tables { by_target, generation, .. } = &self.tables;
        self.shared.attributes.importers(attr, *generation, |set| {
            let targets = set.ext_communities().filter_map(RouteTarget::from_community);
            let mut slots: SmallVec<[u16; 4]> = SmallVec::new();
            for slot in targets.filter_map(|t| by_target.get(&t)).flatten() {
                if !slots.contains(slot) {
                    slots.push(*slot);
                }
            }
            slots.sort_unstable();
            slots
        })
    }

    /// What VRFs import of a VPN destination changed from `old` to `new`; `source` says whether it is another router's path
    /// or one that a VRF of ours exports.
    pub(crate) fn import<P: AddressFamily>(
        &mut self,
        key: VpnKey<P>,
        dest: u32,
        source: Source,
        old: Option<Path>,
        new: Option<Path>,
    ) {
        let was = old.map(|p| self.importers(p.attr)).unwrap_or_default();
        let is = new.map(|p| self.importers(p.attr)).unwrap_or_default();
        for slot in was {
            if !is.contains(&slot) {
                self.unimport(slot, key.prefix, source, dest);
            }
        }
        let Some(new) = new else { return };
        let exporter = self.tables.by_rd.get(&key.rd).copied();
        for slot in is {
            // A VRF does not import what it exports.
            if source == Source::LEAKED && exporter == Some(slot) {
                continue;
            }
            match self.imported(slot, key.prefix.into(), key.rd, source, dest, new) {
                Some(path) => self.vrf_put(slot, key.prefix, path, None),
                None => self.unimport(slot, key.prefix, source, dest),
            }
        }
    }

    fn unimport<P: AddressFamily>(&mut self, slot: u16, prefix: P, source: Source, vpn_dest: u32) {
        let Some(vrf) = self.tables.vrf(slot) else { return };
        if let Some(dest) = P::unicast(vrf).table.find(&crate::rib::PlainKey(prefix)) {
            self.vrf_take::<P>(slot, dest, source, vpn_dest, None);
        }
    }

    /// Looks through the VPN table for what a VRF imports: it is new, its targets changed, or it has room again.
    pub(crate) fn import_all<P: AddressFamily>(&mut self, slot: u16) {
        for dest in 0..P::vpn(&self.tables).table.bound() {
            self.import_again::<P>(slot, dest);
        }
    }

    /// Looks through the VPN routes of some route targets for what a VRF imports: it is new, or these targets came or went.
    pub(crate) fn import_targets<P: AddressFamily>(&mut self, slot: u16, targets: &[RouteTarget]) {
        for target in targets.iter().filter_map(|t| self.shared.attributes.target_id(*t)).collect::<Vec<_>>() {
            let mut dests = self.tables.by_route[usize::from(P::V6)].dests(target).to_vec();
            dests.sort_unstable();
            dests.dedup();
            for dest in dests {
                self.import_again::<P>(slot, dest);
            }
        }
    }

    /// What a VRF imports.
    pub(crate) fn import_list(&self, slot: u16) -> Vec<RouteTarget> {
        self.tables.vrf(slot).and_then(|vrf| Some(vrf.config.as_ref()?.import.clone())).unwrap_or_default()
    }

    fn import_again<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let d = P::vpn(&self.tables).table.get(dest);
        if !d.is_live() || d.paths().is_empty() {
            return;
        }
        let key = d.key;
        let exporter = self.tables.by_rd.get(&key.rd).copied();
        let remote = self.remote::<P>(dest).map(|p| (Source::IMPORTED, p));
        let local = self.leaks::<P>(dest).filter(|_| exporter != Some(slot)).map(|p| (Source::LEAKED, p));
        for (source, path) in remote.into_iter().chain(local) {
            if self.importers(path.attr).contains(&slot) {
                match self.imported(slot, key.prefix.into(), key.rd, source, dest, path) {
                    Some(path) => self.vrf_put(slot, key.prefix, path, None),
                    None => self.unimport(slot, key.prefix, source, dest),
                }
            } else {
                self.unimport(slot, key.prefix, source, dest);
            }
        }
    }

    /// The forwarding entries of what other VRFs import of an export are to be looked at: it may leave by another circuit.
    pub(crate) fn mark_leaked<P: AddressFamily>(&mut self, key: VpnKey<P>, attr: AttrId) {
        let exporter = self.tables.by_rd.get(&key.rd).copied();
        for slot in self.importers(attr) {
            let Some(vrf) = self.tables.vrf(slot).filter(|_| exporter != Some(slot)) else { continue };
            if let Some(dest) = P::unicast(vrf).table.find(&crate::rib::PlainKey(key.prefix)) {
                self.mark_fib::<P>(slot, dest);
            }
        }
    }
}
