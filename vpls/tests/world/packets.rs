//! Frames that customers send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::Mac;
use mvpn::gmp::{Message, Protocol as _, RecordType, ReportBuf};
use mvpn::igmp::IgmpMessage;
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPrune, JoinPruneBuf, LanPruneDelay, Message as Pim, SourceBuf,
    SourceFlags,
};
use vpls::snoop::{Protocol, build, group_mac};

/// A host's MAC address.
pub fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 9, n])
}

/// A host's address.
pub fn host(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

/// A frame of 60 octets.
pub fn frame(to: Mac, from: Mac) -> Vec<u8> {
    [&to.0[..], &from.0, &[0x88, 0xb5], &[0x55; 46]].concat()
}

/// A UDP datagram to a group.
pub fn data(from: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 48, 0, 1, 0, 0, 32, 17, 0, 0];
    ip.extend(host(from).octets());
    ip.extend(group.octets());
    let sum = fwd_core::wire::checksum::of(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    ip.extend([0; 28]);
    [&group_mac(group.into()).0[..], &mac(from).0, &[8, 0], &ip].concat()
}

pub fn igmp(from: u8, destination: Ipv4Addr, message: &IgmpMessage<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    build(mac(from), &[], Protocol::Igmp, host(from).into(), destination.into(), &octets)
}

/// An IGMPv2 report.
pub fn join(from: u8, group: Ipv4Addr) -> Vec<u8> {
    igmp(from, group, &IgmpMessage::ReportV2(group))
}

/// An IGMPv2 leave.
pub fn leave(from: u8, group: Ipv4Addr) -> Vec<u8> {
    igmp(from, Ipv4Addr::new(224, 0, 0, 2), &IgmpMessage::Leave(group))
}

/// An IGMPv3 report of records.
pub fn report(from: u8, records: &[(RecordType, Ipv4Addr, &[Ipv4Addr])]) -> Vec<u8> {
    let mut report = ReportBuf::new();
    for (kind, group, sources) in records {
        report.push(*kind, *group, sources.iter().copied());
    }
    igmp(from, Ipv4Addr::new(224, 0, 0, 22), &IgmpMessage::ReportV3(report.as_report()))
}

/// A general query of IGMPv2.
pub fn query(from: u8) -> Vec<u8> {
    let all = Ipv4Addr::new(224, 0, 0, 1);
    let mut octets = Vec::new();
    let response = mvpn::igmp::MaxRespCode(100);
    let query = mvpn::gmp::Query { group: Ipv4Addr::UNSPECIFIED, response, v3: None };
    Ipv4Addr::emit_message(&Message::Query(query), host(from), all, &mut octets);
    build(mac(from), &[], Protocol::Igmp, host(from).into(), all.into(), &octets)
}

const ALL_PIM: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

fn pim(from: u8, message: &Pim<'_>) -> Vec<u8> {
    let octets = message.to_packet(host(from).into(), ALL_PIM.into());
    build(mac(from), &[], Protocol::Pim, host(from).into(), ALL_PIM.into(), &octets)
}

/// A Hello of a router that tracks or does not.
pub fn hello(from: u8, tracking_support: bool) -> Vec<u8> {
    let delay = LanPruneDelay { tracking_support, propagation_delay: 500, override_interval: 2500 };
    let options = vec![HelloOption::Holdtime(105), HelloOption::LanPruneDelay(delay)];
    pim(from, &Pim::Hello(Hello { options }))
}

/// A Hello with other options.
pub fn hello_with(from: u8, options: Vec<HelloOption>) -> Vec<u8> {
    pim(from, &Pim::Hello(Hello { options }))
}

/// What a Join/Prune says of a group: none is (*,G).
pub struct Jp<'a> {
    pub joins: &'a [Option<Ipv4Addr>],
    pub prunes: &'a [Option<Ipv4Addr>],
}

/// A Join/Prune towards an upstream neighbour.
pub fn join_prune(from: u8, upstream: u8, group: Ipv4Addr, jp: &Jp<'_>) -> Vec<u8> {
    let rp: IpAddr = [10, 9, 9, 9].into();
    let source = |source: &Option<Ipv4Addr>| match source {
        None => SourceBuf::new(rp, SourceFlags::SPARSE | SourceFlags::WILDCARD | SourceFlags::RPT),
        Some(source) => SourceBuf::new((*source).into(), SourceFlags::SPARSE),
    };
    let mut set = GroupSetBuf::new(EncodedGroup::new(group.into()));
    set.joins = jp.joins.iter().map(source).collect();
    set.prunes = jp.prunes.iter().map(source).collect();
    let mut message = JoinPruneBuf::new(host(upstream).into(), 210);
    message.push(set);
    let mut body = Vec::new();
    message.emit(&mut body);
    pim(from, &Pim::JoinPrune(JoinPrune::parse(&body).unwrap()))
}

/// An MLDv1 report.
pub fn join6(from: u8, source: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let mut octets = Vec::new();
    Ipv6Addr::emit_message(&Message::ReportV2(group), source, group, &mut octets);
    build(mac(from), &[], Protocol::Mld, source.into(), group.into(), &octets)
}

/// A UDP datagram to an IPv6 group.
pub fn data6(from: u8, group: Ipv6Addr) -> Vec<u8> {
    let mut ip = vec![0x60, 0, 0, 0, 0, 16, 17, 32];
    ip.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, from.into()).octets());
    ip.extend(group.octets());
    ip.extend([0; 16]);
    [&group_mac(group.into()).0[..], &mac(from).0, &[0x86, 0xdd], &ip].concat()
}
