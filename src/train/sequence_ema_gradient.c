/* Backward of ema and mean; saved and letters as in recsys/sequence_ema.c. */
#include <string.h>

#include "math/linear.h"
#include "train/sequence_gradient.h"

/* dh [P, d], carried [d], da [d] */
static bool ema_scratch(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                        size_t threads, size_t *out)
{
    size_t rows;
    (void)sequences, (void)threads;
    return ferry_size_add(P, 2, &rows) && ferry_size_multiply(rows, shape->dim, out);
}

static void ema_backward(const ferry_sequence_run *run, const float *x, const float *saved,
                         const float *dy, float *dx, float *gradients, float *scratch)
{
    size_t d = run->shape->dim, P = run->starts[run->sequences];
    size_t weight = ferry_tensor_room(d), bias = weight + ferry_tensor_room(d * d);
    const float *h = saved, *a = h + P * d;
    float *dh = scratch, *carried = dh + P * d, *da = carried + d;
    ferry_linear_weight_gradient(run->kernels, run->pool, dy, h, gradients + weight,
                                 gradients + bias, P, d, d);
    ferry_linear_input_gradient(run->kernels, run->pool, dy, run->parameters + weight, dh, P, d, d,
                                false);
    memset(da, 0, d * sizeof *da);
    for (size_t s = 0; s < run->sequences; s++) {
        memset(carried, 0, d * sizeof *carried);
        for (size_t t = run->starts[s + 1]; t-- > run->starts[s];) {
            const float *x_t = x + t * d, *g = dh + t * d;
            bool first = t == run->starts[s];
            const float *before = first ? NULL : h + (t - 1) * d; /* zeros before the first */
            for (size_t n = 0; n < d; n++) {
                float dh_t = g[n] + carried[n]; /* what h_t does at t, and later through h_{t+1} */
                da[n] = da[n] + dh_t * ((first ? 0.0f : before[n]) - x_t[n]);
                dx[t * d + n] = dy[t * d + n] + dh_t * (1.0f - a[n]);
                carried[n] = dh_t * a[n];
            }
        }
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
    return kind == FERRY_SEQUENCE_EMA    ? &ferry_sequence_ema_gradient
           : kind == FERRY_SEQUENCE_MEAN ? &ferry_sequence_mean_gradient
                                         : NULL;
}
