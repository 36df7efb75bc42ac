/* The forwarding plane for C programs. Made from fwd-core/capi/src by cbindgen: ci/capi.sh --update. */

#ifndef FWD_CORE_H
#define FWD_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 No number: where a group, an interface or a label space may be missing.
 */
#define FWD_NONE 4294967295

/*
 What a route or label does.
 */
typedef enum fwd_action_kind {
  /*
   Through entry number.
   */
  FWD_ACTION_KIND_FORWARD = 0,
  /*
   To this router's software. Not for labels.
   */
  FWD_ACTION_KIND_LOCAL = 1,
  /*
   Nowhere. Not for labels.
   */
  FWD_ACTION_KIND_DISCARD = 2,
  /*
   Pop, and look up in VRF number. For labels only, as all that follow.
   */
  FWD_ACTION_KIND_POP_LOOKUP = 3,
  /*
   Copy, by the legs of replication group number, each of which replaces the label.
   */
  FWD_ACTION_KIND_REPLICATE = 4,
  /*
   Pop: multicast that came by tunnel number, in the tunnel's VRF.
   */
  FWD_ACTION_KIND_MULTICAST = 5,
  /*
   Pop: a frame that arrived at bridge port number.
   */
  FWD_ACTION_KIND_BRIDGE = 6,
  /*
   Pop, and look the label below up in label space number.
   */
  FWD_ACTION_KIND_CONTEXT = 7,
} fwd_action_kind;

/*
 What a bridge port is attached to.
 */
typedef enum fwd_attachment {
  /*
   Frames of interface number with these tags.
   */
  FWD_ATTACHMENT_CIRCUIT = 0,
  /*
   A pseudowire in raw mode, whose frames leave by entry number.
   */
  FWD_ATTACHMENT_PSEUDOWIRE = 1,
  /*
   A pseudowire in tagged mode, with outer_vlan on the wire.
   */
  FWD_ATTACHMENT_TAGGED = 2,
} fwd_attachment;

/*
 What stands between the outer IP header and the payload.
 */
typedef enum fwd_encapsulation {
  /*
   Nothing.
   */
  FWD_ENCAPSULATION_IP_IN_IP = 0,
  /*
   GRE without a key.
   */
  FWD_ENCAPSULATION_GRE = 1,
  /*
   GRE with this key.
   */
  FWD_ENCAPSULATION_GRE_KEY = 2,
  /*
   A label stack.
   */
  FWD_ENCAPSULATION_MPLS_IN_IP = 3,
  /*
   UDP and a label stack.
   */
  FWD_ENCAPSULATION_MPLS_IN_UDP = 4,
  /*
   An L2TPv3 session over IP.
   */
  FWD_ENCAPSULATION_L2TP = 5,
  /*
   An L2TPv3 session over UDP.
   */
  FWD_ENCAPSULATION_L2TP_UDP = 6,
} fwd_encapsulation;

/*
 How the tables differ from an op.
 */
typedef enum fwd_finding {
  /*
   Not at all.
   */
  FWD_FINDING_SAME = 0,
  /*
   There is nothing of what the op set.
   */
  FWD_FINDING_MISSING = 1,
  /*
   There is something else.
   */
  FWD_FINDING_DIFFERENT = 2,
  /*
   What the op cleared is there.
   */
  FWD_FINDING_PRESENT = 3,
  /*
   A pointer is null, or the octets are no op.
   */
  FWD_FINDING_INVALID = 4,
} fwd_finding;

/*
 What became of an address.
 */
typedef enum fwd_learned {
  /*
   It is new.
   */
  FWD_LEARNED_NEW = 0,
  /*
   It was at another port.
   */
  FWD_LEARNED_MOVED = 1,
  /*
   It was there already, or is static.
   */
  FWD_LEARNED_KNOWN = 2,
  /*
   The port or the instance has as many as it may have, or is no more.
   */
  FWD_LEARNED_LIMIT = 3,
  /*
   The table has no room for it.
   */
  FWD_LEARNED_FULL = 4,
  /*
   It was not seen for the age of its instance, and is forgotten.
   */
  FWD_LEARNED_AGED = 5,
} fwd_learned;

/*
 Where the copies of a leg go.
 */
typedef enum fwd_leg {
  /*
   Out of interface number; of a routed packet.
   */
  FWD_LEG_INTERFACE = 0,
  /*
   Through entry number.
   */
  FWD_LEG_NHLFE = 1,
  /*
   Out of bridge port number; of a frame that is bridged.
   */
  FWD_LEG_PORT = 2,
  /*
   By the legs of group number.
   */
  FWD_LEG_GROUP = 3,
  /*
   Of a labelled packet: the label is popped, and what is below came by tunnel number. Of a routed one: it goes on in the tunnel's VRF.
   */
  FWD_LEG_MULTICAST = 4,
  /*
   Of a labelled packet: the label is popped, and what is below arrived at bridge port number.
   */
  FWD_LEG_ARRIVE = 5,
  /*
   Of a labelled packet: the label is popped, and the one below is looked up in label space number.
   */
  FWD_LEG_CONTEXT = 6,
  /*
   Of a packet of the provider's own multicast: what is in its tunnel came by tunnel number.
   */
  FWD_LEG_DECAPSULATE = 7,
  /*
   To this router's software; number does not count.
   */
  FWD_LEG_LOCAL = 8,
} fwd_leg;

/*
 What becomes of frames to the link-local group addresses 01-80-C2-00-00-00 to -0F.
 */
typedef enum fwd_link_local {
  /*
   To every port.
   */
  FWD_LINK_LOCAL_FLOOD = 0,
  /*
   To software.
   */
  FWD_LINK_LOCAL_PUNT = 1,
  /*
   Nowhere.
   */
  FWD_LINK_LOCAL_DROP = 2,
} fwd_link_local;

/*
 How TTL and class of a label relate to the header below (RFC 3443, RFC 3270).
 */
typedef enum fwd_model {
  FWD_MODEL_UNIFORM = 0,
  FWD_MODEL_PIPE = 1,
  FWD_MODEL_SHORT_PIPE = 2,
} fwd_model;

/*
 Where an entry leads.
 */
