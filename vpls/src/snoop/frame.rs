//! Control frames of customers: what they are, which checks they fail, and how ours are built.
//!
//! | Check | Dropped when |
//! |---|---|
//! | M1 | the source MAC is a group's or zero (the forwarding plane does that) |
//! | M4 | the destination MAC does not belong to the IP group |
//! | I1 | checksum, version or length of the IPv4 header is wrong |
//! | I2 | the source is a group, broadcast or loopback; unspecified, and the message may not be |
//! | I3 | an IPv6 group of scope 0 or F |
//! | I5 | TTL or hop limit is not 1; the source of MLD is not link-local |
//! | I6 | it is a fragment |
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::Mac;
use fwd_core::wire::{EtherType, Ethernet, IpProtocol, Ipv4, Ipv6, Vlan};

/// Which protocol a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IGMP.
    Igmp,
    /// MLD.
    Mld,
    /// PIM.
    Pim,
}

/// Why a control frame is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends inside a header, or before the end that one states.
    Truncated,
    /// Not IP, or IP of something else.
    NotControl,
    /// M4.
    GroupMac,
    /// I1.
    Header,
    /// I2, or the source of MLD is not link-local.
    Source,
    /// I3, or a destination that is no group.
    Group,
    /// I5.
    HopLimit,
    /// I6.
    Fragment,
    /// The message is malformed or its checksum wrong.
    Message,
}

/// A message of a customer's control protocol in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snooped<'a> {
    /// Source MAC address.
    pub mac: Mac,
    /// The tags below the service-delimiting ones, as octets.
    pub tags: &'a [u8],
    /// Which protocol.
    pub protocol: Protocol,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// The message.
    pub message: &'a [u8],
}

/// A control frame and what its message is.
pub type Control<'a> = Snooped<'a>;

/// The MAC address of a group (RFC 1112 §6.4, RFC 2464 §7).
#[must_use]
pub const fn group_mac(group: IpAddr) -> Mac {
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

impl<'a> Snooped<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// A check that it fails.
    pub fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        let ethernet = Ethernet::of(frame).ok_or(Fault::Truncated)?;
        let (mac, to) = (ethernet.source(), ethernet.destination());
        let (mut ethertype, mut rest) = (ethernet.ethertype(), frame.get(Ethernet::LEN..).unwrap_or_default());
        for _ in 0..2 {
            if ethertype != EtherType::C_VLAN && ethertype != EtherType::S_VLAN {
                break;
            }
            ethertype = Vlan::of(rest).ok_or(Fault::Truncated)?.ethertype();
            rest = rest.get(Vlan::LEN..).unwrap_or_default();
        }
        // From the first tag's type to before the ethertype below the last.
        let tags = frame.get(12..frame.len().saturating_sub(rest.len()).saturating_sub(2)).unwrap_or_default();
        let (protocol, source, destination, message) = match ethertype {
            EtherType::IPV4 => v4(rest)?,
            EtherType::IPV6 => v6(rest)?,
            _ => return Err(Fault::NotControl),
        };
        if group_mac(destination) != to {
            return Err(Fault::GroupMac);
        }
        Ok(Self { mac, tags, protocol, source, destination, message })
    }
}

type Read<'a> = (Protocol, IpAddr, IpAddr, &'a [u8]);

fn v4(packet: &[u8]) -> Result<Read<'_>, Fault> {
    let header = Ipv4::of(packet).ok_or(Fault::Truncated)?;
    let (len, total) = (header.header_len(), header.total_len());
    if header.version() != 4 || len < IPV4_LEN || total < len {
        return Err(Fault::Header);
    }
    let octets = packet.get(..len).ok_or(Fault::Truncated)?;
    if fwd_core::wire::checksum::of(octets) != 0 {
        return Err(Fault::Header);
    }
    if header.more_fragments() || header.fragment_offset() != 0 {
        return Err(Fault::Fragment);
    }
    let message = packet.get(len..total).ok_or(Fault::Truncated)?;
    let (source, group) = (header.source(), header.destination());
    if !group.is_multicast() {
        return Err(Fault::Group);
    }
    let protocol = match IpProtocol(header.protocol()) {
        IpProtocol::IGMP => Protocol::Igmp,
        IpProtocol::PIM => Protocol::Pim,
        _ => return Err(Fault::NotControl),
    };
    // RFC 4541 §2.1.1: 0.0.0.0 is the source of hosts without an address and of queries of switches.
    let is_martian = source.is_multicast() || source.is_broadcast() || source.is_loopback();
    if is_martian || (source.is_unspecified() && protocol == Protocol::Pim) {
        return Err(Fault::Source);
    }
    if header.ttl() != 1 {
        return Err(Fault::HopLimit);
    }
    Ok((protocol, source.into(), group.into(), message))
}

