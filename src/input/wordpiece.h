/* The WordPiece model: the longest known piece from the left, again and again. */
#ifndef FERRY_INPUT_WORDPIECE_H
#define FERRY_INPUT_WORDPIECE_H

#include "input/trie.h"

typedef struct ferry_wordpiece {
    const ferry_trie *pieces; /* borrowed, not empty */
    uint32_t continuation;    /* trie state behind the prefix of pieces inside a word ("##") */
    int32_t unknown;          /* id of the word that cannot be made of pieces */
    size_t max_chars;         /* longer words are unknown */
} ferry_wordpiece;

/*
 * Pieces of one word ([size] > 0 bytes of UTF-8); returns how many, at least 1, of which the first
 * room are written. A word of more than max_chars code points is the caller's to recognise.
 */
size_t ferry_wordpiece_encode(const ferry_wordpiece *model, const char *word, size_t size,
                              int32_t *ids, size_t room);

#endif
