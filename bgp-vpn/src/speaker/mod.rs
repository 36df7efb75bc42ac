//! The speaker: sessions, RIBs and VRFs of one router as one machine.
//!
//! | File | Concern |
//! |---|---|
//! | `io.rs` | what goes in and what comes out |
//! | `machine.rs` | the machine: inputs, time-outs, the order of outputs |
//! | `admin.rs` | what an operator does: peers, VRFs, route targets |
//! | `query.rs` | what an operator asks |
//! | `sessions.rs` | sessions, next hops, circuits and local routes as causes of route changes |
//! | `update_in.rs` | a received UPDATE, with RFC 7606 |
//! | `routing.rs` | what follows from a path that comes or goes |
//! | `admission.rs` | a peer's paths counted in and out |
//! | `pace.rs` | how fast a peer's UPDATEs are taken |
//! | `long_lived.rs` | routes of peers that stay away (RFC 9494) |
//! | `restart.rs` | this router has restarted (RFC 4724 §4.1) |
//! | `opaque.rs` | families whose NLRI are octets |
//! | `fib.rs` | forwarding ops |
//! | `protect.rs` | backup paths in the forwarding plane |
//! | `target.rs` | whom UPDATEs are for: what a peer is told at all |
//! | `outbound.rs` | the attributes that a peer is told |
//! | `update_out.rs` | UPDATEs to a peer, packed |
//! | `shared.rs`, `tables.rs`, `peer.rs` | state |
//!
//! Deviations and choices. Labelled unicast routes carry labelled packets, and next hops are resolved by them; packets without a
//! label are not routed by them. All VPN routes are kept, whether a VRF
//! imports them or not.

mod admin;
mod admission;
mod batch;
mod fib;
mod io;
mod long_lived;
mod machine;
mod opaque;
mod outbound;
mod pace;
mod peer;
mod protect;
mod query;
mod restart;
mod routing;
mod sessions;
mod shared;
mod tables;
mod target;
mod update_in;
mod update_out;

pub(crate) use admission::{admit, left};
pub use io::{Circuit, Event, Input, LabeledRoute, LocalRoute, Output, PeerId, Reach, Side, SpeakerConfig};
pub use machine::Speaker;
pub(crate) use outbound::Rewrites;
pub use peer::RouteCounters;
pub(crate) use peer::{PeerFamily, PeerState};
pub use query::{PeerFamilyState, RouteSource, RouteView, Stats, VrfStats};
pub(crate) use routing::Routing;
pub(crate) use shared::Shared;
pub(crate) use tables::{AddressFamily, GLOBAL, TableKind, Tables};
