#include "train/user_linear.h"

void ferry_linear_backward_weight(const ferry_kernels *kernels, const float *dy, const float *x,
                                  size_t T, size_t K, size_t N, float *dW, float *dbias)
{
    kernels->matmul_strided(dy, 1, N, x, K, dW, K, N, T, K, true);
    for (size_t t = 0; t < T; t++)
        for (size_t n = 0; n < N; n++) dbias[n] = dbias[n] + dy[t * N + n];
}

void ferry_linear_backward_input(const ferry_kernels *kernels, const float *dy, const float *W,
                                 size_t T, size_t K, size_t N, float *dx)
{
    kernels->matmul_strided(dy, N, 1, W, K, dx, K, T, N, K, false);
}
