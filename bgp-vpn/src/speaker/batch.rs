//! One UPDATE of a peer's batch: the entries that share attributes, or are withdrawn, as many as a message takes (RFC 4271 §4.3, §9.2).

use alloc::vec::Vec;

use fwd_core::net::Label;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::outbound::Group;
use super::shared::Shared;
use super::target::{Target, may_tell, told_path};
use super::update_out::{Sent, Writing};
use crate::message::{MpPosition, PathAttributes, UpdateWriter};
use crate::nlri::{Labels, PathId};
use crate::rib::{AdjOut, Dest, Entry, Form, Key, Path, Rib, Table};

/// Writes the next message of the batch. `false`: it needs more room.
pub(super) fn write<K: Key>(
    rib: &mut Rib<K>,
    Writing { slot, shared, target, room }: Writing<'_>,
    out: &mut Vec<u8>,
    sent: &mut Sent,
) -> bool {
    let Rib { table, adjs, own_labels, rewrites, form: table_form, .. } = rib;
    let Some(Some(adj)) = adjs.get_mut(slot as usize) else { return false };
    let (form, family) = (adj.form, adj.family);
    let adj = &mut adj.out;
    let Some(group) = adj.batch.get(adj.sent).map(|e| e.group) else { return false };
    let limit = target.negotiated.max_message_len.min(room.saturating_sub(out.len()));
    let negotiated = target.negotiated;
    let before = rewrites.written;
    let writer = match group {
        None => Some(UpdateWriter::withdraw_within(limit, out, negotiated, family)),
        Some(group) => {
            let rewrite = rewrites.of(shared, target, group);
            let told = (rewrite.next_hop, PathAttributes::Octets(&rewrite.octets));
            UpdateWriter::announce_within(limit, out, negotiated, family, told, MpPosition::ByType).ok()
        }
    };
    let mut filled = Filled { full: true, ..Filled::default() };
    if let Some(mut writer) = writer {
        // Another destination may have the number that an entry names: one that the peer did not hear of as it does not want it.
        let allowed = group.is_none_or(|(attr, source, _)| may_tell(shared, target, family, (attr, source)));
        let message = MessageOf { shared, target, own_labels, table_form: *table_form, form, group, allowed };
        filled = message.fill(table, adj, &mut writer, sent);
        sent.updates += u64::from(writer.finish() > 0);
    }
    if adj.paths.is_some() && adj.sent >= adj.batch.len() {
        // Of several paths the last one written says which labels the peer holds.
        adj.batch.iter().filter(|e| !adj.is_dirty(e.dest)).for_each(|e| sent.told(e.dest));
    }
    sent.rewrites += rewrites.written - before;
    if filled.full && filled.routes == 0 {
        if limit < target.negotiated.max_message_len {
            return false;
        }
        // The attributes alone fill a message: these routes cannot be told to this peer.
        give_up(adj);
    }
    if group.is_some() {
        sent.routes += filled.routes;
    } else {
        sent.withdrawals += filled.routes;
        filled.withdrawn.into_iter().for_each(|dest| rib.withdrawn_from(slot, dest));
    }
    true
}

/// What went into a message.
#[derive(Default)]
struct Filled {
    /// It takes no more.
    full: bool,
    routes: u64,
    /// Destinations of which the peer holds nothing any longer.
    withdrawn: SmallVec<[u32; 8]>,
}

/// What the entries of a message share.
struct MessageOf<'a> {
    shared: &'a Shared,
    target: &'a Target<'a>,
    own_labels: &'a HashMap<u32, Label>,
    /// The form of the table's NLRI, and of those that the peer takes.
    table_form: Form,
    form: Form,
    group: Option<Group>,
    /// The peer may be told of such routes.
    allowed: bool,
}

