/*
 * The input up to its first NUL is a tokenizer.json, the rest a text: what opens must encode the
 * text to ids below its vocabulary's size, and cut short give a beginning of the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_IDS = 512, MAX_SPECIAL = 128 };

static void check(ferry_tokenizer *tokenizer, const char *text, size_t size)
{
    int32_t ids[MAX_IDS], again[MAX_IDS];
    size_t count, shorter;
    if (ferry_tokenizer_encode(tokenizer, text, size, MAX_IDS, ids, &count, NULL) != FERRY_OK)
        abort();
    if (count > MAX_IDS) abort();
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= ferry_tokenizer_vocab_size(tokenizer)) abort();

    size_t specials; /* what an empty text becomes, before and after in one */
    if (ferry_tokenizer_encode(tokenizer, NULL, 0, MAX_SPECIAL, again, &specials, NULL) != FERRY_OK)
        abort();
    size_t max = specials + 3;
    if (ferry_tokenizer_encode(tokenizer, text, size, max, again, &shorter, NULL) != FERRY_OK)
        abort();
    if (shorter != (count < max ? count : max)) abort();
    if (count == shorter && memcmp(ids, again, count * sizeof *ids) != 0) abort();
    if (specials > 0 && ferry_tokenizer_encode(tokenizer, text, size, specials - 1, again, &shorter,
                                               NULL) != FERRY_INVALID_ARGUMENT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t json_size = end != NULL ? (size_t)(end - data) : size;
    size_t text_start = end != NULL ? json_size + 1 : size;
    ferry_file json = {"tokenizer.json", data, json_size};
    ferry_tokenizer *tokenizer;
    ferry_error error;
    error.message[0] = '\0';
    if (ferry_tokenizer_open(NULL, &json, NULL, NULL, &tokenizer, &error) == FERRY_OK) {
        check(tokenizer, (const char *)data + text_start, size - text_start);
        check(tokenizer, (const char *)data, size); /* the whole of it makes a text too */
        ferry_tokenizer_close(tokenizer);
    } else if (tokenizer != NULL || error.message[0] == '\0') {
        abort();
    }

    /* The same bytes as a vocab.txt and its tokenizer_config.json. */
    ferry_file config = {"tokenizer_config.json", data + text_start, size - text_start};
    ferry_file vocab = {"vocab.txt", data, json_size};
    if (ferry_tokenizer_open(NULL, NULL, &vocab, end != NULL ? &config : NULL, &tokenizer,
                             &error) == FERRY_OK) {
        check(tokenizer, (const char *)data, size);
        ferry_tokenizer_close(tokenizer);
    }
    return 0;
}
