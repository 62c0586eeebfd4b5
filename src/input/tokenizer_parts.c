/* Steps that reading tokenizer.json and reading vocab.txt have in common. */
#include "input/tokenizer_parts.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

bool ferry_tokenizer_take_id(ferry_tokenizer *tokenizer, double value, int32_t *id)
{
    if (!(value >= 0 && value < INT32_MAX)) return false;
    *id = (int32_t)value;
    if (*id != value) return false;
    if (tokenizer->vocab_size <= (size_t)*id) tokenizer->vocab_size = (size_t)*id + 1;
    return true;
}

int32_t ferry_tokenizer_piece(const ferry_tokenizer *tokenizer, ferry_text content)
{
    const ferry_trie *pieces = &tokenizer->pieces;
    size_t length = 0;
    int32_t id = ferry_trie_longest(pieces, pieces->root, content.data, content.size, &length);
    return length == content.size ? id : -1;
}

bool ferry_tokenizer_normalize(ferry_tokenizer *tokenizer, const char *text, size_t size,
                               ferry_buffer *out)
{
    if (tokenizer->kind == FERRY_TOKENIZER_WORDPIECE)
        return ferry_bert_normalize(&tokenizer->normalizer, text, size, out);
    return ferry_text_normalize(&tokenizer->text_normalizer, text, size, &tokenizer->codes, out);
}

ferry_status ferry_tokenizer_set_pieces(ferry_tokenizer *tokenizer, ferry_trie_entry *entries,
                                        size_t count, bool keep_last, const char *what,
                                        ferry_error *error)
{
    if (count == 0) return ferry_fail(error, FERRY_MALFORMED, "%s: no tokens", what);
    return ferry_trie_build(&tokenizer->pieces, &tokenizer->allocator, entries, count, keep_last,
                            what, error);
}

void ferry_tokenizer_set_wordpiece(ferry_tokenizer *tokenizer, const char *prefix)
{
    const ferry_trie *pieces = &tokenizer->pieces;
    tokenizer->model.pieces = pieces;
    tokenizer->model.continuation = ferry_trie_walk(pieces, pieces->root, prefix, strlen(prefix));
}

bool ferry_tokenizer_is_type(const cJSON *part, const char *type)
{
    const cJSON *found = part != NULL ? ferry_json_get(part, "type") : NULL;
    return cJSON_IsString(found) && strcmp(found->valuestring, type) == 0;
}

