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
#include "train/optimizer.h"

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

/* As torch.nn.Linear begins: uniform within 1 / sqrt(inputs). */
static void draw(ferry_random *random, float *w, size_t count, size_t inputs)
{
    float bound = 1.0f / sqrtf((float)inputs);
    for (size_t i = 0; i < count; i++) w[i] = (2.0f * ferry_random_uniform(random) - 1.0f) * bound;
}

static void begin(ferry_infonce_shape s, ferry_random *random, float *parameters)
{
    parts p = parts_of(s, parameters);
    draw(random, p.in, s.h * s.F + s.h, s.F);
    draw(random, p.out, s.D * s.h + s.D, s.h);
    draw(random, p.skip, s.D * s.F + s.D, s.F);
    *p.log_scale = FERRY_CONTRAST_FIRST;
}

typedef struct training {
    pass p;
    const ferry_align_pairs *pairs;
    const ferry_align_options *options;
    ferry_train_options adam;
    float *gradients, *first, *second; /* [size] */
    float *z, *y;                      /* of a batch [B, F], [B, D] */
    uint32_t *order;                   /* [n] */
    size_t per_epoch, steps, step;
} training;

static ferry_status run_step(training *t, size_t begin_row, size_t B, ferry_error *error)
{
    const ferry_align_pairs *pairs = t->pairs;
    size_t F = pairs->F, D = pairs->D;
    float dropout = t->options->dropout;
    uint64_t key = dropout > 0.0f ? ferry_dropout_key(t->options->seed + 1, t->step) | 1 : 0;
    for (size_t i = 0; i < B; i++) {
        size_t row = t->order[begin_row + i];
        memcpy(t->z + i * F, pairs->z + row * F, F * sizeof *t->z);
        memcpy(t->y + i * D, pairs->y + row * D, D * sizeof *t->y);
    }
    forward(&t->p, t->z, B, dropout, key);
    double loss = backward(&t->p, t->z, t->y, B, dropout, key, t->gradients);
    if (!(loss < 1e30))
        return ferry_fail(error, FERRY_DIVERGED, "step %zu of %zu: the loss is not finite",
                          t->step + 1, t->steps);
    double rate = ferry_learning_rate(&t->adam, t->step, t->steps);
    ferry_adamw_step step = ferry_adamw_at(&t->adam, rate, 1.0, t->step);
    t->p.kernels->adamw(&step, t->gradients, t->p.parameters, t->first, t->second,
                        ferry_infonce_size(t->p.s));
    t->step++;
    return FERRY_OK;
}

static ferry_status run_epochs(training *t, ferry_random *random, ferry_error *error)
{
    size_t n = t->pairs->n;
    for (size_t epoch = 0; epoch < t->options->epochs; epoch++) {
        ferry_random_shuffle(random, t->order, n);
        for (size_t k = 0; k < t->per_epoch; k++) { /* parts of the same size, to one */
            size_t first = n * k / t->per_epoch, end = n * (k + 1) / t->per_epoch;
            FERRY_TRY(run_step(t, first, end - first, error));
        }
        if (t->options->progress != NULL &&
            !t->options->progress(t->options->progress_user, epoch + 1, t->options->epochs))
            return ferry_fail(error, FERRY_CANCELLED, "cancelled after epoch %zu of %zu", epoch + 1,
                              t->options->epochs);
    }
    return FERRY_OK;
}

ferry_status ferry_infonce_fit(const ferry_kernels *kernels, ferry_pool *pool,
                               ferry_infonce_shape shape, const ferry_align_pairs *pairs,
                               const ferry_align_options *options, const ferry_allocator *allocator,
                               float *parameters, ferry_error *error)
{
    size_t n = pairs->n, size = ferry_infonce_size(shape);
    training t = {.pairs = pairs, .options = options};
    ferry_random random;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    ferry_random_seed(&random, options->seed, 0);
    begin(shape, &random, parameters);
    t.per_epoch = (n + options->batch - 1) / options->batch;
    t.steps = options->epochs * t.per_epoch;
    size_t B = (n + t.per_epoch - 1) / t.per_epoch;
    t.adam = ferry_train_options_default();
    t.adam.learning_rate = options->learning_rate;
    t.adam.weight_decay = options->weight_decay;
    t.adam.warm_up = 0.1;
    t.adam.floor = 0.0;
    t.adam.beta2 = 0.999;
    t.gradients = ferry_arena_array(&arena, size, sizeof(float));
    t.first = ferry_arena_array(&arena, size, sizeof(float));
    t.second = ferry_arena_array(&arena, size, sizeof(float));
    t.z = ferry_arena_array(&arena, B, shape.F * sizeof(float));
    t.y = ferry_arena_array(&arena, B, shape.D * sizeof(float));
    t.order = ferry_arena_array(&arena, n, sizeof(uint32_t));
    for (size_t i = 0; t.order != NULL && i < n; i++) t.order[i] = (uint32_t)i;
    ferry_status status = FERRY_OK;
    if (!t.gradients || !t.first || !t.second || !t.z || !t.y || !t.order ||
        !pass_init(&t.p, kernels, pool, shape, parameters, B, &arena))
        status = ferry_fail_memory(error, "the net's training");
    if (status == FERRY_OK) status = run_epochs(&t, &random, error);
    ferry_arena_free(&arena);
    return status;
}
