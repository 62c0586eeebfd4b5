/* CLIP and SigLIP, texts and pictures in one space, against transformers; the same bits by all
 * kernels, threads and batches; files that do not fit. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "image_golden.h"
#include "model_files.h"
#include "same_bits.h"

static const char *const kinds[] = {"clip", "clip-legacy", "siglip"};
enum { KINDS = 3, MAX_TEXTS = 16 };

typedef struct pair {
    image_golden golden;
    char *lines;
    cJSON *json[MAX_TEXTS];
    ferry_text texts[MAX_TEXTS];
    size_t count;
    char folder[64];
} pair;

static void pair_open(pair *p, const char *kind)
{
    char name[128];
    size_t size;
    *p = (pair){0};
    snprintf(p->folder, sizeof p->folder, "tiny-pairs/%s", kind);
    snprintf(name, sizeof name, "%s/expected.safetensors", p->folder);
    image_golden_open(&p->golden, name);
    snprintf(name, sizeof name, "%s/text.jsonl", p->folder);
    p->lines = read_file(golden_path(name), &size);
    for (char *line = p->lines, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        assert_true(p->count < MAX_TEXTS);
        cJSON *json = cJSON_ParseWithLength(line, (size_t)(end - line));
        const char *text = cJSON_GetObjectItem(json, "text")->valuestring;
        p->texts[p->count] = (ferry_text){text, strlen(text)};
        p->json[p->count++] = json;
    }
    assert_int_equal(p->count, 8);
}

static void pair_close(pair *p)
{
    for (size_t i = 0; i < p->count; i++) cJSON_Delete(p->json[i]);
    free(p->lines);
    image_golden_close(&p->golden);
}

static void check_ids(ferry_encoder *encoder, const pair *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const cJSON *expected = cJSON_GetObjectItem(p->json[i], "ids");
        int32_t ids[32];
        size_t count;
        assert_int_equal(ferry_encoder_tokenize(encoder, p->texts[i], ids, 32, &count, NULL),
                         FERRY_OK);
        assert_int_equal(count, cJSON_GetArraySize(expected));
        for (size_t k = 0; k < count; k++)
            assert_int_equal(ids[k], cJSON_GetArrayItem(expected, (int)k)->valueint);
    }
}

/* Texts, then pictures: [count + golden.count, dimension]. */
static float *encode(const void *user, ferry_encoder_options options)
{
    const pair *p = user;
    ferry_encoder *encoder = encoder_open(golden_path(p->folder), options);
    size_t N = ferry_encoder_dimension(encoder);
    ferry_error error;
    assert_int_equal(N, p->golden.dimension);
    float *out = malloc((p->count + p->golden.count) * N * sizeof *out);
    assert_non_null(out);
    if (ferry_encoder_encode(encoder, p->texts, p->count, out, NULL, NULL, &error) != FERRY_OK ||
        ferry_encoder_encode_images(encoder, p->golden.image, p->golden.count, out + p->count * N,
                                    NULL, NULL, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    ferry_encoder_close(encoder);
    return out;
}

static void towers_give_what_transformers_gives(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        pair p;
        pair_open(&p, kinds[k]);
        size_t N = p.golden.dimension, rows = p.count + p.golden.count;
        float *found = same_bits(kinds[k], encode, &p, FERRY_PRECISION_F32, rows * N);
        const float *texts = golden_tensor(&p.golden.tensors, "embeddings", NULL);
        assert_rows_alike(found, texts, p.count, N, 0.99999, kinds[k]);
        assert_rows_alike(found + p.count * N, p.golden.features, p.golden.count, N, 0.99999,
                          kinds[k]);
        char begin[32];
        snprintf(begin, sizeof begin, "%s ", kinds[k]);
        assert_hash("pairs.hash", begin, found, rows * N);
        free(found);
        pair_close(&p);
    }
}

/* A quantised copy, and what is quantised while it loads, by all kernels: the same bits, near
 * f32's. */
static void int8_is_near_and_the_same_everywhere(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static const char *const copied[] = {"config.json", "model.safetensors",
                                             "preprocessor_config.json", "tokenizer.json"};
        char copy[] = "/tmp/ferry-test-XXXXXX", path[2048];
        ferry_error error;
        pair p;
        pair_open(&p, kinds[k]);
        assert_non_null(mkdtemp(copy));
        if (ferry_encoder_quantize_directory(golden_path(p.folder), copy, &error) != FERRY_OK)
            fail_msg("%s", error.message);
        ferry_encoder *encoder = encoder_open(copy, (ferry_encoder_options){0});
        assert_int_equal(ferry_encoder_precision(encoder), FERRY_PRECISION_INT8);
        size_t N = p.golden.dimension;
        float *first = encoder_encode(encoder, p.texts, p.count);
        ferry_encoder_close(encoder);
        const float *texts = golden_tensor(&p.golden.tensors, "embeddings", NULL);
        double lowest = lowest_cosine(first, texts, p.count, N);
        print_message("%s in int8: lowest cosine of texts %.5f\n", kinds[k], lowest);
        assert_true(lowest >= 0.99);
        float *found =
            same_bits(kinds[k], encode, &p, FERRY_PRECISION_INT8, (p.count + p.golden.count) * N);
        assert_memory_equal(found, first, p.count * N * sizeof *first);
        free(found);
        for (size_t i = 0; i < 4; i++) {
            snprintf(path, sizeof path, "%s/%s", copy, copied[i]);
            remove(path);
        }
        snprintf(path, sizeof path, "%s/expected.safetensors", copy);
        remove(path);
        remove(copy);
        free(first);
        pair_close(&p);
    }
}

