#define _XOPEN_SOURCE 700 /* mkdtemp */
/*
 * Every allocation fails once: whatever is being done ends with OUT_OF_MEMORY, leaks nothing
 * (LeakSanitizer watches in the dev build), and works the next time. cJSON's own allocations fail
 * through its hooks, ours through the allocator hook; both count as one sequence.
 */
#include "failing.h"
#include "model_files.h"
#include "small_catalog.h"

static failing memory; /* of the library; cJSON's allocations count as its own */

static void *failing_malloc(size_t size)
{
    if (memory.left == 0) return NULL;
    memory.left--;
    return malloc(size);
}

static const ferry_allocator allocator = {failing_reallocate, &memory};

/* Runs `work` with 0, 1, 2… allocations allowed until it succeeds; it must say OUT_OF_MEMORY
 * until then. */
static void sweep(const char *name, ferry_status (*work)(void *, ferry_error *), void *user)
{
    cJSON_Hooks hooks = {failing_malloc, free};
    cJSON_InitHooks(&hooks);
    size_t turns = 0;
    for (;; turns++) {
        ferry_error error = {0};
        memory = (failing){.left = turns};
        ferry_status status = work(user, &error);
        if (memory.live != 0)
            fail_msg("%s: %zu bytes leaked at allocation %zu", name, memory.live, turns);
        if (status == FERRY_OK) break;
        if (status != FERRY_OUT_OF_MEMORY)
            fail_msg("%s: allocation %zu failing gave %s: %s", name, turns,
                     ferry_status_name(status), error.message);
        assert_true(turns < 100000);
    }
    cJSON_InitHooks(NULL);
    print_message("%s: %zu allocations, each failed once\n", name, turns);
    assert_true(turns > 3);
}

static ferry_status encode_texts(void *user, ferry_error *error)
{
    const char *path = user;
    ferry_encoder_options options = {.size = sizeof options, .allocator = &allocator, .threads = 2};
    ferry_encoder *encoder;
    FERRY_TRY(ferry_encoder_open_directory(path, &options, &encoder, error));
    ferry_text texts[] = {{"wooden spoon", 12}, {"", 0}};
    float out[2 * 64];
    assert_true(ferry_encoder_dimension(encoder) <= 64);
    ferry_status status = ferry_encoder_encode(encoder, texts, 2, out, NULL, NULL, error);
    ferry_encoder_close(encoder);
    return status;
}

static void encoder_survives(void **state)
{
    (void)state;
    sweep("encoder, tokenizer.json", encode_texts,
          (void *)(uintptr_t)golden_path("tiny-bert/gelu-mean"));
    sweep("encoder, vocab.txt and F16", encode_texts,
          (void *)(uintptr_t)golden_path("tiny-bert/gelu-new-cls"));
    sweep("encoder, Unigram and 4-bit", encode_texts,
          (void *)(uintptr_t)golden_path("tiny-bert/unigram-int4"));
    sweep("encoder, SigLIP's texts", encode_texts,
          (void *)(uintptr_t)golden_path("tiny-pairs/siglip"));
}

typedef struct media_model {
    model_files files;
    ferry_precision precision;
} media_model;

/* A pixel, or a sample, by whichever of the two the files encode. */
static ferry_status encode_media(void *user, ferry_error *error)
{
    const media_model *model = user;
    ferry_encoder_options options = {
        .size = sizeof options, .allocator = &allocator, .precision = model->precision};
    static const uint8_t pixel[3] = {1, 2, 3};
    static const float sample[1] = {0.5f};
    ferry_image image = {pixel, 1, 1, 3};
    ferry_sound sound = {sample, 1, 1, 44100};
    ferry_encoder *encoder;
    float out[64];
    FERRY_TRY(ferry_encoder_open(model->files.file, model->files.count, &options, &encoder, error));
    assert_true(ferry_encoder_dimension(encoder) <= 64);
    ferry_status status =
        ferry_encoder_takes_images(encoder)
            ? ferry_encoder_encode_images(encoder, &image, 1, out, NULL, NULL, error)
            : ferry_encoder_encode_sounds(encoder, &sound, 1, out, NULL, NULL, error);
    ferry_encoder_close(encoder);
    return status;
}

static void encoders_of_pictures_and_sounds_survive(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny-efficientnet", "tiny-musicnn", "tiny-vit/clip"};
    for (size_t i = 0; i < 6; i++) {
        media_model model = {model_files_read(golden_path(models[i / 2])),
                             i % 2 == 0 ? FERRY_PRECISION_F32 : FERRY_PRECISION_INT8};
        sweep(models[i / 2], encode_media, &model);
        model_files_free(&model.files);
    }
}

