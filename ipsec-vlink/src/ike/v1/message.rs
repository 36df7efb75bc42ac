//! The payloads of one message, by what they are.

use fwd_core::codec::Malformed;
use smallvec::SmallVec;

use super::super::payload::v1::{Body, Sa};
use super::super::payload::{Delete, Identification, Notify, Payload, PayloadType, Payloads};

/// A message's payloads. Of a type that may be there once, the first counts.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) sa: Option<Sa<'a>>,
    /// The SA payload's body as octets, which the proofs are over.
    pub(super) sa_body: &'a [u8],
    pub(super) ke: Option<&'a [u8]>,
    pub(super) nonce: Option<&'a [u8]>,
    /// Each with its octets, which the proofs are over.
    pub(super) ids: SmallVec<[(Identification<'a>, &'a [u8]); 2]>,
    pub(super) hash: Option<&'a [u8]>,
    pub(super) notifies: SmallVec<[Notify<'a>; 2]>,
    pub(super) deletes: SmallVec<[Delete<'a>; 2]>,
    pub(super) vendor_ids: SmallVec<[&'a [u8]; 8]>,
    pub(super) nat_d: SmallVec<[&'a [u8]; 4]>,
    /// The addresses of the initiator and of the responder as the sender has them (RFC 3947 §5.2).
    pub(super) nat_oa: SmallVec<[Identification<'a>; 2]>,
    pub(super) context: Option<&'a [u8]>,
    /// The first payload was a hash: what follows it up to the padding, which the hash is over.
    pub(super) hashed: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads the payloads of a chain; `octets` are what `payloads` was made of.
    pub(super) fn read(mut payloads: Payloads<'a>, octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        let (mut after_hash, mut end) = (None, 0);
        let mut first = true;
        while let Some(payload) = payloads.next() {
            let payload = payload?;
            message.put(&payload)?;
            end = octets.len().saturating_sub(payloads.rest().len());
            if core::mem::take(&mut first) && payload.kind == PayloadType::HASH {
                after_hash = Some(end);
            }
        }
        message.hashed = after_hash.and_then(|start| octets.get(start..end));
        Ok(message)
    }

    fn put(&mut self, payload: &Payload<'a>) -> Result<(), Malformed> {
        match Body::of(payload)? {
            Body::Sa(sa) if self.sa.is_none() => (self.sa, self.sa_body) = (Some(sa), payload.body),
            Body::Ke(ke) => _ = self.ke.get_or_insert(ke),
            Body::Nonce(nonce) => _ = self.nonce.get_or_insert(nonce),
            Body::Id(id) => self.ids.push((id, payload.body)),
            Body::Hash(hash) => _ = self.hash.get_or_insert(hash),
            Body::Notify(_, notify) => self.notifies.push(notify),
            Body::Delete(_, delete) => self.deletes.push(delete),
            Body::VendorId(id) => self.vendor_ids.push(id),
            Body::NatD(hash) => self.nat_d.push(hash),
            Body::NatOa(at) => self.nat_oa.push(at),
            Body::Unknown(PayloadType::VPN_CONTEXT_V1, record) => _ = self.context.get_or_insert(record),
            Body::Sa(_) | Body::Cert(_) | Body::CertReq(_) | Body::Signature(_) | Body::Unknown(..) => {}
        }
        Ok(())
    }

    /// The nonce, if it has a length that is allowed (RFC 2409 §5).
    pub(super) fn good_nonce(&self) -> Option<&'a [u8]> {
        self.nonce.filter(|n| (8..=256).contains(&n.len()))
    }

    /// The first error.
    pub(super) fn error(&self) -> Option<&Notify<'a>> {
        self.notifies.iter().find(|n| n.kind.is_error())
    }
}
