/* Why items have their scores: see ferry_explanation. */
#ifndef FERRY_RANK_EXPLAIN_H
#define FERRY_RANK_EXPLAIN_H

#include "recsys/model_terms.h"
#include "recsys/visitor.h"

/* Explains several items of one state of a visitor, which is scored once; no event may be added
 * meanwhile. */
typedef struct ferry_explainer {
    ferry_visitor *visitor;
    ferry_recommend_options options;
    ferry_arena arena;
    ferry_terms terms;
    size_t *order;                  /* [events] places in visitor->events as they were added */
    double *sums;                   /* [events] */
    ferry_model_explainer **domain; /* [catalog->domain_count] made when first asked for */
    double *weights, *query;        /* [events], [dimension] */
    uint32_t *events;               /* [events] whose they are */
} ferry_explainer;

/* items: those that will be explained. */
ferry_status ferry_explainer_open(ferry_visitor *visitor, const ferry_recommend_options *options,
                                  const ferry_recommendation *items, size_t count,
                                  ferry_explainer *out, ferry_error *error);
void ferry_explainer_close(ferry_explainer *explainer);

ferry_status ferry_explainer_explain(ferry_explainer *explainer, size_t item,
                                     ferry_explanation **out, ferry_error *error);

/* A sentence of the explanation's groups and its event, from the arena; NULL without memory.
 * because: the event, or NULL. */
const char *ferry_explanation_sentence(const ferry_visitor *visitor,
                                       const ferry_explanation *explanation,
                                       const ferry_history_event *because, ferry_arena *arena);

/* Whole percents of the positive values [count], 100 together by the largest remainder (ties: the
 * first), or all 0. */
void ferry_explain_percent(const double *values, size_t count, unsigned *percent);

#endif
