/* The export for ferry_catalog_nearest; see wasm.c. */
#include <string.h>

#include "api/handles.h"
#include "api/wasm.h"
#include "base/error.h"

/* What is looked for: an encoder's vector [size], or for size 0 the item named by "like". */
typedef struct query {
    const ferry_catalog *catalog;
    const float *vector;
    size_t size;
    size_t own; /* the item, which is left out, or FERRY_NO_ITEM */
    ferry_nearest_options options;
    float *row; /* [dimension] */
} query;

static ferry_status make_row(query *q, const cJSON *json, ferry_modality modality,
                             ferry_error *error)
{
    const ferry_catalog *catalog = q->catalog;
    const cJSON *like = ferry_json_get(json, "like");
    const char *domain = NULL, *id = NULL;
    if (like == NULL)
        return ferry_catalog_row(catalog, modality, q->vector, q->size, q->row, error);
    FERRY_TRY(ferry_json_string(like, "domain", "like", &domain, error));
    FERRY_TRY(ferry_json_string(like, "id", "like", &id, error));
    FERRY_TRY(ferry_catalog_find(catalog, domain, id, &q->own, error));
    memcpy(q->row, catalog->vectors + q->own * catalog->dimension,
           catalog->dimension * sizeof *q->row);
    return FERRY_OK;
}

static ferry_status search(query *q, ferry_arena *arena, ferry_error *error)
{
    size_t count, kept = 0, k = q->options.k;
    if (k > q->catalog->count) k = q->catalog->count;
    q->options.k = k + 1;
    ferry_recommendation *items = ferry_arena_array(arena, k + 1, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the items found");
    FERRY_TRY(ferry_catalog_nearest(q->catalog, q->row, &q->options, items, &count, error));
    for (size_t i = 0; i < count && kept < k; i++)
        if (items[i].item != q->own) items[kept++] = items[i];
    return ferry_recommendations_json(q->catalog, items, kept, &(ferry_excluded){0}, NULL,
                                      ferry_wasm_output(), error);
}

static ferry_status nearest(query *q, const cJSON *json, ferry_arena *arena, ferry_error *error)
{
    const char *name = NULL;
    ferry_recommend_options given; /* k and domains are called as there */
    ferry_modality modality = FERRY_MODALITY_TEXT;
    FERRY_TRY(ferry_recommend_options_from_json(json, arena, &given, error));
    FERRY_TRY(ferry_json_string(json, "modality", "nearest", &name, error));
    if (name != NULL && !ferry_modality_find(name, &modality))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "modality is \"%.64s\"; there are text, image, audio", name);
    bool all = name == NULL && ferry_json_get(json, "like") != NULL;
    q->options = (ferry_nearest_options){.size = sizeof q->options,
                                         .k = given.k,
                                         .domains = given.domains,
                                         .domain_count = given.domain_count,
                                         .modalities = all ? 0 : 1u << modality};
    q->row = ferry_arena_array(arena, q->catalog->dimension, sizeof *q->row);
    if (q->row == NULL) return ferry_fail_memory(error, "a search");
    FERRY_TRY(make_row(q, json, modality, error));
    return search(q, arena, error);
}

/* options: {"k","domains"?,"modality"?,"like":{"domain"?,"id"}?}. result:
 * ferry_recommendations_json */
int EXPORT(ferry_wasm_catalog_nearest)(const ferry_catalog *catalog, const char *options,
                                       size_t options_size, const float *vector, size_t size)
{
    ferry_error *error = ferry_wasm_begin();
    query q = {.catalog = catalog, .vector = vector, .size = size, .own = FERRY_NO_ITEM};
    cJSON *json;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_json_parse(options, options_size, "nearest", &json, error);
    if (status == FERRY_OK) status = nearest(&q, json, &arena, error);
    ferry_arena_free(&arena);
    cJSON_Delete(json);
    return ferry_wasm_end(status);
}
