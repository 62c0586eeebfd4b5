/* An allocator for tests: counts what is alive, holds callers to the sizes they name, and fails
 * from a chosen allocation on. */
#ifndef FERRY_TESTS_FAILING_H
#define FERRY_TESTS_FAILING_H

#include "ferry/ferry.h"
#include "test.h"

typedef struct failing {
    size_t left; /* allocations that still succeed */
    size_t live; /* bytes */
    size_t count;
} failing;

enum { FAILING_HEAD = 16 }; /* holds the block's size, and keeps its alignment */

static inline void *failing_reallocate(void *user, void *pointer, size_t old_size, size_t new_size)
{
    failing *state = user;
    char *block = pointer != NULL ? (char *)pointer - FAILING_HEAD : NULL;
    assert_int_equal(old_size, block != NULL ? *(size_t *)(void *)block : 0);
    if (new_size == 0) {
        state->live -= old_size;
        free(block);
        return NULL;
    }
    state->count++;
    if (state->left == 0) return NULL;
    state->left--;
    block = realloc(block, FAILING_HEAD + new_size);
    assert_non_null(block);
    *(size_t *)(void *)block = new_size;
    state->live += new_size - old_size;
    return block + FAILING_HEAD;
}

/* An allocator of which the first `left` allocations succeed. */
static inline ferry_allocator failing_allocator(failing *state, size_t left)
{
    *state = (failing){.left = left};
    return (ferry_allocator){failing_reallocate, state};
}

#endif
