/* Text encoders against sentence-transformers' dumps, and against themselves bit for bit. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "golden.h"

#include <math.h>

#include "math/kernels.h"

/* DESIGN's parity bars */
static const double LEAST_COSINE = 0.99999, LARGEST_DIFFERENCE = 1e-4;
/* The tiny models' own: GELU's two forms are 1e-4 apart in them, and would pass for each other. */
static const double TINY_DIFFERENCE = 1e-5;

static ferry_encoder *open_threads(const char *path, const char *kernels, ferry_precision precision,
                                   size_t threads)
{
    return encoder_open(path, (ferry_encoder_options){
                                  .kernels = kernels, .precision = precision, .threads = threads});
}

static ferry_encoder *open_precision(const char *path, const char *kernels,
                                     ferry_precision precision)
{
    return open_threads(path, kernels, precision, 1);
}

static ferry_encoder *open_encoder(const char *path, const char *kernels)
{
    return open_precision(path, kernels, FERRY_PRECISION_AUTO);
}

static void check_ids(ferry_encoder *encoder, const golden_texts *golden)
{
    for (size_t i = 0; i < golden->count; i++) {
        int32_t ids[512];
        size_t count;
        const cJSON *expected = cJSON_GetObjectItem(golden->line[i], "ids");
        assert_int_equal(ferry_encoder_tokenize(encoder, golden->text[i], ids, 512, &count, NULL),
                         FERRY_OK);
        size_t at = 0;
        for (const cJSON *id = expected->child; id != NULL; id = id->next, at++) {
            if (at >= count || ids[at] != id->valueint)
                fail_msg("text %zu: id %zu is not %d", i, at, id->valueint);
        }
        assert_int_equal(at, count);
    }
}

/* Cosine and largest difference to the original; prints them. */
static void check_parity(const char *name, const golden_texts *golden, const float *embeddings,
                         double allowed)
{
    size_t N = golden->dimension;
    double least = 1, largest = 0;
    for (size_t i = 0; i < golden->count; i++) {
        double dot = 0, a = 0, b = 0;
        for (size_t n = 0; n < N; n++) {
            double x = (double)embeddings[i * N + n], y = (double)golden->embeddings[i * N + n];
            dot += x * y, a += x * x, b += y * y;
            largest = fmax(largest, fabs(x - y));
        }
        least = fmin(least, dot / sqrt(a * b));
    }
    print_message("%s: %zu texts, least cosine %.8f, largest difference %.2e\n", name,
                  golden->count, least, largest);
    assert_true(least >= LEAST_COSINE);
    assert_true(largest <= allowed);
}

static void check_golden(const char *path, const char *folder, size_t stride, double allowed)
{
    golden_texts golden;
    golden_texts_open(folder, &golden);
    golden_texts_thin(&golden, stride);
    ferry_encoder *encoder = open_encoder(path, NULL);
    assert_int_equal(ferry_encoder_dimension(encoder), golden.dimension);
    check_ids(encoder, &golden);
    float *embeddings = encoder_encode(encoder, golden.text, golden.count);
    check_parity(path + strlen(FERRY_SOURCE_DIR), &golden, embeddings, allowed);
    free(embeddings);
    ferry_encoder_close(encoder);
    golden_texts_close(&golden);
}

/* Other activations, poolings, dtypes, prefixes and file layouts: see golden/README.md. */
static void configurations_match_the_originals(void **state)
{
    static const char *const names[] = {"gelu-mean", "gelu-new-cls", "relu-max", "plain-bf16"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "tiny-bert/%s/", names[i]);
        check_golden(golden_path(folder), folder, 1, TINY_DIFFERENCE);
    }
}

#define MINILM "all-MiniLM-L6-v2"

static bool have_model(void)
{
    if (file_exists(model_path(MINILM "/model.safetensors"))) return true;
    print_message("skipped: no %s; 'sh tools/setup models' fetches it\n", model_path(MINILM));
    return false;
}

static void minilm_matches_sentence_transformers(void **state)
{
    (void)state;
    if (!have_model()) skip();
    check_golden(model_path(MINILM), "", GOLDEN_STRIDE, LARGEST_DIFFERENCE);
}

