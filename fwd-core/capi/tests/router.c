/* A provider edge and what it forwards, in memory of its own: the same program on a host and on a Cortex-M4. */
#include "check.h"

/* What the place gives: text out, and an exit code. */
extern void put_text(const char *text);
extern void finish(int failures);

static int passed, failed;

void check(const char *name, bool holds) {
  if (holds) {
    passed++;
    return;
  }
  failed++;
  put_text("FAILED: ");
  put_text(name);
  put_text("\n");
}

static void put_number(unsigned n) {
  char digits[12];
  int at = 11;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + n % 10);
    n /= 10;
  } while (n != 0);
  put_text(digits + at);
}

bool same(const void *a, const void *b, size_t len) {
  const uint8_t *x = a, *y = b;
  for (size_t i = 0; i < len; i++)
    if (x[i] != y[i]) return false;
  return true;
}

_Alignas(64) uint8_t memory[MEMORY_LEN];
static uint8_t buffers[3][256];

static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, theirs[6] = {2, 0, 0, 0, 0, 2};

/* To us from a customer: IPv4 from 192.168.0.1 to 10.1.2.3, TTL 64. */
static const uint8_t packet[34] = {2,    0, 0, 0,  0, 1, 2, 0,  0,  0,    0,    9,   8,   0, 0x45, 0, 0,
                                   20,   0, 0, 0,  0, 64, 17, 0xae, 0x2c, 192, 168, 0, 1,    10, 1, 2, 3};

static fwd_frame frame_in(int slot, uint32_t ingress, const uint8_t *octets, uint32_t len) {
  uint32_t start = 200;
  for (uint32_t i = 0; i < len; i++) buffers[slot][start + i] = octets[i];
  fwd_frame frame = {.buffer = buffers[slot], .capacity = 256, .start = start, .len = len, .ingress = ingress};
  return frame;
}

static void furnish(fwd_forwarder *f) {
  fwd_interface customer = {.vrf = 1, .mtu = 1500, .mpls = false}, core = {.vrf = 0, .mtu = 1500, .mpls = true};
  fwd_nhlfe entry = {.labels = {1000}, .label_count = 1, .next = FWD_NEXT_KIND_NEIGHBOR, .number = 1};
  for (int i = 0; i < 6; i++) customer.mac[i] = core.mac[i] = ours[i], entry.mac[i] = theirs[i];
  fwd_route route = {.vrf = 1, .prefix_len = 8, .prefix = {10}};
  check("interface", fwd_set_interface(f, 0, &customer) == FWD_STATUS_OK);
  check("core", fwd_set_interface(f, 1, &core) == FWD_STATUS_OK);
  check("entry", fwd_set_nhlfe(f, 0, &entry) == FWD_STATUS_OK);
  check("route", fwd_set_route(f, &route, FWD_ACTION_KIND_FORWARD, 0) == FWD_STATUS_OK);
  check("label", fwd_set_label(f, 16, FWD_ACTION_KIND_POP_LOOKUP, 1, FWD_MODEL_UNIFORM) == FWD_STATUS_OK);
}

static void refusals(fwd_forwarder *f, const fwd_sizes *sizes) {
  fwd_interface interface = {.vrf = 9};
  fwd_nhlfe deep = {.label_count = 9};
  fwd_route host_bits = {.vrf = 1, .prefix_len = 8, .prefix = {10, 1}};
  uint8_t op[64] = {99};
  check("no such VRF", fwd_set_interface(f, 0, &interface) == FWD_STATUS_TABLE_FULL);
  check("no such interface", fwd_set_interface(f, 99, &(fwd_interface){0}) == FWD_STATUS_TABLE_FULL);
  check("nine labels", fwd_set_nhlfe(f, 0, &deep) == FWD_STATUS_INVALID);
  check("host bits", fwd_set_route(f, &host_bits, FWD_ACTION_KIND_LOCAL, 0) == FWD_STATUS_INVALID);
  check("special label", fwd_set_label(f, 7, FWD_ACTION_KIND_FORWARD, 0, FWD_MODEL_PIPE) == FWD_STATUS_REFUSED);
  check("malformed op", fwd_apply(f, op) == FWD_STATUS_MALFORMED);
  check("null op", fwd_apply(f, NULL) == FWD_STATUS_INVALID);
  check("null forwarder", fwd_set_nhlfe(NULL, 0, &deep) == FWD_STATUS_INVALID);
  check("too little memory", fwd_create(memory, 64, sizes) == NULL);
  check("not aligned", fwd_create(memory + 1, sizeof memory - 1, sizes) == NULL);
  check("no sizes", fwd_create(memory, sizeof memory, NULL) == NULL && fwd_memory_size(NULL) == 0);
}

