/* The kernels in plain C: the specification of every variant's bits. */
#include "math/elementary.h"
#include "math/kernels.h"

#include <math.h>

static void matmul(const float *x, size_t ldx, const float *panels, const float *bias, float *y,
                   size_t ldy, size_t T, size_t K, size_t N)
{
    for (size_t n = 0; n < N; n += FERRY_PANEL) {
        const float *panel = panels + n * K; /* [K, 16] */
        size_t columns = N - n < FERRY_PANEL ? N - n : FERRY_PANEL;
        for (size_t t = 0; t < T; t++) {
            float sum[FERRY_PANEL] = {0};
            for (size_t k = 0; k < K; k++) {
                float value = x[t * ldx + k];
#pragma GCC unroll 1 /* else gcc unrolls the loop before it would vectorise it */
                for (size_t j = 0; j < FERRY_PANEL; j++)
                    sum[j] = sum[j] + value * panel[k * FERRY_PANEL + j];
            }
            for (size_t j = 0; j < columns; j++)
                y[t * ldy + n + j] = bias != NULL ? sum[j] + bias[n + j] : sum[j];
        }
    }
}

/* The one tree: lanes 8 apart, then 4, 2, 1. */
static float sum_lanes(float lane[FERRY_PANEL])
{
    for (size_t half = FERRY_PANEL / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];
    }
    return lane[0];
}

static void layer_norm(const float *x, const float *residual, const float *weight,
                       const float *bias, float eps, float *y, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++) {
        float lane[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) {
            y[n] = residual != NULL ? x[n] + residual[n] : x[n];
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + y[n];
        }
        float mean = sum_lanes(lane) / (float)N;
        float square[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) {
            float centred = y[n] - mean;
            y[n] = centred;
            square[n % FERRY_PANEL] = square[n % FERRY_PANEL] + centred * centred;
        }
        float scale = 1.0f / sqrtf(sum_lanes(square) / (float)N + eps);
        for (size_t n = 0; n < N; n++) y[n] = y[n] * scale * weight[n] + bias[n];
        x += N;
        y += N;
        if (residual != NULL) residual += N;
    }
}

static void softmax(float *x, size_t ldx, float scale, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++, x += ldx) {
        float largest = x[0] * scale;
        for (size_t n = 0; n < N; n++) {
            x[n] = x[n] * scale;
            largest = x[n] > largest ? x[n] : largest;
        }
        float lane[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) {
            x[n] = ferry_exp(x[n] - largest);
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + x[n];
        }
        float inverse = 1.0f / sum_lanes(lane);
        for (size_t n = 0; n < N; n++) x[n] = x[n] * inverse;
    }
}

static void softmax_int7(const float *x, size_t ldx, size_t T, size_t N, const ferry_int7_rows *out)
{
    size_t padded = ferry_int8_padded(N);
    for (size_t t = 0; t < T; t++, x += ldx) {
        uint8_t *q = out->q + t * padded;
        float largest = x[0], lane[FERRY_PANEL] = {0};
        for (size_t n = 1; n < N; n++) largest = x[n] > largest ? x[n] : largest;
        for (size_t n = 0; n < N; n++) {
            float share = ferry_share(x[n] - largest);
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + share;
            q[n] = (uint8_t)ferry_round_int8(share);
        }
        for (size_t n = N; n < padded; n++) q[n] = 0;
        out->scale[t] = 1.0f / sum_lanes(lane);
    }
}

static void gelu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = 0.5f * x[i] * (1.0f + ferry_erf(x[i] * GELU_SQRT_HALF));
}

static void gelu_tanh(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float inner = GELU_TANH_SCALE * (x[i] + GELU_TANH_CUBE * (x[i] * x[i] * x[i]));
        x[i] = 0.5f * x[i] * (1.0f + ferry_tanh(inner));
    }
}

static void gelu_backward(const float *x, float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float below = 0.5f * (1.0f + ferry_erf(x[i] * GELU_SQRT_HALF));
        float density = GELU_DENSITY * ferry_exp(-0.5f * x[i] * x[i]);
        dy[i] = dy[i] * (below + x[i] * density);
    }
}

static void sigmoid(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = ferry_sigmoid(x[i]);
}

static void hyperbolic_tangent(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = ferry_tanh(x[i]);
}

static void clamp(const float *x, float top, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value = x[i] > 0.0f ? x[i] : 0.0f;
        y[i] = value < top ? value : top;
    }
}

