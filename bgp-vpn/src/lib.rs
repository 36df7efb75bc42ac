//! BGP-4 and BGP/MPLS IP VPNs as sans-IO, `no_std` state machines.
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 4271 §8.2.2, Established | event 21 is answered by Finite State Machine Error | Message Header Error, as §6.1 demands of every header error |
//! | 4271 §6.8 | a collision with an Established session closes the new connection | by identifier, if the new connection was there when the session came up: otherwise two speakers that open at once may each close the connection that the other kept |
//! | 4271 §8.2.2, Active | with PassiveTcpEstablishment the ConnectRetryTimer runs and connects | it does not run: a passive session never connects |
//! | 4271 §8.2.2, Idle | after a failure nothing but an automatic start leaves Idle | the automatic start follows at once and listens (event 5); the next attempt to connect waits 1 s, 2 s, 4 s up to ConnectRetryTime. With DampPeerOscillations the session stays in Idle instead |
//! | 4486 §4 | after some Ceases behave as if DampPeerOscillations were set | listening goes on; the next attempt of our own waits the whole ConnectRetryTime |
//! | 4271 §6.2 | a malformed optional parameter gets sub-code 0 | so does a known capability of impossible length; RFC 5492 does not say |
//! | 6514 §5 | PMSI_TUNNEL with a tunnel type that is not defined is malformed | it is kept as octets: a reflector serves tunnels defined later, and a PE that would have to join one finds that it cannot |
//! | 6514 §5, §8 | a malformed attribute is treat-as-withdraw where the Partial bit is set | wherever it stands |
//! | SAFI 140 | VPN auto-discovery for virtual routers; its drafts expired before an RFC said how NLRI look | the form of RFC 4760 §5 with VPN-ID and address ([`nlri::VrMembershipNlri`]): an experiment between speakers of this crate |
//! | 4364 §10 | options a, b and c | also option AB, which no RFC has: packets as in a, routes as in b ([`vrf::VrfConfig::inter_as`]). What a VRF passes on so is not leaked to other VRFs of the same router, which import it themselves; the label told is one of the VRF, as deployed ASBRs tell it, and no packet needs it |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

mod administrator;
pub mod attr;
mod inter_as;
pub mod message;
pub mod mib;
pub mod nlri;
pub mod pe_ce;
pub mod policy;
mod rib;
mod rt_constraint;
pub mod session;
pub mod speaker;
pub mod vr;
pub mod vrf;
pub mod yang;
