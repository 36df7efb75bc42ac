//! MSDP messages: TLVs on a TCP connection to port 639 (RFC 3618 §12).
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use core::net::Ipv4Addr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

/// The longest TLV (RFC 3618 §12.1).
pub const MAX_LEN: u16 = 9192;
/// Octets of type and length.
pub const HEADER_LEN: usize = 3;
/// The TCP port.
pub const PORT: u16 = 639;

/// The type of a TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TlvType(pub u8);

impl TlvType {
    /// IPv4 Source-Active.
    pub const SOURCE_ACTIVE: Self = Self(1);
    /// IPv4 Source-Active Request.
    pub const SOURCE_ACTIVE_REQUEST: Self = Self(2);
    /// IPv4 Source-Active Response.
    pub const SOURCE_ACTIVE_RESPONSE: Self = Self(3);
    /// KeepAlive.
    pub const KEEPALIVE: Self = Self(4);
}

/// A source and the group it sends to.
///
/// ```text
/// +-----------------------------------------------+---------------+
/// |                    Reserved                   |  Sprefix Len  |
/// +-----------------------------------------------+---------------+
/// |                         Group Address                         |
/// +---------------------------------------------------------------+
/// |                         Source Address                        |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SaEntry {
    /// The group.
    pub group: Ipv4Addr,
    /// The source.
    pub source: Ipv4Addr,
}

impl SaEntry {
    /// The least of all.
    pub(super) const FIRST: Self = Self { group: Ipv4Addr::UNSPECIFIED, source: Ipv4Addr::UNSPECIFIED };

    /// Octets of an entry.
    pub const LEN: usize = 12;

    fn read(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; 12] = octets.try_into().ok()?;
        let [_, _, _, _, group @ .., s0, s1, s2, s3] = octets;
        Some(Self { group: Ipv4Addr::from(*group), source: Ipv4Addr::new(*s0, *s1, *s2, *s3) })
    }

    /// Writes the entry, with the only prefix length that may be sent.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(32);
        out.put_slice(&self.group.octets());
        out.put_slice(&self.source.octets());
    }
}

/// The entries of a message, unread: the octets are a whole number of them, with Sprefix Len 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaEntries<'a>(&'a [u8]);

impl<'a> SaEntries<'a> {
    fn take(i: &'a [u8], n: u8) -> Take<'a, Self> {
        let (rest, octets) = codec::octets(i, usize::from(n).saturating_mul(SaEntry::LEN), "entries")?;
        for entry in octets.chunks(SaEntry::LEN) {
            if let Some(len) = entry.get(3).filter(|len| **len != 32) {
                return Err(Fail::new(entry, "Sprefix Len", Fault::Value(u32::from(*len))));
            }
        }
        Ok((rest, Self(octets)))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u8 {
        u8::try_from(self.0.len().checked_div(SaEntry::LEN).unwrap_or(0)).unwrap_or(u8::MAX)
    }

    /// The entries in wire order.
    pub fn iter(&self) -> impl Iterator<Item = SaEntry> + use<'a> {
        self.0.chunks(SaEntry::LEN).filter_map(SaEntry::read)
    }
}

/// A message.
///
/// ```text
/// +---------------+-------------------------------+---------------+
/// |     Type      |            Length             |  Entry Count  |
/// +---------------+-------------------------------+---------------+
/// |                          RP Address                           |   Source-Active, Response
/// +---------------------------------------------------------------+
/// |                    entries, encapsulated data                 |
/// +---------------------------------------------------------------+
/// ```
///
/// The length counts the whole TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tlv<'a> {
    /// Sources in the domain of an RP.
    SourceActive {
        /// The RP.
        rp: Ipv4Addr,
        /// The sources.
        entries: SaEntries<'a>,
        /// An IPv4 packet of the last entry, or nothing.
        data: &'a [u8],
    },
    /// A question for the sources of a group (RFC 3618 §12.2; of no use since caches are mandatory).
    Request(Ipv4Addr),
    /// Its answer.
    Response {
        /// The RP.
        rp: Ipv4Addr,
        /// The sources.
        entries: SaEntries<'a>,
    },
    /// The peer is there.
    KeepAlive,
    /// Another type.
    Unknown {
        /// Its type.
        kind: TlvType,
        /// Its value.
        value: &'a [u8],
    },
}

