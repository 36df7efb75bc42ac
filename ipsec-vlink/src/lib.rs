//! VPN virtual links over L2TP, GRE, IP-in-IP and MPLS-in-IP, protected by IPsec, as sans-IO, no_std state machines.
//!
//! A virtual link joins two routers of a VPN across an IP network as a wire would. [`vlink`] keeps the links of one system, in six
//! architectures ([`arch`]); it asks [`ike`] for keys and [`l2tp`] for sessions by values, and tells the forwarding plane by
//! [`fwd_core::op::FwdOp`]s. [`correlate`] finds the VPN of what a peer asks for, [`spd`] and [`sad`] are the databases of RFC
//! 4301, [`ce_based`] plans VPNs whose links are between CEs.
//!
//! # Boundary
//!
//! A link protects what goes between its two ends, the packets of routing protocols among it (draft-duffy §8). What is in front of the
//! first end and behind the last, the sites, their hosts and what these say to each other, is out of scope: there packets are as their
//! senders made them.
//!
//! # Deviations
//!
//! - L2TPv3 sessions of virtual links carry IP packets (pseudowire type 0x000B of RFC 4446 §3.2), not Ethernet frames: a routed link
//!   needs no MAC addresses, and the forwarding plane takes IP out of sessions.
//! - No RFC has a field for a VPN-ID in IKE. What [`ike::VpnContext`] says is private, and off unless the peer is configured for it.
//! - The hybrid model of the draft, policies of inner packets with transport mode, is refused (RFC 4301 §4.1).
//! - What an SPD says of a link is said of all its packets: the forwarding plane looks at the link, not at selectors inside of it.
//! - RFC 4951's recovery tunnels are not built: only sessions are compared. A control connection that fails is set up anew.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod arch;
pub mod ce_based;
pub mod correlate;
pub mod ike;
pub mod l2tp;
pub mod mib;
pub mod ppp;
pub mod sad;
pub mod spd;
#[cfg(test)]
mod test_hashes;
pub mod vlink;
