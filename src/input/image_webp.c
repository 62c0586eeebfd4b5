/* WebP through libwebp. */
#include <webp/decode.h>

#include "base/error.h"
#include "input/image_decode.h"

ferry_status ferry_webp_decode(const ferry_file *file, size_t max_pixels, ferry_image *out,
                               ferry_error *error)
{
    WebPBitstreamFeatures found;
    if (WebPGetFeatures(file->data, file->size, &found) != VP8_STATUS_OK)
        return ferry_fail(error, FERRY_MALFORMED, "%s: a WebP whose header cannot be read",
                          file->name);
    if (found.has_animation)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: an animated WebP; single pictures are decoded", file->name);
    FERRY_TRY(ferry_image_allocate(file->name, (size_t)found.width, (size_t)found.height,
                                   found.has_alpha ? 4 : 3, max_pixels, out, error));
    uint8_t *pixels = (uint8_t *)(uintptr_t)out->data;
    size_t stride = out->width * out->channels, size = stride * out->height;
    uint8_t *decoded = found.has_alpha
                           ? WebPDecodeRGBAInto(file->data, file->size, pixels, size, (int)stride)
                           : WebPDecodeRGBInto(file->data, file->size, pixels, size, (int)stride);
    if (decoded != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "%s: a WebP that is cut short or damaged",
                      file->name);
}
