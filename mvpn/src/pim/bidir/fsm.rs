//! The election of the designated forwarder, as a function (RFC 5015 §3.5.3.5, figure 3).

use crate::pim::downstream::Unexpected;

/// States of the election on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DfState {
    /// This router may become the DF and says its metric.
    #[default]
    Offer,
    /// Another router is the DF, or nobody has a path.
    Lose,
    /// This router is the DF.
    Win,
    /// This router is the DF until it passes the task to the best of those who offered more.
    Backoff,
}

impl DfState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Offer, Self::Lose, Self::Win, Self::Backoff];

    /// Whether this router forwards: it is the acting DF.
    #[must_use]
    pub const fn is_acting(self) -> bool {
        matches!(self, Self::Win | Self::Backoff)
    }
}

/// Events of the election. Better and worse are judged against this router's metric: of Offer and Winner that of the sender, of Backoff
/// and Pass that of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DfEvent {
    /// A Pass or a Winner that is better.
    ReceiveBetterPassOrWinner,
    /// A Backoff whose target is better.
    ReceiveBetterBackoff,
    /// An Offer that is better.
    ReceiveBetterOffer,
    /// A Backoff whose target is this router.
    ReceiveBackoffForUs,
    /// A Pass whose target is this router.
    ReceivePassForUs,
    /// A Pass, Winner or Backoff that is worse.
    ReceiveWorsePassWinnerOrBackoff,
    /// An Offer that is worse.
    ReceiveWorseOffer,
    /// The timer expires; in Offer and Win with MC less than the robustness.
    TimerExpires,
    /// The timer expires in Offer, MC is the robustness, and there is a path to the RPA.
    TimerExpiresWithPath,
    /// The same without a path.
    TimerExpiresWithoutPath,
    /// The metric of this router is worse than it was.
    MetricWorse,
    /// The metric of this router is better than that of the DF, or in Backoff than the best offer.
    MetricBetter,
    /// The DF is silent, or the route to the RPA leaves it.
    DfFailure,
    /// There is no route to the RPA, or it leads out of the link itself.
    PathLost,
}

impl DfEvent {
    /// All events.
    pub const ALL: [Self; 14] = [
        Self::ReceiveBetterPassOrWinner,
        Self::ReceiveBetterBackoff,
        Self::ReceiveBetterOffer,
        Self::ReceiveBackoffForUs,
        Self::ReceivePassForUs,
        Self::ReceiveWorsePassWinnerOrBackoff,
        Self::ReceiveWorseOffer,
        Self::TimerExpires,
        Self::TimerExpiresWithPath,
        Self::TimerExpiresWithoutPath,
        Self::MetricWorse,
        Self::MetricBetter,
        Self::DfFailure,
        Self::PathLost,
    ];
}

/// What a transition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DfAction {
    /// DF = who sent the Winner, or whom the Pass names; of a Backoff the sender.
    SetDfToSenderOrTarget,
    /// DF = the sender.
    SetDfToSender,
    /// DF = this router.
    SetDfToMe,
    /// DF = the best offer.
    SetDfToBest,
    /// DF = None.
    SetDfToNone,
    /// Best = the sender.
    SetBest,
    /// Stop the timer.
    StopTimer,
    /// DFT = OPlow: half to one Offer_Period.
    SetTimerLow,
    /// DFT ?= OPlow: only if it does not run, or for longer.
    LowerTimer,
    /// DFT = OPhigh: the robustness times Offer_Period.
    SetTimerHigh,
    /// DFT = BOperiod + OPlow, with the period of the Backoff.
    SetTimerBackoffLow,
    /// DFT = BOperiod.
    SetTimerBackoff,
    /// MC = 0.
    ClearCount,
    /// MC = MC + 1.
    IncrementCount,
    /// Send Offer.
    SendOffer,
    /// Send Winner.
    SendWinner,
    /// Send Backoff.
    SendBackoff,
    /// Send Pass.
    SendPass,
}

use DfAction::{
    ClearCount, IncrementCount, LowerTimer, SendBackoff, SendOffer, SendPass, SendWinner, SetBest, SetDfToBest,
    SetDfToMe, SetDfToNone, SetDfToSender, SetDfToSenderOrTarget, SetTimerBackoff, SetTimerBackoffLow, SetTimerHigh,
    SetTimerLow, StopTimer,
};

