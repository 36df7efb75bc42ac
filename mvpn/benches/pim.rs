//! Reading and writing a Join/Prune of 10 and of 100 groups: version, checksum, every address and flag.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mvpn::pim::wire::{EncodedGroup, GroupSetBuf, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet};

fn message(groups: u8) -> (IpAddr, IpAddr, JoinPruneBuf) {
    let mut message = JoinPruneBuf::new([10, 0, 0, 2].into(), 210);
    for n in 0..groups {
        let mut group = GroupSetBuf::new(EncodedGroup::new([239, 1, 1, n].into()));
        group.joins.push(SourceBuf::new([10, 9, 9, 9].into(), SourceFlags::all()));
        group.prunes.push(SourceBuf::new([10, 1, 1, n].into(), SourceFlags::RPT));
        assert!(message.push(group));
    }
    ([10, 0, 0, 1].into(), [224, 0, 0, 13].into(), message)
}

/// Every address and flag of the message, added up.
fn digest(octets: &[u8], source: IpAddr, destination: IpAddr) -> u64 {
    let Ok(Message::JoinPrune(m)) = Message::parse(octets, source, destination) else { return 0 };
    let bits = |a: IpAddr| match a {
        IpAddr::V4(a) => u64::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits() as u64,
    };
    let mut sum = bits(m.upstream_neighbor()) + u64::from(m.holdtime());
    for set in m.groups() {
        sum += bits(set.group.addr());
        for s in set.joins().chain(set.prunes()) {
            sum += bits(s.addr()) + u64::from(s.flags().bits());
        }
    }
    sum
}

fn join_prune(c: &mut Criterion) {
    for groups in [10, 100] {
        let (source, destination, message) = message(groups);
        let emit = |m: &JoinPruneBuf| packet(MessageType::JOIN_PRUNE, 0, source, destination, |out| m.emit(out));
        let octets = emit(&message);
        assert_ne!(digest(&octets, source, destination), 0);
        let mut group = c.benchmark_group(format!("pim join/prune, {groups} groups"));
        group.throughput(Throughput::Elements(u64::from(groups)));
        group.bench_function("decode", |b| b.iter(|| digest(black_box(&octets), source, destination)));
        group.bench_function("encode", |b| b.iter(|| emit(black_box(&message))));
        group.finish();
    }
}

criterion_group!(benches, join_prune);
criterion_main!(benches);
