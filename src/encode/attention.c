#include "encode/attention.h"

#include <math.h>
#include <string.h>

#include "math/ops.h"

/* softmax of rows first… [rows, T], each over what it may see; the rest becomes 0. */
static void causal_softmax(const ferry_kernels *kernels, float *scores, float scale, size_t first,
                           size_t rows, size_t T)
{
    for (size_t row = 0; row < rows; row++, scores += T) {
        size_t seen = first + row + 1;
        kernels->softmax(scores, T, scale, 1, seen);
        memset(scores + seen, 0, (T - seen) * sizeof *scores);
    }
}

void ferry_attend(const ferry_kernels *kernels, const float *query, float *context, size_t T,
                  size_t hidden, size_t D, bool causal, float *scores, float *keys)
{
    size_t stride = 3 * hidden;
    float scale = 1.0f / sqrtf((float)D);
    const float *key = query + hidden, *value = key + hidden;
    ferry_pack_panels(key, 1, stride, D, T, keys);
    for (size_t t = 0; t < T; t += FERRY_ATTENTION_ROWS) {
        size_t rows = T - t < FERRY_ATTENTION_ROWS ? T - t : FERRY_ATTENTION_ROWS;
        kernels->matmul(query + t * stride, stride, keys, NULL, scores, T, rows, D, T);
        if (causal)
            causal_softmax(kernels, scores, scale, t, rows, T);
        else
            kernels->softmax(scores, T, scale, rows, T);
        kernels->matmul_strided(scores, T, 1, value, stride, context + t * hidden, hidden, rows, T,
                                D, false);
    }
}
