//! Socket options that protect a session: TCP-AO (RFC 5925), TCP MD5 (RFC 2385), and a least TTL (GTSM, RFC 5082).

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

pub use fwd_core::net::Authentication;
use nix::libc;
use nix::sys::socket::SetSockOpt;
use nix::sys::socket::sockopt::SetStruct;

/// `struct tcp_md5sig` of tcp(7): address (128 octets), flags, prefix length, key length (u16), interface (int), key (80 octets).
type Md5Signature = [u8; 216];
/// `struct tcp_ao_add` of linux/tcp.h: address (128), algorithm (64), interface, flags, reserved (u16), prefix length, send and receive
/// identifier, MAC length, key flags, key length, key (80).
type AoKey = [u8; 288];

/// `TCP_AO_ADD_KEY` of linux/tcp.h, since 6.7.
const TCP_AO_ADD_KEY: i32 = 38;
/// `IPV6_MINHOPCOUNT` of linux/in6.h.
const IPV6_MINHOPCOUNT: i32 = 73;

macro_rules! option {
    ($name:ident, $level:expr, $option:path, $value:ty) => {
        #[derive(Clone, Copy, Debug)]
        struct $name;
        nix::setsockopt_impl!($name, $level, $option, $value, SetStruct<$value>);
    };
}
option!(Md5Option, libc::IPPROTO_TCP, libc::TCP_MD5SIG, Md5Signature);
option!(AoOption, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, AoKey);
option!(MinTtl, libc::IPPROTO_IP, libc::IP_MINTTL, i32);
option!(MinHopLimit, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, i32);

/// Makes a socket take from a peer only what is authenticated, and sign what it sends there. For a listening socket, before the peer
/// connects; for another, before it connects.
///
/// # Errors
/// `Unsupported`: the kernel has none of it, and the session must not be opened without. A key that is too long.
pub fn authenticate(socket: &impl AsFd, peer: IpAddr, how: &Authentication) -> io::Result<()> {
    let name = match how {
        Authentication::Md5(_) => "TCP MD5",
        Authentication::Ao { .. } => "TCP-AO",
    };
    if !how.is_valid() {
        let len = how.key().len();
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: a key of {len} octets")));
    }
    let done = match how {
        Authentication::Md5(key) => Md5Option.set(socket, &md5_signature(peer, key)),
        Authentication::Ao { key, id } => AoOption.set(socket, &ao_key(peer, key, *id)),
    };
    match done {
        Err(nix::Error::ENOPROTOOPT | nix::Error::EINVAL | nix::Error::ENOENT) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("this kernel has no {name}")))
        }
        other => Ok(other?),
    }
}

fn md5_signature(peer: IpAddr, key: &[u8]) -> Md5Signature {
    let mut octets = [0; 216];
    put_address(&mut octets, peer);
    octets[130..132].copy_from_slice(&(key.len() as u16).to_ne_bytes());
    octets[136..136 + key.len()].copy_from_slice(key);
    octets
}

fn ao_key(peer: IpAddr, key: &[u8], id: u8) -> AoKey {
    const ALGORITHM: &[u8] = b"hmac(sha1)";
    let mut octets = [0; 288];
    put_address(&mut octets, peer);
    octets[128..128 + ALGORITHM.len()].copy_from_slice(ALGORITHM);
    let prefix = if peer.is_ipv4() { 32 } else { 128 };
    // The MAC's length 0 is that of RFC 5926: 12 octets.
    octets[202..208].copy_from_slice(&[prefix, id, id, 0, 0, key.len() as u8]);
    octets[208..208 + key.len()].copy_from_slice(key);
    octets
}

/// `struct sockaddr_in` or `sockaddr_in6` with port 0.
fn put_address(out: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(a) => {
            out[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            out[4..8].copy_from_slice(&a.octets());
        }
        IpAddr::V6(a) => {
            out[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            out[8..24].copy_from_slice(&a.octets());
        }
    }
}

/// Makes a socket drop segments whose TTL or hop limit is below `least` (RFC 5082 §3).
///
/// # Errors
/// The system's.
pub fn least_ttl(socket: &impl AsFd, v6: bool, least: u8) -> io::Result<()> {
    let least = i32::from(least);
    Ok(if v6 { MinHopLimit.set(socket, &least) } else { MinTtl.set(socket, &least) }?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn keys_have_their_lengths() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = "127.0.0.2".parse().unwrap();
        for len in [0, 81] {
            let error = authenticate(&socket, peer, &Authentication::Md5(vec![b'x'; len])).unwrap_err();
            assert_eq!(error.to_string(), format!("TCP MD5: a key of {len} octets"));
        }
    }

    /// A kernel with TCP-AO takes the key; one without is named, and nothing goes on unprotected.
    #[test]
    fn tcp_ao_is_there_or_is_refused_by_name() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let how = Authentication::Ao { key: b"secret".to_vec(), id: 1 };
        match authenticate(&socket, "127.0.0.2".parse().unwrap(), &how) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.to_string(), "this kernel has no TCP-AO"),
        }
    }
}
