//! Third stage: IP packets, looked up in a VRF.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::egress::Hop;
use super::exposed::{Tunnel, class_of, dscp_for};
use super::{Below, Halt, Rewrite, Step, flow, outgoing_ttl, punt};
use crate::frame::Frame;
use crate::net::{VlinkId, VrfId};
use crate::op::RouteAction;
use crate::table::{Tables, VrfSlot};
use crate::verdict::{DropReason, PuntReason};
use crate::wire::{Ipv4, Ipv6, checksum};

/// An IP packet to be routed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed {
    /// The VRF to look it up in.
    pub(crate) vrf: VrfId,
    /// Where its header stands.
    pub(crate) offset: usize,
    /// The tunnel it came out of; none if it arrived without labels.
    pub(crate) tunnel: Option<Tunnel>,
    /// Whether it arrived in a frame to a group MAC address.
    pub(crate) group: bool,
}

/// A packet whose header is in order, to be looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub(crate) packet: Routed,
    pub(crate) destination: Destination,
    /// Octets from the header to the end of the packet.
    len: usize,
    ttl: u8,
    dscp: u8,
    dont_fragment: bool,
    /// What becomes of it if its route would have it leave this router.
    stays: Option<Halt>,
}

/// What is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Looks a packet's destination up (RFC 1812 §5.2.4).
#[inline]
pub(crate) fn look_up(tables: &Tables<'_>, checked: &Checked) -> Option<RouteAction> {
    let vrf = checked.packet.vrf;
    match checked.destination {
        Destination::V4(addr) => tables.lookup4(vrf, addr),
        Destination::V6(addr) => tables.lookup6(vrf, addr),
    }
}

/// Whether packets to the source of the IP packet at `offset` would leave by this virtual link (RFC 3704 §2.2).
pub(crate) fn is_source_by(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    (vrf, offset): (VrfId, usize),
    link: VlinkId,
) -> bool {
    let octets = frame.after(offset);
    let action = match octets.first().map(|first| first >> 4) {
        Some(4) => Ipv4::of(octets).and_then(|header| tables.lookup4(vrf, header.source())),
        _ => Ipv6::of(octets).and_then(|header| tables.lookup6(vrf, header.source())),
    };
    let Some(RouteAction::Forward(id)) = action else { return false };
    let mut hop = Hop::NONE;
    let followed = hop.follow(tables, id, (vrf, offset), || flow::of_ip(octets));
    followed.is_ok() && hop.link.is_some_and(|by| by.id == link)
}

/// Checks an IPv4 packet before its look-up (RFC 1812 §5.2.2, §5.3.7).
pub(crate) fn check4(frame: &Frame<'_>, packet: Routed) -> Step<Checked> {
    let header = checked4(frame.after(packet.offset))?;
    let (source, destination) = (header.source(), header.destination());
    let is_plain = is_ordinary(source) && is_ordinary(destination) && header.header_len() == Ipv4::LEN && !packet.group;
    Ok(Checked {
        packet,
        destination: Destination::V4(destination),
        len: header.total_len(),
        ttl: header.ttl(),
        dscp: header.dscp(),
        dont_fragment: header.dont_fragment(),
        stays: if is_plain { None } else { judge4(&header, packet)? },
    })
}

/// Whether an address is a host's that routers send to and take from: none of those that [`judge4`] looks at.
#[inline]
pub(super) const fn is_ordinary(addr: Ipv4Addr) -> bool {
    let [first, second, ..] = addr.octets();
    first.wrapping_sub(1) < 223 && first != 127 && !(first == 169 && second == 254)
}

/// What is out of the ordinary about an IPv4 packet: it goes no further, or what becomes of it if it would leave this router.
#[inline(never)]
fn judge4(header: &Ipv4<&[u8; 20]>, packet: Routed) -> Step<Option<Halt>> {
    let (source, destination) = (header.source(), header.destination());
    if destination.is_multicast() || destination.is_broadcast() {
        return Err(punt(PuntReason::Multicast, packet.vrf, packet.offset));
    }
    if packet.group {
        return Err(Halt::Drop(DropReason::LinkBroadcast));
    }
    // RFC 1812 §5.3.7.
    if source.is_multicast() || source.is_broadcast() || source.is_loopback() || is_this_network(source) {
        return Err(Halt::Drop(DropReason::MartianSource));
    }
    if destination.is_loopback() || is_this_network(destination) {
        return Err(Halt::Drop(DropReason::MartianDestination));
    }
    // RFC 3927 §7: link-local addresses are not forwarded.
    Ok(if source.is_link_local() {
        Some(Halt::Drop(DropReason::MartianSource))
    } else if destination.is_link_local() {
        Some(Halt::Drop(DropReason::MartianDestination))
    } else if header.header_len() > Ipv4::LEN {
        Some(punt(PuntReason::Ipv4Options, packet.vrf, packet.offset))
    } else {
        None
    })
}

