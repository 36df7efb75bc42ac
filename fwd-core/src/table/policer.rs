//! Policers: rates of the control plane, token buckets of the worker.

use super::ApplyError;
use super::apply::{Table, refused};
use super::grace::Grace;
use super::records::{RecordWriter, Records, Slot};
use super::word::Word;
use crate::net::PolicerId;
use crate::op::{Policer, Rates, Unit};
use crate::time::Instant;

/// ```text
/// word 0: two rates (1) | packets (1) | drop yellow (1), from the lowest bit      1: birth: new for each policer of the number
/// 2, 3: CIR      4, 5: PIR      6: CBS      7: EBS or PBS
/// ```
const WORDS: usize = 8;

const TWO: u32 = 1;
const PACKETS: u32 = 2;
const DROP_YELLOW: u32 = 4;

/// One policer's rates, or none. One cache line.
pub type PolicerSlot = Slot<WORDS>;

/// A worker's token buckets of one policer. Each worker polices what it forwards: where several forward the packets of one
/// point, each lets the whole rate through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBuckets {
    /// Of which policer these are.
    birth: u32,
    /// Tokens, in millionths of a unit, so that a microsecond of any rate is whole.
    committed: u64,
    /// Of the excess or the peak bucket.
    second: u64,
    /// When they were last filled.
    filled: Instant,
}

impl TokenBuckets {
    /// Buckets of no policer, to fill the memory that is lent.
    pub const EMPTY: Self = Self { birth: 0, committed: 0, second: 0, filled: Instant::from_micros(0) };
}

/// How a packet meets its rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    Green,
    Yellow,
    Red,
}

const MICRO: u64 = 1_000_000;

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policers<'m>(Records<'m, WORDS>);

impl Policers<'_> {
    /// Whether a packet of so many octets passes the policer of a word that counts from 1; where there is none, it does.
    #[inline]
    pub(crate) fn passes(&self, buckets: &mut [TokenBuckets], word: u32, now: Instant, octets: usize) -> bool {
        let Some(id) = word.checked_sub(1) else { return true };
        let (Some(record), Some(buckets)) =
            (self.0.get(id), usize::try_from(id).ok().and_then(|id| buckets.get_mut(id)))
        else {
            return true;
        };
        let [flags, birth, rest @ ..] = record;
        let policer = read(flags.peek(), rest);
        let units = match policer.unit {
            Unit::Octets => octets as u64,
            Unit::Packets => 1,
        };
        match buckets.color(&policer.rates, birth.peek(), now, units) {
            Color::Green => true,
            Color::Yellow => !policer.drop_yellow,
            Color::Red => false,
        }
    }

    /// A policer.
    pub(crate) fn get(&self, id: PolicerId) -> Option<Policer> {
        let [flags, _, rest @ ..] = self.0.get(id.0)?;
        Some(read(flags.peek(), rest))
    }
}

#[inline]
fn read(flags: u32, [c1, c0, p1, p0, cbs, burst]: &[Word; 6]) -> Policer {
    let whole = |high: &Word, low: &Word| u64::from(high.peek()) << 32 | u64::from(low.peek());
    let (cir, cbs, burst) = (whole(c1, c0), cbs.peek(), burst.peek());
    Policer {
        rates: if flags & TWO != 0 {
            Rates::Two { cir, cbs, pir: whole(p1, p0), pbs: burst }
        } else {
            Rates::Single { cir, cbs, ebs: burst }
        },
        unit: if flags & PACKETS != 0 { Unit::Packets } else { Unit::Octets },
        drop_yellow: flags & DROP_YELLOW != 0,
    }
}

impl TokenBuckets {
    /// Colors a packet (RFC 2697 §3, RFC 2698 §3, colour-blind) and takes its tokens.
    fn color(&mut self, rates: &Rates, birth: u32, now: Instant, units: u64) -> Color {
        let cost = units.saturating_mul(MICRO);
        let elapsed = now.as_micros().saturating_sub(self.filled.as_micros());
        let is_new = self.birth != birth;
        (self.birth, self.filled) = (birth, self.filled.max(now));
        let full = |burst: u32| u64::from(burst).saturating_mul(MICRO);
        match *rates {
            Rates::Single { cir, cbs, ebs } => {
                if is_new {
                    (self.committed, self.second, self.filled) = (full(cbs), full(ebs), now);
                } else {
                    // What the first bucket does not hold goes into the second.
                    let sum = self.committed.saturating_add(cir.saturating_mul(elapsed));
                    self.committed = sum.min(full(cbs));
                    let over = sum.saturating_sub(self.committed);
                    self.second = self.second.saturating_add(over).min(full(ebs));
                }
                match (self.committed.checked_sub(cost), self.second.checked_sub(cost)) {
                    (Some(left), _) => {
                        self.committed = left;
                        Color::Green
                    }
                    (None, Some(left)) => {
                        self.second = left;
                        Color::Yellow
                    }
                    (None, None) => Color::Red,
                }
            }
            Rates::Two { cir, cbs, pir, pbs } => {
                if is_new {
                    (self.committed, self.second, self.filled) = (full(cbs), full(pbs), now);
                } else {
                    let fill = |held: u64, rate: u64, burst| {
                        held.saturating_add(rate.saturating_mul(elapsed)).min(full(burst))
                    };
                    self.committed = fill(self.committed, cir, cbs);
                    self.second = fill(self.second, pir, pbs);
                }
                match (self.second.checked_sub(cost), self.committed.checked_sub(cost)) {
                    (None, _) => Color::Red,
                    (Some(peak), None) => {
                        self.second = peak;
                        Color::Yellow
                    }
                    (Some(peak), Some(committed)) => {
                        (self.second, self.committed) = (peak, committed);
                        Color::Green
                    }
                }
            }
        }
    }
}

