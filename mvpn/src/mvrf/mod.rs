//! The provider side of multicast VPNs (RFC 6513, RFC 6514): a PE with any number of MVRFs.
//!
//! [`MvpnPe`] takes BGP routes, unicast routes of the VRFs and what the customers' PIM does on the PMSI; it yields routes to originate,
//! tunnels to build or join, ops for the forwarder, and what the customers' PIM has to be told.
//!
//! | RFC 6514 | File | What |
//! |---|---|---|
//! | §4 | `route.rs`, `attributes.rs` | routes and their attributes as values |
//! | §5 | `p_tunnel.rs`, `technology.rs` | P-tunnels, those of other technologies |
//! | §9.1 | `i_pmsi.rs` | Intra-AS I-PMSI A-D routes |
//! | §9.2, §11.2, §12.2 | `inter_as/` | routers at the border of an AS or an area |
//! | §9.2.3.4 | `as_tree.rs` | inter-AS trees as a PE receives them |
//! | §9.2.3.4.1, §12.3 | `leaf.rs` | Leaf A-D routes |
//! | §11 | `c_multicast.rs` | C-multicast routes |
//! | RFC 7988 §10 | `parting.rs` | changes of the upstream PE |
//! | §12 | `s_pmsi/` | S-PMSIs: switching to them and back, wildcards (RFC 6625) |
//! | §13, §14 | `source_active.rs` | Source Active A-D routes |
//! | §16 | `damping.rs` | withdrawals that wait (RFC 7899) |
//! | RFC 4834 §5.1.3 | `admission.rs` | bandwidth reserved for joins |
//! | §17 | `limits.rs`, `alarm.rs` | limits that change, alarms with hysteresis |
//! | §11.1.2, §11.3.2, §15; RFC 7441 | `c_mldp/` | multipoint LSPs of customers that are carriers |
//! | RFC 7900 §8 | `extranet.rs`, `arrival.rs` | VRFs of one PE that import from each other |
//! | RFC 8502, RFC 8503 | `mib/`, `adverts.rs` | managed objects |
//! | RFC 4834 §5.2.12 | `attachment.rs` | who is missing on a tunnel |
//! | RFC 6513 §5.3.4 | `bootstrap.rs` | the customers' Bootstrap messages |
//! | §9.1.2, §11.3, §12.3, §13.2 | `import.rs` | which MVRFs a route is for, and what it changes there |
//! | RFC 6513 §5.1 | `umh.rs` | selection of the upstream PE |
//! | RFC 9026 §3, §4 | `standby.rs` | upstream PEs that fail |
//! | RFC 6037, RFC 6513 §7.4.2 | `mdt.rs` | MDT-SAFI, data MDTs by S-PMSI Joins; migration |
//! | RFC 6826, RFC 7246 | `in_band.rs`, `bidir/in_band.rs` | trees that mLDP signals |
//! | RFC 6513 §6.4, RFC 7988 | `root.rs` | tunnels that this PE is the root of |
//! | RFC 6513 §11.2, RFC 7582, RFC 7740 | `bidir/` | the customers' bidirectional groups |
//! | RFC 6513 §9.1.1 | `forwarding.rs` | the customers' routes, with the PMSI resolved to tunnels |
//!
//! # Tunnels
//!
//! Ingress replication needs the entries that lead to the other PEs ([`Input::Transport`]). Trees belong to a provider of tunnels, asked by
//! [`TreeRequest`]. With `p2mp_pw::mldp::Mldp`: `Root` is `open`, at every PE that sends by an MP2MP LSP, whose legs up and down come back as [`Input::Branches`]; `Join` is `join`
//! with `Deliver::Multicast`, `JoinSpace` with `Deliver::Context`; `Remove` and `Leave` are `close` and `leave`. Names are [`PTunnel::mldp_fec`];
//! `Event::Rooted` is [`Input::Rooted`], with [`PTunnel::of_mldp`].
//!
//! A tunnel whose root is in another AS, where tunnels are not segmented ([`InterAs::NonSegmented`]), is joined under the BGP next hop of the root's
//! Intra-AS I-PMSI A-D route and with its RD: by `TreeFec::vpn_recursive`, or of a tree of PIM's with both in [`crate::pim::Ways`].
//! ASBRs tell LDP and PIM these routes (`VpnRoute`, `MvpnRoute`), and P routers need no route to the root.
//!
//! # The PMSI as an interface
//!
//! Where joins go by BGP, the customers' PIM sees the VPN as one point-to-point interface, the PMSI, with one neighbour. [`PmsiLink`] makes that neighbour's
//! messages and reads those sent to it. Ops of that PIM go through [`Input::Program`]: a leg out of the PMSI becomes the tunnel that the flow
//! is bound to, and an RPF check against the PMSI becomes one against the selected upstream PE. So a flow changes its tunnel by one leg, and
//! no customer state changes.
//!
//! What the forwarder hands to software from a tunnel ([`fwd_core::PuntReason::WrongInterface`]) is [`Input::Arrival`], and goes through the forwarder
//! again: it is how a PE sees that a source which it has by the shared tree now comes by its own.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admission;
mod adverts;
mod alarm;
mod arrival;
mod as_tree;
mod attachment;
mod attributes;
mod bidir;
mod bootstrap;
mod c_mldp;
mod c_multicast;
mod c_pim;
mod config;
mod customer;
mod damping;
mod event;
mod extranet;
mod forwarding;
mod i_pmsi;
mod import;
mod in_band;
mod instance;
pub mod inter_as;
mod io;
mod leaf;
mod limits;
mod machine;
mod mdt;
pub mod mib;
mod numbers;
mod p_tunnel;
mod parting;
mod permit;
mod pim_tree;
mod root;
mod route;
pub mod s_pmsi;
mod shared;
mod source_active;
mod standby;
mod technology;
mod umh;

pub use admission::Reservation;
pub use adverts::{AdvertType, Received, Sent};
pub use alarm::{AlarmConfig, Usage};
pub use attachment::{LeafAudit, RootAudit};
pub use attributes::{BfdSession, McastAttributes, Target};
pub use bidir::BidirModel;
pub use c_mldp::{CMldpRoute, CMldpSPmsi, Offer, OfferRefused, PmsiPeer, offer};
pub use c_pim::PmsiLink;
pub use config::{
    AsmMode, CMulticastProtocol, InterAs, Model, MvpnConfig, MvpnConfigError, MvpnLimits, MvpnTimers, MvrfConfig,
    Sites, TunnelKind,
};
pub use customer::{Contract, Customer, CustomerError};
pub use damping::DampingConfig;
pub use event::{MvpnEvent, MvpnLimit, MvpnReject};
pub use in_band::InBandFault;
pub use instance::Carried;
pub use io::{CTree, Input, Output, TreeRequest};
pub use machine::MvpnPe;
pub use mdt::MdtRoute;
pub use p_tunnel::{MldpLsp, PTunnel, PmsiTunnelValue};
pub use permit::Permit;
pub use pim_tree::PimRoot;
pub use root::TreeId;
pub use route::{AdRoute, McastKind, McastRoute, SFlow};
pub use s_pmsi::{Audience, Move, Period, Reason, SPmsiFigures, SPmsiPolicy, Threshold, TradeOff};
pub use standby::RootStandby;
pub use technology::{TunnelIdentifier, TunnelTechnology};
pub use umh::{Umh, UmhRoute, UmhSelection};
