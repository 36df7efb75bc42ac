//! The whole forwarding plane behind C functions, with a panic handler that calls a function nobody defines. Linked with full
//! link-time optimisation, the library refers to that function if and only if some panic is left.
#![no_std]

use fwd_core::net::{IfIndex, Label, SaId, VlanId, VlinkId};
use fwd_core::op::FwdOp;
use fwd_core::sa::{InboundSa, OutboundSa};
use fwd_core::table::{
    BridgeMemory, CircuitSlot, CounterMemory, EcmpSlot, Exact6Slot, ExactSlot, IlmSlot, InterfaceSlot, Learn, LegSlot,
    MacBucket, Memory, MulticastMemory, MulticastVrfSlot, NhlfeSlot, PolicerSlot, PortSlot, PortState, ProtectionSlot,
    ReaderSlot, ReplicationSlot, Retired, Rib4Node, Rib6Node, Thresholds, TokenBuckets, VlinkSlot, VlinkState, VrfSlot,
    VsiSlot, VsiState, Word,
};
use fwd_core::time::Instant;
use fwd_core::wire::esp::{Cipher, Context, Refused};
use fwd_core::wire::icmp::{self, Trouble};
use fwd_core::wire::{self, EtherType};
use fwd_core::{BridgeCounters, Forwarder, Frame, GroupCounters, Replica, Replication, Verdict};
use fwd_core::{TooBigCounters, VrfCounters};

/// An array of the caller's.
#[repr(C)]
pub struct Array<T> {
    start: *mut T,
    len: usize,
}

