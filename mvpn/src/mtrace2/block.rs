//! Response blocks and extended query blocks (RFC 8487 §3.2.4 to §3.2.7).

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

/// Type of a Standard Response Block.
const STANDARD: u8 = 4;
/// Type of an Augmented Response Block.
const AUGMENTED: u8 = 5;
/// Type of an Extended Query Block.
const EXTENDED: u8 = 6;

/// The Forwarding Code of a hop (RFC 8487 §3.2.4); unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ForwardingCode(pub u8);

impl ForwardingCode {
    /// No error.
    pub const NO_ERROR: Self = Self(0);
    /// Arrived on an interface that packets do not leave by.
    pub const WRONG_IF: Self = Self(1);
    /// A Prune was sent upstream.
    pub const PRUNE_SENT: Self = Self(2);
    /// A Prune came from downstream.
    pub const PRUNE_RCVD: Self = Self(3);
    /// An administrative scope ends here.
    pub const SCOPED: Self = Self(4);
    /// No route to the source or of the group.
    pub const NO_ROUTE: Self = Self(5);
    /// Not the last-hop router.
    pub const WRONG_LAST_HOP: Self = Self(6);
    /// Not forwarding, for another reason.
    pub const NOT_FORWARDING: Self = Self(7);
    /// The RP.
    pub const REACHED_RP: Self = Self(8);
    /// Arrived on the interface that packets come in by.
    pub const RPF_IF: Self = Self(9);
    /// Arrived on an interface without multicast.
    pub const NO_MULTICAST: Self = Self(10);
    /// Hops are hidden.
    pub const INFO_HIDDEN: Self = Self(11);
    /// A gateway hides what is behind it.
    pub const REACHED_GW: Self = Self(12);
    /// An extended query that is not transitive is not known.
    pub const UNKNOWN_QUERY: Self = Self(13);
    /// The upstream router cannot be sent to.
    pub const FATAL_ERROR: Self = Self(0x80);
    /// No room for another block.
    pub const NO_SPACE: Self = Self(0x81);
    /// Prohibited by the operator.
    pub const ADMIN_PROHIB: Self = Self(0x83);
}

/// Where packets go through a router: what the two families say differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Hop {
    /// IPv4.
    V4 {
        /// Address of the incoming interface; unspecified if unknown.
        incoming: Ipv4Addr,
        /// Address of the outgoing interface.
        outgoing: Ipv4Addr,
        /// The upstream router.
        upstream: Ipv4Addr,
        /// TTL threshold of the outgoing interface.
        ttl: u8,
    },
    /// IPv6.
    V6 {
        /// Number of the incoming interface; zero if unknown.
        incoming: u32,
        /// Number of the outgoing interface.
        outgoing: u32,
        /// A global address of the router.
        local: Ipv6Addr,
        /// The upstream router.
        remote: Ipv6Addr,
    },
}

/// Counts of packets; all ones where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Packets {
    /// Multicast packets received on the incoming interface.
    pub incoming: u64,
    /// Multicast packets sent on the outgoing interface.
    pub outgoing: u64,
    /// Packets of the source and group.
    pub of_source: u64,
}

impl Packets {
    /// None can be reported.
    pub const UNKNOWN: Self = Self { incoming: u64::MAX, outgoing: u64::MAX, of_source: u64::MAX };
}

/// A Standard Response Block.
///
/// ```text
/// +------+--------+-----+--------------+---------------------------+------------------+
/// | Type | Length | MBZ | Arrival (4)  | interfaces, routers       | counts (3 × 8)   |
/// +------+--------+-----+--------------+---------------------------+------------------+
/// | Rtg Protocol (2) | Multicast Rtg Protocol (2) | TTL | MBZ S Mask | Forwarding Code |
/// +------------------+----------------------------+-----+------------+-----------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardBlock {
    /// When the Query or Request came: the middle 32 bits of an NTP timestamp.
    pub arrival: u32,
    /// Where packets go.
    pub hop: Hop,
    /// Counts.
    pub packets: Packets,
    /// Unicast routing protocol, by IANAipRouteProtocol; zero if unknown.
    pub routing: u16,
    /// Multicast routing protocol, by IANAipMRouteProtocol; zero if unknown.
    pub multicast_routing: u16,
    /// S: the count is of the source's network.
    pub source_network: bool,
    /// Src Mask or Src Prefix Len, 7 or 8 bits; all ones for state of the group alone.
    pub mask: u8,
    /// The code.
    pub code: ForwardingCode,
}

