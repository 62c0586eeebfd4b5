#include "math/ops.h"

#include <math.h>

#include "base/memory.h"

bool ferry_panels_size(size_t K, size_t N, size_t *out)
{
    size_t columns;
    if (!ferry_size_add(N, FERRY_PANEL - 1, &columns)) return false;
    columns -= columns % FERRY_PANEL;
    return ferry_size_multiply(columns, K, out);
}

void ferry_pack_panels(const float *matrix, size_t stride_k, size_t stride_n, size_t K, size_t N,
                       float *panels)
{
    for (size_t n = 0; n < N; n += FERRY_PANEL) {
        const float *from = matrix + n * stride_n;
        for (size_t k = 0; k < K && n + FERRY_PANEL <= N; k++, panels += FERRY_PANEL) {
            for (size_t j = 0; j < FERRY_PANEL; j++) panels[j] = from[k * stride_k + j * stride_n];
        }
        for (size_t k = 0; k < K && n + FERRY_PANEL > N; k++) { /* the last, narrower one */
            for (size_t j = 0; j < FERRY_PANEL; j++)
                *panels++ = n + j < N ? matrix[k * stride_k + (n + j) * stride_n] : 0.0f;
        }
    }
}

void ferry_relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

bool ferry_is_zero(const float *x, size_t N)
{
    for (size_t n = 0; n < N; n++)
        if (x[n] != 0.0f) return false;
    return true;
}

void ferry_l2_normalize(const ferry_kernels *kernels, float *x, size_t N)
{
    float square;
    kernels->dot_rows(x, x, &square, 1, N);
    float norm = sqrtf(square);
    if (norm < 1e-12f) norm = 1e-12f;
    for (size_t n = 0; n < N; n++) x[n] = x[n] / norm;
}

void ferry_add_scaled(float *y, const float *x, float scale, size_t N)
{
    for (size_t n = 0; n < N; n++) y[n] = y[n] + scale * x[n];
}

double ferry_power(double base, size_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent /= 2, base *= base) {
        if (exponent % 2 == 1) result *= base;
    }
    return result;
}
