/* Alignment: its parts against numpy and torch, learning, files, refusals. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "failing.h"
#include "golden_tensors.h"
#include "train/align.h"

/* ---- parts ---- */

static ferry_align_pairs golden_pairs(golden_tensors *golden, const char *name, float *lambda)
{
    char full[64];
    size_t z[2], y[2];
    ferry_align_pairs pairs = {0};
    snprintf(full, sizeof full, "%s.z", name);
    pairs.z = golden_tensor(golden, full, z);
    snprintf(full, sizeof full, "%s.y", name);
    pairs.y = golden_tensor(golden, full, y);
    snprintf(full, sizeof full, "%s.lambda", name);
    *lambda = *golden_tensor(golden, full, NULL);
    pairs.n = z[0];
    pairs.F = z[1];
    pairs.D = y[1];
    return pairs;
}

static void test_ridge(void **state)
{
    (void)state;
    static const char *const cases[] = {"pairs", "features"};
    golden_tensors golden;
    const ferry_kernels *kernels[8];
    size_t variants = ferry_kernels_available(kernels, 8);
    golden_tensors_open(&golden, "align.safetensors");
    for (size_t c = 0; c < 2; c++) {
        char name[64];
        float lambda, out[2][512];
        ferry_align_pairs pairs = golden_pairs(&golden, cases[c], &lambda);
        for (size_t k = 0; k < variants; k++) {
            float *to = out[k > 0];
            assert_int_equal(ferry_align_ridge(kernels[k], &pairs, lambda, NULL, to, NULL),
                             FERRY_OK);
            assert_memory_equal(out[0], to, pairs.D * pairs.F * sizeof(float));
        }
        snprintf(name, sizeof name, "%s.weight", cases[c]);
        assert_near(out[0], golden_tensor(&golden, name, NULL), pairs.D * pairs.F, 2e-6, name);
        for (size_t k = 0; k < variants; k++) {
            float *to = out[k > 0];
            assert_int_equal(
                ferry_align_ridge_left_out(kernels[k], &pairs, &lambda, 1, NULL, to, NULL),
                FERRY_OK);
            assert_memory_equal(out[0], to, pairs.n * pairs.D * sizeof(float));
        }
        snprintf(name, sizeof name, "%s.left_out", cases[c]);
        assert_near(out[0], golden_tensor(&golden, name, NULL), pairs.n * pairs.D, 1e-5, name);
    }
    golden_tensors_close(&golden);
}

static void test_infonce(void **state)
{
    (void)state;
    golden_tensors golden;
    const ferry_kernels *kernels[8];
    size_t variants = ferry_kernels_available(kernels, 8), shape[2], count;
    golden_tensors_open(&golden, "align.safetensors");
    const uint32_t *sizes = golden_whole(&golden, "infonce.shape", &count);
    ferry_infonce_shape s = {sizes[0], sizes[1], sizes[2]};
    size_t size = ferry_infonce_size(s);
    const float *z = golden_tensor(&golden, "infonce.z", shape);
    const float *y = golden_tensor(&golden, "infonce.y", NULL);
    const float *parameters = golden_tensor(&golden, "infonce.parameters", NULL);
    float *gradients[2] = {malloc(size * sizeof(float)), malloc(size * sizeof(float))};
    double loss[2];
    for (size_t k = 0; k < variants; k++) {
        size_t to = k > 0;
        assert_int_equal(ferry_infonce_gradients(kernels[k], NULL, s, parameters, z, y, shape[0],
                                                 0.0f, 0, NULL, &loss[to], gradients[to], NULL),
                         FERRY_OK);
        assert_memory_equal(gradients[0], gradients[to], size * sizeof(float));
        assert_true(loss[0] == loss[to]);
    }
    float found = (float)loss[0];
    assert_near(&found, golden_tensor(&golden, "infonce.loss", NULL), 1, 1e-6, "loss");
    assert_near(gradients[0], golden_tensor(&golden, "infonce.gradients", NULL), size, 3e-6,
                "gradients");
    free(gradients[0]);
    free(gradients[1]);
    golden_tensors_close(&golden);
}

