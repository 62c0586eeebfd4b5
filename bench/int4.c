/*
 * What keeping a model's matrices 4-bit in memory would cost: the time of a pass as it is, over
 * matrices repacked to int8 once, beside the time that unpacking 4-bit ones takes, once a pass, to
 * the same panels, with the best loop that the compiler makes of it. docs/languages.md.
 *
 *   int4 MODEL_DIR
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry/ferry.h"

enum { LAYERS = 12, HIDDEN = 384, WIDE = 1536, REPEATS = 9 };
enum { WEIGHTS = LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * WIDE) };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Both halves of each byte as weights + 64: 64 bytes of a panel's step from 32. */
static void unpack(const uint8_t *halves, uint8_t *panel, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 32) {
        for (size_t j = 0; j < 32; j++) panel[2 * i + j] = (uint8_t)((halves[i + j] & 15) + 56);
        for (size_t j = 0; j < 32; j++)
            panel[2 * i + 32 + j] = (uint8_t)((halves[i + j] >> 4) + 56);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static const size_t words[] = {4, 14, 30, 62, 126, 254};
    /* One panel of 16 columns at a time, which stays in the first-level cache, as a kernel would.
     */
    static uint8_t panel[16 * WIDE];
    uint8_t *halves = malloc(WEIGHTS / 2);
    ferry_encoder *encoder;
    ferry_error error;
    ferry_encoder_options options = {.size = sizeof options, .threads = 1, .prompt = ""};
    if (argc < 2 || halves == NULL ||
        ferry_encoder_open_directory(argv[1], &options, &encoder, &error) != FERRY_OK) {
        fprintf(stderr, "int4: %s\n", argc < 2 ? "no model directory" : error.message);
        return 1;
    }
    for (size_t i = 0; i < WEIGHTS / 2; i++) halves[i] = (uint8_t)(i * 2654435761u >> 13);
    float *out = malloc(ferry_encoder_dimension(encoder) * sizeof *out);
    unsigned sum = 0;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        char text[1024] = "";
        for (size_t i = 0; i < words[w]; i++) strcat(text, i > 0 ? " a" : "a");
        double pass[REPEATS], more[REPEATS];
        for (size_t r = 0; r < REPEATS; r++) {
            ferry_text one = {text, strlen(text)};
            double start = seconds();
            ferry_encoder_encode(encoder, &one, 1, out, NULL, NULL, &error);
            double middle = seconds();
            for (size_t at = 0; at < WEIGHTS / 2; at += 16 * HIDDEN / 2) {
                unpack(halves + at, panel, 16 * HIDDEN / 2);
                sum += panel[at % sizeof panel];
            }
            pass[r] = middle - start, more[r] = seconds() - middle;
        }
        qsort(pass, REPEATS, sizeof *pass, by_size);
        qsort(more, REPEATS, sizeof *more, by_size);
        printf("%3zu tokens: a pass %.2f ms (best %.2f), unpacking %.2f ms (best %.2f) more\n",
               words[w] + 2, 1e3 * pass[REPEATS / 2], 1e3 * pass[0], 1e3 * more[REPEATS / 2],
               1e3 * more[0]);
    }
    ferry_encoder_close(encoder);
    free(out), free(halves);
    return sum == 1;
}
