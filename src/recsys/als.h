/*
 * Factors from implicit feedback by alternating least squares (Hu, Koren, Volinsky 2008): a user's
 * and an item's vector whose product is near 1 where there is an event and 0 elsewhere, an event of
 * weight r counting 1 + alpha |r|. r < 0 is a dislike: near 0, counting as
 * much; r = 0 is no event.
 *
 * The `implicit` library reads its matrix as confidences: alpha there, with r = 1, is alpha - 1
 * here. Each row is solved exactly, by Cholesky; there it is three steps of conjugate gradients.
 */
#ifndef FERRY_RECSYS_ALS_H
#define FERRY_RECSYS_ALS_H

#include "base/pool.h"
#include "math/kernels.h"
#include "recsys/sparse.h"

enum { FERRY_ALS_MAX_FACTORS = 512 };

typedef struct ferry_als_options {
    size_t factors;    /* 64 */
    size_t iterations; /* 15 */
    float alpha;       /* 19 */
    float lambda;      /* .05, > 0 */
    uint64_t seed;
} ferry_als_options;

#define FERRY_ALS_DEFAULTS ((ferry_als_options){64, 15, 19.0f, 0.05f, 0})

/* What solves one row given the other side's factors; also what a client holds to fold a visitor
 * in. */
typedef struct ferry_als_side {
    size_t count, F;
    float alpha;
    const float *factors; /* [count, F], borrowed */
    double *lower;        /* [F, F] L, L L^T = factors^T factors + lambda I */
    float *solved;        /* [count, F] factors L^-T */
} ferry_als_side;

/* Computes the rest from given factors; arrays from the arena. */
ferry_status ferry_als_side_init(const ferry_kernels *kernels, const float *factors, size_t count,
                                 size_t F, float alpha, float lambda, ferry_pool *pool,
                                 ferry_arena *arena, ferry_als_side *out, ferry_error *error);

/* Floats that one fold-in of at most `most` events needs as scratch; false on overflow. */
bool ferry_als_scratch(size_t F, size_t most, size_t *bytes);

/*
 * The factor of someone with these events: out [F]. weights [count] or NULL for 1; scratch of
 * ferry_als_scratch(F, count) bytes, 64-byte aligned. No events: 0. false if the system is not
 * positive definite, which lambda > 0 and finite numbers exclude; out is then 0.
 */
bool ferry_als_fold_in(const ferry_kernels *kernels, const ferry_als_side *side,
                       const uint32_t *items, const float *weights, size_t count, void *scratch,
                       float *out);

/*
 * users [rows, F] and items [columns, F] are filled: uniform in [0, .01) from the seed if
 * iterations begin here, or, with `start` set, from what they hold.
 */
ferry_status ferry_als_fit(const ferry_kernels *kernels, const ferry_sparse *events,
                           const ferry_als_options *options, bool start, ferry_pool *pool,
                           const ferry_allocator *allocator, float *users, float *items,
                           ferry_error *error);

#endif
