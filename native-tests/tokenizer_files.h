/* Golden files, and tokenizers from bytes, for the tokenizer's tests. */
#ifndef FERRY_TOKENIZER_FILES_H
#define FERRY_TOKENIZER_FILES_H

#include "test.h"

#include "base/memory.h"
#include "input/tokenizer.h"

#define GOLDEN FERRY_SOURCE_DIR "/native-tests/golden/"
#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static inline ferry_buffer new_buffer(void)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    return buffer;
}

/* The content, NUL-terminated behind its size; data is NULL if there is no such file. */
static inline ferry_buffer read_stream(FILE *stream)
{
    ferry_buffer content = new_buffer();
    char chunk[65536];
    for (size_t n; stream != NULL && (n = fread(chunk, 1, sizeof chunk, stream)) > 0;)
        assert_true(ferry_buffer_append(&content, chunk, n));
    if (stream != NULL) {
        assert_true(ferry_buffer_append(&content, "", 1));
        content.size--;
    }
    return content;
}

static inline ferry_buffer read_path(const char *path)
{
    FILE *stream = fopen(path, "rb");
    ferry_buffer content = read_stream(stream);
    if (stream != NULL) fclose(stream);
    return content;
}

static inline ferry_buffer read_in(const char *directory, const char *name)
{
    char path[1200];
    assert_in_range(snprintf(path, sizeof path, "%s/%s", directory, name), 1, sizeof path - 1);
    return read_path(path);
}

static inline ferry_file as_file(const char *name, const ferry_buffer *content)
{
    return (ferry_file){name, content->data, content->size};
}

static inline ferry_status open_json(const char *text, size_t size,
                                     const ferry_allocator *allocator, ferry_tokenizer **out,
                                     ferry_error *error)
{
    ferry_file json = {"tokenizer.json", text, size};
    return ferry_tokenizer_open(allocator, &json, NULL, NULL, out, error);
}

/* Opens a directory's tokenizer.json, or else its vocab.txt. Skips the test if there is neither. */
static inline ferry_tokenizer *open_directory(const char *directory, bool prefer_vocab)
{
    ferry_buffer json = read_in(directory, "tokenizer.json");
    ferry_buffer vocab = read_in(directory, "vocab.txt");
    ferry_buffer config = read_in(directory, "tokenizer_config.json");
    if (json.data == NULL && vocab.data == NULL) {
        print_message("skipped: no tokenizer in %s\n", directory);
        skip();
    }
    ferry_file files[] = {as_file("tokenizer.json", &json), as_file("vocab.txt", &vocab),
                          as_file("tokenizer_config.json", &config)};
    bool use_json = json.data != NULL && !prefer_vocab;
    ferry_tokenizer *tokenizer;
    ferry_error error = {.message = ""};
    ferry_status status =
        ferry_tokenizer_open(NULL, use_json ? &files[0] : NULL, use_json ? NULL : &files[1],
                             config.data != NULL ? &files[2] : NULL, &tokenizer, &error);
    if (status != FERRY_OK) fail_msg("%s: %s", directory, error.message);
    ferry_buffer_free(&json);
    ferry_buffer_free(&vocab);
    ferry_buffer_free(&config);
    return tokenizer;
}

#endif
