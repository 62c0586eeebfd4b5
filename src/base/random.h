/*
 * Random numbers: xoshiro256** (Blackman and Vigna), seeded by splitmix64. Integers only up to the
 * last step, so every build draws the same ones.
 */
#ifndef FERRY_BASE_RANDOM_H
#define FERRY_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct ferry_random {
    uint64_t state[4];
} ferry_random;

/* splitmix64's output function: a bijection that mixes every bit into every other. */
static inline uint64_t ferry_random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Each stream is an independent sequence of the seed. */
static inline void ferry_random_seed(ferry_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t at = ferry_random_mix(seed + 0x9e3779b97f4a7c15u) ^
                  ferry_random_mix(stream + 0xd1b54a32d192ed03u);
    for (int i = 0; i < 4; i++) {
        at += 0x9e3779b97f4a7c15u;
        random->state[i] = ferry_random_mix(at);
    }
}

static inline uint64_t ferry_random_next(ferry_random *random)
{
    uint64_t *s = random->state;
    uint64_t five = s[1] * 5;
    uint64_t result = (five << 7 | five >> 57) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* Uniform in [0, n), without bias (Lemire, "Fast random integer generation in an interval");
 * n > 0. */
static inline uint32_t ferry_random_below(ferry_random *random, uint32_t n)
{
    uint64_t product = (ferry_random_next(random) >> 32) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)product < threshold) product = (ferry_random_next(random) >> 32) * n;
    }
    return (uint32_t)(product >> 32);
}

/* [0, 1) in steps of 2^-24. */
static inline float ferry_random_uniform(ferry_random *random)
{
    return (float)(ferry_random_next(random) >> 40) * 0x1p-24f;
}

/* Uniform in [-bound, bound): as torch.nn.Linear begins, with bound 1 / sqrt(inputs). */
static inline void ferry_random_fill(ferry_random *random, float bound, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (2.0f * ferry_random_uniform(random) - 1.0f) * bound;
}

/* About normal, mean 0, deviation 1: the sum of twelve uniforms (within ±6, kurtosis 2.9), which
 * needs no logarithm. For initial weights. */
static inline float ferry_random_normal(ferry_random *random)
{
    const uint64_t part = (1u << 21) - 1;
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t bits = ferry_random_next(random);
        sum += (int64_t)((bits & part) + (bits >> 21 & part) + (bits >> 42 & part));
    }
    return (float)(sum - 6 * (int64_t)part) * 0x1p-21f;
}

/* Fisher and Yates, from the end. */
static inline void ferry_random_shuffle(ferry_random *random, uint32_t *values, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = ferry_random_below(random, (uint32_t)i);
        uint32_t kept = values[i - 1];
        values[i - 1] = values[other];
        values[other] = kept;
    }
}

#endif
