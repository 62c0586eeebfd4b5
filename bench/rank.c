/*
 * Ferry's ranking as a contestant; see encode.c for the language.
 *
 *   rank CATALOG_DIR              new visitors, each with one event
 *   rank CATALOG_DIR index        an int8 index of the catalogue's vectors
 *   rank CATALOG_DIR signs N      the same in two stages, with N candidates
 *   rank CATALOG_DIR read         what any search must do: reads as many bytes as the index's
 * vectors
 *
 *   run FIRST COUNT WARM REPEAT   a top 10 for each of COUNT visitors, or queries in one call
 *   top QUERY                     indices of that visitor's or query's top 10
 *   recall COUNT                  how many of the ten nearest by f32 the index finds, of COUNT
 * queries memory                        bytes the index holds
 *
 * Visitor QUERY has bought item QUERY * 7919 mod the number of items, which is left out of the 10;
 * query QUERY is that item's vector, likewise.
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#include "ferry/ferry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { K = 10, STRIDE = 7919, MOST_QUERIES = 1000, LARGE_PAGE = 1 << 21 };

typedef struct contestant {
    const ferry_catalog *catalog;
    ferry_index *index;
    size_t candidates;
    unsigned char *bytes; /* [size] to be read */
    size_t size;
    float *queries;  /* [MOST_QUERIES, dimension] */
    uint64_t *found; /* [MOST_QUERIES, K + 1] */
} contestant;

static ferry_error error;

static void check(ferry_status status)
{
    if (status == FERRY_OK) return;
    fprintf(stderr, "rank: %s\n", error.message);
    exit(1);
}

static void *take(size_t count, size_t size)
{
    void *taken = calloc(count, size);
    if (taken == NULL) exit(1);
    return taken;
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* ---- visitors ---- */

static size_t item_of(const contestant *c, size_t query)
{
    return query * STRIDE % ferry_catalog_count(c->catalog);
}

static void visit(const contestant *c, size_t query, uint64_t out[K])
{
    ferry_visitor *visitor;
    ferry_recommend_options options = {.size = sizeof options, .k = K};
    ferry_recommendation best[K];
    ferry_item item;
    size_t count;
    check(ferry_catalog_item(c->catalog, item_of(c, query), &item, &error));
    ferry_event event = {.item = item.id, .domain = item.domain, .behavior = FERRY_PURCHASE};
    check(ferry_visitor_create(c->catalog, &visitor, &error));
    check(ferry_visitor_add(visitor, &event, &error));
    check(ferry_visitor_recommend(visitor, &options, best, &count, NULL, &error));
    ferry_visitor_close(visitor);
    for (size_t i = 0; i < count; i++) out[i] = best[i].item;
}

/* ---- the index ---- */

static void open_index(contestant *c, bool signs)
{
    size_t N = ferry_catalog_count(c->catalog), dimension = ferry_catalog_dimension(c->catalog);
    const float *vectors = ferry_catalog_vectors(c->catalog);
    ferry_index_options options = {.size = sizeof options, .threads = 1, .signs = signs};
    uint64_t *ids = take(N, sizeof *ids);
    for (size_t i = 0; i < N; i++) ids[i] = i;
    check(ferry_index_create(dimension, &options, &c->index, &error));
    check(ferry_index_add(c->index, ids, vectors, N, &error));
    free(ids);
    c->queries = take(MOST_QUERIES * dimension, sizeof *c->queries);
    c->found = take(MOST_QUERIES * (K + 1), sizeof *c->found);
    for (size_t i = 0; i < MOST_QUERIES; i++)
        memcpy(c->queries + i * dimension, vectors + item_of(c, i) * dimension,
               dimension * sizeof *vectors);
}

static void search(const contestant *c, size_t first, size_t queries)
{
    ferry_search_options options = {
        .size = sizeof options, .k = K + 1, .candidates = c->candidates};
    size_t count, dimension = ferry_index_dimension(c->index);
    check(ferry_index_search(c->index, c->queries + first * dimension, queries, &options, c->found,
                             NULL, &count, &error));
}

/* Of c->found's list `query` those that are not the query itself. */
static void without_own(const contestant *c, size_t query, size_t list, uint64_t out[K])
{
    for (size_t i = 0, n = 0; i <= K && n < K; i++)
        if (c->found[list * (K + 1) + i] != item_of(c, query))
            out[n++] = c->found[list * (K + 1) + i];
}

static double recall(const contestant *c, size_t queries)
{
    size_t same = 0;
    search(c, 0, queries);
    for (size_t query = 0; query < queries; query++) {
        uint64_t exact[K], found[K];
        visit(c, query, exact);
        without_own(c, query, query, found);
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++) same += exact[i] == found[j];
    }
    return (double)same / (double)(queries * K);
}

