//! Routes of CEs and local routes into VPN routes (RFC 4364 §4.3.1, §4.3.2).
//!
//! The best path of a prefix, if it is the VRF's own or the VPN goes on in another AS by option AB, becomes a path of the VPN table with the VRF's route distinguisher, its
//! export targets, its site of origin, and a label. The label is counted from here until no peer can hold the route with it.

use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Label};
use fwd_core::op::{Ilm, IlmAction};
use smallvec::SmallVec;

use super::{Carrier, LabelMode, Tunnel, Vrf};
use crate::attr::{AttrFlags, AttrType};
use crate::nlri::Labels;
use crate::pe_ce::wrap;
use crate::policy::PolicyRoute;
use crate::rib::{AttrId, Edits, LabelRef, Path, PrefixKey, Scope, Source, VpnKey, best_where};
use crate::session::PeerKind;
use crate::speaker::{AddressFamily, Event, Routing, TableKind};

impl Routing {
    /// Brings what a VRF exports for a destination up to date.
    pub(crate) fn export<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let Some(vrf) = self.tables.vrf(slot) else { return };
        let Some(rd) = vrf.config.as_ref().map(|c| c.rd) else { return };
        let rib = P::unicast(vrf);
        let own = self.own_path::<P>(vrf, dest);
        let key = VpnKey { rd, prefix: rib.table.get(dest).key.prefix() };
        let known = P::vpn(&self.tables).table.find(&key);
        let old = known.and_then(|d| self.exported::<P>(d));
        let old_label = old.and_then(|p| p.labels.single());
        let label = own.and_then(|own| self.export_label::<P>(slot, dest, &own, old_label, known));
        let (Some(own), Some(label)) = (own, label) else {
            if let (Some(dest), Some(_)) = (known, old) {
                self.unexport::<P>(dest, old_label);
            }
            return;
        };
        let Some(attr) = self.export_attributes(slot, &own, key.prefix.into()) else {
            self.labels.release(label);
            if let (Some(dest), Some(_)) = (known, old) {
                self.unexport::<P>(dest, old_label);
            }
            return;
        };
        let labels = LabelRef::one(Labels::encode(label));
        let path = Path { source: Source::LOCAL, attr, labels, path_id: Scope::of(&own).path_id() };
        let dest = P::vpn_mut(&mut self.tables).table.find_or_insert(key);
        self.vpn_put::<P>(dest, path);
        if let Some(old) = old_label {
            self.retire_label::<P>(TableKind::Vpn, dest, old, old == label);
        }
        self.mark_leaked(key, attr);
    }

    /// The path of a VRF's own that it exports: the best of all if it is one, or else, where that is asked for, the best of its CEs.
    pub(crate) fn own_path<P: AddressFamily>(&self, vrf: &Vrf, dest: u32) -> Option<Path> {
        let rib = P::unicast(vrf);
        let best = rib.best(dest)?;
        let config = vrf.config.as_ref()?;
        // A route of another PE under our own route distinguisher would be one destination with what we make of it.
        let ours = |p: &Path| !p.source.is_own() && P::vpn(&self.tables).table.get(p.path_id).key.rd == config.rd;
        if vrf.exports(&best) && !ours(&best) {
            return Some(best);
        }
        if !config.best_external {
            return None;
        }
        let judge = |path: &Path| self.shared.judge_in_vrf(vrf.id, path, P::V6);
        best_where(rib.table.get(dest), |p| p.source.as_peer().is_some(), judge)
    }

    fn unexport<P: AddressFamily>(&mut self, dest: u32, label: Option<Label>) {
        if let Some(label) = label {
            self.retire_label::<P>(TableKind::Vpn, dest, label, false);
        }
        self.vpn_take::<P>(dest, Source::LOCAL, 0, None);
    }

    /// A destination no longer counts a label that it was announced with: at once where the label `stays`, or no peer holds
    /// the route, else when the last such peer has been told.
    pub(crate) fn retire_label<P: AddressFamily>(&mut self, table: TableKind, dest: u32, label: Label, stays: bool) {
        let holders: SmallVec<[u32; 4]> = if stays {
            SmallVec::new()
        } else {
            let adjs = self.tables.adjs::<P>(table);
            let adjs = (0u32..).zip(adjs.into_iter().flatten());
            adjs.filter(|(_, a)| a.as_ref().is_some_and(|a| a.out.advertised.contains(dest))).map(|(i, _)| i).collect()
        };
        if holders.is_empty() {
            self.labels.release(label);
        } else {
            let retiring = self.retiring.entry((table, P::V6)).or_default();
            retiring.entry(dest).or_default().push((label, holders));
        }
    }

    /// A label of its own that a destination was announced with before and that some peer still holds; it is counted by the
    /// caller from now on. So a route that comes and goes while peers do not listen uses one label and not one each time.
    fn reclaim_label<P: AddressFamily>(&mut self, dest: u32) -> Option<Label> {
        let retiring = self.retiring.get_mut(&(TableKind::Vpn, P::V6))?;
        let entries = retiring.get_mut(&dest)?;
        let labels = &self.labels;
        let i = entries.iter().position(|(label, _)| labels.is_of_prefix(*label) && !labels.is_refused(*label))?;
        let (label, _) = entries.remove(i);
        if entries.is_empty() {
            retiring.remove(&dest);
        }
        Some(label)
    }

    /// A peer was told the state of a destination: it does not hold older labels any more.
    pub(crate) fn told_label(&mut self, table: TableKind, v6: bool, dest: u32, adj: u32) {
        let Some(retiring) = self.retiring.get_mut(&(table, v6)) else { return };
        let Some(entries) = retiring.get_mut(&dest) else { return };
        let labels = &mut self.labels;
        entries.retain(|(label, holders)| {
            holders.retain(|h| *h != adj);
            if holders.is_empty() {
                labels.release(*label);
            }
            !holders.is_empty()
        });
        if entries.is_empty() {
            retiring.remove(&dest);
        }
    }

    /// A peer went: it holds no labels at all.
    pub(crate) fn told_all_labels(&mut self, table: TableKind, v6: bool, adj: u32) {
        let retiring = self.retiring.get(&(table, v6));
        let mut dests: Vec<u32> = retiring.into_iter().flat_map(|r| r.keys().copied()).collect();
        // In an order that does not depend on the hasher.
        dests.sort_unstable();
        for dest in dests {
            self.told_label(table, v6, dest, adj);
        }
    }

    /// The attribute set of an exported route, counted once: what the CE sent, without what is not for other ASes and without
    /// route targets of its own, with the VRF's targets and site of origin; or, of an internal CE, all that it sent in ATTR_SET
    /// (RFC 6368). `None` where the VRF's policy refuses the route.
    fn export_attributes(&mut self, slot: u16, own: &Path, prefix: IpPrefix) -> Option<AttrId> {
        let shared = &mut self.shared;
        let peer = own.source.as_peer().and_then(|p| shared.peer(p)).filter(|p| p.kind == PeerKind::Internal);
        let customer = peer.map(|p| p.config.local_as.unwrap_or(shared.local.asn));
        let vrf = self.tables.vrf_mut(slot)?;
        let from = (own.attr, customer);
        let out = match vrf.exported.filter(|(last, _)| *last == from) {
            Some((_, out)) => {
                shared.attributes.retain(out);
                out
            }
            None => {
                let mut octets = Vec::new();
                let set = shared.attributes.get(own.attr);
                let mut wrapped = Vec::new();
                match customer {
                    Some(asn) => wrap(asn, set.octets(), &mut wrapped),
                    None => wrapped.extend_from_slice(set.octets()),
                }
                export_edits(vrf, set, customer.is_some()).apply(&wrapped, &mut octets);
                let (unspecified, _) = shared.next_hops.intern(core::net::Ipv4Addr::UNSPECIFIED.into());
                let out = shared.attributes.intern(&octets, unspecified, &mut shared.next_hops);
                forget_exported(vrf, shared);
                shared.attributes.retain(own.attr);
                shared.attributes.retain(out);
                vrf.exported = Some((from, out));
                out
            }
        };
        let Some(config) = vrf.config.as_ref().filter(|c| !c.export_policy.is_transparent()) else { return Some(out) };
        let octets = shared.attributes.get(out).octets();
        let route = PolicyRoute { prefix, rd: Some(config.rd), next_hop: None, attributes: octets };
        let changed = config.export_policy.evaluate(&route).map(|applied| {
            let mut changed = Vec::new();
            config.export_policy.apply(applied, octets, shared.local.asn, &mut changed);
            changed
        });
        let hop = shared.attributes.get(out).next_hop;
        let changed = changed.map(|octets| shared.attributes.intern(&octets, hop, &mut shared.next_hops));
        shared.attributes.release(out, &mut shared.next_hops);
        changed
    }

    /// Forgets which attribute set was exported last: what is done to it changed.
    pub(crate) fn forget_exported(&mut self, slot: u16) {
        if let Some(vrf) = self.tables.vrf_mut(slot) {
            forget_exported(vrf, &mut self.shared);
        }
    }

    /// The label of an exported route, counted once for it; `None`, and an event, if there is none left. `old` is the one it has
    /// in the VPN table, where it is the destination `known`.
    fn export_label<P: AddressFamily>(
        &mut self,
        slot: u16,
        dest: u32,
        own: &Path,
        old: Option<Label>,
        known: Option<u32>,
    ) -> Option<Label> {
        let vrf = self.tables.vrf(slot)?;
        let config = vrf.config.as_ref()?;
        let (id, mode, model) = (vrf.id, config.label_mode, config.model);
        let circuit = self.shared.circuit(id, own, P::V6);
        if let Some((_, nhlfe)) = circuit.filter(|_| own.labels.is_stack()) {
            // The CE is a carrier: packets go on with its label (RFC 4364 §9).
            return self.swap_label(slot, Tunnel::new(own.labels, Carrier::Circuit(nhlfe), model));
        }
        let label = match (mode, circuit) {
            // Routes to the PE itself have no circuit: their packets are looked up in every mode.
            (LabelMode::PerVrf, _) | (_, None) => self.lookup_label(slot),
            (LabelMode::PerAttachmentCircuit, Some((key, nhlfe))) => {
                let ilm = Ilm { action: IlmAction::Forward(nhlfe), model };
                match vrf.circuit_labels.get(&key) {
                    Some(label) => Some(*label),
                    None => {
                        let label = self.labels.allocate(slot, None, ilm);
                        if let Some(label) = label {
                            self.tables.vrf_mut(slot)?.circuit_labels.insert(key, label);
                        }
                        label
                    }
                }
                .inspect(|label| self.labels.retain(*label))
            }
            (LabelMode::PerPrefix, Some((_, nhlfe))) => {
                let ilm = Ilm { action: IlmAction::Forward(nhlfe), model };
                let prefix = (P::V6, dest);
                let old = old.filter(|old| self.labels.is_of_prefix(*old)).inspect(|old| self.labels.retain(*old));
                match old.or_else(|| self.reclaim_label::<P>(known?)) {
                    Some(label) => {
                        self.labels.renew(label, prefix, ilm);
                        Some(label)
                    }
                    None => self.labels.allocate(slot, Some(prefix), ilm),
                }
            }
        };
        match label {
            None => {
                self.shared.bounded_event(Event::LabelsExhausted { vrf: id });
                None
            }
            Some(label) if self.labels.is_refused(label) => {
                self.labels.release(label);
                None
            }
            label => label,
        }
    }

    /// Exports everything of a VRF anew: its export targets or labels changed.
    pub(crate) fn export_all<P: AddressFamily>(&mut self, slot: u16) {
        let Some(vrf) = self.tables.vrf(slot) else { return };
        for dest in 0..P::unicast(vrf).table.bound() {
            self.export_again::<P>(slot, dest);
        }
    }

    /// Exports a destination of a VRF anew, if it is one that is exported.
    pub(crate) fn export_again<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let exports = self.tables.vrf(slot).is_some_and(|vrf| {
            let rib = P::unicast(vrf);
            rib.table.get(dest).is_live() && self.own_path::<P>(vrf, dest).is_some()
        });
        if exports {
            self.export::<P>(slot, dest);
        }
    }
}

