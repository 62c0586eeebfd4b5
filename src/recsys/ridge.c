#include "recsys/ridge.h"

#include "base/error.h"
#include "math/solve.h"

/* left [from + 1, from + 1] += [x, 1]^T [x, 1] (the lower triangle), right [to, from + 1] += y^T
 * [x, 1] */
static void add_row(const float *x, const float *y, size_t from, size_t to, double *left,
                    double *right)
{
    size_t n = from + 1;
    for (size_t i = 0; i < n; i++) {
        double value = i < from ? (double)x[i] : 1.0;
        size_t inside = i < from ? i + 1 : from;
        for (size_t j = 0; j < inside; j++)
            left[i * n + j] = left[i * n + j] + value * (double)x[j];
    }
    left[n * n - 1] = left[n * n - 1] + 1.0;
    for (size_t k = 0; k < to; k++) {
        double value = (double)y[k];
        for (size_t j = 0; j < from; j++)
            right[k * n + j] = right[k * n + j] + value * (double)x[j];
        right[k * n + from] = right[k * n + from] + value;
    }
}

ferry_status ferry_ridge_fit(const float *x, const float *y, size_t rows, size_t from, size_t to,
                             float lambda, const ferry_allocator *allocator, float *map,
                             ferry_error *error)
{
    if (!(lambda > 0.0f))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "lambda is %g, it must be above 0",
                          (double)lambda);
    size_t n = from + 1;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    double *left = ferry_arena_array(&arena, n, n * sizeof *left);
    double *right = ferry_arena_array(&arena, to, n * sizeof *right);
    ferry_status status = FERRY_OK;
    if (left == NULL || right == NULL) {
        status = ferry_fail_memory(error, "the map");
    } else {
        for (size_t r = 0; r < rows; r++) add_row(x + r * from, y + r * to, from, to, left, right);
        for (size_t i = 0; i < n; i++) left[i * n + i] = left[i * n + i] + (double)lambda;
        if (!ferry_cholesky(left, n))
            status = ferry_fail(error, FERRY_UNSUPPORTED,
                                "no map fits the %zu pairs: they are not finite", rows);
    }
    for (size_t k = 0; k < to && status == FERRY_OK; k++) {
        ferry_cholesky_solve(left, n, right + k * n);
        for (size_t i = 0; i < n; i++) map[i * to + k] = (float)right[k * n + i];
    }
    ferry_arena_free(&arena);
    return status;
}

void ferry_ridge_apply(const float *map, size_t from, size_t to, const float *x, float *out)
{
    for (size_t k = 0; k < to; k++) out[k] = map[from * to + k];
    for (size_t i = 0; i < from; i++) {
        for (size_t k = 0; k < to; k++) out[k] = out[k] + x[i] * map[i * to + k];
    }
}
