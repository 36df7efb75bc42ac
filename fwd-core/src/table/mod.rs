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
//! `Copy` reader. `loom` runs the reader against the writer in every order the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test -p fwd-core --lib --release model::`.

mod apply;
mod fib4;
mod fib6;
pub(crate) mod grace;
pub(crate) mod ilm;
pub(crate) mod interface;
mod lpm;
mod memory;
pub(crate) mod nhlfe;
pub(crate) mod records;
pub(crate) mod vrf;
mod word;

pub use apply::{ApplyError, Table};
pub use fib4::Fib4Node;
pub use fib6::Fib6Node;
pub use grace::ReaderSlot;
pub use ilm::IlmSlot;
pub use interface::InterfaceSlot;
pub use lpm::Node;
pub use memory::{Memory, MemoryError, Sizes};
pub use nhlfe::NhlfeSlot;
pub use records::Slot;
pub use vrf::VrfSlot;
pub use word::Word;

use core::net::{Ipv4Addr, Ipv6Addr};

use self::grace::Grace;
use self::ilm::IlmTable;
use self::interface::{InterfaceWriter, Interfaces};
use self::lpm::Lpm;
use self::nhlfe::{Entry, NhlfeWriter, Nhlfes};
use self::vrf::Vrfs;
use crate::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, NhlfeId, VrfId};
use crate::op::{Interface, RouteAction, TunnelModel};

/// Every table.
#[derive(Debug)]
pub(crate) struct Tables<'m> {
    grace: Grace<'m>,
    interfaces: InterfaceWriter<'m>,
    pub(crate) vrfs: Vrfs<'m>,
    nhlfes: NhlfeWriter<'m>,
    pub(crate) ilm: IlmTable<'m>,
    pub(crate) fib4: Lpm<'m, u32>,
    pub(crate) fib6: Lpm<'m, u128>,
    explicit_null: [TunnelModel; 2],
}

impl<'m> Tables<'m> {
    #[inline]
    pub(crate) fn interface(&self, iface: IfIndex) -> Option<Interface> {
        Interfaces(self.interfaces.reader()).get(iface)
    }

    #[inline]
    pub(crate) fn nhlfe(&self, id: NhlfeId) -> Option<Entry<'m>> {
        Nhlfes(self.nhlfes.reader()).get(id)
    }

    /// The model by which an explicit null label is popped. Uniform unless it was set (RFC 3032 §2.4.3).
    pub(crate) fn explicit_null_model(&self, label: Label) -> TunnelModel {
        let [v4, v6] = self.explicit_null;
        if label == Label::IPV6_EXPLICIT_NULL { v6 } else { v4 }
    }

    #[inline]
    pub(crate) fn lookup4(&self, vrf: VrfId, addr: Ipv4Addr) -> Option<RouteAction> {
        self.fib4.lookup(self.vrfs.get(vrf)?.root4, addr.to_bits()).map(vrf::unpack)
    }

    #[inline]
    pub(crate) fn lookup6(&self, vrf: VrfId, addr: Ipv6Addr) -> Option<RouteAction> {
        self.fib6.lookup(self.vrfs.get(vrf)?.root6, addr.to_bits()).map(vrf::unpack)
    }

    pub(crate) fn route4(&self, vrf: VrfId, prefix: Ipv4Prefix) -> Option<RouteAction> {
        self.fib4.get(self.vrfs.get(vrf)?.root4, prefix.bits(), prefix.bit_len()).map(vrf::unpack)
    }

    pub(crate) fn route6(&self, vrf: VrfId, prefix: Ipv6Prefix) -> Option<RouteAction> {
        self.fib6.get(self.vrfs.get(vrf)?.root6, prefix.bits(), prefix.bit_len()).map(vrf::unpack)
    }

    pub(crate) fn routes4(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv4Prefix, RouteAction)> + '_ {
        let routes = self.fib4.iter(self.vrfs.get(vrf).map_or(lpm::NIL, |slot| slot.root4));
        routes.filter_map(|(bits, len, word)| Some((Ipv4Prefix::from_bits(bits, len)?, vrf::unpack(word))))
    }

    pub(crate) fn routes6(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv6Prefix, RouteAction)> + '_ {
        let routes = self.fib6.iter(self.vrfs.get(vrf).map_or(lpm::NIL, |slot| slot.root6));
        routes.filter_map(|(bits, len, word)| Some((Ipv6Prefix::from_bits(bits, len)?, vrf::unpack(word))))
    }

    pub(crate) fn route_counts(&self, vrf: VrfId) -> (u32, u32) {
        self.vrfs.get(vrf).map_or((0, 0), |slot| (slot.routes4, slot.routes6))
    }
}