fn forget_exported(vrf: &mut Vrf, shared: &mut crate::speaker::Shared) {
    if let Some(((from, _), out)) = vrf.exported.take() {
        shared.attributes.release(from, &mut shared.next_hops);
        shared.attributes.release(out, &mut shared.next_hops);
    }
}

/// What export changes in an attribute set.
fn export_edits(vrf: &Vrf, set: &crate::rib::AttributeSet, wrapped: bool) -> Edits {
    let mut edits = Edits::default();
    // A reflector of the customer's has no meaning in the provider's AS.
    edits.remove(AttrType::ORIGINATOR_ID);
    edits.remove(AttrType::CLUSTER_LIST);
    let Some(config) = &vrf.config else { return edits };
    let mut communities: SmallVec<[u8; 64]> = SmallVec::new();
    for target in &config.export {
        communities.extend_from_slice(&target.community().0);
    }
    if let Some(site) = config.site_of_origin {
        communities.extend_from_slice(&site.0);
    }
    for community in set.ext_communities().filter(|_| !wrapped) {
        // The customer does not choose into which VPNs its routes go, nor which site it is, nor which PE its multicast comes from.
        let ours = community.is_route_target()
            || community.is_upstream_hop()
            || config.site_of_origin.is_some() && community.is_route_origin();
        if !ours {
            communities.extend_from_slice(&community.0);
        }
    }
    edits.set(AttrType::EXTENDED_COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &communities);
    edits
}
