//! The vectors of RFC 9235.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::crypto::{CryptoError, CryptoProvider};
use fwd_core::tcp_ao::{Algorithm, Dropped, Keys, Mkt, Peers, SocketPair};

/// Software that remembers the key of its last use.
#[derive(Default)]
struct Watched(RefCell<Vec<u8>>);

impl CryptoProvider for Watched {
    fn hmac_sha1(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 20], CryptoError> {
        *self.0.borrow_mut() = key.to_vec();
        RustCrypto.hmac_sha1(key, parts)
    }

    fn aes_128_cmac(&self, key: &[u8; 16], parts: &[&[u8]]) -> Result<[u8; 16], CryptoError> {
        *self.0.borrow_mut() = key.to_vec();
        RustCrypto.aes_128_cmac(key, parts)
    }
}

struct Vector {
    section: String,
    key: Vec<u8>,
    addresses: (IpAddr, IpAddr),
    /// The IP packet's TCP segment.
    segment: Vec<u8>,
    mac: Vec<u8>,
}

impl Vector {
    fn of(line: &str) -> Self {
        let fields: Vec<&str> = line.split(' ').collect();
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let packet = hex(fields[2]);
        let four = |at: usize| IpAddr::from(*packet[at..].first_chunk::<4>().unwrap());
        let six = |at: usize| IpAddr::from(*packet[at..].first_chunk::<16>().unwrap());
        let (addresses, head) = if packet[0] >> 4 == 4 { ((four(12), four(16)), 20) } else { ((six(8), six(24)), 40) };
        let segment = packet[head..].to_vec();
        Self { section: fields[0].into(), key: hex(fields[1]), addresses, segment, mac: hex(fields[3]) }
    }

    fn sequence(&self) -> u32 {
        u32::from_be_bytes(*self.segment[4..].first_chunk().unwrap())
    }

    /// The segment without what TCP-AO fills.
    fn bare(&self) -> Vec<u8> {
        let mut octets = self.segment.clone();
        let header = usize::from(octets[12] >> 4) * 4;
        assert_eq!(octets[header - 16..header - 14], [29, 16], "{}: the option is the last", self.section);
        octets[header - 14..header].fill(0xee);
        octets[16..18].fill(0xee);
        octets
    }

    fn is(&self, made: &[u8]) {
        let mut expected = self.segment.clone();
        expected[16..18].fill(0xee);
        assert_eq!(made, expected, "{}", self.section);
        assert!(made.windows(12).any(|octets| octets == self.mac), "{}", self.section);
    }
}

/// The groups of four: SYN and its answer, a segment of each.
fn groups() -> Vec<[Vector; 4]> {
    let lines: Vec<&str> = include_str!("rfc9235.txt").lines().filter(|l| !l.starts_with('#')).collect();
    lines.chunks(4).map(|four| <[&str; 4]>::try_from(four).unwrap().map(Vector::of)).collect()
}

/// Keys of one end: the numbers are 61 at the client's and 84 at the server's.
fn keys(section: &str, pair: SocketPair, send_id: u8, recv_id: u8) -> Keys {
    let mut mkt = Mkt::new(Peers::between(pair.local.ip(), pair.remote.ip()), 0, b"testvector");
    (mkt.send_id, mkt.recv_id) = (send_id, recv_id);
    mkt.options = section.contains(".1.");
    if section.starts_with('5') || section.starts_with('7') {
        mkt.algorithm = Algorithm::Aes128Cmac;
    }
    let mut keys = Keys::new();
    keys.add(mkt).unwrap();
    keys
}

/// Each segment is made octet for octet and taken, with the traffic keys of the RFC.
#[test]
fn all_segments_of_rfc_9235_are_made_and_taken() {
    let groups = groups();
    assert_eq!(groups.len(), 8);
    for [syn, syn_ack, data, answer] in groups {
        let port = |at: usize| u16::from_be_bytes([syn.segment[at], syn.segment[at + 1]]);
        let local = SocketAddr::new(syn.addresses.0, port(0));
        let here = SocketPair { local, remote: SocketAddr::new(syn.addresses.1, port(2)) };
        let there = SocketPair { local: here.remote, remote: here.local };
        let (ours, mut theirs) = (keys(&syn.section, here, 61, 84), keys(&syn.section, there, 84, 61));
        let used = Watched::default();
        let key = |v: &Vector| assert_eq!(*used.0.borrow(), v.key, "{}", v.section);

        let mut client = ours.open(here, syn.sequence()).unwrap();
        let mut octets = syn.bare();
        client.sign(&mut octets, &used).unwrap();
        syn.is(&octets);
        key(&syn);
        let mut server = theirs.accept(there, syn_ack.sequence(), &syn.segment, &used).unwrap().unwrap();
        key(&syn);
        for (v, from_client) in [(&syn_ack, false), (&data, true), (&answer, false)] {
            let [from, to] = if from_client { [&mut client, &mut server] } else { [&mut server, &mut client] };
            let mut octets = v.bare();
            from.sign(&mut octets, &used).unwrap();
            v.is(&octets);
            key(v);
            to.verify(&v.segment, &used).unwrap();
            key(v);
        }
        assert_eq!((client.heard(), server.heard()), (Some((84, 61)), Some((61, 84))));
    }
}

/// All but the checksum is covered, and other options if the key says so.
#[test]
fn a_bit_that_changes_on_the_way_is_seen() {
    for [syn, syn_ack, data, _] in groups() {
        let port = |at: usize| u16::from_be_bytes([syn.segment[at], syn.segment[at + 1]]);
        let remote = SocketAddr::new(syn.addresses.0, port(0));
        let pair = SocketPair { local: SocketAddr::new(syn.addresses.1, port(2)), remote };
        let mut keys = keys(&syn.section, pair, 84, 61);
        let mut server = keys.accept(pair, syn_ack.sequence(), &syn.segment, &RustCrypto).unwrap().unwrap();
        server.verify(&data.segment, &RustCrypto).unwrap();
        let covered_options = syn.section.contains(".1.");
        for bit in 0..data.segment.len() * 8 {
            let mut octets = data.segment.clone();
            octets[bit / 8] ^= 0x80 >> (bit % 8);
            let options = (20..32).contains(&(bit / 8));
            match server.verify(&octets, &RustCrypto) {
                Ok(_) => assert!((16..18).contains(&(bit / 8)) || (options && !covered_options), "{bit}"),
                Err(why) => {
                    // Of options that are not covered, what is none any more.
                    let walk = matches!(why, Dropped::Malformed(_) | Dropped::Missing);
                    assert!(!options || covered_options || walk, "{bit}: {why}");
                }
            }
        }
        // Another end's address.
        let elsewhere = SocketPair { remote: SocketAddr::new(pair.local.ip(), pair.remote.port()), ..pair };
        assert_eq!(keys.accept(elsewhere, 1, &syn.segment, &RustCrypto).unwrap().map(|_| ()), None, "no key for it");
    }
}
