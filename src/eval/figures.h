/* From ranks and lists to figures, intervals and slices: the second half of ferry_evaluate. */
#ifndef FERRY_EVAL_FIGURES_H
#define FERRY_EVAL_FIGURES_H

#include "eval/evaluate.h"

/* What ranking every user gave. */
typedef struct ferry_eval_results {
    ferry_arena *arena; /* everything below */
    size_t user_count, target_count;
    size_t longest;         /* of the lists: the largest k, or the items if they are fewer */
    uint32_t *rows;         /* [user_count] the users' rows in the domain */
    size_t *first_target;   /* [user_count + 1] */
    uint32_t *target;       /* [target_count] items, distinct within a user */
    float *target_value;    /* [target_count] */
    float *predicted;       /* [target_count] scores */
    uint32_t *rank;         /* [target_count] from 1, or FERRY_RANK_NEVER */
    uint32_t *list;         /* [user_count, longest] */
    uint32_t *list_size;    /* [user_count] */
    double *diversity;      /* [user_count, k_count], or NULL */
    uint32_t *not_a_number; /* [user_count] 1 + the first item whose score is none, or 0 */
} ferry_eval_results;

/* Fills out, whose arena is there. */
ferry_status ferry_eval_figures(const ferry_dataset *dataset, const ferry_eval_options *options,
                                const ferry_eval_results *results, ferry_evaluation *out,
                                ferry_error *error);

/* Adds the slices to out; ranks are as in results. */
ferry_status ferry_eval_slices(const ferry_dataset *dataset, const ferry_eval_options *options,
                               const ferry_eval_results *results, ferry_evaluation *out,
                               ferry_error *error);

/*
 * Means and intervals of the columns of values [rows, columns] into figures [columns], whose names
 * are left alone. With ratings the last three columns are sums of squared and absolute errors and
 * their count, and the last two of the then columns - 1 figures are rmse and mae. rows > 0.
 */
ferry_status ferry_eval_summary(const double *values, size_t rows, size_t columns, bool ratings,
                                const ferry_eval_options *options, ferry_arena *arena,
                                ferry_eval_figure *figures, ferry_error *error);

/* out [columns] of values [rows, columns], rows added in their order. */
void ferry_eval_column_means(const double *values, size_t rows, size_t columns, double *out);

/* rmse and mae of a row of means whose last three are those of squared errors, absolute ones, and
 * how many; 0 without any. */
void ferry_eval_rating_figures(const double *row, size_t columns, double *rmse, double *mae);

/* "train", "validation", "test" */
const char *ferry_part_name(ferry_part part);

/* The RecBole name of a ferry_rank_metric with its k, "ndcg@10", in the arena; NULL without memory.
 */
const char *ferry_eval_metric_name(ferry_arena *arena, size_t metric, size_t k);

/* The metrics of one user's targets [first, end) for which chosen [target_count] has `wanted` (all
 * if it is NULL) into out [k_count, FERRY_RANK_METRICS]; ranks is scratch for all targets of the
 * user. Returns how many targets there were. */
size_t ferry_eval_user(const ferry_eval_options *options, const ferry_eval_results *results,
                       size_t user, const unsigned char *chosen, unsigned char wanted,
                       const double *discounts, uint32_t *ranks, double *out);

#endif
