/* A visitor's recommendations: mark what may be recommended, score it, make the list. */
#include "base/options.h"
#include "rank/diversify.h"
#include "rank/filter.h"
#include "recsys/visitor.h"

/* Near enough to be the same thing, or to be disliked like it: chosen by looking at pairs of
 * titles, docs/ranking.md shows some. */
static const float DUPLICATE_COSINE = 0.98f, DISLIKED_COSINE = 0.9f;

/* Puts defaults in place of zeros. */
static ferry_status check_options(ferry_recommend_options *options, ferry_error *error)
{
    if (options->k == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    if (!(options->diversity >= 0.0f && options->diversity <= 1.0f))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "diversity is %g, expected 0…1",
                          (double)options->diversity);
    const struct {
        const char *name;
        float *value, otherwise;
    } cosines[] = {{"disliked_cosine", &options->disliked_cosine, DISLIKED_COSINE},
                   {"duplicate_cosine", &options->duplicate_cosine, DUPLICATE_COSINE}};
    for (size_t i = 0; i < sizeof cosines / sizeof *cosines; i++) {
        if (!(*cosines[i].value >= 0.0f))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s is %g, expected 0…1, or more for none", cosines[i].name,
                              (double)*cosines[i].value);
        if (*cosines[i].value == 0.0f) *cosines[i].value = cosines[i].otherwise;
    }
    for (size_t i = 0; i < options->at_most_count; i++)
        if (options->at_most[i].most == 0)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "at most 0 of each \"%s\", expected at least 1",
                              options->at_most[i].name != NULL ? options->at_most[i].name : "");
    return FERRY_OK;
}

ferry_status ferry_visitor_recommend(ferry_visitor *visitor, const ferry_recommend_options *options,
                                     ferry_recommendation *out, size_t *count,
                                     ferry_excluded *excluded, ferry_error *error)
{
    ferry_recommend_options chosen = {0};
    ferry_excluded removed = {0};
    size_t left;
    *count = 0;
    if (excluded != NULL) *excluded = removed;
    FERRY_TRY(
        ferry_options_read(options, "ferry_recommend_options", &chosen, sizeof chosen, error));
    FERRY_TRY(check_options(&chosen, error));
    FERRY_TRY(ferry_catalog_mark_domains(visitor->catalog, chosen.domains, chosen.domain_count,
                                         visitor->wanted, error));
    FERRY_TRY(ferry_filter(visitor, &chosen, &removed, &left, error));
    FERRY_TRY(ferry_visitor_score(visitor, &chosen, error));
    FERRY_TRY(ferry_diversify(visitor, &chosen, left, out, count, &removed, error));
    if (excluded != NULL) *excluded = removed;
    return FERRY_OK;
}
