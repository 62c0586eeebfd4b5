/*
 * How long a sound encoder takes for a patch of 3 seconds, spectrogram included, in f32 and int8:
 * the best of nine runs over ten of them, noise, by one thread. docs/sounds.md.
 *
 *   sound MODEL_DIR [KERNELS]
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ferry/ferry.h"

enum { RATE = 16000, PATCHES = 10, SAMPLES = 31 * RATE, REPEATS = 9 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int measure(const char *path, const char *kernels, ferry_precision precision,
                   const ferry_sound *sound)
{
    ferry_error error;
    ferry_encoder *encoder;
    ferry_encoder_options options = {
        .size = sizeof options, .kernels = kernels, .precision = precision};
    if (ferry_encoder_open_directory(path, &options, &encoder, &error) != FERRY_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    double best = 1e9;
    ferry_status status = FERRY_OK;
    float *out = calloc(ferry_encoder_dimension(encoder), sizeof *out);
    for (int i = 0; i < REPEATS && status == FERRY_OK && out != NULL; i++) {
        double start = seconds();
        status = ferry_encoder_encode_sounds(encoder, sound, 1, out, NULL, NULL, &error);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    if (status != FERRY_OK) fprintf(stderr, "%s\n", error.message);
    printf("%-5s %6.2f ms\n", precision == FERRY_PRECISION_F32 ? "f32" : "int8",
           best * 1e3 / PATCHES);
    free(out);
    ferry_encoder_close(encoder);
    return status == FERRY_OK && out != NULL ? 0 : 1;
}

int main(int argc, char **argv)
{
    float *samples = malloc(SAMPLES * sizeof *samples);
    if (argc < 2 || samples == NULL) {
        fprintf(stderr, "usage: sound MODEL_DIR [KERNELS]\n");
        return 2;
    }
    uint32_t state = 1;
    for (size_t i = 0; i < SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
    }
    ferry_sound sound = {samples, SAMPLES, 1, RATE};
    const char *kernels = argc > 2 ? argv[2] : NULL;
    int failed = measure(argv[1], kernels, FERRY_PRECISION_F32, &sound) +
                 measure(argv[1], kernels, FERRY_PRECISION_INT8, &sound);
    free(samples);
    return failed;
}
