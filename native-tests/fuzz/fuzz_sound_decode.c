/* A sound's file: what is decoded has the size it says and finite samples, and what is not, a
 * message. */
#include <stdint.h>
#include <stdlib.h>

#include "input/sound.h"
#include "sound_leaks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_file file = {"sound", data, size};
    ferry_sound sound;
    ferry_error error = {0};
    if (ferry_sound_decode(&file, 1 << 16, &sound, &error) != FERRY_OK) {
        if (sound.data != NULL || error.message[0] == '\0') abort();
        return 0;
    }
    if (ferry_sound_check(&sound, 0, &error) != FERRY_OK) abort();
    ferry_sound_free(&sound);
    return 0;
}
