#include "encode/log_mel.h"

#include "math/elementary.h"

enum { N = FERRY_MEL_WINDOW, BINS = FERRY_MEL_BINS, BANDS = FERRY_MEL_BANDS };

/* ---- Slaney's mel scale: linear up to 1,000 Hz, then by a constant ratio ---- */

static const double LINEAR = 200.0 / 3.0;         /* Hz a mel */
static const double KNEE = 1000.0;                /* Hz, 15 mel */
static const double RATIO = 0.068751777420949124; /* ln 6.4 / 27, of two frequencies a mel apart */

/* e^x of 0 <= x <= 4, by Taylor's series of a 64th of it. */
static double exponential(double x)
{
    double p = 1.0, t = x / 64.0;
    for (int k = 12; k >= 1; k--) p = 1.0 + p * t / k;
    for (int i = 0; i < 6; i++) p = p * p;
    return p;
}

static double to_hertz(double mel)
{
    double knee = KNEE / LINEAR;
    return mel < knee ? mel * LINEAR : KNEE * exponential(RATIO * (mel - knee));
}

/* A band rises from one of BANDS + 2 frequencies to the next and falls to the one behind it. */
static void make_bands(ferry_log_mel *mel)
{
    double highest = KNEE / LINEAR + ferry_log((double)(FERRY_MEL_RATE / 2) / KNEE) / RATIO;
    double edge[BANDS + 2];
    for (int i = 0; i < BANDS + 2; i++) edge[i] = to_hertz(highest * i / (BANDS + 1));
    double *weight = mel->weight;
    for (int band = 0; band < BANDS; band++) {
        double low = edge[band], middle = edge[band + 1], high = edge[band + 2];
        mel->used[band] = 0;
        for (int bin = 0; bin < BINS; bin++) {
            double hertz = bin * ((double)FERRY_MEL_RATE / (double)N);
            double rising = (hertz - low) / (middle - low),
                   falling = (high - hertz) / (high - middle);
            double w = rising < falling ? rising : falling;
            if (!(w > 0.0)) continue;
            if (mel->used[band]++ == 0) mel->first[band] = (uint16_t)bin;
            *weight++ = w * 2.0 / (high - low);
        }
    }
}

void ferry_log_mel_init(ferry_log_mel *mel)
{
    *mel = (ferry_log_mel){0};
    for (int i = 0; i < N; i++) mel->window[i] = 0.5 - 0.5 * ferry_cos_pi(i / (double)(N / 2));
    for (int i = 0; i < N / 2; i++) {
        mel->cosine[i] = ferry_cos_pi(i / (double)(N / 2));
        mel->sine[i] = ferry_sin_pi(i / (double)(N / 2));
    }
    make_bands(mel);
}

/* ---- the transform ---- */

typedef struct spectrum {
    double real[N], imaginary[N];
} spectrum;

/* Where each sample goes before the first stage: the bits of its index turned round. */
static size_t turned(size_t index)
{
    size_t out = 0;
    for (size_t bit = 1; bit < N; bit <<= 1) out = out << 1 | ((index & bit) != 0);
    return out;
}

/* Radix 2, in place, of values already in turned order. */
static void transform(const ferry_log_mel *mel, spectrum *s)
{
    for (size_t half = 1; half < N; half *= 2) {
        size_t step = N / 2 / half;
        for (size_t block = 0; block < N; block += 2 * half) {
            for (size_t k = 0; k < half; k++) {
                size_t a = block + k, b = a + half;
                double c = mel->cosine[k * step], d = mel->sine[k * step];
                double real = s->real[b] * c + s->imaginary[b] * d;
                double imaginary = s->imaginary[b] * c - s->real[b] * d;
                s->real[b] = s->real[a] - real;
                s->imaginary[b] = s->imaginary[a] - imaginary;
                s->real[a] = s->real[a] + real;
                s->imaginary[a] = s->imaginary[a] + imaginary;
            }
        }
    }
}

static void one_frame(const ferry_log_mel *mel, const float *samples, float *out)
{
    spectrum s;
    double power[BINS];
    for (size_t i = 0; i < N; i++) {
        s.real[turned(i)] = (double)samples[i] * mel->window[i];
        s.imaginary[i] = 0.0;
    }
    transform(mel, &s);
    for (size_t bin = 0; bin < BINS; bin++)
        power[bin] = s.real[bin] * s.real[bin] + s.imaginary[bin] * s.imaginary[bin];
    const double *weight = mel->weight;
    for (size_t band = 0; band < BANDS; band++) {
        const double *from = power + mel->first[band];
        double sum = 0.0;
        for (size_t i = 0; i < mel->used[band]; i++) sum = sum + from[i] * *weight++;
        out[band] = (float)(ferry_log(10000.0 * sum + 1.0) / 2.302585092994045684);
    }
}

void ferry_log_mel_make(const ferry_log_mel *mel, const float *samples, size_t frames, float *out)
{
    for (size_t t = 0; t < frames; t++)
        one_frame(mel, samples + t * FERRY_MEL_HOP, out + t * BANDS);
}
