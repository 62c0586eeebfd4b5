/* Goldens of image encoders: FOLDER/expected.safetensors with "image.N", "features" and perhaps
 * "logits". */
#ifndef FERRY_TEST_IMAGE_GOLDEN_H
#define FERRY_TEST_IMAGE_GOLDEN_H

#include "golden_tensors.h"

enum { GOLDEN_IMAGES = 8 };

typedef struct image_golden {
    golden_tensors tensors;
    ferry_image image[GOLDEN_IMAGES];
    size_t count, dimension;
    const float *features; /* [count, dimension] */
} image_golden;

static inline void image_golden_open(image_golden *golden, const char *name)
{
    *golden = (image_golden){0};
    golden_tensors_open(&golden->tensors, name);
    for (; golden->count < GOLDEN_IMAGES; golden->count++) {
        char key[32];
        snprintf(key, sizeof key, "image.%zu", golden->count);
        const ferry_tensor *t = ferry_safetensors_find(&golden->tensors.tensors, key);
        if (t == NULL) break;
        golden->image[golden->count] =
            (ferry_image){t->data, t->shape[1], t->shape[0], t->shape[2]};
    }
    size_t shape[2];
    golden->features = golden_tensor(&golden->tensors, "features", shape);
    assert_int_equal(shape[0], golden->count);
    golden->dimension = shape[1];
}

static inline void image_golden_close(image_golden *golden)
{
    golden_tensors_close(&golden->tensors);
}

static inline double lowest_cosine(const float *found, const float *expected, size_t rows, size_t N)
{
    double lowest = 1.0;
    for (size_t i = 0; i < rows; i++) {
        double dot = 0.0, a = 0.0, b = 0.0;
        for (size_t n = 0; n < N; n++) {
            double x = (double)found[i * N + n], y = (double)expected[i * N + n];
            dot += x * y;
            a += x * x;
            b += y * y;
        }
        double cosine = dot / sqrt(a * b);
        lowest = cosine < lowest ? cosine : lowest;
    }
    return lowest;
}

/* Each row's cosine >= least, and largest difference <= most of the largest number. */
static inline void assert_rows_alike_within(const float *found, const float *expected, size_t rows,
                                            size_t N, double least, double most, const char *what)
{
    double lowest = lowest_cosine(found, expected, rows, N);
    if (!(lowest >= least)) fail_msg("%s: lowest cosine %.9f", what, lowest);
    print_message("%s: lowest cosine 1 - %.1e\n", what, 1.0 - lowest);
    assert_near(found, expected, rows * N, most, what);
}

static inline void assert_rows_alike(const float *found, const float *expected, size_t rows,
                                     size_t N, double least, const char *what)
{
    assert_rows_alike_within(found, expected, rows, N, least, 1e-4, what);
}

/* The embeddings [count, dimension] of a golden's pictures, by an encoder that is then closed. */
static inline float *image_golden_encode(const image_golden *golden, ferry_encoder *encoder)
{
    ferry_error error;
    float *out = calloc(golden->count, golden->dimension * sizeof *out);
    assert_non_null(out);
    assert_int_equal(ferry_encoder_dimension(encoder), golden->dimension);
    if (ferry_encoder_encode_images(encoder, golden->image, golden->count, out, NULL, NULL,
                                    &error) != FERRY_OK)
        fail_msg("%s", error.message);
    ferry_encoder_close(encoder);
    return out;
}

/* A quantised copy of a model and one quantised while it loads, in memory of its own or in the
 * file's, give the same bits, which are returned; near the golden's to a cosine of `least`. */
static inline float *image_golden_int8(const image_golden *golden, const char *path, double least)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "preprocessor_config.json"};
    char copy[] = "/tmp/ferry-test-XXXXXX", file[2048];
    ferry_error error;
    ferry_encoder *encoder;
    ferry_file files[3];
    size_t bytes = golden->count * golden->dimension * sizeof(float), count = 0;
    assert_non_null(mkdtemp(copy));
    if (ferry_encoder_quantize_directory(path, copy, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    if (ferry_encoder_open_directory(copy, NULL, &encoder, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    assert_int_equal(ferry_encoder_precision(encoder), FERRY_PRECISION_INT8);
    float *first = image_golden_encode(golden, encoder);
    ferry_encoder_options options = {.size = sizeof options, .precision = FERRY_PRECISION_F32};
    assert_int_equal(ferry_encoder_open_directory(copy, &options, &encoder, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "quantised"));
    options.overwrite = true;
    for (int way = 0; way < 3; way++) { /* f32 in place, int8 in place, of int8 in place */
        const char *from = way < 2 ? path : copy;
        options.precision = way == 0   ? FERRY_PRECISION_F32
                            : way == 1 ? FERRY_PRECISION_INT8
                                       : FERRY_PRECISION_AUTO;
        for (size_t i = count = 0; i < 3; i++) {
            snprintf(file, sizeof file, "%s/%s", from, names[i]);
            if (!file_exists(file)) continue;
            files[count].name = names[i];
            files[count].data = read_file(file, &files[count].size);
            count++;
        }
        if (ferry_encoder_open(files, count, &options, &encoder, &error) != FERRY_OK)
            fail_msg("%s", error.message);
        float *found = image_golden_encode(golden, encoder);
        if (way == 0)
            assert_rows_alike(found, golden->features, golden->count, golden->dimension, 0.99999,
                              "f32 in place");
        else if (memcmp(first, found, bytes) != 0)
            fail_msg("%s: int8 in place gives other bits", path);
        free(found);
        for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)files[i].data);
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, names[i]);
        remove(file);
    }
    assert_int_equal(remove(copy), 0);
    double lowest = lowest_cosine(first, golden->features, golden->count, golden->dimension);
    print_message("%s in int8: lowest cosine to the original's f32 %.5f\n", path, lowest);
    assert_true(lowest >= least);
    return first;
}

#endif
