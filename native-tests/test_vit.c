/* ViT, CLIP, SigLIP and DINOv2 against transformers; the same bits by all kernels and threads;
 * files that do not fit. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "image_int8.h"

#include "ferry/ferry.h"
#include "math/kernels.h"

static const char *const kinds[] = {"vit", "clip", "siglip", "dinov2"};
enum { KINDS = 4 };

static float *encode(const char *folder, const ferry_encoder_options *options,
                     const image_golden *golden)
{
    ferry_encoder *encoder;
    ferry_error error;
    if (ferry_encoder_open_directory(folder, options, &encoder, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    assert_true(ferry_encoder_takes_images(encoder));
    assert_int_equal(ferry_encoder_classes(encoder), 0);
    return image_golden_encode(golden, encoder);
}

static void towers_give_what_transformers_gives(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    for (size_t k = 0; k < KINDS; k++) {
        char folder[64], name[96];
        image_golden golden;
        snprintf(folder, sizeof folder, "tiny-vit/%s", kinds[k]);
        snprintf(name, sizeof name, "%s/expected.safetensors", folder);
        image_golden_open(&golden, name);
        float *first = NULL;
        size_t bytes = golden.count * golden.dimension * sizeof *first;
        for (size_t v = 0; v < count; v++) {
            for (size_t threads = 1; threads <= 3; threads += 2) {
                ferry_encoder_options options = {
                    .size = sizeof options, .kernels = variants[v]->name, .threads = threads};
                float *found = encode(golden_path(folder), &options, &golden);
                if (first == NULL)
                    assert_rows_alike(found, golden.features, golden.count, golden.dimension,
                                      0.99999, kinds[k]);
                else if (memcmp(first, found, bytes) != 0)
                    fail_msg("%s: %s with %zu threads gives other bits", kinds[k],
                             variants[v]->name, threads);
                if (first == NULL)
                    first = found;
                else
                    free(found);
            }
        }
        free(first);
        image_golden_close(&golden);
    }
}

static void int8_gives_the_same_bits_everywhere(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    for (size_t k = 0; k < KINDS; k++) {
        char folder[64], name[96];
        image_golden golden;
        snprintf(folder, sizeof folder, "tiny-vit/%s", kinds[k]);
        snprintf(name, sizeof name, "%s/expected.safetensors", folder);
        image_golden_open(&golden, name);
        float *first = image_golden_int8(&golden, golden_path(folder), 0.99);
        size_t bytes = golden.count * golden.dimension * sizeof *first;
        for (size_t v = 0; v < count; v++) {
            for (size_t threads = 1; threads <= 3; threads += 2) {
                ferry_encoder_options options = {.size = sizeof options,
                                                 .kernels = variants[v]->name,
                                                 .precision = FERRY_PRECISION_INT8,
                                                 .threads = threads};
                float *found = encode(golden_path(folder), &options, &golden);
                if (memcmp(first, found, bytes) != 0)
                    fail_msg("%s: %s with %zu threads gives other bits", kinds[k],
                             variants[v]->name, threads);
                free(found);
            }
        }
        free(first);
        image_golden_close(&golden);
    }
}

/* ---- what is refused ---- */

enum { CONFIG, PREPROCESSOR, WEIGHTS, FILES };
static ferry_file files[FILES];

static void read_kind(const char *kind)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json",
                                        "model.safetensors"};
    for (size_t i = 0; i < FILES; i++) {
        char path[128];
        snprintf(path, sizeof path, "tiny-vit/%s/%s", kind, names[i]);
        files[i].name = names[i];
        files[i].data = read_file(golden_path(path), &files[i].size);
    }
}

static void free_kind(void)
{
    for (size_t i = 0; i < FILES; i++) free((void *)(uintptr_t)files[i].data);
}

/* Opens a kind with another text of the same length in place of the first `old` in a file. */
static void refuse(const char *kind, size_t file, const char *old, const char *other,
                   ferry_status status, const char *message)
{
    read_kind(kind);
    char *data = (char *)(uintptr_t)files[file].data;
    size_t size = strlen(old), i = 0;
    assert_int_equal(size, strlen(other));
    while (i + size <= files[file].size && memcmp(data + i, old, size) != 0) i++;
    if (i + size > files[file].size) fail_msg("no %s in %s's %s", old, kind, files[file].name);
    memcpy(data + i, other, size);
    ferry_encoder *encoder;
    ferry_error error = {0};
    assert_int_equal(ferry_encoder_open(files, FILES, NULL, &encoder, &error), status);
    assert_null(encoder);
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
    free_kind();
}

static void files_that_do_not_fit_are_named(void **state)
{
    (void)state;
    refuse("vit", CONFIG, "\"gelu\"", "\"silu\"", FERRY_UNSUPPORTED, "silu");
    refuse("vit", CONFIG, "\"num_attention_heads\": 3", "\"num_attention_heads\": 5",
           FERRY_MALFORMED, "5 heads");
    refuse("vit", CONFIG, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", FERRY_NOT_FOUND,
           "encoder.layer.2.layernorm_before");
    refuse("vit", CONFIG, "\"patch_size\": 7", "\"patch_size\": 5", FERRY_MALFORMED, "projection");
    refuse("vit", CONFIG, "\"num_channels\": 3", "\"num_channels\": 1", FERRY_UNSUPPORTED,
           "num_channels");
    refuse("vit", PREPROCESSOR, "\"height\": 35", "\"height\": 28", FERRY_UNSUPPORTED, "square");
    refuse("clip", PREPROCESSOR, "\"crop_size\": {\n  \"height\": 35,\n  \"width\": 35",
           "\"crop_size\": {\n  \"height\": 34,\n  \"width\": 34", FERRY_UNSUPPORTED,
           "patches of 7");
    refuse("clip", WEIGHTS, "visual_projection", "visual_prajection", FERRY_NOT_FOUND,
           "visual_projection.weight");
    refuse("clip", CONFIG, "vision_config", "visian_config", FERRY_MALFORMED, "vision_config");
    refuse("siglip", WEIGHTS, "head.probe", "head.prabe", FERRY_NOT_FOUND, "head.probe");
    refuse("dinov2", CONFIG, "\"use_swiglu_ffn\": false", "\"use_swiglu_ffn\": true ",
           FERRY_UNSUPPORTED, "swiglu");
    read_kind("siglip");
    ferry_encoder *encoder;
    ferry_error error;
    assert_int_equal(ferry_encoder_open(files, 1, NULL, &encoder, &error), FERRY_NOT_FOUND);
    assert_int_equal(ferry_encoder_open(files, 2, NULL, &encoder, &error), FERRY_NOT_FOUND);
    free_kind();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(towers_give_what_transformers_gives),
        cmocka_unit_test(int8_gives_the_same_bits_everywhere),
        cmocka_unit_test(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
