//! The one that writes the tables.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::bridge::{BridgeTables, Learn, Learned};
use super::fib_writer::FibWriter;
use super::grace::Grace;
use super::ilm::IlmTable;
use super::interface::{InterfaceWriter, Interfaces, Record};
use super::multicast::MulticastTables;
use super::nhlfe::{Entry, NhlfeWriter, Nhlfes};
use super::policer::PolicerWriter;
use super::rib::NIL;
use super::spread::{Groups, Pairs};
use super::vlink::VlinkWriter;
use super::vrf::{Vrfs, unpack};
use super::{CounterMemory, ReaderSlot, Tables};
use crate::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, NhlfeId, VlinkId, VrfId};
use crate::op::{Ilm, Interface, Nhlfe, RouteAction, Vlink, VlinkOutput};
use crate::time::Instant;
use crate::worker::Worker;

/// Applies ops to tables, which its workers read at the same time.
///
/// ```
/// use fwd_core::net::{Ipv4Prefix, VrfId};
/// use fwd_core::op::{FwdOp, RouteAction};
/// use fwd_core::table::{CounterMemory, Memory, ReaderSlot, Retired, Rib4Node, VrfSlot, Word, Writer};
///
/// let (mut readers, mut vrfs) = ([ReaderSlot::EMPTY; 2], [VrfSlot::EMPTY; 1]);
/// let (mut rib4, mut fib4) = ([Rib4Node::EMPTY; 20], vec![Word::ZERO; 2000]);
/// let mut retired = [Retired::EMPTY; 128];
/// let memory = Memory {
///     readers: &mut readers,
///     vrfs: &mut vrfs,
///     rib4: &mut rib4,
///     fib4: &mut fib4,
///     retired: &mut retired,
///     ..Memory::default()
/// };
/// let mut writer = Writer::new(memory)?;
/// let worker = writer.worker(CounterMemory::default()).unwrap();
/// std::thread::scope(|scope| {
///     // It sees no route or this one.
///     scope.spawn(move || worker.lookup4(VrfId::GLOBAL, "10.1.2.3".parse().unwrap()));
///     let prefix: Ipv4Prefix = "10.0.0.0/8".parse().unwrap();
///     writer.apply(&FwdOp::SetRoute4 { vrf: VrfId::GLOBAL, prefix, action: RouteAction::Local })
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<'m> {
    pub(super) grace: Grace<'m>,
    /// Reader slots that no worker has.
    pub(super) readers: &'m [ReaderSlot],
    pub(super) interfaces: InterfaceWriter<'m>,
    pub(super) vrfs: Vrfs<'m>,
    pub(super) nhlfes: NhlfeWriter<'m>,
    pub(super) groups: Groups<'m>,
    pub(super) pairs: Pairs<'m>,
    pub(super) ilm: IlmTable<'m>,
    pub(super) fib4: FibWriter<'m, u32>,
    pub(super) fib6: FibWriter<'m, u128>,
    pub(super) vlinks: VlinkWriter<'m>,
    pub(super) multicast: MulticastTables<'m>,
    pub(super) bridge: BridgeTables<'m>,
    pub(super) policers: PolicerWriter<'m>,
}

