//! Virtual links, the way in: the headers of an IP tunnel in front of a packet.
//!
//! An outer packet is never fragmented: IPv4's says so, and one that would be too large is not sent (RFC 4023 §5.1, RFC 4301
//! §8.2.1 for the sender's share of path MTU discovery).

use crate::net::{NhlfeId, VlinkId};
use crate::op::{Deliver, Encapsulation, Ends, Vlink, VlinkOutput};
use crate::table::vlink::Link;
use crate::wire::l2tpv3::{self, Carrier, Sublayer};
use crate::wire::udp::Udp;
use crate::wire::{EtherType, Gre, IpProtocol, Ipv4, Ipv6};

/// A virtual link that a packet leaves by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'m> {
    pub(crate) id: VlinkId,
    link: Link<'m>,
    /// Labels inside of the tunnel.
    pub(crate) labels: usize,
    /// Octets of the outer IP header and what stands between it and the payload.
    pub(crate) header_len: usize,
    /// The most octets of the outer packet before security.
    pub(crate) mtu: usize,
    /// The outer packet's.
    pub(crate) ethertype: EtherType,
    pub(crate) ttl: u8,
    /// The entry that the outer packet leaves by.
    pub(crate) next: NhlfeId,
}

/// What the outer header takes from the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    /// What the payload is.
    pub(crate) payload: EtherType,
    /// DSCP and ECN bits of the packet; of a label stack its class as class selector, and no ECN.
    pub(crate) traffic: u8,
    /// The number of the packet.
    pub(crate) number: u32,
    /// A hash of what says the flow.
    pub(crate) flow: u32,
}

impl<'m> Outgoing<'m> {
    /// The link of this number, above `labels` labels; `None` if it has no output.
    pub(crate) fn new(id: VlinkId, link: Link<'m>, labels: usize) -> Option<Self> {
        let (vlink, output) = (link.vlink()?, link.output()?);
        let overhead = output.protection.map_or(0, |p| usize::from(p.overhead));
        let mtu = usize::from(output.mtu).saturating_sub(overhead);
        let header_len = outer_len(&vlink.ends).saturating_add(inner_len(&vlink, &output));
        let ethertype = match vlink.ends {
            Ends::V4 { .. } => EtherType::IPV4,
            Ends::V6 { .. } => EtherType::IPV6,
        };
        Some(Self { id, link, labels, header_len, mtu, ethertype, ttl: output.ttl, next: output.next })
    }

    /// Whether the link carries such packets.
    pub(crate) fn carries(&self, payload: EtherType) -> bool {
        let Some(vlink) = self.link.vlink() else { return false };
        let is_ip = matches!(payload, EtherType::IPV4 | EtherType::IPV6);
        match vlink.encapsulation {
            Encapsulation::Gre | Encapsulation::GreKey(_) => true,
            Encapsulation::IpInIp => is_ip,
            Encapsulation::MplsInIp | Encapsulation::MplsInUdp => payload == EtherType::MPLS,
            Encapsulation::L2tp(_) | Encapsulation::L2tpUdp(_) => match vlink.deliver {
                Deliver::Vrf(_) => is_ip,
                Deliver::Port(_) => payload == EtherType::BRIDGED_ETHERNET,
            },
        }
    }

    /// Writes the headers into `room`, of [`Self::header_len`] octets; `len` octets follow them.
    pub(crate) fn write(&self, room: &mut [u8], len: usize, carried: &Carried) -> Option<VlinkOutput> {
        let (vlink, output) = (self.link.vlink()?, self.link.output()?);
        let dscp = output.dscp.map_or(carried.traffic >> 2, |dscp| dscp.value());
        let below = len.checked_add(inner_len(&vlink, &output))?;
        let protocol = protocol(&vlink.encapsulation, carried.payload);
        // RFC 6040 §4.1, normal mode: the congestion notification bits are copied.
        let ecn = carried.traffic & 3;
        let rest = match vlink.ends {
            Ends::V4 { local, remote } => {
                let (header, rest) = room.split_first_chunk_mut::<{ Ipv4::LEN }>()?;
                let total = u16::try_from(below.checked_add(Ipv4::LEN)?).ok()?;
                let mut outer = Ipv4::outer(local, remote, protocol, total, output.ttl, dscp);
                outer.set_ecn(ecn);
                *header = outer.0;
                rest
            }
            Ends::V6 { local, remote } => {
                let (header, rest) = room.split_first_chunk_mut::<{ Ipv6::LEN }>()?;
                let mut outer = Ipv6::outer(local, remote, protocol, u16::try_from(below).ok()?, output.ttl, dscp);
                outer.set_ecn(ecn);
                *header = outer.0;
                rest
            }
        };
        write_inner(rest, &vlink, &output, below, carried)?;
        Some(output)
    }
}