static void one_handle_takes_both(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        pair p;
        pair_open(&p, kinds[k]);
        ferry_encoder *encoder = encoder_open(golden_path(p.folder), (ferry_encoder_options){0});
        assert_true(ferry_encoder_takes_texts(encoder) && ferry_encoder_takes_images(encoder));
        assert_int_equal(ferry_encoder_max_tokens(encoder), 24);
        check_ids(encoder, &p);
        /* alone, and many times over, which fills several passes */
        enum { TIMES = 60 };
        size_t N = ferry_encoder_dimension(encoder);
        ferry_text many[TIMES * MAX_TEXTS];
        for (size_t i = 0; i < TIMES * p.count; i++) many[i] = p.texts[i % p.count];
        float *all = encoder_encode(encoder, many, TIMES * p.count);
        for (size_t i = 0; i < TIMES * p.count; i++) {
            if (i < p.count) {
                float *alone = encoder_encode(encoder, &p.texts[i], 1);
                assert_memory_equal(alone, all + i * N, N * sizeof *all);
                free(alone);
            }
            assert_memory_equal(all + i * N, all + i % p.count * N, N * sizeof *all);
        }
        free(all);
        ferry_encoder_close(encoder);
        pair_close(&p);
    }
}

static void pictures_are_compared_with_texts(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        pair p;
        pair_open(&p, kinds[k]);
        ferry_encoder *encoder = encoder_open(golden_path(p.folder), (ferry_encoder_options){0});
        const float *texts = golden_tensor(&p.golden.tensors, "embeddings", NULL);
        const float *expected = golden_tensor(&p.golden.tensors, "logits", NULL);
        const float *shares = golden_tensor(&p.golden.tensors, "probabilities", NULL);
        float logits[GOLDEN_IMAGES * MAX_TEXTS], found[GOLDEN_IMAGES * MAX_TEXTS];
        size_t count = p.golden.count * p.count;
        assert_int_equal(ferry_encoder_compare(encoder, p.golden.features, p.golden.count, texts,
                                               p.count, logits, found, NULL),
                         FERRY_OK);
        assert_near(logits, expected, count, 1e-4, "logits");
        assert_near(found, shares, count, 1e-4, "probabilities");
        assert_int_equal(ferry_encoder_compare(encoder, p.golden.features, p.golden.count, texts,
                                               p.count, NULL, NULL, NULL),
                         FERRY_OK);
        assert_int_equal(ferry_encoder_compare(encoder, NULL, 0, NULL, 0, NULL, NULL, NULL),
                         FERRY_OK);
        assert_float_equal(ferry_encoder_logit_scale(encoder), 4.4816891f, 1e-5);
        assert_float_equal(ferry_encoder_logit_bias(encoder),
                           strcmp(kinds[k], "siglip") == 0 ? -0.7f : 0.0f, 1e-6);
        ferry_encoder_close(encoder);
        pair_close(&p);
    }
    ferry_encoder *encoder =
        encoder_open(golden_path("tiny-bert/gelu-mean"), (ferry_encoder_options){0});
    ferry_error error;
    assert_int_equal(ferry_encoder_compare(encoder, NULL, 0, NULL, 0, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "texts"));
    assert_float_equal(ferry_encoder_logit_scale(encoder), 0.0f, 0);
    ferry_encoder_close(encoder);
}