/* One pixel of 16 channels. */
static void depthwise_pixel(const float *x, size_t row, const float *w, const float *bias,
                            float top, size_t side, float sum[FERRY_PANEL])
{
    for (size_t n = 0; n < FERRY_PANEL; n++) sum[n] = 0.0f;
    for (size_t i = 0; i < side; i++) {
        for (size_t j = 0; j < side; j++) {
            const float *a = x + i * row + j * FERRY_PANEL;
            const float *b = w + (i * side + j) * FERRY_PANEL;
#pragma GCC unroll 1 /* as in matmul */
            for (size_t n = 0; n < FERRY_PANEL; n++) sum[n] = sum[n] + a[n] * b[n];
        }
    }
    for (size_t n = 0; n < FERRY_PANEL; n++) sum[n] = sum[n] + bias[n];
    clamp(sum, top, sum, FERRY_PANEL);
}

static void depthwise(const float *x, size_t row, size_t step, const float *w, const float *bias,
                      float top, float *y, size_t ldy, size_t side, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++, x += step * FERRY_PANEL, y += ldy) {
        float sum[FERRY_PANEL];
        depthwise_pixel(x, row, w, bias, top, side, sum);
        memcpy(y, sum, N * sizeof *y);
    }
}

static void depthwise_int7(const float *x, size_t row, size_t step, const float *w,
                           const float *bias, float top, float scale, uint8_t *q, size_t ldq,
                           size_t side, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++, x += step * FERRY_PANEL, q += ldq) {
        float sum[FERRY_PANEL];
        depthwise_pixel(x, row, w, bias, top, side, sum);
        for (size_t n = 0; n < N; n++) q[n] = (uint8_t)ferry_round_int8(sum[n] * scale);
    }
}

static void softmax_backward(const float *p, float *dp, size_t ldp, size_t first, size_t T)
{
    for (size_t t = 0; t < T; t++, p += ldp, dp += ldp) {
        float lane[FERRY_PANEL] = {0};
        for (size_t n = 0; n < first + t; n++)
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + p[n] * dp[n];
        float sum = sum_lanes(lane);
        for (size_t n = 0; n < first + t; n++) dp[n] = p[n] * (dp[n] - sum);
    }
}

static void quantize_rows(const float *x, size_t ldx, size_t T, size_t K,
                          const ferry_int8_rows *out)
{
    size_t padded = ferry_int8_padded(K);
    float *scale = out->scale;
    int32_t *offset = out->offset;
    for (size_t t = 0; t < T; t++) {
        int8_t *q = out->q + t * padded;
        for (size_t k = 0; k < K; k += FERRY_INT8_GROUP) {
            size_t count = K - k < FERRY_INT8_GROUP ? K - k : FERRY_INT8_GROUP;
            int32_t sum = 0;
            *scale++ = ferry_int8_quantize(x + t * ldx + k, count, 127, q + k);
            for (size_t i = k; i < k + count; i++) sum += q[i];
            *offset++ = -FERRY_INT8_WEIGHT_ZERO * sum;
        }
        for (size_t k = K; k < padded; k++) q[k] = 0;
    }
}

/* One row by one panel of 16 columns, into sum [16]. */
static void int8_row(const int8_t *q, const float *scale, const int32_t *offset,
                     const uint8_t *weights, const float *weight_scale, size_t K,
                     float sum[FERRY_PANEL])
{
    size_t padded = ferry_int8_padded(K);
    for (size_t j = 0; j < FERRY_PANEL; j++) sum[j] = 0.0f;
    for (size_t g = 0; g * FERRY_INT8_GROUP < K; g++) {
        size_t first = g * FERRY_INT8_GROUP, end = first + FERRY_INT8_GROUP;
        if (end > padded) end = padded;
        int32_t dot[FERRY_PANEL];
        for (size_t j = 0; j < FERRY_PANEL; j++) dot[j] = offset[g];
        for (size_t k = first; k < end; k += 4) {
            const uint8_t *four = weights + k * FERRY_PANEL; /* [16, 4] */
            for (size_t j = 0; j < FERRY_PANEL; j++) {
                dot[j] += q[k] * four[4 * j] + q[k + 1] * four[4 * j + 1] +
                          q[k + 2] * four[4 * j + 2] + q[k + 3] * four[4 * j + 3];
            }
        }
        for (size_t j = 0; j < FERRY_PANEL; j++)
            sum[j] = sum[j] + (float)dot[j] * weight_scale[g * FERRY_PANEL + j] * scale[g];
    }
}

static void matmul_int8(const ferry_int8_rows *x, const ferry_int8_panels *w, const float *bias,
                        float *y, size_t ldy, size_t T)
{
    size_t groups = ferry_int8_groups(w->K), padded = ferry_int8_padded(w->K);
    for (size_t n = 0; n < w->N; n += FERRY_PANEL) {
        size_t columns = w->N - n < FERRY_PANEL ? w->N - n : FERRY_PANEL;
        for (size_t t = 0; t < T; t++) {
            float sum[FERRY_PANEL];
            int8_row(x->q + t * padded, x->scale + t * groups, x->offset + t * groups,
                     w->weights + n * padded, w->scale + n * groups, w->K, sum);
            for (size_t j = 0; j < columns; j++)
                y[t * ldy + n + j] = bias != NULL ? sum[j] + bias[n + j] : sum[j];
        }
    }
}

