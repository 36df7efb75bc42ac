//! Datagrams of the two ports: with the marker of four zeros on the second one (RFC 3948 §2.2).

use core::net::SocketAddr;

use super::counters::Reject;
use super::event::Output;
use super::header::Header;

/// A message that came, and where.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) octets: &'a [u8],
    pub(super) header: Header,
}

/// The message in a datagram that came to `to`, of which `second` is the port behind NATs; `None`: a keepalive (RFC 3948 §2.3).
pub(super) fn message(second: u16, to: SocketAddr, octets: &[u8]) -> Result<Option<&[u8]>, Reject> {
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
