/*
 * EfficientNet-Lite, as timm's tf_efficientnet_lite0…4 name its tensors: a 3 x 3 convolution,
 * blocks of pointwise and depthwise ones, a pointwise one and the mean over all pixels. Activations
 * are [height, width, channels], so that a pointwise convolution is a matrix product. TensorFlow's
 * "SAME" padding, batch norm folded into the weights, ReLU6.
 */
#ifndef FERRY_ENCODE_EFFICIENTNET_H
#define FERRY_ENCODE_EFFICIENTNET_H

#include "base/pool.h"
#include "encode/layer.h"
#include "input/safetensors.h"
#include "math/kernels.h"

/* Of all channels at once: a pixel's window [side, side, channels] is a row of a product. */
typedef struct ferry_convolution {
    size_t side, stride; /* of the window */
    ferry_layer layer;   /* K = side * side * channels */
} ferry_convolution;

/* Of each channel by itself. */
typedef struct ferry_depthwise {
    size_t N, side, stride;
    const float *w;    /* [ceil(N / 16), side, side, 16], zeros past N */
    const float *bias; /* [ceil(N / 16), 16] */
} ferry_depthwise;

typedef struct ferry_inverted_residual {
    bool expands;  /* else the depthwise convolution is the first */
    bool residual; /* its input is added to what comes out */
    ferry_layer expand, project;
    ferry_depthwise depthwise;
} ferry_inverted_residual;

enum { FERRY_EFFICIENTNET_BLOCKS = 64 };

/* In int8 what ReLU6 gives, 0…6, is 0…127. */
#define FERRY_EFFICIENTNET_STEP (6.0f / 127.0f)

#define FERRY_EFFICIENTNET_EPSILON 1e-3 /* of batch norm */

typedef struct ferry_efficientnet {
    const ferry_kernels *kernels;
    ferry_pool *pool;          /* borrowed; NULL: one thread */
    ferry_precision precision; /* F32 or INT8, of the products of single pixels */
    size_t height, width;      /* of the input */
    ferry_convolution stem;    /* f32 always */
    ferry_layer head;
    ferry_inverted_residual block[FERRY_EFFICIENTNET_BLOCKS];
    size_t blocks;
    size_t features, classes; /* classes may be 0 */
    const float *classifier;  /* [classes, features], or NULL where it is int8 */
    ferry_layer classifier_int8;
    const float *classifier_bias;
    float *x, *next;      /* a block's input and its output [H, W, C] */
    float *spread;        /* what its depthwise convolution writes [H, W, C]; NULL in int8 */
    uint8_t *bytes;       /* that in int8 [H, W, C4], of FERRY_EFFICIENTNET_STEP */
    ferry_int7_rows rows; /* a block's input in int8 [H * W, C4] */
    float *scratch;       /* [threads, scratch_size] */
    size_t scratch_size;
} ferry_efficientnet;

/* Floats that a thread's scratch holds while it works on an input of [H, W] pixels. */
size_t ferry_efficientnet_stem_scratch(const ferry_efficientnet *net);
size_t ferry_efficientnet_block_scratch(const ferry_inverted_residual *block, size_t H, size_t W);
size_t ferry_efficientnet_head_scratch(size_t H, size_t W);

/* The classifier may stay a view into the file; everything else is copied into the arena, or with
 * overwrite, where it fits, packed in its own place in the file's bytes. */
ferry_status ferry_efficientnet_load(const ferry_file *weights, size_t height, size_t width,
                                     const ferry_kernels *kernels, ferry_precision precision,
                                     bool overwrite, ferry_pool *pool, ferry_arena *arena,
                                     ferry_efficientnet *out, ferry_error *error);

/*
 * What quantising `weight`, a float convolution [N, K, 1, 1], asks of the batch norm behind it:
 * *name of its bias, and what that is to be, *out [N]. NULL where nothing is. Both live in the
 * arena.
 */
ferry_status ferry_efficientnet_shift(const ferry_safetensors *tensors, const ferry_tensor *weight,
                                      ferry_arena *arena, const char **name, float **out,
                                      ferry_error *error);

/* pixels [height, width, 3], normalised. features [features]; logits [classes] or NULL. */
void ferry_efficientnet_forward(ferry_efficientnet *net, const float *pixels, float *features,
                                float *logits);

#endif
