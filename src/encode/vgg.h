/*
 * musicnn's VGG: five convolutions of 3 x 3 over a log-mel spectrogram, each with ReLU, batch norm
 * and a maximum over windows, then one dense layer. Activations are [time, bands, channels], so
 * that a convolution is a matrix product over the windows around each place.
 */
#ifndef FERRY_ENCODE_VGG_H
#define FERRY_ENCODE_VGG_H

#include "encode/layer.h"
#include "encode/log_mel.h"

enum { FERRY_VGG_LAYERS = 5, FERRY_VGG_FRAMES = 187 /* of a patch, 3 seconds */ };

typedef struct ferry_vgg_layer {
    size_t H, W, K; /* what it reads: frames, bands, channels */
    size_t N;       /* channels it gives */
    size_t out_H, out_W;
    ferry_layer conv;           /* 9 * K -> N */
    const float *scale, *shift; /* [N] of the batch norm, which is behind the ReLU */
    float *x;                   /* [H + 2, W + 2, K] its input, zeros around it */
} ferry_vgg_layer;

typedef struct ferry_vgg {
    const ferry_kernels *kernels;
    ferry_pool *pool;          /* borrowed; NULL: one thread */
    ferry_precision precision; /* F32 or INT8 */
    float scale, shift;        /* of the input's batch norm */
    ferry_vgg_layer layer[FERRY_VGG_LAYERS];
    size_t features, classes;
    ferry_layer classifier; /* in f32 */
    /* [threads, scratch_size] the windows of a row of outputs, their products, and in int8 the
     * windows so and their scales */
    float *scratch;
    size_t scratch_size;
} ferry_vgg;

/* Whether the tensor of that name is int8 where a net is: the weights of the second and the third
 * convolution, nine tenths of the arithmetic. */
bool ferry_vgg_quantizes(const char *name);

/* Everything is copied into the arena: the file's bytes are not needed any more. */
ferry_status ferry_vgg_load(const ferry_file *weights, const ferry_kernels *kernels,
                            ferry_precision precision, ferry_pool *pool, ferry_arena *arena,
                            ferry_vgg *out, ferry_error *error);

/* mel [FRAMES, FERRY_MEL_BANDS]; features [features], what the last maximum gives, time then
 * channels; logits [classes]. */
void ferry_vgg_forward(ferry_vgg *net, const float *mel, float *features, float *logits);

/* The windows of a layer's maximum: height and width, and from one to the next. */
typedef struct ferry_vgg_window {
    size_t height, width, down, across;
} ferry_vgg_window;

extern const ferry_vgg_window ferry_vgg_windows[FERRY_VGG_LAYERS];

#endif
