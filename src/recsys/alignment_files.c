/* An alignment's two files, written and read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"
#include "recsys/alignment.h"

#define ALIGN_FORMAT "ferry-align"
enum {
    ALIGN_VERSION = 1,
    MAX_SIDE = 1 << 16, /* of a matrix: features, texts, classes, hidden units */
    MAX_ITEMS = 1 << 28,
    MOST_TENSORS = 20,
};

/* ---- writing ---- */

static bool add_float(cJSON *to, const char *name, float value)
{
    return ferry_json_add(to, name, ferry_json_from_float(value));
}

static bool add_heads(cJSON *json, const ferry_alignment *a)
{
    cJSON *heads = cJSON_AddObjectToObject(json, "heads");
    bool fits = heads != NULL;
    for (int head = 0; head < FERRY_ALIGN_HEADS && fits; head++) {
        if (a->weight[head] == 0.0f) continue;
        cJSON *about =
            cJSON_AddObjectToObject(heads, ferry_align_head_name((ferry_align_head)head));
        fits = about != NULL && add_float(about, "weight", a->weight[head]);
        if (fits && head == FERRY_ALIGN_HEAD_RIDGE) fits = add_float(about, "lambda", a->lambda);
        if (fits && head == FERRY_ALIGN_HEAD_INFONCE)
            fits = add_float(about, "temperature", a->temperature);
    }
    return fits;
}

ferry_status ferry_alignment_write_json(const ferry_alignment *a, ferry_buffer *out,
                                        ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    char key[20];
    snprintf(key, sizeof key, "%016llx", (unsigned long long)a->key);
    bool built = cJSON_AddStringToObject(json, "format", ALIGN_FORMAT) != NULL &&
                 cJSON_AddNumberToObject(json, "version", ALIGN_VERSION) != NULL &&
                 cJSON_AddStringToObject(json, "modality", a->modality) != NULL &&
                 cJSON_AddStringToObject(json, "model", a->model) != NULL &&
                 cJSON_AddStringToObject(json, "text_model", a->text_model) != NULL &&
                 cJSON_AddNumberToObject(json, "features", (double)a->F) != NULL &&
                 cJSON_AddNumberToObject(json, "dimension", (double)a->D) != NULL &&
                 cJSON_AddNumberToObject(json, "pairs", (double)a->pairs) != NULL &&
                 cJSON_AddStringToObject(json, "items", key) != NULL &&
                 add_float(json, "norm", a->norm) && add_heads(json, a) &&
                 ferry_json_append(out, json) && ferry_buffer_append(out, "\n", 1);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, FERRY_ALIGN_JSON);
}

typedef struct tensor_list {
    ferry_tensor tensor[MOST_TENSORS];
    size_t count;
} tensor_list;

/* rows 0: a vector */
static void add_tensor(tensor_list *list, const char *name, const float *data, size_t rows,
                       size_t columns)
{
    ferry_tensor *tensor = &list->tensor[list->count++];
    size_t count = (rows > 0 ? rows : 1) * columns;
    *tensor = (ferry_tensor){.name = name,
                             .dtype = FERRY_F32,
                             .rank = rows > 0 ? 2 : 1,
                             .shape = {rows > 0 ? rows : columns, columns},
                             .count = count,
                             .data = data,
                             .size = count * sizeof *data};
}

ferry_status ferry_alignment_write_tensors(const ferry_alignment *a, ferry_buffer *out,
                                           ferry_error *error)
{
    tensor_list list = {.count = 0};
    size_t F = a->F, D = a->D;
    add_tensor(&list, "text.mean", a->text_mean, 0, D);
    if (a->whiten.weight != NULL) add_tensor(&list, "text.whiten", a->whiten.weight, D, D);
    add_tensor(&list, "feature.mean", a->mean, 0, F);
    add_tensor(&list, "feature.scale", a->scale, 0, F);
    if (a->weight[FERRY_ALIGN_HEAD_BRIDGE] != 0.0f) {
        size_t C = a->classifier.N;
        add_tensor(&list, "bridge.classifier.weight", a->classifier.weight, C, F);
        add_tensor(&list, "bridge.classifier.bias", a->classifier.bias, 0, C);
        add_tensor(&list, "bridge.labels", a->labels, C, D);
        add_tensor(&list, "bridge.mean", a->bridge_mean, 0, D);
    }
    if (a->weight[FERRY_ALIGN_HEAD_RIDGE] != 0.0f)
        add_tensor(&list, "ridge.weight", a->ridge.weight, D, F);
    if (a->weight[FERRY_ALIGN_HEAD_INFONCE] != 0.0f) {
        size_t h = a->in.N;
        add_tensor(&list, "infonce.in.weight", a->in.weight, h, F);
        add_tensor(&list, "infonce.in.bias", a->in.bias, 0, h);
        add_tensor(&list, "infonce.out.weight", a->out.weight, D, h);
        add_tensor(&list, "infonce.out.bias", a->out.bias, 0, D);
        add_tensor(&list, "infonce.skip.weight", a->skip.weight, D, F);
        add_tensor(&list, "infonce.skip.bias", a->skip.bias, 0, D);
    }
    if (a->item_count > 0) add_tensor(&list, "items", a->items, a->item_count, D);
    return ferry_safetensors_write(list.tensor, list.count, NULL, 0, out, error);
}

