//! Virtual switch instances, their ports, addresses and group entries.

use fwd_core::net::{IfIndex, NhlfeId, PortId, ReplicationId, VlanId, VsiId};
use fwd_core::op::{
    Attachment, BridgePort, Class, ClassMap, FlowLabels, Flush, FwdOp, LinkLocal, Tags, Vsi, VsiGroupKey,
};

use crate::multicast::{mroute_key, some};
use crate::{apply, fwd_forwarder, fwd_mroute_key, fwd_status, mac, set};

/// What becomes of frames to the link-local group addresses 01-80-C2-00-00-00 to -0F.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_link_local {
    /// To every port.
    Flood = 0,
    /// To software.
    Punt = 1,
    /// Nowhere.
    Drop = 2,
}

/// A virtual switch instance.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_vsi {
    /// The replication group of frames to unknown addresses; FWD_NONE: nowhere.
    pub unknown: u32,
    /// That of broadcast.
    pub broadcast: u32,
    /// That of multicast without a group entry.
    pub multicast: u32,
    /// The most addresses learned in it.
    pub mac_limit: u32,
    /// Seconds after which an address not seen is forgotten; 0: never.
    pub age: u16,
    /// The most octets of frames to groups; 0: as many as interfaces take.
    pub multicast_mtu: u16,
    /// What becomes of frames to link-local groups.
    pub link_local: fwd_link_local,
    /// Whether group entries of IP multicast are consulted, and IGMP, MLD and PIM go to software.
    pub snoop: bool,
    /// Whether frames in pseudowires with a control word are numbered.
    pub sequence: bool,
    /// Whether `classes` counts; else every priority is its own class.
    pub has_classes: bool,
    /// The class of each priority of tags, 0 to 7.
    pub classes: [u8; 8],
}

/// What a bridge port is attached to.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_attachment {
    /// Frames of interface number with these tags.
    Circuit = 0,
    /// A pseudowire in raw mode, whose frames leave by entry number.
    Pseudowire = 1,
    /// A pseudowire in tagged mode, with outer_vlan on the wire.
    Tagged = 2,
}

/// The tags of a circuit.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_tags {
    /// All frames of the interface.
    Any = 0,
    /// Frames without a tag, or with a priority tag.
    Untagged = 1,
    /// Frames with customer tag outer_vlan.
    Vlan = 2,
    /// Frames with service tag outer_vlan.
    Service = 3,
    /// Frames with service tag outer_vlan above customer tag inner_vlan.
    Stacked = 4,
}

/// A port of a virtual switch instance.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_port {
    /// The instance.
    pub vsi: u16,
    /// What it is attached to.
    pub attachment: fwd_attachment,
    /// The interface, or the entry.
    pub number: u32,
    /// Of a circuit: which frames.
    pub tags: fwd_tags,
    pub outer_vlan: u16,
    pub inner_vlan: u16,
    /// Frames do not go from a port to one with the same number, but for 0.
    pub split_horizon: u8,
    /// Of a circuit: the class of frames from it, 1 to 8 for 0 to 7; 0: the priority of the tag says it.
    pub class_from_1: u8,
    /// The most addresses learned at it.
    pub mac_limit: u32,
    /// Whether addresses are learned.
    pub learn: bool,
    /// Of a pseudowire: whether frames carry the control word.
    pub control_word: bool,
    /// Of a pseudowire: whether what is sent has a flow label.
    pub flow_label_sent: bool,
    /// Of a pseudowire: whether what arrives may have one.
    pub flow_label_received: bool,
}

fn settings(v: &fwd_vsi) -> Option<Vsi> {
    let mut classes = [Class::default(); 8];
    for (to, from) in classes.iter_mut().zip(v.classes) {
        *to = Class::new(from)?;
    }
    Some(Vsi {
        unknown: some(v.unknown).map(ReplicationId),
        broadcast: some(v.broadcast).map(ReplicationId),
        multicast: some(v.multicast).map(ReplicationId),
        mac_limit: v.mac_limit,
        age: v.age,
        multicast_mtu: v.multicast_mtu,
        snoop: v.snoop,
        link_local: match v.link_local {
            fwd_link_local::Flood => LinkLocal::Flood,
            fwd_link_local::Punt => LinkLocal::Punt,
            fwd_link_local::Drop => LinkLocal::Drop,
        },
        sequence: v.sequence,
        classes: if v.has_classes { ClassMap::new(classes) } else { ClassMap::IDENTITY },
    })
}

fn port(p: &fwd_port) -> Option<BridgePort> {
    let (outer, inner) = (|| VlanId::new(p.outer_vlan), || VlanId::new(p.inner_vlan));
    let nhlfe = NhlfeId(p.number);
    let attachment = match p.attachment {
        fwd_attachment::Circuit => {
            let tags = match p.tags {
                fwd_tags::Any => Tags::Any,
                fwd_tags::Untagged => Tags::Untagged,
                fwd_tags::Vlan => Tags::Vlan(outer()?),
                fwd_tags::Service => Tags::Service(outer()?),
                fwd_tags::Stacked => Tags::Stacked { outer: outer()?, inner: inner()? },
            };
            Attachment::Circuit { iface: IfIndex(p.number), tags }
        }
        fwd_attachment::Pseudowire => Attachment::Pseudowire { nhlfe },
        fwd_attachment::Tagged => Attachment::Tagged { nhlfe, vlan: outer()? },
    };
    let class = match p.class_from_1.checked_sub(1) {
        None => None,
        Some(class) => Some(Class::new(class)?),
    };
    Some(BridgePort {
        vsi: VsiId(p.vsi),
        attachment,
        split_horizon: p.split_horizon,
        mac_limit: p.mac_limit,
        learn: p.learn,
        control_word: p.control_word,
        flow_label: FlowLabels { transmit: p.flow_label_sent, receive: p.flow_label_received },
        class,
    })
}

