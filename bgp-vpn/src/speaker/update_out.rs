//! UPDATEs to a peer: what it is owed, sorted by what routes share, packed into messages (RFC 4271 §9.1.3, §9.2).

use alloc::vec::Vec;

use fwd_core::net::Label;
use smallvec::SmallVec;

use super::batch;
use super::outbound::Group;
use super::shared::Shared;
use super::target::{Target, may_tell, told_path};
use crate::message::{Message, RefreshSubtype, RouteRefresh, emit_end_of_rib};
use crate::nlri::{Family, Labels};
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
    pub(super) fn told(&mut self, dest: u32) {
        if let Some(told) = &mut self.told {
            told.push(dest);
        }
    }
}

/// Room without which nothing is written: that of the messages without routes.
const LEAST_ROOM: usize = 64;

/// For whom UPDATEs are written, and how many octets there may be.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    /// The peer's slot in the table.
    pub(crate) slot: u32,
    pub(crate) shared: &'a Shared,
    pub(crate) target: &'a Target<'a>,
    pub(crate) room: usize,
}

/// Writes what a peer is owed of one table, as far as the room goes. `track` asks for [`Sent::told`].
pub(crate) fn write<K: Key>(rib: &mut Rib<K>, to: Writing<'_>, out: &mut Vec<u8>, track: bool) -> Sent {
    let Writing { slot, shared, target, room } = to;
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
            if !batch::write(rib, to, out, &mut sent) {
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
