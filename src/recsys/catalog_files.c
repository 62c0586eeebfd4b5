/* The three files of a catalogue directory, written and read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"
#include "input/table.h"
#include "recsys/catalog.h"

#define CATALOG_FORMAT "ferry-catalog"
/* TEXTS: of texts alone; SEGMENTS: of anything else */
enum { VERSION_TEXTS = 1, VERSION_SEGMENTS = 2 };
static const double WEIGHT_TOLERANCE = 1e-4; /* of the weights' sum, and of a mean's length */

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

/* [{"modality","dimension","model","weight"}] in the order they have in a row */
static cJSON *segments_json(const ferry_catalog *catalog)
{
    cJSON *list = cJSON_CreateArray();
    bool fits = list != NULL;
    for (size_t s = 0; s < catalog->segment_count && fits; s++) {
        const ferry_segment *segment = &catalog->segments[s];
        cJSON *json = cJSON_CreateObject();
        const char *modality = ferry_modality_name(segment->modality);
        fits = ferry_json_add_to_array(list, json) &&
               cJSON_AddStringToObject(json, "modality", modality) != NULL &&
               cJSON_AddNumberToObject(json, "dimension", (double)segment->dimension) != NULL &&
               cJSON_AddStringToObject(json, "model", segment->model) != NULL &&
               ferry_json_add(json, "weight", ferry_json_from_float(segment->weight));
    }
    if (fits) return list;
    cJSON_Delete(list);
    return NULL;
}

ferry_status ferry_catalog_write_json(const ferry_catalog *catalog, ferry_buffer *out,
                                      ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    bool texts = ferry_catalog_is_texts(catalog);
    int version = texts ? VERSION_TEXTS : VERSION_SEGMENTS;
    bool built =
        cJSON_AddStringToObject(json, "format", CATALOG_FORMAT) != NULL &&
        cJSON_AddNumberToObject(json, "version", version) != NULL &&
        cJSON_AddNumberToObject(json, "count", (double)catalog->count) != NULL &&
        cJSON_AddNumberToObject(json, "dimension", (double)catalog->dimension) != NULL &&
        (texts ? cJSON_AddStringToObject(json, "text_model", catalog->segments[0].model) != NULL
               : ferry_json_add(json, "segments", segments_json(catalog))) &&
        ferry_json_add(json, "domains", domains_json(catalog)) && ferry_json_append(out, json);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, "catalog.json");
}

static ferry_status write_items(const ferry_catalog *catalog, ferry_buffer *out, ferry_error *error)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const ferry_catalog_entry *entry = &catalog->items[i];
        if (!ferry_buffer_append(out, entry->item.json, entry->json_size) ||
            !ferry_buffer_append(out, "\n", 1))
            return ferry_fail_memory(error, "items.jsonl");
    }
    return FERRY_OK;
}

/* What is taken off a modality's vectors: "image.mean". */
static void mean_name(ferry_modality modality, char out[32])
{
    snprintf(out, 32, "%s.mean", ferry_modality_name(modality));
}

/* All of vectors.safetensors but the rows. */
static ferry_status write_vectors_head(const ferry_catalog *catalog, ferry_buffer *out,
                                       ferry_error *error)
{
    ferry_tensor tensors[FERRY_MODALITY_COUNT + 1];
    char names[FERRY_MODALITY_COUNT][32];
    size_t count = 0;
    for (size_t s = 0; s < catalog->segment_count; s++) {
        const ferry_segment *segment = &catalog->segments[s];
        if (segment->mean == NULL) continue;
        mean_name(segment->modality, names[count]);
        tensors[count] = (ferry_tensor){.name = names[count],
                                        .dtype = FERRY_F32,
                                        .rank = 1,
                                        .shape = {segment->dimension},
                                        .count = segment->dimension,
                                        .data = segment->mean,
                                        .size = segment->dimension * sizeof(float)};
        count++;
    }
    tensors[count] = (ferry_tensor){.name = ferry_catalog_is_texts(catalog) ? "text" : "item",
                                    .dtype = FERRY_F32,
                                    .rank = 2,
                                    .shape = {catalog->count, catalog->dimension},
                                    .count = catalog->count * catalog->dimension,
                                    .size = catalog->count * catalog->dimension * sizeof(float)};
    FERRY_TRY(ferry_safetensors_write_header(tensors, count + 1, NULL, 0, out, error));
    for (size_t t = 0; t < count; t++)
        if (!ferry_buffer_append(out, tensors[t].data, tensors[t].size))
            return ferry_fail_memory(error, "the vectors");
    return FERRY_OK;
}

