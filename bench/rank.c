/*
 * Ferry's ranking as a contestant; see encode.c for the language.
 *
 *   rank CATALOG_DIR
 *
 *   run FIRST COUNT WARM REPEAT   COUNT new visitors, each with one event and a top 10
 *   top QUERY                     indices of that visitor's top 10
 *
 * Visitor QUERY has bought item QUERY * 7919 mod the number of items, which is left out of the 10.
 */
#define _POSIX_C_SOURCE 200809L
#include "ferry/ferry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { K = 10, STRIDE = 7919 };

static ferry_error error;

static void check(ferry_status status)
{
    if (status == FERRY_OK) return;
    fprintf(stderr, "rank: %s\n", error.message);
    exit(1);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void top(const ferry_catalog *catalog, const ferry_item *item, ferry_recommendation out[K])
{
    ferry_visitor *visitor;
    ferry_recommend_options options = {.size = sizeof options, .k = K};
    ferry_event event = {.item = item->id, .domain = item->domain, .behavior = FERRY_PURCHASE};
    size_t count;
    check(ferry_visitor_create(catalog, &visitor, &error));
    check(ferry_visitor_add(visitor, &event, &error));
    check(ferry_visitor_recommend(visitor, &options, out, &count, NULL, &error));
    ferry_visitor_close(visitor);
}

static ferry_item item_of(const ferry_catalog *catalog, size_t query)
{
    ferry_item item;
    check(
        ferry_catalog_item(catalog, query * STRIDE % ferry_catalog_count(catalog), &item, &error));
    return item;
}

int main(int argc, char **argv)
{
    if (argc != 2) return fputs("usage: rank CATALOG_DIR\n", stderr), 2;
    ferry_catalog *catalog;
    const char *name;
    check(ferry_kernels_name(NULL, &name, &error));
    check(ferry_catalog_open_directory(argv[1], NULL, &catalog, &error));
    printf("{\"version\": \"%s\", \"kernels\": \"%s\"}\n", ferry_version(), name);
    fflush(stdout);
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        size_t first, count, warm, repeat;
        ferry_recommendation best[K];
        if (sscanf(line, "run %zu %zu %zu %zu", &first, &count, &warm, &repeat) == 4) {
            for (size_t i = 0; i < warm + repeat; i++) {
                long long start = now();
                for (size_t query = first; query < first + count; query++) {
                    ferry_item item = item_of(catalog, query);
                    top(catalog, &item, best);
                }
                long long end = now();
                if (i >= warm) printf("%lld ", end - start);
            }
        } else if (sscanf(line, "top %zu", &first) == 1) {
            ferry_item item = item_of(catalog, first);
            top(catalog, &item, best);
            for (size_t i = 0; i < K; i++) printf("%zu ", best[i].item);
        } else {
            return fprintf(stderr, "rank: what is %s", line), 1;
        }
        putchar('\n');
        fflush(stdout);
    }
    ferry_catalog_close(catalog);
}
