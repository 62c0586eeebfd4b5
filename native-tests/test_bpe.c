/* Byte-level BPE, CLIP's and SigLIP's normalizers against Hugging Face `tokenizers`;
 * golden/make_bpe.py says what was dumped and how. */
#include "test.h"

#include "tokenizer_corpora.h"

#include "input/byte_level.h"
#include "input/nfc.h"

static const char *const names[] = {"clip", "clip-legacy", "gpt2", "roberta", "siglip"};
enum { HASHED = 4 /* of the names */ };

static ferry_tokenizer *open_small(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, GOLDEN "tokenizers/%s.json", name);
    ferry_buffer json = read_path(path);
    ferry_tokenizer *tokenizer;
    ferry_error error = {.message = ""};
    if (open_json(json.data, json.size, NULL, &tokenizer, &error) != FERRY_OK)
        fail_msg("%s: %s", path, error.message);
    ferry_buffer_free(&json);
    return tokenizer;
}

static void texts_have_the_originals_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(names); i++) {
        char path[1024];
        ferry_tokenizer *tokenizer = open_small(names[i]);
        snprintf(path, sizeof path, GOLDEN "tokenizers/%s.jsonl", names[i]);
        assert_int_equal(check_lines(tokenizer, path, 512), 200);
        ferry_tokenizer_close(tokenizer);
    }
}

/* ---- hashed corpora ---- */

typedef struct hashed {
    ferry_tokenizer *tokenizers[HASHED];
    uint64_t hash[HASHED];
    ferry_buffer golden, text;
    size_t rows;
} hashed;

static void begin_row(hashed *h)
{
    for (size_t i = 0; i < HASHED; i++) h->hash[i] = 0xCBF29CE484222325u;
}

static void add_text(hashed *h)
{
    static int32_t ids[MAX_IDS];
    size_t count;
    for (size_t i = 0; i < HASHED; i++) {
        assert_int_equal(ferry_tokenizer_encode(h->tokenizers[i], h->text.data, h->text.size,
                                                MAX_IDS - 1, ids, &count, NULL),
                         FERRY_OK);
        ids[count++] = -1;
        add_bytes(&h->hash[i], ids, count * sizeof *ids); /* little-endian, as all we run on */
    }
}

static void end_row(hashed *h, const char *corpus, unsigned row)
{
    char key[64];
    int length = snprintf(key, sizeof key, "\n%s %x ", corpus, row);
    const char *at = strstr(h->golden.data, key);
    if (at == NULL) fail_msg("golden has no row %x of %s", row, corpus);
    at += length;
    for (size_t i = 0; i < HASHED; i++, at += 17) {
        char found[20];
        snprintf(found, sizeof found, "%016llx", (unsigned long long)h->hash[i]);
        if (strncmp(at, found, 16) != 0)
            fail_msg("%s row %x: %s gives %s, expected %.16s", corpus, row, names[i], found, at);
    }
    h->rows++;
}

static hashed begin_corpora(void)
{
    hashed h = {.golden = new_buffer(), .text = new_buffer()};
    for (size_t i = 0; i < HASHED; i++) h.tokenizers[i] = open_small(names[i]);
    ferry_buffer lines = read_path(GOLDEN "bpe.txt");
    assert_non_null(lines.data);
    append(&h.golden, "\n");
    assert_true(ferry_buffer_append(&h.golden, lines.data, lines.size + 1));
    ferry_buffer_free(&lines);
    return h;
}

static void end_corpora(hashed *h, size_t rows)
{
    assert_int_equal(h->rows, rows);
    for (size_t i = 0; i < HASHED; i++) ferry_tokenizer_close(h->tokenizers[i]);
    ferry_buffer_free(&h->golden);
    ferry_buffer_free(&h->text);
}

static void every_code_point_has_the_originals_ids(void **state)
{
    (void)state;
    hashed h = begin_corpora();
    for (uint32_t first = 0; first < 0x110000; first += 4096) {
        uint32_t place = first & 0xFFFF; /* beyond plane 2 a plane's first and last tell */
        if (first >= 0x30000 && place > 0 && place < 0xF000) continue;
        begin_row(&h);
        for (uint32_t c = first; c < first + 4096; c++) {
            if (c >= 0xD800 && c <= 0xDFFF) continue;
            h.text.size = 0;
            append(&h.text, "a"), append_char(&h.text, c), append(&h.text, "b");
            append_char(&h.text, c), append_char(&h.text, c), append(&h.text, " ");
            append_char(&h.text, c), append(&h.text, "1"), append_char(&h.text, c);
            append(&h.text, "\xCC\x81x\xE1\x85\xA1");
            add_text(&h);
        }
        end_row(&h, "codepoints", first);
    }
    end_corpora(&h, 48 + 28);
}

static void mixtures_have_the_originals_ids(void **state)
{
    (void)state;
    hashed h = begin_corpora();
    uint64_t random = 2024;
    for (unsigned row = 0; row < 100; row++) {
        begin_row(&h);
        for (int i = 0; i < 100; i++) {
            mixed_text(&random, &h.text);
            add_text(&h);
        }
        end_row(&h, "mixture", row);
    }
    end_corpora(&h, 100);
}

/* ---- long ones ---- */

/* A word takes time in proportion to its length, or nearly; of a text only what is needed is looked
 * at. */
