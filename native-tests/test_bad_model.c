/* Model directories that are broken one way each: the status and the message name the thing. */
#include "golden.h"

enum { MAX_FILES = 8 };

/* The files of tiny-bert/gelu-mean, each with a private copy of its bytes. */
typedef struct model {
    ferry_file files[MAX_FILES];
    size_t count;
} model;

static model load_model(void)
{
    static const char *const names[] = {
        "config.json",           "model.safetensors",         "modules.json",
        "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json",
        "tokenizer_config.json"};
    model m = {.count = sizeof names / sizeof *names};
    for (size_t i = 0; i < m.count; i++) {
        char path[256];
        snprintf(path, sizeof path, "tiny-bert/gelu-mean/%s", names[i]);
        m.files[i].name = names[i];
        m.files[i].data = read_file(golden_path(path), &m.files[i].size);
    }
    return m;
}

static void free_model(model *m)
{
    for (size_t i = 0; i < m->count; i++) free((void *)(uintptr_t)m->files[i].data);
}

static ferry_file *model_file(model *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->files[i].name, name) == 0) return &m->files[i];
    }
    fail_msg("no file %s", name);
    return NULL;
}

/* Replaces the first `from` in the file by `to`. */
static void replace(ferry_file *file, const char *from, const char *to)
{
    const char *text = file->data, *at = strstr(text, from);
    if (at == NULL) fail_msg("%s has no %s", file->name, from);
    size_t before = (size_t)(at - text), size = file->size - strlen(from) + strlen(to);
    char *changed = malloc(size + 1);
    memcpy(changed, text, before);
    memcpy(changed + before, to, strlen(to));
    memcpy(changed + before + strlen(to), at + strlen(from), file->size - before - strlen(from));
    changed[size] = '\0';
    free((void *)(uintptr_t)text);
    file->data = changed;
    file->size = size;
}

