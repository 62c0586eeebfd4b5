/* EfficientNet-Lite against timm; the same bits by all kernels and threads; files that do not fit.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "image_int8.h"
#include "model_files.h"
#include "same_bits.h"

static const char tiny[] = "tiny-efficientnet";

/* ---- parity ---- */

static void check_parity(const char *path, const char *expected)
{
    image_golden golden;
    size_t shape[2];
    image_golden_open(&golden, expected);
    ferry_encoder *encoder = encoder_open(path, (ferry_encoder_options){0});
    assert_true(ferry_encoder_takes_images(encoder) && !ferry_encoder_takes_texts(encoder));
    assert_int_equal(ferry_encoder_dimension(encoder), golden.dimension);
    float *found = image_golden_encode(&golden, encoder_open(path, (ferry_encoder_options){0}));
    assert_rows_alike(found, golden.features, golden.count, golden.dimension, 0.99999, "features");
    const float *logits = golden_tensor(&golden.tensors, "logits", shape);
    assert_int_equal(ferry_encoder_classes(encoder), shape[1]);
    float *classes = calloc(shape[0], shape[1] * sizeof *classes);
    assert_non_null(classes);
    assert_int_equal(
        ferry_encoder_classify(encoder, golden.image, golden.count, classes, NULL, NULL, NULL),
        FERRY_OK);
    assert_rows_alike(classes, logits, shape[0], shape[1], 0.99999, "logits");
    free(classes);
    free(found);
    ferry_encoder_close(encoder);
    image_golden_close(&golden);
}

static void a_tiny_net_gives_what_timm_gives(void **state)
{
    (void)state;
    check_parity(golden_path(tiny), "tiny-efficientnet/expected.safetensors");
}

static void the_pretrained_net_gives_what_timm_gives(void **state)
{
    (void)state;
    char path[1100];
    snprintf(path, sizeof path, "%s", model_path("efficientnet-lite0"));
    char file[1200];
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    if (!file_exists(file)) {
        print_message("skipped: no %s (sh tools/setup models)\n", file);
        return;
    }
    check_parity(path, "efficientnet.safetensors");
}

/* ---- the same bits ---- */

static float *encode(const void *user, ferry_encoder_options options)
{
    return image_golden_encode(user, encoder_open(golden_path(tiny), options));
}

static void all_kernels_and_threads_give_the_same_bits(void **state)
{
    (void)state;
    image_golden golden;
    image_golden_open(&golden, "tiny-efficientnet/expected.safetensors");
    size_t count = golden.count * golden.dimension;
    float *f32 = same_bits("f32", encode, &golden, FERRY_PRECISION_F32, count);
    float *int8 = same_bits("int8", encode, &golden, FERRY_PRECISION_INT8, count);
    assert_hash("image.hash", "", f32, count);
    assert_hash("image.int8.hash", "", int8, count);
    free(f32), free(int8);
    image_golden_close(&golden);
}

static void int8_is_near_the_original(void **state)
{
    (void)state;
    image_golden golden;
    image_golden_open(&golden, "tiny-efficientnet/expected.safetensors");
    free(image_golden_int8(&golden, golden_path(tiny), 0.99));
    image_golden_close(&golden);
    char file[1200];
    const char *path = model_path("efficientnet-lite0");
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    if (!file_exists(file)) {
        print_message("skipped: no %s (sh tools/setup models)\n", file);
        return;
    }
    image_golden_open(&golden, "efficientnet.safetensors");
    free(image_golden_int8(&golden, path, 0.99));
    image_golden_close(&golden);
}

