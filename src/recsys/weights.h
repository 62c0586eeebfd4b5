/* What an event is worth: ratings centred per user, counts log-scaled, both fading with time. */
#ifndef FERRY_RECSYS_WEIGHTS_H
#define FERRY_RECSYS_WEIGHTS_H

#include "recsys/dataset.h"

/*
 * Sets every event's weight by the formulas of docs/data.md, all statistics being those of the
 * training part. has_value [domain_count][event_count] tells a value of 0 from none;
 * half_life in days, 0: nothing fades.
 */
ferry_status ferry_weights_apply(ferry_dataset *dataset, const uint8_t *const *has_value,
                                 double half_life, ferry_error *error);

#endif
