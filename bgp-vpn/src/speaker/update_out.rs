//! UPDATEs to a peer: what it is owed, sorted by what routes share, packed into messages (RFC 4271 §9.1.3, §9.2).

use alloc::vec::Vec;

use fwd_core::net::Label;
use smallvec::SmallVec;

use super::outbound::Group;
use super::shared::Shared;
use super::target::{Target, may_tell, told_path};
use crate::message::{
    Message, MpPosition, PathAttributes, RefreshSubtype, RouteRefresh, UpdateWriter, emit_end_of_rib,
};
use crate::nlri::{Family, Labels, PathId};
use crate::policy::Applied;
use crate::rib::{AdjOut, AttrId, Candidate, Dest, Entry, Form, Key, Path, Peers, Refresh, Rib, Source, best_paths};
use crate::session::Negotiated;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) updates: u64,
    pub(crate) routes: u64,
    pub(crate) withdrawals: u64,
    /// Destinations looked at.
    pub(crate) considered: u64,
    /// Attribute sets written, others being those that were written for another peer.
    pub(crate) rewrites: u64,
    /// Labels of ours that the peer held routes with before and holds them with after, where its packets are looked up in a space of
    /// their own.
    pub(crate) labels: Vec<(Option<Label>, Option<Label>)>,
    /// Destinations of which the peer was told the state, if somebody wants to know.
    pub(crate) told: Option<Vec<u32>>,
}

impl Sent {
    fn told(&mut self, dest: u32) {
        if let Some(told) = &mut self.told {
            told.push(dest);
        }
    }
}

/// Room without which nothing is written: that of the messages without routes.
const LEAST_ROOM: usize = 64;

/// Writes what a peer is owed of one table, as far as `room` goes. `track` asks for [`Sent::told`].
pub(crate) fn write<K: Key>(
    rib: &mut Rib<K>,
    slot: u32,
    shared: &Shared,
    target: &Target<'_>,
    room: usize,
    out: &mut Vec<u8>,
    track: bool,
) -> Sent {
    let mut sent = Sent { told: track.then(Vec::new), ..Sent::default() };
    let interval = target.peer.config.timers.min_route_advertisement;
    loop {
        let Some(adj) = rib.adj_mut(slot).filter(|adj| adj.up) else { return sent };
        let family = adj.family;
        adj.out.awake = false;
        if room.saturating_sub(out.len()) < LEAST_ROOM {
            return sent;
        }
        if adj.out.sent < adj.out.batch.len() {
            if !write_batch(rib, slot, shared, target, room, out, &mut sent) {
                return sent;
            }
            continue;
        }
        fill(rib, slot, shared, target, &mut sent);
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        if !adj.out.is_round_over() {
            continue;
        }
        end_round(&mut adj.out, family, target, out);
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        // The first dump and its End-of-RIB come before a refresh begins (RFC 7313 §4).
        let refresh = adj.out.refresh == Refresh::Requested && !adj.out.end_of_rib;
        if refresh && adj.out.hold.is_none_or(|hold| hold <= shared.now) {
            rib.mark_all(slot);
        }
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        if !adj.out.begin_round(shared.now, interval) {
            adj.out.rest();
            return sent;
        }
        if refresh {
            adj.out.refresh = Refresh::Running;
            if target.negotiated.enhanced_route_refresh {
                Message::RouteRefresh(RouteRefresh::new(family, RefreshSubtype::BEGIN)).emit(out);
            }
        }
    }
}

/// What follows the last UPDATE of a round: the end of a refresh (RFC 7313 §4), the end of the first dump (RFC 4724 §4.1).
fn end_round(adj: &mut AdjOut, family: Family, target: &Target<'_>, out: &mut Vec<u8>) {
    if let Some(next) = adj.refresh.ended() {
        adj.refresh = next;
        if target.negotiated.enhanced_route_refresh {
            Message::RouteRefresh(RouteRefresh::new(family, RefreshSubtype::END)).emit(out);
        }
    }
    // The round that carries the first dump begins with End-of-RIB owed and nothing else told.
    if adj.end_of_rib && adj.dumped {
        adj.end_of_rib = false;
        emit_end_of_rib(family, out);
    }
}

