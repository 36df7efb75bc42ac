//! Virtual links: packets that arrive by an IP tunnel of ours are taken out of it; packets that leave by one are put in.

use core::net::IpAddr;

use super::exposed::{Tunnel, class_of};
use super::{Halt, Step, punt};
use crate::frame::Frame;
use crate::net::{LabelSpaceId, PortId, SaId, VlinkId, VrfId};
use crate::op::{Deliver, Encapsulation, Ends, Session, TunnelModel, Vlink};
use crate::table::vlink::{Selector, Vlinks, ends_of};
use crate::verdict::{DropReason, PuntReason};
use crate::wire::l2tpv3::{self, Carrier, Kind, Sublayer};
use crate::wire::udp::{Between, ZeroChecksum, checksum_holds};
use crate::wire::{EtherType, Gre, IpProtocol, Ipv4, Ipv6, Udp};

/// A packet that came out of a virtual link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// The link.
    pub(crate) id: VlinkId,
    /// What it carried, and where it begins.
    pub(crate) inner: Inner,
    /// Octets in front of the payload.
    pub(crate) offset: usize,
    /// The frame's octets up to the end of the payload.
    pub(crate) end: usize,
    /// The number of a packet whose order counts.
    pub(crate) number: Option<Number>,
}

/// The number of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Gre(u32),
    L2tp(u32),
}

/// What a virtual link carried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inner {
    /// An IP packet for this VRF, with what the tunnel says about its class, and the DSCP and ECN bits to be written into it.
    Ip { vrf: VrfId, tunnel: Tunnel, mark: Option<u8>, check_source: bool },
    /// A label stack, in this label space.
    Labels(Option<LabelSpaceId>),
    /// An Ethernet frame, for a bridge port.
    Ethernet { port: PortId, class: u8 },
}

/// The outer header of a packet to an address of ours.
struct Outer {
    ends: Ends,
    protocol: IpProtocol,
    /// DSCP and ECN bits.
    traffic: u8,
    /// Octets of the frame in front of what follows the header, and up to the packet's end.
    offset: usize,
    end: usize,
    is_fragment: bool,
}

impl Outer {
    /// Reads the header at `offset`, which was checked when the packet was routed; options are software's.
    fn read(frame: &Frame<'_>, offset: usize) -> Option<Self> {
        let octets = frame.after(offset);
        let (destination, source, protocol, traffic, header_len, len, is_fragment) = match octets.first()? >> 4 {
            4 => {
                let h = Ipv4::of(octets).filter(|h| h.header_len() == Ipv4::LEN)?;
                let is_fragment = h.more_fragments() || h.fragment_offset() != 0;
                let ends: (IpAddr, IpAddr) = (h.destination().into(), h.source().into());
                (ends.0, ends.1, h.protocol(), h.dscp() << 2 | h.ecn(), Ipv4::LEN, h.total_len(), is_fragment)
            }
            _ => {
                let h = Ipv6::of(octets)?;
                let len = h.payload_len().saturating_add(Ipv6::LEN);
                let ends: (IpAddr, IpAddr) = (h.destination().into(), h.source().into());
                (ends.0, ends.1, h.next_header(), h.dscp() << 2 | h.ecn(), Ipv6::LEN, len, false)
            }
        };
        Some(Self {
            ends: ends_of(destination, source)?,
            protocol: IpProtocol(protocol),
            traffic,
            offset: offset.saturating_add(header_len),
            end: offset.saturating_add(len),
            is_fragment,
        })
    }
}

const UNKNOWN: Halt = Halt::Drop(DropReason::NoVlink);
const HEADER: Halt = Halt::Drop(DropReason::VlinkHeader);
const PAYLOAD: Halt = Halt::Drop(DropReason::VlinkPayload);

