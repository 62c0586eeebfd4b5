#include "eval/ranking.h"

#include <math.h>

#include "base/random.h"
#include "eval/metrics.h"

/* A bijection of (user, item): no two items of a user have the same. */
static uint64_t order_of(uint32_t user, uint32_t item)
{
    return ferry_random_mix((uint64_t)user << 32 | item);
}

uint32_t ferry_rank_of(const float *scores, size_t n, uint32_t item, uint32_t user)
{
    float target = scores[item];
    if (target == -INFINITY) return FERRY_RANK_NEVER;
    uint32_t above = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        above += scores[i] > target;
        equal += scores[i] == target;
    }
    if (equal > 1) {
        uint64_t own = order_of(user, item);
        for (size_t i = 0; i < n; i++)
            above += scores[i] == target && order_of(user, (uint32_t)i) < own;
    }
    return above + 1;
}

static bool better(ferry_ranked a, ferry_ranked b)
{
    return a.score != b.score ? a.score > b.score : a.order < b.order;
}

/* Puts moving in at the root of heap [count], the worst on top. */
static void sift_down(ferry_ranked *heap, size_t count, ferry_ranked moving)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && better(heap[child], heap[child + 1])) child++;
        if (!better(moving, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

size_t ferry_rank_best(const float *scores, size_t n, uint32_t user, size_t k, ferry_ranked *heap)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (count == k ? scores[i] < heap[0].score : scores[i] == -INFINITY) continue;
        ferry_ranked entry = {scores[i], order_of(user, (uint32_t)i), (uint32_t)i};
        if (count == k) {
            if (better(entry, heap[0])) sift_down(heap, count, entry);
            continue;
        }
        size_t at = count++;
        for (; at > 0 && better(heap[(at - 1) / 2], entry); at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
        heap[at] = entry;
    }
    for (size_t rest = count; rest > 1; rest--) { /* the worst goes to the end */
        ferry_ranked moving = heap[rest - 1];
        heap[rest - 1] = heap[0];
        sift_down(heap, rest - 1, moving);
    }
    return count;
}
