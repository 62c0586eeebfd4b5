/*
 * Evaluating a scorer on one domain of a data set: every user who has targets gets the items
 * ranked, and the targets' ranks give the metrics (docs/metrics.md).
 *
 * What is ranked: all items of the domain, less (by default) those in the user's history there. A
 * target that is masked is a miss. Items of equal score are ordered by a hash of user and item, so
 * that no scorer gains from the order of the file. The result is the same with any number of
 * threads.
 */
#ifndef FERRY_EVAL_EVALUATE_H
#define FERRY_EVAL_EVALUATE_H

#include "base/pool.h"
#include "eval/metrics.h"
#include "math/kernels.h"
#include "recsys/history.h"

/*
 * Scores of all n items of the evaluated domain for one user: out [n]. -infinity is "never". The
 * history may be empty. worker in [0, threads): whose scratch may be used.
 */
typedef void (*ferry_score_items)(void *scorer, const ferry_history_entry *history, size_t count,
                                  size_t worker, float *out);

typedef struct ferry_eval_options {
    size_t domain; /* index into the dataset's domains */
    ferry_part part;
    const size_t *ks; /* [k_count], ascending, each in [1, FERRY_EVAL_MAX_K] */
    size_t k_count;
    bool keep_seen;          /* items of the history may be recommended again */
    const uint8_t *behavior; /* only items of such events are masked; NULL: of any */
    bool own_only;           /* the history is of this domain alone */
    bool ratings;            /* scores are predictions of the targets' values: adds rmse and mae */
    size_t users;            /* a random sample of that many; 0 is all */
    size_t resamples;        /* of the bootstrap; 0 for no intervals */
    uint64_t seed;           /* of sample and bootstrap */
    const unsigned char *candidates; /* [n] 1 for items that are ranked; NULL is all */
    const float *vectors;            /* [n, dimension] unit rows, for diversity; NULL for none */
    size_t dimension;
    const ferry_kernels *kernels; /* for diversity */
    ferry_pool *pool;             /* NULL: this thread alone */
    ferry_progress progress;      /* after some users each; may be NULL */
    void *progress_user;
} ferry_eval_options;

/* A mean over users and its bootstrap percentile interval of 95 %. */
typedef struct ferry_eval_figure {
    const char *name; /* "ndcg@10" */
    double mean, low, high;
} ferry_eval_figure;

/*
 * Some of the (user, target) pairs; a user is in a slice with those of the targets that are in it.
 * history: how many events the user has in the domain before the part. item: how many events the
 * target has in training. transition: whether the last item of the user's history in the domain was
 * directly followed by the target in any user's training events; nearby: within five events.
 */
typedef struct ferry_eval_slice {
    const char *by; /* "history", "item", "transition", "nearby" */
    const char *of; /* "0", "1-4", "5-9", "10+"; "0", "1-5", "6+"; "seen", "unseen", "none" */
    size_t users, targets;
    ferry_eval_figure *figures; /* [k_count * FERRY_RANK_METRICS] */
} ferry_eval_slice;

typedef struct ferry_evaluation {
    ferry_arena arena; /* everything below */
    const char *domain;
    const char *part;
    size_t items;
    size_t user_count, target_count;
    size_t seen_targets; /* masked because they are in the history: misses */
    bool keep_seen;
    size_t *ks;
    size_t k_count, resamples;
    uint64_t fingerprint; /* of domain, part, users and targets: what is comparable */

    size_t column_count;
    const char **columns;       /* [column_count] "hit@5"…, "accuracy"; names of values' columns */
    uint32_t *users;            /* [user_count] index into the dataset's users, ascending */
    double *values;             /* [user_count, column_count] */
    ferry_eval_figure *figures; /* [column_count], then rmse and mae if asked for */
    size_t figure_count;
    ferry_list_metrics *lists; /* [k_count] */
    ferry_eval_slice *slices;  /* [slice_count], without the empty ones */
    size_t slice_count;
} ferry_evaluation;

/*
 * INVALID_ARGUMENT for options outside their range, NOT_FOUND if no user has a target in the part,
 * MALFORMED if a score is NaN (names user and item), CANCELLED by progress.
 */
ferry_status ferry_evaluate(const ferry_dataset *dataset, const ferry_eval_options *options,
                            ferry_score_items score, void *scorer, const ferry_allocator *allocator,
                            ferry_evaluation **out, ferry_error *error);
void ferry_evaluation_close(ferry_evaluation *evaluation); /* NULL is fine */

/* The figure of that name, or NULL. */
const ferry_eval_figure *ferry_evaluation_find(const ferry_evaluation *evaluation,
                                               const char *name);

#endif
