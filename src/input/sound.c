#include "input/sound.h"

#include <string.h>

#include "base/error.h"

size_t ferry_sound_bad_sample(const float *samples, size_t count)
{
    const float most = 1e15f;
    size_t i = 0;
    while (i < count && samples[i] >= -most && samples[i] <= most) i++; /* a NaN is neither */
    return i;
}

ferry_status ferry_sound_check(const ferry_sound *sound, size_t index, ferry_error *error)
{
    if (sound->frames == 0 || sound->channels == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "sound %zu has %zu samples of %zu channels", index, sound->frames,
                          sound->channels);
    if (sound->channels > FERRY_SOUND_MAX_CHANNELS || sound->frames > FERRY_SOUND_MAX_FRAMES)
        return ferry_fail(error, FERRY_LIMIT,
                          "sound %zu has %zu samples of %zu channels, the limits are %d and %d",
                          index, sound->frames, sound->channels, FERRY_SOUND_MAX_FRAMES,
                          FERRY_SOUND_MAX_CHANNELS);
    if (sound->sample_rate < FERRY_SOUND_MIN_RATE || sound->sample_rate > FERRY_SOUND_MAX_RATE)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "sound %zu has %zu samples a second, expected %d…%d", index,
                          sound->sample_rate, FERRY_SOUND_MIN_RATE, FERRY_SOUND_MAX_RATE);
    if (sound->data == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "sound %zu: data is NULL", index);
    size_t count = sound->frames * sound->channels;
    size_t bad = ferry_sound_bad_sample(sound->data, count);
    if (bad == count) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "sound %zu: sample %zu is %g, expected -1…1, and at most 1e15 in magnitude",
                      index, bad / sound->channels, (double)sound->data[bad]);
}

static float mean(const float *channels, size_t count)
{
    double sum = 0.0;
    for (size_t c = 0; c < count; c++) sum = sum + (double)channels[c];
    return (float)(sum / (double)count);
}

void ferry_sound_mono(const ferry_sound *sound, int64_t start, size_t count, float *out)
{
    size_t i = 0;
    for (; i < count && start < 0; i++, start++) out[i] = 0.0f;
    for (size_t at = (size_t)start; i < count && at < sound->frames; i++, at++)
        out[i] = mean(sound->data + at * sound->channels, sound->channels);
    for (; i < count; i++) out[i] = 0.0f;
}
