/* Loading a linear layer's weights. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "encode/layer.h"
#include "math/ops.h"

enum { MAX_NAME = 256 };

static const ferry_tensor *find_scale(const ferry_safetensors *tensors, const ferry_tensor *tensor)
{
    char name[MAX_NAME];
    int length = snprintf(name, sizeof name, "%s_scale", tensor->name);
    if (length < 0 || (size_t)length >= sizeof name) return NULL;
    return ferry_safetensors_find(tensors, name);
}

ferry_status ferry_layer_precision(const ferry_safetensors *tensors, const char *file,
                                   ferry_precision wanted, ferry_precision *out, ferry_error *error)
{
    bool quantized = false;
    for (size_t i = 0; i < tensors->count && !quantized; i++)
        quantized = tensors->tensors[i].dtype == FERRY_I8 &&
                    find_scale(tensors, &tensors->tensors[i]) != NULL;
    if (wanted == FERRY_PRECISION_F32 && quantized)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s is quantised to int8: it cannot be used with precision f32", file);
    *out = wanted;
    if (wanted == FERRY_PRECISION_AUTO)
        *out = quantized ? FERRY_PRECISION_INT8 : FERRY_PRECISION_F32;
    return FERRY_OK;
}

typedef struct loading {
    const ferry_layer_loader *loader;
    const ferry_tensor *tensor;
    size_t first, K, N;
    const float *factor;
    ferry_arena scratch; /* until the layer is packed */
} loading;

/* Room for `bytes` of what is packed of the rows: in their own place if that may be. */
static void *room(const loading *l, size_t bytes)
{
    size_t row = l->tensor->size / l->tensor->count * l->K;
    char *place = (char *)(uintptr_t)l->tensor->data + l->first * row;
    if (l->loader->overwrite && bytes <= l->N * row && (uintptr_t)place % sizeof(float) == 0)
        return place;
    return ferry_arena_array(l->loader->arena, bytes, 1);
}

/* Each output's numbers times its factor. rows [N, count] */
static void scale_rows(const loading *l, float *rows, size_t count)
{
    if (l->factor == NULL) return;
    for (size_t n = 0; n < l->N; n++)
        for (size_t k = 0; k < count; k++) rows[n * count + k] = rows[n * count + k] * l->factor[n];
}

static ferry_status load_f32(loading *l, ferry_layer *out)
{
    const float *from;
    size_t size;
    FERRY_TRY(ferry_tensor_as_f32(l->tensor, &l->scratch, &from, l->loader->error));
    float *matrix = ferry_arena_array(&l->scratch, l->N, l->K * sizeof *matrix), *panels = NULL;
    if (matrix != NULL && ferry_panels_size(l->K, l->N, &size) &&
        ferry_size_multiply(size, sizeof *panels, &size))
        panels = room(l, size);
    if (panels == NULL) return ferry_fail_memory(l->loader->error, l->tensor->name);
    memcpy(matrix, from + l->first * l->K, l->N * l->K * sizeof *matrix);
    scale_rows(l, matrix, l->K);
    ferry_pack_panels(matrix, 1, l->K, l->K, l->N, panels);
    out->panels = panels;
    return FERRY_OK;
}

/* The int8 weights w [N, K] up to `largest` and scale [N, groups] of a quantised file. */
static ferry_status read_int8(loading *l, size_t groups, int largest, int8_t *w, float *scale)
{
    ferry_error *error = l->loader->error;
    size_t rows = l->tensor->count / l->K;
    const ferry_tensor *scales = find_scale(l->loader->tensors, l->tensor);
    const float *from;
    if (scales == NULL || scales->count != rows * groups)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" is I8 and has no \"%s_scale\" of [%zu, %zu]",
                          l->tensor->file, l->tensor->name, l->tensor->name, rows, groups);
    FERRY_TRY(ferry_tensor_as_f32(scales, &l->scratch, &from, error));
    memcpy(scale, from + l->first * groups, l->N * groups * sizeof *scale);
    memcpy(w, (const int8_t *)l->tensor->data + l->first * l->K, l->N * l->K);
    for (size_t i = 0; i < l->N * l->K; i++) {
        if (w[i] > largest || w[i] < -largest)
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: tensor \"%s\" has %d at %zu, expected -%d…%d", l->tensor->file,
                              l->tensor->name, w[i], l->first * l->K + i, largest, largest);
    }
    return FERRY_OK;
}