/// Takes a packet to an address of ours out of the virtual link it came by; `Ok(None)` if it is no tunnel's: software's. `offset`
/// is where its IP header stands, `through` the security association it came through.
pub(crate) fn receive(
    links: Vlinks<'_>,
    frame: &Frame<'_>,
    offset: usize,
    through: Option<SaId>,
) -> Step<Option<Received>> {
    if links.is_empty() {
        return Ok(None);
    }
    let Some(outer) = Outer::read(frame, offset) else { return Ok(None) };
    let is_tunnel = matches!(
        outer.protocol,
        IpProtocol::IPV4 | IpProtocol::IPV6 | IpProtocol::GRE | IpProtocol::MPLS | IpProtocol::L2TP | IpProtocol::UDP
    );
    if outer.protocol == IpProtocol::ESP {
        return Err(punt(PuntReason::Esp, VrfId::GLOBAL, offset));
    }
    if !is_tunnel {
        return Ok(None);
    }
    if outer.is_fragment {
        return Err(punt(PuntReason::Fragment, VrfId::GLOBAL, offset));
    }
    let octets = frame.octets().get(outer.offset..outer.end).unwrap_or_default();
    let Some(found) = Found::read(&outer, octets)? else { return Ok(None) };
    let (id, vlink) = links.find(&Selector::new(&found.encapsulation, &outer.ends, through)).ok_or(UNKNOWN)?;
    // A session is found without the addresses.
    if vlink.ends != outer.ends {
        return Err(Halt::Drop(DropReason::VlinkAddress));
    }
    // What is protected is not taken in clear, nor through another association, nor the reverse.
    if vlink.protection != through {
        return Err(Halt::Drop(DropReason::VlinkProtection));
    }
    found.deliver(frame, &outer, id, &vlink, octets).map(Some)
}

/// The IP packet in a packet of a multicast tree that ends here (RFC 6513 §12.1.1, §12.1.2): where it begins, and what the tunnel says of its
/// class. A tree is known by its outer addresses: GRE has no key there. Copies share the frame, into which nothing is written: where a mark
/// of congestion would have to be (RFC 6040 §4.2), the packet is dropped.
#[inline(never)]
pub(crate) fn of_tree(frame: &Frame<'_>, offset: usize) -> Step<(usize, Tunnel)> {
    let (outer, found) = headers_of_tree(frame, offset)?;
    let version = match found.payload {
        Some(EtherType::IPV4) => 4,
        Some(EtherType::IPV6) => 6,
        _ => return Err(PAYLOAD),
    };
    let offset = outer.offset.saturating_add(found.len);
    match inside(frame, &outer, offset, Some(version), TunnelModel::Pipe)? {
        (tunnel, None) => Ok((offset, tunnel)),
        (_, Some(_)) => Err(Halt::Drop(DropReason::VlinkCongestion)),
    }
}

/// Where the label stack begins in a packet of a multicast tree that several VPNs share and that ends here (RFC 6513 §12.2, RFC 4023 §3,
/// RFC 7510 §3). Its top label is the root's, whatever of the two types GRE says: RFC 6513 §12.2.1 demands 0x8847 and RFC 5332 §6 0x8848.
#[inline(never)]
pub(crate) fn labels_of_tree(frame: &Frame<'_>, offset: usize) -> Step<usize> {
    match headers_of_tree(frame, offset)? {
        (outer, Found { len, payload: Some(EtherType::MPLS | EtherType::MPLS_UPSTREAM), .. }) => {
            Ok(outer.offset.saturating_add(len))
        }
        _ => Err(PAYLOAD),
    }
}

/// The headers of a tree's packet.
fn headers_of_tree(frame: &Frame<'_>, offset: usize) -> Step<(Outer, Found)> {
    let outer = Outer::read(frame, offset).filter(|outer| !outer.is_fragment).ok_or(HEADER)?;
    let octets = frame.octets().get(outer.offset..outer.end).unwrap_or_default();
    let found = match outer.protocol {
        IpProtocol::GRE | IpProtocol::IPV4 | IpProtocol::IPV6 | IpProtocol::MPLS | IpProtocol::UDP => {
            Found::read(&outer, octets)?
        }
        _ => None,
    };
    let found = found.filter(|found| {
        use Encapsulation::{Gre, IpInIp, MplsInIp, MplsInUdp};
        matches!(found.encapsulation, Gre | IpInIp | MplsInIp | MplsInUdp)
    });
    Ok((outer, found.ok_or(HEADER)?))
}

/// What a tunnel's headers say.
struct Found {
    encapsulation: Encapsulation,
    /// Octets of the tunnel's headers.
    len: usize,
    /// What the header says about the payload; none if it says nothing.
    payload: Option<EtherType>,
    number: Option<u32>,
}

