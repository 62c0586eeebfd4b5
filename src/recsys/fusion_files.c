/* A fusion's two files, written and read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"
#include "recsys/fusion.h"

#define FUSION_FORMAT "ferry-fusion"
enum { FUSION_VERSION = 1, PARTS = 5, MOST_SIDE = 1 << 16 };
static const char *const input_names[FERRY_FUSION_INPUTS] = {"text", "image", "audio"};

/* A tensor of the block: text.weight, image.gate… */
typedef struct part {
    char name[32];
    size_t offset, rows, columns; /* rows 0: a vector */
} part;

/* The parts of input m that the kind has; returns how many. */
static size_t list_parts(const ferry_fusion_shape *shape, const ferry_fusion_layout *layout,
                         size_t m, part out[PARTS])
{
    size_t count = 0, K = shape->K[m], N = shape->N;
    const struct {
        const char *name;
        bool there;
        size_t offset, rows, columns;
    } all[PARTS] = {
        {"weight", ferry_fusion_projects(shape, m), layout->weight[m], N, K},
        {"bias", ferry_fusion_projects(shape, m), layout->bias[m], 0, N},
        {"absent", K > 0 && shape->kind == FERRY_FUSION_CONCAT, layout->absent[m], 0, N},
        {"gate", K > 0 && shape->kind == FERRY_FUSION_GATED, layout->gate[m], 0, K + 1},
        {"strength", K > 0 && shape->kind == FERRY_FUSION_PROJECT, layout->strength[m], 0, 1},
    };
    for (size_t i = 0; i < PARTS; i++) {
        if (!all[i].there) continue;
        out[count] =
            (part){.offset = all[i].offset, .rows = all[i].rows, .columns = all[i].columns};
        snprintf(out[count].name, sizeof out[count].name, "%s.%s", input_names[m], all[i].name);
        count++;
    }
    return count;
}

ferry_status ferry_fusion_write_json(const ferry_fusion *fusion, ferry_buffer *out,
                                     ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    const ferry_fusion_shape *shape = &fusion->shape;
    bool built =
        cJSON_AddStringToObject(json, "format", FUSION_FORMAT) != NULL &&
        cJSON_AddNumberToObject(json, "version", FUSION_VERSION) != NULL &&
        cJSON_AddStringToObject(json, "kind", ferry_fusion_kind_name(shape->kind)) != NULL &&
        cJSON_AddNumberToObject(json, "dimension", (double)shape->N) != NULL;
    cJSON *inputs = built ? cJSON_AddObjectToObject(json, "inputs") : NULL;
    built = inputs != NULL;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS && built; m++)
        if (shape->K[m] > 0)
            built = cJSON_AddNumberToObject(inputs, input_names[m], (double)shape->K[m]) != NULL;
    built = built && ferry_json_append(out, json) && ferry_buffer_append(out, "\n", 1);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, FERRY_FUSION_JSON);
}

static ferry_tensor vector_of(const char *name, const float *data, size_t count)
{
    return (ferry_tensor){.name = name,
                          .dtype = FERRY_F32,
                          .rank = 1,
                          .shape = {count},
                          .count = count,
                          .data = data,
                          .size = count * sizeof *data};
}

ferry_status ferry_fusion_write_tensors(const ferry_fusion *fusion, ferry_buffer *out,
                                        ferry_error *error)
{
    part parts[FERRY_FUSION_INPUTS * PARTS];
    ferry_tensor tensors[FERRY_FUSION_INPUTS * (PARTS + 2)];
    char names[FERRY_FUSION_INPUTS][2][32];
    size_t count = 0;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        count += list_parts(&fusion->shape, &fusion->layout, m, parts + count);
    for (size_t i = 0; i < count; i++) {
        const part *p = &parts[i];
        size_t numbers = (p->rows > 0 ? p->rows : 1) * p->columns;
        tensors[i] = (ferry_tensor){.name = p->name,
                                    .dtype = FERRY_F32,
                                    .rank = p->rows > 0 ? 2 : 1,
                                    .shape = {p->rows > 0 ? p->rows : p->columns, p->columns},
                                    .count = numbers,
                                    .data = fusion->parameters + p->offset,
                                    .size = numbers * sizeof(float)};
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t K = fusion->shape.K[m];
        if (K == 0) continue;
        snprintf(names[m][0], sizeof names[m][0], "%s.mean", input_names[m]);
        snprintf(names[m][1], sizeof names[m][1], "%s.scale", input_names[m]);
        tensors[count++] = vector_of(names[m][0], fusion->mean[m], K);
        tensors[count++] = vector_of(names[m][1], &fusion->scale[m], 1);
    }
    return ferry_safetensors_write(tensors, count, NULL, 0, out, error);
}