static void quantize_int7(const float *x, size_t ldx, size_t T, size_t K,
                          const ferry_int7_rows *out)
{
    size_t padded = ferry_int8_padded(K);
    for (size_t t = 0; t < T; t++) {
        int8_t *q = (int8_t *)out->q + t * padded;
        out->scale[t] = ferry_int8_quantize(x + t * ldx, K, FERRY_INT7_MAX - FERRY_INT7_ZERO, q);
        for (size_t k = 0; k < K; k++) out->q[t * padded + k] = (uint8_t)(q[k] + FERRY_INT7_ZERO);
        for (size_t k = K; k < padded; k++) out->q[t * padded + k] = 0;
    }
}

static void quantize_panel(const float *x, size_t K, int zero, float factor, int8_t *weights,
                           float *scale, int32_t *start)
{
    size_t padded = ferry_int8_padded(K);
    for (size_t n = 0; n < FERRY_PANEL; n++) {
        float most = 0.0f;
        int32_t sum = 0;
        for (size_t k = 0; k < K; k++) {
            float magnitude = fabsf(x[k * FERRY_PANEL + n]);
            most = magnitude > most ? magnitude : most;
        }
        float inverse = most < FERRY_INT8_SMALLEST ? 0.0f : 127.0f / most;
        for (size_t k = 0; k < padded; k++) {
            int8_t q = k < K ? ferry_round_int8(x[k * FERRY_PANEL + n] * inverse) : 0;
            weights[(k / 4 * FERRY_PANEL + n) * 4 + k % 4] = q;
            sum += q;
        }
        scale[n] = most < FERRY_INT8_SMALLEST ? 0.0f : most / 127.0f * factor;
        start[n] = -zero * sum;
    }
}

static void matmul_int7(const ferry_int7_rows *x, const ferry_int8_columns *w, const float *bias,
                        float *y, size_t ldy, size_t T)
{
    size_t padded = ferry_int8_padded(w->K);
    for (size_t n = 0; n < w->N; n += FERRY_PANEL) {
        size_t columns = w->N - n < FERRY_PANEL ? w->N - n : FERRY_PANEL;
        for (size_t t = 0; t < T; t++) {
            const uint8_t *q = x->q + t * padded;
            float row_scale = x->scale != NULL ? x->scale[t] : 1.0f;
            int32_t dot[FERRY_PANEL];
            for (size_t j = 0; j < FERRY_PANEL; j++) dot[j] = w->start[n + j];
            for (size_t k = 0; k < padded; k += 4) {
                const int8_t *four = w->weights + n * padded + k * FERRY_PANEL; /* [16, 4] */
                for (size_t j = 0; j < FERRY_PANEL; j++) {
                    dot[j] += q[k] * four[4 * j] + q[k + 1] * four[4 * j + 1] +
                              q[k + 2] * four[4 * j + 2] + q[k + 3] * four[4 * j + 3];
                }
            }
            for (size_t j = 0; j < columns; j++) {
                float sum = (float)dot[j] * w->scale[n + j] * row_scale;
                y[t * ldy + n + j] = bias != NULL ? sum + bias[n + j] : sum;
            }
        }
    }
}

static void dot_rows(const float *rows, const float *vector, float *out, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++) {
        float lane[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++)
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + rows[t * N + n] * vector[n];
        out[t] = sum_lanes(lane);
    }
}

/* ---- search ---- */

static void score_int8(const ferry_int8_queries *x, size_t T, const ferry_int8_table *rows,
                       const float *least, float *out, uint8_t *reached)
{
    size_t K4 = ferry_int8_padded(rows->K);
    for (size_t p = 0; p < rows->P; p++) {
        const float *scale = rows->scale + p * FERRY_PANEL;
        for (size_t t = 0; t < T; t++) {
            const int8_t *q = x->q + t * K4, *panel = rows->panels + p * FERRY_PANEL * K4;
            int32_t sum[FERRY_PANEL] = {0};
            for (size_t k = 0; k < K4; k += 4, panel += 4 * FERRY_PANEL) { /* [16, 4] */
                for (size_t j = 0; j < FERRY_PANEL; j++) {
                    sum[j] += q[k] * panel[4 * j] + q[k + 1] * panel[4 * j + 1] +
                              q[k + 2] * panel[4 * j + 2] + q[k + 3] * panel[4 * j + 3];
                }
            }
            bool any = false;
            float *score = out + (t * rows->P + p) * FERRY_PANEL;
            for (size_t j = 0; j < FERRY_PANEL; j++) {
                score[j] = (float)sum[j] * scale[j] * x->scale[t];
                any |= score[j] >= least[t];
            }
            reached[t * rows->P + p] = any;
        }
    }
}

