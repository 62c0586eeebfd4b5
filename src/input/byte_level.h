/*
 * How byte-level tokenizers part a text into the words whose bytes are merged: CLIP's regular
 * expression, GPT-2's, or one after the other, as Hugging Face `tokenizers` matches them.
 */
#ifndef FERRY_INPUT_BYTE_LEVEL_H
#define FERRY_INPUT_BYTE_LEVEL_H

#include "ferry/ferry.h"

typedef enum ferry_byte_split {
    FERRY_BYTE_SPLIT_NONE,
    /* 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+; the rest, white space, is dropped
     */
    FERRY_BYTE_SPLIT_CLIP,
    FERRY_BYTE_SPLIT_CLIP_SPECIAL, /* <\|startoftext\|>|<\|endoftext\|>| and the same */
    /* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
    FERRY_BYTE_SPLIT_GPT2
} ferry_byte_split;

/*
 * The next part of text, valid UTF-8, from *at on: its first byte, and in *at where it ends; size
 * if there is none any more. NONE: all that is left.
 */
size_t ferry_byte_split_next(ferry_byte_split split, const char *text, size_t size, size_t *at);

#endif
