//! The nodes of the look-up trie; `fib.rs` has their layout.

use super::word::Word;

/// Set in an entry that is a route.
pub(super) const ROUTE: u32 = 1 << 31;
/// In word 2 of a node: entries have 16 bits.
pub(super) const NARROW: u32 = 1 << 31;
/// In word 2 of a node: the inherited route is one of the level above, not of one further up.
pub(super) const OWN: u32 = 1 << 30;
/// The bits of a route.
pub(super) const VALUE: u32 = OWN - 1;
/// Routes are below this.
pub(super) const VALUES: u32 = OWN;
/// Words in front of a node's entries.
pub(super) const HEAD: u32 = 3;
/// Bits of a node.
pub(super) const STRIDE: u8 = 6;
/// Nodes on top of each other at most.
const LEVELS: usize = super::fib::LEVELS;

/// The places of a node, written out.
pub(super) type Places = [u32; 64];

/// Whether an entry is the place of a node.
pub(super) const fn is_node(entry: u32) -> bool {
    entry != 0 && entry & ROUTE == 0
}

/// A node's word 0 to 2.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) runs: u64,
    pub(super) rest: u32,
}

impl Head {
    #[inline(always)]
    pub(super) fn at(words: &[Word], place: u32) -> Option<Self> {
        let [low, high, rest]: &[Word; 3] = words.get(place as usize..)?.first_chunk()?;
        Some(Self { runs: u64::from(low.peek()) | u64::from(high.peek()) << 32, rest: rest.peek() })
    }

    pub(super) const fn is_narrow(self) -> bool {
        self.rest & NARROW != 0
    }

    /// The number of the run that a place belongs to.
    #[inline(always)]
    pub(super) const fn run_of(self, slot: u32) -> u32 {
        (self.runs << 63_u32.wrapping_sub(slot)).count_ones().wrapping_sub(1)
    }

    /// Words of the node.
    pub(super) const fn len(self) -> u32 {
        let entries = self.runs.count_ones();
        HEAD.saturating_add(if self.is_narrow() { entries.div_ceil(2) } else { entries })
    }

    /// The inherited route as an entry.
    #[inline(always)]
    pub(super) const fn inherited(self) -> u32 {
        match self.rest & VALUE {
            0 => 0,
            route => ROUTE | route,
        }
    }
}

#[inline(always)]
pub(super) fn word(words: &[Word], place: u32, index: u32) -> Option<&Word> {
    words.get(place.wrapping_add(HEAD).wrapping_add(index) as usize)
}

/// The entry of a run in a word of two.
#[inline(always)]
const fn half(pair: u32, run: u32) -> u32 {
    pair.wrapping_shr((run & 1) << 4) & 0xffff
}

/// What the entry of `slot` says: a route, a node, or zero for no route.
#[inline(always)]
pub(super) fn step(words: &[Word], place: u32, slot: u32) -> Option<u32> {
    let node: &[Word] = words.get(place as usize..)?;
    let [low, high, third]: &[Word; 3] = node.first_chunk()?;
    let head = Head { runs: u64::from(low.peek()) | u64::from(high.peek()) << 32, rest: third.peek() };
    let run = head.run_of(slot);
    let narrow = head.rest >> 31;
    let word = node.get((run >> narrow).wrapping_add(HEAD) as usize)?.load();
    let entry = if narrow == 0 { word } else { half(word, run) };
    // The inherited route is read after the entry: it is right for as long as the entry is zero.
    let inherited = Head { rest: third.peek(), ..head }.inherited();
    Some(match (entry, narrow) {
        (0, _) => inherited,
        (_, 0) => entry,
        _ => ROUTE | entry,
    })
}

