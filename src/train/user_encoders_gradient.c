#include "train/user_encoders_gradient.h"

#include "math/linear.h"
#include "recsys/user_block.h"
#include "recsys/user_encoders.h"
#include "train/user_recurrent_backward.h"
#include "train/user_transformer_backward.h"

typedef struct recurrent_scratch {
    float *dh; /* [P, d] of what the last layer gave */
    void *backward;
    size_t bytes;
    bool overflow;
} recurrent_scratch;

static recurrent_scratch lay_out(const ferry_sequence_shape *shape, size_t P, size_t S, void *block)
{
    recurrent_scratch scratch;
    ferry_cutter cutter = {.base = block};
    ferry_user_recurrent user = ferry_user_recurrent_of(shape, NULL);
    size_t bytes = 0;
    cutter.overflow = !ferry_recurrent_backward_size(&user.net, P, S, &bytes);
    scratch.dh = ferry_cut_floats(&cutter, P, shape->dim);
    scratch.backward = ferry_cut(&cutter, bytes, 1);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

static bool recurrent_size(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                           size_t threads, size_t *out)
{
    recurrent_scratch scratch = lay_out(shape, P, sequences, NULL);
    (void)threads;
    *out = scratch.bytes / sizeof(float);
    return !scratch.overflow;
}

static void recurrent_backward(const ferry_sequence_run *run, const float *x, const float *saved,
                               const float *dy, float *dx, float *gradients, float *scratch_block)
{
    const ferry_sequence_shape *shape = run->shape;
    size_t P = run->starts[run->sequences], d = shape->dim;
    ferry_user_recurrent user = ferry_user_recurrent_of(shape, run->parameters);
    ferry_user_recurrent gradient = ferry_user_recurrent_of(shape, gradients);
    ferry_user_recurrent_kept kept =
        ferry_user_recurrent_keep(shape, P, run->sequences, (float *)saved /* to read */);
    recurrent_scratch scratch = lay_out(shape, P, run->sequences, scratch_block);
    (void)x; /* saved has it, in order of time */
    ferry_linear_weight_gradient(run->kernels, run->pool, dy, kept.h, gradient.linear_weight,
                                 gradient.linear_bias, P, d, d);
    ferry_linear_input_gradient(run->kernels, run->pool, dy, user.linear_weight, scratch.dh, P, d,
                                d, false);
    ferry_user_drop_output(run, scratch.dh, P * d);
    ferry_recurrent_backward(run->kernels, run->pool, &user.net, &gradient.net, run->starts,
                             run->sequences, run->dropout > 0.0f ? kept.masks : NULL, scratch.dh,
                             dx, kept.saved, scratch.backward);
    for (size_t i = 0; i < P * d; i++) dx[i] = dy[i] + dx[i];
}

static bool transformer_size(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                             size_t threads, size_t *out)
{
    ferry_user_transformer net = ferry_user_transformer_of(shape, NULL);
    size_t bytes;
    (void)sequences;
    if (!ferry_user_transformer_backward_size(&net, P, ferry_user_longest(shape, P), threads,
                                              &bytes))
        return false;
    *out = bytes / sizeof(float);
    return true;
}

static void transformer_backward(const ferry_sequence_run *run, const float *x, const float *saved,
                                 const float *dy, float *dx, float *gradients, float *scratch)
{
    const ferry_sequence_shape *shape = run->shape;
    ferry_user_transformer net = ferry_user_transformer_of(shape, run->parameters);
    ferry_user_transformer gradient = ferry_user_transformer_of(shape, gradients);
    ferry_user_transformer_kept kept = ferry_user_transformer_keep(
        shape, run->starts[run->sequences], ferry_longest_sequence(run->starts, run->sequences),
        ferry_pool_threads(run->pool), (float *)saved /* to read */);
    (void)x; /* saved has it */
    ferry_user_transformer_backward(run->kernels, run->pool, &net, &gradient, run->starts,
                                    run->sequences, run->dropout > 0.0f ? kept.masks : NULL, dy, dx,
                                    kept.saved, scratch);
}

const ferry_sequence_gradient ferry_sequence_lstm_gradient = {recurrent_size, recurrent_backward};
const ferry_sequence_gradient ferry_sequence_gru_gradient = {recurrent_size, recurrent_backward};
const ferry_sequence_gradient ferry_sequence_transformer_gradient = {transformer_size,
                                                                     transformer_backward};
