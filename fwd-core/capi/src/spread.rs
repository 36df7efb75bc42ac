//! Groups of entries that packets are spread over, pairs of which one protects the other, and interfaces that go down.

use fwd_core::net::{EcmpId, IfIndex, NhlfeId, ProtectionId};
use fwd_core::op::{Bucket, FwdOp};

use crate::{apply, fwd_forwarder, fwd_status};

/// Writes one of the 64 buckets of a group: the flows with one value of a hash take this entry.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_bucket(
    forwarder: *mut fwd_forwarder,
    group: u32,
    bucket: u8,
    entry: u32,
) -> fwd_status {
    let (group, entry) = (EcmpId(group), NhlfeId(entry));
    let op = Bucket::new(bucket).map(|bucket| FwdOp::SetBucket { group, bucket, entry });
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, op) }
}

/// Empties a bucket: its flows take the next that is not empty.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_bucket(forwarder: *mut fwd_forwarder, group: u32, bucket: u8) -> fwd_status {
    let op = Bucket::new(bucket).map(|bucket| FwdOp::ClearBucket { group: EcmpId(group), bucket });
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, op) }
}

/// Pairs an entry with the one that takes over when it fails.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_protection(
    forwarder: *mut fwd_forwarder,
    id: u32,
    primary: u32,
    backup: u32,
) -> fwd_status {
    let op = FwdOp::SetProtection { id: ProtectionId(id), primary: NhlfeId(primary), backup: NhlfeId(backup) };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Dissolves a pair.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_protection(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearProtection { id: ProtectionId(id) })) }
}

/// Sends everything behind a pair by its backup, or by its primary again.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_switch_over(forwarder: *mut fwd_forwarder, id: u32, backup: bool) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::SwitchOver { id: ProtectionId(id), backup })) }
}

/// Has a pair take its backup while an interface is down; FWD_NONE: no interface any more.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_watch(forwarder: *mut fwd_forwarder, id: u32, iface: u32) -> fwd_status {
    let id = ProtectionId(id);
    let op = match iface {
        crate::FWD_NONE => FwdOp::ClearWatch { id },
        iface => FwdOp::SetWatch { id, iface: IfIndex(iface) },
    };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Says whether an interface is down: every pair that watches it switches.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_interface_state(forwarder: *mut fwd_forwarder, iface: u32, down: bool) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::SetInterfaceState { iface: IfIndex(iface), down })) }
}
