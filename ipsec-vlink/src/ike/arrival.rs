//! Datagrams of the two ports: with the marker of four zeros on the second one (RFC 3948 §2.2).

use core::net::SocketAddr;

use super::counters::Reject;
use super::event::Output;
use super::header::Header;
use super::payload::Payloads;

/// A message that came, and where.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) octets: &'a [u8],
    pub(super) header: Header,
}

/// Reads the datagram that came to a machine of this major version, `second` being the port behind NATs; `None`: a keepalive.
pub(super) fn read(
    major: u8,
    second: u16,
    (from, to): (SocketAddr, SocketAddr),
    octets: &[u8],
) -> Result<Option<(Arrival<'_>, Payloads<'_>)>, Reject> {
    let Some(octets) = message(second, to, octets)? else { return Ok(None) };
    let (header, payloads) = Payloads::of(octets).map_err(|_| Reject::Malformed)?;
    if header.major() != major {
        return Err(Reject::Version);
    }
    Ok(Some((Arrival { from, to, octets, header }, payloads)))
}

/// The message in a datagram that came to `to`, of which `second` is the port behind NATs; `None`: a keepalive (RFC 3948 §2.3).
fn message(second: u16, to: SocketAddr, octets: &[u8]) -> Result<Option<&[u8]>, Reject> {
    match octets {
        _ if to.port() != second => Ok(Some(octets)),
        [0xff] => Ok(None),
        [0, 0, 0, 0, message @ ..] => Ok(Some(message)),
        _ => Err(Reject::NotIke),
    }
}

/// The datagram of a message.
pub(super) fn datagram(second: u16, from: SocketAddr, to: SocketAddr, message: &[u8]) -> Output {
    let marker: &[u8] = if from.port() == second { &[0; 4] } else { &[] };
    Output::Datagram { from, to, octets: [marker, message].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3948 §2.1 to §2.3: on the second port, and there alone, messages have the marker, one octet keeps the NAT open, and all else is
    /// ESP's.
    #[test]
    fn the_marker_tells_ike_from_esp_on_the_second_port() {
        let [first, second] = [500, 4500].map(|port| SocketAddr::new([192, 0, 2, 1].into(), port));
        assert_eq!(message(4500, first, b"\0\0\0\0abc"), Ok(Some(&b"\0\0\0\0abc"[..])));
        assert_eq!(message(4500, second, b"\0\0\0\0abc"), Ok(Some(&b"abc"[..])));
        assert_eq!(message(4500, second, &[0xff]), Ok(None));
        assert_eq!(message(4500, second, b"\0\0\x12\x34\0\0\0\x01"), Err(Reject::NotIke));
        let sent = |from| match datagram(4500, from, first, b"abc") {
            Output::Datagram { octets, .. } => octets,
            _ => unreachable!(),
        };
        assert_eq!((sent(first), sent(second)), (b"abc".to_vec(), b"\0\0\0\0abc".to_vec()));
    }
}
