#include "train/align.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/elementary.h"
#include "math/ops.h"
#include "recsys/whiten.h"

enum {
    LAMBDAS = 6,
    WEIGHTS = 7,
    LEAST_PAIRS = 2 * FERRY_ALIGN_FOLDS,
    CALIBRATED = 200 /* items */
};
static const float CERTAINTY = 0.4f;
static const float lambdas[LAMBDAS] = {.1f, .3f, 1.0f, 3.0f, 10.0f, 30.0f};
static const float weights[WEIGHTS] = {.25f, .35f, .5f, .7f, 1.0f, 1.4f, 2.0f};

typedef struct fit {
    const ferry_align_data *data;
    const ferry_align_options *options;
    ferry_pool *pool;
    ferry_alignment *a;
    unsigned methods;
    ferry_arena scratch;
    uint32_t *pair; /* [n] items that have both, shuffled */
    size_t n;
    float *raw, *z, *y; /* [n, F], [n, F], [n, D] of the pairs */
} fit;

/* ---- means ---- */

/* mean [N] of the rows that are not zeros, in double; *rows is how many. sum [N] is scratch. */
static void mean_of(const float *x, size_t count, size_t N, double *sum, size_t *rows, float *mean)
{
    *rows = 0;
    memset(sum, 0, N * sizeof *sum);
    for (size_t i = 0; i < count; i++) {
        if (ferry_is_zero(x + i * N, N)) continue;
        for (size_t n = 0; n < N; n++) sum[n] = sum[n] + (double)x[i * N + n];
        ++*rows;
    }
    for (size_t n = 0; n < N; n++) mean[n] = *rows > 0 ? (float)(sum[n] / (double)*rows) : 0.0f;
}

static float mean_length(const fit *f)
{
    const ferry_align_data *data = f->data;
    double sum = 0.0;
    size_t rows = 0;
    for (size_t i = 0; i < data->count; i++) {
        const float *row = data->features + i * data->F;
        float square;
        f->a->kernels->dot_rows(row, row, &square, 1, data->F);
        sum = sum + sqrt((double)square);
        rows += square > 0.0f;
    }
    return rows > 0 && sum > 0.0 ? (float)(sum / (double)rows) : 1.0f;
}

/* What the likeliest class has of the softmax on average; logits [C] is scratch. */
static float mean_certainty(fit *f, float norm, float *logits)
{
    const ferry_align_data *data = f->data;
    const ferry_kernels *kernels = f->a->kernels;
    double sum = 0.0;
    size_t step = data->count / CALIBRATED + 1, rows = 0;
    for (size_t i = 0; i < data->count; i += step) {
        const float *row = data->features + i * data->F;
        float length, largest = -INFINITY, total = 0.0f;
        kernels->dot_rows(row, row, &length, 1, data->F);
        if (!(length > 0.0f)) continue;
        kernels->dot_rows(data->classifier, row, logits, data->C, data->F);
        for (size_t c = 0; c < data->C; c++) {
            logits[c] = logits[c] * (norm / sqrtf(length)) + data->classifier_bias[c];
            largest = logits[c] > largest ? logits[c] : largest;
        }
        for (size_t c = 0; c < data->C; c++) total = total + ferry_exp(logits[c] - largest);
        sum = sum + 1.0 / (double)total;
        rows++;
    }
    return rows > 0 ? (float)(sum / (double)rows) : 0.0f;
}

/*
 * A catalogue keeps directions. How long features were, the classifier's certainty tells, which
 * grows with them: the length at which it is sure by CERTAINTY, on average, as image models are of
 * ordinary pictures.
 */
