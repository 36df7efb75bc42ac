//! Multicast in BGP/MPLS IP VPNs (RFC 6513, 6514), with PIM, IGMP and MLD, as sans-IO, `no_std` state machines.
//!
//! | Module | What |
//! |---|---|
//! | [`address`] | the two address families, for machines that are written once |
//! | [`igmp`], [`mld`] | messages of IGMP and MLD, all versions |
//! | [`gmp`] | what both share; the router side, the host side, the proxy |
//! | [`group_scope`] | which groups may leave a VPN |
//! | [`msdp`] | MSDP between RPs |
//! | [`mtrace2`] | multicast traceroute |
//! | [`pim`] | PIM between PE and CE |
//! | [`mvrf`] | the provider side: a PE with its MVRFs |
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 3376 §6.2, 3810 §7.2 | state is kept of every group that is reported | not of groups of link scope: they are never routed |
//! | 5059 §5 | BS_Rand_Override is computed with logarithms | they are linear between powers of two, at most 0.2 s off: there is no floating point |
//! | 5059 §3.5 | a new neighbour is told the RP-Set after our triggered Hello | five seconds after it appeared: Triggered_Hello_Delay is at most that by default |
//! | 7761 §4.2.2 | a packet sets the SPT bit | set at once where nobody wants the packet on the RP tree, or both trees come from the same neighbour: no packet would be told from another, and until the bit is set the first ones would be lost |
//! | 7761 §4.4.1 | the DR registers with the RP | not where it is the RP itself; with Anycast-RP it tells the other members and no one else |
//! | 7761 §4.5.3 | no cell for an (S,G,rpt) holdtime that ends in Prune-Pending | to NoInfo |
//! | 7761 §4.3.2 | every router on the link acts if it is DR | with DR load balancing the flow's GDR does; the Assert metric of RFC 8775 §5.7 is not lowered |
//! | 6420 §4.2.3 | a PIM MT-ID of a wrong length ends the message, and what was read before it holds | the whole message is refused, as with every other fault in an address |
//! | 7431 §3 | any tree may have a second one | trees of sources; a shared tree has one |
//! | 5015 §3.3.2 | a source-only branch needs no state of the group | so where every group of a range has the RPA; in other ranges the first packet of a group makes a route, which the packets after it take |
//! | 5015 §3.4 | trees are of groups | a member of one source of a group gets all of it |
//! | 3973 §4.4.1 | a source that becomes directly connected while it is pruned stays pruned | it is forwarded as soon as somebody wants it |
//! | 3973 §4.5.1 | a State Refresh that is passed on has the mask of the route | that of the router of the source: routes say no mask here |
//! | 3618 §10.1.3 | rules (ii) to (iv) look at routes | the embedder, who has the routes, names the peer |
//! | 3618 §11 | no event is a connection that TCP closed | it ends the session as the Hold Timer does; peering is enabled again after 1 s |
//! | 6513 §9.1.1 | the P-tunnel of a packet tells the PE that sent it | all P-tunnels of a VRF of a PE arrive by one number: a flow changes its tunnel and no route changes |
//! | 6514 §11.3 | a C-multicast route whose source is not advertised from the VRF should be discarded | it waits: the route to the source may come later |
//! | 6514 §12.1 | route targets of S-PMSI A-D routes are an intersection of those of other routes by default | the VRF's export route targets: all routes of the VRF carry these |
//! | 6514 §14.2 | a PE sends PIM Joins towards active sources behind its own CEs | left to the customers' PIM, which knows its own sources |
//! | 6513 §7.4.2.2 | a leaf leaves an S-PMSI that brought no packet for S-PMSI_TIMEOUT | after that time without an S-PMSI Join: packets are the forwarder's |
//! | 9026 §4.1 | the P-tunnel of the standby PE is joined with its route | its I-PMSI is; an S-PMSI of it once it is selected |
//! | 7582 §3.2.1.1 | packets of a group take the group's own S-PMSI | those of a PE where nobody joined the group, and its route is one for a whole range, take that for all groups: who receives the one receives the other |
//! | 7900 §2.3 | several VRFs of a PE may take packets from one P-tunnel | one: the tunnel of another is refused and said |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod address;
pub mod gmp;
pub mod group_scope;
pub mod igmp;
pub mod mld;
pub mod msdp;
pub mod mtrace2;
pub mod mvrf;
pub mod pim;
