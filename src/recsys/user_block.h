/* Cutting one block of memory, whose size was asked for before, into arrays. */
#ifndef FERRY_RECSYS_USER_BLOCK_H
#define FERRY_RECSYS_USER_BLOCK_H

#include "base/memory.h"

/* base NULL: nothing is cut, used is the size that a block must have. */
typedef struct ferry_cutter {
    char *base;
    size_t used;
    bool overflow; /* the size does not fit a size_t */
} ferry_cutter;

/* The next array of count elements, at a multiple of 64 bytes from the block's begin; NULL while
 * only the size is asked for. */
static inline void *ferry_cut(ferry_cutter *cutter, size_t count, size_t size)
{
    void *array = cutter->base != NULL ? cutter->base + cutter->used : NULL;
    size_t bytes;
    if (!ferry_size_multiply(count, size, &bytes) || !ferry_size_add(bytes, 63, &bytes) ||
        !ferry_size_add(cutter->used, bytes - bytes % 64, &cutter->used))
        cutter->overflow = true;
    return array;
}

/* The next array of rows x columns floats. */
static inline float *ferry_cut_floats(ferry_cutter *cutter, size_t rows, size_t columns)
{
    size_t count;
    if (!ferry_size_multiply(rows, columns, &count)) {
        cutter->overflow = true;
        return NULL;
    }
    return ferry_cut(cutter, count, sizeof(float));
}

#endif
