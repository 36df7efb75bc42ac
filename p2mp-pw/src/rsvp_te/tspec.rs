//! What an LSP carries, as SENDER_TSPEC and FLOWSPEC say it (RFC 2210 §3.1, §3.2).

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

/// Services of integrated-services data: 1 of a sender, 5 controlled load.
pub(super) const SENDER_SERVICE: u8 = 1;
pub(super) const CONTROLLED_LOAD: u8 = 5;

/// A token bucket (RFC 2210 §3.1, §3.2). Rates in octets a second and sizes in octets are IEEE 754 numbers, kept as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TokenBucket {
    /// Rate.
    pub rate: u32,
    /// Bucket size.
    pub bucket: u32,
    /// Peak rate.
    pub peak: u32,
    /// The smallest packet that is policed, in octets.
    pub min_policed: u32,
    /// The largest packet, in octets.
    pub max_packet: u32,
}

impl TokenBucket {
    /// A bucket of a rate in octets a second.
    #[must_use]
    pub const fn of_rate(rate: f32) -> Self {
        let bits = rate.to_bits();
        Self { rate: bits, bucket: bits, peak: bits, min_policed: 0, max_packet: 1500 }
    }

    /// The rate in octets a second.
    #[must_use]
    pub const fn rate(&self) -> f32 {
        f32::from_bits(self.rate)
    }

    /// Integrated-services data: a header, one service (1 for a sender, 5 for controlled load), one parameter.
    pub(super) fn take(i: &[u8], service: u8) -> Take<'_, Self> {
        let at = i;
        let (i, header) = codec::array::<12>(i, "tspec header")?;
        if header != [0, 0, 0, 7, service, 0, 0, 6, 127, 0, 0, 5] {
            return Err(Fail::new(at, "tspec header", Fault::Value(header[4].into())));
        }
        let (i, rate) = codec::be_u32(i, "token bucket rate")?;
        let (i, bucket) = codec::be_u32(i, "token bucket size")?;
        let (i, peak) = codec::be_u32(i, "peak data rate")?;
        let (i, min_policed) = codec::be_u32(i, "minimum policed unit")?;
        let (i, max_packet) = codec::be_u32(i, "maximum packet size")?;
        Ok((i, Self { rate, bucket, peak, min_policed, max_packet }))
    }

    pub(super) fn emit(&self, service: u8, out: &mut impl BufMut) {
        out.put_slice(&[0, 0, 0, 7, service, 0, 0, 6, 127, 0, 0, 5]);
        for word in [self.rate, self.bucket, self.peak, self.min_policed, self.max_packet] {
            out.put_u32(word);
        }
    }
}
