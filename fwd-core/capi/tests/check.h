/* What the parts of the test program share. */
#include "fwd_core.h"

void check(const char *name, bool holds);
bool same(const void *a, const void *b, size_t len);

/* For one forwarder after the other. */
#define MEMORY_LEN (256 * 1024)
extern uint8_t memory[MEMORY_LEN];

void switching(void);