/// Makes the next batch of the round: what is to be announced and withdrawn, sorted by what UPDATEs share.
fn fill<K: Key>(rib: &mut Rib<K>, slot: u32, shared: &Shared, target: &Target<'_>, sent: &mut Sent) {
    let Rib { table, adjs, own_labels, form: table_form, .. } = rib;
    let Some(Some(adj)) = adjs.get_mut(slot as usize) else { return };
    let (form, family) = (adj.form, adj.family);
    let max_labels = labels_taken(target.negotiated, family);
    let mut groups = Groups { shared, target, form, family, max_labels, last: None };
    let out = &mut adj.out;
    out.batch.clear();
    out.sent = 0;
    while out.batch.len() < AdjOut::BATCH {
        let Some(dest) = out.pop() else { break };
        sent.considered += 1;
        let d = table.get(dest);
        if !d.is_live() {
            continue;
        }
        let own = own_labels.get(&dest).copied();
        if let Some(told) = &mut out.paths {
            let (paths, of): (SmallVec<[Path; 4]>, SmallVec<[Group; 4]>) =
                groups.several(d, own, |path| target.judge(shared, *table_form, path)).into_iter().unzip();
            let difference = told.compare(dest, &paths);
            if difference.withdraw.is_empty() && difference.announce.is_empty() {
                sent.told(dest);
            }
            out.batch.extend(difference.withdraw.iter().map(|id| Entry { group: None, dest, id: *id }));
            let entry = |&(i, id): &(usize, u32)| Some(Entry { group: Some(*of.get(i)?), dest, id });
            out.batch.extend(difference.announce.iter().filter_map(entry));
            continue;
        }
        let told = told_path(shared, target, *table_form, d);
        let group = told.and_then(|path| groups.of(&d.key, own.filter(|_| d.best() == Some(path)), path));
        if group.is_some() || out.advertised.contains(dest) {
            out.batch.push(Entry { group, dest, id: 0 });
        } else {
            // The peer holds nothing, and is to hold nothing.
            sent.told(dest);
        }
    }
    out.batch.sort_unstable();
}

/// Which group of UPDATEs a path belongs to, if the peer is told of it at all.
struct Groups<'a> {
    shared: &'a Shared,
    target: &'a Target<'a>,
    form: Form,
    family: Family,
    max_labels: usize,
    /// The answer to what was asked last: most routes share it with the next.
    last: Option<((AttrId, Source), bool)>,
}

impl Groups<'_> {
    /// Whether the path may be told at all.
    fn allows(&mut self, path: &Path) -> bool {
        let told = (path.attr, path.source);
        let allowed = match self.last {
            Some((known, allowed)) if known == told => allowed,
            _ => may_tell(self.shared, self.target, self.family, told),
        };
        self.last = Some((told, allowed));
        allowed
    }

    /// The group of a path; `own` is the label of ours that leads where the path does.
    fn of<K: Key>(&mut self, key: &K, own: Option<Label>, path: &Path) -> Option<Group> {
        if self.form == Form::Vpn && !self.target.is_for(self.shared, key, path) {
            return None;
        }
        let allowed = self.allows(path);
        let applied = if allowed { self.target.policy(self.shared, key, path)? } else { Applied::default() };
        let group = (path.attr, path.source, applied);
        let fits = |l: SmallVec<[u8; 24]>| l.len() <= self.max_labels.saturating_mul(Labels::LABEL_LEN);
        let labels = !self.form.has_labels() || self.target.labels(self.shared, self.form, own, path).is_some_and(fits);
        (allowed && labels).then_some(group)
    }

    /// The paths of a destination that a peer is told that takes several: the best of those that it may be told at all.
    ///
    /// Where the next hop would be ours and the NLRI has labels it is one: our label leads where the best path does.
    fn several<K: Key>(
        &mut self,
        d: &Dest<K>,
        own: Option<Label>,
        judge: impl Fn(&Path) -> Option<Candidate>,
    ) -> SmallVec<[(Path, Group); 4]> {
        let Some(best) = d.best() else { return SmallVec::new() };
        let mut allowed: SmallVec<[(Path, Group); 4]> = SmallVec::new();
        for path in d.paths() {
            let group = self.of(&d.key, own.filter(|_| path == best), path);
            allowed.extend(group.map(|group| (*path, group)));
        }
        let same = |a: &Path, b: &Path| (a.source, a.path_id) == (b.source, b.path_id);
        let may = |path: &Path| allowed.iter().any(|(a, _)| same(a, path));
        let told = best_paths(d, self.target.max_paths, may, judge);
        allowed.retain(|(a, _)| told.iter().any(|t| same(a, t)));
        allowed
    }
}

/// Labels that a peer takes from one NLRI (RFC 8277 §2.1).
fn labels_taken(negotiated: &Negotiated, family: Family) -> usize {
    let agreed = negotiated.label_counts.iter().find(|(f, ..)| *f == family);
    agreed.map_or(1, |(_, _, theirs)| usize::from(*theirs))
}

