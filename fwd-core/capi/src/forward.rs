//! Forwarding: frames, their copies, and the addresses that they teach.

use core::ffi::c_void;
use core::mem::{align_of, size_of};

use fwd_core::net::{IfIndex, PortId, SaId, VsiId};
use fwd_core::table::{Learn, Learned};
use fwd_core::time::Instant;
use fwd_core::{Frame, Packet, Replica, Replication, Verdict, Worker};

use crate::types::Parts;
use crate::{array, fwd_copy, fwd_forwarder, fwd_frame, fwd_replication, fwd_status, fwd_verdict, mac};

/// What became of an address.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum fwd_learned {
    /// It is new.
    New = 0,
    /// It was at another port.
    Moved = 1,
    /// It was there already, or is static.
    Known = 2,
    /// The port or the instance has as many as it may have, or is no more.
    Limit = 3,
    /// The table has no room for it.
    Full = 4,
    /// It was not seen for the age of its instance, and is forgotten.
    Aged = 5,
}

/// An address of a virtual switch instance, and what became of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_address {
    /// The instance.
    pub vsi: u16,
    /// The address.
    pub mac: [u8; 6],
    /// The port that it is at, or was when it was forgotten.
    pub port: u32,
    /// Of one that moved: the port that it was at.
    pub moved_from: u32,
    /// What became of it.
    pub what: fwd_learned,
    /// Whether it is static.
    pub is_static: bool,
}

/// Is called with an address.
pub type fwd_on_address = Option<unsafe extern "C" fn(context: *mut c_void, address: *const fwd_address)>;
/// Is called with a copy.
pub type fwd_on_copy = Option<unsafe extern "C" fn(context: *mut c_void, copy: *const fwd_copy)>;

const _: () = assert!(size_of::<Replication>() <= size_of::<fwd_replication>());
const _: () = assert!(align_of::<Replication>() <= align_of::<fwd_replication>());

impl fwd_address {
    const fn of(learn: Learn, what: fwd_learned) -> Self {
        Self { vsi: learn.vsi.0, mac: learn.mac.0, port: learn.port.0, moved_from: 0, what, is_static: false }
    }

    const fn learned(learn: Learn, learned: Learned) -> Self {
        match learned {
            Learned::New => Self::of(learn, fwd_learned::New),
            Learned::Moved(from) => Self { moved_from: from.0, ..Self::of(learn, fwd_learned::Moved) },
            Learned::Known => Self::of(learn, fwd_learned::Known),
            Learned::Limit => Self::of(learn, fwd_learned::Limit),
            Learned::Full => Self::of(learn, fwd_learned::Full),
        }
    }
}

impl fwd_forwarder {
    /// Forwards, learns, and tells what was learned.
    fn forward<R>(&mut self, forward: impl FnOnce(&mut Worker<'static>) -> R) -> R {
        let (on_address, context) = (self.on_address, self.context);
        self.inner.learning(forward, |learn, learned| {
            if let (Some(on_address), true) = (on_address, learned != Learned::Known) {
                // SAFETY: as the caller promised in fwd_on_addresses.
                unsafe { on_address(context, &fwd_address::learned(learn, learned)) };
            }
        })
    }
}

/// Has `on_address` called from now on with each address that frames teach (new, moved, or not learned for want of room) and with each
/// that is forgotten for its age; null: no more.
///
/// # Safety
/// `forwarder` came from fwd_create; `on_address` may be called with `context` until it is replaced, and calls nothing here.
#[no_mangle]
pub unsafe extern "C" fn fwd_on_addresses(
    forwarder: *mut fwd_forwarder,
    on_address: fwd_on_address,
    context: *mut c_void,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let Some(forwarder) = (unsafe { forwarder.as_mut() }) else { return fwd_status::Invalid };
    (forwarder.on_address, forwarder.context) = (on_address, context);
    fwd_status::Ok
}

/// The frame of a caller; none if its buffer is null or shorter than said.
///
/// # Safety
/// Its buffer is as long as said, and used by nothing else meanwhile.
unsafe fn whole<'a>(frame: &fwd_frame) -> Option<Frame<'a>> {
    let (start, len) = (usize::try_from(frame.start).ok()?, usize::try_from(frame.len).ok()?);
    // SAFETY: as the caller promises.
    let buffer = unsafe { array(frame.buffer, usize::try_from(frame.capacity).ok()?) };
    Frame::new(buffer, start, len)
}

/// Writes down where a frame lies after it was forwarded, and what became of it.
fn note(frame: &mut fwd_frame, inside: &Frame<'_>, verdict: Verdict) {
    // They were below 2^32 and the frame lies in a buffer that is shorter.
    (frame.start, frame.len) = (inside.headroom() as u32, inside.octets().len() as u32);
    frame.set_verdict(verdict);
    if let Verdict::Replicate(replication) = verdict {
        let place = frame.replication.opaque.as_mut_ptr().cast::<Replication>();
        // SAFETY: it is large and aligned enough, as is asserted above.
        unsafe { place.write(replication) };
    }
}

/// Forwards frames one after the other; each is rewritten in its buffer, or left as it was, and says what became of it. Frames whose
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
        let ingress = IfIndex(frame.ingress);
        // SAFETY: as the caller promises.
        match unsafe { whole(frame) } {
            Some(mut inside) => {
                let verdict = forwarder.forward(|worker| worker.forward(&mut inside, ingress));
                note(frame, &inside, verdict);
            }
            None => frame.verdict = fwd_verdict::None,
        }
    }
    fwd_status::Ok
}

