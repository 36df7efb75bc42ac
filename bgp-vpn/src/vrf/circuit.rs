//! Attachment circuits: how packets leave to CEs.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, NhlfeId, VrfId};
use hashbrown::HashMap;

use crate::speaker::Circuit;

/// A circuit: an interface, and whether the CE's address on it is an IPv6 one.
pub(crate) type CircuitKey = (IfIndex, bool);

/// The attachment circuits of one speaker.
#[derive(Debug, Default)]
pub(crate) struct Circuits {
    circuits: BTreeMap<CircuitKey, Circuit>,
    by_address: HashMap<(VrfId, IpAddr), CircuitKey>,
}

impl Circuits {
    /// Sets the circuit of an interface for the family of its address; returns what was there.
    pub(crate) fn set(&mut self, iface: IfIndex, circuit: Circuit) -> Option<Circuit> {
        let key = (iface, circuit.address.is_ipv6());
        let old = self.circuits.insert(key, circuit);
        if let Some(old) = old {
            self.forget_address(key, &old);
        }
        self.by_address.insert((circuit.vrf, circuit.address), key);
        old
    }

    /// Removes the circuits of an interface, and returns them.
    pub(crate) fn clear(&mut self, iface: IfIndex) -> [Option<Circuit>; 2] {
        [false, true].map(|v6| {
            let old = self.circuits.remove(&(iface, v6))?;
            self.forget_address((iface, v6), &old);
            Some(old)
        })
    }

    fn forget_address(&mut self, key: CircuitKey, circuit: &Circuit) {
        if self.by_address.get(&(circuit.vrf, circuit.address)) == Some(&key) {
            self.by_address.remove(&(circuit.vrf, circuit.address));
        }
    }

    /// Whether packets of a VRF leave by this entry on some circuit.
    pub(crate) fn uses(&self, vrf: VrfId, nhlfe: NhlfeId) -> bool {
        self.circuits.values().any(|c| c.vrf == vrf && c.nhlfe == nhlfe)
    }

    /// The circuit to a CE's address.
    pub(crate) fn to(&self, vrf: VrfId, address: IpAddr) -> Option<(CircuitKey, NhlfeId)> {
        let key = *self.by_address.get(&(vrf, address))?;
        Some((key, self.circuits.get(&key)?.nhlfe))
    }

    /// The circuit by which packets of a family leave on an interface of a VRF: its own, or else the other family's.
    pub(crate) fn on(&self, vrf: VrfId, iface: IfIndex, v6: bool) -> Option<(CircuitKey, NhlfeId)> {
        let mut keys = [(iface, v6), (iface, !v6)].into_iter();
        keys.find_map(|key| Some((key, self.circuits.get(&key).filter(|c| c.vrf == vrf)?.nhlfe)))
    }
}
