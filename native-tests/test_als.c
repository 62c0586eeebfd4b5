/* ALS, folding in and the ridge map, held to implicit's exact solver and numpy. */
#include "golden_tensors.h"

#include "recsys/als.h"
#include "recsys/ridge.h"

enum { N = 25, F = 8 };

static const ferry_kernels *kernels;

static int choose_kernels(void **state)
{
    (void)state;
    ferry_error error;
    return ferry_kernels_choose(NULL, &kernels, &error) == FERRY_OK ? 0 : -1;
}

/* Events of 5 to 12 items a user and up to 29 users an item: both below and above F factors. */
static void factors_are_implicits(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse events = golden_rows(&golden, "als.events", N);
    const float *values = golden_tensor(&golden, "als.values", NULL);
    for (int i = 0; i < 4; i++) {
        char name[80], title[64];
        ferry_als_options options = FERRY_ALS_DEFAULTS;
        ferry_error error;
        float users[30 * F], items[N * F];
        options.factors = F;
        options.iterations = i % 2 == 0 ? 1 : 15;
        events.value = i < 2 ? NULL : values;
        memcpy(users, golden_tensor(&golden, "als.users0", NULL), sizeof users);
        memcpy(items, golden_tensor(&golden, "als.items0", NULL), sizeof items);
        assert_int_equal(
            ferry_als_fit(kernels, &events, &options, true, NULL, NULL, users, items, &error),
            FERRY_OK);
        snprintf(title, sizeof title, "als.%s%zu", i < 2 ? "binary" : "signed", options.iterations);
        snprintf(name, sizeof name, "%s.users", title);
        assert_near(users, golden_tensor(&golden, name, NULL), events.rows * F, 2e-5, name);
        snprintf(name, sizeof name, "%s.items", title);
        assert_near(items, golden_tensor(&golden, name, NULL), N * F, 2e-5, name);
    }
    golden_tensors_close(&golden);
}

