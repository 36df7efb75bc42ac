//! Leaves that auto-discovery finds (RFC 7338 §3.3, RFC 6074 §3.2).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::config::PwId;
use super::machine::{Pw, Root};
use crate::ldp::LdpId;
use crate::ldp::fec::Attachment;

impl Root {
    /// What auto-discovery found, for all pseudowires of the group that want it.
    pub(super) fn member(&mut self, now: Instant, agi: &Attachment, leaf: LdpId, present: bool) {
        let key = (agi.clone(), leaf);
        let is_new = if present { self.members.insert(key) } else { self.members.remove(&key) };
        let of_group = |pw: &&Pw| pw.config.discover && pw.config.sai.agi == *agi && !pw.removing;
        let is_named = |pw: &Pw| pw.leaves.get(&leaf).is_some_and(|l| l.named);
        let pws = self.pws.iter().filter(|(_, pw)| of_group(pw) && !is_named(pw)).map(|(id, _)| *id);
        for id in pws.filter(|_| is_new).collect::<Vec<_>>() {
            if present {
                self.want_leaf(now, id, leaf);
            } else {
                self.remove_leaf(now, id, leaf);
            }
        }
    }

    /// Leaves that were found before the pseudowire was.
    pub(super) fn add_members(&mut self, now: Instant, id: PwId) {
        let Some(agi) = self.pws.get(&id).filter(|pw| pw.config.discover).map(|pw| &pw.config.sai.agi) else { return };
        let found = self.members.iter().filter(|(of, _)| of == agi).map(|(_, leaf)| *leaf);
        for leaf in found.collect::<Vec<_>>() {
            self.want_leaf(now, id, leaf);
        }
    }
}
