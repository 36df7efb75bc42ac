//! Time without a clock: the embedder says what time it is.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time, in microseconds since an epoch that the embedder chooses.
///
/// Machines never read a clock; every input carries the current `Instant`. An `Instant` handed to a machine
/// must not be smaller than the one before. Arithmetic saturates.
///
/// ```
/// use core::time::Duration;
/// use fwd_core::time::Instant;
/// let t = Instant::from_micros(1_000_000);
/// assert_eq!(t + Duration::from_millis(500), Instant::from_micros(1_500_000));
/// assert_eq!(Instant::ZERO - t, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The embedder's epoch.
    pub const ZERO: Self = Self(0);

    /// An instant `us` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// An instant `s` seconds after the epoch, saturating.
    #[must_use]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
