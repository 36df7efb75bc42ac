//! The Interface ID TLVs, which name the tunnel below an upstream-assigned label (RFC 6389 §5, RFC 3472 §8.1).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

use super::address_family::{address_len, emit_address, take_address};
use super::octets::{Octets, len16, list};

/// The type of a sub-TLV; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TunnelTlvType(pub u16);

impl TunnelTlvType {
    /// The SESSION object of an RSVP-TE P2MP LSP: P2MP ID, zero, Tunnel ID, Extended Tunnel ID (RFC 6389 §5).
    pub const RSVP_TE_P2MP: Self = Self(28);
    /// A P2MP FEC element (RFC 6389 §5).
    pub const LDP_P2MP: Self = Self(29);
    /// Source and group address of an IP multicast tunnel (RFC 6389 §5).
    pub const IP_MULTICAST: Self = Self(30);
    /// Address and context label of the upstream LSR (RFC 6389 §5).
    pub const CONTEXT_LABEL: Self = Self(31);
}

/// A sub-TLV, which identifies a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceIdTlv {
    /// The type.
    pub kind: TunnelTlvType,
    /// The value, without its padding to four octets.
    pub value: Octets,
}

impl InterfaceIdTlv {
    const HEADER_LEN: usize = 4;

    /// The length counts type and length too, but not the padding.
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u16(i, "interface id tlv type")?;
        let (rest, len) = codec::be_u16(i, "interface id tlv length")?;
        let Some(len) = usize::from(len).checked_sub(Self::HEADER_LEN) else {
            let fault = codec::Fault::Length(len.into());
            return Err(codec::Fail::new(i, "interface id tlv length", fault));
        };
        let (rest, value) = codec::octets(rest, len, "interface id tlv length")?;
        let (rest, _padding) = codec::octets(rest, padding(len).min(rest.len()), "interface id tlv padding")?;
        Ok((rest, Self { kind: TunnelTlvType(kind), value: Octets::from_slice(value) }))
    }
}

const fn padding(len: usize) -> usize {
    len.next_multiple_of(4).saturating_sub(len)
}

/// The value of the IPv4 and of the IPv6 Interface ID TLV.
///
/// ```text
/// +---------------------------------------------+--------------------------+--------------+
/// | Next or previous hop address (4 or 16)      | Logical interface id (4) | Sub-TLVs ... |
/// +---------------------------------------------+--------------------------+--------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceId {
    /// The hop's address; unspecified where the sub-TLVs say all.
    pub hop: IpAddr,
    /// The interface's number; 0 where the sub-TLVs say all.
    pub logical: u32,
    /// Tunnels.
    pub tunnels: SmallVec<[InterfaceIdTlv; 1]>,
}

impl InterfaceId {
    /// Takes the value up to its end, with an address of 4 or 16 octets.
    ///
    /// # Errors
    /// Truncated input, or a sub-TLV of impossible length.
    pub fn take(i: &[u8], address_len: usize) -> Take<'_, Self> {
        let (i, hop) = take_address(i, address_len)?;
        let (i, logical) = codec::be_u32(i, "logical interface id")?;
        let (i, tunnels) = list(i, InterfaceIdTlv::take)?;
        Ok((i, Self { hop, logical, tunnels }))
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let lens = self.tunnels.iter().map(|t| t.value.len().next_multiple_of(4).saturating_add(4));
        lens.fold(address_len(self.hop).saturating_add(4), usize::saturating_add)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_address(self.hop, out);
        out.put_u32(self.logical);
        for tunnel in &self.tunnels {
            out.put_u16(tunnel.kind.0);
            out.put_u16(len16(tunnel.value.len().saturating_add(InterfaceIdTlv::HEADER_LEN)));
            out.put_slice(&tunnel.value);
            out.put_bytes(0, padding(tunnel.value.len()));
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for InterfaceIdTlv {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { kind: u.arbitrary()?, value: super::octets::arbitrary_octets(u, 30)? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for InterfaceId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (hop, logical) = (u.arbitrary()?, u.arbitrary()?);
        Ok(Self { hop, logical, tunnels: super::octets::arbitrary_list(u, 2)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnels_length_counts_its_header_and_not_its_padding() {
        let id = InterfaceId {
            hop: [0, 0, 0, 0].into(),
            logical: 0,
            tunnels: SmallVec::from_elem(
                InterfaceIdTlv { kind: TunnelTlvType::CONTEXT_LABEL, value: Octets::from_slice(&[1, 2, 3, 4, 5]) },
                1,
            ),
        };
        let mut out = alloc::vec::Vec::new();
        id.emit(&mut out);
        assert_eq!(out, [0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 0, 9, 1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(out.len(), id.wire_len());
        assert_eq!(InterfaceId::take(&out, 4).unwrap().1, id);
        assert!(InterfaceId::take(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 0, 3], 4).is_err());
    }
}
