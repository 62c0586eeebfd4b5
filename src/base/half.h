/* 16-bit floats. */
#ifndef FERRY_BASE_HALF_H
#define FERRY_BASE_HALF_H

#include <stdint.h>
#include <string.h>

/*
 * The bits of the float with a half's value: rebias the exponent, once more for infinity and NaN.
 * A denormal half, mantissa × 2^-24, is normal as a float: put the mantissa under 2^-14's exponent
 * and subtract the 2^-14 that this added. Bits, as a signalling NaN passed as a float would be
 * quieted on some machines.
 */
static inline uint32_t ferry_half_bits(uint32_t half)
{
    const uint32_t rebias = (127u - 15u) << 23;
    uint32_t sign = (half & 0x8000u) << 16;
    uint32_t bits = (half & 0x7FFFu) << 13;
    uint32_t exponent = bits & (0x1Fu << 23);
    if (exponent == 0x1Fu << 23) return sign | (bits + 2 * rebias);
    if (exponent != 0) return sign | (bits + rebias);
    bits += rebias + (1u << 23);
    float value;
    memcpy(&value, &bits, sizeof value);
    value = value - 0x1p-14f;
    memcpy(&bits, &value, sizeof bits);
    return sign | bits;
}

static inline float ferry_half(uint16_t half)
{
    uint32_t bits = ferry_half_bits(half);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