impl StandardBlock {
    /// A block with nothing in it but the code (RFC 8487 §4.1.1).
    #[must_use]
    pub const fn empty(v4: bool, code: ForwardingCode) -> Self {
        let hop = if v4 {
            let zero = Ipv4Addr::UNSPECIFIED;
            Hop::V4 { incoming: zero, outgoing: zero, upstream: zero, ttl: 0 }
        } else {
            let zero = Ipv6Addr::UNSPECIFIED;
            Hop::V6 { incoming: 0, outgoing: 0, local: zero, remote: zero }
        };
        let packets = Packets { incoming: 0, outgoing: 0, of_source: 0 };
        let (routing, multicast_routing, source_network) = (0, 0, false);
        Self { arrival: 0, hop, packets, routing, multicast_routing, source_network, mask: 0, code }
    }

    /// Octets of a block.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::len_of(matches!(self.hop, Hop::V4 { .. }))
    }

    const fn len_of(v4: bool) -> usize {
        if v4 { 52 } else { 80 }
    }

    fn take_value(i: &[u8], v4: bool) -> Take<'_, Self> {
        let (i, _mbz) = codec::be_u8(i, "MBZ")?;
        let (i, arrival) = codec::be_u32(i, "query arrival time")?;
        let (i, mut hop) = if v4 { take_hop4(i)? } else { take_hop6(i)? };
        let (i, incoming) = codec::be_u64(i, "input packet count")?;
        let (i, outgoing) = codec::be_u64(i, "output packet count")?;
        let (i, of_source) = codec::be_u64(i, "total packets")?;
        let (i, routing) = codec::be_u16(i, "rtg protocol")?;
        let (i, multicast_routing) = codec::be_u16(i, "multicast rtg protocol")?;
        let (i, [first, second, mask, code]) = codec::array::<4>(i, "fwd ttl")?;
        let (source_network, mask) = match &mut hop {
            Hop::V4 { ttl, .. } => {
                *ttl = first;
                (mask & 0x80 != 0, mask & 0x7f)
            }
            // MBZ 2 has 15 bits, and S is the last of the two octets.
            Hop::V6 { .. } => (second & 1 != 0, mask),
        };
        let packets = Packets { incoming, outgoing, of_source };
        let code = ForwardingCode(code);
        Ok((i, Self { arrival, hop, packets, routing, multicast_routing, source_network, mask, code }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        put_head(STANDARD, self.wire_len(), 0, out);
        out.put_u32(self.arrival);
        let ttl = match self.hop {
            Hop::V4 { incoming, outgoing, upstream, ttl } => {
                [incoming, outgoing, upstream].iter().for_each(|a| out.put_slice(&a.octets()));
                ttl
            }
            Hop::V6 { incoming, outgoing, local, remote } => {
                out.put_u32(incoming);
                out.put_u32(outgoing);
                [local, remote].iter().for_each(|a| out.put_slice(&a.octets()));
                0
            }
        };
        let Packets { incoming, outgoing, of_source } = self.packets;
        [incoming, outgoing, of_source].iter().for_each(|n| out.put_u64(*n));
        out.put_u16(self.routing);
        out.put_u16(self.multicast_routing);
        let s = u8::from(self.source_network);
        match self.hop {
            Hop::V4 { .. } => out.put_slice(&[ttl, 0, s << 7 | self.mask & 0x7f, self.code.0]),
            Hop::V6 { .. } => out.put_slice(&[0, s, self.mask, self.code.0]),
        }
    }
}

fn take_hop4(i: &[u8]) -> Take<'_, Hop> {
    let (i, incoming) = codec::array::<4>(i, "incoming interface address")?;
    let (i, outgoing) = codec::array::<4>(i, "outgoing interface address")?;
    let (i, upstream) = codec::array::<4>(i, "upstream router address")?;
    let hop = Hop::V4 { incoming: incoming.into(), outgoing: outgoing.into(), upstream: upstream.into(), ttl: 0 };
    Ok((i, hop))
}

fn take_hop6(i: &[u8]) -> Take<'_, Hop> {
    let (i, incoming) = codec::be_u32(i, "incoming interface id")?;
    let (i, outgoing) = codec::be_u32(i, "outgoing interface id")?;
    let (i, local) = codec::array::<16>(i, "local address")?;
    let (i, remote) = codec::array::<16>(i, "remote address")?;
    Ok((i, Hop::V6 { incoming, outgoing, local: local.into(), remote: remote.into() }))
}

/// Augmented Response Type (RFC 8487 §3.2.6); unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AugmentedType(pub u16);

impl AugmentedType {
    /// How many Standard Response Blocks were returned already, two octets.
    pub const RETURNED: Self = Self(1);
}

