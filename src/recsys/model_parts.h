/* What a model's features read of a history, for those that compute and those that explain them. */
#ifndef FERRY_RECSYS_MODEL_PARTS_H
#define FERRY_RECSYS_MODEL_PARTS_H

#include "recsys/model.h"

/* What is added before a logarithm is taken, of neighbours, across, linked: the least it can be. */
#define FERRY_NEIGHBORS_FLOOR 0.03f
#define FERRY_ACROSS_FLOOR 0.003f
#define FERRY_LINKED_FLOOR 0.001f

/* What an event's weight is multiplied with for each newer one. */
#define FERRY_RECENT_DECAY 0.6f
#define FERRY_NEIGHBORS_DECAY 0.8f
enum { FERRY_RECENT = 3, FERRY_NEIGHBORS_RECENT = 10 /* events that are read */ };

/*
 * The newest `most` entries of the domain whose weight is positive, newest first, into
 * scratch->items, ->places and ->weights: weight * decay^age. Returns how many.
 */
size_t ferry_model_recent(const ferry_history_entry *history, size_t count, size_t domain,
                          size_t most, float decay, ferry_model_scratch *scratch);

/* The newest entries of other domains that say what their owner likes, newest first, as rows of the
 * across tables into scratch->items, ->places and ->weights, which are 1. Returns how many. */
size_t ferry_model_elsewhere(const ferry_model *model, size_t domain,
                             const ferry_history_entry *history, size_t count,
                             ferry_model_scratch *scratch);

/* The newest entries of the domain, oldest first, into scratch->events and ->places. Returns how
 * many. */
size_t ferry_model_net_events(const ferry_model *model, size_t domain,
                              const ferry_history_entry *history, size_t count,
                              ferry_model_scratch *scratch);

#endif