static ferry_status read_json(const cJSON *json, const char *where, ferry_fusion_shape *shape,
                              ferry_error *error)
{
    const char *format = "", *kind = "";
    size_t version = 0;
    FERRY_TRY(ferry_json_string(json, "format", where, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", where, UINT32_MAX, &version, error));
    if (strcmp(format, FUSION_FORMAT) != 0 || version != FUSION_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: format \"%s\" version %zu, expected \"%s\" version %d", where,
                          format, version, FUSION_FORMAT, FUSION_VERSION);
    FERRY_TRY(ferry_json_string(json, "kind", where, &kind, error));
    if (ferry_fusion_kind_of(kind, &shape->kind, error) != FERRY_OK)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: fusion of kind \"%s\", expected concat, gated or project", where,
                          kind);
    FERRY_TRY(ferry_json_size_required(json, "dimension", where, MOST_SIDE, &shape->N, error));
    const cJSON *inputs = ferry_json_get(json, "inputs");
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        FERRY_TRY(ferry_json_size(inputs, input_names[m], where, MOST_SIDE, &shape->K[m], error));
    return ferry_fusion_check(shape, error);
}

static ferry_status read_part(const ferry_safetensors *tensors, const part *p, const char *file,
                              ferry_arena *arena, float *to, ferry_error *error)
{
    const ferry_tensor *tensor = ferry_safetensors_find(tensors, p->name);
    const float *from;
    if (tensor == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: tensor \"%s\" is missing", file, p->name);
    size_t numbers = (p->rows > 0 ? p->rows : 1) * p->columns;
    if (tensor->rank != (p->rows > 0 ? 2 : 1) || tensor->count != numbers ||
        tensor->shape[tensor->rank - 1] != p->columns)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: \"%s\" has %zu numbers, expected [%zu, %zu] from %s", file, p->name,
                          tensor->count, p->rows, p->columns, FERRY_FUSION_JSON);
    FERRY_TRY(ferry_tensor_as_f32(tensor, arena, &from, error));
    for (size_t i = 0; i < numbers; i++) {
        if (!isfinite(from[i]))
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" has a number that is not finite",
                              file, p->name);
        to[i] = from[i];
    }
    return FERRY_OK;
}

static ferry_status find_file(ferry_files files, const char *name, const ferry_file **out,
                              ferry_error *error)
{
    *out = ferry_files_find(files, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing; `ferry align --fusion` writes it",
                      name);
}

/* The tensors are checked against the shape before the block is allocated, so that a few bytes of
 * JSON cannot ask for gigabytes. */
static ferry_status read_tensors(ferry_fusion *fusion, const ferry_fusion_shape *shape,
                                 const ferry_file *file, ferry_error *error)
{
    ferry_safetensors tensors;
    part parts[PARTS];
    ferry_fusion_layout layout = ferry_fusion_lay_out(shape);
    FERRY_TRY(ferry_safetensors_open(file, &fusion->arena, &tensors, error));
    if (layout.size > file->size / sizeof(float))
        return ferry_fail(error, FERRY_MALFORMED, "%s: %zu bytes, expected %zu numbers", file->name,
                          file->size, layout.size);
    float *block = ferry_arena_array(&fusion->arena, layout.size, sizeof *block);
    if (block == NULL) return ferry_fail_memory(error, "the fusion");
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t count = list_parts(shape, &layout, m, parts);
        for (size_t i = 0; i < count; i++)
            FERRY_TRY(read_part(&tensors, &parts[i], file->name, &fusion->arena,
                                block + parts[i].offset, error));
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (shape->K[m] == 0) continue;
        part mean = {.columns = shape->K[m]}, scale = {.columns = 1};
        snprintf(mean.name, sizeof mean.name, "%s.mean", input_names[m]);
        snprintf(scale.name, sizeof scale.name, "%s.scale", input_names[m]);
        const ferry_tensor *there = ferry_safetensors_find(&tensors, mean.name);
        if (there == NULL || there->count != shape->K[m]) /* before room is made for it */
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is missing, or not [%zu]",
                              file->name, mean.name, shape->K[m]);
        float *to = ferry_arena_array(&fusion->arena, shape->K[m], sizeof *to);
        if (to == NULL) return ferry_fail_memory(error, "the fusion");
        FERRY_TRY(read_part(&tensors, &mean, file->name, &fusion->arena, to, error));
        FERRY_TRY(
            read_part(&tensors, &scale, file->name, &fusion->arena, &fusion->scale[m], error));
        fusion->mean[m] = to;
    }
    return ferry_fusion_init(fusion, shape, block, error);
}

ferry_status ferry_fusion_read(ferry_fusion *fusion, ferry_files files, ferry_error *error)
{
    const ferry_file *about, *numbers;
    ferry_fusion_shape shape = {.N = 0};
    cJSON *json;
    FERRY_TRY(find_file(files, FERRY_FUSION_JSON, &about, error));
    FERRY_TRY(find_file(files, FERRY_FUSION_TENSORS, &numbers, error));
    FERRY_TRY(ferry_json_parse(about->data, about->size, about->name, &json, error));
    ferry_status status = read_json(json, about->name, &shape, error);
    cJSON_Delete(json);
    FERRY_TRY(status);
    return read_tensors(fusion, &shape, numbers, error);
}
