//! PIM over a reliable transport (RFC 6559 §5): messages of a TCP or SCTP stream that carry Join/Prunes.

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::encoded::AddressFamily;

/// A message of the stream.
///
/// ```text
/// +----------+------------+-------+
/// | Type (2) | Length (2) | Value |
/// +----------+------------+-------+
/// Join/Prune (1): reserved (4), interface ID (8), options.    Keep-alive (2): reserved (4), holdtime (2), options.
/// option: type (2), length (2), value. Type 1: an IPv4 Join/Prune message with its PIM header. Type 2: an IPv6 one.
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortMessage<'a> {
    /// 1
    JoinPrune {
        /// The Interface ID of the sender's Hellos on the interface that the Join/Prune belongs to.
        interface_id: u64,
        /// The family of the option.
        family: AddressFamily,
        /// The PIM message, for [`Message::parse_body`](super::Message::parse_body).
        message: &'a [u8],
    },
    /// 2: seconds that the connection lives without another message; 0 is for ever.
    KeepAlive {
        /// Seconds.
        holdtime: u16,
    },
    /// Another type, or a message with an option that is critical and unknown: to be ignored as a whole (RFC 6559 §5.3).
    Ignored {
        /// The type.
        message_type: u16,
    },
}

const JOIN_PRUNE: u16 = 1;
const KEEP_ALIVE: u16 = 2;
const NON_CRITICAL: u16 = 0x8000;
const OPTION_V4: u16 = 1;
const OPTION_V6: u16 = 2;

/// What the options of a message say.
struct Options<'a> {
    join_prune: Option<(AddressFamily, &'a [u8])>,
    unknown_critical: bool,
}

fn take_options(mut i: &[u8]) -> Take<'_, Options<'_>> {
    let mut options = Options { join_prune: None, unknown_critical: false };
    while !i.is_empty() {
        let (rest, kind) = codec::be_u16(i, "port option type")?;
        let (rest, len) = codec::be_u16(rest, "port option length")?;
        let (rest, v) = codec::octets(rest, usize::from(len), "port option value")?;
        match kind {
            OPTION_V4 | OPTION_V6 if options.join_prune.is_some() => {
                return Err(Fail::new(i, "port option type", Fault::Value(u32::from(kind))));
            }
            OPTION_V4 => options.join_prune = Some((AddressFamily::V4, v)),
            OPTION_V6 => options.join_prune = Some((AddressFamily::V6, v)),
            other => options.unknown_critical |= other & NON_CRITICAL == 0,
        }
        i = rest;
    }
    Ok((i, options))
}

impl<'a> PortMessage<'a> {
    /// The length of the message at the start of a stream, once its four octets of header are there.
    #[must_use]
    pub fn frame_len(stream: &[u8]) -> Option<usize> {
        let [_, _, hi, lo] = *stream.first_chunk::<4>()?;
        Some(usize::from(u16::from_be_bytes([hi, lo])).saturating_add(4))
    }

    /// Takes a whole message. Non-critical options that are not known are ignored.
    ///
    /// # Errors
    /// Truncated input; a Join/Prune message without its option or with two.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, message_type) = codec::be_u16(i, "port message type")?;
        let (rest, len) = codec::be_u16(rest, "port message length")?;
        let (rest, v) = codec::octets(rest, usize::from(len), "port message")?;
        let ignored = Self::Ignored { message_type };
        let message = match message_type {
            JOIN_PRUNE => {
                let (v, _reserved) = codec::be_u32(v, "reserved")?;
                let (v, interface_id) = codec::be_u64(v, "interface id")?;
                let (_, options) = take_options(v)?;
                match options.join_prune {
                    _ if options.unknown_critical => ignored,
                    Some((family, message)) => Self::JoinPrune { interface_id, family, message },
                    None => return Err(Fail::new(v, "join/prune option", Fault::Truncated)),
                }
            }
            KEEP_ALIVE => {
                let (v, _reserved) = codec::be_u32(v, "reserved")?;
                let (v, holdtime) = codec::be_u16(v, "holdtime")?;
                let (_, options) = take_options(v)?;
                match options.join_prune {
                    Some(_) => return Err(Fail::new(v, "keep-alive option", Fault::Value(1))),
                    None if options.unknown_critical => ignored,
                    None => Self::KeepAlive { holdtime },
                }
            }
            _ => ignored,
        };
        Ok((rest, message))
    }

    /// Parses exactly one message.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::JoinPrune { message, .. } => message.len().saturating_add(20),
            Self::KeepAlive { .. } => 10,
            Self::Ignored { .. } => 0,
        }
    }

    /// Writes the message; nothing for [`Self::Ignored`]. A Join/Prune beyond 65,519 octets does not fit.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = u16::try_from(self.wire_len().saturating_sub(4)).unwrap_or(u16::MAX);
        match *self {
            Self::JoinPrune { interface_id, family, message } => {
                out.put_u16(JOIN_PRUNE);
                out.put_u16(len);
                out.put_u32(0);
                out.put_u64(interface_id);
                out.put_u16(match family {
                    AddressFamily::V4 => OPTION_V4,
                    AddressFamily::V6 => OPTION_V6,
                });
                out.put_u16(u16::try_from(message.len()).unwrap_or(u16::MAX));
                out.put_slice(message);
            }
            Self::KeepAlive { holdtime } => {
                out.put_u16(KEEP_ALIVE);
                out.put_u16(len);
                out.put_u32(0);
                out.put_u16(holdtime);
            }
            Self::Ignored { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const JOIN: &[u8] = &[0, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 9, 10, 0, 0, 1, 0, 1, 0, 4, 0x23, 0, 1, 2];
    const KEEP: &[u8] = &[0, 2, 0, 6, 0, 0, 0, 0, 0, 120];

    #[test]
    fn both_messages_both_ways() {
        let join = PortMessage::parse(JOIN).unwrap();
        let interface_id = 0x0000_0009_0a00_0001;
        let message = &[0x23, 0, 1, 2][..];
        assert_eq!(join, PortMessage::JoinPrune { interface_id, family: AddressFamily::V4, message });
        let keep = PortMessage::parse(KEEP).unwrap();
        assert_eq!(keep, PortMessage::KeepAlive { holdtime: 120 });
        for (message, octets) in [(join, JOIN), (keep, KEEP)] {
            let mut out = Vec::new();
            message.emit(&mut out);
            assert_eq!((&out[..], message.wire_len()), (octets, octets.len()));
            assert_eq!(PortMessage::frame_len(octets), Some(octets.len()));
            for n in 0..octets.len() {
                assert!(PortMessage::parse(&octets[..n]).is_err());
            }
        }
    }

    #[test]
    fn a_critical_option_that_is_not_known_makes_the_message_ignored_and_another_does_not() {
        let with = |kind: u8| [&[0, 2, 0, 10][..], &KEEP[4..], &[kind, 9, 0, 0]].concat();
        assert_eq!(PortMessage::parse(&with(0)), Ok(PortMessage::Ignored { message_type: 2 }));
        assert_eq!(PortMessage::parse(&with(0x80)), Ok(PortMessage::KeepAlive { holdtime: 120 }));
        let without = [0, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(PortMessage::parse(&without).unwrap_err().field, "join/prune option");
    }
}
