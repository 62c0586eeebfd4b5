/*
 * The tokenizer against Hugging Face `tokenizers`: golden/README.md says what was dumped and how.
 * Corpora that are only hashed there are made again here, by the same arithmetic.
 */
#define _POSIX_C_SOURCE 200809L /* popen */

#include "test.h"

#include "tokenizer_corpora.h"

#include "input/bert_normalizer.h"

enum { MAX_WORD = 4096 };

static const char *model_directory(void)
{
    static char path[1024];
    const char *models = getenv("FERRY_MODELS");
    snprintf(path, sizeof path, "%s/all-MiniLM-L6-v2",
             models != NULL ? models : FERRY_SOURCE_DIR "/.deps/models");
    return path;
}

/* ---- texts with their ids ---- */

static void test_texts(void **state)
{
    (void)state;
    for (int prefer_vocab = 0; prefer_vocab < 2; prefer_vocab++) {
        ferry_tokenizer *tokenizer = open_directory(model_directory(), prefer_vocab);
        assert_int_equal(ferry_tokenizer_vocab_size(tokenizer), 30522);
        assert_int_equal(check_lines(tokenizer, GOLDEN "text.jsonl", 256), 200);
        ferry_tokenizer_close(tokenizer);
    }
}

static void test_tiny_models(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t max;
    } models[] = {{"gelu-mean", 32}, {"gelu-new-cls", 12}, {"relu-max", 32}, {"plain-bf16", 32}};
    for (size_t i = 0; i < LENGTH(models); i++) {
        char directory[1024], lines[1100];
        snprintf(directory, sizeof directory, GOLDEN "tiny-bert/%s", models[i].name);
        snprintf(lines, sizeof lines, "%s/text.jsonl", directory);
        ferry_tokenizer *tokenizer = open_directory(directory, false);
        assert_int_equal(check_lines(tokenizer, lines, models[i].max), 6);
        ferry_tokenizer_close(tokenizer);
    }
}

static const char *const small_names[] = {"added",   "cased",   "bare",
                                          "accents", "unigram", "unigram-sequence"};

static void test_small_tokenizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(small_names); i++) {
        char path[1024];
        snprintf(path, sizeof path, GOLDEN "tokenizers/%s.json", small_names[i]);
        ferry_buffer json = read_path(path);
        ferry_tokenizer *tokenizer;
        ferry_error error = {.message = ""};
        if (open_json(json.data, json.size, NULL, &tokenizer, &error) != FERRY_OK)
            fail_msg("%s: %s", path, error.message);
        ferry_buffer_free(&json);
        snprintf(path, sizeof path, GOLDEN "tokenizers/%s.jsonl", small_names[i]);
        assert_int_equal(check_lines(tokenizer, path, 512), 200);
        ferry_tokenizer_close(tokenizer);
    }
}

/* ---- hashed corpora ---- */

typedef struct hashes {
    uint64_t words, ids;
} hashes;

static const hashes no_hashes = {0xCBF29CE484222325u, 0xCBF29CE484222325u};

/* golden/make_tokenizer.py's MODES: clean_text, handle_chinese_chars, strip_accents, lowercase */
static const bool modes[][4] = {{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 1, 0, 1},
                                {1, 1, 1, 0}, {0, 0, 0, 0}, {0, 0, 1, 1}};

typedef struct corpus_test {
    ferry_tokenizer *tokenizer;
    ferry_bert_normalizer normalizers[LENGTH(modes)];
    ferry_buffer golden;
    size_t rows, texts;
} corpus_test;

static void hash_text(corpus_test *test, const char *text, size_t size, hashes *out)
{
    static char word[8 * (MAX_WORD + 1)];
    static int32_t ids[MAX_IDS];
    for (size_t m = 0; m < LENGTH(modes); m++) {
        ferry_bert_words words =
            ferry_bert_words_of(&test->normalizers[m], text, size, word, MAX_WORD);
        while (ferry_bert_words_next(&words)) {
            add_bytes(&out->words, words.word.data, words.word.size);
            add_bytes(&out->words, "\xFF", 1);
        }
        add_bytes(&out->words, "\xFE", 1);
    }
    size_t count;
    assert_int_equal(
        ferry_tokenizer_encode(test->tokenizer, text, size, MAX_IDS, ids, &count, NULL), FERRY_OK);
    for (size_t i = 0; i < count; i++) {
        uint32_t id = (uint32_t)ids[i];
        unsigned char bytes[] = {(unsigned char)id, (unsigned char)(id >> 8),
                                 (unsigned char)(id >> 16), (unsigned char)(id >> 24)};
        add_bytes(&out->ids, bytes, 4);
    }
    add_bytes(&out->ids, "\xFF\xFF\xFF\xFF", 4);
    test->texts++;
}

/* Compares with the golden's line for this row. */
static void check_row(corpus_test *test, const char *corpus, unsigned row, const hashes *found)
{
    char expected[200], key[100];
    snprintf(key, sizeof key, "\n%s %x ", corpus, row);
    const char *at = strstr(test->golden.data, key);
    if (at == NULL) fail_msg("golden has no row %x of %s", row, corpus);
    snprintf(expected, sizeof expected, "%s%016llx %016llx\n", key,
             (unsigned long long)found->words, (unsigned long long)found->ids);
    if (strncmp(at, expected, strlen(expected)) != 0)
        fail_msg("%s row %x: found%.*sexpected%.*s", corpus, row, (int)strlen(expected), expected,
                 (int)strcspn(at + 1, "\n") + 1, at);
    test->rows++;
}