/* ---- reading ---- */

typedef struct reader {
    ferry_alignment *a;
    ferry_safetensors tensors;
    const char *file;
} reader;

static ferry_status finite(const float *x, size_t count, const char *file, const char *name,
                           ferry_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" has a number that is not finite",
                              file, name);
    return FERRY_OK;
}

/* A tensor [rows, columns], or [columns] where rows is NULL; *rows 0 takes what it has. */
static ferry_status take(const reader *r, const char *name, size_t *rows, size_t columns,
                         const float **out, ferry_error *error)
{
    const ferry_tensor *tensor = ferry_safetensors_find(&r->tensors, name);
    size_t rank = rows != NULL ? 2 : 1;
    if (tensor == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: tensor \"%s\" is missing", r->file, name);
    if (tensor->rank != rank || tensor->shape[rank - 1] != columns ||
        (rows != NULL && *rows != 0 && *rows != tensor->shape[0]) || tensor->count == 0)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: \"%s\" has %zu numbers, expected %s%zu] as the rest says", r->file,
                          name, tensor->count, rows != NULL ? "[any or given, " : "[", columns);
    if (rows != NULL) *rows = tensor->shape[0];
    if (rows != NULL && *rows > MAX_ITEMS)
        return ferry_fail(error, FERRY_LIMIT, "%s: \"%s\" has %zu rows", r->file, name, *rows);
    FERRY_TRY(ferry_tensor_as_f32(tensor, &r->a->arena, out, error));
    return finite(*out, tensor->count, r->file, name, error);
}

/* NAME.weight [rows, K] and NAME.bias [rows]; *rows as of take */
static ferry_status take_dense(const reader *r, const char *name, bool with_bias, size_t *rows,
                               size_t K, ferry_dense *out, ferry_error *error)
{
    char full[64];
    const float *weight, *bias = NULL;
    snprintf(full, sizeof full, "%s.weight", name);
    FERRY_TRY(take(r, full, rows, K, &weight, error));
    if (*rows > MAX_SIDE)
        return ferry_fail(error, FERRY_LIMIT, "%s: \"%s\" has %zu rows, at most %d are read",
                          r->file, full, *rows, MAX_SIDE);
    snprintf(full, sizeof full, "%s.bias", name);
    if (with_bias) FERRY_TRY(take(r, full, NULL, *rows, &bias, error));
    if (!ferry_dense_init(out, weight, bias, K, *rows, &r->a->arena))
        return ferry_fail_memory(error, name);
    return FERRY_OK;
}

static ferry_status take_heads(const reader *r, ferry_error *error)
{
    ferry_alignment *a = r->a;
    size_t F = a->F, D = a->D, C = 0, h = 0;
    if (a->weight[FERRY_ALIGN_HEAD_BRIDGE] != 0.0f) {
        FERRY_TRY(take_dense(r, "bridge.classifier", true, &C, F, &a->classifier, error));
        FERRY_TRY(take(r, "bridge.labels", &C, D, &a->labels, error));
        FERRY_TRY(take(r, "bridge.mean", NULL, D, &a->bridge_mean, error));
    }
    if (a->weight[FERRY_ALIGN_HEAD_RIDGE] != 0.0f)
        FERRY_TRY(take_dense(r, "ridge", false, &D, F, &a->ridge, error));
    if (a->weight[FERRY_ALIGN_HEAD_INFONCE] == 0.0f) return FERRY_OK;
    FERRY_TRY(take_dense(r, "infonce.in", true, &h, F, &a->in, error));
    FERRY_TRY(take_dense(r, "infonce.out", true, &D, h, &a->out, error));
    return take_dense(r, "infonce.skip", true, &D, F, &a->skip, error);
}

static ferry_status read_head(const cJSON *heads, ferry_align_head head, const char *where,
                              ferry_alignment *a, ferry_error *error)
{
    double weight = 0.0, lambda = a->lambda, temperature = a->temperature;
    const cJSON *about = ferry_json_get(heads, ferry_align_head_name(head));
    if (about == NULL) return FERRY_OK;
    FERRY_TRY(ferry_json_number(about, "weight", where, &weight, error));
    FERRY_TRY(ferry_json_number(about, "lambda", where, &lambda, error));
    FERRY_TRY(ferry_json_number(about, "temperature", where, &temperature, error));
    if (!(weight > 0.0 && weight <= 1e6))
        return ferry_fail(error, FERRY_MALFORMED, "%s: head \"%s\" has weight %g, expected above 0",
                          where, ferry_align_head_name(head), weight);
    a->weight[head] = (float)weight;
    a->lambda = (float)lambda;
    a->temperature = (float)temperature;
    return FERRY_OK;
}

