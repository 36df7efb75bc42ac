//! BFD Discriminator (RFC 9026 §3.1.6).

use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// The value of BFD Discriminator: the BFD session that watches a tunnel.
///
/// ```text
/// +---------------------------------+
/// | BFD Mode (1)                    |
/// +---------------------------------+
/// | BFD Discriminator (4)           |
/// +---------------------------------+
/// | TLVs: Type (1), Length (1), ... |
/// +---------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BfdDiscriminator<'a> {
    /// Mode: [`Self::P2MP`], or one that is not known.
    pub mode: u8,
    /// Discriminator.
    pub discriminator: u32,
    /// The TLVs as octets.
    pub tlvs: &'a [u8],
}

impl<'a> BfdDiscriminator<'a> {
    /// Mode: P2MP BFD session (RFC 9026 §7.2).
    pub const P2MP: u8 = 1;
    /// TLV type: Source IP Address (RFC 9026 §7.3).
    pub const SOURCE_IP_ADDRESS: u8 = 1;

    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// Fewer than five octets, or a TLV that ends beyond the attribute.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, mode) = codec::be_u8(i, "BFD Mode")?;
        let (tlvs, discriminator) = codec::be_u32(i, "BFD Discriminator")?;
        let mut rest = tlvs;
        while !rest.is_empty() {
            (rest, _) = tlv(rest)?;
        }
        Ok((rest, Self { mode, discriminator, tlvs }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.tlvs.len().saturating_add(5)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.mode);
        out.put_u32(self.discriminator);
        out.put_slice(self.tlvs);
    }

    /// The TLVs: type and value, up to one that overruns the attribute.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.tlvs;
        core::iter::from_fn(move || {
            let (after, found) = tlv(rest).ok()?;
            rest = after;
            Some(found)
        })
    }

    /// The source address of the BFD packets, from TLV 1.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        let (_, value) = self.iter().find(|(kind, _)| *kind == Self::SOURCE_IP_ADDRESS)?;
        let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
    }

    /// Writes TLV 1.
    pub fn emit_source(source: IpAddr, out: &mut impl BufMut) {
        out.put_u8(Self::SOURCE_IP_ADDRESS);
        match source {
            IpAddr::V4(address) => {
                out.put_u8(4);
                out.put_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put_u8(16);
                out.put_slice(&address.octets());
            }
        }
    }
}

fn tlv(i: &[u8]) -> Take<'_, (u8, &[u8])> {
    let (i, kind) = codec::be_u8(i, "TLV type")?;
    let (i, len) = codec::be_u8(i, "TLV length")?;
    let (i, value) = codec::octets(i, usize::from(len), "TLV value")?;
    Ok((i, (kind, value)))
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for BfdDiscriminator<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let octets: &[u8] = u.arbitrary()?;
        let whole = Self { mode: u.arbitrary()?, discriminator: u.arbitrary()?, tlvs: octets };
        let len = whole.iter().fold(0usize, |len, (_, value)| len.saturating_add(value.len()).saturating_add(2));
        Ok(Self { tlvs: octets.get(..len).unwrap_or_default(), ..whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: L3VPN-8.2-13
    #[test]
    fn mode_discriminator_and_source() {
        let octets = [1, 0, 0, 0, 7, 1, 4, 192, 0, 2, 1, 9, 0];
        let value = BfdDiscriminator::parse(&octets).unwrap();
        assert_eq!((value.mode, value.discriminator), (BfdDiscriminator::P2MP, 7));
        assert_eq!((value.source(), value.iter().count()), (Some([192, 0, 2, 1].into()), 2));
        let (mut out, mut tlvs) = (Vec::new(), Vec::new());
        value.emit(&mut out);
        assert_eq!((&out[..], out.len()), (&octets[..], value.wire_len()));
        BfdDiscriminator::emit_source("2001:db8::1".parse().unwrap(), &mut tlvs);
        let of_v6 = BfdDiscriminator { tlvs: &tlvs, ..value };
        assert_eq!(of_v6.source(), Some("2001:db8::1".parse().unwrap()));
        for octets in [&[1, 0, 0, 0][..], &[1, 0, 0, 0, 7, 1], &[1, 0, 0, 0, 7, 1, 4, 0, 0, 0]] {
            assert!(BfdDiscriminator::parse(octets).is_err());
        }
        assert_eq!(BfdDiscriminator { tlvs: &[1, 3, 0, 0, 0], ..value }.source(), None);
    }
}
