//! Changing the look-up trie, one route at a time.

use core::num::NonZeroU32;

use super::fib::{DIRECT, DIRECT_BITS, DIRECT_LEN, Fib, LEVELS, NUMBER};
use super::fib_front6::{self, is_table};
use super::fib_node::{HEAD, Head, OWN, ROUTE, Runs, STRIDE, VALUE, hand_down, in_place, is_node, read, word};
use super::grace::{Grace, Stamp};
use super::key::Key;
use super::pool::Pool;
use super::records::{PATIENCE, Refused};
use super::rib::{Found, Full, NIL, Rib, Root};
use super::word::Word;

/// Direct roots at most, of IPv4 and of IPv6.
const DIRECT_MAX: usize = 16;

/// A node that readers may still look at; the writer's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retired {
    place: u32,
    stamp: u32,
}

impl Retired {
    /// None, to fill the memory that is lent.
    pub const EMPTY: Self = Self { place: 0, stamp: 0 };
}

/// What a VRF has in the table of one address family. All but `root` is the writer's.
#[derive(Clone, Debug)]
pub(super) struct FibRoot {
    /// Zero, the place of a node, or the number of a direct root.
    pub(super) root: Word,
    /// The root of its routes.
    rib: Word,
    /// Whose they are: the number of the VRF, from 1.
    pub(super) owner: Word,
    routes: Word,
    /// Zero, or what stands in front of its IPv4 routes: its number and one, then 25 bits: places that are filled.
    pub(super) front: Word,
}

impl FibRoot {
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh root
    pub(super) const EMPTY: Self =
        Self { root: Word::ZERO, rib: Word::new(NIL), owner: Word::ZERO, routes: Word::ZERO, front: Word::ZERO };

    /// Empties it, before readers see it.
    pub(super) fn reset(&self, owner: u16) {
        self.root.put(0);
        self.owner.put(owner.into());
        self.rib.put(NIL);
        self.routes.put(0);
        self.front.put(0);
    }

    #[inline]
    pub(super) fn root(&self) -> u32 {
        self.root.load()
    }

    pub(super) fn rib(&self) -> Root {
        Root { at: self.rib.peek(), owner: self.owner.peek() as u16 }
    }

    pub(super) fn routes(&self) -> u32 {
        self.routes.peek()
    }
}

/// The writer's hold of the routes of one address family.
#[derive(Debug)]
pub(super) struct FibWriter<'m, K> {
    pub(super) rib: Rib<'m, K>,
    pool: Pool<'m>,
    direct: &'m [Word],
    /// Memory of what stands in front of direct roots, and when each is free, as of direct roots.
    pub(super) front: &'m [Word],
    pub(super) front_free: [Option<Stamp>; DIRECT_MAX],
    /// Where the roots in front end, where tables behind them begin, and the first table that was given back.
    pub(super) front_roots: usize,
    pub(super) front_tables: usize,
    pub(super) front_freed: u32,
    /// Routes with which a VRF gets a direct root and what stands in front of it, and places that a change fills besides its own.
    direct_from: u32,
    pub(super) front_from: u32,
    pub(super) front_fill: u32,
    /// When each direct root is free; none: it is in use.
    direct_free: [Option<Stamp>; DIRECT_MAX],
    retired: &'m mut [Retired],
    retired_head: usize,
    retired_len: usize,
}

/// Words of the memory for nodes that say where changes begin in the RIB, where so many are lent.
pub(super) const HINTS: usize = 1 << 16;
pub(super) const HINTS_FROM: usize = 1 << 20;
/// Words that one op takes at most: a node of each level for one route, and one that is written anew.
const OP_WORDS: usize = LEVELS * 6 + 67;

/// A change of routes at one level.
#[derive(Clone, Copy)]
struct Change<K> {
    key: K,
    len: u8,
    /// The node of the prefix in the RIB.
    at: u32,
    /// The depth of the level.
    depth: u8,
    /// The entry to write: a route, or zero.
    entry: u32,
    /// Whether it must not fail for want of memory while any is left: a route is removed.
    urgent: bool,
}

/// The depth of the level that a prefix of a VRF belongs to.
fn depth_of(vrf: &FibRoot, len: u8) -> u8 {
    let is_direct = vrf.root.peek() & DIRECT != 0;
    match len.checked_sub(1) {
        Some(_) if is_direct && len <= DIRECT_BITS => 0,
        Some(last) => last.saturating_sub(last % STRIDE),
        None => 0,
    }
}

