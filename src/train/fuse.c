#include "train/fuse.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/linear.h"
#include "math/ops.h"
#include "recsys/dropout.h"
#include "train/contrast.h"

/* ---- backward ---- */

static float dot(const ferry_kernels *kernels, const float *a, const float *b, size_t N)
{
    float sum;
    kernels->dot_rows(a, b, &sum, 1, N);
    return sum;
}

/* dh, of the sum before relu and unit length, in place of dy */
static void through_end(const ferry_fusion *f, size_t T, const ferry_fusion_saved *saved,
                        const float *y, float *dy)
{
    size_t N = f->shape.N;
    for (size_t t = 0; t < T; t++) {
        ferry_unit_backward(f->kernels, y + t * N, saved->length[t], dy + t * N, N);
        for (size_t n = 0; n < N && f->shape.kind == FERRY_FUSION_CONCAT; n++)
            if (!(y[t * N + n] > 0.0f)) dy[t * N + n] = 0.0f;
    }
}

/* What the gates of row t get. */
static void gate_gradient(const ferry_fusion *f, const float *const x[FERRY_FUSION_INPUTS],
                          unsigned has, size_t t, const ferry_fusion_saved *saved, const float *dh,
                          float *gradients)
{
    size_t N = f->shape.N;
    float d_share[FERRY_FUSION_INPUTS] = {0.0f}, mean = 0.0f;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (f->shape.K[m] == 0 || !(has & 1u << m)) continue;
        d_share[m] = dot(f->kernels, dh, saved->p[m] + t * N, N);
        mean = mean + saved->share[m][t] * d_share[m];
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t K = f->shape.K[m];
        if (K == 0 || !(has & 1u << m)) continue;
        float d_logit = saved->share[m][t] * (d_share[m] - mean);
        float *gate = gradients + f->layout.gate[m];
        ferry_add_scaled(gate, x[m] + t * K, d_logit, K);
        gate[K] = gate[K] + d_logit;
    }
}

/* dp of one input's row, from dh; its strength's gradient too */
static void input_gradient(const ferry_fusion *f, size_t m, size_t t,
                           const ferry_fusion_saved *saved, const float *dh, float *dp,
                           float *gradients)
{
    size_t N = f->shape.N;
    float factor = saved->share[m][t];
    if (f->shape.kind == FERRY_FUSION_PROJECT) {
        const float *unit = saved->p[m] + t * N;
        float *strength = gradients + f->layout.strength[m];
        *strength = *strength + dot(f->kernels, dh, unit, N);
        factor = f->parameters[f->layout.strength[m]];
    }
    for (size_t n = 0; n < N; n++) dp[n] = dh[n] * factor;
    if (f->shape.kind == FERRY_FUSION_PROJECT)
        ferry_unit_backward(f->kernels, saved->p[m] + t * N, saved->norm[m][t], dp, N);
}

void ferry_fusion_backward(const ferry_fusion *fusion, ferry_pool *pool,
                           const float *const x[FERRY_FUSION_INPUTS], const unsigned char *has,
                           size_t T, const ferry_fusion_saved *saved, const float *y, float *dy,
                           float *dp, float *gradients)
{
    const ferry_fusion_shape *shape = &fusion->shape;
    size_t N = shape->N;
    through_end(fusion, T, saved, y, dy);
    for (size_t t = 0; t < T && shape->kind == FERRY_FUSION_GATED; t++)
        gate_gradient(fusion, x, has[t], t, saved, dy + t * N, gradients);
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (shape->K[m] == 0) continue;
        memset(dp, 0, T * N * sizeof *dp);
        for (size_t t = 0; t < T; t++) {
            if (has[t] & 1u << m)
                input_gradient(fusion, m, t, saved, dy + t * N, dp + t * N, gradients);
            else if (shape->kind == FERRY_FUSION_CONCAT)
                ferry_add_scaled(gradients + fusion->layout.absent[m], dy + t * N, 1.0f, N);
        }
        if (ferry_fusion_projects(shape, m))
            ferry_linear_weight_gradient(fusion->kernels, pool, dp, x[m],
                                         gradients + fusion->layout.weight[m],
                                         gradients + fusion->layout.bias[m], T, shape->K[m], N);
    }
}

/* ---- training ---- */

typedef struct view {
    float *x[FERRY_FUSION_INPUTS]; /* [B, K] */
    unsigned char *has;            /* [B] */
    ferry_fusion_saved saved;
    float *y, *dy; /* [B, N] */
} view;

typedef struct training {
    const ferry_fusion_data *data;
    const ferry_fusion_options *options;
    ferry_pool *pool;
    ferry_fusion *fusion;
    float *parameters; /* [size + 1]: the last is -log temperature */
    view views[2];
    ferry_contrast contrast;
    float *dp;                     /* [B, N] */
    float *x[FERRY_FUSION_INPUTS]; /* [count, K] prepared */
    const unsigned char *has;      /* [count] */
    uint32_t *order;               /* [n] items that have anything */
    size_t n;
    ferry_random random;
} training;