typedef enum fwd_next_kind {
  /*
   To the neighbour mac on interface number.
   */
  FWD_NEXT_KIND_NEIGHBOR = 0,
  /*
   Through entry number.
   */
  FWD_NEXT_KIND_NHLFE = 1,
  /*
   To this router's software.
   */
  FWD_NEXT_KIND_LOCAL = 2,
  /*
   Nowhere.
   */
  FWD_NEXT_KIND_DISCARD = 3,
  /*
   Through virtual link number.
   */
  FWD_NEXT_KIND_VLINK = 4,
  /*
   To every router on interface number, which assigned the label on top, all the same.
   */
  FWD_NEXT_KIND_LAN = 5,
  /*
   To every router on interface number; this one assigned the label on top.
   */
  FWD_NEXT_KIND_LAN_UPSTREAM = 6,
  /*
   Through an entry of group number, by the packet's flow.
   */
  FWD_NEXT_KIND_ECMP = 7,
  /*
   Through the primary or the backup entry of pair number.
   */
  FWD_NEXT_KIND_PROTECTED = 8,
} fwd_next_kind;

/*
 Where a policer stands.
 */
typedef enum fwd_police_point {
  /*
   Frames of a type that arrive at bridge port number.
   */
  FWD_POLICE_POINT_PORT = 0,
  /*
   Frames of a type that arrive in virtual switch instance number.
   */
  FWD_POLICE_POINT_VSI = 1,
  /*
   Multicast packets that are forwarded in VRF number, whatever the type says.
   */
  FWD_POLICE_POINT_MULTICAST = 2,
  /*
   Multicast packets of VRF number that go to software, whatever the type says.
   */
  FWD_POLICE_POINT_PUNT = 3,
  /*
   Packets that replication group number copies, whatever the type says.
   */
  FWD_POLICE_POINT_GROUP = 4,
} fwd_police_point;

/*
 Where the packets of a multicast route must come from.
 */
typedef enum fwd_rpf {
  /*
   From anywhere.
   */
  FWD_RPF_ANY = 0,
  /*
   From nowhere.
   */
  FWD_RPF_NOWHERE = 1,
  /*
   From interface number.
   */
  FWD_RPF_INTERFACE = 2,
  /*
   From tunnel number.
   */
  FWD_RPF_TUNNEL = 3,
  /*
   From a member of set number.
   */
  FWD_RPF_ANY_OF = 4,
  /*
   As any of, on a bidirectional tree: what came by a tunnel takes no leg that is a group.
   */
  FWD_RPF_BIDIRECTIONAL = 5,
  /*
   As bidirectional, where the tree across the backbone is joined from others there: what came by another tunnel than rpf_own takes them.
   */
  FWD_RPF_MERGING = 6,
} fwd_rpf;

/*
 What a call came to.
 */
typedef enum fwd_status {
  /*
   It was done.
   */
  FWD_STATUS_OK = 0,
  /*
   A pointer is null, a number is out of its range, or memory is too small or not aligned.
   */
  FWD_STATUS_INVALID = 1,
  /*
   The octets of an op are malformed.
   */
  FWD_STATUS_MALFORMED = 2,
  /*
   A table has no room, or no such number. Give the op back to the control plane.
   */
  FWD_STATUS_TABLE_FULL = 3,
  /*
   Memory may still be in a reader's hands: apply the op again.
   */
  FWD_STATUS_BUSY = 4,
  /*
   The op names what cannot be: a special-purpose label, a number too large, a circuit that another port has.
   */
  FWD_STATUS_REFUSED = 5,
} fwd_status;

/*
 The tags of a circuit.
 */
typedef enum fwd_tags {
  /*
   All frames of the interface.
   */
  FWD_TAGS_ANY = 0,
  /*
   Frames without a tag, or with a priority tag.
   */
  FWD_TAGS_UNTAGGED = 1,
  /*
   Frames with customer tag outer_vlan.
   */
  FWD_TAGS_VLAN = 2,
  /*
   Frames with service tag outer_vlan.
   */
  FWD_TAGS_SERVICE = 3,
  /*
   Frames with service tag outer_vlan above customer tag inner_vlan.
   */
  FWD_TAGS_STACKED = 4,
} fwd_tags;

/*
 The types of traffic that a bridge tells apart.
 */
typedef enum fwd_traffic_type {
  /*
   To a known address.
   */
  FWD_TRAFFIC_TYPE_UNICAST = 0,
  /*
   To an address that is not known.
   */
  FWD_TRAFFIC_TYPE_UNKNOWN = 1,
  /*
   To all.
   */
  FWD_TRAFFIC_TYPE_BROADCAST = 2,
  /*
   To a group.
   */
  FWD_TRAFFIC_TYPE_MULTICAST = 3,
  /*
   Control frames that go to software.
   */
  FWD_TRAFFIC_TYPE_CONTROL = 4,
} fwd_traffic_type;

/*
 What became of a frame.
 */
typedef enum fwd_verdict {
  /*
   It was not looked at.
   */
  FWD_VERDICT_NONE = 0,
  /*
   Send it, rewritten, on interface.
   */
  FWD_VERDICT_TRANSMIT = 1,
  /*
   Hand it to software; reason is one of the punts.
   */
  FWD_VERDICT_PUNT = 2,
  /*
   Drop it; reason is one of the drops.
   */
  FWD_VERDICT_DROP = 3,
  /*
   Put it through security association sa behind the IP header at offset, then send it on interface.
   */
  FWD_VERDICT_PROTECT = 4,
  /*
   It is to be copied: fwd_copies. It stays as it arrived.
   */
  FWD_VERDICT_REPLICATE = 5,
  /*
   Hand it to software: a frame that is bridged and arrived at port; reason is one of the punts.
   */
  FWD_VERDICT_PUNT_FRAME = 6,
} fwd_verdict;

/*
 A router's forwarding plane, in memory of the caller's.
 */
typedef struct fwd_forwarder fwd_forwarder;

/*
 How much the tables are to hold.
 */
