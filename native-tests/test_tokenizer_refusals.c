/* What the tokenizer refuses, what it says then, and that it leaves nothing behind. */
#include "test.h"

#include "tokenizer_files.h"

#define NORMALIZER "\"normalizer\":{\"type\":\"BertNormalizer\"},"
#define SPLITTER "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
#define MODEL(vocab) "\"model\":{\"type\":\"WordPiece\",\"vocab\":{" vocab "}}"
#define USUAL "\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##b\":4"

static void expect_refused(const char *json, ferry_status status, const char *named)
{
    ferry_tokenizer *tokenizer = (ferry_tokenizer *)1;
    ferry_error error = {.message = ""};
    ferry_status found = open_json(json, strlen(json), NULL, &tokenizer, &error);
    if (found != status || strstr(error.message, named) == NULL ||
        strstr(error.message, "tokenizer.json") == NULL)
        fail_msg("%.80s: %s \"%s\", expected %s naming %s", json, ferry_status_name(found),
                 error.message, ferry_status_name(status), named);
    assert_null(tokenizer);
}

#define PRECOMPILED "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":null},"
#define SPACE "{\"type\":\"WhitespaceSplit\"}"
#define META(more) "{\"type\":\"Metaspace\"" more "}"
#define SPLITS(parts) "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" parts "]},"
#define UNIGRAM(more) "\"model\":{\"type\":\"Unigram\"" more "}"
#define PIECES(more) UNIGRAM(",\"unk_id\":0,\"vocab\":[[\"<unk>\",0]" more "]")
#define USUAL_UNIGRAM PRECOMPILED SPLITS(SPACE "," META(""))

static void test_refused_unigrams(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ferry_status status;
        const char *named;
    } cases[] = {
        {"{" UNIGRAM("") "}", FERRY_UNSUPPORTED, "without normalizer"},
        {"{\"normalizer\":{\"type\":\"NFKC\"}," UNIGRAM("") "}", FERRY_UNSUPPORTED, "NFKC"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]}," UNIGRAM(
             "") "}",
         FERRY_UNSUPPORTED, "NFKC"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"}," UNIGRAM(
             "") "}",
         FERRY_MALFORMED, "base64"},
        {"{" PRECOMPILED UNIGRAM("") "}", FERRY_UNSUPPORTED, "without pre_tokenizer"},
        {"{" PRECOMPILED "\"pre_tokenizer\":" META("") "," UNIGRAM("") "}", FERRY_UNSUPPORTED,
         "needs a normalizer"},
        {"{" PRECOMPILED SPLITS(SPACE) UNIGRAM("") "}", FERRY_UNSUPPORTED, "pre_tokenizer"},
        {"{" PRECOMPILED SPLITS(SPACE "," META("") "," SPACE) UNIGRAM("") "}", FERRY_UNSUPPORTED,
         "WhitespaceSplit"},
        {"{" PRECOMPILED SPLITS(SPACE "," META(",\"prepend_scheme\":\"first\"")) UNIGRAM("") "}",
         FERRY_UNSUPPORTED, "\"first\""},
        {"{" PRECOMPILED SPLITS(SPACE "," META(",\"split\":false")) UNIGRAM("") "}",
         FERRY_UNSUPPORTED, "split false"},
        {"{" PRECOMPILED SPLITS(SPACE "," META(",\"replacement\":\"_\"")) UNIGRAM("") "}",
         FERRY_UNSUPPORTED, "\"_\""},
        {"{" USUAL_UNIGRAM UNIGRAM("") "}", FERRY_MALFORMED, "vocab"},
        {"{" USUAL_UNIGRAM UNIGRAM(",\"vocab\":{}") "}", FERRY_MALFORMED, "vocab"},
        {"{" USUAL_UNIGRAM UNIGRAM(",\"vocab\":[[\"a\",0]]") "}", FERRY_MALFORMED, "unk_id"},
        {"{" USUAL_UNIGRAM UNIGRAM(",\"unk_id\":1,\"vocab\":[[\"a\",0]]") "}", FERRY_MALFORMED,
         "unk_id 1"},
        {"{" USUAL_UNIGRAM UNIGRAM(",\"byte_fallback\":true,\"vocab\":[[\"a\",0]]") "}",
         FERRY_UNSUPPORTED, "byte_fallback"},
        {"{" USUAL_UNIGRAM PIECES(",\"a\"") "}", FERRY_MALFORMED, "at 1 no [piece, score]"},
        {"{" USUAL_UNIGRAM PIECES(",[\"a\"]") "}", FERRY_MALFORMED, "at 1"},
        {"{" USUAL_UNIGRAM PIECES(",[\"a\",1,2]") "}", FERRY_MALFORMED, "at 1"},
        {"{" USUAL_UNIGRAM PIECES(",[\"a\",\"b\"]") "}", FERRY_MALFORMED, "at 1"},
        {"{" USUAL_UNIGRAM PIECES(",[\"a\",-1e300]") "}", FERRY_MALFORMED, "at 1"},
        {"{" USUAL_UNIGRAM PIECES("") ",\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]}",
         FERRY_UNSUPPORTED, "normalized"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(cases[i].json, cases[i].status, cases[i].named);
}

