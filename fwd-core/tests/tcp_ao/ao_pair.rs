//! A pair of ends, and segments by hand.

use std::net::SocketAddr;

use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::{Connection, Dropped, Keys, Mkt, Peers, SocketPair, Verified};

pub const SYN: u8 = 2;
pub const ACK: u8 = 16;

pub fn pair() -> SocketPair {
    SocketPair { local: "192.0.2.1:40000".parse().unwrap(), remote: "192.0.2.2:179".parse().unwrap() }
}

pub fn turned(SocketPair { local, remote }: SocketPair) -> SocketPair {
    SocketPair { local: remote, remote: local }
}

/// A key of all connections between the ends of `pair`, sent as `id` and received as `id + 100`; the other end has it the other way round.
pub fn mkt(pair: SocketPair, id: u8) -> Mkt {
    let swap = pair.local.port() == 179;
    let (send_id, recv_id) = if swap { (id + 100, id) } else { (id, id + 100) };
    let mut mkt = Mkt::new(Peers::between(pair.local.ip(), pair.remote.ip()), 0, &[id; 20]);
    (mkt.send_id, mkt.recv_id) = (send_id, recv_id);
    mkt
}

pub fn keys(pair: SocketPair, ids: &[u8]) -> Keys {
    let mut keys = Keys::new();
    ids.iter().for_each(|id| keys.add(mkt(pair, *id)).unwrap());
    keys
}

/// A segment whose header has these options, whole words of them.
pub fn segment(from: SocketAddr, to: SocketAddr, sequence: u32, flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut octets = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    octets.extend(sequence.to_be_bytes());
    octets.extend(7_u32.to_be_bytes());
    octets.extend([((20 + options.len()) / 4) as u8 * 16, flags, 1, 0, 0xab, 0xcd, 0, 0]);
    octets.extend(options);
    octets.extend(data);
    octets
}

/// A signed segment of an end, behind two no-operations and their like.
pub fn signed(end: &mut Connection, pair: SocketPair, sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut options = vec![1, 1, 4, 2];
    end.blank().emit(&mut options);
    let mut octets = segment(pair.local, pair.remote, sequence, flags, &options, data);
    end.sign(&mut octets, &RustCrypto).unwrap();
    octets
}

pub fn verify(end: &mut Connection, octets: &[u8]) -> Result<Verified, Dropped> {
    end.verify(octets, &RustCrypto)
}

/// Both ends of an open connection, by their initial sequence numbers.
pub fn open(ours: &Keys, theirs: &mut Keys, isns: [u32; 2]) -> [Connection; 2] {
    let (here, there) = (pair(), turned(pair()));
    let mut a = ours.open(here, isns[0]).unwrap();
    let syn = signed(&mut a, here, isns[0], SYN, b"");
    let mut b = theirs.accept(there, isns[1], &syn, &RustCrypto).unwrap().unwrap();
    let answer = signed(&mut b, there, isns[1], SYN | ACK, b"");
    verify(&mut a, &answer).unwrap();
    let ack = signed(&mut a, here, isns[0].wrapping_add(1), ACK, b"");
    verify(&mut b, &ack).unwrap();
    [a, b]
}
