//! Path attributes, one file per attribute (RFC 4271 §4.3, §5).
//!
//! | Type | Attribute | File |
//! |---|---|---|
//! | 1 | ORIGIN | `origin.rs` |
//! | 2 | AS_PATH | `as_path.rs` |
//! | 3 | NEXT_HOP | `next_hop.rs` |
//! | 4 | MULTI_EXIT_DISC | `med.rs` |
//! | 5 | LOCAL_PREF | `local_pref.rs` |
//! | 6 | ATOMIC_AGGREGATE | `atomic_aggregate.rs` |
//! | 7 | AGGREGATOR | `aggregator.rs` |
//! | 8 | COMMUNITIES | `communities.rs` |
//! | 9 | ORIGINATOR_ID | `originator_id.rs` |
//! | 10 | CLUSTER_LIST | `cluster_list.rs` |
//! | 14 | MP_REACH_NLRI | `mp_reach.rs` |
//! | 15 | MP_UNREACH_NLRI | `mp_unreach.rs` |
//! | 16 | EXTENDED COMMUNITIES | `ext_community/` |
//! | 17, 18 | AS4_PATH, AS4_AGGREGATOR | `as4.rs` |
//! | 22 | PMSI_TUNNEL | `pmsi_tunnel.rs` |
//! | 23 | Tunnel Encapsulation | `tunnel_encapsulation.rs` |
//! | 25 | IPv6 Address Specific EXTENDED COMMUNITIES | `ipv6_ext_community.rs` |
//! | 27 | PE Distinguisher Labels | `pe_distinguisher_labels.rs` |
//! | 32 | LARGE_COMMUNITY | `large_community.rs` |
//! | 38 | BFD Discriminator | `bfd_discriminator.rs` |
//! | 40 | BGP Prefix-SID | `prefix_sid.rs` |
//! | 128 | ATTR_SET | `attr_set.rs` |
//!
//! Received attributes stay octets: [`Attributes`] finds each in one pass, and its accessors are views. [`Attribute`] is a
//! value to be written.
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

mod aggregator;
mod as4;
mod as_path;
mod atomic_aggregate;
mod attr_set;
mod attribute;
mod attributes;
mod bfd_discriminator;
mod cluster_list;
mod communities;
pub mod ext_community;
mod ipv6_ext_community;
mod large_community;
mod list;
mod local_pref;
mod med;
mod mp_reach;
mod mp_unreach;
mod next_hop;
mod origin;
mod originator_id;
mod pe_distinguisher_labels;
mod pmsi_pair;
mod pmsi_tunnel;
mod prefix_sid;
mod raw;
mod tunnel_encapsulation;

pub use aggregator::Aggregator;
pub use as_path::{AS_TRANS, AsPath, AsPathBuf, AsWidth, Asns, Segment, SegmentType, Segments};
pub use as4::{As4Aggregator, As4Path, merged_aggregator, merged_as_path};
pub use atomic_aggregate::AtomicAggregate;
pub use attr_set::AttrSet;
pub use attribute::Attribute;
pub use attributes::{Attributes, RawAttributes};
pub use bfd_discriminator::BfdDiscriminator;
pub use cluster_list::{ClusterId, ClusterList};
pub use communities::{Communities, Community};
pub use ext_community::{ExtCommunities, ExtCommunity, RouteTarget, RouteTargetError};
pub use ipv6_ext_community::{Ipv6ExtCommunities, Ipv6ExtCommunity};
pub use large_community::{LargeCommunities, LargeCommunity};
pub use list::{Items, List, ListBuf, ListItem};
pub use local_pref::LocalPref;
pub use med::MultiExitDisc;
pub use mp_reach::{MpReach, NextHop};
pub use mp_unreach::MpUnreach;
pub use next_hop::NextHopAttribute;
pub use origin::Origin;
pub use originator_id::OriginatorId;
pub use pe_distinguisher_labels::PeDistinguisherLabels;
pub use pmsi_pair::{PimTree, TransportTunnel};
pub use pmsi_tunnel::{PmsiFlags, PmsiLabel, PmsiTunnel, PmsiTunnelId, PmsiTunnelType};
pub use prefix_sid::{PrefixSid, PrefixSidTlv};
pub(crate) use raw::emit_header;
pub use raw::{AttrFlags, AttrType, RawAttribute};
pub use tunnel_encapsulation::{RawSubTlv, SubTlv, SubTlvType, Tunnel, TunnelEncapsulation, TunnelType};
