/* Reading EfficientNet-Lite's weights, with each batch norm folded into the convolution before it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "encode/efficientnet.h"
#include "math/ops.h"

enum { MAX_NAME = 96, MAX_SIDE = 7, STAGES = 7, MAX_CHANNELS = 1 << 14 };

typedef struct loader {
    const ferry_file *file;
    ferry_safetensors tensors;
    ferry_arena *arena;  /* what stays */
    ferry_arena scratch; /* the tensor list, until loading is done */
    ferry_arena passing; /* one block's numbers as the file has them */
    ferry_error *error;
} loader;

static ferry_status find(loader *load, const char *name, const char *part, const ferry_tensor **out)
{
    char full[MAX_NAME + 32];
    snprintf(full, sizeof full, "%s.%s", name, part);
    *out = ferry_safetensors_find(&load->tensors, full);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(load->error, FERRY_NOT_FOUND, "%s: tensor \"%s\" is missing",
                      load->file->name, full);
}

static ferry_status vector(loader *load, const char *name, const char *part, size_t N,
                           const float **out)
{
    const ferry_tensor *tensor;
    FERRY_TRY(find(load, name, part, &tensor));
    if (tensor->rank != 1 || tensor->shape[0] != N)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu dimensions and %zu numbers, expected [%zu]",
                          load->file->name, tensor->name, tensor->rank, tensor->count, N);
    return ferry_tensor_as_f32(tensor, &load->passing, out, load->error);
}

/* The factor [N] a batch norm has for each channel's weights, and the bias [N] it adds. */
static ferry_status fold(loader *load, const char *norm, size_t N, float **factor, float **bias)
{
    const double epsilon = 1e-3;
    const float *weight, *shift, *mean, *variance;
    FERRY_TRY(vector(load, norm, "weight", N, &weight));
    FERRY_TRY(vector(load, norm, "bias", N, &shift));
    FERRY_TRY(vector(load, norm, "running_mean", N, &mean));
    FERRY_TRY(vector(load, norm, "running_var", N, &variance));
    *factor = ferry_arena_array(&load->passing, N, sizeof **factor);
    *bias = ferry_arena_array(load->arena, N, sizeof **bias);
    if (*factor == NULL || *bias == NULL) return ferry_fail_memory(load->error, norm);
    for (size_t n = 0; n < N; n++) {
        double scale = (double)weight[n] / sqrt((double)variance[n] + epsilon);
        (*factor)[n] = (float)scale;
        (*bias)[n] = (float)((double)shift[n] - (double)mean[n] * scale);
    }
    return FERRY_OK;
}

/* A convolution's weight [N, K, side, side], its shape checked; K 0 is any, as are N and side. */
static ferry_status shape(loader *load, const char *name, const ferry_tensor **tensor,
                          ferry_convolution *out)
{
    FERRY_TRY(find(load, name, "weight", tensor));
    const size_t *found = (*tensor)->shape;
    bool fits = (*tensor)->rank == 4 && found[2] == found[3] && found[2] % 2 == 1 &&
                found[2] <= MAX_SIDE && found[0] >= 1 && found[0] <= MAX_CHANNELS &&
                found[1] >= 1 && found[1] <= MAX_CHANNELS && (out->N == 0 || found[0] == out->N) &&
                (out->K == 0 || found[1] == out->K) && (out->side == 0 || found[2] == out->side);
    if (!fits)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" is not the weight of a convolution that fits the one "
                          "before it: [%zu, %zu, %zu, %zu] of %zu dimensions",
                          load->file->name, (*tensor)->name, found[0], found[1], found[2], found[3],
                          (*tensor)->rank);
    out->N = found[0];
    out->K = found[1];
    out->side = found[2];
    return FERRY_OK;
}

/* All channels to all: panels of a matrix [side * side * K, N], the window's rows, then columns,
 * then channels. */