static void test_refused_json(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ferry_status status;
        const char *named;
    } cases[] = {
        {"", FERRY_MALFORMED, "JSON"},
        {"[]", FERRY_MALFORMED, "object"},
        {"{}", FERRY_UNSUPPORTED, "model"},
        {"{\"model\":{}}", FERRY_MALFORMED, "type"},
        {"{\"model\":{\"type\":7}}", FERRY_MALFORMED, "type"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", FERRY_MALFORMED, "vocab"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":[]}}", FERRY_MALFORMED, "vocab"},
        {"{" MODEL("") "}", FERRY_MALFORMED, "vocab"},
        {"{" MODEL("\"\":0") "}", FERRY_MALFORMED, "no tokens"},
        {"{" MODEL("\"a\":0") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL("\"[UNK]\":-1") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL("\"[UNK]\":0.5") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL("\"[UNK]\":2147483647") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL("\"[UNK]\":1e300") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL("\"[UNK]\":\"0\"") "}", FERRY_MALFORMED, "[UNK]"},
        {"{" MODEL(USUAL ",\"ab\":5,\"ab\":6") "}", FERRY_MALFORMED, "\"ab\""},
        {"{\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":1e9,\"vocab\":{}}}",
         FERRY_LIMIT, "max_input_chars_per_word"},
        {"{" MODEL(USUAL) "}", FERRY_UNSUPPORTED, "pre_tokenizer"},
        {"{\"normalizer\":{\"type\":\"NFKC\"}," SPLITTER MODEL(USUAL) "}", FERRY_UNSUPPORTED,
         "NFKC"},
        {"{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":1}," SPLITTER MODEL(USUAL) "}",
         FERRY_MALFORMED, "lowercase"},
        {"{" NORMALIZER "\"pre_tokenizer\":{\"type\":\"Metaspace\"}," MODEL(USUAL) "}",
         FERRY_UNSUPPORTED, "Metaspace"},
        {"{\"post_processor\":{\"type\":\"Bert2Processing\"}," SPLITTER MODEL(USUAL) "}",
         FERRY_UNSUPPORTED, "Bert2Processing"},
        {"{\"post_processor\":{\"type\":\"BertProcessing\"}," SPLITTER MODEL(USUAL) "}",
         FERRY_MALFORMED, "post_processor"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
         "\"id\":\"[X]\",\"type_id\":0}}]}," SPLITTER MODEL(USUAL) "}",
         FERRY_MALFORMED, "[X]"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}," SPLITTER MODEL(
             USUAL) "}",
         FERRY_UNSUPPORTED, "sequence A"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
         "\"A\",\"type_id\":1}}]}," SPLITTER MODEL(USUAL) "}",
         FERRY_UNSUPPORTED, "type_id"},
        {"{\"added_tokens\":{}," SPLITTER MODEL(USUAL) "}", FERRY_MALFORMED, "added_tokens"},
        {"{\"added_tokens\":[7]," SPLITTER MODEL(USUAL) "}", FERRY_MALFORMED, "added token"},
        {"{\"added_tokens\":[{\"content\":\"x\"}]," SPLITTER MODEL(USUAL) "}", FERRY_MALFORMED,
         "\"x\""},
        {"{\"added_tokens\":[{\"id\":9,\"content\":\"a\"}]," SPLITTER MODEL(USUAL) "}",
         FERRY_MALFORMED, "\"a\""},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(cases[i].json, cases[i].status, cases[i].named);
}

