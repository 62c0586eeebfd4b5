#include "eval/ranking.h"

#include <math.h>

#include "base/random.h"
#include "eval/metrics.h"
#include "rank/topk.h"

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

static bool by_order(const void *user, size_t a, size_t b)
{
    uint32_t of = *(const uint32_t *)user;
    return order_of(of, (uint32_t)a) < order_of(of, (uint32_t)b);
}

size_t ferry_rank_best(const float *scores, size_t n, uint32_t user, size_t k,
                       ferry_recommendation *heap)
{
    ferry_topk top = {.before = by_order, .set = &user, .heap = heap, .k = k};
    for (size_t i = 0; i < n; i++)
        if (scores[i] != -INFINITY) ferry_topk_push(&top, i, scores[i]);
    ferry_topk_sort(&top);
    return top.count;
}