static ferry_status find_norm(fit *f, ferry_error *error)
{
    float length = mean_length(f), low = 0.5f, high = 512.0f;
    f->a->norm = length;
    if (f->data->C == 0 || length < 0.999f || length > 1.001f) return FERRY_OK;
    float *logits = ferry_arena_array(&f->scratch, f->data->C, sizeof *logits);
    if (logits == NULL) return ferry_fail_memory(error, "the classes");
    for (int i = 0; i < 16; i++) {
        float middle = 0.5f * (low + high);
        if (mean_certainty(f, middle, logits) < CERTAINTY)
            low = middle;
        else
            high = middle;
    }
    f->a->norm = 0.5f * (low + high);
    return FERRY_OK;
}

/* mean and scale of what the features become: 1 / (deviation + a fiftieth of the usual) */
static ferry_status feature_moments(fit *f, ferry_error *error)
{
    const ferry_align_data *data = f->data;
    ferry_alignment *a = f->a;
    size_t F = data->F, rows;
    double *sum = ferry_arena_array(&f->scratch, F, sizeof *sum);
    float *all = ferry_arena_array(&f->scratch, data->count, F * sizeof *all);
    float *mean = ferry_arena_array(&a->arena, F, sizeof *mean);
    float *scale = ferry_arena_array(&a->arena, F, sizeof *scale);
    if (sum == NULL || all == NULL || mean == NULL || scale == NULL)
        return ferry_fail_memory(error, "the features");
    ferry_alignment_standardise(a, data->features, data->count, all, NULL);
    mean_of(all, data->count, F, sum, &rows, mean);
    memset(sum, 0, F * sizeof *sum);
    for (size_t i = 0; i < data->count; i++) {
        if (ferry_is_zero(all + i * F, F)) continue;
        for (size_t n = 0; n < F; n++) {
            double off = (double)all[i * F + n] - (double)mean[n];
            sum[n] = sum[n] + off * off;
        }
    }
    double floor = 0.02 * (double)a->norm / sqrt((double)F);
    for (size_t n = 0; n < F; n++)
        scale[n] = (float)(1.0 / (sqrt(sum[n] / (double)(rows > 0 ? rows : 1)) + floor));
    a->mean = mean;
    a->scale = scale;
    return FERRY_OK;
}

static ferry_status text_mean(fit *f, ferry_error *error)
{
    const ferry_align_data *data = f->data;
    size_t rows;
    double *sum = ferry_arena_array(&f->scratch, data->D, sizeof *sum);
    float *mean = ferry_arena_array(&f->a->arena, data->D, sizeof *mean);
    if (sum == NULL || mean == NULL) return ferry_fail_memory(error, "the mean of the texts");
    mean_of(data->text, data->count, data->D, sum, &rows, mean);
    if (rows == 0 && data->C > 0) mean_of(data->labels, data->C, data->D, sum, &rows, mean);
    f->a->text_mean = mean;
    return FERRY_OK;
}

/* rows less their mean; those of zeros stay */
static float *centered(fit *f, const float *x, size_t count, size_t D)
{
    size_t rows;
    double *sum = ferry_arena_array(&f->scratch, D, sizeof *sum);
    float *mean = ferry_arena_array(&f->scratch, D, sizeof *mean);
    float *out = ferry_arena_array(&f->scratch, count, D * sizeof *out);
    if (sum == NULL || mean == NULL || out == NULL) return NULL;
    mean_of(x, count, D, sum, &rows, mean);
    for (size_t i = 0; i < count; i++) {
        if (ferry_is_zero(x + i * D, D)) continue;
        for (size_t d = 0; d < D; d++) out[i * D + d] = x[i * D + d] - mean[d];
    }
    return out;
}

/* What texts and the names of classes have in common is damped: of texts alone there are too few to
 * tell, and it does harm. */
