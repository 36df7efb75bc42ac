//! The forwarding plane for C programs. `include/fwd_core.h` is made from this crate.
//!
//! Its unsafe code rests on what a C caller promises, and on nothing else:
//!
//! * A block of memory given to [`fwd_create`] is the forwarder's until the caller gives up the forwarder; it is as long as
//!   said and as aligned as checked. [`Block`] hands out each octet of it once.
//! * A `fwd_forwarder *` came from [`fwd_create`], its memory is still there, and one thread at a time calls with it.
//! * An array is as long as said, and nobody else writes it during the call.
//! * A frame that is to be copied is as [`fwd_forward`] wrote it, in the same buffer, and the forwarder is the one that did.
//! * A function that is called back does not call the forwarder.
//!
//! Null pointers, and lengths that no array can have, are refused. Enumerations hold one of their values.
#![no_std]
#![allow(non_camel_case_types)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod audit;
mod bridge;
mod counters;
mod forward;
mod label;
mod multicast;
mod police;
mod spread;
mod types;
mod vlink;

use core::ffi::c_void;
use core::mem::{align_of, size_of};

use fwd_core::net::{IfIndex, Label, Mac, NhlfeId};
use fwd_core::op::FwdOp;
use fwd_core::table::{
    BridgeMemory, CounterMemory, EcmpSlot, MacBucket, Memory, MulticastMemory, Rib4Node, Rib6Node, Sizes, Thresholds,
};
use fwd_core::{Forwarder, Frame};

pub use audit::*;
pub use bridge::*;
pub use counters::*;
pub use forward::*;
pub use label::*;
pub use multicast::*;
pub use police::*;
pub use spread::*;
pub use types::*;
pub use vlink::*;

/// A router's forwarding plane, in memory of the caller's.
pub struct fwd_forwarder {
    inner: Forwarder<'static>,
    /// Who is told of addresses that were learned or forgotten.
    on_address: fwd_on_address,
    context: *mut c_void,
}

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

/// Slots for `count` numbers: one is spare. None where there are none.
const fn slots(count: usize) -> usize {
    if count == 0 {
        0
    } else {
        count.saturating_add(1)
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
        front4: n(s.front4)?,
        front6: n(s.front6)?,
        readers: 0,
    };
    let vlinks = n(s.vlinks)?;
    let memory = Memory {
        readers: &mut [],
        interfaces: block.array(sizes.interface_slots(), Default::default)?,
        vrfs: block.array(sizes.vrfs, Default::default)?,
        nhlfes: block.array(sizes.nhlfe_slots(), Default::default)?,
        groups: block.array(n(s.ecmp_groups)?, || EcmpSlot::EMPTY)?,
        pairs: block.array(n(s.protections)?, Default::default)?,
        first_label: Label::new(s.first_label)?,
        ilm: block.array(sizes.labels, Default::default)?,
        rib4: block.array(sizes.rib4_nodes(), || Rib4Node::EMPTY)?,
        fib4: block.array(sizes.fib4_words(), Default::default)?,
        direct4: block.array(Sizes::direct_words(sizes.direct4), Default::default)?,
        front4: block.array(sizes.front4_words(), Default::default)?,
        rib6: block.array(sizes.rib6_nodes(), || Rib6Node::EMPTY)?,
        fib6: block.array(sizes.fib6_words(), Default::default)?,
        direct6: block.array(Sizes::direct_words(sizes.direct6), Default::default)?,
        front6: block.array(sizes.front6_words(), Default::default)?,
        retired: &mut [],
        thresholds: Thresholds::DEFAULT,
        vlinks: block.array(vlinks.checked_add(1)?, Default::default)?,
        vlink_index: block.array(vlinks.checked_mul(2)?, Default::default)?,
        multicast: MulticastMemory {
            vrfs: block.array(n(s.multicast_vrfs)?, Default::default)?,
            routes: block.array(slots(n(s.mroutes)?), Default::default)?,
            routes6: block.array(slots(n(s.mroutes6)?), Default::default)?,
            tunnels: block.array(n(s.tunnels)?, Default::default)?,
            groups: block.array(n(s.replications)?, Default::default)?,
            legs: block.array(slots(n(s.legs)?), Default::default)?,
        },
        bridge: BridgeMemory {
            vsis: block.array(slots(n(s.vsis)?), Default::default)?,
            vsi_states: block.array(n(s.vsis)?, Default::default)?,
            ports: block.array(slots(n(s.ports)?), Default::default)?,
            port_states: block.array(n(s.ports)?, Default::default)?,
            circuits: block.array(n(s.circuits)?, Default::default)?,
            macs: block.array(MacBucket::count(n(s.macs)?), Default::default)?,
        },
        policers: block.array(slots(n(s.policers)?), Default::default)?,
        seed: s.seed,
    };
    let counters = CounterMemory {
        vrfs: block.array(sizes.vrfs, Default::default)?,
        too_big: block.array(sizes.vrfs, Default::default)?,
        vlinks: block.array(vlinks, Default::default)?,
        groups: block.array(n(s.replications)?, Default::default)?,
        vsis: block.array(n(s.vsis)?, Default::default)?,
        ports: block.array(n(s.ports)?, Default::default)?,
        buckets: block.array(n(s.policers)?, Default::default)?,
        learned: block.array(n(s.learned)?, Default::default)?,
        without_verdicts: false,
    };
    Some((memory, counters))
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
    unsafe { place.write(fwd_forwarder { inner: forwarder, on_address: None, context: core::ptr::null_mut() }) };
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
        Ok(op) => fwd_status::of(forwarder.inner.apply(&op)),
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
        (Some(forwarder), Some(op)) => fwd_status::of(forwarder.inner.apply(&op)),
        _ => fwd_status::Invalid,
    }
}

/// Applies the op that `make` makes of what a caller points to.
///
/// # Safety
/// `forwarder` came from fwd_create; `value` is null or points to one.
unsafe fn set<T>(forwarder: *mut fwd_forwarder, value: *const T, make: impl FnOnce(&T) -> Option<FwdOp>) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, value.as_ref().and_then(make)) }
}

/// The MAC address that a caller points to.
///
/// # Safety
/// `octets` is null or points to six.
unsafe fn mac(octets: *const u8) -> Option<Mac> {
    // SAFETY: as the caller promises.
    unsafe { octets.cast::<[u8; 6]>().as_ref() }.copied().map(Mac)
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
    unsafe { set(forwarder, interface, |interface| Some(set_interface(iface, interface))) }
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
    unsafe { set(forwarder, nhlfe, |entry| set_nhlfe(id, entry)) }
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
    unsafe { set(forwarder, route, |route| set_route(route, action, number)) }
}

/// Removes a route.
///
/// # Safety
/// `forwarder` came from fwd_create; `route` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_route(forwarder: *mut fwd_forwarder, route: *const fwd_route) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, route, clear_route) }
}

/// Never reached: ci/no-panic.sh shows that the forwarding plane cannot panic. Rust demands that there is one.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
