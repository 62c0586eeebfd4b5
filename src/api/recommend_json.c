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
    return ferry_controls_from_json(json, arena, out, error);
}