static void test_ranks(void **state)
{
    (void)state;
    /* row 0: first; row 1: tied with another, half a place down; row 2: last */
    static const float scores[9] = {3, 1, 2, 0, 5, 5, 9, 8, 7};
    ferry_align_ranks rows, columns;
    ferry_align_rank(scores, 3, &rows, &columns);
    assert_float_equal(rows.first, 2.0 / 3, 1e-12); /* a rank of .5 is before 1 */
    assert_float_equal(rows.ten, 1.0, 1e-12);
    assert_float_equal(rows.reciprocal, (1 + 1 / 1.5 + 1 / 3.0) / 3, 1e-12);
    assert_float_equal(columns.reciprocal, (1 / 2.0 + 1 / 2.0 + 1) / 3, 1e-12);
}

/* ---- learning ---- */

enum { ITEMS = 60, FEATURES = 24, TEXTS = 16, CLASSES = 12 };

/* Features that a linear map of the texts has made, and noise: there is something to learn. */
typedef struct example {
    float features[ITEMS * FEATURES], text[ITEMS * TEXTS], classifier[CLASSES * FEATURES],
        bias[CLASSES], labels[CLASSES * TEXTS];
    ferry_align_data data;
} example;

static void fill(ferry_random *random, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = ferry_random_normal(random);
}

static void make_example(example *e)
{
    ferry_random random;
    float map[TEXTS * FEATURES];
    ferry_random_seed(&random, 5, 0);
    fill(&random, map, TEXTS * FEATURES);
    fill(&random, e->text, ITEMS * TEXTS);
    fill(&random, e->classifier, CLASSES * FEATURES);
    fill(&random, e->bias, CLASSES);
    fill(&random, e->labels, CLASSES * TEXTS);
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t f = 0; f < FEATURES; f++) {
            float sum = 5.0f + 0.3f * ferry_random_normal(&random);
            for (size_t d = 0; d < TEXTS; d++)
                sum = sum + e->text[i * TEXTS + d] * map[d * FEATURES + f];
            e->features[i * FEATURES + f] = sum;
        }
    }
    memset(e->features + 3 * FEATURES, 0, FEATURES * sizeof(float)); /* one has no picture, */
    memset(e->text + 7 * TEXTS, 0, TEXTS * sizeof(float));           /* one no text */
    e->data = (ferry_align_data){.count = ITEMS,
                                 .F = FEATURES,
                                 .D = TEXTS,
                                 .features = e->features,
                                 .text = e->text,
                                 .C = CLASSES,
                                 .classifier = e->classifier,
                                 .classifier_bias = e->bias,
                                 .labels = e->labels,
                                 .model = "eye",
                                 .text_model = "tongue"};
}

static ferry_align_options small_options(unsigned methods)
{
    return (ferry_align_options){.size = sizeof(ferry_align_options),
                                 .methods = methods,
                                 .hidden = 20,
                                 .epochs = 20,
                                 .batch = 32,
                                 .seed = 1};
}

