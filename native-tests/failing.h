/* An allocator for tests: counts what is alive, holds callers to the sizes they name, and fails
 * from a chosen allocation on. */
#ifndef FERRY_TESTS_FAILING_H
#define FERRY_TESTS_FAILING_H

#include "base/error.h"
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

/*
 * Lets 0, 1, 2… allocations of the work succeed until it does. Until then it is to say
 * OUT_OF_MEMORY and leave nothing behind. Returns how many it needs.
 */
typedef ferry_status (*failing_work)(void *user, const ferry_allocator *allocator,
                                     ferry_error *error);

static inline size_t fail_each(failing_work work, void *user)
{
    for (size_t left = 0;; left++) {
        failing memory;
        ferry_error error = {0};
        const ferry_allocator allocator = failing_allocator(&memory, left);
        ferry_status status = work(user, &allocator, &error);
        assert_int_equal(memory.live, 0);
        if (status != FERRY_OK && status != FERRY_OUT_OF_MEMORY)
            fail_msg("allocation %zu failing gave %s: %s", left, ferry_status_name(status),
                     error.message);
        if (status != FERRY_OK) continue;
        print_message("%zu allocations, each failed once\n", left);
        return left;
    }
}

#endif
