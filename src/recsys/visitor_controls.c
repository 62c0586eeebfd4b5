/* What the visitor can set, and the vector of what is left of the events. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/ops.h"
#include "recsys/visitor.h"

static const float SMALLEST_VECTOR = 1e-6f; /* likes and dislikes of the same things cancel out */
static const double LN2 = 0.69314718055994531, SECONDS_PER_DAY = 86400.0;

static ferry_status read_domain_weights(ferry_visitor *visitor,
                                        const ferry_recommend_options *options, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    for (size_t d = 0; d < catalog->domain_count; d++) visitor->domain_weight[d] = 1.0f;
    for (size_t i = 0; i < options->domain_weight_count; i++) {
        const ferry_domain_weight *given = &options->domain_weights[i];
        uint32_t domain = ferry_catalog_find_domain(catalog, given->domain);
        if (domain == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND,
                              "a weight for the domain \"%s\", which the catalogue lacks",
                              given->domain);
        if (!(given->weight >= 0.0f && given->weight <= 1000.0f))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "the domain \"%s\" has the weight %g, expected 0…1000", given->domain,
                              (double)given->weight);
        for (size_t j = 0; j < i; j++)
            if (strcmp(options->domain_weights[j].domain, given->domain) == 0)
                return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                  "two weights for the domain \"%s\"", given->domain);
        visitor->domain_weight[domain] = given->weight;
    }
    return FERRY_OK;
}

/* 0.5^(age / half_life); 1 for an event without a time, or later than now. */
static float faded(int64_t timestamp, int64_t now, double half_life)
{
    if (half_life == 0.0 || timestamp == 0 || timestamp >= now) return 1.0f;
    double days = ((double)now - (double)timestamp) / SECONDS_PER_DAY;
    return ferry_exp((float)(-LN2 * days / half_life));
}

ferry_status ferry_visitor_weigh(ferry_visitor *visitor, const ferry_recommend_options *options,
                                 ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (!(options->half_life >= 0.0 && isfinite(options->half_life)))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "half_life is %g days, expected a number from 0", options->half_life);
    FERRY_TRY(read_domain_weights(visitor, options, error));
    if (!ferry_reserve(&visitor->allocator, &visitor->scale, sizeof *visitor->scale,
                       visitor->capacity, &visitor->scale_capacity))
        return ferry_fail_memory(error, "the history's weights");
    int64_t now = options->now;
    if (now == 0 && visitor->count > 0) now = visitor->events[visitor->count - 1].timestamp;
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        visitor->scale[i] = visitor->domain_weight[catalog->items[event->item].domain] *
                            faded(event->timestamp, now, options->half_life);
    }
    return FERRY_OK;
}

ferry_status ferry_visitor_encode(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    size_t N = catalog->dimension;
    if (visitor->count == 0) return ferry_fail(error, FERRY_EMPTY_HISTORY, "the history is empty");
    memset(visitor->vector, 0, N * sizeof(float));
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        ferry_add_scaled(visitor->vector, catalog->vectors + event->item * N,
                         event->weight * visitor->scale[i], N);
    }
    float square;
    catalog->kernels->dot_rows(visitor->vector, visitor->vector, &square, 1, N);
    if (sqrtf(square) < SMALLEST_VECTOR)
        return ferry_fail(error, FERRY_EMPTY_HISTORY,
                          "the history's events (%zu) cancel out (likes against dislikes), or say "
                          "nothing (a rating of 3, not interested, faded, a domain's weight of 0)",
                          visitor->count);
    ferry_l2_normalize(catalog->kernels, visitor->vector, N);
    return FERRY_OK;
}
