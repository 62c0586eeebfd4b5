/*
 * Learning an alignment (recsys/alignment.h) from the items of a catalogue that have both a text
 * and a picture, or a sound.
 *
 * What is chosen (the ridge's lambda, the weights of the heads) is chosen by the mean reciprocal
 * rank, both ways, of items that the head in question was not fitted to: what a ridge predicts of
 * folds left out has a closed form, infonce is fitted once without each of them.
 */
#ifndef FERRY_TRAIN_ALIGN_H
#define FERRY_TRAIN_ALIGN_H

#include "recsys/alignment.h"

/* Pairs that lambda and weights are chosen on, where there are more: the first after a shuffle; and
 * in how many folds. An item is ranked among those of its own fold alone: what a ridge predicts is
 * made of the texts it was fitted to, which would come before those it has not seen. */
enum { FERRY_ALIGN_CHOOSE = 512, FERRY_ALIGN_FOLDS = 4 };

/* Where fold f of n items begins, and fold f - 1 ends. */
static inline size_t ferry_align_fold(size_t n, size_t f)
{
    return n * f / FERRY_ALIGN_FOLDS;
}

/* out has arena and kernels, the rest is zero; what is learned is the arena's. */
ferry_status ferry_align_fit(const ferry_align_data *data, const ferry_align_options *options,
                             ferry_pool *pool, ferry_alignment *out, ferry_error *error);

/* ---- the parts, for their tests ---- */

/* What pairs come to: z [n, F] the heads' input, y [n, D] the texts', of length 1. */
typedef struct ferry_align_pairs {
    size_t n, F, D;
    const float *raw, *z, *y;
} ferry_align_pairs;

/*
 * weight [D, F] of the least of |z W^T - y|^2 / F + lambda |W|^2, y as it is: without offset. By
 * the pairs' products where they are no more than F, else by the features'.
 */
ferry_status ferry_align_ridge(const ferry_kernels *kernels, const ferry_align_pairs *pairs,
                               float lambda, const ferry_allocator *allocator, float *weight,
                               ferry_error *error);

/* For each of the lambdas, what ridges fitted without the items of a fold predict for these, of
 * length 1: out [lambda_count, n, D]. n >= 2 FERRY_ALIGN_FOLDS. */
ferry_status ferry_align_ridge_left_out(const ferry_kernels *kernels,
                                        const ferry_align_pairs *pairs, const float *lambda,
                                        size_t lambda_count, const ferry_allocator *allocator,
                                        float *out, ferry_error *error);

/* The net's parameters in one block: in.weight [h, F], in.bias [h], out.weight [D, h], out.bias
 * [D], skip.weight [D, F], skip.bias [D], the temperature's -log [1]. */
typedef struct ferry_infonce_shape {
    size_t F, D, h;
} ferry_infonce_shape;
size_t ferry_infonce_size(ferry_infonce_shape shape);

/* The mean loss of B pairs and its gradient, [size], overwritten. key 0: no dropout. z [B, F], y
 * [B, D] of length 1. */
ferry_status ferry_infonce_gradients(const ferry_kernels *kernels, ferry_pool *pool,
                                     ferry_infonce_shape shape, const float *parameters,
                                     const float *z, const float *y, size_t B, float dropout,
                                     uint64_t key, const ferry_allocator *allocator, double *loss,
                                     float *gradients, ferry_error *error);

/* Trains from scratch; parameters [size] are overwritten. CANCELLED as progress wishes. */
ferry_status ferry_infonce_fit(const ferry_kernels *kernels, ferry_pool *pool,
                               ferry_infonce_shape shape, const ferry_align_pairs *pairs,
                               const ferry_align_options *options, const ferry_allocator *allocator,
                               float *parameters, ferry_error *error);

/* The parts of a block as layers; their weights are borrowed. false without memory. */
bool ferry_infonce_layers(ferry_infonce_shape shape, const float *parameters, ferry_arena *arena,
                          ferry_dense *in, ferry_dense *out, ferry_dense *skip);

/* ---- how good ---- */

/* R@1, R@10 and the mean reciprocal rank of pair i among all n, ties counted half: by rows of
 * scores [n, n], and by columns. */
typedef struct ferry_align_ranks {
    double first, ten, reciprocal;
} ferry_align_ranks;
void ferry_align_rank(const float *scores, size_t n, ferry_align_ranks *rows,
                      ferry_align_ranks *columns);

/* See ferry_alignment_evaluate. */
ferry_status ferry_align_evaluate(const ferry_align_data *data, const ferry_align_options *options,
                                  const ferry_kernels *kernels, ferry_pool *pool, size_t splits,
                                  double share, ferry_align_figures *out, ferry_error *error);

#endif
