/*
 * Pictures on their way to a model: put on white, framed, resized and normalised.
 *
 * Resizing is Pillow's (antialiased, in whole numbers), to the bit: each pass sums bytes by weights
 * of 22 fractional bits, first along rows, then along columns, with bytes in between.
 */
#ifndef FERRY_INPUT_IMAGE_H
#define FERRY_INPUT_IMAGE_H

#include "base/memory.h"
#include "ferry/ferry.h"

enum {
    FERRY_IMAGE_MAX_SIDE = 1 << 16,  /* pixels, of a picture handed in */
    FERRY_IMAGE_MAX_INPUT = 1 << 12, /* of what a model is given */
    FERRY_IMAGE_CHANNELS = 3         /* RGB */
};

typedef enum ferry_filter { FERRY_FILTER_BILINEAR, FERRY_FILTER_BICUBIC } ferry_filter;

/* How a picture of any shape becomes one of the model's. */
typedef enum ferry_framing {
    FERRY_FRAMING_PAD,    /* all of it, in the middle of a white square */
    FERRY_FRAMING_CROP,   /* its shorter side resized to `shortest`, the middle cut out */
    FERRY_FRAMING_SQUASH, /* all of it, whatever that does to its shape */
} ferry_framing;

typedef struct ferry_image_recipe {
    size_t height, width; /* of the model's input */
    ferry_framing framing;
    ferry_filter filter;
    size_t shortest; /* of CROP, >= height and width */
    bool
        crop_to_even; /* an odd rest is halved to the even number, as torchvision does; else down */
    double mean[3], std[3]; /* of values of 0…1 */
    double rescale;         /* a byte's factor to 0…1: 1 / 255 */
} ferry_image_recipe;

/* INVALID_ARGUMENT names the picture by its index and says what is wrong with it. */
ferry_status ferry_image_check(const ferry_image *image, size_t index, ferry_error *error);

/* A checked picture, on white, framed and resized: out [height, width, 3]. */
ferry_status ferry_image_frame(const ferry_image *image, const ferry_image_recipe *recipe,
                               const ferry_allocator *allocator, uint8_t *out, ferry_error *error);

/* out[i] = (rgb[i] * rescale - mean) / std, [pixels, 3] */
void ferry_image_normalize(const ferry_image_recipe *recipe, const uint8_t *rgb, size_t pixels,
                           float *out);

#endif
