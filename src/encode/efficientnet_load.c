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
    ferry_arena passing; /* one layer's numbers */
    ferry_precision precision;
    bool overwrite;
    ferry_error *error;
} loader;

static ferry_status find(loader *load, const char *name, const char *part, const ferry_tensor **out)
{
    char full[MAX_NAME + 32];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return ferry_safetensors_need(&load->tensors, full, out, load->error);
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

/* The factor [N] a batch norm has for each channel's weights, and the bias [N] it adds; moved [N]
 * takes the place of the norm's own bias unless it is NULL. */
static ferry_status fold(loader *load, const char *norm, const float *moved, size_t N,
                         float **factor, const float **bias)
{
    const float *weight, *shift, *mean, *variance;
    *bias = NULL;
    FERRY_TRY(vector(load, norm, "weight", N, &weight));
    FERRY_TRY(vector(load, norm, "bias", N, &shift));
    if (moved != NULL) shift = moved;
    FERRY_TRY(vector(load, norm, "running_mean", N, &mean));
    FERRY_TRY(vector(load, norm, "running_var", N, &variance));
    size_t whole = (N + FERRY_PANEL - 1) / FERRY_PANEL * FERRY_PANEL; /* as depthwise wants it */
    float *sum = ferry_arena_array(load->arena, whole, sizeof *sum);
    *factor = ferry_arena_array(&load->passing, N, sizeof **factor);
    if (*factor == NULL || sum == NULL) return ferry_fail_memory(load->error, norm);
    for (size_t n = 0; n < N; n++) {
        double scale = (double)weight[n] / sqrt((double)variance[n] + FERRY_EFFICIENTNET_EPSILON);
        (*factor)[n] = (float)scale;
        sum[n] = (float)((double)shift[n] - (double)mean[n] * scale);
    }
    *bias = sum;
    return FERRY_OK;
}

/* A convolution's weight [N, K, side, side]: N 0, and side 0, are any. */
static ferry_status find_window(loader *load, const char *name, size_t N, size_t K, size_t side,
                                const ferry_tensor **tensor)
{
    FERRY_TRY(find(load, name, "weight", tensor));
    const size_t *found = (*tensor)->shape;
    bool fits = (*tensor)->rank == 4 && found[2] == found[3] && found[2] % 2 == 1 &&
                found[2] <= MAX_SIDE && found[0] >= 1 && found[0] <= MAX_CHANNELS &&
                found[1] >= 1 && found[1] <= MAX_CHANNELS && (N == 0 || found[0] == N) &&
                found[1] == K && (side == 0 || found[2] == side);
    if (fits) return FERRY_OK;
    return ferry_fail(load->error, FERRY_MALFORMED,
                      "%s: tensor \"%s\" is not the weight of a convolution that fits the one "
                      "before it: [%zu, %zu, %zu, %zu] of %zu dimensions",
                      load->file->name, (*tensor)->name, found[0], found[1], found[2], found[3],
                      (*tensor)->rank);
}

/* What a convolution of single pixels reads in int8. */
typedef enum input_kind {
    SIGNED, /* quantised a pixel at a time */
    RELU6   /* of FERRY_EFFICIENTNET_STEP, as the depthwise convolution gives it */
} input_kind;

/* All channels to all, pixel by pixel. */
static ferry_status load_pointwise(loader *load, const char *name, const char *norm, size_t K,
                                   input_kind input, ferry_layer *out)
{
    const ferry_layer_loader weights = {&load->tensors, load->arena, load->overwrite, load->error};
    const ferry_tensor *tensor;
    const float *bias;
    const char *moved_name;
    float *factor = NULL, *moved = NULL;
    bool int8 = load->precision == FERRY_PRECISION_INT8;
    FERRY_TRY(find_window(load, name, 0, K, 1, &tensor));
    size_t N = tensor->shape[0];
    if (int8 && tensor->dtype != FERRY_I8)
        FERRY_TRY(ferry_efficientnet_shift(&load->tensors, tensor, &load->passing, &moved_name,
                                           &moved, load->error));
    FERRY_TRY(fold(load, norm, moved, N, &factor, &bias));
    if (!int8)
        FERRY_TRY(ferry_layer_load(&weights, tensor, 0, K, N, factor, FERRY_PRECISION_F32, out));
    else if (input == SIGNED)
        FERRY_TRY(
            ferry_layer_load_int7(&weights, tensor, K, N, factor, 1.0f, FERRY_INT7_ZERO, out));
    else
        FERRY_TRY(
            ferry_layer_load_int7(&weights, tensor, K, N, factor, FERRY_EFFICIENTNET_STEP, 0, out));
    out->bias = bias;
    ferry_arena_free(&load->passing);
    return FERRY_OK;
}

/* The window's rows, then columns, then channels, as pixels lie. */
static ferry_status load_stem(loader *load, ferry_convolution *out)
{
    static const char name[] = "conv_stem";
    const ferry_tensor *tensor;
    const float *from, *bias;
    float *factor = NULL;
    FERRY_TRY(find_window(load, name, 0, 3, 3, &tensor));
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    size_t N = tensor->shape[0], window = 9, K = 3;
    FERRY_TRY(fold(load, "bn1", NULL, N, &factor, &bias));
    float *matrix = ferry_arena_array(&load->passing, N, window * K * sizeof *matrix);
    if (matrix == NULL) return ferry_fail_memory(load->error, name);
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < window; i++)
                matrix[(n * window + i) * K + k] = *from++ * factor[n];
    *out = (ferry_convolution){.side = 3, .stride = 2};
    FERRY_TRY(ferry_layer_pack(load->arena, matrix, window * K, N, &out->layer, load->error));
    out->layer.bias = bias;
    ferry_arena_free(&load->passing);
    return FERRY_OK;
}

