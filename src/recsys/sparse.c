#include "recsys/sparse.h"

#include <string.h>

#include "base/error.h"

ferry_status ferry_sparse_check(const ferry_sparse *m, const char *what, ferry_error *error)
{
    if (m->columns > UINT32_MAX)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu columns, of at most 2^32 - 1", what,
                          m->columns);
    if (m->start[0] != 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: the first row starts at %u, not 0",
                          what, (unsigned)m->start[0]);
    for (size_t r = 0; r < m->rows; r++) {
        if (m->start[r] > m->start[r + 1])
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: row %zu ends before it starts",
                              what, r);
    }
    for (size_t i = 0; i < m->start[m->rows]; i++) {
        if (m->column[i] >= m->columns)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s: entry %zu is of column %u, there are %zu", what, i,
                              (unsigned)m->column[i], m->columns);
    }
    return FERRY_OK;
}

ferry_status ferry_sparse_transpose(const ferry_sparse *m, ferry_arena *arena, ferry_sparse *out,
                                    ferry_error *error)
{
    size_t count = m->start[m->rows];
    uint32_t *start = ferry_arena_array(arena, m->columns + 1, sizeof *start);
    uint32_t *column = ferry_arena_array(arena, count, sizeof *column);
    float *value = m->value != NULL ? ferry_arena_array(arena, count, sizeof *value) : NULL;
    if (start == NULL || column == NULL || (m->value != NULL && value == NULL))
        return ferry_fail_memory(error, "a transposed matrix");
    /* start[c + 1] counts, then sums to the end of row c - 1 … and is moved up by the filling */
    for (size_t i = 0; i < count; i++) start[m->column[i] + 1]++;
    for (size_t c = 0; c < m->columns; c++) start[c + 1] += start[c];
    for (size_t r = 0; r < m->rows; r++) {
        for (size_t i = m->start[r]; i < m->start[r + 1]; i++) {
            uint32_t place = start[m->column[i]]++;
            column[place] = (uint32_t)r;
            if (value != NULL) value[place] = m->value[i];
        }
    }
    for (size_t c = m->columns; c > 0; c--) start[c] = start[c - 1]; /* back down */
    start[0] = 0;
    *out = (ferry_sparse){m->columns, m->rows, start, column, value};
    return FERRY_OK;
}

void ferry_sparse_scatter(const ferry_sparse *m, size_t row, float weight, float *out,
                          uint8_t *mark, uint32_t *touched, size_t *touched_count)
{
    for (size_t i = m->start[row]; i < m->start[row + 1]; i++) {
        uint32_t column = m->column[i];
        out[column] = out[column] + weight * ferry_sparse_value(m, i);
        if (mark == NULL || mark[column]) continue;
        mark[column] = 1;
        touched[(*touched_count)++] = column;
    }
}

ferry_status ferry_sparse_copy(const ferry_sparse *m, ferry_arena *arena, ferry_sparse *out,
                               ferry_error *error)
{
    size_t count = m->start[m->rows];
    uint32_t *start = ferry_arena_array(arena, m->rows + 1, sizeof *start);
    uint32_t *column = ferry_arena_array(arena, count, sizeof *column);
    float *value = ferry_arena_array(arena, count, sizeof *value);
    if (start == NULL || column == NULL || value == NULL)
        return ferry_fail_memory(error, "a sparse matrix");
    memcpy(start, m->start, (m->rows + 1) * sizeof *start);
    memcpy(column, m->column, count * sizeof *column);
    for (size_t i = 0; i < count; i++) value[i] = ferry_sparse_value(m, i);
    *out = (ferry_sparse){m->rows, m->columns, start, column, value};
    return FERRY_OK;
}
