/* The backward pass of the causal transformer: see recsys/user_transformer.h. */
#ifndef FERRY_TRAIN_USER_TRANSFORMER_BACKWARD_H
#define FERRY_TRAIN_USER_TRANSFORMER_BACKWARD_H

#include "recsys/user_transformer.h"

bool ferry_user_transformer_backward_size(const ferry_user_transformer *net, size_t P,
                                          size_t longest, size_t threads, size_t *bytes);

/*
 * dy [P, d] to dx [P, d] (set, not added to; may be dy), and the parameters' gradients added to
 * those in `gradients`. saved is what the forward pass of the same starts and masks left; scratch
 * has the size told above and an alignment of 64.
 */
void ferry_user_transformer_backward(const ferry_kernels *kernels, ferry_pool *pool,
                                     const ferry_user_transformer *net,
                                     const ferry_user_transformer *gradients, const size_t *starts,
                                     size_t S, const float *masks, const float *dy, float *dx,
                                     const void *saved, void *scratch);

#endif