static ferry_status write_json_line(const ferry_catalog *catalog, ferry_buffer *out,
                                    ferry_error *error)
{
    FERRY_TRY(ferry_catalog_write_json(catalog, out, error));
    return ferry_buffer_append(out, "\n", 1) ? FERRY_OK : ferry_fail_memory(error, "catalog.json");
}

static const struct {
    const char *name;
    ferry_status (*fill)(const ferry_catalog *catalog, ferry_buffer *out, ferry_error *error);
    bool rows; /* are behind that */
} written[] = {{"items.jsonl", write_items, false},
               {"vectors.safetensors", write_vectors_head, true},
               {"catalog.json", write_json_line, false}};

ferry_status ferry_catalog_write(const ferry_catalog *catalog, const char *name, ferry_write write,
                                 void *user, ferry_error *error)
{
    size_t file = 0, count = sizeof written / sizeof *written;
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    while (file < count && strcmp(written[file].name, name) != 0) file++;
    if (file == count)
        return ferry_fail(error, FERRY_NOT_FOUND, "a catalogue has no file \"%s\"", name);
    ferry_buffer head;
    ferry_buffer_init(&head, catalog->allocator);
    ferry_status status = written[file].fill(catalog, &head, error);
    size_t size = catalog->count * catalog->dimension * sizeof(float);
    if (status == FERRY_OK && !(write(user, head.data, head.size) &&
                                (!written[file].rows || write(user, catalog->vectors, size))))
        status = ferry_fail(error, FERRY_IO, "%s could not be written", name);
    ferry_buffer_free(&head);
    return status;
}

/* ---- reading ---- */

static ferry_status required_file(ferry_files files, const char *name, const ferry_file **out,
                                  ferry_error *error)
{
    *out = ferry_files_find(files, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing from the catalogue", name);
}

static ferry_status copy_model(ferry_catalog *catalog, const cJSON *json, const char *key,
                               const char *where, const char **out, ferry_error *error)
{
    const char *model = "";
    FERRY_TRY(ferry_json_string(json, key, where, &model, error));
    *out = ferry_arena_text(&catalog->arena, model, strlen(model));
    return *out != NULL ? FERRY_OK : ferry_fail_memory(error, where);
}

static ferry_status read_segment(const cJSON *json, const char *where, ferry_catalog *catalog,
                                 size_t offset, ferry_error *error)
{
    const char *name = "";
    double weight = 0.0;
    ferry_segment *segment = &catalog->segments[catalog->segment_count];
    FERRY_TRY(ferry_json_string(json, "modality", where, &name, error));
    if (!ferry_modality_find(name, &segment->modality))
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: a segment of modality \"%.64s\", which this version does not know",
                          where, name);
    if (catalog->segment_count > 0 && segment[-1].modality >= segment->modality)
        return ferry_fail(error, FERRY_MALFORMED, "%s: the segment \"%s\" comes after \"%s\"",
                          where, name, ferry_modality_name(segment[-1].modality));
    FERRY_TRY(ferry_json_size_required(json, "dimension", where, FERRY_MAX_DIMENSION,
                                       &segment->dimension, error));
    FERRY_TRY(ferry_json_number(json, "weight", where, &weight, error));
    if (segment->dimension == 0 || !(weight > 0.0 && weight <= 1.0 + WEIGHT_TOLERANCE))
        return ferry_fail(
            error, FERRY_MALFORMED,
            "%s: the segment \"%s\" has dimension %zu and weight %g, expected at least "
            "1 and 0…1",
            where, name, segment->dimension, weight);
    segment->weight = (float)weight;
    segment->offset = offset;
    catalog->segment_count++;
    return copy_model(catalog, json, "model", where, &segment->model, error);
}