/// Creates a virtual switch instance or changes its settings.
///
/// # Safety
/// `forwarder` came from fwd_create; `instance` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vsi(forwarder: *mut fwd_forwarder, vsi: u16, instance: *const fwd_vsi) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, instance, |v| Some(FwdOp::SetVsi { vsi: VsiId(vsi), settings: settings(v)? })) }
}

/// Removes a virtual switch instance and its addresses.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_vsi(forwarder: *mut fwd_forwarder, vsi: u16) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearVsi { vsi: VsiId(vsi) })) }
}

/// Creates a port of an instance or changes it.
///
/// # Safety
/// `forwarder` came from fwd_create; `settings` is null or points to them.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_port(forwarder: *mut fwd_forwarder, id: u32, settings: *const fwd_port) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, settings, |p| Some(FwdOp::SetPort { id: PortId(id), port: port(p)? })) }
}

/// Removes a port and its addresses.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_port(forwarder: *mut fwd_forwarder, id: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::ClearPort { id: PortId(id) })) }
}

/// Writes a static address.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_mac(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    address: *const u8,
    port: u32,
) -> fwd_status {
    let (vsi, port) = (VsiId(vsi), PortId(port));
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, mac(address).map(|mac| FwdOp::SetMac { vsi, mac, port })) }
}

/// Removes an address, static or learned.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_mac(forwarder: *mut fwd_forwarder, vsi: u16, address: *const u8) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, mac(address).map(|mac| FwdOp::ClearMac { vsi: VsiId(vsi), mac })) }
}

/// Forgets an address, if it was learned.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_flush_mac(forwarder: *mut fwd_forwarder, vsi: u16, address: *const u8) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, mac(address).map(|mac| FwdOp::Flush { what: Flush::Mac { vsi: VsiId(vsi), mac } })) }
}

/// Forgets the addresses learned at a port.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_flush_port(forwarder: *mut fwd_forwarder, port: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::Flush { what: Flush::Port(PortId(port)) })) }
}

/// Forgets the addresses learned at all ports of an instance but one.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_flush_all_but(forwarder: *mut fwd_forwarder, vsi: u16, port: u32) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::Flush { what: Flush::AllBut { vsi: VsiId(vsi), port: PortId(port) } })) }
}

/// Forgets all addresses learned in an instance.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_flush_vsi(forwarder: *mut fwd_forwarder, vsi: u16) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, Some(FwdOp::Flush { what: Flush::Vsi(VsiId(vsi)) })) }
}

/// Writes where the IP multicast of an instance goes that matches a key; FWD_NONE: nowhere, a filter.
///
/// # Safety
/// `forwarder` came from fwd_create; `key` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vsi_group(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    key: *const fwd_mroute_key,
    replication: u32,
) -> fwd_status {
    let (vsi, replication) = (VsiId(vsi), some(replication).map(ReplicationId));
    let make =
        |key: &fwd_mroute_key| Some(FwdOp::SetVsiGroup { vsi, key: VsiGroupKey::Ip(mroute_key(key)?), replication });
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, key, make) }
}

/// Removes a group entry of an instance.
///
/// # Safety
/// `forwarder` came from fwd_create; `key` is null or points to one.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_vsi_group(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    key: *const fwd_mroute_key,
) -> fwd_status {
    let vsi = VsiId(vsi);
    let make = |key: &fwd_mroute_key| Some(FwdOp::ClearVsiGroup { vsi, key: VsiGroupKey::Ip(mroute_key(key)?) });
    // SAFETY: as the caller promises.
    unsafe { set(forwarder, key, make) }
}

/// As fwd_set_vsi_group, of frames to a group address.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vsi_mac_group(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    address: *const u8,
    replication: u32,
) -> fwd_status {
    let (vsi, replication) = (VsiId(vsi), some(replication).map(ReplicationId));
    // SAFETY: as the caller promises.
    unsafe {
        apply(forwarder, mac(address).map(VsiGroupKey::Mac).map(|key| FwdOp::SetVsiGroup { vsi, key, replication }))
    }
}

/// Removes a group entry of frames to a group address.
///
/// # Safety
/// `forwarder` came from fwd_create; `address` is null or points to six octets.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_vsi_mac_group(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    address: *const u8,
) -> fwd_status {
    let vsi = VsiId(vsi);
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, mac(address).map(VsiGroupKey::Mac).map(|key| FwdOp::ClearVsiGroup { vsi, key })) }
}

/// Makes a customer's VLAN of an instance a broadcast domain of its own, for which another instance stands.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_set_vlan_domain(
    forwarder: *mut fwd_forwarder,
    vsi: u16,
    vlan: u16,
    domain: u16,
) -> fwd_status {
    let (vsi, domain) = (VsiId(vsi), VsiId(domain));
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, VlanId::new(vlan).map(|vlan| FwdOp::SetVlanDomain { vsi, vlan, domain })) }
}

/// Returns a customer's VLAN to its instance's own domain.
///
/// # Safety
/// `forwarder` came from fwd_create.
#[no_mangle]
pub unsafe extern "C" fn fwd_clear_vlan_domain(forwarder: *mut fwd_forwarder, vsi: u16, vlan: u16) -> fwd_status {
    // SAFETY: as the caller promises.
    unsafe { apply(forwarder, VlanId::new(vlan).map(|vlan| FwdOp::ClearVlanDomain { vsi: VsiId(vsi), vlan })) }
}
