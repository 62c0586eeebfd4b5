/* AdamW over the net's block, with the schedule, the clipping and the pull of L2-SP. */
#ifndef FERRY_TRAIN_OPTIMIZER_H
#define FERRY_TRAIN_OPTIMIZER_H

#include "train/pass.h"

typedef struct ferry_optimizer {
    ferry_net *net;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    const ferry_train_options *options;
    float *first, *second; /* [net->size] moments */
    float *ids;            /* [net->size - net->ids] their gradient, dense: with L2-SP alone */
} ferry_optimizer;

ferry_status ferry_optimizer_create(ferry_arena *arena, ferry_net *net,
                                    const ferry_kernels *kernels,
                                    const ferry_train_options *options, ferry_optimizer *out,
                                    ferry_error *error);

/* The learning rate of a step, counted from 0: linear warm-up, then a cosine down to floor. */
double ferry_learning_rate(const ferry_train_options *options, size_t step, size_t steps);

/* What AdamW needs to know in that step at that rate. scale: of the gradient. */
ferry_adamw_step ferry_adamw_at(const ferry_train_options *options, double rate, double scale,
                                size_t step);

/* From the gradients of the pass over the batch: adds *penalty, lambda |W - source|^2. Returns the
 * gradient's norm over what is trained. */
double ferry_optimizer_norm(ferry_optimizer *optimizer, ferry_pass *pass, const ferry_batch *batch,
                            double *penalty);

/* One step, counted from 0, with the gradients that _norm has seen. */
void ferry_optimizer_step(ferry_optimizer *optimizer, const ferry_pass *pass,
                          const ferry_batcher *batcher, double norm, size_t step, size_t steps);

/* The whole gradient [net->size], zeros where nothing is trained. */
void ferry_optimizer_dense(const ferry_optimizer *optimizer, const ferry_pass *pass,
                           const ferry_batch *batch, float *gradients);

#endif
