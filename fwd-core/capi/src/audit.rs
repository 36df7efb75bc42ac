//! Is the forwarding plane what the control plane believes it is? Ops compared with the tables, every entry as an op, and the ways of
//! packets as text.

use core::ffi::{c_char, c_void};
use core::fmt::{self, Write};
use core::net::IpAddr;

use fwd_core::audit::{compare, entries, Finding, Path, Tree};
use fwd_core::net::{Label, VlinkId, VrfId, VsiId};
use fwd_core::op::FwdOp;

use crate::{array, fwd_forwarder, fwd_traffic_type, mac};

/// How the tables differ from an op.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum fwd_finding {
    /// Not at all.
    Same = 0,
    /// There is nothing of what the op set.
    Missing = 1,
    /// There is something else.
    Different = 2,
    /// What the op cleared is there.
    Present = 3,
    /// A pointer is null, or the octets are no op.
    Invalid = 4,
}

/// Is called with an op of fwd_op_len() octets.
pub type fwd_on_op = Option<unsafe extern "C" fn(context: *mut c_void, op: *const u8)>;

/// Compares the tables with what an op left behind. What differs is written to `found` as the op that would make it.
///
/// # Safety
/// `forwarder` came from fwd_create; `op` and `found` are null or point to fwd_op_len() octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_compare(forwarder: *const fwd_forwarder, op: *const u8, found: *mut u8) -> fwd_finding {
    // SAFETY: as the caller promises.
    let (forwarder, op, out) = unsafe {
        (forwarder.as_ref(), op.cast::<[u8; FwdOp::LEN]>().as_ref(), found.cast::<[u8; FwdOp::LEN]>().as_mut())
    };
    let (Some(forwarder), Some(op)) = (forwarder, op.and_then(|op| FwdOp::parse(op).ok())) else {
        return fwd_finding::Invalid;
    };
    let (finding, other) = match compare(&forwarder.inner, &op) {
        Ok(()) => (fwd_finding::Same, None),
        Err(Finding::Missing) => (fwd_finding::Missing, None),
        Err(Finding::Different(op)) => (fwd_finding::Different, Some(op)),
        Err(Finding::Present(op)) => (fwd_finding::Present, Some(op)),
    };
    if let (Some(out), Some(op)) = (out, other) {
        *out = op.emit();
    }
    finding
}

/// Calls `on_op` with every entry of the tables as the op that would make it, in an order in which they can be applied. Whether it could.
///
/// # Safety
/// `forwarder` came from fwd_create; `on_op` may be called with `context`, and calls nothing here.
#[no_mangle]
pub unsafe extern "C" fn fwd_entries(forwarder: *const fwd_forwarder, on_op: fwd_on_op, context: *mut c_void) -> bool {
    // SAFETY: as the caller promises.
    let (Some(forwarder), Some(on_op)) = (unsafe { forwarder.as_ref() }, on_op) else { return false };
    for op in entries(&forwarder.inner) {
        // SAFETY: as the caller promises.
        unsafe { on_op(context, op.emit().as_ptr()) };
    }
    true
}

/// Text in a caller's array, cut to its length less a zero at the end.
struct Text<'a> {
    out: &'a mut [u8],
    /// Octets of the whole text.
    len: usize,
}

impl Text<'_> {
    /// # Safety
    /// `out` is null or points to `len` octets, which nothing else uses meanwhile.
    unsafe fn new(out: *mut c_char, len: usize) -> Self {
        // SAFETY: as the caller promises; any octet is a char of C's.
        Self { out: unsafe { array(out.cast::<u8>(), len) }, len: 0 }
    }

    /// Writes it; returns its octets.
    fn of(&mut self, text: impl fmt::Display) -> usize {
        // It takes whatever comes.
        let _ = write!(self, "{text}");
        let end = self.len.min(self.out.len().saturating_sub(1));
        if let Some(zero) = self.out.get_mut(end) {
            *zero = 0;
        }
        self.len
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (to, from) in self.out.iter_mut().skip(self.len).zip(text.bytes()) {
            *to = from;
        }
        self.len = self.len.saturating_add(text.len());
        Ok(())
    }
}

/// # Safety
/// `octets` is null or points to 4 octets, of IPv6 to 16.
unsafe fn address(is_v6: bool, octets: *const u8) -> Option<IpAddr> {
    // SAFETY: as the caller promises.
    unsafe {
        match is_v6 {
            true => octets.cast::<[u8; 16]>().as_ref().map(|octets| (*octets).into()),
            false => octets.cast::<[u8; 4]>().as_ref().map(|octets| (*octets).into()),
        }
    }
}

/// Writes the way of a packet to an address of a VRF as text with a zero at the end, cut to `len` octets; returns the octets of the
/// whole text, 0 if a pointer is null. As all that follow.
///
/// # Safety
/// `forwarder` came from fwd_create; `to` is null or points to 4 octets, of IPv6 to 16; `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_route_way(
    forwarder: *const fwd_forwarder,
    vrf: u16,
    is_v6: bool,
    to: *const u8,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    // SAFETY: as the caller promises.
    let Some(to) = (unsafe { address(is_v6, to) }) else { return 0 };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    text.of(Path::to(tables, VrfId(vrf), to))
}

/// The way of a packet with this label on top, and those of its copies, on a line each.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_label_way(
    forwarder: *const fwd_forwarder,
    label: u32,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    Label::new(label).map_or(0, |label| text.of(Tree::of_label(tables, label)))
}

/// The tree of a multicast packet of a VRF: its route, where it must come from, the group that copies it, and the way of each copy on a line.
///
/// # Safety
/// `forwarder` came from fwd_create; `source` and `group` are null or point to 4 octets, of IPv6 to 16; `out` is null or points to `len`
/// octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_multicast_way(
    forwarder: *const fwd_forwarder,
    vrf: u16,
    is_v6: bool,
    source: *const u8,
    group: *const u8,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    // SAFETY: as the caller promises.
    let (Some(source), Some(group)) = (unsafe { (address(is_v6, source), address(is_v6, group)) }) else { return 0 };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    text.of(Tree::of_packet(tables, VrfId(vrf), source, group))
}

/// The ways of a frame of an instance, by its destination: to the port of an address, or to all ports.
///
/// # Safety
/// `forwarder` came from fwd_create; `to` is null or points to six octets; `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_frame_way(
    forwarder: *const fwd_forwarder,
    vsi: u16,
    to: *const u8,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    // SAFETY: as the caller promises.
    let Some(to) = (unsafe { mac(to) }) else { return 0 };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    text.of(Tree::of_frame(tables, VsiId(vsi), to))
}

/// The ways of the frames of a type that an instance sends to several ports.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_flood_way(
    forwarder: *const fwd_forwarder,
    vsi: u16,
    traffic: fwd_traffic_type,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    text.of(Tree::of_flood(tables, VsiId(vsi), traffic.traffic()))
}

/// Where the payloads of a virtual link go, and on a second line how packets leave by it.
///
/// # Safety
/// `forwarder` came from fwd_create; `out` is null or points to `len` octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_vlink_way(
    forwarder: *const fwd_forwarder,
    vlink: u32,
    out: *mut c_char,
    len: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (forwarder, mut text) = unsafe { (forwarder.as_ref(), Text::new(out, len)) };
    let Some(forwarder) = forwarder else { return 0 };
    let tables = &forwarder.inner;
    let (from, by) = (Path::from_vlink(tables, VlinkId(vlink)), Path::by_vlink(tables, VlinkId(vlink)));
    text.of(format_args!("{from}\n{by}"))
}
