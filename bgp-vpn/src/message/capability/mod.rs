//! Capabilities (RFC 5492), one file per capability with a value.
//!
//! | Code | Capability | Value |
//! |---|---|---|
//! | 1 | Multiprotocol (RFC 4760 §8) | [`Capability::Multiprotocol`] |
//! | 2, 128 | Route refresh (RFC 2918 §2) and its pre-standard code | [`Capability::RouteRefresh`] |
//! | 3 | Outbound route filtering (RFC 5291 §5) | `orf.rs` |
//! | 5 | Extended next hop (RFC 8950 §4) | `extended_next_hop.rs` |
//! | 6 | Extended message (RFC 8654 §3) | [`Capability::ExtendedMessage`] |
//! | 8 | Multiple labels (RFC 8277 §2.1) | `multiple_labels.rs` |
//! | 9 | BGP role (RFC 9234 §4.1) | [`Capability::Role`] |
//! | 64 | Graceful restart (RFC 4724 §3) | `graceful_restart.rs` |
//! | 65 | 4-octet AS (RFC 6793 §3) | [`Capability::FourOctetAs`] |
//! | 69 | ADD-PATH (RFC 7911 §4) | `add_path.rs` |
//! | 70 | Enhanced route refresh (RFC 7313 §3.1) | [`Capability::EnhancedRouteRefresh`] |
//! | 71 | Long-lived graceful restart (RFC 9494 §3.1) | `long_lived.rs` |
//!
//! Every other one, and every known one that stands in an impossible length, survives as [`Capability::Other`].

mod add_path;
mod entries;
mod extended_next_hop;
mod graceful_restart;
mod long_lived;
mod multiple_labels;
mod orf;

pub use add_path::{AddPath, SendReceive};
pub use entries::{Entries, Entry};
pub use extended_next_hop::ExtendedNextHop;
pub use graceful_restart::{FamilyRestart, GracefulRestart, RestartFamilyFlags, RestartFlags};
pub use long_lived::LongLived;
pub use multiple_labels::MultipleLabels;
pub use orf::{OrfCapability, OrfType};

use alloc::vec::Vec;
use core::fmt;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use crate::nlri::{Afi, Family, Safi};

/// The code of a capability; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct CapabilityCode(pub u8);

impl CapabilityCode {
    /// Multiprotocol (RFC 4760 §8).
    pub const MULTIPROTOCOL: Self = Self(1);
    /// Route refresh (RFC 2918 §2).
    pub const ROUTE_REFRESH: Self = Self(2);
    /// Outbound route filtering (RFC 5291 §5).
    pub const OUTBOUND_ROUTE_FILTERING: Self = Self(3);
    /// Extended next hop encoding (RFC 8950 §4).
    pub const EXTENDED_NEXT_HOP: Self = Self(5);
    /// Extended message (RFC 8654 §3).
    pub const EXTENDED_MESSAGE: Self = Self(6);
    /// Multiple labels (RFC 8277 §2.1).
    pub const MULTIPLE_LABELS: Self = Self(8);
    /// BGP role (RFC 9234 §4.1).
    pub const ROLE: Self = Self(9);
    /// Graceful restart (RFC 4724 §3).
    pub const GRACEFUL_RESTART: Self = Self(64);
    /// 4-octet AS numbers (RFC 6793 §3).
    pub const FOUR_OCTET_AS: Self = Self(65);
    /// ADD-PATH (RFC 7911 §4).
    pub const ADD_PATH: Self = Self(69);
    /// Enhanced route refresh (RFC 7313 §3.1).
    pub const ENHANCED_ROUTE_REFRESH: Self = Self(70);
    /// Long-lived graceful restart (RFC 9494 §3.1).
    pub const LONG_LIVED_GRACEFUL_RESTART: Self = Self(71);
    /// Host name (draft-walton-bgp-hostname-capability; its code is registered by RFC 5492 §6); kept as octets.
    pub const FQDN: Self = Self(73);
    /// Route refresh under the code used before RFC 2918.
    pub const ROUTE_REFRESH_PRE_STANDARD: Self = Self(128);
}

