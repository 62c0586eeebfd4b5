#include "api/handles.h"
#include "base/error.h"

static const char WHERE[] = "recommend"; /* what messages call the object */

static ferry_status wrong(const char *key, const char *expected, ferry_error *error)
{
    return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is no %s", WHERE, key, expected);
}

static ferry_status read_float(const cJSON *json, const char *key, float *out, ferry_error *error)
{
    double value = (double)*out;
    FERRY_TRY(ferry_json_number(json, key, WHERE, &value, error));
    *out = (float)value;
    return FERRY_OK;
}

static ferry_status read_texts(const cJSON *json, const char *key, ferry_arena *arena,
                               const char *const **out, size_t *count, ferry_error *error)
{
    const cJSON *list = ferry_json_get(json, key);
    if (list == NULL) return FERRY_OK;
    if (!cJSON_IsArray(list)) return wrong(key, "list of texts", error);
    const char **texts = ferry_arena_array(arena, (size_t)cJSON_GetArraySize(list), sizeof *texts);
    if (texts == NULL) return ferry_fail_memory(error, WHERE);
    for (const cJSON *entry = list->child; entry != NULL; entry = entry->next) {
        if (!cJSON_IsString(entry)) return wrong(key, "list of texts", error);
        texts[(*count)++] = entry->valuestring;
    }
    *out = texts;
    return FERRY_OK;
}

/* {"name": most…} */
static ferry_status read_limits(const cJSON *json, const char *key, ferry_arena *arena,
                                const ferry_limit **out, size_t *count, ferry_error *error)
{
    const cJSON *object = ferry_json_get(json, key);
    if (object == NULL) return FERRY_OK;
    if (!cJSON_IsObject(object)) return wrong(key, "object of whole numbers", error);
    ferry_limit *limits =
        ferry_arena_array(arena, (size_t)cJSON_GetArraySize(object), sizeof *limits);
    if (limits == NULL) return ferry_fail_memory(error, WHERE);
    for (const cJSON *entry = object->child; entry != NULL; entry = entry->next) {
        ferry_limit *limit = &limits[(*count)++];
        limit->name = entry->string;
        FERRY_TRY(ferry_json_size_required(object, entry->string, key, FERRY_MAX_ITEMS,
                                           &limit->most, error));
    }
    *out = limits;
    return FERRY_OK;
}

/* {"name": weight…}; null is -1, which is no weight. */
static ferry_status read_weights(const cJSON *json, const char *key, ferry_arena *arena,
                                 const ferry_domain_weight **out, size_t *count, ferry_error *error)
{
    const cJSON *object = ferry_json_get(json, key);
    if (object == NULL) return FERRY_OK;
    if (!cJSON_IsObject(object)) return wrong(key, "object of numbers", error);
    ferry_domain_weight *weights =
        ferry_arena_array(arena, (size_t)cJSON_GetArraySize(object), sizeof *weights);
    if (weights == NULL) return ferry_fail_memory(error, WHERE);
    for (const cJSON *entry = object->child; entry != NULL; entry = entry->next) {
        double weight = -1.0;
        FERRY_TRY(ferry_json_number(object, entry->string, key, &weight, error));
        weights[(*count)++] = (ferry_domain_weight){entry->string, (float)weight};
    }
    *out = weights;
    return FERRY_OK;
}

static ferry_status read_modality_weights(const cJSON *json, ferry_arena *arena,
                                          ferry_recommend_options *out, ferry_error *error)
{
    static const char key[] = "modalityWeights";
    const ferry_domain_weight *named = NULL;
    size_t count = 0;
    FERRY_TRY(read_weights(json, key, arena, &named, &count, error));
    if (count == 0) return FERRY_OK;
    ferry_modality_weight *weights = ferry_arena_array(arena, count, sizeof *weights);
    if (weights == NULL) return ferry_fail_memory(error, WHERE);
    for (size_t i = 0; i < count; i++) {
        weights[i].weight = named[i].weight;
        if (!ferry_modality_find(named[i].domain, &weights[i].modality))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s: \"%.64s\" is no modality, expected text, image or audio", key,
                              named[i].domain);
    }
    out->modality_weights = weights;
    out->modality_weight_count = count;
    return FERRY_OK;
}

/* [{"domain"?,"id"}…] */
static ferry_status read_candidates(const cJSON *json, ferry_arena *arena,
                                    ferry_recommend_options *out, ferry_error *error)
{
    const cJSON *list = ferry_json_get(json, "candidates");
    if (list == NULL) return FERRY_OK;
    if (!cJSON_IsArray(list)) return wrong("candidates", "list", error);
    ferry_item_name *names =
        ferry_arena_array(arena, (size_t)cJSON_GetArraySize(list), sizeof *names);
    if (names == NULL) return ferry_fail_memory(error, WHERE);
    for (const cJSON *entry = list->child; entry != NULL; entry = entry->next) {
        ferry_item_name *name = &names[out->candidate_count++];
        FERRY_TRY(ferry_json_string(entry, "domain", "candidates", &name->domain, error));
        FERRY_TRY(ferry_json_string(entry, "id", "candidates", &name->id, error));
        if (name->id == NULL) return wrong("candidates", "list of objects with an id", error);
    }
    out->candidates = names;
    return FERRY_OK;
}

ferry_status ferry_recommend_options_from_json(const cJSON *json, ferry_arena *arena,
                                               ferry_recommend_options *out, ferry_error *error)
{
    double now = 0.0;
    *out = (ferry_recommend_options){.size = sizeof *out};
    FERRY_TRY(ferry_json_size_required(json, "k", WHERE, FERRY_MAX_ITEMS, &out->k, error));
    FERRY_TRY(read_texts(json, "domains", arena, &out->domains, &out->domain_count, error));
    FERRY_TRY(ferry_json_bool(json, "keepSeen", WHERE, &out->keep_seen, error));
    FERRY_TRY(ferry_json_bool(json, "keepDisliked", WHERE, &out->keep_disliked, error));
    FERRY_TRY(ferry_json_bool(json, "keepDuplicates", WHERE, &out->keep_duplicates, error));
    FERRY_TRY(read_float(json, "dislikedCosine", &out->disliked_cosine, error));
    FERRY_TRY(read_float(json, "duplicateCosine", &out->duplicate_cosine, error));
    FERRY_TRY(read_texts(json, "where", arena, &out->where, &out->where_count, error));
    FERRY_TRY(read_candidates(json, arena, out, error));
    FERRY_TRY(read_limits(json, "quotas", arena, &out->quotas, &out->quota_count, error));
    FERRY_TRY(read_limits(json, "atMost", arena, &out->at_most, &out->at_most_count, error));
    FERRY_TRY(read_float(json, "diversity", &out->diversity, error));
    FERRY_TRY(ferry_json_number(json, "halfLife", WHERE, &out->half_life, error));
    FERRY_TRY(ferry_json_number(json, "now", WHERE, &now, error));
    if (!(now >= 0.0 && now <= 1e15))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "now is %g, expected seconds since 1970",
                          now);
    out->now = (int64_t)now;
    FERRY_TRY(read_float(json, "novelty", &out->novelty, error));
    FERRY_TRY(read_weights(json, "domainWeights", arena, &out->domain_weights,
                           &out->domain_weight_count, error));
    return read_modality_weights(json, arena, out, error);
}
