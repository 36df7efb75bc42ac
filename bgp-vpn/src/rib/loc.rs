//! Loc-RIB of one family, with the peers that feed it and are fed from it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::net::Label;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{
    AdjIn, AdjOut, Audience, BitSet, Candidate, Concern, Dest, Key, Listener, Path, PathKey, Source, Table, Touched,
    best_of, ousts, shields,
};
use crate::attr::ext_community::RouteTarget;
use crate::nlri::{Family, Safi};
use crate::session::FamilyConfig;
use crate::speaker::{PeerId, Rewrites};

/// The form of a table's NLRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A prefix.
    Unicast,
    /// Labels and a prefix (RFC 8277).
    Labeled,
    /// Labels, a route distinguisher and a prefix (RFC 4364).
    Vpn,
    /// A route target membership (RFC 4684).
    Membership,
    /// Octets.
    Opaque,
}

impl Form {
    /// Whether labels stand in the NLRI.
    pub(crate) const fn has_labels(self) -> bool {
        matches!(self, Self::Labeled | Self::Vpn)
    }
}

/// A peer's share of a table.
#[derive(Debug)]
pub(crate) struct Adj {
    /// The peer.
    pub(crate) peer: PeerId,
    /// The family as the peer has it, and its form: a CE that is a carrier has labels where the table has none of its own.
    pub(crate) family: Family,
    /// The form of the family.
    pub(crate) form: Form,
    /// The peer is told labels of ours for what others brought.
    pub(crate) relabel: bool,
    /// The peer is told the best path of other ASes where the best of all came from within.
    best_external: bool,
    /// The family was negotiated on a session that is up.
    pub(crate) up: bool,
    /// It hears of changes by route target.
    by_target: bool,
    /// What the peer told us.
    pub(crate) input: AdjIn,
    /// What the peer was told.
    pub(crate) out: AdjOut,
}

impl Adj {
    /// What the peer holds of a destination may be out of date, if its session is up: the peer goes into `wake`.
    fn mark(&mut self, dest: u32, path: Option<PathKey>, wake: &mut BitSet) {
        if self.up {
            self.out.mark_path(dest, path);
            if !core::mem::replace(&mut self.out.awake, true) {
                wake.insert(self.peer.0);
            }
        }
    }
}

/// What became of the paths of a destination since its best was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// [`Rib::put`] added one.
    Added,
    /// [`Rib::take`] took this one.
    Taken(Path),
    /// Something else: one was replaced, or what paths are worth changed.
    Any,
}

/// A table, its best paths, and its peers.
#[derive(Debug)]
pub(crate) struct Rib<K> {
    /// The form of its NLRI.
    pub(crate) form: Form,
    /// Destinations and paths.
    pub(crate) table: Table<K>,
    /// Peers by slot.
    pub(crate) adjs: Vec<Option<Adj>>,
    /// Those whose sessions are up, by what they are to hear of.
    audience: Audience,
    /// Destinations whose forwarding entry may be out of date.
    pub(crate) fib_dirty: BitSet,
    /// Destinations that have a path.
    pub(crate) routes: u32,
    /// Paths.
    pub(crate) paths: u32,
    /// Peers that are told labels of ours.
    pub(crate) relabels: u32,
    /// Peers that are told the best path of other ASes where the best of all came from within.
    pub(crate) best_externals: u32,
    /// The labels of ours by which destinations are passed on.
    pub(crate) own_labels: HashMap<u32, Label>,
    /// The attributes that peers were told last.
    pub(crate) rewrites: Rewrites,
}

