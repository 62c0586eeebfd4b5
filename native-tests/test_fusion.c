/* Fusion: outputs and gradients against torch, learning, missing inputs, files. */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "failing.h"
#include "golden_tensors.h"
#include "train/fuse.h"

static void compare(golden_tensors *golden, const char *kind, const ferry_kernels *kernels)
{
    char name[64];
    size_t sizes[2], rows;
    ferry_error error;
    ferry_fusion_shape shape = {.N = 0};
    const float *x[FERRY_FUSION_INPUTS];
    assert_int_equal(ferry_fusion_kind_of(kind, &shape.kind, &error), FERRY_OK);
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        snprintf(name, sizeof name, "%s.x%zu", kind, m);
        x[m] = golden_tensor(golden, name, sizes);
        shape.K[m] = sizes[1];
    }
    rows = sizes[0];
    snprintf(name, sizeof name, "%s.y", kind);
    const float *expected = golden_tensor(golden, name, sizes);
    shape.N = sizes[1];
    snprintf(name, sizeof name, "%s.has", kind);
    size_t count;
    const uint32_t *whole = golden_whole(golden, name, &count);
    unsigned char has[16];
    for (size_t t = 0; t < rows; t++) has[t] = (unsigned char)whole[t];

    ferry_fusion fusion = {.kernels = kernels};
    ferry_fusion_saved saved;
    ferry_arena_init(&fusion.arena, ferry_allocator_or_default(NULL));
    snprintf(name, sizeof name, "%s.parameters", kind);
    const float *parameters = golden_tensor(golden, name, sizes);
    assert_int_equal(ferry_fusion_check(&shape, &error), FERRY_OK);
    assert_int_equal(ferry_fusion_init(&fusion, &shape, parameters, &error), FERRY_OK);
    assert_int_equal(fusion.layout.size, sizes[1]);
    assert_true(ferry_fusion_saved_init(&shape, rows, &fusion.arena, &saved));
    float *y = calloc(rows, shape.N * sizeof *y), *dy = calloc(rows, shape.N * sizeof *dy);
    float *dp = calloc(rows, shape.N * sizeof *dp), *g = calloc(fusion.layout.size, sizeof *g);
    ferry_fusion_forward(&fusion, NULL, x, has, rows, &saved, y);
    assert_near(y, expected, rows * shape.N, 2e-6, kind);
    snprintf(name, sizeof name, "%s.dy", kind);
    memcpy(dy, golden_tensor(golden, name, NULL), rows * shape.N * sizeof *dy);
    ferry_fusion_backward(&fusion, NULL, x, has, rows, &saved, y, dy, dp, g);
    snprintf(name, sizeof name, "%s.gradients", kind);
    assert_near(g, golden_tensor(golden, name, NULL), fusion.layout.size, 4e-6, name);
    free(y);
    free(dy);
    free(dp);
    free(g);
    ferry_arena_free(&fusion.arena);
}

static void test_goldens(void **state)
{
    (void)state;
    golden_tensors golden;
    const ferry_kernels *kernels[8];
    size_t variants = ferry_kernels_available(kernels, 8);
    golden_tensors_open(&golden, "align.safetensors");
    for (size_t k = 0; k < variants; k++) {
        compare(&golden, "concat", kernels[k]);
        compare(&golden, "gated", kernels[k]);
        compare(&golden, "project", kernels[k]);
    }
    golden_tensors_close(&golden);
}

/* ---- learning ---- */

enum { ITEMS = 90, TEXT = 12, IMAGE = 20, AUDIO = 8, FROM = 5 };

/* Three views of FROM hidden numbers; some items lack some. */
typedef struct example {
    float text[ITEMS * TEXT], image[ITEMS * IMAGE], audio[ITEMS * AUDIO];
    unsigned char has[ITEMS];
    ferry_fusion_data data;
} example;

static void see(ferry_random *random, const float *hidden, float *out, size_t K, unsigned bit,
                const unsigned char *has)
{
    float map[FROM * IMAGE];
    for (size_t i = 0; i < FROM * K; i++) map[i] = ferry_random_normal(random);
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t k = 0; k < K; k++) {
            float sum = 3.0f + 0.1f * ferry_random_normal(random);
            for (size_t j = 0; j < FROM; j++) sum = sum + hidden[i * FROM + j] * map[j * K + k];
            out[i * K + k] = has[i] & bit ? sum : 0.0f;
        }
    }
}