typedef fwd_status (*forwarding)(fwd_forwarder *, fwd_frame *, size_t);

static void batch(fwd_forwarder *f, forwarding forward) {
  fwd_frame frames[3] = {frame_in(0, 0, packet, sizeof packet), frame_in(1, 7, packet, sizeof packet),
                         frame_in(2, 0, packet, sizeof packet)};
  frames[2].capacity = 210;
  check("batch", forward(f, frames, 3) == FWD_STATUS_OK);
  check("sent", frames[0].verdict == FWD_VERDICT_TRANSMIT && frames[0].iface == 1);
  check("label in front", frames[0].start == 196 && frames[0].len == sizeof packet + 4);
  static const uint8_t header[18] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0x47, 0x00, 0x3e, 0x81, 63};
  check("octets", same(buffers[0] + 196, header, 18));
  char name[8];
  check("dropped", frames[1].verdict == FWD_VERDICT_DROP && fwd_dropped(f, frames[1].reason) == 1);
  check("name", fwd_drop_name(frames[1].reason, name, sizeof name) == 10 && same(name, "no-ingr", 8));
  check("untouched", frames[1].start == 200 && same(buffers[1] + 200, packet, sizeof packet));
  check("short buffer", frames[2].verdict == FWD_VERDICT_NONE);

  /* Back from the core, with label 16: our software's, for the route is local now. */
  uint8_t op[64] = {7, 3, 0, 8, 0, 0, 0, 1};
  op[24] = 10;
  check("op", fwd_op_len() == 64 && fwd_apply(f, op) == FWD_STATUS_OK);
  uint8_t labelled[38];
  for (int i = 0; i < 38; i++) labelled[i] = i < 12 ? packet[i] : i < 18 ? 0 : packet[i - 4];
  labelled[12] = 0x88, labelled[13] = 0x47, labelled[15] = 1, labelled[16] = 1, labelled[17] = 64;
  fwd_frame back = frame_in(0, 1, labelled, sizeof labelled);
  check("back", fwd_forward(f, &back, 1) == FWD_STATUS_OK && back.verdict == FWD_VERDICT_PUNT);
  check("where", back.vrf == 1 && back.offset == 18 && fwd_punted(f, back.reason) == 1);
  fwd_traffic traffic;
  check("traffic", fwd_vrf_traffic(f, 1, &traffic) == FWD_STATUS_OK && traffic.in_packets == 1);
  check("core traffic", fwd_vrf_traffic(f, 0, &traffic) == FWD_STATUS_OK && traffic.out_octets == 24);
  check("transmitted", fwd_transmitted(f) == 1 && fwd_dropped(f, 9999) == 0);
}

void run(void) {
  fwd_sizes sizes = {.interfaces = 2, .vrfs = 2, .nhlfes = 4, .labels = 16, .first_label = 16, .routes4 = 8, .vlinks = 2};
  size_t size = fwd_memory_size(&sizes);
  check("size", size > 0 && size <= sizeof memory && fwd_memory_align() == 64);
  fwd_forwarder *f = fwd_create(memory, size, &sizes);
  check("created in what it asked for", f != NULL && fwd_create(memory, size - 1, &sizes) == NULL);
  /* The last call wrote nothing that was in use: it is made again. */
  f = fwd_create(memory, size, &sizes);
  if (f != NULL) {
    furnish(f);
    refusals(f, &sizes);
    furnish(f);
    batch(f, fwd_forward);
  }
  /* Once more with each stage for all frames before the next: the same. */
  f = fwd_create(memory, size, &sizes);
  if (f != NULL) {
    furnish(f);
    batch(f, fwd_forward_batch);
  }
  switching();
  put_number((unsigned)passed);
  put_text(" passed, ");
  put_number((unsigned)failed);
  put_text(" failed\n");
  finish(failed);
}
