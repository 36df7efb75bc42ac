//! The forwarding plane for C programs. `include/fwd_core.h` is made from this crate.
//!
//! All unsafe code of the interface is in this file. It rests on what a C caller promises, and on nothing else:
//!
//! * A block of memory given to [`fwd_create`] is the forwarder's until the caller gives up the forwarder; it is as long as
//!   said and as aligned as checked. [`Block`] hands out each octet of it once.
//! * A `fwd_forwarder *` came from [`fwd_create`], its memory is still there, and one thread at a time calls with it.
//! * An array is as long as said, and nobody else writes it during the call.
//!
//! Null pointers, and lengths that no array can have, are refused. Enumerations hold one of their values.
#![no_std]
#![allow(non_camel_case_types)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::needless_update)] // tables that C programs do not have yet

mod types;

use core::ffi::c_char;
use core::mem::{align_of, size_of};

use fwd_core::net::{IfIndex, Label, NhlfeId, SaId, VlinkId, VrfId};
use fwd_core::op::FwdOp;
use fwd_core::table::{CounterMemory, Memory, Rib4Node, Rib6Node, Sizes};
use fwd_core::{DropReason, Forwarder, Frame, PuntReason};

pub use types::*;

/// A router's forwarding plane, in memory of the caller's.
pub struct fwd_forwarder(Forwarder<'static>);

/// A block of memory that is handed out piece by piece, or only measured.
struct Block {
    start: *mut u8,
    len: usize,
    used: usize,
}

impl Block {
    /// Room for `count` values; where they begin, or `None` if there is no such room. Measuring counts on from a null start.
    fn room<T>(&mut self, count: usize) -> Option<*mut T> {
        let begin = self.used.checked_next_multiple_of(align_of::<T>())?;
        let end = begin.checked_add(size_of::<T>().checked_mul(count)?)?;
        if end > self.len || end > isize::MAX as usize {
            return None;
        }
        self.used = end;
        Some(self.start.wrapping_add(begin).cast())
    }

    /// `count` values of the block, each made anew; none while it is only measured.
    fn array<T>(&mut self, count: usize, empty: fn() -> T) -> Option<&'static mut [T]> {
        let begin = self.room::<T>(count)?;
        if self.start.is_null() {
            return Some(&mut []);
        }
        for at in 0..count {
            // SAFETY: `room` found that value `at` lies inside the block, aligned since the block is, and gives no octet out
            // twice. The block is the forwarder's alone.
            unsafe { begin.add(at).write(empty()) };
        }
        // SAFETY: as above; all values were just written; the block outlives the forwarder, as `fwd_create` demands.
        Some(unsafe { core::slice::from_raw_parts_mut(begin, count) })
    }
}

/// Takes from a block what tables of these sizes need.
fn lend(block: &mut Block, s: &fwd_sizes) -> Option<(Memory<'static>, CounterMemory<'static>)> {
    let n = |count: u32| usize::try_from(count).ok();
    let sizes = Sizes {
        interfaces: n(s.interfaces)?,
        vrfs: n(s.vrfs)?,
        nhlfes: n(s.nhlfes)?,
        labels: n(s.labels)?,
        routes4: n(s.routes4)?,
        routes6: n(s.routes6)?,
        direct4: n(s.direct4)?,
        direct6: n(s.direct6)?,
        ..Sizes::NONE
    };
    let vlinks = n(s.vlinks)?;
    let memory = Memory {
        interfaces: block.array(sizes.interface_slots(), Default::default)?,
        vrfs: block.array(sizes.vrfs, Default::default)?,
        nhlfes: block.array(sizes.nhlfe_slots(), Default::default)?,
        first_label: Label::new(s.first_label)?,
        ilm: block.array(sizes.labels, Default::default)?,
        rib4: block.array(sizes.rib4_nodes(), || Rib4Node::EMPTY)?,
        fib4: block.array(sizes.fib4_words(), Default::default)?,
        direct4: block.array(Sizes::direct_words(sizes.direct4), Default::default)?,
        rib6: block.array(sizes.rib6_nodes(), || Rib6Node::EMPTY)?,
        fib6: block.array(sizes.fib6_words(), Default::default)?,
        direct6: block.array(Sizes::direct_words(sizes.direct6), Default::default)?,
        vlinks: block.array(vlinks.checked_add(1)?, Default::default)?,
        vlink_index: block.array(vlinks.checked_mul(2)?, Default::default)?,
        ..Memory::default()
    };
    let vrfs = block.array(sizes.vrfs, Default::default)?;
    let vlinks = block.array(vlinks, Default::default)?;
    Some((memory, CounterMemory { vrfs, vlinks, ..CounterMemory::default() }))
}

