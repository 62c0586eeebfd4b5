/* A picture's file: what is decoded has the size it says, and what is not, a message. */
#include <stdint.h>
#include <stdlib.h>

#include "ferry/ferry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_file file = {"picture", data, size};
    ferry_image image;
    ferry_error error = {0};
    if (ferry_image_decode(&file, 1 << 16, &image, &error) != FERRY_OK) {
        if (image.data != NULL || error.message[0] == '\0') abort();
        return 0;
    }
    const uint8_t *bytes = image.data;
    size_t sum = 0;
    for (size_t i = 0; i < image.width * image.height * image.channels; i++) sum += bytes[i];
    if (image.width * image.height == 0 || sum > SIZE_MAX / 2) abort();
    ferry_image_free(&image);
    return 0;
}
