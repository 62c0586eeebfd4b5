/* How well a net in training ranks what comes next: NDCG@10 on a sample of validation users. */
#ifndef FERRY_TRAIN_VALIDATE_H
#define FERRY_TRAIN_VALIDATE_H

#include "recsys/history.h"
#include "train/train.h"

typedef struct ferry_validation ferry_validation;

/* domains [count]: of the data set, in the net's order; content [count] -> [n, C], or NULL if the
 * net has none. At most `users` of each domain's. Everything is borrowed. */
ferry_status ferry_validation_create(const ferry_net *net, const ferry_dataset *dataset,
                                     const size_t *domains, const float *const *content,
                                     size_t users, uint64_t seed, const ferry_kernels *kernels,
                                     ferry_pool *pool, const ferry_allocator *allocator,
                                     ferry_validation **out, ferry_error *error);
void ferry_validation_close(ferry_validation *validation);

/* How many users there are; 0: nothing can be said. */
size_t ferry_validation_users(const ferry_validation *validation);

/* Mean over the users of the first validation event's 1 / log2(1 + rank), ranks up to 10, among all
 * items of the domain less the history; equal logits count half. */
void ferry_validation_run(ferry_validation *validation, const ferry_net *net, double *ndcg);

#endif