static void long_words_are_merged(void **state)
{
    (void)state;
    ferry_tokenizer *tokenizer = open_small("clip");
    ferry_buffer text = new_buffer();
    int32_t ids[77], again[77];
    size_t count, fewer;
    for (int i = 0; i < 300000; i++) append(&text, "ing");
    assert_int_equal(ferry_tokenizer_encode(tokenizer, text.data, text.size, 77, ids, &count, NULL),
                     FERRY_OK);
    assert_int_equal(count, 77);
    assert_int_equal(ferry_tokenizer_encode(tokenizer, text.data, 3 * 500, 77, again, &fewer, NULL),
                     FERRY_OK);
    assert_memory_equal(ids, again, sizeof ids);
    /* Marks without end, in an order that must be turned around. */
    text.size = 0;
    for (int i = 0; i < 100000; i++) append(&text, "\xCC\x81\xCC\xA3\xCC\xB4");
    assert_int_equal(ferry_tokenizer_encode(tokenizer, text.data, text.size, 77, ids, &count, NULL),
                     FERRY_OK);
    assert_int_equal(count, 77);
    ferry_buffer_free(&text);
    ferry_tokenizer_close(tokenizer);
}

/* ---- what is refused ---- */

#define BPE(more) "\"model\":{\"type\":\"BPE\"" more "}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<u>\":3}"
#define SMALL BPE("," VOCAB ",\"merges\":[\"a b\"]")
#define LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
#define STEPS(list) "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" list "]},"
#define REPLACE(pattern, content) \
    "{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"" content "\"}"

static void other_kinds_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ferry_status status;
        const char *named;
    } cases[] = {
        {"{" LEVEL SMALL "}", FERRY_OK, ""},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[]") "}", FERRY_OK, ""},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[[\"a\",\"b\"]],\"unk_token\":\"<u>\"") "}", FERRY_OK,
         ""},
        {"{" SMALL "}", FERRY_UNSUPPORTED, "without pre_tokenizer"},
        {"{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," SMALL "}", FERRY_UNSUPPORTED,
         "Whitespace"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[]}," SMALL "}",
         FERRY_UNSUPPORTED, "without pre_tokenizer"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
         "\"pattern\":{\"Regex\":\"\\\\d\"},\"behavior\":\"Isolated\"}]}," SMALL "}",
         FERRY_UNSUPPORTED, "pattern \"\\d\""},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{"
         "\"type\":\"Digits\"}]}," SMALL "}",
         FERRY_UNSUPPORTED, "Digits"},
        {"{" LEVEL "\"normalizer\":{\"type\":\"NFKC\"}," SMALL "}", FERRY_UNSUPPORTED, "NFKC"},
        {"{" LEVEL STEPS("{\"type\":\"Lowercase\"},{\"type\":\"NFC\"}") SMALL "}",
         FERRY_UNSUPPORTED, "NFC"},
        {"{" LEVEL STEPS(REPLACE("\"Regex\":\"\\\\s+\"", " ") "," REPLACE("\"String\":\"!\"", ""))
             SMALL "}",
         FERRY_UNSUPPORTED, "Replace"},
        {"{" LEVEL STEPS(REPLACE("\"Regex\":\"[a]\"", "")) SMALL "}", FERRY_UNSUPPORTED, "Replace"},
        {"{" LEVEL STEPS(REPLACE("\"Regex\":\"[^!]\"", "")) SMALL "}", FERRY_UNSUPPORTED,
         "Replace"},
        {"{" LEVEL STEPS(REPLACE("\"Regex\":\"[!\\\\]\"", "")) SMALL "}", FERRY_UNSUPPORTED,
         "Replace"},
        {"{" LEVEL STEPS(REPLACE("\"Regex\":\"[!\\\\]]\"", "")) SMALL "}", FERRY_OK, ""},
        {"{" LEVEL STEPS(REPLACE("\"String\":\"!!\"", "")) SMALL "}", FERRY_UNSUPPORTED, "Replace"},
        {"{" LEVEL BPE("") "}", FERRY_MALFORMED, "vocab"},
        {"{" LEVEL BPE("," VOCAB) "}", FERRY_MALFORMED, "merges"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[1]") "}", FERRY_MALFORMED, "at 0"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[\"a b\",\"a b b\"]") "}", FERRY_MALFORMED, "at 1"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[[\"a\"]]") "}", FERRY_MALFORMED, "at 0"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[\"b a\"]") "}", FERRY_MALFORMED, "merge 0"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[\"c \"]") "}", FERRY_MALFORMED, "merge 0"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[],\"unk_token\":\"c\"") "}", FERRY_MALFORMED,
         "unk_token"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[],\"byte_fallback\":true") "}", FERRY_UNSUPPORTED,
         "byte_fallback"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[],\"ignore_merges\":true") "}", FERRY_UNSUPPORTED,
         "ignore_merges"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[],\"dropout\":0.1") "}", FERRY_UNSUPPORTED,
         "dropout"},
        {"{" LEVEL BPE("," VOCAB ",\"merges\":[],\"continuing_subword_prefix\":\"##\"") "}",
         FERRY_UNSUPPORTED, "continuing_subword_prefix"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        ferry_tokenizer *tokenizer;
        ferry_error error = {.message = ""};
        ferry_status found =
            open_json(cases[i].json, strlen(cases[i].json), NULL, &tokenizer, &error);
        if (found != cases[i].status || strstr(error.message, cases[i].named) == NULL)
            fail_msg("%s: %s \"%s\", expected %s naming %s", cases[i].json,
                     ferry_status_name(found), error.message, ferry_status_name(cases[i].status),
                     cases[i].named);
        assert_true((found == FERRY_OK) == (tokenizer != NULL));
        ferry_tokenizer_close(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_the_originals_ids),
        cmocka_unit_test(every_code_point_has_the_originals_ids),
        cmocka_unit_test(mixtures_have_the_originals_ids),
        cmocka_unit_test(long_words_are_merged),
        cmocka_unit_test(other_kinds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
