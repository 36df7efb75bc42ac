//! Reading Join/Prunes of 10 and 100 groups and IGMPv3 and MLDv2 reports of 10 and 1,000 records, each of two sources, beside a single pass
//! without error handling (`straight`) and, with `--features peers`, beside etherparse (IGMP) and smoltcp (MLD).
//!
//! Every decoder reads every type, group and source; a digest is asserted before anything is timed. Ours alone also proves the checksum.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mvpn::gmp::{RecordType, ReportBuf};
use mvpn::igmp::IgmpMessage;
use mvpn::mld::{Endpoints, MldMessage};
use mvpn::pim::wire::{EncodedGroup, GroupSetBuf, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet};

const ENDPOINTS: Endpoints = Endpoints {
    source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
    destination: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16),
};

fn fold(a: Ipv6Addr) -> u64 {
    let bits = a.to_bits();
    (bits >> 64) as u64 ^ bits as u64
}

fn igmp(records: u32) -> Vec<u8> {
    let mut report = ReportBuf::new();
    for n in 0..records {
        let sources = [0, 1].map(|k| Ipv4Addr::from_bits(0x0a00_0000 + n * 16 + k));
        report.push(RecordType(1 + (n % 6) as u8), Ipv4Addr::from_bits(0xe801_0100 + n), sources);
    }
    let mut octets = Vec::new();
    IgmpMessage::ReportV3(report.as_report()).emit(&mut octets);
    octets
}

fn mld(records: u32) -> Vec<u8> {
    let mut report = ReportBuf::new();
    let of = |first: u128, n: u32| Ipv6Addr::from_bits(first << 96 | u128::from(n));
    for n in 0..records {
        let sources = [0, 1].map(|k| of(0x2001_0db8, n * 16 + k));
        report.push(RecordType(1 + (n % 6) as u8), of(0xff3e_0000, 0x8000_0000 | n), sources);
    }
    let mut octets = Vec::new();
    MldMessage::ReportV2(report.as_report()).emit(&ENDPOINTS, &mut octets);
    octets
}

fn join_prune(groups: u8) -> (IpAddr, IpAddr, Vec<u8>) {
    let (from, to) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([224, 0, 0, 13]));
    let mut message = JoinPruneBuf::new([10, 0, 0, 2].into(), 210);
    for n in 0..groups {
        let mut group = GroupSetBuf::new(EncodedGroup::new([239, 1, 1, n].into()));
        group.joins.push(SourceBuf::new([10, 9, 9, 9].into(), SourceFlags::all()));
        group.prunes.push(SourceBuf::new([10, 1, 1, n].into(), SourceFlags::RPT));
        assert!(message.push(group));
    }
    (from, to, packet(MessageType::JOIN_PRUNE, 0, from, to, |out| message.emit(out)))
}

mod ours {
    use super::*;

    pub fn igmp(octets: &[u8]) -> u64 {
        let Ok(IgmpMessage::ReportV3(report)) = IgmpMessage::parse(octets) else { panic!() };
        let mut sum = 0_u64;
        for r in report.records.iter() {
            sum += u64::from(r.group.to_bits()) + u64::from(r.kind.0);
            r.sources.iter().for_each(|s| sum += u64::from(s.to_bits()));
        }
        sum
    }

    pub fn mld(octets: &[u8]) -> u64 {
        let Ok(MldMessage::ReportV2(report)) = MldMessage::parse(octets, &ENDPOINTS) else { panic!() };
        let mut sum = 0_u64;
        for r in report.records.iter() {
            sum = sum.wrapping_add(fold(r.group)).wrapping_add(u64::from(r.kind.0));
            r.sources.iter().for_each(|s| sum = sum.wrapping_add(fold(s)));
        }
        sum
    }

    pub fn pim((from, to, octets): &(IpAddr, IpAddr, Vec<u8>)) -> u64 {
        let Ok(Message::JoinPrune(m)) = Message::parse(octets, *from, *to) else { panic!() };
        let bits = |a: IpAddr| if let IpAddr::V4(a) = a { u64::from(a.to_bits()) } else { 0 };
        let mut sum = 0_u64;
        for set in m.groups() {
            sum += bits(set.group.addr());
            set.joins().chain(set.prunes()).for_each(|s| sum += bits(s.addr()) + u64::from(s.flags().bits()));
        }
        sum
    }
}

mod straight {
    use super::*;

    fn be16(o: &[u8]) -> usize {
        usize::from(u16::from_be_bytes([o[0], o[1]]))
    }

    fn be32(o: &[u8]) -> u64 {
        u64::from(u32::from_be_bytes([o[0], o[1], o[2], o[3]]))
    }

    fn six(o: &[u8]) -> u64 {
        fold(Ipv6Addr::from(<[u8; 16]>::try_from(o).unwrap()))
    }