type Cell = Result<(DfState, &'static [DfAction]), Unexpected>;

/// The transition of the election. It starts in Offer with MC = 0 and DFT = OPlow.
///
/// # Errors
/// [`Unexpected`]: a cell that figure 3 does not have.
pub const fn df_transition(state: DfState, event: DfEvent) -> Cell {
    match state {
        DfState::Offer => offer(event),
        DfState::Lose => lose(event),
        DfState::Win => win(event),
        DfState::Backoff => backoff(event),
    }
}

const fn offer(event: DfEvent) -> Cell {
    use DfEvent as E;
    use DfState as S;
    Ok(match event {
        E::ReceiveBetterPassOrWinner => (S::Lose, &[SetDfToSenderOrTarget, StopTimer]),
        E::ReceiveBetterBackoff | E::ReceiveBackoffForUs => (S::Offer, &[SetTimerBackoffLow, ClearCount]),
        E::ReceiveBetterOffer => (S::Offer, &[SetTimerHigh, ClearCount]),
        E::ReceivePassForUs => (S::Win, &[SetDfToMe, StopTimer]),
        E::ReceiveWorsePassWinnerOrBackoff => (S::Offer, &[SetDfToSenderOrTarget, LowerTimer, ClearCount]),
        E::ReceiveWorseOffer | E::MetricWorse => (S::Offer, &[LowerTimer, ClearCount]),
        E::TimerExpires => (S::Offer, &[SendOffer, SetTimerLow, IncrementCount]),
        E::TimerExpiresWithPath => (S::Win, &[SetDfToMe, SendWinner]),
        E::TimerExpiresWithoutPath => (S::Lose, &[SetDfToNone]),
        E::MetricBetter | E::DfFailure | E::PathLost => return Err(Unexpected),
    })
}

const fn lose(event: DfEvent) -> Cell {
    use DfEvent as E;
    use DfState as S;
    Ok(match event {
        E::ReceiveBetterPassOrWinner => (S::Lose, &[SetDfToSenderOrTarget]),
        E::ReceiveBetterBackoff => (S::Lose, &[SetDfToSender]),
        E::ReceiveBetterOffer => (S::Offer, &[SetTimerHigh, ClearCount]),
        E::ReceiveBackoffForUs | E::ReceivePassForUs => (S::Offer, &[SetDfToSender, SetTimerLow, ClearCount]),
        E::ReceiveWorsePassWinnerOrBackoff => (S::Offer, &[SetDfToSenderOrTarget, SetTimerLow, ClearCount]),
        E::ReceiveWorseOffer | E::MetricBetter => (S::Offer, &[SetTimerLow, ClearCount]),
        E::DfFailure => (S::Offer, &[SetDfToNone, SetTimerLow, ClearCount]),
        E::TimerExpires | E::TimerExpiresWithPath | E::TimerExpiresWithoutPath | E::MetricWorse | E::PathLost => {
            return Err(Unexpected);
        }
    })
}

const fn win(event: DfEvent) -> Cell {
    use DfEvent as E;
    use DfState as S;
    Ok(match event {
        E::ReceiveBetterPassOrWinner => (S::Lose, &[SetDfToSenderOrTarget, StopTimer]),
        E::ReceiveBetterBackoff => (S::Lose, &[SetDfToSender, StopTimer]),
        E::ReceiveBetterOffer => (S::Backoff, &[SetBest, SendBackoff, SetTimerBackoff]),
        E::ReceiveBackoffForUs | E::ReceivePassForUs => (S::Offer, &[SetDfToSender, SetTimerLow, ClearCount]),
        E::ReceiveWorsePassWinnerOrBackoff => (S::Offer, &[SetDfToSenderOrTarget, SetTimerLow, ClearCount]),
        E::ReceiveWorseOffer => (S::Win, &[SendWinner]),
        E::TimerExpires => (S::Win, &[SendWinner, SetTimerLow, IncrementCount]),
        E::MetricWorse => (S::Win, &[SetTimerLow, ClearCount]),
        E::PathLost => (S::Offer, &[SetDfToNone, SetTimerLow, ClearCount]),
        E::TimerExpiresWithPath | E::TimerExpiresWithoutPath | E::MetricBetter | E::DfFailure => {
            return Err(Unexpected);
        }
    })
}

const fn backoff(event: DfEvent) -> Cell {
    use DfEvent as E;
    use DfState as S;
    Ok(match event {
        E::ReceiveBetterPassOrWinner => (S::Lose, &[SetDfToSenderOrTarget, StopTimer]),
        E::ReceiveBetterBackoff => (S::Lose, &[SetDfToSender, StopTimer]),
        E::ReceiveBetterOffer => (S::Backoff, &[SetBest, SendBackoff, SetTimerBackoff]),
        E::ReceiveBackoffForUs | E::ReceivePassForUs => (S::Offer, &[SetDfToSender, SetTimerLow, ClearCount]),
        E::ReceiveWorsePassWinnerOrBackoff => (S::Offer, &[SetDfToSenderOrTarget, SetTimerLow, ClearCount]),
        E::ReceiveWorseOffer => (S::Win, &[SendWinner, StopTimer]),
        E::TimerExpires => (S::Lose, &[SendPass, SetDfToBest]),
        E::MetricBetter => (S::Win, &[StopTimer]),
        E::PathLost => (S::Offer, &[SetDfToNone, SetTimerLow, ClearCount]),
        E::TimerExpiresWithPath | E::TimerExpiresWithoutPath | E::MetricWorse | E::DfFailure => {
            return Err(Unexpected);
        }
    })
}
