/* What a person did, oldest first; over several domains. */
#ifndef FERRY_RECSYS_HISTORY_H
#define FERRY_RECSYS_HISTORY_H

#include "recsys/dataset.h"

typedef struct ferry_history_entry {
    uint32_t domain; /* index into the dataset's domains */
    uint32_t item;   /* within it */
    uint8_t behavior;
    float value, weight;
    float scale;    /* 1, or what the visitor's controls make of it: says so many times as much */
    uint32_t event; /* of a visitor's history: which of its events */
    int64_t timestamp;
} ferry_history_entry;

/* The row of a user (index into the dataset's users) in a domain; false if there is none. */
bool ferry_interactions_find(const ferry_interactions *domain, uint32_t user, size_t *row);

/* The most entries any user's history can have: what to allocate for ferry_history_of. */
size_t ferry_history_longest(const ferry_dataset *dataset);

/*
 * What is known of a user before `part`, for the evaluated domain: the events with an earlier part,
 * there and (unless only_own) in all other domains. Where every one of these events has a timestamp
 * they are merged by it, equal ones from other domains first; otherwise the other domains come
 * first, in the dataset's order, so that the last entry is of the evaluated domain if there is one.
 * A domain's own order is never changed. out [ferry_history_longest]; returns how many.
 */
size_t ferry_history_of(const ferry_dataset *dataset, size_t domain, uint32_t user, ferry_part part,
                        bool only_own, ferry_history_entry *out);

#endif