static void make_example(example *e)
{
    ferry_random random;
    float hidden[ITEMS * FROM];
    ferry_random_seed(&random, 9, 0);
    for (size_t i = 0; i < ITEMS * FROM; i++) hidden[i] = ferry_random_normal(&random);
    for (size_t i = 0; i < ITEMS; i++) e->has[i] = (unsigned char)(i < 60 ? 7 : i % 8);
    see(&random, hidden, e->text, TEXT, 1, e->has);
    see(&random, hidden, e->image, IMAGE, 2, e->has);
    see(&random, hidden, e->audio, AUDIO, 4, e->has);
    e->data = (ferry_fusion_data){
        .count = ITEMS, .x = {e->text, e->image, e->audio}, .dimension = {TEXT, IMAGE, AUDIO}};
}

static ferry_fusion *learn(const example *e, ferry_fusion_kind kind, const char *kernels,
                           size_t threads, size_t epochs)
{
    ferry_fusion *fusion;
    ferry_error error;
    ferry_fusion_options options = {.size = sizeof options,
                                    .kind = kind,
                                    .dimension = kind == FERRY_FUSION_PROJECT ? TEXT : 16,
                                    .kernels = kernels,
                                    .threads = threads,
                                    .batch = 32,
                                    .epochs = epochs,
                                    .learning_rate = 1e-2};
    if (ferry_fusion_learn(&e->data, &options, &fusion, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return fusion;
}

/* Of the first 60 items, how many find themselves by text alone among the pictures alone. */
static size_t found(const ferry_fusion *fusion, const example *e)
{
    static const float none[ITEMS * IMAGE];
    size_t N = ferry_fusion_dimension(fusion), right = 0;
    float *a = malloc(ITEMS * N * sizeof *a), *b = malloc(ITEMS * N * sizeof *b);
    unsigned char used[ITEMS];
    ferry_fusion_data texts = e->data, images = e->data;
    texts.count = images.count = 60;
    texts.x[1] = texts.x[2] = images.x[0] = images.x[2] = none;
    assert_int_equal(ferry_fusion_apply(fusion, &texts, a, used, NULL), FERRY_OK);
    assert_int_equal(used[0], 1);
    assert_int_equal(ferry_fusion_apply(fusion, &images, b, used, NULL), FERRY_OK);
    assert_int_equal(used[0], 2);
    for (size_t i = 0; i < 60; i++) {
        size_t best = 0;
        double most = -2;
        for (size_t j = 0; j < 60; j++) {
            double sum = 0;
            for (size_t n = 0; n < N; n++) sum += (double)a[i * N + n] * (double)b[j * N + n];
            if (sum > most) best = j;
            most = sum > most ? sum : most;
        }
        right += best == i;
    }
    free(a);
    free(b);
    return right;
}

static void test_learning(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    for (int kind = 0; kind < FERRY_FUSION_COUNT; kind++) {
        ferry_fusion *fusion = learn(&e, (ferry_fusion_kind)kind, NULL, 1, 60);
        size_t N = ferry_fusion_dimension(fusion), right = found(fusion, &e);
        print_message("%s: %zu of 60\n", ferry_fusion_kind_name((ferry_fusion_kind)kind), right);
        assert_true(right > 30); /* by chance: 1 */
        float *out = malloc(ITEMS * N * sizeof *out);
        unsigned char used[ITEMS];
        assert_int_equal(ferry_fusion_apply(fusion, &e.data, out, used, NULL), FERRY_OK);
        assert_memory_equal(used, e.has, ITEMS);
        for (size_t i = 0; i < ITEMS; i++) {
            double square = 0;
            for (size_t n = 0; n < N; n++)
                square += (double)out[i * N + n] * (double)out[i * N + n];
            assert_float_equal(square, e.has[i] != 0 ? 1.0 : 0.0, 1e-5);
        }
        free(out);
        ferry_fusion_close(fusion);
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    example e;
    const ferry_kernels *kernels[8];
    size_t variants = ferry_kernels_available(kernels, 8);
    make_example(&e);
    for (int kind = 0; kind < FERRY_FUSION_COUNT; kind++) {
        uint64_t first = 0;
        for (size_t k = 0; k < variants * 2; k++) {
            ferry_fusion *fusion =
                learn(&e, (ferry_fusion_kind)kind, kernels[k / 2]->name, 1 + k % 2 * 2, 5);
            uint64_t hash =
                fnv1a(fusion->parameters, fusion->layout.size * sizeof *fusion->parameters);
            if (k == 0) first = hash;
            assert_true(hash == first);
            ferry_fusion_close(fusion);
        }
    }
}

static void test_files(void **state)
{
    (void)state;
    example e;
    ferry_error error;
    make_example(&e);
    for (int kind = 0; kind < FERRY_FUSION_COUNT; kind++) {
        ferry_fusion *fusion = learn(&e, (ferry_fusion_kind)kind, NULL, 1, 3), *again;
        size_t N = ferry_fusion_dimension(fusion);
        ferry_buffer json, tensors;
        ferry_buffer_init(&json, ferry_allocator_or_default(NULL));
        ferry_buffer_init(&tensors, ferry_allocator_or_default(NULL));
        assert_int_equal(ferry_fusion_write_json(fusion, &json, NULL), FERRY_OK);
        assert_int_equal(ferry_fusion_write_tensors(fusion, &tensors, NULL), FERRY_OK);
        ferry_file files[2] = {{FERRY_FUSION_JSON, json.data, json.size},
                               {FERRY_FUSION_TENSORS, tensors.data, tensors.size}};
        assert_int_equal(ferry_fusion_open(files, 2, NULL, &again, &error), FERRY_OK);
        float *out[2] = {malloc(ITEMS * N * sizeof(float)), malloc(ITEMS * N * sizeof(float))};
        assert_int_equal(ferry_fusion_apply(fusion, &e.data, out[0], NULL, NULL), FERRY_OK);
        assert_int_equal(ferry_fusion_apply(again, &e.data, out[1], NULL, NULL), FERRY_OK);
        assert_memory_equal(out[0], out[1], ITEMS * N * sizeof(float));
        free(out[0]);
        free(out[1]);
        ferry_fusion_close(again);
        for (size_t size = 0; size < tensors.size; size += 499) {
            files[1].size = size;
            assert_int_equal(ferry_fusion_open(files, 2, NULL, &again, &error), FERRY_MALFORMED);
            assert_null(again);
        }
        ferry_fusion_close(fusion);
        ferry_buffer_free(&json);
        ferry_buffer_free(&tensors);
    }
}

static ferry_status learn_and_use(void *user, const ferry_allocator *allocator, ferry_error *error)
{
    const example *e = user;
    ferry_fusion *fusion, *again;
    ferry_buffer json, tensors;
    ferry_fusion_options options = {.size = sizeof options,
                                    .allocator = allocator,
                                    .kind = FERRY_FUSION_GATED,
                                    .dimension = 16,
                                    .epochs = 1};
    ferry_catalog_options open = {.size = sizeof open, .allocator = allocator};
    float out[ITEMS * 16];
    ferry_status status = ferry_fusion_learn(&e->data, &options, &fusion, error);
    ferry_buffer_init(&json, *allocator);
    ferry_buffer_init(&tensors, *allocator);
    if (status == FERRY_OK) status = ferry_fusion_write_json(fusion, &json, error);
    if (status == FERRY_OK) status = ferry_fusion_write_tensors(fusion, &tensors, error);
    ferry_fusion_close(fusion);
    ferry_file files[2] = {{FERRY_FUSION_JSON, json.data, json.size},
                           {FERRY_FUSION_TENSORS, tensors.data, tensors.size}};
    if (status == FERRY_OK) status = ferry_fusion_open(files, 2, &open, &again, error);
    if (status == FERRY_OK) {
        status = ferry_fusion_apply(again, &e->data, out, NULL, error);
        ferry_fusion_close(again);
    }
    ferry_buffer_free(&json);
    ferry_buffer_free(&tensors);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    fail_each(learn_and_use, &e);
}

static void test_refusals(void **state)
{
    (void)state;
    example e;
    ferry_fusion *fusion;
    ferry_error error;
    make_example(&e);
    ferry_fusion_options options = {.size = sizeof options, .kind = FERRY_FUSION_PROJECT};
    options.dimension = 7;
    assert_int_equal(ferry_fusion_learn(&e.data, &options, &fusion, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "text space"));
    options.dimension = 0;
    ferry_fusion_data data = e.data;
    data.count = 1;
    assert_int_equal(ferry_fusion_learn(&data, &options, &fusion, &error), FERRY_INVALID_ARGUMENT);
    e.image[5] = INFINITY;
    assert_int_equal(ferry_fusion_learn(&e.data, &options, &fusion, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_null(fusion);
    e.image[5] = 0.0f;
    fusion = learn(&e, FERRY_FUSION_GATED, NULL, 1, 1);
    float out[ITEMS * 16];
    data = e.data;
    data.dimension[2] = 3;
    assert_int_equal(ferry_fusion_apply(fusion, &data, out, NULL, &error), FERRY_INVALID_ARGUMENT);
    ferry_fusion_close(fusion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),   cmocka_unit_test(test_learning),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_files),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
