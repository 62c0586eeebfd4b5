/* The baselines one by one; docs/metrics.md says what each does. */
#ifndef FERRY_EVAL_BASELINES_H
#define FERRY_EVAL_BASELINES_H

#include "eval/scorer.h"

extern const ferry_scorer ferry_baseline_random, ferry_baseline_popularity, ferry_baseline_itemknn,
    ferry_baseline_ease, ferry_baseline_text, ferry_baseline_graph;

/* The distinct training items of each user of a domain: what ItemKNN and EASE learn from. */
typedef struct ferry_user_sets {
    size_t user_count, item_count;
    size_t *first;      /* [user_count + 1] */
    uint32_t *item;     /* ascending within a user */
    size_t *first_user; /* [item_count + 1] */
    uint32_t *user;     /* the same pairs by item: rows, ascending */
} ferry_user_sets;

ferry_status ferry_user_sets_of(const ferry_interactions *domain, ferry_arena *arena,
                                ferry_user_sets *out, ferry_error *error);

/* Whether the history has the entry's item before it, too. */
bool ferry_history_repeats(const ferry_history_entry *history, size_t index);

#endif
