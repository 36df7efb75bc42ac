//! Kinds of control messages (RFC 3931 §3.1, RFC 2661 §3.2).

use core::fmt;

/// The value of a Message Type AVP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u16);

#[allow(missing_docs)] // The names are the RFCs'.
impl MessageType {
    pub const SCCRQ: Self = Self(1);
    pub const SCCRP: Self = Self(2);
    pub const SCCCN: Self = Self(3);
    pub const STOP_CCN: Self = Self(4);
    pub const HELLO: Self = Self(6);
    pub const OCRQ: Self = Self(7);
    pub const OCRP: Self = Self(8);
    pub const OCCN: Self = Self(9);
    pub const ICRQ: Self = Self(10);
    pub const ICRP: Self = Self(11);
    pub const ICCN: Self = Self(12);
    pub const CDN: Self = Self(14);
    pub const WEN: Self = Self(15);
    pub const SLI: Self = Self(16);
    /// Version 3's explicit acknowledgement (RFC 3931 §6.15).
    pub const ACK: Self = Self(20);
    /// Failover Session Query and Response (RFC 4951 §4).
    pub const FSQ: Self = Self(21);
    pub const FSR: Self = Self(22);
    /// Multicast sessions (RFC 4045 §5, §6, §7).
    pub const MSRQ: Self = Self(23);
    pub const MSRP: Self = Self(24);
    pub const MSE: Self = Self(25);
    pub const MSI: Self = Self(26);
    pub const MSEN: Self = Self(27);
    /// Connect speed updates (RFC 5515 §8.1).
    pub const CSUN: Self = Self(28);
    pub const CSURQ: Self = Self(29);

    const NAMES: [(Self, &'static str); 24] = [
        (Self::SCCRQ, "SCCRQ"),
        (Self::SCCRP, "SCCRP"),
        (Self::SCCCN, "SCCCN"),
        (Self::STOP_CCN, "StopCCN"),
        (Self::HELLO, "HELLO"),
        (Self::OCRQ, "OCRQ"),
        (Self::OCRP, "OCRP"),
        (Self::OCCN, "OCCN"),
        (Self::ICRQ, "ICRQ"),
        (Self::ICRP, "ICRP"),
        (Self::ICCN, "ICCN"),
        (Self::CDN, "CDN"),
        (Self::WEN, "WEN"),
        (Self::SLI, "SLI"),
        (Self::ACK, "ACK"),
        (Self::FSQ, "FSQ"),
        (Self::FSR, "FSR"),
        (Self::MSRQ, "MSRQ"),
        (Self::MSRP, "MSRP"),
        (Self::MSE, "MSE"),
        (Self::MSI, "MSI"),
        (Self::MSEN, "MSEN"),
        (Self::CSUN, "CSUN"),
        (Self::CSURQ, "CSURQ"),
    ];

    /// The RFC's name; none for a kind that is not known here.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map(|(_, name)| *name)
    }

    /// Whether the M bit of the Message Type AVP is set: not for what was added later and may be ignored (RFC 4045 §5, RFC 4951
    /// §4, RFC 5515 §6.1).
    #[must_use]
    pub const fn is_mandatory(self) -> bool {
        self.0 <= Self::ACK.0
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "message type {}", self.0),
        }
    }
}
