/*
 * Texts of many languages against the originals: Unigram tokenizers, 4-bit weights, prompts and
 * centring. golden/README.md says what was dumped and how.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "golden.h"

#include <math.h>

#include "input/charsmap.h"
#include "model_files.h"
#include "same_bits.h"
#include "tokenizer_files.h"

#define TINY "tiny-bert/unigram-int4"
#define E5 "multilingual-e5-small"

static bool have_e5(void)
{
    if (file_exists(model_path(E5 "/model.safetensors"))) return true;
    print_message("skipped: no %s; 'sh tools/setup languages' fetches it\n", model_path(E5));
    return false;
}

/* ---- tokenizers ---- */

enum { MAX_ITEMS = 2048 };

/* Each line of a file as JSON. */
static size_t read_items(const char *path, cJSON *items[MAX_ITEMS])
{
    size_t size, count = 0;
    char *lines = read_file(path, &size);
    for (char *line = lines, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        assert_true(count < MAX_ITEMS);
        items[count++] = cJSON_ParseWithLength(line, (size_t)(end - line));
    }
    free(lines);
    return count;
}

/* What unigram.txt holds of a language: how many names, and the hash of their ids. */
static unsigned hash_names(ferry_encoder *encoder, cJSON *const *items, size_t count,
                           const char *language, uint64_t *hash)
{
    unsigned found = 0;
    *hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        const cJSON *names = cJSON_GetObjectItem(items[i], "names");
        const cJSON *name = strcmp(language, "en") == 0
                                ? cJSON_GetObjectItem(items[i], "title")
                                : cJSON_GetObjectItemCaseSensitive(names, language);
        if (name == NULL) continue;
        int32_t ids[513];
        size_t tokens;
        ferry_text text = {name->valuestring, strlen(name->valuestring)};
        assert_int_equal(ferry_encoder_tokenize(encoder, text, ids, 512, &tokens, NULL), FERRY_OK);
        ids[tokens] = -1;
        const unsigned char *bytes = (const unsigned char *)ids;
        for (size_t b = 0; b < (tokens + 1) * sizeof *ids; b++)
            *hash = (*hash ^ bytes[b]) * 0x100000001b3u;
        found++;
    }
    return found;
}

static void names_in_all_languages_have_the_originals_ids(void **state)
{
    static cJSON *items[MAX_ITEMS];
    const char *path = FERRY_SOURCE_DIR "/.deps/stamps/items.jsonl";
    (void)state;
    if (!have_e5()) skip();
    if (!file_exists(path)) {
        print_message("skipped: no %s; 'sh tools/setup models' makes it\n", path);
        skip();
    }
    ferry_encoder *encoder = encoder_open(model_path(E5), (ferry_encoder_options){.prompt = ""});
    size_t size, languages = 0, texts = 0, count = read_items(path, items);
    char *golden = read_file(golden_path("unigram.txt"), &size);
    for (char *row = golden, *end; (end = strchr(row, '\n')) != NULL; row = end + 1, languages++) {
        char language[32];
        unsigned names;
        unsigned long long expected;
        uint64_t hash;
        assert_int_equal(sscanf(row, "%31s %u %llx", language, &names, &expected), 3);
        unsigned found = hash_names(encoder, items, count, language, &hash);
        if (found != names || hash != expected)
            fail_msg("%s: %u names, ids %016llx; expected %u, %016llx (made with another release "
                     "of the stamps?)",
                     language, found, (unsigned long long)hash, names, expected);
        texts += found;
    }
    print_message("%zu names in %zu languages\n", texts, languages);
    for (size_t i = 0; i < count; i++) cJSON_Delete(items[i]);
    free(golden);
    ferry_encoder_close(encoder);
}

static void wrong_charsmaps_are_refused(void **state)
{
    static const struct {
        const char *base64, *part;
    } maps[] = {{"####", "not base64"},
                {"AAAA", "has 3 bytes"},
                {"/////wAA", "says 4294967295"},
                {"BAAAAAAAAABh", "end in NUL"},
                {"BAAAAAAAAAA=", "has 8 bytes"}};
    (void)state;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    for (size_t i = 0; i < LENGTH(maps); i++) {
        ferry_charsmap map;
        ferry_error error;
        assert_int_equal(ferry_charsmap_read(maps[i].base64, strlen(maps[i].base64), "t.json",
                                             &arena, &map, &error),
                         FERRY_MALFORMED);
        assert_non_null(strstr(error.message, maps[i].part));
    }
    ferry_arena_free(&arena);
}

/* ---- embeddings ---- */

static double least_cosine(const golden_texts *golden, const float *embeddings, double *largest)
{
    size_t N = golden->dimension;
    double least = 1;
    *largest = 0;
    for (size_t i = 0; i < golden->count; i++) {
        double dot = 0, a = 0, b = 0;
        for (size_t n = 0; n < N; n++) {
            double x = (double)embeddings[i * N + n], y = (double)golden->embeddings[i * N + n];
            dot += x * y, a += x * x, b += y * y;
            *largest = fmax(*largest, fabs(x - y));
        }
        least = fmin(least, dot / sqrt(a * b));
    }
    return least;
}