/// Frames that take the stages together.
const BATCH: usize = 32;

/// As fwd_forward, each stage for up to 32 frames before the next, so that their look-ups overlap: for processors that wait for memory,
/// and have some KiB of stack.
///
/// # Safety
/// As of fwd_forward.
#[no_mangle]
pub unsafe extern "C" fn fwd_forward_batch(
    forwarder: *mut fwd_forwarder,
    frames: *mut fwd_frame,
    count: usize,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, frames) = unsafe { (forwarder.as_mut(), array(frames, count)) };
    let Some(forwarder) = forwarder.filter(|_| frames.len() == count) else { return fwd_status::Invalid };
    for frames in frames.chunks_mut(BATCH) {
        // SAFETY: as the caller promises.
        let is_whole = |frame: &fwd_frame| unsafe { whole(frame) }.is_some();
        // What has no octets is no packet: those between two such go together.
        for frames in frames.chunk_by_mut(|a, b| is_whole(a) == is_whole(b)) {
            if frames.first().is_some_and(is_whole) {
                // SAFETY: as the caller promises.
                unsafe { forward_together(forwarder, frames) };
            } else {
                frames.iter_mut().for_each(|frame| frame.verdict = fwd_verdict::None);
            }
        }
    }
    fwd_status::Ok
}

/// Forwards up to 32 frames, all of which are whole.
///
/// # Safety
/// As of fwd_forward.
#[inline(never)]
unsafe fn forward_together(forwarder: &mut fwd_forwarder, frames: &mut [fwd_frame]) {
    let mut packets: [Packet<'_>; BATCH] = core::array::from_fn(|at| match frames.get(at) {
        // SAFETY: as the caller promises.
        Some(frame) => Packet::new(unsafe { whole(frame) }.unwrap_or_default(), IfIndex(frame.ingress)),
        None => Packet::new(Frame::default(), IfIndex(0)),
    });
    let Some(packets) = packets.get_mut(..frames.len()) else { return };
    forwarder.forward(|worker| worker.forward_batch(packets));
    for (frame, packet) in frames.iter_mut().zip(packets) {
        if let Some(verdict) = packet.verdict {
            note(frame, &packet.frame, verdict);
        }
    }
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
    let Some(mut inside) = (unsafe { whole(frame) }) else { return fwd_status::Invalid };
    let ingress = IfIndex(frame.ingress);
    let verdict = forwarder.forward(|worker| worker.forward_unprotected(&mut inside, ingress, SaId(sa)));
    note(frame, &inside, verdict);
    fwd_status::Ok
}

/// Makes the copies of a frame whose verdict is FWD_VERDICT_REPLICATE, one after the other, and calls `on_copy` with each. The frame's own
/// octets are neither copied nor changed: a transmitter sends the front of a copy, then its range of the frame.
///
/// # Safety
/// `forwarder` came from fwd_create; `frame` is null or points to a frame as this forwarder wrote it, whose buffer is as it was and used
/// by nothing else meanwhile; `on_copy` may be called with `context`, and calls nothing here.
#[no_mangle]
pub unsafe extern "C" fn fwd_copies(
    forwarder: *mut fwd_forwarder,
    frame: *const fwd_frame,
    on_copy: fwd_on_copy,
    context: *mut c_void,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, frame) = unsafe { (forwarder.as_mut(), frame.as_ref()) };
    let frame = frame.filter(|frame| frame.verdict == fwd_verdict::Replicate);
    let (Some(forwarder), Some(frame), Some(on_copy)) = (forwarder, frame, on_copy) else { return fwd_status::Invalid };
    // SAFETY: as the caller promises; `note` wrote what is to be copied.
    let (inside, replication) =
        unsafe { (whole(frame), frame.replication.opaque.as_ptr().cast::<Replication>().read()) };
    let Some(inside) = inside else { return fwd_status::Invalid };
    let mut copies = forwarder.inner.copies(&inside, replication);
    while let Some(replica) = copies.next() {
        let copy = match replica {
            Replica::Punt(verdict) => copy(verdict, &[], &[]),
            Replica::Transmit { iface, class, front, payload, protection } => {
                let verdict = match protection {
                    None => Verdict::Transmit { iface, class },
                    Some((sa, offset)) => Verdict::Protect { iface, class, sa, offset },
                };
                copy(verdict, front, inside.octets().get(payload).unwrap_or_default())
            }
        };
        // SAFETY: as the caller promises.
        unsafe { on_copy(context, &copy) };
    }
    fwd_status::Ok
}

