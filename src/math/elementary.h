/*
 * exp, log, erf, tanh and sin of our own: only + - * / and bit patterns, so that every build gives
 * the same bits. This is the specification; kernels_vector.inc does the same operations in the same
 * order. Coefficients: fit_elementary.py. Largest relative errors: exp 0.7, log 0.7, erf 3.3,
 * tanh 3.1 * 2^-23.
 */
#ifndef FERRY_MATH_ELEMENTARY_H
#define FERRY_MATH_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

/* exp(x) = 2^n * exp(r), n = round(x / ln 2); ln 2 in two parts, the first with 9 trailing zeros,
 * so that n * EXP_LN2_HIGH is exact. */
#define EXP_LOWEST -87.3365447f /* below: 0, no denormals; ln of the smallest normal float */
#define EXP_HIGHEST 88.3762589f /* above: clamped to exp of this */
#define EXP_LOG2E 1.44269504f
#define EXP_ROUND                                                                   \
    12582912.0f /* 1.5 * 2^23: adding it leaves the rounded integer in the low bits \
                 */
#define EXP_LN2_HIGH 0.693359375f
#define EXP_LN2_LOW -2.12194440e-4f
#define EXP_C2 4.9999994e-01f
#define EXP_C3 1.666652e-01f
#define EXP_C4 4.1668393e-02f
#define EXP_C5 8.368781e-03f
#define EXP_C6 1.3814466e-03f

/* 127 * 2^x, x <= 0, to 1e-4: what becomes a byte. n and r as for exp, and x not below
 * SHARE_LOWEST, where it is 0. */
#define SHARE_LOWEST -127.0f
#define SHARE_C0 127.0f
#define SHARE_C1 88.04693f
#define SHARE_C2 30.760792f
#define SHARE_C3 6.986133f

/* log(x) = n ln 2 + log(1 + f), x = 2^n (1 + f), 1 + f from sqrt(1/2) to sqrt(2);
 * log(1 + f) = f - f^2/2 + f^3 P(f); ln 2 in exp's two parts. */
#define LOG_LOWEST 1.17549435e-38f  /* the smallest normal; below: log of this */
#define LOG_HIGHEST 3.40282347e+38f /* above: log of this */
#define LOG_SQRT_HALF 0x3F3504F3u   /* the bits of sqrt(1/2) */
#define LOG_P0 3.3333313e-01f
#define LOG_P1 -2.500001e-01f
#define LOG_P2 2.0002119e-01f
#define LOG_P3 -1.6667996e-01f
#define LOG_P4 1.4219552e-01f
#define LOG_P5 -1.240559e-01f
#define LOG_P6 1.18881665e-01f
#define LOG_P7 -1.16756484e-01f
#define LOG_P8 6.7466274e-02f

/* erf(x) = x P(x^2) / Q(x^2) up to ERF_LIMIT, where it is 1 to half a unit */
#define ERF_LIMIT 3.92f
#define ERF_P0 1.1283791e+00f
#define ERF_P1 1.9990678e-01f
#define ERF_P2 5.0570898e-02f
#define ERF_P3 3.7007956e-03f
#define ERF_P4 1.4182656e-04f
#define ERF_P5 -1.9576567e-06f
#define ERF_P6 1.9923151e-08f
#define ERF_Q1 5.104944e-01f
#define ERF_Q2 1.14991e-01f
#define ERF_Q3 1.4351618e-02f
#define ERF_Q4 9.558269e-04f

/* tanh(x) = x P(x^2) / Q(x^2) */
#define TANH_LIMIT 9.01f
#define TANH_P0 9.9999994e-01f
#define TANH_P1 1.2918639e-01f
#define TANH_P2 2.9201277e-03f
#define TANH_P3 9.261616e-06f
#define TANH_P4 -1.2763011e-08f
#define TANH_P5 1.8210716e-11f
#define TANH_Q1 4.6251923e-01f
#define TANH_Q2 2.3760576e-02f
#define TANH_Q3 2.280124e-04f

#define GELU_SQRT_HALF 0.70710678f  /* GELU(x) = x/2 (1 + erf(x / sqrt 2)) */
#define GELU_DENSITY 0.39894228f    /* 1 / sqrt(2 pi): GELU' has x times the normal density */
#define GELU_TANH_SCALE 0.79788456f /* sqrt(2 / pi), of the tanh form */
#define GELU_TANH_CUBE 0.044715f

/* A group whose largest magnitude is below this is quantised as zeros: 127 / it stays finite. */
#define FERRY_INT8_SMALLEST 1e-30f

