/*
 * Item-item neighbours by co-occurrence: a sparse matrix W [from, to] of weights, in one domain
 * from the order of events, or across domains from the people in both.
 */
#ifndef FERRY_RECSYS_NEIGHBORS_H
#define FERRY_RECSYS_NEIGHBORS_H

#include "recsys/sparse.h"

typedef struct ferry_neighbors {
    ferry_arena arena;
    ferry_sparse table; /* [from, to], columns ascending */
} ferry_neighbors;

typedef struct ferry_sequence_options {
    size_t window;     /* 5: pairs at most this far apart */
    float backward;    /* .5: of the weight 1/distance, for the earlier item given the later */
    float from_smooth; /* 0: W[i, j] = sum / sqrt(max(count_i, 1) + this) */
    float to_smooth;   /* 1:               / sqrt(count_j + this) */
} ferry_sequence_options;

#define FERRY_SEQUENCE_DEFAULTS ((ferry_sequence_options){5, 0.5f, 0.0f, 1.0f})

/* From sequences [users, n], oldest first; their values are not read. */
ferry_status ferry_neighbors_sequence(const ferry_sparse *sequences,
                                      const ferry_sequence_options *options,
                                      const ferry_allocator *allocator, ferry_neighbors *out,
                                      ferry_error *error);

/*
 * From the same users' source items [users, m] and target items [users, n]:
 * W[s, t] = users' occurrences of s who have t / sqrt((count_s + smooth)(users_t + smooth)); an
 * item that a user repeats counts each time in the source and once in the target. smooth: 3.
 */
ferry_status ferry_neighbors_across(const ferry_sparse *source, const ferry_sparse *target,
                                    float smooth, const ferry_allocator *allocator,
                                    ferry_neighbors *out, ferry_error *error);

void ferry_neighbors_free(ferry_neighbors *neighbors);

#endif