/// Writes the next message of the batch. `false`: it needs more room.
fn write_batch<K: Key>(
    rib: &mut Rib<K>,
    slot: u32,
    shared: &Shared,
    target: &Target<'_>,
    room: usize,
    out: &mut Vec<u8>,
    sent: &mut Sent,
) -> bool {
    let Rib { table, adjs, own_labels, rewrites, form: table_form, .. } = rib;
    let Some(Some(adj)) = adjs.get_mut(slot as usize) else { return false };
    let (form, family) = (adj.form, adj.family);
    let adj = &mut adj.out;
    let Some(group) = adj.batch.get(adj.sent).map(|e| e.group) else { return false };
    let limit = target.negotiated.max_message_len.min(room.saturating_sub(out.len()));
    let labels = if form.has_labels() || form == Form::Opaque { Labels::WITHDRAW.octets() } else { &[] };
    let negotiated = target.negotiated;
    let written = rewrites.written;
    let writer = match group {
        None => Ok(UpdateWriter::withdraw_within(limit, out, negotiated, family)),
        Some(group) => {
            let rewrite = rewrites.of(shared, target, group);
            let told = (rewrite.next_hop, PathAttributes::Octets(&rewrite.octets));
            UpdateWriter::announce_within(limit, out, negotiated, family, told, MpPosition::ByType)
        }
    };
    // Another destination may have the number that an entry names: one that the peer did not hear of as it does not want it.
    let allowed = group.is_some_and(|(attr, source, _)| may_tell(shared, target, family, (attr, source)));
    let mut withdrawn: SmallVec<[u32; 8]> = SmallVec::new();
    let mut full = false;
    let mut routes = 0u64;
    if let Ok(mut writer) = writer {
        while let Some(entry) = adj.batch.get(adj.sent).filter(|e| e.group == group).copied() {
            let d = table.get(entry.dest);
            let told = match &adj.paths {
                Some(paths) => paths
                    .path(entry.dest, entry.id)
                    .and_then(|key| d.paths().iter().find(|p| (p.source, p.path_id) == key)),
                None => told_path(shared, target, *table_form, d),
            };
            let best = told.and_then(|b| Some((b.attr, b.source, target.policy(shared, &d.key, b)?)));
            // What changed since the batch was made is in the next one.
            let held = match &adj.paths {
                Some(paths) => paths.is_held(entry.dest, entry.id),
                None => adj.advertised.contains(entry.dest),
            };
            let current = d.is_live()
                && !adj.is_dirty(entry.dest)
                && (group.is_none() && held || group.is_some() && best == group && allowed);
            if current {
                let own = own_labels.get(&entry.dest).copied().filter(|_| told == d.best());
                let stack = told.and_then(|best| target.labels(shared, form, own, best)).filter(|_| group.is_some());
                let labels = if group.is_some() { stack.as_deref().unwrap_or_default() } else { labels };
                let path_id = adj.paths.is_some().then_some(PathId(entry.id));
                if !d.key.push(labels, path_id, &mut writer) {
                    full = true;
                    break;
                }
                routes += 1;
                if target.peer.config.label_space.is_some() {
                    let path = told.filter(|_| group.is_some());
                    note_label(adj, entry, path.and_then(|path| target.own_label(form, own, path)), sent);
                }
                if group.is_some() && adj.advertised.insert(entry.dest) {
                    let d = table.get_mut(entry.dest);
                    d.owed = d.owed.saturating_add(1);
                }
                if note(adj, entry, sent) {
                    withdrawn.push(entry.dest);
                }
            }
            adj.sent += 1;
        }
        if writer.finish() > 0 {
            sent.updates += 1;
        }
        sent.rewrites += rewrites.written - written;
    } else {
        full = true;
    }
    if adj.paths.is_some() && adj.sent >= adj.batch.len() {
        // Of several paths the last one written says which labels the peer holds.
        adj.batch.iter().filter(|e| !adj.is_dirty(e.dest)).for_each(|e| sent.told(e.dest));
    }
    if full && routes == 0 {
        if limit < target.negotiated.max_message_len {
            return false;
        }
        // The attributes alone fill a message: these routes cannot be told to this peer.
        give_up(adj);
    }
    if group.is_some() {
        sent.routes += routes;
    } else {
        sent.withdrawals += routes;
        withdrawn.into_iter().for_each(|dest| rib.withdrawn_from(slot, dest));
    }
    true
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
    let Some(entry) = adj.batch.get_mut(adj.sent) else { return };
    let held = match &adj.paths {
        Some(paths) => paths.is_held(entry.dest, entry.id),
        None => adj.advertised.contains(entry.dest),
    };
    if entry.group.is_some() && held {
        entry.group = None;
    } else {
        adj.sent += 1;
    }
}
