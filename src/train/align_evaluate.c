/* How good: ranks, and an alignment learned from a part of the pairs and asked about the rest. */
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/ops.h"
#include "train/align.h"

static void rank_one(const float *scores, size_t n, size_t step, size_t own, ferry_align_ranks *sum)
{
    float mine = scores[own * step];
    size_t above = 0, same = 0;
    for (size_t j = 0; j < n; j++) {
        above += scores[j * step] > mine;
        same += scores[j * step] == mine;
    }
    double rank = (double)above + (double)(same - 1) / 2;
    sum->first += rank < 1 ? 1 : 0;
    sum->ten += rank < 10 ? 1 : 0;
    sum->reciprocal += 1 / (rank + 1);
}

void ferry_align_rank(const float *scores, size_t n, ferry_align_ranks *rows,
                      ferry_align_ranks *columns)
{
    *rows = *columns = (ferry_align_ranks){0};
    for (size_t i = 0; i < n; i++) {
        rank_one(scores + i * n, n, 1, i, rows);
        rank_one(scores + i, n, n, i, columns);
    }
    ferry_align_ranks *both[2] = {rows, columns};
    for (int k = 0; k < 2; k++) {
        both[k]->first /= (double)n;
        both[k]->ten /= (double)n;
        both[k]->reciprocal /= (double)n;
    }
}

typedef struct evaluation {
    const ferry_align_data *data;
    const ferry_align_options *options;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    uint32_t *row; /* [n] items that have both, of those with the very same text the first */
    size_t n;
} evaluation;

static bool is_known(const evaluation *e, const float *text)
{
    for (size_t i = 0; i < e->n; i++)
        if (memcmp(e->data->text + e->row[i] * e->data->D, text, e->data->D * sizeof *text) == 0)
            return true;
    return false;
}

static void find_rows(evaluation *e)
{
    const ferry_align_data *data = e->data;
    for (size_t i = 0; i < data->count; i++) {
        const float *text = data->text + i * data->D;
        if (ferry_is_zero(text, data->D) || ferry_is_zero(data->features + i * data->F, data->F))
            continue;
        if (!is_known(e, text)) e->row[e->n++] = (uint32_t)i;
    }
}

/* Rows [first, first + count) of the order. */
static bool gather(const evaluation *e, size_t first, size_t count, ferry_arena *arena,
                   float **features, float **text)
{
    size_t F = e->data->F, D = e->data->D;
    *features = ferry_arena_array(arena, count, F * sizeof(float));
    *text = ferry_arena_array(arena, count, D * sizeof(float));
    if (*features == NULL || *text == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        size_t row = e->row[first + i];
        memcpy(*features + i * F, e->data->features + row * F, F * sizeof(float));
        memcpy(*text + i * D, e->data->text + row * D, D * sizeof(float));
    }
    return true;
}

static ferry_status ask(const evaluation *e, const ferry_alignment *a, size_t first, size_t count,
                        ferry_arena *arena, ferry_align_figures *sum, ferry_error *error)
{
    float *features, *text;
    size_t D = e->data->D;
    ferry_align_ranks by_text, by_feature;
    float *asked = ferry_arena_array(arena, count, D * sizeof *asked);
    float *places = ferry_arena_array(arena, count, D * sizeof *places);
    float *scores = ferry_arena_array(arena, count, count * sizeof *scores);
    if (asked == NULL || places == NULL || scores == NULL ||
        !gather(e, first, count, arena, &features, &text))
        return ferry_fail_memory(error, "the held-out pairs");
    FERRY_TRY(ferry_alignment_map(a, e->pool, features, count, places, error));
    FERRY_TRY(ferry_alignment_center(a, e->pool, text, count, asked, error));
    for (size_t i = 0; i < count; i++)
        a->kernels->dot_rows(places, asked + i * D, scores + i * count, count, D);
    ferry_align_rank(scores, count, &by_text, &by_feature);
    sum->text_to_feature[0] += by_text.first;
    sum->text_to_feature[1] += by_text.ten;
    sum->feature_to_text[0] += by_feature.first;
    sum->feature_to_text[1] += by_feature.ten;
    return FERRY_OK;
}

static ferry_status run_split(evaluation *e, size_t split, size_t learned, ferry_align_figures *sum,
                              ferry_error *error)
{
    ferry_random random;
    ferry_align_data part = *e->data;
    ferry_alignment a = {.kernels = e->kernels};
    float *features, *text;
    ferry_arena_init(&a.arena, ferry_allocator_or_default(e->options->allocator));
    ferry_random_seed(&random, e->options->seed, 100 + split);
    ferry_random_shuffle(&random, e->row, e->n);
    ferry_status status = FERRY_OK;
    if (!gather(e, 0, learned, &a.arena, &features, &text)) {
        status = ferry_fail_memory(error, "the pairs");
    } else {
        part.count = learned;
        part.features = features;
        part.text = text;
        status = ferry_align_fit(&part, e->options, e->pool, &a, error);
    }
    if (status == FERRY_OK) status = ask(e, &a, learned, e->n - learned, &a.arena, sum, error);
    ferry_arena_free(&a.arena);
    return status;
}

ferry_status ferry_align_evaluate(const ferry_align_data *data, const ferry_align_options *options,
                                  const ferry_kernels *kernels, ferry_pool *pool, size_t splits,
                                  double share, ferry_align_figures *out, ferry_error *error)
{
    evaluation e = {data, options, kernels, pool, NULL, 0};
    ferry_arena arena;
    *out = (ferry_align_figures){.splits = splits};
    if (splits == 0 || !(share > 0 && share < 1))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%zu splits of a share of %g, expected some, and a share between 0 and 1",
                          splits, share);
    ferry_arena_init(&arena, ferry_allocator_or_default(options->allocator));
    e.row = ferry_arena_array(&arena, data->count, sizeof *e.row);
    ferry_status status = e.row != NULL ? FERRY_OK : ferry_fail_memory(error, "the pairs");
    if (status == FERRY_OK) find_rows(&e);
    size_t learned = (size_t)((double)e.n * share + 0.5);
    if (status == FERRY_OK && (learned == 0 || learned >= e.n))
        status =
            ferry_fail(error, FERRY_INVALID_ARGUMENT,
                       "%zu items have a text of their own and a feature: too few to part", e.n);
    for (size_t s = 0; s < splits && status == FERRY_OK; s++)
        status = run_split(&e, s, learned, out, error);
    ferry_arena_free(&arena);
    out->learned = learned;
    out->candidates = e.n - learned;
    for (int k = 0; k < 2; k++) {
        out->text_to_feature[k] /= (double)splits;
        out->feature_to_text[k] /= (double)splits;
    }
    return status;
}
