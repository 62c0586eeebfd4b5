/*
 * The net of an alignment, o = out(GELU(in(x))) + skip(x), by symmetric InfoNCE: of the B pairs of
 * a batch each feature is to find its text, and each text its feature.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/linear.h"
#include "math/ops.h"
#include "recsys/dropout.h"
#include "train/align.h"
#include "train/contrast.h"

/* ---- the block ---- */

typedef struct parts {
    float *in, *in_bias, *out, *out_bias, *skip, *skip_bias, *log_scale;
} parts;

static parts parts_of(ferry_infonce_shape s, float *block)
{
    parts p;
    p.in = block;
    p.in_bias = p.in + s.h * s.F;
    p.out = p.in_bias + s.h;
    p.out_bias = p.out + s.D * s.h;
    p.skip = p.out_bias + s.D;
    p.skip_bias = p.skip + s.D * s.F;
    p.log_scale = p.skip_bias + s.D;
    return p;
}

size_t ferry_infonce_size(ferry_infonce_shape s)
{
    return s.h * s.F + s.h + s.D * s.h + s.D + s.D * s.F + s.D + 1;
}

bool ferry_infonce_layers(ferry_infonce_shape s, const float *parameters, ferry_arena *arena,
                          ferry_dense *in, ferry_dense *out, ferry_dense *skip)
{
    parts p = parts_of(s, (float *)(uintptr_t)parameters /* to read */);
    return ferry_dense_init(in, p.in, p.in_bias, s.F, s.h, arena) &&
           ferry_dense_init(out, p.out, p.out_bias, s.h, s.D, arena) &&
           ferry_dense_init(skip, p.skip, p.skip_bias, s.F, s.D, arena);
}

/* ---- a batch ---- */

typedef struct pass {
    const ferry_kernels *kernels;
    ferry_pool *pool;
    ferry_infonce_shape s;
    float *parameters;
    ferry_dense in, out, skip;
    size_t B;                      /* rows there is room for */
    float *dropped, *pre, *hidden; /* [B, F], [B, h], [B, h] */
    float *o, *straight, *norm;    /* [B, D], [B, D], [B]; o becomes the unit vectors */
    ferry_contrast contrast;
    float *d_o, *d_hidden; /* [B, D], [B, h] */
} pass;

static bool pass_init(pass *p, const ferry_kernels *kernels, ferry_pool *pool,
                      ferry_infonce_shape s, float *parameters, size_t B, ferry_arena *arena)
{
    *p = (pass){.kernels = kernels, .pool = pool, .s = s, .parameters = parameters, .B = B};
    p->dropped = ferry_arena_array(arena, B, s.F * sizeof(float));
    p->pre = ferry_arena_array(arena, B, s.h * sizeof(float));
    p->hidden = ferry_arena_array(arena, B, s.h * sizeof(float));
    p->o = ferry_arena_array(arena, B, s.D * sizeof(float));
    p->straight = ferry_arena_array(arena, B, s.D * sizeof(float));
    p->norm = ferry_arena_array(arena, B, sizeof(float));
    p->d_o = ferry_arena_array(arena, B, s.D * sizeof(float));
    p->d_hidden = ferry_arena_array(arena, B, s.h * sizeof(float));
    return p->dropped && p->pre && p->hidden && p->o && p->straight && p->norm && p->d_o &&
           p->d_hidden && ferry_contrast_init(&p->contrast, B, arena) &&
           ferry_infonce_layers(s, parameters, arena, &p->in, &p->out, &p->skip);
}

static void forward(pass *p, const float *z, size_t B, float dropout, uint64_t key)
{
    ferry_infonce_shape s = p->s;
    ferry_dense_pack(&p->in);
    ferry_dense_pack(&p->out);
    ferry_dense_pack(&p->skip);
    if (key != 0)
        ferry_dropout(z, dropout, ferry_dropout_key(key, 0), 0, B * s.F, p->dropped);
    else
        memcpy(p->dropped, z, B * s.F * sizeof *z);
    ferry_dense_apply(&p->in, p->kernels, p->pool, p->dropped, B, p->pre);
    memcpy(p->hidden, p->pre, B * s.h * sizeof *p->hidden);
    p->kernels->gelu(p->hidden, B * s.h);
    if (key != 0)
        ferry_dropout(p->hidden, dropout, ferry_dropout_key(key, 1), 0, B * s.h, p->hidden);
    ferry_dense_apply(&p->out, p->kernels, p->pool, p->hidden, B, p->o);
    ferry_dense_apply(&p->skip, p->kernels, p->pool, z, B, p->straight);
    for (size_t i = 0; i < B; i++) {
        float *o = p->o + i * s.D, square;
        for (size_t d = 0; d < s.D; d++) o[d] = o[d] + p->straight[i * s.D + d];
        p->kernels->dot_rows(o, o, &square, 1, s.D);
        p->norm[i] = square > 0.0f ? sqrtf(square) : 1.0f; /* of zeros nothing can be learned */
        for (size_t d = 0; d < s.D; d++) o[d] = o[d] / p->norm[i];
    }
}