/// Writes an entry into whole runs of a node in place, if they are whole and no reader could be misled.
pub(super) fn in_place(words: &[Word], node: u32, head: Head, mask: u64, entry: u32) -> bool {
    let bits = |run: u32| {
        let mut runs = head.runs;
        for _ in 0..run {
            runs &= runs.wrapping_sub(1);
        }
        let from = runs & runs.wrapping_neg();
        let to = (runs & runs.wrapping_sub(1)) & (runs & runs.wrapping_sub(1)).wrapping_neg();
        to.wrapping_sub(from)
    };
    let runs = head.runs.count_ones();
    let mut writes = 0_u64;
    for run in 0..runs {
        let places = bits(run) & mask;
        if places == 0 {
            continue;
        }
        let old = read(words, node, head, run);
        if is_node(old) {
            continue;
        }
        let fits = !head.is_narrow() || entry & VALUE <= 0xffff;
        if old == 0 || places != bits(run) || !fits {
            return false;
        }
        writes |= 1_u64.wrapping_shl(run);
    }
    for run in 0..runs {
        if writes.wrapping_shr(run) & 1 == 0 {
            continue;
        }
        if head.is_narrow() {
            if let Some(pair) = word(words, node, run >> 1) {
                let [low, high] = [half(pair.peek(), 0), half(pair.peek(), 1)];
                let value = entry & 0xffff;
                pair.publish(if run & 1 == 0 { value | high << 16 } else { low | value << 16 });
            }
        } else if let Some(word) = word(words, node, run) {
            word.publish(entry);
        }
    }
    true
}

/// The entry of a run.
pub(super) fn read(words: &[Word], node: u32, head: Head, run: u32) -> u32 {
    if !head.is_narrow() {
        return word(words, node, run).map_or(0, Word::peek);
    }
    let pair = word(words, node, run >> 1).map_or(0, Word::peek);
    match half(pair, run) {
        0 => 0,
        half => ROUTE | half,
    }
}

/// The places of a node, each with the entry of its run.
pub(super) fn written_out(words: &[Word], node: u32, head: Head) -> Places {
    let mut places = [0; 64];
    let (mut run, mut entry) = (0_u32, 0);
    for (slot, place) in (0_u32..).zip(&mut places) {
        if head.runs.wrapping_shr(slot) & 1 == 1 {
            entry = read(words, node, head, run);
            run = run.wrapping_add(1);
        }
        *place = entry;
    }
    places
}

/// Hands a route down to a node, and on to those below that have none of their own from it.
pub(super) fn hand_down(words: &[Word], node: u32, entry: u32, own: u32) {
    let own = if entry == 0 { 0 } else { own };
    let mut way = [(0_u32, 0_u32); LEVELS];
    let (mut len, mut node, mut own) = (0_usize, node, own);
    let mut run = 0_u32;
    loop {
        let Some(head) = Head::at(words, node) else { return };
        if run == 0 {
            let third = words.get(node.wrapping_add(2) as usize);
            third.into_iter().for_each(|word| word.publish((head.rest & NARROW) | own | (entry & VALUE)));
            own = 0;
        }
        let runs = if head.is_narrow() { 0 } else { head.runs.count_ones() };
        let mut below = None;
        while run < runs && below.is_none() {
            let place = read(words, node, head, run);
            below = Some(place).filter(|&p| is_node(p) && Head::at(words, p).is_some_and(|head| head.rest & OWN == 0));
            run = run.wrapping_add(1);
        }
        if let (Some(below), Some(slot)) = (below, way.get_mut(len)) {
            *slot = (node, run);
            len = len.saturating_add(1);
            (node, run) = (below, 0);
            continue;
        }
        let Some((above, at)) = len.checked_sub(1).and_then(|l| way.get(l)).copied() else { return };
        len = len.saturating_sub(1);
        // Not zero: the run of the node that is done is behind.
        (node, run) = (above, at);
    }
}

/// Places as runs: the head of a node with this word 2, and its words.
pub(super) fn packed(places: &Places, rest: u32) -> (Head, Places) {
    let mut head = Head { runs: 0, rest: rest | NARROW };
    let mut entries = [0_u32; 64];
    let mut slots = entries.iter_mut();
    let mut last = None;
    for (slot, &place) in (0_u32..).zip(places) {
        if last == Some(place) {
            continue;
        }
        last = Some(place);
        head.runs |= 1_u64.wrapping_shl(slot);
        if is_node(place) || place & VALUE > 0xffff {
            head.rest &= !NARROW;
        }
        slots.by_ref().take(1).for_each(|entry| *entry = place);
    }
    if head.is_narrow() {
        let pairs: Places =
            core::array::from_fn(|i| match entries.get(i.wrapping_mul(2)..).map(<[u32]>::first_chunk) {
                Some(Some([first, second])) => (first & 0xffff) | second << 16,
                _ => 0,
            });
        entries = pairs;
    }
    (head, entries)
}
