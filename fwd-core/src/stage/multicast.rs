//! IP multicast of a VRF: route, RPF check, replication group.

use core::net::IpAddr;

use super::exposed::{Tunnel, class_of, dscp_for};
use super::police::{self, State};
use super::replicate::{Packet, Replication};
use super::route::{checked4, is_this_network, unlabelled};
use super::{Below, Halt, Rewrite, Step, punt};
use crate::frame::Frame;
use crate::net::{Mac, VrfId};
use crate::op::{Mroute, Origin, Rpf, VsiOrVrf};
use crate::table::mroute::{MulticastVrfSlot, unpack};
use crate::table::{Tables, VrfSlot};
use crate::verdict::{DropReason, PuntReason};
use crate::wire::Ipv6;

/// A multicast packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The VRF it is of.
    pub(crate) vrf: VrfId,
    /// Where its header stands.
    pub(crate) offset: usize,
    /// The tunnel it came out of; none if it arrived without labels.
    pub(crate) tunnel: Option<Tunnel>,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// What is of interest in its header.
struct Header {
    source: IpAddr,
    group: IpAddr,
    ttl: u8,
    dscp: u8,
    /// Octets of the packet.
    len: usize,
    below: fn(Option<u8>) -> Below,
}

/// Forwards an IP multicast packet (RFC 7761 §4.2, RFC 6513 §9.1), or says that it is software's.
pub(crate) fn process(tables: &Tables<'_>, state: &mut State<'_>, frame: &Frame<'_>, at: Arrival) -> Step<Replication> {
    let multicast = tables.multicast;
    let to_software = punt(PuntReason::Multicast, at.vrf, at.offset);
    let slot = multicast.vrf(at.vrf).ok_or(to_software)?;
    let punts = slot.punts().ok_or(to_software)?;
    let header = match frame.after(at.offset).first().map(|first| first >> 4) {
        Some(6) => header6(frame, &at),
        _ => header4(frame, &at),
    };
    // Protocols of the link, PIM and group management among them, are software's too.
    let header = header.map_err(|halt| match halt {
        Halt::Punt { .. } if !police::punt(tables, state, slot, frame.after(at.offset).len()) => {
            Halt::Drop(DropReason::Policed)
        }
        halt => halt,
    })?;
    let mut software = |reason| match police::punt(tables, state, slot, header.len) {
        true => punt(reason, at.vrf, at.offset),
        false => Halt::Drop(DropReason::Policed),
    };
    let mroute = match route(tables, &at, slot, &header) {
        Some(mroute) => mroute,
        None if punts => return Err(software(PuntReason::NoMroute)),
        None => return Err(Halt::Drop(DropReason::NoMroute)),
    };
    if mroute.spt.is_some_and(|iface| at.origin == Origin::Interface(iface)) {
        return Err(software(PuntReason::SptArrival));
    }
    if !is_expected(tables, &mroute, at.origin) {
        return Err(match mroute.punt_wrong_interface {
            true => software(PuntReason::WrongInterface),
            false => Halt::Drop(DropReason::RpfFailed),
        });
    }
    let register = mroute.register && matches!(software(PuntReason::Register), Halt::Punt { .. });
    police::multicast(tables, state, slot, header.len)?;
    let found = mroute.replication.and_then(|id| Some((id, multicast.groups.get(id)?)));
    let Some((group, (owner, _))) = found else {
        // Only the RP wants it.
        return match register {
            true => Err(punt(PuntReason::Register, at.vrf, at.offset)),
            false => Err(Halt::Drop(DropReason::NoReceivers)),
        };
    };
    if owner != VsiOrVrf::Vrf(at.vrf) {
        return Err(Halt::Drop(DropReason::ForeignGroup));
    }
    let of_group = police::group(tables, state, group, header.len).map_err(Halt::Drop)?;
    // What comes out of a tunnel is marked where it went in.
    let of_vrf = || tables.vrfs.get(at.vrf).filter(|_| at.tunnel.is_none()).and_then(VrfSlot::mark);
    let stays_out = match (mroute.rpf, at.origin) {
        (Rpf::Bidirectional(_), Origin::Tunnel(_)) => true,
        (Rpf::Merging { own, .. }, origin) => origin == Origin::Tunnel(own),
        _ => false,
    };
    let packet = rewrite(&at, &header, of_group.or_else(of_vrf), stays_out)?;
    if let Some(counters) = state.group(group) {
        counters.count_in(header.len);
    }
    Ok(Replication::new(group, owner, packet, register))
}

