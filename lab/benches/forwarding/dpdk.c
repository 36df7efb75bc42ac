/* DPDK's route tables on the routes and traces in a directory; prints rows like the bench that starts it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_lpm.h>
#include <rte_malloc.h>
#include <rte_version.h>

enum { BULK = 64, SAMPLES = 15, SECTION = 1 << 14 };

struct route4 { uint32_t address, length, hop; };
struct route6 { uint8_t address[16]; uint32_t length, hop; };

static const char *directory;
static const char *const traces[] = { "uni", "ann", "zipf" };

static void *read_file(const char *name, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "rb");
    if (!f) { perror(path); exit(2); }
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    void *octets = aligned_alloc(64, (*size + 63) / 64 * 64);
    if (!octets || fread(octets, 1, *size, f) != *size) exit(2);
    fclose(f);
    return octets;
}

static uint64_t expected(int version, const char *trace)
{
    size_t size;
    char *text = read_file("expected", &size), want[16];
    snprintf(want, sizeof want, "%d %s ", version, trace);
    for (char *line = text; line < text + size; line = strchr(line, '\n') + 1)
        if (!strncmp(line, want, strlen(want))) return strtoull(line + strlen(want), NULL, 10);
    exit(2);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static size_t heap(void)
{
    struct rte_malloc_socket_stats s;
    rte_malloc_get_socket_stats(rte_socket_id(), &s);
    return s.heap_allocsz_bytes;
}

static void row(int version, const char *who, const char *trace, double ns, uint64_t digest)
{
    printf("IPv%d   %-40s %-6s %8.2f ns\n", version, who, trace, ns);
    fflush(stdout);
    if (digest != expected(version, trace)) {
        printf("IPv%d   %s finds other next hops\n", version, who);
        exit(1);
    }
}

/* The least times of each section of a trace added up, as in main.rs; the body looks up those from i to before i + BULK. */
#define LEAST(n, body) \
    double best = 0; \
    uint64_t digest = 0; \
    for (int sample = 0; sample < SAMPLES; sample++) { \
        digest = 0; \
        for (size_t section = 0; section < (n); section += SECTION) { \
            double start = now(); \
            for (size_t i = section; i < section + SECTION && i < (n); i += BULK) body \
            times[section / SECTION][sample] = now() - start; \
        } \
    } \
    for (size_t section = 0; section < (n); section += SECTION) { \
        double least = 1e18; \
        for (int sample = 0; sample < SAMPLES; sample++) \
            if (times[section / SECTION][sample] < least) least = times[section / SECTION][sample]; \
        best += least / (n); \
    }

static double times[1024][SAMPLES];

static void version4(void)
{
    size_t size, n;
    struct route4 *routes = read_file("routes4", &size);
    size_t count = size / sizeof *routes;
    struct rte_lpm_config lpm_config = { .max_rules = 1000000, .number_tbl8s = 1024 };
    size_t before = heap();
    struct rte_lpm *lpm = rte_lpm_create("lpm", SOCKET_ID_ANY, &lpm_config);
    if (!lpm) exit(2);
    for (size_t i = 0; i < count; i++)
        if (rte_lpm_add(lpm, routes[i].address, routes[i].length, routes[i].hop)) exit(2);
    printf("IPv4   rte_lpm: %.1f octets per route\n", (double)(heap() - before) / count);
    struct rte_fib_conf fib_config = { .type = RTE_FIB_DIR24_8, .max_routes = 2000000 };
    fib_config.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
    fib_config.dir24_8.num_tbl8 = 1024;
    before = heap();
    struct rte_fib *fib = rte_fib_create("fib", SOCKET_ID_ANY, &fib_config);
    if (!fib) exit(2);
    printf("IPv4   rte_fib: %.1f octets per route\n", (double)(heap() - before) / count);
    double start = now();
    for (size_t i = 0; i < count; i++)
        if (rte_fib_add(fib, routes[i].address, routes[i].length, routes[i].hop)) exit(2);
    printf("IPv4   rte_fib: filled with %.2f M routes/s\n", count / (now() - start) * 1e3);
    for (int t = 0; t < 3; t++) {
        char name[32];
        snprintf(name, sizeof name, "trace4.%s", traces[t]);
        uint32_t *trace = read_file(name, &size);
        n = size / 4;
        {
            LEAST(n, {
                uint32_t hops[BULK];
                rte_lpm_lookup_bulk(lpm, trace + i, hops, BULK);
                for (int j = 0; j < BULK; j++)
                    digest += hops[j] & RTE_LPM_LOOKUP_SUCCESS ? hops[j] & 0xffffff : 0;
            })
            row(4, "rte_lpm, bulk 64", traces[t], best, digest);
        }
        static const enum rte_fib_lookup_type kinds[] =
            { RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512 };
        static const char *const names[] = { "rte_fib scalar, bulk 64", "rte_fib AVX-512, bulk 64" };
        for (int k = 0; k < 2; k++) {
            if (rte_fib_select_lookup(fib, kinds[k])) continue;
            LEAST(n, {
                uint64_t hops[BULK];
                rte_fib_lookup_bulk(fib, trace + i, hops, BULK);
                for (int j = 0; j < BULK; j++) digest += hops[j];
            })
            row(4, names[k], traces[t], best, digest);
        }
    }
}

