//! Group management: what IGMP and MLD share, and the machines of both (RFC 3376, RFC 3810, RFC 4605).
//!
//! IGMP and MLD are one protocol over two families: MLDv1 is IGMPv2, and MLDv2 is IGMPv3, with other numbers. So the records,
//! the state tables and the machines are written once over [`Protocol`]; `igmp.rs` and `mld.rs` hold what differs.
//!
//! | File | What |
//! |---|---|
//! | `addresses.rs` | a list of addresses as octets |
//! | `query.rs` | queries, and the codes of times in them |
//! | `report.rs` | version 3 reports and their group records |
//! | `filter.rs` | the state of a group and the state tables |
//! | `config.rs` | intervals, filters, limits |
//! | `router/` | the router side |
//! | `host.rs` | the host side |
//! | `proxy.rs` | a router that is a host upstream (RFC 4605) |
//! | `message.rs` | a message of either protocol; what a protocol must say of itself |
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod addresses;
mod config;
mod filter;
mod host;
mod message;
mod proxy;
mod query;
mod report;
mod router;

pub use addresses::{Addresses, AddressesBuf, AddressesIter};
pub use config::{ConfigError, FilterLine, InterfaceConfig, InterfaceLimits, Intervals, RouterConfig, SsmMapping};
pub use filter::{Filter, TimerValue, Transition, group_expired, source_expired, transition};
pub use host::{GmpHost, HostConfig, HostError, HostFilter, HostOutput};
pub use message::{Message, Protocol, Version};
pub use proxy::{GmpProxy, ProxyConfig, ProxyError, ProxyOutput};
pub use query::{IntervalCode, Query, QueryBits, QueryV3, ResponseCode, decode_octet, encode_octet};
pub use report::{GroupRecord, RecordType, Records, RecordsIter, Report, ReportBuf};
pub use router::mib;
pub use router::{Counters, Event, EventKind, GmpRouter, Input as RouterInput, Membership, Output as RouterOutput};
