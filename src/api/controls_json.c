#include "api/handles.h"
#include "base/error.h"

static ferry_status read_domain_weights(const cJSON *json, ferry_arena *arena,
                                        ferry_recommend_options *out, ferry_error *error)
{
    static const char name[] = "domainWeights";
    const cJSON *object = ferry_json_get(json, name);
    if (object == NULL) return FERRY_OK;
    if (!cJSON_IsObject(object))
        return ferry_fail(error, FERRY_MALFORMED, "recommend: \"%s\" is no object of numbers",
                          name);
    ferry_domain_weight *weights =
        ferry_arena_array(arena, (size_t)cJSON_GetArraySize(object), sizeof *weights);
    if (weights == NULL) return ferry_fail_memory(error, name);
    out->domain_weights = weights;
    for (const cJSON *entry = object->child; entry != NULL; entry = entry->next) {
        double weight = -1.0; /* null is none */
        FERRY_TRY(ferry_json_number(object, entry->string, name, &weight, error));
        weights[out->domain_weight_count++] = (ferry_domain_weight){entry->string, (float)weight};
    }
    return FERRY_OK;
}

/* {"image":0.5…} */
static ferry_status read_modality_weights(const cJSON *json, ferry_arena *arena,
                                          ferry_recommend_options *out, ferry_error *error)
{
    static const char name[] = "modalityWeights";
    const cJSON *object = ferry_json_get(json, name);
    if (object == NULL) return FERRY_OK;
    if (!cJSON_IsObject(object))
        return ferry_fail(error, FERRY_MALFORMED, "recommend: \"%s\" is no object of numbers",
                          name);
    ferry_modality_weight *weights =
        ferry_arena_array(arena, (size_t)cJSON_GetArraySize(object), sizeof *weights);
    if (weights == NULL) return ferry_fail_memory(error, name);
    out->modality_weights = weights;
    for (const cJSON *entry = object->child; entry != NULL; entry = entry->next) {
        double weight = -1.0; /* null is none */
        FERRY_TRY(ferry_json_number(object, entry->string, name, &weight, error));
        ferry_modality_weight *to = &weights[out->modality_weight_count++];
        to->weight = (float)weight;
        if (!ferry_modality_find(entry->string, &to->modality))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s: \"%.64s\" is no modality, expected text, image or audio", name,
                              entry->string);
    }
    return FERRY_OK;
}

ferry_status ferry_controls_from_json(const cJSON *json, ferry_arena *arena,
                                      ferry_recommend_options *out, ferry_error *error)
{
    double now = 0.0, novelty = 0.0;
    FERRY_TRY(ferry_json_number(json, "halfLife", "recommend", &out->half_life, error));
    FERRY_TRY(ferry_json_number(json, "now", "recommend", &now, error));
    FERRY_TRY(ferry_json_number(json, "novelty", "recommend", &novelty, error));
    if (!(now >= 0.0 && now <= 1e15))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "now is %g, expected seconds since 1970",
                          now);
    out->now = (int64_t)now;
    out->novelty = (float)novelty;
    FERRY_TRY(read_domain_weights(json, arena, out, error));
    return read_modality_weights(json, arena, out, error);
}
