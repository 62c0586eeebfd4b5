/* The items of a catalogue nearest to a vector: every one scored in f32. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "rank/topk.h"

enum { AT_ONCE = 256 /* items scored between two looks */ };

static ferry_status check(const ferry_catalog *catalog, const ferry_nearest_options *options,
                          ferry_error *error)
{
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    if (options->k == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    unsigned there = 0;
    for (size_t s = 0; s < catalog->segment_count; s++)
        there |= 1u << catalog->segments[s].modality;
    if ((options->modalities & ~there) == 0) return FERRY_OK;
    for (unsigned m = 0; m < FERRY_MODALITY_COUNT; m++)
        if (options->modalities & ~there & 1u << m)
            return ferry_fail(error, FERRY_NOT_FOUND, "the catalogue has no %s vectors",
                              ferry_modality_name((ferry_modality)m));
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "modalities is %#x, expected bits of FERRY_MODALITY_LIST",
                      options->modalities);
}

/* What products with the query are: of whole rows, or of some segments made unit length. */
typedef struct nearness {
    const ferry_catalog *catalog;
    const float *query;  /* [dimension] */
    unsigned modalities; /* 0: all there are, as they stand */
    float
        scale[1 << FERRY_MODALITY_COUNT]; /* of items that have a set of modalities; 0: left out */
} nearness;

/* The query's part in the segments asked for, at unit length, into part [dimension]. */
static ferry_status take_part(nearness *near, const ferry_nearest_options *options, float *part,
                              ferry_error *error)
{
    const ferry_catalog *catalog = near->catalog;
    for (unsigned set = 0; set < 1u << FERRY_MODALITY_COUNT; set++) {
        float square = 0.0f;
        for (unsigned m = 0; m < FERRY_MODALITY_COUNT; m++)
            if (options->modalities & 1u << m)
                square = square + catalog->length[set][m] * catalog->length[set][m];
        near->scale[set] = options->modalities == 0 ? 1.0f
                           : square > 0.0f          ? 1.0f / sqrtf(square)
                                                    : 0;
    }
    if (options->modalities == 0) return FERRY_OK;
    for (size_t s = 0; s < catalog->segment_count; s++) {
        const ferry_segment *segment = &catalog->segments[s];
        if (options->modalities & 1u << segment->modality)
            memcpy(part + segment->offset, near->query + segment->offset,
                   segment->dimension * sizeof *part);
    }
    near->query = part;
    if (ferry_segment_unit(catalog->kernels, NULL, part, catalog->dimension, part)) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND,
                      "what is looked for has nothing of the modalities asked for");
}

static void push_all(const nearness *near, const unsigned char *wanted, ferry_topk *top)
{
    const ferry_catalog *catalog = near->catalog;
    float scores[AT_ONCE];
    for (size_t i = 0; i < catalog->count; i++) {
        size_t within = i % AT_ONCE, rest = catalog->count - i;
        float scale = near->scale[catalog->modalities[i]];
        if (within == 0)
            catalog->kernels->dot_rows(catalog->vectors + i * catalog->dimension, near->query,
                                       scores, rest < AT_ONCE ? rest : AT_ONCE, catalog->dimension);
        if (wanted[catalog->items[i].domain] && scale > 0.0f)
            ferry_topk_push(top, i, scores[within] * scale);
    }
    ferry_topk_sort(top);
}

ferry_status ferry_catalog_nearest(const ferry_catalog *catalog, const float *query,
                                   const ferry_nearest_options *options, ferry_recommendation *out,
                                   size_t *count, ferry_error *error)
{
    ferry_nearest_options chosen = {0};
    *count = 0;
    FERRY_TRY(ferry_options_read(options, "ferry_nearest_options", &chosen, sizeof chosen, error));
    FERRY_TRY(check(catalog, &chosen, error));
    nearness near = {.catalog = catalog, .query = query};
    ferry_topk top = {.before = ferry_topk_by_name, .set = catalog, .heap = out, .k = chosen.k};
    ferry_arena arena;
    ferry_arena_init(&arena, catalog->allocator);
    unsigned char *wanted = ferry_arena_array(&arena, catalog->domain_count, 1);
    float *part = ferry_arena_array(&arena, catalog->dimension, sizeof *part);
    ferry_status status = wanted != NULL && part != NULL
                              ? ferry_catalog_mark_domains(catalog, chosen.domains,
                                                           chosen.domain_count, wanted, error)
                              : ferry_fail_memory(error, "a search");
    if (status == FERRY_OK) status = take_part(&near, &chosen, part, error);
    if (status == FERRY_OK) push_all(&near, wanted, &top);
    ferry_arena_free(&arena);
    *count = top.count;
    return status;
}
