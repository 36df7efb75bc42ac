//! Communities of EVPN (RFC 7432 §7, RFC 9135 §8.1).

use fwd_core::net::{Label, Mac};

use super::{ExtCommunity, TypedCommunity};

/// Default Gateway (RFC 7432 §7.8): the route's MAC address is that of a gateway. Code 0x030D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct DefaultGateway;

impl TypedCommunity for DefaultGateway {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x030d).then_some(Self)
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::opaque(0x0d, [0; 6])
    }
}

/// MAC Mobility (RFC 7432 §7.7): how often a MAC address moved. Code 0x0600.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MacMobility {
    /// The address never moves (flag 0x01).
    pub is_sticky: bool,
    /// Sequence number.
    pub sequence: u32,
}

impl TypedCommunity for MacMobility {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [flags, _, a, b, c, d] = community.value();
        (community.code() == 0x0600)
            .then(|| Self { is_sticky: flags & 1 != 0, sequence: u32::from_be_bytes([a, b, c, d]) })
    }

    fn community(&self) -> ExtCommunity {
        let [a, b, c, d] = self.sequence.to_be_bytes();
        ExtCommunity::from_parts(0x0600, [u8::from(self.is_sticky), 0, a, b, c, d])
    }
}

bitflags::bitflags! {
    /// Flags of [`EsiLabel`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct EsiLabelFlags: u8 {
        /// The Ethernet segment is single-active.
        const SINGLE_ACTIVE = 0x01;
        const _ = !0;
    }
}

/// ESI Label (RFC 7432 §7.5): the label that stands for an Ethernet segment in split horizon. Code 0x0601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EsiLabel {
    /// Flags.
    pub flags: EsiLabelFlags,
    /// The label, in the high 20 bits of three octets.
    pub label: Label,
}

impl TypedCommunity for EsiLabel {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [flags, _, _, a, b, c] = community.value();
        (community.code() == 0x0601).then(|| Self {
            flags: EsiLabelFlags::from_bits_retain(flags),
            label: Label::from_low_bits(u32::from_be_bytes([0, a, b, c]) >> 4),
        })
    }

    fn community(&self) -> ExtCommunity {
        let [_, a, b, c] = (self.label.value() << 4).to_be_bytes();
        ExtCommunity::from_parts(0x0601, [self.flags.bits(), 0, 0, a, b, c])
    }
}

/// ES-Import Route Target (RFC 7432 §7.6): who is on an Ethernet segment imports the route. Code 0x0602.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EsImport(pub Mac);

impl TypedCommunity for EsImport {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x0602).then(|| Self(Mac(community.value())))
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::from_parts(0x0602, self.0.0)
    }
}

/// EVPN Router's MAC (RFC 9135 §8.1): the inner destination of routed packets. Code 0x0603.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoutersMac(pub Mac);

impl TypedCommunity for RoutersMac {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x0603).then(|| Self(Mac(community.value())))
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::from_parts(0x0603, self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_by_the_figures() {
        assert_eq!(DefaultGateway.community().0, [3, 0x0d, 0, 0, 0, 0, 0, 0]);
        let mobility = MacMobility { is_sticky: true, sequence: 5 };
        assert_eq!(mobility.community().0, [6, 0, 1, 0, 0, 0, 0, 5]);
        assert_eq!(MacMobility::from_community(mobility.community()), Some(mobility));
        let label = EsiLabel { flags: EsiLabelFlags::SINGLE_ACTIVE, label: Label::new(100).unwrap() };
        assert_eq!(label.community().0, [6, 1, 1, 0, 0, 0, 0x06, 0x40]);
        assert_eq!(EsiLabel::from_community(label.community()), Some(label));
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(EsImport(mac).community().0, [6, 2, 2, 0, 0, 0, 0, 1]);
        assert_eq!(RoutersMac::from_community(RoutersMac(mac).community()), Some(RoutersMac(mac)));
        assert_eq!(RoutersMac::from_community(EsImport(mac).community()), None);
    }
}