/// The array of a caller; empty where it is null or no array can be that long.
///
/// # Safety
/// It is the caller's, as long as said, and nobody else uses it meanwhile.
unsafe fn array<'a, T>(start: *mut T, len: usize) -> &'a mut [T] {
    if start.is_null() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return &mut [];
    }
    // SAFETY: as the caller promises.
    unsafe { core::slice::from_raw_parts_mut(start, len) }
}

/// What memory given to fwd_create must be aligned to, in octets.
#[no_mangle]
pub extern "C" fn fwd_memory_align() -> usize {
    64
}

/// Octets of memory that fwd_create needs for these sizes; 0 if they cannot be.
///
/// # Safety
/// `sizes` is null or points to sizes.
#[no_mangle]
pub unsafe extern "C" fn fwd_memory_size(sizes: *const fwd_sizes) -> usize {
    // SAFETY: as the caller promises.
    let Some(sizes) = (unsafe { sizes.as_ref() }) else { return 0 };
    let mut block = Block { start: core::ptr::null_mut(), len: usize::MAX, used: 0 };
    if block.room::<fwd_forwarder>(1).is_none() || lend(&mut block, sizes).is_none() {
        return 0;
    }
    block.used
}

/// Octets in front of a frame that always suffice.
#[no_mangle]
pub extern "C" fn fwd_headroom() -> usize {
    Frame::HEADROOM
}

/// A forwarder with empty tables in `len` octets of memory, which stay its own as long as it is used. There is nothing to be
/// freed but that memory. Null if a size cannot be, or memory is too small or not aligned.
///
/// # Safety
/// `memory` is null or points to `len` octets that nothing else uses from here on. `sizes` is null or points to sizes.
#[no_mangle]
pub unsafe extern "C" fn fwd_create(memory: *mut u8, len: usize, sizes: *const fwd_sizes) -> *mut fwd_forwarder {
    const NONE: *mut fwd_forwarder = core::ptr::null_mut();
    // SAFETY: as the caller promises.
    let Some(sizes) = (unsafe { sizes.as_ref() }) else { return NONE };
    if memory.is_null() || (memory as usize) & (fwd_memory_align() - 1) != 0 || align_of::<fwd_forwarder>() > 64 {
        return NONE;
    }
    let mut block = Block { start: memory, len, used: 0 };
    let Some(place) = block.room::<fwd_forwarder>(1) else { return NONE };
    let Some((memory, counters)) = lend(&mut block, sizes) else { return NONE };
    let Ok(forwarder) = Forwarder::new(memory, counters) else { return NONE };
    // SAFETY: `room` found that it lies inside the block, which is aligned.
    unsafe { place.write(fwd_forwarder(forwarder)) };
    place
}

/// Applies an op of `fwd_op_len()` octets, as a control plane emitted it.
///
/// # Safety
/// `forwarder` came from fwd_create; `op` is null or points to `fwd_op_len()` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_apply(forwarder: *mut fwd_forwarder, op: *const u8) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, octets) = unsafe { (forwarder.as_mut(), op.cast::<[u8; FwdOp::LEN]>().as_ref()) };
    let (Some(forwarder), Some(octets)) = (forwarder, octets) else { return fwd_status::Invalid };
    match FwdOp::parse(octets) {
        Ok(op) => fwd_status::of(forwarder.0.apply(&op)),
        Err(_) => fwd_status::Malformed,
    }
}

/// Octets of an op.
#[no_mangle]
pub extern "C" fn fwd_op_len() -> usize {
    FwdOp::LEN
}

/// Applies an op that a typed call made.
///
/// # Safety
/// `forwarder` came from fwd_create.
unsafe fn apply(forwarder: *mut fwd_forwarder, op: Option<FwdOp>) -> fwd_status {
    // SAFETY: as the caller promises.
    match (unsafe { forwarder.as_mut() }, op) {
        (Some(forwarder), Some(op)) => fwd_status::of(forwarder.0.apply(&op)),
        _ => fwd_status::Invalid,
    }
}

