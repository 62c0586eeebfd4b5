#include "encode/text_config.h"

#include <stdio.h>

#include "base/error.h"
#include "base/json.h"

/* Larger than any encoder that runs on a person's device; keeps every product within 64 bits. */
enum {
    MAX_LAYERS = 256,
    MAX_WIDTH = 1 << 16,
    MAX_VOCABULARY = 1 << 22,
    MAX_POSITIONS = 1 << 17,
    MAX_MODULE_PATH = 128
};

static ferry_status parse_object(const ferry_file *file, cJSON **out, ferry_error *error)
{
    FERRY_TRY(ferry_json_parse(file->data, file->size, file->name, out, error));
    if (cJSON_IsObject(*out)) return FERRY_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return ferry_fail(error, FERRY_MALFORMED, "%s: expected a JSON object", file->name);
}

/* ---- config.json ---- */

static ferry_status read_activation(const cJSON *json, const char *where, ferry_activation *out,
                                    ferry_error *error)
{
    static const struct {
        const char *name;
        ferry_activation activation;
    } known[] = {{"gelu", FERRY_ACTIVATION_GELU},
                 {"gelu_new", FERRY_ACTIVATION_GELU_TANH},
                 {"gelu_pytorch_tanh", FERRY_ACTIVATION_GELU_TANH},
                 {"relu", FERRY_ACTIVATION_RELU}};
    const char *name = "gelu";
    FERRY_TRY(ferry_json_string(json, "hidden_act", where, &name, error));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].activation;
            return FERRY_OK;
        }
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: hidden_act \"%s\"; known: gelu, gelu_new, gelu_pytorch_tanh, relu",
                      where, name);
}

static ferry_status expect_text(const cJSON *json, const char *key, const char *where,
                                const char *expected, ferry_error *error)
{
    const char *found = expected;
    FERRY_TRY(ferry_json_string(json, key, where, &found, error));
    if (strcmp(found, expected) == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED, "%s: %s \"%s\"; known: %s", where, key, found,
                      expected);
}

static ferry_status read_transformer(const cJSON *json, const char *where, ferry_text_config *out,
                                     ferry_error *error)
{
    if (ferry_json_get(json, "model_type") == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"model_type\" is missing", where);
    FERRY_TRY(expect_text(json, "model_type", where, "bert", error));
    FERRY_TRY(expect_text(json, "position_embedding_type", where, "absolute", error));
    const struct {
        const char *key;
        size_t max;
        size_t *out;
    } sizes[] = {{"num_hidden_layers", MAX_LAYERS, &out->layers},
                 {"hidden_size", MAX_WIDTH, &out->hidden},
                 {"num_attention_heads", MAX_WIDTH, &out->heads},
                 {"intermediate_size", MAX_WIDTH, &out->intermediate},
                 {"vocab_size", MAX_VOCABULARY, &out->vocabulary},
                 {"max_position_embeddings", MAX_POSITIONS, &out->positions},
                 {"type_vocab_size", MAX_WIDTH, &out->token_types}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        FERRY_TRY(
            ferry_json_size_required(json, sizes[i].key, where, sizes[i].max, sizes[i].out, error));
        if (*sizes[i].out == 0)
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is 0", where, sizes[i].key);
    }
    if (out->hidden % out->heads != 0)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: hidden_size %zu is no multiple of num_attention_heads %zu", where,
                          out->hidden, out->heads);
    double eps = 1e-12;
    FERRY_TRY(ferry_json_number(json, "layer_norm_eps", where, &eps, error));
    if (!(eps >= 0.0 && eps < 1.0))
        return ferry_fail(error, FERRY_MALFORMED, "%s: layer_norm_eps %g, expected 0…1", where,
                          eps);
    out->eps = (float)eps;
    return read_activation(json, where, &out->activation, error);
}

/* ---- where a text is cut ---- */

