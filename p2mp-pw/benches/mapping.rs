//! LDP Label Mapping messages, one and a hundred in a PDU: read whole, and written.
#![allow(missing_docs)] // criterion's macros make undocumented functions

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Label};
use p2mp_pw::ldp::fec::{Fec, FecElement, PrefixFec};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, Message, MessageBody};
use p2mp_pw::ldp::{LdpId, Pdu};

fn messages(count: u32) -> Vec<Message> {
    let one = |n: u32| {
        let prefix = Ipv4Prefix::from_bits(0x0a00_0000 | n << 8, 24).expect("a prefix");
        let fec = Fec::single(FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix))));
        let label = LabelTlv::Generic(Label::new(1000 + n).expect("a label"));
        Message { id: n, body: MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }) }
    };
    (0..count).map(one).collect()
}

/// Every prefix and label read.
fn read(octets: &[u8]) -> u64 {
    let pdu = Pdu::parse(octets).expect("a PDU");
    let mut sum = 0;
    for raw in pdu.messages() {
        let MessageBody::LabelMapping(mapping) = raw.and_then(|raw| raw.parse()).expect("a message").body else {
            continue;
        };
        sum += u64::from(mapping.label.label().value());
        for element in &mapping.fec.0 {
            if let FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix))) = element {
                sum += u64::from(prefix.bits());
            }
        }
    }
    sum
}

fn bench(c: &mut Criterion) {
    let id = LdpId::platform([192, 0, 2, 1].into());
    for count in [1, 100] {
        let messages = messages(count);
        let mut octets = Vec::new();
        Pdu::emit(id, &messages, &mut octets);
        let mut group = c.benchmark_group("label mapping");
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("read {count}"), |b| b.iter(|| read(black_box(&octets))));
        let mut out = Vec::with_capacity(octets.len());
        group.bench_function(format!("write {count}"), |b| {
            b.iter(|| {
                out.clear();
                Pdu::emit(id, black_box(&messages), &mut out);
                out.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
