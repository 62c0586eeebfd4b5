/* Ridge regression in closed form, and what it predicts of what it has not seen. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/gram.h"
#include "math/ops.h"
#include "math/solve.h"
#include "train/align.h"

static const double FREE_OFFSET = 1e4; /* products are about 1 */

/* left [n, n] = z z^T / F, the lower triangle; row [n] is scratch. */
static void pair_products(const ferry_kernels *kernels, const ferry_align_pairs *p, float *row,
                          double *left)
{
    size_t n = p->n, F = p->F;
    for (size_t i = 0; i < n; i++) {
        kernels->dot_rows(p->z, p->z + i * F, row, i + 1, F);
        for (size_t j = 0; j <= i; j++) left[i * n + j] = (double)row[j] / (double)F;
    }
}

static ferry_status factor(double *left, size_t n, float lambda, ferry_error *error)
{
    for (size_t i = 0; i < n; i++) left[i * n + i] = left[i * n + i] + (double)lambda;
    if (ferry_cholesky(left, n)) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "no map fits the pairs: their features are not finite");
}

/* weight = (alpha^T z) / F, alpha [n, D] = (z z^T / F + lambda)^-1 y */
static ferry_status by_pairs(const ferry_kernels *kernels, const ferry_align_pairs *p, float lambda,
                             ferry_arena *arena, float *weight, ferry_error *error)
{
    size_t n = p->n, F = p->F, D = p->D;
    double *left = ferry_arena_array(arena, n, n * sizeof *left);
    double *right = ferry_arena_array(arena, n, D * sizeof *right);
    float *alpha = ferry_arena_array(arena, n, (D + 1) * sizeof *alpha); /* a row of n before */
    if (left == NULL || right == NULL || alpha == NULL) return ferry_fail_memory(error, "the map");
    pair_products(kernels, p, alpha, left);
    FERRY_TRY(factor(left, n, lambda, error));
    for (size_t i = 0; i < n * D; i++) right[i] = (double)p->y[i];
    ferry_cholesky_solve_rows(left, n, right, D);
    for (size_t i = 0; i < n * D; i++) alpha[i] = (float)(right[i] / (double)F);
    kernels->matmul_strided(alpha, 1, D, p->z, F, weight, F, D, n, F, false);
    return FERRY_OK;
}

/* weight^T = (z^T z / F + lambda)^-1 z^T y / F */
static ferry_status by_features(const ferry_kernels *kernels, const ferry_align_pairs *p,
                                float lambda, ferry_arena *arena, float *weight, ferry_error *error)
{
    enum { ROWS = 256 /* whose products are summed in floats */ };
    size_t n = p->n, F = p->F, D = p->D;
    ferry_gram gram;
    float *none = ferry_arena_array(arena, F, sizeof *none);
    float *part = ferry_arena_array(arena, F, D * sizeof *part);
    double *right = ferry_arena_array(arena, F, D * sizeof *right);
    if (none == NULL || part == NULL || right == NULL || !ferry_gram_init(&gram, F, arena))
        return ferry_fail_memory(error, "the map");
    ferry_gram_add(&gram, kernels, p->z, n, none);
    for (size_t i = 0; i < F * F; i++) gram.sum[i] = gram.sum[i] / (double)F;
    FERRY_TRY(factor(gram.sum, F, lambda, error));
    for (size_t first = 0; first < n; first += ROWS) {
        size_t rows = n - first < ROWS ? n - first : ROWS;
        kernels->matmul_strided(p->z + first * F, 1, F, p->y + first * D, D, part, D, F, rows, D,
                                false);
        for (size_t i = 0; i < F * D; i++) right[i] = right[i] + (double)part[i] / (double)F;
    }
    ferry_cholesky_solve_rows(gram.sum, F, right, D);
    for (size_t f = 0; f < F; f++)
        for (size_t d = 0; d < D; d++) weight[d * F + f] = (float)right[f * D + d];
    return FERRY_OK;
}

ferry_status ferry_align_ridge(const ferry_kernels *kernels, const ferry_align_pairs *pairs,
                               float lambda, const ferry_allocator *allocator, float *weight,
                               ferry_error *error)
{
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    ferry_status status = (pairs->n <= pairs->F ? by_pairs : by_features)(kernels, pairs, lambda,
                                                                          &arena, weight, error);
    ferry_arena_free(&arena);
    return status;
}

/* What a fold is solved in. */
typedef struct left_out_scratch {
    double *products, *left, *rest; /* [n, n]; left becomes L, rest its lower right corner */
    double *right;                  /* [n, D] */
    double *block, *part;           /* [n, m], [m, D], m the largest fold */
    double *mean;                   /* [D] */
} left_out_scratch;

