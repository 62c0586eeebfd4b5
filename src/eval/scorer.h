/*
 * A scorer by name: what `ferry eval --baseline NAME` runs. Adding one is a ferry_scorer and a line
 * in ferry_baselines.
 */
#ifndef FERRY_EVAL_SCORER_H
#define FERRY_EVAL_SCORER_H

#include "eval/evaluate.h"

/* What a scorer is made from. Scorers learn from events with part FERRY_TRAIN alone. Borrowed until
 * close. */
typedef struct ferry_scorer_input {
    const ferry_dataset *dataset; /* bound to the catalogue, if there is one */
    size_t domain;                /* the one to be scored */
    const float *const *vectors;  /* [domains] -> [items, dimension] unit rows, or NULL */
    size_t dimension;
    const ferry_kernels *kernels;
    ferry_pool *pool;    /* for making it; scoring is called from this pool's workers */
    size_t memory_limit; /* bytes; LIMIT if more were needed */
    const ferry_allocator *allocator; /* NULL: malloc */
} ferry_scorer_input;

typedef struct ferry_scorer {
    const char *name;
    const char *summary; /* one line for --help */
    ferry_status (*create)(const ferry_scorer_input *input, void **out, ferry_error *error);
    ferry_score_items score;
    void (*close)(void *scorer); /* NULL is fine */
} ferry_scorer;

/* The baselines: random, popularity, itemknn, ease, text, graph. [*count] */
const ferry_scorer *const *ferry_baselines(size_t *count);

/* NOT_FOUND lists the names there are. */
ferry_status ferry_baseline_find(const char *name, const ferry_scorer **out, ferry_error *error);

#endif