/* sentence-transformers' own limit wins; else the tokenizer's, never more than the positions. */
ferry_status ferry_text_max_tokens_read(ferry_files files, size_t positions, size_t *out,
                                        ferry_error *error)
{
    size_t limit = 0;
    const ferry_file *file = ferry_files_find(files, "sentence_bert_config.json");
    cJSON *json;
    if (file != NULL) {
        bool lower = false;
        FERRY_TRY(parse_object(file, &json, error));
        ferry_status status =
            ferry_json_size(json, "max_seq_length", file->name, SIZE_MAX, &limit, error);
        if (status == FERRY_OK)
            status = ferry_json_bool(json, "do_lower_case", file->name, &lower, error);
        cJSON_Delete(json);
        FERRY_TRY(status);
        if (lower)
            return ferry_fail(
                error, FERRY_UNSUPPORTED,
                "%s: do_lower_case true; only the tokenizer's own lower-casing is known",
                file->name);
        if (limit > positions)
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: max_seq_length %zu, but config.json has %zu positions",
                              file->name, limit, positions);
    }
    file = ferry_files_find(files, "tokenizer_config.json");
    if (limit == 0 && file != NULL) {
        double length = 0; /* "no limit" is written as 1e30 */
        FERRY_TRY(parse_object(file, &json, error));
        ferry_status status =
            ferry_json_number(json, "model_max_length", file->name, &length, error);
        cJSON_Delete(json);
        FERRY_TRY(status);
        if (length >= 1 && length < (double)positions) limit = (size_t)length;
    }
    *out = limit > 0 ? limit : positions;
    if (*out < 2)
        return ferry_fail(error, FERRY_MALFORMED,
                          "texts are cut at %zu tokens, expected room for [CLS] and [SEP]", *out);
    return FERRY_OK;
}

/* ---- modules.json ---- */

static const struct {
    const char *mode; /* as newer files name it */
    const char *flag; /* as older ones switch it on */
    ferry_pooling pooling;
} pooling_modes[] = {
    {"mean", "pooling_mode_mean_tokens", FERRY_POOLING_MEAN},
    {"cls", "pooling_mode_cls_token", FERRY_POOLING_CLS},
    {"max", "pooling_mode_max_tokens", FERRY_POOLING_MAX},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", FERRY_POOLING_MEAN_SQRT_LENGTH}};
enum { POOLING_MODES = sizeof pooling_modes / sizeof *pooling_modes };

static ferry_status read_pooling_mode(const cJSON *json, const char *where, ferry_pooling *out,
                                      ferry_error *error)
{
    const char *mode = NULL;
    bool prompt = true;
    FERRY_TRY(ferry_json_bool(json, "include_prompt", where, &prompt, error));
    if (!prompt)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: include_prompt false; only pooling over the prompt too is known",
                          where);
    FERRY_TRY(ferry_json_string(json, "pooling_mode", where, &mode, error));
    size_t chosen = POOLING_MODES;
    for (const cJSON *field = json->child; mode == NULL && field != NULL; field = field->next) {
        if (strncmp(field->string, "pooling_mode_", 13) != 0 || !cJSON_IsTrue(field)) continue;
        if (chosen != POOLING_MODES)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "%s: more than one pooling mode (\"%s\"); one is known", where,
                              field->string);
        for (chosen = 0; chosen < POOLING_MODES; chosen++) {
            if (strcmp(field->string, pooling_modes[chosen].flag) == 0) break;
        }
        if (chosen == POOLING_MODES) mode = field->string;
    }
    for (size_t i = 0; mode != NULL && i < POOLING_MODES; i++) {
        if (strcmp(mode, pooling_modes[i].mode) == 0) chosen = i;
    }
    if (chosen == POOLING_MODES)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: pooling mode \"%s\"; known: mean, cls, max, mean_sqrt_len_tokens",
                          where, mode != NULL ? mode : "none");
    *out = pooling_modes[chosen].pooling;
    return FERRY_OK;
}

static ferry_status read_pooling(ferry_files files, const char *path, ferry_text_config *out,
                                 ferry_error *error)
{
    char name[MAX_MODULE_PATH + 16];
    snprintf(name, sizeof name, "%s/config.json", path);
    const ferry_file *file = ferry_files_find(files, name);
    if (file == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "%s, which modules.json names, is missing", name);
    cJSON *json;
    FERRY_TRY(parse_object(file, &json, error));
    ferry_status status = read_pooling_mode(json, name, &out->pooling, error);
    cJSON_Delete(json);
    return status;
}

/* Modules run in order; the three of an encoder are Transformer, Pooling, Normalize. Their types
 * are Python paths whose last part is the class: the rest moved between releases. */
