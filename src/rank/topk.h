/* The k best of a catalogue's scores, exactly. */
#ifndef FERRY_RANK_TOPK_H
#define FERRY_RANK_TOPK_H

#include "recsys/catalog.h"

/* Higher scores first; equal ones by domain, then id, in byte order: the same list everywhere. */
typedef struct ferry_topk {
    const ferry_catalog *catalog;
    ferry_recommendation *heap; /* [count] of [k], the worst kept one at the root */
    size_t count, k;
} ferry_topk;

/* Whether a ranks before b. */
bool ferry_topk_before(const ferry_catalog *catalog, ferry_recommendation a,
                       ferry_recommendation b);

void ferry_topk_push(ferry_topk *top, size_t item, float score);

/* Sorts what was kept, best first; the heap is then no heap any more. */
void ferry_topk_sort(ferry_topk *top);

#endif