/* A file that is quantised and one that is now have the same bits: the factor comes after. */
static ferry_status load_int8(loading *l, ferry_layer *out)
{
    ferry_error *error = l->loader->error;
    size_t groups = ferry_int8_groups(l->K), bytes, scales;
    int8_t *w = ferry_arena_array(&l->scratch, l->N, l->K);
    float *scale = ferry_arena_array(&l->scratch, l->N, groups * sizeof *scale);
    if (w == NULL || scale == NULL || !ferry_int8_panels_size(l->K, l->N, &bytes, &scales))
        return ferry_fail_memory(error, l->tensor->name);
    if (l->tensor->dtype == FERRY_I8) {
        FERRY_TRY(read_int8(l, groups, FERRY_INT8_WEIGHT_MAX, w, scale));
    } else {
        const float *from;
        FERRY_TRY(ferry_tensor_as_f32(l->tensor, &l->scratch, &from, error));
        ferry_int8_quantize_weights(from + l->first * l->K, l->K, l->N, w, scale);
    }
    scale_rows(l, scale, groups);
    uint8_t *packed = room(l, bytes);
    float *packed_scale = ferry_arena_array(l->loader->arena, scales, sizeof *packed_scale);
    if (packed == NULL || packed_scale == NULL) return ferry_fail_memory(error, l->tensor->name);
    ferry_int8_pack(w, scale, l->K, l->N, packed, packed_scale);
    out->int8 = (ferry_int8_panels){l->K, l->N, packed, packed_scale};
    return FERRY_OK;
}

ferry_status ferry_layer_load(const ferry_layer_loader *loader, const ferry_tensor *tensor,
                              size_t first, size_t K, size_t N, const float *factor,
                              ferry_precision precision, ferry_layer *out)
{
    loading l = {
        .loader = loader, .tensor = tensor, .first = first, .K = K, .N = N, .factor = factor};
    *out = (ferry_layer){.K = K, .N = N};
    ferry_arena_init(&l.scratch, loader->arena->allocator);
    ferry_status status =
        precision == FERRY_PRECISION_INT8 ? load_int8(&l, out) : load_f32(&l, out);
    ferry_arena_free(&l.scratch);
    return status;
}

/* What is quantised, w [N, K] and scale [N], for matmul_int7. */
static ferry_status pack_int7(loading *l, const int8_t *w, float *scale, int zero, ferry_layer *out)
{
    ferry_arena *arena = l->loader->arena;
    size_t bytes, groups;
    if (!ferry_int8_panels_size(l->K, l->N, &bytes, &groups))
        return ferry_fail_memory(l->loader->error, l->tensor->name);
    size_t whole = (l->N + FERRY_PANEL - 1) / FERRY_PANEL * FERRY_PANEL;
    int8_t *packed = room(l, bytes);
    float *scales = ferry_arena_array(arena, whole, sizeof *scales);
    int32_t *start = ferry_arena_array(arena, whole, sizeof *start);
    if (packed == NULL || scales == NULL || start == NULL)
        return ferry_fail_memory(l->loader->error, l->tensor->name);
    scale_rows(l, scale, 1);
    ferry_int8_pack_columns(w, scale, l->K, l->N, zero, packed, scales, start);
    out->int7 = (ferry_int8_columns){l->K, l->N, packed, scales, start};
    return FERRY_OK;
}

/* Reads or makes them. */
static ferry_status load_int7(loading *l, float input_scale, int zero, ferry_layer *out)
{
    ferry_error *error = l->loader->error;
    int8_t *w = ferry_arena_array(&l->scratch, l->N, l->K);
    float *scale = ferry_arena_array(&l->scratch, l->N, sizeof *scale);
    if (w == NULL || scale == NULL) return ferry_fail_memory(error, l->tensor->name);
    if (l->tensor->dtype == FERRY_I8) {
        FERRY_TRY(read_int8(l, 1, 127, w, scale));
    } else {
        const float *from;
        FERRY_TRY(ferry_tensor_as_f32(l->tensor, &l->scratch, &from, error));
        for (size_t n = 0; n < l->N; n++)
            scale[n] = ferry_int8_quantize(from + n * l->K, l->K, 127, w + n * l->K);
    }
    for (size_t n = 0; n < l->N; n++) scale[n] = scale[n] * input_scale;
    return pack_int7(l, w, scale, zero, out);
}

ferry_status ferry_layer_load_int7(const ferry_layer_loader *loader, const ferry_tensor *tensor,
                                   size_t K, size_t N, const float *factor, float input_scale,
                                   int zero, ferry_layer *out)
{
    loading l = {.loader = loader, .tensor = tensor, .K = K, .N = N, .factor = factor};
    *out = (ferry_layer){.K = K, .N = N};
    ferry_arena_init(&l.scratch, loader->arena->allocator);
    ferry_status status = load_int7(&l, input_scale, zero, out);
    ferry_arena_free(&l.scratch);
    return status;
}

ferry_status ferry_layer_pack(ferry_arena *arena, const float *matrix, size_t K, size_t N,
                              ferry_layer *out, ferry_error *error)
{
    size_t size;
    float *panels = NULL;
    if (ferry_panels_size(K, N, &size)) panels = ferry_arena_array(arena, size, sizeof *panels);
    if (panels == NULL) return ferry_fail_memory(error, "a layer's weights");
    ferry_pack_panels(matrix, 1, K, K, N, panels);
    *out = (ferry_layer){.K = K, .N = N, .panels = panels};
    return FERRY_OK;
}
