//! Hellos made and taken: digests, keys that follow one another, numbers.

use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::*;
use sha2::{Digest as _, Sha384, Sha512};

use super::drive::{give, hellos, lsr, sha256};

const NOW: Instant = Instant::from_secs(100);
const FAR: [u8; 4] = [198, 51, 100, 2];

fn sha384(octets: &[u8]) -> [u8; 48] {
    Sha384::digest(octets).into()
}

fn sha512(octets: &[u8]) -> [u8; 64] {
    Sha512::digest(octets).into()
}

fn secret(id: u32) -> HelloKey {
    HelloKey::new(id, HelloHash::Sha256(sha256), b"secret".to_vec())
}

fn keys(keys: Vec<HelloKey>) -> Option<HelloAuthConfig> {
    Some(HelloAuthConfig::new(keys, 0x1_0000_0005))
}

/// What became of a Hello: taken, or why not.
fn outcome(lsr: &mut Discovery, now: Instant, from: IpAddr, octets: &[u8]) -> Option<Refusal> {
    const ALL: [Refusal; 8] = [
        Refusal::Malformed,
        Refusal::Ours,
        Refusal::Link,
        Refusal::Targeted,
        Refusal::Transport,
        Refusal::TooMany,
        Refusal::Unauthenticated,
        Refusal::Replayed,
    ];
    let before = lsr.counters().refused;
    give(lsr, now, from, octets);
    ALL.into_iter().find(|r| lsr.counters().refused[*r as usize] > before[*r as usize])
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

/// The octets of RFC 7349 §2.3 and §5, computed by Python's `hmac` from the text: keys below and above a digest's length, both families.
#[test]
fn digests_are_those_of_the_rfc() {
    let of = |key| hex(&hellos(&mut lsr(NOW, 2, keys(vec![key])))[0]);
    let long = HelloKey::new(8, HelloHash::Sha512(sha512), vec![b'k'; 100]);
    let short = "00010056c000020200000100004c0000000104000004000f200004010004c000020204020004000000010405002c00000007000000010\
                 0000005782be3a7d5a701463db7b833fcf7b7d169b4af02b521f81c910bee438146644c";
    assert_eq!(of(secret(7)), short);
    let digest = "c1d58f42c43c2697421f02ce899c7a93581e75ea8aa31b107cbb2a002a559b8d1a9e6ccaa6872b56cff42454702c369f7db68480a112\
                  95fec9be520013b1d85a";
    assert!(of(long).ends_with(&format!("0405004c000000080000000100000005{digest}")));

    let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, 2].into()));
    config.transport_v6 = Some("2001:db8::2".parse().unwrap());
    config.authentication = keys(vec![secret(7)]);
    let mut six = Discovery::new(NOW, config).unwrap();
    let addresses = InterfaceAddresses { v4: None, v6: Some("fe80::2".parse().unwrap()) };
    six.set_interface(NOW, IfIndex(7), Some(addresses));
    let digest = "1cbd57ce8b0438a4472de4354392c23666b0699e921cbb896e1ed45da47053bb";
    assert!(hex(&hellos(&mut six)[0]).ends_with(digest));
}

/// Shows: P2MP-SEC-1
#[test]
fn hellos_are_taken_of_who_has_the_key_and_once() {
    let mut far = lsr(NOW, 2, keys(vec![secret(7)]));
    let hello = hellos(&mut far).remove(0);
    let mut ours = lsr(NOW, 1, keys(vec![secret(7)]));
    let forged = hellos(&mut lsr(NOW, 2, None)).remove(0);
    let other_key = HelloKey::new(7, HelloHash::Sha256(sha256), b"guess".to_vec());
    let guessed = hellos(&mut lsr(NOW, 2, keys(vec![other_key]))).remove(0);
    let unknown = hellos(&mut lsr(NOW, 2, keys(vec![secret(8)]))).remove(0);
    for wrong in [&forged, &guessed, &unknown] {
        assert_eq!(outcome(&mut ours, NOW, FAR.into(), wrong), Some(Refusal::Unauthenticated));
    }
    // The source is a part of what is authenticated.
    assert_eq!(outcome(&mut ours, NOW, [198, 51, 100, 3].into(), &hello), Some(Refusal::Unauthenticated));
    assert_eq!((ours.adjacencies().count(), ours.hello_sequence(FAR.into())), (0, None));
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &hello), None);
    assert_eq!((ours.adjacencies().count(), ours.hello_sequence(FAR.into())), (1, Some(0x1_0000_0005)));
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &hello), Some(Refusal::Replayed));
    for at in 0..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= 1;
        assert!(outcome(&mut ours, NOW, FAR.into(), &changed).is_some(), "octet {at}");
    }
    // One event a second, however many come.
    let events =
        std::iter::from_fn(|| ours.poll_output()).filter(|o| matches!(o, Output::Event(_))).collect::<Vec<_>>();
    assert_eq!(events, [Output::Event(Event::Unauthenticated(FAR.into(), Refusal::Unauthenticated))]);
    // Who has no keys takes no Hello whose digest it cannot check (RFC 7349 §6.2).
    assert_eq!(outcome(&mut lsr(NOW, 1, None), NOW, FAR.into(), &hello), Some(Refusal::Unauthenticated));
}

