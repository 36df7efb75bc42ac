//! The label of ours under which a destination is passed on (RFC 8277 §3.2.2; RFC 4364 §9, §10 b).
//!
//! A label is programmed before a peer is told of it, as every label here: it is allocated when the best path is chosen, ops go out
//! before UPDATEs, and a destination without such a label is not told to those who would need it. A label that changes is counted
//! until the last peer that held the route with it has been told otherwise.

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, Label, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, TunnelModel};
use hashbrown::HashMap;

use crate::rib::{Path, Source};
use crate::speaker::{AddressFamily, Event, GLOBAL, LocalRoute, Routing, TableKind};
use crate::vrf::{Carrier, Tunnel};

/// What a label of ours leads to.
enum Leads {
    /// On, with another label or none.
    On(Tunnel),
    /// To a look-up in the VRF.
    Lookup,
    /// Here: it is implicit null.
    Here,
}

impl Routing {
    /// Whether destinations of a table are told with labels of ours.
    fn relabels<P: AddressFamily>(&self, table: TableKind) -> bool {
        match table {
            TableKind::Vpn => P::vpn(&self.tables).relabels > 0,
            TableKind::Memberships | TableKind::Opaque(_) => false,
            // What we originate has no label but ours.
            TableKind::Labeled => true,
            TableKind::Unicast(slot) => self.tables.vrf(slot).is_some_and(|vrf| P::unicast(vrf).relabels > 0),
        }
    }

    /// Whether somebody is told a label of ours for a path from `source`: that somebody is not where it came from.
    fn needs_own<P: AddressFamily>(&self, table: TableKind, source: Source) -> bool {
        if table == TableKind::Labeled && source == Source::LOCAL {
            return true;
        }
        self.tables
            .adjs::<P>(table)
            .into_iter()
            .flatten()
            .flatten()
            .any(|adj| adj.relabel && Source::peer(adj.peer) != source)
    }

    fn best_of<P: AddressFamily>(&self, table: TableKind, dest: u32) -> Option<Path> {
        match table {
            TableKind::Vpn => P::vpn(&self.tables).best(dest),
            TableKind::Memberships | TableKind::Opaque(_) => None,
            TableKind::Labeled => P::labeled(&self.tables).best(dest),
            TableKind::Unicast(slot) => P::unicast(self.tables.vrf(slot)?).best(dest),
        }
    }

    fn own_labels<P: AddressFamily>(&mut self, table: TableKind) -> Option<&mut HashMap<u32, Label>> {
        Some(match table {
            TableKind::Vpn => &mut P::vpn_mut(&mut self.tables).own_labels,
            TableKind::Memberships | TableKind::Opaque(_) => return None,
            TableKind::Labeled => &mut P::labeled_mut(&mut self.tables).own_labels,
            TableKind::Unicast(slot) => &mut P::unicast_mut(self.tables.vrf_mut(slot)?).own_labels,
        })
    }

    fn mark_in<P: AddressFamily>(&mut self, table: TableKind, dest: u32) {
        match table {
            TableKind::Vpn => P::vpn_mut(&mut self.tables).mark(dest, &mut self.wake),
            TableKind::Memberships | TableKind::Opaque(_) => {}
            TableKind::Labeled => P::labeled_mut(&mut self.tables).mark(dest, &mut self.wake),
            TableKind::Unicast(slot) => {
                if let Some(vrf) = self.tables.vrf_mut(slot) {
                    P::unicast_mut(vrf).mark(dest, &mut self.wake);
                }
            }
        }
    }

