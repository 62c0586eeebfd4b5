/* A visitor's recommendations: score every item, drop what is not wanted, keep the k best. */
#include "base/options.h"
#include "rank/topk.h"
#include "recsys/visitor.h"

/* Marks the domains asked for in visitor->wanted; none named is all. */
static ferry_status mark_domains(ferry_visitor *visitor, const ferry_recommend_options *options,
                                 ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    memset(visitor->wanted, options->domain_count == 0, catalog->domain_count);
    for (size_t i = 0; i < options->domain_count; i++) {
        uint32_t domain = ferry_catalog_find_domain(catalog, options->domains[i]);
        if (domain == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the catalogue",
                              options->domains[i]);
        visitor->wanted[domain] = 1;
    }
    return FERRY_OK;
}

ferry_status ferry_visitor_recommend(ferry_visitor *visitor, const ferry_recommend_options *options,
                                     ferry_recommendation *out, size_t *count,
                                     ferry_excluded *excluded, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    ferry_recommend_options chosen = {0};
    ferry_excluded removed = {0};
    *count = 0;
    if (excluded != NULL) *excluded = removed;
    FERRY_TRY(
        ferry_options_read(options, "ferry_recommend_options", &chosen, sizeof chosen, error));
    if (chosen.k == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    FERRY_TRY(mark_domains(visitor, &chosen, error));
    FERRY_TRY(ferry_visitor_score(visitor, &chosen, error));
    ferry_topk top = {.catalog = catalog, .heap = out, .k = chosen.k};
    for (size_t i = 0; i < catalog->count; i++) {
        if (!visitor->wanted[catalog->items[i].domain]) continue;
        if (visitor->seen[i] && !chosen.keep_seen) {
            removed.seen++;
            continue;
        }
        ferry_topk_push(&top, i, visitor->scores[i]);
    }
    ferry_topk_sort(&top);
    *count = top.count;
    if (excluded != NULL) *excluded = removed;
    return FERRY_OK;
}
