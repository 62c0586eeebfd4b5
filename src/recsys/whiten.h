/*
 * Whitening: vectors are centred and projected on the main directions of a reference set, those of
 * large variance damped, so that what all texts have in common does not drown what tells them
 * apart.
 */
#ifndef FERRY_RECSYS_WHITEN_H
#define FERRY_RECSYS_WHITEN_H

#include "base/memory.h"
#include "math/kernels.h"

#define FERRY_WHITEN_POWER 0.25f /* what a model's texts are damped by */

typedef struct ferry_whiten {
    size_t N, K;
    float *mean;       /* [N] */
    float *projection; /* [N, K] */
} ferry_whiten;

/*
 * From the rows of `count` blocks (one a domain, say), blocks[b] [rows[b], N]: mean, and the K <= N
 * first eigenvectors of the covariance, each times max(eigenvalue, 1e-4 largest)^-power, all scaled
 * so that the projected rows have a root mean square of 1. power: a multiple of 1/4 up to 1 (roots
 * are what there is); .25 damps, .5 whitens. Sums: floats over blocks of 256 rows, doubles from
 * block to block. mean and projection from the arena; of a single vector, or of those that are all
 * the same, as items without texts have, nothing is left: both are 0. UNSUPPORTED if they are not
 * finite.
 */
ferry_status ferry_whiten_fit(const ferry_kernels *kernels, const float *const *blocks,
                              const size_t *rows, size_t count, size_t N, size_t K, float power,
                              ferry_arena *arena, ferry_whiten *out, ferry_error *error);

/* out [rows, K]; normalize: each row to length 1 then. x [rows, N]. OUT_OF_MEMORY. */
ferry_status ferry_whiten_apply(const ferry_kernels *kernels, const ferry_whiten *whiten,
                                const float *x, size_t rows, bool normalize, float *out,
                                const ferry_allocator *allocator, ferry_error *error);

#endif
