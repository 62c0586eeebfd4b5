/* Bootstrap over users: what the mean would be with other users of the same kind. */
#ifndef FERRY_EVAL_BOOTSTRAP_H
#define FERRY_EVAL_BOOTSTRAP_H

#include "base/memory.h"
#include "base/pool.h"

/*
 * The column means of `resamples` samples of as many rows, drawn with replacement: values
 * [rows, columns], out [resamples, columns]. Sample b draws from stream b of the seed, the same
 * rows for every column, so the difference of two columns is a paired one. rows > 0.
 */
ferry_status ferry_bootstrap_means(const double *values, size_t rows, size_t columns,
                                   size_t resamples, uint64_t seed, ferry_pool *pool,
                                   const ferry_allocator *allocator, double *out,
                                   ferry_error *error);

/*
 * The 2.5 % and 97.5 % percentiles of means [resamples, columns], interpolated linearly; low and
 * high [columns]. Reorders nothing. scratch [resamples]; resamples > 0.
 */
void ferry_bootstrap_interval(const double *means, size_t resamples, size_t columns,
                              double *scratch, double *low, double *high);

#endif
