/* A linear layer at rest: the weight as torch has it, and packed for the products. */
#ifndef FERRY_RECSYS_DENSE_H
#define FERRY_RECSYS_DENSE_H

#include "base/memory.h"
#include "base/pool.h"
#include "math/kernels.h"

typedef struct ferry_dense {
    size_t K, N;
    const float *weight; /* [N, K] */
    const float *bias;   /* [N], or NULL */
    float *panels;       /* [ceil(N / 16), K, 16] */
} ferry_dense;

/* Borrows weight and bias; the panels are the arena's. false without memory. */
bool ferry_dense_init(ferry_dense *dense, const float *weight, const float *bias, size_t K,
                      size_t N, ferry_arena *arena);
/* Packs the weight anew, after it has changed. */
void ferry_dense_pack(ferry_dense *dense);
/* y [T, N] = x [T, K] weight^T + bias */
void ferry_dense_apply(const ferry_dense *dense, const ferry_kernels *kernels, ferry_pool *pool,
                       const float *x, size_t T, float *y);

#endif
