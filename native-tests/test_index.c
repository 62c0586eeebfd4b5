#define _XOPEN_SOURCE 700 /* mkdtemp */
/* An index against brute force: what it finds, whatever came and went, in every variant and with
 * any number of threads; its file; what it refuses. */
#include "failing.h"
#include "small_catalog.h"

#include <math.h>

#include "base/memory.h"
#include "input/safetensors.h"
#include "math/kernels.h"
#include "rank/index.h"

enum { K = 13, ROWS = 9000 /* three chunks */, QUERIES = 70 /* two rounds */, MOST = 40 };

static uint32_t random_state = 7;

static float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state / 2147483648.0f;
}

/* Few different vectors, so that there are ties; ids in no order. */
static float vectors[ROWS][K], queries[QUERIES][K];
static uint64_t ids[ROWS];

static void fill(void)
{
    random_state = 7;
    for (size_t i = 0; i < ROWS; i++) {
        ids[i] = (i * 7919 % ROWS) << 33;
        for (size_t k = 0; k < K; k++)
            vectors[i][k] = i % 5 == 4 ? vectors[i - 3][k] : random_float();
    }
    memset(vectors[17], 0, sizeof vectors[17]);
    for (size_t i = 0; i < QUERIES; i++)
        for (size_t k = 0; k < K; k++) queries[i][k] = i == 3 ? 0.0f : random_float();
}

static ferry_index *make(const char *kernels, size_t threads, bool signs)
{
    ferry_index_options options = {
        .size = sizeof options, .kernels = kernels, .threads = threads, .signs = signs};
    ferry_index *index;
    assert_int_equal(ferry_index_create(K, &options, &index, NULL), FERRY_OK);
    index->chunk_shift = 12; /* so that there are several */
    return index;
}

/* ---- brute force ---- */

