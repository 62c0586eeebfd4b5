/* The clips of golden/sounds.py. */
#ifndef FERRY_TEST_SOUND_CLIPS_H
#define FERRY_TEST_SOUND_CLIPS_H

#include "golden_tensors.h"

enum { CLIP_RATE = 16000, CLIPS = 3 };

static inline double clip_triangle(int64_t i, int64_t hertz, int64_t rate)
{
    int64_t phase = i * hertz * 65536 / rate % 65536 - 32768;
    return (double)((phase < 0 ? -phase : phase) - 16384);
}

/* [count] of -32768…32767 */
static inline void clip_noise(double *out, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (double)(state >> 16) - 32768.0;
    }
}

static inline float *clip_new(size_t count)
{
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    return out;
}

static inline ferry_sound clip_plucked(int64_t rate, int64_t seconds)
{
    static const int64_t notes[] = {196, 247, 294, 392, 330, 262, 220, 294};
    size_t count = (size_t)(rate * seconds);
    float *out = clip_new(count);
    for (size_t i = 0; i < count; i++) {
        double sum = 0.0;
        for (int64_t k = 0; k < 8; k++) {
            int64_t since = (int64_t)i - k * (rate * 3 / 4);
            if (since >= 0 && since < rate)
                sum += clip_triangle(since, notes[k], rate) * (double)(rate - since);
        }
        out[i] = (float)(sum / (65536.0 * (double)rate));
    }
    return (ferry_sound){out, count, 1, (size_t)rate};
}

static inline ferry_sound clip_beats(void)
{
    size_t count = 2 * CLIP_RATE;
    float *out = clip_new(count);
    double *noise = calloc(count, sizeof *noise);
    assert_non_null(noise);
    clip_noise(noise, count);
    for (int64_t i = 0; i < (int64_t)count; i++) {
        int64_t hiss = 32768 - 12 * (i % 7200), drum = 32768 - 3 * (i % 14400);
        double sum = noise[i] * (double)(hiss > 0 ? hiss : 0);
        sum += 2 * clip_triangle(i % 14400, 55, CLIP_RATE) * (double)(drum > 0 ? drum : 0);
        out[i] = (float)(sum / 2147483648.0);
    }
    free(noise);
    return (ferry_sound){out, count, 1, CLIP_RATE};
}

static inline ferry_sound clip_chord(void)
{
    size_t count = 7 * CLIP_RATE / 2;
    float *out = clip_new(count);
    for (int64_t i = 0; i < (int64_t)count; i++) {
        double sum = 0.0;
        sum += clip_triangle(i, 220, CLIP_RATE);
        sum += clip_triangle(i, 277, CLIP_RATE);
        sum += clip_triangle(i, 330, CLIP_RATE);
        out[i] = (float)(sum / 262144.0);
    }
    return (ferry_sound){out, count, 1, CLIP_RATE};
}

static inline void clips_open(ferry_sound out[CLIPS])
{
    out[0] = clip_plucked(CLIP_RATE, 6);
    out[1] = clip_beats();
    out[2] = clip_chord();
}

static inline void clip_close(ferry_sound *sound)
{
    free((void *)(uintptr_t)sound->data);
    *sound = (ferry_sound){0};
}

static inline void clips_close(ferry_sound clips[CLIPS])
{
    for (size_t i = 0; i < CLIPS; i++) clip_close(&clips[i]);
}

#endif