static void depthwise_same_bits(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    enum { MOST = 23, PIXELS = 2 * MOST + 5, LDY = 21, GUARD = 16 };
    static float x[5 * PIXELS * FERRY_PANEL], w[25 * FERRY_PANEL], bias[FERRY_PANEL];
    static float expected[MOST * LDY + GUARD], found[MOST * LDY + GUARD];
    static uint8_t bytes[MOST * LDY + GUARD], found_bytes[MOST * LDY + GUARD];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((int)(i * 7919 % 201) - 100) / 30;
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (float)((int)(i * 104729 % 301) - 150) / 70;
    for (size_t n = 0; n < FERRY_PANEL; n++) bias[n] = (float)n / 9 - 1;
    for (size_t T = 1; T <= MOST; T++) {
        for (size_t way = 0; way < 8; way++) {
            size_t side = way & 1 ? 3 : 5, step = way & 2 ? 1 : 2, N = way & 4 ? 16 : T % 16 + 1;
            size_t row = PIXELS * FERRY_PANEL;
            memset(expected, 0, sizeof expected);
            memset(bytes, 0, sizeof bytes);
            ferry_kernels_scalar.depthwise(x, row, step, w, bias, 6.0f, expected, LDY, side, T, N);
            ferry_kernels_scalar.depthwise_int7(x, row, step, w, bias, 6.0f, 127.0f / 6.0f, bytes,
                                                LDY, side, T, N);
            for (size_t v = 1; v < count; v++) {
                memset(found, 0, sizeof found);
                variants[v]->depthwise(x, row, step, w, bias, 6.0f, found, LDY, side, T, N);
                if (memcmp(expected, found, sizeof found) != 0)
                    fail_msg("depthwise of %s differs (side %zu, step %zu, T %zu, N %zu)",
                             variants[v]->name, side, step, T, N);
                memset(found_bytes, 0, sizeof found_bytes);
                variants[v]->depthwise_int7(x, row, step, w, bias, 6.0f, 127.0f / 6.0f, found_bytes,
                                            LDY, side, T, N);
                if (memcmp(bytes, found_bytes, sizeof bytes) != 0)
                    fail_msg("depthwise_int7 of %s differs (side %zu, step %zu, T %zu, N %zu)",
                             variants[v]->name, side, step, T, N);
            }
        }
    }
}

/* Sums at their extremes, and against integers added up one by one. */
static void int7_same_bits(void **state)
{
    (void)state;
    enum { ROWS = 15, INNER = 150, COLUMNS = 50, PANELS = 64 };
    static const size_t inner[] = {1, 4, 7, 64, 96, 150}, columns[] = {1, 16, 17, 32, 50};
    static float x[ROWS * INNER], weight[COLUMNS * INNER], scale[COLUMNS], packed_scale[PANELS];
    static float bias[COLUMNS], expected[ROWS * COLUMNS], found[ROWS * COLUMNS], row_scale[2][ROWS];
    static int8_t w[COLUMNS * INNER], packed[PANELS * (INNER + 3)];
    static uint8_t q[2][ROWS * (INNER + 3)];
    static int32_t start[PANELS];
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    for (size_t i = 0; i < ROWS * INNER; i++)
        x[i] = i < 3 * INNER ? (i < INNER ? 9.0f : -9.0f) : (float)((int)(i * 7919 % 401) - 200);
    for (size_t i = 0; i < COLUMNS * INNER; i++)
        weight[i] = i < 3 * INNER ? 1.0f : (float)((int)(i * 104729 % 301) - 150) / 70;
    for (size_t n = 0; n < COLUMNS; n++) bias[n] = (float)n / 9 - 1;
    for (size_t way = 0; way < 2 * 6 * 5 * 2; way++) {
        size_t K = inner[way % 6], N = columns[way / 6 % 5], T = way / 30 % 2 ? ROWS : 3;
        bool scaled = way / 60 != 0;
        size_t K4 = ferry_int8_padded(K);
        for (size_t n = 0; n < N; n++)
            scale[n] = ferry_int8_quantize(weight + n * K, K, 127, w + n * K);
        ferry_int8_pack_columns(w, scale, K, N, FERRY_INT7_ZERO, packed, packed_scale, start);
        ferry_int7_rows rows = {q[0], row_scale[0]}, other = {q[1], row_scale[1]};
        ferry_int8_columns all = {K, N, packed, packed_scale, start};
        ferry_kernels_scalar.quantize_int7(x, K, T, K, &rows);
        if (!scaled) rows.scale = NULL;
        ferry_kernels_scalar.matmul_int7(&rows, &all, bias, expected, N, T);
        for (size_t i = 0; i < T * N; i++) {
            int sum = 0;
            size_t t = i / N, n = i % N;
            for (size_t k = 0; k < K; k++)
                sum += (q[0][t * K4 + k] - FERRY_INT7_ZERO) * w[n * K + k];
            float s = (float)sum * scale[n] * (scaled ? row_scale[0][t] : 1.0f);
            assert_true(expected[i] == s + bias[n]);
        }
        for (size_t v = 1; v < count; v++) {
            variants[v]->quantize_int7(x, K, T, K, &other);
            assert_memory_equal(q[0], q[1], T * K4);
            assert_memory_equal(row_scale[0], row_scale[1], T * sizeof(float));
            memset(found, 0, sizeof found);
            variants[v]->matmul_int7(&rows, &all, bias, found, N, T);
            if (memcmp(expected, found, T * N * sizeof *found) != 0)
                fail_msg("matmul_int7 of %s differs (K %zu, N %zu, T %zu)", variants[v]->name, K, N,
                         T);
        }
    }
}

