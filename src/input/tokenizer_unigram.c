/* A tokenizer.json whose model is Unigram into a tokenizer's parts. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/tokenizer_parts.h"

/* How much less than the least likely piece an unknown character scores (kUnkPenalty). */
static const double unknown_penalty = 10.0;

/* ---- model: pieces and their scores ---- */

/*
 * model.vocab is read from the file's text, a piece at a time: as a tree the 250,000 pieces of a
 * large vocabulary would take more memory than the model's activations. The text is valid JSON.
 */
static size_t skip_spaces(ferry_text json, size_t at)
{
    while (at < json.size && strchr(" \t\r\n", json.data[at]) != NULL) at++;
    return at;
}

static size_t skip_string(ferry_text json, size_t at)
{
    for (at++; at < json.size && json.data[at] != '"'; at++) at += json.data[at] == '\\';
    return at + 1;
}

/* Past the value that begins at `at`. */
static size_t skip_value(ferry_text json, size_t at)
{
    size_t depth = 0;
    do {
        char c = json.data[at];
        if (c == '"') {
            at = skip_string(json, at);
            continue;
        }
        if (c == '[' || c == '{') depth++;
        if (c == ']' || c == '}') depth--;
        at++;
        if (depth > 0 || c == ']' || c == '}') continue;
        while (at < json.size && strchr(",]} \t\r\n", json.data[at]) == NULL) at++;
    } while (depth > 0 && at < json.size);
    return at;
}

/* Where the value of a key begins in the object that begins at `at`; json.size if it has none. */
static size_t find_value(ferry_text json, size_t at, const char *key)
{
    size_t length = strlen(key);
    if (at >= json.size || json.data[at] != '{') return json.size;
    at = skip_spaces(json, at + 1);
    while (at < json.size && json.data[at] == '"') {
        size_t start = at + 1, stop = skip_string(json, at);
        at = skip_spaces(json, skip_spaces(json, stop) + 1); /* past the colon */
        if (stop - 1 - start == length && memcmp(json.data + start, key, length) == 0) return at;
        at = skip_spaces(json, skip_value(json, at));
        if (at < json.size && json.data[at] == ',') at = skip_spaces(json, at + 1);
    }
    return json.size;
}

bool ferry_tokenizer_find_list(const ferry_file *file, ferry_text *out)
{
    ferry_text json = {file->data, file->size};
    size_t model = find_value(json, skip_spaces(json, 0), "model");
    size_t start = find_value(json, model, "vocab");
    if (start >= json.size || json.data[start] != '[') return false;
    *out = (ferry_text){json.data + start, skip_value(json, start) - start};
    return true;
}

/* The next piece of the list, its text and parsed; *at is 0 before the first. *item is NULL at the
 * end. */
static ferry_status next_piece(ferry_text list, size_t *at, ferry_text *text, cJSON **item,
                               ferry_error *error)
{
    *item = NULL;
    size_t start = skip_spaces(list, *at + (*at == 0));
    if (list.data[start] == ',') start = skip_spaces(list, start + 1);
    if (list.data[start] == ']') return FERRY_OK;
    *at = skip_value(list, start);
    *text = (ferry_text){list.data + start, *at - start};
    *item = cJSON_ParseWithLength(text->data, text->size);
    return *item != NULL ? FERRY_OK : ferry_fail_memory(error, "the vocabulary");
}

static size_t count_pieces(ferry_text list)
{
    size_t count = 0, at = skip_spaces(list, 1);
    for (; list.data[at] != ']'; count++) {
        at = skip_spaces(list, skip_value(list, at));
        if (list.data[at] == ',') at = skip_spaces(list, at + 1);
    }
    return count;
}

/* What a piece is called: as it stands in the file where that has no escapes, as most. */
static const char *name_piece(ferry_text text, const char *name, size_t size, ferry_arena *copies)
{
    const char *there = (const char *)memchr(text.data, '"', text.size) + 1;
    if (memcmp(there, name, size) == 0 && there[size] == '"') return there;
    return ferry_arena_text(copies, name, size);
}

