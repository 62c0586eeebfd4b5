/*
 * Learning a fusion (recsys/fusion.h) from a catalogue by itself: two views of each item, with
 * other inputs left out, are to find each other among all items of the batch.
 */
#ifndef FERRY_TRAIN_FUSE_H
#define FERRY_TRAIN_FUSE_H

#include "recsys/fusion.h"

/* out has arena and kernels, the rest is zero; what is learned is the arena's. */
ferry_status ferry_fuse_fit(const ferry_fusion_data *data, const ferry_fusion_options *options,
                            ferry_pool *pool, ferry_fusion *out, ferry_error *error);

/*
 * For tests: gradients [layout.size], added to, of what has the gradient dy [T, N] with respect to
 * what forward gave, y [T, N]. dy is spoilt, dp [T, N] is scratch.
 */
void ferry_fusion_backward(const ferry_fusion *fusion, ferry_pool *pool,
                           const float *const x[FERRY_FUSION_INPUTS], const unsigned char *has,
                           size_t T, const ferry_fusion_saved *saved, const float *y, float *dy,
                           float *dp, float *gradients);

#endif
