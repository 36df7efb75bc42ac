//! L2VPN NLRI of family 25/65: label blocks (RFC 4761 §3.2.2, RFC 6624 §3) and auto-discovery (RFC 6074 §3.2.2.1).

use core::net::Ipv4Addr;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Label;

use super::nlris::{emit_path_id, take_path_id};
use super::{Nlri, NlriFormat, PathId, RouteDistinguisher};

/// A label block of a VE: the remote VE with identifier V has label `label_base + V - offset`, if that is within the block.
///
/// ```text
/// +------------------------------------+
/// | RD (8)                             |
/// +------------------------------------+
/// | VE ID (2)                          |
/// +------------------------------------+
/// | VE Block Offset (2)                |
/// +------------------------------------+
/// | VE Block Size (2)                  |
/// +------------------------------------+
/// | Label Base (3), high 20 bits       |
/// +------------------------------------+
/// | TLVs (RFC 6624): none in a VPLS    |
/// +------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VeBlock<'a> {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// VE ID: of the PE in the VPLS.
    pub ve_id: u16,
    /// VE Block Offset: the first remote VE ID that the block serves.
    pub offset: u16,
    /// VE Block Size: how many.
    pub size: u16,
    /// Label Base as three octets: the label in the high 20 bits, the others kept as they are.
    pub label_base: [u8; 3],
    /// TLVs as octets.
    pub tlvs: &'a [u8],
}

impl<'a> VeBlock<'a> {
    /// Octets without TLVs.
    pub const LEN: usize = 17;

    /// Whether a route of 17 octets or more is a label block: TLVs fill what follows the label base, and none is of type 0.
    pub(super) fn is_block(route: &[u8]) -> bool {
        let Some(mut rest) = route.get(Self::LEN..) else { return false };
        while !rest.is_empty() {
            match L2vpnTlv::take(rest) {
                Ok((after, tlv)) if tlv.kind != 0 => rest = after,
                _ => return false,
            }
        }
        true
    }

    /// The first label of the block.
    #[must_use]
    pub const fn first_label(&self) -> Label {
        let [a, b, c] = self.label_base;
        Label::from_low_bits(u32::from_be_bytes([0, a, b, c]) >> 4)
    }

    /// The octets of Label Base for a label.
    #[must_use]
    pub const fn label_octets(label: Label) -> [u8; 3] {
        let [_, a, b, c] = (label.value() << 4).to_be_bytes();
        [a, b, c]
    }

    /// The label that the VE of this identifier uses towards the sender (RFC 4761 §3.2.1); `None` outside the block.
    #[must_use]
    pub fn label_of(&self, ve_id: u16) -> Option<Label> {
        let at = ve_id.checked_sub(self.offset).filter(|at| *at < self.size)?;
        Label::new(self.first_label().value().checked_add(u32::from(at))?)
    }

    /// The TLVs: type and value, of which the second number says how many bits count; up to one that overruns the NLRI.
    pub fn tlvs(&self) -> impl Iterator<Item = L2vpnTlv<'a>> + use<'a> {
        let mut rest = self.tlvs;
        core::iter::from_fn(move || {
            let (after, tlv) = L2vpnTlv::take(rest).ok()?;
            rest = after;
            Some(tlv)
        })
    }
}

/// A TLV of a label block (RFC 6624 §3): type (1), length in bits (2), value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L2vpnTlv<'a> {
    /// Type.
    pub kind: u8,
    /// Bits of the value that count.
    pub bits: u16,
    /// As many octets as hold the bits.
    pub value: &'a [u8],
}

impl<'a> L2vpnTlv<'a> {
    /// Type: circuit status vector (RFC 6624 §3.1), a bit for each label of the block; 1 is down.
    pub const CIRCUIT_STATUS_VECTOR: u8 = 1;