fn v6(packet: &[u8]) -> Result<Read<'_>, Fault> {
    let header = Ipv6::of(packet).ok_or(Fault::Truncated)?;
    if header.version() != 6 {
        return Err(Fault::Header);
    }
    let end = IPV6_LEN.saturating_add(header.payload_len());
    let payload = packet.get(IPV6_LEN..end).ok_or(Fault::Truncated)?;
    let (source, group) = (header.source(), header.destination());
    let [first, second, ..] = group.octets();
    if first != 0xff || matches!(second & 0xf, 0 | 0xf) {
        return Err(Fault::Group);
    }
    let (next, message) = match (IpProtocol(header.next_header()), payload) {
        (IpProtocol(0), [next, len, ..]) => {
            let len = usize::from(*len).saturating_add(1).saturating_mul(8);
            (IpProtocol(*next), payload.get(len..).ok_or(Fault::Truncated)?)
        }
        (next, payload) => (next, payload),
    };
    let protocol = match (next, message) {
        (IpProtocol(44), _) => return Err(Fault::Fragment),
        (IpProtocol::ICMPV6, [130 | 131 | 132 | 143, ..]) => Protocol::Mld,
        (IpProtocol::PIM, _) => Protocol::Pim,
        _ => return Err(Fault::NotControl),
    };
    // RFC 3810 §5.2.13: the source of reports may be unspecified.
    let is_local = source.is_unicast_link_local();
    let may_be_none = protocol == Protocol::Mld && !matches!(message, [130, ..]);
    if !(is_local || source.is_unspecified() && may_be_none) {
        return Err(Fault::Source);
    }
    if header.hop_limit() != 1 {
        return Err(Fault::HopLimit);
    }
    Ok((protocol, source.into(), group.into(), message))
}

const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
/// Precedence Internetwork Control (RFC 3376 §4).
const TOS: u8 = 0xc0;

/// Builds a frame of a message of ours, with TTL or hop limit 1 and, of IGMP and MLD, the Router Alert option.
#[must_use]
pub fn build(
    mac: Mac,
    tags: &[u8],
    protocol: Protocol,
    source: IpAddr,
    destination: IpAddr,
    message: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len().saturating_add(80));
    frame.extend(group_mac(destination).0);
    frame.extend(mac.0);
    frame.extend(tags);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0x00]);
            frame.extend(header4(protocol, source, destination, message.len()));
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd]);
            header6(&mut frame, protocol, source, destination, message.len());
        }
        _ => return Vec::new(),
    }
    frame.extend(message);
    frame
}

fn header4(protocol: Protocol, source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
    let alert: &[u8] = if protocol == Protocol::Pim { &[] } else { &[0x94, 4, 0, 0] };
    let words = if alert.is_empty() { 5 } else { 6 };
    let number = if protocol == Protocol::Pim { IpProtocol::PIM } else { IpProtocol::IGMP };
    let total = u16::try_from(len.saturating_add(if alert.is_empty() { 20 } else { 24 })).unwrap_or(u16::MAX);
    let [t0, t1] = total.to_be_bytes();
    let version = 0x40 | u8::try_from(words).unwrap_or(5);
    let mut header = alloc::vec![version, TOS, t0, t1, 0, 0, 0, 0, 1, number.0, 0, 0];
    header.extend(source.octets());
    header.extend(destination.octets());
    header.extend(alert);
    let sum = fwd_core::wire::checksum::of(&header).to_be_bytes();
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    header
}