static uint64_t hash_in_batches(ferry_encoder *encoder, const golden_texts *golden, size_t batch)
{
    size_t N = golden->dimension, size = golden->count * N * sizeof(float);
    float *all = malloc(size);
    assert_non_null(all);
    for (size_t i = 0; i < golden->count; i += batch) {
        size_t rest = golden->count - i, count = rest < batch ? rest : batch;
        float *some = encoder_encode(encoder, golden->text + i, count);
        memcpy(all + i * N, some, count * N * sizeof *some);
        free(some);
    }
    uint64_t hash = fnv1a(all, size);
    free(all);
    return hash;
}

/* With 1, 2 and 4 threads, in batches of 1, 7 and 64 and all at once: each with each, or, where
 * that would take minutes, each once. */
static uint64_t check_threads(const char *kernels, ferry_precision precision,
                              const golden_texts *golden, bool each_with_each)
{
    static const size_t threads[] = {1, 2, 4}, batches[] = {1, 7, 64};
    uint64_t expected = 0;
    for (size_t t = 0; t < 3; t++) {
        ferry_encoder *encoder = open_threads(model_path(MINILM), kernels, precision, threads[t]);
        if (t == 0) expected = hash_in_batches(encoder, golden, golden->count);
        for (size_t b = 0; b < 3; b++) {
            if (!each_with_each && b != t) continue;
            uint64_t hash = hash_in_batches(encoder, golden, batches[b]);
            if (hash != expected)
                fail_msg("%s, %zu threads, batches of %zu: %016llx", kernels, threads[t],
                         batches[b], (unsigned long long)hash);
        }
        ferry_encoder_close(encoder);
    }
    print_message("%s: %016llx\n", kernels, (unsigned long long)expected);
    return expected;
}

/* The same bits from every kernel variant, with any number of threads, alone, in any batch, and as
 * recorded in `hash_file`. */
static void check_same_bits(ferry_precision precision, const char *hash_file)
{
    golden_texts golden;
    golden_texts_open("", &golden);
    size_t size;
    char *recorded = read_file(golden_path(hash_file), &size);
    uint64_t expected = strtoull(recorded, NULL, 16);
    free(recorded);
    golden_texts_thin(&golden, GOLDEN_STRIDE);
    const ferry_kernels *variants[8];
    size_t variant_count = ferry_kernels_available(variants, 8);
    for (size_t v = 0; v < variant_count; v++) {
        uint64_t hash =
            check_threads(variants[v]->name, precision, &golden, v == variant_count - 1);
        if (GOLDEN_STRIDE > 1 && v == 0) expected = hash; /* then only against each other */
        assert_int_equal(hash, expected);
    }
    golden_texts_close(&golden);
}

static void minilm_gives_the_same_bits(void **state)
{
    (void)state;
    if (!have_model()) skip();
    check_same_bits(FERRY_PRECISION_F32, "text.hash");
}

static void int8_minilm_gives_the_same_bits(void **state)
{
    (void)state;
    if (!have_model()) skip();
    check_same_bits(FERRY_PRECISION_INT8, "text.int8.hash");
}

/* ---- fast ---- */

/* As near to the original as the exact numerics, and not the same: it is fused indeed. */
static void check_fast(const char *path, const char *folder, double allowed)
{
    golden_texts golden;
    golden_texts_open(folder, &golden);
    golden_texts_thin(&golden, GOLDEN_STRIDE);
    size_t N = golden.dimension;
    ferry_error error;
    ferry_encoder *encoder, *exact = open_encoder(path, NULL);
    ferry_encoder_options options = {
        .size = sizeof options, .numerics = FERRY_NUMERICS_FAST, .threads = 2};
    if (ferry_encoder_open_directory(path, &options, &encoder, &error) != FERRY_OK) {
        assert_int_equal(error.status, FERRY_UNSUPPORTED);
        print_message("skipped: %s\n", error.message);
        skip();
    }
    float *found = encoder_encode(encoder, golden.text, golden.count);
    float *expected = encoder_encode(exact, golden.text, golden.count);
    check_parity("fast numerics", &golden, found, allowed);
    if (GOLDEN_STRIDE == 1) /* a build for sanitizers, at -O1, fuses nothing */
        assert_memory_not_equal(found, expected, golden.count * N * sizeof *found);
    options.precision = FERRY_PRECISION_INT8;
    ferry_encoder *refused;
    assert_int_equal(ferry_encoder_open_directory(path, &options, &refused, &error),
                     FERRY_UNSUPPORTED);
    options.precision = FERRY_PRECISION_F32;
    options.kernels = "scalar";
    assert_int_equal(ferry_encoder_open_directory(path, &options, &refused, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "scalar"));
    free(found), free(expected);
    ferry_encoder_close(encoder);
    ferry_encoder_close(exact);
    golden_texts_close(&golden);
}