/// A block behind the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Of a router on the path.
    Standard(StandardBlock),
    /// More of the same router: the type, and a value whose length is two more than a multiple of four.
    Augmented(AugmentedType, Vec<u8>),
    /// More that a client asks for.
    Extended {
        /// T: a router that does not know the type passes it on.
        transitive: bool,
        /// The type.
        query: u16,
        /// The value, with a length two more than a multiple of four.
        value: Vec<u8>,
    },
}

impl Block {
    /// How many Standard Response Blocks were returned already.
    #[must_use]
    pub fn returned(count: u16) -> Self {
        Self::Augmented(AugmentedType::RETURNED, count.to_be_bytes().to_vec())
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Standard(block) => block.wire_len(),
            Self::Augmented(_, value) | Self::Extended { value, .. } => value.len().saturating_add(6),
        }
    }

    /// Takes one block of a message of the family.
    ///
    /// # Errors
    /// Truncated input, a length that is no multiple of four or not the type's, an unknown type.
    pub fn take(i: &[u8], v4: bool) -> Take<'_, Self> {
        let (rest, kind) = codec::be_u8(i, "block type")?;
        let (rest, len) = codec::be_u16(rest, "block length")?;
        let wrong = Fail::new(i, "block length", Fault::Length(usize::from(len)));
        let Some(value_len) = usize::from(len).checked_sub(3).filter(|_| len % 4 == 0 && len >= 4) else {
            return Err(wrong);
        };
        let (rest, value) = codec::octets(rest, value_len, "block value")?;
        let block = match kind {
            STANDARD if usize::from(len) == StandardBlock::len_of(v4) => {
                Self::Standard(StandardBlock::take_value(value, v4)?.1)
            }
            STANDARD => return Err(wrong),
            AUGMENTED => {
                let (value, _mbz) = codec::be_u8(value, "MBZ")?;
                let (value, kind) = codec::be_u16(value, "augmented response type")?;
                Self::Augmented(AugmentedType(kind), value.to_vec())
            }
            EXTENDED => {
                let (value, bits) = codec::be_u8(value, "T bit")?;
                let (value, query) = codec::be_u16(value, "extended query type")?;
                Self::Extended { transitive: bits & 1 != 0, query, value: value.to_vec() }
            }
            other => return Err(Fail::new(i, "block type", Fault::Value(u32::from(other)))),
        };
        Ok((rest, block))
    }

    /// Writes the block.
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Standard(block) => block.emit(out),
            Self::Augmented(kind, value) => {
                put_head(AUGMENTED, self.wire_len(), 0, out);
                out.put_u16(kind.0);
                out.put_slice(value);
            }
            Self::Extended { transitive, query, value } => {
                put_head(EXTENDED, self.wire_len(), u8::from(*transitive), out);
                out.put_u16(*query);
                out.put_slice(value);
            }
        }
    }
}

/// Type, length and the octet after them.
fn put_head(kind: u8, len: usize, octet: u8, out: &mut impl BufMut) {
    out.put_u8(kind);
    out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
    out.put_u8(octet);
}

#[cfg(feature = "arbitrary")]
impl Block {
    /// A generator, for messages of one family.
    ///
    /// # Errors
    /// Not enough data.
    pub fn arbitrary_of(v4: bool, u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
        let value = |u: &mut arbitrary::Unstructured<'_>| -> arbitrary::Result<Vec<u8>> {
            let words = u.int_in_range(0..=3_usize)?;
            Ok(u.bytes(words.saturating_mul(4).saturating_add(2))?.to_vec())
        };
        Ok(match u.int_in_range(0..=2)? {
            0 => {
                let mut block = StandardBlock::empty(v4, u.arbitrary()?);
                block.hop = if v4 {
                    let (incoming, outgoing, upstream, ttl) = u.arbitrary()?;
                    Hop::V4 { incoming, outgoing, upstream, ttl }
                } else {
                    let (incoming, outgoing, local, remote) = u.arbitrary()?;
                    Hop::V6 { incoming, outgoing, local, remote }
                };
                block.mask = if v4 { u.int_in_range(0..=0x7f)? } else { u.arbitrary()? };
                (block.arrival, block.packets, block.routing) = u.arbitrary()?;
                (block.multicast_routing, block.source_network) = u.arbitrary()?;
                Self::Standard(block)
            }
            1 => Self::Augmented(u.arbitrary()?, value(u)?),
            _ => Self::Extended { transitive: u.arbitrary()?, query: u.arbitrary()?, value: value(u)? },
        })
    }
}
