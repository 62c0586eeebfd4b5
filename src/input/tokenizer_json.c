/* tokenizer.json into a tokenizer's parts. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_check.h"
#include "input/tokenizer_parts.h"

enum { MAX_SPECIAL = 64 }; /* tokens that a template puts on one side */

/* ---- JSON: normalizer, added tokens ---- */

static ferry_status read_normalizer(ferry_tokenizer *tokenizer, const ferry_file *json,
                                    const cJSON *root, ferry_error *error)
{
    ferry_bert_normalizer *out = &tokenizer->normalizer;
    const cJSON *part = ferry_json_get(root, "normalizer");
    if (part == NULL) return FERRY_OK; /* text as it is */
    if (!ferry_tokenizer_is_type(part, "BertNormalizer"))
        return ferry_tokenizer_refuse(json, "normalizer", part, error);
    out->clean_text = out->handle_chinese_chars = out->lowercase = true;
    FERRY_TRY(ferry_json_bool(part, "clean_text", json->name, &out->clean_text, error));
    FERRY_TRY(ferry_json_bool(part, "handle_chinese_chars", json->name, &out->handle_chinese_chars,
                              error));
    FERRY_TRY(ferry_json_bool(part, "lowercase", json->name, &out->lowercase, error));
    out->strip_accents = out->lowercase; /* what null means */
    return ferry_json_bool(part, "strip_accents", json->name, &out->strip_accents, error);
}

static ferry_status read_added(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *list, ferry_added_token *tokens, ferry_error *error)
{
    size_t count = 0;
    const cJSON *object;
    cJSON_ArrayForEach(object, list)
    {
        ferry_added_token *token = &tokens[count++];
        FERRY_TRY(ferry_tokenizer_read_added(object, json->name, token, error));
        const cJSON *id = ferry_json_get(object, "id");
        if (!cJSON_IsNumber(id) || !ferry_tokenizer_take_id(tokenizer, id->valuedouble, &token->id))
            return ferry_fail(error, FERRY_MALFORMED, "%s: added token \"%.100s\" has no valid id",
                              json->name, token->content);
    }
    return ferry_tokenizer_set_added(tokenizer, tokens, count, json->name, error);
}

static ferry_status read_added_tokens(ferry_tokenizer *tokenizer, const ferry_file *json,
                                      const cJSON *root, ferry_error *error)
{
    const cJSON *list = ferry_json_get(root, "added_tokens");
    if (list == NULL) return FERRY_OK;
    if (!cJSON_IsArray(list))
        return ferry_fail(error, FERRY_MALFORMED, "%s: added_tokens is not a list", json->name);
    size_t count = (size_t)cJSON_GetArraySize(list);
    if (count == 0) return FERRY_OK;
    ferry_added_token *tokens = ferry_allocate(&tokenizer->allocator, count, sizeof *tokens);
    if (tokens == NULL) return ferry_fail_memory(error, "the added tokens");
    ferry_status status = read_added(tokenizer, json, list, tokens, error);
    ferry_release(&tokenizer->allocator, tokens, count * sizeof *tokens);
    return status;
}

/* ---- JSON: the model ---- */

static ferry_status read_vocab(ferry_tokenizer *tokenizer, const ferry_file *json,
                               const cJSON *vocab, ferry_trie_entry *entries, ferry_error *error)
{
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        int32_t id;
        if (!cJSON_IsNumber(item) || !ferry_tokenizer_take_id(tokenizer, item->valuedouble, &id))
            return ferry_fail(error, FERRY_MALFORMED, "%s: token \"%.100s\" has no valid id",
                              json->name, item->string);
        uint32_t size = (uint32_t)strlen(item->string);
        if (size > 0) entries[count++] = (ferry_trie_entry){item->string, size, id};
    }
    return ferry_tokenizer_set_pieces(tokenizer, entries, count, false, json->name, error);
}

ferry_status ferry_tokenizer_read_pieces(ferry_tokenizer *tokenizer, const ferry_file *json,
                                         const cJSON *model, ferry_error *error)
{
    const cJSON *vocab = ferry_json_get(model, "vocab");
    if (!cJSON_IsObject(vocab))
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.vocab is not an object", json->name);
    size_t count = (size_t)cJSON_GetArraySize(vocab);
    if (count == 0)
        return ferry_fail(error, FERRY_MALFORMED, "%s: model.vocab is empty", json->name);
    ferry_trie_entry *entries = ferry_allocate(&tokenizer->allocator, count, sizeof *entries);
    if (entries == NULL) return ferry_fail_memory(error, "the vocabulary");
    ferry_status status = read_vocab(tokenizer, json, vocab, entries, error);
    ferry_release(&tokenizer->allocator, entries, count * sizeof *entries);
    return status;
}

