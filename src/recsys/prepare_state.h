/* What the steps of preparing share. Internal to prepare*.c. */
#ifndef FERRY_RECSYS_PREPARE_STATE_H
#define FERRY_RECSYS_PREPARE_STATE_H

#include "base/names.h"
#include "recsys/prepare.h"

typedef struct raw_event {
    int64_t timestamp; /* 0: unknown */
    double position;
    float value;
    uint32_t user, item; /* item: within the domain */
    uint32_t order;      /* as read */
    uint16_t domain;
    uint8_t behavior;
    bool has_value;
} raw_event;

typedef struct raw_item {
    const char *json; /* NULL: made from an event */
    const char *title;
    bool has_text;   /* anything to encode it from */
    bool dropped;    /* by merging or by the core */
    uint32_t number; /* once what is dropped is gone */
} raw_item;

typedef struct raw_domain {
    ferry_names ids;
    raw_item *items; /* [ids.count] of [capacity] */
    size_t capacity;
    size_t near_titles, equal_titles, merged;
    size_t core_rounds, core_items, core_users, core_events; /* dropped by the core */
} raw_domain;

typedef struct refusal_count {
    const char *reason; /* with every quoted part and number left out */
    size_t count;
} refusal_count;

enum { MAX_REASONS = 64 };

typedef struct table_count {
    const char *file;
    bool events;
    size_t rows, refused;
} table_count;

struct ferry_prepare {
    ferry_allocator allocator;
    ferry_prepare_options options;
    ferry_arena arena; /* texts */
    ferry_names domain_names, users, behaviors;
    raw_domain *domains; /* [domain_names.count] of [domain_capacity] */
    size_t domain_capacity;
    raw_event *events; /* [event_count] of [event_capacity] */
    size_t event_count, event_capacity;
    bool items_given;

    table_count *tables; /* [table_count] of [table_capacity] */
    size_t table_count, table_capacity;
    refusal_count reasons[MAX_REASONS];
    size_t reason_count, other_reasons; /* rows whose reason no longer fitted */
    size_t low_ratings, duplicates, telling;
};

/* ---- steps, in the order they are taken (prepare_clean.c) ---- */

ferry_status ferry_prepare_titles(ferry_prepare *p, ferry_error *error);
void ferry_prepare_order(ferry_prepare *p);
ferry_status ferry_prepare_dedupe(ferry_prepare *p, ferry_error *error);
ferry_status ferry_prepare_drop_telling(ferry_prepare *p, ferry_error *error);
ferry_status ferry_prepare_core(ferry_prepare *p, ferry_error *error);

/* ---- prepare_build.c ---- */

/* The data set, with has_value [domain_count][event_count] in its arena, and items.jsonl. */
ferry_status ferry_prepare_build(ferry_prepare *p, ferry_dataset **out, uint8_t ***has_value,
                                 ferry_buffer *items, ferry_error *error);

/* ---- prepare_report.c ---- */

/* Counts a refused row under its reason. */
void ferry_prepare_count_reason(ferry_prepare *p, const char *reason);

/* NULL without memory. */
cJSON *ferry_prepare_settings(const ferry_prepare *p);
cJSON *ferry_prepare_report(const ferry_prepare *p, const ferry_dataset *dataset);

#endif