static inline float ferry_clamp(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static inline float ferry_exp(float x)
{
    float clamped = ferry_clamp(x, EXP_LOWEST, EXP_HIGHEST);
    float rounded = clamped * EXP_LOG2E + EXP_ROUND;
    float n = rounded - EXP_ROUND;
    float r = clamped - n * EXP_LN2_HIGH;
    r = r - n * EXP_LN2_LOW;
    float p = EXP_C6;
    p = p * r + EXP_C5;
    p = p * r + EXP_C4;
    p = p * r + EXP_C3;
    p = p * r + EXP_C2;
    p = (p * (r * r) + r) + 1.0f;
    /* 2^n: n sits in the low bits of rounded; the higher ones are shifted out. */
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << 23) + (127u << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < EXP_LOWEST ? 0.0f : p * power;
}

static inline float ferry_share(float x)
{
    x = x < SHARE_LOWEST ? SHARE_LOWEST : x;
    float rounded = x + EXP_ROUND;
    float r = x - (rounded - EXP_ROUND);
    float p = ((SHARE_C3 * r + SHARE_C2) * r + SHARE_C1) * r + SHARE_C0;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << 23) + (127u << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* Natural logarithm. Total: what is no positive normal float is clamped, so nothing is infinite. */
static inline float ferry_log_float(float x)
{
    x = x >= LOG_LOWEST ? x : LOG_LOWEST; /* a NaN as well */
    x = x > LOG_HIGHEST ? LOG_HIGHEST : x;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = bits + (0x3F800000u - LOG_SQRT_HALF);
    float n = (float)((int32_t)(bits >> 23) - 127);
    bits = (bits & 0x007FFFFFu) + LOG_SQRT_HALF;
    float m;
    memcpy(&m, &bits, sizeof m);
    float f = m - 1.0f;
    float z = f * f;
    float p = LOG_P8;
    p = p * f + LOG_P7;
    p = p * f + LOG_P6;
    p = p * f + LOG_P5;
    p = p * f + LOG_P4;
    p = p * f + LOG_P3;
    p = p * f + LOG_P2;
    p = p * f + LOG_P1;
    p = p * f + LOG_P0;
    p = p * f * z;
    p = p + n * EXP_LN2_LOW - 0.5f * z;
    return f + p + n * EXP_LN2_HIGH;
}

static inline float ferry_erf(float x)
{
    x = ferry_clamp(x, -ERF_LIMIT, ERF_LIMIT);
    float t = x * x;
    float p = ERF_P6;
    p = p * t + ERF_P5;
    p = p * t + ERF_P4;
    p = p * t + ERF_P3;
    p = p * t + ERF_P2;
    p = p * t + ERF_P1;
    p = p * t + ERF_P0;
    float q = ERF_Q4;
    q = q * t + ERF_Q3;
    q = q * t + ERF_Q2;
    q = q * t + ERF_Q1;
    q = q * t + 1.0f;
    return ferry_clamp(x * p / q, -1.0f, 1.0f);
}

static inline float ferry_tanh(float x)
{
    x = ferry_clamp(x, -TANH_LIMIT, TANH_LIMIT);
    float t = x * x;
    float p = TANH_P5;
    p = p * t + TANH_P4;
    p = p * t + TANH_P3;
    p = p * t + TANH_P2;
    p = p * t + TANH_P1;
    p = p * t + TANH_P0;
    float q = TANH_Q3;
    q = q * t + TANH_Q2;
    q = q * t + TANH_Q1;
    q = q * t + 1.0f;
    return ferry_clamp(x * p / q, -1.0f, 1.0f);
}

static inline float ferry_sigmoid(float x)
{
    return 1.0f / (1.0f + ferry_exp(-x));
}

/* ln x of a positive, normal, finite x, to 1.5 units of the last place: x = 2^n m, m in
 * sqrt(1/2)…sqrt 2, ln m = 2 artanh s, s = (m - 1) / (m + 1). In double: what needs it is rare, and
 * cancels. */
static inline double ferry_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t n = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFu) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        n = n + 1;
    }
    double s = (m - 1.0) / (m + 1.0), t = s * s;
    double p = 1.0 / 23;
    for (int k = 21; k >= 3; k -= 2) p = p * t + 1.0 / k;
    double high =
        (double)n * 0x1.62e42fefa38p-1; /* ln 2 in two parts; the first is exact times n */
    double low = (double)n * 0x1.ef35793c7673p-45;
    return high + (2.0 * s + (2.0 * s * (t * p) + low));
}

/* Of the same x. */
static inline double ferry_log2(double x)
{
    return ferry_log(x) / 0.693147180559945309417;
}

/* sin(pi x) of |x| < 2^50, to 3e-16: exact reduction to a quarter turn, then Taylor's series. */
static inline double ferry_sin_pi(double x)
{
    double rounded = x + 0x1.8p52, n = rounded - 0x1.8p52; /* as EXP_ROUND, in double */
    uint64_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    double t = (x - n) * 3.14159265358979323846, square = t * t, p = 1.0;
    for (int k = 22; k >= 2; k -= 2) p = 1.0 - p * square / (double)(k * (k + 1));
    return (bits & 1) != 0 ? -t * p : t * p;
}

/* cos(pi x) of the same x, if x + 1/2 is exact or need not be. */
static inline double ferry_cos_pi(double x)
{
    return ferry_sin_pi(x + 0.5);
}

/* x, of at most 127.5 in magnitude, to the nearest integer, halves to even. */
static inline int8_t ferry_round_int8(float x)
{
    float rounded = x + EXP_ROUND;
    int32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    return (int8_t)(bits &
                    0xFF); /* the low byte of 1.5 * 2^23 is 0, and of a sum with x its value */
}

#endif
