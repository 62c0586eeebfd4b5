/* Pictures' files to pixels, through the formats' own libraries. Native only. */
#ifndef FERRY_INPUT_IMAGE_DECODE_H
#define FERRY_INPUT_IMAGE_DECODE_H

#include "base/memory.h"
#include "ferry/ferry.h"

/*
 * Checks a header's size against the limits and takes the memory for its pixels: out->data is
 * [height, width, channels], zeroed. name is for messages.
 */
ferry_status ferry_image_allocate(const char *name, size_t width, size_t height, size_t channels,
                                  size_t max_pixels, ferry_image *out, ferry_error *error);

/* Each fills an image made by ferry_image_allocate; the caller frees it, also after a failure. */
ferry_status ferry_png_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                              ferry_error *error);
ferry_status ferry_jpeg_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                               ferry_error *error);
ferry_status ferry_webp_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                               ferry_error *error);

/* How a camera was held, 1…8, from the bytes of an Exif block ("Exif\0\0" and a TIFF); 1 if it does
 * not say. */
int ferry_exif_orientation(const uint8_t *data, size_t size);

/* Turns a picture upright; its bytes may move to other memory. */
ferry_status ferry_image_turn(ferry_image *image, int orientation, ferry_error *error);

#endif
