/* The exports that give a catalogue's items, and that make one of items and of vectors that
 * encoders gave; see wasm.c. */
#include <string.h>

#include "api/handles.h"
#include "api/wasm.h"
#include "base/error.h"

/* result: the items [first, first + count) as a JSON array, fewer at the end */
int EXPORT(ferry_wasm_catalog_items)(const ferry_catalog *catalog, size_t first, size_t count)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_buffer *out = ferry_wasm_output();
    bool fits = ferry_buffer_append(out, "[", 1);
    for (size_t i = first; i < catalog->count && i - first < count && fits; i++) {
        const ferry_catalog_entry *entry = &catalog->items[i];
        if (i > first) fits = ferry_buffer_append(out, ",", 1);
        fits = fits && ferry_buffer_append(out, entry->item.json, entry->json_size);
    }
    fits = fits && ferry_buffer_append(out, "]", 1);
    return ferry_wasm_end(fits ? FERRY_OK : ferry_fail_memory(error, "the items"));
}

/* ---- making one ---- */

static bool add_refused(cJSON *list, size_t index, ferry_modality modality, const char *reason)
{
    cJSON *json = cJSON_CreateObject();
    const char *name = ferry_modality_name(modality);
    cJSON_AddNumberToObject(json, "index", (double)index);
    if (name != NULL) cJSON_AddStringToObject(json, "modality", name);
    cJSON_AddStringToObject(json, "reason", reason);
    return ferry_json_add_to_array(list, json);
}

static bool row_refused(void *list, const char *file, size_t line, const char *reason)
{
    (void)file;
    return add_refused(list, line - 1, FERRY_MODALITY_COUNT, reason);
}

static ferry_status add_texts(const ferry_catalog *catalog, cJSON *list, ferry_error *error)
{
    ferry_buffer text;
    bool fits = list != NULL;
    ferry_buffer_init(&text, catalog->allocator);
    for (size_t i = 0; i < catalog->count && fits; i++) {
        text.size = 0;
        fits = ferry_catalog_entry_text(&catalog->items[i], &text) &&
               ferry_buffer_append(&text, "", 1) &&
               ferry_json_add_to_array(list, cJSON_CreateString(text.data));
    }
    ferry_buffer_free(&text);
    return fits ? FERRY_OK : ferry_fail_memory(error, "the items' texts");
}

static ferry_status read_items(ferry_catalog *catalog, cJSON *json, ferry_error *error)
{
    ferry_files queued = ferry_wasm_queued();
    cJSON *refused = cJSON_AddArrayToObject(json, "refused");
    if (refused == NULL) return ferry_fail_memory(error, "the items");
    if (queued.count != 1)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "items are one file, not %zu",
                          queued.count);
    FERRY_TRY(ferry_catalog_add(catalog, &queued.file[0], FERRY_TABLE_JSONL, row_refused, refused,
                                error));
    return add_texts(catalog, cJSON_AddArrayToObject(json, "texts"), error);
}

/*
 * Of the items in the queued file, JSONL. result: {"texts":["…"],"refused":[{"index","reason"}]}:
 * what is to be encoded of each item, and the lines, from 0, that are none.
 */
ferry_catalog *EXPORT(ferry_wasm_catalog_create)(void)
{
    ferry_catalog *catalog;
    ferry_error *error = ferry_wasm_begin();
    cJSON *json = cJSON_CreateObject();
    ferry_status status = ferry_catalog_create(NULL, &catalog, error);
    if (status == FERRY_OK) status = read_items(catalog, json, error);
    if (status == FERRY_OK)
        status = ferry_wasm_give(json);
    else
        cJSON_Delete(json);
    ferry_wasm_files_clear();
    if (ferry_wasm_end(status) == FERRY_OK) return catalog;
    ferry_catalog_close(catalog);
    return NULL;
}

static bool media_refused(void *list, size_t index, ferry_modality modality, const char *reason)
{
    return add_refused(list, index, modality, reason);
}

/* One entry of "about", whose vectors begin at *at of the queued file. */
static ferry_status read_about(const cJSON *json, size_t items, const ferry_file *file, size_t *at,
                               ferry_modality_vectors *out, ferry_error *error)
{
    const char *name = "";
    double weight = 0.0;
    size_t size;
    FERRY_TRY(ferry_json_string(json, "modality", "about", &name, error));
    if (!ferry_modality_find(name, &out->modality))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "modality \"%.64s\" is none", name);
    FERRY_TRY(ferry_json_string(json, "model", "about", &out->model, error));
    FERRY_TRY(ferry_json_number(json, "weight", "about", &weight, error));
    FERRY_TRY(ferry_json_size_required(json, "dimension", "about", FERRY_MAX_DIMENSION,
                                       &out->dimension, error));
    if (!ferry_size_multiply(items, out->dimension * sizeof(float), &size) ||
        size > file->size - *at)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%zu bytes of vectors are less than those of %zu items", file->size,
                          items);
    out->weight = (float)weight;
    out->vectors = (const float *)(const void *)((const char *)file->data + *at);
    *at += size;
    return FERRY_OK;
}

static ferry_status set_vectors(ferry_catalog *catalog, const cJSON *about, ferry_error *error)
{
    ferry_modality_vectors list[FERRY_MODALITY_COUNT] = {0};
    ferry_files queued = ferry_wasm_queued();
    size_t count = 0, at = 0;
    for (const cJSON *json = about->child; json != NULL; json = json->next) {
        if (count == FERRY_MODALITY_COUNT || queued.count != 1)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "vectors are one file, not %zu, of at most %d modalities",
                              queued.count, FERRY_MODALITY_COUNT);
        FERRY_TRY(read_about(json, catalog->count, &queued.file[0], &at, &list[count++], error));
    }
    cJSON *json = cJSON_CreateObject(), *refused = cJSON_AddArrayToObject(json, "refused");
    ferry_status status =
        refused == NULL
            ? ferry_fail_memory(error, "the items")
            : ferry_catalog_set_vectors(catalog, list, count, media_refused, refused, error);
    if (status == FERRY_OK) return ferry_wasm_give(json);
    cJSON_Delete(json);
    return status;
}

/*
 * about: [{"modality","model"?,"weight"?,"dimension"}…] of the vectors in the queued file, float32
 * [items, dimension] of one modality behind another, zeros where an item has none. result:
 * {"refused":[{"index","modality"?,"reason"}]}: what has no vector, or no place in the catalogue.
 * Returns the catalogue, NULL if it failed.
 */
ferry_catalog *EXPORT(ferry_wasm_catalog_finish)(ferry_catalog *catalog, const char *about,
                                                 size_t size)
{
    ferry_error *error = ferry_wasm_begin();
    cJSON *json;
    ferry_status status = ferry_json_parse(about, size, "about", &json, error);
    if (status == FERRY_OK) status = set_vectors(catalog, json, error);
    cJSON_Delete(json);
    ferry_wasm_files_clear();
    return ferry_wasm_end(status) == FERRY_OK ? catalog : NULL;
}

/* name: NUL-terminated, see ferry_catalog_write. result: that file */
int EXPORT(ferry_wasm_catalog_file)(const ferry_catalog *catalog, const char *name)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_status status = ferry_catalog_write(catalog, name, ferry_wasm_write, NULL, error);
    if (status == FERRY_IO) status = ferry_fail_memory(error, name);
    return ferry_wasm_end(status);
}
