//! Two pseudowires of which one sends.

use fwd_core::time::Instant;

use super::super::super::config::PwId;
use super::super::io::{Event, Output};
use super::{Root, Timer};

impl Root {
    /// Makes one of two pseudowires send while it is well; `None`: whichever is best.
    pub fn switch_to(&mut self, now: Instant, primary: PwId, to: Option<PwId>) {
        if let Some(group) = self.protections.get_mut(&primary) {
            let member = to.and_then(|to| group.members.iter().position(|m| *m == to));
            group.selector.set_manual(now, member);
        }
        self.select(primary);
    }

    /// Lets the selected one of two send.
    pub(super) fn select(&mut self, primary: PwId) {
        let Some(group) = self.protections.get_mut(&primary) else { return };
        match group.selector.next_timeout() {
            Some(at) => self.timers.set(Timer::Group(primary), at),
            None => self.timers.clear(Timer::Group(primary)),
        }
        if !group.selector.poll_changed() {
            return;
        }
        let selected = group.selector.selected().and_then(|i| group.members.get(i)).copied();
        let members = group.members;
        for id in members {
            if let Some(pw) = self.pws.get_mut(&id) {
                // Without any that is well the protected one keeps trying.
                pw.active = selected.unwrap_or(primary) == id;
            }
            self.touch_all(id);
        }
        if let Some(to) = selected {
            self.outputs.push_back(Output::Event(Event::Switched { to }));
        }
    }
}
