/* vocab.txt and tokenizer_config.json into a tokenizer's parts, as transformers' BertTokenizer. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "input/tokenizer_parts.h"

/* The special tokens: key in tokenizer_config.json, what it is where the key is missing. */
enum { UNKNOWN, CLASSIFY, SEPARATE, PAD, MASK, SPECIAL_COUNT };
static const struct {
    const char *key, *usual;
} specials[SPECIAL_COUNT] = {[UNKNOWN] = {"unk_token", "[UNK]"},
                             [CLASSIFY] = {"cls_token", "[CLS]"},
                             [SEPARATE] = {"sep_token", "[SEP]"},
                             [PAD] = {"pad_token", "[PAD]"},
                             [MASK] = {"mask_token", "[MASK]"}};

/* ---- vocab.txt: a token a line, its id the line's number from 0 ---- */

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    return size > 0 && text[size - 1] != '\n' ? lines + 1 : lines;
}

static size_t split_lines(const char *text, size_t size, ferry_trie_entry *entries)
{
    size_t count = 0;
    int32_t line = 0;
    for (size_t start = 0; start < size; line++) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t stop = end != NULL ? (size_t)(end - text) : size, length = stop - start;
        if (length > 0 && text[stop - 1] == '\r') length--;
        if (length > 0) entries[count++] = (ferry_trie_entry){text + start, (uint32_t)length, line};
        start = stop + 1;
    }
    return count;
}

static ferry_status read_pieces(ferry_tokenizer *tokenizer, const ferry_file *vocab,
                                ferry_error *error)
{
    const char *text = vocab->data;
    size_t lines = count_lines(text, vocab->size);
    if (vocab->size > FERRY_JSON_MAX_SIZE)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu bytes, the limit is %d", vocab->name,
                          vocab->size, FERRY_JSON_MAX_SIZE);
    if (lines == 0) return ferry_fail(error, FERRY_MALFORMED, "%s: empty", vocab->name);
    if (!ferry_utf8_is_valid(text, vocab->size) || memchr(text, '\0', vocab->size) != NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: not UTF-8 text", vocab->name);
    ferry_trie_entry *entries = ferry_allocate(&tokenizer->allocator, lines, sizeof *entries);
    if (entries == NULL) return ferry_fail_memory(error, "the vocabulary");
    tokenizer->vocab_size = lines;
    /* Of a token that is there twice the originals keep the last. */
    ferry_status status = ferry_tokenizer_set_pieces(
        tokenizer, entries, split_lines(text, vocab->size, entries), true, vocab->name, error);
    ferry_release(&tokenizer->allocator, entries, lines * sizeof *entries);
    if (status == FERRY_OK) ferry_tokenizer_set_wordpiece(tokenizer, "##");
    return status;
}

/* ---- tokenizer_config.json ---- */

static ferry_status check_class(const cJSON *root, const ferry_file *config, ferry_error *error)
{
    static const char *const known[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer",
                                        "MobileBertTokenizer"};
    const char *name = NULL;
    FERRY_TRY(ferry_json_string(root, "tokenizer_class", config->name, &name, error));
    if (name == NULL) return FERRY_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i]);
        if (strncmp(name, known[i], length) != 0) continue;
        if (name[length] == '\0' || strcmp(name + length, "Fast") == 0) return FERRY_OK;
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: tokenizer_class \"%.100s\" is not supported without tokenizer.json",
                      config->name, name);
}

static ferry_status read_flags(ferry_bert_normalizer *out, const cJSON *root, const char *name,
                               ferry_error *error)
{
    out->clean_text = out->handle_chinese_chars = out->lowercase = true;
    FERRY_TRY(ferry_json_bool(root, "do_lower_case", name, &out->lowercase, error));
    FERRY_TRY(
        ferry_json_bool(root, "tokenize_chinese_chars", name, &out->handle_chinese_chars, error));
    out->strip_accents = out->lowercase; /* what null means */
    return ferry_json_bool(root, "strip_accents", name, &out->strip_accents, error);
}

static bool parse_id(const char *digits, double *out)
{
    *out = 0;
    for (const char *c = digits; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || c - digits > 9) return false;
        *out = *out * 10 + (*c - '0');
    }
    return *digits != '\0';
}

