#include "math/int8.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/elementary.h"
#include "math/kernels.h"

bool ferry_int8_panels_size(size_t K, size_t N, size_t *weights, size_t *scales)
{
    size_t columns;
    if (K > SIZE_MAX - FERRY_INT8_GROUP || !ferry_size_add(N, FERRY_PANEL - 1, &columns))
        return false;
    columns -= columns % FERRY_PANEL;
    return ferry_size_multiply(columns, ferry_int8_padded(K), weights) &&
           ferry_size_multiply(columns, ferry_int8_groups(K), scales);
}

void ferry_int8_pack(const int8_t *w, const float *scale, size_t K, size_t N, uint8_t *weights,
                     float *scales)
{
    size_t groups = ferry_int8_groups(K), padded = ferry_int8_padded(K);
    for (size_t n = 0; n < N; n += FERRY_PANEL) {
        for (size_t k = 0; k < padded; k += 4) {
            for (size_t j = 0; j < FERRY_PANEL; j++) {
                for (size_t i = k; i < k + 4; i++) {
                    int value = n + j < N && i < K ? w[(n + j) * K + i] : 0;
                    *weights++ = (uint8_t)(value + FERRY_INT8_WEIGHT_ZERO);
                }
            }
        }
        for (size_t g = 0; g < groups; g++) {
            for (size_t j = 0; j < FERRY_PANEL; j++)
                *scales++ = n + j < N ? scale[(n + j) * groups + g] : 0.0f;
        }
    }
}

void ferry_int8_pack_columns(const int8_t *w, const float *scale, size_t K, size_t N, int zero,
                             int8_t *weights, float *scales, int32_t *start)
{
    size_t padded = ferry_int8_padded(K);
    for (size_t n = 0; n < N; n += FERRY_PANEL) {
        for (size_t k = 0; k < padded; k += 4)
            for (size_t j = 0; j < FERRY_PANEL; j++)
                for (size_t i = k; i < k + 4; i++)
                    *weights++ = n + j < N && i < K ? w[(n + j) * K + i] : 0;
        for (size_t j = 0; j < FERRY_PANEL; j++) {
            int32_t sum = 0;
            for (size_t k = 0; n + j < N && k < K; k++) sum += w[(n + j) * K + k];
            *scales++ = n + j < N ? scale[n + j] : 0.0f;
            *start++ = -zero * sum;
        }
    }
}

float ferry_int8_quantize(const float *from, size_t n, int largest, int8_t *x)
{
    float lane[FERRY_PANEL] = {0}; /* a maximum is the same in any order */
    size_t whole = n - n % FERRY_PANEL;
    for (size_t i = 0; i < whole; i += FERRY_PANEL) {
        for (size_t j = 0; j < FERRY_PANEL; j++) {
            float a = fabsf(from[i + j]);
            lane[j] = a > lane[j] ? a : lane[j];
        }
    }
    float magnitude = 0.0f;
    for (size_t i = whole; i < n; i++) {
        float a = fabsf(from[i]);
        magnitude = a > magnitude ? a : magnitude;
    }
    for (size_t j = 0; j < FERRY_PANEL; j++) magnitude = lane[j] > magnitude ? lane[j] : magnitude;
    if (magnitude < FERRY_INT8_SMALLEST) {
        memset(x, 0, n);
        return 0.0f;
    }
    float inverse = (float)largest / magnitude;
    for (size_t i = 0; i < n; i++) x[i] = ferry_round_int8(from[i] * inverse);
    return magnitude / (float)largest;
}

void ferry_int8_quantize_weights(const float *weight, size_t K, size_t N, int8_t *w, float *scale)
{
    for (size_t n = 0; n < N; n++) {
        for (size_t k = 0; k < K; k += FERRY_INT8_GROUP) {
            size_t count = K - k < FERRY_INT8_GROUP ? K - k : FERRY_INT8_GROUP;
            *scale++ = ferry_int8_quantize(weight + n * K + k, count, FERRY_INT8_WEIGHT_MAX,
                                           w + n * K + k);
        }
    }
}

enum { FOUR = 4, STEP = FOUR * FERRY_PANEL /* bytes of four numbers of 16 rows */ };

void ferry_int8_put_row(int8_t *panel, size_t lane, const int8_t *q, size_t K4)
{
    for (size_t k = 0; k < K4; k += FOUR)
        memcpy(panel + k / FOUR * STEP + lane * FOUR, q + k, FOUR);
}

void ferry_int8_get_row(const int8_t *panel, size_t lane, int8_t *q, size_t K4)
{
    for (size_t k = 0; k < K4; k += FOUR)
        memcpy(q + k, panel + k / FOUR * STEP + lane * FOUR, FOUR);
}
