//! Who must authenticate, numbers of keys, ICMP.

use fwd_core::secret::Secret;
use std::ops::RangeInclusive;

use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::crypto::{CryptoError, CryptoProvider};
use fwd_core::tcp_ao::{Algorithm, ConfigError, Dropped, Keys, Mkt, Peers, SignError, SocketPair, Unmatched};

use super::ao_pair::*;

type Change<'a> = &'a dyn Fn(&mut Mkt);

/// RFC 5925 §3.1: numbers are told apart where connections are not.
#[test]
fn numbers_of_one_connections_keys_differ() {
    let mut table = keys(pair(), &[1, 2]);
    let with = |change: &dyn Fn(&mut Mkt)| {
        let mut mkt = mkt(pair(), 3);
        change(&mut mkt);
        mkt
    };
    let overlap = |field, id| Err(ConfigError::Overlap { field, id });
    assert_eq!(table.add(with(&|m| m.send_id = 2)), overlap("send_id", 2));
    assert_eq!(table.add(with(&|m| m.recv_id = 101)), overlap("recv_id", 101));
    // A wider tuple overlaps too; one of other ports or addresses does not.
    let wide = with(&|m| (m.peers.remote, m.send_id) = ("192.0.2.0/24".parse().unwrap(), 1));
    assert_eq!(table.add(wide), overlap("send_id", 1));
    let mut split = Keys::new();
    for ports in [0..=9, 10..=20] {
        split.add(with(&|m| m.peers.remote_ports = ports.clone())).unwrap();
    }
    assert_eq!(split.add(with(&|m| m.peers.remote_ports = 20..=30)), overlap("send_id", 3));
    assert_eq!(table.add(with(&|m| (m.peers.remote, m.send_id) = ("192.0.2.3/32".parse().unwrap(), 1))), Ok(()));
    // Values that cannot be, by name.
    let wrong: [(Change<'_>, &str); 4] = [
        (&|m| m.key = Secret::default(), "key: 0 is not 1 to 80 octets"),
        (&|m| m.key = Secret::zeros(81), "key: 81 is not 1 to 80 octets"),
        (&|m| m.peers.remote = "fd00::/64".parse().unwrap(), "remote: 0 is not of the local addresses' family"),
        (&|m| m.peers.local_ports = RangeInclusive::new(2, 1), "local_ports: 2 is not the first of a range of ports"),
    ];
    for (change, said) in wrong {
        assert_eq!(table.add(with(change)).unwrap_err().to_string(), said);
    }
    assert_eq!(table.remove(&mkt(pair(), 1).peers, 7), Err(ConfigError::Unknown { field: "recv_id", id: 7 }));
    table.remove(&mkt(pair(), 1).peers, 101).unwrap();
    assert_eq!(table.of(&pair()).count(), 1);
    assert!(!format!("{:?}", mkt(pair(), 3)).contains("3, 3"), "keys are not printed");
}

/// RFC 5925 §7.3, §7.5: who has a key is not taken without it, and others are as ever.
#[test]
fn a_connection_begins_with_a_key_or_not_at_all() {
    let (here, there) = (pair(), turned(pair()));
    let mut theirs = keys(there, &[1, 2]);
    let mut accept = |octets: &[u8]| theirs.accept(there, 20, octets, &RustCrypto).map(|c| c.is_some());
    let plain = segment(here.local, here.remote, 10, SYN, &[2, 4, 5, 0xb4], b"");
    assert_eq!(accept(&plain), Err(Dropped::Missing));
    let other = signed(&mut keys(here, &[3]).open(here, 10).unwrap(), here, 10, SYN, b"");
    assert_eq!(accept(&other), Err(Dropped::UnknownKey));
    let mut guess = mkt(here, 1);
    guess.key = Secret::copy(b"guess");
    let mut guessed = Keys::new();
    guessed.add(guess).unwrap();
    let guess = signed(&mut guessed.open(here, 10).unwrap(), here, 10, SYN, b"");
    assert_eq!(accept(&guess), Err(Dropped::Mac));
    let second = signed(&mut keys(here, &[2, 1]).open(here, 10).unwrap(), here, 10, SYN, b"");
    assert_eq!(accept(&second), Ok(true));
    let connection = theirs.accept(there, 20, &second, &RustCrypto).unwrap().unwrap();
    assert_eq!((connection.current(), connection.rnext()), (102, 2), "the key that the SYN had");

    // No key for the peer: its option is not looked at, or is not wanted.
    let mut open = Keys::new();
    assert!(open.open(here, 1).is_none());
    assert!(open.accept(there, 20, &plain, &RustCrypto).unwrap().is_none());
    assert!(open.accept(there, 20, &second, &RustCrypto).unwrap().is_none());
    open.unmatched = Unmatched::Drop;
    assert_eq!(open.accept(there, 20, &second, &RustCrypto).map(|_| ()), Err(Dropped::UnknownKey));
    assert!(open.accept(there, 20, &plain, &RustCrypto).unwrap().is_none());
    assert_eq!(open.accepted(), 1);
}

#[test]
fn nothing_but_a_syn_comes_before_the_peers_number() {
    let mut a = keys(pair(), &[1]).open(pair(), 10).unwrap();
    let [_, mut b] = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [10, 20]);
    let early = signed(&mut b, turned(pair()), 21, ACK, b"x");
    assert_eq!(verify(&mut a, &early), Err(Dropped::TooEarly));
    let mut octets = segment(pair().local, pair().remote, 11, ACK, &early[24..40], b"");
    assert_eq!(a.sign(&mut octets, &RustCrypto), Err(SignError::TooEarly));
    assert_eq!(a.counters().too_early, 1);
    // Nor does a connection begin with another.
    let answer = keys(pair(), &[1]).accept(pair(), 20, &early, &RustCrypto);
    assert_eq!(answer.map(|_| ()), Err(Dropped::TooEarly));
}

