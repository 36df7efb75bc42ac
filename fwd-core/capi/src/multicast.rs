//! Multicast routes and replication groups.

use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::net::{
    IfIndex, Ipv4Prefix, Ipv6Prefix, LabelSpaceId, NhlfeId, PortId, ReplicationId, RpfSetId, TunnelId, VrfId, VsiId,
};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, MulticastVrf, Origin, Rpf, VsiOrVrf};

use crate::{apply, fwd_forwarder, fwd_status, set, FWD_NONE};

/// Which packets a multicast route is for: (S,G), or (*,G) of every group of a prefix.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_mroute_key {
    /// Whether the addresses are IPv6; IPv4 is in the first 4 octets.
    pub is_v6: bool,
    /// Whether it is of one source and one group.
    pub has_source: bool,
    /// Without a source: bits of the prefix of groups, at least 4 of IPv4 and 8 of IPv6.
    pub group_len: u8,
    /// The source.
    pub source: [u8; 16],
    /// The group, or the prefix; bits behind its length are zero.
    pub group: [u8; 16],
}

/// Where the packets of a multicast route must come from.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_rpf {
    /// From anywhere.
    Any = 0,
    /// From nowhere.
    Nowhere = 1,
    /// From interface number.
    Interface = 2,
    /// From tunnel number.
    Tunnel = 3,
    /// From a member of set number.
    AnyOf = 4,
    /// As any of, on a bidirectional tree: what came by a tunnel takes no leg that is a group.
    Bidirectional = 5,
    /// As bidirectional, where the tree across the backbone is joined from others there: what came by another tunnel than rpf_own takes them.
    Merging = 6,
}

/// What to do with the packets of a multicast route.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_mroute {
    /// Where they must come from.
    pub rpf: fwd_rpf,
    /// The interface, tunnel or set.
    pub rpf_number: u32,
    /// The tunnel of the tree that legs that are groups lead into, of merging.
    pub rpf_own: u32,
    /// The group of legs that copies go by; FWD_NONE: nowhere.
    pub replication: u32,
    /// The interface towards the source while packets come by the shared tree; FWD_NONE.
    pub spt: u32,
    /// Whether a packet from elsewhere goes to software.
    pub punt_wrong_interface: bool,
    /// Whether software gets every packet beside the copies.
    pub to_register: bool,
}

/// Where the copies of a leg go.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_leg {
    /// Out of interface number; of a routed packet.
    Interface = 0,
    /// Through entry number.
    Nhlfe = 1,
    /// Out of bridge port number; of a frame that is bridged.
    Port = 2,
    /// By the legs of group number.
    Group = 3,
    /// Of a labelled packet: the label is popped, and what is below came by tunnel number. Of a routed one: it goes on in the tunnel's VRF.
    Multicast = 4,
    /// Of a labelled packet: the label is popped, and what is below arrived at bridge port number.
    Arrive = 5,
    /// Of a labelled packet: the label is popped, and the one below is looked up in label space number.
    Context = 6,
    /// Of a packet of the provider's own multicast: what is in its tunnel came by tunnel number.
    Decapsulate = 7,
    /// To this router's software; number does not count.
    Local = 8,
}

fn v4(octets: &[u8; 16]) -> Option<Ipv4Addr> {
    let (octets, rest) = octets.split_first_chunk::<4>()?;
    rest.iter().all(|octet| *octet == 0).then_some((*octets).into())
}

/// The key of a multicast route; none where bits are set that do not count.
pub(crate) fn mroute_key(key: &fwd_mroute_key) -> Option<MrouteKey> {
    Some(match (key.has_source, key.is_v6) {
        (true, false) => MrouteKey::Source4 { source: v4(&key.source)?, group: v4(&key.group)? },
        (true, true) => MrouteKey::Source6 { source: key.source.into(), group: key.group.into() },
        (false, false) => {
            let address = v4(&key.group)?;
            let group = Ipv4Prefix::new(address, key.group_len)?;
            MrouteKey::Group4 { group: (group.bits() == address.to_bits()).then_some(group)? }
        }
        (false, true) => {
            let address = Ipv6Addr::from(key.group);
            let group = Ipv6Prefix::new(address, key.group_len)?;
            MrouteKey::Group6 { group: (group.bits() == address.to_bits()).then_some(group)? }
        }
    })
}

/// A number that may be missing.
pub(crate) fn some(number: u32) -> Option<u32> {
    (number != FWD_NONE).then_some(number)
}

fn mroute(m: &fwd_mroute) -> Mroute {
    let rpf = match m.rpf {
        fwd_rpf::Any => Rpf::Any,
        fwd_rpf::Nowhere => Rpf::Nowhere,
        fwd_rpf::Interface => Rpf::From(Origin::Interface(IfIndex(m.rpf_number))),
        fwd_rpf::Tunnel => Rpf::From(Origin::Tunnel(TunnelId(m.rpf_number))),
        fwd_rpf::AnyOf => Rpf::AnyOf(RpfSetId(m.rpf_number)),
        fwd_rpf::Bidirectional => Rpf::Bidirectional(RpfSetId(m.rpf_number)),
        fwd_rpf::Merging => Rpf::Merging { set: RpfSetId(m.rpf_number), own: TunnelId(m.rpf_own) },
    };
    Mroute {
        rpf,
        replication: some(m.replication).map(ReplicationId),
        punt_wrong_interface: m.punt_wrong_interface,
        register: m.to_register,
        spt: some(m.spt).map(IfIndex),
    }
}