/// The writer's hold of the rates.
#[derive(Debug)]
pub(crate) struct PolicerWriter<'m> {
    records: RecordWriter<'m, WORDS>,
    births: u32,
}

impl<'m> PolicerWriter<'m> {
    pub(crate) fn new(slots: &'m mut [PolicerSlot]) -> Self {
        Self { records: RecordWriter::new(slots), births: 0 }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Policers<'m> {
        Policers(self.records.reader())
    }

    /// Writes a policer.
    pub(crate) fn set(&mut self, grace: &mut Grace<'_>, id: PolicerId, policer: &Policer) -> Result<(), ApplyError> {
        let (two, cir, cbs, pir, burst) = match policer.rates {
            Rates::Single { cir, cbs, ebs } => (0, cir, cbs, 0, ebs),
            Rates::Two { cir, cbs, pir, pbs } => (TWO, cir, cbs, pir, pbs),
        };
        if (cbs, burst) == (0, 0) || (two != 0 && pir < cir) {
            return Err(ApplyError::Rates(id));
        }
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let flags = two | flag(policer.unit == Unit::Packets, PACKETS) | flag(policer.drop_yellow, DROP_YELLOW);
        let held = self.reader().0.get(id.0).map(|[_, birth, ..]| birth.peek());
        let birth = held.unwrap_or(self.births.wrapping_add(1).max(1));
        let halves = |value: u64| ((value >> 32) as u32, value as u32);
        let ((c1, c0), (p1, p0)) = (halves(cir), halves(pir));
        let record = [flags, birth, c1, c0, p1, p0, cbs, burst];
        self.records.set(grace, id.0, record).map_err(refused(Table::Policer))?;
        if held.is_none() {
            self.births = birth;
        }
        Ok(())
    }

    /// Policers that there may be.
    pub(super) const fn capacity(&self) -> usize {
        self.records.capacity()
    }