/// Creates an interface or changes it.
///
/// # Safety
/// `forwarder` came from fwd_create; `interface` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_interface(
    forwarder: *mut fwd_forwarder,
    iface: u32,
    interface: *const fwd_interface,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, interface.as_ref().map(|i| set_interface(iface, i))) }
}

/// Removes an interface.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_interface(forwarder: *mut fwd_forwarder, iface: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearInterface { iface: IfIndex(iface) })) }
}

/// Writes a next hop label forwarding entry.
///
/// # Safety
/// `forwarder` came from fwd_create; `nhlfe` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_nhlfe(forwarder: *mut fwd_forwarder, id: u32, nhlfe: *const fwd_nhlfe) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, nhlfe.as_ref().and_then(|entry| set_nhlfe(id, entry))) }
}

/// Removes a next hop label forwarding entry.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_nhlfe(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearNhlfe { id: NhlfeId(id) })) }
}

/// Maps an incoming label to an action: through entry `number`, or look up in VRF `number`.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_label(
    forwarder: *mut fwd_forwarder,
    label: u32,
    action: fwd_action_kind,
    number: u32,
    model: fwd_model,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, set_label(label, action, number, model)) }
}

/// Removes an incoming label.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_label(forwarder: *mut fwd_forwarder, label: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Label::new(label).map(|label| FwdOp::ClearIlm { label })) }
}

/// Writes a route: through entry `number`, to software, or nowhere.
///
/// # Safety
/// `forwarder` came from fwd_create; `route` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_route(
    forwarder: *mut fwd_forwarder,
    route: *const fwd_route,
    action: fwd_action_kind,
    number: u32,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, route.as_ref().and_then(|route| set_route(route, action, number))) }
}

/// Removes a route.
///
/// # Safety
/// `forwarder` came from fwd_create; `route` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_route(forwarder: *mut fwd_forwarder, route: *const fwd_route) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, route.as_ref().and_then(clear_route)) }
}

/// Forwards a batch of frames; each is rewritten in its buffer, or left as it was, and says what became of it. Frames whose
/// buffer is null or shorter than said have the verdict FWD_VERDICT_NONE.
///
/// # Safety
/// `forwarder` came from fwd_create; `frames` is null or points to `count` frames, whose buffers are as long as said, apart
/// from one another, and used by nothing else meanwhile.
#[no_mangle]
pub unsafe extern "C" fn fwd_forward(
    forwarder: *mut fwd_forwarder,
    frames: *mut fwd_frame,
    count: usize,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, frames) = unsafe { (forwarder.as_mut(), array(frames, count)) };
    let Some(forwarder) = forwarder.filter(|_| frames.len() == count) else { return fwd_status::Invalid };
    for frame in frames {
        // SAFETY: as the caller promises.
        let forwarded = unsafe { with_frame(frame, |f, ingress| forwarder.0.forward(f, ingress)) };
        if forwarded.is_none() {
            frame.verdict = fwd_verdict::None;
        }
    }
    fwd_status::Ok
}

/// As fwd_forward, for one frame that was taken out of ESP by security association `sa`.
///
/// # Safety
/// As of fwd_forward.
#[no_mangle]
pub unsafe extern "C" fn fwd_forward_unprotected(
    forwarder: *mut fwd_forwarder,
    frame: *mut fwd_frame,
    sa: u16,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (Some(forwarder), Some(frame)) = (unsafe { (forwarder.as_mut(), frame.as_mut()) }) else {
        return fwd_status::Invalid;
    };
    // SAFETY: as the caller promises.
    match unsafe { with_frame(frame, |f, ingress| forwarder.0.forward_unprotected(f, ingress, SaId(sa))) } {
        Some(()) => fwd_status::Ok,
        None => fwd_status::Invalid,
    }
}

/// Runs `forward` on a frame of the caller's and writes down where it lies afterwards and what became of it.
///
/// # Safety
/// Its buffer is as long as said, and used by nothing else meanwhile.
unsafe fn with_frame(
    frame: &mut fwd_frame,
    forward: impl FnOnce(&mut Frame<'_>, IfIndex) -> fwd_core::Verdict,
) -> Option<()> {
    let (start, len) = (usize::try_from(frame.start).ok()?, usize::try_from(frame.len).ok()?);
    // SAFETY: as the caller promises.
    let buffer = unsafe { array(frame.buffer, usize::try_from(frame.capacity).ok()?) };
    let mut inside = Frame::new(buffer, start, len)?;
    let verdict = forward(&mut inside, IfIndex(frame.ingress));
    // They were below 2^32 and the frame lies in a buffer that is shorter.
    (frame.start, frame.len) = (inside.headroom() as u32, inside.octets().len() as u32);
    frame.set_verdict(verdict);
    Some(())
}

/// Packets sent.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_transmitted(forwarder: *const fwd_forwarder) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { forwarder.as_ref() }.map_or(0, |f| f.0.counters().transmitted())
}

