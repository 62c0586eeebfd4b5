#include "eval/transitions.h"

#include "base/error.h"

/* The next training event of the row after e, or end. */
static size_t next_training(const ferry_interactions *domain, size_t e, size_t end)
{
    for (e++; e < end && domain->part[e] != FERRY_TRAIN;) e++;
    return e;
}

/* Calls for every pair: counts it in first[from + 1], or, with to, puts it at to[first[from]++]. */
static void each_pair(const ferry_interactions *domain, size_t reach, size_t *first, uint32_t *to)
{
    for (size_t row = 0; row < domain->user_count; row++) {
        size_t end = domain->start[row + 1];
        for (size_t e = domain->start[row]; e < end; e++) {
            if (domain->part[e] != FERRY_TRAIN) continue;
            size_t next = next_training(domain, e, end);
            for (size_t i = 0; i < reach && next < end; i++) {
                uint32_t from = domain->item[e];
                if (to != NULL)
                    to[first[from]++] = domain->item[next];
                else
                    first[from + 1]++;
                next = next_training(domain, next, end);
            }
        }
    }
}

ferry_status ferry_transitions_count(const ferry_interactions *domain, size_t reach,
                                     ferry_arena *arena, ferry_transitions *out, ferry_error *error)
{
    size_t n = domain->item_count;
    out->first = ferry_arena_array(arena, n + 1, sizeof *out->first);
    if (out->first == NULL) return ferry_fail_memory(error, "the transitions");
    each_pair(domain, reach, out->first, NULL);
    for (size_t i = 0; i < n; i++) out->first[i + 1] += out->first[i];
    out->to = ferry_arena_array(arena, out->first[n], sizeof *out->to);
    if (out->to == NULL) return ferry_fail_memory(error, "the transitions");
    each_pair(domain, reach, out->first, out->to);
    for (size_t i = n; i > 0; i--) out->first[i] = out->first[i - 1]; /* they moved on one item */
    out->first[0] = 0;
    return FERRY_OK;
}

bool ferry_transitions_have(const ferry_transitions *transitions, uint32_t from, uint32_t to)
{
    for (size_t i = transitions->first[from]; i < transitions->first[from + 1]; i++) {
        if (transitions->to[i] == to) return true;
    }
    return false;
}