fn header6(frame: &mut Vec<u8>, protocol: Protocol, source: Ipv6Addr, destination: Ipv6Addr, len: usize) {
    // Hop-by-hop with the Router Alert option of MLD (RFC 2710 §3, RFC 2711 §2.1).
    let alert: &[u8] = if protocol == Protocol::Pim { &[] } else { &[IpProtocol::ICMPV6.0, 0, 5, 2, 0, 0, 1, 0] };
    let next = if protocol == Protocol::Pim { IpProtocol::PIM.0 } else { 0 };
    let total = u16::try_from(len.saturating_add(alert.len())).unwrap_or(u16::MAX);
    let [t0, t1] = total.to_be_bytes();
    frame.extend([0x60, 0, 0, 0, t0, t1, next, 1]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(alert);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn igmp() -> Vec<u8> {
        let group = [225, 1, 1, 1];
        build(HOST, &[], Protocol::Igmp, [10, 0, 0, 1].into(), group.into(), &[0x16, 0, 8, 0xfd, 225, 1, 1, 1])
    }

    fn mld(source: &str) -> Vec<u8> {
        let mut message = alloc::vec![131, 0, 0, 0, 0, 0, 0, 0];
        message.extend("ff3e::1".parse::<Ipv6Addr>().unwrap().octets());
        build(HOST, &[], Protocol::Mld, source.parse().unwrap(), "ff3e::1".parse().unwrap(), &message)
    }

    #[test]
    fn what_is_built_is_read() {
        let frame = igmp();
        let snooped = Snooped::parse(&frame).unwrap();
        assert_eq!((snooped.mac, snooped.protocol, snooped.tags), (HOST, Protocol::Igmp, &[][..]));
        assert_eq!((snooped.source, snooped.message.len()), (IpAddr::from([10, 0, 0, 1]), 8));
        let frame = mld("fe80::1");
        assert_eq!(Snooped::parse(&frame).unwrap().protocol, Protocol::Mld);
        let tags = [0x81, 0, 0, 100];
        let all = IpAddr::from([224, 0, 0, 13]);
        let frame = build(HOST, &tags, Protocol::Pim, [10, 0, 0, 1].into(), all, &[0x20, 0, 0, 0]);
        let snooped = Snooped::parse(&frame).unwrap();
        assert_eq!((snooped.tags, snooped.protocol, snooped.destination), (&tags[..], Protocol::Pim, all));
    }

    /// One vector for each check.
    ///
    /// Shows: VPLS-SEC-4
    #[test]
    fn each_check_is_made() {
        let with = |at: usize, value: u8, fix: bool| {
            let mut frame = igmp();
            frame[14 + at] = value;
            if fix {
                frame[24..26].fill(0);
                let sum = fwd_core::wire::checksum::of(&frame[14..38]).to_be_bytes();
                frame[24..26].copy_from_slice(&sum);
            }
            Snooped::parse(&frame).map(|_| ())
        };
        assert_eq!(with(0, 0x56, true), Err(Fault::Header));
        assert_eq!(with(10, 1, false), Err(Fault::Header), "I1: checksum");
        assert_eq!(with(3, 90, true), Err(Fault::Truncated), "I1: total length");
        assert_eq!(with(12, 225, true), Err(Fault::Source), "I2: a group");
        assert_eq!(with(12, 127, true), Err(Fault::Source), "I2: loopback");
        assert_eq!(with(8, 2, true), Err(Fault::HopLimit), "I5");
        assert_eq!(with(6, 0x20, true), Err(Fault::Fragment), "I6");
        assert_eq!(with(16, 10, true), Err(Fault::Group));
        assert_eq!(with(19, 2, true), Err(Fault::GroupMac), "M4");
        assert_eq!(with(9, 17, true), Err(Fault::NotControl));
        let six = |change: fn(&mut Vec<u8>)| {
            let mut frame = mld("fe80::1");
            change(&mut frame);
            Snooped::parse(&frame).map(|_| ())
        };
        assert_eq!(six(|_| {}), Ok(()));
        assert_eq!(six(|f| f[14 + 7] = 2), Err(Fault::HopLimit));
        assert_eq!(six(|f| f[14 + 8] = 0x20), Err(Fault::Source));
        assert_eq!(six(|f| f[14 + 25] = 0x3f), Err(Fault::Group), "I3");
        assert_eq!(Snooped::parse(&mld("::")).map(|_| ()), Ok(()), "reports may have no source");
        for len in 0..igmp().len() {
            assert!(Snooped::parse(&igmp()[..len]).is_err());
        }
    }
}