static ferry_status load_depthwise(loader *load, const char *name, const char *norm, size_t N,
                                   size_t stride, ferry_depthwise *out)
{
    const ferry_tensor *tensor;
    const float *from;
    float *factor = NULL;
    FERRY_TRY(find_window(load, name, N, 1, 0, &tensor));
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    *out = (ferry_depthwise){.N = N, .side = tensor->shape[2], .stride = stride};
    FERRY_TRY(fold(load, norm, NULL, N, &factor, &out->bias));
    size_t window = out->side * out->side, groups = (N + FERRY_PANEL - 1) / FERRY_PANEL;
    float *w = ferry_arena_array(load->arena, groups * FERRY_PANEL, window * sizeof *w);
    if (w == NULL) return ferry_fail_memory(load->error, name);
    for (size_t n = 0; n < N; n++) {
        float *lane = w + n / FERRY_PANEL * FERRY_PANEL * window + n % FERRY_PANEL;
        for (size_t i = 0; i < window; i++) lane[i * FERRY_PANEL] = *from++ * factor[n];
    }
    out->w = w;
    ferry_arena_free(&load->passing);
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
    if (out->expands) {
        FERRY_TRY(load_pointwise(load, text[0], text[1], wide, SIGNED, &out->expand));
        wide = out->expand.N;
    }
    FERRY_TRY(load_depthwise(load, text[2], out->expands ? text[3] : text[1], wide, stride,
                             &out->depthwise));
    FERRY_TRY(load_pointwise(load, out->expands ? text[4] : text[0],
                             out->expands ? text[5] : text[3], wide, RELU6, &out->project));
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
        }
    }
    return FERRY_OK;
}

static ferry_status load_classifier(loader *load, ferry_efficientnet *out)
{
    const ferry_layer_loader weights = {&load->tensors, load->arena, load->overwrite, load->error};
    const ferry_tensor *tensor;
    const float *bias;
    size_t K = out->features;
    tensor = ferry_safetensors_find(&load->tensors, "classifier.weight");
    if (tensor == NULL) return FERRY_OK;
    if (tensor->rank != 2 || tensor->shape[1] != K || tensor->shape[0] == 0)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"classifier.weight\" is not [classes, %zu]",
                          load->file->name, K);
    out->classes = tensor->shape[0];
    FERRY_TRY(vector(load, "classifier", "bias", out->classes, &bias));
    float *copy = ferry_arena_array(load->arena, out->classes, sizeof *copy);
    if (copy == NULL) return ferry_fail_memory(load->error, "the classifier");
    memcpy(copy, bias, out->classes * sizeof *copy);
    out->classifier_bias = copy;
    ferry_arena_free(&load->passing);
    if (load->precision == FERRY_PRECISION_INT8)
        return ferry_layer_load_int7(&weights, tensor, K, out->classes, NULL, 1.0f, FERRY_INT7_ZERO,
                                     &out->classifier_int8);
    return ferry_tensor_as_f32(tensor, load->arena, &out->classifier, load->error);
}

/* ---- memory for the activations ---- */

static void keep_largest(size_t *largest, size_t value)
{
    *largest = value > *largest ? value : *largest;
}

/* Room for the activations: numbers of a block's input, of what its depthwise convolution gives,
 * and of those in int8. */
typedef struct room {
    uint64_t x, wide, wide_bytes;
    size_t bytes, pixels; /* of a block's input in int8 */
} room;

