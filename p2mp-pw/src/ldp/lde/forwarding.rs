//! What is programmed for a FEC: an entry for each next hop, a group for several, the incoming label.

use fwd_core::net::LabelStack;
use fwd_core::net::{EcmpId, Label, NhlfeId};
use fwd_core::op::{Bucket, FwdOp, Ilm, IlmAction, NextHop, Nhlfe};
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::fec::{Entry, FecId};
use super::io::{Event, Output};
use super::machine::Lde;

/// A next hop with its label.
type Wanted = SmallVec<[(Label, NextHop); 1]>;

impl Lde {
    pub(super) fn mark_dirty(&mut self, fec: FecId) {
        if let Some(state) = self.fecs.get_mut(fec).filter(|state| !state.dirty) {
            state.dirty = true;
            self.dirty.push_back(fec);
        }
    }

    /// The next hops of a FEC that gave a label.
    fn wanted(&self, fec: FecId) -> Wanted {
        let Some(state) = self.fecs.get(fec).filter(|state| !state.refused) else { return Wanted::new() };
        let hops = state.route.hops().iter();
        hops.filter_map(|hop| {
            let peer = self.book.peer_of(hop.gateway, hop.iface)?;
            let received = self.peers.get(&peer)?.received.get(&fec)?;
            Some((received.label, hop.next))
        })
        .collect()
    }

    /// Brings the forwarding plane to what is known of a FEC. New entries first, then what leads to them, then what is old.
    pub(super) fn program(&mut self, fec: FecId) {
        let wanted = self.wanted(fec);
        let Some(state) = self.fecs.get_mut(fec) else { return };
        state.dirty = false;
        if state.preserved {
            if wanted.is_empty() {
                return;
            }
            state.preserved = false;
        }
        let old = core::mem::take(&mut state.entries);
        let entries = self.set_entries(fec, &wanted, &old);
        let (group, top) = self.set_group(fec, &entries);
        let before = self.fecs.get_mut(fec).and_then(|state| {
            state.entries = entries.clone();
            core::mem::replace(&mut state.group, group)
        });
        self.set_ilm(fec, top);
        self.tell_lsp(fec, top);
        if before != group {
            self.drop_group(before);
        }
        for entry in old.iter().skip(entries.len()) {
            self.drop_entry(entry.id);
        }
        self.forget_if_unknown(fec);
    }

    fn nhlfe(&mut self, fec: FecId) -> Option<NhlfeId> {
        let id = NhlfeId(self.nhlfes.allocate()?);
        self.nhlfe_owner.insert(id, fec);
        Some(id)
    }

    fn drop_entry(&mut self, id: NhlfeId) {
        self.op(FwdOp::ClearNhlfe { id });
        self.nhlfe_owner.remove(&id);
        self.nhlfes.release(id.0);
    }

    /// Entries for next hops, in the places of the old ones.
    fn set_entries(&mut self, fec: FecId, wanted: &Wanted, old: &[Entry]) -> SmallVec<[Entry; 1]> {
        let mut entries = SmallVec::new();
        for (at, (label, next)) in wanted.iter().enumerate() {
            let known = old.get(at).copied();
            let Some(id) = known.map(|entry| entry.id).or_else(|| self.nhlfe(fec)) else {
                let prefix = self.fecs.get(fec).map(|state| state.prefix);
                self.outputs.extend(prefix.map(|prefix| Output::Event(Event::TableFull { prefix })));
                break;
            };
            let entry = Entry { id, label: *label, next: *next };
            if known != Some(entry) {
                // Implicit null: nothing is pushed, the hop before the last pops (RFC 3031 §3.16).
                let push = if *label == Label::IMPLICIT_NULL { LabelStack::EMPTY } else { LabelStack::single(*label) };
                self.op(FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, next: *next, model: self.config.model } });
            }
            entries.push(entry);
        }
        entries
    }

    /// The group of several entries, and the entry that leads on; one entry needs no group.
    fn set_group(&mut self, fec: FecId, entries: &[Entry]) -> (Option<(EcmpId, NhlfeId)>, Option<NhlfeId>) {
        let first = entries.first().map(|entry| entry.id);
        if entries.len() < 2 {
            return (None, first);
        }
        let known = self.fecs.get(fec).and_then(|state| state.group);
        let made = known.or_else(|| {
            let id = self.nhlfe(fec)?;
            match self.groups.allocate() {
                Some(group) => Some((EcmpId(group), id)),
                None => {
                    self.nhlfe_owner.remove(&id);
                    self.nhlfes.release(id.0);
                    None
                }
            }
        });
        // Without a group all flows take the first entry.
        let Some((group, id)) = made else { return (None, first) };
        for bucket in 0..Bucket::COUNT {
            let entry = entries.get(bucket.checked_rem(entries.len()).unwrap_or(0));
            let bucket = u8::try_from(bucket).ok().and_then(Bucket::new);
            if let (Some(bucket), Some(entry)) = (bucket, entry) {
                self.op(FwdOp::SetBucket { group, bucket, entry: entry.id });
            }
        }
        if known.is_none() {
            let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Ecmp(group), model: self.config.model };
            self.op(FwdOp::SetNhlfe { id, nhlfe });
        }
        (Some((group, id)), Some(id))
    }

    fn drop_group(&mut self, group: Option<(EcmpId, NhlfeId)>) {
        let Some((group, id)) = group else { return };
        self.drop_entry(id);
        for bucket in (0..=u8::MAX).map_while(Bucket::new) {
            self.op(FwdOp::ClearBucket { group, bucket });
        }
        self.groups.release(group.0);
    }

    fn set_ilm(&mut self, fec: FecId, top: Option<NhlfeId>) {
        let model = self.config.model;
        let Some(state) = self.fecs.get_mut(fec) else { return };
        let wanted = state.local.filter(|label| !label.is_special_purpose()).zip(top);
        let before = core::mem::replace(&mut state.ilm, wanted);
        if before == wanted {
            return;
        }
        if let Some((label, nhlfe)) = wanted {
            self.op(FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::Forward(nhlfe), model } });
        }
        if let Some((label, _)) = before.filter(|(label, _)| wanted.is_none_or(|(new, _)| new != *label)) {
            self.op(FwdOp::ClearIlm { label });
        }
    }

    fn tell_lsp(&mut self, fec: FecId, top: Option<NhlfeId>) {
        let Some(state) = self.fecs.get_mut(fec) else { return };
        if core::mem::replace(&mut state.lsp, top) != top {
            let prefix = state.prefix;
            self.outputs.push_back(Output::Lsp { prefix, nhlfe: top });
        }
    }

    /// The forwarding plane has no room: the FEC's label is taken back, and what was programmed for it goes.
    pub(super) fn refused(&mut self, now: Instant, op: FwdOp) {
        self.counters.refused_ops = self.counters.refused_ops.saturating_add(1);
        let owner = match op {
            FwdOp::SetIlm { label, .. } => self.label_owner.get(&label),
            FwdOp::SetNhlfe { id, .. } => self.nhlfe_owner.get(&id),
            FwdOp::SetBucket { entry, .. } => self.nhlfe_owner.get(&entry),
            _ => None,
        };
        let Some(fec) = owner.copied() else { return };
        let Some(state) = self.fecs.get_mut(fec).filter(|state| !state.refused) else { return };
        state.refused = true;
        let prefix = state.prefix;
        self.mark_dirty(fec);
        self.withdraw_from_all(fec);
        self.own_event(now, Event::TableFull { prefix });
    }
}
