//! What a service level agreement asks for, from counters and time stamps: loss, delay, delay variation, join and leave delay, traffic by
//! period (RFC 6374, RFC 9341, RFC 6049, RFC 5644, RFC 2432).
//!
//! Nothing here looks at packets. A sender hands its transmit counter, or the time, along with a probe or with a change of colour; a
//! receiver hands in its own. [`Session`] puts both together, for a unicast path and for the way from the root of a tree to one leaf
//! alike: a root needs one message for all leaves, each leaf a session of its own.
//!
//! ```
//! use core::time::Duration;
//! use fwd_core::measure::{Reading, Session};
//! use fwd_core::time::Instant;
//!
//! let mut session: Session<8> = Session::new(Duration::from_millis(1));
//! session.reading(Reading { sent_at: Instant::ZERO, sent: 0, arrived_at: Instant::from_micros(900), arrived: 0 });
//! session.reading(Reading { sent_at: Instant::from_secs(1), sent: 100, arrived_at: Instant::from_micros(1_002_500), arrived: 99 });
//! assert_eq!((session.loss().sent, session.loss().lost), (100, 1));
//! assert_eq!(*session.delay().counts(), [1, 0, 1, 0, 0, 0, 0, 0]);
//! ```

use core::time::Duration;

use crate::counters::GroupCounters;
use crate::time::Instant;

/// What one message of a sender and its arrival say (RFC 6374 §2.2, §2.4): the clocks are to be synchronized for delay, for its variation
/// and for loss they need not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When the message left.
    pub sent_at: Instant,
    /// Packets that had left before it.
    pub sent: u64,
    /// When it arrived.
    pub arrived_at: Instant,
    /// Packets that had arrived before it.
    pub arrived: u64,
}

impl Reading {
    const fn delay(&self) -> Duration {
        between(self.sent_at, self.arrived_at)
    }
}

/// Loss of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Packets sent between readings.
    pub sent: u64,
    /// Of these, packets that did not arrive.
    pub lost: u64,
    /// Readings that say nothing, because a counter was set back or more arrived than was sent; they begin anew.
    pub void: u64,
}

impl Loss {
    /// Lost of a million.
    #[must_use]
    pub const fn per_million(&self) -> u64 {
        match (self.lost as u128).saturating_mul(1_000_000).checked_div(self.sent as u128) {
            Some(share) => share as u64,
            None => 0,
        }
    }
}

/// How often values were in each of `N` buckets of one width: the last bucket takes what is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    width: Duration,
    counts: [u64; N],
}

impl<const N: usize> Histogram<N> {
    /// No value yet. A width of nothing is taken as a microsecond.
    #[must_use]
    pub fn new(width: Duration) -> Self {
        Self { width: width.max(Duration::from_micros(1)), counts: [0; N] }
    }

    /// Counts a value.
    pub fn add(&mut self, value: Duration) {
        let at = value.as_micros().checked_div(self.width.as_micros()).and_then(|at| usize::try_from(at).ok());
        let last = N.saturating_sub(1);
        if let Some(count) = self.counts.get_mut(at.unwrap_or(last).min(last)) {
            *count = count.saturating_add(1);
        }
    }

    /// Values by bucket.
    #[must_use]
    pub const fn counts(&self) -> &[u64; N] {
        &self.counts
    }

    /// Values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The least upper end of a bucket below which this share of the values is, in thousandths (RFC 6049 §4.2.4); none without values.
    #[must_use]
    pub fn quantile(&self, thousandths: u16) -> Option<Duration> {
        let total = u128::from(self.total());
        let wanted = total.saturating_mul(u128::from(thousandths.min(1000))).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        let at = self.counts.iter().position(|n| {
            seen = seen.saturating_add(u128::from(*n));
            seen >= wanted
        })?;
        self.width.checked_mul(u32::try_from(at).ok()?.checked_add(1)?)
    }
}