static corpus_test begin_corpus(void)
{
    corpus_test test = {.golden = new_buffer()};
    test.tokenizer = open_directory(model_directory(), false);
    for (size_t m = 0; m < LENGTH(modes); m++) {
        test.normalizers[m] = (ferry_bert_normalizer){.clean_text = modes[m][0],
                                                      .handle_chinese_chars = modes[m][1],
                                                      .strip_accents = modes[m][2],
                                                      .lowercase = modes[m][3]};
        ferry_bert_normalizer_init(&test.normalizers[m]);
    }
    ferry_buffer lines = read_path(GOLDEN "tokenizer.txt");
    assert_non_null(lines.data);
    assert_true(ferry_buffer_append(&test.golden, "\n", 1));
    assert_true(ferry_buffer_append(&test.golden, lines.data, lines.size + 1));
    ferry_buffer_free(&lines);
    return test;
}

static void end_corpus(corpus_test *test, size_t rows)
{
    assert_int_equal(test->rows, rows);
    ferry_tokenizer_close(test->tokenizer);
    ferry_buffer_free(&test->golden);
}

static void test_every_code_point(void **state)
{
    (void)state;
    corpus_test test = begin_corpus();
    ferry_buffer text = new_buffer();
    for (uint32_t first = 0, size; first < 0x110000; first += size) {
        size = first < 0x20000 ? 256 : 4096;
        hashes found = no_hashes;
        for (uint32_t c = first; c < first + size; c++) {
            if (c >= 0xD800 && c <= 0xDFFF) continue;
            text.size = 0;
            append(&text, "a"), append_char(&text, c);
            append(&text, "b"), append_char(&text, c), append_char(&text, c);
            append(&text, " "), append_char(&text, c);
            append(&text, "1"), append_char(&text, c);
            append(&text, "\xCC\x81x");
            hash_text(&test, text.data, text.size, &found);
        }
        check_row(&test, "codepoints", first, &found);
    }
    assert_int_equal(test.texts, 0x110000 - 0x800);
    ferry_buffer_free(&text);
    end_corpus(&test, 512 + 240);
}

static void test_mixtures(void **state)
{
    (void)state;
    corpus_test test = begin_corpus();
    ferry_buffer text = new_buffer();
    uint64_t random = 2024;
    for (unsigned row = 0; row < 200; row++) {
        hashes found = no_hashes;
        for (int i = 0; i < 100; i++) {
            mixed_text(&random, &text);
            hash_text(&test, text.data, text.size, &found);
        }
        check_row(&test, "mixture", row, &found);
    }
    ferry_buffer_free(&text);
    end_corpus(&test, 200);
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    static const pool kinds[] = {{0x20, 95}, {0, 256}, {0xC0, 64}, {0x80, 64}};
    corpus_test test = begin_corpus();
    uint64_t random = 7;
    for (unsigned row = 0; row < 100; row++) {
        hashes found = no_hashes;
        for (int i = 0; i < 100; i++) {
            char text[32];
            uint32_t size = 1 + pick(&random, 32);
            for (uint32_t j = 0; j < size; j++) {
                pool from = kinds[pick(&random, LENGTH(kinds))];
                text[j] = (char)(from.first + pick(&random, from.count));
            }
            hash_text(&test, text, size, &found);
        }
        check_row(&test, "bytes", row, &found);
    }
    end_corpus(&test, 100);
}

/* ---- real titles ---- */

static const char *data_directory(void)
{
    const char *data = getenv("FERRY_DATA");
    return data != NULL ? data : FERRY_SOURCE_DIR "/../shared/data";
}

/* [*start, *start + result) is the title of the line at *line; moves to the next one. */
static size_t next_title(char **line, int column, char **start)
{
    char *end = strchr(*line, '\n'), *field = *line;
    for (int i = 0; i < column; i++) field = strchr(field, '\t') + 1;
    *start = field;
    *line = end + 1;
    char *tab = memchr(field, '\t', (size_t)(end - field));
    return (size_t)((tab != NULL ? tab : end) - field);
}

static size_t hash_titles(corpus_test *test, const char *name, char *content)
{
    size_t titles = 0;
    unsigned row = 0;
    hashes found = no_hashes;
    int column = 0; /* of "title:…" */
    for (char *field = content; strncmp(field, "title:", 6) != 0; column++)
        field = strchr(field, '\t') + 1;
    char *line = strchr(content, '\n') + 1, *title;
    while (*line != '\0') {
        size_t size = next_title(&line, column, &title);
        hash_text(test, title, size, &found);
        if (++titles % 500 == 0 || *line == '\0') {
            check_row(test, name, row++, &found);
            found = no_hashes;
        }
    }
    return titles;
}

static void test_titles(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t titles;
    } files[] = {{"amazon-beauty.item", 12101},
                 {"amazon-sports.item", 18357},
                 {"amazon-toys.item", 11924},
                 {"steam.item", 5155}};
    corpus_test test = begin_corpus();
    size_t rows = 0;
    for (size_t i = 0; i < LENGTH(files); i++) {
        char path[1024], command[1100];
        snprintf(path, sizeof path, "%s/%s.xz", data_directory(), files[i].name);
        snprintf(command, sizeof command, "xz -dc '%s'", path);
        FILE *there = fopen(path, "rb");
        if (there == NULL) {
            print_message("skipped: no %s\n", path);
            continue;
        }
        fclose(there);
        FILE *stream = popen(command, "r");
        assert_non_null(stream);
        ferry_buffer content = read_stream(stream);
        assert_int_equal(pclose(stream), 0);
        assert_int_equal(hash_titles(&test, files[i].name, content.data), files[i].titles);
        rows += (files[i].titles + 499) / 500;
        ferry_buffer_free(&content);
    }
    end_corpus(&test, rows);
    if (rows == 0) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_tiny_models),
        cmocka_unit_test(test_small_tokenizers),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
