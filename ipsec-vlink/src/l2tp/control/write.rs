//! Messages to be sent.

use alloc::vec::Vec;

use super::config::Version;
use crate::l2tp::avp::{AvpFlags, RawAvp};
use crate::l2tp::digest::{DigestType, Hashes, Secret, message_digest};
use crate::l2tp::hidden;
use crate::l2tp::message_type::MessageType;
use crate::l2tp::{MessageDigest, Octets, Value};
use crate::l2tp::{v2, v3};

/// How the values of a message are hidden.
pub(super) struct Hiding<'a, H> {
    pub(super) hashes: &'a H,
    pub(super) secret: &'a Secret,
    pub(super) vector: [u8; 16],
}

/// The AVPs of a message: its type, room for the digest where there is one, and the values.
pub(super) fn body<H: Hashes>(
    kind: MessageType,
    digest: Option<DigestType>,
    values: &[Value<'_>],
    hiding: Option<&Hiding<'_, H>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let flags = if kind.is_mandatory() { AvpFlags::MANDATORY } else { AvpFlags::empty() };
    RawAvp { flags, vendor: 0, attribute: crate::l2tp::Attribute::MESSAGE_TYPE, value: &kind.0.to_be_bytes() }
        .emit(&mut out);
    match digest {
        Some(DigestType::HmacMd5) => Value::MessageDigest(MessageDigest::HmacMd5([0; 16])).emit_avp(&mut out),
        Some(DigestType::HmacSha1) => Value::MessageDigest(MessageDigest::HmacSha1([0; 20])).emit_avp(&mut out),
        None => {}
    }
    if let Some(hiding) = hiding {
        Value::RandomVector(Octets::cut(&hiding.vector)).emit_avp(&mut out);
    }
    for value in values {
        let Some(hiding) = hiding.filter(|_| names_a_customer(value)) else {
            value.emit_avp(&mut out);
            continue;
        };
        let mut octets = Vec::new();
        value.emit_avp(&mut octets);
        // To the next eight octets: lengths show little.
        let fill = octets.len().wrapping_neg() & 7;
        let padding = hiding.vector.get(..fill).unwrap_or_default();
        let hidden = RawAvp::parse(&octets)
            .ok()
            .and_then(|avp| hidden::hide(hiding.hashes, hiding.secret, &hiding.vector, padding, &avp, &mut out));
        if hidden.is_none() {
            out.extend_from_slice(&octets);
        }
    }
    out
}

/// Values that are hidden where that is configured.
const fn names_a_customer(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::AssignedCookie(_)
            | Value::RemoteEndId(_)
            | Value::LocalEndId(_)
            | Value::AttachmentGroupIdentifier(_)
            | Value::PrivateGroupId(_)
            | Value::CalledNumber(_)
            | Value::CallingNumber(_)
    )
}

/// Where a message goes, and its numbers.
#[derive(Clone, Copy)]
pub(super) struct Envelope {
    pub(super) version: Version,
    pub(super) is_over_ip: bool,
    pub(super) connection: u32,
    pub(super) session: u16,
    pub(super) ns: u16,
    pub(super) nr: u16,
}

/// Octets over IP in front of a control message: session 0.
const SESSION_ZERO: [u8; 4] = [0; 4];

/// Where the first digest begins in a message: behind header, message type, and the header and type of its own AVP.
const DIGEST_AT: usize = v3::Control::HEADER + 8 + RawAvp::HEADER + 1;

/// What a message's digest is made of: its type, the secret, and the nonces of sender and receiver.
pub(super) type Signing<'a> = (DigestType, Option<&'a Secret>, (&'a [u8], &'a [u8]));

/// The message on the wire, its digest filled in.
pub(super) fn datagram(envelope: &Envelope, body: &[u8], digest: Option<Signing<'_>>, hashes: &impl Hashes) -> Vec<u8> {
    let Envelope { connection, session, ns, nr, .. } = *envelope;
    let mut out = Vec::with_capacity(body.len().saturating_add(16));
    match envelope.version {
        Version::V2 => v2::Control { tunnel: connection as u16, session, ns, nr, body }.emit(&mut out),
        Version::V3 => v3::Control { connection, ns, nr, body }.emit(&mut out),
    }
    if let Some((kind, secret, nonces)) = digest {
        let value = message_digest(hashes, kind, secret, nonces, &out);
        let octets: &[u8] = match &value {
            MessageDigest::HmacMd5(octets) => octets,
            MessageDigest::HmacSha1(octets) => octets,
        };
        for (to, from) in out.iter_mut().skip(DIGEST_AT).zip(octets) {
            *to = *from;
        }
    }
    if envelope.is_over_ip {
        out.splice(0..0, SESSION_ZERO);
    }
    out
}
