//! LDP PDUs: framing and header (RFC 5036 §3.1).

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};

use super::message::{Message, RawMessage};
use super::{LdpId, StatusCode};

/// A PDU's header and the octets of its messages.
///
/// ```text
/// +-------------+------------+--------------------+------------------+
/// | Version (2) | Length (2) | LDP identifier (6) | Messages ...     |
/// +-------------+------------+--------------------+------------------+
/// ```
///
/// The length counts all octets after itself.
///
/// ```
/// use p2mp_pw::ldp::{LdpId, Pdu, frame_len};
/// use p2mp_pw::ldp::message::{Message, MessageBody};
/// let keep_alive = Message { id: 7, body: MessageBody::KeepAlive };
/// let mut octets = Vec::new();
/// Pdu::emit(LdpId::platform([192, 0, 2, 1].into()), &[keep_alive.clone()], &mut octets);
/// assert_eq!(frame_len(&octets, Pdu::DEFAULT_MAX_LEN), Ok(Some(18)));
/// let pdu = Pdu::parse(&octets)?;
/// let raw = pdu.messages().next().unwrap()?;
/// assert_eq!(raw.parse()?, keep_alive);
/// # Ok::<(), fwd_core::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    /// The sender and its label space.
    pub id: LdpId,
    messages: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// The only version (RFC 5036 §3.1).
    pub const VERSION: u16 = 1;
    /// Octets of the header.
    pub const HEADER_LEN: usize = 10;
    /// The largest length field, unless the session agreed on another (RFC 5036 §3.5.3).
    pub const DEFAULT_MAX_LEN: u16 = 4096;
    /// The smallest length field: an LDP identifier and an empty message (RFC 5036 §3.5.1.2.1).
    pub const MIN_LEN: u16 = 14;

    /// Takes a PDU.
    ///
    /// # Errors
    /// Truncated input, another version, or a length that does not hold the identifier.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let start = i;
        let (i, version) = codec::be_u16(i, "version")?;
        if version != Self::VERSION {
            return Err(Fail::new(start, "version", Fault::Value(version.into())));
        }
        let (i, len) = codec::be_u16(i, "pdu length")?;
        let (i, body) = codec::octets(i, len.into(), "pdu length")?;
        let (messages, id) = LdpId::take(body)?;
        Ok((i, Self { id, messages }))
    }

    /// Reads a whole PDU.
    ///
    /// # Errors
    /// As [`Self::take`], or octets left over.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// The messages, in order. Ends after the first that does not fit the PDU.
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        Messages { rest: self.messages }
    }

    /// Writes a PDU of these messages, which must fit a PDU: see [`Self::room`].
    pub fn emit(id: LdpId, messages: &[Message], out: &mut impl BufMut) {
        let len = messages.iter().map(Message::wire_len).fold(LdpId::LEN, usize::saturating_add);
        out.put_u16(Self::VERSION);
        out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        id.emit(out);
        messages.iter().for_each(|message| message.emit(out));
    }

    /// Octets of messages that fit a PDU whose length field may be at most `max_len`.
    #[must_use]
    pub fn room(max_len: u16) -> usize {
        usize::from(max_len).saturating_sub(LdpId::LEN)
    }
}

/// The messages of a PDU.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<RawMessage<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = core::mem::take(&mut self.rest);
        Some(match RawMessage::take(whole) {
            Ok((rest, message)) => {
                self.rest = rest;
                Ok(message)
            }
            Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => Err(fail.within(whole)),
            Err(nom::Err::Incomplete(_)) => {
                Err(Malformed { offset: whole.len(), field: "message", fault: Fault::Truncated })
            }
        })
    }
}

/// Octets of the PDU at the start of a stream; `None` while its header is not complete.
///
/// # Errors
/// What the Notification says before the session ends: another version, or a length below [`Pdu::MIN_LEN`] or above
/// `max_len` (RFC 5036 §3.5.1.2.1).
pub fn frame_len(stream: &[u8], max_len: u16) -> Result<Option<usize>, StatusCode> {
    if stream.first_chunk().is_some_and(|version| u16::from_be_bytes(*version) != Pdu::VERSION) {
        return Err(StatusCode::BAD_PROTOCOL_VERSION);
    }
    let Some([_, _, a, b]) = stream.first_chunk::<4>() else { return Ok(None) };
    let len = u16::from_be_bytes([*a, *b]);
    if !(Pdu::MIN_LEN..=max_len).contains(&len) {
        return Err(StatusCode::BAD_PDU_LENGTH);
    }
    Ok(Some(usize::from(len).saturating_add(4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_refuses_other_versions_and_lengths() {
        assert_eq!(frame_len(&[0], 4096), Ok(None));
        assert_eq!(frame_len(&[0, 1, 0], 4096), Ok(None));
        assert_eq!(frame_len(&[0, 2], 4096), Err(StatusCode::BAD_PROTOCOL_VERSION));
        assert_eq!(frame_len(&[0, 1, 0, 13], 4096), Err(StatusCode::BAD_PDU_LENGTH));
        assert_eq!(frame_len(&[0, 1, 0, 14], 4096), Ok(Some(18)));
        assert_eq!(frame_len(&[0, 1, 0x10, 0], 4096), Ok(Some(4100)));
        assert_eq!(frame_len(&[0, 1, 0x10, 1], 4096), Err(StatusCode::BAD_PDU_LENGTH));
    }

    #[test]
    fn a_message_that_overruns_the_pdu_ends_the_list() {
        let octets = [0, 1, 0, 14, 192, 0, 2, 1, 0, 0, 2, 1, 0, 5, 0, 0, 0, 1];
        let pdu = Pdu::parse(&octets).unwrap();
        let mut messages = pdu.messages();
        assert_eq!(messages.next().unwrap().unwrap_err().field, "message length");
        assert!(messages.next().is_none());
    }
}
