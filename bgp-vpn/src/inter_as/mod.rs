//! Routes that are passed on with ourselves as next hop, and the labels their packets then carry (RFC 4364 §9, §10; RFC 8277 §3.2).
//!
//! | Arrangement | How it is made here |
//! |---|---|
//! | option A, RFC 4364 §10 a | a VRF per VPN at each ASBR, the other ASBR is a CE of it |
//! | option B, §10 b | VPN families between ASBRs: the next hop towards another AS is ours, and the label is swapped |
//! | option C, §10 c | [`NextHopRule::Unchanged`](crate::session::NextHopRule) between reflectors; labelled unicast between ASBRs |
//! | option AB | VPN families on one session between ASBRs ([`PeerConfig::option_ab`](crate::session::PeerConfig)); a VRF per VPN with an interface to the other ASBR ([`VrfConfig::inter_as`](crate::vrf::VrfConfig)) |
//! | carrier's carrier, §9 | labelled unicast on the session with a CE: labels both ways, swapped at the PE |
//!
//! | File | Procedure |
//! |---|---|
//! | `own_label.rs` | the label of ours under which a destination is passed on |
//! | `labeled.rs` | labelled routes that this router originates, and those by which next hops are reached |
//!
//! A route whose next hop a peer is told unchanged keeps its labels, octet for octet; one whose next hop becomes ours gets a label
//! of ours that swaps to the label it came with (RFC 8277 §3.2.1, §3.2.2). Destinations with one label and one next hop share a label
//! of ours, so that an ASBR holds as many labels as the PEs behind it handed out, however many routes there are.

mod labeled;
mod own_label;
