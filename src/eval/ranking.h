/* One user's scores to the ranks of the targets and the list of the k best. */
#ifndef FERRY_EVAL_RANKING_H
#define FERRY_EVAL_RANKING_H

#include "ferry/ferry.h"

/*
 * Items by score, highest first; equal ones by a hash of user and item, an order that is fixed and
 * has nothing to do with the file's. Scores of -infinity are not ranked.
 */

/* The rank of item, from 1; FERRY_RANK_NEVER if its score is -infinity. scores [n], no NaN. */
uint32_t ferry_rank_of(const float *scores, size_t n, uint32_t item, uint32_t user);

/* The k best into heap [k], best first; returns how many there are. */
size_t ferry_rank_best(const float *scores, size_t n, uint32_t user, size_t k,
                       ferry_recommendation *heap);

#endif
