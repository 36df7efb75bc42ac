//! DF Election of BIDIR-PIM (RFC 5015 §3.7.1 to §3.7.3).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::encoded::{emit_unicast, take_unicast, unicast_len};

/// A route's preference and metric towards the RPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct DfMetric {
    /// Preference of the protocol; less is better.
    pub preference: u32,
    /// Metric; less is better.
    pub metric: u32,
}

/// What a DF Election message says, by its subtype in the four high flag bits of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum DfSubtype {
    /// 1
    Offer,
    /// 2
    Winner,
    /// 3: Encoded-Unicast, metric, then milliseconds (2) to wait.
    Backoff {
        /// The router that made the better offer.
        offering: IpAddr,
        /// Its metric.
        offering_metric: DfMetric,
        /// Milliseconds.
        interval: u16,
    },
    /// 4: Encoded-Unicast, metric.
    Pass {
        /// The router that becomes the DF.
        new_winner: IpAddr,
        /// Its metric.
        new_winner_metric: DfMetric,
    },
}

/// A DF Election message.
///
/// ```text
/// +-----------------------+--------------------------+-------------------+------------------+
/// | RPA (Encoded-Unicast) | Sender Metric Pref. (4)  | Sender Metric (4) | of the subtype   |
/// +-----------------------+--------------------------+-------------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct DfElection {
    /// The rendezvous point address.
    pub rpa: IpAddr,
    /// The sender's metric towards it.
    pub sender_metric: DfMetric,
    /// The rest.
    pub subtype: DfSubtype,
}

impl DfMetric {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, preference) = codec::be_u32(i, "metric preference")?;
        let (i, metric) = codec::be_u32(i, "metric")?;
        Ok((i, Self { preference, metric }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.preference);
        out.put_u32(self.metric);
    }
}

impl DfElection {
    /// Takes the body; `flags` are those of the message header.
    ///
    /// # Errors
    /// Truncated input, a fault in an address, an unknown subtype.
    pub fn take(i: &[u8], flags: u8) -> Take<'_, Self> {
        let (rest, rpa) = take_unicast(i, "rpa")?;
        let (rest, sender_metric) = DfMetric::take(rest)?;
        let (rest, subtype) = match flags >> 4 {
            1 => (rest, DfSubtype::Offer),
            2 => (rest, DfSubtype::Winner),
            3 => {
                let (rest, offering) = take_unicast(rest, "offering address")?;
                let (rest, offering_metric) = DfMetric::take(rest)?;
                let (rest, interval) = codec::be_u16(rest, "interval")?;
                (rest, DfSubtype::Backoff { offering, offering_metric, interval })
            }
            4 => {
                let (rest, new_winner) = take_unicast(rest, "new winner address")?;
                let (rest, new_winner_metric) = DfMetric::take(rest)?;
                (rest, DfSubtype::Pass { new_winner, new_winner_metric })
            }
            other => return Err(Fail::new(i, "df election subtype", Fault::Value(u32::from(other)))),
        };
        Ok((rest, Self { rpa, sender_metric, subtype }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8], flags: u8) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, flags))
    }

    /// The flags of the message header.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        match self.subtype {
            DfSubtype::Offer => 1 << 4,
            DfSubtype::Winner => 2 << 4,
            DfSubtype::Backoff { .. } => 3 << 4,
            DfSubtype::Pass { .. } => 4 << 4,
        }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        let tail = match self.subtype {
            DfSubtype::Offer | DfSubtype::Winner => 0,
            DfSubtype::Backoff { offering, .. } => unicast_len(offering).saturating_add(10),
            DfSubtype::Pass { new_winner, .. } => unicast_len(new_winner).saturating_add(8),
        };
        unicast_len(self.rpa).saturating_add(8).saturating_add(tail)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_unicast(self.rpa, out);
        self.sender_metric.emit(out);
        match self.subtype {
            DfSubtype::Offer | DfSubtype::Winner => {}
            DfSubtype::Backoff { offering, offering_metric, interval } => {
                emit_unicast(offering, out);
                offering_metric.emit(out);
                out.put_u16(interval);
            }
            DfSubtype::Pass { new_winner, new_winner_metric } => {
                emit_unicast(new_winner, out);
                new_winner_metric.emit(out);
            }
        }
    }
}
