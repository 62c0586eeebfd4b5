#include "api/handles.h"
#include "base/error.h"
#include "base/json.h"

static cJSON *recommendation_json(const ferry_item *item, size_t rank, float score)
{
    cJSON *entry = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(entry, "rank", (double)rank) != NULL &&
        cJSON_AddStringToObject(entry, "id", item->id) != NULL &&
        cJSON_AddStringToObject(entry, "domain", item->domain) != NULL &&
        cJSON_AddStringToObject(entry, "title", item->title) != NULL &&
        ferry_json_add(entry, "score", ferry_json_from_float(score)))
        return entry;
    cJSON_Delete(entry);
    return NULL;
}

/* ["text","image"]; of a catalogue of texts alone nothing is told. */
static bool add_modalities(cJSON *entry, const ferry_catalog *catalog, size_t item)
{
    if (ferry_catalog_is_texts(catalog)) return true;
    cJSON *list = cJSON_AddArrayToObject(entry, "modalities");
    bool fits = list != NULL;
    for (int m = 0; m < FERRY_MODALITY_COUNT && fits; m++)
        if (ferry_catalog_item_modalities(catalog, item) & 1u << m)
            fits = ferry_json_add_to_array(
                list, cJSON_CreateString(ferry_modality_name((ferry_modality)m)));
    return fits;
}

static bool add_why(cJSON *json, const ferry_why *why)
{
    return why == NULL ||
           (ferry_json_add(json, "history", ferry_history_tree(why->visitor)) &&
            (why->counterfactual == NULL ||
             ferry_json_add(json, "counterfactual",
                            ferry_counterfactual_tree(why->visitor, why->counterfactual))));
}

static bool fill_json(cJSON *json, const ferry_catalog *catalog, const ferry_recommendation *items,
                      size_t count, const ferry_excluded *excluded, const ferry_why *why)
{
    cJSON *list = cJSON_AddArrayToObject(json, "items");
    for (size_t i = 0; list != NULL && i < count; i++) {
        const ferry_item *item = &catalog->items[items[i].item].item;
        cJSON *entry = recommendation_json(item, i + 1, items[i].score);
        if (!ferry_json_add_to_array(list, entry) || !add_modalities(entry, catalog, items[i].item))
            return false;
        if (why != NULL && !ferry_json_add(entry, "explanation",
                                           ferry_explanation_tree(why->visitor, why->items[i])))
            return false;
    }
    cJSON *stages = cJSON_AddObjectToObject(json, "excluded");
    return list != NULL &&
           cJSON_AddNumberToObject(stages, "seen", (double)excluded->seen) != NULL &&
           cJSON_AddNumberToObject(stages, "disliked", (double)excluded->disliked) != NULL &&
           cJSON_AddNumberToObject(stages, "duplicate", (double)excluded->duplicate) != NULL &&
           cJSON_AddNumberToObject(stages, "filtered", (double)excluded->filtered) != NULL &&
           cJSON_AddNumberToObject(stages, "limited", (double)excluded->limited) != NULL &&
           add_why(json, why);
}

ferry_status ferry_recommendations_json(const ferry_catalog *catalog,
                                        const ferry_recommendation *items, size_t count,
                                        const ferry_excluded *excluded, const ferry_why *why,
                                        ferry_buffer *out, ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    bool built =
        fill_json(json, catalog, items, count, excluded, why) && ferry_json_append(out, json);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, "the recommendations as JSON");
}
