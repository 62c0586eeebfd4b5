/* Nine bytes say how, the others over and over are the samples: whatever rate, channels and length,
 * what is taken becomes finite bands, and any part of the resampled sound has the bits of the
 * whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encode/log_mel.h"
#include "input/sound.h"
#include "math/resample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void resample(const ferry_resampler *r, const ferry_sound *sound, uint64_t first,
                     size_t count, float *out)
{
    int64_t start;
    size_t length;
    ferry_resampler_reads(r, first, count, &start, &length);
    /* exactly as large, so that the sanitizer sees a read past it */
    float *mono = malloc(length * sizeof *mono);
    if (mono == NULL) abort();
    ferry_sound_mono(sound, start, length, mono);
    ferry_resample(r, mono, first, count, out);
    free(mono);
}

static void prepare(const ferry_sound *sound, size_t part)
{
    enum { MOST = 4 * FERRY_MEL_HOP + FERRY_MEL_WINDOW };
    static ferry_log_mel mel;
    if (mel.used[0] == 0) ferry_log_mel_init(&mel);
    float samples[MOST] = {0.0f}, again[MOST], bands[5 * FERRY_MEL_BANDS];
    ferry_arena arena;
    ferry_resampler r;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    if (!ferry_resampler_init(&r, sound->sample_rate, FERRY_MEL_RATE, MOST, &arena)) abort();
    uint64_t all = ferry_resampler_outputs(&r, sound->frames);
    size_t count = all < MOST ? (size_t)all : MOST;
    resample(&r, sound, 0, count, samples);
    part = part % count;
    resample(&r, sound, part, count - part, again);
    if (memcmp(again, samples + part, (count - part) * sizeof *again) != 0) abort();
    ferry_log_mel_make(&mel, samples, 5, bands);
    for (size_t i = 0; i < 5 * FERRY_MEL_BANDS; i++)
        if (!(bands[i] >= 0.0f && bands[i] < 1e3f)) abort();
    ferry_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 9, MOST = 1 << 14 /* samples, so that an input is quick */ };
    if (size < HEAD + 4) return 0;
    size_t rate = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
    ferry_sound sound = {.frames = (size_t)data[3] << 8 | data[4],
                         .channels = data[5] % 70u,
                         .sample_rate = rate % 400000};
    size_t count = sound.frames * sound.channels;
    if (count > MOST) return 0;
    float *samples = malloc(ferry_at_least_one(count) * sizeof *samples);
    if (samples == NULL) abort();
    for (size_t i = 0; i < count; i++) /* any bits: infinities and NaNs as well */
        memcpy(&samples[i], data + HEAD + i % ((size - HEAD) / 4) * 4, 4);
    sound.data = samples;
    ferry_error error = {0};
    if (ferry_sound_check(&sound, 0, &error) == FERRY_OK)
        prepare(&sound, (size_t)data[6] << 8 | data[7]);
    else if (error.message[0] == '\0')
        abort();
    free(samples);
    return 0;
}