/// The peers of a table, whatever its destinations are.
pub(crate) trait Peers {
    /// Gives a peer a slot for a family, for which it is told labels of ours, or not.
    fn attach(&mut self, peer: PeerId, family: &FamilyConfig, relabel: bool) -> u32;
    /// A peer's share.
    fn adj(&self, slot: u32) -> Option<&Adj>;
    /// A peer's share.
    fn adj_mut(&mut self, slot: u32) -> Option<&mut Adj>;
    /// Takes the slot of a peer back; [`Self::session_down`] and the removal of its paths come before.
    fn detach(&mut self, slot: u32);
    /// The family came up with a peer: it is owed every best path, and End-of-RIB.
    /// `several`: it takes several paths per destination, and listens to all of them.
    fn session_up(&mut self, slot: u32, several: bool, listener: Listener);
    /// A peer whose session is up listens to something else.
    fn listen(&mut self, slot: u32, listener: Listener);
    /// A peer that listens to route targets wants one more, or no longer.
    fn want(&mut self, slot: u32, target: RouteTarget, wanted: bool);
    /// The session with a peer ended: it holds nothing from us.
    fn session_down(&mut self, slot: u32);
    /// A round that is a route refresh begins, or the filters of the peer changed: every destination that it could hold goes
    /// into a round.
    fn mark_all(&mut self, slot: u32);
}

impl<K: Key> Rib<K> {
    /// An empty table.
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            table: Table::default(),
            adjs: Vec::new(),
            audience: Audience::default(),
            fib_dirty: BitSet::default(),
            routes: 0,
            paths: 0,
            relabels: 0,
            best_externals: 0,
            own_labels: HashMap::new(),
            rewrites: Rewrites::default(),
        }
    }

    /// The best path.
    #[inline]
    pub(crate) fn best(&self, dest: u32) -> Option<Path> {
        self.table.get(dest).best().copied()
    }

    /// Adds or replaces a path; the one it replaces is returned, and its attributes are the caller's to release.
    pub(crate) fn put(&mut self, dest: u32, path: Path) -> Option<Path> {
        let d = self.table.get_mut(dest);
        let first = d.paths().is_empty();
        let old = d.put(path);
        self.routes += u32::from(first);
        self.paths += u32::from(old.is_none());
        old
    }

    /// Removes a path, which is returned; its attributes are the caller's to release.
    pub(crate) fn take(&mut self, dest: u32, source: Source, path_id: u32) -> Option<Path> {
        let d = self.table.get_mut(dest);
        let old = d.take(source, path_id)?;
        self.routes -= u32::from(d.paths().is_empty());
        self.paths -= 1;
        Some(old)
    }

    /// Chooses the best path anew: Loc-RIB is the table's first paths. `judge` says what a path is worth, or that it
    /// cannot be used.
    pub(crate) fn choose(&mut self, dest: u32, judge: impl Fn(&Path) -> Option<Candidate>) -> Option<Path> {
        let d = self.table.get_mut(dest);
        let best = best_path(d.paths(), judge);
        d.set_best(best);
        d.best().copied()
    }

    /// Chooses between the best path and the one that [`Self::put`] added last. `None`: all must be compared.
    pub(crate) fn choose_added(
        &mut self,
        dest: u32,
        judge: impl Fn(&Path) -> Option<Candidate>,
    ) -> Option<Option<Path>> {
        let d = self.table.get_mut(dest);
        let (best, added) = (d.best()?, d.paths().last()?);
        let ousted = match judge(added) {
            Some(added) => ousts(&judge(best)?, &added)?,
            None => false,
        };
        if ousted {
            d.set_best(Some(d.paths().len() - 1));
        }
        Some(d.best().copied())
    }

    /// Chooses after [`Self::take`] took a path, which was `taken`. `None`: all must be compared.
    fn choose_left(&self, dest: u32, taken: &Path, judge: impl Fn(&Path) -> Option<Candidate>) -> Option<Option<Path>> {
        // There is none if it was the best that went.
        let best = self.table.get(dest).best()?;
        match judge(taken) {
            Some(taken) if shields(&judge(best)?, &taken) => None,
            _ => Some(Some(*best)),
        }
    }

    /// Chooses the best path after a change, looking at no more paths than the change asks for: among the paths of a thousand peers
    /// one that comes or goes is compared with the best alone, wherever that decides.
    pub(crate) fn choose_after(
        &mut self,
        dest: u32,
        change: Change,
        judge: impl Fn(&Path) -> Option<Candidate>,
    ) -> Option<Path> {
        let chosen = match change {
            Change::Added => self.choose_added(dest, &judge),
            Change::Taken(taken) => self.choose_left(dest, &taken, &judge),
            Change::Any => None,
        };
        chosen.unwrap_or_else(|| self.choose(dest, judge))
    }

    /// Tells every peer of the table that a destination changed; who has something to be told goes into `wake`.
    pub(crate) fn mark(&mut self, dest: u32, wake: &mut BitSet) {
        self.adjs.iter_mut().flatten().for_each(|adj| adj.mark(dest, None, wake));
    }

    /// Tells the peers that take several paths of a destination what a change touched, those of the best external path whether
    /// that is another, and all others whether the best is: those that it `concerns`, by what was best before and what is; `None`
    /// is any of them.
    #[inline]
    pub(crate) fn mark_change(
        &mut self,
        dest: u32,
        (best, external): (bool, bool),
        touched: Touched,
        concerns: Option<&[Concern]>,
        wake: &mut BitSet,
    ) {
        let path = if let Touched::Path(path) = touched { Some(path) } else { None };
        let Self { adjs, audience, .. } = self;
        for slot in audience.of_paths() {
            let Some(Some(adj)) = adjs.get_mut(*slot as usize) else { continue };
            let several = adj.out.paths.is_some() && touched != Touched::Nothing;
            if best || external && adj.best_external || several {
                adj.mark(dest, path, wake);
            }
        }
        if !best {
            return;
        }
        let Some(concerns) = concerns else {
            return adjs.iter_mut().flatten().for_each(|adj| adj.mark(dest, path, wake));
        };
        for slot in audience.of_best(concerns) {
            if let Some(Some(adj)) = adjs.get_mut(slot as usize) {
                adj.mark(dest, path, wake);
            }
        }
    }

    /// Frees a destination that has no paths, unless peers must be sent its withdrawal or a forwarding entry removed first:
    /// then it is freed with the last of these.
    ///
    /// Peers that hold nothing of it may still be about to look at its number, and find nothing, or the next that has it.
    pub(crate) fn settle(&mut self, dest: u32) {
        let d = self.table.get(dest);
        if !d.is_live() || !d.paths().is_empty() {
            return;
        }
        let free = d.owed == 0 && !d.in_fib();
        // What is noted of paths is not to be taken for that of another destination.
        for slot in self.audience.of_paths() {
            if let Some(Some(adj)) = self.adjs.get_mut(*slot as usize) {
                if !adj.out.advertised.contains(dest) {
                    adj.out.unmark(dest);
                }
            }
        }
        if free {
            self.fib_dirty.remove(dest);
            self.table.free(dest);
        }
    }

    /// A peer's withdrawal of a destination was written.
    pub(crate) fn withdrawn_from(&mut self, slot: u32, dest: u32) {
        if self.adj_mut(slot).is_some_and(|adj| adj.out.advertised.remove(dest)) {
            self.owe_less(dest);
        }
    }

    fn owe_less(&mut self, dest: u32) {
        let d = self.table.get_mut(dest);
        d.owed = d.owed.saturating_sub(1);
        if d.owed == 0 {
            self.settle(dest);
        }
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        let adjs = self.adjs.iter().flatten();
        self.table.memory()
            + self.fib_dirty.memory()
            + self.audience.memory()
            + self.rewrites.memory()
            + self.own_labels.capacity() * (size_of::<(u32, Label)>() + 1)
            + adjs.map(|a| a.input.members.memory() + a.out.memory()).sum::<usize>()
            + self.adjs.capacity() * size_of::<Option<Adj>>()
    }
}