typedef struct fwd_sizes {
  /*
   Interfaces, numbered from 0.
   */
  uint32_t interfaces;
  /*
   VRFs, numbered from 0, which is the global table: at least 1.
   */
  uint32_t vrfs;
  /*
   Next hop label forwarding entries, numbered from 0.
   */
  uint32_t nhlfes;
  /*
   Incoming labels, counted from first_label.
   */
  uint32_t labels;
  /*
   The first incoming label: 16 or more.
   */
  uint32_t first_label;
  /*
   IPv4 routes of all VRFs together.
   */
  uint32_t routes4;
  /*
   IPv6 routes of all VRFs together.
   */
  uint32_t routes6;
  /*
   VRFs with so many IPv4 routes that they are looked up in a direct root, 1 MiB each.
   */
  uint32_t direct4;
  /*
   The same for IPv6.
   */
  uint32_t direct6;
  /*
   VRFs with very many IPv4 routes that have a table in front of a direct root, 32 MiB each.
   */
  uint32_t front4;
  /*
   VRFs with very many IPv6 routes that have tables in front of a direct root: 8 MiB each, and 342 octets for each of routes6.
   */
  uint32_t front6;
  /*
   Virtual links, numbered from 0.
   */
  uint32_t vlinks;
  /*
   Groups of entries that packets are spread over, numbered from 0.
   */
  uint32_t ecmp_groups;
  /*
   Pairs of an entry and the one that protects it, numbered from 0.
   */
  uint32_t protections;
  /*
   Policers, numbered from 0.
   */
  uint32_t policers;
  /*
   VRFs that may have multicast, numbered from 0.
   */
  uint32_t multicast_vrfs;
  /*
   IPv4 multicast routes, and together with them: group entries by IPv4 and MAC address, members of RPF sets, VLAN domains, circuits
   with tags, labels of other label spaces.
   */
  uint32_t mroutes;
  /*
   IPv6 multicast routes and group entries.
   */
  uint32_t mroutes6;
  /*
   Tunnels that multicast arrives by, numbered from 0.
   */
  uint32_t tunnels;
  /*
   Replication groups, numbered from 0.
   */
  uint32_t replications;
  /*
   Legs of all groups together.
   */
  uint32_t legs;
  /*
   Virtual switch instances, numbered from 0.
   */
  uint32_t vsis;
  /*
   Bridge ports, numbered from 0.
   */
  uint32_t ports;
  /*
   Interfaces that may have circuits of bridge ports, numbered from 0.
   */
  uint32_t circuits;
  /*
   MAC addresses of all instances together.
   */
  uint32_t macs;
  /*
   Addresses that the frames of one batch may teach beside the first.
   */
  uint32_t learned;
  /*
   No size: a secret that nobody can guess. Hash tables are laid out by it, and customers choose what is in them.
   */
  uint64_t seed;
} fwd_sizes;

/*
 An interface.
 */
typedef struct fwd_interface {
  /*
   The VRF that packets are looked up in; 0 for a core link.
   */
  uint16_t vrf;
  /*
   The largest payload of a frame, labels included, in octets.
   */
  uint16_t mtu;
  /*
   Our address on it.
   */
  uint8_t mac[6];
  /*
   Whether labelled packets are accepted.
   */
  bool mpls;
} fwd_interface;

/*
 A next hop label forwarding entry.
 */
typedef struct fwd_nhlfe {
  /*
   Labels to push, top of stack first.
   */
  uint32_t labels[8];
  /*
   How many of them, 0 to 8.
   */
  uint8_t label_count;
  /*
   Where it leads.
   */
  enum fwd_next_kind next;
  /*
   What it leads to.
   */
  uint32_t number;
  /*
   The neighbour's address.
   */
  uint8_t mac[6];
  /*
   How the pushed labels relate to the packet.
   */
  enum fwd_model model;
} fwd_nhlfe;

/*
 A route.
 */
typedef struct fwd_route {
  /*
   The VRF.
   */
  uint16_t vrf;
  /*
   Bits of the prefix.
   */
  uint8_t prefix_len;
  /*
   Whether the prefix is IPv6; IPv4 is in the first 4 octets.
   */
  bool is_v6;
  /*
   The prefix; bits behind its length are zero.
   */
  uint8_t prefix[16];
} fwd_route;

/*
 Is called with an op of fwd_op_len() octets.
 */
typedef void (*fwd_on_op)(void *context, const uint8_t *op);

/*
 A virtual switch instance.
 */
typedef struct fwd_vsi {
  /*
   The replication group of frames to unknown addresses; FWD_NONE: nowhere.
   */
  uint32_t unknown;
  /*
   That of broadcast.
   */
  uint32_t broadcast;
  /*
   That of multicast without a group entry.
   */
  uint32_t multicast;
  /*
   The most addresses learned in it.
   */
  uint32_t mac_limit;
  /*
   Seconds after which an address not seen is forgotten; 0: never.
   */
  uint16_t age;
  /*
   The most octets of frames to groups; 0: as many as interfaces take.
   */
  uint16_t multicast_mtu;
  /*
   What becomes of frames to link-local groups.
   */
  enum fwd_link_local link_local;
  /*
   Whether group entries of IP multicast are consulted, and IGMP, MLD and PIM go to software.
   */
  bool snoop;
  /*
   Whether frames in pseudowires with a control word are numbered.
   */
  bool sequence;
  /*
   Whether `classes` counts; else every priority is its own class.
   */
  bool has_classes;
  /*
   The class of each priority of tags, 0 to 7.
   */
  uint8_t classes[8];
} fwd_vsi;

/*
 A port of a virtual switch instance.
 */
typedef struct fwd_port {
  /*
   The instance.
   */
  uint16_t vsi;
  /*
   What it is attached to.
   */
  enum fwd_attachment attachment;
  /*
   The interface, or the entry.
   */
  uint32_t number;
  /*
   Of a circuit: which frames.
   */
  enum fwd_tags tags;
  uint16_t outer_vlan;
  uint16_t inner_vlan;
  /*
   Frames do not go from a port to one with the same number, but for 0.
   */
  uint8_t split_horizon;
  /*
   Of a circuit: the class of frames from it, 1 to 8 for 0 to 7; 0: the priority of the tag says it.
   */
  uint8_t class_from_1;
  /*
   The most addresses learned at it.
   */
  uint32_t mac_limit;
  /*
   Whether addresses are learned.
   */
  bool learn;
  /*
   Of a pseudowire: whether frames carry the control word.
   */
  bool control_word;
  /*
   Of a pseudowire: whether what is sent has a flow label.
   */
  bool flow_label_sent;
  /*
   Of a pseudowire: whether what arrives may have one.
   */
  bool flow_label_received;
} fwd_port;

/*
 Which packets a multicast route is for: (S,G), or (*,G) of every group of a prefix.
 */
