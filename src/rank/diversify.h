/* From scores to a list: best first, without what repeats or is too much of one kind, spread out.
 */
#ifndef FERRY_RANK_DIVERSIFY_H
#define FERRY_RANK_DIVERSIFY_H

#include "recsys/visitor.h"

enum { FERRY_DIVERSITY_POOL = 300 /* the best of which MMR chooses; 3k if that is more */ };

/*
 * Writes the list to out [options->k], *count of them. Candidates, `left` of them, are what
 * ferry_filter left in visitor->candidate, by visitor->scores. Counts into removed what it met on
 * its way and passed over.
 */
ferry_status ferry_diversify(ferry_visitor *visitor, const ferry_recommend_options *options,
                             size_t left, ferry_recommendation *out, size_t *count,
                             ferry_excluded *removed, ferry_error *error);

#endif
