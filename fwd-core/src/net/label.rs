//! MPLS label values (RFC 3032 §2.1).

use core::fmt;

/// A 20-bit MPLS label value.
///
/// ```
/// use fwd_core::net::Label;
/// assert_eq!(Label::new(16).map(Label::value), Some(16));
/// assert_eq!(Label::new(1 << 20), None);
/// assert!(Label::IMPLICIT_NULL.is_special_purpose());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u32);

impl Label {
    /// Pop, then forward by the IPv4 header below (RFC 3032 §2.1; anywhere in the stack by RFC 4182).
    pub const IPV4_EXPLICIT_NULL: Self = Self(0);
    /// Deliver to the local software module.
    pub const ROUTER_ALERT: Self = Self(1);
    /// Pop, then forward by the IPv6 header below.
    pub const IPV6_EXPLICIT_NULL: Self = Self(2);
    /// Signalled only, never in a stack: asks the neighbour for penultimate hop popping.
    pub const IMPLICIT_NULL: Self = Self(3);
    /// Entropy label indicator: the label below is no label but the hash of a flow (RFC 6790 §3). In a stack to push, it stands for
    /// itself and the entropy label, which the forwarder computes.
    pub const ENTROPY_INDICATOR: Self = Self(7);
    /// An associated channel header follows (RFC 5586 §4).
    pub const GAL: Self = Self(13);
    /// The first value that is not special-purpose (RFC 7274 §3).
    pub const FIRST_UNRESERVED: Self = Self(16);
    /// The largest label value.
    pub const MAX: Self = Self((1 << 20) - 1);

    /// A label of this value; `None` above 2^20 - 1.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The low 20 bits of `bits` as a label.
    #[must_use]
    pub const fn from_low_bits(bits: u32) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// The value, 0 to 2^20 - 1.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Whether the value is one of the special-purpose labels 0 to 15 (RFC 7274).
    #[must_use]
    pub const fn is_special_purpose(self) -> bool {
        self.0 < Self::FIRST_UNRESERVED.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Label {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::from_low_bits(u.arbitrary()?))
    }
}
