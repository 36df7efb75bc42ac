//! Families whose NLRI are octets: routes of services are taken, decided about and passed on, and mean nothing else here.
//!
//! A reflector serves MCAST-VPN, VPLS, EVPN and whatever an operator says the framing of. A destination is what names the route
//! ([`OpaqueNlri::key`]); the NLRI as announced is kept with the path, so that peers get it octet for octet.

use fwd_core::Malformed;
use smallvec::SmallVec;

use super::admission::{admit, left};
use super::io::PeerId;
use super::routing::Routing;
use super::tables::{TableKind, Tables};
use crate::nlri::{Family, Framing, NlriFormat, OpaqueNlri};
use crate::rib::{AttrId, Change, Form, LabelRef, NextHopId, OctetKey, Path, Rib, Source, Touched};
use crate::session::FamilyConfig;

/// The table of a family whose NLRI are octets.
#[derive(Debug)]
pub(crate) struct OpaqueTable {
    /// The family.
    pub(crate) family: Family,
    /// How its NLRI are told apart.
    pub(crate) framing: Framing,
    /// Its routes.
    pub(crate) rib: Rib<OctetKey>,
}

impl OpaqueTable {
    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.rib.memory() + self.rib.table.iter().map(|(_, d)| d.key.memory()).sum::<usize>()
    }
}

impl Tables {
    /// The number of the table of a family, which is made for its first peer. `None` for a framing other than the table's.
    pub(crate) fn opaque_table(&mut self, family: Family, framing: Framing) -> Option<u16> {
        let at = self.opaque.iter().position(|table| table.family == family);
        let at = at.unwrap_or_else(|| {
            self.opaque.push(OpaqueTable { family, framing, rib: Rib::new(Form::Opaque) });
            self.opaque.len().saturating_sub(1)
        });
        self.opaque.get(at).filter(|table| table.framing == framing)?;
        u16::try_from(at).ok()
    }

    fn opaque_mut(&mut self, table: u16) -> Option<&mut OpaqueTable> {
        self.opaque.get_mut(usize::from(table))
    }
}

impl Routing {
    /// The table of a family as a peer has it, of octets where the family has no other; `None` if nobody said its framing.
    pub(crate) fn table_of(&mut self, config: &FamilyConfig, vrf: u16) -> Option<TableKind> {
        TableKind::of(config.family, vrf).or_else(|| {
            let framing = config.framing.or(Framing::of(config.family))?;
            self.tables.opaque_table(config.family, framing).map(TableKind::Opaque)
        })
    }

    /// Walks the NLRI of a field; returns how many there were, and the fault that ended the walk.
    pub(crate) fn opaque_routes(
        &mut self,
        peer: PeerId,
        (table, slot): (u16, u32),
        mut octets: &[u8],
        format: NlriFormat,
        attr: Option<AttrId>,
    ) -> (u64, Option<Malformed>) {
        let whole = octets;
        let Some(framing) = self.tables.opaque_mut(table).map(|t| t.framing) else { return (0, None) };
        let mut routes = 0;
        while !octets.is_empty() {
            let nlri = match OpaqueNlri::take(octets, framing, format) {
                Ok((rest, nlri)) => {
                    octets = rest;
                    nlri
                }
                Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => return (routes, Some(fail.within(whole))),
                Err(nom::Err::Incomplete(_)) => return (routes, None),
            };
            routes += 1;
            let source = Source::peer(peer);
            match attr {
                Some(attr) => {
                    self.shared.attributes.retain(attr);
                    self.opaque_put(table, slot, &nlri, source, attr);
                }
                None => self.opaque_withdraw(table, slot, &nlri, source),
            }
        }
        (routes, None)
    }

    fn opaque_put(&mut self, table: u16, slot: u32, nlri: &OpaqueNlri<'_>, source: Source, attr: AttrId) {
        let path_id = nlri.path_id.map_or(0, |id| id.0);
        let Some(OpaqueTable { family, rib, .. }) = self.tables.opaque_mut(table) else {
            return self.shared.attributes.release(attr, &mut self.shared.next_hops);
        };
        let name = nlri.key(*family);
        let same = name.as_slice() == nlri.octets;
        let labels = if same { LabelRef::NONE } else { self.shared.stacks.intern_octets(nlri.octets) };
        let path = Path { source, attr, labels, path_id };
        let dest = rib.table.find_or_insert(OctetKey::new(&name));
        if !admit(rib, slot, dest, &path, &mut self.shared) {
            return;
        }
        rib.table.get_mut(dest).key.announced(nlri.octets);
        let before = rib.best(dest);
        let old = rib.put(dest, path);
        let change = if old.is_none() { Change::Added } else { Change::Any };
        self.opaque_changed(table, dest, before, (change, Touched::by(&path, old.as_ref())));
        if let Some(old) = old {
            self.shared.release(&old);
        }
    }

    fn opaque_withdraw(&mut self, table: u16, slot: u32, nlri: &OpaqueNlri<'_>, source: Source) {
        let Some(OpaqueTable { family, rib, .. }) = self.tables.opaque_mut(table) else { return };
        if let Some(dest) = rib.table.find(&OctetKey::new(&nlri.key(*family))) {
            self.opaque_take(table, slot, dest, source, nlri.path_id.map_or(0, |id| id.0));
        }
    }

    pub(crate) fn opaque_take(&mut self, table: u16, slot: u32, dest: u32, source: Source, path_id: u32) {
        let Some(OpaqueTable { rib, .. }) = self.tables.opaque_mut(table) else { return };
        let before = rib.best(dest);
        let Some(old) = rib.take(dest, source, path_id) else { return };
        self.asks.extend(left(rib, slot, dest, source));
        self.opaque_changed(table, dest, before, (Change::Taken(old), Touched::Path((source, path_id))));
        self.shared.release(&old);
    }

    /// Decides about a destination anew, and tells peers if another path is best.
    pub(crate) fn opaque_changed(
        &mut self,
        table: u16,
        dest: u32,
        before: Option<Path>,
        (change, touched): (Change, Touched),
    ) {
        let (shared, wake) = (&self.shared, &mut self.wake);
        let Some(OpaqueTable { rib, .. }) = self.tables.opaque.get_mut(usize::from(table)) else { return };
        let best = rib.choose_after(dest, change, |path| shared.judge(path));
        let changed = best != before;
        let concerns = if changed { shared.concerns([before, best]) } else { SmallVec::new() };
        rib.mark_change(dest, (changed, false), touched, Some(&concerns), wake);
        rib.settle(dest);
    }

    /// Decides about what leads through next hops that moved.
    pub(crate) fn decide_moved_opaque(&mut self, moved: &[NextHopId]) {
        for table in 0..u16::try_from(self.tables.opaque.len()).unwrap_or(u16::MAX) {
            let bound = self.tables.opaque_mut(table).map_or(0, |t| t.rib.table.bound());
            for dest in 0..bound {
                let Some(OpaqueTable { rib, .. }) = self.tables.opaque.get(usize::from(table)) else { break };
                let hop = |path: &Path| self.shared.attributes.get(path.attr).next_hop;
                if rib.table.get(dest).paths().iter().any(|path| moved.binary_search(&hop(path)).is_ok()) {
                    let before = rib.best(dest);
                    self.opaque_changed(table, dest, before, (Change::Any, Touched::Any));
                }
            }
        }
    }
}