static ferry_status whiten_texts(fit *f, ferry_error *error)
{
    const ferry_align_data *data = f->data;
    ferry_alignment *a = f->a;
    size_t D = data->D, rows[2] = {data->C, data->count};
    ferry_whiten whiten;
    if (data->C == 0) return FERRY_OK;
    const float *blocks[2] = {centered(f, data->labels, data->C, D),
                              centered(f, data->text, data->count, D)};
    float *weight = ferry_arena_array(&a->arena, D, D * sizeof *weight);
    if (blocks[0] == NULL || blocks[1] == NULL || weight == NULL)
        return ferry_fail_memory(error, "the texts");
    FERRY_TRY(ferry_whiten_fit(a->kernels, blocks, rows, 2, D, D, FERRY_WHITEN_POWER, &f->scratch,
                               &whiten, error));
    for (size_t n = 0; n < D; n++) /* what it takes in is centred already */
        for (size_t k = 0; k < D; k++) weight[k * D + n] = whiten.projection[n * D + k];
    if (!ferry_dense_init(&a->whiten, weight, NULL, D, D, &a->arena))
        return ferry_fail_memory(error, "the texts");
    return FERRY_OK;
}

/* Items with both, shuffled, and what the heads see of them. */
static ferry_status gather_pairs(fit *f, ferry_error *error)
{
    const ferry_align_data *data = f->data;
    size_t F = data->F, D = data->D;
    ferry_random random;
    f->pair = ferry_arena_array(&f->scratch, data->count, sizeof *f->pair);
    if (f->pair == NULL) return ferry_fail_memory(error, "the pairs");
    for (size_t i = 0; i < data->count; i++) {
        if (!ferry_is_zero(data->features + i * F, F) && !ferry_is_zero(data->text + i * D, D))
            f->pair[f->n++] = (uint32_t)i;
    }
    ferry_random_seed(&random, f->options->seed, 1);
    ferry_random_shuffle(&random, f->pair, f->n);
    f->raw = ferry_arena_array(&f->scratch, f->n, F * sizeof(float));
    f->z = ferry_arena_array(&f->scratch, f->n, F * sizeof(float));
    f->y = ferry_arena_array(&f->scratch, f->n, D * sizeof(float));
    if (f->raw == NULL || f->z == NULL || f->y == NULL)
        return ferry_fail_memory(error, "the pairs");
    for (size_t i = 0; i < f->n; i++) {
        const float *feature = data->features + f->pair[i] * F;
        ferry_alignment_standardise(f->a, feature, 1, f->raw + i * F, f->z + i * F);
        FERRY_TRY(ferry_alignment_center(f->a, f->pool, data->text + f->pair[i] * D, 1,
                                         f->y + i * D, error));
    }
    f->a->pairs = f->n;
    if (f->n >= LEAST_PAIRS || f->methods == FERRY_ALIGN_BRIDGE) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "%zu items have both a text and a feature, expected at least %d (the bridge "
                      "alone needs none)",
                      f->n, LEAST_PAIRS);
}

/* ---- heads ---- */

static ferry_status copy_rows(ferry_arena *arena, const float *from, size_t count,
                              const float **out, ferry_error *error)
{
    float *copy = ferry_arena_array(arena, count, sizeof *copy);
    if (copy == NULL) return ferry_fail_memory(error, "the image model's classes");
    memcpy(copy, from, count * sizeof *copy);
    *out = copy;
    return FERRY_OK;
}

static ferry_status fit_bridge(fit *f, ferry_error *error)
{
    const ferry_align_data *data = f->data;
    ferry_alignment *a = f->a;
    const float *weight = NULL, *bias = NULL;
    size_t rows, D = data->D;
    FERRY_TRY(copy_rows(&a->arena, data->classifier, data->C * data->F, &weight, error));
    FERRY_TRY(copy_rows(&a->arena, data->classifier_bias, data->C, &bias, error));
    FERRY_TRY(copy_rows(&a->arena, data->labels, data->C * D, &a->labels, error));
    float *mean = ferry_arena_array(&a->arena, D, sizeof *mean);
    float *all = ferry_arena_array(&f->scratch, data->count, D * sizeof *all);
    float *raw = ferry_arena_array(&f->scratch, data->count, data->F * sizeof *raw);
    double *sum = ferry_arena_array(&f->scratch, D, sizeof *sum);
    if (mean == NULL || all == NULL || raw == NULL || sum == NULL ||
        !ferry_dense_init(&a->classifier, weight, bias, data->F, data->C, &a->arena))
        return ferry_fail_memory(error, "the bridge");
    ferry_alignment_standardise(a, data->features, data->count, raw, NULL);
    FERRY_TRY(ferry_alignment_bridge(a, f->pool, raw, data->count, all, error));
    for (size_t i = 0; i < data->count; i++) /* no feature: no part in the mean */
        if (ferry_is_zero(raw + i * data->F, data->F)) memset(all + i * D, 0, D * sizeof *all);
    mean_of(all, data->count, D, sum, &rows, mean);
    if (rows == 0) mean_of(data->labels, data->C, D, sum, &rows, mean);
    a->bridge_mean = mean;
    return FERRY_OK;
}