/// The length of the TLV at the front of a stream; `None` while its header is not there.
///
/// # Errors
/// A length that no TLV has: the session cannot go on. A length above [`MAX_LEN`] is none of these (RFC 3618 §12).
pub fn frame_len(octets: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(&[kind, high, low]) = octets.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let least = if TlvType(kind) == TlvType::KEEPALIVE { HEADER_LEN } else { 4 };
    if len < least {
        return Err(Malformed { offset: 1, field: "Length", fault: Fault::Length(len) });
    }
    Ok(Some(len))
}

impl<'a> Tlv<'a> {
    /// Takes a TLV.
    ///
    /// # Errors
    /// A length that its type does not have, or entries with another prefix length than 32.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (value, kind) = codec::be_u8(i, "Type")?;
        let (value, len) = codec::be_u16(value, "Length")?;
        let Some(len) = usize::from(len).checked_sub(HEADER_LEN) else {
            return Err(Fail::new(i, "Length", Fault::Length(usize::from(len))));
        };
        let (rest, value) = codec::octets(value, len, "Value")?;
        let tlv = match TlvType(kind) {
            TlvType::SOURCE_ACTIVE => {
                let (data, (rp, entries)) = take_entries(value)?;
                Self::SourceActive { rp, entries, data }
            }
            TlvType::SOURCE_ACTIVE_REQUEST => {
                let (value, _reserved) = codec::be_u8(value, "Reserved")?;
                let (end, group) = codec::array::<4>(value, "Group Address")?;
                end_of(end)?;
                Self::Request(Ipv4Addr::from(group))
            }
            TlvType::SOURCE_ACTIVE_RESPONSE => {
                let (end, (rp, entries)) = take_entries(value)?;
                end_of(end)?;
                Self::Response { rp, entries }
            }
            TlvType::KEEPALIVE => {
                end_of(value)?;
                Self::KeepAlive
            }
            kind => Self::Unknown { kind, value },
        };
        Ok((rest, tlv))
    }

    /// Parses one TLV.
    ///
    /// # Errors
    /// As [`Self::take`], and octets after it.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::SourceActive { entries, data, .. } => entries.0.len().saturating_add(data.len()).saturating_add(8),
            Self::Request(_) => 8,
            Self::Response { entries, .. } => entries.0.len().saturating_add(8),
            Self::KeepAlive => HEADER_LEN,
            Self::Unknown { value, .. } => value.len().saturating_add(HEADER_LEN),
        }
    }

    /// Writes the TLV.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = u16::try_from(self.wire_len()).unwrap_or(u16::MAX);
        let mut head = |kind: TlvType| {
            out.put_u8(kind.0);
            out.put_u16(len);
        };
        match self {
            Self::SourceActive { rp, entries, data } => {
                head(TlvType::SOURCE_ACTIVE);
                emit_entries(*rp, entries, out);
                out.put_slice(data);
            }
            Self::Request(group) => {
                head(TlvType::SOURCE_ACTIVE_REQUEST);
                out.put_u8(0);
                out.put_slice(&group.octets());
            }
            Self::Response { rp, entries } => {
                head(TlvType::SOURCE_ACTIVE_RESPONSE);
                emit_entries(*rp, entries, out);
            }
            Self::KeepAlive => head(TlvType::KEEPALIVE),
            Self::Unknown { kind, value } => {
                head(*kind);
                out.put_slice(value);
            }
        }
    }
}

fn end_of(rest: &[u8]) -> Result<(), nom::Err<Fail<'_>>> {
    if rest.is_empty() { Ok(()) } else { Err(Fail::new(rest, "Length", Fault::Trailing(rest.len()))) }
}

fn take_entries(value: &[u8]) -> Take<'_, (Ipv4Addr, SaEntries<'_>)> {
    let (value, n) = codec::be_u8(value, "Entry Count")?;
    let (value, rp) = codec::array::<4>(value, "RP Address")?;
    let (rest, entries) = SaEntries::take(value, n)?;
    Ok((rest, (Ipv4Addr::from(rp), entries)))
}

