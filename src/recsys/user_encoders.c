#include "recsys/user_encoders.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "math/linear.h"
#include "math/ops.h"
#include "recsys/dropout.h"
#include "recsys/user_block.h"

/* ---- tensors ---- */

static const char *name_of(ferry_sequence_kind kind)
{
    return kind == FERRY_SEQUENCE_LSTM  ? "lstm"
           : kind == FERRY_SEQUENCE_GRU ? "gru"
                                        : "transformer";
}

static ferry_status check(const ferry_sequence_shape *shape, ferry_error *error)
{
    const char *name = name_of(shape->kind);
    _Static_assert((int)FERRY_RECURRENT_LAYERS == (int)FERRY_USER_LAYERS, "one limit");
    if (shape->layers < 1 || shape->layers > FERRY_USER_LAYERS)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s has %zu layers, expected 1 to %d",
                          name, shape->layers, FERRY_USER_LAYERS);
    if (shape->kind != FERRY_SEQUENCE_TRANSFORMER) return FERRY_OK;
    if (shape->heads < 1 || shape->dim % shape->heads != 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s has %zu heads, which do not divide its dim %zu", name, shape->heads,
                          shape->dim);
    if (shape->feed_forward < 1 || shape->max_length < 1)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s has feed_forward %zu and max_length %zu, expected 1 or more", name,
                          shape->feed_forward, shape->max_length);
    return FERRY_OK;
}

static ferry_recurrent_kind recurrent_kind(const ferry_sequence_shape *shape)
{
    return shape->kind == FERRY_SEQUENCE_LSTM ? FERRY_LSTM : FERRY_GRU;
}

static ferry_status recurrent_tensors(const ferry_sequence_shape *shape, ferry_add_tensor add,
                                      void *layout, ferry_error *error)
{
    FERRY_TRY(check(shape, error));
    size_t d = shape->dim, N = (size_t)recurrent_kind(shape) * d;
    float bound = 1.0f / sqrtf((float)d);
    const char *kind = name_of(shape->kind);
    char name[64];
    for (size_t l = 0; l < shape->layers; l++) {
        const struct {
            const char *name;
            size_t columns;
        } tensors[] = {{"weight_ih", d}, {"weight_hh", d}, {"bias_ih", 0}, {"bias_hh", 0}};
        for (size_t i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "%s.%s_l%zu", kind, tensors[i].name, l);
            FERRY_TRY(
                add(layout, name, N, tensors[i].columns, FERRY_INITIAL_UNIFORM, bound, error));
        }
    }
    snprintf(name, sizeof name, "%s.linear.weight", kind);
    FERRY_TRY(add(layout, name, d, d, FERRY_INITIAL_UNIFORM, bound, error));
    snprintf(name, sizeof name, "%s.linear.bias", kind);
    return add(layout, name, d, 0, FERRY_INITIAL_UNIFORM, bound, error);
}

static ferry_status transformer_tensors(const ferry_sequence_shape *shape, ferry_add_tensor add,
                                        void *layout, ferry_error *error)
{
    FERRY_TRY(check(shape, error));
    size_t d = shape->dim, F = shape->feed_forward;
    float of_d = 1.0f / sqrtf((float)d), of_F = 1.0f / sqrtf((float)F);
    const struct {
        const char *name;
        size_t rows, columns;
        ferry_initial initial;
        float scale;
    } tensors[] = {
        {"norm1.weight", d, 0, FERRY_INITIAL_ONE, 0},
        {"norm1.bias", d, 0, FERRY_INITIAL_ZERO, 0},
        {"qkv.weight", 3 * d, d, FERRY_INITIAL_UNIFORM, of_d},
        {"qkv.bias", 3 * d, 0, FERRY_INITIAL_UNIFORM, of_d},
        {"out.weight", d, d, FERRY_INITIAL_UNIFORM, of_d},
        {"out.bias", d, 0, FERRY_INITIAL_UNIFORM, of_d},
        {"norm2.weight", d, 0, FERRY_INITIAL_ONE, 0},
        {"norm2.bias", d, 0, FERRY_INITIAL_ZERO, 0},
        {"up.weight", F, d, FERRY_INITIAL_UNIFORM, of_d},
        {"up.bias", F, 0, FERRY_INITIAL_UNIFORM, of_d},
        {"down.weight", d, F, FERRY_INITIAL_UNIFORM, of_F},
        {"down.bias", d, 0, FERRY_INITIAL_UNIFORM, of_F},
        {"relative", shape->heads, shape->max_length, FERRY_INITIAL_ZERO, 0},
    };
    for (size_t l = 0; l < shape->layers; l++) {
        for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
            char name[64];
            snprintf(name, sizeof name, "transformer.%zu.%s", l, tensors[i].name);
            FERRY_TRY(add(layout, name, tensors[i].rows, tensors[i].columns, tensors[i].initial,
                          tensors[i].scale, error));
        }
    }
    return FERRY_OK;
}