static ferry_status fit_ridge(fit *f, ferry_error *error)
{
    ferry_alignment *a = f->a;
    ferry_align_pairs pairs = {f->n, a->F, a->D, f->raw, f->z, f->y};
    float *weight = ferry_arena_array(&a->arena, a->D, a->F * sizeof *weight);
    if (weight == NULL) return ferry_fail_memory(error, "the ridge");
    FERRY_TRY(ferry_align_ridge(a->kernels, &pairs, a->lambda, &a->arena.allocator, weight, error));
    if (!ferry_dense_init(&a->ridge, weight, NULL, a->F, a->D, &a->arena))
        return ferry_fail_memory(error, "the ridge");
    return FERRY_OK;
}

static ferry_status fit_infonce(fit *f, const ferry_align_pairs *pairs, ferry_arena *arena,
                                ferry_error *error)
{
    ferry_alignment *a = f->a;
    ferry_infonce_shape shape = {a->F, a->D, f->options->hidden};
    size_t size = ferry_infonce_size(shape);
    float *block = ferry_arena_array(arena, size, sizeof *block);
    if (block == NULL) return ferry_fail_memory(error, "the net");
    FERRY_TRY(ferry_infonce_fit(a->kernels, f->pool, shape, pairs, f->options, &a->arena.allocator,
                                block, error));
    if (!ferry_infonce_layers(shape, block, arena, &a->in, &a->out, &a->skip))
        return ferry_fail_memory(error, "the net");
    a->temperature = 1.0f / ferry_exp(block[size - 1]);
    return FERRY_OK;
}

/* Nets fitted without a fold of n pairs tell of that fold: out [n, D]. */
static ferry_status infonce_left_out(fit *f, size_t n, float *out, ferry_error *error)
{
    size_t F = f->a->F, D = f->a->D;
    ferry_status status = FERRY_OK;
    for (size_t fold = 0; fold < FERRY_ALIGN_FOLDS && status == FERRY_OK; fold++) {
        size_t first = ferry_align_fold(n, fold), end = ferry_align_fold(n, fold + 1);
        size_t rest = n - (end - first);
        ferry_arena arena;
        ferry_arena_init(&arena, f->scratch.allocator);
        float *z = ferry_arena_array(&arena, rest, F * sizeof *z);
        float *y = ferry_arena_array(&arena, rest, D * sizeof *y);
        if (z == NULL || y == NULL) {
            status = ferry_fail_memory(error, "a fold of the pairs");
        } else {
            memcpy(z, f->z, first * F * sizeof *z);
            memcpy(z + first * F, f->z + end * F, (n - end) * F * sizeof *z);
            memcpy(y, f->y, first * D * sizeof *y);
            memcpy(y + first * D, f->y + end * D, (n - end) * D * sizeof *y);
            ferry_align_pairs pairs = {rest, F, D, NULL, z, y};
            status = fit_infonce(f, &pairs, &arena, error);
        }
        if (status == FERRY_OK)
            status = ferry_alignment_head(f->a, FERRY_ALIGN_HEAD_INFONCE, f->pool, NULL,
                                          f->z + first * F, end - first, out + first * D, error);
        ferry_arena_free(&arena);
    }
    return status;
}

