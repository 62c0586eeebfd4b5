#include "encode/text_tower.h"

#include "base/error.h"

enum { MAX_VOCABULARY = 1 << 22, MAX_POSITIONS = 1 << 14 };

/* ---- config.json, which leaves out what is as transformers has it by default ---- */

static const ferry_text_tower_config usual_clip = {
    {FERRY_VIT_CLIP, 12, 512, 8, 2048, 0, 0, 512, 1e-5f, FERRY_VIT_QUICK_GELU},
    49408,
    77,
    49407,
    1};
static const ferry_text_tower_config usual_siglip = {
    {FERRY_VIT_SIGLIP, 12, 768, 12, 3072, 0, 0, 0, 1e-6f, FERRY_VIT_GELU_TANH},
    32000,
    64,
    49407,
    1};

/* What a config.json says it is a model of, by transformers' defaults; NULL: not of both. */
static const ferry_text_tower_config *usual_of(const cJSON *json)
{
    const cJSON *type = cJSON_IsObject(json) ? ferry_json_get(json, "model_type") : NULL;
    if (!cJSON_IsString(type)) return NULL;
    if (strcmp(type->valuestring, "clip") == 0) return &usual_clip;
    return strcmp(type->valuestring, "siglip") == 0 ? &usual_siglip : NULL;
}

static ferry_status parse_config(ferry_files files, cJSON **out, ferry_error *error)
{
    const ferry_file *file = ferry_files_find(files, "config.json");
    if (file == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "config.json is missing");
    return ferry_json_parse(file->data, file->size, file->name, out, error);
}

bool ferry_text_tower_recognises(ferry_files files)
{
    cJSON *json;
    if (ferry_files_find(files, "tokenizer.json") == NULL) return false;
    if (parse_config(files, &json, NULL) != FERRY_OK) return false;
    bool both = usual_of(json) != NULL;
    cJSON_Delete(json);
    return both;
}

static ferry_status read_id(const cJSON *json, const char *key, const char *where, int32_t *out,
                            ferry_error *error)
{
    size_t id = (size_t)*out;
    FERRY_TRY(ferry_json_size(json, key, where, INT32_MAX - 1, &id, error));
    *out = (int32_t)id;
    return FERRY_OK;
}

static ferry_status read_tower(const cJSON *json, const char *where, ferry_text_tower_config *out,
                               ferry_error *error)
{
    const cJSON *tower = ferry_json_get(json, "text_config");
    if (!cJSON_IsObject(tower))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"text_config\" is missing", where);
    FERRY_TRY(ferry_vit_blocks_read(tower, where, &out->blocks, error));
    FERRY_TRY(ferry_json_size(tower, "vocab_size", where, MAX_VOCABULARY, &out->vocabulary, error));
    FERRY_TRY(ferry_json_size(tower, "max_position_embeddings", where, MAX_POSITIONS,
                              &out->positions, error));
    FERRY_TRY(read_id(tower, "eos_token_id", where, &out->end, error));
    FERRY_TRY(read_id(tower, "pad_token_id", where, &out->pad, error));
    bool clip = out->blocks.kind == FERRY_VIT_CLIP;
    if (!clip) out->blocks.projection = out->blocks.hidden;
    FERRY_TRY(ferry_json_size(clip ? json : tower, clip ? "projection_dim" : "projection_size",
                              where, FERRY_VIT_MAX_WIDTH, &out->blocks.projection, error));
    /* So it is in files from before transformers 4.31, whose end token is not 2 for all that. */
    if (clip && out->end == 2) out->end = -1;
    if (out->vocabulary == 0 || out->positions < 2 || out->blocks.projection == 0 ||
        (!clip && (size_t)out->pad >= out->vocabulary))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: a text tower of %zu words, %zu positions, projected to %zu numbers, "
                          "padded with %d",
                          where, out->vocabulary, out->positions, out->blocks.projection,
                          (int)out->pad);
    return FERRY_OK;
}

ferry_status ferry_text_tower_config_read(ferry_files files, ferry_text_tower_config *out,
                                          ferry_error *error)
{
    cJSON *json;
    FERRY_TRY(parse_config(files, &json, error));
    const ferry_text_tower_config *usual = usual_of(json);
    ferry_status status = usual != NULL
                              ? FERRY_OK
                              : ferry_fail(error, FERRY_UNSUPPORTED,
                                           "config.json: model_type is none of clip, siglip");
    if (status == FERRY_OK) {
        *out = *usual;
        status = read_tower(json, "config.json", out, error);
    }
    cJSON_Delete(json);
    return status;
}

/* ---- forward ---- */

/* x[t] = word[id] + position[t], positions counted from each text's start */
static void embed(ferry_text_tower *tower, const int32_t *ids, const size_t *starts, size_t texts)
{
    size_t hidden = tower->config.blocks.hidden;
    float *x = tower->vit.x;
    for (size_t i = 0; i < texts; i++) {
        const float *position = tower->vit.positions;
        for (size_t t = starts[i]; t < starts[i + 1]; t++, position += hidden, x += hidden) {
            size_t id = (size_t)ids[t];
            const float *word = tower->words != NULL ? tower->words + id * hidden : NULL;
            const int8_t *small = word == NULL ? tower->words_int8 + id * hidden : NULL;
            for (size_t n = 0; n < hidden; n++)
                x[n] = (word != NULL ? word[n] : (float)small[n] * tower->word_scale[id]) +
                       position[n];
        }
    }
}

/* Where a text [T] is pooled. */
static size_t place_of(const ferry_text_tower_config *config, const int32_t *ids, size_t T)
{
    if (config->blocks.kind == FERRY_VIT_SIGLIP) return T - 1;
    size_t largest = 0;
    for (size_t t = 0; t < T; t++) {
        if (ids[t] == config->end) return t;
        if (ids[t] > ids[largest]) largest = t;
    }
    return config->end < 0 ? largest : 0; /* the first, as transformers' argmax has it */
}

void ferry_text_tower_forward(ferry_text_tower *tower, const int32_t *ids, const size_t *starts,
                              size_t texts, float *out)
{
    if (texts == 0) return;
    embed(tower, ids, starts, texts);
    ferry_vit_run_blocks(&tower->vit, starts, texts, tower->config.blocks.kind == FERRY_VIT_CLIP);
    for (size_t i = 0; i < texts; i++) {
        size_t T = starts[i + 1] - starts[i];
        tower->pooled[i] = T > 0 ? starts[i] + place_of(&tower->config, ids + starts[i], T) : 0;
    }
    ferry_vit_pool(&tower->vit, tower->pooled, texts, out);
    size_t N = tower->vit.dimension;
    for (size_t i = 0; i < texts; i++) /* an empty text, and a tokenizer without special tokens */
        if (starts[i] == starts[i + 1]) memset(out + i * N, 0, N * sizeof *out);
}