static void hamming(const uint64_t *rows, const uint64_t *query, uint32_t *out, size_t T, size_t W)
{
    for (size_t t = 0; t < T; t++, rows += W) {
        uint32_t differ = 0;
        for (size_t w = 0; w < W; w++) differ += (uint32_t)__builtin_popcountll(rows[w] ^ query[w]);
        out[t] = differ;
    }
}

/* ---- training ---- */

static void matmul_strided(const float *a, size_t row_a, size_t step_a, const float *b, size_t ldb,
                           float *y, size_t ldy, size_t M, size_t K, size_t N, bool accumulate)
{
    for (size_t m = 0; m < M; m++) {
        float *sum = y + m * ldy;
        if (!accumulate) memset(sum, 0, N * sizeof *sum);
        for (size_t k = 0; k < K; k++) {
            float value = a[m * row_a + k * step_a];
            for (size_t n = 0; n < N; n++) sum[n] = sum[n] + value * b[k * ldb + n];
        }
    }
}

static void softmax_cross_entropy(float *x, size_t ldx, const float *correction,
                                  const uint32_t *target, float scale, float *loss, float *factor,
                                  size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++, x += ldx) {
        float at_target = x[target[t]];
        if (correction != NULL) {
            x[target[t]] = at_target + correction[target[t]];
            at_target = x[target[t]] - correction[target[t]];
            for (size_t n = 0; n < N; n++) x[n] = x[n] - correction[n];
        }
        float largest = x[0];
        for (size_t n = 1; n < N; n++) largest = x[n] > largest ? x[n] : largest;
        float lane[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) {
            x[n] = ferry_exp(x[n] - largest);
            lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + x[n];
        }
        float sum = sum_lanes(lane);
        x[target[t]] = x[target[t]] - sum;
        factor[t] = scale / sum;
        loss[t] = (float)(ferry_log((double)sum) + ((double)largest - (double)at_target));
    }
}

static void layer_norm_backward(const float *x, const float *weight, float eps, const float *dy,
                                float *dx, float *dweight, float *dbias, size_t T, size_t N)
{
    for (size_t t = 0; t < T; t++, x += N, dy += N, dx += N) {
        float lane[FERRY_PANEL] = {0}, square[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) lane[n % FERRY_PANEL] = lane[n % FERRY_PANEL] + x[n];
        float mean = sum_lanes(lane) / (float)N;
        for (size_t n = 0; n < N; n++) {
            dx[n] = x[n] - mean;
            square[n % FERRY_PANEL] = square[n % FERRY_PANEL] + dx[n] * dx[n];
        }
        float scale = 1.0f / sqrtf(sum_lanes(square) / (float)N + eps);
        float sum[FERRY_PANEL] = {0}, product[FERRY_PANEL] = {0};
        for (size_t n = 0; n < N; n++) {
            float z = dx[n] * scale, g = dy[n] * weight[n]; /* the normalised x, its gradient */
            dx[n] = z;
            sum[n % FERRY_PANEL] = sum[n % FERRY_PANEL] + g;
            product[n % FERRY_PANEL] = product[n % FERRY_PANEL] + g * z;
            dweight[n] = dweight[n] + dy[n] * z;
            dbias[n] = dbias[n] + dy[n];
        }
        float mean_g = sum_lanes(sum) / (float)N, mean_gz = sum_lanes(product) / (float)N;
        for (size_t n = 0; n < N; n++)
            dx[n] = (dy[n] * weight[n] - mean_g - dx[n] * mean_gz) * scale;
    }
}

static void adamw(const ferry_adamw_step *step, const float *gradient, float *w, float *m, float *v,
                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float g = gradient != NULL ? gradient[i] * step->gradient_scale : 0.0f;
        m[i] = m[i] + (g - m[i]) * step->beta1_rest;
        v[i] = v[i] * step->beta2 + g * g * step->beta2_rest;
        float root = sqrtf(v[i]) * step->inverse_root + step->epsilon;
        w[i] = w[i] * step->keep - step->rate * (m[i] / root);
    }
}

const ferry_kernels ferry_kernels_scalar = {
    .name = "scalar",
#define FERRY_KERNEL(kernel, parameters) .kernel = kernel,
#ifdef FERRY_NO_TRAINING /* named, so that it counts as used, and left out */
#define FERRY_TRAIN_KERNEL(kernel, parameters) .kernel = 1 ? NULL : kernel,
#endif
#include "math/kernels.def"
};