/// Two SYNs that cross (RFC 5925 §3.2): all four traffic keys.
#[test]
fn ends_that_open_at_once_meet() {
    let (here, there) = (pair(), turned(pair()));
    let (mut a, mut b) = (keys(here, &[1]).open(here, 10).unwrap(), keys(there, &[1]).open(there, 20).unwrap());
    let syns = [signed(&mut a, here, 10, SYN, b""), signed(&mut b, there, 20, SYN, b"")];
    verify(&mut b, &syns[0]).unwrap();
    verify(&mut a, &syns[1]).unwrap();
    let answers = [signed(&mut a, here, 10, SYN | ACK, b""), signed(&mut b, there, 20, SYN | ACK, b"")];
    verify(&mut b, &answers[0]).unwrap();
    verify(&mut a, &answers[1]).unwrap();
    // A SYN of another start is not of this connection.
    let again = signed(&mut keys(here, &[1]).open(here, 99).unwrap(), here, 99, SYN, b"");
    assert_eq!(verify(&mut b, &again), Err(Dropped::Mac));
}

/// A segment of an earlier connection between the same ports is of no use (RFC 5925 §5.3.1).
#[test]
fn segments_of_another_connection_are_dropped() {
    let (ours, mut theirs) = (keys(pair(), &[1]), keys(turned(pair()), &[1]));
    let [mut a, _] = open(&ours, &mut theirs, [10, 20]);
    let [_, mut b] = open(&ours, &mut theirs, [10, 21]);
    let old = signed(&mut a, pair(), 11, ACK, b"data");
    assert_eq!(verify(&mut b, &old), Err(Dropped::Mac));
}

