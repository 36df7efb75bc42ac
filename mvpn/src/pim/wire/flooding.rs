//! PIM Flooding Mechanism and source discovery (RFC 8364 §3.1, §4.1).

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::bootstrap::NO_FORWARD;
use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

/// The Group Source Holdtime TLV (type 1): Encoded-Group, source count (2), holdtime (2), Encoded-Unicast ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSourceHoldtime {
    /// The group.
    pub group: EncodedGroup,
    /// Seconds.
    pub holdtime: u16,
    /// Active sources.
    pub sources: Vec<IpAddr>,
}

/// A TLV of a PFM message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FloodingTlv {
    /// Type 1.
    GroupSourceHoldtime(GroupSourceHoldtime),
    /// Another type, 15 bits.
    Other {
        /// Type.
        kind: u16,
        /// Value.
        value: Vec<u8>,
    },
}

/// A PFM message: originator (Encoded-Unicast), then TLVs of T (1 bit), type (15), length (2), value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flooding {
    /// N, the highest flag of the message header: not to be forwarded.
    pub no_forward: bool,
    /// The router that the message comes from.
    pub originator: IpAddr,
    /// T (routers that do not know the type forward it) and the TLV.
    pub tlvs: Vec<(bool, FloodingTlv)>,
}

const TRANSITIVE: u16 = 0x8000;

impl GroupSourceHoldtime {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (i, count) = codec::be_u16(i, "source count")?;
        let (mut i, holdtime) = codec::be_u16(i, "source holdtime")?;
        let mut sources = Vec::new();
        for _ in 0..count {
            let (rest, source) = take_unicast(i, "source")?;
            sources.push(source);
            i = rest;
        }
        Ok((i, Self { group, holdtime, sources }))
    }

    fn wire_len(&self) -> usize {
        self.sources.iter().fold(self.group.wire_len().saturating_add(4), |n, s| n.saturating_add(unicast_len(*s)))
    }
}

impl FloodingTlv {
    fn take(i: &[u8]) -> Take<'_, (bool, Self)> {
        let (i, kind) = codec::be_u16(i, "tlv type")?;
        let (i, len) = codec::be_u16(i, "tlv length")?;
        let (rest, v) = codec::octets(i, usize::from(len), "tlv value")?;
        let tlv = match kind & !TRANSITIVE {
            1 => match GroupSourceHoldtime::take(v)? {
                ([], gsh) => Self::GroupSourceHoldtime(gsh),
                (over, _) => return Err(Fail::new(over, "tlv length", Fault::Trailing(over.len()))),
            },
            kind => Self::Other { kind, value: v.to_vec() },
        };
        Ok((rest, (kind & TRANSITIVE != 0, tlv)))
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::GroupSourceHoldtime(_) => 1,
            Self::Other { kind, .. } => *kind,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::GroupSourceHoldtime(gsh) => gsh.wire_len(),
            Self::Other { value, .. } => value.len(),
        }
    }

    fn emit(&self, transitive: bool, out: &mut impl BufMut) {
        out.put_u16(self.kind() & !TRANSITIVE | if transitive { TRANSITIVE } else { 0 });
        out.put_u16(u16::try_from(self.value_len()).unwrap_or(u16::MAX));
        match self {
            Self::GroupSourceHoldtime(gsh) => {
                gsh.group.emit(out);
                out.put_u16(u16::try_from(gsh.sources.len()).unwrap_or(u16::MAX));
                out.put_u16(gsh.holdtime);
                gsh.sources.iter().for_each(|s| emit_unicast(*s, out));
            }
            Self::Other { value, .. } => out.put_slice(value),
        }
    }
}

impl Flooding {
    /// Takes the body, up to the end of the input; `flags` are those of the message header.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8], flags: u8) -> Take<'_, Self> {
        let (mut i, originator) = take_unicast(i, "originator")?;
        let mut tlvs = Vec::new();
        while !i.is_empty() {
            let (rest, tlv) = FloodingTlv::take(i)?;
            tlvs.push(tlv);
            i = rest;
        }
        Ok((i, Self { no_forward: flags & NO_FORWARD != 0, originator, tlvs }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8], flags: u8) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, flags))
    }

    /// The flags of the message header.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        if self.no_forward { NO_FORWARD } else { 0 }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.tlvs
            .iter()
            .fold(unicast_len(self.originator), |n, (_, t)| n.saturating_add(4).saturating_add(t.value_len()))
    }

    /// Writes the body. A TLV beyond 65,535 octets is not valid and its length field is then wrong.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_unicast(self.originator, out);
        self.tlvs.iter().for_each(|(transitive, tlv)| tlv.emit(*transitive, out));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Flooding {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut tlvs = Vec::new();
        for _ in 0..u.int_in_range(0..=3)? {
            let tlv = if u.arbitrary()? {
                let (group, holdtime) = (u.arbitrary()?, u.arbitrary()?);
                FloodingTlv::GroupSourceHoldtime(GroupSourceHoldtime { group, holdtime, sources: u.arbitrary()? })
            } else {
                FloodingTlv::Other { kind: u.int_in_range(2..=0x7fff)?, value: u.arbitrary()? }
            };
            tlvs.push((u.arbitrary()?, tlv));
        }
        Ok(Self { no_forward: u.arbitrary()?, originator: u.arbitrary()?, tlvs })
    }
}
