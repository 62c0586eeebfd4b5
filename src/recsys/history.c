#include "recsys/history.h"

bool ferry_interactions_find(const ferry_interactions *domain, uint32_t user, size_t *row)
{
    size_t low = 0, high = domain->user_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (domain->user[middle] < user)
            low = middle + 1;
        else
            high = middle;
    }
    *row = low;
    return low < domain->user_count && domain->user[low] == user;
}

size_t ferry_history_longest(const ferry_dataset *dataset)
{
    size_t sum = 0;
    for (size_t d = 0; d < dataset->domain_count; d++) {
        const ferry_interactions *domain = &dataset->domains[d];
        size_t longest = 0;
        for (size_t row = 0; row < domain->user_count; row++) {
            size_t size = domain->start[row + 1] - domain->start[row];
            if (size > longest) longest = size;
        }
        sum += longest;
    }
    return sum;
}

/* Appends the row's events of an earlier part; returns whether all have a timestamp. */
static bool append_row(const ferry_interactions *domain, uint32_t index, size_t row,
                       ferry_part part, ferry_history_entry *out, size_t *count)
{
    bool dated = true;
    for (size_t e = domain->start[row]; e < domain->start[row + 1]; e++) {
        if (domain->part[e] >= part) continue;
        out[(*count)++] = (ferry_history_entry){.domain = index,
                                                .item = domain->item[e],
                                                .behavior = domain->behavior[e],
                                                .value = domain->value[e],
                                                .weight = domain->weight[e],
                                                .scale = 1.0f,
                                                .timestamp = domain->timestamp[e]};
        dated = dated && domain->timestamp[e] != 0;
    }
    return dated;
}

/* Insertion sort by timestamp: stable, and the parts are sorted already. */
static void sort_by_time(ferry_history_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        ferry_history_entry moving = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].timestamp > moving.timestamp; at--)
            entries[at] = entries[at - 1];
        entries[at] = moving;
    }
}

size_t ferry_history_of(const ferry_dataset *dataset, size_t domain, uint32_t user, ferry_part part,
                        bool only_own, ferry_history_entry *out)
{
    size_t count = 0, row;
    bool dated = true;
    for (size_t d = 0; d < dataset->domain_count && !only_own; d++) {
        const ferry_interactions *other = &dataset->domains[d];
        if (d != domain && ferry_interactions_find(other, user, &row))
            dated = append_row(other, (uint32_t)d, row, part, out, &count) && dated;
    }
    size_t others = count;
    const ferry_interactions *own = &dataset->domains[domain];
    if (ferry_interactions_find(own, user, &row))
        dated = append_row(own, (uint32_t)domain, row, part, out, &count) && dated;
    if (others > 0 && dated) sort_by_time(out, count);
    return count;
}