static void clamp_same_bits(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    enum { MOST = 40 };
    float x[MOST], expected[MOST], found[MOST];
    for (size_t i = 0; i < MOST; i++) x[i] = (float)i / 3 - 4.0f;
    x[5] = -0.0f, x[7] = 0.0f, x[8] = NAN, x[20] = INFINITY;
    for (size_t n = 0; n <= MOST; n++) {
        memset(expected, 1, sizeof expected);
        ferry_kernels_scalar.clamp(x, 6.0f, expected, n);
        for (size_t v = 1; v < count; v++) {
            memset(found, 1, sizeof found);
            variants[v]->clamp(x, 6.0f, found, n);
            if (memcmp(expected, found, sizeof found) != 0)
                fail_msg("clamp of %s differs (n %zu)", variants[v]->name, n);
        }
    }
}

/* ---- what is refused ---- */

static void files_that_do_not_fit_are_named(void **state)
{
    (void)state;
    ferry_encoder_options fit = {.size = sizeof fit, .image_fit = FERRY_IMAGE_FIT_COUNT};
    model_files files = model_files_read(golden_path(tiny));
    ferry_file *weights = model_file(&files, "model.safetensors");
    assert_refused(files.file, 2, &fit, FERRY_INVALID_ARGUMENT, "image_fit");
    assert_refused(files.file, 1, NULL, FERRY_NOT_FOUND, "model.safetensors is missing");
    replace(weights, "blocks.2.1.conv_pwl.weight", "blocks.2.1.conv_pwx.weight");
    /* it is read as a block without expansion */
    assert_refused(files.file, 2, NULL, FERRY_MALFORMED, "blocks.2.1");
    model_files_free(&files);
    assert_refused_with(tiny, "model.safetensors", "",
                        "\"conv_head.weight\":{\"dtype\":\"F32\",\"shape\":[36,24,1,1]",
                        "\"conv_head.weight\":{\"dtype\":\"F32\",\"shape\":[24,36,1,1]",
                        FERRY_MALFORMED, "conv_head.weight");
    assert_refused_with(tiny, "config.json", "", "efficientnet_lite0", "convnext_tiny_ofx2",
                        FERRY_UNSUPPORTED, "convnext_tiny");
    assert_refused_with(tiny, "config.json", "", "bicubic", "nearest", FERRY_UNSUPPORTED,
                        "nearest");
}

static void texts_and_pictures_are_told_apart(void **state)
{
    (void)state;
    float out[64];
    ferry_error error;
    ferry_text text = {"a", 1};
    uint8_t pixel[3] = {1, 2, 3};
    ferry_image image = {pixel, 1, 1, 3};
    ferry_encoder *pictures = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    assert_int_equal(ferry_encoder_encode(pictures, &text, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "pictures"));
    assert_int_equal(ferry_encoder_max_tokens(pictures), 0);
    image.width = 0;
    assert_int_equal(ferry_encoder_encode_images(pictures, &image, 1, out, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    image.width = 1;
    assert_int_equal(ferry_encoder_encode_images(pictures, &image, 1, out, NULL, NULL, &error),
                     FERRY_OK);
    ferry_encoder_close(pictures);
    ferry_encoder *texts =
        encoder_open(golden_path("tiny-bert/gelu-mean"), (ferry_encoder_options){0});
    assert_true(ferry_encoder_takes_texts(texts) && !ferry_encoder_takes_images(texts));
    assert_int_equal(ferry_encoder_encode_images(texts, &image, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_int_equal(ferry_encoder_classify(texts, &image, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_int_equal(ferry_encoder_classes(texts), 0);
    ferry_encoder_close(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_net_gives_what_timm_gives),
        cmocka_unit_test(the_pretrained_net_gives_what_timm_gives),
        cmocka_unit_test(all_kernels_and_threads_give_the_same_bits),
        cmocka_unit_test(int8_is_near_the_original),
        cmocka_unit_test(depthwise_same_bits),
        cmocka_unit_test(clamp_same_bits),
        cmocka_unit_test(int7_same_bits),
        cmocka_unit_test(files_that_do_not_fit_are_named),
        cmocka_unit_test(texts_and_pictures_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
