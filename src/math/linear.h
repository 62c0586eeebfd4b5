/*
 * A linear layer's products over the pool, in parts that each write their own rows, so that the
 * number of threads changes no bit. W [N, K] row-major as torch's, x [T, K], y [T, N], contiguous.
 */
#ifndef FERRY_MATH_LINEAR_H
#define FERRY_MATH_LINEAR_H

#include "base/pool.h"
#include "math/kernels.h"

/* y = x W^T + bias (or NULL); panels are ferry_pack_panels(W, 1, K, K, N). */
void ferry_linear(const ferry_kernels *kernels, ferry_pool *pool, const float *x,
                  const float *panels, const float *bias, float *y, size_t T, size_t K, size_t N);

/* dx = dy W, or dx += dy W if accumulate. */
void ferry_linear_input_gradient(const ferry_kernels *kernels, ferry_pool *pool, const float *dy,
                                 const float *W, float *dx, size_t T, size_t K, size_t N,
                                 bool accumulate);

/* dW += dy^T x; dbias [N] += the rows of dy in order, unless NULL. */
void ferry_linear_weight_gradient(const ferry_kernels *kernels, ferry_pool *pool, const float *dy,
                                  const float *x, float *dW, float *dbias, size_t T, size_t K,
                                  size_t N);

#endif