/* Every beginning of a good file is refused and none of them is read past. */
static void test_truncated_json(void **state)
{
    (void)state;
    ferry_buffer json = read_path(GOLDEN "tokenizers/added.json");
    for (size_t size = 0; size < json.size; size++) {
        char *part = malloc(size + 1); /* no byte more, so that a sanitizer sees */
        assert_non_null(part);
        memcpy(part, json.data, size);
        ferry_tokenizer *tokenizer;
        ferry_error error;
        assert_int_equal(open_json(part, size, NULL, &tokenizer, &error), FERRY_MALFORMED);
        assert_null(tokenizer);
        free(part);
    }
    ferry_buffer_free(&json);
}

static ferry_status open_vocab(const char *vocab, const char *config, ferry_tokenizer **out,
                               ferry_error *error)
{
    ferry_file files[] = {{"vocab.txt", vocab, strlen(vocab)},
                          {"tokenizer_config.json", config, config != NULL ? strlen(config) : 0}};
    return ferry_tokenizer_open(NULL, NULL, &files[0], config != NULL ? &files[1] : NULL, out,
                                error);
}

static void test_vocab_files(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *config;
        ferry_status status;
        const char *named;
    } cases[] = {
        {"", NULL, FERRY_MALFORMED, "vocab.txt"},
        {"\n\n", NULL, FERRY_MALFORMED, "vocab.txt"},
        {"[UNK]\n\xFF\n", NULL, FERRY_MALFORMED, "UTF-8"},
        {"[CLS]\n[SEP]\n", NULL, FERRY_MALFORMED, "[UNK]"},
        {"[UNK]\n[CLS]\na\n", NULL, FERRY_MALFORMED, "[SEP]"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{", FERRY_MALFORMED, "tokenizer_config.json"},
        {"[UNK]\n[CLS]\n[SEP]\n", "[]", FERRY_MALFORMED, "tokenizer_config.json"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"do_lower_case\":0}", FERRY_MALFORMED, "do_lower_case"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"tokenizer_class\":\"T5Tokenizer\"}", FERRY_UNSUPPORTED,
         "T5Tokenizer"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"cls_token\":\"<s>\"}", FERRY_MALFORMED, "<s>"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"q\"}}}",
         FERRY_MALFORMED, "\"q\""},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"added_tokens_decoder\":{\"2\":{\"content\":\"[CLS]\"}}}",
         FERRY_MALFORMED, "[CLS]"},
    };
    ferry_tokenizer *tokenizer;
    ferry_error error;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        error = (ferry_error){.message = ""};
        ferry_status found = open_vocab(cases[i].vocab, cases[i].config, &tokenizer, &error);
        if (found != cases[i].status || strstr(error.message, cases[i].named) == NULL)
            fail_msg("case %zu: %s \"%s\"", i, ferry_status_name(found), error.message);
    }
    /* Windows line ends, an empty line that counts, a token twice (the last counts), no last \n. */
    const char *vocab = "[UNK]\r\n[CLS]\r\n[SEP]\r\n\r\na\r\na\r\n##b";
    assert_int_equal(open_vocab(vocab, NULL, &tokenizer, NULL), FERRY_OK);
    assert_int_equal(ferry_tokenizer_vocab_size(tokenizer), 7);
    int32_t ids[8];
    size_t count;
    assert_int_equal(ferry_tokenizer_encode(tokenizer, "ABb c", 5, 8, ids, &count, NULL), FERRY_OK);
    static const int32_t expected[] = {1, 5, 6, 6, 0, 2};
    assert_int_equal(count, LENGTH(expected));
    assert_memory_equal(ids, expected, sizeof expected);
    ferry_tokenizer_close(tokenizer);
    assert_int_equal(ferry_tokenizer_open(NULL, NULL, NULL, NULL, &tokenizer, &error),
                     FERRY_NOT_FOUND);
}

