/*
 * The Unigram model of SentencePiece, with the normalisation in front of it: text to words, each
 * with U+2581 for the space before it; a word to the pieces whose scores sum highest.
 */
#ifndef FERRY_INPUT_UNIGRAM_H
#define FERRY_INPUT_UNIGRAM_H

#include "input/charsmap.h"
#include "input/trie.h"

typedef struct ferry_unigram {
    const double *scores;  /* [pieces] logarithms of their probability, by id */
    int32_t unknown;       /* id of what no piece holds: a run of it is one token */
    double unknown_score;  /* of each such character */
    ferry_charsmap map;    /* may be empty */
    bool splits_any_space; /* at all of Unicode's white space; else at U+0020 only */
} ferry_unigram;

/* A way to the end of one of a word's first characters. */
typedef struct ferry_unigram_step {
    double score; /* of the best one */
    size_t start; /* of its last piece */
    int32_t id;   /* of that piece, or -1: none leads here yet */
} ferry_unigram_step;

/* ---- words ---- */

typedef struct ferry_unigram_words {
    const ferry_unigram *model;
    const char *text; /* valid UTF-8, [size] */
    size_t size, offset;
    const char *pending; /* [pending_size] of a replacement that is not in a word yet */
    size_t pending_size;
    bool spaced; /* a space stands before what comes, which is a word of its own before U+2581 */
} ferry_unigram_words;

/* The next word into word, whose content is dropped: U+2581 and at least one more byte, or U+2581
 * alone where the text has one. *found is false at the end. OUT_OF_MEMORY else. */
ferry_status ferry_unigram_next(ferry_unigram_words *words, ferry_buffer *word, bool *found,
                                ferry_error *error);

/* ---- pieces ---- */

/*
 * The pieces of a word [size]; of pieces that sum the same, those that SentencePiece takes. Writes
 * the first room of them; *count is how many there are. steps is scratch.
 */
ferry_status ferry_unigram_encode(const ferry_unigram *model, const ferry_trie *pieces,
                                  const char *word, size_t size, ferry_buffer *steps, int32_t *ids,
                                  size_t room, size_t *count, ferry_error *error);

#endif