static bool make_scratch(left_out_scratch *s, size_t n, size_t D, ferry_arena *arena)
{
    size_t m = n / FERRY_ALIGN_FOLDS + 1;
    s->products = ferry_arena_array(arena, n, n * sizeof(double));
    s->left = ferry_arena_array(arena, n, n * sizeof(double));
    s->rest = ferry_arena_array(arena, n, n * sizeof(double));
    s->right = ferry_arena_array(arena, n, D * sizeof(double));
    s->block = ferry_arena_array(arena, n, m * sizeof(double));
    s->part = ferry_arena_array(arena, m, D * sizeof(double));
    s->mean = ferry_arena_array(arena, D, sizeof(double));
    return s->products && s->left && s->rest && s->right && s->block && s->part && s->mean;
}

/* block [m, m] = G_ff: of what stands before the fold, L^-1 has nothing in the fold's columns, so
 * the corner of L from the fold on is all it takes. */
static void inverse_block(left_out_scratch *s, size_t n, size_t first, size_t m)
{
    size_t k = n - first;
    for (size_t i = 0; i < k; i++)
        memcpy(s->rest + i * k, s->left + (first + i) * n + first, k * sizeof *s->rest);
    memset(s->block, 0, k * m * sizeof *s->block);
    for (size_t i = 0; i < m; i++) s->block[i * m + i] = 1.0;
    ferry_cholesky_solve_rows(s->rest, k, s->block, m);
}

/*
 * With G = (K + lambda)^-1 and alpha = G y, a ridge fitted without the items of a fold predicts
 * y_f - (G_ff)^-1 alpha_f for them. K has a large constant added, which is a free offset: without
 * one, the means, to which the fold has contributed, would tell of it. Off what is predicted comes
 * the mean of the others' y.
 */
static ferry_status predict_fold(const ferry_align_pairs *p, left_out_scratch *s, size_t first,
                                 size_t end, float *out, ferry_error *error)
{
    size_t n = p->n, D = p->D, m = end - first;
    inverse_block(s, n, first, m);
    memcpy(s->part, s->right + first * D, m * D * sizeof *s->part);
    if (!ferry_cholesky(s->block, m))
        return ferry_fail(error, FERRY_UNSUPPORTED, "the pairs' features are not finite");
    ferry_cholesky_solve_rows(s->block, m, s->part, D);
    memset(s->mean, 0, D * sizeof *s->mean);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < D && (i < first || i >= end); d++)
            s->mean[d] = s->mean[d] + (double)p->y[i * D + d];
    for (size_t i = 0; i < m; i++) {
        for (size_t d = 0; d < D; d++)
            out[(first + i) * D + d] = (float)((double)p->y[(first + i) * D + d] -
                                               s->mean[d] / (double)(n - m) - s->part[i * D + d]);
    }
    return FERRY_OK;
}

static ferry_status predict_all(const ferry_align_pairs *p, left_out_scratch *s, float lambda,
                                float *out, ferry_error *error)
{
    size_t n = p->n, D = p->D;
    memcpy(s->left, s->products, n * n * sizeof *s->left);
    FERRY_TRY(factor(s->left, n, lambda, error));
    for (size_t i = 0; i < n * D; i++) s->right[i] = (double)p->y[i];
    ferry_cholesky_solve_rows(s->left, n, s->right, D);
    for (size_t fold = 0; fold < FERRY_ALIGN_FOLDS; fold++)
        FERRY_TRY(predict_fold(p, s, ferry_align_fold(n, fold), ferry_align_fold(n, fold + 1), out,
                               error));
    return FERRY_OK;
}

ferry_status ferry_align_ridge_left_out(const ferry_kernels *kernels,
                                        const ferry_align_pairs *pairs, const float *lambda,
                                        size_t lambda_count, const ferry_allocator *allocator,
                                        float *out, ferry_error *error)
{
    size_t n = pairs->n, D = pairs->D;
    left_out_scratch s = {.products = NULL};
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    float *row = ferry_arena_array(&arena, n, sizeof *row);
    ferry_status status = FERRY_OK;
    if (row == NULL || !make_scratch(&s, n, D, &arena)) {
        status = ferry_fail_memory(error, "the pairs' products");
    } else {
        pair_products(kernels, pairs, row, s.products);
        for (size_t i = 0; i < n * n; i++) s.products[i] = s.products[i] + FREE_OFFSET;
    }
    for (size_t l = 0; l < lambda_count && status == FERRY_OK; l++) {
        float *predicted = out + l * n * D;
        status = predict_all(pairs, &s, lambda[l], predicted, error);
        for (size_t i = 0; i < n; i++) ferry_l2_normalize(kernels, predicted + i * D, D);
    }
    ferry_arena_free(&arena);
    return status;
}
