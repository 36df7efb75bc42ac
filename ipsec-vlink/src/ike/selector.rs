//! Traffic selectors: which packets an SA carries (RFC 7296 §2.9, RFC 4301 §4.4.1.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Packets of one protocol, from one range of addresses and ports.
///
/// Both addresses are of one family and in order; [`TrafficSelector::new`] sees to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSelector {
    protocol: u8,
    ports: (u16, u16),
    addresses: (IpAddr, IpAddr),
}

impl TrafficSelector {
    /// Every IPv4 packet.
    pub const ANY_V4: Self = Self {
        protocol: 0,
        ports: (0, u16::MAX),
        addresses: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)),
    };
    /// Every IPv6 packet.
    pub const ANY_V6: Self = Self {
        protocol: 0,
        ports: (0, u16::MAX),
        addresses: (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))),
    };

    /// A selector of a protocol (0: any), a range of ports and one of addresses. Ports `(65535, 0)` mean OPAQUE
    /// (RFC 7296 §3.13.1). `None` if the addresses are of two families or out of order, or the ports are out of order.
    #[must_use]
    pub fn new(protocol: u8, ports: (u16, u16), addresses: (IpAddr, IpAddr)) -> Option<Self> {
        let one_family = addresses.0.is_ipv4() == addresses.1.is_ipv4();
        let ports_fit = ports.0 <= ports.1 || ports == (u16::MAX, 0);
        (one_family && addresses.0 <= addresses.1 && ports_fit).then_some(Self { protocol, ports, addresses })
    }

    /// All packets of one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { protocol: 0, ports: (0, u16::MAX), addresses: (address, address) }
    }

    /// All packets of one protocol of one address: what protects a tunnel between two systems.
    #[must_use]
    pub const fn host_protocol(address: IpAddr, protocol: u8) -> Self {
        Self { protocol, ports: (0, u16::MAX), addresses: (address, address) }
    }

    /// All packets of a subnet.
    #[must_use]
    pub fn subnet(address: IpAddr, prefix_len: u8) -> Self {
        let addresses = match address {
            IpAddr::V4(a) => {
                let host = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
                let first = a.to_bits() & !host;
                (Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first | host).into())
            }
            IpAddr::V6(a) => {
                let host = u128::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
                let first = a.to_bits() & !host;
                (Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first | host).into())
            }
        };
        Self { protocol: 0, ports: (0, u16::MAX), addresses }
    }

    /// The protocol; 0: any.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// First and last port; for ICMP type and code (RFC 7296 §3.13.1).
    #[must_use]
    pub const fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// First and last address.
    #[must_use]
    pub const fn addresses(&self) -> (IpAddr, IpAddr) {
        self.addresses
    }

    /// Whether it is of IPv4.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.addresses.0.is_ipv4()
    }

    /// The prefix length, if the addresses are exactly a subnet.
    #[must_use]
    pub fn prefix_len(&self) -> Option<u8> {
        let (first, last, bits) = match self.addresses {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32_u32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return None,
        };
        let host = first ^ last;
        let host_bits = 128_u32.saturating_sub(host.leading_zeros());
        let whole = host.count_ones() == host_bits && first & host == 0;
        whole.then(|| u8::try_from(bits.saturating_sub(host_bits)).unwrap_or(0))
    }

    /// A selector of one address as it is behind a NAT, with the address that packets have here (RFC 7296 §2.23.1). One of several
    /// addresses, or of the other family, stays as it is.
    #[must_use]
    pub(super) fn of_host_seen_as(self, seen: IpAddr) -> Self {
        let (first, last) = self.addresses;
        let is_host = first == last && first.is_ipv4() == seen.is_ipv4();
        if is_host { Self { addresses: (seen, seen), ..self } } else { self }
    }

    /// What both select; `None` if that is nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (a, 0) => a,
            (0, b) => b,
            (a, b) if a == b => a,
            _ => return None,
        };
        let any = (0, u16::MAX);
        let ports = match (self.ports, other.ports) {
            (a, b) if a == b || b == any => a,
            (a, b) if a == any => b,
            (a, b) => (a.0.max(b.0), a.1.min(b.1)),
        };
        let addresses = (self.addresses.0.max(other.addresses.0), self.addresses.1.min(other.addresses.1));
        (self.is_ipv4() == other.is_ipv4()).then(|| Self::new(protocol, ports, addresses)).flatten()
    }

    /// Whether it selects a packet of this protocol, address and port.
    #[must_use]
    pub fn selects(&self, protocol: u8, port: u16, address: IpAddr) -> bool {
        (self.protocol == 0 || self.protocol == protocol)
            && (self.addresses.0..=self.addresses.1).contains(&address)
            && self.addresses.0.is_ipv4() == address.is_ipv4()
            && (self.ports.0..=self.ports.1).contains(&port)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TrafficSelector {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (a, b): (u16, u16) = u.arbitrary()?;
        let addresses: (IpAddr, IpAddr) = if u.arbitrary()? {
            let (a, b): (u32, u32) = u.arbitrary()?;
            (Ipv4Addr::from_bits(a.min(b)).into(), Ipv4Addr::from_bits(a.max(b)).into())
        } else {
            let (a, b): (u128, u128) = u.arbitrary()?;
            (Ipv6Addr::from_bits(a.min(b)).into(), Ipv6Addr::from_bits(a.max(b)).into())
        };
        Ok(Self { protocol: u.arbitrary()?, ports: (a.min(b), a.max(b)), addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn subnets_and_their_lengths() {
        let net = TrafficSelector::subnet(v4("10.1.2.3"), 16);
        assert_eq!(net.addresses(), (v4("10.1.0.0"), v4("10.1.255.255")));
        assert_eq!((net.prefix_len(), TrafficSelector::ANY_V4.prefix_len()), (Some(16), Some(0)));
        assert_eq!(TrafficSelector::subnet(v4("2001:db8::1"), 128).prefix_len(), Some(128));
        assert_eq!(TrafficSelector::subnet(v4("::"), 0), TrafficSelector::ANY_V6);
        assert_eq!(TrafficSelector::new(0, (0, 0), (v4("10.0.0.1"), v4("10.0.0.2"))).unwrap().prefix_len(), None);
    }

    #[test]
    fn intersection_is_what_both_select() {
        let any = TrafficSelector::ANY_V4;
        let gre = TrafficSelector::host_protocol(v4("192.0.2.1"), 47);
        assert_eq!(any.intersection(&gre), Some(gre));
        assert_eq!(gre.intersection(&TrafficSelector::host_protocol(v4("192.0.2.1"), 4)), None);
        assert_eq!(gre.intersection(&TrafficSelector::host(v4("192.0.2.2"))), None);
        assert_eq!(any.intersection(&TrafficSelector::ANY_V6), None);
        let low = TrafficSelector::new(17, (0, 1701), (v4("10.0.0.0"), v4("10.0.0.9"))).unwrap();
        let high = TrafficSelector::new(0, (1701, 9000), (v4("10.0.0.5"), v4("10.0.1.0"))).unwrap();
        let both = TrafficSelector::new(17, (1701, 1701), (v4("10.0.0.5"), v4("10.0.0.9")));
        assert_eq!(low.intersection(&high), both);
        assert!(low.selects(17, 500, v4("10.0.0.3")) && !low.selects(6, 500, v4("10.0.0.3")));
        assert!(!low.selects(17, 1702, v4("10.0.0.3")) && !low.selects(17, 1, v4("10.0.0.10")));
    }
}
