/* Backward of ema and mean; saved and letters as in recsys/sequence_ema.c. */
#include <string.h>

#include "math/linear.h"
#include "train/sequence_gradient.h"
#include "train/user_encoders_gradient.h"

/* dh [P, d], carried [d], da [d], zeros [d] */
static bool ema_scratch(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                        size_t threads, size_t *out)
{
    size_t rows;
    (void)sequences, (void)threads;
    return ferry_size_add(P, 3, &rows) && ferry_size_multiply(rows, shape->dim, out);
}

/* One event back: dh is what h does at this event, carried what it does through later ones. All
 * [d]. */
static void one_back(const float *restrict a, const float *restrict before, const float *restrict x,
                     const float *restrict dy, const float *restrict dh, size_t d,
                     float *restrict dx, float *restrict carried, float *restrict da)
{
    for (size_t n = 0; n < d; n++) {
        float all = dh[n] + carried[n];
        da[n] = da[n] + all * (before[n] - x[n]);
        dx[n] = dy[n] + all * (1.0f - a[n]);
        carried[n] = all * a[n];
    }
}

static void ema_backward(const ferry_sequence_run *run, const float *x, const float *saved,
                         const float *dy, float *dx, float *gradients, float *scratch)
{
    size_t d = run->shape->dim, P = run->starts[run->sequences];
    size_t weight = ferry_tensor_room(d), bias = weight + ferry_tensor_room(d * d);
    const float *h = saved, *a = h + P * d;
    float *dh = scratch, *carried = dh + P * d, *da = carried + d, *none = da + d;
    ferry_linear_weight_gradient(run->kernels, run->pool, dy, h, gradients + weight,
                                 gradients + bias, P, d, d);
    ferry_linear_input_gradient(run->kernels, run->pool, dy, run->parameters + weight, dh, P, d, d,
                                false);
    memset(da, 0, 2 * d * sizeof *da); /* and none */
    for (size_t s = 0; s < run->sequences; s++) {
        memset(carried, 0, d * sizeof *carried);
        for (size_t t = run->starts[s + 1]; t-- > run->starts[s];)
            one_back(a, t == run->starts[s] ? none : h + (t - 1) * d, x + t * d, dy + t * d,
                     dh + t * d, d, dx + t * d, carried, da);
    }
    for (size_t n = 0; n < d; n++) gradients[n] = gradients[n] + da[n] * (a[n] * (1.0f - a[n]));
}

const ferry_sequence_gradient ferry_sequence_ema_gradient = {ema_scratch, ema_backward};

static bool mean_scratch(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                         size_t threads, size_t *out)
{
    (void)P, (void)sequences, (void)threads;
    *out = shape->dim;
    return true;
}

static void mean_backward(const ferry_sequence_run *run, const float *x, const float *saved,
                          const float *dy, float *dx, float *gradients, float *scratch)
{
    size_t d = run->shape->dim;
    (void)x, (void)saved, (void)gradients;
    for (size_t s = 0; s < run->sequences; s++) {
        memset(scratch, 0, d * sizeof *scratch);
        for (size_t t = run->starts[s + 1]; t-- > run->starts[s];) {
            float count = (float)(t - run->starts[s] + 1);
            for (size_t n = 0; n < d; n++) {
                scratch[n] = scratch[n] + dy[t * d + n] / count;
                dx[t * d + n] = scratch[n];
            }
        }
    }
}

const ferry_sequence_gradient ferry_sequence_mean_gradient = {mean_scratch, mean_backward};

const ferry_sequence_gradient *ferry_sequence_gradient_of(ferry_sequence_kind kind)
{
    switch (kind) {
    case FERRY_SEQUENCE_EMA: return &ferry_sequence_ema_gradient;
    case FERRY_SEQUENCE_MEAN: return &ferry_sequence_mean_gradient;
    case FERRY_SEQUENCE_LSTM: return &ferry_sequence_lstm_gradient;
    case FERRY_SEQUENCE_GRU: return &ferry_sequence_gru_gradient;
    case FERRY_SEQUENCE_TRANSFORMER: return &ferry_sequence_transformer_gradient;
    case FERRY_SEQUENCE_KINDS: break;
    }
    return NULL;
}
