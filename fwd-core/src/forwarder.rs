//! A router's forwarding plane.

use core::ops::Deref;

use crate::counters::{BridgeCounters, Counters, GroupCounters, TooBigCounters, VlinkCounters, VrfCounters};
use crate::frame::Frame;
use crate::net::{IfIndex, PortId, ReplicationId, SaId, VlinkId, VrfId, VsiId};
use crate::op::FwdOp;
use crate::stage::replicate::{Copies, Replication};
use crate::table::{ApplyError, CounterMemory, Learn, Learned, Memory, MemoryError, Writer};
use crate::time::Instant;
use crate::verdict::Verdict;
use crate::worker::{Packet, Worker};

/// Forwards frames by tables that [`FwdOp`]s fill: a [`Writer`] and a [`Worker`] that take turns.
///
/// ```
/// use fwd_core::net::{IfIndex, Label, Mac, NhlfeId, VrfId};
/// use fwd_core::op::{FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
/// use fwd_core::table::{CounterMemory, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, VrfSlot, Word};
/// use fwd_core::{Forwarder, Frame, Verdict};
///
/// let mut interfaces = [InterfaceSlot::EMPTY; 3];
/// let mut vrfs = [VrfSlot::EMPTY; 2];
/// let mut nhlfes = [NhlfeSlot::EMPTY; 2];
/// let mut rib4 = [Rib4Node::EMPTY; 4];
/// let mut fib4 = [Word::ZERO; 1000];
/// let memory = Memory {
///     interfaces: &mut interfaces,
///     vrfs: &mut vrfs,
///     nhlfes: &mut nhlfes,
///     rib4: &mut rib4,
///     fib4: &mut fib4,
///     ..Memory::default()
/// };
/// let mut forwarder = Forwarder::new(memory, CounterMemory::default())?;
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
    writer: Writer<'m>,
    worker: Worker<'m>,
}

impl<'m> Forwarder<'m> {
    /// A forwarder with empty tables in the lent memory.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn new(memory: Memory<'m>, counters: CounterMemory<'m>) -> Result<Self, MemoryError> {
        let writer = Writer::new(memory)?;
        let worker = Worker::new(writer.tables(), None, counters);
        Ok(Self { writer, worker })
    }

    /// Changes the tables. Idempotent.
    ///
    /// # Errors
    /// The table is full or the op names what cannot be; the tables are then as they were.
    pub fn apply(&mut self, op: &FwdOp) -> Result<(), ApplyError> {
        self.writer.apply(op)
    }

    /// A worker for another context, if readers were lent.
    pub fn worker(&mut self, counters: CounterMemory<'m>) -> Option<Worker<'m>> {
        self.writer.worker(counters)
    }

    /// Forwards a frame that arrived on `ingress`: rewrites it and says where to send it, or leaves it and says why not.
    ///
    /// The work is bounded: labels popped, entries followed and nodes visited each have a limit.
    pub fn forward(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Verdict {
        self.learning(|worker| worker.forward(frame, ingress), |_, _| {})
    }

    /// Forwards as `forward` says, puts into the tables what the frames taught, as all that forwards here does, and tells what became of
    /// each address.
    pub fn learning<R>(
        &mut self,
        forward: impl FnOnce(&mut Worker<'m>) -> R,
        mut on_learned: impl FnMut(Learn, Learned),
    ) -> R {
        let result = forward(&mut self.worker);
        while let Some(learn) = self.worker.learned() {
            let learned = self.learn(learn);
            on_learned(learn, learned);
        }
        result
    }

    /// Learns an address, as it does on its own from frames that arrive.
    pub fn learn(&mut self, learn: Learn) -> Learned {
        let learned = self.writer.learn(learn);
        if matches!(learned, Learned::Limit | Learned::Full) {
            self.worker.count_unlearned(&learn);
        }
        learned
    }

    /// The copies of a frame that [`Self::forward`] is to replicate, one after the other.
    pub fn copies<'w>(&'w mut self, frame: &'w Frame<'w>, replication: Replication) -> Copies<'w, 'm> {
        self.worker.copies(frame, replication)
    }

    /// Says what time it is: policers go by it. It does not go back.
    pub const fn set_now(&mut self, now: Instant) {
        self.worker.set_now(now);
    }

    /// As [`Writer::age`].
    pub fn age(&mut self, now: Instant, buckets: usize) -> bool {
        self.writer.age(now, buckets)
    }

    /// As [`Writer::age_telling`].
    pub fn age_telling(&mut self, now: Instant, buckets: usize, on_aged: impl FnMut(Learn)) -> bool {
        self.writer.age_telling(now, buckets, on_aged)
    }

    /// Packets of a replication group; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn group_counters(&self, id: ReplicationId) -> Option<GroupCounters> {
        self.worker.group_counters(id)
    }

    /// Frames of a virtual switch instance; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn vsi_counters(&self, vsi: VsiId) -> Option<BridgeCounters> {
        self.worker.vsi_counters(vsi)
    }

    /// Frames of a bridge port; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn port_counters(&self, port: PortId) -> Option<BridgeCounters> {
        self.worker.port_counters(port)
    }

    /// As [`Self::forward`], for a packet that was taken out of ESP: [`Worker::forward_unprotected`].
    pub fn forward_unprotected(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, sa: SaId) -> Verdict {
        self.learning(|worker| worker.forward_unprotected(frame, ingress, sa), |_, _| {})
    }

    /// How large the packet may be to go where it was to go: [`Worker::room_for`].
    #[must_use]
    pub fn room_for(&self, frame: &Frame<'_>, ingress: IfIndex) -> Option<(usize, usize)> {
        self.worker.room_for(frame, ingress)
    }

    /// Packets and octets of a virtual link.
    #[must_use]
    pub fn vlink_counters(&self, id: VlinkId) -> VlinkCounters {
        self.worker.vlink_counters(id)
    }

    /// Packets of a VRF that were too big; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn too_big(&self, vrf: VrfId) -> Option<TooBigCounters> {
        self.worker.too_big(vrf)
    }

    /// Forwards frames together; [`Worker::forward_batch`].
    pub fn forward_batch(&mut self, packets: &mut [Packet<'_>]) {
        self.learning(|worker| worker.forward_batch(packets), |_, _| {});
    }

    /// Packets by what became of them.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        self.worker.counters()
    }

    /// Packets and octets of a VRF's interfaces; of [`VrfId::GLOBAL`], those of the core links.
    #[must_use]
    pub fn vrf_counters(&self, vrf: VrfId) -> VrfCounters {
        self.worker.vrf_counters(vrf)
    }
}

/// What the tables hold.
impl<'m> Deref for Forwarder<'m> {
    type Target = Writer<'m>;

    fn deref(&self) -> &Writer<'m> {
        &self.writer
    }
}
