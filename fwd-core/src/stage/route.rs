//! Third stage: IP packets, looked up in a VRF.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::egress::Hop;
use super::exposed::{Tunnel, class_of, dscp_for};
use super::{Below, Rewrite, Step, outgoing_ttl, punt};
use crate::frame::Frame;
use crate::net::VrfId;
use crate::op::RouteAction;
use crate::table::Tables;
use crate::verdict::{DropReason, PuntReason, Verdict};
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

/// Routes an IPv4 packet (RFC 1812 §5.2, §5.3).
pub(crate) fn ipv4<'m>(tables: &Tables<'m>, frame: &Frame<'_>, packet: Routed) -> Step<(Hop<'m>, Rewrite)> {
    let header = checked4(frame.after(packet.offset))?;
    let (source, destination) = (header.source(), header.destination());
    if destination.is_multicast() || destination.is_broadcast() {
        return Err(punt(PuntReason::Multicast, packet.vrf, packet.offset));
    }
    if packet.group {
        return Err(Verdict::Drop(DropReason::LinkBroadcast));
    }
    // RFC 1812 §5.3.7.
    if source.is_multicast() || source.is_broadcast() || source.is_loopback() || is_this_network(source) {
        return Err(Verdict::Drop(DropReason::MartianSource));
    }
    if destination.is_loopback() || is_this_network(destination) {
        return Err(Verdict::Drop(DropReason::MartianDestination));
    }
    let hop = follow(tables, packet, tables.lookup4(packet.vrf, destination), || {
        // RFC 3927 §7: link-local addresses are not forwarded.
        if source.is_link_local() {
            return Err(Verdict::Drop(DropReason::MartianSource));
        }
        if destination.is_link_local() {
            return Err(Verdict::Drop(DropReason::MartianDestination));
        }
        if header.header_len() > Ipv4::LEN {
            return Err(punt(PuntReason::Ipv4Options, packet.vrf, packet.offset));
        }
        Ok(())
    })?;
    let dscp = header.dscp();
    let tunnel = packet.tunnel.unwrap_or(unlabelled(header.ttl(), dscp));
    let below = Below::Ipv4 { dscp: dscp_for(tunnel.class, dscp), dont_fragment: header.dont_fragment() };
    rewrite(packet, hop, header.total_len(), tunnel, below)
}

/// Routes an IPv6 packet (RFC 8200 §3, RFC 4291 §2.5).
pub(crate) fn ipv6<'m>(tables: &Tables<'m>, frame: &Frame<'_>, packet: Routed) -> Step<(Hop<'m>, Rewrite)> {
    let octets = frame.after(packet.offset);
    let header = Ipv6::of(octets).ok_or(Verdict::Drop(DropReason::Truncated))?;
    if header.version() != 6 {
        return Err(Verdict::Drop(DropReason::IpVersion));
    }
    let len = header.payload_len().saturating_add(Ipv6::LEN);
    if len > octets.len() {
        return Err(Verdict::Drop(DropReason::Truncated));
    }
    let (source, destination) = (header.source(), header.destination());
    if destination.is_multicast() {
        return Err(punt(PuntReason::Multicast, packet.vrf, packet.offset));
    }
    if packet.group {
        return Err(Verdict::Drop(DropReason::LinkBroadcast));
    }
    if destination.is_unicast_link_local() && packet.tunnel.is_none() {
        return Err(punt(PuntReason::LinkLocal, packet.vrf, packet.offset));
    }
    // RFC 4291 §2.5.2, §2.5.3, §2.7.
    if source.is_multicast() || source.is_loopback() || source.is_unspecified() {
        return Err(Verdict::Drop(DropReason::MartianSource));
    }
    if destination.is_loopback() || destination == Ipv6Addr::UNSPECIFIED || destination.is_unicast_link_local() {
        return Err(Verdict::Drop(DropReason::MartianDestination));
    }
    let hop = follow(tables, packet, tables.lookup6(packet.vrf, destination), || {
        // RFC 4291 §2.5.6.
        if source.is_unicast_link_local() { Err(Verdict::Drop(DropReason::MartianSource)) } else { Ok(()) }
    })?;
    let dscp = header.dscp();
    let tunnel = packet.tunnel.unwrap_or(unlabelled(header.hop_limit(), dscp));
    let below = Below::Ipv6 { dscp: dscp_for(tunnel.class, dscp) };
    rewrite(packet, hop, len, tunnel, below)
}

/// The header of an IPv4 packet that passes the checks of RFC 1812 §5.2.2.
fn checked4(octets: &[u8]) -> Step<Ipv4<&[u8; 20]>> {
    let header = Ipv4::of(octets).ok_or(Verdict::Drop(DropReason::Truncated))?;
    if header.version() != 4 {
        return Err(Verdict::Drop(DropReason::IpVersion));
    }
    if header.header_len() < Ipv4::LEN {
        return Err(Verdict::Drop(DropReason::HeaderLength));
    }
    let with_options = octets.get(..header.header_len()).ok_or(Verdict::Drop(DropReason::Truncated))?;
    if header.total_len() < header.header_len() {
        return Err(Verdict::Drop(DropReason::TotalLength));
    }
    if header.total_len() > octets.len() {
        return Err(Verdict::Drop(DropReason::Truncated));
    }
    if checksum::of(with_options) != 0 {
        return Err(Verdict::Drop(DropReason::Checksum));
    }
    Ok(header)
}

/// 0.0.0.0/8.
const fn is_this_network(addr: Ipv4Addr) -> bool {
    let [first, ..] = addr.octets();
    first == 0
}

/// Does what a route says; `may_forward` has the last word on packets that are to leave.
fn follow<'m>(
    tables: &Tables<'m>,
    packet: Routed,
    action: Option<RouteAction>,
    may_forward: impl FnOnce() -> Step<()>,
) -> Step<Hop<'m>> {
    match action {
        None => Err(Verdict::Drop(DropReason::NoRoute)),
        Some(RouteAction::Discard) => Err(Verdict::Drop(DropReason::Discard)),
        Some(RouteAction::Local) => Err(punt(PuntReason::Local, packet.vrf, packet.offset)),
        Some(RouteAction::Forward(id)) => {
            may_forward()?;
            Hop::resolve(tables, id, packet.vrf, packet.offset)
        }
    }
}

/// TTL and class of a packet that arrived without labels (RFC 3443 §3.4).
const fn unlabelled(ttl: u8, dscp: u8) -> Tunnel {
    Tunnel { ttl, class: class_of(dscp), phb: class_of(dscp) }
}

fn rewrite(packet: Routed, hop: Hop<'_>, len: usize, tunnel: Tunnel, below: Below) -> Step<(Hop<'_>, Rewrite)> {
    let rewrite = Rewrite {
        strip: packet.offset,
        end: packet.offset.saturating_add(len),
        below,
        ttl: outgoing_ttl(tunnel.ttl, packet.vrf, packet.offset)?,
        phb: tunnel.phb,
        punt: (packet.vrf, packet.offset),
    };
    Ok((hop, rewrite))
}
