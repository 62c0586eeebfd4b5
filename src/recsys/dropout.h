/* Dropout by counting: whether element i survives is a hash of (key, i), so it does not depend on
 * who computes it, and backward needs no stored mask. */
#ifndef FERRY_RECSYS_DROPOUT_H
#define FERRY_RECSYS_DROPOUT_H

#include "base/random.h"

/* y[i] = x[i] / (1 - rate) where element first + i survives, else 0; [count], first and count
 * multiples of 4 or to the end of a row that is. y may be x. The gradient is the same function of
 * dy. One hash serves four elements, 16 bits each: rate is rounded to 1/65536. */
static inline void ferry_dropout(const float *x, float rate, uint64_t key, size_t first,
                                 size_t count, float *y)
{
    uint32_t drop = (uint32_t)(rate * 65536.0f + 0.5f);
    float scale = 1.0f / (1.0f - rate);
    for (size_t i = 0; i < count; i += 4) {
        uint64_t bits = ferry_random_mix(key + (first + i) / 4 * 0x9e3779b97f4a7c15u);
        for (size_t j = i; j < i + 4 && j < count; j++, bits >>= 16)
            y[j] = (bits & 0xFFFF) < drop ? 0.0f : x[j] * scale;
    }
}

/* Another key for another place or step. */
static inline uint64_t ferry_dropout_key(uint64_t key, uint64_t place)
{
    return ferry_random_mix(key ^ ferry_random_mix(place + 0x632be59bd9b4e019u));
}

#endif
