/* The backward pass of a linear layer y = x W' + b, W [N, K] as torch keeps it. */
#ifndef FERRY_TRAIN_USER_LINEAR_H
#define FERRY_TRAIN_USER_LINEAR_H

#include "math/kernels.h"

/* dW[n, k] += sum_t dy[t, n] x[t, k], dbias[n] += sum_t dy[t, n], each a chain over t that goes on
 * from what is there; dy [T, N], x [T, K]. */
void ferry_linear_backward_weight(const ferry_kernels *kernels, const float *dy, const float *x,
                                  size_t T, size_t K, size_t N, float *dW, float *dbias);

/* dx[t, k] = sum_n dy[t, n] W[n, k]; dx [T, K] */
void ferry_linear_backward_input(const ferry_kernels *kernels, const float *dy, const float *W,
                                 size_t T, size_t K, size_t N, float *dx);

#endif