    /// Where packets go that come with the label of ours of a path; `None`: there is no label for it.
    fn leads<P: AddressFamily>(&self, table: TableKind, path: &Path) -> Option<Leads> {
        let hop = self.shared.attributes.get(path.attr).next_hop;
        let reached = || self.shared.next_hops.resolution(hop).nhlfe().is_some();
        let model = TunnelModel::default();
        match table {
            TableKind::Memberships | TableKind::Opaque(_) => None,
            TableKind::Vpn => {
                path.source.as_peer()?;
                if self.shared.across(path).is_some() {
                    // Only VRFs lead there.
                    return None;
                }
                // Without its VPN label a packet would be looked up outside the VPN at the other end.
                self.shared.stacks.bottom(path.labels).filter(|label| !label.is_special_purpose())?;
                reached().then(|| Leads::On(Tunnel::new(path.labels, Carrier::Hop(hop), model)))
            }
            TableKind::Labeled => match path.as_local() {
                Some(LocalRoute::Entry(entry)) => {
                    Some(Leads::On(Tunnel::new(path.labels, Carrier::Circuit(entry), model)))
                }
                Some(_) => Some(Leads::Here),
                None => {
                    self.shared.next_hops.below_bgp(hop).nhlfe()?;
                    Some(Leads::On(Tunnel::new(path.labels, Carrier::Hop(hop), model)))
                }
            },
            TableKind::Unicast(slot) => {
                let vrf = self.tables.vrf(slot)?;
                let model = vrf.config.as_ref().map(|c| c.model).unwrap_or_default();
                match path.source {
                    Source::IMPORTED if path.labels.link().is_none() => {
                        Some(Leads::On(Tunnel::new(path.labels, Carrier::Hop(hop), model)))
                    }
                    _ if path.labels.is_stack() && path.source.is_own() => {
                        let (_, circuit) = self.shared.circuit(vrf.id, path, P::V6)?;
                        Some(Leads::On(Tunnel::new(path.labels, Carrier::Circuit(circuit), model)))
                    }
                    _ => Some(Leads::Lookup),
                }
            }
        }
    }

    /// Brings the label of ours of a destination up to date with its best path.
    pub(crate) fn relabel<P: AddressFamily>(&mut self, table: TableKind, dest: u32) {
        let relabels = self.relabels::<P>(table);
        let old = self.own_labels::<P>(table).and_then(|labels| labels.get(&dest).copied());
        if !relabels && old.is_none() {
            return;
        }
        let slot = if let TableKind::Unicast(slot) = table { slot } else { GLOBAL };
        let best = self.best_of::<P>(table, dest).filter(|best| relabels && self.needs_own::<P>(table, best.source));
        let new = match best.and_then(|best| self.leads::<P>(table, &best)) {
            Some(Leads::On(tunnel)) => self.swap_label(slot, tunnel),
            Some(Leads::Lookup) => self.lookup_label(slot),
            Some(Leads::Here) => Some(Label::IMPLICIT_NULL),
            None => None,
        };
        if new == old {
            // It was counted once more.
            new.into_iter().for_each(|label| self.labels.release(label));
            return;
        }
        if let Some(labels) = self.own_labels::<P>(table) {
            match new {
                Some(new) => labels.insert(dest, new),
                None => labels.remove(&dest),
            };
        }
        self.mark_in::<P>(table, dest);
        if let Some(old) = old {
            self.retire_label::<P>(table, dest, old, false);
        }
    }

    /// Brings the labels of ours of all destinations of a table up to date.
    pub(crate) fn relabel_all<P: AddressFamily>(&mut self, table: TableKind) {
        let bound = match table {
            TableKind::Vpn => P::vpn(&self.tables).table.bound(),
            TableKind::Memberships | TableKind::Opaque(_) => 0,
            TableKind::Labeled => P::labeled(&self.tables).table.bound(),
            TableKind::Unicast(slot) => self.tables.vrf(slot).map_or(0, |vrf| P::unicast(vrf).table.bound()),
        };
        (0..bound).for_each(|dest| self.relabel::<P>(table, dest));
    }

    /// The label that hands packets to a tunnel, counted once; `None`, and an event, where labels or entries are used up.
    pub(crate) fn swap_label(&mut self, slot: u16, tunnel: Tunnel) -> Option<Label> {
        let vrf = self.tables.vrf(slot)?;
        let (id, model) = (vrf.id, vrf.config.as_ref().map(|c| c.model).unwrap_or_default());
        let entry = self.acquire(id, tunnel)?;
        if let Some(label) = self.labels.of_swap(entry) {
            // The label counts the entry already.
            self.release_entry(entry);
            if self.labels.is_refused(label) {
                return None;
            }
            self.labels.retain(label);
            return Some(label);
        }
        let ilm = Ilm { action: IlmAction::Forward(self.tunnels.id(entry)), model };
        let label = self.labels.allocate_swap(slot, entry, ilm);
        if label.is_none() {
            self.release_entry(entry);
            self.shared.bounded_event(Event::LabelsExhausted { vrf: id });
        }
        label
    }