/// RFC 7349 §6.2, §7: without the requirement others are taken until they once authenticate, and again when an operator says so.
#[test]
fn a_neighbour_that_authenticated_once_must_go_on() {
    let config = HelloAuthConfig { required: false, ..keys(vec![secret(7)]).unwrap() };
    let mut ours = lsr(NOW, 1, Some(config));
    let plain = hellos(&mut lsr(NOW, 2, None)).remove(0);
    let signed = hellos(&mut lsr(NOW, 2, keys(vec![secret(7)]))).remove(0);
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &plain), None);
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &signed), None);
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &plain), Some(Refusal::Unauthenticated));
    ours.forget_hello_sequence(FAR.into());
    assert_eq!(outcome(&mut ours, NOW, FAR.into(), &plain), None);
}

/// RFC 7349 §2.2: a second key takes over while both are accepted, and the last one stays when its time is over.
#[test]
fn keys_follow_one_another() {
    let at = |seconds: u64| NOW + Duration::from_secs(seconds);
    let mut old = secret(1);
    (old.generate.until, old.accept.until) = (Some(at(10)), Some(at(20)));
    let mut new = HelloKey::new(2, HelloHash::Sha384(sha384), b"other".to_vec());
    (new.generate.from, new.generate.until) = (at(10), Some(at(30)));
    (new.accept.from, new.accept.until) = (at(5), Some(at(40)));
    let config = || keys(vec![old.clone(), new.clone()]);
    let (mut far, mut ours) = (lsr(NOW, 2, config()), lsr(NOW, 1, config()));
    let mut last = Vec::new();
    for seconds in (0..60).step_by(5) {
        far.handle_timeout(at(seconds));
        let hello = hellos(&mut far).remove(0);
        let len = |digest: usize| 58 + digest;
        assert_eq!(hello.len(), len(if seconds < 10 { 32 } else { 48 }), "at {seconds}");
        assert_eq!(outcome(&mut ours, at(seconds), FAR.into(), &hello), None, "at {seconds}");
        last = hello;
    }
    // The old key is of no use any more, with whatever number.
    let config = HelloAuthConfig { first_sequence: u64::MAX, ..keys(vec![secret(1)]).unwrap() };
    let late = hellos(&mut lsr(NOW, 2, Some(config))).remove(0);
    assert_eq!(outcome(&mut ours, at(60), FAR.into(), &late), Some(Refusal::Unauthenticated));
    assert_eq!(outcome(&mut ours, at(60), FAR.into(), &last), Some(Refusal::Replayed));
    far.handle_timeout(at(120));
    let told = std::iter::from_fn(|| far.poll_output()).any(|o| o == Output::Event(Event::LastKeyExpired));
    assert!(told, "the operator hears that the last key is over");
}

/// RFC 7349 §2.4: after the last number nothing is sent until there are other keys.
#[test]
fn numbers_do_not_begin_again() {
    let config = HelloAuthConfig { first_sequence: u64::MAX, ..keys(vec![secret(1)]).unwrap() };
    let mut far = lsr(NOW, 2, Some(config));
    assert_eq!(hellos(&mut far).len(), 1);
    far.handle_timeout(NOW + Duration::from_secs(5));
    assert_eq!(far.poll_output(), Some(Output::Event(Event::NoKey)));
    assert_eq!(far.poll_output(), None);
}

#[test]
fn bad_keys_are_refused_by_name() {
    for bad in [vec![], vec![HelloKey::new(1, HelloHash::Sha256(sha256), vec![])], vec![secret(3), secret(3)]] {
        let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, 2].into()));
        config.authentication = keys(bad);
        let said = Discovery::new(NOW, config).unwrap_err().to_string();
        assert!(said.starts_with("authentication.keys"), "{said}");
    }
    assert!(!format!("{:?}", secret(3)).contains("115"), "keys are not printed");
}
