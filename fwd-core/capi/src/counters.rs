//! Counters.

use core::ffi::c_char;

use fwd_core::net::{PortId, ReplicationId, VlinkId, VrfId, VsiId};
use fwd_core::{BridgeCounters, DropReason, PuntReason};

use crate::{array, fwd_forwarder, fwd_status, fwd_traffic};

/// Packets sent.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_transmitted(forwarder: *const fwd_forwarder) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { forwarder.as_ref() }.map_or(0, |f| f.inner.counters().transmitted())
}

/// Packets handed to software for this reason; 0 for a number that is none.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_punted(forwarder: *const fwd_forwarder, reason: u32) -> u64 {
    // SAFETY: as the caller promises.
    let counters = unsafe { forwarder.as_ref() }.map(|f| f.inner.counters());
    counters.zip(reason_of(&PuntReason::ALL, reason)).map_or(0, |(counters, reason)| counters.punted(reason))
}

/// Packets dropped for this reason; 0 for a number that is none.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_dropped(forwarder: *const fwd_forwarder, reason: u32) -> u64 {
    // SAFETY: as the caller promises.
    let counters = unsafe { forwarder.as_ref() }.map(|f| f.inner.counters());
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
    let c = forwarder.inner.vrf_counters(VrfId(vrf));
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
    let c = forwarder.inner.vlink_counters(VlinkId(vlink));
    (out.in_packets, out.in_octets) = (c.in_packets, c.in_octets);
    (out.out_packets, out.out_octets) = (c.out_packets, c.out_octets);
    fwd_status::Ok
}

/// Packets of a replication group.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct fwd_group_traffic {
    /// Packets that were to be copied, and their octets.
    pub packets: u64,
    pub octets: u64,
    /// Copies sent.
    pub copies: u64,
    /// Copies that could not be sent.
    pub lost: u64,
    /// Of these, copies that were too large for their interface.
    pub too_big: u64,
}

/// Frames of a bridge port or a virtual switch instance.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct fwd_bridge_traffic {
    /// Frames that arrived, and frames and copies that were sent.
    pub traffic: fwd_traffic,
    /// Frames that arrived, by fwd_traffic_type.
    pub in_by_type: [u64; 5],
    /// Frames that arrived and that a policer dropped.
    pub policed: u64,
    /// Frames whose source was not learned for want of room.
    pub unlearned: u64,
    /// Of a port: frames that arrived and were dropped because a later one had arrived before.
    pub disordered: u64,
}

impl From<BridgeCounters> for fwd_bridge_traffic {
    fn from(c: BridgeCounters) -> Self {
        let traffic = fwd_traffic {
            in_packets: c.in_packets,
            in_octets: c.in_octets,
            out_packets: c.out_packets,
            out_octets: c.out_octets,
        };
        let (in_by_type, policed) = (c.in_by_type, c.policed);
        Self { traffic, in_by_type, policed, unlearned: c.unlearned, disordered: c.disordered }
    }
}

/// Copies sent.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_copied(forwarder: *const fwd_forwarder) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { forwarder.as_ref() }.map_or(0, |f| f.inner.counters().copies())
}

/// Copies that could not be sent for this reason to drop packets.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_copies_lost(forwarder: *const fwd_forwarder, reason: u32) -> u64 {
    // SAFETY: as the caller promises.
    let counters = unsafe { forwarder.as_ref() }.map(|f| f.inner.counters());
    counters.zip(reason_of(&DropReason::ALL, reason)).map_or(0, |(counters, reason)| counters.lost(reason))
}

/// Writes counters that were found.
fn give<T, U: From<T>>(counters: Option<T>, out: Option<&mut U>) -> fwd_status {
    match (counters, out) {
        (Some(counters), Some(out)) => {
            *out = counters.into();
            fwd_status::Ok
        }
        _ => fwd_status::Invalid,
    }
}

impl From<fwd_core::GroupCounters> for fwd_group_traffic {
    fn from(c: fwd_core::GroupCounters) -> Self {
        Self { packets: c.packets, octets: c.octets, copies: c.copies, lost: c.lost, too_big: c.too_big }
    }
}

/// Packets of a replication group.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_group_counters(
    forwarder: *const fwd_forwarder,
    group: u32,
    out: *mut fwd_group_traffic,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, out) = unsafe { (forwarder.as_ref(), out.as_mut()) };
    give(forwarder.and_then(|f| f.inner.group_counters(ReplicationId(group))), out)
}

/// Frames of a virtual switch instance.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_vsi_counters(
    forwarder: *const fwd_forwarder,
    vsi: u16,
    out: *mut fwd_bridge_traffic,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, out) = unsafe { (forwarder.as_ref(), out.as_mut()) };
    give(forwarder.and_then(|f| f.inner.vsi_counters(VsiId(vsi))), out)
}

/// Frames of a bridge port.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_port_counters(
    forwarder: *const fwd_forwarder,
    port: u32,
    out: *mut fwd_bridge_traffic,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, out) = unsafe { (forwarder.as_ref(), out.as_mut()) };
    give(forwarder.and_then(|f| f.inner.port_counters(PortId(port))), out)
}
