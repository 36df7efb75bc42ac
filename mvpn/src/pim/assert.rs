//! Assert state machines of (S,G) and (*,G) on an interface (RFC 7761 §4.6).

use core::cmp::Ordering;

use super::downstream::Unexpected;

/// An assert metric (RFC 7761 §4.6.3). The lower is better; of equal ones that of the higher address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssertMetric<A> {
    /// Of the route to the RP rather than to the source.
    pub rpt: bool,
    /// Preference of the route.
    pub preference: u32,
    /// Metric of the route.
    pub metric: u32,
    /// Primary address of the router.
    pub address: A,
}

/// The preference of a metric that no route has: 31 bits.
pub const INFINITE_PREFERENCE: u32 = 0x7fff_ffff;
/// The metric that no route has.
pub const INFINITE_METRIC: u32 = u32::MAX;

impl<A: Copy + Ord> AssertMetric<A> {
    /// infinite_assert_metric(): what an AssertCancel says.
    pub const fn infinite(address: A) -> Self {
        Self { rpt: true, preference: INFINITE_PREFERENCE, metric: INFINITE_METRIC, address }
    }

    /// Whether it says that nothing is forwarded.
    pub const fn is_infinite(&self) -> bool {
        self.rpt && self.preference == INFINITE_PREFERENCE && self.metric == INFINITE_METRIC
    }

    /// Whether it wins over `other`.
    pub fn is_better(&self, other: &Self) -> bool {
        let key = |m: &Self| (m.rpt, m.preference, m.metric);
        match key(self).cmp(&key(other)) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => self.address > other.address,
        }
    }
}

/// The states of both machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssertState {
    /// No Assert.
    #[default]
    NoInfo,
    /// I am Assert Winner.
    Winner,
    /// I am Assert Loser.
    Loser,
}

impl AssertState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::NoInfo, Self::Winner, Self::Loser];
}

/// The events of both machines. What an Assert is (inferior, acceptable, preferred) and whether it counts is judged
/// before: see `router.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssertEvent {
    /// In NoInfo: an inferior Assert with the machine's RPT bit, or an RPT Assert to an (S,G) machine with CouldAssert. In Winner:
    /// an inferior Assert.
    ReceiveInferior,
    /// In NoInfo: an acceptable Assert with the machine's RPT bit and AssertTrackingDesired.
    ReceiveAcceptable,
    /// In Winner and Loser: an Assert that is better than the winner's.
    ReceivePreferred,
    /// In Loser: an acceptable Assert of the current winner.
    ReceiveAcceptableFromWinner,
    /// In Loser: an inferior Assert or an AssertCancel of the current winner.
    ReceiveInferiorFromWinner,
    /// A data packet arrives on the interface, and CouldAssert.
    DataArrives,
    /// The Assert Timer expires.
    AssertTimerExpires,
    /// CouldAssert becomes false.
    CouldNotAssert,
    /// AssertTrackingDesired becomes false.
    NoTrackingDesired,
    /// The winner's generation ID changes, or it is gone.
    WinnerRestarts,
    /// The own metric becomes better than the winner's.
    MyMetricBetter,
    /// RPF_interface stops being the interface.
    RpfInterfaceChanges,
    /// A Join to this router is received on the interface.
    ReceiveJoin,
}

impl AssertEvent {
    /// All events.
    pub const ALL: [Self; 13] = [
        Self::ReceiveInferior,
        Self::ReceiveAcceptable,
        Self::ReceivePreferred,
        Self::ReceiveAcceptableFromWinner,
        Self::ReceiveInferiorFromWinner,
        Self::DataArrives,
        Self::AssertTimerExpires,
        Self::CouldNotAssert,
        Self::NoTrackingDesired,
        Self::WinnerRestarts,
        Self::MyMetricBetter,
        Self::RpfInterfaceChanges,
        Self::ReceiveJoin,
    ];
}

/// The actions, by the names of RFC 7761 §4.6.1. A6 exists for (S,G) only; a (*,G) machine takes it as A2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssertAction {
    /// Send an Assert, set the Assert Timer short, become the winner.
    A1,
    /// Store the new winner, set the Assert Timer.
    A2,
    /// Send an Assert, set the Assert Timer short.
    A3,
    /// Send an AssertCancel, forget the winner.
    A4,
    /// Forget the winner.
    A5,
    /// As A2; if the interface is RPF_interface(S) and (S,G) is joined, set the SPT bit.
    A6,
}

/// The transition of either machine (RFC 7761 figures 8 and 9).
///
/// # Errors
/// [`Unexpected`]: an event that means nothing in this state.
pub const fn assert_transition(
    state: AssertState,
    event: AssertEvent,
) -> Result<(AssertState, AssertAction), Unexpected> {
    use AssertAction::{A1, A2, A3, A4, A5, A6};
    use AssertEvent as E;
    use AssertState as S;
    Ok(match (state, event) {
        (S::NoInfo, E::ReceiveInferior | E::DataArrives) => (S::Winner, A1),
        (S::NoInfo, E::ReceiveAcceptable) => (S::Loser, A6),
        (S::Winner, E::AssertTimerExpires | E::ReceiveInferior) => (S::Winner, A3),
        (S::Winner, E::ReceivePreferred) => (S::Loser, A2),
        (S::Winner, E::CouldNotAssert) => (S::NoInfo, A4),
        (S::Loser, E::ReceivePreferred | E::ReceiveAcceptableFromWinner) => (S::Loser, A2),
        (
            S::Loser,
            E::ReceiveInferiorFromWinner
            | E::AssertTimerExpires
            | E::WinnerRestarts
            | E::NoTrackingDesired
            | E::MyMetricBetter
            | E::RpfInterfaceChanges
            | E::ReceiveJoin,
        ) => (S::NoInfo, A5),
        _ => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_compared_as_the_rfc_orders_them() {
        let metric = |rpt, preference, metric, address| AssertMetric { rpt, preference, metric, address };
        let base = metric(false, 110, 20, 5_u32);
        for better in [metric(false, 100, 99, 1), metric(false, 110, 19, 1), metric(false, 110, 20, 6)] {
            assert!(better.is_better(&base) && !base.is_better(&better), "{better:?}");
        }
        for worse in [metric(true, 0, 0, 9), metric(false, 111, 0, 9), AssertMetric::infinite(9)] {
            assert!(!worse.is_better(&base) && base.is_better(&worse), "{worse:?}");
        }
        assert!(AssertMetric::infinite(1).is_infinite() && !base.is_better(&base));
    }
}
