/*
 * Operations built on the kernels.
 *
 * Dimensions keep one letter each across the code base:
 *   T rows (tokens, items)   K inner dimension   N columns, output dimension
 *   H attention heads        D dimension of a head   L layers   V vocabulary
 */
#ifndef FERRY_MATH_OPS_H
#define FERRY_MATH_OPS_H

#include "math/kernels.h"

/* Floats that the panels of a [K, N] matrix take: ceil(N / 16) * K * 16; false on overflow. */
bool ferry_panels_size(size_t K, size_t N, size_t *out);

/*
 * Panels of a matrix given by strides: element (k, n) is at matrix[k * stride_k + n * stride_n].
 * A linear layer's weight [N, K] has strides (1, K); a plain [K, N] matrix (ldk, 1).
 * panels [ceil(N / 16), K, 16].
 */
void ferry_pack_panels(const float *matrix, size_t stride_k, size_t stride_n, size_t K, size_t N,
                       float *panels);

/* x[i] = max(x[i], 0), [n] */
void ferry_relu(float *x, size_t n);

/* x / max(|x|, 1e-12) in place, as torch.nn.functional.normalize; [N] */
void ferry_l2_normalize(const ferry_kernels *kernels, float *x, size_t N);

/* Whether all of x [N] are 0, as the vector of what an item lacks is. */
bool ferry_is_zero(const float *x, size_t N);

/* y[n] = y[n] + scale * x[n], [N] */
void ferry_add_scaled(float *y, const float *x, float scale, size_t N);

/* base to the power of exponent, by squaring. */
double ferry_power(double base, size_t exponent);

#endif
