/* Model directories that are broken one way each: the status and the message name the thing. */
#include "model_files.h"

static const char tiny[] = "tiny-bert/gelu-mean";

/* Expects this failure; a whole model opens right after. */
static void refuse(const model_files *files, ferry_status status, const char *says)
{
    assert_refused(files->file, files->count, NULL, status, says);
    ferry_encoder_close(encoder_open(golden_path(tiny), (ferry_encoder_options){0}));
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
        model_files m = model_files_read(golden_path(tiny));
        model_file(&m, needed[i].name)->name = "elsewhere";
        refuse(&m, FERRY_NOT_FOUND, needed[i].says);
        model_files_free(&m);
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
        model_files m = model_files_read(golden_path(tiny));
        replace(model_file(&m, wrong[i].file), wrong[i].from, wrong[i].to);
        refuse(&m, wrong[i].status, wrong[i].says);
        model_files_free(&m);
    }
}

/* Every file cut at many places. A cut is never accepted, except where JSON's end is white space;
 * copies are exactly as long as the cut, so that ASan sees a read past the end. */
static void truncated_files(void **state)
{
    (void)state;
    model_files whole = model_files_read(golden_path(tiny));
    for (size_t f = 0; f < whole.count; f++) {
        size_t size = whole.file[f].size, step = size > 400 ? size / 97 : 1;
        for (size_t cut = 0; cut + 4 < size; cut += step) {
            model_files m = whole;
            char *exact = malloc(cut > 0 ? cut : 1);
            memcpy(exact, whole.file[f].data, cut);
            m.file[f].data = exact;
            m.file[f].size = cut;
            ferry_encoder *encoder;
            ferry_error error = {0};
            ferry_status status = ferry_encoder_open(m.file, m.count, NULL, &encoder, &error);
            if (status == FERRY_OK) fail_msg("%s cut at %zu was accepted", m.file[f].name, cut);
            if (strstr(error.message, m.file[f].name) == NULL)
                fail_msg("\"%s\" does not name %s", error.message, m.file[f].name);
            free(exact);
        }
    }
    model_files_free(&whole);
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
