//! IP protocol numbers (IANA registry "Protocol Numbers").

/// What an IP packet carries: the protocol of IPv4, the next header of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IGMP (RFC 3376).
    pub const IGMP: Self = Self(2);
    /// IPv4 in IP (RFC 2003 §3.1, RFC 2473 §3).
    pub const IPV4: Self = Self(4);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// IPv6 in IP (RFC 4213 §3, RFC 2473 §3).
    pub const IPV6: Self = Self(41);
    /// GRE (RFC 2784 §2.4).
    pub const GRE: Self = Self(47);
    /// ESP (RFC 4303 §2).
    pub const ESP: Self = Self(50);
    /// AH (RFC 4302 §2).
    pub const AH: Self = Self(51);
    /// ICMPv6 (RFC 4443 §1).
    pub const ICMPV6: Self = Self(58);
    /// Nothing: a dummy packet in ESP (RFC 4303 §2.6).
    pub const NONE: Self = Self(59);
    /// PIM (RFC 7761 §4.9).
    pub const PIM: Self = Self(103);
    /// L2TPv3 (RFC 3931 §4.1.1).
    pub const L2TP: Self = Self(115);
    /// MPLS in IP (RFC 4023 §3).
    pub const MPLS: Self = Self(137);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.7-3
    #[test]
    fn numbers_are_those_of_the_registry() {
        use IpProtocol as P;
        let numbers = [P::IGMP, P::IPV4, P::IPV6, P::GRE, P::ESP, P::AH, P::PIM, P::L2TP, P::MPLS];
        assert_eq!(numbers.map(|p| p.0), [2, 4, 41, 47, 50, 51, 103, 115, 137]);
    }
}