    /// Removes a policer.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, id: PolicerId) {
        self.records.clear(grace, id.0);
    }

    /// The word for a policer that is to stand somewhere: its number from 1.
    pub(crate) fn word(&self, id: PolicerId) -> Result<u32, ApplyError> {
        let fits = usize::try_from(id.0).is_ok_and(|id| id < self.records.capacity());
        id.0.checked_add(1).filter(|_| fits).ok_or(ApplyError::TableFull(Table::Policer))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// RFC 2697 §3: the first bucket, then the second, and what the first does not hold fills the second.
    #[test]
    fn single_rate_colors_by_two_buckets() {
        let rates = Rates::Single { cir: 1000, cbs: 1500, ebs: 500 };
        let mut b = TokenBuckets::EMPTY;
        let mut color = |now, octets| b.color(&rates, 1, at(now), octets);
        assert_eq!(color(0, 1500), Color::Green);
        assert_eq!((color(0, 500), color(0, 1)), (Color::Yellow, Color::Red));
        // A tenth of a second brings 100.
        assert_eq!((color(SECOND / 10, 101), color(SECOND / 10, 100)), (Color::Red, Color::Green));
        // Two seconds fill the first bucket and the second.
        assert_eq!(color(3 * SECOND, 1500), Color::Green);
        assert_eq!((color(3 * SECOND, 501), color(3 * SECOND, 500)), (Color::Red, Color::Yellow));
        // A clock that goes back brings nothing.
        assert_eq!(color(SECOND, 1), Color::Red);
        assert_eq!(color(3 * SECOND + 999, 1), Color::Red);
        assert_eq!(color(3 * SECOND + 1000, 1), Color::Green);
    }

    /// RFC 2698 §3: above the peak rate is red, above the committed one yellow.
    #[test]
    fn two_rates_color_by_peak_then_committed() {
        let rates = Rates::Two { cir: 1000, cbs: 1000, pir: 2000, pbs: 2000 };
        let mut b = TokenBuckets::EMPTY;
        let mut color = |now, octets| b.color(&rates, 1, at(now), octets);
        assert_eq!((color(0, 1000), color(0, 1000), color(0, 1)), (Color::Green, Color::Yellow, Color::Red));
        assert_eq!((color(SECOND / 2, 500), color(SECOND / 2, 500)), (Color::Green, Color::Yellow));
        // A red packet takes nothing.
        assert_eq!((color(SECOND / 2, 5000), color(SECOND, 500)), (Color::Red, Color::Green));
    }

    #[test]
    fn a_new_policer_begins_with_full_buckets_and_a_changed_one_keeps_them() {
        let mut slots = [const { PolicerSlot::EMPTY }; 3];
        let grace = &mut Grace::new(&[]);
        let mut table = PolicerWriter::new(&mut slots);
        let policer = |cir, unit| Policer { rates: Rates::Single { cir, cbs: 2, ebs: 0 }, unit, drop_yellow: true };
        let mut buckets = [TokenBuckets::EMPTY; 2];
        table.set(grace, PolicerId(1), &policer(1, Unit::Packets)).unwrap();
        let word = table.word(PolicerId(1)).unwrap();
        let reader = table.reader();
        let mut passes = |now| reader.passes(&mut buckets, word, at(now), 9000);
        assert_eq!([passes(5), passes(5), passes(5)], [true, true, false]);
        table.set(grace, PolicerId(1), &policer(2, Unit::Packets)).unwrap();
        assert_eq!((passes(6), passes(500_005)), (false, true));
        table.clear(grace, PolicerId(1));
        assert_eq!([passes(7), passes(7), passes(7)], [true; 3]);
        table.set(grace, PolicerId(1), &policer(1, Unit::Packets)).unwrap();
        assert_eq!([passes(500_005), passes(500_005), passes(500_005)], [true, true, false]);
        table.set(grace, PolicerId(0), &policer(1, Unit::Octets)).unwrap();
        assert!(!reader.passes(&mut buckets, 1, at(9), 3) && reader.passes(&mut buckets, 1, at(9), 2));
        assert!(reader.passes(&mut buckets, 0, at(9), 9000) && reader.passes(&mut buckets, 99, at(9), 9000));
        assert_eq!(table.word(PolicerId(2)), Err(ApplyError::TableFull(Table::Policer)));
    }

    #[test]
    fn rates_that_make_no_sense_are_refused_and_others_survive() {
        let mut slots = [const { PolicerSlot::EMPTY }; 2];
        let grace = &mut Grace::new(&[]);
        let mut table = PolicerWriter::new(&mut slots);
        let id = PolicerId(0);
        let policer = |rates| Policer { rates, unit: Unit::Octets, drop_yellow: false };
        for rates in [
            Rates::Single { cir: 1, cbs: 0, ebs: 0 },
            Rates::Two { cir: 2, cbs: 1, pir: 1, pbs: 1 },
            Rates::Two { cir: 1, cbs: 0, pir: 1, pbs: 0 },
        ] {
            assert_eq!(table.set(grace, id, &policer(rates)), Err(ApplyError::Rates(id)));
        }
        let rates = Rates::Two { cir: u64::MAX - 1, cbs: 7, pir: u64::MAX, pbs: u32::MAX };
        table.set(grace, id, &policer(rates)).unwrap();
        assert_eq!(table.reader().get(id), Some(policer(rates)));
    }

    proptest! {
        /// Whatever arrives, no more passes than the rate and one burst, and no less than the rate when there is enough.
        #[test]
        fn no_more_passes_than_rate_and_burst(
            cir in 1_u64..10_000_000,
            burst in 1500_u32..100_000,
            packets in proptest::collection::vec((0_u64..2000, 64_u64..1500), 1..500),
        ) {
            let rates = Rates::Single { cir, cbs: burst, ebs: 0 };
            let mut b = TokenBuckets::EMPTY;
            let (mut now, mut passed) = (0_u64, 0_u64);
            for (gap, octets) in packets {
                now += gap;
                if b.color(&rates, 1, at(now), octets) == Color::Green {
                    passed += octets;
                }
                prop_assert!(u128::from(passed) * 1_000_000 <= u128::from(cir) * u128::from(now) + u128::from(burst) * 1_000_000);
            }
        }
    }

    #[test]
    fn ten_seconds_at_twice_the_rate_let_the_rate_through() {
        // 20 Mb/s offered, 10 Mb/s allowed, frames of 1,250 octets each half a millisecond.
        let rates = Rates::Single { cir: 1_250_000, cbs: 12_500, ebs: 0 };
        let mut b = TokenBuckets::EMPTY;
        let passed = (0..20_000_u64).filter(|n| b.color(&rates, 1, at(n * 500), 1250) == Color::Green).count();
        let bits = passed * 1250 * 8 / 10;
        assert!((9_800_000..=10_200_000).contains(&bits), "{bits} b/s");
    }
}