impl<'m, K: Key> FibWriter<'m, K> {
    /// Of `[direct, front]` either may be empty; VRFs get these with as many routes as `from` says.
    pub(super) fn new(
        mut rib: Rib<'m, K>,
        words: &'m [Word],
        [direct, front]: [&'m [Word]; 2],
        retired: &'m mut [Retired],
        [direct_from, front_from, front_fill]: [u32; 3],
    ) -> Self {
        // Of IPv6, tables stand behind the roots, at whole multiples of their length.
        let whole = front.len() & !(fib_front6::TABLE_LEN - 1);
        let front = front.get(..whole.min(fib_front6::MOST)).unwrap_or_default();
        direct.iter().chain(front).for_each(|word| word.put(0));
        let hints = if words.len() < HINTS_FROM { 0 } else { HINTS };
        let (hints, words) = words.split_at_checked(hints).unwrap_or((&[], words));
        rib.hints = hints;
        Self {
            rib,
            pool: Pool::new(words),
            direct,
            front,
            front_free: [Some(Stamp(0)); DIRECT_MAX],
            front_roots: 0,
            front_tables: front.len(),
            front_freed: fib_front6::ASK,
            direct_from,
            front_from,
            front_fill,
            direct_free: [Some(Stamp(0)); DIRECT_MAX],
            retired,
            retired_head: 0,
            retired_len: 0,
        }
    }

    pub(super) fn reader(&self) -> Fib<'m> {
        Fib { words: self.pool.words(), direct: self.direct, front: self.front }
    }

    /// Words that nodes take.
    pub(super) fn used(&self) -> usize {
        self.pool.used()
    }

    /// Sets the route of a prefix.
    pub(super) fn insert(
        &mut self,
        grace: &mut Grace<'_>,
        vrf: &'m FibRoot,
        (key, len): (K, u8),
        value: NonZeroU32,
    ) -> Result<(), Refused> {
        self.make_room(grace)?;
        self.look_ahead(vrf, key);
        let mut rib = vrf.rib();
        let (at, old) = self.rib.insert(&mut rib, key, len, value).map_err(|Full| Refused::Full)?;
        vrf.rib.put(rib.at);
        if old == Some(value) {
            return Ok(());
        }
        let depth = depth_of(vrf, len);
        let change = Change { key, len, at, depth, entry: ROUTE | value.get(), urgent: false };
        if let Err(refused) = self.paint(grace, vrf, change) {
            // What the routes took for it is there to be given back.
            match old {
                Some(old) => drop(self.rib.insert(&mut rib, key, len, old)),
                None => {
                    if let Some(found) = self.rib.find(rib, key, len, len) {
                        self.rib.remove(&mut rib, &found);
                    }
                }
            }
            vrf.rib.put(rib.at);
            return Err(refused);
        }
        self.follow(grace, vrf, key, len);
        if old.is_none() {
            vrf.routes.put(vrf.routes.peek().saturating_add(1));
            self.widen(grace, vrf);
            self.put_in_front(grace, vrf);
        }
        Ok(())
    }

    /// Removes the route of a prefix. Refused only if removing splits a node's runs and even the memory kept for that is used
    /// up.
    pub(super) fn remove(&mut self, grace: &mut Grace<'_>, vrf: &'m FibRoot, key: K, len: u8) -> Result<(), Refused> {
        self.look_ahead(vrf, key);
        let mut rib = vrf.rib();
        let depth = depth_of(vrf, len);
        let from = if depth == 0 { 0 } else { depth.saturating_add(1) };
        let Some(found) = self.rib.find(rib, key, len, from) else { return Ok(()) };
        self.make_room(grace)?;
        let Found { at, covering, .. } = found;
        let entry = covering.map_or(0, |value| ROUTE | value.get());
        self.paint(grace, vrf, Change { key, len, at, depth, entry, urgent: true })?;
        self.follow(grace, vrf, key, len);
        self.rib.remove(&mut rib, &found);
        vrf.rib.put(rib.at);
        vrf.routes.put(vrf.routes.peek().saturating_sub(1));
        if vrf.routes.peek() == 0 {
            self.narrow(grace, vrf);
        }
        Ok(())
    }

    /// Writes a change into the places that its prefix covers and no longer one of the level.
    fn paint(&mut self, grace: &mut Grace<'_>, vrf: &'m FibRoot, change: Change<K>) -> Result<(), Refused> {
        let root = vrf.root.peek();
        if root & DIRECT != 0 {
            let entries = self.reader().direct_root(root).map_or(&[][..], |direct| direct);
            if change.len <= DIRECT_BITS {
                self.paint_direct(entries, change);
                return Ok(());
            }
            let above = entries.get(change.key.eighteen() as usize).ok_or(Refused::Full)?;
            return self.paint_below(grace, above, DIRECT_BITS, change);
        }
        self.paint_below(grace, &vrf.root, 0, change)
    }

