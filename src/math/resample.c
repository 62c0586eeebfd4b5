#include "math/resample.h"

#include "math/elementary.h"

enum {
    PERIODS = 80,           /* of the lower rate, to each side */
    LANES = 8,              /* of a sum; taps are a multiple of them */
    MOST_WEIGHTS = 1 << 21, /* kept: 8 MB, which rates of few common divisors would exceed */
};

/* Of the lower rate's half: the window lets through what is below 0.9 of it, and nothing (-92 dB)
 * above all of it. */
static const double CUTOFF = 0.95;

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* ---- weights ---- */

/* Blackman and Harris' window of four terms, x from -1 to 1. */
static double window(double x)
{
    double c = ferry_cos_pi(x);
    double twice = 2.0 * c * c - 1.0, thrice = c * (2.0 * twice - 1.0);
    return 0.35875 + 0.48829 * c + 0.14128 * twice + 0.01168 * thrice;
}

/* The weights of an output that lies part / up behind an input; their sum is 1. */
static void make_weights(const ferry_resampler *r, uint64_t part, float *weights)
{
    double fraction = (double)part / (double)r->up, sum = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < r->taps; k++) {
            double d = (double)k - (double)r->reach - fraction, x = d * r->cutoff, w = 0.0;
            if (d > -r->half && d < r->half) {
                w = x == 0.0 ? 1.0 : ferry_sin_pi(x) / (x * 3.14159265358979323846);
                w = w * window(d / r->half);
            }
            if (pass == 0)
                sum = sum + w;
            else
                weights[k] = (float)(w / sum);
        }
    }
}

/* Weights of output i, which has a row of its own or is given one. */
static const float *weights_of(const ferry_resampler *r, uint64_t i)
{
    if (r->kept) return r->weights + (size_t)(i % r->up) * r->taps;
    make_weights(r, i * r->down % r->up, r->weights);
    return r->weights;
}

bool ferry_resampler_init(ferry_resampler *resampler, size_t from, size_t to, uint64_t outputs,
                          ferry_arena *arena)
{
    uint64_t divisor = common_divisor(from, to);
    ferry_resampler r = {.up = to / divisor, .down = from / divisor};
    double stretch = r.down > r.up ? (double)r.down / (double)r.up : 1.0;
    r.half = (double)PERIODS * stretch;
    r.cutoff = CUTOFF / stretch;
    r.reach = (size_t)r.half;
    r.taps = (2 * r.reach + 1 + LANES) / LANES * LANES;
    if (r.up == r.down) r = (ferry_resampler){.up = 1, .down = 1, .taps = 1};
    uint64_t rows = outputs < r.up ? outputs : r.up;
    r.kept = rows <= MOST_WEIGHTS / r.taps;
    r.rows = r.kept ? ferry_at_least_one((size_t)rows) : 1;
    r.weights = ferry_arena_array(arena, r.rows, r.taps * sizeof *r.weights);
    *resampler = r;
    if (r.weights == NULL) return false;
    if (r.taps == 1)
        r.weights[0] = 1.0f;
    else
        for (uint64_t i = 0; r.kept && i < r.rows; i++)
            make_weights(&r, i * r.down % r.up, r.weights + (size_t)i * r.taps);
    return true;
}

/* ---- sums ---- */

uint64_t ferry_resampler_outputs(const ferry_resampler *resampler, uint64_t inputs)
{
    return (inputs * resampler->up + resampler->down - 1) / resampler->down;
}

static int64_t start_of(const ferry_resampler *r, uint64_t i)
{
    return (int64_t)(i * r->down / r->up) - (int64_t)r->reach;
}

void ferry_resampler_reads(const ferry_resampler *resampler, uint64_t first, size_t count,
                           int64_t *start, size_t *length)
{
    *start = start_of(resampler, first);
    *length = (size_t)(start_of(resampler, first + count - 1) - *start) + resampler->taps;
}

/* A product of two floats is exact in double. */
static double dot(const float *a, const float *b, size_t taps)
{
    double lane[LANES] = {0.0};
    for (size_t k = 0; k < taps; k += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] = lane[j] + (double)a[k + j] * (double)b[k + j];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void ferry_resample(const ferry_resampler *resampler, const float *x, uint64_t first, size_t count,
                    float *out)
{
    int64_t start = start_of(resampler, first);
    for (size_t i = 0; i < count; i++) {
        const float *from = x + (start_of(resampler, first + i) - start);
        if (resampler->taps == 1)
            out[i] = *from;
        else
            out[i] = (float)dot(weights_of(resampler, first + i), from, resampler->taps);
    }
}
