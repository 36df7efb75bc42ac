//! Policers and marks.

use fwd_core::net::{PolicerId, PortId, ReplicationId, VrfId, VsiId};
use fwd_core::op::{CodePoint, FwdOp, MarkPoint, PolicePoint, Policer, Rates, TrafficType, Unit};

use crate::{apply, fwd_forwarder, fwd_status, set};

/// A token bucket policer, colour-blind.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_policer {
    /// Committed rate, in units a second.
    pub cir: u64,
    /// Of two rates: peak rate; at least the committed one.
    pub pir: u64,
    /// Committed burst, in units.
    pub cbs: u32,
    /// Excess burst; of two rates, peak burst.
    pub ebs_or_pbs: u32,
    /// Two rates (RFC 2698), not a single one (RFC 2697).
    pub two_rates: bool,
    /// Units are packets, not octets.
    pub packets: bool,
    /// Packets beyond the committed rate are dropped as those beyond all are.
    pub drop_yellow: bool,
}

/// The types of traffic that a bridge tells apart.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_traffic_type {
    /// To a known address.
    Unicast = 0,
    /// To an address that is not known.
    Unknown = 1,
    /// To all.
    Broadcast = 2,
    /// To a group.
    Multicast = 3,
    /// Control frames that go to software.
    Control = 4,
}

/// Where a policer stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_police_point {
    /// Frames of a type that arrive at bridge port number.
    Port = 0,
    /// Frames of a type that arrive in virtual switch instance number.
    Vsi = 1,
    /// Multicast packets that are forwarded in VRF number, whatever the type says.
    Multicast = 2,
    /// Multicast packets of VRF number that go to software, whatever the type says.
    Punt = 3,
    /// Packets that replication group number copies, whatever the type says.
    Group = 4,
}

impl fwd_traffic_type {
    pub(crate) const fn traffic(self) -> TrafficType {
        match self {
            Self::Unicast => TrafficType::Unicast,
            Self::Unknown => TrafficType::Unknown,
            Self::Broadcast => TrafficType::Broadcast,
            Self::Multicast => TrafficType::Multicast,
            Self::Control => TrafficType::Control,
        }
    }
}

fn point(at: fwd_police_point, number: u32, traffic: fwd_traffic_type) -> Option<PolicePoint> {
    let short = u16::try_from(number).ok();
    Some(match at {
        fwd_police_point::Port => PolicePoint::Port(PortId(number), traffic.traffic()),
        fwd_police_point::Vsi => PolicePoint::Vsi(VsiId(short?), traffic.traffic()),
        fwd_police_point::Multicast => PolicePoint::Multicast(VrfId(short?)),
        fwd_police_point::Punt => PolicePoint::Punt(VrfId(short?)),
        fwd_police_point::Group => PolicePoint::Group(ReplicationId(number)),
    })
}

fn policer(p: &fwd_policer) -> Policer {
    let rates = match p.two_rates {
        true => Rates::Two { cir: p.cir, cbs: p.cbs, pir: p.pir, pbs: p.ebs_or_pbs },
        false => Rates::Single { cir: p.cir, cbs: p.cbs, ebs: p.ebs_or_pbs },
    };
    let unit = if p.packets { Unit::Packets } else { Unit::Octets };
    Policer { rates, unit, drop_yellow: p.drop_yellow }
}

fn mark_point(is_group: bool, number: u32) -> Option<MarkPoint> {
    Some(match is_group {
        true => MarkPoint::Group(ReplicationId(number)),
        false => MarkPoint::Vrf(VrfId(u16::try_from(number).ok()?)),
    })
}

/// Writes a policer. Its buckets are filled if it is new, kept if it was there.
///
/// # Safety
/// `forwarder` came from fwd_create; `rates` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_policer(
    forwarder: *mut fwd_forwarder,
    id: u32,
    rates: *const fwd_policer,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, rates, |rates| Some(FwdOp::SetPolicer { id: PolicerId(id), policer: policer(rates) })) }
}

/// Removes a policer: where it stands, everything passes.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_policer(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearPolicer { id: PolicerId(id) })) }
}

/// Puts a policer somewhere: storm control is one for broadcast, unknown and multicast frames of a port. It goes by fwd_set_now.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_police_point(
    forwarder: *mut fwd_forwarder,
    at: fwd_police_point,
    number: u32,
    traffic: fwd_traffic_type,
    policer: u32,
) -> fwd_status {
    let policer = PolicerId(policer);
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, point(at, number, traffic).map(|at| FwdOp::SetPolicePoint { at, policer })) }
}

/// Takes the policer away from somewhere.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_police_point(
    forwarder: *mut fwd_forwarder,
    at: fwd_police_point,
    number: u32,
    traffic: fwd_traffic_type,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, point(at, number, traffic).map(|at| FwdOp::ClearPolicePoint { at })) }
}

/// Marks the packets of a replication group, or those that come into a VRF, with a code point of six bits.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_mark(
    forwarder: *mut fwd_forwarder,
    is_group: bool,
    number: u32,
    code: u8,
) -> fwd_status {
    let set = || Some(FwdOp::SetMark { at: mark_point(is_group, number)?, code: CodePoint::new(code)? });
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, set()) }
}

/// Leaves packets as they are marked.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_mark(forwarder: *mut fwd_forwarder, is_group: bool, number: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, mark_point(is_group, number).map(|at| FwdOp::ClearMark { at })) }
}
