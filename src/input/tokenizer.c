#include "input/tokenizer.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "input/tokenizer_parts.h"

/* ---- opening ---- */

static ferry_status open_parts(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const ferry_file *vocab, const ferry_file *config,
                               ferry_error *error)
{
    if (json != NULL)
        FERRY_TRY(ferry_tokenizer_read_json(tokenizer, json, error));
    else
        FERRY_TRY(ferry_tokenizer_read_vocab(tokenizer, vocab, config, error));
    if (tokenizer->kind != FERRY_TOKENIZER_WORDPIECE) return FERRY_OK;
    ferry_bert_normalizer_init(&tokenizer->normalizer);
    tokenizer->word = ferry_allocate(
        &tokenizer->allocator, ferry_bert_word_capacity(tokenizer->model.max_chars), sizeof(char));
    return tokenizer->word != NULL ? FERRY_OK : ferry_fail_memory(error, "the tokenizer");
}

ferry_status ferry_tokenizer_open(const ferry_allocator *allocator, const ferry_file *json,
                                  const ferry_file *vocab, const ferry_file *config,
                                  ferry_tokenizer **out, ferry_error *error)
{
    *out = NULL;
    if (json == NULL && vocab == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "no tokenizer.json and no vocab.txt");
    ferry_allocator hook = ferry_allocator_or_default(allocator);
    ferry_tokenizer *tokenizer = ferry_allocate(&hook, 1, sizeof *tokenizer);
    if (tokenizer == NULL) return ferry_fail_memory(error, "the tokenizer");
    tokenizer->allocator = hook;
    ferry_arena_init(&tokenizer->arena, hook);
    ferry_buffer_init(&tokenizer->text, hook);
    ferry_buffer_init(&tokenizer->normalized_text, hook);
    ferry_buffer_init(&tokenizer->unigram_word, hook);
    ferry_buffer_init(&tokenizer->steps, hook);
    ferry_buffer_init(&tokenizer->part, hook);
    ferry_buffer_init(&tokenizer->symbols, hook);
    ferry_buffer_init(&tokenizer->queue, hook);
    ferry_buffer_init(&tokenizer->codes, hook);
    ferry_buffer_init(&tokenizer->pieces.nodes, hook);
    ferry_bert_normalizer_init(&tokenizer->plain);
    ferry_status status = open_parts(tokenizer, json, vocab, config, error);
    if (status != FERRY_OK) {
        ferry_tokenizer_close(tokenizer);
        return status;
    }
    *out = tokenizer;
    return FERRY_OK;
}

void ferry_tokenizer_close(ferry_tokenizer *tokenizer)
{
    if (tokenizer == NULL) return;
    ferry_allocator hook = tokenizer->allocator;
    ferry_release(&hook, tokenizer->word, ferry_bert_word_capacity(tokenizer->model.max_chars));
    ferry_buffer_free(&tokenizer->text);
    ferry_buffer_free(&tokenizer->normalized_text);
    ferry_added_set_free(&tokenizer->raw, &hook);
    ferry_added_set_free(&tokenizer->normalized, &hook);
    ferry_buffer_free(&tokenizer->unigram_word);
    ferry_buffer_free(&tokenizer->steps);
    ferry_buffer_free(&tokenizer->part);
    ferry_buffer_free(&tokenizer->symbols);
    ferry_buffer_free(&tokenizer->queue);
    ferry_buffer_free(&tokenizer->codes);
    ferry_trie_free(&tokenizer->pieces);
    ferry_arena_free(&tokenizer->arena);
    ferry_release(&hook, tokenizer, sizeof *tokenizer);
}

