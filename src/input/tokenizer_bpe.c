/* A tokenizer.json whose model is byte-level BPE into a tokenizer's parts. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "input/tokenizer_parts.h"

enum { MAX_SUFFIX = 64 };

/* ---- model ---- */

/* What stands for a byte in the vocabulary: itself where it can be seen, else one of the letters
 * from U+0100 on, as GPT-2 chose them. */
static uint32_t letter_of(unsigned byte)
{
    unsigned before = byte < 0x21 ? byte : byte < 0xA1 ? 0x21 + byte - 0x7F : 0x21 + 0x22;
    bool seen = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    return seen ? byte : 0x100 + before;
}

/* Ids of the bytes inside a word, or with the suffix at its end. */
static void find_bytes(const ferry_tokenizer *tokenizer, const char *suffix, int32_t ids[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[4 + MAX_SUFFIX];
        size_t size = ferry_utf8_put(letter_of(byte), text), length = strlen(suffix);
        memcpy(text + size, suffix, length);
        ids[byte] = ferry_tokenizer_piece(tokenizer, (ferry_text){text, size + length});
    }
}

static ferry_status check_switches(const cJSON *part, const ferry_file *json, ferry_error *error)
{
    static const char *const unknown[] = {"byte_fallback", "ignore_merges"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        bool set = false;
        FERRY_TRY(ferry_json_bool(part, unknown[i], json->name, &set, error));
        if (set)
            return ferry_fail(error, FERRY_UNSUPPORTED, "%s: model.%s is not supported", json->name,
                              unknown[i]);
    }
    double dropout = 0;
    const char *prefix = "";
    FERRY_TRY(ferry_json_number(part, "dropout", json->name, &dropout, error));
    FERRY_TRY(ferry_json_string(part, "continuing_subword_prefix", json->name, &prefix, error));
    if (dropout != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: model.dropout %g is not supported",
                          json->name, dropout);
    if (prefix[0] != '\0')
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: model.continuing_subword_prefix \"%.100s\" is not supported",
                          json->name, prefix);
    return FERRY_OK;
}

/* "a b", or ["a", "b"] */
static bool split_merge(const cJSON *item, ferry_text *left, ferry_text *right)
{
    if (cJSON_IsArray(item)) {
        const cJSON *first = item->child, *second = first != NULL ? first->next : NULL;
        if (!cJSON_IsString(first) || !cJSON_IsString(second) || second->next != NULL) return false;
        *left = (ferry_text){first->valuestring, strlen(first->valuestring)};
        *right = (ferry_text){second->valuestring, strlen(second->valuestring)};
        return true;
    }
    const char *space = cJSON_IsString(item) ? strchr(item->valuestring, ' ') : NULL;
    if (space == NULL || strchr(space + 1, ' ') != NULL) return false;
    *left = (ferry_text){item->valuestring, (size_t)(space - item->valuestring)};
    *right = (ferry_text){space + 1, strlen(space + 1)};
    return true;
}

static ferry_status read_merge(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *item, int32_t rank, ferry_buffer *both,
                               ferry_error *error)
{
    ferry_text left, right;
    if (!split_merge(item, &left, &right))
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.merges has at %d no two tokens",
                          json->name, (int)rank);
    both->size = 0;
    if (!ferry_buffer_append(both, left.data, left.size) ||
        !ferry_buffer_append(both, right.data, right.size))
        return ferry_fail_memory(error, "the merges");
    ferry_bpe_merge merge = {
        .left = ferry_tokenizer_piece(tokenizer, left),
        .right = ferry_tokenizer_piece(tokenizer, right),
        .rank = rank,
        .id = ferry_tokenizer_piece(tokenizer, (ferry_text){both->data, both->size})};
    if (merge.left < 0 || merge.right < 0 || merge.id < 0)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: merge %d, \"%.*s\" and \"%.*s\", is not in the vocabulary, alone or "
                          "together",
                          json->name, (int)rank, (int)(left.size < 60 ? left.size : 60), left.data,
                          (int)(right.size < 60 ? right.size : 60), right.data);
    ferry_bpe_add(&tokenizer->bpe, merge);
    return FERRY_OK;
}

static ferry_status read_merges(ferry_tokenizer *tokenizer, const ferry_file *json,
                                const cJSON *part, ferry_error *error)
{
    const cJSON *list = ferry_json_get(part, "merges"), *item;
    if (!cJSON_IsArray(list))
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.merges is not a list", json->name);
    FERRY_TRY(ferry_bpe_reserve(&tokenizer->bpe, (size_t)cJSON_GetArraySize(list),
                                &tokenizer->arena, error));
    ferry_buffer both;
    ferry_buffer_init(&both, tokenizer->allocator);
    ferry_status status = FERRY_OK;
    int32_t rank = 0;
    cJSON_ArrayForEach(item, list)
    {
        status = read_merge(tokenizer, json, item, rank++, &both, error);
        if (status != FERRY_OK) break;
    }
    ferry_buffer_free(&both);
    return status;
}