typedef struct fwd_mroute_key {
  /*
   Whether the addresses are IPv6; IPv4 is in the first 4 octets.
   */
  bool is_v6;
  /*
   Whether it is of one source and one group.
   */
  bool has_source;
  /*
   Without a source: bits of the prefix of groups, at least 4 of IPv4 and 8 of IPv6.
   */
  uint8_t group_len;
  /*
   The source.
   */
  uint8_t source[16];
  /*
   The group, or the prefix; bits behind its length are zero.
   */
  uint8_t group[16];
} fwd_mroute_key;

/*
 Packets and octets.
 */
typedef struct fwd_traffic {
  uint64_t in_packets;
  uint64_t in_octets;
  uint64_t out_packets;
  uint64_t out_octets;
} fwd_traffic;

/*
 Packets of a replication group.
 */
typedef struct fwd_group_traffic {
  /*
   Packets that were to be copied, and their octets.
   */
  uint64_t packets;
  uint64_t octets;
  /*
   Copies sent.
   */
  uint64_t copies;
  /*
   Copies that could not be sent.
   */
  uint64_t lost;
  /*
   Of these, copies that were too large for their interface.
   */
  uint64_t too_big;
} fwd_group_traffic;

/*
 Frames of a bridge port or a virtual switch instance.
 */
typedef struct fwd_bridge_traffic {
  /*
   Frames that arrived, and frames and copies that were sent.
   */
  struct fwd_traffic traffic;
  /*
   Frames that arrived, by fwd_traffic_type.
   */
  uint64_t in_by_type[5];
  /*
   Frames that arrived and that a policer dropped.
   */
  uint64_t policed;
  /*
   Frames whose source was not learned for want of room.
   */
  uint64_t unlearned;
  /*
   Of a port: frames that arrived and were dropped because a later one had arrived before.
   */
  uint64_t disordered;
} fwd_bridge_traffic;

/*
 An address of a virtual switch instance, and what became of it.
 */
typedef struct fwd_address {
  /*
   The instance.
   */
  uint16_t vsi;
  /*
   The address.
   */
  uint8_t mac[6];
  /*
   The port that it is at, or was when it was forgotten.
   */
  uint32_t port;
  /*
   Of one that moved: the port that it was at.
   */
  uint32_t moved_from;
  /*
   What became of it.
   */
  enum fwd_learned what;
  /*
   Whether it is static.
   */
  bool is_static;
} fwd_address;

/*
 Is called with an address.
 */
typedef void (*fwd_on_address)(void *context, const struct fwd_address *address);

/*
 What is to be copied. Only fwd_forward and its like write it, and only fwd_copies reads it.
 */
typedef struct fwd_replication {
  uint64_t opaque[16];
} fwd_replication;

/*
 A frame, and what became of it.
 */
typedef struct fwd_frame {
  /*
   A buffer of the caller's, with room in front of the frame: fwd_headroom() octets always suffice.
   */
  uint8_t *buffer;
  /*
   Octets of the buffer.
   */
  uint32_t capacity;
  /*
   Where the frame begins; written.
   */
  uint32_t start;
  /*
   Its octets, without frame check sequence; written.
   */
  uint32_t len;
  /*
   The interface it arrived on.
   */
  uint32_t ingress;
  /*
   What became of it.
   */
  enum fwd_verdict verdict;
  /*
   Why it was punted or dropped: fwd_punt_name, fwd_drop_name.
   */
  uint32_t reason;
  /*
   The interface to send it on.
   */
  uint32_t iface;
  /*
   Its class, 0 to 7.
   */
  uint8_t class_;
  /*
   Of a punt: the VRF.
   */
  uint16_t vrf;
  /*
   Of a protection: the security association.
   */
  uint16_t sa;
  /*
   Of a frame that is bridged and punted: the bridge port.
   */
  uint32_t port;
  /*
   Octets in front of the header that a punt is about or a protection begins behind, or of a customer's frame.
   */
  uint32_t offset;
  /*
   Of a frame that is to be copied: how.
   */
  struct fwd_replication replication;
} fwd_frame;

/*
 A copy of a frame: octets of its own, then octets of the frame that arrived, which all copies share.
 */
typedef struct fwd_copy {
  /*
   FWD_VERDICT_TRANSMIT or FWD_VERDICT_PROTECT; or FWD_VERDICT_PUNT or FWD_VERDICT_PUNT_FRAME: software gets the frame that arrived.
   */
  enum fwd_verdict verdict;
  /*
   The interface to send it on.
   */
  uint32_t iface;
  /*
   Its class, 0 to 7.
   */
  uint8_t class_;
  /*
   Its own octets, which are sent first; they are there during the call alone.
   */
  const uint8_t *front;
  /*
   How many.
   */
  uint32_t front_len;
  /*
   The octets behind them, in the buffer of the frame that arrived.
   */
  const uint8_t *payload;
  /*
   How many.
   */
  uint32_t payload_len;
  /*
   Of a punt: why.
   */
  uint32_t reason;
  /*
   Of a punt: the VRF.
   */
  uint16_t vrf;
  /*
   Of a punt of a frame that is bridged: the bridge port.
   */
  uint32_t port;
  /*
   Of a protection: the security association.
   */
  uint16_t sa;
  /*
   As in fwd_frame; of a protection, octets of the front.
   */
  uint32_t offset;
} fwd_copy;

/*
 Is called with a copy.
 */
typedef void (*fwd_on_copy)(void *context, const struct fwd_copy *copy);

/*
 What to do with the packets of a multicast route.
 */
typedef struct fwd_mroute {
  /*
   Where they must come from.
   */
  enum fwd_rpf rpf;
  /*
   The interface, tunnel or set.
   */
  uint32_t rpf_number;
  /*
   The tunnel of the tree that legs that are groups lead into, of merging.
   */
  uint32_t rpf_own;
  /*
   The group of legs that copies go by; FWD_NONE: nowhere.
   */
  uint32_t replication;
  /*
   The interface towards the source while packets come by the shared tree; FWD_NONE.
   */
  uint32_t spt;
  /*
   Whether a packet from elsewhere goes to software.
   */
  bool punt_wrong_interface;
  /*
   Whether software gets every packet beside the copies.
   */
  bool to_register;
} fwd_mroute;

/*
 A token bucket policer, colour-blind.
 */
