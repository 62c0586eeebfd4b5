/* Which items followed which in training: what a target's transition is looked up in. */
#ifndef FERRY_EVAL_TRANSITIONS_H
#define FERRY_EVAL_TRANSITIONS_H

#include "recsys/dataset.h"

typedef struct ferry_transitions {
    size_t *first; /* [items + 1] */
    uint32_t *to;  /* [first[items]] followers of item i from first[i], as often as they followed */
} ferry_transitions;

/* Pairs of one user's training events of which the second comes at most `reach` after the first. */
ferry_status ferry_transitions_count(const ferry_interactions *domain, size_t reach,
                                     ferry_arena *arena, ferry_transitions *out,
                                     ferry_error *error);

bool ferry_transitions_have(const ferry_transitions *transitions, uint32_t from, uint32_t to);

#endif
