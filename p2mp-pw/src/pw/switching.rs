//! Segments that are joined: a switching point, S-PE (RFC 6073 §7, §10).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::{PwAttachment, PwName};
use super::io::PwIndex;
use super::machine::{Pws, Remote};
use super::switching_point::SwitchingPoint;
use crate::ldp::fec::InterfaceParameter;
use crate::ldp::{Octets, PwStatus};

impl Pws {
    /// The other segment, if the pseudowire is one of two that are joined.
    pub(super) fn other(&self, pw: PwIndex) -> Option<PwIndex> {
        match self.pws.get(&pw)?.config.attachment {
            PwAttachment::Segment(other) => Some(other),
            PwAttachment::Port(_) | PwAttachment::Circuit(_) => None,
        }
    }

    /// What happened to one segment concerns the other.
    pub(super) fn refresh_other(&mut self, now: Instant, pw: PwIndex) {
        if let Some(other) = self.other(pw) {
            self.refresh(now, other);
        }
    }

    /// Status of one segment for the other (RFC 6073 §10): what the far end said, and faults of the segment itself.
    pub(super) fn relayed_status(&self, from: PwIndex) -> PwStatus {
        let Some(state) = self.pws.get(&from) else { return PwStatus::PSN_RECEIVE_FAULT };
        let tunnel = self.transports.contains_key(&state.config.peer);
        match &state.remote {
            Some(remote) if tunnel => remote.status,
            Some(remote) => remote.status | PwStatus::PSN_TRANSMIT_FAULT,
            None => PwStatus::PSN_RECEIVE_FAULT,
        }
    }

    /// Interface parameters and switching points of one segment's label for the other's (RFC 6073 §7.4).
    pub(super) fn relayed_parameters(&self, from: PwIndex) -> (Vec<InterfaceParameter>, Vec<Octets>) {
        let Some(state) = self.pws.get(&from) else { return (Vec::new(), Vec::new()) };
        let Some(remote) = &state.remote else { return (Vec::new(), Vec::new()) };
        let pw_id = match &state.config.name {
            PwName::Id(id) => Some(*id),
            PwName::Ends(_) => None,
        };
        let mut own = Vec::new();
        SwitchingPoint::new(self.config.local, pw_id).emit(&mut own);
        let mut points = remote.points.clone();
        points.push(Octets::from_slice(&own));
        (remote.parameters.clone(), points)
    }

    /// Whether a label passed us before: a loop (RFC 6073 §7.4.1).
    pub(super) fn passed_us(&self, remote: &Remote) -> bool {
        let local = |octets: &Octets| SwitchingPoint::parse(octets).ok().and_then(|point| point.local());
        remote.points.iter().any(|octets| local(octets) == Some(self.config.local))
    }

    /// A status notification of one segment goes on by the other, with the switching point that it names.
    pub(super) fn relay(&mut self, now: Instant, pw: PwIndex, point: Option<Octets>) {
        let Some(other) = self.other(pw) else { return };
        let status = self.local_status(other);
        let told = self.pws.get(&other).is_some_and(|p| {
            p.ours == super::machine::Ours::Sent
                && p.method != super::machine::StatusMethod::LabelWithdraw
                && p.told != status
        });
        if told && point.is_some() {
            self.send_status(other, status, point);
        }
        self.refresh(now, other);
    }
}