typedef struct fwd_policer {
  /*
   Committed rate, in units a second.
   */
  uint64_t cir;
  /*
   Of two rates: peak rate; at least the committed one.
   */
  uint64_t pir;
  /*
   Committed burst, in units.
   */
  uint32_t cbs;
  /*
   Excess burst; of two rates, peak burst.
   */
  uint32_t ebs_or_pbs;
  /*
   Two rates (RFC 2698), not a single one (RFC 2697).
   */
  bool two_rates;
  /*
   Units are packets, not octets.
   */
  bool packets;
  /*
   Packets beyond the committed rate are dropped as those beyond all are.
   */
  bool drop_yellow;
} fwd_policer;

/*
 A virtual link, and how its packets are known when they arrive.
 */
typedef struct fwd_vlink {
  /*
   Whether the outer addresses are IPv6; IPv4 is in the first 4 octets.
   */
  bool is_v6;
  /*
   Our outer address.
   */
  uint8_t local[16];
  /*
   The other router's.
   */
  uint8_t remote[16];
  /*
   What stands behind the outer header.
   */
  enum fwd_encapsulation encapsulation;
  /*
   The key of GRE, or the session.
   */
  uint32_t key;
  /*
   The cookie of a session: 0, 4 or 8 octets.
   */
  uint8_t cookie_len;
  uint8_t cookie[8];
  /*
   Of a session: whether the default sublayer precedes the payload.
   */
  bool sublayer;
  /*
   Whether payloads are frames that arrive at a bridge port; else IP packets, looked up in a VRF.
   */
  bool to_port;
  /*
   The bridge port, or the VRF.
   */
  uint32_t deliver;
  /*
   Whether labelled packets are taken as well.
   */
  bool mpls;
  /*
   The space in which their labels are looked up; FWD_NONE: the platform's.
   */
  uint32_t label_space;
  /*
   Whether sources of IP packets are checked.
   */
  bool check_source;
  /*
   Whether numbered packets that are out of order are dropped.
   */
  bool ordered;
  /*
   Whether packets must have come through security association sa.
   */
  bool protected_;
  uint16_t sa;
  /*
   How the outer DSCP relates to the payload's.
   */
  enum fwd_model model;
} fwd_vlink;

/*
 How packets leave by a virtual link.
 */
typedef struct fwd_vlink_output {
  /*
   The entry that outer packets leave by.
   */
  uint32_t next;
  /*
   Whether there is a key or session; it is as the other router chose it.
   */
  bool has_key;
  uint32_t key;
  /*
   The cookie that the other router chose: 0, 4 or 8 octets.
   */
  uint8_t cookie_len;
  uint8_t cookie[8];
  /*
   UDP ports; a source port of 0 is a hash of the payload.
   */
  uint16_t source_port;
  uint16_t destination_port;
  /*
   Whether packets are numbered.
   */
  bool numbered;
  /*
   The most octets of an outer packet.
   */
  uint16_t mtu;
  /*
   The outer TTL.
   */
  uint8_t ttl;
  /*
   The outer DSCP from 1; 0: the payload's.
   */
  uint8_t dscp_from_1;
  /*
   Whether packets go through security association sa, which adds so many octets at most.
   */
  bool protected_;
  uint16_t sa;
  uint8_t overhead;
} fwd_vlink_output;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 What memory given to fwd_create must be aligned to, in octets.
 */
uintptr_t fwd_memory_align(void);

/*
 Octets of memory that fwd_create needs for these sizes; 0 if they cannot be.

 # Safety
 `sizes` is null or points to sizes.
 */
uintptr_t fwd_memory_size(const struct fwd_sizes *sizes);

/*
 Octets in front of a frame that always suffice.
 */
uintptr_t fwd_headroom(void);

/*
 A forwarder with empty tables in `len` octets of memory, which stay its own as long as it is used. There is nothing to be
 freed but that memory. Null if a size cannot be, or memory is too small or not aligned.

 # Safety
 `memory` is null or points to `len` octets that nothing else uses from here on. `sizes` is null or points to sizes.
 */
struct fwd_forwarder *fwd_create(uint8_t *memory,
                                 uintptr_t len,
                                 const struct fwd_sizes *sizes);

/*
 Applies an op of `fwd_op_len()` octets, as a control plane emitted it.

 # Safety
 `forwarder` came from fwd_create; `op` is null or points to `fwd_op_len()` octets.
 */
enum fwd_status fwd_apply(struct fwd_forwarder *forwarder, const uint8_t *op);

/*
 Octets of an op.
 */
uintptr_t fwd_op_len(void);

/*
 Creates an interface or changes it.

 # Safety
 `forwarder` came from fwd_create; `interface` is null or points to one.
 */
enum fwd_status fwd_set_interface(struct fwd_forwarder *forwarder,
                                  uint32_t iface,
                                  const struct fwd_interface *interface);

/*
 Removes an interface.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_interface(struct fwd_forwarder *forwarder, uint32_t iface);

/*
 Writes a next hop label forwarding entry.

 # Safety
 `forwarder` came from fwd_create; `nhlfe` is null or points to one.
 */
enum fwd_status fwd_set_nhlfe(struct fwd_forwarder *forwarder,
                              uint32_t id,
                              const struct fwd_nhlfe *nhlfe);

/*
 Removes a next hop label forwarding entry.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_nhlfe(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Writes a route: through entry `number`, to software, or nowhere.

 # Safety
 `forwarder` came from fwd_create; `route` is null or points to one.
 */
enum fwd_status fwd_set_route(struct fwd_forwarder *forwarder,
                              const struct fwd_route *route,
                              enum fwd_action_kind action,
                              uint32_t number);

/*
 Removes a route.

 # Safety
 `forwarder` came from fwd_create; `route` is null or points to one.
 */
enum fwd_status fwd_clear_route(struct fwd_forwarder *forwarder, const struct fwd_route *route);

/*
 Compares the tables with what an op left behind. What differs is written to `found` as the op that would make it.

 # Safety
 `forwarder` came from fwd_create; `op` and `found` are null or point to fwd_op_len() octets.
 */
enum fwd_finding fwd_compare(const struct fwd_forwarder *forwarder,
                             const uint8_t *op,
                             uint8_t *found);

/*
 Calls `on_op` with every entry of the tables as the op that would make it, in an order in which they can be applied. Whether it could.

 # Safety
 `forwarder` came from fwd_create; `on_op` may be called with `context`, and calls nothing here.
 */
bool fwd_entries(const struct fwd_forwarder *forwarder,
                 fwd_on_op on_op,
                 void *context);

