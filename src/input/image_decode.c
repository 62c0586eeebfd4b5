/* Which format it is, by its first bytes, and what all formats share. */
#include "input/image_decode.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "input/image.h"

enum { DEFAULT_PIXELS = 1 << 26 };

static ferry_allocator own_allocator(void)
{
    return ferry_allocator_or_default(NULL);
}

static void *pixels_of(const ferry_image *image)
{
    return (void *)(uintptr_t)image->data; /* const to who reads the picture; the bytes are ours */
}

void ferry_image_free(ferry_image *image)
{
    ferry_allocator allocator = own_allocator();
    if (image == NULL) return;
    ferry_release(&allocator, pixels_of(image), image->width * image->height * image->channels);
    *image = (ferry_image){0};
}

ferry_status ferry_image_allocate(const char *name, size_t width, size_t height, size_t channels,
                                  size_t max_pixels, ferry_image *out, ferry_error *error)
{
    ferry_allocator allocator = own_allocator();
    size_t pixels;
    if (width == 0 || height == 0)
        return ferry_fail(error, FERRY_MALFORMED, "%s: %zu x %zu pixels", name, width, height);
    if (width > FERRY_IMAGE_MAX_SIDE || height > FERRY_IMAGE_MAX_SIDE)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu x %zu pixels, the limit is %d on a side",
                          name, width, height, FERRY_IMAGE_MAX_SIDE);
    if (!ferry_size_multiply(width, height, &pixels) || pixels > max_pixels)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu x %zu pixels, the limit is %zu in all", name,
                          width, height, max_pixels);
    *out = (ferry_image){NULL, width, height, channels};
    out->data = ferry_allocate(&allocator, pixels, channels);
    if (out->data != NULL) return FERRY_OK;
    *out = (ferry_image){0};
    return ferry_fail_memory(error, name);
}

/* ---- the format ---- */

typedef ferry_status (*decoder)(const ferry_file *file, size_t max_pixels, ferry_image *out,
                                ferry_error *error);

static const struct {
    const char *name;
    size_t offset, size; /* of the bytes that tell */
    const char *bytes;
    decoder decode; /* NULL: known by name only */
} formats[] = {{"PNG", 0, 8, "\x89PNG\r\n\x1a\n", ferry_png_decode},
               {"JPEG", 0, 3, "\xff\xd8\xff", ferry_jpeg_decode},
               {"WebP", 8, 4, "WEBP", ferry_webp_decode},
               {"GIF", 0, 4, "GIF8", NULL},
               {"TIFF", 0, 4, "II*\0", NULL},
               {"TIFF", 0, 4, "MM\0*", NULL},
               {"AVIF", 4, 8, "ftypavif", NULL},
               {"HEIC", 4, 7, "ftyphei", NULL},
               {"JPEG XL", 0, 2, "\xff\x0a", NULL},
               {"Windows icon", 0, 4, "\0\0\1\0", NULL},
               {"BMP", 0, 2, "BM", NULL},
               {"SVG or other XML", 0, 5, "<?xml", NULL},
               {"SVG", 0, 4, "<svg", NULL}};

static ferry_status unknown(const ferry_file *file, ferry_error *error)
{
    char found[3 * 8 + 1] = "";
    const uint8_t *bytes = file->data;
    for (size_t i = 0; i < file->size && i < 8; i++) snprintf(found + 3 * i, 4, " %02x", bytes[i]);
    if (file->size == 0) return ferry_fail(error, FERRY_MALFORMED, "%s: has no bytes", file->name);
    return ferry_fail(error, FERRY_MALFORMED, "%s: begins with%s: no PNG, JPEG or WebP", file->name,
                      found);
}

ferry_status ferry_image_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                                ferry_error *error)
{
    *out = (ferry_image){0};
    if (max_pixels == 0) max_pixels = DEFAULT_PIXELS;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t end = formats[i].offset + formats[i].size;
        if (file->size < end || memcmp((const char *)file->data + formats[i].offset,
                                       formats[i].bytes, formats[i].size) != 0)
            continue;
        if (formats[i].decode == NULL)
            return ferry_fail(error, FERRY_UNSUPPORTED, "%s: a %s; PNG, JPEG and WebP are decoded",
                              file->name, formats[i].name);
        ferry_status status = formats[i].decode(file, max_pixels, out, error);
        if (status != FERRY_OK) ferry_image_free(out);
        return status;
    }
    return unknown(file, error);
}

/* ---- turning ---- */

static size_t read_number(const uint8_t *bytes, size_t size, bool little)
{
    size_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | bytes[little ? size - 1 - i : i];
    return value;
}

int ferry_exif_orientation(const uint8_t *data, size_t size)
{
    enum { HEADER = 6, ENTRY = 12, ORIENTATION = 0x0112 };
    if (size < HEADER + 8 || memcmp(data, "Exif\0", HEADER) != 0) return 1;
    const uint8_t *tiff = data + HEADER;
    size -= HEADER;
    bool little = tiff[0] == 'I';
    size_t at = read_number(tiff + 4, 4, little);
    if (at > size || size - at < 2) return 1;
    size_t entries = read_number(tiff + at, 2, little);
    for (at += 2; entries > 0 && size - at >= ENTRY; at += ENTRY, entries--) {
        if (read_number(tiff + at, 2, little) != ORIENTATION) continue;
        size_t value = read_number(tiff + at + 8, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

ferry_status ferry_image_turn(ferry_image *image, int orientation, ferry_error *error)
{
    if (orientation == 1) return FERRY_OK;
    bool swap = orientation >= 5; /* rows become columns */
    bool right_to_left =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool bottom_up = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    size_t W = image->width, H = image->height, C = image->channels;
    ferry_image turned;
    FERRY_TRY(
        ferry_image_allocate("a picture", swap ? H : W, swap ? W : H, C, SIZE_MAX, &turned, error));
    uint8_t *to = pixels_of(&turned);
    const uint8_t *from = image->data;
    for (size_t y = 0; y < turned.height; y++) {
        for (size_t x = 0; x < turned.width; x++, to += C) {
            size_t column = swap ? y : x, row = swap ? x : y;
            if (right_to_left) column = W - 1 - column;
            if (bottom_up) row = H - 1 - row;
            memcpy(to, from + (row * W + column) * C, C);
        }
    }
    ferry_image_free(image);
    *image = turned;
    return FERRY_OK;
}