ferry_status ferry_tokenizer_refuse(const ferry_file *json, const char *field, const cJSON *part,
                                    ferry_error *error)
{
    const char *type = NULL;
    if (part != NULL) FERRY_TRY(ferry_json_string(part, "type", json->name, &type, error));
    if (part == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: a tokenizer without %s is not supported",
                          json->name, field);
    if (type == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: %s has no type", json->name, field);
    return ferry_fail(error, FERRY_UNSUPPORTED, "%s: %s \"%.100s\" is not supported", json->name,
                      field, type);
}

/* content: what the token's text becomes; scratch, which may move, holds all of them. */
static ferry_status normalize_tokens(ferry_tokenizer *tokenizer, ferry_added_token *tokens,
                                     size_t count, ferry_buffer *scratch, ferry_error *error)
{
    ferry_bert_normalizer_init(&tokenizer->normalizer);
    for (size_t i = 0; i < count; i++) {
        size_t start = scratch->size;
        if (!ferry_tokenizer_normalize(tokenizer, tokens[i].content, tokens[i].size, scratch))
            return ferry_fail_memory(error, "the added tokens");
        tokens[i].size = (uint32_t)(scratch->size - start);
    }
    size_t start = 0;
    for (size_t i = 0; i < count; start += tokens[i++].size)
        tokens[i].content = scratch->data + start;
    return FERRY_OK;
}

/* Drops tokens of no bytes: nothing is found where they are. */
static size_t drop_empty(ferry_added_token *tokens, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (tokens[i].size > 0) tokens[kept++] = tokens[i];
    return kept;
}

static ferry_status build_sets(ferry_tokenizer *tokenizer, ferry_added_token *sorted,
                               const ferry_added_token *tokens, size_t count, const char *name,
                               ferry_error *error)
{
    size_t raw = 0, normalized = 0;
    for (size_t i = 0; i < count; i++)
        if (!tokens[i].normalized) sorted[raw++] = tokens[i];
    for (size_t i = 0; i < count; i++)
        if (tokens[i].normalized) sorted[raw + normalized++] = tokens[i];
    FERRY_TRY(ferry_added_set_build(&tokenizer->raw, &tokenizer->allocator, sorted,
                                    drop_empty(sorted, raw), name, error));
    ferry_buffer scratch;
    ferry_buffer_init(&scratch, tokenizer->allocator);
    ferry_status status = normalize_tokens(tokenizer, sorted + raw, normalized, &scratch, error);
    if (status == FERRY_OK)
        status = ferry_added_set_build(&tokenizer->normalized, &tokenizer->allocator, sorted + raw,
                                       drop_empty(sorted + raw, normalized), name, error);
    ferry_buffer_free(&scratch);
    return status;
}

ferry_status ferry_tokenizer_set_added(ferry_tokenizer *tokenizer, const ferry_added_token *tokens,
                                       size_t count, const char *name, ferry_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (tokenizer->kind == FERRY_TOKENIZER_UNIGRAM && tokens[i].normalized)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "%s: added token \"%.100s\" is normalized, which a Unigram model's "
                              "must not be",
                              name, tokens[i].content);
        int32_t piece =
            ferry_tokenizer_piece(tokenizer, (ferry_text){tokens[i].content, tokens[i].size});
        if (piece >= 0 && piece != tokens[i].id)
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: added token \"%.100s\" has id %d, in the vocabulary it has %d",
                              name, tokens[i].content, (int)tokens[i].id, (int)piece);
    }
    if (count == 0) return FERRY_OK;
    ferry_added_token *sorted = ferry_allocate(&tokenizer->allocator, count, sizeof *sorted);
    if (sorted == NULL) return ferry_fail_memory(error, "the added tokens");
    ferry_status status = build_sets(tokenizer, sorted, tokens, count, name, error);
    ferry_release(&tokenizer->allocator, sorted, count * sizeof *sorted);
    return status;
}

ferry_status ferry_tokenizer_read_added(const cJSON *object, const char *name,
                                        ferry_added_token *out, ferry_error *error)
{
    if (!cJSON_IsObject(object))
        return ferry_fail(error, FERRY_MALFORMED, "%s: an added token is not an object", name);
    const char *content = NULL;
    FERRY_TRY(ferry_json_string(object, "content", name, &content, error));
    if (content == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: an added token without content", name);
    bool special = false;
    FERRY_TRY(ferry_json_bool(object, "special", name, &special, error));
    *out = (ferry_added_token){
        .content = content, .size = (uint32_t)strlen(content), .id = -1, .normalized = !special};
    FERRY_TRY(ferry_json_bool(object, "single_word", name, &out->single_word, error));
    FERRY_TRY(ferry_json_bool(object, "lstrip", name, &out->lstrip, error));
    FERRY_TRY(ferry_json_bool(object, "rstrip", name, &out->rstrip, error));
    return ferry_json_bool(object, "normalized", name, &out->normalized, error);
}

ferry_status ferry_tokenizer_set_frame(ferry_tokenizer *tokenizer, const int32_t *before,
                                       size_t before_count, const int32_t *after,
                                       size_t after_count, ferry_error *error)
{
    tokenizer->before = ferry_arena_array(&tokenizer->arena, before_count, sizeof *before);
    tokenizer->after = ferry_arena_array(&tokenizer->arena, after_count, sizeof *after);
    if (tokenizer->before == NULL || tokenizer->after == NULL)
        return ferry_fail_memory(error, "the special tokens");
    if (before_count > 0) memcpy(tokenizer->before, before, before_count * sizeof *before);
    if (after_count > 0) memcpy(tokenizer->after, after, after_count * sizeof *after);
    tokenizer->before_count = before_count;
    tokenizer->after_count = after_count;
    return FERRY_OK;
}
