//! The forwarding tables, in memory that the embedder lends.
//!
//! # One writer, many readers
//!
//! All lent memory that readers look at is made of [`Word`]s: 32-bit atomics of which only plain loads and stores are used, so
//! that tables work the same on a server and on a Cortex-M0, without `unsafe`. One writer applies ops; any number of readers
//! forward packets at the same time. A reader never waits, never retries and takes no lock. It sees each entry as it was
//! before an op or as it is after it:
//!
//! * What fits one word (an incoming label, a route's next hop, the root of a VRF) is replaced by one store.
//! * What does not fit is written into memory that no reader can come to, then published by one store of its place: records
//!   with numbers (`records.rs`), the nodes of the route tables. Nothing that is published changes afterwards, except by the
//!   rule above; so an entry that a packet meets twice, once to measure and once to write labels, is the same both times.
//! * What was replaced stays as it was until every reader has left the batch in which it may have found it (`grace.rs`), and
//!   is written again only then. While that memory is missing, an op is refused as busy: apply it again, nothing was changed.
//!
//! Why not a sequence lock per record: its readers retry, and on a single core a reader that interrupts the writer would retry
//! for ever. Why not two copies of each table: twice the memory, and each op is applied twice.
//!
//! A writer with no readers beside it (a [`crate::Forwarder`], which applies and forwards in turns) lends no [`ReaderSlot`]s,
//! and what is replaced is free at once.
//!
//! To add a table: keep its small values in [`Word`]s, its larger ones in `Records`; give its writer `&mut Grace`; hand out a
//! `Copy` reader. `loom` runs the reader against the writer in every order the memory model allows: `ci/loom.sh`.

mod apply;
mod batch;
mod bridge;
mod fib;
mod fib_front;
mod fib_front4;
mod fib_front6;
mod fib_node;
mod fib_writer;
pub(crate) mod grace;
mod hash;
pub(crate) mod ilm;
pub(crate) mod interface;
mod key;
pub(crate) mod keyed;
pub(crate) mod mac;
mod memory;
pub(crate) mod mroute;
pub(crate) mod multicast;
pub(crate) mod nhlfe;
#[cfg(feature = "qos")]
pub(crate) mod policer;
#[cfg(not(feature = "qos"))]
#[path = "policer_none.rs"]
pub(crate) mod policer;
mod pool;
pub(crate) mod records;
pub(crate) mod replication;
mod rib;
pub(crate) mod spread;
mod switching;
pub(crate) mod vlink;
pub(crate) mod vrf;
pub(crate) mod vsi;
mod word;
mod writer;

pub use apply::{ApplyError, Table};
pub use bridge::{BridgeMemory, Learn, Learned};
pub use fib_writer::Retired;
pub use grace::ReaderSlot;
pub use ilm::IlmSlot;
pub use interface::InterfaceSlot;
pub use mac::MacBucket;
pub use memory::{CounterMemory, Memory, MemoryError, Sizes, Thresholds};
pub use mroute::{Exact6Slot, ExactSlot, MulticastVrfSlot};
pub use multicast::MulticastMemory;
pub use nhlfe::NhlfeSlot;
pub use policer::{PolicerSlot, TokenBuckets};
pub use records::Slot;
pub use replication::{LegSlot, ReplicationSlot};
pub use rib::{Node, Rib4Node, Rib6Node};
pub use spread::{EcmpSlot, ProtectionSlot};
pub use vlink::{VlinkSlot, VlinkState};
pub use vrf::VrfSlot;
pub use vsi::{CircuitSlot, PortSlot, PortState, VsiSlot, VsiState};
pub use word::Word;
pub use writer::Writer;

use core::net::{Ipv4Addr, Ipv6Addr};

use self::fib::Fib;
use self::ilm::IlmTable;
use self::interface::Interfaces;
use self::mac::Macs;
use self::multicast::Multicast;
use self::nhlfe::{Entry, Nhlfes};
use self::policer::Policers;
use self::spread::{Groups, Pairs};
use self::vlink::Vlinks;
use self::vrf::Vrfs;
use self::vsi::Bridges;
use crate::net::{IfIndex, Label, NhlfeId, VrfId};
use crate::op::{Interface, RouteAction, TunnelModel};

/// Whether policers, marks and classes of priorities are built in.
const QOS: bool = cfg!(feature = "qos");

/// What readers see of every table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables<'m> {
    pub(crate) interfaces: Interfaces<'m>,
    pub(crate) vrfs: Vrfs<'m>,
    pub(crate) nhlfes: Nhlfes<'m>,
    pub(crate) groups: Groups<'m>,
    pub(crate) pairs: Pairs<'m>,
    pub(crate) ilm: IlmTable<'m>,
    pub(crate) fib4: Fib<'m>,
    pub(crate) fib6: Fib<'m>,
    pub(crate) multicast: Multicast<'m>,
    pub(crate) bridges: Bridges<'m>,
    pub(crate) macs: Macs<'m>,
    pub(crate) policers: Policers<'m>,
    pub(crate) vlinks: Vlinks<'m>,
}

impl<'m> Tables<'m> {
    #[inline]
    pub(crate) fn interface(&self, iface: IfIndex) -> Option<Interface> {
        self.interfaces.record(iface).map(interface::Record::interface)
    }

    #[inline]
    pub(crate) fn nhlfe(&self, id: NhlfeId) -> Option<Entry<'m>> {
        self.nhlfes.get(id)
    }

    /// The model by which an explicit null label is popped. Uniform unless it was set (RFC 3032 §2.4.3).
    pub(crate) fn explicit_null_model(&self, label: Label) -> TunnelModel {
        let models = self.vrfs.get(VrfId::GLOBAL).map_or(0, |slot| slot.explicit_null.load());
        vrf::model_of(if label == Label::IPV6_EXPLICIT_NULL { models >> 2 } else { models })
    }

    /// Where look-ups of a VRF's IPv4 routes begin.
    #[inline]
    pub(crate) fn root4(&self, vrf: VrfId) -> u32 {
        self.vrfs.get(vrf).map_or(0, |slot| slot.fib4.root())
    }

    /// Where look-ups of a VRF's IPv6 routes begin.
    #[inline]
    pub(crate) fn root6(&self, vrf: VrfId) -> u32 {
        self.vrfs.get(vrf).map_or(0, |slot| slot.fib6.root())
    }

    #[inline]
    pub(crate) fn lookup4(&self, vrf: VrfId, addr: Ipv4Addr) -> Option<RouteAction> {
        vrf::unpack(self.fib4.lookup(self.root4(vrf), addr.to_bits()))
    }

    #[inline]
    pub(crate) fn lookup6(&self, vrf: VrfId, addr: Ipv6Addr) -> Option<RouteAction> {
        vrf::unpack(self.fib6.lookup(self.root6(vrf), addr.to_bits()))
    }
}
