/* What tests of tokenizers have in common: texts with their ids, and corpora that are made here
 * again by make_tokenizer.py's arithmetic. */
#ifndef FERRY_TOKENIZER_CORPORA_H
#define FERRY_TOKENIZER_CORPORA_H

#include "tokenizer_files.h"

#include <cJSON.h>

#include "base/utf8.h"

enum { MAX_IDS = 8192 };

/* ---- texts with their ids ---- */

static inline void check_ids(ferry_tokenizer *tokenizer, const cJSON *line, size_t max,
                             const char *where)
{
    static int32_t ids[MAX_IDS];
    const char *text = cJSON_GetObjectItem(line, "text")->valuestring;
    const cJSON *expected = cJSON_GetObjectItem(line, "ids");
    const cJSON *limit = cJSON_GetObjectItem(line, "max");
    if (limit != NULL) max = (size_t)limit->valueint;
    size_t count;
    ferry_error error = {.message = ""};
    memset(ids, 0x55, sizeof ids);
    if (ferry_tokenizer_encode(tokenizer, text, strlen(text), max, ids, &count, &error) != FERRY_OK)
        fail_msg("%s: %s", where, error.message);
    if (count != (size_t)cJSON_GetArraySize(expected))
        fail_msg("%s: \"%s\" has %zu ids, expected %d", where, text, count,
                 cJSON_GetArraySize(expected));
    const cJSON *id = expected->child;
    for (size_t i = 0; i < count; i++, id = id->next)
        if (ids[i] != id->valueint)
            fail_msg("%s: \"%s\": id %zu is %d, expected %d", where, text, i, (int)ids[i],
                     id->valueint);
    if (max < MAX_IDS) assert_int_equal(ids[max], 0x55555555); /* nothing behind the caller's end */
}

/* Every line of a golden; returns how many. */
static inline size_t check_lines(ferry_tokenizer *tokenizer, const char *path, size_t max)
{
    ferry_buffer content = read_path(path);
    if (content.data == NULL) fail_msg("no %s", path);
    size_t lines = 0;
    for (char *line = content.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        cJSON *tree = cJSON_ParseWithLength(line, (size_t)(end - line));
        assert_non_null(tree);
        check_ids(tokenizer, tree, max, path);
        cJSON_Delete(tree);
        lines++;
    }
    ferry_buffer_free(&content);
    return lines;
}

/* ---- corpora ---- */

static inline void add_bytes(uint64_t *hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) *hash = (*hash ^ bytes[i]) * 0x100000001B3u;
}

static inline void append_char(ferry_buffer *text, uint32_t c)
{
    char code[4];
    assert_true(ferry_buffer_append(text, code, ferry_utf8_put(c, code)));
}

static inline void append(ferry_buffer *text, const char *more)
{
    assert_true(ferry_buffer_append(text, more, strlen(more)));
}

/* Knuth's MMIX generator; its upper 31 bits. */
static inline uint32_t pick(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

typedef struct pool {
    uint32_t first, count;
} pool;

static inline void mixed_text(uint64_t *random, ferry_buffer *text)
{
    static const pool pools[] = {
        {0x61, 26},      {0x61, 26},      {0x61, 26},       {0x41, 26},       {0x20, 95},
        {0x20, 1},       {0x20, 1},       {0x20, 1},        {0x00, 0x20},     {0x80, 0x80},
        {0xA0, 0x1B0},   {0x300, 0x70},   {0x300, 0x70},    {0x370, 0x1C0},   {0x590, 0x170},
        {0x8D0, 0x30},   {0x900, 0x500},  {0xE00, 0x100},   {0xF00, 0x100},   {0x1100, 0x100},
        {0x1B00, 0x100}, {0x1DC0, 0x40},  {0x1E00, 0x200},  {0x2000, 0x70},   {0x2100, 0x300},
        {0x302A, 6},     {0x3000, 0x100}, {0x4E00, 0x5200}, {0xAC00, 11172},  {0xE000, 0x100},
        {0xF900, 0x200}, {0xFE00, 0x200}, {0x11F40, 0x20},  {0x16FE0, 0x20},  {0x1D150, 0x70},
        {0x1E000, 0x2B}, {0x1E900, 0x60}, {0x1F300, 0x700}, {0x2F800, 0x220}, {0x0, 0x110000}};
    static const char *const literals[] = {"[MASK]", "[SEP]", "[UNK]", "[PAD]",        "[CLS]",
                                           " the ",  "ing",   "##s",   " unbelievable"};
    text->size = 0;
    uint32_t parts = 1 + pick(random, 48);
    for (uint32_t i = 0; i < parts; i++) {
        if (pick(random, 24) == 0) {
            append(text, literals[pick(random, LENGTH(literals))]);
            continue;
        }
        pool from = pools[pick(random, LENGTH(pools))];
        uint32_t c = from.first + pick(random, from.count);
        append_char(text, c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c);
    }
}

#endif
