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

#endif
