/* Learning the map of recsys/profile_map.h by softmax cross-entropy over the whole catalogue, on
 * people known in both. */
#ifndef FERRY_TRAIN_PROFILE_MAP_H
#define FERRY_TRAIN_PROFILE_MAP_H

#include "base/pool.h"
#include "math/kernels.h"
#include "recsys/profile_map.h"
#include "recsys/sparse.h"

typedef struct ferry_profile_map_options {
    size_t rank;   /* 32 */
    size_t epochs; /* 8 */
    size_t batch;  /* 512: targets, of whole users */
    float rate;    /* 3e-3, Adam's */
    float l2;      /* 1e-3, on A and B */
    uint64_t seed;
} ferry_profile_map_options;

#define FERRY_PROFILE_MAP_DEFAULTS ((ferry_profile_map_options){32, 8, 512, 3e-3f, 1e-3f, 0})

/* Borrowed while the trainer lives. */
typedef struct ferry_profile_data {
    const float *profiles; /* [users, N] */
    ferry_sparse targets;  /* [users, n]; values are not read */
    const float *items;    /* [n, N] */
    const float *prior;    /* [n], e.g. log popularity */
    size_t N;
} ferry_profile_data;

typedef struct ferry_profile_trainer ferry_profile_trainer;

/* Starts from A of deviation .02, B and offset 0, scale 3, prior_weight 1. */
ferry_status ferry_profile_trainer_create(const ferry_kernels *kernels,
                                          const ferry_profile_data *data,
                                          const ferry_profile_map_options *options,
                                          ferry_pool *pool, const ferry_allocator *allocator,
                                          ferry_profile_trainer **out, ferry_error *error);
void ferry_profile_trainer_close(ferry_profile_trainer *trainer);

enum { FERRY_PROFILE_BATCH_USERS = 128 };

/*
 * Mean loss over the users' targets, l2 included; the gradient (the map's layout) is then
 * ferry_profile_trainer_gradient's. users [count], at most FERRY_PROFILE_BATCH_USERS, with at least
 * one target in all.
 */
float ferry_profile_trainer_loss(ferry_profile_trainer *trainer, const uint32_t *users,
                                 size_t count);
float *ferry_profile_trainer_gradient(ferry_profile_trainer *trainer);
/* One step of Adam (.9, .999, 1e-8) along the gradient. */
void ferry_profile_trainer_step(ferry_profile_trainer *trainer);
/* The map as it is: a view. */
ferry_profile_map ferry_profile_trainer_map(ferry_profile_trainer *trainer);

/* All epochs; out->block, ferry_profile_map_size(N, rank) floats, is the caller's. UNSUPPORTED if
 * the loss is no longer finite, with the epoch in the message. */
ferry_status ferry_profile_map_fit(const ferry_kernels *kernels, const ferry_profile_data *data,
                                   const ferry_profile_map_options *options, ferry_pool *pool,
                                   const ferry_allocator *allocator, ferry_profile_map *out,
                                   ferry_error *error);

#endif