size_t ferry_tokenizer_vocab_size(const ferry_tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

/* ---- encoding ---- */

typedef struct sink {
    int32_t *ids; /* [room] */
    size_t count, room;
} sink;

static bool is_full(const sink *out)
{
    return out->count == out->room;
}

static void encode_words(ferry_tokenizer *tokenizer, const ferry_bert_normalizer *normalizer,
                         const char *text, size_t size, sink *out)
{
    const ferry_wordpiece *model = &tokenizer->model;
    ferry_bert_words words =
        ferry_bert_words_of(normalizer, text, size, tokenizer->word, model->max_chars);
    while (!is_full(out) && ferry_bert_words_next(&words)) {
        size_t room = out->room - out->count;
        if (words.chars > model->max_chars) {
            out->ids[out->count++] = model->unknown;
            continue;
        }
        size_t count = ferry_wordpiece_encode(model, words.word.data, words.word.size,
                                              out->ids + out->count, room);
        out->count += count < room ? count : room;
    }
}

static ferry_status encode_unigram(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                   sink *out, ferry_error *error)
{
    const ferry_unigram *model = &tokenizer->unigram;
    ferry_buffer *word = &tokenizer->unigram_word;
    ferry_unigram_words words = {.model = model, .text = text, .size = size};
    while (!is_full(out)) {
        size_t room = out->room - out->count, count;
        bool found;
        FERRY_TRY(ferry_unigram_next(&words, word, &found, error));
        if (!found) break;
        FERRY_TRY(ferry_unigram_encode(model, &tokenizer->pieces, word->data, word->size,
                                       &tokenizer->steps, out->ids + out->count, room, &count,
                                       error));
        out->count += count < room ? count : room;
    }
    return FERRY_OK;
}

/* A part of what the text is split into: its words, each put through the model. */
static ferry_status encode_part(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                sink *out, ferry_error *error)
{
    ferry_buffer *part = &tokenizer->part;
    if (tokenizer->prefix_space && text[0] != ' ') {
        part->size = 0;
        if (!ferry_buffer_append(part, " ", 1) || !ferry_buffer_append(part, text, size))
            return ferry_fail_memory(error, "a part of the text");
        text = part->data;
        size = part->size;
    }
    for (size_t at = 0; at < size && !is_full(out);) {
        size_t room = out->room - out->count, count;
        size_t start = ferry_byte_split_next(tokenizer->word_split, text, size, &at);
        if (start == size) break;
        FERRY_TRY(ferry_bpe_encode(&tokenizer->bpe, text + start, at - start, &tokenizer->symbols,
                                   &tokenizer->queue, out->ids + out->count, room, &count, error));
        out->count += count < room ? count : room;
    }
    return FERRY_OK;
}

static ferry_status encode_parts(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                 sink *out, ferry_error *error)
{
    for (size_t at = 0; at < size && !is_full(out);) {
        size_t start = ferry_byte_split_next(tokenizer->split, text, size, &at);
        if (start == size) break;
        FERRY_TRY(encode_part(tokenizer, text + start, at - start, out, error));
    }
    return FERRY_OK;
}

/* Normalised text between tokens. */
static ferry_status encode_normalized(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                      sink *out, ferry_error *error)
{
    switch (tokenizer->kind) {
    case FERRY_TOKENIZER_WORDPIECE:
        encode_words(tokenizer, &tokenizer->plain, text, size, out);
        return FERRY_OK;
    case FERRY_TOKENIZER_UNIGRAM: return encode_unigram(tokenizer, text, size, out, error);
    case FERRY_TOKENIZER_BPE: return encode_parts(tokenizer, text, size, out, error);
    }
    return FERRY_OK;
}

/* Text without raw tokens: tokens that are sought after normalising, and the words between. */
static ferry_status encode_piece(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                 sink *out, ferry_error *error)
{
    if (tokenizer->kind == FERRY_TOKENIZER_WORDPIECE && tokenizer->normalized.count == 0) {
        encode_words(tokenizer, &tokenizer->normalizer, text, size, out); /* both in one pass */
        return FERRY_OK;
    }
    ferry_buffer *buffer = &tokenizer->normalized_text;
    buffer->size = 0;
    if (!ferry_tokenizer_normalize(tokenizer, text, size, buffer))
        return ferry_fail_memory(error, "the normalised text");
    ferry_added_cursor cursor = {&tokenizer->normalized, buffer->data, buffer->size, 0, 0};
    while (!is_full(out)) {
        ferry_added_piece piece = ferry_added_next(&cursor);
        if (piece.stop > piece.start)
            FERRY_TRY(encode_normalized(tokenizer, buffer->data + piece.start,
                                        piece.stop - piece.start, out, error));
        if (piece.id < 0) break;
        if (!is_full(out)) out->ids[out->count++] = piece.id;
    }
    return FERRY_OK;
}

/* Makes *text valid UTF-8, in scratch memory where it is not, so that nothing after need care. */
static ferry_status repair(ferry_tokenizer *tokenizer, const char **text, size_t *size,
                           ferry_error *error)
{
    size_t ascii = 0;
    for (uint64_t eight; *size - ascii >= sizeof eight; ascii += sizeof eight) {
        memcpy(&eight, *text + ascii, sizeof eight);
        if (eight & 0x8080808080808080u) break;
    }
    if (ferry_utf8_is_valid(*text + ascii, *size - ascii)) return FERRY_OK;
    ferry_buffer *buffer = &tokenizer->text;
    buffer->size = 0;
    for (size_t at = 0; at < *size;) {
        char code[4];
        size_t length = ferry_utf8_put(ferry_utf8_next(*text, *size, &at, NULL), code);
        if (!ferry_buffer_append(buffer, code, length)) return ferry_fail_memory(error, "the text");
    }
    *text = buffer->data;
    *size = buffer->size;
    return FERRY_OK;
}

ferry_status ferry_tokenizer_encode(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                    size_t max_length, int32_t *ids, size_t *count,
                                    ferry_error *error)
{
    *count = 0;
    size_t before = tokenizer->before_count, after = tokenizer->after_count;
    if (max_length < before + after)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%zu tokens have no room for the %zu special ones", max_length,
                          before + after);
    sink out = {ids + before, 0, max_length - before - after};
    if (size > 0) FERRY_TRY(repair(tokenizer, &text, &size, error));
    ferry_added_cursor cursor = {&tokenizer->raw, text, size, 0, 0};
    while (!is_full(&out)) {
        ferry_added_piece piece = ferry_added_next(&cursor);
        if (piece.stop > piece.start)
            FERRY_TRY(
                encode_piece(tokenizer, text + piece.start, piece.stop - piece.start, &out, error));
        if (piece.id < 0) break;
        if (!is_full(&out)) out.ids[out.count++] = piece.id;
    }
    if (before > 0) memcpy(ids, tokenizer->before, before * sizeof *ids);
    if (after > 0) memcpy(out.ids + out.count, tokenizer->after, after * sizeof *ids);
    *count = before + out.count + after;
    return FERRY_OK;
}
