/* Every allocation of the scorers' making is failed once: the status says so, nothing leaks. */
#include "golden_tensors.h"

#include "failing.h"
#include "recsys/als.h"
#include "recsys/neighbors.h"
#include "recsys/ridge.h"
#include "recsys/tfidf.h"
#include "recsys/whiten.h"
#include "train/profile_map.h"

enum { N = 25, M = 18, F = 8 };

static ferry_status make_sequence(void *golden, const ferry_allocator *allocator,
                                  ferry_error *error)
{
    ferry_neighbors neighbors;
    ferry_sparse users = golden_rows(golden, "target", N);
    FERRY_TRY(
        ferry_neighbors_sequence(&users, &FERRY_SEQUENCE_DEFAULTS, allocator, &neighbors, error));
    ferry_neighbors_free(&neighbors);
    return FERRY_OK;
}

static ferry_status make_across(void *golden, const ferry_allocator *allocator, ferry_error *error)
{
    ferry_neighbors neighbors;
    ferry_sparse source = golden_rows(golden, "source", M),
                 target = golden_rows(golden, "target", N);
    FERRY_TRY(ferry_neighbors_across(&source, &target, 3.0f, allocator, &neighbors, error));
    ferry_neighbors_free(&neighbors);
    return FERRY_OK;
}

static ferry_status make_als(void *golden, const ferry_allocator *allocator, ferry_error *error)
{
    float users[30 * F], items[N * F];
    ferry_sparse events = golden_rows(golden, "als.events", N);
    ferry_als_options options = FERRY_ALS_DEFAULTS;
    options.factors = F;
    options.iterations = 2;
    FERRY_TRY(ferry_als_fit(&ferry_kernels_scalar, &events, &options, false, NULL, allocator, users,
                            items, error));
    ferry_als_side side;
    ferry_arena arena;
    ferry_arena_init(&arena, *allocator);
    ferry_status status = ferry_als_side_init(&ferry_kernels_scalar, items, N, F, 19.0f, 0.05f,
                                              NULL, &arena, &side, error);
    ferry_arena_free(&arena);
    return status;
}

static ferry_status make_ridge(void *golden, const ferry_allocator *allocator, ferry_error *error)
{
    float map[7 * 4];
    return ferry_ridge_fit(golden_tensor(golden, "ridge.x", NULL),
                           golden_tensor(golden, "ridge.y", NULL), 40, 6, 4, 1.0f, allocator, map,
                           error);
}

static ferry_status make_whitening(void *golden, const ferry_allocator *allocator,
                                   ferry_error *error)
{
    const float *x = golden_tensor(golden, "whiten.x", NULL);
    const size_t rows = 60;
    ferry_whiten whiten;
    ferry_arena arena;
    float out[60 * 5];
    ferry_arena_init(&arena, *allocator);
    ferry_status status =
        ferry_whiten_fit(&ferry_kernels_scalar, &x, &rows, 1, 12, 5, 0.25f, &arena, &whiten, error);
    if (status == FERRY_OK)
        status = ferry_whiten_apply(&ferry_kernels_scalar, &whiten, x, rows, true, out, allocator,
                                    error);
    ferry_arena_free(&arena);
    return status;
}

static ferry_status make_words(void *golden, const ferry_allocator *allocator, ferry_error *error)
{
    (void)golden;
    static const char *const tags[] = {"Hair care", "care"};
    const ferry_item items[3] = {
        {.title = "red hair oil", .author = "Acme", .tags = tags, .tag_count = 2},
        {.title = "hair oil", .author = "", .tags = tags, .tag_count = 1},
        {.title = "", .author = "acme"}};
    ferry_tfidf words, authors;
    unsigned all = FERRY_TERMS_TITLE | FERRY_TERMS_TAGS | FERRY_TERMS_AUTHOR;
    FERRY_TRY(ferry_tfidf_create(items, 3, all, allocator, &words, error));
    ferry_status status = ferry_tfidf_authors(items, 3, allocator, &authors, error);
    if (status == FERRY_OK) ferry_tfidf_free(&authors);
    ferry_tfidf_free(&words);
    return status;
}

static ferry_status make_map(void *golden, const ferry_allocator *allocator, ferry_error *error)
{
    size_t shape[2];
    ferry_profile_data data = {.profiles = golden_tensor(golden, "map.profiles", shape),
                               .targets = golden_rows(golden, "target", N),
                               .items = golden_tensor(golden, "map.items", NULL),
                               .prior = golden_tensor(golden, "map.prior", NULL)};
    ferry_profile_map_options options = FERRY_PROFILE_MAP_DEFAULTS;
    float block[500];
    ferry_profile_map map = {.block = block};
    data.N = shape[1];
    options.rank = 3;
    options.epochs = 1;
    assert_true(ferry_profile_map_size(data.N, 3) <= 500);
    return ferry_profile_map_fit(&ferry_kernels_scalar, &data, &options, NULL, allocator, &map,
                                 error);
}

static void check(failing_work make)
{
    golden_tensors golden;
    golden_tensors_open(&golden, "scorers.safetensors");
    assert_true(fail_each(make, &golden) > 0);
    golden_tensors_close(&golden);
}

#define MEMORY_TEST(name)          \
    static void name(void **state) \
    {                              \
        (void)state;               \
        check(make_##name);        \
    }
MEMORY_TEST(sequence)
MEMORY_TEST(across)
MEMORY_TEST(als)
MEMORY_TEST(ridge)
MEMORY_TEST(whitening)
MEMORY_TEST(words)
MEMORY_TEST(map)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence), cmocka_unit_test(across),    cmocka_unit_test(als),
        cmocka_unit_test(ridge),    cmocka_unit_test(whitening), cmocka_unit_test(words),
        cmocka_unit_test(map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