/* ---- what is chosen ---- */

typedef struct choice {
    double best;
    float lambda, weight[FERRY_ALIGN_HEADS];
    size_t n, D;
    const ferry_kernels *kernels;
    const float *y;                    /* [n, D] */
    const float *u[FERRY_ALIGN_HEADS]; /* [n, D] one head's vectors, NULL: it is not asked for */
    float *scores[FERRY_ALIGN_HEADS];  /* [n, n] of texts (rows) with them, in a fold */
    float *products; /* [n, heads, heads] of each item's vectors with each other */
    float *sum;      /* [n, n] */
    float *inverse;  /* [n] 1 / length of what the heads add up to */
} choice;

/* Head `head` has u now. */
static void set_head(choice *c, int head, const float *u)
{
    enum { H = FERRY_ALIGN_HEADS };
    c->u[head] = u;
    for (size_t fold = 0; fold < FERRY_ALIGN_FOLDS; fold++) {
        size_t first = ferry_align_fold(c->n, fold), end = ferry_align_fold(c->n, fold + 1);
        for (size_t i = first; i < end; i++)
            c->kernels->dot_rows(u + first * c->D, c->y + i * c->D,
                                 c->scores[head] + i * c->n + first, end - first, c->D);
    }
    for (int other = 0; other < H; other++) {
        if (c->u[other] == NULL) continue;
        for (size_t i = 0; i < c->n; i++) {
            float product;
            c->kernels->dot_rows(u + i * c->D, c->u[other] + i * c->D, &product, 1, c->D);
            c->products[(i * H + (size_t)head) * H + (size_t)other] = product;
            c->products[(i * H + (size_t)other) * H + (size_t)head] = product;
        }
    }
}

/* The mean reciprocal rank in one fold. */
static double rank_fold(choice *c, const float weight[FERRY_ALIGN_HEADS], size_t first, size_t m)
{
    ferry_align_ranks rows, columns;
    memset(c->sum, 0, m * m * sizeof *c->sum);
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) {
        for (size_t i = 0; i < m && c->u[head] != NULL; i++)
            ferry_add_scaled(c->sum + i * m, c->scores[head] + (first + i) * c->n + first,
                             weight[head], m);
    }
    for (size_t i = 0; i < m * m; i++) c->sum[i] = c->sum[i] * c->inverse[first + i % m];
    ferry_align_rank(c->sum, m, &rows, &columns);
    return (rows.reciprocal + columns.reciprocal) / 2;
}

static void try_weights(choice *c, float lambda, const float weight[FERRY_ALIGN_HEADS])
{
    enum { H = FERRY_ALIGN_HEADS };
    double mean = 0.0;
    for (size_t i = 0; i < c->n; i++) {
        float square = 0.0f;
        for (size_t k = 0; k < H * H; k++)
            square = square + weight[k / H] * weight[k % H] * c->products[i * H * H + k];
        c->inverse[i] = square > 0.0f ? 1.0f / sqrtf(square) : 0.0f;
    }
    for (size_t fold = 0; fold < FERRY_ALIGN_FOLDS; fold++) {
        size_t first = ferry_align_fold(c->n, fold);
        mean += rank_fold(c, weight, first, ferry_align_fold(c->n, fold + 1) - first);
    }
    if (!(mean > c->best)) return;
    c->best = mean;
    c->lambda = lambda;
    memcpy(c->weight, weight, sizeof c->weight);
}

/* The first head there is has weight 1, the others those of the grid. */
static void try_grid(choice *c, float lambda)
{
    int others[FERRY_ALIGN_HEADS], count = 0;
    float weight[FERRY_ALIGN_HEADS] = {0.0f};
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) {
        if (c->u[head] == NULL) continue;
        weight[head] = 1.0f;
        others[count++] = head;
    }
    size_t all = count > 2 ? WEIGHTS * WEIGHTS : count > 1 ? WEIGHTS : 1;
    for (size_t i = 0; i < all; i++) {
        if (count > 1) weight[others[1]] = weights[i % WEIGHTS];
        if (count > 2) weight[others[2]] = weights[i / WEIGHTS];
        try_weights(c, lambda, weight);
    }
}

