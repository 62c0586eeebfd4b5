#include "rank/topk.h"

#include <string.h>

bool ferry_topk_by_name(const void *catalog, size_t a, size_t b)
{
    const ferry_catalog *set = catalog;
    const ferry_item *x = &set->items[a].item, *y = &set->items[b].item;
    int order = strcmp(x->domain, y->domain);
    return (order != 0 ? order : strcmp(x->id, y->id)) < 0;
}

bool ferry_topk_by_number(const void *set, size_t a, size_t b)
{
    (void)set;
    return a < b;
}

bool ferry_topk_before(const ferry_topk *top, ferry_recommendation a, ferry_recommendation b)
{
    if (a.score != b.score) return a.score > b.score;
    return top->before(top->set, a.item, b.item);
}

/* Moves the entry at the root of heap[0, count) down until no child is worse than its parent. */
static void sift_down(const ferry_topk *top, size_t count)
{
    size_t at = 0;
    ferry_recommendation *heap = top->heap, moving = heap[0];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && ferry_topk_before(top, heap[child], heap[child + 1])) child++;
        if (!ferry_topk_before(top, moving, heap[child])) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

void ferry_topk_push(ferry_topk *top, size_t item, float score)
{
    ferry_recommendation entry = {item, score};
    if (top->count == top->k) {
        if (!ferry_topk_before(top, entry, top->heap[0])) return;
        top->heap[0] = entry;
        sift_down(top, top->count);
        return;
    }
    size_t at = top->count++;
    while (at > 0 && ferry_topk_before(top, top->heap[(at - 1) / 2], entry)) {
        top->heap[at] = top->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    top->heap[at] = entry;
}

void ferry_topk_sort(ferry_topk *top)
{
    for (size_t rest = top->count; rest > 1; rest--) { /* the worst goes to the end */
        ferry_recommendation worst = top->heap[0];
        top->heap[0] = top->heap[rest - 1];
        top->heap[rest - 1] = worst;
        sift_down(top, rest - 1);
    }
}