impl fmt::Display for CapabilityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MULTIPROTOCOL => "multiprotocol",
            Self::ROUTE_REFRESH => "route-refresh",
            Self::OUTBOUND_ROUTE_FILTERING => "outbound-route-filtering",
            Self::EXTENDED_NEXT_HOP => "extended-next-hop",
            Self::EXTENDED_MESSAGE => "extended-message",
            Self::MULTIPLE_LABELS => "multiple-labels",
            Self::ROLE => "role",
            Self::GRACEFUL_RESTART => "graceful-restart",
            Self::FOUR_OCTET_AS => "4-octet-as",
            Self::ADD_PATH => "add-path",
            Self::ENHANCED_ROUTE_REFRESH => "enhanced-route-refresh",
            Self::LONG_LIVED_GRACEFUL_RESTART => "long-lived-graceful-restart",
            Self::FQDN => "fqdn",
            Self::ROUTE_REFRESH_PRE_STANDARD => "route-refresh-pre-standard",
            Self(other) => return write!(f, "capability {other}"),
        })
    }
}

/// A capability.
///
/// ```text
/// +----------+------------+------------------+
/// | Code (1) | Length (1) | Value (variable) |
/// +----------+------------+------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Code 1: routes of this family (RFC 4760 §8). Value: AFI (2), reserved (1), SAFI (1).
    Multiprotocol(Family),
    /// Code 2: takes ROUTE-REFRESH (RFC 2918 §2). No value.
    RouteRefresh,
    /// Code 128: the same before RFC 2918. No value.
    RouteRefreshPreStandard,
    /// Code 3 (RFC 5291 §5).
    OutboundRouteFiltering(OrfCapability),
    /// Code 5 (RFC 8950 §4).
    ExtendedNextHop(Entries<ExtendedNextHop>),
    /// Code 6: takes messages of up to 65,535 octets (RFC 8654 §3). No value.
    ExtendedMessage,
    /// Code 8 (RFC 8277 §2.1).
    MultipleLabels(Entries<MultipleLabels>),
    /// Code 9: what the sender is to the receiver (RFC 9234 §4.1). Kept, not acted upon.
    Role(u8),
    /// Code 64 (RFC 4724 §3).
    GracefulRestart(GracefulRestart),
    /// Code 65: the sender's AS number (RFC 6793 §3).
    FourOctetAs(u32),
    /// Code 69 (RFC 7911 §4).
    AddPath(Entries<AddPath>),
    /// Code 70: takes BoRR and EoRR (RFC 7313 §3.1). No value.
    EnhancedRouteRefresh,
    /// Code 71 (RFC 9494 §3.1).
    LongLivedGracefulRestart(Entries<LongLived>),
    /// Another capability, to be ignored (RFC 5492 §3), and kept.
    Other(OtherCapability),
}

/// A capability that is not one of [`Capability`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherCapability {
    code: CapabilityCode,
    value: Vec<u8>,
}

