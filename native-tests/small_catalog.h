/* A catalogue of a few items with vectors that a person can check, as the files of a directory. */
#ifndef FERRY_TEST_SMALL_CATALOG_H
#define FERRY_TEST_SMALL_CATALOG_H

#include "test.h"

#include "input/safetensors.h"

enum { SMALL_ITEMS = 8, SMALL_DIMENSION = 3, SMALL_FILES = 3 };

typedef struct small_catalog {
    ferry_file files[SMALL_FILES]; /* catalog.json, items.jsonl, vectors.safetensors */
    ferry_buffer vectors;
} small_catalog;

/* Two pairs of equal vectors (b1 and b2, f1 and f2) for ties; "x" is in two domains. */
static const char small_items[] =
    "{\"id\":\"b2\",\"domain\":\"books\",\"title\":\"Second book\"}\n"
    "{\"id\":\"b1\",\"domain\":\"books\",\"title\":\"First book\",\"price\":12.5}\n"
    "{\"id\":\"f2\",\"domain\":\"films\",\"title\":\"Second film\",\"tags\":[\"a\",\"b\"]}\n"
    "{\"id\":\"f1\",\"domain\":\"films\",\"title\":\"First film\"}\n"
    "{\"id\":\"x\",\"domain\":\"films\",\"title\":\"In two domains\"}\n"
    "{\"id\":\"x\",\"domain\":\"books\",\"title\":\"In two domains\"}\n"
    "{\"id\":\"s1\",\"domain\":\"songs\",\"title\":\"A song\"}\n"
    "{\"id\":\"s2\",\"domain\":\"songs\",\"title\":\"Its opposite\"}\n";

static const float small_vectors[SMALL_ITEMS][SMALL_DIMENSION] = {
    {1, 0, 0},       {1, 0, 0},       {0.6f, 0.8f, 0}, {0.6f, 0.8f, 0},
    {0.8f, 0, 0.6f}, {0, 0.6f, 0.8f}, {0, 0, 1},       {0, 0, -1}};

static inline void small_catalog_make(small_catalog *out)
{
    static const char about[] =
        "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":8,\"dimension\":3,"
        "\"text_model\":\"by hand\",\"domains\":[]}";
    ferry_tensor tensor = {.name = "text",
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {SMALL_ITEMS, SMALL_DIMENSION},
                           .count = SMALL_ITEMS * SMALL_DIMENSION,
                           .data = small_vectors,
                           .size = sizeof small_vectors};
    ferry_buffer_init(&out->vectors, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_write(&tensor, 1, NULL, 0, &out->vectors, NULL), FERRY_OK);
    out->files[0] = (ferry_file){"catalog.json", about, sizeof about - 1};
    out->files[1] = (ferry_file){"items.jsonl", small_items, sizeof small_items - 1};
    out->files[2] = (ferry_file){"vectors.safetensors", out->vectors.data, out->vectors.size};
}

static inline void small_catalog_free(small_catalog *catalog)
{
    ferry_buffer_free(&catalog->vectors);
}

#endif