const fn origin(is_tunnel: bool, number: u32) -> Origin {
    if is_tunnel {
        Origin::Tunnel(TunnelId(number))
    } else {
        Origin::Interface(IfIndex(number))
    }
}

/// Writes a multicast route of a VRF.
///
/// # Safety
/// `forwarder` came from fwd_create; `key` and `route` are null or point to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_mroute(
    forwarder: *mut fwd_forwarder,
    vrf: u16,
    key: *const fwd_mroute_key,
    route: *const fwd_mroute,
) -> fwd_status {
    // SAFETY: as the caller promises.
    let route = unsafe { route.as_ref() };
    let make = |key: &fwd_mroute_key| {
        Some(FwdOp::SetMroute { vrf: VrfId(vrf), key: mroute_key(key)?, mroute: mroute(route?) })
    };
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, key, make) }
}

/// Removes a multicast route of a VRF.
///
/// # Safety
/// `forwarder` came from fwd_create; `key` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_mroute(
    forwarder: *mut fwd_forwarder,
    vrf: u16,
    key: *const fwd_mroute_key,
) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, key, |key| Some(FwdOp::ClearMroute { vrf: VrfId(vrf), key: mroute_key(key)? })) }
}

/// Turns multicast routing on in a VRF; a packet without a route goes to software or is dropped.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_multicast_vrf(
    forwarder: *mut fwd_forwarder,
    vrf: u16,
    punt_no_route: bool,
) -> fwd_status {
    let op = FwdOp::SetMulticastVrf { vrf: VrfId(vrf), multicast: MulticastVrf { punt_no_route } };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Turns multicast routing off in a VRF.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_multicast_vrf(forwarder: *mut fwd_forwarder, vrf: u16) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearMulticastVrf { vrf: VrfId(vrf) })) }
}

/// Adds an interface or a tunnel to a set that packets may come from.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_rpf_member(
    forwarder: *mut fwd_forwarder,
    set: u32,
    is_tunnel: bool,
    number: u32,
) -> fwd_status {
    let op = FwdOp::SetRpfMember { set: RpfSetId(set), from: origin(is_tunnel, number) };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Removes an interface or a tunnel from a set.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_rpf_member(
    forwarder: *mut fwd_forwarder,
    set: u32,
    is_tunnel: bool,
    number: u32,
) -> fwd_status {
    let op = FwdOp::ClearRpfMember { set: RpfSetId(set), from: origin(is_tunnel, number) };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Binds a tunnel that multicast arrives by to a VRF.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_multicast_tunnel(forwarder: *mut fwd_forwarder, tunnel: u32, vrf: u16) -> fwd_status {
    let op = FwdOp::SetMulticastTunnel { tunnel: TunnelId(tunnel), vrf: VrfId(vrf) };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(op)) }
}

/// Unbinds a tunnel.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_multicast_tunnel(forwarder: *mut fwd_forwarder, tunnel: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearMulticastTunnel { tunnel: TunnelId(tunnel) })) }
}

/// Creates a replication group without legs, or gives one another owner: a virtual switch instance or a VRF, 0 for labelled packets.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_replication(
    forwarder: *mut fwd_forwarder,
    id: u32,
    is_vsi: bool,
    owner: u16,
) -> fwd_status {
    let owner = if is_vsi { VsiOrVrf::Vsi(VsiId(owner)) } else { VsiOrVrf::Vrf(VrfId(owner)) };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::SetReplication { id: ReplicationId(id), owner })) }
}

/// Removes a replication group with its legs.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_replication(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearReplication { id: ReplicationId(id) })) }
}

/// Adds a leg to a replication group, or replaces it.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_leg(
    forwarder: *mut fwd_forwarder,
    group: u32,
    leg: u16,
    to: fwd_leg,
    number: u32,
) -> fwd_status {
    let target = match to {
        fwd_leg::Interface => LegTarget::Interface(IfIndex(number)),
        fwd_leg::Nhlfe => LegTarget::Nhlfe(NhlfeId(number)),
        fwd_leg::Port => LegTarget::Port(PortId(number)),
        fwd_leg::Group => LegTarget::Group(ReplicationId(number)),
        fwd_leg::Multicast => LegTarget::Multicast(TunnelId(number)),
        fwd_leg::Arrive => LegTarget::Arrive(PortId(number)),
        fwd_leg::Context => LegTarget::Context(LabelSpaceId(number)),
        fwd_leg::Decapsulate => LegTarget::Decapsulate(TunnelId(number)),
        fwd_leg::Local => LegTarget::Local,
    };
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::SetLeg { group: ReplicationId(group), leg, target })) }
}

/// Removes a leg of a replication group.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_leg(forwarder: *mut fwd_forwarder, group: u32, leg: u16) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearLeg { group: ReplicationId(group), leg })) }
}