/* No room for special tokens is an error, and the tokenizer is as good as before. */
static void test_room(void **state)
{
    (void)state;
    ferry_tokenizer *tokenizer = open_directory(GOLDEN "tiny-bert/gelu-mean", false);
    int32_t ids[4] = {-7, -7, -7, -7};
    size_t count = 9;
    ferry_error error;
    assert_int_equal(ferry_tokenizer_encode(tokenizer, "a", 1, 1, ids, &count, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_int_equal(count, 0);
    assert_int_equal(ids[0], -7);
    assert_int_equal(ferry_tokenizer_encode(tokenizer, "a", 1, 2, ids, &count, NULL), FERRY_OK);
    assert_int_equal(count, 2);
    assert_int_equal(ferry_tokenizer_encode(tokenizer, NULL, 0, 4, ids, &count, NULL), FERRY_OK);
    assert_int_equal(count, 2);
    assert_int_equal(ferry_tokenizer_encode(tokenizer, "a b", 3, 4, ids, &count, NULL), FERRY_OK);
    assert_int_equal(count, 4);
    ferry_tokenizer_close(tokenizer);
}

/* ---- every allocation fails once ---- */

typedef struct failing {
    size_t calls, fail_at; /* counted from 1; 0: never */
    size_t bytes;          /* outstanding */
} failing;

static void *failing_reallocate(void *user, void *pointer, size_t old_size, size_t new_size)
{
    failing *counter = user;
    if (new_size == 0) {
        if (pointer != NULL) counter->bytes -= old_size;
        free(pointer);
        return NULL;
    }
    if (++counter->calls == counter->fail_at) return NULL;
    void *moved = realloc(pointer, new_size);
    assert_non_null(moved);
    counter->bytes += new_size - (pointer != NULL ? old_size : 0);
    return moved;
}

static ferry_status open_and_encode(const ferry_allocator *hook, const ferry_buffer *json)
{
    static const char text[] = "the Blue Café \xFF 中文 quick [MASK] fox\xCC\x81 jumps";
    ferry_tokenizer *tokenizer;
    ferry_status status = open_json(json->data, json->size, hook, &tokenizer, NULL);
    int32_t ids[64];
    size_t count;
    if (status == FERRY_OK)
        status = ferry_tokenizer_encode(tokenizer, text, strlen(text), 64, ids, &count, NULL);
    ferry_tokenizer_close(tokenizer);
    return status;
}

static void fail_each_allocation(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, GOLDEN "tokenizers/%s.json", name);
    ferry_buffer json = read_path(path);
    failing counter = {0};
    ferry_allocator hook = {failing_reallocate, &counter};
    assert_int_equal(open_and_encode(&hook, &json), FERRY_OK);
    assert_int_equal(counter.bytes, 0);
    size_t calls = counter.calls;
    assert_true(calls > 10);
    for (size_t i = 1; i <= calls; i++) {
        counter = (failing){.fail_at = i};
        assert_int_equal(open_and_encode(&hook, &json), FERRY_OUT_OF_MEMORY);
        assert_int_equal(counter.bytes, 0);
    }
    ferry_buffer_free(&json);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    static const char *const names[] = {"added", "clip", "roberta", "siglip"};
    for (size_t i = 0; i < LENGTH(names); i++) fail_each_allocation(names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_json),   cmocka_unit_test(test_refused_unigrams),
        cmocka_unit_test(test_truncated_json), cmocka_unit_test(test_vocab_files),
        cmocka_unit_test(test_room),           cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
