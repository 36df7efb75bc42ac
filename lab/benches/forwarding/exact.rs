//! Exact match: incoming labels, MAC addresses and (S,G) routes, each key of a trace in its table.

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Worker;
use fwd_core::net::{IfIndex, Label, Mac, NhlfeId, PortId, ReplicationId, VrfId, VsiId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Mroute, MrouteKey, Origin, Rpf, TunnelModel};
use fwd_core::table::{
    BridgeMemory, CounterMemory, Exact6Slot, ExactSlot, MacBucket, Memory, MulticastMemory, MulticastVrfSlot,
    PortState, ReaderSlot, Retired, VrfSlot, VsiState, Word, Writer,
};

use crate::data::Random;
use crate::{least, row};

const VRF: VrfId = VrfId(1);
const BATCH: usize = 64;
/// Look-ups of a trace.
const TRACE: usize = 1 << 20;
/// What the keys of a table lead to: key n to n modulo this.
pub const VALUES: usize = 1000;

/// A table that was measured, for others to be measured on.
pub struct Table {
    /// Its name in the report, and in file names.
    pub name: &'static str,
    /// The octets of its keys, and of the keys of its trace.
    pub keys: Vec<u8>,
    pub trace: Vec<u8>,
    /// What the values of the trace add up to.
    pub digest: u64,
}

/// A kind of key.
trait Key: Copy + Ord {
    /// As others are given it.
    type Plain: Copy + Eq + std::hash::Hash;
    /// The key of a number.
    fn new(n: usize, r: &mut Random) -> Self;
    fn octets(&self) -> Vec<u8>;
    fn plain(&self) -> Self::Plain;
    /// The op that puts it in its table.
    fn op(&self, value: u32) -> FwdOp;
    /// The values of keys, added up; a function by itself, in which instructions can be counted.
    fn pass(tables: &(Writer<'_>, Worker<'_>), keys: &[Self]) -> u64;
}

impl Key for Label {
    type Plain = u32;

    fn new(n: usize, _: &mut Random) -> Self {
        Self::from_low_bits(16 + n as u32)
    }

    fn octets(&self) -> Vec<u8> {
        self.value().to_be_bytes().to_vec()
    }

    fn plain(&self) -> u32 {
        self.value()
    }

    fn op(&self, value: u32) -> FwdOp {
        let ilm = Ilm { action: IlmAction::Forward(NhlfeId(value)), model: TunnelModel::Uniform };
        FwdOp::SetIlm { label: *self, ilm }
    }

    #[inline(never)]
    fn pass((writer, _): &(Writer<'_>, Worker<'_>), keys: &[Self]) -> u64 {
        let value = |label: &Self| match writer.ilm(*label).map(|ilm| ilm.action) {
            Some(IlmAction::Forward(id)) => u64::from(id.0),
            _ => 0,
        };
        keys.iter().map(value).sum()
    }
}

impl Key for (VsiId, Mac) {
    type Plain = u64;

    fn new(_: usize, r: &mut Random) -> Self {
        let [a, b, c, d, e, f, ..] = r.next().to_le_bytes();
        (VsiId(1), Mac([a & 0xfc | 2, b, c, d, e, f]))
    }

    fn octets(&self) -> Vec<u8> {
        [&self.0.0.to_be_bytes()[..], &self.1.0].concat()
    }

    fn plain(&self) -> u64 {
        self.octets().iter().fold(0, |bits, octet| bits << 8 | u64::from(*octet))
    }

    fn op(&self, value: u32) -> FwdOp {
        FwdOp::SetMac { vsi: self.0, mac: self.1, port: PortId(value) }
    }

    #[inline(never)]
    fn pass((_, worker): &(Writer<'_>, Worker<'_>), keys: &[Self]) -> u64 {
        let mut ports = [None; BATCH];
        let mut digest = 0;
        for keys in keys.chunks(BATCH) {
            worker.macs_batch(keys, &mut ports);
            digest += ports.iter().flatten().map(|port| u64::from(port.0)).sum::<u64>();
        }
        digest
    }
}