impl OtherCapability {
    /// A capability of another code. `None` if the code is one of [`Capability`]'s, or the value exceeds 255 octets.
    #[must_use]
    pub fn new(code: CapabilityCode, value: &[u8]) -> Option<Self> {
        (value.len() <= 255 && !Capability::is_typed(code)).then(|| Self { code, value: value.to_vec() })
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CapabilityCode {
        self.code
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// Takes all of a capability's value.
fn value<'a, T>(i: &'a [u8], take: impl FnOnce(&'a [u8]) -> Take<'a, T>) -> Result<T, nom::Err<Fail<'a>>> {
    match take(i)? {
        ([], value) => Ok(value),
        (rest, _) => Err(Fail::new(rest, "capability length", Fault::Trailing(rest.len()))),
    }
}

fn take_family(i: &[u8]) -> Take<'_, Family> {
    let (i, afi) = codec::be_u16(i, "afi")?;
    let (i, _reserved) = codec::be_u8(i, "reserved")?;
    let (i, safi) = codec::be_u8(i, "safi")?;
    Ok((i, Family::new(Afi(afi), Safi(safi))))
}

impl Capability {
    const fn is_typed(code: CapabilityCode) -> bool {
        matches!(code.0, 1..=3 | 5 | 6 | 8 | 9 | 64 | 65 | 69..=71 | 128)
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CapabilityCode {
        match self {
            Self::Multiprotocol(_) => CapabilityCode::MULTIPROTOCOL,
            Self::RouteRefresh => CapabilityCode::ROUTE_REFRESH,
            Self::RouteRefreshPreStandard => CapabilityCode::ROUTE_REFRESH_PRE_STANDARD,
            Self::OutboundRouteFiltering(_) => CapabilityCode::OUTBOUND_ROUTE_FILTERING,
            Self::ExtendedNextHop(_) => CapabilityCode::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => CapabilityCode::EXTENDED_MESSAGE,
            Self::MultipleLabels(_) => CapabilityCode::MULTIPLE_LABELS,
            Self::Role(_) => CapabilityCode::ROLE,
            Self::GracefulRestart(_) => CapabilityCode::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => CapabilityCode::FOUR_OCTET_AS,
            Self::AddPath(_) => CapabilityCode::ADD_PATH,
            Self::EnhancedRouteRefresh => CapabilityCode::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => CapabilityCode::LONG_LIVED_GRACEFUL_RESTART,
            Self::Other(other) => other.code,
        }
    }

    /// Takes one capability.
    ///
    /// # Errors
    /// Truncated input, or a value whose length its RFC does not allow: RFC 4271 §6.2 answers OPEN Message Error with
    /// sub-code 0.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, code) = codec::be_u8(i, "capability code")?;
        let (i, len) = codec::be_u8(i, "capability length")?;
        let (rest, v) = codec::octets(i, usize::from(len), "capability value")?;
        let none = |capability| value(v, |i| Ok((i, capability)));
        let capability = match CapabilityCode(code) {
            CapabilityCode::MULTIPROTOCOL => Self::Multiprotocol(value(v, take_family)?),
            CapabilityCode::ROUTE_REFRESH => none(Self::RouteRefresh)?,
            CapabilityCode::ROUTE_REFRESH_PRE_STANDARD => none(Self::RouteRefreshPreStandard)?,
            CapabilityCode::OUTBOUND_ROUTE_FILTERING => Self::OutboundRouteFiltering(value(v, OrfCapability::take)?),
            CapabilityCode::EXTENDED_NEXT_HOP => Self::ExtendedNextHop(value(v, Entries::take)?),
            CapabilityCode::EXTENDED_MESSAGE => none(Self::ExtendedMessage)?,
            CapabilityCode::MULTIPLE_LABELS => Self::MultipleLabels(value(v, Entries::take)?),
            CapabilityCode::ROLE => Self::Role(value(v, |i| codec::be_u8(i, "role"))?),
            CapabilityCode::GRACEFUL_RESTART => Self::GracefulRestart(value(v, GracefulRestart::take)?),
            CapabilityCode::FOUR_OCTET_AS => Self::FourOctetAs(value(v, |i| codec::be_u32(i, "as number"))?),
            CapabilityCode::ADD_PATH => Self::AddPath(value(v, Entries::take)?),
            CapabilityCode::ENHANCED_ROUTE_REFRESH => none(Self::EnhancedRouteRefresh)?,
            CapabilityCode::LONG_LIVED_GRACEFUL_RESTART => Self::LongLivedGracefulRestart(value(v, Entries::take)?),
            code => Self::Other(OtherCapability { code, value: v.to_vec() }),
        };
        Ok((rest, capability))
    }

