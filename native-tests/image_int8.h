/* What int8 makes of a golden's pictures; needs mkdtemp. */
#ifndef FERRY_TESTS_IMAGE_INT8_H
#define FERRY_TESTS_IMAGE_INT8_H

#include "image_golden.h"
#include "model_files.h"

/* A quantised copy of a model and one quantised while it loads, in memory of its own or in the
 * file's, give the same bits, which are returned; near the golden's to a cosine of `least`. */
static inline float *image_golden_int8(const image_golden *golden, const char *path, double least)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "preprocessor_config.json"};
    char copy[] = "/tmp/ferry-test-XXXXXX", file[2048];
    ferry_error error;
    ferry_encoder *encoder;
    size_t bytes = golden->count * golden->dimension * sizeof(float);
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
        model_files files = model_files_read(from);
        if (ferry_encoder_open(files.file, files.count, &options, &encoder, &error) != FERRY_OK)
            fail_msg("%s", error.message);
        float *found = image_golden_encode(golden, encoder);
        if (way == 0)
            assert_rows_alike(found, golden->features, golden->count, golden->dimension, 0.99999,
                              "f32 in place");
        else if (memcmp(first, found, bytes) != 0)
            fail_msg("%s: int8 in place gives other bits", path);
        free(found);
        model_files_free(&files);
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
