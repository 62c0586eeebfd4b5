/* One person's history over a catalogue, and the vector it adds up to. */
#ifndef FERRY_RECSYS_VISITOR_H
#define FERRY_RECSYS_VISITOR_H

#include "base/names.h"
#include "input/events.h"
#include "recsys/catalog.h"
#include "recsys/model.h"

typedef struct ferry_history_event {
    uint32_t item;
    ferry_behavior behavior;
    uint32_t other; /* of FERRY_OTHER: its name in visitor->others, or FERRY_NO_NAME */
    float weight;   /* see FERRY_BEHAVIOR_LIST */
    double value;
    int64_t timestamp;
} ferry_history_event;

struct ferry_visitor {
    const ferry_catalog *catalog; /* borrowed */
    ferry_history_event *events;  /* [count] of [capacity], by timestamp, then as added */
    size_t count, capacity;
    ferry_names others;  /* behaviours that have names of their own */
    unsigned char *seen; /* [catalog->count] 1 for items of the history */

    const ferry_model *model; /* borrowed; NULL: texts alone */
    ferry_model_scratch *model_scratch;
    uint32_t *model_domain;       /* [catalog->domain_count] the model's */
    ferry_history_entry *history; /* [capacity] the events as the model reads them */
    size_t history_capacity;
    float *domain_scores; /* [the largest domain's items] */

    /* scratch of one recommendation */
    float *vector;         /* [dimension] the user vector */
    float *scores;         /* [catalog->count] */
    unsigned char *wanted; /* [catalog->domain_count] 1 for domains asked for */
};

/* What an event weighs; INVALID_ARGUMENT for an unknown behaviour or a rating outside 1…5. */
ferry_status ferry_event_weight(ferry_behavior behavior, double value, float *out,
                                ferry_error *error);

/* Scores of the wanted domains' items into visitor->scores, by the model or the visitor's vector.
 * EMPTY_HISTORY as ferry_visitor_encode. */
ferry_status ferry_visitor_score(ferry_visitor *visitor, ferry_error *error);

/*
 * The visitor's vector in visitor->vector: sum of weight * item vector over the history in its
 * order, made unit length. EMPTY_HISTORY if there is nothing to add up, or it cancels out.
 */
ferry_status ferry_visitor_encode(ferry_visitor *visitor, ferry_error *error);

#endif