impl Found {
    /// Reads the headers behind the outer one; `Ok(None)` if the packet is software's.
    fn read(outer: &Outer, octets: &[u8]) -> Step<Option<Self>> {
        let plain = |encapsulation, len, payload| Self { encapsulation, len, payload, number: None };
        Ok(Some(match outer.protocol {
            IpProtocol::IPV4 => plain(Encapsulation::IpInIp, 0, Some(EtherType::IPV4)),
            IpProtocol::IPV6 => plain(Encapsulation::IpInIp, 0, Some(EtherType::IPV6)),
            IpProtocol::MPLS => plain(Encapsulation::MplsInIp, 0, Some(EtherType::MPLS)),
            IpProtocol::GRE => {
                let (gre, len) = Gre::take(octets).map_err(|_| HEADER)?;
                if gre.checksum.is_some() && !crate::wire::gre::checksum_holds(octets) {
                    return Err(HEADER);
                }
                let encapsulation = gre.key.map_or(Encapsulation::Gre, Encapsulation::GreKey);
                Self { encapsulation, len, payload: Some(gre.protocol), number: gre.sequence }
            }
            IpProtocol::L2TP => return Self::session(Carrier::Ip, 0, octets),
            _ => return Self::datagram(outer, octets),
        }))
    }

    fn datagram(outer: &Outer, octets: &[u8]) -> Step<Option<Self>> {
        let udp = Udp::of(octets).ok_or(HEADER)?;
        let zero = match udp.destination() {
            Udp::MPLS => ZeroChecksum::Always,
            Udp::L2TP => ZeroChecksum::OverIpv4,
            _ => return Ok(None),
        };
        let datagram = octets.get(..udp.len()).filter(|_| !udp.is_empty()).ok_or(HEADER)?;
        let between = match outer.ends {
            Ends::V4 { local, remote } => Between::V4(remote, local),
            Ends::V6 { local, remote } => Between::V6(remote, local),
        };
        if !checksum_holds(between, datagram, zero) {
            return Err(HEADER);
        }
        if udp.destination() == Udp::L2TP {
            return Self::session(Carrier::Udp, Udp::LEN, datagram.get(Udp::LEN..).unwrap_or_default());
        }
        let (encapsulation, payload) = (Encapsulation::MplsInUdp, Some(EtherType::MPLS));
        Ok(Some(Self { encapsulation, len: Udp::LEN, payload, number: None }))
    }

    /// An L2TPv3 header behind `before` octets. Cookie and sublayer are read when the session is known.
    fn session(carrier: Carrier, before: usize, octets: &[u8]) -> Step<Option<Self>> {
        let (id, offset) = match l2tpv3::kind(carrier, octets).map_err(|_| HEADER)? {
            Kind::Control => return Ok(None),
            Kind::Data { session, offset } => (session, offset),
        };
        let session = Session { id, cookie: l2tpv3::Cookie::NONE, sublayer: false };
        let encapsulation = match carrier {
            Carrier::Ip => Encapsulation::L2tp(session),
            Carrier::Udp => Encapsulation::L2tpUdp(session),
        };
        Ok(Some(Self { encapsulation, len: before.saturating_add(offset), payload: None, number: None }))
    }

    /// What the link does with the packet.
    fn deliver(self, frame: &Frame<'_>, outer: &Outer, id: VlinkId, vlink: &Vlink, octets: &[u8]) -> Step<Received> {
        let Self { mut len, mut number, payload, .. } = self;
        let is_session = matches!(vlink.encapsulation, Encapsulation::L2tp(_) | Encapsulation::L2tpUdp(_));
        if let Encapsulation::L2tp(session) | Encapsulation::L2tpUdp(session) = vlink.encapsulation {
            if !session.cookie.is_in_front_of(octets.get(len..).unwrap_or_default()) {
                return Err(Halt::Drop(DropReason::VlinkCookie));
            }
            len = len.saturating_add(session.cookie.as_slice().len());
            if session.sublayer {
                let sublayer = Sublayer::of(octets.get(len..).unwrap_or_default()).ok_or(HEADER)?;
                number = sublayer.sequence();
                len = len.saturating_add(Sublayer::LEN);
            }
        }
        let takes_labels =
            vlink.mpls || matches!(vlink.encapsulation, Encapsulation::MplsInIp | Encapsulation::MplsInUdp);
        let offset = outer.offset.saturating_add(len);
        let inner = match (payload, vlink.deliver) {
            (Some(EtherType::MPLS), _) if takes_labels => Inner::Labels(vlink.label_space),
            (Some(EtherType::BRIDGED_ETHERNET) | None, Deliver::Port(port)) => {
                Inner::Ethernet { port, class: class_of(outer.traffic >> 2) }
            }
            (Some(EtherType::IPV4), Deliver::Vrf(vrf)) => ip(frame, outer, offset, Some(4), vrf, vlink)?,
            (Some(EtherType::IPV6), Deliver::Vrf(vrf)) => ip(frame, outer, offset, Some(6), vrf, vlink)?,
            (None, Deliver::Vrf(vrf)) => ip(frame, outer, offset, None, vrf, vlink)?,
            _ => return Err(PAYLOAD),
        };
        let number = number.filter(|_| vlink.ordered);
        let number = number.map(if is_session { Number::L2tp } else { Number::Gre });
        Ok(Received { id, inner, offset, end: outer.end, number })
    }
}

