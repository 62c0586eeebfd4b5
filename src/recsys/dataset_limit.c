/* Few shots: a domain with the events of some of its users. */
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "recsys/dataset.h"

static void move_event(ferry_interactions *d, size_t from, size_t to)
{
    d->item[to] = d->item[from];
    d->behavior[to] = d->behavior[from];
    d->value[to] = d->value[from];
    d->weight[to] = d->weight[from];
    d->timestamp[to] = d->timestamp[from];
    d->part[to] = d->part[from];
}

ferry_status ferry_dataset_limit(ferry_dataset *dataset, size_t domain, size_t users, uint64_t seed,
                                 ferry_error *error)
{
    ferry_interactions *d = &dataset->domains[domain];
    size_t count = d->user_count, events = 0, rows = 0;
    const ferry_allocator *allocator = &dataset->arena.allocator;
    if (users >= count) return FERRY_OK;
    uint32_t *order = ferry_allocate(allocator, count, sizeof *order);
    uint8_t *keep = ferry_allocate(allocator, count, 1);
    if (order != NULL && keep != NULL) {
        for (size_t u = 0; u < count; u++) order[u] = (uint32_t)u;
        ferry_random random;
        ferry_random_seed(&random, seed, 1000);
        ferry_random_shuffle(&random, order, count);
        for (size_t u = 0; u < users; u++) keep[order[u]] = 1;
        for (size_t u = 0; u < count; u++) {
            size_t first = d->start[u], end = d->start[u + 1], before = events;
            for (size_t i = first; i < end; i++)
                if (keep[u] || d->part[i] == FERRY_TEST) move_event(d, i, events++);
            if (events == before) continue; /* each user has at least one event */
            d->user[rows] = d->user[u];
            d->start[rows++] = (uint32_t)before; /* start[u] was read: rows <= u */
        }
        d->start[rows] = (uint32_t)events;
        d->user_count = rows;
        d->event_count = events;
    }
    bool done = order != NULL && keep != NULL;
    if (order != NULL) ferry_release(allocator, order, count * sizeof *order);
    if (keep != NULL) ferry_release(allocator, keep, count);
    return done ? FERRY_OK : ferry_fail_memory(error, "the few shots");
}