    /// Writes a change into a direct root.
    fn paint_direct(&mut self, entries: &'m [Word], change: Change<K>) {
        let places = |len: u8| 1_usize.wrapping_shl(u32::from(DIRECT_BITS.saturating_sub(len)));
        let words = self.pool.words();
        let mut at = change.key.eighteen() as usize;
        let end = at.saturating_add(places(change.len));
        let write = |from: usize, to: usize| {
            for word in entries.get(from..to).unwrap_or_default() {
                match word.peek() {
                    node if is_node(node) => hand_down(words, node, change.entry, OWN),
                    _ => word.publish(change.entry),
                }
            }
        };
        for (key, len) in self.rib.below(change.at, DIRECT_BITS) {
            let from = key.eighteen() as usize;
            write(at, from);
            at = from.saturating_add(places(len));
        }
        write(at, end);
    }

    /// Writes a change into the node at its depth, on the way down from the entry `above` a node at `depth`.
    fn paint_below(&mut self, grace: &Grace<'_>, above: &'m Word, depth: u8, change: Change<K>) -> Result<(), Refused> {
        let words = self.pool.words();
        // The entries that lead to each node on the way, and those nodes' depths.
        let mut way: [&'m Word; LEVELS] = [above; LEVELS];
        let (mut above, mut depth, mut steps) = (above, depth, 0_usize);
        loop {
            let entry = above.peek();
            if !is_node(entry) {
                above.publish(self.chain(depth, entry & VALUE, OWN, change)?);
                return Ok(());
            }
            *way.get_mut(steps).ok_or(Refused::Full)? = above;
            steps = steps.saturating_add(1);
            if depth == change.depth {
                break;
            }
            let head = Head::at(words, entry).ok_or(Refused::Full)?;
            let slot = change.key.six(depth);
            depth = depth.saturating_add(STRIDE);
            let run = head.run_of(slot);
            let next = word(words, entry, run).ok_or(Refused::Full)?;
            if head.is_narrow() || !is_node(next.peek()) {
                return self.attach(grace, above, slot, depth, change);
            }
            above = next;
        }
        let mask = self.mask(change);
        self.rewrite(grace, above, mask, change)?;
        if change.urgent {
            self.prune(grace, way.get(..steps).unwrap_or_default());
        }
        Ok(())
    }

    /// The places of the node that a change is for.
    fn mask(&self, change: Change<K>) -> u64 {
        let end = change.depth.saturating_add(STRIDE);
        let places = |key: K, len: u8| {
            let places = 1_u32.wrapping_shl(u32::from(end.saturating_sub(len)));
            (u64::MAX >> 64_u32.saturating_sub(places).min(63)).wrapping_shl(key.six(change.depth))
        };
        let inside = self.rib.below(change.at, end);
        inside.fold(places(change.key, change.len), |mask, (key, len)| mask & !places(key, len))
    }

    /// Writes an entry into places of the node that `above` leads to: in place or anew. To remove a route is to make room: the node
    /// is written anew if it can be. To replace one is not.
    fn rewrite(&mut self, grace: &Grace<'_>, above: &'m Word, mask: u64, change: Change<K>) -> Result<(), Refused> {
        if mask == 0 {
            return Ok(());
        }
        let words = self.pool.words();
        let node = above.peek();
        let head = Head::at(words, node).ok_or(Refused::Full)?;
        if change.urgent || !in_place(words, node, head, mask, change.entry) {
            self.renew(grace, above, head, mask, change)?;
        }
        let node = above.peek();
        let head = Head::at(words, node).ok_or(Refused::Full)?;
        if head.is_narrow() {
            return Ok(()); // It leads to no nodes.
        }
        let (entry, own) = if change.entry == 0 { (head.inherited(), 0) } else { (change.entry, OWN) };
        for (run, places) in head.touched(mask) {
            let below = read(words, node, head, run);
            if places & mask != 0 && is_node(below) {
                hand_down(words, below, entry, own);
            }
        }
        Ok(())
    }

    /// Writes the node that `above` leads to anew; in place only if there is no memory for it.
    fn renew(
        &mut self,
        grace: &Grace<'_>,
        above: &'m Word,
        head: Head,
        mask: u64,
        change: Change<K>,
    ) -> Result<(), Refused> {
        let words = self.pool.words();
        let node = above.peek();
        let mut painted = Runs::NONE;
        if !Runs::read(words, node, head).paint(mask, change.entry, &mut painted) {
            return Ok(());
        }
        let mut new = self.build(&painted, head.rest, false);
        if new.is_none() && change.urgent {
            if in_place(words, node, head, mask, change.entry) {
                return Ok(());
            }
            new = self.build(&painted, head.rest, true);
        }
        above.publish(new.ok_or_else(|| self.refused())?);
        self.retire(grace, node, head.len());
        Ok(())
    }

    /// Makes the nodes from `depth` down to the change's, and puts them into a place of the node that `above` leads to.
    fn attach(
        &mut self,
        grace: &Grace<'_>,
        above: &'m Word,
        slot: u32,
        depth: u8,
        change: Change<K>,
    ) -> Result<(), Refused> {
        let words = self.pool.words();
        let node = above.peek();
        let head = Head::at(words, node).ok_or(Refused::Full)?;
        let place = read(words, node, head, head.run_of(slot));
        let (inherited, own) = if place == 0 { (head.rest & VALUE, 0) } else { (place & VALUE, OWN) };
        let chain = self.chain(depth, inherited, own, change)?;
        let mut painted = Runs::NONE;
        Runs::read(words, node, head).paint(1_u64.wrapping_shl(slot), chain, &mut painted);
        let Some(new) = self.build(&painted, head.rest, change.urgent) else {
            self.release_chain(chain);
            return Err(self.refused());
        };
        above.publish(new);
        self.retire(grace, node, head.len());
        Ok(())
    }

    /// Nodes from `depth` down to the change's, which no reader comes to yet; their first one.
    fn chain(&mut self, depth: u8, inherited: u32, own: u32, change: Change<K>) -> Result<u32, Refused> {
        let mask = self.mask(change);
        let mut runs = Runs::NONE;
        Runs::NONE.paint(mask, change.entry, &mut runs);
        let mut at = change.depth;
        let mut below = None;
        for _ in 0..LEVELS {
            let own = if at == depth { own } else { 0 };
            let Some(node) = self.build(&runs, inherited | own, change.urgent) else {
                if let Some(below) = below {
                    self.release_chain(below);
                }
                return Err(self.refused());
            };
            if at <= depth {
                return Ok(node);
            }
            below = Some(node);
            at = at.saturating_sub(STRIDE);
            let place = 1_u64.wrapping_shl(change.key.six(at));
            runs = Runs::NONE;
            Runs::NONE.paint(place, node, &mut runs);
        }
        Err(Refused::Full)
    }

    /// Gives back nodes of which each leads to one other at most, and that no reader came to.
    fn release_chain(&mut self, first: u32) {
        let words = self.pool.words();
        let mut node = first;
        for _ in 0..LEVELS {
            let Some(head) = Head::at(words, node) else { return };
            let next = Runs::read(words, node, head).nodes().next();
            self.pool.release(node, head.len());
            let Some(next) = next else { return };
            node = next;
        }
    }

    /// Removes nodes without routes, from the end of the way up.
    fn prune(&mut self, grace: &Grace<'_>, way: &[&'m Word]) {
        let words = self.pool.words();
        for above in way.iter().rev() {
            let node = above.peek();
            let Some(head) = Head::at(words, node) else { return };
            if (0..head.len().saturating_sub(HEAD)).any(|i| word(words, node, i).is_some_and(|w| w.peek() != 0)) {
                return;
            }
            // The place above says again what it hands down, if that is its own.
            above.publish(if head.rest & OWN == 0 { 0 } else { head.inherited() });
            self.retire(grace, node, head.len());
        }
    }