static ferry_alignment *learn(const ferry_align_data *data, const ferry_align_options *options)
{
    ferry_alignment *alignment;
    ferry_error error;
    if (ferry_alignment_learn(data, options, &alignment, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return alignment;
}

static void test_learning(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    for (unsigned methods = 0; methods < 8; methods++) {
        ferry_align_options options = small_options(methods);
        ferry_alignment *a = learn(&e.data, &options);
        assert_int_equal(ferry_alignment_features(a), FEATURES);
        assert_int_equal(ferry_alignment_dimension(a), TEXTS);
        assert_int_equal(a->pairs, ITEMS - 2);
        for (size_t d = 0; d < TEXTS; d++) assert_true(a->items[3 * TEXTS + d] == 0.0f);
        float sum = 0.0f;
        for (unsigned head = 0; head < FERRY_ALIGN_HEADS; head++) {
            unsigned asked = methods != 0 ? methods : FERRY_ALIGN_BRIDGE | FERRY_ALIGN_RIDGE;
            assert_true((a->weight[head] > 0.0f) == ((asked >> head & 1) != 0));
            sum += a->weight[head];
        }
        assert_float_equal(sum, 1.0, 1e-6);
        float places[ITEMS * TEXTS];
        assert_int_equal(ferry_alignment_place_features(a, e.features, ITEMS, places, NULL),
                         FERRY_OK);
        assert_memory_equal(places, a->items, sizeof places);
        ferry_alignment_close(a);
    }
    /* what was made linear, ridge finds: nearly all come first */
    ferry_align_options options = small_options(FERRY_ALIGN_RIDGE);
    ferry_align_figures figures;
    assert_int_equal(ferry_alignment_evaluate(&e.data, &options, 3, 0.7, &figures, NULL), FERRY_OK);
    assert_int_equal(figures.learned + figures.candidates, ITEMS - 2);
    print_message("ridge: %.2f %.2f\n", figures.text_to_feature[0], figures.feature_to_text[0]);
    assert_true(figures.text_to_feature[0] > 0.8 && figures.feature_to_text[0] > 0.8);
    options = small_options(FERRY_ALIGN_INFONCE);
    options.epochs = 60;
    assert_int_equal(ferry_alignment_evaluate(&e.data, &options, 3, 0.7, &figures, NULL), FERRY_OK);
    print_message("infonce: %.2f %.2f\n", figures.text_to_feature[0], figures.feature_to_text[0]);
    assert_true(figures.text_to_feature[1] > 0.85 && figures.feature_to_text[1] > 0.85);
}

static void test_same_bits(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    const ferry_kernels *kernels[8];
    size_t variants = ferry_kernels_available(kernels, 8);
    uint64_t first = 0;
    for (size_t k = 0; k < variants; k++) {
        for (size_t threads = 1; threads <= 3; threads++) {
            ferry_align_options options = small_options(7);
            options.kernels = kernels[k]->name;
            options.threads = threads;
            options.epochs = 5;
            ferry_alignment *a = learn(&e.data, &options);
            ferry_buffer bytes;
            ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
            assert_int_equal(ferry_alignment_write_tensors(a, &bytes, NULL), FERRY_OK);
            assert_int_equal(ferry_alignment_write_json(a, &bytes, NULL), FERRY_OK);
            uint64_t hash = fnv1a(bytes.data, bytes.size);
            if (first == 0) first = hash;
            assert_true(hash == first);
            ferry_buffer_free(&bytes);
            ferry_alignment_close(a);
        }
    }
}

/* A catalogue keeps directions alone: the length that is found for them serves as well. */
static void test_directions(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    ferry_align_options options = small_options(FERRY_ALIGN_RIDGE);
    ferry_alignment *plain = learn(&e.data, &options);
    float units[ITEMS * FEATURES];
    for (size_t i = 0; i < ITEMS; i++) {
        double square = 1e-30;
        for (size_t f = 0; f < FEATURES; f++)
            square += (double)e.features[i * FEATURES + f] * (double)e.features[i * FEATURES + f];
        for (size_t f = 0; f < FEATURES; f++)
            units[i * FEATURES + f] = e.features[i * FEATURES + f] / (float)sqrt(square);
    }
    ferry_align_data data = e.data;
    data.features = units;
    ferry_alignment *other = learn(&data, &options);
    assert_near(other->items, plain->items, ITEMS * TEXTS, 1e-4, "places by directions");
    float places[ITEMS * TEXTS];
    assert_int_equal(ferry_alignment_place_features(other, e.features, ITEMS, places, NULL),
                     FERRY_OK);
    assert_near(places, plain->items, ITEMS * TEXTS, 1e-4, "places of what an encoder gives");
    ferry_alignment_close(plain);
    ferry_alignment_close(other);
}

static bool stop(void *user, size_t done, size_t total)
{
    (void)total;
    return done < *(const size_t *)user;
}

static void test_refusals(void **state)
{
    (void)state;
    example e;
    ferry_alignment *a;
    ferry_error error;
    make_example(&e);
    ferry_align_options options = small_options(8);
    assert_int_equal(ferry_alignment_learn(&e.data, &options, &a, &error), FERRY_INVALID_ARGUMENT);
    assert_null(a);
    options = small_options(FERRY_ALIGN_BRIDGE);
    ferry_align_data data = e.data;
    data.C = 0;
    assert_int_equal(ferry_alignment_learn(&data, &options, &a, &error), FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "classifier"));
    data = e.data;
    data.count = 7; /* of which one has no picture */
    options = small_options(0);
    assert_int_equal(ferry_alignment_learn(&data, &options, &a, &error), FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "6 items"));
    options = small_options(FERRY_ALIGN_BRIDGE); /* needs no pairs: not even pictures */
    data.count = 0;
    a = learn(&data, &options);
    ferry_alignment_close(a);
    e.features[100] = NAN;
    assert_int_equal(ferry_alignment_learn(&e.data, &options, &a, &error), FERRY_INVALID_ARGUMENT);
    e.features[100] = 1.0f;
    size_t epochs = 3;
    options = small_options(FERRY_ALIGN_INFONCE);
    options.progress = stop;
    options.progress_user = &epochs;
    assert_int_equal(ferry_alignment_learn(&e.data, &options, &a, &error), FERRY_CANCELLED);
    options.size = 4;
    assert_int_equal(ferry_alignment_learn(&e.data, &options, &a, &error), FERRY_INVALID_ARGUMENT);
}