/* A user's factor folded in is what the next half step makes of the row, whatever the solver. */
static void folding_in(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse events = golden_rows(&golden, "als.events", N);
    ferry_als_options options = FERRY_ALS_DEFAULTS;
    ferry_als_side side;
    ferry_error error;
    options.factors = F;
    float users[30 * F], items[N * F], next[30 * F], out[F];
    assert_int_equal(
        ferry_als_fit(kernels, &events, &options, false, NULL, NULL, users, items, &error),
        FERRY_OK);
    assert_int_equal(ferry_als_side_init(kernels, items, N, F, options.alpha, options.lambda, NULL,
                                         &golden.arena, &side, &error),
                     FERRY_OK);
    memcpy(next, users, sizeof next);
    options.iterations = 1;
    float kept[N * F];
    memcpy(kept, items, sizeof kept);
    assert_int_equal(
        ferry_als_fit(kernels, &events, &options, true, NULL, NULL, next, kept, &error), FERRY_OK);
    size_t bytes;
    assert_true(ferry_als_scratch(F, N, &bytes));
    void *scratch = ferry_arena_array(&golden.arena, bytes, 1);
    assert_non_null(scratch);
    for (size_t u = 0; u < events.rows; u++) {
        size_t count = events.start[u + 1] - events.start[u];
        assert_true(ferry_als_fold_in(kernels, &side, events.column + events.start[u], NULL, count,
                                      scratch, out));
        assert_memory_equal(out, next + u * F, sizeof out);
        if (count > 0) continue;
        for (size_t f = 0; f < F; f++) assert_true(out[f] == 0.0f);
    }
    /* events of weight 0 are no events: F + 1 rows of which F count take the other way */
    float weights[F + 1], other[F];
    for (size_t i = 0; i <= F; i++) weights[i] = i == 3 ? 0.0f : 0.5f;
    const uint32_t many[F + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, few[F] = {0, 1, 2, 4, 5, 6, 7, 8};
    assert_true(ferry_als_fold_in(kernels, &side, many, weights, F + 1, scratch, out));
    weights[3] = 0.5f;
    assert_true(ferry_als_fold_in(kernels, &side, few, weights, F, scratch, other));
    assert_near(out, other, F, 1e-5, "both ways");
    golden_tensors_close(&golden);
}

static void the_seed_decides(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse events = golden_rows(&golden, "als.events", N);
    ferry_als_options options = FERRY_ALS_DEFAULTS;
    ferry_error error;
    options.factors = F;
    options.iterations = 3;
    float users[4][30 * F], items[4][N * F];
    for (int i = 0; i < 4; i++) {
        ferry_pool *pool = NULL;
        options.seed = i == 3 ? 2 : 1;
        if (i == 1) assert_int_equal(ferry_pool_create(NULL, 3, &pool, &error), FERRY_OK);
        assert_int_equal(ferry_als_fit(i == 2 ? &ferry_kernels_scalar : kernels, &events, &options,
                                       false, pool, NULL, users[i], items[i], &error),
                         FERRY_OK);
        ferry_pool_close(pool);
    }
    assert_memory_equal(users[0], users[1], sizeof users[0]); /* three threads */
    assert_memory_equal(items[0], items[2], sizeof items[0]); /* other kernels */
    assert_true(memcmp(users[0], users[3], sizeof users[0]) != 0);
    golden_tensors_close(&golden);
}

static void als_says_what_it_cannot(void **state)
{
    (void)state;
    const uint32_t start[] = {0, 1}, item[] = {0};
    float value[] = {NAN}, users[2], items[2];
    ferry_sparse events = {1, 1, start, item, value};
    ferry_als_options options = FERRY_ALS_DEFAULTS;
    ferry_error error;
    options.factors = 2;
    assert_int_equal(
        ferry_als_fit(kernels, &events, &options, false, NULL, NULL, users, items, &error),
        FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "event 0 weighs nan"));
    value[0] = 1.0f;
    options.lambda = 0.0f;
    assert_int_equal(
        ferry_als_fit(kernels, &events, &options, false, NULL, NULL, users, items, &error),
        FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "lambda is 0"));
    options = FERRY_ALS_DEFAULTS;
    options.factors = 2;
    users[0] = INFINITY, items[0] = NAN, items[1] = users[1] = 0;
    assert_int_equal(
        ferry_als_fit(kernels, &events, &options, true, NULL, NULL, users, items, &error),
        FERRY_UNSUPPORTED);
}

static void ridge_is_numpys(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    size_t xs[2], ys[2];
    const float *x = golden_tensor(&golden, "ridge.x", xs),
                *y = golden_tensor(&golden, "ridge.y", ys);
    float map[7 * 4], out[4], expected[4];
    ferry_error error;
    assert_int_equal(sizeof map / sizeof *map, (xs[1] + 1) * ys[1]);
    assert_int_equal(ferry_ridge_fit(x, y, xs[0], xs[1], ys[1], 2.5f, NULL, map, &error), FERRY_OK);
    assert_near(map, golden_tensor(&golden, "ridge.map", NULL), 7 * 4, 1e-6, "map");
    ferry_ridge_apply(map, 6, 4, x, out);
    for (size_t k = 0; k < 4; k++) {
        double sum = (double)map[6 * 4 + k];
        for (size_t i = 0; i < 6; i++) sum += (double)x[i] * (double)map[i * 4 + k];
        expected[k] = (float)sum;
    }
    assert_near(out, expected, 4, 1e-6, "apply");
    assert_int_equal(ferry_ridge_fit(x, y, xs[0], 6, 4, 0.0f, NULL, map, &error),
                     FERRY_INVALID_ARGUMENT);
    golden_tensors_close(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_implicits), cmocka_unit_test(folding_in),
        cmocka_unit_test(the_seed_decides),      cmocka_unit_test(als_says_what_it_cannot),
        cmocka_unit_test(ridge_is_numpys),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
