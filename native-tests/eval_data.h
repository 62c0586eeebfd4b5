/* Data sets small enough to check by hand, built event by event. */
#ifndef FERRY_TEST_EVAL_DATA_H
#define FERRY_TEST_EVAL_DATA_H

#include "test.h"

#include "base/error.h"
#include "eval/evaluate.h"

typedef struct eval_data {
    ferry_dataset dataset;
    ferry_interactions domains[3];
    char names[600][8];
    const char *ids[600]; /* of users and of items: "0", "1"… */
} eval_data;

enum { EVAL_DATA_EVENTS = 8192, EVAL_DATA_ROWS = 600 };

/* `domains` empty domains "a", "b", "c" of `items` items each, and `users` users. */
static inline void eval_data_make(eval_data *data, size_t domains, size_t users, size_t items)
{
    static const char *const names[] = {"a", "b", "c"};
    *data = (eval_data){0};
    ferry_arena *arena = &data->dataset.arena;
    ferry_arena_init(arena, ferry_allocator_or_default(NULL));
    for (size_t i = 0; i < EVAL_DATA_ROWS; i++) {
        snprintf(data->names[i], sizeof data->names[i], "%zu", i);
        data->ids[i] = data->names[i];
    }
    data->dataset.users = data->ids;
    data->dataset.user_count = users;
    data->dataset.domains = data->domains;
    data->dataset.domain_count = domains;
    for (size_t d = 0; d < domains; d++) {
        ferry_interactions *domain = &data->domains[d];
        domain->domain = names[d];
        domain->items = data->ids;
        domain->item_count = items;
        domain->user = ferry_arena_array(arena, EVAL_DATA_ROWS, sizeof *domain->user);
        domain->start = ferry_arena_array(arena, EVAL_DATA_ROWS + 1, sizeof *domain->start);
        domain->item = ferry_arena_array(arena, EVAL_DATA_EVENTS, sizeof *domain->item);
        domain->behavior = ferry_arena_array(arena, EVAL_DATA_EVENTS, 1);
        domain->value = ferry_arena_array(arena, EVAL_DATA_EVENTS, sizeof *domain->value);
        domain->weight = ferry_arena_array(arena, EVAL_DATA_EVENTS, sizeof *domain->weight);
        domain->timestamp = ferry_arena_array(arena, EVAL_DATA_EVENTS, sizeof *domain->timestamp);
        domain->part = ferry_arena_array(arena, EVAL_DATA_EVENTS, 1);
    }
}

/* Users come in ascending order in each domain, a user's events oldest first. */
static inline void eval_data_add(eval_data *data, size_t index, uint32_t user, uint32_t item,
                                 ferry_part part, float value, int64_t timestamp)
{
    ferry_interactions *domain = &data->domains[index];
    size_t row = domain->user_count, e = domain->event_count++;
    assert_true(e < EVAL_DATA_EVENTS && row < EVAL_DATA_ROWS);
    if (row == 0 || domain->user[row - 1] != user) {
        assert_true(row == 0 || domain->user[row - 1] < user);
        domain->user[row] = user;
        domain->start[row] = (uint32_t)e;
        row = ++domain->user_count;
    }
    domain->item[e] = item;
    domain->part[e] = (uint8_t)part;
    domain->value[e] = value;
    domain->weight[e] = 1;
    domain->timestamp[e] = timestamp;
    domain->start[row] = (uint32_t)domain->event_count;
}

static inline void eval_data_free(eval_data *data)
{
    ferry_arena_free(&data->dataset.arena);
}

/* The mean of a figure of that name; fails if there is none. */
static inline double figure(const ferry_evaluation *evaluation, const char *name)
{
    const ferry_eval_figure *found = ferry_evaluation_find(evaluation, name);
    if (found == NULL) fail_msg("no figure %s", name);
    return found->mean;
}

#define assert_near(found, expected, tolerance)                                         \
    do {                                                                                \
        double near_found = (found), near_expected = (expected);                        \
        if (!(fabs(near_found - near_expected) <= (tolerance)))                         \
            fail_msg("%s is %.17g, expected %.17g", #found, near_found, near_expected); \
    } while (0)

#endif
