#include "recsys/weights.h"

#include <math.h>

#include "base/error.h"
#include "math/elementary.h"

static const double PRIOR_RATINGS =
    5; /* how many ratings of the domain's mean a user begins with */
static const double SECONDS_PER_DAY = 86400;

/* A count's size: 0 for 0 and, as nobody knows what they would be, for negative ones. */
static double log_count(float value)
{
    return value > 0 ? ferry_log(1.0 + (double)value) : 0.0;
}

/* ---- counts ---- */

/* The training events' mean size, per behaviour into means [FERRY_MAX_BEHAVIORS]; 0: none. */
static void mean_counts(const ferry_interactions *domain, const uint8_t *has_value, double *means)
{
    size_t counts[FERRY_MAX_BEHAVIORS + 1] = {0};
    for (size_t b = 0; b <= FERRY_MAX_BEHAVIORS; b++) means[b] = 0;
    for (size_t e = 0; e < domain->event_count; e++) {
        if (domain->part[e] != FERRY_TRAIN || !has_value[e]) continue;
        means[domain->behavior[e]] += log_count(domain->value[e]);
        counts[domain->behavior[e]]++;
    }
    for (size_t b = 0; b <= FERRY_MAX_BEHAVIORS; b++)
        if (counts[b] > 0) means[b] /= (double)counts[b];
}

static void weigh_counts(ferry_interactions *domain, const uint8_t *has_value)
{
    double means[FERRY_MAX_BEHAVIORS + 1];
    mean_counts(domain, has_value, means);
    for (size_t e = 0; e < domain->event_count; e++) {
        double mean = means[domain->behavior[e]];
        domain->weight[e] =
            has_value[e] && mean > 0 ? (float)(log_count(domain->value[e]) / mean) : 1.0f;
    }
}

/* ---- ratings ---- */

/* Mean and standard deviation of the training part's ratings; false if there are none, or no two
 * that differ. */
static bool rating_scale(const ferry_interactions *domain, size_t rating, double *mean,
                         double *deviation)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t e = 0; e < domain->event_count; e++) {
        if (domain->part[e] != FERRY_TRAIN || domain->behavior[e] != rating) continue;
        sum += (double)domain->value[e];
        count++;
    }
    if (count == 0) return false;
    *mean = sum / (double)count;
    for (size_t e = 0; e < domain->event_count; e++) {
        if (domain->part[e] != FERRY_TRAIN || domain->behavior[e] != rating) continue;
        double from_mean = (double)domain->value[e] - *mean;
        squares += from_mean * from_mean;
    }
    *deviation = sqrt(squares / (double)count);
    return *deviation > 0;
}

static void weigh_ratings(ferry_interactions *domain, size_t rating)
{
    double mean = 0, deviation = 0;
    if (!rating_scale(domain, rating, &mean, &deviation)) return; /* they say nothing: 1 each */
    for (size_t u = 0; u < domain->user_count; u++) {
        double sum = PRIOR_RATINGS * mean, count = PRIOR_RATINGS;
        for (size_t e = domain->start[u]; e < domain->start[u + 1]; e++) {
            if (domain->part[e] != FERRY_TRAIN || domain->behavior[e] != rating) continue;
            sum += (double)domain->value[e];
            count += 1;
        }
        double expected = sum / count;
        for (size_t e = domain->start[u]; e < domain->start[u + 1]; e++)
            if (domain->behavior[e] == rating)
                domain->weight[e] = (float)(((double)domain->value[e] - expected) / deviation);
    }
}

/* ---- time ---- */

/* The newest training event's time; false if no time is known. */
static bool newest_time(const ferry_dataset *dataset, int64_t *out)
{
    bool known = false;
    for (size_t d = 0; d < dataset->domain_count; d++) {
        const ferry_interactions *domain = &dataset->domains[d];
        for (size_t e = 0; e < domain->event_count; e++) {
            int64_t time = domain->timestamp[e];
            if (domain->part[e] != FERRY_TRAIN || time == 0 || (known && time <= *out)) continue;
            *out = time;
            known = true;
        }
    }
    return known;
}

static void fade(ferry_interactions *domain, int64_t newest, double half_life)
{
    static const double LN2 = 0.69314718055994531;
    for (size_t e = 0; e < domain->event_count; e++) {
        if (domain->timestamp[e] == 0 || domain->timestamp[e] >= newest) continue;
        double days = ((double)newest - (double)domain->timestamp[e]) / SECONDS_PER_DAY;
        domain->weight[e] *= ferry_exp((float)(-LN2 * days / half_life));
    }
}

ferry_status ferry_weights_apply(ferry_dataset *dataset, const uint8_t *const *has_value,
                                 double half_life, ferry_error *error)
{
    size_t rating = SIZE_MAX;
    int64_t newest = 0;
    for (size_t b = 0; b < dataset->behavior_count; b++)
        if (strcmp(dataset->behaviors[b], "rating") == 0) rating = b;
    for (size_t d = 0; d < dataset->domain_count; d++) {
        ferry_interactions *domain = &dataset->domains[d];
        weigh_counts(domain, has_value[d]);
        if (rating != SIZE_MAX) {
            for (size_t e = 0; e < domain->event_count; e++)
                if (domain->behavior[e] == rating) domain->weight[e] = 1.0f;
            weigh_ratings(domain, rating);
        }
    }
    if (half_life > 0 && newest_time(dataset, &newest))
        for (size_t d = 0; d < dataset->domain_count; d++)
            fade(&dataset->domains[d], newest, half_life);
    for (size_t d = 0; d < dataset->domain_count; d++)
        for (size_t e = 0; e < dataset->domains[d].event_count; e++)
            if (!isfinite(dataset->domains[d].weight[e]))
                return ferry_fail(error, FERRY_LIMIT,
                                  "a weight is not finite: the values of domain %zu are too large",
                                  d);
    return FERRY_OK;
}
