//! mplsL3VpnVrfRteTable (RFC 4382).

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::mib::{Oid, Row, Value};
use fwd_core::net::{IfIndex, IpPrefix};

use super::{View, push_prefix};
use crate::attr::Attributes;
use crate::speaker::{LocalRoute, RouteSource, Speaker};
use crate::vrf::VrfConfig;

/// How a route came here (IANAipRouteProtocol).
mod protocol {
    /// local(2).
    pub(super) const LOCAL: i32 = 2;
    /// netmgmt(3): static.
    pub(super) const STATIC: i32 = 3;
    /// bgp(14).
    pub(super) const BGP: i32 = 14;
}

/// A route in use (mplsL3VpnVrfRteEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfRte {
    /// mplsL3VpnVrfName.
    pub vrf: Vec<u8>,
    /// The destination.
    pub prefix: IpPrefix,
    /// The BGP next hop, or the CE; `None` for what ends on this router.
    pub next_hop: Option<IpAddr>,
    /// The interface, where the route leads over an attachment circuit.
    pub iface: Option<IfIndex>,
    /// mplsL3VpnVrfRteInetCidrType: local(3), remote(4), blackhole(5).
    pub kind: i32,
    /// mplsL3VpnVrfRteInetCidrProto.
    pub protocol: i32,
    /// The AS of the next hop; 0 if it is our own or unknown.
    pub next_hop_as: u32,
    /// The MULTI_EXIT_DISC.
    pub med: Option<u32>,
}

impl Row for VrfRte {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 4, 1, 1];
    // 10 is the age, which is not kept.
    const COLUMNS: &'static [u32] = &[7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.vrf);
        push_prefix(out, self.prefix);
        out.push_oid(&[0, 0]);
        out.push_address(self.next_hop);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            7 => Value::Integer(self.iface.map_or(0, |i| i32::try_from(i.0).unwrap_or(i32::MAX))),
            8 => Value::Integer(self.kind),
            9 => Value::Integer(self.protocol),
            11 => Value::Unsigned(self.next_hop_as),
            12 => Value::Integer(self.med.map_or(-1, |m| i32::try_from(m).unwrap_or(i32::MAX))),
            13..=16 => Value::Integer(-1),
            // There is no mplsXCTable here.
            17 => Value::Octets(alloc::vec![0]),
            18 => Value::ACTIVE,
            _ => return None,
        })
    }
}

/// The routes in use of a VRF, at most `room`, for those whom the view is for.
pub(super) fn of_vrf(speaker: &Speaker, config: &VrfConfig, room: usize, view: View<'_>) -> Vec<VrfRte> {
    if room == 0 {
        return Vec::new();
    }
    let views = speaker.vrf_routes(config.id).into_iter().filter(|v| v.best).take(room);
    let circuits: Vec<_> = speaker.circuits().filter(|(_, c)| c.vrf == config.id).collect();
    let over = |address: Option<IpAddr>| circuits.iter().find(|(_, c)| Some(c.address) == address).map(|(i, _)| *i);
    let row = |route: crate::speaker::RouteView| {
        let local = speaker.local_route(config.id, route.prefix).filter(|_| route.source == RouteSource::Local);
        let via = |iface: IfIndex| {
            let same = |c: &&(IfIndex, crate::speaker::Circuit)| c.0 == iface;
            let family = |c: &&(IfIndex, crate::speaker::Circuit)| {
                same(c) && c.1.address.is_ipv6() == route.prefix.addr().is_ipv6()
            };
            circuits.iter().find(family).or_else(|| circuits.iter().find(same)).map(|(_, c)| c.address)
        };
        let (next_hop, iface, kind, protocol) = match local {
            // An entry of the embedder's names no interface.
            Some(LocalRoute::Entry(_)) => (None, None, 4, protocol::STATIC),
            Some(LocalRoute::Via(iface)) => (via(iface), Some(iface), 4, protocol::STATIC),
            Some(LocalRoute::Discard) => (None, None, 5, protocol::STATIC),
            Some(LocalRoute::Local) => (None, None, 3, protocol::LOCAL),
            None => {
                let iface = over(route.next_hop);
                // What lies across the core is not the customer's to see.
                let seen = route.next_hop.filter(|_| iface.is_some() || view == View::Provider);
                (seen, iface, 4, protocol::BGP)
            }
        };
        let attributes = Attributes::of_canonical(&route.attributes);
        VrfRte {
            vrf: config.name.as_bytes().to_vec(),
            prefix: route.prefix,
            next_hop,
            iface,
            kind,
            protocol,
            next_hop_as: attributes.as_path().and_then(|p| p.first_as()).unwrap_or(0),
            med: attributes.med(),
        }
    };
    views.map(row).collect()
}
