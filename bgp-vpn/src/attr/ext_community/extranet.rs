//! Communities of multicast extranets (RFC 7900).

use super::{ExtCommunity, TypedCommunity};

/// Extranet Source (RFC 7900 §4.4.1): a CE marks a unicast route that leads to a C-source or C-RP of an extranet. Code 0x0304; the
/// value is written as zero and ignored on receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ExtranetSource;

/// Extranet Separation (RFC 7900 §4.5): the route belongs to extranet traffic, which has tunnels of its own. Code 0x0305; the value
/// is written as zero and ignored on receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ExtranetSeparation;

impl TypedCommunity for ExtranetSource {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x0304).then_some(Self)
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::opaque(0x04, [0; 6])
    }
}

impl TypedCommunity for ExtranetSeparation {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x0305).then_some(Self)
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::opaque(0x05, [0; 6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.6-7
    #[test]
    fn values_are_zero_and_not_looked_at() {
        assert_eq!(ExtranetSource.community().0, [3, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ExtranetSeparation.community().0, [3, 5, 0, 0, 0, 0, 0, 0]);
        assert!(ExtranetSource::from_community(ExtCommunity([3, 4, 1, 2, 3, 4, 5, 6])).is_some());
        assert!(ExtranetSource::from_community(ExtranetSeparation.community()).is_none());
        assert!(ExtranetSeparation.community().is_transitive());
    }
}
