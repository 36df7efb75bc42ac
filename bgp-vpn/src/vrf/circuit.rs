//! Attachment circuits: how packets leave to CEs.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, NhlfeId, VrfId};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::InterAsLink;
use crate::nlri::RouteDistinguisher;
use crate::speaker::Circuit;

/// A circuit: an interface, and whether the CE's address on it is an IPv6 one.
pub(crate) type CircuitKey = (IfIndex, bool);

/// The attachment circuits of one speaker.
#[derive(Debug, Default)]
pub(crate) struct Circuits {
    circuits: BTreeMap<CircuitKey, Circuit>,
    by_address: HashMap<(VrfId, IpAddr), CircuitKey>,
    /// The interfaces of VRFs to ASBRs of option AB, by VRF and number.
    links: BTreeMap<(VrfId, u16), InterAsLink>,
    /// The same by route distinguisher and the ASBR's address.
    linked: HashSet<(RouteDistinguisher, IpAddr)>,
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
            // The CE may have that address on another circuit, too.
            let same = |c: &Circuit| (c.vrf, c.address) == (circuit.vrf, circuit.address);
            let other = self.circuits.iter().find(|(other, c)| **other != key && same(c)).map(|(other, _)| *other);
            match other {
                Some(other) => drop(self.by_address.insert((circuit.vrf, circuit.address), other)),
                None => drop(self.by_address.remove(&(circuit.vrf, circuit.address))),
            }
        }
    }

    /// All circuits, in the order of interfaces.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IfIndex, Circuit)> + '_ {
        self.circuits.iter().map(|((iface, _), circuit)| (*iface, *circuit))
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

    /// A VRF has interfaces to ASBRs of option AB; or none any more.
    pub(crate) fn set_links(&mut self, vrf: VrfId, rd: RouteDistinguisher, links: &[InterAsLink]) {
        let old: SmallVec<[(u16, IpAddr); 4]> =
            self.links.range((vrf, 0)..=(vrf, u16::MAX)).map(|((_, n), link)| (*n, link.peer)).collect();
        for (n, peer) in old {
            self.links.remove(&(vrf, n));
            self.linked.remove(&(rd, peer));
        }
        for (n, link) in (0u16..).zip(links) {
            self.links.insert((vrf, n), *link);
            self.linked.insert((rd, link.peer));
        }
    }

    /// Whether some VRF has an interface to an ASBR of option AB.
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether the VRF with this route distinguisher has an interface to the ASBR of option AB with this address.
    pub(crate) fn is_linked(&self, rd: RouteDistinguisher, peer: IpAddr) -> bool {
        self.linked.contains(&(rd, peer))
    }

    /// The number of a VRF's interface to the ASBR of option AB with this address.
    pub(crate) fn link_to(&self, vrf: VrfId, peer: IpAddr) -> Option<u16> {
        let mut links = self.links.range((vrf, 0)..=(vrf, u16::MAX));
        links.find(|(_, link)| link.peer == peer).map(|((_, n), _)| *n)
    }

    /// The circuit by which packets of a family leave over a link of a VRF to another AS.
    pub(crate) fn over(&self, vrf: VrfId, link: u16, v6: bool) -> Option<(CircuitKey, NhlfeId)> {
        self.on(vrf, self.links.get(&(vrf, link))?.iface, v6)
    }

    /// The circuit by which packets of a family leave on an interface of a VRF: its own, or else the other family's.
    pub(crate) fn on(&self, vrf: VrfId, iface: IfIndex, v6: bool) -> Option<(CircuitKey, NhlfeId)> {
        let mut keys = [(iface, v6), (iface, !v6)].into_iter();
        keys.find_map(|key| Some((key, self.circuits.get(&key).filter(|c| c.vrf == vrf)?.nhlfe)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CE with one address on two circuits is reached as long as one of them is up.
    #[test]
    fn an_address_is_found_on_the_circuit_that_is_left() {
        let address = "192.0.2.9".parse().unwrap();
        let circuit = |n| Circuit { vrf: VrfId(1), address, nhlfe: NhlfeId(n) };
        let mut circuits = Circuits::default();
        for n in [1, 2] {
            assert_eq!(circuits.set(IfIndex(n), circuit(n)), None);
        }
        assert_eq!(circuits.to(VrfId(1), address), Some(((IfIndex(2), false), NhlfeId(2))));
        circuits.clear(IfIndex(2));
        assert_eq!(circuits.to(VrfId(1), address), Some(((IfIndex(1), false), NhlfeId(1))));
        assert!(circuits.uses(VrfId(1), NhlfeId(1)) && !circuits.uses(VrfId(1), NhlfeId(2)));
        circuits.clear(IfIndex(1));
        assert_eq!(circuits.to(VrfId(1), address), None);
    }
}