static ferry_status read_wordpiece(ferry_tokenizer *tokenizer, const ferry_file *json,
                                   const cJSON *part, ferry_error *error)
{
    const char *unknown = "[UNK]", *prefix = "##";
    tokenizer->model.max_chars = 100;
    FERRY_TRY(ferry_json_string(part, "unk_token", json->name, &unknown, error));
    FERRY_TRY(ferry_json_string(part, "continuing_subword_prefix", json->name, &prefix, error));
    FERRY_TRY(ferry_json_size(part, "max_input_chars_per_word", json->name,
                              FERRY_TOKENIZER_MAX_WORD, &tokenizer->model.max_chars, error));
    FERRY_TRY(ferry_tokenizer_read_pieces(tokenizer, json, part, error));
    ferry_tokenizer_set_wordpiece(tokenizer, prefix);
    tokenizer->model.unknown =
        ferry_tokenizer_piece(tokenizer, (ferry_text){unknown, strlen(unknown)});
    if (tokenizer->model.unknown < 0)
        return ferry_fail(error, FERRY_MALFORMED, "%s: unk_token \"%.100s\" is not in model.vocab",
                          json->name, unknown);
    return FERRY_OK;
}

/* ---- JSON: special tokens around the text ---- */

typedef struct frame {
    int32_t before[MAX_SPECIAL], after[MAX_SPECIAL];
    size_t before_count, after_count;
    bool text_seen;
} frame;

static ferry_status add_special(frame *out, ferry_tokenizer *tokenizer, const ferry_file *json,
                                const cJSON *id, ferry_error *error)
{
    size_t *count = out->text_seen ? &out->after_count : &out->before_count;
    if (*count == MAX_SPECIAL)
        return ferry_fail(error, FERRY_LIMIT, "%s: more than %d special tokens on one side",
                          json->name, MAX_SPECIAL);
    int32_t *place = (out->text_seen ? out->after : out->before) + *count;
    if (!cJSON_IsNumber(id) || !ferry_tokenizer_take_id(tokenizer, id->valuedouble, place))
        return ferry_fail(error, FERRY_MALFORMED, "%s: post_processor has an id that is none",
                          json->name);
    (*count)++;
    return FERRY_OK;
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}} */
static ferry_status read_template_piece(frame *out, ferry_tokenizer *tokenizer,
                                        const ferry_file *json, const cJSON *piece,
                                        const cJSON *specials, ferry_error *error)
{
    const cJSON *special = ferry_json_get(piece, "SpecialToken");
    const cJSON *sequence = ferry_json_get(piece, "Sequence");
    const cJSON *body = special != NULL ? special : sequence;
    const char *id = NULL;
    size_t type = 0;
    if (!cJSON_IsObject(body))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: post_processor.single has a piece that is neither SpecialToken nor "
                          "Sequence",
                          json->name);
    FERRY_TRY(ferry_json_string(body, "id", json->name, &id, error));
    FERRY_TRY(ferry_json_size(body, "type_id", json->name, INT32_MAX, &type, error));
    if (type != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: post_processor.single with type_id %zu is not supported", json->name,
                          type);
    if (special == NULL) {
        if (id == NULL || strcmp(id, "A") != 0 || out->text_seen)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "%s: post_processor.single must hold sequence A once", json->name);
        out->text_seen = true;
        return FERRY_OK;
    }
    const cJSON *named = id != NULL && specials != NULL ? ferry_json_get(specials, id) : NULL;
    const cJSON *ids = named != NULL ? ferry_json_get(named, "ids") : NULL;
    if (!cJSON_IsArray(ids))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: post_processor.special_tokens has no \"%.100s\"", json->name,
                          id != NULL ? id : "");
    const cJSON *number;
    cJSON_ArrayForEach(number, ids) FERRY_TRY(add_special(out, tokenizer, json, number, error));
    return FERRY_OK;
}

static ferry_status read_template(frame *out, ferry_tokenizer *tokenizer, const ferry_file *json,
                                  const cJSON *part, ferry_error *error)
{
    const cJSON *single = ferry_json_get(part, "single");
    const cJSON *specials = ferry_json_get(part, "special_tokens");
    if (!cJSON_IsArray(single))
        return ferry_fail(error, FERRY_MALFORMED, "%s: post_processor.single is not a list",
                          json->name);
    const cJSON *piece;
    cJSON_ArrayForEach(piece, single)
        FERRY_TRY(read_template_piece(out, tokenizer, json, piece, specials, error));
    if (!out->text_seen)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: post_processor.single must hold sequence A once", json->name);
    return FERRY_OK;
}

