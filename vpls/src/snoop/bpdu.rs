//! Bridge protocol data units of customers (IEEE 802.1Q §14), as far as a PE asks: what they are, and whether the topology changed.
//!
//! ```text
//! destination 01-80-C2-00-00-00 (6) | source (6) | length (2) | LLC 42 42 03 (3)
//! protocol 0 (2) | version (1) | type (1) | flags (1), where there are any | ...
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use fwd_core::codec;
use fwd_core::net::Mac;
use fwd_core::{Fault, Malformed};

/// The address of bridges.
pub const BRIDGES: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0]);

/// A BPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bpdu {
    /// A topology change notification (§14.4, type 80).
    TopologyChange,
    /// A configuration message of STP, RSTP or MSTP.
    Configuration {
        /// The version: 0 STP, 2 RSTP, 3 MSTP.
        version: u8,
        /// The topology change flag.
        topology_change: bool,
    },
}

/// Octets of a configuration message by STP, and by RSTP, which has a length of the version 1 fields more.
const CONFIGURATION: usize = 35;
const RAPID: usize = 36;
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
const FLAG_TOPOLOGY_CHANGE: u8 = 1;

impl Bpdu {
    /// Reads a frame to [`BRIDGES`].
    ///
    /// # Errors
    /// A length, LLC header, protocol or type that no BPDU has, or fewer octets than its type needs.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        codec::all(frame, |i| {
            let (i, _addresses) = codec::octets(i, 12, "addresses")?;
            let (i, length) = codec::be_u16(i, "length")?;
            // What is behind it is padding.
            let (_, body) = codec::octets(i, length.into(), "length")?;
            let (rest, llc) = codec::array::<3>(body, "LLC")?;
            if llc != LLC {
                return Err(codec::Fail::new(
                    body,
                    "LLC",
                    Fault::Value(u32::from_be_bytes([0, llc[0], llc[1], llc[2]])),
                ));
            }
            let (after, protocol) = codec::be_u16(rest, "protocol")?;
            if protocol != 0 {
                return Err(codec::Fail::new(rest, "protocol", Fault::Value(protocol.into())));
            }
            let (after, [version, kind]) = codec::array::<2>(after, "version and type")?;
            let needs = |octets: usize| {
                if rest.len() < octets { Err(codec::Fail::new(rest, "BPDU", Fault::Truncated)) } else { Ok(()) }
            };
            let bpdu = match kind {
                0x80 => Self::TopologyChange,
                0x00 | 0x02 => {
                    needs(if kind == 0 { CONFIGURATION } else { RAPID })?;
                    let (_, flags) = codec::be_u8(after, "flags")?;
                    Self::Configuration { version, topology_change: flags & FLAG_TOPOLOGY_CHANGE != 0 }
                }
                other => return Err(codec::Fail::new(after, "type", Fault::Value(other.into()))),
            };
            Ok((&[], bpdu))
        })
    }

    /// Whether a bridge of the customer says that its topology changed.
    #[must_use]
    pub const fn is_topology_change(&self) -> bool {
        matches!(self, Self::TopologyChange | Self::Configuration { topology_change: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 3).unwrap().to_be_bytes();
        let mut frame = [&BRIDGES.0[..], &[2, 0, 0, 0, 0, 9], &length, &LLC, body].concat();
        frame.resize(frame.len().max(60), 0);
        frame
    }

    #[test]
    fn types_of_the_standard() {
        assert_eq!(Bpdu::parse(&frame(&[0, 0, 0, 0x80])), Ok(Bpdu::TopologyChange));
        let mut stp = [0; CONFIGURATION];
        assert!(!Bpdu::parse(&frame(&stp)).unwrap().is_topology_change());
        stp[4] = 0x81;
        assert!(Bpdu::parse(&frame(&stp)).unwrap().is_topology_change());
        let mut rstp = [0; RAPID];
        (rstp[2], rstp[3], rstp[4]) = (2, 2, 0x3d);
        assert_eq!(Bpdu::parse(&frame(&rstp)), Ok(Bpdu::Configuration { version: 2, topology_change: true }));
    }

    #[test]
    fn lengths_and_fields_are_checked() {
        let field = |frame: &[u8]| Bpdu::parse(frame).unwrap_err().field;
        let good = frame(&[0; CONFIGURATION]);
        assert_eq!(field(&frame(&[0; CONFIGURATION - 1])), "BPDU");
        assert_eq!(field(&frame(&[0, 0, 2, 2])), "BPDU");
        assert_eq!(field(&frame(&[0, 0, 0, 7])), "type");
        assert_eq!(field(&frame(&[0, 1, 0, 0])), "protocol");
        for n in 0..14 + 3 + CONFIGURATION {
            assert!(Bpdu::parse(&good[..n]).is_err(), "{n}");
        }
        let mut other = good.clone();
        other[14] = 0xaa;
        assert_eq!(field(&other), "LLC");
        other[12] = 0x06;
        assert_eq!(field(&other), "length");
    }
}