/* The next tensor of a block; NULL of none. */
static float *take(float **block, size_t count)
{
    float *tensor = *block;
    if (tensor != NULL) *block += ferry_tensor_room(count);
    return tensor;
}

ferry_user_recurrent ferry_user_recurrent_of(const ferry_sequence_shape *shape,
                                             const float *parameters)
{
    float *block = (float *)parameters; /* written to where these are gradients */
    size_t d = shape->dim, N = (size_t)recurrent_kind(shape) * d;
    ferry_user_recurrent user = {.net = {recurrent_kind(shape), d, d, shape->layers, {{0}}}};
    for (size_t l = 0; l < shape->layers; l++) {
        ferry_recurrent_layer *layer = &user.net.layer[l];
        layer->weight_ih = take(&block, N * d);
        layer->weight_hh = take(&block, N * d);
        layer->bias_ih = take(&block, N);
        layer->bias_hh = take(&block, N);
    }
    user.linear_weight = take(&block, d * d);
    user.linear_bias = take(&block, d);
    return user;
}

ferry_user_transformer ferry_user_transformer_of(const ferry_sequence_shape *shape,
                                                 const float *parameters)
{
    float *block = (float *)parameters; /* written to where these are gradients */
    size_t d = shape->dim, F = shape->feed_forward;
    ferry_user_transformer net = {.dim = d,
                                  .heads = shape->heads,
                                  .inner = F,
                                  .distances = shape->max_length,
                                  .layers = shape->layers};
    for (size_t l = 0; l < shape->layers; l++) {
        ferry_user_block *b = &net.block[l];
        b->norm1_weight = take(&block, d);
        b->norm1_bias = take(&block, d);
        b->qkv_weight = take(&block, 3 * d * d);
        b->qkv_bias = take(&block, 3 * d);
        b->out_weight = take(&block, d * d);
        b->out_bias = take(&block, d);
        b->norm2_weight = take(&block, d);
        b->norm2_bias = take(&block, d);
        b->up_weight = take(&block, F * d);
        b->up_bias = take(&block, F);
        b->down_weight = take(&block, d * F);
        b->down_bias = take(&block, d);
        b->relative = take(&block, shape->heads * shape->max_length);
    }
    return net;
}

/* ---- memory ---- */

/* Panels of all the matrices: the recurrent ones, then linear's. */
static bool panels_sizes(const ferry_sequence_shape *shape, size_t *recurrent, size_t *linear)
{
    ferry_recurrent net = ferry_user_recurrent_of(shape, NULL).net;
    return ferry_recurrent_panels_size(&net, recurrent) &&
           ferry_panels_size(shape->dim, shape->dim, linear);
}

ferry_user_recurrent_kept ferry_user_recurrent_keep(const ferry_sequence_shape *shape, size_t P,
                                                    size_t S, void *block)
{
    ferry_user_recurrent_kept kept = {0};
    ferry_cutter cutter = {.base = block};
    ferry_recurrent net = ferry_user_recurrent_of(shape, NULL).net;
    size_t panels = 0, linear = 0, saved = 0, scratch = 0, row = 0;
    cutter.overflow = !panels_sizes(shape, &panels, &linear) ||
                      !ferry_recurrent_saved_size(&net, P, S, &saved) ||
                      !ferry_recurrent_scratch_size(&net, P, S, &scratch) ||
                      !ferry_size_multiply(shape->layers - 1, shape->dim, &row);
    kept.panels = ferry_cut_floats(&cutter, panels, 1);
    kept.linear_panels = ferry_cut_floats(&cutter, linear, 1);
    kept.masks = ferry_cut_floats(&cutter, P, row);
    kept.h = ferry_cut_floats(&cutter, P, shape->dim);
    kept.saved = ferry_cut(&cutter, saved, 1);
    kept.scratch = ferry_cut(&cutter, scratch, 1);
    kept.bytes = cutter.used;
    kept.overflow = cutter.overflow;
    return kept;
}

ferry_user_transformer_kept ferry_user_transformer_keep(const ferry_sequence_shape *shape, size_t P,
                                                        size_t longest, size_t threads, void *block)
{
    ferry_user_transformer_kept kept = {0};
    ferry_cutter cutter = {.base = block};
    ferry_user_transformer net = ferry_user_transformer_of(shape, NULL);
    size_t panels = 0, saved = 0, scratch = 0, row = 0;
    cutter.overflow = !ferry_user_transformer_panels_size(&net, &panels) ||
                      !ferry_user_transformer_saved_size(&net, P, longest, &saved) ||
                      !ferry_user_transformer_scratch_size(&net, P, longest, threads, &scratch) ||
                      !ferry_size_multiply(2 * shape->layers, shape->dim, &row);
    kept.panels = ferry_cut_floats(&cutter, panels, 1);
    kept.masks = ferry_cut_floats(&cutter, P, row);
    kept.saved = ferry_cut(&cutter, saved, 1);
    kept.scratch = ferry_cut(&cutter, scratch, 1);
    kept.bytes = cutter.used;
    kept.overflow = cutter.overflow;
    return kept;
}

