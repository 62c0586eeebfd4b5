/*
 * How an item matches what somebody used last, as a few numbers that mean the same in every domain:
 * likeness of vectors, of title words, of brand and of category. What the universal ranker weighs.
 */
#ifndef FERRY_RECSYS_MATCH_H
#define FERRY_RECSYS_MATCH_H

#include "math/kernels.h"
#include "recsys/tfidf.h"

/* X(name, what): "3" reads the last three items weighing 1, .6, .36, "1" the last. */
#define FERRY_MATCH_LIST(X)                                        \
    X(WHITENED_3, "cosine of whitened vectors, last 3")            \
    X(WHITENED_1, "cosine of whitened vectors, last")              \
    X(RAW_3, "cosine of centred vectors, last 3")                  \
    X(TITLE_3, "title words, last 3")                              \
    X(TITLE_1, "title words, last")                                \
    X(TITLE_3_SQUARED, "title words, last 3, squared")             \
    X(AUTHOR_3, "share of the last 3 by the same author or brand") \
    X(AUTHOR_1, "the last is by the same author or brand")         \
    X(TAGS_3, "words of the tags, last 3")

typedef enum ferry_match_feature {
#define FERRY_MATCH_ENUM(name, what) FERRY_MATCH_##name,
    FERRY_MATCH_LIST(FERRY_MATCH_ENUM)
#undef FERRY_MATCH_ENUM
        FERRY_MATCH_COUNT
} ferry_match_feature;

typedef struct ferry_match {
    size_t n;
    ferry_tfidf title, tags, author;
    const float *whitened; /* [n, whitened_size] rows of length 1; borrowed */
    const float *centred;  /* [n, centred_size] rows of length 1; borrowed */
    size_t whitened_size, centred_size;
} ferry_match;

/* items [n]: title, author and tags are read, once. The vectors are borrowed. */
ferry_status ferry_match_create(const ferry_item *items, size_t n, const float *whitened,
                                size_t whitened_size, const float *centred, size_t centred_size,
                                const ferry_allocator *allocator, ferry_match *out,
                                ferry_error *error);
void ferry_match_free(ferry_match *match);

/* Floats of scratch that ferry_match_features needs, all 0 before and after the first use. */
size_t ferry_match_scratch(const ferry_match *match);

/* out [FERRY_MATCH_COUNT, n] of a history [count], oldest first; all 0 without a history. */
void ferry_match_features(const ferry_kernels *kernels, const ferry_match *match,
                          const uint32_t *history, size_t count, float *scratch, float *out);

#endif
