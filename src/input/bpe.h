/*
 * The byte-level BPE model: a word's bytes, two neighbours merged at a time, those first whose
 * merge was learned first, the leftmost of them; as Hugging Face `tokenizers` does it.
 */
#ifndef FERRY_INPUT_BPE_H
#define FERRY_INPUT_BPE_H

#include "base/memory.h"
#include "ferry/ferry.h"

typedef struct ferry_bpe_merge {
    int32_t left, right; /* ids */
    int32_t rank;        /* its place in the list */
    int32_t id;          /* of the two together, or -1: the slot is free */
} ferry_bpe_merge;

typedef struct ferry_bpe {
    int32_t inner[256], last[256]; /* id of a byte, of a word's last byte; -1: it is unknown */
    int32_t unknown;               /* id of what is unknown, or -1: it is left out */
    bool fuse_unknown;             /* a run of it is one token */
    ferry_bpe_merge *merges;       /* [slots] by hash of left and right, or NULL: none */
    size_t slots;                  /* a power of two, more than there are merges */
} ferry_bpe;

/* Makes room for `count` merges in the arena. */
ferry_status ferry_bpe_reserve(ferry_bpe *model, size_t count, ferry_arena *arena,
                               ferry_error *error);
/* One of those; of equal pairs the later one counts. */
void ferry_bpe_add(ferry_bpe *model, ferry_bpe_merge merge);

/*
 * The tokens of a word [size] > 0; *count is how many, of which the first room are written. symbols
 * and queue are scratch. LIMIT for a word of 2 GB.
 */
ferry_status ferry_bpe_encode(const ferry_bpe *model, const char *word, size_t size,
                              ferry_buffer *symbols, ferry_buffer *queue, int32_t *ids, size_t room,
                              size_t *count, ferry_error *error);

#endif
