/*
 * A sound at another rate: a windowed sine, band-limited to what both rates hold, one set of
 * weights for each place an output can have between two inputs. Sums in double, in a fixed order:
 * the same bits everywhere, and for any part of the outputs as for all of them.
 */
#ifndef FERRY_MATH_RESAMPLE_H
#define FERRY_MATH_RESAMPLE_H

#include "base/memory.h"

typedef struct ferry_resampler {
    uint64_t up, down;  /* output i is at the place i * down / up among the inputs */
    size_t reach, taps; /* the first input of an output is reach before that place, rounded down */
    double cutoff;      /* of the sine, in half cycles an input */
    double half;        /* inputs to each side, where the window ends */
    size_t rows;        /* of weights; 1 where they are too many to keep */
    bool kept;
    float *weights; /* [rows, taps]; row i is output i's, and up outputs on again */
} ferry_resampler;

/* outputs is how many there will be at most: no more weights are made than they need. from and to
 * are 1…2^20 a second. false without memory. */
bool ferry_resampler_init(ferry_resampler *resampler, size_t from, size_t to, uint64_t outputs,
                          ferry_arena *arena);

/* How many outputs a sound of so many inputs has, the last of which may lie behind its end. */
uint64_t ferry_resampler_outputs(const ferry_resampler *resampler, uint64_t inputs);

/* The inputs that outputs [first, first + count) read, count > 0: *length of them from *start on,
 * which may be before the sound's first or behind its last, as silence. */
void ferry_resampler_reads(const ferry_resampler *resampler, uint64_t first, size_t count,
                           int64_t *start, size_t *length);

/* x [length] those inputs, out [count] */
void ferry_resample(const ferry_resampler *resampler, const float *x, uint64_t first, size_t count,
                    float *out);

#endif