/* ids and embeddings of a golden; name is the files' in folder */
static void check(const char *path, const char *name, ferry_encoder_options options, double least)
{
    static golden_texts golden;
    golden_texts_open_named(name, &golden);
    if (golden.dimension > 100) golden_texts_thin(&golden, GOLDEN_STRIDE); /* the large model */
    ferry_encoder *encoder = encoder_open(path, options);
    for (size_t i = 0; i < golden.count; i++) {
        int32_t ids[512];
        size_t count, at = 0;
        assert_int_equal(ferry_encoder_tokenize(encoder, golden.text[i], ids, 512, &count, NULL),
                         FERRY_OK);
        const cJSON *id = cJSON_GetObjectItem(golden.line[i], "ids")->child;
        for (; id != NULL; id = id->next, at++)
            if (at >= count || ids[at] != id->valueint)
                fail_msg("%s: text %zu: id %zu is not %d", name, i, at, id->valueint);
        assert_int_equal(at, count);
    }
    float *found = encoder_encode(encoder, golden.text, golden.count);
    double largest, cosine = least_cosine(&golden, found, &largest);
    print_message("%s, %s: least cosine %.8f, largest difference %.2e\n", name,
                  options.precision == FERRY_PRECISION_F32 ? "f32" : "int8", cosine, largest);
    assert_true(cosine >= least);
    if (options.precision == FERRY_PRECISION_F32) assert_true(largest <= 1e-4);
    free(found);
    ferry_encoder_close(encoder);
    golden_texts_close(&golden);
}

static void tiny_4bit_model_matches_sentence_transformers(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s", golden_path(TINY));
    check(path, TINY "/text", (ferry_encoder_options){.precision = FERRY_PRECISION_F32}, 0.99999);
    check(path, TINY "/text", (ferry_encoder_options){.prompt = "query"}, 0.99);
    check(path, TINY "/passage",
          (ferry_encoder_options){.precision = FERRY_PRECISION_F32, .prompt = "passage"}, 0.99999);
}

static void e5_matches_sentence_transformers(void **state)
{
    (void)state;
    if (!have_e5()) skip();
    char path[1024];
    snprintf(path, sizeof path, "%s", model_path(E5));
    check(path, "languages", (ferry_encoder_options){.precision = FERRY_PRECISION_F32}, 0.99999);
    check(path, "languages", (ferry_encoder_options){.threads = 2}, 0.997);
}

static float *encode_tiny(const void *user, ferry_encoder_options options)
{
    const golden_texts *golden = user;
    ferry_encoder *encoder = encoder_open(golden_path(TINY), options);
    float *found = encoder_encode(encoder, golden->text, golden->count);
    ferry_encoder_close(encoder);
    return found;
}

/* 4-bit words stay 4-bit in either precision, and every variant gives the same bits. */
static void tiny_4bit_model_gives_the_same_bits(void **state)
{
    static golden_texts golden;
    (void)state;
    golden_texts_open_named(TINY "/text", &golden);
    size_t count = golden.count * golden.dimension;
    free(same_bits("f32", encode_tiny, &golden, FERRY_PRECISION_F32, count));
    free(same_bits("int8", encode_tiny, &golden, FERRY_PRECISION_INT8, count));
    golden_texts_close(&golden);
}

/* ---- prompts and centers ---- */

enum { WIDTH = 32 };

/* Another content. */
static void rewrite(ferry_file *file, const char *content)
{
    size_t size = strlen(content);
    char *data = malloc(size + 1);
    assert_non_null(data);
    memcpy(data, content, size + 1);
    free((void *)(uintptr_t)file->data);
    *file = (ferry_file){file->name, data, size};
}

static void refuse(const model_files *files, ferry_encoder_options options, ferry_status status,
                   const char *says)
{
    options.size = sizeof options;
    assert_refused(files->file, files->count, &options, status, says);
}

static void wrong_prompts_are_refused(void **state)
{
    (void)state;
    model_files files = model_files_read(golden_path(TINY));
    ferry_file *prompts = model_file(&files, "config_sentence_transformers.json");
    refuse(&files, (ferry_encoder_options){.prompt = "riddle"}, FERRY_NOT_FOUND,
           "no prompt \"riddle\"; known: query, passage");
    rewrite(prompts, "{\"prompts\": {\"query\": 5}, \"default_prompt_name\": \"query\"}");
    refuse(&files, (ferry_encoder_options){0}, FERRY_MALFORMED, "is not a string");
    rewrite(prompts, "{\"prompts\": {}, \"default_prompt_name\": \"query\"}");
    refuse(&files, (ferry_encoder_options){0}, FERRY_NOT_FOUND, "known: none");
    rewrite(prompts, "[]");
    refuse(&files, (ferry_encoder_options){0}, FERRY_MALFORMED, "expected a JSON object");
    prompts->name = "other.json";
    refuse(&files, (ferry_encoder_options){.prompt = "query"}, FERRY_NOT_FOUND,
           "config_sentence_transformers.json is missing");
    rewrite(model_file(&files, "1_Pooling/config.json"),
            "{\"pooling_mode_mean_tokens\": true, \"include_prompt\": false}");
    refuse(&files, (ferry_encoder_options){0}, FERRY_UNSUPPORTED, "include_prompt");
    model_files_free(&files);
}

