#include "recsys/whiten.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/gram.h"
#include "math/ops.h"
#include "math/solve.h"

enum { BLOCK = 256 /* rows projected at a time */ };

typedef struct reference {
    const ferry_kernels *kernels;
    size_t N;
    const float *const *blocks;
    const size_t *rows;
    size_t count, total;
} reference;

static void add_means(const reference *s, double *sum, float *mean)
{
    for (size_t b = 0; b < s->count; b++) {
        for (size_t r = 0; r < s->rows[b]; r++) {
            const float *row = s->blocks[b] + r * s->N;
            for (size_t n = 0; n < s->N; n++) sum[n] = sum[n] + (double)row[n];
        }
    }
    for (size_t n = 0; n < s->N; n++) mean[n] = (float)(sum[n] / (double)s->total);
}

/* value^(-quarters / 4) */
static double inverse_power(double value, int quarters)
{
    double root = sqrt(sqrt(value)), power = 1.0;
    for (int i = 0; i < quarters; i++) power = power * root;
    return 1.0 / power;
}

/* vectors [N, N]: row k is the k-th eigenvector. */
static void project(const double *vectors, const double *values, size_t rows, int quarters,
                    ferry_whiten *out)
{
    double square = 0.0, least = 1e-4 * values[0];
    for (size_t k = 0; k < out->K; k++) {
        double scale = inverse_power(values[k] > least ? values[k] : least, quarters);
        square = square + (values[k] > 0.0 ? values[k] : 0.0) * scale * scale;
    }
    /* the mean square of the reference, projected: its variances, over rows instead of rows - 1 */
    square = square * (double)(rows - 1) / (double)rows / (double)out->K;
    double unit = 1.0 / sqrt(square);
    for (size_t k = 0; k < out->K; k++) {
        double scale = unit * inverse_power(values[k] > least ? values[k] : least, quarters);
        for (size_t n = 0; n < out->N; n++)
            out->projection[n * out->K + k] = (float)(vectors[k * out->N + n] * scale);
    }
}

static bool tells_apart(const reference *s)
{
    const float *first = NULL;
    for (size_t b = 0; b < s->count; b++)
        for (size_t i = 0; i < s->rows[b]; i++) {
            const float *row = s->blocks[b] + i * s->N;
            if (first == NULL) first = row;
            if (memcmp(row, first, s->N * sizeof *row) != 0) return true;
        }
    return false;
}

static ferry_status fit(const reference *s, ferry_arena *scratch, int quarters, ferry_whiten *out,
                        ferry_error *error)
{
    size_t N = s->N;
    ferry_gram covariance;
    double *values = ferry_arena_array(scratch, N, sizeof *values);
    double *beside = ferry_arena_array(scratch, N, sizeof *beside);
    if (values == NULL || beside == NULL || !ferry_gram_init(&covariance, N, scratch))
        return ferry_fail_memory(error, "the whitening");
    add_means(s, beside, out->mean);
    for (size_t b = 0; b < s->count; b++)
        ferry_gram_add(&covariance, s->kernels, s->blocks[b], s->rows[b], out->mean);
    for (size_t i = 0; i < N * N; i++)
        covariance.sum[i] = covariance.sum[i] / (double)(s->total - 1);
    if (!ferry_symmetric_eigen(covariance.sum, N, values, beside) || !(values[0] > 0.0))
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%zu vectors cannot be whitened: they are not finite, or too small",
                          s->total);
    project(covariance.sum, values, s->total, quarters, out);
    return FERRY_OK;
}

ferry_status ferry_whiten_fit(const ferry_kernels *kernels, const float *const *blocks,
                              const size_t *rows, size_t count, size_t N, size_t K, float power,
                              ferry_arena *arena, ferry_whiten *out, ferry_error *error)
{
    int quarters = power >= 0.0f && power <= 1.0f ? (int)(power * 4.0f) : -1;
    if (quarters < 0 || (float)quarters != power * 4.0f)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "power is %g, of 0, 0.25, 0.5, 0.75 and 1",
                          (double)power);
    if (K == 0 || K > N)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%zu directions of %zu", K, N);
    reference s = {.kernels = kernels, .N = N, .blocks = blocks, .rows = rows, .count = count};
    for (size_t b = 0; b < count; b++) s.total += rows[b];
    *out = (ferry_whiten){.N = N, .K = K};
    out->mean = ferry_arena_array(arena, N, sizeof *out->mean);
    out->projection = ferry_arena_array(arena, N, K * sizeof *out->projection);
    if (out->mean == NULL || out->projection == NULL)
        return ferry_fail_memory(error, "the whitening");
    if (!tells_apart(&s)) return FERRY_OK; /* the arena's arrays begin as zeros */
    ferry_arena scratch;
    ferry_arena_init(&scratch, arena->allocator);
    ferry_status status = fit(&s, &scratch, quarters, out, error);
    ferry_arena_free(&scratch);
    return status;
}

ferry_status ferry_whiten_apply(const ferry_kernels *kernels, const ferry_whiten *whiten,
                                const float *x, size_t rows, bool normalize, float *out,
                                const ferry_allocator *allocator, ferry_error *error)
{
    size_t N = whiten->N, K = whiten->K, size;
    if (!ferry_panels_size(N, K, &size)) return ferry_fail_memory(error, "the projection");
    ferry_arena scratch;
    ferry_arena_init(&scratch, ferry_allocator_or_default(allocator));
    float *panels = ferry_arena_array(&scratch, size, sizeof *panels);
    float *centred = ferry_arena_array(&scratch, BLOCK * N, sizeof *centred);
    if (panels == NULL || centred == NULL) {
        ferry_arena_free(&scratch);
        return ferry_fail_memory(error, "the projection");
    }
    ferry_pack_panels(whiten->projection, K, 1, N, K, panels);
    for (size_t r = 0; r < rows; r += BLOCK) {
        size_t part = rows - r < BLOCK ? rows - r : BLOCK;
        for (size_t i = 0; i < part; i++) {
            for (size_t n = 0; n < N; n++)
                centred[i * N + n] = x[(r + i) * N + n] - whiten->mean[n];
        }
        kernels->matmul(centred, N, panels, NULL, out + r * K, K, part, N, K);
        for (size_t i = 0; normalize && i < part; i++)
            ferry_l2_normalize(kernels, out + (r + i) * K, K);
    }
    ferry_arena_free(&scratch);
    return FERRY_OK;
}
