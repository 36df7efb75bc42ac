//! Query, Request and Reply (RFC 8487 §3.2.1 to §3.2.3).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::block::Block;
use crate::address::Address;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MessageKind {
    /// 1, of a client to a last-hop router or an RP.
    Query,
    /// 2, from router to router towards the source.
    Request,
    /// 3, of the last router to the client.
    Reply,
}

/// A message of either family.
///
/// ```text
/// +------+--------+------+-----------+--------+--------+--------------+-----------------+
/// | Type | Length | Hops | Multicast | Source | Client | Query ID (2) | Client Port (2) |  blocks ...
/// +------+--------+------+-----------+--------+--------+--------------+-----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceMessage<A> {
    /// What it is.
    pub kind: MessageKind,
    /// The most hops.
    pub hops: u8,
    /// The group; [`Self::any`] for none.
    pub group: A,
    /// The source; [`Self::any`] for none.
    pub source: A,
    /// Who asks.
    pub client: A,
    /// The client's number of the query.
    pub id: u16,
    /// The client's UDP port.
    pub port: u16,
    /// The blocks.
    pub blocks: Vec<Block>,
}

impl<A: Address> TraceMessage<A> {
    const V4: bool = A::LEN == 4;
    const HEADER: usize = if Self::V4 { 20 } else { 56 };

    /// What stands for no group or no source: all ones in IPv4, the unspecified address in IPv6.
    #[must_use]
    pub fn any() -> A {
        let ones = [0xff; 4];
        if Self::V4 { A::split(&ones).map_or(A::UNSPECIFIED, |(a, _)| a) } else { A::UNSPECIFIED }
    }

    /// Parses a UDP payload. A block that the message has no room for is left out with all that follows it (RFC 8487 §3).
    ///
    /// # Errors
    /// Truncated input, a wrong length, an unknown type of message or block.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Takes a message: all of the input.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, kind) = codec::be_u8(i, "message type")?;
        let kind = match kind {
            1 => MessageKind::Query,
            2 => MessageKind::Request,
            3 => MessageKind::Reply,
            other => return Err(Fail::new(i, "message type", Fault::Value(u32::from(other)))),
        };
        let (rest, len) = codec::be_u16(rest, "message length")?;
        if usize::from(len) != Self::HEADER {
            return Err(Fail::new(i, "message length", Fault::Length(usize::from(len))));
        }
        let (rest, hops) = codec::be_u8(rest, "hops")?;
        let (rest, group) = take_address(rest, "multicast address")?;
        let (rest, source) = take_address(rest, "source address")?;
        let (rest, client) = take_address(rest, "client address")?;
        let (rest, id) = codec::be_u16(rest, "query id")?;
        let (mut rest, port) = codec::be_u16(rest, "client port")?;
        let mut blocks = Vec::new();
        while let Some((_, more)) = rest.split_first_chunk::<3>() {
            let announced = rest.get(1..3).map_or(0, |l| l.iter().fold(0_usize, |n, o| n << 8 | usize::from(*o)));
            if announced > more.len().saturating_add(3) {
                break;
            }
            let (after, block) = Block::take(rest, Self::V4)?;
            blocks.push(block);
            rest = after;
        }
        Ok((&[], Self { kind, hops, group, source, client, id, port, blocks }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.blocks.iter().fold(Self::HEADER, |n, block| n.saturating_add(block.wire_len()))
    }

    /// Writes the message.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(match self.kind {
            MessageKind::Query => 1,
            MessageKind::Request => 2,
            MessageKind::Reply => 3,
        });
        out.put_u16(u16::try_from(Self::HEADER).unwrap_or(u16::MAX));
        out.put_u8(self.hops);
        [self.group, self.source, self.client].iter().for_each(|a| a.emit(out));
        out.put_u16(self.id);
        out.put_u16(self.port);
        self.blocks.iter().for_each(|block| block.emit(out));
    }

    /// The message as octets.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_len());
        self.emit(&mut out);
        out
    }
}

fn take_address<'a, A: Address>(i: &'a [u8], field: &'static str) -> Take<'a, A> {
    match A::split(i) {
        Some((address, rest)) => Ok((rest, address)),
        None => Err(Fail::new(i, field, Fault::Truncated)),
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: Address + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for TraceMessage<A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (kind, hops, group, source, client) = u.arbitrary()?;
        let (id, port) = u.arbitrary()?;
        let mut blocks = Vec::new();
        for _ in 0..u.int_in_range(0..=5)? {
            blocks.push(Block::arbitrary_of(Self::V4, u)?);
        }
        Ok(Self { kind, hops, group, source, client, id, port, blocks })
    }
}
