/*
 * Tokens found in the text as they stand ("[MASK]", or words a model was given later), as
 * `tokenizers` finds them: leftmost first, longest there, then the token's own conditions.
 */
#ifndef FERRY_INPUT_ADDED_TOKENS_H
#define FERRY_INPUT_ADDED_TOKENS_H

#include "input/trie.h"

typedef struct ferry_added_token {
    const char *content; /* [size] bytes, size > 0 */
    uint32_t size;
    int32_t id;
    bool single_word;    /* only where no \w touches it */
    bool lstrip, rstrip; /* swallows white space on that side */
    bool normalized;     /* sought in the normalised text, and normalised itself */
} ferry_added_token;

typedef struct ferry_added_set {
    ferry_trie trie;           /* content -> index into tokens */
    ferry_added_token *tokens; /* [count]; content is no longer valid */
    size_t count;
    bool first[256]; /* bytes a token begins with */
    int only_first;  /* the one such byte, or -1 if there are more */
} ferry_added_set;

/* Copies what it keeps. Of tokens with equal content the first counts. */
ferry_status ferry_added_set_build(ferry_added_set *set, const ferry_allocator *allocator,
                                   const ferry_added_token *tokens, size_t count, const char *what,
                                   ferry_error *error);
void ferry_added_set_free(ferry_added_set *set, const ferry_allocator *allocator);

typedef struct ferry_added_cursor {
    const ferry_added_set *set;
    const char *text; /* UTF-8, [size] */
    size_t size;
    size_t search; /* where the next token may begin */
    size_t done;   /* text before this is behind us */
} ferry_added_cursor;

typedef struct ferry_added_piece {
    size_t start, stop; /* text between tokens, perhaps empty */
    int32_t id;         /* of the token behind it, or -1 at the end of the text */
} ferry_added_piece;

/* Call until id is -1. */
ferry_added_piece ferry_added_next(ferry_added_cursor *cursor);

#endif
