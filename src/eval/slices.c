/* The same metrics over some of the targets: new users, rare items, transitions never seen. */
#include <string.h>

#include "base/error.h"
#include "eval/figures.h"
#include "eval/transitions.h"

enum { MOST_CLASSES = 4, NEARBY = 5 };

/* A target's class in each family is an index into `of`. */
static const struct {
    const char *by;
    const char *of[MOST_CLASSES];
} families[] = {
    {"history", {"0", "1-4", "5-9", "10+"}},
    {"item", {"0", "1-5", "6+"}},
    {"transition", {"seen", "unseen", "none"}},
    {"nearby", {"seen", "unseen", "none"}},
};
enum { FAMILIES = sizeof families / sizeof *families };

typedef struct slicing {
    const ferry_interactions *domain;
    const ferry_eval_options *options;
    const ferry_eval_results *results;
    unsigned char *class_of[FAMILIES]; /* each [target_count] */
    double *discounts;                 /* [largest k] */
    uint32_t *ranks;                   /* [target_count] */
    double *values;                    /* [user_count, k_count * FERRY_RANK_METRICS] */
} slicing;

static unsigned char history_class(size_t events)
{
    return events == 0 ? 0 : events < 5 ? 1 : events < 10 ? 2 : 3;
}

static unsigned char item_class(size_t events)
{
    return events == 0 ? 0 : events <= 5 ? 1 : 2;
}

static unsigned char transition_class(const ferry_transitions *transitions, uint32_t last,
                                      uint32_t target)
{
    if (last == UINT32_MAX) return 2; /* no history: nothing to come from */
    return ferry_transitions_have(transitions, last, target) ? 0 : 1;
}

static void classify_user(slicing *slices, size_t user, const uint32_t *trained,
                          const ferry_transitions *direct, const ferry_transitions *nearby)
{
    const ferry_interactions *domain = slices->domain;
    const ferry_eval_results *results = slices->results;
    uint32_t row = results->rows[user], last = UINT32_MAX;
    size_t known = 0;
    for (size_t e = domain->start[row]; e < domain->start[row + 1]; e++) {
        if (domain->part[e] >= slices->options->part) continue;
        last = domain->item[e];
        known++;
    }
    for (size_t t = results->first_target[user]; t < results->first_target[user + 1]; t++) {
        uint32_t target = results->target[t];
        slices->class_of[0][t] = history_class(known);
        slices->class_of[1][t] = item_class(trained[target]);
        slices->class_of[2][t] = transition_class(direct, last, target);
        slices->class_of[3][t] = transition_class(nearby, last, target);
    }
}

static ferry_status classify(slicing *slices, ferry_error *error)
{
    const ferry_interactions *domain = slices->domain;
    const ferry_eval_results *results = slices->results;
    ferry_transitions direct, nearby;
    FERRY_TRY(ferry_transitions_count(domain, 1, results->arena, &direct, error));
    FERRY_TRY(ferry_transitions_count(domain, NEARBY, results->arena, &nearby, error));
    uint32_t *trained = ferry_arena_array(results->arena, domain->item_count, sizeof *trained);
    bool fits = trained != NULL;
    for (size_t f = 0; f < FAMILIES; f++) {
        slices->class_of[f] = ferry_arena_array(results->arena, results->target_count, 1);
        fits = fits && slices->class_of[f] != NULL;
    }
    if (!fits) return ferry_fail_memory(error, "the slices");
    for (size_t e = 0; e < domain->event_count; e++)
        trained[domain->item[e]] += domain->part[e] == FERRY_TRAIN;
    for (size_t i = 0; i < results->user_count; i++)
        classify_user(slices, i, trained, &direct, &nearby);
    return FERRY_OK;
}

/* The slice of one class; left empty if no target is in it. */
static ferry_status make_slice(slicing *slices, size_t family, unsigned char class_index,
                               ferry_arena *arena, ferry_eval_slice *out, ferry_error *error)
{
    const ferry_eval_options *options = slices->options;
    size_t columns = options->k_count * FERRY_RANK_METRICS;
    *out = (ferry_eval_slice){.by = families[family].by, .of = families[family].of[class_index]};
    for (size_t i = 0; i < slices->results->user_count; i++) {
        size_t targets = ferry_eval_user(options, slices->results, i, slices->class_of[family],
                                         class_index, slices->discounts, slices->ranks,
                                         slices->values + out->users * columns);
        out->targets += targets;
        out->users += targets > 0; /* else the next user's values go there */
    }
    if (out->users == 0) return FERRY_OK;
    out->figures = ferry_arena_array(arena, columns, sizeof *out->figures);
    if (out->figures == NULL) return ferry_fail_memory(error, "the slices");
    for (size_t c = 0; c < columns; c++) {
        out->figures[c].name = ferry_eval_metric_name(arena, c % FERRY_RANK_METRICS,
                                                      options->ks[c / FERRY_RANK_METRICS]);
        if (out->figures[c].name == NULL) return ferry_fail_memory(error, "the slices");
    }
    return ferry_eval_summary(slices->values, out->users, columns, false, options,
                              slices->results->arena, out->figures, error);
}

ferry_status ferry_eval_slices(const ferry_dataset *dataset, const ferry_eval_options *options,
                               const ferry_eval_results *results, ferry_evaluation *out,
                               ferry_error *error)
{
    slicing slices = {
        .domain = &dataset->domains[options->domain], .options = options, .results = results};
    FERRY_TRY(classify(&slices, error));
    size_t cells, columns = options->k_count * FERRY_RANK_METRICS;
    size_t longest = options->ks[options->k_count - 1];
    if (!ferry_size_multiply(results->user_count, columns, &cells))
        return ferry_fail(error, FERRY_LIMIT, "%zu users", results->user_count);
    slices.values = ferry_arena_array(results->arena, cells, sizeof *slices.values);
    slices.ranks = ferry_arena_array(results->arena, results->target_count, sizeof *slices.ranks);
    slices.discounts = ferry_arena_array(results->arena, longest, sizeof *slices.discounts);
    out->slices =
        ferry_arena_array(&out->arena, (size_t)FAMILIES * MOST_CLASSES, sizeof *out->slices);
    if (slices.values == NULL || slices.ranks == NULL || slices.discounts == NULL ||
        out->slices == NULL)
        return ferry_fail_memory(error, "the slices");
    ferry_rank_discounts(slices.discounts, longest);
    for (size_t f = 0; f < FAMILIES; f++) {
        for (size_t c = 0; c < MOST_CLASSES && families[f].of[c] != NULL; c++) {
            ferry_eval_slice *slice = &out->slices[out->slice_count];
            FERRY_TRY(make_slice(&slices, f, (unsigned char)c, &out->arena, slice, error));
            out->slice_count += slice->users > 0;
        }
    }
    return FERRY_OK;
}