static ferry_status copy_name(const cJSON *json, const char *key, const char *where,
                              ferry_alignment *a, const char **out, ferry_error *error)
{
    const char *name = "";
    FERRY_TRY(ferry_json_string(json, key, where, &name, error));
    *out = ferry_arena_text(&a->arena, name, strlen(name));
    return *out != NULL ? FERRY_OK : ferry_fail_memory(error, where);
}

/* "items": 16 hexadecimal digits */
static ferry_status read_key(const cJSON *json, const char *where, uint64_t *key,
                             ferry_error *error)
{
    const char *text = "0";
    FERRY_TRY(ferry_json_string(json, "items", where, &text, error));
    if (strlen(text) > 16 || strspn(text, "0123456789abcdef") != strlen(text))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: \"items\" is \"%.40s\", expected 16 hexadecimal digits", where,
                          text);
    *key = 0;
    for (; *text != '\0'; text++)
        *key = *key << 4 | (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    return FERRY_OK;
}

static ferry_status read_json(const cJSON *json, const char *where, ferry_alignment *a,
                              ferry_error *error)
{
    const char *format = "";
    size_t version = 0;
    double norm = 0.0;
    FERRY_TRY(ferry_json_string(json, "format", where, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", where, UINT32_MAX, &version, error));
    if (strcmp(format, ALIGN_FORMAT) != 0 || version != ALIGN_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: format \"%s\" version %zu, expected \"%s\" version %d", where,
                          format, version, ALIGN_FORMAT, ALIGN_VERSION);
    FERRY_TRY(copy_name(json, "modality", where, a, &a->modality, error));
    FERRY_TRY(copy_name(json, "model", where, a, &a->model, error));
    FERRY_TRY(copy_name(json, "text_model", where, a, &a->text_model, error));
    FERRY_TRY(ferry_json_size_required(json, "features", where, MAX_SIDE, &a->F, error));
    FERRY_TRY(ferry_json_size_required(json, "dimension", where, MAX_SIDE, &a->D, error));
    FERRY_TRY(ferry_json_size(json, "pairs", where, MAX_ITEMS, &a->pairs, error));
    FERRY_TRY(ferry_json_number(json, "norm", where, &norm, error));
    FERRY_TRY(read_key(json, where, &a->key, error));
    if (a->F == 0 || a->D == 0 || !(norm > 0.0 && norm < 1e6))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: features %zu, dimension %zu, norm %g: expected numbers above 0",
                          where, a->F, a->D, norm);
    a->norm = (float)norm;
    const cJSON *heads = ferry_json_get(json, "heads");
    float sum = 0.0f;
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) {
        FERRY_TRY(read_head(heads, (ferry_align_head)head, where, a, error));
        sum = sum + a->weight[head];
    }
    if (sum == 0.0f)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"heads\" has none of those known", where);
    return FERRY_OK;
}

static ferry_status required(ferry_files files, const char *name, const ferry_file **out,
                             ferry_error *error)
{
    *out = ferry_files_find(files, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing; `ferry align` writes it", name);
}

ferry_status ferry_alignment_read(ferry_alignment *a, ferry_files files, ferry_error *error)
{
    const ferry_file *about, *numbers;
    cJSON *json;
    FERRY_TRY(required(files, FERRY_ALIGN_JSON, &about, error));
    FERRY_TRY(required(files, FERRY_ALIGN_TENSORS, &numbers, error));
    FERRY_TRY(ferry_json_parse(about->data, about->size, about->name, &json, error));
    ferry_status status = read_json(json, about->name, a, error);
    cJSON_Delete(json);
    FERRY_TRY(status);
    reader r = {.a = a, .file = numbers->name};
    FERRY_TRY(ferry_safetensors_open(numbers, &a->arena, &r.tensors, error));
    FERRY_TRY(take(&r, "text.mean", NULL, a->D, &a->text_mean, error));
    if (ferry_safetensors_find(&r.tensors, "text.whiten") != NULL) {
        const float *weight;
        FERRY_TRY(take(&r, "text.whiten", &a->D, a->D, &weight, error));
        if (!ferry_dense_init(&a->whiten, weight, NULL, a->D, a->D, &a->arena))
            return ferry_fail_memory(error, "text.whiten");
    }
    FERRY_TRY(take(&r, "feature.mean", NULL, a->F, &a->mean, error));
    FERRY_TRY(take(&r, "feature.scale", NULL, a->F, &a->scale, error));
    FERRY_TRY(take_heads(&r, error));
    if (ferry_safetensors_find(&r.tensors, "items") == NULL) return FERRY_OK;
    return take(&r, "items", &a->item_count, a->D, &a->items, error);
}
