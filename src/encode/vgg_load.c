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
    ferry_arena *arena;        /* what stays */
    ferry_arena scratch;       /* until loading is done */
    ferry_precision precision; /* F32 or INT8, once the file is open */
    ferry_error *error;
} loader;

/* Tensor "name.part" of shape [rank], where 0 takes what there is, from 1 to most. */
static ferry_status find(loader *load, const char *name, const char *part, size_t rank,
                         size_t shape[], size_t most, const ferry_tensor **out)
{
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, part);
    const ferry_tensor *tensor;
    FERRY_TRY(ferry_safetensors_need(&load->tensors, full, &tensor, load->error));
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
    *out = tensor;
    return FERRY_OK;
}

static ferry_status read(loader *load, const char *name, const char *part, size_t rank,
                         size_t shape[], size_t most, const float **out)
{
    const ferry_tensor *tensor = NULL;
    FERRY_TRY(find(load, name, part, rank, shape, most, &tensor));
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

static ferry_status keep_bias(loader *load, const char *name, ferry_layer *layer)
{
    const float *from;
    FERRY_TRY(read_vector(load, name, "bias", layer->N, &from));
    float *copy = ferry_arena_array(load->arena, layer->N, sizeof *copy);
    if (copy == NULL) return ferry_fail_memory(load->error, name);
    memcpy(copy, from, layer->N * sizeof *copy);
    layer->bias = copy;
    return FERRY_OK;
}

/* A convolution's weight [N, K, 3, 3] as windows lie, [N, 3, 3, K]: of I8 or of F32. */
static ferry_status turn(loader *load, ferry_tensor *tensor)
{
    size_t N = tensor->shape[0], K = tensor->shape[1];
    size_t width = tensor->dtype == FERRY_I8 ? 1 : sizeof(float);
    char *turned = ferry_arena_array(&load->scratch, tensor->count, width);
    if (turned == NULL) return ferry_fail_memory(load->error, tensor->name);
    const char *from = tensor->data;
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < 9; i++, from += width)
                memcpy(turned + ((n * 9 + i) * K + k) * width, from, width);
    tensor->data = turned;
    return FERRY_OK;
}

bool ferry_vgg_quantizes(const char *name)
{
    return strcmp(name, "conv2.weight") == 0 || strcmp(name, "conv3.weight") == 0;
}

static ferry_status load_convolution(loader *load, const char *name, size_t K, ferry_layer *out)
{
    const ferry_layer_loader weights = {&load->tensors, load->arena, false, load->error};
    const ferry_tensor *tensor = NULL;
    size_t shape[4] = {0, K, 3, 3};
    FERRY_TRY(find(load, name, "weight", 4, shape, MAX_CHANNELS, &tensor));
    ferry_tensor turned = *tensor;
    bool int8 = load->precision == FERRY_PRECISION_INT8 && ferry_vgg_quantizes(tensor->name);
    if (tensor->dtype != FERRY_I8 || !int8) {
        const float *floats;
        FERRY_TRY(ferry_tensor_as_f32(tensor, &load->scratch, &floats, load->error));
        turned.dtype = FERRY_F32;
        turned.size = tensor->count * sizeof *floats;
        turned.data = floats;
    }
    FERRY_TRY(turn(load, &turned));
    if (int8)
        FERRY_TRY(ferry_layer_load_int7(&weights, &turned, 9 * K, shape[0], NULL, 1.0f,
                                        FERRY_INT7_ZERO, out));
    else
        FERRY_TRY(ferry_layer_pack(load->arena, turned.data, 9 * K, shape[0], out, load->error));
    return keep_bias(load, name, out);
}

static ferry_status load_layer(loader *load, size_t number, ferry_vgg_layer *out)
{
    char conv[16], norm[16];
    snprintf(conv, sizeof conv, "conv%zu", number);
    snprintf(norm, sizeof norm, "bn%zu", number);
    FERRY_TRY(load_convolution(load, conv, out->K, &out->conv));
    size_t N = out->N = out->conv.N;
    float *scale = ferry_arena_array(load->arena, N, sizeof *scale);
    float *shift = ferry_arena_array(load->arena, N, sizeof *shift);
    out->x = ferry_arena_array(load->arena, (out->H + 2) * (out->W + 2), out->K * sizeof *out->x);
    if (scale == NULL || shift == NULL || out->x == NULL)
        return ferry_fail_memory(load->error, conv);
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
    FERRY_TRY(ferry_layer_pack(load->arena, weight, out->features, out->classes, &out->classifier,
                               load->error));
    return keep_bias(load, "classifier", &out->classifier);
}

/* Floats that a thread needs for a row of outputs. */
static size_t scratch_of(const ferry_vgg_layer *layer, size_t width)
{
    size_t T = layer->out_W * width, inner = 9 * layer->K, needed = T * (inner + layer->N);
    if (layer->conv.int7.weights != NULL) needed += T + T * ferry_int8_padded(inner) / 4;
    return needed;
}

static ferry_status load_all(loader *load, ferry_vgg *out)
{
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    FERRY_TRY(ferry_layer_precision(&load->tensors, load->file->name, load->precision,
                                    &load->precision, load->error));
    out->precision = load->precision;
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
        size_t needed = scratch_of(layer, window->width);
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
                            ferry_precision precision, ferry_pool *pool, ferry_arena *arena,
                            ferry_vgg *out, ferry_error *error)
{
    *out = (ferry_vgg){.kernels = kernels, .pool = pool};
    loader load = {.file = weights, .arena = arena, .precision = precision, .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_status status = load_all(&load, out);
    ferry_arena_free(&load.scratch);
    return status;
}
