/*
 * From tables of items and events to a data set: clean, de-duplicate, reduce to a core, order,
 * divide into parts, weigh. docs/data.md describes each step and its default.
 */
#ifndef FERRY_RECSYS_PREPARE_H
#define FERRY_RECSYS_PREPARE_H

#include "recsys/dataset.h"
#include "recsys/split.h"

/* Which of a user's repeated events are left out: X(name, text) */
#define FERRY_DEDUPE_LIST(X)                                                        \
    X(EXACT, "exact") /* same item, behaviour and (known) timestamp: one is kept */ \
    X(FIRST, "first") /* same item and behaviour: the oldest is kept */             \
    X(LAST, "last")   /* same item and behaviour: the newest is kept */             \
    X(NONE, "none")

typedef enum ferry_dedupe {
#define FERRY_DEDUPE_ENUM(name, text) FERRY_DEDUPE_##name,
    FERRY_DEDUPE_LIST(FERRY_DEDUPE_ENUM)
#undef FERRY_DEDUPE_ENUM
        FERRY_DEDUPE_COUNT
} ferry_dedupe;

typedef struct ferry_prepare_options {
    size_t core; /* every user and item left has so many events of a domain; up to 1: all stay */
    bool has_min_rating;
    double min_rating; /* lower ratings are left out */
    ferry_dedupe dedupe_events;
    bool merge_titles; /* items of the same title become one; otherwise they are only counted */
    double half_life;  /* days; 0: weights do not fade */
    ferry_split_options split;
} ferry_prepare_options;

/* Keeps every row; leave-one-out. ratio .8 .1 .1, share .5. */
ferry_prepare_options ferry_prepare_defaults(void);

typedef struct ferry_prepare ferry_prepare;

/* Borrows the texts of the options. */
ferry_status ferry_prepare_create(const ferry_prepare_options *options,
                                  const ferry_allocator *allocator, ferry_prepare **out,
                                  ferry_error *error);
void ferry_prepare_close(ferry_prepare *prepare);

/*
 * Adds a table; refused rows are counted by reason and told. All items come before the first event.
 * Events of items that were not added are refused, unless no item was: they then make the items.
 */
ferry_status ferry_prepare_items(ferry_prepare *prepare, const ferry_file *table,
                                 ferry_table_format format, ferry_row_refused refused,
                                 void *refused_user, ferry_error *error);
ferry_status ferry_prepare_events(ferry_prepare *prepare, const ferry_file *table,
                                  ferry_table_format format, ferry_row_refused refused,
                                  void *refused_user, ferry_error *error);

/* What came of it. */
typedef struct ferry_prepared {
    ferry_dataset *dataset;
    ferry_buffer items; /* items.jsonl */
    cJSON *settings, *report;
} ferry_prepared;

/* Does the rest, once; progress (may be NULL) counts steps. INVALID_ARGUMENT if no event is left.
 * *out is the caller's to close. */
ferry_status ferry_prepare_finish(ferry_prepare *prepare, ferry_progress progress,
                                  void *progress_user, ferry_prepared *out, ferry_error *error);
void ferry_prepared_close(ferry_prepared *prepared);

#endif