/// A measured path: unicast, or from the root of a tree to one leaf.
#[derive(Clone, Copy, Debug)]
pub struct Session<const N: usize> {
    last: Option<Reading>,
    loss: Loss,
    delay: Histogram<N>,
    variation: Histogram<N>,
    least: Option<Duration>,
    most: Option<Duration>,
}

impl<const N: usize> Session<N> {
    /// A session whose histograms have buckets of this width.
    #[must_use]
    pub fn new(width: Duration) -> Self {
        let empty = Histogram::new(width);
        Self { last: None, loss: Loss::default(), delay: empty, variation: empty, least: None, most: None }
    }

    /// Takes a reading. Readings come in the order in which they were sent; one that was overtaken is void.
    pub fn reading(&mut self, now: Reading) {
        let delay = now.delay();
        self.delay.add(delay);
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
        self.most = Some(self.most.map_or(delay, |most| most.max(delay)));
        let Some(last) = self.last.replace(now) else { return };
        // RFC 5481 §4.1: from one packet to the next.
        self.variation.add(delay.abs_diff(last.delay()));
        let sent = now.sent.checked_sub(last.sent);
        let arrived = now.arrived.checked_sub(last.arrived);
        match sent.zip(arrived).and_then(|(sent, arrived)| Some((sent, sent.checked_sub(arrived)?))) {
            Some((sent, lost)) => {
                self.loss.sent = self.loss.sent.saturating_add(sent);
                self.loss.lost = self.loss.lost.saturating_add(lost);
            }
            None => self.loss.void = self.loss.void.saturating_add(1),
        }
    }

    /// Loss since the first reading (RFC 6374 §2.2).
    #[must_use]
    pub const fn loss(&self) -> Loss {
        self.loss
    }

    /// One-way delay (RFC 6049 §4).
    #[must_use]
    pub const fn delay(&self) -> &Histogram<N> {
        &self.delay
    }

    /// Inter-packet delay variation (RFC 5481 §4.1).
    #[must_use]
    pub const fn variation(&self) -> &Histogram<N> {
        &self.variation
    }

    /// The shortest and the longest delay.
    #[must_use]
    pub fn range(&self) -> Option<(Duration, Duration)> {
        self.least.zip(self.most)
    }
}

/// Alternate marking (RFC 9341 §3): packets are coloured by turns of a period, and each end counts by colour. What a colour lost is
/// known when its turn is over, whatever the order in which packets arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alternate {
    /// What had been sent and had arrived of each colour at the end of its last turn.
    last: [(u64, u64); 2],
    loss: Loss,
}

impl Alternate {
    /// A turn of a colour is over, and packets on their way have arrived: half a turn later is the usual guard (RFC 9341 §5).
    /// `sent`, `arrived`: packets of the colour since the counters began.
    pub fn turn(&mut self, colour: bool, sent: u64, arrived: u64) {
        let [even, odd] = &mut self.last;
        let last = if colour { odd } else { even };
        let (was_sent, was_arrived) = core::mem::replace(last, (sent, arrived));
        let turn = sent.checked_sub(was_sent).zip(arrived.checked_sub(was_arrived));
        match turn.and_then(|(sent, arrived)| Some((sent, sent.checked_sub(arrived)?))) {
            Some((sent, lost)) => {
                self.loss.sent = self.loss.sent.saturating_add(sent);
                self.loss.lost = self.loss.lost.saturating_add(lost);
            }
            None => self.loss.void = self.loss.void.saturating_add(1),
        }
    }

    /// Loss of all turns that are over.
    #[must_use]
    pub const fn loss(&self) -> Loss {
        self.loss
    }
}

/// Multicast traffic of a period (RFC 4834 §5.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that were to be copied.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Copies sent.
    pub copies: u64,
    /// Packets dropped before they were copied, whatever the reason, and copies that could not be sent.
    pub dropped: u64,
}

