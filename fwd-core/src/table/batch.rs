//! Look-ups by exact match, many at once, so that their loads overlap: MAC addresses and multicast routes.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::keyed::{CHUNK, value_of};
use super::mac::{IN_USE, Key, MacBucket, Macs, PORTS, WAYS};
use super::mroute::{K4, K6, Lengths, Routes, W4, W6, key4, key6, unpack};
use crate::net::{Mac, PortId, VsiId};
use crate::op::{Mroute, VsiOrVrf};

impl Macs<'_> {
    /// Where many addresses are: all buckets are on their way from memory before the first is looked at.
    pub(crate) fn get_batch(&self, keys: &[(VsiId, Mac)], ports: &mut [Option<PortId>]) {
        for (keys, ports) in keys.chunks(CHUNK).zip(ports.chunks_mut(CHUNK)) {
            self.get_together(keys, ports);
        }
    }

    fn get_together(&self, keys: &[(VsiId, Mac)], ports: &mut [Option<PortId>]) {
        let mut firsts = [0_u32; CHUNK];
        for (first, (vsi, mac)) in firsts.iter_mut().zip(keys) {
            *first = self.places(Key::new(*vsi, *mac)).0 as u32;
        }
        for first in firsts.iter().take(keys.len()) {
            self.touch(*first as usize);
        }
        let (mut left, mut count) = ([0_u32; CHUNK], 0_usize);
        for ((n, (vsi, mac)), (first, port)) in (0..).zip(keys).zip(firsts.iter().zip(ports.iter_mut())) {
            let Some(bucket) = self.buckets.get(*first as usize) else { return ports.fill(None) };
            let entry = bucket.only(Key::new(*vsi, *mac));
            *port = Some(PortId(entry & (PORTS - 1)));
            if let Some(left) = left.get_mut(count % CHUNK) {
                *left = n;
            }
            count = count.wrapping_add(usize::from(entry & IN_USE == 0));
        }
        // Most of these are in their second bucket.
        let left = left.get(..count).unwrap_or_default();
        let key = |n: u32| keys.get(n as usize).map(|(vsi, mac)| Key::new(*vsi, *mac));
        left.iter().filter_map(|n| key(*n)).for_each(|key| self.touch(self.places(key).1));
        for n in left {
            if let (Some((vsi, mac)), Some(port)) = (keys.get(*n as usize), ports.get_mut(*n as usize)) {
                *port = self.get(*vsi, *mac).map(|found| found.port());
            }
        }
    }

    /// Has a bucket on its way from memory.
    #[inline]
    fn touch(&self, bucket: usize) {
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.seen.peek();
        }
    }
}

impl MacBucket {
    /// The entry of a key if it is the only one of its last octets, without a branch; else one that is not in use.
    #[inline]
    fn only(&self, key: Key) -> u32 {
        let mut candidates = 0_u32;
        for (way, low) in self.low.iter().enumerate() {
            candidates |= u32::from(low.peek() == key.low) << way;
        }
        let way = (candidates.trailing_zeros() as usize).min(WAYS - 1);
        let (Some(low), Some(high), Some(entry)) = (self.low.get(way), self.high.get(way), self.entry.get(way)) else {
            return 0;
        };
        let entry = entry.load();
        let differs = (low.peek() ^ key.low) | (high.peek() ^ key.high);
        entry & u32::from(differs != 0).wrapping_sub(1)
    }
}