static ferry_status read_model(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *part, ferry_error *error)
{
    ferry_bpe *bpe = &tokenizer->bpe;
    const char *unknown = NULL, *suffix = "";
    FERRY_TRY(check_switches(part, json, error));
    FERRY_TRY(ferry_json_string(part, "unk_token", json->name, &unknown, error));
    FERRY_TRY(ferry_json_string(part, "end_of_word_suffix", json->name, &suffix, error));
    FERRY_TRY(ferry_json_bool(part, "fuse_unk", json->name, &bpe->fuse_unknown, error));
    if (strlen(suffix) > MAX_SUFFIX)
        return ferry_fail(error, FERRY_LIMIT,
                          "%s: model.end_of_word_suffix of %zu bytes, the limit is %d", json->name,
                          strlen(suffix), MAX_SUFFIX);
    FERRY_TRY(ferry_tokenizer_read_pieces(tokenizer, json, part, error));
    find_bytes(tokenizer, "", bpe->inner);
    find_bytes(tokenizer, suffix, bpe->last);
    bpe->unknown = -1;
    if (unknown != NULL) {
        bpe->unknown = ferry_tokenizer_piece(tokenizer, (ferry_text){unknown, strlen(unknown)});
        if (bpe->unknown < 0)
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: unk_token \"%.100s\" is not in the vocabulary", json->name,
                              unknown);
    }
    return read_merges(tokenizer, json, part, error);
}

/* ---- pre_tokenizer ---- */

#define CLIP_PATTERN "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

/* {"type": "Split", "pattern": {"Regex": …}, "behavior": "Removed", "invert": true} */
static ferry_status read_split(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *part, ferry_error *error)
{
    static const struct {
        const char *regex;
        ferry_byte_split split;
    } known[] = {
        {CLIP_PATTERN, FERRY_BYTE_SPLIT_CLIP},
        {"<\\|startoftext\\|>|<\\|endoftext\\|>|" CLIP_PATTERN, FERRY_BYTE_SPLIT_CLIP_SPECIAL}};
    const cJSON *pattern = ferry_json_get(part, "pattern");
    const char *regex = NULL, *behavior = "";
    bool invert = false;
    if (cJSON_IsObject(pattern))
        FERRY_TRY(ferry_json_string(pattern, "Regex", json->name, &regex, error));
    FERRY_TRY(ferry_json_string(part, "behavior", json->name, &behavior, error));
    FERRY_TRY(ferry_json_bool(part, "invert", json->name, &invert, error));
    for (size_t i = 0; regex != NULL && i < sizeof known / sizeof *known; i++) {
        if (strcmp(regex, known[i].regex) != 0) continue;
        if (strcmp(behavior, "Removed") != 0 || !invert) break;
        tokenizer->split = known[i].split;
        return FERRY_OK;
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: pre_tokenizer Split with pattern \"%.100s\", behavior \"%.20s\", invert "
                      "%s; known: CLIP's, \"Removed\", true",
                      json->name, regex != NULL ? regex : "none", behavior,
                      invert ? "true" : "false");
}

static ferry_status read_byte_level(ferry_tokenizer *tokenizer, const ferry_file *json,
                                    const cJSON *part, ferry_error *error)
{
    bool regex = true;
    tokenizer->prefix_space = true;
    if (!ferry_tokenizer_is_type(part, "ByteLevel"))
        return ferry_tokenizer_refuse(json, "pre_tokenizer", part, error);
    FERRY_TRY(ferry_json_bool(part, "use_regex", json->name, &regex, error));
    if (regex) tokenizer->word_split = FERRY_BYTE_SPLIT_GPT2;
    return ferry_json_bool(part, "add_prefix_space", json->name, &tokenizer->prefix_space, error);
}

/* ByteLevel, alone or behind a Split. */
static ferry_status read_splitter(ferry_tokenizer *tokenizer, const ferry_file *json,
                                  const cJSON *part, ferry_error *error)
{
    if (!ferry_tokenizer_is_type(part, "Sequence"))
        return read_byte_level(tokenizer, json, part, error);
    const cJSON *list = ferry_json_get(part, "pretokenizers");
    const cJSON *step = cJSON_IsArray(list) ? list->child : NULL;
    if (ferry_tokenizer_is_type(step, "Split")) {
        FERRY_TRY(read_split(tokenizer, json, step, error));
        step = step->next;
    }
    FERRY_TRY(read_byte_level(tokenizer, json, step, error));
    return step->next == NULL ? FERRY_OK
                              : ferry_tokenizer_refuse(json, "pre_tokenizer", step->next, error);
}

ferry_status ferry_tokenizer_read_bpe(ferry_tokenizer *tokenizer, const ferry_file *json,
                                      const cJSON *root, ferry_error *error)
{
    tokenizer->kind = FERRY_TOKENIZER_BPE;
    FERRY_TRY(ferry_tokenizer_read_text_normalizer(tokenizer, json,
                                                   ferry_json_get(root, "normalizer"), error));
    FERRY_TRY(read_splitter(tokenizer, json, ferry_json_get(root, "pre_tokenizer"), error));
    return read_model(tokenizer, json, ferry_json_get(root, "model"), error);
}