    /// Takes one TLV.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, kind) = codec::be_u8(i, "TLV type")?;
        let (i, bits) = codec::be_u16(i, "TLV length")?;
        let (i, value) = codec::octets(i, usize::from(bits.div_ceil(8)), "TLV value")?;
        Ok((i, Self { kind, bits, value }))
    }

    /// Whether bit `n`, counted from the most significant, is set.
    #[must_use]
    pub fn is_set(&self, n: u16) -> bool {
        n < self.bits && self.value.get(usize::from(n >> 3)).is_some_and(|octet| (octet << (n & 7)) & 0x80 != 0)
    }
}

/// A route of family 25/65, told apart by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VplsRoute<'a> {
    /// 17 octets, or more that TLVs fill: a label block.
    VeBlock(VeBlock<'a>),
    /// 12 octets: a VSI of a PE (RFC 6074 §3.2.2.1).
    AutoDiscovery {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// The PE's address: an identifier of its VSI.
        pe: Ipv4Addr,
    },
    /// Anything else, kept as octets: some PEs announce themselves with an IPv6 address behind the RD.
    Other(&'a [u8]),
}

/// An NLRI of family 25/65.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length (2), in octets     |
/// +---------------------------+
/// | route                     |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VplsNlri<'a> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The route.
    pub route: VplsRoute<'a>,
}

impl<'a> VplsRoute<'a> {
    /// Takes a route: all of the input.
    ///
    /// # Errors
    /// Fewer octets than a route distinguisher.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        match i.len() {
            12 => {
                let (i, rd) = RouteDistinguisher::take(i)?;
                let (i, pe) = codec::be_u32(i, "PE address")?;
                Ok((i, Self::AutoDiscovery { rd, pe: Ipv4Addr::from_bits(pe) }))
            }
            VeBlock::LEN.. if VeBlock::is_block(i) => {
                let (i, rd) = RouteDistinguisher::take(i)?;
                let (i, ve_id) = codec::be_u16(i, "VE ID")?;
                let (i, offset) = codec::be_u16(i, "VE block offset")?;
                let (i, size) = codec::be_u16(i, "VE block size")?;
                let (tlvs, label_base) = codec::array(i, "label base")?;
                Ok((&[], Self::VeBlock(VeBlock { rd, ve_id, offset, size, label_base, tlvs })))
            }
            8.. => Ok((&[], Self::Other(i))),
            len => Err(Fail::new(i, "L2VPN NLRI", Fault::Length(len))),
        }
    }

    fn wire_len(&self) -> usize {
        match self {
            Self::VeBlock(block) => block.tlvs.len().saturating_add(VeBlock::LEN),
            Self::AutoDiscovery { .. } => 12,
            Self::Other(octets) => octets.len(),
        }
    }
}

