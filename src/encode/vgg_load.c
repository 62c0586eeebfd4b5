/* Reading musicnn's VGG under the names models/musicnn.py gives its tensors, which are torch's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "encode/vgg.h"
#include "math/ops.h"

enum { MAX_CHANNELS = 1 << 10, MAX_CLASSES = 1 << 16 };

typedef struct loader {
    const ferry_file *file;
    ferry_safetensors tensors;
    ferry_arena *arena;  /* what stays */
    ferry_arena scratch; /* until loading is done */
    ferry_error *error;
} loader;

/* Tensor "name.part" of shape [rank], where 0 takes what there is, from 1 to most. */
static ferry_status read(loader *load, const char *name, const char *part, size_t rank,
                         size_t shape[], size_t most, const float **out)
{
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, part);
    const ferry_tensor *tensor = ferry_safetensors_find(&load->tensors, full);
    if (tensor == NULL)
        return ferry_fail(load->error, FERRY_NOT_FOUND, "%s: tensor \"%s\" is missing",
                          load->file->name, full);
    if (tensor->rank != rank)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu dimensions, expected %zu", load->file->name,
                          full, tensor->rank, rank);
    for (size_t i = 0; i < rank; i++) {
        size_t found = tensor->shape[i];
        if (shape[i] == 0 && found >= 1 && found <= most) shape[i] = found;
        if (found != shape[i])
            return ferry_fail(load->error, FERRY_MALFORMED,
                              "%s: tensor \"%s\": dimension %zu is %zu, expected %zu",
                              load->file->name, full, i, found, shape[i] > 0 ? shape[i] : most);
    }
    return ferry_tensor_as_f32(tensor, &load->scratch, out, load->error);
}

static ferry_status read_vector(loader *load, const char *name, const char *part, size_t N,
                                const float **out)
{
    return read(load, name, part, 1, &N, 0, out);
}

/* A batch norm as the factor and the summand of each channel, [N]. */
static ferry_status read_norm(loader *load, const char *name, size_t N, float *scale, float *shift)
{
    const double epsilon = 1e-3;
    const float *weight, *bias, *mean, *variance;
    FERRY_TRY(read_vector(load, name, "weight", N, &weight));
    FERRY_TRY(read_vector(load, name, "bias", N, &bias));
    FERRY_TRY(read_vector(load, name, "running_mean", N, &mean));
    FERRY_TRY(read_vector(load, name, "running_var", N, &variance));
    for (size_t n = 0; n < N; n++) {
        double factor = (double)weight[n] / sqrt((double)variance[n] + epsilon);
        scale[n] = (float)factor;
        shift[n] = (float)((double)bias[n] - (double)mean[n] * factor);
    }
    return FERRY_OK;
}

/* matrix [N, K] as panels, and its bias, in the arena. */
static ferry_status keep(loader *load, const char *name, const float *matrix, size_t K, size_t N,
                         const float **panels, const float **bias)
{
    const float *from;
    size_t size;
    FERRY_TRY(read_vector(load, name, "bias", N, &from));
    float *packed = NULL, *copy = ferry_arena_array(load->arena, N, sizeof *copy);
    if (ferry_panels_size(K, N, &size))
        packed = ferry_arena_array(load->arena, size, sizeof *packed);
    if (packed == NULL || copy == NULL) return ferry_fail_memory(load->error, name);
    ferry_pack_panels(matrix, 1, K, K, N, packed);
    memcpy(copy, from, N * sizeof *copy);
    *panels = packed;
    *bias = copy;
    return FERRY_OK;
}

static ferry_status load_layer(loader *load, size_t number, ferry_vgg_layer *out)
{
    char conv[16], norm[16];
    snprintf(conv, sizeof conv, "conv%zu", number);
    snprintf(norm, sizeof norm, "bn%zu", number);
    const float *weight;
    size_t shape[4] = {0, out->K, 3, 3}, K = out->K;
    FERRY_TRY(read(load, conv, "weight", 4, shape, MAX_CHANNELS, &weight));
    size_t N = out->N = shape[0];
    float *matrix = ferry_arena_array(&load->scratch, N, 9 * K * sizeof *matrix);
    float *scale = ferry_arena_array(load->arena, N, sizeof *scale);
    float *shift = ferry_arena_array(load->arena, N, sizeof *shift);
    out->x = ferry_arena_array(load->arena, (out->H + 2) * (out->W + 2), K * sizeof *out->x);
    if (matrix == NULL || scale == NULL || shift == NULL || out->x == NULL)
        return ferry_fail_memory(load->error, conv);
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < 9; i++) matrix[(n * 9 + i) * K + k] = *weight++;
    FERRY_TRY(keep(load, conv, matrix, 9 * K, N, &out->w, &out->bias));
    FERRY_TRY(read_norm(load, norm, N, scale, shift));
    out->scale = scale;
    out->shift = shift;
    return FERRY_OK;
}

static ferry_status load_classifier(loader *load, ferry_vgg *out)
{
    const float *weight;
    size_t shape[2] = {0, out->features};
    FERRY_TRY(read(load, "classifier", "weight", 2, shape, MAX_CLASSES, &weight));
    out->classes = shape[0];
    return keep(load, "classifier", weight, out->features, out->classes, &out->classifier,
                &out->classifier_bias);
}

static ferry_status load_all(loader *load, ferry_vgg *out)
{
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    FERRY_TRY(read_norm(load, "bn_input", 1, &out->scale, &out->shift));
    size_t H = FERRY_VGG_FRAMES, W = FERRY_MEL_BANDS, K = 1;
    for (size_t l = 0; l < FERRY_VGG_LAYERS; l++) {
        ferry_vgg_layer *layer = &out->layer[l];
        const ferry_vgg_window *window = &ferry_vgg_windows[l];
        *layer = (ferry_vgg_layer){.H = H,
                                   .W = W,
                                   .K = K,
                                   .out_H = (H - window->height) / window->down + 1,
                                   .out_W = (W - window->width) / window->across + 1};
        FERRY_TRY(load_layer(load, l + 1, layer));
        size_t needed = layer->out_W * window->width * (9 * K + layer->N);
        if (needed > out->scratch_size) out->scratch_size = needed;
        H = layer->out_H;
        W = layer->out_W;
        K = layer->N;
    }
    out->features = H * W * K;
    FERRY_TRY(load_classifier(load, out));
    out->scratch = ferry_arena_array(load->arena, ferry_pool_threads(out->pool),
                                     out->scratch_size * sizeof *out->scratch);
    return out->scratch != NULL ? FERRY_OK
                                : ferry_fail_memory(load->error, "a sound's activations");
}

ferry_status ferry_vgg_load(const ferry_file *weights, const ferry_kernels *kernels,
                            ferry_pool *pool, ferry_arena *arena, ferry_vgg *out,
                            ferry_error *error)
{
    *out = (ferry_vgg){.kernels = kernels, .pool = pool};
    loader load = {.file = weights, .arena = arena, .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_status status = load_all(&load, out);
    ferry_arena_free(&load.scratch);
    return status;
}