static ferry_status load_full(loader *load, const char *name, const char *norm,
                              ferry_convolution *out)
{
    const ferry_tensor *tensor;
    const float *from;
    float *factor, *bias;
    FERRY_TRY(shape(load, name, &tensor, out));
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    FERRY_TRY(fold(load, norm, out->N, &factor, &bias));
    size_t window = out->side * out->side, inner = window * out->K, size;
    float *matrix = ferry_arena_array(&load->passing, out->N, inner * sizeof *matrix);
    float *panels = NULL;
    if (ferry_panels_size(inner, out->N, &size))
        panels = ferry_arena_array(load->arena, size, sizeof *panels);
    if (matrix == NULL || panels == NULL) return ferry_fail_memory(load->error, name);
    for (size_t n = 0; n < out->N; n++)
        for (size_t k = 0; k < out->K; k++)
            for (size_t i = 0; i < window; i++)
                matrix[n * inner + i * out->K + k] = *from++ * factor[n];
    ferry_pack_panels(matrix, 1, inner, inner, out->N, panels);
    out->w = panels;
    out->bias = bias;
    return FERRY_OK;
}

static ferry_status load_depthwise(loader *load, const char *name, const char *norm,
                                   ferry_convolution *out)
{
    const ferry_tensor *tensor;
    const float *from;
    float *factor, *bias;
    out->K = 1;
    FERRY_TRY(shape(load, name, &tensor, out));
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    FERRY_TRY(fold(load, norm, out->N, &factor, &bias));
    size_t window = out->side * out->side;
    float *w = ferry_arena_array(load->arena, out->N, window * sizeof *w);
    if (w == NULL) return ferry_fail_memory(load->error, name);
    for (size_t n = 0; n < out->N; n++)
        for (size_t i = 0; i < window; i++) w[i * out->N + n] = *from++ * factor[n];
    out->w = w;
    out->bias = bias;
    return FERRY_OK;
}

/* One block, whose input has `channels`, and from then on its output's. */
static ferry_status load_block(loader *load, size_t stage, size_t index, size_t *channels,
                               ferry_inverted_residual *out)
{
    static const size_t strides[STAGES] = {1, 2, 2, 2, 1, 2, 1};
    char text[6][MAX_NAME];
    static const char *const parts[6] = {"conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"};
    for (size_t i = 0; i < 6; i++)
        snprintf(text[i], MAX_NAME, "blocks.%zu.%zu.%s", stage, index, parts[i]);
    char last[MAX_NAME + 8];
    snprintf(last, sizeof last, "%s.weight", text[4]);
    out->expands = ferry_safetensors_find(&load->tensors, last) != NULL;
    size_t stride = index == 0 ? strides[stage] : 1, wide = *channels;
    out->expand = (ferry_convolution){.K = *channels, .side = 1, .stride = 1};
    if (out->expands) {
        FERRY_TRY(load_full(load, text[0], text[1], &out->expand));
        wide = out->expand.N;
    }
    out->depthwise = (ferry_convolution){.N = wide, .stride = stride};
    out->project = (ferry_convolution){.K = wide, .side = 1, .stride = 1};
    FERRY_TRY(load_depthwise(load, text[2], out->expands ? text[3] : text[1], &out->depthwise));
    FERRY_TRY(load_full(load, out->expands ? text[4] : text[0], out->expands ? text[5] : text[3],
                        &out->project));
    out->residual = stride == 1 && out->project.N == *channels;
    *channels = out->project.N;
    return FERRY_OK;
}

static ferry_status load_blocks(loader *load, size_t *channels, ferry_efficientnet *out)
{
    for (size_t stage = 0; stage < STAGES; stage++) {
        for (size_t index = 0;; index++) {
            char name[MAX_NAME];
            snprintf(name, sizeof name, "blocks.%zu.%zu.conv_dw.weight", stage, index);
            if (index > 0 && ferry_safetensors_find(&load->tensors, name) == NULL) break;
            if (out->blocks == FERRY_EFFICIENTNET_BLOCKS)
                return ferry_fail(load->error, FERRY_LIMIT, "%s: more than %d blocks",
                                  load->file->name, FERRY_EFFICIENTNET_BLOCKS);
            FERRY_TRY(load_block(load, stage, index, channels, &out->block[out->blocks++]));
            ferry_arena_free(&load->passing);
        }
    }
    return FERRY_OK;
}