impl<K: Key> Peers for Rib<K> {
    fn attach(&mut self, peer: PeerId, config: &FamilyConfig, relabel: bool) -> u32 {
        let (family, max) = (config.family, config.max_routes);
        let form = if family.safi == Safi::LABELED_UNICAST { Form::Labeled } else { self.form };
        self.relabels += u32::from(relabel);
        self.best_externals += u32::from(config.best_external);
        let adj = Adj {
            peer,
            family,
            form,
            relabel,
            best_external: config.best_external,
            up: false,
            by_target: false,
            input: AdjIn { max, ..AdjIn::default() },
            out: AdjOut::default(),
        };
        let free = self.adjs.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.adjs.len());
        match self.adjs.get_mut(slot) {
            Some(free) => *free = Some(adj),
            None => self.adjs.push(Some(adj)),
        }
        slot as u32
    }

    fn adj(&self, slot: u32) -> Option<&Adj> {
        self.adjs.get(slot as usize)?.as_ref()
    }

    fn adj_mut(&mut self, slot: u32) -> Option<&mut Adj> {
        self.adjs.get_mut(slot as usize)?.as_mut()
    }

    fn detach(&mut self, slot: u32) {
        if let Some(adj) = self.adjs.get_mut(slot as usize).and_then(Option::take) {
            self.relabels -= u32::from(adj.relabel);
            self.best_externals -= u32::from(adj.best_external);
        }
    }

    fn session_up(&mut self, slot: u32, several: bool, listener: Listener) {
        self.session_down(slot);
        let Some(Some(adj)) = self.adjs.get_mut(slot as usize) else { return };
        adj.up = true;
        adj.out.reset();
        adj.out.paths = several.then(Box::default);
        adj.out.end_of_rib = true;
        for (dest, d) in self.table.iter() {
            if d.best().is_some() {
                adj.out.mark(dest);
            }
        }
        self.listen(slot, listener);
    }

    fn listen(&mut self, slot: u32, listener: Listener) {
        let Some(Some(adj)) = self.adjs.get_mut(slot as usize) else { return };
        if !adj.up {
            return;
        }
        let all = adj.out.paths.is_some() || adj.best_external;
        let listener = if all { Listener::Paths } else { listener };
        adj.by_target = matches!(listener, Listener::Targets(_));
        self.audience.leave(slot);
        self.audience.join(slot, listener);
    }

    fn want(&mut self, slot: u32, target: RouteTarget, wanted: bool) {
        if self.adj(slot).is_some_and(|adj| adj.up && adj.by_target) {
            self.audience.want(slot, target, wanted);
        }
    }

    fn session_down(&mut self, slot: u32) {
        let Some(adj) = self.adj_mut(slot).filter(|adj| adj.up) else { return };
        adj.up = false;
        adj.input.session_down();
        let out = core::mem::take(&mut adj.out);
        self.audience.leave(slot);
        for dest in out.advertised.iter() {
            self.owe_less(dest);
        }
    }

    fn mark_all(&mut self, slot: u32) {
        let Some(Some(adj)) = self.adjs.get_mut(slot as usize) else { return };
        for (dest, d) in self.table.iter() {
            if d.best().is_some() || adj.out.advertised.contains(dest) {
                adj.out.mark(dest);
            }
        }
    }
}

