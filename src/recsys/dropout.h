/* Dropout by counting: whether element i survives is a hash of (key, i), so it does not depend on
 * who computes it, and backward needs no stored mask. */
#ifndef FERRY_RECSYS_DROPOUT_H
#define FERRY_RECSYS_DROPOUT_H

#include <string.h>

#include "base/random.h"

/* y[i] = x[i] / (1 - rate) where element first + i survives, else 0; [count]; first is a multiple
 * of
 * 4. y may be x. The gradient is the same function of dy. One hash serves four elements, 16 bits
 * each: rate is rounded to 1/65536. */
static inline void ferry_dropout(const float *x, float rate, uint64_t key, size_t first,
                                 size_t count, float *y)
{
    enum { PART = 64 };
    uint32_t drop = (uint32_t)(rate * 65536.0f + 0.5f);
    float scale = 1.0f / (1.0f - rate);
    for (size_t i = 0; i < count; i += PART) {
        uint32_t draw[PART]; /* [PART] apart from what they decide, so that both loops are simple */
        size_t part = count - i < PART ? count - i : PART;
        for (size_t j = 0; j < part; j += 4) {
            uint64_t bits = ferry_random_mix(key + (first + i + j) / 4 * 0x9e3779b97f4a7c15u);
            for (size_t k = 0; k < 4; k++) draw[j + k] = (uint32_t)(bits >> (16 * k)) & 0xFFFF;
        }
        for (size_t j = 0; j < part; j++) { /* without a branch, for nobody could foresee it */
            float scaled = x[i + j] * scale;
            uint32_t bits;
            memcpy(&bits, &scaled, sizeof bits);
            bits &= 0u - (uint32_t)(draw[j] >= drop);
            memcpy(&y[i + j], &bits, sizeof bits);
        }
    }
}

/* Another key for another place or step. */
static inline uint64_t ferry_dropout_key(uint64_t key, uint64_t place)
{
    return ferry_random_mix(key ^ ferry_random_mix(place + 0x632be59bd9b4e019u));
}

#endif