impl Routes<'_> {
    /// The routes of IPv4 packets, by source and group: as many as the shorter of the two holds.
    pub(crate) fn batch4(
        &self,
        owner: VsiOrVrf,
        lengths: &Lengths,
        packets: &[(Ipv4Addr, Ipv4Addr)],
        routes: &mut [Option<Mroute>],
    ) {
        for (packets, routes) in packets.chunks(CHUNK).zip(routes.chunks_mut(CHUNK)) {
            let found = self.exact.find_batch(packets, |(s, g)| key4(owner, s.to_bits(), g.to_bits(), 0));
            for ((route, number), (_, group)) in routes.iter_mut().zip(found).zip(packets) {
                let value = self.exact.record(number).map(value_of::<K4, W4, 3>);
                *route = value.or_else(|| self.shared4(owner, lengths, group.to_bits())).map(unpack);
            }
        }
    }

    /// The routes of IPv6 packets, by source and group: as many as the shorter of the two holds.
    pub(crate) fn batch6(
        &self,
        owner: VsiOrVrf,
        lengths: &Lengths,
        packets: &[(Ipv6Addr, Ipv6Addr)],
        routes: &mut [Option<Mroute>],
    ) {
        for (packets, routes) in packets.chunks(CHUNK).zip(routes.chunks_mut(CHUNK)) {
            let found = self.exact6.find_batch(packets, |(s, g)| key6(owner, s.to_bits(), g.to_bits(), 0));
            for ((route, number), (_, group)) in routes.iter_mut().zip(found).zip(packets) {
                let value = self.exact6.record(number).map(value_of::<K6, W6, 3>);
                *route = value.or_else(|| self.shared6(owner, lengths, group.to_bits())).map(unpack);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::net::{Ipv4Prefix, Ipv6Prefix, ReplicationId, VrfId};
    use crate::op::{MrouteKey, Rpf};
    use crate::table::grace::Grace;
    use crate::table::mroute::{RouteWriter, pack};
    use crate::table::{Exact6Slot, ExactSlot};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    /// Few sources and groups, so that routes of all kinds meet.
    fn source4(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 | n & 7)
    }

    fn group4(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0xe800_0000 | (n & 3) << 8 | n >> 2 & 3)
    }

    fn wide(addr: Ipv4Addr, high: u128) -> Ipv6Addr {
        Ipv6Addr::from_bits(high << 112 | u128::from(addr.to_bits()))
    }

    fn source6(n: u32) -> Ipv6Addr {
        wide(source4(n), 0x2001)
    }

    fn group6(n: u32) -> Ipv6Addr {
        wide(group4(n), 0xff3e)
    }

    /// A route by source, or of a prefix of groups.
    fn key(is_v6: bool, s: u32, g: u32, len: u8) -> MrouteKey {
        match (is_v6, len) {
            (false, 0) => MrouteKey::Source4 { source: source4(s), group: group4(g) },
            (false, _) => MrouteKey::Group4 { group: Ipv4Prefix::new(group4(g), len).unwrap() },
            (true, 0) => MrouteKey::Source6 { source: source6(s), group: group6(g) },
            (true, _) => MrouteKey::Group6 { group: Ipv6Prefix::new(group6(g), len + 96).unwrap() },
        }
    }

    proptest! {
        #[test]
        fn many_at_once_are_as_one_by_one(
            routes in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..8_u32, 0..16_u32, 0..5_usize), 0..200),
            seed: u64,
        ) {
            let (mut slots, mut slots6) = (vec![ExactSlot::EMPTY; 300], vec![Exact6Slot::EMPTY; 300]);
            let mut writer = RouteWriter::new(&mut slots, &mut slots6, seed);
            let (mut grace, lengths, owner) = (Grace::new(&[]), Lengths::NONE, VsiOrVrf::Vrf(VrfId(1)));
            for (n, (is_v6, is_clear, s, g, kind)) in (0_u32..).zip(routes) {
                let key = key(is_v6, s, g, [0, 0, 32, 24, 8][kind]);
                if is_clear {
                    writer.clear(&grace, owner, &lengths, &key);
                } else {
                    let replication = Some(ReplicationId(n));
                    let route =
                        Mroute { rpf: Rpf::Any, replication, punt_wrong_interface: false, register: false, spt: None };
                    writer.set(&mut grace, owner, &lengths, &key, pack(&route).unwrap()).unwrap();
                }
            }
            let reader = writer.reader();
            // More than are looked up together, and not a multiple of them.
            let numbers = || (0..8).flat_map(|s| (0..16).map(move |g| (s, g))).chain([(3, 5)]);
            let packets: Vec<_> = numbers().map(|(s, g)| (source4(s), group4(g))).collect();
            let mut found = vec![None; packets.len()];
            reader.batch4(owner, &lengths, &packets, &mut found);
            for ((s, g), found) in packets.into_iter().zip(found) {
                assert_eq!(found, reader.lookup4(owner, &lengths, s, g).map(unpack));
            }
            let packets: Vec<_> = numbers().map(|(s, g)| (source6(s), group6(g))).collect();
            let mut found = vec![None; packets.len()];
            reader.batch6(owner, &lengths, &packets, &mut found);
            for ((s, g), found) in packets.into_iter().zip(found) {
                assert_eq!(found, reader.lookup6(owner, &lengths, s, g).map(unpack));
            }
        }

        #[test]
        fn many_addresses_at_once_are_as_one_by_one(
            addresses in proptest::collection::vec((0..4_u16, 0..64_u8), 0..70),
            seed: u64,
        ) {
            let mut buckets = vec![MacBucket::EMPTY; 16];
            let (mut grace, mac) = (Grace::new(&[]), |n| Mac([2, n >> 4, 0, 0, 0, n & 15]));
            let mut table = crate::table::mac::MacWriter::new(&mut buckets, seed);
            for (n, (vsi, address)) in (0..).zip(addresses) {
                let _ = table.set(&mut grace, VsiId(vsi), mac(address), PortId(n), false);
            }
            let keys: Vec<_> = (0..4).flat_map(|vsi| (0..64).map(move |n| (VsiId(vsi), mac(n)))).chain([(VsiId(9), mac(1))]).collect();
            let mut ports = vec![Some(PortId(99)); keys.len()];
            table.reader().get_batch(&keys, &mut ports);
            for ((vsi, mac), port) in keys.into_iter().zip(ports) {
                assert_eq!(port, table.reader().get(vsi, mac).map(|found| found.port()));
            }
        }
    }
}
