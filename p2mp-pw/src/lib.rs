//! LDP, mLDP and point-to-multipoint pseudowires (RFC 5036, 6388, 8077, 8338) as sans-IO, no_std state machines.
//!
//! Bidirectional Forwarding Detection of links, LSPs, pseudowires and multipoint paths is in [`bfd`], LSP ping
//! and traceroute of them in [`lsp_ping`]; control channels of pseudowires are in [`vccv`], and what defects of circuit and
//! pseudowire mean for each other is in [`oam_map`]. P2MP LSPs are signalled by RSVP-TE in [`rsvp_te`].
//!
//! LDP's messages with all their parameters, its discovery, its sessions and label distribution are in [`ldp`]; multipoint LSPs are in
//! [`mldp`], pseudowires between two ends in [`pw`], point-to-multipoint pseudowires in [`p2mp`] with the choice of their tunnels in
//! [`congruency`] and their protection in [`redundancy`].
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 5036 A.1.4, A.1.14 | a Label Release of a label that was withdrawn and told again does not say which it answers | taken for the answer to the withdrawal; with loop detection, conservative retention and unsolicited labels at once, a peer may then keep a label that was given back |
//! | 5036 §3.4.2.1 | the figure draws the label in the upper 20 bits of the Generic Label TLV | in the lower 20 bits, as in every implementation |
//! | 5036 A.1.5 | in ordered control nobody asks a next hop on demand again after it withdrew its label | it is asked again after the time for No Route |
//! | 5036 A.1.4 | a label that a peer released is not told it again before it asks | one that it released for a loop is, once its path is another |
//! | 5036 A.1.4 | a release of a label that was sent twice is taken as it is | answered by a withdrawal: it may be about the first time, and the peer hold the second |
//! | 5036 A.1.7 | requests that wait stay when the route goes | answered by No Route |
//! | 7349 §6.1 | lengths 24 to 68 of the Cryptographic Authentication TLV | 32 to 76, with the sequence number of 8 octets that §2.3 has and counts |
//! | 7349 §5.2 | the digest is that of the Hello message without the headers of IP and UDP | of all that UDP carries: the PDU's header too, whose LDP identifier names the sender |
//! | 8077 §7.3 | the name of the pseudowire in a Label Request of FEC 129 is not said | the peer's, as in a release; its reverse is not taken |
//! | 6870 §6.3.1 | a switch-over is requested always | not where the peer has the pseudowire active already |
//! | 6388 §2.4.1.4 | a second label of the same downstream LSR is added to the first | replaces it: an LSR has one label for a tree at a neighbour, and two would double every packet |
//! | 6388 §3.3.2 | nothing about ways up when the way to the root is lost | labels for them are withdrawn, so that leaves do not send into nothing |
//! | 6512 §2, §3 | recursive opaque values of any FEC | of P2MP LSPs; between ASes (§3.2.1) too, not for carriers' carriers (§3.2.2) |
//! | 7361 §5.1.1 | the figure draws 8 bits for the type of a sub-TLV | 16 bits: the assigned values need them |
//! | 8338 §3 | a leaf has the same FEC configured | offers that nothing is configured for are kept; a leaf says that all is well, which §5 leaves open, so that silence means something |
//! | 8338 §3 | a root knows its leaves, a leaf its pseudowires | leaves may be found ([`p2mp::root::Input::Member`]), and a leaf may have templates ([`p2mp::leaf::TemplateConfig`]), none by default |
//! | 8338 §3.2.1 | tunnels of types 1 and 2 | and 6 with the root's address: an LSP from the root to each leaf, below whose label a leaf looks labels up in the root's space |
//! | 8338 §3.2 | nothing about one label for two pseudowires | the second offer is given back |
//! | 8338 §3.2 | nothing about another tunnel for the same pseudowire | refused by the leaf; the root withdraws first |
//! | 8338 | no protection between pseudowires | the preferential forwarding bit of RFC 6870 with the Upstream element from the root, with the Downstream element from the leaf; leaves obey their roots |
//! | 8338 §3.2.1 | the info length may or may not count types and lengths; the unit of the lengths in a selective tree is not said | counts everything after itself; octets, and 32 and 128 are taken as bits |
//! | 5880 §6.4 | a system may send and loop back Echo packets | neither: Required Min Echo RX Interval is 0, as RFC 5884 and 5885 want it |
//! | 8563 §6.10 | a Poll to one tail carries the state of the head's session for that tail | it carries the head's own state: a tail takes what it reads for the head's state, and a head that is in doubt of a tail would take it down |
//! | 8563 | the port of unicast packets is not said | 4784 (RFC 5883): tail and head may be several hops apart |
//! | 8029 §4.4 step 3 | at the last node the label under test is taken for implicit null once all labels are popped | it is the bottom label that came: else no FEC with a label of its own would ever pass |
//! | 6425 §3.1 | the table gives RSVP P2MP IPv6 Session 56 octets, the figure has 44 | 44 |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod bfd;
pub mod congruency;
pub mod ldp;
pub mod lsp_ping;
pub mod mldp;
pub mod oam_map;
pub mod p2mp;
pub mod pw;
pub mod redundancy;
pub mod rsvp_te;
pub mod vccv;
pub(crate) mod wire_address;