/* centers.safetensors with two made-up means. */
static ferry_buffer two_centers(float means[2][WIDTH])
{
    ferry_buffer out;
    ferry_error error;
    ferry_tensor tensors[2];
    for (size_t i = 0; i < 2; i++) {
        for (size_t n = 0; n < WIDTH; n++)
            means[i][n] = (i == 0 ? 0.02f : -0.03f) * (float)(n % (3 + i));
        tensors[i] = (ferry_tensor){.name = i == 0 ? "de" : "zh",
                                    .dtype = FERRY_F32,
                                    .rank = 1,
                                    .shape = {WIDTH},
                                    .count = WIDTH,
                                    .data = means[i],
                                    .size = sizeof means[i]};
    }
    ferry_buffer_init(&out, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_write(tensors, 2, NULL, 0, &out, &error), FERRY_OK);
    return out;
}

static float *encode_center(const model_files *files, const char *center, const ferry_text *text)
{
    ferry_encoder_options options = {.size = sizeof options, .center = center};
    ferry_encoder *encoder;
    ferry_error error;
    if (ferry_encoder_open(files->file, files->count, &options, &encoder, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    float *found = encoder_encode(encoder, text, 1);
    ferry_encoder_close(encoder);
    return found;
}

static double cosine_to(const float *a, const float *b)
{
    double dot = 0, x = 0, y = 0;
    for (size_t n = 0; n < WIDTH; n++) {
        dot += (double)a[n] * (double)b[n];
        x += (double)a[n] * (double)a[n], y += (double)b[n] * (double)b[n];
    }
    return dot / sqrt(x * y);
}

static void a_center_is_taken_away(void **state)
{
    static const ferry_text text = {"the lamp", 8};
    (void)state;
    model_files files = model_files_read(golden_path(TINY));
    float means[2][WIDTH];
    refuse(&files, (ferry_encoder_options){.center = "de"}, FERRY_NOT_FOUND,
           "centers.safetensors is missing");
    ferry_buffer centers = two_centers(means);
    files.file[files.count++] = (ferry_file){"centers.safetensors", centers.data, centers.size};
    refuse(&files, (ferry_encoder_options){.center = "fr"}, FERRY_NOT_FOUND,
           "no center \"fr\"; known: de, zh");
    float *plain = encode_center(&files, NULL, &text);
    float *near = encode_center(&files, "auto", &text);
    size_t nearest = cosine_to(plain, means[1]) > cosine_to(plain, means[0]);
    for (size_t i = 0; i < 2; i++) {
        float *found = encode_center(&files, i == 0 ? "de" : "zh", &text);
        double length = 0, square = 0;
        for (size_t n = 0; n < WIDTH; n++) {
            double x = (double)plain[n] - (double)means[i][n];
            length += x * x;
            square += (double)found[n] * (double)found[n];
        }
        for (size_t n = 0; n < WIDTH; n++)
            assert_true(fabs((double)found[n] -
                             ((double)plain[n] - (double)means[i][n]) / sqrt(length)) < 1e-6);
        assert_true(fabs(square - 1) < 1e-6);
        assert_int_equal(memcmp(found, near, WIDTH * sizeof *found) == 0, i == nearest);
        free(found);
    }
    free(plain), free(near);
    files.count--;
    ferry_buffer_free(&centers);
    model_files_free(&files);
}

/* ---- 4-bit files that are not ---- */

static void wrong_4bit_tensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *part;
        ferry_status status;
    } cases[] = {
        {"word_embeddings.weight_scale", "word_embeddings.weight_SCALE",
         "weight_scale\" is missing", FERRY_NOT_FOUND},
        {"encoder.layer.1.output.dense.weight_scale", "encoder.layer.1.output.dense.weight_SCALE",
         "output.dense.weight_scale\" is missing", FERRY_NOT_FOUND},
        {"\"dtype\":\"F16\"", "\"dtype\":\"I16\"", "expected F16", FERRY_MALFORMED},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_refused_with(TINY, "model.safetensors", "", cases[i].from, cases[i].to,
                            cases[i].status, cases[i].part);
    }
    char to[] = "/tmp/ferry-test-XXXXXX";
    ferry_error error;
    assert_non_null(mkdtemp(to));
    assert_int_equal(ferry_encoder_quantize_directory(golden_path(TINY), to, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "4-bit already"));
    remove(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_all_languages_have_the_originals_ids),
        cmocka_unit_test(wrong_charsmaps_are_refused),
        cmocka_unit_test(tiny_4bit_model_matches_sentence_transformers),
        cmocka_unit_test(e5_matches_sentence_transformers),
        cmocka_unit_test(tiny_4bit_model_gives_the_same_bits),
        cmocka_unit_test(wrong_prompts_are_refused),
        cmocka_unit_test(a_center_is_taken_away),
        cmocka_unit_test(wrong_4bit_tensors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
