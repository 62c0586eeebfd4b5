/* The three files of a catalogue directory, written and read. */
#include <math.h>

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"
#include "input/table.h"
#include "recsys/catalog.h"

#define CATALOG_FORMAT "ferry-catalog"
enum { CATALOG_VERSION = 1, MAX_DIMENSION = 1 << 16 };
static const float UNIT_TOLERANCE = 1e-3f; /* of a row's squared length */

/* ---- writing ---- */

/* How many items each domain has, as [{"name","count"}] sorted by name. */
static cJSON *domains_json(const ferry_catalog *catalog)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t d = 0; list != NULL && d < catalog->domain_count; d++) {
        uint32_t domain = catalog->domain_order[d];
        size_t count = 0;
        for (size_t i = 0; i < catalog->count; i++) count += catalog->items[i].domain == domain;
        cJSON *entry = cJSON_CreateObject();
        if (cJSON_AddStringToObject(entry, "name", catalog->domains[domain]) == NULL ||
            cJSON_AddNumberToObject(entry, "count", (double)count) == NULL ||
            !cJSON_AddItemToArray(list, entry)) {
            cJSON_Delete(entry);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

ferry_status ferry_catalog_write_json(const ferry_catalog *catalog, ferry_buffer *out,
                                      ferry_error *error)
{
    cJSON *json = cJSON_CreateObject(), *domains = domains_json(catalog);
    bool built = cJSON_AddStringToObject(json, "format", CATALOG_FORMAT) != NULL &&
                 cJSON_AddNumberToObject(json, "version", CATALOG_VERSION) != NULL &&
                 cJSON_AddNumberToObject(json, "count", (double)catalog->count) != NULL &&
                 cJSON_AddNumberToObject(json, "dimension", (double)catalog->dimension) != NULL &&
                 cJSON_AddStringToObject(json, "text_model", catalog->model) != NULL &&
                 domains != NULL && cJSON_AddItemToObject(json, "domains", domains);
    if (!built) cJSON_Delete(domains);
    built = built && ferry_json_append(out, json);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, "catalog.json");
}

ferry_status ferry_catalog_write_items(const ferry_catalog *catalog, ferry_buffer *out,
                                       ferry_error *error)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const ferry_catalog_entry *entry = &catalog->items[i];
        if (!ferry_buffer_append(out, entry->item.json, entry->json_size) ||
            !ferry_buffer_append(out, "\n", 1))
            return ferry_fail_memory(error, "items.jsonl");
    }
    return FERRY_OK;
}

ferry_status ferry_catalog_write_vectors_header(const ferry_catalog *catalog, ferry_buffer *out,
                                                ferry_error *error)
{
    ferry_tensor text = {.name = "text",
                         .dtype = FERRY_F32,
                         .rank = 2,
                         .shape = {catalog->count, catalog->dimension},
                         .count = catalog->count * catalog->dimension,
                         .size = catalog->count * catalog->dimension * sizeof(float)};
    return ferry_safetensors_write_header(&text, 1, NULL, 0, out, error);
}

/* ---- reading ---- */

static ferry_status required_file(ferry_files files, const char *name, const ferry_file **out,
                                  ferry_error *error)
{
    *out = ferry_files_find(files, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing from the catalogue", name);
}

static ferry_status read_json(const cJSON *json, const char *where, ferry_catalog *catalog,
                              size_t *count, ferry_error *error)
{
    const char *format = "", *model = "";
    size_t version = 0;
    FERRY_TRY(ferry_json_string(json, "format", where, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", where, UINT32_MAX, &version, error));
    if (strcmp(format, CATALOG_FORMAT) != 0 || version != CATALOG_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: format \"%s\" version %zu, expected \"%s\" version %d", where,
                          format, version, CATALOG_FORMAT, CATALOG_VERSION);
    FERRY_TRY(ferry_json_size_required(json, "count", where, FERRY_MAX_ITEMS, count, error));
    FERRY_TRY(ferry_json_size_required(json, "dimension", where, MAX_DIMENSION, &catalog->dimension,
                                       error));
    FERRY_TRY(ferry_json_string(json, "text_model", where, &model, error));
    catalog->model = ferry_arena_text(&catalog->arena, model, strlen(model));
    return catalog->model != NULL ? FERRY_OK : ferry_fail_memory(error, where);
}

static ferry_status load_vectors(ferry_catalog *catalog, const ferry_file *file, ferry_error *error)
{
    ferry_safetensors tensors;
    FERRY_TRY(ferry_safetensors_open(file, &catalog->arena, &tensors, error));
    const ferry_tensor *text = ferry_safetensors_find(&tensors, "text");
    if (text == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "%s: tensor \"text\" is missing", file->name);
    if (text->rank != 2 || text->shape[0] != catalog->count || text->shape[1] != catalog->dimension)
        return ferry_fail(
            error, FERRY_MALFORMED,
            "%s: tensor \"text\" has %zu numbers, expected [%zu, %zu] from items.jsonl "
            "and catalog.json",
            file->name, text->count, catalog->count, catalog->dimension);
    FERRY_TRY(ferry_tensor_as_f32(text, &catalog->arena, &catalog->vectors, error));
    for (size_t i = 0; i < catalog->count; i++) {
        const float *row = catalog->vectors + i * catalog->dimension;
        float square;
        catalog->kernels->dot_rows(row, row, &square, 1, catalog->dimension);
        if (!(fabsf(square - 1.0f) <= UNIT_TOLERANCE)) /* NaN too */
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: row %zu has length %g, expected 1 (cosines need unit rows)",
                              file->name, i, sqrt((double)square));
    }
    return FERRY_OK;
}

ferry_status ferry_catalog_load(ferry_catalog *catalog, ferry_files files, ferry_error *error)
{
    const ferry_file *about, *items, *vectors;
    FERRY_TRY(required_file(files, "catalog.json", &about, error));
    FERRY_TRY(required_file(files, "items.jsonl", &items, error));
    FERRY_TRY(required_file(files, "vectors.safetensors", &vectors, error));
    cJSON *json;
    size_t count = 0;
    FERRY_TRY(ferry_json_parse(about->data, about->size, about->name, &json, error));
    ferry_status status = read_json(json, about->name, catalog, &count, error);
    cJSON_Delete(json);
    FERRY_TRY(status);
    FERRY_TRY(ferry_catalog_read_items(catalog, items, FERRY_TABLE_JSONL, ferry_refuse_none, NULL,
                                       error));
    if (catalog->count != count)
        return ferry_fail(error, FERRY_MALFORMED, "%s has %zu items, but catalog.json says %zu",
                          items->name, catalog->count, count);
    FERRY_TRY(ferry_catalog_group(catalog, error));
    return load_vectors(catalog, vectors, error);
}
