/* The items of a catalogue nearest to a vector: every one scored in f32. */
#include "base/error.h"
#include "base/options.h"
#include "rank/topk.h"

enum { AT_ONCE = 256 /* items scored between two looks */ };

/* Whether an item's domain is among those asked for; none named is all. */
static bool wanted(const ferry_nearest_options *options, const char *domain)
{
    for (size_t i = 0; i < options->domain_count; i++)
        if (strcmp(options->domains[i], domain) == 0) return true;
    return options->domain_count == 0;
}

static ferry_status check(const ferry_catalog *catalog, const ferry_nearest_options *options,
                          ferry_error *error)
{
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    if (options->k == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    for (size_t i = 0; i < options->domain_count; i++)
        if (ferry_catalog_find_domain(catalog, options->domains[i]) == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the catalogue",
                              options->domains[i]);
    return FERRY_OK;
}

ferry_status ferry_catalog_nearest(const ferry_catalog *catalog, const float *query,
                                   const ferry_nearest_options *options, ferry_recommendation *out,
                                   size_t *count, ferry_error *error)
{
    ferry_nearest_options chosen = {0};
    float scores[AT_ONCE];
    *count = 0;
    FERRY_TRY(ferry_options_read(options, "ferry_nearest_options", &chosen, sizeof chosen, error));
    FERRY_TRY(check(catalog, &chosen, error));
    ferry_topk top = {.before = ferry_topk_by_name, .set = catalog, .heap = out, .k = chosen.k};
    for (size_t i = 0; i < catalog->count; i++) {
        size_t within = i % AT_ONCE, rest = catalog->count - i;
        if (within == 0)
            catalog->kernels->dot_rows(catalog->vectors + i * catalog->dimension, query, scores,
                                       rest < AT_ONCE ? rest : AT_ONCE, catalog->dimension);
        if (wanted(&chosen, catalog->items[i].item.domain))
            ferry_topk_push(&top, i, scores[within]);
    }
    ferry_topk_sort(&top);
    *count = top.count;
    return FERRY_OK;
}
