/*
 * EfficientNet-Lite, as timm's tf_efficientnet_lite0…4 name its tensors: a 3 x 3 convolution,
 * blocks of pointwise and depthwise ones, a pointwise one and the mean over all pixels. Activations
 * are [height, width, channels], so that a pointwise convolution is a matrix product. TensorFlow's
 * "SAME" padding, batch norm folded into the weights, ReLU6.
 */
#ifndef FERRY_ENCODE_EFFICIENTNET_H
#define FERRY_ENCODE_EFFICIENTNET_H

#include "base/pool.h"
#include "input/safetensors.h"
#include "math/kernels.h"

typedef struct ferry_convolution {
    size_t K, N;         /* channels in and out; of a depthwise one N alone counts */
    size_t side, stride; /* of the window */
    const float *w; /* panels [ceil(N / 16), side * side * K, 16], or depthwise [side, side, N] */
    const float *bias; /* [N] */
} ferry_convolution;

typedef struct ferry_inverted_residual {
    bool expands;  /* else the depthwise convolution is the first */
    bool residual; /* its input is added to what comes out */
    ferry_convolution expand, depthwise, project;
} ferry_inverted_residual;

enum { FERRY_EFFICIENTNET_BLOCKS = 64, FERRY_EFFICIENTNET_ROWS = 48 /* pixels of a part */ };

typedef struct ferry_efficientnet {
    const ferry_kernels *kernels;
    ferry_pool *pool;     /* borrowed; NULL: one thread */
    size_t height, width; /* of the input */
    ferry_convolution stem, head;
    ferry_inverted_residual block[FERRY_EFFICIENTNET_BLOCKS];
    size_t blocks;
    size_t features, classes; /* classes may be 0 */
    const float *classifier;  /* panels [ceil(classes / 16), features, 16] */
    const float *classifier_bias;
    float *x;       /* a block's input and output [H, W, C] */
    float *padded;  /* what a depthwise convolution reads, zeros around it */
    float *spread;  /* what it writes */
    float *scratch; /* [threads, scratch_size] rows of one product */
    size_t scratch_size;
} ferry_efficientnet;

/* Everything is copied into the arena: the file's bytes are not needed any more. */
ferry_status ferry_efficientnet_load(const ferry_file *weights, size_t height, size_t width,
                                     const ferry_kernels *kernels, ferry_pool *pool,
                                     ferry_arena *arena, ferry_efficientnet *out,
                                     ferry_error *error);

/* pixels [height, width, 3], normalised. features [features]; logits [classes] or NULL. */
void ferry_efficientnet_forward(ferry_efficientnet *net, const float *pixels, float *features,
                                float *logits);

#endif