impl<'a> Nlri<'a> for VplsNlri<'a> {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, len) = codec::be_u16(i, "length")?;
        let (rest, octets) = codec::octets(i, usize::from(len), "L2VPN NLRI")?;
        let (_, route) = VplsRoute::take(octets)?;
        Ok((rest, Self { path_id, route }))
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        self.route.wire_len().saturating_add(if format.add_path { 6 } else { 2 })
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u16(u16::try_from(self.route.wire_len()).unwrap_or(u16::MAX));
        match self.route {
            VplsRoute::VeBlock(block) => {
                block.rd.emit(out);
                out.put_u16(block.ve_id);
                out.put_u16(block.offset);
                out.put_u16(block.size);
                out.put_slice(&block.label_base);
                out.put_slice(block.tlvs);
            }
            VplsRoute::AutoDiscovery { rd, pe } => {
                rd.emit(out);
                out.put_slice(&pe.octets());
            }
            VplsRoute::Other(octets) => out.put_slice(octets),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for VplsNlri<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let path_id = u.arbitrary()?;
        let route = match u.int_in_range(0..=3)? {
            0 => VplsRoute::AutoDiscovery { rd: u.arbitrary()?, pe: u.arbitrary()? },
            1 => {
                let len = *u.choose(&[8, 9, 11, 13, 16])?;
                VplsRoute::Other(u.bytes(len)?)
            }
            n => VplsRoute::VeBlock(VeBlock {
                rd: u.arbitrary()?,
                ve_id: u.arbitrary()?,
                offset: u.arbitrary()?,
                size: u.arbitrary()?,
                label_base: u.arbitrary()?,
                tlvs: if n == 2 { &[] } else { &[1, 0, 12, 0xff, 0xf0] },
            }),
        };
        Ok(Self { path_id, route })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlri::Nlris;
    use alloc::vec::Vec;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

    /// Both forms in one field, told apart by their length, with a block that has a circuit status vector and an NLRI of a length
    /// that nobody knows.
    ///
    /// Shows: L3VPN-8.3-11, L2VPN-5.3-2, L2VPN-5.3-3, L2VPN-5.3-4
    #[test]
    fn forms_are_told_apart_by_their_length() {
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let base = VeBlock::label_octets(Label::new(262_145).unwrap());
        let block = VeBlock { rd, ve_id: 5, offset: 1, size: 8, label_base: base, tlvs: &[] };
        let vector = VeBlock { tlvs: &[1, 0, 10, 0x40, 0x40], ..block };
        let field = [
            &[0, 17][..],
            &RD,
            &[0, 5, 0, 1, 0, 8, 0x40, 0, 0x10],
            &[0, 12],
            &RD,
            &[192, 0, 2, 1],
            &[0, 22],
            &RD,
            &[0, 5, 0, 1, 0, 8, 0x40, 0, 0x10, 1, 0, 10, 0x40, 0x40],
            &[0, 9],
            &RD,
            &[1],
        ]
        .concat();
        let pe = Ipv4Addr::new(192, 0, 2, 1);
        let other = [&RD[..], &[1]].concat();
        let expected = [
            VplsRoute::VeBlock(block),
            VplsRoute::AutoDiscovery { rd, pe },
            VplsRoute::VeBlock(vector),
            VplsRoute::Other(&other),
        ];
        let routes: Vec<_> = Nlris::<VplsNlri<'_>>::new(&field, FORMAT).map(|nlri| nlri.unwrap().route).collect();
        assert_eq!(routes, expected);
        let mut out = Vec::new();
        for route in routes {
            let nlri = VplsNlri { path_id: None, route };
            let before = out.len();
            nlri.emit(FORMAT, &mut out);
            assert_eq!(out.len(), before + nlri.wire_len(FORMAT));
        }
        assert_eq!(out, field);
        let status = vector.tlvs().next().unwrap();
        assert_eq!((status.kind, status.bits), (L2vpnTlv::CIRCUIT_STATUS_VECTOR, 10));
        assert_eq!((0..16).filter(|n| status.is_set(*n)).collect::<Vec<_>>(), [1, 9]);
    }

    #[test]
    fn labels_of_a_block() {
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let label_base = VeBlock::label_octets(Label::new(1000).unwrap());
        let block = VeBlock { rd, ve_id: 5, offset: 3, size: 4, label_base, tlvs: &[] };
        assert_eq!(block.label_of(2), None);
        assert_eq!(block.label_of(3), Label::new(1000));
        assert_eq!(block.label_of(6), Label::new(1003));
        assert_eq!(block.label_of(7), None);
    }

    #[test]
    fn what_is_no_block() {
        let nlri = |octets: &[u8]| VplsNlri::take(octets, FORMAT).is_ok();
        assert!(!nlri(&[0, 17, 0]) && !nlri(&[0, 7, 0, 0, 0, 0, 0, 0, 0]) && !nlri(&[0]));
        // TLVs that overrun; an IPv6 address behind the RD.
        let tlv = [&RD[..], &[0; 9], &[1, 0, 9]].concat();
        let address = [&RD[..], &[0x43, 0x21], &[0; 13], &[2]].concat();
        for octets in [tlv, address] {
            assert_eq!(VplsRoute::take(&octets), Ok((&[][..], VplsRoute::Other(&octets))));
        }
    }
}
