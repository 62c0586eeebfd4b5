/* An evaluation as JSON and as a table; its values per user as a file, and two runs compared. */
#ifndef FERRY_EVAL_REPORT_H
#define FERRY_EVAL_REPORT_H

#include "eval/evaluate.h"

/* The paired difference of two runs over the same users: this one less the other. */
typedef struct ferry_eval_comparison {
    ferry_arena arena; /* everything below */
    const char *other; /* the other run's scorer */
    ferry_eval_figure *figures;
    size_t figure_count;
} ferry_eval_comparison;

/* What the evaluation does not know itself. */
typedef struct ferry_eval_about {
    const char *scorer;
    double fit_seconds, rank_seconds;        /* both 0: left out */
    size_t peak_memory;                      /* bytes; 0: left out */
    const ferry_eval_comparison *comparison; /* NULL: none */
} ferry_eval_about;

/*
 * Appends one object on one line: {"scorer","domain","part","users","targets","seen_targets",
 * "items","masked","k",[…],"metrics":{"hit@10":…},"intervals":{"hit@10":[low,high]},
 * "slices":[{"by","of","users","targets","metrics","intervals"}],"comparison":{"with",
 * "difference","intervals"},"seconds":{"fit","rank"},"peak_memory"}. Intervals are left out
 * without resamples.
 */
ferry_status ferry_evaluation_json(const ferry_evaluation *evaluation,
                                   const ferry_eval_about *about, ferry_buffer *out,
                                   ferry_error *error);

/* Appends what a person reads: a line a metric, a column a k. */
ferry_status ferry_evaluation_table(const ferry_evaluation *evaluation,
                                    const ferry_eval_about *about, ferry_buffer *out,
                                    ferry_error *error);

/*
 * Appends a safetensors file: "users" F32 [users], indices into the dataset's users, and "values"
 * F32 [users, columns]; metadata "columns" (names with a space between), "scorer", "fingerprint".
 * LIMIT if an index is no float any more, from 2^24 on.
 */
ferry_status ferry_evaluation_save(const ferry_evaluation *evaluation, const char *scorer,
                                   ferry_buffer *out, ferry_error *error);

/*
 * Compares with another run's saved values, metric by metric where both have it, by a paired
 * bootstrap over users. INVALID_ARGUMENT if the other run is of other users or targets.
 */
ferry_status ferry_evaluation_compare(const ferry_evaluation *evaluation, const ferry_file *saved,
                                      const ferry_eval_options *options,
                                      const ferry_allocator *allocator, ferry_eval_comparison *out,
                                      ferry_error *error);
void ferry_eval_comparison_close(ferry_eval_comparison *comparison);

#endif
