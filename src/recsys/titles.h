/* Items that go by the same title, or nearly. */
#ifndef FERRY_RECSYS_TITLES_H
#define FERRY_RECSYS_TITLES_H

#include "base/memory.h"

typedef struct ferry_titles_found {
    size_t equal; /* items whose words are those of an earlier item, in the same order */
    size_t near;  /* items that share nine in ten words (as sets) with an earlier item */
} ferry_titles_found;

/*
 * leader [count]: the first of the items that the item is a duplicate of, or its own number. Words
 * are what \w matches, in lower case; titles without one are duplicates of nothing. An item has one
 * leader, which has none: likeness is not passed on along a chain.
 */
ferry_status ferry_titles_group(const char *const *titles, size_t count,
                                const ferry_allocator *allocator, uint32_t *leader,
                                ferry_titles_found *found, ferry_error *error);

#endif
