/* A linear map by ridge regression: EMCDR's, from a person's factor in one domain to the other's.
 */
#ifndef FERRY_RECSYS_RIDGE_H
#define FERRY_RECSYS_RIDGE_H

#include "base/memory.h"

/*
 * map [from + 1, to], its last row the offset: the least of |[x, 1] map - y|^2 + lambda |map|^2
 * (offset included). x [rows, from], y [rows, to], lambda > 0; sums and solution in double.
 */
ferry_status ferry_ridge_fit(const float *x, const float *y, size_t rows, size_t from, size_t to,
                             float lambda, const ferry_allocator *allocator, float *map,
                             ferry_error *error);

/* out [to] = [x, 1] map; x [from] */
void ferry_ridge_apply(const float *map, size_t from, size_t to, const float *x, float *out);

#endif