/// Packets handed to software for this reason; 0 for a number that is none.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_punted(forwarder: *const fwd_forwarder, reason: u32) -> u64 {
    // SAFETY: as the caller promises.
    let counters = unsafe { forwarder.as_ref() }.map(|f| f.0.counters());
    counters.zip(reason_of(&PuntReason::ALL, reason)).map_or(0, |(counters, reason)| counters.punted(reason))
}

/// Packets dropped for this reason; 0 for a number that is none.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_dropped(forwarder: *const fwd_forwarder, reason: u32) -> u64 {
    // SAFETY: as the caller promises.
    let counters = unsafe { forwarder.as_ref() }.map(|f| f.0.counters());
    counters.zip(reason_of(&DropReason::ALL, reason)).map_or(0, |(counters, reason)| counters.dropped(reason))
}

/// How many reasons there are to hand a packet to software: they count from 0.
#[no_mangle]
pub extern "C" fn fwd_punt_reasons() -> u32 {
    PuntReason::ALL.len() as u32
}

/// How many reasons there are to drop a packet: they count from 0.
#[no_mangle]
pub extern "C" fn fwd_drop_reasons() -> u32 {
    DropReason::ALL.len() as u32
}

/// Writes the name of a reason to hand packets to software, with a zero at the end, cut to `len` octets; returns the octets of
/// the whole name, 0 for a number that is none.
///
/// # Safety
/// `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_punt_name(reason: u32, out: *mut c_char, len: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { write_name(reason_of(&PuntReason::ALL, reason).map_or("", PuntReason::name), out, len) }
}

/// As fwd_punt_name, of a reason to drop packets.
///
/// # Safety
/// `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_drop_name(reason: u32, out: *mut c_char, len: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { write_name(reason_of(&DropReason::ALL, reason).map_or("", DropReason::name), out, len) }
}

fn reason_of<T: Copy>(all: &[T], reason: u32) -> Option<T> {
    all.get(usize::try_from(reason).ok()?).copied()
}

/// # Safety
/// `out` is null or points to `len` octets.
unsafe fn write_name(name: &str, out: *mut c_char, len: usize) -> usize {
    // SAFETY: as the caller promises; any octet is a char of C's.
    let out = unsafe { array(out.cast::<u8>(), len) };
    let room = out.len().saturating_sub(1);
    for (to, from) in out.iter_mut().zip(name.bytes().take(room).chain([0])) {
        *to = from;
    }
    name.len()
}

/// Packets and octets of a VRF's interfaces; of VRF 0, those of the core links.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_vrf_traffic(
    forwarder: *const fwd_forwarder,
    vrf: u16,
    out: *mut fwd_traffic,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (Some(forwarder), Some(out)) = (unsafe { (forwarder.as_ref(), out.as_mut()) }) else {
        return fwd_status::Invalid;
    };
    let c = forwarder.0.vrf_counters(VrfId(vrf));
    (out.in_packets, out.in_octets) = (c.in_packets, c.in_octets);
    (out.out_packets, out.out_octets) = (c.out_packets, c.out_octets);
    fwd_status::Ok
}

/// Packets and octets of a virtual link.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_vlink_traffic(
    forwarder: *const fwd_forwarder,
    vlink: u32,
    out: *mut fwd_traffic,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (Some(forwarder), Some(out)) = (unsafe { (forwarder.as_ref(), out.as_mut()) }) else {
        return fwd_status::Invalid;
    };
    let c = forwarder.0.vlink_counters(VlinkId(vlink));
    (out.in_packets, out.in_octets) = (c.in_packets, c.in_octets);
    (out.out_packets, out.out_octets) = (c.out_packets, c.out_octets);
    fwd_status::Ok
}

/// Never reached: ci/no-panic.sh shows that the forwarding plane cannot panic. Rust demands that there is one.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