/* {"0": {"content": "[PAD]", …}, …} */
static ferry_status read_decoder(ferry_tokenizer *tokenizer, const cJSON *decoder,
                                 const ferry_file *config, ferry_added_token *tokens, size_t *count,
                                 ferry_error *error)
{
    const cJSON *object;
    cJSON_ArrayForEach(object, decoder)
    {
        ferry_added_token *token = &tokens[*count];
        double id;
        FERRY_TRY(ferry_tokenizer_read_added(object, config->name, token, error));
        if (object->string == NULL || !parse_id(object->string, &id) ||
            !ferry_tokenizer_take_id(tokenizer, id, &token->id))
            return ferry_fail(error, FERRY_MALFORMED, "%s: added token \"%.100s\" has no valid id",
                              config->name, token->content);
        (*count)++;
    }
    return FERRY_OK;
}

static bool is_listed(const ferry_added_token *tokens, size_t count, const char *content)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tokens[i].content, content) == 0) return true;
    return false;
}

/* The token of a key: a string, or an object with content. */
static ferry_status read_special(ferry_tokenizer *tokenizer, const cJSON *root, const char *name,
                                 size_t which, ferry_added_token *out, ferry_error *error)
{
    const cJSON *field = ferry_json_get(root, specials[which].key);
    const char *content = specials[which].usual;
    if (cJSON_IsObject(field)) {
        FERRY_TRY(ferry_tokenizer_read_added(field, name, out, error));
        content = out->content;
    } else {
        FERRY_TRY(ferry_json_string(root, specials[which].key, name, &content, error));
        *out = (ferry_added_token){.content = content, .size = (uint32_t)strlen(content)};
    }
    out->normalized = false;
    out->id = ferry_tokenizer_piece(tokenizer, (ferry_text){content, strlen(content)});
    if (out->id < 0 && which <= SEPARATE)
        return ferry_fail(error, FERRY_MALFORMED, "%s: %s \"%.100s\" is not in the vocabulary",
                          name, specials[which].key, content);
    return FERRY_OK;
}

static ferry_status read_tokens(ferry_tokenizer *tokenizer, const cJSON *root,
                                const ferry_file *config, const char *name,
                                ferry_added_token *tokens, ferry_error *error)
{
    size_t count = 0;
    const cJSON *decoder = ferry_json_get(root, "added_tokens_decoder");
    if (decoder != NULL) FERRY_TRY(read_decoder(tokenizer, decoder, config, tokens, &count, error));
    ferry_added_token made[SPECIAL_COUNT];
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        FERRY_TRY(read_special(tokenizer, root, name, i, &made[i], error));
        if (made[i].id >= 0 && !is_listed(tokens, count, made[i].content))
            tokens[count++] = made[i];
    }
    tokenizer->model.unknown = made[UNKNOWN].id;
    FERRY_TRY(
        ferry_tokenizer_set_frame(tokenizer, &made[CLASSIFY].id, 1, &made[SEPARATE].id, 1, error));
    return ferry_tokenizer_set_added(tokenizer, tokens, count, name, error);
}

static ferry_status read_config(ferry_tokenizer *tokenizer, const cJSON *root,
                                const ferry_file *vocab, const ferry_file *config,
                                ferry_error *error)
{
    const char *name = config != NULL ? config->name : vocab->name;
    if (root != NULL && !cJSON_IsObject(root))
        return ferry_fail(error, FERRY_MALFORMED, "%s: not a JSON object", name);
    if (root != NULL) FERRY_TRY(check_class(root, config, error));
    FERRY_TRY(read_flags(&tokenizer->normalizer, root, name, error));
    const cJSON *decoder = ferry_json_get(root, "added_tokens_decoder");
    size_t listed = decoder != NULL ? (size_t)cJSON_GetArraySize(decoder) : 0;
    size_t capacity = listed + SPECIAL_COUNT;
    ferry_added_token *tokens = ferry_allocate(&tokenizer->allocator, capacity, sizeof *tokens);
    if (tokens == NULL) return ferry_fail_memory(error, "the added tokens");
    ferry_status status = read_tokens(tokenizer, root, config, name, tokens, error);
    ferry_release(&tokenizer->allocator, tokens, capacity * sizeof *tokens);
    return status;
}

ferry_status ferry_tokenizer_read_vocab(ferry_tokenizer *tokenizer, const ferry_file *vocab,
                                        const ferry_file *config, ferry_error *error)
{
    tokenizer->model.max_chars = 100;
    FERRY_TRY(read_pieces(tokenizer, vocab, error));
    cJSON *root = NULL;
    if (config != NULL)
        FERRY_TRY(ferry_json_parse(config->data, config->size, config->name, &root, error));
    ferry_status status = read_config(tokenizer, root, vocab, config, error);
    cJSON_Delete(root);
    return status;
}
