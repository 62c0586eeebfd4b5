/* Sounds as they are handed in: what is refused, and many channels as one. */
#ifndef FERRY_INPUT_SOUND_H
#define FERRY_INPUT_SOUND_H

#include "ferry/ferry.h"

enum {
    FERRY_SOUND_MIN_RATE = 1000, /* Hz */
    FERRY_SOUND_MAX_RATE = 384000,
    FERRY_SOUND_MAX_CHANNELS = 64,
    FERRY_SOUND_MAX_FRAMES = 1 << 30
};

/* INVALID_ARGUMENT or LIMIT names the sound by its index and says what is wrong with it: its shape,
 * or a sample that is not finite or more than 1e15 in magnitude. */
ferry_status ferry_sound_check(const ferry_sound *sound, size_t index, ferry_error *error);

/* The index of the first sample that is so, or the number of samples. */
size_t ferry_sound_bad_sample(const float *samples, size_t count);

/* The means of the channels of frames [start, start + count), silence outside the sound: out
 * [count]. */
void ferry_sound_mono(const ferry_sound *sound, int64_t start, size_t count, float *out);

#endif