/// TTL and class of the copies, and whether they stay out of tunnels.
fn rewrite(at: &Arrival, header: &Header, mark: Option<u8>, stays_out: bool) -> Step<Packet> {
    let tunnel = at.tunnel.unwrap_or(unlabelled(header.ttl, header.dscp));
    let (dscp, phb) = match mark {
        Some(code) => (Some(code).filter(|code| *code != header.dscp), class_of(code)),
        None => (dscp_for(tunnel.class, header.dscp), tunnel.phb),
    };
    let ttl = tunnel.ttl.saturating_sub(1);
    if ttl == 0 {
        return Err(Halt::Drop(DropReason::MulticastTtl));
    }
    let rewrite = Rewrite {
        strip: at.offset,
        end: at.offset.saturating_add(header.len),
        below: (header.below)(dscp),
        ttl,
        phb,
        punt: (at.vrf, at.offset),
    };
    Ok(Packet::Routed { rewrite, origin: at.origin, mac: group_mac(header.group), stays_out })
}

/// Checks an IPv4 header as unicast's is (RFC 1812 §5.2.2, §5.3.7); 224.0.0.0/24 is never forwarded (RFC 5771 §4).
fn header4(frame: &Frame<'_>, at: &Arrival) -> Step<Header> {
    let header = checked4(frame.after(at.offset))?;
    let (source, group) = (header.source(), header.destination());
    let [a, b, c, _] = group.octets();
    if !group.is_multicast() || [a, b, c] == [224, 0, 0] {
        return Err(punt(PuntReason::Multicast, at.vrf, at.offset));
    }
    let is_martian = source.is_multicast() || source.is_broadcast() || source.is_loopback();
    if is_martian || is_this_network(source) || source.is_link_local() {
        return Err(Halt::Drop(DropReason::MartianSource));
    }
    if header.header_len() > crate::wire::Ipv4::LEN {
        return Err(punt(PuntReason::Ipv4Options, at.vrf, at.offset));
    }
    let dont_fragment = header.dont_fragment();
    Ok(Header {
        source: source.into(),
        group: group.into(),
        ttl: header.ttl(),
        dscp: header.dscp(),
        len: header.total_len(),
        below: match dont_fragment {
            true => |dscp| Below::Ipv4 { dscp, dont_fragment: true },
            false => |dscp| Below::Ipv4 { dscp, dont_fragment: false },
        },
    })
}

/// Checks an IPv6 header; what has no more than link-local scope is not forwarded, reserved scopes are dropped (RFC 4291 §2.7).
fn header6(frame: &Frame<'_>, at: &Arrival) -> Step<Header> {
    let octets = frame.after(at.offset);
    let header = Ipv6::of(octets).ok_or(Halt::Drop(DropReason::Truncated))?;
    let len = header.payload_len().saturating_add(Ipv6::LEN);
    if len > octets.len() {
        return Err(Halt::Drop(DropReason::Truncated));
    }
    let (source, group) = (header.source(), header.destination());
    if !group.is_multicast() {
        return Err(punt(PuntReason::Multicast, at.vrf, at.offset));
    }
    let [_, second, ..] = group.octets();
    match second & 0xf {
        0 | 1 | 0xf => return Err(Halt::Drop(DropReason::MartianDestination)),
        2 => return Err(punt(PuntReason::Multicast, at.vrf, at.offset)),
        _ => {}
    }
    if source.is_multicast() || source.is_loopback() || source.is_unspecified() || source.is_unicast_link_local() {
        return Err(Halt::Drop(DropReason::MartianSource));
    }
    Ok(Header {
        source: source.into(),
        group: group.into(),
        ttl: header.hop_limit(),
        dscp: header.dscp(),
        len,
        below: |dscp| Below::Ipv6 { dscp },
    })
}

fn route(tables: &Tables<'_>, at: &Arrival, slot: &MulticastVrfSlot, header: &Header) -> Option<Mroute> {
    let (routes, owner) = (tables.multicast.routes, VsiOrVrf::Vrf(at.vrf));
    let value = match (header.source, header.group) {
        (IpAddr::V4(source), IpAddr::V4(group)) => routes.lookup4(owner, slot.lengths(), source, group),
        (IpAddr::V6(source), IpAddr::V6(group)) => routes.lookup6(owner, slot.lengths(), source, group),
        _ => None,
    };
    value.map(unpack)
}

/// The RPF check.
fn is_expected(tables: &Tables<'_>, mroute: &Mroute, origin: Origin) -> bool {
    match mroute.rpf {
        Rpf::Any => true,
        Rpf::Nowhere => false,
        Rpf::From(expected) => expected == origin,
        Rpf::AnyOf(set) | Rpf::Bidirectional(set) | Rpf::Merging { set, .. } => {
            tables.multicast.routes.is_member(set, origin)
        }
    }
}

/// The MAC address of a group (RFC 1112 §6.4, RFC 2464 §7).
pub(super) const fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_mac_addresses_of_the_rfcs() {
        let mac = |group: &str| group_mac(group.parse().unwrap()).0;
        assert_eq!(mac("225.1.1.1"), [1, 0, 0x5e, 1, 1, 1]);
        assert_eq!(mac("239.129.1.1"), mac("225.1.1.1"));
        assert_eq!(mac("ff3e::8000:1234"), [0x33, 0x33, 0x80, 0, 0x12, 0x34]);
    }
}