static ferry_status load_classifier(loader *load, ferry_efficientnet *out)
{
    const ferry_tensor *tensor;
    const float *from, *bias;
    size_t size;
    if (ferry_safetensors_find(&load->tensors, "classifier.weight") == NULL) return FERRY_OK;
    FERRY_TRY(find(load, "classifier", "weight", &tensor));
    if (tensor->rank != 2 || tensor->shape[1] != out->features || tensor->shape[0] == 0)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"classifier.weight\" is not [classes, %zu]",
                          load->file->name, out->features);
    out->classes = tensor->shape[0];
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    FERRY_TRY(vector(load, "classifier", "bias", out->classes, &bias));
    float *panels = NULL, *copy = ferry_arena_array(load->arena, out->classes, sizeof *copy);
    if (ferry_panels_size(out->features, out->classes, &size))
        panels = ferry_arena_array(load->arena, size, sizeof *panels);
    if (panels == NULL || copy == NULL) return ferry_fail_memory(load->error, "the classifier");
    ferry_pack_panels(from, 1, out->features, out->features, out->classes, panels);
    memcpy(copy, bias, out->classes * sizeof *copy);
    out->classifier = panels;
    out->classifier_bias = copy;
    return FERRY_OK;
}

/* ---- memory for the activations ---- */

static void keep_largest(size_t *largest, size_t value)
{
    *largest = value > *largest ? value : *largest;
}

/* Sides are at most 2^12 and channels 2^14, which 64 bits hold; what a 32-bit machine cannot hold
 * is refused by the arena. */
static ferry_status make_workspace(ferry_efficientnet *net, ferry_arena *arena, ferry_error *error)
{
    const size_t rows = FERRY_EFFICIENTNET_ROWS;
    size_t H = (net->height + 1) / 2, W = (net->width + 1) / 2;
    uint64_t x = (uint64_t)H * W * net->stem.N, padded = 0, spread = 0;
    size_t scratch = rows * (net->stem.side * net->stem.side * net->stem.K + net->stem.N);
    keep_largest(&scratch, rows * net->head.N);
    for (size_t b = 0; b < net->blocks; b++) {
        const ferry_inverted_residual *block = &net->block[b];
        const ferry_convolution *d = &block->depthwise;
        uint64_t around = (uint64_t)(H + d->side) * (W + d->side) * d->N;
        padded = around > padded ? around : padded;
        H = (H + d->stride - 1) / d->stride;
        W = (W + d->stride - 1) / d->stride;
        uint64_t wide = (uint64_t)H * W * d->N, out = (uint64_t)H * W * block->project.N;
        spread = wide > spread ? wide : spread;
        x = out > x ? out : x;
        keep_largest(&scratch, rows * (block->expands ? block->expand.N : 0));
        keep_largest(&scratch, rows * block->project.N);
    }
    uint64_t last = (uint64_t)H * W * net->head.N;
    spread = last > spread ? last : spread;
    const uint64_t most = (uint64_t)1 << 28; /* floats, 1 GB */
    if (x > most || padded > most || spread > most)
        return ferry_fail(error, FERRY_LIMIT, "an input of %zu x %zu pixels: too large for memory",
                          net->width, net->height);
    net->scratch_size = scratch;
    net->x = ferry_arena_array(arena, (size_t)x, sizeof(float));
    net->padded = ferry_arena_array(arena, (size_t)padded, sizeof(float));
    net->spread = ferry_arena_array(arena, (size_t)spread, sizeof(float));
    net->scratch = ferry_arena_array(arena, ferry_pool_threads(net->pool), scratch * sizeof(float));
    bool made =
        net->x != NULL && net->padded != NULL && net->spread != NULL && net->scratch != NULL;
    return made ? FERRY_OK : ferry_fail_memory(error, "the image encoder's activations");
}

static ferry_status load_all(loader *load, ferry_efficientnet *out)
{
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    out->stem = (ferry_convolution){.K = 3, .side = 3, .stride = 2};
    FERRY_TRY(load_full(load, "conv_stem", "bn1", &out->stem));
    size_t channels = out->stem.N;
    FERRY_TRY(load_blocks(load, &channels, out));
    out->head = (ferry_convolution){.K = channels, .side = 1, .stride = 1};
    FERRY_TRY(load_full(load, "conv_head", "bn2", &out->head));
    out->features = out->head.N;
    return load_classifier(load, out);
}

ferry_status ferry_efficientnet_load(const ferry_file *weights, size_t height, size_t width,
                                     const ferry_kernels *kernels, ferry_pool *pool,
                                     ferry_arena *arena, ferry_efficientnet *out,
                                     ferry_error *error)
{
    *out = (ferry_efficientnet){.kernels = kernels, .pool = pool, .height = height, .width = width};
    loader load = {.file = weights, .arena = arena, .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_arena_init(&load.passing, arena->allocator);
    ferry_status status = load_all(&load, out);
    ferry_arena_free(&load.passing);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    return make_workspace(out, arena, error);
}
