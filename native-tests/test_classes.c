/* What a picture shows and a sound is, by name: the list that JavaScript is given, as the wasm
 * tests read it in golden/classes.jsonl; and the names in config.json. */
#include "api/handles.h"
#include "image_golden.h"
#include "model_files.h"
#include "same_bits.h"
#include "sound_clips.h"

static const char picture_model[] = "tiny-efficientnet", sound_model[] = "tiny-musicnn";

/* The list of scores [classes], which are overwritten; to be freed. */
static char *list_of(const ferry_encoder *encoder, float *scores, size_t k)
{
    ferry_error error;
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    if (ferry_classes_json(encoder, scores, k, &buffer, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    char *text = malloc(buffer.size + 1);
    assert_non_null(text);
    memcpy(text, buffer.data, buffer.size);
    text[buffer.size] = '\0';
    ferry_buffer_free(&buffer);
    return text;
}

static char *list_of_picture(ferry_encoder *encoder, const ferry_image *image)
{
    float logits[64];
    assert_true(ferry_encoder_classes(encoder) <= 64);
    assert_int_equal(ferry_encoder_classify(encoder, image, 1, logits, NULL, NULL, NULL), FERRY_OK);
    return list_of(encoder, logits, SIZE_MAX);
}

/* ---- the lists ---- */

typedef struct all_lists {
    char text[1 << 14];
    size_t size;
} all_lists;

static void append(all_lists *all, char *list)
{
    int size = snprintf(all->text + all->size, sizeof all->text - all->size, "%s\n", list);
    assert_true(size > 0 && (size_t)size < sizeof all->text - all->size);
    all->size += (size_t)size;
    free(list);
}

/* Of every picture in f32, then in int8, then of every sound. */
static void make_lists(const char *kernels, all_lists *out)
{
    static const ferry_precision precisions[] = {FERRY_PRECISION_F32, FERRY_PRECISION_INT8};
    image_golden golden;
    ferry_sound clips[CLIPS];
    image_golden_open(&golden, "tiny-efficientnet/expected.safetensors");
    clips_open(clips);
    out->size = 0;
    for (size_t p = 0; p < 2; p++) {
        ferry_encoder *encoder =
            encoder_open(golden_path(picture_model),
                         (ferry_encoder_options){.kernels = kernels, .precision = precisions[p]});
        for (size_t i = 0; i < golden.count; i++)
            append(out, list_of_picture(encoder, &golden.image[i]));
        ferry_encoder_close(encoder);
    }
    ferry_encoder *encoder =
        encoder_open(golden_path(sound_model), (ferry_encoder_options){.kernels = kernels});
    for (size_t i = 0; i < CLIPS; i++) {
        float tags[8];
        assert_true(ferry_encoder_classes(encoder) <= 8);
        assert_int_equal(ferry_encoder_tag_sounds(encoder, &clips[i], 1, tags, NULL, NULL, NULL),
                         FERRY_OK);
        append(out, list_of(encoder, tags, SIZE_MAX));
    }
    ferry_encoder_close(encoder);
    clips_close(clips);
    image_golden_close(&golden);
}

static void all_kernels_give_the_same_lists(void **state)
{
    (void)state;
    static all_lists found;
    const ferry_kernels *variants[8];
    size_t size, count = ferry_kernels_available(variants, 8);
    char *expected = read_file(golden_path("classes.jsonl"), &size);
    for (size_t v = 0; v < count; v++) {
        make_lists(variants[v]->name, &found);
        if (strcmp(found.text, expected) == 0) continue;
        fputs(found.text, stdout); /* more than a message holds */
        fail_msg("%s gives other lists", variants[v]->name);
    }
    free(expected);
}

/* The softmax of timm's logits, in double. */
static void scores_are_the_softmax_of_the_originals_logits(void **state)
{
    (void)state;
    image_golden golden;
    size_t shape[2];
    image_golden_open(&golden, "tiny-efficientnet/expected.safetensors");
    const float *logits = golden_tensor(&golden.tensors, "logits", shape);
    ferry_encoder *encoder = encoder_open(golden_path(picture_model), (ferry_encoder_options){0});
    for (size_t i = 0; i < golden.count; i++, logits += shape[1]) {
        double sum = 0.0, worst = 0.0, last = 2.0;
        cJSON *json;
        char *list = list_of_picture(encoder, &golden.image[i]);
        assert_int_equal(ferry_json_parse(list, strlen(list), "list", &json, NULL), FERRY_OK);
        assert_int_equal(cJSON_GetArraySize(json), shape[1]);
        for (size_t n = 0; n < shape[1]; n++) sum += exp((double)logits[n]);
        for (const cJSON *entry = json->child; entry != NULL; entry = entry->next) {
            double score = ferry_json_get(entry, "score")->valuedouble;
            int index = ferry_json_get(entry, "index")->valueint;
            char label[16];
            snprintf(label, sizeof label, "LABEL_%d", index);
            assert_string_equal(ferry_json_get(entry, "label")->valuestring, label);
            assert_true(score <= last);
            last = score;
            worst = fmax(worst, fabs(score - exp((double)logits[index]) / sum));
        }
        if (!(worst < 1e-5)) fail_msg("picture %zu: %g from timm's", i, worst);
        cJSON_Delete(json);
        free(list);
    }
    ferry_encoder_close(encoder);
    image_golden_close(&golden);
}

static void equal_scores_are_listed_by_number(void **state)
{
    (void)state;
    ferry_error error;
    ferry_buffer buffer;
    ferry_encoder *encoder = encoder_open(golden_path(sound_model), (ferry_encoder_options){0});
    float tags[] = {0.25f, 0.5f, 0.25f, 0.5f, 0.25f};
    char *list = list_of(encoder, tags, 4);
    assert_string_equal(list, "[{\"label\":\"drums\",\"score\":0.5,\"index\":1},"
                              "{\"label\":\"naïve\",\"score\":0.5,\"index\":3},"
                              "{\"label\":\"plucked\",\"score\":0.25,\"index\":0},"
                              "{\"label\":\"a \\\"chord\\\"\",\"score\":0.25,\"index\":2}]");
    free(list);
    list = list_of(encoder, tags, 1);
    assert_string_equal(list, "[{\"label\":\"drums\",\"score\":0.5,\"index\":1}]");
    free(list);
    tags[4] = NAN;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_classes_json(encoder, tags, 1, &buffer, &error), FERRY_MALFORMED);
    assert_non_null(strstr(error.message, "class 4"));
    assert_int_equal(buffer.size, 0);
    ferry_buffer_free(&buffer);
    ferry_encoder_close(encoder);
}

/* ---- the names ---- */

/* Of the picture model with this put into its config.json. */
static void check_names(const char *field, const char *const *expected)
{
    ferry_error error;
    ferry_encoder *encoder;
    char with[512];
    snprintf(with, sizeof with, "%s, \"num_classes\"", field);
    model_files files = model_files_read(golden_path(picture_model));
    replace(model_file(&files, "config.json"), "\"num_classes\"", with);
    if (ferry_encoder_open(files.file, files.count, NULL, &encoder, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < 7; i++) {
        const char *name = ferry_encoder_class_name(encoder, i);
        if (expected == NULL)
            assert_null(name);
        else
            assert_string_equal(name, expected[i]);
    }
    assert_null(ferry_encoder_class_name(encoder, 7));
    if (expected != NULL) {
        float logits[7] = {0, 0, 0, 0, 0, 0, 3};
        char *list = list_of(encoder, logits, 1);
        assert_non_null(strstr(list, expected[6]));
        free(list);
    }
    ferry_encoder_close(encoder);
    model_files_free(&files);
}

static void refuse_names(const char *field, const char *says)
{
    char with[512];
    snprintf(with, sizeof with, "%s, \"num_classes\"", field);
    assert_refused_with(picture_model, "config.json", "", "\"num_classes\"", with, FERRY_MALFORMED,
                        says);
}

static void names_are_read_as_timm_and_transformers_write_them(void **state)
{
    (void)state;
    static const char *const names[] = {"zero", "one", "two", "drei", "vier", "", "7"};
    check_names("\"label_names\": [\"zero\", \"one\", \"two\", \"drei\", \"vier\", \"\", \"7\"]",
                names);
    check_names("\"id2label\": {\"0\": \"zero\", \"1\": \"one\", \"3\": \"drei\", \"2\": \"two\", "
                "\"4\": \"vier\", \"5\": \"\", \"6\": \"7\"}",
                names);
    check_names("\"label_names\": null", NULL);
    refuse_names("\"label_names\": [\"zero\"]", "\"label_names\" does not name 7 classes");
    refuse_names("\"label_names\": \"zero\"", "\"label_names\" does not name 7 classes");
    refuse_names("\"label_names\": [\"a\", \"b\", 3, \"d\", \"e\", \"f\", \"g\"]",
                 "label_names has no \"2\"");
    refuse_names("\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"02\": \"c\", \"3\": \"d\", "
                 "\"4\": \"e\", \"5\": \"f\", \"6\": \"g\"}",
                 "id2label has no \"2\"");
    refuse_names("\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\", \"3\": \"d\", "
                 "\"4\": \"e\", \"\": \"f\", \"99999999999999999999\": \"g\"}",
                 "id2label has no \"5\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kernels_give_the_same_lists),
        cmocka_unit_test(scores_are_the_softmax_of_the_originals_logits),
        cmocka_unit_test(equal_scores_are_listed_by_number),
        cmocka_unit_test(names_are_read_as_timm_and_transformers_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
