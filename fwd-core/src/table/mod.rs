//! The forwarding tables, in memory that the embedder lends.

mod apply;
mod fib4;
mod fib6;
pub(crate) mod ilm;
pub(crate) mod interface;
mod lpm;
mod memory;
pub(crate) mod nhlfe;
pub(crate) mod vrf;

pub use apply::{ApplyError, Table};
pub use fib4::Fib4Node;
pub use fib6::Fib6Node;
pub use ilm::IlmSlot;
pub use interface::InterfaceSlot;
pub use lpm::Node;
pub use memory::{Memory, MemoryError, Sizes};
pub use nhlfe::NhlfeSlot;
pub use vrf::VrfSlot;

use core::net::{Ipv4Addr, Ipv6Addr};

use self::ilm::IlmTable;
use self::interface::Interfaces;
use self::lpm::Lpm;
use self::nhlfe::Nhlfes;
use self::vrf::Vrfs;
use crate::net::{Ipv4Prefix, Ipv6Prefix, Label, VrfId};
use crate::op::{RouteAction, TunnelModel};

/// Every table.
#[derive(Debug)]
pub(crate) struct Tables<'m> {
    pub(crate) interfaces: Interfaces<'m>,
    pub(crate) vrfs: Vrfs<'m>,
    pub(crate) nhlfes: Nhlfes<'m>,
    pub(crate) ilm: IlmTable<'m>,
    pub(crate) fib4: Lpm<'m, u32>,
    pub(crate) fib6: Lpm<'m, u128>,
    explicit_null: [TunnelModel; 2],
}

impl Tables<'_> {
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
