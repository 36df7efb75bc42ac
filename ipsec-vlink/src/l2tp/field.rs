//! What values of AVPs are made of: octets, lists, numbers of pseudowires (RFC 4446 §3.2), the state of a circuit (RFC 5641 §2).

use bitflags::bitflags;

/// Octets that fit into an AVP, whatever else it holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    /// The most octets of a value that is built here.
    pub const MAX: usize = 1000;

    /// These octets; `None` if there are more than [`Self::MAX`].
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Option<Self> {
        if octets.len() <= Self::MAX { Some(Self(octets)) } else { None }
    }

    /// The first [`Self::MAX`] of these octets.
    #[must_use]
    pub fn cut(octets: &'a [u8]) -> Self {
        Self(octets.get(..Self::MAX).unwrap_or(octets))
    }

    /// The octets.
    #[must_use]
    pub const fn get(self) -> &'a [u8] {
        self.0
    }

    /// The octets of an AVP that was received: they did fit.
    pub(super) const fn received(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

impl core::fmt::Debug for Octets<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Octets<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(0..=Self::MAX)?.min(u.len());
        Ok(Self(u.bytes(len)?))
    }
}

/// A list of 16-bit numbers: pseudowire types, or sessions of version 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Numbers<'a>(pub(super) Octets<'a>);

impl<'a> Numbers<'a> {
    /// The list in these octets; `None` unless they are pairs, and not too many.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Option<Self> {
        Octets::new(octets).filter(|o| o.get().len() & 1 == 0).map(Self)
    }

    /// The numbers.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.0.get().chunks_exact(2).map(|pair| match pair {
            [a, b] => u16::from_be_bytes([*a, *b]),
            _ => 0,
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Numbers<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let octets: Octets<'a> = u.arbitrary()?;
        Ok(Self(Octets(octets.0.get(..octets.0.len() & !1).unwrap_or_default())))
    }
}

/// What a session carries (RFC 3931 §5.4.4), by the numbers that RFC 4446 §3.2 gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PseudowireType(pub u16);

impl PseudowireType {
    /// Ethernet frames with a VLAN tag (RFC 4719 §7).
    pub const ETHERNET_VLAN: Self = Self(0x0004);
    /// Ethernet frames (RFC 4719 §7).
    pub const ETHERNET: Self = Self(0x0005);
    /// HDLC (RFC 4349).
    pub const HDLC: Self = Self(0x0006);
    /// PPP; used in version 3 only between those who agreed on it.
    pub const PPP: Self = Self(0x0007);
    /// IP packets.
    pub const IP: Self = Self(0x000b);
}

bitflags! {
    /// The state of a session's circuit (RFC 3931 §5.4.5, RFC 5641 §2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CircuitStatus: u16 {
        /// A: ready.
        const ACTIVE = 0x0001;
        /// N: set up for the first time. Deprecated by RFC 5641 §2.1.
        const NEW = 0x0002;
        /// R: fault of the circuit on the way in.
        const RECEIVE_FAULT = 0x0004;
        /// T: fault of the circuit on the way out.
        const TRANSMIT_FAULT = 0x0008;
        /// I: fault of the pseudowire on the way in.
        const PW_RECEIVE_FAULT = 0x0010;
        /// E: fault of the pseudowire on the way out.
        const PW_TRANSMIT_FAULT = 0x0020;
        /// S: standing by.
        const STANDBY = 0x0040;
        const _ = !0;
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for CircuitStatus {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::from_bits_retain(u.arbitrary()?))
    }
}

/// The digest of a message (RFC 3931 §5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MessageDigest {
    /// Type 0.
    HmacMd5([u8; 16]),
    /// Type 1.
    HmacSha1([u8; 20]),
}

/// What one endpoint can recover (RFC 4951 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FailoverCapability {
    /// Bit D (2) and bit C (1).
    pub bits: u16,
    /// Milliseconds that the peer is to wait.
    pub recovery_time: u32,
}

impl FailoverCapability {
    /// C: the control connection.
    pub const CONTROL: u16 = 1;
    /// D: data sessions with sequence numbers.
    pub const DATA: u16 = 2;
}
