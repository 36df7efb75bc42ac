//! The payloads of one message, by what they are.

use fwd_core::codec::Malformed;
use smallvec::SmallVec;

use super::super::payload::v2::{Body, Sa};
use super::super::payload::{
    Auth, Cert, CertEncoding, Delete, Identification, KeyExchange, Notify, NotifyType, Payload, PayloadType, Payloads,
    Selectors,
};

/// A message's payloads. Of a type that may be there once, the first counts.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) sa: Option<Sa<'a>>,
    pub(super) ke: Option<KeyExchange<'a>>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) id_i: Option<Identification<'a>>,
    pub(super) id_r: Option<Identification<'a>>,
    pub(super) raw_key: Option<&'a [u8]>,
    pub(super) auth: Option<Auth<'a>>,
    pub(super) ts_i: Option<Selectors<'a>>,
    pub(super) ts_r: Option<Selectors<'a>>,
    pub(super) notifies: SmallVec<[Notify<'a>; 8]>,
    pub(super) deletes: SmallVec<[Delete<'a>; 2]>,
    pub(super) vendor_ids: SmallVec<[&'a [u8]; 4]>,
    /// SK or SKF, which is the last.
    pub(super) sealed: Option<Payload<'a>>,
    /// A type with the critical bit that nobody knows (RFC 7296 §2.5).
    pub(super) critical: Option<PayloadType>,
}

impl<'a> Message<'a> {
    /// Reads the payloads of a chain.
    pub(super) fn read(payloads: Payloads<'a>) -> Result<Self, Malformed> {
        let mut message = Self::default();
        for payload in payloads {
            let payload = payload?;
            message.put(&payload)?;
        }
        Ok(message)
    }

    fn put(&mut self, payload: &Payload<'a>) -> Result<(), Malformed> {
        match Body::of(payload)? {
            Body::Sa(sa) => _ = self.sa.get_or_insert(sa),
            Body::Ke(ke) => _ = self.ke.get_or_insert(ke),
            Body::Nonce(nonce) => _ = self.nonce.get_or_insert(nonce),
            Body::IdI(id) => _ = self.id_i.get_or_insert(id),
            Body::IdR(id) => _ = self.id_r.get_or_insert(id),
            Body::Cert(Cert { encoding: CertEncoding::RAW_PUBLIC_KEY, data }) => _ = self.raw_key.get_or_insert(data),
            Body::Auth(auth) => _ = self.auth.get_or_insert(auth),
            Body::TsI(ts) => _ = self.ts_i.get_or_insert(ts),
            Body::TsR(ts) => _ = self.ts_r.get_or_insert(ts),
            Body::Notify(notify) => self.notifies.push(notify),
            Body::Delete(delete) => self.deletes.push(delete),
            Body::VendorId(id) => self.vendor_ids.push(id),
            Body::Sk(_) | Body::Skf(_) => self.sealed = Some(*payload),
            Body::Unknown(kind, _) if payload.is_critical() => _ = self.critical.get_or_insert(kind),
            Body::Cert(_) | Body::CertReq(_) | Body::Cp(_) | Body::Eap(_) | Body::Unknown(..) => {}
        }
        Ok(())
    }

    /// The first notification of a type.
    pub(super) fn notify(&self, kind: NotifyType) -> Option<&Notify<'a>> {
        self.notifies.iter().find(|n| n.kind == kind)
    }

    /// The first error.
    pub(super) fn error(&self) -> Option<&Notify<'a>> {
        self.notifies.iter().find(|n| n.kind.is_error())
    }

    /// The nonce, if it has a length that is allowed (RFC 7296 §3.9).
    pub(super) fn good_nonce(&self) -> Option<&'a [u8]> {
        self.nonce.filter(|n| (16..=256).contains(&n.len()))
    }
}
