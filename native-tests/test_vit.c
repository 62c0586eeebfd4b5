/* ViT, CLIP, SigLIP and DINOv2 against transformers; the same bits by all kernels and threads;
 * files that do not fit. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "image_int8.h"
#include "model_files.h"
#include "same_bits.h"

static const char *const kinds[] = {"vit", "clip", "siglip", "dinov2"};
enum { KINDS = 4 };

typedef struct tower {
    image_golden golden;
    char folder[64];
} tower;

static void tower_open(tower *t, const char *kind)
{
    char name[96];
    snprintf(t->folder, sizeof t->folder, "tiny-vit/%s", kind);
    snprintf(name, sizeof name, "%s/expected.safetensors", t->folder);
    image_golden_open(&t->golden, name);
}

static float *encode(const void *user, ferry_encoder_options options)
{
    const tower *t = user;
    ferry_encoder *encoder = encoder_open(golden_path(t->folder), options);
    assert_true(ferry_encoder_takes_images(encoder));
    assert_int_equal(ferry_encoder_classes(encoder), 0);
    return image_golden_encode(&t->golden, encoder);
}

static void towers_give_what_transformers_gives(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        tower t;
        tower_open(&t, kinds[k]);
        size_t rows = t.golden.count, N = t.golden.dimension;
        float *found = same_bits(kinds[k], encode, &t, FERRY_PRECISION_F32, rows * N);
        assert_rows_alike(found, t.golden.features, rows, N, 0.99999, kinds[k]);
        free(found);
        image_golden_close(&t.golden);
    }
}

static void int8_gives_the_same_bits_everywhere(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        tower t;
        tower_open(&t, kinds[k]);
        size_t count = t.golden.count * t.golden.dimension;
        float *copied = image_golden_int8(&t.golden, golden_path(t.folder), 0.99);
        float *found = same_bits(kinds[k], encode, &t, FERRY_PRECISION_INT8, count);
        assert_memory_equal(found, copied, count * sizeof *found);
        free(copied), free(found);
        image_golden_close(&t.golden);
    }
}

/* ---- what is refused ---- */

static const char CONFIG[] = "config.json", PREPROCESSOR[] = "preprocessor_config.json",
                  WEIGHTS[] = "model.safetensors";

static void refuse(const char *kind, const char *file, const char *old, const char *other,
                   ferry_status status, const char *says)
{
    char folder[64];
    snprintf(folder, sizeof folder, "tiny-vit/%s", kind);
    assert_refused_with(folder, file, "", old, other, status, says);
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
    model_files files = model_files_read(golden_path("tiny-vit/siglip"));
    assert_refused(files.file, 1, NULL, FERRY_NOT_FOUND, "model.safetensors is missing");
    assert_refused(files.file, 2, NULL, FERRY_NOT_FOUND, "model.safetensors is missing");
    model_files_free(&files);
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