    /// The label whose packets are looked up in a VRF, counted once.
    pub(crate) fn lookup_label(&mut self, slot: u16) -> Option<Label> {
        let vrf = self.tables.vrf(slot)?;
        let model = vrf.config.as_ref().map(|c| c.model).unwrap_or_default();
        let label = match vrf.label {
            Some(label) => Some(label),
            None => {
                let label = self.labels.allocate(slot, None, Ilm { action: IlmAction::PopLookup(vrf.id), model });
                self.tables.vrf_mut(slot)?.label = label;
                label
            }
        };
        label.inspect(|label| self.labels.retain(*label))
    }

    /// The entry of a tunnel, counted once and written if it is new; `None`, and an event, where entries are used up.
    pub(crate) fn acquire(&mut self, vrf: VrfId, tunnel: Tunnel) -> Option<u32> {
        let Some((entry, new)) = self.tunnels.acquire(tunnel, &mut self.shared.stacks) else {
            self.shared.bounded_event(Event::NhlfesExhausted { vrf });
            return None;
        };
        if new {
            let pair = self.tunnels.pair(entry);
            self.ops.extend(pair.map(|(id, primary, backup)| FwdOp::SetProtection { id, primary, backup }));
            self.ops.extend(self.tunnels.program(entry, &self.shared.next_hops, &self.shared.stacks));
        }
        Some(entry)
    }

    /// Counts an entry less; without count it is cleared.
    pub(crate) fn release_entry(&mut self, entry: u32) {
        let id = self.tunnels.id(entry);
        let pair = self.tunnels.pair(entry);
        if !self.tunnels.release(entry, &mut self.shared.stacks) {
            return;
        }
        self.ops.push_back(FwdOp::ClearNhlfe { id });
        if let Some((id, primary, backup)) = pair {
            self.ops.push_back(FwdOp::ClearProtection { id });
            for leg in [primary, backup] {
                if let Some(entry) = self.tunnels.find(leg) {
                    self.release_entry(entry);
                }
            }
        }
    }

    /// The forwarding plane had no room for a label that hands packets to a tunnel: what was told with it is told no more.
    pub(crate) fn refuse_own_label(&mut self, label: Label) {
        let tables = self.tables_with_labels();
        for table in tables {
            self.refuse_in::<Ipv4Prefix>(table, label);
            self.refuse_in::<Ipv6Prefix>(table, label);
            if let TableKind::Unicast(slot) = table {
                self.export_all::<Ipv4Prefix>(slot);
                self.export_all::<Ipv6Prefix>(slot);
            }
        }
    }

    fn refuse_in<P: AddressFamily>(&mut self, table: TableKind, label: Label) {
        let Some(labels) = self.own_labels::<P>(table) else { return };
        let mut dests: alloc::vec::Vec<u32> = labels.iter().filter(|(_, l)| **l == label).map(|(d, _)| *d).collect();
        dests.sort_unstable();
        for dest in dests {
            self.relabel::<P>(table, dest);
        }
    }

    /// Asks the forwarding plane again for labels of passed-on routes that it refused.
    pub(crate) fn retry_own_labels(&mut self) {
        self.labels.retry_swaps();
        for table in self.tables_with_labels() {
            if self.relabels::<Ipv4Prefix>(table) {
                self.relabel_all::<Ipv4Prefix>(table);
            }
            if self.relabels::<Ipv6Prefix>(table) {
                self.relabel_all::<Ipv6Prefix>(table);
            }
        }
    }

    fn tables_with_labels(&self) -> alloc::vec::Vec<TableKind> {
        let vrfs = self.tables.slots().into_iter().map(TableKind::Unicast);
        [TableKind::Vpn, TableKind::Labeled].into_iter().chain(vrfs).collect()
    }
}
