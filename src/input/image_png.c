/* PNG through libspng: palettes, grey and 1 to 16 bits become 8 bits a channel. */
#include <spng.h>
#include <string.h>

#include "base/error.h"
#include "input/image.h"
#include "input/image_decode.h"

static ferry_status refuse(const ferry_file *file, int code, ferry_error *error)
{
    if (code == SPNG_EMEM) return ferry_fail_memory(error, file->name);
    return ferry_fail(error, FERRY_MALFORMED, "%s: a PNG that cannot be read: %s", file->name,
                      spng_strerror(code));
}

static ferry_status decode(spng_ctx *png, const ferry_file *file, size_t max_pixels,
                           ferry_image *out, ferry_error *error)
{
    struct spng_ihdr header;
    struct spng_trns transparent;
    size_t size;
    int code = spng_set_png_buffer(png, file->data, file->size);
    if (code == 0) code = spng_get_ihdr(png, &header);
    if (code != 0) return refuse(file, code, error);
    bool alpha = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                 header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ||
                 spng_get_trns(png, &transparent) == 0;
    FERRY_TRY(ferry_image_allocate(file->name, header.width, header.height, alpha ? 4 : 3,
                                   max_pixels, out, error));
    int format = alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    code = spng_decoded_image_size(png, format, &size);
    if (code == 0 && size != out->width * out->height * out->channels)
        return ferry_fail(error, FERRY_MALFORMED, "%s: a PNG of %zu bytes, expected %zu",
                          file->name, size, out->width * out->height * out->channels);
    if (code == 0)
        code = spng_decode_image(png, (void *)(uintptr_t)out->data, size, format, SPNG_DECODE_TRNS);
    return code == 0 ? FERRY_OK : refuse(file, code, error);
}

ferry_status ferry_png_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                              ferry_error *error)
{
    spng_ctx *png = spng_ctx_new(0);
    if (png == NULL) return ferry_fail_memory(error, file->name);
    /* What is beside the picture may be damaged, and is left out; its chunks are bounded. */
    spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    spng_set_chunk_limits(png, (size_t)1 << 26, (size_t)1 << 27);
    ferry_status status = decode(png, file, max_pixels, out, error);
    spng_ctx_free(png);
    return status;
}