/*
 Writes the way of a packet to an address of a VRF as text with a zero at the end, cut to `len` octets; returns the octets of the
 whole text, 0 if a pointer is null. As all that follow.

 # Safety
 `forwarder` came from fwd_create; `to` is null or points to 4 octets, of IPv6 to 16; `out` is null or points to `len` octets.
 */
uintptr_t fwd_route_way(const struct fwd_forwarder *forwarder,
                        uint16_t vrf,
                        bool is_v6,
                        const uint8_t *to,
                        char *out,
                        uintptr_t len);

/*
 The way of a packet with this label on top, and those of its copies, on a line each.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to `len` octets.
 */
uintptr_t fwd_label_way(const struct fwd_forwarder *forwarder,
                        uint32_t label,
                        char *out,
                        uintptr_t len);

/*
 The tree of a multicast packet of a VRF: its route, where it must come from, the group that copies it, and the way of each copy on a line.

 # Safety
 `forwarder` came from fwd_create; `source` and `group` are null or point to 4 octets, of IPv6 to 16; `out` is null or points to `len`
 octets.
 */
uintptr_t fwd_multicast_way(const struct fwd_forwarder *forwarder,
                            uint16_t vrf,
                            bool is_v6,
                            const uint8_t *source,
                            const uint8_t *group,
                            char *out,
                            uintptr_t len);

/*
 The ways of a frame of an instance, by its destination: to the port of an address, or to all ports.

 # Safety
 `forwarder` came from fwd_create; `to` is null or points to six octets; `out` is null or points to `len` octets.
 */
uintptr_t fwd_frame_way(const struct fwd_forwarder *forwarder,
                        uint16_t vsi,
                        const uint8_t *to,
                        char *out,
                        uintptr_t len);

/*
 The ways of the frames of a type that an instance sends to several ports.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to `len` octets.
 */
uintptr_t fwd_flood_way(const struct fwd_forwarder *forwarder,
                        uint16_t vsi,
                        enum fwd_traffic_type traffic,
                        char *out,
                        uintptr_t len);

/*
 Where the payloads of a virtual link go, and on a second line how packets leave by it.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to `len` octets.
 */
uintptr_t fwd_vlink_way(const struct fwd_forwarder *forwarder,
                        uint32_t vlink,
                        char *out,
                        uintptr_t len);

/*
 Creates a virtual switch instance or changes its settings.

 # Safety
 `forwarder` came from fwd_create; `instance` is null or points to one.
 */
enum fwd_status fwd_set_vsi(struct fwd_forwarder *forwarder,
                            uint16_t vsi,
                            const struct fwd_vsi *instance);

/*
 Removes a virtual switch instance and its addresses.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_vsi(struct fwd_forwarder *forwarder, uint16_t vsi);

/*
 Creates a port of an instance or changes it.

 # Safety
 `forwarder` came from fwd_create; `settings` is null or points to them.
 */
enum fwd_status fwd_set_port(struct fwd_forwarder *forwarder,
                             uint32_t id,
                             const struct fwd_port *settings);

/*
 Removes a port and its addresses.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_port(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Writes a static address.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
enum fwd_status fwd_set_mac(struct fwd_forwarder *forwarder,
                            uint16_t vsi,
                            const uint8_t *address,
                            uint32_t port);

/*
 Removes an address, static or learned.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
enum fwd_status fwd_clear_mac(struct fwd_forwarder *forwarder,
                              uint16_t vsi,
                              const uint8_t *address);

/*
 Forgets an address, if it was learned.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
enum fwd_status fwd_flush_mac(struct fwd_forwarder *forwarder,
                              uint16_t vsi,
                              const uint8_t *address);

/*
 Forgets the addresses learned at a port.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_flush_port(struct fwd_forwarder *forwarder, uint32_t port);

/*
 Forgets the addresses learned at all ports of an instance but one.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_flush_all_but(struct fwd_forwarder *forwarder, uint16_t vsi, uint32_t port);

/*
 Forgets all addresses learned in an instance.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_flush_vsi(struct fwd_forwarder *forwarder, uint16_t vsi);

/*
 Writes where the IP multicast of an instance goes that matches a key; FWD_NONE: nowhere, a filter.

 # Safety
 `forwarder` came from fwd_create; `key` is null or points to one.
 */
enum fwd_status fwd_set_vsi_group(struct fwd_forwarder *forwarder,
                                  uint16_t vsi,
                                  const struct fwd_mroute_key *key,
                                  uint32_t replication);

/*
 Removes a group entry of an instance.

 # Safety
 `forwarder` came from fwd_create; `key` is null or points to one.
 */
enum fwd_status fwd_clear_vsi_group(struct fwd_forwarder *forwarder,
                                    uint16_t vsi,
                                    const struct fwd_mroute_key *key);

/*
 As fwd_set_vsi_group, of frames to a group address.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
enum fwd_status fwd_set_vsi_mac_group(struct fwd_forwarder *forwarder,
                                      uint16_t vsi,
                                      const uint8_t *address,
                                      uint32_t replication);

/*
 Removes a group entry of frames to a group address.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
enum fwd_status fwd_clear_vsi_mac_group(struct fwd_forwarder *forwarder,
                                        uint16_t vsi,
                                        const uint8_t *address);

/*
 Makes a customer's VLAN of an instance a broadcast domain of its own, for which another instance stands.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_vlan_domain(struct fwd_forwarder *forwarder,
                                    uint16_t vsi,
                                    uint16_t vlan,
                                    uint16_t domain);

/*
 Returns a customer's VLAN to its instance's own domain.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_vlan_domain(struct fwd_forwarder *forwarder, uint16_t vsi, uint16_t vlan);

/*
 Packets sent.

 # Safety
 `forwarder` came from fwd_create.
 */
uint64_t fwd_transmitted(const struct fwd_forwarder *forwarder);

/*
 Packets handed to software for this reason; 0 for a number that is none.

 # Safety
 `forwarder` came from fwd_create.
 */
uint64_t fwd_punted(const struct fwd_forwarder *forwarder, uint32_t reason);

/*
 Packets dropped for this reason; 0 for a number that is none.

 # Safety
 `forwarder` came from fwd_create.
 */
uint64_t fwd_dropped(const struct fwd_forwarder *forwarder, uint32_t reason);

/*
 How many reasons there are to hand a packet to software: they count from 0.
 */
uint32_t fwd_punt_reasons(void);

/*
 How many reasons there are to drop a packet: they count from 0.
 */
