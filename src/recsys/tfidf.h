/*
 * Items as weighted terms of their fields, and how well items match what somebody used: the sum
 * over common terms. Words weigh (1 + log count) log(n / items with it), each item's terms have
 * length 1 together, and a term that only one item has is left out.
 */
#ifndef FERRY_RECSYS_TFIDF_H
#define FERRY_RECSYS_TFIDF_H

#include "recsys/sparse.h"

typedef struct ferry_tfidf {
    ferry_arena arena;
    ferry_sparse items; /* [n, terms] */
    ferry_sparse terms; /* [terms, n], transposed */
} ferry_tfidf;

/* What an item's terms are, added up. */
enum {
    FERRY_TERMS_TITLE = 1,  /* the words, [a-z0-9]+ of the ASCII lower-cased text, of the title */
    FERRY_TERMS_TAGS = 2,   /* of the tags */
    FERRY_TERMS_AUTHOR = 4, /* the author (brand) as one term, counted twice; none if it is "" */
};

/* items [n]; title, author and tags are read. fields: at least one of the above. */
ferry_status ferry_tfidf_create(const ferry_item *items, size_t n, unsigned fields,
                                const ferry_allocator *allocator, ferry_tfidf *out,
                                ferry_error *error);

/* One term of weight 1 an item, its author, or the first word of its title where that is "" or
 * "unknown": scores are the weights of the items by the same one. */
ferry_status ferry_tfidf_authors(const ferry_item *items, size_t n,
                                 const ferry_allocator *allocator, ferry_tfidf *out,
                                 ferry_error *error);

void ferry_tfidf_free(ferry_tfidf *tfidf);

/*
 * out [n], all 0 at first, gets sum_h weight[h] <terms of used[h], terms of i>. query [terms] is
 * scratch, all 0 before and after; see ferry_sparse_scatter for mark and touched.
 */
void ferry_tfidf_score(const ferry_tfidf *tfidf, const uint32_t *used, const float *weights,
                       size_t count, float *query, float *out, uint8_t *mark, uint32_t *touched,
                       size_t *touched_count);

#endif