impl Traffic {
    /// What a group's counters say; `dropped` counts packets that met no group.
    #[must_use]
    pub const fn of(group: &GroupCounters, dropped: u64) -> Self {
        let dropped = dropped.wrapping_add(group.lost);
        Self { packets: group.packets, octets: group.octets, copies: group.copies, dropped }
    }

    const fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(before.packets),
            octets: self.octets.wrapping_sub(before.octets),
            copies: self.copies.wrapping_sub(before.copies),
            dropped: self.dropped.wrapping_sub(before.dropped),
        }
    }
}

/// Traffic by period, the last `N` of them: a second, a minute, a quarter of an hour, by a table for each.
#[derive(Clone, Copy, Debug)]
pub struct Periods<const N: usize> {
    period: Duration,
    /// When the period that runs began, and what had been counted then.
    begun: (Instant, Traffic),
    done: [Traffic; N],
    /// Periods that are over.
    count: u64,
}

impl<const N: usize> Periods<N> {
    /// The first period begins. A period of nothing is taken as a microsecond.
    #[must_use]
    pub fn new(now: Instant, period: Duration, traffic: Traffic) -> Self {
        let period = period.max(Duration::from_micros(1));
        Self {
            period,
            begun: (now, traffic),
            done: [Traffic { packets: 0, octets: 0, copies: 0, dropped: 0 }; N],
            count: 0,
        }
    }

    /// When the period that runs is over: the counters are to be read then.
    #[must_use]
    pub fn next(&self) -> Instant {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(self.begun.0.as_micros().saturating_add(period))
    }

    /// Takes the counters as they are. Periods that went by unread share what was counted in them: it all goes to the first, the others
    /// stay empty, and none is lost.
    pub fn read(&mut self, now: Instant, traffic: Traffic) {
        let elapsed = now.as_micros().saturating_sub(self.begun.0.as_micros());
        let Some(over) = u128::from(elapsed).checked_div(self.period.as_micros()).filter(|over| *over > 0) else {
            return;
        };
        let (_, before) = self.begun;
        self.push(traffic.since(&before));
        // Of more empty periods than are kept, the last are enough.
        for _ in 1..over.min(1_u128.saturating_add(N as u128)) {
            self.push(Traffic::default());
        }
        let length = u64::try_from(self.period.as_micros().saturating_mul(over)).unwrap_or(u64::MAX);
        self.begun = (Instant::from_micros(self.begun.0.as_micros().saturating_add(length)), traffic);
    }

    fn push(&mut self, traffic: Traffic) {
        let at = usize::try_from(self.count.checked_rem(N as u64).unwrap_or(0)).unwrap_or(0);
        if let Some(place) = self.done.get_mut(at) {
            *place = traffic;
        }
        self.count = self.count.saturating_add(1);
    }

    /// A period that is over: 0 is the last one.
    #[must_use]
    pub fn ago(&self, periods: u64) -> Option<Traffic> {
        let number = self.count.checked_sub(periods.checked_add(1)?)?;
        let is_kept = periods < N as u64;
        let at = usize::try_from(number.checked_rem(N as u64)?).ok()?;
        self.done.get(at).copied().filter(|_| is_kept)
    }
}

/// Join and leave delay of a stream at one place (RFC 2432 §3.4): from the join to the first packet, from the leave to the last.
///
/// The embedder says when a packet was seen, be it from the counters of the stream's group: delays are then as exact as it reads these often.
#[derive(Clone, Copy, Debug)]
pub struct Membership<const N: usize> {
    /// Joined, and no packet yet.
    joined: Option<Instant>,
    /// Left, and the last packet since.
    left: Option<(Instant, Instant)>,
    join: Histogram<N>,
    leave: Histogram<N>,
}

impl<const N: usize> Membership<N> {
    /// Not joined; histograms have buckets of this width.
    #[must_use]
    pub fn new(width: Duration) -> Self {
        let empty = Histogram::new(width);
        Self { joined: None, left: None, join: empty, leave: empty }
    }

