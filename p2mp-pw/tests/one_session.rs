//! Many labels through one session: from octets to entries and on, and what a FEC costs.

use std::time::Instant as Clock;

use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{Fec, FecElement, PrefixFec};
use p2mp_pw::ldp::lde::{Hop, Input, Lde, LdeConfig, Output, Route};
use p2mp_pw::ldp::message::{Address, LabelMapping, LabelTlv, Message, MessageBody};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{AddressFamily, LdpId, Pdu};

/// Octets of this process that are in memory; 0 where the system does not say.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn negotiated() -> Negotiated {
    Negotiated {
        keepalive: std::time::Duration::from_secs(180),
        max_pdu_length: 4096,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: Vec::new(),
        graceful_restart: None,
    }
}

fn prefix(n: u32) -> IpPrefix {
    IpPrefix::V4(Ipv4Prefix::host((0x0a00_0000 + n).into()))
}

fn mapping(n: u32) -> Message {
    let fec = Fec::single(FecElement::Prefix(PrefixFec::Ip(prefix(n))));
    let label = LabelTlv::Generic(Label::from_low_bits(16 + n % 1_000_000));
    Message { id: n + 1, body: MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }) }
}

/// `count` mappings as PDUs of the usual length, taken by label distribution that has a route for each.
fn run(count: u32) {
    let now = Instant::from_secs(1);
    let peer = LdpId::platform([192, 0, 2, 2].into());
    let labels = LabelRange { first: Label::from_low_bits(16), last: Label::MAX };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(2_000_000) };
    let groups = EcmpRange { first: EcmpId(1), last: EcmpId(1) };
    let mut config = LdeConfig::new([192, 0, 2, 1].into(), labels, nhlfes, groups);
    config.max_labels = 2_000_000;
    let mut lde = Lde::new(now, config).unwrap();
    let before = resident();
    lde.handle_input(now, Input::PeerUp { peer, negotiated: &negotiated() });
    let list = Address::new(AddressFamily::IPV4, vec![[198, 51, 100, 2].into()]).unwrap();
    lde.handle_input(now, Input::Message { peer, message: &MessageBody::Address(list).into() });
    let next = NextHop::Neighbor { iface: IfIndex(1), mac: Mac([2, 0, 0, 0, 0, 2]) };
    let hops = [Hop { gateway: [198, 51, 100, 2].into(), iface: IfIndex(1), next }];
    let clock = Clock::now();
    for n in 0..count {
        lde.handle_input(now, Input::Route { prefix: prefix(n), route: Some(Route::Via(&hops)) });
    }
    while lde.poll_output().is_some() {}
    let routes = clock.elapsed();
    let pdus: Vec<Vec<u8>> = (0..count.div_ceil(100))
        .map(|pdu| {
            let messages: Vec<Message> = (pdu * 100..count.min(pdu * 100 + 100)).map(mapping).collect();
            let mut octets = Vec::new();
            Pdu::emit(peer, &messages, &mut octets);
            octets
        })
        .collect();
    let octets: usize = pdus.iter().map(Vec::len).sum();
    let clock = Clock::now();
    let (mut ilm, mut sent) = (0, 0);
    for pdu in &pdus {
        for raw in Pdu::parse(pdu).unwrap().messages() {
            let message = raw.unwrap().parse().unwrap();
            lde.handle_input(now, Input::Message { peer, message: &message });
        }
        while let Some(output) = lde.poll_output() {
            match output {
                Output::Program(FwdOp::SetIlm { .. }) => ilm += 1,
                Output::Message { .. } => sent += 1,
                _ => {}
            }
        }
    }
    let took = clock.elapsed();
    // The PDUs are counted out: they are the test's.
    let live = resident().saturating_sub(before + octets);
    assert_eq!((ilm, sent), (count, count), "each mapping is programmed and told back");
    assert_eq!(lde.labels_of(peer), count as usize);
    let each = live / count as usize;
    assert!(each < 2000, "{each} octets for each FEC");
    println!(
        "{count} mappings, {octets} octets: {:.2} us each from PDU to entry and our own mapping; routes {:.2} us each; {each} octets for each FEC",
        took.as_secs_f64() * 1e6 / f64::from(count),
        routes.as_secs_f64() * 1e6 / f64::from(count),
    );
}

#[test]
fn twenty_thousand() {
    run(20_000);
}
