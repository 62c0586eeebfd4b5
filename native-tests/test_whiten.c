/* Whitening and the eigenvectors below it, held to numpy. */
#include "golden_tensors.h"

#include "math/solve.h"
#include "recsys/whiten.h"

static void whitening_is_numpys(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    size_t rows[2], shape[2];
    const float *x = golden_tensor(&golden, "whiten.x", rows);
    const float *projection = golden_tensor(&golden, "whiten.projection", shape);
    size_t N = shape[0], K = shape[1];
    const float *blocks[] = {x, x + 23 * N};
    const size_t counts[] = {23, rows[0] - 23};
    ferry_whiten whiten;
    ferry_error error;
    const ferry_kernels *kernels;
    assert_int_equal(ferry_kernels_choose(NULL, &kernels, &error), FERRY_OK);
    assert_int_equal(
        ferry_whiten_fit(kernels, blocks, counts, 2, N, K, 0.25f, &golden.arena, &whiten, &error),
        FERRY_OK);
    assert_near(whiten.mean, golden_tensor(&golden, "whiten.mean", NULL), N, 1e-6, "mean");
    assert_near(whiten.projection, projection, N * K, 3e-6, "projection");
    float *z = malloc(rows[0] * K * sizeof *z);
    assert_non_null(z);
    assert_int_equal(ferry_whiten_apply(kernels, &whiten, x, rows[0], false, z, NULL, &error),
                     FERRY_OK);
    assert_near(z, golden_tensor(&golden, "whiten.z", NULL), rows[0] * K, 3e-6, "z");
    assert_int_equal(ferry_whiten_apply(kernels, &whiten, x, rows[0], true, z, NULL, &error),
                     FERRY_OK);
    assert_near(z, golden_tensor(&golden, "whiten.normalized", NULL), rows[0] * K, 3e-6, "rows");
    free(z);
    golden_tensors_close(&golden);
}

static void whitening_says_what_it_cannot(void **state)
{
    (void)state;
    float x[12] = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3};
    const float *blocks[] = {x};
    const size_t counts[] = {4}, one[] = {1};
    ferry_whiten whiten;
    ferry_error error;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    const ferry_kernels *k = &ferry_kernels_scalar;
    assert_int_equal(ferry_whiten_fit(k, blocks, counts, 1, 3, 2, 0.25f, &arena, &whiten, &error),
                     FERRY_OK); /* all the same: nothing is left */
    for (size_t i = 0; i < 3 * 2; i++) assert_true(whiten.projection[i] == 0.0f);
    x[4] = NAN;
    assert_int_equal(ferry_whiten_fit(k, blocks, counts, 1, 3, 2, 0.25f, &arena, &whiten, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "4 vectors"));
    assert_int_equal(ferry_whiten_fit(k, blocks, one, 1, 3, 2, 0.25f, &arena, &whiten, &error),
                     FERRY_OK);
    assert_true(whiten.projection[0] == 0.0f);
    assert_int_equal(ferry_whiten_fit(k, blocks, counts, 1, 3, 4, 0.25f, &arena, &whiten, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_whiten_fit(k, blocks, counts, 1, 3, 2, 0.3f, &arena, &whiten, &error),
                     FERRY_INVALID_ARGUMENT);
    ferry_arena_free(&arena);
}

/* A v = value v, vectors of length 1 at right angles, values descending: all there is to ask. */
static void check_eigen(const double *matrix, size_t n)
{
    double *a = malloc(n * n * sizeof *a), *values = malloc(2 * n * sizeof *values), size = 1e-300;
    assert_true(a != NULL && values != NULL);
    memcpy(a, matrix, n * n * sizeof *a);
    for (size_t i = 0; i < n * n; i++) size = fabs(a[i]) > size ? fabs(a[i]) : size;
    assert_true(ferry_symmetric_eigen(a, n, values, values + n));
    for (size_t k = 0; k < n; k++) {
        assert_true(k == 0 || values[k] <= values[k - 1]);
        for (size_t i = 0; i < n; i++) {
            double product = 0.0, dot = 0.0;
            for (size_t j = 0; j < n; j++) {
                product += matrix[i * n + j] * a[k * n + j];
                dot += a[i * n + j] * a[k * n + j];
            }
            assert_true(fabs(product - values[k] * a[k * n + i]) < 1e-13 * size * (double)n);
            assert_true(fabs(dot - (i == k)) < 1e-13 * (double)n);
        }
    }
    free(a), free(values);
}

static void eigenvectors_are(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (size_t n = 1; n <= 33; n++) {
        double *matrix = calloc(n * n, sizeof *matrix);
        assert_non_null(matrix);
        check_eigen(matrix, n); /* all 0 */
        for (size_t i = 0; i < n; i++) matrix[i * n + i] = 1.0 + (double)(i % 3);
        check_eigen(matrix, n); /* diagonal, values repeated */
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                random = random * 1664525u + 1013904223u;
                matrix[i * n + j] = matrix[j * n + i] = (double)(int32_t)random / 0x1p30;
            }
        }
        check_eigen(matrix, n);
        for (size_t i = 0; i < n * n; i++) matrix[i] = 7.0; /* of rank 1 */
        check_eigen(matrix, n);
        free(matrix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitening_is_numpys),
        cmocka_unit_test(whitening_says_what_it_cannot),
        cmocka_unit_test(eigenvectors_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
