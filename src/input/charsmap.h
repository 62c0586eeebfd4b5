/*
 * SentencePiece's "precompiled" normalisation map: what a sequence of code points becomes, the
 * longest that is known counting. As in tokenizer.json: base64 of the length of a double array
 * (Darts-clone's), the array, and the texts it points to, each with a NUL behind it.
 */
#ifndef FERRY_INPUT_CHARSMAP_H
#define FERRY_INPUT_CHARSMAP_H

#include "base/memory.h"
#include "ferry/ferry.h"

typedef struct ferry_charsmap {
    const uint32_t *units; /* [unit_count] the double array */
    size_t unit_count;
    const char *texts; /* [text_size], the last one NUL */
    size_t text_size;
} ferry_charsmap;

/* base64 [size]; everything is copied into the arena. name is the file's, for messages. */
ferry_status ferry_charsmap_read(const char *base64, size_t size, const char *name,
                                 ferry_arena *arena, ferry_charsmap *out, ferry_error *error);

/* Bytes of the longest known sequence that text begins with, and what it becomes
 * [*replacement_size]; 0 if there is none, or no map (unit_count 0). */
size_t ferry_charsmap_longest(const ferry_charsmap *map, const char *text, size_t size,
                              const char **replacement, size_t *replacement_size);

#endif
