//! Flows that have S-PMSIs by the clock (RFC 4834 §4.1.1).

use alloc::collections::BTreeSet;
use fwd_core::time::Instant;

use crate::mvrf::instance::Mvrf;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::{Shared, Timer};

impl Mvrf {
    /// Starts every period.
    pub(in crate::mvrf) fn start_schedule(&mut self, shared: &mut Shared, now: Instant) {
        for index in 0..self.config.s_pmsi.schedule.len() {
            self.period_changed(shared, now, index);
        }
    }

    /// A period begins or ends.
    pub(in crate::mvrf) fn period_changed(&mut self, shared: &mut Shared, now: Instant, index: usize) {
        let periods = &self.config.s_pmsi.schedule;
        let Some(period) = periods.get(index) else { return };
        let timer = Timer::Period(self.config.vrf, index);
        match period.at(now).1 {
            Some(next) => shared.timers.set(timer, next),
            None => shared.timers.clear(timer),
        }
        let on = periods.iter().filter(|period| period.at(now).0);
        self.scheduled = on.flat_map(|period| period.flows.iter().copied()).collect();
        let flows = self.config.s_pmsi.schedule.get(index).into_iter().flat_map(|period| &period.flows);
        let is_ours = |flow: &&SFlow| self.config.families.contains(&flow.family);
        let flows: BTreeSet<SFlow> = flows.filter(is_ours).copied().collect();
        for flow in flows {
            self.reconsider(shared, now, flow);
        }
    }
}