static bool allocate(ferry_efficientnet *net, ferry_arena *arena, const room *r)
{
    bool int8 = net->precision == FERRY_PRECISION_INT8;
    net->x = ferry_arena_array(arena, (size_t)r->x, sizeof(float));
    net->next = ferry_arena_array(arena, (size_t)r->x, sizeof(float));
    net->scratch =
        ferry_arena_array(arena, ferry_pool_threads(net->pool), net->scratch_size * sizeof(float));
    if (net->x == NULL || net->next == NULL || net->scratch == NULL) return false;
    if (!int8) {
        net->spread = ferry_arena_array(arena, (size_t)r->wide, sizeof(float));
        return net->spread != NULL;
    }
    net->bytes = ferry_arena_array(arena, (size_t)r->wide_bytes, 1);
    net->rows.q = ferry_arena_array(arena, r->bytes, 1);
    net->rows.scale = ferry_arena_array(arena, r->pixels, sizeof *net->rows.scale);
    return net->bytes != NULL && net->rows.q != NULL && net->rows.scale != NULL;
}

static void keep_larger(uint64_t *largest, uint64_t value)
{
    *largest = value > *largest ? value : *largest;
}

static void keep_quantized(room *r, size_t pixels, size_t K)
{
    keep_largest(&r->bytes, pixels * ferry_int8_padded(K));
    keep_largest(&r->pixels, pixels);
}

/* Sides are at most 2^12 and channels 2^14, which 64 bits hold; what a 32-bit machine cannot hold
 * is refused by the limit. */
static ferry_status make_workspace(ferry_efficientnet *net, ferry_arena *arena, ferry_error *error)
{
    const uint64_t most = (uint64_t)1 << 28; /* floats, 1 GB */
    size_t H = (net->height + 1) / 2, W = (net->width + 1) / 2;
    room r = {.x = (uint64_t)H * W * net->stem.layer.N};
    net->scratch_size = ferry_efficientnet_stem_scratch(net);
    for (size_t b = 0; b < net->blocks; b++) {
        const ferry_inverted_residual *block = &net->block[b];
        const ferry_depthwise *d = &block->depthwise;
        keep_largest(&net->scratch_size, ferry_efficientnet_block_scratch(block, H, W));
        if (r.x <= most && block->expands) keep_quantized(&r, H * W, block->expand.K);
        H = (H + d->stride - 1) / d->stride;
        W = (W + d->stride - 1) / d->stride;
        keep_larger(&r.wide, (uint64_t)H * W * d->N);
        keep_larger(&r.wide_bytes, (uint64_t)H * W * ferry_int8_padded(d->N));
        keep_larger(&r.x, (uint64_t)H * W * block->project.N);
    }
    if (r.x > most || r.wide > most)
        return ferry_fail(error, FERRY_LIMIT, "an input of %zu x %zu pixels: too large for memory",
                          net->width, net->height);
    keep_largest(&net->scratch_size, ferry_efficientnet_head_scratch(H, W));
    net->scratch_size += -net->scratch_size % FERRY_PANEL; /* each thread's begins on a line */
    keep_quantized(&r, H * W, net->head.K);
    keep_quantized(&r, 1, net->features);
    return allocate(net, arena, &r) ? FERRY_OK
                                    : ferry_fail_memory(error, "the image encoder's activations");
}

static ferry_status load_all(loader *load, ferry_efficientnet *out)
{
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    FERRY_TRY(ferry_layer_precision(&load->tensors, load->file->name, load->precision,
                                    &load->precision, load->error));
    out->precision = load->precision;
    FERRY_TRY(load_stem(load, &out->stem));
    size_t channels = out->stem.layer.N;
    FERRY_TRY(load_blocks(load, &channels, out));
    FERRY_TRY(load_pointwise(load, "conv_head", "bn2", channels, SIGNED, &out->head));
    out->features = out->head.N;
    return load_classifier(load, out);
}

ferry_status ferry_efficientnet_load(const ferry_file *weights, size_t height, size_t width,
                                     const ferry_kernels *kernels, ferry_precision precision,
                                     bool overwrite, ferry_pool *pool, ferry_arena *arena,
                                     ferry_efficientnet *out, ferry_error *error)
{
    *out = (ferry_efficientnet){.kernels = kernels, .pool = pool, .height = height, .width = width};
    loader load = {.file = weights,
                   .arena = arena,
                   .precision = precision,
                   .overwrite = overwrite,
                   .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_arena_init(&load.passing, arena->allocator);
    ferry_status status = load_all(&load, out);
    ferry_arena_free(&load.passing);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    return make_workspace(out, arena, error);
}