    /// The stream is joined. What a leave before it took is known by this.
    pub fn joined(&mut self, now: Instant) {
        if let Some((left, last)) = self.left.take() {
            self.leave.add(between(left, last));
        }
        self.joined = Some(now);
    }

    /// The stream is left.
    pub fn left(&mut self, now: Instant) {
        self.joined = None;
        self.left = Some((now, now));
    }

    /// A packet was seen.
    pub fn packet(&mut self, now: Instant) {
        if let Some(joined) = self.joined.take() {
            self.join.add(between(joined, now));
        }
        if let Some((_, last)) = &mut self.left {
            *last = now;
        }
    }

    /// Join delays.
    #[must_use]
    pub const fn join_delay(&self) -> &Histogram<N> {
        &self.join
    }

    /// Leave delays of leaves that were followed by a join.
    #[must_use]
    pub const fn leave_delay(&self) -> &Histogram<N> {
        &self.leave
    }
}

const fn between(from: Instant, to: Instant) -> Duration {
    Duration::from_micros(to.as_micros().saturating_sub(from.as_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A path that delays, and loses what it is told to.
    struct Path {
        rng: u64,
        sent: u64,
        arrived: u64,
    }

    impl Path {
        fn random(&mut self, below: u64) -> u64 {
            self.rng = self.rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.rng >> 33) % below
        }
    }

    /// A root sends 1,000 packets a second and a message each 100 ms. One leaf of four loses a thousandth and is late by 0 to 10 ms: the
    /// figures of that leaf are within a tenth, the others' are clean. The same session measures a unicast path.
    ///
    /// Shows: MVPN-COAM-3, MVPN-COAM-4, MVPN-TRB-5
    #[test]
    fn loss_and_jitter_are_those_of_the_branch() {
        let mut paths = [1, 2, 3, 4, 5].map(|seed| (Path { rng: seed, sent: 0, arrived: 0 }, Session::<32>::new(MS)));
        let mut truth = [0_u64; 5];
        for tick in 0..400_000_u64 {
            let now = Instant::from_micros(tick * 1000);
            // Path 2 is a branch of the tree, 4 is unicast; both are bad in the same way.
            for (n, (path, session)) in paths.iter_mut().enumerate() {
                let is_bad = n == 2 || n == 4;
                let is_lost = is_bad && path.random(1000) == 0;
                path.sent += 1;
                path.arrived += u64::from(!is_lost);
                truth[n] += u64::from(is_lost);
                if tick % 100 == 99 {
                    let jitter = if is_bad { path.random(10_000) } else { 0 };
                    let arrived_at = now + MS * 5 + Duration::from_micros(jitter);
                    session.reading(Reading { sent_at: now, sent: path.sent, arrived_at, arrived: path.arrived });
                }
            }
        }
        for (n, (_, session)) in paths.iter().enumerate() {
            let loss = session.loss();
            let (least, most) = session.range().unwrap();
            if n == 2 || n == 4 {
                // What the first message begins with is not known to it.
                assert!(loss.lost <= truth[n] && truth[n] - loss.lost <= 2, "{loss:?} of {}", truth[n]);
                assert!((900..1100).contains(&loss.per_million()), "{loss:?}");
                assert!(least < MS * 6 && most > MS * 14 && most < MS * 15 + MS, "{least:?} {most:?}");
                let mean: u64 = session.variation().counts().iter().zip(0..).map(|(n, at)| n * (2 * at + 1)).sum();
                // The mean difference of two values between 0 and 10 ms is a third of that.
                let mean = mean as f64 / 2.0 / session.variation().total() as f64;
                assert!((3.0..3.7).contains(&mean), "{mean}");
            } else {
                assert_eq!((loss.lost, loss.void, least, most), (0, 0, MS * 5, MS * 5));
                assert_eq!(session.variation().counts()[0], 3999);
            }
        }
    }

    /// Every value is in the bucket that its time stamps say.
    ///
    /// Shows: MVPN-COAM-8, MVPN-OAM-9
    #[test]
    fn the_histogram_is_exact_to_its_buckets() {
        let mut session: Session<16> = Session::new(Duration::from_micros(1));
        for delay in 0..40_u64 {
            let sent_at = Instant::from_secs(delay);
            let arrived_at = sent_at + Duration::from_micros(delay % 20);
            session.reading(Reading { sent_at, sent: 0, arrived_at, arrived: 0 });
        }
        let mut expected = [2; 16];
        expected[15] = 10;
        assert_eq!(session.delay().counts(), &expected);
        assert_eq!(session.delay().quantile(500), Some(Duration::from_micros(10)));
        assert_eq!(session.delay().quantile(1000), Some(Duration::from_micros(16)));
        assert_eq!(Histogram::<4>::new(MS).quantile(500), None);
        Histogram::<0>::new(Duration::ZERO).add(MS);
    }

    #[test]
    fn counters_that_are_set_back_void_a_reading() {
        let mut session: Session<4> = Session::new(MS);
        let reading = |sent, arrived| Reading { sent_at: Instant::ZERO, sent, arrived_at: Instant::ZERO, arrived };
        for (sent, arrived) in [(100, 100), (200, 190), (10, 5), (20, 15), (30, 40)] {
            session.reading(reading(sent, arrived));
        }
        assert_eq!(session.loss(), Loss { sent: 110, lost: 10, void: 2 });
    }

    #[test]
    fn delays_of_joins_and_leaves() {
        let mut membership: Membership<8> = Membership::new(MS);
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        membership.packet(at(0));
        for (joined, first, left, last) in [(10, 13, 100, 105), (200, 200, 300, 300)] {
            membership.joined(at(joined));
            membership.packet(at(first));
            membership.packet(at(first + 1));
            membership.left(at(left));
            membership.packet(at(last));
        }
        membership.joined(at(1000));
        assert_eq!(membership.join_delay().counts(), &[1, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(membership.leave_delay().counts(), &[1, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn colours_by_turns() {
        let mut alternate = Alternate::default();
        for (colour, sent, arrived) in [(false, 100, 99), (true, 100, 100), (false, 200, 197), (true, 200, 200)] {
            alternate.turn(colour, sent, arrived);
        }
        assert_eq!(alternate.loss(), Loss { sent: 400, lost: 3, void: 0 });
        assert_eq!(alternate.loss().per_million(), 7500);
        alternate.turn(true, 0, 0);
        assert_eq!((alternate.loss().void, Loss::default().per_million()), (1, 0));
    }

    #[test]
    fn periods_are_kept_and_none_is_lost() {
        let traffic = |n: u64| Traffic { packets: n, octets: 10 * n, copies: 2 * n, dropped: n / 10 };
        let mut periods: Periods<3> = Periods::new(Instant::ZERO, Duration::from_secs(1), traffic(5));
        assert_eq!((periods.ago(0), periods.next()), (None, Instant::from_secs(1)));
        periods.read(Instant::from_micros(999_999), traffic(7));
        assert_eq!(periods.ago(0), None);
        periods.read(Instant::from_secs(1), traffic(15));
        assert_eq!(periods.ago(0).map(|t| (t.packets, t.octets, t.copies, t.dropped)), Some((10, 100, 20, 1)));
        periods.read(Instant::from_secs(4), traffic(25));
        assert_eq!([0, 1, 2, 3].map(|n| periods.ago(n).map(|t| t.packets)), [Some(0), Some(0), Some(10), None]);
        // A counter that wraps counts on.
        let mut periods: Periods<1> =
            Periods::new(Instant::ZERO, MS, Traffic { packets: u64::MAX, ..Traffic::default() });
        periods.read(Instant::from_secs(0) + MS, Traffic { packets: 4, ..Traffic::default() });
        assert_eq!(periods.ago(0).unwrap().packets, 5);
    }
}
