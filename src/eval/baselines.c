#include "eval/baselines.h"

#include <string.h>

#include "base/error.h"

static const ferry_scorer *const baselines[] = {
    &ferry_baseline_random, &ferry_baseline_popularity, &ferry_baseline_itemknn,
    &ferry_baseline_ease,   &ferry_baseline_text,       &ferry_baseline_graph,
};
enum { BASELINES = sizeof baselines / sizeof *baselines };

const ferry_scorer *const *ferry_baselines(size_t *count)
{
    *count = BASELINES;
    return baselines;
}

ferry_status ferry_baseline_find(const char *name, const ferry_scorer **out, ferry_error *error)
{
    char known[256] = "";
    for (size_t i = 0; i < BASELINES; i++) {
        *out = baselines[i];
        if (strcmp(name, baselines[i]->name) == 0) return FERRY_OK;
        if (i > 0) strcat(known, ", ");
        strcat(known, baselines[i]->name);
    }
    *out = NULL;
    return ferry_fail(error, FERRY_NOT_FOUND, "no baseline \"%s\"; there are %s", name, known);
}

/* ---- sets ---- */

bool ferry_history_repeats(const ferry_history_entry *history, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (history[i].domain == history[index].domain && history[i].item == history[index].item)
            return true;
    return false;
}

/* Puts item at its place among the ascending items [*count], unless it is there. */
static void insert(uint32_t *items, size_t *count, uint32_t item)
{
    size_t at = *count;
    while (at > 0 && items[at - 1] > item) at--;
    if (at > 0 && items[at - 1] == item) return;
    memmove(items + at + 1, items + at, (*count - at) * sizeof *items);
    items[at] = item;
    (*count)++;
}

ferry_status ferry_user_sets_of(const ferry_interactions *domain, ferry_arena *arena,
                                ferry_user_sets *out, ferry_error *error)
{
    size_t users = domain->user_count, items = domain->item_count;
    *out = (ferry_user_sets){.user_count = users, .item_count = items};
    out->first = ferry_arena_array(arena, users + 1, sizeof *out->first);
    out->item = ferry_arena_array(arena, domain->event_count, sizeof *out->item);
    out->first_user = ferry_arena_array(arena, items + 2, sizeof *out->first_user);
    out->user = ferry_arena_array(arena, domain->event_count, sizeof *out->user);
    if (out->first == NULL || out->item == NULL || out->first_user == NULL || out->user == NULL)
        return ferry_fail_memory(error, "the users' items");
    for (size_t row = 0; row < users; row++) {
        size_t count = 0;
        for (size_t e = domain->start[row]; e < domain->start[row + 1]; e++)
            if (domain->part[e] == FERRY_TRAIN)
                insert(out->item + out->first[row], &count, domain->item[e]);
        out->first[row + 1] = out->first[row] + count;
    }
    /* counted two places on, so that filling leaves first_user where it should be */
    for (size_t i = 0; i < out->first[users]; i++) out->first_user[out->item[i] + 2]++;
    for (size_t i = 2; i < items + 2; i++) out->first_user[i] += out->first_user[i - 1];
    for (size_t row = 0; row < users; row++)
        for (size_t i = out->first[row]; i < out->first[row + 1]; i++)
            out->user[out->first_user[out->item[i] + 1]++] = (uint32_t)row;
    return FERRY_OK;
}