static ferry_status read_segments(const cJSON *json, const char *where, ferry_catalog *catalog,
                                  ferry_error *error)
{
    const cJSON *list = ferry_json_get(json, "segments");
    size_t offset = 0;
    double sum = 0.0;
    if (!cJSON_IsArray(list))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"segments\" is no list", where);
    for (const cJSON *entry = list->child; entry != NULL; entry = entry->next) {
        if (catalog->segment_count == FERRY_MODALITY_COUNT)
            return ferry_fail(error, FERRY_MALFORMED, "%s: more than %d segments", where,
                              FERRY_MODALITY_COUNT);
        FERRY_TRY(read_segment(entry, where, catalog, offset, error));
        const ferry_segment *read = &catalog->segments[catalog->segment_count - 1];
        offset += read->dimension;
        sum += (double)read->weight;
    }
    if (offset == catalog->dimension && fabs(sum - 1.0) <= WEIGHT_TOLERANCE) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED,
                      "%s: segments of %zu numbers with weights of %g in all, expected %zu and 1",
                      where, offset, sum, catalog->dimension);
}

static ferry_status read_json(const cJSON *json, const char *where, ferry_catalog *catalog,
                              size_t *count, ferry_error *error)
{
    const char *format = "";
    size_t version = 0;
    FERRY_TRY(ferry_json_string(json, "format", where, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", where, UINT32_MAX, &version, error));
    if (strcmp(format, CATALOG_FORMAT) != 0 || version < VERSION_TEXTS ||
        version > VERSION_SEGMENTS)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: format \"%s\" version %zu, expected \"%s\" version %d or %d", where,
                          format, version, CATALOG_FORMAT, VERSION_TEXTS, VERSION_SEGMENTS);
    FERRY_TRY(ferry_json_size_required(json, "count", where, FERRY_MAX_ITEMS, count, error));
    FERRY_TRY(ferry_json_size_required(json, "dimension", where, FERRY_MAX_DIMENSION,
                                       &catalog->dimension, error));
    if (version == VERSION_SEGMENTS) return read_segments(json, where, catalog, error);
    catalog->segment_count = 1;
    catalog->segments[0] = (ferry_segment){
        .modality = FERRY_MODALITY_TEXT, .dimension = catalog->dimension, .weight = 1.0f};
    return copy_model(catalog, json, "text_model", where, &catalog->segments[0].model, error);
}

static ferry_status load_mean(ferry_catalog *catalog, ferry_segment *segment,
                              const ferry_safetensors *tensors, ferry_error *error)
{
    char name[32];
    mean_name(segment->modality, name);
    const ferry_tensor *mean = ferry_safetensors_find(tensors, name);
    if (mean == NULL) return FERRY_OK;
    if (mean->rank != 1 || mean->count != segment->dimension)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu numbers, expected [%zu]", mean->file, name,
                          mean->count, segment->dimension);
    FERRY_TRY(ferry_tensor_as_f32(mean, &catalog->arena, &segment->mean, error));
    float square;
    catalog->kernels->dot_rows(segment->mean, segment->mean, &square, 1, segment->dimension);
    if (square <= 1.0f + (float)WEIGHT_TOLERANCE) return FERRY_OK; /* not so NaN */
    return ferry_fail(error, FERRY_MALFORMED,
                      "%s: tensor \"%s\" has length %g, but a mean of unit vectors has at most 1",
                      mean->file, name, sqrt((double)square));
}

static ferry_status load_vectors(ferry_catalog *catalog, const ferry_file *file, ferry_error *error)
{
    ferry_safetensors tensors;
    const char *name = ferry_catalog_is_texts(catalog) ? "text" : "item";
    FERRY_TRY(ferry_safetensors_open(file, &catalog->arena, &tensors, error));
    const ferry_tensor *rows;
    FERRY_TRY(ferry_safetensors_need(&tensors, name, &rows, error));
    if (rows->rank != 2 || rows->shape[0] != catalog->count || rows->shape[1] != catalog->dimension)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu numbers, expected [%zu, %zu] from items.jsonl "
                          "and catalog.json",
                          file->name, name, rows->count, catalog->count, catalog->dimension);
    for (size_t s = 0; s < catalog->segment_count; s++)
        FERRY_TRY(load_mean(catalog, &catalog->segments[s], &tensors, error));
    FERRY_TRY(ferry_tensor_as_f32(rows, &catalog->arena, &catalog->vectors, error));
    return ferry_catalog_find_modalities(catalog, file->name, error);
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
