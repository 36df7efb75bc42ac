//! Hierarchical VPLS: redundant spokes (RFC 4762 §10.2, RFC 6870 §5).

use alloc::vec::Vec;

use fwd_core::net::VsiId;
use p2mp_pw::ldp::PwStatus;

use crate::config::PwRole;
use crate::event::EventKind;
use crate::io::{Output, PwSignal};
use crate::ldp::own_status;
use crate::pe::{Timer, VplsPe};
use crate::vsi::{Instance, Pw, PwKey};

impl Instance {
    /// The spokes of a group, the preferred first.
    fn spokes(&self, of: u16) -> Vec<(u8, &PwKey, &Pw)> {
        let spoke = |(key, pw)| match Pw::role(pw) {
            PwRole::Spoke { group: Some(group), preference } if group == of => Some((preference, key, pw)),
            _ => None,
        };
        let mut spokes: Vec<_> = self.pws.iter().filter_map(spoke).collect();
        spokes.sort_by_key(|(preference, key, _)| (*preference, (*key).clone()));
        spokes
    }
}

impl Pw {
    pub(crate) const fn role(&self) -> PwRole {
        self.role
    }
}

impl VplsPe {
    /// Chooses the spoke of a group that forwards. A better one that comes back is taken when it has been up for long enough.
    pub(crate) fn elect_spoke(&mut self, vsi: VsiId, group: u16, may_revert: bool) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let is_fit = |key: &PwKey, pw: &Pw| {
            let has_session = pw.remote.is_some_and(|remote| remote.session.is_some());
            let has_way = has_session || self.transports.contains_key(&key.0);
            let is_signalled = pw.local.is_some() && pw.remote.is_some() && has_way;
            is_signalled && pw.status.is_up() && !pw.status.contains(PwStatus::STANDBY)
        };
        let spokes = instance.spokes(group);
        let best = spokes.iter().find(|(_, key, pw)| is_fit(key, pw)).map(|(_, key, pw)| ((*key).clone(), pw.revert));
        let current = spokes.iter().find(|(_, key, pw)| pw.active && is_fit(key, pw)).map(|(_, key, _)| (*key).clone());
        let timer = Timer::Revert(vsi, group);
        let chosen = match (best, current) {
            (Some((best, _)), Some(current)) if best == current => {
                self.timers.clear(timer);
                return;
            }
            (Some((_, revert)), Some(_)) if !may_revert => {
                if self.timers.get(timer).is_none() {
                    self.timers.set(timer, self.now + revert);
                }
                return;
            }
            (Some((best, _)), _) => best,
            (None, _) => return,
        };
        self.timers.clear(timer);
        self.use_spoke(vsi, group, &chosen);
    }

    /// Makes a spoke the one that forwards, and tells the other ends.
    fn use_spoke(&mut self, vsi: VsiId, group: u16, chosen: &PwKey) {
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let keys: Vec<PwKey> = instance.spokes(group).into_iter().map(|(_, key, _)| key.clone()).collect();
        let mut switched = None;
        let had_other = instance.spokes(group).iter().any(|(_, _, pw)| pw.up);
        for key in keys {
            let id = instance.id(&key);
            let Some(pw) = instance.pws.get_mut(&key) else { continue };
            let active = key == *chosen;
            if core::mem::replace(&mut pw.active, active) != active {
                self.out.push_back(Output::Pw(PwSignal::Status { id, status: own_status(pw) }));
            }
            if active {
                switched = Some(pw.port);
            }
        }
        if let Some(port) = switched {
            self.event(vsi, EventKind::SpokeSwitched(port));
        }
        if had_other {
            // RFC 4762 §10.2.2: what was learned behind the old spoke's PE is to be learned anew behind this one.
            self.withdraw_over(vsi, chosen, false, &[]);
        }
        self.touch(vsi);
    }
}
