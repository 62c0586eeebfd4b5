/* The items of a catalogue nearest to a vector: every one scored in f32. */
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
    return FERRY_OK;
}

static void push_all(const ferry_catalog *catalog, const float *query, const unsigned char *wanted,
                     ferry_topk *top)
{
    float scores[AT_ONCE];
    for (size_t i = 0; i < catalog->count; i++) {
        size_t within = i % AT_ONCE, rest = catalog->count - i;
        if (within == 0)
            catalog->kernels->dot_rows(catalog->vectors + i * catalog->dimension, query, scores,
                                       rest < AT_ONCE ? rest : AT_ONCE, catalog->dimension);
        if (wanted[catalog->items[i].domain]) ferry_topk_push(top, i, scores[within]);
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
    size_t domains = ferry_at_least_one(catalog->domain_count);
    unsigned char *wanted = ferry_allocate(&catalog->allocator, domains, 1);
    if (wanted == NULL) return ferry_fail_memory(error, "the domains");
    ferry_topk top = {.before = ferry_topk_by_name, .set = catalog, .heap = out, .k = chosen.k};
    ferry_status status =
        ferry_catalog_mark_domains(catalog, chosen.domains, chosen.domain_count, wanted, error);
    if (status == FERRY_OK) push_all(catalog, query, wanted, &top);
    ferry_release(&catalog->allocator, wanted, domains);
    *count = top.count;
    return status;
}