impl MessageOf<'_> {
    /// Writes the entries that follow with the same group, until the message is full.
    fn fill<K: Key>(
        &self,
        table: &mut Table<K>,
        adj: &mut AdjOut,
        writer: &mut UpdateWriter<'_, '_>,
        sent: &mut Sent,
    ) -> Filled {
        let mut filled = Filled::default();
        while let Some(entry) = adj.batch.get(adj.sent).filter(|e| e.group == self.group).copied() {
            let d = table.get(entry.dest);
            let told = match &adj.paths {
                Some(paths) => paths
                    .path(entry.dest, entry.id)
                    .and_then(|key| d.paths().iter().find(|p| (p.source, p.path_id) == key)),
                None => told_path(self.shared, self.target, self.table_form, d),
            };
            if self.is_current(adj, entry, d, told) {
                let own = self.own_labels.get(&entry.dest).copied().filter(|_| told == d.best());
                let path = told.filter(|_| self.group.is_some());
                let path_id = adj.paths.is_some().then_some(PathId(entry.id));
                if !d.key.push(&self.labels(own, path), path_id, writer) {
                    filled.full = true;
                    break;
                }
                filled.routes += 1;
                if self.target.peer.config.label_space.is_some() {
                    note_label(adj, entry, path.and_then(|path| self.target.own_label(self.form, own, path)), sent);
                }
                if self.group.is_some() && adj.advertised.insert(entry.dest) {
                    let d = table.get_mut(entry.dest);
                    d.owed = d.owed.saturating_add(1);
                }
                if note(adj, entry, sent) {
                    filled.withdrawn.push(entry.dest);
                }
            }
            adj.sent += 1;
        }
        filled
    }

    /// Whether an entry still says what the peer is owed: what changed since the batch was made is in the next one.
    fn is_current<K: Key>(&self, adj: &AdjOut, entry: Entry, d: &Dest<K>, told: Option<&Path>) -> bool {
        if !d.is_live() || adj.is_dirty(entry.dest) {
            return false;
        }
        if self.group.is_none() {
            return adj.holds(entry);
        }
        let policy = |path: &Path| self.target.policy(self.shared, &d.key, path);
        self.allowed && told.and_then(|path| Some((path.attr, path.source, policy(path)?))) == self.group
    }

    /// The labels written before a prefix: those of the path, or of a withdrawal (RFC 8277 §2.2, §2.4).
    fn labels(&self, own: Option<Label>, path: Option<&Path>) -> SmallVec<[u8; 24]> {
        if self.group.is_some() {
            return path.and_then(|path| self.target.labels(self.shared, self.form, own, path)).unwrap_or_default();
        }
        let has_labels = self.form.has_labels() || self.form == Form::Opaque;
        if has_labels { SmallVec::from_slice(Labels::WITHDRAW.octets()) } else { SmallVec::new() }
    }
}

/// Notes that the peer is told of an entry; whether it holds nothing of the destination then.
fn note(adj: &mut AdjOut, entry: Entry, sent: &mut Sent) -> bool {
    match (&mut adj.paths, entry.group) {
        (Some(paths), Some(_)) => {
            paths.announced(entry.dest, entry.id);
            false
        }
        (Some(paths), None) => paths.withdrawn(entry.dest, entry.id),
        (None, group) => {
            sent.told(entry.dest);
            group.is_none()
        }
    }
}

/// Notes the label of ours that the peer is told with an entry, if it is told one.
fn note_label(adj: &mut AdjOut, entry: Entry, new: Option<Label>, sent: &mut Sent) {
    let key = (entry.dest, entry.id);
    let old = match new {
        Some(new) => adj.labels.insert(key, new),
        None => adj.labels.remove(&key),
    };
    if old != new {
        sent.labels.push((old, new));
    }
}

/// The next route of the batch cannot be announced: what the peer holds of it, if anything, is withdrawn instead.
fn give_up(adj: &mut AdjOut) {
    let Some(entry) = adj.batch.get(adj.sent).copied() else { return };
    let withdraw = entry.group.is_some() && adj.holds(entry);
    match adj.batch.get_mut(adj.sent) {
        Some(entry) if withdraw => entry.group = None,
        _ => adj.sent += 1,
    }
}