uint32_t fwd_drop_reasons(void);

/*
 Writes the name of a reason to hand packets to software, with a zero at the end, cut to `len` octets; returns the octets of
 the whole name, 0 for a number that is none.

 # Safety
 `out` is null or points to `len` octets.
 */
uintptr_t fwd_punt_name(uint32_t reason,
                        char *out,
                        uintptr_t len);

/*
 As fwd_punt_name, of a reason to drop packets.

 # Safety
 `out` is null or points to `len` octets.
 */
uintptr_t fwd_drop_name(uint32_t reason, char *out, uintptr_t len);

/*
 Packets and octets of a VRF's interfaces; of VRF 0, those of the core links.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to one.
 */
enum fwd_status fwd_vrf_traffic(const struct fwd_forwarder *forwarder,
                                uint16_t vrf,
                                struct fwd_traffic *out);

/*
 Packets and octets of a virtual link.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to one.
 */
enum fwd_status fwd_vlink_traffic(const struct fwd_forwarder *forwarder,
                                  uint32_t vlink,
                                  struct fwd_traffic *out);

/*
 Copies sent.

 # Safety
 `forwarder` came from fwd_create.
 */
uint64_t fwd_copied(const struct fwd_forwarder *forwarder);

/*
 Copies that could not be sent for this reason to drop packets.

 # Safety
 `forwarder` came from fwd_create.
 */
uint64_t fwd_copies_lost(const struct fwd_forwarder *forwarder, uint32_t reason);

/*
 Packets of a replication group.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to one.
 */
enum fwd_status fwd_group_counters(const struct fwd_forwarder *forwarder,
                                   uint32_t group,
                                   struct fwd_group_traffic *out);

/*
 Frames of a virtual switch instance.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to one.
 */
enum fwd_status fwd_vsi_counters(const struct fwd_forwarder *forwarder,
                                 uint16_t vsi,
                                 struct fwd_bridge_traffic *out);

/*
 Frames of a bridge port.

 # Safety
 `forwarder` came from fwd_create; `out` is null or points to one.
 */
enum fwd_status fwd_port_counters(const struct fwd_forwarder *forwarder,
                                  uint32_t port,
                                  struct fwd_bridge_traffic *out);

/*
 Has `on_address` called from now on with each address that frames teach (new, moved, or not learned for want of room) and with each
 that is forgotten for its age; null: no more.

 # Safety
 `forwarder` came from fwd_create; `on_address` may be called with `context` until it is replaced, and calls nothing here.
 */
enum fwd_status fwd_on_addresses(struct fwd_forwarder *forwarder,
                                 fwd_on_address on_address,
                                 void *context);

/*
 Forwards frames one after the other; each is rewritten in its buffer, or left as it was, and says what became of it. Frames whose
 buffer is null or shorter than said have the verdict FWD_VERDICT_NONE.

 # Safety
 `forwarder` came from fwd_create; `frames` is null or points to `count` frames, whose buffers are as long as said, apart
 from one another, and used by nothing else meanwhile.
 */
enum fwd_status fwd_forward(struct fwd_forwarder *forwarder,
                            struct fwd_frame *frames,
                            uintptr_t count);

/*
 As fwd_forward, each stage for up to 32 frames before the next, so that their look-ups overlap: for processors that wait for memory,
 and have some KiB of stack.

 # Safety
 As of fwd_forward.
 */
enum fwd_status fwd_forward_batch(struct fwd_forwarder *forwarder,
                                  struct fwd_frame *frames,
                                  uintptr_t count);

/*
 As fwd_forward, for one frame that was taken out of ESP by security association `sa`.

 # Safety
 As of fwd_forward.
 */
enum fwd_status fwd_forward_unprotected(struct fwd_forwarder *forwarder,
                                        struct fwd_frame *frame,
                                        uint16_t sa);

/*
 Makes the copies of a frame whose verdict is FWD_VERDICT_REPLICATE, one after the other, and calls `on_copy` with each. The frame's own
 octets are neither copied nor changed: a transmitter sends the front of a copy, then its range of the frame.

 # Safety
 `forwarder` came from fwd_create; `frame` is null or points to a frame as this forwarder wrote it, whose buffer is as it was and used
 by nothing else meanwhile; `on_copy` may be called with `context`, and calls nothing here.
 */
enum fwd_status fwd_copies(struct fwd_forwarder *forwarder,
                           const struct fwd_frame *frame,
                           fwd_on_copy on_copy,
                           void *context);

/*
 Says what time it is, in microseconds since an epoch of the caller's: policers go by it. It does not go back.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_now(struct fwd_forwarder *forwarder,
                            uint64_t micros);

/*
 Forgets addresses that were not seen for the age of their instance, looking at `buckets` buckets of four addresses at most. Whether
 that was all that was due; each bucket is due once in four seconds.

 # Safety
 `forwarder` came from fwd_create.
 */
bool fwd_age(struct fwd_forwarder *forwarder,
             uint64_t micros,
             uintptr_t buckets);

/*
 Learns an address, as frames teach it; says what became of it.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets, `out` is null or points to one.
 */
enum fwd_status fwd_learn(struct fwd_forwarder *forwarder,
                          uint16_t vsi,
                          const uint8_t *address,
                          uint32_t port,
                          struct fwd_address *out);

/*
 The port that an address of an instance is at; FWD_NONE where it is not known.

 # Safety
 `forwarder` came from fwd_create; `address` is null or points to six octets.
 */
uint32_t fwd_port_of(const struct fwd_forwarder *forwarder, uint16_t vsi, const uint8_t *address);

/*
 Calls `on_address` with every address of every instance, in no order.

 # Safety
 `forwarder` came from fwd_create; `on_address` may be called with `context`, and calls nothing here.
 */
enum fwd_status fwd_addresses(const struct fwd_forwarder *forwarder,
                              fwd_on_address on_address,
                              void *context);

