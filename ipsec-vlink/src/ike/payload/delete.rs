//! Delete payloads (RFC 2408 §3.15, RFC 7296 §3.11). IKEv1's has a DOI in front.

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use super::notify::ProtocolId;

/// SAs that the sender has deleted.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |  protocol ID  |   SPI size    |        number of SPIs         |
/// +---------------+---------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The protocol of the SAs.
    pub protocol: ProtocolId,
    spi_len: u8,
    count: u16,
    octets: &'a [u8],
}

impl<'a> Delete<'a> {
    /// The IKE SA itself (RFC 7296 §3.11): there are no SPIs.
    pub const IKE: Self = Self { protocol: ProtocolId::IKE, spi_len: 0, count: 0, octets: &[] };

    /// SAs with SPIs of `spi_len` octets each, one after the other; `None` if that is not what `octets` are.
    #[must_use]
    pub fn new(protocol: ProtocolId, spi_len: u8, octets: &'a [u8]) -> Option<Self> {
        let count = match octets.len().checked_div(spi_len.into()) {
            Some(count) => u16::try_from(count).ok()?,
            None => 0,
        };
        let fits = usize::from(count).checked_mul(spi_len.into())? == octets.len();
        fits.then_some(Self { protocol, spi_len, count, octets })
    }

    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, [protocol, spi_len]) = codec::array::<2>(i, "protocol ID")?;
        let at = i;
        let (i, count) = codec::be_u16(i, "number of SPIs")?;
        let len = usize::from(spi_len).saturating_mul(count.into());
        if len != i.len() || (spi_len == 0 && count != 0) {
            return Err(Fail::new(at, "number of SPIs", Fault::Length(count.into())));
        }
        Ok((&[], Self { protocol: ProtocolId(protocol), spi_len, count, octets: i }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.octets.len().saturating_add(4)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.protocol.0, self.spi_len]);
        out.put_u16(self.count);
        out.put_slice(self.octets);
    }

    /// The SPIs.
    pub fn spis(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.octets.chunks_exact(usize::from(self.spi_len).max(1))
    }

    /// The SPIs of ESP or AH.
    pub fn spis32(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.spis().filter_map(|spi| spi.try_into().ok().map(u32::from_be_bytes))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Delete<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let protocol = u.arbitrary()?;
        let (spi_len, count) = (u.int_in_range(1..=16_usize)?, u.int_in_range(0..=3_u16)?);
        let octets = u.bytes(usize::from(count).saturating_mul(spi_len))?;
        Ok(Self { protocol, spi_len: spi_len as u8, count, octets })
    }
}
