#include "eval/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

typedef struct job {
    const double *values; /* [rows, columns] */
    size_t rows, columns;
    uint64_t seed;
    uint16_t *drawn; /* [threads, rows] how often each row is in the sample */
    double *out;     /* [resamples, columns] */
} job;

static void draw_sample(void *context, size_t sample, size_t worker)
{
    const job *run = context;
    uint16_t *drawn = run->drawn + worker * run->rows;
    double *sums = run->out + sample * run->columns;
    ferry_random random;
    ferry_random_seed(&random, run->seed, sample);
    memset(drawn, 0, run->rows * sizeof *drawn);
    for (size_t i = 0; i < run->rows; i++)
        drawn[ferry_random_below(&random, (uint32_t)run->rows)]++;
    memset(sums, 0, run->columns * sizeof *sums);
    const double *row = run->values;
    for (size_t i = 0; i < run->rows; i++, row += run->columns) {
        double times = drawn[i];
        for (size_t c = 0; c < run->columns; c++) sums[c] += times * row[c];
    }
    for (size_t c = 0; c < run->columns; c++) sums[c] /= (double)run->rows;
}

ferry_status ferry_bootstrap_means(const double *values, size_t rows, size_t columns,
                                   size_t resamples, uint64_t seed, ferry_pool *pool,
                                   const ferry_allocator *allocator, double *out,
                                   ferry_error *error)
{
    size_t threads = ferry_pool_threads(pool), count;
    if (rows > UINT32_MAX || !ferry_size_multiply(threads, rows, &count))
        return ferry_fail(error, FERRY_LIMIT, "bootstrap over %zu rows", rows);
    job run = {.values = values, .rows = rows, .columns = columns, .seed = seed, .out = out};
    run.drawn = ferry_allocate(allocator, count, sizeof *run.drawn);
    if (run.drawn == NULL) return ferry_fail_memory(error, "the bootstrap");
    ferry_pool_run(pool, resamples, draw_sample, &run);
    ferry_release(allocator, run.drawn, count * sizeof *run.drawn);
    return FERRY_OK;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const double *sorted, size_t count, double share)
{
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

void ferry_bootstrap_interval(const double *means, size_t resamples, size_t columns,
                              double *scratch, double *low, double *high)
{
    for (size_t c = 0; c < columns; c++) {
        for (size_t b = 0; b < resamples; b++) scratch[b] = means[b * columns + c];
        qsort(scratch, resamples, sizeof *scratch, by_value);
        low[c] = percentile(scratch, resamples, 0.025);
        high[c] = percentile(scratch, resamples, 0.975);
    }
}
