/* Which items may be recommended at all: domains, candidates, conditions, seen, disliked. */
#ifndef FERRY_RANK_FILTER_H
#define FERRY_RANK_FILTER_H

#include "recsys/visitor.h"

/*
 * Sets visitor->candidate for every item, whose domain is in visitor->wanted, and counts the rest
 * of these domains by the first stage that removed them: filtered (no candidate, or a condition not
 * met), seen, disliked. *left: how many candidates there are. Also reads the fields of
 * options->at_most, so that an item's JSON is walked but once.
 */
ferry_status ferry_filter(ferry_visitor *visitor, const ferry_recommend_options *options,
                          ferry_excluded *removed, size_t *left, ferry_error *error);

#endif
