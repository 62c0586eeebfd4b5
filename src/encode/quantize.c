#include "encode/quantize.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "encode/image_encoder.h"
#include "encode/sound_encoder.h"
#include "encode/text_config.h"
#include "input/safetensors.h"
#include "math/int8.h"

typedef struct quantizer {
    ferry_arena arena;
    bool pictures, sounds; /* or texts */
    ferry_tensor *tensors; /* [count] of the new file */
    size_t count;
    ferry_error *error;
} quantizer;

typedef enum action {
    LEAVE_OUT,
    KEEP,
    BY_ROW,  /* int8 with one scale a row */
    BY_GROUP /* int8 with one for 64 neighbours */
} action;

static bool has_part(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

/* "embeddings." and "encoder." are what the encoder uses; "bert." may come before them. */
static const char *used_part(const char *name)
{
    if (strncmp(name, "bert.", 5) == 0) name += 5;
    bool used = strncmp(name, "embeddings.", 11) == 0 || strncmp(name, "encoder.", 8) == 0;
    return used && !has_part(name, "position_ids") ? name : NULL;
}

static action action_of_text(const ferry_tensor *tensor)
{
    const char *part = used_part(tensor->name);
    if (part == NULL) return LEAVE_OUT;
    if (tensor->rank != 2) return KEEP;
    if (strcmp(part, "embeddings.word_embeddings.weight") == 0) return BY_ROW;
    return strncmp(part, "encoder.", 8) == 0 ? BY_GROUP : KEEP;
}

/* The blocks' matrices of a vision transformer and of a text tower beside it, and that one's words;
 * EfficientNet's convolutions of single pixels and its classifier. */
static action action_of_picture(const ferry_tensor *tensor)
{
    const char *name = tensor->name;
    if (has_part(name, "position_ids") || has_part(name, "num_batches_tracked")) return LEAVE_OUT;
    bool matrix = tensor->rank == 2 && has_part(name, ".weight") && has_part(name, "encoder.layer");
    bool pixels =
        tensor->rank == 4 && tensor->shape[1] > 1 && tensor->shape[2] == 1 && tensor->shape[3] == 1;
    if (pixels || strcmp(name, "classifier.weight") == 0 ||
        strcmp(name, "text_model.embeddings.token_embedding.weight") == 0)
        return BY_ROW;
    return matrix ? BY_GROUP : KEEP;
}

static action action_of_sound(const ferry_tensor *tensor)
{
    return tensor->rank == 4 && ferry_vgg_quantizes(tensor->name) ? BY_ROW : KEEP;
}

/* w, of the tensor's own shape, and its scales [rows, groups] in place of a float matrix [rows,
 * columns], whose columns may be those of several dimensions. */
static ferry_status add_int8(quantizer *q, const ferry_tensor *tensor, bool by_row)
{
    size_t N = tensor->shape[0], K = N > 0 ? tensor->count / N : 0;
    size_t G = by_row ? 1 : ferry_int8_groups(K);
    size_t name_size = strlen(tensor->name) + sizeof "_scale";
    const float *from;
    int8_t *w = ferry_arena_array(&q->arena, N, K);
    float *scale = ferry_arena_array(&q->arena, N, G * sizeof *scale);
    char *name = ferry_arena_array(&q->arena, name_size, 1);
    if (w == NULL || scale == NULL || name == NULL)
        return ferry_fail_memory(q->error, tensor->name);
    FERRY_TRY(ferry_tensor_as_f32(tensor, &q->arena, &from, q->error));
    if (by_row) {
        for (size_t n = 0; n < N; n++)
            scale[n] = ferry_int8_quantize(from + n * K, K, 127, w + n * K);
    } else {
        ferry_int8_quantize_weights(from, K, N, w, scale);
    }
    snprintf(name, name_size, "%s_scale", tensor->name);
    q->tensors[q->count++] = (ferry_tensor){.name = name,
                                            .dtype = FERRY_F32,
                                            .rank = by_row ? 1 : 2,
                                            .shape = {N, G},
                                            .count = N * G,
                                            .data = scale,
                                            .size = N * G * sizeof *scale};
    ferry_tensor quantized = *tensor;
    quantized.dtype = FERRY_I8;
    quantized.data = w;
    quantized.size = N * K;
    q->tensors[q->count++] = quantized;
    return FERRY_OK;
}

static ferry_status add_tensor(quantizer *q, const ferry_tensor *tensor)
{
    action what = q->pictures ? action_of_picture(tensor)
                  : q->sounds ? action_of_sound(tensor)
                              : action_of_text(tensor);
    if (what == LEAVE_OUT) return FERRY_OK;
    if (tensor->dtype == FERRY_I8 || tensor->dtype == FERRY_U8)
        return ferry_fail(q->error, FERRY_UNSUPPORTED, "%s: tensor \"%s\" is %s already",
                          tensor->file, tensor->name, tensor->dtype == FERRY_I8 ? "int8" : "4-bit");
    if (what != KEEP) return add_int8(q, tensor, what == BY_ROW);
    q->tensors[q->count++] = *tensor;
    return FERRY_OK;
}

/* An EfficientNet's biases take back what quantising shifts. */
static ferry_status move_bias(quantizer *q, const ferry_safetensors *tensors,
                              const ferry_tensor *weight)
{
    const char *name;
    float *moved;
    if (action_of_picture(weight) != BY_ROW || strncmp(weight->name, "text_model.", 11) == 0)
        return FERRY_OK;
    FERRY_TRY(ferry_efficientnet_shift(tensors, weight, &q->arena, &name, &moved, q->error));
    for (size_t i = 0; i < q->count && moved != NULL; i++) {
        if (strcmp(q->tensors[i].name, name) != 0) continue;
        q->tensors[i].dtype = FERRY_F32;
        q->tensors[i].data = moved;
        q->tensors[i].size = q->tensors[i].count * sizeof *moved;
    }
    return FERRY_OK;
}

/* Wide dtypes first, so that each tensor stays aligned. */
static int by_width(const void *a, const void *b)
{
    const ferry_tensor *x = a, *y = b;
    if (x->dtype != y->dtype) return x->dtype < y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

static ferry_status quantize(quantizer *q, const ferry_file *file, ferry_buffer *out)
{
    ferry_safetensors tensors;
    FERRY_TRY(ferry_safetensors_open(file, &q->arena, &tensors, q->error));
    q->tensors = ferry_arena_array(&q->arena, 2 * tensors.count + 1, sizeof *q->tensors);
    if (q->tensors == NULL) return ferry_fail_memory(q->error, file->name);
    for (size_t i = 0; i < tensors.count; i++) FERRY_TRY(add_tensor(q, &tensors.tensors[i]));
    for (size_t i = 0; i < tensors.count && q->pictures; i++)
        FERRY_TRY(move_bias(q, &tensors, &tensors.tensors[i]));
    qsort(q->tensors, q->count, sizeof *q->tensors, by_width);
    const ferry_safetensors_pair about[] = {
        {"format", "pt"},
        {"quantization", q->pictures || q->sounds ? "ferry int8" : "ferry int8, groups of 64"}};
    return ferry_safetensors_write(q->tensors, q->count, about, 2, out, q->error);
}

ferry_status ferry_quantize(ferry_files files, const ferry_allocator *allocator, ferry_buffer *out,
                            ferry_error *error)
{
    const ferry_file *weights = ferry_files_find(files, "model.safetensors");
    quantizer q = {.error = error,
                   .pictures = ferry_image_encoder_recognises(files),
                   .sounds = ferry_sound_encoder_recognises(files)};
    ferry_text_config config; /* read so that only what Ferry can use is quantised */
    if (!q.pictures && !q.sounds) FERRY_TRY(ferry_text_config_read(files, &config, error));
    if (weights == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "model.safetensors is missing");
    ferry_arena_init(&q.arena, *allocator);
    ferry_status status = quantize(&q, weights, out);
    ferry_arena_free(&q.arena);
    return status;
}