/* Each head's vectors of n pairs it was not fitted to; the best of lambda and weights. */
static ferry_status choose(fit *f, choice *c, ferry_arena *arena, ferry_error *error)
{
    size_t D = c->D, n = c->n, sets = f->methods & FERRY_ALIGN_RIDGE ? LAMBDAS : 0;
    float *u = ferry_arena_array(arena, (2 + sets) * n, D * sizeof *u);
    if (u == NULL) return ferry_fail_memory(error, "the pairs' vectors");
    float *bridge = u, *infonce = bridge + n * D, *ridge = infonce + n * D;
    if (f->methods & FERRY_ALIGN_BRIDGE) {
        FERRY_TRY(ferry_alignment_head(f->a, FERRY_ALIGN_HEAD_BRIDGE, f->pool, f->raw, NULL, n,
                                       bridge, error));
        set_head(c, FERRY_ALIGN_HEAD_BRIDGE, bridge);
    }
    if (f->methods & FERRY_ALIGN_INFONCE) {
        FERRY_TRY(infonce_left_out(f, n, infonce, error));
        set_head(c, FERRY_ALIGN_HEAD_INFONCE, infonce);
    }
    if (sets == 0) return try_grid(c, 0.0f), FERRY_OK;
    ferry_align_pairs pairs = {n, f->a->F, D, f->raw, f->z, f->y};
    FERRY_TRY(ferry_align_ridge_left_out(c->kernels, &pairs, lambdas, LAMBDAS,
                                         &f->scratch.allocator, ridge, error));
    for (size_t l = 0; l < LAMBDAS; l++) {
        set_head(c, FERRY_ALIGN_HEAD_RIDGE, ridge + l * n * D);
        try_grid(c, lambdas[l]);
    }
    return FERRY_OK;
}

static bool make_choice(choice *c, ferry_arena *arena)
{
    enum { H = FERRY_ALIGN_HEADS };
    size_t n = c->n;
    bool fits = true;
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) {
        c->scores[head] = ferry_arena_array(arena, n, n * sizeof(float));
        fits = fits && c->scores[head] != NULL;
    }
    c->sum = ferry_arena_array(arena, n, n * sizeof(float));
    c->products = ferry_arena_array(arena, n, H * H * sizeof(float));
    c->inverse = ferry_arena_array(arena, n, sizeof(float));
    return fits && c->sum != NULL && c->products != NULL && c->inverse != NULL;
}

/* Into lambda and weights, whose sum is 1. */
static ferry_status choose_weights(fit *f, ferry_error *error)
{
    size_t n = f->n < FERRY_ALIGN_CHOOSE ? f->n : FERRY_ALIGN_CHOOSE;
    choice c = {.best = -1.0, .n = n, .D = f->a->D, .kernels = f->a->kernels, .y = f->y};
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) { /* alone, with nothing to choose */
        if (f->methods != 1u << head || head == FERRY_ALIGN_HEAD_RIDGE) continue;
        f->a->weight[head] = 1.0f;
        return FERRY_OK;
    }
    ferry_arena arena;
    ferry_arena_init(&arena, f->scratch.allocator);
    ferry_status status = make_choice(&c, &arena) ? choose(f, &c, &arena, error)
                                                  : ferry_fail_memory(error, "the pairs' scores");
    ferry_arena_free(&arena);
    FERRY_TRY(status);
    float sum = 0.0f;
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) sum = sum + c.weight[head];
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) f->a->weight[head] = c.weight[head] / sum;
    f->a->lambda = c.lambda;
    return FERRY_OK;
}

/* ---- all of it ---- */

