//! A router's forwarding plane.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::counters::{Counters, VrfCounters};
use crate::frame::Frame;
use crate::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, NhlfeId, VrfId};
use crate::op::{FwdOp, Ilm, Interface, Nhlfe, RouteAction};
use crate::stage::label::{Labelled, Version};
use crate::stage::route::Routed;
use crate::stage::{Step, classify, classify::Payload, egress, label, route};
use crate::table::nhlfe::Entry;
use crate::table::{ApplyError, Memory, MemoryError, Tables};
use crate::verdict::{DropReason, Verdict};
use crate::wire::Ethernet;

/// Forwards frames by tables that [`FwdOp`]s fill.
///
/// ```
/// use fwd_core::net::{IfIndex, Label, Mac, NhlfeId, VrfId};
/// use fwd_core::op::{FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
/// use fwd_core::table::{Fib4Node, Fib6Node, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, VrfSlot};
/// use fwd_core::{Forwarder, Frame, Verdict};
///
/// let mut interfaces = [InterfaceSlot::EMPTY; 3];
/// let mut vrfs = [VrfSlot::EMPTY; 2];
/// let mut nhlfes = [NhlfeSlot::EMPTY; 2];
/// let mut ilm = [IlmSlot::EMPTY; 4];
/// let mut fib4 = [Fib4Node::EMPTY; 4];
/// let mut fib6 = [Fib6Node::EMPTY; 4];
/// let mut forwarder = Forwarder::new(Memory {
///     interfaces: &mut interfaces,
///     vrfs: &mut vrfs,
///     nhlfes: &mut nhlfes,
///     ilm: &mut ilm,
///     fib4: &mut fib4,
///     fib6: &mut fib6,
///     ..Memory::default()
/// })?;
///
/// // Interface 0 belongs to VRF 1, interface 1 to the core; 10.0.0.0/8 of VRF 1 is behind label 1000.
/// let (ours, core) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
/// let interface = |vrf, mpls| Interface { vrf: VrfId(vrf), mac: ours, mtu: 1500, mpls };
/// let push = fwd_core::net::LabelStack::single(Label::new(1000).unwrap());
/// let next = NextHop::Neighbor { iface: IfIndex(1), mac: core };
/// for op in [
///     FwdOp::SetInterface { iface: IfIndex(0), interface: interface(1, false) },
///     FwdOp::SetInterface { iface: IfIndex(1), interface: interface(0, true) },
///     FwdOp::SetNhlfe { id: NhlfeId(0), nhlfe: Nhlfe { push, next, model: TunnelModel::Uniform } },
///     FwdOp::SetRoute4 {
///         vrf: VrfId(1),
///         prefix: "10.0.0.0/8".parse().unwrap(),
///         action: RouteAction::Forward(NhlfeId(0)),
///     },
/// ] {
///     forwarder.apply(&op)?;
/// }
///
/// let mut buffer = [0; Frame::HEADROOM + 34];
/// let packet: [u8; 34] = [
///     2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x08, 0x00, // to us, IPv4
///     0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0xae, 0x2c, 192, 168, 0, 1, 10, 1, 2, 3,
/// ];
/// buffer[Frame::HEADROOM..].copy_from_slice(&packet);
/// let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, packet.len()).unwrap();
/// let verdict = forwarder.forward(&mut frame, IfIndex(0));
/// assert_eq!(verdict, Verdict::Transmit { iface: IfIndex(1), class: 0 });
/// assert_eq!(frame.octets()[12..18], [0x88, 0x47, 0x00, 0x3e, 0x81, 63]); // MPLS, label 1000, bottom, TTL 63
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Forwarder<'m> {
    tables: Tables<'m>,
    counters: Counters,
}

impl<'m> Forwarder<'m> {
    /// A forwarder with empty tables in the lent memory.
    ///
    /// # Errors
    /// Memory without room for the global table, or that begins with a special-purpose label.
    pub fn new(memory: Memory<'m>) -> Result<Self, MemoryError> {
        Ok(Self { tables: Tables::new(memory)?, counters: Counters::new() })
    }

    /// Changes the tables. Idempotent.
    ///
    /// # Errors
    /// The table is full or the op names what cannot be; the tables are then as they were.
    pub fn apply(&mut self, op: &FwdOp) -> Result<(), ApplyError> {
        self.tables.apply(op)
    }