const fn outer_len(ends: &Ends) -> usize {
    match ends {
        Ends::V4 { .. } => Ipv4::LEN,
        Ends::V6 { .. } => Ipv6::LEN,
    }
}

fn gre(output: &VlinkOutput, carried: &Carried) -> Gre {
    Gre {
        protocol: carried.payload,
        checksum: None,
        key: output.key,
        sequence: output.numbered.then_some(carried.number),
    }
}

/// Octets between the outer IP header and the payload.
fn inner_len(vlink: &Vlink, output: &VlinkOutput) -> usize {
    const NOTHING: Carried = Carried { payload: EtherType::IPV4, traffic: 0, number: 0, flow: 0 };
    let (carrier, before, session) = match vlink.encapsulation {
        Encapsulation::IpInIp | Encapsulation::MplsInIp => return 0,
        Encapsulation::Gre | Encapsulation::GreKey(_) => return gre(output, &NOTHING).wire_len(),
        Encapsulation::MplsInUdp => return Udp::LEN,
        Encapsulation::L2tp(session) => (Carrier::Ip, 0, session),
        Encapsulation::L2tpUdp(session) => (Carrier::Udp, Udp::LEN, session),
    };
    let sublayer = if session.sublayer { Sublayer::LEN } else { 0 };
    let cookie = output.cookie.as_slice().len();
    l2tpv3::header_len(carrier).saturating_add(before).saturating_add(cookie).saturating_add(sublayer)
}

fn protocol(encapsulation: &Encapsulation, payload: EtherType) -> IpProtocol {
    match encapsulation {
        Encapsulation::IpInIp if payload == EtherType::IPV6 => IpProtocol::IPV6,
        Encapsulation::IpInIp => IpProtocol::IPV4,
        Encapsulation::Gre | Encapsulation::GreKey(_) => IpProtocol::GRE,
        Encapsulation::MplsInIp => IpProtocol::MPLS,
        Encapsulation::L2tp(_) => IpProtocol::L2TP,
        Encapsulation::MplsInUdp | Encapsulation::L2tpUdp(_) => IpProtocol::UDP,
    }
}

/// Writes what stands between the outer IP header and the payload; `len` counts it and the payload.
fn write_inner(room: &mut [u8], vlink: &Vlink, output: &VlinkOutput, len: usize, carried: &Carried) -> Option<()> {
    let (source, destination) = output.ports;
    // RFC 7510 §3: one flow, one source port of the dynamic range.
    let source = if source == 0 { 0xc000 | carried.flow as u16 & 0x3fff } else { source };
    let udp = Udp::new(source, destination, u16::try_from(len).ok()?).0;
    let (carrier, session, room) = match vlink.encapsulation {
        Encapsulation::IpInIp | Encapsulation::MplsInIp => return Some(()),
        Encapsulation::Gre | Encapsulation::GreKey(_) => return put(room, &gre(output, carried).emit()),
        Encapsulation::MplsInUdp => return put(room, &udp),
        Encapsulation::L2tp(session) => (Carrier::Ip, session, room),
        Encapsulation::L2tpUdp(session) => {
            put(room, &udp)?;
            (Carrier::Udp, session, room.get_mut(Udp::LEN..)?)
        }
    };
    let header = l2tpv3::emit(carrier, output.key.unwrap_or(0), &output.cookie);
    put(room, &header)?;
    if session.sublayer {
        let at = l2tpv3::header_len(carrier).saturating_add(output.cookie.as_slice().len());
        put(room.get_mut(at..)?, &Sublayer::new(output.numbered.then_some(carried.number)).0)?;
    }
    Some(())
}

/// Writes as many of `octets` as there is room for: the room was measured, headers of a fixed maximum are cut to it.
fn put(room: &mut [u8], octets: &[u8]) -> Option<()> {
    for (to, from) in room.iter_mut().zip(octets) {
        *to = *from;
    }
    Some(())
}
