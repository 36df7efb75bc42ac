//! The payloads of ISAKMP and IKEv1, each in its own type (RFC 2408 §3, RFC 2407 §4.6, RFC 3947).

mod sa;

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Malformed, Take};

pub use sa::{Proposal, ProposalOffer, Proposals, SITUATION_IDENTITY_ONLY, Sa, Transform, TransformOffer, Transforms};

use super::{Cert, Delete, IdType, Identification, Notify, Payload, PayloadType};

/// The domain of interpretation of IPsec (RFC 2407 §4.2).
pub const DOI_IPSEC: u32 = 1;

/// The body of an IKEv1 payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Security Association.
    Sa(Sa<'a>),
    /// Key Exchange: the public value.
    Ke(&'a [u8]),
    /// Identification.
    Id(Identification<'a>),
    /// Certificate.
    Cert(Cert<'a>),
    /// Certificate Request.
    CertReq(Cert<'a>),
    /// Hash.
    Hash(&'a [u8]),
    /// Signature.
    Signature(&'a [u8]),
    /// Nonce.
    Nonce(&'a [u8]),
    /// Notification, with its DOI.
    Notify(u32, Notify<'a>),
    /// Delete, with its DOI.
    Delete(u32, Delete<'a>),
    /// Vendor ID.
    VendorId(&'a [u8]),
    /// Hash of an address (RFC 3947 §3.2).
    NatD(&'a [u8]),
    /// Original address (RFC 3947 §5.2).
    NatOa(Identification<'a>),
    /// A type that is none of these.
    Unknown(PayloadType, &'a [u8]),
}

impl<'a> Body<'a> {
    /// Reads a payload's body. Offsets in errors count from the start of the body.
    ///
    /// # Errors
    /// The body is not as its type says.
    pub fn parse(kind: PayloadType, body: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            PayloadType::SA_V1 => Self::Sa(codec::all(body, Sa::take)?),
            PayloadType::KE_V1 => Self::Ke(body),
            PayloadType::ID_V1 => Self::Id(codec::all(body, Identification::take)?),
            PayloadType::CERT_V1 => Self::Cert(codec::all(body, Cert::take)?),
            PayloadType::CERTREQ_V1 => Self::CertReq(codec::all(body, Cert::take)?),
            PayloadType::HASH => Self::Hash(body),
            PayloadType::SIGNATURE => Self::Signature(body),
            PayloadType::NONCE_V1 => Self::Nonce(body),
            PayloadType::NOTIFY_V1 => {
                let (doi, notify) = codec::all(body, |i| with_doi(i, Notify::take))?;
                Self::Notify(doi, notify)
            }
            PayloadType::DELETE_V1 => {
                let (doi, delete) = codec::all(body, |i| with_doi(i, Delete::take))?;
                Self::Delete(doi, delete)
            }
            PayloadType::VENDOR_ID_V1 => Self::VendorId(body),
            PayloadType::NAT_D => Self::NatD(body),
            PayloadType::NAT_OA => Self::NatOa(codec::all(body, Identification::take)?),
            other => Self::Unknown(other, body),
        })
    }

    /// Reads the body of a payload of a chain.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of(payload: &Payload<'a>) -> Result<Self, Malformed> {
        Self::parse(payload.kind, payload.body)
    }

    /// The payload type.
    #[must_use]
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA_V1,
            Self::Ke(_) => PayloadType::KE_V1,
            Self::Id(_) => PayloadType::ID_V1,
            Self::Cert(_) => PayloadType::CERT_V1,
            Self::CertReq(_) => PayloadType::CERTREQ_V1,
            Self::Hash(_) => PayloadType::HASH,
            Self::Signature(_) => PayloadType::SIGNATURE,
            Self::Nonce(_) => PayloadType::NONCE_V1,
            Self::Notify(..) => PayloadType::NOTIFY_V1,
            Self::Delete(..) => PayloadType::DELETE_V1,
            Self::VendorId(_) => PayloadType::VENDOR_ID_V1,
            Self::NatD(_) => PayloadType::NAT_D,
            Self::NatOa(_) => PayloadType::NAT_OA,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Octets of the body.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::Sa(b) => b.wire_len(),
            Self::Id(b) | Self::NatOa(b) => b.wire_len(),
            Self::Cert(b) | Self::CertReq(b) => b.wire_len(),
            Self::Notify(_, b) => b.wire_len().saturating_add(4),
            Self::Delete(_, b) => b.wire_len().saturating_add(4),
            Self::Ke(b) | Self::Hash(b) | Self::Signature(b) | Self::Nonce(b) => b.len(),
            Self::VendorId(b) | Self::NatD(b) | Self::Unknown(_, b) => b.len(),
        }
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Sa(b) => b.emit(out),
            Self::Id(b) | Self::NatOa(b) => b.emit(out),
            Self::Cert(b) | Self::CertReq(b) => b.emit(out),
            Self::Notify(doi, b) => {
                out.put_u32(*doi);
                b.emit(out);
            }
            Self::Delete(doi, b) => {
                out.put_u32(*doi);
                b.emit(out);
            }
            Self::Ke(b) | Self::Hash(b) | Self::Signature(b) | Self::Nonce(b) => out.put_slice(b),
            Self::VendorId(b) | Self::NatD(b) | Self::Unknown(_, b) => out.put_slice(b),
        }
    }
}

fn with_doi<'a, T>(i: &'a [u8], take: impl FnOnce(&'a [u8]) -> Take<'a, T>) -> Take<'a, (u32, T)> {
    let (i, doi) = codec::be_u32(i, "DOI")?;
    let (i, value) = take(i)?;
    Ok((i, (doi, value)))
}

/// The octets of an address, and the type of identification they are.
#[must_use]
pub fn address_id(address: IpAddr) -> (IdType, smallvec::SmallVec<[u8; 16]>) {
    match address {
        IpAddr::V4(a) => (IdType::IPV4, smallvec::SmallVec::from_slice(&a.octets())),
        IpAddr::V6(a) => (IdType::IPV6, smallvec::SmallVec::from_slice(&a.octets())),
    }
}
