/* Nine bytes say how, all of them over and over are the pixels: whatever the shape, framing fills
 * the model's input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t number(const uint8_t *from)
{
    return (size_t)from[0] << 8 | from[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 9, MOST = 1 << 18 /* bytes of input pixels, so that an input is quick */ };
    if (size < HEAD) return 0;
    ferry_image image = {NULL, number(data), number(data + 2), (size_t)(data[4] >> 5)};
    ferry_image_recipe recipe = {.width = 1 + data[5] % 64u,
                                 .height = 1 + data[6] % 64u,
                                 .framing = (ferry_framing)(data[4] % 3),
                                 .filter = (ferry_filter)(data[4] >> 2 & 1),
                                 .crop_to_even = (data[4] >> 3 & 1) != 0};
    recipe.shortest = 64 + number(data + 7) % (FERRY_IMAGE_MAX_INPUT - 63);
    size_t bytes = image.width * image.height * image.channels;
    if (bytes > MOST) return 0;
    /* Exactly as large as the picture, so that the sanitizer sees a read past it. */
    uint8_t *pixels = malloc(bytes > 0 ? bytes : 1), *out;
    out = malloc(recipe.width * recipe.height * 3);
    if (pixels == NULL || out == NULL) abort();
    for (size_t i = 0; i < bytes; i++) pixels[i] = data[i % size];
    image.data = pixels;
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    ferry_error error = {0};
    if (ferry_image_check(&image, 0, &error) == FERRY_OK) {
        if (ferry_image_frame(&image, &recipe, &allocator, out, &error) != FERRY_OK) abort();
    } else if (error.message[0] == '\0') {
        abort();
    }
    free(pixels);
    free(out);
    return 0;
}