/*
 * Which inputs each of an item's two views sees: of several, one has a part of them drawn at random
 * and the other, by lot, the rest or all; of one alone both have that.
 */
static void draw_views(ferry_random *random, unsigned has, unsigned char *a, unsigned char *b)
{
    *a = *b = (unsigned char)has;
    if ((has & (has - 1)) == 0) return; /* one, or none */
    unsigned part;
    do part = has & (unsigned)(ferry_random_next(random) >> 40);
    while (part == 0 || part == has);
    bool all = ferry_random_below(random, 2) == 0, first = ferry_random_below(random, 2) == 0;
    unsigned rest = all ? has : has & ~part;
    *a = (unsigned char)(first ? part : rest);
    *b = (unsigned char)(first ? rest : part);
}

/* Row `to` of a view: the inputs it sees, thinned by dropout; zeros for the others. */
static void fill_row(const training *t, view *v, size_t to, size_t item, uint64_t key)
{
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t K = t->fusion->shape.K[m];
        if (K == 0) continue;
        float *row = v->x[m] + to * K;
        if (v->has[to] & 1u << m)
            ferry_dropout(t->x[m] + item * K, t->options->dropout,
                          ferry_dropout_key(key, to * FERRY_FUSION_INPUTS + m), 0, K, row);
        else
            memset(row, 0, K * sizeof *row);
    }
}

static void run_view(training *t, view *v, size_t B)
{
    const float *x[FERRY_FUSION_INPUTS] = {v->x[0], v->x[1], v->x[2]};
    ferry_fusion_forward(t->fusion, t->pool, x, v->has, B, &v->saved, v->y);
}

static double batch_gradients(void *user, const uint32_t *items, size_t B, size_t step,
                              float *gradients)
{
    training *t = user;
    size_t size = t->fusion->layout.size, N = t->fusion->shape.N;
    uint64_t key = ferry_dropout_key(t->options->seed + 1, step);
    for (size_t i = 0; i < B; i++) {
        draw_views(&t->random, t->has[items[i]], &t->views[0].has[i], &t->views[1].has[i]);
        for (size_t k = 0; k < 2; k++)
            fill_row(t, &t->views[k], i, items[i], ferry_dropout_key(key, k));
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (ferry_fusion_projects(&t->fusion->shape, m)) ferry_dense_pack(&t->fusion->dense[m]);
    for (size_t k = 0; k < 2; k++) run_view(t, &t->views[k], B);
    memset(gradients, 0, (size + 1) * sizeof *gradients);
    double loss =
        ferry_contrast_run(&t->contrast, t->fusion->kernels, t->views[0].y, t->views[1].y, B, N,
                           t->parameters[size], t->views[0].dy, t->views[1].dy, &gradients[size]);
    for (size_t k = 0; k < 2; k++) {
        view *v = &t->views[k];
        const float *x[FERRY_FUSION_INPUTS] = {v->x[0], v->x[1], v->x[2]};
        ferry_fusion_backward(t->fusion, t->pool, x, v->has, B, &v->saved, v->y, v->dy, t->dp,
                              gradients);
    }
    return loss;
}

/* As torch.nn.Linear begins; gates and what is missing at 0, strengths at 1. */
static void begin(training *t)
{
    const ferry_fusion_shape *shape = &t->fusion->shape;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (shape->kind == FERRY_FUSION_PROJECT && shape->K[m] > 0)
            t->parameters[t->fusion->layout.strength[m]] = 1.0f;
        if (!ferry_fusion_projects(shape, m)) continue;
        size_t K = shape->K[m], count = shape->N * K + shape->N; /* the bias follows the weight */
        ferry_random_fill(&t->random, 1.0f / sqrtf((float)K),
                          t->parameters + t->fusion->layout.weight[m], count);
    }
    t->parameters[t->fusion->layout.size] = FERRY_CONTRAST_FIRST;
}

static bool view_init(view *v, const ferry_fusion_shape *shape, size_t B, ferry_arena *arena)
{
    bool fits = true;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (shape->K[m] == 0) continue;
        v->x[m] = ferry_arena_array(arena, B, shape->K[m] * sizeof(float));
        fits = fits && v->x[m] != NULL;
    }
    v->has = ferry_arena_array(arena, B, 1);
    v->y = ferry_arena_array(arena, B, shape->N * sizeof(float));
    v->dy = ferry_arena_array(arena, B, shape->N * sizeof(float));
    return fits && v->has && v->y && v->dy && ferry_fusion_saved_init(shape, B, arena, &v->saved);
}

/* Room for batches of B. */
static bool make_room(training *t, size_t B, ferry_arena *arena)
{
    const ferry_fusion_shape *shape = &t->fusion->shape;
    t->dp = ferry_arena_array(arena, B, shape->N * sizeof(float));
    return t->dp && view_init(&t->views[0], shape, B, arena) &&
           view_init(&t->views[1], shape, B, arena) && ferry_contrast_init(&t->contrast, B, arena);
}

