//! TUNNEL-MIB (RFC 4087): tunnelIfTable and tunnelInetConfigTable. The objects of IPv4 alone, deprecated, are left out.

use core::net::IpAddr;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value};

use crate::arch::{Architecture, addresses};
use crate::vlink::{LinkId, OUTER_TTL, VirtualLinks};

/// A virtual link (tunnelIfEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelIf {
    /// ifIndex.
    pub if_index: u32,
    /// Which link.
    pub link: LinkId,
    /// tunnelIfEncapsMethod.
    pub architecture: Architecture,
    /// tunnelIfSecurity is ipsec(2).
    pub is_protected: bool,
    /// tunnelIfTOS: the code point of the outer header; `None`: the packet's.
    pub dscp: Option<u8>,
    /// tunnelIfLocalInetAddress and tunnelIfRemoteInetAddress.
    pub ends: (IpAddr, IpAddr),
}

impl TunnelIf {
    /// The link as it is; `None` of one that is not there.
    fn of(links: &VirtualLinks, link: LinkId, if_index: u32) -> Option<Self> {
        let config = links.config(link)?;
        Some(Self {
            if_index,
            link,
            architecture: config.architecture,
            is_protected: config.security.protects(),
            dscp: config.dscp.map(fwd_core::op::Dscp::value),
            ends: addresses(&links.ends(link)?),
        })
    }

    /// IANAtunnelType (§5, and the registry).
    const fn method(&self) -> i32 {
        match self.architecture {
            // ipsectunnelmode(19), registered later.
            Architecture::TunnelSa => 19,
            // direct(2): IP in IP.
            Architecture::SharedIpip | Architecture::DistinctIpip => 2,
            Architecture::Gre => 3,
            // MPLS in IP has no number: other(1).
            Architecture::Mpls => 1,
            Architecture::L2tp => 5,
        }
    }
}

impl Row for TunnelIf {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 131, 1, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn index(&self, out: &mut Oid) {
        out.push(self.if_index);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let (local, remote) = self.ends;
        Some(match column {
            3 => Value::Integer(self.method()),
            4 => Value::Integer(OUTER_TTL.into()),
            5 => Value::Integer(if self.is_protected { 2 } else { 1 }),
            6 => Value::Integer(self.dscp.map_or(-1, i32::from)),
            // The flow label is not set; of IPv6 alone.
            7 => return local.is_ipv6().then_some(Value::Integer(0)),
            8 => Value::address_type(Some(local)),
            9 => Value::address(Some(local)),
            10 => Value::address(Some(remote)),
            // No limit: what is too big is too big.
            11 => Value::Integer(-1),
            _ => return None,
        })
    }
}

/// How the interface of a tunnel is found by its addresses (tunnelInetConfigEntry); tunnelInetConfigID is the link's number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelConfig(pub TunnelIf);

impl Row for TunnelConfig {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 131, 1, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[6, 7, 8];

    fn index(&self, out: &mut Oid) {
        let (local, remote) = self.0.ends;
        out.push_address(Some(local));
        out.push_inet_address(remote);
        out.push(self.0.method().unsigned_abs());
        out.push(self.0.link.0.saturating_add(1));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            6 => Some(Value::Integer(i32::try_from(self.0.if_index).unwrap_or(i32::MAX))),
            7 => Some(Value::ACTIVE),
            8 => Some(Value::READ_ONLY),
            _ => None,
        }
    }
}

/// The objects of a system's virtual links at one moment.
#[derive(Clone, Debug)]
pub struct TunnelMib {
    /// tunnelIfTable.
    pub interfaces: Table<TunnelIf>,
    /// tunnelInetConfigTable.
    pub configs: Table<TunnelConfig>,
}

impl TunnelMib {
    /// The links that have an interface.
    #[must_use]
    pub fn new(links: &VirtualLinks, if_index: impl Fn(LinkId) -> Option<u32>) -> Self {
        let row = |link| TunnelIf::of(links, link, if_index(link)?);
        let interfaces = Table::new(links.links().filter_map(row));
        Self { configs: Table::new(interfaces.rows().copied().map(TunnelConfig)), interfaces }
    }

    fn tables(&self) -> [&dyn Objects; 2] {
        [&self.interfaces, &self.configs]
    }
}

impl Objects for TunnelMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}