typedef struct scored {
    uint64_t id;
    float score;
    int distance;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static int by_distance(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* The definition: round(x / scale) of both, an integer sum, two products. */
static float quantise(const float *x, int q[K])
{
    float most = 0;
    for (size_t k = 0; k < K; k++) most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
    for (size_t k = 0; k < K; k++) q[k] = most > 0 ? (int)rintf(x[k] * (127.0f / most)) : 0;
    return most / 127.0f;
}

/* All present rows for query t, best first, or nearest by signs first. */
static size_t brute(size_t t, const bool *present, scored out[ROWS], size_t candidates)
{
    size_t count = 0;
    int q[K], row[K];
    float query_scale = quantise(queries[t], q);
    for (size_t i = 0; i < ROWS; i++) {
        if (present != NULL && !present[i]) continue;
        float scale = quantise(vectors[i], row);
        int sum = 0, distance = 0;
        for (size_t k = 0; k < K; k++) sum += q[k] * row[k], distance += (q[k] < 0) != (row[k] < 0);
        out[count++] = (scored){ids[i], (float)sum * scale * query_scale, distance};
    }
    if (candidates > 0) {
        qsort(out, count, sizeof *out, by_distance);
        count = candidates < count ? candidates : count;
    }
    qsort(out, count, sizeof *out, by_score);
    return count;
}

static void check_search(ferry_index *index, const bool *present, size_t count, size_t k,
                         size_t candidates)
{
    static uint64_t found[QUERIES * MOST];
    static float scores[QUERIES * MOST];
    static scored all[ROWS];
    ferry_search_options options = {.size = sizeof options, .k = k, .candidates = candidates};
    size_t written;
    assert_int_equal(
        ferry_index_search(index, &queries[0][0], count, &options, found, scores, &written, NULL),
        FERRY_OK);
    for (size_t t = 0; t < count; t += count > 9 ? 9 : 1) {
        size_t there = brute(t, present, all, candidates);
        assert_int_equal(written, k < there ? k : there);
        for (size_t i = 0; i < written; i++) {
            if (found[t * k + i] != all[i].id || scores[t * k + i] != all[i].score)
                fail_msg("query %zu, place %zu: id %llu score %a, expected %llu %a", t, i,
                         (unsigned long long)found[t * k + i], (double)scores[t * k + i],
                         (unsigned long long)all[i].id, (double)all[i].score);
        }
    }
}

static void finds_what_brute_force_finds(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t variant_count = ferry_kernels_available(variants, 8);
    fill();
    for (size_t v = 0; v < variant_count; v++) {
        for (size_t threads = 1; threads <= 3; threads += 2) {
            ferry_index *index = make(variants[v]->name, threads, true);
            assert_int_equal(ferry_index_add(index, ids, &vectors[0][0], ROWS, NULL), FERRY_OK);
            check_search(index, NULL, QUERIES, 10, 0);
            check_search(index, NULL, 1, MOST, 0);
            check_search(index, NULL, QUERIES, 10, 200);
            check_search(index, NULL, 5, 1, 0); /* smaller than what there is scratch for */
            ferry_index_close(index);
        }
    }
}

/* Added, replaced and removed in parts: the same as if it had been made of what is left. */
static void follows_what_comes_and_goes(void **state)
{
    (void)state;
    static bool present[ROWS];
    ferry_index *index = make(NULL, 2, true);
    fill();
    memset(present, 0, sizeof present);
    for (size_t turn = 0, at = 0; turn < 40; turn++) {
        for (size_t n = 0; n < 500; n++, at = (at + 4001) % ROWS) {
            if (present[at]) {
                assert_int_equal(ferry_index_remove(index, &ids[at], 1, NULL), FERRY_OK);
            } else { /* something else first, then what it should be */
                assert_int_equal(ferry_index_add(index, &ids[at], queries[n % QUERIES], 1, NULL),
                                 FERRY_OK);
                assert_int_equal(ferry_index_replace(index, &ids[at], vectors[at], 1, NULL),
                                 FERRY_OK);
            }
            present[at] = !present[at];
        }
        size_t there = 0;
        for (size_t i = 0; i < ROWS; i++) {
            there += present[i];
            assert_int_equal(ferry_index_contains(index, ids[i]), present[i]);
        }
        assert_int_equal(ferry_index_count(index), there);
        if (turn % 8 == 7) {
            check_search(index, present, 4, 10, 0);
            check_search(index, present, 4, 10, 50);
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        if (present[i]) assert_int_equal(ferry_index_remove(index, &ids[i], 1, NULL), FERRY_OK);
    memset(present, 0, sizeof present);
    check_search(index, present, 2, 3, 0);
    ferry_index_close(index);
}

static void few_vectors(void **state)
{
    (void)state;
    static bool present[ROWS];
    fill();
    for (size_t n = 1; n <= 40; n += 3) {
        ferry_index *index = make(NULL, 1, true);
        memset(present, 0, sizeof present);
        for (size_t i = 0; i < n; i++) present[i] = true;
        assert_int_equal(ferry_index_add(index, ids, &vectors[0][0], n, NULL), FERRY_OK);
        check_search(index, present, 3, MOST, 0); /* more than there are */
        check_search(index, present, 3, 5, 10);
        ferry_index_close(index);
    }
}

/* ---- files ---- */

static bool append(void *buffer, const void *data, size_t size)
{
    return ferry_buffer_append(buffer, data, size);
}

static ferry_buffer saved(const ferry_index *index)
{
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_index_save(index, append, &bytes, NULL), FERRY_OK);
    return bytes;
}

static bool refuse(void *user, const void *data, size_t size)
{
    size_t *left = user;
    (void)data;
    if (*left < size) return false;
    *left -= size;
    return true;
}

static void saves_and_loads(void **state)
{
    (void)state;
    fill();
    ferry_index *index = make(NULL, 1, false), *again, *from_disk;
    assert_int_equal(ferry_index_add(index, ids, &vectors[0][0], ROWS, NULL), FERRY_OK);
    ferry_buffer bytes = saved(index);
    ferry_file file = {"index.safetensors", bytes.data, bytes.size};
    ferry_index_options options = {.size = sizeof options, .signs = true, .threads = 2};
    assert_int_equal(ferry_index_load(&file, &options, &again, NULL), FERRY_OK);
    assert_int_equal(ferry_index_count(again), ROWS);
    assert_int_equal(ferry_index_dimension(again), K);
    check_search(again, NULL, QUERIES, 10, 0);
    check_search(again, NULL, 4, 10, 100);
    ferry_buffer twice = saved(again);
    assert_int_equal(bytes.size, twice.size);
    assert_memory_equal(bytes.data, twice.data, bytes.size);
    char folder[] = "/tmp/ferry-test-XXXXXX", path[64];
    ferry_error error;
    snprintf(path, sizeof path, "%s/index.safetensors", mkdtemp(folder));
    assert_int_equal(ferry_index_save_file(index, path, NULL), FERRY_OK);
    assert_int_equal(ferry_index_load_file(path, NULL, &from_disk, NULL), FERRY_OK);
    check_search(from_disk, NULL, 4, 10, 0);
    remove(path);
    remove(folder);
    assert_int_equal(ferry_index_save_file(index, path, &error), FERRY_IO);
    assert_non_null(strstr(error.message, path));
    ferry_index *none;
    assert_int_equal(ferry_index_load_file(path, NULL, &none, &error), FERRY_IO);
    assert_null(none);
    for (size_t left = 0; left < bytes.size; left += bytes.size / 7) {
        size_t room = left;
        assert_int_equal(ferry_index_save(index, refuse, &room, &error), FERRY_IO);
    }
    for (size_t size = 0; size < bytes.size; size += bytes.size / 50) {
        ferry_file cut = {"cut.safetensors", bytes.data, size};
        assert_int_equal(ferry_index_load(&cut, NULL, &none, &error), FERRY_MALFORMED);
    }
    ferry_index_close(index), ferry_index_close(again), ferry_index_close(from_disk);
    ferry_buffer_free(&bytes), ferry_buffer_free(&twice);
}

/* A file of two vectors, one thing wrong with it. */
static void refuses_file(int wrong, ferry_status status, const char *message)
{
    int8_t rows[2][4] = {{1, 2, 3, 4}, {127, -127, 0, (int8_t)(wrong == 1 ? -128 : 5)}};
    float scale[2] = {0.5f, wrong == 2 ? -1.0f : wrong == 3 ? NAN : wrong == 4 ? 1e30f : 1.0f};
    uint64_t numbers[2] = {4, wrong == 5 ? 4 : UINT64_MAX};
    ferry_tensor tensors[] = {{.name = "ids",
                               .dtype = wrong == 6 ? FERRY_I64 : FERRY_U64,
                               .rank = 1,
                               .shape = {2},
                               .count = 2,
                               .data = numbers,
                               .size = sizeof numbers},
                              {.name = "scale",
                               .dtype = FERRY_F32,
                               .rank = 1,
                               .shape = {2},
                               .count = 2,
                               .data = scale,
                               .size = sizeof scale},
                              {.name = wrong == 7 ? "rows" : "vectors",
                               .dtype = wrong == 8 ? FERRY_U8 : FERRY_I8,
                               .rank = 2,
                               .shape = {2, 4},
                               .count = 8,
                               .data = rows,
                               .size = sizeof rows}};
    if (wrong == 11) tensors[2].shape[0] = 8, tensors[2].shape[1] = 1;
    ferry_safetensors_pair about[] = {{"format", wrong == 9 ? "other" : "ferry-index"},
                                      {"version", wrong == 10 ? "2" : "1"}};
    ferry_buffer bytes;
    ferry_index *index;
    ferry_error error = {0};
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_write(tensors, 3, about, 2, &bytes, NULL), FERRY_OK);
    ferry_file file = {"bad.safetensors", bytes.data, bytes.size};
    assert_int_equal(ferry_index_load(&file, NULL, &index, &error), status);
    if (status == FERRY_OK)
        assert_true(ferry_index_contains(index, UINT64_MAX));
    else
        assert_null(index);
    if (strstr(error.message, message) == NULL) fail_msg("%s", error.message);
    ferry_index_close(index);
    ferry_buffer_free(&bytes);
}

static void refuses_bad_files(void **state)
{
    (void)state;
    refuses_file(0, FERRY_OK, "");
    refuses_file(1, FERRY_MALFORMED, "vector 1 has -128");
    refuses_file(2, FERRY_MALFORMED, "the scale of vector 1 is -1");
    refuses_file(3, FERRY_MALFORMED, "the scale of vector 1 is");
    refuses_file(4, FERRY_MALFORMED, "the scale of vector 1 is 1e+30");
    refuses_file(5, FERRY_MALFORMED, "id 4 is there twice");
    refuses_file(6, FERRY_MALFORMED, "\"ids\" is I64");
    refuses_file(7, FERRY_MALFORMED, "no tensor \"vectors\"");
    refuses_file(8, FERRY_MALFORMED, "\"vectors\" is U8 of rank 2");
    refuses_file(9, FERRY_MALFORMED, "does not say format \"ferry-index\"");
    refuses_file(10, FERRY_UNSUPPORTED, "version \"2\", expected \"1\"");
    refuses_file(11, FERRY_MALFORMED, "expected F32 [8]");
}

/* ---- refusals ---- */

static void refuses(void **state)
{
    (void)state;
    ferry_error error;
    ferry_index *index, *none;
    fill();
    assert_int_equal(ferry_index_create(0, NULL, &none, &error), FERRY_INVALID_ARGUMENT);
    assert_null(none);
    assert_int_equal(ferry_index_create(65537, NULL, &none, &error), FERRY_INVALID_ARGUMENT);
    index = make(NULL, 1, false);
    uint64_t some[] = {5, 6, 5};
    /* all or nothing */
    assert_int_equal(ferry_index_add(index, some, &vectors[0][0], 3, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_string_equal(error.message, "id 5 is given twice");
    assert_int_equal(ferry_index_count(index), 0);
    assert_int_equal(ferry_index_add(index, some, &vectors[0][0], 2, &error), FERRY_OK);
    uint64_t more[] = {7, 6};
    assert_int_equal(ferry_index_add(index, more, &vectors[0][0], 2, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_string_equal(error.message, "id 6 is in the index already");
    assert_int_equal(ferry_index_count(index), 2);
    assert_false(ferry_index_contains(index, 7));
    assert_int_equal(ferry_index_remove(index, more, 2, &error), FERRY_NOT_FOUND);
    assert_string_equal(error.message, "no id 7 in the index of 2 vectors");
    assert_int_equal(ferry_index_replace(index, more, &vectors[0][0], 2, &error), FERRY_NOT_FOUND);
    assert_int_equal(ferry_index_count(index), 2);
    float bad[2][K];
    const float wrong[] = {NAN, INFINITY, -INFINITY, 2e15f};
    for (size_t i = 0; i < 4; i++) {
        memcpy(bad, vectors, sizeof bad);
        bad[1][2] = wrong[i];
        assert_int_equal(ferry_index_add(index, more, &bad[0][0], 2, &error),
                         FERRY_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "vector 1: number 2 is "));
    }
    ferry_search_options options = {.size = sizeof options, .k = 1};
    uint64_t found;
    float score;
    size_t count;
    assert_int_equal(ferry_index_search(index, bad[1], 1, &options, &found, &score, &count, &error),
                     FERRY_INVALID_ARGUMENT);
    options.k = 0;
    assert_int_equal(ferry_index_search(index, bad[0], 1, &options, &found, &score, &count, &error),
                     FERRY_INVALID_ARGUMENT);
    options = (ferry_search_options){.size = sizeof options, .k = 1, .candidates = 2};
    assert_int_equal(ferry_index_search(index, bad[0], 1, &options, &found, &score, &count, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "made without signs"));
    /* the largest there is gives finite scores */
    for (size_t k = 0; k < K; k++) bad[0][k] = 1e15f;
    assert_int_equal(ferry_index_add(index, more, &bad[0][0], 1, &error), FERRY_OK);
    options.candidates = 0;
    assert_int_equal(ferry_index_search(index, bad[0], 1, &options, &found, &score, &count, &error),
                     FERRY_OK);
    assert_int_equal(found, 7);
    assert_true(isfinite(score));
    ferry_index_close(index);
}

/* ---- a catalogue's nearest ---- */

static void nearest_items(void **state)
{
    (void)state;
    small_catalog files;
    small_catalog_make(&files);
    ferry_catalog *catalog;
    ferry_error error;
    assert_int_equal(ferry_catalog_open(files.files, SMALL_FILES, NULL, &catalog, &error),
                     FERRY_OK);
    const float *all = ferry_catalog_vectors(catalog);
    assert_memory_equal(all, small_vectors, sizeof small_vectors);
    ferry_nearest_options options = {.size = sizeof options, .k = 4};
    ferry_recommendation out[SMALL_ITEMS + 1];
    size_t count;
    /* b1 and b2 are alike, and so are f1 and f2: by domain and id, not by place */
    assert_int_equal(ferry_catalog_nearest(catalog, all, &options, out, &count, &error), FERRY_OK);
    assert_int_equal(count, 4);
    const size_t expected[] = {1, 0, 4, 3};
    for (size_t i = 0; i < 4; i++) assert_int_equal(out[i].item, expected[i]);
    assert_true(out[0].score == 1.0f && out[2].score == 0.8f && out[3].score == 0.6f);
    const char *songs[] = {"songs"}, *cars[] = {"cars"};
    options = (ferry_nearest_options){
        .size = sizeof options, .k = SMALL_ITEMS + 1, .domains = songs, .domain_count = 1};
    const float up[] = {0, 0, 1};
    assert_int_equal(ferry_catalog_nearest(catalog, up, &options, out, &count, &error), FERRY_OK);
    assert_int_equal(count, 2);
    assert_true(out[0].item == 6 && out[1].item == 7 && out[1].score == -1.0f);
    options.domains = cars;
    assert_int_equal(ferry_catalog_nearest(catalog, up, &options, out, &count, &error),
                     FERRY_NOT_FOUND);
    options = (ferry_nearest_options){.size = sizeof options};
    assert_int_equal(ferry_catalog_nearest(catalog, up, &options, out, &count, &error),
                     FERRY_INVALID_ARGUMENT);
    ferry_catalog_close(catalog);
    small_catalog_free(&files);
}

static void allocations_fail(void **state)
{
    (void)state;
    fill();
    bool done = false;
    for (size_t left = 0; !done; left++) {
        failing counter;
        ferry_allocator allocator = failing_allocator(&counter, left);
        ferry_index_options options = {
            .size = sizeof options, .allocator = &allocator, .signs = true, .threads = 2};
        ferry_search_options wanted = {.size = sizeof wanted, .k = 3, .candidates = 20};
        ferry_index *index = NULL;
        uint64_t found[3];
        size_t count = 0;
        ferry_status status = ferry_index_create(K, &options, &index, NULL);
        if (status == FERRY_OK) status = ferry_index_add(index, ids, &vectors[0][0], 5000, NULL);
        if (status == FERRY_OK)
            status = ferry_index_search(index, queries[0], 1, &wanted, found, NULL, &count, NULL);
        if (status == FERRY_OK) {
            size_t room = SIZE_MAX;
            status = ferry_index_save(index, refuse, &room, NULL);
        } else {
            assert_int_equal(status, FERRY_OUT_OF_MEMORY);
            if (index != NULL) { /* it goes on working */
                counter.left = SIZE_MAX;
                size_t before = ferry_index_count(index);
                assert_true(before == 0 || before == 5000);
                if (before == 0)
                    assert_int_equal(ferry_index_add(index, ids, &vectors[0][0], 5000, NULL),
                                     FERRY_OK);
                assert_int_equal(
                    ferry_index_search(index, queries[0], 1, &wanted, found, NULL, &count, NULL),
                    FERRY_OK);
                assert_int_equal(count, 3);
            }
        }
        if (status != FERRY_OK) assert_int_equal(status, FERRY_OUT_OF_MEMORY);
        done = status == FERRY_OK;
        if (index != NULL) assert_true(ferry_index_memory(index) <= counter.live);
        ferry_index_close(index);
        assert_int_equal(counter.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_brute_force_finds),
        cmocka_unit_test(follows_what_comes_and_goes),
        cmocka_unit_test(few_vectors),
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(refuses),
        cmocka_unit_test(nearest_items),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