    /// A report whose addresses have `len` octets.
    fn report(octets: &[u8], len: usize, of: impl Fn(&[u8]) -> u64) -> u64 {
        let (mut sum, mut rest) = (0_u64, &octets[8..]);
        for _ in 0..be16(&octets[6..]) {
            let (head, tail) = rest.split_at(4 + len);
            let (sources, tail) = tail.split_at(len * be16(&head[2..]));
            sum = sum.wrapping_add(of(&head[4..])).wrapping_add(u64::from(head[0]));
            sources.chunks_exact(len).for_each(|s| sum = sum.wrapping_add(of(s)));
            rest = &tail[4 * usize::from(head[1])..];
        }
        sum
    }

    pub fn igmp(octets: &[u8]) -> u64 {
        report(octets, 4, be32)
    }

    pub fn mld(octets: &[u8]) -> u64 {
        report(octets, 16, six)
    }

    pub fn pim((_, _, octets): &(IpAddr, IpAddr, Vec<u8>)) -> u64 {
        let (mut sum, mut rest) = (0_u64, &octets[14..]);
        for _ in 0..octets[11] {
            let (head, tail) = rest.split_at(12);
            let (sources, tail) = tail.split_at(8 * (be16(&head[8..]) + be16(&head[10..])));
            sum += be32(&head[4..]);
            sources.chunks_exact(8).for_each(|s| sum += be32(&s[4..]) + u64::from(s[2] & 7));
            rest = tail;
        }
        sum
    }
}

#[cfg(feature = "peers")]
mod peers {
    use super::*;

    pub fn igmp(octets: &[u8]) -> u64 {
        let Ok(etherparse::IgmpSlice::MembershipReportV3(report)) = etherparse::IgmpSlice::from_slice(octets) else {
            panic!()
        };
        let mut sum = 0_u64;
        for r in report.group_records() {
            let r = r.unwrap();
            sum += u64::from(u32::from_be_bytes(r.multicast_address())) + u64::from(r.record_type().0);
            r.source_addresses().for_each(|s| sum += u64::from(u32::from_be_bytes(s)));
        }
        sum
    }

    /// smoltcp leaves sources to the caller, as octets.
    pub fn mld(octets: &[u8]) -> u64 {
        use smoltcp::wire::{Icmpv6Packet, MldAddressRecord, MldRepr};
        let packet = Icmpv6Packet::new_checked(octets).unwrap();
        let MldRepr::Report { nr_mcast_addr_rcrds, data } = MldRepr::parse(&packet).unwrap() else { panic!() };
        let (mut sum, mut rest) = (0_u64, data);
        for _ in 0..nr_mcast_addr_rcrds {
            let r = MldAddressRecord::new_checked(rest).unwrap();
            sum = sum.wrapping_add(fold(r.mcast_addr())).wrapping_add(u64::from(u8::from(r.record_type())));
            let (sources, after) = r.payload().split_at(16 * usize::from(r.num_srcs()));
            for s in sources.chunks_exact(16) {
                sum = sum.wrapping_add(fold(Ipv6Addr::from(<[u8; 16]>::try_from(s).unwrap())));
            }
            rest = &after[4 * usize::from(r.aux_data_len())..];
        }
        sum
    }
}

type Decoder<T> = (&'static str, fn(&T) -> u64);

fn case<T>(c: &mut Criterion, name: &str, elements: u64, message: &T, decoders: &[Decoder<T>]) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(elements));
    let digest = decoders[0].1(message);
    for (decoder, decode) in decoders {
        assert_eq!(decode(message), digest, "{name} {decoder}");
        group.bench_function(*decoder, |b| b.iter(|| decode(black_box(message))));
    }
    group.finish();
}

fn reports(c: &mut Criterion) {
    for records in [10, 1000] {
        let of_igmp: &[Decoder<Vec<u8>>] = &[
            ("mvpn", |o| ours::igmp(o)),
            ("straight", |o| straight::igmp(o)),
            #[cfg(feature = "peers")]
            ("etherparse", |o| peers::igmp(o)),
        ];
        let of_mld: &[Decoder<Vec<u8>>] = &[
            ("mvpn", |o| ours::mld(o)),
            ("straight", |o| straight::mld(o)),
            #[cfg(feature = "peers")]
            ("smoltcp", |o| peers::mld(o)),
        ];
        case(c, &format!("IGMPv3 report, {records} records"), records.into(), &igmp(records), of_igmp);
        case(c, &format!("MLDv2 report, {records} records"), records.into(), &mld(records), of_mld);
    }
}

fn joins(c: &mut Criterion) {
    for groups in [10, 100] {
        let name = format!("PIM Join/Prune, {groups} groups");
        case(c, &name, groups.into(), &join_prune(groups), &[("mvpn", ours::pim), ("straight", straight::pim)]);
    }
}

/// Short samples: the ratio to a peer in the same run is what counts.
fn config() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

criterion_group! { name = multicast; config = config(); targets = reports, joins }
criterion_main!(multicast);
