/*
 * The metrics of ranked lists, as RecBole 1.2.1 defines and names them (recbole/evaluator/
 * metrics.py); docs/metrics.md has the formulas and what RecBole leaves open.
 *
 * A rank counts from 1. k is the length of the list that is looked at; a list may be shorter if
 * there are fewer items, and what is divided by k stays divided by k.
 */
#ifndef FERRY_EVAL_METRICS_H
#define FERRY_EVAL_METRICS_H

#include "ferry/ferry.h"

/* Per user, from the ranks of the targets: X(name, RecBole's name) */
#define FERRY_RANK_METRIC_LIST(X) \
    X(HIT, "hit")                 \
    X(RECALL, "recall")           \
    X(PRECISION, "precision")     \
    X(NDCG, "ndcg")               \
    X(MRR, "mrr")                 \
    X(MAP, "map")

typedef enum ferry_rank_metric {
#define FERRY_RANK_METRIC_ENUM(name, text) FERRY_METRIC_##name,
    FERRY_RANK_METRIC_LIST(FERRY_RANK_METRIC_ENUM)
#undef FERRY_RANK_METRIC_ENUM
        FERRY_RANK_METRICS
} ferry_rank_metric;

enum {
    FERRY_EVAL_MAX_K = 1000,
};

/* The rank of a target that cannot be recommended: masked, or scored -infinity. */
#define FERRY_RANK_NEVER UINT32_MAX

/* out[i] = 1 / log2(i + 2): what a hit at rank i + 1 weighs in DCG. */
void ferry_rank_discounts(double *out, size_t count);

/*
 * ranks [count], ascending, of one user's targets; discounts [>= k]; out [FERRY_RANK_METRICS].
 * count 0 gives zeros.
 */
void ferry_rank_metrics(const uint32_t *ranks, size_t count, size_t k, const double *discounts,
                        double *out);

/*
 * Of all users' lists together: counts [items] says how many lists each item is in, and is sorted
 * ascending by ferry_list_metrics. Zeros if nothing was recommended.
 */
typedef struct ferry_list_metrics {
    double coverage; /* items in any list / items */
    double gini;     /* 0: all items equally often, towards 1: few items are all there is */
    double entropy;  /* -sum p ln p over items in any list, divided by their number, as RecBole */
} ferry_list_metrics;

void ferry_list_metrics_of(uint32_t *counts, size_t items, ferry_list_metrics *out);

#endif
