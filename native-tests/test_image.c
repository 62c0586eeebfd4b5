/* Framing and resizing against Pillow, byte for byte, and what pictures are refused. */
#include "golden_tensors.h"

#include "encode/image_config.h"
#include "input/image.h"

enum { SIDE = 16, SHORTEST = 20, PICTURES = 7 };

static const uint8_t *bytes_of(golden_tensors *golden, const char *name, size_t shape[3])
{
    const ferry_tensor *tensor = ferry_safetensors_find(&golden->tensors, name);
    if (tensor == NULL || tensor->dtype != FERRY_U8 || tensor->rank != 3)
        fail_msg("the golden has no picture %s", name);
    memcpy(shape, tensor->shape, 3 * sizeof *shape);
    return tensor->data;
}

static void resizing_is_pillows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ferry_image_recipe recipe;
    } framings[] = {
        {"pad", {.framing = FERRY_FRAMING_PAD}},
        {"crop", {.framing = FERRY_FRAMING_CROP, .shortest = SHORTEST}},
        {"crop-even", {.framing = FERRY_FRAMING_CROP, .shortest = SHORTEST, .crop_to_even = true}},
        {"squash", {.framing = FERRY_FRAMING_SQUASH}}};
    golden_tensors golden;
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    golden_tensors_open(&golden, "images.safetensors");
    for (size_t n = 0; n < PICTURES; n++) {
        char name[64];
        size_t shape[3], framed[3];
        snprintf(name, sizeof name, "noise.%zu", n);
        const uint8_t *noise = bytes_of(&golden, name, shape);
        ferry_image image = {noise, shape[1], shape[0], 3};
        for (size_t f = 0; f < sizeof framings / sizeof *framings; f++) {
            for (int filter = 0; filter < 2; filter++) {
                ferry_image_recipe recipe = framings[f].recipe;
                recipe.filter = filter == 0 ? FERRY_FILTER_BILINEAR : FERRY_FILTER_BICUBIC;
                recipe.width = recipe.height = SIDE;
                snprintf(name, sizeof name, "%s.%s.%zu", framings[f].name,
                         filter == 0 ? "bilinear" : "bicubic", n);
                const uint8_t *expected = bytes_of(&golden, name, framed);
                uint8_t found[SIDE * SIDE * 3];
                assert_int_equal(ferry_image_frame(&image, &recipe, &allocator, found, NULL),
                                 FERRY_OK);
                for (size_t i = 0; i < sizeof found; i++) {
                    if (found[i] != expected[i])
                        fail_msg("%s: byte %zu is %d, Pillow's %d", name, i, found[i], expected[i]);
                }
            }
        }
    }
    golden_tensors_close(&golden);
}

static void grey_and_alpha_are_shown_on_white(void **state)
{
    (void)state;
    ferry_image_recipe recipe = {.width = 2, .height = 2, .framing = FERRY_FRAMING_SQUASH};
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    static const uint8_t grey[4] = {0, 100, 200, 255};
    static const uint8_t rgba[16] = {10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128, 255, 0, 0, 127};
    static const uint8_t shown[12] = {10, 20, 30, 255, 255, 255, 127, 127, 127, 255, 128, 128};
    uint8_t out[12];
    assert_int_equal(
        ferry_image_frame(&(ferry_image){grey, 2, 2, 1}, &recipe, &allocator, out, NULL), FERRY_OK);
    for (size_t i = 0; i < 12; i++) assert_int_equal(out[i], grey[i / 3]);
    assert_int_equal(
        ferry_image_frame(&(ferry_image){rgba, 2, 2, 4}, &recipe, &allocator, out, NULL), FERRY_OK);
    for (size_t i = 0; i < 12; i++) assert_int_equal(out[i], shown[i]);
}

/* A picture as long as pictures may be: what is cut out is all that is resized. */
static void extreme_shapes_take_little(void **state)
{
    (void)state;
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    uint8_t *line = calloc(FERRY_IMAGE_MAX_SIDE, 3), out[SIDE * SIDE * 3];
    assert_non_null(line);
    for (size_t i = 0; i < FERRY_IMAGE_MAX_SIDE * 3; i++) line[i] = (uint8_t)(i % 251);
    for (int filter = 0; filter < 2; filter++) {
        for (int framing = FERRY_FRAMING_PAD; framing <= FERRY_FRAMING_SQUASH; framing++) {
            ferry_image_recipe recipe = {.width = SIDE,
                                         .height = SIDE,
                                         .framing = (ferry_framing)framing,
                                         .filter = (ferry_filter)filter,
                                         .shortest = FERRY_IMAGE_MAX_INPUT};
            ferry_image wide = {line, FERRY_IMAGE_MAX_SIDE, 1, 3};
            ferry_image high = {line, 1, FERRY_IMAGE_MAX_SIDE, 3};
            assert_int_equal(ferry_image_frame(&wide, &recipe, &allocator, out, NULL), FERRY_OK);
            assert_int_equal(ferry_image_frame(&high, &recipe, &allocator, out, NULL), FERRY_OK);
        }
    }
    free(line);
}