static double backward(pass *p, const float *z, const float *y, size_t B, float dropout,
                       uint64_t key, float *gradients)
{
    ferry_infonce_shape s = p->s;
    parts w = parts_of(s, p->parameters), g = parts_of(s, gradients);
    memset(gradients, 0, ferry_infonce_size(s) * sizeof *gradients);
    double loss = ferry_contrast_run(&p->contrast, p->kernels, p->o, y, B, s.D, *w.log_scale,
                                     p->d_o, NULL, g.log_scale);
    for (size_t i = 0; i < B; i++)
        ferry_unit_backward(p->kernels, p->o + i * s.D, p->norm[i], p->d_o + i * s.D, s.D);
    ferry_linear_weight_gradient(p->kernels, p->pool, p->d_o, z, g.skip, g.skip_bias, B, s.F, s.D);
    ferry_linear_weight_gradient(p->kernels, p->pool, p->d_o, p->hidden, g.out, g.out_bias, B, s.h,
                                 s.D);
    ferry_linear_input_gradient(p->kernels, p->pool, p->d_o, w.out, p->d_hidden, B, s.h, s.D,
                                false);
    if (key != 0)
        ferry_dropout(p->d_hidden, dropout, ferry_dropout_key(key, 1), 0, B * s.h, p->d_hidden);
    p->kernels->gelu_backward(p->pre, p->d_hidden, B * s.h);
    ferry_linear_weight_gradient(p->kernels, p->pool, p->d_hidden, p->dropped, g.in, g.in_bias, B,
                                 s.F, s.h);
    return loss;
}

ferry_status ferry_infonce_gradients(const ferry_kernels *kernels, ferry_pool *pool,
                                     ferry_infonce_shape shape, const float *parameters,
                                     const float *z, const float *y, size_t B, float dropout,
                                     uint64_t key, const ferry_allocator *allocator, double *loss,
                                     float *gradients, ferry_error *error)
{
    pass p;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    bool fits = pass_init(&p, kernels, pool, shape, (float *)(uintptr_t)parameters, B, &arena);
    if (fits) {
        forward(&p, z, B, dropout, key);
        *loss = backward(&p, z, y, B, dropout, key, gradients);
    }
    ferry_arena_free(&arena);
    return fits ? FERRY_OK : ferry_fail_memory(error, "a batch");
}

/* ---- training ---- */

static void begin(ferry_infonce_shape s, ferry_random *random, float *parameters)
{
    parts p = parts_of(s, parameters);
    /* each bias follows its weight, and begins as that does */
    ferry_random_fill(random, 1.0f / sqrtf((float)s.F), p.in, s.h * s.F + s.h);
    ferry_random_fill(random, 1.0f / sqrtf((float)s.h), p.out, s.D * s.h + s.D);
    ferry_random_fill(random, 1.0f / sqrtf((float)s.F), p.skip, s.D * s.F + s.D);
    *p.log_scale = FERRY_CONTRAST_FIRST;
}

typedef struct training {
    pass p;
    const ferry_align_pairs *pairs;
    const ferry_align_options *options;
    float *z, *y; /* of a batch [B, F], [B, D] */
} training;

static double batch_gradients(void *user, const uint32_t *items, size_t B, size_t step,
                              float *gradients)
{
    training *t = user;
    const ferry_align_pairs *pairs = t->pairs;
    size_t F = pairs->F, D = pairs->D;
    float dropout = t->options->dropout;
    uint64_t key = dropout > 0.0f ? ferry_dropout_key(t->options->seed + 1, step) | 1 : 0;
    for (size_t i = 0; i < B; i++) {
        memcpy(t->z + i * F, pairs->z + items[i] * F, F * sizeof *t->z);
        memcpy(t->y + i * D, pairs->y + items[i] * D, D * sizeof *t->y);
    }
    forward(&t->p, t->z, B, dropout, key);
    return backward(&t->p, t->z, t->y, B, dropout, key, gradients);
}

static ferry_status learn(training *t, const ferry_kernels *kernels, ferry_pool *pool,
                          ferry_infonce_shape shape, float *parameters, ferry_arena *arena,
                          ferry_error *error)
{
    const ferry_align_options *options = t->options;
    size_t n = t->pairs->n, B = ferry_contrast_largest(n, options->batch);
    ferry_random random;
    ferry_random_seed(&random, options->seed, 0);
    begin(shape, &random, parameters);
    t->z = ferry_arena_array(arena, B, shape.F * sizeof(float));
    t->y = ferry_arena_array(arena, B, shape.D * sizeof(float));
    uint32_t *order = ferry_arena_array(arena, n, sizeof *order);
    if (!t->z || !t->y || !order || !pass_init(&t->p, kernels, pool, shape, parameters, B, arena))
        return ferry_fail_memory(error, "the net's training");
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    const ferry_contrast_learner learner = {.gradients = batch_gradients,
                                            .user = t,
                                            .parameters = parameters,
                                            .size = ferry_infonce_size(shape),
                                            .n = n,
                                            .order = order,
                                            .random = &random,
                                            .epochs = options->epochs,
                                            .batch = options->batch,
                                            .learning_rate = options->learning_rate,
                                            .weight_decay = options->weight_decay,
                                            .progress = options->progress,
                                            .progress_user = options->progress_user};
    return ferry_contrast_learn(&learner, kernels, arena, error);
}

ferry_status ferry_infonce_fit(const ferry_kernels *kernels, ferry_pool *pool,
                               ferry_infonce_shape shape, const ferry_align_pairs *pairs,
                               const ferry_align_options *options, const ferry_allocator *allocator,
                               float *parameters, ferry_error *error)
{
    training t = {.pairs = pairs, .options = options};
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    ferry_status status = learn(&t, kernels, pool, shape, parameters, &arena, error);
    ferry_arena_free(&arena);
    return status;
}
