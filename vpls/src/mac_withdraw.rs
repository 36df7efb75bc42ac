//! MAC withdrawal (RFC 4762 §6.2, RFC 7361): which addresses are forgotten when a peer says so, and whom we tell.
//!
//! | Received over | Forgotten | Passed on to |
//! |---|---|---|
//! | a mesh pseudowire, empty list | all but those behind it | spokes |
//! | a spoke, empty list | all but those behind it | the mesh and other spokes |
//! | any, N = 1 | those behind it | as above |
//! | any, with a list | the listed | as above |

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Mac, VsiId};
use fwd_core::op::Flush;

use crate::config::PwRole;
use crate::event::EventKind;
use crate::io::{MacWithdraw, Output, PwId, PwService};
use crate::pe::{Timer, VplsPe};
use crate::police::Bucket;
use crate::vsi::PwKey;

/// How long withdrawals wait for others.
const COALESCE: Duration = Duration::from_millis(50);
/// Addresses in a message; more become an empty list, which says all.
const MAX_MACS: usize = 200;

impl VplsPe {
    /// A peer withdraws addresses.
    pub(crate) fn mac_withdrawn(&mut self, id: &PwId, macs: &[Mac], negative: bool) {
        let (vsi, key, rate) = (id.vsi, Self::pw_id_key(id), self.config.limits.mac_withdraws_per_second);
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some(pw) = instance.pws.get(&key) else { return };
        let (port, is_mesh) = (pw.port, pw.is_mesh());
        let domains: Vec<VsiId> = instance.domains.keys().copied().collect();
        let bucket = self.withdraw_rates.entry(id.peer).or_insert_with(|| Bucket::new(self.now, rate, rate));
        if !bucket.take(self.now, 1) {
            return self.event(vsi, EventKind::MacWithdrawRate(id.peer));
        }
        for domain in domains {
            if macs.is_empty() && !negative {
                self.program.flush(Flush::AllBut { vsi: domain, port });
            }
            for mac in macs {
                self.program.flush(Flush::Mac { vsi: domain, mac: *mac });
            }
        }
        if macs.is_empty() && negative {
            self.program.flush(Flush::Port(port));
        }
        self.event(vsi, EventKind::MacWithdrawn(id.peer));
        self.pass_on(vsi, &key, is_mesh, negative, macs);
    }

    /// RFC 4762 §6.2, §10.2: a withdrawal does not go from the mesh to the mesh.
    fn pass_on(&mut self, vsi: VsiId, from: &PwKey, from_mesh: bool, negative: bool, macs: &[Mac]) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let goes = |key: &PwKey, role: PwRole| key != from && !(from_mesh && matches!(role, PwRole::Mesh));
        let to: Vec<PwKey> =
            instance.pws.iter().filter(|(key, pw)| goes(key, pw.role)).map(|(key, _)| key.clone()).collect();
        to.iter().for_each(|key| self.withdraw_over(vsi, key, negative, macs));
    }

    /// Tells every PE of the mesh that LDP reaches.
    pub(crate) fn withdraw_to_mesh(&mut self, vsi: VsiId, negative: bool, macs: &[Mac]) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let to: Vec<PwKey> = instance.pws.iter().filter(|(_, pw)| pw.is_mesh()).map(|(key, _)| key.clone()).collect();
        to.iter().for_each(|key| self.withdraw_over(vsi, key, negative, macs));
    }

    /// Notes a withdrawal for a peer; those of the next moments go with it. Of label blocks there is no session to send it on.
    pub(crate) fn withdraw_over(&mut self, vsi: VsiId, key: &PwKey, negative: bool, macs: &[Mac]) {
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let is_ldp = !matches!(key.1, PwService::Ve(_));
        if !is_ldp || instance.pws.get(key).is_none_or(|pw| pw.local.is_none()) {
            return;
        }
        match instance.withdrawals.get_mut(key) {
            // An empty list says more than any list; one that is not negative more than one that is.
            Some((was_negative, list)) if *was_negative == negative && !macs.is_empty() && !list.is_empty() => {
                list.extend(macs.iter().copied());
                if list.len() > MAX_MACS {
                    list.clear();
                }
            }
            Some((was_negative, list)) => {
                list.clear();
                *was_negative = *was_negative && negative;
            }
            None => drop(instance.withdrawals.insert(key.clone(), (negative, macs.iter().copied().collect()))),
        }
        let timer = Timer::Withdraw(vsi);
        if self.timers.get(timer).is_none() {
            self.timers.set(timer, self.now + COALESCE);
        }
    }

    /// Sends what was gathered.
    pub(crate) fn send_withdrawals(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        for (key, (negative, macs)) in core::mem::take(&mut instance.withdrawals) {
            let macs: BTreeSet<Mac> = macs;
            let message = MacWithdraw { id: instance.id(&key), macs: macs.into_iter().collect(), negative };
            self.out.push_back(Output::MacWithdraw(message));
        }
    }
}
