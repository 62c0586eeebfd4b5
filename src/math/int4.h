/*
 * 4-bit weights as files hold them (llama.cpp's Q4_0, its scales apart): each group of 32
 * neighbours of a row has a 16-bit float scale; byte j of its 16 holds weight j in the lower half
 * and j + 16 in the upper, and a weight is (half - 8) * scale. Only read: docs/languages.md has
 * why a product does not use them as they are.
 */
#ifndef FERRY_MATH_INT4_H
#define FERRY_MATH_INT4_H

#include <stddef.h>
#include <stdint.h>

enum { FERRY_INT4_GROUP = 32 };

/* One row [K], K a multiple of 32: q [K / 2], scale [K / 32] little-endian halves of no particular
 * alignment. */
void ferry_int4_row(const uint8_t *q, const unsigned char *scale, size_t K, float *out);

#endif
