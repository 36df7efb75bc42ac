//! What a router makes of a packet that goes several ways.

use fwd_core::{Frame, PuntReason, Replica, Replication};

use super::{CORE, Fate, Router};

impl Router {
    /// The copies of a packet; each goes through the association of the link that it leaves by.
    pub fn copies(&mut self, frame: &Frame<'_>, replication: Replication) -> Vec<Fate> {
        let (mut fates, mut copies) = (Vec::new(), self.forwarder.copies(frame, replication));
        while let Some(replica) = copies.next() {
            let Replica::Transmit { iface, class, front, payload, protection } = replica else {
                fates.push(Fate::Punted(PuntReason::Multicast));
                continue;
            };
            let octets = [front, &frame.octets()[payload]].concat();
            let mut buffer = [&[0; Frame::HEADROOM][..], &octets, &[0; 64]].concat();
            let mut copy = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
            let done = protection.map_or(Ok(()), |(sa, offset)| self.sad.protect(sa, class, &mut copy, offset));
            fates.push(match (done, iface.0) {
                (Err(_), _) => Fate::Unprotected,
                (Ok(()), CORE) => Fate::Core(copy.octets().to_vec()),
                (Ok(()), vrf) => Fate::Site { vrf: vrf as u16, packet: octets[14..].to_vec() },
            });
        }
        fates
    }
}
