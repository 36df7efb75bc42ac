//! Decoding and encoding UPDATEs of VPN-IPv4, VPN-IPv6 and MCAST-VPN (Source Tree Joins), beside a single pass without error handling
//! (`straight`: no codec, but what safe code can reach for joins) and, with `--features peers`, beside the published codecs.
//!
//! Decoders read every field of every NLRI and attribute, with their error checks on: a digest is asserted before anything is timed.
//! Encoders start from values in their own types and leave a whole message in the caller's buffer.
#![allow(missing_docs)]

mod messages;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod straight;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn decode(c: &mut Criterion) {
    let negotiated = ours::negotiated();
    for case in messages::cases() {
        let mut group = c.benchmark_group(format!("decode/{}", case.name));
        group.throughput(Throughput::Elements(case.routes.len() as u64));
        assert_eq!(ours::decode(case.form, &case.octets, &negotiated), case.digest, "bgp-vpn {}", case.name);
        group.bench_function("bgp-vpn", |b| {
            b.iter(|| ours::decode(case.form, black_box(&case.octets), &negotiated));
        });
        if case.form == messages::Form::Join4 {
            assert_eq!(straight::decode(&case.octets), case.digest);
            group.bench_function("straight", |b| b.iter(|| straight::decode(black_box(&case.octets))));
        }
        #[cfg(feature = "peers")]
        for (name, decode) in peers::decoders(case.form) {
            assert_eq!(decode(case.form, &case.octets), case.digest, "{name} {}", case.name);
            group.bench_function(*name, |b| b.iter(|| decode(case.form, black_box(&case.octets))));
        }
        group.finish();
    }
}

fn encode(c: &mut Criterion) {
    for case in messages::cases() {
        let mut group = c.benchmark_group(format!("encode/{}", case.name));
        group.throughput(Throughput::Elements(case.routes.len() as u64));
        let (encoder, mut out) = (ours::Encoder::new(&case), Vec::new());
        encoder.encode(&mut out);
        assert_eq!(out, case.octets, "bgp-vpn {}", case.name);
        group.bench_function("bgp-vpn", |b| {
            b.iter(|| {
                encoder.encode(black_box(&mut out));
                out.len()
            });
        });
        if case.form == messages::Form::Join4 {
            straight::encode(&case, &mut out);
            assert_eq!(out, case.octets);
            group.bench_function("straight", |b| {
                b.iter(|| {
                    straight::encode(&case, black_box(&mut out));
                    out.len()
                });
            });
        }
        #[cfg(feature = "peers")]
        for (name, encoder) in peers::encoders(case.form) {
            let mut encode = encoder(&case);
            encode(&mut out);
            // Some peers order attributes otherwise or use long headers: the routes must be the same.
            assert_eq!(ours::decode(case.form, &out, &ours::negotiated()), case.digest, "{name} {}", case.name);
            group.bench_function(*name, |b| {
                b.iter(|| {
                    encode(black_box(&mut out));
                    out.len()
                });
            });
        }
        group.finish();
    }
}

/// Short samples: the ratio to a peer in the same run is what counts.
fn config() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(900))
}

criterion_group! { name = codec; config = config(); targets = decode, encode }
criterion_main!(codec);
