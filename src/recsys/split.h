/* Dividing a data set's events into training, validation and test. docs/data.md says how. */
#ifndef FERRY_RECSYS_SPLIT_H
#define FERRY_RECSYS_SPLIT_H

#include "recsys/dataset.h"

/* X(name, text) */
#define FERRY_SPLIT_LIST(X)                                                                  \
    X(LOO, "loo")           /* of each user and domain the last event, and the one before */ \
    X(TIME, "time")         /* two moments, the same for everybody */                        \
    X(RATIO, "ratio")       /* of each user and domain the last events, by share */          \
    X(NEW_USER, "new-user") /* of some users linked across domains all of one domain's */

typedef enum ferry_split {
#define FERRY_SPLIT_ENUM(name, text) FERRY_SPLIT_##name,
    FERRY_SPLIT_LIST(FERRY_SPLIT_ENUM)
#undef FERRY_SPLIT_ENUM
        FERRY_SPLIT_COUNT
} ferry_split;

typedef struct ferry_split_options {
    ferry_split split;
    const char *target_behavior; /* loo: events of this one alone are held out; NULL: of any */
    double ratio[FERRY_PARTS];   /* time, ratio: shares of the parts */
    const char *target;          /* new-user: the domain */
    double share;                /* new-user: of the linked users, whose events are for the test */
    const char *const *test_users; /* [test_user_count] new-user: these, in place of a share */
    size_t test_user_count;
    uint64_t seed;
} ferry_split_options;

/* Sets every event's part. INVALID_ARGUMENT or NOT_FOUND if the data set has not what the split
 * needs. */
ferry_status ferry_split_apply(ferry_dataset *dataset, const ferry_split_options *options,
                               ferry_error *error);

#endif
