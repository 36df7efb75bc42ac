/* A bridge, a multicast tree and their audit. */
#include "check.h"

enum { CUSTOMER, TAGGED, ROUTED, CORE };
enum { VSI = 1, FLOOD = 1, TREE = 2, PASSING = 3 };

static uint8_t buffer[512];

static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, next_hop[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t a[6] = {2, 0, 0, 0, 1, 1}, b[6] = {2, 0, 0, 0, 1, 2}, all[6] = {255, 255, 255, 255, 255, 255};

/* What was called back. */
static struct {
  fwd_copy copies[8];
  uint8_t octets[8][160];
  uint32_t count;
} made;
static struct {
  fwd_address last;
  uint32_t count;
} told;
static struct {
  uint8_t ops[64][64];
  uint32_t count;
} held;

static void copied(void *context, const fwd_copy *copy) {
  uint32_t *count = context;
  if (*count < 8) {
    uint8_t *to = made.octets[*count];
    for (uint32_t i = 0; i < copy->front_len; i++) *to++ = copy->front[i];
    for (uint32_t i = 0; i < copy->payload_len && i < 100; i++) *to++ = copy->payload[i];
    made.copies[*count] = *copy;
  }
  (*count)++;
}

static void learned(void *context, const fwd_address *address) {
  (void)context;
  told.last = *address;
  told.count++;
}

static void entry(void *context, const uint8_t *op) {
  (void)context;
  for (int i = 0; i < 64 && held.count < 64; i++) held.ops[held.count][i] = op[i];
  held.count++;
}

static void put(uint8_t **to, const void *from, size_t len) {
  for (size_t i = 0; i < len; i++) *(*to)++ = ((const uint8_t *)from)[i];
}

/* Forwards what stands in the buffer from 300 on; its copies are made as well. */
static fwd_frame forward(fwd_forwarder *f, uint32_t ingress, const uint8_t *end) {
  fwd_frame frame = {.buffer = buffer, .capacity = sizeof buffer, .start = 300, .ingress = ingress};
  frame.len = (uint32_t)(end - (buffer + 300));
  made.count = 0;
  check("forwarded", fwd_forward(f, &frame, 1) == FWD_STATUS_OK);
  if (frame.verdict == FWD_VERDICT_REPLICATE)
    check("copied", fwd_copies(f, &frame, copied, &made.count) == FWD_STATUS_OK);
  return frame;
}

static fwd_frame ethernet(fwd_forwarder *f, uint32_t ingress, const uint8_t *to, const uint8_t *from) {
  static const uint8_t rest[50] = {0x88, 0xb5, 1, 2, 3};
  uint8_t *at = buffer + 300;
  put(&at, to, 6), put(&at, from, 6), put(&at, rest, sizeof rest);
  return forward(f, ingress, at);
}

/* From the core, below label 16 and a control word. */
static fwd_frame pseudowire(fwd_forwarder *f, const uint8_t *to, const uint8_t *from) {
  static const uint8_t front[10] = {0x88, 0x47, 0, 1, 1, 64}, rest[50] = {0x88, 0xb5, 1, 2, 3};
  uint8_t *at = buffer + 300;
  put(&at, ours, 6), put(&at, next_hop, 6), put(&at, front, 10);
  put(&at, to, 6), put(&at, from, 6), put(&at, rest, sizeof rest);
  return forward(f, CORE, at);
}

/* From 10.0.0.1 to 232.1.1.1. */
static fwd_frame multicast(fwd_forwarder *f) {
  static const uint8_t front[14] = {1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 9, 8, 0};
  static const uint8_t ip[20] = {0x45, 0, 0, 28, 0, 0, 0, 0, 9, 17, 0xbe, 0xce, 10, 0, 0, 1, 232, 1, 1, 1}, data[8] = {7};
  uint8_t *at = buffer + 300;
  put(&at, front, 14), put(&at, ip, 20), put(&at, data, 8);
  return forward(f, ROUTED, at);
}

static void furnish(fwd_forwarder *f) {
  for (uint32_t i = CUSTOMER; i <= CORE; i++) {
    fwd_interface interface = {.vrf = i == ROUTED ? 1 : 0, .mtu = 1500, .mpls = i == CORE};
    for (int n = 0; n < 6; n++) interface.mac[n] = ours[n];
    check("interface", fwd_set_interface(f, i, &interface) == FWD_STATUS_OK);
  }
  for (uint32_t n = 0; n < 2; n++) {
    fwd_nhlfe to = {.labels = {1000 + n}, .label_count = 1, .next = FWD_NEXT_KIND_NEIGHBOR, .number = CORE, .model = FWD_MODEL_PIPE};
    for (int i = 0; i < 6; i++) to.mac[i] = next_hop[i];
    check("entry", fwd_set_nhlfe(f, n, &to) == FWD_STATUS_OK);
  }
  fwd_vsi vsi = {.unknown = FLOOD, .broadcast = FLOOD, .multicast = FLOOD, .mac_limit = 10, .age = 20};
  fwd_port ports[3] = {
      {.vsi = VSI, .attachment = FWD_ATTACHMENT_CIRCUIT, .number = CUSTOMER, .tags = FWD_TAGS_UNTAGGED},
      {.vsi = VSI, .attachment = FWD_ATTACHMENT_CIRCUIT, .number = TAGGED, .tags = FWD_TAGS_VLAN, .outer_vlan = 30},
      {.vsi = VSI, .attachment = FWD_ATTACHMENT_PSEUDOWIRE, .number = 0, .control_word = true, .split_horizon = 1}};
  check("instance", fwd_set_vsi(f, VSI, &vsi) == FWD_STATUS_OK);
  check("group", fwd_set_replication(f, FLOOD, true, VSI) == FWD_STATUS_OK);
  for (uint32_t n = 0; n < 3; n++) {
    ports[n].mac_limit = 10, ports[n].learn = true;
    check("port", fwd_set_port(f, n, &ports[n]) == FWD_STATUS_OK);
    check("leg", fwd_set_leg(f, FLOOD, (uint16_t)n, FWD_LEG_PORT, n) == FWD_STATUS_OK);
  }
  check("label of a port", fwd_set_label(f, 16, FWD_ACTION_KIND_BRIDGE, 2, FWD_MODEL_PIPE) == FWD_STATUS_OK);
}

/* Flooded, learned, switched, moved, flushed, aged. */
static void bridge(fwd_forwarder *f) {
  check("told of addresses", fwd_on_addresses(f, learned, NULL) == FWD_STATUS_OK);
  fwd_frame frame = ethernet(f, CUSTOMER, b, a);
  check("unknown: copied", frame.verdict == FWD_VERDICT_REPLICATE && made.count == 2 && fwd_copied(f) == 2);
  check("learned", told.count == 1 && told.last.what == FWD_LEARNED_NEW && told.last.port == 0 && same(told.last.mac, a, 6));
  static const uint8_t tag[4] = {0x81, 0, 0, 30}, label[4] = {0, 0x3e, 0x81, 255};
  const fwd_copy *copy = made.copies;
  check("to the circuit", copy[0].verdict == FWD_VERDICT_TRANSMIT && copy[0].iface == TAGGED);
  check("with its tag", copy[0].front_len + copy[0].payload_len == 66 && same(made.octets[0] + 12, tag, 4));
  check("its end is shared", copy[0].payload + copy[0].payload_len == buffer + 300 + 62);
  check("to the pseudowire", copy[1].iface == CORE && same(made.octets[1] + 14, label, 4) && same(made.octets[1] + 22, b, 6));
  check("the frame is as it was", same(buffer + 300, b, 6) && same(buffer + 306, a, 6));

  frame = pseudowire(f, a, b);
  check("known: sent", frame.verdict == FWD_VERDICT_TRANSMIT && frame.iface == CUSTOMER && frame.len == 62);
  check("from the core", fwd_port_of(f, VSI, b) == 2 && fwd_port_of(f, VSI, a) == 0 && fwd_port_of(f, 0, a) == FWD_NONE);
  frame = ethernet(f, CUSTOMER, a, b);
  check("moved", told.last.what == FWD_LEARNED_MOVED && told.last.port == 0 && told.last.moved_from == 2);
  check("to itself", frame.verdict == FWD_VERDICT_DROP);
  fwd_address address;
  check("learned by hand", fwd_learn(f, VSI, b, 1, &address) == FWD_STATUS_OK && address.what == FWD_LEARNED_MOVED);
  told.count = 0;
  check("walk", fwd_addresses(f, learned, NULL) == FWD_STATUS_OK && told.count == 2 && !told.last.is_static);

  check("flushed", fwd_flush_port(f, 1) == FWD_STATUS_OK && fwd_port_of(f, VSI, b) == FWD_NONE);
  check("static", fwd_set_mac(f, VSI, b, 2) == FWD_STATUS_OK && fwd_flush_vsi(f, VSI) == FWD_STATUS_OK);
  check("stays", fwd_port_of(f, VSI, b) == 2 && fwd_port_of(f, VSI, a) == FWD_NONE);
  check("removed", fwd_clear_mac(f, VSI, b) == FWD_STATUS_OK && fwd_port_of(f, VSI, b) == FWD_NONE);
  ethernet(f, CUSTOMER, all, a);
  check("flushed with the others", fwd_flush_all_but(f, VSI, 1) == FWD_STATUS_OK && fwd_port_of(f, VSI, a) == FWD_NONE);
  ethernet(f, CUSTOMER, all, a);
  told.count = 0;
  for (uint64_t second = 0; second < 40; second += 4)
    while (!fwd_age(f, second * 1000000, 4)) {
    }
  check("aged", told.count == 1 && told.last.what == FWD_LEARNED_AGED && fwd_port_of(f, VSI, a) == FWD_NONE);
  fwd_bridge_traffic counters;
  check("counters", fwd_vsi_counters(f, VSI, &counters) == FWD_STATUS_OK && counters.in_by_type[FWD_TRAFFIC_TYPE_BROADCAST] == 2);
  check("of the port", fwd_port_counters(f, 2, &counters) == FWD_STATUS_OK && counters.traffic.in_packets == 1);
  check("of no port", fwd_port_counters(f, 9, &counters) == FWD_STATUS_INVALID);
}

/* Two broadcasts at once, and one more each second. */
static void storm(fwd_forwarder *f) {
  fwd_policer rate = {.cir = 1, .cbs = 2, .packets = true, .drop_yellow = true}, senseless = {.cir = 1};
  check("policer", fwd_set_policer(f, 0, &rate) == FWD_STATUS_OK && fwd_set_policer(f, 1, &senseless) == FWD_STATUS_REFUSED);
  check("its place", fwd_set_police_point(f, FWD_POLICE_POINT_PORT, 0, FWD_TRAFFIC_TYPE_BROADCAST, 0) == FWD_STATUS_OK);
  uint32_t passed = 0;
  for (uint64_t n = 0; n < 20; n++) {
    fwd_set_now(f, 100000000 + n * 100000);
    passed += ethernet(f, CUSTOMER, all, a).verdict == FWD_VERDICT_REPLICATE;
  }
  fwd_bridge_traffic counters = {.policed = 0};
  check("storm", passed == 3 && fwd_port_counters(f, 0, &counters) == FWD_STATUS_OK && counters.policed == 17);
  check("over", fwd_clear_police_point(f, FWD_POLICE_POINT_PORT, 0, FWD_TRAFFIC_TYPE_BROADCAST) == FWD_STATUS_OK);
  check("all pass", ethernet(f, CUSTOMER, all, a).verdict == FWD_VERDICT_REPLICATE);
}

static const fwd_mroute_key flow = {.has_source = true, .source = {10, 0, 0, 1}, .group = {232, 1, 1, 1}};

/* Into a tree, and through one. */
static void tree(fwd_forwarder *f) {
  fwd_mroute route = {.rpf = FWD_RPF_INTERFACE, .rpf_number = ROUTED, .replication = TREE, .spt = FWD_NONE};
  fwd_mroute_key loose = {.group_len = 8, .group = {232, 1}};
  check("multicast on", fwd_set_multicast_vrf(f, 1, true) == FWD_STATUS_OK);
  fwd_frame frame = multicast(f);
  check("no route: to software", frame.verdict == FWD_VERDICT_PUNT && frame.vrf == 1 && frame.offset == 14);
  check("tree", fwd_set_replication(f, TREE, false, 1) == FWD_STATUS_OK);
  check("leg", fwd_set_leg(f, TREE, 0, FWD_LEG_NHLFE, 1) == FWD_STATUS_OK && fwd_set_leg(f, TREE, 1, FWD_LEG_LOCAL, 0) == FWD_STATUS_OK);
  check("route", fwd_set_mroute(f, 1, &flow, &route) == FWD_STATUS_OK && fwd_set_mroute(f, 1, &loose, &route) == FWD_STATUS_INVALID);
  frame = multicast(f);
  check("copied", frame.verdict == FWD_VERDICT_REPLICATE && made.count == 2);
  static const uint8_t front[6] = {0x88, 0x47, 0, 0x3e, 0x91, 255}, ttl[2] = {8, 17};
  const fwd_copy *copy = made.copies;
  check("labelled", copy[0].verdict == FWD_VERDICT_TRANSMIT && copy[0].iface == CORE && same(made.octets[0] + 12, front, 6));
  check("a hop less", same(made.octets[0] + 26, ttl, 2) && copy[0].front_len == 38 && copy[0].payload == buffer + 334);
  check("and to software", copy[1].verdict == FWD_VERDICT_PUNT && copy[1].vrf == 1 && copy[1].front_len == 0);
  fwd_group_traffic traffic;
  check("counted", fwd_group_counters(f, TREE, &traffic) == FWD_STATUS_OK && traffic.packets == 1 && traffic.copies == 2);

  check("labels", fwd_set_replication(f, PASSING, false, 0) == FWD_STATUS_OK && fwd_set_leg(f, PASSING, 7, FWD_LEG_NHLFE, 1) == FWD_STATUS_OK);
  check("label to copy", fwd_set_label(f, 17, FWD_ACTION_KIND_REPLICATE, PASSING, FWD_MODEL_PIPE) == FWD_STATUS_OK);
  uint8_t *at = buffer + 300;
  static const uint8_t entry17[6] = {0x88, 0x47, 0, 1, 0x11, 64}, data[40] = {1};
  put(&at, ours, 6), put(&at, next_hop, 6), put(&at, entry17, 6), put(&at, data, 40);
  frame = forward(f, CORE, at);
  static const uint8_t swapped[4] = {0, 0x3e, 0x91, 63};
  check("label copied", made.count == 1 && same(made.octets[0] + 14, swapped, 4) && made.copies[0].payload_len == 40);
  check("no copies of that", fwd_copies(f, &(fwd_frame){.verdict = FWD_VERDICT_DROP}, copied, NULL) == FWD_STATUS_INVALID);
}

static bool text_is(const char *text, size_t len, const char *expected) {
  size_t n = 0;
  while (expected[n] != 0) n++;
  return n == len && same(text, expected, n + 1);
}

/* What the tables hold is what was said, and each difference is found. */
static void audit(fwd_forwarder *f, fwd_forwarder *other) {
  fwd_vlink link = {.local = {192, 0, 2, 1}, .remote = {192, 0, 2, 2}, .encapsulation = FWD_ENCAPSULATION_L2TP, .key = 7,
                    .cookie_len = 4, .cookie = {1, 2, 3, 4}, .to_port = true, .deliver = 1, .label_space = FWD_NONE};
  fwd_vlink_output output = {.next = 1, .has_key = true, .key = 9, .mtu = 1500, .ttl = 64};
  check("virtual link", fwd_set_vlink(f, 0, &link) == FWD_STATUS_OK && fwd_set_vlink_output(f, 0, &output) == FWD_STATUS_OK);
  link.cookie_len = 5;
  check("no such cookie", fwd_set_vlink(f, 0, &link) == FWD_STATUS_INVALID);

  held.count = 0;
  check("entries", fwd_entries(f, entry, NULL) && held.count > 20 && held.count <= 64);
  uint8_t found[64];
  bool agree = true, missing = true;
  for (uint32_t i = 0; i < held.count; i++) {
    agree = agree && fwd_compare(f, held.ops[i], found) == FWD_FINDING_SAME;
    missing = missing && fwd_compare(other, held.ops[i], found) == FWD_FINDING_MISSING;
  }
  check("they agree with the tables", agree);
  check("and are missing elsewhere", missing);
  bool applied = true;
  for (uint32_t i = 0; i < held.count; i++) applied = applied && fwd_apply(other, held.ops[i]) == FWD_STATUS_OK;
  for (uint32_t i = 0; i < held.count; i++) applied = applied && fwd_compare(other, held.ops[i], found) == FWD_FINDING_SAME;
  check("they make the same tables", applied);
  fwd_set_leg(other, TREE, 0, FWD_LEG_NHLFE, 0);
  uint32_t different = 0;
  for (uint32_t i = 0; i < held.count; i++) different += fwd_compare(other, held.ops[i], found) == FWD_FINDING_DIFFERENT;
  /* SetLeg, of the group's number, to an entry. */
  check("the leg that leads elsewhere", different == 1 && fwd_compare(f, found, NULL) == FWD_FINDING_DIFFERENT);
  check("no op", fwd_compare(f, NULL, found) == FWD_FINDING_INVALID);
}

static void ways(fwd_forwarder *f) {
  char text[400];
  static const uint8_t source[4] = {10, 0, 0, 1}, group[4] = {232, 1, 1, 1};
  size_t len = fwd_multicast_way(f, 1, false, source, group, text, sizeof text);
  check("tree", text_is(text, len,
                        "(10.0.0.1, 232.1.1.1) of vrf1 from if2 -> replication2\n"
                        "  leg 0 -> nhlfe1 push [1001] -> if3 to 02:00:00:00:00:02\n"
                        "  leg 1 -> software"));
  len = fwd_flood_way(f, VSI, FWD_TRAFFIC_TYPE_UNKNOWN, text, sizeof text);
  check("flood", text_is(text, len,
                         "unknown of vsi1 -> replication1\n"
                         "  leg 0 -> port0 -> if0 untagged\n"
                         "  leg 1 -> port1 -> if1 tag 30\n"
                         "  leg 2 -> port2 -> nhlfe0 push [1000] -> if3 to 02:00:00:00:00:02"));
  fwd_set_mac(f, VSI, b, 1);
  len = fwd_frame_way(f, VSI, b, text, sizeof text);
  check("address", text_is(text, len, "02:00:00:00:01:02 of vsi1 -> port1 -> if1 tag 30"));
  len = fwd_label_way(f, 17, text, sizeof text);
  check("label", text_is(text, len, "label 17 -> replication3\n  leg 7 -> nhlfe1 push [1001] -> if3 to 02:00:00:00:00:02"));
  len = fwd_vlink_way(f, 0, text, sizeof text);
  check("link", text_is(text, len, "vlink0 -> in by port1\nvlink0 -> nhlfe1 push [1001] -> if3 to 02:00:00:00:00:02"));
  len = fwd_route_way(f, 1, false, source, text, 5);
  check("cut", len == 7 && same(text, "noth", 5) && fwd_route_way(f, 1, false, NULL, text, 5) == 0);
}

void switching(void) {
  fwd_sizes sizes = {.interfaces = 4, .vrfs = 2, .nhlfes = 4, .labels = 4, .first_label = 16, .routes4 = 8, .vlinks = 1, .policers = 2,
                     .multicast_vrfs = 2, .mroutes = 16, .mroutes6 = 4, .tunnels = 2, .replications = 4, .legs = 16, .vsis = 2,
                     .ports = 4, .circuits = 4, .macs = 32, .learned = 4, .ecmp_groups = 1, .protections = 1, .seed = 1};
  size_t size = fwd_memory_size(&sizes), half = MEMORY_LEN / 2;
  check("size of both", size > 0 && size <= half);
  fwd_forwarder *f = fwd_create(memory, half, &sizes), *other = fwd_create(memory + half, half, &sizes);
  check("both created", f != NULL && other != NULL);
  if (f == NULL || other == NULL) return;
  furnish(f);
  bridge(f);
  storm(f);
  tree(f);
  audit(f, other);
  ways(f);
}