/* ---- what is refused ---- */

static const char CONFIG[] = "config.json", WEIGHTS[] = "model.safetensors",
                  TOKENIZER[] = "tokenizer.json";

static void refuse(const char *kind, const char *file, const char *after, const char *old,
                   const char *other, ferry_status status, const char *says)
{
    char folder[64];
    snprintf(folder, sizeof folder, "tiny-pairs/%s", kind);
    assert_refused_with(folder, file, after, old, other, status, says);
}

static void files_that_do_not_fit_are_named(void **state)
{
    (void)state;
    refuse("clip", CONFIG, "", "text_config", "test_config", FERRY_MALFORMED, "text_config");
    refuse("clip", CONFIG, "text_config", "\"num_attention_heads\": 2",
           "\"num_attention_heads\": 3", FERRY_MALFORMED, "3 heads");
    refuse("clip", CONFIG, "text_config", "\"quick_gelu\"", "\"quick_silu\"", FERRY_UNSUPPORTED,
           "quick_silu");
    refuse("clip", CONFIG, "text_config", "\"max_position_embeddings\": 24",
           "\"max_position_embeddings\": 25", FERRY_MALFORMED, "position_embedding");
    refuse("clip", CONFIG, "text_config", "\"vocab_size\": 7", "\"vocab_size\": 6", FERRY_MALFORMED,
           "vocab_size");
    refuse("clip", WEIGHTS, "", "text_projection", "text_prajection", FERRY_NOT_FOUND,
           "text_projection.weight");
    refuse("clip", WEIGHTS, "", "text_model.embeddings.token", "text_madel.embeddings.token",
           FERRY_NOT_FOUND, "token_embedding");
    refuse("clip", TOKENIZER, "", "\"BPE\"", "\"BPQ\"", FERRY_UNSUPPORTED, "BPQ");
    refuse("siglip", WEIGHTS, "", "text_model.head.bias", "text_model.head.bios", FERRY_NOT_FOUND,
           "text_model.head.bias");
    refuse("siglip", CONFIG, "text_config", "\"vocab_size\": 2", "\"vocab_size\": 1",
           FERRY_MALFORMED, "vocab_size");
}

static void without_a_tokenizer_pictures_alone_are_encoded(void **state)
{
    (void)state;
    model_files files = model_files_read(golden_path("tiny-pairs/clip"));
    model_file(&files, TOKENIZER)->name = "elsewhere";
    ferry_encoder *encoder;
    ferry_error error;
    assert_int_equal(ferry_encoder_open(files.file, files.count, NULL, &encoder, &error), FERRY_OK);
    assert_true(ferry_encoder_takes_images(encoder) && !ferry_encoder_takes_texts(encoder));
    assert_int_equal(ferry_encoder_max_tokens(encoder), 0);
    float out[64];
    ferry_text text = {"a", 1};
    assert_int_equal(ferry_encoder_encode(encoder, &text, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_int_equal(ferry_encoder_compare(encoder, NULL, 0, NULL, 0, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    ferry_encoder_close(encoder);
    model_files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(towers_give_what_transformers_gives),
        cmocka_unit_test(int8_is_near_and_the_same_everywhere),
        cmocka_unit_test(one_handle_takes_both),
        cmocka_unit_test(pictures_are_compared_with_texts),
        cmocka_unit_test(files_that_do_not_fit_are_named),
        cmocka_unit_test(without_a_tokenizer_pictures_alone_are_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
