/* Rows of items, as the histories of users: views of the caller's arrays. */
#ifndef FERRY_RECSYS_SPARSE_H
#define FERRY_RECSYS_SPARSE_H

#include "base/memory.h"

typedef struct ferry_sparse {
    size_t rows, columns;
    const uint32_t *start;  /* [rows + 1] */
    const uint32_t *column; /* [start[rows]], in [0, columns); as they come, repetitions allowed */
    const float *value;     /* [start[rows]]; NULL: all 1 */
} ferry_sparse;

static inline float ferry_sparse_value(const ferry_sparse *m, size_t i)
{
    return m->value != NULL ? m->value[i] : 1.0f;
}

/* Columns as rows, ordered within each by the old row; arrays from the arena. */
ferry_status ferry_sparse_transpose(const ferry_sparse *m, ferry_arena *arena, ferry_sparse *out,
                                    ferry_error *error);

/* A copy whose arrays are the arena's; values are there in the copy too if they were NULL. */
ferry_status ferry_sparse_copy(const ferry_sparse *m, ferry_arena *arena, ferry_sparse *out,
                               ferry_error *error);

/* INVALID_ARGUMENT, naming what and the place, where start or column is no CSR matrix. */
ferry_status ferry_sparse_check(const ferry_sparse *m, const char *what, ferry_error *error);

/*
 * Adds weight * row to out [columns], and appends every column whose mark was clear to touched,
 * setting the mark: so a caller goes on with the few columns that are not 0. mark [columns],
 * touched [columns]; both may be NULL together.
 */
void ferry_sparse_scatter(const ferry_sparse *m, size_t row, float weight, float *out,
                          uint8_t *mark, uint32_t *touched, size_t *touched_count);

#endif