static void refuse(ferry_image image, ferry_status status, const char *message)
{
    ferry_error error;
    assert_int_equal(ferry_image_check(&image, 3, &error), status);
    assert_non_null(strstr(error.message, "picture 3"));
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
}

static void bad_pictures_are_named(void **state)
{
    (void)state;
    uint8_t pixel[4] = {0};
    refuse((ferry_image){pixel, 0, 5, 3}, FERRY_INVALID_ARGUMENT, "0 x 5");
    refuse((ferry_image){pixel, 5, 0, 3}, FERRY_INVALID_ARGUMENT, "5 x 0");
    refuse((ferry_image){pixel, 65537, 1, 3}, FERRY_LIMIT, "65536");
    refuse((ferry_image){pixel, 1, 1, 2}, FERRY_INVALID_ARGUMENT, "2 channels");
    refuse((ferry_image){NULL, 1, 1, 3}, FERRY_INVALID_ARGUMENT, "NULL");
}

/* ---- preprocessor_config.json ---- */

static ferry_status read_config(const char *json, ferry_image_fit fit, ferry_image_recipe *out,
                                ferry_error *error)
{
    ferry_file file = {"preprocessor_config.json", json, strlen(json)};
    return ferry_image_config_preprocessor(&file, fit, out, error);
}

#define COLOURS "\"image_mean\": [0.5, 0.25, 0], \"image_std\": [1, 2, 0.5]"

static void preprocessors_are_read(void **state)
{
    (void)state;
    ferry_image_recipe r;
    assert_int_equal(read_config("{\"size\": {\"shortest_edge\": 256}, \"do_center_crop\": true, "
                                 "\"crop_size\": {\"height\": 224, \"width\": 224}, "
                                 "\"resample\": 3, " COLOURS "}",
                                 FERRY_IMAGE_FIT_MODEL, &r, NULL),
                     FERRY_OK);
    assert_int_equal(r.framing, FERRY_FRAMING_CROP);
    assert_int_equal(r.filter, FERRY_FILTER_BICUBIC);
    assert_int_equal(r.shortest, 256);
    assert_int_equal(r.width, 224);
    float out[3];
    ferry_image_normalize(&r, (const uint8_t[]){255, 0, 51}, 1, out);
    assert_true(out[0] == 0.5f && out[1] == -0.125f && out[2] == 0.4f);
    assert_int_equal(read_config("{\"size\": 32, \"resample\": 2, \"do_normalize\": false}",
                                 FERRY_IMAGE_FIT_MODEL, &r, NULL),
                     FERRY_OK);
    assert_int_equal(r.framing, FERRY_FRAMING_SQUASH);
    assert_int_equal(r.height, 32);
    assert_int_equal(read_config("{\"size\": {\"height\": 32, \"width\": 48}, \"do_normalize\": "
                                 "false}",
                                 FERRY_IMAGE_FIT_PAD, &r, NULL),
                     FERRY_OK);
    assert_int_equal(r.framing, FERRY_FRAMING_PAD);
    assert_int_equal(r.width, 48);
}

static void bad_preprocessors_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
        ferry_status status;
    } bad[] = {
        {"[]", "object", FERRY_MALFORMED},
        {"{}", "\"size\"", FERRY_MALFORMED},
        {"{\"size\": {\"longest_edge\": 3}}", "shortest_edge", FERRY_UNSUPPORTED},
        {"{\"size\": 32, \"do_resize\": false}", "do_resize", FERRY_UNSUPPORTED},
        {"{\"size\": 32, \"resample\": 1}", "resample 1", FERRY_UNSUPPORTED},
        {"{\"size\": 32}", "image_mean", FERRY_MALFORMED},
        {"{\"size\": 5000, \"do_normalize\": false}", "5000", FERRY_UNSUPPORTED},
        {"{\"size\": {\"shortest_edge\": 32}, \"do_normalize\": false}", "centre crop",
         FERRY_UNSUPPORTED},
        {"{\"size\": {\"shortest_edge\": 32}, \"do_center_crop\": true, \"crop_size\": 40, "
         "\"do_normalize\": false}",
         "40 x 40", FERRY_UNSUPPORTED},
        {"{\"size\": 32, \"image_mean\": [0, 0, 0], \"image_std\": [1, 0, 1]}", "deviation",
         FERRY_MALFORMED},
        {"{\"size\": 32, \"image_mean\": [0, 0], \"image_std\": [1, 1, 1]}", "three numbers",
         FERRY_MALFORMED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ferry_image_recipe r;
        ferry_error error;
        assert_int_equal(read_config(bad[i].json, FERRY_IMAGE_FIT_MODEL, &r, &error),
                         bad[i].status);
        if (strstr(error.message, bad[i].message) == NULL ||
            strstr(error.message, "preprocessor_config.json") == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizing_is_pillows),
        cmocka_unit_test(grey_and_alpha_are_shown_on_white),
        cmocka_unit_test(extreme_shapes_take_little),
        cmocka_unit_test(bad_pictures_are_named),
        cmocka_unit_test(preprocessors_are_read),
        cmocka_unit_test(bad_preprocessors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
