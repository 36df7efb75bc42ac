//! Virtual links: IP tunnels that join two routers of a VPN.

use core::net::Ipv4Addr;

use fwd_core::net::{LabelSpaceId, NhlfeId, PortId, SaId, VlinkId, VrfId};
use fwd_core::op::{Deliver, Dscp, Encapsulation, Ends, FwdOp, Protection, Session, Vlink, VlinkOutput};
use fwd_core::wire::l2tpv3::Cookie;

use crate::multicast::some;
use crate::{apply, fwd_forwarder, fwd_model, fwd_status, set};

/// What stands between the outer IP header and the payload.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_encapsulation {
    /// Nothing.
    IpInIp = 0,
    /// GRE without a key.
    Gre = 1,
    /// GRE with this key.
    GreKey = 2,
    /// A label stack.
    MplsInIp = 3,
    /// UDP and a label stack.
    MplsInUdp = 4,
    /// An L2TPv3 session over IP.
    L2tp = 5,
    /// An L2TPv3 session over UDP.
    L2tpUdp = 6,
}

/// A virtual link, and how its packets are known when they arrive.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_vlink {
    /// Whether the outer addresses are IPv6; IPv4 is in the first 4 octets.
    pub is_v6: bool,
    /// Our outer address.
    pub local: [u8; 16],
    /// The other router's.
    pub remote: [u8; 16],
    /// What stands behind the outer header.
    pub encapsulation: fwd_encapsulation,
    /// The key of GRE, or the session.
    pub key: u32,
    /// The cookie of a session: 0, 4 or 8 octets.
    pub cookie_len: u8,
    pub cookie: [u8; 8],
    /// Of a session: whether the default sublayer precedes the payload.
    pub sublayer: bool,
    /// Whether payloads are frames that arrive at a bridge port; else IP packets, looked up in a VRF.
    pub to_port: bool,
    /// The bridge port, or the VRF.
    pub deliver: u32,
    /// Whether labelled packets are taken as well.
    pub mpls: bool,
    /// The space in which their labels are looked up; FWD_NONE: the platform's.
    pub label_space: u32,
    /// Whether sources of IP packets are checked.
    pub check_source: bool,
    /// Whether numbered packets that are out of order are dropped.
    pub ordered: bool,
    /// Whether packets must have come through security association sa.
    pub protected_: bool,
    pub sa: u16,
    /// How the outer DSCP relates to the payload's.
    pub model: fwd_model,
}

/// How packets leave by a virtual link.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_vlink_output {
    /// The entry that outer packets leave by.
    pub next: u32,
    /// Whether there is a key or session; it is as the other router chose it.
    pub has_key: bool,
    pub key: u32,
    /// The cookie that the other router chose: 0, 4 or 8 octets.
    pub cookie_len: u8,
    pub cookie: [u8; 8],
    /// UDP ports; a source port of 0 is a hash of the payload.
    pub source_port: u16,
    pub destination_port: u16,
    /// Whether packets are numbered.
    pub numbered: bool,
    /// The most octets of an outer packet.
    pub mtu: u16,
    /// The outer TTL.
    pub ttl: u8,
    /// The outer DSCP from 1; 0: the payload's.
    pub dscp_from_1: u8,
    /// Whether packets go through security association sa, which adds so many octets at most.
    pub protected_: bool,
    pub sa: u16,
    pub overhead: u8,
}

fn cookie(octets: &[u8; 8], len: u8) -> Option<Cookie> {
    Cookie::new(octets.get(..usize::from(len))?)
}

fn v4(octets: &[u8; 16]) -> Option<Ipv4Addr> {
    octets.first_chunk::<4>().map(|octets| (*octets).into())
}

fn link(v: &fwd_vlink) -> Option<Vlink> {
    let ends = match v.is_v6 {
        true => Ends::V6 { local: v.local.into(), remote: v.remote.into() },
        false => Ends::V4 { local: v4(&v.local)?, remote: v4(&v.remote)? },
    };
    let session = || Some(Session { id: v.key, cookie: cookie(&v.cookie, v.cookie_len)?, sublayer: v.sublayer });
    let encapsulation = match v.encapsulation {
        fwd_encapsulation::IpInIp => Encapsulation::IpInIp,
        fwd_encapsulation::Gre => Encapsulation::Gre,
        fwd_encapsulation::GreKey => Encapsulation::GreKey(v.key),
        fwd_encapsulation::MplsInIp => Encapsulation::MplsInIp,
        fwd_encapsulation::MplsInUdp => Encapsulation::MplsInUdp,
        fwd_encapsulation::L2tp => Encapsulation::L2tp(session()?),
        fwd_encapsulation::L2tpUdp => Encapsulation::L2tpUdp(session()?),
    };
    let deliver = match v.to_port {
        true => Deliver::Port(PortId(v.deliver)),
        false => Deliver::Vrf(VrfId(u16::try_from(v.deliver).ok()?)),
    };
    Some(Vlink {
        ends,
        encapsulation,
        deliver,
        mpls: v.mpls,
        label_space: some(v.label_space).map(LabelSpaceId),
        check_source: v.check_source,
        ordered: v.ordered,
        protection: v.protected_.then_some(SaId(v.sa)),
        model: v.model.model(),
    })
}

fn output(o: &fwd_vlink_output) -> Option<VlinkOutput> {
    let dscp = match o.dscp_from_1.checked_sub(1) {
        None => None,
        Some(dscp) => Some(Dscp::new(dscp)?),
    };
    Some(VlinkOutput {
        next: NhlfeId(o.next),
        key: o.has_key.then_some(o.key),
        cookie: cookie(&o.cookie, o.cookie_len)?,
        ports: (o.source_port, o.destination_port),
        numbered: o.numbered,
        mtu: o.mtu,
        ttl: o.ttl,
        dscp,
        protection: o.protected_.then_some(Protection { sa: SaId(o.sa), overhead: o.overhead }),
    })
}

/// Creates a virtual link, or changes how its packets are known; its output stays.
///
/// # Safety
/// `forwarder` came from fwd_create; `vlink` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vlink(forwarder: *mut fwd_forwarder, id: u32, vlink: *const fwd_vlink) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, vlink, |v| Some(FwdOp::SetVlink { id: VlinkId(id), vlink: link(v)? })) }
}

/// Removes a virtual link.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_vlink(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearVlink { id: VlinkId(id) })) }
}

/// Writes how packets leave by a virtual link, which must exist.
///
/// # Safety
/// `forwarder` came from fwd_create; `how` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vlink_output(
    forwarder: *mut fwd_forwarder,
    id: u32,
    how: *const fwd_vlink_output,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, how, |how| Some(FwdOp::SetVlinkOutput { id: VlinkId(id), output: output(how)? })) }
}
