//! Label Mappings read and written by p2mp-pw and by holo-ldp's packet module, on the same octets: see `run.sh`.
#![allow(dead_code, unused_imports)] // of holo-ldp's module a part is used

mod packet;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Label};
use p2mp_pw::ldp::fec::{Fec, FecElement, PrefixFec};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, Message as OurMessage, MessageBody};
use p2mp_pw::ldp::{LdpId, Pdu as OurPdu};
use packet::messages::label::FecElem;
use packet::{DecodeCxt, Message, PacketInfo, Pdu};

fn messages(count: u32) -> Vec<OurMessage> {
    let one = |n: u32| {
        let prefix = Ipv4Prefix::from_bits(0x0a00_0000 | n << 8, 24).expect("a prefix");
        let fec = Fec::single(FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix))));
        let label = LabelTlv::Generic(Label::new(1000 + n).expect("a label"));
        OurMessage { id: n, body: MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }) }
    };
    (0..count).map(one).collect()
}

/// Every prefix and label read.
fn ours(octets: &[u8]) -> u64 {
    let pdu = OurPdu::parse(octets).expect("a PDU");
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

/// The same by holo-ldp.
fn theirs(octets: &[u8], cxt: &DecodeCxt) -> u64 {
    Pdu::get_pdu_size(octets, cxt).expect("a PDU");
    let pdu = Pdu::decode(octets, cxt).expect("a PDU");
    let mut sum = 0;
    for message in &pdu.messages {
        let Message::Label(mapping) = message else { continue };
        sum += u64::from(mapping.label.as_ref().expect("a label").0.get());
        for element in &mapping.fec.0 {
            if let FecElem::Prefix(ipnetwork::IpNetwork::V4(prefix)) = element {
                sum += u64::from(u32::from(prefix.network()));
            }
        }
    }
    sum
}

/// Nanoseconds, the least of many short samples.
fn least(mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    f();
    let once = start.elapsed().as_nanos().max(20);
    let n = (100_000 / once).clamp(1, 2000);
    let mut best = f64::MAX;
    for _ in 0..6000 {
        let start = Instant::now();
        (0..n).for_each(|_| f());
        best = best.min(start.elapsed().as_nanos() as f64 / n as f64);
    }
    best
}

fn main() {
    let pkt_info = PacketInfo { src_addr: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), multicast: None };
    let cxt =
        DecodeCxt { pkt_info, pdu_max_len: Pdu::DFLT_MAX_LEN, validate_pdu_hdr: None, validate_msg_hdr: None };
    let id = LdpId::platform([192, 0, 2, 1].into());
    for count in [1, 100].into_iter().cycle().take(6) {
        let messages = messages(count);
        let mut octets = Vec::new();
        OurPdu::emit(id, &messages, &mut octets);
        let pdu = Pdu::decode(&octets, &cxt).expect("a PDU");
        assert_eq!(ours(&octets), theirs(&octets, &cxt));
        assert_eq!(pdu.encode(Pdu::DFLT_MAX_LEN)[..], octets[..]);
        let read = (
            least(|| {
                black_box(ours(black_box(&octets)));
            }),
            least(|| {
                black_box(theirs(black_box(&octets), &cxt));
            }),
        );
        let mut out = Vec::with_capacity(octets.len());
        let write = (
            least(|| {
                out.clear();
                OurPdu::emit(id, black_box(&messages), &mut out);
                black_box(&out);
            }),
            least(|| drop(black_box(black_box(&pdu).encode(Pdu::DFLT_MAX_LEN)))),
        );
        let (r, w) = (read.1 / read.0, write.1 / write.0);
        println!("{count} mappings: read {:.0} ns, holo-ldp {:.0} ns, {r:.1} times", read.0, read.1);
        println!("{count} mappings: written {:.0} ns, holo-ldp {:.0} ns, {w:.1} times", write.0, write.1);
    }
}