static ferry_status build(ferry_catalog *catalog, ferry_encoder *encoder, ferry_error *error)
{
    static const char rows[] =
        "id,title,tags,domain\n1,A spoon,wood|kitchen,home\n2,A fork,,home\n";
    ferry_file table = {"items.csv", rows, sizeof rows - 1};
    FERRY_TRY(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, error));
    FERRY_TRY(ferry_catalog_encode(catalog, encoder, "tiny", NULL, NULL, error));
    assert_int_equal(ferry_catalog_count(catalog), 2);
    return FERRY_OK;
}

static ferry_status build_catalog(void *user, ferry_error *error)
{
    ferry_catalog_options options = {.size = sizeof options, .allocator = &allocator};
    ferry_catalog *catalog;
    FERRY_TRY(ferry_catalog_create(&options, &catalog, error));
    ferry_status status = build(catalog, user, error);
    if (status == FERRY_OK) {
        char path[] = "/tmp/ferry-test-XXXXXX";
        status = ferry_catalog_save_directory(catalog, mkdtemp(path), error);
        static const char *const files[] = {"items.jsonl", "vectors.safetensors", "catalog.json"};
        for (size_t i = 0; i < 3; i++) {
            char file[64];
            snprintf(file, sizeof file, "%s/%s", path, files[i]);
            remove(file);
        }
        remove(path);
    }
    ferry_catalog_close(catalog);
    return status;
}

static void building_a_catalog_survives(void **state)
{
    (void)state;
    ferry_encoder *encoder;
    assert_int_equal(
        ferry_encoder_open_directory(golden_path("tiny-bert/gelu-mean"), NULL, &encoder, NULL),
        FERRY_OK);
    sweep("building a catalogue", build_catalog, encoder);
    ferry_encoder_close(encoder);
}

static bool swallow(void *user, const void *data, size_t size)
{
    (void)user;
    return size == 0 || data != NULL;
}

static ferry_status set_vectors(ferry_catalog *catalog, ferry_error *error)
{
    static const char rows[] = "{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\"3\"}\n";
    static const float texts[] = {1, 2, 0, 0, 3, 4}, sounds[] = {1, 0, 2};
    static const char *const names[] = {"catalog.json", "items.jsonl", "vectors.safetensors"};
    ferry_file table = {"items.jsonl", rows, sizeof rows - 1};
    ferry_modality_vectors list[] = {{FERRY_MODALITY_TEXT, "m", 0, 2, texts},
                                     {FERRY_MODALITY_AUDIO, "n", 0, 1, sounds}};
    FERRY_TRY(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, error));
    FERRY_TRY(ferry_catalog_set_vectors(catalog, list, 2, NULL, NULL, error));
    assert_int_equal(ferry_catalog_count(catalog), 2);
    for (size_t i = 0; i < 3; i++)
        FERRY_TRY(ferry_catalog_write(catalog, names[i], swallow, NULL, error));
    return FERRY_OK;
}

static ferry_status build_of_vectors(void *user, ferry_error *error)
{
    ferry_catalog_options options = {.size = sizeof options, .allocator = &allocator};
    ferry_catalog *catalog;
    (void)user;
    FERRY_TRY(ferry_catalog_create(&options, &catalog, error));
    ferry_status status = set_vectors(catalog, error);
    ferry_catalog_close(catalog);
    return status;
}

static void building_a_catalog_of_vectors_survives(void **state)
{
    (void)state;
    sweep("building a catalogue of vectors", build_of_vectors, NULL);
}

#if FERRY_PICTURES
static ferry_status give_picture(void *user, size_t index, ferry_modality modality, ferry_file *out,
                                 ferry_error *error)
{
    static char *bytes;
    static size_t size;
    (void)user, (void)modality;
    if (index == 2) return error->status = FERRY_NOT_FOUND;
    if (bytes == NULL) bytes = read_file(golden_path("images/rgb.png"), &size);
    *out = (ferry_file){"rgb.png", bytes, size};
    return FERRY_OK;
}

