/*
 * Weights of a linear mix of scores, learned by softmax cross-entropy: for each example the target
 * is to win against the other candidates. A dozen numbers, so that weights learned in one domain
 * mean the same in another.
 */
#ifndef FERRY_TRAIN_MIX_H
#define FERRY_TRAIN_MIX_H

#include "base/memory.h"

/* The candidates of one user's ranking; the target is the first of them. */
typedef struct ferry_mix_example {
    const float *values; /* [candidates, features] */
    size_t candidates;
} ferry_mix_example;

typedef struct ferry_mix_options {
    size_t epochs;       /* passes over the examples; 0: 12 */
    size_t batch;        /* examples a step; 0: 100 */
    float learning_rate; /* Adam's in epoch e of E: this times 1 - e / E + 1 / 30; 0: 0.15 */
    float pull;          /* weight of the squared distance to the initial weights */
    const bool *held;    /* [features] those that keep their initial weight; NULL: none */
} ferry_mix_options;

/*
 * weights [features]: the initial ones, and then the learned. *loss (may be NULL) is the mean cross
 * entropy of the last epoch, in nats, examples without candidates counting 0. LIMIT for more than
 * FERRY_MIX_MAX_FEATURES; DIVERGED if loss or weights are not finite, the initial ones then stand.
 */
enum { FERRY_MIX_MAX_FEATURES = 64 };
ferry_status ferry_mix_fit(const ferry_mix_example *examples, size_t count, size_t features,
                           const ferry_mix_options *options, const ferry_allocator *allocator,
                           float *weights, float *loss, ferry_error *error);

#endif
