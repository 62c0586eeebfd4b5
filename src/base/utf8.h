/* UTF-8, one code point at a time. */
#ifndef FERRY_BASE_UTF8_H
#define FERRY_BASE_UTF8_H

#include "ferry/ferry.h"

/*
 * Decodes the code point at *offset (< size) and moves past it. Invalid bytes give U+FFFD and are
 * passed a maximal part at a time, as Unicode's "substitution of maximal subparts" (and Python's
 * errors="replace") does; *valid, if not NULL, is then set to false, and otherwise left alone.
 */
uint32_t ferry_utf8_next(const char *text, size_t size, size_t *offset, bool *valid);

/* Writes a code point (no surrogate, at most 0x10FFFF); returns its 1…4 bytes. */
size_t ferry_utf8_put(uint32_t code_point, char out[4]);

bool ferry_utf8_is_valid(const char *text, size_t size);

#endif
