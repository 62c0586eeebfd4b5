/*
 * Which users a step sees, and what of theirs: epochs, batches, packed rows, candidates.
 *
 * Letters: P rows of packed sequences, R of them targets, U different items in the batch, M of
 * these candidates (the first ones), K uniform draws.
 */
#ifndef FERRY_TRAIN_BATCH_H
#define FERRY_TRAIN_BATCH_H

#include "train/train.h"

/* A batch's users: order[first] … order[first + count - 1] of the run's domain. */
typedef struct ferry_epoch_batch {
    uint32_t domain, first, count;
} ferry_epoch_batch;

/* The order of one epoch: a function of seed and epoch. */
typedef struct ferry_epoch {
    uint32_t **order;         /* [domain_count][users] those with a target, by length, ties drawn */
    uint32_t *order_count;    /* [domain_count] */
    ferry_epoch_batch *batch; /* [batch_count] */
    uint32_t batch_count;
    uint32_t *permutation; /* [batch_count] the order of the batches */
    uint32_t *by_length;   /* scratch */
    size_t most_rows;      /* P of the largest batch */
    size_t most_sequences;
} ferry_epoch;

ferry_status ferry_epoch_create(ferry_arena *arena, const ferry_train_domain *domains,
                                size_t domain_count, size_t max_length, size_t batch_positions,
                                ferry_epoch *out, ferry_error *error);
void ferry_epoch_begin(ferry_epoch *epoch, const ferry_train_domain *domains, size_t domain_count,
                       size_t max_length, uint64_t seed, size_t number);

/* Items of one domain of the net among a batch's different items. */
typedef struct ferry_item_group {
    uint32_t domain, first, count;
} ferry_item_group;

typedef struct ferry_batch {
    const ferry_train_domain *domain;
    size_t sequences, P, R, U, M;
    size_t *starts;             /* [sequences + 1] */
    uint32_t *input;            /* [P] which of the batch's items */
    uint8_t *behavior, *bucket; /* [P] */
    uint32_t *target_row;       /* [R] row of the packed sequences */
    uint32_t *target;           /* [R] which of the batch's items */
    uint32_t *negative;         /* [R] BPR */
    float *value;               /* [R] MSE */
    uint32_t *item;             /* [U] within its domain */
    ferry_item_group *group;    /* [group_count] */
    size_t group_count;
    float *correction; /* [M] log of the chance to be a candidate, or NULL: full softmax */
} ferry_batch;

typedef struct ferry_batcher {
    const ferry_net *net;
    const ferry_train_domain *domains; /* [domain_count] */
    size_t domain_count;
    const ferry_train_options *options;
    uint32_t **slot;    /* [net's domains][n] place among the batch's items … */
    uint32_t **stamp;   /* … if this is the batch's stamp */
    uint32_t now;       /* the stamp */
    double **rest;      /* [domain_count][n] 1 - share of the events that are the item */
    ferry_batch batch;  /* arrays of the largest */
    size_t most_items;  /* U of the largest */
    float *corrections; /* [most M] */
    const ferry_train_fixed *fixed; /* of a test, or NULL */
} ferry_batcher;

ferry_status ferry_batcher_create(ferry_arena *arena, const ferry_net *net,
                                  const ferry_train_domain *domains, size_t domain_count,
                                  const ferry_train_options *options, const ferry_epoch *epoch,
                                  ferry_batcher *out, ferry_error *error);
/* Fills batcher->batch; step seeds what is drawn. R may be 0. */
void ferry_batcher_fill(ferry_batcher *batcher, const ferry_epoch *epoch,
                        const ferry_epoch_batch *which, uint64_t step);

enum { FERRY_STREAM_EPOCH = 0, FERRY_STREAM_STEP = 1, FERRY_STREAM_DROPOUT = 2 };

/* The stream of a seed's random numbers for a purpose and a step or epoch. */
static inline uint64_t ferry_train_stream(uint64_t purpose, uint64_t number)
{
    return number * 4 + purpose;
}

#endif
