/* One person's history over a catalogue, and the scores it adds up to. */
#ifndef FERRY_RECSYS_VISITOR_H
#define FERRY_RECSYS_VISITOR_H

#include "base/names.h"
#include "input/events.h"
#include "recsys/catalog.h"
#include "recsys/fields.h"
#include "recsys/model.h"

typedef struct ferry_history_event {
    uint32_t item;
    ferry_behavior behavior;
    uint32_t other; /* of FERRY_OTHER: where its name begins in visitor->others, or FERRY_NO_NAME */
    float weight;   /* see FERRY_BEHAVIOR_LIST */
    double value;   /* 0 if it is no normal number */
    int64_t timestamp;
    uint64_t added; /* its place in the order of adding, 0…count - 1 */
} ferry_history_event;
_Static_assert(sizeof(ferry_history_event) == 40, "no padding: histories are compared as bytes");

/* With a model, what is like disliked items loses so many times how much it is. docs/profile.md:
 * how it was chosen */
#define FERRY_DISLIKE_PUSH 8.0f

/* Why an item is in visitor->disliked. */
enum { FERRY_ITEM_DISLIKED = 1, FERRY_ITEM_NOT_INTERESTING = 2 };

/* How a domain's scores came about, for those who explain them. */
typedef struct ferry_domain_scored {
    bool texts;      /* cosines to visitor->vector: no model, or one that knows nothing here */
    double constant; /* added to what is in the softmax, the same for all items */
} ferry_domain_scored;

/*
 * Other weights of the modalities than the catalogue's: what makes products of its rows those of
 * rows made with these. All 1 where none are given.
 */
typedef struct ferry_reweighing {
    bool any;
    float ratio[FERRY_MODALITY_COUNT];     /* of segments: wanted weight / the catalogue's */
    float gain[1 << FERRY_MODALITY_COUNT]; /* of items that have a set of modalities */
} ferry_reweighing;

/*
 * The history is a function of the events and the order they were added in, so that without one of
 * them it is as if that had never been: nothing is counted, numbered or ordered by what is gone.
 * Whatever else of a person is kept here, ferry_visitor_forget_scratch must clear.
 */
struct ferry_visitor {
    const ferry_catalog *catalog; /* borrowed */
    ferry_allocator allocator;    /* the catalogue's, wiping what it frees */
    ferry_history_event *events;  /* [count] of [capacity], by timestamp, then as added */
    size_t count, capacity;       /* behind count there are zeros */
    ferry_buffer others;          /* names of behaviours that have their own, sorted, NUL-ended */
    unsigned char *seen;          /* [catalog->count] 1 for items of the history */
    unsigned char *disliked;      /* [catalog->count] of those whose newest event says so: why */
    ferry_fields fields;          /* of items: those that conditions and limits asked for */

    const ferry_model *model; /* borrowed; NULL: texts alone */
    ferry_model_scratch *model_scratch;
    uint32_t *model_domain;       /* [catalog->domain_count] the model's */
    ferry_history_entry *history; /* [history_count] of [history_capacity] what the model reads */
    size_t history_count, history_capacity;
    float *domain_scores; /* [the largest domain's items] */
    float *domain_pushes; /* [the same] how much an item is like disliked ones */
    float *disliking;     /* [K] of [dimension] sum of -weight * whitened text over the dislikes */

    /* scratch of one recommendation */
    float *scale; /* [scale_capacity] what the controls leave of each event, 1 without any */
    size_t scale_capacity;
    float *domain_weight; /* [catalog->domain_count] */
    ferry_reweighing modalities;
    float *vector;               /* [dimension] the user vector */
    float *scores;               /* [catalog->count] */
    unsigned char *wanted;       /* [catalog->domain_count] 1 for domains asked for */
    unsigned char *candidate;    /* [catalog->count] 1 for items that may be recommended */
    ferry_domain_scored *scored; /* [catalog->domain_count] of the wanted ones */
};

/* What an event weighs; INVALID_ARGUMENT for an unknown behaviour or a rating outside 1…5. */
ferry_status ferry_event_weight(ferry_behavior behavior, double value, float *out,
                                ferry_error *error);

/* The event's behaviour by name. */
const char *ferry_visitor_behavior(const ferry_visitor *visitor, const ferry_history_event *event);

/* Zeros in what recommending has left in memory. */
void ferry_visitor_forget_scratch(ferry_visitor *visitor);
void ferry_visitor_forget_model_scratch(ferry_visitor *visitor); /* the model's part of it */

/* Removes the event at a place of visitor->events, and all that is known by it alone. */
void ferry_visitor_remove(ferry_visitor *visitor, size_t place);

/* visitor->scale and ->modalities, from half_life, now and the weights of domains and modalities.
 * INVALID_ARGUMENT and NOT_FOUND say what is wrong with them. */
ferry_status ferry_visitor_weigh(ferry_visitor *visitor, const ferry_recommend_options *options,
                                 ferry_error *error);

/* Scores of the wanted domains' items into visitor->scores, by the model or the visitor's vector,
 * with the options' controls, and how into visitor->scored. EMPTY_HISTORY as ferry_visitor_encode.
 */
ferry_status ferry_visitor_score(ferry_visitor *visitor, const ferry_recommend_options *options,
                                 ferry_error *error);

/*
 * The visitor's vector in visitor->vector: sum of weight * scale * item vector over the history in
 * its order, made unit length, or with other weights of the modalities what products with items,
 * each times its gain, are then cosines. Behind ferry_visitor_weigh. EMPTY_HISTORY if there is
 * nothing to add up, or it cancels out.
 */
ferry_status ferry_visitor_encode(ferry_visitor *visitor, ferry_error *error);

/* Appends the profile of ferry_visitor_save. */
ferry_status ferry_visitor_write_profile(const ferry_visitor *visitor, ferry_buffer *out,
                                         ferry_error *error);

#endif