/* ["▁the", -3.9]; an id is a piece's place. */
static ferry_status read_piece(ferry_tokenizer *tokenizer, const ferry_file *json, ferry_text text,
                               const cJSON *item, size_t place, ferry_arena *copies,
                               ferry_trie_entry *entry, double *score_out, ferry_error *error)
{
    const cJSON *piece = cJSON_IsArray(item) ? item->child : NULL;
    const cJSON *score = piece != NULL ? piece->next : NULL;
    if (!cJSON_IsString(piece) || !cJSON_IsNumber(score) || score->next != NULL ||
        !(score->valuedouble > -1e30 && score->valuedouble < 1e30) ||
        !ferry_tokenizer_take_id(tokenizer, (double)place, &entry->value))
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.vocab has at %zu no [piece, score]",
                          json->name, place);
    *score_out = score->valuedouble;
    entry->size = (uint32_t)strlen(piece->valuestring);
    entry->key = name_piece(text, piece->valuestring, entry->size, copies);
    return entry->key != NULL ? FERRY_OK : ferry_fail_memory(error, "the vocabulary");
}

static ferry_status read_pieces(ferry_tokenizer *tokenizer, const ferry_file *json, ferry_text list,
                                ferry_arena *copies, ferry_trie_entry *entries, double *scores,
                                ferry_error *error)
{
    size_t count = 0, place = 0, at = 0;
    ferry_text text;
    double least = 0;
    for (cJSON *item;; place++) {
        FERRY_TRY(next_piece(list, &at, &text, &item, error));
        if (item == NULL) break;
        ferry_status status = read_piece(tokenizer, json, text, item, place, copies,
                                         &entries[count], &scores[place], error);
        cJSON_Delete(item);
        FERRY_TRY(status);
        if (place == 0 || scores[place] < least) least = scores[place];
        count += entries[count].size > 0;
    }
    tokenizer->unigram.unknown_score = least - unknown_penalty;
    return ferry_tokenizer_set_pieces(tokenizer, entries, count, true, json->name, error);
}

static ferry_status read_model(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *part, ferry_text list, ferry_error *error)
{
    bool byte_fallback = false;
    FERRY_TRY(ferry_json_bool(part, "byte_fallback", json->name, &byte_fallback, error));
    if (byte_fallback)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: model.byte_fallback is not supported",
                          json->name);
    size_t count = list.size > 0 ? count_pieces(list) : 0, unknown;
    if (count == 0)
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.vocab is not a list of pieces",
                          json->name);
    double *scores = ferry_arena_array(&tokenizer->arena, count, sizeof *scores);
    ferry_trie_entry *entries = ferry_allocate(&tokenizer->allocator, count, sizeof *entries);
    ferry_arena copies; /* of pieces' texts */
    ferry_arena_init(&copies, tokenizer->allocator);
    ferry_status status = scores != NULL && entries != NULL
                              ? read_pieces(tokenizer, json, list, &copies, entries, scores, error)
                              : ferry_fail_memory(error, "the vocabulary");
    ferry_arena_free(&copies);
    ferry_release(&tokenizer->allocator, entries, count * sizeof *entries);
    FERRY_TRY(status);
    FERRY_TRY(ferry_json_size_required(part, "unk_id", json->name, SIZE_MAX, &unknown, error));
    if (unknown >= count)
        return ferry_fail(error, FERRY_MALFORMED, "%s: unk_id %zu, but model.vocab has %zu pieces",
                          json->name, unknown, count);
    tokenizer->unigram.scores = scores;
    tokenizer->unigram.unknown = (int32_t)unknown;
    return FERRY_OK;
}

/* ---- normalizer ---- */

static ferry_status read_map(ferry_tokenizer *tokenizer, const ferry_file *json, const cJSON *part,
                             ferry_error *error)
{
    const char *text = NULL;
    FERRY_TRY(ferry_json_string(part, "precompiled_charsmap", json->name, &text, error));
    if (text == NULL || text[0] == '\0') return FERRY_OK; /* nothing is mapped */
    return ferry_charsmap_read(text, strlen(text), json->name, &tokenizer->arena,
                               &tokenizer->unigram.map, error);
}

/* {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " " or U+2581} */
static bool folds_spaces(const cJSON *part)
{
    const cJSON *pattern = ferry_json_get(part, "pattern"), *content;
    const cJSON *regex = cJSON_IsObject(pattern) ? ferry_json_get(pattern, "Regex") : NULL;
    content = ferry_json_get(part, "content");
    return ferry_tokenizer_is_type(part, "Replace") && cJSON_IsString(regex) &&
           strcmp(regex->valuestring, " {2,}") == 0 && cJSON_IsString(content) &&
           (strcmp(content->valuestring, " ") == 0 ||
            strcmp(content->valuestring, "\xE2\x96\x81") == 0);
}

static bool strips_right(const cJSON *part)
{
    return ferry_tokenizer_is_type(part, "Strip") &&
           cJSON_IsTrue(ferry_json_get(part, "strip_right")) &&
           !cJSON_IsTrue(ferry_json_get(part, "strip_left"));
}