fn copy(verdict: Verdict, front: &[u8], payload: &[u8]) -> fwd_copy {
    let parts = Parts::from(verdict);
    fwd_copy {
        verdict: parts.verdict,
        iface: parts.iface,
        class_: parts.class,
        front: front.as_ptr(),
        front_len: front.len() as u32,
        payload: payload.as_ptr(),
        payload_len: payload.len() as u32,
        reason: parts.reason,
        vrf: parts.vrf,
        port: parts.port,
        sa: parts.sa,
        offset: parts.offset,
    }
}

/// Says what time it is, in microseconds since an epoch of the caller's: policers go by it. It does not go back.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_now(forwarder: *mut fwd_forwarder, micros: u64) -> fwd_status {
    // SAFETY: as the caller promises.
    let Some(forwarder) = (unsafe { forwarder.as_mut() }) else { return fwd_status::Invalid };
    forwarder.inner.set_now(Instant::from_micros(micros));
    fwd_status::Ok
}

/// Forgets addresses that were not seen for the age of their instance, looking at `buckets` buckets of four addresses at most. Whether
/// that was all that was due; each bucket is due once in four seconds.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_age(forwarder: *mut fwd_forwarder, micros: u64, buckets: usize) -> bool {
    // SAFETY: as the caller promises.
    let Some(forwarder) = (unsafe { forwarder.as_mut() }) else { return true };
    let (on_address, context) = (forwarder.on_address, forwarder.context);
    forwarder.inner.age_telling(Instant::from_micros(micros), buckets, |learn| {
        if let Some(on_address) = on_address {
            // SAFETY: as the caller promised in fwd_on_addresses.
            unsafe { on_address(context, &fwd_address::of(learn, fwd_learned::Aged)) };
        }
    })
}

/// Learns an address, as frames teach it; says what became of it.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets, `out` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_learn(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    address: *const u8,
    port: u32,
    out: *mut fwd_address,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (forwarder, address, out) = unsafe { (forwarder.as_mut(), mac(address), out.as_mut()) };
    let (Some(forwarder), Some(mac)) = (forwarder, address) else { return fwd_status::Invalid };
    let learn = Learn { vsi: VsiId(vsi), mac, port: PortId(port) };
    let learned = forwarder.inner.learn(learn);
    if let Some(out) = out {
        *out = fwd_address::learned(learn, learned);
    }
    fwd_status::Ok
}

/// The port that an address of an instance is at; FWD_NONE where it is not known.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_port_of(forwarder: *const fwd_forwarder, vsi: u16, address: *const u8) -> u32 {
    // SAFETY: as the caller promises.
    let (forwarder, address) = unsafe { (forwarder.as_ref(), mac(address)) };
    let port = forwarder.zip(address).and_then(|(forwarder, mac)| forwarder.inner.mac(VsiId(vsi), mac));
    port.map_or(crate::FWD_NONE, |port| port.0)
}

/// Calls `on_address` with every address of every instance, in no order.
///
/// # Safety
/// `forwarder` came from fwd_create; `on_address` may be called with `context`, and calls nothing here.
#[no_mangle]
pub unsafe extern "C" fn fwd_addresses(
    forwarder: *const fwd_forwarder,
    on_address: fwd_on_address,
    context: *mut c_void,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let (Some(forwarder), Some(on_address)) = (unsafe { forwarder.as_ref() }, on_address) else {
        return fwd_status::Invalid;
    };
    for (vsi, mac, port, is_static) in forwarder.inner.addresses() {
        let address = fwd_address { is_static, ..fwd_address::of(Learn { vsi, mac, port }, fwd_learned::Known) };
        // SAFETY: as the caller promises.
        unsafe { on_address(context, &address) };
    }
    fwd_status::Ok
}
