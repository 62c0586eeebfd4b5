/* Catalogues drawn from a seed: near-equal vectors, equal titles, fields that are missing or of
 * several types. */
#ifndef FERRY_TEST_RANDOM_CATALOG_H
#define FERRY_TEST_RANDOM_CATALOG_H

#include "test.h"

#include <math.h>

#include "base/random.h"
#include "input/safetensors.h"
#include "recsys/catalog.h"

enum { RANDOM_DIMENSION = 24, RANDOM_PROTOTYPES = 60 };

static inline float random_between(ferry_random *random, float low, float high)
{
    return low + (high - low) * ((float)ferry_random_below(random, 1 << 20) / (float)(1 << 20));
}

static inline void random_item_json(ferry_random *random, size_t item, char *out, size_t size)
{
    static const char *const domains[] = {"books", "films", "songs"};
    static const char *const words[] = {"Red", "red", "RED ", " Kite", "kite", "sea", "Old"};
    static const char *const tags[] = {"vegan", "raw", "new", "7"};
    size_t at = (size_t)snprintf(out, size, "{\"id\":\"i%zu\",\"domain\":\"%s\"", item,
                                 domains[ferry_random_below(random, 3)]);
#define PUT(...) at += (size_t)snprintf(out + at, size - at, __VA_ARGS__)
    if (ferry_random_below(random, 10) > 0)
        PUT(",\"title\":\"%s %s %s %u\"", words[ferry_random_below(random, 7)],
            words[ferry_random_below(random, 7)], words[ferry_random_below(random, 7)],
            ferry_random_below(random, 12));
    if (ferry_random_below(random, 4) > 0)
        PUT(",\"author\":\"Author %u\"", ferry_random_below(random, 9));
    switch (ferry_random_below(random, 4)) {
    case 0: PUT(",\"price\":%u.50", ferry_random_below(random, 40)); break;
    case 1: PUT(",\"price\":\"%u.5\"", ferry_random_below(random, 40)); break;
    case 2: PUT(",\"price\":null"); break;
    }
    if (ferry_random_below(random, 3) > 0)
        PUT(",\"tags\":[\"%s\",\"%s\"]", tags[ferry_random_below(random, 4)],
            tags[ferry_random_below(random, 4)]);
    if (ferry_random_below(random, 2) > 0)
        PUT(",\"shapes\":[\"%u\",\"%u\"]", ferry_random_below(random, 5),
            ferry_random_below(random, 5));
    if (ferry_random_below(random, 2) > 0)
        PUT(",\"stock\":%s", ferry_random_below(random, 2) ? "true" : "false");
    PUT("}\n");
#undef PUT
    assert_true(at < size);
}

/* kernels: as in ferry_catalog_options. */
static inline ferry_catalog *random_catalog(uint64_t seed, size_t count, const char *kernels)
{
    ferry_random random;
    ferry_random_seed(&random, seed, 0);
    float prototypes[RANDOM_PROTOTYPES][RANDOM_DIMENSION];
    for (size_t p = 0; p < RANDOM_PROTOTYPES; p++)
        for (size_t n = 0; n < RANDOM_DIMENSION; n++)
            prototypes[p][n] = random_between(&random, -1, 1);
    float *vectors = malloc(count * RANDOM_DIMENSION * sizeof *vectors);
    char *items = malloc(count * 256 + 1), about[256];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const float *prototype = prototypes[ferry_random_below(&random, RANDOM_PROTOTYPES)];
        float noise = ferry_random_below(&random, 4) > 0 ? random_between(&random, 0, 1) : 0;
        double square = 0;
        float *v = vectors + i * RANDOM_DIMENSION;
        for (size_t n = 0; n < RANDOM_DIMENSION; n++) {
            v[n] = prototype[n] + noise * random_between(&random, -1, 1);
            square += (double)v[n] * (double)v[n];
        }
        for (size_t n = 0; n < RANDOM_DIMENSION; n++) v[n] = (float)((double)v[n] / sqrt(square));
        random_item_json(&random, i, items + size, 256);
        size += strlen(items + size);
    }
    snprintf(about, sizeof about,
             "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":%zu,\"dimension\":%d,"
             "\"text_model\":\"random\",\"domains\":[]}",
             count, RANDOM_DIMENSION);
    ferry_tensor tensor = {.name = "text",
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {count, RANDOM_DIMENSION},
                           .count = count * RANDOM_DIMENSION,
                           .data = vectors,
                           .size = count * RANDOM_DIMENSION * sizeof *vectors};
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_write(&tensor, 1, NULL, 0, &bytes, NULL), FERRY_OK);
    ferry_catalog_options options = {.size = sizeof options, .kernels = kernels};
    ferry_file files[] = {{"catalog.json", about, strlen(about)},
                          {"items.jsonl", items, size},
                          {"vectors.safetensors", bytes.data, bytes.size}};
    ferry_error error;
    ferry_catalog *catalog;
    if (ferry_catalog_open(files, 3, &options, &catalog, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    catalog->owner = bytes.data; /* the vectors are borrowed */
    catalog->release = free;
    free(items);
    free(vectors);
    return catalog;
}

#endif