impl<T> Array<T> {
    /// # Safety
    /// `start` points to `len` values that nobody else uses meanwhile.
    unsafe fn slice<'m>(&self) -> &'m mut [T] {
        if self.start.is_null() || self.len > isize::MAX as usize / size_of::<T>().max(1) {
            return &mut [];
        }
        // SAFETY: as the caller promises.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

/// Tables, ops and a frame, all of sizes that the compiler does not know.
#[repr(C)]
pub struct Run {
    interfaces: Array<InterfaceSlot>,
    vrfs: Array<VrfSlot>,
    nhlfes: Array<NhlfeSlot>,
    ecmp: Array<EcmpSlot>,
    pairs: Array<ProtectionSlot>,
    first_label: u32,
    ilm: Array<IlmSlot>,
    readers: Array<ReaderSlot>,
    rib4: Array<Rib4Node>,
    fib4: Array<Word>,
    direct4: Array<Word>,
    front4: Array<Word>,
    rib6: Array<Rib6Node>,
    fib6: Array<Word>,
    direct6: Array<Word>,
    front6: Array<Word>,
    thresholds: [u32; 5],
    retired: Array<Retired>,
    vlinks: Array<VlinkSlot>,
    vlink_index: Array<Word>,
    counters: Array<VrfCounters>,
    too_big: Array<TooBigCounters>,
    vlink_states: Array<VlinkState>,
    multicast_vrfs: Array<MulticastVrfSlot>,
    routes: Array<ExactSlot>,
    routes6: Array<Exact6Slot>,
    tunnels: Array<Word>,
    groups: Array<ReplicationSlot>,
    legs: Array<LegSlot>,
    group_counters: Array<GroupCounters>,
    vsis: Array<VsiSlot>,
    vsi_states: Array<VsiState>,
    ports: Array<PortSlot>,
    port_states: Array<PortState>,
    circuits: Array<CircuitSlot>,
    macs: Array<MacBucket>,
    vsi_counters: Array<BridgeCounters>,
    port_counters: Array<BridgeCounters>,
    learned: Array<Learn>,
    policers: Array<PolicerSlot>,
    buckets: Array<TokenBuckets>,
    seed: u64,
    now: u64,
    ops: Array<[u8; FwdOp::LEN]>,
    buffer: Array<u8>,
    headroom: usize,
    len: usize,
    ingress: u32,
}

/// Applies the ops and forwards the frame; returns the interface, or a negative number.
///
/// # Safety
/// Every array of `run` is the caller's to lend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fwd_core_run(run: &Run) -> i64 {
    // SAFETY: as the caller promises.
    let (memory, counters, ops, buffer) = unsafe {
        let memory = Memory {
            interfaces: run.interfaces.slice(),
            vrfs: run.vrfs.slice(),
            nhlfes: run.nhlfes.slice(),
            groups: run.ecmp.slice(),
            pairs: run.pairs.slice(),
            first_label: Label::from_low_bits(run.first_label),
            ilm: run.ilm.slice(),
            readers: run.readers.slice(),
            rib4: run.rib4.slice(),
            fib4: run.fib4.slice(),
            direct4: run.direct4.slice(),
            front4: run.front4.slice(),
            rib6: run.rib6.slice(),
            fib6: run.fib6.slice(),
            direct6: run.direct6.slice(),
            front6: run.front6.slice(),
            thresholds: {
                let [direct, front4, front6, fill4, fill6] = run.thresholds;
                Thresholds { direct, front4, front6, fill4, fill6 }
            },
            retired: run.retired.slice(),
            vlinks: run.vlinks.slice(),
            vlink_index: run.vlink_index.slice(),
            multicast: MulticastMemory {
                vrfs: run.multicast_vrfs.slice(),
                routes: run.routes.slice(),
                routes6: run.routes6.slice(),
                tunnels: run.tunnels.slice(),
                groups: run.groups.slice(),
                legs: run.legs.slice(),
            },
            bridge: BridgeMemory {
                vsis: run.vsis.slice(),
                vsi_states: run.vsi_states.slice(),
                ports: run.ports.slice(),
                port_states: run.port_states.slice(),
                circuits: run.circuits.slice(),
                macs: run.macs.slice(),
            },
            policers: run.policers.slice(),
            seed: run.seed,
        };
        let counters = CounterMemory {
            vrfs: run.counters.slice(),
            too_big: run.too_big.slice(),
            vlinks: run.vlink_states.slice(),
            groups: run.group_counters.slice(),
            vsis: run.vsi_counters.slice(),
            ports: run.port_counters.slice(),
            buckets: run.buckets.slice(),
            learned: run.learned.slice(),
            without_verdicts: false,
        };
        (memory, counters, run.ops.slice(), run.buffer.slice())
    };
    let Ok(mut forwarder) = Forwarder::new(memory, counters) else { return -1 };
    for octets in ops {
        let Ok(op) = FwdOp::parse(octets) else { return -2 };
        // Back into octets, so that the encoder is looked at as well.
        *octets = op.emit();
        if forwarder.apply(&op).is_err() {
            return -3;
        }
    }
    let Some(mut frame) = Frame::new(buffer, run.headroom, run.len) else { return -4 };
    let now = Instant::from_micros(run.now);
    forwarder.set_now(now);
    forwarder.age(now, run.headroom);
    let verdict = forwarder.forward(&mut frame, IfIndex(run.ingress));
    let copied = match verdict {
        Verdict::Replicate(replication) => copies(&mut forwarder, &frame, replication),
        _ => 0,
    };
    // Tables are read and counters summed as well.
    let octets = frame.octets().len() as i64;
    let routes: i64 = forwarder.routes4(Default::default()).count() as i64;
    let routes = routes.wrapping_add(forwarder.routes6(Default::default()).count() as i64);
    let total = forwarder.counters().total() as i64;
    let room = forwarder.room_for(&frame, IfIndex(run.ingress)).map_or(0, |(at, room)| (at ^ room) as i64);
    let through = security(&mut forwarder, &mut frame, run);
    match verdict {
        Verdict::Transmit { iface, .. } => i64::from(iface.0),
        Verdict::Replicate(_) => -50,
        Verdict::Punt { reason, offset, .. } | Verdict::PuntFrame { reason, offset, .. } => {
            -100 - reason as i64 - offset as i64
        }
        Verdict::Protect { iface, offset, .. } => i64::from(iface.0) + offset as i64,
        Verdict::Drop(reason) => -1000 - reason as i64,
    }
    .wrapping_add(octets)
    .wrapping_add(room)
    .wrapping_add(copied)
    .wrapping_add(through)
    .wrapping_add(total)
    .wrapping_add(routes)
}

/// All copies of a frame.
fn copies(forwarder: &mut Forwarder<'_>, frame: &Frame<'_>, replication: Replication) -> i64 {
    let mut copies = forwarder.copies(frame, replication);
    let mut octets = 0_i64;
    while let Some(replica) = copies.next() {
        octets = octets.wrapping_add(match replica {
            Replica::Transmit { front, .. } => front.len() as i64,
            Replica::Punt(_) => 1,
        });
    }
    octets
}

/// ESP off the frame and around it, an ICMP error about it, and its tags.
fn security(forwarder: &mut Forwarder<'_>, frame: &mut Frame<'_>, run: &Run) -> i64 {
    let cipher = Octets { block: run.len, iv: run.headroom };
    let mut inbound = InboundSa::<_, 4>::new(run.ingress, true, run.first_label, cipher.clone());
    let opened = inbound.unprotect(frame, run.headroom).is_ok();
    let link = VlinkId(run.ingress);
    let verdict = forwarder.forward_unprotected(frame, IfIndex(run.ingress), SaId(run.first_label as u16));
    let protected = match verdict {
        Verdict::Protect { offset, .. } => {
            OutboundSa::new(run.first_label, opened, cipher).protect(frame, offset).is_ok()
        }
        _ => false,
    };
    let mut out = [0; icmp::MAX_LEN6];
    let trouble = Trouble::TooBig { mtu: run.first_label };
    let told = icmp::error4(trouble, run.ingress.into(), frame.octets(), &mut out).unwrap_or(0);
    let told6 = icmp::error6(trouble, u128::from(run.ingress).into(), frame.octets(), &mut out).unwrap_or(0);
    let tagged = VlanId::new(run.headroom as u16).and_then(|vlan| {
        wire::vlan::push(frame, EtherType::S_VLAN, opened.into(), protected, vlan)?;
        wire::vlan::translate(frame, vlan)?;
        wire::vlan::pop(frame)
    });
    let has_link = forwarder.vlink(link).is_some();
    told as i64
        ^ told6 as i64
        ^ i64::from(tagged.is_some() ^ has_link)
        ^ forwarder.vlink_counters(link).in_octets as i64
}

/// A cipher whose sizes the compiler does not know.
#[derive(Clone)]
struct Octets {
    block: usize,
    iv: usize,
}

impl Cipher for Octets {
    fn iv_len(&self) -> usize {
        self.iv
    }
    fn icv_len(&self) -> usize {
        self.block
    }
    fn block_len(&self) -> usize {
        self.block
    }
    fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
        iv.fill(context.spi as u8);
        text.fill(context.associated_data().1 as u8);
        icv.fill(context.sequence as u8);
        Ok(())
    }
    fn open(&mut self, _: &Context, iv: &[u8], _: &mut [u8], icv: &[u8]) -> Result<(), Refused> {
        if iv.first() == icv.first() { Ok(()) } else { Err(Refused) }
    }
}

/// A panic to be found.
#[cfg(feature = "planted")]
#[unsafe(no_mangle)]
pub extern "C" fn planted(octets: &[u8; 4], at: usize) -> u8 {
    octets[at]
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn fwd_core_may_panic() -> !;
    }
    // SAFETY: never linked into a program.
    unsafe { fwd_core_may_panic() }
}
