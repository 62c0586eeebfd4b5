/* The k best of a set's scores, exactly. */
#ifndef FERRY_RANK_TOPK_H
#define FERRY_RANK_TOPK_H

#include "recsys/catalog.h"

/* Whether a comes before b among equal scores: an order of all items of the set. */
typedef bool (*ferry_topk_order)(const void *set, size_t a, size_t b);

/* Higher scores first; equal ones in the order given: the same list everywhere. */
typedef struct ferry_topk {
    ferry_topk_order before;
    const void *set;
    ferry_recommendation *heap; /* [count] of [k], the worst kept one at the root */
    size_t count, k;
} ferry_topk;

/* By domain, then id, in byte order; set is the ferry_catalog. */
bool ferry_topk_by_name(const void *catalog, size_t a, size_t b);

/* By number; set is not looked at. */
bool ferry_topk_by_number(const void *set, size_t a, size_t b);

/* Whether a ranks before b. */
bool ferry_topk_before(const ferry_topk *top, ferry_recommendation a, ferry_recommendation b);

void ferry_topk_push(ferry_topk *top, size_t item, float score);

/* Sorts what was kept, best first; the heap is then no heap any more. */
void ferry_topk_sort(ferry_topk *top);

#endif
