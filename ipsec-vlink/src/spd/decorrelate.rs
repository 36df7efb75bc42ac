//! Decorrelation (RFC 4301 appendix B): of ordered policies a set, none of which selects what another one does.
//!
//! A selector is a box of five ranges: both addresses, the protocol, both ports. What a policy adds to those before it is its box
//! without theirs, and a box without another one is at most ten boxes.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Policy, Selector};
use crate::ike::TrafficSelector;

/// Ranges, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cuboid {
    is_v4: bool,
    /// Local address, remote address, protocol, local port, remote port.
    ranges: [(u128, u128); 5],
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn address(is_v4: bool, bits: u128) -> IpAddr {
    match is_v4 {
        true => Ipv4Addr::from_bits(bits as u32).into(),
        false => Ipv6Addr::from_bits(bits).into(),
    }
}

impl Cuboid {
    /// Protocol 0 is any: 0 to 255. Ports that are OPAQUE (RFC 7296 §3.13.1) are no range: `None`.
    fn of(selector: &Selector) -> Option<Self> {
        let addresses = |s: &TrafficSelector| (bits(s.addresses().0), bits(s.addresses().1));
        let ports = |s: &TrafficSelector| {
            let (first, last) = s.ports();
            (first <= last).then(|| (first.into(), last.into()))
        };
        let protocol = u128::from(selector.local.protocol());
        Some(Self {
            is_v4: selector.local.is_ipv4(),
            ranges: [
                addresses(&selector.local),
                addresses(&selector.remote),
                if protocol == 0 { (0, 255) } else { (protocol, protocol) },
                ports(&selector.local)?,
                ports(&selector.remote)?,
            ],
        })
    }

    /// The selectors that select just this: one, or one for each protocol where a part of them is left.
    fn selectors(&self) -> Vec<Selector> {
        let [local, remote, protocol, from, to] = self.ranges;
        let protocols: Vec<u8> = match protocol {
            (0, 255) => alloc::vec![0],
            // Protocol 0 would mean any: hop-by-hop options (RFC 8200) are no upper layer, and are left out.
            (first, last) => (first.max(1)..=last).map(|p| p as u8).collect(),
        };
        let one = |(first, last): (u128, u128), (low, high): (u128, u128), protocol: u8| {
            let ends = (address(self.is_v4, first), address(self.is_v4, last));
            TrafficSelector::new(protocol, (low as u16, high as u16), ends)
        };
        let pair = |p: u8| Some(Selector { local: one(local, from, p)?, remote: one(remote, to, p)? });
        protocols.into_iter().filter_map(pair).collect()
    }

    fn intersects(&self, other: &Self) -> bool {
        let overlap = |(a, b): (&(u128, u128), &(u128, u128))| a.0 <= b.1 && b.0 <= a.1;
        self.is_v4 == other.is_v4 && self.ranges.iter().zip(&other.ranges).all(overlap)
    }

    /// What of this is not in the other, added to `out`.
    fn without(mut self, other: &Self, out: &mut Vec<Self>) {
        if !self.intersects(other) {
            return out.push(self);
        }
        for at in 0..self.ranges.len() {
            let (Some(range), Some(hole)) = (self.ranges.get(at).copied(), other.ranges.get(at).copied()) else {
                return;
            };
            let mut part = |range: (u128, u128)| {
                let mut part = self;
                if let Some(slot) = part.ranges.get_mut(at) {
                    *slot = range;
                }
                out.push(part);
            };
            if range.0 < hole.0 {
                part((range.0, hole.0.saturating_sub(1)));
            }
            if range.1 > hole.1 {
                part((hole.1.saturating_add(1), range.1));
            }
            // On with what both have here.
            if let Some(slot) = self.ranges.get_mut(at) {
                *slot = (range.0.max(hole.0), range.1.min(hole.1));
            }
        }
    }
}

/// The policies without what those before them select.
pub(super) fn decorrelated(policies: &[Policy]) -> Vec<Policy> {
    let mut out = Vec::new();
    let mut before: Vec<Cuboid> = Vec::new();
    for policy in policies {
        let Some(whole) = Cuboid::of(&policy.selector) else {
            // OPAQUE selects what has no ports to be seen: nothing that a range selects.
            out.push(*policy);
            continue;
        };
        let mut parts = alloc::vec![whole];
        for other in before.iter().filter(|other| other.intersects(&whole)) {
            let mut rest = Vec::new();
            parts.into_iter().for_each(|part| part.without(other, &mut rest));
            parts = rest;
        }
        out.extend(parts.iter().flat_map(Cuboid::selectors).map(|selector| Policy { selector, ..*policy }));
        before.push(whole);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Packet, Spd};
    use super::*;
    use proptest::prelude::*;

    fn selector(small: (u8, u8, u8, u8), protocol: u8) -> Selector {
        let range = |a: u8, b: u8| {
            let at = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n & 15));
            (at(a).min(at(b)), at(a).max(at(b)))
        };
        let ports = |a: u8| {
            let first = u16::from(a.rotate_left(3) & 3);
            (first, first + u16::from(a & 3))
        };
        let protocol = protocol & 3;
        Selector {
            local: TrafficSelector::new(protocol, ports(small.0), range(small.0, small.1)).unwrap(),
            remote: TrafficSelector::new(protocol, ports(small.2), range(small.2, small.3)).unwrap(),
        }
    }

    proptest! {
        /// In any order the set says what the list says in its own, and nothing is said twice.
        #[test]
        fn a_set_says_what_the_list_says(
            policies in proptest::collection::vec((any::<(u8, u8, u8, u8)>(), any::<u8>(), 0..2_u8), 1..8),
            packets in proptest::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 50),
        ) {
            let mut spd = Spd::new();
            for (small, protocol, action) in policies {
                let action = if action == 0 { Action::Bypass } else { Action::Discard };
                spd.push(Policy { selector: selector(small, protocol), action }, |_| true).unwrap();
            }
            let set = spd.decorrelated();
            for (a, b, protocol, from, to) in packets {
                let at = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n & 15));
                let packet = Packet {
                    local: at(a),
                    remote: at(b),
                    protocol: 1 + (protocol & 3),
                    ports: (u16::from(from & 7), u16::from(to & 7)),
                };
                let found: Vec<Action> =
                    set.iter().filter(|p| p.selector.selects(&packet)).map(|p| p.action).collect();
                let expected: Vec<Action> = spd.find(&packet).map(|p| p.action).into_iter().collect();
                prop_assert_eq!(found, expected, "{:?}", packet);
            }
        }
    }
}