    /// A node with these runs.
    fn build(&mut self, runs: &Runs, rest: u32, urgent: bool) -> Option<u32> {
        let head = runs.head(rest);
        let node = self.pool.allocate(head.len(), urgent)?;
        let block = self.pool.words().get(node as usize..)?.get(..head.len() as usize)?;
        let ([low, high, third], words) = block.split_first_chunk()?;
        low.put(head.runs as u32);
        high.put((head.runs >> 32) as u32);
        third.put(head.rest);
        runs.write(head, words);
        Some(node)
    }

    /// Why there is no memory.
    fn refused(&self) -> Refused {
        if self.retired_len > 0 { Refused::Busy } else { Refused::Full }
    }

    /// Makes sure that what an op takes out of the table can be noted, and that it finds the memory there is. As long as there is enough
    /// of both, what is retired waits: the readers are looked at once for many ops.
    fn make_room(&mut self, grace: &mut Grace<'_>) -> Result<(), Refused> {
        let room = self.retired.len().saturating_sub(self.retired_len);
        if self.retired_len < PATIENCE && room > LEVELS && self.pool.has_room(OP_WORDS) && !self.lacks_tables() {
            return Ok(());
        }
        self.release_retired(grace);
        // A node is written anew, and those above it may go.
        let room = self.retired.len().saturating_sub(self.retired_len);
        if grace.has_readers() && room < LEVELS.saturating_add(1) { Err(Refused::Busy) } else { Ok(()) }
    }

