//! Routing information bases (RFC 4271 §3.2): what peers told us, what we chose, what we told peers.
//!
//! | File | Holds |
//! |---|---|
//! | `attributes.rs` | attribute sets, each stored once, as canonical octets with a summary |
//! | `next_hop.rs` | BGP next hops and how they are reached |
//! | `path.rs` | a path: source, attribute set, labels |
//! | `opaque.rs` | destinations that are octets |
//! | `table.rs` | destinations and their paths |
//! | `decision.rs` | which path is best (RFC 4271 §9.1.2, RFC 4456 §9) |
//! | `adj_in.rs` | what one peer told us: membership, limits, stale marks |
//! | `adj_out.rs` | what one peer was told, and what it is still to be told |
//! | `audience.rs` | which peers a change may concern |
//! | `told.rs` | the paths that a peer was told that takes several (RFC 7911) |
//! | `rewrite.rs` | attribute sets with changes |
//! | `target_index.rs` | the VPN routes of a route target |
//! | `loc.rs` | a table with the peers that feed it and are fed from it |
//!
//! Everything here is counted in octets per route: a million VPN-IPv4 routes are the working load. A path is 16 octets, a
//! destination 40 with its first path, membership of a peer's Adj-RIB one bit.

mod adj_in;
mod adj_out;
mod attributes;
mod audience;
mod bits;
mod decision;
mod loc;
mod next_hop;
mod opaque;
mod path;
mod rewrite;
mod slab;
mod table;
mod target_index;
mod told;

pub(crate) use adj_in::AdjIn;
pub(crate) use adj_out::{AdjOut, Entry, Refresh};
pub(crate) use attributes::{AttrId, AttributeSet, Attributes, Summary, TargetId, raw_attributes};
pub(crate) use audience::{Audience, Concern, Listener};
pub(crate) use bits::BitSet;
pub(crate) use decision::{Candidate, best_of, ousts, shields};
pub(crate) use loc::{Adj, Change, Form, Peers, Rib, best_paths, best_where};
pub(crate) use next_hop::{NextHopId, NextHops, Resolution};
pub(crate) use opaque::OctetKey;
pub(crate) use path::{LabelRef, LabelStacks, Path, Scope, Source};
pub(crate) use rewrite::Edits;
pub(crate) use slab::Slab;
pub(crate) use table::{Dest, HashWords, Key, MembershipKey, PlainKey, PrefixKey, Table, VpnKey};
pub(crate) use target_index::TargetIndex;
pub(crate) use told::{PathKey, ToldPaths, Touched};