/* BertProcessing's and RobertaProcessing's {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]} */
static ferry_status read_pair_processing(frame *out, ferry_tokenizer *tokenizer,
                                         const ferry_file *json, const cJSON *part,
                                         ferry_error *error)
{
    static const char *const keys[] = {"cls", "sep"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *pair = ferry_json_get(part, keys[i]);
        const cJSON *id = cJSON_IsArray(pair) ? cJSON_GetArrayItem(pair, 1) : NULL;
        FERRY_TRY(add_special(out, tokenizer, json, id, error));
        out->text_seen = true;
    }
    return FERRY_OK;
}

static ferry_status read_post_processor(ferry_tokenizer *tokenizer, const ferry_file *json,
                                        const cJSON *root, ferry_error *error)
{
    frame made = {.text_seen = false};
    const cJSON *part = ferry_json_get(root, "post_processor");
    if (part == NULL) return FERRY_OK; /* nothing is put around the text */
    if (ferry_tokenizer_is_type(part, "TemplateProcessing"))
        FERRY_TRY(read_template(&made, tokenizer, json, part, error));
    else if (ferry_tokenizer_is_type(part, "BertProcessing") ||
             ferry_tokenizer_is_type(part, "RobertaProcessing"))
        FERRY_TRY(read_pair_processing(&made, tokenizer, json, part, error));
    else if (!ferry_tokenizer_is_type(part, "ByteLevel")) /* which is about offsets */
        return ferry_tokenizer_refuse(json, "post_processor", part, error);
    return ferry_tokenizer_set_frame(tokenizer, made.before, made.before_count, made.after,
                                     made.after_count, error);
}

static ferry_status read_root(ferry_tokenizer *tokenizer, const ferry_file *json, const cJSON *root,
                              ferry_text vocab, ferry_error *error)
{
    if (!cJSON_IsObject(root))
        return ferry_fail(error, FERRY_MALFORMED, "%s: not a JSON object", json->name);
    /* The model first: of two parts that are not supported, it says most about the file. */
    const cJSON *model = ferry_json_get(root, "model");
    const cJSON *splitter = ferry_json_get(root, "pre_tokenizer");
    if (ferry_tokenizer_is_type(model, "Unigram")) {
        FERRY_TRY(ferry_tokenizer_read_unigram(tokenizer, json, root, vocab, error));
    } else if (ferry_tokenizer_is_type(model, "BPE")) {
        FERRY_TRY(ferry_tokenizer_read_bpe(tokenizer, json, root, error));
    } else {
        if (!ferry_tokenizer_is_type(model, "WordPiece"))
            return ferry_tokenizer_refuse(json, "model", model, error);
        FERRY_TRY(read_wordpiece(tokenizer, json, model, error));
        FERRY_TRY(read_normalizer(tokenizer, json, root, error));
        if (!ferry_tokenizer_is_type(splitter, "BertPreTokenizer"))
            return ferry_tokenizer_refuse(json, "pre_tokenizer", splitter, error);
    }
    FERRY_TRY(read_post_processor(tokenizer, json, root, error));
    return read_added_tokens(tokenizer, json, root, error);
}

/* The tree of the file, but for what stands in the list `without`. */
static ferry_status parse_without(const ferry_file *json, ferry_text without,
                                  const ferry_allocator *allocator, cJSON **out, ferry_error *error)
{
    const char *data = json->data, *rest = without.data + without.size;
    ferry_buffer text;
    ferry_buffer_init(&text, *allocator);
    ferry_status status = FERRY_OK;
    if (!ferry_buffer_append(&text, data, (size_t)(without.data - data)) ||
        !ferry_buffer_append(&text, "[]", 2) ||
        (rest < data + json->size &&
         !ferry_buffer_append(&text, rest, (size_t)(data + json->size - rest))))
        status = ferry_fail_memory(error, json->name);
    if (status == FERRY_OK) status = ferry_json_parse(text.data, text.size, json->name, out, error);
    ferry_buffer_free(&text);
    return status;
}

ferry_status ferry_tokenizer_read_json(ferry_tokenizer *tokenizer, const ferry_file *json,
                                       ferry_error *error)
{
    cJSON *root;
    ferry_text vocab = {NULL, 0};
    FERRY_TRY(ferry_json_check(json->data, json->size, json->name, error));
    if (ferry_tokenizer_find_list(json, &vocab))
        FERRY_TRY(parse_without(json, vocab, &tokenizer->allocator, &root, error));
    else
        FERRY_TRY(ferry_json_parse(json->data, json->size, json->name, &root, error));
    ferry_status status = read_root(tokenizer, json, root, vocab, error);
    cJSON_Delete(root);
    if (tokenizer->kind == FERRY_TOKENIZER_BPE) ferry_trie_free(&tokenizer->pieces);
    return status;
}