static void fast_is_near_the_original(void **state)
{
    (void)state;
    check_fast(golden_path("tiny-bert/gelu-mean"), "tiny-bert/gelu-mean/", TINY_DIFFERENCE);
    if (!have_model()) skip();
    check_fast(model_path(MINILM), "", LARGEST_DIFFERENCE);
}

/* ---- int8 ---- */

/* Removes a quantised copy of a model. */
static void remove_model(const char *path)
{
    static const char *const names[] = {"1_Pooling/config.json",
                                        "1_Pooling",
                                        "2_Normalize/config.json",
                                        "2_Normalize",
                                        "config.json",
                                        "config_sentence_transformers.json",
                                        "data_config.json",
                                        "model.safetensors",
                                        "modules.json",
                                        "sentence_bert_config.json",
                                        "special_tokens_map.json",
                                        "text.jsonl",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "vocab.txt"};
    char file[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        remove(file);
    }
    assert_int_equal(remove(path), 0);
}

/* A quantised file and quantising while loading give the same bits, near the original's. */
static void check_int8(const char *path, const char *folder, double least_mean, double least_worst)
{
    golden_texts golden;
    golden_texts_open(folder, &golden);
    golden_texts_thin(&golden, GOLDEN_STRIDE);
    size_t N = golden.dimension;
    ferry_error error;
    char copy[] = "/tmp/ferry-test-XXXXXX";
    assert_non_null(mkdtemp(copy));
    if (ferry_encoder_quantize_directory(path, copy, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    ferry_encoder *from_file = open_encoder(copy, NULL);
    ferry_encoder *while_loading = open_precision(path, NULL, FERRY_PRECISION_INT8);
    assert_int_equal(ferry_encoder_precision(from_file), FERRY_PRECISION_INT8);
    float *a = encoder_encode(from_file, golden.text, golden.count);
    float *b = encoder_encode(while_loading, golden.text, golden.count);
    assert_memory_equal(a, b, golden.count * N * sizeof *a);

    double mean = 0, worst = 1;
    for (size_t i = 0; i < golden.count; i++) {
        double dot = 0, x = 0, y = 0;
        for (size_t n = 0; n < N; n++) {
            double p = (double)a[i * N + n], q = (double)golden.embeddings[i * N + n];
            dot += p * q, x += p * p, y += q * q;
        }
        mean += dot / sqrt(x * y) / (double)golden.count;
        worst = fmin(worst, dot / sqrt(x * y));
    }
    print_message("%s in int8: cosine to the original's f32, mean %.5f, worst %.5f\n",
                  path + strlen(FERRY_SOURCE_DIR), mean, worst);
    assert_true(mean >= least_mean && worst >= least_worst);

    ferry_encoder *refused;
    ferry_encoder_options f32 = {.size = sizeof f32, .precision = FERRY_PRECISION_F32};
    assert_int_equal(ferry_encoder_open_directory(copy, &f32, &refused, &error), FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "quantised"));
    char again[] = "/tmp/ferry-test-XXXXXX";
    assert_non_null(mkdtemp(again));
    assert_int_equal(ferry_encoder_quantize_directory(copy, again, &error), FERRY_UNSUPPORTED);
    remove_model(again);
    free(a), free(b);
    ferry_encoder_close(from_file);
    ferry_encoder_close(while_loading);
    remove_model(copy);
    golden_texts_close(&golden);
}

static void int8_is_near_the_original(void **state)
{
    (void)state;
    check_int8(golden_path("tiny-bert/gelu-mean"), "tiny-bert/gelu-mean/", 0.99, 0.98);
    if (!have_model()) skip();
    check_int8(model_path(MINILM), "", 0.997, 0.99); /* DESIGN's bars */
}

/* ---- packed in place ---- */

enum { MAX_BYTES = 1 << 20 };

/* A copy of a small file, at an offset of `shift` bytes that the caller frees with *block. */
static ferry_file read_copy(const char *path, const char *name, size_t shift, char **block)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", path, name);
    FILE *file = fopen(full, "rb");
    *block = malloc(MAX_BYTES + shift);
    assert_non_null(file);
    assert_non_null(*block);
    size_t size = fread(*block + shift, 1, MAX_BYTES, file);
    assert_true(size > 0 && size < MAX_BYTES);
    fclose(file);
    return (ferry_file){name, *block + shift, size};
}

