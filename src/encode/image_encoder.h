/* Pixels in, embedding out: framing, normalisation, a convolutional net or a vision transformer. */
#ifndef FERRY_ENCODE_IMAGE_ENCODER_H
#define FERRY_ENCODE_IMAGE_ENCODER_H

#include "base/files.h"
#include "encode/efficientnet.h"
#include "encode/vit.h"
#include "input/image.h"

typedef struct ferry_image_encoder {
    ferry_allocator allocator;
    ferry_pool *pool; /* borrowed; NULL: one thread */
    ferry_image_recipe recipe;
    size_t dimension, classes; /* classes 0: it tells none apart */
    const char *const *labels; /* [classes], or NULL where config.json does not name them */
    bool transformer;          /* which of the two it is */
    ferry_precision precision; /* F32 or INT8 */
    ferry_efficientnet net;
    ferry_vit vit;
    uint8_t *rgb;     /* [height, width, 3] */
    float *pixels;    /* [height, width, 3] */
    float *embedding; /* [dimension], where only the classes are asked for */
} ferry_image_encoder;

/* Whether config.json names an architecture of pictures; false where it cannot be read. */
bool ferry_image_encoder_recognises(ferry_files files);

/* Borrows the pool, but nothing of the files; all of it is in the arena. */
ferry_status ferry_image_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                      const ferry_encoder_options *options, ferry_pool *pool,
                                      ferry_arena *arena, ferry_image_encoder *out,
                                      ferry_error *error);

/* See ferry_encoder_encode_images and ferry_encoder_classify: out [count, dimension] and logits
 * [count, classes], either of which may be NULL. */
ferry_status ferry_image_encoder_encode(ferry_image_encoder *encoder, const ferry_image *images,
                                        size_t count, float *out, float *logits,
                                        ferry_progress progress, void *progress_user,
                                        ferry_error *error);

#endif
