/* Texts numbered in the order they first come: users, items and domains by id. */
#ifndef FERRY_BASE_NAMES_H
#define FERRY_BASE_NAMES_H

#include "base/memory.h"

enum { FERRY_NO_NAME = UINT32_MAX };

typedef struct ferry_names {
    ferry_arena arena;  /* the texts */
    const char **texts; /* [count] of [capacity] */
    uint32_t *hashes;   /* [count] of [capacity] */
    uint32_t *slots;    /* [slot_count], a power of two: a number, or FERRY_NO_NAME */
    size_t count, capacity, slot_count;
} ferry_names;

void ferry_names_init(ferry_names *names, ferry_allocator allocator);
void ferry_names_free(ferry_names *names);

/* The text's number, or FERRY_NO_NAME. */
uint32_t ferry_names_find(const ferry_names *names, const char *text);

/* The text's number, given now if it is new (*added, which may be NULL). false without memory. */
bool ferry_names_add(ferry_names *names, const char *text, uint32_t *number, bool *added);

#endif
