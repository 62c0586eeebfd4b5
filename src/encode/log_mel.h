/*
 * A sound's log-mel spectrogram as musicnn takes it from librosa: 16,000 samples a second, a Hann
 * window of 512 every 256, power, 96 triangles on Slaney's mel scale up to 8,000 Hz, each of area
 * 1, log10(10000 x + 1). The sound is silent before its beginning and behind its end, as librosa
 * has it since 0.10.
 */
#ifndef FERRY_ENCODE_LOG_MEL_H
#define FERRY_ENCODE_LOG_MEL_H

#include "base/memory.h"

enum {
    FERRY_MEL_RATE = 16000,
    FERRY_MEL_WINDOW = 512,
    FERRY_MEL_HOP = 256,
    FERRY_MEL_BANDS = 96,
    FERRY_MEL_BINS = FERRY_MEL_WINDOW / 2 + 1
};

typedef struct ferry_log_mel {
    double window[FERRY_MEL_WINDOW];
    double cosine[FERRY_MEL_WINDOW / 2], sine[FERRY_MEL_WINDOW / 2]; /* of the transform */
    uint16_t first[FERRY_MEL_BANDS], used[FERRY_MEL_BANDS];          /* bins of each band */
    double weight[2 * FERRY_MEL_BINS];                               /* of each of them */
} ferry_log_mel;

void ferry_log_mel_init(ferry_log_mel *mel);

/* Frames of a sound of so many samples, the first around its beginning. */
static inline uint64_t ferry_log_mel_frames(uint64_t samples)
{
    return 1 + samples / FERRY_MEL_HOP;
}

/* out [frames, BANDS]; frame t reads samples [WINDOW] from t * HOP on: samples begin WINDOW / 2
 * before the middle of the first. */
void ferry_log_mel_make(const ferry_log_mel *mel, const float *samples, size_t frames, float *out);

#endif