/*
 Maps an incoming label to an action: through entry `number`, or whatever else number names.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_label(struct fwd_forwarder *forwarder,
                              uint32_t label,
                              enum fwd_action_kind action,
                              uint32_t number,
                              enum fwd_model model);

/*
 Removes an incoming label.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_label(struct fwd_forwarder *forwarder, uint32_t label);

/*
 As fwd_set_label, of a label of label space `space`: another router's or an interface's.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_context_label(struct fwd_forwarder *forwarder,
                                      uint32_t space,
                                      uint32_t label,
                                      enum fwd_action_kind action,
                                      uint32_t number,
                                      enum fwd_model model);

/*
 Removes a label of label space `space`.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_context_label(struct fwd_forwarder *forwarder,
                                        uint32_t space,
                                        uint32_t label);

/*
 Gives an interface a label space of its own; FWD_NONE returns it to the platform's.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_label_space(struct fwd_forwarder *forwarder,
                                    uint32_t iface,
                                    uint32_t space);

/*
 Gives an interface a label space for labels on top that their senders assigned; FWD_NONE takes it away.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_upstream_space(struct fwd_forwarder *forwarder,
                                       uint32_t iface,
                                       uint32_t space);

/*
 Writes a multicast route of a VRF.

 # Safety
 `forwarder` came from fwd_create; `key` and `route` are null or point to one.
 */
enum fwd_status fwd_set_mroute(struct fwd_forwarder *forwarder,
                               uint16_t vrf,
                               const struct fwd_mroute_key *key,
                               const struct fwd_mroute *route);

/*
 Removes a multicast route of a VRF.

 # Safety
 `forwarder` came from fwd_create; `key` is null or points to one.
 */
enum fwd_status fwd_clear_mroute(struct fwd_forwarder *forwarder,
                                 uint16_t vrf,
                                 const struct fwd_mroute_key *key);

/*
 Turns multicast routing on in a VRF; a packet without a route goes to software or is dropped.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_multicast_vrf(struct fwd_forwarder *forwarder,
                                      uint16_t vrf,
                                      bool punt_no_route);

/*
 Turns multicast routing off in a VRF.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_multicast_vrf(struct fwd_forwarder *forwarder, uint16_t vrf);

/*
 Adds an interface or a tunnel to a set that packets may come from.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_rpf_member(struct fwd_forwarder *forwarder,
                                   uint32_t set,
                                   bool is_tunnel,
                                   uint32_t number);

/*
 Removes an interface or a tunnel from a set.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_rpf_member(struct fwd_forwarder *forwarder,
                                     uint32_t set,
                                     bool is_tunnel,
                                     uint32_t number);

/*
 Binds a tunnel that multicast arrives by to a VRF.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_multicast_tunnel(struct fwd_forwarder *forwarder,
                                         uint32_t tunnel,
                                         uint16_t vrf);

/*
 Unbinds a tunnel.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_multicast_tunnel(struct fwd_forwarder *forwarder, uint32_t tunnel);

/*
 Creates a replication group without legs, or gives one another owner: a virtual switch instance or a VRF, 0 for labelled packets.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_replication(struct fwd_forwarder *forwarder,
                                    uint32_t id,
                                    bool is_vsi,
                                    uint16_t owner);

/*
 Removes a replication group with its legs.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_replication(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Adds a leg to a replication group, or replaces it.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_leg(struct fwd_forwarder *forwarder,
                            uint32_t group,
                            uint16_t leg,
                            enum fwd_leg to,
                            uint32_t number);

/*
 Removes a leg of a replication group.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_leg(struct fwd_forwarder *forwarder, uint32_t group, uint16_t leg);

/*
 Writes a policer. Its buckets are filled if it is new, kept if it was there.

 # Safety
 `forwarder` came from fwd_create; `rates` is null or points to one.
 */
enum fwd_status fwd_set_policer(struct fwd_forwarder *forwarder,
                                uint32_t id,
                                const struct fwd_policer *rates);

/*
 Removes a policer: where it stands, everything passes.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_policer(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Puts a policer somewhere: storm control is one for broadcast, unknown and multicast frames of a port. It goes by fwd_set_now.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_police_point(struct fwd_forwarder *forwarder,
                                     enum fwd_police_point at,
                                     uint32_t number,
                                     enum fwd_traffic_type traffic,
                                     uint32_t policer);

/*
 Takes the policer away from somewhere.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_police_point(struct fwd_forwarder *forwarder,
                                       enum fwd_police_point at,
                                       uint32_t number,
                                       enum fwd_traffic_type traffic);

/*
 Marks the packets of a replication group, or those that come into a VRF, with a code point of six bits.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_mark(struct fwd_forwarder *forwarder,
                             bool is_group,
                             uint32_t number,
                             uint8_t code);

/*
 Leaves packets as they are marked.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_mark(struct fwd_forwarder *forwarder, bool is_group, uint32_t number);

/*
 Writes one of the 64 buckets of a group: the flows with one value of a hash take this entry.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_bucket(struct fwd_forwarder *forwarder,
                               uint32_t group,
                               uint8_t bucket,
                               uint32_t entry);

/*
 Empties a bucket: its flows take the next that is not empty.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_bucket(struct fwd_forwarder *forwarder, uint32_t group, uint8_t bucket);

/*
 Pairs an entry with the one that takes over when it fails.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_protection(struct fwd_forwarder *forwarder,
                                   uint32_t id,
                                   uint32_t primary,
                                   uint32_t backup);

/*
 Dissolves a pair.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_protection(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Sends everything behind a pair by its backup, or by its primary again.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_switch_over(struct fwd_forwarder *forwarder, uint32_t id, bool backup);

/*
 Has a pair take its backup while an interface is down; FWD_NONE: no interface any more.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_watch(struct fwd_forwarder *forwarder, uint32_t id, uint32_t iface);

/*
 Says whether an interface is down: every pair that watches it switches.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_set_interface_state(struct fwd_forwarder *forwarder, uint32_t iface, bool down);

/*
 Creates a virtual link, or changes how its packets are known; its output stays.

 # Safety
 `forwarder` came from fwd_create; `vlink` is null or points to one.
 */
enum fwd_status fwd_set_vlink(struct fwd_forwarder *forwarder,
                              uint32_t id,
                              const struct fwd_vlink *vlink);

/*
 Removes a virtual link.

 # Safety
 `forwarder` came from fwd_create.
 */
enum fwd_status fwd_clear_vlink(struct fwd_forwarder *forwarder, uint32_t id);

/*
 Writes how packets leave by a virtual link, which must exist.

 # Safety
 `forwarder` came from fwd_create; `how` is null or points to one.
 */
enum fwd_status fwd_set_vlink_output(struct fwd_forwarder *forwarder,
                                     uint32_t id,
                                     const struct fwd_vlink_output *how);

#ifdef __cplusplus
} // extern "C"
#endif // __cplusplus

#endif /* FWD_CORE_H */