static ferry_status check(const ferry_align_data *data, unsigned methods, ferry_error *error)
{
    if (data->F == 0 || data->D == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "features of %zu numbers and texts of %zu, expected at least 1", data->F,
                          data->D);
    if (methods > (FERRY_ALIGN_BRIDGE | FERRY_ALIGN_RIDGE | FERRY_ALIGN_INFONCE))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "methods %u: there is no such method",
                          methods);
    if ((methods & FERRY_ALIGN_BRIDGE) && data->C == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the bridge needs an image model's classifier and the names of its "
                          "classes");
    const struct {
        const char *name;
        const float *x;
        size_t count;
    } given[] = {{"features", data->features, data->count * data->F},
                 {"texts", data->text, data->count * data->D},
                 {"classifier", data->classifier, data->C * data->F},
                 {"classifier's bias", data->classifier_bias, data->C},
                 {"labels", data->labels, data->C * data->D}};
    for (size_t k = 0; k < sizeof given / sizeof *given; k++) {
        for (size_t i = 0; i < given[k].count; i++)
            if (!(fabsf(given[k].x[i]) <= 1e15f))
                return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                  "number %zu of the %s is %g, expected one that is finite", i,
                                  given[k].name, (double)given[k].x[i]);
    }
    return FERRY_OK;
}

static ferry_status place_items(fit *f, ferry_error *error)
{
    ferry_alignment *a = f->a;
    float *items = ferry_arena_array(&a->arena, f->data->count, a->D * sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the items' places");
    FERRY_TRY(ferry_alignment_map(a, f->pool, f->data->features, f->data->count, items, error));
    a->items = items;
    a->item_count = f->data->count;
    return FERRY_OK;
}

static ferry_status run(fit *f, ferry_error *error)
{
    ferry_alignment *a = f->a;
    FERRY_TRY(find_norm(f, error));
    FERRY_TRY(text_mean(f, error));
    FERRY_TRY(whiten_texts(f, error));
    FERRY_TRY(feature_moments(f, error));
    FERRY_TRY(gather_pairs(f, error));
    if (f->methods & FERRY_ALIGN_BRIDGE) FERRY_TRY(fit_bridge(f, error));
    FERRY_TRY(choose_weights(f, error));
    ferry_align_pairs pairs = {f->n, a->F, a->D, f->raw, f->z, f->y};
    if (f->methods & FERRY_ALIGN_RIDGE) FERRY_TRY(fit_ridge(f, error));
    if (f->methods & FERRY_ALIGN_INFONCE) FERRY_TRY(fit_infonce(f, &pairs, &a->arena, error));
    return place_items(f, error);
}

static const char *copy_name(ferry_arena *arena, const char *name, const char *otherwise)
{
    if (name == NULL) name = otherwise;
    return ferry_arena_text(arena, name, strlen(name));
}

ferry_status ferry_align_fit(const ferry_align_data *data, const ferry_align_options *options,
                             ferry_pool *pool, ferry_alignment *out, ferry_error *error)
{
    fit f = {.data = data, .options = options, .pool = pool, .a = out};
    f.methods = options->methods;
    if (f.methods == 0)
        f.methods = data->C > 0 ? FERRY_ALIGN_BRIDGE | FERRY_ALIGN_RIDGE : FERRY_ALIGN_RIDGE;
    FERRY_TRY(check(data, f.methods, error));
    out->F = data->F;
    out->key = data->key;
    out->D = data->D;
    out->modality = copy_name(&out->arena, data->modality, "image");
    out->model = copy_name(&out->arena, data->model, "");
    out->text_model = copy_name(&out->arena, data->text_model, "");
    if (out->modality == NULL || out->model == NULL || out->text_model == NULL)
        return ferry_fail_memory(error, "the names");
    ferry_arena_init(&f.scratch, out->arena.allocator);
    ferry_status status = run(&f, error);
    ferry_arena_free(&f.scratch);
    return status;
}