/* Precompiled, alone or in a Sequence, behind what a ferry_text_normalizer does, and before no more
 * than SentencePiece does anyway: spaces at the end go, several are one. *tidies: it says so. */
static ferry_status read_normalizer(ferry_tokenizer *tokenizer, const ferry_file *json,
                                    const cJSON *part, bool *tidies, ferry_error *error)
{
    *tidies = false;
    if (ferry_tokenizer_is_type(part, "Precompiled")) return read_map(tokenizer, json, part, error);
    if (!ferry_tokenizer_is_type(part, "Sequence"))
        return ferry_tokenizer_refuse(json, "normalizer", part, error);
    ferry_text_normalizer *before = &tokenizer->text_normalizer;
    const cJSON *step;
    bool folds = false, strips = false, begun = false; /* with what is not before's */
    cJSON_ArrayForEach(step, ferry_json_get(part, "normalizers"))
    {
        if (!begun && ferry_tokenizer_read_text_step(step, before)) continue;
        if (!begun && ferry_tokenizer_is_type(step, "Precompiled"))
            FERRY_TRY(read_map(tokenizer, json, step, error));
        else if (folds_spaces(step))
            folds = true;
        else if (strips_right(step))
            strips = true;
        else
            return ferry_tokenizer_refuse(json, "normalizer", step, error);
        begun = true;
    }
    *tidies = (folds || before->folds_spaces) && (strips || before->strips);
    return FERRY_OK;
}

/* ---- pre_tokenizer ---- */

static ferry_status check_metaspace(const ferry_file *json, const cJSON *part, ferry_error *error)
{
    const char *replacement = "\xE2\x96\x81", *scheme = NULL;
    bool split = true, prefix = true;
    if (!ferry_tokenizer_is_type(part, "Metaspace"))
        return ferry_tokenizer_refuse(json, "pre_tokenizer", part, error);
    FERRY_TRY(ferry_json_string(part, "replacement", json->name, &replacement, error));
    FERRY_TRY(ferry_json_string(part, "prepend_scheme", json->name, &scheme, error));
    FERRY_TRY(ferry_json_bool(part, "split", json->name, &split, error));
    FERRY_TRY(ferry_json_bool(part, "add_prefix_space", json->name, &prefix, error));
    bool always = scheme != NULL ? strcmp(scheme, "always") == 0 : prefix;
    if (strcmp(replacement, "\xE2\x96\x81") == 0 && always && split) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: pre_tokenizer Metaspace with replacement \"%.20s\", prepend_scheme "
                      "\"%.20s\", split %s; known: \"\xE2\x96\x81\", \"always\", true",
                      json->name, replacement,
                      scheme != NULL ? scheme
                      : prefix       ? "always"
                                     : "never",
                      split ? "true" : "false");
}

/* Metaspace, alone where the normalizer has folded the spaces, or behind WhitespaceSplit. */
static ferry_status read_splitter(ferry_tokenizer *tokenizer, const ferry_file *json,
                                  const cJSON *part, bool tidies, ferry_error *error)
{
    const cJSON *list =
        ferry_tokenizer_is_type(part, "Sequence") ? ferry_json_get(part, "pretokenizers") : NULL;
    const cJSON *first = cJSON_IsArray(list) ? list->child : NULL;
    if (first != NULL && ferry_tokenizer_is_type(first, "WhitespaceSplit")) {
        tokenizer->unigram.splits_any_space = true;
        if (first->next != NULL && first->next->next != NULL)
            return ferry_tokenizer_refuse(json, "pre_tokenizer", first->next->next, error);
        return check_metaspace(json, first->next, error);
    }
    FERRY_TRY(check_metaspace(json, part, error));
    if (tidies) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: pre_tokenizer Metaspace without WhitespaceSplit needs a normalizer that "
                      "strips the right and folds \" {2,}\"",
                      json->name);
}

ferry_status ferry_tokenizer_read_unigram(ferry_tokenizer *tokenizer, const ferry_file *json,
                                          const cJSON *root, ferry_text vocab, ferry_error *error)
{
    bool tidies;
    tokenizer->kind = FERRY_TOKENIZER_UNIGRAM;
    FERRY_TRY(read_normalizer(tokenizer, json, ferry_json_get(root, "normalizer"), &tidies, error));
    FERRY_TRY(read_splitter(tokenizer, json, ferry_json_get(root, "pre_tokenizer"), tidies, error));
    return read_model(tokenizer, json, ferry_json_get(root, "model"), vocab, error);
}