    /// Gives back the retired nodes that no reader looks at any more.
    fn release_retired(&mut self, grace: &mut Grace<'_>) {
        while self.retired_len > 0 {
            let Some(oldest) = self.retired.get(self.retired_head).copied() else { break };
            if !grace.poll(Stamp(oldest.stamp)) {
                break;
            }
            if is_table(oldest.place) {
                self.release_table(oldest.place);
            } else if let Some(head) = Head::at(self.pool.words(), oldest.place) {
                self.pool.release(oldest.place, head.len());
            }
            self.retired_head = self.after(1);
            self.retired_len = self.retired_len.saturating_sub(1);
        }
    }

    /// The place in the queue of retired nodes `steps` after its head.
    const fn after(&self, steps: usize) -> usize {
        let sum = self.retired_head.saturating_add(steps);
        if sum >= self.retired.len() { sum.saturating_sub(self.retired.len()) } else { sum }
    }

    /// Whether more can be taken out than an op has to.
    pub(super) fn may_retire(&self, grace: &Grace<'_>) -> bool {
        !grace.has_readers() || self.retired.len().saturating_sub(self.retired_len) > LEVELS
    }

    /// Takes out a node of `len` words, or a table.
    pub(super) fn retire(&mut self, grace: &Grace<'_>, place: u32, len: u32) {
        if !grace.has_readers() {
            if is_table(place) {
                self.release_table(place);
            } else {
                self.pool.release(place, len);
            }
            return;
        }
        let at = self.after(self.retired_len);
        if let Some(slot) = self.retired.get_mut(at) {
            *slot = Retired { place, stamp: grace.stamp().0 };
            self.retired_len = self.retired_len.saturating_add(1);
        }
    }

    /// Gives a VRF a direct root, if it has earned one and there is one.
    fn widen(&mut self, grace: &mut Grace<'_>, vrf: &'m FibRoot) {
        let top = vrf.root.peek();
        let routes = vrf.routes.peek() as usize;
        if vrf.routes.peek() < self.direct_from || top & DIRECT != 0 || top == 0 {
            return;
        }
        let roots = (0_u32..).zip(self.direct.chunks_exact(DIRECT_LEN)).zip(&self.direct_free);
        let mut free = roots.filter(|(_, free)| free.is_some_and(|stamp| grace.poll(stamp)));
        let Some(((number, entries), _)) = free.next() else { return };
        // The nodes of three levels go: at most one of the last for each route, 64 above them, and the first.
        self.release_retired(grace);
        let room = self.retired.len().saturating_sub(self.retired_len);
        if grace.has_readers() && room < routes.saturating_add(65 + LEVELS) {
            return;
        }
        self.direct_free.get_mut(number as usize).into_iter().for_each(|free| *free = None);
        let fib = self.reader();
        for (bits, word) in (0_u32..).zip(entries) {
            let entry = fib.at_direct_depth(top, bits);
            word.put(entry);
            // What it inherits comes from the direct root henceforth.
            if let Some(third) = fib.words.get(entry.wrapping_add(2) as usize).filter(|_| is_node(entry)) {
                third.put(third.peek() | OWN);
            }
        }
        vrf.root.publish(DIRECT | number);
        self.retire_top(grace, top);
    }

    /// Takes out the nodes that a direct root stands for.
    fn retire_top(&mut self, grace: &Grace<'_>, top: u32) {
        let words = self.pool.words();
        let nodes = |node: u32| Head::at(words, node).map_or(Runs::NONE, |head| Runs::read(words, node, head)).nodes();
        for second in nodes(top) {
            for third in nodes(second) {
                if let Some(head) = Head::at(words, third) {
                    self.retire(grace, third, head.len());
                }
            }
            if let Some(head) = Head::at(words, second) {
                self.retire(grace, second, head.len());
            }
        }
        if let Some(head) = Head::at(words, top) {
            self.retire(grace, top, head.len());
        }
    }

    /// Takes the direct root from a VRF that has no routes.
    fn narrow(&mut self, grace: &Grace<'_>, vrf: &FibRoot) {
        let root = vrf.root.peek();
        if root & DIRECT != 0 {
            vrf.root.publish(0);
            if let Some(free) = self.direct_free.get_mut((root & NUMBER) as usize) {
                *free = Some(grace.stamp());
            }
            self.take_from_front(grace, vrf);
        }
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