/* Which inputs each item has: those that are not zeros. */
static ferry_status find_items(training *t, ferry_arena *arena, ferry_error *error)
{
    const ferry_fusion_data *data = t->data;
    unsigned char *has = ferry_arena_array(arena, data->count, 1);
    t->order = ferry_arena_array(arena, data->count, sizeof *t->order);
    if (has == NULL || t->order == NULL) return ferry_fail_memory(error, "the items");
    for (size_t i = 0; i < data->count; i++) {
        for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
            size_t K = data->dimension[m];
            for (size_t n = 0; n < K; n++) {
                float value = data->x[m][i * K + n];
                if (!(fabsf(value) <= 1e15f))
                    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                      "item %zu has a number that is not finite", i);
                if (value != 0.0f) has[i] |= (unsigned char)(1u << m);
            }
        }
        if (has[i] != 0) t->order[t->n++] = (uint32_t)i;
    }
    t->has = has;
    if (t->n >= 2) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%zu items have anything, expected at least 2",
                      t->n);
}

/* Mean and scale of an input, of the items that have it, and the input prepared by them. */
static ferry_status prepare(training *t, size_t m, ferry_arena *arena, ferry_error *error)
{
    const ferry_fusion_data *data = t->data;
    size_t K = data->dimension[m], rows = 0;
    float *mean = ferry_arena_array(&t->fusion->arena, K, sizeof *mean);
    double *sum = ferry_arena_array(arena, K, sizeof *sum), square = 0.0;
    t->x[m] = ferry_arena_array(arena, data->count, K * sizeof(float));
    if (mean == NULL || sum == NULL || t->x[m] == NULL) return ferry_fail_memory(error, "an input");
    for (size_t i = 0; i < data->count; i++) {
        if (!(t->has[i] & 1u << m)) continue;
        rows++;
        for (size_t n = 0; n < K; n++) sum[n] = sum[n] + (double)data->x[m][i * K + n];
    }
    for (size_t n = 0; n < K; n++) mean[n] = rows > 0 ? (float)(sum[n] / (double)rows) : 0.0f;
    for (size_t i = 0; i < data->count; i++) {
        for (size_t n = 0; n < K && (t->has[i] & 1u << m); n++) {
            double off = (double)data->x[m][i * K + n] - (double)mean[n];
            square = square + off * off;
        }
    }
    t->fusion->mean[m] = mean;
    t->fusion->scale[m] = square > 0.0 ? (float)sqrt((double)(rows * K) / square) : 1.0f;
    ferry_fusion_prepare(t->fusion, m, data->x[m], data->count, t->x[m]);
    return FERRY_OK;
}

static ferry_status learn(training *t, ferry_arena *arena, ferry_error *error)
{
    const ferry_fusion_options *options = t->options;
    if (!make_room(t, ferry_contrast_largest(t->n, options->batch), arena))
        return ferry_fail_memory(error, "the fusion's training");
    ferry_random_seed(&t->random, options->seed, 0);
    begin(t);
    const ferry_contrast_learner learner = {.gradients = batch_gradients,
                                            .user = t,
                                            .parameters = t->parameters,
                                            .size = t->fusion->layout.size + 1,
                                            .n = t->n,
                                            .order = t->order,
                                            .random = &t->random,
                                            .epochs = options->epochs,
                                            .batch = options->batch,
                                            .learning_rate = options->learning_rate,
                                            .weight_decay = options->weight_decay,
                                            .progress = options->progress,
                                            .progress_user = options->progress_user};
    return ferry_contrast_learn(&learner, t->fusion->kernels, arena, error);
}

static ferry_status run(training *t, ferry_arena *arena, ferry_error *error)
{
    const ferry_fusion_options *options = t->options;
    ferry_fusion_shape shape = {.kind = options->kind, .N = options->dimension};
    memcpy(shape.K, t->data->dimension, sizeof shape.K);
    if (shape.N == 0) shape.N = shape.kind == FERRY_FUSION_PROJECT ? shape.K[0] : 128;
    FERRY_TRY(ferry_fusion_check(&shape, error));
    FERRY_TRY(find_items(t, arena, error));
    size_t size = ferry_fusion_lay_out(&shape).size;
    t->parameters = ferry_arena_array(&t->fusion->arena, size + 1, sizeof *t->parameters);
    if (t->parameters == NULL) return ferry_fail_memory(error, "the fusion");
    FERRY_TRY(ferry_fusion_init(t->fusion, &shape, t->parameters, error));
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (shape.K[m] > 0) FERRY_TRY(prepare(t, m, arena, error));
    FERRY_TRY(learn(t, arena, error));
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (ferry_fusion_projects(&shape, m)) ferry_dense_pack(&t->fusion->dense[m]);
    return FERRY_OK;
}

ferry_status ferry_fuse_fit(const ferry_fusion_data *data, const ferry_fusion_options *options,
                            ferry_pool *pool, ferry_fusion *out, ferry_error *error)
{
    training t = {.data = data, .options = options, .pool = pool, .fusion = out};
    ferry_arena arena;
    ferry_arena_init(&arena, out->arena.allocator);
    ferry_status status = run(&t, &arena, error);
    ferry_arena_free(&arena);
    return status;
}