#[test]
fn keys_in_use_stay_and_strangers_do_not_come() {
    let [mut a, mut b] = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [10, 20]);
    assert_eq!(a.remove(101), Err(ConfigError::InUse { field: "current_key", id: 1 }));
    assert_eq!(a.prefer(102), Err(ConfigError::Unknown { field: "recv_id", id: 102 }));
    assert_eq!(a.set_current(2), Err(ConfigError::Unknown { field: "send_id", id: 2 }));
    assert_eq!(a.add(mkt(pair(), 1)), Err(ConfigError::Overlap { field: "send_id", id: 1 }));
    assert_eq!(a.add(mkt(turned(pair()), 2)), Err(ConfigError::Peers));
    a.add(mkt(pair(), 2)).unwrap();
    a.set_current(2).unwrap();
    assert_eq!(a.remove(101), Err(ConfigError::InUse { field: "rnext_key", id: 101 }));
    // The other end does not have it yet; what it takes meanwhile is nothing.
    let octets = signed(&mut a, pair(), 11, ACK, b"x");
    assert_eq!(verify(&mut b, &octets), Err(Dropped::UnknownKey));
    b.add(mkt(turned(pair()), 2)).unwrap();
    assert!(verify(&mut b, &octets).is_ok());
    a.prefer(102).unwrap();
    let octets = signed(&mut a, pair(), 12, ACK, b"x");
    assert_eq!(verify(&mut b, &octets).unwrap().current, Some(102));
    a.remove(101).unwrap();
    assert_eq!((a.mkts().count(), a.current(), a.rnext()), (1, 2, 102));
    // An old key of no use is told by its number.
    let mut late = b.clone();
    late.set_current(101).unwrap();
    let octets = signed(&mut late, turned(pair()), 21, ACK, b"x");
    assert_eq!(verify(&mut a, &octets), Err(Dropped::UnknownKey));
    let mut short = octets;
    (short[25], short[26], short[39]) = (15, 102, 0);
    assert_eq!(verify(&mut a, &short), Err(Dropped::Length));
}

/// RFC 5925 §7.8.
#[test]
fn hard_errors_of_icmp_break_no_connection() {
    let mut six = SocketPair { local: "[fd00::1]:1".parse().unwrap(), remote: "[fd00::2]:179".parse().unwrap() };
    for (pair, hard) in [(pair(), vec![(3, 2), (3, 3), (3, 4)]), (six, vec![(1, 1), (1, 4)])] {
        let mut a = keys(pair, &[1]).open(pair, 10).unwrap();
        for kind in 0..5 {
            for code in 0..16 {
                let ignored = hard.contains(&(kind, code));
                assert_eq!(a.heeds_icmp(kind, code, true), !ignored, "{kind} {code}");
                assert!(a.heeds_icmp(kind, code, false));
            }
        }
        assert_eq!(a.counters().icmp_ignored, hard.len() as u64);
        a.icmp = true;
        assert!(hard.iter().all(|(kind, code)| a.heeds_icmp(*kind, *code, true)));
    }
    // Addresses of another family have other peers.
    six.remote = pair().remote;
    assert!(!Peers::between(six.local.ip(), six.local.ip()).matches(&six));
}

struct Broken;

impl CryptoProvider for Broken {
    fn hmac_sha1(&self, _: &[u8], _: &[&[u8]]) -> Result<[u8; 20], CryptoError> {
        Err(CryptoError::Engine)
    }

    fn aes_128_cmac(&self, _: &[u8; 16], _: &[&[u8]]) -> Result<[u8; 16], CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

/// An engine that fails lets nothing pass.
#[test]
fn without_an_engine_nothing_is_sent_or_taken() {
    for (algorithm, error) in
        [(Algorithm::HmacSha1, CryptoError::Engine), (Algorithm::Aes128Cmac, CryptoError::Unsupported)]
    {
        let table = |pair| {
            let mut mkt = mkt(pair, 1);
            mkt.algorithm = algorithm;
            let mut keys = Keys::new();
            keys.add(mkt).unwrap();
            keys
        };
        let [mut a, mut b] = open(&table(pair()), &mut table(turned(pair())), [10, 20]);
        let octets = signed(&mut a, pair(), 11, ACK, b"x");
        assert_eq!(b.verify(&octets, &Broken), Err(Dropped::Crypto(error)));
        assert_eq!(a.sign(&mut octets.clone(), &Broken), Err(SignError::Crypto(error)));
        assert_eq!(b.counters().crypto, 1);
    }
}