/// Checks an IPv6 packet before its look-up (RFC 8200 §3, RFC 4291 §2.5).
pub(crate) fn check6(frame: &Frame<'_>, packet: Routed) -> Step<Checked> {
    let octets = frame.after(packet.offset);
    let header = Ipv6::of(octets).ok_or(Halt::Drop(DropReason::Truncated))?;
    if header.version() != 6 {
        return Err(Halt::Drop(DropReason::IpVersion));
    }
    let len = header.payload_len().saturating_add(Ipv6::LEN);
    if len > octets.len() {
        return Err(Halt::Drop(DropReason::Truncated));
    }
    let (source, destination) = (header.source(), header.destination());
    if destination.is_multicast() {
        return Err(punt(PuntReason::Multicast, packet.vrf, packet.offset));
    }
    if packet.group {
        return Err(Halt::Drop(DropReason::LinkBroadcast));
    }
    if destination.is_unicast_link_local() && packet.tunnel.is_none() {
        return Err(punt(PuntReason::LinkLocal, packet.vrf, packet.offset));
    }
    // RFC 4291 §2.5.2, §2.5.3, §2.7.
    if source.is_multicast() || source.is_loopback() || source.is_unspecified() {
        return Err(Halt::Drop(DropReason::MartianSource));
    }
    if destination.is_loopback() || destination == Ipv6Addr::UNSPECIFIED || destination.is_unicast_link_local() {
        return Err(Halt::Drop(DropReason::MartianDestination));
    }
    // RFC 4291 §2.5.6.
    let stays = source.is_unicast_link_local().then_some(Halt::Drop(DropReason::MartianSource));
    Ok(Checked {
        packet,
        destination: Destination::V6(destination),
        len,
        ttl: header.hop_limit(),
        dscp: header.dscp(),
        dont_fragment: true,
        stays,
    })
}

/// Does what a route says (RFC 1812 §5.3).
pub(crate) fn finish<'m>(
    tables: &Tables<'m>,
    frame: &Frame<'_>,
    checked: &Checked,
    action: Option<RouteAction>,
    hop: &mut Hop<'m>,
) -> Step<Rewrite> {
    let packet = &checked.packet;
    match action {
        None => return Err(Halt::Drop(DropReason::NoRoute)),
        Some(RouteAction::Discard) => return Err(Halt::Drop(DropReason::Discard)),
        Some(RouteAction::Local) => return Err(punt(PuntReason::Local, packet.vrf, packet.offset)),
        Some(RouteAction::Forward(id)) => {
            if let Some(halt) = checked.stays {
                return Err(halt);
            }
            hop.follow(tables, id, (packet.vrf, packet.offset), || flow::of_ip(frame.after(packet.offset)))?;
        }
    }
    let tunnel = packet.tunnel.unwrap_or(unlabelled(checked.ttl, checked.dscp));
    // What comes out of a tunnel is marked where it went in.
    let mark = tables.vrfs.get(packet.vrf).filter(|_| packet.tunnel.is_none()).and_then(VrfSlot::mark);
    let (dscp, phb) = match mark {
        Some(code) => (Some(code).filter(|code| *code != checked.dscp), class_of(code)),
        None => (dscp_for(tunnel.class, checked.dscp), tunnel.phb),
    };
    let below = match checked.destination {
        Destination::V4(_) => Below::Ipv4 { dscp, dont_fragment: checked.dont_fragment },
        Destination::V6(_) => Below::Ipv6 { dscp },
    };
    Ok(Rewrite {
        strip: packet.offset,
        end: packet.offset.saturating_add(checked.len),
        below,
        ttl: outgoing_ttl(tunnel.ttl, packet.vrf, packet.offset)?,
        phb,
        punt: (packet.vrf, packet.offset),
    })
}

/// The header of an IPv4 packet that passes the checks of RFC 1812 §5.2.2.
pub(super) fn checked4(octets: &[u8]) -> Step<Ipv4<&[u8; 20]>> {
    let header = Ipv4::of(octets).ok_or(Halt::Drop(DropReason::Truncated))?;
    if header.version() != 4 {
        return Err(Halt::Drop(DropReason::IpVersion));
    }
    if header.header_len() < Ipv4::LEN {
        return Err(Halt::Drop(DropReason::HeaderLength));
    }
    let with_options = octets.get(..header.header_len()).ok_or(Halt::Drop(DropReason::Truncated))?;
    if header.total_len() < header.header_len() {
        return Err(Halt::Drop(DropReason::TotalLength));
    }
    if header.total_len() > octets.len() {
        return Err(Halt::Drop(DropReason::Truncated));
    }
    // Most headers have no options: the length is a constant then.
    let is_right = if with_options.len() == Ipv4::LEN { header.is_right() } else { checksum::of(with_options) == 0 };
    if !is_right {
        return Err(Halt::Drop(DropReason::Checksum));
    }
    Ok(header)
}

/// 0.0.0.0/8.
pub(super) const fn is_this_network(addr: Ipv4Addr) -> bool {
    let [first, ..] = addr.octets();
    first == 0
}

/// TTL and class of a packet that arrived without labels (RFC 3443 §3.4).
pub(super) const fn unlabelled(ttl: u8, dscp: u8) -> Tunnel {
    Tunnel { ttl, class: class_of(dscp), phb: class_of(dscp) }
}