    /// Parses exactly one capability.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Multiprotocol(_) | Self::FourOctetAs(_) => 4,
            Self::RouteRefresh | Self::RouteRefreshPreStandard | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {
                0
            }
            Self::OutboundRouteFiltering(v) => v.wire_len(),
            Self::ExtendedNextHop(v) => v.wire_len(),
            Self::MultipleLabels(v) => v.wire_len(),
            Self::Role(_) => 1,
            Self::GracefulRestart(v) => v.wire_len(),
            Self::AddPath(v) => v.wire_len(),
            Self::LongLivedGracefulRestart(v) => v.wire_len(),
            Self::Other(v) => v.value.len(),
        }
    }

    /// Octets that [`Self::emit`] writes, at most 257.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.value_len().saturating_add(2)
    }

    /// Writes code, length and value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.code().0);
        // At most 255: every value is bounded where it is made.
        out.put_u8(u8::try_from(self.value_len()).unwrap_or(u8::MAX));
        match self {
            Self::Multiprotocol(family) => {
                out.put_u16(family.afi.0);
                out.put_u8(0);
                out.put_u8(family.safi.0);
            }
            Self::RouteRefresh | Self::RouteRefreshPreStandard | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {
            }
            Self::OutboundRouteFiltering(v) => v.emit(out),
            Self::ExtendedNextHop(v) => v.emit(out),
            Self::MultipleLabels(v) => v.emit(out),
            Self::Role(role) => out.put_u8(*role),
            Self::GracefulRestart(v) => v.emit(out),
            Self::FourOctetAs(asn) => out.put_u32(*asn),
            Self::AddPath(v) => v.emit(out),
            Self::LongLivedGracefulRestart(v) => v.emit(out),
            Self::Other(v) => out.put_slice(&v.value),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Capability {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=13)? {
            0 => Self::Multiprotocol(u.arbitrary()?),
            1 => Self::RouteRefresh,
            2 => Self::RouteRefreshPreStandard,
            3 => Self::OutboundRouteFiltering(u.arbitrary()?),
            4 => Self::ExtendedNextHop(u.arbitrary()?),
            5 => Self::ExtendedMessage,
            6 => Self::MultipleLabels(u.arbitrary()?),
            7 => Self::Role(u.arbitrary()?),
            8 => Self::GracefulRestart(u.arbitrary()?),
            9 => Self::FourOctetAs(u.arbitrary()?),
            10 => Self::AddPath(u.arbitrary()?),
            11 => Self::EnhancedRouteRefresh,
            12 => Self::LongLivedGracefulRestart(u.arbitrary()?),
            _ => {
                let mut value: Vec<u8> = u.arbitrary()?;
                value.truncate(255);
                let code = CapabilityCode(u.arbitrary()?);
                Self::Other(OtherCapability::new(code, &value).ok_or(arbitrary::Error::IncorrectFormat)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(octets: &[u8], capability: &Capability) {
        assert_eq!(Capability::parse(octets).as_ref(), Ok(capability));
        let mut out = Vec::new();
        capability.emit(&mut out);
        assert_eq!(out, octets);
        assert_eq!(capability.wire_len(), octets.len());
        for n in 0..octets.len() {
            assert!(Capability::parse(&octets[..n]).is_err(), "{n} octets of {capability:?}");
        }
    }

    /// Shows: L3VPN-8.1-5, L3VPN-8.1-6, L3VPN-8.1-11
    #[test]
    fn capabilities_of_fixed_length() {
        both_ways(&[1, 4, 0, 1, 0, 128], &Capability::Multiprotocol(Family::VPN_IPV4));
        both_ways(&[2, 0], &Capability::RouteRefresh);
        both_ways(&[128, 0], &Capability::RouteRefreshPreStandard);
        both_ways(&[6, 0], &Capability::ExtendedMessage);
        both_ways(&[9, 1, 4], &Capability::Role(4));
        both_ways(&[65, 4, 0xfa, 0x56, 0xea, 0x01], &Capability::FourOctetAs(4_200_000_001));
        both_ways(&[70, 0], &Capability::EnhancedRouteRefresh);
    }

    #[test]
    fn unknown_capabilities_survive() {
        for code in [0, 4, 7, 72, 73, 255] {
            let other = OtherCapability::new(CapabilityCode(code), b"value").unwrap();
            both_ways(&[&[code, 5], &b"value"[..]].concat(), &Capability::Other(other));
        }
        assert_eq!(OtherCapability::new(CapabilityCode(1), &[]), None, "code 1 is no other capability");
        assert_eq!(OtherCapability::new(CapabilityCode(72), &[0; 256]), None);
    }

    #[test]
    fn wrong_lengths_are_faults_in_the_value() {
        for octets in [
            &[1, 3, 0, 1, 0][..],
            &[1, 5, 0, 1, 0, 1, 0],
            &[2, 1, 0],
            &[6, 1, 0],
            &[8, 5, 0, 1, 128, 2, 0],
            &[64, 1, 0],
            &[64, 3, 0, 0, 0],
            &[65, 2, 0, 1],
            &[69, 3, 0, 1, 1],
            &[70, 1, 0],
            &[3, 6, 0, 1, 0, 1, 1, 64],
            &[5, 5, 0, 1, 0, 1, 0],
        ] {
            assert!(Capability::parse(octets).is_err(), "{octets:?}");
        }
    }

    #[test]
    fn the_reserved_octet_of_multiprotocol_is_ignored() {
        assert_eq!(Capability::parse(&[1, 4, 0, 1, 0xff, 1]), Ok(Capability::Multiprotocol(Family::IPV4_UNICAST)));
    }
}
