/* Products of a matrix with itself. */
#ifndef FERRY_MATH_GRAM_H
#define FERRY_MATH_GRAM_H

#include "base/memory.h"
#include "math/kernels.h"

typedef struct ferry_gram {
    size_t N;
    double *sum;       /* [N, N], symmetric to the rounding of floats */
    float *transposed; /* the rest is scratch */
    float *panels;
    float *product;
} ferry_gram;

/* sum is 0. Arrays from the arena; false without memory. */
bool ferry_gram_init(ferry_gram *gram, size_t N, ferry_arena *arena);

/* sum[i, j] += over r: (x[r, i] - mean[i]) (x[r, j] - mean[j]), x [rows, N], mean [N]. Sums are
 * floats over 256 rows, doubles from there on. */
void ferry_gram_add(ferry_gram *gram, const ferry_kernels *kernels, const float *x, size_t rows,
                    const float *mean);

#endif
