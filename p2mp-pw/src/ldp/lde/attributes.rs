//! Hop counts and path vectors (RFC 5036 §2.8, A.2.6–A.2.8).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::super::LdpId;
use super::super::tlv::{Tlv, TlvFlags, TlvValue};
use super::config::LdeConfig;
use super::fec::{FecId, Known};
use super::machine::Lde;

/// What belongs to a label beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) hop_count: Option<u8>,
    pub(super) path: Option<Vec<Ipv4Addr>>,
    /// TLVs that nobody here knows and that travel on: U and F bits set (RFC 5036 §3.3).
    pub(super) unknown: Vec<Tlv>,
}

impl Attributes {
    /// Those of a received message.
    pub(super) fn of(optional: &[Tlv]) -> Self {
        let mut attributes = Self::default();
        for tlv in optional {
            match &tlv.value {
                TlvValue::HopCount(hops) => attributes.hop_count = Some(*hops),
                TlvValue::PathVector(path) => attributes.path = Some(path.clone()),
                TlvValue::Unknown(..) if tlv.flags == TlvFlags::all() => attributes.unknown.push(tlv.clone()),
                _ => {}
            }
        }
        attributes
    }

    /// `None` if there is nothing: most labels have nothing.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    /// The TLVs of a message.
    pub(super) fn tlvs(&self) -> impl Iterator<Item = Tlv> + '_ {
        let hops = self.hop_count.map(TlvValue::HopCount);
        let path = self.path.clone().map(TlvValue::PathVector);
        hops.into_iter().chain(path).map(Tlv::new).chain(self.unknown.iter().cloned())
    }
}

/// Unknown plus one is unknown.
const fn one_more(hops: u8) -> u8 {
    if hops == 0 { 0 } else { hops.saturating_add(1) }
}

/// `Check_Received_Attributes` (A.2.6): whether there is a loop. What is said about it is the caller's.
pub(super) fn loop_detected(config: &LdeConfig, attributes: &Attributes) -> bool {
    let Some(limits) = config.loop_detection else { return false };
    // CRa.1, CRa.2
    let Some(hops) = attributes.hop_count else { return false };
    if hops > limits.max_hops {
        return true;
    }
    // CRa.3, CRa.4
    let Some(path) = &attributes.path else { return false };
    path.contains(&config.lsr) || path.len() > usize::from(limits.max_path)
}

impl Lde {
    /// `Prepare_Label_Request_Attributes` (A.2.7). `received`: those of the request that this one passes on; `None`: we are
    /// ingress.
    pub(super) fn prepare_request(&self, received: Option<&Attributes>) -> Attributes {
        let mut out = Attributes::default();
        let configured = self.config.loop_detection.is_some();
        // PRqA.1
        if !configured && received.is_none_or(|r| r.hop_count.is_none()) {
            return out;
        }
        let Some(received) = received else {
            // PRqA.2–PRqA.5: ingress; we merge, so there is no path vector.
            out.hop_count = Some(1);
            return out;
        };
        // PRqA.6–PRqA.8
        out.hop_count = Some(received.hop_count.map_or(0, one_more));
        // PRqA.9–PRqA.12
        if let Some(path) = received.path.as_ref().filter(|_| configured) {
            out.path = Some(self.prepended(path));
        }
        out
    }

    /// `Prepare_Label_Mapping_Attributes` (A.2.8). `received`: those of the next hop's mapping; `propagating`: it is passed on.
    pub(super) fn prepare_mapping(
        &self,
        peer: LdpId,
        fec: FecId,
        received: Option<&Attributes>,
        propagating: bool,
    ) -> Attributes {
        let mut out = Attributes::default();
        // PMpA.1–PMpA.3
        if let Some(received) = received {
            out.unknown.clone_from(&received.unknown);
        }
        let configured = self.config.loop_detection.is_some();
        let hops = received.and_then(|r| r.hop_count);
        // PMpA.4
        if !configured && hops.is_none() {
            return out;
        }
        let Some(state) = self.fecs.get(fec) else { return out };
        // PMpA.5, PMpA.6
        if state.route == Known::Egress {
            out.hop_count = Some(1);
            return out;
        }
        // PMpA.7–PMpA.11: no links here hide their hops from the TTL.
        out.hop_count = Some(hops.map_or(0, one_more));
        // PMpA.12
        if !configured {
            return out;
        }
        // PMpA.13, PMpA.22
        if let Some(path) = received.and_then(|r| r.path.as_ref()) {
            out.path = Some(self.prepended(path));
            return out;
        }
        let sent_before = self.peers.get(&peer).is_some_and(|p| p.sent.get(&fec).is_some_and(|s| !s.released));
        // PMpA.14–PMpA.16, PMpA.18: we merge.
        if !propagating || !sent_before || hops == Some(0) {
            out.path = Some(self.prepended(&[]));
            return out;
        }
        // PMpA.17, PMpA.19–PMpA.21: a path that got longer is worth saying.
        let previous = state.hop_count;
        if hops.is_some_and(|hops| previous.is_some_and(|before| hops != before && (hops > before || before == 0))) {
            out.path = Some(self.prepended(&[]));
        }
        out
    }

    fn prepended(&self, path: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        core::iter::once(self.config.lsr).chain(path.iter().copied()).collect()
    }
}
