//! Incoming labels, and label spaces beside the platform's.

use fwd_core::net::{IfIndex, Label, LabelSpaceId};
use fwd_core::op::FwdOp;

use crate::types::ilm;
use crate::{apply, fwd_action_kind, fwd_forwarder, fwd_model, fwd_status};

/// Maps an incoming label to an action: through entry `number`, or whatever else number names.
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
    let set = || Some(FwdOp::SetIlm { label: Label::new(label)?, ilm: ilm(action, number, model)? });
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, set()) }
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

/// As fwd_set_label, of a label of label space `space`: another router's or an interface's.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_context_label(
    forwarder: *mut fwd_forwarder,
    space: u32,
    label: u32,
    action: fwd_action_kind,
    number: u32,
    model: fwd_model,
) -> fwd_status {
    let space = LabelSpaceId(space);
    let set = || Some(FwdOp::SetContextIlm { space, label: Label::new(label)?, ilm: ilm(action, number, model)? });
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, set()) }
}

/// Removes a label of label space `space`.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_context_label(forwarder: *mut fwd_forwarder, space: u32, label: u32) -> fwd_status {
    let space = LabelSpaceId(space);
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Label::new(label).map(|label| FwdOp::ClearContextIlm { space, label })) }
}

/// Gives an interface a label space of its own; FWD_NONE returns it to the platform's.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_label_space(forwarder: *mut fwd_forwarder, iface: u32, space: u32) -> fwd_status {
    let iface = IfIndex(iface);
    let op = match space {
        crate::FWD_NONE => FwdOp::ClearLabelSpace { iface },
        space => FwdOp::SetLabelSpace { iface, space: LabelSpaceId(space) },
    };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Gives an interface a label space for labels on top that their senders assigned; FWD_NONE takes it away.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_upstream_space(forwarder: *mut fwd_forwarder, iface: u32, space: u32) -> fwd_status {
    let iface = IfIndex(iface);
    let op = match space {
        crate::FWD_NONE => FwdOp::ClearUpstreamSpace { iface },
        space => FwdOp::SetUpstreamSpace { iface, space: LabelSpaceId(space) },
    };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}