const fn mroute(value: u32) -> Mroute {
    Mroute {
        rpf: Rpf::From(Origin::Interface(IfIndex(7))),
        replication: Some(ReplicationId(value)),
        punt_wrong_interface: false,
        register: false,
        spt: None,
    }
}

fn group(route: &Mroute) -> u64 {
    route.replication.map_or(0, |id| u64::from(id.0))
}

impl Key for (Ipv4Addr, Ipv4Addr) {
    type Plain = (u32, u64);

    fn new(_: usize, r: &mut Random) -> Self {
        let bits = r.next();
        (Ipv4Addr::from_bits(10 << 24 | bits as u32 >> 8), Ipv4Addr::from_bits(232 << 24 | (bits >> 40) as u32))
    }

    fn octets(&self) -> Vec<u8> {
        [u32::from(VRF.0).to_be_bytes(), self.0.octets(), self.1.octets()].concat()
    }

    fn plain(&self) -> (u32, u64) {
        (VRF.0.into(), u64::from(self.0.to_bits()) << 32 | u64::from(self.1.to_bits()))
    }

    fn op(&self, value: u32) -> FwdOp {
        let key = MrouteKey::Source4 { source: self.0, group: self.1 };
        FwdOp::SetMroute { vrf: VRF, key, mroute: mroute(value) }
    }

    #[inline(never)]
    fn pass((_, worker): &(Writer<'_>, Worker<'_>), keys: &[Self]) -> u64 {
        let mut routes = [None; BATCH];
        let mut digest = 0;
        for keys in keys.chunks(BATCH) {
            worker.mroutes4_batch(VRF, keys, &mut routes);
            digest += routes.iter().flatten().map(group).sum::<u64>();
        }
        digest
    }
}

impl Key for (Ipv6Addr, Ipv6Addr) {
    type Plain = (u32, u128, u128);

    fn new(_: usize, r: &mut Random) -> Self {
        let source = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(r.next()));
        (source, Ipv6Addr::from_bits(0xff3e << 112 | u128::from(r.next() as u32)))
    }

    fn octets(&self) -> Vec<u8> {
        [&u32::from(VRF.0).to_be_bytes()[..], &self.0.octets(), &self.1.octets()].concat()
    }

    fn plain(&self) -> (u32, u128, u128) {
        (VRF.0.into(), self.0.to_bits(), self.1.to_bits())
    }

    fn op(&self, value: u32) -> FwdOp {
        let key = MrouteKey::Source6 { source: self.0, group: self.1 };
        FwdOp::SetMroute { vrf: VRF, key, mroute: mroute(value) }
    }

    #[inline(never)]
    fn pass((_, worker): &(Writer<'_>, Worker<'_>), keys: &[Self]) -> u64 {
        let mut routes = [None; BATCH];
        let mut digest = 0;
        for keys in keys.chunks(BATCH) {
            worker.mroutes6_batch(VRF, keys, &mut routes);
            digest += routes.iter().flatten().map(group).sum::<u64>();
        }
        digest
    }
}

/// Tables with room for so many of each.
fn tables([labels, macs, routes4, routes6]: [usize; 4]) -> Writer<'static> {
    let slots = |routes: usize| if routes == 0 { 0 } else { routes + 1 };
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 2].leak(),
        routes: vec![ExactSlot::EMPTY; slots(routes4)].leak(),
        routes6: vec![Exact6Slot::EMPTY; slots(routes6)].leak(),
        ..MulticastMemory::default()
    };
    let bridge = BridgeMemory {
        vsi_states: vec![VsiState::EMPTY; 2].leak(),
        port_states: vec![PortState::EMPTY; VALUES].leak(),
        macs: vec![MacBucket::EMPTY; MacBucket::count(macs)].leak(),
        ..BridgeMemory::default()
    };
    let memory = Memory {
        readers: vec![ReaderSlot::EMPTY; 1].leak(),
        vrfs: vec![VrfSlot::EMPTY; 2].leak(),
        ilm: vec![Word::ZERO; labels].leak(),
        retired: vec![Retired::EMPTY; Memory::RETIRED_MIN].leak(),
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    Writer::new(memory).expect("memory")
}

