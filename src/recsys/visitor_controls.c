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

/* weight [segments] of each, adding up to 1: what the options say, the rest as the catalogue's. */
static ferry_status wanted_weights(const ferry_catalog *catalog,
                                   const ferry_recommend_options *options, double *weight,
                                   ferry_error *error)
{
    double named = 0.0, others = 0.0;
    bool is_named[FERRY_MODALITY_COUNT] = {false};
    for (size_t i = 0; i < options->modality_weight_count; i++) {
        const ferry_modality_weight *given = &options->modality_weights[i];
        const char *name = ferry_modality_name(given->modality);
        const ferry_segment *segment = ferry_catalog_segment(catalog, given->modality);
        if (segment == NULL)
            return ferry_fail(error, FERRY_NOT_FOUND,
                              "a weight for the modality \"%s\", which the catalogue lacks",
                              name != NULL ? name : "?");
        size_t s = (size_t)(segment - catalog->segments);
        if (!(given->weight >= 0.0f && given->weight <= 1.0f))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "the modality \"%s\" has the weight %g, expected 0…1", name,
                              (double)given->weight);
        if (is_named[s])
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "two weights for the modality \"%s\"",
                              name);
        is_named[s] = true;
        weight[s] = (double)given->weight;
        named += weight[s];
    }
    for (size_t s = 0; s < catalog->segment_count; s++)
        others += is_named[s] ? 0.0 : (double)catalog->segments[s].weight;
    if (others > 0.0 ? named > 1.0 : !(named > 0.0))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the modalities' weights add up to %g, expected %s", named,
                          others > 0.0 ? "at most 1" : "more than 0");
    for (size_t s = 0; s < catalog->segment_count; s++)
        weight[s] = others > 0.0
                        ? is_named[s] ? weight[s]
                                      : (1.0 - named) * (double)catalog->segments[s].weight / others
                        : weight[s] / named;
    return FERRY_OK;
}

/*
 * A row has sqrt(w / W) u for each of its segments, W being the sum of w over what the item has.
 * With other weights v it would have sqrt(v / V) u: products of segments are v / w times as much,
 * those of rows sqrt(W / V) for each of the two.
 */
static ferry_status read_modality_weights(ferry_visitor *visitor,
                                          const ferry_recommend_options *options,
                                          ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    ferry_reweighing *to = &visitor->modalities;
    double weight[FERRY_MODALITY_COUNT];
    to->any = options->modality_weight_count > 0;
    for (size_t s = 0; s < FERRY_MODALITY_COUNT; s++) to->ratio[s] = 1.0f;
    for (size_t set = 0; set < 1u << FERRY_MODALITY_COUNT; set++) to->gain[set] = 1.0f;
    if (!to->any) return FERRY_OK;
    FERRY_TRY(wanted_weights(catalog, options, weight, error));
    for (size_t s = 0; s < catalog->segment_count; s++)
        to->ratio[s] = (float)(weight[s] / (double)catalog->segments[s].weight);
    for (unsigned set = 0; set < 1u << FERRY_MODALITY_COUNT; set++) {
        double before = 0.0, after = 0.0;
        for (size_t s = 0; s < catalog->segment_count; s++) {
            if ((set & 1u << catalog->segments[s].modality) == 0) continue;
            before += (double)catalog->segments[s].weight;
            after += weight[s];
        }
        to->gain[set] = after > 0.0 ? (float)sqrt(before / after) : 0.0f;
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
    FERRY_TRY(read_modality_weights(visitor, options, error));
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

/* The square of the length that the sum of the events has in rows of the wanted weights. */
static float square_of(const ferry_visitor *visitor)
{
    const ferry_catalog *catalog = visitor->catalog;
    float square, sum = 0.0f;
    for (size_t s = 0; s < catalog->segment_count; s++) {
        const ferry_segment *segment = &catalog->segments[s];
        const float *part = visitor->vector + segment->offset;
        catalog->kernels->dot_rows(part, part, &square, 1, segment->dimension);
        sum = sum + visitor->modalities.ratio[s] * square;
    }
    return sum;
}

ferry_status ferry_visitor_encode(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_reweighing *weights = &visitor->modalities;
    size_t N = catalog->dimension;
    if (visitor->count == 0) return ferry_fail(error, FERRY_EMPTY_HISTORY, "the history is empty");
    memset(visitor->vector, 0, N * sizeof(float));
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        ferry_add_scaled(
            visitor->vector, catalog->vectors + event->item * N,
            event->weight * visitor->scale[i] * weights->gain[catalog->modalities[event->item]], N);
    }
    float square;
    if (weights->any)
        square = square_of(visitor);
    else
        catalog->kernels->dot_rows(visitor->vector, visitor->vector, &square, 1, N);
    if (sqrtf(square) < SMALLEST_VECTOR)
        return ferry_fail(error, FERRY_EMPTY_HISTORY,
                          "the history's events (%zu) cancel out (likes against dislikes), or say "
                          "nothing (a rating of 3, not interested, faded, a weight of 0 of their "
                          "domain or of all they are known by)",
                          visitor->count);
    if (!weights->any) {
        ferry_l2_normalize(catalog->kernels, visitor->vector, N);
        return FERRY_OK;
    }
    for (size_t s = 0; s < catalog->segment_count; s++) {
        float *part = visitor->vector + catalog->segments[s].offset;
        for (size_t n = 0; n < catalog->segments[s].dimension; n++)
            part[n] = part[n] / sqrtf(square) * weights->ratio[s];
    }
    return FERRY_OK;
}