/* A tokenizer's file is read: nobody asks for its bytes, which are the caller's, again. */
static void lose(void *user, const ferry_file *file)
{
    assert_string_equal(file->name, "tokenizer.json");
    memset((void *)(uintptr_t)file->data, 0xAA, file->size);
    ++*(int *)user;
}

/* Encodes a text into out, and says how many bytes of the weights have changed. */
static size_t overwritten(const char *path, ferry_precision precision, bool overwrite, size_t shift,
                          float *out)
{
    static const char *const names[] = {"model.safetensors", "config.json", "tokenizer.json"};
    enum { FILES = 3 };
    static const ferry_text text = {"the lamp of the house", 21};
    ferry_file files[FILES];
    char *block[FILES], *before;
    ferry_error error;
    ferry_encoder *encoder;
    for (size_t i = 0; i < FILES; i++)
        files[i] = read_copy(path, names[i], i == 0 ? shift : 0, &block[i]);
    before = malloc(files[0].size);
    assert_non_null(before);
    memcpy(before, files[0].data, files[0].size);
    int lost = 0;
    ferry_encoder_options options = {.size = sizeof options,
                                     .precision = precision,
                                     .overwrite = overwrite,
                                     .done = overwrite ? lose : NULL,
                                     .done_user = &lost};
    assert_int_equal(ferry_encoder_open(files, FILES, &options, &encoder, &error), FERRY_OK);
    assert_int_equal(lost, overwrite);
    float *found = encoder_encode(encoder, &text, 1);
    memcpy(out, found, ferry_encoder_dimension(encoder) * sizeof *out);
    size_t changed = 0;
    for (size_t i = 0; i < files[0].size; i++)
        changed += ((const char *)files[0].data)[i] != before[i];
    ferry_encoder_close(encoder);
    free(found);
    free(before);
    for (size_t i = 0; i < FILES; i++) free(block[i]);
    return changed;
}

static void packed_in_place_the_same_bits(void **state)
{
    static const ferry_precision precisions[] = {FERRY_PRECISION_F32, FERRY_PRECISION_INT8};
    const char *path = golden_path("tiny-bert/gelu-mean");
    enum { DIMENSION = 1024 };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        float expected[DIMENSION] = {0}, found[DIMENSION] = {0};
        assert_int_equal(overwritten(path, precisions[i], false, 0, expected), 0);
        /* As the file lies, and not aligned for floats. */
        for (size_t shift = 0; shift < 2; shift++) {
            assert_true(overwritten(path, precisions[i], true, shift, found) > 1000);
            assert_memory_equal(found, expected, sizeof found);
        }
    }
    ferry_encoder *encoder;
    ferry_error error;
    ferry_encoder_options options = {.size = sizeof options, .overwrite = true};
    assert_int_equal(ferry_encoder_open_directory(path, &options, &encoder, &error),
                     FERRY_INVALID_ARGUMENT);
}

static bool cancel_at_once(void *user, size_t done, size_t total)
{
    (void)done, (void)total;
    return (*(size_t *)user)++ > 0; /* the first call cancels */
}

static void cancelling_leaves_the_encoder_usable(void **state)
{
    (void)state;
    golden_texts golden;
    golden_texts_open("tiny-bert/gelu-mean/", &golden);
    ferry_encoder *encoder = open_encoder(golden_path("tiny-bert/gelu-mean"), NULL);
    ferry_error error;
    size_t calls = 0;
    float *out = encoder_encode(encoder, golden.text, golden.count);
    float *again = malloc(golden.count * golden.dimension * sizeof *again);
    assert_int_equal(ferry_encoder_encode(encoder, golden.text, golden.count, again, cancel_at_once,
                                          &calls, &error),
                     FERRY_CANCELLED);
    assert_int_equal(ferry_encoder_encode(encoder, golden.text, golden.count, again, cancel_at_once,
                                          &calls, &error),
                     FERRY_OK);
    assert_memory_equal(out, again, golden.count * golden.dimension * sizeof *out);
    free(out), free(again);
    ferry_encoder_close(encoder);
    golden_texts_close(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations_match_the_originals),
        cmocka_unit_test(cancelling_leaves_the_encoder_usable),
        cmocka_unit_test(packed_in_place_the_same_bits),
        cmocka_unit_test(fast_is_near_the_original),
        cmocka_unit_test(minilm_matches_sentence_transformers),
        cmocka_unit_test(minilm_gives_the_same_bits),
        cmocka_unit_test(int8_is_near_the_original),
        cmocka_unit_test(int8_minilm_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