/// Fills a table with `count` keys in memory for as many, measures look-ups of keys that are in it, and keeps what others need.
fn measure<K: Key>(name: &'static str, count: usize, sizes: [usize; 4], octets: usize) -> Table {
    let mut r = Random(5);
    let mut keys: Vec<K> = (0..count).map(|n| K::new(n, &mut r)).collect();
    keys.sort_unstable();
    keys.dedup();
    (1..keys.len()).for_each(|n| keys.swap(n, r.below(n + 1)));
    let mut writer = tables(sizes);
    for (n, key) in keys.iter().enumerate() {
        writer.apply(&key.op((n % VALUES) as u32)).expect("room");
    }
    let worker = writer.worker(CounterMemory::default()).expect("a reader");
    let places: Vec<usize> = (0..TRACE).map(|_| r.below(keys.len())).collect();
    let trace: Vec<K> = places.iter().map(|&at| keys[at]).collect();
    let tables = (writer, worker);
    let result = least(&trace, |trace| K::pass(&tables, trace));
    let digest = places.iter().map(|at| (at % VALUES) as u64).sum::<u64>();
    assert_eq!(result.1, digest, "{name}");
    row(name, &format!("fwd-core, {:.1} octets per entry", octets as f64 / keys.len() as f64), "hits", result);
    #[cfg(feature = "peers")]
    hashbrown(name, &keys, &trace, digest);
    Table {
        name,
        keys: keys.iter().flat_map(K::octets).collect(),
        trace: trace.iter().flat_map(K::octets).collect(),
        digest,
    }
}

/// The same in a hash table of the crate, with its hash.
#[cfg(feature = "peers")]
fn hashbrown<K: Key>(name: &str, keys: &[K], trace: &[K], digest: u64) {
    let mut map = hashbrown::HashMap::with_capacity(keys.len());
    map.extend(keys.iter().enumerate().map(|(n, key)| (key.plain(), (n % VALUES) as u32)));
    let trace: Vec<K::Plain> = trace.iter().map(K::plain).collect();
    let result = least(&trace, |trace| trace.iter().filter_map(|key| map.get(key)).map(|v| u64::from(*v)).sum());
    assert_eq!(result.1, digest, "{name}");
    let octets = map.allocation_size() as f64 / keys.len() as f64;
    row(name, &format!("hashbrown 0.15, {octets:.1} octets per entry"), "hits", result);
}

/// Ours, and those of crates with `--features peers`.
pub fn lookups() -> Vec<Table> {
    const K: usize = 1 << 10;
    let octets = |macs| MacBucket::count(macs) * size_of::<MacBucket>();
    vec![
        measure::<Label>("ilm", 64 * K, [64 * K + 16, 0, 0, 0], (64 * K + 16) * 4),
        measure::<(VsiId, Mac)>("mac64k", 64 * K, [0, 64 * K, 0, 0], octets(64 * K)),
        measure::<(VsiId, Mac)>("mac1m", K * K, [0, K * K, 0, 0], octets(K * K)),
        measure::<(Ipv4Addr, Ipv4Addr)>("sg4", 64 * K, [0, 0, 64 * K, 0], (64 * K + 1) * size_of::<ExactSlot>()),
        measure::<(Ipv6Addr, Ipv6Addr)>("sg6", 64 * K, [0, 0, 0, 64 * K], (64 * K + 1) * size_of::<Exact6Slot>()),
    ]
}
