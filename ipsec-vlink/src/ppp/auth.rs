//! Authentication: PAP (RFC 1334 §2) and CHAP with MD5 (RFC 1994).

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Fail, Fault, Malformed, all, be_u8, octets};

use super::packet::{Code, Packet};
use crate::l2tp::digest::Hashes;

/// How a peer proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthProtocol {
    /// Name and secret, as they are (RFC 1334 §2).
    Pap,
    /// A hash of a challenge with the secret (RFC 1994 §2).
    ChapMd5,
}

impl AuthProtocol {
    /// What LCP's option says (RFC 1334 §2.1, RFC 1994 §3).
    pub(super) const fn option(self) -> &'static [u8] {
        match self {
            Self::Pap => &[0xc0, 0x23],
            Self::ChapMd5 => &[0xc2, 0x23, 5],
        }
    }

    pub(super) fn of_option(data: &[u8]) -> Option<Self> {
        [Self::Pap, Self::ChapMd5].into_iter().find(|protocol| protocol.option() == data)
    }
}

/// What a packet of either protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthPacket<'a> {
    /// PAP: who the sender is (RFC 1334 §2.2.1).
    Request {
        /// Its name.
        name: &'a [u8],
        /// Its secret.
        secret: &'a [u8],
    },
    /// CHAP: what is to be hashed (RFC 1994 §4.1).
    Challenge {
        /// The challenge, of at least one octet.
        value: &'a [u8],
        /// Who asks.
        name: &'a [u8],
    },
    /// CHAP: the hash.
    Response {
        /// The hash.
        value: &'a [u8],
        /// Who answers.
        name: &'a [u8],
    },
    /// The proof is taken; with words for people.
    Success(&'a [u8]),
    /// It is not.
    Failure(&'a [u8]),
}

impl<'a> AuthPacket<'a> {
    /// Parses what a packet of a protocol says.
    ///
    /// # Errors
    /// It is malformed, or of a code that the protocol does not have.
    pub fn parse(protocol: AuthProtocol, packet: &Packet<'a>) -> Result<Self, Malformed> {
        all(packet.data, |i| match (protocol, packet.code) {
            (AuthProtocol::Pap, Code(1)) => {
                let (i, len) = be_u8(i, "peer-ID length")?;
                let (i, name) = octets(i, len.into(), "peer-ID")?;
                let (i, len) = be_u8(i, "password length")?;
                let (i, secret) = octets(i, len.into(), "password")?;
                Ok((i, Self::Request { name, secret }))
            }
            (AuthProtocol::Pap, Code(2 | 3)) => {
                // Some say nothing, not even its length.
                let (i, message) = match i.split_first() {
                    None => (i, i),
                    Some((len, rest)) => octets(rest, usize::from(*len), "message")?,
                };
                let is_good = packet.code == Code(2);
                Ok((i, if is_good { Self::Success(message) } else { Self::Failure(message) }))
            }
            (AuthProtocol::ChapMd5, Code(1 | 2)) => {
                let (rest, len) = be_u8(i, "value-size")?;
                if len == 0 {
                    return Err(Fail::new(i, "value-size", Fault::Length(0)));
                }
                let (name, value) = octets(rest, len.into(), "value")?;
                let is_challenge = packet.code == Code(1);
                Ok((&[], if is_challenge { Self::Challenge { value, name } } else { Self::Response { value, name } }))
            }
            (AuthProtocol::ChapMd5, Code(3)) => Ok((&[], Self::Success(i))),
            (AuthProtocol::ChapMd5, Code(4)) => Ok((&[], Self::Failure(i))),
            (_, Code(other)) => Err(Fail::new(i, "code", Fault::Value(other.into()))),
        })
    }

    /// Its code in a protocol; a request is PAP's, a challenge or response CHAP's.
    #[must_use]
    pub const fn code(&self, protocol: AuthProtocol) -> Code {
        Code(match (self, protocol) {
            (Self::Request { .. } | Self::Challenge { .. }, _) => 1,
            (Self::Response { .. }, _) | (Self::Success(_), AuthProtocol::Pap) => 2,
            (Self::Success(_), AuthProtocol::ChapMd5) | (Self::Failure(_), AuthProtocol::Pap) => 3,
            (Self::Failure(_), AuthProtocol::ChapMd5) => 4,
        })
    }

    /// Octets of its data on the wire.
    #[must_use]
    pub fn wire_len(&self, protocol: AuthProtocol) -> usize {
        match (self, protocol) {
            (Self::Request { name, secret }, _) => name.len().saturating_add(secret.len()).saturating_add(2),
            (Self::Challenge { value, name } | Self::Response { value, name }, _) => {
                value.len().saturating_add(name.len()).saturating_add(1)
            }
            (Self::Success(message) | Self::Failure(message), AuthProtocol::Pap) => message.len().saturating_add(1),
            (Self::Success(message) | Self::Failure(message), AuthProtocol::ChapMd5) => message.len(),
        }
    }

    /// Writes its data. Names, secrets, values and PAP's messages have at most 255 octets.
    pub fn emit(&self, protocol: AuthProtocol, out: &mut impl BufMut) {
        match (self, protocol) {
            (Self::Request { name, secret }, _) => {
                out.put_u8(name.len() as u8);
                out.put_slice(name);
                out.put_u8(secret.len() as u8);
                out.put_slice(secret);
            }
            (Self::Challenge { value, name } | Self::Response { value, name }, _) => {
                out.put_u8(value.len() as u8);
                out.put_slice(value);
                out.put_slice(name);
            }
            (Self::Success(message) | Self::Failure(message), AuthProtocol::Pap) => {
                out.put_u8(message.len() as u8);
                out.put_slice(message);
            }
            (Self::Success(message) | Self::Failure(message), AuthProtocol::ChapMd5) => out.put_slice(message),
        }
    }

    pub(super) fn octets(&self, protocol: AuthProtocol) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_len(protocol));
        self.emit(protocol, &mut out);
        out
    }
}

/// The hash of a CHAP response (RFC 1994 §4.1).
pub(super) fn chap_hash(hashes: &impl Hashes, id: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    hashes.md5(&[&[id], secret, challenge])
}