/* ---- memory ---- */

typedef unsigned long long words __attribute__((vector_size(32)));

#if defined(__x86_64__)
__attribute__((target("avx2"))) /* else the loads are what takes the time */
#endif
static unsigned long long
read_bytes(const contestant *c)
{
    words sum[4] = {{0}};
    const words *from = (const words *)(const void *)c->bytes;
    for (size_t i = 0; i + 4 <= c->size / sizeof *from; i += 4)
        for (size_t j = 0; j < 4; j++) sum[j] += from[i + j];
    sum[0] += sum[1] + sum[2] + sum[3];
    return sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static void open_bytes(contestant *c)
{
    c->size = ferry_catalog_count(c->catalog) * ferry_catalog_dimension(c->catalog);
    void *bytes;
    if (posix_memalign(&bytes, LARGE_PAGE, c->size) != 0) exit(1);
#if defined(MADV_HUGEPAGE)
    madvise(bytes, c->size, MADV_HUGEPAGE); /* as the index does */
#endif
    c->bytes = bytes;
    memset(c->bytes, 1, c->size);
}

static void run(const contestant *c, size_t first, size_t count)
{
    uint64_t best[K];
    if (c->index != NULL)
        search(c, first, count);
    else if (c->bytes != NULL)
        best[0] = read_bytes(c);
    else
        for (size_t query = first; query < first + count; query++) visit(c, query, best);
    __asm__ volatile("" ::"r"(best) : "memory"); /* so that it is wanted */
}

int main(int argc, char **argv)
{
    if (argc < 2) return fputs("usage: rank CATALOG_DIR [index | signs N | read]\n", stderr), 2;
    const char *kind = argc > 2 ? argv[2] : "", *name;
    contestant c = {0};
    ferry_catalog *catalog;
    check(ferry_kernels_name(NULL, &name, &error));
    check(ferry_catalog_open_directory(argv[1], NULL, &catalog, &error));
    c.catalog = catalog;
    if (strcmp(kind, "signs") == 0 && argc > 3) c.candidates = strtoul(argv[3], NULL, 10);
    if (strcmp(kind, "index") == 0 || c.candidates > 0) open_index(&c, c.candidates > 0);
    if (strcmp(kind, "read") == 0) open_bytes(&c);
    printf("{\"version\": \"%s\", \"kernels\": \"%s\"}\n", ferry_version(), name);
    fflush(stdout);
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        size_t first, count, warm, repeat;
        uint64_t best[K];
        if (sscanf(line, "run %zu %zu %zu %zu", &first, &count, &warm, &repeat) == 4 &&
            first + count <= MOST_QUERIES) {
            for (size_t i = 0; i < warm + repeat; i++) {
                long long start = now();
                run(&c, first, count);
                long long end = now();
                if (i >= warm) printf("%lld ", end - start);
            }
        } else if (sscanf(line, "top %zu", &first) == 1 && first < MOST_QUERIES) {
            if (c.index != NULL) {
                search(&c, first, 1);
                without_own(&c, first, 0, best);
            } else {
                visit(&c, first, best);
            }
            for (size_t i = 0; i < K; i++) printf("%llu ", (unsigned long long)best[i]);
        } else if (sscanf(line, "recall %zu", &count) == 1 && c.index != NULL &&
                   count <= MOST_QUERIES) {
            printf("%.5f", recall(&c, count));
        } else if (strcmp(line, "memory\n") == 0 && c.index != NULL) {
            printf("%zu", ferry_index_memory(c.index));
        } else {
            return fprintf(stderr, "rank: what is %s", line), 1;
        }
        putchar('\n');
        fflush(stdout);
    }
    ferry_index_close(c.index);
    ferry_catalog_close(catalog);
    free(c.bytes);
    free(c.queries);
    free(c.found);
}