/* What is cut is a multiple of 64 bytes. */
static bool in_floats(size_t bytes, bool overflow, size_t *floats)
{
    *floats = bytes / sizeof(float);
    return !overflow;
}

static bool recurrent_saved(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                            size_t threads, size_t *out)
{
    ferry_user_recurrent_kept kept = ferry_user_recurrent_keep(shape, P, sequences, NULL);
    (void)threads;
    return in_floats(kept.bytes, kept.overflow, out);
}

static bool transformer_saved(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                              size_t threads, size_t *out)
{
    ferry_user_transformer_kept kept =
        ferry_user_transformer_keep(shape, P, ferry_user_longest(shape, P), threads, NULL);
    (void)sequences;
    return in_floats(kept.bytes, kept.overflow, out);
}

/* ---- forward ---- */

typedef struct mask_run {
    const ferry_sequence_run *run;
    float *masks;
    size_t count, parts; /* numbers of a place, and into how many parts they go */
} mask_run;

enum { MASK_PART = 8192 /* numbers; a multiple of ferry_dropout's 4 */ };

static void mask_part(void *context, size_t index, size_t worker)
{
    const mask_run *m = context;
    size_t place = index / m->parts, first = index % m->parts * MASK_PART;
    size_t count = m->count - first < MASK_PART ? m->count - first : MASK_PART;
    float *masks = m->masks + place * m->count + first;
    (void)worker;
    for (size_t k = 0; k < count; k++) masks[k] = 1.0f;
    ferry_dropout(masks, m->run->dropout, ferry_dropout_key(m->run->dropout_key, place), first,
                  count, masks);
}

/* Masks for so many places of [P, d] each, or NULL where nothing is dropped. */
static const float *draw_masks(const ferry_sequence_run *run, size_t places, float *masks)
{
    mask_run m = {run, masks, run->starts[run->sequences] * run->shape->dim, 0};
    if (run->dropout <= 0.0f) return NULL;
    m.parts = (m.count + MASK_PART - 1) / MASK_PART;
    ferry_pool_run(run->pool, places * m.parts, mask_part, &m);
    return masks;
}

void ferry_user_drop_output(const ferry_sequence_run *run, float *h, size_t count)
{
    uint64_t key = ferry_dropout_key(run->dropout_key, run->shape->layers - 1);
    if (run->dropout > 0.0f) ferry_dropout(h, run->dropout, key, 0, count, h);
}

static void recurrent_forward(const ferry_sequence_run *run, const float *x, float *y, float *saved)
{
    const ferry_sequence_shape *shape = run->shape;
    size_t P = run->starts[run->sequences], d = shape->dim;
    ferry_user_recurrent user = ferry_user_recurrent_of(shape, run->parameters);
    ferry_user_recurrent_kept kept = ferry_user_recurrent_keep(shape, P, run->sequences, saved);
    ferry_recurrent_pack(&user.net, kept.panels);
    ferry_pack_panels(user.linear_weight, 1, d, d, d, kept.linear_panels);
    const float *masks = draw_masks(run, shape->layers - 1, kept.masks);
    ferry_recurrent_forward(run->kernels, run->pool, &user.net, kept.panels, x, run->starts,
                            run->sequences, masks, kept.h, kept.saved, kept.scratch);
    ferry_user_drop_output(run, kept.h, P * d);
    ferry_linear(run->kernels, run->pool, kept.h, kept.linear_panels, user.linear_bias, y, P, d, d);
    for (size_t i = 0; i < P * d; i++) y[i] = x[i] + y[i];
}

static void transformer_forward(const ferry_sequence_run *run, const float *x, float *y,
                                float *saved)
{
    const ferry_sequence_shape *shape = run->shape;
    ferry_user_transformer net = ferry_user_transformer_of(shape, run->parameters);
    ferry_user_transformer_kept kept = ferry_user_transformer_keep(
        shape, run->starts[run->sequences], ferry_longest_sequence(run->starts, run->sequences),
        ferry_pool_threads(run->pool), saved);
    ferry_user_transformer_pack(&net, kept.panels);
    const float *masks = draw_masks(run, 2 * shape->layers, kept.masks);
    ferry_user_transformer_forward(run->kernels, run->pool, &net, kept.panels, x, run->starts,
                                   run->sequences, masks, y, kept.saved, kept.scratch);
}

const ferry_sequence_encoder ferry_sequence_lstm = {recurrent_tensors, recurrent_saved,
                                                    recurrent_forward};
const ferry_sequence_encoder ferry_sequence_gru = {recurrent_tensors, recurrent_saved,
                                                   recurrent_forward};
const ferry_sequence_encoder ferry_sequence_transformer = {transformer_tensors, transformer_saved,
                                                           transformer_forward};