/// An IP packet at `offset`, of this version if the tunnel says one.
fn ip(frame: &Frame<'_>, outer: &Outer, offset: usize, version: Option<u8>, vrf: VrfId, vlink: &Vlink) -> Step<Inner> {
    let (tunnel, mark) = inside(frame, outer, offset, version, vlink.model)?;
    Ok(Inner::Ip { vrf, tunnel, mark, check_source: vlink.check_source })
}

/// What the tunnel says of the class of the IP packet at `offset`, and the DSCP and ECN bits to be written into it.
fn inside(
    frame: &Frame<'_>,
    outer: &Outer,
    offset: usize,
    version: Option<u8>,
    model: TunnelModel,
) -> Step<(Tunnel, Option<u8>)> {
    let octets = frame.octets().get(offset..outer.end).unwrap_or_default();
    let is_version = |v| octets.first().is_some_and(|first| first >> 4 == v && version.is_none_or(|said| said == v));
    let (dscp, ecn, ttl, len) = if is_version(4) {
        let h = Ipv4::of(octets).ok_or(PAYLOAD)?;
        (h.dscp(), h.ecn(), h.ttl(), h.total_len())
    } else if is_version(6) {
        let h = Ipv6::of(octets).ok_or(PAYLOAD)?;
        (h.dscp(), h.ecn(), h.hop_limit(), h.payload_len().saturating_add(Ipv6::LEN))
    } else {
        return Err(PAYLOAD);
    };
    if len > octets.len() {
        return Err(Halt::Drop(DropReason::Truncated));
    }
    let outer_dscp = outer.traffic >> 2;
    // RFC 2983 §3: in the uniform model the outer code point goes on.
    let onward = if model == TunnelModel::Uniform { outer_dscp } else { dscp };
    let mark = onward << 2 | congestion(outer.traffic & 3, ecn)?;
    let class = class_of(onward);
    let phb = if model == TunnelModel::ShortPipe { class } else { class_of(outer_dscp) };
    let tunnel = Tunnel { ttl, class, phb };
    Ok((tunnel, (mark != dscp << 2 | ecn).then_some(mark)))
}

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const CE: u8 = 3;

/// The congestion notification bits of a packet that leaves a tunnel (RFC 6040 §4.2, figure 4).
const fn congestion(outer: u8, inner: u8) -> Step<u8> {
    match (outer, inner) {
        // A sender that does not know the mark must see a loss.
        (CE, NOT_ECT) => Err(Halt::Drop(DropReason::VlinkCongestion)),
        (CE, _) => Ok(CE),
        (ECT_1, inner) if inner != NOT_ECT && inner != CE => Ok(ECT_1),
        (_, inner) => Ok(inner),
    }
}

/// Writes DSCP and ECN bits into the IP header at `offset`; returns those that were there.
pub(crate) fn remark(frame: &mut Frame<'_>, offset: usize, mark: u8) -> u8 {
    let octets = frame.octets_mut().get_mut(offset..).unwrap_or_default();
    if octets.first().is_some_and(|first| first >> 4 == 6) {
        let Some(mut h) = Ipv6::of_mut(octets) else { return mark };
        let before = h.dscp() << 2 | h.ecn();
        h.set_dscp(mark >> 2);
        h.set_ecn(mark);
        return before;
    }
    let Some(mut h) = Ipv4::of_mut(octets) else { return mark };
    let before = h.dscp() << 2 | h.ecn();
    h.set_dscp(mark >> 2);
    h.set_ecn(mark);
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6040 §4.2, figure 4, in its order: Not-ECT, ECT(0), ECT(1), CE.
    #[test]
    fn congestion_marks_leave_the_tunnel() {
        const DROP: u8 = 9;
        let columns = [0, 2, 1, 3];
        let rows = [(0, [0, 0, 0, DROP]), (2, [2, 2, 1, 3]), (1, [1, 1, 1, 3]), (3, [3, 3, 3, 3])];
        for (inner, results) in rows {
            for (outer, result) in columns.into_iter().zip(results) {
                assert_eq!(congestion(outer, inner).unwrap_or(DROP), result, "inner {inner} outer {outer}");
            }
        }
    }
}