fn emit_entries(rp: Ipv4Addr, entries: &SaEntries<'_>, out: &mut impl BufMut) {
    out.put_u8(entries.count());
    out.put_slice(&rp.octets());
    for entry in entries.iter() {
        entry.emit(out);
    }
}

/// Writes a Source-Active of these entries, of which those beyond 255 are left out.
pub fn emit_source_active(rp: Ipv4Addr, entries: &[SaEntry], data: &[u8], out: &mut impl BufMut) {
    let entries = entries.get(..255).unwrap_or(entries);
    let len = entries.len().saturating_mul(SaEntry::LEN).saturating_add(data.len()).saturating_add(8);
    out.put_u8(TlvType::SOURCE_ACTIVE.0);
    out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
    out.put_u8(u8::try_from(entries.len()).unwrap_or(u8::MAX));
    out.put_slice(&rp.octets());
    for entry in entries {
        entry.emit(out);
    }
    out.put_slice(data);
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Shows: L3VPN-8.9-4
    #[test]
    fn messages_as_the_figures_have_them() {
        let (rp, entry) = (
            Ipv4Addr::new(192, 0, 2, 1),
            SaEntry { group: Ipv4Addr::new(225, 1, 2, 3), source: Ipv4Addr::new(198, 51, 100, 7) },
        );
        let octets = [1, 0, 22, 1, 192, 0, 2, 1, 0, 0, 0, 32, 225, 1, 2, 3, 198, 51, 100, 7, 0xab, 0xcd];
        let Ok(Tlv::SourceActive { rp: read, entries, data }) = Tlv::parse(&octets) else { panic!() };
        assert_eq!((read, entries.iter().collect::<Vec<_>>(), data), (rp, [entry].into(), &[0xab, 0xcd][..]));
        let mut out = Vec::new();
        emit_source_active(rp, &[entry], &[0xab, 0xcd], &mut out);
        assert_eq!(out, octets);
        assert_eq!(Tlv::parse(&[4, 0, 3]), Ok(Tlv::KeepAlive));
        assert_eq!(Tlv::parse(&[2, 0, 8, 0, 225, 1, 2, 3]), Ok(Tlv::Request(entry.group)));
        let response = [3, 0, 20, 1, 192, 0, 2, 1, 0, 0, 0, 32, 225, 1, 2, 3, 198, 51, 100, 7];
        for octets in [&octets[..], &[4, 0, 3], &[2, 0, 8, 0, 225, 1, 2, 3], &response, &[6, 0, 5, 1, 2]] {
            let tlv = Tlv::parse(octets).unwrap();
            let mut out = Vec::new();
            tlv.emit(&mut out);
            assert_eq!((out.len(), &out[..]), (tlv.wire_len(), octets));
            for n in 0..octets.len() {
                assert!(Tlv::parse(&octets[..n]).is_err());
            }
        }
    }

    #[test]
    fn faults_and_frames() {
        let wrong_prefix = [1, 0, 20, 1, 192, 0, 2, 1, 0, 0, 0, 24, 225, 1, 2, 3, 198, 51, 100, 7];
        let m = Tlv::parse(&wrong_prefix).unwrap_err();
        assert_eq!((m.offset, m.field, m.fault), (8, "Sprefix Len", Fault::Value(24)));
        assert_eq!(Tlv::parse(&[4, 0, 4, 0]).unwrap_err().fault, Fault::Trailing(1));
        assert_eq!(frame_len(&[4, 0]), Ok(None));
        assert_eq!(frame_len(&[4, 0, 3, 1]), Ok(Some(3)));
        assert_eq!(frame_len(&[1, 0, 3]).unwrap_err().fault, Fault::Length(3));
        assert_eq!(frame_len(&[4, 0, 2]).unwrap_err().fault, Fault::Length(2));
        assert_eq!(frame_len(&[1, 0xff, 0xff]), Ok(Some(0xffff)));
    }
}