    /// Forwards a frame that arrived on `ingress`: rewrites it and says where to send it, or leaves it and says why not.
    ///
    /// The work is bounded: labels popped, entries followed and trie nodes visited each have a limit.
    pub fn forward(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Verdict {
        let verdict = match self.process(frame, ingress) {
            Ok(verdict) | Err(verdict) => verdict,
        };
        self.counters.count(&verdict);
        verdict
    }

    fn process(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Step<Verdict> {
        let arrival = classify::classify(&self.tables, frame, ingress)?;
        let received = frame.octets().len().saturating_sub(Ethernet::LEN);
        if let Some(vrf) = self.tables.vrfs.get_mut(arrival.vrf) {
            vrf.counters.count_in(received);
        }
        let unlabelled = Routed { vrf: arrival.vrf, offset: Ethernet::LEN, tunnel: None, group: arrival.group };
        let (hop, rewrite) = match arrival.payload {
            Payload::Ipv4 => route::ipv4(&self.tables, frame, unlabelled)?,
            Payload::Ipv6 => route::ipv6(&self.tables, frame, unlabelled)?,
            Payload::Mpls => match label::process(&self.tables, frame, arrival.vrf)? {
                Labelled::Forward(hop, rewrite) => (hop, rewrite),
                Labelled::Route { vrf, offset, tunnel, version } => {
                    let packet = Routed { vrf, offset, tunnel: Some(tunnel), group: false };
                    self.route_unlabelled(frame, packet, version)?
                }
            },
        };
        let sent = egress::send(&self.tables, frame, &hop, &rewrite)?;
        if let Some(vrf) = self.tables.vrfs.get_mut(hop.interface.vrf) {
            vrf.counters.count_out(sent);
        }
        Ok(Verdict::Transmit { iface: hop.iface, class: rewrite.phb })
    }

    /// Routes the packet below the last label, whose version its first four bits say (RFC 3032 §2.2).
    fn route_unlabelled(
        &self,
        frame: &Frame<'_>,
        packet: Routed,
        version: Option<Version>,
    ) -> Step<(egress::Hop, crate::stage::Rewrite)> {
        let is_v6 = frame.after(packet.offset).first().is_some_and(|first| first >> 4 == 6);
        match (is_v6, version) {
            (true, Some(Version::V4)) | (false, Some(Version::V6)) => Err(Verdict::Drop(DropReason::IpVersion)),
            (true, _) => route::ipv6(&self.tables, frame, packet),
            (false, _) => route::ipv4(&self.tables, frame, packet),
        }
    }

    /// Packets by what became of them.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Packets and octets of a VRF's interfaces; of [`VrfId::GLOBAL`], those of the core links.
    #[must_use]
    pub fn vrf_counters(&self, vrf: VrfId) -> VrfCounters {
        self.tables.vrfs.get(vrf).map_or(VrfCounters::ZERO, |slot| slot.counters)
    }

    /// An interface.
    #[must_use]
    pub fn interface(&self, iface: IfIndex) -> Option<Interface> {
        self.tables.interface(iface)
    }

    /// A next hop label forwarding entry; implicit null labels are not in its stack.
    #[must_use]
    pub fn nhlfe(&self, id: NhlfeId) -> Option<Nhlfe> {
        self.tables.nhlfe(id).map(Entry::nhlfe)
    }

    /// What an incoming label means.
    #[must_use]
    pub fn ilm(&self, label: Label) -> Option<Ilm> {
        self.tables.ilm.get(label)
    }

    /// The action of exactly this route.
    #[must_use]
    pub fn route4(&self, vrf: VrfId, prefix: Ipv4Prefix) -> Option<RouteAction> {
        self.tables.route4(vrf, prefix)
    }

    /// The action of exactly this route.
    #[must_use]
    pub fn route6(&self, vrf: VrfId, prefix: Ipv6Prefix) -> Option<RouteAction> {
        self.tables.route6(vrf, prefix)
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup4(&self, vrf: VrfId, addr: Ipv4Addr) -> Option<RouteAction> {
        self.tables.lookup4(vrf, addr)
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup6(&self, vrf: VrfId, addr: Ipv6Addr) -> Option<RouteAction> {
        self.tables.lookup6(vrf, addr)
    }

    /// The IPv4 routes of a VRF, in ascending order.
    pub fn routes4(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv4Prefix, RouteAction)> + '_ {
        self.tables.routes4(vrf)
    }

    /// The IPv6 routes of a VRF, in ascending order.
    pub fn routes6(&self, vrf: VrfId) -> impl Iterator<Item = (Ipv6Prefix, RouteAction)> + '_ {
        self.tables.routes6(vrf)
    }

    /// How many IPv4 and IPv6 routes a VRF has.
    #[must_use]
    pub fn route_counts(&self, vrf: VrfId) -> (u32, u32) {
        self.tables.route_counts(vrf)
    }

    /// Nodes that the IPv4 routes of all VRFs take.
    #[must_use]
    pub fn fib4_used(&self) -> usize {
        self.tables.fib4.used()
    }

    /// Nodes that the IPv6 routes of all VRFs take.
    #[must_use]
    pub fn fib6_used(&self) -> usize {
        self.tables.fib6.used()
    }
}
