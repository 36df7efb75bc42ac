//! Traffic selectors as phase 2 identities (RFC 2407 §4.6.2, RFC 2409 §5.5).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use super::super::payload::v1::address_id;
use super::super::payload::{IdType, Identification};
use super::super::selector::TrafficSelector;

/// Type, protocol, port and data of an identity.
pub(super) struct Id {
    kind: IdType,
    protocol: u8,
    port: u16,
    data: SmallVec<[u8; 32]>,
}

impl Id {
    pub(super) fn payload(&self) -> Identification<'_> {
        Identification { kind: self.kind, protocol: self.protocol, port: self.port, data: &self.data }
    }
}

/// The mask of a subnet, as an address.
fn mask(ipv4: bool, len: u8) -> IpAddr {
    if ipv4 {
        Ipv4Addr::from_bits(!u32::MAX.checked_shr(len.into()).unwrap_or(0)).into()
    } else {
        Ipv6Addr::from_bits(!u128::MAX.checked_shr(len.into()).unwrap_or(0)).into()
    }
}

/// A selector as an identity; `None` if it has some ports and not one or all.
pub(super) fn identification(ts: &TrafficSelector) -> Option<Id> {
    let port = match ts.ports() {
        (0, u16::MAX) => 0,
        (first, last) if first == last && first != 0 => first,
        _ => return None,
    };
    let (first, last) = ts.addresses();
    let (host, mut octets) = address_id(first);
    let v4 = ts.is_ipv4();
    let kind = match ts.prefix_len() {
        _ if first == last => host,
        Some(len) => {
            octets.extend_from_slice(&address_id(mask(v4, len)).1);
            if v4 { IdType::IPV4_SUBNET } else { IdType::IPV6_SUBNET }
        }
        None => {
            octets.extend_from_slice(&address_id(last).1);
            if v4 { IdType::IPV4_RANGE } else { IdType::IPV6_RANGE }
        }
    };
    Some(Id { kind, protocol: ts.protocol(), port, data: SmallVec::from_slice(&octets) })
}

/// The selector of an identity; `None` if it names no addresses.
pub(super) fn of(id: &Identification<'_>) -> Option<TrafficSelector> {
    let ports = if id.port == 0 { (0, u16::MAX) } else { (id.port, id.port) };
    TrafficSelector::new(id.protocol, ports, id.addresses()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L2VPN-5.6-3
    #[test]
    fn selectors_are_identities_and_back() {
        let v4 = |text: &str| text.parse::<IpAddr>().unwrap();
        let range = TrafficSelector::new(17, (1701, 1701), (v4("10.0.0.1"), v4("10.0.0.9"))).unwrap();
        for (ts, kind, len) in [
            (TrafficSelector::ANY_V4, IdType(4), 8),
            (TrafficSelector::ANY_V6, IdType(6), 32),
            (TrafficSelector::host_protocol(v4("192.0.2.1"), 47), IdType(1), 4),
            (TrafficSelector::host_protocol(v4("2001:db8::1"), 115), IdType(5), 16),
            (TrafficSelector::subnet(v4("10.1.0.0"), 24), IdType(4), 8),
            (range, IdType(7), 8),
            (TrafficSelector::new(4, (0, 65535), (v4("::1"), v4("::3"))).unwrap(), IdType(8), 32),
        ] {
            let id = identification(&ts).unwrap();
            let payload = id.payload();
            assert_eq!((payload.kind, payload.data.len(), of(&payload)), (kind, len, Some(ts)));
        }
        let net = identification(&TrafficSelector::subnet(v4("10.1.0.0"), 24)).unwrap();
        assert_eq!(net.payload().data, [10, 1, 0, 0, 255, 255, 255, 0]);
        let ports = TrafficSelector::new(17, (1, 9), (v4("10.0.0.1"), v4("10.0.0.1"))).unwrap();
        assert!(identification(&ports).is_none());
        assert!(of(&Identification::new(IdType::KEY_ID, b"abcd")).is_none(), "an identity of phase 1 alone");
    }
}
