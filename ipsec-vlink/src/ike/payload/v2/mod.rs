//! The payloads of IKEv2, each in its own type.

mod sa;

use fwd_core::codec::{self, BufMut, Malformed};

pub use sa::{Offer, Proposal, Proposals, Sa, Transform, TransformType, Transforms};

use super::{
    Auth, Cert, Configuration, Delete, EncryptedFragment, Identification, KeyExchange, Notify, Payload, PayloadType,
    Selectors,
};

/// The body of an IKEv2 payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Security Association.
    Sa(Sa<'a>),
    /// Key Exchange.
    Ke(KeyExchange<'a>),
    /// Identification of the initiator.
    IdI(Identification<'a>),
    /// Identification of the responder.
    IdR(Identification<'a>),
    /// Certificate.
    Cert(Cert<'a>),
    /// Certificate Request.
    CertReq(Cert<'a>),
    /// Authentication.
    Auth(Auth<'a>),
    /// Nonce (RFC 7296 §3.9): of 16 to 256 octets, which the machine checks.
    Nonce(&'a [u8]),
    /// Notify.
    Notify(Notify<'a>),
    /// Delete.
    Delete(Delete<'a>),
    /// Vendor ID.
    VendorId(&'a [u8]),
    /// Traffic Selectors of the initiator.
    TsI(Selectors<'a>),
    /// Traffic Selectors of the responder.
    TsR(Selectors<'a>),
    /// Encrypted and Authenticated: initialization vector, ciphertext, check value.
    Sk(&'a [u8]),
    /// Encrypted Fragment.
    Skf(EncryptedFragment<'a>),
    /// Configuration.
    Cp(Configuration<'a>),
    /// EAP, as octets.
    Eap(&'a [u8]),
    /// A type that is none of these.
    Unknown(PayloadType, &'a [u8]),
}

impl<'a> Body<'a> {
    /// Reads a payload's body. Offsets in errors count from the start of the body.
    ///
    /// # Errors
    /// The body is not as its type says.
    #[inline]
    pub fn parse(kind: PayloadType, body: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            PayloadType::SA => Self::Sa(codec::all(body, Sa::take)?),
            PayloadType::KE => Self::Ke(codec::all(body, KeyExchange::take)?),
            PayloadType::ID_I => Self::IdI(codec::all(body, Identification::take)?),
            PayloadType::ID_R => Self::IdR(codec::all(body, Identification::take)?),
            PayloadType::CERT => Self::Cert(codec::all(body, Cert::take)?),
            PayloadType::CERTREQ => Self::CertReq(codec::all(body, Cert::take)?),
            PayloadType::AUTH => Self::Auth(codec::all(body, Auth::take)?),
            PayloadType::NONCE => Self::Nonce(body),
            PayloadType::NOTIFY => Self::Notify(codec::all(body, Notify::take)?),
            PayloadType::DELETE => Self::Delete(codec::all(body, Delete::take)?),
            PayloadType::VENDOR_ID => Self::VendorId(body),
            PayloadType::TS_I => Self::TsI(codec::all(body, Selectors::take)?),
            PayloadType::TS_R => Self::TsR(codec::all(body, Selectors::take)?),
            PayloadType::SK => Self::Sk(body),
            PayloadType::SKF => Self::Skf(codec::all(body, EncryptedFragment::take)?),
            PayloadType::CP => Self::Cp(codec::all(body, Configuration::take)?),
            PayloadType::EAP => Self::Eap(body),
            other => Self::Unknown(other, body),
        })
    }

    /// Reads the body of a payload of a chain.
    ///
    /// # Errors
    /// As [`Self::parse`].
    #[inline]
    pub fn of(payload: &Payload<'a>) -> Result<Self, Malformed> {
        Self::parse(payload.kind, payload.body)
    }

    /// The payload type.
    #[must_use]
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::ID_I,
            Self::IdR(_) => PayloadType::ID_R,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsI(_) => PayloadType::TS_I,
            Self::TsR(_) => PayloadType::TS_R,
            Self::Sk(_) => PayloadType::SK,
            Self::Skf(_) => PayloadType::SKF,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Octets of the body.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::Sa(b) => b.wire_len(),
            Self::Ke(b) => b.wire_len(),
            Self::IdI(b) | Self::IdR(b) => b.wire_len(),
            Self::Cert(b) | Self::CertReq(b) => b.wire_len(),
            Self::Auth(b) => b.wire_len(),
            Self::Notify(b) => b.wire_len(),
            Self::Delete(b) => b.wire_len(),
            Self::TsI(b) | Self::TsR(b) => b.wire_len(),
            Self::Skf(b) => b.wire_len(),
            Self::Cp(b) => b.wire_len(),
            Self::Nonce(b) | Self::VendorId(b) | Self::Sk(b) | Self::Eap(b) | Self::Unknown(_, b) => b.len(),
        }
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Sa(b) => b.emit(out),
            Self::Ke(b) => b.emit(out),
            Self::IdI(b) | Self::IdR(b) => b.emit(out),
            Self::Cert(b) | Self::CertReq(b) => b.emit(out),
            Self::Auth(b) => b.emit(out),
            Self::Notify(b) => b.emit(out),
            Self::Delete(b) => b.emit(out),
            Self::TsI(b) | Self::TsR(b) => b.emit(out),
            Self::Skf(b) => b.emit(out),
            Self::Cp(b) => b.emit(out),
            Self::Nonce(b) | Self::VendorId(b) | Self::Sk(b) | Self::Eap(b) | Self::Unknown(_, b) => out.put_slice(b),
        }
    }
}
