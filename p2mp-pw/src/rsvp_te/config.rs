//! What an operator says about RSVP-TE P2MP LSPs.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::op::{NextHop, TunnelModel};

use super::object::{P2mpSender, P2mpSession};
use super::route::Route;
use super::tspec::TokenBucket;
use crate::ldp::neighbour::{LabelRange, NhlfeRange};
use crate::ldp::session::ConfigError;
use crate::mldp::GroupRange;

/// One router's RSVP-TE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsvpConfig {
    /// This router: the ingress of its LSPs, the originator of its sub-groups, a leaf of others.
    pub address: Ipv4Addr,
    /// Labels that may be given; nobody else's.
    pub labels: LabelRange,
    /// Entries that may be written; nobody else's. One for each branch of an LSP.
    pub nhlfes: NhlfeRange,
    /// Replication groups that may be written; nobody else's. One for each LSP that passes through.
    pub groups: GroupRange,
    /// R: the mean time between refreshes (RFC 2205 §3.7). 1 s to 2^32 - 1 ms. Default 30 s.
    pub refresh: Duration,
    /// K: refreshes of a neighbour that may be lost (RFC 2205 §3.7), 1 or more. Default 3.
    pub keep_multiplier: u32,
    /// Seed of the refreshes' jitter.
    pub seed: u64,
    /// How TTL and class of an LSP's labels relate to what it carries. Default [`TunnelModel::Pipe`].
    pub model: TunnelModel,
    /// LSPs at this router. Default 10,000.
    pub max_lsps: usize,
    /// Sub-LSPs of one LSP at this router, and sub-groups that they come in. Default 1,024.
    pub max_leaves: usize,
    /// Sub-LSPs in one Path message, 1 to 64: with their routes they must fit into a packet (RFC 4875 §5.2.3). Default 16.
    pub max_leaves_of_message: usize,
    /// The least time between two events about a limit. Default 1 s.
    pub event_interval: Duration,
}

impl RsvpConfig {
    /// The blocks that are this machine's, and defaults.
    #[must_use]
    pub const fn new(address: Ipv4Addr, labels: LabelRange, nhlfes: NhlfeRange, groups: GroupRange) -> Self {
        Self {
            address,
            labels,
            nhlfes,
            groups,
            refresh: Duration::from_secs(30),
            keep_multiplier: 3,
            seed: 0,
            model: TunnelModel::Pipe,
            max_lsps: 10_000,
            max_leaves: 1_024,
            max_leaves_of_message: 16,
            event_interval: Duration::from_secs(1),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let number = |field, value: usize, rule| {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            Err(ConfigError::Number { field, value, rule })
        };
        if self.refresh < Duration::from_secs(1) || self.refresh.as_millis() > u128::from(u32::MAX) {
            let value = self.refresh;
            return Err(ConfigError::Time { field: "refresh", value, rule: "1 s to 2^32 - 1 ms" });
        }
        if self.keep_multiplier == 0 {
            return number("keep_multiplier", 0, "1 or more");
        }
        if !(1..=64).contains(&self.max_leaves_of_message) {
            return number("max_leaves_of_message", self.max_leaves_of_message, "1 to 64");
        }
        if !(1..=65_000).contains(&self.max_leaves) {
            return number("max_leaves", self.max_leaves, "1 to 65,000");
        }
        if self.groups.first > self.groups.last {
            return number("groups", self.groups.first.0 as usize, "the first not above the last");
        }
        if self.address.is_unspecified() || self.address.is_multicast() {
            return Err(ConfigError::Address { field: "address", value: self.address.into(), rule: "unicast" });
        }
        Ok(())
    }
}

/// A neighbour on a link, to which messages go hop by hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The interface.
    pub iface: IfIndex,
    /// Our address on it.
    pub local: Ipv4Addr,
    /// How packets reach it.
    pub next: NextHop,
}

/// What names a P2MP LSP: the tunnel, its ingress and which of the tunnel's LSPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LspKey {
    /// The tunnel.
    pub session: P2mpSession<Ipv4Addr>,
    /// The ingress.
    pub sender: Ipv4Addr,
    /// Which of the tunnel's LSPs.
    pub lsp_id: u16,
}

impl LspKey {
    pub(super) const fn sender(&self, group: SubGroup) -> P2mpSender<Ipv4Addr> {
        P2mpSender {
            sender: self.sender,
            lsp_id: self.lsp_id,
            sub_group_originator: group.originator,
            sub_group_id: group.id,
        }
    }
}

/// A part of an LSP's sub-LSPs that is signalled by one Path message (RFC 4875 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubGroup {
    /// Who made it.
    pub originator: Ipv4Addr,
    /// Its number there.
    pub id: u16,
}

/// An LSP that starts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LspConfig {
    /// P2MP identifier and tunnel: LSPs of one tunnel differ in `lsp_id` alone.
    pub p2mp_id: u32,
    /// The tunnel.
    pub tunnel_id: u16,
    /// Which of the tunnel's LSPs.
    pub lsp_id: u16,
    /// What it carries.
    pub tspec: TokenBucket,
    /// The leaves with the ways to them; an empty way: as routing says.
    pub leaves: Vec<(Ipv4Addr, Route)>,
}

/// Why something that an operator wants cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsvpError {
    /// The tunnel has an LSP of that number already.
    #[error("lsp_id: in use")]
    InUse,
    /// There are as many LSPs as there may be.
    #[error("max_lsps: {0} LSPs are there")]
    TooManyLsps(usize),
    /// The LSP has as many leaves as it may have.
    #[error("max_leaves: {0} leaves are there")]
    TooManyLeaves(usize),
    /// There is no such LSP that starts here.
    #[error("no LSP of that name starts here")]
    Unknown,
    /// The LSPs are of two tunnels.
    #[error("p2mp_id, tunnel_id: of another tunnel than the LSP to replace")]
    OtherTunnel,
}