/// The index of the best of these paths.
pub(crate) fn best_path(paths: &[Path], judge: impl Fn(&Path) -> Option<Candidate>) -> Option<usize> {
    match paths {
        [] => None,
        [one] => judge(one).map(|_| 0),
        many => {
            let mut usable: SmallVec<[usize; 8]> = SmallVec::new();
            let mut candidates: SmallVec<[Candidate; 8]> = SmallVec::new();
            for (i, path) in many.iter().enumerate() {
                if let Some(candidate) = judge(path) {
                    usable.push(i);
                    candidates.push(candidate);
                }
            }
            usable.get(best_of(&candidates)?).copied()
        }
    }
}

/// The best of the paths of a destination that `filter` lets through.
pub(crate) fn best_where<K>(
    dest: &Dest<K>,
    filter: impl Fn(&Path) -> bool,
    judge: impl Fn(&Path) -> Option<Candidate>,
) -> Option<Path> {
    let i = best_path(dest.paths(), |path| if filter(path) { judge(path) } else { None })?;
    dest.paths().get(i).copied()
}

/// The best paths of a destination that `filter` lets through, at most `max`, the best first.
pub(crate) fn best_paths<K>(
    dest: &Dest<K>,
    max: usize,
    filter: impl Fn(&Path) -> bool,
    judge: impl Fn(&Path) -> Option<Candidate>,
) -> SmallVec<[Path; 4]> {
    let usable = |path: &&Path| filter(path) && judge(path).is_some();
    let mut left: SmallVec<[Path; 4]> = dest.paths().iter().filter(usable).copied().collect();
    if left.len() <= max {
        return left;
    }
    let mut best = SmallVec::new();
    while best.len() < max {
        let Some(i) = best_path(&left, &judge) else { break };
        best.push(left.remove(i));
    }
    best
}