impl<'m> Writer<'m> {
    /// What readers see.
    pub(crate) fn tables(&self) -> Tables<'m> {
        Tables {
            interfaces: Interfaces(self.interfaces.reader()),
            vrfs: self.vrfs,
            nhlfes: Nhlfes(self.nhlfes.reader()),
            groups: self.groups,
            pairs: self.pairs,
            ilm: self.ilm,
            fib4: self.fib4.reader(),
            fib6: self.fib6.reader(),
            multicast: self.multicast.reader(),
            bridges: self.bridge.reader(),
            macs: self.bridge.macs(),
            policers: self.policers.reader(),
            vlinks: self.vlinks.reader(),
        }
    }

    /// A worker for another context: a thread, a core, an interrupt handler. There are as many as [`ReaderSlot`]s were lent.
    pub fn worker(&mut self, counters: CounterMemory<'m>) -> Option<Worker<'m>> {
        let (slot, rest) = self.readers.split_first()?;
        self.readers = rest;
        Some(Worker::new(self.tables(), Some(slot), counters))
    }

    /// How many numbers each table has.
    pub(crate) fn numbers(&self) -> Numbers {
        let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        let (multicast_vrfs, tunnels) = self.multicast.numbers();
        let (vsis, ports) = self.bridge.numbers();
        Numbers {
            interfaces: number(self.interfaces.capacity()),
            nhlfes: number(self.nhlfes.capacity()),
            groups: number(self.groups.0.len()),
            pairs: number(self.pairs.0.len()),
            first_label: self.ilm.first.value(),
            labels: number(self.ilm.slots.len()),
            vlinks: number(self.vlinks.capacity()),
            policers: number(self.policers.capacity()),
            tunnels: number(tunnels),
            replications: number(self.multicast.groups.capacity()),
            ports: number(ports),
            vrfs: short(self.vrfs.0.len().max(multicast_vrfs)),
            vsis: short(vsis),
        }
    }

    /// Learns an address, which a worker's frame taught.
    pub fn learn(&mut self, learn: Learn) -> Learned {
        self.bridge.learn(&mut self.grace, learn)
    }

    /// Forgets MAC addresses that were not seen for the age of their instance, looking at `buckets` buckets of the table at most.
    /// Whether that was all that was due. Each bucket is due once in four seconds: an address goes between its age and an eighth
    /// more, and eight seconds, after it was seen.
    pub fn age(&mut self, now: Instant, buckets: usize) -> bool {
        self.age_telling(now, buckets, |_| {})
    }

    /// As [`Self::age`]; tells which addresses it forgets.
    pub fn age_telling(&mut self, now: Instant, buckets: usize, on_aged: impl FnMut(Learn)) -> bool {
        self.bridge.age(&self.grace, (now, buckets), on_aged)
    }

    /// An interface.
    #[must_use]
    pub fn interface(&self, iface: IfIndex) -> Option<Interface> {
        self.tables().interface(iface)
    }

    /// Whether an interface was said to be down.
    #[must_use]
    pub fn is_down(&self, iface: IfIndex) -> bool {
        self.tables().interfaces.record(iface).is_some_and(Record::is_down)
    }

    /// The label space of an interface, if it has one of its own.
    #[must_use]
    pub fn label_space(&self, iface: IfIndex) -> Option<LabelSpaceId> {
        self.tables().interfaces.record(iface)?.label_space()
    }

    /// The label space of labels on an interface that their senders assigned, if it takes such.
    #[must_use]
    pub fn upstream_space(&self, iface: IfIndex) -> Option<LabelSpaceId> {
        self.tables().interfaces.record(iface)?.upstream_space()
    }

    /// A next hop label forwarding entry; implicit null labels are not in its stack.
    #[must_use]
    pub fn nhlfe(&self, id: NhlfeId) -> Option<Nhlfe> {
        self.tables().nhlfe(id).map(Entry::nhlfe)
    }

    /// What an incoming label means.
    #[must_use]
    pub fn ilm(&self, label: Label) -> Option<Ilm> {
        self.ilm.get(label)
    }

    /// A virtual link, and how packets leave by it.
    #[must_use]
    pub fn vlink(&self, id: VlinkId) -> Option<(Vlink, Option<VlinkOutput>)> {
        let link = self.vlinks.reader().get(id)?;
        Some((link.vlink()?, link.output()))
    }

    /// The action of exactly this route.
    #[must_use]
    pub fn route4(&self, vrf: VrfId, prefix: Ipv4Prefix) -> Option<RouteAction> {
        let rib = self.vrfs.get(vrf)?.fib4.rib();
        unpack(self.fib4.rib.get(rib, prefix.bits(), prefix.bit_len())?.get())
    }

    /// The action of exactly this route.
    #[must_use]
    pub fn route6(&self, vrf: VrfId, prefix: Ipv6Prefix) -> Option<RouteAction> {
        let rib = self.vrfs.get(vrf)?.fib6.rib();
        unpack(self.fib6.rib.get(rib, prefix.bits(), prefix.bit_len())?.get())
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup4(&self, vrf: VrfId, addr: Ipv4Addr) -> Option<RouteAction> {
        self.tables().lookup4(vrf, addr)
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup6(&self, vrf: VrfId, addr: Ipv6Addr) -> Option<RouteAction> {
        self.tables().lookup6(vrf, addr)
    }

    /// The IPv4 routes of a VRF, in ascending order.
    pub fn routes4(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv4Prefix, RouteAction)> + '_ {
        let routes = self.fib4.rib.iter(self.vrfs.get(vrf).map_or(NIL, |slot| slot.fib4.rib().at));
        routes.filter_map(|(bits, len, value)| Some((Ipv4Prefix::from_bits(bits, len)?, unpack(value.get())?)))
    }

    /// The IPv6 routes of a VRF, in ascending order.
    pub fn routes6(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv6Prefix, RouteAction)> + '_ {
        let routes = self.fib6.rib.iter(self.vrfs.get(vrf).map_or(NIL, |slot| slot.fib6.rib().at));
        routes.filter_map(|(bits, len, value)| Some((Ipv6Prefix::from_bits(bits, len)?, unpack(value.get())?)))
    }

    /// How many IPv4 and IPv6 routes a VRF has.
    #[must_use]
    pub fn route_counts(&self, vrf: VrfId) -> (u32, u32) {
        self.vrfs.get(vrf).map_or((0, 0), |slot| (slot.fib4.routes(), slot.fib6.routes()))
    }

    /// Words that look-ups of IPv4 and of IPv6 routes use, without direct roots.
    #[must_use]
    pub fn fib_words(&self) -> (usize, usize) {
        (self.fib4.used(), self.fib6.used())
    }

    /// Words in front of direct roots of IPv4 and of IPv6 routes, as far as they are used.
    #[must_use]
    pub fn front_words(&self) -> (usize, usize) {
        (self.fib4.front_used(), self.fib6.front_used())
    }

    /// Nodes that hold the IPv4 and the IPv6 routes themselves.
    #[must_use]
    pub fn rib_nodes(&self) -> (usize, usize) {
        (self.fib4.rib.used(), self.fib6.rib.used())
    }
}

/// How many numbers each table has, and where labels begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) interfaces: u32,
    pub(crate) nhlfes: u32,
    pub(crate) groups: u32,
    pub(crate) pairs: u32,
    pub(crate) first_label: u32,
    pub(crate) labels: u32,
    pub(crate) vlinks: u32,
    pub(crate) policers: u32,
    pub(crate) tunnels: u32,
    pub(crate) replications: u32,
    pub(crate) ports: u32,
    pub(crate) vrfs: u16,
    pub(crate) vsis: u16,
}
