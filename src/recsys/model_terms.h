/*
 * What a model scores before the softmax, as a sum over the events of a history and the parts of
 * ferry.h's FERRY_REASON_LIST, for explanations: docs/explanations.md has the rule of each reason.
 */
#ifndef FERRY_RECSYS_MODEL_TERMS_H
#define FERRY_RECSYS_MODEL_TERMS_H

#include "recsys/model.h"
#include "recsys/net_terms.h"

/* An item's terms. */
typedef struct ferry_terms {
    size_t count;    /* T, the visitor's events */
    double *value;   /* [T + 1, FERRY_REASON_COUNT], the last row: of no event */
    double constant; /* what every item of the domain has */
    bool approximate[FERRY_REASON_COUNT]; /* distributed by a rule: the reason is not linear */
    bool complete;                        /* they add up to the score */
} ferry_terms;

/* value from the arena. */
ferry_status ferry_terms_create(size_t count, ferry_arena *arena, ferry_terms *out,
                                ferry_error *error);
void ferry_terms_clear(ferry_terms *terms);

/* event == terms->count: of none */
static inline void ferry_terms_add(ferry_terms *terms, size_t event, ferry_reason reason,
                                   double value)
{
    terms->value[event * FERRY_REASON_COUNT + reason] += value;
}

/* What is common to the items of a domain, of one history: borrows all it is given. */
typedef struct ferry_model_explainer {
    const ferry_model *model;
    size_t domain;
    const ferry_history_entry *history; /* [count], whose terms are those of entry.event */
    size_t count;
    ferry_model_scratch *scratch;
    const float *mix; /* [FERRY_FEATURES] of the situation */
    bool here;        /* the history has events in the domain */
    ferry_net_terms net;
    uint32_t *net_events; /* [net.count] */
    double *pull;         /* [FERRY_MODEL_MOST_EVENTS] an event's weight in the factors' fold-in */
    const float **rows;   /* [FERRY_MODEL_MOST_EVENTS] */
    uint32_t *events;     /* [FERRY_MODEL_MOST_EVENTS] of what is read at the moment */
    double *weights, *query, *solved; /* [FERRY_MODEL_MOST_EVENTS], [2 K], [F] */
} ferry_model_explainer;

ferry_status ferry_model_explainer_make(const ferry_model *model, size_t domain,
                                        const ferry_history_entry *history, size_t count,
                                        ferry_model_scratch *scratch, ferry_arena *arena,
                                        ferry_model_explainer *out, ferry_error *error);

/* terms, cleared before, get those of the domain's item: they and the constant add up to what
 * ferry_model_score gives it, if complete. */
void ferry_model_explain(const ferry_model_explainer *explainer, size_t item, ferry_terms *terms);

#endif