/* Whichever allocation fails, it is said and nothing is left behind. */
static ferry_status learn_and_use(void *user, const ferry_allocator *allocator, ferry_error *error)
{
    const example *e = user;
    ferry_alignment *a, *again;
    ferry_buffer json, tensors;
    ferry_align_options options = small_options(7);
    ferry_catalog_options open = {.size = sizeof open, .allocator = allocator};
    options.allocator = allocator;
    options.epochs = 1;
    ferry_status status = ferry_alignment_learn(&e->data, &options, &a, error);
    ferry_buffer_init(&json, *allocator);
    ferry_buffer_init(&tensors, *allocator);
    if (status == FERRY_OK) status = ferry_alignment_write_json(a, &json, error);
    if (status == FERRY_OK) status = ferry_alignment_write_tensors(a, &tensors, error);
    ferry_alignment_close(a);
    ferry_file files[2] = {{FERRY_ALIGN_JSON, json.data, json.size},
                           {FERRY_ALIGN_TENSORS, tensors.data, tensors.size}};
    float places[20 * TEXTS];
    a = NULL;
    if (status == FERRY_OK) status = ferry_alignment_open(files, 2, &open, &again, error);
    if (status == FERRY_OK) {
        status = ferry_alignment_place_features(again, e->features, 20, places, error);
        if (status == FERRY_OK)
            status = ferry_alignment_place_texts(again, e->text, 20, places, error);
        ferry_alignment_close(again);
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
    e.data.count = 20;
    fail_each(learn_and_use, &e);
}

/* ---- files ---- */

static void test_files(void **state)
{
    (void)state;
    example e;
    make_example(&e);
    ferry_align_options options = small_options(7);
    ferry_alignment *a = learn(&e.data, &options), *again;
    ferry_error error;
    ferry_buffer json, tensors;
    ferry_buffer_init(&json, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&tensors, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_alignment_write_json(a, &json, NULL), FERRY_OK);
    assert_int_equal(ferry_alignment_write_tensors(a, &tensors, NULL), FERRY_OK);
    ferry_file files[2] = {{FERRY_ALIGN_JSON, json.data, json.size},
                           {FERRY_ALIGN_TENSORS, tensors.data, tensors.size}};
    assert_int_equal(ferry_alignment_open(files, 2, NULL, &again, &error), FERRY_OK);
    float places[2][ITEMS * TEXTS], texts[2][ITEMS * TEXTS];
    assert_string_equal(again->model, "eye");
    assert_string_equal(again->text_model, "tongue");
    const ferry_alignment *both[2] = {a, again};
    for (size_t k = 0; k < 2; k++) {
        ferry_alignment_place_features(both[k], e.features, ITEMS, places[k], NULL);
        ferry_alignment_place_texts(both[k], e.text, ITEMS, texts[k], NULL);
    }
    assert_memory_equal(places[0], places[1], sizeof places[0]);
    assert_memory_equal(texts[0], texts[1], sizeof texts[0]);
    assert_memory_equal(a->items, again->items, ITEMS * TEXTS * sizeof(float));
    ferry_alignment_close(again);
    assert_int_equal(ferry_alignment_open(files, 1, NULL, &again, &error), FERRY_NOT_FOUND);
    for (size_t size = 0; size < tensors.size; size += 997) {
        files[1].size = size;
        assert_int_equal(ferry_alignment_open(files, 2, NULL, &again, &error), FERRY_MALFORMED);
    }
    files[1].size = tensors.size;
    float nan = NAN;
    memcpy(tensors.data + tensors.size - sizeof nan, &nan, sizeof nan);
    assert_int_equal(ferry_alignment_open(files, 2, NULL, &again, &error), FERRY_MALFORMED);
    assert_non_null(strstr(error.message, "not finite"));
    ferry_alignment_close(a);
    ferry_buffer_free(&json);
    ferry_buffer_free(&tensors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ridge),     cmocka_unit_test(test_infonce),
        cmocka_unit_test(test_ranks),     cmocka_unit_test(test_learning),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_directions),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_memory),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