static void version6(void)
{
    size_t size, n;
    struct route6 *routes = read_file("routes6", &size);
    size_t count = size / sizeof *routes;
    struct rte_fib6_conf config = { .type = RTE_FIB6_TRIE, .max_routes = 400000 };
    config.trie.nh_sz = RTE_FIB6_TRIE_4B;
    config.trie.num_tbl8 = 1 << 18;
    size_t before = heap();
    struct rte_fib6 *fib = rte_fib6_create("fib6", SOCKET_ID_ANY, &config);
    if (!fib) exit(2);
    for (size_t i = 0; i < count; i++)
        if (rte_fib6_add(fib, routes[i].address, routes[i].length, routes[i].hop)) exit(2);
    printf("IPv6   rte_fib6: %.1f octets per route\n", (double)(heap() - before) / count);
    for (int t = 0; t < 3; t++) {
        char name[32];
        snprintf(name, sizeof name, "trace6.%s", traces[t]);
        uint8_t (*trace)[16] = read_file(name, &size);
        n = size / 16;
        static const enum rte_fib6_lookup_type kinds[] =
            { RTE_FIB6_LOOKUP_TRIE_SCALAR, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512 };
        static const char *const names[] = { "rte_fib6 scalar, bulk 64", "rte_fib6 AVX-512, bulk 64" };
        for (int k = 0; k < 2; k++) {
            if (rte_fib6_select_lookup(fib, kinds[k])) continue;
            LEAST(n, {
                uint64_t hops[BULK];
                rte_fib6_lookup_bulk(fib, trace + i, hops, BULK);
                for (int j = 0; j < BULK; j++) digest += hops[j];
            })
            row(6, names[k], traces[t], best, digest);
        }
    }
}

/* Exact match: key n of a table leads to n modulo VALUES. */
enum { VALUES = 1000 };

static uint32_t crc8(const void *key, uint32_t length, uint32_t seed)
{
    (void)length;
    return rte_hash_crc_8byte(*(const uint64_t *)key, seed);
}

static void check(const char *table, const char *who, size_t octets, double ns, uint64_t digest)
{
    char text[64];
    snprintf(text, sizeof text, "%s, %zu octets per entry", who, octets);
    printf("%-6s %-40s %-6s %8.2f ns\n", table, text, "hits", ns);
    fflush(stdout);
    if (digest != expected(0, table)) {
        printf("%s %s finds other values\n", table, who);
        exit(1);
    }
}

/* The keys in slots of `length` octets, `key` of the file and the rest zero. */
static uint8_t *padded(const char *kind, const char *table, size_t key, size_t length, size_t *count)
{
    char name[32];
    size_t size;
    snprintf(name, sizeof name, "%s.%s", kind, table);
    uint8_t *octets = read_file(name, &size), *slots = calloc(size / key, length);
    if (!slots) exit(2);
    *count = size / key;
    for (size_t i = 0; i < *count; i++) memcpy(slots + i * length, octets + i * key, key);
    free(octets);
    return slots;
}

static void exact(const char *table, size_t key, size_t length, rte_hash_function function, const char *who)
{
    size_t count, n, before = heap();
    uint8_t *keys = padded("keys", table, key, length, &count), *trace = padded("trace", table, key, length, &n);
    struct rte_hash_parameters parameters =
        { .name = "hash", .entries = count + count / 4, .key_len = length, .hash_func = function };
    struct rte_hash *hash = rte_hash_create(&parameters);
    uint16_t *values = calloc(2 * count + 64, sizeof *values);
    if (!hash || !values) exit(2);
    for (size_t i = 0; i < count; i++) {
        int at = rte_hash_add_key_data(hash, keys + i * length, (void *)(uintptr_t)(i % VALUES));
        if (at < 0) exit(2);
    }
    for (size_t i = 0; i < count; i++) values[rte_hash_lookup(hash, keys + i * length)] = i % VALUES;
    size_t octets = (heap() - before) / count;
    char name[32];
    {
        LEAST(n, {
            const void *pointers[BULK];
            void *data[BULK];
            uint64_t hits;
            for (int j = 0; j < BULK; j++) pointers[j] = trace + (i + j) * length;
            rte_hash_lookup_bulk_data(hash, pointers, BULK, &hits, data);
            for (int j = 0; j < BULK; j++) digest += (uintptr_t)data[j];
        })
        snprintf(name, sizeof name, "%s data", who);
        check(table, name, octets, best, digest);
    }
    {
        LEAST(n, {
            const void *pointers[BULK];
            int32_t at[BULK];
            for (int j = 0; j < BULK; j++) pointers[j] = trace + (i + j) * length;
            rte_hash_lookup_bulk(hash, pointers, BULK, at);
            for (int j = 0; j < BULK; j++) digest += at[j] < 0 ? 0 : values[at[j]];
        })
        check(table, who, octets, best, digest);
    }
    rte_hash_free(hash);
    free(values);
    free(keys);
    free(trace);
}

int main(int argc, char **argv)
{
    char *eal[] = { argv[0], "--no-huge", "-m", "2048", "--no-pci", "--log-level=3", "--force-max-simd-bitwidth=512",
        "--no-telemetry", "--no-shconf" };
    if (argc != 2 || rte_eal_init(sizeof eal / sizeof *eal, eal) < 0) return 2;
    directory = argv[1];
    printf("%s\n", rte_version());
    version4();
    version6();
    exact("ilm", 4, 4, rte_hash_crc, "rte_hash bulk");
    exact("mac64k", 8, 8, rte_hash_crc, "rte_hash bulk");
    exact("mac64k", 8, 8, crc8, "rte_hash bulk, CRC of 8");
    exact("mac1m", 8, 8, rte_hash_crc, "rte_hash bulk");
    exact("mac1m", 8, 8, crc8, "rte_hash bulk, CRC of 8");
    exact("sg4", 12, 12, rte_hash_crc, "rte_hash bulk");
    exact("sg4", 12, 16, rte_hash_crc, "rte_hash bulk, padded");
    exact("sg6", 36, 36, rte_hash_crc, "rte_hash bulk");
    exact("sg6", 36, 48, rte_hash_crc, "rte_hash bulk, padded");
    return 0;
}
