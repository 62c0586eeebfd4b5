/* The ema encoder: h_t = a h_{t-1} + (1 - a) x_t a channel, y_t = x_t + linear(h_t); and the mean.
 */
#include <math.h>
#include <string.h>

#include "math/elementary.h"
#include "math/linear.h"
#include "math/ops.h"
#include "recsys/net.h"
#include "recsys/user_encoders.h"

static ferry_status ema_tensors(const ferry_sequence_shape *shape, ferry_add_tensor add,
                                void *layout, ferry_error *error)
{
    size_t d = shape->dim;
    float bound = 1.0f / sqrtf((float)d);
    ferry_status status = add(layout, "ema.decay", d, 0, FERRY_INITIAL_RAMP, 0.0f, error);
    if (status == FERRY_OK)
        status = add(layout, "ema.linear.weight", d, d, FERRY_INITIAL_UNIFORM, bound, error);
    if (status == FERRY_OK)
        status = add(layout, "ema.linear.bias", d, 0, FERRY_INITIAL_UNIFORM, bound, error);
    return status;
}

void ferry_ema_decay(const float *parameters, size_t d, float *a)
{
    for (size_t n = 0; n < d; n++) a[n] = ferry_sigmoid(parameters[n]);
}

void ferry_ema_add(const float *a, const float *x, size_t d, float *h)
{
    for (size_t n = 0; n < d; n++) h[n] = a[n] * h[n] + (1.0f - a[n]) * x[n];
}

/* h [P, d], a [d], panels of the linear layer */
static bool ema_saved(const ferry_sequence_shape *shape, size_t P, size_t sequences, size_t threads,
                      size_t *out)
{
    size_t d = shape->dim, rows, panels;
    (void)sequences, (void)threads;
    return ferry_size_add(P, 1, &rows) && ferry_size_multiply(rows, d, &rows) &&
           ferry_panels_size(d, d, &panels) && ferry_size_add(rows, panels, out);
}

static void ema_forward(const ferry_sequence_run *run, const float *x, float *y, float *saved)
{
    size_t d = run->shape->dim, P = run->starts[run->sequences];
    const float *weight = run->parameters + ferry_tensor_room(d);
    const float *bias = weight + ferry_tensor_room(d * d);
    float *h = saved, *a = h + P * d, *panels = a + d;
    ferry_ema_decay(run->parameters, d, a);
    for (size_t s = 0; s < run->sequences; s++) {
        for (size_t t = run->starts[s]; t < run->starts[s + 1]; t++) {
            float *now = h + t * d;
            if (t == run->starts[s])
                memset(now, 0, d * sizeof *now);
            else
                memcpy(now, now - d, d * sizeof *now);
            ferry_ema_add(a, x + t * d, d, now);
        }
    }
    ferry_pack_panels(weight, 1, d, d, d, panels);
    ferry_linear(run->kernels, run->pool, h, panels, bias, y, P, d, d);
    for (size_t i = 0; i < P * d; i++) y[i] = x[i] + y[i];
}

const ferry_sequence_encoder ferry_sequence_ema = {ema_tensors, ema_saved, ema_forward};

static ferry_status mean_tensors(const ferry_sequence_shape *shape, ferry_add_tensor add,
                                 void *layout, ferry_error *error)
{
    (void)shape, (void)add, (void)layout, (void)error;
    return FERRY_OK; /* it has none */
}

/* the running sum [d] */
static bool mean_saved(const ferry_sequence_shape *shape, size_t P, size_t sequences,
                       size_t threads, size_t *out)
{
    (void)P, (void)sequences, (void)threads;
    *out = shape->dim;
    return true;
}

static void mean_forward(const ferry_sequence_run *run, const float *x, float *y, float *saved)
{
    size_t d = run->shape->dim;
    for (size_t s = 0; s < run->sequences; s++) {
        memset(saved, 0, d * sizeof *saved);
        for (size_t t = run->starts[s]; t < run->starts[s + 1]; t++) {
            float count = (float)(t - run->starts[s] + 1);
            for (size_t n = 0; n < d; n++) {
                saved[n] = saved[n] + x[t * d + n];
                y[t * d + n] = saved[n] / count;
            }
        }
    }
}

const ferry_sequence_encoder ferry_sequence_mean = {mean_tensors, mean_saved, mean_forward};

const ferry_sequence_encoder *ferry_sequence_encoder_of(ferry_sequence_kind kind)
{
    switch (kind) {
    case FERRY_SEQUENCE_EMA: return &ferry_sequence_ema;
    case FERRY_SEQUENCE_MEAN: return &ferry_sequence_mean;
    case FERRY_SEQUENCE_LSTM: return &ferry_sequence_lstm;
    case FERRY_SEQUENCE_GRU: return &ferry_sequence_gru;
    case FERRY_SEQUENCE_TRANSFORMER: return &ferry_sequence_transformer;
    case FERRY_SEQUENCE_KINDS: break;
    }
    return NULL;
}
