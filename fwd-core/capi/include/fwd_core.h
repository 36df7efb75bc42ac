/* The forwarding plane for C programs. Made from fwd-core/capi/src by cbindgen: ci/capi.sh --update. */

#ifndef FWD_CORE_H
#define FWD_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
   Pop, and look up in VRF number. For labels only.
   */
  FWD_ACTION_KIND_POP_LOOKUP = 3,
} fwd_action_kind;

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
} fwd_next_kind;

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
   The op names what cannot be: a special-purpose label, a number too large.
   */
  FWD_STATUS_REFUSED = 5,
} fwd_status;

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
   Virtual links, numbered from 0.
   */
  uint32_t vlinks;
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
   The interface, entry or virtual link it leads to.
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
   Octets in front of the header that a punt is about or a protection begins behind.
   */
  uint32_t offset;
} fwd_frame;

/*
 Packets and octets.
 */
typedef struct fwd_traffic {
  uint64_t in_packets;
  uint64_t in_octets;
  uint64_t out_packets;
  uint64_t out_octets;
} fwd_traffic;

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
 Maps an incoming label to an action: through entry `number`, or look up in VRF `number`.

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
 Forwards a batch of frames; each is rewritten in its buffer, or left as it was, and says what became of it. Frames whose
 buffer is null or shorter than said have the verdict FWD_VERDICT_NONE.

 # Safety
 `forwarder` came from fwd_create; `frames` is null or points to `count` frames, whose buffers are as long as said, apart
 from one another, and used by nothing else meanwhile.
 */
enum fwd_status fwd_forward(struct fwd_forwarder *forwarder,
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

#ifdef __cplusplus
} // extern "C"
#endif // __cplusplus

#endif /* FWD_CORE_H */