static ferry_status read_module(ferry_files files, const cJSON *module, size_t index,
                                ferry_text_config *out, ferry_error *error)
{
    const char *where = "modules.json", *type = "", *path = "";
    FERRY_TRY(ferry_json_string(module, "type", where, &type, error));
    FERRY_TRY(ferry_json_string(module, "path", where, &path, error));
    if (strlen(path) > MAX_MODULE_PATH)
        return ferry_fail(error, FERRY_LIMIT, "%s: a path of %zu bytes, the limit is %d", where,
                          strlen(path), MAX_MODULE_PATH);
    const char *dot = strrchr(type, '.');
    const char *class = dot != NULL ? dot + 1 : type;
    if (index == 0 && strcmp(class, "Transformer") == 0 && path[0] == '\0') return FERRY_OK;
    if (index == 1 && strcmp(class, "Pooling") == 0) return read_pooling(files, path, out, error);
    if (index == 2 && strcmp(class, "Normalize") == 0) {
        out->normalize = true;
        return FERRY_OK;
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: module %zu is \"%s\" in \"%s\"; known: Transformer in \"\", Pooling, "
                      "Normalize, in this order",
                      where, index, type, path);
}

static ferry_status read_modules(ferry_files files, ferry_text_config *out, ferry_error *error)
{
    const ferry_file *file = ferry_files_find(files, "modules.json");
    out->pooling = FERRY_POOLING_MEAN; /* what sentence-transformers does without the file */
    out->normalize = false;
    if (file == NULL) return FERRY_OK;
    cJSON *json;
    FERRY_TRY(ferry_json_parse(file->data, file->size, file->name, &json, error));
    ferry_status status = FERRY_OK;
    size_t count = 0;
    if (!cJSON_IsArray(json))
        status = ferry_fail(error, FERRY_MALFORMED, "%s: expected a JSON array", file->name);
    for (const cJSON *module = json->child; module != NULL && status == FERRY_OK;
         module = module->next)
        status = read_module(files, module, count++, out, error);
    if (status == FERRY_OK && count < 2)
        status = ferry_fail(error, FERRY_UNSUPPORTED,
                            "%s: %zu modules, expected Transformer and Pooling", file->name, count);
    cJSON_Delete(json);
    return status;
}

ferry_status ferry_text_config_read(ferry_files files, ferry_text_config *out, ferry_error *error)
{
    *out = (ferry_text_config){0};
    const ferry_file *file = ferry_files_find(files, "config.json");
    if (file == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "config.json is missing");
    cJSON *json;
    FERRY_TRY(parse_object(file, &json, error));
    ferry_status status = read_transformer(json, file->name, out, error);
    cJSON_Delete(json);
    FERRY_TRY(status);
    FERRY_TRY(ferry_text_max_tokens_read(files, out->positions, &out->max_tokens, error));
    return read_modules(files, out, error);
}

/* ---- prompts ---- */

static ferry_status choose_prompt(const cJSON *json, const char *where, const char *name,
                                  ferry_arena *arena, ferry_text *out, ferry_error *error)
{
    const cJSON *prompts = ferry_json_get(json, "prompts");
    if (name == NULL)
        FERRY_TRY(ferry_json_string(json, "default_prompt_name", where, &name, error));
    if (name == NULL || name[0] == '\0') return FERRY_OK;
    const cJSON *found = cJSON_IsObject(prompts) ? ferry_json_get(prompts, name) : NULL;
    if (found == NULL) {
        char known[256] = "";
        for (const cJSON *one = cJSON_IsObject(prompts) ? prompts->child : NULL; one != NULL;
             one = one->next)
            ferry_list_name(known, sizeof known, one->string);
        return ferry_fail(error, FERRY_NOT_FOUND, "%s: no prompt \"%.100s\"; known: %s", where,
                          name, known[0] != '\0' ? known : "none");
    }
    if (!cJSON_IsString(found))
        return ferry_fail(error, FERRY_MALFORMED, "%s: prompt \"%.100s\" is not a string", where,
                          name);
    size_t size = strlen(found->valuestring);
    const char *text = ferry_arena_text(arena, found->valuestring, size);
    if (text == NULL) return ferry_fail_memory(error, "the prompt");
    *out = (ferry_text){text, size};
    return FERRY_OK;
}

ferry_status ferry_text_prompt_read(ferry_files files, const char *name, ferry_arena *arena,
                                    ferry_text *out, ferry_error *error)
{
    *out = (ferry_text){"", 0};
    const ferry_file *file = ferry_files_find(files, "config_sentence_transformers.json");
    if (file == NULL && (name == NULL || name[0] == '\0')) return FERRY_OK;
    if (file == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "no prompt \"%.100s\": config_sentence_transformers.json is missing",
                          name);
    cJSON *json;
    FERRY_TRY(parse_object(file, &json, error));
    ferry_status status = choose_prompt(json, file->name, name, arena, out, error);
    cJSON_Delete(json);
    return status;
}