static ferry_status fill_media(ferry_catalog *catalog, ferry_encoder *const *encoders,
                               const char *parts, ferry_error *error)
{
    static const char rows[] =
        "id,title,image,domain\n1,A spoon,x,home\n2,A fork,,home\n3,,x,away\n";
    ferry_file table = {"items.csv", rows, sizeof rows - 1};
    ferry_catalog_source sources[] = {{FERRY_MODALITY_TEXT, encoders[0], "tiny", 0, 1},
                                      {FERRY_MODALITY_IMAGE, encoders[1], "tiny", 0, 1}};
    ferry_catalog_encode_options options = {.size = sizeof options,
                                            .sources = sources,
                                            .source_count = 2,
                                            .read = give_picture,
                                            .parts = parts};
    FERRY_TRY(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, error));
    FERRY_TRY(ferry_catalog_encode_media(catalog, &options, error));
    assert_int_equal(ferry_catalog_count(catalog), 2);
    return FERRY_OK;
}

static ferry_status build_media(void *user, ferry_error *error)
{
    ferry_catalog_options options = {.size = sizeof options, .allocator = &allocator};
    ferry_catalog *catalog;
    char path[] = "/tmp/ferry-test-XXXXXX", file[64];
    FERRY_TRY(ferry_catalog_create(&options, &catalog, error));
    ferry_status status = fill_media(catalog, user, mkdtemp(path), error);
    for (size_t i = 0; i < 2; i++) {
        snprintf(file, sizeof file, "%s/%s.part", path, i == 0 ? "text" : "image");
        remove(file);
    }
    remove(path);
    ferry_catalog_close(catalog);
    return status;
}

static void building_a_catalog_of_pictures_survives(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny-bert/gelu-mean", "tiny-efficientnet"};
    ferry_encoder *encoders[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            ferry_encoder_open_directory(golden_path(models[i]), NULL, &encoders[i], NULL),
            FERRY_OK);
    sweep("building a catalogue of texts and pictures", build_media, encoders);
    for (size_t i = 0; i < 2; i++) ferry_encoder_close(encoders[i]);
}
#endif

static ferry_status visit(const ferry_catalog *catalog, ferry_error *error)
{
    static const char rows[] = "{\"item\":\"b1\",\"behavior\":\"purchase\"}\n"
                               "{\"item\":\"f1\",\"behavior\":\"play\"}\n"
                               "{\"item\":\"s1\",\"behavior\":\"rating\",\"value\":1}\n";
    ferry_file table = {"history.jsonl", rows, sizeof rows - 1};
    static const char *const where[] = {"title~FILM", "price!=\"12\"", "tags has a"};
    static const ferry_limit films = {"films", 1}, one_title = {"title", 1};
    ferry_recommend_options options = {.size = sizeof options,
                                       .k = 3,
                                       .where = where,
                                       .where_count = 3,
                                       .quotas = &films,
                                       .quota_count = 1,
                                       .at_most = &one_title,
                                       .at_most_count = 1,
                                       .diversity = 0.5f};
    ferry_recommendation items[3];
    size_t count;
    ferry_visitor *visitor;
    FERRY_TRY(ferry_visitor_create(catalog, &visitor, error));
    ferry_status status =
        ferry_visitor_add_table(visitor, &table, FERRY_TABLE_AUTO, NULL, NULL, NULL, NULL, error);
    if (status == FERRY_OK)
        status = ferry_visitor_recommend(visitor, &options, items, &count, NULL, error);
    char profile[512];
    if (status == FERRY_OK)
        status = ferry_visitor_save(visitor, profile, sizeof profile, &count, error);
    if (status == FERRY_OK)
        status = ferry_visitor_load(visitor, profile, count, NULL, NULL, NULL, error);
    if (status == FERRY_OK) assert_int_equal(ferry_visitor_event_count(visitor), 3);
    ferry_visitor_close(visitor);
    return status;
}

static ferry_status open_and_visit(void *user, ferry_error *error)
{
    const small_catalog *small = user;
    ferry_catalog_options options = {.size = sizeof options, .allocator = &allocator};
    ferry_catalog *catalog;
    FERRY_TRY(ferry_catalog_open(small->files, SMALL_FILES, &options, &catalog, error));
    ferry_status status = visit(catalog, error);
    ferry_catalog_close(catalog);
    return status;
}

static void recommending_survives(void **state)
{
    (void)state;
    small_catalog small;
    small_catalog_make(&small);
    sweep("opening a catalogue and recommending", open_and_visit, &small);
    small_catalog_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoder_survives),
        cmocka_unit_test(encoders_of_pictures_and_sounds_survive),
        cmocka_unit_test(building_a_catalog_survives),
        cmocka_unit_test(building_a_catalog_of_vectors_survives),
#if FERRY_PICTURES
        cmocka_unit_test(building_a_catalog_of_pictures_survives),
#endif
        cmocka_unit_test(recommending_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