/* Opens the model, expecting this failure; a whole model opens right after. */
static void assert_refused(model *m, ferry_status status, const char *says)
{
    ferry_error error = {0};
    ferry_encoder *encoder;
    ferry_status found = ferry_encoder_open(m->files, m->count, NULL, &encoder, &error);
    if (found != status)
        fail_msg("%s, expected %s, \"%s\": %s", ferry_status_name(found), ferry_status_name(status),
                 says, error.message);
    assert_null(encoder);
    assert_int_equal(error.status, status);
    if (strstr(error.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
    model whole = load_model();
    assert_int_equal(ferry_encoder_open(whole.files, whole.count, NULL, &encoder, &error),
                     FERRY_OK);
    ferry_encoder_close(encoder);
    free_model(&whole);
}

static void missing_files(void **state)
{
    (void)state;
    const struct {
        const char *name, *says;
    } needed[] = {{"config.json", "config.json"},
                  {"model.safetensors", "model.safetensors"},
                  {"tokenizer.json", "vocab.txt"},
                  {"1_Pooling/config.json", "1_Pooling/config.json"}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        model m = load_model();
        model_file(&m, needed[i].name)->name = "elsewhere";
        assert_refused(&m, FERRY_NOT_FOUND, needed[i].says);
        free_model(&m);
    }
}

static void contradictions_and_unknowns(void **state)
{
    (void)state;
    const struct {
        const char *file, *from, *to;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {"config.json", "\"model_type\": \"bert\"", "\"model_type\": \"roberta\"",
         FERRY_UNSUPPORTED, "model_type \"roberta\""},
        {"config.json", "\"model_type\"", "\"other_type\"", FERRY_MALFORMED, "model_type"},
        {"config.json", "\"gelu\"", "\"swish\"", FERRY_UNSUPPORTED, "swish"},
        {"config.json", "\"hidden_size\": 24", "\"hidden_size\": 32", FERRY_MALFORMED,
         "expected [93, 32]"},
        {"config.json", "\"hidden_size\": 24", "\"hidden_size\": 25", FERRY_MALFORMED, "multiple"},
        {"config.json", "\"hidden_size\": 24", "\"hidden_size\": 4000000000", FERRY_LIMIT,
         "hidden_size"},
        {"config.json", "\"hidden_size\": 24", "\"hidden_size\": \"24\"", FERRY_MALFORMED,
         "a string"},
        {"config.json", "\"hidden_size\": 24", "\"hidden_size\": -24", FERRY_MALFORMED,
         "hidden_size"},
        {"config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", FERRY_MALFORMED,
         "num_attention_heads"},
        {"config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", FERRY_NOT_FOUND,
         "encoder.layer.2"},
        {"config.json", "\"vocab_size\": 93", "\"vocab_size\": 92", FERRY_MALFORMED,
         "vocab_size is 92"},
        {"config.json", "\"intermediate_size\": 40", "\"other\": 40", FERRY_MALFORMED,
         "\"intermediate_size\" is missing"},
        {"config.json", "{", "[{", FERRY_MALFORMED, "config.json"},
        {"modules.json", "transformer.Transformer", "clip.CLIPModel", FERRY_UNSUPPORTED,
         "CLIPModel"},
        {"modules.json", "normalize.Normalize", "dense.Dense", FERRY_UNSUPPORTED, "Dense"},
        {"1_Pooling/config.json", "\"mean\"", "\"weightedmean\"", FERRY_UNSUPPORTED,
         "weightedmean"},
        {"sentence_bert_config.json", "{", "{\"max_seq_length\": 4096,", FERRY_MALFORMED,
         "max_seq_length 4096"},
        {"sentence_bert_config.json", "{", "{\"do_lower_case\": true,", FERRY_UNSUPPORTED,
         "do_lower_case"},
        {"tokenizer.json", "\"WordPiece\",\n    \"unk_token\"", "\"Unigram\",\n    \"unk_token\"",
         FERRY_UNSUPPORTED, "BertNormalizer"},
        {"tokenizer.json", "\"BertNormalizer\"", "\"NFKC\"", FERRY_UNSUPPORTED, "NFKC"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        model m = load_model();
        replace(model_file(&m, wrong[i].file), wrong[i].from, wrong[i].to);
        assert_refused(&m, wrong[i].status, wrong[i].says);
        free_model(&m);
    }
}

/* Every file cut at many places. A cut is never accepted, except where JSON's end is white space;
 * copies are exactly as long as the cut, so that ASan sees a read past the end. */
static void truncated_files(void **state)
{
    (void)state;
    model whole = load_model();
    for (size_t f = 0; f < whole.count; f++) {
        size_t size = whole.files[f].size, step = size > 400 ? size / 97 : 1;
        for (size_t cut = 0; cut + 4 < size; cut += step) {
            model m = whole;
            char *exact = malloc(cut > 0 ? cut : 1);
            memcpy(exact, whole.files[f].data, cut);
            m.files[f].data = exact;
            m.files[f].size = cut;
            ferry_encoder *encoder;
            ferry_error error = {0};
            ferry_status status = ferry_encoder_open(m.files, m.count, NULL, &encoder, &error);
            if (status == FERRY_OK) fail_msg("%s cut at %zu was accepted", m.files[f].name, cut);
            if (strstr(error.message, m.files[f].name) == NULL)
                fail_msg("\"%s\" does not name %s", error.message, m.files[f].name);
            free(exact);
        }
    }
    free_model(&whole);
}

static void missing_directories(void **state)
{
    (void)state;
    ferry_encoder *encoder;
    ferry_catalog *catalog;
    ferry_error error;
    assert_int_equal(ferry_encoder_open_directory("/no/such/model", NULL, &encoder, &error),
                     FERRY_IO);
    assert_non_null(strstr(error.message, "/no/such/model"));
    assert_int_equal(ferry_catalog_open_directory("/no/such/shop", NULL, &catalog, &error),
                     FERRY_IO);
    assert_non_null(strstr(error.message, "/no/such/shop"));
    const char *empty = golden_path("tiny-bert");
    assert_int_equal(ferry_catalog_open_directory(empty, NULL, &catalog, &error), FERRY_NOT_FOUND);
    assert_non_null(strstr(error.message, "catalog.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_files),
        cmocka_unit_test(contradictions_and_unknowns),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(missing_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
